//! Work on parts of an outline: single points, bends, and replacing what lies between two places.
//!
//! Whatever is done to a ring, the result is valid again: where the ring crosses itself every
//! enclosed part counts (as for a line drawn freehand), holes stay holes, and other pieces it comes
//! to lie over are joined. Vertices that an operation does not move keep their bits.

mod pulled;

pub use pulled::pulled;

use super::region_of;
use crate::geometry::{Point2, Polygon, Ring, Vector2, clip, ring_area};

/// Overlaps of less are rounding, square millimetres.
const LEAST_OVERLAP_MM2: f64 = 1e-3;

/// Places compared along a stroke and a part of an outline.
const COMPARED: u32 = 64;

/// A place on an outline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutlinePlace {
    /// Index of the piece.
    pub piece: usize,
    /// Index of the ring: 0 the outline, then the holes.
    pub ring: usize,
    /// Index of the vertex that the edge starts with.
    pub edge: usize,
    /// How far along the edge, 0 to below 1; 0 is the vertex itself.
    pub along: f64,
    /// The place, plane mm.
    pub point: Point2,
}

impl OutlinePlace {
    /// Whether both lie on one ring.
    #[must_use]
    pub fn shares_ring_with(&self, other: &Self) -> bool {
        (self.piece, self.ring) == (other.piece, other.ring)
    }
}

/// The rings with their piece and number.
fn rings(polygons: &[Polygon]) -> impl Iterator<Item = (usize, usize, &Ring)> {
    polygons
        .iter()
        .enumerate()
        .flat_map(|(piece, own)| own.rings().enumerate().map(move |(ring, points)| (piece, ring, points)))
}

/// A ring of a piece: 0 the outline, then the holes.
fn ring_of(polygons: &[Polygon], piece: usize, ring: usize) -> Option<&Ring> {
    polygons.get(piece)?.rings().nth(ring)
}

/// The ring that a place lies on; `None` when the pieces have no such edge.
fn ring_under<'a>(polygons: &'a [Polygon], place: &OutlinePlace) -> Option<&'a Ring> {
    ring_of(polygons, place.piece, place.ring).filter(|ring| place.edge < ring.len())
}

fn edges(ring: &Ring) -> impl Iterator<Item = (usize, Point2, Point2)> + '_ {
    ring.iter().zip(ring.iter().cycle().skip(1)).enumerate().map(|(edge, (a, b))| (edge, *a, *b))
}

/// How far along a-b the foot of `point` lies, 0 to 1.
fn foot(point: Point2, a: Point2, b: Point2) -> f64 {
    let by = b - a;
    let square = by.norm_squared();
    if square > 0.0 { ((point - a).dot(&by) / square).clamp(0.0, 1.0) } else { 0.0 }
}

/// The place on any outline nearest to `point`, if it is within `within_mm`.
#[must_use]
pub fn nearest_on_outline(polygons: &[Polygon], point: Point2, within_mm: f64) -> Option<OutlinePlace> {
    let mut best: Option<(f64, OutlinePlace)> = None;
    for (piece, ring, points) in rings(polygons) {
        for (edge, a, b) in edges(points) {
            let along = foot(point, a, b);
            let at = a + (b - a) * along;
            let off = (point - at).norm_squared();
            if off <= within_mm * within_mm && best.is_none_or(|(least, _)| off < least) {
                let (edge, along) =
                    if along >= 1.0 { ((edge + 1) % points.len(), 0.0) } else { (edge, along) };
                best = Some((off, OutlinePlace { piece, ring, edge, along, point: at }));
            }
        }
    }
    best.map(|(_, place)| place)
}

/// The vertex nearest to `point`, if it is within `within_mm`.
#[must_use]
pub fn nearest_vertex(polygons: &[Polygon], point: Point2, within_mm: f64) -> Option<OutlinePlace> {
    let vertices = rings(polygons).flat_map(|(piece, ring, points)| {
        points.iter().enumerate().map(move |(edge, at)| (piece, ring, edge, *at))
    });
    vertices
        .filter(|(.., at)| (at - point).norm() <= within_mm)
        .min_by(|(.., a), (.., b)| (a - point).norm().total_cmp(&(b - point).norm()))
        .map(|(piece, ring, edge, at)| OutlinePlace { piece, ring, edge, along: 0.0, point: at })
}

/// The pieces with one ring changed, valid again; see the module. The other pieces come back with
/// the same bits unless the changed one has come to lie over them.
fn with_ring(polygons: &[Polygon], piece: usize, ring: usize, changed: &Ring) -> Vec<Polygon> {
    let Some(own) = polygons.get(piece) else { return polygons.to_vec() };
    let outer = region_of(if ring == 0 { changed } else { &own.outer });
    let holes: Vec<Polygon> = own
        .holes
        .iter()
        .enumerate()
        .flat_map(|(index, hole)| region_of(if index + 1 == ring { changed } else { hole }))
        .collect();
    let shape = if holes.is_empty() { outer } else { clip::difference(&outer, &clip::union_all(holes)) };
    let mut rest = polygons.to_vec();
    rest.remove(piece);
    joined(&rest, shape)
}

/// `shape` put beside `pieces`; those that it overlaps are joined with it, those that only touch it
/// stay apart.
#[must_use]
pub fn joined(pieces: &[Polygon], shape: Vec<Polygon>) -> Vec<Polygon> {
    let overlaps = |piece: &Polygon| {
        let common = clip::intersection(std::slice::from_ref(piece), &shape);
        common.iter().map(Polygon::area_mm2).sum::<f64>() > LEAST_OVERLAP_MM2
    };
    let (under, mut apart): (Vec<Polygon>, Vec<Polygon>) = pieces.iter().cloned().partition(overlaps);
    apart.extend(if under.is_empty() { shape } else { clip::union(&under, &shape) });
    apart
}

/// The pieces with a vertex at `place` moved `by`; where there is none yet one is inserted. As they
/// are where they have no such place.
#[must_use]
pub fn point_moved(polygons: &[Polygon], place: &OutlinePlace, by: Vector2) -> Vec<Polygon> {
    let Some(ring) = ring_under(polygons, place) else { return polygons.to_vec() };
    let mut changed = ring.clone();
    if place.along > 0.0 {
        changed.insert(place.edge + 1, place.point + by);
        if by == Vector2::zeros() {
            // On the outline itself nothing can cross.
            let mut same = polygons.to_vec();
            if let Some(own) = same.get_mut(place.piece).and_then(|own| own.ring_mut(place.ring)) {
                *own = changed;
            }
            return same;
        }
    } else {
        changed[place.edge] += by;
    }
    with_ring(polygons, place.piece, place.ring, &changed)
}

/// The ring with `place` as its first vertex, inserted where there is none yet.
fn begun_at(ring: &Ring, place: &OutlinePlace) -> Ring {
    let mut points = ring.clone();
    let mut first = place.edge;
    if place.along > 0.0 {
        first += 1;
        points.insert(first, place.point);
    }
    points.rotate_left(first);
    points
}

/// The pieces without the vertex at `place`; `None` when its ring has but three, or there is none.
#[must_use]
pub fn point_removed(polygons: &[Polygon], place: &OutlinePlace) -> Option<Vec<Polygon>> {
    let ring = ring_under(polygons, place).filter(|ring| ring.len() > 3)?;
    let mut changed = ring.clone();
    changed.remove(place.edge);
    Some(with_ring(polygons, place.piece, place.ring, &changed))
}

/// The pieces with the outline bent at `place`: the place itself moves `by` times `weight` of 0,
/// others less with their distance along the outline, nothing from `reach_mm` on (and never round
/// the back of the ring). `weight` takes that distance, mm.
#[must_use]
pub fn bent(
    polygons: &[Polygon],
    place: &OutlinePlace,
    by: Vector2,
    reach_mm: f64,
    weight: impl Fn(f64) -> f64,
) -> Vec<Polygon> {
    let Some(ring) = ring_under(polygons, place) else { return polygons.to_vec() };
    let points = begun_at(ring, place);
    let count = points.len();
    let lengths: Vec<f64> = edges(&points).map(|(_, a, b)| (b - a).norm()).collect();
    let whole: f64 = lengths.iter().sum();
    let reach = reach_mm.min(whole / 2.0);
    let longest = (reach / 16.0).max(0.1);
    let moved = |point: Point2, from_middle: f64| {
        let away = from_middle.min(whole - from_middle);
        if away < reach { point + by * weight(away) } else { point }
    };
    let mut changed = Vec::with_capacity(count * 2);
    let mut walked = 0.0;
    for (edge, a, b) in edges(&points) {
        changed.push(moved(a, walked));
        let length = lengths[edge];
        let nearest = if walked + length / 2.0 < whole / 2.0 { walked } else { whole - walked - length };
        if nearest < reach && length > longest {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let parts = (length / longest).ceil().clamp(1.0, 5000.0) as u32;
            let mut places: Vec<f64> = (1..parts)
                .map(|part| walked + length * (f64::from(part) / f64::from(parts)))
                .filter(|at| at.min(whole - at) < reach)
                .collect();
            // Where the bend ends the outline goes on as it was.
            places.extend(
                [reach, whole - reach].into_iter().filter(|at| *at > walked && *at < walked + length),
            );
            places.sort_by(f64::total_cmp);
            places.dedup();
            changed.extend(places.into_iter().map(|at| moved(a + (b - a) * ((at - walked) / length), at)));
        }
        walked += length;
    }
    with_ring(polygons, place.piece, place.ring, &changed)
}

/// The part of `ring` from `from` to `to` in the ring's own direction, both places included.
fn part(ring: &Ring, from: &OutlinePlace, to: &OutlinePlace) -> Vec<Point2> {
    let mut points = vec![from.point];
    let count = ring.len();
    let straight = from.edge == to.edge && from.along <= to.along;
    if !straight {
        let mut at = (from.edge + 1) % count;
        loop {
            points.push(ring[at]);
            if at == to.edge {
                break;
            }
            at = (at + 1) % count;
        }
    }
    points.push(to.point);
    points.dedup();
    points
}

/// Points at equal parts of the length of `line`, ends included.
fn evenly(line: &[Point2]) -> Vec<Point2> {
    let whole: f64 = line.windows(2).map(|ends| (ends[1] - ends[0]).norm()).sum();
    let mut out = Vec::new();
    let (mut walked, mut next) = (0.0, 0_u32);
    for ends in line.windows(2) {
        let length = (ends[1] - ends[0]).norm();
        while next <= COMPARED {
            let wanted = whole * f64::from(next) / f64::from(COMPARED);
            if wanted > walked + length + 1e-12 {
                break;
            }
            let t = if length > 0.0 { ((wanted - walked) / length).clamp(0.0, 1.0) } else { 0.0 };
            out.push(ends[0] + (ends[1] - ends[0]) * t);
            next += 1;
        }
        walked += length;
    }
    out
}

/// The mean distance between two lines walked at the same rate, mm.
fn deviation(a: &[Point2], b: &[Point2]) -> f64 {
    let (a, b) = (evenly(a), evenly(b));
    let count = a.len().min(b.len());
    let sum: f64 = a.iter().zip(&b).map(|(a, b)| (a - b).norm()).sum();
    #[expect(clippy::cast_precision_loss, reason = "at most 65")]
    let mean = sum / count as f64;
    if count == 0 { 0.0 } else { mean }
}

/// Where a-b crosses the ring: how far along a-b, and the place.
fn crossings(
    polygons: &[Polygon],
    (piece, ring): (usize, usize),
    a: Point2,
    b: Point2,
) -> Vec<(f64, OutlinePlace)> {
    let Some(points) = ring_of(polygons, piece, ring) else { return Vec::new() };
    let by = b - a;
    let mut found: Vec<(f64, OutlinePlace)> = edges(points)
        .filter_map(|(edge, c, d)| {
            let along_edge = d - c;
            let turn = by.perp(&along_edge);
            if turn == 0.0 {
                return None;
            }
            let t = (c - a).perp(&along_edge) / turn;
            let along = (c - a).perp(&by) / turn;
            ((0.0..=1.0).contains(&t) && (0.0..1.0).contains(&along)).then(|| {
                let place = OutlinePlace { piece, ring, edge, along, point: c + along_edge * along };
                (t, place)
            })
        })
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found
}

/// The stroke from the outline on: the place where it leaves it, and its points after that.
///
/// That is the last crossing within `near_mm` of stroke from its start; else the place nearest to
/// the start within `near_mm`; else the first crossing.
fn from_outline(
    polygons: &[Polygon],
    on: (usize, usize),
    stroke: &[Point2],
    near_mm: f64,
) -> Option<(OutlinePlace, Vec<Point2>)> {
    let mut walked = 0.0;
    let mut early = None;
    let mut first = None;
    for (index, ends) in stroke.windows(2).enumerate() {
        let length = (ends[1] - ends[0]).norm();
        for (t, place) in crossings(polygons, on, ends[0], ends[1]) {
            first = first.or(Some((index + 1, place)));
            if walked + length * t <= near_mm {
                early = Some((index + 1, place));
            }
        }
        walked += length;
        if walked > near_mm && first.is_some() {
            break;
        }
    }
    let start = *stroke.first()?;
    let own: Vec<Polygon> = vec![Polygon::from_outer(ring_of(polygons, on.0, on.1)?.clone())];
    let foot = || {
        let place = nearest_on_outline(&own, start, near_mm)?;
        Some((0, OutlinePlace { piece: on.0, ring: on.1, ..place }))
    };
    let (rest, place) = early.or_else(foot).or(first)?;
    Some((place, stroke[rest..].to_vec()))
}

/// The pieces with the part of one outline that `stroke` runs along replaced by it; `None` when the
/// stroke does not start and end on the same outline, within `near_mm` of it or by crossing it.
///
/// The two places divide the outline into two parts; the one from which the stroke deviates less
/// is replaced: the mean distance between places at the same fraction of both lengths. A stroke that
/// comes back to where it started so replaces the whole outline, and one right across a piece
/// takes its smaller side away.
#[must_use]
pub fn part_replaced(polygons: &[Polygon], stroke: &[Point2], near_mm: f64) -> Option<Vec<Polygon>> {
    let (start, end) = (*stroke.first()?, *stroke.last()?);
    if stroke.len() < 2 {
        return None;
    }
    // The ring nearest to the start, then any other that the stroke starts and ends on.
    let nearest = nearest_on_outline(polygons, start, near_mm).map(|place| (place.piece, place.ring));
    let others = rings(polygons).map(|(piece, ring, _)| (piece, ring)).filter(|on| Some(*on) != nearest);
    let reversed: Vec<Point2> = stroke.iter().rev().copied().collect();
    let found = nearest.into_iter().chain(others).find_map(|on| {
        let (from, after) = from_outline(polygons, on, stroke, near_mm)?;
        let (to, before) = from_outline(polygons, on, &reversed, near_mm)?;
        // What is left of the stroke between the two places.
        let (skip, take) = (stroke.len() - after.len(), before.len());
        (skip <= take && (from.point != to.point || (start - end).norm() <= near_mm))
            .then(|| (from, to, stroke[skip..take].to_vec()))
    })?;
    let (from, to, between) = found;
    let mut line = vec![from.point];
    line.extend(between);
    line.push(to.point);
    line.dedup();
    let ring = ring_of(polygons, from.piece, from.ring)?;
    let ahead = part(ring, &from, &to);
    let behind: Vec<Point2> = {
        let mut back = part(ring, &to, &from);
        back.reverse();
        back
    };
    let changed: Ring = if deviation(&line, &ahead) <= deviation(&line, &behind) {
        // Ahead goes: the stroke, then on from `to` to `from`.
        line.iter().chain(part(ring, &to, &from).iter().skip(1)).copied().collect()
    } else {
        line.iter().rev().chain(part(ring, &from, &to).iter().skip(1)).copied().collect()
    };
    let mut changed = changed;
    changed.dedup();
    while changed.len() > 1 && changed.first() == changed.last() {
        changed.pop();
    }
    (changed.len() >= 3 && ring_area(&changed) != 0.0)
        .then(|| with_ring(polygons, from.piece, from.ring, &changed))
}

#[cfg(test)]
mod tests;
