//! Contours suggested for an ROI: shown dashed, taken over slice by slice or all at once, or
//! dropped. Until then the ROI does not have them.

use super::canvas::fresh_stamp;
use crate::patient::{Approval, Roi, RoiId, RoiPlane};
use crate::session::Command;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Contours suggested for an ROI, by slice.
#[derive(Debug, Clone)]
pub struct Suggestion {
    based_on: u64,
    gesture: &'static str,
    planes: BTreeMap<usize, Arc<RoiPlane>>,
    shown: Arc<Roi>,
    description: Option<Description>,
}

/// What the ROI is once a suggestion is taken over.
#[derive(Debug, Clone)]
struct Description {
    text: String,
    /// Whether it is that by one slice already.
    by_slice: bool,
}

impl Suggestion {
    /// For each slice the content it would get; `gesture` is the name of the undo step.
    pub(super) fn new(
        roi: &Roi,
        gesture: &'static str,
        planes: impl IntoIterator<Item = (usize, Arc<RoiPlane>)>,
    ) -> Self {
        let planes: BTreeMap<usize, Arc<RoiPlane>> = planes.into_iter().collect();
        let mut shown = Roi::new(roi.id, roi.number, roi.name.clone(), roi.color);
        shown.approval = Approval::Proposal;
        shown.revision = fresh_stamp();
        shown.planes = planes.values().map(Arc::clone).collect();
        shown.planes.sort_by(|a, b| a.plane.offset_mm().total_cmp(&b.plane.offset_mm()));
        Self { based_on: roi.revision, gesture, planes, shown: Arc::new(shown), description: None }
    }

    /// The same that describes the ROI when all of it is taken over, or (`by_slice`) any slice of it.
    pub(super) fn described(self, text: String, by_slice: bool) -> Self {
        Self { description: Some(Description { text, by_slice }), ..self }
    }

    /// The ROI it is for.
    #[must_use]
    pub fn roi(&self) -> RoiId {
        self.shown.id
    }

    /// The ROI's revision that it was made from.
    #[must_use]
    pub fn based_on(&self) -> u64 {
        self.based_on
    }

    /// The suggested contours alone, as a proposal with a revision of its own.
    #[must_use]
    pub fn shown(&self) -> &Arc<Roi> {
        &self.shown
    }

    /// The slices it has contours for, in order.
    pub fn slices(&self) -> impl Iterator<Item = usize> {
        self.planes.keys().copied()
    }

    /// Takes over what is suggested for `slice`, or everything; `None` when that is nothing.
    #[must_use]
    pub fn command(&self, slice: Option<usize>) -> Option<Command> {
        let planes: Vec<RoiPlane> = self
            .planes
            .iter()
            .filter(|(own, _)| slice.is_none_or(|slice| slice == **own))
            .map(|(_, plane)| RoiPlane::clone(plane))
            .collect();
        if planes.is_empty() {
            return None;
        }
        let (roi, gesture, based_on) = (self.roi(), self.gesture, self.based_on);
        let description = self.description.as_ref().filter(|own| own.by_slice || slice.is_none());
        Some(match description.map(|own| own.text.clone()) {
            Some(description) => Command::TakeOver { roi, gesture, based_on, planes, description },
            None => Command::SetPlanes { roi, gesture, based_on, planes },
        })
    }
}
