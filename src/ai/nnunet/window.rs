//! The sliding window: tiles, mirroring, and the weighted mean of the logits.
//!
//! Logits are summed in single precision (nnunetv2 sums them in half precision; its label maps
//! differ from ours in a handful of voxels for it). A plane leaves the sum as soon as no later tile
//! covers it: memory is bounded by the depth of a patch, whatever the image's.

use super::export::Export;
use super::gaussian::gaussian;
use super::tiles::Layout;
pub use super::tiles::starts;
use crate::ai::engine::{Engine, EngineError};
use crate::ai::labelled;
use crate::ai::mirror;
use crate::ai::tiling::{self, Seen};
use crate::progress::{Cancelled, Progress};

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
    /// Pairs of classes that change places where the patch's last side is mirrored (organs of left and
    /// right); nnU-Net has none.
    pub mirror_swaps: &'a [[usize; 2]],
    /// What the network gives for each voxel.
    pub classes: usize,
    /// Leaves out patches for which it is false; `None` runs all, as nnU-Net does. What no patch
    /// covers becomes background.
    pub needed: Option<Needed<'a>>,
    /// Whether the first class is background (no: regions).
    pub background: bool,
}

impl Window<'_> {
    /// Bytes that [`run`] holds at most for an input of `size`: the running sum, a tile and its
    /// logits, twice where it is mirrored. What the network itself needs comes on top.
    #[must_use]
    pub fn peak_bytes(&self, size: [usize; 3], channels: usize) -> usize {
        let depth = if self.patch.len() == 3 { self.patch[0] } else { 1 };
        let sums = (depth + 1) * size[1] * size[2] * (self.classes + 1);
        let images = if self.mirror_axes.is_empty() { 1 } else { 2 };
        let tile = self.patch.iter().product::<usize>() * images * (channels + self.classes);
        (sums + tile) * size_of::<f32>()
    }
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
    let job = Job::of(input, size, window)?;
    let layout = &job.layout;
    let mut networks = Mirrored { layout, forward: |tile: &[f32]| forward(tile, layout.patch) };
    tiling::on_host(&mut networks, &job.source(input, window), &mut take, &mut 0, progress)
}

/// As [`run`], with an engine's networks: on a graphics device mirror images, folds and the running sum
/// stay there.
///
/// # Errors
/// Those of [`run`].
pub fn run_on<E: From<EngineError>>(
    engine: &mut Engine,
    input: &[f32],
    size: [usize; 3],
    window: Window<'_>,
    mut take: impl FnMut(usize, &[f32]) -> Result<(), E>,
    progress: &Progress,
) -> Result<(), WindowError<E>> {
    let job = Job::of(input, size, window)?;
    tiling::run(engine, &job.source(input, window), &mut take, progress)
}

/// As [`run_on`], where nothing but the labels of the export's image is wanted, `[z][y][x]`: the logits
/// stay on the graphics device. `None` where the engine's device is not for that; nothing has run then.
///
/// # Errors
/// Those of [`run`].
pub(in crate::ai) fn labels_on<E: From<EngineError>>(
    engine: &mut Engine,
    input: &[f32],
    size: [usize; 3],
    window: Window<'_>,
    export: &Export,
    progress: &Progress,
) -> Result<Option<Vec<u16>>, WindowError<E>> {
    let job = Job::of(input, size, window)?;
    labelled::run(engine, &job.source(input, window), export, progress)
}

/// Where tiles lie, and their weights.
struct Job {
    layout: Layout,
    weights: Vec<f32>,
}

impl Job {
    fn of<E>(input: &[f32], size: [usize; 3], window: Window<'_>) -> Result<Self, WindowError<E>> {
        let layout = Layout::new(input, size, &window)?;
        Ok(Self { weights: gaussian(layout.patch), layout })
    }

    fn source<'a>(&'a self, input: &'a [f32], window: Window<'a>) -> tiling::Tiles<'a> {
        let cut = move |corner: [usize; 3], tile: &mut Vec<f32>| {
            let (low, part) = self.layout.part(corner);
            if window.needed.is_some_and(|needed| !needed(low, part)) {
                return Seen::Nothing;
            }
            self.layout.cut(input, corner, 0.0, tile);
            Seen::Needed
        };
        tiling::Tiles {
            layout: &self.layout,
            weights: &self.weights,
            is_softmax: false,
            is_background: window.background,
            cut: Box::new(cut),
        }
    }
}

/// A network given as a function.
struct Mirrored<'a, F> {
    layout: &'a Layout,
    forward: F,
}

impl<E, F: FnMut(&[f32]) -> Result<Vec<f32>, E>> tiling::Networks<E> for Mirrored<'_, F> {
    fn push(&mut self, tile: &[f32], progress: &Progress) -> Result<Option<Vec<f32>>, WindowError<E>> {
        let Layout { patch, classes, ref mirrors, .. } = *self.layout;
        let mut run = |tile: &[f32]| -> Result<Vec<f32>, WindowError<E>> {
            let logits = (self.forward)(tile).map_err(WindowError::Forward)?;
            if logits.len() == patch.iter().product::<usize>() * classes {
                Ok(logits)
            } else {
                Err(WindowError::Plan("the network gives another number of logits"))
            }
        };
        mirror::averaged(tile, patch, classes, mirrors, &mut run, progress).map(Some)
    }

    fn rest(&mut self, _: &Progress) -> Result<Option<Vec<f32>>, WindowError<E>> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window<'a>(patch: &'a [usize], mirror_axes: &'a [usize]) -> Window<'a> {
        Window {
            patch,
            step: 0.5,
            mirror_axes,
            mirror_swaps: &[],
            classes: 1,
            needed: None,
            background: true,
        }
    }

    /// The logits `[z][y][x]` and the tiles of a network.
    fn logits(
        input: &[f32],
        size: [usize; 3],
        window: Window<'_>,
        mut network: impl FnMut(&[f32]) -> Vec<f32>,
    ) -> (Vec<f32>, Vec<Vec<f32>>) {
        let (mut planes, mut tiles) = (Vec::new(), Vec::new());
        let forward = |tile: &[f32], _: [usize; 3]| {
            tiles.push(tile.to_vec());
            Ok::<_, ()>(network(tile))
        };
        let take = |z, plane: &[f32]| {
            assert_eq!(z * plane.len(), planes.len());
            planes.extend_from_slice(plane);
            Ok(())
        };
        run(input, size, window, forward, take, &Progress::new()).unwrap();
        (planes, tiles)
    }

    #[test]
    fn tiles_are_weighed_by_the_gaussian() {
        let mut tile = -1.0;
        let network = |values: &[f32]| {
            tile += 1.0;
            vec![tile; values.len()]
        };
        let (logits, tiles) = logits(&[1.0, 2.0, 3.0, 4.0, 5.0], [1, 1, 5], window(&[1, 1, 4], &[]), network);
        assert_eq!(tiles, [[1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0]]);
        let weights = gaussian([1, 1, 4]);
        let shared = |at: usize| weights[at - 1] / (weights[at] + weights[at - 1]);
        assert_eq!(logits, [0.0, shared(1), shared(2), shared(3), 1.0]);
    }

    #[test]
    fn zeros_surround_what_is_smaller_the_odd_one_above() {
        let input = [1.0, 2.0, 3.0];
        let (logits, tiles) = logits(&input, [1, 1, 3], window(&[1, 2, 6], &[]), <[f32]>::to_vec);
        assert_eq!(tiles, [[0.0, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]);
        assert_eq!(logits, input);
    }

    #[test]
    fn a_flat_network_runs_slice_by_slice() {
        let input: Vec<f32> = (0..12).map(|n: u8| f32::from(n)).collect();
        let (logits, tiles) = logits(&input, [3, 2, 2], window(&[2, 2], &[0]), <[f32]>::to_vec);
        // Each slice, and its mirror image along y.
        assert_eq!(tiles.len(), 6);
        assert_eq!(tiles[..2], [[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 0.0, 1.0]]);
        assert_eq!(logits, input);
    }

    #[test]
    fn mirror_images_are_averaged_over_all_axes() {
        // A network that adds a ramp: its mean over the mirror images is flat.
        let ramp = |tile: &[f32]| tile.iter().enumerate().map(|(at, value)| value + at as f32).collect();
        let input = [0.0; 8];
        assert_eq!(logits(&input, [2, 2, 2], window(&[2, 2, 2], &[0, 1, 2]), ramp).0, [3.5; 8]);
        let (one, tiles) = logits(&input, [2, 2, 2], window(&[2, 2, 2], &[1]), ramp);
        assert_eq!(one, [1.0, 2.0, 1.0, 2.0, 5.0, 6.0, 5.0, 6.0]);
        assert_eq!(tiles.len(), 2);
    }

    #[test]
    fn memory_is_bounded_by_the_patchs_depth() {
        let plan = Window { classes: 117, ..window(&[128, 128, 128], &[]) };
        let bytes = |depth| plan.peak_bytes([depth, 100, 100], 1);
        assert_eq!(bytes(200), bytes(2000));
        assert_eq!(bytes(200), 4 * (129 * 10_000 * 118 + 128 * 128 * 128 * 118));
    }

    #[test]
    fn what_is_not_needed_is_background() {
        let needed = |low: [usize; 3], size: [usize; 3]| {
            assert_eq!((low[1], size), (0, [1, 1, 2]));
            low[2] >= 2
        };
        let plan = Window { classes: 2, needed: Some(&needed), ..window(&[1, 1, 2], &[]) };
        let (logits, tiles) = logits(&[1.0; 4], [1, 1, 4], plan, |tile| tile.repeat(2));
        assert_eq!(tiles.len(), 1);
        assert_eq!(logits, [0.0, -100.0, 0.0, -100.0, 1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn channels_stay_together_and_errors_end_it() {
        let input: Vec<f32> = (0..8).map(|n: u8| f32::from(n)).collect();
        let (_, tiles) = logits(&input, [1, 2, 2], window(&[1, 1, 2], &[]), |tile| tile[..2].to_vec());
        assert_eq!(tiles[0], [0.0, 1.0, 4.0, 5.0]);
        let try_run = |window: Window<'_>, progress: &Progress| {
            run(&[0.0; 4], [1, 2, 2], window, |_, _| Err("no network"), |_, _| Ok(()), progress)
        };
        assert_eq!(
            try_run(window(&[1, 2, 2], &[]), &Progress::new()),
            Err(WindowError::Forward("no network"))
        );
        assert!(matches!(try_run(window(&[2], &[]), &Progress::new()), Err(WindowError::Plan(_))));
        assert!(matches!(try_run(window(&[2, 2], &[2]), &Progress::new()), Err(WindowError::Plan(_))));
        let swapped = Window { mirror_swaps: &[[0, 1]], ..window(&[2, 2], &[1]) };
        assert!(matches!(try_run(swapped, &Progress::new()), Err(WindowError::Plan(_))));
        let stopped = Progress::new();
        stopped.cancel();
        assert_eq!(try_run(window(&[1, 2, 2], &[]), &stopped), Err(WindowError::Cancelled));
    }
}
