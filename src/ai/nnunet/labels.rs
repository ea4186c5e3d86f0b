//! Resampling of label maps: each label's share of a voxel is interpolated, the greatest wins.
//!
//! Shares are in double precision, as equal ones must be known for equal; they are there for as many planes
//! of the result at a time as [`SLAB_BYTES`] has room for, never for all of it.

use super::axis::{Axis, Pair, nearest, pairs};
use super::passes::{Plane, lines};
use super::resample::{Order, Resampling, pick, transpose};
use crate::progress::{Cancelled, Progress};
use half::f16;
use rayon::prelude::*;

/// Bytes of the shares of splines that are there at once, where a plane of them takes no more.
const SLAB_BYTES: usize = 256 << 20;

/// Bytes that [`resample_labels`] takes at most beside the map that it is given, its result included.
pub(super) fn peak_bytes(
    size: [usize; 3],
    to: [usize; 3],
    spacing_mm: [[f64; 3]; 2],
    how: Resampling,
) -> usize {
    let count = |size: [usize; 3]| size.iter().product::<usize>();
    let result = count(to) * size_of::<i16>();
    if size == to {
        return result;
    }
    match how.separate_axis(spacing_mm[0], spacing_mm[1]).filter(|_| !how.by_torch) {
        Some(axis) if how.order.is_spline() || how.order_z != Order::Nearest => {
            let between = std::array::from_fn(|own| if own == axis { size[own] } else { to[own] });
            let mut plane = [size, to];
            plane.iter_mut().for_each(|size| size[axis] = 1);
            let threads = rayon::current_num_threads();
            // The map with its axes turned, its slices resampled, the result before it is turned back, and
            // where one label is, before and after.
            let turned = count(size) + count(between) + count(to);
            let label = if how.order_z == Order::Nearest { 0 } else { count(between) + count(to) };
            let shares = if how.order.is_spline() { threads * plane_bytes(plane[0], plane[1]) } else { 0 };
            result + turned * size_of::<i16>() + label.max(shares)
        }
        None if how.order.is_spline() && !how.by_torch => {
            result + count(size) + plane_bytes(size, to) * slab_planes(size, to, SLAB_BYTES)
        }
        _ => result,
    }
}

/// Bytes of the shares of a plane of the result: one label's, before and after it is resampled within its
/// planes, and the greatest.
fn plane_bytes(size: [usize; 3], to: [usize; 3]) -> usize {
    (size[1] * size[2] + 2 * to[1] * to[2]) * size_of::<f64>()
}

/// Planes of the result whose shares are there at once.
fn slab_planes(size: [usize; 3], to: [usize; 3], bytes: usize) -> usize {
    (bytes / plane_bytes(size, to)).clamp(1, to[0])
}

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
            return by_shares(labels, size, to, how.order, SLAB_BYTES, progress);
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
    let mut is_there = vec![false; 1 << 16];
    for label in labels {
        is_there[usize::from(label.cast_unsigned())] = true;
    }
    (i16::MIN..=i16::MAX).filter(|label| is_there[usize::from(label.cast_unsigned())]).collect()
}

/// Where a label is.
fn indicator(labels: &[i16], label: i16) -> Vec<bool> {
    labels.par_iter().map(|own| *own == label).collect()
}

/// The label whose indicator, resampled as an image, is the greatest: shares of splines are no weights of
/// a few voxels. As many planes of the result at a time as `bytes` have room for.
fn by_shares(
    labels: &[i16],
    size: [usize; 3],
    to: [usize; 3],
    order: Order,
    bytes: usize,
    progress: &Progress,
) -> Result<Vec<i16>, Cancelled> {
    // Shares that are equal but for rounding are equal.
    const EQUAL: f64 = 1e-9;
    // An indicator's own range, where there is more than one label.
    const RANGE: Option<(f64, f64)> = Some((0.0, 1.0));
    let [from_area, area] = [size, to].map(|size| size[1] * size[2]);
    if let [only] = unique(labels)[..] {
        return Ok(vec![only; to[0] * area]);
    }
    let near: [Vec<usize>; 3] = std::array::from_fn(|axis| nearest(size[axis], to[axis]));
    let plane = Plane::new([size[1], size[2]], [to[1], to[2]], order);
    let deep = slab_planes(size, to, bytes);
    let mut out = vec![0; to[0] * area];
    for (slab, out) in out.chunks_mut(deep * area).enumerate() {
        let planes = slab * deep..slab * deep + out.len() / area;
        let share = |planes: usize| planes as f64 / to[0] as f64;
        let progress = progress.part(share(planes.start), share(planes.end));
        let (seen, across) = Axis::part(size[0], to[0], order, planes.clone());
        let around = &labels[seen.start * from_area..seen.end * from_area];
        let nearest_label = |at: usize| {
            let (z, y, x) =
                (near[0][planes.start + at / area], near[1][at % area / to[2]], near[2][at % to[2]]);
            labels[(z * size[1] + y) * size[2] + x]
        };
        // One that is not around has no share here, to double precision.
        let own = unique(around);
        let mut best = vec![f64::NEG_INFINITY; out.len()];
        for (index, label) in own.iter().enumerate() {
            let part = |index: usize| index as f64 / own.len() as f64;
            let progress = progress.part(part(index), part(index + 1));
            let is_it = indicator(around, *label);
            let shares: Vec<f64> = if across.is_same() {
                plane.apply(&is_it, |_| RANGE, &progress)?
            } else if plane.is_same() {
                lines(&is_it, area, &across, RANGE, &progress)?
            } else {
                let between: Vec<f64> = lines(&is_it, from_area, &across, None, &progress.part(0.0, 0.4))?;
                plane.apply(&between, |_| RANGE, &progress.part(0.4, 1.0))?
            };
            out.par_iter_mut().zip(&mut best).zip(&shares).enumerate().for_each(
                |(at, ((out, best), share))| {
                    let is_tie = (share - *best).abs() <= EQUAL;
                    let wins = if is_tie { *label == nearest_label(at) } else { *share > *best };
                    if wins {
                        *out = *label;
                    }
                    *best = best.max(*share);
                },
            );
        }
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
    let mut planes = vec![0; nz * ty * tx];
    let both = planes.par_chunks_exact_mut(ty * tx).zip(turned.par_chunks_exact(ny * nx));
    both.try_for_each(|(to, from)| slice(from).map(|done| to.copy_from_slice(&done)))?;
    drop(turned);
    let across = Axis::new(nz, tz, how.order_z);
    let done = if let Some(copies) = across.copies() {
        copies.iter().flat_map(|z| &planes[z * ty * tx..(z + 1) * ty * tx]).copied().collect()
    } else {
        let mut done = vec![0; tz * ty * tx];
        for label in unique(&planes) {
            let own = indicator(&planes, label);
            let above_half: Vec<bool> = lines(&own, ty * tx, &across, None, progress)?;
            done.par_iter_mut().zip(above_half).for_each(|(done, is_it)| {
                if is_it {
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
    fn a_few_planes_at_a_time_are_as_all_at_once() {
        // Blocks of labels, long enough that a slab does not see all of it.
        let size = [170, 4, 5];
        let labels: Vec<i16> = (0_i16..170 * 20).map(|n| (n / 20 / 9 * 7 + n % 20 / 7) % 5 - 1).collect();
        for order in [Order::Cubic, Order::Quintic] {
            for to in [[255, 4, 5], [170, 6, 3], [97, 5, 7]] {
                let run = |bytes| by_shares(&labels, size, to, order, bytes, &Progress::new()).unwrap();
                let all = run(usize::MAX);
                assert!(unique(&all).len() == 5, "{order:?}");
                assert_eq!(run(0), all, "{order:?} to {to:?}, plane by plane");
                assert_eq!(run(30 * plane_bytes(size, to)), all, "{order:?} to {to:?}");
            }
        }
        let (one, to) = (vec![3; 8], [3; 3]);
        assert_eq!(by_shares(&one, [2; 3], to, Order::Cubic, 0, &Progress::new()).unwrap(), [3; 27]);
    }

    #[test]
    fn memory_is_bounded_where_splines_have_shares() {
        let cubic = Resampling { order: Order::Cubic, ..Resampling::LOGITS };
        let (size, to) = ([200, 256, 256], [400, 512, 512]);
        let (voxels, result) = (200 << 16, 400 << 18);
        // The result, a byte a voxel of the map, and as many planes of (1/4 + 2) 2 MiB as fit 256 MiB.
        let planes = 56 * (9 << 19);
        assert_eq!(peak_bytes(size, to, EVEN, cubic), 2 * result + voxels + planes);
        assert_eq!(peak_bytes(size, to, EVEN, Resampling::LOGITS), 2 * result);
        // Slice by slice: three maps on the way, and one label's places before and after.
        let thick = [[5.0, 1.0, 1.0], [2.5, 0.5, 0.5]];
        let across = Resampling { order_z: Order::Linear, ..Resampling::LOGITS };
        let between = 200 << 18;
        let turned = 2 * (voxels + between + result);
        assert_eq!(peak_bytes(size, to, thick, across), 2 * result + turned + between + result);
        assert_eq!(peak_bytes(size, size, thick, cubic), 2 * voxels);
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
