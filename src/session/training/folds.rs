//! The patients of a fold of nnU-Net: those that its weights have seen, and those that they have not.
//!
//! Whoever measures a fold on patients that it was trained on measures too well. So on nnU-Net's own layout
//! the fold's own division holds: of the data set's `splits_final.json`, else of the one in the model's
//! training folder, else as the model's package keeps it ([`Record`]), else by nnU-Net's rule ([`splits`]).

use super::TrainingFolder;
use super::listing::{Place, read};
use crate::ai::ModelPackage;
use crate::ai::nnunet::Model;
use crate::ai::nnunet::splits::record::Record;
use crate::ai::nnunet::splits::{self, Split};
use crate::ai::train::TrainError;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// nnU-Net's folder of preprocessed data sets, as a variable of the environment and beside the raw ones.
const PREPROCESSED: &str = "nnUNet_preprocessed";
/// The most patients that a remark names.
const NAMED: usize = 8;

/// Where a file of splits may lie.
pub(super) struct Places {
    /// Of the data set itself, the nearest first.
    dataset: Vec<PathBuf>,
    /// Of the model's training folder.
    model: Option<PathBuf>,
    /// Of its package, which keeps the folds without the patients' names.
    record: Option<PathBuf>,
}

/// The places for this data set and this model.
pub(super) fn places(root: &Path, init: Option<&ModelPackage>) -> Places {
    let named = std::env::var_os(PREPROCESSED).map(PathBuf::from);
    let init = init.and_then(|package| package.nnunet.as_ref());
    let (model, record) = (init.and_then(Model::splits_path), init.and_then(Model::record_path));
    Places { dataset: of_dataset(root, named), model, record }
}

/// Beside `dataset.json`, or in the data set's folder among the preprocessed ones: where the environment
/// names them, or beside the folder of raw ones.
fn of_dataset(root: &Path, preprocessed: Option<PathBuf>) -> Vec<PathBuf> {
    let whole = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let beside = whole.parent().and_then(Path::parent).map(|above| above.join(PREPROCESSED));
    let name = whole.file_name().map(PathBuf::from);
    let all = preprocessed.into_iter().chain(beside);
    let all = all.filter_map(|folder| Some(folder.join(name.as_ref()?).join(splits::FILE)));
    std::iter::once(root.join(splits::FILE)).chain(all).collect()
}

/// The first names of a list, and how many more there are.
fn some_of(names: &[&String]) -> String {
    let first: Vec<&str> = names.iter().take(NAMED).map(|name| name.as_str()).collect();
    let more = names.len().saturating_sub(NAMED);
    if more == 0 { first.join(", ") } else { format!("{} and {more} more", first.join(", ")) }
}

/// Why a file of splits is not used.
fn unusable(path: &Path, reason: &str) -> TrainError {
    TrainError::Patients(format!(
        "the file that divides the patients into folds is not usable ({reason}); mend it, or move it away: {}",
        path.display()
    ))
}

impl TrainingFolder {
    /// The fold whose own patients are wanted; `None` where the recipe divides them itself, or trains no
    /// model of nnU-Net.
    pub(super) fn fold(&self) -> Option<String> {
        let data = &self.recipe.data;
        let is_free = data.valid.is_empty() && data.valid_share.is_none();
        self.recipe.nnunet.as_ref().filter(|_| is_free).map(|table| table.fold.clone())
    }

    /// Divides the patients as nnU-Net did for this fold.
    ///
    /// # Errors
    /// [`TrainError::Patients`] when a file of splits cannot be read, the fold names a patient twice or for both,
    /// or the data set's own names others than there are.
    pub(super) fn divide_by_fold(
        &mut self,
        mut ids: Vec<String>,
        fold: &str,
        places: &Places,
    ) -> Result<(), TrainError> {
        ids.sort();
        // nnU-Net counts images. A label map without one is told when it is read.
        let (there, imageless): (Vec<String>, Vec<String>) =
            ids.into_iter().partition(|id| self.has_image(id));
        let Ok(number) = fold.parse::<usize>() else {
            self.remarks.push(format!(
                "fold {fold} of the model has seen every patient: all are trained on and none is left to measure with; \
                 choose a numbered fold, or list patients under data.valid that the model never saw"
            ));
            self.divided_by = Some(format!("nnU-Net's fold {fold}, which keeps none"));
            self.train = [there, imageless].concat();
            return Ok(());
        };
        let Some((splits, path)) = self.listed(&there, places)? else {
            let Some(splits) = splits::by_rule(&there) else {
                self.remarks.push(format!(
                    "there is no {}, and nnU-Net makes folds of 5 patients or more: they are divided by the recipe's \
                     seed, and those kept to measure with may have been trained on before",
                    splits::FILE
                ));
                return self.divide([there, imageless].concat());
            };
            self.remarks.push(format!(
                "there is no {0}: the patients are those of fold {fold} as nnU-Net makes its five folds by itself; if \
                 the model was trained on other folds, put its {0} beside dataset.json",
                splits::FILE
            ));
            self.divided_by = Some(format!("nnU-Net's own rule for fold {fold}"));
            self.take_split(&splits::of_fold(&splits, number, &there), &there, None);
            self.train.extend(imageless);
            return Ok(());
        };
        let beyond =
            if number < splits.len() { "" } else { " (it lists fewer; nnU-Net's own choice for it)" };
        let split = splits::of_fold(&splits, number, &there);
        if let Some(fault) = split.fault() {
            return Err(unusable(&path, &format!("of fold {fold} {fault}")));
        }
        // Of its own data set a file names those that there are; the model's may have been trained on more.
        let is_own = places.dataset.contains(&path);
        let named = split.train.iter().chain(&split.valid);
        if let Some(id) = named.clone().find(|id| is_own && there.binary_search(id).is_err()) {
            let why = if imageless.contains(id) { "has no image" } else { "is not" };
            return Err(unusable(
                &path,
                &format!("of fold {fold} it names {id}, who {why} in {}", self.root.display()),
            ));
        }
        self.remarks.push(format!("the patients are those of fold {fold}{beyond}: {}", path.display()));
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        self.divided_by = Some(format!("fold {fold} of its {file}"));
        self.take_split(&split, &there, Some(&path));
        Ok(())
    }

    fn has_image(&self, id: &str) -> bool {
        match self.entries.get(id).map(|entry| &entry.place) {
            Some(Place::Dataset { images, .. }) => images.first().is_some_and(|path| path.is_file()),
            _ => true,
        }
    }

    /// The folds of the first file that there is, and the file.
    fn listed(
        &mut self,
        there: &[String],
        places: &Places,
    ) -> Result<Option<(Vec<Split>, PathBuf)>, TrainError> {
        let own = places.dataset.iter().find(|path| path.is_file());
        let Some(path) = own.or(places.model.as_ref()) else { return self.recorded(there, places) };
        let wrong = |reason: String| unusable(path, &reason);
        let splits = read(path).and_then(|text| splits::parse(&text)).map_err(wrong)?;
        let named = splits.iter().flat_map(|split| split.train.iter().chain(&split.valid));
        if named.clone().any(|id| there.contains(id)) {
            return Ok(Some((splits, path.clone())));
        }
        // The model's tells nothing of a data set of other patients; the data set's own has to.
        match own {
            Some(_) => Err(wrong(format!("it names none of the patients in {}", self.root.display()))),
            None => Ok(None),
        }
    }

    /// The folds that the model's package keeps, where they are of these patients and no others.
    fn recorded(
        &mut self,
        there: &[String],
        places: &Places,
    ) -> Result<Option<(Vec<Split>, PathBuf)>, TrainError> {
        let Some(path) = &places.record else { return Ok(None) };
        let record = read(path).and_then(|text| Record::parse(&text));
        let splits = record.map_err(|reason| unusable(path, &reason))?.splits(there);
        if splits.is_none() {
            self.remarks.push(format!(
                "the model keeps the folds that it was trained on, but of other patients than there are: {}",
                path.display()
            ));
        }
        Ok(splits.map(|splits| (splits, path.clone())))
    }

    /// Takes of a split, which has no fault, those patients that are there.
    fn take_split(&mut self, split: &Split, there: &[String], path: Option<&Path>) {
        let is_there = |id: &&String| there.binary_search(id).is_ok();
        let sorted = |ids: &[String]| -> BTreeSet<String> { ids.iter().filter(is_there).cloned().collect() };
        let (train, valid) = (sorted(&split.train), sorted(&split.valid));
        if let Some(path) = path {
            let named: BTreeSet<&String> = split.train.iter().chain(&split.valid).collect();
            let missing: Vec<&String> = named.iter().copied().filter(|id| !is_there(id)).collect();
            let strange: Vec<&String> = there.iter().filter(|id| !named.contains(id)).collect();
            let path = path.display();
            if !missing.is_empty() {
                let missing = some_of(&missing);
                self.remarks.push(format!("patients of the fold that are not there: {missing}: {path}"));
            }
            if !strange.is_empty() {
                let strange = some_of(&strange);
                self.remarks.push(format!(
                    "patients that are not used, as the fold does not list them: {strange}: {path}"
                ));
            }
        }
        self.valid = valid.into_iter().collect();
        self.train = train.into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{recipe_of, write};
    use super::*;
    use crate::ai::train::{Patients as _, Recipe};

    /// A data set of so many cases, `x_00` to the last one.
    fn dataset(root: &Path, cases: usize) {
        for number in 0..cases {
            write(&root.join("imagesTr"), &format!("x_{number:02}_0000.nii.gz"), [1, 2, 3, 4]);
            write(&root.join("labelsTr"), &format!("x_{number:02}.nii.gz"), [0, 1, 2, 0]);
        }
        let text = r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "b": 2},
                       "file_ending": ".nii.gz"}"#;
        std::fs::write(root.join("dataset.json"), text).unwrap();
    }

    fn recipe(fold: &str) -> Recipe {
        let mut recipe = recipe_of("torchres/nnUNetTrainer__nnUNetPlans__3d_fullres");
        fold.clone_into(&mut recipe.nnunet.as_mut().unwrap().fold);
        recipe
    }

    fn names(numbers: &[usize]) -> Vec<String> {
        numbers.iter().map(|number| format!("x_{number:02}")).collect()
    }

    /// Divides without what the environment names.
    fn divided(root: &Path, fold: &str, model: Option<PathBuf>) -> Result<TrainingFolder, TrainError> {
        let mut own = TrainingFolder::open(root, &recipe("0"), None)?;
        (own.train, own.valid, own.remarks) = (Vec::new(), Vec::new(), Vec::new());
        let ids = own.entries.keys().cloned().collect();
        let places = Places { dataset: of_dataset(root, None), model, record: None };
        own.divide_by_fold(ids, fold, &places)?;
        Ok(own)
    }

    #[test]
    fn a_fold_s_patients_are_those_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("nnUNet_raw/Dataset901_Test");
        dataset(&root, 6);
        // nnU-Net writes it among the preprocessed data sets.
        let beside = folder.path().join("nnUNet_preprocessed/Dataset901_Test");
        std::fs::create_dir_all(&beside).unwrap();
        let text = r#"[{"train": ["x_00", "x_01"], "val": ["x_02"]},
                       {"train": ["x_05", "x_03", "x_99", "x_04"], "val": ["x_00"]},
                       {"train": ["x_05", "x_03", "x_04"], "val": ["x_00", "x_04"]}]"#;
        std::fs::write(beside.join(splits::FILE), text).unwrap();
        let first = divided(&root, "0", None).unwrap();
        assert_eq!((first.train(), first.valid()), (&names(&[0, 1])[..], &names(&[2])[..]));
        assert!(first.divided_by().unwrap().contains("fold 0"), "{:?}", first.divided_by());
        let told = first.remarks().join("\n");
        assert!(told.contains("not used, as the fold does not list them: x_03, x_04, x_05"), "{told}");
        assert!(told.contains("nnUNet_preprocessed"), "{told}");
        // Who is not there, or in both lists, is said with the fold and the file; the other folds are usable.
        let refused = |fold: &str| divided(&root, fold, None).unwrap_err().to_string();
        let (unknown, both) = (refused("1"), refused("2"));
        assert!(unknown.contains("of fold 1 it names x_99, who is not in"), "{unknown}");
        assert!(both.contains("of fold 2 x_04 is both trained on and measured on"), "{both}");
        assert!(unknown.ends_with(splits::FILE) && both.ends_with(splits::FILE), "{unknown}\n{both}");

        // One beside dataset.json comes first, and must be of these patients.
        std::fs::write(root.join(splits::FILE), r#"[{"train": ["x_04"], "val": ["x_05"]}]"#).unwrap();
        let nearest = divided(&root, "0", None).unwrap();
        assert_eq!((nearest.train(), nearest.valid()), (&names(&[4])[..], &names(&[5])[..]));
        let whole = TrainingFolder::open(&root, &recipe("0"), None).unwrap();
        assert_eq!((whole.train(), whole.valid()), (&names(&[4])[..], &names(&[5])[..]));
        for (text, why) in [(r#"[{"train": ["y"], "val": []}]"#, "names none"), ("{}", "not usable")] {
            std::fs::write(root.join(splits::FILE), text).unwrap();
            let refused = divided(&root, "0", None).unwrap_err().to_string();
            assert!(refused.contains(why) && refused.ends_with(splits::FILE), "{refused}");
        }
    }

    #[test]
    fn a_package_knows_its_folds_again_without_names() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("Dataset903_Test");
        dataset(&root, 6);
        let text = r#"[{"train": ["x_00", "x_01", "x_04"], "val": ["x_02", "x_03", "x_05"]}]"#;
        let kept = folder.path().join("folds.json");
        std::fs::write(&kept, Record::of(&splits::parse(text).unwrap()).text()).unwrap();
        let divided = || {
            let mut own = TrainingFolder::open(&root, &recipe("0"), None).unwrap();
            (own.train, own.valid, own.remarks) = (Vec::new(), Vec::new(), Vec::new());
            let ids = own.entries.keys().cloned().collect();
            let places = Places { dataset: of_dataset(&root, None), model: None, record: Some(kept.clone()) };
            own.divide_by_fold(ids, "0", &places).map(|()| own)
        };
        let found = divided().unwrap();
        assert_eq!((found.train(), found.valid()), (&names(&[0, 1, 4])[..], &names(&[2, 3, 5])[..]));
        assert_eq!(found.divided_by(), Some("fold 0 of its folds.json"));
        // Of others it tells nothing, and that is said.
        write(&root.join("imagesTr"), "x_06_0000.nii.gz", [1, 2, 3, 4]);
        write(&root.join("labelsTr"), "x_06.nii.gz", [0, 1, 2, 0]);
        let others = divided().unwrap();
        assert!(others.divided_by().unwrap().contains("own rule"), "{:?}", others.divided_by());
        assert!(others.remarks()[0].contains("of other patients"), "{:?}", others.remarks());
        std::fs::write(&kept, "{}").unwrap();
        assert!(divided().unwrap_err().to_string().contains("not usable"));
    }

    #[test]
    fn without_a_file_folds_are_made_as_nnu_net_makes_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("Dataset902_Test");
        dataset(&root, 12);
        // Of nnunetv2's generate_crossval_split of 12 cases.
        let found = divided(&root, "1", None).unwrap();
        assert_eq!(found.valid(), names(&[7, 10, 11]));
        assert_eq!(found.train(), names(&[0, 1, 2, 3, 4, 5, 6, 8, 9]));
        assert!(found.remarks()[0].contains("there is no splits_final.json"), "{:?}", found.remarks());
        // A file of the model's own data set tells nothing of other patients, but of these it does.
        let model = folder.path().join(splits::FILE);
        std::fs::write(&model, r#"[{"train": ["y"], "val": ["z"]}]"#).unwrap();
        assert_eq!(divided(&root, "1", Some(model.clone())).unwrap().valid(), names(&[7, 10, 11]));
        std::fs::write(&model, r#"[{"train": ["x_01"], "val": ["x_02", "x_03"]}]"#).unwrap();
        assert_eq!(divided(&root, "0", Some(model.clone())).unwrap().valid(), names(&[2, 3]));
        // The model may have seen more patients than are here, but none for both.
        std::fs::write(&model, r#"[{"train": ["x_01", "y"], "val": ["x_02"]}]"#).unwrap();
        let fewer = divided(&root, "0", Some(model.clone())).unwrap();
        assert_eq!(fewer.valid(), names(&[2]));
        assert!(fewer.remarks().join("\n").contains("not there: y"), "{:?}", fewer.remarks());
        std::fs::write(&model, r#"[{"train": ["x_01", "y"], "val": ["x_02", "y"]}]"#).unwrap();
        let refused = divided(&root, "0", Some(model)).unwrap_err().to_string();
        assert!(refused.contains("y is both trained on"), "{refused}");

        // Who wrote down a division of one's own has it.
        let mut own = recipe("1");
        own.data.valid = names(&[0]);
        assert_eq!(TrainingFolder::open(&root, &own, None).unwrap().valid(), names(&[0]));
        // Weights that have seen everyone are measured on nobody.
        let all = divided(&root, "all", None).unwrap();
        assert_eq!((all.train().len(), all.valid().len()), (12, 0));
        assert!(all.remarks()[0].contains("has seen every patient"), "{:?}", all.remarks());
        // A label map without an image is no case of nnU-Net's, and is told when it is read.
        write(&root.join("labelsTr"), "x_00b.nii.gz", [0, 1, 2, 0]);
        let odd = divided(&root, "1", None).unwrap();
        assert_eq!(odd.valid(), names(&[7, 10, 11]));
        assert!(odd.train().contains(&"x_00b".to_owned()));
    }
}
