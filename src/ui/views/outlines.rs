//! The structures' outlines on the planes now shown, cut once a revision and plane.

use crate::geometry::{Plane, Polygon, section};
use crate::patient::{Roi, RoiId, Volume};
use crate::render::{Outline, OutlineKey, Rings, plane_key, rings_on_view};
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
            let entry = self.rings.entry(key).or_insert_with(|| (rings_of(roi, volume, view), clock));
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
            missing.par_iter().map(|(key, roi)| (*key, rings_of(roi, volume, view))).collect();
        self.rings.extend(cut.into_iter().map(|(key, rings)| (key, (rings, self.clock))));
    }

    /// The outline of contours suggested for an ROI, dashed; `None` where the view has none.
    pub fn suggested(&mut self, roi: &Roi, volume: &Volume, view: &Plane) -> Option<Outline> {
        let key = OutlineKey { roi: roi.id, revision: roi.revision, plane: plane_key(view) };
        let clock = self.clock;
        let entry = self.rings.entry(key).or_insert_with(|| (rings_of(roi, volume, view), clock));
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

/// The outline of an ROI on a plane: its own contours where the plane is one of theirs, else the
/// cut through all of them.
fn rings_of(roi: &Roi, volume: &Volume, view: &Plane) -> Rings {
    let Some(first) = roi.planes.first() else { return Arc::default() };
    if first.plane.normal().dot(&view.normal()).abs() > 1.0 - 1.5e-6 {
        return match roi.plane_at(view) {
            Some(own) => rings_on_view(&own.plane, &own.polygons, view),
            None => Arc::default(),
        };
    }
    let cut = section::cut(&slabs(roi, volume), view);
    rings_on_view(view, cut.iter().collect::<Vec<&Polygon>>(), view)
}

/// What each of an ROI's planes stands for along its normal: half the distance to the image slice
/// below and above; at the ends of the series, and off its slices, what the one side or the
/// nearest slice has.
pub(super) fn slabs<'a>(roi: &'a Roi, volume: &Volume) -> Vec<section::Slab<'a>> {
    roi.planes
        .iter()
        .map(|own| {
            let (below_mm, above_mm) = reach_mm(&own.plane, volume);
            section::Slab { plane: own.plane, below_mm, above_mm, polygons: &own.polygons }
        })
        .collect()
}

fn reach_mm(plane: &Plane, volume: &Volume) -> (f64, f64) {
    let Some(first) = volume.slices.first() else { return (0.5, 0.5) };
    let flipped = first.plane.normal().dot(&plane.normal()) < 0.0;
    let offset = if flipped { -plane.offset_mm() } else { plane.offset_mm() };
    let Some(index) = volume.nearest_slice(offset) else { return (0.5, 0.5) };
    let at = |index: usize| volume.slices[index].plane.offset_mm();
    let below = index.checked_sub(1).map(|under| (at(index) - at(under)) / 2.0);
    let above = (index + 1 < volume.slices.len()).then(|| (at(index + 1) - at(index)) / 2.0);
    let (below, above) = match (below, above) {
        (Some(below), Some(above)) => (below, above),
        (Some(one), None) | (None, Some(one)) => (one, one),
        (None, None) => (0.5, 0.5),
    };
    if flipped { (above, below) } else { (below, above) }
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
