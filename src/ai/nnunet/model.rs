//! A model of nnU-Net: its plan, its labels, and where each fold's weights are.

use super::checkpoint::Checkpoint;
use super::dataset::Dataset;
use super::orientation::Orientation;
use super::plans::Plan;
use super::splits::record::{RECORD, Record};
use super::splits::{self, SPLITS_LIMIT};
use super::trainers::is_of_nnunet;
use crate::ai::kept::{Made, Origin};
use crate::ai::network::{Network, NetworkError, Parameter};
use crate::ai::package::{PackageError, read_limited, read_weights};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a fold's weights are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fold {
    /// In a checkpoint of PyTorch.
    Checkpoint(PathBuf),
    /// In a package.
    Tensors { path: PathBuf, sha256: String },
}

impl Fold {
    fn path(&self) -> &Path {
        match self {
            Self::Checkpoint(path) | Self::Tensors { path, .. } => path,
        }
    }
}

/// Why a model cannot run with some of its folds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The model is none of nnU-Net.
    #[error("the model {model} is one network without folds; leave --fold out")]
    NoFolds {
        /// The model.
        model: String,
    },
    /// It has other folds.
    #[error("the model {model} has no fold {wanted}; it has {available}")]
    Unknown {
        /// The model.
        model: String,
        /// What was asked for.
        wanted: String,
        /// The folds there are.
        available: String,
    },
}

/// A model of nnU-Net; its weights are read fold by fold.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// One configuration of its plans.
    pub plan: Plan,
    /// Channels and labels.
    pub dataset: Dataset,
    /// The class that trained it.
    pub trainer: String,
    /// Axes that are mirrored and averaged, (0 = z) of the network's three.
    pub mirror_axes: Vec<usize>,
    /// In a cascade: the model whose labels this one is given.
    pub previous: Option<Box<Model>>,
    pub(super) folds: Vec<Fold>,
    /// The files that [`Self::plan`] and [`Self::dataset`] were read from.
    pub(super) plans_path: PathBuf,
    pub(super) dataset_path: PathBuf,
}

impl Model {
    /// How many folds there are; their logits are averaged.
    #[must_use]
    pub fn folds(&self) -> usize {
        self.folds.len()
    }

    /// What the folds are called: their numbers, or `all`; their places where one has another name.
    #[must_use]
    pub fn fold_names(&self) -> Vec<String> {
        let name = |fold: &Fold| {
            let path = match fold {
                Fold::Checkpoint(path) => path.parent()?,
                Fold::Tensors { path, .. } => path,
            };
            let (_, name) = path.file_stem()?.to_str()?.rsplit_once("fold_")?;
            let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
            (is_number || name == "all").then(|| name.to_owned())
        };
        let names: Option<Vec<String>> = self.folds.iter().map(name).collect();
        names.unwrap_or_else(|| (0..self.folds.len()).map(|place| place.to_string()).collect())
    }

    /// The model with the folds of these names alone, each stage of a cascade.
    ///
    /// # Errors
    /// The first name that a stage has not, and those it has.
    pub(in crate::ai) fn with_folds(&self, wanted: &[String]) -> Result<Self, (String, String)> {
        let names = self.fold_names();
        if let Some(unknown) = wanted.iter().find(|wanted| !names.contains(wanted)) {
            return Err((unknown.clone(), names.join(", ")));
        }
        let folds = self.folds.iter().zip(&names).filter(|(_, name)| wanted.contains(name));
        let previous = self.previous.as_ref().map(|previous| previous.with_folds(wanted)).transpose()?;
        Ok(Self {
            folds: folds.map(|(fold, _)| fold.clone()).collect(),
            previous: previous.map(Box::new),
            ..self.clone()
        })
    }

    /// The file that tells which cases each fold was trained on, where it lies in the model's folder, or in
    /// the data set's folder above a training folder.
    #[must_use]
    pub fn splits_path(&self) -> Option<PathBuf> {
        let folder = self.plans_path.parent()?;
        let is_training = folder.file_name().is_some_and(|name| name.to_string_lossy().contains("__"));
        let above = folder.parent().filter(|_| is_training);
        let mut all = std::iter::once(folder).chain(above).map(|folder| folder.join(splits::FILE));
        all.find(|path| path.is_file())
    }

    /// The folds of its training as a package keeps them, where a package has them.
    #[must_use]
    pub fn record_path(&self) -> Option<PathBuf> {
        let path = self.plans_path.parent()?.join(RECORD);
        path.is_file().then_some(path)
    }

    /// The folds of its training without the cases' names; `None` where nothing tells them, or what does cannot
    /// be used.
    pub(super) fn fold_record(&self) -> Option<Record> {
        let text = |path: PathBuf| String::from_utf8(read_limited(&path, SPLITS_LIMIT).ok()?).ok();
        let of_names = self.splits_path().and_then(text).and_then(|text| splits::parse(&text).ok());
        let kept = || self.record_path().and_then(text).and_then(|text| Record::parse(&text).ok());
        of_names.map(|splits| Record::of(&splits)).or_else(kept)
    }

    /// Has images handed over in this way, to each stage of a cascade.
    pub(super) fn hand_over(&mut self, orientation: Orientation) {
        self.plan.orientation = orientation;
        if let Some(previous) = &mut self.previous {
            previous.hand_over(orientation);
        }
    }

    /// What a person should know of a trainer that is none of nnU-Net's own.
    #[must_use]
    pub fn trainer_warning(&self) -> Option<String> {
        let stages = self.previous.as_deref().into_iter().chain([self]);
        let other = stages.map(|model| &model.trainer).find(|trainer| !is_of_nnunet(trainer))?;
        Some(format!(
            "its trainer {other} is not one of nnU-Net's own: only its weights and its mirroring are taken, and \
             the network is built as its plans say; compare its contours with nnU-Net's on one case before you \
             rely on it"
        ))
    }

    /// Lets go of all folds but the first.
    pub(super) fn keep_first_fold(&mut self) {
        self.folds.truncate(1);
    }

    /// Eight digits that tell this model from one that took its place: of its plans and labels, and of
    /// the weights' hashes, or, of checkpoints, which would take long to hash, their sizes and times.
    pub(in crate::ai) fn state(&self) -> String {
        let mut hash = Sha256::new();
        self.add_to(&mut hash);
        hash.finalize().iter().take(4).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
    }

    fn add_to(&self, hash: &mut Sha256) {
        for path in [&self.plans_path, &self.dataset_path] {
            // What cannot be read has no state, and no use either.
            hash.update(std::fs::read(path).unwrap_or_default());
        }
        hash.update(format!("{} {} {:?}", self.plan.configuration, self.trainer, self.mirror_axes));
        for fold in &self.folds {
            match fold {
                Fold::Tensors { sha256, .. } => hash.update(sha256),
                Fold::Checkpoint(path) => {
                    let data = std::fs::metadata(path).ok();
                    let time = data.as_ref().and_then(|data| data.modified().ok());
                    hash.update(format!("{:?} {time:?}", data.map(|data| data.len())));
                }
            }
        }
        if let Some(previous) = &self.previous {
            previous.add_to(hash);
        }
    }

    /// What the networks of its folds are made of; `None` where a file does not tell its state.
    pub(super) fn made(&self) -> Option<Made> {
        let origin = |fold: &Fold| match fold {
            Fold::Checkpoint(path) => Origin::file(path, ""),
            Fold::Tensors { path, sha256 } => Origin::file(path, sha256),
        };
        let folds = self.folds.iter().map(origin).collect::<Option<_>>()?;
        Some(Made { architecture: self.plan.architecture.clone(), folds })
    }

    /// The network of one fold.
    ///
    /// # Errors
    /// [`PackageError`] when its weights are missing, damaged, or of another network.
    ///
    /// # Panics
    /// When there is no such fold.
    pub fn network(&self, fold: usize) -> Result<Network, PackageError> {
        self.network_of(fold, &self.parameters(fold)?)
    }

    /// The same of its parameters.
    pub(super) fn network_of(
        &self,
        fold: usize,
        parameters: &BTreeMap<String, Parameter>,
    ) -> Result<Network, PackageError> {
        Network::new(self.plan.architecture.clone(), parameters).map_err(|error| PackageError::Training {
            reason: match error {
                // The network is the right one, its training went astray.
                NetworkError::NotFinite(_) | NetworkError::Variance(_) => {
                    format!("{error}; leave this fold out, or take another checkpoint of it")
                }
                _ => {
                    format!("{error}; its trainer {} builds another network than its plans say", self.trainer)
                }
            },
            path: self.folds[fold].path().to_owned(),
        })
    }

    /// The parameters of one fold by nnU-Net's names.
    pub(in crate::ai) fn parameters(&self, fold: usize) -> Result<BTreeMap<String, Parameter>, PackageError> {
        match &self.folds[fold] {
            Fold::Checkpoint(path) => Ok(Checkpoint::read(path)?.parameters),
            Fold::Tensors { path, sha256 } => read_weights(path, sha256),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::training::open;
    use super::*;

    #[test]
    fn weights_that_are_no_numbers_are_no_fault_of_the_trainer() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/nnunet/batchnorm/nnUNetTrainerBN__nnUNetPlans__3d_fullres");
        let stem = "encoder.stem.convs.0.conv.weight";
        let model = open(&folder).unwrap();
        let told = |change: &dyn Fn(&mut BTreeMap<String, Parameter>)| {
            let mut parameters = model.parameters(0).unwrap();
            change(&mut parameters);
            model.network_of(0, &parameters).unwrap_err().to_string()
        };
        let odd = told(&|parameters| parameters.get_mut(stem).unwrap().values[0] = f32::NAN);
        assert!(odd.contains("not a finite number; leave this fold out"), "{odd}");
        assert!(!odd.contains("its trainer") && odd.contains("checkpoint_final.pth"), "{odd}");
        let other = told(&|parameters| drop(parameters.remove(stem)));
        assert!(other.contains("its trainer nnUNetTrainerBN builds another network"), "{other}");
    }
}
