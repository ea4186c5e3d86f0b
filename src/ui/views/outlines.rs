//! The structures' outlines on the planes now shown, cut once a revision and plane.

use crate::geometry::Plane;
use crate::patient::{Roi, RoiId, Volume};
use crate::render::{Outline, OutlineKey, Rings, plane_key, rings_of_roi};
use crate::session::Session;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// Cuts kept at most; beyond that the ones not used in the last frames go.
const MANY: usize = 600;

/// Outlines by ROI, revision and plane.
#[derive(Debug, Default)]
pub struct OutlineCache {
    rings: HashMap<OutlineKey, (Rings, u64)>,
    clock: u64,
}

impl OutlineCache {
    /// The outlines of all visible structures on `view`, the selected one last so that it lies on
    /// top. `shown` stands for the ROI being edited while a gesture is under way.
    pub fn outlines(&mut self, session: &Session, shown: Option<&Arc<Roi>>, view: &Plane) -> Vec<Outline> {
        self.clock += 1;
        let volume = &session.series().volume;
        let selected = session.selected().map(|roi| roi.id);
        let plane = plane_key(view);
        self.cut_missing(session, shown, view);
        let mut outlines = Vec::new();
        let mut on_top = None;
        for roi in session.structures().rois.iter().filter(|roi| roi.visible) {
            let roi = shown.filter(|own| own.id == roi.id).unwrap_or(roi);
            let key = OutlineKey { roi: roi.id, revision: roi.revision, plane };
            let clock = self.clock;
            let entry =
                self.rings.entry(key).or_insert_with(|| (rings_of_roi(roi, Some(volume), view), clock));
            entry.1 = clock;
            if entry.0.is_empty() {
                continue;
            }
            let mut outline = Outline::new(Some(key), Arc::clone(&entry.0), roi.color);
            outline.dashed = roi.is_proposal();
            outline.selected = selected == Some(roi.id);
            if outline.selected {
                on_top = Some(outline);
            } else {
                outlines.push(outline);
            }
        }
        outlines.extend(on_top);
        if self.rings.len() > MANY {
            let clock = self.clock;
            self.rings.retain(|_, (_, used)| *used + 60 > clock);
        }
        outlines
    }

    /// Cuts what is not held for this plane, on all cores: a step of the wheel across the slices of a
    /// study with many structures stays within a frame.
    fn cut_missing(&mut self, session: &Session, shown: Option<&Arc<Roi>>, view: &Plane) {
        let volume = &session.series().volume;
        let plane = plane_key(view);
        let missing: Vec<(OutlineKey, &Arc<Roi>)> = session
            .structures()
            .rois
            .iter()
            .filter(|roi| roi.visible)
            .map(|roi| shown.filter(|own| own.id == roi.id).unwrap_or(roi))
            .map(|roi| (OutlineKey { roi: roi.id, revision: roi.revision, plane }, roi))
            .filter(|(key, _)| !self.rings.contains_key(key))
            .collect();
        if missing.len() < 2 {
            return;
        }
        let cut: Vec<(OutlineKey, Rings)> =
            missing.par_iter().map(|(key, roi)| (*key, rings_of_roi(roi, Some(volume), view))).collect();
        self.rings.extend(cut.into_iter().map(|(key, rings)| (key, (rings, self.clock))));
    }

    /// The outline of contours suggested for an ROI, dashed; `None` where the view has none.
    pub fn suggested(&mut self, roi: &Roi, volume: &Volume, view: &Plane) -> Option<Outline> {
        let key = OutlineKey { roi: roi.id, revision: roi.revision, plane: plane_key(view) };
        let clock = self.clock;
        let entry = self.rings.entry(key).or_insert_with(|| (rings_of_roi(roi, Some(volume), view), clock));
        entry.1 = clock;
        let mut outline = Outline::new(Some(key), Arc::clone(&entry.0), roi.color);
        outline.dashed = true;
        outline.selected = true;
        (!entry.0.is_empty()).then_some(outline)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.rings.clear();
    }
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

/// The extents cached for the strip: they change only with the ROI.
#[derive(Debug, Default)]
pub struct ExtentCache {
    held: HashMap<(RoiId, u64, usize), Extents>,
}

impl ExtentCache {
    /// The extents of `roi` along `normal`, for the view with number `view`.
    pub fn extents(
        &mut self,
        roi: &Roi,
        view: usize,
        normal: &crate::geometry::Vector3,
    ) -> Arc<Vec<(f64, f64)>> {
        if self.held.len() > 64 {
            self.held.clear();
        }
        let key = (roi.id, roi.revision, view);
        Arc::clone(self.held.entry(key).or_insert_with(|| Arc::new(extents_along(roi, normal))))
    }
}
