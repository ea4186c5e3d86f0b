//! Constructed probabilities around an axis, with areas and scores one can compute, on a scan that
//! is oblique and has a different step along each axis.

use super::*;
use crate::ai::components::argmax;
use crate::ai::presence::present;
use crate::geometry::{Plane, Vector3};
use crate::patient::{Mask, Unit, Voxels};
use half::f16;
use std::f64::consts::PI;

/// Turned by a few degrees about every axis, steps of 1.1, 0.9 and 3 mm, around the origin.
fn oblique() -> Volume {
    let turn = nalgebra::Rotation3::from_euler_angles(0.06, -0.04, 0.3);
    let steps = [Vector3::x() * 1.1, Vector3::y() * 0.9, Vector3::z() * 3.0].map(|step| turn * step);
    let origin = turn * Point3::new(-33.0, -32.4, -9.0);
    let grid = Grid::new([61, 73, 7], origin, steps).unwrap();
    let base = Plane::new(origin, steps[0], steps[1]).unwrap();
    let slices = (0..7).map(|k| {
        let origin_mm = grid.patient_of([0.0, 0.0, f64::from(k)]);
        let plane = base.at_offset(base.normal().dot(&origin_mm.coords));
        Slice { plane, origin_mm, instance: None, missing: false }
    });
    let (voxels, slices) = (Voxels::I16(vec![0; grid.len()]), slices.collect());
    Volume { grid, voxels, unit: Unit::Hu, slices, native: None }
}

/// A grid of 1.5 mm around the origin, and `shares` of each class at the distance from the z axis and
/// the angle about it.
fn field(classes: usize, shares: impl Fn(f64, f64) -> Vec<f64>) -> (Probabilities, Grid) {
    let steps = [Vector3::x(), Vector3::y(), Vector3::z()].map(|step| step * 1.5);
    let grid = Grid::new([61, 61, 31], Point3::new(-45.0, -45.0, -22.5), steps).unwrap();
    let mut values = Vec::new();
    for at in 0..61 * 61 * 31 {
        let [x, y] = [at % 61, at / 61 % 61].map(|n| 1.5 * f64::from(n) - 45.0);
        #[expect(clippy::cast_possible_truncation, reason = "a probability")]
        values.extend(shares(x.hypot(y), y.atan2(x)).iter().map(|share| f16::from_f32(*share as f32)));
    }
    (Probabilities { low: [0; 3], size: [31, 61, 61], classes, values }, grid)
}

/// From 1 to 0 within `half_width` of `radius`.
fn ramp(r: f64, radius: f64, half_width: f64) -> f64 {
    ((radius + half_width - r) / (2.0 * half_width)).clamp(0.0, 1.0)
}

fn organ(value: u16, name: &str) -> Label {
    Label { value, name: name.to_owned(), ..Label::default() }
}

fn package(labels: Vec<Label>) -> ModelPackage {
    let mut package = ModelPackage::find("head-neck").unwrap();
    package.labels = labels;
    package
}

/// Contours and label map of all labels.
fn contoured<'a>(
    volume: &Volume,
    package: &'a ModelPackage,
    (probabilities, grid): &(Probabilities, Grid),
) -> (Vec<Traced<'a>>, LabelMap) {
    let labels = argmax(probabilities);
    let field = Field::new(probabilities, &labels, grid);
    let wanted = Wanted { package, labels: vec![true; probabilities.classes], label_map: true, body: None };
    let (traced, map) = contours(volume, &field, &wanted, &Progress::new()).unwrap();
    (traced, map.unwrap())
}

/// The mean area over the slices, square mm.
fn area_mm2(traced: &Traced<'_>) -> f64 {
    traced.planes.iter().map(|plane| plane.area_mm2()).sum::<f64>() / f64::from(7)
}

fn holes(traced: &Traced<'_>) -> usize {
    traced.planes.iter().flat_map(|plane| &plane.polygons).map(|polygon| polygon.holes.len()).sum()
}

/// The slices are tilted against the axis: a circle becomes an ellipse that much longer.
fn tilt(volume: &Volume) -> f64 {
    1.0 / volume.slices[0].plane.normal().z.abs()
}

fn voxels_inside(traced: &Traced<'_>, package: &ModelPackage, volume: &Volume) -> Vec<bool> {
    let mask = Mask::of_roi(&package.proposal(traced.label, traced.planes.clone(), None), volume);
    let [ni, nj, _] = volume.grid.dims();
    (0..volume.grid.len()).map(|at| mask.contains([at % ni, at / ni % nj, at / (ni * nj)])).collect()
}

#[test]
fn the_canal_holds_the_cord_without_a_seam_and_the_label_map_keeps_them_apart() {
    let volume = oblique();
    // The cord to 6 mm, the canal to 14 mm; in a part of the ring between the network wavers: no
    // class alone is above background there, together they are.
    let shares = |r: f64, angle: f64| {
        let (cord, both) = (ramp(r, 6.0, 1.5), ramp(r, 14.0, 1.5));
        if (8.0..12.0).contains(&r) && (0.5..1.5).contains(&angle) {
            return vec![0.4, 0.3, 0.3];
        }
        vec![1.0 - both, both - cord, cord]
    };
    let canal = Label { includes: vec!["SpinalCord".to_owned()], ..organ(1, "SpinalCanal") };
    let package = package(vec![canal, organ(2, "SpinalCord")]);
    let (traced, map) = contoured(&volume, &package, &field(3, shares));
    let [canal, cord] = traced.as_slice() else { panic!("two organs") };
    for (own, radius) in [(canal, 14.0), (cord, 6.0)] {
        let expected = PI * radius * radius * tilt(&volume);
        let off = area_mm2(own) / expected - 1.0;
        assert!(off.abs() < 0.03, "{}: {off}", own.label.name);
        assert_eq!((holes(own), own.planes.len()), (0, 7), "{}", own.label.name);
    }
    // Contours and voxels agree; the map has background in the part where the network wavers.
    let (inside, in_cord) = (voxels_inside(canal, &package, &volume), voxels_inside(cord, &package, &volume));
    let count = |label: u16| map.labels.iter().filter(|own| **own == label).count();
    assert!(count(1) > 1000 && count(2) > 500, "{} {}", count(1), count(2));
    let mut wavering = 0;
    for (at, label) in map.labels.iter().enumerate() {
        assert_eq!(in_cord[at], *label == 2);
        assert!(*label == 0 || inside[at], "all that is canal or cord is in the contours");
        wavering += usize::from(inside[at] && *label == 0);
    }
    assert!(wavering > 100, "{wavering}");
}

#[test]
fn organs_share_their_border_and_do_not_overlap() {
    // A stem of 8 mm in front of the plane y = 0, the cord behind it.
    let shares = |r: f64, angle: f64| {
        let (y, both) = (r * angle.sin(), ramp(r, 12.0, 3.0));
        let behind = ramp(-y, 0.0, 2.0);
        vec![1.0 - both, both * (1.0 - behind), both * behind]
    };
    let volume = oblique();
    let package = package(vec![organ(1, "Brainstem"), organ(2, "SpinalCord")]);
    let (traced, map) = contoured(&volume, &package, &field(3, shares));
    let [stem, cord] = traced.as_slice() else { panic!("two organs") };
    for (one, other) in stem.planes.iter().zip(&cord.planes) {
        let overlap: f64 = crate::geometry::clip::intersection(&one.polygons, &other.polygons)
            .iter()
            .map(Polygon::area_mm2)
            .sum();
        assert!(overlap < 1e-3, "{overlap} mm2");
    }
    let total = area_mm2(stem) + area_mm2(cord);
    assert!((total / (PI * 144.0 * tilt(&volume)) - 1.0).abs() < 0.03, "{total}");
    assert!(map.labels.contains(&1) && map.labels.contains(&2));
}

#[test]
fn a_small_hole_is_closed_in_contour_and_map_and_a_large_one_stays() {
    let volume = oblique();
    for (radius, closed) in [(4.0, true), (7.0, false)] {
        // 50 and 154 square mm; the limit is 100.
        let shares = |r: f64, _: f64| {
            let ring = ramp(r, 16.0, 1.5) * (1.0 - ramp(r, radius, 1.5));
            vec![1.0 - ring, ring]
        };
        let shares = field(2, shares);
        let open = package(vec![organ(1, "Larynx")]);
        assert_eq!(holes(&contoured(&volume, &open, &shares).0[0]), 7);
        let package = package(vec![Label { close_holes: true, ..organ(1, "Larynx") }]);
        let (traced, map) = contoured(&volume, &package, &shares);
        assert_eq!(holes(&traced[0]), if closed { 0 } else { 7 });
        let inside = voxels_inside(&traced[0], &package, &volume);
        assert!(map.labels.iter().zip(&inside).all(|(label, inside)| (*label == 1) == *inside));
    }
}

#[test]
fn the_confidence_is_what_the_probabilities_expect_calibrated() {
    // A border that falls from 1 to 0 within w of R. Over the disc p sums up to pi (R2 - w R / 2 +
    // w2 / 6), over all to pi (R2 + w2 / 3).
    let (radius, w): (f64, f64) = (12.0, 4.0);
    let shares = field(2, |r, _| vec![1.0 - ramp(r, radius, w), ramp(r, radius, w)]);
    let square = radius * radius;
    let expected = 2.0 * (square - w * radius / 2.0 + w * w / 6.0) / (2.0 * square + w * w / 3.0);
    let volume = oblique();
    let roi_of = |label: Label| {
        let package = package(vec![label]);
        let traced = contoured(&volume, &package, &shares).0;
        present(&package, &volume, [&[&package.labels[0]]; 2], traced).rois.remove(0)
    };
    let raw = roi_of(organ(1, "Larynx"));
    let all = raw.confidence.unwrap();
    assert!(!all.calibrated && !all.edited);
    assert!((f64::from(all.value) - expected).abs() < 0.01, "{} and {expected}", all.value);
    let slices: Vec<f32> = raw.slice_confidence().map(|(_, share)| share).collect();
    assert_eq!(slices.len(), 7);
    assert!(slices.iter().all(|share| (f64::from(*share) - expected).abs() < 0.015), "{slices:?}");
    let told = roi_of(Label {
        confidence: vec![[0.0, 0.0], [1.0, 0.5]],
        slice_confidence: vec![[0.0, 0.25], [1.0, 0.25]],
        ..organ(1, "Larynx")
    });
    let all_told = told.confidence.unwrap();
    assert!(all_told.calibrated && (all_told.value - all.value / 2.0).abs() < 1e-6);
    assert!(told.slice_confidence().all(|(_, share)| share == 0.25));
}
