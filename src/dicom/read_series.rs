//! Reads the pixels of a series, in parallel, straight into its volume.

use super::codec::{self, Inflated, Storage};
use super::header::PixelLocation;
use super::image::Image;
use super::library::{SeriesEntry, SliceSpacing};
use super::pixels::Conversion;
use super::resample::{Sample, resample};
use crate::patient::{DataWarning, Series, Slice, Unit, Volume, Voxels};
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// More voxel data than this is refused rather than tried.
const LARGEST_BYTES: usize = 24 << 30;

/// A series with its pixels.
#[derive(Debug, Clone)]
pub struct ReadSeries {
    /// The series.
    pub series: Series,
    /// What was odd: the scan's remarks on this series, and slices whose pixels cannot be read.
    pub warnings: Vec<DataWarning>,
}

/// Why a series could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadSeriesError {
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// Not one slice could be read.
    #[error("no slice of the series can be read; the first: {message}: {}", .path.display())]
    NoSlice {
        /// Why, and the remedy.
        message: String,
        /// The first slice's file.
        path: PathBuf,
    },
    /// More pixels than any computer of today holds.
    #[error("the series has {voxels} voxels, more than can be held in memory; open fewer slices: {}", .path.display())]
    TooLarge {
        /// How many.
        voxels: u128,
        /// The series.
        path: PathBuf,
    },
}

/// Reads the pixels of `entry`.
///
/// Values are HU for CT, SUV by body weight for PET (or what its warning says), a scanner's own for
/// the rest; `i16` where all are whole and fit, else `f32`. Voxels of padding, below -1024 HU and of
/// missing slices are outside the scan. A slice whose pixels cannot be read becomes missing, with a
/// warning. Peak memory is the volume itself (twice that with uneven slices).
///
/// # Errors
/// When no slice can be read, when the series is too large, or when cancelled.
pub fn read_series(entry: &SeriesEntry, progress: &Progress) -> Result<ReadSeries, ReadSeriesError> {
    progress.set_step("Reading slices");
    let [columns, rows, planes] = entry.grid.dims();
    let voxels = columns as u128 * rows as u128 * (planes + entry.slices.len()) as u128;
    if voxels * 4 > LARGEST_BYTES as u128 {
        return Err(ReadSeriesError::TooLarge { voxels, path: entry.path.clone() });
    }
    let conversions: Vec<Conversion> = entry
        .images
        .iter()
        .map(|image| Conversion::of(image, entry.factor, entry.unit == Unit::Hu))
        .collect();
    if conversions.iter().all(Conversion::is_whole) {
        let whole = Reading::<i16>::run(entry, &conversions, progress)?;
        if whole.fits {
            return finish(entry, whole, Voxels::I16);
        }
    }
    let fractional = Reading::<f32>::run(entry, &conversions, progress)?;
    finish(entry, fractional, Voxels::F32)
}

/// The values of the stored slices, each at its plane (uneven: one after the other).
struct Reading<T> {
    values: Vec<T>,
    failures: Vec<(usize, String)>,
    /// False when a value does not fit the type.
    fits: bool,
}

/// A value type that raw samples can be converted to.
trait Target: Sample {
    /// Converts frame `image` into `values`; false when a value does not fit.
    fn fill(
        image: &Image,
        conversion: &Conversion,
        inflated: &Inflated,
        values: &mut [Self],
    ) -> Result<bool, String>;
}

impl Target for i16 {
    fn fill(
        image: &Image,
        conversion: &Conversion,
        inflated: &Inflated,
        values: &mut [Self],
    ) -> Result<bool, String> {
        let file = &image.file;
        if let PixelLocation::Native { offset, .. } = file.pixels
            && codec::storage(&file.transfer_syntax) == Some(Storage::Native { big_endian: false })
            && conversion.is_plain_16_bit()
            && cfg!(target_endian = "little")
        {
            let start = offset + (image.frame * file.frame_bytes()) as u64;
            codec::read_at(file, start, bytemuck::cast_slice_mut(values))?;
            return Ok(conversion.convert_in_place(values));
        }
        let raw = codec::decode_frame(file, image.frame, inflated)?;
        check_size(&raw, image)?;
        Ok(conversion.whole_values(&raw, values))
    }
}

impl Target for f32 {
    fn fill(
        image: &Image,
        conversion: &Conversion,
        inflated: &Inflated,
        values: &mut [Self],
    ) -> Result<bool, String> {
        let raw = codec::decode_frame(&image.file, image.frame, inflated)?;
        check_size(&raw, image)?;
        conversion.values(&raw, values);
        Ok(true)
    }
}

fn check_size(raw: &[u8], image: &Image) -> Result<(), String> {
    (raw.len() >= image.file.frame_bytes()).then_some(()).ok_or_else(|| "its pixel data is truncated".into())
}

impl<T: Target> Reading<T> {
    fn run(
        entry: &SeriesEntry,
        conversions: &[Conversion],
        progress: &Progress,
    ) -> Result<Self, ReadSeriesError> {
        let [columns, rows, _] = entry.grid.dims();
        let len = columns * rows;
        let mut values = vec![T::ZERO; len * entry.slices.len()];
        // The image of each slice, `None` where it is missing.
        let mut images = entry.images.iter().zip(conversions);
        let sources: Vec<_> =
            entry.slices.iter().map(|slice| if slice.missing { None } else { images.next() }).collect();
        let inflated = Inflated::default();
        let done = AtomicUsize::new(0);
        let fits = AtomicBool::new(true);
        #[expect(clippy::cast_precision_loss, reason = "a fraction for display")]
        let total = sources.len().max(1) as f64;
        let failures = values
            .par_chunks_mut(len)
            .zip(sources)
            .enumerate()
            .map(|(slot, (target, source))| {
                let outcome = match source {
                    None => {
                        target.fill(T::OUTSIDE);
                        None
                    }
                    // A value that did not fit ends the reading: it starts again as fractions.
                    Some(_) if !fits.load(Ordering::Relaxed) => None,
                    Some((image, conversion)) => match T::fill(image, conversion, &inflated, target) {
                        Ok(fitting) => {
                            if !fitting {
                                fits.store(false, Ordering::Relaxed);
                            }
                            None
                        }
                        Err(message) => {
                            target.fill(T::OUTSIDE);
                            Some((slot, message))
                        }
                    },
                };
                #[expect(clippy::cast_precision_loss, reason = "a fraction for display")]
                progress.set_fraction((done.fetch_add(1, Ordering::Relaxed) + 1) as f64 / total)?;
                Ok(outcome)
            })
            .filter_map(Result::transpose)
            .collect::<Result<Vec<_>, Cancelled>>()?;
        Ok(Self { values, failures, fits: fits.into_inner() })
    }
}

fn finish<T: Target>(
    entry: &SeriesEntry,
    reading: Reading<T>,
    wrap: impl Fn(Vec<T>) -> Voxels,
) -> Result<ReadSeries, ReadSeriesError> {
    let mut slices = entry.slices.clone();
    let mut warnings = entry.warnings.clone();
    if reading.failures.len() == entry.images.len() {
        let message = reading.failures.into_iter().next().map(|(_, message)| message).unwrap_or_default();
        let path = entry.images.first().map_or(&entry.path, |image| &image.file.path).clone();
        return Err(ReadSeriesError::NoSlice { message, path });
    }
    if !reading.failures.is_empty() {
        let files: Vec<_> = files_of_slices(entry);
        for (slot, message) in &reading.failures {
            slices[*slot] = Slice { instance: None, missing: true, ..slices[*slot].clone() };
            let path = files[*slot].clone().unwrap_or_else(|| entry.path.clone());
            warnings.push(DataWarning::new(path, format!("{message}; its slice is shown as missing")));
        }
    }
    let (voxels, native) = if entry.spacing == SliceSpacing::Uneven {
        let [columns, rows, planes] = entry.grid.dims();
        let offsets: Vec<f64> = slices.iter().map(|slice| slice.plane.offset_mm()).collect();
        let step_mm = entry.grid.slice_normal().dot(&entry.grid.step_mm(2));
        let even = resample(&reading.values, columns * rows, &offsets, step_mm, planes);
        (wrap(even), Some(Arc::new(wrap(reading.values))))
    } else {
        (wrap(reading.values), None)
    };
    let volume = Volume { grid: entry.grid.clone(), voxels, unit: entry.unit, slices, native };
    Ok(ReadSeries { series: Series { info: entry.info.clone(), volume: Arc::new(volume) }, warnings })
}

fn files_of_slices(entry: &SeriesEntry) -> Vec<Option<PathBuf>> {
    let mut files = entry.files();
    entry
        .slices
        .iter()
        .map(|slice| if slice.missing { None } else { files.next().map(ToOwned::to_owned) })
        .collect()
}
