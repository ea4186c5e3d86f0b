//! Mirror images of a tile, averaged on the CPU.

use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;

/// The mirror images of a tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mirrors {
    /// Which axes (z, y, x) to turn, once for each image; the first turns none.
    pub flips: Vec<[bool; 3]>,
    /// Pairs of classes that change places where x is turned: an organ of the left looks like that of
    /// the right there.
    pub swaps: Vec<[usize; 2]>,
}

impl Mirrors {
    /// The tile as it is, alone.
    pub(super) fn none() -> Self {
        Self { flips: vec![[false; 3]], swaps: Vec::new() }
    }

    /// The pairs of classes that change places in an image turned along `flip`.
    pub(super) fn swapped(&self, flip: [bool; 3]) -> &[[usize; 2]] {
        if flip[2] { &self.swaps } else { &[] }
    }
}

/// What gives a tile's logits `[z][y][x][class]`.
pub(super) type Forward<'a, E> = &'a mut dyn FnMut(&[f32]) -> Result<Vec<f32>, E>;

/// The logits `[z][y][x][class]` of a tile `[channel][z][y][x]` of `size` (z, y, x), averaged over its
/// mirror images turned back, their classes swapped back.
///
/// # Errors
/// Those of `forward`, or cancelled.
pub(super) fn averaged<E: From<Cancelled>>(
    tile: &[f32],
    size: [usize; 3],
    classes: usize,
    mirrors: &Mirrors,
    forward: Forward<'_, E>,
    progress: &Progress,
) -> Result<Vec<f32>, E> {
    let mut total = forward(tile)?;
    let voxels = size.iter().product::<usize>();
    for flip in mirrors.flips.iter().skip(1) {
        progress.check()?;
        let mut turned = vec![0.0; tile.len()];
        for (to, from) in turned.chunks_exact_mut(voxels).zip(tile.chunks_exact(voxels)) {
            add_flipped(to, from, size, 1, *flip);
        }
        let mut logits = forward(&turned)?;
        swap_classes(&mut logits, classes, mirrors.swapped(*flip));
        add_flipped(&mut total, &logits, size, classes, *flip);
    }
    if mirrors.flips.len() > 1 {
        let share = mirrors.flips.len() as f32;
        total.par_iter_mut().for_each(|logit| *logit /= share);
    }
    Ok(total)
}

/// Exchanges the values of pairs of classes at every voxel.
fn swap_classes(values: &mut [f32], classes: usize, swaps: &[[usize; 2]]) {
    if swaps.is_empty() {
        return;
    }
    values.par_chunks_exact_mut(classes).for_each(|voxel| {
        for [a, b] in swaps {
            voxel.swap(*a, *b);
        }
    });
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

    #[test]
    fn swapped_classes_change_places_at_every_voxel() {
        let mut values: Vec<f32> = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0].to_vec();
        swap_classes(&mut values, 5, &[[1, 4], [2, 3]]);
        assert_eq!(values, [0.0, 4.0, 3.0, 2.0, 1.0, 5.0, 9.0, 8.0, 7.0, 6.0]);
    }

    #[test]
    fn classes_of_left_and_right_are_swapped_back_where_x_is_mirrored() {
        // Two voxels of 1 and 2, whose second class gets the value and third ten times it.
        let mean = |size: [usize; 3], flip: [bool; 3]| {
            let mirrors = Mirrors { flips: vec![[false; 3], flip], swaps: vec![[1, 2]] };
            let mut forward = |tile: &[f32]| {
                Ok::<_, Cancelled>(tile.iter().flat_map(|value| [0.0, *value, 10.0 * value]).collect())
            };
            averaged(&[1.0, 2.0], size, 3, &mirrors, &mut forward, &Progress::new()).unwrap()
        };
        assert_eq!(mean([1, 1, 2], [false, false, true]), [0.0, 5.5, 5.5, 0.0, 11.0, 11.0]);
        assert_eq!(mean([1, 2, 1], [false, true, false]), [0.0, 1.0, 10.0, 0.0, 2.0, 20.0]);
    }
}
