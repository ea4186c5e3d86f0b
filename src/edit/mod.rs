//! Pure operations on contours: paint, freehand, split, reshape, move, delete, copy. No I/O, and no
//! state but a live-wire's search.
//!
//! Everything here takes polygons on a plane and gives polygons on the same plane; pieces and
//! vertices that an operation does not reach come back with the same bits. `tools` calls these
//! while a gesture runs, `session` when a command needs them.

pub mod algebra;
mod between;
mod changed;
#[cfg(test)]
mod fixture;
mod freehand;
mod gated;
mod grow;
mod guided;
pub mod livewire;
mod mold;
mod motion;
mod outline;
mod paint;
mod push;
pub mod recipe;
pub mod segment;
mod simplify;
mod slices;
mod slivers;
mod snap;
mod spline;
mod split;
mod values;
mod vertex_set;
mod whole_slices;

pub use between::{Gap, between, gaps};
pub use changed::Changed;
pub use freehand::{freehand, freehand_slab, path_touches, region_of};
pub use gated::{Stamp, ValueRange, adaptive, in_range};
pub use grow::{GrowRange, Grown, Growth, grow};
pub use guided::{Guided, GuidedError, drawn_slices, guided};
pub use mold::{Level, RoundTool, distance_to_edge, pushed, smoothed_in_space, smoothed_under};
pub use motion::Motion;
pub use outline::{
    OutlinePlace, bent, joined, nearest_on_outline, nearest_vertex, part_replaced, point_moved,
    point_removed, pulled,
};
pub use paint::{Sign, paint, paint_ball, paint_disc, same_polygons};
pub use push::SolidPush;
pub use simplify::simplified;
pub use slices::{ContourAt, contains, contour_at, copy_to_slice, delete_contour, reoriented};
pub use slivers::without_slivers;
pub use snap::snapped;
pub use spline::{closed_spline, ellipse, rectangle};
pub use split::{Sheet, split_by_line, taken_off};
pub use values::{SliceValues, Window};
pub use vertex_set::VertexSet;
pub use whole_slices::{pasted, thinned_slices};

/// Arcs are chords within this distance of the true circle, mm: a fiftieth of a usual pixel.
pub const CHORD_MM: f64 = 0.02;
