//! A vertex that is moved, with the vertices around it that stand too close to be told from it.

use super::{OutlinePlace, Ring, begun_at, edges, point_moved, ring_under, with_ring};
use crate::geometry::{Polygon, Vector2};

/// The pieces with a vertex at `place` moved `by` and the outline to both sides of it taken along, less with
/// the distance along it, up to the first vertex that is at least `apart_mm` from the place, or that an edge
/// of that length goes on from (and never round the back of the ring). So a vertex that stands alone moves
/// alone, and one among many close ones makes no spike. Where there is no vertex yet one is inserted. As they
/// are where they have no such place.
#[must_use]
pub fn pulled(polygons: &[Polygon], place: &OutlinePlace, by: Vector2, apart_mm: f64) -> Vec<Polygon> {
    let Some(ring) = ring_under(polygons, place).filter(|_| by != Vector2::zeros()) else {
        return point_moved(polygons, place, by);
    };
    let points = begun_at(ring, place);
    let weights = weights(&points, apart_mm);
    let changed = points.iter().zip(weights).map(|(point, weight)| point + by * weight).collect();
    with_ring(polygons, place.piece, place.ring, &changed)
}

/// How much of the first vertex's way each vertex goes.
fn weights(points: &Ring, apart_mm: f64) -> Vec<f64> {
    let count = points.len();
    let lengths: Vec<f64> = edges(points).map(|(_, a, b)| (b - a).norm()).collect();
    let mut weights = vec![0.0; count];
    weights[0] = 1.0;
    // Forwards, then backwards: the vertices by their numbers, and the edges to them.
    let ahead: Vec<(usize, f64)> = (1..=count / 2).map(|n| (n, lengths[n - 1])).collect();
    let behind: Vec<(usize, f64)> = (1..=(count - 1) / 2).map(|n| (count - n, lengths[count - n])).collect();
    for side in [ahead, behind] {
        let is_end = |n: usize| {
            let (vertex, _) = side[n];
            let next = side.get(n + 1).map_or(0.0, |(_, length)| *length);
            (points[vertex] - points[0]).norm() >= apart_mm || next >= apart_mm
        };
        let end = (0..side.len()).find(|n| is_end(*n)).unwrap_or(side.len().saturating_sub(1));
        let whole: f64 = side.iter().take(end + 1).map(|(_, length)| length).sum();
        let mut walked = 0.0;
        for (vertex, length) in side.iter().take(end) {
            walked += length;
            let rest = (1.0 - walked / whole.max(1e-12)).clamp(0.0, 1.0);
            weights[*vertex] = rest * rest * (3.0 - 2.0 * rest);
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::super::{nearest_on_outline, nearest_vertex};
    use super::*;
    use crate::geometry::Point2;

    fn circle(radius: f64, count: u32) -> Polygon {
        let at = |n: u32| (f64::from(n) / f64::from(count) * std::f64::consts::TAU).sin_cos();
        Polygon::from_outer((0..count).map(at).map(|(y, x)| Point2::new(x * radius, y * radius)).collect())
    }

    /// Degrees between the edges at the sharpest vertex.
    fn sharpest(piece: &Polygon) -> f64 {
        let ring = &piece.outer;
        let count = ring.len();
        let turn = |n: usize| {
            let (back, on) = (ring[(n + count - 1) % count] - ring[n], ring[(n + 1) % count] - ring[n]);
            back.perp(&on).abs().atan2(back.dot(&on)).to_degrees()
        };
        (0..count).map(turn).fold(180.0, f64::min)
    }

    #[test]
    fn among_close_vertices_the_outline_comes_along_and_no_spike_is_left() {
        // A vertex each 0.3 mm.
        let corners = [(50.0, 0.0), (60.0, 0.0), (60.0, 10.0)];
        let beside = Polygon::from_outer(corners.map(|(x, y)| Point2::new(x, y)).to_vec());
        let pieces = [circle(20.0, 419), beside];
        let top = nearest_vertex(&pieces, Point2::new(20.0, 0.0), 1.0).unwrap();
        let bare = point_moved(&pieces, &top, Vector2::new(5.0, 0.0));
        let pulled = pulled(&pieces, &top, Vector2::new(5.0, 0.0), 5.5);
        let apart = |own: &[Polygon]| own[own.len() - 1].clone();
        assert!(sharpest(&apart(&bare)) < 10.0, "a vertex alone is a spike");
        let own = apart(&pulled);
        assert!(sharpest(&own) > 140.0, "{}", sharpest(&own));
        assert!(own.outer.contains(&Point2::new(25.0, 0.0)), "the vertex goes all the way");
        // Both sides: the mean of the weight is a half, over 5.5 mm each.
        let gained = own.area_mm2() - pieces[0].area_mm2();
        assert!((gained - 5.0 * 5.5).abs() < 1.5, "{gained}");
        // Vertices from the next handles on keep their bits.
        for vertex in pieces[0].outer.iter().filter(|own| (*own - top.point).norm() >= 5.5) {
            assert!(own.outer.contains(vertex));
        }
        assert_eq!(pulled[0], pieces[1]);
        // Inserted between two of them the same.
        let place = nearest_on_outline(&pieces, Point2::new(19.9, 0.15), 1.0).unwrap();
        let inserted = super::pulled(&pieces, &place, Vector2::new(5.0, 0.0), 5.5);
        assert!(place.along > 0.0 && sharpest(&apart(&inserted)) > 140.0);
        assert_eq!(apart(&inserted).outer.len(), 420);
    }

    #[test]
    fn where_vertices_stand_alone_the_vertex_moves_alone() {
        let corners = [(0.0, 0.0), (20.0, 0.0), (20.0, 20.0), (0.0, 20.0)];
        let pieces = [Polygon::from_outer(corners.map(|(x, y)| Point2::new(x, y)).to_vec())];
        let by = Vector2::new(4.0, 1.0);
        let corner = nearest_vertex(&pieces, Point2::new(20.0, 20.0), 1.0).unwrap();
        let same = |a: Vec<Polygon>, b: Vec<Polygon>| a.len() == 1 && b.len() == 1 && a[0].same_rings(&b[0]);
        assert!(same(pulled(&pieces, &corner, by, 5.5), point_moved(&pieces, &corner, by)));
        // A millimetre from a corner: the corner stays where it is.
        let close = nearest_on_outline(&pieces, Point2::new(19.0, 0.0), 1.0).unwrap();
        let out = Vector2::new(0.0, -3.0);
        assert!(same(pulled(&pieces, &close, out, 5.5), point_moved(&pieces, &close, out)));
        assert_eq!(pulled(&pieces, &close, Vector2::zeros(), 5.5)[0].outer.len(), 5);
        // A small ring is bent up to its far side.
        let small = [circle(1.0, 40)];
        let right = nearest_vertex(&small, Point2::new(1.0, 0.0), 0.1).unwrap();
        let out = pulled(&small, &right, Vector2::new(1.0, 0.0), 5.5);
        assert!(out[0].outer.contains(&Point2::new(2.0, 0.0)) && out[0].outer.contains(&small[0].outer[20]));
    }
}
