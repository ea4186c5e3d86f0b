//! The sliding window: tiles, mirroring, and the weighted mean of the logits.
//!
//! Logits are summed in single precision (nnunetv2 sums them in half precision; its label maps
//! differ from ours in a handful of voxels for it). A plane leaves the sum as soon as no later tile
//! covers it: memory is bounded by the depth of a patch, whatever the image's.

use super::gaussian::gaussian;
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;
use std::collections::VecDeque;

/// The logit of what no patch has looked at: nothing is left of it in a softmax or sigmoid.
const NEVER: f32 = -100.0;

/// Whether a patch is worth looking at, by its part of the input: first voxel and size, (z, y, x).
pub type Needed<'a> = &'a dyn Fn([usize; 3], [usize; 3]) -> bool;

/// How the window runs.
#[derive(Clone, Copy)]
pub struct Window<'a> {
    /// The configuration's `patch_size`: three sides (z, y, x), or the two (y, x) of a 2D network,
    /// which runs slice by slice.
    pub patch: &'a [usize],
    /// Distance of neighbouring tiles as a share of the patch, above 0 and at most 1; nnU-Net's
    /// default is 0.5.
    pub step: f64,
    /// The axes to mirror, as in a checkpoint: 0 is the patch's first side.
    pub mirror_axes: &'a [usize],
    /// What the network gives for each voxel.
    pub classes: usize,
    /// Leaves out patches for which it is false; `None` runs all, as nnU-Net does. What no patch
    /// covers becomes background.
    pub needed: Option<Needed<'a>>,
    /// Whether the first class is background (no: regions).
    pub background: bool,
}

/// Why the window stopped.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError<E> {
    /// Someone asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// Sizes, patch or axes that do not belong together.
    #[error("the sliding window cannot run: {0}")]
    Plan(&'static str),
    /// The network failed, or who takes the logits.
    #[error(transparent)]
    Forward(E),
}

impl<E> From<Cancelled> for WindowError<E> {
    fn from(Cancelled: Cancelled) -> Self {
        Self::Cancelled
    }
}

/// First voxels of the tiles along an axis: evenly spread, `step` of a patch apart at most, halves
/// rounded to even. One tile where the patch covers `size`.
#[must_use]
pub fn starts(size: usize, patch: usize, step: f64) -> Vec<usize> {
    if size <= patch {
        return vec![0];
    }
    let room = (size - patch) as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, at most the size")]
    {
        let steps = (room / (patch as f64 * step)).ceil();
        (0..=steps as usize).map(|i| (room / steps * i as f64).round_ties_even() as usize).collect()
    }
}

/// Runs a network over an input `[channel][z][y][x]` of `size`, and hands the logits over plane by
/// plane.
///
/// Where the input is smaller than the patch, zeros surround it, the odd voxel above.
///
/// `forward` takes a patch `[channel][z][y][x]` and its size (a 2D network's is 1 voxel deep) and
/// gives logits `[z][y][x][class]`. An ensemble's folds are averaged in there: the mean of the folds'
/// weighted means is the weighted mean of their means.
///
/// `take` gets each plane's index along the first axis, 0 first, and its logits `[y][x][class]`
/// without padding.
///
/// # Errors
/// [`WindowError`] when the network or `take` fails, sizes do not match, or someone asked to stop
/// (looked for at each patch and mirror image).
pub fn run<E>(
    input: &[f32],
    size: [usize; 3],
    window: Window<'_>,
    mut forward: impl FnMut(&[f32], [usize; 3]) -> Result<Vec<f32>, E>,
    mut take: impl FnMut(usize, &[f32]) -> Result<(), E>,
    progress: &Progress,
) -> Result<(), WindowError<E>> {
    let layout = Layout::new(input, size, &window)?;
    let weights = gaussian(layout.patch);
    let mut sum = RunningSum::new(&layout);
    let mut buffer = Vec::new();
    let [starts_z, starts_y, starts_x] = &layout.starts;
    let tiles = starts_z.len() * starts_y.len() * starts_x.len();
    let mut tile = 0_usize;
    for (index, z) in starts_z.iter().enumerate() {
        for (y, x) in starts_y.iter().flat_map(|y| starts_x.iter().map(move |x| (y, x))) {
            progress.set_fraction(tile as f64 / tiles as f64)?;
            tile += 1;
            let corner = [*z, *y, *x];
            let (low, part) = layout.part(corner);
            if window.needed.is_some_and(|needed| !needed(low, part)) {
                continue;
            }
            layout.cut(input, corner, &mut buffer);
            let logits = mirrored(&buffer, &layout, &mut forward, progress)?;
            sum.add(&logits, corner, &weights);
        }
        let end = starts_z.get(index + 1).copied().unwrap_or(layout.padded[0]);
        for plane in sum.first..end {
            let logits = sum.finish_plane(window.background);
            if let Some(z) = plane.checked_sub(layout.shift[0]).filter(|z| *z < size[0]) {
                take(z, &logits).map_err(WindowError::Forward)?;
            }
        }
    }
    progress.set_fraction(1.0)?;
    Ok(())
}

/// Where tiles and input lie in the padded input.
struct Layout {
    size: [usize; 3],
    channels: usize,
    classes: usize,
    patch: [usize; 3],
    padded: [usize; 3],
    /// Voxels of padding before the input.
    shift: [usize; 3],
    starts: [Vec<usize>; 3],
    /// Which axes to turn, once for each mirror image; the first turns none.
    flips: Vec<[bool; 3]>,
}

impl Layout {
    fn new<E>(input: &[f32], size: [usize; 3], window: &Window<'_>) -> Result<Self, WindowError<E>> {
        let patch = match *window.patch {
            [z, y, x] => [z, y, x],
            [y, x] => [1, y, x],
            _ => return Err(WindowError::Plan("a patch has two or three sides")),
        };
        let voxels: usize = size.iter().product();
        if voxels == 0 || input.is_empty() || !input.len().is_multiple_of(voxels) {
            return Err(WindowError::Plan("the input is not of its size"));
        }
        if patch.contains(&0) || window.classes == 0 || !(window.step > 0.0 && window.step <= 1.0) {
            return Err(WindowError::Plan("patch, classes and step are above 0, the step at most 1"));
        }
        // A 2D network's axes are the last two.
        let offset = 3 - window.patch.len();
        let axes: Vec<usize> = window.mirror_axes.iter().map(|axis| axis + offset).collect();
        if axes.iter().any(|axis| *axis > 2) || (1..axes.len()).any(|n| axes[..n].contains(&axes[n])) {
            return Err(WindowError::Plan("the axes to mirror are not the patch's"));
        }
        let flips = (0..1_usize << axes.len()).map(|combination| {
            let turned = |axis| {
                axes.iter().position(|other| *other == axis).is_some_and(|bit| combination >> bit & 1 == 1)
            };
            [turned(0), turned(1), turned(2)]
        });
        let padded: [usize; 3] = std::array::from_fn(|axis| size[axis].max(patch[axis]));
        let starts = std::array::from_fn(|axis| {
            if axis < offset {
                (0..size[axis]).collect()
            } else {
                starts(padded[axis], patch[axis], window.step)
            }
        });
        Ok(Self {
            size,
            channels: input.len() / voxels,
            classes: window.classes,
            patch,
            padded,
            shift: std::array::from_fn(|axis| (padded[axis] - size[axis]) / 2),
            starts,
            flips: flips.collect(),
        })
    }

    /// The part of the input that a tile covers: first voxel and size.
    fn part(&self, corner: [usize; 3]) -> ([usize; 3], [usize; 3]) {
        let low: [usize; 3] = std::array::from_fn(|axis| corner[axis].saturating_sub(self.shift[axis]));
        let end: [usize; 3] = std::array::from_fn(|axis| {
            (corner[axis] + self.patch[axis]).saturating_sub(self.shift[axis]).min(self.size[axis])
        });
        (low, std::array::from_fn(|axis| end[axis].saturating_sub(low[axis])))
    }

    /// Cuts a tile out of the input, zeros around it.
    fn cut(&self, input: &[f32], corner: [usize; 3], tile: &mut Vec<f32>) {
        let [_, ny, nx] = self.size;
        let (low, part) = self.part(corner);
        let into: [usize; 3] = std::array::from_fn(|axis| low[axis] + self.shift[axis] - corner[axis]);
        tile.clear();
        tile.resize(self.channels * self.patch.iter().product::<usize>(), 0.0);
        for channel in 0..self.channels {
            for z in 0..part[0] {
                for y in 0..part[1] {
                    let from = ((channel * self.size[0] + low[0] + z) * ny + low[1] + y) * nx + low[2];
                    let to = ((channel * self.patch[0] + into[0] + z) * self.patch[1] + into[1] + y)
                        * self.patch[2];
                    tile[to + into[2]..to + into[2] + part[2]].copy_from_slice(&input[from..from + part[2]]);
                }
            }
        }
    }
}

/// The logits of a tile, averaged over its mirror images turned back.
fn mirrored<E>(
    tile: &[f32],
    layout: &Layout,
    forward: &mut impl FnMut(&[f32], [usize; 3]) -> Result<Vec<f32>, E>,
    progress: &Progress,
) -> Result<Vec<f32>, WindowError<E>> {
    let patch = layout.patch;
    let mut run = |tile: &[f32]| -> Result<Vec<f32>, WindowError<E>> {
        let logits = forward(tile, patch).map_err(WindowError::Forward)?;
        if logits.len() == patch.iter().product::<usize>() * layout.classes {
            Ok(logits)
        } else {
            Err(WindowError::Plan("the network gives another number of logits"))
        }
    };
    let mut total = run(tile)?;
    for flip in &layout.flips[1..] {
        progress.check()?;
        let mut turned = vec![0.0; tile.len()];
        for (to, from) in turned
            .chunks_exact_mut(tile.len() / layout.channels)
            .zip(tile.chunks_exact(tile.len() / layout.channels))
        {
            add_flipped(to, from, patch, 1, *flip);
        }
        add_flipped(&mut total, &run(&turned)?, patch, layout.classes, *flip);
    }
    if layout.flips.len() > 1 {
        let share = layout.flips.len() as f32;
        total.par_iter_mut().for_each(|logit| *logit /= share);
    }
    Ok(total)
}

/// Adds `from` `[z][y][x][values]`, turned along the axes of `flip`, to `to`.
fn add_flipped(to: &mut [f32], from: &[f32], [nz, ny, nx]: [usize; 3], values: usize, flip: [bool; 3]) {
    let turn = |at: usize, n: usize, flip: bool| if flip { n - 1 - at } else { at };
    to.par_chunks_exact_mut(nx * values).enumerate().for_each(|(row, to)| {
        let (z, y) = (turn(row / ny, nz, flip[0]), turn(row % ny, ny, flip[1]));
        let from = &from[(z * ny + y) * nx * values..][..nx * values];
        for (x, to) in to.chunks_exact_mut(values).enumerate() {
            let from = &from[turn(x, nx, flip[2]) * values..][..values];
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        }
    });
}

/// Weighted sums of as many planes as a tile is deep.
struct RunningSum {
    /// The plane of the padded input that comes out next.
    first: usize,
    size: [usize; 3],
    shift: [usize; 3],
    patch: [usize; 3],
    classes: usize,
    planes: VecDeque<Sums>,
}

/// Sums over the input's own voxels of a plane, padding left out.
#[derive(Clone)]
struct Sums {
    values: Vec<f32>,
    weights: Vec<f32>,
}

impl RunningSum {
    fn new(layout: &Layout) -> Self {
        let area = layout.size[1] * layout.size[2];
        let plane = Sums { values: vec![0.0; area * layout.classes], weights: vec![0.0; area] };
        Self {
            first: 0,
            size: layout.size,
            shift: layout.shift,
            patch: layout.patch,
            classes: layout.classes,
            planes: vec![plane; layout.patch[0]].into(),
        }
    }

    fn add(&mut self, logits: &[f32], corner: [usize; 3], weights: &[f32]) {
        let (classes, [_, patch_y, patch_x]) = (self.classes, self.patch);
        let ([_, ny, nx], shift) = (self.size, self.shift);
        // The tile's rows and columns that lie on the input.
        let inside = |corner: usize, side: usize, shift: usize, n: usize| {
            let first = shift.saturating_sub(corner);
            first..(shift + n).saturating_sub(corner).min(side).max(first)
        };
        let rows = inside(corner[1], patch_y, shift[1], ny);
        let columns = inside(corner[2], patch_x, shift[2], nx);
        // Planes before the tile have left: its first is the first here.
        debug_assert_eq!(corner[0], self.first);
        self.planes.make_contiguous().par_iter_mut().enumerate().for_each(|(z, plane)| {
            for y in rows.clone() {
                for x in columns.clone() {
                    let from = (z * patch_y + y) * patch_x + x;
                    let to = (corner[1] + y - shift[1]) * nx + corner[2] + x - shift[2];
                    let weight = weights[from];
                    plane.weights[to] += weight;
                    let logits = &logits[from * classes..][..classes];
                    for (sum, logit) in plane.values[to * classes..][..classes].iter_mut().zip(logits) {
                        *sum += weight * logit;
                    }
                }
            }
        });
    }

    /// Takes the first plane out as logits `[y][x][class]`; a fresh one follows at the end.
    fn finish_plane(&mut self, background: bool) -> Vec<f32> {
        self.first += 1;
        let area = self.size[1] * self.size[2];
        let fresh = Sums { values: vec![0.0; area * self.classes], weights: vec![0.0; area] };
        let mut plane = self.planes.pop_front().unwrap_or_else(|| fresh.clone());
        self.planes.push_back(fresh);
        for (voxel, weight) in plane.values.chunks_exact_mut(self.classes).zip(&plane.weights) {
            if *weight > 0.0 {
                voxel.iter_mut().for_each(|value| *value /= weight);
            } else {
                voxel.fill(NEVER);
                voxel[0] = if background { 0.0 } else { NEVER };
            }
        }
        plane.values
    }
}
