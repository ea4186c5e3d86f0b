//! What a closed line does, whatever drew it: on the contours' own plane it adds or cuts what it
//! encloses; in any other view it acts on a slab of a given thickness, or becomes a guide outline
//! while contours between slices are suggested.

use super::canvas::{Canvas, Cut, cut_of, slices_between};
use super::{Reaction, ViewPlane, between};
use crate::edit::{Sign, freehand, freehand_slab, region_of, same_polygons};
use crate::geometry::{Plane, Point2, Point3, Polygon};
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
}

impl Across<'_> {
    /// It acts on a slab.
    #[must_use]
    pub fn slab(thickness_mm: f64) -> Self {
        Self { thickness_mm, guides: None }
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
    let volume = &session.series().volume;
    let mut canvas = Canvas::new(session, roi);
    match cut {
        Cut::Along(slice) => canvas.change(session, slice, |plane, polygons| {
            let path: Vec<Point2> = line.iter().map(|point| plane.project(*point)).collect();
            Some(freehand(polygons, &region_of(&path), sign))
        }),
        Cut::Across => {
            let drawn_on = view.plane;
            let path: Vec<Point2> = line.iter().map(|point| drawn_on.project(*point)).collect();
            let region = region_of(&path);
            if let Some(guides) = across.guides {
                let before = between::guide_on(guides, &drawn_on);
                let after = freehand(&before, &region, sign);
                return put_guide(roi.id, drawn_on, &before, after);
            }
            let Some(base) = volume.base_plane() else { return Reaction::default() };
            let thickness = across.thickness_mm.max(canvas.pixel_mm() * 1.02);
            let offsets = line.iter().map(|point| base.normal().dot(&point.coords));
            let (low, high) = offsets.fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(x), h.max(x)));
            for slice in slices_between(volume, low, high, thickness) {
                canvas.change(session, slice, |plane, polygons| {
                    Some(freehand_slab(polygons, plane, &region, &drawn_on, thickness, sign))
                });
            }
        }
    }
    canvas.into_reaction(gesture)
}

/// Makes the guide on a plane another one; nothing where it is the same.
pub(super) fn put_guide(roi: RoiId, plane: Plane, before: &[Polygon], after: Vec<Polygon>) -> Reaction {
    if same_polygons(before, &after) {
        return Reaction::default();
    }
    Reaction::command(Command::PutGuide { roi, guide: Guide { plane, polygons: after } })
}
