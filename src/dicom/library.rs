//! What a scan of files finds: series, structure sets and doses to choose from, without pixels.

use super::image::Image;
use crate::geometry::{Grid, Vector3};
use crate::patient::{Color, DataWarning, DoseInfo, PatientInfo, SeriesInfo, Slice, Uid, Unit};
use std::path::{Path, PathBuf};

/// What lies in the searched files, in the order of patient, study and series.
#[derive(Debug, Clone, Default)]
pub struct Library {
    /// The image series that can be opened.
    pub series: Vec<SeriesEntry>,
    /// The RT structure sets.
    pub structure_sets: Vec<StructureSetEntry>,
    /// The RT doses.
    pub doses: Vec<DoseEntry>,
    /// Everything odd about the files, sorted by path.
    pub warnings: Vec<DataWarning>,
}

impl Library {
    /// What names series `index` alone: its Series Instance UID, with `#1`, `#2`, ... behind it
    /// where several series have that UID (stacks of one series, patients mixed up). `None` without
    /// such a series.
    #[must_use]
    pub fn series_key(&self, index: usize) -> Option<String> {
        let uid = &self.series.get(index)?.info.uid;
        let same: Vec<usize> = self.with_uid(uid).collect();
        let place = same.iter().position(|n| *n == index)?;
        Some(if same.len() > 1 { format!("{uid}#{}", place + 1) } else { uid.to_string() })
    }

    /// The series that `key` names: as [`Self::series_key`] gives it, or the largest of those with a
    /// plain UID.
    #[must_use]
    pub fn series_of_key(&self, key: &str) -> Option<usize> {
        let largest = |uid: &str| {
            self.with_uid(uid).max_by_key(|n| (self.series[*n].slice_count(), std::cmp::Reverse(*n)))
        };
        match key.split_once('#') {
            None => largest(key),
            Some((uid, place)) => {
                let place = place.parse::<usize>().ok()?.checked_sub(1)?;
                self.with_uid(uid).nth(place)
            }
        }
    }

    fn with_uid<'a>(&'a self, uid: &'a str) -> impl Iterator<Item = usize> + 'a {
        let series = self.series.iter().enumerate();
        series.filter(move |(_, entry)| *entry.info.uid == *uid).map(|(n, _)| n)
    }
}

/// How a series' slices lie along their normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SliceSpacing {
    /// Every slice is a plane of the grid (also a single slice).
    Even,
    /// As even, but some planes of the grid have no slice.
    WithMissing,
    /// The grid is a resampling; the slices are where they are.
    Uneven,
}

/// One image series with its geometry; [`super::read_series`] reads its pixels.
#[derive(Debug, Clone)]
pub struct SeriesEntry {
    /// Who, when and how.
    pub info: SeriesInfo,
    /// The grid of the volume that reading gives.
    pub grid: Grid,
    /// The slices of the volume that reading gives, missing ones included; with uneven slices also
    /// those that mark where a gap begins and ends.
    pub slices: Vec<Slice>,
    /// How the slices lie.
    pub spacing: SliceSpacing,
    /// What the volume's values will be.
    pub unit: Unit,
    /// The folder that holds the files, or the file of a series that is in one file.
    pub path: PathBuf,
    /// What the scan found odd about this series' own files (also in [`Library::warnings`]).
    pub warnings: Vec<DataWarning>,
    /// The stored images, one for each slice that is not missing, in slice order.
    pub(super) images: Vec<Image>,
    /// What rescaled values are multiplied with to be in `unit`.
    pub(super) factor: f64,
}

impl SeriesEntry {
    /// The number of slices that are there.
    #[must_use]
    pub fn slice_count(&self) -> usize {
        self.images.len()
    }

    /// The number of planes without a slice: slices that the series lacks, and, with uneven slices,
    /// the two ends of each gap.
    #[must_use]
    pub fn missing_count(&self) -> usize {
        self.slices.iter().filter(|slice| slice.missing).count()
    }

    /// Row and column direction (Image Orientation Patient): unit vectors along i and j.
    #[must_use]
    pub fn orientation(&self) -> [Vector3; 2] {
        [self.grid.direction(0), self.grid.direction(1)]
    }

    /// The files, in slice order; a multi-frame file once for each frame.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.images.iter().map(|image| image.file.path.as_path())
    }
}

/// An RT structure set, without its contours.
#[derive(Debug, Clone, PartialEq)]
pub struct StructureSetEntry {
    /// The file.
    pub path: PathBuf,
    /// SOP Instance UID.
    pub sop_instance_uid: Uid,
    /// Structure Set Label.
    pub label: String,
    /// Structure Set Date and Time as stored, one after the other; empty when absent.
    pub created: String,
    /// The patient.
    pub patient: PatientInfo,
    /// Study Instance UID.
    pub study_uid: String,
    /// The image series it refers to first; `None` when it names none.
    pub series_uid: Option<Uid>,
    /// The frame of reference it refers to first; `None` when it names none.
    pub frame_of_reference_uid: Option<Uid>,
    /// Its ROIs in the file's order.
    pub rois: Vec<RoiEntry>,
}

/// One ROI of a [`StructureSetEntry`].
#[derive(Debug, Clone, PartialEq)]
pub struct RoiEntry {
    /// ROI Number.
    pub number: i32,
    /// ROI Name.
    pub name: String,
    /// RT ROI Interpreted Type as stored; empty when absent.
    pub interpreted_type: String,
    /// ROI Display Color.
    pub color: Option<Color>,
    /// The number of items of its Contour Sequence.
    pub contours: usize,
}

/// An RT dose, without its values.
#[derive(Debug, Clone, PartialEq)]
pub struct DoseEntry {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub info: DoseInfo,
    /// Study Instance UID.
    pub study_uid: String,
    /// Columns, rows and frames as stated.
    pub size: [usize; 3],
    /// Dose Units (`GY`, `RELATIVE`) as stored.
    pub units: String,
    /// Why its values cannot be told; `None` where they can.
    pub problem: Option<String>,
}
