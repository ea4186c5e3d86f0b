//! The solid that a stack of contours stands for, as a signed distance; see the parent.
//!
//! What is asked for is the distance at a place, or the side of all that lies around it. Within a slice a distance
//! differs from place to place by no more than the way between them, so that one distance and a radius tell
//! the side of a circle; what lies between two slices has the side that both have there, whatever its height:
//! a mean of two distances of one sign has it too. Pieces that end between the slices add the height of their end.

use super::field::Field;
use super::short;
use crate::edit::between::overlap;
use crate::edit::reoriented;
use crate::geometry::{Plane, Point2, Polygon, Vector2};
use crate::patient::{Roi, Volume};
use std::sync::{Arc, OnceLock};

/// The structure that is pushed, as it was when the push began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Solid<'a> {
    pub roi: &'a Roi,
    pub volume: &'a Volume,
    /// The coordinates of the stack.
    pub base: &'a Plane,
}

/// A place on the lattice in the slices' planes: so far, in parts of the pitch, behind a point.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub point: [i32; 2],
    pub parts: [f32; 2],
}

/// What lies between two neighbouring slices, or beyond the outermost.
#[derive(Debug)]
pub(super) struct Gap {
    low_mm: f64,
    high_mm: f64,
    /// The pieces of both that overlap.
    joined: Option<[Arc<Field>; 2]>,
    /// The pieces of each that overlap none of the other, and the offset where they end.
    alone: [Option<(Arc<Field>, f64)>; 2],
}

/// The distances of contours on slices, on one lattice in the slices' planes for all of them.
#[derive(Debug)]
pub(super) struct Stack {
    pitch_mm: f64,
    reach_mm: f64,
    offsets_mm: Vec<f64>,
    /// In the coordinates of the stack.
    contours: Vec<OnceLock<Vec<Polygon>>>,
    /// By the slice above it.
    gaps: Vec<OnceLock<Gap>>,
    /// The distances to all contours of a slice.
    whole: Vec<OnceLock<Arc<Field>>>,
}

fn empty<T>(count: usize) -> Vec<OnceLock<T>> {
    let mut cells = Vec::new();
    cells.resize_with(count, OnceLock::new);
    cells
}

impl Stack {
    /// One that nothing has been asked of. Distances count up to `reach_mm`: what is further off is that far.
    pub(super) fn new(volume: &Volume, reach_mm: f64, pitch_mm: f64) -> Self {
        let slices = volume.slices.len();
        Self {
            pitch_mm,
            reach_mm,
            offsets_mm: volume.slices.iter().map(|slice| slice.plane.offset_mm()).collect(),
            contours: empty(slices),
            gaps: empty(slices + 1),
            whole: empty(slices),
        }
    }

    /// The contours of a slice, every ring with the inside on its left.
    pub(super) fn contours(&self, solid: Solid<'_>, slice: usize) -> &[Polygon] {
        self.contours[slice].get_or_init(|| {
            let own = solid.roi.plane_at(&solid.volume.slices[slice].plane);
            own.map_or_else(Vec::new, |own| reoriented(&turned(&own.polygons), &own.plane, solid.base))
        })
    }

    /// The distances to all contours of a slice.
    pub(super) fn whole(&self, solid: Solid<'_>, slice: usize) -> &Arc<Field> {
        self.whole[slice].get_or_init(|| self.field(self.contours(solid, slice)))
    }

    fn field(&self, polygons: &[Polygon]) -> Arc<Field> {
        Arc::new(Field::new(polygons, self.pitch_mm, self.reach_mm))
    }

    /// The gap below the slice `above`.
    fn gap(&self, solid: Solid<'_>, above: usize) -> &Gap {
        self.gaps[above].get_or_init(|| {
            let below = above.checked_sub(1);
            let above = (above < self.offsets_mm.len()).then_some(above);
            let own_of = |slice: Option<usize>| slice.map_or(&[][..], |slice| self.contours(solid, slice));
            let (own_below, own_above) = (own_of(below), own_of(above));
            // Which pieces of the slice below and of that above overlap any of the other.
            let mut flags = [vec![false; own_below.len()], vec![false; own_above.len()]];
            for (i, a) in own_below.iter().enumerate() {
                for (j, b) in own_above.iter().enumerate() {
                    if !(flags[0][i] && flags[1][j]) && (surely_overlap(a, b) || overlap(a, b)) {
                        flags[0][i] = true;
                        flags[1][j] = true;
                    }
                }
            }
            let part = |slice: Option<usize>, own: &[Polygon], flags: &[bool], wanted: bool| {
                let slice = slice?;
                match flags.iter().filter(|meets| **meets == wanted).count() {
                    0 => None,
                    count if count == own.len() => Some(Arc::clone(self.whole(solid, slice))),
                    _ => {
                        let chosen = own.iter().zip(flags).filter(|(_, meets)| **meets == wanted);
                        let chosen: Vec<Polygon> = chosen.map(|(piece, _)| piece.clone()).collect();
                        Some(self.field(&chosen))
                    }
                }
            };
            let joined = part(below, own_below, &flags[0], true)
                .zip(part(above, own_above, &flags[1], true))
                .map(|(a, b)| [a, b]);
            let offset = |slice: usize| self.offsets_mm[slice];
            let ends_below = below.map(|slice| offset(slice) + solid.volume.slab_of(slice).1);
            let ends_above = above.map(|slice| offset(slice) - solid.volume.slab_of(slice).0);
            let low_mm = below.map(offset).or(ends_above).unwrap_or_default();
            let high_mm = above.map(offset).or(ends_below).unwrap_or_default();
            let alone = [
                part(below, own_below, &flags[0], false).zip(ends_below),
                part(above, own_above, &flags[1], false).zip(ends_above),
            ];
            Gap { low_mm, high_mm, joined, alone }
        })
    }

    /// The number of the gap that holds an offset: of the slice above it.
    pub(super) fn gap_at(&self, offset_mm: f64) -> usize {
        self.offsets_mm.partition_point(|offset| *offset <= offset_mm)
    }

    /// The signed distance (mm, negative inside) at a place and an offset along the normal: between slices
    /// within the planes, beyond an end along the normal. `solid` must be the same whenever it is asked for;
    /// `guess` is the gap of the offset asked for last, near which it mostly lies.
    pub(super) fn distance(&self, solid: Solid<'_>, at: Place, offset_mm: f64, guess: &mut usize) -> f32 {
        let is_above = |slice: usize| self.offsets_mm.get(slice).is_none_or(|offset| *offset > offset_mm);
        if guess.checked_sub(1).is_some_and(is_above) || !is_above(*guess) {
            *guess = self.gap_at(offset_mm);
        }
        let gap = self.gap(solid, *guess);
        let of = |field: &Field| field.distance(at.point, at.parts);
        let mut nearest = short(self.reach_mm);
        if let Some([low, high]) = &gap.joined {
            let t = ((offset_mm - gap.low_mm) / (gap.high_mm - gap.low_mm).max(1e-6)).clamp(0.0, 1.0);
            let t = short(t);
            nearest = of(low) * (1.0 - t) + of(high) * t;
        }
        if let Some((field, end_mm)) = &gap.alone[0] {
            nearest = nearest.min(of(field).max(short(offset_mm - end_mm)));
        }
        if let Some((field, end_mm)) = &gap.alone[1] {
            nearest = nearest.min(of(field).max(short(end_mm - offset_mm)));
        }
        nearest
    }

    /// Whether all that lies within `radius_mm` of a place in the planes and between two offsets lies inside,
    /// or all outside, so that no distance there has the other sign; `None` where it may not.
    pub(super) fn side(
        &self,
        solid: Solid<'_>,
        at: Place,
        radius_mm: f32,
        (low_mm, high_mm): (f64, f64),
    ) -> Option<bool> {
        let mut all = None;
        for gap in self.gap_at(low_mm)..=self.gap_at(high_mm) {
            let gap = self.gap(solid, gap);
            let side = |field: &Field| field.side(at.point, at.parts, radius_mm);
            let mut inside = false;
            if let Some([low, high]) = &gap.joined {
                let own = side(low)?;
                if side(high)? != own {
                    return None;
                }
                inside |= own;
            }
            for (end, alone) in gap.alone.iter().enumerate() {
                let Some((field, end_mm)) = alone else { continue };
                if side(field)? {
                    let (holds, misses) = if end == 0 {
                        (high_mm < *end_mm, low_mm > *end_mm)
                    } else {
                        (low_mm > *end_mm, high_mm < *end_mm)
                    };
                    if !holds && !misses {
                        return None;
                    }
                    inside |= holds;
                }
            }
            if *all.get_or_insert(inside) != inside {
                return None;
            }
        }
        all
    }
}

/// Pieces whose outer rings run counter-clockwise and whose holes run clockwise; without rings that enclose
/// nothing.
pub(super) fn turned(polygons: &[Polygon]) -> Vec<Polygon> {
    let pieces = polygons.iter().filter(|piece| piece.outer.len() >= 3).cloned();
    let mut turned: Vec<Polygon> = pieces.map(Polygon::oriented).collect();
    turned.iter_mut().for_each(|piece| piece.holes.retain(|hole| hole.len() >= 3));
    turned
}

/// Vertices of each piece that are tried at most.
const TRIED: usize = 16;

/// How far around a vertex the other piece must hold it, mm: so that they do not only touch.
const AROUND_MM: f64 = 1e-3;

/// Whether a vertex of one piece lies well within the other: then they overlap, at little cost.
fn surely_overlap(a: &Polygon, b: &Polygon) -> bool {
    let holds = |other: &Polygon, own: &Polygon| {
        let Some((low, high)) = other.bounds() else { return false };
        let vertices = own.outer.iter().step_by(own.outer.len().div_ceil(TRIED).max(1));
        let around = [(1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (1.0, -1.0)];
        let is_within =
            |point: &&Point2| low.x < point.x && point.x < high.x && low.y < point.y && point.y < high.y;
        vertices.filter(is_within).any(|vertex| {
            around.iter().all(|(x, y)| other.contains(vertex + Vector2::new(*x, *y) * AROUND_MM))
        })
    };
    holds(b, a) || holds(a, b)
}
