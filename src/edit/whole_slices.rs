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
