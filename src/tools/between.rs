//! Between slices: as long as it is on, what the shape would be on slices without contours is shown.
//! Drawing on a slice, or taking it over, makes it one more drawn slice.
//!
//! From contours on slices alone every gap between drawn slices is blended, and only the gaps beside a
//! change are worked out again. What is drawn in views across the slices meanwhile becomes guide
//! outlines of the structure ([`Guide`], kept by the session as every other edit is); with any, a
//! surface through all that is drawn takes the blend's place, worked out on a thread of its own. What
//! was suggested by it stays as it is while it is taken over slice by slice.
//!
//! While a guide is being drawn, what it would lead to is worked out in the same way ([`Ahead`]) and shown
//! in place of what is suggested; it becomes that when the line ends as it was.
//!
//! With snapping on, what is suggested is moved to image edges like those under the drawn contours
//! ([`snapped`]), on that thread too; until that is done the slices that wait for it have nothing, so
//! that nothing else is taken over in its place. What was there before it is kept beside it.
//!
//! Of all that only what the gate lets through is suggested: where it ends at other structures is seen
//! before it is taken over. The blend and the surface themselves know nothing of others, so that they need
//! not be worked out again when these change.

mod ahead;
mod made;

use self::ahead::Ahead;
use self::made::{Made, Seen, is_on};
use super::Suggestion;
use super::region::GuideLine;
use super::suggestion::{Offer, Slices};
use super::work::{Failed, Work};
use crate::edit::{Gap, GuidedError, drawn_slices, gaps, snapped};
use crate::geometry::{Plane, Polygon};
use crate::patient::{Guide, Roi};
use crate::progress::{Cancelled, Progress};
use crate::session::Session;
use rayon::prelude::*;
use std::sync::Arc;

const GESTURE: &str = "Between slices";

/// What is said where the work ended without a result.
const FAILED: &str = "No surface could be made of these outlines. Draw them again.";

/// How far an edge is looked for at first, mm.
const REACH_MM: f64 = 4.0;
/// How far it can be looked for, mm.
const REACHES_MM: std::ops::RangeInclusive<f64> = 1.0..=10.0;

/// A gap with the contours between.
#[derive(Debug, Clone)]
struct Filled {
    gap: Gap,
    plain: Slices,
    /// Moved to edges; `None` until that is done.
    snapped: Option<Slices>,
}

/// What a thread has worked out.
#[derive(Debug)]
enum Done {
    /// Gaps whose contours were moved to edges.
    Gaps(Vec<Filled>),
    /// A surface through contours and guides.
    Surface(Result<Made, GuidedError>),
}

/// Suggests contours between drawn slices.
#[derive(Debug)]
pub struct BetweenSlices {
    on: bool,
    snaps: bool,
    snap_reach_mm: f64,
    gaps: Vec<Filled>,
    seen: Option<Seen>,
    offer: Offer,
    note: Option<String>,
    work: Work<(Seen, Done)>,
    made: Option<Made>,
    /// What the guide being drawn would lead to.
    ahead: Ahead,
}

impl Default for BetweenSlices {
    fn default() -> Self {
        Self {
            on: false,
            snaps: false,
            snap_reach_mm: REACH_MM,
            gaps: Vec::new(),
            seen: None,
            offer: Offer::default(),
            note: None,
            work: Work::default(),
            made: None,
            ahead: Ahead::default(),
        }
    }
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
        self.ahead.forget();
        let (snaps, snap_reach_mm) = (self.snaps, self.snap_reach_mm);
        *self = Self { on, snaps, snap_reach_mm, ..Self::default() };
    }

    /// Whether what is suggested is moved to image edges.
    #[must_use]
    pub fn snaps(&self) -> bool {
        self.snaps
    }

    /// Sets whether what is suggested is moved to image edges.
    pub fn set_snaps(&mut self, snaps: bool) {
        if self.snaps != snaps {
            self.snaps = snaps;
            self.look_again();
        }
    }

    /// How far an outline is moved at most, mm.
    #[must_use]
    pub fn snap_reach_mm(&self) -> f64 {
        self.snap_reach_mm
    }

    /// Sets how far an outline is moved at most, held to 1 to 10 mm; what is no number changes nothing.
    pub fn set_snap_reach_mm(&mut self, reach_mm: f64) {
        let reach_mm = reach_mm.clamp(*REACHES_MM.start(), *REACHES_MM.end());
        if !reach_mm.is_nan() && reach_mm.to_bits() != self.snap_reach_mm.to_bits() {
            self.snap_reach_mm = reach_mm;
            self.gaps.iter_mut().for_each(|own| own.snapped = None);
            if self.snaps {
                self.look_again();
            }
        }
    }

    fn snap_mm(&self) -> Option<f64> {
        self.snaps.then_some(self.snap_reach_mm)
    }

    /// Has the next update suggest anew, from what is known.
    fn look_again(&mut self) {
        self.work.stop();
        self.seen = None;
    }

    /// What is suggested, as [`Self::update`] last worked it out.
    #[must_use]
    pub fn suggestion(&self) -> Option<&Suggestion> {
        self.offer.suggestion()
    }

    /// Why less than everything, or nothing, is suggested, or would be by the guide being drawn; for the
    /// strip.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.ahead.note().or(self.note.as_deref())
    }

    /// What the guide being drawn would lead to if its line ended now, as far as it has been worked out:
    /// to be shown, not to be taken over. `None` while none is drawn.
    #[must_use]
    pub fn ahead(&self) -> Option<&Suggestion> {
        self.ahead.shown()
    }

    /// Whether a guide is being drawn.
    #[must_use]
    pub fn draws_guide(&self) -> bool {
        self.ahead.is_on()
    }

    /// Follows the line of a guide being drawn; `None` while none is. Costs a pointer event nothing: the
    /// work is done on a thread, for the latest line when it is free.
    pub(super) fn follow_line(&mut self, session: &Session, line: Option<GuideLine>) {
        let snap_mm = self.snap_mm();
        self.ahead.follow(session, line, snap_mm);
    }

    /// Forgets the line being drawn.
    pub(super) fn forget_line(&mut self) {
        self.ahead.leave();
    }

    /// The guide outlines of the selected structure; `None` while it is off or none is selected.
    #[must_use]
    pub fn guides<'a>(&self, session: &'a Session) -> Option<&'a [Arc<Guide>]> {
        session.selected().filter(|_| self.on).map(|roi| roi.guides.as_slice())
    }

    /// Whether a surface, or a place at an edge, is being worked out.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.work.progress().is_some() || self.ahead.is_waiting()
    }

    /// Waits for what is being worked out; for tests and scripts.
    pub fn settle(&mut self, session: &Session) {
        self.update(session);
        if let Some(done) = self.work.wait() {
            self.finish(session, done);
        }
        let snap_mm = self.snap_mm();
        self.ahead.settle(session, snap_mm);
    }

    /// Follows the selected structure, its contours and guides; whether anything new is suggested.
    /// Costs nothing while nothing has changed.
    pub fn update(&mut self, session: &Session) -> bool {
        let snap_mm = self.snap_mm();
        let has_come = self.ahead.update(session, snap_mm);
        let done = self.work.poll();
        let has_come = has_come || done.is_some();
        if let Some(done) = done {
            self.finish(session, done);
        }
        let roi = session.selected().filter(|_| self.on);
        let is_seen = match (&self.seen, roi) {
            (Some(seen), Some(roi)) => seen.is(roi),
            (seen, roi) => seen.is_none() && roi.is_none(),
        };
        if is_seen {
            return self.follow_gate(session) || has_come;
        }
        self.seen = roi.map(|roi| Seen::of(roi));
        self.work.stop();
        self.offer.clear();
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
                let filled = known.iter().find(|own| own.gap.is_same(&gap)).cloned();
                filled.unwrap_or_else(|| Filled { plain: gap.fill(volume), gap, snapped: None })
            })
            .collect();
        let missing = self.gaps.iter().filter(|own| own.gap.has_missing_slice(volume)).count();
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
        self.suggest_gaps(session, roi);
        let Some(reach_mm) = self.snap_mm() else { return };
        let waiting = |own: &&Filled| own.snapped.is_none() && !own.plain.is_empty();
        let mut waiting: Vec<Filled> = self.gaps.iter().filter(waiting).cloned().collect();
        if waiting.is_empty() {
            return;
        }
        let volume = Arc::clone(volume);
        self.start(Seen::of(roi), move |progress| {
            // Stopped: nobody listens.
            let _ = waiting.par_iter_mut().try_for_each(|own| {
                let ends = [own.gap.below.clone(), own.gap.above.clone()];
                own.snapped = Some(snapped(&own.plain, &ends, &volume, reach_mm, progress)?);
                Ok::<(), Cancelled>(())
            });
            Done::Gaps(waiting)
        });
    }

    /// Suggests what is known of the gaps.
    fn suggest_gaps(&mut self, session: &Session, roi: &Roi) {
        let snaps = self.snaps;
        let known = |own: &Filled| if snaps { own.snapped.clone() } else { Some(own.plain.clone()) };
        let slices: Slices = self.gaps.iter().filter_map(known).flatten().collect();
        self.suggest(session, roi, slices);
    }

    /// Suggests what the gate lets through of these.
    fn suggest(&mut self, session: &Session, roi: &Roi, slices: Slices) {
        self.offer.put(session, roi, GESTURE, slices);
        self.remember_offer();
    }

    fn remember_offer(&mut self) {
        if let (Some(made), Some(suggestion)) = (&mut self.made, self.offer.suggestion()) {
            made.offer(&suggestion.planes());
        }
    }

    /// Lets what is suggested through the gate again when others, or what may be overwritten, have changed;
    /// whether that changes what is suggested.
    fn follow_gate(&mut self, session: &Session) -> bool {
        let Some(roi) = session.selected().filter(|_| self.on) else { return false };
        let changes = self.offer.follow_gate(session, roi);
        if changes {
            self.remember_offer();
        }
        changes
    }

    fn follow_guides(&mut self, session: &Session, roi: &Roi) {
        let volume = Arc::clone(&session.series().volume);
        let drawn = drawn_slices(roi, &volume);
        let snap_mm = self.snap_mm();
        let known = self.made.as_ref().and_then(|made| made.not_taken(roi, &drawn));
        if let (Some(rest), Some(made)) = (&known, &self.made)
            && made.snap_mm == snap_mm
        {
            let rest = rest.clone();
            self.suggest(session, roi, rest);
            return;
        }
        // Only where it lies beside edges has changed: what was taken over is drawn by now.
        let rest = self.made.take().filter(|_| known.is_some()).map(|made| {
            let plain: Slices = made.plain.into_iter().filter(|own| !is_on(&drawn, own.0)).collect();
            let slices = plain.clone();
            Made { drawn: drawn.clone(), plain, slices, snap_mm: None, ..made }
        });
        self.made.clone_from(&rest);
        match rest {
            Some(rest) if snap_mm.is_none() => self.suggest(session, roi, rest.slices),
            Some(rest) => {
                let rest = Made { snap_mm, ..rest };
                self.start(Seen::of(roi), move |progress| {
                    Done::Surface(rest.snapped(&volume, progress).map_err(GuidedError::from))
                });
            }
            None => {
                // It may have been worked out while the line was drawn.
                if let Some(made) = self.ahead.take_made(roi, &drawn, snap_mm) {
                    self.take(session, roi, made);
                    return;
                }
                let of = Seen::of(roi);
                self.start(Seen::of(roi), move |progress| {
                    Done::Surface(Made::through(&of, drawn, &volume, snap_mm, progress))
                });
            }
        }
    }

    fn start(&mut self, of: Seen, work: impl FnOnce(&Progress) -> Done + Send + 'static) {
        let started = self.work.start("between", move |progress| (of, work(progress)));
        if let Err(error) = started {
            self.note = Some(format!("Nothing was worked out: no thread could be started ({error})."));
        }
    }

    /// Suggests a surface that has been made.
    fn take(&mut self, session: &Session, roi: &Roi, made: Made) {
        self.note = made.note();
        let slices = made.slices.clone();
        self.made = Some(made);
        self.suggest(session, roi, slices);
    }

    fn finish(&mut self, session: &Session, done: Result<(Seen, Done), Failed>) {
        let Ok((of, done)) = done else {
            self.note = Some(FAILED.to_owned());
            return;
        };
        let is_wanted = |roi: &&Arc<Roi>| of.is(roi) && self.seen.as_ref().is_some_and(|seen| seen.is(roi));
        let Some(roi) = session.selected().filter(is_wanted) else { return };
        match done {
            Done::Gaps(found) => {
                for own in found {
                    let known = self.gaps.iter_mut().find(|known| known.gap.is_same(&own.gap));
                    if let Some(known) = known {
                        known.snapped = own.snapped;
                    }
                }
                self.suggest_gaps(session, roi);
            }
            Done::Surface(Ok(made)) => self.take(session, roi, made),
            Done::Surface(Err(why)) => self.note = Some(why.to_string()),
        }
    }
}

/// The outlines of the guide on a view's plane, in its coordinates; none where there is no guide.
pub(super) fn guide_on(guides: &[Arc<Guide>], plane: &Plane) -> Vec<Polygon> {
    let on = guides.iter().find(|guide| guide.is_on(plane));
    on.map_or_else(Vec::new, |guide| crate::edit::reoriented(&guide.polygons, &guide.plane, plane))
}
