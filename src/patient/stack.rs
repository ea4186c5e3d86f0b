//! Between contour planes and space: the slabs that planes stand for, and masks as contour planes.

use super::{Mask, Roi, RoiPlane, Volume};
use crate::geometry::rasterise::Frame;
use crate::geometry::section::Slab;
use crate::geometry::trace;
use rayon::prelude::*;
use std::sync::Arc;

impl Roi {
    /// The planes with the slabs they stand for, sorted along the normal: by the one volume rule
    /// (half way to the image slices below and above; at the series' ends the one neighbour's half
    /// counts on both sides). Planes on no slice go by their own spacing: half way to the next plane
    /// of the ROI, but no further than half of the usual (median) distance where one is left out.
    ///
    /// Planes that are not parallel to the first, or face the other way, are left out.
    #[must_use]
    pub fn slabs(&self, volume: Option<&Volume>) -> Vec<Slab<'_>> {
        let Some(first) = self.planes.first() else { return Vec::new() };
        let normal = first.plane.normal();
        let own: Vec<&Arc<RoiPlane>> =
            self.planes.iter().filter(|own| own.plane.normal().dot(&normal) > 1.0 - 1.5e-6).collect();
        let offset = |n: usize| own[n].plane.offset_mm();
        let mut gaps: Vec<f64> = (1..own.len()).map(|n| offset(n) - offset(n - 1)).collect();
        gaps.retain(|gap| *gap > 0.01);
        gaps.sort_by(f64::total_cmp);
        let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(3.0);
        let mut slabs: Vec<Slab<'_>> = own
            .iter()
            .enumerate()
            .map(|(n, plane)| {
                let on_slice = volume.and_then(|volume| Some((volume, volume.slice_of(&plane.plane)?)));
                let (below_mm, above_mm) = if let Some((volume, index)) = on_slice {
                    volume.slab_of(index)
                } else {
                    let half = |gap: f64| if gap <= 1.5 * usual { gap / 2.0 } else { usual / 2.0 };
                    let below = if n > 0 { half(offset(n) - offset(n - 1)) } else { usual / 2.0 };
                    let above = if n + 1 < own.len() { half(offset(n + 1) - offset(n)) } else { usual / 2.0 };
                    (below, above)
                };
                Slab { plane: plane.plane, below_mm, above_mm, polygons: &plane.polygons }
            })
            .collect();
        slabs.sort_by(|a, b| a.plane.offset_mm().total_cmp(&b.plane.offset_mm()));
        slabs
    }
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
