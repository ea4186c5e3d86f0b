//! The command line: one file a command, all through the same code as the window.
//!
//! Names, options, JSON keys and exit codes are a contract with scripts outside the project:
//! 0 done, 1 could not be done (the last line on standard error says why and what to do),
//! 2 wrong usage.

#[macro_use]
mod out;

pub mod bar;
pub mod bench;
pub mod compare;
pub mod contour;
pub mod convert;
pub mod demo;
pub mod info;
mod interrupt;
mod label_names;
pub mod model;
pub mod open;
pub mod render;
pub mod sample;
mod steps;
pub mod train;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Contouring for radiation oncology. Not a cleared medical device.
#[derive(Debug, Parser)]
#[command(name = "delineo", version, about, long_about = None)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Contours organs with a model, or the body's outline, to an RTSTRUCT and/or a label map.
    Contour(contour::Args),
    /// Contours the synthetic sample patient with AI, corrects, exports, checks and draws it.
    Demo(demo::Args),
    /// Lists, fetches, imports and removes model packages.
    Model(model::Args),
    /// Runs the project's benchmarks.
    Bench(bench::Args),
    /// Compares the structures of two files by name.
    Compare(compare::Args),
    /// Lists what lies in files and folders, with every warning about the data.
    Info(info::Args),
    /// Converts structures: RTSTRUCT (.dcm) to a NIfTI label map (.nii, .nii.gz) and back.
    Convert(convert::Args),
    /// Draws the picture that the workstation would show, as a PNG file.
    Render(render::Args),
    /// Writes the synthetic sample patient as a DICOM CT series with its reference structures.
    Sample(sample::Args),
    /// Trains a model package on a folder of patients, or trains one further.
    Train(train::Args),
    /// Opens the workstation on files and folders; without a command it opens at its start screen.
    Open(open::Args),
}

/// Runs the program with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    interrupt::listen();
    let done = match cli.command {
        Some(Command::Contour(args)) => contour::run(&args),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Model(args)) => model::run(&args),
        Some(Command::Bench(args)) => bench::run(&args),
        Some(Command::Compare(args)) => compare::run(&args),
        Some(Command::Info(args)) => info::run(&args),
        Some(Command::Convert(args)) => convert::run(&args),
        Some(Command::Render(args)) => render::run(&args),
        Some(Command::Sample(args)) => sample::run(&args),
        Some(Command::Train(args)) => train::run(&args),
        Some(Command::Open(args)) => open::run(&args),
        None => open::run(&open::Args::default()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Logs go to standard error; `DELINEO_LOG` sets the filter. Never a patient's identity.
fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("DELINEO_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}

/// What was asked for makes no sense, whatever the files hold: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct WrongUsage(String);

/// Tells an error once, as the last line on standard error.
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    if error.is::<WrongUsage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// The most resident memory of this process so far, where the system tells (Linux).
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}
