//! Contours suggested for an ROI: shown dashed, taken over slice by slice or all at once, or
//! dropped. Until then the ROI does not have them, and others have lost nothing to it; what they would
//! lose is shown with it.

use super::Preview;
use super::canvas::fresh_stamp;
use crate::edit::{reoriented, same_polygons};
use crate::geometry::{LATTICE_MM, Polygon, clip, perimeter};
use crate::patient::{Approval, Roi, RoiId, RoiPlane};
use crate::session::{Command, Gated, Loss, Overwrite, Session};
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
#[derive(Debug, Default)]
pub(super) struct Through {
    pub slices: Slices,
    /// What others are left with where they give way to all of it.
    pub others: Vec<Preview>,
}

/// Asks the gate, slice by slice; see [`Through`].
pub(super) fn let_through(session: &Session, roi: &Roi, slices: Slices) -> Through {
    let gate = session.gate();
    let through = |(slice, plane): (usize, Arc<RoiPlane>)| {
        let before = roi.plane_at(&plane.plane);
        let before = before.map_or_else(Vec::new, |own| reoriented(&own.polygons, &own.plane, &plane.plane));
        let Gated { own, others } = gate.gated(roi, &plane.plane, &before, plane.polygons.clone());
        let after = if own == plane.polygons {
            plane
        } else {
            Arc::new(RoiPlane::new(plane.plane, plane.image.clone(), own))
        };
        differ(&after.polygons, &before).then_some((slice, after, others))
    };
    let mut passed = Through::default();
    for (slice, plane, losses) in slices.into_par_iter().filter_map(through).collect::<Vec<_>>() {
        passed.slices.push((slice, plane));
        for Loss { roi, based_on, rest, .. } in losses {
            match passed.others.iter_mut().find(|other| other.roi == roi) {
                Some(other) => other.planes.push(rest),
                None => passed.others.push(Preview {
                    roi,
                    based_on,
                    stamp: fresh_stamp(),
                    planes: vec![rest],
                    others: Vec::new(),
                }),
            }
        }
    }
    passed
}

/// Whether two regions of a plane differ by more than rounding: what lies in one of them alone is wider
/// than that, all along the outlines taken together.
pub(super) fn differ(some: &[Polygon], others: &[Polygon]) -> bool {
    if same_polygons(some, others) {
        return false;
    }
    let area = |polygons: &[Polygon]| -> f64 { polygons.iter().map(Polygon::area_mm2).sum() };
    let rings = some.iter().chain(others).flat_map(Polygon::rings);
    let outlines: f64 = rings.map(|ring| perimeter(ring)).sum();
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
    others: Vec<Preview>,
    /// These as they would be, kept ready for every picture.
    losing: Vec<Arc<Roi>>,
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
    /// What each slice would get, and what others would be left with; `gesture` is the name of the undo step.
    pub(super) fn new(session: &Session, roi: &Roi, gesture: &'static str, through: Through) -> Self {
        let planes: BTreeMap<usize, Arc<RoiPlane>> = through.slices.into_iter().collect();
        let mut shown = Roi::new(roi.id, roi.number, roi.name.clone(), roi.color);
        shown.approval = Approval::Proposal;
        shown.revision = fresh_stamp();
        shown.planes = planes.values().map(Arc::clone).collect();
        shown.planes.sort_by(|a, b| a.plane.offset_mm().total_cmp(&b.plane.offset_mm()));
        Self {
            based_on: roi.revision,
            gesture,
            planes,
            shown: Arc::new(shown),
            others: through.others,
            losing: Vec::new(),
            description: None,
        }
        .with_losing(session)
    }

    fn with_losing(mut self, session: &Session) -> Self {
        self.losing = self.others.iter().filter_map(|other| other.shown(session)).collect();
        self
    }

    /// The same, with the very objects of one before wherever they say the same: nothing is drawn anew that
    /// looks as it did.
    fn keeping(mut self, before: &Self) -> Self {
        let (old, new) = (&before.shown, &self.shown);
        let are_alike = old.id == new.id && old.color == new.color && old.name == new.name;
        if are_alike && are_same(&old.planes, &new.planes) {
            self.planes.clone_from(&before.planes);
            self.shown = Arc::clone(&before.shown);
        }
        for other in &mut self.others {
            let same = |own: &&Preview| {
                (own.roi, own.based_on) == (other.roi, other.based_on) && are_same(&own.planes, &other.planes)
            };
            if let Some(known) = before.others.iter().find(same) {
                other.clone_from(known);
            }
        }
        self
    }

    /// Whether both show the very same.
    fn shows_same(&self, other: &Self) -> bool {
        let stamps = |own: &Self| own.others.iter().map(|other| other.stamp).collect::<Vec<_>>();
        Arc::ptr_eq(&self.shown, &other.shown) && stamps(self) == stamps(other)
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

    /// The structures that give way, as they would be once all of it is taken over.
    #[must_use]
    pub fn losing(&self) -> &[Arc<Roi>] {
        &self.losing
    }

    /// What each slice would get.
    pub(super) fn planes(&self) -> Slices {
        self.planes.iter().map(|(slice, plane)| (*slice, Arc::clone(plane))).collect()
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

fn are_same(some: &[Arc<RoiPlane>], others: &[Arc<RoiPlane>]) -> bool {
    some.len() == others.len()
        && some.iter().zip(others).all(|(one, other)| {
            Arc::ptr_eq(one, other)
                || (one.plane == other.plane && same_polygons(&one.polygons, &other.polygons))
        })
}

/// What was found for a structure, and what of it is suggested as the gate stands: when others, or what
/// may be overwritten, change, the gate is asked again, and nothing is looked for anew.
#[derive(Debug, Default)]
pub(super) struct Offer {
    /// The structure and its revision that it was found for.
    of: Option<(RoiId, u64)>,
    wanted: Slices,
    gesture: &'static str,
    description: Option<Description>,
    /// What the gate depends on, as it was when it was asked.
    gate: Option<(u64, Overwrite)>,
    /// Whether the structure met others then.
    met: bool,
    suggestion: Option<Suggestion>,
}

impl Offer {
    /// What is suggested.
    pub(super) fn suggestion(&self) -> Option<&Suggestion> {
        self.suggestion.as_ref()
    }

    /// Suggests nothing.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Suggests what the gate lets through of `wanted`; `gesture` is the name of the undo step.
    pub(super) fn put(&mut self, session: &Session, roi: &Roi, gesture: &'static str, wanted: Slices) {
        self.of = Some((roi.id, roi.revision));
        (self.gesture, self.wanted, self.description) = (gesture, wanted, None);
        self.ask(session, roi);
    }

    /// The structure is described so when all of it is taken over, or (`by_slice`) any slice of it.
    pub(super) fn describe(&mut self, text: String, by_slice: bool) {
        self.description = Some(Description { text, by_slice });
        if let Some(suggestion) = &mut self.suggestion {
            suggestion.description.clone_from(&self.description);
        }
    }

    fn ask(&mut self, session: &Session, roi: &Roi) {
        self.gate = Some((session.revision(), session.overwrite()));
        self.met = session.meets_others(roi);
        let before = self.suggestion.take();
        let through = let_through(session, roi, self.wanted.clone());
        if through.slices.is_empty() {
            return;
        }
        let suggestion = Suggestion::new(session, roi, self.gesture, through);
        let suggestion = Suggestion { description: self.description.clone(), ..suggestion };
        self.suggestion = Some(match &before {
            Some(before) => suggestion.keeping(before).with_losing(session),
            None => suggestion,
        });
    }

    /// Asks the gate again when others, or what may be overwritten, have changed and the structure
    /// has not; whether that changes what is shown. Free while nothing has changed.
    pub(super) fn follow_gate(&mut self, session: &Session, roi: &Roi) -> bool {
        let is_same = self.gate == Some((session.revision(), session.overwrite()));
        if self.wanted.is_empty() || is_same || self.of != Some((roi.id, roi.revision)) {
            return false;
        }
        if !self.met && !session.meets_others(roi) {
            self.gate = Some((session.revision(), session.overwrite()));
            return false;
        }
        let before = self.suggestion.clone();
        self.ask(session, roi);
        match (&before, &self.suggestion) {
            (Some(before), Some(now)) => !now.shows_same(before),
            (before, now) => before.is_some() || now.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Point2;
    use crate::session::fixture::{axial_series, plane_on, session_with, square};

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

    #[test]
    fn what_is_shown_goes_by_the_name_that_the_structure_has() {
        let mut session = session_with(axial_series(), &["Liver"]);
        let mut offer = Offer::default();
        let mut shown = |session: &Session| {
            let plane = plane_on(session.series(), 3, vec![square(0.0, 0.0, 20.0)]);
            offer.put(session, session.selected().unwrap(), "Grow", vec![(3, Arc::new(plane))]);
            Arc::clone(offer.suggestion().unwrap().shown())
        };
        let first = shown(&session);
        assert!(Arc::ptr_eq(&first, &shown(&session)), "nothing is drawn anew");
        session.apply(Command::RenameRoi { roi: first.id, name: "Spleen".to_owned() }).unwrap();
        assert_eq!((first.name.as_str(), shown(&session).name.as_str()), ("Liver", "Spleen"));
    }
}
