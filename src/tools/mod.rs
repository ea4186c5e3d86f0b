//! Tools: state machines on millimetres, driven by [`ToolEvent`]s, without widgets.
//!
//! A tool reads `&Session`, keeps a gesture's state, and gives back at most one [`Command`] a
//! gesture, when the button is released. Cursor, hint and preview derive from the state. Esc drops
//! the gesture; a gesture that changes nothing gives no command.

mod between;
mod brush;
mod canvas;
mod choices;
mod freehand;
mod gesture;
mod grow;
mod hint;
mod knife;
pub mod lessons;
mod livewire;
mod looking;
mod mold;
mod number;
mod options;
mod outline;
mod points;
mod preview;
mod region;
mod replace;
mod ruler;
mod second;
mod segment;
mod shape;
mod simple;
mod suggestion;
#[cfg(test)]
mod tests;
mod transform;
mod undo;
mod waiting;
mod work;

pub use between::BetweenSlices;
pub use brush::{BrushMode, BrushReach, BrushTip, BrushTool};
pub use choices::{Aspect, Choice, GrowBy, Tip, choices};
pub use freehand::{FreehandMode, FreehandTool};
pub use grow::GrowTool;
pub use hint::{Deed, Hint, KeyHint};
pub use knife::KnifeTool;
pub use livewire::LiveWireTool;
pub use mold::{MoldKind, MoldTool};
pub use number::Number;
pub use options::ToolOptions;
pub use outline::Ended;
pub use points::PointsTool;
pub use preview::Preview;
pub use region::Across;
pub use ruler::{Ruler, RulerTool};
pub use second::Second;
pub use segment::{
    DoseAs, KeepPieces, Method, Place, Rivals, SegmentSettings, SegmentTool, SetBefore, TakeAs, UptakeAt,
    Within, on_slices, slices_of,
};
pub use shape::{ShapeKind, ShapeTool};
pub use simple::{DeleteContourTool, NavigateTool};
pub use suggestion::Suggestion;
pub use transform::TransformTool;
pub use waiting::WaitingOutline;

use self::region::{GuideDeed, GuideLine};
use crate::edit::Sign;
use crate::geometry::{Plane, Point3};
use crate::patient::{Color, Dose, RoiId};
use crate::session::{Command, Overwrite, Session};
use std::sync::Arc;

/// The view a pointer is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ViewPlane {
    /// The plane shown, through the crosshair.
    pub plane: Plane,
    /// The size of a screen pixel, mm; decides how close counts as "on".
    pub pixel_mm: f64,
}

/// Keys held during an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Modifiers {
    /// Turns adding into cutting and back (Ctrl).
    pub invert: bool,
    /// Shift.
    pub shift: bool,
}

/// What the pointer does in a view; positions are patient mm on the view's plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ToolEvent {
    /// Moves with no button down.
    Hover(Point3, Modifiers),
    /// The left button goes down.
    Press(Point3, Modifiers),
    /// Moves with the left button down.
    Drag(Point3),
    /// The left button goes up.
    Release(Point3),
    /// Leaves the view with no button down.
    Leave,
    /// Esc: never mind.
    Escape,
}

/// The tools there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ToolKind {
    /// Moves the crosshair.
    #[default]
    Navigate,
    /// Paints with a disc (a ball across slices).
    Brush,
    /// Takes away with a disc (a ball across slices).
    Eraser,
    /// Draws a line that adds, cuts or makes a new piece.
    Freehand,
    /// Polygon, closed curve, rectangle, ellipse.
    Shape,
    /// Pushes the outline along with a soft round tool.
    Push,
    /// Smooths the outline under a round tool.
    Smooth,
    /// Grows from a click.
    Grow,
    /// Splits pieces along a straight line.
    Knife,
    /// Moves, inserts and removes points of an outline.
    Points,
    /// Moves, turns and scales a contour or the whole structure.
    Transform,
    /// Draws along image edges.
    LiveWire,
    /// Threshold, level tracing, scribbles, uptake, isodose, between pieces, body, lungs, airways, bones.
    Segment,
    /// Deletes the contour under the cursor.
    DeleteContour,
    /// Measures a distance.
    Ruler,
}

/// The shape of a cursor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CursorShape {
    /// The system's arrow.
    Arrow,
    /// A thin cross.
    Cross,
    /// A circle of a radius in mm around a point, on the view's plane.
    Circle {
        /// Its centre, patient mm.
        center: Point3,
        /// Its radius, mm.
        radius_mm: f64,
    },
    /// A pen point.
    Pen,
    /// Arrows: an edge (or the corner of two) will follow.
    Resize {
        /// To the left and right.
        sideways: bool,
        /// Up and down.
        upright: bool,
    },
    /// A hand: all of it will follow.
    Hand,
    /// Not here.
    Forbidden,
}

/// How the cursor looks; derived from a tool's state.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    /// Its shape.
    pub shape: CursorShape,
    /// Plus or minus beside it.
    pub sign: Option<Sign>,
    /// The colour of the ROI being edited.
    pub color: Option<Color>,
    /// A word beside it: the ROI's name, or why nothing happens.
    pub label: Option<String>,
}

impl Cursor {
    fn plain(shape: CursorShape) -> Self {
        Self { shape, sign: None, color: None, label: None }
    }
}

/// What an event led to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reaction {
    /// To be given to `Session::apply`.
    pub command: Option<Command>,
    /// The crosshair goes here, patient mm.
    pub crosshair: Option<Point3>,
    /// A sentence for the cursor ("`Parotid_L` is locked. ...").
    pub message: Option<String>,
}

impl Reaction {
    fn command(command: Command) -> Self {
        Self { command: Some(command), ..Self::default() }
    }

    fn message(message: &impl ToString) -> Self {
        Self { message: Some(message.to_string()), ..Self::default() }
    }
}

/// All tools with their settings, and which one is in hand.
#[derive(Debug, Default)]
pub struct Tools {
    kind: ToolKind,
    /// Whether what is drawn where the pointer is becomes a guide outline.
    draws_guide: bool,
    /// What the closed line being drawn would do if it ended now.
    drawn: Option<canvas::Canvas>,
    /// What the gate depends on, as it was when that was worked out.
    drawn_by: Option<(u64, Overwrite)>,
    /// The outline drawn by clicks that ended last.
    kept: Option<outline::Kept>,
    /// Whether it can be had back, as of the last update.
    can_reopen: bool,
    /// Outlines drawn by clicks that wait for their tool and structure.
    waiting: Vec<waiting::Waiting>,
    /// The structure that the outline under way is for.
    drawn_on: Option<RoiId>,
    /// When its points were clicked, as many as it has.
    clicked: Vec<waiting::Clicked>,
    /// Moves the crosshair.
    pub navigate: NavigateTool,
    /// Brush and eraser.
    pub brush: BrushTool,
    /// Freehand.
    pub freehand: FreehandTool,
    /// Polygon, closed curve, rectangle, ellipse.
    pub shape: ShapeTool,
    /// Push and smooth.
    pub mold: MoldTool,
    /// Growing from a click.
    pub grow: GrowTool,
    /// Regions from image values.
    pub segment: SegmentTool,
    /// Contours between drawn slices.
    pub between: BetweenSlices,
    /// Splits along a line.
    pub knife: KnifeTool,
    /// Drags points.
    pub points: PointsTool,
    /// Moves, turns and scales.
    pub transform: TransformTool,
    /// Draws along edges.
    pub live_wire: LiveWireTool,
    /// Deletes contours.
    pub delete_contour: DeleteContourTool,
    /// Measures.
    pub ruler: RulerTool,
}

impl Tools {
    /// The tool in hand.
    #[must_use]
    pub fn kind(&self) -> ToolKind {
        self.kind
    }

    /// Takes another tool in hand; a gesture under way is dropped, an outline drawn by clicks waits.
    pub fn choose(&mut self, kind: ToolKind) {
        self.cancel();
        self.kind = kind;
        self.draws_guide = false;
        self.brush.set_eraser(kind == ToolKind::Eraser);
        self.mold.set_kind(if kind == ToolKind::Smooth { MoldKind::Smooth } else { MoldKind::Push });
    }

    /// Drops the gesture under way, if any, and what grew or was found; an outline drawn by clicks waits
    /// until its tool and structure are in hand again.
    pub fn cancel(&mut self) {
        self.let_go();
        self.grow.cancel();
        self.segment.cancel();
    }

    /// Drops the gesture under way, if any, but not what grew or was found, which follows the structure:
    /// for a step back or forth. An outline drawn by clicks waits.
    pub fn let_go(&mut self) {
        self.put_aside();
        self.drawn = None;
        self.between.forget_line();
        self.brush.cancel();
        self.freehand.cancel();
        self.shape.cancel();
        self.mold.cancel();
        self.knife.cancel();
        self.points.cancel();
        self.transform.cancel();
        self.live_wire.cancel();
        self.delete_contour.cancel();
        self.ruler.cancel();
        self.navigate.cancel();
    }

    /// Whether a gesture is under way; the view then keeps sending it events wherever the pointer
    /// is, and Esc is the tool's.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.brush.is_busy()
            || self.freehand.is_busy()
            || self.shape.is_busy()
            || self.mold.is_busy()
            || self.knife.is_busy()
            || self.points.is_busy()
            || self.transform.is_busy()
            || self.live_wire.is_busy()
            || self.segment.is_busy()
            || self.delete_contour.is_busy()
            || self.ruler.is_busy()
            || self.navigate.is_busy()
    }

    /// Hands an event to the tool in hand.
    pub fn event(&mut self, session: &Session, view: &ViewPlane, event: ToolEvent) -> Reaction {
        let across = Across { guides: self.between.guides(session), ..self.slab() };
        self.draws_guide = across.guides.is_some()
            && matches!(self.kind, ToolKind::Freehand | ToolKind::Shape | ToolKind::LiveWire)
            && canvas::cuts_across(&session.series().volume, view);
        let was_waiting = self.waits_to_close();
        if event == ToolEvent::Escape {
            self.keep_dropped(session);
        }
        let reaction = match self.kind {
            ToolKind::Navigate => self.navigate.event(event),
            ToolKind::Brush | ToolKind::Eraser => self.brush.event(session, view, event),
            ToolKind::Freehand => self.freehand.event(session, view, event, across.guides),
            ToolKind::Shape => self.shape.event(session, view, event, across),
            ToolKind::Push | ToolKind::Smooth => {
                self.mold.event(session, view, event, self.brush.radius_mm())
            }
            ToolKind::Grow => self.grow.event(session, view, event),
            ToolKind::Knife => self.knife.event(session, view, event, self.freehand.thickness_mm()),
            ToolKind::Points => {
                let reach = (self.brush.radius_mm(), self.freehand.thickness_mm());
                self.points.event(session, view, event, reach)
            }
            ToolKind::Transform => self.transform.event(session, view, event),
            ToolKind::LiveWire => self.live_wire.event(session, view, event, across),
            ToolKind::Segment => self.segment.event(session, view, event, self.freehand.thickness_mm()),
            ToolKind::DeleteContour => self.delete_contour.event(session, event),
            ToolKind::Ruler => self.ruler.event(view, event),
        };
        if self.waits_to_close() && !was_waiting {
            self.kept = None;
        }
        let is_on_it = |(plane, _): (&Plane, String)| plane.coincides(&view.plane, 0.01);
        if matches!(event, ToolEvent::Press(..)) && self.outline().is_some_and(is_on_it) {
            self.note_click(session);
        }
        self.keep_closed(session, &reaction);
        self.follow_line(session);
        reaction
    }

    /// What a closed line acts on across the slices, guides apart.
    fn slab(&self) -> Across<'static> {
        Across::slab(self.freehand.thickness_mm())
    }

    /// Works out what the closed line being drawn would do if it ended where the pointer is, where that
    /// is quick; asked for when something but the line has changed.
    pub fn follow_line(&mut self, session: &Session) {
        if self.waits_to_close() {
            self.drawn_on = session.selected().map(|roi| roi.id);
        }
        let guide = self.drawn_guide(session);
        self.between.follow_line(session, guide);
        let thickness_mm = self.freehand.thickness_mm();
        let is_quick = |drawn: &region::Drawn<'_>| {
            let roi = session.selected();
            roi.is_some_and(|roi| region::is_quick(session, roi, drawn.cut, drawn.line, thickness_mm))
        };
        let drawn = match self.kind {
            // It asks that itself, before it looks what the line touches.
            ToolKind::Freehand => self.freehand.drawn(session),
            ToolKind::Shape => self.shape.drawn().filter(is_quick),
            ToolKind::LiveWire => self.live_wire.drawn().filter(is_quick),
            _ => None,
        };
        let is_guide =
            |cut: canvas::Cut| cut == canvas::Cut::Across && self.between.guides(session).is_some();
        let drawn = drawn.filter(|drawn| !is_guide(drawn.cut));
        self.drawn_by = Some((session.revision(), session.overwrite()));
        self.drawn = drawn.and_then(|drawn| region::would_be(session, &drawn, thickness_mm));
    }

    /// The line being drawn, where it changes a guide outline.
    fn drawn_guide(&self, session: &Session) -> Option<GuideLine> {
        self.between.guides(session)?;
        let drawn = match self.kind {
            ToolKind::Freehand => return self.freehand.drawn_guide(session),
            ToolKind::Shape => self.shape.drawn(),
            ToolKind::LiveWire => self.live_wire.drawn(),
            _ => None,
        };
        let drawn = drawn.filter(|drawn| drawn.cut == canvas::Cut::Across)?;
        Some(GuideLine::new(&drawn.view.plane, drawn.line, GuideDeed::Encloses(drawn.sign)))
    }

    /// How the cursor looks now.
    #[must_use]
    pub fn cursor(&self, session: &Session) -> Cursor {
        let mut cursor = self.own_cursor(session);
        if let (CursorShape::Pen, true, Some(label)) = (cursor.shape, self.draws_guide, &mut cursor.label) {
            label.push_str(": guide");
        }
        cursor
    }

    fn own_cursor(&self, session: &Session) -> Cursor {
        match self.kind {
            ToolKind::Navigate | ToolKind::Ruler => Cursor::plain(CursorShape::Cross),
            ToolKind::Brush | ToolKind::Eraser => self.brush.cursor(session),
            ToolKind::Freehand => self.freehand.cursor(session),
            ToolKind::Shape => self.shape.cursor(session),
            ToolKind::Push | ToolKind::Smooth => self.mold.cursor(session, self.brush.radius_mm()),
            ToolKind::Grow => self.grow.cursor(session),
            ToolKind::Knife => self.knife.cursor(session),
            ToolKind::Points => self.points.cursor(session),
            ToolKind::Transform => self.transform.cursor(session),
            ToolKind::LiveWire => self.live_wire.cursor(session),
            ToolKind::Segment => self.segment.cursor(session),
            ToolKind::DeleteContour => self.delete_contour.cursor(session),
        }
    }

    /// What the person can do now, in a few words for the strip under the views.
    #[must_use]
    pub fn hint(&self) -> Hint {
        if self.draws_guide && !self.is_busy() {
            return "Draws a guide outline for the shape between slices, not contours; Ctrl cuts it".into();
        }
        match self.kind {
            ToolKind::Navigate => {
                "Click or drag to move the crosshair; a dot on its lines turns the views".into()
            }
            ToolKind::Brush | ToolKind::Eraser => self.brush.hint(),
            ToolKind::Freehand => self.freehand.hint().into(),
            ToolKind::Shape => self.with_reopen(self.shape.hint(), self.shape.kind().has_anchors()),
            ToolKind::Push | ToolKind::Smooth => self.mold.hint(),
            ToolKind::Grow => self.grow.hint(),
            ToolKind::Knife => self.knife.hint().into(),
            ToolKind::Points => self.points.hint(),
            ToolKind::Transform => self.transform.hint().into(),
            ToolKind::LiveWire => self.with_reopen(self.live_wire.hint(), true),
            ToolKind::Segment => self.segment.hint(),
            ToolKind::DeleteContour => {
                "Click a contour of the selected structure, or in a hole of it, to delete it on this slice"
                    .into()
            }
            ToolKind::Ruler => self.ruler.hint().into(),
        }
    }

    /// Goes on with an outline that waited for what is in hand now, and brings what is suggested up to date
    /// with the session; free while nothing has changed.
    pub fn update(&mut self, session: &Session) {
        self.go_on(session);
        let now = session.selected().map(|roi| (roi.id, roi.revision));
        let is_other = self.drawn.as_ref().is_some_and(|drawn| Some(drawn.based_on()) != now);
        let is_by_now = self.drawn_by == Some((session.revision(), session.overwrite()));
        if is_other || (self.is_busy() && !is_by_now) {
            self.follow_line(session);
        }
        self.can_reopen = self.ended_outline(session).is_some();
        self.grow.update(session);
        self.segment.update(session);
        self.between.update(session);
    }

    /// The dose whose levels can be outlined; `None` when there is none.
    pub fn set_dose(&mut self, session: &Session, dose: Option<&Arc<Dose>>) {
        self.segment.set_dose(session, dose, self.kind == ToolKind::Segment);
    }

    /// Whether work is under way that will change what is suggested.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.grow.progress().is_some() || self.segment.progress().is_some() || self.between.is_waiting()
    }

    /// What is suggested for the selected structure and not yet taken over: what grew or was found,
    /// else what lies between drawn slices.
    #[must_use]
    pub fn suggestion(&self) -> Option<&Suggestion> {
        self.grow.suggestion().or(self.segment.suggestion()).or(self.between.suggestion())
    }

    /// Drops what is suggested; whether there was anything.
    pub fn drop_suggestion(&mut self) -> bool {
        let had = self.suggestion().is_some();
        if self.grow.suggestion().is_some() {
            self.grow.cancel();
        } else if self.segment.suggestion().is_some() {
            self.segment.cancel();
        } else {
            self.between.set_on(false);
        }
        had
    }

    /// The line being drawn by hand, patient mm; to be shown closed by a straight dashed line unless
    /// [`Self::line_is_open`].
    #[must_use]
    pub fn line(&self) -> &[Point3] {
        match self.kind {
            ToolKind::Freehand => self.freehand.line(),
            ToolKind::Shape => self.shape.line(),
            ToolKind::Knife => self.knife.line(),
            ToolKind::Transform => self.transform.line(),
            ToolKind::LiveWire => self.live_wire.line(),
            _ => &[],
        }
    }

    /// The ring that a click would delete, patient mm; empty where it deletes nothing.
    #[must_use]
    pub fn doomed(&self, session: &Session) -> Vec<Point3> {
        match self.kind {
            ToolKind::DeleteContour => self.delete_contour.doomed(session),
            _ => Vec::new(),
        }
    }

    /// Whether [`Self::line`] stands for itself: it encloses nothing, or is closed already.
    #[must_use]
    pub fn line_is_open(&self) -> bool {
        match self.kind {
            ToolKind::Knife | ToolKind::Transform | ToolKind::Points => true,
            ToolKind::Freehand => self.freehand.mode() == FreehandMode::Replace,
            _ => false,
        }
    }

    /// Points of the line that can be dragged, patient mm.
    #[must_use]
    pub fn anchors(&self) -> &[Point3] {
        match self.kind {
            ToolKind::Shape => self.shape.anchors(),
            ToolKind::Points => self.points.anchors(),
            ToolKind::Transform => self.transform.anchors(),
            ToolKind::LiveWire => self.live_wire.anchors(),
            _ => &[],
        }
    }

    /// Ends what waits for more clicks: closes an outline drawn point by point.
    pub fn finish(&mut self, session: &Session) -> Reaction {
        let across = Across { guides: self.between.guides(session), ..self.slab() };
        let reaction = match self.kind {
            ToolKind::Shape => self.shape.finish(session, across),
            ToolKind::LiveWire => self.live_wire.finish(session, across),
            _ => Reaction::default(),
        };
        self.keep_closed(session, &reaction);
        self.follow_line(session);
        reaction
    }

    /// Moves what the move tool would take along where the pointer is, by mm to the right and down in
    /// that view; see [`TransformTool::nudge`]. Nothing with another tool in hand.
    pub fn nudge(&mut self, session: &Session, right_mm: f64, down_mm: f64) -> Reaction {
        match self.kind {
            ToolKind::Transform => self.transform.nudge(session, right_mm, down_mm),
            _ => Reaction::default(),
        }
    }

    /// Whether an outline drawn by clicks waits to be closed.
    #[must_use]
    pub fn waits_to_close(&self) -> bool {
        self.shape.is_busy() || self.live_wire.is_busy()
    }

    /// Makes the round tip of the tool in hand larger (`steps` > 0) or smaller; whether it has one.
    pub fn resize(&mut self, steps: i32) -> bool {
        match self.kind {
            ToolKind::Brush | ToolKind::Eraser | ToolKind::Push | ToolKind::Smooth => {
                self.brush.resize(steps);
            }
            // How far the outline bends with a point.
            ToolKind::Points if self.points.is_soft() => self.brush.resize(steps),
            ToolKind::Segment if self.segment.has_tip() => self.segment.resize_tip(steps),
            _ => return false,
        }
        true
    }
}

/// How many steps make a length of 8 mm.
const STEPS_TO_8_MM: f64 = 16.0;

/// A radius or thickness so many steps larger (or smaller), on a ladder: half a millimetre a step up to
/// 8 mm, a millimetre up to 16 mm, and so on, twice as much with each doubling. As many steps back lead to
/// where one came from, from between two rungs too.
fn stepped(length_mm: f64, steps: i32) -> f64 {
    let rung = if length_mm < 8.0 {
        length_mm * 2.0
    } else {
        let octave = (length_mm / 8.0).log2().floor();
        STEPS_TO_8_MM + 8.0 * octave + length_mm / octave.exp2() - 8.0
    };
    // What is beyond a kilometre is beyond every limit.
    let rung = (rung + f64::from(steps)).min(STEPS_TO_8_MM + 8.0 * 17.0);
    if rung < STEPS_TO_8_MM {
        rung / 2.0
    } else {
        let octave = ((rung - STEPS_TO_8_MM) / 8.0).floor();
        octave.exp2() * (rung - STEPS_TO_8_MM - 8.0 * octave + 8.0)
    }
}
