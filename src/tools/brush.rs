//! Brush and eraser. On the contours' own plane a disc, across the slices a ball. Strokes are swept
//! from event to event, so that fast ones leave no gaps.

use super::canvas::{Canvas, Cut, cut_of, on_nearest_slice, roi_contains, slices_between};
use super::{Cursor, CursorShape, Modifiers, Preview, Reaction, ToolEvent, ViewPlane};
use crate::edit::{Sign, paint_ball, paint_disc};
use crate::geometry::Point3;
use crate::patient::Roi;
use crate::session::{Refusal, Session};

/// The least and greatest radius, mm.
const RADIUS_MM: std::ops::RangeInclusive<f64> = 0.5..=80.0;

/// What a stroke does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum BrushMode {
    /// Adds.
    #[default]
    Add,
    /// Cuts.
    Cut,
    /// Adds when it starts inside the structure, or far from it; cuts when it starts outside and
    /// the brush touches it.
    Auto,
}

#[derive(Debug)]
struct Stroke {
    sign: Sign,
    cut: Cut,
    last: Point3,
    canvas: Canvas,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Away,
    Hovering(Point3, Modifiers),
    Painting(Box<Stroke>),
    /// The button is down, but the stroke was refused.
    Refused(String),
}

/// Brush and eraser.
#[derive(Debug)]
pub struct BrushTool {
    radius_mm: f64,
    mode: BrushMode,
    eraser: bool,
    state: State,
}

impl Default for BrushTool {
    fn default() -> Self {
        Self { radius_mm: 8.0, mode: BrushMode::Add, eraser: false, state: State::Away }
    }
}

impl BrushTool {
    /// The radius, mm.
    #[must_use]
    pub fn radius_mm(&self) -> f64 {
        self.radius_mm
    }

    /// Sets the radius, mm, kept between 0.5 and 80.
    pub fn set_radius_mm(&mut self, radius_mm: f64) {
        if radius_mm.is_finite() {
            self.radius_mm = radius_mm.clamp(*RADIUS_MM.start(), *RADIUS_MM.end());
        }
    }

    /// Makes the brush larger (`steps` > 0) or smaller: a tenth of its size a step, at least half
    /// a millimetre.
    pub fn resize(&mut self, steps: i32) {
        let step = (self.radius_mm * 0.1 * 2.0).round().max(1.0) / 2.0;
        self.set_radius_mm(self.radius_mm + step * f64::from(steps));
    }

    /// What the brush does.
    #[must_use]
    pub fn mode(&self) -> BrushMode {
        self.mode
    }

    /// Sets what the brush does; the eraser always cuts.
    pub fn set_mode(&mut self, mode: BrushMode) {
        self.mode = mode;
    }

    /// Whether it is held as the eraser.
    pub(super) fn set_eraser(&mut self, eraser: bool) {
        self.eraser = eraser;
    }

    /// Whether a stroke is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.state, State::Painting(_) | State::Refused(..))
    }

    /// Drops the stroke.
    pub fn cancel(&mut self) {
        self.state = State::Away;
    }

    /// The contours as they would be if the stroke ended now.
    #[must_use]
    pub fn preview(&self) -> Option<&Preview> {
        match &self.state {
            State::Painting(stroke) => Some(stroke.canvas.preview()),
            _ => None,
        }
    }

    /// The next state and what comes of it.
    pub fn event(&mut self, session: &Session, view: &ViewPlane, event: ToolEvent) -> Reaction {
        let (state, reaction) = match (std::mem::take(&mut self.state), event) {
            (State::Painting(stroke), ToolEvent::Leave) => (State::Painting(stroke), Reaction::default()),
            (_, ToolEvent::Escape | ToolEvent::Leave) => (State::Away, Reaction::default()),
            (_, ToolEvent::Press(at, keys)) => match self.begin(session, view, at, keys) {
                Ok(mut stroke) => {
                    self.sweep(session, &mut stroke, at);
                    let told = Self::told(&stroke);
                    (State::Painting(Box::new(stroke)), told)
                }
                Err(refusal) => (State::Refused(refusal.to_string()), Reaction::message(&refusal)),
            },
            (State::Painting(mut stroke), ToolEvent::Drag(at) | ToolEvent::Hover(at, _)) => {
                self.sweep(session, &mut stroke, at);
                let told = Self::told(&stroke);
                (State::Painting(stroke), told)
            }
            (State::Painting(mut stroke), ToolEvent::Release(at)) => {
                if at != stroke.last {
                    self.sweep(session, &mut stroke, at);
                }
                let mut reaction = Self::told(&stroke);
                reaction.message = reaction.message.or(stroke.canvas.left_out().map(str::to_owned));
                let gesture = if stroke.sign == Sign::Cut { "Eraser" } else { "Brush" };
                reaction.command = stroke.canvas.into_command(gesture);
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

    fn told(stroke: &Stroke) -> Reaction {
        if stroke.canvas.only_missing() {
            Reaction::message(&Refusal::MissingSlice)
        } else {
            Reaction::default()
        }
    }

    fn begin(
        &self,
        session: &Session,
        view: &ViewPlane,
        at: Point3,
        keys: Modifiers,
    ) -> Result<Stroke, Refusal> {
        let volume = &session.series().volume;
        let selected = session.selected().map(|roi| roi.id);
        let roi = session.may_draw(selected, None)?;
        let cut = cut_of(volume, view, at)?;
        if let Cut::Along(slice) = cut {
            session.may_draw(selected, Some(slice))?;
        }
        let sign = self.sign_at(session, roi, at, keys);
        Ok(Stroke { sign, cut, last: at, canvas: Canvas::new(session, roi) })
    }

    fn sign_at(&self, session: &Session, roi: &Roi, at: Point3, keys: Modifiers) -> Sign {
        let volume = &session.series().volume;
        let sign = match (self.eraser, self.mode) {
            (true, _) | (false, BrushMode::Cut) => Sign::Cut,
            (false, BrushMode::Add) => Sign::Add,
            (false, BrushMode::Auto) if roi_contains(volume, roi, at) => Sign::Add,
            (false, BrushMode::Auto) => {
                let touched = on_nearest_slice(volume, roi, at).is_some_and(|(polygons, at)| {
                    paint_disc(polygons, &[at], self.radius_mm, Sign::Cut) != polygons
                });
                if touched { Sign::Cut } else { Sign::Add }
            }
        };
        if keys.invert { sign.opposite() } else { sign }
    }

    /// Sweeps from the last position to `at`.
    fn sweep(&self, session: &Session, stroke: &mut Stroke, at: Point3) {
        let volume = &session.series().volume;
        // A disc smaller than a pixel would be tidied away at once.
        let radius = self.radius_mm.max(stroke.canvas.pixel_mm() * 0.55);
        let path = [stroke.last, at];
        let path = if stroke.last == at { &path[..1] } else { &path[..] };
        let sign = stroke.sign;
        match stroke.cut {
            Cut::Along(slice) => stroke.canvas.change(session, slice, |plane, polygons| {
                let path: Vec<_> = path.iter().map(|point| plane.project(*point)).collect();
                Some(paint_disc(polygons, &path, radius, sign))
            }),
            Cut::Across => {
                if let Some(base) = volume.base_plane() {
                    let offset = |point: Point3| base.normal().dot(&point.coords);
                    for slice in slices_between(volume, offset(stroke.last), offset(at), radius) {
                        stroke.canvas.change(session, slice, |plane, polygons| {
                            Some(paint_ball(polygons, plane, path, radius, sign))
                        });
                    }
                }
            }
        }
        stroke.last = at;
        stroke.canvas.refresh();
    }

    /// How the cursor looks now.
    #[must_use]
    pub fn cursor(&self, session: &Session) -> Cursor {
        let roi = session.selected();
        let color = roi.map(|roi| roi.color);
        let name = roi.map(|roi| roi.name.clone());
        let circle = |center| CursorShape::Circle { center, radius_mm: self.radius_mm };
        match &self.state {
            State::Away => Cursor::plain(CursorShape::Arrow),
            State::Refused(why) => {
                Cursor { shape: CursorShape::Forbidden, sign: None, color: None, label: Some(why.clone()) }
            }
            State::Painting(stroke) => {
                Cursor { shape: circle(stroke.last), sign: Some(stroke.sign), color, label: name }
            }
            State::Hovering(at, keys) => {
                let sign = roi.map(|roi| self.sign_at(session, roi, *at, *keys));
                Cursor { shape: circle(*at), sign, color, label: name }
            }
        }
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match (&self.state, self.eraser) {
            (State::Painting(_), _) => "Release to keep the stroke, Esc to drop it",
            (State::Refused(..), _) => "",
            (_, true) => "Drag to erase, Ctrl to paint, [ and ] for the size",
            (_, false) => "Drag to paint, Ctrl to erase, [ and ] for the size",
        }
    }
}
