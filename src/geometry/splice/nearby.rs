//! General clipping where a small shape meets a large region, of what lies around the shape alone: what
//! lies further off is the same afterwards, so that nobody need look at it.

use super::edges::Reach;
use super::{Rule, patch, spliced};
use crate::geometry::{Polygon, Ring, clip, ring_of};

/// How far around the shape its surroundings are put back, and cut out, mm: well above what clipping moves
/// a vertex, and apart from one another, so that the way they are cut out leaves nothing.
const AROUND_MM: [f64; 2] = [0.75, 1.5];

/// Outlines cross the border of the surroundings in the same places before and after, within this, mm.
const SAME_MM: f64 = 1e-6;

/// With fewer vertices than this further off it is not worth while.
const LEAST_SAVED: usize = 40;

/// A box around the shape, grown, as a ring.
fn window(reach: &Reach, by_mm: f64) -> Ring {
    let own = reach.grown_by(by_mm);
    ring_of((own.low, own.high))
}

/// What general clipping makes of `region` and `shape`; `None` where most of the region lies around the
/// shape, or where an outline's vertex lies on the border of these surroundings.
pub(super) fn clipped(region: &[Polygon], shape: &[Polygon], rule: Rule) -> Option<Vec<Polygon>> {
    let reach = shape.iter().filter_map(Reach::of_piece).reduce(Reach::with)?;
    let [inner, outer] = AROUND_MM.map(|by_mm| window(&reach, by_mm));
    let surroundings = reach.grown_by(AROUND_MM[1]);
    let vertices = || region.iter().flat_map(Polygon::rings).flatten();
    let (all, near) = (vertices().count(), vertices().filter(|point| surroundings.holds(**point)).count());
    if all < near + LEAST_SAVED {
        return None;
    }
    let part = spliced(region, &[Polygon::from_outer(outer)], Rule::Intersection)?;
    let part = match rule {
        Rule::Union => clip::union(&part, shape),
        Rule::Difference => clip::difference(&part, shape),
        Rule::Intersection => return Some(clip::intersection(&part, shape)),
    };
    patch::replaced(region, &inner, &part, SAME_MM)
}
