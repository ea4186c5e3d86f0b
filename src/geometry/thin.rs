//! Rings with fewer vertices: Douglas and Peucker's rule on closed rings.

use super::{Point2, Polygon, Ring};

/// `ring` without vertices that stand at most `tolerance_mm` from the chord that skips them
/// (Douglas and Peucker, "Algorithms for the reduction of the number of points required to
/// represent a digitized line", 1973), held open by its first vertex and the one farthest from it.
/// A ring that would lose its area (fewer than three vertices) comes back as it is.
#[must_use]
pub fn thin_ring(ring: &[Point2], tolerance_mm: f64) -> Ring {
    let count = ring.len();
    if count < 4 {
        return ring.to_vec();
    }
    let squared = |index: usize| (ring[index] - ring[0]).norm_squared();
    let far = (1..count).max_by(|a, b| squared(*a).total_cmp(&squared(*b))).unwrap_or(1);
    let mut keep = vec![false; count];
    keep[0] = true;
    keep[far] = true;
    let mut open = vec![(0, far), (far, count)];
    while let Some((from, to)) = open.pop() {
        let (a, b) = (ring[from], ring[to % count]);
        let mut worst = (tolerance_mm * tolerance_mm, 0);
        for (index, point) in ring.iter().enumerate().take(to).skip(from + 1) {
            let off = distance_squared(*point, a, b);
            if off > worst.0 {
                worst = (off, index);
            }
        }
        if worst.1 > 0 {
            keep[worst.1] = true;
            open.extend([(from, worst.1), (worst.1, to)]);
        }
    }
    let thin: Ring = ring.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(point, _)| *point).collect();
    if thin.len() < 3 { ring.to_vec() } else { thin }
}

/// [`thin_ring`] of every ring.
#[must_use]
pub fn thin(polygons: &[Polygon], tolerance_mm: f64) -> Vec<Polygon> {
    polygons
        .iter()
        .map(|piece| Polygon {
            outer: thin_ring(&piece.outer, tolerance_mm),
            holes: piece.holes.iter().map(|hole| thin_ring(hole, tolerance_mm)).collect(),
        })
        .collect()
}

/// The square of the distance of `point` from the segment a-b.
fn distance_squared(point: Point2, a: Point2, b: Point2) -> f64 {
    let along = b - a;
    let length = along.norm_squared();
    let t = if length > 0.0 { ((point - a).dot(&along) / length).clamp(0.0, 1.0) } else { 0.0 };
    (point - (a + along * t)).norm_squared()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fine_circle_keeps_its_shape_within_the_tolerance() {
        let circle: Ring = (0..3600)
            .map(|i| (f64::from(i) / 3600.0 * std::f64::consts::TAU).sin_cos())
            .map(|(s, c)| Point2::new(20.0 * c, 20.0 * s))
            .collect();
        let thin = thin_ring(&circle, 0.01);
        assert!(thin.len() < 160, "{}", thin.len());
        for point in &circle {
            let near = (0..thin.len())
                .map(|n| distance_squared(*point, thin[n], thin[(n + 1) % thin.len()]))
                .fold(f64::INFINITY, f64::min);
            assert!(near.sqrt() <= 0.010_001);
        }
        assert_eq!(thin_ring(&circle[..3], 100.0), circle[..3]);
        assert_eq!(thin_ring(&circle, 100.0), circle, "not less than a triangle");
    }
}
