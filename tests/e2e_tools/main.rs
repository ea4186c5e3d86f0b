//! Every tool in the real window: under Xvfb, with real mouse and keyboard events, on slices and
//! structures of its own, checked by what comes into the journal and by the file that is exported.
//! Skipped, saying so, where Xvfb, xdotool or a Vulkan driver is missing.
//!
//! The window is opened twice, so that what was drawn is gone on with, and so that tools are tried
//! with other settings. What lies on the slices at either end of a gesture is read from a copy of the
//! journal, made while the window is open; where the slice lies in the window is told by the first
//! stroke.

mod across;
#[path = "../shared/ball.rs"]
mod ball;
mod desk;
#[path = "../shared/dose.rs"]
mod dose;
mod drawing;
mod finders;
#[path = "../shared/hand.rs"]
mod hand;
mod rules;
#[path = "../shared/display.rs"]
mod shared;
#[path = "../shared/skip.rs"]
mod skip;
mod values;
#[path = "../shared/written.rs"]
mod written;

use across::{draw_across, draw_turned};
use delineo::dicom::{read_rtstruct, write_ct_series};
use delineo::phantom::{DEFAULT_SEED, Sampling, build_sampled};
use delineo::progress::Progress;
use delineo::session::study::Study;
use desk::{Desk, area, near, on, prefer};
use dose::RtDose;
use drawing::draw;
use finders::{LEVEL_GY, dose_gy, find_in_ball, find_organs};
use hand::{Hand, PATIENCE};
use rules::among_others;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use values::{fill_between, find};
use written::{Written, plain};

/// A dose that falls evenly from the middle of the ball, beside the scan.
fn write_dose(scan: &Path) {
    let planes = (0..9).map(|k| f64::from(k) * 5.0).collect();
    let mut dose = RtDose::new([-60.0, -60.0, -20.0], [61, 61], [2.0, 2.0], planes);
    dose.patient = ["Test^Window", "W-1", "19700131"];
    dose.frame_of_reference = Some("2.25.73");
    dose.filled(|point| dose_gy(point.coords.norm())).write(scan, "dose.dcm");
}

#[test]
fn every_tool_draws_what_its_hand_does() {
    let Some((server, display)) = hand::desk() else { return };
    let folder = tempfile::tempdir().unwrap();
    let scan = ball::write_ball(folder.path());
    write_dose(&scan);
    let (data, file) = (folder.path().join("data"), folder.path().join("tools.dcm"));
    let series = Arc::new(Study::open(std::slice::from_ref(&scan), None, &Progress::new()).unwrap().series);
    let written = Written { journals: data.join("journals"), copies: folder.path().to_owned(), series };

    prefer(&data, "shape_kind = \"Rectangle\"\npush_on_slice_only = true");
    let mut hand = Hand::open(&server, &display, &scan, &data);
    hand.wait_for("the scan", |title| title.contains("Test, Window"));
    hand.focus();
    let (steps, middle) = (Vec::new(), [0.0; 2]);
    let mut desk = Desk { hand, written, steps, structure: "Drawn", slice: 0, middle, pixels_per_mm: 1.0 };
    desk.add("Drawn");
    desk.fill_with_axial();
    draw(&mut desk);
    let axial = (desk.middle, desk.pixels_per_mm);

    // Gone on with, with other settings.
    desk.open_again(&server, &display, &scan, &data, "shape_kind = \"Spline\"\nfreehand_mode = \"Replace\"");
    desk.fill_with_axial();
    find(&mut desk);
    fill_between(&mut desk);

    let gy = format!("find_dose = {{ Gy = {LEVEL_GY:?} }}");
    desk.open_again(&server, &display, &scan, &data, &gy);
    desk.fill_with_axial();
    find_in_ball(&mut desk);
    among_others(&mut desk);

    // The sagittal view, plain and turned.
    desk.open_again(
        &server,
        &display,
        &scan,
        &data,
        "shape_kind = \"Rectangle\"\nfreehand_mode = \"Add\"\nmove_whole = true",
    );
    desk.fill_with_sagittal();
    draw_across(&mut desk);
    desk.turn_sagittal();
    draw_turned(&mut desk);
    (desk.middle, desk.pixels_per_mm) = axial;

    desk.hand.key("ctrl+e");
    desk.hand.type_text(&file.display().to_string());
    desk.hand.key("Return");
    let start = Instant::now();
    while !file.exists() && start.elapsed() < PATIENCE {
        desk.hand.settle();
    }
    assert!(file.exists(), "no file came out");
    desk.hand.quit();

    // The file has what the last step left.
    let exported = read_rtstruct(&file, Some(&desk.written.series)).unwrap().set;
    let (_, last) = desk.steps.last().unwrap();
    assert_eq!(exported.rois.len(), last.rois.len());
    for roi in &last.rois {
        for slice in 0..12 {
            let [own, out] = [last, &exported].map(|set| on(set, &roi.name, slice));
            assert_eq!(own.len(), out.len(), "{} on slice {slice}", roi.name);
            near("exported", area(&out), area(&own), 0.01);
        }
    }

    // The journal takes every step back, to what it was, bit for bit.
    let mut session = desk.written.session();
    for (name, state) in desk.steps.iter().rev() {
        assert_eq!(session.undo_name(), Some(name.as_str()));
        assert!(plain(session.structures()) == *state, "before {name} is undone");
        session.undo().unwrap();
    }
    assert!(session.structures().rois.is_empty());
}

#[test]
fn organs_are_found_in_the_sample_patient() {
    let Some((server, display)) = hand::desk() else { return };
    let folder = tempfile::tempdir().unwrap();
    let progress = Progress::new();
    let sample = build_sampled(DEFAULT_SEED, Sampling { pixels: 128, slice_mm: 6.0 }, &progress).unwrap();
    let scan = folder.path().join("sample");
    std::fs::create_dir_all(&scan).unwrap();
    write_ct_series(&sample.series, &scan, &progress).unwrap();
    let data = folder.path().join("data");
    let series = Arc::new(Study::open(std::slice::from_ref(&scan), None, &progress).unwrap().series);
    let written = Written { journals: data.join("journals"), copies: folder.path().to_owned(), series };
    let mut hand = Hand::open(&server, &display, &scan, &data);
    hand.wait_for("the scan", |title| title.contains("Sample"));
    hand.focus();
    let (steps, middle) = (Vec::new(), [0.0; 2]);
    let mut desk = Desk { hand, written, steps, structure: "", slice: 0, middle, pixels_per_mm: 1.0 };
    find_organs(&mut desk, &sample.structures());
    desk.hand.quit();
}
