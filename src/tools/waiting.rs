//! Outlines drawn by clicks that wait: one that is under way when another tool, another kind of shape or
//! another structure is taken in hand is not dropped. It stands pale on its plane, and goes on when its
//! tool and its structure are in hand again.

use super::outline::Clicks;
use super::{ShapeKind, ToolKind, Tools, outline};
use crate::geometry::{Plane, Point3};
use crate::patient::RoiId;
use crate::session::Session;

/// One that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    clicks: Clicks,
    /// The structure that it was drawn for.
    roi: RoiId,
    clicked: Vec<Clicked>,
}

/// How far the session was when a point of an outline was clicked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clicked {
    /// The steps done.
    done: usize,
    revision: u64,
}

impl Clicked {
    fn now(session: &Session) -> Self {
        Self { done: session.history().done(), revision: session.revision() }
    }
}

/// An outline that waits, as it is shown.
#[derive(Debug, Clone, Copy)]
pub struct WaitingOutline<'a> {
    /// The structure that it was drawn for.
    pub roi: RoiId,
    /// The plane it lies on.
    pub plane: &'a Plane,
    /// The line so far, to be shown closed by a straight dashed line, patient mm.
    pub line: &'a [Point3],
    /// The points clicked, patient mm.
    pub anchors: &'a [Point3],
}

impl Tools {
    /// Puts the outline under way aside, where there is one drawn by clicks.
    pub(super) fn put_aside(&mut self) {
        let Some(roi) = self.drawn_on else { return };
        if let Some(clicks) = self.shape.put_aside().or_else(|| self.live_wire.put_aside()) {
            let clicked = std::mem::take(&mut self.clicked);
            self.waiting.push(Waiting { clicks, roi, clicked });
        }
    }

    /// Remembers that the outline under way was clicked on now.
    pub(super) fn note_click(&mut self, session: &Session) {
        self.note_had_back(session);
        if let Some(last) = self.clicked.last_mut() {
            *last = Clicked::now(session);
        }
    }

    /// Has a time for each point of the outline under way, where points were taken back or are back.
    pub(super) fn note_had_back(&mut self, session: &Session) {
        self.clicked.resize(self.anchors().len(), Clicked::now(session));
    }

    /// Remembers that the outline under way has been opened again now: there is nothing to step forth to.
    pub(super) fn note_reopened(&mut self, session: &Session) {
        self.note_had_back(session);
        if let Some(last) = self.clicked.last_mut() {
            last.revision = session.revision();
        }
    }

    /// Whether a step back (negative) or forth is one of the session's, though an outline drawn by clicks is
    /// under way: that was clicked on before what is to be stepped over.
    #[must_use]
    pub fn steps_over_edits(&self, session: &Session, steps: i32) -> bool {
        let last = self.clicked.last().filter(|_| self.outline().is_some());
        last.is_some_and(|last| {
            let now = Clicked::now(session);
            if steps < 0 { now.done > last.done } else { now.revision != last.revision }
        })
    }

    /// Draws another kind of shape; an outline that the new kind cannot go on with waits.
    pub(super) fn set_shape_kind(&mut self, session: &Session, kind: ShapeKind) {
        if !kind.has_anchors() {
            self.put_aside();
        }
        self.shape.set_kind(kind);
        self.go_on(session);
    }

    /// Takes up what waits for the tool in hand and the selected structure, the latest first; whether there
    /// was any.
    pub(super) fn go_on(&mut self, session: &Session) -> bool {
        if self.waiting.is_empty() || self.is_busy() {
            return false;
        }
        let Some(roi) = session.selected().map(|roi| roi.id) else { return false };
        let (kind, draws_clicks) = (self.kind, self.shape.kind().has_anchors());
        let goes_on = |own: &Waiting| {
            own.roi == roi
                && match own.clicks {
                    Clicks::Shape(..) => kind == ToolKind::Shape && draws_clicks,
                    Clicks::Wire(_) => kind == ToolKind::LiveWire,
                }
        };
        let Some(at) = self.waiting.iter().rposition(goes_on) else { return false };
        let Waiting { clicks, clicked, .. } = self.waiting.remove(at);
        self.clicked = clicked;
        match clicks {
            // Polygon or curve: as the tool is set now.
            Clicks::Shape(_, drawing) => self.shape.take_up(self.shape.kind(), drawing, false),
            Clicks::Wire(drawing) => self.live_wire.take_up(session, drawing, false),
        }
        self.follow_line(session);
        true
    }

    /// The outlines that wait, of structures that are there and shown.
    pub fn waiting<'a>(&'a self, session: &'a Session) -> impl Iterator<Item = WaitingOutline<'a>> {
        let is_shown = |own: &&Waiting| session.roi(own.roi).is_some_and(|roi| roi.visible);
        self.waiting.iter().filter(is_shown).map(|own| {
            let (plane, line, anchors) = match &own.clicks {
                Clicks::Shape(_, drawing) => drawing.shown(),
                Clicks::Wire(drawing) => drawing.shown(),
            };
            WaitingOutline { roi: own.roi, plane, line, anchors }
        })
    }

    /// The outlines drawn by clicks, under way or waiting, of structures that are there, but for those of a
    /// single click.
    #[must_use]
    pub fn open_outlines(&self, session: &Session) -> usize {
        let is_worth = |anchors: &[Point3]| anchors.len() >= outline::KEPT_CLICKS;
        let waits = |own: &&Waiting| {
            let (_, _, anchors) = match &own.clicks {
                Clicks::Shape(_, drawing) => drawing.shown(),
                Clicks::Wire(drawing) => drawing.shown(),
            };
            is_worth(anchors) && session.roi(own.roi).is_some()
        };
        let is_under_way = self.outline().is_some() && is_worth(self.anchors());
        self.waiting.iter().filter(waits).count() + usize::from(is_under_way)
    }

    /// The outline that was put aside last: the words for where it lies ("slice 11"), the tool that goes on
    /// with it, and its structure.
    #[must_use]
    pub fn put_aside_last(&self) -> Option<(String, ToolKind, RoiId)> {
        let Waiting { clicks, roi, .. } = self.waiting.last()?;
        let (tool, (view, cut)) = match clicks {
            Clicks::Shape(_, drawing) => (ToolKind::Shape, drawing.place()),
            Clicks::Wire(drawing) => (ToolKind::LiveWire, drawing.place()),
        };
        Some((outline::place_of(view, cut), tool, *roi))
    }
}
