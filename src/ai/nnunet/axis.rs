//! Interpolation along one axis, for many lines at once.
//!
//! Half-pixel centres ([`Axis::new`]): output voxel k of `to` lies at (k + 1/2) from/to - 1/2 of the
//! input; beyond the first and last centre the edge value goes on. Corner to corner
//! ([`Axis::corners`]): it lies at k (from - 1)/(to - 1). All arithmetic is in double precision.

use super::resample::Order;
use std::ops::Range;

/// Voxels that the edge value goes on for before the spline's coefficients are computed, as
/// scipy.ndimage does for its mode "nearest".
const PAD: usize = 12;

/// The poles of the filter that gives a B-spline's coefficients (Unser, Splines, IEEE Signal Processing
/// Magazine 16(6), 1999), and the power from which on those of the greatest vanish in double precision.
fn poles(order: Order) -> (&'static [f64], usize) {
    match order {
        Order::Nearest | Order::Linear => (&[], 0),
        Order::Quadratic => (&[-0.171_572_875_253_809_7], 40),
        Order::Cubic => (&[-0.267_949_192_431_122_7], 40),
        Order::Quartic => (&[-0.361_341_225_900_211_8, -0.013_725_429_297_341_663], 52),
        Order::Quintic => (&[-0.430_575_347_099_978_25, -0.043_096_288_203_263_28], 64),
    }
}

/// A resampling of lines from one length to another.
pub(super) struct Axis {
    from: usize,
    to: usize,
    taps: Taps,
}

enum Taps {
    /// Lengths are equal: nothing changes (an interpolating spline goes through its samples).
    Same,
    /// The input voxel of each output voxel.
    Nearest(Vec<usize>),
    /// Two input voxels of each output voxel with their weights.
    Linear(Vec<Pair>),
    /// Four coefficients of each output voxel with their weights.
    Cubic(Ends, Vec<Four>),
    /// As many coefficients of each output voxel as the degree and one, with their weights.
    Spline(Ends, Order, Vec<Six>),
}

/// How a line goes on beyond its ends, for the spline's coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// The edge value for [`PAD`] voxels, then as its mirror image, the end repeated (b a | a b).
    Edge,
    /// As its mirror image, the end not repeated (b | a b).
    Mirror,
}

impl Ends {
    fn pad(self) -> usize {
        if self == Self::Edge { PAD } else { 0 }
    }
}

/// Four coefficients, and their weights.
type Four = ([usize; 4], [f64; 4]);

/// Up to six coefficients, and their weights.
type Six = ([usize; 6], [f64; 6]);

/// The two input voxels around an output voxel, and their weights; at the ends they are the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pair {
    pub low: usize,
    pub high: usize,
    pub low_weight: f64,
    pub high_weight: f64,
}

/// Where output voxel `k` lies on the input axis, in input voxels.
fn coordinate(k: usize, from: usize, to: usize) -> f64 {
    (k as f64 + 0.5) * (from as f64 / to as f64) - 0.5
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a voxel index, 0 or more")]
fn index(at: f64) -> usize {
    at as usize
}

/// The input voxel nearest to each output voxel (the greater of two).
pub(super) fn nearest(from: usize, to: usize) -> Vec<usize> {
    let last = from.saturating_sub(1) as f64;
    (0..to).map(|k| index((coordinate(k, from, to).clamp(0.0, last) + 0.5).floor())).collect()
}

/// The input voxels on both sides of each output voxel. Beyond the ends both are the edge voxel,
/// their weights as if there were another: scipy adds them up, and so must equal shares of labels.
pub(super) fn pairs(from: usize, to: usize) -> Vec<Pair> {
    let last = from.saturating_sub(1);
    let pair = |k| {
        let at = coordinate(k, from, to);
        let below = at.floor();
        // As scipy has it: the last weight is what is left of one.
        let low_weight = 1.0 - (at - below);
        let voxel = |at: f64| index(at.max(0.0)).min(last);
        Pair { low: voxel(below), high: voxel(below + 1.0), low_weight, high_weight: 1.0 - low_weight }
    };
    (0..to).map(pair).collect()
}

fn cubic(from: usize, to: usize) -> Vec<Four> {
    let tap = |k| {
        let at = coordinate(k, from, to) + PAD as f64;
        let first = index(at.floor()) - 1;
        ([0, 1, 2, 3].map(|n| first + n), weights(at - at.floor()))
    };
    (0..to).map(tap).collect()
}

/// The weights of the four coefficients around a place `t` behind the second.
fn weights(t: f64) -> [f64; 4] {
    let s = 1.0 - t;
    let first = s * s * s / 6.0;
    let second = (t * t * (t - 2.0) * 3.0 + 4.0) / 6.0;
    let third = (s * s * (s - 2.0) * 3.0 + 4.0) / 6.0;
    [first, second, third, 1.0 - first - second - third]
}

/// The first of the coefficients around a place, as many as the degree and one, and their weights: the
/// B-splines that are not zero there, by the recursion of de Boor (Journal of Approximation Theory 6, 1972).
fn b_splines(at: f64, degree: usize) -> (f64, [f64; 6]) {
    // Knots lie on voxels where the degree is odd, else between them.
    let shift = if degree % 2 == 1 { 0.0 } else { 0.5 };
    let knot = (at + shift).floor();
    let inside = at + shift - knot;
    let mut weights = [0.0; 6];
    weights[0] = 1.0;
    for degree in 1..=degree {
        let mut carried = 0.0;
        for (n, weight) in weights.iter_mut().enumerate().take(degree) {
            let share = *weight / degree as f64;
            *weight = carried + ((n + 1) as f64 - inside) * share;
            carried = (inside + (degree - 1 - n) as f64) * share;
        }
        weights[degree] = carried;
    }
    (knot - (degree / 2) as f64, weights)
}

/// The voxel that stands at a place of a line of so many, which goes on as its mirror image, the end not
/// repeated.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a voxel index, 0 or more")]
fn mirrored(at: f64, voxels: usize) -> usize {
    if voxels < 2 {
        return 0;
    }
    let last = (voxels - 1) as f64;
    let place = at.rem_euclid(2.0 * last);
    place.min(2.0 * last - place) as usize
}

/// Where output voxels lie when first and last centres coincide; `None` beyond the last, where
/// rounding may put the last of them.
fn corner_to_corner(from: usize, to: usize) -> impl Iterator<Item = Option<f64>> {
    let last = from.saturating_sub(1) as f64;
    let step = if to > 1 { last / (to - 1) as f64 } else { 1.0 };
    (0..to).map(move |k| Some(k as f64 * step).filter(|at| *at <= last))
}

/// The input voxels around each output voxel when first and last centres coincide, one of them twice
/// for [`Order::Nearest`]; without weight beyond the last.
pub(super) fn corner_pairs(from: usize, to: usize, order: Order) -> Vec<Pair> {
    let last = from.saturating_sub(1);
    let pair = |at: Option<f64>| match at {
        None => Pair { low: last, high: last, low_weight: 0.0, high_weight: 0.0 },
        Some(at) if order == Order::Nearest => {
            let voxel = index((at + 0.5).floor()).min(last);
            Pair { low: voxel, high: voxel, low_weight: 1.0, high_weight: 0.0 }
        }
        Some(at) => {
            let low_weight = 1.0 - (at - at.floor());
            let low = index(at.floor());
            Pair { low, high: (low + 1).min(last), low_weight, high_weight: 1.0 - low_weight }
        }
    };
    corner_to_corner(from, to).map(pair).collect()
}

impl Axis {
    pub(super) fn new(from: usize, to: usize, order: Order) -> Self {
        let taps = match order {
            _ if from == to => Taps::Same,
            Order::Nearest => Taps::Nearest(nearest(from, to)),
            Order::Linear => Taps::Linear(pairs(from, to)),
            Order::Cubic => Taps::Cubic(Ends::Edge, cubic(from, to)),
            Order::Quadratic | Order::Quartic | Order::Quintic => {
                let tap = |k| {
                    let (first, weights) = b_splines(coordinate(k, from, to) + PAD as f64, order.degree());
                    (std::array::from_fn(|n| index(first) + n), weights)
                };
                Taps::Spline(Ends::Edge, order, (0..to).map(tap).collect())
            }
        };
        Self { from, to, taps }
    }

    /// First and last centres coincide; what rounding puts beyond the last is zero, as in
    /// scipy.ndimage.zoom.
    pub(super) fn corners(from: usize, to: usize, order: Order) -> Self {
        let last = from.saturating_sub(1);
        let four = |at: Option<f64>| {
            let at = at.map(|at| (index(at.floor()), weights(at - at.floor())));
            let (second, weights) = at.unwrap_or((last, [0.0; 4]));
            // Mirrored at both ends.
            let inside = |n: usize| if n > last { (2 * last).saturating_sub(n) } else { n };
            let before = if second == 0 { 1.min(last) } else { second - 1 };
            ([before, second, inside(second + 1), inside(second + 2)], weights)
        };
        let taps = match order {
            _ if from == to => Taps::Same,
            Order::Nearest | Order::Linear => Taps::Linear(corner_pairs(from, to, order)),
            Order::Cubic => Taps::Cubic(Ends::Mirror, corner_to_corner(from, to).map(four).collect()),
            Order::Quadratic | Order::Quartic | Order::Quintic => {
                let tap = |at: Option<f64>| {
                    let (first, weights) = at.map_or((0.0, [0.0; 6]), |at| b_splines(at, order.degree()));
                    (std::array::from_fn(|n| mirrored(first + n as f64, from)), weights)
                };
                Taps::Spline(Ends::Mirror, order, corner_to_corner(from, to).map(tap).collect())
            }
        };
        Self { from, to, taps }
    }

    /// What [`Self::new`] makes of the output voxels `outputs` alone, and the input voxels that it is handed
    /// for them: as far as a spline's coefficients are felt in double precision.
    pub(super) fn part(from: usize, to: usize, order: Order, outputs: Range<usize>) -> (Range<usize>, Self) {
        if from == to || outputs.is_empty() {
            return (outputs.clone(), Self::new(outputs.len(), outputs.len(), order));
        }
        let reach = order.degree() / 2 + 2 + poles(order).1;
        let at = |k: usize| index(coordinate(k, from, to).clamp(0.0, (from - 1) as f64));
        let seen = at(outputs.start).saturating_sub(reach)..(at(outputs.end - 1) + reach + 1).min(from);
        let (first, count) = (seen.start, outputs.len());
        let taps = match Self::new(from, to, order).taps {
            Taps::Same => Taps::Same,
            Taps::Nearest(voxels) => {
                Taps::Nearest(voxels[outputs].iter().map(|voxel| voxel - first).collect())
            }
            Taps::Linear(pairs) => {
                let pair = |pair: &Pair| Pair { low: pair.low - first, high: pair.high - first, ..*pair };
                Taps::Linear(pairs[outputs].iter().map(pair).collect())
            }
            Taps::Cubic(ends, taps) => {
                let four = |(rows, weights): &Four| (rows.map(|row| row - first), *weights);
                Taps::Cubic(ends, taps[outputs].iter().map(four).collect())
            }
            Taps::Spline(ends, order, taps) => {
                let six = |(rows, weights): &Six| (rows.map(|row| row - first), *weights);
                Taps::Spline(ends, order, taps[outputs].iter().map(six).collect())
            }
        };
        (seen.clone(), Self { from: seen.len(), to: count, taps })
    }

    pub(super) fn to(&self) -> usize {
        self.to
    }

    pub(super) fn is_same(&self) -> bool {
        matches!(self.taps, Taps::Same)
    }

    /// The input voxel of each output voxel, where the result is nothing but copies.
    pub(super) fn copies(&self) -> Option<Vec<usize>> {
        match &self.taps {
            Taps::Same => Some((0..self.to).collect()),
            Taps::Nearest(voxels) => Some(voxels.clone()),
            Taps::Linear(_) | Taps::Cubic(..) | Taps::Spline(..) => None,
        }
    }

    /// The input in `scratch`, with what goes on beyond its ends.
    fn fill(&self, input: &[f64], width: usize, ends: Ends, scratch: &mut Vec<f64>) {
        let pad = ends.pad();
        scratch.clear();
        for k in 0..self.from + 2 * pad {
            let from = k.saturating_sub(pad).min(self.from - 1);
            scratch.extend_from_slice(&input[from * width..(from + 1) * width]);
        }
    }

    /// Resamples `width` lines side by side: `[from][width]` to `[to][width]`. `scratch` is for
    /// reuse between calls.
    pub(super) fn apply(&self, input: &[f64], width: usize, scratch: &mut Vec<f64>, output: &mut [f64]) {
        debug_assert_eq!(input.len(), self.from * width);
        debug_assert_eq!(output.len(), self.to * width);
        let row = |k: usize| &input[k * width..(k + 1) * width];
        match &self.taps {
            Taps::Same => output.copy_from_slice(input),
            Taps::Nearest(voxels) => {
                for (out, voxel) in output.chunks_exact_mut(width).zip(voxels) {
                    out.copy_from_slice(row(*voxel));
                }
            }
            Taps::Linear(pairs) => {
                for (out, pair) in output.chunks_exact_mut(width).zip(pairs) {
                    for ((out, low), high) in out.iter_mut().zip(row(pair.low)).zip(row(pair.high)) {
                        *out = low * pair.low_weight + high * pair.high_weight;
                    }
                }
            }
            Taps::Spline(ends, order, taps) => {
                let count = order.degree() + 1;
                self.fill(input, width, *ends, scratch);
                coefficients(scratch, width, *ends, *order);
                for (out, (rows, weights)) in output.chunks_exact_mut(width).zip(taps) {
                    out.fill(0.0);
                    for (row, weight) in rows.iter().zip(weights).take(count) {
                        let row = &scratch[row * width..(row + 1) * width];
                        out.iter_mut().zip(row).for_each(|(out, value)| *out += value * weight);
                    }
                }
            }
            Taps::Cubic(ends, taps) => {
                self.fill(input, width, *ends, scratch);
                coefficients(scratch, width, *ends, Order::Cubic);
                for (out, (rows, weights)) in output.chunks_exact_mut(width).zip(taps) {
                    let [a, b, c, d] = rows.map(|row| &scratch[row * width..(row + 1) * width]);
                    for (i, out) in out.iter_mut().enumerate() {
                        *out = a[i] * weights[0] + b[i] * weights[1] + c[i] * weights[2] + d[i] * weights[3];
                    }
                }
            }
        }
    }
}

/// Turns samples `[line][width]` into B-spline coefficients, in place.
fn coefficients(lines: &mut [f64], width: usize, ends: Ends, order: Order) {
    if lines.len() == width {
        return;
    }
    let (poles, horizon) = poles(order);
    // (1 - z) (1 - 1/z) for each pole; 6 for the cubic's.
    let gain: f64 = poles.iter().map(|pole| (1.0 - pole) * (1.0 - 1.0 / pole)).product();
    lines.iter_mut().for_each(|value| *value *= gain);
    poles.iter().for_each(|pole| filter(lines, width, ends, *pole, horizon));
}

/// The two passes of one pole's filter, whose powers vanish from `horizon` on.
fn filter(lines: &mut [f64], width: usize, ends: Ends, pole: f64, horizon: usize) {
    let length = lines.len() / width;
    // The sum over the line and its mirror images, which repeat after `period` voxels.
    let period = if ends == Ends::Edge { length } else { length - 1 };
    let whole = pole.powi(i32::try_from(period).unwrap_or(i32::MAX));
    let mut sum: Vec<f64> = (0..width).map(|i| lines[i] + whole * lines[(length - 1) * width + i]).collect();
    let mut power = pole;
    for k in 1..period.min(horizon) {
        let (near, far) = (k * width, (length - 1 - k) * width);
        for (i, sum) in sum.iter_mut().enumerate() {
            *sum += power * (lines[near + i] + whole * lines[far + i]);
        }
        power *= pole;
    }
    for (value, sum) in lines.iter_mut().zip(&sum) {
        *value = match ends {
            Ends::Edge => *value + sum * pole / (1.0 - whole * whole),
            Ends::Mirror => sum / (1.0 - whole * whole),
        };
    }
    for k in 1..length {
        let (before, here) = lines[(k - 1) * width..(k + 1) * width].split_at_mut(width);
        for (value, before) in here.iter_mut().zip(before.iter()) {
            *value += pole * before;
        }
    }
    let (before, last) = lines[(length - 2) * width..].split_at_mut(width);
    for (value, before) in last.iter_mut().zip(before.iter()) {
        *value = match ends {
            Ends::Edge => *value * pole / (pole - 1.0),
            Ends::Mirror => (pole * before + *value) * pole / (pole * pole - 1.0),
        };
    }
    for k in (0..length - 1).rev() {
        let (here, after) = lines[k * width..(k + 2) * width].split_at_mut(width);
        for (value, after) in here.iter_mut().zip(after.iter()) {
            *value = pole * (after - *value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPLINES: [Order; 4] = [Order::Quadratic, Order::Cubic, Order::Quartic, Order::Quintic];
    const ALL: [Order; 6] =
        [Order::Nearest, Order::Linear, Order::Quadratic, Order::Cubic, Order::Quartic, Order::Quintic];

    fn line(values: &[f64], to: usize, order: Order) -> Vec<f64> {
        let mut out = vec![0.0; to];
        Axis::new(values.len(), to, order).apply(values, 1, &mut Vec::new(), &mut out);
        out
    }

    #[test]
    fn centres_lie_half_a_voxel_in() {
        // Twice as many voxels: -1/4, 1/4, 3/4, 5/4; the ends are held.
        assert_eq!(line(&[0.0, 8.0], 4, Order::Linear), [0.0, 2.0, 6.0, 8.0]);
        assert_eq!(line(&[0.0, 8.0], 4, Order::Nearest), [0.0, 0.0, 8.0, 8.0]);
        // Half as many: 1/2, 5/2. Nearest takes the greater neighbour.
        assert_eq!(line(&[0.0, 1.0, 2.0, 3.0], 2, Order::Linear), [0.5, 2.5]);
        assert_eq!(line(&[0.0, 1.0, 2.0, 3.0], 2, Order::Nearest), [1.0, 3.0]);
    }

    #[test]
    fn a_constant_stays_and_one_voxel_is_enough() {
        for order in ALL {
            for value in line(&[3.0; 5], 7, order).into_iter().chain(line(&[3.0], 4, order)) {
                assert!((value - 3.0).abs() < 1e-12, "{order:?}: {value}");
            }
        }
    }

    #[test]
    fn a_spline_follows_a_straight_line_away_from_the_ends() {
        let ramp: Vec<f64> = (0..60).map(f64::from).collect();
        for order in SPLINES {
            for (k, value) in line(&ramp, 90, order).into_iter().enumerate().skip(25).take(40) {
                assert!((value - coordinate(k, 60, 90)).abs() < 1e-6, "{order:?} at {k}: {value}");
            }
        }
    }

    /// What scikit-image 0.26 makes of it (`resize`, mode "edge"), and scipy 1.17 (`zoom`).
    #[test]
    fn splines_are_skimage_s_and_scipy_s() {
        let values = [1.0, -2.0, 5.0, 0.5, 4.0];
        #[rustfmt::skip]
        let cases = [
            (Order::Quadratic, [1.290_557_514, -1.569_145_033, -0.448_617_315, 5.0, 1.511_364_424, 1.338_726_695, 4.300_048_919], [1.0, -1.270_108_043, -1.455_782_313, 3.725_890_356, 4.532_613_045, 0.799_319_728, 1.647_659_064, 4.0]),
            (Order::Cubic, [1.366_050_037, -1.653_791_225, -0.195_388_127, 5.0, 1.765_253_272, 1.252_914_315, 4.366_050_037], [1.0, -1.186_588_921, -1.362_973_761, 3.546_647_23, 4.392_128_28, 0.893_586_006, 1.720_116_618, 4.0]),
            (Order::Quartic, [1.452_879_65, -1.842_812_51, -0.177_360_532, 5.0, 1.797_713_4, 1.067_573_841, 4.448_731_059], [1.0, -1.231_461_269, -1.391_880_372, 3.607_579_611, 4.472_004_188, 0.873_985_782, 1.669_355_568, 4.0]),
            (Order::Quintic, [1.502_042_283, -1.930_549_149, -0.118_791_997, 5.0, 1.861_511_372, 0.977_610_235, 4.496_803_175], [1.0, -1.222_116_966, -1.383_337_874, 3.585_015_778, 4.460_857_965, 0.887_175_561, 1.672_465_035, 4.0]),
        ];
        for (order, centres, corners) in cases {
            let mut zoomed = vec![0.0; 8];
            Axis::corners(5, 8, order).apply(&values, 1, &mut Vec::new(), &mut zoomed);
            let found = line(&values, 7, order).into_iter().chain(zoomed);
            for (found, expected) in found.zip(centres.into_iter().chain(corners)) {
                assert!((found - expected).abs() < 1e-7, "{order:?}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn corners_coincide() {
        let line = |values: &[f64], to, order| {
            let mut out = vec![0.0; to];
            Axis::corners(values.len(), to, order).apply(values, 1, &mut Vec::new(), &mut out);
            out
        };
        assert_eq!(line(&[0.0, 8.0], 5, Order::Linear), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(line(&[0.0, 8.0], 5, Order::Nearest), [0.0, 0.0, 8.0, 8.0, 8.0]);
        for order in SPLINES {
            let fine = line(&[1.0, -2.0, 5.0, 0.5], 7, order);
            for (k, value) in [1.0, -2.0, 5.0, 0.5].into_iter().enumerate() {
                assert!((fine[2 * k] - value).abs() < 1e-10);
            }
            for value in line(&[3.0], 4, order).into_iter().chain(line(&[3.0, 3.0], 4, order)) {
                assert!((value - 3.0).abs() < 1e-10);
            }
        }
        // Seven steps of 7/25 and one more: rounding puts the last centre beyond, where nothing is.
        assert_eq!(line(&[1.0; 8], 26, Order::Linear)[24..], [1.0, 0.0]);
    }

    #[test]
    fn a_part_is_that_of_the_whole_and_sees_no_more_than_it_must() {
        let values: Vec<f64> = (0..300).map(|n| f64::from(n * 7 % 23) - f64::from(n * n % 11)).collect();
        for order in [Order::Nearest, Order::Linear].into_iter().chain(SPLINES) {
            for to in [300, 451, 200, 60] {
                let whole = line(&values, to, order);
                for outputs in [0..5, to / 2..to / 2 + 3, to - 4..to, 0..to] {
                    let (seen, axis) = Axis::part(300, to, order, outputs.clone());
                    let mut part = vec![0.0; outputs.len()];
                    axis.apply(&values[seen.clone()], 1, &mut Vec::new(), &mut part);
                    for (part, whole) in part.iter().zip(&whole[outputs.clone()]) {
                        assert!(
                            (part - whole).abs() < 1e-12,
                            "{order:?} {outputs:?} of {to}: {part}, {whole}"
                        );
                    }
                    assert!(outputs.len() == to || seen.len() < 200, "{order:?} sees {seen:?}");
                }
            }
        }
    }

    #[test]
    fn a_spline_goes_through_its_samples() {
        // Three times as many voxels: every second of three lies on a sample.
        let values = [1.0, -2.0, 5.0, 0.5, 4.0];
        for order in SPLINES {
            let fine = line(&values, 15, order);
            for (k, value) in values.iter().enumerate() {
                assert!((fine[3 * k + 1] - value).abs() < 1e-10);
            }
        }
    }
}
