//! What the closed contours of one plane of a file mean as a region (PS3.3 C.8.8.6.3).
//!
//! Files do not say: a contour inside another may be a hole, two that overlap are a union, and a
//! hole may be a keyhole of its outline. Rings that are clean keep every vertex, bit and order.

use super::keyhole::open_keyholes;
use super::{Bounds, Point2, Polygon, Ring, are_near, clip, ring_area};

/// How the rings of one plane combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingRule {
    /// `CLOSED_PLANAR`: nested means hole (and island in the hole), partial overlap means union.
    Nested,
    /// `CLOSEDPLANAR_XOR`: exclusive or of all rings.
    Xor,
}

/// What was not plain in a plane's rings; the numbers are indices into the rings given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResolveNote {
    /// A ring inside another was taken as a hole.
    Hole {
        /// The inner ring.
        ring: usize,
    },
    /// Two rings overlap in part (or are the same) and were united.
    Overlap {
        /// One.
        ring: usize,
        /// The other.
        with: usize,
    },
    /// A keyhole was opened into outline and holes.
    Keyhole {
        /// The ring.
        ring: usize,
    },
    /// A ring crosses itself and was read by the even-odd rule.
    SelfCrossing {
        /// The ring.
        ring: usize,
    },
    /// A ring has fewer than three vertices or no area and bounds nothing.
    Degenerate {
        /// The ring.
        ring: usize,
    },
}

/// Coordinates in files may be rounded to 0.001 mm: the two sides of a bridge agree within it.
const BRIDGE_TOLERANCE_MM: f64 = 1e-3;

/// The region that the rings of one plane bound, and what was not plain about them.
///
/// No ring gives no polygon. Rings may be either way round. Rings that neither cross nor touch are
/// only sorted into outlines and holes: their vertices come back with every bit, in their order.
#[must_use]
pub fn resolve_rings(rings: &[Ring], rule: RingRule) -> (Vec<Polygon>, Vec<ResolveNote>) {
    let mut notes = Vec::new();
    let mut loops: Vec<Loop> = Vec::new();
    for (index, ring) in rings.iter().enumerate() {
        let clean = without_repeats(ring);
        if clean.len() < 3 || ring_area(&clean).abs() < 1e-9 {
            notes.push(ResolveNote::Degenerate { ring: index });
            continue;
        }
        let mut parts = open_keyholes(&clean, 0.0);
        if parts.len() == 1 && parts[0].len() == clean.len() {
            // Looser, but only believed when it takes out a bridge rather than a narrow neck.
            let loose = open_keyholes(&clean, BRIDGE_TOLERANCE_MM);
            if loose.len() > 1 && has_hole(&loose) {
                parts = loose;
            }
        }
        if parts.len() > 1 && has_hole(&parts) {
            notes.push(ResolveNote::Keyhole { ring: index });
        }
        if parts.iter().any(|part| crosses_itself(part)) {
            notes.push(ResolveNote::SelfCrossing { ring: index });
            parts = clip::even_odd(&parts).iter().flat_map(Polygon::rings).cloned().collect();
        }
        loops.extend(parts.into_iter().filter_map(|part| Loop::new(part, index)));
    }
    let polygons = match rule {
        RingRule::Nested => {
            unite_overlaps(&mut loops, &mut notes);
            nest(&loops, Some(&mut notes))
        }
        RingRule::Xor => {
            if (0..loops.len()).any(|a| (0..a).any(|b| loops[a].meets(&loops[b]))) {
                let rings: Vec<Ring> = loops.into_iter().map(|own| own.ring).collect();
                clip::even_odd(&rings)
            } else {
                nest(&loops, None)
            }
        }
    };
    (polygons, notes)
}

/// One simple loop and the ring it came from.
struct Loop {
    ring: Ring,
    source: usize,
    around: Bounds,
    area: f64,
}

impl Loop {
    fn new(ring: Ring, source: usize) -> Option<Self> {
        let area = ring_area(&ring).abs();
        let around = Polygon::from_outer(ring.clone()).bounds()?;
        (area >= 1e-9).then_some(Self { ring, source, around, area })
    }

    fn boxes_meet(&self, other: &Self) -> bool {
        are_near(self.around, other.around, 0.0)
    }

    /// Whether the two boundaries cross or touch.
    fn meets(&self, other: &Self) -> bool {
        self.boxes_meet(other) && boundaries_meet(&self.ring, Some(&other.ring))
    }

    /// Whether `other`, whose boundary does not cross this one's, lies inside.
    fn holds(&self, other: &Self) -> bool {
        if other.area >= self.area || !self.boxes_meet(other) {
            return false;
        }
        let outline = Polygon::from_outer(self.ring.clone());
        // A vertex may lie on this boundary where the two touch: let the majority of a few decide.
        let step = (other.ring.len() / 7).max(1);
        let (mut inside, mut outside) = (0, 0);
        for pair in (0..other.ring.len()).step_by(step) {
            let middle = nalgebra::center(&other.ring[pair], &other.ring[(pair + 1) % other.ring.len()]);
            if outline.contains(middle) { inside += 1 } else { outside += 1 }
        }
        inside > outside
    }
}

/// Replaces loops of different rings that overlap in part by the loops of their union.
fn unite_overlaps(loops: &mut Vec<Loop>, notes: &mut Vec<ResolveNote>) {
    let mut group: Vec<usize> = (0..loops.len()).collect();
    for a in 0..loops.len() {
        for b in 0..a {
            if loops[a].source == loops[b].source || !loops[a].meets(&loops[b]) {
                continue;
            }
            let piece = |own: &Loop| vec![Polygon::from_outer(own.ring.clone())];
            let common: f64 =
                clip::intersection(&piece(&loops[a]), &piece(&loops[b])).iter().map(Polygon::area_mm2).sum();
            let smaller = loops[a].area.min(loops[b].area);
            let larger = loops[a].area.max(loops[b].area);
            let apart = common <= 1e-6 * smaller;
            let nested = common >= (1.0 - 1e-6) * smaller && smaller < (1.0 - 1e-6) * larger;
            if apart || nested {
                continue;
            }
            let note = ResolveNote::Overlap {
                ring: loops[b].source.min(loops[a].source),
                with: loops[a].source.max(loops[b].source),
            };
            if !notes.contains(&note) {
                notes.push(note);
            }
            let (from, to) = (group[a], group[b]);
            group.iter_mut().filter(|own| **own == from).for_each(|own| *own = to);
        }
    }
    let mut united = Vec::new();
    for root in 0..loops.len() {
        let members: Vec<usize> = (0..loops.len()).filter(|own| group[*own] == root).collect();
        if members.len() > 1 {
            let pieces = members.iter().map(|own| Polygon::from_outer(loops[*own].ring.clone()));
            let source = loops[members[0]].source;
            for polygon in clip::union_all(pieces) {
                united.extend(polygon.rings().filter_map(|ring| Loop::new(ring.clone(), source)));
            }
        }
    }
    let sizes: Vec<usize> =
        (0..loops.len()).map(|own| group.iter().filter(|other| **other == group[own]).count()).collect();
    let mut own = 0;
    loops.retain(|_| {
        own += 1;
        sizes[own - 1] == 1
    });
    loops.append(&mut united);
}

/// Sorts loops that do not cross into outlines (even depth) and their holes (odd depth).
fn nest(loops: &[Loop], notes: Option<&mut Vec<ResolveNote>>) -> Vec<Polygon> {
    let holders: Vec<Vec<usize>> = (0..loops.len())
        .map(|own| {
            (0..loops.len()).filter(|other| *other != own && loops[*other].holds(&loops[own])).collect()
        })
        .collect();
    let depth: Vec<usize> = holders.iter().map(Vec::len).collect();
    let mut polygon_of = vec![usize::MAX; loops.len()];
    let mut polygons = Vec::new();
    for own in (0..loops.len()).filter(|own| depth[*own].is_multiple_of(2)) {
        polygon_of[own] = polygons.len();
        polygons.push(Polygon::from_outer(loops[own].ring.clone()));
    }
    let mut found = Vec::new();
    for own in (0..loops.len()).filter(|own| !depth[*own].is_multiple_of(2)) {
        let parent = holders[own].iter().copied().filter(|other| depth[*other] + 1 == depth[own]);
        if let Some(parent) = parent.min_by(|a, b| loops[*a].area.total_cmp(&loops[*b].area)) {
            polygons[polygon_of[parent]].holes.push(loops[own].ring.clone());
            if loops[parent].source != loops[own].source {
                found.push(ResolveNote::Hole { ring: loops[own].source });
            }
        }
    }
    if let Some(notes) = notes {
        notes.extend(found);
    }
    polygons.into_iter().map(Polygon::oriented).collect()
}

/// Outer rings (counter-clockwise) with the holes (clockwise) that lie in them, for rings that do
/// not cross and have a known turn.
#[must_use]
pub fn nested(rings: Vec<Ring>) -> Vec<Polygon> {
    let (outers, holes): (Vec<Ring>, Vec<Ring>) = rings.into_iter().partition(|ring| ring_area(ring) > 0.0);
    let mut polygons: Vec<Polygon> = outers.into_iter().map(Polygon::from_outer).collect();
    if holes.is_empty() {
        return polygons;
    }
    let boxes: Vec<_> = polygons.iter().map(Polygon::bounds).collect();
    let outlines = polygons.clone();
    let areas: Vec<f64> = polygons.iter().map(|polygon| ring_area(&polygon.outer)).collect();
    for hole in holes {
        // The least outline around it; no vertex of one ring lies on another of the same label.
        let point = hole[0];
        let owner = (0..polygons.len())
            .filter(|own| {
                boxes[*own].is_some_and(|around| are_near(around, (point, point), 0.0))
                    && outlines[*own].contains(point)
            })
            .min_by(|a, b| areas[*a].total_cmp(&areas[*b]));
        if let Some(owner) = owner {
            polygons[owner].holes.push(hole);
        }
    }
    polygons
}

fn without_repeats(ring: &[Point2]) -> Ring {
    let mut clean = ring.to_vec();
    clean.dedup();
    while clean.len() > 1 && clean.first() == clean.last() {
        clean.pop();
    }
    clean
}

/// Whether one of the loops lies inside the largest.
fn has_hole(loops: &[Ring]) -> bool {
    let largest = loops.iter().max_by(|a, b| ring_area(a).abs().total_cmp(&ring_area(b).abs()));
    let Some(outline) = largest.map(|ring| Polygon::from_outer(ring.clone())) else { return false };
    loops.iter().filter(|ring| **ring != outline.outer).any(|ring| {
        let inside = ring.iter().filter(|vertex| outline.contains(**vertex)).count();
        2 * inside > ring.len()
    })
}

fn crosses_itself(ring: &[Point2]) -> bool {
    boundaries_meet(ring, None)
}

/// With `other`: whether any edge of `ring` meets an edge of `other`, ends included. Without:
/// whether two edges of `ring` cross or touch other than neighbours in their common vertex.
fn boundaries_meet(ring: &[Point2], other: Option<&[Point2]>) -> bool {
    struct Edge {
        a: Point2,
        b: Point2,
        owner: bool,
        index: usize,
    }
    let edges_of = |ring: &[Point2], owner: bool| -> Vec<Edge> {
        (0..ring.len())
            .map(|index| Edge { a: ring[index], b: ring[(index + 1) % ring.len()], owner, index })
            .collect()
    };
    let mut edges = edges_of(ring, true);
    if let Some(other) = other {
        // Only edges that reach into both rings' boxes can meet.
        let bounds = |ring: &[Point2]| {
            ring.iter().fold(None, |bounds: Option<(Point2, Point2)>, p| {
                Some(bounds.map_or((*p, *p), |(low, high)| (low.inf(p), high.sup(p))))
            })
        };
        let (Some(own), Some(others)) = (bounds(ring), bounds(other)) else { return false };
        let common = (own.0.sup(&others.0), own.1.inf(&others.1));
        edges.extend(edges_of(other, false));
        edges.retain(|edge| are_near((edge.a.inf(&edge.b), edge.a.sup(&edge.b)), common, 0.0));
    }
    let low = |edge: &Edge| edge.a.x.min(edge.b.x);
    let high = |edge: &Edge| edge.a.x.max(edge.b.x);
    edges.sort_by(|a, b| low(a).total_cmp(&low(b)));
    let mut active: Vec<usize> = Vec::new();
    for current in 0..edges.len() {
        let edge = &edges[current];
        let from = low(edge);
        active.retain(|at| high(&edges[*at]) >= from);
        for at in &active {
            let known = &edges[*at];
            if other.is_some() {
                if known.owner == edge.owner {
                    continue;
                }
            } else {
                let gap = known.index.abs_diff(edge.index);
                if gap == 1 || gap + 1 == ring.len() {
                    // Neighbours share a vertex; they overlap only when they fold back.
                    let (shared, p, q) =
                        if known.b == edge.a { (edge.a, known.a, edge.b) } else { (edge.b, edge.a, known.b) };
                    if ring.len() > 2
                        && (p - shared).perp(&(q - shared)) == 0.0
                        && (p - shared).dot(&(q - shared)) > 0.0
                    {
                        return true;
                    }
                    continue;
                }
            }
            if segments_meet(known.a, known.b, edge.a, edge.b) {
                return true;
            }
        }
        active.push(current);
    }
    false
}

/// Whether two closed segments have a point in common.
fn segments_meet(a: Point2, b: Point2, c: Point2, d: Point2) -> bool {
    if a.y.max(b.y) < c.y.min(d.y)
        || c.y.max(d.y) < a.y.min(b.y)
        || a.x.max(b.x) < c.x.min(d.x)
        || c.x.max(d.x) < a.x.min(b.x)
    {
        return false;
    }
    let side = |p: Point2, q: Point2, r: Point2| (q - p).perp(&(r - p));
    let opposite = |s: f64, t: f64| !((s > 0.0 && t > 0.0) || (s < 0.0 && t < 0.0));
    opposite(side(a, b, c), side(a, b, d)) && opposite(side(c, d, a), side(c, d, b))
}

#[cfg(test)]
mod tests {
    use super::super::keyhole::keyhole;
    use super::*;
    use crate::geometry::polygon::tests::square;
    use crate::geometry::{Plane, trace};
    use proptest::prelude::*;

    fn area(polygons: &[Polygon]) -> f64 {
        polygons.iter().map(Polygon::area_mm2).sum()
    }

    #[test]
    fn nested_is_a_hole_and_an_island_in_it_a_piece() {
        let rings =
            [square(0.0, 0.0, 9.0), square(2.0, 2.0, 5.0), square(3.0, 3.0, 1.0), square(20.0, 0.0, 1.0)];
        let (polygons, notes) = resolve_rings(&rings, RingRule::Nested);
        assert_eq!(polygons.len(), 3);
        assert!((area(&polygons) - (81.0 - 25.0 + 1.0 + 1.0)).abs() < 1e-9);
        assert_eq!(notes, vec![ResolveNote::Hole { ring: 1 }]);
        assert_eq!(polygons[0].outer, rings[0]);
        let (xor, notes) = resolve_rings(&rings, RingRule::Xor);
        assert_eq!((xor, notes.len()), (polygons, 0));
    }

    #[test]
    fn partial_overlap_is_a_union_with_a_note_and_xor_with_xor() {
        let rings = [square(0.0, 0.0, 2.0), square(1.0, 1.0, 2.0)];
        let (polygons, notes) = resolve_rings(&rings, RingRule::Nested);
        assert!((area(&polygons) - 7.0).abs() < 1e-6);
        assert_eq!(notes, vec![ResolveNote::Overlap { ring: 0, with: 1 }]);
        assert!((area(&resolve_rings(&rings, RingRule::Xor).0) - 6.0).abs() < 1e-6);
    }

    #[test]
    fn the_same_ring_twice_is_one() {
        let rings = [square(0.0, 0.0, 2.0), square(0.0, 0.0, 2.0)];
        let (polygons, notes) = resolve_rings(&rings, RingRule::Nested);
        assert!((area(&polygons) - 4.0).abs() < 1e-6);
        assert_eq!(notes.len(), 1);
    }

    #[test]
    fn a_hole_that_touches_the_outline_stays_a_hole() {
        let rings = [square(0.0, 0.0, 4.0), square(0.0, 1.0, 2.0)];
        let (polygons, _) = resolve_rings(&rings, RingRule::Nested);
        assert!((area(&polygons) - 12.0).abs() < 1e-6);
    }

    #[test]
    fn a_keyhole_reads_as_the_polygon_it_was_written_from() {
        let polygon = Polygon {
            outer: square(0.0, 0.0, 10.0),
            holes: vec![square(3.0, 3.0, 2.0), square(6.0, 6.0, 2.0)],
        }
        .oriented();
        let (polygons, notes) = resolve_rings(&[keyhole(&polygon)], RingRule::Nested);
        assert_eq!(polygons.len(), 1);
        assert!(polygons[0].same_rings(&polygon));
        assert_eq!(notes, vec![ResolveNote::Keyhole { ring: 0 }]);
    }

    #[test]
    fn a_bow_tie_and_a_line_are_noted() {
        let bow: Ring =
            [(0.0, 0.0), (2.0, 2.0), (2.0, 0.0), (0.0, 2.5)].map(|(x, y)| Point2::new(x, y)).to_vec();
        let line: Ring = [(5.0, 0.0), (6.0, 0.0), (7.0, 0.0)].map(|(x, y)| Point2::new(x, y)).to_vec();
        let (polygons, notes) = resolve_rings(&[bow, line], RingRule::Nested);
        assert_eq!(polygons.len(), 2);
        assert_eq!(notes, vec![ResolveNote::SelfCrossing { ring: 0 }, ResolveNote::Degenerate { ring: 1 }]);
    }

    proptest! {
        #[test]
        fn any_polygons_written_with_keyholes_read_back_identical(
            mask in prop::collection::vec(prop::bool::weighted(0.72), 15 * 13),
            angle in 0.0..3.0_f64,
        ) {
            let turn = nalgebra::Rotation2::new(angle);
            let ring = |ring: &Ring| -> Ring {
                ring.iter().map(|p| Plane::axial(0.0).snap(turn * (p * 1.37))).collect()
            };
            let polygons: Vec<Polygon> = trace::mask_slice(&mask, 15, 13)
                .iter()
                .map(|p| Polygon { outer: ring(&p.outer), holes: p.holes.iter().map(ring).collect() })
                .collect();
            let written: Vec<Ring> = polygons.iter().map(keyhole).collect();
            let (read, notes) = resolve_rings(&written, RingRule::Nested);
            prop_assert_eq!(read.len(), polygons.len());
            for polygon in &polygons {
                prop_assert!(read.iter().any(|own| own.same_rings(polygon)));
            }
            let plain = |note: &ResolveNote| {
                matches!(note, ResolveNote::Keyhole { .. } | ResolveNote::Hole { .. })
            };
            prop_assert!(notes.iter().all(plain));
        }
    }
}
