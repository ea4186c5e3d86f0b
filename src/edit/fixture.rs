//! Images without values for tests: only where their slices lie matters.

use crate::geometry::{Grid, Plane, Point3, Vector3};
use crate::patient::{Slice, Unit, Volume, Voxels};
use nalgebra::Rotation3;

/// Slices at these offsets from the first, along axes turned by `turn` from the patient's.
pub(super) fn volume(turn: Rotation3<f64>, offsets_mm: &[f64]) -> Volume {
    let axes = [turn * Vector3::x(), turn * Vector3::y(), turn * Vector3::z()];
    let origin = Point3::new(-50.0, -40.0, 30.0);
    let steps = [axes[0] * 0.9, axes[1] * 1.3, axes[2] * 3.0];
    let grid = Grid::new([4, 4, offsets_mm.len()], origin, steps).unwrap();
    let base = Plane::new(origin, axes[0], axes[1]).unwrap();
    let slices = offsets_mm
        .iter()
        .map(|offset| Slice {
            plane: base.at_offset(base.offset_mm() + offset),
            origin_mm: origin + axes[2] * *offset,
            instance: None,
            missing: false,
        })
        .collect();
    let voxels = Voxels::I16(vec![0; grid.len()]);
    Volume { grid, voxels, unit: Unit::Hu, slices, native: None }
}
