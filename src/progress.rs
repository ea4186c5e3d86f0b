//! Progress, time left and cancel for work that can outlast a frame.
//!
//! Every long operation of the lower floors takes a [`Progress`]. The caller keeps a clone and
//! reads it from another thread: the operation writes its step and fraction, the caller may ask
//! it to stop. Nothing here blocks.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Asked to stop before the work was done. Carried by every operation error that can be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

#[derive(Debug)]
struct Shared {
    cancelled: AtomicBool,
    /// Fraction of the whole operation done, as the bits of an `f64` in 0..=1.
    fraction: AtomicU64,
    step: Mutex<String>,
    started: Instant,
}

/// A handle shared by the one who works and the ones who watch; clones are the same handle.
#[derive(Debug, Clone)]
pub struct Progress {
    shared: Arc<Shared>,
    /// The part of the whole operation that this handle reports on.
    from: f64,
    to: f64,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// A fresh handle at 0, not cancelled, its clock started.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                cancelled: AtomicBool::new(false),
                fraction: AtomicU64::new(0.0_f64.to_bits()),
                step: Mutex::new(String::new()),
                started: Instant::now(),
            }),
            from: 0.0,
            to: 1.0,
        }
    }

    /// A handle whose 0..1 is `from..to` of this one: hand it to a sub-operation.
    #[must_use]
    pub fn part(&self, from: f64, to: f64) -> Self {
        let width = self.to - self.from;
        Self { shared: Arc::clone(&self.shared), from: self.from + width * from, to: self.from + width * to }
    }

    /// Names the step now running, in words for a person ("Reading slices").
    pub fn set_step(&self, step: impl Into<String>) {
        if let Ok(mut current) = self.shared.step.lock() {
            *current = step.into();
        }
    }

    /// Reports the fraction done (clamped to 0..=1) of this handle's part.
    ///
    /// # Errors
    /// [`Cancelled`] once someone has asked to stop, so that work loops can write
    /// `progress.set_fraction(f)?`.
    pub fn set_fraction(&self, fraction: f64) -> Result<(), Cancelled> {
        let whole = self.from + (self.to - self.from) * fraction.clamp(0.0, 1.0);
        self.shared.fraction.store(whole.to_bits(), Ordering::Relaxed);
        self.check()
    }

    /// # Errors
    /// [`Cancelled`] once someone has asked to stop.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() { Err(Cancelled) } else { Ok(()) }
    }

    /// Asks the work to stop at its next check.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether someone has asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Relaxed)
    }

    /// The fraction of the whole operation done, 0..=1.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        f64::from_bits(self.shared.fraction.load(Ordering::Relaxed))
    }

    /// The step now running; empty before the first.
    #[must_use]
    pub fn step(&self) -> String {
        self.shared.step.lock().map(|step| step.clone()).unwrap_or_default()
    }

    /// The time left at the mean speed so far; `None` in the first two per cent.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let fraction = self.fraction();
        (fraction >= 0.02).then(|| self.shared.started.elapsed().mul_f64((1.0 - fraction) / fraction))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_reports_into_the_whole() {
        let whole = Progress::new();
        let second_half = whole.part(0.5, 1.0);
        second_half.set_fraction(0.5).unwrap();
        assert!((whole.fraction() - 0.75).abs() < 1e-12);
    }

    #[test]
    fn cancel_reaches_every_clone() {
        let watcher = Progress::new();
        let worker = watcher.part(0.0, 0.1);
        watcher.cancel();
        assert_eq!(worker.set_fraction(0.3), Err(Cancelled));
    }
}
