//! Union, difference and intersection of a region and a small shape that crosses its outline in a few places: what
//! a stroke does on every slice, many times a second.
//!
//! Both outlines are cut where they cross or have a vertex in common; of every stretch between two
//! cuts it is told on which side of the other region it lies; those that bound the result are joined
//! up again (Weiler and Atherton, "Hidden surface removal using polygon area sorting", 1977). Only
//! edges near the shape are compared, and vertices keep their bits.
//!
//! Nothing is guessed: where a vertex lies on an edge of the other outline, where more than two
//! stretches meet in a point, or where what is kept does not join up, general clipping
//! ([`clip`]) does the work, on what lies around the shape where that can be told from the rest.

mod edges;
mod nearby;
mod patch;

pub use patch::replaced;

use self::edges::{Edges, Meeting, Reach, meeting};
use super::clip::LEAST_AREA_MM2;
use super::{Point2, Polygon, Ring, clip, ring_area};
use std::collections::HashSet;

/// A vertex this close to the other outline lies on it, mm: well above what clipping rounds to.
const TOUCH_MM: f64 = 4e-6;

/// No node.
const NONE: usize = usize::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Union,
    Difference,
    Intersection,
}

/// [`clip::union`], fast where the outlines cross in a few places. Both operands are disjoint pieces
/// that do not cross themselves.
#[must_use]
pub fn union(region: &[Polygon], shape: &[Polygon]) -> Vec<Polygon> {
    worked(region, shape, Rule::Union)
}

/// [`clip::difference`], fast where the outlines cross in a few places. Both operands are disjoint
/// pieces that do not cross themselves.
#[must_use]
pub fn difference(region: &[Polygon], shape: &[Polygon]) -> Vec<Polygon> {
    worked(region, shape, Rule::Difference)
}

/// [`clip::intersection`], fast where the outlines cross in a few places. Both operands are disjoint
/// pieces that do not cross themselves.
#[must_use]
pub fn intersection(region: &[Polygon], shape: &[Polygon]) -> Vec<Polygon> {
    worked(region, shape, Rule::Intersection)
}

fn worked(region: &[Polygon], shape: &[Polygon], rule: Rule) -> Vec<Polygon> {
    let spliced = spliced(region, shape, rule).or_else(|| nearby::clipped(region, shape, rule));
    spliced.unwrap_or_else(|| match rule {
        Rule::Union => clip::union(region, shape),
        Rule::Difference => clip::difference(region, shape),
        Rule::Intersection => clip::intersection(region, shape),
    })
}

/// Where an outline is cut: at the vertex that edge `at` starts with (`along` 0), or on that edge.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cut {
    at: usize,
    along: f64,
    node: usize,
}

/// A ring and its cuts.
struct Outline<'a> {
    ring: &'a Ring,
    cuts: Vec<Cut>,
}

/// A stretch of an outline from one cut to the next; the vertices between by their numbers, which
/// go on around the ring.
#[derive(Debug, Clone, Copy)]
struct Stretch<'a> {
    ring: &'a Ring,
    from: usize,
    to: usize,
    first: usize,
    end: usize,
}

impl Stretch<'_> {
    fn is_bare(&self) -> bool {
        self.first == self.end
    }

    fn vertex(&self, number: usize) -> Point2 {
        self.ring[number % self.ring.len()]
    }

    /// A point on it that is no cut.
    fn middle(&self, nodes: &[Point2]) -> Point2 {
        if self.is_bare() {
            nodes[self.from] + (nodes[self.to] - nodes[self.from]) * 0.5
        } else {
            self.vertex(self.first + (self.end - self.first) / 2)
        }
    }
}

/// The outlines of pieces, if each runs the way it should and has no vertex twice in a row.
fn outlines<'a>(pieces: &[&'a Polygon]) -> Option<Vec<Outline<'a>>> {
    let mut found = Vec::with_capacity(pieces.len());
    for piece in pieces {
        for (index, ring) in piece.rings().enumerate() {
            if ring.len() < 3 || (ring_area(ring) > 0.0) != (index == 0) {
                return None;
            }
            found.push(Outline { ring, cuts: Vec::new() });
        }
    }
    Some(found)
}

/// Cuts both where they cross or share a vertex; the places. `None` where they touch otherwise.
fn cut<'a>(region: &mut [Outline<'a>], shape: &mut [Outline<'a>], edges: &Edges) -> Option<Vec<Point2>> {
    let mut nodes: Vec<Point2> = Vec::new();
    // The node at each vertex of the shape.
    let mut shared = vec![NONE; edges.vertices];
    let window = edges.reach.grown();
    for outline in &mut *region {
        let count = outline.ring.len();
        let mut from = outline.ring[count - 1];
        for next in 0..count {
            let at = if next > 0 { next - 1 } else { count - 1 };
            let to = outline.ring[next];
            let reach = Reach::of(from, to).grown();
            if reach.meets(&window) {
                if from == to {
                    return None;
                }
                for edge in edges.near(reach) {
                    match meeting([from, to], [edge.from, edge.to]) {
                        Meeting::Apart => {}
                        Meeting::Touching => return None,
                        Meeting::Crossing(along, on_edge) => {
                            let node = nodes.len();
                            nodes.push(from + (to - from) * along);
                            outline.cuts.push(Cut { at, along, node });
                            shape[edge.outline].cuts.push(Cut { at: edge.at, along: on_edge, node });
                        }
                        Meeting::Shared(same) => {
                            for (own, other) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                                if !same[own][other] {
                                    continue;
                                }
                                let node = &mut shared[edge.ends[other]];
                                if *node == NONE {
                                    *node = nodes.len();
                                    nodes.push(if other == 0 { edge.from } else { edge.to });
                                    let ring = &mut shape[edge.outline];
                                    let vertex = (edge.at + other) % ring.ring.len();
                                    ring.cuts.push(Cut { at: vertex, along: 0.0, node: *node });
                                }
                                let vertex = if own == 0 { at } else { next };
                                outline.cuts.push(Cut { at: vertex, along: 0.0, node: *node });
                            }
                        }
                    }
                }
            }
            from = to;
        }
    }
    for outline in region.iter_mut().chain(shape) {
        outline.cuts.sort_by(|a, b| a.at.cmp(&b.at).then(a.along.total_cmp(&b.along)));
        outline.cuts.dedup();
        // Two cuts in one place have no order.
        if outline.cuts.windows(2).any(|two| two[0].at == two[1].at && two[0].along >= two[1].along) {
            return None;
        }
    }
    Some(nodes)
}

fn stretches<'a>(outline: &Outline<'a>) -> impl Iterator<Item = Stretch<'a>> {
    let (ring, cuts) = (outline.ring, &outline.cuts);
    (0..cuts.len()).map(move |index| {
        let from = cuts[index];
        let (to, around) = if index + 1 < cuts.len() { (cuts[index + 1], 0) } else { (cuts[0], ring.len()) };
        let end = to.at + around + usize::from(to.along > 0.0);
        Stretch { ring, from: from.node, to: to.node, first: from.at + 1, end: end.max(from.at + 1) }
    })
}

/// Which stretches of one region's outlines bound the result, in or against their direction.
struct Side<'a> {
    /// The other region, and the box that it lies in.
    other: &'a [&'a Polygon],
    within: Reach,
    /// Whether stretches inside the other are kept, in place of those outside.
    inside: bool,
    reversed: bool,
}

impl Side<'_> {
    fn keeps(&self, point: Point2) -> bool {
        let is_inside = self.within.holds(point) && self.other.iter().any(|piece| piece.contains(point));
        is_inside == self.inside
    }
}

/// `None` where general clipping has to do it.
fn spliced(region: &[Polygon], shape: &[Polygon], rule: Rule) -> Option<Vec<Polygon>> {
    let shape: Vec<&Polygon> = shape.iter().filter(|piece| piece.outer.len() >= 3).collect();
    let Some(reach) = shape.iter().filter_map(|piece| Reach::of_piece(piece)).reduce(Reach::with) else {
        return Some(if rule == Rule::Intersection { Vec::new() } else { region.to_vec() });
    };
    let window = reach.grown();
    let is_far = |piece: &&Polygon| Reach::of_piece(piece).is_none_or(|own| !own.meets(&window));
    let (far, near): (Vec<&Polygon>, Vec<&Polygon>) =
        region.iter().filter(|piece| piece.outer.len() >= 3).partition(is_far);
    let mut result: Vec<Polygon> =
        if rule == Rule::Intersection { Vec::new() } else { far.into_iter().cloned().collect() };
    let Some(all) = near.iter().filter_map(|piece| Reach::of_piece(piece)).reduce(Reach::with) else {
        if rule == Rule::Union {
            result.extend(shape.into_iter().cloned());
        }
        return Some(result);
    };
    let (mut own, mut other) = (outlines(&near)?, outlines(&shape)?);
    let edges = Edges::new(&other, reach);
    let nodes = cut(&mut own, &mut other, &edges)?;
    let of_own = Side { other: &shape, within: window, inside: rule == Rule::Intersection, reversed: false };
    let of_other = Side {
        other: &near,
        within: all.grown(),
        inside: rule != Rule::Union,
        reversed: rule == Rule::Difference,
    };

    // Edges that both have, by their nodes: the same way round they bound both, else they lie between them.
    let bare: HashSet<(usize, usize)> =
        other.iter().flat_map(stretches).filter(Stretch::is_bare).map(|own| (own.from, own.to)).collect();
    let mut rings: Vec<Ring> = Vec::new();
    let mut kept: Vec<(Stretch<'_>, bool)> = Vec::new();
    let mut common: HashSet<(usize, usize)> = HashSet::new();
    for outline in &own {
        if outline.cuts.is_empty() {
            if of_own.keeps(outline.ring[0]) {
                rings.push(outline.ring.clone());
            }
            continue;
        }
        for stretch in stretches(outline) {
            let (same, opposite) = ((stretch.from, stretch.to), (stretch.to, stretch.from));
            let bounds_both = bare.contains(&same);
            if stretch.is_bare() && (bounds_both || bare.contains(&opposite)) {
                common.extend([same, opposite]);
                if bounds_both != (rule == Rule::Difference) {
                    kept.push((stretch, false));
                }
            } else if of_own.keeps(stretch.middle(&nodes)) {
                kept.push((stretch, false));
            }
        }
    }
    for outline in &other {
        if outline.cuts.is_empty() {
            if of_other.keeps(outline.ring[0]) {
                let mut ring = outline.ring.clone();
                if of_other.reversed {
                    ring.reverse();
                }
                rings.push(ring);
            }
            continue;
        }
        let is_new = |stretch: &Stretch<'_>| {
            !(stretch.is_bare() && common.contains(&(stretch.from, stretch.to)))
                && of_other.keeps(stretch.middle(&nodes))
        };
        kept.extend(stretches(outline).filter(is_new).map(|stretch| (stretch, of_other.reversed)));
    }
    rings.extend(joined_up(&kept, nodes.len(), Some(&nodes))?);
    result.extend(pieces(rings)?);
    Some(result)
}

/// The rings that stretches (and whether each is walked backwards) make; `None` where they do not
/// join up one after another. The nodes between are left out without `nodes`.
fn joined_up(kept: &[(Stretch<'_>, bool)], count: usize, nodes: Option<&[Point2]>) -> Option<Vec<Ring>> {
    let ends = |(stretch, backwards): &(Stretch<'_>, bool)| {
        if *backwards { (stretch.to, stretch.from) } else { (stretch.from, stretch.to) }
    };
    let mut leaving = vec![NONE; count];
    let mut arrivals = vec![0_u32; count];
    for (index, own) in kept.iter().enumerate() {
        let (from, to) = ends(own);
        if leaving[from] != NONE {
            return None;
        }
        leaving[from] = index;
        arrivals[to] += 1;
    }
    if leaving.iter().zip(&arrivals).any(|(leaving, arrivals)| u32::from(*leaving != NONE) != *arrivals) {
        return None;
    }
    let mut rings = Vec::new();
    for begin in 0..count {
        let mut ring: Ring = Vec::new();
        let mut node = begin;
        while leaving[node] != NONE {
            let own = &kept[std::mem::replace(&mut leaving[node], NONE)];
            let (stretch, backwards) = own;
            ring.extend(nodes.map(|nodes| nodes[node]));
            if *backwards {
                ring.extend((stretch.first..stretch.end).rev().map(|number| stretch.vertex(number)));
            } else {
                ring.extend((stretch.first..stretch.end).map(|number| stretch.vertex(number)));
            }
            node = ends(own).1;
        }
        if !ring.is_empty() {
            rings.push(ring);
        }
    }
    Some(rings)
}

/// Rings as pieces with their holes; `None` where a hole lies in no piece.
fn pieces(rings: Vec<Ring>) -> Option<Vec<Polygon>> {
    let (mut found, mut holes) = (Vec::new(), Vec::new());
    for ring in rings {
        let area = ring_area(&ring);
        if ring.len() < 3 || area.abs() < LEAST_AREA_MM2 {
            continue;
        }
        if area > 0.0 {
            found.push((area, Polygon::from_outer(ring)));
        } else {
            holes.push(ring);
        }
    }
    let mut owners = Vec::with_capacity(holes.len());
    for hole in &holes {
        let around = |(_, (_, piece)): &(usize, &(f64, Polygon))| {
            found.len() == 1 || piece.contains(hole[0] + (hole[1] - hole[0]) * 0.5)
        };
        let least = found.iter().enumerate().filter(around).min_by(|a, b| a.1.0.total_cmp(&b.1.0));
        owners.push(least?.0);
    }
    for (hole, owner) in holes.into_iter().zip(owners) {
        found[owner].1.holes.push(hole);
    }
    Some(found.into_iter().map(|(_, piece)| piece).collect())
}

#[cfg(test)]
mod tests;
