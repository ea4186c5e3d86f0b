//! What is found by itself: an isodose and what lies between pieces in the scan of a ball, organs in
//! the sample patient.

use crate::desk::{Desk, area, contains, near, on, z_of};
use delineo::geometry::clip;
use delineo::patient::{Roi, StructureSet};
use std::f64::consts::PI;

/// The dose that is outlined, Gy; where the dose reaches it, mm from the middle.
pub const LEVEL_GY: f64 = 40.0;
const LEVEL_MM: f64 = 20.0;

/// The dose at a distance from the middle, Gy.
pub fn dose_gy(mm: f64) -> f64 {
    (LEVEL_GY + LEVEL_MM - mm).max(0.0)
}

/// An isodose, and what lies between two discs.
pub fn find_in_ball(desk: &mut Desk) {
    desk.add("Isodose");
    desk.hand.key("shift+i");
    desk.take("shift+a");
    let [_, set] = desk.step("Isodose on Isodose");
    for slice in 0..12 {
        let wanted = PI * (LEVEL_MM * LEVEL_MM - z_of(slice) * z_of(slice));
        near("the isodose", area(&on(&set, "Isodose", slice)), wanted, 0.03 * wanted + 6.0);
    }

    desk.add("Pieces");
    desk.go_to(6);
    desk.hand.key("b");
    for x in [-16.0, 16.0] {
        desk.click(x, 0.0);
        desk.gesture("Brush");
    }
    desk.choose("fill between pieces");
    desk.choose("find now");
    desk.take("a");
    let [before, after] = desk.gesture("Between pieces");
    assert!(!contains(&before, 0.0, 0.0) && contains(&after, 0.0, 0.0));
    assert_eq!((before.len(), after.len()), (2, 1));
}

/// Dice of two structures by their contours' areas on the slices that either has.
fn dice(a: &Roi, b: &Roi) -> f64 {
    let sum = |roi: &Roi| roi.planes.iter().map(|plane| area(&plane.polygons)).sum::<f64>();
    let both = a.planes.iter().filter_map(|plane| {
        let other = b.plane_at(&plane.plane)?;
        Some(area(&clip::intersection(&plane.polygons, &other.polygons)))
    });
    2.0 * both.sum::<f64>() / (sum(a) + sum(b))
}

/// Body, lungs, airways and bones of the sample patient, against the reference.
pub fn find_organs(desk: &mut Desk, reference: &StructureSet) {
    for (name, search, truth, least) in [
        ("Outside", "find body", "Body", 0.97),
        ("Lung_L", "find lungs", "Lung_L", 0.9),
        ("Airways", "find airways", "Trachea", 0.5),
        ("Bones", "find bones", "Bone_Mandible", 0.0),
    ] {
        desk.add(name);
        desk.choose(search);
        desk.choose("find now");
        desk.take("shift+a");
        let method = search.trim_start_matches("find ");
        let method = format!("{}{}", method[..1].to_uppercase(), &method[1..]);
        let [_, set] = desk.step(&format!("{method} on {name}"));
        let roi = |set: &StructureSet, name: &str| set.rois.iter().find(|roi| roi.name == name).cloned();
        let (own, truth) = (roi(&set, name).unwrap(), roi(reference, truth).unwrap());
        let dice = dice(&own, &truth);
        println!("{name}: Dice {dice:.3} with {}", truth.name);
        assert!(dice > least, "{name}: {dice}");
    }
}
