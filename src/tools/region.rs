//! What a closed line does, whatever drew it: on the contours' own plane it adds or cuts what it
//! encloses; in any other view it acts on a slab of a given thickness, or becomes a guide outline
//! while contours between slices are suggested.
//!
//! What a line would do if it ended now is worked out the same way while it is drawn, where that
//! keeps a pointer event short: [`is_quick`] goes by the number of vertices to be gone through.

use super::canvas::{Canvas, Cut, Tidy, cut_of, slices_between};
use super::{Reaction, ViewPlane, between};
use crate::edit::algebra::Region;
use crate::edit::{
    Sign, freehand, freehand_slab, paint, part_replaced, region_of, reoriented, same_polygons,
};
use crate::geometry::{Plane, Point2, Point3, Polygon, clip, stroke};
use crate::patient::{Guide, Roi, RoiId};
use crate::session::{Command, Refusal, Session};
use std::sync::Arc;

/// What a closed line does in a view across the slices.
#[derive(Debug, Clone, Copy)]
pub struct Across<'a> {
    /// The thickness of the slab that it acts on, mm.
    pub thickness_mm: f64,
    /// The guides that it is to change instead.
    pub guides: Option<&'a [Arc<Guide>]>,
    /// The region that it keeps to, whatever the view; `None` everywhere.
    pub limit: Option<&'a Region>,
}

/// What a preview may cost a pointer event, in points of the line at about a microsecond each.
const QUICK: f64 = 900.0;
/// What a vertex of the contours drawn on costs, in points of the line.
const OWN_VERTEX: f64 = 0.4;
/// The same for those of others that may be in the way: most are passed over by their bounds.
const OTHER_VERTEX: f64 = 0.1;

/// A line being drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawn<'a> {
    /// Where it is drawn.
    pub view: &'a ViewPlane,
    /// Which slices it acts on.
    pub cut: Cut,
    /// The line, patient mm.
    pub line: &'a [Point3],
    /// What it would do.
    pub sign: Sign,
}

/// What a line does to the guide on its plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum GuideDeed {
    /// Adds or cuts what it encloses, closed by a straight line.
    Encloses(Sign),
    /// Takes the place of the part of the guide that it runs along, from within so many mm.
    Replaces(f64),
}

/// A line that changes the guide on its plane.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GuideLine {
    /// The plane.
    pub plane: Plane,
    path: Vec<Point2>,
    deed: GuideDeed,
}

impl GuideLine {
    /// A line by its points, patient mm.
    pub(super) fn new(plane: &Plane, line: &[Point3], deed: GuideDeed) -> Self {
        let path = line.iter().map(|point| plane.project(*point)).collect();
        Self { plane: *plane, path, deed }
    }

    /// What the guide `before` becomes; `None` where a line that replaces a part finds none.
    pub(super) fn after(&self, before: &[Polygon]) -> Option<Vec<Polygon>> {
        match self.deed {
            GuideDeed::Encloses(sign) => Some(freehand(before, &region_of(&self.path), sign)),
            GuideDeed::Replaces(near_mm) => part_replaced(before, &self.path, near_mm),
        }
    }

    /// Whether it is long enough to enclose anything.
    pub(super) fn encloses(&self) -> bool {
        self.path.len() >= 3
    }
}

impl Across<'_> {
    /// It acts on a slab.
    #[must_use]
    pub fn slab(thickness_mm: f64) -> Self {
        Self { thickness_mm, guides: None, limit: None }
    }
}

/// Which slices a closed line in `view` may act on, asked when a gesture starts.
///
/// # Errors
/// [`Refusal`] when nothing may be drawn there.
pub(super) fn may_begin<'a>(
    session: &'a Session,
    view: &ViewPlane,
    at: Point3,
) -> Result<(&'a Roi, Cut), Refusal> {
    let selected = session.selected().map(|roi| roi.id);
    let roi = session.may_draw(selected, None)?;
    let cut = cut_of(&session.series().volume, view, at)?;
    if let Cut::Along(slice) = cut {
        session.may_draw(selected, Some(slice))?;
    }
    Ok((roi, cut))
}

/// Adds or cuts what `line` (patient mm, on `view`'s plane) encloses; `gesture` names the undo
/// step. Across the slices a slab, at least a pixel thick, centred on the view, or the guide there.
pub(super) fn act(
    session: &Session,
    (view, cut): (&ViewPlane, Cut),
    line: &[Point3],
    sign: Sign,
    across: Across<'_>,
    gesture: &'static str,
) -> Reaction {
    let Some(roi) = session.selected() else { return Reaction::message(&Refusal::NoRoi) };
    if let (Cut::Across, Some(guides)) = (cut, across.guides) {
        let line = GuideLine::new(&view.plane, line, GuideDeed::Encloses(sign));
        let before = between::guide_on(guides, &view.plane);
        let after = line.after(&before);
        return after.map_or_else(Reaction::default, |after| put_guide(roi.id, view.plane, &before, after));
    }
    let drawn = Drawn { view, cut, line, sign };
    worked(session, &drawn, across, Canvas::new(session, roi)).into_reaction(gesture)
}

/// Why an outline drawn by clicks cannot be closed now; in a structure that is hidden it can wait until
/// that is shown again.
pub(super) fn may_not_close(session: &Session) -> Option<Refusal> {
    let refusal = session.may_draw(session.selected().map(|roi| roi.id), None).err();
    refusal.filter(|refusal| matches!(refusal, Refusal::Hidden(_) | Refusal::NoRoi))
}

/// The contours as they would be if the line ended now; `None` where it would change none, and where it
/// may not. Whether it [`is_quick`] is asked before.
pub(super) fn would_be(session: &Session, drawn: &Drawn<'_>, thickness_mm: f64) -> Option<Canvas> {
    let roi = session.may_draw(session.selected().map(|roi| roi.id), None).ok()?;
    let canvas = Canvas::new(session, roi).tidying(Tidy::Nothing);
    let mut canvas = worked(session, drawn, Across::slab(thickness_mm), canvas);
    canvas.refresh();
    (!canvas.is_unchanged()).then_some(canvas)
}

/// Whether what a line does can be told within a pointer event: about 1 ms at the 99th percentile,
/// by the vertices of the line, of the contours on the slices that it acts on, and of others there
/// that may be in its way.
pub(super) fn is_quick(session: &Session, roi: &Roi, cut: Cut, line: &[Point3], thickness_mm: f64) -> bool {
    let volume = &session.series().volume;
    let slices = match cut {
        Cut::Along(slice) => slice..slice + 1,
        Cut::Across => slices_of(session, line, thickness_mm),
    };
    let rivals = session.meets_others(roi);
    let mut left = QUICK - line.len() as f64;
    for slice in slices {
        if left < 0.0 {
            break;
        }
        let Some(image) = volume.slices.get(slice) else { continue };
        let count = |own: &Roi| own.plane_at(&image.plane).map_or(0, |own| own.vertex_count()) as f64;
        left -= OWN_VERTEX * count(roi) * if rivals { 2.0 } else { 1.0 };
        if rivals {
            let others = session.structures().rois.iter().filter(|own| own.id != roi.id);
            left -= OTHER_VERTEX * others.map(|own| count(own)).sum::<f64>();
        }
    }
    left >= 0.0
}

/// The slices that a slab around a line drawn across them may reach.
fn slices_of(session: &Session, line: &[Point3], thickness_mm: f64) -> std::ops::Range<usize> {
    let volume = &session.series().volume;
    let Some(base) = volume.base_plane().filter(|_| !line.is_empty()) else { return 0..0 };
    let offsets = line.iter().map(|point| base.normal().dot(&point.coords));
    let (low, high) = offsets.fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(x), h.max(x)));
    slices_between(volume, low, high, thickness_mm)
}

/// What the line does, on a canvas of the selected structure.
fn worked(session: &Session, drawn: &Drawn<'_>, across: Across<'_>, mut canvas: Canvas) -> Canvas {
    let Drawn { view, cut, line, sign } = *drawn;
    let volume = &session.series().volume;
    // The limit on a slice, in the coordinates of the contours' plane there.
    let limit_on = |slice: usize, plane: &Plane| {
        across.limit.map(|limit| reoriented(limit.on(slice), &volume.slices[slice].plane, plane))
    };
    match cut {
        Cut::Along(slice) => canvas.change(session, slice, |plane, polygons| {
            let path: Vec<Point2> = line.iter().map(|point| plane.project(*point)).collect();
            let region = region_of(&path);
            let region = match limit_on(slice, plane) {
                Some(limit) => clip::intersection(&region, &limit),
                None => region,
            };
            Some(freehand(polygons, &region, sign))
        }),
        Cut::Across => {
            let drawn_on = view.plane;
            let path: Vec<Point2> = line.iter().map(|point| drawn_on.project(*point)).collect();
            let region = region_of(&path);
            let thickness = across.thickness_mm.max(canvas.pixel_mm() * 1.02);
            let slices = slices_of(session, line, thickness);
            canvas.change_each(session, slices, |slice, plane, polygons| match limit_on(slice, plane) {
                Some(limit) => {
                    let section = stroke::extruded_section(&region, &drawn_on, thickness / 2.0, plane);
                    Some(paint(polygons, &clip::intersection(&section, &limit), sign))
                }
                None => Some(freehand_slab(polygons, plane, &region, &drawn_on, thickness, sign)),
            });
        }
    }
    canvas
}

/// Makes the guide on a plane another one; nothing where it is the same.
pub(super) fn put_guide(roi: RoiId, plane: Plane, before: &[Polygon], after: Vec<Polygon>) -> Reaction {
    if same_polygons(before, &after) {
        return Reaction::default();
    }
    Reaction::command(Command::PutGuide { roi, guide: Guide { plane, polygons: after } })
}
