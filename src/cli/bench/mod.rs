//! `delineo bench`: the project's own benchmarks, each beside a peer measured in the same run.
//!
//! A benchmark is a function that gives [`BenchRow`]s, entered in [`BENCHMARKS`]. Peers are Python
//! programs, run by the Python of `DELINEO_PYTHON` (or `python3`); where there is none with the
//! module needed, the peer's column stays empty.

pub mod ai;
mod algebra;
pub mod contours;
pub mod edit;
pub mod read;
mod rows;
pub mod rtstruct;
mod sample;
mod study;
pub mod training;
mod window;

use super::WrongUsage;
use anyhow::Context;
use serde_json::json;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Runs the project's benchmarks: ours and, in the same run, a peer's; medians.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this benchmark.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct BenchRow {
    /// What was measured.
    pub name: String,
    /// The unit of both numbers.
    pub unit: &'static str,
    /// Ours.
    pub ours: f64,
    /// The peer's, where it could be run.
    pub peer: Option<f64>,
    /// Which peer; empty without one.
    pub peer_name: String,
    /// Anything else worth knowing (GFLOP/s, peak memory).
    pub note: String,
}

impl BenchRow {
    /// How many times less of the unit ours takes (seconds), above 1 when ours is better.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        self.peer.map(|peer| peer / self.ours)
    }
}

/// A benchmark: its name, and what it measures.
type Benchmark = (&'static str, fn() -> anyhow::Result<Vec<BenchRow>>);

/// All benchmarks.
const BENCHMARKS: &[Benchmark] = &[
    ("read", rows::read),
    ("rtstruct", rows::rtstruct),
    ("edit", rows::edit),
    ("contours", contours::run),
    ("window", window::run),
    ("ai", ai::run),
    ("study", study::run),
    ("sample", sample::run),
    ("training", training::run),
];

/// Runs the command.
///
/// # Errors
/// When there is no benchmark of the name, or one cannot be run.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let chosen: Vec<&Benchmark> = BENCHMARKS
        .iter()
        .filter(|(name, _)| args.name.as_deref().is_none_or(|wanted| wanted == *name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = BENCHMARKS.iter().map(|(name, _)| *name).collect();
        let name = args.name.as_deref().unwrap_or_default();
        anyhow::bail!(WrongUsage(format!("there is no benchmark {name}; there are {}", names.join(", "))));
    }
    let mut rows = Vec::new();
    for (name, benchmark) in chosen {
        eprintln!("{name} ...");
        rows.extend(benchmark()?);
    }
    if let (Some(name), true) = (&args.name, rows.is_empty()) {
        anyhow::bail!(
            "{name} measured nothing, for what it needs is not there (see above); set DELINEO_SHARED_DATA to the folder \
             of the shared patient data"
        );
    }
    if args.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "name": row.name, "unit": row.unit, "ours": row.ours, "peer": row.peer,
                    "peer_name": row.peer_name, "ratio": row.ratio(), "note": row.note,
                })
            })
            .collect();
        outln!("{:#}", json!({ "benchmarks": rows }));
        return Ok(());
    }
    outln!("{:<44} {:>10} {:>10} {:>7}  peer, notes", "benchmark", "ours", "peer", "ratio");
    for row in &rows {
        let peer = row.peer.map_or("-".to_owned(), |peer| format!("{peer:.3}"));
        let ratio = row.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        outln!(
            "{:<44} {:>10} {:>10} {:>7}  {} {}",
            format!("{} ({})", row.name, row.unit),
            format!("{:.3}", row.ours),
            peer,
            ratio,
            row.peer_name,
            row.note
        );
    }
    Ok(())
}

/// The median of the seconds that `work` takes, over `rounds` rounds (at least one).
pub fn median_seconds(rounds: usize, mut work: impl FnMut()) -> f64 {
    let seconds = (0..rounds.max(1)).map(|_| {
        let started = Instant::now();
        work();
        started.elapsed().as_secs_f64()
    });
    median(seconds.collect())
}

/// The median; 0 of nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// A Python that can import `module`: that of `DELINEO_PYTHON`, or `python3`.
#[must_use]
pub fn python_with(module: &str) -> Option<PathBuf> {
    let chosen = std::env::var_os("DELINEO_PYTHON").map(PathBuf::from);
    chosen.into_iter().chain([PathBuf::from("python3")]).find(|python| {
        let import = Command::new(python).args(["-c", &format!("import {module}")]).output();
        import.is_ok_and(|output| output.status.success())
    })
}

/// Runs a Python script that needs `module` and gives the JSON document that it prints.
///
/// # Errors
/// When no Python has the module, or the script fails.
pub fn python_json(module: &str, script: &str, arguments: &[&OsStr]) -> anyhow::Result<serde_json::Value> {
    let python =
        python_with(module).with_context(|| format!("no Python has {module} (set DELINEO_PYTHON)"))?;
    let output = Command::new(python).args(["-c", script]).args(arguments).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("{}", said.lines().last().unwrap_or("Python failed"));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Runs a Python script and gives the last line that it prints as a number; `None`, with the reason
/// on standard error, when that fails.
#[must_use]
pub fn python_number(python: &std::path::Path, script: &str, arguments: &[String]) -> Option<f64> {
    let output = Command::new(python).arg("-c").arg(script).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = text.lines().last().and_then(|line| line.trim().parse().ok());
    if number.is_none() {
        let error = String::from_utf8_lossy(&output.stderr);
        eprintln!("the peer did not run: {}", error.lines().last().unwrap_or("no output"));
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_above_one_is_faster_than_the_peer() {
        let mut row = BenchRow {
            name: "x".into(),
            unit: "s",
            ours: 0.5,
            peer: Some(1.5),
            peer_name: "peer".into(),
            note: String::new(),
        };
        assert!((row.ratio().unwrap() - 3.0).abs() < 1e-12);
        row.peer = None;
        assert!(row.ratio().is_none());
    }
}
