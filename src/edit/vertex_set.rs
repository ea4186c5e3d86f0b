//! Which vertices a gesture found and which it made, told by their bits.

use crate::geometry::{Point2, Polygon};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// The vertices of polygons, by the bits of their coordinates.
#[derive(Debug, Clone, Default)]
pub struct VertexSet(HashSet<(u64, u64), BuildHasherDefault<BitsHasher>>);

impl VertexSet {
    /// All vertices of `polygons`.
    #[must_use]
    pub fn of(polygons: &[Polygon]) -> Self {
        Self(polygons.iter().flat_map(Polygon::rings).flatten().map(|point| bits(*point)).collect())
    }

    /// Whether this very vertex is one of them.
    #[must_use]
    pub fn holds(&self, point: Point2) -> bool {
        self.0.contains(&bits(point))
    }
}

/// A vertex by its very bits.
pub(super) fn bits(point: Point2) -> (u64, u64) {
    (point.x.to_bits(), point.y.to_bits())
}

/// Mixes the bits of coordinates, which nobody chooses to collide: several times as fast as the
/// standard hash, on every event of a stroke.
#[derive(Debug, Clone, Copy, Default)]
pub struct BitsHasher(u64);

impl Hasher for BitsHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        // The odd number next to 2^64 over the golden ratio. Both halves of the product together: the
        // upper bits of a coordinate, which alone differ on a lattice, reach the lower ones by it.
        let product = u128::from(self.0 ^ value) * 0x9e37_79b9_7f4a_7c15;
        #[expect(clippy::cast_possible_truncation, reason = "the halves of the product")]
        let [low, high] = [product as u64, (product >> 64) as u64];
        self.0 = (low ^ high).rotate_left(23);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vertex_is_told_by_its_very_bits() {
        let corner = Point2::new(1.0, 0.1 + 0.2);
        let set =
            VertexSet::of(&[Polygon::from_outer(vec![Point2::origin(), corner, Point2::new(-3.5, 7.0)])]);
        assert!(set.holds(corner) && set.holds(Point2::new(-3.5, 7.0)));
        assert!(!set.holds(Point2::new(1.0, 0.3)) && !set.holds(Point2::new(7.0, -3.5)));
        assert!(!VertexSet::default().holds(corner));
    }

    #[test]
    fn coordinates_of_a_lattice_spread_over_the_table() {
        let mut places = HashSet::new();
        for x in 0..100_u32 {
            for y in 0..100_u32 {
                let mut hasher = BitsHasher::default();
                hasher.write_u64((f64::from(x) * 0.5).to_bits());
                hasher.write_u64((f64::from(y) * 0.5).to_bits());
                places.insert(hasher.finish() & 0xffff);
            }
        }
        // By chance 10,000 of 65,536 places would hold 9,280.
        assert!(places.len() > 8500, "{}", places.len());
    }
}
