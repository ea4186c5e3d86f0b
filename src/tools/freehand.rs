//! Freehand: a drawn line, closed by a straight one. What it does follows from where it starts:
//! inside the structure it adds; outside and crossing it cuts; outside and touching nothing it
//! makes a new piece. Across the slices it acts on a slab of a given thickness.
//!
//! To replace a part of an outline, a line starts and ends on it; it takes the place of the part
//! that it runs along ([`crate::edit::part_replaced`] says which that is).
//!
//! A line across the slices that changes a guide outline does all this to the guide alone.

use super::canvas::{Canvas, Cut, roi_contains};
use super::gesture::{Hand, Strokes};
use super::region::{GuideDeed, GuideLine};
use super::{
    Across, Cursor, CursorShape, Modifiers, Preview, Reaction, ToolEvent, ViewPlane, between, region, replace,
};
use crate::edit::{Sign, contains, path_touches};
use crate::geometry::{Point3, Polygon};
use crate::patient::{Guide, Roi, RoiId};
use crate::session::{Refusal, Session};
use std::sync::Arc;

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
    /// Takes the place of the part of the outline that it runs along.
    Replace,
}

#[derive(Debug)]
pub(super) struct Drawing {
    started_inside: bool,
    /// Whether the line has touched the structure so far.
    touches: bool,
    keys: Modifiers,
    cut: Cut,
    view: ViewPlane,
    points: Vec<Point3>,
    /// The ROI and its revision at the press.
    began_on: (RoiId, u64),
    /// The contours with the part replaced, once the line ends on the outline again.
    replaced: Option<Canvas>,
    /// The guide outlines on the view's plane, when the line changes them.
    guide: Option<Vec<Polygon>>,
}

/// Freehand.
#[derive(Debug)]
pub struct FreehandTool {
    mode: FreehandMode,
    thickness_mm: f64,
    hand: Hand<Drawing>,
    /// The guides that a line across the slices begun now changes.
    guides: Option<Vec<Arc<Guide>>>,
}

impl Default for FreehandTool {
    fn default() -> Self {
        Self { mode: FreehandMode::Auto, thickness_mm: 10.0, hand: Hand::Away, guides: None }
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
        self.hand.is_busy()
    }

    /// Drops the line.
    pub fn cancel(&mut self) {
        self.hand = Hand::Away;
    }

    /// The line so far, patient mm.
    #[must_use]
    pub fn line(&self) -> &[Point3] {
        self.hand.stroke().map_or(&[], |drawing| &drawing.points)
    }

    /// The contours as they would be if the line ended now, where it replaces a part of them.
    #[must_use]
    pub fn preview(&self) -> Option<&Preview> {
        self.hand.stroke()?.replaced.as_ref().map(Canvas::preview)
    }

    /// The next state and what comes of it. `guides` are those that a line across the slices changes
    /// in place of the contours.
    pub fn event(
        &mut self,
        session: &Session,
        view: &ViewPlane,
        event: ToolEvent,
        guides: Option<&[Arc<Guide>]>,
    ) -> Reaction {
        if matches!(event, ToolEvent::Press(..)) {
            self.guides = guides.map(<[_]>::to_vec);
        }
        let hand = std::mem::take(&mut self.hand);
        let (hand, reaction) = hand.event(self, session, view, event);
        self.hand = hand;
        reaction
    }

    /// What is drawn so far, as if it were closed now; `None` where that takes long, or where
    /// [`Self::preview`] tells it.
    pub(super) fn drawn(&self, session: &Session) -> Option<region::Drawn<'_>> {
        let is_region = |own: &&Drawing| self.mode != FreehandMode::Replace && own.guide.is_none();
        let drawing = self.hand.stroke().filter(is_region)?;
        let roi = session.selected()?;
        let Drawing { view, cut, points, .. } = drawing;
        region::is_quick(session, roi, *cut, points, self.thickness_mm).then(|| {
            let sign = self.sign_when(drawing, drawing.touches || closing_touches(session, roi, drawing));
            region::Drawn { view, cut: *cut, line: points, sign }
        })
    }

    /// The line as it changes the guide on its plane, if it were closed now; `None` where it changes
    /// none.
    pub(super) fn drawn_guide(&self, session: &Session) -> Option<GuideLine> {
        let drawing = self.hand.stroke().filter(|own| own.guide.is_some())?;
        let roi = session.selected()?;
        Some(self.guide_line(drawing, drawing.touches || closing_touches(session, roi, drawing)))
    }

    fn guide_line(&self, drawing: &Drawing, touches: bool) -> GuideLine {
        let deed = match self.mode {
            FreehandMode::Replace => GuideDeed::Replaces(replace::NEAR_PIXELS * drawing.view.pixel_mm),
            _ => GuideDeed::Encloses(self.sign_when(drawing, touches)),
        };
        GuideLine::new(&drawing.view.plane, &drawing.points, deed)
    }

    fn sign(&self, drawing: &Drawing) -> Sign {
        self.sign_when(drawing, drawing.touches)
    }

    fn sign_when(&self, drawing: &Drawing, touches: bool) -> Sign {
        let sign = match self.mode {
            FreehandMode::Add => Sign::Add,
            FreehandMode::Auto if drawing.started_inside || !touches => Sign::Add,
            _ => Sign::Cut,
        };
        if drawing.keys.invert { sign.opposite() } else { sign }
    }

    /// How the cursor looks now.
    #[must_use]
    pub fn cursor(&self, session: &Session) -> Cursor {
        let roi = session.selected();
        let color = roi.map(|roi| roi.color);
        let label = roi.map(|roi| roi.name.clone());
        match &self.hand {
            Hand::Working(_) | Hand::Hovering(..) if self.mode == FreehandMode::Replace => {
                let label = label.map(|name| format!("{name}: replace"));
                Cursor { shape: CursorShape::Pen, sign: None, color, label }
            }
            Hand::Working(drawing) => {
                Cursor { shape: CursorShape::Pen, sign: Some(self.sign(drawing)), color, label }
            }
            Hand::Hovering(at, keys) => {
                let inside = roi.is_some_and(|roi| roi_contains(&session.series().volume, roi, *at));
                let sign = match self.mode {
                    FreehandMode::Cut => Some(Sign::Cut),
                    FreehandMode::Add => Some(Sign::Add),
                    _ => inside.then_some(Sign::Add),
                };
                let sign = sign.map(|sign| if keys.invert { sign.opposite() } else { sign });
                Cursor { shape: CursorShape::Pen, sign, color, label }
            }
            other => other.plain_cursor().unwrap_or_else(|| Cursor::plain(CursorShape::Arrow)),
        }
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match &self.hand {
            Hand::Refused(_) => "",
            Hand::Working(_) if self.mode == FreehandMode::Replace => {
                "End on the outline: the part along the line is replaced; Esc to drop the line"
            }
            _ if self.mode == FreehandMode::Replace => {
                "Draw from the outline back to it to replace the part between"
            }
            Hand::Working(drawing) => match self.sign(drawing) {
                Sign::Cut => "Release to cut, Esc to drop the line",
                Sign::Add if drawing.started_inside => "Release to add, Esc to drop the line",
                Sign::Add => "Release for a new piece, cross the structure to cut, Esc to drop the line",
            },
            _ => "Draw from inside to add, from outside across to cut, apart for a new piece",
        }
    }
}

fn extend(session: &Session, drawing: &mut Drawing, at: Point3) {
    let Some(last) = drawing.points.last().copied().filter(|last| *last != at) else { return };
    if !drawing.touches
        && let Some(roi) = session.selected()
    {
        drawing.touches = touches(session, roi, drawing, last, at);
    }
    drawing.points.push(at);
}

/// Whether the straight line that closes what is drawn touches the structure.
fn closing_touches(session: &Session, roi: &Roi, drawing: &Drawing) -> bool {
    let closes = drawing.points.first().copied().zip(drawing.points.last().copied());
    closes.is_some_and(|(first, last)| touches(session, roi, drawing, last, first))
}

/// Whether a straight line in the view touches the structure, or the guide that is drawn on.
fn touches(session: &Session, roi: &Roi, drawing: &Drawing, from: Point3, to: Point3) -> bool {
    if let Some(guide) = &drawing.guide {
        let plane = &drawing.view.plane;
        return path_touches(guide, plane.project(from), plane.project(to));
    }
    let volume = &session.series().volume;
    match drawing.cut {
        Cut::Along(slice) => roi
            .plane_at(&volume.slices[slice].plane)
            .is_some_and(|own| path_touches(&own.polygons, own.plane.project(from), own.plane.project(to))),
        Cut::Across => {
            // By points half a millimetre apart, each on the slice nearest to it.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let steps = ((to - from).norm() * 2.0).ceil().clamp(1.0, 10_000.0) as u32;
            (0..=steps).any(|step| {
                let point = from + (to - from) * (f64::from(step) / f64::from(steps));
                roi_contains(volume, roi, point)
            })
        }
    }
}

impl Strokes for FreehandTool {
    type Stroke = Drawing;

    fn began_on(drawing: &Drawing) -> (RoiId, u64) {
        drawing.began_on
    }

    fn begin(
        &self,
        session: &Session,
        view: &ViewPlane,
        at: Point3,
        keys: Modifiers,
    ) -> Result<Drawing, String> {
        let (roi, cut) = region::may_begin(session, view, at).map_err(|refusal| refusal.to_string())?;
        let guides = self.guides.as_ref().filter(|_| cut == Cut::Across);
        let guide = guides.map(|guides| between::guide_on(guides, &view.plane));
        let started_inside = match &guide {
            Some(guide) => contains(guide, view.plane.project(at)),
            None => roi_contains(&session.series().volume, roi, at),
        };
        let points = vec![at];
        let touches = started_inside;
        let began_on = (roi.id, roi.revision);
        let replaced = None;
        Ok(Drawing { started_inside, touches, keys, cut, view: *view, points, began_on, replaced, guide })
    }

    fn go_on(&self, session: &Session, drawing: &mut Drawing, at: Point3) -> Reaction {
        extend(session, drawing, at);
        if self.mode == FreehandMode::Replace && drawing.guide.is_none() {
            let on = (&drawing.view, drawing.cut);
            drawing.replaced = replace::replaced(session, on, &drawing.points, self.thickness_mm);
        }
        Reaction::default()
    }

    fn finish(&self, session: &Session, mut drawing: Drawing, at: Point3) -> Reaction {
        self.go_on(session, &mut drawing, at);
        let Some(roi) = session.selected() else { return Reaction::message(&Refusal::NoRoi) };
        if let (FreehandMode::Replace, Some(guide)) = (self.mode, &drawing.guide) {
            let line = self.guide_line(&drawing, drawing.touches);
            return match line.after(guide) {
                Some(after) => region::put_guide(roi.id, line.plane, guide, after),
                None => replace::finished(None, &drawing.points, drawing.view.pixel_mm),
            };
        }
        if self.mode == FreehandMode::Replace {
            return replace::finished(drawing.replaced, &drawing.points, drawing.view.pixel_mm);
        }
        drawing.touches = drawing.touches || closing_touches(session, roi, &drawing);
        region::act(
            session,
            (&drawing.view, drawing.cut),
            &drawing.points,
            self.sign(&drawing),
            Across {
                thickness_mm: self.thickness_mm,
                guides: self.guides.as_deref().filter(|_| drawing.guide.is_some()),
                limit: None,
            },
            "Freehand",
        )
    }
}
