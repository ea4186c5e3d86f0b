//! Opening images: the one way in which command line and window turn paths into a series.

use super::JournalSubject;
use crate::dicom::{Library, ReadSeriesError, ScanError, SeriesEntry, modality_rank, read_series, scan};
use crate::formats::nifti::{self, NiftiError};
use crate::patient::{DataWarning, Series, Volume, Voxels, series_fingerprint};
use crate::progress::{Cancelled, Progress};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open image series and what lay beside it.
#[derive(Debug, Clone)]
pub struct Study {
    /// The open series.
    pub series: Series,
    /// The folder or file of the open series.
    pub path: PathBuf,
    /// Everything that was found, to choose another series or a structure set from; empty for NIfTI.
    pub library: Library,
    /// Which of the library's series is open; `None` for NIfTI.
    pub chosen: Option<usize>,
    /// What was odd about the files and the open series.
    pub warnings: Vec<DataWarning>,
    /// What was chosen, where there was a choice and nobody made it, without the way to choose another:
    /// the window and the command line have their own.
    pub choice: Option<String>,
}

/// Why nothing could be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStudyError {
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The files could not be searched.
    #[error(transparent)]
    Scan(ScanError),
    /// The pixels could not be read.
    #[error(transparent)]
    Read(ReadSeriesError),
    /// The NIfTI file could not be read.
    #[error(transparent)]
    Nifti(NiftiError),
    /// DICOM, but no images.
    #[error("there is no image series, only structure sets or doses; open the folder with the scan: {}", .path.display())]
    NoSeries {
        /// What was searched.
        path: PathBuf,
    },
    /// The wanted series is not there.
    #[error("there is no series {wanted}; there are {available}: {}", .path.display())]
    UnknownSeries {
        /// The UID asked for.
        wanted: String,
        /// The UIDs there are.
        available: String,
        /// What was searched.
        path: PathBuf,
    },
    /// NIfTI files in a folder.
    #[error("the folder holds no DICOM, but NIfTI files; open one of them, such as {example}: {}", .path.display())]
    FolderOfNifti {
        /// A file's name.
        example: String,
        /// The folder.
        path: PathBuf,
    },
}

impl From<ScanError> for OpenStudyError {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other => Self::Scan(other),
        }
    }
}

impl From<ReadSeriesError> for OpenStudyError {
    fn from(error: ReadSeriesError) -> Self {
        match error {
            ReadSeriesError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other => Self::Read(other),
        }
    }
}

impl From<NiftiError> for OpenStudyError {
    fn from(error: NiftiError) -> Self {
        match error {
            NiftiError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other => Self::Nifti(other),
        }
    }
}

impl Study {
    /// Opens images: DICOM files or folders (searched recursively), or one NIfTI file.
    ///
    /// Of several series, `wanted` names one by its [`Library::series_key`]; without it the choice is
    /// [`default_series`], and [`Study::choice`] says so.
    ///
    /// # Errors
    /// When there is nothing that can be opened, or when cancelled.
    pub fn open(
        paths: &[PathBuf],
        wanted: Option<&str>,
        progress: &Progress,
    ) -> Result<Self, OpenStudyError> {
        if let [path] = paths
            && path.is_file()
            && nifti::is_nifti_name(path)
        {
            return Self::open_nifti(path, wanted, progress);
        }
        let library = search(paths, &progress.part(0.0, 0.3))?;
        let (chosen, choice) = choose(&library, wanted, paths)?;
        Self::open_entry(library, chosen, choice, &progress.part(0.3, 1.0))
    }

    /// Opens the images of earlier work: of the series found in `paths` the one with the fingerprint
    /// that the journal names. Where there is none the images have changed since; then the series of
    /// the same UID is opened, or failing that the one that [`Study::open`] chooses.
    ///
    /// # Errors
    /// When there is nothing that can be opened, or when cancelled.
    pub fn open_again(
        paths: &[PathBuf],
        subject: &JournalSubject,
        progress: &Progress,
    ) -> Result<Self, OpenStudyError> {
        if let [path] = paths
            && path.is_file()
            && nifti::is_nifti_name(path)
        {
            return Self::open_nifti(path, None, progress);
        }
        let library = search(paths, &progress.part(0.0, 0.3))?;
        let same = library.series.iter().position(|entry| fingerprint(entry) == subject.fingerprint);
        let (chosen, choice) = match same {
            Some(same) => (same, None),
            None => choose(&library, Some(&subject.series_uid), paths)
                .or_else(|_| choose(&library, None, paths))?,
        };
        Self::open_entry(library, chosen, choice, &progress.part(0.3, 1.0))
    }

    /// Opens series `chosen` of a library.
    ///
    /// # Errors
    /// When its pixels cannot be read, or when cancelled.
    ///
    /// # Panics
    /// When `chosen` is not a series of the library.
    pub fn open_entry(
        library: Library,
        chosen: usize,
        choice: Option<String>,
        progress: &Progress,
    ) -> Result<Self, OpenStudyError> {
        let entry = &library.series[chosen];
        let read = read_series(entry, progress)?;
        let path = entry.path.clone();
        let mut warnings = library.warnings.clone();
        warnings.extend(read.warnings);
        warnings.sort();
        warnings.dedup();
        Ok(Self { series: read.series, path, library, chosen: Some(chosen), warnings, choice })
    }

    fn open_nifti(path: &Path, wanted: Option<&str>, progress: &Progress) -> Result<Self, OpenStudyError> {
        let read = nifti::read_image(path, progress)?;
        if let Some(wanted) = wanted
            && *wanted != *read.series.info.uid
        {
            return Err(OpenStudyError::UnknownSeries {
                wanted: wanted.to_owned(),
                available: "none with a UID (it is a NIfTI file)".to_owned(),
                path: path.to_owned(),
            });
        }
        Ok(Self {
            series: read.series,
            path: path.to_owned(),
            library: Library::default(),
            chosen: None,
            warnings: read.warnings,
            choice: None,
        })
    }

    /// The other series in the open one's frame of reference (PET and MR beside CT).
    pub fn companions(&self) -> impl Iterator<Item = (usize, &SeriesEntry)> {
        let frame = self.series.info.frame_of_reference_uid.clone();
        self.library.series.iter().enumerate().filter(move |(n, entry)| {
            Some(*n) != self.chosen && frame.is_some() && entry.info.frame_of_reference_uid == frame
        })
    }
}

/// The series opened when nobody chooses: CT before MR before PET before others, then the most
/// slices, then the first. `None` without series.
#[must_use]
pub fn default_series(library: &Library) -> Option<usize> {
    let rank =
        |entry: &SeriesEntry| (modality_rank(&entry.info.modality), std::cmp::Reverse(entry.slice_count()));
    library.series.iter().enumerate().min_by_key(|(_, entry)| rank(entry)).map(|(n, _)| n)
}

/// Everything that lies in `paths`.
pub(super) fn search(paths: &[PathBuf], progress: &Progress) -> Result<Library, OpenStudyError> {
    match scan(paths, progress) {
        Err(ScanError::NoDicom { path, count }) => Err(match example_nifti(paths) {
            Some(example) => OpenStudyError::FolderOfNifti { example, path },
            None => ScanError::NoDicom { path, count }.into(),
        }),
        other => Ok(other?),
    }
}

/// The fingerprint that the series will have once it is read: values are no part of it.
fn fingerprint(entry: &SeriesEntry) -> String {
    let volume = Volume {
        grid: entry.grid.clone(),
        voxels: Voxels::I16(Vec::new()),
        unit: entry.unit,
        slices: entry.slices.clone(),
        native: None,
    };
    series_fingerprint(&Series { info: entry.info.clone(), volume: Arc::new(volume) })
}

fn choose(
    library: &Library,
    wanted: Option<&str>,
    paths: &[PathBuf],
) -> Result<(usize, Option<String>), OpenStudyError> {
    let path = paths.first().cloned().unwrap_or_default();
    let Some(default) = default_series(library) else {
        return Err(OpenStudyError::NoSeries { path });
    };
    if let Some(wanted) = wanted {
        // Stacks of one series share its UID: a plain UID means the largest.
        let Some(found) = library.series_of_key(wanted) else {
            let keys: Vec<String> = (0..library.series.len()).filter_map(|n| library.series_key(n)).collect();
            return Err(OpenStudyError::UnknownSeries {
                wanted: wanted.to_owned(),
                available: keys.join(", "),
                path,
            });
        };
        let key = library.series_key(found).filter(|key| key != wanted);
        let choice = key.map(|key| {
            let slices = library.series[found].slice_count();
            format!("several series have the UID {wanted}; opening {key}, with {slices} slices, the most")
        });
        return Ok((found, choice));
    }
    let entry = &library.series[default];
    let choice = (library.series.len() > 1).then(|| {
        format!(
            "{} series found; opening {} \"{}\" with {} slices ({})",
            library.series.len(),
            entry.info.modality.code(),
            entry.info.description,
            entry.slice_count(),
            library.series_key(default).unwrap_or_default()
        )
    });
    Ok((default, choice))
}

fn example_nifti(paths: &[PathBuf]) -> Option<String> {
    let folder = paths.first().filter(|path| path.is_dir())?;
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| nifti::is_nifti_name(path))
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names.into_iter().next()
}
