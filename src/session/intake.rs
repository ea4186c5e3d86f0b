//! What comes into a session from outside: structure sets of files, proposals of models.
//!
//! Both may have been made for other images than the open ones; here is where that is noticed.

use super::apply::Draft;
use super::{Change, Heading, Refusal, Session};
use crate::dicom::{described, is_same_patient};
use crate::patient::{Approval, GenerationAlgorithm, Roi, StructureSet};
use std::sync::Arc;

impl Session {
    /// Takes over the ROIs of a structure set, by the rule by which it may be exported again.
    pub(super) fn work_out_import(&self, set: StructureSet, draft: &mut Draft) -> Result<String, Refusal> {
        let ours = &self.series().info;
        if !is_same_patient(&set.patient, &ours.patient) {
            let (theirs, ours) = (described(&set.patient), described(&ours.patient));
            return Err(Refusal::OtherPatient { theirs, ours });
        }
        match (&set.frame_of_reference_uid, &ours.frame_of_reference_uid) {
            (Some(theirs), Some(ours)) if theirs != ours => return Err(Refusal::OtherFrameOfReference),
            (None, Some(_)) => draft.notes.push(
                "The structure set states no frame of reference; it was given that of the images. Check that its contours lie where they belong."
                    .to_owned(),
            ),
            _ => {}
        }
        let title = format!("Open structure set {}", set.label).trim_end().to_owned();
        let into_empty = self.structures().rois.is_empty();
        if into_empty {
            let before = Box::new(Heading::of(self.structures()));
            let mut after = Box::new(Heading::of(&set));
            // What the file leaves open, the images say.
            after.patient = before.patient.clone();
            after.series_uid.clone_from(&before.series_uid);
            after.frame_of_reference_uid.clone_from(&before.frame_of_reference_uid);
            draft.make(Change::Heading { before, after });
        }
        for roi in set.rois {
            let mut roi = Arc::unwrap_or_clone(roi);
            if !into_empty {
                roi.name = draft.name_for(&roi.name);
                if draft.set.rois.iter().any(|own| own.number == roi.number) {
                    roi.number = draft.set.free_number();
                }
            }
            let id = draft.insert(draft.set.rois.len(), roi);
            draft.select.get_or_insert(id);
        }
        Ok(title)
    }

    /// Adds what a model made, as far as it lies on slices that can be drawn on.
    pub(super) fn work_out_proposals(
        &self,
        rois: Vec<Roi>,
        model: &str,
        draft: &mut Draft,
    ) -> Result<String, Refusal> {
        let (asked, mut elsewhere) = (rois.len(), 0);
        for mut roi in rois {
            roi.approval = Approval::Proposal;
            roi.generation = GenerationAlgorithm::Automatic;
            roi.locked = false;
            roi.number = draft.set.free_number();
            if roi.description.is_empty() {
                model.clone_into(&mut roi.description);
            }
            if !self.keep_drawable(&mut roi, &mut draft.notes) {
                elsewhere += 1;
                continue;
            }
            let untouched = draft.set.rois.iter().position(|own| {
                own.name == roi.name
                    && own.is_proposal()
                    && !own.locked
                    && own.generation == roi.generation
                    && own.guides.is_empty()
            });
            let beside = draft.set.rois.iter().rposition(|own| own.name == roi.name).map(|at| at + 1);
            let index = if let Some(index) = untouched {
                draft.remove(draft.set.rois[index].id);
                index
            } else {
                if draft.set.rois.iter().any(|own| own.name == roi.name && own.is_proposal()) {
                    roi.name = draft.name_for(&roi.name);
                }
                beside.unwrap_or(draft.set.rois.len())
            };
            draft.insert(index, roi);
        }
        if elsewhere > 0 && elsewhere == asked {
            return Err(Refusal::OtherImages(model.to_owned()));
        }
        Ok(format!("Contours from {model}"))
    }

    /// Leaves out the planes that cannot be drawn on and notes it. `false` when none is left of those
    /// there were.
    fn keep_drawable(&self, roi: &mut Roi, notes: &mut Vec<String>) -> bool {
        let all = roi.planes.len();
        let mut missing = 0;
        roi.planes.retain(|plane| match self.drawable(plane) {
            Ok(()) => true,
            Err(refusal) => {
                missing += usize::from(refusal == Refusal::MissingSlice);
                false
            }
        });
        let elsewhere = all - roi.planes.len() - missing;
        if missing > 0 {
            notes.push(format!("{}: nothing was proposed on missing slices.", roi.name));
        }
        if elsewhere > 0 {
            notes.push(format!(
                "{}: left out on {elsewhere} {}, where these images have no slice.",
                roi.name,
                if elsewhere == 1 { "plane" } else { "planes" }
            ));
        }
        all == 0 || !roi.planes.is_empty()
    }
}
