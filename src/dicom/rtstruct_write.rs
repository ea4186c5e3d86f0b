//! Writing RT Structure Sets (PS3.3 A.19.3), Implicit VR Little Endian: an explicit DS holds at
//! most 64 KB, about 1,285 points.
//!
//! Contours that were imported and not edited go out with the text they came with; edited ones
//! with at most four decimals, which is exact because their vertices live on that lattice. The
//! file is written under a temporary name, synced, read back and compared before it gets its own.

use super::element::{clean, clean_text};
use super::rtstruct::{StoredFrame, StoredRoi, StoredSet};
use super::same_patient::is_same_patient;
use super::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME};
use crate::geometry::{Plane, Point3, Polygon, Ring, keyhole};
use crate::new_file::{NewFile, WriteFileError};
use crate::patient::{
    AnatomicCode, Approval, GenerationAlgorithm, GeometricType, ImageInstance, PatientInfo, Roi, RoiPlane,
    Series, SourceContour, StructureSet, Uid, Volume, new_uid, uid_from_seed,
};
use dicom::dictionary_std::uids;
use dicom::object::{FileMetaTableBuilder, OpenFileOptions};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What a file says of contours that no person has looked at: its label, and each such ROI's
/// observation.
pub(super) const UNREVIEWED: &str = "AI unreviewed";

/// How to write a structure set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteRtstructOptions {
    /// Structure Set Label in place of the set's own.
    pub label: Option<String>,
    /// Marks the file as unreviewed work of the machine, as the command line must: label
    /// "AI unreviewed", approval UNAPPROVED, and so on each automatic ROI. A set that holds
    /// proposals is marked in any case.
    pub unreviewed_ai: bool,
    /// Overwrites an existing file.
    pub force: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenRtstruct {
    /// The new SOP Instance UID.
    pub sop_instance_uid: Uid,
    /// The new Series Instance UID.
    pub series_uid: Uid,
    /// What the file could not hold as it was (a name cut to 64 characters, a repeated number).
    pub warnings: Vec<String>,
}

/// Why a structure set was not written. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum WriteRtstructError {
    /// The set belongs to someone else than the images.
    #[error(
        "the structures and the images belong to different patients (by ID, name or birth date): \
         not exported; open the images that the structures were drawn on: {}", path.display()
    )]
    PatientMismatch {
        /// The target.
        path: PathBuf,
    },
    /// The set's coordinates are not those of the images.
    #[error(
        "the structures are in frame of reference {set} and the images in {series}: not exported; \
         open the images that the structures were drawn on: {}", path.display()
    )]
    FrameOfReferenceMismatch {
        /// The set's Frame of Reference UID.
        set: String,
        /// The series' Frame of Reference UID.
        series: String,
        /// The target.
        path: PathBuf,
    },
    /// The set is empty (Structure Set ROI Sequence holds at least one item).
    #[error("there is no structure to export; draw or propose one first: {}", path.display())]
    NoRois {
        /// The target.
        path: PathBuf,
    },
    /// The file could not be written.
    #[error(transparent)]
    File(#[from] WriteFileError),
    /// The data set could not be encoded.
    #[error("the structures could not be encoded ({reason}); please report this: {}", path.display())]
    Encode {
        /// What the encoder says.
        reason: String,
        /// The target.
        path: PathBuf,
    },
    /// What was read back is not what was written.
    #[error("the written file did not read back the same ({what}), it was removed; check the disk: {}", path.display())]
    ReadBack {
        /// The first difference.
        what: String,
        /// The target.
        path: PathBuf,
    },
}

/// Writes all ROIs of `set` to `path`, referring to the images of `series`. The caller chooses the
/// set: the window leaves proposals out before it calls this.
///
/// Each plane refers to the slice of `series` that it lies on (0.1 mm); a series without instances
/// (not DICOM) is referred to by its frame of reference alone. Holes are joined to their outline by
/// keyholes. ROIs without contours are kept.
///
/// # Errors
/// When patient or frame of reference differ, the set has no ROI, the target exists and may not be
/// overwritten, cannot be written, or does not read back the same.
pub fn write_rtstruct(
    set: &StructureSet,
    series: &Series,
    path: &Path,
    options: &WriteRtstructOptions,
) -> Result<WrittenRtstruct, WriteRtstructError> {
    let prepared = prepare_rtstruct(set, series, path, options)?;
    prepared.file.commit()?;
    Ok(prepared.written)
}

/// A structure set written and proven under a temporary name: [`NewFile::commit`] gives it its own.
#[derive(Debug)]
pub struct PreparedRtstruct {
    /// The file.
    pub file: NewFile,
    /// What is in it.
    pub written: WrittenRtstruct,
}

/// As [`write_rtstruct`], up to the file's name: for several files that appear together.
///
/// # Errors
/// As [`write_rtstruct`].
pub fn prepare_rtstruct(
    set: &StructureSet,
    series: &Series,
    path: &Path,
    options: &WriteRtstructOptions,
) -> Result<PreparedRtstruct, WriteRtstructError> {
    let frame_of_reference_uid = agreed_frame(set, series, path)?;
    if set.rois.is_empty() {
        return Err(WriteRtstructError::NoRois { path: path.to_owned() });
    }
    let (stored, warnings) = stored_set(set, series, &frame_of_reference_uid, options);
    let mut file = NewFile::create(path, options.force)?;
    file.put(&encode(&stored).map_err(|reason| WriteRtstructError::Encode { reason, path: path.into() })?)?;
    file.sync()?;
    let differs = |what: String| WriteRtstructError::ReadBack { what, path: path.to_owned() };
    let back = OpenFileOptions::new().open_file(file.temporary_path()).map_err(|e| differs(e.to_string()))?;
    if let Some(what) = first_difference(&stored, &StoredSet::of_object(&back)) {
        return Err(differs(what));
    }
    let written = WrittenRtstruct {
        sop_instance_uid: stored.sop_instance_uid.into(),
        series_uid: stored.series_uid.into(),
        warnings,
    };
    Ok(PreparedRtstruct { file, written })
}

/// The frame of reference that set and series share.
fn agreed_frame(set: &StructureSet, series: &Series, path: &Path) -> Result<Uid, WriteRtstructError> {
    if !is_same_patient(&set.patient, &series.info.patient) {
        return Err(WriteRtstructError::PatientMismatch { path: path.to_owned() });
    }
    let own = set.frame_of_reference_uid.as_ref();
    let of_images = series.info.frame_of_reference_uid.as_ref();
    match (own, of_images) {
        (Some(a), Some(b)) if a == b => Ok(b.clone()),
        // One side states none: only the reference to this very series can vouch for it.
        (Some(one), None) | (None, Some(one)) if set.series_uid.as_ref() == Some(&series.info.uid) => {
            Ok(one.clone())
        }
        (None, None) => Ok(uid_from_seed(&format!("frame of reference of {}", series.info.uid))),
        (a, b) => {
            let said =
                |uid: Option<&Uid>| uid.map_or_else(|| "(none stated)".to_owned(), ToString::to_string);
            Err(WriteRtstructError::FrameOfReferenceMismatch {
                set: said(a),
                series: said(b),
                path: path.to_owned(),
            })
        }
    }
}

/// A patient for the window; never for the command line, whose messages end in logs.
pub(crate) fn described(info: &PatientInfo) -> String {
    let id = if info.id.trim().is_empty() { "(no ID)" } else { info.id.trim() };
    let note = if info.synthetic { ", synthetic" } else { "" };
    if info.name.trim().is_empty() {
        format!("{id}{note}")
    } else {
        format!("{id} ({}{note})", info.name.trim())
    }
}

fn encode(stored: &StoredSet) -> Result<Vec<u8>, String> {
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(uids::IMPLICIT_VR_LITTLE_ENDIAN)
        .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
        .implementation_version_name(IMPLEMENTATION_VERSION_NAME);
    let object = stored.to_object().with_meta(meta).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    object.write_all(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Says what differs first between what was to be written and what was read back.
fn first_difference(written: &StoredSet, read: &StoredSet) -> Option<String> {
    if written == read {
        return None;
    }
    if written.rois.len() != read.rois.len() {
        return Some(format!("{} structures became {}", written.rois.len(), read.rois.len()));
    }
    let roi = written.rois.iter().zip(&read.rois).find(|(a, b)| a != b);
    Some(roi.map_or_else(|| "its heading".to_owned(), |(roi, _)| format!("structure {}", roi.name)))
}

fn stored_set(
    set: &StructureSet,
    series: &Series,
    frame_of_reference_uid: &str,
    options: &WriteRtstructOptions,
) -> (StoredSet, Vec<String>) {
    let mut warnings = Vec::new();
    let is_unreviewed = |roi: &Roi| {
        roi.approval == Approval::Proposal
            || (options.unreviewed_ai && roi.generation == GenerationAlgorithm::Automatic)
    };
    let unreviewed = options.unreviewed_ai || set.rois.iter().any(|roi| roi.approval == Approval::Proposal);
    let full_label = options.label.as_deref().unwrap_or(&set.label);
    let full_label = if full_label.trim().is_empty() { "Delineo" } else { full_label };
    let info = &series.info;
    let study = crate::patient::StudyInfo {
        uid: if info.study.uid.is_empty() {
            uid_from_seed(&format!("study of {}", info.uid)).to_string()
        } else {
            info.study.uid.clone()
        },
        id: clean(&info.study.id, 16),
        description: clean(&info.study.description, 64),
        accession_number: clean(&info.study.accession_number, 16),
        ..info.study.clone()
    };
    let patient = PatientInfo {
        name: info.patient.name.trim().to_owned(),
        id: clean(&info.patient.id, 64),
        birth_date: info.patient.birth_date.trim().to_owned(),
        sex: info.patient.sex.trim().to_owned(),
        synthetic: info.patient.synthetic,
    };
    let mut numbers = HashSet::new();
    let mut free = set.free_number();
    let rois = set
        .rois
        .iter()
        .map(|roi| {
            let mut stored = stored_roi(roi, &series.volume, frame_of_reference_uid, is_unreviewed(roi));
            if stored.name != roi.name {
                warnings.push(format!("the name \"{}\" is written as \"{}\"", roi.name, stored.name));
            }
            if !numbers.insert(stored.number) {
                warnings.push(format!("{}: number {} is taken, written as {free}", roi.name, roi.number));
                stored.number = free;
                numbers.insert(free);
                free += 1;
            }
            stored
        })
        .collect();
    let now = time::OffsetDateTime::now_local().unwrap_or_else(|_| time::OffsetDateTime::now_utc());
    let stored = StoredSet {
        patient,
        study: trimmed(study),
        sop_instance_uid: new_uid().to_string(),
        series_uid: new_uid().to_string(),
        series_description: if unreviewed { format!("{UNREVIEWED} contours") } else { "Contours".to_owned() },
        created: (
            format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day()),
            format!("{:02}{:02}{:02}", now.hour(), now.minute(), now.second()),
        ),
        manufacturer: "Delineo".to_owned(),
        label: clean(if unreviewed { UNREVIEWED } else { full_label }, 16),
        name: clean(full_label, 64),
        description: if unreviewed {
            "Contours made by a machine and not reviewed by a person".to_owned()
        } else {
            String::new()
        },
        frame_of_reference_uid: frame_of_reference_uid.to_owned(),
        frames: vec![referenced_frame(series, frame_of_reference_uid)],
        rois,
        approval_status: "UNAPPROVED".to_owned(),
    };
    (StoredSet { frames: with_study(stored.frames.clone(), &stored.study.uid), ..stored }, warnings)
}

fn trimmed(study: crate::patient::StudyInfo) -> crate::patient::StudyInfo {
    crate::patient::StudyInfo {
        uid: study.uid.trim().to_owned(),
        date: study.date.trim().to_owned(),
        time: study.time.trim().to_owned(),
        referring_physician: study.referring_physician.trim().to_owned(),
        ..study
    }
}

fn with_study(frames: Vec<StoredFrame>, study_uid: &str) -> Vec<StoredFrame> {
    frames
        .into_iter()
        .map(|frame| {
            let study_uid = if frame.series.is_empty() { String::new() } else { study_uid.to_owned() };
            StoredFrame { study_uid, ..frame }
        })
        .collect()
}

/// The series' frame of reference and all its instances, each once.
fn referenced_frame(series: &Series, frame_of_reference_uid: &str) -> StoredFrame {
    let mut seen = HashSet::new();
    let images: Vec<_> = series
        .volume
        .slices
        .iter()
        .filter_map(|slice| slice.instance.as_ref())
        .filter(|instance| seen.insert(instance.sop_instance_uid.clone()))
        .map(|instance| ImageInstance { frame: None, ..instance.clone() })
        .collect();
    StoredFrame {
        frame_of_reference_uid: frame_of_reference_uid.to_owned(),
        study_uid: String::new(),
        series: if images.is_empty() { Vec::new() } else { vec![(series.info.uid.to_string(), images)] },
    }
}

fn stored_roi(roi: &Roi, volume: &Volume, frame_of_reference_uid: &str, unreviewed: bool) -> StoredRoi {
    let generation = if roi.approval == Approval::Proposal {
        GenerationAlgorithm::Automatic.term()
    } else {
        roi.generation.term()
    };
    StoredRoi {
        number: roi.number,
        frame_of_reference_uid: frame_of_reference_uid.to_owned(),
        name: clean(&roi.name, 64),
        description: clean_text(&roi.description, 1024),
        generation: generation.to_owned(),
        color: Some(roi.color),
        contours: contours_to_write(roi, volume),
        observation_label: clean(&roi.name, 16),
        observation_description: if unreviewed { UNREVIEWED.to_owned() } else { String::new() },
        roi_type: clean(roi.roi_type.term(), 16),
        code: roi.code.as_ref().and_then(stored_code),
        properties: roi
            .density
            .map(|density| (density.term().to_owned(), format!("{:.4}", density.value())))
            .into_iter()
            .collect(),
        declared: true,
    }
}

/// The code as the file can hold it; none where its value or scheme does not fit.
fn stored_code(code: &AnatomicCode) -> Option<AnatomicCode> {
    let kept = AnatomicCode {
        scheme: clean(&code.scheme, 16),
        value: clean(&code.value, 16),
        meaning: clean(&code.meaning, 64),
    };
    let whole = kept.scheme == code.scheme && kept.value == code.value && !kept.meaning.is_empty();
    (whole && !kept.value.is_empty() && !kept.scheme.is_empty()).then_some(kept)
}

/// Every contour as it will stand in the file: the imported ones that still hold in the file's
/// order and with their text, then those of edited planes by position.
fn contours_to_write(roi: &Roi, volume: &Volume) -> Vec<SourceContour> {
    let mut contours = Vec::new();
    if let Some(source) = &roi.source {
        let kept: HashSet<usize> = roi.planes.iter().flat_map(|plane| plane.source.iter().copied()).collect();
        let still_holds = |(index, contour): &(usize, &SourceContour)| {
            let holds = !contour.bounds_area || kept.contains(index);
            // A contour without a coordinate cannot be stored (Contour Data is type 1).
            holds && !contour.data.is_empty()
        };
        contours.extend(source.iter().enumerate().filter(still_holds).map(|(_, contour)| {
            let images = contour.points_mm().and_then(|points| image_holding(volume, &points));
            SourceContour { images: images.into_iter().collect(), bounds_area: false, ..contour.clone() }
        }));
    }
    for plane in roi.planes.iter().filter(|plane| plane.source.is_empty()) {
        contours.extend(plane.polygons.iter().map(|polygon| new_contour(plane, polygon, volume)));
    }
    contours
}

fn new_contour(plane: &RoiPlane, polygon: &Polygon, volume: &Volume) -> SourceContour {
    let ring = if polygon.holes.is_empty() { polygon.outer.clone() } else { keyhole(polygon) };
    let at = volume
        .slice_at(plane.plane.offset_mm(), 0.1)
        .filter(|index| volume.slices[*index].plane.coincides(&plane.plane, 0.1));
    SourceContour {
        geometric_type: GeometricType::ClosedPlanar,
        data: ring_text(&plane.plane, &ring).into(),
        number: None,
        images: at.and_then(|index| volume.slices[index].instance.clone()).into_iter().collect(),
        bounds_area: false,
    }
}

/// The instance of the slice that all points lie on within 0.1 mm.
fn image_holding(volume: &Volume, points: &[Point3]) -> Option<ImageInstance> {
    let base = volume.base_plane()?;
    let index = volume.slice_at(base.normal().dot(&points.first()?.coords), 0.1)?;
    let slice = &volume.slices[index];
    let holds = points.iter().all(|point| slice.plane.distance_mm(*point).abs() <= 0.1);
    slice.instance.clone().filter(|_| holds)
}

/// Contour Data of a ring: every coordinate with at most four decimals, never an exponent, so at
/// most 16 bytes below ten thousand kilometres.
fn ring_text(plane: &Plane, ring: &Ring) -> String {
    let mut text = String::with_capacity(ring.len() * 30);
    for point in ring {
        for coordinate in &plane.lattice_point(*point).coords {
            if !text.is_empty() {
                text.push('\\');
            }
            push_coordinate(&mut text, *coordinate);
        }
    }
    text
}

/// Appends a lattice coordinate without needless zeros.
fn push_coordinate(text: &mut String, value_mm: f64) {
    use std::fmt::Write;
    // Writing to a string cannot fail.
    let _ = write!(text, "{value_mm:.4}");
    while text.ends_with('0') {
        text.pop();
    }
    if text.ends_with('.') {
        text.pop();
    }
    if text.ends_with("-0") && (text.len() == 2 || text[..text.len() - 2].ends_with('\\')) {
        text.truncate(text.len() - 2);
        text.push('0');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coordinate(value: f64) -> String {
        let mut text = String::new();
        push_coordinate(&mut text, value);
        text
    }

    #[test]
    fn coordinates_are_short_exact_and_plain() {
        for (value, wanted) in [
            (0.0, "0"),
            (-0.0, "0"),
            (100.0, "100"),
            (-12.5, "-12.5"),
            (0.0001, "0.0001"),
            (-171.7, "-171.7"),
            (-98_765.432_1, "-98765.4321"),
        ] {
            assert_eq!(coordinate(value), wanted);
            assert!(wanted.len() <= 16);
            assert!((wanted.parse::<f64>().unwrap() - value).abs() < f64::EPSILON);
        }
    }
}
