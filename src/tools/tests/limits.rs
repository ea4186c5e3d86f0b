//! Every search kept to a structure, a ball or a box.

use super::segment::{sphere, with};
use super::*;
use crate::edit::segment::Uptake;
use crate::tools::{Method, SegmentSettings, Within};

const SHIFT: Modifiers = Modifiers { invert: false, shift: true };

/// Adds a structure from x = -30 to 0 on all slices and keeps the selected one selected.
fn half(session: &mut Session) -> Within {
    let selected = session.selected().map(|roi| roi.id);
    let roi_type = crate::patient::RoiType::Organ;
    session.apply(Command::AddRoi { name: "Half".to_owned(), color: None, roi_type }).unwrap();
    for slice in 0..20 {
        session.apply(draw(session, "Half", slice, vec![square(-15.0, 0.0, 30.0)])).unwrap();
    }
    let half = id(session, "Half");
    session.select(selected);
    Within::Roi(half)
}

fn set(tools: &mut Tools, session: &Session, change: impl FnOnce(&mut SegmentSettings)) {
    let mut settings = tools.segment.settings();
    change(&mut settings);
    tools.segment.set_settings(session, settings);
    tools.segment.settle(session);
}

fn suggested_mm3(tools: &Tools, session: &Session) -> f64 {
    tools.suggestion().map_or(0.0, |own| own.shown().volume_cc(&session.series().volume) * 1000.0)
}

/// Looks for it and waits.
fn find(tools: &mut Tools, session: &Session) -> f64 {
    tools.segment.find(session);
    tools.segment.settle(session);
    suggested_mm3(tools, session)
}

#[test]
fn uptake_is_found_in_a_structure_after_a_click() {
    let (mut session, mut tools) =
        with(Method::Uptake, |settings| settings.uptake = Uptake::PartOfMaximum(0.5));
    let half = half(&mut session);
    set(&mut tools, &session, |settings| settings.uptake_within = half);
    assert!(tools.hint().text.starts_with("Click"), "{}", tools.hint().text);
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &[p(30.0, 30.0, 30.0)]);
    tools.segment.settle(&session);
    near(suggested_mm3(&tools, &session), sphere(15.0) / 2.0, 0.04);
    assert!(tools.segment.note().is_some_and(|note| note.starts_with("Maximum 100")));
    // A ball again: by a drag, as ever.
    set(&mut tools, &session, |settings| settings.uptake_within = Within::Ball);
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &line(p(2.0, 0.0, 30.0), p(26.0, 0.0, 30.0), 6));
    tools.segment.settle(&session);
    near(suggested_mm3(&tools, &session), sphere(15.0), 0.03);
}

#[test]
fn scribbles_stay_in_a_structure_and_shift_draws_a_box_for_them() {
    let (mut session, mut tools) = with(Method::Scribbles, |settings| settings.margin_mm = 12.0);
    let half = half(&mut session);
    for (z, y, keys) in
        [(30.0, 0.0, KEYS), (30.0, 25.0, CTRL), (30.0, -25.0, CTRL), (48.0, 0.0, CTRL), (12.0, 0.0, CTRL)]
    {
        let path = line(p(-8.0, y, z), p(8.0, y, z), 6);
        drag(&mut tools, &mut session, &axial(z), keys, &path);
    }
    tools.segment.settle(&session);
    let whole = suggested_mm3(&tools, &session);
    near(whole, sphere(15.0), 0.1);
    set(&mut tools, &session, |settings| settings.within = half);
    near(suggested_mm3(&tools, &session), whole / 2.0, 0.05);
    // The same by a box: Shift and a drag draw it, and are no scribble.
    set(&mut tools, &session, |settings| settings.within = Within::Box);
    assert!(tools.suggestion().is_none() && tools.hint().text.contains("Shift"), "{}", tools.hint().text);
    let corners = line(p(-20.0, -20.0, 30.0), p(0.0, 20.0, 30.0), 5);
    drag(&mut tools, &mut session, &axial(30.0), SHIFT, &corners);
    tools.segment.settle(&session);
    assert_eq!(tools.segment.scribbles().len(), 5);
    near(suggested_mm3(&tools, &session), whole / 2.0, 0.05);
    // Esc takes the drag back, not the box before it.
    let before = *tools.segment.search_box().unwrap();
    tools.event(&session, &axial(30.0), ToolEvent::Press(p(0.0, 0.0, 30.0), SHIFT));
    tools.event(&session, &axial(30.0), ToolEvent::Drag(p(15.0, 0.0, 30.0)));
    assert_ne!(tools.segment.search_box(), Some(&before));
    tools.event(&session, &axial(30.0), ToolEvent::Escape);
    assert_eq!((tools.segment.search_box(), tools.segment.scribbles().len()), (Some(&before), 5));
}

#[test]
fn a_line_of_equal_value_is_cut_off_at_a_structure_or_a_box_in_every_view() {
    let (mut session, mut tools) = with(Method::Level, |_| {});
    let half = half(&mut session);
    let view = axial(30.0);
    set(&mut tools, &session, |settings| settings.within = half);
    drag(&mut tools, &mut session, &view, KEYS, &[p(15.0, 0.0, 30.0)]);
    near(area_at(&session, 30.0), PI * 225.0 / 2.0, 0.02);
    session.undo().unwrap();
    // Across the slices: a slab of 10 mm around x = 0, of which the half below 0 is left.
    tools.freehand.set_thickness_mm(10.0);
    drag(&mut tools, &mut session, &sagittal(0.0), KEYS, &[p(0.0, 15.0, 30.0)]);
    near(area_at(&session, 30.0), 150.0, 0.03);
    session.undo().unwrap();
    // A drag draws the box, a click takes the line.
    set(&mut tools, &session, |settings| settings.within = Within::Box);
    let told = drag(&mut tools, &mut session, &view, KEYS, &[p(15.0, 0.0, 30.0)]);
    assert_eq!((told.command, told.message.as_deref()), (None, Some("Drag in a view to draw the box.")));
    let corners = line(p(-20.0, -20.0, 30.0), p(20.0, 0.0, 30.0), 5);
    assert_eq!(drag(&mut tools, &mut session, &view, KEYS, &corners), Reaction::default());
    drag(&mut tools, &mut session, &view, KEYS, &[p(15.0, 0.0, 30.0)]);
    near(area_at(&session, 30.0), PI * 225.0 / 2.0, 0.02);
    assert_eq!(session.undo_name(), Some("Level tracing on Node"));
}

#[test]
fn body_and_bones_stay_in_a_structure_and_an_airways_click_leaves_the_ball() {
    // A trunk of water with a bone in its middle.
    let trunk = painted(|at| match at.x.hypot(at.y) {
        far if far < 8.0 => 900.0,
        far if far < 30.0 => 0.0,
        _ => -1000.0,
    });
    let mut session = session_with(trunk, &["Node"]);
    let mut tools = tools(ToolKind::Segment, 5.0);
    let half = half(&mut session);
    for method in [Method::Body, Method::Bones] {
        set(&mut tools, &session, |settings| {
            (settings.method, settings.within) = (method, Within::Everything);
        });
        let whole = find(&mut tools, &session);
        assert!(whole > 1000.0, "{method:?}: {whole}");
        set(&mut tools, &session, |settings| settings.within = half);
        // Of the trunk the structure holds what lies within 15 mm of the middle line.
        let part = if method == Method::Body { 0.5 * 0.61 } else { 0.5 };
        near(suggested_mm3(&tools, &session), whole * part, 0.05);
        // In a ball that a drag places: three slices of 3 mm.
        set(&mut tools, &session, |settings| settings.within = Within::Ball);
        assert!(tools.suggestion().is_none());
        let path = line(p(0.0, 0.0, 30.0), p(6.0, 0.0, 30.0), 4);
        drag(&mut tools, &mut session, &axial(30.0), KEYS, &path);
        tools.segment.settle(&session);
        near(suggested_mm3(&tools, &session), 3.0 * PI * 90.0, 0.03);
    }
    set(&mut tools, &session, |settings| settings.method = Method::Airways);
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &line(p(0.0, 0.0, 30.0), p(9.0, 0.0, 30.0), 4));
    assert_eq!(tools.segment.ball(), Some((p(0.0, 0.0, 30.0), 9.0)));
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &[p(20.0, 0.0, 30.0)]);
    assert_eq!(tools.segment.ball(), Some((p(0.0, 0.0, 30.0), 9.0)), "a click tells an airway");
    tools.segment.settle(&session);
    assert!(tools.suggestion().is_none());
}

#[test]
fn what_grows_stays_in_a_structure() {
    let mut session = session_with(cylinder(12.0, 3.0, [-100.0, 50.0]), &["Cord"]);
    let Within::Roi(half) = half(&mut session) else { return };
    let mut tools = tools(ToolKind::Grow, 5.0);
    let mut growth = tools.grow.growth();
    growth.reach_mm = 20.0;
    tools.grow.set_growth(&session, growth);
    let grown = |tools: &Tools| {
        tools.suggestion().map_or(0.0, |own| own.shown().plane_at(&Plane::axial(30.0)).unwrap().area_mm2())
    };
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &[p(-3.0, 1.0, 30.0)]);
    tools.grow.settle(&session);
    near(grown(&tools), PI * 144.0, 0.03);
    // What is suggested follows; a drop keeps the place.
    tools.grow.set_within(&session, Some(half));
    tools.grow.settle(&session);
    near(grown(&tools), PI * 72.0, 0.03);
    tools.event(&session, &axial(30.0), ToolEvent::Escape);
    assert_eq!(tools.grow.within(), Some(half));
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &[p(5.0, 1.0, 30.0)]);
    tools.grow.settle(&session);
    assert!(tools.suggestion().is_none(), "beside the structure");
    session.apply(Command::DeleteRoi { roi: half }).unwrap();
    drag(&mut tools, &mut session, &axial(30.0), KEYS, &[p(-3.0, 1.0, 30.0)]);
    assert!(tools.suggestion().is_none() && tools.grow.note().is_some_and(|note| note.contains("gone")));
}
