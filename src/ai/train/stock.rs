//! Patients to draw patches from: in memory as far as there is room, beyond that in files of the run's folder.
//!
//! What a patch needs of a patient in a file is read when it is drawn: the planes and rows that it reaches.
//! Numbers come back as they were, so a patch is the same to the bit wherever the patient lies. The files are
//! removed when the stock is dropped, and those of a run that was killed when the next one begins.

use super::TrainError;
use super::patient::{Image, Prepared};
use crate::new_file::WriteFileError;
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The folder of the files in the run's folder.
const FOLDER: &str = "prepared-patients.tmp";

/// Whether a file in that folder is one of a stock's.
fn is_ours(name: &str) -> bool {
    name.strip_prefix("patient-").and_then(|rest| rest.strip_suffix(".bin")).is_some()
}

/// The patients.
pub(super) struct Stock {
    patients: Vec<Patient>,
    /// Bytes that may be held in memory.
    room: u64,
    /// Bytes held in memory.
    pub held: u64,
    /// Bytes in files.
    pub on_disk: u64,
    /// Dropped after the patients, whose files are closed then.
    folder: Folder,
}

/// One patient to draw from.
pub(super) struct Patient {
    /// Size, (z, y, x), voxels.
    pub size: [usize; 3],
    /// Spacing, (z, y, x), mm.
    pub spacing_mm: [f64; 3],
    /// For the background and each label whether it is known.
    pub known: Vec<bool>,
    /// How many places of each label there are to draw from.
    pub counts: Vec<usize>,
    content: Content,
}

enum Content {
    Memory { image: Image, labels: Vec<u16>, places: Vec<Vec<u32>> },
    File(Stored),
}

/// A patient's file: the image, one channel after the other, its labels, and the places of each label, all
/// little-endian.
struct Stored {
    file: Mutex<File>,
    path: PathBuf,
    /// Whether the image is HU in 16 bits; else normalised values in 32.
    is_hu: bool,
    /// Where the labels begin, and the places of each label.
    labels: u64,
    places: Vec<u64>,
}

/// Which voxels of a patient are at hand: some planes, of them some rows, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    /// The first plane and row.
    low: [usize; 2],
    /// Planes and rows.
    size: [usize; 2],
    /// Voxels of a row.
    columns: usize,
}

/// The part of a patient that a patch is drawn from.
pub(super) struct Part<'a> {
    pub image: PartImage<'a>,
    pub labels: Cow<'a, [u16]>,
    pub reach: Reach,
}

/// The values of a part, one channel after the other.
pub(super) enum PartImage<'a> {
    Hu(Cow<'a, [i16]>),
    Normalised(Cow<'a, [f32]>),
}

impl Reach {
    /// Voxels at hand, of a channel.
    pub(super) fn len(&self) -> usize {
        self.size[0] * self.size[1] * self.columns
    }

    /// Where a voxel (z, y, x) of the patient stands among those at hand.
    pub(super) fn place(&self, [z, y, x]: [usize; 3]) -> usize {
        ((z - self.low[0]) * self.size[1] + y - self.low[1]) * self.columns + x
    }
}

impl Stock {
    /// A stock that holds up to `room` bytes in memory; others go below the run's folder `out`.
    pub(super) fn new(out: &Path, room: u64) -> Self {
        let folder = Folder { path: out.join(FOLDER) };
        Self { patients: Vec::new(), room, held: 0, on_disk: 0, folder }
    }

    /// Removes from the run's folder the files that a killed run has left.
    pub(super) fn clear(out: &Path) {
        drop(Folder { path: out.join(FOLDER) });
    }

    pub(super) fn patients(&self) -> &[Patient] {
        &self.patients
    }

    /// Takes a patient in, with the places of each label to draw from.
    ///
    /// # Errors
    /// [`TrainError::Write`] when its file cannot be written.
    pub(super) fn add(&mut self, prepared: Prepared, places: Vec<Vec<u32>>) -> Result<(), TrainError> {
        let listed = places.iter().map(Vec::len).sum::<usize>() * size_of::<u32>();
        let bytes = (prepared.bytes() + listed) as u64;
        let counts = places.iter().map(Vec::len).collect();
        let Prepared { size, spacing_mm, image, labels, known } = prepared;
        let content = if self.held + bytes <= self.room {
            self.held += bytes;
            Content::Memory { image, labels, places }
        } else {
            self.on_disk += bytes;
            let path = self.folder.path.join(format!("patient-{}.bin", self.patients.len()));
            let stored = std::fs::create_dir_all(&self.folder.path)
                .and_then(|()| Stored::write(path.clone(), &image, &labels, &places));
            Content::File(stored.map_err(|error| WriteFileError::from_io(&error, &path))?)
        };
        self.patients.push(Patient { size, spacing_mm, known, counts, content });
        Ok(())
    }
}

impl Patient {
    /// One of the places of a label.
    ///
    /// # Errors
    /// [`TrainError::Patients`] when its file cannot be read.
    pub(super) fn place(&self, label: usize, number: usize) -> Result<u32, TrainError> {
        match &self.content {
            Content::Memory { places, .. } => Ok(places[label][number]),
            Content::File(stored) => {
                let at = stored.places[label] + (number * size_of::<u32>()) as u64;
                let read = stored.read(&[at], size_of::<u32>(), |bytes| numbers(bytes, u32::from_le_bytes));
                Ok(read?.first().copied().unwrap_or(0))
            }
        }
    }

    /// Whether it lies in memory as a whole.
    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self.content, Content::Memory { .. })
    }

    /// All of it, or of a patient in a file at least these planes and rows (those beyond it left out).
    ///
    /// # Errors
    /// [`TrainError::Patients`] when its file cannot be read.
    pub(super) fn part(&self, planes: Range<usize>, rows: Range<usize>) -> Result<Part<'_>, TrainError> {
        let [nz, ny, nx] = self.size;
        match &self.content {
            Content::Memory { image, labels, .. } => Ok(Part {
                image: match image {
                    Image::Hu(hu) => PartImage::Hu(Cow::Borrowed(hu)),
                    Image::Normalised(values) => PartImage::Normalised(Cow::Borrowed(values)),
                },
                labels: Cow::Borrowed(labels),
                reach: Reach { low: [0; 2], size: [nz, ny], columns: nx },
            }),
            Content::File(stored) => {
                let within = |range: Range<usize>, count: usize| {
                    let low = range.start.min(count);
                    (low, range.end.clamp(low, count) - low)
                };
                let ((z, planes), (y, rows)) = (within(planes, nz), within(rows, ny));
                let reach = Reach { low: [z, y], size: [planes, rows], columns: nx };
                stored.part(reach, self.size)
            }
        }
    }
}

#[cfg(test)]
impl Patient {
    /// One in memory, without places to draw from.
    pub(super) fn of(prepared: Prepared) -> Self {
        let Prepared { size, spacing_mm, image, labels, known } = prepared;
        let content = Content::Memory { image, labels, places: Vec::new() };
        Self { size, spacing_mm, known, counts: Vec::new(), content }
    }
}

/// The numbers of little-endian bytes.
fn numbers<T, const N: usize>(bytes: &[u8], of: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|own| of(*own)).collect()
}

impl Stored {
    fn write(path: PathBuf, image: &Image, labels: &[u16], places: &[Vec<u32>]) -> std::io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        let mut writer = BufWriter::with_capacity(1 << 20, &file);
        match image {
            Image::Hu(hu) => hu.iter().try_for_each(|own| writer.write_all(&own.to_le_bytes()))?,
            Image::Normalised(values) => {
                values.iter().try_for_each(|own| writer.write_all(&own.to_le_bytes()))?;
            }
        }
        let is_hu = matches!(image, Image::Hu(_));
        let of_image = match image {
            Image::Hu(hu) => size_of_val(hu.as_slice()),
            Image::Normalised(values) => size_of_val(values.as_slice()),
        };
        labels.iter().try_for_each(|own| writer.write_all(&own.to_le_bytes()))?;
        let mut at = (of_image + size_of_val(labels)) as u64;
        let mut begins = Vec::with_capacity(places.len());
        for own in places {
            begins.push(at);
            own.iter().try_for_each(|place| writer.write_all(&place.to_le_bytes()))?;
            at += size_of_val(own.as_slice()) as u64;
        }
        writer.flush()?;
        drop(writer);
        Ok(Self { file: Mutex::new(file), path, is_hu, labels: of_image as u64, places: begins })
    }

    /// `length` bytes from each of these places on, as numbers.
    fn read<T>(
        &self,
        places: &[u64],
        length: usize,
        of: impl Fn(&[u8]) -> Vec<T>,
    ) -> Result<Vec<T>, TrainError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = vec![0; length];
        let mut all = Vec::new();
        for place in places {
            file.seek(SeekFrom::Start(*place)).and_then(|_| file.read_exact(&mut bytes)).map_err(|error| {
                TrainError::Patients(format!(
                    "a patient that was put aside for want of memory cannot be read back ({error}); start again, it \
                     goes on from the last checkpoint: {}",
                    self.path.display()
                ))
            })?;
            all.extend(of(&bytes));
        }
        Ok(all)
    }

    fn part(&self, reach: Reach, size: [usize; 3]) -> Result<Part<'static>, TrainError> {
        let voxels: usize = size.iter().product();
        // The rows of each plane lie together.
        let stretch = reach.size[1] * reach.columns;
        let begins = |channel: usize, bytes: usize, from: u64| -> Vec<u64> {
            let first = |plane: usize| (reach.low[0] + plane) * size[1] + reach.low[1];
            let places = (0..reach.size[0]).map(|plane| channel * voxels + first(plane) * reach.columns);
            places.map(|voxel| from + (voxel * bytes) as u64).collect()
        };
        let each = if self.is_hu { size_of::<i16>() } else { size_of::<f32>() };
        let channels = usize::try_from(self.labels).unwrap_or(usize::MAX) / (voxels * each).max(1);
        let of_image: Vec<u64> = (0..channels).flat_map(|channel| begins(channel, each, 0)).collect();
        let image = if self.is_hu {
            let read = self.read(&of_image, stretch * each, |own| numbers(own, i16::from_le_bytes))?;
            PartImage::Hu(Cow::Owned(read))
        } else {
            let read = self.read(&of_image, stretch * each, |own| numbers(own, f32::from_le_bytes))?;
            PartImage::Normalised(Cow::Owned(read))
        };
        let of_labels = begins(0, size_of::<u16>(), self.labels);
        let labels =
            self.read(&of_labels, stretch * size_of::<u16>(), |own| numbers(own, u16::from_le_bytes))?;
        Ok(Part { image, labels: Cow::Owned(labels), reach })
    }
}

/// The folder of the files.
struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Removes the files of a stock, and the folder where it holds nothing else.
    fn clear(&self) {
        let Ok(listed) = std::fs::read_dir(&self.path) else { return };
        for path in listed.flatten().map(|entry| entry.path()) {
            if path.file_name().and_then(|name| name.to_str()).is_some_and(is_ours) {
                // What cannot be removed is no reason to fail: it is overwritten, or left lying.
                let _ = std::fs::remove_file(path);
            }
        }
        let _ = std::fs::remove_dir(&self.path);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::sampler::tests::{tiny_patient, tiny_recipe};
    use super::super::sampler::{Sampler, places};
    use super::super::tuned::tests::fixture_package;
    use super::*;
    use crate::ai::train::Recipe;

    /// Draws from the same patients, held in memory or in files below `out`.
    fn sampler(patients: Vec<Prepared>, recipe: &Recipe, out: &Path, room: u64) -> Sampler {
        let mut stock = Stock::new(out, room);
        for patient in patients {
            let places = places(&patient, recipe);
            stock.add(patient, places).unwrap();
        }
        Sampler::new(stock, recipe).unwrap()
    }

    /// Two channels of 6 x 40 x 36 voxels, all different, with three blocks.
    fn two_channels(shift: usize) -> Prepared {
        let size = [6, 40, 36];
        let voxels: usize = size.iter().product();
        let values = (0..2 * voxels).map(|at| at as f32 * 0.01 - shift as f32).collect();
        let label = |at: usize| match (at / 36 % 40, at % 36) {
            (4..=12, 3..=9) => 1,
            (20..=34, 8..=15) => 2,
            (10..=30, 22..=30) => 3,
            _ => 0,
        };
        let (labels, known) = ((0..voxels).map(label).collect(), vec![true; 4]);
        Prepared { size, spacing_mm: [4.0, 1.0, 1.0], image: Image::Normalised(values), labels, known }
    }

    #[test]
    fn patches_of_patients_in_files_are_those_of_patients_in_memory_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let mut bent = tiny_recipe();
        bent.augment.bend = Some(crate::ai::train::Bend { probability: 0.5, mm: 8.0 });
        let of_two = Recipe::of_package(&fixture_package("res2d")).unwrap();
        let tiny = || vec![tiny_patient([true; 3]), tiny_patient([true, true, false])];
        let cases =
            [(bent, tiny()), (tiny_recipe(), tiny()), (of_two, vec![two_channels(0), two_channels(3)])];
        for (recipe, patients) in cases {
            let bytes = patients[0].bytes() as u64;
            let memory = sampler(patients.clone(), &recipe, folder.path(), u64::MAX);
            assert_eq!(memory.on_disk(), 0);
            let files = folder.path().join(FOLDER);
            assert!(!files.exists());
            // All in files, and all but the first one.
            for room in [0, bytes * 3 / 2] {
                let spilled = sampler(patients.clone(), &recipe, folder.path(), room);
                assert!(spilled.on_disk() >= bytes && spilled.bytes() <= room);
                assert_eq!(std::fs::read_dir(&files).unwrap().count(), if room == 0 { 2 } else { 1 });
                for step in 0..40 {
                    assert!(memory.batch(step).unwrap() == spilled.batch(step).unwrap(), "step {step}");
                }
                drop(spilled);
                assert!(!files.exists(), "the files go with the run");
            }
        }
    }

    #[test]
    fn only_what_a_stock_wrote_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join(FOLDER);
        std::fs::create_dir(&files).unwrap();
        for name in ["patient-3.bin", "mine.txt"] {
            std::fs::write(files.join(name), "x").unwrap();
        }
        Stock::clear(folder.path());
        assert!(!files.join("patient-3.bin").exists() && files.join("mine.txt").exists());
    }

    #[test]
    fn a_file_that_was_cut_short_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = tiny_recipe();
        let spilled = sampler(vec![tiny_patient([true; 3])], &recipe, folder.path(), 0);
        let path = folder.path().join(FOLDER).join("patient-0.bin");
        File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
        let error = (0..4).find_map(|step| spilled.batch(step).err()).unwrap().to_string();
        assert!(error.contains("cannot be read back") && error.ends_with("patient-0.bin"), "{error}");
    }
}
