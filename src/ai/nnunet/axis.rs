//! Interpolation along one axis, for many lines at once.
//!
//! Half-pixel centres ([`Axis::new`]): output voxel k of `to` lies at (k + 1/2) from/to - 1/2 of the
//! input; beyond the first and last centre the edge value goes on. Corner to corner
//! ([`Axis::corners`]): it lies at k (from - 1)/(to - 1). All arithmetic is in double precision.

use super::resample::Order;

/// Voxels that the edge value goes on for before the spline's coefficients are computed, as
/// scipy.ndimage does for its mode "nearest".
const PAD: usize = 12;

/// The pole of the cubic B-spline filter, sqrt(3) - 2 (Unser, Splines, IEEE Signal Processing
/// Magazine 16(6), 1999).
const POLE: f64 = -0.267_949_192_431_122_7;

/// Powers of the pole beyond this one vanish in double precision.
const HORIZON: usize = 40;

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
        };
        Self { from, to, taps }
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
            Taps::Linear(_) | Taps::Cubic(..) => None,
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
            Taps::Cubic(ends, taps) => {
                let pad = ends.pad();
                scratch.clear();
                for k in 0..self.from + 2 * pad {
                    scratch.extend_from_slice(row(k.saturating_sub(pad).min(self.from - 1)));
                }
                coefficients(scratch, width, *ends);
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

/// Turns samples `[line][width]` into cubic B-spline coefficients, in place.
fn coefficients(lines: &mut [f64], width: usize, ends: Ends) {
    let length = lines.len() / width;
    if length == 1 {
        return;
    }
    // (1 - z) (1 - 1/z) is 6 for this pole.
    let gain = (1.0 - POLE) * (1.0 - 1.0 / POLE);
    lines.iter_mut().for_each(|value| *value *= gain);
    // The sum over the line and its mirror images, which repeat after `period` voxels.
    let period = if ends == Ends::Edge { length } else { length - 1 };
    let whole = POLE.powi(i32::try_from(period).unwrap_or(i32::MAX));
    let mut sum: Vec<f64> = (0..width).map(|i| lines[i] + whole * lines[(length - 1) * width + i]).collect();
    let mut power = POLE;
    for k in 1..period.min(HORIZON) {
        let (near, far) = (k * width, (length - 1 - k) * width);
        for (i, sum) in sum.iter_mut().enumerate() {
            *sum += power * (lines[near + i] + whole * lines[far + i]);
        }
        power *= POLE;
    }
    for (value, sum) in lines.iter_mut().zip(&sum) {
        *value = match ends {
            Ends::Edge => *value + sum * POLE / (1.0 - whole * whole),
            Ends::Mirror => sum / (1.0 - whole * whole),
        };
    }
    for k in 1..length {
        let (before, here) = lines[(k - 1) * width..(k + 1) * width].split_at_mut(width);
        for (value, before) in here.iter_mut().zip(before.iter()) {
            *value += POLE * before;
        }
    }
    let (before, last) = lines[(length - 2) * width..].split_at_mut(width);
    for (value, before) in last.iter_mut().zip(before.iter()) {
        *value = match ends {
            Ends::Edge => *value * POLE / (POLE - 1.0),
            Ends::Mirror => (POLE * before + *value) * POLE / (POLE * POLE - 1.0),
        };
    }
    for k in (0..length - 1).rev() {
        let (here, after) = lines[k * width..(k + 2) * width].split_at_mut(width);
        for (value, after) in here.iter_mut().zip(after.iter()) {
            *value = POLE * (after - *value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for order in [Order::Nearest, Order::Linear, Order::Cubic] {
            for value in line(&[3.0; 5], 7, order).into_iter().chain(line(&[3.0], 4, order)) {
                assert!((value - 3.0).abs() < 1e-12, "{order:?}: {value}");
            }
        }
    }

    #[test]
    fn a_cubic_spline_follows_a_straight_line_away_from_the_ends() {
        let ramp: Vec<f64> = (0..60).map(f64::from).collect();
        for (k, value) in line(&ramp, 90, Order::Cubic).into_iter().enumerate().skip(25).take(40) {
            assert!((value - coordinate(k, 60, 90)).abs() < 1e-9, "{k}: {value}");
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
        let fine = line(&[1.0, -2.0, 5.0, 0.5], 7, Order::Cubic);
        for (k, value) in [1.0, -2.0, 5.0, 0.5].into_iter().enumerate() {
            assert!((fine[2 * k] - value).abs() < 1e-12);
        }
        for value in line(&[3.0], 4, Order::Cubic).into_iter().chain(line(&[3.0, 3.0], 4, Order::Cubic)) {
            assert!((value - 3.0).abs() < 1e-12);
        }
        // Seven steps of 7/25 and one more: rounding puts the last centre beyond, where nothing is.
        assert_eq!(line(&[1.0; 8], 26, Order::Linear)[24..], [1.0, 0.0]);
    }

    #[test]
    fn a_cubic_spline_goes_through_its_samples() {
        // Three times as many voxels: every second of three lies on a sample.
        let values = [1.0, -2.0, 5.0, 0.5, 4.0];
        let fine = line(&values, 15, Order::Cubic);
        for (k, value) in values.iter().enumerate() {
            assert!((fine[3 * k + 1] - value).abs() < 1e-12);
        }
    }
}
