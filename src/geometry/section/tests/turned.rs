//! Planes turned a little against the slices, on even, uneven and oblique series: against the solid that
//! the blend of the slices' exact distances is, in closed form.

use super::*;
use crate::geometry::Rotation3;
use std::f64::consts::PI;

/// The signed distance of a point to a slice's outlines, mm, negative inside.
type Distance = Box<dyn Fn(Point2) -> f64>;

struct Slice {
    offset_mm: f64,
    below_mm: f64,
    above_mm: f64,
    polygons: Vec<Polygon>,
    distance: Distance,
}

/// A body on a series of slices through the patient's origin.
struct Body {
    name: &'static str,
    base: Plane,
    slices: Vec<Slice>,
}

fn arc(center: Point2, radius: f64, from: f64, to: f64, count: u32) -> Vec<Point2> {
    let at = |n: u32| (from + (to - from) * f64::from(n) / f64::from(count)).sin_cos();
    (0..count).map(at).map(|(sin, cos)| center + Vector2::new(cos, sin) * radius).collect()
}

fn circle(center: Point2, radius: f64) -> Vec<Point2> {
    arc(center, radius, 0.0, 2.0 * PI, 360)
}

fn disc(center: Point2, radius: f64) -> (Vec<Polygon>, Distance) {
    (vec![Polygon::from_outer(circle(center, radius))], Box::new(move |p| (p - center).norm() - radius))
}

/// A box around `center`, turned by 0.2.
fn block(center: Point2, half: Vector2) -> (Vec<Polygon>, Distance) {
    let turn = crate::geometry::Rotation2::new(0.2);
    let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];
    let ring = corners.map(|(x, y)| center + turn * Vector2::new(x * half.x, y * half.y)).to_vec();
    let distance = move |p: Point2| {
        let off = (turn.inverse() * (p - center)).abs() - half;
        off.sup(&Vector2::zeros()).norm() + off.max().min(0.0)
    };
    (vec![Polygon::from_outer(ring)], Box::new(distance))
}

/// What is within `radius` of the way between (-12, 0) and (12, 0), or of its ends only.
fn fork(is_split: bool, radius: f64) -> (Vec<Polygon>, Distance) {
    let ends = [-12.0, 12.0].map(|x| Point2::new(x, 0.0));
    if is_split {
        let distance =
            move |p: Point2| ends.iter().map(|end| (p - end).norm()).fold(f64::MAX, f64::min) - radius;
        let pieces = ends.map(|end| Polygon::from_outer(circle(end, radius)));
        return (pieces.to_vec(), Box::new(distance));
    }
    let mut ring = arc(ends[1], radius, -PI / 2.0, PI / 2.0, 180);
    ring.extend(arc(ends[0], radius, PI / 2.0, 1.5 * PI, 180));
    let distance = move |p: Point2| (p - Point2::new(p.x.clamp(-12.0, 12.0), 0.0)).norm() - radius;
    (vec![Polygon::from_outer(ring)], Box::new(distance))
}

/// A disc of 18 mm with a hole.
fn ring(hole: f64) -> (Vec<Polygon>, Distance) {
    let (mut pieces, whole) = disc(Point2::origin(), 18.0);
    if hole > 0.0 {
        pieces[0].holes.push(circle(Point2::origin(), hole).into_iter().rev().collect());
    }
    let distance = move |p: Point2| whole(p).max(if hole > 0.0 { hole - p.coords.norm() } else { f64::MIN });
    (pieces, Box::new(distance))
}

impl Body {
    fn all(base: Plane, offsets: &[f64]) -> Vec<Self> {
        let origin = Point2::origin();
        let lean = 40_f64.to_radians().tan();
        let of = |name: &'static str, slice: &dyn Fn(f64) -> Option<(Vec<Polygon>, Distance)>| {
            let half = |n: usize| (offsets[n + 1] - offsets[n]) / 2.0;
            let slices = offsets.iter().enumerate().filter_map(|(n, offset)| {
                let (polygons, distance) = slice(*offset)?;
                let below_mm = half(n.saturating_sub(1));
                let above_mm = if n + 1 < offsets.len() { half(n) } else { below_mm };
                Some(Slice { offset_mm: *offset, below_mm, above_mm, polygons, distance })
            });
            Self { name, base, slices: slices.collect() }
        };
        vec![
            of("ball", &|z| (z.abs() < 20.0).then(|| disc(origin, (400.0 - z * z).sqrt()))),
            of("cone", &|z| (z.abs() < 20.0).then(|| disc(origin, 12.0 - 0.45 * z))),
            of("tube", &|z| Some(disc(Point2::new(2.0, -1.0), 9.0)).filter(|_| z.abs() < 25.0)),
            of("leaning tube", &|z| Some(disc(Point2::new(lean * z, 0.0), 8.0))),
            of("cube", &|z| (z.abs() < 12.0).then(|| block(origin, Vector2::new(12.0, 12.0)))),
            of("step", &|z| {
                let reach = if z < 0.0 { 14.0 } else { 8.0 };
                Some(block(Point2::new(reach, 0.0), Vector2::new(reach, 9.0)))
            }),
            of("fork", &|z| Some(fork(z > 0.4, 7.0 + 0.05 * z))),
            of("cavity", &|z| (z.abs() < 15.0).then(|| ring((49.0 - z * z).max(0.0).sqrt()))),
        ]
    }

    fn slabs<'a>(&'a self) -> Vec<Slab<'a>> {
        let slab = |own: &'a Slice| Slab {
            plane: self.base.at_offset(own.offset_mm),
            below_mm: own.below_mm,
            above_mm: own.above_mm,
            polygons: &own.polygons,
        };
        self.slices.iter().map(slab).collect()
    }

    /// A plane turned by so much around a direction within the slices, a little off the origin.
    fn view(&self, degrees: f64) -> Plane {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (u, v, normal) = (self.base.u(), self.base.v(), self.base.normal());
        let along = u * 0.5_f64.cos() + v * 0.5_f64.sin();
        let up = normal.cross(&along) * cos + normal * sin;
        Plane::new(Point3::from(normal * 0.7), along, up).unwrap()
    }

    /// The blended distance of a point to the body, mm.
    fn depth(&self, point: Point3) -> f64 {
        let (p, z) = (self.base.project(point), self.base.normal().dot(&point.coords));
        let (first, last) = (self.slices.first().unwrap(), self.slices.last().unwrap());
        if z <= first.offset_mm {
            return (first.distance)(p).max(first.offset_mm - first.below_mm - z);
        }
        if z >= last.offset_mm {
            return (last.distance)(p).max(z - last.offset_mm - last.above_mm);
        }
        let above = self.slices.partition_point(|own| own.offset_mm <= z);
        let (a, b) = (&self.slices[above - 1], &self.slices[above]);
        let t = (z - a.offset_mm) / (b.offset_mm - a.offset_mm);
        (a.distance)(p) * (1.0 - t) + (b.distance)(p) * t
    }

    /// How far a point of a view is from the outline, mm: the depth over its slope where that is steep.
    fn off(&self, view: &Plane, point: Point2) -> f64 {
        let depth = |x: f64, y: f64| self.depth(view.lift(point + Vector2::new(x, y)));
        let slope = Vector2::new(depth(0.05, 0.0) - depth(-0.05, 0.0), depth(0.0, 0.05) - depth(0.0, -0.05));
        depth(0.0, 0.0).abs() / (slope.norm() / 0.1).max(1.0)
    }

    /// How a section of the body fits it.
    fn fit(&self, section: &[Polygon], view: &Plane) -> Fit {
        let mut fit = Fit { worst_mm: 0.0, beside_mm: 0.0 };
        let mut length = 0.0;
        for ring in section.iter().flat_map(Polygon::rings) {
            for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
                length += (b - a).norm();
                for p in [*a, nalgebra::center(a, b)] {
                    fit.worst_mm = fit.worst_mm.max(self.off(view, p));
                }
            }
        }
        let middle = view.project(Point3::origin());
        let beside = differ(middle, |row| {
            let held = line_intervals(section, row, Vector2::x());
            move |p: Point2| {
                held.iter().any(|(from, to)| (*from..*to).contains(&(p.x - row.x)))
                    != (self.depth(view.lift(p)) < 0.0)
            }
        });
        fit.beside_mm = beside / length.max(1.0);
        fit
    }
}

/// The area where `differs` of a row of points is so, mm2, within 48 mm of the middle.
fn differ<R: Fn(Point2) -> bool>(middle: Point2, row: impl Fn(Point2) -> R) -> f64 {
    let pitch = 0.4;
    let start = |n: u32| middle + Vector2::new(-48.03, pitch * f64::from(n) - 47.9);
    let rows = (0..240).map(start).map(|start| {
        let differs = row(start);
        (0..240_u32).filter(|n| differs(start + Vector2::new(pitch * f64::from(*n), 0.0))).count()
    });
    rows.sum::<usize>() as f64 * pitch * pitch
}

/// How well a section fits.
#[derive(Debug)]
struct Fit {
    /// The largest distance of an outline from where it should be.
    worst_mm: f64,
    /// The area that is shown and should not be, or the other way round, for the outlines' length.
    beside_mm: f64,
}

/// Bodies on slices 3 mm apart, on uneven and on oblique ones.
fn bodies() -> Vec<Body> {
    let even: Vec<f64> = (-10..=10).map(|k| 3.0 * f64::from(k)).collect();
    let uneven: Vec<f64> = (-10..=10).map(f64::from).map(|k| 3.0 * k + 0.7 * (2.3 * k).sin()).collect();
    let turn = Rotation3::from_euler_angles(0.5, -0.3, 0.8);
    let oblique = Plane::new(Point3::origin(), turn * Vector3::x(), turn * Vector3::y()).unwrap();
    let series = [(Plane::axial(0.0), &even), (Plane::axial(0.0), &uneven), (oblique, &uneven)];
    series.into_iter().flat_map(|(base, offsets)| Body::all(base, offsets)).collect()
}

#[test]
fn between_slices_outlines_are_smooth() {
    for body in bodies() {
        for degrees in [1.0, 5.0, 15.0, 29.0, 31.0, 44.0] {
            let view = body.view(degrees);
            let fit = body.fit(&cut(&body.slabs(), &view), &view);
            let what = format!("{} at {degrees} degrees: {fit:?}", body.name);
            assert!(fit.worst_mm < 0.2 && fit.beside_mm < 0.03, "{what}");
        }
    }
}

/// The body itself, not only what its slices say of it.
#[test]
fn sections_of_round_bodies_have_their_areas() {
    for body in bodies() {
        for degrees in [1.0_f64, 5.0, 15.0, 29.0, 31.0, 44.0] {
            let (sin, cos) = degrees.to_radians().sin_cos();
            let wanted = match body.name {
                // The plane passes the middle at so much.
                "ball" => PI * (400.0 - (0.7 * cos).powi(2)),
                // An ellipse while the plane leaves through no end: 25 mm up, 9 mm off the axis.
                "tube" if sin / cos * 12.0 < 22.0 => PI * 81.0 / cos,
                _ => continue,
            };
            let got = area(&cut(&body.slabs(), &body.view(degrees)));
            assert!((got / wanted - 1.0).abs() < 0.025, "{} at {degrees}: {got} of {wanted}", body.name);
        }
    }
}

#[test]
fn no_outline_jumps_while_a_view_is_turned() {
    for body in bodies() {
        for degrees in [1.0, 30.0, 45.0, 52.0, 60.0] {
            let [before, after] = [-0.01, 0.01].map(|by| cut(&body.slabs(), &body.view(degrees + by)));
            let length: f64 = before
                .iter()
                .flat_map(Polygon::rings)
                .flat_map(|ring| ring.iter().zip(ring.iter().cycle().skip(1)))
                .map(|(a, b)| (b - a).norm())
                .sum();
            let middle = body.view(degrees).project(Point3::origin());
            let jumped = differ(middle, |row| {
                let held = [&before, &after].map(|own| line_intervals(own, row, Vector2::x()));
                move |p: Point2| {
                    let [a, b] = [0, 1].map(|n: usize| {
                        held[n].iter().any(|(from, to)| (*from..*to).contains(&(p.x - row.x)))
                    });
                    a != b
                }
            });
            assert!(jumped / length < 0.06, "{} at {degrees} degrees: {}", body.name, jumped / length);
        }
    }
}

/// Sections side by side add up to the volume that the slices stand for.
#[test]
fn sections_side_by_side_add_up_to_the_volume() {
    for body in bodies().into_iter().take(16) {
        let slabs = body.slabs();
        let wanted: f64 =
            slabs.iter().map(|slab| area(slab.polygons) * (slab.below_mm + slab.above_mm)).sum();
        for degrees in [3.0, 20.0] {
            let view = body.view(degrees);
            let offsets = (-35..=35).map(|n| view.at_offset(view.offset_mm() + 2.0 * f64::from(n)));
            let got = 2.0 * offsets.map(|view| area(&cut(&slabs, &view))).sum::<f64>();
            assert!((got / wanted - 1.0).abs() < 0.02, "{} at {degrees}: {got} of {wanted}", body.name);
        }
    }
}

/// A piece on one slice alone ends flat at the border of its slab, whatever else is there.
#[test]
fn a_piece_alone_ends_at_the_border_of_its_slab() {
    let piece = Polygon::from_outer(square(-40.0, -100.0, 200.0));
    let beside = Polygon::from_outer(square(-60.0, -100.0, 10.0));
    let both = vec![beside.clone(), piece.clone()];
    let alone = vec![(0.0, vec![piece])];
    let among = vec![(-3.0, vec![beside.clone()]), (0.0, both), (3.0, vec![beside])];
    for stack in [alone, among] {
        for degrees in [2.0_f64, 10.0, 29.0, 31.0] {
            let (sin, cos) = degrees.to_radians().sin_cos();
            // Along y, and up to the right by the angle around the piece's middle.
            let view = Plane::new(Point3::new(60.0, 0.0, 0.0), Vector3::y(), Vector3::new(-cos, 0.0, -sin));
            let section = cut(&slabs(&stack), &view.unwrap());
            let own = section.iter().map(Polygon::area_mm2).fold(0.0, f64::max);
            let wanted = 200.0 * (3.0 / sin).min(200.0 / cos);
            assert!((own - wanted).abs() < 1e-3 * wanted, "{own} of {wanted} mm2 at {degrees} degrees");
        }
    }
}
