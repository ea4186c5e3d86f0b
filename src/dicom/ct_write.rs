//! Writing a CT series (CT Image Storage, PS3.3 A.3), one file a slice, for the bundled sample
//! patient. The same series always gives the same bytes: nothing is taken from the clock, and UIDs
//! that the series lacks are derived from its own.

use super::element::{clean, decimal_text, put, put_optional};
use super::{IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME};
use crate::new_file::{NewFolder, WriteFileError, write_file};
use crate::patient::{Modality, OUTSIDE_I16, Series, Slice, Uid, Unit, Voxels, uid_from_seed};
use crate::progress::{Cancelled, Progress};
use dicom::core::{DataElement, PrimitiveValue, VR};
use dicom::dictionary_std::{tags, uids};
use dicom::object::{FileMetaTableBuilder, InMemDicomObject};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Why a CT series was not written. What was in the folder before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteCtError {
    /// The series is no CT in Hounsfield units, or its slices do not fit the format.
    #[error("only a CT in HU of up to 65535 x 65535 pixels can be written ({what}): {}", path.display())]
    Unsupported {
        /// What it is instead.
        what: String,
        /// The target folder.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] WriteFileError),
    /// A data set could not be encoded.
    #[error("a slice could not be encoded ({reason}); please report this: {}", path.display())]
    Encode {
        /// What the encoder says.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Writes every slice of `series` into the folder `dir` (made if it is missing) as
/// `CT_0001.dcm` ... in slice order and returns the paths. Missing slices are left out. Existing
/// files of these names are overwritten: the caller asks first.
///
/// Values are rounded to whole HU and clamped to what 16 signed bits hold; voxels outside the scan
/// are stored as Pixel Padding Value. A synthetic patient is marked as such (Quality Control
/// Subject, Image Comments).
///
/// # Errors
/// When the series is no CT, the folder cannot be written to, the disk is full, or on cancel.
pub fn write_ct_series(
    series: &Series,
    dir: &Path,
    progress: &Progress,
) -> Result<Vec<PathBuf>, WriteCtError> {
    prepare_ct_series(series, dir, progress)?.commit()
}

/// A CT series written into a folder within its own, which goes when dropped before
/// [`Self::commit`].
#[derive(Debug)]
pub struct PreparedCtSeries {
    dir: PathBuf,
    folder: NewFolder,
    /// In slice order.
    names: Vec<String>,
}

impl PreparedCtSeries {
    /// The files' paths after [`Self::commit`], in slice order.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.names.iter().map(|name| self.dir.join(name)).collect()
    }

    /// Puts all files in their places, over files of the same names. Gives their paths.
    ///
    /// # Errors
    /// When a place is taken by a folder, or a file cannot be moved; those before it are back where
    /// they were then.
    pub fn commit(mut self) -> Result<Vec<PathBuf>, WriteCtError> {
        let paths = self.paths();
        let old = self.folder.path().join("old");
        let failed = |error: &std::io::Error, path: &Path| WriteFileError::from_io(error, path);
        if let Some(path) = paths.iter().find(|path| path.is_dir()) {
            return Err(
                WriteFileError::Unwritable { reason: "it is a folder".into(), path: path.clone() }.into()
            );
        }
        std::fs::create_dir(&old).map_err(|error| failed(&error, &self.dir))?;
        // What stood there lies in it until all have moved.
        self.folder.keep_when_abandoned();
        let moved = |name: &String, path: &PathBuf| {
            if path.symlink_metadata().is_ok() {
                std::fs::rename(path, old.join(name))?;
            }
            std::fs::rename(self.folder.path().join(name), path)
        };
        for (n, (name, path)) in self.names.iter().zip(&paths).enumerate() {
            if let Err(error) = moved(name, path) {
                for (before, (name, path)) in self.names.iter().zip(&paths).take(n + 1).enumerate() {
                    if before < n {
                        // Where there was none before, what is new goes with the folder.
                        let _ = std::fs::rename(path, self.folder.path().join(name));
                    }
                    let _ = std::fs::rename(old.join(name), path);
                }
                return Err(failed(&error, path).into());
            }
        }
        Ok(paths)
    }
}

/// As [`write_ct_series`], up to the files' names.
///
/// # Errors
/// As [`write_ct_series`].
pub fn prepare_ct_series(
    series: &Series,
    dir: &Path,
    progress: &Progress,
) -> Result<PreparedCtSeries, WriteCtError> {
    let volume = &series.volume;
    let [columns, rows, _] = volume.grid.dims();
    let unsupported = |what: &str| WriteCtError::Unsupported { what: what.to_owned(), path: dir.to_owned() };
    if series.info.modality != Modality::Ct || volume.unit != Unit::Hu {
        return Err(unsupported("another modality"));
    }
    let (Ok(column_count), Ok(row_count)) = (u16::try_from(columns), u16::try_from(rows)) else {
        return Err(unsupported("too many pixels"));
    };
    let stored = volume.native.as_deref().unwrap_or(&volume.voxels);
    if stored.len() != columns * rows * volume.slices.len() {
        return Err(unsupported("slices and voxels do not agree"));
    }
    std::fs::create_dir_all(dir)
        .map_err(|error| WriteFileError::Unwritable { reason: error.to_string(), path: dir.to_owned() })?;
    let folder = NewFolder::within(dir).map_err(|error| WriteFileError::from_io(&error, dir))?;
    progress.set_step("Writing slices");
    let common = Common { series, column_count, row_count, intercept: intercept_of(stored) };
    let present: Vec<(usize, &Slice)> =
        volume.slices.iter().enumerate().filter(|(_, slice)| !slice.missing).collect();
    let done = AtomicUsize::new(0);
    let names = present
        .par_iter()
        .map(|(index, slice)| {
            progress.check()?;
            let name = format!("CT_{:04}.dcm", index + 1);
            let path = folder.path().join(&name);
            let from = index * columns * rows;
            let pixels = common.pixels(stored, from..from + columns * rows);
            write_file(&path, true, &common.encode(*index, slice, pixels, &path)?)?;
            let count = done.fetch_add(1, Ordering::Relaxed) + 1;
            #[expect(clippy::cast_precision_loss, reason = "slice counts are far below 2^52")]
            progress.set_fraction(count as f64 / present.len() as f64)?;
            Ok(name)
        })
        .collect::<Result<Vec<_>, WriteCtError>>()?;
    Ok(PreparedCtSeries { dir: dir.to_owned(), folder, names })
}

/// The rescale intercept, with slope 1: -1024 as scanners do, 0 for values below it.
fn intercept_of(stored: &Voxels) -> i32 {
    let below = match stored {
        Voxels::I16(values) => values.iter().any(|v| *v != OUTSIDE_I16 && *v < -1024),
        Voxels::F32(values) => values.iter().any(|v| *v < -1024.5),
    };
    if below { 0 } else { -1024 }
}

/// What all slices share.
struct Common<'a> {
    series: &'a Series,
    column_count: u16,
    row_count: u16,
    intercept: i32,
}

/// Stored value of pixels outside the scan; no real value is that low with either intercept.
const PADDING: i16 = i16::MIN;

impl Common<'_> {
    fn pixels(&self, stored: &Voxels, range: std::ops::Range<usize>) -> Vec<i16> {
        let clamp = |hu: i32| {
            let value = (hu - self.intercept).clamp(i32::from(PADDING) + 1, i32::from(i16::MAX));
            i16::try_from(value).unwrap_or(PADDING)
        };
        match stored {
            Voxels::I16(values) => values[range]
                .iter()
                .map(|v| if *v == OUTSIDE_I16 { PADDING } else { clamp(i32::from(*v)) })
                .collect(),
            #[expect(clippy::cast_possible_truncation, reason = "saturates, and is clamped after")]
            Voxels::F32(values) => values[range]
                .iter()
                .map(|v| if v.is_nan() { PADDING } else { clamp(v.round().clamp(-1e6, 1e6) as i32) })
                .collect(),
        }
    }

    fn encode(
        &self,
        index: usize,
        slice: &Slice,
        pixels: Vec<i16>,
        path: &Path,
    ) -> Result<Vec<u8>, WriteCtError> {
        let failed = |reason: String| WriteCtError::Encode { reason, path: path.to_owned() };
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .implementation_class_uid(IMPLEMENTATION_CLASS_UID)
            .implementation_version_name(IMPLEMENTATION_VERSION_NAME);
        let object = self.object(index, slice, pixels).with_meta(meta).map_err(|e| failed(e.to_string()))?;
        let mut bytes = Vec::new();
        object.write_all(&mut bytes).map_err(|e| failed(e.to_string()))?;
        Ok(bytes)
    }

    fn object(&self, index: usize, slice: &Slice, pixels: Vec<i16>) -> InMemDicomObject {
        let info = &self.series.info;
        let mut object = InMemDicomObject::new_empty();
        self.put_patient_and_study(&mut object);
        let o = &mut object;
        // SOP Common
        let uid = slice.instance.as_ref().map_or_else(
            || uid_from_seed(&format!("{} slice {index}", info.uid)),
            |instance| instance.sop_instance_uid.clone(),
        );
        put(o, tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        put(o, tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE);
        put(o, tags::SOP_INSTANCE_UID, VR::UI, &*uid);
        // General Series
        put(o, tags::MODALITY, VR::CS, "CT");
        put(o, tags::SERIES_INSTANCE_UID, VR::UI, &*info.uid);
        put(o, tags::SERIES_NUMBER, VR::IS, info.number.unwrap_or(1).to_string());
        put(o, tags::SERIES_DATE, VR::DA, info.study.date.trim());
        put(o, tags::SERIES_TIME, VR::TM, info.study.time.trim());
        put_optional(o, tags::SERIES_DESCRIPTION, VR::LO, clean(&info.description, 64));
        put(o, tags::PATIENT_POSITION, VR::CS, info.patient_position.as_deref().unwrap_or("HFS"));
        // Frame of Reference
        let frame = info.frame_of_reference_uid.clone();
        let frame: Uid =
            frame.unwrap_or_else(|| uid_from_seed(&format!("frame of reference of {}", info.uid)));
        put(o, tags::FRAME_OF_REFERENCE_UID, VR::UI, &*frame);
        put(o, tags::POSITION_REFERENCE_INDICATOR, VR::LO, "");
        // General Equipment
        put(o, tags::MANUFACTURER, VR::LO, "Delineo");
        put(o, tags::MANUFACTURER_MODEL_NAME, VR::LO, "Delineo");
        put(o, tags::SOFTWARE_VERSIONS, VR::LO, env!("CARGO_PKG_VERSION"));
        // General Image, CT Image
        let kind =
            if info.patient.synthetic { "DERIVED\\PRIMARY\\AXIAL" } else { "ORIGINAL\\PRIMARY\\AXIAL" };
        put(o, tags::IMAGE_TYPE, VR::CS, kind);
        put(o, tags::ACQUISITION_NUMBER, VR::IS, "1");
        put(o, tags::INSTANCE_NUMBER, VR::IS, (index + 1).to_string());
        put(o, tags::CONTENT_DATE, VR::DA, info.study.date.trim());
        put(o, tags::CONTENT_TIME, VR::TM, info.study.time.trim());
        put(o, tags::BURNED_IN_ANNOTATION, VR::CS, "NO");
        if info.patient.synthetic {
            put(o, tags::IMAGE_COMMENTS, VR::LT, "synthetic: made by a program, not a scan of a person");
            put(o, tags::BODY_PART_EXAMINED, VR::CS, "WHOLEBODY");
        } else {
            // Type 2C: empty where it is not known.
            put(o, tags::LATERALITY, VR::CS, "");
        }
        put(o, tags::KVP, VR::DS, "");
        self.put_plane_and_pixels(o, index, slice, pixels);
        object
    }

    fn put_patient_and_study(&self, o: &mut InMemDicomObject) {
        let patient = &self.series.info.patient;
        put(o, tags::PATIENT_NAME, VR::PN, patient.name.trim());
        put(o, tags::PATIENT_ID, VR::LO, clean(&patient.id, 64));
        put(o, tags::PATIENT_BIRTH_DATE, VR::DA, patient.birth_date.trim());
        put(o, tags::PATIENT_SEX, VR::CS, patient.sex.trim());
        if patient.synthetic {
            put(o, tags::QUALITY_CONTROL_SUBJECT, VR::CS, "YES");
        }
        let study = &self.series.info.study;
        put(o, tags::STUDY_INSTANCE_UID, VR::UI, study.uid.trim());
        put(o, tags::STUDY_DATE, VR::DA, study.date.trim());
        put(o, tags::STUDY_TIME, VR::TM, study.time.trim());
        put(o, tags::REFERRING_PHYSICIAN_NAME, VR::PN, study.referring_physician.trim());
        put(o, tags::STUDY_ID, VR::SH, clean(&study.id, 16));
        put(o, tags::ACCESSION_NUMBER, VR::SH, clean(&study.accession_number, 16));
        put_optional(o, tags::STUDY_DESCRIPTION, VR::LO, clean(&study.description, 64));
    }

    fn put_plane_and_pixels(&self, o: &mut InMemDicomObject, index: usize, slice: &Slice, pixels: Vec<i16>) {
        let volume = &self.series.volume;
        let join = |values: &[f64]| values.iter().map(|v| decimal_text(*v)).collect::<Vec<_>>().join("\\");
        let [across, down, _] = volume.grid.spacing_mm();
        let (u, v) = (volume.grid.direction(0), volume.grid.direction(1));
        put(o, tags::PIXEL_SPACING, VR::DS, join(&[down, across]));
        put(o, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, join(&[u.x, u.y, u.z, v.x, v.y, v.z]));
        let at = slice.origin_mm;
        put(o, tags::IMAGE_POSITION_PATIENT, VR::DS, join(&[at.x, at.y, at.z]));
        put(o, tags::SLICE_LOCATION, VR::DS, decimal_text(slice.plane.offset_mm()));
        put(o, tags::SLICE_THICKNESS, VR::DS, decimal_text(volume.slice_thickness_mm(index)));
        put(o, tags::RESCALE_INTERCEPT, VR::DS, self.intercept.to_string());
        put(o, tags::RESCALE_SLOPE, VR::DS, "1");
        put(o, tags::RESCALE_TYPE, VR::LO, "HU");
        put(o, tags::WINDOW_CENTER, VR::DS, "40");
        put(o, tags::WINDOW_WIDTH, VR::DS, "400");
        put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
        for (tag, value) in [
            (tags::SAMPLES_PER_PIXEL, 1),
            (tags::ROWS, self.row_count),
            (tags::COLUMNS, self.column_count),
            (tags::BITS_ALLOCATED, 16),
            (tags::BITS_STORED, 16),
            (tags::HIGH_BIT, 15),
            (tags::PIXEL_REPRESENTATION, 1),
        ] {
            o.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
        }
        if pixels.contains(&PADDING) {
            o.put(DataElement::new(tags::PIXEL_PADDING_VALUE, VR::SS, PrimitiveValue::from(PADDING)));
        }
        o.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::I16(pixels.into())));
    }
}
