//! The sliding window: tiles, their weights, and the running sum of probabilities.
//!
//! As in nnU-Net, with probabilities summed in place of logits (as in models/training). Memory is
//! bounded by the window: a plane leaves the running sum as soon as no later tile covers it, and is
//! kept in half precision.

use super::engine::{Engine, EngineError};
use super::package::ModelPackage;
use super::preprocess::ModelImage;
use crate::progress::{Cancelled, Progress};
use half::f16;
use rayon::prelude::*;

/// Class probabilities on the part of the model grid around the body, with a layer of background
/// around it wherever the grid goes on.
pub(super) struct Probabilities {
    /// First voxel in the model grid, (z, y, x).
    pub low: [usize; 3],
    /// Size, (z, y, x).
    pub size: [usize; 3],
    /// Classes, background included.
    pub classes: usize,
    /// `[z][y][x][class]`.
    pub values: Vec<f16>,
}

/// How the window runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    pub patch: [usize; 3],
    pub step: f64,
    pub sigma: f64,
    pub mirror_axes: &'a [usize],
    /// Classes that change places when x is mirrored.
    pub mirror_swaps: &'a [[usize; 2]],
}

/// Why the window stopped.
#[derive(Debug)]
pub(super) enum SlideError {
    Cancelled(Cancelled),
    Engine(EngineError),
}

/// Weights of one patch: a Gaussian around its middle, 1 at the top and never below a thousandth.
pub(super) fn gaussian(patch: [usize; 3], sigma: f64) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, reason = "patches are at most 512 voxels wide")]
    let axis = |n: usize| -> Vec<f64> {
        (0..n)
            .map(|i| {
                let offset = (i as f64 - (n as f64 - 1.0) / 2.0) / (n as f64 * sigma);
                (-0.5 * offset * offset).exp()
            })
            .collect()
    };
    let [z, y, x] = patch.map(axis);
    let top = [&z, &y, &x].map(|axis| axis.iter().copied().fold(0.0, f64::max)).iter().product::<f64>();
    let mut weights = Vec::with_capacity(patch.iter().product());
    for z in &z {
        for y in &y {
            #[expect(clippy::cast_possible_truncation, reason = "a weight of 0.001 to 1")]
            weights.extend(x.iter().map(|x| ((z * y * x / top) as f32).max(1e-3)));
        }
    }
    weights
}

/// First voxels of evenly spread windows that cover `size` and overlap by 1 - `step`
/// (nnU-Net's rule; halves are rounded to even).
pub(super) fn starts(size: usize, patch: usize, step: f64) -> Vec<usize> {
    if size <= patch {
        return vec![0];
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "image dimensions are far below 2^52"
    )]
    {
        let count = ((size - patch) as f64 / (patch as f64 * step)).ceil() as usize + 1;
        let width = (size - patch) as f64 / (count - 1) as f64;
        (0..count).map(|i| (i as f64 * width).round_ties_even() as usize).collect()
    }
}

/// Runs the network over the image.
pub(super) fn run(
    engine: &mut Engine,
    image: &ModelImage,
    package: &ModelPackage,
    window: Window<'_>,
    progress: &Progress,
) -> Result<Probabilities, SlideError> {
    let classes = package.architecture.classes;
    let patch = window.patch;
    let padded = [0, 1, 2].map(|axis| image.size[axis].max(patch[axis]));
    // Where the image is smaller than the patch, air is added on both sides alike.
    let shift = [0, 1, 2].map(|axis| (padded[axis] - image.size[axis]) / 2);
    let air = image.values.iter().copied().fold(f32::INFINITY, f32::min);
    let weights = gaussian(patch, window.sigma);
    let [starts_z, starts_y, starts_x] = [0, 1, 2].map(|axis| starts(padded[axis], patch[axis], window.step));
    let tiles = starts_z.len() * starts_y.len() * starts_x.len();
    let mut sum = RunningSum::new(padded, patch[0], classes);
    let mut out = Output::new(image, classes, shift);
    let mut tile = 0_u32;
    let mut input = Vec::new();
    for (index, z) in starts_z.iter().enumerate() {
        for y in &starts_y {
            for x in &starts_x {
                #[expect(clippy::cast_precision_loss, reason = "few tiles")]
                progress.set_fraction(f64::from(tile) / tiles as f64).map_err(SlideError::Cancelled)?;
                tile += 1;
                progress.set_step(format!("Running patch {tile} of {tiles}"));
                let corner = [*z, *y, *x];
                if cut(image, corner, shift, patch, air, &mut input) {
                    let logits =
                        mirrored(engine, &input, patch, classes, window).map_err(SlideError::Engine)?;
                    sum.add(&logits, corner, patch, &weights);
                } else {
                    sum.add_background(corner, patch, &weights);
                }
            }
        }
        let end = starts_z.get(index + 1).copied().unwrap_or(padded[0]);
        while sum.first < end {
            let plane = sum.first;
            out.take(plane, &sum.finish_plane(), padded);
        }
    }
    Ok(out.probabilities)
}

/// Cuts a tile out of the image; false when it has no voxel of the body.
fn cut(
    image: &ModelImage,
    corner: [usize; 3],
    shift: [usize; 3],
    patch: [usize; 3],
    air: f32,
    input: &mut Vec<f32>,
) -> bool {
    input.clear();
    input.resize(patch.iter().product(), air);
    let mut any = false;
    // The part of the tile that lies on the image, along each axis: in the tile, in the image.
    let part = [0, 1, 2].map(|axis| {
        let from = shift[axis].saturating_sub(corner[axis]);
        let to = (shift[axis] + image.size[axis]).saturating_sub(corner[axis]).min(patch[axis]);
        (from, to.max(from), corner[axis] + from - shift[axis])
    });
    let [(z0, z1, iz), (y0, y1, iy), (x0, x1, ix)] = part;
    for z in z0..z1 {
        for y in y0..y1 {
            let from = ((iz + z - z0) * image.size[1] + iy + y - y0) * image.size[2] + ix;
            let to = (z * patch[1] + y) * patch[2];
            let width = x1 - x0;
            input[to + x0..to + x1].copy_from_slice(&image.values[from..from + width]);
            any |= image.body[from..from + width].contains(&true);
        }
    }
    any
}

/// The logits, averaged over all combinations of mirrored axes. Mirrored along x, the organs of the
/// left look like those of the right: their classes are swapped back.
fn mirrored(
    engine: &mut Engine,
    input: &[f32],
    patch: [usize; 3],
    classes: usize,
    window: Window<'_>,
) -> Result<Vec<f32>, EngineError> {
    let axes = window.mirror_axes;
    let mut total = engine.forward(input, patch)?;
    let combinations = 1_usize << axes.len();
    for combination in 1..combinations {
        let mut flip = [false; 3];
        for (bit, axis) in axes.iter().enumerate() {
            flip[*axis] = combination >> bit & 1 == 1;
        }
        let mut logits = engine.forward(&flipped(input, patch, 1, flip), patch)?;
        if flip[2] {
            swap_classes(&mut logits, classes, window.mirror_swaps);
        }
        for (total, logit) in total.iter_mut().zip(flipped(&logits, patch, classes, flip)) {
            *total += logit;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "at most 8 combinations")]
    let share = 1.0 / combinations as f32;
    total.iter_mut().for_each(|logit| *logit *= share);
    Ok(total)
}

/// Exchanges the values of pairs of classes at every voxel.
fn swap_classes(values: &mut [f32], classes: usize, swaps: &[[usize; 2]]) {
    for voxel in values.chunks_exact_mut(classes) {
        for [a, b] in swaps {
            voxel.swap(*a, *b);
        }
    }
}

fn flipped(values: &[f32], [nz, ny, nx]: [usize; 3], channels: usize, flip: [bool; 3]) -> Vec<f32> {
    let turn = |at: usize, n: usize, flip: bool| if flip { n - 1 - at } else { at };
    let mut out = Vec::with_capacity(values.len());
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                let from = (turn(z, nz, flip[0]) * ny + turn(y, ny, flip[1])) * nx + turn(x, nx, flip[2]);
                out.extend_from_slice(&values[from * channels..][..channels]);
            }
        }
    }
    out
}

/// Weighted sums for as many planes as a tile is deep, starting at plane `first`.
struct RunningSum {
    first: usize,
    size: [usize; 3],
    classes: usize,
    planes: std::collections::VecDeque<Plane>,
}

#[derive(Clone)]
struct Plane {
    values: Vec<f32>,
    weights: Vec<f32>,
}

impl RunningSum {
    fn new(size: [usize; 3], depth: usize, classes: usize) -> Self {
        let area = size[1] * size[2];
        let plane = Plane { values: vec![0.0; area * classes], weights: vec![0.0; area] };
        Self { first: 0, size, classes, planes: vec![plane; depth].into() }
    }

    fn add(&mut self, logits: &[f32], corner: [usize; 3], patch: [usize; 3], weights: &[f32]) {
        let (classes, width) = (self.classes, self.size[2]);
        let depth = corner[0] - self.first;
        self.planes.make_contiguous()[depth..depth + patch[0]].par_iter_mut().enumerate().for_each(
            |(z, plane)| {
                let mut shares = vec![0.0_f32; classes];
                for y in 0..patch[1] {
                    for x in 0..patch[2] {
                        let from = (z * patch[1] + y) * patch[2] + x;
                        let weight = weights[from];
                        softmax(&logits[from * classes..][..classes], &mut shares);
                        let to = (corner[1] + y) * width + corner[2] + x;
                        plane.weights[to] += weight;
                        for (sum, share) in plane.values[to * classes..][..classes].iter_mut().zip(&shares) {
                            *sum += weight * share;
                        }
                    }
                }
            },
        );
    }

    fn add_background(&mut self, corner: [usize; 3], patch: [usize; 3], weights: &[f32]) {
        let depth = corner[0] - self.first;
        for z in 0..patch[0] {
            let plane = &mut self.planes[depth + z];
            for y in 0..patch[1] {
                for x in 0..patch[2] {
                    let weight = weights[(z * patch[1] + y) * patch[2] + x];
                    let to = (corner[1] + y) * self.size[2] + corner[2] + x;
                    plane.weights[to] += weight;
                    plane.values[to * self.classes] += weight;
                }
            }
        }
    }

    /// Takes the first plane out as probabilities `[y][x][class]`; a fresh one follows at the end.
    fn finish_plane(&mut self) -> Vec<f32> {
        self.first += 1;
        let area = self.size[1] * self.size[2];
        let fresh = Plane { values: vec![0.0; area * self.classes], weights: vec![0.0; area] };
        let Some(mut plane) = self.planes.pop_front() else { return fresh.values };
        self.planes.push_back(fresh);
        for (voxel, weight) in plane.values.chunks_exact_mut(self.classes).zip(&plane.weights) {
            voxel.iter_mut().for_each(|value| *value /= weight.max(f32::MIN_POSITIVE));
        }
        plane.values
    }
}

fn softmax(logits: &[f32], shares: &mut [f32]) {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for (share, logit) in shares.iter_mut().zip(logits) {
        // Below exp(-20) nothing is left of a share in half precision.
        let below = logit - top;
        *share = if below < -20.0 { 0.0 } else { below.exp() };
        total += *share;
    }
    shares.iter_mut().for_each(|share| *share /= total);
}

/// The finished probabilities, with their layer of background.
struct Output {
    probabilities: Probabilities,
    /// Voxels of background before the image's first, (z, y, x).
    layer: [usize; 3],
    shift: [usize; 3],
    image_size: [usize; 3],
}

impl Output {
    fn new(image: &ModelImage, classes: usize, shift: [usize; 3]) -> Self {
        let [nx, ny, nz] = image.grid.dims();
        let grid = [nz, ny, nx];
        let layer = image.low.map(|low| usize::from(low > 0));
        let after = [0, 1, 2].map(|axis| usize::from(image.low[axis] + image.size[axis] < grid[axis]));
        let size = [0, 1, 2].map(|axis| image.size[axis] + layer[axis] + after[axis]);
        let mut values = vec![f16::ZERO; size.iter().product::<usize>() * classes];
        values.iter_mut().step_by(classes).for_each(|background| *background = f16::ONE);
        let low = [0, 1, 2].map(|axis| image.low[axis] - layer[axis]);
        Self {
            probabilities: Probabilities { low, size, classes, values },
            layer,
            shift,
            image_size: image.size,
        }
    }

    /// Takes over plane `z` of the padded image.
    fn take(&mut self, z: usize, plane: &[f32], padded: [usize; 3]) {
        let Some(z) = z.checked_sub(self.shift[0]).filter(|z| *z < self.image_size[0]) else { return };
        let (classes, size) = (self.probabilities.classes, self.probabilities.size);
        for y in 0..self.image_size[1] {
            let from = ((y + self.shift[1]) * padded[2] + self.shift[2]) * classes;
            let to = ((z + self.layer[0]) * size[1] + y + self.layer[1]) * size[2] + self.layer[2];
            let width = self.image_size[2] * classes;
            for (value, share) in
                self.probabilities.values[to * classes..][..width].iter_mut().zip(&plane[from..from + width])
            {
                *value = f16::from_f32(*share);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_the_image_evenly() {
        assert_eq!(starts(40, 48, 0.5), [0]);
        assert_eq!(starts(48, 48, 0.5), [0]);
        assert_eq!(starts(49, 48, 0.5), [0, 1]);
        // (125 - 48) / 24 = 3.2: five windows 19.25 apart, 38.5 rounds to even.
        assert_eq!(starts(125, 48, 0.5), [0, 19, 38, 58, 77]);
    }

    #[test]
    fn the_weight_is_one_in_the_middle_and_never_zero() {
        let weights = gaussian([3, 5, 7], 0.125);
        assert_eq!(weights.len(), 105);
        assert!((weights[52] - 1.0).abs() < 1e-6);
        assert!((weights[0] - 1e-3).abs() < 1e-9);
    }

    #[test]
    fn swapped_classes_change_places_at_every_voxel() {
        let mut values: Vec<f32> = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0].to_vec();
        swap_classes(&mut values, 5, &[[1, 4], [2, 3]]);
        assert_eq!(values, [0.0, 4.0, 3.0, 2.0, 1.0, 5.0, 9.0, 8.0, 7.0, 6.0]);
    }

    #[test]
    fn mirroring_twice_is_the_identity() {
        let values: Vec<f32> = (0..2 * 3 * 4 * 2).map(|n| f32::from(u8::try_from(n).unwrap())).collect();
        let once = flipped(&values, [2, 3, 4], 2, [true, false, true]);
        assert_ne!(once, values);
        assert_eq!(flipped(&once, [2, 3, 4], 2, [true, false, true]), values);
    }
}
