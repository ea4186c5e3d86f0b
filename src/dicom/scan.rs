//! Finds everything DICOM in files and folders, by content, reading headers only and in parallel.

use super::assemble::{Loose, assemble};
use super::attributes::Attributes;
use super::dose::{dose_entry, is_dose};
use super::header::{Header, HeaderError, read_header};
use super::image::{modality_code, parse_images, patient_info, uid};
use super::library::{DoseEntry, Library, RoiEntry, StructureSetEntry};
use crate::patient::{DataWarning, Modality};
use crate::progress::{Cancelled, Progress};
use dicom::dictionary_std::{tags, uids};
use dicom::object::InMemDicomObject;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Why a search found nothing to open.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// No such file or folder.
    #[error("there is no such file or folder; check the path: {}", .0.display())]
    NotFound(PathBuf),
    /// A folder without files.
    #[error("the folder is empty; choose the folder that holds the DICOM files: {}", .0.display())]
    Empty(PathBuf),
    /// Files, but none of them DICOM.
    #[error("{} DICOM; choose the folder that holds the DICOM files, or one NIfTI file: {}", not_one_of(*.count), .path.display())]
    NoDicom {
        /// How many files were looked at.
        count: usize,
        /// What was searched.
        path: PathBuf,
    },
    /// DICOM files, but none that can be used.
    #[error("{}{message}: {}", none_of(*.count), .path.display())]
    NothingUsable {
        /// How many DICOM files there are.
        count: usize,
        /// Why the first cannot be used, and the remedy.
        message: String,
        /// The first.
        path: PathBuf,
    },
}

fn none_of(count: usize) -> String {
    if count == 1 {
        "the file cannot be used: ".to_owned()
    } else {
        format!("none of the {count} DICOM files can be used; the first: ")
    }
}

fn not_one_of(count: usize) -> String {
    if count == 1 { "the file is not".to_owned() } else { format!("none of the {count} files is") }
}

/// Finds the series, structure sets and doses in `paths` (files, or folders searched recursively).
///
/// Files that are not DICOM are passed over; one that is named as DICOM, or without an ending, gets
/// a warning. DICOMDIR files are ignored: the files themselves are what is there.
///
/// # Errors
/// When nothing that can be opened is found, or when cancelled.
pub fn scan(paths: &[PathBuf], progress: &Progress) -> Result<Library, ScanError> {
    progress.set_step("Looking for files");
    let mut warnings = Vec::new();
    let files = list_files(paths, progress, &mut warnings)?;
    let searched = || paths.first().cloned().unwrap_or_default();
    if files.is_empty() {
        return Err(ScanError::Empty(searched()));
    }
    progress.set_step("Reading headers");
    let done = AtomicUsize::new(0);
    let total = files.len();
    let found: Vec<(Found, Vec<DataWarning>)> = files
        .into_par_iter()
        .map(|path| {
            let found = look_at(path);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            #[expect(clippy::cast_precision_loss, reason = "a fraction for display")]
            progress.set_fraction(done as f64 / total as f64)?;
            Ok(found)
        })
        .collect::<Result<_, Cancelled>>()?;
    let mut library = Library::default();
    let mut loose = Vec::new();
    let mut foreign = 0;
    for (item, remarks) in found {
        warnings.extend(remarks);
        match item {
            Found::Foreign => foreign += 1,
            Found::Misnamed(warning) => {
                foreign += 1;
                warnings.push(warning);
            }
            Found::Refused(warning) => warnings.push(warning),
            Found::Images(images) => loose.extend(images),
            Found::StructureSet(entry) => library.structure_sets.push(*entry),
            Found::Dose(entry) => library.doses.push(*entry),
        }
    }
    let (mut series, odd) = assemble(loose);
    warnings.extend(odd);
    series.sort_by_cached_key(|entry| {
        let info = &entry.info;
        (
            info.patient.id.clone(),
            info.study.date.clone(),
            info.study.uid.clone(),
            modality_rank(&info.modality),
            info.number,
            info.uid.clone(),
            std::cmp::Reverse(entry.slice_count()),
        )
    });
    library.series = series;
    library.structure_sets.sort_by(|a, b| a.path.cmp(&b.path));
    library.doses.sort_by(|a, b| a.path.cmp(&b.path));
    warnings.sort();
    warnings.dedup();
    library.warnings = warnings;
    if library.series.is_empty() && library.structure_sets.is_empty() && library.doses.is_empty() {
        return Err(match library.warnings.first() {
            Some(first) if total > foreign => ScanError::NothingUsable {
                count: total - foreign,
                message: first.message.trim_end_matches("; left out").to_owned(),
                path: first.path.clone(),
            },
            _ => ScanError::NoDicom { count: total, path: searched() },
        });
    }
    Ok(library)
}

/// CT before MR before PET before the rest.
#[must_use]
pub fn modality_rank(modality: &Modality) -> u8 {
    match modality {
        Modality::Ct => 0,
        Modality::Mr => 1,
        Modality::Pet => 2,
        Modality::Other(_) => 3,
    }
}

fn list_files(
    paths: &[PathBuf],
    progress: &Progress,
    warnings: &mut Vec<DataWarning>,
) -> Result<Vec<PathBuf>, ScanError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.exists() {
            return Err(ScanError::NotFound(path.clone()));
        }
        for entry in walkdir::WalkDir::new(path).follow_links(true).sort_by_file_name() {
            progress.check()?;
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    let name = entry.file_name();
                    if !name.eq_ignore_ascii_case("DICOMDIR") {
                        files.push(entry.into_path());
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    let path = error.path().unwrap_or(path).to_owned();
                    let reason =
                        error.io_error().map_or_else(|| "a loop of links".into(), ToString::to_string);
                    warnings.push(DataWarning::new(path, format!("cannot be searched ({reason})")));
                }
            }
        }
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// What a file turned out to be.
enum Found {
    /// Not DICOM.
    Foreign,
    /// Not DICOM, but named so.
    Misnamed(DataWarning),
    /// DICOM, but not usable.
    Refused(DataWarning),
    Images(Vec<Loose>),
    StructureSet(Box<StructureSetEntry>),
    Dose(Box<DoseEntry>),
}

/// What the file is, and what is odd about it.
fn look_at(path: PathBuf) -> (Found, Vec<DataWarning>) {
    let mut header = match read_header(&path) {
        Ok(header) => header,
        Err(HeaderError::NotDicom) if !is_named_as_dicom(&path) => return (Found::Foreign, Vec::new()),
        Err(error @ HeaderError::NotDicom) => {
            return (Found::Misnamed(DataWarning::new(path, format!("it is {error}; left out"))), Vec::new());
        }
        Err(error) => {
            return (Found::Refused(DataWarning::new(path, format!("{error}; left out"))), Vec::new());
        }
    };
    let about = |remarks: Vec<String>| -> Vec<DataWarning> {
        remarks.into_iter().map(|remark| DataWarning::new(path.clone(), remark)).collect()
    };
    let object = &header.object;
    let class = object.text_or_empty(tags::SOP_CLASS_UID);
    let modality = modality_code(object);
    if class == uids::RT_STRUCTURE_SET_STORAGE || modality == "RTSTRUCT" {
        let entry = structure_set(path.clone(), object);
        return (Found::StructureSet(Box::new(entry)), about(std::mem::take(&mut header.remarks)));
    }
    if is_dose(object) {
        let (entry, remarks) = dose_entry(&path, &header);
        return (Found::Dose(Box::new(entry)), about(remarks));
    }
    if let Some(kind) = refused_kind(&header, &modality) {
        let warning = DataWarning::new(path, format!("it is {kind}, not a scan; left out"));
        return (Found::Refused(warning), Vec::new());
    }
    match parse_images(&path, header) {
        Ok(parsed) => {
            let info = Arc::new(parsed.info);
            let images =
                parsed.images.into_iter().map(|image| Loose { info: Arc::clone(&info), image }).collect();
            (Found::Images(images), about(parsed.remarks))
        }
        Err(reason) => (Found::Refused(DataWarning::new(path, reason)), Vec::new()),
    }
}

/// What a DICOM object is that holds no scan.
fn refused_kind(header: &Header, modality: &str) -> Option<String> {
    if header.float_pixels {
        return Some("an image of floating-point values".into());
    }
    match modality {
        "SEG" => Some("a segmentation".into()),
        "RTIMAGE" => Some("an RT image".into()),
        "REG" | "PR" | "KO" | "SR" | "RTPLAN" | "RTRECORD" | "RWV" | "AU" | "ECG" | "DOC" | "PLAN"
        | "FID" => Some(format!("an object of modality {modality}")),
        _ if header.pixels.is_none() => {
            let name = if modality.is_empty() { "unknown modality" } else { modality };
            Some(format!("an object of {name} without pixels"))
        }
        "CT" | "MR" | "PT" => None,
        "" => Some("an image without Modality".into()),
        other => Some(format!("an image of modality {other}")),
    }
}

/// Whether a file that is not DICOM is called as if it were: by its ending, by having none, or by a
/// UID (`1.2.840.113619.2.55.17`, `CT.1.2.840...`), whose last number is no ending.
fn is_named_as_dicom(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with('.') {
        return false;
    }
    match path.extension() {
        Some(ending) if ending.as_encoded_bytes().iter().all(u8::is_ascii_digit) => {
            let (prefix, rest) = name.split_once('.').unwrap_or_default();
            let of_modality =
                ["CT", "MR", "PT", "RS", "RD"].iter().any(|known| prefix.eq_ignore_ascii_case(known));
            let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            (of_modality || is_number(prefix)) && rest.split('.').all(is_number)
        }
        Some(ending) => ["dcm", "dicom", "dic", "ima"].iter().any(|known| ending.eq_ignore_ascii_case(known)),
        None => !["LICENSE", "LICENCE", "README", "COPYING", "NOTICE", "VERSION", "MAKEFILE"]
            .contains(&name.to_uppercase().as_str()),
    }
}

fn structure_set(path: PathBuf, object: &InMemDicomObject) -> StructureSetEntry {
    let frame = object.first_item(tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE);
    let series_uid = frame
        .and_then(|item| item.first_item(tags::RT_REFERENCED_STUDY_SEQUENCE))
        .and_then(|item| item.first_item(tags::RT_REFERENCED_SERIES_SEQUENCE))
        .and_then(|item| item.text(tags::SERIES_INSTANCE_UID));
    let roi_frame = object
        .first_item(tags::STRUCTURE_SET_ROI_SEQUENCE)
        .and_then(|item| item.text(tags::REFERENCED_FRAME_OF_REFERENCE_UID));
    let frame_uid = frame.and_then(|item| item.text(tags::FRAME_OF_REFERENCE_UID)).or(roi_frame);
    let by_number = |sequence, number: i64| {
        object.items(sequence).iter().find(|item| item.integer(tags::REFERENCED_ROI_NUMBER) == Some(number))
    };
    let rois = object
        .items(tags::STRUCTURE_SET_ROI_SEQUENCE)
        .iter()
        .filter_map(|item| {
            let number = item.integer(tags::ROI_NUMBER)?;
            let contours = by_number(tags::ROI_CONTOUR_SEQUENCE, number);
            let observation = by_number(tags::RTROI_OBSERVATIONS_SEQUENCE, number);
            Some(RoiEntry {
                number: i32::try_from(number).ok()?,
                name: item.text_or_empty(tags::ROI_NAME),
                interpreted_type: observation
                    .map(|item| item.text_or_empty(tags::RTROI_INTERPRETED_TYPE))
                    .unwrap_or_default(),
                color: contours.and_then(|item| item.array::<3>(tags::ROI_DISPLAY_COLOR)).map(|color| {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
                    color.map(|part| part.clamp(0.0, 255.0) as u8)
                }),
                contours: contours.map_or(0, |item| item.items(tags::CONTOUR_SEQUENCE).len()),
            })
        })
        .collect();
    StructureSetEntry {
        path,
        sop_instance_uid: uid(object, tags::SOP_INSTANCE_UID),
        label: object.text_or_empty(tags::STRUCTURE_SET_LABEL),
        created: [tags::STRUCTURE_SET_DATE, tags::STRUCTURE_SET_TIME]
            .map(|tag| object.text_or_empty(tag))
            .concat(),
        patient: patient_info(object),
        study_uid: object.text_or_empty(tags::STUDY_INSTANCE_UID),
        series_uid: series_uid.map(Into::into),
        frame_of_reference_uid: frame_uid.map(Into::into),
        rois,
    }
}
