//! Contours of a plane made ready for many questions: which stretches of a line they hold, and how far a
//! point is from them.

use super::super::{Point2, Polygon, Vector2};
use super::outlines::{Stretches, merged};
use std::ops::Range;

/// Edges that are asked together, and blocks of them.
const BLOCK: usize = 6;
const BLOCKS: usize = 8;

/// Lines on which two pieces are looked at for what they have in common; a power of two less one.
const PROBES: u32 = 31;

/// What pieces have less of in common, mm, is not counted.
const TOUCH_MM: f64 = 1e-6;

#[derive(Debug, Clone, Copy)]
struct Edge {
    from: Point2,
    along: Vector2,
    /// One over the square of its length; 0 for a point.
    per_square: f64,
}

impl Edge {
    fn square(&self, point: Point2) -> f64 {
        let d = point - self.from;
        let t = (d.dot(&self.along) * self.per_square).clamp(0.0, 1.0);
        (d - self.along * t).norm_squared()
    }

    /// Where a line along x at `y` crosses it, the same whichever way the edge goes; half-open.
    fn crossing(&self, y: f64) -> Option<f64> {
        let to = self.from + self.along;
        if (self.from.y > y) == (to.y > y) {
            return None;
        }
        let (low, high) = if to.y < self.from.y { (to, self.from) } else { (self.from, to) };
        Some(low.x + (high.x - low.x) * ((y - low.y) / (high.y - low.y)))
    }
}

/// Things that follow one another, and the box they lie in.
#[derive(Debug, Clone)]
struct Block {
    of: Range<usize>,
    low: Point2,
    high: Point2,
}

impl Block {
    /// The square of the least distance that something in the box can have.
    fn least_square(&self, point: Point2) -> f64 {
        let x = (self.low.x - point.x).max(point.x - self.high.x).max(0.0);
        let y = (self.low.y - point.y).max(point.y - self.high.y).max(0.0);
        x * x + y * y
    }

    fn is_on(&self, y: f64) -> bool {
        self.low.y <= y && y <= self.high.y
    }
}

/// A piece in coordinates whose x runs along the lines that are asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Shape {
    edges: Vec<Edge>,
    /// Of edges.
    blocks: Vec<Block>,
    /// Of blocks.
    parts: Vec<Block>,
}

impl Shape {
    /// A piece, its points moved by `carry`.
    pub(super) fn of(piece: &Polygon, carry: impl Fn(&Point2) -> Point2) -> Self {
        let mut shape = Self::default();
        let count = piece.rings().map(Vec::len).sum();
        shape.edges.reserve_exact(count);
        shape.blocks.reserve(count / BLOCK + 1);
        for ring in piece.rings() {
            let Some(mut from) = ring.last().map(&carry) else { continue };
            for points in ring.chunks(BLOCK) {
                let first = shape.edges.len();
                let (mut low, mut high) = (from, from);
                for to in points.iter().map(&carry) {
                    let along = to - from;
                    let square = along.norm_squared();
                    let per_square = if square > 0.0 { square.recip() } else { 0.0 };
                    shape.edges.push(Edge { from, along, per_square });
                    (low, high) = (low.inf(&to), high.sup(&to));
                    from = to;
                }
                shape.blocks.push(Block { of: first..shape.edges.len(), low, high });
            }
        }
        for (n, blocks) in shape.blocks.chunks(BLOCKS).enumerate() {
            let bounds = blocks.iter().map(|own| (own.low, own.high));
            let bounds = bounds.reduce(|a, b| (a.0.inf(&b.0), a.1.sup(&b.1)));
            if let Some((low, high)) = bounds {
                let first = n * BLOCKS;
                shape.parts.push(Block { of: first..first + blocks.len(), low, high });
            }
        }
        shape
    }

    fn bounds(&self) -> Option<(Point2, Point2)> {
        let boxes = self.parts.iter().map(|part| (part.low, part.high));
        boxes.reduce(|a, b| (a.0.inf(&b.0), a.1.sup(&b.1)))
    }

    /// Where the line along x at `y` crosses its edges, in no order.
    fn crossings(&self, y: f64) -> impl Iterator<Item = f64> {
        let parts = self.parts.iter().filter(move |part| part.is_on(y));
        let blocks = parts.flat_map(|part| &self.blocks[part.of.clone()]).filter(move |own| own.is_on(y));
        let edges = blocks.flat_map(|block| &self.edges[block.of.clone()]);
        edges.filter_map(move |edge| edge.crossing(y))
    }

    /// Adds what the line along x at `y` holds of it.
    fn put_on_line(&self, y: f64, out: &mut Stretches) {
        let mut cuts: Vec<f64> = self.crossings(y).collect();
        cuts.sort_by(f64::total_cmp);
        out.extend(cuts.chunks_exact(2).map(|pair| (pair[0], pair[1])).filter(|(from, to)| from < to));
    }

    /// The least of `known` and the square of a point's distance from the nearest edge.
    fn least_square(&self, point: Point2, known: f64) -> f64 {
        let of_part = |part: &Block, mut least: f64| {
            for block in &self.blocks[part.of.clone()] {
                if block.least_square(point) < least {
                    let edges = &self.edges[block.of.clone()];
                    least = edges.iter().map(|edge| edge.square(point)).fold(least, f64::min);
                }
            }
            least
        };
        let mut least = known;
        if known.is_infinite() {
            // The nearest first: it spares most of the others.
            let near = self.parts.iter().map(|part| (part.least_square(point), part));
            if let Some((_, part)) = near.min_by(|a, b| a.0.total_cmp(&b.0)) {
                least = of_part(part, least);
            }
        }
        for part in &self.parts {
            if part.least_square(point) < least {
                least = of_part(part, least);
            }
        }
        least
    }

    fn contains(&self, point: Point2) -> bool {
        self.crossings(point.y).filter(|x| *x > point.x).count() % 2 == 1
    }

    /// Whether two pieces have something in common.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (Some(own), Some(that)) = (self.bounds(), other.bounds()) else { return false };
        let (low, high) = (own.0.sup(&that.0), own.1.inf(&that.1));
        if low.x >= high.x || low.y >= high.y {
            return false;
        }
        // In the middle, at the quarters, at the eighths: mostly the first tells.
        let on_probe = |n: u32| {
            let level = 1_u32 << n.ilog2();
            let part = (f64::from(n - level) + 0.5) / f64::from(level);
            let y = low.y + (high.y - low.y) * part;
            have_common(&on_line(&[self], y), &on_line(&[other], y))
        };
        let reaches_into = |from: &Self, to: &Self| {
            let points = from.edges.iter().map(|edge| edge.from);
            let mut points = points.filter(|p| low.x < p.x && p.x < high.x && low.y < p.y && p.y < high.y);
            points.any(|point| to.contains(point))
        };
        (1..=PROBES).any(on_probe) || reaches_into(self, other) || reaches_into(other, self)
    }
}

/// What the line along x at `y` holds of disjoint pieces.
pub(super) fn on_line(pieces: &[&Shape], y: f64) -> Stretches {
    let mut out = Stretches::new();
    for piece in pieces {
        piece.put_on_line(y, &mut out);
    }
    if pieces.len() > 1 {
        out.sort_by(|a, b| a.0.total_cmp(&b.0));
        out = merged(out);
    }
    out
}

/// How far a point of a line is from the nearest edge of pieces, mm, given what the line holds of them;
/// infinite without pieces.
pub(super) fn distance(pieces: &[&Shape], point: Point2, held: &[(f64, f64)]) -> f64 {
    // No further than the nearest border on the line itself.
    let on_line = held.iter().map(|(from, to)| (point.x - from).abs().min((point.x - to).abs()));
    let known = on_line.fold(f64::INFINITY, f64::min);
    pieces.iter().fold(known * known, |known, piece| piece.least_square(point, known)).sqrt()
}

/// Whether stretches of two lines overlap.
fn have_common(a: &[(f64, f64)], b: &[(f64, f64)]) -> bool {
    a.iter().any(|own| b.iter().any(|that| own.1.min(that.1) - own.0.max(that.0) > TOUCH_MM))
}
