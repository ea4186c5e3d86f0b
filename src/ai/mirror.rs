//! Mirror images of a tile, averaged on the CPU.

use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;

/// What gives a tile's logits `[z][y][x][class]`.
pub(super) type Forward<'a, E> = &'a mut dyn FnMut(&[f32]) -> Result<Vec<f32>, E>;

/// The logits `[z][y][x][class]` of a tile `[channel][z][y][x]` of `size` (z, y, x), averaged over its
/// mirror images turned back. `flips` says which axes each image is turned along; the first turns none.
///
/// # Errors
/// Those of `forward`, or cancelled.
pub(super) fn averaged<E: From<Cancelled>>(
    tile: &[f32],
    size: [usize; 3],
    classes: usize,
    flips: &[[bool; 3]],
    forward: Forward<'_, E>,
    progress: &Progress,
) -> Result<Vec<f32>, E> {
    let mut total = forward(tile)?;
    let voxels = size.iter().product::<usize>();
    for flip in flips.iter().skip(1) {
        progress.check()?;
        let mut turned = vec![0.0; tile.len()];
        for (to, from) in turned.chunks_exact_mut(voxels).zip(tile.chunks_exact(voxels)) {
            add_flipped(to, from, size, 1, *flip);
        }
        add_flipped(&mut total, &forward(&turned)?, size, classes, *flip);
    }
    if flips.len() > 1 {
        let share = flips.len() as f32;
        total.par_iter_mut().for_each(|logit| *logit /= share);
    }
    Ok(total)
}

/// Adds `from` `[z][y][x][values]`, turned along the axes of `flip`, to `to`.
fn add_flipped(to: &mut [f32], from: &[f32], [nz, ny, nx]: [usize; 3], values: usize, flip: [bool; 3]) {
    let turn = |at: usize, n: usize, flip: bool| if flip { n - 1 - at } else { at };
    to.par_chunks_exact_mut(nx * values).enumerate().for_each(|(row, to)| {
        let (z, y) = (turn(row / ny, nz, flip[0]), turn(row % ny, ny, flip[1]));
        let from = &from[(z * ny + y) * nx * values..][..nx * values];
        for (x, to) in to.chunks_exact_mut(values).enumerate() {
            let from = &from[turn(x, nx, flip[2]) * values..][..values];
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_twice_is_the_identity() {
        let values: Vec<f32> = (0..2 * 3 * 4 * 2).map(|n: u8| f32::from(n)).collect();
        let turned = |values: &[f32]| {
            let mut out = vec![0.0; values.len()];
            add_flipped(&mut out, values, [2, 3, 4], 2, [true, false, true]);
            out
        };
        let once = turned(&values);
        assert_ne!(once, values);
        assert_eq!(turned(&once), values);
    }
}
