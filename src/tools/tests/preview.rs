//! What is shown before the button is up: the structure drawn on, closed lines included, and those that
//! give way to it. And what is not shown at all: hidden structures are not drawn on.

use super::*;
use crate::session::{Overwrite, Refusal};
use crate::tools::ShapeKind;

/// Liver from x = -20 to 20 and Spleen from 35 to 49 on slice 3; `Kidney_R` is selected.
fn neighbours(overwrite: Overwrite) -> Session {
    let mut session = session_with(axial_series(), &["Liver", "Spleen", "Kidney_R"]);
    session.apply(draw(&session, "Liver", 3, vec![square(0.0, 0.0, 40.0)])).unwrap();
    session.apply(draw(&session, "Spleen", 3, vec![square(42.0, 0.0, 14.0)])).unwrap();
    session.select(Some(id(&session, "Kidney_R")));
    session.set_overwrite(overwrite);
    session
}

fn area(roi: &Roi) -> f64 {
    roi.planes.iter().map(|plane| plane.area_mm2()).sum()
}

/// Presses and goes along the path without letting go; the structures that are shown changed.
fn hold(tools: &mut Tools, session: &Session, view: &ViewPlane, path: &[Point3]) -> Vec<Arc<Roi>> {
    tools.event(session, view, ToolEvent::Press(path[0], KEYS));
    for at in &path[1..] {
        tools.event(session, view, ToolEvent::Drag(*at));
        check(tools, session);
    }
    tools.previewed_rois(session)
}

/// A whole gesture: what is shown before the button is up is what comes of it, and nothing else
/// changes. The names of the structures that changed.
fn shown_is_done(tools: &mut Tools, session: &mut Session, view: &ViewPlane, path: &[Point3]) -> Vec<String> {
    let shown = hold(tools, session, view, path);
    let before = session.structures().clone();
    let command = tools.event(session, view, ToolEvent::Release(path[path.len() - 1])).command.unwrap();
    session.apply(command).unwrap();
    assert!(tools.preview().is_none() && tools.previewed_rois(session).is_empty());
    for roi in &session.structures().rois {
        let old = before.roi(roi.id).unwrap();
        match shown.iter().find(|own| own.id == roi.id) {
            Some(own) => {
                assert!((area(own) - area(roi)).abs() < 2e-3 * area(roi).max(1.0), "{}", roi.name);
                assert_eq!(own.planes.len(), roi.planes.len(), "{}", roi.name);
                assert!((area(old) - area(roi)).abs() > 1.0, "{} is shown, but does not change", roi.name);
            }
            None => assert!(Arc::ptr_eq(old, roi), "{} changes without being shown", roi.name),
        }
    }
    shown.iter().map(|own| own.name.clone()).collect()
}

#[test]
fn what_others_lose_is_shown_before_the_button_is_up() {
    let view = axial(9.0);
    let bar = line(p(10.0, 0.0, 9.0), p(40.0, 0.0, 9.0), 10);
    let ring = [p(10.0, -5.0, 9.0), p(40.0, -5.0, 9.0), p(40.0, 5.0, 9.0), p(10.0, 5.0, 9.0)];
    let corners = [p(10.0, -5.0, 9.0), p(25.0, 0.0, 9.0), p(40.0, 5.0, 9.0)];
    for (kind, path) in
        [(ToolKind::Brush, &bar[..]), (ToolKind::Freehand, &ring[..]), (ToolKind::Shape, &corners[..])]
    {
        let mut session = neighbours(Overwrite::Visible);
        let mut own = tools(kind, 5.0);
        own.shape.set_kind(ShapeKind::Ellipse);
        let changed = shown_is_done(&mut own, &mut session, &view, path);
        assert_eq!(changed, ["Kidney_R", "Liver", "Spleen"], "{kind:?}");
        session.undo().unwrap();
        // Locked ones hold, and are not shown changed; nor are hidden ones where only visible ones yield.
        for (name, command) in [
            ("Liver", Command::SetLock { roi: id(&session, "Liver"), locked: true }),
            ("Spleen", Command::SetVisibility { rois: vec![id(&session, "Spleen")], visible: false }),
        ] {
            session.apply(command).unwrap();
            let changed = shown_is_done(&mut own, &mut session, &view, path);
            assert!(!changed.contains(&name.to_owned()), "{kind:?}: {changed:?}");
            session.undo().unwrap();
        }
        // Esc: nothing has happened.
        assert!(!hold(&mut own, &session, &view, path).is_empty());
        own.event(&session, &view, ToolEvent::Escape);
        assert!(own.previewed_rois(&session).is_empty());
    }
    // Overlaps are free but for exclusive structures.
    let mut session = neighbours(Overwrite::Overlap);
    let mut brush = tools(ToolKind::Brush, 5.0);
    assert_eq!(shown_is_done(&mut brush, &mut session, &view, &bar), ["Kidney_R"]);
    session.undo().unwrap();
    for name in ["Kidney_R", "Spleen"] {
        let roi = id(&session, name);
        session.apply(Command::SetExclusive { roi, exclusive: true }).unwrap();
    }
    assert_eq!(shown_is_done(&mut brush, &mut session, &view, &bar), ["Kidney_R", "Spleen"]);
    // A ball across the slices takes from several of them.
    session.undo().unwrap();
    session.apply(draw(&session, "Spleen", 4, vec![square(42.0, 0.0, 14.0)])).unwrap();
    let mut ball = tools(ToolKind::Brush, 8.0);
    let down = line(p(38.0, 0.0, 9.0), p(38.0, 4.0, 12.0), 3);
    let shown = hold(&mut ball, &session, &sagittal(38.0), &down);
    assert_eq!(shown.len(), 2);
    assert!(area(&shown[1]) < 2.0 * 14.0 * 14.0 - 50.0);
}

#[test]
fn a_closed_line_shows_the_contours_that_it_leads_to() {
    let mut session = neighbours(Overwrite::Overlap);
    session.select(Some(id(&session, "Liver")));
    let view = axial(9.0);
    let mut pen = tools(ToolKind::Freehand, 1.0);
    // Adds from inside, cuts from outside across, makes a new piece apart.
    for corners in [
        [(15.0, 5.0), (30.0, 5.0), (30.0, 15.0), (15.0, 15.0)],
        [(-30.0, 5.0), (-10.0, 5.0), (-10.0, 15.0), (-30.0, 15.0)],
        [(-40.0, -40.0), (-30.0, -40.0), (-30.0, -30.0), (-40.0, -30.0)],
    ] {
        let path = polyline(&corners, 9.0);
        assert_eq!(shown_is_done(&mut pen, &mut session, &view, &path), ["Liver"]);
    }
    near(area_at(&session, 9.0), 1600.0 + 100.0 - 100.0 + 100.0, 1e-3);
    // A line that only comes back into the structure by its closing cuts, and is shown to.
    let around = [p(-21.0, -8.0, 9.0), p(-30.0, -8.0, 9.0), p(-30.0, -26.0, 9.0), p(-12.0, -21.0, 9.0)];
    let shown = hold(&mut pen, &session, &view, &around);
    assert!(area(&shown[0]) < area(roi(&session)) - 1.0);
    pen.event(&session, &view, ToolEvent::Escape);
    // Across the slices, a slab.
    session.select(Some(id(&session, "Kidney_R")));
    pen.freehand.set_thickness_mm(6.0);
    let slab = [p(1.0, -25.0, 8.0), p(1.0, 0.0, 8.0), p(1.0, 0.0, 16.0), p(1.0, -25.0, 16.0)];
    assert_eq!(shown_is_done(&mut pen, &mut session, &sagittal(1.0), &slab), ["Kidney_R"]);
    assert_eq!(roi(&session).planes.len(), 3);
}

#[test]
fn an_outline_drawn_by_clicks_is_shown_as_if_it_were_closed() {
    for kind in [ToolKind::Shape, ToolKind::LiveWire] {
        let mut session = session_with(axial_series(), &["Liver", "Spleen"]);
        let view = axial(9.0);
        let mut pen = tools(kind, 1.0);
        let shift = Modifiers { shift: true, invert: false };
        let corners = [(0.0, 0.0), (20.0, 0.0), (20.0, 20.0), (0.0, 20.0)].map(|(x, y)| p(x, y, 9.0));
        for (index, at) in corners.into_iter().enumerate() {
            pen.event(&session, &view, ToolEvent::Hover(at, shift));
            check(&pen, &session);
            let shown = pen.previewed_rois(&session);
            match index {
                0 | 1 => assert!(shown.is_empty(), "{kind:?}: two points enclose nothing"),
                _ => near(area(&shown[0]), [200.0, 400.0][index - 2], 1e-6),
            }
            pen.event(&session, &view, ToolEvent::Press(at, shift));
            pen.event(&session, &view, ToolEvent::Release(at));
        }
        near(area(&pen.previewed_rois(&session)[0]), 400.0, 1e-6);
        // Another structure is selected meanwhile: it is the one that would get the outline.
        session.select(Some(id(&session, "Liver")));
        pen.update(&session);
        assert_eq!(pen.preview().unwrap().roi, id(&session, "Liver"));
        // A step back shows one corner less.
        assert!(pen.take_back(&session));
        near(area(&pen.previewed_rois(&session)[0]), 200.0, 1e-6);
        let command = pen.finish(&session).command.unwrap();
        assert!(pen.preview().is_none());
        session.apply(command).unwrap();
        near(area_at(&session, 9.0), 200.0, 1e-6);
    }
}

#[test]
fn what_takes_long_is_shown_by_its_line_alone_and_done_at_the_release() {
    let mut session = session_with(axial_series(), &["Liver"]);
    let circle: Vec<_> = (0..1000)
        .map(|n| f64::from(n) * PI / 500.0)
        .map(|angle| crate::geometry::Point2::new(20.0 * angle.cos(), 20.0 * angle.sin()))
        .collect();
    for slice in 2..12 {
        session.apply(draw(&session, "Liver", slice, vec![Polygon::from_outer(circle.clone())])).unwrap();
    }
    let mut pen = tools(ToolKind::Freehand, 1.0);
    let slab = [p(1.0, 0.0, 8.0), p(1.0, 25.0, 8.0), p(1.0, 25.0, 28.0), p(1.0, 0.0, 28.0)];
    assert!(hold(&mut pen, &session, &sagittal(1.0), &slab).is_empty());
    assert_eq!(pen.line().len(), 4);
    let done = pen.event(&session, &sagittal(1.0), ToolEvent::Release(slab[3]));
    session.apply(done.command.unwrap()).unwrap();
    assert!(area_at(&session, 15.0) > PI * 400.0 + 40.0);
}

#[test]
fn a_hidden_structure_is_not_drawn_on_and_says_what_helps() {
    let mut session = session_with(axial_series(), &["Liver"]);
    session.apply(draw(&session, "Liver", 3, vec![square(0.0, 0.0, 40.0)])).unwrap();
    let liver = id(&session, "Liver");
    session.apply(Command::SetVisibility { rois: vec![liver], visible: false }).unwrap();
    let before = session.revision();
    let path = line(p(0.0, 0.0, 9.0), p(30.0, 9.0, 9.0), 4);
    let kinds = [
        ToolKind::Brush,
        ToolKind::Eraser,
        ToolKind::Freehand,
        ToolKind::Shape,
        ToolKind::Push,
        ToolKind::Smooth,
        ToolKind::Grow,
        ToolKind::Knife,
        ToolKind::Points,
        ToolKind::LiveWire,
        ToolKind::Segment,
        ToolKind::DeleteContour,
    ];
    for kind in kinds {
        let reaction = drag(&mut tools(kind, 5.0), &mut session, &axial(9.0), KEYS, &path);
        assert_eq!(reaction.message.as_deref(), Some("Liver is hidden. Show it to change it."), "{kind:?}");
        assert_eq!(reaction.command, None, "{kind:?}");
    }
    // Nor by keys, nor by taking over what was suggested before it was hidden.
    let hidden = Refusal::Hidden("Liver".to_owned());
    assert_eq!(session.apply(Command::ClearSlice { roi: liver, slice: 3 }).unwrap_err(), hidden);
    assert_eq!(session.apply(draw(&session, "Liver", 4, Vec::new())).unwrap_err(), hidden);
    assert_eq!(session.revision(), before);
    // Shown again, everything works, and what lies between slices is suggested.
    let mut brush = tools(ToolKind::Brush, 5.0);
    brush.between.set_on(true);
    brush.update(&session);
    assert!(brush.between.note().is_some_and(|note| note.contains("hidden")));
    session.apply(Command::SetVisibility { rois: vec![liver], visible: true }).unwrap();
    session.apply(draw(&session, "Liver", 6, vec![square(0.0, 0.0, 40.0)])).unwrap();
    session.apply(Command::SetVisibility { rois: vec![liver], visible: false }).unwrap();
    brush.update(&session);
    assert!(brush.suggestion().is_none());
    session.apply(Command::SetVisibility { rois: vec![liver], visible: true }).unwrap();
    brush.update(&session);
    assert!(brush.suggestion().is_some());
    assert!(drag(&mut brush, &mut session, &axial(9.0), KEYS, &path).command.is_some());
}

#[test]
fn what_a_line_would_do_follows_what_may_be_overwritten() {
    let mut session = neighbours(Overwrite::Overlap);
    let mut own = tools(ToolKind::Shape, 5.0);
    own.shape.set_kind(ShapeKind::Polygon);
    for at in [p(10.0, -5.0, 9.0), p(40.0, -5.0, 9.0), p(40.0, 5.0, 9.0)] {
        for event in [ToolEvent::Press(at, KEYS), ToolEvent::Release(at)] {
            own.event(&session, &axial(9.0), event);
        }
    }
    let names = |own: &mut Tools, session: &Session| -> Vec<String> {
        own.update(session);
        own.previewed_rois(session).iter().map(|roi| roi.name.clone()).collect()
    };
    assert_eq!(names(&mut own, &session), ["Kidney_R"]);
    session.set_overwrite(Overwrite::Visible);
    assert_eq!(names(&mut own, &session), ["Kidney_R", "Liver", "Spleen"]);
    let liver = id(&session, "Liver");
    session.apply(Command::SetVisibility { rois: vec![liver], visible: false }).unwrap();
    assert_eq!(names(&mut own, &session), ["Kidney_R", "Spleen"]);
    session.set_overwrite(Overwrite::Overlap);
    assert_eq!(names(&mut own, &session), ["Kidney_R"]);
}
