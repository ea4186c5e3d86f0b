//! Freehand: a drawn line, closed by a straight one. What it does follows from where it starts:
//! inside the structure it adds; outside and crossing it cuts; outside and touching nothing it
//! makes a new piece. Across the slices it acts on a slab of a given thickness.

use super::canvas::{Cut, on_nearest_slice, roi_contains};
use super::{Cursor, CursorShape, Modifiers, Reaction, ToolEvent, ViewPlane, region};
use crate::edit::{Sign, path_touches};
use crate::geometry::Point3;
use crate::patient::Roi;
use crate::session::{Refusal, Session};

/// What a line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum FreehandMode {
    /// By where it starts.
    #[default]
    Auto,
    /// Adds.
    Add,
    /// Cuts.
    Cut,
}

#[derive(Debug)]
struct Drawing {
    started_inside: bool,
    /// Whether the line has touched the structure so far.
    touches: bool,
    keys: Modifiers,
    cut: Cut,
    view: ViewPlane,
    points: Vec<Point3>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Away,
    Hovering(Point3, Modifiers),
    Drawing(Box<Drawing>),
    Refused(String),
}

/// Freehand.
#[derive(Debug)]
pub struct FreehandTool {
    mode: FreehandMode,
    thickness_mm: f64,
    state: State,
}

impl Default for FreehandTool {
    fn default() -> Self {
        Self { mode: FreehandMode::Auto, thickness_mm: 10.0, state: State::Away }
    }
}

impl FreehandTool {
    /// What a line does.
    #[must_use]
    pub fn mode(&self) -> FreehandMode {
        self.mode
    }

    /// Sets what a line does.
    pub fn set_mode(&mut self, mode: FreehandMode) {
        self.mode = mode;
    }

    /// The thickness of the slab that a line across the slices acts on, mm.
    #[must_use]
    pub fn thickness_mm(&self) -> f64 {
        self.thickness_mm
    }

    /// Sets the thickness of the slab, mm, kept between 1 and 500. No slab is thinner than a pixel.
    pub fn set_thickness_mm(&mut self, thickness_mm: f64) {
        if thickness_mm.is_finite() {
            self.thickness_mm = thickness_mm.clamp(1.0, 500.0);
        }
    }

    /// Whether a line is being drawn.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Drawing(_) | State::Refused(_))
    }

    /// Drops the line.
    pub fn cancel(&mut self) {
        self.state = State::Away;
    }

    /// The line so far, patient mm.
    #[must_use]
    pub fn line(&self) -> &[Point3] {
        match &self.state {
            State::Drawing(drawing) => &drawing.points,
            _ => &[],
        }
    }

    /// The next state and what comes of it.
    pub fn event(&mut self, session: &Session, view: &ViewPlane, event: ToolEvent) -> Reaction {
        let (state, reaction) = match (std::mem::take(&mut self.state), event) {
            (State::Drawing(drawing), ToolEvent::Leave) => (State::Drawing(drawing), Reaction::default()),
            (_, ToolEvent::Escape | ToolEvent::Leave) => (State::Away, Reaction::default()),
            (_, ToolEvent::Press(at, keys)) => match begin(session, view, at, keys) {
                Ok(drawing) => (State::Drawing(Box::new(drawing)), Reaction::default()),
                Err(refusal) => (State::Refused(refusal.to_string()), Reaction::message(&refusal)),
            },
            (State::Drawing(mut drawing), ToolEvent::Drag(at) | ToolEvent::Hover(at, _)) => {
                extend(session, &mut drawing, at);
                (State::Drawing(drawing), Reaction::default())
            }
            (State::Drawing(mut drawing), ToolEvent::Release(at)) => {
                extend(session, &mut drawing, at);
                let reaction = self.finish(session, &drawing);
                (State::Hovering(at, Modifiers::default()), reaction)
            }
            (State::Refused(why), ToolEvent::Drag(_)) => {
                (State::Refused(why.clone()), Reaction::message(&why))
            }
            (_, ToolEvent::Release(at) | ToolEvent::Drag(at)) => {
                (State::Hovering(at, Modifiers::default()), Reaction::default())
            }
            (_, ToolEvent::Hover(at, keys)) => (State::Hovering(at, keys), Reaction::default()),
        };
        self.state = state;
        reaction
    }

    fn sign(&self, drawing: &Drawing) -> Sign {
        let sign = match self.mode {
            FreehandMode::Add => Sign::Add,
            FreehandMode::Auto if drawing.started_inside || !drawing.touches => Sign::Add,
            FreehandMode::Cut | FreehandMode::Auto => Sign::Cut,
        };
        if drawing.keys.invert { sign.opposite() } else { sign }
    }

    fn finish(&self, session: &Session, drawing: &Drawing) -> Reaction {
        let Some(roi) = session.selected() else { return Reaction::message(&Refusal::NoRoi) };
        let closes = drawing.points.first().copied().zip(drawing.points.last().copied());
        let touches = drawing.touches
            || closes.is_some_and(|(first, last)| touches(session, roi, drawing.cut, last, first));
        let sign = self.sign(&Drawing { touches, points: Vec::new(), ..*drawing });
        region::act(
            session,
            (&drawing.view, drawing.cut),
            &drawing.points,
            sign,
            self.thickness_mm,
            "Freehand",
        )
    }

    /// How the cursor looks now.
    #[must_use]
    pub fn cursor(&self, session: &Session) -> Cursor {
        let roi = session.selected();
        let color = roi.map(|roi| roi.color);
        let label = roi.map(|roi| roi.name.clone());
        match &self.state {
            State::Away => Cursor::plain(CursorShape::Arrow),
            State::Refused(why) => {
                Cursor { shape: CursorShape::Forbidden, sign: None, color: None, label: Some(why.clone()) }
            }
            State::Drawing(drawing) => {
                Cursor { shape: CursorShape::Pen, sign: Some(self.sign(drawing)), color, label }
            }
            State::Hovering(at, keys) => {
                let inside = roi.is_some_and(|roi| roi_contains(&session.series().volume, roi, *at));
                let sign = match self.mode {
                    FreehandMode::Cut => Some(Sign::Cut),
                    FreehandMode::Add => Some(Sign::Add),
                    FreehandMode::Auto => inside.then_some(Sign::Add),
                };
                let sign = sign.map(|sign| if keys.invert { sign.opposite() } else { sign });
                Cursor { shape: CursorShape::Pen, sign, color, label }
            }
        }
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match &self.state {
            State::Drawing(drawing) => match self.sign(drawing) {
                Sign::Cut => "Release to cut, Esc to drop the line",
                Sign::Add if drawing.started_inside => "Release to add, Esc to drop the line",
                Sign::Add => "Release for a new piece, cross the structure to cut, Esc to drop the line",
            },
            State::Refused(_) => "",
            _ => "Draw from inside to add, from outside across to cut, apart for a new piece",
        }
    }
}

fn begin(session: &Session, view: &ViewPlane, at: Point3, keys: Modifiers) -> Result<Drawing, Refusal> {
    let (roi, cut) = region::may_begin(session, view, at)?;
    let started_inside = roi_contains(&session.series().volume, roi, at);
    Ok(Drawing { started_inside, touches: started_inside, keys, cut, view: *view, points: vec![at] })
}

fn extend(session: &Session, drawing: &mut Drawing, at: Point3) {
    let Some(last) = drawing.points.last().copied().filter(|last| *last != at) else { return };
    if !drawing.touches
        && let Some(roi) = session.selected()
    {
        drawing.touches = touches(session, roi, drawing.cut, last, at);
    }
    drawing.points.push(at);
}

/// Whether a straight line in the view touches the structure.
fn touches(session: &Session, roi: &Roi, cut: Cut, from: Point3, to: Point3) -> bool {
    let volume = &session.series().volume;
    match cut {
        Cut::Along(slice) => roi
            .plane_at(&volume.slices[slice].plane)
            .is_some_and(|own| path_touches(&own.polygons, own.plane.project(from), own.plane.project(to))),
        Cut::Across => {
            // By points half a millimetre apart, each on the slice nearest to it.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let steps = ((to - from).norm() * 2.0).ceil().clamp(1.0, 10_000.0) as u32;
            (0..=steps).any(|step| {
                let point = from + (to - from) * (f64::from(step) / f64::from(steps));
                on_nearest_slice(volume, roi, point)
                    .is_some_and(|(polygons, at)| crate::edit::contains(polygons, at))
            })
        }
    }
}
