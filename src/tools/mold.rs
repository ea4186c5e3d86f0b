//! Push and smooth: soft round tools that move the outline instead of painting over it. In every
//! view the tool is a ball, so that neighbouring slices follow; in a view that shows a slice it can be
//! kept to that one. Views across the slices push in space: ends grow onto further slices too.

use super::canvas::{Canvas, Cut, cuts_across, roi_contains, slices_between};
use super::gesture::{Hand, Strokes};
use super::hint::{self, Hint};
use super::{Cursor, CursorShape, Modifiers, Preview, Reaction, ToolEvent, ViewPlane, region};
use crate::edit::{RoundTool, SolidPush, pushed, smoothed_under};
use crate::geometry::{Point3, Vector3};
use crate::patient::RoiId;
use crate::session::Session;

/// Which soft tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MoldKind {
    /// Drags the outline along.
    #[default]
    Push,
    /// Takes wrinkles out.
    Smooth,
}

#[derive(Debug)]
pub(super) struct Stroke {
    cut: Cut,
    last: Point3,
    /// The push in space, in views across the slices.
    push: Option<SolidPush>,
    canvas: Canvas,
}

/// Push and smooth.
#[derive(Debug, Default)]
pub struct MoldTool {
    kind: MoldKind,
    flat: bool,
    radius_mm: f64,
    /// Whether the pointer is in a view across the slices.
    across: bool,
    hand: Hand<Stroke>,
}

impl MoldTool {
    pub(super) fn set_kind(&mut self, kind: MoldKind) {
        self.kind = kind;
    }

    /// Whether it keeps to the slice shown (a disc) where the view shows one.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.flat
    }

    /// Keeps it to the slice shown, or lets the neighbouring slices follow.
    pub fn set_flat(&mut self, flat: bool) {
        self.flat = flat;
    }

    /// Whether a stroke is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.hand.is_busy()
    }

    /// Drops the stroke.
    pub fn cancel(&mut self) {
        self.hand = Hand::Away;
    }

    /// The contours as they would be if the stroke ended now.
    #[must_use]
    pub fn preview(&self) -> Option<&Preview> {
        self.hand.stroke().map(|stroke| stroke.canvas.preview())
    }

    /// The next state and what comes of it; the tool has the brush's radius.
    pub fn event(
        &mut self,
        session: &Session,
        view: &ViewPlane,
        event: ToolEvent,
        radius_mm: f64,
    ) -> Reaction {
        self.radius_mm = radius_mm;
        self.across = cuts_across(&session.series().volume, view);
        let hand = std::mem::take(&mut self.hand);
        let (hand, reaction) = hand.event(self, session, view, event);
        self.hand = hand;
        reaction
    }

    fn sweep(&self, session: &Session, stroke: &mut Stroke, at: Point3) {
        let radius_mm = self.radius_mm;
        let volume = &session.series().volume;
        if let Some(push) = &mut stroke.push {
            // The structure is as it was when the stroke began: the push is worked out from there.
            let Some(roi) = session.roi(stroke.canvas.based_on().0) else { return };
            push.go_on(volume, stroke.last, at, radius_mm);
            for (slice, polygons) in push.contours(roi, volume) {
                stroke.canvas.change(session, slice, |_, _| Some(polygons));
            }
            stroke.last = at;
            stroke.canvas.refresh();
            return;
        }
        let Some(base) = volume.base_plane() else { return };
        let offset = |point: Point3| base.normal().dot(&point.coords);
        let (from, by) = (stroke.last, at - stroke.last);
        let slices = match stroke.cut {
            Cut::Along(slice) if self.flat => slice..slice + 1,
            _ => slices_between(volume, offset(from), offset(at), radius_mm),
        };
        // The slice shown may lie a little off the view's plane.
        let onto = match stroke.cut {
            Cut::Along(slice) => base.normal() * (volume.slices[slice].plane.offset_mm() - offset(from)),
            Cut::Across => Vector3::zeros(),
        };
        for slice in slices {
            stroke.canvas.change(session, slice, |plane, polygons| {
                let center = from + onto;
                let tool = |center: Point3| RoundTool {
                    center: plane.project(center),
                    height_mm: plane.distance_mm(center),
                    radius_mm,
                };
                match self.kind {
                    MoldKind::Smooth => Some(smoothed_under(polygons, tool(at + onto))),
                    MoldKind::Push if by == Vector3::zeros() => None,
                    MoldKind::Push => {
                        let by = plane.project(Point3::from(by)).coords;
                        Some(pushed(polygons, tool(center), by))
                    }
                }
            });
        }
        stroke.last = at;
        stroke.canvas.refresh();
    }

    /// How the cursor looks now; `radius_mm` is the brush's.
    #[must_use]
    pub fn cursor(&self, session: &Session, radius_mm: f64) -> Cursor {
        let roi = session.selected();
        let color = roi.map(|roi| roi.color);
        let name = roi.map(|roi| roi.name.clone());
        let circle = |center| CursorShape::Circle { center, radius_mm };
        match &self.hand {
            Hand::Working(stroke) => Cursor { shape: circle(stroke.last), sign: None, color, label: name },
            Hand::Hovering(at, _) => {
                let inside = roi.is_some_and(|roi| roi_contains(&session.series().volume, roi, *at));
                let what = match (self.kind, inside) {
                    (MoldKind::Smooth, _) => "smooth",
                    (MoldKind::Push, true) => "push out",
                    (MoldKind::Push, false) => "push in",
                };
                let label = name.map(|name| format!("{name}: {what}"));
                Cursor { shape: circle(*at), sign: None, color, label }
            }
            other => other.plain_cursor().unwrap_or_else(|| Cursor::plain(CursorShape::Arrow)),
        }
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> Hint {
        match (&self.hand, self.kind) {
            (Hand::Working(_), _) => "Release to keep the change, Esc to drop it".into(),
            (Hand::Refused(_), _) => Hint::default(),
            (_, MoldKind::Push) if self.across && self.flat => {
                "A ball in this view: drag to push the outline along, to further slices too".into()
            }
            (_, MoldKind::Push) => Hint { text: "Drag to push the outline along", keys: hint::SIZE },
            (_, MoldKind::Smooth) => Hint { text: "Drag along the outline to smooth it", keys: hint::SIZE },
        }
    }
}

impl Strokes for MoldTool {
    type Stroke = Stroke;

    fn began_on(stroke: &Stroke) -> (RoiId, u64) {
        stroke.canvas.based_on()
    }

    fn begin(&self, session: &Session, view: &ViewPlane, at: Point3, _: Modifiers) -> Result<Stroke, String> {
        let (roi, cut) = region::may_begin(session, view, at).map_err(|refusal| refusal.to_string())?;
        let canvas = Canvas::new(session, roi);
        let in_space = self.kind == MoldKind::Push && cut == Cut::Across;
        let push = in_space.then(|| SolidPush::new(self.radius_mm, canvas.pixel_mm()));
        Ok(Stroke { cut, last: at, push, canvas })
    }

    fn go_on(&self, session: &Session, stroke: &mut Stroke, at: Point3) -> Reaction {
        self.sweep(session, stroke, at);
        Reaction::default()
    }

    fn finish(&self, session: &Session, mut stroke: Stroke, at: Point3) -> Reaction {
        if at != stroke.last {
            self.sweep(session, &mut stroke, at);
        }
        let gesture = if self.kind == MoldKind::Push { "Push" } else { "Smooth" };
        stroke.canvas.into_reaction(gesture)
    }
}
