//! The contours of a patient's RT Structure Sets as labels.

use super::series::belongs;
use super::{IGNORED, TrainingFolder};
use crate::ai::train::loss::IGNORE;
use crate::ai::train::name_key;
use crate::dicom::{SET_APPROVED, SeriesEntry, StructureSetEntry, read_rtstruct};
use crate::edit::algebra::resampled;
use crate::patient::{Approval, Mask, Roi, RoiPlane, StructureSet, Uid, Volume};
use crate::progress::Progress;
use crate::session::channels::Given;
use crate::session::descriptions::Line;
use crate::session::study::Study;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// The labels of a series.
pub(super) struct Outlines {
    pub labels: Vec<u16>,
    /// Numbers of the labels that are outlined.
    pub outlined: BTreeSet<u16>,
    /// What a person should know.
    pub remarks: Vec<String>,
    /// Why nothing is outlined, where nothing is.
    pub nothing: String,
}

/// A structure set that belongs to the images.
struct Set<'a> {
    entry: &'a StructureSetEntry,
    read: StructureSet,
    /// Numbers of the labels that somebody accepted, and of those that nobody did.
    reviewed: BTreeSet<u16>,
    proposed: BTreeSet<u16>,
    /// Names that are none of the recipe's.
    strange: Vec<String>,
}

impl TrainingFolder {
    /// The structures of a series as labels: of all structure sets that belong to it, without what a machine
    /// drew and nobody accepted; a structure that several hold is that of the set with most of them, then
    /// of the newest. Where structures overlap, the smaller one counts: it lies within the other; regions
    /// overlap as they are.
    pub(super) fn outlines(
        &self,
        study: &Study,
        given: &[(usize, Given)],
        folder: &Path,
        progress: &Progress,
    ) -> Result<Outlines, String> {
        let mut remarks = Vec::new();
        let sets = self.sets(study, given, folder, &mut remarks)?;
        let volume = &study.series.volume;
        let mut taken: BTreeMap<u16, &Path> = BTreeMap::new();
        let mut masks: Vec<(u16, Mask, usize)> = Vec::new();
        for set in &sets {
            let path = set.entry.path.as_path();
            for roi in set.read.rois.iter().filter(|roi| is_reviewed(roi)) {
                let is_ignored = name_key(&roi.name) == IGNORED;
                let number = self.recipe.label_of(&roi.name).filter(|_| !is_ignored);
                if !is_ignored && number.is_none() {
                    continue;
                }
                if let Some(before) = number.and_then(|number| taken.get(&number)) {
                    let text = if *before == path {
                        format!("{} is there twice under names of one organ; the first is taken", roi.name)
                    } else {
                        format!("{} is taken from {}, not from this file", roi.name, before.display())
                    };
                    remarks.push(format!("{text}: {}", path.display()));
                    continue;
                }
                let roi = on_slices(roi, set, &study.series.info.uid, volume, &mut remarks, progress)?;
                let mask = Mask::of_roi(&roi, volume);
                let count = mask.count();
                if count == 0 {
                    if !roi.planes.is_empty() {
                        remarks.push(format!(
                            "{} holds no voxel of the images: {}",
                            roi.name,
                            path.display()
                        ));
                    }
                    continue;
                }
                let word = match number {
                    Some(number) => {
                        taken.insert(number, path);
                        self.recipe.word(number)
                    }
                    None => IGNORE,
                };
                // What is not judged lies over everything.
                masks.push((word, mask, if is_ignored { 0 } else { count }));
            }
        }
        let outlined: BTreeSet<u16> = taken.keys().copied().collect();
        let nothing = self.told(&sets, &outlined, &mut remarks);
        masks.sort_by_key(|(word, _, count)| (Reverse(*count), *word));
        Ok(Outlines { labels: self.painted(volume, &masks), outlined, remarks, nothing })
    }

    /// The sets that belong to the images, the one whose structures are taken first in front.
    fn sets<'a>(
        &self,
        study: &'a Study,
        given: &[(usize, Given)],
        folder: &Path,
        remarks: &mut Vec<String>,
    ) -> Result<Vec<Set<'a>>, String> {
        let (info, library) = (&study.series.info, &study.library);
        let frame = info.frame_of_reference_uid.as_ref();
        let channels: Vec<&Uid> = given
            .iter()
            .filter_map(|(_, given)| match given {
                Given::Entry(at) => Some(&library.series.get(*at)?.info.uid),
                Given::Own | Given::Path(_) => None,
            })
            .collect();
        let is_own = |set: &&StructureSetEntry| {
            let of_channel = set.series_uid.as_ref().is_some_and(|uid| channels.contains(&uid));
            belongs(set, library, &info.uid, frame)
                || (of_channel && frame.is_some() && set.frame_of_reference_uid.as_ref() == frame)
        };
        let own: Vec<&StructureSetEntry> = library.structure_sets.iter().filter(is_own).collect();
        if own.is_empty() {
            let why = if library.structure_sets.is_empty() {
                "there is no RT Structure Set of"
            } else {
                "the RT Structure Sets there are of other images than"
            };
            return Err(format!(
                "{why} the series {} ({}){}; put its own beside the images, or leave the folder out: {}",
                info.uid,
                info.modality.code(),
                self.drawn_on(study),
                folder.display()
            ));
        }
        let mut sets = Vec::new();
        let mut unreadable = Vec::new();
        for entry in own {
            let read = match read_rtstruct(&entry.path, Some(&study.series)) {
                Ok(read) => read,
                Err(error) => {
                    unreadable.push(error.to_string());
                    continue;
                }
            };
            let (mut reviewed, mut proposed) = (BTreeSet::new(), BTreeSet::new());
            let mut strange = Vec::new();
            for roi in &read.set.rois {
                match self.recipe.label_of(&roi.name) {
                    Some(_) if roi.planes.is_empty() => {}
                    Some(number) if is_reviewed(roi) => drop(reviewed.insert(number)),
                    Some(number) => drop(proposed.insert(number)),
                    None if name_key(&roi.name) == IGNORED => {}
                    None => strange.push(roi.name.clone()),
                }
            }
            // What is odd about structures that are not learnt is nobody's concern here.
            let is_about_others = |text: &str| {
                strange
                    .iter()
                    .any(|name| text.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(": ")))
            };
            let told = read.warnings.iter().filter(|warning| warning.message != SET_APPROVED);
            remarks
                .extend(told.filter(|warning| !is_about_others(&warning.message)).map(ToString::to_string));
            sets.push(Set { entry, read: read.set, reviewed, proposed, strange });
        }
        if sets.is_empty() {
            return Err(unreadable.join("; "));
        }
        remarks.extend(unreadable);
        sets.sort_by_key(|set| (Reverse(set.reviewed.len()), Reverse(set.entry.created.clone())));
        Ok(sets)
    }

    /// Which other series the structure sets are of, with the remedy where one of them can be meant.
    fn drawn_on(&self, study: &Study) -> String {
        let library = &study.library;
        let is_drawn_on = |(_, entry): &(usize, &SeriesEntry)| {
            library.structure_sets.iter().any(|set| set.series_uid.as_ref() == Some(&entry.info.uid))
        };
        let others: Vec<usize> =
            library.series.iter().enumerate().filter(is_drawn_on).map(|(at, _)| at).collect();
        if others.is_empty() {
            return String::new();
        }
        let lines = Line::all(library);
        let told: Vec<String> = others.iter().map(|at| lines[*at].told()).collect();
        let wanted = self.recipe.modalities();
        let can_be = others.iter().any(|at| wanted.contains(&lines[*at].modality.as_str()));
        let remedy = if can_be && !self.recipe.channels().is_empty() {
            ", which --channel N=TEXT takes where it is meant"
        } else {
            ""
        };
        format!(", but of {}{remedy}", told.join(", "))
    }

    /// Tells what is not learnt and why; gives the reason where that is everything.
    fn told(&self, sets: &[Set<'_>], outlined: &BTreeSet<u16>, remarks: &mut Vec<String>) -> String {
        let mut unreviewed = Vec::new();
        for set in sets {
            let path = set.entry.path.display();
            let left = set.proposed.difference(outlined);
            let name = |number: &u16| self.recipe.labels.get(usize::from(*number).checked_sub(1)?);
            let names: Vec<&str> = left.filter_map(name).map(|label| label.name.as_str()).collect();
            if !names.is_empty() {
                unreviewed.push(format!(
                    "only unreviewed contours of {}; accept what is right of them and put the exported file in its \
                     place: {path}",
                    names.join(", ")
                ));
            }
            let strange: Vec<&str> = set.strange.iter().map(String::as_str).collect();
            remarks.extend(self.unmatched(outlined, &strange, &set.entry.path));
        }
        remarks.extend(unreviewed.iter().cloned());
        if !unreviewed.is_empty() {
            return unreviewed.join("; ");
        }
        let names: BTreeSet<&str> = sets.iter().flat_map(|set| &set.strange).map(String::as_str).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let paths: Vec<String> = sets.iter().map(|set| set.entry.path.display().to_string()).collect();
        format!(
            "no organ of the model is outlined (names there: {}); give those that belong to one under [synonyms] in \
             the recipe, or leave the folder out: {}",
            if names.is_empty() { "none".to_owned() } else { names.join(", ") },
            paths.join(", ")
        )
    }

    /// Masks over one another, the last on top, as words of the voxels.
    fn painted(&self, volume: &Volume, masks: &[(u16, Mask, usize)]) -> Vec<u16> {
        let overlap = self.recipe.has_regions();
        let dims = volume.grid.dims();
        let mut labels = vec![0_u16; volume.grid.len()];
        for (word, mask, _) in masks {
            for (place, _) in mask.voxels.iter().enumerate().filter(|(_, inside)| **inside) {
                let [nx, ny, _] = mask.size;
                let voxel = [place % nx, place / nx % ny, place / (nx * ny)];
                let [i, j, k] = [0, 1, 2].map(|axis| mask.low[axis] + voxel[axis]);
                let own = &mut labels[i + dims[0] * (j + dims[1] * k)];
                *own = if overlap { *own | word } else { *word };
            }
        }
        labels
    }
}

fn is_reviewed(roi: &Roi) -> bool {
    roi.approval != Approval::Proposal
}

/// A structure on the slices of the images: as it is, or, where it was drawn on those of another series,
/// cut anew by these.
fn on_slices(
    roi: &Arc<Roi>,
    set: &Set<'_>,
    uid: &Uid,
    volume: &Volume,
    remarks: &mut Vec<String>,
    progress: &Progress,
) -> Result<Arc<Roi>, String> {
    let off = roi.planes.iter().filter(|own| volume.slice_of(&own.plane).is_none()).count();
    if off == 0 {
        return Ok(Arc::clone(roi));
    }
    let path = set.entry.path.display();
    let all = roi.planes.len();
    if set.entry.series_uid.as_ref() == Some(uid) {
        remarks.push(format!(
            "{}: {off} of {all} contour planes lie on no slice of the images: {path}",
            roi.name
        ));
        return Ok(Arc::clone(roi));
    }
    remarks.push(format!(
        "{}: {off} of {all} contour planes lie between the images' slices; it was cut anew by these: {path}",
        roi.name
    ));
    let region = resampled(roi, None, volume, progress).map_err(|error| error.to_string())?;
    let planes = region.slices().map(|(index, polygons)| {
        let slice = &volume.slices[index];
        Arc::new(RoiPlane::new(slice.plane, slice.instance.clone(), polygons.to_vec()))
    });
    Ok(Arc::new(Roi { planes: planes.collect(), source: None, ..Roi::clone(roi) }))
}
