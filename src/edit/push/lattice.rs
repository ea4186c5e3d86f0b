//! The square lattice in the slices' planes that a push is worked out on: its points by whole numbers from the
//! origin of the stack, blocks of them, the cells between four, and the way of outlines from cell to cell.

use crate::geometry::{Point2, Polygon, Ring};

/// Points along a block's side.
pub(super) const SIDE: usize = 8;

/// Points of a block: one bit each of a `u64`.
pub(super) const COUNT: usize = SIDE * SIDE;

/// The bits of the first point of each row of a block.
const FIRST_OF_ROWS: u64 = 0x0101_0101_0101_0101;

/// The block that holds a point or cell, and its place there.
pub(super) fn block_of(at: [i32; 2]) -> ([i32; 2], usize) {
    let [x, y] = at;
    #[expect(clippy::cast_sign_loss, reason = "three bits")]
    let place = ((x & 7) | ((y & 7) << 3)) as usize;
    ([x >> 3, y >> 3], place)
}

/// The first point of a block.
pub(super) fn first_of(block: [i32; 2]) -> [i32; 2] {
    block.map(|number| number << 3)
}

/// For every bit of a block that to its right; `beside` is the block to the right.
pub(super) fn from_right(own: u64, beside: u64) -> u64 {
    ((own >> 1) & !(FIRST_OF_ROWS << 7)) | ((beside & FIRST_OF_ROWS) << 7)
}

/// For every bit of a block that above it; `beside` is the block above.
pub(super) fn from_above(own: u64, beside: u64) -> u64 {
    (own >> SIDE) | (beside << (COUNT - SIDE))
}

/// For every bit of a block that below it; `beside` is the block below.
pub(super) fn from_below(own: u64, beside: u64) -> u64 {
    (own << SIDE) | (beside >> (COUNT - SIDE))
}

/// The line from a point of the lattice to the next along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub from: [i32; 2],
    pub axis: u8,
}

/// Where an outline goes from one cell to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// The outline's edge, by the vertex that it starts with, and how far along it.
    pub at: u32,
    pub along: f64,
    /// What it crosses, and where on that, in parts of the pitch.
    pub edge: Edge,
    pub on_edge: f64,
    /// The cell that it comes to.
    pub cell: [i32; 2],
}

/// The way of a ring from cell to cell: in each it leaves the cell that it came to before, so that however it
/// is rounded it goes around whole points of the lattice.
#[derive(Debug)]
pub(super) struct Walk {
    /// The cell of the first vertex.
    pub first: [i32; 2],
    pub steps: Vec<Step>,
}

impl Walk {
    fn of(ring: &Ring, pitch_mm: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "millimetres over the pitch")]
        let cell = |point: Point2| [point.x, point.y].map(|mm| (mm / pitch_mm).floor() as i32);
        let first = ring.first().map_or([0, 0], |point| cell(*point));
        let mut steps = Vec::with_capacity(ring.len() * 3);
        let mut here = first;
        for (at, from) in ring.iter().enumerate() {
            let to = ring[if at + 1 < ring.len() { at + 1 } else { 0 }];
            let end = cell(to);
            while here != end {
                // The next line across each axis that lies between here and the end.
                let along = |axis: usize| {
                    let line = here[axis] + i32::from(end[axis] > here[axis]);
                    let (start, way) = (from[axis], to[axis] - from[axis]);
                    if end[axis] == here[axis] {
                        f64::INFINITY
                    } else {
                        ((f64::from(line) * pitch_mm - start) / way).clamp(0.0, 1.0)
                    }
                };
                let (across_x, across_y) = (along(0), along(1));
                let axis = usize::from(across_y < across_x);
                let along = if axis == 0 { across_x } else { across_y };
                let forwards = end[axis] > here[axis];
                let mut corner = here;
                corner[axis] += i32::from(forwards);
                here[axis] += if forwards { 1 } else { -1 };
                let other = 1 - axis;
                let on_edge = (from[other] + (to[other] - from[other]) * along) / pitch_mm;
                #[expect(clippy::cast_possible_truncation, reason = "far below 2^32 vertices; an axis")]
                steps.push(Step {
                    at: at as u32,
                    along,
                    edge: Edge { from: corner, axis: other as u8 },
                    on_edge: on_edge - f64::from(corner[other]),
                    cell: here,
                });
            }
        }
        Self { first, steps }
    }

    pub(super) fn of_all(polygons: &[Polygon], pitch_mm: f64) -> Vec<Self> {
        polygons.iter().flat_map(Polygon::rings).map(|ring| Self::of(ring, pitch_mm)).collect()
    }
}

/// Which points of the lattice lie inside of outlines: those that they run around, counted by the edges of
/// their row, before them, that outlines cross on their way.
#[derive(Debug)]
pub(super) struct Rows {
    first: i32,
    /// Where the crossings of each row begin.
    starts: Vec<u32>,
    /// By row, sorted: the point that a crossed edge starts with, and what the crossing adds to those behind.
    crossings: Vec<(i32, i32)>,
}

impl Rows {
    pub(super) fn of(walks: &[Walk]) -> Self {
        let crossings = || {
            let steps = walks.iter().flat_map(|walk| &walk.steps).filter(|step| step.edge.axis == 0);
            // With the inside on the left: behind an outline that goes down.
            steps.map(|step| (step.edge.from, if step.cell[1] < step.edge.from[1] { 1 } else { -1 }))
        };
        let rows = crossings().map(|([_, y], _)| y);
        let (first, last) =
            rows.fold(
                (0, -1),
                |(first, last), y| {
                    if last < first { (y, y) } else { (first.min(y), last.max(y)) }
                },
            );
        let row = |y: i32| usize::try_from(y - first).unwrap_or(0);
        let mut starts = vec![0_u32; row(last + 1) + 1];
        crossings().for_each(|([_, y], _)| starts[row(y) + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut sorted = vec![(0, 0); crossings().count()];
        for ([x, y], adds) in crossings() {
            sorted[next[row(y)] as usize] = (x, adds);
            next[row(y)] += 1;
        }
        for two in starts.windows(2) {
            sorted[two[0] as usize..two[1] as usize].sort_unstable();
        }
        Self { first, starts, crossings: sorted }
    }

    /// Whether the points from `x` on, in row `y`, lie inside: as many bits as `count`, at most 32.
    pub(super) fn inside(&self, [x, y]: [i32; 2], count: usize) -> u32 {
        let row = usize::try_from(y - self.first).ok().filter(|row| row + 1 < self.starts.len());
        let Some(row) = row else { return 0 };
        let row = self.starts[row] as usize..self.starts[row + 1] as usize;
        let mut crossings = self.crossings[row].iter().peekable();
        let mut around = 0;
        let mut bits = 0;
        for (number, here) in (x..).take(count).enumerate() {
            while let Some((_, adds)) = crossings.next_if(|(column, _)| *column < here) {
                around += adds;
            }
            bits |= u32::from(around > 0) << number;
        }
        bits
    }
}
