//! Which series of a patient's folder of DICOM are the model's images.

use super::TrainingFolder;
use super::descriptions::{By, Line, fitting, says_more};
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

/// Which series each channel is.
#[derive(Default)]
pub(super) struct ChannelSeries {
    pub given: Vec<(usize, Given)>,
    /// What a person should know of it.
    pub remark: Option<String>,
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
    /// The series that contours and channels lie on: of those that can be a channel of the model the one whose
    /// structure sets hold most of the recipe's labels, then that of an earlier channel, then the one with
    /// the most slices.
    pub(super) fn series_of(&self, library: &Library, folder: &Path) -> Result<usize, String> {
        let wanted = self.recipe.modalities();
        let lines = Line::all(library);
        let can_be: Vec<Vec<usize>> = match self.recipe.channels() {
            [] => vec![fitting("CT", &[], &lines).1],
            names => {
                let own = names.iter().enumerate();
                own.map(|(number, name)| fitting(name, self.recipe.series(number), &lines).1).collect()
            }
        };
        let channel = |at: usize| can_be.iter().position(|own| own.contains(&at));
        let fitting: Vec<(usize, usize, &SeriesEntry)> = library
            .series
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| Some((at, channel(at)?, entry)))
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
            let of_modality = |line: &&Line| wanted.iter().any(|own| own.is_empty() || *own == line.modality);
            let there: Vec<String> = lines.iter().filter(of_modality).map(Line::told).collect();
            if !there.is_empty() {
                // Of the modality there are some, so it is what was told that finds none.
                return format!(
                    "no series is described by what was told of the channels; there are {}; {SAY}: {}",
                    there.join(", "),
                    folder.display()
                );
            }
            let there: BTreeSet<&str> = lines.iter().map(|line| line.modality.as_str()).collect();
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

    /// Which series of a folder of DICOM each channel is, and what a person should know of it: the one, in the
    /// open one's frame of reference, that a person has told, its name, or its modality alone tells. Of several
    /// the open one, where it was told or can be no other channel, else the one that no other channel takes.
    pub(super) fn series_of_channels(&self, study: &Study, folder: &Path) -> Result<ChannelSeries, String> {
        let names = self.recipe.channels();
        let (Some(open), [_, _, ..]) = (study.chosen, names) else { return Ok(ChannelSeries::default()) };
        let lines = Line::all(&study.library);
        let mut beside: Vec<usize> = study.companions().map(|(at, _)| at).collect();
        beside.push(open);
        let all_wanted = self.recipe.modalities();
        let mut left = Vec::new();
        for (number, name) in names.iter().enumerate() {
            let (by, mut own) = fitting(name, self.recipe.series(number), &lines);
            own.retain(|at| beside.contains(at));
            let wanted = all_wanted.get(number).copied().unwrap_or_default();
            let is_alone = all_wanted.iter().filter(|other| **other == wanted).count() == 1;
            // Beside another channel of its modality, what a name says has to be found.
            let is_open = by == By::Modality && (wanted.is_empty() || (!is_alone && says_more(name)));
            if is_open {
                own.clear();
            } else if own.len() > 1 && own.contains(&open) && (by == By::Told || is_alone) {
                own = vec![open];
            }
            left.push((by, own));
        }
        each_its_own(&mut left);
        let mut given = Vec::new();
        let mut told = Vec::new();
        for (number, (name, (by, own))) in names.iter().zip(&left).enumerate() {
            let &[at] = own.as_slice() else {
                return Err(self.unclear((number, name), own, &lines, &beside, folder));
            };
            let mut others = left.iter().enumerate().skip(number + 1);
            if let Some((other, _)) = others.find(|(_, (_, other))| other == own) {
                return Err(format!(
                    "the series {} would be the channels {number} ({name}) and {other} ({}); {SAY}: {}",
                    lines[at].told(),
                    names[other],
                    folder.display()
                ));
            }
            given.push((number, if at == open { Given::Own } else { Given::Entry(at) }));
            if *by == By::Name {
                told.push(format!("{number} ({name}) is {}", lines[at].told()));
            }
        }
        let remark = format!("by their descriptions the channel {}: {}", told.join(", "), folder.display());
        Ok(ChannelSeries { given, remark: (!told.is_empty()).then_some(remark) })
    }

    /// Why it is not known which series a channel is: these can be, or of those that are there none.
    fn unclear(
        &self,
        (number, name): (usize, &String),
        own: &[usize],
        lines: &[Line],
        beside: &[usize],
        folder: &Path,
    ) -> String {
        let wanted = channel_modality(name);
        let of_modality = |at: &usize| wanted.is_empty() || lines[*at].modality == wanted;
        let here: Vec<usize> = (0..lines.len()).filter(of_modality).collect();
        let told = |at: &usize| {
            let apart = if beside.contains(at) { "" } else { " in another frame of reference" };
            format!("{}{apart}", lines[*at].told())
        };
        let among = if own.len() > 1 { own } else { &here };
        let among: Vec<String> = among.iter().map(told).collect();
        let among = if among.is_empty() { "there is none".to_owned() } else { among.join(", ") };
        let texts = self.recipe.series(number).join("\", \"");
        let texts = if texts.is_empty() { texts } else { format!(", told as \"{texts}\"") };
        format!(
            "it is not clear which series the channel {number} ({name}{texts}) is, of these: {among}; {SAY}, or put the \
             images there as image_0000.nii.gz, image_0001.nii.gz and so on, with labels.nii.gz: {}",
            folder.display()
        )
    }
}

/// What can be done where a channel's series is not clear.
const SAY: &str = "say what its Series Description has, by --channel N=TEXT, in the form, or under nnunet.series in the recipe";

/// Takes from the channels that can be several series those that another channel alone can be.
fn each_its_own(left: &mut [(By, Vec<usize>)]) {
    loop {
        let taken: Vec<usize> =
            left.iter().filter(|(_, own)| own.len() == 1).map(|(_, own)| own[0]).collect();
        let before: usize = left.iter().map(|(_, own)| own.len()).sum();
        for (_, own) in left.iter_mut().filter(|(_, own)| own.len() > 1) {
            own.retain(|at| !taken.contains(at));
        }
        if left.iter().map(|(_, own)| own.len()).sum::<usize>() == before {
            return;
        }
    }
}
