//! Which series of a patient's folder of DICOM are the model's images.

use super::TrainingFolder;
use crate::ai::nnunet::package::channel_modality;
use crate::dicom::{Library, SeriesEntry, StructureSetEntry, read_rtstruct};
use crate::patient::{Approval, Uid};
use crate::session::channels::Given;
use crate::session::study::Study;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::Path;

/// Which labels a structure set holds.
struct Held<'a> {
    set: &'a StructureSetEntry,
    /// Numbers of those that somebody accepted.
    reviewed: BTreeSet<u16>,
    /// Numbers of all.
    all: BTreeSet<u16>,
}

/// Whether a structure set of a library belongs to a series: it names it; or it has its frame of reference,
/// and the series it names is not there, or it names none.
pub(super) fn belongs(set: &StructureSetEntry, library: &Library, uid: &Uid, frame: Option<&Uid>) -> bool {
    let is_frame = set.frame_of_reference_uid.as_ref() == frame;
    match &set.series_uid {
        Some(own) if own == uid => true,
        Some(own) => {
            is_frame && frame.is_some() && !library.series.iter().any(|entry| entry.info.uid == *own)
        }
        None => is_frame,
    }
}

impl TrainingFolder {
    /// The series that contours and channels lie on: of those whose modality the model takes the one whose
    /// structure sets hold most of the recipe's labels, then that of an earlier channel, then the one with
    /// the most slices.
    pub(super) fn series_of(&self, library: &Library, folder: &Path) -> Result<usize, String> {
        let wanted = self.recipe.modalities();
        let channel = |entry: &SeriesEntry| {
            wanted.iter().position(|code| code.is_empty() || *code == entry.info.modality.code())
        };
        let fitting: Vec<(usize, usize, &SeriesEntry)> = library
            .series
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| Some((at, channel(entry)?, entry)))
            .collect();
        if let [(only, ..)] = fitting.as_slice() {
            return Ok(*only);
        }
        let held: Vec<Held<'_>> = library.structure_sets.iter().map(|set| self.held(set)).collect();
        let rank = |(at, channel, entry): &(usize, usize, &SeriesEntry)| {
            let (uid, frame) = (&entry.info.uid, entry.info.frame_of_reference_uid.as_ref());
            let own = || held.iter().filter(|held| belongs(held.set, library, uid, frame));
            let named = own().filter(|held| held.set.series_uid.as_ref() == Some(uid));
            let reviewed: BTreeSet<u16> = own().flat_map(|held| &held.reviewed).copied().collect();
            let named: BTreeSet<u16> = named.flat_map(|held| &held.reviewed).copied().collect();
            let all: BTreeSet<u16> = own().flat_map(|held| &held.all).copied().collect();
            (reviewed.len(), named.len(), all.len(), Reverse(*channel), entry.slice_count(), Reverse(*at))
        };
        fitting.iter().max_by_key(|one| rank(one)).map(|(at, ..)| *at).ok_or_else(|| {
            let there: BTreeSet<&str> = library.series.iter().map(|entry| entry.info.modality.code()).collect();
            let there: Vec<&str> = there.into_iter().collect();
            let there = if there.is_empty() { "no image series".to_owned() } else { there.join(", ") };
            format!(
                "the model takes {}, here there is {there}; put such images there, or leave the folder out: {}",
                wanted.join(" and "),
                folder.display()
            )
        })
    }

    fn held<'a>(&self, set: &'a StructureSetEntry) -> Held<'a> {
        let all: BTreeSet<u16> = set.rois.iter().filter_map(|roi| self.recipe.label_of(&roi.name)).collect();
        let mut reviewed = BTreeSet::new();
        // What cannot be read is told when it is read for good.
        if !all.is_empty()
            && let Ok(read) = read_rtstruct(&set.path, None)
        {
            let accepted = read
                .set
                .rois
                .iter()
                .filter(|roi| roi.approval != Approval::Proposal && !roi.planes.is_empty());
            reviewed = accepted.filter_map(|roi| self.recipe.label_of(&roi.name)).collect();
        }
        Held { set, reviewed, all }
    }

    /// Which series of a folder of DICOM each channel is: the one, in the open one's frame of reference,
    /// whose modality the channel's name tells; of several the open one, where it can be no other channel.
    pub(super) fn series_of_channels(
        &self,
        study: &Study,
        folder: &Path,
    ) -> Result<Vec<(usize, Given)>, String> {
        let names = self.recipe.channels();
        if names.len() < 2 {
            return Ok(Vec::new());
        }
        let all_wanted = self.recipe.modalities();
        let own = (Given::Own, study.series.info.modality.code().to_owned());
        let beside = study.companions();
        let beside = beside.map(|(at, entry)| (Given::Entry(at), entry.info.modality.code().to_owned()));
        let all: Vec<(Given, String)> = std::iter::once(own).chain(beside).collect();
        let of_channel = |(number, name): (usize, &String)| {
            let wanted = channel_modality(name);
            let is_alone = all_wanted.iter().filter(|other| **other == wanted).count() == 1;
            let mut fits = all.iter().filter(|(_, modality)| !wanted.is_empty() && modality == wanted);
            match (fits.next(), fits.next()) {
                (Some((given, _)), None) => Ok((number, given.clone())),
                (Some((Given::Own, _)), Some(_)) if is_alone => Ok((number, Given::Own)),
                _ => Err(format!(
                    "it is not clear which series the channel {number} ({name}) is; put the images there as \
                     image_0000.nii.gz, image_0001.nii.gz and so on, with labels.nii.gz: {}",
                    folder.display()
                )),
            }
        };
        names.iter().enumerate().map(of_channel).collect()
    }
}
