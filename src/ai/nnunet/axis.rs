//! Interpolation along one axis, for many lines at once.
//!
//! Half-pixel centres: output voxel k of `to` lies at (k + 1/2) from/to - 1/2 of the input. Beyond
//! the first and last centre the edge value goes on. All arithmetic is in double precision.

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
    /// The first of four coefficients of the padded line, and their weights.
    Cubic(Vec<(usize, [f64; 4])>),
}

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

/// The input voxels on both sides of each output voxel.
pub(super) fn pairs(from: usize, to: usize) -> Vec<Pair> {
    let last = from.saturating_sub(1);
    let pair = |k| {
        let at = coordinate(k, from, to).clamp(0.0, last as f64);
        let low = index(at.floor());
        // As scipy has it: the last weight is what is left of one.
        let low_weight = 1.0 - (at - at.floor());
        Pair { low, high: (low + 1).min(last), low_weight, high_weight: 1.0 - low_weight }
    };
    (0..to).map(pair).collect()
}

fn cubic(from: usize, to: usize) -> Vec<(usize, [f64; 4])> {
    let tap = |k| {
        let at = coordinate(k, from, to) + PAD as f64;
        let below = at.floor();
        let (t, s) = (at - below, 1.0 - (at - below));
        let first = s * s * s / 6.0;
        let second = (t * t * (t - 2.0) * 3.0 + 4.0) / 6.0;
        let third = (s * s * (s - 2.0) * 3.0 + 4.0) / 6.0;
        (index(below) - 1, [first, second, third, 1.0 - first - second - third])
    };
    (0..to).map(tap).collect()
}

impl Axis {
    pub(super) fn new(from: usize, to: usize, order: Order) -> Self {
        let taps = match order {
            _ if from == to => Taps::Same,
            Order::Nearest => Taps::Nearest(nearest(from, to)),
            Order::Linear => Taps::Linear(pairs(from, to)),
            Order::Cubic => Taps::Cubic(cubic(from, to)),
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
            Taps::Linear(_) | Taps::Cubic(_) => None,
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
            Taps::Cubic(taps) => {
                scratch.clear();
                for k in 0..self.from + 2 * PAD {
                    scratch.extend_from_slice(row(k.saturating_sub(PAD).min(self.from - 1)));
                }
                coefficients(scratch, width);
                for (out, (first, weights)) in output.chunks_exact_mut(width).zip(taps) {
                    let four = &scratch[first * width..(first + 4) * width];
                    let (a, b) = four.split_at(2 * width);
                    let ((a, b), (c, d)) = (a.split_at(width), b.split_at(width));
                    for (i, out) in out.iter_mut().enumerate() {
                        *out = a[i] * weights[0] + b[i] * weights[1] + c[i] * weights[2] + d[i] * weights[3];
                    }
                }
            }
        }
    }
}

/// Turns samples `[line][width]` into cubic B-spline coefficients, in place; beyond its ends a line
/// goes on as its mirror image, the end repeated (d c b a | a b c d | d c b a).
fn coefficients(lines: &mut [f64], width: usize) {
    let length = lines.len() / width;
    // (1 - z) (1 - 1/z) is 6 for this pole.
    let gain = (1.0 - POLE) * (1.0 - 1.0 / POLE);
    lines.iter_mut().for_each(|value| *value *= gain);
    let whole = POLE.powi(i32::try_from(length).unwrap_or(i32::MAX));
    let mut sum: Vec<f64> = (0..width).map(|i| lines[i] + whole * lines[(length - 1) * width + i]).collect();
    let mut power = POLE;
    for k in 1..length.min(HORIZON) {
        let (near, far) = (k * width, (length - 1 - k) * width);
        for (i, sum) in sum.iter_mut().enumerate() {
            *sum += power * (lines[near + i] + whole * lines[far + i]);
        }
        power *= POLE;
    }
    for (value, sum) in lines.iter_mut().zip(&sum) {
        *value += sum * POLE / (1.0 - whole * whole);
    }
    for k in 1..length {
        let (before, here) = lines[(k - 1) * width..(k + 1) * width].split_at_mut(width);
        for (value, before) in here.iter_mut().zip(before.iter()) {
            *value += POLE * before;
        }
    }
    for value in &mut lines[(length - 1) * width..] {
        *value *= POLE / (POLE - 1.0);
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
    fn a_cubic_spline_goes_through_its_samples() {
        // Three times as many voxels: every second of three lies on a sample.
        let values = [1.0, -2.0, 5.0, 0.5, 4.0];
        let fine = line(&values, 15, Order::Cubic);
        for (k, value) in values.iter().enumerate() {
            assert!((fine[3 * k + 1] - value).abs() < 1e-12);
        }
    }
}
