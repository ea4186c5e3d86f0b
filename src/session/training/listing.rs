//! Which patients a training folder has, and which of them are kept for validation.

use super::{Names, TrainingFolder};
use crate::ai::nnunet::package::channel_modality;
use crate::ai::train::TrainError;
use crate::session::descriptions::against;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The greatest index that is read, bytes.
const INDEX_LIMIT: u64 = 64 << 20;

/// `index.json`.
#[derive(Debug, Default, Deserialize)]
struct Index {
    /// Names by value.
    labels: BTreeMap<u16, String>,
    patients: Vec<IndexEntry>,
}

#[derive(Debug, Deserialize)]
struct IndexEntry {
    id: String,
    split: String,
    #[serde(default = "yes")]
    usable: bool,
    /// All organs where it is missing.
    annotated: Option<Vec<String>>,
    #[serde(default)]
    truncated: Vec<String>,
}

fn yes() -> bool {
    true
}

/// What of nnU-Net's `dataset.json` training needs.
#[derive(Debug, Deserialize)]
struct Dataset {
    labels: BTreeMap<String, Value>,
    channel_names: Option<BTreeMap<usize, String>>,
    /// The older name of the same, by which nnU-Net goes where both are there.
    modality: Option<BTreeMap<usize, String>>,
    #[serde(default = "gzipped")]
    file_ending: String,
}

fn gzipped() -> String {
    ".nii.gz".to_owned()
}

/// Where a patient's files are.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A folder of DICOM, or of NIfTI files.
    Folder(PathBuf),
    /// A case of nnU-Net's own layout.
    Dataset {
        /// In the order of the channels.
        images: Vec<PathBuf>,
        labels: PathBuf,
    },
}

/// One patient's place and what is known of it beforehand.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub place: Place,
    /// Names of the organs that were annotated; `None`: those that are there.
    pub annotated: Option<Vec<String>>,
    /// Names of the organs that the scan cuts off; `None`: those that reach its end.
    pub truncated: Option<Vec<String>>,
}

/// The text of a JSON file of bounded size.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > INDEX_LIMIT {
        return Err(format!("it has {size} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

impl TrainingFolder {
    pub(super) fn take_index(&mut self, root: &Path, path: &Path) -> Result<(), TrainError> {
        let wrong = |reason: String| {
            TrainError::Patients(format!("the index is not usable ({reason}): {}", path.display()))
        };
        let text = read(path).map_err(wrong)?;
        let index: Index = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let all: Vec<String> = index.labels.values().cloned().collect();
        self.names = index.labels.into_iter().collect();
        for patient in index.patients.into_iter().filter(|patient| patient.usable) {
            // Only plain names: an index reads nothing outside its own folder.
            if [&patient.id, &patient.split].iter().any(|n| Path::new(n).file_name() != Some(n.as_ref())) {
                return Err(wrong(format!("{:?} is not a plain name", patient.id)));
            }
            let inside = root.join(&patient.split).join(&patient.id);
            let folder = if inside.is_dir() { inside } else { root.join(&patient.id) };
            let entry = Entry {
                place: Place::Folder(folder),
                annotated: Some(patient.annotated.unwrap_or_else(|| all.clone())),
                truncated: Some(patient.truncated),
            };
            let list = if patient.split == "train" { &mut self.train } else { &mut self.valid };
            list.push(patient.id.clone());
            if self.entries.insert(patient.id.clone(), entry).is_some() {
                // Who is trained on would be measured on too.
                return Err(wrong(format!("the patient {} is there twice", patient.id)));
            }
        }
        Ok(())
    }

    /// One subfolder a patient; their names.
    pub(super) fn take_folders(&mut self, root: &Path) -> Result<Vec<String>, TrainError> {
        let mut ids = Vec::new();
        for folder in listed(root)?.into_iter().filter(|path| path.is_dir()) {
            let Some(id) = folder.file_name().map(|name| name.to_string_lossy().into_owned()) else {
                continue;
            };
            if !id.starts_with('.') {
                ids.push(id.clone());
                let place = Place::Folder(folder);
                self.entries.insert(id, Entry { place, annotated: None, truncated: None });
            }
        }
        Ok(ids)
    }

    /// nnU-Net's own layout: `labelsTr/CASE.nii.gz` with `imagesTr/CASE_0000.nii.gz` and so on. There every
    /// label of `dataset.json` was looked for in every case.
    pub(super) fn take_dataset(&mut self, root: &Path) -> Result<Vec<String>, TrainError> {
        let path = root.join("dataset.json");
        let wrong = |reason: String| {
            TrainError::Patients(format!(
                "the data set of nnU-Net is not usable ({reason}): {}",
                path.display()
            ))
        };
        let text = read(&path).map_err(wrong)?;
        let dataset: Dataset = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let ending = &dataset.file_ending;
        if ![".nii.gz", ".nii"].contains(&ending.as_str()) {
            return Err(wrong(format!("its images end in {ending}; convert them to .nii.gz")));
        }
        self.names = names_of(&dataset.labels).map_err(wrong)?;
        let names: Vec<String> =
            dataset.modality.or(dataset.channel_names).unwrap_or_default().into_values().collect();
        self.check_channels(&names).map_err(wrong)?;
        let count = self.recipe.channels().len().max(1);
        let mut ids = Vec::new();
        for labels in listed(&root.join("labelsTr"))? {
            let name = labels.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some(id) = name.strip_suffix(ending.as_str()).filter(|id| !id.starts_with('.')) else {
                continue;
            };
            let image = |number: usize| root.join("imagesTr").join(format!("{id}_{number:04}{ending}"));
            let annotated = self.names.iter().map(|(_, name)| name.clone()).collect();
            let place = Place::Dataset { images: (0..count).map(image).collect(), labels };
            ids.push(id.to_owned());
            let entry = Entry { place, annotated: Some(annotated), truncated: None };
            self.entries.insert(id.to_owned(), entry);
        }
        Ok(ids)
    }

    /// Whether the channels of a data set, where it tells them, can be the model's.
    fn check_channels(&self, names: &[String]) -> Result<(), String> {
        let wanted = self.recipe.modalities();
        let told = || {
            if self.recipe.channels().is_empty() { "CT".into() } else { self.recipe.channels().join(", ") }
        };
        let differ = |(name, wanted): (&String, &&str)| {
            let own = channel_modality(name);
            !own.is_empty() && !wanted.is_empty() && own != *wanted
        };
        // The same images in another order are other channels.
        let is_other = |(name, own): (&String, &String)| against(own, name).is_some();
        let differ =
            names.iter().zip(&wanted).any(differ) || names.iter().zip(self.recipe.channels()).any(is_other);
        if !names.is_empty() && (names.len() != wanted.len() || differ) {
            return Err(format!("its channels are {}, the model's {}", names.join(", "), told()));
        }
        Ok(())
    }
}

/// What lies in a folder.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let entries = std::fs::read_dir(folder).map_err(|error| {
        TrainError::Patients(format!("the folder of patients cannot be read ({error}): {}", folder.display()))
    })?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// The names of the values of a `dataset.json`, of its second version (`{"Heart": 1}`, regions
/// `{"Whole": [1, 2]}`) or its first (`{"1": "Heart"}`).
pub(super) fn names_of(labels: &BTreeMap<String, Value>) -> Result<Names, String> {
    let mut names = Names::new();
    for (key, value) in labels {
        let odd = || format!("the label {key} is {value}");
        let number = |value: &Value| match value {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
        };
        match (key.parse(), value) {
            (Ok(number), Value::String(name)) if name.parse::<u16>().is_err() => {
                names.push((number, name.clone()));
            }
            (_, Value::Array(values)) => {
                for value in values {
                    names.push((number(value).ok_or_else(odd)?, key.clone()));
                }
            }
            (_, value) => names.push((number(value).ok_or_else(odd)?, key.clone())),
        }
    }
    names.retain(|(number, _)| *number != 0);
    Ok(names)
}

/// Patients to train on and patients to validate with: in the order of a digest of seed and name, so
/// that a patient more does not change where the others belong more than it must. With fewer than three
/// patients there is no validation.
pub(super) fn split(mut ids: Vec<String>, share: f64, seed: u64) -> (Vec<String>, Vec<String>) {
    if ids.len() < 3 || share <= 0.0 {
        return (ids, Vec::new());
    }
    ids.sort_by_key(|id| Sha256::digest(format!("{seed} {id}").as_bytes()).to_vec());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the patients")]
    let count = ((ids.len() as f64 * share).round() as usize).clamp(1, ids.len() - 1);
    let mut train = ids.split_off(count);
    train.sort();
    ids.sort();
    (train, ids)
}
