//! Reading scans on a thread: what the window opens, and what lay beside it.

use super::workstation::Message;
use crate::dicom::{DoseEntry, Library, scan};
use crate::patient::{DataWarning, LabelMap, Series, series_fingerprint};
use crate::phantom;
use crate::progress::Progress;
use crate::session::study::{OpenStudyError, Study};
use crate::session::{self, Resumable};
use crate::ui::GpuViews;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The seed of the sample patient in the window.
const SAMPLE_SEED: u64 = phantom::DEFAULT_SEED;

/// A scan that was read, with what lay beside it.
pub(super) struct Opened {
    pub series: Arc<Series>,
    pub library: Library,
    /// Which of the library's series it is.
    pub chosen: Option<usize>,
    pub warnings: Vec<DataWarning>,
    /// What was chosen where there was a choice.
    pub choice: Option<String>,
    pub opened_from: Vec<PathBuf>,
    /// The journal to go on with: asked for, or found for these images.
    pub earlier: Option<Resumable>,
    /// Whether the person already asked to go on with it.
    pub resume: bool,
    /// Whether the person asked to go on with work that was done on other images than these.
    pub changed: bool,
    /// What is where in the sample patient.
    pub reference: Option<Arc<LabelMap>>,
}

/// Why nothing was opened.
pub(super) enum OpenStudyFailure {
    /// Only structure sets and doses were found: they may belong to the open scan.
    OnlyBeside { structure_sets: Vec<PathBuf>, doses: Vec<DoseEntry> },
    /// Anything else, as a sentence.
    Other(String),
}

/// The message of a scan that was read, its volume already on the graphics device.
pub(super) fn opened_on(gpu: Option<&GpuViews>, read: Result<Opened, OpenStudyFailure>) -> Message {
    if let (Some(gpu), Ok(opened)) = (gpu, &read) {
        gpu.preload(&opened.series.volume);
    }
    Message::Opened(read.map(Box::new))
}

/// Reads files and folders; of several series the one that `resume` was about.
pub(super) fn read(
    paths: Vec<PathBuf>,
    resume: Option<Resumable>,
    data_folder: &Path,
    progress: &Progress,
) -> Result<Opened, OpenStudyFailure> {
    let study = match &resume {
        Some(earlier) => Study::open_again(&paths, &earlier.subject, progress),
        None => Study::open(&paths, None, progress),
    };
    match study {
        Ok(study) => Ok(found(study, absolute(paths), resume, data_folder)),
        Err(OpenStudyError::NoSeries { .. }) => {
            let library =
                scan(&paths, progress).map_err(|error| OpenStudyFailure::Other(error.to_string()))?;
            let structure_sets = library.structure_sets.into_iter().map(|entry| entry.path).collect();
            Err(OpenStudyFailure::OnlyBeside { structure_sets, doses: library.doses })
        }
        Err(error) => Err(OpenStudyFailure::Other(error.to_string())),
    }
}

/// Paths that still lead there when the program is started elsewhere.
fn absolute(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.into_iter().map(|path| std::path::absolute(&path).unwrap_or(path)).collect()
}

/// What was read, with the earlier work on it. A journal of other images is not gone on with, even
/// where the person asked for it: the files may have changed since.
pub(super) fn found(
    study: Study,
    opened_from: Vec<PathBuf>,
    resume: Option<Resumable>,
    data_folder: &Path,
) -> Opened {
    let series = Arc::new(study.series);
    let fingerprint = series_fingerprint(&series);
    let was_asked = resume.is_some();
    let asked = resume.filter(|found| found.subject.fingerprint == fingerprint);
    let resume = asked.is_some();
    let earlier = asked.or_else(|| session::catalog(data_folder).of_images(&fingerprint).cloned());
    Opened {
        series,
        library: study.library,
        chosen: study.chosen,
        warnings: study.warnings,
        choice: study.choice,
        opened_from,
        earlier,
        resume,
        changed: was_asked && !resume,
        reference: None,
    }
}

/// Builds the sample patient.
pub(super) fn build_sample(
    resume: Option<Resumable>,
    data_folder: &Path,
    progress: &Progress,
) -> Result<Opened, OpenStudyFailure> {
    let sample =
        phantom::build(SAMPLE_SEED, progress).map_err(|error| OpenStudyFailure::Other(error.to_string()))?;
    let study = Study {
        series: sample.series,
        path: PathBuf::new(),
        library: Library::default(),
        chosen: None,
        warnings: Vec::new(),
        choice: None,
    };
    let mut opened = found(study, Vec::new(), resume, data_folder);
    opened.reference = Some(Arc::new(sample.labels));
    Ok(opened)
}
