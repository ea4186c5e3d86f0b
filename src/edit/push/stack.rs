//! The solid that a stack of contours stands for, as a signed distance; see the parent.
//!
//! Worked out tile by tile and gap by gap, where it is asked for and once: what a stroke has passed
//! costs nothing any more.

use crate::edit::between::overlap;
use crate::edit::reoriented;
use crate::geometry::signed_field::{self, Lattice};
use crate::geometry::{Plane, Point2, Point3, Polygon};
use crate::patient::{Roi, Volume};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Signed distances to contours at the points of a tile, mm, negative inside.
type Field = Arc<Vec<f32>>;

/// The structure that is pushed, as it was when the push began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Solid<'a> {
    pub roi: &'a Roi,
    pub volume: &'a Volume,
    /// The coordinates of the stack.
    pub base: &'a Plane,
}

/// What lies between two neighbouring slices, or beyond the outermost, on a tile.
#[derive(Debug)]
struct Gap {
    low_mm: f64,
    high_mm: f64,
    /// The pieces of both that overlap.
    joined: Option<[Field; 2]>,
    /// The pieces of each that overlap none of the other, and the offset where they end.
    alone: [Option<(Field, f64)>; 2],
}

/// Which pieces of the slice below a gap and of the one above it overlap any of the other.
type Meets = [Vec<bool>; 2];

/// A square of the slices' planes.
#[derive(Debug)]
struct Tile {
    low: Point2,
    /// By the slice above it.
    gaps: Vec<OnceLock<Gap>>,
    /// The distances to all contours of a slice.
    whole: Vec<OnceLock<Field>>,
}

/// The distances of contours on slices, on one lattice in the slices' planes for all of them.
#[derive(Debug)]
pub(super) struct Stack {
    pitch_mm: f64,
    reach_mm: f64,
    /// The points along a tile's side, less one.
    side: usize,
    offsets_mm: Vec<f64>,
    /// In the coordinates of the stack.
    contours: Vec<OnceLock<Vec<Polygon>>>,
    meets: Vec<OnceLock<Meets>>,
    tiles: BTreeMap<(i64, i64), Tile>,
}

fn empty<T>(count: usize) -> Vec<OnceLock<T>> {
    let mut cells = Vec::new();
    cells.resize_with(count, OnceLock::new);
    cells
}

impl Stack {
    /// One that holds no tile yet. Distances count up to `reach_mm`: what is further off is that far.
    pub(super) fn new(volume: &Volume, reach_mm: f64, pitch_mm: f64) -> Self {
        let slices = volume.slices.len();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let side = (reach_mm * 2.0 / pitch_mm).ceil().clamp(8.0, 400.0) as usize;
        Self {
            pitch_mm,
            reach_mm,
            side,
            offsets_mm: volume.slices.iter().map(|slice| slice.plane.offset_mm()).collect(),
            contours: empty(slices),
            meets: empty(slices + 1),
            tiles: BTreeMap::new(),
        }
    }

    fn tile_of(&self, point: Point2) -> (i64, i64) {
        let side_mm = self.side as f64 * self.pitch_mm;
        #[expect(clippy::cast_possible_truncation, reason = "millimetres over a tile")]
        let index = |at: f64| (at / side_mm).floor() as i64;
        (index(point.x), index(point.y))
    }

    /// Makes room for what lies in a box: distances can be asked for there.
    pub(super) fn make_room(&mut self, low: Point2, high: Point2) {
        let (from, to) = (self.tile_of(low), self.tile_of(high));
        let side_mm = self.side as f64 * self.pitch_mm;
        let slices = self.offsets_mm.len();
        for y in from.1..=to.1 {
            for x in from.0..=to.0 {
                self.tiles.entry((x, y)).or_insert_with(|| Tile {
                    low: Point2::new(x as f64 * side_mm, y as f64 * side_mm),
                    gaps: empty(slices + 1),
                    whole: empty(slices),
                });
            }
        }
    }

    fn contours(&self, solid: Solid<'_>, slice: usize) -> &[Polygon] {
        self.contours[slice].get_or_init(|| {
            let own = solid.roi.plane_at(&solid.volume.slices[slice].plane);
            own.map_or_else(Vec::new, |own| reoriented(&own.polygons, &own.plane, solid.base))
        })
    }

    /// The distances to polygons on a tile.
    fn field(&self, tile: &Tile, polygons: &[Polygon]) -> Field {
        #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
        let reach = self.reach_mm as f32;
        let lattice = Lattice { low: tile.low, pitch_mm: self.pitch_mm, size: [self.side + 1; 2] };
        let all = signed_field::signed_around(polygons, &lattice, self.reach_mm);
        Arc::new(all.into_iter().map(|value| value.clamp(-reach, reach)).collect())
    }

    fn gap(&self, solid: Solid<'_>, tile: &Tile, gap: usize) -> Gap {
        let below = gap.checked_sub(1);
        let above = (gap < self.offsets_mm.len()).then_some(gap);
        let own_of = |slice: Option<usize>| slice.map_or(&[][..], |slice| self.contours(solid, slice));
        let (own_below, own_above) = (own_of(below), own_of(above));
        let flags = self.meets[gap].get_or_init(|| {
            let meets = |own: &[Polygon], other: &[Polygon]| -> Vec<bool> {
                own.iter().map(|a| other.iter().any(|b| overlap(a, b))).collect()
            };
            [meets(own_below, own_above), meets(own_above, own_below)]
        });
        let part = |slice: Option<usize>, own: &[Polygon], flags: &[bool], wanted: bool| {
            let slice = slice?;
            match flags.iter().filter(|meets| **meets == wanted).count() {
                0 => None,
                count if count == own.len() => {
                    Some(Arc::clone(tile.whole[slice].get_or_init(|| self.field(tile, own))))
                }
                _ => {
                    let chosen = own.iter().zip(flags).filter(|(_, meets)| **meets == wanted);
                    let chosen: Vec<Polygon> = chosen.map(|(piece, _)| piece.clone()).collect();
                    Some(self.field(tile, &chosen))
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
    }

    /// Reads the distances of a solid, which must be the same whenever this stack is read.
    pub(super) fn reader<'a>(&'a self, solid: Solid<'a>) -> Reader<'a> {
        Reader { stack: self, solid, last: None }
    }
}

/// Reads distances, mostly one beside the other.
pub(super) struct Reader<'a> {
    stack: &'a Stack,
    solid: Solid<'a>,
    /// The tile and the gap read last.
    last: Option<((i64, i64), usize, &'a Tile, &'a Gap)>,
}

impl Reader<'_> {
    /// The signed distance (mm, negative inside) of a point in the coordinates of the stack: between
    /// slices within the planes, beyond an end along the normal. The reach where there is no room.
    pub(super) fn distance(&mut self, point: Point3) -> f32 {
        let stack = self.stack;
        #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
        let mm = |mm: f64| mm as f32;
        let far = mm(stack.reach_mm);
        let key = stack.tile_of(point.xy());
        let is_above = |offset: &f64| *offset <= point.z;
        let offsets = &stack.offsets_mm;
        let known = self.last.filter(|(at, above, ..)| {
            *at == key
                && above.checked_sub(1).is_none_or(|below| is_above(&offsets[below]))
                && offsets.get(*above).is_none_or(|above| !is_above(above))
        });
        let (tile, gap) = if let Some((_, _, tile, gap)) = known {
            (tile, gap)
        } else {
            let above = offsets.partition_point(is_above);
            let Some(tile) = stack.tiles.get(&key) else { return far };
            let gap = tile.gaps[above].get_or_init(|| stack.gap(self.solid, tile, above));
            self.last = Some((key, above, tile, gap));
            (tile, gap)
        };
        let at = stack.place(tile, point.xy());
        let mut nearest = far;
        if let Some([low, high]) = &gap.joined {
            let t = ((point.z - gap.low_mm) / (gap.high_mm - gap.low_mm).max(1e-6)).clamp(0.0, 1.0);
            let t = mm(t);
            nearest = at.of(low) * (1.0 - t) + at.of(high) * t;
        }
        if let Some((field, end_mm)) = &gap.alone[0] {
            nearest = nearest.min(at.of(field).max(mm(point.z - end_mm)));
        }
        if let Some((field, end_mm)) = &gap.alone[1] {
            nearest = nearest.min(at.of(field).max(mm(end_mm - point.z)));
        }
        nearest
    }
}

impl Stack {
    /// Where a point lies among those of a tile.
    fn place(&self, tile: &Tile, point: Point2) -> Place {
        let at = (point - tile.low) / self.pitch_mm;
        let count = self.side + 1;
        let split = |at: f64| {
            let low = at.floor().clamp(0.0, count as f64 - 2.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
            let place = (low as usize, (at - low).clamp(0.0, 1.0) as f32);
            place
        };
        let ((x, right), (y, up)) = (split(at.x), split(at.y));
        Place { first: x + y * count, row: count, right, up }
    }
}

/// A place among four points of the lattice.
struct Place {
    first: usize,
    row: usize,
    right: f32,
    up: f32,
}

impl Place {
    /// The value there, linear between the four.
    fn of(&self, field: &[f32]) -> f32 {
        let along = |at: usize| field[at] + (field[at + 1] - field[at]) * self.right;
        let (low, high) = (along(self.first), along(self.first + self.row));
        low + (high - low) * self.up
    }
}
