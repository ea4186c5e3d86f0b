//! Contours suggested for an ROI: shown dashed, taken over slice by slice or all at once, or
//! dropped. Until then the ROI does not have them.

use super::canvas::fresh_stamp;
use crate::edit::{reoriented, same_polygons};
use crate::geometry::{LATTICE_MM, Polygon, clip};
use crate::patient::{Approval, Roi, RoiId, RoiPlane};
use crate::session::{Command, Session};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What outlines of the same thing may lie apart, mm: vertices that an operation makes are rounded to
/// the lattice, on an oblique plane by several of its steps.
const ROUNDING_MM: f64 = 4.0 * LATTICE_MM;

/// What a structure's slices would become, by slice.
pub(super) type Slices = Vec<(usize, Arc<RoiPlane>)>;

/// What the gate lets through of what is suggested for a structure: where others are in the way or
/// exclusive, it ends at them, or they are to give way, as when it is taken over. Slices on which nothing
/// would change are left out; what passes as it is stays the same object.
pub(super) fn let_through(session: &Session, roi: &Roi, slices: Slices) -> Slices {
    let through = |(slice, plane): (usize, Arc<RoiPlane>)| {
        let before = roi.plane_at(&plane.plane);
        let before = before.map_or_else(Vec::new, |own| reoriented(&own.polygons, &own.plane, &plane.plane));
        let after = session.gated_own(roi, &plane.plane, &before, plane.polygons.clone());
        let after = if after == plane.polygons {
            plane
        } else {
            Arc::new(RoiPlane::new(plane.plane, plane.image.clone(), after))
        };
        differ(&after.polygons, &before).then_some((slice, after))
    };
    slices.into_par_iter().filter_map(through).collect()
}

/// Whether two regions of a plane differ by more than rounding: what lies in one of them alone is wider
/// than that, all along the outlines taken together.
pub(super) fn differ(some: &[Polygon], others: &[Polygon]) -> bool {
    if same_polygons(some, others) {
        return false;
    }
    let area = |polygons: &[Polygon]| -> f64 { polygons.iter().map(Polygon::area_mm2).sum() };
    let around = |ring: &Vec<crate::geometry::Point2>| -> f64 {
        ring.iter().zip(ring.iter().cycle().skip(1)).map(|(from, to)| (to - from).norm()).sum()
    };
    let outlines: f64 = some.iter().chain(others).flat_map(Polygon::rings).map(around).sum();
    let rounding = ROUNDING_MM * outlines;
    // As a rule the areas tell it, and nothing need be cut.
    (area(some) - area(others)).abs() > rounding || area(&clip::xor(some, others)) > rounding
}

/// Contours suggested for an ROI, by slice.
#[derive(Debug, Clone)]
pub struct Suggestion {
    based_on: u64,
    gesture: &'static str,
    planes: BTreeMap<usize, Arc<RoiPlane>>,
    shown: Arc<Roi>,
    description: Option<Description>,
}

/// What the ROI is once a suggestion is taken over.
#[derive(Debug, Clone)]
struct Description {
    text: String,
    /// Whether it is that by one slice already.
    by_slice: bool,
}

impl Suggestion {
    /// For each slice the content it would get; `gesture` is the name of the undo step.
    pub(super) fn new(
        roi: &Roi,
        gesture: &'static str,
        planes: impl IntoIterator<Item = (usize, Arc<RoiPlane>)>,
    ) -> Self {
        let planes: BTreeMap<usize, Arc<RoiPlane>> = planes.into_iter().collect();
        let mut shown = Roi::new(roi.id, roi.number, roi.name.clone(), roi.color);
        shown.approval = Approval::Proposal;
        shown.revision = fresh_stamp();
        shown.planes = planes.values().map(Arc::clone).collect();
        shown.planes.sort_by(|a, b| a.plane.offset_mm().total_cmp(&b.plane.offset_mm()));
        Self { based_on: roi.revision, gesture, planes, shown: Arc::new(shown), description: None }
    }

    /// The same that describes the ROI when all of it is taken over, or (`by_slice`) any slice of it.
    pub(super) fn described(self, text: String, by_slice: bool) -> Self {
        Self { description: Some(Description { text, by_slice }), ..self }
    }

    /// The ROI it is for.
    #[must_use]
    pub fn roi(&self) -> RoiId {
        self.shown.id
    }

    /// The ROI's revision that it was made from.
    #[must_use]
    pub fn based_on(&self) -> u64 {
        self.based_on
    }

    /// The suggested contours alone, as a proposal with a revision of its own.
    #[must_use]
    pub fn shown(&self) -> &Arc<Roi> {
        &self.shown
    }

    /// The slices it has contours for, in order.
    pub fn slices(&self) -> impl Iterator<Item = usize> {
        self.planes.keys().copied()
    }

    /// Takes over what is suggested for `slice`, or everything; `None` when that is nothing.
    #[must_use]
    pub fn command(&self, slice: Option<usize>) -> Option<Command> {
        let planes: Vec<RoiPlane> = self
            .planes
            .iter()
            .filter(|(own, _)| slice.is_none_or(|slice| slice == **own))
            .map(|(_, plane)| RoiPlane::clone(plane))
            .collect();
        if planes.is_empty() {
            return None;
        }
        let (roi, gesture, based_on) = (self.roi(), self.gesture, self.based_on);
        let description = self.description.as_ref().filter(|own| own.by_slice || slice.is_none());
        Some(match description.map(|own| own.text.clone()) {
            Some(description) => Command::TakeOver { roi, gesture, based_on, planes, description },
            None => Command::SetPlanes { roi, gesture, based_on, planes },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Point2;
    use crate::session::fixture::square;

    #[test]
    fn rounding_is_no_difference_and_a_tenth_of_a_millimetre_is_one() {
        let whole = [square(0.0, 0.0, 20.0)];
        let turned = |by: f64| {
            let mut own = whole.clone();
            own[0].outer.iter_mut().for_each(|point| *point += Point2::new(by, -by).coords);
            own
        };
        assert!(!differ(&whole, &whole) && !differ(&[], &[]));
        assert!(!differ(&whole, &turned(2.0 * LATTICE_MM)), "rounded");
        assert!(differ(&whole, &turned(0.1)));
        assert!(differ(&whole, &[]) && differ(&[], &whole));
        // One corner alone, by half a millimetre.
        let mut cornered = whole.clone();
        cornered[0].outer[0] += Point2::new(0.5, 0.5).coords;
        assert!(differ(&whole, &cornered));
    }
}
