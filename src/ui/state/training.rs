//! What the window keeps of training: the form, and the run that it shows.

use super::{JobLine, PathField};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A path that training asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainingPath {
    /// The folder of patients.
    Data,
    /// The folder of checkpoint, log and package.
    Out,
    /// The recipe.
    Recipe,
}

/// What is filled in for a training.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrainingForm {
    /// The model to begin with; `None`: random weights.
    pub init: Option<String>,
    /// The folder of patients.
    pub data: PathField,
    /// The folder of checkpoint, log and package.
    pub out: PathField,
    /// The recipe; empty: a short schedule for the model to begin with.
    pub recipe: PathField,
    /// Steps in all; empty: the recipe's.
    pub steps: String,
    /// By a channel's number, what the Series Description of its images has in patients of DICOM; texts that
    /// stand for the same one with commas between them.
    pub series: BTreeMap<usize, String>,
}

impl TrainingForm {
    /// Begins with another model. The folder of the result follows while it is called as the model is.
    pub fn begin_with(&mut self, init: Option<String>) {
        let name = |init: &Option<String>| init.clone().unwrap_or_else(|| "model".to_owned());
        let out = PathBuf::from(self.out.text.trim());
        if out.file_name().is_some_and(|own| own == name(&self.init).as_str()) {
            self.out.text = out.with_file_name(name(&init)).display().to_string();
        }
        self.init = init;
        // Another model's channels are others.
        self.series.clear();
    }

    /// What is told of channels' series, the likeliest text first.
    #[must_use]
    pub fn told_series(&self) -> Vec<(usize, String)> {
        let texts = |(number, text): (&usize, &String)| -> Vec<(usize, String)> {
            let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
            texts.map(|text| (*number, text.to_owned())).collect()
        };
        self.series.iter().flat_map(texts).collect()
    }

    /// The field of a path.
    pub fn field(&mut self, which: TrainingPath) -> &mut PathField {
        match which {
            TrainingPath::Data => &mut self.data,
            TrainingPath::Out => &mut self.out,
            TrainingPath::Recipe => &mut self.recipe,
        }
    }
}

/// What the training of the form would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrainingAhead {
    /// The step at which the one that was stopped in the folder of the result goes on.
    pub from: Option<u64>,
    /// Steps in all, where none are typed; `None` where there is no recipe yet, or none that can be read.
    pub steps: Option<u64>,
}

/// A training, running or the last one of this window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrainingLine {
    /// What is trained.
    pub title: String,
    /// How many patients it learns from, and on what it runs, a sentence; empty before that is known.
    pub about: String,
    /// Its job; `None` once it has ended.
    pub job: Option<JobLine>,
    /// Steps in all.
    pub steps: u64,
    /// (step, mean loss).
    pub loss: Vec<[f64; 2]>,
    /// (step, mean Dice on validation patients).
    pub dice: Vec<[f64; 2]>,
    /// Organs with their last mean Dice, worst first.
    pub organs: Vec<(String, f64)>,
    /// What the person should know.
    pub warnings: Vec<String>,
    /// Why it ended before its time, a sentence.
    pub problem: Option<String>,
    /// How it ended otherwise, a sentence.
    pub ended: Option<String>,
    /// The model that it has made.
    pub package: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_the_result_follows_the_model_until_it_has_a_name_of_its_own() {
        let mut form = TrainingForm { init: Some("head-neck".into()), ..TrainingForm::default() };
        form.out.text = "/data/training/head-neck".into();
        form.begin_with(Some("clinic-1".into()));
        let followed = |form: &TrainingForm, name: &str| PathBuf::from(&form.out.text).ends_with(name);
        assert!(followed(&form, "training/clinic-1"), "{}", form.out.text);
        form.begin_with(None);
        assert!(followed(&form, "training/model") && form.init.is_none(), "{}", form.out.text);
        form.out.text = "/data/mine".into();
        form.begin_with(Some("head-neck".into()));
        assert_eq!(form.out.text, "/data/mine");
    }

    #[test]
    fn series_are_told_with_commas_and_forgotten_with_the_model() {
        let mut form = TrainingForm { init: Some("mr".into()), ..TrainingForm::default() };
        form.series.insert(1, " tse, T2 fs ,".into());
        form.series.insert(0, "  ".into());
        assert_eq!(form.told_series(), [(1, "tse".to_owned()), (1, "T2 fs".to_owned())]);
        form.begin_with(Some("other".into()));
        assert_eq!(form.told_series(), []);
    }
}
