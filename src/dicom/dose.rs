//! Reading RT Doses (PS3.3 C.8.8.3): dose grids in Gy with their place in the patient.
//!
//! [`DoseFile`] is what a header says, checked whole, so that a scan can name what is wrong with a file
//! before anybody asks for its values. Nothing is guessed: a dose whose planes, unit or scaling are not
//! certain is refused with the reason.

use super::attributes::Attributes;
use super::codec::{self, Inflated, Storage};
use super::header::{Header, PixelLocation, read_header};
use super::image::{ImageFile, SampleFormat, check_length, directions, patient_info, sample_format, uid};
use super::library::DoseEntry;
use super::same_patient::is_same_patient;
use crate::geometry::{Point3, Vector3};
use crate::patient::{DataWarning, Dose, DoseInfo, DoseLattice, Series};
use crate::progress::{Cancelled, Progress};
use dicom::core::Tag;
use dicom::dictionary_std::{tags, uids};
use dicom::object::InMemDicomObject;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Offsets that differ by less are the same, mm: positions have at most that many decimals.
const SAME_MM: f64 = 1e-3;
/// More values than this are refused rather than tried.
const MOST_VALUES: u64 = 1 << 30;

/// A dose and what was odd about its file.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadDose {
    /// The dose.
    pub dose: Dose,
    /// What a person should know.
    pub warnings: Vec<DataWarning>,
}

/// Why a dose could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadDoseError {
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The file cannot be opened or is no (whole) DICOM file.
    #[error("not a readable DICOM file ({reason}); copy it again from where it came: {}", path.display())]
    Unreadable {
        /// What the decoder says.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// It is DICOM but something else.
    #[error("not an RT dose but {what}; give the RTDOSE file: {}", path.display())]
    NotDose {
        /// Its modality.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// Its doses cannot be told.
    #[error("the dose cannot be used: {why}: {}", path.display())]
    Unusable {
        /// Why, and the remedy where there is one.
        why: String,
        /// The file.
        path: PathBuf,
    },
    /// It lies in another frame of reference than the images.
    #[error(
        "the dose is in another frame of reference ({dose}) than the images ({series}); \
         open the images it was planned on: {}", path.display()
    )]
    FrameOfReference {
        /// The file's Frame of Reference UID.
        dose: String,
        /// The series' Frame of Reference UID.
        series: String,
        /// The file.
        path: PathBuf,
    },
}

/// Whether a data set is an RT Dose.
pub(super) fn is_dose(object: &InMemDicomObject) -> bool {
    object.text_or_empty(tags::SOP_CLASS_UID) == uids::RT_DOSE_STORAGE
        || object.text_or_empty(tags::MODALITY) == "RTDOSE"
}

/// Reads an RT Dose; with `series`, checks that it belongs to these images.
///
/// Values are Dose Grid Scaling times the stored ones, Gy, of 16 or 32 bits, unsigned (signed where
/// the file says so). Planes lie at the Grid Frame Offset Vector, relative or absolute, in any order
/// and at any distances, and may be turned in any way.
///
/// # Errors
/// [`ReadDoseError`] when the file is no whole RT Dose in Gy, is in another frame of reference than the
/// images, or when cancelled.
pub fn read_dose(
    path: &Path,
    series: Option<&Series>,
    progress: &Progress,
) -> Result<ReadDose, ReadDoseError> {
    progress.set_step("Reading the dose");
    let header = read_header(path)
        .map_err(|error| ReadDoseError::Unreadable { reason: error.to_string(), path: path.to_owned() })?;
    if !is_dose(&header.object) {
        let modality = header.object.text_or_empty(tags::MODALITY);
        let what =
            if modality.is_empty() { "something else".to_owned() } else { format!("a {modality} file") };
        return Err(ReadDoseError::NotDose { what, path: path.to_owned() });
    }
    let unusable = |why: String| ReadDoseError::Unusable { why, path: path.to_owned() };
    let file = DoseFile::of(path, &header).map_err(unusable)?;
    let mut remarks = file.remarks.clone();
    remarks.extend(header.remarks);
    if let Some(series) = series {
        check_belongs(&file.info, series, path, &mut remarks)?;
    }
    let values = file.values(progress)?.map_err(unusable)?;
    let dose = Dose::new(file.info, file.lattice, values)
        .ok_or_else(|| unusable("its doses are not finite numbers".to_owned()))?;
    if dose.maximum_gy() <= 0.0 {
        remarks.push("its doses are all zero".to_owned());
    }
    let warnings = remarks.into_iter().map(|remark| DataWarning::new(path, remark)).collect();
    Ok(ReadDose { dose, warnings })
}

fn check_belongs(
    info: &DoseInfo,
    series: &Series,
    path: &Path,
    remarks: &mut Vec<String>,
) -> Result<(), ReadDoseError> {
    match (&info.frame_of_reference_uid, &series.info.frame_of_reference_uid) {
        (Some(dose), Some(own)) if dose != own => {
            return Err(ReadDoseError::FrameOfReference {
                dose: dose.to_string(),
                series: own.to_string(),
                path: path.to_owned(),
            });
        }
        (Some(_), Some(_)) => {}
        (None, _) => remarks.push(
            "the file states no frame of reference: whether the dose belongs to these images is for you to judge"
                .to_owned(),
        ),
        (_, None) => remarks.push(
            "the images state no frame of reference: whether the dose belongs to them is for you to judge".to_owned(),
        ),
    }
    if !is_same_patient(&info.patient, &series.info.patient) {
        let text = "the dose and the images belong to different patients (by ID, name or birth date)";
        remarks.push(text.to_owned());
    }
    Ok(())
}

/// What the file at `path` is in a list, and what is odd about it.
pub(super) fn dose_entry(path: &Path, header: &Header) -> (DoseEntry, Vec<String>) {
    let object = &header.object;
    let file = DoseFile::of(path, header);
    let size = |tag| object.integer(tag).and_then(|n| usize::try_from(n).ok());
    let stated = [
        size(tags::COLUMNS).unwrap_or(0),
        size(tags::ROWS).unwrap_or(0),
        size(tags::NUMBER_OF_FRAMES).unwrap_or(1),
    ];
    let mut remarks = header.remarks.clone();
    let problem = match &file {
        Ok(file) => {
            remarks.extend(file.remarks.iter().cloned());
            None
        }
        Err(why) => {
            remarks.push(format!("{why}; the dose cannot be used"));
            Some(why.clone())
        }
    };
    let entry = DoseEntry {
        path: path.to_owned(),
        info: dose_info(object),
        study_uid: object.text_or_empty(tags::STUDY_INSTANCE_UID),
        size: stated,
        units: object.text_or_empty(tags::DOSE_UNITS),
        problem,
    };
    (entry, remarks)
}

fn dose_info(object: &InMemDicomObject) -> DoseInfo {
    let beam = object
        .first_item(tags::REFERENCED_RT_PLAN_SEQUENCE)
        .and_then(|plan| plan.first_item(tags::REFERENCED_FRACTION_GROUP_SEQUENCE))
        .and_then(|group| match group.items(tags::REFERENCED_BEAM_SEQUENCE) {
            [only] => only.integer(tags::REFERENCED_BEAM_NUMBER),
            _ => None,
        });
    let comment = object.text(tags::DOSE_COMMENT).or_else(|| object.text(tags::SERIES_DESCRIPTION));
    DoseInfo {
        sop_instance_uid: uid(object, tags::SOP_INSTANCE_UID),
        frame_of_reference_uid: object.text(tags::FRAME_OF_REFERENCE_UID).map(Into::into),
        patient: patient_info(object),
        dose_type: object.text_or_empty(tags::DOSE_TYPE).to_uppercase(),
        summation_type: object.text_or_empty(tags::DOSE_SUMMATION_TYPE).to_uppercase(),
        beam_number: beam.and_then(|beam| i32::try_from(beam).ok()),
        description: comment.unwrap_or_default(),
    }
}

/// A dose as its header has it.
#[derive(Debug)]
struct DoseFile {
    info: DoseInfo,
    lattice: DoseLattice,
    /// The frame of each plane of the lattice.
    frames: Vec<usize>,
    /// Gy for one unit of what is stored.
    scaling: f64,
    file: ImageFile,
    remarks: Vec<String>,
}

impl DoseFile {
    /// What the header says; an error is the sentence why its doses cannot be told.
    fn of(path: &Path, header: &Header) -> Result<Self, String> {
        let own = |why: String| why.trim_end_matches("; left out").to_owned();
        let object = &header.object;
        let mut remarks = Vec::new();
        if header.float_pixels {
            return Err("its doses are stored as floating-point pixels, which are not supported".to_owned());
        }
        let Some(pixels) = header.pixels.clone() else {
            return Err(
                "it has no pixel data and so holds no dose grid (perhaps only dose-volume histograms)"
                    .to_owned(),
            );
        };
        check_units(object)?;
        let scaling = scaling(object)?;
        let info = dose_info(object);
        let format = dose_format(object, &info, &mut remarks).map_err(own)?;
        let file = image_file(path, header, pixels, format)?;
        check_length(&file).map_err(own)?;
        check_no_longer(&file)?;
        let (lattice, frames) = lattice(object, &file, &mut remarks).map_err(own)?;
        if info.dose_type == "ERROR" {
            remarks
                .push("its DoseType is ERROR: it holds differences or uncertainties, not doses".to_owned());
        }
        Ok(Self { info, lattice, frames, scaling, file, remarks })
    }

    /// The doses, Gy, in the order of the lattice; the inner error is a sentence why not.
    fn values(&self, progress: &Progress) -> Result<Result<Vec<f32>, String>, Cancelled> {
        let len = self.file.frame_len();
        let mut values = vec![0.0_f32; len * self.frames.len()];
        let inflated = Inflated::default();
        let done = AtomicUsize::new(0);
        let total = self.frames.len() as f64;
        let failures = values
            .par_chunks_mut(len)
            .zip(&self.frames)
            .map(|(target, frame)| {
                let outcome = self.fill(*frame, &inflated, target).err();
                progress.set_fraction((done.fetch_add(1, Ordering::Relaxed) + 1) as f64 / total)?;
                Ok(outcome)
            })
            .filter_map(Result::transpose)
            .collect::<Result<Vec<String>, Cancelled>>()?;
        Ok(match failures.into_iter().next() {
            Some(why) => Err(why),
            None => Ok(values),
        })
    }

    fn fill(&self, frame: usize, inflated: &Inflated, target: &mut [f32]) -> Result<(), String> {
        let raw = codec::decode_frame(&self.file, frame, inflated)?;
        if raw.len() < self.file.frame_bytes() {
            return Err("its pixel data is truncated".to_owned());
        }
        let SampleFormat { bits_allocated, bits_stored, shift, signed } = self.file.format;
        let unused = 32 - u32::from(bits_stored);
        let dose = |cell: u32| {
            let bits = (cell >> shift) << unused;
            let stored =
                if signed { f64::from(bits.cast_signed() >> unused) } else { f64::from(bits >> unused) };
            #[expect(clippy::cast_possible_truncation, reason = "24 bits are finer than any dose is known")]
            let gy = (stored * self.scaling) as f32;
            gy
        };
        if bits_allocated == 16 {
            let cells = raw.as_chunks::<2>().0;
            target
                .iter_mut()
                .zip(cells)
                .for_each(|(gy, cell)| *gy = dose(u32::from(u16::from_le_bytes(*cell))));
        } else {
            let cells = raw.as_chunks::<4>().0;
            target.iter_mut().zip(cells).for_each(|(gy, cell)| *gy = dose(u32::from_le_bytes(*cell)));
        }
        Ok(())
    }
}

fn check_units(object: &InMemDicomObject) -> Result<(), String> {
    match object.text_or_empty(tags::DOSE_UNITS).to_uppercase().as_str() {
        "GY" => Ok(()),
        "RELATIVE" => {
            Err("its doses are relative to a dose that it does not tell (DoseUnits RELATIVE), not in Gy; \
                           export the dose in Gy"
                .to_owned())
        }
        "" => Err("it does not say in which unit its doses are (DoseUnits)".to_owned()),
        other => Err(format!("its DoseUnits are {other}, not GY; export the dose in Gy")),
    }
}

fn scaling(object: &InMemDicomObject) -> Result<f64, String> {
    let Some(scaling) = object.float(tags::DOSE_GRID_SCALING) else {
        return Err("it has no DoseGridScaling, so its stored values mean no dose".to_owned());
    };
    if scaling == 0.0 {
        return Err("its DoseGridScaling is 0, which makes every dose 0".to_owned());
    }
    if !(scaling.is_finite() && scaling > 0.0) {
        return Err(format!("its DoseGridScaling is {scaling}, which gives no doses"));
    }
    Ok(scaling)
}

fn dose_format(
    object: &InMemDicomObject,
    info: &DoseInfo,
    remarks: &mut Vec<String>,
) -> Result<SampleFormat, String> {
    let samples = object.integer(tags::SAMPLES_PER_PIXEL).unwrap_or(1);
    let photometric = object.text(tags::PHOTOMETRIC_INTERPRETATION);
    if samples != 1 || photometric.as_deref().is_some_and(|own| own != "MONOCHROME2") {
        return Err("its pixels are not plain values (PhotometricInterpretation)".to_owned());
    }
    let format = sample_format(object, [16, 32])?;
    if format.signed && info.dose_type != "ERROR" {
        let text =
            "its stored doses are signed, which only doses of DoseType ERROR are; they are taken as signed";
        remarks.push(text.to_owned());
    }
    Ok(format)
}

fn image_file(
    path: &Path,
    header: &Header,
    pixels: PixelLocation,
    format: SampleFormat,
) -> Result<ImageFile, String> {
    let object = &header.object;
    let dimension = |tag: Tag, name: &str| {
        let number = object.integer(tag).and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0);
        number.ok_or_else(|| format!("it has no {name}"))
    };
    let (rows, columns) = (dimension(tags::ROWS, "Rows")?, dimension(tags::COLUMNS, "Columns")?);
    let frames = object.integer(tags::NUMBER_OF_FRAMES).unwrap_or(1);
    let frames = usize::try_from(frames)
        .ok()
        .filter(|frames| *frames > 0)
        .ok_or_else(|| format!("its NumberOfFrames is {frames}"))?;
    let values = u64::from(rows) * u64::from(columns) * frames as u64;
    if values > MOST_VALUES {
        return Err(format!("it has {values} values, more than can be held in memory"));
    }
    let syntax = &header.transfer_syntax;
    let Some(storage) = codec::storage(syntax) else { return Err(codec::unsupported(syntax)) };
    let keeps_32_bits = matches!(
        storage,
        Storage::Native { big_endian: false } | Storage::Deflated | Storage::Fragments | Storage::Rle
    );
    if format.bits_allocated == 32 && !keeps_32_bits {
        return Err(format!(
            "its 32-bit doses cannot be read from their transfer syntax ({syntax}); convert it to Explicit VR Little \
             Endian, for example with gdcmconv --raw of GDCM"
        ));
    }
    Ok(ImageFile {
        path: path.to_owned(),
        transfer_syntax: syntax.clone(),
        pixels,
        frames,
        rows,
        columns,
        format,
        padding: None,
        pet: None,
    })
}

/// Refuses native pixels that are more than the grid holds: which of them belong is not certain.
fn check_no_longer(file: &ImageFile) -> Result<(), String> {
    let PixelLocation::Native { length, .. } = &file.pixels else { return Ok(()) };
    let needed = file.frame_bytes() as u64 * file.frames as u64;
    // An even length may have a byte of padding.
    if *length > needed + 1 {
        return Err(format!(
            "its pixel data has {length} bytes where {} x {} x {} doses of {} bits have {needed}",
            file.columns, file.rows, file.frames, file.format.bits_allocated
        ));
    }
    Ok(())
}

/// Where the values lie, and the frame of each plane.
fn lattice(
    object: &InMemDicomObject,
    file: &ImageFile,
    remarks: &mut Vec<String>,
) -> Result<(DoseLattice, Vec<usize>), String> {
    let lacks = |what: &str| format!("it has no {what}, so its place in the patient is unknown");
    let position: [f64; 3] =
        object.array(tags::IMAGE_POSITION_PATIENT).ok_or_else(|| lacks("ImagePositionPatient"))?;
    let orientation: [f64; 6] =
        object.array(tags::IMAGE_ORIENTATION_PATIENT).ok_or_else(|| lacks("ImageOrientationPatient"))?;
    let [row_spacing, column_spacing]: [f64; 2] =
        object.array(tags::PIXEL_SPACING).ok_or_else(|| lacks("PixelSpacing"))?;
    if !(row_spacing > 0.0 && column_spacing > 0.0) {
        return Err("its PixelSpacing is not positive".to_owned());
    }
    let (row, column) = directions(orientation)?;
    let stated = offsets(object, file.frames, position[2], row.cross(&column))?;
    let mut frames: Vec<usize> = (0..file.frames).collect();
    frames.sort_by(|a, b| stated[*a].total_cmp(&stated[*b]));
    let is_in_order = stated.is_sorted() || stated.iter().rev().is_sorted();
    if !is_in_order {
        remarks.push(
            "its planes are not stored in order; they are taken by their GridFrameOffsetVector".to_owned(),
        );
    }
    let offsets_mm: Vec<f64> = frames.iter().map(|frame| stated[*frame]).collect();
    let lattice = DoseLattice::new(
        [usize::from(file.columns), usize::from(file.rows)],
        Point3::from(position),
        [row, column],
        [column_spacing, row_spacing],
        offsets_mm,
    )
    .ok_or("two of its planes lie at the same place (GridFrameOffsetVector)")?;
    Ok((lattice, frames))
}

/// How far each frame lies from the first one's position along the normal, mm (PS3.3 C.8.8.3.2).
fn offsets(object: &InMemDicomObject, frames: usize, z_mm: f64, normal: Vector3) -> Result<Vec<f64>, String> {
    let Some(stated) = object.floats(tags::GRID_FRAME_OFFSET_VECTOR) else {
        return if frames == 1 {
            Ok(vec![0.0])
        } else {
            Err(format!("it has {frames} planes but no GridFrameOffsetVector that says where they lie"))
        };
    };
    if stated.len() != frames {
        return Err(format!(
            "its GridFrameOffsetVector places {} planes, but it has {frames} (NumberOfFrames)",
            stated.len()
        ));
    }
    if stated.iter().any(|mm| !mm.is_finite()) {
        return Err("its GridFrameOffsetVector holds what is no number".to_owned());
    }
    // Relative to the position; else, on transverse planes only, the patient's own z.
    if stated[0].abs() <= SAME_MM {
        return Ok(stated);
    }
    if (stated[0] - z_mm).abs() <= SAME_MM && normal.z.abs() > 1.0 - 1e-6 {
        return Ok(stated.iter().map(|mm| (mm - stated[0]) * normal.z.signum()).collect());
    }
    Err(format!(
        "its GridFrameOffsetVector begins with {}, which is neither 0 nor, on transverse planes, the z of its \
         ImagePositionPatient ({z_mm})",
        stated[0]
    ))
}
