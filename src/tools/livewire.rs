//! Live-wire: an outline that follows image edges from click to click
//! ([`crate::edit::livewire`]). On the contours' own plane it adds or cuts what it encloses; across
//! the slices it acts on a slab, as freehand does.

use super::canvas::Cut;
use super::hint::{self, Hint};
use super::outline::{self, NEAR_PIXELS, TWICE_PIXELS};
use super::second::Second;
use super::{Across, Cursor, CursorShape, Modifiers, Reaction, ToolEvent, ViewPlane, region};
use crate::edit::Sign;
use crate::edit::livewire::{EdgeImage, Taught, Wire};
use crate::geometry::{Plane, Point3};
use crate::patient::Volume;
use crate::session::{Refusal, Session};
use std::sync::{Arc, Weak};

/// The name of its undo step.
pub(super) const GESTURE: &str = "Live-wire";

/// The outline from one anchor to the next.
#[derive(Debug)]
struct Segment {
    /// From the anchor it starts with, which is not among them, to the next; patient mm.
    points: Vec<Point3>,
    /// What the outline had taught before it.
    taught: Option<Taught>,
}

/// An outline under way.
#[derive(Debug)]
pub(super) struct Drawing {
    view: ViewPlane,
    cut: Cut,
    /// The plane that edges are looked for on: the slice, or the view.
    plane: Plane,
    sign_keys: Modifiers,
    anchors: Vec<Point3>,
    segments: Vec<Segment>,
    /// From the last anchor.
    wire: Option<Wire>,
    taught: Option<Taught>,
    /// The second image whose edges were followed last, and taught; `None` for the images that contours lie on.
    edges_of: Option<Weak<Volume>>,
    /// All of it with the part to the pointer.
    outline: Vec<Point3>,
    /// Whether Shift is held: straight, and exactly where the pointer is.
    is_straight: bool,
    /// Whether the pointer is on another plane than the outline.
    is_away: bool,
    /// Whether it was had back after Esc and has had no click since: dropped again it is gone.
    is_back: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Away,
    Hovering(Modifiers),
    Drawing(Box<Drawing>),
    Refused(String),
}

/// Live-wire.
#[derive(Debug)]
pub struct LiveWireTool {
    cuts: bool,
    learns: bool,
    /// Whether edges are those of a second image.
    pub(super) second: Second,
    state: State,
    /// The one closed by the last event.
    closed: Option<Box<Drawing>>,
}

impl Default for LiveWireTool {
    fn default() -> Self {
        Self { cuts: false, learns: true, second: Second::default(), state: State::Away, closed: None }
    }
}

impl LiveWireTool {
    /// Whether the outline cuts.
    #[must_use]
    pub fn cuts(&self) -> bool {
        self.cuts
    }

    /// Sets whether the outline cuts.
    pub fn set_cuts(&mut self, cuts: bool) {
        self.cuts = cuts;
    }

    /// Whether it learns from each piece of outline what edge is wanted.
    #[must_use]
    pub fn learns(&self) -> bool {
        self.learns
    }

    /// Sets whether it learns; what was learned is forgotten when it no longer does.
    pub fn set_learns(&mut self, learns: bool) {
        self.learns = learns;
        if let (State::Drawing(drawing), false) = (&mut self.state, learns) {
            drawing.taught = None;
            drawing.segments.iter_mut().for_each(|segment| segment.taught = None);
        }
    }

    /// Goes on along other edges; what was learned of those before means nothing there.
    pub(super) fn rewire(&mut self, session: &Session) {
        if let State::Drawing(drawing) = &mut self.state {
            drawing.look_at(self.second.used());
            drawing.start_wire(session, self.second.used().map(AsRef::as_ref));
            drawing.show(None);
        }
    }

    /// How many lessons an outline under way may come back to.
    #[cfg(test)]
    pub(super) fn lessons(&self) -> usize {
        let State::Drawing(drawing) = &self.state else { return 0 };
        drawing.segments.iter().map(|segment| &segment.taught).chain([&drawing.taught]).flatten().count()
    }

    /// Whether an outline is under way, until it is closed or dropped.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Drawing(_) | State::Refused(_))
    }

    /// Drops the outline.
    pub fn cancel(&mut self) {
        self.state = State::Away;
    }

    /// The outline so far, to the pointer; patient mm.
    #[must_use]
    pub fn line(&self) -> &[Point3] {
        match &self.state {
            State::Drawing(drawing) => &drawing.outline,
            _ => &[],
        }
    }

    /// The anchors, patient mm.
    #[must_use]
    pub fn anchors(&self) -> &[Point3] {
        match &self.state {
            State::Drawing(drawing) => &drawing.anchors,
            _ => &[],
        }
    }

    /// The plane of the outline under way and the words for it.
    pub(super) fn place(&self) -> Option<(&Plane, String)> {
        let State::Drawing(drawing) = &self.state else { return None };
        Some((&drawing.view.plane, outline::place_of(&drawing.view, drawing.cut)))
    }

    /// Drops the outline and gives it away with the number of its clicks; `None` where none is to be kept.
    pub(super) fn give_up(&mut self) -> Option<(outline::Clicks, usize)> {
        match std::mem::take(&mut self.state) {
            State::Drawing(mut drawing) if !drawing.is_back => {
                let count = drawing.anchors.len();
                drawing.wire = None;
                Some((outline::Clicks::Wire(drawing), count))
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Puts the outline aside as it is, without the way to the pointer; `None` where there is none.
    pub(super) fn put_aside(&mut self) -> Option<outline::Clicks> {
        let State::Drawing(drawing) = &mut self.state else { return None };
        drawing.show(None);
        drawing.wire = None;
        let State::Drawing(drawing) = std::mem::take(&mut self.state) else { return None };
        Some(outline::Clicks::Wire(drawing))
    }

    /// The outline that the last event has closed; once.
    pub(super) fn take_closed(&mut self) -> Option<outline::Clicks> {
        self.closed.take().map(outline::Clicks::Wire)
    }

    /// Goes on with an outline; `was_dropped` says that dropped once more it is gone.
    pub(super) fn take_up(&mut self, session: &Session, mut drawing: Box<Drawing>, was_dropped: bool) {
        drawing.is_away = false;
        drawing.is_back |= was_dropped;
        drawing.look_at(self.second.used());
        drawing.start_wire(session, self.second.used().map(AsRef::as_ref));
        drawing.show(None);
        self.state = State::Drawing(drawing);
    }

    /// What is drawn so far, as if it were closed now.
    pub(super) fn drawn(&self) -> Option<region::Drawn<'_>> {
        let State::Drawing(drawing) = &self.state else { return None };
        let Drawing { view, cut, outline, sign_keys: keys, .. } = &**drawing;
        Some(region::Drawn { view, cut: *cut, line: outline, sign: self.sign(*keys) })
    }

    fn sign(&self, keys: Modifiers) -> Sign {
        if self.cuts == keys.invert { Sign::Add } else { Sign::Cut }
    }

    /// The next state and what comes of it.
    pub fn event(
        &mut self,
        session: &Session,
        view: &ViewPlane,
        event: ToolEvent,
        across: Across<'_>,
    ) -> Reaction {
        match (std::mem::take(&mut self.state), event) {
            (State::Drawing(drawing), _) => self.drawing(drawing, session, view, event, across),
            (State::Refused(why), ToolEvent::Drag(_)) => {
                let told = Reaction::message(&why);
                self.state = State::Refused(why);
                told
            }
            (_, ToolEvent::Press(at, keys)) => {
                match Drawing::begin(session, self.second.used().map(AsRef::as_ref), view, at, keys) {
                    Ok(mut drawing) => {
                        drawing.look_at(self.second.used());
                        self.state = State::Drawing(Box::new(drawing));
                        Reaction::default()
                    }
                    Err(refusal) => {
                        self.state = State::Refused(refusal.to_string());
                        Reaction::message(&refusal)
                    }
                }
            }
            (_, ToolEvent::Hover(_, keys)) => {
                self.state = State::Hovering(keys);
                Reaction::default()
            }
            (_, ToolEvent::Release(_) | ToolEvent::Drag(_)) => {
                self.state = State::Hovering(Modifiers::default());
                Reaction::default()
            }
            (_, ToolEvent::Leave | ToolEvent::Escape) => Reaction::default(),
        }
    }

    fn drawing(
        &mut self,
        mut drawing: Box<Drawing>,
        session: &Session,
        view: &ViewPlane,
        event: ToolEvent,
        across: Across<'_>,
    ) -> Reaction {
        let elsewhere = !drawing.view.plane.coincides(&view.plane, 0.01);
        let mut told = None;
        match event {
            ToolEvent::Escape => return Reaction::default(),
            ToolEvent::Leave => {
                drawing.is_away = false;
                drawing.show(None);
            }
            ToolEvent::Press(..) | ToolEvent::Hover(..) | ToolEvent::Drag(_) if elsewhere => {
                told = matches!(event, ToolEvent::Press(..))
                    .then(|| outline::is_elsewhere(&drawing.view, drawing.cut));
                drawing.is_away = true;
                drawing.show(None);
            }
            ToolEvent::Hover(at, keys) => {
                drawing.is_away = false;
                drawing.is_straight = keys.shift;
                drawing.show(Some(at));
            }
            ToolEvent::Drag(at) => drawing.show(Some(at)),
            ToolEvent::Press(at, keys) => {
                drawing.is_straight = keys.shift;
                (drawing.is_away, drawing.is_back) = (false, false);
                let on = |anchor: Option<&Point3>, pixels: f64| {
                    anchor.is_some_and(|anchor| (anchor - at).norm() <= pixels * view.pixel_mm)
                };
                let closes = drawing.anchors.len() >= 2
                    && (on(drawing.anchors.first(), NEAR_PIXELS) || on(drawing.anchors.last(), TWICE_PIXELS));
                if closes {
                    self.state = State::Drawing(drawing);
                    return self.finish(session, across);
                }
                // The second press of a double click on the only anchor adds nothing.
                if !on(drawing.anchors.last(), TWICE_PIXELS) {
                    drawing.add(session, self.second.used().map(AsRef::as_ref), at, self.learns);
                }
            }
            ToolEvent::Release(_) => {}
        }
        self.state = State::Drawing(drawing);
        Reaction { message: told, ..Reaction::default() }
    }

    /// Takes the last anchor back; whether there was one. Without one left the outline is dropped.
    pub fn take_back(&mut self, session: &Session) -> bool {
        let State::Drawing(drawing) = &mut self.state else { return false };
        drawing.anchors.pop();
        if drawing.anchors.is_empty() {
            self.state = State::Away;
            return true;
        }
        drawing.taught = drawing.segments.pop().and_then(|segment| segment.taught);
        drawing.start_wire(session, self.second.used().map(AsRef::as_ref));
        drawing.show(None);
        true
    }

    /// Closes the outline along the edge back to the first anchor, and does what it does; nothing
    /// without two anchors.
    pub fn finish(&mut self, session: &Session, across: Across<'_>) -> Reaction {
        match std::mem::take(&mut self.state) {
            State::Drawing(mut drawing) => {
                if drawing.anchors.len() < 2 {
                    let told = "An outline needs two clicks or more. Click on, or drop it (Esc).".to_owned();
                    self.state = State::Drawing(drawing);
                    return Reaction { message: Some(told), ..Reaction::default() };
                }
                if let Some(refusal) = region::may_not_close(session) {
                    if refusal != Refusal::NoRoi {
                        self.state = State::Drawing(drawing);
                    }
                    return Reaction::message(&refusal);
                }
                let first = drawing.anchors[0];
                drawing.show(Some(first));
                let sign = self.sign(drawing.sign_keys);
                let on = (&drawing.view, drawing.cut);
                let reaction = region::act(session, on, &drawing.outline, sign, across, GESTURE);
                drawing.wire = None;
                self.closed = Some(drawing);
                reaction
            }
            other => {
                self.state = other;
                Reaction::default()
            }
        }
    }

    /// How the cursor looks now.
    #[must_use]
    pub fn cursor(&self, session: &Session) -> Cursor {
        let roi = session.selected();
        let color = roi.map(|roi| roi.color);
        let label = roi.map(|roi| roi.name.clone());
        let shown =
            |keys: Modifiers| Cursor { shape: CursorShape::Pen, sign: Some(self.sign(keys)), color, label };
        match &self.state {
            State::Away => Cursor::plain(CursorShape::Arrow),
            State::Refused(why) => {
                Cursor { shape: CursorShape::Forbidden, sign: None, color: None, label: Some(why.clone()) }
            }
            State::Drawing(drawing) if drawing.is_away => Cursor::plain(CursorShape::Forbidden),
            State::Drawing(drawing) => shown(drawing.sign_keys),
            State::Hovering(keys) => shown(*keys),
        }
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> Hint {
        match &self.state {
            State::Refused(_) => Hint::default(),
            State::Drawing(drawing) if drawing.is_away => hint::AWAY,
            State::Drawing(drawing) if drawing.anchors.len() < 2 => {
                "Move along the edge and click to fix the line; Shift draws it straight".into()
            }
            State::Drawing(_) => {
                Hint { text: "Double click or click the first point to close", keys: hint::CLICKS }
            }
            _ => "Click on an edge: the line follows it; started with Ctrl it cuts".into(),
        }
    }
}

impl Drawing {
    /// Its plane, the line so far and the anchors.
    pub(super) fn shown(&self) -> (&Plane, &[Point3], &[Point3]) {
        (&self.view.plane, &self.outline, &self.anchors)
    }

    /// Where it lies.
    pub(super) fn place(&self) -> (&ViewPlane, Cut) {
        (&self.view, self.cut)
    }

    fn begin(
        session: &Session,
        second: Option<&Volume>,
        view: &ViewPlane,
        at: Point3,
        keys: Modifiers,
    ) -> Result<Self, Refusal> {
        let (_, cut) = region::may_begin(session, view, at)?;
        let plane = match cut {
            Cut::Along(slice) => session.series().volume.slices[slice].plane,
            Cut::Across => view.plane,
        };
        let mut drawing = Self {
            view: *view,
            cut,
            plane,
            sign_keys: keys,
            anchors: Vec::new(),
            segments: Vec::new(),
            wire: None,
            taught: None,
            edges_of: None,
            outline: Vec::new(),
            is_straight: keys.shift,
            is_away: false,
            is_back: false,
        };
        let on = drawing
            .edges(session, second, at)
            .filter(|_| !keys.shift)
            .map(|edges| drawing.snapped(&edges, at));
        drawing.anchors.push(on.unwrap_or(at));
        drawing.start_wire(session, second);
        drawing.show(None);
        Ok(drawing)
    }

    /// The image around a point: that of the slice or the view, or a second one's on the same plane.
    fn edges(&self, session: &Session, second: Option<&Volume>, at: Point3) -> Option<EdgeImage> {
        let volume = &session.series().volume;
        let center = self.plane.project(at);
        if let Some(second) = second {
            return EdgeImage::across(second, &self.plane, center);
        }
        match self.cut {
            Cut::Along(slice) => EdgeImage::of_slice(volume, slice, center),
            Cut::Across => EdgeImage::across(volume, &self.plane, center),
        }
    }

    /// The steepest place near the pointer.
    fn snapped(&self, edges: &EdgeImage, at: Point3) -> Point3 {
        let within_mm = 0.5 * NEAR_PIXELS * self.view.pixel_mm;
        self.plane.lift(edges.snapped(self.plane.project(at), within_mm))
    }

    /// From now on the edges of another image may count; what those of the one before have taught means
    /// nothing there.
    fn look_at(&mut self, second: Option<&Arc<Volume>>) {
        let is_same = match (&self.edges_of, second) {
            (Some(own), Some(second)) => std::ptr::eq(own.as_ptr(), Arc::as_ptr(second)),
            (None, None) => true,
            _ => false,
        };
        if !is_same {
            self.edges_of = second.map(Arc::downgrade);
            self.taught = None;
            self.segments.iter_mut().for_each(|segment| segment.taught = None);
        }
    }

    fn start_wire(&mut self, session: &Session, second: Option<&Volume>) {
        let Some(anchor) = self.anchors.last().copied() else { return };
        let edges = self.edges(session, second, anchor);
        self.wire = edges.map(|edges| Wire::new(edges, self.plane.project(anchor), self.taught.as_ref()));
    }

    /// The way from the last anchor to `to`, without the anchor.
    fn way(&mut self, to: Point3) -> Vec<Point3> {
        let plane = self.plane;
        match self.wire.as_mut().filter(|_| !self.is_straight) {
            Some(wire) => {
                wire.path_to(plane.project(to)).into_iter().skip(1).map(|point| plane.lift(point)).collect()
            }
            None => vec![to],
        }
    }

    /// Sets an anchor.
    fn add(&mut self, session: &Session, second: Option<&Volume>, at: Point3, learns: bool) {
        let edges = self.wire.as_ref().map(Wire::image).filter(|_| !self.is_straight);
        let at = edges.map_or(at, |edges| self.snapped(edges, at));
        let points = self.way(at);
        let before = self.taught.clone();
        let plane = self.plane;
        if learns && !self.is_straight {
            let lesson = self.wire.as_mut().and_then(|wire| wire.lesson(plane.project(at)));
            self.taught = lesson.or(self.taught.take());
        }
        self.segments.push(Segment { points, taught: before });
        self.anchors.push(at);
        self.start_wire(session, second);
        self.show(None);
    }

    /// Brings the outline up to date: all segments, and the way to the pointer.
    fn show(&mut self, pointer: Option<Point3>) {
        let mut outline: Vec<Point3> = self.anchors.first().copied().into_iter().collect();
        outline.extend(self.segments.iter().flat_map(|segment| segment.points.iter().copied()));
        if let Some(at) = pointer {
            outline.extend(self.way(at));
        }
        self.outline = outline;
    }
}
