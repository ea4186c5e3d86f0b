//! Whole contours: delete the one under the cursor, copy from a neighbouring slice.

use crate::geometry::{Plane, Point2, Polygon};
use crate::patient::{RoiPlane, Slice};

/// Whether any of `polygons` contains the point (holes are outside).
#[must_use]
pub fn contains(polygons: &[Polygon], point: Point2) -> bool {
    polygons.iter().any(|piece| piece.contains(point))
}

/// The plane without the piece at `point` (plane mm). Inside a hole, the innermost piece around
/// the hole is meant. `None` when no piece is there.
#[must_use]
pub fn delete_contour(plane: &RoiPlane, point: Point2) -> Option<RoiPlane> {
    let around = |piece: &Polygon| Polygon::from_outer(piece.outer.clone()).contains(point);
    let hit = plane.polygons.iter().position(|piece| piece.contains(point)).or_else(|| {
        let surrounding = plane.polygons.iter().enumerate().filter(|(_, piece)| around(piece));
        surrounding.min_by(|(_, a), (_, b)| outer_area(a).total_cmp(&outer_area(b))).map(|(index, _)| index)
    })?;
    let mut rest = plane.clone();
    rest.polygons.remove(hit);
    rest.source.clear();
    rest.confidence = None;
    Some(rest)
}

fn outer_area(piece: &Polygon) -> f64 {
    crate::geometry::ring_area(&piece.outer).abs()
}

/// The contours of `source` moved along the normal onto the slice `to`, in place of those there
/// (`existing`, whose plane is kept).
#[must_use]
pub fn copy_to_slice(source: &RoiPlane, to: &Slice, existing: Option<&std::sync::Arc<RoiPlane>>) -> RoiPlane {
    let plane = existing.map_or(to.plane, |own| own.plane);
    RoiPlane::new(plane, to.instance.clone(), reoriented(&source.polygons, &source.plane, &plane))
}

/// Polygons in the coordinates of `from`, expressed in those of the parallel plane `to`. Planes of
/// the same axes share their coordinates and nothing moves.
#[must_use]
pub fn reoriented(polygons: &[Polygon], from: &Plane, to: &Plane) -> Vec<Polygon> {
    if from.u() == to.u() && from.v() == to.v() {
        return polygons.to_vec();
    }
    let mirrored = from.normal().dot(&to.normal()) < 0.0;
    let carry = |ring: &Vec<Point2>| -> Vec<Point2> {
        let mut ring: Vec<Point2> = ring.iter().map(|point| to.project(from.lift(*point))).collect();
        if mirrored {
            ring.reverse();
        }
        ring
    };
    polygons
        .iter()
        .map(|piece| Polygon { outer: carry(&piece.outer), holes: piece.holes.iter().map(carry).collect() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Point3, Vector3};

    fn square(x: f64, y: f64, side: f64) -> Vec<Point2> {
        [(x, y), (x + side, y), (x + side, y + side), (x, y + side)].map(|(x, y)| Point2::new(x, y)).to_vec()
    }

    #[test]
    fn the_piece_under_the_cursor_goes_and_the_others_stay() {
        let mut hole = square(2.0, 2.0, 6.0);
        hole.reverse();
        let ring = Polygon { outer: square(0.0, 0.0, 10.0), holes: vec![hole] };
        let island = Polygon::from_outer(square(4.0, 4.0, 2.0));
        let plane = RoiPlane::new(Plane::axial(0.0), None, vec![ring.clone(), island.clone()]);
        let at = |x, y| delete_contour(&plane, Point2::new(x, y)).map(|rest| rest.polygons);
        assert_eq!(at(5.0, 5.0), Some(vec![ring.clone()]));
        assert_eq!(at(1.0, 1.0), Some(vec![island.clone()]));
        assert_eq!(at(3.0, 3.0), Some(vec![island]), "inside the hole the ring around it is meant");
        assert_eq!(at(20.0, 3.0), None);
    }

    #[test]
    fn a_copy_onto_a_plane_seen_from_behind_stays_in_place() {
        let front = Plane::axial(3.0);
        let behind = Plane::new(Point3::new(0.0, 0.0, 6.0), Vector3::x(), -Vector3::y()).unwrap();
        let there = reoriented(&[Polygon::from_outer(square(1.0, 2.0, 4.0))], &front, &behind);
        assert!((there[0].area_mm2() - 16.0).abs() < 1e-9);
        assert!(crate::geometry::ring_area(&there[0].outer) > 0.0, "still counter-clockwise");
        assert!(there[0].contains(behind.project(Point3::new(2.0, 3.0, 6.0))));
    }
}
