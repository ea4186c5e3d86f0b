//! Algebra of ROIs: sets, margins, pieces and shapes, on the slices of a series.
//!
//! One reading of contours for every operation here, the one of the volume rule:
//! - An ROI lives on the series' slices; a contour plane belongs to the slice within 0.1 mm of it.
//!   What lies on no slice is refused ([`AlgebraError::OffSlices`]) until [`resampled`] has put it
//!   onto them: nothing is moved on the quiet.
//! - A slice's contours stand for a slab that reaches half way to the neighbouring image slices (at
//!   the series' ends as far outwards as inwards). The solid is all slabs together; its volume is
//!   the sum of areas times slab thicknesses. A slice without contours is empty, nothing is bridged.
//! - A result is the section of the exact solid by the planes of the slices: contours are exact, the
//!   slab rule then gives them their thickness again.
//! - A missing slice takes no contours. Beyond the ends of the series nothing is known: nothing is
//!   added there, and nothing outside counts as outside when an ROI shrinks.
//!
//! Everything is pure; slices are worked on in parallel.

mod combine;
mod margin;
mod pieces;
mod region;
mod shape;
mod space;
#[cfg(test)]
mod tests;

pub use combine::{SetRule, combined};
pub use margin::{Margin, contracted, expanded, ring_around, wall};
pub use pieces::{cavities_filled, holes_removed, largest_piece, pieces, without_small_pieces};
pub use region::Region;
pub use shape::{extrapolated, resampled, simplified_to, simplified_within, smoothed};
pub use space::{FIT_REACH, SPACE_PASSES, SPACE_REACH, smoothed_across, vertices_apart_mm};

use crate::progress::Cancelled;

/// Boundaries of margins are within this distance of the exact ones, mm.
pub const MARGIN_TOLERANCE_MM: f64 = 0.01;

/// Why an operation was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlgebraError {
    /// An ROI has contours on no slice of the series.
    #[error(
        "{count} contour planes of {roi} lie on no slice of these images. Resample {roi} onto them first."
    )]
    OffSlices {
        /// The ROI's name.
        roi: String,
        /// How many of its planes.
        count: usize,
    },
    /// Asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}
