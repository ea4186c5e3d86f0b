//! The image around an anchor as a live-wire sees it: gradient, its direction, zero crossings.

use super::REACH_PIXELS;
use crate::edit::SliceValues;
use crate::geometry::rasterise::Frame;
use crate::geometry::{Plane, Point2, Point3};
use crate::patient::Volume;

/// A gradient below this part of the usual one is no edge.
const LEAST_GRADIENT: f32 = 0.05;

/// Edges in a part of an image on one plane, in that plane's coordinates.
#[derive(Debug, Clone)]
pub struct EdgeImage {
    frame: Frame,
    size: [usize; 2],
    /// The distance between pixel centres along i and j, relative to the smaller.
    spacing: [f32; 2],
    /// The gradient's magnitude relative to that of the part's clear edges.
    gradient: Vec<f32>,
    /// The unit vector across the gradient, in steps along i and j of equal length.
    along: Vec<[f32; 2]>,
    /// Whether the Laplacian changes sign here.
    crossing: Vec<bool>,
}

impl EdgeImage {
    /// The pixels of slice `slice` around `center` (coordinates of the slice's plane); `None` for a
    /// missing slice, and when nothing of it is near.
    #[must_use]
    pub fn of_slice(volume: &Volume, slice: usize, center: Point2) -> Option<Self> {
        let image = SliceValues::of(volume, slice)?;
        let frame = image.frame();
        let [i, j] = frame.index_of(center);
        let (low, size) = (window(i, frame.size()[0])?, window(j, frame.size()[1])?);
        let (low, size) = ([low.0, size.0], [low.1, size.1]);
        let values = (0..size[1])
            .flat_map(|j| (0..size[0]).map(move |i| (i, j)))
            .map(|(i, j)| image.value(low[0] + i, low[1] + j))
            .collect();
        let own = Frame::new(
            frame.point(low[0] as f64, low[1] as f64),
            frame.point(1.0, 0.0) - frame.point(0.0, 0.0),
            frame.point(0.0, 1.0) - frame.point(0.0, 0.0),
            size,
        )?;
        Self::new(own, size, values)
    }

    /// The volume sampled on `plane` around `center` (coordinates of `plane`) at its finest spacing,
    /// linearly between voxels; `None` when nothing of it is near.
    #[must_use]
    pub fn across(volume: &Volume, plane: &Plane, center: Point2) -> Option<Self> {
        let pitch = volume.grid.spacing_mm().into_iter().fold(f64::INFINITY, f64::min);
        let count = 2 * REACH_PIXELS + 1;
        let origin = center - nalgebra::Vector2::new(pitch, pitch) * REACH_PIXELS as f64;
        let steps = [nalgebra::Vector2::new(pitch, 0.0), nalgebra::Vector2::new(0.0, pitch)];
        let frame = Frame::new(origin, steps[0], steps[1], [count, count])?;
        let values = (0..count)
            .flat_map(|j| (0..count).map(move |i| (i, j)))
            .map(|(i, j)| sampled(volume, plane.lift(frame.point(i as f64, j as f64))))
            .collect();
        Self::new(frame, [count, count], values)
    }

    /// From values at the frame's pixel centres, i fastest; NaN where there is none.
    fn new(frame: Frame, size: [usize; 2], mut values: Vec<f32>) -> Option<Self> {
        let [nx, ny] = size;
        let least = values.iter().copied().filter(|value| value.is_finite()).fold(f32::INFINITY, f32::min);
        if nx < 3 || ny < 3 || !least.is_finite() {
            return None;
        }
        // Where there are no values there is no edge, nor at the border to there.
        let unknown: Vec<f32> = values.iter().map(|value| f32::from(u8::from(!value.is_finite()))).collect();
        values.iter_mut().filter(|value| !value.is_finite()).for_each(|value| *value = least);
        let smooth = smoothed(&values, size);
        let step = |i: f64, j: f64| (frame.point(i, j) - frame.point(0.0, 0.0)).norm();
        let (along_i, along_j) = (step(1.0, 0.0), step(0.0, 1.0));
        let finest = along_i.min(along_j);
        #[expect(clippy::cast_possible_truncation, reason = "ratios near one")]
        let spacing = [(along_i / finest) as f32, (along_j / finest) as f32];
        let mut gradient = vec![0.0_f32; nx * ny];
        let mut along = vec![[0.0_f32; 2]; nx * ny];
        let mut laplacian = vec![0.0_f32; nx * ny];
        for j in 0..ny {
            let rows = [j.saturating_sub(1) * nx, j * nx, (j + 1).min(ny - 1) * nx];
            for i in 0..nx {
                let (left, right) = (i.saturating_sub(1), (i + 1).min(nx - 1));
                let at = rows[1] + i;
                let (w, e) = (smooth[rows[1] + left], smooth[rows[1] + right]);
                let (n, s) = (smooth[rows[0] + i], smooth[rows[2] + i]);
                let (gi, gj) = ((e - w) * 0.5 / spacing[0], (s - n) * 0.5 / spacing[1]);
                let norm = gi.hypot(gj);
                gradient[at] = norm;
                if norm > 0.0 {
                    along[at] = [-gj / norm, gi / norm];
                }
                let twice = 2.0 * smooth[at];
                laplacian[at] =
                    (w + e - twice) / (spacing[0] * spacing[0]) + (n + s - twice) / (spacing[1] * spacing[1]);
            }
        }
        if unknown.contains(&1.0) {
            let near = smoothed(&unknown, size);
            gradient.iter_mut().zip(near).filter(|(_, near)| *near > 1e-3).for_each(|(own, _)| *own = 0.0);
        }
        let usual = usual_gradient(&gradient);
        if usual > 0.0 {
            gradient.iter_mut().for_each(|value| *value /= usual);
        }
        let crossing = zero_crossings(&laplacian, &gradient, size);
        Some(Self { frame, size, spacing, gradient, along, crossing })
    }

    /// The number of pixels along i and j.
    pub(super) fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The relative distances between pixel centres along i and j.
    pub(super) fn spacing(&self) -> [f32; 2] {
        self.spacing
    }

    /// The gradient of pixel `at`, relative to clear edges.
    pub(super) fn gradient(&self, at: usize) -> f32 {
        self.gradient[at]
    }

    /// The unit vector along the edge at pixel `at`.
    pub(super) fn along(&self, at: usize) -> [f32; 2] {
        self.along[at]
    }

    /// Whether pixel `at` lies on a zero crossing of the Laplacian.
    pub(super) fn is_crossing(&self, at: usize) -> bool {
        self.crossing[at]
    }

    /// The pixel nearest to a point (plane mm), the border's for one beyond it.
    pub(super) fn pixel_of(&self, point: Point2) -> usize {
        let [i, j] = self.frame.index_of(point);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let clamped = |at: f64, count: usize| at.round().clamp(0.0, (count - 1) as f64) as usize;
        clamped(i, self.size[0]) + clamped(j, self.size[1]) * self.size[0]
    }

    /// The centre of pixel `at`, moved across the edge onto the ridge of the gradient where there is
    /// one within a pixel; plane mm.
    pub(super) fn on_ridge(&self, at: usize) -> Point2 {
        let (i, j) = ((at % self.size[0]) as f32, (at / self.size[0]) as f32);
        let [along_i, along_j] = self.along[at];
        // Across the edge, one step of the finer spacing.
        let across = [along_j / self.spacing[0], -along_i / self.spacing[1]];
        let value = |t: f32| self.between(i + across[0] * t, j + across[1] * t);
        let mut best = 0.0;
        if self.gradient[at] > LEAST_GRADIENT {
            // The steepest of five places, then the vertex of the parabola around it.
            let places = [-1.0_f32, -0.5, 0.0, 0.5, 1.0];
            let values = places.map(value);
            let top = (0..5).max_by(|a, b| values[*a].total_cmp(&values[*b])).unwrap_or(2);
            let top = top.clamp(1, 3);
            let (before, here, after) = (values[top - 1], values[top], values[top + 1]);
            let bend = before - 2.0 * here + after;
            let vertex = if bend < -1e-6 { 0.5 * (before - after) / bend } else { 0.0 };
            best = (places[top] + 0.5 * vertex).clamp(-1.25, 1.25);
        }
        self.frame.point(f64::from(i + across[0] * best), f64::from(j + across[1] * best))
    }

    /// The steepest pixel within `within_mm` of a point, on its ridge; the point itself where no
    /// edge is near.
    #[must_use]
    pub fn snapped(&self, point: Point2, within_mm: f64) -> Point2 {
        let at = self.pixel_of(point);
        let pixel_mm = (self.frame.point(1.0, 0.0) - self.frame.point(0.0, 0.0)).norm().max(1e-6);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let reach = (within_mm / pixel_mm).ceil().clamp(0.0, 12.0) as usize;
        let (i, j) = (at % self.size[0], at / self.size[0]);
        let near = (j.saturating_sub(reach)..=(j + reach).min(self.size[1] - 1))
            .flat_map(|j| (i.saturating_sub(reach)..=(i + reach).min(self.size[0] - 1)).map(move |i| (i, j)))
            .map(|(i, j)| i + j * self.size[0])
            .filter(|at| {
                let (i, j) = (at % self.size[0], at / self.size[0]);
                (self.frame.point(i as f64, j as f64) - point).norm() <= within_mm
            })
            .max_by(|a, b| self.gradient[*a].total_cmp(&self.gradient[*b]));
        match near.filter(|at| self.gradient[*at] > 4.0 * LEAST_GRADIENT) {
            Some(at) => self.on_ridge(at),
            None => point,
        }
    }

    /// The gradient between pixel centres, linearly.
    fn between(&self, i: f32, j: f32) -> f32 {
        let [nx, ny] = self.size;
        let (i, j) = (i.clamp(0.0, (nx - 1) as f32), j.clamp(0.0, (ny - 1) as f32));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let (low_i, low_j) = ((i as usize).min(nx - 2), (j as usize).min(ny - 2));
        let (fi, fj) = (i - low_i as f32, j - low_j as f32);
        let at = low_i + low_j * nx;
        let row = |at: usize| self.gradient[at] * (1.0 - fi) + self.gradient[at + 1] * fi;
        row(at) * (1.0 - fj) + row(at + nx) * fj
    }
}

/// The first pixel and the number of pixels of the window around `center` along one axis.
fn window(center: f64, count: usize) -> Option<(usize, usize)> {
    let reach = REACH_PIXELS as f64;
    if !(center > -reach && center < count as f64 + reach) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let clamped = |at: f64| at.round().clamp(0.0, count as f64) as usize;
    let (low, high) = (clamped(center - reach), clamped(center + reach + 1.0));
    (high >= low + 3).then_some((low, high - low))
}

/// The value at a patient position, linearly between voxels; beyond the grid that of its border.
fn sampled(volume: &Volume, point: Point3) -> f32 {
    let dims = volume.grid.dims();
    let voxel = volume.grid.voxel_of(point);
    let mut low = [0_usize; 3];
    let mut part = [0.0_f32; 3];
    for axis in 0..3 {
        let last = dims[axis] as f64 - 1.0;
        let at = voxel[axis].clamp(0.0, last);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        {
            low[axis] = (at.floor() as usize).min(dims[axis].saturating_sub(2));
            part[axis] = (at - low[axis] as f64) as f32;
        }
    }
    let steps = [1, dims[0], dims[0] * dims[1]];
    let first = low[0] + low[1] * steps[1] + low[2] * steps[2];
    let mut sum = 0.0;
    for corner in 0..8_usize {
        let mut weight = 1.0;
        let mut at = first;
        for axis in 0..3 {
            let up = corner >> axis & 1 == 1;
            weight *= if up { part[axis] } else { 1.0 - part[axis] };
            at += if up { steps[axis] } else { 0 };
        }
        if weight > 0.0 {
            sum += weight * volume.voxels.value(at).unwrap_or(f32::NAN);
        }
    }
    sum
}

/// A Gaussian of one pixel.
fn smoothed(values: &[f32], [nx, ny]: [usize; 2]) -> Vec<f32> {
    const WEIGHTS: [f32; 4] = [0.399_05, 0.242_04, 0.054_01, 0.004_43];
    let mut rows = vec![0.0; values.len()];
    for (row, out) in values.chunks_exact(nx).zip(rows.chunks_exact_mut(nx)) {
        for (i, sum) in out.iter_mut().enumerate() {
            *sum = row[i] * WEIGHTS[0];
            for (n, weight) in WEIGHTS.iter().enumerate().skip(1) {
                *sum += (row[i.saturating_sub(n)] + row[(i + n).min(nx - 1)]) * weight;
            }
        }
    }
    let mut out = vec![0.0; values.len()];
    for j in 0..ny {
        let own = &mut out[j * nx..(j + 1) * nx];
        for (n, weight) in WEIGHTS.iter().enumerate() {
            let (up, down) = (j.saturating_sub(n) * nx, (j + n).min(ny - 1) * nx);
            let share = if n == 0 { weight * 0.5 } else { *weight };
            for (i, sum) in own.iter_mut().enumerate() {
                *sum += (rows[up + i] + rows[down + i]) * share;
            }
        }
    }
    out
}

/// The gradient that nine tenths of the places with some gradient stay below: what a clear edge of
/// this part of the image has. One outshining edge (metal, air) does not set the scale alone.
fn usual_gradient(gradient: &[f32]) -> f32 {
    let greatest = gradient.iter().copied().fold(0.0, f32::max);
    let mut some: Vec<f32> = gradient.iter().copied().filter(|value| *value > greatest * 0.02).collect();
    if some.is_empty() {
        return 0.0;
    }
    let at = (some.len() * 9 / 10).min(some.len() - 1);
    *some.select_nth_unstable_by(at, f32::total_cmp).1
}

/// Where the Laplacian changes sign between neighbours: the one nearer to zero.
fn zero_crossings(laplacian: &[f32], gradient: &[f32], [nx, ny]: [usize; 2]) -> Vec<bool> {
    let mut crossing = vec![false; laplacian.len()];
    let mut mark = |a: usize, b: usize| {
        let (x, y) = (laplacian[a], laplacian[b]);
        if (x > 0.0) != (y > 0.0) && gradient[a].max(gradient[b]) > LEAST_GRADIENT {
            crossing[if x.abs() <= y.abs() { a } else { b }] = true;
        }
    };
    for j in 0..ny {
        for i in 0..nx {
            let at = i + j * nx;
            if i + 1 < nx {
                mark(at, at + 1);
            }
            if j + 1 < ny {
                mark(at, at + nx);
            }
        }
    }
    crossing
}
