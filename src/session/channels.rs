//! The input channels of models of nnU-Net: which images go in, each on the open study's grid.
//!
//! A NIfTI study goes in as its file stores it, a DICOM series in order of its orientation and
//! position ([`ChannelImage`]). A further channel is another file or series; it must be in the same
//! frame of reference, and is resampled where its voxels are others.

use super::descriptions::against;
use super::study::{OpenStudyError, Study};
use crate::ai::nnunet::ChannelImage;
use crate::ai::nnunet::package::channel_modality;
use crate::dicom::Library;
use crate::formats::nifti::{self, NiftiError};
use crate::geometry::Grid;
use crate::patient::{Modality, Series, SeriesInfo, Volume};
use crate::progress::Progress;
use std::path::{Path, PathBuf};

/// Why channels could not be gathered.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// An image could not be opened.
    #[error(transparent)]
    Open(#[from] OpenStudyError),
    /// A file could not be read.
    #[error(transparent)]
    Nifti(#[from] NiftiError),
    /// A channel has no image.
    #[error(
        "channel {number} ({name}) has no image; give it with --channel {number}=PATH (or the UID of a series beside the open one)"
    )]
    Missing {
        /// Its number.
        number: usize,
        /// Its name.
        name: String,
    },
    /// The study would be a channel that its description contradicts.
    #[error(
        "channel {number} ({name}) would be the open series \"{description}\", which {why}; give that channel another with --channel {number}=PATH (or the UID of a series beside the open one), or this one the same way if it is meant"
    )]
    Contradicted {
        /// Its number.
        number: usize,
        /// Its name.
        name: String,
        /// The Series Description.
        description: String,
        /// What speaks against it ("is after contrast").
        why: String,
    },
    /// There is no such channel.
    #[error("the model has no channel {number}; it has {available}")]
    Unknown {
        /// The number.
        number: usize,
        /// Numbers and names of the channels there are.
        available: String,
    },
    /// The images do not lie where the others do.
    #[error(
        "channel {number} lies nowhere where the images are; choose images of the same patient that lie with them, or register them first: {}",
        path.display()
    )]
    Elsewhere {
        /// The channel.
        number: usize,
        /// Its images.
        path: PathBuf,
    },
    /// The images do not belong together.
    #[error("channel {number} is in another frame of reference than the images; register it first: {}", path.display())]
    OtherFrame {
        /// The channel.
        number: usize,
        /// Its images.
        path: PathBuf,
    },
}

/// The open study, whose grid the channels lie on.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// The open series.
    pub series: &'a Series,
    /// The file or folder it was read from, where known.
    pub path: Option<&'a Path>,
    /// Everything that was found beside it.
    pub library: &'a Library,
}

impl<'a> Base<'a> {
    /// That of a study just opened.
    #[must_use]
    pub fn of(study: &'a Study) -> Self {
        Self { series: &study.series, path: Some(&study.path), library: &study.library }
    }
}

/// Where a channel's images are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// They are the open series.
    Own,
    /// A file or folder, or the UID of a series of the library.
    Path(PathBuf),
    /// A series of the library, by its place.
    Entry(usize),
}

/// The channels of a model.
#[derive(Debug, Clone)]
pub struct Channels {
    /// In order.
    pub images: Vec<ChannelImage>,
    /// What the person should know.
    pub warnings: Vec<String>,
    /// Which channels have images whose descriptions contradict their names, though a person has chosen them or
    /// no other channel is there, each a sentence.
    pub contradicted: Vec<String>,
}

/// An open volume, which was read from `path`, as a channel.
///
/// # Errors
/// [`NiftiError`] when its file cannot be read again.
pub fn of_volume(
    volume: &Volume,
    path: Option<&Path>,
    progress: &Progress,
) -> Result<ChannelImage, NiftiError> {
    let stored = path.map(|path| of_file(path, progress)).transpose()?.flatten();
    Ok(stored.map_or_else(|| ChannelImage::of_volume(volume), |(image, _)| image))
}

/// A NIfTI file's own array and grid; `None` for anything else.
fn of_file(path: &Path, progress: &Progress) -> Result<Option<(ChannelImage, Grid)>, NiftiError> {
    if !(path.is_file() && nifti::is_nifti_name(path)) {
        return Ok(None);
    }
    let stored = nifti::read_stored(path, progress)?;
    let image = ChannelImage::stored(stored.size, stored.spacing_mm, stored.reversed, stored.values);
    let image = if stored.oriented { image } else { image.without_orientation() };
    Ok(Some((image, stored.grid)))
}

/// The channels of these names: those `given` by number, the study itself for number 0 otherwise. Where
/// number 0 is given and one alone is not, whose name tells of the study's modality, that is the study. Where
/// several channels are to be told apart, what nobody gave must not contradict the channel's name.
///
/// # Errors
/// [`ChannelError`] when a channel has no image, cannot be read, does not belong to the study, or would be
/// another kind of image than its name says.
pub fn gather(
    base: Base<'_>,
    names: &[String],
    given: &[(usize, Given)],
    progress: &Progress,
) -> Result<Channels, ChannelError> {
    if let Some((number, _)) = given.iter().find(|(number, _)| *number >= names.len()) {
        let all: Vec<String> = names.iter().enumerate().map(|(n, name)| format!("{n} ({name})")).collect();
        return Err(ChannelError::Unknown { number: *number, available: all.join(", ") });
    }
    let left = |number: &usize| !given.iter().any(|(other, _)| other == number);
    let left: Vec<usize> = (0..names.len()).filter(left).collect();
    let is_base = |number: usize| match left.as_slice() {
        // What is said to be another channel is not the first one.
        [0, ..] => number == 0 && !given.iter().any(|(_, given)| *given == Given::Own),
        [only] => number == *only && is_like(&names[number], &base.series.info.modality),
        _ => false,
    };
    let share = |number: usize| number as f64 / (names.len() + 1) as f64;
    let own = of_volume(&base.series.volume, base.path, &progress.part(0.0, share(1)))?;
    let mut channels = Channels { images: Vec::new(), warnings: Vec::new(), contradicted: Vec::new() };
    for (number, name) in names.iter().enumerate() {
        let progress = &progress.part(share(number + 1), share(number + 2));
        // The last one given counts.
        let image = match given.iter().rev().find(|(other, _)| *other == number) {
            Some((_, Given::Own)) => {
                channels.contradicted.extend(contradicted(number, name, &base.series.info));
                own.clone()
            }
            Some((_, given)) => other(base, &own, (number, name), given, &mut channels, progress)?,
            None if is_base(number) => {
                let info = &base.series.info;
                if let (Some(why), [_, _, ..]) = (contradiction(name, info), names) {
                    let (name, description) = (name.clone(), info.description.trim().to_owned());
                    return Err(ChannelError::Contradicted { number, name, description, why });
                }
                channels.contradicted.extend(contradicted(number, name, info));
                own.clone()
            }
            None => return Err(ChannelError::Missing { number, name: name.clone() }),
        };
        channels.images.push(image);
    }
    Ok(channels)
}

/// Whether a channel's name tells of this modality.
fn is_like(name: &str, modality: &Modality) -> bool {
    !matches!(modality, Modality::Other(_)) && channel_modality(name) == modality.code()
}

/// What speaks against a DICOM series as the channel of a name; other files have no description.
fn contradiction(name: &str, info: &SeriesInfo) -> Option<String> {
    let is_dicom = !matches!(info.modality, Modality::Other(_));
    is_dicom.then(|| against(name, &info.description)).flatten()
}

/// The same as a sentence.
fn contradicted(number: usize, name: &str, info: &SeriesInfo) -> Option<String> {
    let why = contradiction(name, info)?;
    Some(format!(
        "channel {number} ({name}) is given the series \"{}\", which {why}",
        info.description.trim()
    ))
}

fn other(
    base: Base<'_>,
    own: &ChannelImage,
    (number, name): (usize, &str),
    given: &Given,
    channels: &mut Channels,
    progress: &Progress,
) -> Result<ChannelImage, ChannelError> {
    let grid = &base.series.volume.grid;
    let (path, beside) = match given {
        Given::Own => return Ok(own.clone()),
        Given::Entry(index) => {
            let entry = base.library.series.get(*index);
            (entry.map(|entry| entry.path.clone()).unwrap_or_default(), entry.map(|_| *index))
        }
        Given::Path(path) => {
            if Some(path.as_path()) == base.path {
                channels.contradicted.extend(contradicted(number, name, &base.series.info));
                return Ok(own.clone());
            }
            if let Some((image, other)) = of_file(path, progress)?
                && same(grid, &other)
                && image.axes == own.axes
                && image.size == own.size
            {
                return Ok(image);
            }
            let uid = path.to_string_lossy();
            let beside = base.library.series.iter().position(|entry| *entry.info.uid == *uid);
            (path.clone(), beside.filter(|_| !path.exists()))
        }
    };
    let opened = match beside {
        Some(index) => Study::open_entry(base.library.clone(), index, None, progress)?,
        None => Study::open(std::slice::from_ref(&path), None, progress)?,
    };
    let frames = [&base.series.info, &opened.series.info].map(|info| info.frame_of_reference_uid.clone());
    if let [Some(ours), Some(theirs)] = &frames
        && ours != theirs
    {
        return Err(ChannelError::OtherFrame { number, path });
    }
    channels.contradicted.extend(contradicted(number, name, &opened.series.info));
    let volume = &opened.series.volume;
    if same(grid, &volume.grid) {
        let image = ChannelImage::of_volume(volume);
        if image.axes == own.axes {
            return Ok(image);
        }
    } else {
        let covered = covered(grid, &volume.grid);
        if covered == 0.0 {
            return Err(ChannelError::Elsewhere { number, path });
        }
        // Rounded down: all of it is said only where it is all.
        let part = if covered < 1.0 {
            format!(
                "; it covers {:.0} % of them, what is around counts as air or 0",
                (covered * 100.0).floor()
            )
        } else {
            String::new()
        };
        channels.warnings.push(format!(
            "channel {number} lies on other voxels than the images and was resampled onto theirs{part}: {}",
            path.display()
        ));
    }
    Ok(own.sampled(grid, volume))
}

/// The share of a grid that lies within another's voxels, of as many places as are looked at.
fn covered(grid: &Grid, other: &Grid) -> f64 {
    /// Places along each axis, from end to end.
    const PLACES: usize = 25;
    let last = grid.dims().map(|side| side.saturating_sub(1) as f64);
    let place = |n: usize, axis: usize| last[axis] * n as f64 / (PLACES - 1) as f64;
    let is_within = |n: usize| {
        let at = [place(n % PLACES, 0), place(n / PLACES % PLACES, 1), place(n / (PLACES * PLACES), 2)];
        let there = other.voxel_of(grid.patient_of(at));
        (0..3).all(|axis| (-0.5..=other.dims()[axis] as f64 - 0.5).contains(&there[axis]))
    };
    let all = PLACES * PLACES * PLACES;
    (0..all).filter(|n| is_within(*n)).count() as f64 / all as f64
}

/// Whether two grids have the same voxels, to a hundredth of a millimetre.
fn same(one: &Grid, other: &Grid) -> bool {
    one.dims() == other.dims()
        && (0..8_usize).all(|corner| {
            let at = [0, 1, 2].map(|axis| {
                if corner >> axis & 1 == 1 { one.dims()[axis].saturating_sub(1) as f64 } else { 0.0 }
            });
            (one.patient_of(at) - other.patient_of(at)).norm() < 0.01
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::fixture::axial_series;

    /// How many channels a study of this modality makes, or the number of the one that has no image.
    fn gathered(modality: Modality, names: [&str; 2], given: &[(usize, Given)]) -> Result<usize, usize> {
        let mut series = axial_series();
        series.info.modality = modality;
        let library = Library::default();
        let base = Base { series: &series, path: None, library: &library };
        match gather(base, &names.map(str::to_owned), given, &Progress::new()) {
            Ok(channels) => Ok(channels.images.len()),
            Err(ChannelError::Missing { number, .. }) => Err(number),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_channel_that_lies_elsewhere_covers_nothing_and_one_beside_a_part() {
        let series = axial_series();
        let grid = &series.volume.grid;
        let moved = |mm: f64| {
            let steps = [0, 1, 2].map(|axis| grid.step_mm(axis));
            let along = steps[0] / steps[0].norm() * mm;
            Grid::new(grid.dims(), grid.origin_mm() + along, steps).unwrap()
        };
        let width_mm = grid.dims()[0] as f64 * grid.step_mm(0).norm();
        assert!((covered(grid, grid) - 1.0).abs() < 1e-9);
        assert!(covered(grid, &moved(2.0 * width_mm)).abs() < 1e-9);
        let half = covered(grid, &moved(0.5 * width_mm));
        assert!((0.4..0.6).contains(&half), "{half}");
        // However large the other: what it leaves uncovered counts.
        assert!((covered(&moved(0.5 * width_mm), grid) - half).abs() < 0.05);
    }

    #[test]
    fn what_nobody_gave_is_not_another_kind_of_image_than_the_name_says() {
        let mut series = axial_series();
        series.info.modality = Modality::Mr;
        series.info.description = "T1 post gd".to_owned();
        let library = Library::default();
        let of = |series: &Series, names: &[&str], given: &[(usize, Given)]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            gather(Base { series, path: None, library: &library }, &names, given, &Progress::new())
        };
        let refused = of(&series, &["T1", "T2"], &[(1, Given::Own)]).unwrap_err();
        assert!(matches!(refused, ChannelError::Missing { number: 0, .. }), "{refused}");
        let refused = of(&series, &["T1", "T2"], &[]).unwrap_err().to_string();
        assert!(refused.contains("channel 0 (T1) would be the open series \"T1 post gd\""), "{refused}");
        assert!(refused.contains("which is after contrast") && refused.contains("--channel 0="), "{refused}");
        // What a person says holds, and is told; so does the only channel, which is what was opened.
        let told = of(&series, &["T1", "T1ce"], &[(0, Given::Own), (1, Given::Own)]).unwrap().contradicted;
        assert_eq!(told, ["channel 0 (T1) is given the series \"T1 post gd\", which is after contrast"]);
        assert_eq!(of(&series, &["T1"], &[]).unwrap().contradicted, told);
        assert!(of(&series, &["MRI"], &[]).unwrap().contradicted.is_empty());
        // The name of a file is no description.
        series.info.modality = Modality::Other("OT".into());
        assert!(of(&series, &["T1"], &[]).unwrap().contradicted.is_empty());
    }

    #[test]
    fn the_study_is_the_first_channel_or_the_one_that_is_left_and_like_it() {
        let folder = tempfile::tempdir().unwrap();
        let nothing = Given::Path(folder.path().join("nothing"));
        let pet_ct = ["PET", "CT"];
        assert_eq!(gathered(Modality::Ct, ["CT", "PET"], &[(1, Given::Own), (0, Given::Own)]), Ok(2));
        assert_eq!(gathered(Modality::Ct, ["CT", "PET"], &[]), Err(1));
        // The first is given: the study is the other, if it can be.
        assert_eq!(gathered(Modality::Ct, pet_ct, &[(0, Given::Own)]), Ok(2));
        assert_eq!(gathered(Modality::Mr, pet_ct, &[(0, Given::Own)]), Err(1));
        assert_eq!(gathered(Modality::Other("OT".into()), pet_ct, &[(0, Given::Own)]), Err(1));
        // The study is said to be the second: it is not the first as well.
        assert_eq!(gathered(Modality::Ct, pet_ct, &[(1, Given::Own)]), Err(0));
        // An image that is not there is said, not replaced.
        let series = axial_series();
        let library = Library::default();
        let base = Base { series: &series, path: None, library: &library };
        let names = pet_ct.map(str::to_owned);
        assert!(matches!(
            gather(base, &names, &[(0, nothing)], &Progress::new()),
            Err(ChannelError::Open(_))
        ));
    }
}
