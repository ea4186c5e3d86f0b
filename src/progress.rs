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
    /// Everything told: the fraction of the whole, and the step.
    #[cfg(test)]
    told: Mutex<Vec<(f64, String)>>,
    /// Since when the time left is reckoned, and what was done and expected then.
    since: Mutex<Since>,
}

/// What the time left is reckoned from.
#[derive(Debug, Clone, Copy)]
struct Since {
    at: Instant,
    begun: f64,
    /// How long all of it was thought to take before it began.
    expected: Option<Duration>,
}

/// A handle shared by the one who works and the ones who watch; clones are the same handle.
#[derive(Debug, Clone)]
pub struct Progress {
    shared: Arc<Shared>,
    /// The part of the whole operation that this handle reports on.
    from: f64,
    to: f64,
    /// What its steps' names begin with.
    prefix: Arc<str>,
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
                #[cfg(test)]
                told: Mutex::default(),
                since: Mutex::new(Since { at: Instant::now(), begun: 0.0, expected: None }),
            }),
            from: 0.0,
            to: 1.0,
            prefix: Arc::from(""),
        }
    }

    /// A handle whose 0..1 is `from..to` of this one: hand it to a sub-operation.
    #[must_use]
    pub fn part(&self, from: f64, to: f64) -> Self {
        let width = self.to - self.from;
        Self { from: self.from + width * from, to: self.from + width * to, ..self.clone() }
    }

    /// This handle, with a name before the names of its steps ("Part 2 of 5: Loading the model"): for a
    /// sub-operation whose steps come more than once. Names add up from the outside in.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self { prefix: format!("{}{name}: ", self.prefix).into(), ..self.clone() }
    }

    /// Names the step now running, in words for a person ("Reading slices").
    pub fn set_step(&self, step: impl Into<String>) {
        if let Ok(mut current) = self.shared.step.lock() {
            *current = format!("{}{}", self.prefix, step.into());
        }
        #[cfg(test)]
        self.note();
    }

    /// Reports the fraction done (clamped to 0..=1) of this handle's part.
    ///
    /// # Errors
    /// [`Cancelled`] once someone has asked to stop, so that work loops can write
    /// `progress.set_fraction(f)?`.
    pub fn set_fraction(&self, fraction: f64) -> Result<(), Cancelled> {
        let whole = self.from + (self.to - self.from) * fraction.clamp(0.0, 1.0);
        self.shared.fraction.store(whole.to_bits(), Ordering::Relaxed);
        #[cfg(test)]
        self.note();
        self.check()
    }

    /// Begins at this fraction of this handle's part, which was done before: work that is taken up again. The
    /// time left is that of the rest, at the speed from now on.
    pub fn go_on_from(&self, fraction: f64) {
        let whole = self.from + (self.to - self.from) * fraction.clamp(0.0, 1.0);
        self.shared.fraction.store(whole.to_bits(), Ordering::Relaxed);
        if let Ok(mut since) = self.shared.since.lock() {
            *since = Since { at: Instant::now(), begun: whole, expected: None };
        }
        #[cfg(test)]
        self.note();
    }

    #[cfg(test)]
    fn note(&self) {
        self.shared.told.lock().unwrap().push((self.fraction(), self.step()));
    }

    /// Everything that was told so far: the fraction of the whole, and the step.
    #[cfg(test)]
    pub(crate) fn told(&self) -> Vec<(f64, String)> {
        self.shared.told.lock().unwrap().clone()
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

    /// Tells how long the whole was thought to take before it began; the time left starts from there.
    pub fn expect_to_take(&self, whole: Duration) {
        if let Ok(mut since) = self.shared.since.lock() {
            since.expected = Some(whole);
        }
    }

    /// The time left. Where nothing was expected beforehand it goes by the mean speed so far, and is `None`
    /// until that tells something; else it begins with what was expected and goes over to the speed by the
    /// half of what was to be done.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let Since { at, begun, expected } = *self.shared.since.lock().ok()?;
        left(at.elapsed(), begun, self.fraction(), expected)
    }
}

/// Less than this share of what was to be done tells nothing of the rest, unless it took [`LONG`].
const TELLS: f64 = 0.1;
/// After so long even two per cent tell something.
const LONG: Duration = Duration::from_secs(20);

/// The time left of work that was at the fraction `begun` so much time ago and is at `now`.
///
/// The first per cents are quick things (the body, the resampling), whose speed says little of the network's:
/// with an expectation the measured speed counts by twice the share that is done.
fn left(elapsed: Duration, begun: f64, now: f64, expected: Option<Duration>) -> Option<Duration> {
    if begun >= 1.0 {
        return None;
    }
    let share = (now - begun) / (1.0 - begun);
    let by_speed = (share > 0.0).then(|| elapsed.mul_f64((1.0 - share).max(0.0) / share));
    let Some(expected) = expected else {
        let tells = share >= TELLS || (share >= 0.02 && elapsed >= LONG);
        return by_speed.filter(|_| tells);
    };
    let before = expected.saturating_sub(elapsed);
    let Some(by_speed) = by_speed else { return Some(before) };
    let weight = (2.0 * share).min(1.0);
    Some(before.mul_f64(1.0 - weight) + by_speed.mul_f64(weight))
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
    fn work_taken_up_again_begins_where_it_was_and_tells_the_time_of_the_rest() {
        let whole = Progress::new();
        whole.part(0.5, 1.0).go_on_from(0.6);
        assert!((whole.fraction() - 0.8).abs() < 1e-12);
        assert_eq!(whole.time_left(), None, "nothing was done yet");
        let minute = Duration::from_mins(1);
        // From 80 to 85 per cent in a minute: 15 more take three.
        let rest = left(minute, 0.8, 0.85, None).unwrap().as_secs_f64();
        assert!((rest - 180.0).abs() < 1e-6, "{rest}");
        assert_eq!(left(minute, 0.8, 0.803, None), None, "less than two per cent of the rest");
        assert_eq!(left(minute, 0.0, 0.5, None), Some(minute));
        assert_eq!(left(minute, 1.0, 1.0, None), None);
        assert_eq!(left(minute, 0.5, 0.4, None), None);
    }

    #[test]
    fn the_time_left_begins_with_what_was_expected_and_goes_over_to_the_speed() {
        let seconds = Duration::from_secs_f64;
        let after = |elapsed: f64, now: f64, expected: Option<f64>| {
            left(seconds(elapsed), 0.0, now, expected.map(seconds)).map(|left| left.as_secs_f64())
        };
        let near =
            |found: Option<f64>, wanted: f64| assert!((found.unwrap() - wanted).abs() < 1e-6, "{found:?}");
        // Nothing is said of the rest by the first quick per cents alone.
        assert_eq!(after(0.4, 0.03, None), None);
        near(after(30.0, 0.03, None), 970.0);
        near(after(4.0, 0.1, None), 36.0);
        // 40 s were expected.
        near(after(0.0, 0.0, Some(40.0)), 40.0);
        near(after(1.0, 0.0, Some(40.0)), 39.0);
        // A twentieth in a second: a tenth of the weight has what the speed says, 19 s.
        near(after(1.0, 0.05, Some(40.0)), 0.9 * 39.0 + 0.1 * 19.0);
        // It takes longer than was expected, and from the half on the speed alone tells.
        near(after(60.0, 0.5, Some(40.0)), 60.0);
        near(after(60.0, 0.75, Some(40.0)), 20.0);
        near(after(80.0, 1.0, Some(40.0)), 0.0);
    }

    #[test]
    fn a_named_part_s_steps_begin_with_its_name() {
        let whole = Progress::new();
        let second = whole.named("Part 2 of 5").part(0.5, 1.0);
        second.set_step("Loading");
        assert_eq!(whole.step(), "Part 2 of 5: Loading");
        second.named("First stage").set_step("Loading");
        assert_eq!(whole.step(), "Part 2 of 5: First stage: Loading");
        second.set_fraction(0.5).unwrap();
        assert!((whole.fraction() - 0.75).abs() < 1e-12);
        whole.set_step("Tracing");
        assert_eq!(whole.step(), "Tracing");
    }

    #[test]
    fn cancel_reaches_every_clone() {
        let watcher = Progress::new();
        let worker = watcher.part(0.0, 0.1);
        watcher.cancel();
        assert_eq!(worker.set_fraction(0.3), Err(Cancelled));
    }
}
