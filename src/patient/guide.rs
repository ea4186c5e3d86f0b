//! Guide outlines: drawn across the image slices to tell a structure's shape between them.

use crate::geometry::{Plane, Point2, Point3, Polygon, Vector2, stroke};

/// Planes nearer to one another than this are one, mm.
const SAME_PLANE_MM: f64 = 0.1;

/// An outline drawn across the slices. It is no contour: what is measured, exported and derived takes
/// no notice of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Guide {
    /// The plane of the view it was drawn in.
    pub plane: Plane,
    /// What it encloses, in the plane's coordinates; disjoint.
    pub polygons: Vec<Polygon>,
}

impl Guide {
    /// Whether it lies on a plane, within 0.1 mm.
    #[must_use]
    pub fn is_on(&self, plane: &Plane) -> bool {
        self.plane.coincides(plane, SAME_PLANE_MM)
    }

    /// The stretches inside along the line where another plane meets this one: their ends, patient
    /// mm. Empty for parallel planes.
    #[must_use]
    pub fn stretches_on(&self, view: &Plane) -> Vec<[Point3; 2]> {
        let common = self.plane.normal().cross(&view.normal());
        let Some(along) = common.try_normalize(1e-3) else { return Vec::new() };
        // The point of this plane on the line: up its steepest way towards the other plane.
        let up = along.cross(&self.plane.normal());
        let start = self.plane.lift(Point2::origin());
        let on_line = start - up * (view.distance_mm(start) / view.normal().dot(&up));
        let from = self.plane.project(on_line);
        let direction = Vector2::new(self.plane.u().dot(&along), self.plane.v().dot(&along));
        stroke::line_intervals(&self.polygons, from, direction)
            .into_iter()
            .map(|(a, b)| [a, b].map(|t| self.plane.lift(from + direction * t)))
            .collect()
    }
}
