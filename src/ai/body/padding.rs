//! What scanners and converters write outside the circle of reconstruction where it is not marked as
//! the outside: often 0, which is water.
//!
//! It is told from tissue by being exactly one value in all corners of all slices, and by lying beyond
//! air: noise leaves no two corners alike, and a body that fills them has no air around it.

use super::{Image, SKIN_HU};
use crate::geometry::bits::Bits;
use rayon::prelude::*;

/// For each voxel, in memory order, whether it is padding; `None` where none is as dense as a body.
pub(super) fn find(image: &Image<'_>) -> Option<Vec<bool>> {
    let [nx, ny, nz] = image.oriented.size;
    let hu = |x: usize, y: usize, z: usize| image.hu(image.oriented.index([x, y, z]));
    let corners = [[0, 0], [nx - 1, 0], [0, ny - 1], [nx - 1, ny - 1]];
    let value = hu(0, 0, 0);
    #[expect(clippy::float_cmp, reason = "padding is one and the same stored value")]
    let is_padding = |x: usize, y: usize, z: usize| hu(x, y, z) == value;
    if value <= SKIN_HU || !(0..nz).all(|z| corners.iter().all(|[x, y]| is_padding(*x, *y, z))) {
        return None;
    }
    let planes: Vec<(Bits, [usize; 2])> = (0..nz)
        .into_par_iter()
        .map(|z| {
            let mut alike = Bits::new([nx, ny, 1]);
            for at in 0..nx * ny {
                alike.values[at] = is_padding(at % nx, at / nx, z);
            }
            let mut seeds = Bits::new([nx, ny, 1]);
            corners.iter().for_each(|[x, y]| seeds.values[y * nx + x] = true);
            let padding = alike.connected_to(&seeds);
            // Pixels beside it, and those of them that are air.
            let mut beside = [0, 0];
            for at in (0..nx * ny).filter(|at| !padding.values[*at]) {
                let (x, y) = (at % nx, at / nx);
                let around =
                    [(x > 0).then(|| at - 1), (y > 0).then(|| at - nx), (x + 1 < nx).then_some(at + 1)];
                let around = around.into_iter().chain([(y + 1 < ny).then_some(at + nx)]).flatten();
                if around.into_iter().any(|at| padding.values[at]) {
                    beside[0] += 1;
                    beside[1] += usize::from(hu(x, y, z) < SKIN_HU);
                }
            }
            (padding, beside)
        })
        .collect();
    let [beside, air] = [0, 1].map(|n| planes.iter().map(|(_, counts)| counts[n]).sum::<usize>());
    (2 * air > beside).then(|| image.in_memory_order(planes.iter().map(|(plane, _)| plane.values.as_slice())))
}
