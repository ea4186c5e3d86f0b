//! Why a package could not be used.

use crate::ai::nnunet::checkpoint::CheckpointError;
use std::path::PathBuf;

/// Why a package could not be used.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// No package has this id and no folder this name.
    #[error("there is no model {wanted}; there are {available} (`delineo model list`)")]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// The ids there are.
        available: String,
    },
    /// It is one of the catalogue that is not here.
    #[error(
        "the model {id} is not on this machine; fetch it with `delineo model fetch {id}`, or copy it from another"
    )]
    NotFetched {
        /// Its id.
        id: String,
    },
    /// The folder has no manifest and is no training folder either.
    #[error(
        "this folder is no model: it has neither a model.toml nor nnU-Net's plans.json, dataset.json and \
         fold_0/checkpoint_final.pth: {}", path.display()
    )]
    NoManifest {
        /// The folder.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("the model's file cannot be read ({reason}): {}", path.display())]
    Unreadable {
        /// What the system says.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// The manifest is not what it should be.
    #[error("the model's manifest is not usable: {reason}: {}", path.display())]
    Manifest {
        /// What is wrong.
        reason: String,
        /// The manifest.
        path: PathBuf,
    },
    /// The weights are not those that the manifest was written for.
    #[error(
        "the model's weights are damaged or of another version (SHA-256 {found}, not {expected}); \
         fetch the package again: {}", path.display()
    )]
    Checksum {
        /// Of the file.
        found: String,
        /// In the manifest.
        expected: String,
        /// The weights.
        path: PathBuf,
    },
    /// A training folder of nnU-Net cannot be used.
    #[error("the nnU-Net model is not usable: {reason}: {}", path.display())]
    Training {
        /// What is wrong, and the remedy.
        reason: String,
        /// The file or folder.
        path: PathBuf,
    },
    /// A checkpoint of nnU-Net cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The weights are not what they should be.
    #[error("the model's weights are not usable: {reason}: {}", path.display())]
    Weights {
        /// What is wrong.
        reason: String,
        /// The weights.
        path: PathBuf,
    },
}
