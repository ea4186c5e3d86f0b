//! Ctrl-C: the work under way is asked to stop and leaves nothing half done; a second one ends at
//! once.

use crate::new_file;
use crate::progress::Progress;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The exit code of a program ended by Ctrl-C, as shells count it (128 + SIGINT).
const ENDED: i32 = 130;
/// How often is looked whether Ctrl-C was pressed.
const OFTEN: Duration = Duration::from_millis(40);

static ASKED: AtomicBool = AtomicBool::new(false);
/// What runs now, the innermost last.
static RUNNING: Mutex<Vec<Progress>> = Mutex::new(Vec::new());

/// Listens for Ctrl-C from now on, unless whoever started the process had it ignored (a job in a
/// script's background).
pub fn listen() {
    if is_ignored() {
        return;
    }
    let pressed = Arc::new(AtomicBool::new(false));
    let listening =
        signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&pressed)).and_then(|_| {
            std::thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
                loop {
                    if pressed.swap(false, Ordering::SeqCst) {
                        interrupted();
                    }
                    std::thread::sleep(OFTEN);
                }
            })
        });
    if let Err(error) = listening {
        tracing::warn!("Ctrl-C ends the program without tidying up: {error}");
    }
}

/// Whether SIGINT is ignored, where the system tells (Linux).
fn is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Bit 0 is signal 1; SIGINT is 2.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 0b10 != 0)
}

fn interrupted() {
    let again = ASKED.swap(true, Ordering::SeqCst);
    let running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if again || running.is_empty() {
        new_file::abandon_all();
        std::process::exit(ENDED);
    }
    eprintln!("stopping (Ctrl-C again: at once)");
    running.iter().for_each(Progress::cancel);
}

/// Cancels `progress` on Ctrl-C until the guard is dropped.
pub fn guard(progress: &Progress) -> Guard {
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(progress.clone());
    if ASKED.load(Ordering::SeqCst) {
        progress.cancel();
    }
    Guard
}

/// See [`guard`].
#[must_use]
pub struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
    }
}
