//! Whole slices of an ROI: keep every n-th, paste contours from elsewhere.

use super::{Sign, paint, reoriented};
use crate::patient::{Roi, RoiPlane, Slice, Volume};
use std::sync::Arc;

/// The emptied planes that leave every `n`-th drawn slice of `roi`, counted within each run of
/// slices without a break; the first and last of a run stay, so that filling between gives back
/// the same extent. Nothing for `n` below 2. Contours on no image slice stay.
#[must_use]
pub fn thinned_slices(roi: &Roi, volume: &Volume, n: usize) -> Vec<RoiPlane> {
    let mut drawn: Vec<(usize, &Arc<RoiPlane>)> =
        roi.planes.iter().filter_map(|own| Some((volume.slice_of(&own.plane)?, own))).collect();
    drawn.sort_by_key(|(slice, _)| *slice);
    if n < 2 {
        return Vec::new();
    }
    drawn
        .chunk_by(|a, b| b.0 == a.0 + 1)
        .flat_map(|run| {
            run.iter()
                .enumerate()
                .filter(|(at, _)| at % n != 0 && at + 1 != run.len())
                .map(|(_, (_, own))| RoiPlane::new(own.plane, own.image.clone(), Vec::new()))
        })
        .collect()
}

/// The contours of `source` put onto the slice `to` beside those there (`existing`, whose plane is
/// kept), moved along the normal; overlaps are joined. `None` when the planes are not parallel.
#[must_use]
pub fn pasted(source: &RoiPlane, to: &Slice, existing: Option<&Arc<RoiPlane>>) -> Option<RoiPlane> {
    let plane = existing.map_or(to.plane, |own| own.plane);
    if source.plane.normal().dot(&plane.normal()).abs() < 1.0 - 1.5e-6 {
        return None;
    }
    let contours = reoriented(&source.polygons, &source.plane, &plane);
    let own = existing.map_or(&[][..], |own| &own.polygons);
    Some(RoiPlane::new(plane, to.instance.clone(), paint(own, &contours, Sign::Add)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Grid, Plane, Point2, Point3, Polygon, Vector3};
    use crate::patient::{RoiId, Unit, Voxels};

    fn volume() -> Volume {
        let grid = Grid::new([4, 4, 12], Point3::origin(), [Vector3::x(), Vector3::y(), Vector3::z() * 3.0]);
        let grid = grid.unwrap();
        let slices = (0..12)
            .map(|k| {
                let origin_mm = grid.patient_of([0.0, 0.0, f64::from(k)]);
                Slice { plane: Plane::axial(origin_mm.z), origin_mm, instance: None, missing: false }
            })
            .collect();
        Volume { voxels: Voxels::I16(vec![0; grid.len()]), grid, unit: Unit::Hu, slices, native: None }
    }

    fn square(x: f64, side: f64) -> Polygon {
        let corners = [(x, 0.0), (x + side, 0.0), (x + side, side), (x, side)];
        Polygon::from_outer(corners.map(|(x, y)| Point2::new(x, y)).to_vec())
    }

    #[test]
    fn every_third_slice_of_each_run_stays_with_its_ends() {
        let volume = volume();
        let mut roi = Roi::new(RoiId(1), 1, "Cord", [0, 0, 0]);
        for slice in [0, 1, 2, 3, 4, 7, 8, 10] {
            let plane = RoiPlane::new(volume.slices[slice].plane, None, vec![square(0.0, 3.0)]);
            roi.planes.push(Arc::new(plane));
        }
        let emptied = |n| -> Vec<f64> {
            thinned_slices(&roi, &volume, n).iter().map(|own| own.plane.offset_mm() / 3.0).collect()
        };
        assert_eq!(emptied(3), [1.0, 2.0]);
        assert_eq!(emptied(2), [1.0, 3.0]);
        assert!(emptied(1).is_empty());
        assert!(thinned_slices(&roi, &volume, 2).iter().all(|own| own.polygons.is_empty()));
    }

    #[test]
    fn a_pasted_contour_joins_what_is_there_and_keeps_to_parallel_planes() {
        let volume = volume();
        let copied = RoiPlane::new(volume.slices[2].plane, None, vec![square(0.0, 3.0)]);
        let own = Arc::new(RoiPlane::new(volume.slices[5].plane, None, vec![square(2.0, 3.0)]));
        let joined = pasted(&copied, &volume.slices[5], Some(&own)).unwrap();
        assert_eq!((joined.plane, joined.polygons.len()), (own.plane, 1));
        assert!((joined.area_mm2() - 15.0).abs() < 1e-9);
        let alone = pasted(&copied, &volume.slices[9], None).unwrap();
        assert_eq!((alone.plane.offset_mm(), alone.polygons), (27.0, copied.polygons.clone()));
        let across = Plane::new(Point3::origin(), Vector3::y(), Vector3::z()).unwrap();
        let sagittal = RoiPlane::new(across, None, vec![square(0.0, 3.0)]);
        assert!(pasted(&sagittal, &volume.slices[9], None).is_none());
    }
}
