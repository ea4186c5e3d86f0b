//! The edges of a shape, sorted so that one of a region meets only those near it, and how two meet.

use super::{Outline, TOUCH_MM};
use crate::geometry::{Point2, Polygon, Vector2};

/// Bands across v that edges of the shape are sorted into.
const BANDS: usize = 24;

/// A box in plane coordinates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    pub(super) low: Point2,
    pub(super) high: Point2,
}

impl Reach {
    pub(super) fn of(a: Point2, b: Point2) -> Self {
        Self { low: Point2::new(a.x.min(b.x), a.y.min(b.y)), high: Point2::new(a.x.max(b.x), a.y.max(b.y)) }
    }

    pub(super) fn of_piece(piece: &Polygon) -> Option<Self> {
        piece.bounds().map(|(low, high)| Self { low, high })
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self {
            low: Point2::new(self.low.x.min(other.low.x), self.low.y.min(other.low.y)),
            high: Point2::new(self.high.x.max(other.high.x), self.high.y.max(other.high.y)),
        }
    }

    pub(super) fn grown(self) -> Self {
        self.grown_by(TOUCH_MM)
    }

    pub(super) fn grown_by(self, by_mm: f64) -> Self {
        let by = Vector2::new(by_mm, by_mm);
        Self { low: self.low - by, high: self.high + by }
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        self.low.x <= other.high.x
            && other.low.x <= self.high.x
            && self.low.y <= other.high.y
            && other.low.y <= self.high.y
    }

    pub(super) fn holds(&self, point: Point2) -> bool {
        self.low.x <= point.x && point.x <= self.high.x && self.low.y <= point.y && point.y <= self.high.y
    }
}

/// An edge of the shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) outline: usize,
    pub(super) at: usize,
    /// The number of its first vertex and of its last among all of the shape.
    pub(super) ends: [usize; 2],
    pub(super) from: Point2,
    pub(super) to: Point2,
    reach: Reach,
    first_band: usize,
}

/// The edges of the shape by bands across v.
pub(super) struct Edges {
    pub(super) reach: Reach,
    per_mm: f64,
    starts: [usize; BANDS + 1],
    by_band: Vec<Edge>,
    pub(super) vertices: usize,
}

impl Edges {
    pub(super) fn new(outlines: &[Outline<'_>], reach: Reach) -> Self {
        let per_mm = BANDS as f64 / (reach.high.y - reach.low.y).max(TOUCH_MM);
        let mut own = Self { reach, per_mm, starts: [0; BANDS + 1], by_band: Vec::new(), vertices: 0 };
        let mut edges = Vec::with_capacity(outlines.iter().map(|outline| outline.ring.len()).sum());
        for (number, outline) in outlines.iter().enumerate() {
            let count = outline.ring.len();
            for at in 0..count {
                let next = if at + 1 < count { at + 1 } else { 0 };
                let (from, to) = (outline.ring[at], outline.ring[next]);
                let reach = Reach::of(from, to);
                let (first_band, last) = (own.band(reach.low.y), own.band(reach.high.y));
                own.starts[first_band + 1..=last + 1].iter_mut().for_each(|count| *count += 1);
                let ends = [own.vertices + at, own.vertices + next];
                edges.push((Edge { outline: number, at, ends, from, to, reach, first_band }, last));
            }
            own.vertices += count;
        }
        for band in 0..BANDS {
            own.starts[band + 1] += own.starts[band];
        }
        let Some((filler, _)) = edges.first().copied() else { return own };
        own.by_band = vec![filler; own.starts[BANDS]];
        let mut next = own.starts;
        for (edge, last) in edges {
            for place in &mut next[edge.first_band..=last] {
                own.by_band[*place] = edge;
                *place += 1;
            }
        }
        own
    }

    fn band(&self, v: f64) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the bands")]
        let band = ((v - self.reach.low.y) * self.per_mm).clamp(0.0, (BANDS - 1) as f64) as usize;
        band
    }

    /// The edges whose boxes meet `reach`, each once.
    pub(super) fn near(&self, reach: Reach) -> impl Iterator<Item = &Edge> {
        let (first, last) = (self.band(reach.low.y), self.band(reach.high.y));
        (first..=last).flat_map(move |band| {
            let edges = &self.by_band[self.starts[band]..self.starts[band + 1]];
            edges.iter().filter(move |edge| edge.first_band.max(first) == band && edge.reach.meets(&reach))
        })
    }
}

/// How two edges meet.
pub(super) enum Meeting {
    Apart,
    /// Each crosses the other, so far along the first and the second.
    Crossing(f64, f64),
    /// They have ends in common: whether the first's start is the second's start, the first's start
    /// the second's end, and so on.
    Shared([[bool; 2]; 2]),
    /// An end lies on the other edge.
    Touching,
}

pub(super) fn meeting([a, b]: [Point2; 2], [c, d]: [Point2; 2]) -> Meeting {
    let same = [[a == c, a == d], [b == c, b == d]];
    let on = |point: Point2, from: Point2, to: Point2| {
        let by = to - from;
        let length = by.norm();
        let foot = by.dot(&(point - from));
        by.perp(&(point - from)).abs() <= TOUCH_MM * length
            && foot >= -TOUCH_MM * length
            && foot <= (length + TOUCH_MM) * length
    };
    match same {
        [[true, false], [false, true]] | [[false, true], [true, false]] => Meeting::Shared(same),
        [[false, false], [false, false]] => {
            let (ab, cd) = (b - a, d - c);
            let (of_c, of_d) = (ab.perp(&(c - a)), ab.perp(&(d - a)));
            let (of_a, of_b) = (cd.perp(&(a - c)), cd.perp(&(b - c)));
            if on(a, c, d) || on(b, c, d) || on(c, a, b) || on(d, a, b) {
                Meeting::Touching
            } else if (of_c > 0.0) != (of_d > 0.0) && (of_a > 0.0) != (of_b > 0.0) {
                Meeting::Crossing(of_a / (of_a - of_b), of_c / (of_c - of_d))
            } else {
                Meeting::Apart
            }
        }
        [own, other] => {
            let (shared_a, shared_c) = (own[0] || own[1], own[0] || other[0]);
            let (free_a, free_c) = (if shared_a { b } else { a }, if shared_c { d } else { c });
            // An edge without length has both ends in common.
            if a == b || c == d || on(free_a, c, d) || on(free_c, a, b) {
                Meeting::Touching
            } else {
                Meeting::Shared(same)
            }
        }
    }
}
