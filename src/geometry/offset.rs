//! Regions grown and shrunk by a distance that may differ left, right, up and down: exact offsets.
//!
//! What a region P grows to by a convex shape K around the origin is the Minkowski sum of the two.
//! It is found from their convolution (Guibas, Ramshaw and Stolfi, "A kinetic framework for
//! computational geometry", 1983): walk once around P, displace every edge to where K supports it,
//! and at every corner walk along K from one support to the next, forwards at a convex corner and
//! straight across at a reflex one. As long as P has no holes, the walk winds around a point as often as
//! P has parts in the copy of K turned around that point, so the sum is exactly where the winding
//! number is positive: no joins, no special cases, and many sums are united by winding alone.
//! A region with holes is walked around as a keyhole, along bridges of no width.
//!
//! K is made of four quarter ellipses. Straight edges move by exactly the distance K says; only
//! arcs are chords, within the tolerance.

use super::keyhole::keyhole;
use super::thin::thin_ring;
use super::within::Within;
use super::{Point2, Polygon, Ring, Vector2, clip};
use i_overlay::core::fill_rule::FillRule;
use i_overlay::core::overlay::{ContourDirection, IntOverlayOptions, Overlay, ShapeType};
use i_overlay::core::overlay_rule::OverlayRule;
use i_overlay::core::solver::Solver;
use i_overlay::i_float::int::point::IntPoint;

/// How far a region grows in a plane: the radii of four quarter ellipses, mm, none negative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach {
    /// Towards +u.
    pub right_mm: f64,
    /// Towards -u.
    pub left_mm: f64,
    /// Towards +v.
    pub up_mm: f64,
    /// Towards -v.
    pub down_mm: f64,
}

impl Reach {
    /// The same distance every way.
    #[must_use]
    pub fn disc(radius_mm: f64) -> Self {
        Self { right_mm: radius_mm, left_mm: radius_mm, up_mm: radius_mm, down_mm: radius_mm }
    }

    /// All radii times `factor`.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self {
            right_mm: self.right_mm * factor,
            left_mm: self.left_mm * factor,
            up_mm: self.up_mm * factor,
            down_mm: self.down_mm * factor,
        }
    }

    /// Turned by half a turn.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { right_mm: self.left_mm, left_mm: self.right_mm, up_mm: self.down_mm, down_mm: self.up_mm }
    }

    /// The largest radius, mm.
    #[must_use]
    pub fn largest_mm(self) -> f64 {
        self.right_mm.max(self.left_mm).max(self.up_mm).max(self.down_mm)
    }

    /// The point of the shape farthest along `normal`.
    fn support(self, normal: Vector2) -> Vector2 {
        let a = if normal.x >= 0.0 { self.right_mm } else { self.left_mm };
        let b = if normal.y >= 0.0 { self.up_mm } else { self.down_mm };
        let scaled = Vector2::new(a * normal.x, b * normal.y);
        let length = scaled.norm();
        if length > 0.0 { Vector2::new(a * scaled.x, b * scaled.y) / length } else { Vector2::zeros() }
    }
}

/// The union of all `parts`, each a region (disjoint pieces) grown by its reach: the set of points
/// x + k with x in the region and k in the reach.
///
/// Boundaries are within `tolerance_mm` of the exact ones, half of it spent on leaving out vertices
/// of the input and half on arcs. Nothing grows to nothing; a reach of zero leaves its region.
#[must_use]
pub fn grown(parts: &[(&[Polygon], Reach)], tolerance_mm: f64) -> Vec<Polygon> {
    let each: Vec<Vec<Polygon>> =
        parts.iter().map(|(polygons, reach)| grown_alone(polygons, *reach, tolerance_mm)).collect();
    united(&each.iter().map(Vec::as_slice).collect::<Vec<_>>(), tolerance_mm)
}

/// One region (disjoint pieces) grown by a reach; see [`grown`].
#[must_use]
pub fn grown_alone(polygons: &[Polygon], reach: Reach, tolerance_mm: f64) -> Vec<Polygon> {
    let outline = Outline::new(reach, tolerance_mm * 0.5);
    let rings: Vec<Ring> =
        polygons.iter().map(|piece| outline.sweep(&walk(piece, tolerance_mm * 0.5))).collect();
    wound(&[], &rings, tolerance_mm)
}

/// The union of regions that [`grown_alone`] has given. One that lies within another is not looked at
/// further: of the neighbours of a slice most do.
#[must_use]
pub fn united(regions: &[&[Polygon]], tolerance_mm: f64) -> Vec<Polygon> {
    let area = |region: &[Polygon]| region.iter().map(Polygon::area_mm2).sum::<f64>();
    let mut by_area: Vec<(f64, &[Polygon])> =
        regions.iter().filter(|region| !region.is_empty()).map(|region| (area(region), *region)).collect();
    by_area.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut kept: Vec<(&[Polygon], Within<'_>)> = Vec::new();
    for (_, region) in by_area {
        if !kept.iter().any(|(_, larger)| larger.holds(region)) {
            kept.push((region, Within::new(region)));
        }
    }
    if let [(only, _)] = kept.as_slice() {
        return only.to_vec();
    }
    let rings: Vec<Ring> =
        kept.iter().flat_map(|(region, _)| *region).flat_map(Polygon::rings).cloned().collect();
    wound(&[], &rings, tolerance_mm)
}

/// `own` without what the complement of any of `parts` grows to by the part's reach turned half
/// around: for one part that is `own`, the set of points x such that x + k lies in the region for
/// every k of the reach. A part without polygons is an empty region, of which nothing is left.
///
/// The tolerance is that of [`grown`].
#[must_use]
pub fn shrunk(own: &[Polygon], parts: &[(&[Polygon], Reach)], tolerance_mm: f64) -> Vec<Polygon> {
    if own.is_empty() || parts.iter().any(|(polygons, _)| polygons.is_empty()) {
        return Vec::new();
    }
    let all = || own.iter().chain(parts.iter().flat_map(|(polygons, _)| polygons.iter()));
    let far = parts.iter().map(|(_, reach)| reach.largest_mm()).fold(1.0, f64::max) * 2.0;
    let Some((low, high)) = bounds(all().flat_map(Polygon::rings).flatten()) else { return Vec::new() };
    let (low, high) = (low - Vector2::new(far, far), high + Vector2::new(far, far));
    let frame = Polygon::from_outer(vec![low, Point2::new(high.x, low.y), high, Point2::new(low.x, high.y)]);
    let rings: Vec<Ring> = parts
        .iter()
        .flat_map(|(polygons, reach)| {
            let outline = Outline::new(reach.reversed(), tolerance_mm * 0.5);
            clip::difference(std::slice::from_ref(&frame), polygons)
                .into_iter()
                .map(move |piece| outline.sweep(&walk(&piece, tolerance_mm * 0.5)))
        })
        .collect();
    wound(own, &rings, tolerance_mm)
}

/// A region (disjoint pieces) shrunk by a reach: [`shrunk`] with the region itself as its only part, whose
/// complement need not be clipped.
#[must_use]
pub fn shrunk_alone(own: &[Polygon], reach: Reach, tolerance_mm: f64) -> Vec<Polygon> {
    if own.len() > 1 && own.iter().any(|piece| !piece.holes.is_empty()) {
        // A piece may lie in the hole of another.
        return shrunk(own, &[(own, reach)], tolerance_mm);
    }
    let far = reach.largest_mm().max(1.0) * 2.0;
    let Some((low, high)) = bounds(own.iter().flat_map(Polygon::rings).flatten()) else { return Vec::new() };
    let (low, high) = (low - Vector2::new(far, far), high + Vector2::new(far, far));
    let turned = |ring: &Ring| -> Ring { ring.iter().rev().copied().collect() };
    let frame = Polygon {
        outer: vec![low, Point2::new(high.x, low.y), high, Point2::new(low.x, high.y)],
        holes: own.iter().map(|piece| turned(&piece.outer)).collect(),
    };
    let holes = own.iter().flat_map(|piece| &piece.holes).map(|hole| Polygon::from_outer(turned(hole)));
    let outline = Outline::new(reach.reversed(), tolerance_mm * 0.5);
    let pieces = std::iter::once(frame).chain(holes);
    let rings: Vec<Ring> = pieces.map(|piece| outline.sweep(&walk(&piece, tolerance_mm * 0.5))).collect();
    wound(own, &rings, tolerance_mm)
}

/// The piece as one ring of fewer vertices, counter-clockwise.
fn walk(piece: &Polygon, tolerance_mm: f64) -> Ring {
    let thin = Polygon {
        outer: thin_ring(&piece.outer, tolerance_mm),
        holes: piece.holes.iter().map(|hole| thin_ring(hole, tolerance_mm)).collect(),
    };
    keyhole(&thin)
}

fn bounds<'a>(points: impl Iterator<Item = &'a Point2>) -> Option<(Point2, Point2)> {
    points.fold(None, |found, p| {
        let (low, high) = found.unwrap_or((*p, *p));
        Some((Point2::new(low.x.min(p.x), low.y.min(p.y)), Point2::new(high.x.max(p.x), high.y.max(p.y))))
    })
}

/// The boundary of a reach: points with the directions of their normals, counter-clockwise.
struct Outline {
    reach: Reach,
    corners: Vec<(f64, Vector2)>,
    tolerance_mm: f64,
}

impl Outline {
    fn new(reach: Reach, tolerance_mm: f64) -> Self {
        let quarters = [
            (reach.right_mm, reach.up_mm, 1.0, 1.0),
            (reach.up_mm, reach.left_mm, -1.0, 1.0),
            (reach.left_mm, reach.down_mm, -1.0, -1.0),
            (reach.down_mm, reach.right_mm, 1.0, -1.0),
        ];
        let mut corners = Vec::new();
        for (index, (from, to, x, y)) in quarters.into_iter().enumerate() {
            // `from` lies on the axis where the quarter starts, `to` on the one where it ends.
            let upright = index % 2 == 0;
            let larger = from.max(to);
            let steps = if from > 0.0 && to > 0.0 {
                let sagitta = (tolerance_mm / larger).clamp(1e-6, 0.25);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1..=1000")]
                let steps = (std::f64::consts::FRAC_PI_4 / (1.0 - sagitta).acos()).ceil() as u32;
                steps.clamp(1, 1000)
            } else {
                1
            };
            for step in 0..steps {
                let (sine, cosine) =
                    (std::f64::consts::FRAC_PI_2 * f64::from(step) / f64::from(steps)).sin_cos();
                let (start, end) =
                    (Vector2::new(from * cosine, to * sine), Vector2::new(to * cosine, from * sine));
                let normal = if step == 0 { Vector2::new(1.0, 0.0) } else { end };
                let turned = |w: Vector2| {
                    if upright { Vector2::new(w.x * x, w.y * y) } else { Vector2::new(w.y * x, w.x * y) }
                };
                corners.push((direction(turned(normal)), turned(start)));
            }
        }
        Self { reach, corners, tolerance_mm }
    }

    /// The convolution of a counter-clockwise ring with the reach.
    fn sweep(&self, ring: &[Point2]) -> Ring {
        let mut ring = ring.to_vec();
        ring.dedup();
        while ring.len() > 1 && ring.first() == ring.last() {
            ring.pop();
        }
        if self.reach.largest_mm() <= 0.0 || ring.len() < 3 {
            return ring;
        }
        let count = ring.len();
        let along: Vec<Vector2> = (0..count).map(|n| (ring[(n + 1) % count] - ring[n]).normalize()).collect();
        let normals: Vec<Vector2> = along.iter().map(|w| Vector2::new(w.y, -w.x)).collect();
        let supports: Vec<Vector2> = normals.iter().map(|normal| self.reach.support(*normal)).collect();
        let mut out = Vec::with_capacity(count * 2);
        for n in 0..count {
            let before = (n + count - 1) % count;
            let point = ring[n];
            let (from, to) = (supports[before], supports[n]);
            let turn = along[before].perp(&along[n]);
            let ahead = along[before].dot(&along[n]);
            if ahead > 0.0 && (to - from).norm() * turn.abs() <= self.tolerance_mm * 4.0 {
                // A turn this small is the corner where the two displaced edges meet.
                let across = (to - from).perp(&along[n]);
                if turn.abs() > 1e-12 && across.abs() <= (turn * 4.0 * self.reach.largest_mm()).abs() {
                    out.push(point + from + along[before] * (across / turn));
                } else {
                    out.extend([point + from, point + to]);
                }
                continue;
            }
            out.push(point + from);
            // At a reflex corner the walk back along the reach is cut short by its chord. The segment
            // between the two is then wound around once more; it belongs to the copy of the reach
            // around the corner and so to the sum, which stays the same set.
            if turn > 0.0 || (turn == 0.0 && ahead < 0.0) {
                let (first, last) = (direction(normals[before]), direction(normals[n]));
                self.corners_between(first, last, |corner| out.push(point + corner));
            }
            out.push(point + to);
        }
        out
    }

    /// The corners whose normals lie between two directions, counter-clockwise.
    fn corners_between(&self, first: f64, last: f64, each: impl FnMut(Vector2)) {
        let count = self.corners.len();
        let start = self.corners.partition_point(|(own, _)| *own <= first);
        let mut end = self.corners.partition_point(|(own, _)| *own < last);
        if last < first {
            end += count;
        }
        (start..end.max(start)).map(|n| self.corners[n % count].1).for_each(each);
    }
}

/// A number that grows with the angle of `w` from +u, counter-clockwise, 0 up to 4.
fn direction(w: Vector2) -> f64 {
    let p = w.x / (w.x.abs() + w.y.abs());
    if w.y >= 0.0 { 1.0 - p } else { 3.0 + p }
}

/// What `rings` wind around at least once, or, with a `subject`, the subject without it.
fn wound(subject: &[Polygon], rings: &[Ring], tolerance_mm: f64) -> Vec<Polygon> {
    let of_subject = || subject.iter().flat_map(Polygon::rings);
    let Some((low, high)) = bounds(rings.iter().chain(of_subject()).flatten()) else { return Vec::new() };
    let center = nalgebra::center(&low, &high);
    let half = (high - low).amax() / 2.0;
    if !half.is_finite() {
        return Vec::new();
    }
    // 30 bits either way: within 5e-7 mm for a patient of a metre.
    let scale = (f64::from(1 << 29) / half.max(1.0)).log2().floor().exp2();
    #[expect(clippy::cast_possible_truncation, reason = "below 2^30 by the choice of the scale")]
    let to_int = |p: &Point2| {
        IntPoint::new(((p.x - center.x) * scale).round() as i32, ((p.y - center.y) * scale).round() as i32)
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, far below 2^63")]
    let least = (tolerance_mm * tolerance_mm * 4.0 * scale * scale) as u64;
    let options = IntOverlayOptions {
        preserve_input_collinear: false,
        output_direction: ContourDirection::CounterClockwise,
        preserve_output_collinear: false,
        min_output_area: least,
        ogc: false,
    };
    let count = rings.iter().chain(of_subject()).map(Vec::len).sum();
    let mut overlay = Overlay::<i32>::new_custom(count, options, Solver::AUTO);
    for ring in of_subject() {
        overlay.add_contour(&ring.iter().map(to_int).collect::<Vec<_>>(), ShapeType::Subject);
    }
    let (kind, rule) = if subject.is_empty() {
        (ShapeType::Subject, OverlayRule::Subject)
    } else {
        (ShapeType::Clip, OverlayRule::Difference)
    };
    for ring in rings {
        overlay.add_contour(&ring.iter().map(to_int).collect::<Vec<_>>(), kind);
    }
    let back = |contour: &Vec<IntPoint<i32>>| -> Option<Ring> {
        let ring: Ring =
            contour.iter().map(|p| center + Vector2::new(f64::from(p.x), f64::from(p.y)) / scale).collect();
        (ring.len() >= 3).then_some(ring)
    };
    overlay
        .overlay(rule, FillRule::Positive)
        .iter()
        .filter_map(|shape| {
            let mut contours = shape.iter();
            let outer = back(contours.next()?)?;
            Some(Polygon { outer, holes: contours.filter_map(back).collect() }.oriented())
        })
        .collect()
}

#[cfg(test)]
mod tests;
