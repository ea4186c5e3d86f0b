//! Which series of a patient's folder of DICOM are the model's images.

use super::TrainingFolder;
use super::assignment::{Assigned, assign};
use crate::ai::nnunet::package::channel_modality;
use crate::dicom::{Library, SeriesEntry, StructureSetEntry, read_rtstruct};
use crate::patient::{Approval, Uid};
use crate::session::channels::Given;
use crate::session::descriptions::{By, Fitting, Line, fitting, says_more};
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
    pub remarks: Vec<String>,
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
            [] => vec![fitting("CT", &[], &lines).series],
            names => {
                let own = names.iter().enumerate();
                own.map(|(number, name)| fitting(name, self.recipe.series(number), &lines).series).collect()
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
            if let Some(why) = self.none_fits(&lines) {
                return format!("{why}; {SAY}: {}", folder.display());
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

    /// Why no series can be the open one, though there are some of a channel's modality: what was told finds
    /// none, or all of them contradict the channels' names.
    fn none_fits(&self, lines: &[Line]) -> Option<String> {
        let names = self.recipe.channels().iter().zip(self.recipe.modalities());
        let told_of = |(number, (name, wanted)): (usize, (&String, &str))| {
            let own = lines.iter().filter(|line| wanted.is_empty() || line.modality == wanted);
            let is_told = !self.recipe.series(number).is_empty();
            let there: Vec<String> =
                own.map(|line| if is_told { line.told() } else { line.told_for(name) }).collect();
            let why =
                if is_told { "is described by what was told of the channel" } else { "can be the channel" };
            let told = format!("no series {why} {number} ({name}); there are {}", there.join(", "));
            (!there.is_empty()).then_some(told)
        };
        names.enumerate().find_map(told_of)
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

    /// Which series of a folder of DICOM each channel is, and what a person should know of it: those, in the open
    /// one's frame of reference, that a person has told, their names, or their modalities alone tell, where
    /// there is one way to give each channel another. Of several ways the one in which the open one is the
    /// channel that was told of it or is alone of its modality.
    pub(super) fn series_of_channels(&self, study: &Study, folder: &Path) -> Result<ChannelSeries, String> {
        let names = self.recipe.channels();
        let (Some(open), [_, ..]) = (study.chosen, names) else { return Ok(ChannelSeries::default()) };
        let lines = Line::all(&study.library);
        if let [name] = names {
            let by = fitting(name, self.recipe.series(0), &lines).by;
            let remarks = remarks(&[(0, name, by, open)], &lines, folder);
            return Ok(ChannelSeries { given: Vec::new(), remarks });
        }
        let mut beside: Vec<usize> = study.companions().map(|(at, _)| at).collect();
        beside.push(open);
        let modalities = self.recipe.modalities();
        let is_alone =
            |number: usize| modalities.iter().filter(|own| **own == modalities[number]).count() == 1;
        let mut ways = Vec::new();
        let mut can_be = Vec::new();
        for (number, name) in names.iter().enumerate() {
            let Fitting { by, mut series } = fitting(name, self.recipe.series(number), &lines);
            series.retain(|at| beside.contains(at));
            // Beside another channel of its modality, what a name says has to be found.
            if by == By::Modality && (modalities[number].is_empty() || (!is_alone(number) && says_more(name)))
            {
                series.clear();
            }
            if series.is_empty() {
                return Err(self.unclear((number, name), &series, &lines, &beside, folder));
            }
            ways.push(by);
            can_be.push(series);
        }
        let mut assigned = assign(&can_be);
        if let Assigned::Several(possible) = &assigned {
            let mut is_open = (0..names.len())
                .filter(|n| possible[*n].contains(&open) && (ways[*n] == By::Told || is_alone(*n)));
            if let (Some(number), None) = (is_open.next(), is_open.next()) {
                can_be[number] = vec![open];
                assigned = assign(&can_be);
            }
        }
        let found = match assigned {
            Assigned::One(found) => found,
            Assigned::Several(possible) => {
                let first = possible.iter().position(|own| own.len() > 1).unwrap_or_default();
                return Err(self.unclear((first, &names[first]), &possible[first], &lines, &beside, folder));
            }
            Assigned::Nothing { channels, series } => {
                let series: Vec<String> = series.iter().map(|at| lines[*at].told()).collect();
                let channels: Vec<String> =
                    channels.iter().map(|number| format!("{number} ({})", names[*number])).collect();
                return Err(format!(
                    "the series {} would be the channels {}; {SAY}: {}",
                    series.join(", "),
                    channels.join(" and "),
                    folder.display()
                ));
            }
        };
        let given = |(number, at): (usize, &usize)| {
            (number, if *at == open { Given::Own } else { Given::Entry(*at) })
        };
        let told: Vec<(usize, &String, By, usize)> =
            (0..names.len()).map(|number| (number, &names[number], ways[number], found[number])).collect();
        Ok(ChannelSeries {
            given: found.iter().enumerate().map(given).collect(),
            remarks: remarks(&told, &lines, folder),
        })
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
            format!("{}{apart}", lines[*at].told_for(name))
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

/// What a person should know of how channels were found: by which descriptions, or without any that says so.
/// What a person has told is not told back.
fn remarks(channels: &[(usize, &String, By, usize)], lines: &[Line], folder: &Path) -> Vec<String> {
    let told_by = |wanted: By| -> Vec<String> {
        let own = channels.iter().filter(|(_, name, by, _)| *by == wanted && says_more(name));
        own.map(|(number, name, _, at)| format!("{number} ({name}) is {}", lines[*at].told())).collect()
    };
    let mut remarks = Vec::new();
    let named = told_by(By::Name);
    // One channel that is what its name says needs no word.
    if !named.is_empty() && channels.len() > 1 {
        remarks.push(format!("by their descriptions the channel {}: {}", named.join(", "), folder.display()));
    }
    let unsaid = told_by(By::Modality);
    if !unsaid.is_empty() {
        let unsaid = unsaid.join(", ");
        remarks.push(format!(
            "by its modality alone, as no description says so, the channel {unsaid}: {}",
            folder.display()
        ));
    }
    remarks
}
