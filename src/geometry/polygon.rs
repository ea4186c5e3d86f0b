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

    /// The area without the holes, square millimetres.
    #[must_use]
    pub fn area_mm2(&self) -> f64 {
        ring_area(&self.outer).abs() - self.holes.iter().map(|hole| ring_area(hole).abs()).sum::<f64>()
    }

    /// The bounding box (least corner, greatest corner); `None` for an empty outline.
    #[must_use]
    pub fn bounds(&self) -> Option<(Point2, Point2)> {
        let first = *self.outer.first()?;
        Some(self.outer.iter().fold((first, first), |(low, high), p| {
            (Point2::new(low.x.min(p.x), low.y.min(p.y)), Point2::new(high.x.max(p.x), high.y.max(p.y)))
        }))
    }

    /// Whether `point` is inside by the even-odd rule over all rings. A point on an edge counts as
    /// inside when the inside lies towards +x of it (or +y, on a horizontal edge): of two pieces
    /// that share an edge exactly one owns it.
    #[must_use]
    pub fn contains(&self, point: Point2) -> bool {
        self.rings().fold(false, |inside, ring| inside ^ ring_crossings_are_odd(ring, point))
    }
}

/// The signed area of a ring, positive when counter-clockwise (u to v), square millimetres;
/// 0 for fewer than three vertices.
#[must_use]
pub fn ring_area(ring: &[Point2]) -> f64 {
    let Some(&origin) = ring.first() else { return 0.0 };
    ring.windows(2).map(|pair| (pair[0] - origin).perp(&(pair[1] - origin))).sum::<f64>() / 2.0
}

fn ring_crossings_are_odd(ring: &[Point2], point: Point2) -> bool {
    let mut odd = false;
    let Some(mut previous) = ring.last() else { return false };
    for vertex in ring {
        // Half-open in v: an edge holds its lower end and not its upper one.
        if (vertex.y > point.y) != (previous.y > point.y) {
            let x = vertex.x + (point.y - vertex.y) * (previous.x - vertex.x) / (previous.y - vertex.y);
            // Half-open in u: a crossing at the point itself does not count, so a left edge owns it.
            if point.x < x {
                odd = !odd;
            }
        }
        previous = vertex;
    }
    odd
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x0: f64, y0: f64, side: f64) -> Ring {
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
