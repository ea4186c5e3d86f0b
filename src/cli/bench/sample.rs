//! `bench sample`: the bundled sample patient, from its description to files.

use super::rows::alone;
use super::{BenchRow, median};
use crate::cli::sample;
use crate::phantom;
use crate::progress::Progress;
use anyhow::Context;
use std::time::Instant;

/// How often each is run.
const ROUNDS: usize = 3;

/// Times building the patient, and writing its CT series and reference structures to a temporary
/// folder.
///
/// # Errors
/// When the patient cannot be built or the temporary folder cannot be written to.
pub(super) fn run() -> anyhow::Result<Vec<BenchRow>> {
    let scratch = tempfile::tempdir().context("no room for temporary files")?;
    let (mut built, mut slices) = (Vec::new(), 0);
    let mut written = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let patient = phantom::build(phantom::DEFAULT_SEED, &Progress::new())?;
        built.push(start.elapsed().as_secs_f64());
        slices = patient.series.volume.slices.len();
        let start = Instant::now();
        sample::write(&patient, scratch.path(), &Progress::new())?;
        written.push(start.elapsed().as_secs_f64());
    }
    let note = format!("512 x 512 x {slices} voxels, {} threads", rayon::current_num_threads());
    Ok(vec![
        alone("sample patient built (limit 20 s)", "s", median(built), note.clone()),
        alone("sample patient written as DICOM", "s", median(written), note),
    ])
}
