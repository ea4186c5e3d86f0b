//! What may be overwritten: what happens to the other structures where one is drawn over them.
//!
//! One gate for every gesture: `Session::apply` asks it when a gesture's planes are put in, and
//! tools ask it for their preview. Structures that overlap by nature (the body, targets, supports,
//! proposals) are never in one another's way. Locked structures never change: what is drawn ends
//! at them, unless overlaps are allowed.
//!
//! Exclusive structures ([`crate::patient::Roi::exclusive`]) are in one another's way whatever is
//! set and whatever their types: what one gains the others lose in the same step, and locked ones
//! hold. That goes for recipes and accepted proposals as well.

use super::Session;
use super::neighbours::{Answer, Neighbours, OnPlane};
use crate::edit::{Changed, VertexSet, reoriented, without_slivers};
use crate::geometry::{
    Bounds, LATTICE_MM, Plane, Polygon, Vector2, are_near, ring_of, splice, without_needles,
};
use crate::patient::{Roi, RoiId, RoiPlane, RoiType, Volume};
use std::sync::Arc;

/// More than rounding and clipping ever move a vertex, mm.
const BESIDE_MM: f64 = 1e-3;

/// How far around what an event changes its surroundings are looked at, mm.
const AROUND_MM: f64 = 0.5;

/// What drawing does to other structures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
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
    /// The others that give way.
    pub others: Vec<Loss>,
}

/// What another structure is left with on a plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// The structure.
    pub roi: RoiId,
    /// Its revision that this is told of.
    pub based_on: u64,
    /// Its plane with what is left, tidied.
    pub rest: Arc<RoiPlane>,
    /// What is left before it was tidied.
    raw: Arc<Vec<Polygon>>,
}

/// How far a stroke has come on a plane.
#[derive(Debug, Clone, Copy)]
pub struct Stroke<'a> {
    /// The polygons when it began.
    pub before: &'a [Polygon],
    /// The polygons now, as they passed the gate.
    pub now: &'a [Polygon],
    /// Who gives way to them.
    pub others: &'a [Loss],
}

fn overlaps_by_nature(roi: &Roi) -> bool {
    let roi_type = &roi.roi_type;
    roi.is_proposal() || roi_type.is_target() || matches!(roi_type, RoiType::External | RoiType::Support)
}

/// How a structure meets another that is drawn over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stance {
    /// They may overlap.
    Aside,
    /// What is drawn ends at it.
    Holds,
    /// It loses what is drawn.
    GivesWay,
}

/// The gate that planes pass on their way into a structure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gate {
    overwrite: Overwrite,
    pixel_mm: f64,
}

impl Gate {
    pub(super) fn new(overwrite: Overwrite, volume: &Volume) -> Self {
        let spacing = volume.grid.spacing_mm();
        Self { overwrite, pixel_mm: spacing[0].max(spacing[1]) }
    }

    /// Whether `roi` meets no other structure.
    pub(super) fn is_open_for(&self, roi: &Roi) -> bool {
        !roi.exclusive && (self.overwrite == Overwrite::Overlap || overlaps_by_nature(roi))
    }

    fn stance(&self, roi: &Roi, other: &Roi) -> Stance {
        if other.id == roi.id {
            return Stance::Aside;
        }
        let exclude = roi.exclusive && other.exclusive && !other.is_proposal();
        let is_in_the_way = self.overwrite != Overwrite::Overlap
            && !overlaps_by_nature(roi)
            && !overlaps_by_nature(other)
            && (self.overwrite != Overwrite::Visible || other.visible);
        match (exclude || is_in_the_way, other.is_locked() || self.overwrite == Overwrite::Stop) {
            (false, _) => Stance::Aside,
            (true, true) => Stance::Holds,
            (true, false) => Stance::GivesWay,
        }
    }

    /// What becomes of `after`, put in place of `before` on `plane` of `roi`, which stands among others:
    /// only what is added counts.
    pub(super) fn gated(
        &self,
        (rois, neighbours): Among<'_>,
        roi: &Roi,
        plane: &Plane,
        before: &[Polygon],
        after: Vec<Polygon>,
    ) -> Gated {
        if self.is_open_for(roi) {
            return Gated { own: after, others: Vec::new() };
        }
        let (all, known) = neighbours.on(rois, plane);
        let is_same = |known: &Answer| {
            known.roi == roi.id
                && known.overwrite == self.overwrite
                && known.before == before
                && known.after == after
        };
        if let Some(known) = known.filter(|known| Arc::ptr_eq(&known.all, &all) && is_same(known)) {
            return known.gated.clone();
        }
        let Some(changed) = Changed::between(before, &after) else {
            return Gated { own: after, others: Vec::new() };
        };
        // What is added lies in its box: whoever is not near it is not asked further.
        let near = self.near((rois, &all), roi, changed.bounds);
        if near.is_empty() {
            return Gated { own: after, others: Vec::new() };
        }
        self.parted(plane, &near, after, changed.gained(), &[])
    }

    /// [`Self::gated`] of `after`, which takes the place of what a stroke has made of the plane so far:
    /// looks only at what it has added to that, and all over again where it takes back what others
    /// have given way to.
    fn gated_on(
        &self,
        (rois, neighbours): Among<'_>,
        roi: &Roi,
        plane: &Plane,
        stroke: Stroke<'_>,
        after: Vec<Polygon>,
    ) -> Gated {
        if self.is_open_for(roi) {
            return Gated { own: after, others: Vec::new() };
        }
        let kept = |own: Vec<Polygon>| Gated { own, others: stroke.others.to_vec() };
        let Some(changed) = Changed::between(stroke.now, &after) else { return kept(after) };
        let (all, _) = neighbours.on(rois, plane);
        let is_as_it_was =
            |loss: &Loss| rois.iter().any(|own| own.id == loss.roi && own.revision == loss.based_on);
        if !stroke.others.iter().all(is_as_it_was) {
            return self.gated((rois, neighbours), roi, plane, stroke.before, after);
        }
        let near = self.near((rois, &all), roi, changed.bounds);
        if near.is_empty() {
            return kept(after);
        }
        let has_lost = |(other, ..): &Near<'_>| stroke.others.iter().any(|loss| loss.roi == other.id);
        if near.iter().any(has_lost) && !changed.lost().is_empty() {
            return self.gated((rois, neighbours), roi, plane, stroke.before, after);
        }
        let mut added = changed.gained();
        if !added.is_empty() {
            // What the stroke took away earlier and gives back is nothing new.
            let around = [window(changed.bounds)];
            added = splice::difference(&added, &splice::intersection(stroke.before, &around));
        }
        self.parted(plane, &near, after, added, stroke.others)
    }

    /// Who stands near a box, and is not to be overlapped; of the structures and what they have on the plane.
    fn near<'a>(
        &self,
        (rois, all): (&'a [Arc<Roi>], &'a [OnPlane]),
        roi: &Roi,
        reach: Bounds,
    ) -> Vec<Near<'a>> {
        let near = |(other, on_plane): (&'a Arc<Roi>, &'a OnPlane)| {
            let theirs = on_plane.own.as_ref()?;
            let meets = on_plane.boxes.iter().any(|own| are_near(*own, reach, BESIDE_MM));
            let stance = if meets { self.stance(roi, other) } else { Stance::Aside };
            (stance != Stance::Aside).then_some((other, stance, theirs))
        };
        rois.iter().zip(all).filter_map(near).collect()
    }

    /// Takes what is added out of those near, or them out of it; `others` have given way before.
    fn parted(
        &self,
        plane: &Plane,
        near: &[Near<'_>],
        own: Vec<Polygon>,
        mut added: Vec<Polygon>,
        others: &[Loss],
    ) -> Gated {
        let mut gated = Gated { own, others: others.to_vec() };
        for (_, _, theirs) in near.iter().filter(|(_, stance, _)| *stance == Stance::Holds) {
            if added.is_empty() {
                break;
            }
            let shape = reoriented(&theirs.polygons, &theirs.plane, plane);
            let hit = splice::intersection(&shape, &added);
            if !hit.is_empty() {
                gated.own = splice::difference(&gated.own, &hit).into_iter().filter_map(needleless).collect();
                added = splice::difference(&added, &hit);
            }
        }
        for (other, _, theirs) in near.iter().filter(|(_, stance, _)| *stance == Stance::GivesWay) {
            if added.is_empty() {
                break;
            }
            let known = gated.others.iter_mut().find(|loss| loss.roi == other.id);
            let had = known.as_ref().map_or(&theirs.polygons, |known| &*known.raw);
            let raw = splice::difference(had, &reoriented(&added, plane, &theirs.plane));
            if crate::edit::same_polygons(&raw, had) {
                continue;
            }
            let whole = &theirs.polygons;
            let rest = without_slivers(whole, &VertexSet::of(whole), raw.clone(), self.pixel_mm);
            let rest = Arc::new(RoiPlane::new(theirs.plane, theirs.image.clone(), rest));
            let loss = Loss { roi: other.id, based_on: other.revision, rest, raw: Arc::new(raw) };
            match known {
                Some(known) => *known = loss,
                None => gated.others.push(loss),
            }
        }
        gated
    }
}

/// The structures of a session, and what they have on its planes.
pub(super) type Among<'a> = (&'a [Arc<Roi>], &'a Neighbours);

/// A structure that is in the way, how, and its contours on the plane.
type Near<'a> = (&'a Arc<Roi>, Stance, &'a Arc<RoiPlane>);

/// A piece without the needles that clipping leaves where edges nearly coincide, as those along a neighbour
/// do; `None` when nothing is left.
fn needleless(mut piece: Polygon) -> Option<Polygon> {
    without_needles(&mut piece.outer, LATTICE_MM);
    piece.holes.iter_mut().for_each(|hole| without_needles(hole, LATTICE_MM));
    piece.holes.retain(|hole| hole.len() >= 3);
    (piece.outer.len() >= 3).then_some(piece)
}

/// The surroundings of a box.
fn window((low, high): Bounds) -> Polygon {
    let by = Vector2::new(AROUND_MM, AROUND_MM);
    Polygon::from_outer(ring_of((low - by, high + by)))
}

/// The gate as it stands now, to be asked from any thread.
#[derive(Debug, Clone, Copy)]
pub struct OpenGate<'a> {
    gate: Gate,
    rois: &'a [Arc<Roi>],
    neighbours: &'a Neighbours,
}

impl OpenGate<'_> {
    /// What becomes of `after`, drawn in place of `before` on `plane` of `roi`: only what the gesture added
    /// counts.
    #[must_use]
    pub fn gated(&self, roi: &Roi, plane: &Plane, before: &[Polygon], after: Vec<Polygon>) -> Gated {
        self.gate.gated((self.rois, self.neighbours), roi, plane, before, after)
    }

    /// [`Self::gated`] in the course of a stroke: what the stroke has made of the plane so far passed the
    /// gate, so that only what `after` adds to it is looked at. The same within the rounding of a vertex.
    #[must_use]
    pub fn gated_on(&self, roi: &Roi, plane: &Plane, stroke: Stroke<'_>, after: Vec<Polygon>) -> Gated {
        self.gate.gated_on((self.rois, self.neighbours), roi, plane, stroke, after)
    }

    /// Works [`Self::gated`] out ahead: as long as nothing changes, the same question is answered at once.
    pub fn prepare(&self, roi: &Roi, plane: &Plane, before: &[Polygon], after: &[Polygon]) {
        if self.gate.is_open_for(roi) {
            return;
        }
        let gated = self.gated(roi, plane, before, after.to_vec());
        let (all, _) = self.neighbours.on(self.rois, plane);
        let overwrite = self.gate.overwrite;
        let (before, after) = (before.to_vec(), after.to_vec());
        self.neighbours.remember(plane, Answer { all, roi: roi.id, overwrite, before, after, gated });
    }
}

impl Session {
    /// The gate that what is drawn now passes.
    #[must_use]
    pub fn gate(&self) -> OpenGate<'_> {
        let gate = Gate::new(self.overwrite, &self.series().volume);
        OpenGate { gate, rois: &self.structures().rois, neighbours: &self.neighbours }
    }

    /// What drawing does to other structures.
    #[must_use]
    pub fn overwrite(&self) -> Overwrite {
        self.overwrite
    }

    /// Sets what drawing does to other structures, from the next gesture on.
    pub fn set_overwrite(&mut self, overwrite: Overwrite) {
        self.overwrite = overwrite;
    }

    /// Whether `roi` meets other structures where it is drawn: it ends at them, or they give way.
    #[must_use]
    pub fn meets_others(&self, roi: &Roi) -> bool {
        !Gate::new(self.overwrite, &self.series().volume).is_open_for(roi)
    }
}

#[cfg(test)]
mod tests;
