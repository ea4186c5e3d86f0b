//! Regions from image values: thresholds, lines of equal value, scribbles, uptake, isodoses, what lies
//! between pieces, and organs that their values tell.
//!
//! Pure functions on a volume that give a [`Region`](super::algebra::Region) on its slices. What is
//! decided by values has its outline where the values, linear between pixel centres, pass the bound;
//! what is decided by voxels is traced smoothly and holds exactly their centres. Missing slices and
//! pixels outside the scan are left out, whatever the values. Memory is a few bytes a voxel of the box
//! looked at; work on slices runs in parallel; what can outlast a frame takes a
//! [`Progress`](crate::progress::Progress).

mod airways;
mod area;
mod bones;
mod histogram;
mod isodose;
mod level;
mod lungs;
mod pieces;
mod queue;
mod scribbles;
mod source;
#[cfg(test)]
mod tests;
mod threshold;
mod uptake;

pub use airways::airways;
pub use area::SearchArea;
pub use bones::{BoneOptions, bones};
pub use histogram::{Histogram, histogram};
pub use isodose::{DoseLevel, isodose, isodose_name};
pub use level::{LevelLine, level_line};
pub use lungs::{LungSide, lungs};
pub use pieces::{Fill, PiecesError, between_pieces};
pub use scribbles::{Scribble, ScribbleError, from_scribbles};
pub use source::{Source, ends_at_gap};
pub use threshold::{Keep, Threshold, ball, threshold};
pub use uptake::{FoundUptake, Uptake, uptake, uptake_within};

pub(super) use source::inside;

use crate::progress::Cancelled;

/// Why an organ was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrganError {
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The image has no Hounsfield units.
    #[error("This needs a CT in Hounsfield units.")]
    Unit,
    /// No airway.
    #[error("There is no trachea to be seen. Click into an airway.")]
    NoAirway,
    /// No lung.
    #[error("There is no lung to be seen in these images.")]
    NoLung,
    /// A lung that may go on beyond missing slices.
    #[error(
        "Too many slices are missing in a row: the lung on the other side cannot be told. Load the whole series."
    )]
    Gap,
    /// No bone.
    #[error("There is no bone to be seen in these images.")]
    NoBone,
}
