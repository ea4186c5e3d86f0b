//! Patients of NIfTI files: images, and a label map whose values a JSON file names.

use super::listing::names_of;
use super::{Found, IGNORED, Names, TrainingFolder};
use crate::ai::train::loss::IGNORE;
use crate::ai::train::name_key;
use crate::formats::nifti;
use crate::patient::{LabelMap, Series};
use crate::progress::Progress;
use crate::session::channels::Given;
use crate::session::study::Study;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A label map in the recipe's words.
struct Map {
    words: Vec<u16>,
    outlined: BTreeSet<u16>,
    remarks: Vec<String>,
    nothing: String,
}

/// What a value of a label map means.
#[derive(Debug, Clone, Default)]
struct Meaning {
    /// Numbers of the recipe's labels.
    numbers: Vec<u16>,
    word: u16,
}

impl TrainingFolder {
    /// A patient's folder with `image` and `labels.nii`.
    pub(super) fn of_folder_of_maps(
        &self,
        folder: &Path,
        image: PathBuf,
        progress: &Progress,
    ) -> Result<Found, String> {
        let labels = nifti_of(folder, "labels").ok_or_else(|| {
            format!(
                "there is an image but no labels.nii beside it: {}; {}",
                image.display(),
                "leave the patient's folder out, or put the labels there"
            )
        })?;
        let study = Study::open(&[image], None, progress).map_err(|error| error.to_string())?;
        let others = (1..self.recipe.channels().len())
            .filter_map(|number| Some((number, nifti_of(folder, &format!("image_{number:04}"))?)));
        let given = others.map(|(number, path)| (number, Given::Path(path))).collect();
        self.with_map(study, given, &labels, progress)
    }

    /// A patient whose images, in the order of the channels, and label map are these files.
    pub(super) fn of_maps(
        &self,
        images: &[PathBuf],
        labels: &Path,
        progress: &Progress,
    ) -> Result<Found, String> {
        if let Some(missing) = images.iter().find(|path| !path.is_file()) {
            return Err(format!(
                "there are labels but no image of theirs ({}); put it there, or leave the labels out: {}",
                labels.display(),
                missing.display()
            ));
        }
        let first = images.first().cloned().unwrap_or_default();
        let study = Study::open(&[first], None, progress).map_err(|error| error.to_string())?;
        let others = images.iter().enumerate().skip(1);
        let given = others.map(|(number, path)| (number, Given::Path(path.clone()))).collect();
        self.with_map(study, given, labels, progress)
    }

    fn with_map(
        &self,
        study: Study,
        given: Vec<(usize, Given)>,
        labels: &Path,
        progress: &Progress,
    ) -> Result<Found, String> {
        let Map { words, outlined, mut remarks, nothing } = self.map(labels, &study.series, progress)?;
        remarks.splice(0..0, study.warnings.iter().map(ToString::to_string));
        Ok(Found { study, given, labels: words, outlined, remarks, nothing })
    }

    /// What a value means by its names: of those that have several values the least one.
    fn meaning(&self, names: &Names, value: u16) -> Meaning {
        let mut own: Vec<&String> =
            names.iter().filter(|(other, _)| *other == value).map(|(_, name)| name).collect();
        if own.iter().any(|name| name_key(name) == IGNORED) {
            return Meaning { numbers: Vec::new(), word: IGNORE };
        }
        own.sort_by_key(|name| names.iter().filter(|(_, other)| other == *name).count());
        let mut numbers: Vec<u16> = own.iter().filter_map(|name| self.recipe.label_of(name)).collect();
        if !self.recipe.has_regions() {
            numbers.truncate(1);
        }
        let word = numbers.iter().fold(0, |word, number| word | self.recipe.word(*number));
        Meaning { numbers, word }
    }

    /// A label map with the recipe's words, on the voxels of its image.
    fn map(&self, path: &Path, series: &Series, progress: &Progress) -> Result<Map, String> {
        let read = nifti::read_labels(path, progress).map_err(|error| error.to_string())?;
        let LabelMap { labels, unreviewed, .. } = read
            .on_grid(&series.volume.grid)
            .map_err(|error| format!("the labels do not lie on their image ({error}): {}", path.display()))?;
        if unreviewed {
            return Err(format!(
                "only unreviewed contours: a machine made this label map and nobody has accepted it; put one of \
                 reviewed contours in its place, or leave the patient out: {}",
                path.display()
            ));
        }
        let names = if self.names.is_empty() { names_beside(path, &self.root)? } else { self.names.clone() };
        let greatest = names.iter().map(|(value, _)| *value).max().unwrap_or(0);
        let table: Vec<Meaning> = (0..=greatest).map(|value| self.meaning(&names, value)).collect();
        let nameless = Meaning::default();
        let meaning = |value: u16| table.get(usize::from(value)).unwrap_or(&nameless);
        let there: BTreeSet<u16> = labels.iter().copied().filter(|value| *value != 0).collect();
        let outlined: BTreeSet<u16> =
            there.iter().flat_map(|value| meaning(*value).numbers.iter().copied()).collect();
        let strange = there.iter().filter(|value| meaning(**value).word == 0);
        let strange: Vec<String> = strange
            .map(|value| {
                let name = names.iter().find(|(other, _)| other == value);
                name.map_or_else(|| format!("the value {value}"), |(_, name)| name.clone())
            })
            .collect();
        let strange: Vec<&str> = strange.iter().map(String::as_str).collect();
        let nothing = format!(
            "none of the label map's names belongs to an organ of the model ({}); give those that do under [synonyms] \
             in the recipe, or leave the patient out: {}",
            if strange.is_empty() { "it is empty".to_owned() } else { strange.join(", ") },
            path.display()
        );
        let remarks = self.unmatched(&outlined, &strange, path).into_iter().collect();
        let words = labels.into_iter().map(|value| meaning(value).word).collect();
        Ok(Map { words, outlined, remarks, nothing })
    }
}

/// The NIfTI file of this name in a folder.
pub(super) fn nifti_of(folder: &Path, stem: &str) -> Option<PathBuf> {
    let named = |end: &str| folder.join(format!("{stem}.{end}"));
    ["nii.gz", "nii"].map(named).into_iter().find(|path| path.is_file())
}

/// The names of a label map's values: from `labels.json` (`{"1": "Heart"}`) beside it, from the one that
/// stands in the folder of all patients, or from nnU-Net's `dataset.json` there.
fn names_beside(labels: &Path, root: &Path) -> Result<Names, String> {
    #[derive(Deserialize)]
    struct Dataset {
        labels: BTreeMap<String, Value>,
    }
    let wrong = |path: &Path, wanted: &str, error: &str| {
        format!("this is not {wanted} ({error}): {}", path.display())
    };
    for path in [labels.with_file_name("labels.json"), root.join("labels.json")] {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let names: BTreeMap<u16, String> = serde_json::from_str(&text)
            .map_err(|error| wrong(&path, "{\"1\": \"Heart\", ...}", &error.to_string()))?;
        return Ok(names.into_iter().collect());
    }
    let path = root.join("dataset.json");
    if let Ok(text) = std::fs::read_to_string(&path) {
        let wanted = "nnU-Net's {\"labels\": {\"Heart\": 1, ...}}";
        let dataset: Dataset =
            serde_json::from_str(&text).map_err(|error| wrong(&path, wanted, &error.to_string()))?;
        return names_of(&dataset.labels).map_err(|error| wrong(&path, wanted, &error));
    }
    Err(format!(
        "the label map's values have no names; write them to labels.json, {{\"1\": \"Heart\"}}, beside it or once in \
         the folder of all patients, or give that an index.json: {}",
        labels.display()
    ))
}
