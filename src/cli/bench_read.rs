//! `bench read`: from a folder of DICOM slices to voxels in memory, beside pydicom with numpy and
//! `SimpleITK`'s `ImageSeriesReader` on the same files in the same run.

use crate::dicom::{read_series, scan};
use crate::progress::Progress;
use crate::session::study::default_series;
use anyhow::{Context, anyhow};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Medians of one run; the others' are `None` where no Python has them.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ReadTimes {
    /// The folder that was read.
    pub folder: PathBuf,
    /// How often each was run, after one run that warms the file cache.
    pub runs: usize,
    /// Finding the files and reading their headers, s.
    pub scan_s: f64,
    /// Reading the pixels, s.
    pub pixels_s: f64,
    /// Both, s.
    pub total_s: f64,
    /// pydicom and numpy, s.
    pub pydicom_s: Option<f64>,
    /// `SimpleITK`, s.
    pub simpleitk_s: Option<f64>,
    /// pydicom's time over ours.
    pub pydicom_ratio: Option<f64>,
    /// `SimpleITK`'s time over ours.
    pub simpleitk_ratio: Option<f64>,
    /// The bytes of the pixel data.
    pub pixel_bytes: u64,
    /// The most memory this process held while it read for the first time, over its pixel data.
    pub peak_memory_ratio: Option<f64>,
}

/// Times reading the default series of `folder`, `runs` times.
///
/// # Errors
/// When it cannot be read.
pub fn run(folder: &Path, runs: usize) -> anyhow::Result<ReadTimes> {
    let (mut scans, mut totals, mut pixels) = (Vec::new(), Vec::new(), Vec::new());
    let mut pixel_bytes = 0;
    let mut peak = None;
    for n in 0..=runs.max(1) {
        let start = Instant::now();
        let library = scan(&[folder.to_owned()], &Progress::new())?;
        let scanned = start.elapsed().as_secs_f64();
        let chosen = default_series(&library).context("no image series to read")?;
        let read = read_series(&library.series[chosen], &Progress::new())?;
        let total = start.elapsed().as_secs_f64();
        if n == 0 {
            pixel_bytes = read.series.volume.voxels.len() as u64 * 2;
            peak = peak_memory_bytes();
            continue;
        }
        scans.push(scanned);
        pixels.push(total - scanned);
        totals.push(total);
    }
    let both_s = median(&mut totals);
    let peers = peers(folder, runs);
    if let Err(reason) = &peers {
        eprintln!("note: pydicom and SimpleITK were not timed: {reason:#}");
    }
    let peer = |name: &str| peers.as_ref().ok().and_then(|times| times[name].as_f64());
    #[expect(clippy::cast_precision_loss, reason = "a ratio for display")]
    Ok(ReadTimes {
        folder: folder.to_owned(),
        runs,
        scan_s: median(&mut scans),
        pixels_s: median(&mut pixels),
        total_s: both_s,
        pydicom_s: peer("pydicom"),
        simpleitk_s: peer("simpleitk"),
        pydicom_ratio: peer("pydicom").map(|seconds| seconds / both_s),
        simpleitk_ratio: peer("simpleitk").map(|seconds| seconds / both_s),
        pixel_bytes,
        peak_memory_ratio: peak.map(|bytes| bytes as f64 / pixel_bytes as f64),
    })
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The most resident memory of this process so far, where the system tells (Linux).
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

/// The others' times, by `tests/python/read_seconds.py` with the Python of `DELINEO_PYTHON`.
fn peers(folder: &Path, runs: usize) -> anyhow::Result<serde_json::Value> {
    const SCRIPT: &str = include_str!("../../tests/python/read_seconds.py");
    let python = std::env::var_os("DELINEO_PYTHON").unwrap_or_else(|| "/opt/readers/bin/python".into());
    let output = Command::new(&python)
        .arg("-c")
        .arg(SCRIPT)
        .arg(folder)
        .arg(runs.to_string())
        .output()
        .with_context(|| format!("no Python at {} (set DELINEO_PYTHON)", python.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(anyhow!("{}", said.lines().last().unwrap_or("Python failed").to_owned()));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
