//! `bench window`: from choosing a study to its first pictures, in the real window.
//!
//! Needs a display (Xvfb does) and a graphics driver; the driver is named beside the numbers, since
//! a software driver's are not a graphics card's.

use super::rows::{alone, shared_data};
use super::{BenchRow, median};
use crate::app::{Next, RunOptions, Workstation, run as open_window};
use crate::cli::peak_memory_bytes;
use anyhow::Context;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// How often the study is opened.
const ROUNDS: usize = 5;
/// Frames of the start screen before the first opening, and of the views between two.
const CALM_FRAMES: usize = 20;

/// What was measured.
#[derive(Default)]
struct Seen {
    seconds: Vec<f64>,
    /// Of the study's voxels as stored, 16 bits each.
    pixel_bytes: usize,
}

/// Where the measurement stands.
enum Phase {
    /// Frames still to be drawn before the study is chosen.
    Calm(usize),
    /// The study was chosen then.
    Chosen(Instant),
    /// Its views were laid out in the last frame; the frame is on screen when the next one begins.
    LaidOut(Instant),
}

/// Opens the chest study again and again and takes the time to the end of the frame that shows it.
///
/// # Errors
/// When there is no display or no graphics driver, or the window closes before its time.
pub(super) fn run() -> anyhow::Result<Vec<BenchRow>> {
    let Some(chest) = shared_data("chest/CT") else { return Ok(Vec::new()) };
    if std::env::var_os("DISPLAY").is_none() && std::env::var_os("WAYLAND_DISPLAY").is_none() {
        eprintln!("note: not measured, for there is no display");
        return Ok(Vec::new());
    }
    let folder = tempfile::tempdir().context("no room for temporary files")?;
    let seen = Rc::new(RefCell::new(Seen::default()));
    let options = RunOptions {
        paths: Vec::new(),
        data_folder: Some(folder.path().to_owned()),
        hook: Some(watch(chest, Rc::clone(&seen))),
        ..RunOptions::default()
    };
    let workstation = open_window(options)?;
    let Seen { seconds, pixel_bytes } = seen.take();
    anyhow::ensure!(seconds.len() == ROUNDS, "the window was closed");
    let device = workstation.device().to_owned();
    let mut rows = vec![alone("chest study chosen, to its pictures", "s", median(seconds), device.clone())];
    if let Some(bytes) = peak_memory_bytes() {
        #[expect(clippy::cast_precision_loss, reason = "a ratio for display")]
        let ratio = bytes as f64 / pixel_bytes as f64;
        rows.push(alone("peak memory with the window over pixel data", "x", ratio, device));
    }
    Ok(rows)
}

/// Chooses the study and takes the times, frame by frame.
fn watch(chest: PathBuf, seen: Rc<RefCell<Seen>>) -> crate::app::Hook {
    let mut phase = Phase::Calm(CALM_FRAMES);
    let mut shown: Option<usize> = None;
    Box::new(move |_, workstation: &mut Workstation| {
        let open = workstation.session().map(|session| Arc::as_ptr(session.series()) as usize);
        phase = match phase {
            Phase::Calm(0) => {
                workstation.open(vec![chest.clone()], None);
                Phase::Chosen(Instant::now())
            }
            Phase::Calm(frames) => Phase::Calm(frames - 1),
            Phase::Chosen(since) if open.is_some() && open != shown => Phase::LaidOut(since),
            // The work that is measured wakes the window; more frames would only slow it.
            Phase::Chosen(_) => return Next::Wait,
            Phase::LaidOut(since) => {
                let mut seen = seen.borrow_mut();
                // A frame may still come after the window was asked to close.
                if seen.seconds.len() < ROUNDS {
                    seen.seconds.push(since.elapsed().as_secs_f64());
                }
                seen.pixel_bytes =
                    workstation.session().map_or(0, |session| session.series().volume.voxels.len() * 2);
                shown = open;
                if seen.seconds.len() == ROUNDS {
                    return Next::Close;
                }
                Phase::Calm(CALM_FRAMES)
            }
        };
        Next::GoOn
    })
}
