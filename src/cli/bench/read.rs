//! `bench read`: from a folder of DICOM slices to voxels in memory, beside pydicom with numpy and
//! `SimpleITK`'s `ImageSeriesReader` on the same files in the same run.

use super::{median, python_json};
use crate::cli::peak_memory_bytes;
use crate::dicom::{read_series, scan};
use crate::progress::Progress;
use crate::session::study::default_series;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The others' times on the same files.
const PEERS: &str = include_str!("../../../tests/python/read_seconds.py");

/// Medians of one run; the others' are `None` where no Python has them.
#[derive(Debug, Clone)]
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
    let both_s = median(totals);
    let runs_text = runs.to_string();
    let peers = python_json("pydicom", PEERS, &[folder.as_os_str(), runs_text.as_ref()]);
    if let Err(reason) = &peers {
        eprintln!("note: pydicom and SimpleITK were not timed: {reason:#}");
    }
    let peer = |name: &str| peers.as_ref().ok().and_then(|times| times[name].as_f64());
    #[expect(clippy::cast_precision_loss, reason = "a ratio for display")]
    Ok(ReadTimes {
        folder: folder.to_owned(),
        runs,
        scan_s: median(scans),
        pixels_s: median(pixels),
        total_s: both_s,
        pydicom_s: peer("pydicom"),
        simpleitk_s: peer("simpleitk"),
        pixel_bytes,
        peak_memory_ratio: peak.map(|bytes| bytes as f64 / pixel_bytes as f64),
    })
}
