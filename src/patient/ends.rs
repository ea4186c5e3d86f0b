//! Which structures the end of the images cuts.

use super::roi::Roi;
use super::volume::{Slice, Volume};

/// Contours so near to the first or last slice are cut by it, mm, or those on the next slice: a
/// network is less sure at the end of what it sees, by about a voxel of its grid.
const END_MM: f64 = 2.5;

impl Roi {
    /// Whether its contours reach the end of the images: they lie on the first or last slice or hardly away
    /// from it ([`END_MM`]), or go to the edge of one. `false` where there is no contour.
    #[must_use]
    pub fn is_cut_by(&self, volume: &Volume) -> bool {
        let [ni, nj, _] = volume.grid.dims();
        let real = || volume.slices.iter().filter(|slice| !slice.missing);
        let end = |own: Option<&Slice>, next: Option<&Slice>| {
            let own = own?.plane;
            let gap_mm = next.map_or(0.0, |next| (next.plane.offset_mm() - own.offset_mm()).abs());
            Some((own, gap_mm.max(END_MM) + 0.1))
        };
        let ends = [end(real().next(), real().nth(1)), end(real().next_back(), real().rev().nth(1))];
        let beyond = |at: f64, count: usize| {
            #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
            let last = count as f64 - 1.0;
            at < 0.0 || at > last
        };
        self.planes.iter().any(|own| {
            ends.iter().flatten().any(|(end, near_mm)| end.coincides(&own.plane, *near_mm))
                || own.polygons.iter().flat_map(|polygon| &polygon.outer).any(|vertex| {
                    let at = volume.grid.voxel_of(own.plane.lift(*vertex));
                    beyond(at[0], ni) || beyond(at[1], nj)
                })
        })
    }
}
