//! What drawing does to other structures, and structures made from others.

use crate::desk::{Desk, area, near, on};
use delineo::geometry::clip;
use delineo::patient::StructureSet;
use std::f64::consts::PI;

/// The slice where it is tried.
const SLICE: usize = 5;

/// The area that two structures share, mm2.
fn shared(set: &StructureSet, a: &str, b: &str) -> f64 {
    area(&clip::intersection(&on(set, a, SLICE), &on(set, b, SLICE)))
}

/// A disc that is in the way of strokes: they end at it, push it back, or share with it.
pub fn among_others(desk: &mut Desk) {
    desk.add("Neighbour");
    desk.go_to(SLICE);
    desk.hand.key("b");
    desk.click(0.0, 0.0);
    let disc = area(&desk.gesture("Brush")[1]);
    near("the neighbour", disc, PI * 64.0, 2.0);
    // From outside to 6 mm from its middle.
    let stroke = |desk: &mut Desk, x: f64, y: f64| {
        desk.drag("b", &[(x * 30.0, y * 30.0), (x * 6.0, y * 6.0)], None);
        desk.step(&format!("Brush on {}", desk.structure))[1].clone()
    };

    desk.add("Over");
    desk.choose("others: overlap");
    let set = stroke(desk, -1.0, 0.0);
    let overlap = shared(&set, "Over", "Neighbour");
    assert!(overlap > 0.3 * disc, "{overlap}");

    desk.add("Stop");
    desk.choose("others: stop at them");
    let set = stroke(desk, 1.0, 0.0);
    near("stopped", shared(&set, "Stop", "Neighbour"), 0.0, 0.05);
    near("the neighbour stays", area(&on(&set, "Neighbour", SLICE)), disc, 0.001);

    desk.add("Push");
    desk.choose("others: push back visible");
    let set = stroke(desk, 0.0, 1.0);
    near("pushed back", shared(&set, "Push", "Neighbour"), 0.0, 0.05);
    near("the neighbour gives way", disc - area(&on(&set, "Neighbour", SLICE)), overlap, 1.0);
}
