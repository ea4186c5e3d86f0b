//! What a brush sweeps: discs and balls along polylines, and extruded freehand shapes, as polygons.

use super::{Plane, Point2, Point3, Polygon, Ring, Vector2, clip, ring_area};

/// Everything within `radius_mm` of the polyline `path`: the union of capsules, without gaps
/// however far its points are apart. A single point gives a disc, an empty path nothing.
///
/// Arcs are chords inside the true circle by at most `tolerance_mm`.
#[must_use]
pub fn swept_disc(path: &[Point2], radius_mm: f64, tolerance_mm: f64) -> Vec<Polygon> {
    if radius_mm.is_nan() || radius_mm <= 0.0 || path.is_empty() {
        return Vec::new();
    }
    // Half of the tolerance for chords, a quarter for leaving out path points that hardly turn.
    let circle = unit_circle(radius_mm, tolerance_mm * 0.75);
    let path = thinned(path, tolerance_mm * 0.25);
    if path.len() == 1 {
        return vec![Polygon::from_outer(circle.iter().map(|d| path[0] + d * radius_mm).collect())];
    }
    let capsules = path.windows(2).map(|ends| capsule(ends[0], ends[1], &circle, radius_mm)).collect();
    united(capsules)
}

/// The section by `plane` of everything within `radius_mm` of the polyline `path` in space: what a
/// ball brush paints on that plane. At distance d from the path the ball's disc has radius
/// sqrt(r^2 - d^2). Empty where the ball does not reach.
#[must_use]
pub fn swept_ball_section(path: &[Point3], radius_mm: f64, plane: &Plane, tolerance_mm: f64) -> Vec<Polygon> {
    if radius_mm.is_nan() || radius_mm <= 0.0 || path.is_empty() {
        return Vec::new();
    }
    let circle = unit_circle(radius_mm, tolerance_mm);
    let ball = |center: Point3| {
        let height = plane.distance_mm(center);
        let radius = (radius_mm * radius_mm - height * height).max(0.0).sqrt();
        (plane.project(center), radius)
    };
    let pairs: Vec<(Point3, Point3)> = if path.len() == 1 {
        vec![(path[0], path[0])]
    } else {
        path.windows(2).map(|ends| (ends[0], ends[1])).collect()
    };
    let mut pieces = Vec::new();
    for (from, to) in pairs {
        let (start, end) = (plane.distance_mm(from), plane.distance_mm(to));
        let mut discs: Vec<(Point2, f64)> = Vec::new();
        if (start - end).abs() < 1e-9 {
            discs.extend([ball(from), ball(to)]);
        } else {
            // Along the part within reach, in equal steps of the angle whose sine is the height.
            let angle = |height: f64| (height / radius_mm).clamp(-1.0, 1.0).asin();
            let (first, last) = (angle(start), angle(end));
            let at_height = |height: f64| from + (to - from) * ((height - start) / (end - start));
            // The ends to the bit, so that sweeps in a row have a disc in common; where the ball comes
            // into reach on its way there is but a point.
            for (height, at) in [(start, from), (end, to)] {
                if height.abs() <= radius_mm {
                    discs.push(ball(at));
                } else if first != last {
                    discs.push((plane.project(at_height(radius_mm.copysign(height))), 0.0));
                }
            }
            #[expect(clippy::cast_precision_loss, reason = "a few hundred chords")]
            let step = std::f64::consts::TAU / circle.len() as f64;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most pi / step")]
            let count = ((last - first).abs() / step).ceil().max(1.0) as usize;
            discs.extend((1..count).map(|index| {
                #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
                let height = radius_mm * (first + (last - first) * index as f64 / count as f64).sin();
                ball(at_height(height))
            }));
        }
        // The section of a convex body is convex, so its hull adds nothing.
        let hull = hull_of_discs(&discs, &circle);
        if hull.len() >= 3 {
            pieces.push(Polygon::from_outer(hull));
        }
    }
    united(pieces)
}

/// The section by `target` of `polygons` drawn on the plane `drawn` and extruded by
/// `half_thickness_mm` to either side of it: what a freehand stroke cuts out of a plane that is
/// not its own.
#[must_use]
pub fn extruded_section(
    polygons: &[Polygon],
    drawn: &Plane,
    half_thickness_mm: f64,
    target: &Plane,
) -> Vec<Polygon> {
    if half_thickness_mm.is_nan() || half_thickness_mm <= 0.0 || polygons.is_empty() {
        return Vec::new();
    }
    // Target coordinates -> drawn coordinates: q -> base + q.x * along_u + q.y * along_v.
    let base = drawn.project(target.lift(Point2::origin()));
    let to_drawn = |w: super::Vector3| Vector2::new(drawn.u().dot(&w), drawn.v().dot(&w));
    let (along_u, along_v) = (to_drawn(target.u()), to_drawn(target.v()));
    let determinant = along_u.perp(&along_v);
    let height = |q: Point2| drawn.distance_mm(target.lift(q));
    if determinant.abs() > 0.999_999 {
        // Parallel planes: the whole shape, or nothing.
        if height(Point2::origin()).abs() > half_thickness_mm {
            return Vec::new();
        }
    }
    let slope = Vector2::new(drawn.normal().dot(&target.u()), drawn.normal().dot(&target.v()));
    let pieces = if determinant.abs() > 1e-3 {
        let back = |p: Point2| {
            let d = p - base;
            Point2::new(d.perp(&along_v) / determinant, along_u.perp(&d) / determinant)
        };
        polygons
            .iter()
            .map(|polygon| {
                Polygon {
                    outer: polygon.outer.iter().map(|p| back(*p)).collect(),
                    holes: polygon.holes.iter().map(|r| r.iter().map(|p| back(*p)).collect()).collect(),
                }
                .oriented()
            })
            .collect()
    } else {
        return perpendicular_section(
            polygons,
            base,
            (along_u, along_v),
            half_thickness_mm,
            height(Point2::origin()),
            slope,
        );
    };
    if slope.norm() < 1e-9 {
        return pieces;
    }
    let across = slope.normalize();
    let foot = Point2::origin() - across * (height(Point2::origin()) / slope.norm());
    clip::slab(&pieces, foot, across, -half_thickness_mm / slope.norm(), half_thickness_mm / slope.norm())
}

/// [`extruded_section`] on a plane at right angles: a rectangle for every stretch of the planes'
/// common line that lies inside.
fn perpendicular_section(
    polygons: &[Polygon],
    base: Point2,
    (along_u, along_v): (Vector2, Vector2),
    half_thickness_mm: f64,
    height: f64,
    slope: Vector2,
) -> Vec<Polygon> {
    // The line in drawn coordinates and its direction in target coordinates.
    let line = if along_u.norm() > along_v.norm() { along_u } else { along_v };
    let line = line.normalize();
    let in_target = Vector2::new(along_u.dot(&line), along_v.dot(&line));
    let across = slope.normalize();
    let foot = Point2::origin() - across * (height / slope.norm());
    let half = half_thickness_mm / slope.norm();
    let mut out = Vec::new();
    for (from, to) in line_intervals(polygons, base, line) {
        let corner = |t: f64, h: f64| {
            // Move along the line to parameter t, then onto height h; foot may lie anywhere on it.
            let at = Point2::origin() + in_target * t;
            let onto_foot = across * across.dot(&(foot - at));
            at + onto_foot + across * h
        };
        let ring: Ring = vec![corner(from, -half), corner(to, -half), corner(to, half), corner(from, half)];
        out.push(Polygon::from_outer(ring).oriented());
    }
    out
}

/// The stretches (from, to) of the line `point + t * direction` that lie inside `polygons`
/// (disjoint pieces), sorted. `direction` is a unit vector; a stretch is half-open like
/// [`Polygon::contains`].
#[must_use]
pub fn line_intervals(polygons: &[Polygon], point: Point2, direction: Vector2) -> Vec<(f64, f64)> {
    let mut cuts: Vec<f64> = Vec::new();
    let mut out = Vec::new();
    for polygon in polygons {
        cuts.clear();
        for ring in polygon.rings() {
            let Some(last) = ring.last() else { continue };
            let side = |p: &Point2| direction.perp(&(p - point));
            let (mut previous, mut previous_side) = (*last, side(last));
            for vertex in ring {
                let own_side = side(vertex);
                if (own_side > 0.0) != (previous_side > 0.0) {
                    let (low, high, low_side, high_side) = if own_side < previous_side {
                        (*vertex, previous, own_side, previous_side)
                    } else {
                        (previous, *vertex, previous_side, own_side)
                    };
                    let at = low + (high - low) * (low_side / (low_side - high_side));
                    cuts.push(direction.dot(&(at - point)));
                }
                (previous, previous_side) = (*vertex, own_side);
            }
        }
        cuts.sort_by(f64::total_cmp);
        out.extend(cuts.chunks_exact(2).map(|pair| (pair[0], pair[1])).filter(|(from, to)| from < to));
    }
    out.sort_by(|a, b| a.0.total_cmp(&b.0));
    out
}

/// Directions of a regular polygon whose chords stay within `tolerance_mm` of the circle.
fn unit_circle(radius_mm: f64, tolerance_mm: f64) -> Vec<Vector2> {
    let sagitta = (tolerance_mm / radius_mm).clamp(1e-6, 0.5);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "8..=4096")]
    let quarter = ((std::f64::consts::PI / (1.0 - sagitta).acos() / 4.0).ceil()).clamp(2.0, 1024.0) as usize;
    let count = quarter * 4;
    let mut circle = Vec::with_capacity(count);
    for index in 0..quarter {
        #[expect(clippy::cast_precision_loss, reason = "at most 4096")]
        let (sine, cosine) = (std::f64::consts::TAU * index as f64 / count as f64).sin_cos();
        circle.push(Vector2::new(cosine, sine));
    }
    for index in 0..count - quarter {
        let before = circle[index];
        circle.push(Vector2::new(-before.y, before.x));
    }
    circle
}

/// The convex hull of the polygonal discs at `from` and `to`. Its vertices are those of the discs,
/// to the bit, so that capsules in a row share them.
fn capsule(from: Point2, to: Point2, circle: &[Vector2], radius_mm: f64) -> Polygon {
    let along = to - from;
    if along.norm_squared() == 0.0 {
        return Polygon::from_outer(circle.iter().map(|d| to + d * radius_mm).collect());
    }
    let count = circle.len();
    let ahead = |index: usize| {
        // The outer normal of the edge from this vertex to the next points forward.
        let edge = circle[(index + 1) % count] - circle[index];
        Vector2::new(edge.y, -edge.x).dot(&along) > 0.0
    };
    let mut ring = Vec::with_capacity(count + 2);
    for (index, direction) in circle.iter().enumerate() {
        let (before, after) = (ahead((index + count - 1) % count), ahead(index));
        let at = |end: Point2| end + direction * radius_mm;
        match (before, after) {
            (true, true) => ring.push(at(to)),
            (false, false) => ring.push(at(from)),
            (false, true) => ring.extend([at(from), at(to)]),
            (true, false) => ring.extend([at(to), at(from)]),
        }
    }
    Polygon::from_outer(ring)
}

/// Leaves out points of the path within `tolerance_mm` of the chord that skips them (Ramer,
/// Douglas and Peucker).
fn thinned(path: &[Point2], tolerance_mm: f64) -> Vec<Point2> {
    let mut path = path.to_vec();
    path.dedup();
    if path.len() < 3 {
        return path;
    }
    let mut keep = vec![false; path.len()];
    keep[0] = true;
    keep[path.len() - 1] = true;
    let mut open = vec![(0, path.len() - 1)];
    while let Some((first, last)) = open.pop() {
        let chord = path[last] - path[first];
        let distance = |p: Point2| {
            let t = ((p - path[first]).dot(&chord) / chord.norm_squared().max(1e-30)).clamp(0.0, 1.0);
            (p - (path[first] + chord * t)).norm()
        };
        let farthest =
            (first + 1..last).map(|at| (at, distance(path[at]))).max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((at, far)) = farthest
            && far > tolerance_mm
        {
            keep[at] = true;
            open.extend([(first, at), (at, last)]);
        }
    }
    path.iter().zip(keep).filter_map(|(point, keep)| keep.then_some(*point)).collect()
}

/// The union of pieces in the order of a path, neighbours first so that overlaps vanish early.
fn united(mut pieces: Vec<Polygon>) -> Vec<Polygon> {
    if pieces.len() <= 8 {
        return clip::union_all(pieces);
    }
    let rest = pieces.split_off(pieces.len() / 2);
    clip::union(&united(pieces), &united(rest))
}

/// The convex hull of discs (centre, radius), each the regular polygon of the directions `circle`,
/// counter-clockwise; fewer than three vertices where it has no area. The vertices are those of the
/// discs, to the bit.
///
/// All have the same edge normals, so that between two of them the hull goes by vertices of one
/// direction: from that of the disc that reaches farthest along the first normal to that of the one
/// that does along the second.
fn hull_of_discs(discs: &[(Point2, f64)], circle: &[Vector2]) -> Ring {
    let count = circle.len();
    let vertex = |disc: usize, index: usize| discs[disc].0 + circle[index] * discs[disc].1;
    let farthest = |index: usize| {
        let normal = circle[index] + circle[(index + 1) % count];
        let reach = |disc: usize| normal.dot(&vertex(disc, index).coords);
        let mut best = (0, reach(0));
        for disc in 1..discs.len() {
            let own = reach(disc);
            if own > best.1 {
                best = (disc, own);
            }
        }
        best.0
    };
    if discs.is_empty() {
        return Vec::new();
    }
    let mut hull: Ring = Vec::with_capacity(count + 2 * discs.len());
    let mut before = farthest(count - 1);
    for index in 0..count {
        let after = farthest(index);
        let mut at = before;
        hull.push(vertex(at, index));
        for _ in 1..discs.len() {
            if at == after {
                break;
            }
            // The one that leaves all others to the left.
            let here = vertex(at, index);
            let mut next = after;
            for disc in 0..discs.len() {
                let (way, other) = (vertex(next, index) - here, vertex(disc, index) - here);
                let side = way.perp(&other);
                if side < 0.0 || (side == 0.0 && other.norm_squared() > way.norm_squared()) {
                    next = disc;
                }
            }
            if next == at {
                break;
            }
            at = next;
            hull.push(vertex(at, index));
        }
        if at != after {
            hull.push(vertex(after, index));
        }
        before = after;
    }
    hull.dedup();
    while hull.len() > 1 && hull.first() == hull.last() {
        hull.pop();
    }
    if ring_area(&hull) > 0.0 { hull } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Vector3;
    use crate::geometry::polygon::tests::square;
    use std::f64::consts::PI;

    fn area(polygons: &[Polygon]) -> f64 {
        polygons.iter().map(Polygon::area_mm2).sum()
    }

    fn near(got: f64, wanted: f64, relative: f64) {
        assert!((got - wanted).abs() <= relative * wanted.abs(), "{got} is not {wanted}");
    }

    #[test]
    fn a_fast_stroke_is_a_capsule_without_gaps() {
        let path = [Point2::new(0.0, 0.0), Point2::new(100.0, 0.0)];
        let swept = swept_disc(&path, 5.0, 0.01);
        assert_eq!(swept.len(), 1);
        near(area(&swept), PI * 25.0 + 1000.0, 2e-3);
        for vertex in &swept[0].outer {
            let foot = Point2::new(vertex.x.clamp(0.0, 100.0), 0.0);
            assert!(((vertex - foot).norm() - 5.0).abs() < 0.011);
        }
    }

    #[test]
    fn a_closed_stroke_leaves_a_hole() {
        let path: Vec<Point2> = (0..=200)
            .map(|i| (f64::from(i) / 200.0 * 2.0 * PI).sin_cos())
            .map(|(s, c)| Point2::new(20.0 * c, 20.0 * s))
            .collect();
        let swept = swept_disc(&path, 5.0, 0.02);
        assert_eq!((swept.len(), swept[0].holes.len()), (1, 1));
        near(area(&swept), PI * (625.0 - 225.0), 5e-3);
    }

    #[test]
    fn a_point_is_a_disc_and_nothing_is_nothing() {
        near(area(&swept_disc(&[Point2::new(3.0, 4.0)], 2.0, 0.001)), 4.0 * PI, 2e-3);
        assert!(swept_disc(&[], 2.0, 0.01).is_empty());
        assert!(swept_disc(&[Point2::origin()], 0.0, 0.01).is_empty());
    }

    #[test]
    fn a_ball_has_the_radius_of_its_height() {
        let path = [Point3::new(0.0, 0.0, 0.0), Point3::new(30.0, 0.0, 0.0)];
        let section = swept_ball_section(&path, 5.0, &Plane::axial(3.0), 0.005);
        near(area(&section), 16.0 * PI + 8.0 * 30.0, 3e-3);
        assert!(swept_ball_section(&path, 5.0, &Plane::axial(5.0), 0.01).is_empty());
    }

    #[test]
    fn a_ball_moved_through_a_plane_leaves_its_whole_disc() {
        let path = [Point3::new(0.0, 0.0, -20.0), Point3::new(0.0, 0.0, 20.0)];
        near(area(&swept_ball_section(&path, 5.0, &Plane::axial(1.0), 0.005)), 25.0 * PI, 2e-3);
        // Slanted by 45 degrees the cylinder's section is an ellipse.
        let slanted = [Point3::new(-40.0, 0.0, -40.0), Point3::new(40.0, 0.0, 40.0)];
        let section = swept_ball_section(&slanted, 5.0, &Plane::axial(0.0), 0.005);
        near(area(&section), 25.0 * PI * 2.0_f64.sqrt(), 5e-3);
    }

    #[test]
    fn a_freehand_shape_cuts_a_slab_out_of_other_planes() {
        // Drawn on a sagittal plane (u = y, v = z) at x = 10.
        let sagittal = Plane::new(Point3::new(10.0, 0.0, 0.0), Vector3::y(), Vector3::z()).unwrap();
        let drawn = vec![Polygon::from_outer(square(-4.0, -3.0, 8.0))];
        let cut = extruded_section(&drawn, &sagittal, 2.5, &Plane::axial(1.0));
        assert_eq!(cut.len(), 1);
        near(area(&cut), 8.0 * 5.0, 1e-9);
        let (low, high) = cut[0].bounds().unwrap();
        assert!((low - Point2::new(7.5, -4.0)).norm() < 1e-9);
        assert!((high - Point2::new(12.5, 4.0)).norm() < 1e-9);
        assert!(extruded_section(&drawn, &sagittal, 2.5, &Plane::axial(9.0)).is_empty());
        // On a parallel plane: whole within the thickness.
        let beside = sagittal.at_offset(12.0);
        near(area(&extruded_section(&drawn, &sagittal, 2.5, &beside)), 64.0, 1e-9);
        assert!(extruded_section(&drawn, &sagittal, 2.5, &sagittal.at_offset(13.0)).is_empty());
    }

    #[test]
    fn a_freehand_shape_on_an_oblique_plane_maps_back() {
        let oblique = Plane::new(Point3::origin(), Vector3::x(), Vector3::new(0.0, 1.0, 1.0)).unwrap();
        let drawn = vec![Polygon::from_outer(square(-4.0, -4.0, 8.0))];
        let cut = extruded_section(&drawn, &oblique, 1.0, &Plane::axial(0.0));
        // The axial plane meets the 2 mm slab in a band of 2 * sqrt(2) mm.
        near(area(&cut), 8.0 * 2.0 * 2.0_f64.sqrt(), 1e-6);
    }
}
