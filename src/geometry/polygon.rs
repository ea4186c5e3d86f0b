//! Polygons with holes in the coordinates of a plane.

use super::Point2;

/// A closed ring of vertices, mm; the last is joined to the first and not repeated.
pub type Ring = Vec<Point2>;

/// One connected piece: an outer ring (counter-clockwise in plane coordinates) and its holes
/// (clockwise), each of at least three vertices, none crossing itself or another.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Polygon {
    /// The outline.
    pub outer: Ring,
    /// The outlines of the holes.
    pub holes: Vec<Ring>,
}

impl Polygon {
    /// A polygon without holes.
    #[must_use]
    pub fn from_outer(outer: Ring) -> Self {
        Self { outer, holes: Vec::new() }
    }

    /// All rings, the outer one first.
    pub fn rings(&self) -> impl Iterator<Item = &Ring> {
        std::iter::once(&self.outer).chain(&self.holes)
    }

    /// A ring by its number: 0 the outer one, then the holes.
    pub fn ring_mut(&mut self, ring: usize) -> Option<&mut Ring> {
        match ring.checked_sub(1) {
            None => Some(&mut self.outer),
            Some(hole) => self.holes.get_mut(hole),
        }
    }

    /// The area without the holes, square millimetres.
    #[must_use]
    pub fn area_mm2(&self) -> f64 {
        ring_area(&self.outer).abs() - self.holes.iter().map(|hole| ring_area(hole).abs()).sum::<f64>()
    }

    /// The bounding box (least corner, greatest corner); `None` for an empty outline.
    #[must_use]
    pub fn bounds(&self) -> Option<Bounds> {
        let first = *self.outer.first()?;
        Some(self.outer.iter().fold((first, first), |(low, high), p| {
            (Point2::new(low.x.min(p.x), low.y.min(p.y)), Point2::new(high.x.max(p.x), high.y.max(p.y)))
        }))
    }

    /// The same polygon with its outer ring counter-clockwise and its holes clockwise; each ring
    /// keeps its first vertex.
    #[must_use]
    pub fn oriented(mut self) -> Self {
        let turn = |ring: &mut Ring, counter_clockwise: bool| {
            if ring.len() >= 3 && (ring_area(ring) > 0.0) != counter_clockwise {
                ring[1..].reverse();
            }
        };
        turn(&mut self.outer, true);
        for hole in &mut self.holes {
            turn(hole, false);
        }
        self
    }

    /// Whether both have the same rings to the bit, whatever vertex a ring starts with, whatever
    /// way round it runs and whatever the order of the holes.
    #[must_use]
    pub fn same_rings(&self, other: &Self) -> bool {
        let holes = |polygon: &Self| {
            let mut holes: Vec<_> = polygon.holes.iter().map(|ring| ring_key(ring)).collect();
            holes.sort_unstable();
            holes
        };
        ring_key(&self.outer) == ring_key(&other.outer) && holes(self) == holes(other)
    }

    /// Whether `point` is inside by the even-odd rule over all rings. A point on an edge counts as
    /// inside when the inside lies towards +x of it (or +y, on a horizontal edge): of two pieces
    /// that share an edge exactly one owns it.
    #[must_use]
    pub fn contains(&self, point: Point2) -> bool {
        self.rings().fold(false, |inside, ring| inside ^ ring_crossings_are_odd(ring, point))
    }
}

/// A box by its least and its greatest corner.
pub type Bounds = (Point2, Point2);

/// Whether two boxes come within `by_mm` of one another along either axis; touching is enough.
#[must_use]
pub fn are_near((low, high): Bounds, (least, most): Bounds, by_mm: f64) -> bool {
    least.x <= high.x + by_mm
        && low.x <= most.x + by_mm
        && least.y <= high.y + by_mm
        && low.y <= most.y + by_mm
}

/// The signed area of a ring, positive when counter-clockwise (u to v), square millimetres;
/// 0 for fewer than three vertices.
#[must_use]
pub fn ring_area(ring: &[Point2]) -> f64 {
    let Some(&origin) = ring.first() else { return 0.0 };
    ring.windows(2).map(|pair| (pair[0] - origin).perp(&(pair[1] - origin))).sum::<f64>() / 2.0
}

/// The length of a ring, closed, mm; 0 without vertices.
#[must_use]
pub fn perimeter(ring: &[Point2]) -> f64 {
    ring.iter().zip(ring.iter().cycle().skip(1)).map(|(a, b)| (b - a).norm()).sum()
}

/// The ring around a box, counter-clockwise.
#[must_use]
pub fn ring_of((low, high): Bounds) -> Ring {
    vec![low, Point2::new(high.x, low.y), high, Point2::new(low.x, high.y)]
}

/// Where the edge `a`-`b` (either way round, to the same bits) meets height `v`.
pub(super) fn edge_u_at(a: Point2, b: Point2, v: f64) -> f64 {
    let (low, high) = if a.y < b.y { (a, b) } else { (b, a) };
    low.x + (v - low.y) * (high.x - low.x) / (high.y - low.y)
}

/// The ring's coordinates from its least vertex on, counter-clockwise, as bits.
fn ring_key(ring: &[Point2]) -> Vec<(u64, u64)> {
    let mut bits: Vec<(u64, u64)> =
        ring.iter().map(|p| ((p.x + 0.0).to_bits(), (p.y + 0.0).to_bits())).collect();
    if ring_area(ring) < 0.0 {
        bits.reverse();
    }
    if let Some(least) = (0..bits.len()).min_by_key(|at| bits[*at]) {
        bits.rotate_left(least);
    }
    bits
}

fn ring_crossings_are_odd(ring: &[Point2], point: Point2) -> bool {
    let mut odd = false;
    let Some(mut previous) = ring.last() else { return false };
    for vertex in ring {
        // Half-open in v: an edge holds its lower end and not its upper one.
        if (vertex.y > point.y) != (previous.y > point.y) {
            // Half-open in u: a crossing at the point itself does not count, so a left edge owns it.
            if point.x < edge_u_at(*vertex, *previous, point.y) {
                odd = !odd;
            }
        }
        previous = vertex;
    }
    odd
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A counter-clockwise square by its least corner.
    pub(in crate::geometry) fn square(x0: f64, y0: f64, side: f64) -> Ring {
        [(x0, y0), (x0 + side, y0), (x0 + side, y0 + side), (x0, y0 + side)]
            .map(|(x, y)| Point2::new(x, y))
            .to_vec()
    }

    #[test]
    fn a_hole_is_outside_and_takes_its_area() {
        let mut hole = square(1.0, 1.0, 1.0);
        hole.reverse();
        let polygon = Polygon { outer: square(0.0, 0.0, 3.0), holes: vec![hole] };
        assert!((polygon.area_mm2() - 8.0).abs() < 1e-12);
        assert!(polygon.contains(Point2::new(0.5, 0.5)));
        assert!(!polygon.contains(Point2::new(1.5, 1.5)));
    }

    #[test]
    fn the_same_rings_may_start_anywhere() {
        let ring = square(0.0, 0.0, 3.0);
        let mut turned = ring.clone();
        turned.rotate_left(2);
        turned.reverse();
        let (a, b) = (Polygon::from_outer(ring), Polygon::from_outer(turned));
        assert!(a.same_rings(&b) && a != b);
        assert!(!a.same_rings(&Polygon::from_outer(square(0.0, 0.0, 3.5))));
        assert_eq!(b.clone().oriented().outer[0], b.outer[0]);
    }

    #[test]
    fn a_shared_edge_belongs_to_exactly_one_neighbour() {
        let left = Polygon::from_outer(square(0.0, 0.0, 1.0));
        let right = Polygon::from_outer(square(1.0, 0.0, 1.0));
        let on_edge = Point2::new(1.0, 0.5);
        assert!(!left.contains(on_edge) && right.contains(on_edge));
        let below = Polygon::from_outer(square(0.0, -1.0, 1.0));
        let on_edge = Point2::new(0.5, 0.0);
        assert!(left.contains(on_edge) ^ below.contains(on_edge));
    }
}
