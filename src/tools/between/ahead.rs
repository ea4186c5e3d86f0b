//! What a guide being drawn would lead to, while its line is drawn.
//!
//! A surface takes a few hundred milliseconds at most, a line has a new point every few: the latest line is
//! worked on when the one before it is done, on a thread of its own. Nothing of it can be taken over; when
//! the line ends as it was last worked on, its surface is what is suggested then ([`Ahead::take_made`]).

use super::super::region::GuideLine;
use super::super::suggestion::{Slices, let_through};
use super::super::work::{Failed, Work};
use super::made::{Made, Seen, holds_same};
use super::{FAILED, GESTURE, Suggestion, guide_on};
use crate::edit::{GuidedError, drawn_slices};
use crate::patient::{Guide, Roi, Volume};
use crate::progress::Progress;
use crate::session::{Overwrite, Session};
use std::sync::Arc;

/// What has come of a line: the surface, or why there is none; nothing where it changes no guide.
type Outcome = Option<Result<Made, GuidedError>>;

/// What a guide being drawn would lead to.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The line as it is now.
    line: Option<GuideLine>,
    /// How far what it leads to is moved to edges, mm; `None` not at all.
    snap_mm: Option<f64>,
    /// Whether line or snapping are others than those which are worked on.
    again: bool,
    work: Work<(Seen, Outcome)>,
    made: Option<Made>,
    shown: Option<Suggestion>,
    /// What the gate depends on, as it was when it was asked for what is shown; `None` where what was made last
    /// is not to be shown.
    gate: Option<(u64, Overwrite)>,
    note: Option<String>,
}

impl Ahead {
    /// Whether a guide is being drawn, long enough to enclose something.
    pub(super) fn is_on(&self) -> bool {
        self.line.is_some()
    }

    /// What it would lead to, as far as it has been worked out.
    pub(super) fn shown(&self) -> Option<&Suggestion> {
        self.shown.as_ref()
    }

    /// Why it would lead to less, or to nothing.
    pub(super) fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Whether anything is being worked out.
    pub(super) fn is_waiting(&self) -> bool {
        self.work.progress().is_some()
    }

    /// Follows the line; `None` when none is drawn any more. One that encloses nothing (any more) leads to
    /// nothing.
    pub(super) fn follow(&mut self, session: &Session, line: Option<GuideLine>, snap_mm: Option<f64>) {
        let Some(line) = line.filter(GuideLine::encloses) else {
            self.leave();
            return;
        };
        if self.line.as_ref() == Some(&line) && self.snap_mm == snap_mm {
            return;
        }
        self.line = Some(line);
        self.work_out(session, snap_mm);
    }

    /// Works on the line, after what is worked on.
    fn work_out(&mut self, session: &Session, snap_mm: Option<f64>) {
        self.snap_mm = snap_mm;
        if self.is_waiting() {
            self.again = true;
        } else {
            self.start(session, snap_mm);
        }
    }

    /// The line has ended; the surface it led to last is kept for [`Self::take_made`].
    pub(super) fn leave(&mut self) {
        self.work.stop();
        self.line = None;
        self.again = false;
        (self.shown, self.gate) = (None, None);
        self.note = None;
    }

    /// Forgets all.
    pub(super) fn forget(&mut self) {
        self.leave();
        self.made = None;
    }

    /// The surface through what a structure has now, if that is what was last worked out.
    pub(super) fn take_made(&mut self, roi: &Roi, drawn: &Slices, snap_mm: Option<f64>) -> Option<Made> {
        let made = self.made.take()?;
        let same_guides = made.guides.len() == roi.guides.len()
            && made.guides.iter().zip(&roi.guides).all(|(own, other)| own == other);
        let same_drawn =
            made.drawn.len() == drawn.len() && drawn.iter().all(|own| holds_same(&made.drawn, own));
        let is_same = made.roi == roi.id && same_guides && same_drawn && made.snap_mm == snap_mm;
        is_same.then(|| Made { guides: roi.guides.clone(), ..made })
    }

    /// Takes what has been worked out, follows another snapping, and asks the gate again where it, or what may
    /// be overwritten, has changed; whether anything new is shown.
    pub(super) fn update(&mut self, session: &Session, snap_mm: Option<f64>) -> bool {
        let done = self.work.poll();
        let has_come = done.is_some();
        if let Some(done) = done {
            self.finish(session, done, snap_mm);
        }
        if self.line.is_some() && self.snap_mm != snap_mm {
            self.work_out(session, snap_mm);
        }
        let is_by_now = self.gate.is_none_or(|own| own == (session.revision(), session.overwrite()));
        let asks =
            !is_by_now && self.made.as_ref().map(|made| made.roi) == session.selected().map(|roi| roi.id);
        if asks {
            self.ask(session);
        }
        has_come || asks
    }

    /// Shows what the gate lets through of what was made last.
    fn ask(&mut self, session: &Session) {
        self.gate = Some((session.revision(), session.overwrite()));
        let (Some(made), Some(roi)) = (&self.made, session.selected()) else { return };
        let through = let_through(session, roi, made.slices.clone());
        let is_any = !through.slices.is_empty();
        self.shown = is_any.then(|| Suggestion::new(session, roi, GESTURE, through));
    }

    /// Waits for what is being worked out; for tests and scripts.
    pub(super) fn settle(&mut self, session: &Session, snap_mm: Option<f64>) {
        while let Some(done) = self.work.wait() {
            self.finish(session, done, snap_mm);
        }
    }

    fn start(&mut self, session: &Session, snap_mm: Option<f64>) {
        self.again = false;
        self.snap_mm = snap_mm;
        let (Some(line), Some(roi)) = (self.line.clone(), session.selected()) else { return };
        let volume = Arc::clone(&session.series().volume);
        let (of, roi) = (Seen::of(roi), Arc::clone(roi));
        let started = self.work.start("guide ahead", move |progress| {
            let outcome = outcome(&line, &roi, &volume, snap_mm, progress);
            (of, outcome)
        });
        if let Err(error) = started {
            self.note = Some(format!("Nothing was worked out: no thread could be started ({error})."));
        }
    }

    fn finish(&mut self, session: &Session, done: Result<(Seen, Outcome), Failed>, snap_mm: Option<f64>) {
        let roi = session.selected();
        self.gate = None;
        match (done, roi) {
            (Ok((of, outcome)), Some(roi)) if of.is(roi) => match outcome {
                Some(Ok(made)) => {
                    self.note = made.note();
                    self.made = Some(made);
                    self.ask(session);
                }
                Some(Err(why)) => {
                    self.note = Some(why.to_string());
                    self.shown = None;
                }
                None => (self.shown, self.note) = (None, None),
            },
            (Err(Failed), _) => (self.shown, self.note) = (None, Some(FAILED.to_owned())),
            (Ok(_), _) => (self.shown, self.note) = (None, None),
        }
        if self.again {
            self.start(session, snap_mm);
        }
    }
}

/// What the line leads to on a structure.
fn outcome(
    line: &GuideLine,
    roi: &Roi,
    volume: &Volume,
    snap_mm: Option<f64>,
    progress: &Progress,
) -> Outcome {
    let before = guide_on(&roi.guides, &line.plane);
    let polygons = line.after(&before)?;
    let guides = with_guide(&roi.guides, Guide { plane: line.plane, polygons });
    if guides.is_empty() {
        return None;
    }
    let of = Seen { guides, ..Seen::of(roi) };
    Some(Made::through(&of, drawn_slices(roi, volume), volume, snap_mm, progress))
}

/// The guides with another one on its plane, in the order that the session gives them.
fn with_guide(guides: &[Arc<Guide>], guide: Guide) -> Vec<Arc<Guide>> {
    let place = guides.iter().position(|own| own.is_on(&guide.plane)).unwrap_or(guides.len());
    let mut all: Vec<Arc<Guide>> =
        guides.iter().filter(|own| !own.is_on(&guide.plane)).map(Arc::clone).collect();
    if !guide.polygons.is_empty() {
        all.insert(place.min(all.len()), Arc::new(guide));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::Sign;
    use crate::geometry::{Plane, Point3, Vector3};
    use crate::session::fixture::{axial_series, session_with};
    use crate::tools::region::GuideDeed;

    #[test]
    fn a_failure_is_said_and_what_changes_no_guide_takes_what_was_said_away() {
        let session = session_with(axial_series(), &["Liver"]);
        let plane = Plane::new(Point3::origin(), Vector3::y(), Vector3::z()).unwrap();
        let corners = [[-10.0, 10.0], [10.0, 10.0], [0.0, 40.0]];
        let path = corners.map(|[y, z]| Point3::new(0.0, y, z));
        let line = |points| GuideLine::new(&plane, points, GuideDeed::Encloses(Sign::Add));
        let mut ahead = Ahead::default();
        ahead.follow(&session, Some(line(&path)), None);
        ahead.settle(&session, None);
        assert!(ahead.note().is_some_and(|note| note.starts_with("One direction")), "{:?}", ahead.note());
        ahead.finish(&session, Err(Failed), None);
        assert_eq!(ahead.note(), Some(FAILED));
        // A line that replaces a part of a guide finds none.
        let seen = Seen::of(session.selected().unwrap());
        ahead.finish(&session, Ok((seen, None)), None);
        assert!(ahead.note().is_none() && ahead.shown().is_none());
        // What is too short leads to nothing, and none of it is waited for.
        ahead.follow(&session, Some(line(&path)), Some(4.0));
        assert!(ahead.is_on() && ahead.is_waiting(), "another snapping is another question");
        ahead.follow(&session, Some(line(&path[..2])), Some(4.0));
        assert!(!ahead.is_on() && !ahead.is_waiting());
    }
}
