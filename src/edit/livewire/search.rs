//! The cheapest ways from an anchor, and what a taught wire has learned.

use super::EdgeImage;
use crate::geometry::Point2;

/// Weights of zero crossing, gradient and direction (Mortensen and Barrett, 1998).
const WEIGHTS: [f32; 3] = [0.43, 0.43, 0.14];

/// Whole cost of the dearest straight step; steps are whole numbers so that pixels wait in buckets.
const UNIT: f32 = 160.0;

/// Buckets in a ring: more than any step costs.
const BUCKETS: usize = 1024;

/// Pixels of the last piece of outline that are learned from.
const LEARNED: usize = 96;

/// As many pixels make a lesson count fully.
const ENOUGH: f32 = 24.0;

/// Steps of the gradient told apart, up to 1.5 times that of a clear edge.
const LEVELS: usize = 48;

/// The gradients that the last piece of outline had.
#[derive(Debug, Clone, PartialEq)]
pub struct Taught {
    /// The cost of each level of gradient, 0 to 1.
    cost: Vec<f32>,
    /// How much the lesson counts, 0 to 1.
    share: f32,
}

fn level(gradient: f32) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let level = (gradient / 1.5 * LEVELS as f32).clamp(0.0, (LEVELS - 1) as f32) as usize;
    level
}

/// A pixel's way back to the anchor.
const UNREACHED: u8 = 255;

const NEIGHBOURS: [(isize, isize); 8] =
    [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)];

/// The ways from one anchor, found outwards as far as they have been asked for.
#[derive(Debug, Clone)]
pub struct Wire {
    image: EdgeImage,
    anchor: Point2,
    /// The local cost of every pixel without its direction, 0 to 1.
    pixel_cost: Vec<f32>,
    cost: Vec<u32>,
    settled: Vec<bool>,
    /// The neighbour (index into [`NEIGHBOURS`]) towards the anchor.
    back: Vec<u8>,
    buckets: Vec<Vec<u32>>,
    waiting: usize,
    now: u32,
}

impl Wire {
    /// The ways from `anchor` (plane mm), by what was taught before, if anything.
    #[must_use]
    pub fn new(image: EdgeImage, anchor: Point2, taught: Option<&Taught>) -> Self {
        let count = image.size()[0] * image.size()[1];
        let pixel_cost = (0..count)
            .map(|at| {
                let gradient = image.gradient(at);
                let plain = 1.0 - gradient.min(1.0);
                let weak = match taught {
                    Some(taught) => {
                        plain * (1.0 - taught.share) + taught.cost[level(gradient)] * taught.share
                    }
                    None => plain,
                };
                WEIGHTS[0] * f32::from(u8::from(!image.is_crossing(at))) + WEIGHTS[1] * weak
            })
            .collect();
        let seed = image.pixel_of(anchor);
        let mut wire = Self {
            image,
            anchor,
            pixel_cost,
            cost: vec![u32::MAX; count],
            settled: vec![false; count],
            back: vec![UNREACHED; count],
            buckets: vec![Vec::new(); BUCKETS],
            waiting: 0,
            now: 0,
        };
        wire.cost[seed] = 0;
        wire.put(seed, 0);
        wire
    }

    /// The edges that it follows.
    #[must_use]
    pub fn image(&self) -> &EdgeImage {
        &self.image
    }

    /// The path from the anchor to `to`, plane mm, both included. Where `to` lies beyond the part of
    /// the image that is searched, it goes on straight.
    pub fn path_to(&mut self, to: Point2) -> Vec<Point2> {
        let target = self.image.pixel_of(to);
        self.reach(target);
        let pixels = self.pixels_to(target);
        let mut path: Vec<Point2> = pixels.iter().map(|at| self.image.on_ridge(*at)).collect();
        let ridge = path.clone();
        for at in 1..path.len().saturating_sub(1) {
            path[at] = Point2::from(
                ridge[at - 1].coords * 0.25 + ridge[at].coords * 0.5 + ridge[at + 1].coords * 0.25,
            );
        }
        // The ends are where the person has put them, not a pixel beside.
        let mut out = vec![self.anchor];
        if path.len() > 2 {
            out.extend_from_slice(&path[1..path.len() - 1]);
        }
        out.push(to);
        out.dedup();
        out
    }

    /// What the path to `to` teaches about the edge wanted; `None` where it is too short.
    pub fn lesson(&mut self, to: Point2) -> Option<Taught> {
        let target = self.image.pixel_of(to);
        self.reach(target);
        let pixels = self.pixels_to(target);
        let last = &pixels[pixels.len().saturating_sub(LEARNED)..];
        if last.len() < 6 {
            return None;
        }
        let mut counts = [0.0_f32; LEVELS];
        for at in last {
            counts[level(self.image.gradient(*at))] += 1.0;
        }
        let spread: Vec<f32> = (0..LEVELS)
            .map(|own| {
                let weight = |n: usize| {
                    let off = own.abs_diff(n) as f32;
                    (-off * off / 8.0).exp()
                };
                counts.iter().enumerate().map(|(n, count)| count * weight(n)).sum()
            })
            .collect();
        let greatest = spread.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        let cost = spread.iter().map(|value| 1.0 - value / greatest).collect();
        Some(Taught { cost, share: (last.len() as f32 / ENOUGH).min(1.0) })
    }

    fn put(&mut self, at: usize, cost: u32) {
        #[expect(clippy::cast_possible_truncation, reason = "far fewer pixels than 2^32")]
        self.buckets[cost as usize % BUCKETS].push(at as u32);
        self.waiting += 1;
    }

    /// Goes outwards until `target` is settled (Dijkstra 1959; buckets by Dial 1969).
    fn reach(&mut self, target: usize) {
        let [nx, ny] = self.image.size();
        let spacing = self.image.spacing();
        let widest = spacing[0].hypot(spacing[1]);
        while !self.settled[target] && self.waiting > 0 {
            let Some(at) = self.buckets[self.now as usize % BUCKETS].pop() else {
                self.now += 1;
                continue;
            };
            self.waiting -= 1;
            let at = at as usize;
            if self.settled[at] {
                continue;
            }
            self.settled[at] = true;
            let (i, j) = (at % nx, at / nx);
            let own = self.image.along(at);
            for (back, (di, dj)) in NEIGHBOURS.iter().enumerate() {
                let (Some(i), Some(j)) = (i.checked_add_signed(*di), j.checked_add_signed(*dj)) else {
                    continue;
                };
                if i >= nx || j >= ny || self.settled[i + j * nx] {
                    continue;
                }
                let to = i + j * nx;
                let step = [*di as f32 * spacing[0], *dj as f32 * spacing[1]];
                let length = step[0].hypot(step[1]);
                let turn = turning(own, self.image.along(to), [step[0] / length, step[1] / length]);
                let local = (self.pixel_cost[to] + WEIGHTS[2] * turn) * length / widest;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=162")]
                let cost = self.cost[at] + 1 + (local * UNIT) as u32;
                if cost < self.cost[to] {
                    self.cost[to] = cost;
                    #[expect(clippy::cast_possible_truncation, reason = "one of eight")]
                    let way = back as u8;
                    self.back[to] = way;
                    self.put(to, cost);
                }
            }
            // A pixel popped while `now` is its own cost; nothing cheaper can come later.
        }
    }

    /// The pixels from the anchor to `target`, both included.
    fn pixels_to(&self, target: usize) -> Vec<usize> {
        let nx = self.image.size()[0];
        let mut pixels = vec![target];
        let mut at = target;
        while let Some((di, dj)) = NEIGHBOURS.get(usize::from(self.back[at])) {
            let (i, j) = ((at % nx).wrapping_add_signed(-di), (at / nx).wrapping_add_signed(-dj));
            at = i + j * nx;
            pixels.push(at);
        }
        pixels.reverse();
        pixels
    }
}

/// How much the edge turns between two pixels, 0 to 1: the angles between the step and the edge
/// at either end.
fn turning(from: [f32; 2], to: [f32; 2], step: [f32; 2]) -> f32 {
    let dot = |a: [f32; 2], b: [f32; 2]| (a[0] * b[0] + a[1] * b[1]).clamp(-1.0, 1.0);
    let sense = if dot(from, step) < 0.0 { -1.0 } else { 1.0 };
    let angles = arc(sense * dot(from, step)) + arc(sense * dot(to, step));
    (2.0 / (3.0 * std::f32::consts::PI) * angles).min(1.0)
}

/// The arc of a cosine within 7e-5 (Abramowitz and Stegun, 4.4.45).
fn arc(cosine: f32) -> f32 {
    let x = cosine.abs();
    let near =
        (1.0 - x).max(0.0).sqrt() * (((-0.018_729_3 * x + 0.074_261) * x - 0.212_114_4) * x + 1.570_728_8);
    if cosine < 0.0 { std::f32::consts::PI - near } else { near }
}
