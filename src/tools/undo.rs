//! What undo takes back before it takes back an edit: clicks, scribbles, and what is suggested and not
//! yet taken over. None of it is a step of the session; with all of it gone at one press, and an edit
//! elsewhere besides, work would be lost unseen.

use super::{ToolKind, Tools};
use crate::session::Session;

impl Tools {
    /// Takes back the last click of an outline drawn by clicks, or the last scribble; whether there was
    /// one.
    pub fn take_back(&mut self, session: &Session) -> bool {
        let had = match self.kind {
            ToolKind::Shape => self.shape.take_back(),
            ToolKind::LiveWire => self.live_wire.take_back(session),
            ToolKind::Segment => self.segment.take_back(session),
            _ => false,
        };
        if self.waits_to_close() {
            self.note_had_back(session);
        }
        self.follow_line(session);
        had
    }

    /// What undo does before it takes back an edit: takes back the last scribble, else drops what grew or
    /// was found, with where it was looked for, as Esc does. Only what was begun after the last edit: when
    /// a slice of it was taken over since, that is taken back first, and the rest follows. What was done,
    /// in words; `None` when the last edit is next.
    pub fn undo(&mut self, session: &Session) -> Option<&'static str> {
        let done = session.history().done();
        if self.segment.begun_at().is_some_and(|begun| done <= begun) {
            if self.take_back(session) {
                return Some("Scribble taken back");
            }
            self.segment.cancel();
            return Some("Dropped; no edit is undone");
        }
        if self.grow.begun_at().is_some_and(|begun| done <= begun) {
            self.grow.cancel();
            return Some("Dropped; no edit is undone");
        }
        None
    }
}
