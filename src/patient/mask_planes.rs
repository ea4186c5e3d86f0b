//! Masks become contours on the image's own slices.

use super::{Mask, RoiPlane, Volume};
use crate::geometry::rasterise::Frame;
use crate::geometry::{Polygon, Ring, trace};
use rayon::prelude::*;
use std::sync::Arc;

impl Mask {
    /// Smooth contours whose inside holds exactly these voxel centres, on every slice of `volume`
    /// that has some; with uneven slices each real slice goes by the grid plane nearest to it.
    ///
    /// Missing slices get no contour. An empty mask gives none.
    #[must_use]
    pub fn planes(&self, volume: &Volume) -> Vec<Arc<RoiPlane>> {
        let slices: Vec<usize> = (0..volume.slices.len()).filter(|s| !volume.slices[*s].missing).collect();
        slices.into_par_iter().filter_map(|slice| self.plane_on(volume, slice).map(Arc::new)).collect()
    }

    fn plane_on(&self, volume: &Volume, index: usize) -> Option<RoiPlane> {
        let slice = &volume.slices[index];
        let k = if volume.is_resampled() {
            let along = volume.grid.voxel_of(slice.origin_mm)[2].round();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked here")]
            (along >= 0.0 && along < 1e6).then_some(along as usize)?
        } else {
            index
        };
        let [ni, nj, _] = self.size;
        let layer = k.checked_sub(self.low[2]).filter(|layer| *layer < self.size[2])?;
        let inside = &self.voxels[layer * ni * nj..(layer + 1) * ni * nj];
        if !inside.contains(&true) {
            return None;
        }
        let frame = Frame::of_slice(&volume.grid, k, &slice.plane)?;
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        let (i0, j0) = (self.low[0] as f64, self.low[1] as f64);
        let placed = |ring: Ring| -> Ring {
            ring.into_iter().map(|at| frame.point(at.x + i0, at.y + j0)).collect()
        };
        let polygons = trace::mask_slice(inside, ni, nj)
            .into_iter()
            .map(|polygon| Polygon {
                outer: placed(polygon.outer),
                holes: polygon.holes.into_iter().map(placed).collect(),
            })
            .collect();
        let plane = RoiPlane::new(slice.plane, slice.instance.clone(), polygons);
        (!plane.polygons.is_empty()).then_some(plane)
    }
}
