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
//! adds up nothing, and a push that comes to no more than a hair between two slices is not lost. It is worked
//! out on a square lattice (`lattice`), by blocks of 8 x 8 points:
//! - An event works out those blocks anew that its moves reach; the others, which the stroke has passed, stay.
//!   Points there are followed back through all moves that reach them (`chain`), so that an event costs the more
//!   the longer a stroke stays in one place, and the same however far it has come.
//! - Distances are read only where an outline may pass. A distance differs between two places of a slice by no
//!   more than the way between them, and between two slices it lies between theirs; so when the places that 4 x 4
//!   points came from all lie, on every slice around, within a circle that is further from the outlines than
//!   its radius and a cell more, all of them are inside, or all outside, by every reading that could be made
//!   (`stack`, `field`). Nothing is left to chance: contours come out to the bit as with every distance read.
//! - Signed distances of a slice are exact at the points of the lattice, and worked out when they are asked for,
//!   block by block.
//! - Outlines are traced in the cells that have a corner which something was carried to. Elsewhere those of before
//!   go on, vertices with their bits; the two meet on the edges of the lattice between (`joined`).
//!
//! Between slices the solid is what [`section::cut`](crate::geometry::section::cut) shows across them. Pieces
//! that overlap are joined straight, here by their signed distances (Raya and Udupa, IEEE Trans.
//! Med. Imaging 9, 1990); a piece without counterpart ends flat at the border of its slab.

mod chain;
mod field;
mod joined;
mod lattice;
mod slice;
mod stack;
mod wide;

use self::chain::{Chain, Move};
use self::slice::{Around, Care, PushedSlice};
use self::stack::{Solid, Stack};
use crate::geometry::{Plane, Point2, Point3, Polygon};
use crate::patient::{Roi, Volume};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

#[expect(clippy::cast_possible_truncation, reason = "millimetres")]
fn short(mm: f64) -> f32 {
    mm as f32
}

/// A push under way; see the module.
#[derive(Debug)]
pub struct SolidPush {
    /// How far around the tool the contours are looked at, mm.
    reach_mm: f64,
    pitch_mm: f64,
    chain: Chain,
    /// The moves that were made or taken back since the contours were asked for last.
    changed: Vec<Move>,
    stack: Option<Stack>,
    /// Every slice that the push has reached.
    slices: BTreeMap<usize, PushedSlice>,
    care: Care,
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
            chain: Chain::new(pitch_mm),
            changed: Vec::new(),
            stack: None,
            slices: BTreeMap::new(),
            care: Care::Where,
        }
    }

    /// The tool, of this radius, goes on from `from` to `to` (patient mm). However small the steps,
    /// moves are pieced together up to the longest that is one-to-one; so small ways there and back
    /// come to nothing.
    pub fn go_on(&mut self, volume: &Volume, from: Point3, to: Point3, radius_mm: f64) {
        let Some(base) = volume.base_plane() else { return };
        let changed = self.chain.go_on(in_stack(&base, from), in_stack(&base, to), radius_mm);
        self.changed.extend(changed);
    }

    /// The contours of every slice that the push has come to since they were asked for last, as they
    /// are now, in the coordinates of the plane of `roi` there, or of the slice where it has none.
    /// `roi` and `volume` must be the same for the whole push. What the tool does not move keeps its
    /// bits.
    pub fn contours(&mut self, roi: &Roi, volume: &Volume) -> Vec<(usize, Vec<Polygon>)> {
        let Some(base) = volume.base_plane() else { return Vec::new() };
        let changed = std::mem::take(&mut self.changed);
        let stack = self.stack.get_or_insert_with(|| Stack::new(volume, self.reach_mm, self.pitch_mm));
        let around = Around {
            chain: &self.chain,
            stack,
            solid: Solid { roi, volume, base: &base },
            pitch_mm: self.pitch_mm,
            care: self.care,
        };
        let known: Vec<(usize, Option<PushedSlice>)> =
            reaches(&changed, volume).map(|slice| (slice, self.slices.remove(&slice))).collect();
        let now: Vec<(usize, PushedSlice, Vec<Polygon>)> = known
            .into_par_iter()
            .map(|(slice, known)| {
                let mut own = known.unwrap_or_else(|| PushedSlice::new(around, slice));
                let contours = own.contours(around, &changed);
                (slice, own, contours)
            })
            .collect();
        let mut contours = Vec::with_capacity(now.len());
        for (slice, own, polygons) in now {
            self.slices.insert(slice, own);
            contours.push((slice, polygons));
        }
        contours
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
