//! Training and fine-tuning of model packages: the recipe of `models/training`, in burn.
//!
//! A recipe ([`Recipe`]) is the same TOML file that the PyTorch scripts read. Patients come through
//! [`Patients`], which whoever reads files implements; [`train`] draws patches on a thread of their own
//! ([`sampler`]), runs the differentiable network ([`graph`]) on a graphics device or the CPU, and
//! writes checkpoints, a log of [`Event`]s and a package that [`super::ModelPackage::load`] takes. A
//! batch depends only on the seed and the step; a run that was interrupted goes on from its last
//! checkpoint as if it had not been.

mod augment;
mod bend;
mod checkpoint;
mod degrade;
mod events;
mod export;
pub mod graph;
mod layers;
pub mod loss;
mod measure;
mod memory;
mod optimiser;
mod patient;
mod random;
mod recipe;
mod recipe_parts;
mod run;
pub mod sampler;
mod start;
mod stock;
mod task;
#[cfg(test)]
mod tests;
mod tuned;

pub use checkpoint::{CHECKPOINT, saved_step};
pub use events::{Event, LOG, read_log};
pub use measure::OrganDice;
pub use optimiser::{Optimiser, learning_rate};
pub use patient::{Case, Patients};
pub use recipe::Recipe;
pub use recipe_parts::{Augment, Bend, Coarse, Data, Gamma, NnunetTable, Sampling, Training};
pub use run::{Options, Outcome, PACKAGE, train};
pub use start::{name_key, time_step};
pub use tuned::refusal;

use super::engine::EngineError;
use super::package::PackageError;
use crate::new_file::WriteFileError;
use crate::progress::Cancelled;
use std::path::PathBuf;

/// Why there is no training.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Someone asked to stop before the first step.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The recipe cannot be used.
    #[error("the recipe is not usable: {reason}: {}", path.display())]
    Recipe {
        /// What is wrong, and the remedy.
        reason: String,
        /// The recipe.
        path: PathBuf,
    },
    /// A package cannot be trained on.
    #[error("the model {model} cannot be trained further: {reason}")]
    Package {
        /// Its id.
        model: String,
        /// Why.
        reason: String,
    },
    /// The package to begin with cannot be read.
    #[error(transparent)]
    Init(#[from] PackageError),
    /// The patients cannot be used.
    #[error("{0}")]
    Patients(String),
    /// A checkpoint belongs to another run or is damaged.
    #[error("the checkpoint cannot be continued: {reason}; choose another --out folder, or move it away: {}", path.display())]
    Checkpoint {
        /// What is wrong.
        reason: String,
        /// The checkpoint.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteFileError),
    /// The machine's memory is too small.
    #[error("{what} {} MB of memory, {} MB are free; {remedy}", .needed / 1_000_000, .free / 1_000_000)]
    Memory {
        /// What needs it, with its verb.
        what: String,
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// The device cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The device failed on the way.
    #[error(
        "training stopped on {device} ({reason}); the same command goes on from the last checkpoint, with --device cpu if need be"
    )]
    Device {
        /// The device.
        device: String,
        /// What it said.
        reason: String,
    },
}
