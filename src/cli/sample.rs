//! `delineo sample`: writes the bundled sample patient.

use super::bar::with_bar;
use crate::dicom::{WriteRtstructOptions, prepare_ct_series, prepare_rtstruct, scan};
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

/// Writes images and reference structures below `dir`, in place of a sample patient that lies there.
/// Until all is written, what lies there stays.
///
/// # Errors
/// When something cannot be written, or when cancelled.
pub(super) fn write(patient: &SamplePatient, dir: &Path, progress: &Progress) -> anyhow::Result<Written> {
    progress.set_step("Writing the CT series");
    let ct = dir.join("CT");
    let images = prepare_ct_series(&patient.series, &ct, &progress.part(0.0, 0.7))?;
    progress.set_step("Writing the reference structures");
    let reference = dir.join("reference.dcm");
    let options =
        WriteRtstructOptions { label: Some("Reference".to_owned()), force: true, ..Default::default() };
    let structures = prepare_rtstruct(&patient.structures(), &patient.series, &reference, &options)?;
    progress.set_fraction(1.0)?;
    let others = other_slices(&ct, &images.paths());
    images.commit()?;
    structures.file.commit()?;
    for path in others {
        std::fs::remove_file(&path).with_context(|| {
            format!(
                "a slice of another sample patient cannot be removed; remove it yourself: {}",
                path.display()
            )
        })?;
    }
    Ok(Written { ct, reference })
}

/// The slices of earlier sample patients in the folder `ct` that are not written over: left there
/// they would mix two individuals.
fn other_slices(ct: &Path, written: &[PathBuf]) -> Vec<PathBuf> {
    // Where there is no image there is nothing to mix.
    let Ok(found) = scan(&[ct.to_owned()], &Progress::new()) else { return Vec::new() };
    let is_own = |path: &&Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.parent() == Some(ct) && name.starts_with("CT_") && name.ends_with(".dcm")
    };
    let synthetic = found.series.iter().filter(|entry| entry.info.patient.synthetic);
    synthetic
        .flat_map(|entry| entry.files().filter(is_own).map(Path::to_owned).collect::<Vec<_>>())
        .filter(|path| !written.contains(path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::new_file::names_in;
    use crate::phantom::{Sampling, build_sampled};

    fn coarse(seed: u64, slice_mm: f64) -> SamplePatient {
        build_sampled(seed, Sampling { pixels: 64, slice_mm }, &Progress::new()).unwrap()
    }

    #[test]
    fn another_individual_takes_the_place_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let (tall, short) = (coarse(1, 40.0), coarse(2, 60.0));
        write(&tall, dir, &Progress::new()).unwrap();
        let before = names_in(&dir.join("CT"));
        // What is not of the program's own stays, whatever it is called.
        std::fs::write(dir.join("CT/CT_9999.dcm"), "mine").unwrap();
        let written = write(&short, dir, &Progress::new()).unwrap();
        let after = names_in(&written.ct);
        let count = short.series.volume.slices.len();
        assert!(count < before.len(), "{before:?}");
        assert_eq!(after.len(), count + 1, "{after:?}");
        std::fs::remove_file(dir.join("CT/CT_9999.dcm")).unwrap();
        let library = scan(&[dir.to_owned()], &Progress::new()).unwrap();
        assert_eq!((library.series.len(), library.series[0].info.patient.id.as_str()), (1, "SAMPLE-2"));
        assert_eq!(library.structure_sets[0].patient.id, "SAMPLE-2");
    }

    #[test]
    fn what_lies_there_stays_when_writing_fails() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        write(&coarse(1, 40.0), dir, &Progress::new()).unwrap();
        let state = || {
            let ct = names_in(&dir.join("CT"));
            let first = std::fs::read(dir.join("CT/CT_0001.dcm")).unwrap();
            (names_in(dir), ct, first, std::fs::read(dir.join("reference.dcm")).ok())
        };
        let before = state();
        let cancelled = Progress::new();
        cancelled.cancel();
        write(&coarse(2, 60.0), dir, &cancelled).unwrap_err();
        assert!(state() == before);
        // A slice whose place cannot be taken comes late: what was moved before is moved back.
        let last = dir.join("CT/CT_0003.dcm");
        std::fs::remove_file(dir.join("reference.dcm")).unwrap();
        std::fs::create_dir(dir.join("reference.dcm")).unwrap();
        let before = state();
        write(&coarse(2, 60.0), dir, &Progress::new()).unwrap_err();
        assert!(state() == before && last.is_file());
    }
}
