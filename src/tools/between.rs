//! Between slices: as long as it is on, what the shape would be on slices without contours is shown.
//! Drawing on a slice, or taking it over, makes it one more drawn slice.
//!
//! From contours on slices alone every gap between drawn slices is blended, and only the gaps beside a
//! change are worked out again. What is drawn in views across the slices meanwhile becomes guide
//! outlines of the structure ([`Guide`], kept by the session as every other edit is); with any, a
//! surface through all that is drawn takes the blend's place, worked out on a thread of its own. What
//! was suggested by it stays as it is while it is taken over slice by slice.

use super::Suggestion;
use super::work::{Failed, Work};
use crate::edit::{Gap, Guided, GuidedError, drawn_slices, gaps, guided, same_polygons};
use crate::geometry::{Plane, Polygon};
use crate::patient::{Guide, Roi, RoiId, RoiPlane};
use crate::session::Session;
use rayon::prelude::*;
use std::sync::Arc;

/// Guides that pass drawn contours by more than this are told of, mm.
const WORTH_TELLING_MM: f64 = 2.0;

const GESTURE: &str = "Between slices";

type Slices = Vec<(usize, Arc<RoiPlane>)>;
type Filled = (Gap, Slices);

/// A structure as it was looked at.
#[derive(Debug)]
struct Seen {
    roi: RoiId,
    revision: u64,
    guides: Vec<Arc<Guide>>,
}

impl Seen {
    fn of(roi: &Roi) -> Self {
        Self { roi: roi.id, revision: roi.revision, guides: roi.guides.clone() }
    }

    /// Whether the structure is still as it was.
    fn is(&self, roi: &Roi) -> bool {
        (self.roi, self.revision) == (roi.id, roi.revision) && are_same(&self.guides, &roi.guides)
    }
}

/// Whether guides are the very same objects: they are immutable, so nothing else need be compared.
fn are_same(some: &[Arc<Guide>], others: &[Arc<Guide>]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(own, other)| Arc::ptr_eq(own, other))
}

/// What guides have led to.
#[derive(Debug)]
struct Made {
    roi: RoiId,
    guides: Vec<Arc<Guide>>,
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
    work: Work<(Seen, Slices, Result<Guided, GuidedError>)>,
    made: Option<Made>,
}

impl BetweenSlices {
    /// Whether it is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Turns it on or off. Guides stay with their structures.
    pub fn set_on(&mut self, on: bool) {
        self.work.stop();
        *self = Self { on, ..Self::default() };
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
    pub fn guides<'a>(&self, session: &'a Session) -> Option<&'a [Arc<Guide>]> {
        session.selected().filter(|_| self.on).map(|roi| roi.guides.as_slice())
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
        let is_seen = match (&self.seen, roi) {
            (Some(seen), Some(roi)) => seen.is(roi),
            (seen, roi) => seen.is_none() && roi.is_none(),
        };
        if is_seen {
            return has_come;
        }
        self.seen = roi.map(|roi| Seen::of(roi));
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
        if roi.guides.is_empty() {
            self.made = None;
            self.fill_gaps(session, roi);
        } else {
            self.gaps.clear();
            self.follow_guides(session, roi);
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
        if let Some(rest) = self.not_taken(roi, &drawn) {
            self.suggestion = (!rest.is_empty()).then(|| Suggestion::new(roi, GESTURE, rest));
            return;
        }
        self.made = None;
        let guides: Vec<Guide> = roi.guides.iter().map(|guide| Guide::clone(guide)).collect();
        let of = Seen::of(roi);
        let started = self.work.start("between", move |progress| {
            let result = guided(&drawn, &guides, &volume, progress);
            (of, drawn, result)
        });
        if let Err(error) = started {
            self.note = Some(format!("Nothing was worked out: no thread could be started ({error})."));
        }
    }

    /// What was suggested and has not been taken over, when nothing else has happened since.
    fn not_taken(&self, roi: &Roi, drawn: &Slices) -> Option<Slices> {
        let made = self.made.as_ref()?;
        if made.roi != roi.id || !are_same(&made.guides, &roi.guides) {
            return None;
        }
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
        let is_wanted = |roi: &&Arc<Roi>| of.is(roi) && self.seen.as_ref().is_some_and(|seen| seen.is(roi));
        let Some(roi) = session.selected().filter(is_wanted) else { return };
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
                self.made = Some(Made { roi: of.roi, guides: of.guides, drawn, slices });
            }
            Err(why) => self.note = Some(why.to_string()),
        }
    }
}

/// The outlines of the guide on a view's plane, in its coordinates; none where there is no guide.
pub(super) fn guide_on(guides: &[Arc<Guide>], plane: &Plane) -> Vec<Polygon> {
    let on = guides.iter().find(|guide| guide.is_on(plane));
    on.map_or_else(Vec::new, |guide| crate::edit::reoriented(&guide.polygons, &guide.plane, plane))
}
