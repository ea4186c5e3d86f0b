//! Against the reading of contours in closed form, point by point, on even, uneven and oblique slices.

use super::chain::LONGEST;
use super::*;
use crate::edit::fixture::volume;
use crate::edit::reoriented;
use crate::geometry::signed_field::{self, Lattice};
use crate::geometry::{Ring, Vector2, Vector3, clip, trace};
use crate::patient::{RoiId, RoiPlane};
use nalgebra::{Rotation3, Unit as UnitVector};
use std::f64::consts::TAU;
use std::sync::Arc;

fn even() -> Volume {
    let offsets: Vec<f64> = (0..25).map(|n| f64::from(n) * 2.5).collect();
    volume(Rotation3::identity(), &offsets)
}

fn uneven_oblique() -> Volume {
    let turn = Rotation3::from_axis_angle(&UnitVector::new_normalize(Vector3::new(1.0, 2.0, 3.0)), 0.3);
    let mut at = 0.0;
    let offsets: Vec<f64> = (0..28)
        .map(|n| {
            at += [1.5, 3.0, 2.0, 4.0][n % 4];
            at
        })
        .collect();
    volume(turn, &offsets)
}

fn circle(x: f64, y: f64, radius: f64) -> Polygon {
    let ring: Ring = (0..360)
        .map(|n| {
            let (s, c) = (TAU * f64::from(n) / 360.0).sin_cos();
            Point2::new(x + radius * c, y + radius * s)
        })
        .collect();
    Polygon::from_outer(ring)
}

/// A structure with these contours on slices, in the coordinates of their planes.
fn structure(volume: &Volume, polygons: impl Fn(usize) -> Vec<Polygon>) -> Roi {
    let mut roi = Roi::new(RoiId(1), 1, "Node", [255, 0, 0]);
    for (index, slice) in volume.slices.iter().enumerate() {
        let polygons = polygons(index);
        if !polygons.is_empty() {
            roi.planes.push(Arc::new(RoiPlane::new(slice.plane, None, polygons)));
        }
    }
    roi
}

fn area(polygons: &[Polygon]) -> f64 {
    polygons.iter().map(Polygon::area_mm2).sum()
}

/// A ball's contours around (5, -3) at a height over the first slice; its radius on each slice.
fn ball(volume: &Volume, height: f64, radius: f64) -> (Roi, Vec<f64>) {
    let first = volume.slices[0].plane.offset_mm();
    let on = |slice: usize| {
        let up = volume.slices[slice].plane.offset_mm() - first - height;
        (radius * radius - up * up).max(0.0).sqrt()
    };
    let radii: Vec<f64> = (0..volume.slices.len()).map(on).collect();
    let piece = |slice: usize| {
        if radii[slice] > 0.0 { vec![circle(5.0, -3.0, radii[slice])] } else { Vec::new() }
    };
    (structure(volume, piece), radii)
}

/// The solid of circles around (5, -3): cones between slices, flat at the borders of the outer slabs.
fn holds(volume: &Volume, radii: &[f64], point: Point3) -> bool {
    let offsets: Vec<f64> = volume.slices.iter().map(|slice| slice.plane.offset_mm()).collect();
    let above = offsets.partition_point(|offset| *offset <= point.z);
    let (Some(below), true) = (above.checked_sub(1), above < offsets.len()) else { return false };
    let t = (point.z - offsets[below]) / (offsets[above] - offsets[below]);
    let radius = match (radii[below] > 0.0, radii[above] > 0.0) {
        (true, true) => radii[below] * (1.0 - t) + radii[above] * t,
        (true, false) if t < 0.5 => radii[below],
        (false, true) if t > 0.5 => radii[above],
        _ => 0.0,
    };
    (point.x - 5.0).hypot(point.y + 3.0) < radius
}

/// The point of patient space at these coordinates of the stack.
fn at(volume: &Volume, x: f64, y: f64, height: f64) -> Point3 {
    let first = volume.slices[0].plane;
    first.at_offset(first.offset_mm() + height).lift(Point2::new(x, y))
}

/// The moves of a push in closed form: centre after it and way, in the coordinates of the stack.
fn source(moves: &[(Point3, Vector3)], radius: f64, point: Point3) -> Point3 {
    moves.iter().rev().fold(point, |point, (to, by)| {
        let s = (point - to).norm() / radius;
        if s < 1.0 { point - by * (1.0 - s * s).powi(2) } else { point }
    })
}

fn push(
    volume: &Volume,
    roi: &Roi,
    radius: f64,
    from: [f64; 3],
    by: [f64; 3],
    events: u32,
) -> Vec<(usize, Vec<Polygon>)> {
    let mut push = SolidPush::new(radius, 1.0);
    let place = |part: f64| {
        let [x, y, z] = [0, 1, 2].map(|axis| from[axis] + by[axis] * part);
        at(volume, x, y, z)
    };
    let mut contours = BTreeMap::new();
    for event in 0..events {
        let (a, b) = (f64::from(event) / f64::from(events), f64::from(event + 1) / f64::from(events));
        push.go_on(volume, place(a), place(b), radius);
        contours.extend(push.contours(roi, volume));
    }
    contours.into_iter().collect()
}

/// Checks every slice against `radii` carried by these moves, in closed form; how many slices the push
/// changed.
fn assert_carried(
    (volume, radii): (&Volume, &[f64]),
    (moves, radius): (&[(Point3, Vector3)], f64),
    contours: &[(usize, Vec<Polygon>)],
    name: &str,
) -> usize {
    let (mut changed, mut wanted_volume, mut got_volume) = (0, 0.0, 0.0);
    for (slice, polygons) in contours {
        let offset = volume.slices[*slice].plane.offset_mm();
        let step = 0.2;
        let inside = (0..240 * 240)
            .filter(|n| {
                let (i, j) = (f64::from(n % 240) + 0.5, f64::from(n / 240) + 0.5);
                let point = Point3::new(5.0 + (i - 120.0) * step, -3.0 + (j - 120.0) * step, offset);
                holds(volume, radii, source(moves, radius, point))
            })
            .count();
        let wanted = inside as f64 * step * step;
        let got = area(polygons);
        changed += usize::from((got - radii[*slice].powi(2) * TAU / 2.0).abs() > 1.0);
        let near = 1.0 + 0.01 * wanted;
        assert!((got - wanted).abs() < near, "{name}, slice {slice}: {got}, {wanted}");
        wanted_volume += wanted * volume.slice_thickness_mm(*slice);
        got_volume += got * volume.slice_thickness_mm(*slice);
    }
    assert!((got_volume / wanted_volume - 1.0).abs() < 0.005, "{name}: {got_volume}, {wanted_volume}");
    changed
}

#[test]
fn every_slice_holds_what_was_carried_to_it() {
    for (volume, name) in [(even(), "even"), (uneven_oblique(), "uneven and oblique")] {
        let (roi, radii) = ball(&volume, 30.0, 14.0);
        let first = volume.slices[0].plane.offset_mm();
        // Up at the top, down at the top, slanting at the side: two moves of a quarter of the radius, in one
        // event or in two.
        for (from, by) in [
            ([5.0, -3.0, 44.0], [0.0, 0.0, 6.0]),
            ([5.0, -3.0, 44.0], [0.0, 0.0, -6.0]),
            ([17.0, -1.0, 34.0], [-3.0, 1.0, 5.0]),
        ] {
            let radius = Vector3::from(by).norm() * 2.0;
            let half = Vector3::from(by) / 2.0;
            let start = Point3::new(from[0], from[1], from[2] + first);
            let moves = [(start + half, half), (start + half * 2.0, half)];
            for events in [1, 2] {
                let contours = push(&volume, &roi, radius, from, by, events);
                assert!(contours.len() > 5);
                let name = format!("{name} {by:?} in {events}");
                let changed = assert_carried((&volume, &radii), (&moves, radius), &contours, &name);
                assert!(changed >= 2, "{name}: {changed}");
            }
        }
    }
}

#[test]
fn a_fast_stroke_carries_through_all_its_moves() {
    // Each event is longer than a move, so that none is taken back: a whole move and a rest.
    for (volume, name) in [(even(), "even"), (uneven_oblique(), "uneven and oblique")] {
        let (roi, radii) = ball(&volume, 30.0, 14.0);
        let first = volume.slices[0].plane.offset_mm();
        let (radius, each, events) = (10.0, 0.3, 6_u32);
        for way in [Vector3::z(), -Vector3::z(), Vector3::new(-0.6, 0.0, 0.8)] {
            let from = Point3::new(5.0, -3.0, 30.0) + way * 2.0;
            let mut moves = Vec::new();
            for event in 0..events {
                let start = from + Vector3::z() * first + way * (radius * each * f64::from(event));
                let (whole, rest) = (way * (radius * LONGEST), way * (radius * (each - LONGEST)));
                moves.extend([(start + whole, whole), (start + whole + rest, rest)]);
            }
            let by = way * (radius * each * f64::from(events));
            let contours = push(&volume, &roi, radius, from.coords.into(), by.into(), events);
            let name = format!("{name} {way:?}");
            let changed = assert_carried((&volume, &radii), (&moves, radius), &contours, &name);
            assert!(changed >= 4, "{name}: {changed}");
        }
    }
}

#[test]
fn what_lay_under_the_centre_lies_there_still() {
    let volume = even();
    // A column whose last slice is 10: its end stands 1.25 mm above, at 26.25.
    let column = |slice: usize| if (2..=10).contains(&slice) { vec![circle(0.0, 0.0, 30.0)] } else { vec![] };
    let roi = structure(&volume, column);
    for (up, last) in [(1.0, 10), (1.5, 11), (3.5, 11), (4.0, 12), (9.0, 14), (-1.0, 10), (-4.0, 10)] {
        let contours = push(&volume, &roi, 10.0, [0.0, 0.0, 26.25], [0.0, 0.0, up], 30);
        let top = contours.iter().filter(|(_, polygons)| !polygons.is_empty()).map(|(slice, _)| *slice).max();
        assert_eq!(top, Some(last), "{up}");
        // Pushed down, there is a hole where the end came below the slice.
        for (slice, polygons) in &contours {
            let height = *slice as f64 * 2.5;
            let middle = polygons.iter().any(|piece| piece.contains(Point2::new(0.01, 0.01)));
            assert_eq!(middle, (5.0..26.25 + up).contains(&height), "{up} slice {slice}");
        }
    }
}

#[test]
fn what_is_not_reached_keeps_its_bits() {
    for volume in [even(), uneven_oblique()] {
        let (roi, radii) = ball(&volume, 30.0, 14.0);
        let contours = push(&volume, &roi, 8.0, [17.0, -3.0, 34.0], [2.0, 0.0, 5.0], 9);
        let reached: Vec<usize> = contours.iter().map(|(slice, _)| *slice).collect();
        assert!(reached.len() >= 5 && reached.len() < radii.iter().filter(|radius| **radius > 0.0).count());
        for (slice, polygons) in contours {
            let Some(own) = roi.plane_at(&volume.slices[slice].plane) else { continue };
            let kept = own.polygons[0].outer.iter().filter(|point| point.x < 5.0);
            assert!(kept.clone().count() > 100);
            let vertices: Vec<&Point2> = polygons.iter().flat_map(|piece| &piece.outer).collect();
            assert!(kept.into_iter().all(|point| vertices.contains(&point)), "slice {slice}");
        }
        // There and back, in steps: nothing at all.
        let mut push = SolidPush::new(8.0, 1.0);
        let way = [34.0, 34.6, 35.4, 35.9, 35.0, 34.0].map(|height| at(&volume, 17.0, -3.0, height));
        let mut back = BTreeMap::new();
        for ends in way.windows(2) {
            push.go_on(&volume, ends[0], ends[1], 8.0);
            let now = push.contours(&roi, &volume);
            assert!(!now.is_empty());
            back.extend(now);
        }
        assert!(push.contours(&roi, &volume).is_empty(), "nothing since");
        let back: Vec<(usize, Vec<Polygon>)> = back.into_iter().collect();
        let same = |(slice, polygons): &(usize, Vec<Polygon>)| {
            roi.plane_at(&volume.slices[*slice].plane).map_or(&[][..], |own| &own.polygons) == polygons
        };
        assert!(back.len() > 3 && back.iter().all(same));
    }
}

#[test]
fn one_large_move_and_many_small_ones_come_to_the_same() {
    let volume = uneven_oblique();
    let (roi, _) = ball(&volume, 30.0, 14.0);
    let way = ([14.0, -3.0, 38.0], [6.0, 2.0, 9.0]);
    let once = push(&volume, &roi, 12.0, way.0, way.1, 1);
    let often = push(&volume, &roi, 12.0, way.0, way.1, 70);
    for ((slice, a), (other, b)) in once.iter().zip(&often) {
        assert_eq!(slice, other);
        let apart = area(&clip::xor(a, b));
        assert!(apart < 0.015 * area(a) + 0.5, "slice {slice}: {apart} of {}", area(a));
    }
}

#[test]
fn a_long_stroke_is_what_it_comes_to_when_worked_out_at_once() {
    for volume in [even(), uneven_oblique()] {
        let (roi, _) = ball(&volume, 30.0, 14.0);
        // Around the ball, up and down, and over its own way; radii as the hand changes them.
        let place = |step: u32| {
            let angle = f64::from(step) * 0.13;
            let (s, c) = angle.sin_cos();
            at(&volume, 5.0 + 13.0 * c, -3.0 + 12.0 * s, 30.0 + 7.0 * (angle * 0.7).sin())
        };
        let (mut often, mut once) = (SolidPush::new(7.0, 1.0), SolidPush::new(7.0, 1.0));
        let mut contours = BTreeMap::new();
        for step in 0..110 {
            let radius = if (40..60).contains(&step) { 5.0 } else { 7.0 };
            let (from, to) = (place(step), place(step + 1));
            often.go_on(&volume, from, to, radius);
            once.go_on(&volume, from, to, radius);
            contours.extend(often.contours(&roi, &volume));
        }
        let whole = once.contours(&roi, &volume);
        assert!(whole.len() > 8 && whole.len() == contours.len());
        for (slice, polygons) in whole {
            let apart = area(&clip::xor(&polygons, &contours[&slice]));
            assert!(apart < 0.01, "slice {slice}: {apart} of {}", area(&polygons));
        }
    }
}

#[test]
fn an_end_beside_another_piece_grows_and_shrinks_alone() {
    let volume = even();
    // Two columns; the left one ends on slice 10.
    let columns = |slice: usize| match slice {
        2..=10 => vec![circle(-20.0, 0.0, 6.0), circle(20.0, 0.0, 9.0)],
        11..=20 => vec![circle(20.0, 0.0, 9.0)],
        _ => vec![],
    };
    let roi = structure(&volume, columns);
    let own = |slice: usize| &roi.plane_at(&volume.slices[slice].plane).unwrap().polygons;
    for (up, lost, gained) in
        [(1.0, false, false), (1.5, false, true), (-1.0, false, false), (-1.5, true, false)]
    {
        let contours = push(&volume, &roi, 25.0, [-20.0, 0.0, 26.25], [0.0, 0.0, up], 1);
        for (slice, polygons) in &contours {
            assert!(
                !(2..=20).contains(slice) || polygons.contains(own(*slice).last().unwrap()),
                "slice {slice}"
            );
            let middle = polygons.iter().any(|piece| piece.contains(Point2::new(-20.01, 0.01)));
            let wanted = (2..10).contains(slice) || (*slice == 10 && !lost) || (*slice == 11 && gained);
            assert_eq!(middle, wanted, "{up} slice {slice}");
        }
    }
}

#[test]
fn nothing_to_push_stays_nothing() {
    let volume = even();
    let roi = structure(&volume, |_| vec![]);
    let contours = push(&volume, &roi, 10.0, [0.0, 0.0, 26.0], [0.0, 0.0, 8.0], 3);
    assert!(!contours.is_empty() && contours.iter().all(|(_, polygons)| polygons.is_empty()));
    let (roi, _) = ball(&volume, 30.0, 14.0);
    assert!(push(&volume, &roi, 10.0, [0.0, 0.0, 500.0], [0.0, 0.0, 8.0], 3).is_empty(), "beyond the slices");
    let mut still = SolidPush::new(10.0, 1.0);
    let place = at(&volume, 0.0, 0.0, 30.0);
    still.go_on(&volume, place, place, 10.0);
    assert!(still.contours(&roi, &volume).is_empty());
}

/// A stroke of moves of the greatest length in one piece, so that each event is one; from near (17, -3) on.
fn winding(radius: f64, events: u32, height: f64) -> Vec<[f64; 3]> {
    let mut at = Vector3::new(17.0, -3.0, height);
    let mut way = vec![at.into()];
    for event in 0..events {
        let angle = f64::from(event) * 0.31;
        let heading = Vector3::new(-(angle * 0.9).sin(), angle.cos(), 0.8 * (angle * 1.7).sin());
        at += heading.normalize() * (radius * LONGEST);
        way.push(at.into());
    }
    way
}

/// Two lobes with a thin neck between, wavy on a small scale; a hole in one; a piece beside them on some slices.
fn lobes(slice: usize) -> Vec<Polygon> {
    if !(4..=21).contains(&slice) {
        return Vec::new();
    }
    let shift = f64::from(u8::try_from(slice).unwrap()) * 0.37;
    let outer: Ring = (0..900)
        .map(|n| {
            let angle = TAU * f64::from(n) / 900.0;
            let waist = (angle.cos().powi(2) * 12.0 + 0.12).min(12.0);
            let wave = 0.06 * (angle * 140.0 + shift).sin();
            let radius = (waist + wave).max(0.1);
            Point2::new(5.0 + (radius + 2.0) * angle.cos() + shift * 0.2, -3.0 + radius * angle.sin())
        })
        .collect();
    let outer = clip::union_all(vec![Polygon::from_outer(outer)]);
    let mut pieces = clip::difference(&outer, &[circle(13.0, -3.0, 1.7)]);
    if slice % 7 < 4 {
        pieces.push(circle(19.0, 9.0, 3.0 + shift * 0.1));
    }
    pieces
}

#[test]
fn where_distances_are_not_read_nothing_is_missed() {
    for volume in [even(), uneven_oblique()] {
        let shapes: [&dyn Fn(usize) -> Vec<Polygon>; 2] = [&lobes, &|slice| {
            let up = slice as f64 - 12.0;
            let radius = (196.0 - up * up * 6.0).max(0.0).sqrt();
            if radius > 0.0 { vec![circle(5.0, -3.0, radius)] } else { Vec::new() }
        }];
        for (shape, radius) in shapes.into_iter().zip([5.0, 8.0]) {
            let roi = structure(&volume, shape);
            let (mut own, mut all) = (SolidPush::new(radius, 1.0), SolidPush::new(radius, 1.0));
            all.care = Care::Everywhere;
            let way = winding(radius, 40, 30.0);
            let mut changed = 0;
            for ends in way.windows(2) {
                let [from, to] = [ends[0], ends[1]].map(|[x, y, z]| at(&volume, x, y, z));
                own.go_on(&volume, from, to, radius);
                all.go_on(&volume, from, to, radius);
                let (own, all) = (own.contours(&roi, &volume), all.contours(&roi, &volume));
                changed += own.iter().filter(|(slice, polygons)| *polygons != shape(*slice)).count();
                assert_eq!(own, all, "to the bit");
            }
            assert!(changed > 100, "{changed}");
        }
    }
}

/// The signed distance to polygons between the points of a lattice, and the lattice.
struct Plain {
    lattice: Lattice,
    /// By slice; none where there is nothing.
    fields: Vec<Option<Vec<f32>>>,
    /// Of the slices.
    offsets: Vec<f64>,
}

impl Plain {
    fn of(volume: &Volume, polygons: &[Vec<Polygon>]) -> Self {
        let pitch_mm = 0.5;
        let lattice = Lattice { low: Point2::new(-35.0, -45.0), pitch_mm, size: [170, 170] };
        let field = |own: &Vec<Polygon>| (!own.is_empty()).then(|| signed_field::signed(own, &lattice));
        let offsets = volume.slices.iter().map(|slice| slice.plane.offset_mm()).collect();
        Self { lattice, fields: polygons.iter().map(field).collect(), offsets }
    }

    fn in_plane(&self, field: &[f32], point: Point3) -> f64 {
        let along = (point.xy() - self.lattice.low) / self.lattice.pitch_mm;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places on the lattice")]
        let (x, y) = ((along.x as usize).min(168), (along.y as usize).min(168));
        let value = |right: usize, up: usize| f64::from(field[x + right + (y + up) * self.lattice.size[0]]);
        let (right, up) = (along.x - x as f64, along.y - y as f64);
        let row = |up: usize| value(0, up) * (1.0 - right) + value(1, up) * right;
        row(0) * (1.0 - up) + row(1) * up
    }

    /// Whether the solid, whose pieces overlap from slice to slice, holds a point.
    fn depth(&self, point: Point3) -> f64 {
        let above = self.offsets.partition_point(|offset| *offset <= point.z);
        let (low, high) = (self.offsets[above - 1], self.offsets[above]);
        let t = (point.z - low) / (high - low);
        let alone = |field: &[f32], beyond: f64| -self.in_plane(field, point).max(beyond);
        match (&self.fields[above - 1], &self.fields[above]) {
            (Some(a), Some(b)) => -(self.in_plane(a, point) * (1.0 - t) + self.in_plane(b, point) * t),
            (Some(a), None) => alone(a, (t - 0.5) * (high - low)),
            (None, Some(b)) => alone(b, (0.5 - t) * (high - low)),
            (None, None) => -100.0,
        }
    }

    /// A slice's polygons after these moves: every point of the lattice followed back through all of them, and
    /// general clipping.
    fn pushed(
        &self,
        moves: &[(Point3, Vector3)],
        radius: f64,
        slice: usize,
        before: &[Polygon],
    ) -> Vec<Polygon> {
        let [nx, ny] = self.lattice.size;
        let (mut depths, mut moved) = (Vec::new(), Vec::new());
        for at in 0..nx * ny {
            let place = Vector2::new((at % nx) as f64, (at / nx) as f64) * self.lattice.pitch_mm;
            let place = self.lattice.low + place;
            let point = Point3::new(place.x, place.y, self.offsets[slice]);
            let from = source(moves, radius, point);
            #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
            let (way, depth) = ((from - point).norm() as f32, self.depth(from) as f32);
            moved.push(way);
            depths.push(depth);
        }
        // Beside what moves lies what was there.
        for at in 0..nx * ny {
            if moved[at] == 0.0 {
                depths[at] = self.fields[slice].as_ref().map_or(-100.0, |field| -field[at]);
            }
        }
        let frame = self.lattice.frame().unwrap();
        let traced =
            |values: &[f32], level: f32| frame.map(&trace::field_slice(values, nx, ny, level), [0, 0]);
        let region = traced(&moved, 0.002);
        let inside = clip::intersection(&traced(&depths, 0.0), &region);
        clip::union(&clip::difference(before, &region), &inside)
    }
}

#[test]
fn every_lattice_point_followed_back_and_general_clipping_come_to_the_same() {
    for (volume, name) in [(even(), "even"), (uneven_oblique(), "uneven and oblique")] {
        let first = volume.slices[0].plane.offset_mm();
        let wavy = |slice: usize| {
            if !(4..=20).contains(&slice) {
                return Vec::new();
            }
            let phase = f64::from(u8::try_from(slice).unwrap()) * 0.4;
            let ring = (0..400).map(|n| {
                let angle = TAU * f64::from(n) / 400.0;
                let radius = 13.0 + 1.5 * (angle * 5.0 + phase).sin() + 0.04 * (angle * 90.0).sin();
                Point2::new(5.0 + radius * angle.cos(), -3.0 + radius * angle.sin())
            });
            vec![Polygon::from_outer(ring.collect())]
        };
        let before: Vec<Vec<Polygon>> = (0..volume.slices.len()).map(wavy).collect();
        let plain = Plain::of(&volume, &before);
        // Contours on planes of other axes too, and seen from behind.
        for turn in 0..3 {
            let mut roi = structure(&volume, wavy);
            for own in &mut roi.planes {
                let (u, v) = (own.plane.u(), own.plane.v());
                let axes = [(u, v), (v, -u), (u, -v)][turn];
                let point = own.plane.lift(Point2::origin());
                let plane = Plane::new(point, axes.0, axes.1).unwrap();
                let polygons = reoriented(&own.polygons, &own.plane, &plane);
                *own = Arc::new(RoiPlane::new(plane, None, polygons));
            }
            let radius = 8.0;
            let mut push = SolidPush::new(radius, 1.0);
            let way = winding(radius, 18, if turn == 1 { 12.0 } else { 34.0 });
            let mut moves = Vec::new();
            let mut contours = BTreeMap::new();
            for ends in way.windows(2) {
                let [from, to] = [ends[0], ends[1]].map(|[x, y, z]| at(&volume, x, y, z));
                push.go_on(&volume, from, to, radius);
                let [from, to] = [ends[0], ends[1]].map(|[x, y, z]| Point3::new(x, y, z + first));
                moves.push((to, to - from));
                contours.extend(push.contours(&roi, &volume));
            }
            let mut changed = 0.0;
            for (slice, polygons) in &contours {
                let plane = roi
                    .plane_at(&volume.slices[*slice].plane)
                    .map_or(volume.slices[*slice].plane, |own| own.plane);
                let got = reoriented(polygons, &plane, &volume.slices[*slice].plane);
                let wanted = plain.pushed(&moves, radius, *slice, &before[*slice]);
                let apart = area(&clip::xor(&got, &wanted));
                assert!(apart < 0.25, "{name}, {turn}, slice {slice}: {apart} of {}", area(&wanted));
                changed += area(&clip::xor(&got, &before[*slice]));
            }
            assert!(contours.len() > 6 && changed > 40.0, "{name}: {changed} on {}", contours.len());
        }
    }
}

#[test]
fn fine_waves_and_a_thin_neck_leave_no_outline_that_crosses_itself() {
    for volume in [even(), uneven_oblique()] {
        let roi = structure(&volume, lobes);
        let mut push = SolidPush::new(4.0, 1.0);
        // Along the neck and over the waves, by steps that end anywhere.
        let place = |step: u32| {
            let part = f64::from(step);
            at(
                &volume,
                -8.0 + part * 0.31,
                -3.0 + 4.0 * (part * 0.21).sin(),
                30.0 + 3.0 * (part * 0.13).cos(),
            )
        };
        let mut looked_at = 0;
        for step in 0..90 {
            push.go_on(&volume, place(step), place(step + 1), 4.0);
            for (slice, polygons) in push.contours(&roi, &volume) {
                let whole = area(&polygons);
                let united = area(&clip::union_all(polygons.clone()));
                assert!((whole - united).abs() < 2e-4, "slice {slice}, step {step}: {whole}, {united}");
                looked_at += polygons.len();
            }
        }
        assert!(looked_at > 250, "{looked_at}");
    }
}

#[test]
fn pieces_that_overlap_are_pushed_as_what_they_cover() {
    let volume = even();
    let both = |slice: usize| {
        if slice < 20 { vec![circle(0.0, 0.0, 8.0), circle(9.0, 0.0, 8.0)] } else { Vec::new() }
    };
    let (roi, sound) = (structure(&volume, both), structure(&volume, |slice| clip::union_all(both(slice))));
    // Down where both outlines cross.
    let pushed = |roi: &Roi| push(&volume, roi, 8.0, [4.5, 9.0, 25.0], [0.0, -3.0, 0.0], 3);
    let (got, wanted) = (pushed(&roi), pushed(&sound));
    assert!(got.len() > 4 && got.len() == wanted.len());
    for ((slice, got), (_, wanted)) in got.iter().zip(&wanted) {
        let apart = area(&clip::xor(&clip::union_all(got.clone()), wanted));
        assert!(apart < 0.5, "slice {slice}: {apart}");
    }
}
