//! Marching squares for any number of labels at once: neighbours share every vertex.

use super::CLEARANCE;
use crate::geometry::rings::nested;
use crate::geometry::{Point2, Polygon, Ring};
use std::collections::BTreeMap;

/// What becomes of four centres of which two diagonal ones are alike and the other two as well.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Saddle {
    /// The label with the greater mean score over the four joins; the greater label on a tie.
    ByScore,
    /// The greater label falls apart, the smaller joins.
    Apart,
}

/// Outlines of every label but 0, in voxel-index coordinates.
///
/// `score(label, index)` is a class's value (probability, logit) at a voxel. Between neighbouring
/// centres of labels a and b the boundary lies where `score(a) - score(b)`, linearly interpolated,
/// is zero: neighbours get the same vertex to the bit, no gap and no overlap. Where three or four
/// labels meet among four centres their boundaries join in one point, the mean of the crossings.
/// The labels alone say which centres are inside, so every tie has the owner it has in the map;
/// where the scores disagree with the labels, or are NaN, the crossing lies half way or at
/// [`CLEARANCE`] from a centre.
///
/// # Panics
/// When there are not `nx * ny` labels.
#[must_use]
pub fn labels_slice(
    labels: &[u16],
    nx: usize,
    ny: usize,
    score: impl Fn(u16, usize) -> f32,
) -> BTreeMap<u16, Vec<Polygon>> {
    trace(labels, nx, ny, score, Saddle::ByScore)
}

/// A vertex: a crossing on the edge to the right of or above a centre, or a meeting point inside
/// a square. Numbers of the padded grid: 3 * square + kind.
type Node = u32;

/// One step along a boundary with `label` on its left.
struct Step {
    label: u16,
    from: Node,
    to: Node,
}

pub(super) fn trace(
    labels: &[u16],
    nx: usize,
    ny: usize,
    score: impl Fn(u16, usize) -> f32,
    saddle: Saddle,
) -> BTreeMap<u16, Vec<Polygon>> {
    assert_eq!(labels.len(), nx * ny, "one label a voxel");
    let grid = Padded { labels, nx, ny, score, saddle };
    let mut steps = Vec::new();
    for y in 0..=ny {
        for x in 0..=nx {
            grid.square(x, y, &mut steps);
        }
    }
    steps.sort_unstable_by_key(|step| (step.label, step.from));
    let mut out = BTreeMap::new();
    for group in steps.chunk_by(|a, b| a.label == b.label) {
        let rings = grid.stitch(group);
        out.insert(group[0].label, nested(rings));
    }
    out
}

/// The slice with one background voxel around it. Square (x, y) has the padded centres
/// (x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1); padded (1, 1) is voxel (0, 0).
struct Padded<'a, F> {
    labels: &'a [u16],
    nx: usize,
    ny: usize,
    score: F,
    saddle: Saddle,
}

impl<F: Fn(u16, usize) -> f32> Padded<'_, F> {
    fn voxel(&self, x: usize, y: usize) -> Option<usize> {
        ((1..=self.nx).contains(&x) && (1..=self.ny).contains(&y)).then(|| x - 1 + self.nx * (y - 1))
    }

    fn label(&self, x: usize, y: usize) -> u16 {
        self.voxel(x, y).map_or(0, |at| self.labels[at])
    }

    #[expect(clippy::cast_possible_truncation, reason = "a slice has far fewer than 2^30 voxels")]
    fn node(&self, x: usize, y: usize, kind: usize) -> Node {
        (3 * (x + (self.nx + 2) * y) + kind) as Node
    }

    /// Walks one square's boundaries: label on the left, counter-clockwise around its corner.
    #[expect(clippy::many_single_char_names, reason = "the four corners of a square at (x, y)")]
    fn square(&self, x: usize, y: usize, steps: &mut Vec<Step>) {
        let corners =
            [self.label(x, y), self.label(x + 1, y), self.label(x + 1, y + 1), self.label(x, y + 1)];
        let [a, b, c, d] = corners;
        if a == b && b == c && c == d {
            return;
        }
        // Edge e runs from corner e to corner e + 1: bottom, right, top, left.
        let edges = [self.node(x, y, 0), self.node(x + 1, y, 1), self.node(x, y + 1, 0), self.node(x, y, 1)];
        let middle = self.node(x, y, 2);
        let crossed = [a != b, b != c, c != d, d != a];
        let count = crossed.iter().filter(|crossed| **crossed).count();
        let mut push = |label: u16, from: Node, to: Node| {
            if label != 0 {
                steps.push(Step { label, from, to });
            }
        };
        match count {
            2 => {
                // Each of the two labels holds a run of corners. The inside lies to the left when
                // walking from the edge after the run's last corner to the edge before its first.
                for (label, last, before) in runs(corners, crossed) {
                    push(label, edges[last], edges[before]);
                }
            }
            3 => {
                // Three runs, meeting in the middle.
                for (label, last, before) in runs(corners, crossed) {
                    push(label, edges[last], middle);
                    push(label, middle, edges[before]);
                }
            }
            _ => {
                let joined = self.joined_diagonal(x, y, corners);
                for corner in 0..4 {
                    let (after, before) = (edges[corner], edges[(corner + 3) % 4]);
                    match joined {
                        // The joined corners are one piece: its two sides run past the others.
                        Some(odd) if (corner % 2 == 1) == odd => {
                            let opposite_before = edges[(corner + 1) % 4];
                            push(corners[corner], after, opposite_before);
                        }
                        Some(_) => push(corners[corner], after, before),
                        None => {
                            push(corners[corner], after, middle);
                            push(corners[corner], middle, before);
                        }
                    }
                }
            }
        }
    }

    /// With all four edges crossed: whether the even (0, 2) or the odd (1, 3) corners join, or
    /// nothing does and four labels meet in the middle.
    #[expect(clippy::many_single_char_names, reason = "the four corners of a square at (x, y)")]
    fn joined_diagonal(&self, x: usize, y: usize, corners: [u16; 4]) -> Option<bool> {
        let [a, b, c, d] = corners;
        match (a == c, b == d) {
            (true, false) => Some(false),
            (false, true) => Some(true),
            (false, false) => None,
            (true, true) => {
                let odd_is_greater = b > a;
                Some(match self.saddle {
                    Saddle::Apart => !odd_is_greater,
                    Saddle::ByScore => {
                        let (low, high) = (a.min(b), a.max(b));
                        let mean: f64 = [(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)]
                            .into_iter()
                            .map(|(x, y)| match self.voxel(x, y) {
                                Some(at) => self.excess(high, low, at),
                                None => -1.0,
                            })
                            .sum();
                        // NaN joins the smaller label.
                        if mean >= 0.0 { odd_is_greater } else { !odd_is_greater }
                    }
                })
            }
        }
    }

    fn excess(&self, label: u16, over: u16, at: usize) -> f64 {
        f64::from((self.score)(label, at)) - f64::from((self.score)(over, at))
    }

    /// How far along the edge from padded centre `p` to `q` the boundary of their labels lies.
    fn crossing(&self, p: (usize, usize), q: (usize, usize)) -> f64 {
        let (Some(at_p), Some(at_q)) = (self.voxel(p.0, p.1), self.voxel(q.0, q.1)) else { return 0.5 };
        let (low, high) = {
            let (a, b) = (self.labels[at_p], self.labels[at_q]);
            (a.min(b), a.max(b))
        };
        let (start, end) = (self.excess(high, low, at_p), self.excess(high, low, at_q));
        let t = start / (start - end);
        if t.is_nan() { 0.5 } else { t.clamp(CLEARANCE, 1.0 - CLEARANCE) }
    }

    #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
    fn position(&self, node: Node) -> Point2 {
        let (square, kind) = (node as usize / 3, node % 3);
        let (x, y) = (square % (self.nx + 2), square / (self.nx + 2));
        let base = Point2::new(x as f64 - 1.0, y as f64 - 1.0);
        match kind {
            0 => Point2::new(base.x + self.crossing((x, y), (x + 1, y)), base.y),
            1 => Point2::new(base.x, base.y + self.crossing((x, y), (x, y + 1))),
            _ => {
                let edges = [
                    ((x, y), (x + 1, y), self.node(x, y, 0)),
                    ((x + 1, y), (x + 1, y + 1), self.node(x + 1, y, 1)),
                    ((x, y + 1), (x + 1, y + 1), self.node(x, y + 1, 0)),
                    ((x, y), (x, y + 1), self.node(x, y, 1)),
                ];
                let crossings: Vec<Point2> = edges
                    .into_iter()
                    .filter(|(p, q, _)| self.label(p.0, p.1) != self.label(q.0, q.1))
                    .map(|(_, _, node)| self.position(node))
                    .collect();
                let sum = crossings.iter().fold(nalgebra::Vector2::zeros(), |sum, p| sum + p.coords);
                Point2::from(sum / crossings.len().max(1) as f64)
            }
        }
    }

    /// Joins one label's steps, sorted by where they start, into rings.
    fn stitch(&self, steps: &[Step]) -> Vec<Ring> {
        let mut used = vec![false; steps.len()];
        let mut rings = Vec::new();
        for first in 0..steps.len() {
            let mut ring = Vec::new();
            let mut at = first;
            while !used[at] {
                used[at] = true;
                ring.push(self.position(steps[at].from));
                let to = steps[at].to;
                match steps.binary_search_by_key(&to, |step| step.from) {
                    Ok(next) => at = next,
                    // Cannot happen: every vertex of a label has one step in and one out.
                    Err(_) => break,
                }
            }
            if ring.len() >= 3 {
                rings.push(ring);
            }
        }
        rings
    }
}

/// The runs of alike corners around a square: label, the edge after the run's last corner, the edge
/// before its first.
fn runs(corners: [u16; 4], crossed: [bool; 4]) -> impl Iterator<Item = (u16, usize, usize)> {
    corners.into_iter().enumerate().filter_map(move |(first, label)| {
        let before = (first + 3) % 4;
        let last = (first..first + 4).map(|corner| corner % 4).find(|corner| crossed[*corner])?;
        crossed[before].then_some((label, last, before))
    })
}
