//! Between slices: as long as it is on, what the shape would be on slices without contours is shown.
//! Drawing on a slice, or taking it over, makes it one more drawn slice.
//!
//! From contours on slices alone every gap between drawn slices is blended, and only the gaps beside a
//! change are worked out again. What is drawn in views across the slices meanwhile is kept as guide
//! outlines of the structure; with any, a surface through all that is drawn takes the blend's place,
//! worked out on a thread of its own. What was suggested by it stays as it is while it is taken over
//! slice by slice. Guides are no contours: they go with the open series, not into the journal.

use super::Suggestion;
use super::work::{Failed, Work};
use crate::edit::{Gap, Guide, Guided, GuidedError, drawn_slices, gaps, guided, same_polygons};
use crate::geometry::Plane;
use crate::patient::{Roi, RoiId, RoiPlane};
use crate::session::Session;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// Planes nearer to one another than this are one, mm.
const SAME_PLANE_MM: f64 = 0.1;
/// Guides that pass drawn contours by more than this are told of, mm.
const WORTH_TELLING_MM: f64 = 2.0;

const GESTURE: &str = "Between slices";

type Slices = Vec<(usize, Arc<RoiPlane>)>;
type Filled = (Gap, Slices);
/// The structure, its revision, and the guides' state.
type Seen = (RoiId, u64, u64);

/// What guides have led to.
#[derive(Debug)]
struct Made {
    roi: RoiId,
    guides: u64,
    drawn: Slices,
    slices: Slices,
}

/// Suggests contours between drawn slices.
#[derive(Debug, Default)]
pub struct BetweenSlices {
    on: bool,
    gaps: Vec<Filled>,
    seen: Option<Seen>,
    suggestion: Option<Suggestion>,
    note: Option<String>,
    guides: HashMap<RoiId, Vec<Guide>>,
    /// Grows with every change of guides.
    changes: u64,
    /// Guides as they were before each change, with the session's revision then.
    earlier: Vec<(RoiId, Vec<Guide>, u64)>,
    work: Work<(Seen, Slices, Result<Guided, GuidedError>)>,
    made: Option<Made>,
}

impl BetweenSlices {
    /// Whether it is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Turns it on or off. Guides stay.
    pub fn set_on(&mut self, on: bool) {
        self.work.stop();
        let (guides, earlier) = (std::mem::take(&mut self.guides), std::mem::take(&mut self.earlier));
        *self = Self { on, guides, earlier, changes: self.changes, ..Self::default() };
    }

    /// What is suggested, as [`Self::update`] last worked it out.
    #[must_use]
    pub fn suggestion(&self) -> Option<&Suggestion> {
        self.suggestion.as_ref()
    }

    /// Why less than everything, or nothing, is suggested, for the strip.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// The guide outlines of the selected structure; `None` while it is off or none is selected.
    #[must_use]
    pub fn guides(&self, session: &Session) -> Option<&[Guide]> {
        let roi = session.selected().filter(|_| self.on)?;
        Some(self.guides.get(&roi.id).map_or(&[], Vec::as_slice))
    }

    /// Puts a guide of the selected structure in place of the one on the same plane; one without
    /// outlines takes it away.
    pub fn put_guide(&mut self, session: &Session, guide: Guide) {
        let Some(roi) = session.selected().map(|roi| roi.id) else { return };
        self.remember(session, roi);
        let own = self.guides.entry(roi).or_default();
        own.retain(|other| !other.plane.coincides(&guide.plane, SAME_PLANE_MM));
        if !guide.polygons.is_empty() {
            own.push(guide);
        }
        self.changes += 1;
    }

    /// Takes the selected structure's guides away; whether there were any.
    pub fn clear_guides(&mut self, session: &Session) -> bool {
        let Some(roi) = session.selected().map(|roi| roi.id) else { return false };
        if self.guides.get(&roi).is_none_or(Vec::is_empty) {
            return false;
        }
        self.remember(session, roi);
        self.guides.remove(&roi);
        self.changes += 1;
        true
    }

    /// Takes back the last change of guides, where no contour has changed since; whether it did.
    pub fn take_back_guide(&mut self, session: &Session) -> bool {
        let is_last = |(_, _, revision): &(RoiId, Vec<Guide>, u64)| *revision == session.revision();
        if !self.on || !self.earlier.last().is_some_and(is_last) {
            return false;
        }
        let Some((roi, guides, _)) = self.earlier.pop() else { return false };
        self.guides.insert(roi, guides);
        self.changes += 1;
        true
    }

    fn remember(&mut self, session: &Session, roi: RoiId) {
        let own = self.guides.get(&roi).cloned().unwrap_or_default();
        self.earlier.push((roi, own, session.revision()));
    }

    /// Whether a surface is being worked out.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.work.progress().is_some()
    }

    /// Waits for what is being worked out; for tests and scripts.
    pub fn settle(&mut self, session: &Session) {
        self.update(session);
        if let Some(done) = self.work.wait() {
            self.finish(session, done);
        }
    }

    /// Follows the selected structure, its contours and guides; whether anything new is suggested.
    /// Costs nothing while nothing has changed.
    pub fn update(&mut self, session: &Session) -> bool {
        let done = self.work.poll();
        let has_come = done.is_some();
        if let Some(done) = done {
            self.finish(session, done);
        }
        let roi = session.selected().filter(|_| self.on);
        let seen = roi.map(|roi| (roi.id, roi.revision, self.changes));
        if seen == self.seen {
            return has_come;
        }
        self.seen = seen;
        self.work.stop();
        self.suggestion = None;
        self.note = None;
        let Some(roi) = roi else {
            self.gaps.clear();
            return true;
        };
        if let Err(refusal) = session.may_draw(Some(roi.id), None) {
            self.note = Some(refusal.to_string());
            self.gaps.clear();
            return true;
        }
        if self.guides.get(&roi.id).is_some_and(|guides| !guides.is_empty()) {
            self.gaps.clear();
            self.follow_guides(session, roi);
        } else {
            self.made = None;
            self.fill_gaps(session, roi);
        }
        true
    }

    fn fill_gaps(&mut self, session: &Session, roi: &Roi) {
        let volume = &session.series().volume;
        let known = std::mem::take(&mut self.gaps);
        self.gaps = gaps(roi, volume)
            .into_par_iter()
            .map(|gap| {
                let filled =
                    known.iter().find(|(own, _)| own.is_same(&gap)).map(|(_, filled)| filled.clone());
                let filled = filled.unwrap_or_else(|| gap.fill(volume));
                (gap, filled)
            })
            .collect();
        let missing = self.gaps.iter().filter(|(gap, _)| gap.has_missing_slice(volume)).count();
        let planes: Vec<_> = self.gaps.iter().flat_map(|(_, filled)| filled.clone()).collect();
        self.note = match (self.gaps.len(), missing) {
            (0, _) => Some(
                "No slice lies between drawn ones: draw another a few slices away, or an outline in a \
                 view across."
                    .to_owned(),
            ),
            (_, 0) => None,
            (_, 1) => Some("A gap with a missing slice was left out.".to_owned()),
            (_, count) => Some(format!("{count} gaps with missing slices were left out.")),
        };
        self.suggestion = (!planes.is_empty()).then(|| Suggestion::new(roi, GESTURE, planes));
    }

    fn follow_guides(&mut self, session: &Session, roi: &Roi) {
        let volume = Arc::clone(&session.series().volume);
        let drawn = drawn_slices(roi, &volume);
        if let Some(rest) = self.not_taken(roi.id, &drawn) {
            self.suggestion = (!rest.is_empty()).then(|| Suggestion::new(roi, GESTURE, rest));
            return;
        }
        self.made = None;
        let guides = self.guides.get(&roi.id).cloned().unwrap_or_default();
        let of = (roi.id, roi.revision, self.changes);
        let started = self.work.start("between", move |progress| {
            let result = guided(&drawn, &guides, &volume, progress);
            (of, drawn, result)
        });
        if let Err(error) = started {
            self.note = Some(format!("Nothing was worked out: no thread could be started ({error})."));
        }
    }

    /// What was suggested and has not been taken over, when nothing else has happened since.
    fn not_taken(&self, roi: RoiId, drawn: &Slices) -> Option<Slices> {
        let made = self.made.as_ref().filter(|made| made.roi == roi && made.guides == self.changes)?;
        let holds = |list: &Slices, (slice, plane): &(usize, Arc<RoiPlane>)| {
            list.iter().any(|(own, other)| {
                own == slice && (Arc::ptr_eq(other, plane) || same_polygons(&other.polygons, &plane.polygons))
            })
        };
        let only_taken = drawn.iter().all(|own| holds(&made.drawn, own) || holds(&made.slices, own));
        let all_kept = made.drawn.iter().all(|own| holds(drawn, own));
        (only_taken && all_kept).then(|| {
            made.slices
                .iter()
                .filter(|(slice, _)| drawn.iter().all(|(own, _)| own != slice))
                .cloned()
                .collect()
        })
    }

    fn finish(
        &mut self,
        session: &Session,
        done: Result<(Seen, Slices, Result<Guided, GuidedError>), Failed>,
    ) {
        let Ok((of, drawn, result)) = done else {
            self.note = Some("No surface could be made of these outlines. Draw them again.".to_owned());
            return;
        };
        let roi =
            session.selected().filter(|roi| self.seen == Some(of) && (roi.id, roi.revision) == (of.0, of.1));
        let Some(roi) = roi else { return };
        match result {
            Ok(found) => {
                let slices = found.slices;
                self.note = (found.disagree_mm > WORTH_TELLING_MM).then(|| {
                    format!(
                        "A guide passes a drawn contour by {:.1} mm; the contour counts.",
                        found.disagree_mm
                    )
                });
                self.suggestion =
                    (!slices.is_empty()).then(|| Suggestion::new(roi, GESTURE, slices.iter().cloned()));
                self.made = Some(Made { roi: of.0, guides: of.2, drawn, slices });
            }
            Err(why) => self.note = Some(why.to_string()),
        }
    }
}

/// The outlines of the guide on a view's plane, in its coordinates; none where there is no guide.
pub(super) fn guide_on(guides: &[Guide], plane: &Plane) -> Vec<crate::geometry::Polygon> {
    let on = guides.iter().find(|guide| guide.plane.coincides(plane, SAME_PLANE_MM));
    on.map_or_else(Vec::new, |guide| crate::edit::reoriented(&guide.polygons, &guide.plane, plane))
}
