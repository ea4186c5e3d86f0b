//! A region with what lies in a window replaced by other outlines that cross the window's border in the
//! same places: what a push does around its tool.

use super::edges::Reach;
use super::{Stretch, TOUCH_MM, joined_up, pieces};
use crate::geometry::{Point2, Polygon, Ring};

/// Where an outline goes into a window or out of it.
#[derive(Debug, Clone, Copy)]
struct Gate {
    point: Point2,
    /// The edge, and how far along it.
    at: usize,
    along: f64,
    enters: bool,
}

/// Where a ring goes into a convex window and out of it, in its order; `None` where it touches its
/// border with a vertex.
fn gates(ring: &[Point2], window: &[Point2], reach: &Reach) -> Option<Vec<Gate>> {
    let mut found = Vec::new();
    let count = ring.len();
    for at in 0..count {
        let (a, b) = (ring[at], ring[if at + 1 < count { at + 1 } else { 0 }]);
        if !Reach::of(a, b).meets(reach) {
            continue;
        }
        let (mut from, mut to) = (0.0_f64, 1.0_f64);
        let mut touches = false;
        for side in 0..window.len() {
            let corner = window[side];
            let along = (window[(side + 1) % window.len()] - corner).normalize();
            let (of_a, of_b) = (along.perp(&(a - corner)), along.perp(&(b - corner)));
            touches |= of_a.abs() < TOUCH_MM || of_b.abs() < TOUCH_MM;
            if of_a < 0.0 && of_b < 0.0 {
                from = 1.0;
                to = 0.0;
                touches = false;
                break;
            }
            let meets = of_a / (of_a - of_b);
            if of_a < 0.0 {
                from = from.max(meets);
            } else if of_b < 0.0 {
                to = to.min(meets);
            }
        }
        if touches {
            return None;
        }
        if from < to {
            for (along, enters) in [(from, true), (to, false)] {
                if along > 0.0 && along < 1.0 {
                    found.push(Gate { point: a + (b - a) * along, at, along, enters });
                }
            }
        }
    }
    Some(found)
}

/// `region` with what lies within a convex `window` (counter-clockwise) replaced by what of `part`
/// lies there. Both must cross the window's border in the same places, within `apart_mm`; `None` where
/// they do not, or where an outline's vertex lies on the border. Vertices keep their bits, and the
/// border leaves none.
#[must_use]
pub fn replaced(
    region: &[Polygon],
    window: &[Point2],
    part: &[Polygon],
    apart_mm: f64,
) -> Option<Vec<Polygon>> {
    let reach = window.windows(2).map(|two| Reach::of(two[0], two[1])).reduce(Reach::with)?;
    let is_far = |piece: &&Polygon| Reach::of_piece(piece).is_none_or(|own| !own.meets(&reach));
    let (far, near): (Vec<&Polygon>, Vec<&Polygon>) = region.iter().partition(is_far);
    let is_within = |point: Point2| {
        (0..window.len()).all(|side| {
            let corner = window[side];
            (window[(side + 1) % window.len()] - corner).perp(&(point - corner)) > 0.0
        })
    };
    let mut nodes: Vec<Gate> = Vec::new();
    let mut rings: Vec<Ring> = Vec::new();
    let mut kept: Vec<(Stretch<'_>, bool)> = Vec::new();
    for ring in near.iter().flat_map(|piece| piece.rings()) {
        let gates = gates(ring, window, &reach)?;
        if gates.is_empty() && !is_within(*ring.first()?) {
            rings.push(ring.clone());
        }
        let first = nodes.len();
        for (index, gate) in gates.iter().enumerate() {
            let next = (index + 1) % gates.len();
            if gates[next].enters == gate.enters {
                return None;
            }
            if !gate.enters {
                kept.push((between(ring, (first + index, gate), (first + next, &gates[next])), false));
            }
        }
        nodes.extend(gates);
    }
    let mut is_free = vec![true; nodes.len()];
    for ring in part.iter().flat_map(Polygon::rings) {
        let gates = gates(ring, window, &reach)?;
        if gates.is_empty() && is_within(*ring.first()?) {
            rings.push(ring.clone());
        }
        let mut numbers = Vec::with_capacity(gates.len());
        for gate in &gates {
            let same =
                |node: &Gate| node.enters == gate.enters && (node.point - gate.point).norm() <= apart_mm;
            let number = (0..nodes.len()).find(|number| is_free[*number] && same(&nodes[*number]))?;
            is_free[number] = false;
            numbers.push(number);
        }
        for (index, gate) in gates.iter().enumerate() {
            let next = (index + 1) % gates.len();
            if gates[next].enters == gate.enters {
                return None;
            }
            if gate.enters {
                kept.push((between(ring, (numbers[index], gate), (numbers[next], &gates[next])), false));
            }
        }
    }
    if is_free.contains(&true) {
        return None;
    }
    rings.extend(joined_up(&kept, nodes.len(), None)?);
    let mut result: Vec<Polygon> = far.into_iter().cloned().collect();
    result.extend(pieces(rings)?);
    Some(result)
}

/// The stretch of a ring between two gates.
fn between<'a>(ring: &'a Ring, (from, left): (usize, &Gate), (to, reached): (usize, &Gate)) -> Stretch<'a> {
    let first = left.at + 1;
    let onwards = reached.at > left.at || (reached.at == left.at && reached.along > left.along);
    let end = if onwards { reached.at + 1 } else { reached.at + 1 + ring.len() };
    Stretch { ring, from, to, first, end }
}
