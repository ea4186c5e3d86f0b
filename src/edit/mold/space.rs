//! Smoothing in space: what wobbles from one slice to the next becomes smooth under a ball.
//!
//! Contours keep to their slices. So each is smoothed in its plane first, and then moved within it by
//! what its neighbours say: how far off their own outlines run from a vertex, outward, is the surface
//! across the slices at that place. It is smoothed as an outline is, there and back by the same
//! factor, so that no wave along the slices' normal grows and long ones stay. The second difference is
//! that for the distances between the slices, times the squared cosine of the slope, as steps along a
//! slanting surface are longer. Where a neighbour has no outline that runs alike within the tool's
//! radius the surface ends; the second difference is nothing there, so that ends neither grow nor yield.

use super::cells::Cells;
use super::{RoundTool, smoothed_under};
use crate::edit::reoriented;
use crate::geometry::{Plane, Point2, Point3, Polygon, Ring, Vector2};
use rayon::prelude::*;

/// The most that an outline is moved to keep the volume, mm.
const MOST_BACK_MM: f64 = 0.2;

/// The contours on a slice.
#[derive(Debug, Clone, Copy)]
pub struct Level<'a> {
    /// Whose coordinates they have.
    pub plane: Plane,
    /// The contours; none where the structure is not.
    pub polygons: &'a [Polygon],
}

/// The contours after smoothing under a ball around `center` (patient mm), in the order of `levels`:
/// all slices that the ball meets, and two more on either side where there are any, from the lowest
/// along the first one's normal. What the ball does not hold keeps its bits.
#[must_use]
pub fn smoothed_in_space(levels: &[Level<'_>], center: Point3, radius_mm: f64) -> Vec<Vec<Polygon>> {
    let Some(base) = levels.first().map(|level| level.plane) else { return Vec::new() };
    let tool = |level: &Level<'_>| {
        let height_mm = level.plane.distance_mm(center);
        let meets = height_mm.abs() < radius_mm && !level.polygons.is_empty();
        meets.then(|| RoundTool { center: level.plane.project(center), height_mm, radius_mm })
    };
    let within: Vec<Vec<Polygon>> = levels
        .par_iter()
        .map(|level| {
            tool(level).map_or_else(|| level.polygons.to_vec(), |tool| smoothed_under(level.polygons, tool))
        })
        .collect();
    let middle = base.project(center);
    let lines = levels.iter().zip(&within).map(|(level, polygons)| {
        Line::near(&reoriented(polygons, &level.plane, &base), middle, radius_mm * 2.0)
    });
    let stack = Stack {
        lines: lines.collect(),
        heights_mm: levels.iter().map(|level| base.distance_mm(level.plane.lift(Point2::origin()))).collect(),
        center: Point3::new(middle.x, middle.y, base.distance_mm(center)),
        radius_mm,
    };
    let tools: Vec<Option<RoundTool>> = levels.iter().map(tool).collect();
    let mut moves: Vec<Moves> = (0..levels.len())
        .into_par_iter()
        .map(|at| {
            let Some(tool) = tools[at] else { return Vec::new() };
            let ring = |ring: &Ring| stack.moves(at, ring, &tool, [&levels[at].plane, &base]);
            within[at].iter().map(|piece| piece.rings().map(ring).collect()).collect()
        })
        .collect();
    keep_volume(&within, &mut moves, &tools, &stack.heights_mm);
    let moved = |at: usize| {
        let Some(tool) = tools[at] else { return within[at].clone() };
        // By less where outlines would cross.
        let parts = [1.0, 0.5, 0.25].into_iter().map(|part| carried(&within[at], &moves[at], part));
        let mut candidates = parts.chain([within[at].clone()]);
        candidates.find(|own| are_apart(own, &tool)).unwrap_or_else(|| levels[at].polygons.to_vec())
    };
    (0..levels.len()).into_par_iter().map(moved).collect()
}

/// How each vertex of each ring of each piece moves.
type Moves = Vec<Vec<Vec<Vector2>>>;

/// Adds to the moves what keeps the volume under the tool: along the outlines' normals, by its weight.
fn keep_volume(
    polygons: &[Vec<Polygon>],
    moves: &mut [Moves],
    tools: &[Option<RoundTool>],
    heights_mm: &[f64],
) {
    let area = |own: &[Polygon]| own.iter().map(Polygon::area_mm2).sum::<f64>();
    let thickness = |at: usize| {
        let (low, high) = (at.saturating_sub(1), (at + 1).min(heights_mm.len() - 1));
        heights_mm[high] - heights_mm[low]
    };
    let (mut lost, mut gain) = (0.0, 0.0);
    // The way out of the structure at each vertex, weighted.
    let mut ways: Vec<Moves> = Vec::with_capacity(moves.len());
    for (at, tool) in tools.iter().enumerate() {
        let Some(tool) = tool else {
            ways.push(Vec::new());
            continue;
        };
        lost += (area(&polygons[at]) - area(&carried(&polygons[at], &moves[at], 1.0))) * thickness(at);
        let mut way = |ring: &Ring| -> Vec<Vector2> {
            let count = ring.len();
            let vertex = |index: usize| {
                let across: Vector2 = ring[(index + 1) % count] - ring[(index + count - 1) % count];
                let weight = tool.weight(ring[index]);
                gain += weight * across.norm() * 0.5 * thickness(at);
                outward(across) * weight
            };
            (0..count).map(vertex).collect()
        };
        ways.push(polygons[at].iter().map(|piece| piece.rings().map(&mut way).collect()).collect());
    }
    if gain <= 0.0 {
        return;
    }
    let by = (lost / gain).clamp(-MOST_BACK_MM, MOST_BACK_MM);
    let own = moves.iter_mut().flatten().flatten().flatten();
    own.zip(ways.iter().flatten().flatten().flatten()).for_each(|(own, way)| *own += way * by);
}

/// The polygons with their vertices moved by a part of these moves, ring by ring.
fn carried(polygons: &[Polygon], moves: &Moves, part: f64) -> Vec<Polygon> {
    let mut result = polygons.to_vec();
    for (piece, moves) in result.iter_mut().zip(moves) {
        for (ring, moves) in std::iter::once(&mut piece.outer).chain(&mut piece.holes).zip(moves) {
            for (point, by) in ring.iter_mut().zip(moves).filter(|(_, by)| **by != Vector2::zeros()) {
                *point += by * part;
            }
        }
    }
    result
}

/// Whether no two edges under the tool, or one under it and one beside it, cross.
fn are_apart(polygons: &[Polygon], tool: &RoundTool) -> bool {
    struct Side {
        ends: [Point2; 2],
        ring: usize,
        at: usize,
        count: usize,
        is_under: bool,
    }
    let (low, high) = {
        let reach = Vector2::new(tool.radius_mm, tool.radius_mm);
        (tool.center - reach, tool.center + reach)
    };
    let mut sides = Vec::new();
    for (number, ring) in polygons.iter().flat_map(Polygon::rings).enumerate() {
        for (at, (a, b)) in ring.iter().zip(ring.iter().cycle().skip(1)).enumerate() {
            let (from, to) = (a.inf(b), a.sup(b));
            if to.x >= low.x && to.y >= low.y && from.x <= high.x && from.y <= high.y {
                let is_under = tool.weight(*a) > 0.0 || tool.weight(*b) > 0.0;
                sides.push(Side { ends: [*a, *b], ring: number, at, count: ring.len(), is_under });
            }
        }
    }
    let left = |side: &Side| side.ends[0].x.min(side.ends[1].x);
    sides.sort_by(|a, b| left(a).total_cmp(&left(b)));
    let cross = |one: &Side, other: &Side| {
        let ([a, b], [c, d]) = (one.ends, other.ends);
        let (ab, cd) = (b - a, d - c);
        ab.perp(&(c - a)) * ab.perp(&(d - a)) < 0.0 && cd.perp(&(a - c)) * cd.perp(&(b - c)) < 0.0
    };
    sides.iter().enumerate().all(|(number, one)| {
        let right = one.ends[0].x.max(one.ends[1].x);
        let others = sides[number + 1..].iter().take_while(|other| left(other) <= right);
        let mut others = others.filter(|other| {
            let steps = one.at.abs_diff(other.at);
            let are_neighbours = one.ring == other.ring && (steps <= 1 || steps + 1 == one.count);
            (one.is_under || other.is_under) && !are_neighbours
        });
        others.all(|other| !cross(one, other))
    })
}

/// An edge of an outline, in the coordinates of the stack.
#[derive(Debug, Clone, Copy)]
struct Edge {
    from: Point2,
    along: Vector2,
    /// The normals, out of the structure: at its start, of itself, at its end.
    out: [Vector2; 3],
}

/// The outlines of a slice, or those of them near a tool, as they are seen from other slices.
#[derive(Debug)]
pub(in crate::edit) struct Line {
    edges: Vec<Edge>,
    /// Where they are looked for within a reach only.
    cells: Option<Cells>,
}

/// The edge nearest to a point: the square of its distance, its number, and how far along it, 0 to 1.
#[derive(Debug, Clone, Copy)]
struct Nearest {
    square: f64,
    number: usize,
    t: f64,
}

/// How far outward an outline runs from a point, mm, and how much it runs alike there, 0 to 1.
#[derive(Debug, Clone, Copy)]
struct Seen {
    outward_mm: f64,
    trust: f64,
}

impl Line {
    /// All outlines of a slice, to be seen from no farther than `reach_mm`, which is above 0.
    pub(in crate::edit) fn within(polygons: &[Polygon], reach_mm: f64) -> Self {
        let mut line = Self::near(polygons, Point2::origin(), f64::INFINITY);
        let ends = line.edges.iter().map(|edge| [edge.from, edge.from + edge.along]);
        line.cells = Some(Cells::new(ends, reach_mm));
        line
    }

    /// How far outward the nearest outline runs from a point of an outline with this normal, mm, and how much
    /// it runs alike there, above 0 to 1; `None` where it does not, or is farther than the reach.
    pub(in crate::edit) fn seen_from(&self, point: Point2, normal: Vector2) -> Option<(f64, f64)> {
        self.seen(point, normal).map(|seen| (seen.outward_mm, seen.trust))
    }

    fn near(polygons: &[Polygon], middle: Point2, reach_mm: f64) -> Self {
        let mut edges = Vec::new();
        for ring in polygons.iter().flat_map(Polygon::rings) {
            let count = ring.len();
            let out = |at: usize| outward(ring[(at + 1) % count] - ring[at % count]);
            for at in 0..count {
                let (from, to) = (ring[at], ring[(at + 1) % count]);
                if from != to && super::distance_to_edge(middle, from, to) < reach_mm {
                    let own = out(at);
                    let ends = [out(at + count - 1) + own, own, own + out(at + 1)];
                    let out = ends.map(|out| out.try_normalize(0.0).unwrap_or(own));
                    edges.push(Edge { from, along: to - from, out });
                }
            }
        }
        Self { edges, cells: None }
    }

    /// The nearer of an edge and the nearest so far; of two as near, the first one.
    fn nearer(&self, nearest: Option<Nearest>, number: usize, point: Point2) -> Nearest {
        let edge = &self.edges[number];
        let from = point - edge.from;
        let t = (from.dot(&edge.along) / edge.along.norm_squared()).clamp(0.0, 1.0);
        let square = (from - edge.along * t).norm_squared();
        match nearest {
            Some(own) if own.square < square || (own.square == square && own.number <= number) => own,
            _ => Nearest { square, number, t },
        }
    }

    /// The edge nearest to a point, within the reach where there is one.
    fn nearest(&self, point: Point2) -> Option<Nearest> {
        let mut nearest: Option<Nearest> = None;
        match &self.cells {
            None => {
                for number in 0..self.edges.len() {
                    nearest = Some(self.nearer(nearest, number, point));
                }
            }
            Some(cells) => {
                cells.nearest_first(point, |number| {
                    let found = self.nearer(nearest, number, point);
                    nearest = Some(found);
                    found.square.sqrt()
                });
                nearest = nearest.filter(|own| own.square <= cells.reach_mm * cells.reach_mm);
            }
        }
        nearest
    }

    /// What is seen of it from a point of an outline with this normal.
    fn seen(&self, point: Point2, normal: Vector2) -> Option<Seen> {
        let Nearest { square, number, t } = self.nearest(point)?;
        let edge = &self.edges[number];
        let out = edge.out[if t <= 0.0 {
            0
        } else if t < 1.0 {
            1
        } else {
            2
        }];
        let is_outside = (point - edge.from - edge.along * t).dot(&out) > 0.0;
        let trust = (out.dot(&normal) * 2.0).clamp(0.0, 1.0);
        let far = square.sqrt();
        (trust > 0.0).then_some(Seen { outward_mm: if is_outside { -far } else { far }, trust })
    }
}

/// The unit normal to the right, out of what lies to the left; nothing for nothing.
pub(in crate::edit) fn outward(along: Vector2) -> Vector2 {
    Vector2::new(along.y, -along.x).try_normalize(0.0).unwrap_or_default()
}

/// The outlines of all levels, and the tool, in the coordinates of the stack.
struct Stack {
    lines: Vec<Line>,
    heights_mm: Vec<f64>,
    center: Point3,
    radius_mm: f64,
}

impl Stack {
    /// How every vertex of a ring on a level moves; `planes` are the ring's own and the stack's.
    fn moves(&self, at: usize, ring: &Ring, tool: &RoundTool, [own, base]: [&Plane; 2]) -> Vec<Vector2> {
        let count = ring.len();
        let carried = |point: Point2| base.project(own.lift(point));
        let vertex = |index: usize| {
            let point = ring[index];
            if tool.weight(point) <= 0.0 {
                return Vector2::zeros();
            }
            let normal = outward(ring[(index + 1) % count] - ring[(index + count - 1) % count]);
            let place = carried(point);
            normal * self.move_mm(at, place, carried(point + normal) - place)
        };
        (0..count).map(vertex).collect()
    }

    /// How far outward a point of an outline on a level goes, mm.
    fn move_mm(&self, at: usize, point: Point2, normal: Vector2) -> f64 {
        // The surface around the point: two levels down to two up.
        let seen: [Option<Seen>; 5] = std::array::from_fn(|number| match number {
            2 => Some(Seen { outward_mm: 0.0, trust: 1.0 }),
            _ => self.lines.get((at + number).checked_sub(2)?)?.seen(point, normal),
        });
        // The way there: that of the middle and of its neighbours.
        let mut there = [0.0; 5];
        let mut own = 0.0;
        for (number, there) in there.iter_mut().enumerate().take(4).skip(1) {
            if let Some((factor, bend)) = self.bend(at, number, point, &seen, &[0.0; 5]) {
                *there = factor * bend;
                own = if number == 2 { factor } else { own };
            }
        }
        // And back, by the same factor.
        let back = self.bend(at, 2, point, &seen, &there).map_or(0.0, |(_, bend)| own * bend);
        (there[2] - back).clamp(-self.radius_mm / 4.0, self.radius_mm / 4.0)
    }

    /// The weight of a step at one of the five levels around `at`, and the second difference there
    /// with these moves made; `None` where the surface ends.
    fn bend(
        &self,
        at: usize,
        number: usize,
        point: Point2,
        seen: &[Option<Seen>; 5],
        moved_mm: &[f64; 5],
    ) -> Option<(f64, f64)> {
        let [below, here, above] = [seen[number - 1]?, seen[number]?, seen[number + 1]?];
        let level = (at + number).checked_sub(2)?;
        let height = self.heights_mm[level];
        let (down, up) = (height - self.heights_mm[level - 1], self.heights_mm[level + 1] - height);
        if down <= 0.0 || up <= 0.0 {
            return None;
        }
        // Outlines half a radius off count in full, those a radius off not at all.
        let near = |other: Seen| {
            let apart = (other.outward_mm - here.outward_mm).abs() / self.radius_mm;
            (2.0 - 2.0 * apart).clamp(0.0, 1.0) * other.trust
        };
        let square = (Point3::new(point.x, point.y, height) - self.center).norm_squared();
        let weight = (1.0 - square / (self.radius_mm * self.radius_mm)).max(0.0);
        let slope = (above.outward_mm - below.outward_mm) / (down + up);
        // Slices far apart for the tool are wrinkles too long for it.
        let fine = (self.radius_mm / (down + up)).powi(2).min(1.0);
        let factor = 0.5 * fine * weight * near(below) * near(above) * here.trust / (1.0 + slope * slope);
        let [low, own, high] = [(below, -1), (here, 0), (above, 1)]
            .map(|(seen, step)| seen.outward_mm + moved_mm[number.saturating_add_signed(step)]);
        Some((factor, (low * up + high * down) / (down + up) - own))
    }
}

#[cfg(test)]
mod tests;
