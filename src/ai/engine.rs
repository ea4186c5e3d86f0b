//! Which device a network runs on, and what happens when a graphics device goes away.
//!
//! All work of a model stays on the thread that made its [`Engine`] (burn orders GPU work by
//! thread). A panic or error of the GPU path ends there: the engine goes on with the CPU and says so. Where
//! the device only lacked memory, the engine first tries once more on it, without the networks that were
//! kept there and with its pools emptied ([`failure`]).

mod failure;

use self::failure::{SecondTry, owned, stopped, uploaded};
use super::cpu::CpuNetwork;
use super::gpu::{Back, DeviceLabels, DeviceSum, Ensemble, Pace, Reading, Stop, SumPlan, Tile, are_finite};
use super::graphics::{self, Gpu, IN_DOUBT, Noted, open_gpu, quietly};
use super::kept;
use super::mirror::{self, Mirrors};
use super::network::Network;
use crate::device::DeviceChoice;
use crate::progress::{Cancelled, Progress};
use burn::tensor::Device;
use std::sync::Arc;

pub use super::graphics::{
    DeviceFault, WgpuSetup, destroy_device, gpu_name, note_device_error, share_device, with_gpu_device,
};

/// Why a model cannot run where it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A GPU was asked for and there is none.
    #[error("there is no graphics device for the model ({0}); use --device cpu or auto")]
    NoGpu(String),
    /// The graphics device would not do, and the CPU has too little memory for the network.
    #[error(
        "the graphics device would not do, and on the CPU the network takes about {} MB of memory, {} MB are free; close other programs, or crop the images",
        .needed / 1_000_000,
        .free / 1_000_000
    )]
    Memory {
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

enum Runner {
    Cpu(Vec<CpuNetwork>),
    Gpu(Box<Ensemble>),
}

/// The networks of a model's folds on a device; their logits are averaged.
pub struct Engine {
    /// What a graphics device was given, should it fail; the CPU has its own form of it alone.
    networks: Arc<Vec<Network>>,
    classes: usize,
    /// The size of the patches that it was got ready for.
    patch: Option<[usize; 3]>,
    /// Why it can run nowhere any more.
    refused: Option<EngineError>,
    runner: Runner,
    device: String,
    /// The serial number of the graphics device, where it runs on one.
    serial: Option<u64>,
    /// What the graphics device had told when it began there.
    noted: Noted,
    second_try: SecondTry,
    /// How often the device has failed it: what was begun before is not told again.
    failures: usize,
    /// What happened on the way, for a person.
    warnings: Vec<String>,
    /// Whether it runs on the CPU because a graphics device would not do.
    has_fallen_back: bool,
}

/// A tile that was begun.
pub(super) enum Started {
    /// On the graphics device.
    Gpu(Box<Begun>),
    /// Done.
    Cpu(Vec<f32>),
}

/// A tile on a graphics device; what it was made of, should the device fail.
pub(super) struct Begun {
    reading: Vec<Reading>,
    values: Vec<f32>,
    size: [usize; 3],
    mirrors: Mirrors,
    /// What the device had told, and how often it had failed, when the tile began.
    noted: Noted,
    failures: usize,
}

/// Why a sum on the graphics device ended.
pub(super) enum SumError {
    /// Someone asked to stop.
    Cancelled,
    /// The device failed; the engine begins anew on it, or goes on with the CPU.
    Device,
}

impl Engine {
    /// Puts a network on a device.
    ///
    /// # Errors
    /// [`EngineError::NoGpu`] when a GPU was asked for and there is none.
    pub fn new(network: Network, choice: DeviceChoice) -> Result<Self, EngineError> {
        Self::ensemble(vec![network], choice)
    }

    /// Puts networks of one shape on a device, whose logits are to be averaged.
    ///
    /// # Errors
    /// [`EngineError::NoGpu`] when a GPU was asked for and there is none.
    pub fn ensemble(networks: Vec<Network>, choice: DeviceChoice) -> Result<Self, EngineError> {
        Self::of_folds(networks.into_iter().map(Ok), choice)
    }

    /// Puts networks of one shape on a device, whose logits are to be averaged: each is read when the one
    /// before is there, and on the CPU none is kept as it was read.
    ///
    /// # Errors
    /// The first network's that is one, or [`EngineError::NoGpu`] when a GPU was asked for and there is
    /// none.
    pub(super) fn of_folds<E: From<EngineError>>(
        folds: impl Iterator<Item = Result<Network, E>>,
        choice: DeviceChoice,
    ) -> Result<Self, E> {
        let runner = if let Some(gpu) = chosen(choice)? {
            let networks = Arc::new(folds.collect::<Result<Vec<_>, E>>()?);
            match uploaded(&networks, &gpu) {
                Ok((ensemble, noted, second_try)) => {
                    return Ok(Self {
                        second_try,
                        serial: Some(gpu.serial),
                        ..Self::of(networks, ensemble, gpu.title(), noted)
                    });
                }
                Err(reason) if choice == DeviceChoice::Gpu => return Err(EngineError::NoGpu(reason).into()),
                Err(reason) => tracing::warn!("the graphics device does not take the model: {reason}"),
            }
            packed(owned(networks).into_iter().map(Ok::<_, E>))?
        } else {
            packed(folds)?
        };
        Ok(Self {
            classes: runner.first().map_or(0, CpuNetwork::classes),
            networks: Arc::default(),
            patch: None,
            refused: None,
            runner: Runner::Cpu(runner),
            device: cpu_name(),
            serial: None,
            noted: Noted::now(),
            second_try: SecondTry::Open,
            failures: 0,
            warnings: Vec::new(),
            has_fallen_back: false,
        })
    }

    /// Networks that are on a device of this name, which had told so much before.
    fn of(networks: Arc<Vec<Network>>, ensemble: Ensemble, device: String, noted: Noted) -> Self {
        Self {
            classes: classes_of(&networks),
            networks,
            runner: Runner::Gpu(Box::new(ensemble)),
            device,
            serial: None,
            noted,
            patch: None,
            refused: None,
            second_try: SecondTry::Open,
            failures: 0,
            warnings: Vec::new(),
            has_fallen_back: false,
        }
    }

    /// Puts networks on any of burn's devices, as if it were a graphics device with buffers of so many
    /// bytes, with a piece a layer.
    #[cfg(test)]
    pub(super) fn on(networks: Vec<Network>, device: &Device, limit_bytes: usize) -> Self {
        let pace = super::gpu::Pace::at_once(device).with_piece_macs(1);
        let networks = Arc::new(networks);
        let ensemble = Ensemble::new(&networks, device, None, "test", true);
        let ensemble = ensemble.with_pace(pace).with_limit(limit_bytes);
        Self::of(networks, ensemble, "test".to_owned(), Noted::now())
    }

    /// The same as if the device had this serial number.
    #[cfg(test)]
    pub(super) fn with_serial(self, serial: u64) -> Self {
        Self { serial: Some(serial), ..self }
    }

    /// Lets a graphics device work in pieces of so many multiply-accumulates.
    #[cfg(test)]
    pub(super) fn in_pieces_of(&mut self, macs: u64) {
        if let Runner::Gpu(ensemble) = &mut self.runner {
            ensemble.in_pieces_of(macs);
        }
    }

    /// The pieces that were handed over to a graphics device.
    #[cfg(test)]
    pub(super) fn pieces(&self) -> usize {
        if let Runner::Gpu(ensemble) = &self.runner { ensemble.pieces() } else { 0 }
    }

    /// Lets a software driver make labels too.
    #[cfg(test)]
    pub(super) fn with_labels(mut self) -> Self {
        if let Runner::Gpu(ensemble) = &mut self.runner {
            ensemble.makes_labels = true;
        }
        self
    }

    /// Lets the device fail after so many tiles.
    #[cfg(test)]
    pub(super) fn fail_after(&mut self, tiles: usize) {
        if let Runner::Gpu(ensemble) = &mut self.runner {
            ensemble.failures = [(tiles, "for a test")].into();
        }
    }

    /// Lets the device have no memory left after so many tiles, and again after so many more.
    #[cfg(test)]
    pub(super) fn lack_memory_after(&mut self, tiles: &[usize]) {
        if let Runner::Gpu(ensemble) = &mut self.runner {
            ensemble.failures = tiles.iter().map(|tiles| (*tiles, "Out of Memory")).collect();
        }
    }

    /// Gets ready for patches of `size` (z, y, x): finds out how a graphics device computes them best,
    /// which takes the time of some patches once on each device. Where the device is too small for them,
    /// the engine goes on with the CPU and says so.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] when someone asked to stop, [`EngineError::Memory`] when the CPU has too
    /// little memory for what the device does not take.
    pub fn prepare(&mut self, size: [usize; 3], progress: &Progress) -> Result<(), EngineError> {
        self.patch = Some(size);
        let Runner::Gpu(ensemble) = &mut self.runner else { return Ok(()) };
        if let Err(reason) = ensemble.fits(size) {
            tracing::warn!("the graphics device is too small: {reason}");
            self.warnings.push(format!(
                "the model does not fit the graphics device ({}: {reason}); it was computed on the CPU",
                self.device
            ));
            self.go_to_cpu();
            return self.refused.clone().map_or(Ok(()), Err);
        }
        while self.begun().is_some() {
            let is_in_doubt = self.is_in_doubt();
            let Some(ensemble) = self.there() else { break };
            match stopped(quietly(|| ensemble.warm_up(size, progress))) {
                Ok(()) if is_in_doubt => self.recover(IN_DOUBT),
                Ok(()) => {
                    // What a way told of while it was measured is dealt with: that way is left out.
                    self.noted = Noted::now();
                    break;
                }
                Err(Stop::Cancelled) => return Err(Cancelled.into()),
                Err(Stop::Failed(reason)) => self.recover(&reason),
            }
        }
        self.refused.clone().map_or(Ok(()), Err)
    }

    /// How a graphics device computes the layers, in words: how many of each kind which way.
    #[must_use]
    pub fn ways(&self) -> Option<String> {
        if let Runner::Gpu(ensemble) = &self.runner { ensemble.ways() } else { None }
    }

    /// The logits `[z][y][x][class]` of a patch `[channel][z][y][x]` of `size` (z, y, x), the mean of
    /// the folds. When the graphics device fails, this and all further patches are computed on the CPU.
    ///
    /// # Errors
    /// [`EngineError::Memory`] when the CPU has too little memory after a failure.
    pub fn forward(&mut self, values: &[f32], size: [usize; 3]) -> Result<Vec<f32>, EngineError> {
        let progress = Progress::new();
        let started = self.start(values, size, &Mirrors::none(), &progress)?;
        self.collect(started, &progress)
    }

    /// Begins a tile, whose logits are the mean of the folds and the mirror images: on a graphics
    /// device it is under way when this returns.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] when someone asked to stop.
    pub(super) fn start(
        &mut self,
        values: &[f32],
        size: [usize; 3],
        mirrors: &Mirrors,
        progress: &Progress,
    ) -> Result<Started, EngineError> {
        while let Some(ensemble) = self.begun() {
            let tile = Tile { values: values.to_vec(), size, mirrors };
            match stopped(quietly(|| ensemble.start(tile, progress))) {
                Ok(reading) => {
                    let (values, mirrors) = (values.to_vec(), mirrors.clone());
                    let (noted, failures) = (self.noted, self.failures);
                    let begun = Begun { reading, values, size, mirrors, noted, failures };
                    return Ok(Started::Gpu(Box::new(begun)));
                }
                Err(Stop::Cancelled) => return Err(Cancelled.into()),
                Err(Stop::Failed(reason)) => self.recover(&reason),
            }
        }
        self.on_cpu(values, size, mirrors, progress).map(Started::Cpu)
    }

    /// Waits for the logits of a tile.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] when someone asked to stop.
    pub(super) fn collect(&mut self, started: Started, progress: &Progress) -> Result<Vec<f32>, EngineError> {
        let begun = match started {
            Started::Cpu(logits) => return Ok(logits),
            Started::Gpu(begun) => *begun,
        };
        let Begun { reading, values, size, mirrors, noted, failures } = begun;
        let read = quietly(|| reading.into_iter().map(Reading::wait).collect::<Result<Vec<_>, _>>());
        let reason = match read.and_then(|result| result).map(|parts| parts.concat()) {
            Ok(_) if Noted::now() != noted => IN_DOUBT.to_owned(),
            Ok(logits) if logits.len() != size.iter().product::<usize>() * self.classes => {
                "it gave an incomplete result".to_owned()
            }
            Ok(logits) if are_finite(&logits) => return Ok(logits),
            Ok(_) => "it gave values that are not numbers".to_owned(),
            Err(reason) => reason,
        };
        // Of several tiles under way the first has told of the failure.
        if failures == self.failures {
            self.recover(&reason);
        }
        let again = self.start(&values, size, &mirrors, progress)?;
        self.collect(again, progress)
    }

    fn on_cpu(
        &mut self,
        values: &[f32],
        size: [usize; 3],
        mirrors: &Mirrors,
        progress: &Progress,
    ) -> Result<Vec<f32>, EngineError> {
        if let Runner::Gpu(_) = &self.runner {
            self.go_to_cpu();
        }
        if let Some(refused) = &self.refused {
            return Err(refused.clone());
        }
        let Runner::Cpu(networks) = &self.runner else { return Err(Cancelled.into()) };
        let mut total: Vec<f32> = Vec::new();
        let classes = self.classes;
        for network in networks {
            let mut forward = |tile: &[f32]| Ok::<_, Cancelled>(network.forward(tile, size));
            let logits = mirror::averaged(values, size, classes, mirrors, &mut forward, progress)?;
            if total.is_empty() {
                total = logits;
            } else {
                total.iter_mut().zip(&logits).for_each(|(sum, logit)| *sum += logit);
            }
        }
        if networks.len() > 1 {
            total.iter_mut().for_each(|sum| *sum /= networks.len() as f32);
        }
        Ok(total)
    }

    /// A window's running sum on the graphics device; `None` on the CPU, or where it does not fit.
    pub(super) fn sum(&mut self, plan: SumPlan<'_>) -> Option<DeviceSum> {
        self.made(|ensemble| ensemble.sum(plan))
    }

    /// What `make` makes on the graphics device; `None` on the CPU.
    fn made<T>(&mut self, make: impl Fn(&Ensemble) -> Option<T>) -> Option<T> {
        loop {
            let ensemble = self.begun()?;
            match quietly(|| make(ensemble)) {
                Ok(made) => return made,
                Err(reason) => self.recover(&reason),
            }
        }
    }

    /// Runs a tile and adds it to a sum.
    ///
    /// # Errors
    /// [`SumError`]; after [`SumError::Device`] the sum is lost: it may be begun anew ([`Self::sum`]).
    pub(super) fn add(
        &mut self,
        tile: Tile<'_>,
        corner: [usize; 3],
        sum: &mut DeviceSum,
        progress: &Progress,
    ) -> Result<(), SumError> {
        let Some(ensemble) = self.there() else { return Err(SumError::Device) };
        stopped(quietly(|| ensemble.add(tile, corner, sum, progress))).map_err(|stop| self.ended(stop))
    }

    /// Planes of a sum that are done, as [`DeviceSum::take`].
    ///
    /// # Errors
    /// [`SumError::Device`], as [`Self::add`].
    pub(super) fn take(&mut self, sum: &mut DeviceSum, waits: bool) -> Result<Option<Back>, SumError> {
        let taken = quietly(|| sum.take(waits)).and_then(|result| result);
        let taken =
            taken.and_then(|back| if self.is_in_doubt() { Err(IN_DOUBT.to_owned()) } else { Ok(back) });
        taken.map_err(|reason| self.ended(Stop::Failed(reason)))
    }

    /// A window's running sum on the graphics device whose planes become labels there; `None` on the CPU,
    /// or where that is nothing for the device.
    pub(super) fn labels(&mut self, plan: SumPlan<'_>) -> Option<(DeviceSum, DeviceLabels)> {
        self.made(|ensemble| ensemble.labels(plan))
    }

    /// Does work with a sum beside the tiles, at the device's pace.
    ///
    /// # Errors
    /// [`SumError`], as [`Self::add`].
    pub(super) fn beside<T>(
        &mut self,
        work: impl FnOnce(&mut Pace) -> Result<T, Stop>,
    ) -> Result<T, SumError> {
        let Some(ensemble) = self.there() else { return Err(SumError::Device) };
        let done = stopped(quietly(|| work(ensemble.pace())));
        let done = match done {
            Ok(_) if self.is_in_doubt() => Err(Stop::Failed(IN_DOUBT.to_owned())),
            done => done,
        };
        done.map_err(|stop| self.ended(stop))
    }

    /// What the end of work with a sum means for it.
    fn ended(&mut self, stop: Stop) -> SumError {
        match stop {
            Stop::Cancelled => SumError::Cancelled,
            Stop::Failed(reason) => {
                self.recover(&reason);
                SumError::Device
            }
        }
    }

    /// The serial number of the graphics device that it runs on; `None` for the CPU.
    pub(super) fn serial(&self) -> Option<u64> {
        self.serial
    }

    /// Whether it is what was asked for still: on the device that it began on, which has told of no error.
    pub(super) fn is_sound(&self) -> bool {
        let is_there = !self.has_fallen_back && self.second_try != SecondTry::Waits;
        is_there && (self.serial.is_none() || !self.is_in_doubt())
    }

    /// Lets go of what only a run needs, to be kept for another one; whether it is [`Self::is_sound`].
    pub(super) fn rest(&mut self) -> bool {
        self.warnings.clear();
        if self.second_try == SecondTry::Taken {
            self.second_try = SecondTry::Open;
        }
        match &mut self.runner {
            Runner::Cpu(networks) => networks.iter().for_each(CpuNetwork::empty_buffers),
            Runner::Gpu(ensemble) => ensemble.rest(),
        }
        self.is_sound()
    }

    /// Bytes of the weights: in memory, and on a graphics device as they lie there.
    pub(super) fn weight_bytes(&self) -> [u64; 2] {
        match &self.runner {
            Runner::Cpu(networks) => [networks.iter().map(CpuNetwork::weight_bytes).sum(), 0],
            Runner::Gpu(ensemble) => {
                let weights: u64 = self.networks.iter().map(|own| own.architecture.weights()).sum();
                [weights * size_of::<f32>() as u64, ensemble.weight_bytes()]
            }
        }
    }

    /// The device, in words.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Takes what happened on the way.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}

/// Networks packed for the CPU, which share their buffers.
fn packed<E>(folds: impl Iterator<Item = Result<Network, E>>) -> Result<Vec<CpuNetwork>, E> {
    let mut all: Vec<CpuNetwork> = Vec::new();
    for fold in folds {
        let network = fold?;
        let packed = all.first().map_or_else(|| CpuNetwork::new(&network), |first| first.beside(&network));
        all.push(packed);
    }
    Ok(all)
}

fn classes_of(networks: &[Network]) -> usize {
    networks.first().map_or(0, |network| network.architecture.classes)
}

/// The graphics device of a choice; `None` for the CPU.
fn chosen(choice: DeviceChoice) -> Result<Option<Gpu>, EngineError> {
    match choice {
        DeviceChoice::Cpu => Ok(None),
        DeviceChoice::Auto => Ok(open_gpu(false).ok()),
        DeviceChoice::Gpu => open_gpu(true).map(Some).map_err(EngineError::NoGpu),
    }
}

/// The serial number of the graphics device of a choice; `None` for the CPU.
///
/// # Errors
/// [`EngineError::NoGpu`] when a GPU was asked for and there is none.
pub(super) fn serial_of(choice: DeviceChoice) -> Result<Option<u64>, EngineError> {
    Ok(chosen(choice)?.map(|gpu| gpu.serial))
}

/// Forgets the graphics device and the networks kept on it, after it was lost: the next model looks for
/// one again, or runs on one shared anew.
pub fn forget_device() {
    kept::forget_graphics();
    graphics::forget_device();
}

/// Whether networks run on the CPU where this is chosen, as far as that is known before: a graphics
/// device may fail later.
#[must_use]
pub fn runs_on_cpu(choice: DeviceChoice) -> bool {
    match choice {
        DeviceChoice::Cpu => true,
        DeviceChoice::Gpu => false,
        DeviceChoice::Auto => open_gpu(false).is_err(),
    }
}

/// The device that training runs on, and its name: a graphics device, beside a window one of its own
/// ([`graphics::apart`]), or burn's on the CPU.
pub(super) fn training_device(choice: DeviceChoice) -> Result<(Device, String), EngineError> {
    let gpu = chosen(choice)?;
    Ok(gpu.map_or_else(
        || (Device::flex(), cpu_name()),
        |gpu| {
            let name = gpu.title();
            (graphics::apart(&gpu), name)
        },
    ))
}

fn cpu_name() -> String {
    format!("CPU ({} threads)", rayon::current_num_threads())
}
