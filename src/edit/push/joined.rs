//! The contours of a slice after a push: where something was carried to, the outlines between points inside and
//! outside; elsewhere the outlines of before, with their bits. They meet on the edges of the lattice that part
//! the two, where the outlines of before cross them: the points at both ends of such an edge are those of before.
//!
//! Where an outline of before crosses one of these edges more than once, the field has one crossing there or
//! none, and the others are joined along the edge two by two: just what cutting out and putting in come to.

use super::lattice::{COUNT, Edge, SIDE, Step, block_of, from_below, from_right};
use super::slice::{Around, PushedSlice, point_of};
use crate::geometry::signed_field::Lattice;
use crate::geometry::{Point2, Polygon, Ring, clip, nested, ring_area, trace};

/// Pieces and holes below this are rounding, mm2.
const LEAST_AREA_MM2: f64 = 1e-6;

/// Where an outline of before goes into what is worked out, or comes out of it.
#[derive(Debug, Clone, Copy)]
struct Gate {
    ring: usize,
    /// The edge of the ring.
    at: usize,
    /// In the coordinates of the contours.
    point: Point2,
    edge: Edge,
    /// Where on that edge, in parts of the pitch.
    along: f64,
    /// The cell of the two that is worked out.
    cell: [i32; 2],
    enters: bool,
    /// The next gate of the same ring, and whether the ring's first vertex lies between.
    next: usize,
    is_around: bool,
}

/// The contours of a slice now; `None` where the outlines of before do not bound pieces, as when they cross.
pub(super) fn pieces(slice: &mut PushedSlice, around: Around<'_>, mirrored: bool) -> Option<Vec<Polygon>> {
    let (mut rings, gates) = gates(slice);
    let mut traced = Traced::new(slice, around);
    let partners = partners(&gates)?;
    let mut is_done = vec![false; gates.len()];
    for begin in 0..gates.len() {
        if gates[begin].enters || is_done[begin] {
            continue;
        }
        let mut ring: Ring = Vec::new();
        let mut at = begin;
        while !std::mem::replace(&mut is_done[at], true) {
            let from = &gates[at];
            let to = &gates[from.next];
            if !to.enters || is_done[from.next] {
                return None;
            }
            is_done[from.next] = true;
            let outline = &traced.slice.rings[from.ring];
            let end = to.at + 1 + if from.is_around { outline.len() } else { 0 };
            ring.push(from.point);
            ring.extend((from.at + 1..end).map(|number| outline[number % outline.len()]));
            ring.push(to.point);
            at = if let Some(beside) = partners.beside[from.next] {
                beside
            } else {
                let (points, end) = traced.follow(to.edge, to.cell)?;
                ring.extend(traced.slice.in_own(around, points));
                let leaves = partners.leaves.binary_search_by_key(&end, |gate| gates[*gate].edge);
                partners.leaves[leaves.ok()?]
            };
        }
        if at != begin {
            return None;
        }
        rings.push(ring);
    }
    for points in traced.loops()? {
        rings.push(traced.slice.in_own(around, points));
    }
    for ring in &mut rings {
        ring.dedup();
        while ring.len() > 1 && ring.first() == ring.last() {
            ring.pop();
        }
        if mirrored {
            ring.reverse();
        }
    }
    rings.retain(|ring| ring.len() >= 3 && ring_area(ring).abs() >= LEAST_AREA_MM2);
    Some(nested(rings))
}

/// The same by general clipping: what is worked out is cut out of the contours of before and put in.
pub(super) fn clipped(slice: &mut PushedSlice, around: Around<'_>) -> Vec<Polygon> {
    let pitch_mm = around.pitch_mm;
    let numbers = slice.blocks.iter().map(|block| (block.at, block.at));
    let bounds = numbers.reduce(|(low, high), (at, _)| {
        ([low[0].min(at[0]), low[1].min(at[1])], [high[0].max(at[0]), high[1].max(at[1])])
    });
    let Some((low, high)) = bounds else { return Vec::new() };
    let first = point_of(low, 0);
    let size = [0, 1].map(|axis| usize::try_from(high[axis] - low[axis] + 1).unwrap_or(0) * SIDE);
    let at = |x: i32, y: i32| Point2::new(f64::from(x) * pitch_mm, f64::from(y) * pitch_mm);
    let (mut depths, mut cells) = (Vec::with_capacity(size[0] * size[1]), Vec::new());
    for point in (first[1]..).take(size[1]).flat_map(|y| (first[0]..).take(size[0]).map(move |x| [x, y])) {
        let is_known = slice.block(block_of(point).0).is_some();
        depths.push(if is_known {
            slice.depth(around, point)
        } else {
            -slice.whole.distance(point, [0.0; 2])
        });
        if slice.is_worked_out(point) {
            let [x, y] = point;
            cells.push(Polygon::from_outer(vec![at(x, y), at(x + 1, y), at(x + 1, y + 1), at(x, y + 1)]));
        }
    }
    let lattice = Lattice { low: at(first[0], first[1]), pitch_mm, size };
    let Some(frame) = lattice.frame() else { return Vec::new() };
    let now = frame.map(&trace::field_slice(&depths, size[0], size[1], 0.0), [0, 0]);
    let region = clip::union_all(cells);
    let [region, now] = [&region, &clip::intersection(&now, &region)].map(|own| slice.carried(around, own));
    clip::union(&clip::difference(slice.before(), &region), &now)
}

/// The rings of before that stay whole, and where the others go into what is worked out and come out.
fn gates(slice: &PushedSlice) -> (Vec<Ring>, Vec<Gate>) {
    let (mut rings, mut gates) = (Vec::new(), Vec::new());
    for (number, (ring, walk)) in slice.rings.iter().zip(&slice.whole.walks).enumerate() {
        // Mostly it stays in a block.
        let mut last = ([i32::MAX; 2], 0);
        let mut is_worked_out = |cell: [i32; 2]| {
            let (at, place) = block_of(cell);
            if at != last.0 {
                last = (at, slice.block(at).map_or(0, |block| block.cells));
            }
            last.1 >> place & 1 == 1
        };
        let mut here = (walk.first, is_worked_out(walk.first));
        let (is_within, first) = (here.1, gates.len());
        for step in &walk.steps {
            let there = (step.cell, is_worked_out(step.cell));
            if there.1 != here.1 {
                let cell = if there.1 { there.0 } else { here.0 };
                gates.push(gate(ring, number, step, (cell, there.1)));
            }
            here = there;
        }
        if gates.len() == first {
            if !is_within {
                rings.push(ring.clone());
            }
            continue;
        }
        let end = gates.len();
        for (next, gate) in (first + 1..).zip(&mut gates[first..]) {
            gate.is_around = next == end;
            gate.next = if gate.is_around { first } else { next };
        }
    }
    (rings, gates)
}

fn gate(ring: &Ring, number: usize, step: &Step, (cell, enters): ([i32; 2], bool)) -> Gate {
    let at = step.at as usize;
    let (from, to) = (ring[at], ring[if at + 1 < ring.len() { at + 1 } else { 0 }]);
    let point = from + (to - from) * step.along;
    Gate {
        ring: number,
        at,
        point,
        edge: step.edge,
        along: step.on_edge,
        cell,
        enters,
        next: 0,
        is_around: false,
    }
}

/// How outlines go on from gate to gate.
struct Partners {
    /// For a gate that goes in and is not followed further: that beside it, where its outline comes out.
    beside: Vec<Option<usize>>,
    /// The gates where what is worked out comes out, by their edge.
    leaves: Vec<usize>,
}

/// `None` where more than one outline goes into an edge, or comes out of it.
fn partners(gates: &[Gate]) -> Option<Partners> {
    let mut order: Vec<usize> = (0..gates.len()).collect();
    let key = |gate: &usize| (gates[*gate].edge, gates[*gate].along);
    order.sort_by(|a, b| {
        let ((a, along_a), (b, along_b)) = (key(a), key(b));
        a.cmp(&b).then(along_a.total_cmp(&along_b))
    });
    let mut partners = Partners { beside: vec![None; gates.len()], leaves: Vec::new() };
    for group in order.chunk_by(|a, b| gates[*a].edge == gates[*b].edge) {
        let mut rest: Vec<usize> = Vec::new();
        for gate in group {
            match rest.last() {
                Some(last) if gates[*last].enters != gates[*gate].enters => {
                    let (inwards, outwards) =
                        if gates[*gate].enters { (*gate, *last) } else { (*last, *gate) };
                    partners.beside[inwards] = Some(outwards);
                    rest.pop();
                }
                _ => rest.push(*gate),
            }
        }
        match rest[..] {
            [] => {}
            [gate] if gates[gate].enters => {}
            [gate] => partners.leaves.push(gate),
            _ => return None,
        }
    }
    Some(partners)
}

/// Outlines between points inside and outside.
struct Traced<'a> {
    slice: &'a mut PushedSlice,
    around: Around<'a>,
    /// The edges along rows that were passed, by their first point, of each block.
    passed: Vec<u64>,
}

/// The corners of a cell, counter-clockwise; side n of the cell runs from corner n to the next.
const CORNERS: [[i32; 2]; 4] = [[0, 0], [1, 0], [1, 1], [0, 1]];

/// The sides of a cell: the first point from that of the cell, and the axis along.
const SIDES: [([i32; 2], u8); 4] = [([0, 0], 0), ([1, 0], 1), ([0, 1], 0), ([0, 0], 1)];

/// The cell beyond each side.
const BEYOND: [[i32; 2]; 4] = [[0, -1], [1, 0], [0, 1], [-1, 0]];

fn plus(at: [i32; 2], by: [i32; 2]) -> [i32; 2] {
    [at[0] + by[0], at[1] + by[1]]
}

impl<'a> Traced<'a> {
    fn new(slice: &'a mut PushedSlice, around: Around<'a>) -> Self {
        let passed = vec![0; slice.blocks.len()];
        Self { slice, around, passed }
    }

    fn depth(&mut self, point: [i32; 2]) -> f64 {
        f64::from(self.slice.depth(self.around, point))
    }

    /// Where the outline crosses an edge.
    fn crossing(&mut self, edge: Edge) -> Point2 {
        let axis = usize::from(edge.axis);
        let mut next = edge.from;
        next[axis] += 1;
        let (start, end) = (self.depth(edge.from), self.depth(next));
        let t = start / (start - end);
        let t = if t.is_nan() { 0.5 } else { t.clamp(trace::CLEARANCE, 1.0 - trace::CLEARANCE) };
        let mut at = edge.from.map(f64::from);
        at[axis] += t;
        Point2::new(at[0] * self.around.pitch_mm, at[1] * self.around.pitch_mm)
    }

    /// The side by which the outline leaves a cell that it comes into by another, with the inside on its left;
    /// `None` where none comes in there.
    fn exit(&mut self, cell: [i32; 2], entry: usize) -> Option<usize> {
        let inside = CORNERS.map(|corner| self.slice.is_inside(plus(cell, corner)));
        if !inside[entry] || inside[(entry + 1) % 4] {
            return None;
        }
        if inside[(entry + 2) % 4] && !inside[(entry + 3) % 4] {
            // The mean of the four decides whether the inside joins.
            let sum: f64 = CORNERS.map(|corner| self.depth(plus(cell, corner))).iter().sum();
            return Some(if sum >= 0.0 { (entry + 1) % 4 } else { (entry + 3) % 4 });
        }
        let first = (0..4).map(|back| (entry + 4 - back) % 4).find(|corner| !inside[(corner + 3) % 4])?;
        Some((first + 3) % 4)
    }

    fn pass(&mut self, edge: Edge) {
        if edge.axis == 0 {
            let (block, place) = block_of(edge.from);
            if let Some(number) = self.slice.number(block) {
                self.passed[number] |= 1 << place;
            }
        }
    }

    /// The outline that goes by an edge into a cell, up to where it comes out of what is worked out, or to where
    /// it began: the points between, and the edge where it ends.
    fn follow(&mut self, begin: Edge, cell: [i32; 2]) -> Option<(Ring, Edge)> {
        let side = |edge: Edge, cell: [i32; 2]| {
            SIDES.iter().position(|(by, axis)| Edge { from: plus(cell, *by), axis: *axis } == edge)
        };
        let (mut cell, mut entry) = (cell, side(begin, cell)?);
        let mut ring = Vec::new();
        loop {
            let exit = self.exit(cell, entry)?;
            let (by, axis) = SIDES[exit];
            let edge = Edge { from: plus(cell, by), axis };
            self.pass(edge);
            cell = plus(cell, BEYOND[exit]);
            if edge == begin || !self.slice.is_worked_out(cell) {
                return Some((ring, edge));
            }
            ring.push(self.crossing(edge));
            entry = (exit + 2) % 4;
        }
    }

    /// The outlines that come out nowhere and were not passed yet.
    fn loops(&mut self) -> Option<Vec<Ring>> {
        let mut rings = Vec::new();
        for number in 0..self.slice.blocks.len() {
            let block = &self.slice.blocks[number];
            let (at, inside, cells) = (block.at, block.inside, block.cells);
            let beside = |by: [i32; 2]| self.slice.block(plus(at, by));
            let right = beside([1, 0]).map_or(0, |block| block.inside);
            let below = beside([0, -1]).map_or(0, |block| block.cells);
            let mut crossed = (inside ^ from_right(inside, right)) & cells & from_below(cells, below);
            while crossed != 0 {
                let place = crossed.trailing_zeros() as usize;
                crossed &= crossed - 1;
                if self.passed[number] >> place & 1 == 1 {
                    continue;
                }
                debug_assert!(place < COUNT, "a bit of a block");
                let from = point_of(at, place);
                // With the inside on the left: up where the first point lies inside.
                let cell = if inside >> place & 1 == 1 { from } else { plus(from, [0, -1]) };
                let begin = Edge { from, axis: 0 };
                let first = self.crossing(begin);
                let (mut ring, end) = self.follow(begin, cell)?;
                if end != begin {
                    return None;
                }
                ring.push(first);
                rings.push(ring);
            }
        }
        Some(rings)
    }
}
