//! The graphics device is destroyed while a scan is open and a network runs on it: the window comes
//! back on a new device, no edit is lost, and the network goes on by itself on the CPU. Needs a display and the main thread, so it is a program of its own that starts
//! itself under Xvfb; skipped, saying so, where Xvfb or a Vulkan driver is missing.

use delineo::ai::ModelPackage;
use delineo::ai::cpu::CpuNetwork;
use delineo::ai::engine::Engine;
use delineo::app::{Next, RunOptions, run};
use delineo::device::DeviceChoice;
use delineo::patient::RoiType;
use delineo::session::Command as Edit;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
        skip::skipped("no display could be had");
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

/// Runs a network again and again on the window's device until it has had to leave it; says so in
/// `runs` once it has run there.
fn run_until_lost(runs: &AtomicBool) {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/sample-body");
    let network = || ModelPackage::load(&model).unwrap().network().unwrap();
    let size = [32; 3];
    let tile: Vec<f32> = (0..32_u16.pow(3)).map(|n| (f32::from(n) * 0.01).sin()).collect();
    let expected = CpuNetwork::new(&network()).forward(&tile, size);
    let mut engine = Engine::new(network(), DeviceChoice::Gpu).unwrap();
    for _ in 0..200 {
        let logits = engine.forward(&tile, size).unwrap();
        assert!(logits.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-2), "{}", engine.device());
        if engine.device().starts_with("CPU") {
            assert!(runs.load(Ordering::Relaxed), "it never ran on the window's device");
            assert!(engine.take_warnings()[0].contains("computed on the CPU"));
            return;
        }
        runs.store(true, Ordering::Relaxed);
    }
    panic!("the network never noticed that its device was lost");
}

/// Opens the scan, adds a structure, loses the device, and looks again in the second window.
fn in_the_window(folder: &Path) -> ExitCode {
    let runs = Arc::new(AtomicBool::new(false));
    let runs_there = Arc::clone(&runs);
    let mut network = None;
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
        // By now the window has shared its device.
        if round == 0 && frames == 60 {
            let runs = Arc::clone(&runs);
            network = Some(std::thread::spawn(move || run_until_lost(&runs)));
        }
        // A message goes after some seconds, which a slow driver's frames may take.
        let said = |toast: &delineo::ui::toasts::Toast| toast.text.contains("graphics device was lost");
        heard |= round > 0 && station.state().toasts.list().iter().any(said);
        // A network that failed instead of running is told below.
        let waits = !runs_there.load(Ordering::Relaxed)
            && network.as_ref().is_some_and(|network| !network.is_finished());
        if frames <= if round == 0 { 60 } else { 30 } || waits {
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
        if let Some(network) = network.take() {
            network.join().expect("the network goes on by itself");
        }
        told.set(true);
        Next::Close
    };
    let options = RunOptions {
        paths: vec![folder.join("ball")],
        data_folder: Some(folder.join("data")),
        hook: Some(Box::new(hook)),
        shares_software_driver: true,
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
