//! The patients of a training folder, read through the program's own readers.
//!
//! One subfolder a patient: image series with RT Structure Sets, or `ct.nii(.gz)` (or `image.nii(.gz)`;
//! of several channels `image_0000.nii(.gz)`, `image_0001.nii(.gz)` and so on) with `labels.nii(.gz)`; or
//! nnU-Net's own layout (`imagesTr`, `labelsTr`, `dataset.json`). What is called `ignore` is not judged.
//! With an `index.json` (as `models/training` has it) that file tells names, split and what was annotated;
//! without it the split is the recipe's list, else drawn from its seed, and an organ that a patient lacks
//! counts as unknown; a fold of a model of nnU-Net on nnU-Net's own layout has its own patients. What a
//! machine drew and nobody accepted is never learnt.

mod assignment;
mod folds;
mod listing;
mod maps;
mod series;
mod sets;

use super::channels::{Base, ChannelError, Given, gather};
use super::study::{Study, search};
use crate::ai::ModelPackage;
use crate::ai::nnunet::ChannelImage;
use crate::ai::train::{Case, Patients, Recipe, TrainError};
use crate::patient::Volume;
use crate::progress::Progress;
use listing::{Entry, Place, split};
use maps::nifti_of;
use series::ChannelSeries;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What the voxels that nobody can tell the label of are called.
const IGNORED: &str = "ignore";

/// What a value of a label map is called; of regions several names have one value.
type Names = Vec<(u16, String)>;

/// A folder of patients.
#[derive(Debug, Clone)]
pub struct TrainingFolder {
    recipe: Recipe,
    root: PathBuf,
    /// Names of the label maps' values, where one file tells them for all patients.
    names: Names,
    entries: BTreeMap<String, Entry>,
    train: Vec<String>,
    valid: Vec<String>,
    /// By what they are divided, where it is a fold of nnU-Net.
    divided_by: Option<String>,
    /// What a person should know of how they are divided.
    remarks: Vec<String>,
}

/// What was read of a patient.
struct Found {
    study: Study,
    given: Vec<(usize, Given)>,
    labels: Vec<u16>,
    /// Numbers of the labels that are outlined.
    outlined: BTreeSet<u16>,
    /// What a person should know.
    remarks: Vec<String>,
    /// Why there is nothing to learn from where nothing is known.
    nothing: String,
}

impl TrainingFolder {
    /// Finds the patients of `root` and splits them; `init` is the model to begin with. Images are read later,
    /// one by one.
    ///
    /// # Errors
    /// [`TrainError::Patients`] when there are no patients, a patient that the recipe names is not there, or
    /// the file that divides them cannot be used.
    pub fn open(root: &Path, recipe: &Recipe, init: Option<&ModelPackage>) -> Result<Self, TrainError> {
        let wrong = |reason: &str| TrainError::Patients(format!("{reason}: {}", root.display()));
        if !root.is_dir() {
            return Err(wrong("there is no such folder of patients"));
        }
        let mut own = Self {
            recipe: recipe.clone(),
            root: root.to_owned(),
            names: Names::new(),
            entries: BTreeMap::new(),
            train: Vec::new(),
            valid: Vec::new(),
            divided_by: None,
            remarks: Vec::new(),
        };
        let index = root.join("index.json");
        if index.is_file() {
            own.take_index(root, &index)?;
        } else {
            let is_dataset = root.join("imagesTr").is_dir();
            let ids = if is_dataset { own.take_dataset(root)? } else { own.take_folders(root)? };
            match own.fold().filter(|_| is_dataset) {
                Some(fold) => own.divide_by_fold(ids, &fold, &folds::places(root, init))?,
                None => own.divide(ids)?,
            }
        }
        if own.train.is_empty() {
            return Err(wrong(
                "there is no patient to train on; put each patient's images and RT Structure Set (or ct.nii.gz \
                 and labels.nii.gz) into a subfolder of its own",
            ));
        }
        Ok(own)
    }

    /// Which of these are trained on and which kept for validation.
    fn divide(&mut self, mut ids: Vec<String>) -> Result<(), TrainError> {
        ids.sort();
        let listed = &self.recipe.data.valid;
        if let Some(missing) = listed.iter().find(|id| !ids.contains(id)) {
            return Err(TrainError::Patients(format!(
                "data.valid names the patient {missing}, who is not there: {}",
                self.root.display()
            )));
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
        let Found { study, given, labels, outlined, mut remarks, nothing } = match &entry.place {
            Place::Dataset { images, labels } => self.of_maps(images, labels, progress)?,
            Place::Folder(folder) => {
                let first = ["ct", "image", "image_0000"].iter().find_map(|stem| nifti_of(folder, stem));
                match first {
                    Some(image) => self.of_folder_of_maps(folder, image, progress)?,
                    None => self.of_dicom(folder, progress)?,
                }
            }
        };
        let mut known = vec![false; self.recipe.labels.len() + 1];
        let annotated = entry.annotated.as_ref().map(|names| {
            names.iter().filter_map(|name| self.recipe.label_of(name)).collect::<BTreeSet<u16>>()
        });
        for number in annotated.unwrap_or(outlined) {
            known[usize::from(number)] = true;
        }
        if !known.contains(&true) {
            return Err(nothing);
        }
        known[0] = true;
        let truncated = match &entry.truncated {
            Some(names) => names.iter().filter_map(|name| self.recipe.label_of(name)).collect(),
            None => self.cut_off(&study.series.volume, &labels),
        };
        let channels = self.channels(&study, &given, progress, &mut remarks)?;
        let volume = study.series.volume;
        Ok(Case { id: id.to_owned(), volume, channels, labels, known, truncated, remarks })
    }

    /// A patient of DICOM files.
    fn of_dicom(&self, folder: &Path, progress: &Progress) -> Result<Found, String> {
        let library = search(&[folder.to_owned()], progress).map_err(|error| error.to_string())?;
        let chosen = self.series_of(&library, folder)?;
        let study = Study::open_entry(library, chosen, None, progress).map_err(|error| error.to_string())?;
        let ChannelSeries { given, remarks: told } = self.series_of_channels(&study, folder)?;
        let mut outlines = self.outlines(&study, &given, folder, progress)?;
        // What is odd about other series is none of this patient's.
        let own = &study.library.series[chosen].warnings;
        let is_other = |warning: &&crate::patient::DataWarning| {
            !own.contains(warning)
                && study.library.series.iter().any(|entry| entry.warnings.contains(warning))
        };
        let odd = study.warnings.iter().filter(|warning| !is_other(warning)).map(ToString::to_string);
        outlines.remarks.splice(0..0, odd.chain(told));
        Ok(Found {
            given,
            labels: outlines.labels,
            outlined: outlines.outlined,
            remarks: outlines.remarks,
            nothing: outlines.nothing,
            study,
        })
    }

    /// The input channels of a model of nnU-Net.
    fn channels(
        &self,
        study: &Study,
        given: &[(usize, Given)],
        progress: &Progress,
        remarks: &mut Vec<String>,
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
        // What contradicts a name is here by a person's own word.
        remarks.extend(gathered.warnings);
        Ok(gathered.images)
    }

    /// Numbers of the labels that the scan cuts off: they reach the first or last slice that is there, or
    /// an edge of one.
    fn cut_off(&self, volume: &Volume, labels: &[u16]) -> Vec<u16> {
        let [ni, nj, nk] = volume.grid.dims();
        let is_real = |k: &usize| {
            let slice = volume.slice_of_grid_plane(*k);
            slice.and_then(|slice| volume.slices.get(slice)).is_some_and(|slice| !slice.missing)
        };
        let ends = [(0..nk).find(is_real), (0..nk).rev().find(is_real)];
        let is_at_the_end = |place: usize| {
            let [i, j, k] = [place % ni, place / ni % nj, place / (ni * nj)];
            i == 0 || i + 1 == ni || j == 0 || j + 1 == nj || ends.contains(&Some(k))
        };
        let words: BTreeSet<u16> = labels
            .iter()
            .enumerate()
            .filter(|(place, word)| **word != 0 && is_at_the_end(*place))
            .map(|(_, word)| *word)
            .collect();
        let numbers: BTreeSet<u16> = words.into_iter().flat_map(|word| self.recipe.numbers(word)).collect();
        numbers.into_iter().collect()
    }

    /// The names of the recipe's labels that are not among these numbers.
    fn lacking(&self, outlined: &BTreeSet<u16>) -> Vec<&str> {
        let numbered = (1_u16..).zip(&self.recipe.labels);
        numbered.filter(|(n, _)| !outlined.contains(n)).map(|(_, label)| label.name.as_str()).collect()
    }

    /// What a file lacks and which of its names belong to nothing, where both are so.
    fn unmatched(&self, outlined: &BTreeSet<u16>, names: &[&str], path: &Path) -> Option<String> {
        let lacking = self.lacking(outlined);
        (!lacking.is_empty() && !names.is_empty()).then(|| {
            format!(
                "not outlined: {}; names that belong to no organ of the model: {} (give those that do under \
                 [synonyms] in the recipe): {}",
                lacking.join(", "),
                names.join(", "),
                path.display()
            )
        })
    }
}

impl Patients for TrainingFolder {
    fn train(&self) -> &[String] {
        &self.train
    }

    fn valid(&self) -> &[String] {
        &self.valid
    }

    fn divided_by(&self) -> Option<&str> {
        self.divided_by.as_deref()
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    fn read(&self, id: &str, progress: &Progress) -> Result<Case, String> {
        let entry = self.entries.get(id).ok_or_else(|| format!("there is no patient {id}"))?;
        self.case(id, entry, progress)
    }
}

#[cfg(test)]
mod tests;
