//! Resampling of label maps: each label's share of a voxel is interpolated, the greatest wins.

use super::axis::{Pair, nearest, pairs};
use super::resample::{Order, Resampling};
use half::f16;
use rayon::prelude::*;

/// Resamples a label map `[z][y][x]` of `size` to `to` voxels, as the cascade does with the map of
/// its first stage. `spacing_mm` (of the map, of the result) only decides on a separate axis, along
/// which the nearest slice is copied. A map of unchanged size is given back as it is.
///
/// The label with the greatest linearly interpolated share wins (of equal ones the nearest voxel's
/// label, else the smallest), as `resize_segmentation` of batchgenerators 0.25.5; with
/// [`Order::Nearest`] it is the nearest voxel's. Cubic label maps are taken as linear. Torch compares
/// thousandths in half precision, of equal ones the smallest label wins.
///
/// # Panics
/// When `labels` does not have `size` voxels, or a size is 0.
#[must_use]
pub fn resample_labels(
    labels: &[i16],
    size: [usize; 3],
    to: [usize; 3],
    spacing_mm: [[f64; 3]; 2],
    how: Resampling,
) -> Vec<i16> {
    assert_eq!(labels.len(), size.iter().product::<usize>(), "one label a voxel");
    assert!(!size.contains(&0) && !to.contains(&0), "no empty axis");
    if size == to {
        return labels.to_vec();
    }
    let separate = how.separate_axis(spacing_mm[0], spacing_mm[1]);
    let near: [Vec<usize>; 3] = std::array::from_fn(|axis| nearest(size[axis], to[axis]));
    let around: [Vec<Pair>; 3] = std::array::from_fn(|axis| {
        if how.order == Order::Nearest || separate == Some(axis) {
            let copy = |voxel: &usize| Pair { low: *voxel, high: *voxel, low_weight: 1.0, high_weight: 0.0 };
            near[axis].iter().map(copy).collect()
        } else {
            pairs(size[axis], to[axis])
        }
    });
    let at = |z: usize, y: usize, x: usize| labels[(z * size[1] + y) * size[2] + x];
    let mut out = vec![0; to.iter().product()];
    out.par_chunks_exact_mut(to[2]).enumerate().for_each(|(row, out)| {
        let (z, y) = (row / to[1], row % to[1]);
        let (pair_z, pair_y) = (around[0][z], around[1][y]);
        for ((x, out), pair_x) in out.iter_mut().enumerate().zip(&around[2]) {
            let corners: [i16; 8] = std::array::from_fn(|corner| {
                let side =
                    |pair: &Pair, bit: usize| if corner >> bit & 1 == 0 { pair.low } else { pair.high };
                at(side(&pair_z, 2), side(&pair_y, 1), side(pair_x, 0))
            });
            *out = if corners.iter().all(|label| *label == corners[0]) {
                corners[0]
            } else {
                let around = [pair_z, pair_y, *pair_x];
                let nearest = (!how.by_torch).then(|| at(near[0][z], near[1][y], near[2][x]));
                greatest(&corners, around, nearest)
            };
        }
    });
    out
}

/// The label with the greatest share of eight corners (z slowest); `nearest` where it is among the
/// greatest, else the smallest of them. Without `nearest` as torch tells shares apart.
fn greatest(corners: &[i16; 8], around: [Pair; 3], nearest: Option<i16>) -> i16 {
    let share = |label: i16| {
        let mut sum = 0.0_f64;
        for (corner, other) in corners.iter().enumerate() {
            // Multiplied and added in scipy's order, so that equal shares are equal to the last bit.
            let weight = around.iter().enumerate().fold(1.0, |weight, (axis, pair)| {
                weight * if corner >> (2 - axis) & 1 == 0 { pair.low_weight } else { pair.high_weight }
            });
            sum += if *other == label { weight } else { 0.0 };
        }
        // Shares that are equal in half precision are equal to torch.
        if nearest.is_none() { f16::from_f64(sum * 1000.0).to_f64() } else { sum.min(1.0) }
    };
    let best = corners.iter().fold((i16::MAX, f64::NEG_INFINITY), |best, label| {
        let share = share(*label);
        if share > best.1 || (share == best.1 && *label < best.0) { (*label, share) } else { best }
    });
    nearest.filter(|nearest| corners.contains(nearest) && share(*nearest) == best.1).unwrap_or(best.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVEN: [[f64; 3]; 2] = [[1.0; 3]; 2];

    fn row(labels: &[i16], to: usize) -> Vec<i16> {
        resample_labels(labels, [1, 1, labels.len()], [1, 1, to], EVEN, Resampling::LOGITS)
    }

    #[test]
    fn no_label_appears_that_is_not_there() {
        assert_eq!(row(&[0, 2], 4), [0, 0, 2, 2]);
        // Half way between -1 and 4, and 4 and 4.
        assert_eq!(row(&[4, -1, 4, 4], 2), [-1, 4]);
    }

    #[test]
    fn a_tie_goes_to_the_nearest_voxel() {
        // The middle of three lies half way: the greater neighbour is the nearest.
        assert_eq!(row(&[1, 0], 3), [1, 0, 0]);
        assert_eq!(row(&[0, 1], 3), [0, 1, 1]);
    }

    #[test]
    fn torch_gives_a_tie_to_the_smallest_label() {
        let torch = Resampling { by_torch: true, ..Resampling::LOGITS };
        let row = |labels: &[i16], to| resample_labels(labels, [1, 1, labels.len()], [1, 1, to], EVEN, torch);
        assert_eq!(row(&[0, 1], 3), [0, 0, 1]);
        assert_eq!(row(&[1, 0], 3), [1, 0, 0]);
        // What resample_torch_fornnunet of nnunetv2 2.8.1 makes of it with torch 2.8.
        let labels = [
            2, 3, 3, 1, 3, 3, 3, -1, 1, 2, 0, 0, 2, 3, 1, -1, 2, 3, 0, 1, 0, 3, -1, 1, 3, 1, -1, 2, 3, 3, 3,
            0, 2, 3, 1, 3, 1, -1, 1, 2,
        ];
        let expected = [
            2, 3, 3, 1, 3, 2, 3, -1, 1, 2, 3, 3, -1, 1, 2, 0, 0, 2, 3, 1, -1, 0, 2, 0, 1, -1, 2, 3, 0, 1, 0,
            3, -1, 1, 3, 0, 3, -1, 1, 3, 3, -1, 2, 3, 2, 3, 0, 2, 3, 1, 3, 0, 2, 3, 1, -1, 1, -1, 0, 1, 0, 3,
            -1, 1, 3, 0, -1, -1, 1, 3, 1, -1, 2, 3, 3, 3, 0, 2, 3, 1, 3, 0, -1, 1, 1, 3, 1, -1, 1, 2,
        ];
        let found = resample_labels(&labels, [2, 4, 5], [3, 6, 5], EVEN, torch);
        assert_eq!(found, expected);
        assert_ne!(resample_labels(&labels, [2, 4, 5], [3, 6, 5], EVEN, Resampling::LOGITS), expected);
    }

    #[test]
    fn among_many_labels_the_greatest_share_wins() {
        // Four labels around (1/4, 1/4): their shares are 9, 3, 3 and 1 sixteenths.
        let labels = [7, 1, 2, 3];
        let out = resample_labels(&labels, [1, 2, 2], [1, 4, 4], EVEN, Resampling::LOGITS);
        assert_eq!(out, [7, 7, 1, 1, 7, 7, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3]);
    }

    #[test]
    fn a_thick_axis_is_copied() {
        let spacing = [[5.0, 1.0, 1.0], [2.5, 1.0, 1.0]];
        let out = resample_labels(&[1, 2], [2, 1, 1], [4, 1, 2], spacing, Resampling::LOGITS);
        assert_eq!(out, [1, 1, 1, 1, 2, 2, 2, 2]);
    }
}
