//! A dose beside the scan: named, read when it is needed, its level outlined into a structure.

use super::dose::RtDose;
use super::shared::{Window, drawn_texts, key, stroke, wait};
use super::{ball, window};
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use std::path::Path;

/// The ball with a dose of 60 Gy in its middle that falls by 1.5 Gy a mm, and one without scaling.
fn study(folder: &Path) -> std::path::PathBuf {
    let images = ball::write_ball(folder);
    let planes: Vec<f64> = (0..17).map(|n| 2.5 * f64::from(n)).collect();
    let stored = RtDose::new([-50.0, -50.0, -20.0], [41, 41], [2.5, 2.5], planes);
    let stored =
        RtDose { patient: ["Test^Window", "W-1", "19700131"], frame_of_reference: Some("2.25.73"), ..stored };
    let stored = stored.filled(|at| (60.0 - 1.5 * at.coords.norm()).max(0.0));
    stored.write(&images, "plan.dcm");
    RtDose { scaling: Some("0"), summation: "BEAM", ..stored }.write(&images, "beam.dcm");
    images
}

fn has_text(harness: &Harness<'_, Window>, part: &str) -> bool {
    drawn_texts(harness).iter().any(|(text, _)| text.contains(part))
}

#[test]
fn an_isodose_of_the_dose_beside_the_scan_becomes_a_structure() {
    let folder = tempfile::tempdir().unwrap();
    let images = study(folder.path());
    let mut harness = window(&[images], &folder.path().join("data"));
    wait(&mut harness, "the scan", |station| station.session().is_some());
    // Both are named, and why one of them cannot be used.
    key(&mut harness, Modifiers::COMMAND, Key::Num1);
    assert!(has_text(&harness, "Plan dose") && has_text(&harness, "DoseGridScaling is 0"));
    // The only one that can be used is read when an isodose is wanted.
    key(&mut harness, Modifiers::SHIFT, Key::I);
    wait(&mut harness, "the dose", |station| {
        station.state().views.as_ref().is_some_and(|views| views.tools.segment.dose().is_some())
    });
    harness.get_by_label("New structure IDL_3000").click();
    wait(&mut harness, "the isodose", |station| {
        station.state().views.as_ref().is_some_and(|views| views.tools.suggestion().is_some())
    });
    assert!(has_text(&harness, "isodose at 30.00 Gy"));
    key(&mut harness, Modifiers::SHIFT, Key::A);
    let session = harness.state().0.session().unwrap();
    let roi = session.selected().unwrap();
    assert_eq!((roi.name.as_str(), roi.roi_type.term()), ("IDL_3000", "DOSE_REGION"));
    // A ball of 20 mm within the scan's 12 slices of 3 mm, from -16.5 to 16.5 mm.
    let wanted: f64 =
        (0..12).map(|k| std::f64::consts::PI * (400.0 - (3.0 * f64::from(k) - 16.5).powi(2)) * 3.0).sum();
    let got = roi.volume_cc(&session.series().volume) * 1000.0;
    assert!((got / wanted - 1.0).abs() < 0.02, "{got} mm3 instead of {wanted}");
}

#[test]
fn a_box_is_drawn_in_one_view_and_seen_in_all() {
    let folder = tempfile::tempdir().unwrap();
    let images = ball::write_ball(folder.path());
    let mut harness = window(&[images], &folder.path().join("data"));
    wait(&mut harness, "the scan", |station| station.session().is_some());
    super::name_structure(&mut harness, "Node");
    key(&mut harness, Modifiers::NONE, Key::H);
    let boxed = |harness: &Harness<'_, Window>| {
        harness.state().0.state().views.as_ref().unwrap().tools.segment.search_box().copied()
    };
    harness.get_by_value("the whole image").click();
    harness.step();
    harness.step();
    harness.get_by_label("a box").click();
    harness.step();
    harness.step();
    let center = harness.get_by_label("Axial view").rect().center();
    let (from, to) = (center - egui::vec2(40.0, 30.0), center + egui::vec2(40.0, 30.0));
    stroke(&mut harness, &[from, center, to]);
    let drawn = boxed(&harness).expect("a box");
    let [x, y, z] = drawn.size_mm();
    assert!((x / y - 4.0 / 3.0).abs() < 0.01 && (z - 40.0).abs() < 1e-6, "{x} x {y} x {z}");
    let text = format!("Box of {x:.0} x {y:.0} x {z:.0} mm");
    assert!(has_text(&harness, &text), "{text}");
    key(&mut harness, Modifiers::NONE, Key::Escape);
    assert_eq!(boxed(&harness), None);
}
