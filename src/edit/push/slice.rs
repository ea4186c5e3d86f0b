//! What a slice holds while a push goes on: the points of the lattice that something was carried to, whether
//! they lie inside now, and the contours that come of it.

use super::chain::{Chain, Move, Shift};
use super::field::Field;
use super::joined;
use super::lattice::{COUNT, SIDE, block_of, first_of, from_above, from_right};
use super::stack::{Place, Solid, Stack, turned};
use crate::edit::{reoriented, same_polygons};
use crate::geometry::{Plane, Point2, Polygon, Ring};
use std::sync::Arc;

/// What moves less keeps its contours as they are, mm.
const STILL_MM: f32 = 0.002;

/// No block.
const NONE: u32 = u32::MAX;

/// Points along the side of what is told inside from outside at once.
const QUARTER: usize = SIDE / 2;

/// Whether points that surely lie inside or outside are left at that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// Only where an outline may pass are distances read.
    Where,
    /// Every distance is read.
    #[cfg(test)]
    Everywhere,
}

/// A block of points.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub at: [i32; 2],
    /// The signed distance at each point now; infinite where nobody has asked for more than its sign.
    values: [f32; COUNT],
    pub inside: u64,
    /// The points that something was carried to.
    moved: u64,
    /// The cells, by their first point, that have such a corner: there outlines are worked out.
    pub cells: u64,
}

/// What everything is worked out from.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub chain: &'a Chain,
    pub stack: &'a Stack,
    pub solid: Solid<'a>,
    pub pitch_mm: f64,
    pub care: Care,
}

/// A slice that the push has come to.
#[derive(Debug)]
pub(super) struct PushedSlice {
    offset_mm: f64,
    /// Whose coordinates its contours have.
    plane: Plane,
    /// Whether those are the stack's seen from behind.
    mirrored: bool,
    /// The contours that the push began on.
    before: Vec<Polygon>,
    /// Their rings, with the inside on the left in the coordinates of the stack.
    pub rings: Vec<Ring>,
    pub whole: Arc<Field>,
    /// The least block of a rectangle of them, its size, and the number of each block in it.
    low: [i32; 2],
    size: [usize; 2],
    index: Vec<u32>,
    pub blocks: Vec<Block>,
}

impl PushedSlice {
    /// A slice that nothing was carried to yet.
    pub(super) fn new(around: Around<'_>, slice: usize) -> Self {
        let solid = around.solid;
        let image = &solid.volume.slices[slice];
        let own = solid.roi.plane_at(&image.plane);
        let plane = own.map_or(image.plane, |own| own.plane);
        let before = own.map_or_else(Vec::new, |own| own.polygons.clone());
        let mirrored = plane.normal().dot(&solid.base.normal()) < 0.0;
        let rings =
            turned(&before).into_iter().flat_map(|piece| std::iter::once(piece.outer).chain(piece.holes));
        let rings = rings.map(|mut ring| {
            if mirrored {
                ring.reverse();
            }
            ring
        });
        Self {
            offset_mm: image.plane.offset_mm(),
            plane,
            mirrored,
            rings: rings.collect(),
            before,
            whole: Arc::clone(around.stack.whole(solid, slice)),
            low: [0; 2],
            size: [0; 2],
            index: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// The contours now, after these moves were made or taken back.
    pub(super) fn contours(&mut self, around: Around<'_>, changed: &[Move]) -> Vec<Polygon> {
        self.update(around, changed);
        if self.blocks.iter().all(|block| block.cells == 0) {
            return self.before.clone();
        }
        // Outlines that cross themselves or one another are for general clipping.
        let now = joined::pieces(self, around, self.mirrored);
        let now = now.unwrap_or_else(|| joined::clipped(self, around));
        if same_polygons(&now, &self.before) { self.before.clone() } else { now }
    }

    /// The contours that the push began on.
    pub(super) fn before(&self) -> &[Polygon] {
        &self.before
    }

    /// Pieces in the stack's planes, in the coordinates of the contours.
    pub(super) fn carried(&self, around: Around<'_>, polygons: &[Polygon]) -> Vec<Polygon> {
        reoriented(polygons, &around.solid.base.at_offset(self.offset_mm), &self.plane)
    }

    /// A point of the stack's planes in the coordinates of the contours.
    pub(super) fn in_own(&self, around: Around<'_>, points: Ring) -> Ring {
        let base = around.solid.base;
        if base.u() == self.plane.u() && base.v() == self.plane.v() {
            return points;
        }
        let here = base.at_offset(self.offset_mm);
        points.into_iter().map(|point| self.plane.project(here.lift(point))).collect()
    }

    pub(super) fn number(&self, block: [i32; 2]) -> Option<usize> {
        let x = usize::try_from(block[0] - self.low[0]).ok().filter(|x| *x < self.size[0])?;
        let y = usize::try_from(block[1] - self.low[1]).ok().filter(|y| *y < self.size[1])?;
        self.index.get(x + y * self.size[0]).filter(|number| **number != NONE).map(|number| *number as usize)
    }

    pub(super) fn block(&self, at: [i32; 2]) -> Option<&Block> {
        self.number(at).map(|number| &self.blocks[number])
    }

    /// Makes room for blocks from `low` to `high`.
    fn make_room(&mut self, low: [i32; 2], high: [i32; 2]) {
        let has = |axis: usize| {
            let place = |at: i32| usize::try_from(at - self.low[axis]).ok();
            place(low[axis]).is_some() && place(high[axis]).is_some_and(|place| place < self.size[axis])
        };
        if has(0) && has(1) {
            return;
        }
        let known = self.blocks.iter().map(|block| block.at);
        let (least, most) = known.chain([low, high]).fold((low, high), |(least, most), at| {
            ([0, 1].map(|axis| least[axis].min(at[axis])), [0, 1].map(|axis| most[axis].max(at[axis])))
        });
        // A little more, so that it does not grow at every event.
        self.low = least.map(|at| at - 2);
        self.size = [0, 1].map(|axis| usize::try_from(most[axis] + 3 - self.low[axis]).unwrap_or(0));
        self.index = vec![NONE; self.size[0] * self.size[1]];
        for (number, block) in self.blocks.iter().enumerate() {
            let [x, y] = [0, 1].map(|axis| usize::try_from(block.at[axis] - self.low[axis]).unwrap_or(0));
            #[expect(clippy::cast_possible_truncation, reason = "far below 2^32 blocks")]
            let number = number as u32;
            self.index[x + y * self.size[0]] = number;
        }
    }

    /// Works out anew what these moves reach.
    fn update(&mut self, around: Around<'_>, changed: &[Move]) {
        let side_mm = around.pitch_mm * SIDE as f64;
        // Every corner of a cell that has one which is reached is in a block.
        let discs: Vec<(Point2, f64)> = changed
            .iter()
            .map(|own| (Point2::new(own.to.x, own.to.y), own.radius_on(self.offset_mm)))
            .filter(|(_, radius)| *radius > 0.0)
            .map(|(center, radius)| (center, radius + around.pitch_mm * 1.5))
            .collect();
        #[expect(clippy::cast_possible_truncation, reason = "millimetres over a block")]
        let number = |mm: f64| (mm / side_mm).floor() as i32;
        let bounds = discs.iter().map(|(center, radius)| {
            (
                [center.x - radius, center.y - radius].map(number),
                [center.x + radius, center.y + radius].map(number),
            )
        });
        let bounds = bounds.reduce(|(al, ah), (bl, bh)| {
            ([0, 1].map(|axis| al[axis].min(bl[axis])), [0, 1].map(|axis| ah[axis].max(bh[axis])))
        });
        let Some((low, high)) = bounds else { return };
        self.make_room(low, high);
        for y in low[1]..=high[1] {
            for x in low[0]..=high[0] {
                let first = [x, y].map(|number| f64::from(number) * side_mm);
                let is_reached = discs.iter().any(|(center, radius)| {
                    let off =
                        |axis: usize| (first[axis] - center[axis]).max(center[axis] - first[axis] - side_mm);
                    off(0).max(0.0).hypot(off(1).max(0.0)) <= *radius
                });
                if is_reached {
                    let block = self.worked_out(around, [x, y]);
                    if let Some(number) = self.number([x, y]) {
                        self.blocks[number] = block;
                    } else {
                        let [column, row] =
                            [x - self.low[0], y - self.low[1]].map(|at| usize::try_from(at).unwrap_or(0));
                        #[expect(clippy::cast_possible_truncation, reason = "far below 2^32 blocks")]
                        let count = self.blocks.len() as u32;
                        self.index[column + row * self.size[0]] = count;
                        self.blocks.push(block);
                    }
                }
            }
        }
        // Cells have corners in the next blocks too.
        for y in low[1] - 1..=high[1] {
            for x in low[0] - 1..=high[0] {
                if let Some(number) = self.number([x, y]) {
                    self.blocks[number].cells = self.cells_of([x, y]);
                }
            }
        }
    }

    /// The cells of a block that have a corner that something was carried to.
    fn cells_of(&self, [x, y]: [i32; 2]) -> u64 {
        let moved = |at: [i32; 2]| self.block(at).map_or(0, |block| block.moved);
        let row = |y: i32| {
            let own = moved([x, y]);
            own | from_right(own, moved([x + 1, y]))
        };
        let own = row(y);
        own | from_above(own, row(y + 1))
    }

    fn worked_out(&self, around: Around<'_>, at: [i32; 2]) -> Block {
        let shift = around.chain.shift(at, self.offset_mm);
        let mut moved = 0;
        for place in 0..COUNT {
            moved |= u64::from(is_moved(&shift, place)) << place;
        }
        let still = self.whole.inside(at) & !moved;
        let mut block = Block { at, values: [f32::INFINITY; COUNT], inside: still, moved, cells: 0 };
        if moved == 0 {
            return block;
        }
        for quarter in 0..4 {
            let first = quarter % 2 * QUARTER + quarter / 2 * QUARTER * SIDE;
            let places = || (0..QUARTER * QUARTER).map(move |at| first + at % QUARTER + at / QUARTER * SIDE);
            let own = places().fold(0, |bits, place| bits | 1_u64 << place) & moved;
            if own == 0 {
                continue;
            }
            let side = match around.care {
                Care::Where => self.side(around, &shift, at, places()),
                #[cfg(test)]
                Care::Everywhere => None,
            };
            match side {
                Some(true) => block.inside |= own,
                Some(false) => {}
                None => {
                    let mut gap = 0;
                    for place in places().filter(|place| own >> place & 1 == 1) {
                        let value = self.value(around, &shift, at, place, &mut gap);
                        block.values[place] = value;
                        block.inside |= u64::from(value <= 0.0) << place;
                    }
                }
            }
        }
        block
    }

    /// Whether all of these points of a block came from inside, or all from outside.
    fn side(
        &self,
        around: Around<'_>,
        shift: &Shift,
        block: [i32; 2],
        places: impl Iterator<Item = usize>,
    ) -> Option<bool> {
        #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
        let pitch = around.pitch_mm as f32;
        let (mut low, mut high) = ([f32::MAX; 3], [f32::MIN; 3]);
        for place in places {
            let at = [
                (place % SIDE) as f32 * pitch + shift.x[place],
                (place / SIDE) as f32 * pitch + shift.y[place],
                shift.z[place],
            ];
            for axis in 0..3 {
                low[axis] = low[axis].min(at[axis]);
                high[axis] = high[axis].max(at[axis]);
            }
        }
        let middle = [0, 1].map(|axis| (low[axis] + high[axis]) * 0.5 / pitch);
        let [width, height] = [high[0] - low[0], high[1] - low[1]];
        let radius = (width * width + height * height).sqrt() * 0.5;
        let heights = [low[2], high[2]].map(|up| self.offset_mm + f64::from(up));
        around.stack.side(around.solid, place_of(first_of(block), middle), radius, heights.into())
    }

    /// The signed distance of where a point of a block came from; `gap` as [`Stack::distance`] has it.
    fn value(
        &self,
        around: Around<'_>,
        shift: &Shift,
        block: [i32; 2],
        place: usize,
        gap: &mut usize,
    ) -> f32 {
        #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
        let pitch = around.pitch_mm as f32;
        let point = point_of(block, place);
        let at = place_of(point, [shift.x[place] / pitch, shift.y[place] / pitch]);
        around.stack.distance(around.solid, at, self.offset_mm + f64::from(shift.z[place]), gap)
    }

    /// Whether a point of a block lies inside now.
    pub(super) fn is_inside(&self, point: [i32; 2]) -> bool {
        let (block, place) = block_of(point);
        self.block(block).is_some_and(|block| block.inside >> place & 1 == 1)
    }

    /// Whether outlines are worked out in a cell.
    pub(super) fn is_worked_out(&self, cell: [i32; 2]) -> bool {
        let (block, place) = block_of(cell);
        self.block(block).is_some_and(|block| block.cells >> place & 1 == 1)
    }

    /// How deep inside a point of a block lies now, mm; negative outside.
    pub(super) fn depth(&mut self, around: Around<'_>, point: [i32; 2]) -> f32 {
        let (at, place) = block_of(point);
        let Some(number) = self.number(at) else { return f32::NEG_INFINITY };
        let block = &self.blocks[number];
        let mut value = block.values[place];
        if value.is_infinite() {
            value = if block.moved >> place & 1 == 1 {
                self.value(around, &around.chain.shift(at, self.offset_mm), at, place, &mut 0)
            } else {
                self.whole.distance(point, [0.0; 2])
            };
            self.blocks[number].values[place] = value;
        }
        -value
    }
}

fn is_moved(shift: &Shift, place: usize) -> bool {
    let [x, y, z] = [shift.x[place], shift.y[place], shift.z[place]];
    x * x + y * y + z * z >= STILL_MM * STILL_MM
}

/// A point of a block.
pub(super) fn point_of(block: [i32; 2], place: usize) -> [i32; 2] {
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "below 8")]
    let (column, row) = ((place % SIDE) as i32, (place / SIDE) as i32);
    let [x, y] = first_of(block);
    [x + column, y + row]
}

/// The place so many pitches from a point.
fn place_of(point: [i32; 2], by: [f32; 2]) -> Place {
    #[expect(clippy::cast_possible_truncation, reason = "few points")]
    let whole = by.map(|by| by as i32 - i32::from(by < 0.0));
    let point = [point[0] + whole[0], point[1] + whole[1]];
    Place { point, parts: [by[0] - whole[0] as f32, by[1] - whole[1] as f32] }
}
