//! Work in pieces of a few milliseconds.
//!
//! The window draws on the same queue as the networks, and a queue does one thing after another: a
//! frame waits for whatever was handed over before it. So work is handed over in pieces, and no more
//! than two are under way: the one that runs, and the next, so that the device never idles. Drivers
//! also end programs whose single submission takes seconds.
//!
//! burn keeps operations back in two places (fusion's queue, and up to 32 launches of an encoder):
//! `Device::flush` empties both. What it handed over is done when an empty submission behind it is.

use super::Stop;
use crate::progress::Progress;
use burn::tensor::Device;
use burn::tensor::wgpu::WgpuSetup;
use burn::tensor::wgpu::wgpu::PollType;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a piece may take, in seconds: half of what a frame at 60 Hz has, for two are under way.
const PIECE_S: f64 = 0.004;

/// What a piece may take on a software driver, which shows no window: only cancel waits for it.
const SOFTWARE_PIECE_S: f64 = 2.0;

/// Multiply-accumulates a second that a device is thought to do before it was measured; too low
/// rather than too high, or the first pieces are long.
const RATE: f64 = 2.5e11;

/// The same of a software driver.
const SOFTWARE_RATE: f64 = 1e9;

/// Pieces that one layer is cut into at most.
const MOST_PIECES: usize = 1024;

/// Pieces that are under way at most.
const UNDER_WAY: usize = 2;

/// Hands a network's work to a device piece by piece, and watches for cancel.
pub struct Pace {
    device: Device,
    /// The device's handles; without them nothing is handed over early.
    setup: Option<Arc<WgpuSetup>>,
    piece_s: f64,
    rate: f64,
    /// Pieces that one layer is cut into at most.
    most: usize,
    /// Seconds of work that were enqueued but not handed over.
    open_s: f64,
    under_way: VecDeque<burn::tensor::wgpu::wgpu::SubmissionIndex>,
    progress: Progress,
    /// Seconds of work done of those that a tile takes, for progress within it.
    done_s: f64,
    tile_s: f64,
    /// Pieces handed over so far.
    pieces: usize,
}

impl Pace {
    /// Everything at once, as it is enqueued: for devices that are no graphics devices, and tests.
    #[must_use]
    pub fn at_once(device: &Device) -> Self {
        Self {
            device: device.clone(),
            setup: None,
            piece_s: f64::INFINITY,
            rate: RATE,
            most: MOST_PIECES,
            open_s: 0.0,
            under_way: VecDeque::new(),
            progress: Progress::new(),
            done_s: 0.0,
            tile_s: 0.0,
            pieces: 0,
        }
    }

    /// Pieces of a few milliseconds on a graphics device; longer ones on a software driver.
    #[must_use]
    pub fn new(device: &Device, setup: Option<Arc<WgpuSetup>>, is_software: bool) -> Self {
        let (piece_s, rate) = if is_software { (SOFTWARE_PIECE_S, SOFTWARE_RATE) } else { (PIECE_S, RATE) };
        Self { setup, piece_s, rate, ..Self::at_once(device) }
    }

    /// The same with pieces of so many multiply-accumulates, and not many of a layer, for tests.
    #[must_use]
    pub fn with_piece_macs(self, macs: u64) -> Self {
        let rate = macs as f64 / self.piece_s.min(1.0);
        Self { piece_s: self.piece_s.min(1.0), rate, most: 16, ..self }
    }

    /// Pieces handed over so far.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.pieces
    }

    /// Listens to another progress; `tile_s` is what it counts as the whole.
    pub(super) fn follow(&mut self, progress: &Progress, tile_s: f64) {
        self.progress = progress.clone();
        self.done_s = 0.0;
        self.tile_s = tile_s;
    }

    /// Listens to nobody: who stopped a run says nothing of the next.
    pub(super) fn rest(&mut self) {
        self.follow(&Progress::new(), 0.0);
    }

    /// What work is thought to take, in seconds.
    pub(super) fn estimate_s(&self, macs: u64) -> f64 {
        macs as f64 / self.rate
    }

    /// How many pieces work of `seconds` is to be cut into: a power of two, so that few shapes occur
    /// (each is tuned by itself).
    pub(super) fn cut(&self, seconds: f64) -> usize {
        let pieces = (seconds / self.piece_s).clamp(1.0, self.most as f64);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to a thousand")]
        (pieces.ceil() as usize).next_power_of_two()
    }

    /// Notes that work of `seconds` was enqueued, and hands a piece over when it is full.
    ///
    /// # Errors
    /// [`Stop`] when someone asked to stop, or the device failed.
    pub(super) fn spend(&mut self, seconds: f64) -> Result<(), Stop> {
        self.open_s += seconds;
        self.done_s += seconds;
        if self.open_s < self.piece_s {
            return Ok(());
        }
        self.hand_over()?;
        while self.under_way.len() > UNDER_WAY - 1 {
            self.wait_for_oldest()?;
        }
        let fraction = if self.tile_s > 0.0 { self.done_s / self.tile_s } else { 0.0 };
        self.progress.set_fraction(fraction).map_err(|_| Stop::Cancelled)
    }

    fn hand_over(&mut self) -> Result<(), Stop> {
        self.open_s = 0.0;
        let Some(setup) = &self.setup else { return Ok(()) };
        self.device.flush().map_err(|error| Stop::Failed(format!("{error:?}")))?;
        self.pieces += 1;
        self.under_way.push_back(setup.queue.submit([]));
        Ok(())
    }

    fn wait_for_oldest(&mut self) -> Result<(), Stop> {
        let (Some(setup), Some(index)) = (&self.setup, self.under_way.pop_front()) else { return Ok(()) };
        let wait = PollType::Wait { submission_index: Some(index), timeout: None };
        setup.device.poll(wait).map(drop).map_err(|error| Stop::Failed(error.to_string()))
    }

    /// Forgets what was handed over, and waits until the device has done or dropped all that is enqueued.
    ///
    /// # Errors
    /// [`Stop::Failed`] when something enqueued failed.
    pub(super) fn clear(&mut self) -> Result<(), Stop> {
        self.open_s = 0.0;
        self.under_way.clear();
        self.device.sync().map_err(|error| Stop::Failed(format!("{error:?}")))
    }

    /// Hands over what is enqueued and waits until all of it is done.
    ///
    /// # Errors
    /// [`Stop::Failed`] when the device failed.
    pub(super) fn settle(&mut self) -> Result<(), Stop> {
        self.hand_over()?;
        while !self.under_way.is_empty() {
            self.wait_for_oldest()?;
        }
        if self.setup.is_none() {
            self.device.sync().map_err(|error| Stop::Failed(format!("{error:?}")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stopped_one_run_does_not_stop_the_next() {
        let mut pace = Pace::at_once(&Device::flex()).with_piece_macs(1);
        let progress = Progress::new();
        progress.cancel();
        pace.follow(&progress, 1.0);
        assert_eq!(pace.spend(1.0), Err(Stop::Cancelled));
        pace.rest();
        assert_eq!(pace.spend(1.0), Ok(()));
    }
}
