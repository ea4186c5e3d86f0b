//! A model of nnU-Net: its plan, its labels, and where each fold's weights are.

use super::checkpoint::Checkpoint;
use super::dataset::Dataset;
use super::plans::Plan;
use crate::ai::network::{Network, Parameter};
use crate::ai::package::{PackageError, read_weights};
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

    /// Lets go of all folds but the first.
    pub(super) fn keep_first_fold(&mut self) {
        self.folds.truncate(1);
    }

    /// The network of one fold.
    ///
    /// # Errors
    /// [`PackageError`] when its weights are missing, damaged, or of another network.
    ///
    /// # Panics
    /// When there is no such fold.
    pub fn network(&self, fold: usize) -> Result<Network, PackageError> {
        let parameters = self.parameters(fold)?;
        Network::new(self.plan.architecture.clone(), &parameters).map_err(|error| PackageError::Training {
            reason: format!("{error}; its trainer {} may build another network", self.trainer),
            path: self.folds[fold].path().to_owned(),
        })
    }

    /// The parameters of one fold by nnU-Net's names.
    pub(super) fn parameters(&self, fold: usize) -> Result<BTreeMap<String, Parameter>, PackageError> {
        match &self.folds[fold] {
            Fold::Checkpoint(path) => Ok(Checkpoint::read(path)?.parameters),
            Fold::Tensors { path, sha256 } => read_weights(path, sha256),
        }
    }
}
