//! Resampling of label maps: each label's share of a voxel is interpolated, the greatest wins.

use super::axis::{Axis, Pair, nearest, pairs};
use super::passes::lines;
use super::resample::{Order, Resampling, pick, transpose, whole};
use crate::progress::{Cancelled, Progress};
use half::f16;
use rayon::prelude::*;

/// Resamples a label map `[z][y][x]` of `size` to `to` voxels, as the cascade does with the map of
/// its first stage. `spacing_mm` (of the map, of the result) only decides on a separate axis. A map of
/// unchanged size is given back as it is.
///
/// The label with the greatest interpolated share wins (of equal ones the nearest voxel's label, else the
/// smallest), as `resize_segmentation` of batchgenerators 0.25.5; with [`Order::Nearest`] it is the nearest
/// voxel's. Along a separate axis the nearest slice is copied; with another `order_z` a label comes where
/// its share is above a half, the greatest of several, and 0 where none is. Where torch resamples, the
/// shares are thousandths in half precision and the smallest of equal ones wins, as in
/// `resample_torch_fornnunet` of nnunetv2 2.8.1.
///
/// # Errors
/// [`Cancelled`] when someone asked to stop.
///
/// # Panics
/// When `labels` does not have `size` voxels, or a size is 0.
pub fn resample_labels(
    labels: &[i16],
    size: [usize; 3],
    to: [usize; 3],
    spacing_mm: [[f64; 3]; 2],
    how: Resampling,
    progress: &Progress,
) -> Result<Vec<i16>, Cancelled> {
    assert_eq!(labels.len(), size.iter().product::<usize>(), "one label a voxel");
    assert!(!size.contains(&0) && !to.contains(&0), "no empty axis");
    if size == to {
        return Ok(labels.to_vec());
    }
    let separate = how.separate_axis(spacing_mm[0], spacing_mm[1]);
    match separate.filter(|_| !how.by_torch) {
        Some(axis) if how.order.is_spline() || how.order_z != Order::Nearest => {
            return by_slices(labels, size, to, axis, how, progress);
        }
        None if how.order.is_spline() && !how.by_torch => {
            return by_shares(labels, size, to, how.order, progress);
        }
        _ => {}
    }
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
    Ok(out)
}

/// Every label of a map, in rising order.
fn unique(labels: &[i16]) -> Vec<i16> {
    let mut all = labels.to_vec();
    all.par_sort_unstable();
    all.dedup();
    all
}

/// Where a label is, as numbers.
fn indicator(labels: &[i16], label: i16) -> Vec<f32> {
    labels.par_iter().map(|own| if *own == label { 1.0 } else { 0.0 }).collect()
}

/// The label whose indicator, resampled as an image, is the greatest: shares of splines are no weights of
/// a few voxels.
fn by_shares(
    labels: &[i16],
    size: [usize; 3],
    to: [usize; 3],
    order: Order,
    progress: &Progress,
) -> Result<Vec<i16>, Cancelled> {
    // Shares that are equal but for rounding are equal.
    const EQUAL: f64 = 1e-9;
    let own = unique(labels);
    let even = Resampling { order: Order::Nearest, force_separate_z: Some(false), ..Resampling::LOGITS };
    let near = resample_labels(labels, size, to, [[1.0; 3]; 2], even, progress)?;
    let (mut best, mut out) = (vec![f64::NEG_INFINITY; near.len()], near.clone());
    for label in own {
        let shares: Vec<f64> = whole(&indicator(labels, label), size, to, order, progress)?;
        out.par_iter_mut().zip(&mut best).zip(&shares).zip(&near).for_each(|(((out, best), share), near)| {
            let is_tie = (share - *best).abs() <= EQUAL;
            let wins = if is_tie { label == *near } else { *share > *best };
            if wins {
                *out = label;
            }
            *best = best.max(*share);
        });
    }
    Ok(out)
}

/// The slices across a separate axis each by itself, then along it.
fn by_slices(
    labels: &[i16],
    size: [usize; 3],
    to: [usize; 3],
    axis: usize,
    how: Resampling,
    progress: &Progress,
) -> Result<Vec<i16>, Cancelled> {
    // The separate axis in front; a swap is its own inverse.
    let mut order = [0, 1, 2];
    order.swap(0, axis);
    let turned = transpose(labels, size, order);
    let ([nz, ny, nx], [tz, ty, tx]) = (pick(size, order), pick(to, order));
    let flat = Resampling { force_separate_z: Some(false), ..how };
    let slice =
        |slice: &[i16]| resample_labels(slice, [1, ny, nx], [1, ty, tx], [[1.0; 3]; 2], flat, progress);
    let planes: Result<Vec<_>, _> = turned.par_chunks_exact(ny * nx).map(slice).collect();
    let planes = planes?.concat();
    let across = Axis::new(nz, tz, how.order_z);
    let done = if let Some(copies) = across.copies() {
        copies.iter().flat_map(|z| &planes[z * ty * tx..(z + 1) * ty * tx]).copied().collect()
    } else {
        let mut done = vec![0; tz * ty * tx];
        for label in unique(&planes) {
            let own = indicator(&planes, label);
            let shares: Vec<f64> = lines(&own, ty * tx, &across, None, progress)?;
            done.par_iter_mut().zip(&shares).for_each(|(done, share)| {
                if *share > 0.5 {
                    *done = label;
                }
            });
        }
        done
    };
    Ok(transpose(&done, pick(to, order), order))
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
        resample_labels(labels, [1, 1, labels.len()], [1, 1, to], EVEN, Resampling::LOGITS, &Progress::new())
            .unwrap()
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
        let out = resample_labels(&labels, [1, 2, 2], [1, 4, 4], EVEN, Resampling::LOGITS, &Progress::new())
            .unwrap();
        assert_eq!(out, [7, 7, 1, 1, 7, 7, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3]);
    }

    #[test]
    fn a_thick_axis_is_copied() {
        let spacing = [[5.0, 1.0, 1.0], [2.5, 1.0, 1.0]];
        let out =
            resample_labels(&[1, 2], [2, 1, 1], [4, 1, 2], spacing, Resampling::LOGITS, &Progress::new())
                .unwrap();
        assert_eq!(out, [1, 1, 1, 1, 2, 2, 2, 2]);
    }

    /// What nnunetv2 2.8.1 makes of random labels.
    #[test]
    fn shares_of_splines_and_across_slices_are_nnunetv2_s() {
        let read =
            |digits: &str| -> Vec<i16> { digits.bytes().map(|digit| i16::from(digit - b'0')).collect() };
        let labels = read("230312213011210000030230111303330121222032311300120310233310");
        let thick = [[4.0, 1.0, 1.0], [1.0; 3]];
        #[rustfmt::skip]
        let cases = [
            ([4, 6, 3], EVEN, Order::Cubic, Order::Nearest, "201213210120120003031230133301302120031131133302302120331301302012310330"),
            ([5, 3, 8], EVEN, Order::Quadratic, Order::Nearest, "223003311222110000000033223303111111110000000003002330113133013211222200322331113330002233333100332331110000102233333100"),
            ([5, 2, 5], thick, Order::Cubic, Order::Nearest, "22131112132213111213113033301230011031003001103100"),
            ([5, 3, 6], thick, Order::Linear, Order::Linear, "230031112110000003230031112110000003023301333012122220323311030102333310323311030102333310"),
            ([5, 7, 4], thick, Order::Quartic, Order::Cubic, "23312331223012101110000300032331233122301210111000030003020102011103330233121220122032113011301200020302331033103211301130120002030233103310"),
            ([2, 6, 4], thick, Order::Nearest, Order::Quadratic, "233122302230111000030003321130123012030233103310"),
        ];
        for (to, mm, order, order_z, done) in cases {
            let how = Resampling { order, order_z, ..Resampling::LOGITS };
            let found = resample_labels(&labels, [3, 4, 5], to, mm, how, &Progress::new()).unwrap();
            assert_eq!(found, read(done), "{order:?}, {order_z:?}");
            // The same with the thick axis last.
            let order = [2, 1, 0];
            let turned = transpose(&labels, [3, 4, 5], order);
            let mm = mm.map(|mm: [f64; 3]| pick(mm, order));
            let other =
                resample_labels(&turned, [5, 4, 3], pick(to, order), mm, how, &Progress::new()).unwrap();
            assert_eq!(transpose(&other, pick(to, order), order), found);
        }
    }

    #[test]
    fn torch_gives_a_tie_to_the_smallest_label() {
        let how = Resampling { by_torch: true, ..Resampling::LOGITS };
        let one = |labels: [i16; 2]| {
            resample_labels(&labels, [1, 1, 2], [1, 1, 1], EVEN, how, &Progress::new()).unwrap()
        };
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
            assert_eq!(
                resample_labels(&labels, [3, 4, 5], to, mm, how, &Progress::new()).unwrap(),
                read(done),
                "{to:?}"
            );
        }
    }
}
