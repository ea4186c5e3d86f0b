//! Between contour planes and space: the slabs that planes stand for, and masks as contour planes.

use super::{Mask, Roi, RoiPlane, Volume};
use crate::geometry::rasterise::Frame;
use crate::geometry::section::Slab;
use crate::geometry::{Plane, trace};
use rayon::prelude::*;
use std::sync::Arc;

impl Roi {
    /// The planes with the slabs they stand for, in stacks of parallel planes that face the same
    /// way, each sorted along its normal; empty for an ROI without planes. The one rule for what lies
    /// between planes: in sections, surfaces, pictures, margins and on other slices.
    ///
    /// Planes on image slices go by the volume rule: half way to the image slices below and above;
    /// at the series' ends the one neighbour's half counts on both sides. Where a plane or its
    /// neighbour in the ROI lies on no slice, they go by their own spacing: half way to one another,
    /// but no further than half of the usual (median) distance where a plane is left out. So slabs
    /// never overlap, and leave a gap only where contours are left out.
    #[must_use]
    pub fn slab_stacks(&self, volume: Option<&Volume>) -> Vec<Vec<Slab<'_>>> {
        let mut stacks: Vec<Vec<&RoiPlane>> = Vec::new();
        for own in &self.planes {
            let is_parallel =
                |stack: &&mut Vec<&RoiPlane>| stack[0].plane.normal().dot(&own.plane.normal()) > 1.0 - 1.5e-6;
            match stacks.iter_mut().find(is_parallel) {
                Some(stack) => stack.push(own),
                None => stacks.push(vec![own]),
            }
        }
        stacks.into_iter().map(|stack| slabs_of(stack, volume)).collect()
    }

    /// The stack of [`Self::slab_stacks`] that the first plane is in; planes that are not parallel to
    /// it, or face the other way, are left out.
    #[must_use]
    pub fn slabs(&self, volume: Option<&Volume>) -> Vec<Slab<'_>> {
        self.slab_stacks(volume).into_iter().next().unwrap_or_default()
    }
}

/// The slabs of parallel planes.
fn slabs_of<'a>(mut stack: Vec<&'a RoiPlane>, volume: Option<&Volume>) -> Vec<Slab<'a>> {
    stack.sort_by(|a, b| a.plane.offset_mm().total_cmp(&b.plane.offset_mm()));
    let offset = |n: usize| stack[n].plane.offset_mm();
    let mut gaps: Vec<f64> = (1..stack.len()).map(|n| offset(n) - offset(n - 1)).collect();
    gaps.retain(|gap| *gap > 0.01);
    gaps.sort_by(f64::total_cmp);
    let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(3.0);
    // How far the image lets each plane reach along the plane's own normal; none off its slices.
    let reaches: Vec<Option<(f64, f64)>> =
        stack.iter().map(|own| volume.and_then(|volume| image_reach(&own.plane, volume))).collect();
    // Half way to the plane across a gap; `here` and `there` are what the image says of the two.
    let side = |gap: Option<f64>, here: Option<f64>, there: bool, other_there: bool| match (gap, here) {
        (Some(_), Some(reach)) if there => reach,
        (None, Some(reach)) if other_there => reach,
        (Some(gap), _) if gap <= 1.5 * usual => gap / 2.0,
        _ => usual / 2.0,
    };
    (0..stack.len())
        .map(|n| {
            let (first, last) = (n == 0, n + 1 == stack.len());
            let (on_below, on_above) = (first || reaches[n - 1].is_some(), last || reaches[n + 1].is_some());
            let gap_below = (!first).then(|| offset(n) - offset(n - 1));
            let gap_above = (!last).then(|| offset(n + 1) - offset(n));
            Slab {
                plane: stack[n].plane,
                below_mm: side(gap_below, reaches[n].map(|reach| reach.0), on_below, on_above),
                above_mm: side(gap_above, reaches[n].map(|reach| reach.1), on_above, on_below),
                polygons: &stack[n].polygons,
            }
        })
        .collect()
}

/// How far the slab of the image slice that a plane lies on reaches below and above it along the
/// plane's own normal, mm; `None` for a plane on no slice.
fn image_reach(plane: &Plane, volume: &Volume) -> Option<(f64, f64)> {
    let index = volume.slice_of(plane)?;
    let (below, above) = volume.slab_of(index);
    let same_way = volume.slices[index].plane.normal().dot(&plane.normal()) > 0.0;
    Some(if same_way { (below, above) } else { (above, below) })
}

impl Volume {
    /// How far the slab of slice `index` reaches below and above it, mm; together
    /// [`Volume::slice_thickness_mm`].
    ///
    /// # Panics
    /// When `index` is not a slice.
    #[must_use]
    pub fn slab_of(&self, index: usize) -> (f64, f64) {
        let offset = |i: usize| self.slices[i].plane.offset_mm();
        let below = index.checked_sub(1).map(|i| (offset(index) - offset(i)) / 2.0);
        let above = (index + 1 < self.slices.len()).then(|| (offset(index + 1) - offset(index)) / 2.0);
        match (below, above) {
            (Some(below), Some(above)) => (below, above),
            (Some(one), None) | (None, Some(one)) => (one, one),
            (None, None) => (0.5, 0.5),
        }
    }
}

impl Mask {
    /// Smooth contours of the mask on the volume's real slices, sorted along the normal, by
    /// [`trace::mask_slice`]: put back into a mask they give the same voxels. Slices without voxels
    /// and missing slices have no plane. With uneven slices each slice takes the plane of the
    /// resampled grid nearest to it.
    #[must_use]
    pub fn planes(&self, volume: &Volume) -> Vec<Arc<RoiPlane>> {
        self.planes_by(volume, |_, nearest| nearest)
    }

    /// As [`Self::planes`]; where the resampled grid's planes below and above an uneven slice do not
    /// agree, `belongs` says whether the slice's own voxel does, from its stored value (`None` outside
    /// the scan) and what the nearer plane says.
    #[must_use]
    pub fn planes_by(
        &self,
        volume: &Volume,
        belongs: impl Fn(Option<f32>, bool) -> bool + Sync,
    ) -> Vec<Arc<RoiPlane>> {
        (0..volume.slices.len())
            .into_par_iter()
            .filter_map(|index| {
                let slice = &volume.slices[index];
                if slice.missing {
                    return None;
                }
                let (k, inside) = self.on_slice(volume, index, &belongs)?;
                let traced = trace::mask_slice(&inside, self.size[0], self.size[1]);
                let frame = Frame::of_slice(&volume.grid, k, &slice.plane)?;
                let polygons = frame.map(&traced, [self.low[0], self.low[1]]);
                let plane = RoiPlane::new(slice.plane, slice.instance.clone(), polygons);
                (!plane.polygons.is_empty()).then(|| Arc::new(plane))
            })
            .collect()
    }

    /// The mask's box on a real slice, and the grid plane nearest to it; `None` without voxels.
    fn on_slice(
        &self,
        volume: &Volume,
        index: usize,
        belongs: impl Fn(Option<f32>, bool) -> bool,
    ) -> Option<(usize, Vec<bool>)> {
        let Some(native) = &volume.native else {
            return Some((index, self.slice(index).filter(|inside| inside.contains(&true))?.to_vec()));
        };
        let [columns, rows, planes] = volume.grid.dims();
        let at = volume.grid.voxel_of(volume.slices[index].origin_mm)[2];
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped at 0")]
        let plane = |at: f64| (at.max(0.0) as usize).min(planes.saturating_sub(1));
        let nearest = plane(at.round());
        // On a plane of the grid there is no other.
        let (below, above) = if (at - at.round()).abs() < 1e-3 {
            (nearest, nearest)
        } else {
            (plane(at.floor()), plane(at.ceil()))
        };
        let len = self.size[0] * self.size[1];
        let empty = || vec![false; len];
        let of = |k: usize| self.slice(k).map_or_else(empty, <[bool]>::to_vec);
        let (below, above, mut inside) = (of(below), of(above), of(nearest));
        for (n, inside) in inside.iter_mut().enumerate().filter(|(n, _)| below[*n] != above[*n]) {
            let (i, j) = (self.low[0] + n % self.size[0], self.low[1] + n / self.size[0]);
            let value = native.value(i + columns * (j + rows * index));
            *inside = belongs(value, *inside);
        }
        inside.contains(&true).then_some((nearest, inside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Grid, Plane, Point3, Polygon, Vector3, section};
    use crate::patient::{RoiId, Slice, Unit, Voxels};
    use proptest::prelude::*;

    fn volume(offsets: &[f64]) -> Volume {
        let steps =
            [Vector3::new(0.97, 0.0, 0.05), Vector3::new(0.0, 1.21, 0.0), Vector3::new(-0.1, 0.0, 2.0)];
        let grid = Grid::new([12, 11, offsets.len()], Point3::new(-100.05, 33.3, 7.0), steps).unwrap();
        let base = Plane::new(grid.origin_mm(), steps[0], steps[1]).unwrap();
        let slices = offsets
            .iter()
            .zip(0..)
            .map(|(offset, k)| Slice {
                plane: base.at_offset(base.offset_mm() + offset),
                origin_mm: grid.patient_of([0.0, 0.0, f64::from(k)]),
                instance: None,
                missing: false,
            })
            .collect();
        Volume { voxels: Voxels::I16(vec![0; grid.len()]), grid, unit: Unit::Hu, slices, native: None }
    }

    #[test]
    fn where_grid_planes_disagree_an_uneven_slice_tells_itself() {
        // Slices at 0, 3, 6 and 10 mm on a grid of 2 mm: that at 3 mm lies half-way between two planes.
        let mut volume = volume(&[0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        let steps = [Vector3::x(), Vector3::y(), Vector3::z() * 2.0];
        volume.grid = Grid::new([4, 3, 6], Point3::origin(), steps).unwrap();
        let base = Plane::new(Point3::origin(), steps[0], steps[1]).unwrap();
        volume.slices = [0.0, 3.0, 6.0, 10.0]
            .map(|z| Slice {
                plane: base.at_offset(z),
                origin_mm: Point3::new(0.0, 0.0, z),
                instance: None,
                missing: false,
            })
            .to_vec();
        // Tissue in the columns 0 to 2 of the slice at 3 mm.
        let native: Vec<i16> = (0..48).map(|n| if n / 12 != 1 || n % 4 < 3 { 30 } else { -1000 }).collect();
        volume.native = Some(Arc::new(Voxels::I16(native)));
        // Plane 1 (2 mm) holds the columns 0 and 1, plane 2 (4 mm) all of them, and so on upwards.
        let mut mask = Mask::new([0; 3], [4, 3, 6]);
        for (n, inside) in mask.voxels.iter_mut().enumerate() {
            *inside = n / 12 >= 2 || n % 4 < 2;
        }
        let count = |planes: Vec<Arc<RoiPlane>>, z: f64| {
            let mut roi = Roi::new(RoiId(1), 1, "Body", [0; 3]);
            roi.planes = planes.into_iter().filter(|own| (own.plane.offset_mm() - z).abs() < 1e-6).collect();
            let area: f64 = roi.planes.iter().flat_map(|own| &own.polygons).map(Polygon::area_mm2).sum();
            area.round()
        };
        let by_value = || by_value_of(&mask, &volume);
        // Areas of traced voxels, corners rounded: 3, 4 and 2 columns of three.
        let (three, four, two) = (count(by_value(), 3.0), count(by_value(), 6.0), count(by_value(), 0.0));
        assert!(two < three && three < four, "{two} {three} {four}");
        assert!(count(mask.planes_by(&volume, |_, _| false), 3.0) <= two);
        // Outside the scan nothing belongs to a body.
        volume.native = Some(Arc::new(Voxels::I16(vec![crate::patient::OUTSIDE_I16; 48])));
        assert!(count(by_value_of(&mask, &volume), 3.0) <= two);
    }

    fn by_value_of(mask: &Mask, volume: &Volume) -> Vec<Arc<RoiPlane>> {
        mask.planes_by(volume, |value, _| value.is_some_and(|hu| hu > -350.0))
    }

    #[test]
    fn slabs_share_the_space_between_uneven_slices() {
        let volume = volume(&[0.0, 2.0, 5.0, 6.0]);
        let mut mask = Mask::new([2, 2, 0], [6, 6, 4]);
        mask.voxels.fill(true);
        let mut roi = Roi::new(RoiId(1), 1, "Box", [0; 3]);
        roi.planes = mask.planes(&volume);
        let slabs = roi.slabs(Some(&volume));
        let reach: Vec<_> = slabs.iter().map(|slab| (slab.below_mm, slab.above_mm)).collect();
        for (got, wanted) in reach.iter().zip([(1.0, 1.0), (1.0, 1.5), (1.5, 0.5), (0.5, 0.5)]) {
            assert!((got.0 - wanted.0).abs() < 1e-9 && (got.1 - wanted.1).abs() < 1e-9);
        }
        let by_rule: f64 = slabs.iter().map(|slab| slab.below_mm + slab.above_mm).sum();
        let normal = volume.slices[0].plane.normal();
        let view = Plane::new(volume.grid.center_mm(), volume.grid.step_mm(1), normal).unwrap();
        let section = section::cut(&slabs, &view);
        let height = section[0].bounds().map(|(low, high)| high.y - low.y).unwrap();
        assert!((height - by_rule).abs() < 1e-6);
    }

    /// The reach of the slabs of an ROI of squares on axial planes over slices 3 mm apart from -60 mm.
    fn reaches(offsets: &[f64], flipped: bool) -> Vec<(f64, f64, f64)> {
        let slices = (0..41).map(|k| -60.0 + 3.0 * f64::from(k));
        let grid = Grid::new(
            [12, 11, 41],
            Point3::new(0.0, 0.0, -60.0),
            [Vector3::x(), Vector3::y(), Vector3::z() * 3.0],
        )
        .unwrap();
        let slices = slices
            .map(|z| Slice {
                plane: Plane::axial(z),
                origin_mm: Point3::new(0.0, 0.0, z),
                instance: None,
                missing: false,
            })
            .collect();
        let voxels = Voxels::I16(vec![0; grid.len()]);
        let volume = Volume { voxels, grid, unit: Unit::Hu, slices, native: None };
        let mut roi = Roi::new(RoiId(1), 1, "Box", [0; 3]);
        let square = [(2.0, 2.0), (8.0, 2.0), (8.0, 8.0), (2.0, 8.0)];
        roi.planes = offsets
            .iter()
            .map(|z| {
                let plane = if flipped {
                    Plane::new(Point3::new(0.0, 0.0, *z), Vector3::y(), Vector3::x()).unwrap()
                } else {
                    Plane::axial(*z)
                };
                let ring = square.map(|(x, y)| crate::geometry::Point2::new(x, y)).to_vec();
                Arc::new(RoiPlane::new(plane, None, vec![crate::geometry::Polygon::from_outer(ring)]))
            })
            .collect();
        let slabs = roi.slabs(Some(&volume));
        // One piece in a sagittal section exactly where neighbours meet.
        let view = Plane::new(Point3::new(5.0, 0.0, 0.0), Vector3::y(), -Vector3::z()).unwrap();
        let pieces = 1 + slabs.windows(2).filter(|pair| !pair[0].meets(&pair[1])).count();
        assert_eq!(section::cut(&slabs, &view).len(), if slabs.is_empty() { 0 } else { pieces });
        slabs.iter().map(|slab| (slab.plane.offset_mm(), slab.below_mm, slab.above_mm)).collect()
    }

    fn assert_near(got: &[(f64, f64, f64)], wanted: &[(f64, f64, f64)]) {
        assert_eq!(got.len(), wanted.len(), "{got:?}");
        for (got, wanted) in got.iter().zip(wanted) {
            let error = (got.0 - wanted.0).abs() + (got.1 - wanted.1).abs() + (got.2 - wanted.2).abs();
            assert!(error < 1e-9, "{got:?} is not {wanted:?}");
        }
    }

    #[test]
    fn planes_5_mm_apart_over_slices_3_mm_apart_are_one_body() {
        // 0 and 15 mm lie on slices, 5, 10 and 20 mm do not: no gap and no overlap all the same.
        let wanted = [0.0, 5.0, 10.0, 15.0, 20.0].map(|z| (z, 2.5, 2.5));
        assert_near(&reaches(&[0.0, 5.0, 10.0, 15.0, 20.0], false), &wanted);
    }

    #[test]
    fn planes_1_mm_apart_over_slices_3_mm_apart_do_not_overlap() {
        let wanted = [0.0, 1.0, 2.0, 3.0, 4.0].map(|z| (z, 0.5, 0.5));
        assert_near(&reaches(&[0.0, 1.0, 2.0, 3.0, 4.0], false), &wanted);
    }

    #[test]
    fn planes_on_slices_go_by_the_slices_whichever_way_they_face() {
        let wanted = [-60.0, -57.0, -45.0].map(|z| (z, 1.5, 1.5));
        assert_near(&reaches(&[-60.0, -57.0, -45.0], false), &wanted);
        let wanted = [45.0, 57.0, 60.0].map(|offset| (offset, 1.5, 1.5));
        assert_near(&reaches(&[-60.0, -57.0, -45.0], true), &wanted);
        // One plane that strayed off the slices changes its own neighbourhood alone.
        let wanted =
            [(0.0, 1.5, 1.5), (3.0, 1.5, 0.75), (4.5, 0.75, 0.75), (6.0, 0.75, 1.5), (9.0, 1.5, 1.5)];
        assert_near(&reaches(&[0.0, 3.0, 4.5, 6.0, 9.0], false), &wanted);
        assert_near(&reaches(&[], false), &[]);
    }

    #[test]
    fn planes_of_two_directions_are_two_stacks() {
        let mut roi = Roi::new(RoiId(1), 1, "Cross", [0; 3]);
        let ring = [(2.0, 2.0), (8.0, 2.0), (8.0, 8.0)].map(|(x, y)| crate::geometry::Point2::new(x, y));
        let sagittal = Plane::new(Point3::origin(), Vector3::y(), -Vector3::z()).unwrap();
        roi.planes = [Plane::axial(0.0), sagittal, Plane::axial(3.0)]
            .map(|plane| {
                let piece = crate::geometry::Polygon::from_outer(ring.to_vec());
                Arc::new(RoiPlane::new(plane, None, vec![piece]))
            })
            .to_vec();
        let stacks = roi.slab_stacks(None);
        assert_eq!(stacks.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn mask_to_roi_to_mask_on_a_sheared_oblique_grid(
            voxels in prop::collection::vec(prop::bool::weighted(0.6), 12 * 11 * 3),
        ) {
            let volume = volume(&[0.0, 2.0, 4.0]);
            let mask = Mask { low: [0, 0, 0], size: [12, 11, 3], voxels };
            let mut roi = Roi::new(RoiId(1), 1, "Random", [0; 3]);
            roi.planes = mask.planes(&volume);
            prop_assert!(Mask::of_roi(&roi, &volume).same_voxels(&mask));
        }
    }
}
