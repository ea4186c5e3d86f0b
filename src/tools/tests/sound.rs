//! Whether polygons are what the rest of the program may rely on.

use super::{Polygon, clip, ring_area};
use crate::geometry::{Point2, Vector2};

/// How deep two edges must cross to count, mm: ten steps of the lattice that vertices are rounded to.
const DEEP_MM: f64 = 1e-3;

/// Every ring has three points or more, runs the right way round and crosses neither itself nor another;
/// holes lie in their outline and not in one another; pieces do not overlap.
pub(super) fn check_polygons(polygons: &[Polygon]) {
    if let Some(fault) = fault(polygons) {
        panic!("{fault}: {polygons:?}");
    }
}

/// What is wrong with them.
fn fault(polygons: &[Polygon]) -> Option<String> {
    for piece in polygons {
        if piece.rings().any(|ring| ring.len() < 3) {
            return Some("a ring of fewer than three points".to_owned());
        }
        if !piece.rings().flatten().all(|point| point.x.is_finite() && point.y.is_finite()) {
            return Some("a point that is nowhere".to_owned());
        }
        if ring_area(&piece.outer) <= 0.0 || piece.holes.iter().any(|hole| ring_area(hole) >= 0.0) {
            return Some("outlines run counter-clockwise, holes clockwise".to_owned());
        }
        for (number, hole) in piece.holes.iter().enumerate() {
            let mut others = piece.holes.iter().enumerate().filter(|(other, _)| *other != number);
            if !lies_in(hole, &piece.outer) || others.any(|(_, other)| lies_in(hole, other)) {
                return Some(format!("hole {number} lies outside its outline, or in another hole"));
            }
        }
    }
    if let Some(at) = crossing(polygons) {
        return Some(format!("outlines cross at {at}"));
    }
    // Also where they cross in a vertex, or one piece lies in another: covered twice, or the wrong way round.
    let rings: Vec<_> = polygons.iter().flat_map(Polygon::rings).cloned().collect();
    let length: f64 = edges(polygons).iter().map(|edge| (edge.to - edge.from).norm()).sum();
    let covered: f64 = clip::even_odd(&rings).iter().map(Polygon::area_mm2).sum();
    let sum: f64 = polygons.iter().map(Polygon::area_mm2).sum();
    ((sum - covered).abs() > 1e-3 * length.max(1.0))
        .then(|| format!("pieces of {sum} mm2 together cover {covered} mm2 once"))
}

/// Whether most of a ring's edges have their middle in another ring.
fn lies_in(ring: &[Point2], other: &[Point2]) -> bool {
    let other = Polygon::from_outer(other.to_vec());
    let middles = ring.iter().zip(ring.iter().cycle().skip(1)).map(|(a, b)| a + (b - a) * 0.5);
    middles.filter(|middle| other.contains(*middle)).count() * 2 > ring.len()
}

struct Edge {
    /// The ring, and the number of the edge in it.
    ring: usize,
    number: usize,
    from: Point2,
    to: Point2,
}

impl Edge {
    fn low(&self) -> Point2 {
        Point2::new(self.from.x.min(self.to.x), self.from.y.min(self.to.y))
    }

    fn high(&self) -> Point2 {
        Point2::new(self.from.x.max(self.to.x), self.from.y.max(self.to.y))
    }

    /// Whether the ends of the other lie clearly on different sides of this one.
    fn parts(&self, other: &Self) -> bool {
        let along: Vector2 = self.to - self.from;
        let along = along / along.norm().max(1e-12);
        let (from, to) = (along.perp(&(other.from - self.from)), along.perp(&(other.to - self.from)));
        from.min(to) < -DEEP_MM && from.max(to) > DEEP_MM
    }
}

fn edges(polygons: &[Polygon]) -> Vec<Edge> {
    let rings = polygons.iter().flat_map(Polygon::rings).enumerate();
    let of_ring = |(ring, points): (usize, &Vec<Point2>)| {
        let ends = points.iter().zip(points.iter().cycle().skip(1)).enumerate();
        ends.map(|(number, (from, to))| Edge { ring, number, from: *from, to: *to }).collect::<Vec<_>>()
    };
    rings.flat_map(of_ring).collect()
}

/// Where two edges of any outlines cross.
fn crossing(polygons: &[Polygon]) -> Option<Point2> {
    let counts: Vec<usize> = polygons.iter().flat_map(Polygon::rings).map(Vec::len).collect();
    let mut edges = edges(polygons);
    edges.sort_by(|a, b| a.low().x.total_cmp(&b.low().x));
    for (index, edge) in edges.iter().enumerate() {
        let (low, high) = (edge.low(), edge.high());
        for other in edges[index + 1..].iter().take_while(|other| other.low().x <= high.x) {
            let count = counts[edge.ring];
            let apart = edge.number.abs_diff(other.number);
            let is_next = edge.ring == other.ring && (apart == 1 || apart + 1 == count);
            let is_level = other.low().y <= high.y && low.y <= other.high().y;
            if is_level && !is_next && edge.parts(other) && other.parts(edge) {
                return Some(edge.from);
            }
        }
    }
    None
}

#[test]
fn the_check_finds_what_it_is_to_find() {
    let ring = |corners: &[(f64, f64)]| corners.iter().map(|(x, y)| Point2::new(*x, *y)).collect::<Vec<_>>();
    let outer = ring(&[(0.0, 0.0), (40.0, 0.0), (40.0, 40.0), (0.0, 40.0)]);
    let hole = |x: f64, y: f64| ring(&[(x, y), (x, y + 4.0), (x + 4.0, y + 4.0), (x + 4.0, y)]);
    let piece = |holes: Vec<Vec<Point2>>| Polygon { outer: outer.clone(), holes };
    assert_eq!(fault(&[piece(vec![hole(4.0, 4.0), hole(12.0, 4.0)])]), None);
    // Touching in a corner is no crossing, nor is a piece in a hole.
    let small = Polygon::from_outer(ring(&[(5.0, 5.0), (7.0, 5.0), (7.0, 7.0), (5.0, 7.0)]));
    let touching = Polygon::from_outer(ring(&[(40.0, 40.0), (50.0, 40.0), (50.0, 50.0)]));
    assert_eq!(fault(&[piece(vec![hole(4.0, 4.0)]), small.clone(), touching]), None);

    // A loop of 0.36 square millimetres: not a thousandth of the area.
    let loops = ring(&[
        (0.0, 0.0),
        (40.0, 0.0),
        (40.0, 40.0),
        (20.6, 40.0),
        (19.4, 38.8),
        (20.6, 38.8),
        (19.4, 40.0),
        (0.0, 40.0),
    ]);
    // Two triangles with a corner in common: no crossing unless the second runs the other way round.
    let meets_itself = |crosses: bool| {
        let (a, b) = if crosses { (3.0, 7.0) } else { (7.0, 3.0) };
        ring(&[(0.0, 0.0), (10.0, 0.0), (5.0, 5.0), (a, 9.0), (b, 9.0), (5.0, 5.0)])
    };
    assert_eq!(fault(&[Polygon::from_outer(meets_itself(false))]), None);
    let wrong = [
        (vec![Polygon::from_outer(loops)], "cross"),
        (vec![piece(vec![hole(50.0, 4.0)])], "outside"),
        (vec![piece(vec![hole(37.0, 4.0)])], "cross"),
        (vec![piece(vec![hole(4.0, 4.0), hole(6.0, 6.0)])], "cross"),
        (
            vec![piece(vec![hole(4.0, 4.0), ring(&[(5.0, 5.0), (5.0, 6.0), (6.0, 6.0), (6.0, 5.0)])])],
            "another",
        ),
        (vec![piece(Vec::new()), small], "once"),
        (vec![Polygon::from_outer(ring(&[(0.0, 0.0), (1.0, 0.0)]))], "three"),
        (vec![Polygon::from_outer(outer.iter().rev().copied().collect())], "counter"),
        (vec![Polygon::from_outer(meets_itself(true))], "once"),
    ];
    for (polygons, word) in wrong {
        let found = fault(&polygons);
        assert!(found.as_ref().is_some_and(|fault| fault.contains(word)), "{word}: {found:?}");
    }
}
