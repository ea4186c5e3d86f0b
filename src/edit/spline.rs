//! Shapes from few points: closed curves through anchors, rectangles, ellipses.

use super::CHORD_MM;
use crate::geometry::{Point2, Ring};

/// The closed curve through `anchors`: a centripetal Catmull-Rom spline (Yuksel, Schaefer and
/// Keyser, 2011), which has no loops or cusps between anchors. Fewer than three anchors, or
/// anchors on top of one another, come back as they are.
#[must_use]
pub fn closed_spline(anchors: &[Point2]) -> Ring {
    let mut points: Vec<Point2> = anchors.to_vec();
    points.dedup_by(|a, b| (*a - *b).norm() < 1e-6);
    while points.len() > 1 && (points[0] - points[points.len() - 1]).norm() < 1e-6 {
        points.pop();
    }
    let count = points.len();
    if count < 3 {
        return points;
    }
    let mut ring = Vec::with_capacity(count * 16);
    for at in 0..count {
        let [a, b, c, d] = [0, 1, 2, 3].map(|step| points[(at + step) % count]);
        let knot = |from: Point2, to: Point2| (to - from).norm().sqrt().max(1e-4);
        let (t1, t2, t3) = (knot(a, b), knot(b, c), knot(c, d));
        // Tangents at b and c of the cubic between them, for a unit parameter.
        let tangent_b = ((b - a) / t1 - (c - a) / (t1 + t2) + (c - b) / t2) * t2;
        let tangent_c = ((c - b) / t2 - (d - b) / (t2 + t3) + (d - c) / t3) * t2;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let parts = ((c - b).norm() / 0.5).ceil().clamp(8.0, 64.0) as u32;
        for part in 0..parts {
            let t = f64::from(part) / f64::from(parts);
            let (t2, t3) = (t * t, t * t * t);
            ring.push(Point2::from(
                b.coords * (2.0 * t3 - 3.0 * t2 + 1.0)
                    + tangent_b * (t3 - 2.0 * t2 + t)
                    + c.coords * (3.0 * t2 - 2.0 * t3)
                    + tangent_c * (t3 - t2),
            ));
        }
    }
    ring
}

/// The rectangle with opposite corners `a` and `b`, counter-clockwise.
#[must_use]
pub fn rectangle(a: Point2, b: Point2) -> Ring {
    let (low, high) = (Point2::new(a.x.min(b.x), a.y.min(b.y)), Point2::new(a.x.max(b.x), a.y.max(b.y)));
    vec![low, Point2::new(high.x, low.y), high, Point2::new(low.x, high.y)]
}

/// The ellipse in that rectangle, counter-clockwise; chords within [`CHORD_MM`] of the curve.
#[must_use]
pub fn ellipse(a: Point2, b: Point2) -> Ring {
    let center = nalgebra::center(&a, &b);
    let half = (b - a).abs() / 2.0;
    let widest = half.x.max(half.y).max(CHORD_MM);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let count =
        (std::f64::consts::PI / (1.0 - CHORD_MM / widest).acos().max(1e-3)).ceil().clamp(12.0, 720.0) as u32;
    (0..count)
        .map(|step| {
            let angle = std::f64::consts::TAU * f64::from(step) / f64::from(count);
            Point2::new(center.x + half.x * angle.cos(), center.y + half.y * angle.sin())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::ring_area;
    use std::f64::consts::{PI, TAU};

    #[test]
    fn a_spline_through_few_points_of_a_circle_is_nearly_the_circle() {
        let anchors: Vec<Point2> = (0..8)
            .map(|step| {
                let angle = TAU * f64::from(step) / 8.0;
                Point2::new(20.0 * angle.cos(), 20.0 * angle.sin())
            })
            .collect();
        let ring = closed_spline(&anchors);
        assert!((ring_area(&ring) / (PI * 400.0) - 1.0).abs() < 0.01, "{}", ring_area(&ring));
        assert!(anchors.iter().all(|anchor| ring.iter().any(|p| (p - anchor).norm() < 1e-9)));
        assert_eq!(closed_spline(&anchors[..2]).len(), 2);
    }

    #[test]
    fn an_ellipse_has_its_area_and_a_rectangle_its_corners() {
        let (a, b) = (Point2::new(10.0, 40.0), Point2::new(30.0, 10.0));
        assert!((ring_area(&ellipse(a, b)) / (PI * 150.0) - 1.0).abs() < 0.003);
        assert!((ring_area(&rectangle(a, b)) - 600.0).abs() < 1e-9);
    }
}
