//! Whether one region lies within another, told quickly: what a union then need not look at.
//!
//! The edges of the outer region are sorted into bands across v, so that an edge of the inner one
//! meets only those that it can touch. A touch counts as a crossing: the answer may be no where the
//! regions share a border, never yes where one reaches out of the other.

use super::{Point2, Polygon, Ring};

/// A region whose edges are sorted for [`Within::holds`].
pub struct Within<'a> {
    region: &'a [Polygon],
    low: Point2,
    high: Point2,
    bands: usize,
    /// Where each band's edges begin in `edges`.
    starts: Vec<usize>,
    edges: Vec<(Point2, Point2)>,
}

impl<'a> Within<'a> {
    /// Sorts the edges of a region of disjoint pieces.
    #[must_use]
    pub fn new(region: &'a [Polygon]) -> Self {
        let (low, high) = bounds(region);
        let count: usize = region.iter().flat_map(Polygon::rings).map(Vec::len).sum();
        let bands = (count / 2).clamp(1, 1024);
        let mut own = Self { region, low, high, bands, starts: vec![0; bands + 1], edges: Vec::new() };
        for (a, b) in edges_of(region) {
            let (from, to) = own.bands_of(a, b);
            own.starts[from + 1..=to + 1].iter_mut().for_each(|count| *count += 1);
        }
        for band in 0..bands {
            own.starts[band + 1] += own.starts[band];
        }
        let mut next = own.starts.clone();
        own.edges = vec![(low, low); own.starts[bands]];
        for (a, b) in edges_of(region) {
            let (from, to) = own.bands_of(a, b);
            for place in &mut next[from..=to] {
                own.edges[*place] = (a, b);
                *place += 1;
            }
        }
        own
    }

    /// Whether `inner` lies in the region; nothing lies in everything.
    #[must_use]
    pub fn holds(&self, inner: &[Polygon]) -> bool {
        if inner.is_empty() {
            return true;
        }
        let (low, high) = bounds(inner);
        if self.region.is_empty()
            || low.x < self.low.x
            || low.y < self.low.y
            || high.x > self.high.x
            || high.y > self.high.y
        {
            return false;
        }
        // Without a crossing a ring is inside with all of it or with none, and so is a hole.
        let starts = |rings: &[Polygon]| {
            rings.iter().all(|piece| piece.outer.first().is_some_and(|p| self.contains(*p)))
        };
        let holes = self.region.iter().flat_map(|piece| &piece.holes);
        starts(inner)
            && holes
                .filter_map(|hole| hole.first())
                .all(|point| !inner.iter().any(|piece| piece.contains(*point)))
            && !edges_of(inner).any(|(a, b)| self.crosses(a, b))
    }

    fn band(&self, y: f64) -> usize {
        let height = (self.high.y - self.low.y).max(f64::MIN_POSITIVE);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the bands")]
        let band =
            ((y - self.low.y) / height * self.bands as f64).clamp(0.0, (self.bands - 1) as f64) as usize;
        band
    }

    fn bands_of(&self, a: Point2, b: Point2) -> (usize, usize) {
        (self.band(a.y.min(b.y)), self.band(a.y.max(b.y)))
    }

    fn in_band(&self, band: usize) -> &[(Point2, Point2)] {
        &self.edges[self.starts[band]..self.starts[band + 1]]
    }

    /// Whether a point lies in the region: by the number of edges to the right, half-open as
    /// [`Polygon::contains`].
    #[must_use]
    pub fn contains(&self, point: Point2) -> bool {
        let right = self.in_band(self.band(point.y)).iter().filter(|(a, b)| {
            (a.y > point.y) != (b.y > point.y) && point.x < (b.x - a.x) * (point.y - a.y) / (b.y - a.y) + a.x
        });
        right.count() % 2 == 1
    }

    fn crosses(&self, a: Point2, b: Point2) -> bool {
        let (from, to) = self.bands_of(a, b);
        (from..=to).any(|band| self.in_band(band).iter().any(|(c, d)| meet(a, b, *c, *d)))
    }
}

/// Whether two edges have a point in common; those on one line count when their boxes meet.
fn meet(a: Point2, b: Point2, c: Point2, d: Point2) -> bool {
    if a.x.max(b.x) < c.x.min(d.x)
        || c.x.max(d.x) < a.x.min(b.x)
        || a.y.max(b.y) < c.y.min(d.y)
        || c.y.max(d.y) < a.y.min(b.y)
    {
        return false;
    }
    let side = |p: Point2, q: Point2, r: Point2| (q - p).perp(&(r - p));
    side(a, b, c) * side(a, b, d) <= 0.0 && side(c, d, a) * side(c, d, b) <= 0.0
}

fn edges_of(region: &[Polygon]) -> impl Iterator<Item = (Point2, Point2)> {
    let ring_edges = |ring: &'_ Ring| -> Vec<(Point2, Point2)> {
        ring.iter().copied().zip(ring.iter().copied().cycle().skip(1)).collect()
    };
    region.iter().flat_map(Polygon::rings).flat_map(ring_edges)
}

fn bounds(region: &[Polygon]) -> (Point2, Point2) {
    let none = (Point2::new(f64::INFINITY, f64::INFINITY), Point2::new(f64::NEG_INFINITY, f64::NEG_INFINITY));
    region.iter().flat_map(|piece| &piece.outer).fold(none, |(low, high), p| {
        (Point2::new(low.x.min(p.x), low.y.min(p.y)), Point2::new(high.x.max(p.x), high.y.max(p.y)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::polygon::tests::square;

    fn is_within(inner: &[Polygon], outer: &[Polygon]) -> bool {
        Within::new(outer).holds(inner)
    }

    #[test]
    fn squares_within_squares() {
        let of = |x: f64, y: f64, side: f64| vec![Polygon::from_outer(square(x, y, side))];
        let outer = of(0.0, 0.0, 10.0);
        assert!(is_within(&of(1.0, 1.0, 8.0), &outer));
        assert!(!is_within(&of(-1.0, -1.0, 12.0), &outer), "larger");
        assert!(!is_within(&of(8.0, 8.0, 4.0), &outer), "across a corner");
        assert!(!is_within(&of(20.0, 0.0, 1.0), &outer), "beside");
        assert!(!is_within(&of(0.0, 0.0, 5.0), &outer), "a touch counts as a crossing");
        assert!(is_within(&[], &outer) && is_within(&[], &[]) && !is_within(&outer, &[]));
        // Two pieces, one of them outside.
        let both = [of(1.0, 1.0, 2.0), of(30.0, 1.0, 2.0)].concat();
        assert!(!is_within(&both, &[outer.clone(), of(31.0, 0.0, 9.0)].concat()));
        assert!(is_within(&both, &[outer, of(29.0, 0.0, 9.0)].concat()));
    }

    #[test]
    fn holes_count() {
        let mut hole = square(4.0, 4.0, 2.0);
        hole[1..].reverse();
        let ring = vec![Polygon { outer: square(0.0, 0.0, 10.0), holes: vec![hole] }];
        let of = |x: f64, y: f64, side: f64| vec![Polygon::from_outer(square(x, y, side))];
        assert!(is_within(&of(1.0, 1.0, 2.0), &ring));
        assert!(!is_within(&of(4.5, 4.5, 1.0), &ring), "in the hole");
        assert!(!is_within(&of(1.0, 1.0, 8.0), &ring), "around the hole");
        assert!(is_within(&ring, &of(-1.0, -1.0, 12.0)));
    }

    #[test]
    fn a_notch_that_reaches_in_is_seen() {
        // A comb: its teeth leave room for nothing that is wider than they are.
        let mut outer: Ring = vec![Point2::new(0.0, 0.0), Point2::new(40.0, 0.0), Point2::new(40.0, 10.0)];
        for tooth in (0..20).rev() {
            let x = f64::from(tooth) * 2.0;
            outer.extend([Point2::new(x + 1.0, 10.0), Point2::new(x + 1.0, 3.0), Point2::new(x + 0.5, 3.0)]);
            outer.push(Point2::new(x + 0.5, 10.0));
        }
        outer.push(Point2::new(0.0, 10.0));
        let comb = vec![Polygon::from_outer(outer)];
        let bar = |y: f64| {
            let corners = [(1.0, y), (39.0, y), (39.0, y + 1.0), (1.0, y + 1.0)];
            vec![Polygon::from_outer(corners.map(|(x, y)| Point2::new(x, y)).to_vec())]
        };
        assert!(is_within(&bar(1.0), &comb));
        assert!(!is_within(&bar(5.0), &comb));
    }
}
