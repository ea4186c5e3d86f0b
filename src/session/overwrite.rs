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
use crate::edit::{VertexSet, changed_box, reoriented, without_slivers};
use crate::geometry::{Plane, Point2, Polygon, clip, splice};
use crate::patient::{Roi, RoiId, RoiPlane, RoiType, Volume};
use std::sync::Arc;

/// More than rounding and clipping ever move a vertex, mm.
const BESIDE_MM: f64 = 1e-3;

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
    /// The planes of others that give way.
    pub others: Vec<(RoiId, RoiPlane)>,
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

    /// What becomes of `after`, put in place of `before` on `plane` of `roi`, among `rois`: only what
    /// is added counts.
    pub(super) fn gated(
        &self,
        rois: &[Arc<Roi>],
        roi: &Roi,
        plane: &Plane,
        before: &[Polygon],
        after: Vec<Polygon>,
    ) -> Gated {
        let mut gated = Gated { own: after, others: Vec::new() };
        if self.is_open_for(roi) {
            return gated;
        }
        // What is added lies in this box: whoever is not near it is not asked further.
        let Some(reach) = changed_box(before, &gated.own) else { return gated };
        let near: Vec<(&Arc<Roi>, Stance, &Arc<RoiPlane>)> = rois
            .iter()
            .filter_map(|other| {
                let stance = self.stance(roi, other);
                let theirs = if stance == Stance::Aside { None } else { other.plane_at(plane) }?;
                meets(theirs, plane, reach).then_some((other, stance, theirs))
            })
            .collect();
        if near.is_empty() {
            return gated;
        }
        let mut added = splice::difference(&gated.own, before);
        for (_, _, theirs) in near.iter().filter(|(_, stance, _)| *stance == Stance::Holds) {
            if added.is_empty() {
                break;
            }
            let shape = reoriented(&theirs.polygons, &theirs.plane, plane);
            let hit = splice::intersection(&shape, &added);
            if !hit.is_empty() {
                gated.own = clip::difference(&gated.own, &hit);
                added = clip::difference(&added, &shape);
            }
        }
        for (other, _, theirs) in near.iter().filter(|(_, stance, _)| *stance == Stance::GivesWay) {
            if added.is_empty() {
                break;
            }
            let drawn = reoriented(&added, plane, &theirs.plane);
            let rest = splice::difference(&theirs.polygons, &drawn);
            if !crate::edit::same_polygons(&rest, &theirs.polygons) {
                let rest =
                    without_slivers(&theirs.polygons, &VertexSet::of(&theirs.polygons), rest, self.pixel_mm);
                gated.others.push((other.id, RoiPlane::new(theirs.plane, theirs.image.clone(), rest)));
            }
        }
        gated
    }
}

/// Whether any piece of a plane comes near a box on the plane `on`, which coincides with it.
fn meets(own: &RoiPlane, on: &Plane, (low, high): (Point2, Point2)) -> bool {
    let corners = [low, Point2::new(high.x, low.y), high, Point2::new(low.x, high.y)];
    let corners = corners.map(|corner| own.plane.project(on.lift(corner)));
    let (mut low, mut high) = (corners[0], corners[0]);
    for corner in corners {
        low = Point2::new(low.x.min(corner.x), low.y.min(corner.y));
        high = Point2::new(high.x.max(corner.x), high.y.max(corner.y));
    }
    own.polygons.iter().filter_map(Polygon::bounds).any(|(least, most)| {
        least.x <= high.x + BESIDE_MM
            && low.x <= most.x + BESIDE_MM
            && least.y <= high.y + BESIDE_MM
            && low.y <= most.y + BESIDE_MM
    })
}

/// The gate as it stands now, to be asked from any thread.
#[derive(Debug, Clone, Copy)]
pub struct OpenGate<'a> {
    gate: Gate,
    rois: &'a [Arc<Roi>],
}

impl OpenGate<'_> {
    /// See [`Session::gated`].
    #[must_use]
    pub fn gated(&self, roi: &Roi, plane: &Plane, before: &[Polygon], after: Vec<Polygon>) -> Gated {
        self.gate.gated(self.rois, roi, plane, before, after)
    }

    /// The revision of a structure that gives way; 0 where there is none.
    #[must_use]
    pub fn revision_of(&self, roi: RoiId) -> u64 {
        self.rois.iter().find(|own| own.id == roi).map_or(0, |own| own.revision)
    }
}

impl Session {
    /// The gate that what is drawn now passes.
    #[must_use]
    pub fn gate(&self) -> OpenGate<'_> {
        let gate = Gate::new(self.overwrite, &self.series().volume);
        OpenGate { gate, rois: &self.structures().rois }
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

    /// [`Self::gated`] without the others, for what is suggested.
    #[must_use]
    pub fn gated_own(
        &self,
        roi: &Roi,
        plane: &Plane,
        before: &[Polygon],
        after: Vec<Polygon>,
    ) -> Vec<Polygon> {
        self.gated(roi, plane, before, after).own
    }

    /// Whether `roi` meets other structures where it is drawn: it ends at them, or they give way.
    #[must_use]
    pub fn meets_others(&self, roi: &Roi) -> bool {
        !Gate::new(self.overwrite, &self.series().volume).is_open_for(roi)
    }

    /// What becomes of `after`, drawn in place of `before` on `plane` of `roi`: only what the
    /// gesture added counts.
    #[must_use]
    pub fn gated(&self, roi: &Roi, plane: &Plane, before: &[Polygon], after: Vec<Polygon>) -> Gated {
        self.gate().gated(roi, plane, before, after)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{axial_series, draw, id, plain, proposals, session_with, square};
    use super::super::{Command, Refusal};
    use super::*;
    use crate::session::derive::{Order, Target};

    /// Three structures; A and B exclusive, with a square of 20 mm around x = 0 and x = 30 on slice 3.
    fn neighbours() -> Session {
        let mut session = session_with(axial_series(), &["A", "B", "C"]);
        for (name, x) in [("A", 0.0), ("B", 30.0), ("C", 10.0)] {
            session.apply(draw(&session, name, 3, vec![square(x, 0.0, 20.0)])).unwrap();
        }
        for name in ["A", "B"] {
            let roi = id(&session, name);
            session.apply(Command::SetExclusive { roi, exclusive: true }).unwrap();
        }
        session
    }

    fn area(session: &Session, name: &str) -> f64 {
        session.structures().roi_named(name).unwrap().planes.iter().map(|plane| plane.area_mm2()).sum()
    }

    fn common(session: &Session, a: &str, b: &str) -> f64 {
        let on = |name: &str| session.structures().roi_named(name).unwrap().planes[0].polygons.clone();
        clip::intersection(&on(a), &on(b)).iter().map(Polygon::area_mm2).sum()
    }

    #[test]
    fn what_one_exclusive_structure_gains_the_others_lose() {
        let mut session = neighbours();
        let before = session.structures().clone();
        // A from -10..10 to -10..30 in x: B, from 20 to 40, loses its left half; C overlaps freely.
        let wide = vec![square(0.0, 0.0, 20.0), square(20.0, 0.0, 20.0)];
        let wide = clip::union_all(wide);
        session.apply(draw(&session, "A", 3, wide)).unwrap();
        assert!((area(&session, "A") - 800.0).abs() < 1e-6);
        assert!((area(&session, "B") - 200.0).abs() < 1e-6);
        assert!((area(&session, "C") - 400.0).abs() < 1e-6);
        assert!(common(&session, "A", "B") < 1e-6);
        // One step takes back both.
        session.undo().unwrap();
        assert_eq!(plain(session.structures()), plain(&before));
    }

    #[test]
    fn only_those_near_what_is_added_are_asked_and_all_of_them() {
        // On slices seen from behind too: B lies on a plane of its own with other axes.
        let session = neighbours();
        let series = session.series();
        let slice = &series.volume.slices[3];
        let behind =
            Plane::new(slice.origin_mm, crate::geometry::Vector3::x(), -crate::geometry::Vector3::y())
                .unwrap();
        let b = Arc::clone(session.structures().roi_named("B").unwrap());
        let turned =
            RoiPlane::new(behind, None, reoriented(&b.planes[0].polygons, &b.planes[0].plane, &behind));
        let mut rois: Vec<Arc<Roi>> = session.structures().rois.clone();
        let at = rois.iter().position(|roi| roi.id == b.id).unwrap();
        Arc::make_mut(&mut rois[at]).planes = vec![Arc::new(turned)];
        let a = Arc::clone(session.structures().roi_named("A").unwrap());
        let gate = Gate::new(Overwrite::Overlap, &series.volume);
        let before = &a.planes[0].polygons;
        let drawn =
            |polygons: Vec<Polygon>| gate.gated(&rois, &a, &slice.plane, before, clip::union_all(polygons));
        let wide = drawn(vec![square(0.0, 0.0, 20.0), square(15.0, 0.0, 20.0)]);
        assert_eq!(wide.others.len(), 1);
        assert_eq!(wide.others[0].0, b.id);
        // From 20 to 25 of B's 20 to 40 mm.
        assert!((wide.others[0].1.area_mm2() - 300.0).abs() < 1e-6);
        let away = drawn(vec![square(0.0, 0.0, 20.0), square(-5.0, 30.0, 20.0)]);
        assert!(away.others.is_empty() && away.own.len() == 2);
        // What is taken away, far or near, is nobody's loss.
        let less = gate.gated(&rois, &a, &slice.plane, before, vec![square(0.0, 0.0, 10.0)]);
        assert_eq!(less, Gated { own: vec![square(0.0, 0.0, 10.0)], others: Vec::new() });
        let stop = Gate::new(Overwrite::Stop, &series.volume);
        let wide = stop.gated(
            &rois,
            &a,
            &slice.plane,
            before,
            clip::union_all(vec![square(0.0, 0.0, 20.0), square(15.0, 0.0, 20.0)]),
        );
        assert!(wide.others.is_empty());
        // B from 20, C (0 to 20 mm) where A was not: A ends at x = 10.
        let own: f64 = wide.own.iter().map(Polygon::area_mm2).sum();
        assert!((own - 400.0).abs() < 1e-6, "{own}");
    }

    #[test]
    fn a_hole_that_is_filled_stops_at_who_is_in_it() {
        let mut session = neighbours();
        let hole = square(0.0, 0.0, 10.0).outer.into_iter().rev().collect();
        let ring = Polygon { outer: square(0.0, 0.0, 20.0).outer, holes: vec![hole] };
        session.apply(draw(&session, "A", 3, vec![ring])).unwrap();
        session.apply(draw(&session, "B", 3, vec![square(0.0, 0.0, 4.0)])).unwrap();
        let (a, b) = (id(&session, "A"), id(&session, "B"));
        session.apply(Command::SetLock { roi: b, locked: true }).unwrap();
        let at = crate::geometry::Point3::new(3.0, 3.0, 9.0);
        session.apply(Command::DeleteContour { roi: a, at }).unwrap();
        assert!((area(&session, "A") - 384.0).abs() < 1e-6, "{}", area(&session, "A"));
        assert!((area(&session, "B") - 16.0).abs() < 1e-6);
        assert_eq!(session.undo_name(), Some("Delete hole on A"));
    }

    #[test]
    fn a_locked_exclusive_structure_wins() {
        let mut session = neighbours();
        let b = id(&session, "B");
        session.apply(Command::SetLock { roi: b, locked: true }).unwrap();
        session.apply(draw(&session, "A", 3, vec![square(20.0, 0.0, 20.0)])).unwrap();
        assert!((area(&session, "A") - 200.0).abs() < 1e-6);
        assert!((area(&session, "B") - 400.0).abs() < 1e-6);
        // So does every one where nothing may be overwritten.
        session.apply(Command::SetLock { roi: b, locked: false }).unwrap();
        session.set_overwrite(Overwrite::Stop);
        session.apply(draw(&session, "A", 3, vec![square(25.0, 0.0, 20.0)])).unwrap();
        assert!((area(&session, "B") - 400.0).abs() < 1e-6);
        assert!(common(&session, "A", "B") < 1e-6);
    }

    #[test]
    fn overlaps_there_were_stay_and_others_are_left_alone() {
        let mut session = neighbours();
        // C becomes exclusive too; it overlaps A by half already.
        let c = id(&session, "C");
        session.apply(Command::SetExclusive { roi: c, exclusive: true }).unwrap();
        assert!((common(&session, "A", "C") - 200.0).abs() < 1e-6);
        // A gains 1 mm on its left, where nobody is.
        let mut grown = vec![square(0.0, 0.0, 20.0), square(-1.0, 0.0, 20.0)];
        grown = clip::union_all(grown);
        session.apply(draw(&session, "A", 3, grown)).unwrap();
        assert!((common(&session, "A", "C") - 200.0).abs() < 1e-6);
        assert!((area(&session, "C") - 400.0).abs() < 1e-6);
    }

    #[test]
    fn recipes_and_accepted_proposals_push_back_too() {
        let mut session = neighbours();
        let (a, b) = (id(&session, "A"), id(&session, "B"));
        let recipe = session.read_recipe("A + (left 15) mm").unwrap().recipe;
        let order = Order { recipe, target: Target::Roi(a), keep: false };
        let done = session.plan("Margin", vec![order]).unwrap().run(&crate::progress::Progress::new());
        session.apply(done.unwrap()).unwrap();
        assert!((area(&session, "A") - 700.0).abs() < 0.5, "{}", area(&session, "A"));
        assert!((area(&session, "B") - 300.0).abs() < 0.5, "{}", area(&session, "B"));
        session.undo().unwrap();
        // A model's A, 10 mm around 0, moved nowhere near B: slices 2 to 4 of 100 mm2.
        let found = proposals(session.series(), &["A"]);
        session.apply(found).unwrap();
        let proposal = session.proposals().next().unwrap().id;
        let exclusive = Command::SetExclusive { roi: proposal, exclusive: true };
        assert_eq!(session.apply(exclusive).unwrap_err(), Refusal::StillAProposal("A".to_owned()));
        session.apply(draw(&session, "B", 2, vec![square(0.0, 0.0, 4.0)])).unwrap();
        session.apply(Command::AcceptProposals { rois: vec![proposal] }).unwrap();
        assert!((area(&session, "A") - 300.0).abs() < 1e-6);
        let b = session.roi(b).unwrap();
        assert_eq!(b.planes.len(), 1, "what the accepted A covers is no longer in B");
    }
}
