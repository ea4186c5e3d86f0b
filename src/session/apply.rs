//! Carrying out commands: the one gate through which structures change.
//!
//! A command is worked out on a [`Draft`], a cheap copy of the structure set; only when all of it
//! is allowed does the draft take the set's place, as one [`Edit`].

use super::command::attribute_of;
use super::overwrite::{Gate, Loss, Overwrite};
use super::{Applied, Attribute, Change, Command, Edit, Neighbour, PlaneEdit, Refusal, Session, color_for};
use crate::edit;
use crate::geometry::Point3;
use crate::patient::{AnatomicCode, Approval, Confidence, Roi, RoiId, RoiPlane, RoiType, StructureSet};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A contour belongs to the image slice within this distance.
const SLICE_TOLERANCE_MM: f64 = 0.1;

/// A copy of the structure set that collects what is done to it.
pub(super) struct Draft {
    pub(super) set: StructureSet,
    stamp: u64,
    next_roi: u64,
    changes: Vec<Change>,
    pub(super) notes: Vec<String>,
    pub(super) select: Option<RoiId>,
}

impl Draft {
    /// Does a change that is made from the draft's own state, so it always fits.
    pub(super) fn make(&mut self, change: Change) {
        let step = Edit { name: String::new(), changes: vec![change] };
        if step.apply(&mut self.set, self.stamp).is_ok() {
            self.changes.extend(step.changes);
        } else {
            debug_assert!(false, "a change made from the draft's own state does not fit it");
        }
    }

    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    pub(super) fn set_attribute(&mut self, roi: RoiId, after: Attribute) {
        let Some(before) = self.set.roi(roi).map(|own| after.in_roi(own)) else { return };
        if before != after {
            self.make(Change::Attribute { roi, before, after });
        }
    }

    pub(super) fn insert(&mut self, index: usize, mut roi: Roi) -> RoiId {
        roi.id = RoiId(self.next_roi);
        self.next_roi += 1;
        let id = roi.id;
        self.make(Change::Insert { index, roi: Arc::new(roi) });
        id
    }

    pub(super) fn remove(&mut self, roi: RoiId) {
        if let Some(index) = self.set.rois.iter().position(|own| own.id == roi) {
            self.make(Change::Remove { index, roi: Arc::clone(&self.set.rois[index]) });
        }
    }

    /// Puts planes into an ROI: each takes the place of those it coincides with. What is the same
    /// already, bit by bit, is left out. Whether anything changed.
    fn put_planes(&mut self, roi: RoiId, planes: Vec<RoiPlane>) -> bool {
        let Some(own) = self.set.roi(roi) else { return false };
        let mut edits = Vec::new();
        for plane in planes {
            let mut old: Vec<_> = own
                .planes
                .iter()
                .filter(|own| own.plane.coincides(&plane.plane, SLICE_TOLERANCE_MM))
                .collect();
            let new = (!plane.polygons.is_empty()).then_some(plane);
            let same = match (&new, old.as_slice()) {
                (None, []) => true,
                (Some(new), [only]) => {
                    new.plane == only.plane
                        && edit::same_polygons(&new.polygons, &only.polygons)
                        && (new.confidence.is_none() || new.confidence == only.confidence)
                }
                _ => false,
            };
            if same {
                continue;
            }
            let first = if old.is_empty() { None } else { Some(Arc::clone(old.remove(0))) };
            edits.push(PlaneEdit { before: first, after: new.map(Arc::new) });
            edits.extend(old.into_iter().map(|old| PlaneEdit { before: Some(Arc::clone(old)), after: None }));
        }
        let changed = !edits.is_empty();
        if changed {
            self.make(Change::Planes { roi, planes: edits });
        }
        changed
    }

    /// The hand of a person on an ROI's contours: a proposal stays a proposal, a review is void, and
    /// a model's confidence tells of what it had proposed.
    pub(super) fn put_planes_by_hand(&mut self, roi: RoiId, planes: Vec<RoiPlane>) {
        if !self.put_planes(roi, planes) {
            return;
        }
        let Some(own) = self.set.roi(roi) else { return };
        let (generation, approval) = (own.generation.after_hand_edit(), own.approval);
        let confidence = own.confidence.map(Confidence::after_hand_edit);
        self.set_attribute(roi, Attribute::Generation(generation));
        self.set_attribute(roi, Attribute::Confidence(confidence));
        if approval == Approval::Reviewed {
            self.set_attribute(roi, Attribute::Approval(Approval::Accepted));
        }
    }

    pub(super) fn name_for(&self, wanted: &str) -> String {
        if self.set.roi_named(wanted).is_none() {
            return wanted.to_owned();
        }
        // TG-263 leaves what follows a caret to the user.
        let mut number = 2_u32;
        loop {
            let name = format!("{wanted}^{number}");
            if self.set.roi_named(&name).is_none() {
                return name;
            }
            number += 1;
        }
    }
}

/// The ROI, if its contours may be changed.
pub(super) fn editable(roi: &Roi) -> Result<(), Refusal> {
    match (roi.approval, roi.locked) {
        (Approval::Approved, _) => Err(Refusal::Approved(roi.name.clone())),
        (_, true) => Err(Refusal::Locked(roi.name.clone())),
        _ => Ok(()),
    }
}

impl Session {
    /// Carries out a command as one undo step, committed to the journal before it returns (an edit
    /// above a megabyte is committed by the journal's own thread soon after).
    ///
    /// # Errors
    /// [`Refusal`] says why nothing was done; then nothing has changed.
    pub fn apply(&mut self, command: Command) -> Result<Applied, Refusal> {
        if let Command::SetVisibility { rois, visible } = &command {
            return Ok(self.show(rois, *visible));
        }
        let waits = matches!(command, Command::SetApproval { approval: Approval::Approved, .. });
        let mut draft = Draft {
            set: self.set.clone(),
            stamp: self.revision + 1,
            next_roi: self.next_roi,
            changes: Vec::new(),
            notes: Vec::new(),
            select: None,
        };
        let name = self.work_out(command, &mut draft)?;
        self.follow(&mut draft);
        let Draft { set, stamp, next_roi, changes, notes, select } = draft;
        if changes.is_empty() {
            return Ok(Applied { notes, ..Applied::default() });
        }
        self.set = set;
        self.revision = stamp;
        self.next_roi = next_roi;
        if let Some(roi) = select.or(self.selected) {
            self.select(Some(roi));
        }
        let edit = Arc::new(Edit { name, changes });
        self.commit(&edit, waits);
        Ok(Applied { rois: edit.rois(), edit: Some(edit), notes })
    }

    /// Whether a tool may change the contours of an ROI on a slice: asked when a gesture starts, so
    /// that the reason stands at the cursor.
    ///
    /// # Errors
    /// [`Refusal::NoRoi`], [`Refusal::Locked`], [`Refusal::Approved`], [`Refusal::Hidden`],
    /// [`Refusal::MissingSlice`].
    pub fn may_draw(&self, roi: Option<RoiId>, slice: Option<usize>) -> Result<&Arc<Roi>, Refusal> {
        let roi = roi.and_then(|id| self.set.roi(id)).ok_or(Refusal::NoRoi)?;
        editable(roi)?;
        if !roi.visible {
            return Err(Refusal::Hidden(roi.name.clone()));
        }
        match slice.and_then(|index| self.series().volume.slices.get(index)) {
            Some(slice) if slice.missing => Err(Refusal::MissingSlice),
            _ => Ok(roi),
        }
    }

    /// Does the command to the draft and names it.
    fn work_out(&self, command: Command, draft: &mut Draft) -> Result<String, Refusal> {
        if let Some((roi, attribute)) = attribute_of(&command) {
            return self.work_out_attribute(roi, attribute, draft);
        }
        match command {
            Command::AddRoi { name, color, roi_type } => {
                let name = self.free_name(&name, None)?;
                let color = color.unwrap_or_else(|| color_for(&name, &roi_type, &self.set));
                let mut roi = Roi::new(RoiId(0), self.set.free_number(), name, color);
                roi.code = AnatomicCode::of_name(&roi.name);
                roi.roi_type = roi_type;
                let title = format!("Add {}", roi.name);
                draft.select = Some(draft.insert(self.set.rois.len(), roi));
                Ok(title)
            }
            Command::DeleteRoi { roi } => {
                let own = self.known(roi)?;
                editable(own)?;
                draft.remove(roi);
                Ok(format!("Delete {}", own.name))
            }
            Command::ReorderRoi { roi, to } => {
                let own = self.known(roi)?;
                let from = self.set.rois.iter().position(|own| own.id == roi).ok_or(Refusal::NoRoi)?;
                let to = to.min(self.set.rois.len() - 1);
                if from != to {
                    draft.make(Change::Move { roi, from, to });
                }
                Ok(format!("Move {}", own.name))
            }
            Command::SetPlanes { roi, gesture, based_on, planes } => {
                let own = self.may_draw(Some(roi), None)?;
                if own.revision != based_on {
                    return Err(Refusal::Stale(own.name.clone()));
                }
                planes
                    .iter()
                    .filter(|plane| !plane.polygons.is_empty())
                    .try_for_each(|p| self.drawable(p))?;
                let planes = self.through_the_gate(own, planes, self.overwrite, draft);
                draft.put_planes_by_hand(roi, planes);
                Ok(format!("{gesture} on {}", own.name))
            }
            Command::TakeOver { roi, gesture, based_on, planes, description } => {
                let name = self.work_out(Command::SetPlanes { roi, gesture, based_on, planes }, draft)?;
                draft.set_attribute(roi, Attribute::Description(description));
                Ok(name)
            }
            Command::DeleteContour { roi, at } => self.work_out_delete_contour(roi, at, draft),
            Command::ClearSlice { roi, slice } => {
                let own = self.may_draw(Some(roi), None)?;
                let plane = self.series().volume.slices.get(slice).ok_or(Refusal::NoSlice)?.plane;
                draft.put_planes_by_hand(roi, vec![RoiPlane::new(plane, None, Vec::new())]);
                Ok(format!("Clear slice on {}", own.name))
            }
            Command::CopyFromSlice { roi, slice, from } => self.work_out_copy(roi, slice, from, draft),
            Command::PutGuide { roi, guide } => self.work_out_guide(roi, guide, draft),
            Command::ClearGuides { roi } => self.work_out_clear_guides(roi, draft),
            Command::PutDerived { gesture, results } => self.work_out_derived(gesture, results, draft),
            Command::ForgetRecipe { roi } => {
                let own = self.known(roi)?;
                editable(own)?;
                draft.set_attribute(roi, Attribute::Derivation(None));
                Ok(format!("Recipe of {}", own.name))
            }
            Command::ImportStructureSet(set) => self.work_out_import(*set, draft),
            Command::AddProposals { rois, model } => self.work_out_proposals(rois, &model, draft),
            Command::AcceptProposals { rois } => self.work_out_accept(&rois, draft),
            Command::AcceptAllProposals => {
                let all: Vec<RoiId> = self.proposals().map(|roi| roi.id).collect();
                self.work_out_accept(&all, draft)
            }
            Command::RejectProposals { rois } => {
                let mut names = Vec::new();
                for id in rois {
                    names.push(self.proposal(id)?.name.clone());
                    draft.remove(id);
                }
                Ok(format!("Reject {}", one_or_count(&names, "proposals")))
            }
            Command::RenameRoi { .. }
            | Command::RecolorRoi { .. }
            | Command::SetRoiType { .. }
            | Command::SetLock { .. }
            | Command::SetApproval { .. }
            | Command::SetDensity { .. }
            | Command::SetExclusive { .. }
            | Command::SetVisibility { .. } => Ok(String::new()),
        }
    }

    /// The planes of a gesture as they may be put in; others give way in the draft.
    pub(super) fn through_the_gate(
        &self,
        own: &Roi,
        planes: Vec<RoiPlane>,
        overwrite: Overwrite,
        draft: &mut Draft,
    ) -> Vec<RoiPlane> {
        let gate = Gate::new(overwrite, &self.series().volume);
        if gate.is_open_for(own) {
            return planes;
        }
        // No plane has a say on another: each by itself, then each other structure once.
        let through = |plane: RoiPlane| {
            let before = own
                .plane_at(&plane.plane)
                .map(|before| edit::reoriented(&before.polygons, &before.plane, &plane.plane))
                .unwrap_or_default();
            let among = (&draft.set.rois[..], &self.neighbours);
            let gated = gate.gated(among, own, &plane.plane, &before, plane.polygons.clone());
            let plane = if gated.own == plane.polygons {
                plane
            } else {
                RoiPlane::new(plane.plane, plane.image, gated.own)
            };
            (plane, gated.others)
        };
        let gated: Vec<(RoiPlane, Vec<Loss>)> = planes.into_par_iter().map(through).collect();
        let mut rests: BTreeMap<RoiId, Vec<RoiPlane>> = BTreeMap::new();
        let mut through = Vec::with_capacity(gated.len());
        for (plane, others) in gated {
            through.push(plane);
            for Loss { roi, rest, .. } in others {
                rests.entry(roi).or_default().push(Arc::unwrap_or_clone(rest));
            }
        }
        for (other, rests) in rests {
            draft.put_planes_by_hand(other, rests);
        }
        through
    }

    fn work_out_attribute(&self, id: RoiId, to: Attribute, draft: &mut Draft) -> Result<String, Refusal> {
        let roi = self.known(id)?;
        let title = match &to {
            Attribute::Name(name) => {
                editable(roi)?;
                let name = self.free_name(name, Some(id))?;
                format!("Rename {} to {name}", roi.name)
            }
            Attribute::RoiType(_) => {
                editable(roi)?;
                format!("Type of {}", roi.name)
            }
            Attribute::Color(_) => format!("Colour of {}", roi.name),
            Attribute::Locked(locked) => format!("{} {}", if *locked { "Lock" } else { "Unlock" }, roi.name),
            Attribute::Approval(approval) => {
                if roi.is_proposal() {
                    return Err(Refusal::StillAProposal(roi.name.clone()));
                }
                match approval {
                    Approval::Proposal => return Err(Refusal::NotAProposal(roi.name.clone())),
                    Approval::Accepted => format!("Reopen {}", roi.name),
                    Approval::Reviewed => format!("Review {}", roi.name),
                    Approval::Approved => format!("Approve {}", roi.name),
                }
            }
            Attribute::Density(density) => {
                editable(roi)?;
                if density.is_some_and(|density| !(0.0..=25.0).contains(&density.value())) {
                    return Err(Refusal::BadDensity);
                }
                format!("Density of {}", roi.name)
            }
            Attribute::Exclusive(_) if roi.is_proposal() => {
                return Err(Refusal::StillAProposal(roi.name.clone()));
            }
            Attribute::Exclusive(exclusive) => {
                format!("{} {}", if *exclusive { "Exclusive" } else { "Not exclusive" }, roi.name)
            }
            Attribute::Generation(_)
            | Attribute::Description(_)
            | Attribute::Confidence(_)
            | Attribute::Code(_)
            | Attribute::Derivation(_) => {
                format!("Change {}", roi.name)
            }
        };
        // Another name is another organ: a code of the old one would tell other systems a lie.
        if let Attribute::Name(name) = &to {
            draft.set_attribute(id, Attribute::Code(AnatomicCode::of_name(name.trim())));
        }
        draft.set_attribute(id, to);
        Ok(title)
    }

    fn work_out_delete_contour(&self, id: RoiId, at: Point3, draft: &mut Draft) -> Result<String, Refusal> {
        let roi = self.may_draw(Some(id), None)?;
        let nothing = || Refusal::NoContourHere(roi.name.clone());
        let base = self.series().volume.base_plane().ok_or(Refusal::NoSlice)?;
        let (_, slice) = self.nearest_slice(base.at_offset(0.0).distance_mm(at)).ok_or(Refusal::NoSlice)?;
        let plane = roi.plane_at(&slice.plane).ok_or_else(nothing)?;
        let (changed, meant) = edit::delete_contour(plane, plane.plane.project(at)).ok_or_else(nothing)?;
        // A hole that is filled is something added.
        let changed = self.through_the_gate(roi, vec![changed], self.overwrite, draft);
        draft.put_planes_by_hand(id, changed);
        let what = if meant.hole.is_some() { "Delete hole" } else { "Delete contour" };
        Ok(format!("{what} on {}", roi.name))
    }

    fn work_out_copy(
        &self,
        id: RoiId,
        slice: usize,
        from: Neighbour,
        draft: &mut Draft,
    ) -> Result<String, Refusal> {
        let roi = self.may_draw(Some(id), Some(slice))?;
        let nothing = || Refusal::NothingToCopy(roi.name.clone(), from.word());
        let slices = &self.series().volume.slices;
        let to = slices.get(slice).ok_or(Refusal::NoSlice)?;
        let source = match from {
            Neighbour::Above => slice.checked_add(1),
            Neighbour::Below => slice.checked_sub(1),
        };
        let source = source.and_then(|index| slices.get(index)).ok_or_else(nothing)?;
        let source = roi.plane_at(&source.plane).ok_or_else(nothing)?;
        let copy = edit::copy_to_slice(source, to, roi.plane_at(&to.plane));
        let copy = self.through_the_gate(roi, vec![copy], self.overwrite, draft);
        draft.put_planes_by_hand(id, copy);
        Ok(format!("Copy from slice {} on {}", from.word(), roi.name))
    }

    fn work_out_accept(&self, rois: &[RoiId], draft: &mut Draft) -> Result<String, Refusal> {
        let mut names = Vec::new();
        let mut refused = None;
        for &id in rois {
            let proposal = self.proposal(id)?;
            let name = &proposal.name;
            // Within the draft: of two proposals of one name the second meets the first, accepted.
            let same = draft.set.rois.iter().find(|own| own.name == *name && !own.is_proposal());
            match same.map(Arc::clone) {
                Some(own) if own.is_locked() => {
                    draft.notes.push(format!("{name} is locked: its proposal was left as it is."));
                    refused = editable(&own).err();
                    continue;
                }
                Some(own) => {
                    if !own.planes.is_empty() {
                        draft
                            .notes
                            .push(format!("{name}: the proposal took the place of the contours there were."));
                    }
                    self.replace_contours(&own, proposal, draft);
                }
                None => draft.set_attribute(id, Attribute::Approval(Approval::Accepted)),
            }
            names.push(name.clone());
        }
        match refused {
            Some(refusal) if names.is_empty() => Err(refusal),
            None if names.is_empty() => Err(Refusal::NoProposal),
            _ => Ok(format!("Accept {}", one_or_count(&names, "proposals"))),
        }
    }

    /// Puts a proposal's contours into the accepted ROI of the same name and removes the proposal. The
    /// ROI keeps its identity, number, colour, type and place.
    fn replace_contours(&self, own: &Roi, proposal: &Roi, draft: &mut Draft) {
        let mut planes: Vec<RoiPlane> = proposal.planes.iter().map(|plane| RoiPlane::clone(plane)).collect();
        let covered = |plane: &RoiPlane| {
            proposal.planes.iter().any(|new| new.plane.coincides(&plane.plane, SLICE_TOLERANCE_MM))
        };
        planes.extend(
            own.planes
                .iter()
                .filter(|plane| !covered(plane))
                .map(|plane| RoiPlane::new(plane.plane, plane.image.clone(), Vec::new())),
        );
        // Exclusive ones give way to it, whatever drawing by hand does to others.
        let planes = self.through_the_gate(own, planes, Overwrite::Overlap, draft);
        draft.put_planes(own.id, planes);
        draft.set_attribute(own.id, Attribute::Generation(proposal.generation));
        draft.set_attribute(own.id, Attribute::Description(proposal.description.clone()));
        draft.set_attribute(own.id, Attribute::Confidence(proposal.confidence));
        draft.set_attribute(own.id, Attribute::Approval(Approval::Accepted));
        if own.planes.is_empty() && own.roi_type == RoiType::default() {
            draft.set_attribute(own.id, Attribute::RoiType(proposal.roi_type.clone()));
        }
        if own.code.is_none() {
            draft.set_attribute(own.id, Attribute::Code(proposal.code.clone()));
        }
        draft.remove(proposal.id);
        draft.select = Some(own.id);
    }

    fn known(&self, id: RoiId) -> Result<&Arc<Roi>, Refusal> {
        self.set.roi(id).ok_or(Refusal::NoRoi)
    }

    fn proposal(&self, id: RoiId) -> Result<&Arc<Roi>, Refusal> {
        let roi = self.known(id)?;
        if roi.is_proposal() { Ok(roi) } else { Err(Refusal::NotAProposal(roi.name.clone())) }
    }

    /// The name trimmed, if a file can hold it and no other ROI has it.
    pub(super) fn free_name(&self, name: &str, own: Option<RoiId>) -> Result<String, Refusal> {
        let name = name.trim();
        let fits = (1..=64).contains(&name.chars().count());
        if !fits || name.chars().any(|c| c.is_control() || c == '\\') {
            return Err(Refusal::BadName);
        }
        let taken = self.set.rois.iter().any(|roi| roi.name == name && Some(roi.id) != own);
        if taken { Err(Refusal::NameTaken(name.to_owned())) } else { Ok(name.to_owned()) }
    }

    /// Whether contours may be put on a plane: there must be an image slice, and it must be there.
    pub(super) fn drawable(&self, plane: &RoiPlane) -> Result<(), Refusal> {
        let slices = &self.series().volume.slices;
        let slice = slices.iter().find(|slice| slice.plane.coincides(&plane.plane, SLICE_TOLERANCE_MM));
        match slice {
            None => Err(Refusal::NoSlice),
            Some(slice) if slice.missing => Err(Refusal::MissingSlice),
            Some(_) => Ok(()),
        }
    }
}

fn one_or_count(names: &[String], what: &str) -> String {
    match names {
        [only] => only.clone(),
        many => format!("{} {what}", many.len()),
    }
}
