//! Cuboids whose volumes one can compute.

use super::*;
use crate::geometry::{Grid, Plane, Point2, Point3, Polygon, Vector3};
use crate::patient::{Slice, Unit, Voxels};

/// 20 x 20 pixels of 2 mm, ten slices 2 mm apart, the first at z = 0.
fn volume() -> Volume {
    let grid = Grid::new(
        [20, 20, 10],
        Point3::origin(),
        [Vector3::x(), Vector3::y(), Vector3::z()].map(|s| s * 2.0),
    )
    .unwrap();
    let slices = (0..10).map(|k| {
        let z = 2.0 * f64::from(k);
        Slice { plane: Plane::axial(z), origin_mm: Point3::new(0.0, 0.0, z), instance: None, missing: false }
    });
    Volume {
        grid,
        voxels: Voxels::I16(vec![0; 4000]),
        unit: Unit::Hu,
        slices: slices.collect(),
        native: None,
    }
}

/// A square of 10 mm from `x` on, on these slices: 0.2 cc each.
fn traced(label: &Label, x: f64, slices: std::ops::Range<i32>) -> Traced<'_> {
    let corners = [(0.0, 5.0), (10.0, 5.0), (10.0, 15.0), (0.0, 15.0)];
    let ring: Vec<Point2> = corners.iter().map(|(dx, y)| Point2::new(x + dx, *y)).collect();
    let plane = |k| {
        let square = vec![Polygon::from_outer(ring.clone())];
        Arc::new(RoiPlane::new(Plane::axial(2.0 * f64::from(k)), None, square))
    };
    // Certain by 3 parts of 4: 2 * 0.75 / 1.75.
    let agreement = Agreement::on_slice(&[true], 1, [0; 2], 1, |_| 0.75);
    Traced { label, planes: slices.map(plane).collect(), agreement }
}

fn organ(value: u16, name: &str) -> Label {
    Label { value, name: name.to_owned(), min_cc: Some(0.7), max_cc: Some(1.5), ..Label::default() }
}

fn judge(labels: &[Label], places: &[(f64, std::ops::Range<i32>)]) -> (Vec<String>, Vec<u16>, Vec<String>) {
    let package = ModelPackage::find("head-neck").unwrap();
    let wanted: Vec<&Label> = labels.iter().collect();
    let all = labels.iter().zip(places).map(|(label, (x, slices))| traced(label, *x, slices.clone()));
    let Present { rois, left_out, warnings } =
        present(&package, &volume(), [&wanted, &wanted], all.collect());
    (rois.into_iter().map(|roi| roi.name).collect(), left_out, warnings)
}

#[test]
fn what_is_too_small_or_too_large_or_too_uncertain_was_not_found() {
    let labels = [organ(1, "Larynx")];
    let judged = |slices| judge(&labels, &[(10.0, slices)]);
    // Two slices from either end nothing is cut.
    assert_eq!(judged(2..6), (vec!["Larynx".to_owned()], vec![], vec![]));
    let (rois, left_out, warnings) = judged(2..5);
    assert!(rois.is_empty() && left_out == [1]);
    assert_eq!(warnings, ["not found in the image: Larynx (0.6 cc is too small)"]);
    // What every scan cuts is judged as a part: a fifth, 0.14 cc.
    let cord = [Label { runs_on: true, ..organ(1, "SpinalCord") }];
    assert_eq!(judge(&cord, &[(10.0, 4..5)]).0, ["SpinalCord"]);
    assert_eq!(judged(1..9).2, ["not found in the image: Larynx (2 cc is too large)"]);
    let sure = |least| [Label { min_score: Some(least), ..organ(1, "Larynx") }];
    assert!(judge(&sure(0.85), &[(10.0, 2..6)]).2.is_empty());
    assert_eq!(judge(&sure(0.86), &[(10.0, 2..6)]).2, ["not found in the image: Larynx (too uncertain)"]);
    // One that was not traced at all.
    assert_eq!(judge(&labels, &[]).2, ["not found in the image: Larynx"]);
    // Where the manifest says nothing, everything stays.
    let free = [Label { min_cc: None, max_cc: None, ..organ(1, "Larynx") }];
    assert_eq!(judge(&free, &[(10.0, 0..1)]), (vec!["Larynx".to_owned()], vec![], vec![]));
}

#[test]
fn what_the_scan_cuts_may_be_smaller_and_is_said() {
    let labels = [organ(1, "Larynx")];
    // On the last slices and the last but one, and at the edges of slices.
    for (x, slices) in [(10.0, 0..2), (10.0, 8..10), (10.0, 1..3), (10.0, 7..9), (-1.0, 4..6), (29.0, 4..6)] {
        let (rois, _, warnings) = judge(&labels, &[(x, slices)]);
        assert_eq!((rois.len(), warnings), (1, vec!["cut by the end of the scan: Larynx".to_owned()]));
    }
    // A fifth of the least volume must be there: 0.14 of 0.1 cc is not.
    let mut small = traced(&labels[0], 10.0, 0..1);
    let half: Vec<Point2> =
        [(10.0, 5.0), (15.0, 5.0), (15.0, 15.0), (10.0, 15.0)].map(|(x, y)| Point2::new(x, y)).to_vec();
    small.planes = vec![Arc::new(RoiPlane::new(Plane::axial(0.0), None, vec![Polygon::from_outer(half)]))];
    let package = ModelPackage::find("head-neck").unwrap();
    let present = present(&package, &volume(), [&[&labels[0]], &[&labels[0]]], vec![small]);
    assert_eq!(present.left_out, [1]);
}

#[test]
fn what_runs_on_but_ends_before_the_scan_does_is_said() {
    let cord = [Label { runs_on: true, ..organ(1, "SpinalCord") }];
    // Slices rise towards the head from z = 0, 2 mm apart: from the sixth on, 10 mm are without it.
    assert!(judge(&cord, &[(10.0, 5..8)]).2.is_empty());
    let told = "ends above the scan's lower end, look whether it runs on: SpinalCord (12 mm)";
    assert_eq!(judge(&cord, &[(10.0, 6..8)]).2, [told]);
    // At its upper end it becomes the brainstem; and others end where they will.
    assert!(judge(&cord, &[(10.0, 2..4)]).2.is_empty());
    assert!(judge(&[organ(1, "Larynx")], &[(10.0, 5..8)]).2.iter().all(|text| !text.starts_with("ends")));
}

#[test]
fn the_lower_end_is_the_one_towards_the_feet_however_slices_are_stored() {
    let cord = organ(1, "SpinalCord");
    let package = ModelPackage::find("head-neck").unwrap();
    let roi = package.proposal(&cord, traced(&cord, 10.0, 2..4).planes, None);
    let upright = volume();
    assert!((short_of_feet_mm(&roi, &upright) - 4.0).abs() < 1e-9);
    // The same slices from head to feet, and coronal ones, whose second axis is the one that falls.
    let steps = [Vector3::x(), Vector3::y(), -Vector3::z()].map(|step| step * 2.0);
    let falling = Grid::new([20, 20, 10], Point3::new(0.0, 0.0, 18.0), steps).unwrap();
    let steps = [Vector3::x(), -Vector3::z(), Vector3::y()].map(|step| step * 2.0);
    let coronal = Grid::new([20, 10, 20], Point3::new(0.0, 0.0, 18.0), steps).unwrap();
    for grid in [falling, coronal] {
        let volume = Volume { grid, ..volume() };
        assert!((short_of_feet_mm(&roi, &volume) - 4.0).abs() < 1e-9);
    }
}

#[test]
fn an_organ_of_the_head_does_not_lie_below_one_of_the_neck() {
    let labels = [
        Label { above: vec!["SpinalCord".to_owned()], ..organ(1, "Brainstem") },
        Label { min_score: None, ..organ(2, "SpinalCord") },
    ];
    assert_eq!(judge(&labels, &[(5.0, 4..8), (20.0, 1..5)]).0, ["Brainstem", "SpinalCord"]);
    let (rois, left_out, warnings) = judge(&labels, &[(5.0, 1..5), (20.0, 4..8)]);
    assert_eq!((rois, left_out), (vec!["SpinalCord".to_owned()], vec![1]));
    assert_eq!(warnings, ["not found in the image: Brainstem (it lies below SpinalCord)"]);
    // What is not there itself rules nothing out.
    assert_eq!(judge(&labels, &[(5.0, 1..5), (20.0, 6..8)]).0, ["Brainstem"]);
}

#[test]
fn an_organ_that_is_never_alone_needs_company() {
    let beside = |names: &[&str], own: Label| Label {
        beside: names.iter().map(|name| (*name).to_owned()).collect(),
        ..own
    };
    let labels = [
        beside(&["Bone_Mandible"], organ(1, "Parotid_L")),
        beside(&["Parotid_L"], organ(2, "Larynx")),
        organ(3, "Bone_Mandible"),
        organ(4, "SpinalCord"),
    ];
    let places = |jaw| [(5.0, 3..7), (20.0, 3..7), (20.0, jaw), (5.0, 2..8)];
    assert_eq!(judge(&labels, &places(3..7)).0.len(), 4);
    // Without the jaw there is no parotid, and without that no larynx.
    let (rois, left_out, warnings) = judge(&labels, &places(3..4));
    assert_eq!((rois, left_out), (vec!["SpinalCord".to_owned()], vec![1, 2, 3]));
    assert!(warnings[0].contains("Parotid_L (nothing that lies beside it was found)"), "{warnings:?}");

    // Asked for alone, its witnesses are traced, judged, and not told of.
    assert_eq!(
        with_witnesses(&labels, &[false, false, true, false, false]),
        [false, true, true, true, false]
    );
    let package = ModelPackage::find("head-neck").unwrap();
    let only = |jaw: std::ops::Range<i32>| {
        let looked_for: Vec<&Label> = labels[..3].iter().collect();
        let all = looked_for.iter().zip(places(jaw)).map(|(label, (x, slices))| traced(label, x, slices));
        present(&package, &volume(), [&[&labels[1]], &looked_for], all.collect())
    };
    let there = only(3..7);
    assert_eq!(there.rois.iter().map(|roi| roi.name.as_str()).collect::<Vec<_>>(), ["Larynx"]);
    assert_eq!((there.left_out, there.warnings.len()), (vec![1, 3], 0));
    assert!(only(3..4).rois.is_empty());
    // What nobody looked for is not missed.
    let alone =
        present(&package, &volume(), [&[&labels[1]], &[&labels[1]]], vec![traced(&labels[1], 5.0, 3..7)]);
    assert_eq!(alone.rois.len(), 1);
}
