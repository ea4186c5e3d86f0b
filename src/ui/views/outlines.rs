//! The structures' outlines on the planes now shown, and where they lie beside them.

use crate::geometry::Plane;
use crate::patient::{Roi, RoiId, Volume};
use crate::render::{Outline, OutlineCache};
use crate::session::Session;
use std::collections::HashMap;
use std::sync::Arc;

/// The outlines of all visible structures on `view`, the selected one last so that it lies on top.
/// `shown` stands for the ROIs that a gesture under way changes.
pub(super) fn outlines(
    cache: &mut OutlineCache,
    session: &Session,
    shown: &[Arc<Roi>],
    view: &Plane,
) -> Vec<Outline> {
    let volume = Some(session.series().volume.as_ref());
    let selected = session.selected().map(|roi| roi.id);
    let rois = session.structures().rois.iter().filter(|roi| roi.visible);
    let rois: Vec<&Arc<Roi>> =
        rois.map(|roi| shown.iter().find(|own| own.id == roi.id).unwrap_or(roi)).collect();
    cache.cut(rois.iter().copied(), volume, view);
    let mut outlines = Vec::new();
    let mut on_top = None;
    for roi in rois {
        let mut outline = cache.outline(roi, volume, view);
        if outline.rings.is_empty() {
            continue;
        }
        outline.selected = selected == Some(roi.id);
        if outline.selected {
            on_top = Some(outline);
        } else {
            outlines.push(outline);
        }
    }
    outlines.extend(on_top);
    outlines
}

/// The outline of contours suggested for an ROI, dashed; `None` where the view has none.
pub(super) fn suggested(
    cache: &mut OutlineCache,
    roi: &Roi,
    volume: &Volume,
    view: &Plane,
) -> Option<Outline> {
    let mut outline = cache.outline(roi, Some(volume), view);
    outline.dashed = true;
    outline.selected = true;
    (!outline.rings.is_empty()).then_some(outline)
}

/// The extent of each plane's contours along `normal`, mm: for the strip beside a view that cuts
/// across the slices. Empty for an ROI without contours.
pub(super) fn extents_along(roi: &Roi, normal: &crate::geometry::Vector3) -> Vec<(f64, f64)> {
    let mut extents: Vec<(f64, f64)> = roi
        .planes
        .iter()
        .flat_map(|plane| {
            plane.polygons.iter().map(|polygon| {
                polygon.outer.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| {
                    let offset = normal.dot(&plane.plane.lift(*point).coords);
                    (low.min(offset), high.max(offset))
                })
            })
        })
        .collect();
    extents.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<(f64, f64)> = Vec::new();
    for (low, high) in extents {
        match merged.last_mut() {
            Some(last) if low <= last.1 => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    merged
}

/// Where contours lie along a view's normal, mm.
type Extents = Arc<Vec<(f64, f64)>>;

/// The extents cached for the strip: they change only with the ROI and the view's normal.
#[derive(Debug, Default)]
pub struct ExtentCache {
    held: HashMap<(RoiId, u64, [u64; 3]), Extents>,
}

impl ExtentCache {
    /// The extents of `roi` along `normal`.
    pub fn extents(&mut self, roi: &Roi, normal: &crate::geometry::Vector3) -> Arc<Vec<(f64, f64)>> {
        if self.held.len() > 64 {
            self.held.clear();
        }
        let key = (roi.id, roi.revision, [0, 1, 2].map(|axis| normal[axis].to_bits()));
        Arc::clone(self.held.entry(key).or_insert_with(|| Arc::new(extents_along(roi, normal))))
    }
}
