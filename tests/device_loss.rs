//! The graphics device is destroyed while a scan is open: the window comes back on a new device and
//! no edit is lost. Needs a display and the main thread, so it is a program of its own that starts
//! itself under Xvfb; skipped, saying so, where Xvfb or a Vulkan driver is missing.

use delineo::app::{Next, RunOptions, run};
use delineo::patient::RoiType;
use delineo::session::Command as Edit;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

#[path = "shared/ball.rs"]
mod ball;
#[path = "shared/display.rs"]
mod shared;
#[path = "shared/skip.rs"]
mod skip;

/// Set for the program that opens the window: the folder of the test.
const FOLDER: &str = "DELINEO_TEST_FOLDER";
const NAME: &str = "a_lost_device_costs_no_edit";

fn main() -> ExitCode {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return in_the_window(&PathBuf::from(folder));
    }
    // The protocol of cargo-nextest and of cargo test's filters.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        if !arguments.iter().any(|argument| argument == "--ignored") {
            println!("{NAME}: test");
        }
        return ExitCode::SUCCESS;
    }
    under_xvfb()
}

fn under_xvfb() -> ExitCode {
    if Command::new("which")
        .arg("Xvfb")
        .stdout(Stdio::null())
        .status()
        .map_or(true, |status| !status.success())
    {
        skip::skipped("no Xvfb");
        return ExitCode::SUCCESS;
    }
    if delineo::render::Gpu::headless(true).is_err() {
        skip::skipped("no adapter");
        return ExitCode::SUCCESS;
    }
    let folder = tempfile::tempdir().unwrap();
    ball::write_ball(folder.path());
    let Some((server, display)) = shared::display() else {
        println!("skipped: no display could be had");
        return ExitCode::SUCCESS;
    };
    let child = Command::new(std::env::current_exe().unwrap())
        .env("DISPLAY", &display)
        .env_remove("WAYLAND_DISPLAY")
        .env(FOLDER, folder.path())
        .status();
    drop(server);
    if child.is_ok_and(|status| status.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Opens the scan, adds a structure, loses the device, and looks again in the second window.
fn in_the_window(folder: &Path) -> ExitCode {
    let seen = std::rc::Rc::new(std::cell::Cell::new(false));
    let (told, mut edited, mut heard, mut frames) = (std::rc::Rc::clone(&seen), false, false, 0);
    let hook = move |round: usize, station: &mut delineo::app::Workstation| {
        frames += 1;
        assert!(frames < 20_000, "the scan was never opened");
        if station.session().is_none() {
            assert_eq!(round, 0, "the session was lost with the device");
            return Next::GoOn;
        }
        if round == 0 && !edited {
            edited = true;
            frames = 0;
            let add = Edit::AddRoi { name: "Heart".to_owned(), color: None, roi_type: RoiType::Organ };
            assert!(station.apply(add));
        }
        // A message goes after some seconds, which a slow driver's frames may take.
        let said = |toast: &delineo::ui::toasts::Toast| toast.text.contains("graphics device was lost");
        heard |= round > 0 && station.state().toasts.list().iter().any(said);
        if frames < 30 {
            return Next::GoOn;
        }
        if round == 0 {
            frames = 0;
            return Next::LoseDevice;
        }
        let session = station.session().unwrap();
        assert_eq!(session.structures().rois[0].name, "Heart");
        assert!(session.undo_name().is_some());
        assert!(heard, "the person is told");
        told.set(true);
        Next::Close
    };
    let options = RunOptions {
        paths: vec![folder.join("ball")],
        data_folder: Some(folder.join("data")),
        hook: Some(Box::new(hook)),
    };
    match run(options) {
        Ok(_) if seen.get() => ExitCode::SUCCESS,
        Ok(_) => {
            eprintln!("the window closed before the device was lost");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
