//! What is shown before it is so: the contours of a gesture under way, what is suggested, and what other
//! structures lose by either.

use super::{Suggestion, ToolKind, Tools, canvas};
use crate::patient::{Roi, RoiId, RoiPlane};
use crate::session::Session;
use std::sync::Arc;

/// The contours as they would be if the gesture ended now.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The ROI being edited.
    pub roi: RoiId,
    /// Its revision that the gesture started from.
    pub based_on: u64,
    /// Differs for every state of the preview, and from every revision of a session.
    pub stamp: u64,
    /// The planes that changed since the gesture started; without polygons where nothing is left.
    pub planes: Vec<Arc<RoiPlane>>,
    /// The same for each structure that gives way.
    pub others: Vec<Preview>,
}

impl Preview {
    /// The session's ROI as it would be; `None` when it has changed since the gesture started.
    pub(super) fn shown(&self, session: &Session) -> Option<Arc<Roi>> {
        let roi = session.roi(self.roi).filter(|roi| roi.revision == self.based_on)?;
        Some(Arc::new(self.applied_to(roi)))
    }

    /// The same over what a suggestion would leave of it: where both have a plane the gesture's, for it makes
    /// that slice one that nothing is suggested for.
    fn shown_over(&self, under: &Roi, session: &Session) -> Option<Arc<Roi>> {
        session.roi(self.roi).filter(|roi| roi.revision == self.based_on)?;
        let mut shown = self.applied_to(under);
        // Stamps count up from one high bit: no other pair of them, nor one alone, gives this.
        shown.revision = self.stamp.rotate_left(32) ^ under.revision;
        Some(Arc::new(shown))
    }

    /// The ROI with the preview's planes in place, its revision the preview's stamp.
    #[must_use]
    pub fn applied_to(&self, roi: &Roi) -> Roi {
        let mut shown = roi.clone();
        shown.revision = self.stamp;
        for plane in &self.planes {
            shown.planes.retain(|own| !own.plane.coincides(&plane.plane, 0.1));
            if !plane.polygons.is_empty() {
                let offset = plane.plane.offset_mm();
                let at = shown.planes.partition_point(|own| own.plane.offset_mm() < offset);
                shown.planes.insert(at, Arc::clone(plane));
            }
        }
        shown
    }
}

impl Tools {
    /// The contours as they would be if the gesture ended now.
    #[must_use]
    pub fn preview(&self) -> Option<&Preview> {
        match self.kind {
            ToolKind::Brush | ToolKind::Eraser => self.brush.preview(),
            ToolKind::Push | ToolKind::Smooth => self.mold.preview(),
            ToolKind::Freehand => {
                self.freehand.preview().or(self.drawn.as_ref().map(canvas::Canvas::preview))
            }
            ToolKind::Shape | ToolKind::LiveWire => self.drawn.as_ref().map(canvas::Canvas::preview),
            ToolKind::Knife => self.knife.preview(),
            ToolKind::Points => self.points.preview(),
            ToolKind::Transform => self.transform.preview(),
            _ => None,
        }
    }

    /// The ROI being edited as the preview shows it; `None` without a preview.
    #[must_use]
    pub fn previewed_roi(&self, session: &Session) -> Option<Arc<Roi>> {
        self.preview()?.shown(session)
    }

    /// All structures that are shown as they would be: the one that a gesture edits, then those that give
    /// way to it or to what is dashed. Empty where nothing is under way and nobody gives way.
    #[must_use]
    pub fn previewed_rois(&self, session: &Session) -> Vec<Arc<Roi>> {
        let dashed = self.giving_way(session);
        let own = self.preview().and_then(|preview| Some((preview, preview.shown(session)?)));
        let Some((preview, own)) = own else { return dashed.to_vec() };
        let by_gesture = preview.others.iter().filter_map(|other| {
            match dashed.iter().find(|under| under.id == other.roi) {
                Some(under) => other.shown_over(under, session),
                None => other.shown(session),
            }
        });
        let is_other = |under: &&Arc<Roi>| {
            under.id != preview.roi && preview.others.iter().all(|own| own.roi != under.id)
        };
        let by_dashed = dashed.iter().filter(is_other).map(Arc::clone);
        std::iter::once(own).chain(by_gesture).chain(by_dashed).collect()
    }

    /// The structures that give way to what is dashed, as they would be once all of it is taken over; empty
    /// where it is for a structure that has changed since.
    #[must_use]
    pub fn giving_way(&self, session: &Session) -> &[Arc<Roi>] {
        let is_current =
            |own: &&Suggestion| session.roi(own.roi()).is_some_and(|roi| roi.revision == own.based_on());
        self.dashed().filter(is_current).map_or(&[], Suggestion::losing)
    }

    /// What is shown dashed: while a guide outline is drawn what it would lead to, as far as that has been
    /// worked out; else what is suggested.
    #[must_use]
    pub fn dashed(&self) -> Option<&Suggestion> {
        self.between.ahead().or_else(|| self.suggestion())
    }
}
