//! `delineo sample`: writes the bundled sample patient.

use super::bar::with_bar;
use crate::dicom::{WriteRtstructOptions, write_ct_series, write_rtstruct};
use crate::phantom;
use crate::phantom::SamplePatient;
use crate::progress::Progress;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// Writes the synthetic sample patient as a DICOM CT series with its reference structures.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder to write into; made if it is missing.
    dir: PathBuf,
    /// Which individual: every number is a different one.
    #[arg(long, default_value_t = phantom::DEFAULT_SEED)]
    seed: u64,
    /// Writes into a folder that is not empty, over files of the same names.
    #[arg(long)]
    force: bool,
}

/// Where a written sample patient lies.
#[derive(Debug)]
pub(super) struct Written {
    /// The folder of the CT series.
    pub ct: PathBuf,
    /// The reference RTSTRUCT.
    pub reference: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When the folder is not empty or cannot be written to.
pub fn run(args: &Args) -> anyhow::Result<()> {
    refuse_full_folder(&args.dir, args.force)?;
    let patient = with_bar(|progress| phantom::build(args.seed, progress))?;
    let written = with_bar(|progress| write(&patient, &args.dir, progress))?;
    outln!("CT series:            {}", written.ct.display());
    outln!("reference structures: {}", written.reference.display());
    Ok(())
}

/// Refuses a folder with something in it, unless asked to write over it.
///
/// # Errors
/// When `dir` is not empty and `force` is not given, or cannot be listed.
pub(super) fn refuse_full_folder(dir: &Path, force: bool) -> anyhow::Result<()> {
    let full = dir.exists()
        && std::fs::read_dir(dir)
            .with_context(|| format!("cannot list the folder; choose another: {}", dir.display()))?
            .next()
            .is_some();
    if full && !force {
        bail!("the folder is not empty; choose another or ask to write over it (--force): {}", dir.display());
    }
    Ok(())
}

/// Writes images and reference structures below `dir`.
///
/// # Errors
/// When something cannot be written, or when cancelled.
pub(super) fn write(patient: &SamplePatient, dir: &Path, progress: &Progress) -> anyhow::Result<Written> {
    progress.set_step("Writing the CT series");
    let ct = dir.join("CT");
    write_ct_series(&patient.series, &ct, &progress.part(0.0, 0.7))?;
    progress.set_step("Writing the reference structures");
    let reference = dir.join("reference.dcm");
    let options =
        WriteRtstructOptions { label: Some("Reference".to_owned()), force: true, ..Default::default() };
    write_rtstruct(&patient.structures(), &patient.series, &reference, &options)?;
    progress.set_fraction(1.0)?;
    Ok(Written { ct, reference })
}
