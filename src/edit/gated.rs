//! Brushes that look at the image: only a range of values, or only what hangs together with the
//! centre up to the next edge. What they paint is traced between the pixels, not along them.

use super::segment::Source;
use super::{SliceValues, Window, reoriented};
use crate::geometry::{Plane, Point2, Point3, Polygon, clip, rasterise, trace};

/// Values from `low` to `high`, both included.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ValueRange {
    /// The least value.
    pub low: f32,
    /// The greatest value.
    pub high: f32,
}

impl ValueRange {
    /// How far `value` is inside the range, negative outside; NaN is outside.
    #[must_use]
    pub fn depth(&self, value: f32) -> f32 {
        let depth = (value - self.low).min(self.high - value);
        if depth.is_nan() { f32::NEG_INFINITY } else { depth }
    }
}

/// The part of `shape` (coordinates of `plane`, parallel to the slice) where the values of `source`
/// lie in the range; its border runs where the values, linear between pixel centres, leave the range.
#[must_use]
pub fn in_range(
    source: &Source<'_>,
    slice: usize,
    plane: &Plane,
    shape: &[Polygon],
    range: ValueRange,
) -> Vec<Polygon> {
    let volume = source.volume();
    let Some(pixels) = SliceValues::of(volume, slice) else { return Vec::new() };
    let own = volume.slices[slice].plane;
    let shape = reoriented(shape, plane, &own);
    let bounds = shape.iter().filter_map(Polygon::bounds).reduce(|(al, ah), (bl, bh)| {
        (Point2::new(al.x.min(bl.x), al.y.min(bl.y)), Point2::new(ah.x.max(bh.x), ah.y.max(bh.y)))
    });
    let Some((low, high)) = bounds else { return Vec::new() };
    let reach = (high.x - low.x).max(high.y - low.y) / 2.0;
    let window = pixels.window(nalgebra::center(&low, &high), reach);
    let Some(values) = source.values(slice, &window) else { return Vec::new() };
    let depths: Vec<f32> = values.into_iter().map(|value| bounded(range.depth(value))).collect();
    let outlines = trace::field_slice(&depths, window.size[0], window.size[1], 0.0);
    let region = pixels.frame().map(&outlines, window.low);
    reoriented(&clip::intersection(&region, &shape), &own, plane)
}

/// What an adaptive brush paints on one slice, in the coordinates of the slice's plane.
pub type Stamp = (usize, Vec<Polygon>);

/// What hangs together with `center` (patient mm) without crossing an edge of the values of `source`, within what a brush
/// of `radius_mm` covers: `brush` gives that for a slice, in the coordinates of the slice's plane, and
/// `slices` those that it reaches. Nothing where they leave out the slice nearest to the centre.
///
/// The range of values is sampled under the centre: mean and spread within a quarter of the radius
/// (at least 1.5 pixels), widened on either side to half way to the tissue beyond, so that the
/// border stands at half the height of the edge. `tolerance` is the number of spreads that still
/// count as the same tissue. Growth also stops where the gradient is far steeper than under the
/// centre. Values are smoothed over 3 x 3 pixels for the decision.
#[must_use]
pub fn adaptive(
    source: &Source<'_>,
    center: Point3,
    radius_mm: f64,
    tolerance: f32,
    slices: std::ops::Range<usize>,
    brush: impl Fn(usize, &Plane) -> Vec<Polygon>,
) -> Vec<Stamp> {
    let volume = source.volume();
    let Some(base) = volume.base_plane() else { return Vec::new() };
    let Some(middle) = volume.nearest_slice(base.normal().dot(&center.coords)) else { return Vec::new() };
    if !slices.contains(&middle) || slices.end > volume.slices.len() {
        return Vec::new();
    }
    let foot = base.project(center);
    let covered: Vec<Vec<Polygon>> =
        slices.clone().map(|slice| brush(slice, &volume.slices[slice].plane)).collect();
    let corners = covered.iter().flatten().flat_map(|piece| &piece.outer);
    let reach_mm = corners.map(|corner| (corner - foot).norm()).fold(radius_mm, f64::max);
    let Some(home) = Patch::new(source, middle, center, reach_mm) else { return Vec::new() };
    let Some(tissue) = home.tissue(radius_mm, tolerance) else { return Vec::new() };
    let mut stamps = Vec::new();
    let mut grow = |slice: usize, seeds: Option<&[bool]>| -> Option<Vec<bool>> {
        let covered = &covered[slice - slices.start];
        if covered.is_empty() {
            return None;
        }
        let patch = if slice == middle { home.clone() } else { Patch::new(source, slice, center, reach_mm)? };
        let seeds = seeds.filter(|seeds| seeds.len() == patch.values.len());
        let reached = patch.flood(&tissue, covered, seeds);
        let painted = patch.outlined(&tissue, &reached, covered);
        if !painted.is_empty() {
            stamps.push((slice, painted));
        }
        Some(reached)
    };
    let from = grow(middle, None);
    for outward in [(middle + 1..slices.end).collect::<Vec<_>>(), (slices.start..middle).rev().collect()] {
        let mut seeds = from.clone();
        for slice in outward {
            seeds = seeds.and_then(|seeds| grow(slice, Some(&seeds)));
        }
    }
    stamps
}

/// The values of the tissue around a point (patient mm), sampled on the slice nearest to it within
/// `radius_mm`; see [`adaptive`]. `None` outside the image.
pub(super) fn tissue_at(
    source: &Source<'_>,
    center: Point3,
    radius_mm: f64,
    tolerance: f32,
) -> Option<ValueRange> {
    let base = source.volume().base_plane()?;
    let slice = source.volume().nearest_slice(base.normal().dot(&center.coords))?;
    Some(Patch::new(source, slice, center, radius_mm)?.tissue(radius_mm, tolerance)?.range)
}

/// What counts as the tissue under the centre.
#[derive(Debug, Clone, Copy)]
struct Tissue {
    range: ValueRange,
    steepest: f32,
}

/// The pixels of a slice around a point.
#[derive(Debug, Clone)]
struct Patch<'a> {
    image: SliceValues<'a>,
    window: Window,
    center: Point2,
    /// Smoothed over 3 x 3 pixels.
    values: Vec<f32>,
    /// Change of the smoothed values, per mm.
    gradient: Vec<f32>,
}

impl<'a> Patch<'a> {
    fn new(source: &Source<'a>, slice: usize, center: Point3, radius_mm: f64) -> Option<Self> {
        let volume = source.volume();
        let image = SliceValues::of(volume, slice)?;
        let center = volume.slices[slice].plane.project(center);
        let window = image.window(center, radius_mm);
        if window.size[0] < 3 || window.size[1] < 3 {
            return None;
        }
        let values = smoothed(&source.values(slice, &window)?, window.size);
        let step = |a: [f64; 2]| (image.frame().point(a[0], a[1]) - image.frame().point(0.0, 0.0)).norm();
        let steps = [step([1.0, 0.0]), step([0.0, 1.0])];
        let gradient = gradient(&values, window.size, steps);
        Some(Self { image, window, center, values, gradient })
    }

    fn at(&self, index: usize) -> Point2 {
        let (i, j) = (index % self.window.size[0], index / self.window.size[0]);
        self.image.frame().point((self.window.low[0] + i) as f64, (self.window.low[1] + j) as f64)
    }

    fn within(&self, radius_mm: f64) -> Vec<usize> {
        (0..self.values.len()).filter(|index| (self.at(*index) - self.center).norm() <= radius_mm).collect()
    }

    fn pixel_mm(&self) -> f64 {
        self.image.frame().voxel_area_mm2().sqrt()
    }

    fn tissue(&self, radius_mm: f64, tolerance: f32) -> Option<Tissue> {
        let finite = |radius: f64| -> Vec<usize> {
            self.within(radius).into_iter().filter(|index| self.values[*index].is_finite()).collect()
        };
        let core = finite((radius_mm * 0.25).max(self.pixel_mm() * 1.5));
        if core.is_empty() {
            return None;
        }
        let count = core.len() as f32;
        let mean = core.iter().map(|index| self.values[*index]).sum::<f32>() / count;
        let spread =
            (core.iter().map(|index| (self.values[*index] - mean).powi(2)).sum::<f32>() / count).sqrt();
        let around = finite(radius_mm);
        let spread = spread.max(self.noise(&around));
        let near = (tolerance * spread).max(1e-3 * mean.abs()).max(1e-6);
        // Half way to the median of what lies beyond, on either side.
        let beyond = |sign: f32| {
            let mut far: Vec<f32> = around
                .iter()
                .map(|index| (self.values[*index] - mean) * sign)
                .filter(|by| *by > near)
                .collect();
            far.sort_unstable_by(f32::total_cmp);
            let enough = far.len() * 25 > around.len();
            far.get(far.len() / 2).filter(|_| enough).map_or(near, |median| near.max(median / 2.0))
        };
        let (down, up) = (beyond(-1.0), beyond(1.0));
        let slope = core.iter().map(|index| self.gradient[*index]).sum::<f32>() / count;
        #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
        let pixel = self.pixel_mm() as f32;
        let steepest = (slope * 4.0).max(up.max(down) * 1.2 / pixel);
        Some(Tissue { range: ValueRange { low: mean - down, high: mean + up }, steepest })
    }

    /// The spread of the noise, from the differences of neighbours: edges hardly count among them.
    fn noise(&self, around: &[usize]) -> f32 {
        let mut steps: Vec<f32> = around
            .iter()
            .filter(|index| **index + 1 < self.values.len())
            .map(|index| (self.values[index + 1] - self.values[*index]).abs())
            .filter(|step| step.is_finite())
            .collect();
        steps.sort_unstable_by(f32::total_cmp);
        // Neighbours share most of what they are smoothed from.
        steps.get(steps.len() / 2).map_or(0.0, |median| median * 2.0)
    }

    /// The pixels of the tissue under the brush, or beside it, that hang together with the centre, or
    /// with `seeds`, by their sides. Steep pixels belong but lead no further.
    fn flood(&self, tissue: &Tissue, covered: &[Polygon], seeds: Option<&[bool]>) -> Vec<bool> {
        let [nx, ny] = self.window.size;
        let under = self.under(covered);
        let belongs = |index: usize| tissue.range.depth(self.values[index]) >= 0.0 && under[index];
        let mut reached = vec![false; nx * ny];
        let from: Vec<usize> = match seeds {
            Some(seeds) => (0..nx * ny).filter(|index| seeds[*index]).collect(),
            None => self.within(self.pixel_mm() * 0.75),
        };
        let mut open: Vec<usize> = from.into_iter().filter(|index| belongs(*index)).collect();
        for index in &open {
            reached[*index] = true;
        }
        let beside = |index: usize| {
            let (i, j) = (index % nx, index / nx);
            [
                (i > 0).then(|| index - 1),
                (i + 1 < nx).then(|| index + 1),
                (j > 0).then(|| index - nx),
                (j + 1 < ny).then(|| index + nx),
            ]
        };
        while let Some(index) = open.pop() {
            if self.gradient[index] > tissue.steepest {
                continue;
            }
            for next in beside(index).into_iter().flatten() {
                if !reached[next] && belongs(next) {
                    reached[next] = true;
                    open.push(next);
                }
            }
        }
        // A single pixel of noise makes no notch.
        let lone: Vec<usize> = (0..nx * ny)
            .filter(|index| {
                !reached[*index]
                    && beside(*index).into_iter().flatten().filter(|next| reached[*next]).count() >= 3
            })
            .collect();
        for index in lone {
            reached[index] = true;
        }
        reached
    }

    /// The pixels whose centres a brush covers, and those around them.
    fn under(&self, covered: &[Polygon]) -> Vec<bool> {
        let ([nx, ny], low) = (self.window.size, self.window.low);
        let mut under = vec![false; nx * ny];
        rasterise::spans(covered, self.image.frame(), |j, range| {
            for y in j.saturating_sub(low[1] + 1)..(j + 2).saturating_sub(low[1]).min(ny) {
                let from = range.start.saturating_sub(low[0] + 1).min(nx);
                let to = (range.end + 1).saturating_sub(low[0]).min(nx);
                if !range.is_empty() && from < to {
                    under[y * nx + from..y * nx + to].fill(true);
                }
            }
        });
        // A brush between the centres covers none of them.
        for corner in covered.iter().flat_map(|piece| &piece.outer) {
            let [i, j] = self.image.frame().index_of(*corner);
            for (i, j) in
                [(i.floor(), j.floor()), (i.ceil(), j.floor()), (i.floor(), j.ceil()), (i.ceil(), j.ceil())]
            {
                let (x, y) = (i - low[0] as f64, j - low[1] as f64);
                if x >= 0.0 && y >= 0.0 && x < nx as f64 && y < ny as f64 {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "in the window"
                    )]
                    let index = y as usize * nx + x as usize;
                    under[index] = true;
                }
            }
        }
        under
    }

    /// The outline of what was reached, between the pixels, clipped to what the brush covers.
    fn outlined(&self, tissue: &Tissue, reached: &[bool], covered: &[Polygon]) -> Vec<Polygon> {
        if !reached.contains(&true) {
            return Vec::new();
        }
        let depths: Vec<f32> = self
            .values
            .iter()
            .zip(reached)
            .map(|(value, reached)| {
                let depth = bounded(tissue.range.depth(*value));
                if *reached { depth.max(0.0) } else { -depth.abs().max(1e-6) }
            })
            .collect();
        let outlines = trace::field_slice(&depths, self.window.size[0], self.window.size[1], 0.0);
        let mut region = self.image.frame().map(&outlines, self.window.low);
        // Speckles of noise are neither holes nor tissue.
        let speckle = self.image.frame().voxel_area_mm2() * 4.0;
        for piece in &mut region {
            piece.holes.retain(|hole| crate::geometry::ring_area(hole).abs() > speckle);
        }
        clip::intersection(&region, covered)
    }
}

/// Finite values, so that crossings can be worked out.
pub(super) fn bounded(depth: f32) -> f32 {
    depth.clamp(-1e6, 1e6)
}

/// Binomial smoothing over 3 x 3 pixels; at the border, and beside NaN, by those there are.
pub(super) fn smoothed(values: &[f32], [nx, ny]: [usize; 2]) -> Vec<f32> {
    let mut result = Vec::with_capacity(values.len());
    for j in 0..ny {
        for i in 0..nx {
            let (mut sum, mut weight) = (0.0, 0.0);
            for y in j.saturating_sub(1)..(j + 2).min(ny) {
                for x in i.saturating_sub(1)..(i + 2).min(nx) {
                    let value = values[x + y * nx];
                    if value.is_finite() {
                        let part = if x == i { 2.0 } else { 1.0 } * if y == j { 2.0 } else { 1.0 };
                        sum += value * part;
                        weight += part;
                    }
                }
            }
            let own = values[i + j * nx];
            result.push(if own.is_finite() && weight > 0.0 { sum / weight } else { f32::NAN });
        }
    }
    result
}

/// The length of the gradient by central differences, per mm; 0 beside NaN.
fn gradient(values: &[f32], [nx, ny]: [usize; 2], steps_mm: [f64; 2]) -> Vec<f32> {
    let slope = |a: usize, b: usize, mm: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
        let slope = (values[b] - values[a]) / mm as f32;
        if slope.is_finite() { slope } else { 0.0 }
    };
    (0..nx * ny)
        .map(|index| {
            let (i, j) = (index % nx, index / nx);
            let (left, right) = (i.saturating_sub(1), (i + 1).min(nx - 1));
            let (down, up) = (j.saturating_sub(1), (j + 1).min(ny - 1));
            let x = slope(left + j * nx, right + j * nx, steps_mm[0] * (right - left).max(1) as f64);
            let y = slope(i + down * nx, i + up * nx, steps_mm[1] * (up - down).max(1) as f64);
            x.hypot(y)
        })
        .collect()
}

#[cfg(test)]
mod tests;
