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
//! All of it is worked out anew from the contours that the push began on: it adds up nothing, and a
//! push that comes to no more than a hair between two slices is not lost.
//!
//! Between slices the solid is what [`section::cut`](crate::geometry::section::cut) shows across them. Pieces
//! that overlap are joined straight, here by their signed distances (Raya and Udupa, IEEE Trans.
//! Med. Imaging 9, 1990); a piece without counterpart ends flat at the border of its slab.

mod stack;

use self::stack::Stack;
use super::reoriented;
use crate::geometry::{Plane, Point2, Point3, Polygon, Vector3, clip, trace};
use crate::patient::{Roi, Volume};
use rayon::prelude::*;
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

/// A push under way; see the module.
#[derive(Debug)]
pub struct SolidPush {
    /// How far around the tool the contours are looked at, mm.
    reach_mm: f64,
    pitch_mm: f64,
    moves: Vec<Move>,
    stack: Option<Stack>,
    /// The slices reached by any state of the push.
    reached: Range<usize>,
}

impl SolidPush {
    /// One with a tool of about `radius_mm` on images with pixels of `pixel_mm`.
    #[must_use]
    pub fn new(radius_mm: f64, pixel_mm: f64) -> Self {
        // Fine enough for the tool and for half a pixel; large tools keep to what can be worked out
        // while the hand moves.
        let pitch_mm = (radius_mm / 16.0).min(pixel_mm / 2.0).max(radius_mm / 60.0).max(0.05);
        Self { reach_mm: radius_mm, pitch_mm, moves: Vec::new(), stack: None, reached: 0..0 }
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
            self.moves.pop();
        }
        let whole = to - from;
        let length = whole.norm();
        if !(length > 0.0 && longest > 0.0) {
            return;
        }
        // Whole moves and a rest, as small steps would come to.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let count = (length / longest - 1e-9).ceil().clamp(1.0, 1000.0) as u32;
        for number in 1..=count {
            let part = longest * f64::from(number) / length;
            let next = if number < count { from + whole * part } else { to };
            let before = self.moves.last().filter(|_| number > 1).map_or(from, |last| last.to);
            self.moves.push(Move { from: before, to: next, by: next - before, radius_mm });
        }
    }

    /// The contours of every slice that the push has reached, as they are now, in the coordinates of
    /// the plane of `roi` there, or of the slice where it has none. `roi` and `volume` must be the
    /// same for the whole push. What the tool does not move keeps its bits.
    pub fn contours(&mut self, roi: &Roi, volume: &Volume) -> Vec<(usize, Vec<Polygon>)> {
        let Some(base) = volume.base_plane() else { return Vec::new() };
        let now = self.reaches(volume);
        self.reached = match (self.reached.is_empty(), now.is_empty()) {
            (true, _) => now.clone(),
            (_, true) => self.reached.clone(),
            _ => self.reached.start.min(now.start)..self.reached.end.max(now.end),
        };
        let bounds = self.moves.iter().map(|own| {
            let reach = crate::geometry::Vector2::new(own.radius_mm, own.radius_mm);
            (own.to.xy() - reach, own.to.xy() + reach)
        });
        let bounds = bounds.reduce(|(al, ah), (bl, bh)| (al.inf(&bl), ah.sup(&bh)));
        let (reach_mm, pitch_mm) = (self.reach_mm, self.pitch_mm);
        if let Some((low, high)) = bounds.filter(|_| !now.is_empty()) {
            let stack = match self.stack.take().filter(|stack| stack.covers(low, high)) {
                Some(stack) => stack,
                None => Stack::new(volume, (low, high), reach_mm, pitch_mm),
            };
            self.stack.insert(stack).look_at(roi, volume, &base, now.start..now.end + 1);
        }
        let stack = self.stack.as_ref();
        self.reached
            .clone()
            .into_par_iter()
            .map(|slice| {
                let own = roi.plane_at(&volume.slices[slice].plane);
                let before = own.map_or(&[][..], |own| &own.polygons);
                let after = stack.filter(|_| now.contains(&slice)).and_then(|stack| {
                    let plane = own.map_or(volume.slices[slice].plane, |own| own.plane);
                    self.pushed(stack, volume.slices[slice].plane.offset_mm(), (&base, &plane), before)
                });
                (slice, after.unwrap_or_else(|| before.to_vec()))
            })
            .collect()
    }

    /// The slices whose planes the tool meets on its way.
    fn reaches(&self, volume: &Volume) -> Range<usize> {
        let meets = |slice: &crate::patient::Slice| {
            self.moves.iter().any(|own| own.radius_on(slice.plane.offset_mm()) > 0.0)
        };
        let first = volume.slices.iter().position(meets);
        let last = volume.slices.iter().rposition(meets);
        first.zip(last).map_or(0..0, |(first, last)| first..last + 1)
    }

    /// The contours of a slice after the push, from those `before` in the coordinates of `plane`;
    /// `None` when they stay as they are.
    fn pushed(
        &self,
        stack: &Stack,
        offset_mm: f64,
        (base, plane): (&Plane, &Plane),
        before: &[Polygon],
    ) -> Option<Vec<Polygon>> {
        let discs = self.moves.iter().map(|own| (own.to.xy(), own.radius_on(offset_mm)));
        let window = stack.window(discs.filter(|(_, radius)| *radius > 0.0))?;
        let mut depths = Vec::with_capacity(window.len());
        let mut moved = Vec::with_capacity(window.len());
        // Whether something of what moves lies inside and outside, before or after.
        let mut sides = [false; 2];
        for pixel in window.pixels() {
            let foot = stack.point(pixel);
            let point = Point3::new(foot.x, foot.y, offset_mm);
            let source = self.moves.iter().rev().fold(point, |point, own| own.source(point));
            let value = stack.distance(source);
            #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
            let by = (source - point).norm() as f32;
            if by > 0.0 {
                sides[usize::from(value <= 0.0)] = true;
                sides[usize::from(stack.distance(point) <= 0.0)] = true;
            }
            depths.push(-value);
            moved.push(by);
        }
        if sides != [true, true] || !moved.iter().any(|by| *by >= STILL_MM) {
            return None;
        }
        let [nx, ny] = window.size;
        let frame = stack.frame()?;
        let here = base.at_offset(offset_mm);
        let traced = |values: &[f32], level: f32| {
            reoriented(&frame.map(&trace::field_slice(values, nx, ny, level), window.low), &here, plane)
        };
        // What is put in reaches a little over the edge of what is taken out, so that no seam stays.
        let (out, put) = (traced(&moved, STILL_MM), traced(&moved, STILL_MM / 4.0));
        let inside = clip::intersection(&traced(&depths, 0.0), &put);
        Some(clip::union(&clip::difference(before, &out), &inside))
    }
}

fn in_stack(base: &Plane, point: Point3) -> Point3 {
    let foot: Point2 = base.project(point);
    Point3::new(foot.x, foot.y, base.normal().dot(&point.coords))
}

#[cfg(test)]
mod tests;
