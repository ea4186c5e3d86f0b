//! Shapes from few points: polygon and closed curve by clicks with anchors that can be dragged,
//! rectangle and ellipse by one drag. On the contours' own plane they add or cut what they
//! enclose; across the slices they act on a slab, as freehand does.

use super::canvas::Cut;
use super::hint::{self, Hint};
use super::outline::{self, NEAR_PIXELS, TWICE_PIXELS};
use super::{Across, Cursor, CursorShape, Modifiers, Reaction, ToolEvent, ViewPlane, region};
use crate::edit::{Sign, closed_spline, distance_to_edge, ellipse, rectangle};
use crate::geometry::{Plane, Point2, Point3};
use crate::session::{Refusal, Session};

/// How close to the line between two anchors counts as on it, screen pixels: less, so that the next
/// anchor can be put beside it.
const ON_LINE_PIXELS: f64 = 5.0;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum ShapeKind {
    /// Straight lines between clicks.
    #[default]
    Polygon,
    /// A smooth closed curve through clicks.
    Spline,
    /// From corner to corner.
    Rectangle,
    /// In the rectangle from corner to corner.
    Ellipse,
}

impl ShapeKind {
    /// Whether it is drawn by clicks, one for each anchor.
    #[must_use]
    pub fn has_anchors(self) -> bool {
        matches!(self, Self::Polygon | Self::Spline)
    }

    /// The name of its undo step.
    pub(super) fn gesture(self) -> &'static str {
        match self {
            Self::Polygon => "Polygon",
            Self::Spline => "Curve",
            Self::Rectangle => "Rectangle",
            Self::Ellipse => "Ellipse",
        }
    }
}

/// A shape under way.
#[derive(Debug)]
pub(super) struct Drawing {
    view: ViewPlane,
    cut: Cut,
    keys: Modifiers,
    /// Anchors, or the two corners.
    points: Vec<Point3>,
    /// The anchor under the pressed button, and whether it has moved since.
    grabbed: Option<(usize, bool)>,
    /// The anchor that the last press put between two others.
    inserted: Option<usize>,
    /// Whether the last press put an anchor at the end: a second one on it closes.
    appended: bool,
    /// Whether the press under way closes the outline if it is let go where it was.
    closes: bool,
    /// Whether the pointer is on another plane than the outline.
    is_away: bool,
    /// Whether it was had back after Esc and has had no click since: dropped again it is gone.
    is_back: bool,
    /// Where the next anchor would be.
    next: Option<Point3>,
    outline: Vec<Point3>,
}

impl Drawing {
    /// Its plane, the line so far and the anchors.
    pub(super) fn shown(&self) -> (&Plane, &[Point3], &[Point3]) {
        (&self.view.plane, &self.outline, &self.points)
    }

    /// Where it lies.
    pub(super) fn place(&self) -> (&ViewPlane, Cut) {
        (&self.view, self.cut)
    }
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Away,
    Hovering(Modifiers),
    Drawing(Box<Drawing>),
    Refused(String),
}

/// Polygon, curve, rectangle, ellipse.
#[derive(Debug, Default)]
pub struct ShapeTool {
    kind: ShapeKind,
    cuts: bool,
    state: State,
    /// The one closed by the last event.
    closed: Option<Box<Drawing>>,
}

impl ShapeTool {
    /// What is drawn.
    #[must_use]
    pub fn kind(&self) -> ShapeKind {
        self.kind
    }

    /// Draws something else from now on. Anchors set already are those of a polygon or a curve alike;
    /// anything else under way is dropped.
    pub fn set_kind(&mut self, kind: ShapeKind) {
        if kind == self.kind {
            return;
        }
        let keeps = self.kind.has_anchors() && kind.has_anchors();
        self.kind = kind;
        match std::mem::take(&mut self.state) {
            State::Drawing(drawing) if keeps => self.show(*drawing),
            _ => self.cancel(),
        }
    }

    /// Whether shapes cut.
    #[must_use]
    pub fn cuts(&self) -> bool {
        self.cuts
    }

    /// Sets whether shapes cut.
    pub fn set_cuts(&mut self, cuts: bool) {
        self.cuts = cuts;
    }

    /// Whether a shape is under way: for anchors, until it is closed or dropped.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Drawing(_) | State::Refused(_))
    }

    /// Drops the shape.
    pub fn cancel(&mut self) {
        self.state = State::Away;
    }

    /// The outline as it would be now, patient mm.
    #[must_use]
    pub fn line(&self) -> &[Point3] {
        match &self.state {
            State::Drawing(drawing) => &drawing.outline,
            _ => &[],
        }
    }

    /// The anchors that can be dragged, patient mm.
    #[must_use]
    pub fn anchors(&self) -> &[Point3] {
        match &self.state {
            State::Drawing(drawing) if self.kind.has_anchors() => &drawing.points,
            _ => &[],
        }
    }

    /// The plane of the shape under way and the words for it.
    pub(super) fn place(&self) -> Option<(&Plane, String)> {
        let State::Drawing(drawing) = &self.state else { return None };
        Some((&drawing.view.plane, outline::place_of(&drawing.view, drawing.cut)))
    }

    /// Drops an outline drawn by clicks and gives it away with the number of its clicks; `None` where
    /// none is to be kept.
    pub(super) fn give_up(&mut self) -> Option<(outline::Clicks, usize)> {
        match std::mem::take(&mut self.state) {
            State::Drawing(drawing) if self.kind.has_anchors() && !drawing.is_back => {
                let count = drawing.points.len();
                Some((outline::Clicks::Shape(self.kind, drawing), count))
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Puts an outline drawn by clicks aside as it is, without the way to the pointer; `None` where there is
    /// none.
    pub(super) fn put_aside(&mut self) -> Option<outline::Clicks> {
        let State::Drawing(drawing) = &mut self.state else { return None };
        if !self.kind.has_anchors() {
            return None;
        }
        (drawing.next, drawing.grabbed) = (None, None);
        let State::Drawing(drawing) = std::mem::take(&mut self.state) else { return None };
        self.show(*drawing);
        let State::Drawing(drawing) = std::mem::take(&mut self.state) else { return None };
        Some(outline::Clicks::Shape(self.kind, drawing))
    }

    /// The outline drawn by clicks that the last event has closed; once.
    pub(super) fn take_closed(&mut self) -> Option<outline::Clicks> {
        let kind = self.kind;
        self.closed.take().filter(|_| kind.has_anchors()).map(|drawing| outline::Clicks::Shape(kind, drawing))
    }

    /// Goes on with an outline; `was_dropped` says that dropped once more it is gone.
    pub(super) fn take_up(&mut self, kind: ShapeKind, mut drawing: Box<Drawing>, was_dropped: bool) {
        self.kind = kind;
        drawing.next = None;
        drawing.grabbed = None;
        (drawing.appended, drawing.closes, drawing.is_away) = (false, false, false);
        drawing.is_back |= was_dropped;
        self.show(*drawing);
    }

    /// What is drawn so far, as if it were closed now.
    pub(super) fn drawn(&self) -> Option<region::Drawn<'_>> {
        let State::Drawing(drawing) = &self.state else { return None };
        let Drawing { view, cut, outline, keys, .. } = &**drawing;
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
        match std::mem::take(&mut self.state) {
            State::Drawing(drawing) => self.drawing(drawing, session, view, event, across),
            State::Refused(why) if matches!(event, ToolEvent::Drag(_)) => {
                let told = Reaction::message(&why);
                self.state = State::Refused(why);
                told
            }
            _ => match event {
                ToolEvent::Press(at, keys) => self.begin(session, view, at, keys),
                ToolEvent::Hover(_, keys) => {
                    self.state = State::Hovering(keys);
                    Reaction::default()
                }
                ToolEvent::Release(_) | ToolEvent::Drag(_) => {
                    self.state = State::Hovering(Modifiers::default());
                    Reaction::default()
                }
                ToolEvent::Leave | ToolEvent::Escape => Reaction::default(),
            },
        }
    }

    fn begin(&mut self, session: &Session, view: &ViewPlane, at: Point3, keys: Modifiers) -> Reaction {
        match region::may_begin(session, view, at) {
            Ok((_, cut)) => {
                let points = if self.kind.has_anchors() { vec![at] } else { vec![at, at] };
                let grabbed = Some((points.len() - 1, true));
                let (view, outline) = (*view, Vec::new());
                self.show(Drawing {
                    view,
                    cut,
                    keys,
                    points,
                    grabbed,
                    inserted: None,
                    appended: true,
                    closes: false,
                    is_away: false,
                    is_back: false,
                    next: None,
                    outline,
                });
                Reaction::default()
            }
            Err(refusal) => {
                self.state = State::Refused(refusal.to_string());
                Reaction::message(&refusal)
            }
        }
    }

    fn show(&mut self, mut drawing: Drawing) {
        let plane = drawing.view.plane;
        let own: Vec<Point2> =
            drawing.points.iter().chain(&drawing.next).map(|point| plane.project(*point)).collect();
        let square = |a: Point2, b: Point2| {
            let by = b - a;
            let side = by.x.abs().max(by.y.abs());
            a + crate::geometry::Vector2::new(side.copysign(by.x), side.copysign(by.y))
        };
        let corner = |a: Point2, b: Point2| if drawing.keys.shift { square(a, b) } else { b };
        let ring = match (self.kind, own.as_slice()) {
            (ShapeKind::Spline, points) => closed_spline(points),
            (ShapeKind::Rectangle, [a, b]) => rectangle(*a, corner(*a, *b)),
            (ShapeKind::Ellipse, [a, b]) => ellipse(*a, corner(*a, *b)),
            (_, points) => points.to_vec(),
        };
        drawing.outline = ring.into_iter().map(|point| plane.lift(point)).collect();
        self.state = State::Drawing(Box::new(drawing));
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
        match event {
            ToolEvent::Escape => return Reaction::default(),
            ToolEvent::Leave => {
                drawing.next = None;
                drawing.is_away = false;
            }
            ToolEvent::Press(..) | ToolEvent::Hover(..) | ToolEvent::Drag(_) if elsewhere => {
                let told = matches!(event, ToolEvent::Press(..))
                    .then(|| outline::is_elsewhere(&drawing.view, drawing.cut));
                drawing.next = None;
                drawing.is_away = true;
                self.show(*drawing);
                return Reaction { message: told, ..Reaction::default() };
            }
            ToolEvent::Hover(at, _) => {
                // On the line a press changes it where it is.
                let on_line = self.leg_at(&drawing, view, at).is_some();
                drawing.is_away = false;
                drawing.next = (!on_line).then_some(at);
            }
            ToolEvent::Press(at, keys) => {
                drawing.next = None;
                drawing.inserted = None;
                (drawing.is_away, drawing.is_back) = (false, false);
                let within =
                    |pixels: f64| move |point: &Point3| (point - at).norm() <= pixels * view.pixel_mm;
                // The second press of a double click, which has put the last anchor.
                let is_twice = std::mem::take(&mut drawing.appended)
                    && drawing.points.last().is_some_and(within(TWICE_PIXELS));
                let last = drawing.points.len() - 1;
                let on = drawing.points.iter().position(within(NEAR_PIXELS));
                drawing.closes = last >= 2 && (is_twice || on == Some(0));
                match on {
                    _ if is_twice => drawing.grabbed = Some((last, false)),
                    Some(index) if keys.invert && drawing.points.len() > 1 => {
                        drawing.points.remove(index);
                    }
                    Some(index) => drawing.grabbed = Some((index, false)),
                    None => {
                        let leg = self.leg_at(&drawing, view, at);
                        let index = leg.map_or(drawing.points.len(), |leg| leg + 1);
                        drawing.points.insert(index, at);
                        drawing.inserted = leg.map(|_| index);
                        drawing.appended = leg.is_none();
                        drawing.grabbed = Some((index, true));
                    }
                }
            }
            ToolEvent::Drag(at) => {
                if let Some((index, moved)) = &mut drawing.grabbed {
                    *moved |= (drawing.points[*index] - at).norm() > 2.0 * view.pixel_mm;
                    if *moved {
                        drawing.points[*index] = at;
                    }
                }
            }
            ToolEvent::Release(at) => {
                let grabbed = drawing.grabbed.take();
                if !self.kind.has_anchors() {
                    if !elsewhere {
                        drawing.points[1] = at;
                    }
                    self.show(*drawing);
                    return self.finish(session, across);
                }
                if drawing.closes && grabbed.is_some_and(|(_, moved)| !moved) {
                    self.show(*drawing);
                    return self.finish(session, across);
                }
            }
        }
        self.show(*drawing);
        Reaction::default()
    }

    /// The anchor from which the line runs past `at` to the next one. The line that closes the outline
    /// is none: there the next anchor comes anyway.
    fn leg_at(&self, drawing: &Drawing, view: &ViewPlane, at: Point3) -> Option<usize> {
        if !self.kind.has_anchors() {
            return None;
        }
        let plane = drawing.view.plane;
        let anchors: Vec<Point2> = drawing.points.iter().map(|point| plane.project(*point)).collect();
        let ring = if self.kind == ShapeKind::Spline { closed_spline(&anchors) } else { anchors.clone() };
        let at = plane.project(at);
        let mut nearest = (ON_LINE_PIXELS * view.pixel_mm, None);
        let mut leg = 0;
        for (from, to) in ring.iter().zip(ring.iter().cycle().skip(1)) {
            // The curve goes through all anchors, in their order.
            leg = anchors.iter().rposition(|anchor| (anchor - from).norm() < 1e-6).unwrap_or(leg);
            let distance = distance_to_edge(at, *from, *to);
            if distance <= nearest.0 && leg + 1 < anchors.len() {
                nearest = (distance, Some(leg));
            }
        }
        nearest.1
    }

    /// Takes back the anchor clicked last; whether there was one. Without one left the shape is dropped.
    pub fn take_back(&mut self) -> bool {
        match std::mem::take(&mut self.state) {
            State::Drawing(mut drawing) if self.kind.has_anchors() => {
                match drawing.inserted.take() {
                    Some(index) => drop(drawing.points.remove(index)),
                    None => drop(drawing.points.pop()),
                }
                drawing.grabbed = None;
                drawing.appended = false;
                if !drawing.points.is_empty() {
                    self.show(*drawing);
                }
                true
            }
            other => {
                self.state = other;
                false
            }
        }
    }

    /// Closes the shape and does what it does; nothing without three anchors.
    pub fn finish(&mut self, session: &Session, across: Across<'_>) -> Reaction {
        match std::mem::take(&mut self.state) {
            State::Drawing(mut drawing) => {
                drawing.next = None;
                let sign = self.sign(drawing.keys);
                self.show(*drawing);
                let State::Drawing(drawing) = std::mem::take(&mut self.state) else {
                    return Reaction::default();
                };
                if self.kind.has_anchors() && drawing.points.len() < 3 {
                    let told = "An outline needs three points. Click on, or drop it (Esc).".to_owned();
                    self.state = State::Drawing(drawing);
                    return Reaction { message: Some(told), ..Reaction::default() };
                }
                if let Some(refusal) = region::may_not_close(session) {
                    if refusal != Refusal::NoRoi {
                        self.state = State::Drawing(drawing);
                    }
                    return Reaction::message(&refusal);
                }
                let (on, gesture) = ((&drawing.view, drawing.cut), self.kind.gesture());
                let reaction = region::act(session, on, &drawing.outline, sign, across, gesture);
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
            State::Drawing(drawing) => shown(drawing.keys),
            State::Hovering(keys) => shown(*keys),
        }
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> Hint {
        match (&self.state, self.kind.has_anchors()) {
            (State::Refused(_), _) => Hint::default(),
            (State::Drawing(drawing), true) if drawing.is_away => hint::AWAY,
            (State::Drawing(drawing), true) if drawing.points.len() < 3 => {
                "Click the next point, Esc to drop".into()
            }
            (State::Drawing(_), true) => Hint {
                text: "Double click, or click the first point, to close; press on the line for a point between, drag points, Ctrl removes one",
                keys: hint::CLICKS,
            },
            (State::Drawing(_), false) => "Release to keep the shape, Esc to drop it".into(),
            (_, true) => "Click point after point; started with Ctrl it cuts".into(),
            (_, false) => "Drag from corner to corner; Shift keeps it even, Ctrl cuts".into(),
        }
    }
}
