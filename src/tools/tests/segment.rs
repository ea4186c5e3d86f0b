//! The semi-automatic tool, driven by pointer events in mm.

use super::*;
use crate::ai::BodyExtent;
use crate::edit::ValueRange;
use crate::edit::segment::Uptake;
use crate::patient::{Series, Volume};
use crate::session::Overwrite;
use crate::tools::{KeepPieces, Method, SegmentSettings, TakeAs, Within};

/// The axial series with a ball of 100 HU and 15 mm around (0, 0, 30), 0 around it, and a smaller one of
/// 6 mm at (-35, -35, 30).
fn balls() -> Series {
    painted(|at| {
        let near = ((at - p(0.0, 0.0, 30.0)).norm() - 15.0).min((at - p(-35.0, -35.0, 30.0)).norm() - 6.0);
        50.0 - 50.0 * near.clamp(-1.0, 1.0)
    })
}

pub(super) fn with(method: Method, change: impl FnOnce(&mut SegmentSettings)) -> (Session, Tools) {
    let session = session_with(balls(), &["Node"]);
    let mut tools = tools(ToolKind::Segment, 5.0);
    let mut settings = SegmentSettings { method, ..tools.segment.settings() };
    tools.segment.set_settings(&session, settings);
    change(&mut settings);
    tools.segment.set_settings(&session, settings);
    tools.segment.settle(&session);
    (session, tools)
}

pub(super) fn volume_mm3(session: &Session) -> f64 {
    roi(session).volume_cc(&session.series().volume) * 1000.0
}

pub(super) fn sphere(radius: f64) -> f64 {
    4.0 / 3.0 * PI * radius.powi(3)
}

pub(super) const RANGE: Option<ValueRange> = Some(ValueRange { low: 50.0, high: 3000.0 });

#[test]
fn a_threshold_is_suggested_follows_its_range_and_is_one_undo_step() {
    let (mut session, mut tools) = with(Method::Threshold, |settings| {
        settings.range = RANGE;
        settings.keep = KeepPieces::Largest;
    });
    let steps = session.history().done();
    let suggested = tools.suggestion().unwrap().shown().volume_cc(&session.series().volume) * 1000.0;
    near(suggested, sphere(15.0), 0.02);
    assert!(
        roi(&session).planes.is_empty() && session.history().done() == steps,
        "nothing is taken by itself"
    );
    // Live: another range, other pieces.
    let mut settings = tools.segment.settings();
    settings.keep = KeepPieces::All;
    tools.segment.set_settings(&session, settings);
    tools.segment.settle(&session);
    let both = tools.suggestion().unwrap().shown().volume_cc(&session.series().volume) * 1000.0;
    near(both, sphere(15.0) + sphere(6.0), 0.03);
    // One slice, then the rest.
    session.apply(tools.suggestion().unwrap().command(Some(10)).unwrap()).unwrap();
    assert_eq!((roi(&session).planes.len(), session.undo_name()), (1, Some("Threshold on Node")));
    tools.update(&session);
    tools.segment.settle(&session);
    assert!(tools.suggestion().unwrap().slices().all(|slice| slice != 10));
    session.apply(tools.suggestion().unwrap().command(None).unwrap()).unwrap();
    near(volume_mm3(&session), sphere(15.0) + sphere(6.0), 0.03);
    assert_eq!(session.history().done(), steps + 2);
    check_polygons(&roi(&session).plane_at(&Plane::axial(30.0)).unwrap().polygons);
    tools.update(&session);
    tools.segment.settle(&session);
    assert!(tools.suggestion().is_none(), "the structure has all of it");
    session.undo().unwrap();
    session.undo().unwrap();
    assert!(roi(&session).planes.is_empty());
}

#[test]
fn it_can_replace_and_cut_and_stays_within_a_ball_or_a_structure() {
    let (mut session, mut tools) = with(Method::Threshold, |settings| {
        settings.range = RANGE;
        settings.within = Within::Ball;
        settings.keep = KeepPieces::All;
    });
    assert!(tools.suggestion().is_none());
    session.apply(draw(&session, "Node", 2, vec![square(20.0, 20.0, 10.0)])).unwrap();
    tools.update(&session);
    let path = line(p(-35.0, -35.0, 30.0), p(-25.0, -35.0, 30.0), 5);
    assert_eq!(drag(&mut tools, &mut session, &axial(30.0), KEYS, &path), Reaction::default());
    assert_eq!(tools.segment.ball(), Some((p(-35.0, -35.0, 30.0), 10.0)));
    let mut settings = tools.segment.settings();
    settings.take_as = TakeAs::Replace;
    tools.segment.set_settings(&session, settings);
    tools.segment.settle(&session);
    session.apply(tools.suggestion().unwrap().command(None).unwrap()).unwrap();
    // By the rule for volumes: three slices of 3 mm.
    near(volume_mm3(&session), 3.0 * PI * (27.0 + 36.0 + 27.0), 0.02);
    assert!(roi(&session).plane_at(&Plane::axial(6.0)).is_none(), "what was there is replaced");
    // Cut the hot ball out of a cube, within another structure only.
    session
        .apply(Command::AddRoi { name: "Half".into(), color: None, roi_type: crate::patient::RoiType::Organ })
        .unwrap();
    session.apply(draw(&session, "Half", 10, vec![square(-25.0, 0.0, 50.0)])).unwrap();
    session.apply(draw(&session, "Node", 10, vec![square(0.0, 0.0, 40.0)])).unwrap();
    session.select(Some(id(&session, "Node")));
    tools.segment.cancel();
    settings.take_as = TakeAs::Cut;
    settings.within = Within::Roi(id(&session, "Half"));
    tools.segment.set_settings(&session, settings);
    tools.segment.settle(&session);
    session.apply(tools.suggestion().unwrap().command(None).unwrap()).unwrap();
    near(area_at(&session, 30.0), 1600.0 - PI * 112.5, 0.01);
    assert_eq!(session.undo_name(), Some("Threshold on Node"));
}

#[test]
fn a_locked_structure_and_others_in_the_way_are_respected() {
    let (mut session, mut tools) = with(Method::Threshold, |_| {});
    session
        .apply(Command::AddRoi {
            name: "Liver".into(),
            color: None,
            roi_type: crate::patient::RoiType::Organ,
        })
        .unwrap();
    session.apply(draw(&session, "Liver", 10, vec![square(20.0, 0.0, 40.0)])).unwrap();
    let liver = id(&session, "Liver");
    session.apply(Command::SetLock { roi: liver, locked: true }).unwrap();
    session.set_overwrite(Overwrite::Visible);
    session.select(Some(liver));
    let mut settings = tools.segment.settings();
    (settings.range, settings.keep) = (RANGE, KeepPieces::Largest);
    tools.segment.set_settings(&session, settings);
    tools.segment.settle(&session);
    assert!(tools.suggestion().is_none() && tools.segment.note().is_some_and(|note| note.contains("locked")));
    session.select(Some(id(&session, "Node")));
    tools.segment.find(&session);
    tools.segment.settle(&session);
    session.apply(tools.suggestion().unwrap().command(None).unwrap()).unwrap();
    near(area_at(&session, 30.0), PI * 112.5, 0.02);
    near(area_at(&session, 33.0), PI * 216.0, 0.02);
}

#[test]
fn the_suggestion_leaves_a_locked_exclusive_neighbour_out_where_others_may_overlap() {
    let (mut session, mut tools) = with(Method::Threshold, |_| {});
    let organ = crate::patient::RoiType::Organ;
    session.apply(Command::AddRoi { name: "Liver".into(), color: None, roi_type: organ }).unwrap();
    session.apply(draw(&session, "Liver", 10, vec![square(20.0, 0.0, 40.0)])).unwrap();
    for name in ["Liver", "Node"] {
        let roi = id(&session, name);
        session.apply(Command::SetExclusive { roi, exclusive: true }).unwrap();
    }
    let liver = id(&session, "Liver");
    session.apply(Command::SetLock { roi: liver, locked: true }).unwrap();
    session.set_overwrite(Overwrite::Overlap);
    session.select(Some(id(&session, "Node")));
    let mut settings = tools.segment.settings();
    (settings.range, settings.keep) = (RANGE, KeepPieces::Largest);
    tools.segment.set_settings(&session, settings);
    tools.segment.settle(&session);
    let suggestion = tools.suggestion().unwrap();
    let shown = suggestion.shown().plane_at(&Plane::axial(30.0)).unwrap().area_mm2();
    near(shown, PI * 112.5, 0.02);
    session.apply(suggestion.command(None).unwrap()).unwrap();
    near(area_at(&session, 30.0), shown, 1e-3);
}

#[test]
fn another_second_image_drops_what_came_of_the_one_before() {
    let (session, mut tools) = with(Method::Threshold, |_| {});
    let second = Arc::clone(&session.series().volume);
    tools.segment.set_second(&session, Some(Arc::clone(&second)));
    let mut settings = tools.segment.settings();
    (settings.range, settings.second) = (RANGE, true);
    tools.segment.set_settings(&session, settings);
    tools.segment.settle(&session);
    assert!(tools.suggestion().is_some());
    tools.segment.set_second(&session, Some(second));
    assert!(tools.suggestion().is_some(), "it is the same");
    let another = Arc::new(Volume::clone(&session.series().volume));
    tools.segment.set_second(&session, Some(another));
    assert!(tools.suggestion().is_none() && tools.segment.settings().second);
}

#[test]
fn a_click_takes_the_line_of_equal_value_and_ctrl_cuts_it() {
    let (mut session, mut tools) = with(Method::Level, |_| {});
    let at = [p(15.0, 0.0, 30.0)];
    tools.event(&session, &axial(30.0), ToolEvent::Hover(at[0], KEYS));
    assert!(tools.segment.level().len() > 20);
    let taken = drag(&mut tools, &mut session, &axial(30.0), KEYS, &at);
    assert!(taken.command.is_some() && taken.message.is_none());
    near(area_at(&session, 30.0), PI * 225.0, 0.01);
    assert_eq!(session.undo_name(), Some("Level tracing on Node"));
    session.apply(draw(&session, "Node", 10, vec![square(0.0, 0.0, 40.0)])).unwrap();
    drag(&mut tools, &mut session, &axial(30.0), CTRL, &at);
    near(area_at(&session, 30.0), 1600.0 - PI * 225.0, 0.01);
    let flat = drag(&mut tools, &mut session, &axial(30.0), KEYS, &[p(30.0, 30.0, 30.0)]);
    assert!(flat.command.is_none() && flat.message.is_some());
    // Across the slices it acts on a slab.
    session.undo().unwrap();
    session.undo().unwrap();
    session.undo().unwrap();
    tools.freehand.set_thickness_mm(10.0);
    drag(&mut tools, &mut session, &sagittal(0.0), KEYS, &[p(0.0, 15.0, 30.0)]);
    assert!(roi(&session).planes.len() >= 9, "{}", roi(&session).planes.len());
    near(area_at(&session, 30.0), 300.0, 0.03);
}

#[test]
fn scribbles_inside_and_beside_find_the_border_and_escape_takes_them_away() {
    let (mut session, mut tools) = with(Method::Scribbles, |settings| settings.margin_mm = 12.0);
    let view = axial(30.0);
    drag(&mut tools, &mut session, &view, KEYS, &line(p(-5.0, 0.0, 30.0), p(5.0, 0.0, 30.0), 6));
    assert!(tools.segment.progress().is_none() && tools.segment.note().is_some());
    drag(&mut tools, &mut session, &view, CTRL, &line(p(-10.0, 25.0, 30.0), p(10.0, 25.0, 30.0), 6));
    drag(&mut tools, &mut session, &view, CTRL, &line(p(-10.0, -25.0, 30.0), p(10.0, -25.0, 30.0), 6));
    drag(&mut tools, &mut session, &axial(48.0), CTRL, &line(p(-10.0, 0.0, 48.0), p(10.0, 0.0, 48.0), 6));
    drag(&mut tools, &mut session, &axial(12.0), CTRL, &line(p(-10.0, 0.0, 12.0), p(10.0, 0.0, 12.0), 6));
    tools.segment.settle(&session);
    assert!(roi(&session).planes.is_empty());
    session.apply(tools.suggestion().unwrap().command(None).unwrap()).unwrap();
    near(volume_mm3(&session), sphere(15.0), 0.06);
    assert_eq!(session.undo_name(), Some("Scribbles on Node"));
    assert_eq!(tools.segment.scribbles().len(), 5);
    tools.event(&session, &view, ToolEvent::Press(p(0.0, 0.0, 30.0), KEYS));
    tools.event(&session, &view, ToolEvent::Escape);
    assert_eq!(tools.segment.scribbles().len(), 5, "the one under way is dropped");
    tools.event(&session, &view, ToolEvent::Escape);
    assert!(tools.segment.scribbles().is_empty() && !tools.segment.is_active());
}

#[test]
fn the_last_scribble_is_taken_back_and_the_rest_looked_at_again() {
    let (mut session, mut tools) = with(Method::Scribbles, |settings| settings.margin_mm = 12.0);
    let view = axial(30.0);
    assert!(!tools.take_back(&session), "there is none");
    drag(&mut tools, &mut session, &view, KEYS, &line(p(-5.0, 0.0, 30.0), p(5.0, 0.0, 30.0), 6));
    for y in [25.0, -25.0] {
        drag(&mut tools, &mut session, &view, CTRL, &line(p(-10.0, y, 30.0), p(10.0, y, 30.0), 6));
    }
    tools.segment.settle(&session);
    assert!(tools.suggestion().is_some());
    // One beside it less: looked for again. The last of its kind: nothing can be told.
    assert!(tools.take_back(&session) && tools.segment.scribbles().len() == 2);
    tools.segment.settle(&session);
    assert!(tools.suggestion().is_some());
    assert!(tools.take_back(&session) && tools.segment.scribbles().len() == 1);
    tools.segment.settle(&session);
    assert!(tools.suggestion().is_none() && tools.segment.progress().is_none());
    assert!(tools.segment.note().is_some_and(|note| note.contains("beside it")));
    assert!(tools.take_back(&session) && !tools.take_back(&session));
    assert!(tools.segment.note().is_none() && !tools.segment.is_active());
    assert!(roi(&session).planes.is_empty());
    // Not the one under way, and with no other method.
    tools.event(&session, &view, ToolEvent::Press(p(0.0, 0.0, 30.0), KEYS));
    assert!(!tools.take_back(&session) && tools.segment.scribbles().len() == 1);
}

#[test]
fn uptake_in_a_ball_placed_by_a_drag() {
    let (mut session, mut tools) =
        with(Method::Uptake, |settings| settings.uptake = Uptake::PartOfMaximum(0.5));
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &line(p(2.0, 0.0, 30.0), p(26.0, 0.0, 30.0), 6));
    tools.segment.settle(&session);
    near(
        tools.suggestion().unwrap().shown().volume_cc(&session.series().volume) * 1000.0,
        sphere(15.0),
        0.03,
    );
    let mut settings = tools.segment.settings();
    settings.uptake = Uptake::Edge;
    tools.segment.set_settings(&session, settings);
    tools.segment.settle(&session);
    session.apply(tools.suggestion().unwrap().command(None).unwrap()).unwrap();
    // The slope is even over two pixels: within a pixel of the radius.
    near(volume_mm3(&session), sphere(15.0), 0.2);
    assert_eq!(session.undo_name(), Some("Uptake on Node"));
}

#[test]
fn what_lies_between_pieces_is_suggested_and_shared_with_others() {
    let (mut session, mut tools) = with(Method::Pieces, |settings| settings.margin_mm = 5.0);
    for slice in [5, 6, 12, 13] {
        session.apply(draw(&session, "Node", slice, vec![square(10.0, -20.0, 20.0)])).unwrap();
    }
    tools.update(&session);
    tools.segment.find(&session);
    tools.segment.settle(&session);
    let suggested = tools.suggestion().unwrap();
    assert_eq!(suggested.slices().collect::<Vec<_>>(), (7..12).collect::<Vec<_>>());
    let steps = session.history().done();
    session.apply(suggested.command(None).unwrap()).unwrap();
    assert_eq!((session.history().done(), session.undo_name()), (steps + 1, Some("Between pieces on Node")));
    assert!(area_at(&session, 27.0) > 350.0);
    check_polygons(&roi(&session).plane_at(&Plane::axial(27.0)).unwrap().polygons);
    session.undo().unwrap();
    // One piece: why nothing is suggested.
    for slice in [12, 13] {
        session.apply(draw(&session, "Node", slice, Vec::new())).unwrap();
    }
    tools.update(&session);
    tools.segment.find(&session);
    tools.segment.settle(&session);
    assert!(tools.suggestion().is_none());
    assert!(tools.segment.note().is_some_and(|note| note.contains("no two pieces")));
}

/// A water ellipsoid in air under a shell of 3 mm, 6 mm off, on its front.
fn masked() -> Series {
    painted(|at| {
        let far = at.x.hypot(at.y);
        let is_shell = (36.0..39.0).contains(&far) && at.y < 0.0;
        if far < 30.0 || is_shell { 0.0 } else { -1000.0 }
    })
}

#[test]
fn the_body_is_suggested_as_wide_as_it_is_asked_for() {
    let mut session = session_with(masked(), &["External"]);
    let mut tools = tools(ToolKind::Segment, 5.0);
    let mut settings = SegmentSettings { method: Method::Body, ..tools.segment.settings() };
    tools.segment.set_settings(&session, settings);
    tools.segment.find(&session);
    tools.segment.settle(&session);
    assert!(roi(&session).planes.is_empty(), "nothing is taken by itself");
    let area =
        |tools: &Tools| tools.suggestion().unwrap().shown().plane_at(&Plane::axial(30.0)).unwrap().area_mm2();
    near(area(&tools), PI * 900.0, 0.03);
    // With the mask, and the air in front of the face; no couch to be left out.
    settings.extent = BodyExtent::Immobilisation;
    tools.segment.set_settings(&session, settings);
    tools.segment.settle(&session);
    near(area(&tools), PI * (900.0 + 39.0 * 39.0) / 2.0, 0.05);
    assert!(
        tools.segment.note().is_some_and(|note| note.contains("couch was found")),
        "{:?}",
        tools.segment.note()
    );
    let steps = session.history().done();
    session.apply(tools.suggestion().unwrap().command(None).unwrap()).unwrap();
    assert_eq!((session.history().done(), session.undo_name()), (steps + 1, Some("Body on External")));
    // It says how wide it is in the words that the command line has, in the same step.
    let words = |extent: BodyExtent| {
        let volume = &session.series().volume;
        crate::ai::external_contour(volume, extent, &crate::progress::Progress::new())
            .unwrap()
            .roi
            .description
    };
    let [narrow, wide] = [BodyExtent::Patient, BodyExtent::Immobilisation].map(words);
    assert!(wide.starts_with("body with immobilisation ") && narrow.starts_with("body "), "{wide}, {narrow}");
    assert_eq!(roi(&session).description, wide);
    session.undo().unwrap();
    assert_eq!(roi(&session).description, "");
    session.redo().unwrap();
    // Cut by the patient alone, the mask and the air before the face are left.
    tools.update(&session);
    tools.segment.settle(&session);
    settings.extent = BodyExtent::Patient;
    settings.take_as = TakeAs::Cut;
    tools.segment.set_settings(&session, settings);
    tools.segment.find(&session);
    tools.segment.settle(&session);
    session.apply(tools.suggestion().unwrap().command(None).unwrap()).unwrap();
    near(area_at(&session, 30.0), PI * (39.0 * 39.0 - 900.0) / 2.0, 0.1);
    assert_eq!(roi(&session).description, wide, "what is cut tells nothing of what is left");
    settings.take_as = TakeAs::Replace;
    tools.segment.set_settings(&session, settings);
    tools.segment.find(&session);
    tools.segment.settle(&session);
    // One slice of it makes no other structure of what is there; all of it does.
    let one = tools.suggestion().unwrap().command(Some(10)).unwrap();
    assert!(matches!(one, Command::SetPlanes { .. }));
    session.apply(tools.suggestion().unwrap().command(None).unwrap()).unwrap();
    near(area_at(&session, 30.0), PI * 900.0, 0.03);
    assert_eq!(roi(&session).description, narrow);
    // Into an empty one the first slice that is taken does.
    let all: Vec<usize> = (0..session.series().volume.slices.len()).collect();
    for slice in all {
        let own = id(&session, "External");
        session.apply(Command::ClearSlice { roi: own, slice }).unwrap();
    }
    settings.extent = BodyExtent::Immobilisation;
    settings.take_as = TakeAs::Add;
    tools.segment.set_settings(&session, settings);
    tools.segment.find(&session);
    tools.segment.settle(&session);
    session.apply(tools.suggestion().unwrap().command(Some(10)).unwrap()).unwrap();
    assert_eq!((roi(&session).planes.len(), roi(&session).description.as_str()), (1, wide.as_str()));
}
