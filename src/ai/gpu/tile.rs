//! The tiles of a sliding window: mirror images and folds on the device, one read-back.

use super::bands::bands;
use super::labels::DeviceLabels;
use super::memory::NetworkBytes;
use super::sum::{DeviceSum, SUM_BYTES, SumPlan};
use super::tune::identity;
use super::{BurnNetwork, COPY_MACS, DeviceHead, NORM_MACS, Pace, Stop};
use crate::ai::graphics::{capacity, quietly};
use crate::ai::mirror::Mirrors;
use crate::ai::network::Network;
use crate::progress::Progress;
use burn::tensor::wgpu::WgpuSetup;
use burn::tensor::{Device, Int, Tensor};
use rayon::prelude::*;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The greatest buffer that is asked for where a device does not say what it allows.
const UNKNOWN_LIMIT: usize = 1 << 30;

/// The greatest buffer whatever a device allows: places in it are numbers of 32 bits.
const GREATEST: u64 = u32::MAX as u64;

/// What the weights of all folds may take where a device does not tell what it has, bytes; of one that
/// does, one part in so many. Beyond that one fold at a time is there.
const FOLDS_BYTES: u64 = 1 << 30;
const FOLDS_SHARE: u64 = 4;

/// The networks of a model's folds on a device; their logits are averaged.
pub struct Ensemble {
    /// All of them, or the one whose turn it is; none while they are off the device.
    networks: Vec<BurnNetwork>,
    device: Device,
    /// All of them, where only one has room on the device.
    turns: Option<Arc<Vec<Network>>>,
    /// What the device has in all, where that is known, bytes.
    capacity: Option<u64>,
    /// What a sum may take, bytes.
    sum_bytes: usize,
    pace: Pace,
    /// What is measured on the device is known by this.
    name: String,
    is_software: bool,
    limit_bytes: usize,
    /// Whether it makes labels where only they are wanted.
    pub(in crate::ai) makes_labels: bool,
    /// Tiles after which the device fails, and why: one failure after the other.
    #[cfg(test)]
    pub(in crate::ai) failures: std::collections::VecDeque<(usize, &'static str)>,
}

/// A tile on the device: what is being read, or added up there.
pub(in crate::ai) struct Tile<'a> {
    /// `[channel][z][y][x]`.
    pub values: Vec<f32>,
    /// (z, y, x).
    pub size: [usize; 3],
    /// What to average over.
    pub mirrors: &'a Mirrors,
}

impl Ensemble {
    /// Uploads networks to a graphics device, of which `name` is the name; without `setup` to another
    /// of burn's devices.
    #[must_use]
    pub fn new(
        networks: &Arc<Vec<Network>>,
        device: &Device,
        setup: Option<Arc<WgpuSetup>>,
        name: &str,
        is_software: bool,
    ) -> Self {
        let name =
            setup.as_ref().map_or_else(|| name.to_owned(), |setup| identity(&setup.adapter.get_info()));
        let limits = setup.as_ref().map(|setup| setup.device.limits());
        let limit = limits.map_or(UNKNOWN_LIMIT, |limits| {
            let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(GREATEST);
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        let capacity = setup.as_ref().and_then(|setup| capacity(&setup.adapter.get_info()));
        let room = capacity.map_or(FOLDS_BYTES, |bytes| bytes / FOLDS_SHARE);
        let each = networks.first().map_or(0, |own| NetworkBytes::of(&own.architecture, [1; 3]).weights);
        let at_once = if each.saturating_mul(networks.len() as u64) > room { 1 } else { networks.len() };
        Self {
            networks: networks.iter().take(at_once).map(|own| BurnNetwork::new(own, device)).collect(),
            device: device.clone(),
            turns: (at_once < networks.len()).then(|| Arc::clone(networks)),
            capacity,
            sum_bytes: SUM_BYTES,
            pace: Pace::new(device, setup, is_software),
            name,
            is_software,
            limit_bytes: limit,
            // A software driver is the processor: what spares a copy to it spares nothing.
            makes_labels: !is_software,
            #[cfg(test)]
            failures: std::collections::VecDeque::new(),
        }
    }

    /// Works in pieces of so many multiply-accumulates.
    #[cfg(test)]
    pub(in crate::ai) fn in_pieces_of(&mut self, macs: u64) {
        let pace = Pace::at_once(&self.device);
        self.pace = std::mem::replace(&mut self.pace, pace).with_piece_macs(macs);
    }

    #[cfg(test)]
    pub(in crate::ai) fn pieces(&self) -> usize {
        self.pace.pieces()
    }

    /// The same with buffers of so many bytes at most.
    #[cfg(test)]
    pub(in crate::ai) fn with_limit(self, limit_bytes: usize) -> Self {
        Self { limit_bytes, ..self }
    }

    /// The same with one fold at a time.
    #[cfg(test)]
    pub(in crate::ai) fn in_turns(mut self, folds: &Arc<Vec<Network>>) -> Self {
        self.networks.truncate(1);
        Self { turns: Some(Arc::clone(folds)), ..self }
    }

    /// The same on a device that has so many bytes.
    #[cfg(test)]
    fn with_capacity(self, capacity: u64) -> Self {
        Self { capacity: Some(capacity), ..self }
    }

    /// The same at another pace.
    #[must_use]
    pub fn with_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Whether the device takes a patch of this size; what it then has left bounds the sums.
    ///
    /// # Errors
    /// What it lacks, in words.
    pub(in crate::ai) fn fits(&mut self, patch: [usize; 3]) -> Result<(), String> {
        let Some(first) = self.networks.first() else { return Ok(()) };
        let bytes = NetworkBytes::of(&first.architecture, patch);
        if bytes.largest > self.limit_bytes as u64 {
            return Err(format!(
                "a patch needs buffers of {} MB, the device allows {} MB",
                bytes.largest.div_ceil(1 << 20),
                self.limit_bytes >> 20
            ));
        }
        let Some(capacity) = self.capacity else { return Ok(()) };
        let needed = self.networks.len() as u64 * bytes.weights + bytes.features;
        if needed > capacity {
            return Err(format!(
                "the network and a patch take about {} MB, the device has {} MB",
                needed.div_ceil(1 << 20),
                capacity >> 20
            ));
        }
        // Twice: those that tiles reach, and those that are finished.
        self.sum_bytes = usize::try_from((capacity - needed) / 2).unwrap_or(usize::MAX).min(SUM_BYTES);
        Ok(())
    }

    /// Measures the layers of a patch, where that was not done on this device before. A software driver
    /// is not measured: it is there to be right.
    ///
    /// # Errors
    /// [`Stop`] when someone asked to stop, or the device failed.
    pub(in crate::ai) fn warm_up(&mut self, patch: [usize; 3], progress: &Progress) -> Result<(), Stop> {
        if self.is_software {
            return Ok(());
        }
        let count = self.networks.len() as f64;
        for (index, network) in self.networks.iter().enumerate() {
            let part = progress.part(index as f64 / count, (index + 1) as f64 / count);
            network.tune(patch, &self.name, &mut self.pace, &part)?;
        }
        Ok(())
    }

    /// Lets go of what only a run needs.
    pub(in crate::ai) fn rest(&mut self) {
        self.pace.rest();
    }

    /// Takes the networks off the device.
    pub(in crate::ai) fn take_off(&mut self) {
        self.networks.clear();
    }

    /// Waits for what is enqueued, whether it fails or not, and lets go of the memory that the device's
    /// pools hold for later: a buffer that it had no room for is among it.
    pub(in crate::ai) fn empty_pools(&mut self) {
        // Each by itself: the first may well fail.
        let cleared = quietly(|| self.pace.clear());
        tracing::debug!("what was enqueued before is cleared: {cleared:?}");
        drop(quietly(|| self.device.memory_cleanup()));
    }

    /// Puts networks on the device again, ready for patches of a size.
    ///
    /// # Errors
    /// [`Stop::Failed`] when the device failed.
    pub(in crate::ai) fn put_back(
        &mut self,
        networks: &[Network],
        patch: Option<[usize; 3]>,
    ) -> Result<(), Stop> {
        let at_once = if self.turns.is_some() { 1 } else { networks.len() };
        self.networks =
            networks.iter().take(at_once).map(|network| BurnNetwork::new(network, &self.device)).collect();
        // It was measured when they were there before.
        patch.map_or(Ok(()), |patch| self.warm_up(patch, &Progress::new()))
    }

    /// Bytes that the networks' weights take on the device.
    pub(in crate::ai) fn weight_bytes(&self) -> u64 {
        self.networks.iter().map(BurnNetwork::weight_bytes).sum()
    }

    /// How the layers are computed, in words: how many of each kind which way.
    pub(in crate::ai) fn ways(&self) -> Option<String> {
        self.networks.first().map(BurnNetwork::ways)
    }

    /// Planes of a tile whose logits are one tensor.
    fn planes(&self, size: [usize; 3]) -> usize {
        let classes = self.networks.first().map_or(1, |network| network.architecture.classes);
        let plane = size[1] * size[2] * classes * size_of::<f32>();
        (self.limit_bytes.min(1 << 28) / plane.max(1)).clamp(1, size[0])
    }

    /// A running sum for a window, where the device has room for it.
    pub(in crate::ai) fn sum(&self, plan: SumPlan<'_>) -> Option<DeviceSum> {
        DeviceSum::new(plan, &self.device, [self.limit_bytes, self.sum_bytes])
    }

    /// A running sum whose planes stay on the device and become labels there; `None` where that is
    /// nothing for this device, or it has no room.
    pub(in crate::ai) fn labels(&self, plan: SumPlan<'_>) -> Option<(DeviceSum, DeviceLabels)> {
        if !self.makes_labels {
            return None;
        }
        let labels = DeviceLabels::new(plan, &self.device);
        // A piece is joined with the plane before it.
        let room = self.limit_bytes.checked_sub(labels.plane_bytes())?;
        Some((DeviceSum::new(plan, &self.device, [room, self.sum_bytes])?, labels))
    }

    /// The pace that work beside the tiles keeps to.
    pub(in crate::ai) fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }

    /// Runs a tile and adds it to a sum, its first voxel at `corner`.
    ///
    /// # Errors
    /// [`Stop`] when someone asked to stop, or the device failed.
    pub(in crate::ai) fn add(
        &mut self,
        tile: Tile<'_>,
        corner: [usize; 3],
        sum: &mut DeviceSum,
        progress: &Progress,
    ) -> Result<(), Stop> {
        let logits = self.run(tile, &sum.cuts(corner[0]), progress)?;
        sum.add(logits, corner, &mut self.pace)
    }

    /// Runs a tile and begins to read its logits.
    ///
    /// # Errors
    /// [`Stop`] when someone asked to stop, or the device failed.
    pub(in crate::ai) fn start(&mut self, tile: Tile<'_>, progress: &Progress) -> Result<Vec<Reading>, Stop> {
        let (depth, each) = (tile.size[0], self.planes(tile.size));
        let cuts: Vec<Range<usize>> =
            (0..depth).step_by(each).map(|first| first..(first + each).min(depth)).collect();
        Ok(self.run(tile, &cuts, progress)?.into_iter().map(Reading::start).collect())
    }

    /// The logits of a tile, averaged over mirror images and folds, `[z, y, x, class]` for each of some
    /// ranges of planes.
    fn run(
        &mut self,
        tile: Tile<'_>,
        cuts: &[Range<usize>],
        progress: &Progress,
    ) -> Result<Vec<Tensor<4>>, Stop> {
        #[cfg(test)]
        if let Some((left, why)) = self.failures.front_mut() {
            if let Some(fewer) = left.checked_sub(1) {
                *left = fewer;
            } else {
                let why = (*why).to_owned();
                self.failures.pop_front();
                return Err(Stop::Failed(why));
            }
        }
        let Self { networks, turns, pace, .. } = self;
        let (size, mirrors) = (tile.size, tile.mirrors);
        let none = || Stop::Failed("no network".to_owned());
        let first = networks.first().ok_or_else(none)?;
        let folds = turns.as_ref().map_or(networks.len(), |all| all.len());
        let images = (folds * mirrors.flips.len()) as f64;
        pace.follow(progress, images * first.seconds(size, pace));
        let input = first.input(tile.values, size);
        let mut sums: Vec<Option<Tensor<4>>> = vec![None; cuts.len()];
        for fold in 0..folds {
            if let Some(all) = turns {
                bring(networks, &all[fold]);
                pace.spend(pace.estimate_s(all[fold].architecture.weights() * COPY_MACS))?;
            }
            let network = networks.get(if turns.is_some() { 0 } else { fold }).ok_or_else(none)?;
            for flip in &mirrors.flips {
                let head = network.head.swapped(mirrors.swapped(*flip));
                let features = network.features(turned(input.clone(), *flip), pace, None)?;
                for (cut, sum) in cuts.iter().zip(&mut sums) {
                    let logits = network.logits(&head, &features, cut, *flip, pace)?;
                    *sum = Some(match sum.take() {
                        Some(sum) => sum + logits,
                        None => logits,
                    });
                }
            }
        }
        let mean = |sum: Tensor<4>| if images > 1.0 { sum / images } else { sum };
        Ok(sums.into_iter().flatten().map(mean).collect())
    }
}

impl BurnNetwork {
    /// The logits `[z, y, x, class]` of some planes of a tile whose `features` are those of its mirror
    /// image, in pieces of the pace.
    fn logits(
        &self,
        head: &DeviceHead,
        features: &Tensor<5>,
        planes: &Range<usize>,
        flip: [bool; 3],
        pace: &mut Pace,
    ) -> Result<Tensor<4>, Stop> {
        let [_, depth, height, width, channels] = features.dims();
        let voxels = planes.len() * height * width;
        // Read once, and turned before.
        let moved = if flip == [false; 3] { channels } else { 3 * channels };
        let classes = self.architecture.classes;
        let each = (classes * channels) as u64 + moved as u64 * COPY_MACS + classes as u64 * NORM_MACS;
        let seconds = pace.estimate_s(voxels as u64 * each);
        let mut parts = Vec::new();
        for band in bands([planes.len(), 1], pace.cut(seconds)) {
            let (first, end) = (planes.start + band.planes.start, planes.start + band.planes.end);
            let own = if flip[0] { depth - end..depth - first } else { first..end };
            parts.push(head.forward(turned(planes_of(features, own), flip)));
            pace.spend(seconds * band.share([planes.len(), 1]))?;
        }
        if parts.len() > 1 {
            return Ok(Tensor::cat(parts, 0));
        }
        parts.pop().ok_or_else(|| Stop::Failed("a tile without planes".to_owned()))
    }

    /// Seconds that a patch is thought to take.
    fn seconds(&self, size: [usize; 3], pace: &Pace) -> f64 {
        let measured: Option<f64> = self.convs().map(|conv| conv.seconds.get()).sum();
        measured.unwrap_or_else(|| pace.estimate_s(self.architecture.macs(size)))
    }
}

/// Puts a fold's network in the place of the one that is there.
fn bring(networks: &mut Vec<BurnNetwork>, fold: &Network) {
    let Some(before) = networks.pop() else { return };
    let (ways, device) = (before.known_ways(), before.device.clone());
    // Its room first.
    drop(before);
    let next = BurnNetwork::new(fold, &device);
    next.set_ways(&ways);
    networks.push(next);
}

/// Planes of features.
fn planes_of(features: &Tensor<5>, planes: Range<usize>) -> Tensor<5> {
    let [_, depth, y, x, channels] = features.dims();
    if planes == (0..depth) {
        return features.clone();
    }
    features.clone().slice([0..1, planes, 0..y, 0..x, 0..channels])
}

/// Whether all values that came back are numbers.
pub(in crate::ai) fn are_finite(values: &[f32]) -> bool {
    const PIECE: usize = 1 << 16;
    let is_finite = |piece: &[f32]| piece.iter().fold(true, |all, value| all & value.is_finite());
    values.par_chunks(PIECE).all(is_finite)
}

/// Turned along some of the axes (z, y, x).
fn turned(features: Tensor<5>, flip: [bool; 3]) -> Tensor<5> {
    let axes: Vec<usize> = (0..3).filter(|axis| flip[*axis]).map(|axis| axis + 1).collect();
    match axes[..] {
        [a] => features.flip([a]),
        [a, b] => features.flip([a, b]),
        [a, b, c] => features.flip([a, b, c]),
        _ => features,
    }
}

/// Values on their way from the device.
pub(in crate::ai) struct Reading<T = f32> {
    future: Pin<Box<dyn Future<Output = Result<Vec<T>, String>> + Send>>,
    done: Option<Result<Vec<T>, String>>,
}

impl Reading {
    /// Begins to read: the copy is handed over at once, before whatever is enqueued later.
    pub(super) fn start<const D: usize>(tensor: Tensor<D>) -> Self {
        Self::of(async move {
            let data = Box::pin(tensor.into_data_async()).await.map_err(|error| format!("{error:?}"))?;
            data.try_into_vec::<f32>().map_err(|error| format!("{error:?}"))
        })
    }
}

impl Reading<u8> {
    /// The same of bytes, four of them in each number, the first the lowest.
    pub(super) fn start_packed(tensor: Tensor<1, Int>) -> Self {
        Self::of(async move {
            let data = Box::pin(tensor.into_data_async()).await.map_err(|error| format!("{error:?}"))?;
            let packed = data.try_into_vec::<i32>().map_err(|error| format!("{error:?}"))?;
            Ok(packed.into_iter().flat_map(i32::to_le_bytes).collect())
        })
    }
}

impl<T> Reading<T> {
    fn of(future: impl Future<Output = Result<Vec<T>, String>> + Send + 'static) -> Self {
        let mut reading = Self { future: Box::pin(future), done: None };
        reading.is_done();
        reading
    }

    /// Whether the values are there; does not wait.
    pub(in crate::ai) fn is_done(&mut self) -> bool {
        if self.done.is_none()
            && let Poll::Ready(values) = self.future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            self.done = Some(values);
        }
        self.done.is_some()
    }

    /// Waits for the values.
    ///
    /// # Errors
    /// A sentence when the device could not give them.
    pub(in crate::ai) fn wait(self) -> Result<Vec<T>, String> {
        self.done.unwrap_or_else(|| pollster::block_on(self.future))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::network::Architecture;

    fn folds() -> Arc<Vec<Network>> {
        let (strides, kernels) = (vec![[1; 3], [1, 2, 2]], vec![[1, 3, 3], [3; 3]]);
        let architecture = Architecture::plain(1, vec![4, 6], strides, kernels, 1, 3);
        let network = |seed| Network::random(architecture.clone(), seed).unwrap();
        Arc::new([5, 6, 7].map(network).to_vec())
    }

    #[test]
    fn folds_in_turns_give_what_all_at_once_give() {
        let (folds, size) = (folds(), [3, 8, 6]);
        let run = |mut ensemble: Ensemble| {
            let values: Vec<f32> = (0_u8..3 * 8 * 6).map(|n| f32::from(n % 23) / 11.0 - 1.0).collect();
            let mirrors = Mirrors::none();
            let tile = || Tile { values: values.clone(), size, mirrors: &mirrors };
            let all: Vec<Vec<f32>> = (0..2)
                .map(|_| {
                    let parts = ensemble.start(tile(), &Progress::new()).unwrap();
                    parts.into_iter().flat_map(|part| part.wait().unwrap()).collect()
                })
                .collect();
            assert_eq!(all[0], all[1], "the next tile begins with the first fold again");
            all[0].clone()
        };
        let device = Device::flex();
        let all = || Ensemble::new(&folds, &device, None, "test", true);
        assert_eq!(run(all().in_turns(&folds)), run(all()));
    }

    #[test]
    fn a_device_that_is_too_small_is_told_before_the_run() {
        let (folds, device) = (folds(), Device::flex());
        let all = || Ensemble::new(&folds, &device, None, "test", true);
        let bytes = NetworkBytes::of(&folds[0].architecture, [3, 8, 6]);
        let needed = 3 * bytes.weights + bytes.features;
        assert!(all().fits([3, 8, 6]).is_ok(), "unknown");
        let mut enough = all().with_capacity(needed + 2000);
        assert!(enough.fits([3, 8, 6]).is_ok());
        assert_eq!(enough.sum_bytes, 1000, "sums have what is left");
        let reason = all().with_capacity(needed - 1).fits([3, 8, 6]).unwrap_err();
        assert!(reason.contains("the device has"), "{reason}");
        let reason = all().with_limit(100).fits([3, 8, 6]).unwrap_err();
        assert!(reason.contains("buffers"), "{reason}");
    }
}
