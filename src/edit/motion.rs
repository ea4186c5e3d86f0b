//! Moving, turning and scaling contours.
//!
//! A motion that maps every slice onto itself (a move, turn or scale in the slices' own plane) takes
//! each vertex along: exact. Any other takes the solid along, and the result is its section by the
//! planes of the slices, by the same reading of contours as everywhere ([`crate::edit::algebra`]):
//! the contours of the slab that a slice comes to lie in, at an angle the section of the stack. So
//! contours stay on slices, a move along the slices goes by whole slices where they are even, and a
//! slice that the moved structure no longer reaches is left empty.

use super::joined;
use crate::geometry::section::{self, Slab};
use crate::geometry::{Plane, Point2, Point3, Polygon, Ring, Vector3};
use nalgebra::{Affine3, Matrix4, Rotation3, Translation3, Unit};

/// How far along its normal a motion may take a plane and still count as within it, mm.
const WITHIN_MM: f64 = 1e-7;

/// A move, turn or scaling of space.
#[derive(Debug, Clone, PartialEq)]
pub struct Motion {
    there: Affine3<f64>,
    back: Affine3<f64>,
}

impl Motion {
    /// A move by `by`, patient mm.
    #[must_use]
    pub fn moved(by: Vector3) -> Self {
        let there = Translation3::from(by).to_homogeneous();
        let back = Translation3::from(-by).to_homogeneous();
        Self::of(there, back)
    }

    /// A turn of `angle` radians around `axis` through `center`, counter-clockwise seen against the
    /// axis; `None` when the axis has no direction.
    #[must_use]
    pub fn turned(center: Point3, axis: Vector3, angle: f64) -> Option<Self> {
        let axis = Unit::try_new(axis, 1e-9)?;
        let about = |angle: f64| {
            Translation3::from(center.coords).to_homogeneous()
                * Rotation3::from_axis_angle(&axis, angle).to_homogeneous()
                * Translation3::from(-center.coords).to_homogeneous()
        };
        Some(Self::of(about(angle), about(-angle)))
    }

    /// A scaling from `center` by factors along the two axes of `plane`; its normal keeps its length.
    /// `None` unless both are finite and above 0.
    #[must_use]
    pub fn scaled(center: Point3, plane: &Plane, factors: [f64; 2]) -> Option<Self> {
        if !factors.iter().all(|factor| factor.is_finite() && *factor > 1e-6) {
            return None;
        }
        let about = |factors: [f64; 2]| {
            let (u, v) = (plane.u(), plane.v());
            let linear = nalgebra::Matrix3::identity()
                + u * u.transpose() * (factors[0] - 1.0)
                + v * v.transpose() * (factors[1] - 1.0);
            Translation3::from(center.coords).to_homogeneous()
                * linear.to_homogeneous()
                * Translation3::from(-center.coords).to_homogeneous()
        };
        Some(Self::of(about(factors), about(factors.map(f64::recip))))
    }

    fn of(there: Matrix4<f64>, back: Matrix4<f64>) -> Self {
        Self { there: Affine3::from_matrix_unchecked(there), back: Affine3::from_matrix_unchecked(back) }
    }

    /// Where a point goes.
    #[must_use]
    pub fn of_point(&self, point: Point3) -> Point3 {
        self.there * point
    }

    /// Whether nothing moves.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.there.matrix() == &Matrix4::identity()
    }

    /// Whether it maps `plane` and all planes parallel to it each onto itself.
    #[must_use]
    pub fn keeps(&self, plane: &Plane) -> bool {
        let reach = 500.0;
        let corners = [Vector3::zeros(), plane.u() * reach, plane.v() * reach, plane.normal() * reach];
        corners.into_iter().all(|corner| {
            let point = Point3::from(plane.normal() * plane.offset_mm() + corner);
            plane.normal().dot(&(self.there * point - point)).abs() < WITHIN_MM
        })
    }

    /// Contours of a plane that it keeps, taken along.
    #[must_use]
    pub fn of_polygons(&self, polygons: &[Polygon], plane: &Plane) -> Vec<Polygon> {
        let carry = |ring: &Ring| -> Ring {
            ring.iter().map(|point| plane.project(self.there * plane.lift(*point))).collect()
        };
        polygons.iter().map(|piece| with_rings(piece, carry)).collect()
    }

    /// The contours of `plane` with the pieces numbered `moved` taken along; they join what they come
    /// to lie over.
    #[must_use]
    pub fn of_pieces(&self, polygons: &[Polygon], plane: &Plane, moved: &[usize]) -> Vec<Polygon> {
        let (own, rest): (Vec<_>, Vec<_>) =
            polygons.iter().enumerate().partition(|(index, _)| moved.contains(index));
        let own: Vec<Polygon> = own.into_iter().map(|(_, piece)| piece.clone()).collect();
        let rest: Vec<Polygon> = rest.into_iter().map(|(_, piece)| piece.clone()).collect();
        joined(&rest, self.of_polygons(&own, plane))
    }

    /// The section by `plane` of a stack of contours taken along; see the module.
    #[must_use]
    pub fn section(&self, slabs: &[Slab], plane: &Plane) -> Vec<Polygon> {
        let from = |point: Point2| self.back * plane.lift(point);
        let origin = from(Point2::origin());
        let (u, v) = (from(Point2::new(1.0, 0.0)) - origin, from(Point2::new(0.0, 1.0)) - origin);
        let Some(source) = Plane::new(origin, u, v) else { return Vec::new() };
        let carry = |ring: &Ring| -> Ring {
            ring.iter().map(|point| plane.project(self.there * source.lift(*point))).collect()
        };
        section::cut(slabs, &source).iter().map(|piece| with_rings(piece, carry)).collect()
    }

    /// How far along `normal` the stack reaches once taken along, from its own bounds (patient mm).
    #[must_use]
    pub fn extent(&self, slabs: &[Slab], normal: Vector3) -> Option<(f64, f64)> {
        slabs
            .iter()
            .flat_map(|slab| {
                let bounds = slab.polygons.iter().filter_map(Polygon::bounds);
                bounds.flat_map(move |(low, high)| {
                    let corners = [low, high, Point2::new(low.x, high.y), Point2::new(high.x, low.y)];
                    corners.into_iter().flat_map(move |corner| {
                        let on = slab.plane.lift(corner);
                        let normal = slab.plane.normal();
                        [on - normal * slab.below_mm, on + normal * slab.above_mm]
                    })
                })
            })
            .map(|point| normal.dot(&(self.there * point).coords))
            .fold(None, |range: Option<(f64, f64)>, at| {
                Some(range.map_or((at, at), |(low, high)| (low.min(at), high.max(at))))
            })
    }
}

fn with_rings(piece: &Polygon, carry: impl Fn(&Ring) -> Ring) -> Polygon {
    Polygon { outer: carry(&piece.outer), holes: piece.holes.iter().map(carry).collect() }.oriented()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::FRAC_PI_2;

    fn square(x: f64, y: f64, side: f64) -> Polygon {
        let corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)];
        Polygon::from_outer(corners.map(|(x, y)| Point2::new(x, y)).to_vec())
    }

    fn area(polygons: &[Polygon]) -> f64 {
        polygons.iter().map(Polygon::area_mm2).sum()
    }

    #[test]
    fn in_the_plane_every_vertex_goes_along() {
        let plane = Plane::axial(6.0);
        let pieces = [square(0.0, 0.0, 10.0), square(20.0, 0.0, 2.0)];
        let motion = Motion::moved(Vector3::new(3.0, -2.0, 0.0));
        assert!(motion.keeps(&plane) && !Motion::moved(Vector3::z()).keeps(&plane));
        let moved = motion.of_pieces(&pieces, &plane, &[0]);
        assert_eq!(moved, [pieces[1].clone(), square(3.0, -2.0, 10.0)]);
        let over = Motion::moved(Vector3::new(-15.0, 0.0, 0.0)).of_pieces(&pieces, &plane, &[1]);
        assert_eq!((over.len(), area(&over)), (1, 100.0));
        let center = Point3::new(5.0, 5.0, 0.0);
        let turned = Motion::turned(center, Vector3::z(), FRAC_PI_2).unwrap();
        assert!(turned.keeps(&plane));
        assert!((turned.of_point(Point3::new(10.0, 5.0, 1.0)) - Point3::new(5.0, 10.0, 1.0)).norm() < 1e-12);
        let scaled = Motion::scaled(center, &plane, [2.0, 0.5]).unwrap();
        assert!(scaled.keeps(&plane));
        let wide = scaled.of_polygons(&pieces[..1], &plane);
        assert!((area(&wide) - 100.0).abs() < 1e-9);
        assert_eq!(wide[0].bounds().unwrap().1, Point2::new(15.0, 7.5));
        assert!(Motion::scaled(center, &plane, [0.0, 1.0]).is_none());
        assert!(Motion::moved(Vector3::zeros()).is_none() && !scaled.is_none());
    }

    #[test]
    fn across_the_planes_the_solid_is_cut_where_it_has_come_to() {
        let planes: Vec<(Plane, Vec<Polygon>)> = (0..7)
            .map(|k| (Plane::axial(3.0 * f64::from(k)), vec![square(0.0, 0.0, 10.0 + f64::from(k))]))
            .collect();
        let slabs: Vec<Slab> = planes
            .iter()
            .map(|(plane, polygons)| Slab { plane: *plane, below_mm: 1.5, above_mm: 1.5, polygons })
            .collect();
        // By a slice and a third: a whole slice.
        let motion = Motion::moved(Vector3::new(1.0, 0.0, 4.0));
        let there = motion.section(&slabs, &Plane::axial(9.0));
        assert_eq!(there, [square(1.0, 0.0, 12.0)]);
        assert!(motion.section(&slabs, &Plane::axial(0.0)).is_empty());
        let (low, high) = motion.extent(&slabs, Vector3::z()).unwrap();
        assert!((low - 2.5).abs() < 1e-9 && (high - 23.5).abs() < 1e-9);
        // A column of 10 x 10 x 21 lying on its side.
        let column: Vec<Slab> = slabs.iter().map(|slab| Slab { polygons: &planes[0].1, ..*slab }).collect();
        let fallen = Motion::turned(Point3::new(5.0, 5.0, 9.0), Vector3::x(), FRAC_PI_2).unwrap();
        let middle = fallen.section(&column, &Plane::axial(9.0));
        assert!((area(&middle) - 210.0).abs() < 1e-6, "{}", area(&middle));
        assert!(fallen.section(&column, &Plane::axial(15.0)).is_empty());
    }
}
