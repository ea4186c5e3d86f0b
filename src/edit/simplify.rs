//! Fewer vertices along freshly painted edges.

use super::VertexSet;
use crate::geometry::{Point2, Polygon, Ring};

/// `polygons` with those vertices left out that stand less than `tolerance_mm` from the line without
/// them (Douglas and Peucker, 1973). Vertices that `kept` has too always stay, so that what a
/// gesture did not make is not touched.
#[must_use]
pub fn simplified(polygons: &[Polygon], kept: &VertexSet, tolerance_mm: f64) -> Vec<Polygon> {
    let thin = |ring: &Ring| thinned(ring, kept, tolerance_mm);
    polygons
        .iter()
        .map(|piece| Polygon { outer: thin(&piece.outer), holes: piece.holes.iter().map(thin).collect() })
        .collect()
}

fn thinned(ring: &Ring, kept: &VertexSet, tolerance_mm: f64) -> Ring {
    let count = ring.len();
    if count < 8 {
        return ring.clone();
    }
    let mut keep: Vec<bool> = ring.iter().map(|point| kept.holds(*point)).collect();
    if keep.iter().all(|keep| *keep) {
        return ring.clone();
    }
    if keep.iter().filter(|keep| **keep).count() < 2 {
        // Two vertices far apart hold the ring open.
        let first = keep.iter().position(|keep| *keep).unwrap_or(0);
        let far = (0..count)
            .max_by(|a, b| (ring[*a] - ring[first]).norm().total_cmp(&(ring[*b] - ring[first]).norm()));
        keep[first] = true;
        keep[far.unwrap_or(count / 2)] = true;
    }
    let anchors: Vec<usize> = (0..count).filter(|index| keep[*index]).collect();
    for (at, from) in anchors.iter().enumerate() {
        let to = if at + 1 < anchors.len() { anchors[at + 1] } else { anchors[0] + count };
        let mut open = vec![(*from, to)];
        while let Some((from, to)) = open.pop() {
            let (a, b) = (ring[from % count], ring[to % count]);
            let worst = (from + 1..to)
                .map(|index| (distance(ring[index % count], a, b), index))
                .max_by(|x, y| x.0.total_cmp(&y.0));
            if let Some((distance, index)) = worst
                && distance > tolerance_mm
            {
                keep[index % count] = true;
                open.extend([(from, index), (index, to)]);
            }
        }
    }
    let thin: Ring = ring.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(point, _)| *point).collect();
    if thin.len() < 3 { ring.clone() } else { thin }
}

/// The distance of `point` from the segment a-b.
fn distance(point: Point2, a: Point2, b: Point2) -> f64 {
    let along = b - a;
    let length2 = along.norm_squared();
    let t = if length2 > 0.0 { ((point - a).dot(&along) / length2).clamp(0.0, 1.0) } else { 0.0 };
    (point - (a + along * t)).norm()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_vertices_on_a_line_go_and_old_ones_stay() {
        let top: Vec<Point2> = (0..=10).rev().map(|x| Point2::new(f64::from(x), 5.0)).collect();
        let mut outer = vec![Point2::new(0.0, 0.0), Point2::new(10.0, 0.0)];
        outer.extend(&top);
        let piece = [Polygon::from_outer(outer)];
        let old = [Polygon::from_outer(vec![top[4], piece[0].outer[0], piece[0].outer[1]])];
        let thin = simplified(&piece, &VertexSet::of(&old), 0.01);
        assert_eq!(thin[0].outer.len(), 5, "{:?}", thin[0].outer);
        assert!(thin[0].outer.contains(&top[4]));
        assert!((thin[0].area_mm2() - 50.0).abs() < 1e-9);
    }
}
