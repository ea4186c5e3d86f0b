//! The patients of a training folder, read through the program's own readers.
//!
//! One subfolder a patient: a CT series with an RT Structure Set, or `ct.nii(.gz)` with
//! `labels.nii(.gz)`. With an `index.json` (as `models/training` has it) that file tells names, split
//! and what was annotated; without it the split is the recipe's list, else drawn from its seed, and an
//! organ that a patient lacks counts as unknown.

use super::study::Study;
use crate::ai::train::{Case, Patients, Recipe, TrainError};
use crate::dicom::read_rtstruct;
use crate::formats::nifti;
use crate::patient::{Approval, LabelMap, Mask, Series};
use crate::progress::Progress;
use serde::Deserialize;
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

/// One patient's place and what is known of it beforehand.
#[derive(Debug, Clone)]
struct Entry {
    folder: PathBuf,
    /// Names of the organs that were annotated; `None`: those that are there.
    annotated: Option<Vec<String>>,
    truncated: Vec<String>,
}

/// A folder of patients.
#[derive(Debug, Clone)]
pub struct TrainingFolder {
    recipe: Recipe,
    /// Names of the label maps' values, where `index.json` tells them.
    names: BTreeMap<u16, String>,
    entries: BTreeMap<String, Entry>,
    train: Vec<String>,
    valid: Vec<String>,
}

impl TrainingFolder {
    /// Finds the patients of `root` and splits them. Images are read later, one by one.
    ///
    /// # Errors
    /// [`TrainError::Patients`] when there are no patients, or a patient that the recipe names is not
    /// there.
    pub fn open(root: &Path, recipe: &Recipe) -> Result<Self, TrainError> {
        let wrong = |reason: &str| TrainError::Patients(format!("{reason}: {}", root.display()));
        if !root.is_dir() {
            return Err(wrong("there is no such folder of patients"));
        }
        let mut own = Self {
            recipe: recipe.clone(),
            names: BTreeMap::new(),
            entries: BTreeMap::new(),
            train: Vec::new(),
            valid: Vec::new(),
        };
        let index = root.join("index.json");
        if index.is_file() {
            own.take_index(root, &index)?;
        } else {
            own.take_folders(root)?;
        }
        if own.train.is_empty() {
            return Err(wrong(
                "there is no patient to train on; put each patient's CT and RT Structure Set (or ct.nii.gz \
                 and labels.nii.gz) into a subfolder of its own",
            ));
        }
        Ok(own)
    }

    fn take_index(&mut self, root: &Path, path: &Path) -> Result<(), TrainError> {
        let wrong = |reason: String| {
            TrainError::Patients(format!("the index is not usable ({reason}): {}", path.display()))
        };
        let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
        if size > INDEX_LIMIT {
            return Err(wrong(format!("it has {size} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let index: Index = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let all: Vec<String> = index.labels.values().cloned().collect();
        self.names = index.labels;
        for patient in index.patients.into_iter().filter(|patient| patient.usable) {
            // Only plain names: an index reads nothing outside its own folder.
            if [&patient.id, &patient.split].iter().any(|n| Path::new(n).file_name() != Some(n.as_ref())) {
                return Err(wrong(format!("{:?} is not a plain name", patient.id)));
            }
            let inside = root.join(&patient.split).join(&patient.id);
            let folder = if inside.is_dir() { inside } else { root.join(&patient.id) };
            let entry = Entry {
                folder,
                annotated: Some(patient.annotated.unwrap_or_else(|| all.clone())),
                truncated: patient.truncated,
            };
            let list = if patient.split == "train" { &mut self.train } else { &mut self.valid };
            list.push(patient.id.clone());
            self.entries.insert(patient.id, entry);
        }
        Ok(())
    }

    fn take_folders(&mut self, root: &Path) -> Result<(), TrainError> {
        let wrong = |reason: String| TrainError::Patients(format!("{reason}: {}", root.display()));
        let mut ids = Vec::new();
        let listed = std::fs::read_dir(root)
            .map_err(|error| wrong(format!("the folder of patients cannot be read ({error})")))?;
        for folder in listed.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
            let Some(id) = folder.file_name().map(|name| name.to_string_lossy().into_owned()) else {
                continue;
            };
            if !id.starts_with('.') {
                ids.push(id.clone());
                self.entries.insert(id, Entry { folder, annotated: None, truncated: Vec::new() });
            }
        }
        ids.sort();
        let listed = &self.recipe.data.valid;
        if let Some(missing) = listed.iter().find(|id| !ids.contains(id)) {
            return Err(wrong(format!("data.valid names the patient {missing}, who is not there")));
        }
        if listed.is_empty() {
            let share = self.recipe.data.valid_share.unwrap_or(0.2);
            (self.train, self.valid) = split(ids, share, self.recipe.training.seed);
        } else {
            (self.valid, self.train) = ids.into_iter().partition(|id| listed.contains(id));
        }
        Ok(())
    }

    fn case(&self, id: &str, entry: &Entry, progress: &Progress) -> Result<Case, String> {
        let folder = &entry.folder;
        let nifti = |stem: &str| {
            ["nii.gz", "nii"]
                .map(|end| folder.join(format!("{stem}.{end}")))
                .into_iter()
                .find(|p| p.is_file())
        };
        let classes = self.recipe.network.classes;
        let mut known = vec![false; classes];
        known[0] = true;
        let (series, labels) = if let Some(image) = nifti("ct") {
            let labels = nifti("labels").ok_or_else(|| {
                format!("there is a ct.nii but no labels.nii beside it: {}", folder.display())
            })?;
            let study = Study::open(&[image], None, progress).map_err(|error| error.to_string())?;
            let labels = self.label_map(&labels, &study.series, progress)?;
            (study.series, labels)
        } else {
            self.structures(folder, &mut known, progress)?
        };
        if let Some(names) = &entry.annotated {
            for value in names.iter().filter_map(|name| self.recipe.label_of(name)) {
                known[usize::from(value)] = true;
            }
        } else {
            for label in &labels {
                known[usize::from(*label)] = true;
            }
        }
        let truncated = entry.truncated.iter().filter_map(|name| self.recipe.label_of(name)).collect();
        Ok(Case { id: id.to_owned(), volume: series.volume, labels, known, truncated })
    }

    /// A label map with the recipe's values, on the voxels of its image.
    fn label_map(&self, path: &Path, series: &Series, progress: &Progress) -> Result<Vec<u16>, String> {
        let read = nifti::read_labels(path, progress).map_err(|error| error.to_string())?;
        let mut names = self.names.clone();
        if names.is_empty() {
            names = names_beside(path)?;
        }
        let LabelMap { labels, .. } = read
            .on_grid(&series.volume.grid)
            .map_err(|error| format!("the labels do not lie on their image ({error}): {}", path.display()))?;
        let greatest = names.keys().copied().max().unwrap_or(0);
        let mut table = vec![0_u16; usize::from(greatest) + 1];
        for (value, name) in &names {
            table[usize::from(*value)] = self.recipe.label_of(name).unwrap_or(0);
        }
        Ok(labels.into_iter().map(|own| table.get(usize::from(own)).copied().unwrap_or(0)).collect())
    }

    /// A CT series and its structures as labels. Where structures overlap, the smaller one counts: it
    /// lies within the other.
    fn structures(
        &self,
        folder: &Path,
        known: &mut [bool],
        progress: &Progress,
    ) -> Result<(Series, Vec<u16>), String> {
        let study = Study::open(&[folder.to_owned()], None, progress).map_err(|error| error.to_string())?;
        let info = &study.series.info;
        let hits = |set: &&crate::dicom::StructureSetEntry| {
            set.rois.iter().filter(|roi| self.recipe.label_of(&roi.name).is_some()).count()
        };
        let belongs = |set: &&crate::dicom::StructureSetEntry| {
            set.series_uid.as_ref() == Some(&info.uid)
                || (set.series_uid.is_none() && set.frame_of_reference_uid == info.frame_of_reference_uid)
        };
        let sets = &study.library.structure_sets;
        let set = sets.iter().filter(belongs).rev().max_by_key(hits).ok_or_else(|| {
            format!(
                "there is no RT Structure Set of the CT series; put it beside the images: {}",
                folder.display()
            )
        })?;
        let read = read_rtstruct(&set.path, Some(&study.series)).map_err(|error| error.to_string())?;
        let mut masks: Vec<(u16, Mask, usize)> = Vec::new();
        for roi in read.set.rois.iter().filter(|roi| roi.approval != Approval::Proposal) {
            let Some(value) = self.recipe.label_of(&roi.name) else { continue };
            if masks.iter().any(|(other, ..)| *other == value) {
                continue;
            }
            let mask = Mask::of_roi(roi, &study.series.volume);
            let count = mask.count();
            if count > 0 {
                masks.push((value, mask, count));
            }
        }
        masks.sort_by_key(|(value, _, count)| (std::cmp::Reverse(*count), *value));
        let dims = study.series.volume.grid.dims();
        let mut labels = vec![0_u16; study.series.volume.grid.len()];
        for (value, mask, _) in &masks {
            known[usize::from(*value)] = true;
            for (place, _) in mask.voxels.iter().enumerate().filter(|(_, inside)| **inside) {
                let [nx, ny, _] = mask.size;
                let voxel = [place % nx, place / nx % ny, place / (nx * ny)];
                let [i, j, k] = [0, 1, 2].map(|axis| mask.low[axis] + voxel[axis]);
                labels[i + dims[0] * (j + dims[1] * k)] = *value;
            }
        }
        Ok((study.series, labels))
    }
}

impl Patients for TrainingFolder {
    fn train(&self) -> &[String] {
        &self.train
    }

    fn valid(&self) -> &[String] {
        &self.valid
    }

    fn read(&self, id: &str, progress: &Progress) -> Result<Case, String> {
        let entry = self.entries.get(id).ok_or_else(|| format!("there is no patient {id}"))?;
        self.case(id, entry, progress)
    }
}

/// The names in the JSON file beside a label map (`labels.json`, `{"1": "Heart"}`).
fn names_beside(labels: &Path) -> Result<BTreeMap<u16, String>, String> {
    let path = labels.with_file_name("labels.json");
    let text = std::fs::read_to_string(&path).map_err(|_| {
        format!(
            "the label map's values have no names; write them to labels.json, {{\"1\": \"Heart\"}}, or give the \
             folder an index.json: {}",
            labels.display()
        )
    })?;
    serde_json::from_str(&text)
        .map_err(|error| format!("this is not {{\"1\": \"Heart\", ...}} ({error}): {}", path.display()))
}

/// Patients to train on and patients to validate with: in the order of a digest of seed and name, so
/// that a patient more does not change where the others belong more than it must. With fewer than three
/// patients there is no validation.
fn split(mut ids: Vec<String>, share: f64, seed: u64) -> (Vec<String>, Vec<String>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_is_the_seed_s_and_nobody_is_in_both() {
        let ids: Vec<String> = (0..20).map(|n| format!("p{n:02}")).collect();
        let (train, valid) = split(ids.clone(), 0.2, 1);
        assert_eq!((train.len(), valid.len()), (16, 4));
        assert!(valid.iter().all(|id| !train.contains(id)));
        assert_eq!(split(ids.clone(), 0.2, 1), (train, valid.clone()));
        assert_ne!(split(ids, 0.2, 2).1, valid);
        assert_eq!(split(vec!["a".into(), "b".into()], 0.2, 1).1.len(), 0);
    }
}
