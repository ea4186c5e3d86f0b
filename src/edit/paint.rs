//! Brush and eraser: swept discs and balls.

use super::CHORD_MM;
use crate::geometry::{Plane, Point2, Point3, Polygon, splice, stroke};

/// Whether a gesture adds to an ROI or takes away from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sign {
    /// Adds.
    Add,
    /// Takes away.
    Cut,
}

impl Sign {
    /// The other one.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Add => Self::Cut,
            Self::Cut => Self::Add,
        }
    }
}

/// Adds `shape` to `polygons` or cuts it out of them. Pieces that do not change come back
/// bit-identical, and in their order when none does. An empty shape changes nothing.
#[must_use]
pub fn paint(polygons: &[Polygon], shape: &[Polygon], sign: Sign) -> Vec<Polygon> {
    let painted = match sign {
        _ if shape.is_empty() => return polygons.to_vec(),
        Sign::Add => splice::union(polygons, shape),
        Sign::Cut => splice::difference(polygons, shape),
    };
    settled(polygons, painted)
}

/// `after`, where pieces that differ from one of `before` only in where their rings start are that
/// one again; `before` itself when all of them are.
fn settled(before: &[Polygon], mut after: Vec<Polygon>) -> Vec<Polygon> {
    let mut found = 0;
    for piece in &mut after {
        if let Some(same) = before.iter().find(|old| is_same_piece(old, piece)) {
            piece.clone_from(same);
            found += 1;
        }
    }
    if found == before.len() && found == after.len() { before.to_vec() } else { after }
}

fn is_same_piece(a: &Polygon, b: &Polygon) -> bool {
    a == b
        || (a.outer.len() == b.outer.len()
            && a.holes.len() == b.holes.len()
            && a.bounds() == b.bounds()
            && a.same_rings(b))
}

/// Whether both have the same pieces to the bit, in whatever order and wherever their rings start.
#[must_use]
pub fn same_polygons(a: &[Polygon], b: &[Polygon]) -> bool {
    a.len() == b.len() && a.iter().all(|piece| b.iter().any(|other| is_same_piece(piece, other)))
}

/// Sweeps a disc of `radius_mm` along `path` (plane mm) over `polygons`: a brush on the contours'
/// own plane. One point paints a disc, no point nothing.
#[must_use]
pub fn paint_disc(polygons: &[Polygon], path: &[Point2], radius_mm: f64, sign: Sign) -> Vec<Polygon> {
    paint(polygons, &stroke::swept_disc(path, radius_mm, CHORD_MM), sign)
}

/// Sweeps a ball of `radius_mm` along `path` (patient mm) over the `polygons` of `plane`: a brush in
/// a view that is not the contours' own plane. At distance d from the path the ball's disc has
/// radius sqrt(r^2 - d^2). Where the ball does not reach the plane nothing changes.
#[must_use]
pub fn paint_ball(
    polygons: &[Polygon],
    plane: &Plane,
    path: &[Point3],
    radius_mm: f64,
    sign: Sign,
) -> Vec<Polygon> {
    paint(polygons, &stroke::swept_ball_section(path, radius_mm, plane, CHORD_MM), sign)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    fn area(polygons: &[Polygon]) -> f64 {
        polygons.iter().map(Polygon::area_mm2).sum()
    }

    #[test]
    fn a_swept_disc_is_a_capsule_however_fast() {
        let path = [Point2::new(0.0, 0.0), Point2::new(100.0, 0.0)];
        let capsule = paint_disc(&[], &path, 8.0, Sign::Add);
        assert_eq!(capsule.len(), 1);
        let wanted = PI * 64.0 + 16.0 * 100.0;
        assert!((area(&capsule) - wanted).abs() < 0.01 * wanted, "{}", area(&capsule));
        let rest = paint_disc(&capsule, &path, 4.0, Sign::Cut);
        assert_eq!((rest.len(), rest[0].holes.len()), (1, 1));
        let wanted = PI * (64.0 - 16.0) + 8.0 * 100.0;
        assert!((area(&rest) - wanted).abs() < 0.01 * wanted, "{}", area(&rest));
    }

    #[test]
    fn a_ball_paints_smaller_discs_away_from_its_center() {
        for (z, radius) in [(0.0, 5.0), (3.0, 4.0), (4.0, 3.0)] {
            let disc = paint_ball(&[], &Plane::axial(z), &[Point3::new(1.0, 2.0, 0.0)], 5.0, Sign::Add);
            let wanted = PI * radius * radius;
            assert!((area(&disc) - wanted).abs() < 0.02 * wanted, "z {z}: {}", area(&disc));
        }
        assert!(
            paint_ball(&[], &Plane::axial(5.5), &[Point3::origin()], 5.0, Sign::Add).is_empty(),
            "out of reach"
        );
    }

    #[test]
    fn a_ball_swept_past_a_plane_paints_its_full_disc_there() {
        let path = [Point3::new(0.0, 0.0, -50.0), Point3::new(0.0, 0.0, 50.0)];
        let disc = paint_ball(&[], &Plane::axial(7.0), &path, 5.0, Sign::Add);
        assert!((area(&disc) - PI * 25.0).abs() < 0.02 * PI * 25.0);
    }
}
