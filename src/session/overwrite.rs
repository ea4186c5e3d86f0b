//! What may be overwritten: what happens to the other structures where one is drawn over them.
//!
//! One gate for every gesture: `Session::apply` asks it when a gesture's planes are put in, and
//! tools ask it for their preview. Structures that overlap by nature (the body, targets, supports,
//! proposals) are never in one another's way. Locked structures never change: what is drawn ends
//! at them, unless overlaps are allowed.

use super::Session;
use crate::edit::{reoriented, without_slivers};
use crate::geometry::{Plane, Polygon, clip};
use crate::patient::{Roi, RoiId, RoiPlane, RoiType};

/// What drawing does to other structures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Overwrite {
    /// Nothing is overwritten; structures may overlap.
    #[default]
    Overlap,
    /// Nothing is overwritten, and what is drawn ends at the others.
    Stop,
    /// Visible structures give way; what is drawn ends at locked ones.
    Visible,
    /// All structures give way; what is drawn ends at locked ones.
    Unlocked,
}

/// What a gesture's polygons on one plane become, and what others become there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gated {
    /// The polygons of the ROI drawn on.
    pub own: Vec<Polygon>,
    /// The planes of others that give way.
    pub others: Vec<(RoiId, RoiPlane)>,
}

fn overlaps_by_nature(roi: &Roi) -> bool {
    let roi_type = &roi.roi_type;
    roi.is_proposal() || roi_type.is_target() || matches!(roi_type, RoiType::External | RoiType::Support)
}

impl Session {
    /// What drawing does to other structures.
    #[must_use]
    pub fn overwrite(&self) -> Overwrite {
        self.overwrite
    }

    /// Sets what drawing does to other structures, from the next gesture on.
    pub fn set_overwrite(&mut self, overwrite: Overwrite) {
        self.overwrite = overwrite;
    }

    /// [`Self::gated`] without the others, for previews.
    #[must_use]
    pub fn gated_own(
        &self,
        roi: &Roi,
        plane: &Plane,
        before: &[Polygon],
        after: Vec<Polygon>,
    ) -> Vec<Polygon> {
        if self.overwrite == Overwrite::Overlap {
            return after;
        }
        self.gated(roi, plane, before, after).own
    }

    /// What becomes of `after`, drawn in place of `before` on `plane` of `roi`: only what the
    /// gesture added counts.
    #[must_use]
    pub fn gated(&self, roi: &Roi, plane: &Plane, before: &[Polygon], after: Vec<Polygon>) -> Gated {
        if self.overwrite == Overwrite::Overlap || overlaps_by_nature(roi) {
            return Gated { own: after, others: Vec::new() };
        }
        let mut added = clip::difference(&after, before);
        let mut gated = Gated { own: after, others: Vec::new() };
        let spacing = self.series().volume.grid.spacing_mm();
        let pixel_mm = spacing[0].max(spacing[1]);
        let others = self.structures().rois.iter().filter(|other| {
            other.id != roi.id
                && !overlaps_by_nature(other)
                && (self.overwrite != Overwrite::Visible || other.visible)
        });
        let mut giving_way = Vec::new();
        for other in others {
            if added.is_empty() {
                break;
            }
            let Some(theirs) = other.plane_at(plane) else { continue };
            let shape = reoriented(&theirs.polygons, &theirs.plane, plane);
            if other.is_locked() || self.overwrite == Overwrite::Stop {
                let hit = clip::intersection(&added, &shape);
                if !hit.is_empty() {
                    gated.own = clip::difference(&gated.own, &hit);
                    added = clip::difference(&added, &shape);
                }
            } else {
                giving_way.push((other, theirs));
            }
        }
        for (other, theirs) in giving_way {
            let drawn = reoriented(&added, plane, &theirs.plane);
            let rest = clip::difference(&theirs.polygons, &drawn);
            if !crate::edit::same_polygons(&rest, &theirs.polygons) {
                let rest = without_slivers(&theirs.polygons, rest, pixel_mm);
                gated.others.push((other.id, RoiPlane::new(theirs.plane, theirs.image.clone(), rest)));
            }
        }
        gated
    }
}
