//! Keyholes: a polygon with holes as one ring, and back (PS3.3 C.8.8.6.3, "keyhole" technique).

use super::{Point2, Polygon, Ring, ring_area};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// The polygon as a single ring: each hole is joined to the outline by an edge that is walked in
/// and out again, between vertices that the polygon has. The ring starts where the outline does.
///
/// [`open_keyholes`] gives the identical rings back. A polygon without holes is its outline.
#[must_use]
pub fn keyhole(polygon: &Polygon) -> Ring {
    let mut merged = oriented(&polygon.outer, true);
    let mut left: Vec<Ring> =
        polygon.holes.iter().filter(|hole| hole.len() >= 3).map(|hole| oriented(hole, false)).collect();
    // By their leftmost vertex: everything to the left of the next hole is then merged already, so
    // its leftmost vertex always sees a merged one.
    left.sort_by(|a, b| leftmost(a).1.x.total_cmp(&leftmost(b).1.x));
    while !left.is_empty() {
        let hole = left.remove(0);
        let (own, other) = bridge(&merged, &hole, &left);
        let mut next = Vec::with_capacity(merged.len() + hole.len() + 2);
        next.extend_from_slice(&merged[..=other]);
        next.extend((0..=hole.len()).map(|step| hole[(own + step) % hole.len()]));
        next.extend_from_slice(&merged[other..]);
        merged = next;
    }
    merged
}

/// The loops of a ring that meets itself in vertices: the outline and the holes of a keyhole, or
/// the pieces of a pinched outline. Bridges (edges walked in and out) vanish. A ring that meets
/// itself in no vertex comes back alone. Loops of fewer than three vertices are dropped.
///
/// Vertices are the same when they agree within `tolerance_mm` (0 for bits).
#[must_use]
pub fn open_keyholes(ring: &[Point2], tolerance_mm: f64) -> Vec<Ring> {
    let key = |point: &Point2| -> (i64, i64) {
        if tolerance_mm > 0.0 {
            #[expect(clippy::cast_possible_truncation, reason = "saturates; patient mm are small")]
            let quantised = |value: f64| (value / tolerance_mm).round() as i64;
            (quantised(point.x), quantised(point.y))
        } else {
            // Adding 0.0 makes the two zeros one.
            ((point.x + 0.0).to_bits().cast_signed(), (point.y + 0.0).to_bits().cast_signed())
        }
    };
    let mut stack: Vec<((i64, i64), Point2)> = Vec::with_capacity(ring.len());
    let mut seen: HashMap<(i64, i64), usize> = HashMap::with_capacity(ring.len());
    let mut loops = Vec::new();
    for point in ring.iter().chain(ring.first()) {
        let own = key(point);
        if let Some(&at) = seen.get(&own) {
            let closed: Ring = stack[at..].iter().map(|(_, p)| *p).collect();
            for (gone, _) in stack.drain(at + 1..) {
                seen.remove(&gone);
            }
            if closed.len() >= 3 {
                loops.push(closed);
            }
        } else {
            seen.insert(own, stack.len());
            stack.push((own, *point));
        }
    }
    loops
}

fn oriented(ring: &[Point2], counter_clockwise: bool) -> Ring {
    let mut ring = ring.to_vec();
    if (ring_area(&ring) > 0.0) != counter_clockwise {
        // The first vertex stays first.
        ring[1..].reverse();
    }
    ring
}

fn leftmost(ring: &[Point2]) -> (usize, Point2) {
    ring.iter()
        .copied()
        .enumerate()
        .min_by(|(_, a), (_, b)| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)))
        .unwrap_or((0, Point2::origin()))
}

/// The vertices (of `hole`, of `merged`) to join: seeing each other past every ring, the hole's
/// first vertex if it can be (it then starts again where it started), else its leftmost.
fn bridge(merged: &[Point2], hole: &[Point2], others: &[Ring]) -> (usize, usize) {
    let nearest_visible = |own: usize| {
        // The bits of numbers that are not negative are in the numbers' order.
        let distance = |at: usize| (merged[at] - hole[own]).norm_squared().to_bits();
        let mut nearest: BinaryHeap<Reverse<(u64, usize)>> =
            (0..merged.len()).map(|at| Reverse((distance(at), at))).collect();
        std::iter::from_fn(|| nearest.pop().map(|Reverse((_, at))| at)).find(|at| {
            std::iter::once(merged)
                .chain(std::iter::once(hole))
                .chain(others.iter().map(Vec::as_slice))
                .all(|ring| sees(hole[own], merged[*at], ring))
        })
    };
    let left = leftmost(hole).0;
    if let Some(other) = nearest_visible(0) {
        return (0, other);
    }
    // On rings that cross (an invalid polygon) nothing may be visible: any vertex will do.
    (left, nearest_visible(left).unwrap_or(0))
}

/// Whether no edge of `ring` crosses or touches the open segment `a`-`b`. Edges that end in `a` or
/// `b` are no obstacle unless they run along the segment.
fn sees(a: Point2, b: Point2, ring: &[Point2]) -> bool {
    let side = |p: Point2, q: Point2, r: Point2| (q - p).perp(&(r - p));
    let (low_x, high_x) = (a.x.min(b.x), a.x.max(b.x));
    let (low_y, high_y) = (a.y.min(b.y), a.y.max(b.y));
    let Some(mut c) = ring.last().copied() else { return true };
    for &d in ring {
        let edge = (c, d);
        c = d;
        let (c, d) = edge;
        if c.x.min(d.x) > high_x || c.x.max(d.x) < low_x || c.y.min(d.y) > high_y || c.y.max(d.y) < low_y {
            continue;
        }
        let on_segment = |p: Point2| {
            p != a
                && p != b
                && side(a, b, p) == 0.0
                && (p - a).dot(&(b - a)) > 0.0
                && (p - b).dot(&(a - b)) > 0.0
        };
        if on_segment(c) || on_segment(d) {
            return false;
        }
        if c == a || c == b || d == a || d == b {
            continue;
        }
        let crosses_line = (side(a, b, c) > 0.0) != (side(a, b, d) > 0.0);
        let crosses_edge = (side(c, d, a) >= 0.0) != (side(c, d, b) >= 0.0);
        if crosses_line && crosses_edge {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::polygon::tests::square;

    fn hole(x: f64, y: f64, side: f64) -> Ring {
        let mut ring = square(x, y, side);
        ring[1..].reverse();
        ring
    }

    #[test]
    fn a_keyhole_opens_into_the_identical_polygon() {
        let polygon = Polygon {
            outer: square(0.0, 0.0, 10.0),
            holes: vec![hole(1.0, 1.0, 2.0), hole(5.0, 1.0, 2.0), hole(4.0, 6.0, 3.0), hole(1.0, 7.0, 0.5)],
        };
        let ring = keyhole(&polygon);
        assert_eq!(ring.len(), 4 + 4 * 6);
        assert!((ring_area(&ring) - polygon.area_mm2()).abs() < 1e-9);
        let loops = open_keyholes(&ring, 0.0);
        assert_eq!(loops.len(), 5);
        let back = Polygon {
            outer: loops.iter().find(|r| ring_area(r) > 0.0).unwrap().clone(),
            holes: loops.iter().filter(|r| ring_area(r) < 0.0).cloned().collect(),
        };
        assert!(back.same_rings(&polygon));
        for (x, y) in [(0.5, 0.5), (2.0, 2.0), (6.0, 2.0), (5.0, 8.0), (1.2, 7.2), (9.0, 9.0), (3.5, 6.5)] {
            let point = Point2::new(x, y);
            assert_eq!(Polygon::from_outer(ring.clone()).contains(point), polygon.contains(point));
        }
    }

    #[test]
    fn a_plain_ring_has_one_loop() {
        let ring = square(0.0, 0.0, 1.0);
        assert_eq!(open_keyholes(&ring, 0.0), vec![ring.clone()]);
        assert_eq!(keyhole(&Polygon::from_outer(ring.clone())), ring);
    }

    #[test]
    fn an_outline_pinched_in_a_vertex_has_two_loops() {
        let ring: Ring = [(0.0, 0.0), (1.0, 1.0), (2.0, 0.0), (2.0, 2.0), (1.0, 1.0), (0.0, 2.0)]
            .map(|(x, y)| Point2::new(x, y))
            .to_vec();
        assert_eq!(open_keyholes(&ring, 0.0).len(), 2);
    }
}
