//! Pushing a structure through space with a round tool: along the slices' normal too, so that an
//! end grows onto slices it was not on, or leaves those it was on.
//!
//! The tool carries the solid that the contours stand for. Every point of a slice is followed back
//! to where it came from; it belongs to the structure when it came from inside. A push is a chain of
//! short moves; what one of them does to space is given by where the points come from, in closed
//! form: `source(p) = p - w(p) by`, with `w` one at the tool's centre after the move and nothing at
//! its radius. That is one-to-one while a move is at most a quarter of the radius (the slope of `w`
//! is at most 1.54 over the radius), so nothing tears or folds, and what lay under the tool's centre
//! lies there still.
//!
//! What a slice holds is worked out from the contours that the push began on, through all moves: it
//! adds up nothing, and a push that comes to no more than a hair between two slices is not lost. But
//! only where the last moves reach: around them the outlines of before go on as they are
//! ([`splice::replaced`]), so that what a stroke has passed costs a move nothing. Where the stroke goes over
//! its own way it does: points there are followed back through all moves whose block reaches them, so that
//! an event costs the more the longer a stroke stays in one place. And where the outlines before and now do
//! not meet at the border of what is worked out, a slice is worked out from the beginning, as wide as the
//! stroke.
//!
//! Between slices the solid is what [`section::cut`](crate::geometry::section::cut) shows across them. Pieces
//! that overlap are joined straight, here by their signed distances (Raya and Udupa, IEEE Trans.
//! Med. Imaging 9, 1990); a piece without counterpart ends flat at the border of its slab.

mod stack;

use self::stack::{Reader, Solid, Stack};
use super::{reoriented, same_polygons};
use crate::geometry::signed_field::Lattice;
use crate::geometry::{Plane, Point2, Point3, Polygon, Ring, Vector2, Vector3, splice, trace};
use crate::patient::{Roi, Volume};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

/// The longest move in one piece, as a part of the radius.
const LONGEST: f64 = 0.25;

/// What moves less keeps its contours as they are, mm.
const STILL_MM: f32 = 0.002;

/// One move of the tool, in the coordinates of the stack: those of the slices' planes, and the
/// offset along their normal.
#[derive(Debug, Clone, Copy)]
struct Move {
    /// The centre before it.
    from: Point3,
    /// The centre after it.
    to: Point3,
    by: Vector3,
    radius_mm: f64,
}

impl Move {
    /// Where what lies at `point` after the move lay before.
    fn source(&self, point: Point3) -> Point3 {
        let rest = 1.0 - (point - self.to).norm_squared() / (self.radius_mm * self.radius_mm);
        if rest > 0.0 { point - self.by * (rest * rest) } else { point }
    }

    /// The radius of the tool on the slice at this offset, mm; 0 where it does not reach.
    fn radius_on(&self, offset_mm: f64) -> f64 {
        let height = offset_mm - self.to.z;
        (self.radius_mm * self.radius_mm - height * height).max(0.0).sqrt()
    }
}

/// How many moves are passed over at once by points that none of them reaches.
const BLOCK: usize = 16;

/// Lattice points around what moves that are worked out too.
const MARGIN: i64 = 5;

/// How far inside the border of what is worked out the border of what is taken over lies, lattice
/// points: on no line of the lattice, where traced outlines have their vertices.
const INSIDE: f64 = 2.374_1;

/// Where the outlines before and now cross the border of what is taken over they are the same, but
/// for rounding, mm.
const APART_MM: f64 = 1e-4;

/// A push under way; see the module.
#[derive(Debug)]
pub struct SolidPush {
    /// How far around the tool the contours are looked at, mm.
    reach_mm: f64,
    pitch_mm: f64,
    moves: Vec<Move>,
    /// The boxes that hold what each block of moves reaches.
    blocks: Vec<(Point3, Point3)>,
    /// The moves that were made or taken back since the contours were asked for last.
    changed: Vec<Move>,
    stack: Option<Stack>,
    /// The contours of every slice that the push has reached, as they were last.
    results: BTreeMap<usize, Vec<Polygon>>,
}

/// A part of the lattice: its first point, by numbers from the origin of the stack, and its size.
#[derive(Debug, Clone, Copy)]
struct Part {
    low: [i64; 2],
    size: [usize; 2],
}

impl SolidPush {
    /// One with a tool of about `radius_mm` on images with pixels of `pixel_mm`.
    #[must_use]
    pub fn new(radius_mm: f64, pixel_mm: f64) -> Self {
        // Fine enough for the tool and for half a pixel; large tools keep to what can be worked out
        // while the hand moves.
        let pitch_mm = (radius_mm / 16.0).min(pixel_mm / 2.0).max(radius_mm / 60.0).max(0.05);
        Self {
            reach_mm: radius_mm,
            pitch_mm,
            moves: Vec::new(),
            blocks: Vec::new(),
            changed: Vec::new(),
            stack: None,
            results: BTreeMap::new(),
        }
    }

    /// The tool, of this radius, goes on from `from` to `to` (patient mm). However small the steps,
    /// moves are pieced together up to the longest that is one-to-one; so small ways there and back
    /// come to nothing.
    pub fn go_on(&mut self, volume: &Volume, from: Point3, to: Point3, radius_mm: f64) {
        let Some(base) = volume.base_plane() else { return };
        let (mut from, to) = (in_stack(&base, from), in_stack(&base, to));
        let longest = radius_mm * LONGEST;
        let last = self.moves.last().filter(|last| last.radius_mm == radius_mm);
        if let Some(last) = last.filter(|last| (to - last.from).norm() <= longest) {
            from = last.from;
            self.changed.extend(self.moves.pop());
        }
        // A block that is not full is bounded anew: it loses a move, or more come to it.
        self.blocks.truncate(self.moves.len() / BLOCK);
        let whole = to - from;
        let length = whole.norm();
        if length > 0.0 && longest > 0.0 {
            // Whole moves and a rest, as small steps would come to.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let count = (length / longest - 1e-9).ceil().clamp(1.0, 1000.0) as u32;
            for number in 1..=count {
                let part = longest * f64::from(number) / length;
                let next = if number < count { from + whole * part } else { to };
                let before = self.moves.last().filter(|_| number > 1).map_or(from, |last| last.to);
                let own = Move { from: before, to: next, by: next - before, radius_mm };
                self.moves.push(own);
                self.changed.push(own);
            }
        }
        for block in self.blocks.len()..self.moves.len().div_ceil(BLOCK) {
            let moves = &self.moves[block * BLOCK..self.moves.len().min((block + 1) * BLOCK)];
            let around = |own: &Move| {
                let reach = Vector3::new(own.radius_mm, own.radius_mm, own.radius_mm);
                (own.to - reach, own.to + reach)
            };
            let bounds = moves.iter().map(around).reduce(|(al, ah), (bl, bh)| (al.inf(&bl), ah.sup(&bh)));
            self.blocks.extend(bounds);
        }
    }

    /// The contours of every slice that the push has come to since they were asked for last, as they
    /// are now, in the coordinates of the plane of `roi` there, or of the slice where it has none.
    /// `roi` and `volume` must be the same for the whole push. What the tool does not move keeps its
    /// bits.
    pub fn contours(&mut self, roi: &Roi, volume: &Volume) -> Vec<(usize, Vec<Polygon>)> {
        let Some(base) = volume.base_plane() else { return Vec::new() };
        let changed = std::mem::take(&mut self.changed);
        let slices = reaches(&changed, volume);
        let stack = self.stack.get_or_insert_with(|| Stack::new(volume, self.reach_mm, self.pitch_mm));
        for own in &changed {
            let reach =
                Vector2::new(own.radius_mm, own.radius_mm) + Vector2::new(1.0, 1.0) * self.pitch_mm * 8.0;
            stack.make_room(own.to.xy() - reach, own.to.xy() + reach);
        }
        let Some(stack) = &self.stack else { return Vec::new() };
        let solid = Solid { roi, volume, base: &base };
        let now: Vec<(usize, Vec<Polygon>)> = slices
            .into_par_iter()
            .map(|slice| {
                let own = roi.plane_at(&volume.slices[slice].plane);
                let before = own.map_or(&[][..], |own| &own.polygons);
                let sheet = Sheet {
                    offset_mm: volume.slices[slice].plane.offset_mm(),
                    plane: own.map_or(volume.slices[slice].plane, |own| own.plane),
                    before,
                    base: &base,
                };
                let last = self.results.get(&slice).map_or(before, Vec::as_slice);
                (slice, self.advanced(&mut stack.reader(solid), &sheet, &changed, last))
            })
            .collect();
        self.results.extend(now.iter().cloned());
        now
    }

    /// The contours of a slice now, from those before these moves were made or taken back.
    fn advanced(
        &self,
        reader: &mut Reader<'_>,
        sheet: &Sheet<'_>,
        changed: &[Move],
        last: &[Polygon],
    ) -> Vec<Polygon> {
        let Some(part) = self.part(sheet, changed) else { return last.to_vec() };
        let taken_over = |reader: &mut Reader<'_>, part: Part, last: &[Polygon]| {
            let at = |number: f64, axis: usize| (part.low[axis] as f64 + number) * self.pitch_mm;
            let bounds = |inside: f64| {
                let (low, high) = ([0, 1].map(|axis| at(inside, axis)), {
                    [0, 1].map(|axis| at((part.size[axis] - 1) as f64 - inside, axis))
                });
                sheet.rectangle(low, high)
            };
            let near = splice::intersection(sheet.before, &[Polygon::from_outer(bounds(0.5))]);
            let own = self.pushed(reader, sheet, part, &near).unwrap_or(near);
            splice::replaced(last, &bounds(INSIDE), &own, APART_MM)
        };
        let now = taken_over(reader, part, last).or_else(|| {
            // From the beginning.
            taken_over(reader, self.part(sheet, &self.moves)?, sheet.before)
        });
        let now = now.or_else(|| self.pushed(reader, sheet, self.part(sheet, &self.moves)?, sheet.before));
        now.filter(|now| !same_polygons(now, sheet.before)).unwrap_or_else(|| sheet.before.to_vec())
    }

    /// What of the lattice these moves reach on a slice, and as much around it as the outlines there
    /// need; `None` where they reach nothing.
    fn part(&self, sheet: &Sheet<'_>, moves: &[Move]) -> Option<Part> {
        let discs = moves.iter().map(|own| (own.to.xy(), own.radius_on(sheet.offset_mm)));
        let bounds = discs.filter(|(_, radius)| *radius > 0.0).map(|(center, radius)| {
            let reach = Vector2::new(radius, radius);
            (center - reach, center + reach)
        });
        let (low, high) = bounds.reduce(|(al, ah), (bl, bh)| (al.inf(&bl), ah.sup(&bh)))?;
        #[expect(clippy::cast_possible_truncation, reason = "millimetres over the pitch")]
        let number = |at: f64| (at / self.pitch_mm).floor() as i64;
        let low = [low.x, low.y].map(|at| number(at) - MARGIN);
        let high = [high.x, high.y].map(|at| number(at) + 1 + MARGIN);
        let size = [0, 1].map(|axis| usize::try_from(high[axis] - low[axis] + 1).unwrap_or(0));
        Some(Part { low, size })
    }

    /// Where what lies at `point` now lay when the push began.
    fn source(&self, mut point: Point3) -> Point3 {
        for (block, (low, high)) in self.blocks.iter().enumerate().rev() {
            let is_near = (0..3).all(|axis| low[axis] < point[axis] && point[axis] < high[axis]);
            if is_near {
                let moves = &self.moves[block * BLOCK..self.moves.len().min((block + 1) * BLOCK)];
                point = moves.iter().rev().fold(point, |point, own| own.source(point));
            }
        }
        point
    }

    /// The contours of a slice after the push within a part of the lattice, from those `before`;
    /// `None` when they stay as they are.
    fn pushed(
        &self,
        reader: &mut Reader<'_>,
        sheet: &Sheet<'_>,
        part: Part,
        before: &[Polygon],
    ) -> Option<Vec<Polygon>> {
        let [nx, ny] = part.size;
        let point = |pixel: usize| {
            let number = |axis: usize, at: usize| (part.low[axis] as f64 + at as f64) * self.pitch_mm;
            Point3::new(number(0, pixel % nx), number(1, pixel / nx), sheet.offset_mm)
        };
        let sources: Vec<Point3> = (0..nx * ny).map(|pixel| self.source(point(pixel))).collect();
        #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
        let moved: Vec<f32> =
            sources.iter().enumerate().map(|(at, source)| (source - point(at)).norm() as f32).collect();
        // Nothing is put in further off than a point beside what moves.
        let mut counts = vec![false; nx * ny];
        for at in (0..nx * ny).filter(|at| moved[*at] > 0.0) {
            let (x, y) = (at % nx, at / nx);
            for row in y.saturating_sub(1)..(y + 2).min(ny) {
                counts[row * nx + x.saturating_sub(1)..row * nx + (x + 2).min(nx)].fill(true);
            }
        }
        let mut depths = vec![-1.0_f32; nx * ny];
        // Whether something of what moves lies inside and outside, before or after.
        let mut sides = [false; 2];
        for at in (0..nx * ny).filter(|at| counts[*at]) {
            let value = reader.distance(sources[at]);
            if moved[at] > 0.0 && sides != [true, true] {
                sides[usize::from(value <= 0.0)] = true;
                sides[usize::from(reader.distance(point(at)) <= 0.0)] = true;
            }
            depths[at] = -value;
        }
        if sides != [true, true] || !moved.iter().any(|by| *by >= STILL_MM) {
            return None;
        }
        let low = Point2::new(part.low[0] as f64 * self.pitch_mm, part.low[1] as f64 * self.pitch_mm);
        let frame = Lattice { low, pitch_mm: self.pitch_mm, size: part.size }.frame()?;
        let traced = |values: &[f32], level: f32| {
            let outlines = frame.map(&trace::field_slice(values, nx, ny, level), [0, 0]);
            reoriented(&outlines, &sheet.base.at_offset(sheet.offset_mm), &sheet.plane)
        };
        // What is put in reaches a little over the edge of what is taken out, so that no seam stays.
        let (out, put) = (traced(&moved, STILL_MM), traced(&moved, STILL_MM / 4.0));
        let inside = splice::intersection(&traced(&depths, 0.0), &put);
        Some(splice::union(&splice::difference(before, &out), &inside))
    }
}

/// A slice that is pushed.
struct Sheet<'a> {
    offset_mm: f64,
    /// Whose coordinates its contours have.
    plane: Plane,
    /// The contours that the push began on.
    before: &'a [Polygon],
    /// The coordinates of the stack.
    base: &'a Plane,
}

impl Sheet<'_> {
    /// A rectangle in the coordinates of the stack, in those of the contours, counter-clockwise.
    fn rectangle(&self, low: [f64; 2], high: [f64; 2]) -> Ring {
        let corners = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])];
        let ring = Polygon::from_outer(corners.map(|(x, y)| Point2::new(x, y)).to_vec());
        let here = self.base.at_offset(self.offset_mm);
        reoriented(&[ring], &here, &self.plane).into_iter().next().unwrap_or_default().outer
    }
}

/// The slices whose planes the tool meets on these moves.
fn reaches(moves: &[Move], volume: &Volume) -> Range<usize> {
    let heights = moves.iter().map(|own| (own.to.z - own.radius_mm, own.to.z + own.radius_mm));
    let Some((low, high)) = heights.reduce(|(al, ah), (bl, bh)| (al.min(bl), ah.max(bh))) else {
        return 0..0;
    };
    let first = volume.slices.partition_point(|slice| slice.plane.offset_mm() <= low);
    let end = volume.slices.partition_point(|slice| slice.plane.offset_mm() < high);
    first..end.max(first)
}

fn in_stack(base: &Plane, point: Point3) -> Point3 {
    let foot: Point2 = base.project(point);
    Point3::new(foot.x, foot.y, base.normal().dot(&point.coords))
}

#[cfg(test)]
mod tests;
