//! The main job in the real window: under Xvfb, with real mouse and keyboard events, checked by the
//! file that comes out. Skipped, saying so, where Xvfb, xdotool or a Vulkan driver is missing.

use delineo::dicom::read_rtstruct;
use delineo::geometry::{Point2, Point3};
use delineo::patient::{GenerationAlgorithm, Roi};
use std::thread::sleep;
use std::time::{Duration, Instant};

#[path = "shared/ball.rs"]
mod ball;
#[path = "shared/hand.rs"]
mod hand;
#[path = "shared/display.rs"]
mod shared;
#[path = "shared/skip.rs"]
mod skip;

use hand::{Hand, line};

/// Whether an ROI has the patient point, which lies on one of its slices.
fn has(roi: &Roi, point: Point3) -> bool {
    roi.planes.iter().any(|plane| {
        plane.plane.distance_mm(point).abs() < 0.1 && {
            let at: Point2 = plane.plane.project(point);
            plane.polygons.iter().any(|polygon| polygon.contains(at))
        }
    })
}

#[test]
fn open_contour_accept_paint_undo_export() {
    let Some((server, display)) = hand::desk() else { return };
    let folder = tempfile::tempdir().unwrap();
    let scan = ball::write_ball(folder.path());
    let file = folder.path().join("window.dcm");
    let mut hand = Hand::open(&server, &display, &scan, &folder.path().join("data"));
    hand.wait_for("the scan", |title| title.contains("Test, Window"));
    hand.focus();

    // Auto-contour: search, type, Enter. The proposal shows in the title.
    hand.key("ctrl+k");
    hand.type_text("contour with body");
    hand.key("Return");
    hand.wait_for("the proposal", |title| title.contains("1 proposal"));

    // Accept all, asked once.
    hand.key("shift+a");
    hand.key("Return");
    hand.wait_for("the acceptance", |title| !title.contains("proposal"));

    // The axial view alone: the middle of the slice is the middle of the view.
    hand.key("Home");
    hand.point((400, 200));
    hand.key("Return");
    hand.key("b");
    // A stroke towards the patient's left that stays, then one to the front that is undone.
    hand.drag(&line((764, 394), (1029, 394), 4), None);
    hand.drag(&line((764, 394), (764, 110), 4), None);
    hand.key("ctrl+z");

    // A window that nobody touches costs nothing.
    sleep(Duration::from_secs(4));
    let (before, watched) = (hand.cpu_seconds(), Duration::from_secs(4));
    sleep(watched);
    let share = (hand.cpu_seconds() - before) / watched.as_secs_f64();
    assert!(share < 0.05, "the idle window takes {:.0} % of a processor", share * 100.0);

    // Export to a typed path.
    hand.key("ctrl+e");
    hand.type_text(&file.display().to_string());
    hand.key("Return");
    let start = Instant::now();
    while !file.exists() && start.elapsed() < Duration::from_mins(1) {
        sleep(Duration::from_millis(200));
    }
    hand.quit();
    assert!(file.exists(), "no file came out");

    let series = ball::series();
    let read = read_rtstruct(&file, Some(&series)).unwrap();
    assert_eq!(read.set.rois.len(), 1);
    let body = &read.set.rois[0];
    assert_eq!(body.name, "Body");
    assert_eq!(
        body.generation,
        GenerationAlgorithm::SemiAutomatic,
        "contoured by machine, corrected by hand"
    );
    assert_eq!(body.planes.len(), 12, "the ball is in every slice");
    let painted: Vec<f64> = body
        .planes
        .iter()
        .map(|plane| plane.plane.offset_mm())
        .filter(|z| has(body, Point3::new(45.0, 0.0, *z)))
        .collect();
    assert_eq!(painted.len(), 1, "the stroke to the patient's left is on one slice: {painted:?}");
    let undone = Point3::new(0.0, -46.0, painted[0]);
    assert!(!has(body, undone), "the stroke that was undone came out");
    assert!(has(body, Point3::new(0.0, 0.0, painted[0])));
}
