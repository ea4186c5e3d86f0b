//! Whole contours: find and delete the one under the cursor, copy from a neighbouring slice.

use crate::geometry::{Plane, Point2, Polygon, Ring, ring_area};
use crate::patient::{RoiPlane, Slice};

/// Whether any of `polygons` contains the point (holes are outside).
#[must_use]
pub fn contains(polygons: &[Polygon], point: Point2) -> bool {
    polygons.iter().any(|piece| piece.contains(point))
}

/// A contour of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContourAt {
    /// Index of the piece.
    pub piece: usize,
    /// Index of the hole; `None` for the piece with all its holes.
    pub hole: Option<usize>,
}

impl ContourAt {
    /// The ring that is meant, out of the pieces that it was found in.
    #[must_use]
    pub fn ring<'a>(&self, polygons: &'a [Polygon]) -> Option<&'a Ring> {
        let piece = polygons.get(self.piece)?;
        self.hole.map_or(Some(&piece.outer), |hole| piece.holes.get(hole))
    }
}

/// The contour that a click at `point` (plane mm) means: the piece there; inside a hole, the innermost
/// hole there. `None` outside all outlines.
#[must_use]
pub fn contour_at(polygons: &[Polygon], point: Point2) -> Option<ContourAt> {
    if let Some(piece) = polygons.iter().position(|piece| piece.contains(point)) {
        return Some(ContourAt { piece, hole: None });
    }
    let holes = polygons.iter().enumerate().flat_map(|(piece, own)| {
        own.holes.iter().enumerate().map(move |(hole, ring)| (ContourAt { piece, hole: Some(hole) }, ring))
    });
    holes
        .filter(|(_, ring)| encloses(ring, point))
        .min_by(|(_, a), (_, b)| ring_area(a).abs().total_cmp(&ring_area(b).abs()))
        .map(|(at, _)| at)
}

/// The plane without the contour at `point` (plane mm), see [`contour_at`], and whether that is a hole:
/// it is filled, and islands in it are part of what fills it. `None` where there is no contour. What
/// stays keeps its bits.
#[must_use]
pub fn delete_contour(plane: &RoiPlane, point: Point2) -> Option<(RoiPlane, ContourAt)> {
    let at = contour_at(&plane.polygons, point)?;
    let mut rest = plane.clone();
    match at.hole {
        None => {
            rest.polygons.remove(at.piece);
        }
        Some(hole) => {
            let ring = rest.polygons[at.piece].holes.remove(hole);
            let mut number = 0;
            rest.polygons.retain(|piece| {
                number += 1;
                number - 1 == at.piece || !lies_in(&ring, &piece.outer)
            });
        }
    }
    rest.source.clear();
    rest.confidence = None;
    Some((rest, at))
}

fn encloses(ring: &Ring, point: Point2) -> bool {
    Polygon::from_outer(ring.clone()).contains(point)
}

/// Whether an outline that crosses `ring` nowhere lies in it; they may touch.
fn lies_in(ring: &Ring, outline: &Ring) -> bool {
    let ring = Polygon::from_outer(ring.clone());
    let middles = outline.iter().zip(outline.iter().cycle().skip(1)).map(|(a, b)| a + (b - a) * 0.5);
    middles.filter(|middle| ring.contains(*middle)).count() * 2 > outline.len()
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
        let at = |x, y| delete_contour(&plane, Point2::new(x, y)).map(|(rest, at)| (rest.polygons, at.hole));
        assert_eq!(at(5.0, 5.0), Some((vec![ring.clone()], None)));
        assert_eq!(at(1.0, 1.0), Some((vec![island.clone()], None)));
        assert_eq!(at(20.0, 3.0), None);
    }

    #[test]
    fn in_a_hole_the_hole_goes_and_nothing_else() {
        let hole = |x, y, side| square(x, y, side).into_iter().rev().collect::<Vec<_>>();
        let outer = square(0.0, 0.0, 40.0);
        let ring = Polygon { outer: outer.clone(), holes: vec![hole(2.0, 2.0, 20.0), hole(30.0, 30.0, 5.0)] };
        // In the first hole a ring, and in that a hole and an island.
        let inner = Polygon { outer: square(4.0, 4.0, 16.0), holes: vec![hole(6.0, 6.0, 10.0)] };
        let island = Polygon::from_outer(square(8.0, 8.0, 4.0));
        let beside = Polygon::from_outer(square(50.0, 0.0, 5.0));
        let plane = RoiPlane::new(
            Plane::axial(0.0),
            None,
            vec![island.clone(), ring.clone(), inner.clone(), beside.clone()],
        );
        let at = |x, y| delete_contour(&plane, Point2::new(x, y)).map(|(rest, _)| rest.polygons).unwrap();
        let without = |own: &Polygon, hole: usize| {
            let mut own = own.clone();
            own.holes.remove(hole);
            own
        };
        assert_eq!(at(32.0, 32.0), [island.clone(), without(&ring, 1), inner.clone(), beside.clone()]);
        // What lies in a hole that is filled is part of what fills it.
        assert_eq!(at(3.0, 3.0), [without(&ring, 0), beside.clone()]);
        assert_eq!(at(7.0, 7.0), [ring.clone(), without(&inner, 0), beside.clone()]);
        // The cursor is told the same contour.
        let meant = contour_at(&plane.polygons, Point2::new(7.0, 7.0)).unwrap();
        assert_eq!(
            (meant, meant.ring(&plane.polygons)),
            (ContourAt { piece: 2, hole: Some(0) }, Some(&inner.holes[0]))
        );
        let meant = contour_at(&plane.polygons, Point2::new(9.0, 9.0)).unwrap();
        assert_eq!(meant.ring(&plane.polygons), Some(&island.outer));
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
