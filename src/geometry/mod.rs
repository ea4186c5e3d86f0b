//! Grids, planes, polygons and what joins them: rasterising, tracing, distances, surfaces.
//!
//! Patient space is DICOM LPS in millimetres, `f64`. A voxel's centre is at integer (i, j, k),
//! i fastest in memory. Nothing here assumes axial, square or even spacing. Pure functions, no I/O.

pub mod bits;
pub mod clip;
pub mod distance;
mod grid;
mod keyhole;
mod needles;
pub mod offset;
mod oriented_box;
mod plane;
mod polygon;
pub mod rasterise;
mod rings;
pub mod section;
pub mod signed_field;
pub mod splice;
pub mod stroke;
pub mod surface;
pub mod thin;
pub mod trace;
pub mod within;

pub use grid::Grid;
pub use keyhole::{keyhole, open_keyholes};
pub use needles::without_needles;
pub use oriented_box::OrientedBox;
pub use plane::{LATTICE_MM, Plane};
pub use polygon::{Bounds, Polygon, Ring, are_near, perimeter, ring_area, ring_of};
pub use rings::nested;

/// A point in patient space, mm, LPS.
pub type Point3 = nalgebra::Point3<f64>;
/// A vector in patient space, mm, LPS.
pub type Vector3 = nalgebra::Vector3<f64>;
/// A point in the coordinates of a [`Plane`], mm.
pub type Point2 = nalgebra::Point2<f64>;
/// A vector in the coordinates of a [`Plane`], mm.
pub type Vector2 = nalgebra::Vector2<f64>;
/// A turn in the plane.
pub type Rotation2 = nalgebra::Rotation2<f64>;
/// A turn in space.
pub type Rotation3 = nalgebra::Rotation3<f64>;
