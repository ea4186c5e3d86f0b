//! Pure operations on contours: paint, freehand, delete, copy. No state, no I/O.
//!
//! Everything here takes polygons on a plane and gives polygons on the same plane; pieces and
//! vertices that an operation does not reach come back with the same bits. `tools` calls these
//! while a gesture runs, `session` when a command needs them.

pub mod algebra;
mod freehand;
mod paint;
pub mod recipe;
mod simplify;
mod slices;
mod slivers;

pub use freehand::{freehand, freehand_slab, path_touches, region_of};
pub use paint::{Sign, paint, paint_ball, paint_disc, same_polygons};
pub use simplify::simplified;
pub use slices::{contains, copy_to_slice, delete_contour, reoriented};
pub use slivers::without_slivers;

/// Arcs are chords within this distance of the true circle, mm: a fiftieth of a usual pixel.
pub const CHORD_MM: f64 = 0.02;
