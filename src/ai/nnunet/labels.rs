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
/// [`Order::Nearest`] it is the nearest voxel's. Cubic label maps are taken as linear. Where torch
/// resamples, the shares are thousandths in half precision and the smallest of equal ones wins, as in
/// `resample_torch_fornnunet` of nnunetv2 2.8.1.
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
            let around = [pair_z, pair_y, *pair_x];
            *out = if corners.iter().all(|label| *label == corners[0]) {
                corners[0]
            } else if how.by_torch {
                greatest_of_thousandths(&corners, around)
            } else {
                greatest(&corners, around, at(near[0][z], near[1][y], near[2][x]))
            };
        }
    });
    out
}

/// The label with the greatest share of eight corners (z slowest); `nearest` where it is among the
/// greatest, else the smallest of them.
fn greatest(corners: &[i16; 8], around: [Pair; 3], nearest: i16) -> i16 {
    let share = |label: i16| {
        let mut sum = 0.0_f64;
        for (corner, other) in corners.iter().enumerate() {
            // Multiplied and added in scipy's order, so that equal shares are equal to the last bit.
            let weight = around.iter().enumerate().fold(1.0, |weight, (axis, pair)| {
                weight * if corner >> (2 - axis) & 1 == 0 { pair.low_weight } else { pair.high_weight }
            });
            sum += if *other == label { weight } else { 0.0 };
        }
        sum.min(1.0)
    };
    let best = corners.iter().fold((i16::MAX, f64::NEG_INFINITY), |best, label| {
        let share = share(*label);
        if share > best.1 || (share == best.1 && *label < best.0) { (*label, share) } else { best }
    });
    if corners.contains(&nearest) && share(nearest) == best.1 { nearest } else { best.0 }
}

/// The label with the greatest share of eight corners (z slowest) in thousandths of half precision; the
/// smallest of equal ones.
fn greatest_of_thousandths(corners: &[i16; 8], around: [Pair; 3]) -> i16 {
    #[expect(clippy::cast_possible_truncation, reason = "torch computes in single precision")]
    let weights = around.map(|pair| [pair.low_weight as f32, pair.high_weight as f32]);
    let share = |label: i16| {
        let whole = |corner: usize| if corners[corner] == label { 1000.0 } else { 0.0 };
        let along = |axis: usize, low: f32, high: f32| weights[axis][0] * low + weights[axis][1] * high;
        let row = |corner: usize| along(2, whole(corner), whole(corner + 1));
        let plane = |corner: usize| along(1, row(corner), row(corner + 2));
        f16::from_f32(along(0, plane(0), plane(4)))
    };
    let best = corners.iter().fold((i16::MAX, f16::NEG_INFINITY), |best, label| {
        let share = share(*label);
        if share > best.1 || (share == best.1 && *label < best.0) { (*label, share) } else { best }
    });
    best.0
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

    #[test]
    fn torch_gives_a_tie_to_the_smallest_label() {
        let how = Resampling { by_torch: true, ..Resampling::LOGITS };
        let one = |labels: [i16; 2]| resample_labels(&labels, [1, 1, 2], [1, 1, 1], EVEN, how);
        assert_eq!((one([1, 2]), one([2, 1]), one([0, 1])), (vec![1], vec![1], vec![0]));
        // What nnunetv2 2.8.1 makes of random labels: among them shares of a half, a quarter and an eighth,
        // and slices that are copied.
        let read =
            |digits: &str| -> Vec<i16> { digits.bytes().map(|digit| i16::from(digit - b'0')).collect() };
        let labels = read("322323300113301303013111213112222333221310303200100231333212");
        let thick = [[4.0, 1.0, 1.0], [1.0; 3]];
        for (to, mm, done) in [
            ([4, 6, 3], EVEN, "322301301131331331312312311223223321112112112223223323133000200033321322"),
            ([2, 2, 10], EVEN, "3332200022333333001111000011003322221133"),
            ([5, 2, 5], thick, "32001103013200110301111122221310000022121000002212"),
        ] {
            assert_eq!(resample_labels(&labels, [3, 4, 5], to, mm, how), read(done), "{to:?}");
        }
    }
}
