//! The tiles of a sliding window, one after another, over either kind of device.
//!
//! On the CPU, and on a graphics device that has no room for the running sum, tiles' logits come back
//! one by one (the next tile is begun before the last one is waited for). Else they are added up on the
//! graphics device, and what comes back is each plane once, when no further tile reaches it (or only its
//! labels: [`labelled`](super::labelled)). Should the device fail, the planes that were not handed over are
//! computed anew: on the CPU, or once more on the device where it only lacked memory.

use super::engine::{Engine, EngineError, Started, SumError};
use super::gpu::{DeviceSum, SumPlan, Tile};
use super::nnunet::sum::{Coverage, Covered, RunningSum};
use super::nnunet::tiles::Layout;
use super::nnunet::window::WindowError;
use crate::progress::{Cancelled, Progress};
use std::collections::VecDeque;

/// What a tile's voxels hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Something to look at.
    Needed,
    /// Nothing: it counts as background.
    Background,
    /// Nothing: it does not count.
    Nothing,
}

/// Cuts the tile at a corner of the padded input, `[channel][z][y][x]`.
pub(super) type Cut<'a> = Box<dyn Fn([usize; 3], &mut Vec<f32>) -> Seen + 'a>;

/// A window's tiles.
pub(super) struct Tiles<'a> {
    /// Where they lie.
    pub layout: &'a Layout,
    /// What each of a tile's voxels counts.
    pub weights: &'a [f32],
    /// Whether probabilities (softmax) are averaged, in place of logits.
    pub is_softmax: bool,
    /// Whether the first class is background.
    pub is_background: bool,
    /// Their voxels.
    pub cut: Cut<'a>,
}

impl Tiles<'_> {
    /// What is to be summed: the tiles that reach plane `first` of the padded input and those above.
    pub(super) fn sum_plan(&self, first: usize) -> SumPlan<'_> {
        let starts = &self.layout.starts[0];
        let below = starts.iter().take_while(|start| **start + self.layout.patch[0] <= first).count();
        SumPlan {
            size: self.layout.size,
            shift: self.layout.shift,
            patch: self.layout.patch,
            starts_z: &starts[below..],
            classes: self.layout.classes,
            weights: self.weights,
            is_softmax: self.is_softmax,
        }
    }

    /// The layers of tiles that reach plane `first` of the padded input and those above: each one's
    /// first plane and the end of what it finishes.
    pub(super) fn layers(&self, first: usize) -> impl Iterator<Item = (usize, usize)> {
        let starts = &self.layout.starts[0];
        let ends = starts.iter().skip(1).copied().chain([self.layout.padded[0]]);
        let depth = self.layout.patch[0];
        starts.iter().copied().zip(ends).filter(move |(start, _)| start + depth > first)
    }

    /// The corners of a layer's tiles.
    pub(super) fn corners(&self, z: usize) -> impl Iterator<Item = [usize; 3]> {
        let [_, starts_y, starts_x] = &self.layout.starts;
        starts_y.iter().flat_map(move |y| starts_x.iter().map(move |x| [z, *y, *x]))
    }

    /// Tells that a tile's turn has come; gives its part of the work.
    fn begin(&self, corner: [usize; 3], progress: &Progress) -> Result<Progress, Cancelled> {
        let at = |axis: usize| self.layout.starts[axis].iter().position(|start| *start == corner[axis]);
        let [z, y, x] = [0, 1, 2].map(|axis| at(axis).unwrap_or(0));
        let [nz, ny, nx] = [0, 1, 2].map(|axis| self.layout.starts[axis].len());
        let (done, all) = ((z * ny + y) * nx + x, nz * ny * nx);
        progress.set_fraction(done as f64 / all as f64)?;
        progress.set_step(format!("Contouring, part {} of {all}", done + 1));
        Ok(progress.part(done as f64 / all as f64, (done + 1) as f64 / all as f64))
    }

    /// Hands over a plane of the padded input, if it is one of the input's own that was not handed over
    /// before, and moves `next` behind it.
    fn hand_over<E>(
        &self,
        plane: usize,
        values: &[f32],
        take: Take<'_, E>,
        next: &mut usize,
    ) -> Result<(), WindowError<E>> {
        if plane < *next {
            return Ok(());
        }
        if let Some(z) = plane.checked_sub(self.layout.shift[0]).filter(|z| *z < self.layout.size[0]) {
            take(z, values).map_err(WindowError::Forward)?;
        }
        *next = plane + 1;
        Ok(())
    }
}

/// Gets the index of a plane of the input, and its means `[y][x][class]`.
pub(super) type Take<'a, E> = &'a mut dyn FnMut(usize, &[f32]) -> Result<(), E>;

/// Networks whose logits come back tile by tile.
pub(super) trait Networks<E> {
    /// Takes a tile; gives the logits of the tile before, or of this one, when they are there.
    fn push(&mut self, tile: &[f32], progress: &Progress) -> Result<Option<Vec<f32>>, WindowError<E>>;

    /// The logits of the oldest tile that was pushed and has not come back; `None` when there is none.
    fn rest(&mut self, progress: &Progress) -> Result<Option<Vec<f32>>, WindowError<E>>;
}

/// An engine's networks, one tile ahead.
struct Ahead<'a> {
    engine: &'a mut Engine,
    layout: &'a Layout,
    under_way: Option<Started>,
}

impl<E: From<EngineError>> Networks<E> for Ahead<'_> {
    fn push(&mut self, tile: &[f32], progress: &Progress) -> Result<Option<Vec<f32>>, WindowError<E>> {
        let Layout { patch, ref mirrors, .. } = *self.layout;
        let started = self.engine.start(tile, patch, mirrors, progress).map_err(of_engine)?;
        // On the CPU a tile is done by now: held back, its logits would lie beside the next tile's.
        let started = match (started, &self.under_way) {
            (Started::Cpu(logits), None) => return Ok(Some(logits)),
            (started, _) => started,
        };
        let before = self.under_way.replace(started);
        before.map(|before| self.engine.collect(before, progress).map_err(of_engine)).transpose()
    }

    fn rest(&mut self, progress: &Progress) -> Result<Option<Vec<f32>>, WindowError<E>> {
        let last = self.under_way.take();
        last.map(|last| self.engine.collect(last, progress).map_err(of_engine)).transpose()
    }
}

fn of_engine<E: From<EngineError>>(error: EngineError) -> WindowError<E> {
    match error {
        EngineError::Cancelled(_) => WindowError::Cancelled,
        other @ (EngineError::NoGpu(_) | EngineError::Memory { .. }) => WindowError::Forward(other.into()),
    }
}

/// Runs an engine's networks over the tiles, and hands the means over plane by plane.
///
/// # Errors
/// [`WindowError`] when the engine or `take` fails, or someone asked to stop.
pub(super) fn run<E: From<EngineError>>(
    engine: &mut Engine,
    tiles: &Tiles<'_>,
    take: Take<'_, E>,
    progress: &Progress,
) -> Result<(), WindowError<E>> {
    let mut next = 0;
    while let Some(sum) = engine.sum(tiles.sum_plan(next)) {
        let first = next;
        let mut back = ReadBack { tiles, take: &mut *take, next: &mut next };
        if on_device(engine, sum, tiles, &mut back, first, progress)? {
            return Ok(());
        }
    }
    tile_by_tile(engine, tiles, take, &mut next, progress)
}

/// Runs an engine's networks over the tiles that reach plane `next` of the padded input or those above,
/// whose logits come back tile by tile.
///
/// # Errors
/// Those of [`run`].
pub(super) fn tile_by_tile<E: From<EngineError>>(
    engine: &mut Engine,
    tiles: &Tiles<'_>,
    take: Take<'_, E>,
    next: &mut usize,
    progress: &Progress,
) -> Result<(), WindowError<E>> {
    let mut networks = Ahead { engine, layout: tiles.layout, under_way: None };
    on_host(&mut networks, tiles, take, next, progress)
}

/// Runs networks over the tiles that reach plane `next` of the padded input or those above.
///
/// # Errors
/// [`WindowError`] when the networks or `take` fail, or someone asked to stop.
pub(super) fn on_host<E>(
    networks: &mut dyn Networks<E>,
    tiles: &Tiles<'_>,
    take: Take<'_, E>,
    next: &mut usize,
    progress: &Progress,
) -> Result<(), WindowError<E>> {
    let mut buffer = Vec::new();
    let mut sum: Option<RunningSum> = None;
    for (z, end) in tiles.layers(*next) {
        let sum = sum.get_or_insert_with(|| RunningSum::new(tiles.layout, z, tiles.is_softmax));
        let mut waiting = VecDeque::new();
        for corner in tiles.corners(z) {
            let part = tiles.begin(corner, progress)?;
            match (tiles.cut)(corner, &mut buffer) {
                Seen::Nothing => {}
                Seen::Background => sum.coverage.add(corner, tiles.weights, true),
                Seen::Needed => {
                    waiting.push_back(corner);
                    if let Some(logits) = networks.push(&buffer, &part)?
                        && let Some(corner) = waiting.pop_front()
                    {
                        sum.add(&logits, corner, tiles.weights);
                    }
                }
            }
        }
        while let Some(corner) = waiting.pop_front() {
            let Some(logits) = networks.rest(progress)? else { break };
            sum.add(&logits, corner, tiles.weights);
        }
        while sum.coverage.first < end {
            let plane = sum.coverage.first;
            let values = sum.finish_plane(tiles.is_background);
            tiles.hand_over(plane, &values, take, next)?;
        }
    }
    progress.set_fraction(1.0)?;
    Ok(())
}

/// What becomes of the planes of a sum on a device that no further tile reaches.
pub(super) trait Finishing<E> {
    /// Goes on with them: as far as nothing is waited for, or, where it `waits`, with all of them.
    /// `covered` is the coverage of the planes of the padded input, from the first one that this has not
    /// taken out. False when the device failed.
    fn go_on(
        &mut self,
        engine: &mut Engine,
        sum: &mut DeviceSum,
        covered: &mut VecDeque<Covered>,
        waits: bool,
    ) -> Result<bool, WindowError<E>>;
}

/// Runs an engine's networks over the tiles that reach plane `first` of the padded input or those above,
/// with their sum on the device; false when the device failed on the way, and planes are missing.
pub(super) fn on_device<E>(
    engine: &mut Engine,
    mut sum: DeviceSum,
    tiles: &Tiles<'_>,
    finishing: &mut dyn Finishing<E>,
    first: usize,
    progress: &Progress,
) -> Result<bool, WindowError<E>> {
    let layout = tiles.layout;
    let mut buffer = Vec::new();
    let lowest = tiles.layers(first).next().map_or(first, |(z, _)| z);
    let mut coverage = Coverage::new(layout, lowest);
    // The coverage of planes whose sums are not back.
    let mut covered: VecDeque<Covered> = VecDeque::new();
    for (z, end) in tiles.layers(first) {
        // Planes that the layer before has finished come back while this one is computed.
        for corner in tiles.corners(z) {
            let part = tiles.begin(corner, progress)?;
            match (tiles.cut)(corner, &mut buffer) {
                Seen::Nothing => continue,
                Seen::Background => coverage.add(corner, tiles.weights, true),
                Seen::Needed => {
                    let tile = Tile { values: buffer.clone(), size: layout.patch, mirrors: &layout.mirrors };
                    match engine.add(tile, corner, &mut sum, &part) {
                        Ok(()) => coverage.add(corner, tiles.weights, false),
                        Err(SumError::Cancelled) => return Err(WindowError::Cancelled),
                        Err(SumError::Device) => return Ok(false),
                    }
                }
            }
            if !finishing.go_on(engine, &mut sum, &mut covered, false)? {
                return Ok(false);
            }
        }
        if !finishing.go_on(engine, &mut sum, &mut covered, true)? {
            return Ok(false);
        }
        while coverage.first < end {
            covered.push_back(coverage.finish_plane());
        }
        sum.finish(end);
    }
    if !finishing.go_on(engine, &mut sum, &mut covered, true)? {
        return Ok(false);
    }
    progress.set_fraction(1.0)?;
    Ok(true)
}

/// Reads planes back and hands them over.
struct ReadBack<'a, 't, E> {
    tiles: &'a Tiles<'a>,
    take: Take<'t, E>,
    /// The plane of the padded input that is handed over next.
    next: &'t mut usize,
}

impl<E> Finishing<E> for ReadBack<'_, '_, E> {
    fn go_on(
        &mut self,
        engine: &mut Engine,
        sum: &mut DeviceSum,
        covered: &mut VecDeque<Covered>,
        waits: bool,
    ) -> Result<bool, WindowError<E>> {
        let classes = self.tiles.layout.classes;
        loop {
            let (planes, mut values) = match engine.take(sum, waits) {
                Ok(Some(back)) => back,
                Ok(None) => return Ok(true),
                Err(_) => return Ok(false),
            };
            let length = values.len() / planes.len().max(1);
            for (plane, values) in planes.zip(values.chunks_exact_mut(length.max(1))) {
                covered.pop_front().unwrap_or_default().mean(values, classes, self.tiles.is_background);
                self.tiles.hand_over(plane, values, &mut *self.take, self.next)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::Engine;
    use super::super::mirror::Mirrors;
    use super::super::network::{Architecture, Network};
    use super::super::nnunet::window::Window;
    use super::*;
    use crate::device::DeviceChoice;

    /// Two folds of a small network.
    fn networks() -> Vec<Network> {
        let shape = Architecture::plain(2, vec![4, 6], vec![[1; 3], [2, 2, 2]], vec![[3; 3]; 2], 1, 3);
        [1, 2].map(|seed| Network::random(shape.clone(), seed).unwrap()).into()
    }

    const SIZE: [usize; 3] = [7, 18, 7];

    /// Runs a test on one thread: its pieces are too small to be worth handing around.
    fn alone(test: impl FnOnce() + Send) {
        rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(test);
    }

    /// The means over an image that is larger than the patch along z and y and smaller along x, with a
    /// tile that is left out.
    fn means(engine: &mut Engine, is_softmax: bool, left_out: Seen) -> Vec<f32> {
        let input: Vec<f32> =
            (0..2 * SIZE.iter().product::<usize>()).map(|n| (n * 37 % 101) as f32 / 50.0 - 1.0).collect();
        let window = Window {
            patch: &[4, 8, 8],
            step: 0.5,
            mirror_axes: &[0, 2],
            mirror_swaps: &[[1, 2]],
            classes: 3,
            needed: None,
            background: true,
        };
        let layout = Layout::new::<EngineError>(&input, SIZE, &window).unwrap();
        let weights: Vec<f32> = (0..4 * 8 * 8).map(|n| 0.5 + (n % 13) as f32).collect();
        let tiles = Tiles {
            layout: &layout,
            weights: &weights,
            is_softmax,
            is_background: true,
            cut: Box::new(|corner, tile| {
                layout.cut(&input, corner, 0.0, tile);
                // The first tiles of two layers: some of their planes are seen by no other.
                if corner[1] == 0 && corner[0] < 3 { left_out } else { Seen::Needed }
            }),
        };
        let mut planes = Vec::new();
        let mut take = |z: usize, plane: &[f32]| {
            assert_eq!(planes.len(), z * plane.len(), "in order");
            planes.extend_from_slice(plane);
            Ok::<_, EngineError>(())
        };
        let progress = Progress::new();
        run(engine, &tiles, &mut take, &progress).unwrap();
        // Three layers of four tiles.
        assert_eq!(progress.step(), "Contouring, part 12 of 12");
        planes
    }

    const CASES: [(bool, Seen); 3] =
        [(true, Seen::Background), (false, Seen::Nothing), (false, Seen::Needed)];

    fn same(ours: &mut Engine, cases: &[(bool, Seen)], name: &str) {
        let mut cpu = Engine::ensemble(networks(), DeviceChoice::Cpu).unwrap();
        for &(is_softmax, left_out) in cases {
            let expected = means(&mut cpu, is_softmax, left_out);
            assert_eq!(expected.len(), 3 * SIZE.iter().product::<usize>());
            assert!(expected.iter().any(|value| value.abs() > 0.1));
            let found = means(ours, is_softmax, left_out);
            let worst = expected.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(found.len() == expected.len() && worst < 1e-4, "{name}: {worst}");
        }
        assert_eq!(ours.take_warnings(), Vec::<String>::new());
    }

    /// Mirror images, folds, softmax and the running sum on a device are those of the CPU, whether the
    /// sum stays there or tiles come back.
    #[test]
    fn a_device_sums_up_as_the_cpu_does() {
        alone(sums_agree);
    }

    fn sums_agree() {
        let device = burn::tensor::Device::flex();
        let mut whole = Engine::on(networks(), &device, usize::MAX);
        same(&mut whole, &CASES, "summed on the device");
        // A plane of the sum has 18 * 7 * 3 numbers: two of them make a piece.
        let mut pieces = Engine::on(networks(), &device, 18 * 7 * 3 * 4 * 2);
        same(&mut pieces, &CASES, "summed in pieces");
        let mut tiles = Engine::on(networks(), &device, 18 * 7 * 3 * 4 - 1);
        same(&mut tiles, &CASES, "read back tile by tile");
    }

    /// The same through the graphics driver, layers cut up, and pieces handed over and waited for.
    #[test]
    fn a_graphics_device_sums_up_as_the_cpu_does() {
        alone(|| {
            let Ok(mut gpu) = Engine::ensemble(networks(), DeviceChoice::Gpu) else {
                println!("skipped: no adapter");
                return;
            };
            gpu.in_pieces_of(100_000);
            same(&mut gpu, &CASES[..1], "graphics device");
            assert!(gpu.pieces() > 50, "{} pieces", gpu.pieces());
        });
    }

    /// A device that gives nonsense from some tile on: what it had not handed over is computed anew.
    #[test]
    fn a_device_that_fails_on_the_way_leaves_the_rest_to_the_cpu() {
        alone(failures_are_made_good);
    }

    /// A device that has no memory left: the tiles are run on it once more, from where it had come to, and
    /// where it has none again, on the CPU.
    #[test]
    fn a_device_that_lacks_memory_has_a_second_try() {
        alone(|| {
            let mut cpu = Engine::ensemble(networks(), DeviceChoice::Cpu).unwrap();
            let expected = means(&mut cpu, false, Seen::Needed);
            for limit in [usize::MAX, 18 * 7 * 3 * 4 * 2, 18 * 7 * 3 * 4 - 1] {
                for lacks in [&[0][..], &[5], &[11], &[0, 0], &[5, 5], &[10, 1]] {
                    let mut engine = Engine::on(networks(), &burn::tensor::Device::flex(), limit);
                    engine.lack_memory_after(lacks);
                    let found = means(&mut engine, false, Seen::Needed);
                    let worst = expected.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    assert!(found.len() == expected.len() && worst < 1e-4, "{limit} {lacks:?}: {worst}");
                    let (warnings, is_on_cpu) = (engine.take_warnings(), engine.device().starts_with("CPU"));
                    assert_eq!((warnings.len(), is_on_cpu), (lacks.len() - 1, lacks.len() > 1), "{lacks:?}");
                    assert_eq!(engine.is_sound(), !is_on_cpu);
                }
            }
        });
    }

    fn failures_are_made_good() {
        let mut cpu = Engine::ensemble(networks(), DeviceChoice::Cpu).unwrap();
        let expected = means(&mut cpu, false, Seen::Needed);
        for limit in [usize::MAX, 18 * 7 * 3 * 4 * 2, 18 * 7 * 3 * 4 - 1] {
            for fails_after in [0, 5, 10] {
                let mut engine = Engine::on(networks(), &burn::tensor::Device::flex(), limit);
                engine.fail_after(fails_after);
                let found = means(&mut engine, false, Seen::Needed);
                let worst = expected.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(found.len() == expected.len() && worst < 1e-4, "{limit} {fails_after}: {worst}");
                let warnings = engine.take_warnings();
                assert!(warnings[0].contains("computed on the CPU") && warnings.len() == 1, "{warnings:?}");
                assert!(engine.device().starts_with("CPU"));
            }
        }
    }

    #[test]
    fn cancel_is_heard_within_a_tile() {
        let mut engine = Engine::on(networks(), &burn::tensor::Device::flex(), usize::MAX);
        let progress = Progress::new();
        progress.cancel();
        let input = vec![0.5; 2 * 4 * 8 * 8];
        let started = engine.start(&input, [4, 8, 8], &Mirrors::none(), &progress);
        assert!(matches!(started, Err(EngineError::Cancelled(_))));
    }

    #[test]
    fn a_device_that_is_too_small_for_a_patch_is_said() {
        let mut engine = Engine::on(networks(), &burn::tensor::Device::flex(), 4095);
        engine.prepare([4, 8, 8], &Progress::new()).unwrap();
        let warnings = engine.take_warnings();
        assert!(warnings[0].contains("does not fit the graphics device"), "{warnings:?}");
        assert!(engine.device().starts_with("CPU"));
    }
}
