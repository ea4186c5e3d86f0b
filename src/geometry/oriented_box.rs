//! A box along three perpendicular directions: a region to look in, the extent of a grid.

use super::{Plane, Point2, Point3, Polygon, Ring, Vector3, ring_area};

/// A direction within this angle (its sine: a tenth of a degree) of a plane lies in it.
const PARALLEL: f64 = 1.73e-3;

/// A box: along each of three perpendicular unit vectors from a least to a greatest coordinate. The
/// coordinates are distances from the patient origin, mm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OrientedBox {
    axes: [Vector3; 3],
    low: [f64; 3],
    high: [f64; 3],
}

impl OrientedBox {
    /// The box between two corners' coordinates, in either order along each axis. `None` when the axes
    /// are not perpendicular unit vectors within 1e-6, or a number is not finite.
    #[must_use]
    pub fn new(axes: [Vector3; 3], a: [f64; 3], b: [f64; 3]) -> Option<Self> {
        let is_square =
            |n: usize| (axes[n].norm() - 1.0).abs() < 1e-6 && axes[n].dot(&axes[(n + 1) % 3]).abs() < 1e-6;
        let is_finite = a.iter().chain(&b).all(|mm| mm.is_finite());
        ((0..3).all(is_square) && is_finite).then(|| Self {
            axes,
            low: [0, 1, 2].map(|n| a[n].min(b[n])),
            high: [0, 1, 2].map(|n| a[n].max(b[n])),
        })
    }

    /// Its directions.
    #[must_use]
    pub fn axes(&self) -> [Vector3; 3] {
        self.axes
    }

    /// The least coordinate along each axis, mm.
    #[must_use]
    pub fn low(&self) -> [f64; 3] {
        self.low
    }

    /// The greatest coordinate along each axis, mm.
    #[must_use]
    pub fn high(&self) -> [f64; 3] {
        self.high
    }

    /// How long it is along each axis, mm.
    #[must_use]
    pub fn size_mm(&self) -> [f64; 3] {
        [0, 1, 2].map(|n| self.high[n] - self.low[n])
    }

    /// The coordinates of a patient point.
    #[must_use]
    pub fn coordinates_of(&self, point: Point3) -> [f64; 3] {
        self.axes.map(|axis| axis.dot(&point.coords))
    }

    /// The patient point of these coordinates.
    #[must_use]
    pub fn point_at(&self, [a, b, c]: [f64; 3]) -> Point3 {
        Point3::from(self.axes[0] * a + self.axes[1] * b + self.axes[2] * c)
    }

    /// Its middle.
    #[must_use]
    pub fn center(&self) -> Point3 {
        self.point_at([0, 1, 2].map(|n| f64::midpoint(self.low[n], self.high[n])))
    }

    /// Its corners.
    #[must_use]
    pub fn corners(&self) -> [Point3; 8] {
        std::array::from_fn(|corner| {
            self.point_at([0, 1, 2].map(|n| if corner >> n & 1 == 1 { self.high[n] } else { self.low[n] }))
        })
    }

    /// Whether a point is in it, its faces included.
    #[must_use]
    pub fn contains(&self, point: Point3) -> bool {
        let at = self.coordinates_of(point);
        (0..3).all(|n| (self.low[n]..=self.high[n]).contains(&at[n]))
    }

    /// What both boxes along the same axes hold; `None` when that is nothing. The other's axes are
    /// taken to be these.
    #[must_use]
    pub fn common(&self, other: &Self) -> Option<Self> {
        let low = [0, 1, 2].map(|n| self.low[n].max(other.low[n]));
        let high = [0, 1, 2].map(|n| self.high[n].min(other.high[n]));
        (0..3).all(|n| low[n] <= high[n]).then_some(Self { axes: self.axes, low, high })
    }

    /// What a plane cuts out of it, in the plane's coordinates, counter-clockwise; `None` when the
    /// plane passes it by, or only touches an edge. A face that the plane is parallel to within a
    /// tenth of a degree counts as reached from `tolerance_mm` away.
    #[must_use]
    pub fn section(&self, plane: &Plane, tolerance_mm: f64) -> Option<Polygon> {
        let middle = plane.project(self.center());
        let reach = self.size_mm().iter().map(|mm| mm * mm).sum::<f64>().sqrt() + 1.0;
        let corner = |x: f64, y: f64| Point2::new(middle.x + x * reach, middle.y + y * reach);
        let mut ring = vec![corner(-1.0, -1.0), corner(1.0, -1.0), corner(1.0, 1.0), corner(-1.0, 1.0)];
        for (n, axis) in self.axes.into_iter().enumerate() {
            let (along_u, along_v) = (axis.dot(&plane.u()), axis.dot(&plane.v()));
            let here = |at: &Point2| axis.dot(&plane.lift(*at).coords);
            if along_u.hypot(along_v) < PARALLEL {
                let here = here(&middle);
                if here < self.low[n] - tolerance_mm || here > self.high[n] + tolerance_mm {
                    return None;
                }
                continue;
            }
            ring = clipped(&ring, |at| here(at) - self.low[n]);
            ring = clipped(&ring, |at| self.high[n] - here(at));
        }
        (ring.len() >= 3 && ring_area(&ring).abs() > 1e-9).then(|| Polygon::from_outer(ring).oriented())
    }
}

/// The part of a convex ring where a function that is linear over the plane is not negative:
/// Sutherland and Hodgman, "Reentrant polygon clipping", Communications of the ACM 17 (1974).
fn clipped(ring: &Ring, inside: impl Fn(&Point2) -> f64) -> Ring {
    let mut kept = Ring::with_capacity(ring.len() + 1);
    for (n, at) in ring.iter().enumerate() {
        let next = &ring[(n + 1) % ring.len()];
        let (here, there) = (inside(at), inside(next));
        if here >= 0.0 {
            kept.push(*at);
        }
        if (here > 0.0 && there < 0.0) || (here < 0.0 && there > 0.0) {
            kept.push(at + (next - at) * (here / (here - there)));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::Rotation3;

    fn area(section: Option<Polygon>) -> f64 {
        section.map_or(0.0, |section| section.area_mm2())
    }

    #[test]
    fn sections_of_a_box_are_rectangles_and_hexagons() {
        let axes = [Vector3::x(), Vector3::y(), Vector3::z()];
        let cube = OrientedBox::new(axes, [10.0, 0.0, 0.0], [0.0, 10.0, 10.0]).unwrap();
        assert_eq!(cube.size_mm(), [10.0; 3]);
        assert!((area(cube.section(&Plane::axial(3.0), 0.0)) - 100.0).abs() < 1e-9);
        assert!(cube.section(&Plane::axial(10.05), 0.0).is_none());
        assert!((area(cube.section(&Plane::axial(10.05), 0.1)) - 100.0).abs() < 1e-9);
        assert!(cube.section(&Plane::axial(-1.0), 0.1).is_none());
        // Across the middle, at right angles to a diagonal: a regular hexagon of side 10 / sqrt 2.
        let normal = Vector3::new(1.0, 1.0, 1.0).normalize();
        let u = Vector3::new(1.0, -1.0, 0.0).normalize();
        let plane = Plane::new(cube.center(), u, normal.cross(&u)).unwrap();
        let section = cube.section(&plane, 0.0).unwrap();
        assert_eq!(section.outer.len(), 6);
        assert!((section.area_mm2() - 1.5 * 3.0_f64.sqrt() * 50.0).abs() < 1e-9);
        assert!(ring_area(&section.outer) > 0.0);
    }

    #[test]
    fn a_turned_box_holds_its_points_and_its_section_through_the_middle() {
        let turn = Rotation3::from_euler_angles(0.4, -0.3, 0.6);
        let axes = [turn * Vector3::x(), turn * Vector3::y(), turn * Vector3::z()];
        let turned = OrientedBox::new(axes, [-5.0, 2.0, 7.0], [25.0, 12.0, 9.0]).unwrap();
        assert!(
            turned.contains(turned.center())
                && turned.corners().iter().all(|corner| {
                    let inwards = corner + (turned.center() - corner) * 1e-9;
                    turned.contains(inwards) && !turned.contains(corner + (corner - turned.center()) * 0.01)
                })
        );
        let plane = Plane::new(turned.center(), axes[0], axes[1]).unwrap();
        assert!((area(turned.section(&plane, 0.0)) - 300.0).abs() < 1e-9);
        // Every point of an oblique section is a point of the box and lies on the plane.
        let oblique = Plane::new(turned.center(), Vector3::x(), Vector3::y()).unwrap();
        let section = turned.section(&oblique, 0.0).unwrap();
        for at in &section.outer {
            let coordinates = turned.coordinates_of(oblique.lift(*at));
            let off = (0..3)
                .map(|n| (turned.low[n] - coordinates[n]).max(coordinates[n] - turned.high[n]))
                .fold(f64::MIN, f64::max);
            assert!(off.abs() < 1e-9, "a corner of the section lies on a face: {off}");
        }
    }

    #[test]
    fn what_is_no_box_is_none() {
        let axes = [Vector3::x(), Vector3::y(), Vector3::z()];
        assert!(OrientedBox::new(axes, [0.0; 3], [f64::NAN; 3]).is_none());
        assert!(OrientedBox::new([axes[0], axes[0], axes[2]], [0.0; 3], [1.0; 3]).is_none());
        let one = OrientedBox::new(axes, [0.0; 3], [1.0; 3]).unwrap();
        let two = OrientedBox::new(axes, [0.5; 3], [2.0; 3]).unwrap();
        assert_eq!(one.common(&two).unwrap().size_mm(), [0.5; 3]);
        assert!(one.common(&OrientedBox::new(axes, [3.0; 3], [4.0; 3]).unwrap()).is_none());
    }
}
