//! Looking within a box that is drawn and put right in views, and isodoses.

use super::segment::{RANGE, sphere, volume_mm3, with};
use super::*;
use crate::edit::segment::{DoseLevel, Uptake};
use crate::patient::{Dose, DoseInfo, DoseLattice, RoiType};
use crate::tools::{KeepPieces, Method, TakeAs, Within, on_slices, slices_of};

/// A threshold of all pieces in a box, none of which is drawn yet.
fn in_box() -> (Session, Tools) {
    with(Method::Threshold, |settings| {
        settings.range = RANGE;
        settings.within = Within::Box;
        settings.keep = KeepPieces::All;
    })
}

fn box_of(tools: &Tools) -> ([f64; 3], [f64; 3]) {
    let boxed = tools.segment.search_box().unwrap();
    (boxed.low(), boxed.high())
}

fn suggested_mm3(tools: &Tools, session: &Session) -> f64 {
    tools.suggestion().map_or(0.0, |own| own.shown().volume_cc(&session.series().volume) * 1000.0)
}

/// Presses and goes along the path without letting go.
fn hold(tools: &mut Tools, session: &Session, view: &ViewPlane, path: &[Point3]) {
    tools.event(session, view, ToolEvent::Press(path[0], KEYS));
    for at in &path[1..] {
        tools.event(session, view, ToolEvent::Drag(*at));
        check(tools, session);
    }
}

#[test]
fn a_box_drawn_in_a_view_limits_the_threshold_and_its_edges_can_be_dragged_in_every_view() {
    let (mut session, mut tools) = in_box();
    let steps = session.history().done();
    assert!(tools.suggestion().is_none() && tools.segment.note().is_some());
    // Around the right half of the large ball, 40 mm deep by default.
    let path = line(p(0.0, -20.0, 30.0), p(20.0, 20.0, 30.0), 8);
    assert_eq!(drag(&mut tools, &mut session, &axial(30.0), KEYS, &path), Reaction::default());
    assert_eq!(box_of(&tools), ([0.0, -20.0, 10.0], [20.0, 20.0, 50.0]));
    tools.segment.settle(&session);
    near(suggested_mm3(&tools, &session), sphere(15.0) / 2.0, 0.03);
    assert!(tools.hint().text.contains("Esc"), "{}", tools.hint().text);
    // Its upper edge in the sagittal view, down to the middle; the box is seen there and its edge is held.
    let upper = p(5.0, 3.0, 50.0);
    tools.event(&session, &sagittal(5.0), ToolEvent::Hover(upper, KEYS));
    let shape = tools.cursor(&session).shape;
    assert_eq!(shape, CursorShape::Resize { sideways: false, upright: true });
    drag(&mut tools, &mut session, &sagittal(5.0), KEYS, &line(upper, p(5.0, 3.0, 30.5), 6));
    let (low, high) = box_of(&tools);
    assert!((high[2] - 30.5).abs() < 1e-9 && low == [0.0, -20.0, 10.0]);
    tools.segment.settle(&session);
    assert!(tools.suggestion().unwrap().slices().all(|slice| slice <= 10));
    // A corner in the axial view moves two edges; the middle moves the whole box.
    let corner = [p(0.0, -20.0, 30.0), p(-3.0, -22.0, 30.0), p(-20.0, -25.0, 30.0)];
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &corner);
    assert_eq!(box_of(&tools).0[..2], [-20.0, -25.0]);
    let inside = line(p(0.0, 0.0, 30.0), p(10.0, 5.0, 30.0), 4);
    tools.event(&session, &axial(30.0), ToolEvent::Hover(inside[0], KEYS));
    assert_eq!(tools.cursor(&session).shape, CursorShape::Hand);
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &inside);
    let (low, high) = box_of(&tools);
    assert_eq!((low, [high[0], high[1]]), ([-10.0, -20.0, 10.0], [30.0, 25.0]));
    tools.segment.settle(&session);
    // One undo step, and only for what is taken over.
    assert_eq!(session.history().done(), steps);
    let suggested = suggested_mm3(&tools, &session);
    session.apply(tools.suggestion().unwrap().command(None).unwrap()).unwrap();
    assert_eq!((session.history().done(), session.undo_name()), (steps + 1, Some("Threshold on Node")));
    near(volume_mm3(&session), suggested, 1e-3);
    session.undo().unwrap();
    assert!(roi(&session).planes.is_empty());
}

#[test]
fn a_click_draws_no_box_and_escape_drops_the_drag_then_the_box() {
    let (mut session, mut tools) = in_box();
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &[p(5.0, 5.0, 30.0), p(5.5, 5.5, 30.0)]);
    assert!(tools.segment.search_box().is_none() && !tools.segment.is_active());
    // What is drawn is looked in before the button is up.
    hold(&mut tools, &session, &axial(30.0), &line(p(-20.0, -20.0, 30.0), p(20.0, 20.0, 30.0), 5));
    tools.segment.settle(&session);
    near(suggested_mm3(&tools, &session), sphere(15.0), 0.03);
    tools.event(&session, &axial(30.0), ToolEvent::Escape);
    tools.segment.settle(&session);
    assert!(tools.segment.search_box().is_none() && tools.suggestion().is_none());
    tools.event(&session, &axial(30.0), ToolEvent::Release(p(20.0, 20.0, 30.0)));
    assert!(tools.segment.search_box().is_none());
    // An edge that is dragged goes back, then all of it is dropped.
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &line(p(-20.0, -20.0, 30.0), p(20.0, 20.0, 30.0), 5));
    let before = box_of(&tools);
    hold(&mut tools, &session, &axial(30.0), &line(p(20.0, 0.0, 30.0), p(5.0, 0.0, 30.0), 3));
    assert_ne!(box_of(&tools), before);
    tools.event(&session, &axial(30.0), ToolEvent::Escape);
    assert_eq!(box_of(&tools), before);
    tools.event(&session, &axial(30.0), ToolEvent::Escape);
    assert!(tools.segment.search_box().is_none() && tools.suggestion().is_none());
    assert!(!tools.segment.is_active() && roi(&session).planes.is_empty());
}

#[test]
fn a_box_lies_along_the_axes_of_oblique_images_and_reaches_over_whole_slices() {
    let turn = crate::geometry::Rotation3::from_euler_angles(0.3, -0.2, 0.5);
    let axes = [turn * Vector3::x(), turn * Vector3::y(), turn * Vector3::z()];
    let mut session = session_with(series_along(axes, [60, 60, 20], [1.0, 1.0, 2.5]), &["Node"]);
    let mut tools = tools(ToolKind::Segment, 5.0);
    let mut settings = tools.segment.settings();
    (settings.within, settings.range, settings.box_depth_mm) = (Within::Box, RANGE, 12.0);
    tools.segment.set_settings(&session, settings);
    let volume = Arc::clone(&session.series().volume);
    let view = ViewPlane { plane: volume.slices[8].plane, pixel_mm: 0.5 };
    let at = |i: f64, j: f64| volume.grid.patient_of([i, j, 8.0]);
    drag(&mut tools, &mut session, &view, KEYS, &[at(10.0, 15.0), at(20.0, 20.0), at(40.0, 30.0)]);
    let boxed = *tools.segment.search_box().unwrap();
    for (size, wanted) in boxed.size_mm().into_iter().zip([30.0, 15.0, 12.0]) {
        assert!((size - wanted).abs() < 1e-6, "{size}");
    }
    // 6 mm on either side of slice 8 hold two slices of 2.5 mm.
    assert_eq!(slices_of(&boxed, &volume), Some((6, 10)));
    let other = on_slices(&boxed, &volume, 12, 3).unwrap();
    assert_eq!(slices_of(&other, &volume), Some((3, 12)));
    assert!((other.size_mm()[2] - 10.0 * 2.5).abs() < 1e-6);
    tools.segment.set_search_box(&session, other);
    assert_eq!(tools.segment.search_box(), Some(&other));
    // All of the image that is in range and in the box, when everything is in range.
    let range = Some(crate::edit::ValueRange { low: -10.0, high: 10.0 });
    (settings.range, settings.keep) = (range, KeepPieces::All);
    tools.segment.set_settings(&session, settings);
    tools.segment.settle(&session);
    near(suggested_mm3(&tools, &session), 30.0 * 15.0 * 25.0, 1e-3);
}

#[test]
fn uptake_is_found_in_a_box_too() {
    let (mut session, mut tools) = with(Method::Uptake, |settings| {
        settings.uptake = Uptake::PartOfMaximum(0.5);
        settings.uptake_within = Within::Box;
    });
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &line(p(-20.0, 20.0, 30.0), p(20.0, -20.0, 30.0), 6));
    tools.segment.settle(&session);
    near(suggested_mm3(&tools, &session), sphere(15.0), 0.03);
    // Where nothing is hot nothing is found: a box beside the balls.
    tools.segment.cancel();
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &line(p(25.0, 25.0, 30.0), p(45.0, 45.0, 30.0), 6));
    assert!(tools.segment.search_box().is_some());
}

/// 80 Gy in (0, 0, 30), 2 Gy less a mm, on a grid of 2.5 mm that ends at x = 20.
fn dose() -> Arc<Dose> {
    let planes: Vec<f64> = (0..25).map(|n| f64::from(n) * 2.5).collect();
    let origin = p(-40.0, -40.0, 0.0);
    let lattice =
        DoseLattice::new([25, 33], origin, [Vector3::x(), Vector3::y()], [2.5, 2.5], planes).unwrap();
    let mut values = Vec::new();
    for offset in lattice.offsets_mm() {
        for row in 0..33_u8 {
            for column in 0..25_u8 {
                let at = lattice.point_at(f64::from(column), f64::from(row), *offset);
                #[expect(clippy::cast_possible_truncation, reason = "a dose")]
                values.push((80.0 - 2.0 * (at - p(0.0, 0.0, 30.0)).norm()).max(0.0) as f32);
            }
        }
    }
    Arc::new(Dose::new(DoseInfo::default(), lattice, values).unwrap())
}

#[test]
fn an_isodose_is_suggested_follows_its_level_and_stays_within_its_limits() {
    let (mut session, mut tools) = with(Method::Dose, |settings| settings.dose = DoseLevel::Gy(50.0));
    assert!(tools.suggestion().is_none());
    let dose = dose();
    tools.set_dose(&session, Some(&dose));
    tools.segment.settle(&session);
    near(suggested_mm3(&tools, &session), sphere(15.0), 0.04);
    assert_eq!(tools.segment.isodose_name().as_deref(), Some("IDL_5000"));
    let note = tools.segment.note().unwrap();
    assert!(note.contains("80.00 Gy") && note.contains("50.00 Gy"), "{note}");
    // In parts of the maximum and of the prescription.
    let mut settings = tools.segment.settings();
    for (level, radius) in [
        (DoseLevel::PartOfMaximum(0.75), 10.0),
        (DoseLevel::PartOfPrescription { part: 0.9, prescription_gy: 60.0 }, 13.0),
    ] {
        settings.dose = level;
        tools.segment.set_settings(&session, settings);
        tools.segment.settle(&session);
        near(suggested_mm3(&tools, &session), sphere(radius), 0.04);
    }
    // In a box: half of it.
    settings.dose = DoseLevel::Gy(50.0);
    settings.within = Within::Box;
    tools.segment.set_settings(&session, settings);
    tools.segment.settle(&session);
    assert!(tools.suggestion().is_none());
    let path = line(p(0.0, -25.0, 30.0), p(25.0, 25.0, 30.0), 5);
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &path);
    tools.segment.settle(&session);
    near(suggested_mm3(&tools, &session), sphere(15.0) / 2.0, 0.04);
    session.apply(tools.suggestion().unwrap().command(None).unwrap()).unwrap();
    assert_eq!(session.undo_name(), Some("Isodose on Node"));
    near(volume_mm3(&session), sphere(15.0) / 2.0, 0.04);
    // Nothing lies beyond the dose grid, however low the level.
    settings.within = Within::Everything;
    (settings.dose, settings.take_as) = (DoseLevel::Gy(1.0), TakeAs::Replace);
    tools.segment.set_settings(&session, settings);
    tools.segment.settle(&session);
    let planes = &tools.suggestion().unwrap().shown().planes;
    let points = planes.iter().flat_map(|own| &own.polygons).flat_map(Polygon::rings).flatten();
    let right = points.map(|at| at.x).fold(f64::MIN, f64::max);
    assert!((right - 20.0).abs() < 0.01, "{right}");
    // Without the dose there is no isodose.
    tools.set_dose(&session, None);
    assert!(tools.suggestion().is_none() && tools.segment.isodose_name().is_none());
}

#[test]
fn an_isodose_waits_for_its_structure_and_goes_with_the_one_that_is_made() {
    let mut session = session_with(axial_series(), &[]);
    let mut tools = tools(ToolKind::Segment, 5.0);
    let mut settings = tools.segment.settings();
    settings.method = Method::Dose;
    tools.segment.set_settings(&session, settings);
    tools.set_dose(&session, Some(&dose()));
    tools.update(&session);
    assert!(tools.suggestion().is_none() && tools.segment.note().is_some());
    let name = tools.segment.isodose_name().unwrap();
    assert_eq!(name, "IDL_4000");
    let roi_type = RoiType::Other("DOSE_REGION".to_owned());
    session.apply(Command::AddRoi { name, color: None, roi_type }).unwrap();
    tools.update(&session);
    tools.segment.settle(&session);
    near(suggested_mm3(&tools, &session), sphere(20.0), 0.03);
    assert_eq!(tools.suggestion().unwrap().roi(), id(&session, "IDL_4000"));
    // Another structure is made: the isodose goes with it. Dropped, it does not come back.
    session
        .apply(Command::AddRoi { name: "Other".to_owned(), color: None, roi_type: RoiType::Organ })
        .unwrap();
    tools.update(&session);
    tools.segment.settle(&session);
    assert_eq!(tools.suggestion().unwrap().roi(), id(&session, "Other"));
    assert!(tools.drop_suggestion());
    session.select(Some(id(&session, "IDL_4000")));
    tools.update(&session);
    tools.segment.settle(&session);
    assert!(tools.suggestion().is_none());
}
