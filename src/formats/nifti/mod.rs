//! NIfTI images and label maps (`.nii`, `.nii.gz`; versions 1 and 2), read and written.
//!
//! The file's RAS coordinates become DICOM's LPS. Slices are put in order along the normal `i x j`,
//! as everywhere in the program; a file whose slices run the other way is turned round on reading,
//! and back when a label map is written like it.

mod header;
mod write;

use crate::geometry::Grid;
use crate::new_file::WriteFileError;
use crate::patient::{
    DataWarning, LabelMap, Modality, OUTSIDE_I16, Series, SeriesInfo, Slice, Unit, Volume, Voxels,
};
use crate::progress::{Cancelled, Progress};
use header::{Header, Type};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use write::{prepare_labels, write_labels};

/// Why a NIfTI file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NiftiError {
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The file system said no.
    #[error("cannot be read ({source}): {}", .path.display())]
    Io {
        /// What it said.
        source: io::Error,
        /// The file.
        path: PathBuf,
    },
    /// The output file could not be made.
    #[error(transparent)]
    Write(#[from] WriteFileError),
    /// Not a NIfTI file, or one that cannot be read.
    #[error("cannot be read as NIfTI: {message}: {}", .path.display())]
    Invalid {
        /// Why, and the remedy.
        message: String,
        /// The file.
        path: PathBuf,
    },
    /// The values are no labels.
    #[error("not a label map: {message}: {}", .path.display())]
    NotLabels {
        /// Why.
        message: String,
        /// The file.
        path: PathBuf,
    },
}

/// A NIfTI image as a series.
#[derive(Debug, Clone)]
pub struct ReadImage {
    /// The series: one patient, study and series without names.
    pub series: Series,
    /// What was odd.
    pub warnings: Vec<DataWarning>,
}

/// Whether a file is named as NIfTI (`.nii`, `.nii.gz`).
#[must_use]
pub fn is_nifti_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    [".nii", ".nii.gz"].iter().any(|ending| name.ends_with(ending))
}

/// How the description of a label map begins that a machine made and nobody has looked at.
const UNREVIEWED: &str = "AI unreviewed";

/// An image with a value as low as this is taken as CT.
const LOWEST_OF_CT: f64 = -200.0;

/// Reads an image.
///
/// NIfTI says nothing of the kind of scan: an image with values of -200 or below is taken as CT in
/// HU, where values below -1024 are outside the scan; any other has no unit. A warning says which.
/// The series' UID is made
/// from the content, so the same image has the same UID wherever it lies. Of several volumes the
/// first is read, with a warning.
///
/// # Errors
/// When the file is not NIfTI, is truncated or of an unsupported type, or when cancelled.
pub fn read_image(path: &Path, progress: &Progress) -> Result<ReadImage, NiftiError> {
    progress.set_step("Reading the image");
    let mut warnings = Vec::new();
    let (header, raw) = read_raw(path, &progress.part(0.0, 0.8))?;
    let (grid, reversed) = grid_of(&header, path)?;
    if header.volumes > 1 {
        let message = format!("it holds {} volumes; only the first is read", header.volumes);
        warnings.push(DataWarning::new(path, message));
    }
    if !header.oriented {
        let message = "it stores no orientation; its axes are taken as right, front and up";
        warnings.push(DataWarning::new(path, message));
    }
    let uid = content_uid(&header, &raw);
    let lowest = least_value(&header, &raw);
    let is_ct = lowest <= LOWEST_OF_CT;
    let message = if is_ct {
        format!(
            "NIfTI does not say what kind of scan it is: taken as CT in HU, for its values go down to {lowest}"
        )
    } else {
        format!(
            "NIfTI does not say what kind of scan it is: taken as an image without a unit, for no value is \
             {LOWEST_OF_CT} or below, as the air around a patient is in CT"
        )
    };
    warnings.push(DataWarning::new(path, message));
    let least = if is_ct { -1024.0 } else { f64::NEG_INFINITY };
    progress.set_fraction(0.9)?;
    let len = header.dims[0] * header.dims[1];
    let voxels = whole_values(&header, &raw, len, reversed, least)
        .map_or_else(|| Voxels::F32(values(&header, &raw, len, reversed, least)), Voxels::I16);
    drop(raw);
    let slices = Slice::all_of(&grid);
    if slices.len() == 1 {
        warnings.push(DataWarning::new(path, "the image is a single slice; volumes count it as 1 mm thick"));
    }
    let (modality, unit) =
        if is_ct { (Modality::Ct, Unit::Hu) } else { (Modality::Other(String::new()), Unit::Arbitrary) };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let info = SeriesInfo {
        patient: crate::patient::PatientInfo::default(),
        study: crate::patient::StudyInfo::default(),
        uid: uid.into(),
        modality,
        description: name,
        number: None,
        frame_of_reference_uid: None,
        patient_position: None,
        equipment: String::new(),
    };
    let volume = Volume { grid, voxels, unit, slices, native: None };
    progress.set_fraction(1.0)?;
    Ok(ReadImage { series: Series { info, volume: Arc::new(volume) }, warnings })
}

/// An image as its file stores it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredImage {
    /// Size along k, j, i.
    pub size: [usize; 3],
    /// The voxel sizes that the file tells, along k, j, i, mm.
    pub spacing_mm: [f64; 3],
    /// `[k][j][i]`, scaled; every number, whatever it means. One that is not finite is stored 0, as nifti_clib
    /// and so ITK and nnU-Net read it.
    pub values: Vec<f32>,
    /// The voxels' places as [`read_image`] gives them.
    pub grid: Grid,
    /// Whether [`Self::grid`] has the slices the other way round.
    pub reversed: bool,
    /// Whether the file tells which way its axes run; [`Self::grid`] takes them as right, front and up
    /// where it does not.
    pub oriented: bool,
}

/// Reads an image's numbers in the order in which the file stores them. Of several volumes the
/// first is read.
///
/// # Errors
/// When the file is not NIfTI, is truncated or of an unsupported type, or when cancelled.
pub fn read_stored(path: &Path, progress: &Progress) -> Result<StoredImage, NiftiError> {
    let (header, raw) = read_raw(path, progress)?;
    let (grid, reversed) = grid_of(&header, path)?;
    let mut values = values(&header, &raw, header.dims[0] * header.dims[1], false, f64::NEG_INFINITY);
    #[expect(clippy::cast_possible_truncation, reason = "network precision")]
    let zero = header.intercept as f32;
    values.iter_mut().filter(|value| !value.is_finite()).for_each(|value| *value = zero);
    let turned = |[i, j, k]: [f64; 3]| [k, j, i];
    let [ni, nj, nk] = header.dims;
    let (size, spacing_mm, oriented) = ([nk, nj, ni], turned(header.spacing_mm), header.oriented);
    Ok(StoredImage { size, spacing_mm, values, grid, reversed, oriented })
}

/// Reads a label map: whole values from 0 to 65535. The file's description says whether it is unreviewed.
///
/// # Errors
/// As [`read_image`], and when a value is not a label.
pub fn read_labels(path: &Path, progress: &Progress) -> Result<LabelMap, NiftiError> {
    progress.set_step("Reading the label map");
    let not_labels = |message: String| NiftiError::NotLabels { message, path: path.to_owned() };
    let (header, raw) = read_raw(path, progress)?;
    let (grid, reversed) = grid_of(&header, path)?;
    if header.volumes > 1 {
        return Err(not_labels(format!("it holds {} volumes", header.volumes)));
    }
    let len = header.dims[0] * header.dims[1];
    let mut labels = vec![0_u16; grid.len()];
    fill(&header, &raw, len, reversed, &mut labels, |value| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
        (value.fract() == 0.0 && (0.0..=65535.0).contains(&value)).then_some(value as u16)
    })
    .ok_or_else(|| not_labels("a value is not a whole number from 0 to 65535".into()))?;
    Ok(LabelMap { grid, labels, names: Vec::new(), unreviewed: header.description.starts_with(UNREVIEWED) })
}

fn grid_of(header: &Header, path: &Path) -> Result<(Grid, bool), NiftiError> {
    header.grid().ok_or_else(|| NiftiError::Invalid {
        message: "its orientation spans no volume".into(),
        path: path.to_owned(),
    })
}

/// The header and the bytes of the first volume.
fn read_raw(path: &Path, progress: &Progress) -> Result<(Header, Vec<u8>), NiftiError> {
    let invalid = |message: String| NiftiError::Invalid { message, path: path.to_owned() };
    let (mut reader, gzipped, file_length) = header::open(path)?;
    let (header, read) = header::read_header(&mut reader, path)?;
    let length = header.data_len().ok_or_else(|| invalid("its size is senseless".into()))?;
    // Deflate packs at most 1032 to 1: a header that promises more lies, and costs no memory.
    let most = if gzipped { file_length.saturating_mul(1032) } else { file_length };
    let truncated = || invalid("the file is truncated; copy it again from its source".into());
    if header.data_offset.saturating_add(length as u64) > most {
        return Err(truncated());
    }
    let gap = header.data_offset.saturating_sub(read);
    let skipped = io::copy(&mut reader.by_ref().take(gap), &mut io::sink());
    if skipped.ok() != Some(gap) {
        return Err(truncated());
    }
    let mut raw = vec![0; length];
    #[expect(clippy::cast_precision_loss, reason = "a fraction for display")]
    for (n, chunk) in raw.chunks_mut(4 << 20).enumerate() {
        reader.read_exact(chunk).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => truncated(),
            _ => invalid(format!("its compressed data is damaged ({error}); copy it again from its source")),
        })?;
        progress.set_fraction((n * (4 << 20)) as f64 / length as f64)?;
    }
    Ok((header, raw))
}

/// Each voxel of `bytes` as a number, scaled.
#[expect(clippy::cast_precision_loss, reason = "64-bit integers hold scan values here, not identities")]
fn for_each_value(header: &Header, bytes: &[u8], mut see: impl FnMut(f64)) {
    macro_rules! each {
        ($number:ty, $widen:expr) => {{
            let widen = $widen;
            for cell in bytes.as_chunks::<{ size_of::<$number>() }>().0 {
                let number = if header.big_endian {
                    <$number>::from_be_bytes(*cell)
                } else {
                    <$number>::from_le_bytes(*cell)
                };
                see(widen(number) * header.slope + header.intercept);
            }
        }};
    }
    match header.kind {
        Type::U8 => each!(u8, f64::from),
        Type::I8 => each!(i8, f64::from),
        Type::I16 => each!(i16, f64::from),
        Type::U16 => each!(u16, f64::from),
        Type::I32 => each!(i32, f64::from),
        Type::U32 => each!(u32, f64::from),
        Type::I64 => each!(i64, |n: i64| n as f64),
        Type::U64 => each!(u64, |n: u64| n as f64),
        Type::F32 => each!(f32, f64::from),
        Type::F64 => each!(f64, |n: f64| n),
    }
}

fn least_value(header: &Header, raw: &[u8]) -> f64 {
    raw.par_chunks(1 << 20)
        .map(|chunk| {
            let mut least = f64::INFINITY;
            for_each_value(header, chunk, |value| least = least.min(value));
            least
        })
        .reduce(|| f64::INFINITY, f64::min)
}

/// Fills slices of `len` voxels with what `convert` makes of the values; `None` as soon as it does.
fn fill<T: Send>(
    header: &Header,
    raw: &[u8],
    len: usize,
    reversed: bool,
    target: &mut [T],
    convert: impl Fn(f64) -> Option<T> + Sync,
) -> Option<()> {
    let planes = header.dims[2];
    let bytes = len * header.kind.size();
    let failed = AtomicBool::new(false);
    target.par_chunks_mut(len).enumerate().for_each(|(k, slice)| {
        if failed.load(Ordering::Relaxed) {
            return;
        }
        let stored = if reversed { planes - 1 - k } else { k };
        let mut voxels = slice.iter_mut();
        for_each_value(header, &raw[stored * bytes..(stored + 1) * bytes], |value| {
            match (voxels.next(), convert(value)) {
                (Some(voxel), Some(converted)) => *voxel = converted,
                _ => failed.store(true, Ordering::Relaxed),
            }
        });
    });
    (!failed.into_inner()).then_some(())
}

/// The values as `i16`, if all are whole and fit.
fn whole_values(header: &Header, raw: &[u8], len: usize, reversed: bool, least: f64) -> Option<Vec<i16>> {
    let mut voxels = vec![0_i16; len * header.dims[2]];
    fill(header, raw, len, reversed, &mut voxels, |value| {
        if value.is_nan() || value < least {
            return Some(OUTSIDE_I16);
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked before")]
        (value.fract() == 0.0 && value > f64::from(i16::MIN) && value <= f64::from(i16::MAX))
            .then_some(value as i16)
    })?;
    Some(voxels)
}

fn values(header: &Header, raw: &[u8], len: usize, reversed: bool, least: f64) -> Vec<f32> {
    let mut voxels = vec![0.0_f32; len * header.dims[2]];
    // Never fails: every value has an f32.
    let _ = fill(header, raw, len, reversed, &mut voxels, |value| {
        #[expect(clippy::cast_possible_truncation, reason = "display and network precision")]
        Some(if value < least { f32::NAN } else { value as f32 })
    });
    voxels
}

/// A UID under 2.25 from the content.
fn content_uid(header: &Header, raw: &[u8]) -> String {
    let mut hasher = Sha256::new();
    for n in header.dims {
        hasher.update((n as u64).to_le_bytes());
    }
    for step in header.steps_mm.iter().chain([&header.origin_mm.coords]) {
        step.iter().for_each(|value| hasher.update(value.to_le_bytes()));
    }
    hasher.update(header.slope.to_le_bytes());
    hasher.update(header.intercept.to_le_bytes());
    hasher.update(raw);
    let digest: [u8; 32] = hasher.finalize().into();
    let half = digest.first_chunk::<16>().copied().unwrap_or_default();
    format!("2.25.{}", u128::from_le_bytes(half))
}

#[cfg(test)]
mod tests;
