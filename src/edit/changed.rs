//! Where an outline was changed, told from the bits of its vertices: most of what a gesture's event leaves
//! is as it was.

use super::vertex_set::{BitsHasher, bits};
use crate::geometry::{Bounds, Point2, Polygon, Ring, clip, ring_area};
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

type Place = (u64, u64);

/// Edges by the bits of their ends, the lesser first: how many run that way more often than the other.
type Edges = HashMap<(Place, Place), i32, BuildHasherDefault<BitsHasher>>;

/// What only one of two lists of pieces has of edges: those of `after` the way they run, those of `before`
/// against it.
fn lone_edges(before: &[Polygon], after: &[Polygon]) -> Edges {
    let count = |own: &[Polygon]| own.iter().flat_map(Polygon::rings).map(Vec::len).sum::<usize>();
    let mut edges = Edges::with_capacity_and_hasher(
        count(before).max(count(after)) * 5 / 4,
        BuildHasherDefault::default(),
    );
    for (pieces, sign) in [(before, -1), (after, 1)] {
        let rings = pieces.iter().flat_map(|piece| piece.rings().enumerate());
        for (number, ring) in rings {
            let Some(last) = ring.last() else { continue };
            // As an outline runs counter-clockwise and a hole clockwise.
            let forward = if (ring_area(ring) > 0.0) == (number == 0) { sign } else { -sign };
            let mut from = bits(*last);
            for to in ring.iter().map(|point| bits(*point)) {
                if from != to {
                    let (edge, way) = if from < to { ((from, to), forward) } else { ((to, from), -forward) };
                    *edges.entry(edge).or_default() += way;
                }
                from = to;
            }
        }
    }
    edges.retain(|_, count| *count != 0);
    edges
}

/// Where an outline was changed, and what by.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The least box around all that only one of them covers, by the edges that only one of them has: the
    /// outline of what two regions differ in runs along edges of one of them alone.
    pub bounds: Bounds,
    /// Rings around what was gained, counter-clockwise, and around what was lost, clockwise.
    walks: Vec<Ring>,
}

impl Changed {
    /// How `after` differs from `before`, both disjoint pieces; `None` when they have the same edges.
    #[must_use]
    pub fn between(before: &[Polygon], after: &[Polygon]) -> Option<Self> {
        let lone = lone_edges(before, after);
        let bounds = box_of(&lone)?;
        let mut leaving: HashMap<Place, Vec<Place>, BuildHasherDefault<BitsHasher>> = HashMap::default();
        let mut starts = Vec::new();
        let mut edges: Vec<((Place, Place), i32)> = lone.into_iter().collect();
        // Whatever the order of the table.
        edges.sort_unstable();
        for ((a, b), count) in edges {
            let (from, to) = if count > 0 { (a, b) } else { (b, a) };
            for _ in 0..count.unsigned_abs() {
                leaving.entry(from).or_default().push(to);
                starts.push(from);
            }
        }
        // As many edges come to a place as leave it, for both lists are made of rings: every walk ends
        // where it began.
        let mut walks = Vec::new();
        for start in starts {
            let mut walk: Ring = Vec::new();
            let mut at = start;
            while let Some(next) = leaving.get_mut(&at).and_then(Vec::pop) {
                walk.push(point_of(at));
                at = next;
            }
            if walk.len() >= 3 {
                walks.push(walk);
            }
        }
        Some(Self { bounds, walks })
    }

    /// What `after` covers that `before` did not.
    #[must_use]
    pub fn gained(&self) -> Vec<Polygon> {
        around(self.walks.iter().cloned())
    }

    /// What `before` covered that `after` does not.
    #[must_use]
    pub fn lost(&self) -> Vec<Polygon> {
        around(self.walks.iter().map(|walk| walk.iter().rev().copied().collect()))
    }
}

/// What rings wind around counter-clockwise.
fn around(rings: impl Iterator<Item = Ring>) -> Vec<Polygon> {
    let turned = |ring: Ring| {
        let outer = ring_area(&ring) > 0.0;
        // A ring that runs clockwise is a hole, of whatever is around it.
        if outer { Polygon::from_outer(ring) } else { Polygon { outer: Ring::new(), holes: vec![ring] } }
    };
    clip::positive(&rings.map(turned).collect::<Vec<_>>())
}

fn point_of((x, y): Place) -> Point2 {
    Point2::new(f64::from_bits(x), f64::from_bits(y))
}

fn box_of(lone: &Edges) -> Option<Bounds> {
    let points = lone.keys().flat_map(|(a, b)| [point_of(*a), point_of(*b)]);
    points.map(|point| (point, point)).reduce(|(low, high), (own, _)| (low.inf(&own), high.sup(&own)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::{CHORD_MM, Sign, paint, paint_disc};
    use crate::geometry::stroke::swept_disc;

    fn changed_box(before: &[Polygon], after: &[Polygon]) -> Option<Bounds> {
        Changed::between(before, after).map(|changed| changed.bounds)
    }

    fn square(x: f64, y: f64, side: f64) -> Polygon {
        let corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)];
        Polygon::from_outer(corners.map(|(x, y)| Point2::new(x, y)).to_vec())
    }

    #[test]
    fn it_holds_what_a_stroke_adds_and_cuts_and_little_else() {
        let before = [square(0.0, 0.0, 40.0), square(60.0, 0.0, 5.0)];
        for sign in [Sign::Add, Sign::Cut] {
            let after = paint_disc(&before, &[Point2::new(40.0, 20.0)], 5.0, sign);
            let (low, high) = changed_box(&before, &after).unwrap();
            // The edge that is broken up belongs to it.
            assert!(low.x <= 40.0 && high.x >= 40.0 && low.y <= 15.1 && high.y >= 24.9);
            assert!(low.x >= 34.9 && high.x <= 45.1 && low.y >= 0.0 && high.y <= 40.0, "{low} {high}");
        }
        assert_eq!(changed_box(&before, &before), None);
        let turned = [before[1].clone(), before[0].clone()];
        assert_eq!(changed_box(&before, &turned), None, "whatever their order");
        let mut reversed = before[0].clone();
        reversed.outer.rotate_left(2);
        assert_eq!(changed_box(&before[..1], &[reversed]), None, "and wherever a ring starts");
        let corners = |own: Option<(Point2, Point2)>| own.map(|(a, b)| [a.x, a.y, b.x, b.y]);
        assert_eq!(corners(changed_box(&before, &before[..1])), Some([60.0, 0.0, 65.0, 5.0]));
        assert_eq!(corners(changed_box(&[], &before[..1])), Some([0.0, 0.0, 40.0, 40.0]));
        // Of two pieces with an edge in common one goes: all of it.
        let touching = [square(0.0, 0.0, 10.0), square(10.0, 0.0, 10.0)];
        assert_eq!(corners(changed_box(&touching, &touching[..1])), Some([10.0, 0.0, 20.0, 10.0]));
    }

    #[test]
    fn what_was_gained_and_lost_is_what_clipping_says() {
        let area = |own: &[Polygon]| own.iter().map(Polygon::area_mm2).sum::<f64>();
        let check = |before: &[Polygon], after: &[Polygon]| {
            let pairs = [(before, after), (after, before)];
            let Some(changed) = Changed::between(before, after) else {
                assert!(pairs.iter().all(|(a, b)| area(&clip::difference(a, b)) < 1e-6));
                return;
            };
            for ((without, with), got) in pairs.into_iter().zip([changed.gained(), changed.lost()]) {
                let wanted = clip::difference(with, without);
                assert!((area(&got) - area(&wanted)).abs() < 1e-5, "{} is not {}", area(&got), area(&wanted));
                assert!(area(&clip::xor(&got, &wanted)) < 1e-4, "{before:?} {after:?}");
            }
        };
        let hole = |x, y, side| square(x, y, side).outer.into_iter().rev().collect::<Ring>();
        let plate = Polygon { outer: square(0.0, 0.0, 40.0).outer, holes: vec![hole(5.0, 5.0, 12.0)] };
        let beside = square(60.0, 0.0, 5.0);
        let mut now = vec![plate.clone(), beside.clone(), square(8.0, 8.0, 4.0)];
        check(&now, &[plate.clone(), square(8.0, 8.0, 4.0)]);
        check(&now, std::slice::from_ref(&beside));
        check(&[], &now);
        check(&[square(0.0, 0.0, 10.0), square(10.0, 0.0, 10.0)], &[square(0.0, 0.0, 10.0)]);
        // Moved across itself: what is gained on one side is lost on the other.
        check(&[square(0.0, 0.0, 10.0)], &[square(2.0, 1.0, 10.0)]);
        // A stroke that closes the hole, joins the pieces, and one that cuts.
        for step in 0..60_u32 {
            let at =
                |step: u32| Point2::new(f64::from(step) * 1.3, 11.0 + 9.0 * (f64::from(step) * 0.4).sin());
            let sign = if step % 3 == 2 { Sign::Cut } else { Sign::Add };
            let next = paint(&now, &swept_disc(&[at(step), at(step + 1)], 3.5, CHORD_MM), sign);
            check(&now, &next);
            check(std::slice::from_ref(&plate), &next);
            now = next;
        }
    }
}
