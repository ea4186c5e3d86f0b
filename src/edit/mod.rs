//! Pure operations on contours: paint, freehand, delete, copy. No state, no I/O.
//!
//! Everything here takes polygons on a plane and gives polygons on the same plane; pieces and
//! vertices that an operation does not reach come back with the same bits. `tools` calls these
//! while a gesture runs, `session` when a command needs them.

pub mod algebra;
mod between;
mod freehand;
mod gated;
mod grow;
mod mold;
mod paint;
pub mod recipe;
pub mod segment;
mod simplify;
mod slices;
mod slivers;
mod spline;
mod values;
mod whole_slices;

pub use between::{Gap, between, gaps};
pub use freehand::{freehand, freehand_slab, path_touches, region_of};
pub use gated::{Stamp, ValueRange, adaptive, in_range};
pub use grow::{GrowRange, Grown, Growth, grow};
pub use mold::{RoundTool, pushed, smoothed_under};
pub use paint::{Sign, paint, paint_ball, paint_disc, same_polygons};
pub use simplify::simplified;
pub use slices::{contains, copy_to_slice, delete_contour, reoriented};
pub use slivers::without_slivers;
pub use spline::{closed_spline, ellipse, rectangle};
pub use values::{SliceValues, Window};
pub use whole_slices::{pasted, thinned_slices};

/// Arcs are chords within this distance of the true circle, mm: a fiftieth of a usual pixel.
pub const CHORD_MM: f64 = 0.02;
