//! What grew, taken over slice by slice and taken back, and the size of the tip in hand.

use super::*;
use crate::session::Overwrite;
use crate::tools::{Method, SegmentSettings};

pub(super) fn disc(x: f64, y: f64, radius: f64) -> Polygon {
    let at = |n: u32| {
        let (sine, cosine) = (f64::from(n) * PI / 45.0 + 0.1).sin_cos();
        crate::geometry::Point2::new(x + radius * cosine, y + radius * sine)
    };
    Polygon::from_outer((0..90).map(at).collect())
}

fn dashed(tools: &Tools) -> Vec<usize> {
    tools.suggestion().map_or_else(Vec::new, |own| own.slices().collect())
}

fn grow_at(tools: &mut Tools, session: &Session, at: Point3) {
    let view = axial(at.z);
    tools.event(session, &view, ToolEvent::Press(at, KEYS));
    tools.event(session, &view, ToolEvent::Release(at));
    tools.grow.settle(session);
}

/// A cord grown within 20 mm of (1, 1, 30), its neighbour being in the way on slice 12.
fn grown() -> (Session, Tools) {
    let mut session = session_with(cylinder(12.0, 3.0, [-100.0, 50.0]), &["Other", "Cord"]);
    session.apply(draw(&session, "Other", 12, vec![disc(12.0, 1.0, 8.0)])).unwrap();
    session.select(Some(id(&session, "Cord")));
    session.set_overwrite(Overwrite::Stop);
    let mut tools = tools(ToolKind::Grow, 5.0);
    let mut growth = tools.grow.growth();
    growth.reach_mm = 20.0;
    tools.grow.set_growth(&session, growth);
    grow_at(&mut tools, &session, p(1.0, 1.0, 30.0));
    (session, tools)
}

#[test]
fn a_slice_of_what_grew_is_taken_and_the_others_stay_dashed() {
    let (mut session, mut tools) = grown();
    let all = dashed(&tools);
    assert_eq!((all[0], all[all.len() - 1]), (4, 16));
    let [whole, trimmed] = [30.0, 36.0].map(|z| {
        let shown = tools.suggestion().unwrap().shown();
        shown.plane_at(&Plane::axial(z)).unwrap().area_mm2()
    });
    assert!(trimmed < 0.9 * whole, "{trimmed} of {whole} mm2 beside its neighbour");
    let mut left = all.clone();
    while let Some(slice) = left.pop() {
        let command = tools.suggestion().expect("what is left").command(Some(slice)).expect("dashed");
        session.apply(command).unwrap();
        tools.update(&session);
        assert_eq!(dashed(&tools), left, "after slice {slice} was taken over");
    }
    assert_eq!(roi(&session).planes.len(), all.len());
    near(area_at(&session, 36.0), trimmed, 1e-4);
    // Taken back one after another they are dashed again, and gone when done again.
    for taken in 1..=all.len() {
        session.undo().unwrap();
        tools.update(&session);
        assert_eq!(dashed(&tools), all[..taken], "{taken} taken back");
    }
    session.redo().unwrap();
    tools.update(&session);
    assert_eq!(dashed(&tools), all[..all.len() - 1]);
    // Cut away by hand, it is suggested again as well.
    let slice = all[all.len() - 1];
    session.apply(draw(&session, "Cord", slice, Vec::new())).unwrap();
    tools.update(&session);
    assert_eq!(dashed(&tools), all);
    // A locked structure is suggested nothing, and another is none of its.
    let cord = id(&session, "Cord");
    session.apply(Command::SetLock { roi: cord, locked: true }).unwrap();
    tools.update(&session);
    assert!(dashed(&tools).is_empty() && tools.grow.note().is_some_and(|why| why.contains("locked")));
    session.apply(Command::SetLock { roi: cord, locked: false }).unwrap();
    tools.update(&session);
    assert_eq!(dashed(&tools), all);
    session.select(Some(id(&session, "Other")));
    tools.update(&session);
    assert!(dashed(&tools).is_empty());
    session.select(Some(cord));
    tools.update(&session);
    assert!(dashed(&tools).is_empty(), "it is not kept for later");
}

#[test]
fn contours_that_change_while_it_grows_are_no_reason_to_drop_it() {
    let (mut session, mut tools) = grown();
    let all = dashed(&tools);
    let mut growth = tools.grow.growth();
    growth.reach_mm = 10.0;
    tools.grow.set_growth(&session, growth);
    session.apply(tools.suggestion().unwrap().command(Some(9)).unwrap()).unwrap();
    tools.update(&session);
    tools.grow.settle(&session);
    let fewer = dashed(&tools);
    assert!(fewer.len() < all.len() - 1 && !fewer.contains(&9) && fewer.contains(&10), "{fewer:?}");
    session.apply(tools.suggestion().unwrap().command(None).unwrap()).expect("not out of date");
}

#[test]
fn undo_goes_back_in_the_order_in_which_things_were_done() {
    let (mut session, mut tools) = grown();
    let slice = dashed(&tools)[3];
    // A slice taken over is the latest.
    session.apply(tools.suggestion().unwrap().command(Some(slice)).unwrap()).unwrap();
    tools.update(&session);
    assert_eq!(tools.undo(&session), None, "the edit comes first");
    session.undo().unwrap();
    tools.update(&session);
    assert!(tools.undo(&session).is_some() && !tools.grow.is_active());
    assert_eq!(tools.undo(&session), None, "now there is nothing but edits");
    // After another click the click is.
    grow_at(&mut tools, &session, p(1.0, 1.0, 30.0));
    session.apply(tools.suggestion().unwrap().command(Some(slice)).unwrap()).unwrap();
    tools.update(&session);
    grow_at(&mut tools, &session, p(2.0, 1.0, 30.0));
    assert!(tools.undo(&session).is_some() && tools.suggestion().is_none());
    // What is still growing is dropped as well.
    tools.event(&session, &axial(30.0), ToolEvent::Press(p(1.0, 1.0, 30.0), KEYS));
    tools.event(&session, &axial(30.0), ToolEvent::Release(p(1.0, 1.0, 30.0)));
    assert!(tools.is_waiting() && tools.undo(&session).is_some() && !tools.is_waiting());
}

#[test]
fn size_keys_change_the_tip_in_hand_and_no_other() {
    let session = session_with(axial_series(), &["Liver"]);
    let mut tools = tools(ToolKind::Brush, 8.0);
    let sizes = |tools: &Tools| (tools.brush.radius_mm(), tools.segment.settings().scribble_mm);
    let (_, thin) = sizes(&tools);
    for kind in [ToolKind::Brush, ToolKind::Eraser, ToolKind::Push, ToolKind::Smooth] {
        tools.choose(kind);
        tools.brush.set_radius_mm(8.0);
        assert!(tools.resize(1) && sizes(&tools) == (9.0, thin), "{kind:?}");
    }
    for kind in [ToolKind::Navigate, ToolKind::Freehand, ToolKind::Ruler, ToolKind::Grow, ToolKind::Segment] {
        tools.choose(kind);
        assert!(!tools.resize(1) && sizes(&tools) == (9.0, thin), "{kind:?}");
    }
    // Scribbles have a width of their own; those that are there keep theirs, and are not looked at again.
    let settings = SegmentSettings { method: Method::Scribbles, ..tools.segment.settings() };
    tools.segment.set_settings(&session, settings);
    assert!(tools.resize(2) && sizes(&tools) == (9.0, thin + 1.0));
    for (y, keys) in [(0.0, KEYS), (30.0, CTRL)] {
        tools.event(&session, &axial(9.0), ToolEvent::Press(p(0.0, y, 9.0), keys));
        tools.event(&session, &axial(9.0), ToolEvent::Drag(p(5.0, y, 9.0)));
        tools.event(&session, &axial(9.0), ToolEvent::Release(p(5.0, y, 9.0)));
    }
    tools.segment.settle(&session);
    let cursor = |tools: &mut Tools| {
        tools.event(&session, &axial(9.0), ToolEvent::Hover(p(0.0, 0.0, 9.0), KEYS));
        match tools.cursor(&session).shape {
            CursorShape::Circle { radius_mm, .. } => radius_mm,
            other => panic!("{other:?}"),
        }
    };
    tools.resize(1);
    let wider = thin + 1.5;
    assert!((cursor(&mut tools) - wider).abs() < 1e-12 && !tools.is_waiting());
    assert!(tools.segment.scribbles().iter().all(|own| (own.radius_mm - thin - 1.0).abs() < 1e-12));
    // The one under way follows, as its cursor does.
    tools.event(&session, &axial(9.0), ToolEvent::Press(p(-20.0, 0.0, 9.0), KEYS));
    tools.resize(1);
    let radii: Vec<f64> = tools.segment.scribbles().iter().map(|own| own.radius_mm).collect();
    assert_eq!(radii, [thin + 1.0, thin + 1.0, wider + 0.5]);
    tools.resize(100);
    assert!((sizes(&tools).1 - 20.0).abs() < 1e-12);
    tools.resize(-100);
    assert!((sizes(&tools).1 - 0.5).abs() < 1e-12);
}
