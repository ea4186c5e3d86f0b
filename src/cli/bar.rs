//! A progress bar with time left on standard error, when that is a terminal; Ctrl-C cancels.

use super::interrupt;
use crate::progress::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Runs `work` with a progress handle that a bar shows.
pub fn with_bar<T>(work: impl FnOnce(&Progress) -> T) -> T {
    let progress = Progress::new();
    let _running = interrupt::guard(&progress);
    if !std::io::stderr().is_terminal() {
        return work(&progress);
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| watch(&progress, &done));
        let _end = OnDrop(&done);
        work(&progress)
    })
}

/// Ends the watcher however the work ends.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn watch(progress: &Progress, done: &AtomicBool) {
    let bar = ProgressBar::new(1000);
    if let Ok(style) = ProgressStyle::with_template("{msg:32!} {bar:30} {percent:>3} % {prefix}") {
        bar.set_style(style);
    }
    while !done.load(Ordering::Relaxed) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of 0..=1")]
        bar.set_position((progress.fraction() * 1000.0) as u64);
        bar.set_message(progress.step());
        bar.set_prefix(
            progress.time_left().map_or_else(String::new, |left| format!("{} s left", left.as_secs())),
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    bar.finish_and_clear();
}
