//! The moves of a push, one after another, and where what lies on a slice came from.
//!
//! Points are followed back block by block, all of a block through one move at once, in `f32`: as an offset
//! from where they are now, and by their offset from the tool's centre, so that the numbers stay small and
//! rounding stays at a millionth of a millimetre wherever the patient lies. A move that does not reach a point
//! changes no bit of it; so points come out the same whatever moves elsewhere are passed over.

use super::lattice::{COUNT, SIDE};
use super::short;
use super::wide::vectorised;
use crate::geometry::{Point3, Vector3};

/// The longest move in one piece, as a part of the radius.
pub(super) const LONGEST: f64 = 0.25;

/// How many moves are passed over at once by points that none of them reaches.
const BATCH: usize = 16;

/// How far around the reach of a move points are still put through it, mm: more than rounding.
const SPARE_MM: f64 = 1e-3;

/// After so many moves the box around a block's points is measured again.
const MEASURED_EVERY: usize = 4;

/// One move of the tool, in the coordinates of the stack: those of the slices' planes, and the
/// offset along their normal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move {
    /// The centre before it.
    pub from: Point3,
    /// The centre after it.
    pub to: Point3,
    pub by: Vector3,
    pub radius_mm: f64,
}

impl Move {
    /// The radius of the tool on the slice at this offset, mm; 0 where it does not reach.
    pub(super) fn radius_on(&self, offset_mm: f64) -> f64 {
        let height = offset_mm - self.to.z;
        (self.radius_mm * self.radius_mm - height * height).max(0.0).sqrt()
    }
}

/// The way from each point of a block to where it came from, mm.
#[derive(Debug, Clone)]
pub(super) struct Shift {
    pub x: [f32; COUNT],
    pub y: [f32; COUNT],
    pub z: [f32; COUNT],
}

/// A box around the points of a block, from the block's first point, mm.
struct Around {
    low: Vector3,
    high: Vector3,
}

impl Around {
    /// Whether a ball around `center` may hold any of it.
    fn meets_ball(&self, center: &Vector3, radius_mm: f64) -> bool {
        let off = (self.low - center).sup(&(center - self.high)).sup(&Vector3::zeros());
        let reach = radius_mm + SPARE_MM;
        off.norm_squared() < reach * reach
    }

    fn meets_box(&self, low: &Vector3, high: &Vector3) -> bool {
        (0..3).all(|axis| low[axis] - SPARE_MM < self.high[axis] && self.low[axis] < high[axis] + SPARE_MM)
    }
}

/// All moves of a push.
#[derive(Debug)]
pub(super) struct Chain {
    pitch_mm: f64,
    moves: Vec<Move>,
    /// The boxes that hold what each batch of moves reaches.
    batches: Vec<(Point3, Point3)>,
    /// The places of a block's points from its first one, mm.
    x: [f32; COUNT],
    y: [f32; COUNT],
}

impl Chain {
    /// None yet, on a lattice of this pitch.
    pub(super) fn new(pitch_mm: f64) -> Self {
        let place = |number: usize| short(number as f64 * pitch_mm);
        Self {
            pitch_mm,
            moves: Vec::new(),
            batches: Vec::new(),
            x: std::array::from_fn(|at| place(at % SIDE)),
            y: std::array::from_fn(|at| place(at / SIDE)),
        }
    }

    /// The tool, of this radius, goes on from `from` to `to`; the moves that are made and taken back. Moves
    /// are pieced together up to the longest.
    pub(super) fn go_on(&mut self, mut from: Point3, to: Point3, radius_mm: f64) -> Vec<Move> {
        let mut changed = Vec::new();
        let longest = radius_mm * LONGEST;
        let last = self.moves.last().filter(|last| last.radius_mm == radius_mm);
        if let Some(last) = last.filter(|last| (to - last.from).norm() <= longest) {
            from = last.from;
            changed.extend(self.moves.pop());
        }
        // A batch that is not full is bounded anew: it loses a move, or more come to it.
        self.batches.truncate(self.moves.len() / BATCH);
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
                changed.push(own);
            }
        }
        for batch in self.batches.len()..self.moves.len().div_ceil(BATCH) {
            let around = |own: &Move| {
                let reach = Vector3::repeat(own.radius_mm);
                (own.to - reach, own.to + reach)
            };
            let bounds = self.batch(batch).iter().map(around);
            self.batches.extend(bounds.reduce(|(al, ah), (bl, bh)| (al.inf(&bl), ah.sup(&bh))));
        }
        changed
    }

    fn batch(&self, number: usize) -> &[Move] {
        &self.moves[number * BATCH..self.moves.len().min((number + 1) * BATCH)]
    }

    /// The way back of the points of a block on the slice at `offset_mm`.
    pub(super) fn shift(&self, block: [i32; 2], offset_mm: f64) -> Shift {
        vectorised(
            #[inline(always)]
            || self.followed_back(block, offset_mm),
        )
    }

    #[inline(always)]
    fn followed_back(&self, block: [i32; 2], offset_mm: f64) -> Shift {
        let [x, y] = block.map(|number| f64::from(number) * SIDE as f64 * self.pitch_mm);
        let first = Point3::new(x, y, offset_mm);
        let mut shift = Shift { x: [0.0; COUNT], y: [0.0; COUNT], z: [0.0; COUNT] };
        let side = (SIDE - 1) as f64 * self.pitch_mm;
        let mut around = Around { low: Vector3::zeros(), high: Vector3::new(side, side, 0.0) };
        let mut done = 0;
        for (number, (low, high)) in self.batches.iter().enumerate().rev() {
            if !around.meets_box(&(low - first), &(high - first)) {
                continue;
            }
            for own in self.batch(number).iter().rev() {
                let center = own.to - first;
                if !around.meets_ball(&center, own.radius_mm) {
                    continue;
                }
                self.follow(&mut shift, own, &center);
                done += 1;
                if done % MEASURED_EVERY == 0 {
                    around = self.around(&shift);
                } else {
                    around.low -= own.by.sup(&Vector3::zeros());
                    around.high -= own.by.inf(&Vector3::zeros());
                }
            }
        }
        shift
    }

    /// Follows the points of a block back through a move whose centre lies at `center` from its first point.
    #[inline(always)]
    fn follow(&self, shift: &mut Shift, own: &Move, center: &Vector3) {
        let center = center.map(short);
        let by = own.by.map(short);
        let scale = short(1.0 / (own.radius_mm * own.radius_mm));
        for at in 0..COUNT {
            let x = self.x[at] + shift.x[at] - center.x;
            let y = self.y[at] + shift.y[at] - center.y;
            let z = shift.z[at] - center.z;
            let rest = 1.0 - (x * x + y * y + z * z) * scale;
            let rest = if rest > 0.0 { rest } else { 0.0 };
            let weight = rest * rest;
            shift.x[at] -= weight * by.x;
            shift.y[at] -= weight * by.y;
            shift.z[at] -= weight * by.z;
        }
    }

    #[inline(always)]
    fn around(&self, shift: &Shift) -> Around {
        let mut low = [f32::MAX; 3];
        let mut high = [f32::MIN; 3];
        for at in 0..COUNT {
            let place = [self.x[at] + shift.x[at], self.y[at] + shift.y[at], shift.z[at]];
            for axis in 0..3 {
                low[axis] = if place[axis] < low[axis] { place[axis] } else { low[axis] };
                high[axis] = if place[axis] > high[axis] { place[axis] } else { high[axis] };
            }
        }
        Around { low: Vector3::from(low.map(f64::from)), high: Vector3::from(high.map(f64::from)) }
    }
}
