//! The two passes of a separable resampling: within the planes of an array, and across them.

use super::axis::Axis;
use super::resample::Order;
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Lines across the planes that are resampled side by side.
const LINES: usize = 128;

/// Side of the tiles that a plane is turned in, for the processor's cache.
const TILE: usize = 32;

/// A number of an array that is being resampled.
pub(super) trait Sample: Copy + Send + Sync {
    fn value(self) -> f64;
    fn of(value: f64) -> Self;
}

impl Sample for f64 {
    fn value(self) -> f64 {
        self
    }
    fn of(value: f64) -> Self {
        value
    }
}

impl Sample for f32 {
    fn value(self) -> f64 {
        f64::from(self)
    }
    #[expect(clippy::cast_possible_truncation, reason = "images are single precision")]
    fn of(value: f64) -> Self {
        value as f32
    }
}

/// Where something is; of a share, where it is above a half.
impl Sample for bool {
    fn value(self) -> f64 {
        f64::from(self)
    }
    fn of(value: f64) -> Self {
        value > 0.5
    }
}

/// Least and greatest value, NaN left out.
pub(super) fn range(values: &[f32]) -> (f64, f64) {
    let start = (f32::INFINITY, f32::NEG_INFINITY);
    let (low, high) = values.iter().fold(start, |(low, high), value| (low.min(*value), high.max(*value)));
    (f64::from(low), f64::from(high))
}

fn clipped(value: f64, range: Option<(f64, f64)>) -> f64 {
    // Not clamp: a range of nothing but NaN has no order.
    range.map_or(value, |(low, high)| value.max(low).min(high))
}

/// Resamples across planes of `area` voxels.
pub(super) fn lines<From: Sample, To: Sample>(
    values: &[From],
    area: usize,
    axis: &Axis,
    range: Option<(f64, f64)>,
    progress: &Progress,
) -> Result<Vec<To>, Cancelled> {
    let planes_to = axis.to();
    let mut out = vec![To::of(0.0); planes_to * area];
    // For each group of lines its piece of every plane.
    let mut groups: Vec<Vec<&mut [To]>> =
        (0..area.div_ceil(LINES)).map(|_| Vec::with_capacity(planes_to)).collect();
    for plane in out.chunks_exact_mut(area) {
        for (group, piece) in groups.iter_mut().zip(plane.chunks_mut(LINES)) {
            group.push(piece);
        }
    }
    let work = |buffers: &mut Buffers, (group, mut pieces): (usize, Vec<&mut [To]>)| {
        progress.check()?;
        let first = group * LINES;
        let width = LINES.min(area - first);
        let Buffers { input, scratch, output } = buffers;
        input.clear();
        for plane in values.chunks_exact(area) {
            input.extend(plane[first..first + width].iter().map(|value| value.value()));
        }
        output.resize(planes_to * width, 0.0);
        axis.apply(input, width, scratch, &mut output[..planes_to * width]);
        for (piece, row) in pieces.iter_mut().zip(output.chunks_exact(width)) {
            for (to, value) in piece.iter_mut().zip(row) {
                *to = To::of(clipped(*value, range));
            }
        }
        Ok(())
    };
    groups.into_par_iter().enumerate().map_init(Buffers::default, work).collect::<Result<(), Cancelled>>()?;
    progress.set_fraction(1.0)?;
    Ok(out)
}

#[derive(Default)]
struct Buffers {
    input: Vec<f64>,
    scratch: Vec<f64>,
    output: Vec<f64>,
}

/// A resampling of planes (y, x).
pub(super) struct Plane {
    from: [usize; 2],
    to: [usize; 2],
    y: Axis,
    x: Axis,
}

impl Plane {
    pub(super) fn new(from: [usize; 2], to: [usize; 2], order: Order) -> Self {
        Self { from, to, y: Axis::new(from[0], to[0], order), x: Axis::new(from[1], to[1], order) }
    }

    /// With the centres of the corners in the same place.
    pub(super) fn corners(from: [usize; 2], to: [usize; 2], order: Order) -> Self {
        Self { from, to, y: Axis::corners(from[0], to[0], order), x: Axis::corners(from[1], to[1], order) }
    }

    pub(super) fn is_same(&self) -> bool {
        self.y.is_same() && self.x.is_same()
    }

    /// Resamples each plane; `range` is what a result is clipped to.
    pub(super) fn apply<From: Sample, To: Sample>(
        &self,
        values: &[From],
        range: impl Fn(&[From]) -> Option<(f64, f64)> + Sync,
        progress: &Progress,
    ) -> Result<Vec<To>, Cancelled> {
        let area = self.to[0] * self.to[1];
        let planes = values.len() / (self.from[0] * self.from[1]);
        let mut out = vec![To::of(0.0); planes * area];
        let done = AtomicUsize::new(0);
        out.par_chunks_exact_mut(area)
            .zip(values.par_chunks_exact(self.from[0] * self.from[1]))
            .map_init(Buffers::default, |buffers, (out, plane)| {
                let range = range(plane);
                for (to, value) in out.iter_mut().zip(self.one(plane, buffers)) {
                    *to = To::of(clipped(*value, range));
                }
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                progress.set_fraction(done as f64 / planes as f64)
            })
            .collect::<Result<(), Cancelled>>()?;
        Ok(out)
    }

    fn one<'a, From: Sample>(&self, plane: &[From], buffers: &'a mut Buffers) -> &'a [f64] {
        let [from_y, from_x] = self.from;
        let [to_y, to_x] = self.to;
        let Buffers { input, scratch, output } = buffers;
        input.clear();
        input.extend(plane.iter().map(|value| value.value()));
        if !self.y.is_same() {
            output.resize(to_y * from_x, 0.0);
            self.y.apply(input, from_x, scratch, &mut output[..to_y * from_x]);
            std::mem::swap(input, output);
        }
        if !self.x.is_same() {
            turn(&input[..to_y * from_x], from_x, output);
            input.resize(to_x * to_y, 0.0);
            self.x.apply(&output[..from_x * to_y], to_y, scratch, &mut input[..to_x * to_y]);
            turn(&input[..to_x * to_y], to_y, output);
            std::mem::swap(input, output);
        }
        debug_assert_eq!(from_y * from_x, plane.len());
        &input[..to_y * to_x]
    }
}

/// `[row][column]` of `width` columns to `[column][row]`.
fn turn(from: &[f64], width: usize, to: &mut Vec<f64>) {
    let height = from.len() / width;
    to.resize(from.len(), 0.0);
    for y0 in (0..height).step_by(TILE) {
        for x0 in (0..width).step_by(TILE) {
            for y in y0..(y0 + TILE).min(height) {
                for x in x0..(x0 + TILE).min(width) {
                    to[x * height + y] = from[y * width + x];
                }
            }
        }
    }
}
