//! An image as nnU-Net's reader would hand it over, and where it lies in a volume's grid.
//!
//! nnU-Net knows no orientation: its reader hands over the array as the file stores it (or turned to
//! right, front, head), and the network has learnt from arrays of that kind. A NIfTI file therefore
//! goes in as it is stored. DICOM has no such order of its own; it is put in order by image
//! orientation and position, with axes to the patient's left, back and head, which for an ordinary
//! axial series is the order that ITK gives.

use super::orientation::Orientation;
use crate::ai::orient::Oriented;
use crate::geometry::Grid;
use crate::patient::{Unit, Volume};
use rayon::prelude::*;
use std::sync::Arc;

/// An axis of a volume's grid (0 = i), and whether it is walked backwards.
pub type GridAxis = (usize, bool);

/// One channel of a model's input.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelImage {
    /// Size along its axes, slowest first.
    pub size: [usize; 3],
    /// Distance of neighbouring voxels along its axes, mm.
    pub spacing_mm: [f64; 3],
    /// The grid's axis that each of its axes is.
    pub axes: [GridAxis; 3],
    /// `[z][y][x]` of its own axes.
    pub values: Arc<Vec<f32>>,
    /// The grid's axes that nibabel takes to run to the patient's left, back and head, where the file does
    /// not tell.
    pub(super) patient: Option<[GridAxis; 3]>,
}

/// What stands for voxels outside the scan: air, or nothing.
fn outside(unit: Unit) -> f32 {
    if unit == Unit::Hu { -1024.0 } else { 0.0 }
}

impl ChannelImage {
    /// A file's own array `[z][y][x]`, whose slices the grid may have in reverse.
    #[must_use]
    pub fn stored(size: [usize; 3], spacing_mm: [f64; 3], slices_reversed: bool, values: Vec<f32>) -> Self {
        Self {
            size,
            spacing_mm,
            axes: [(2, slices_reversed), (1, false), (0, false)],
            values: Arc::new(values),
            patient: None,
        }
    }

    /// The array of a file that tells no orientation: nnU-Net's readers that turn images take its axes as
    /// left, front and head (nibabel), or left, back and head (ITK).
    #[must_use]
    pub fn without_orientation(self) -> Self {
        let [(_, reversed), ..] = self.axes;
        Self { patient: Some([(0, false), (1, true), (2, reversed)]), ..self }
    }

    /// A volume's voxels, axes to the patient's left, back and head. Voxels outside the scan become
    /// air (HU) or 0.
    #[must_use]
    pub fn of_volume(volume: &Volume) -> Self {
        let oriented = Oriented::new(&volume.grid);
        let [nx, ny, nz] = oriented.size;
        let fill = outside(volume.unit);
        let mut values = vec![0.0; nx * ny * nz];
        values.par_chunks_exact_mut((nx * ny).max(1)).enumerate().for_each(|(z, plane)| {
            for (at, value) in plane.iter_mut().enumerate() {
                *value = volume.voxels.value(oriented.index([at % nx, at / nx, z])).unwrap_or(fill);
            }
        });
        let [x, y, z] = oriented.spacing_mm;
        let [axis_x, axis_y, axis_z] = oriented.axes();
        Self {
            size: [nz, ny, nx],
            spacing_mm: [z, y, x],
            axes: [axis_z, axis_y, axis_x],
            values: Arc::new(values),
            patient: None,
        }
    }

    /// Another volume's values at this image's voxels, which lie on `grid`: linearly interpolated,
    /// air (HU) or 0 outside.
    #[must_use]
    pub fn sampled(&self, grid: &Grid, other: &Volume) -> Self {
        let [_, ny, nx] = self.size;
        let fill = outside(other.unit);
        let mut values = vec![fill; self.values.len()];
        values.par_chunks_exact_mut((nx * ny).max(1)).enumerate().for_each(|(z, plane)| {
            for (at, value) in plane.iter_mut().enumerate() {
                let voxel = self.grid_voxel([z, at / nx, at % nx]);
                let point = grid.patient_of(voxel.map(|n| n as f64));
                *value = linear(other, other.grid.voxel_of(point)).unwrap_or(fill);
            }
        });
        Self { values: Arc::new(values), ..self.clone() }
    }

    /// The same image turned as a model's reader wants it; `grid` is the one it lies on.
    #[must_use]
    pub fn turned(&self, grid: &Grid, orientation: Orientation) -> Self {
        let by_grid = || Oriented::new(grid).axes();
        match orientation {
            Orientation::Stored => self.clone(),
            Orientation::Turned(code) => self.along(code.of_patient(self.patient.unwrap_or_else(by_grid))),
            Orientation::TurnedByItk(code) => {
                let by_itk =
                    self.patient.map(|[left, (axis, is_front), head]| [left, (axis, !is_front), head]);
                self.along(code.of_patient(by_itk.unwrap_or_else(by_grid)))
            }
        }
    }

    fn along(&self, axes: [GridAxis; 3]) -> Self {
        if axes == self.axes {
            return self.clone();
        }
        let strides = [self.size[1] * self.size[2], self.size[2], 1];
        // Where each new axis is among the old ones; both name every grid axis once.
        let from = axes.map(|(axis, _)| self.axes.iter().position(|(own, _)| *own == axis).unwrap_or(0));
        let size = from.map(|old| self.size[old]);
        let at = |new: usize, n: usize| {
            let old = from[new];
            let turned = axes[new].1 != self.axes[old].1;
            strides[old] * if turned { size[new] - 1 - n } else { n }
        };
        let mut values = Vec::with_capacity(self.values.len());
        for z in 0..size[0] {
            for y in 0..size[1] {
                let row = at(0, z) + at(1, y);
                values.extend((0..size[2]).map(|x| self.values[row + at(2, x)]));
            }
        }
        let spacing_mm = from.map(|old| self.spacing_mm[old]);
        Self { size, spacing_mm, axes, values: Arc::new(values), patient: self.patient }
    }

    /// Its own voxel (z, y, x) that is the grid's voxel (i, j, k).
    #[must_use]
    pub fn own_voxel(&self, voxel: [usize; 3]) -> [usize; 3] {
        std::array::from_fn(|axis| {
            let (grid_axis, backwards) = self.axes[axis];
            if backwards { self.size[axis] - 1 - voxel[grid_axis] } else { voxel[grid_axis] }
        })
    }

    /// The grid's voxel (i, j, k) of one of its own (z, y, x).
    #[must_use]
    pub fn grid_voxel(&self, own: [usize; 3]) -> [usize; 3] {
        let mut voxel = [0; 3];
        for (axis, (grid_axis, backwards)) in self.axes.into_iter().enumerate() {
            voxel[grid_axis] = if backwards { self.size[axis] - 1 - own[axis] } else { own[axis] };
        }
        voxel
    }
}

/// The value between voxel centres; `None` outside the scan, or half a voxel beyond its edge.
fn linear(volume: &Volume, at: [f64; 3]) -> Option<f32> {
    let dims = volume.grid.dims();
    let mut low = [0; 3];
    let mut share = [0.0; 3];
    for axis in 0..3 {
        let last = dims[axis] as f64 - 1.0;
        if !(at[axis] >= -0.5 && at[axis] <= last + 0.5) {
            return None;
        }
        let inside = at[axis].clamp(0.0, last);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "inside the volume")]
        {
            low[axis] = inside.floor() as usize;
        }
        share[axis] = inside - inside.floor();
    }
    let mut sum = 0.0;
    for corner in 0..8_usize {
        let mut weight = 1.0;
        let mut voxel = low;
        for axis in 0..3 {
            let high = corner >> axis & 1 == 1;
            weight *= if high { share[axis] } else { 1.0 - share[axis] };
            voxel[axis] = (voxel[axis] + usize::from(high)).min(dims[axis] - 1);
        }
        if weight > 0.0 {
            sum += weight * f64::from(volume.voxels.value(volume.grid.index_of(voxel)?)?);
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "a mean of float32 values")]
    Some(sum as f32)
}

#[cfg(test)]
mod tests {
    use super::super::orientation::AxisCode;
    use super::*;
    use crate::geometry::{Point3, Vector3};
    use crate::patient::Voxels;

    /// A sagittal series: i runs to posterior, j to the feet, k to the right; each voxel's value is
    /// its number.
    fn volume() -> Volume {
        let steps = [Vector3::y() * 2.0, -Vector3::z() * 3.0, -Vector3::x() * 4.0];
        let grid = Grid::new([2, 3, 4], Point3::new(1.0, 2.0, 3.0), steps).unwrap();
        let voxels = Voxels::I16((0..24).collect());
        Volume { grid, voxels, unit: Unit::Hu, slices: Vec::new(), native: None }
    }

    #[test]
    fn a_sagittal_series_is_handed_over_in_the_patient_s_order() {
        let volume = volume();
        let image = ChannelImage::of_volume(&volume);
        assert_eq!((image.size, image.spacing_mm), ([3, 2, 4], [3.0, 2.0, 4.0]));
        for (at, value) in image.values.iter().enumerate() {
            let [i, j, k] = image.grid_voxel([at / 8, at / 4 % 2, at % 4]);
            assert_eq!(*value, f32::from(u8::try_from((k * 3 + j) * 2 + i).unwrap()));
        }
        // The first voxel is the one furthest to the right, front and feet.
        assert_eq!(image.grid_voxel([0, 0, 0]), [0, 2, 3]);
        // Right, front, head: x and y the other way.
        let turned = image.turned(&volume.grid, "RAS".parse().unwrap());
        assert_eq!(turned.grid_voxel([0, 0, 0]), [1, 2, 0]);
        for (at, value) in turned.values.iter().enumerate() {
            let [i, j, k] = turned.grid_voxel([at / 8, at / 4 % 2, at % 4]);
            assert_eq!(*value, f32::from(u8::try_from((k * 3 + j) * 2 + i).unwrap()));
        }
    }

    #[test]
    fn any_order_of_axes_is_handed_over() {
        let volume = volume();
        let image = ChannelImage::of_volume(&volume);
        let turned = |code: &str| image.turned(&volume.grid, code.parse().unwrap());
        assert_eq!(turned("LPS"), image);
        // From the back to the front, as NIfTI of dcm2niix has it: the rows of each slice in reverse.
        let las = turned("LAS");
        assert_eq!((las.size, las.spacing_mm), (image.size, image.spacing_mm));
        for z in 0..3 {
            assert_eq!(las.values[8 * z..][..4], image.values[8 * z + 4..][..4]);
            assert_eq!(las.values[8 * z + 4..][..4], image.values[8 * z..][..4]);
        }
        // Back, feet and right, as it is stored: i, j, k of the grid.
        let stored = turned("PIR");
        assert_eq!((stored.size, stored.spacing_mm), ([4, 3, 2], [4.0, 3.0, 2.0]));
        let numbers: Vec<f32> = (0..24_u8).map(f32::from).collect();
        assert_eq!(*stored.values, numbers);
        assert_eq!(stored.grid_voxel([3, 2, 1]), [1, 2, 3]);
    }

    /// `NibabelIOWithReorient` and `SimpleITKIOWithReorient` on a file of neither sform nor qform: nibabel
    /// flips the first axis alone, ITK the second too.
    #[test]
    fn a_file_without_orientation_is_turned_as_its_reader_takes_it() {
        let steps = [-Vector3::x(), -Vector3::y(), Vector3::z()];
        let grid = Grid::new([2, 3, 2], Point3::origin(), steps).unwrap();
        let values: Vec<f32> = (0..12_u8).map(f32::from).collect();
        let image = ChannelImage::stored([2, 3, 2], [1.0; 3], false, values.clone());
        let ras = "RAS".parse().unwrap();
        assert_eq!(*image.turned(&grid, ras).values, values);
        let turned = image.clone().without_orientation().turned(&grid, ras);
        assert_eq!(*turned.values, [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10].map(|n: u8| f32::from(n)));
        assert_eq!(turned.grid_voxel([0, 0, 0]), [1, 0, 0]);
        let by_itk = Orientation::TurnedByItk(AxisCode::RAS);
        assert_eq!(*image.turned(&grid, by_itk).values, values);
        let turned = image.without_orientation().turned(&grid, by_itk);
        assert_eq!(*turned.values, [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6].map(|n: u8| f32::from(n)));
        assert_eq!(turned.grid_voxel([0, 0, 0]), [1, 2, 0]);
    }

    #[test]
    fn another_volume_is_sampled_at_the_same_places() {
        let volume = volume();
        let image = ChannelImage::of_volume(&volume);
        assert_eq!(image.sampled(&volume.grid, &volume), image);
        let moved =
            Grid::new([2, 3, 4], Point3::new(1.0, 2.5, 3.0), [0, 1, 2].map(|a| volume.grid.step_mm(a)));
        let other = Volume { grid: moved.unwrap(), ..volume.clone() };
        let sampled = image.sampled(&volume.grid, &other);
        // A quarter of a voxel further along i: the first voxel of a pair is beyond the other volume's
        // first, the second between.
        assert_eq!(sampled.values[0], image.values[0]);
        assert_eq!(sampled.values[4], image.values[4] - 0.25);
    }
}
