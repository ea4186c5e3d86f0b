//! From what lines side by side hold of a section to its outlines.

use super::super::rings::nested;
use super::super::{Point2, Polygon, Ring};

/// Stretches (from, to) of a line, mm along it; sorted and apart.
pub(super) type Stretches = Vec<(f64, f64)>;

/// What a line of the section, parallel to the contour planes, holds.
pub(super) struct Line {
    pub offset_mm: f64,
    /// How far it stands for what lies beside it along the normal, mm.
    pub below_mm: f64,
    pub above_mm: f64,
    /// Whether the next line is of the same solid.
    pub goes_on: bool,
    pub stretches: Stretches,
}

/// Joins stretches that touch or overlap (pieces that share an edge).
pub(super) fn merged(mut stretches: Stretches) -> Stretches {
    stretches.dedup_by(|next, kept| {
        let touch = next.0 <= kept.1;
        if touch {
            kept.1 = kept.1.max(next.1);
        }
        touch
    });
    stretches
}

/// The stretches of every line, and how their ends are linked into outlines.
pub(super) struct Stack<'a> {
    pub lines: &'a [Line],
}

/// Where an outline goes on from an end of a stretch.
#[derive(Clone, Copy)]
enum Link {
    /// To the same side of a stretch of the neighbouring line.
    Straight(usize),
    /// To the facing end of the next stretch of the same line, around the gap's tip.
    Around(usize),
    /// Along the border of the slab to the other end of the same stretch.
    Cap,
}

impl Stack<'_> {
    /// Outlines in (s, offset) coordinates: right ends are walked upwards, left ends downwards, so
    /// that the inside is on the left of the walk.
    pub(super) fn outlines(&self) -> Vec<Polygon> {
        let count = self.lines.len();
        // up[k][n]: from the right end; down[k][n]: from the left end.
        let mut up: Vec<Vec<Link>> =
            self.lines.iter().map(|line| vec![Link::Cap; line.stretches.len()]).collect();
        let mut down = up.clone();
        for k in 1..count {
            if self.lines[k - 1].goes_on {
                let (lower, upper) = (&self.lines[k - 1].stretches, &self.lines[k].stretches);
                for (a, b) in groups(lower, upper) {
                    up[k - 1][a.end - 1] = Link::Straight(b.end - 1);
                    down[k][b.start] = Link::Straight(a.start);
                    for (n, link) in (a.start..).zip(&mut up[k - 1][a.start..a.end - 1]) {
                        *link = Link::Around(n + 1);
                    }
                    for (n, link) in (b.start..).zip(&mut down[k][b.start + 1..b.end]) {
                        *link = Link::Around(n);
                    }
                }
            }
        }
        let mut seen: Vec<Vec<bool>> =
            self.lines.iter().map(|line| vec![false; line.stretches.len()]).collect();
        let mut rings = Vec::new();
        for k in 0..count {
            for n in 0..self.lines[k].stretches.len() {
                if !seen[k][n] {
                    rings.push(self.walk((k, n), &up, &down, &mut seen));
                }
            }
        }
        nested(rings.into_iter().filter(|ring| ring.len() >= 3).collect())
    }

    /// The ring through the right end of a stretch.
    fn walk(
        &self,
        start: (usize, usize),
        up: &[Vec<Link>],
        down: &[Vec<Link>],
        seen: &mut [Vec<bool>],
    ) -> Ring {
        let place = |offset: f64, s: f64| Point2::new(s, offset);
        let mut ring: Ring = Vec::new();
        let (mut k, mut n) = start;
        let mut right = true;
        loop {
            let line = &self.lines[k];
            let (stretch, own) = (line.stretches[n], line.offset_mm);
            if right {
                if seen[k][n] {
                    break;
                }
                seen[k][n] = true;
                ring.push(place(own, stretch.1));
                match up[k][n] {
                    Link::Straight(next) => (k, n) = (k + 1, next),
                    Link::Around(next) => {
                        let tip = f64::midpoint(own, self.lines[k + 1].offset_mm);
                        ring.push(place(tip, f64::midpoint(stretch.1, line.stretches[next].0)));
                        (n, right) = (next, false);
                    }
                    Link::Cap => {
                        ring.push(place(own + line.above_mm, stretch.1));
                        ring.push(place(own + line.above_mm, stretch.0));
                        right = false;
                    }
                }
            } else {
                ring.push(place(own, stretch.0));
                match down[k][n] {
                    Link::Straight(next) => (k, n) = (k - 1, next),
                    Link::Around(next) => {
                        let tip = f64::midpoint(own, self.lines[k - 1].offset_mm);
                        ring.push(place(tip, f64::midpoint(stretch.0, line.stretches[next].1)));
                        (n, right) = (next, true);
                    }
                    Link::Cap => {
                        ring.push(place(own - line.below_mm, stretch.0));
                        ring.push(place(own - line.below_mm, stretch.1));
                        right = true;
                    }
                }
            }
        }
        ring.dedup();
        ring
    }
}

/// The runs of stretches of two lines that hang together by overlapping one another.
pub(super) fn groups(
    lower: &[(f64, f64)],
    upper: &[(f64, f64)],
) -> Vec<(std::ops::Range<usize>, std::ops::Range<usize>)> {
    let mut out: Vec<(std::ops::Range<usize>, std::ops::Range<usize>)> = Vec::new();
    let (mut a, mut b) = (0, 0);
    while a < lower.len() && b < upper.len() {
        if lower[a].1 <= upper[b].0 {
            a += 1;
        } else if upper[b].1 <= lower[a].0 {
            b += 1;
        } else {
            match out.last_mut() {
                Some((own, other)) if own.end == a + 1 || other.end == b + 1 => {
                    own.end = a + 1;
                    other.end = b + 1;
                }
                _ => out.push((a..a + 1, b..b + 1)),
            }
            if lower[a].1 < upper[b].1 { a += 1 } else { b += 1 }
        }
    }
    out
}
