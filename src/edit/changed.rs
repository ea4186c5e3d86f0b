//! Where an outline was changed, told from the bits of its vertices: most of what a gesture's event leaves
//! is as it was.

use super::vertex_set::{BitsHasher, bits};
use crate::geometry::{Point2, Polygon};
use std::collections::HashSet;
use std::hash::BuildHasherDefault;

/// An edge by the bits of its ends, the lesser first.
type Edge = ((u64, u64), (u64, u64));

/// The least box (least corner, greatest corner) around all that only one of two lists of pieces covers, by
/// the edges that only one of them has; `None` when both have the same edges. Plane mm.
///
/// The outline of what two regions differ in runs along edges of one of them alone: those of both cancel.
#[must_use]
pub fn changed_box(before: &[Polygon], after: &[Polygon]) -> Option<(Point2, Point2)> {
    let mut lone: HashSet<Edge, BuildHasherDefault<BitsHasher>> = HashSet::default();
    for ring in before.iter().chain(after).flat_map(Polygon::rings) {
        let Some(last) = ring.last() else { continue };
        let mut from = bits(*last);
        for to in ring.iter().map(|point| bits(*point)) {
            let edge = (from.min(to), from.max(to));
            if !lone.insert(edge) {
                lone.remove(&edge);
            }
            from = to;
        }
    }
    let points = lone.iter().flat_map(|(a, b)| [*a, *b]);
    let points = points.map(|(x, y)| Point2::new(f64::from_bits(x), f64::from_bits(y)));
    points.map(|point| (point, point)).reduce(|(low, high), (own, _)| {
        (Point2::new(low.x.min(own.x), low.y.min(own.y)), Point2::new(high.x.max(own.x), high.y.max(own.y)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::{Sign, paint_disc};

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
}
