//! Voxel masks and label maps: caches and exchange formats, never the truth of a structure.

use super::{Roi, RoiPlane, Volume};
use crate::geometry::rasterise::{self, Frame};
use crate::geometry::{Grid, Plane, Point2};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// A set of voxels of a grid, stored for its bounding box only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mask {
    /// The first voxel of the box (i, j, k) in the grid.
    pub low: [usize; 3],
    /// The size of the box.
    pub size: [usize; 3],
    /// `true` where the voxel belongs, for the box, i fastest.
    pub voxels: Vec<bool>,
}

impl Mask {
    /// An all-false mask for the box of `size` voxels at `low`.
    #[must_use]
    pub fn new(low: [usize; 3], size: [usize; 3]) -> Self {
        Self { low, size, voxels: vec![false; size.iter().product()] }
    }

    /// The voxels of `volume.grid` whose centres lie inside the ROI, each slice by the contours of
    /// its own plane (within 0.1 mm); slices without contours stay empty, nothing is bridged. With
    /// uneven slices each plane of the resampled grid goes by the real slice nearest to it.
    /// Contours on no slice, and an ROI without contours, give nothing.
    #[must_use]
    pub fn of_roi(roi: &Roi, volume: &Volume) -> Self {
        let mut on_slice: BTreeMap<usize, Vec<&RoiPlane>> = BTreeMap::new();
        for own in &roi.planes {
            if let Some(index) = volume.slice_of(&own.plane) {
                on_slice.entry(index).or_default().push(own);
            }
        }
        let mut work: Vec<(usize, Frame, &RoiPlane)> = Vec::new();
        for k in 0..volume.grid.dims()[2] {
            let Some(slice) = volume.slice_of_grid_plane(k) else { continue };
            for own in on_slice.get(&slice).into_iter().flatten() {
                if let Some(frame) = Frame::of_slice(&volume.grid, k, &own.plane) {
                    work.push((k, frame, own));
                }
            }
        }
        let boxes: Vec<_> =
            work.par_iter().map(|(k, frame, own)| Some((*k, frame.bounds(&own.polygons)?))).collect();
        let mut low = [usize::MAX; 3];
        let mut high = [0; 3];
        for (k, (first, size)) in boxes.iter().copied().flatten() {
            for (axis, (from, to)) in
                [(first[0], first[0] + size[0]), (first[1], first[1] + size[1]), (k, k + 1)]
                    .into_iter()
                    .enumerate()
            {
                low[axis] = low[axis].min(from);
                high[axis] = high[axis].max(to);
            }
        }
        if low[0] == usize::MAX {
            return Self::default();
        }
        let mut mask = Self::new(low, [0, 1, 2].map(|axis| high[axis] - low[axis]));
        let row = mask.size[0];
        mask.voxels.par_chunks_mut(mask.size[0] * mask.size[1]).enumerate().for_each(|(k, slice)| {
            for (_, frame, own) in work.iter().filter(|(plane, ..)| *plane == low[2] + k) {
                rasterise::spans(&own.polygons, frame, |j, range| {
                    // A box may leave out a row or column that no centre lies in.
                    if j < low[1] || j >= high[1] {
                        return;
                    }
                    let start = range.start.max(low[0]) - low[0];
                    let end = range.end.min(high[0]).saturating_sub(low[0]);
                    let at = (j - low[1]) * row;
                    if start < end {
                        slice[at + start..at + end].fill(true);
                    }
                });
            }
        });
        mask
    }

    /// Whether grid voxel (i, j, k) belongs; false outside the box.
    #[must_use]
    pub fn contains(&self, voxel: [usize; 3]) -> bool {
        self.offset_of(voxel).is_some_and(|offset| self.voxels[offset])
    }

    /// The number of voxels that belong.
    #[must_use]
    pub fn count(&self) -> usize {
        self.voxels.iter().filter(|voxel| **voxel).count()
    }

    /// Whether no voxel belongs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.voxels.contains(&true)
    }

    /// The index into [`Self::voxels`] of a grid voxel; `None` outside the box.
    #[must_use]
    pub fn offset_of(&self, voxel: [usize; 3]) -> Option<usize> {
        let mut at = [0; 3];
        for axis in 0..3 {
            at[axis] = voxel[axis].checked_sub(self.low[axis]).filter(|n| *n < self.size[axis])?;
        }
        Some(at[0] + self.size[0] * (at[1] + self.size[1] * at[2]))
    }

    /// Everything in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.combined(other, |a, b| a | b)
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combined(other, |a, b| a & b)
    }

    /// What is in this and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combined(other, |a, b| a && !b)
    }

    /// What is in exactly one.
    #[must_use]
    pub fn xor(&self, other: &Self) -> Self {
        self.combined(other, |a, b| a ^ b)
    }

    /// Whether both hold the same voxels, whatever their boxes.
    #[must_use]
    pub fn same_voxels(&self, other: &Self) -> bool {
        self.xor(other).is_empty()
    }

    /// The values of both in the common box (least corner, size): this, the other. Both empty
    /// boxes give an empty box.
    #[must_use]
    pub fn in_common_box(&self, other: &Self) -> (Self, Self) {
        let boxes: Vec<&Self> = [self, other].into_iter().filter(|own| !own.voxels.is_empty()).collect();
        let low = [0, 1, 2].map(|axis| boxes.iter().map(|own| own.low[axis]).min().unwrap_or(0));
        let size = [0, 1, 2].map(|axis| {
            boxes.iter().map(|own| own.low[axis] + own.size[axis]).max().unwrap_or(low[axis]) - low[axis]
        });
        (self.in_box(low, size), other.in_box(low, size))
    }

    /// The same voxels stored for another box; what lies outside it is lost.
    #[must_use]
    pub fn in_box(&self, low: [usize; 3], size: [usize; 3]) -> Self {
        let mut out = Self::new(low, size);
        let overlap = [0, 1, 2].map(|axis| {
            let from = low[axis].max(self.low[axis]);
            from..(low[axis] + size[axis]).min(self.low[axis] + self.size[axis]).max(from)
        });
        if overlap.iter().any(std::ops::Range::is_empty) {
            return out;
        }
        for k in overlap[2].clone() {
            for j in overlap[1].clone() {
                let first = [overlap[0].start, j, k];
                if let (Some(from), Some(to)) = (self.offset_of(first), out.offset_of(first)) {
                    let n = overlap[0].len();
                    out.voxels[to..to + n].copy_from_slice(&self.voxels[from..from + n]);
                }
            }
        }
        out
    }

    /// The same voxels in the least box that holds them; an empty box for an empty mask.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        let mut low = [usize::MAX; 3];
        let mut high = [0; 3];
        let [ni, nj, _] = self.size;
        for (row, voxels) in self.voxels.chunks_exact(ni.max(1)).enumerate() {
            let Some(first) = voxels.iter().position(|v| *v) else { continue };
            let last = voxels.iter().rposition(|v| *v).unwrap_or(first);
            for (axis, (from, to)) in
                [(first, last), (row % nj, row % nj), (row / nj, row / nj)].into_iter().enumerate()
            {
                low[axis] = low[axis].min(self.low[axis] + from);
                high[axis] = high[axis].max(self.low[axis] + to + 1);
            }
        }
        if low[0] == usize::MAX {
            return Self::default();
        }
        self.in_box(low, [0, 1, 2].map(|axis| high[axis] - low[axis]))
    }

    /// The values of grid slice `k` in the box, i fastest; `None` outside the box.
    #[must_use]
    pub fn slice(&self, k: usize) -> Option<&[bool]> {
        let n = self.size[0] * self.size[1];
        let at = k.checked_sub(self.low[2]).filter(|at| *at < self.size[2])?;
        Some(&self.voxels[at * n..(at + 1) * n])
    }

    /// The volume, cubic centimetres, by the program's one rule: on even slices the voxels'
    /// area times [`Volume::slice_thickness_mm`]; on a resampled grid its voxels' volume.
    #[must_use]
    pub fn volume_cc(&self, volume: &Volume) -> f64 {
        let area = volume.grid.step_mm(0).cross(&volume.grid.step_mm(1)).norm();
        (self.low[2]..self.low[2] + self.size[2])
            .map(|k| {
                #[expect(clippy::cast_precision_loss, reason = "a voxel count")]
                let count = self.slice(k).map_or(0, |s| s.iter().filter(|v| **v).count()) as f64;
                if volume.is_resampled() || k >= volume.slices.len() {
                    count * volume.grid.voxel_volume_mm3()
                } else {
                    count * area * volume.slice_thickness_mm(k)
                }
            })
            .sum::<f64>()
            / 1000.0
    }

    fn combined(&self, other: &Self, rule: impl Fn(bool, bool) -> bool) -> Self {
        let (mut a, b) = self.in_common_box(other);
        for (a, b) in a.voxels.iter_mut().zip(b.voxels) {
            *a = rule(*a, b);
        }
        a
    }
}

impl Volume {
    /// The index of the slice that a contour plane lies on (within 0.1 mm, either way round).
    #[must_use]
    pub fn slice_of(&self, plane: &Plane) -> Option<usize> {
        let normal = self.slices.first()?.plane.normal();
        let offset = normal.dot(&plane.lift(Point2::origin()).coords);
        self.nearest_slice(offset).filter(|index| self.slices[*index].plane.coincides(plane, 0.1))
    }

    /// The real slice that plane `k` of the grid goes by: itself, or, on a resampled grid, the
    /// nearest, if the plane lies within half its thickness and the slice is not missing.
    #[must_use]
    pub fn slice_of_grid_plane(&self, k: usize) -> Option<usize> {
        if !self.is_resampled() {
            return (k < self.slices.len()).then_some(k);
        }
        let normal = self.slices.first()?.plane.normal();
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        let offset = normal.dot(&self.grid.patient_of([0.0, 0.0, k as f64]).coords);
        let index = self.nearest_slice(offset)?;
        let slice = &self.slices[index];
        let reach = (self.slice_thickness_mm(index) / 2.0).max(self.grid.step_mm(2).norm() / 2.0);
        (!slice.missing && (slice.plane.offset_mm() - offset).abs() <= reach + 1e-3).then_some(index)
    }
}

/// One label a voxel; 0 is background.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelMap {
    /// The grid of the labels.
    pub grid: Grid,
    /// The label of each voxel, i fastest.
    pub labels: Vec<u16>,
    /// The names of the labels, where known.
    pub names: Vec<(u16, String)>,
    /// Whether a machine made them and no person has looked at them.
    pub unreviewed: bool,
}

impl LabelMap {
    /// The voxels of every label that occurs, by label; background left out.
    ///
    /// # Panics
    /// When the number of labels is not that of the grid's voxels.
    #[must_use]
    pub fn masks(&self) -> BTreeMap<u16, Mask> {
        assert_eq!(self.labels.len(), self.grid.len(), "one label a voxel");
        let [ni, nj, _] = self.grid.dims();
        let mut boxes: BTreeMap<u16, ([usize; 3], [usize; 3])> = BTreeMap::new();
        for (row, labels) in self.labels.chunks_exact(ni.max(1)).enumerate() {
            let (j, k) = (row % nj, row / nj);
            let mut i = 0;
            while i < ni {
                let label = labels[i];
                let from = i;
                while i < ni && labels[i] == label {
                    i += 1;
                }
                if label != 0 {
                    let (low, high) = boxes.entry(label).or_insert(([usize::MAX; 3], [0; 3]));
                    for (axis, (a, b)) in [(from, i), (j, j + 1), (k, k + 1)].into_iter().enumerate() {
                        low[axis] = low[axis].min(a);
                        high[axis] = high[axis].max(b);
                    }
                }
            }
        }
        boxes
            .into_par_iter()
            .map(|(label, (low, high))| {
                let mut mask = Mask::new(low, [0, 1, 2].map(|axis| high[axis] - low[axis]));
                let mut rows = mask.voxels.chunks_exact_mut(high[0] - low[0]);
                for k in low[2]..high[2] {
                    for j in low[1]..high[1] {
                        let at = ni * (j + nj * k);
                        if let Some(row) = rows.next() {
                            for (voxel, own) in row.iter_mut().zip(&self.labels[at + low[0]..at + high[0]]) {
                                *voxel = *own == label;
                            }
                        }
                    }
                }
                (label, mask)
            })
            .collect()
    }

    /// The name of a label; `label N` where none is known.
    #[must_use]
    pub fn name_of(&self, label: u16) -> String {
        self.names
            .iter()
            .find(|(own, _)| *own == label)
            .map_or_else(|| format!("label {label}"), |(_, name)| name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Point3, Polygon, Vector3};
    use crate::patient::{RoiId, Slice, Unit, Voxels};
    use nalgebra::{Rotation3, Unit as UnitVector};
    use std::sync::Arc;

    /// 20 x 18 x 6 voxels of 0.9 x 1.3 x 3 mm, turned.
    fn oblique_volume() -> Volume {
        let turn = Rotation3::from_axis_angle(&UnitVector::new_normalize(Vector3::new(1.0, 2.0, 3.0)), 0.7);
        let steps = [turn * Vector3::x() * 0.9, turn * Vector3::y() * 1.3, turn * Vector3::z() * 3.0];
        let grid = Grid::new([20, 18, 6], Point3::new(-10.0, 20.0, 5.5), steps).unwrap();
        let base = Plane::new(grid.origin_mm(), steps[0], steps[1]).unwrap();
        let slices = (0..6)
            .map(|k| {
                let origin_mm = grid.patient_of([0.0, 0.0, f64::from(k)]);
                let plane = base.at_offset(base.offset_mm() + 3.0 * f64::from(k));
                Slice { plane, origin_mm, instance: None, missing: false }
            })
            .collect();
        let voxels = Voxels::I16(vec![0; grid.len()]);
        Volume { grid, voxels, unit: Unit::Hu, slices, native: None }
    }

    fn boxed_roi(volume: &Volume, slices: &[usize], low: [f64; 2], high: [f64; 2]) -> Roi {
        let mut roi = Roi::new(RoiId(1), 1, "Box", [255, 0, 0]);
        for k in slices {
            let plane = volume.slices[*k].plane;
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let at = |i: f64, j: f64| plane.project(volume.grid.patient_of([i, j, *k as f64]));
            let outer =
                vec![at(low[0], low[1]), at(high[0], low[1]), at(high[0], high[1]), at(low[0], high[1])];
            roi.planes.push(Arc::new(RoiPlane::new(plane, None, vec![Polygon::from_outer(outer)])));
        }
        roi
    }

    #[test]
    fn a_box_on_an_oblique_grid_has_its_voxels_and_its_volume() {
        let volume = oblique_volume();
        let roi = boxed_roi(&volume, &[1, 2, 4], [3.5, 2.5], [8.5, 10.5]);
        let mask = Mask::of_roi(&roi, &volume);
        assert_eq!(mask.count(), 5 * 8 * 3);
        assert!(mask.contains([4, 3, 1]) && mask.contains([8, 10, 4]) && !mask.contains([4, 3, 3]));
        let wanted = 120.0 * 0.9 * 1.3 * 3.0 / 1000.0;
        assert!((mask.volume_cc(&volume) - wanted).abs() < 1e-9);
        assert!((roi.volume_cc(&volume) - wanted).abs() < 1e-5);
    }

    #[test]
    fn contours_beyond_the_image_are_cut_at_its_border() {
        let volume = oblique_volume();
        let roi = boxed_roi(&volume, &[0, 5], [-7.5, -4.5], [2.5, 40.5]);
        assert_eq!(Mask::of_roi(&roi, &volume).count(), 3 * 18 * 2);
        assert!(Mask::of_roi(&boxed_roi(&volume, &[], [0.0; 2], [1.0; 2]), &volume).is_empty());
    }

    #[test]
    fn a_plane_seen_from_behind_is_the_same_slice() {
        let volume = oblique_volume();
        let mut roi = boxed_roi(&volume, &[2], [3.5, 2.5], [8.5, 10.5]);
        let own = &roi.planes[0];
        let lifted: Vec<Point3> = own.polygons[0].outer.iter().map(|p| own.plane.lift(*p)).collect();
        let behind = Plane::new(lifted[0], own.plane.v(), own.plane.u()).unwrap();
        let outer = lifted.iter().map(|p| behind.project(*p)).collect();
        roi.planes = vec![Arc::new(RoiPlane::new(behind, None, vec![Polygon::from_outer(outer).oriented()]))];
        assert_eq!(Mask::of_roi(&roi, &volume).count(), 40);
    }

    #[test]
    fn set_operations_go_beyond_each_box() {
        let volume = oblique_volume();
        let a = Mask::of_roi(&boxed_roi(&volume, &[1], [1.5, 1.5], [5.5, 5.5]), &volume);
        let b = Mask::of_roi(&boxed_roi(&volume, &[1, 2], [3.5, 3.5], [9.5, 9.5]), &volume);
        assert_eq!(a.union(&b).count(), 16 + 72 - 4);
        assert_eq!(a.intersection(&b).trimmed().size, [2, 2, 1]);
        assert_eq!(a.difference(&b).count(), 12);
        assert_eq!(b.xor(&a).count(), 80);
        assert!(a.union(&Mask::default()).same_voxels(&a) && Mask::default().trimmed().is_empty());
    }

    #[test]
    fn a_label_map_falls_into_masks() {
        let grid = oblique_volume().grid;
        let mut labels = vec![0; grid.len()];
        for (voxel, label) in [([3, 4, 5], 7), ([19, 17, 5], 7), ([0, 0, 0], 2)] {
            labels[grid.index_of(voxel).unwrap()] = label;
        }
        let map = LabelMap { grid, labels, names: vec![(7, "Brain".to_owned())], unreviewed: false };
        let masks = map.masks();
        assert_eq!(masks.len(), 2);
        assert_eq!((masks[&7].count(), masks[&7].low), (2, [3, 4, 5]));
        assert!(masks[&2].contains([0, 0, 0]));
        assert_eq!((map.name_of(7), map.name_of(2)), ("Brain".to_owned(), "label 2".to_owned()));
    }
}
