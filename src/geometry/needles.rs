//! Needles: where an outline goes out and comes back on its own way, so that nothing lies between.
//!
//! Clipping leaves them where edges nearly coincide, as those of a slab's cut on a tilted plane do.

use super::{Point2, Ring};

/// Drops the tips of needles no wider than `width_mm` from a ring without repeated neighbours, until
/// there is none; less than three points may be left.
pub fn without_needles(ring: &mut Ring, width_mm: f64) {
    let is_tip = |ring: &[Point2], at: usize| {
        let count = ring.len();
        let here = ring[at];
        let (back, on) = (ring[(at + count - 1) % count] - here, ring[(at + 1) % count] - here);
        // Most corners are blunt, and told by that.
        back.dot(&on) > 0.0 && back.perp(&on).abs() <= width_mm * back.norm().max(on.norm())
    };
    let mut at = 0;
    while at < ring.len() && ring.len() >= 3 {
        if !is_tip(ring, at) {
            at += 1;
            continue;
        }
        ring.remove(at);
        // Its neighbours may be one point now, and the one before it a tip.
        let before = (at + ring.len() - 1) % ring.len();
        if ring[before] == ring[at % ring.len()] {
            ring.remove(before);
        }
        at = at.saturating_sub(2);
    }
    // The first point may have become one.
    if ring.len() >= 3 && is_tip(ring, 0) {
        ring.rotate_left(1);
        without_needles(ring, width_mm);
    }
}

#[cfg(test)]
mod tests {
    use super::super::ring_area;
    use super::*;

    #[test]
    fn a_needle_is_no_outline() {
        let square = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)];
        let of = |points: &[(f64, f64)]| {
            let mut ring: Ring = points.iter().map(|(x, y)| Point2::new(*x, *y)).collect();
            without_needles(&mut ring, 1e-4);
            ring
        };
        // Out and back from an edge, from a corner, by two steps, at the ring's beginning and its end.
        let edge = [square[0], (5.0, 0.0), (5.0, -6.0), (5.000_02, 0.0), square[1], square[2], square[3]];
        let corner = [square[0], square[1], (16.0, 0.0), square[1], square[2], square[3]];
        let steps = [square[0], square[1], (13.0, 0.0), (16.0, 0.000_02), square[1], square[2], square[3]];
        let ends = [(-4.0, 0.0), square[0], square[1], square[2], square[3], square[0]];
        for needle in [&edge[..], &corner, &steps, &ends] {
            let ring = of(needle);
            assert!((ring_area(&ring).abs() - 100.0).abs() < 1e-3, "{ring:?}");
            assert!(
                ring.iter().all(|p| (0.0..=10.0).contains(&p.x) && (0.0..=10.0).contains(&p.y)),
                "{ring:?}"
            );
        }
        // A thin corner is an outline.
        assert_eq!(of(&[(0.0, 0.0), (10.0, 0.0), (0.0, 0.01)]).len(), 3);
        assert_eq!(of(&square).len(), 4);
        assert!(of(&[(0.0, 0.0), (10.0, 0.0), (5.0, 0.0)]).len() < 3);
    }
}
