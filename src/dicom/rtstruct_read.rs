//! Reading RT Structure Sets, one's own and foreign ones, to go on with them.
//!
//! Every contour is kept as it was stored beside the planes made of it, so that what is not edited
//! goes out again with the same text. Positions and the frame of reference decide what belongs to
//! the images; references to instances that are not here are no obstacle.

use super::header::{HeaderError, read_header};
use super::rtstruct::{StoredRoi, StoredSet};
use super::rtstruct_planes::{Frame, planes_of};
use super::rtstruct_write::UNREVIEWED;
use super::same_patient::is_same_patient;
use crate::patient::{
    Approval, Color, DataWarning, Density, GenerationAlgorithm, Roi, RoiId, RoiType, Series, StructureSet,
    Uid,
};
use dicom::dictionary_std::{tags, uids};
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A structure set and what was odd about its file.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadRtstruct {
    /// The structures. ROI identities count from 1 within this set.
    pub set: StructureSet,
    /// What a person should know.
    pub warnings: Vec<DataWarning>,
}

/// Why a structure set could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadRtstructError {
    /// The file cannot be opened or is no (whole) DICOM file.
    #[error("not a readable DICOM file ({reason}); copy it again from where it came: {}", path.display())]
    Unreadable {
        /// What the decoder says.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// It is DICOM but something else.
    #[error("not an RT structure set but {what}; give the RTSTRUCT file: {}", path.display())]
    NotRtstruct {
        /// Its modality.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// No structure is in the images' frame of reference.
    #[error(
        "the structures are in another frame of reference ({set}) than the images ({series}); \
         open the images they were drawn on: {}", path.display()
    )]
    FrameOfReference {
        /// The file's Frame of Reference UID.
        set: String,
        /// The series' Frame of Reference UID.
        series: String,
        /// The file.
        path: PathBuf,
    },
}

/// What is said of a set that somebody approved.
pub const SET_APPROVED: &str = "it is approved; what is changed here will be exported as not approved";

/// Colours for ROIs that declare none.
const COLORS: [Color; 8] = [
    [230, 80, 80],
    [80, 190, 90],
    [90, 140, 240],
    [230, 190, 60],
    [190, 100, 220],
    [70, 200, 200],
    [240, 140, 60],
    [170, 170, 110],
];

/// Reads an RT Structure Set; with `series`, puts its contours on that series' slices.
///
/// Contours within 0.1 mm of a slice lie on the slice's plane, others keep their own. Nested
/// contours are holes, partly overlapping ones a union, keyholes are opened, `CLOSEDPLANAR_XOR` is
/// exclusive or. Points, open contours and those without area stay in [`Roi::source`] only. ROIs
/// without contours are kept. What this program marked as unreviewed work of a machine is a
/// proposal again.
///
/// # Errors
/// When the file is no whole RT Structure Set, or none of its structures is in the series' frame
/// of reference. ROIs in another frame than the rest are left out with a warning.
pub fn read_rtstruct(path: &Path, series: Option<&Series>) -> Result<ReadRtstruct, ReadRtstructError> {
    let header = read_header(path).map_err(|error| {
        let reason = match error {
            HeaderError::Truncated { tag: (group, element) } => {
                format!("it is truncated: it ends in the middle of element ({group:04X},{element:04X})")
            }
            other => other.to_string(),
        };
        ReadRtstructError::Unreadable { reason, path: path.to_owned() }
    })?;
    let object = header.object;
    let modality = super::element::text(&object, tags::MODALITY);
    if super::element::text(&object, tags::SOP_CLASS_UID) != uids::RT_STRUCTURE_SET_STORAGE
        && modality != "RTSTRUCT"
    {
        let what =
            if modality.is_empty() { "something else".to_owned() } else { format!("a {modality} file") };
        return Err(ReadRtstructError::NotRtstruct { what, path: path.to_owned() });
    }
    let cut_off = object.get(tags::RTROI_OBSERVATIONS_SEQUENCE).is_none();
    let mut stored = StoredSet::of_object(&object);
    drop(object);
    let mut remarks = header.remarks;
    if cut_off && !stored.rois.is_empty() {
        remarks.push("the RT ROI Observations are missing: the file may have been cut off".to_owned());
    }
    let frame_of_reference_uid = settle_frame(&mut stored, series, path, &mut remarks)?;
    check_references(&stored, series, &mut remarks);
    let set = structure_set(stored, series, frame_of_reference_uid, &mut remarks);
    let warnings = remarks.into_iter().map(|message| DataWarning::new(path, message)).collect();
    Ok(ReadRtstruct { set, warnings })
}

/// The frame of reference of the set; leaves out ROIs that are in another than the images.
fn settle_frame(
    stored: &mut StoredSet,
    series: Option<&Series>,
    path: &Path,
    remarks: &mut Vec<String>,
) -> Result<Option<Uid>, ReadRtstructError> {
    let referenced = stored.frames.iter().map(|frame| &frame.frame_of_reference_uid);
    let default = referenced
        .chain([&stored.frame_of_reference_uid])
        .find(|uid| !uid.is_empty())
        .cloned()
        .unwrap_or_default();
    for roi in &mut stored.rois {
        if roi.frame_of_reference_uid.is_empty() {
            roi.frame_of_reference_uid.clone_from(&default);
        }
    }
    let main = stored.rois.first().map_or_else(|| default.clone(), |roi| roi.frame_of_reference_uid.clone());
    let known = |uid: &str| (!uid.is_empty()).then(|| Uid::from(uid));
    let Some(series) = series else { return Ok(known(&main)) };
    let Some(of_images) = series.info.frame_of_reference_uid.as_ref() else {
        remarks.push(
            "the images state no frame of reference: whether the structures belong to them is for you to judge"
                .to_owned(),
        );
        return Ok(known(&main));
    };
    if main.is_empty() && stored.rois.iter().all(|roi| roi.frame_of_reference_uid.is_empty()) {
        if refers_to(stored, series) {
            return Ok(Some(of_images.clone()));
        }
        remarks.push(
            "the file states no frame of reference: whether it belongs to these images is for you to judge"
                .to_owned(),
        );
        return Ok(None);
    }
    let belongs = |roi: &StoredRoi| *roi.frame_of_reference_uid == **of_images;
    if !stored.rois.iter().any(belongs) && (!stored.rois.is_empty() || main != **of_images) {
        return Err(ReadRtstructError::FrameOfReference {
            set: main,
            series: of_images.to_string(),
            path: path.to_owned(),
        });
    }
    for roi in stored.rois.iter().filter(|roi| !belongs(roi)) {
        remarks.push(format!("{}: in another frame of reference than the images, left out", roi.name));
    }
    stored.rois.retain(belongs);
    Ok(Some(of_images.clone()))
}

/// Whether the file names this series or one of its instances.
fn refers_to(stored: &StoredSet, series: &Series) -> bool {
    let slices = series.volume.slices.iter();
    let own: HashSet<&Uid> =
        slices.filter_map(|slice| Some(&slice.instance.as_ref()?.sop_instance_uid)).collect();
    let mut referenced = stored.frames.iter().flat_map(|frame| &frame.series);
    referenced.any(|(uid, _)| **uid == *series.info.uid)
        || stored
            .rois
            .iter()
            .flat_map(|roi| &roi.contours)
            .flat_map(|contour| &contour.images)
            .any(|image| own.contains(&image.sop_instance_uid))
}

/// Remarks on what the file says of patient, images and approval.
fn check_references(stored: &StoredSet, series: Option<&Series>, remarks: &mut Vec<String>) {
    if let Some(series) = series {
        if !is_same_patient(&stored.patient, &series.info.patient) {
            let text = "the structures and the images belong to different patients (by ID, name or birth date): \
                        they cannot be exported on these images";
            remarks.push(text.to_owned());
        }
        let has_instances = series.volume.slices.iter().any(|slice| slice.instance.is_some());
        if has_instances && !stored.rois.is_empty() && !refers_to(stored, series) {
            remarks.push(
                "it refers to other images than these: matched by frame of reference and position".to_owned(),
            );
        }
    }
    if stored.approval_status == "APPROVED" {
        remarks.push(SET_APPROVED.to_owned());
    }
    let mut numbers = HashSet::new();
    for roi in &stored.rois {
        if !roi.declared {
            remarks.push(format!("contours of a structure number {} that has no name", roi.number));
        } else if !numbers.insert(roi.number) {
            remarks.push(format!(
                "{}: its number {} belongs to another structure, which has all contours of that number",
                roi.name, roi.number
            ));
        }
    }
    if stored.rois.is_empty() {
        remarks.push("it holds no structure".to_owned());
    }
}

fn structure_set(
    stored: StoredSet,
    series: Option<&Series>,
    frame_of_reference_uid: Option<Uid>,
    remarks: &mut Vec<String>,
) -> StructureSet {
    let all = stored.rois.iter().flat_map(|roi| &roi.contours);
    let frame = Frame::new(series.map(|series| &*series.volume), all);
    let series_uid = stored.frames.iter().flat_map(|frame| &frame.series).map(|(uid, _)| uid);
    let series_uid = series_uid.clone().find(|uid| !uid.is_empty()).map(|uid| Uid::from(uid.as_str()));
    let made: Vec<_> =
        stored.rois.into_par_iter().enumerate().map(|(index, roi)| roi_of(index, roi, &frame)).collect();
    let mut rois = Vec::with_capacity(made.len());
    for (roi, said) in made {
        remarks.extend(said.into_iter().map(|remark| format!("{}: {remark}", roi.name)));
        rois.push(Arc::new(roi));
    }
    StructureSet {
        label: stored.label,
        patient: stored.patient,
        frame_of_reference_uid,
        series_uid,
        sop_instance_uid: Some(stored.sop_instance_uid.into()),
        rois,
    }
}

fn roi_of(index: usize, stored: StoredRoi, frame: &Frame) -> (Roi, Vec<String>) {
    let mut contours = stored.contours;
    let made = planes_of(&mut contours, frame);
    let generation = GenerationAlgorithm::from_term(&stored.generation);
    let unreviewed =
        generation == GenerationAlgorithm::Automatic && stored.observation_description == UNREVIEWED;
    let name = if stored.declared { stored.name } else { format!("ROI {}", stored.number) };
    let color = stored.color.unwrap_or(COLORS[index % COLORS.len()]);
    let roi = Roi {
        roi_type: RoiType::from_term(&stored.roi_type),
        code: stored.code,
        generation,
        approval: if unreviewed { Approval::Proposal } else { Approval::Accepted },
        description: stored.description,
        density: stored
            .properties
            .iter()
            .find_map(|(property, value)| Density::from_term(property.trim(), value.trim().parse().ok()?)),
        planes: made.planes,
        source: Some(Arc::new(contours)),
        ..Roi::new(RoiId(index as u64 + 1), stored.number, name, color)
    };
    (roi, made.remarks)
}
