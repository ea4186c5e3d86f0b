//! The tiles of a sliding window: mirror images and folds on the device, one read-back.

use super::labels::DeviceLabels;
use super::sum::{DeviceSum, SumPlan};
use super::{BurnNetwork, Pace, Stop};
use crate::ai::graphics::quietly;
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

/// The networks of a model's folds on a device; their logits are averaged.
pub struct Ensemble {
    /// None while they are off the device.
    networks: Vec<BurnNetwork>,
    device: Device,
    pace: Pace,
    /// What the device is called, for what was measured on it.
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
        networks: &[Network],
        device: &Device,
        setup: Option<Arc<WgpuSetup>>,
        name: &str,
        is_software: bool,
    ) -> Self {
        let limits = setup.as_ref().map(|setup| setup.device.limits());
        let limit = limits.map_or(UNKNOWN_LIMIT, |limits| {
            let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
        Self {
            networks: networks.iter().map(|network| BurnNetwork::new(network, device)).collect(),
            device: device.clone(),
            pace: Pace::new(device, setup, is_software),
            name: name.to_owned(),
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

    /// The same at another pace.
    #[must_use]
    pub fn with_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Whether the device takes a patch of this size.
    ///
    /// # Errors
    /// What it lacks, in words.
    pub(in crate::ai) fn fits(&self, patch: [usize; 3]) -> Result<(), String> {
        let largest = self.networks.iter().map(|network| network.largest_bytes(patch)).max().unwrap_or(0);
        if largest <= self.limit_bytes {
            return Ok(());
        }
        Err(format!(
            "a patch needs buffers of {} MB, the device allows {} MB",
            largest.div_ceil(1 << 20),
            self.limit_bytes >> 20
        ))
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
        self.networks = networks.iter().map(|network| BurnNetwork::new(network, &self.device)).collect();
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
        DeviceSum::new(plan, &self.device, self.limit_bytes)
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
        Some((DeviceSum::new(plan, &self.device, room)?, labels))
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
        let values: usize = logits.iter().map(|part| part.dims().iter().product::<usize>()).sum();
        sum.add(logits, corner);
        self.pace.spend(self.pace.estimate_s(values as u64 * super::NORM_MACS))
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
        let Self { networks, pace, .. } = self;
        let (size, mirrors) = (tile.size, tile.mirrors);
        let Some(first) = networks.first() else { return Err(Stop::Failed("no network".to_owned())) };
        let images = (networks.len() * mirrors.flips.len()) as f64;
        pace.follow(progress, images * first.seconds(size, pace));
        let input = first.input(tile.values, size);
        let mut sums: Vec<Option<Tensor<4>>> = vec![None; cuts.len()];
        for network in networks.iter() {
            for flip in &mirrors.flips {
                let head = network.head.swapped(mirrors.swapped(*flip));
                let features = network.features(turned(input.clone(), *flip), pace, None)?;
                for (cut, sum) in cuts.iter().zip(&mut sums) {
                    let planes = if flip[0] { size[0] - cut.end..size[0] - cut.start } else { cut.clone() };
                    let part = turned(planes_of(&features, planes), *flip);
                    let logits = head.forward(part);
                    *sum = Some(match sum.take() {
                        Some(sum) => sum + logits,
                        None => logits,
                    });
                    let voxels = cut.len() * size[1] * size[2];
                    let (channels, classes) =
                        (network.architecture.features[0], network.architecture.classes);
                    pace.spend(pace.estimate_s((voxels * classes * channels) as u64))?;
                }
            }
        }
        let mean = |sum: Tensor<4>| if images > 1.0 { sum / images } else { sum };
        Ok(sums.into_iter().flatten().map(mean).collect())
    }
}

impl BurnNetwork {
    /// Seconds that a patch is thought to take.
    fn seconds(&self, size: [usize; 3], pace: &Pace) -> f64 {
        let measured: Option<f64> = self.convs().map(|conv| conv.seconds.get()).sum();
        measured.unwrap_or_else(|| pace.estimate_s(self.architecture.macs(size)))
    }
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
