//! What all structures have on the planes that are drawn on, kept from event to event and from gesture to
//! gesture: among a hundred of them, looking each up again on every slice would take longer than drawing.
//!
//! Nothing has to be told that a structure has changed: every answer compares the structures, by identity
//! of the objects that an edit exchanges, with those that it was made from.

use super::overwrite::{Gated, Overwrite};
use crate::geometry::{Bounds, Plane, Point2, Polygon};
use crate::patient::{Roi, RoiId, RoiPlane};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A structure on a plane.
#[derive(Debug)]
pub(super) struct OnPlane {
    /// By its identity alone: no structure is kept from being freed for it, and no other takes its place in
    /// memory.
    roi: Weak<Roi>,
    /// Its contours there.
    pub(super) own: Option<Arc<RoiPlane>>,
    /// The boxes around its pieces, in the coordinates of the plane asked for.
    pub(super) boxes: Vec<Bounds>,
}

impl OnPlane {
    fn new(roi: &Arc<Roi>, plane: &Plane) -> Self {
        let own = roi.plane_at(plane).map(Arc::clone);
        let boxes =
            own.iter().flat_map(|own| own.polygons.iter().filter_map(|piece| bounds_on(piece, own, plane)));
        Self { roi: Arc::downgrade(roi), boxes: boxes.collect(), own }
    }

    fn is_of(&self, roi: &Arc<Roi>) -> bool {
        std::ptr::eq(self.roi.as_ptr(), Arc::as_ptr(roi))
    }
}

/// The box around a piece in the coordinates of `plane`, which coincides with its own.
fn bounds_on(piece: &Polygon, own: &RoiPlane, plane: &Plane) -> Option<Bounds> {
    let (low, high) = piece.bounds()?;
    if own.plane.u() == plane.u() && own.plane.v() == plane.v() {
        return Some((low, high));
    }
    let corners = [low, Point2::new(high.x, low.y), high, Point2::new(low.x, high.y)];
    let corners = corners.map(|corner| plane.project(own.plane.lift(corner)));
    corners
        .iter()
        .map(|corner| (*corner, *corner))
        .reduce(|(low, high), (own, _)| (low.inf(&own), high.sup(&own)))
}

/// What was made of a plane, and from what.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) all: Arc<Vec<OnPlane>>,
    pub(super) roi: RoiId,
    pub(super) overwrite: Overwrite,
    pub(super) before: Vec<Polygon>,
    pub(super) after: Vec<Polygon>,
    pub(super) gated: Gated,
}

#[derive(Debug)]
struct Kept {
    plane: Plane,
    all: Arc<Vec<OnPlane>>,
    answer: Option<Arc<Answer>>,
}

/// The structures of a session on its planes, by the bits of their offsets.
#[derive(Debug, Default)]
pub(super) struct Neighbours(Mutex<BTreeMap<u64, Kept>>);

impl Neighbours {
    /// All `rois`, in their order, on a plane, and what was made of it last.
    pub(super) fn on(&self, rois: &[Arc<Roi>], plane: &Plane) -> (Arc<Vec<OnPlane>>, Option<Arc<Answer>>) {
        let key = plane.offset_mm().to_bits();
        let known = {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let known = kept.get(&key).filter(|kept| kept.plane == *plane);
            known.map(|kept| (Arc::clone(&kept.all), kept.answer.clone()))
        };
        let is_same = |(own, roi): (&OnPlane, &Arc<Roi>)| own.is_of(roi);
        if let Some((all, answer)) = &known
            && all.len() == rois.len()
            && all.iter().zip(rois).all(is_same)
        {
            return (Arc::clone(all), answer.clone());
        }
        let known = known.map(|(all, _)| all);
        let on_plane = |(at, roi): (usize, &Arc<Roi>)| {
            let known = known.as_ref().and_then(|all| all.get(at)).filter(|own| own.is_of(roi));
            match known {
                Some(OnPlane { roi, own, boxes }) => {
                    OnPlane { roi: Weak::clone(roi), own: own.clone(), boxes: boxes.clone() }
                }
                None => OnPlane::new(roi, plane),
            }
        };
        let all: Arc<Vec<OnPlane>> = Arc::new(rois.iter().enumerate().map(on_plane).collect());
        self.keep(key, Kept { plane: *plane, all: Arc::clone(&all), answer: None });
        (all, None)
    }

    /// Keeps what was made of a plane, for whoever asks the same again.
    pub(super) fn remember(&self, plane: &Plane, answer: Answer) {
        let all = Arc::clone(&answer.all);
        self.keep(plane.offset_mm().to_bits(), Kept { plane: *plane, all, answer: Some(Arc::new(answer)) });
    }

    /// Forgets what was made of planes: an edit has changed what it was made from.
    pub(super) fn forget_answers(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.values_mut().for_each(|kept| kept.answer = None);
    }

    fn keep(&self, key: u64, kept: Kept) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, kept);
    }
}
