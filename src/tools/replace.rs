//! A freehand line that takes the place of a part of an outline.
//!
//! On the contours' own plane the outline itself is changed. In any other view the line runs along
//! the structure's outline as that view shows it; what it adds there and what it takes away act on
//! the slab that freehand acts on.

use super::canvas::{Canvas, Cut, slices_between};
use super::{Reaction, ViewPlane};
use crate::edit::{Sign, freehand_slab, part_replaced};
use crate::geometry::{Point2, Point3, clip, section};
use crate::session::Session;

/// How close to the outline counts as on it, screen pixels.
pub(super) const NEAR_PIXELS: f64 = 8.0;

/// The contours with the part that `line` (patient mm, on `view`'s plane) runs along replaced;
/// `None` while it does not start and end on the same outline.
pub(super) fn replaced(
    session: &Session,
    (view, cut): (&ViewPlane, Cut),
    line: &[Point3],
    thickness_mm: f64,
) -> Option<Canvas> {
    let roi = session.selected()?;
    let volume = &session.series().volume;
    let near_mm = NEAR_PIXELS * view.pixel_mm;
    let mut canvas = Canvas::new(session, roi);
    match cut {
        Cut::Along(slice) => {
            let own = roi.plane_at(&volume.slices[slice].plane)?;
            let path: Vec<Point2> = line.iter().map(|point| own.plane.project(*point)).collect();
            let after = part_replaced(&own.polygons, &path, near_mm)?;
            canvas.change(session, slice, |_, _| Some(after));
        }
        Cut::Across => {
            let drawn_on = view.plane;
            let before = section::cut(&roi.slabs(Some(volume)), &drawn_on);
            let path: Vec<Point2> = line.iter().map(|point| drawn_on.project(*point)).collect();
            let after = part_replaced(&before, &path, near_mm)?;
            let (more, less) = (clip::difference(&after, &before), clip::difference(&before, &after));
            let base = volume.base_plane()?;
            let thickness = thickness_mm.max(canvas.pixel_mm() * 1.02);
            let corners = more.iter().chain(&less).flat_map(|piece| &piece.outer);
            let offsets = corners.map(|point| base.normal().dot(&drawn_on.lift(*point).coords));
            let (low, high) = offsets.fold((f64::MAX, f64::MIN), |(l, h), x| (l.min(x), h.max(x)));
            for slice in slices_between(volume, low, high, thickness) {
                canvas.change(session, slice, |plane, polygons| {
                    let grown = freehand_slab(polygons, plane, &more, &drawn_on, thickness, Sign::Add);
                    Some(freehand_slab(&grown, plane, &less, &drawn_on, thickness, Sign::Cut))
                });
            }
        }
    }
    canvas.refresh();
    Some(canvas)
}

/// What the release leads to; a sentence when the line replaces nothing.
pub(super) fn finished(canvas: Option<Canvas>, line: &[Point3], pixel_mm: f64) -> Reaction {
    let is_click = line.iter().all(|point| (point - line[0]).norm() <= 3.0 * pixel_mm);
    match canvas {
        Some(canvas) => canvas.into_reaction("Replace outline"),
        None if is_click => Reaction::default(),
        None => Reaction::message(&"Nothing was replaced. Start and end the line on the same outline."),
    }
}
