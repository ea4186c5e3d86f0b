//! Cut with a line: a straight line drawn across pieces splits each in two; both stay. Across the
//! slices the line cuts a slab of a given thickness, as freehand does: of what the slab holds the
//! smaller side of the line comes off as pieces of its own.

use super::canvas::{Canvas, Cut, slices_between};
use super::gesture::{Hand, Strokes};
use super::{Cursor, CursorShape, Modifiers, Preview, Reaction, ToolEvent, ViewPlane, region};
use crate::edit::{Sheet, split_by_line, taken_off};
use crate::geometry::{Point3, Polygon};
use crate::patient::RoiId;
use crate::session::{Refusal, Session};
use std::collections::BTreeMap;

/// What is said when a line splits nothing.
const NOTHING: &str = "Nothing was split. Draw the line right across a contour, from outside to outside.";

/// The same for a line that runs along the slices.
const ALONG_SLICES: &str =
    "Nothing was split. Contours lie on the slices: draw the line across several of them.";

#[derive(Debug)]
pub(super) struct Stroke {
    view: ViewPlane,
    cut: Cut,
    /// From where to where, patient mm on the view's plane.
    ends: [Point3; 2],
    canvas: Canvas,
}

/// Cut with a line.
#[derive(Debug, Default)]
pub struct KnifeTool {
    thickness_mm: f64,
    hand: Hand<Stroke>,
}

impl KnifeTool {
    /// Whether a line is being drawn.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.hand.is_busy()
    }

    /// Drops the line.
    pub fn cancel(&mut self) {
        self.hand = Hand::Away;
    }

    /// The contours as they would be if the line ended now.
    #[must_use]
    pub fn preview(&self) -> Option<&Preview> {
        self.hand.stroke().map(|stroke| stroke.canvas.preview())
    }

    /// The line, patient mm.
    #[must_use]
    pub fn line(&self) -> &[Point3] {
        self.hand.stroke().map_or(&[], |stroke| &stroke.ends)
    }

    /// The next state and what comes of it. `thickness_mm` is that of a slab across the slices.
    pub fn event(
        &mut self,
        session: &Session,
        view: &ViewPlane,
        event: ToolEvent,
        thickness_mm: f64,
    ) -> Reaction {
        self.thickness_mm = thickness_mm;
        let hand = std::mem::take(&mut self.hand);
        let (hand, reaction) = hand.event(self, session, view, event);
        self.hand = hand;
        reaction
    }

    /// Splits from scratch what the line crosses now.
    fn split(&self, session: &Session, stroke: &mut Stroke) {
        let Some(roi) = session.selected() else { return };
        let mut canvas = Canvas::new(session, roi);
        let [from, to] = stroke.ends;
        match stroke.cut {
            Cut::Along(slice) => canvas.change(session, slice, |plane, polygons| {
                Some(split_by_line(polygons, plane.project(from), plane.project(to)))
            }),
            Cut::Across => {
                let thickness_mm = self.thickness_mm.max(canvas.pixel_mm() * 1.02);
                let sheet = Sheet { view: stroke.view.plane, ends: stroke.ends, thickness_mm };
                for (slice, parts) in smaller_side(session, &sheet) {
                    canvas.change(session, slice, |_, polygons| Some(taken_off(polygons, &parts)));
                }
            }
        }
        canvas.refresh();
        stroke.canvas = canvas;
    }

    /// How the cursor looks now.
    #[must_use]
    pub fn cursor(&self, session: &Session) -> Cursor {
        let roi = session.selected();
        self.hand.plain_cursor().unwrap_or_else(|| Cursor {
            shape: CursorShape::Cross,
            sign: None,
            color: roi.map(|roi| roi.color),
            label: roi.map(|roi| format!("{}: split", roi.name)),
        })
    }

    /// What the person can do now.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match &self.hand {
            Hand::Working(_) => "Release to split what the line crosses, Esc to drop it",
            Hand::Refused(_) => "",
            _ => "Drag a line right across a contour: both parts stay",
        }
    }
}

/// What a sheet takes off on each slice it reaches: the side of the drawn line that has less volume
/// within the slab, the same side on all slices.
fn smaller_side(session: &Session, sheet: &Sheet) -> BTreeMap<usize, Vec<Polygon>> {
    let volume = &session.series().volume;
    let (Some(roi), Some(base)) = (session.selected(), volume.base_plane()) else { return BTreeMap::new() };
    let offset = |point: Point3| base.normal().dot(&point.coords);
    let slices = slices_between(volume, offset(sheet.ends[0]), offset(sheet.ends[1]), sheet.thickness_mm);
    let mut sides = [BTreeMap::new(), BTreeMap::new()];
    let mut volumes = [0.0; 2];
    for slice in slices {
        let Some(own) = roi.plane_at(&volume.slices[slice].plane) else { continue };
        let Some(parts) = sheet.parts(&own.polygons, &own.plane) else { continue };
        for (side, parts) in parts.into_iter().enumerate() {
            let area: f64 = parts.iter().map(Polygon::area_mm2).sum();
            volumes[side] += area * volume.slice_thickness_mm(slice);
            if !parts.is_empty() {
                sides[side].insert(slice, parts);
            }
        }
    }
    let [first, second] = sides;
    if volumes[0] <= volumes[1] { first } else { second }
}

impl Strokes for KnifeTool {
    type Stroke = Stroke;

    fn began_on(stroke: &Stroke) -> (RoiId, u64) {
        stroke.canvas.based_on()
    }

    fn begin(&self, session: &Session, view: &ViewPlane, at: Point3, _: Modifiers) -> Result<Stroke, String> {
        let (roi, cut) = region::may_begin(session, view, at).map_err(|refusal| refusal.to_string())?;
        Ok(Stroke { view: *view, cut, ends: [at, at], canvas: Canvas::new(session, roi) })
    }

    fn go_on(&self, session: &Session, stroke: &mut Stroke, at: Point3) -> Reaction {
        if stroke.ends[1] != at {
            stroke.ends[1] = at;
            self.split(session, stroke);
        }
        Reaction::default()
    }

    fn finish(&self, session: &Session, mut stroke: Stroke, at: Point3) -> Reaction {
        self.go_on(session, &mut stroke, at);
        if session.selected().is_none() {
            return Reaction::message(&Refusal::NoRoi);
        }
        let [from, to] = stroke.ends;
        let is_line = (to - from).norm() > 3.0 * stroke.view.pixel_mm;
        let rise = session.series().volume.base_plane().map_or(0.0, |base| base.normal().dot(&(to - from)));
        let flat = stroke.cut == Cut::Across && rise.abs() < 0.1 * (to - from).norm();
        let mut reaction = stroke.canvas.into_reaction("Cut with a line");
        if reaction.command.is_none() && is_line {
            let why = if flat { ALONG_SLICES } else { NOTHING };
            reaction.message = reaction.message.or(Some(why.to_owned()));
        }
        reaction
    }
}
