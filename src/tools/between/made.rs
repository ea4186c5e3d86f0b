//! What guides have led to, and the structure as it was looked at for that.

use super::super::suggestion::{Slices, differ};
use crate::edit::{GuidedError, guided, same_polygons, snapped};
use crate::patient::{Guide, Roi, RoiId, RoiPlane, Volume};
use crate::progress::{Cancelled, Progress};
use std::sync::Arc;

/// Guides that pass drawn contours by more than this are told of, mm.
const WORTH_TELLING_MM: f64 = 2.0;

/// A structure as it was looked at.
#[derive(Debug)]
pub(super) struct Seen {
    pub roi: RoiId,
    pub revision: u64,
    pub visible: bool,
    pub guides: Vec<Arc<Guide>>,
}

impl Seen {
    pub(super) fn of(roi: &Roi) -> Self {
        Self { roi: roi.id, revision: roi.revision, visible: roi.visible, guides: roi.guides.clone() }
    }

    /// Whether the structure is still as it was.
    pub(super) fn is(&self, roi: &Roi) -> bool {
        (self.roi, self.revision, self.visible) == (roi.id, roi.revision, roi.visible)
            && are_same(&self.guides, &roi.guides)
    }
}

/// Whether guides are the very same objects: they are immutable, so nothing else need be compared.
fn are_same(some: &[Arc<Guide>], others: &[Arc<Guide>]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(own, other)| Arc::ptr_eq(own, other))
}

/// What guides have led to.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub roi: RoiId,
    pub guides: Vec<Arc<Guide>>,
    pub drawn: Slices,
    /// Where the surface is.
    pub plain: Slices,
    /// What is suggested: the same, or moved to edges within so many mm.
    pub slices: Slices,
    pub snap_mm: Option<f64>,
    /// What was suggested of it as the gate let it through, slice by slice; also where it has been taken
    /// over.
    pub offered: Slices,
    pub disagree_mm: f64,
}

impl Made {
    /// The surface through contours drawn on slices and guides of a structure as it was looked at.
    ///
    /// # Errors
    /// [`GuidedError`] when the outlines tell no shape, or someone asked to stop.
    pub(super) fn through(
        of: &Seen,
        drawn: Slices,
        volume: &Volume,
        snap_mm: Option<f64>,
        progress: &Progress,
    ) -> Result<Self, GuidedError> {
        let guides: Vec<Guide> = of.guides.iter().map(|guide| Guide::clone(guide)).collect();
        let found = guided(&drawn, &guides, volume, &progress.part(0.0, 0.8))?;
        let made = Self {
            roi: of.roi,
            guides: of.guides.clone(),
            drawn,
            plain: found.slices,
            slices: Vec::new(),
            offered: Vec::new(),
            snap_mm,
            disagree_mm: found.disagree_mm,
        };
        Ok(made.snapped(volume, progress)?)
    }

    /// What is to be told of it.
    pub(super) fn note(&self) -> Option<String> {
        let by_mm = self.disagree_mm;
        if by_mm > WORTH_TELLING_MM {
            Some(format!("A guide passes a drawn contour by {by_mm:.1} mm; the contour counts."))
        } else if self.snap_mm.is_some() && self.drawn.is_empty() {
            Some("Edges are told by contours on slices: draw one to snap to its edge.".to_owned())
        } else {
            None
        }
    }

    /// Moves what is suggested to edges, when asked for.
    pub(super) fn snapped(self, volume: &Volume, progress: &Progress) -> Result<Self, Cancelled> {
        let slices = match self.snap_mm {
            Some(reach_mm) => snapped(&self.plain, &self.drawn, volume, reach_mm, progress)?,
            None => self.plain.clone(),
        };
        Ok(Self { slices, ..self })
    }

    /// Remembers what of it is suggested.
    pub(super) fn offer(&mut self, slices: &Slices) {
        self.offered.retain(|own| !is_on(slices, own.0));
        self.offered.extend(slices.iter().cloned());
    }

    /// What was suggested and has not been taken over; `None` when anything else has happened since to the
    /// structure, whose slices `drawn` now have contours.
    pub(super) fn not_taken(&self, roi: &Roi, drawn: &Slices) -> Option<Slices> {
        if self.roi != roi.id || !are_same(&self.guides, &roi.guides) {
            return None;
        }
        let is_taken = |own| holds_same(&self.slices, own) || holds_alike(&self.offered, own);
        let only_taken = drawn.iter().all(|own| holds_same(&self.drawn, own) || is_taken(own));
        let all_kept = self.drawn.iter().all(|own| holds_same(drawn, own));
        (only_taken && all_kept)
            .then(|| self.slices.iter().filter(|(slice, _)| !is_on(drawn, *slice)).cloned().collect())
    }
}

/// Whether the same contours are on the same slice of a list.
pub(super) fn holds_same(list: &Slices, (slice, plane): &(usize, Arc<RoiPlane>)) -> bool {
    list.iter().any(|(own, other)| {
        own == slice && (Arc::ptr_eq(other, plane) || same_polygons(&other.polygons, &plane.polygons))
    })
}

/// Whether there is anything on a slice.
pub(super) fn is_on(slices: &Slices, slice: usize) -> bool {
    slices.iter().any(|(own, _)| *own == slice)
}

/// Whether the same contours but for rounding are on the same slice of a list: the gate cuts what it has
/// cut once more where the rounded line lies.
fn holds_alike(list: &Slices, (slice, plane): &(usize, Arc<RoiPlane>)) -> bool {
    list.iter().any(|(own, other)| own == slice && !differ(&other.polygons, &plane.polygons))
}
