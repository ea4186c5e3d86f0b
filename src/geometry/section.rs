//! Outlines of a stack of parallel contour planes on any other plane: sagittal, coronal, oblique.
//!
//! On the line where the cutting plane meets a contour plane, the section is exactly what the
//! contours there say. Between neighbouring planes the stretches of the two lines are joined
//! straight where they overlap; a stretch without a counterpart ends flat at the border of its
//! slab, half way to the next image slice, as the volume rule counts it. A gap or a neighbour that
//! appears between two planes does so half way. Planes whose slabs do not meet (a slice without
//! contours, a missing slice) are not joined.
//!
//! The flatter a plane lies to the stack, the further apart are the lines in which it meets the contour
//! planes. At less than 45 degrees it shows the solid between them, on lines half a millimetre
//! apart; from there to 60 degrees the one passes into the other, so that no outline jumps while a view
//! is turned.

mod mix;
mod outlines;
mod shape;
mod solid;

use self::outlines::{Line, Stack, merged};
use self::shape::Shape;
use self::solid::{Course, Other};
use super::stroke::line_intervals;
use super::{Plane, Point2, Point3, Polygon, Ring, Vector2, Vector3};

/// One contour plane and the slab of space it stands for.
#[derive(Debug, Clone, Copy)]
pub struct Slab<'a> {
    /// The contour plane.
    pub plane: Plane,
    /// How far the slab reaches against the normal, mm: half the distance to the slice below.
    pub below_mm: f64,
    /// How far it reaches along the normal, mm.
    pub above_mm: f64,
    /// The contours, in the plane's coordinates; disjoint.
    pub polygons: &'a [Polygon],
}

impl Slab<'_> {
    /// Whether `next`, the slab above, begins where this one ends (within a tenth of a millimetre).
    #[must_use]
    pub fn meets(&self, next: &Self) -> bool {
        let gap = next.plane.offset_mm() - next.below_mm - (self.plane.offset_mm() + self.above_mm);
        gap.abs() <= 0.1 && !self.polygons.is_empty() && !next.polygons.is_empty()
    }
}

/// The section of a stack by `view`, in the coordinates of `view`.
///
/// `slabs` are parallel and sorted by offset along their common normal. An empty stack, and a
/// plane that passes by, give nothing. On a plane parallel to the stack the section is the slab's
/// contours, carried over.
#[must_use]
pub fn cut(slabs: &[Slab], view: &Plane) -> Vec<Polygon> {
    let Some(first) = slabs.first() else { return Vec::new() };
    let normal = first.plane.normal();
    let cosine = normal.dot(&view.normal());
    let common = normal.cross(&view.normal());
    if common.norm() < 1e-3 {
        return parallel(slabs, view, cosine.signum());
    }
    let sine = common.norm();
    let common = common.normalize();
    // The point of the common line of `view` and the stack's plane at `offset` where the common
    // direction's coordinate is zero.
    let foot = |offset: f64| {
        let square = 1.0 - cosine * cosine;
        let along_stack = (offset - cosine * view.offset_mm()) / square;
        let along_view = (view.offset_mm() - cosine * offset) / square;
        Point3::from(normal * along_stack + view.normal() * along_view)
    };
    let joined = |sections: &[Line]| Stack { lines: sections }.outlines();
    let outlines = if sine < STEEP {
        let uphill = foot(1.0) - foot(0.0);
        let drift = uphill - normal * normal.dot(&uphill);
        let way = drift.normalize();
        let course =
            Course { base_mm: way.dot(&foot(0.0).coords), drift: drift.norm(), stretch: sine.recip() };
        let carry = |slab: &Slab, point: &Point2| {
            let (u, v) = (slab.plane.u(), slab.plane.v());
            Point2::new(
                common.dot(&u) * point.x + common.dot(&v) * point.y,
                way.dot(&u) * point.x + way.dot(&v) * point.y,
            )
        };
        let part = ((sine - FLAT) / (STEEP - FLAT)).max(0.0);
        let other = (part > 0.0).then(|| {
            let across = |point: &Point2| Point2::new(point.x, point.y * course.stretch);
            let pieces = joined(&steep(slabs, &foot, common));
            Other { pieces: pieces.iter().map(|piece| Shape::of(piece, across)).collect(), part }
        });
        joined(&solid::lines(slabs, &carry, course, other.as_ref()))
    } else {
        joined(&steep(slabs, &foot, common))
    };
    let along = Vector2::new(view.u().dot(&common), view.v().dot(&common));
    let place = |offset: f64, s: f64| view.project(foot(offset)) + along * s;
    let carry = |ring: &Ring| -> Ring { ring.iter().map(|p| place(p.y, p.x)).collect() };
    outlines
        .iter()
        .map(|polygon| {
            Polygon { outer: carry(&polygon.outer), holes: polygon.holes.iter().map(carry).collect() }
                .oriented()
        })
        .collect()
}

/// The sine of the angle up to which the solid between the contour planes is shown: 45 degrees.
const FLAT: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// The sine of the angle from which on only the lines on the contour planes are: 60 degrees.
const STEEP: f64 = 0.866_025_403_784_438_6;

/// The lines in which a plane meets the contour planes.
fn steep(slabs: &[Slab], foot: &dyn Fn(f64) -> Point3, common: Vector3) -> Vec<Line> {
    let line = |slab: &Slab| {
        let offset_mm = slab.plane.offset_mm();
        let point = slab.plane.project(foot(offset_mm));
        let direction = Vector2::new(slab.plane.u().dot(&common), slab.plane.v().dot(&common));
        Line {
            offset_mm,
            below_mm: slab.below_mm,
            above_mm: slab.above_mm,
            goes_on: false,
            stretches: merged(line_intervals(slab.polygons, point, direction)),
        }
    };
    let mut lines: Vec<Line> = slabs.iter().map(line).collect();
    for (line, pair) in lines.iter_mut().zip(slabs.windows(2)) {
        line.goes_on = pair[0].meets(&pair[1]);
    }
    lines
}

fn parallel(slabs: &[Slab], view: &Plane, sense: f64) -> Vec<Polygon> {
    let offset = view.offset_mm() * sense;
    let holds = |slab: &&Slab| {
        let height = offset - slab.plane.offset_mm();
        -slab.below_mm <= height && height < slab.above_mm
    };
    let Some(slab) = slabs.iter().find(holds) else { return Vec::new() };
    let carry = |ring: &Ring| -> Ring { ring.iter().map(|p| view.project(slab.plane.lift(*p))).collect() };
    slab.polygons
        .iter()
        .map(|polygon| {
            Polygon { outer: carry(&polygon.outer), holes: polygon.holes.iter().map(carry).collect() }
                .oriented()
        })
        .collect()
}

#[cfg(test)]
mod tests;
