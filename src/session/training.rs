//! The patients of a training folder, read through the program's own readers.
//!
//! One subfolder a patient: image series with an RT Structure Set, or `ct.nii(.gz)` (or `image.nii(.gz)`;
//! of several channels `image_0000.nii(.gz)`, `image_0001.nii(.gz)` and so on) with `labels.nii(.gz)`. What
//! is called `ignore` is not judged. With an `index.json` (as `models/training` has it) that file tells names, split
//! and what was annotated; without it the split is the recipe's list, else drawn from its seed, and an
//! organ that a patient lacks counts as unknown.

use super::channels::{Base, ChannelError, Given, gather};
use super::study::Study;
use crate::ai::nnunet::ChannelImage;
use crate::ai::nnunet::package::channel_modality;
use crate::ai::train::loss::IGNORE;
use crate::ai::train::{Case, Patients, Recipe, TrainError, name_key};
use crate::dicom::read_rtstruct;
use crate::formats::nifti;
use crate::patient::{Approval, LabelMap, Mask, Series};
use crate::progress::Progress;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The greatest index that is read, bytes.
const INDEX_LIMIT: u64 = 64 << 20;

/// What the voxels that nobody can tell the label of are called.
const IGNORED: &str = "ignore";

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
                "there is no patient to train on; put each patient's images and RT Structure Set (or ct.nii.gz \
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
        let mut known = vec![false; self.recipe.labels.len() + 1];
        known[0] = true;
        let first = ["ct", "image", "image_0000"].iter().find_map(|stem| nifti_of(folder, stem));
        let (study, labels, given) = if let Some(image) = first {
            let labels = nifti_of(folder, "labels").ok_or_else(|| {
                format!(
                    "there is an image but no labels.nii beside it: {}; {}",
                    image.display(),
                    "leave the patient's folder out, or put the labels there"
                )
            })?;
            let study = Study::open(&[image], None, progress).map_err(|error| error.to_string())?;
            let (labels, there) = self.label_map(&labels, &study.series, progress)?;
            if entry.annotated.is_none() {
                there.into_iter().for_each(|number| known[usize::from(number)] = true);
            }
            let others = (1..self.recipe.channels().len())
                .filter_map(|number| Some((number, nifti_of(folder, &format!("image_{number:04}"))?)));
            let given = others.map(|(number, path)| (number, Given::Path(path))).collect();
            (study, labels, given)
        } else {
            let study =
                Study::open(&[folder.to_owned()], None, progress).map_err(|error| error.to_string())?;
            let labels = self.structures(&study, folder, &mut known)?;
            let given = self.series_of_channels(&study, folder)?;
            (study, labels, given)
        };
        if let Some(names) = &entry.annotated {
            for number in names.iter().filter_map(|name| self.recipe.label_of(name)) {
                known[usize::from(number)] = true;
            }
        }
        let truncated = entry.truncated.iter().filter_map(|name| self.recipe.label_of(name)).collect();
        let channels = self.channels(&study, &given, progress)?;
        Ok(Case { id: id.to_owned(), volume: study.series.volume, channels, labels, known, truncated })
    }

    /// The input channels of a model of nnU-Net.
    fn channels(
        &self,
        study: &Study,
        given: &[(usize, Given)],
        progress: &Progress,
    ) -> Result<Vec<ChannelImage>, String> {
        let names = self.recipe.channels();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let gathered = gather(Base::of(study), names, given, progress).map_err(|error| match error {
            ChannelError::Missing { number, name } => format!(
                "the channel {number} ({name}) has no image; put it there as image_{number:04}.nii.gz: {}",
                study.path.display()
            ),
            other => other.to_string(),
        })?;
        Ok(gathered.images)
    }

    /// Which series of a folder of DICOM each channel is: of several the one, in the open one's frame of
    /// reference, whose modality the channel's name tells.
    fn series_of_channels(&self, study: &Study, folder: &Path) -> Result<Vec<(usize, Given)>, String> {
        let names = self.recipe.channels();
        if names.len() < 2 {
            return Ok(Vec::new());
        }
        let own = (Given::Own, study.series.info.modality.code().to_owned());
        let beside = study.companions();
        let beside = beside.map(|(at, entry)| (Given::Entry(at), entry.info.modality.code().to_owned()));
        let all: Vec<(Given, String)> = std::iter::once(own).chain(beside).collect();
        let of_channel = |(number, name): (usize, &String)| {
            let wanted = channel_modality(name);
            let mut fits = all.iter().filter(|(_, modality)| !wanted.is_empty() && modality == wanted);
            match (fits.next(), fits.next()) {
                (Some((given, _)), None) => Ok((number, given.clone())),
                _ => Err(format!(
                    "it is not clear which series the channel {number} ({name}) is; put the images there as \
                     image_0000.nii.gz, image_0001.nii.gz and so on, with labels.nii.gz: {}",
                    folder.display()
                )),
            }
        };
        names.iter().enumerate().map(of_channel).collect()
    }

    /// What stands for a label of this name; `None` where it is none of the recipe's.
    fn word_of(&self, name: &str) -> Option<(Option<u16>, u16)> {
        if name_key(name) == IGNORED {
            return Some((None, IGNORE));
        }
        let number = self.recipe.label_of(name)?;
        Some((Some(number), self.recipe.word(number)))
    }

    /// A label map with the recipe's words, on the voxels of its image, and the numbers of those there.
    fn label_map(
        &self,
        path: &Path,
        series: &Series,
        progress: &Progress,
    ) -> Result<(Vec<u16>, BTreeSet<u16>), String> {
        let read = nifti::read_labels(path, progress).map_err(|error| error.to_string())?;
        let mut names = self.names.clone();
        if names.is_empty() {
            names = names_beside(path)?;
        }
        let LabelMap { labels, .. } = read
            .on_grid(&series.volume.grid)
            .map_err(|error| format!("the labels do not lie on their image ({error}): {}", path.display()))?;
        let greatest = names.keys().copied().max().unwrap_or(0);
        let mut table = vec![(None, 0_u16); usize::from(greatest) + 1];
        for (value, name) in &names {
            table[usize::from(*value)] = self.word_of(name).unwrap_or((None, 0));
        }
        let named = |own: u16| table.get(usize::from(own)).copied().unwrap_or((None, 0));
        let there: BTreeSet<u16> = labels.iter().copied().collect();
        let there = there.into_iter().filter_map(|own| named(own).0).collect();
        Ok((labels.into_iter().map(|own| named(own).1).collect(), there))
    }

    /// The structures of a series as labels, which are known. Where structures overlap, the smaller one
    /// counts: it lies within the other; regions overlap as they are.
    fn structures(&self, study: &Study, folder: &Path, known: &mut [bool]) -> Result<Vec<u16>, String> {
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
                "there is no RT Structure Set of the image series {}; put it beside the images: {}",
                info.uid,
                folder.display()
            )
        })?;
        let read = read_rtstruct(&set.path, Some(&study.series)).map_err(|error| error.to_string())?;
        let mut masks: Vec<(u16, Mask, usize)> = Vec::new();
        let mut numbers = Vec::new();
        for roi in read.set.rois.iter().filter(|roi| roi.approval != Approval::Proposal) {
            let Some((number, word)) = self.word_of(&roi.name) else { continue };
            if numbers.contains(&number) {
                continue;
            }
            let mask = Mask::of_roi(roi, &study.series.volume);
            let count = mask.count();
            if count > 0 {
                numbers.push(number);
                if let Some(number) = number {
                    known[usize::from(number)] = true;
                }
                // What is not judged lies over everything.
                masks.push((word, mask, if number.is_some() { count } else { 0 }));
            }
        }
        masks.sort_by_key(|(word, _, count)| (std::cmp::Reverse(*count), *word));
        let overlap = self.recipe.has_regions();
        let dims = study.series.volume.grid.dims();
        let mut labels = vec![0_u16; study.series.volume.grid.len()];
        for (word, mask, _) in &masks {
            for (place, _) in mask.voxels.iter().enumerate().filter(|(_, inside)| **inside) {
                let [nx, ny, _] = mask.size;
                let voxel = [place % nx, place / nx % ny, place / (nx * ny)];
                let [i, j, k] = [0, 1, 2].map(|axis| mask.low[axis] + voxel[axis]);
                let own = &mut labels[i + dims[0] * (j + dims[1] * k)];
                *own = if overlap { *own | word } else { *word };
            }
        }
        Ok(labels)
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

/// The NIfTI file of this name in a folder.
fn nifti_of(folder: &Path, stem: &str) -> Option<PathBuf> {
    let named = |end: &str| folder.join(format!("{stem}.{end}"));
    ["nii.gz", "nii"].map(named).into_iter().find(|path| path.is_file())
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
    use crate::ai::ModelPackage;
    use crate::geometry::{Grid, Point3, Vector3};

    /// The recipe that trains a fixture's model of nnU-Net further.
    fn recipe_of(training: &str) -> Recipe {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nnunet").join(training);
        Recipe::of_package(&ModelPackage::load(&folder).unwrap()).unwrap()
    }

    /// Four voxels in a row as a NIfTI file.
    fn write(folder: &Path, name: &str, labels: [u16; 4]) {
        let steps = [Vector3::x(), Vector3::y(), Vector3::z()];
        let grid = Grid::new([4, 1, 1], Point3::origin(), steps).unwrap();
        let map = LabelMap { grid, labels: labels.to_vec(), names: Vec::new(), unreviewed: false };
        std::fs::create_dir_all(folder).unwrap();
        nifti::write_labels(&map, &folder.join(name), None, "").unwrap();
    }

    #[test]
    fn regions_lie_in_one_another_and_what_is_ignored_is_not_judged() {
        let folder = tempfile::tempdir().unwrap();
        let patient = folder.path().join("one");
        write(&patient, "image.nii.gz", [10, 20, 30, 40]);
        write(&patient, "labels.nii.gz", [0, 1, 3, 7]);
        let names = r#"{"1": "Whole", "3": "tip", "7": "ignore", "9": "else"}"#;
        std::fs::write(patient.join("labels.json"), names).unwrap();
        let recipe = recipe_of("aniso/nnUNetTrainer_250epochs__nnUNetPlans__3d_fullres");
        let training = TrainingFolder::open(folder.path(), &recipe).unwrap();
        let case = training.read("one", &Progress::new()).unwrap();
        assert_eq!(case.labels, [0, 0b001, 0b111, IGNORE]);
        // The core was not outlined: nobody knows how far it reaches.
        assert_eq!(case.known, [true, true, false, true]);
        assert_eq!(case.channels.len(), 1);
    }

    #[test]
    fn each_channel_is_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let patient = folder.path().join("one");
        write(&patient, "image_0000.nii.gz", [1, 2, 3, 4]);
        write(&patient, "labels.nii.gz", [0, 1, 2, 0]);
        std::fs::write(patient.join("labels.json"), r#"{"1": "a", "2": "B"}"#).unwrap();
        let recipe = recipe_of("res2d/nnUNetTrainer__nnUNetPlans__2d");
        let training = TrainingFolder::open(folder.path(), &recipe).unwrap();
        let missing = training.read("one", &Progress::new()).unwrap_err();
        assert!(missing.contains("image_0001.nii.gz") && missing.contains("PET"), "{missing}");
        write(&patient, "image_0001.nii.gz", [5, 6, 7, 8]);
        let case = training.read("one", &Progress::new()).unwrap();
        let values: Vec<Vec<f32>> = case.channels.iter().map(|own| own.values.to_vec()).collect();
        assert_eq!(values, [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]);
        assert_eq!((case.labels, case.known), (vec![0, 1, 2, 0], vec![true, true, true, false]));
    }

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
