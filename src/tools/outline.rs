//! What outlines drawn by clicks have in common, polygon and curve or live-wire: how close a click counts
//! as one on an anchor, the words for the plane that one lies on, and the one that Esc dropped or that was
//! closed last. That one can be had back with all its points while nothing was done since: a dropped one
//! by undo, a closed one by a step of its own, for undo takes back what was drawn and no more.

use super::canvas::Cut;
use super::hint::{Deed, Hint, KeyHint};
use super::{Reaction, ShapeKind, ToolKind, Tools, ViewPlane, livewire, shape};
use crate::geometry::{Plane, Vector3};
use crate::patient::{RoiId, signed};
use crate::session::Session;

/// How close to an anchor counts as on it, screen pixels.
pub(super) const NEAR_PIXELS: f64 = 8.0;
/// How close the second press of a double click comes to the first, screen pixels.
pub(super) const TWICE_PIXELS: f64 = 3.0;
/// From so many clicks on a dropped outline is worth keeping.
pub(super) const KEPT_CLICKS: usize = 2;
/// The cosine from which on a plane is one of the patient's.
const ALONG: f64 = 1.0 - 1.5e-6;

/// What is said of the one that can be had back.
pub(super) const REOPEN: &[KeyHint] = &[(&[Deed::Reopen], "opens the last one again, with its points")];

/// The words for where an outline lies: its slice, or the plane of a view across the slices.
pub(super) fn place_of(view: &ViewPlane, cut: Cut) -> String {
    match cut {
        Cut::Along(slice) => format!("slice {}", slice + 1),
        Cut::Across => plane_words(&view.plane),
    }
}

fn plane_words(plane: &Plane) -> String {
    let named =
        [(Vector3::x(), "sagittal", "x"), (Vector3::y(), "coronal", "y"), (Vector3::z(), "axial", "z")];
    let along = |axis: &Vector3| plane.normal().dot(axis);
    match named.into_iter().find(|(axis, ..)| along(axis).abs() > ALONG) {
        Some((axis, name, letter)) => {
            let at = signed(&format!("{:.1}", plane.offset_mm() * along(&axis).signum()));
            format!("the {name} plane at {letter} {at} mm")
        }
        None => "a turned plane".to_owned(),
    }
}

/// What a press on another plane is told.
pub(super) fn is_elsewhere(view: &ViewPlane, cut: Cut) -> String {
    let place = place_of(view, cut);
    format!("The outline is on {place}. Go back there to go on with it; Esc drops it.")
}

/// An outline by its clicks.
#[derive(Debug)]
pub(super) enum Clicks {
    /// A polygon or a curve.
    Shape(ShapeKind, Box<shape::Drawing>),
    /// A live-wire.
    Wire(Box<livewire::Drawing>),
}

/// How an outline ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Esc dropped it.
    Dropped,
    /// It was closed, which is the last step done.
    Closed,
}

/// The outline that ended last.
#[derive(Debug)]
pub(super) struct Kept {
    clicks: Clicks,
    /// The structure it was drawn on.
    roi: RoiId,
    /// The session's revision when it ended, and the number of steps done then.
    revision: u64,
    done: usize,
    /// The step that closing it would be.
    closed_as: Option<&'static str>,
}

impl Kept {
    /// One that Esc drops; `None` where it is not worth keeping.
    pub(super) fn dropped(session: &Session, clicks: Clicks, count: usize) -> Option<Self> {
        if count < KEPT_CLICKS { None } else { Self::new(session, clicks, None) }
    }

    /// One that is being closed.
    pub(super) fn closed(session: &Session, clicks: Clicks) -> Option<Self> {
        let gesture = match &clicks {
            Clicks::Shape(kind, _) => kind.gesture(),
            Clicks::Wire(_) => livewire::GESTURE,
        };
        Self::new(session, clicks, Some(gesture))
    }

    fn new(session: &Session, clicks: Clicks, closed_as: Option<&'static str>) -> Option<Self> {
        let roi = session.selected()?.id;
        let (revision, done) = (session.revision(), session.history().done());
        Some(Self { clicks, roi, revision, done, closed_as })
    }

    /// How it ended, where it can be had back: on the structure it was drawn on, with nothing done since,
    /// or nothing but the closing.
    pub(super) fn ended(&self, session: &Session) -> Option<Ended> {
        let roi = session.selected().filter(|roi| roi.id == self.roi)?;
        match self.closed_as {
            None => (session.revision() == self.revision).then_some(Ended::Dropped),
            Some(gesture) => {
                let steps = [gesture, "Guide outline"].map(|step| format!("{step} on {}", roi.name));
                let is_last = session.history().done() == self.done + 1
                    && session.undo_name().is_some_and(|name| steps.iter().any(|step| step == name));
                is_last.then_some(Ended::Closed)
            }
        }
    }

    /// Its clicks.
    pub(super) fn into_clicks(self) -> Clicks {
        self.clicks
    }
}

impl Tools {
    /// The plane that an outline under way lies on, and the words for it ("slice 11"); `None` without one.
    /// It is seen where a view shows that plane, and goes on there only.
    #[must_use]
    pub fn outline(&self) -> Option<(&Plane, String)> {
        match self.kind {
            ToolKind::Shape => self.shape.place(),
            ToolKind::LiveWire => self.live_wire.place(),
            _ => None,
        }
    }

    /// Keeps the outline drawn by clicks that Esc drops now.
    pub(super) fn keep_dropped(&mut self, session: &Session) {
        let given_up = match self.kind {
            ToolKind::Shape if self.shape.is_busy() => self.shape.give_up(),
            ToolKind::LiveWire if self.live_wire.is_busy() => self.live_wire.give_up(),
            _ => return,
        };
        self.kept = given_up.and_then(|(clicks, count)| Kept::dropped(session, clicks, count));
    }

    /// Keeps the outline drawn by clicks that has just been closed, where that did something.
    pub(super) fn keep_closed(&mut self, session: &Session, reaction: &Reaction) {
        if let Some(clicks) = self.shape.take_closed().or_else(|| self.live_wire.take_closed()) {
            let kept = Kept::closed(session, clicks);
            self.kept = kept.filter(|_| reaction.command.is_some());
        }
    }

    /// How the outline drawn by clicks ended that can be had back; `None` where there is none.
    #[must_use]
    pub fn ended_outline(&self, session: &Session) -> Option<Ended> {
        self.kept.as_ref().filter(|_| !self.is_busy()).and_then(|kept| kept.ended(session))
    }

    /// Opens the outline that ended last again, with all its points and the tool that drew it in hand;
    /// whether there was one. What closing one did is to be undone before.
    pub fn reopen(&mut self, session: &Session) -> bool {
        let Some(kept) = self.kept.take() else { return false };
        match kept.into_clicks() {
            Clicks::Shape(kind, drawing) => {
                self.choose(ToolKind::Shape);
                self.shape.take_up(kind, drawing, true);
            }
            Clicks::Wire(drawing) => {
                self.choose(ToolKind::LiveWire);
                self.live_wire.take_up(session, drawing, true);
            }
        }
        self.note_reopened(session);
        self.follow_line(session);
        true
    }

    /// A hint of a tool at rest, with what can be done with the outline that ended last.
    pub(super) fn with_reopen(&self, hint: Hint, draws_by_clicks: bool) -> Hint {
        let can = self.can_reopen && draws_by_clicks && !self.is_busy();
        if can && hint.keys.is_empty() { Hint { keys: REOPEN, ..hint } } else { hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Point3;

    #[test]
    fn a_plane_is_named_as_the_views_name_it() {
        let words =
            |x: Vector3, y: Vector3| plane_words(&Plane::new(Point3::new(12.34, -45.0, 6.0), x, y).unwrap());
        assert_eq!(words(Vector3::y(), Vector3::z()), "the sagittal plane at x 12.3 mm");
        assert_eq!(words(Vector3::z(), Vector3::y()), "the sagittal plane at x 12.3 mm", "either way round");
        assert_eq!(words(Vector3::x(), Vector3::z()), "the coronal plane at y −45.0 mm");
        assert_eq!(words(Vector3::x(), Vector3::y()), "the axial plane at z 6.0 mm");
        let turned = (Vector3::x() + Vector3::z()).normalize();
        assert_eq!(words(turned, Vector3::y()), "a turned plane");
        let view = ViewPlane { plane: Plane::axial(6.0), pixel_mm: 1.0 };
        assert_eq!(place_of(&view, Cut::Along(10)), "slice 11", "as the views count them");
    }
}
