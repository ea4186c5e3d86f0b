//! Planes with two-dimensional coordinates in millimetres.

use super::{Point2, Point3, Vector3};

/// The spacing of the lattice that contour vertices live on, mm: four decimals, so that a
/// coordinate's decimal text (DICOM DS, at most 16 bytes) is exact.
pub const LATTICE_MM: f64 = 1e-4;

/// A plane with in-plane axes `u` and `v` and the coordinates they make.
///
/// The in-plane origin is the plane's point nearest to the patient origin, so all parallel planes
/// of a series share one 2D coordinate system, and on an axial plane (u, v) are patient (x, y).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plane {
    u: Vector3,
    v: Vector3,
    normal: Vector3,
    offset_mm: f64,
}

impl Plane {
    /// The plane through `point_mm` spanned by `u` and `v`; `v` is made orthogonal to `u`, both
    /// are normalised. `None` when they are parallel or not finite.
    #[must_use]
    pub fn new(point_mm: Point3, u: Vector3, v: Vector3) -> Option<Self> {
        let exact = |w: Vector3| w.try_normalize(1e-9).map(|n| if (n - w).norm() < 1e-12 { w } else { n });
        let u = exact(u)?;
        let v = exact(v - u * u.dot(&v))?;
        let normal = exact(u.cross(&v))?;
        let offset_mm = normal.dot(&point_mm.coords);
        (offset_mm.is_finite() && u.iter().chain(v.iter()).all(|x| x.is_finite())).then_some(Self {
            u,
            v,
            normal,
            offset_mm,
        })
    }

    /// The axial plane at height `z_mm`: (u, v) = patient (x, y), normal towards the head.
    #[must_use]
    pub fn axial(z_mm: f64) -> Self {
        Self { u: Vector3::x(), v: Vector3::y(), normal: Vector3::z(), offset_mm: z_mm }
    }

    /// The plane of stored axes `[u, v, normal]`, bit by bit as another plane gave them; `None` when
    /// they are no right-handed orthonormal axes within 1e-9 or a number is not finite.
    #[must_use]
    pub fn from_axes([u, v, normal]: [Vector3; 3], offset_mm: f64) -> Option<Self> {
        let unit = |w: Vector3| (w.norm() - 1.0).abs() < 1e-9;
        (unit(u) && unit(v) && u.dot(&v).abs() < 1e-9 && (u.cross(&v) - normal).norm() < 1e-9)
            .then_some(Self { u, v, normal, offset_mm })
            .filter(|plane| plane.offset_mm.is_finite())
    }

    /// The parallel plane at `offset_mm` along the normal.
    #[must_use]
    pub fn at_offset(&self, offset_mm: f64) -> Self {
        Self { offset_mm, ..*self }
    }

    /// The first in-plane unit vector.
    #[must_use]
    pub fn u(&self) -> Vector3 {
        self.u
    }

    /// The second in-plane unit vector.
    #[must_use]
    pub fn v(&self) -> Vector3 {
        self.v
    }

    /// The unit normal, `u x v`.
    #[must_use]
    pub fn normal(&self) -> Vector3 {
        self.normal
    }

    /// The plane's distance from the patient origin along its normal, mm (signed).
    #[must_use]
    pub fn offset_mm(&self) -> f64 {
        self.offset_mm
    }

    /// The plane coordinates of a patient point's foot on the plane.
    #[must_use]
    pub fn project(&self, point_mm: Point3) -> Point2 {
        Point2::new(self.u.dot(&point_mm.coords), self.v.dot(&point_mm.coords))
    }

    /// The patient point at plane coordinates `point`.
    #[must_use]
    pub fn lift(&self, point: Point2) -> Point3 {
        Point3::from(self.u * point.x + self.v * point.y + self.normal * self.offset_mm)
    }

    /// The signed distance of a patient point from the plane, along the normal, mm.
    #[must_use]
    pub fn distance_mm(&self, point_mm: Point3) -> f64 {
        self.normal.dot(&point_mm.coords) - self.offset_mm
    }

    /// The lattice point (four decimals in patient mm) that stands for `point` in a file.
    #[must_use]
    pub fn lattice_point(&self, point: Point2) -> Point3 {
        self.lift(point).map(round_to_lattice)
    }

    /// Moves `point` by at most the lattice spacing to where writing it with four decimals and
    /// reading it back gives exactly itself. Idempotent.
    ///
    /// On an oblique plane the nearest lattice point lies off the plane and its foot may round to
    /// another; each round comes closer to the plane, so the search ends.
    #[must_use]
    pub fn snap(&self, point: Point2) -> Point2 {
        if self.u == Vector3::x() && self.v == Vector3::y() {
            // What the search below ends with at once.
            return point.map(round_to_lattice);
        }
        let mut lattice = self.lattice_point(point);
        for _ in 0..64 {
            let foot = self.project(lattice);
            let next = self.lattice_point(foot);
            if next == lattice {
                return foot;
            }
            lattice = next;
        }
        self.project(lattice)
    }

    /// Whether `other` lies within `tolerance_mm` and is parallel to this plane (either sense).
    #[must_use]
    pub fn coincides(&self, other: &Self, tolerance_mm: f64) -> bool {
        let cosine = self.normal.dot(&other.normal);
        // A tenth of a degree: 0.9 mm at the edge of a 500 mm field would already be visible.
        cosine.abs() > 1.0 - 1.5e-6
            && (self.offset_mm - cosine.signum() * other.offset_mm).abs() <= tolerance_mm
    }
}

/// Rounds to four decimals; the result prints as at most four decimals.
fn round_to_lattice(value_mm: f64) -> f64 {
    let rounded = (value_mm / LATTICE_MM).round() / (1.0 / LATTICE_MM);
    if rounded == 0.0 { 0.0 } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn axial_coordinates_are_patient_coordinates() {
        let plane = Plane::new(Point3::new(7.0, -3.0, 12.5), Vector3::x(), Vector3::y()).unwrap();
        assert_eq!(plane, Plane::axial(12.5));
        assert_eq!(plane.project(Point3::new(1.25, 2.5, 12.5)), Point2::new(1.25, 2.5));
    }

    proptest! {
        #[test]
        fn snapping_is_idempotent_on_oblique_planes(
            x in -300.0..300.0_f64, y in -300.0..300.0_f64,
            a in -1.0..1.0_f64, b in -1.0..1.0_f64, offset in -500.0..500.0_f64,
        ) {
            let u = Vector3::new(1.0, a, b);
            let v = Vector3::new(-a, 1.0, b * 0.5);
            prop_assume!(u.cross(&v).norm() > 0.1);
            let plane = Plane::new(Point3::new(0.0, 0.0, offset), u, v).unwrap();
            let snapped = plane.snap(Point2::new(x, y));
            prop_assert_eq!(plane.snap(snapped), snapped);
            prop_assert!((snapped - Point2::new(x, y)).norm() < 4.0 * LATTICE_MM);
            prop_assert_eq!(plane.project(plane.lattice_point(snapped)), snapped);
        }
    }
}
