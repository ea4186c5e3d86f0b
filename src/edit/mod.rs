//! Pure operations on contours: paint, freehand, delete, copy. No state, no I/O.
//!
//! Everything here takes polygons on a plane and gives polygons on the same plane; pieces and
//! vertices that an operation does not reach come back with the same bits. `tools` calls these
//! while a gesture runs, `session` when a command needs them.

mod slices;

pub use slices::{contains, copy_to_slice, delete_contour, reoriented};
