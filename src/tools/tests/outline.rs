//! Outlines drawn by clicks: where they go on, how they are closed, and how one that has ended is had back.

use super::super::{Ended, ShapeKind};
use super::*;

/// The middle of a disc in the image, so that a live-wire has an edge to follow.
const RADIUS_MM: f64 = 20.0;

pub(super) fn corner(n: u32, z: f64) -> Point3 {
    let (sine, cosine) = (f64::from(n) * PI / 2.0 + 0.3).sin_cos();
    p(RADIUS_MM * cosine, RADIUS_MM * sine, z)
}

/// A click; what it led to is carried out.
pub(super) fn click(
    tools: &mut Tools,
    session: &mut Session,
    view: &ViewPlane,
    at: Point3,
    keys: Modifiers,
) -> Reaction {
    tools.event(session, view, ToolEvent::Hover(at, keys));
    let mut reaction = tools.event(session, view, ToolEvent::Press(at, keys));
    let released = tools.event(session, view, ToolEvent::Release(at));
    check(tools, session);
    reaction.command = reaction.command.or(released.command);
    reaction.message = reaction.message.or(released.message);
    if let Some(command) = reaction.command.clone() {
        held::apply(session, &command);
    }
    reaction
}

/// Polygon, curve and live-wire with four clicks on slice 4 of a session of its own.
pub(super) fn begun() -> Vec<(&'static str, Tools, Session)> {
    let kinds = [
        ("polygon", ToolKind::Shape, ShapeKind::Polygon),
        ("curve", ToolKind::Shape, ShapeKind::Spline),
        ("wire", ToolKind::LiveWire, ShapeKind::Polygon),
    ];
    let begun = kinds.map(|(name, kind, shape)| {
        let mut session = session_with(cylinder(RADIUS_MM, 2.5, [-40.0, 60.0]), &["Heart"]);
        let mut tools = tools(kind, 1.0);
        tools.shape.set_kind(shape);
        for n in 0..4 {
            click(&mut tools, &mut session, &axial(9.0), corner(n, 9.0), KEYS);
        }
        assert_eq!(tools.anchors().len(), 4, "{name}");
        (name, tools, session)
    });
    begun.into()
}

#[test]
fn an_outline_goes_on_only_on_its_plane_and_elsewhere_says_where_that_is() {
    for (name, mut tools, mut session) in begun() {
        let (plane, words) = tools.outline().expect("one is under way");
        assert!(plane.coincides(&Plane::axial(9.0), 1e-9) && words == "slice 4", "{name}: {words}");
        tools.event(&session, &axial(9.0), ToolEvent::Hover(p(0.0, 5.0, 9.0), KEYS));
        let with_pointer = tools.line().to_vec();
        // The first point's place on the next slice: nothing follows the pointer, nothing is closed.
        let at = corner(0, 12.0);
        tools.event(&session, &axial(12.0), ToolEvent::Hover(at, KEYS));
        let alone = tools.line().to_vec();
        assert_ne!(alone, with_pointer, "{name}");
        assert!(alone.iter().all(|point| (point.z - 9.0).abs() < 1e-9), "{name}");
        assert_eq!(tools.cursor(&session).shape, CursorShape::Forbidden, "{name}");
        assert!(tools.hint().text.contains("not on the plane"), "{name}: {:?}", tools.hint());
        let before = (tools.anchors().to_vec(), session.revision());
        let told = click(&mut tools, &mut session, &axial(12.0), at, KEYS).message.unwrap_or_default();
        assert!(told.contains("slice 4") && !told.contains("first point"), "{name}: {told}");
        tools.event(&session, &axial(12.0), ToolEvent::Press(at, KEYS));
        tools.event(&session, &axial(12.0), ToolEvent::Drag(p(1.0, 1.0, 12.0)));
        assert_eq!(tools.line(), alone, "{name}: a drag there draws nothing either");
        tools.event(&session, &axial(12.0), ToolEvent::Release(p(1.0, 1.0, 12.0)));
        assert_eq!((tools.anchors().to_vec(), session.revision()), before, "{name}");
        // In a view across it is no better.
        let across = sagittal(corner(0, 9.0).x);
        let told = click(&mut tools, &mut session, &across, corner(0, 9.0), KEYS);
        assert!(
            told.command.is_none() && told.message.is_some_and(|text| text.contains("slice 4")),
            "{name}"
        );
        // Back on its plane the cursor draws again, and the first point closes.
        tools.event(&session, &axial(9.0), ToolEvent::Hover(p(0.0, 5.0, 9.0), KEYS));
        assert_eq!(tools.cursor(&session).shape, CursorShape::Pen, "{name}");
        let first = tools.anchors()[0];
        assert!(click(&mut tools, &mut session, &axial(9.0), first, KEYS).command.is_some(), "{name}");
        assert!(area_at(&session, 9.0) > 700.0 && area_at(&session, 12.0) == 0.0, "{name}");
        assert!(tools.outline().is_none(), "{name}");
    }
}

#[test]
fn an_outline_across_the_slices_is_named_by_its_view() {
    let mut session = session_with(axial_series(), &["Heart"]);
    let mut tools = tools(ToolKind::Shape, 1.0);
    click(&mut tools, &mut session, &sagittal(-12.3), p(-12.3, 0.0, 20.0), KEYS);
    assert_eq!(tools.outline().unwrap().1, "the sagittal plane at x −12.3 mm");
    let told = click(&mut tools, &mut session, &axial(9.0), p(0.0, 0.0, 9.0), KEYS).message.unwrap();
    assert!(told.contains("the sagittal plane at x −12.3 mm"), "{told}");
}

#[test]
fn a_double_click_closes_polygon_curve_and_live_wire() {
    for (name, mut tools, mut session) in begun() {
        let last = tools.anchors()[3];
        assert!(click(&mut tools, &mut session, &axial(9.0), last, KEYS).command.is_some(), "{name}");
        assert!(!tools.is_busy(), "{name}");
        // The square between the clicks; the disc through them, which the curve only comes near.
        let (wanted, part) = match name {
            "polygon" => (800.0, 1e-4),
            "curve" => (PI * 400.0, 0.2),
            _ => (PI * 400.0, 0.03),
        };
        near(area_at(&session, 9.0), wanted, part);
    }
    // Two points enclose nothing; with Ctrl held, to cut, it closes as well.
    let mut session = session_with(axial_series(), &["Heart"]);
    session.apply(draw(&session, "Heart", 3, vec![square(0.0, 0.0, 60.0)])).unwrap();
    let mut tools = tools(ToolKind::Shape, 1.0);
    let view = axial(9.0);
    for n in [0, 1, 1] {
        assert!(click(&mut tools, &mut session, &view, corner(n, 9.0), CTRL).command.is_none());
    }
    assert_eq!(tools.anchors().len(), 2);
    for n in [2, 3, 3] {
        click(&mut tools, &mut session, &view, corner(n, 9.0), CTRL);
    }
    near(area_at(&session, 9.0), 3600.0 - 800.0, 1e-4);
}

#[test]
fn the_last_point_is_dragged_and_later_clicked_without_closing() {
    let (_, mut tools, mut session) = begun().swap_remove(0);
    let view = axial(9.0);
    let last = corner(3, 9.0);
    tools.event(&session, &view, ToolEvent::Press(last, KEYS));
    tools.event(&session, &view, ToolEvent::Drag(last + Vector3::x() * 5.0));
    let dragged = tools.event(&session, &view, ToolEvent::Release(last + Vector3::x() * 5.0));
    assert_eq!((dragged.command, tools.anchors().len()), (None, 4));
    assert!((tools.anchors()[3] - last - Vector3::x() * 5.0).norm() < 1e-9);
    // Not the second press of a double click any more.
    let again = click(&mut tools, &mut session, &view, last + Vector3::x() * 5.0, KEYS);
    assert!(again.command.is_none() && tools.waits_to_close());
}

#[test]
fn what_esc_dropped_is_had_back_once_while_nothing_was_done_since() {
    for (name, mut tools, mut session) in begun() {
        let clicks = tools.anchors().to_vec();
        let kind = tools.kind();
        assert_eq!(tools.ended_outline(&session), None, "{name}: it is under way");
        tools.event(&session, &axial(0.0), ToolEvent::Escape);
        assert!(!tools.is_busy() && tools.anchors().is_empty(), "{name}");
        // Also with another tool in hand since.
        tools.choose(ToolKind::Navigate);
        assert_eq!(tools.ended_outline(&session), Some(Ended::Dropped), "{name}");
        assert!(tools.reopen(&session), "{name}");
        assert_eq!((tools.kind(), tools.anchors()), (kind, clicks.as_slice()), "{name}");
        // Dropped again without a click it is gone: undo has to come to what was done before.
        tools.event(&session, &axial(0.0), ToolEvent::Escape);
        assert_eq!(tools.ended_outline(&session), None, "{name}");
        assert!(!tools.reopen(&session), "{name}");
        // Another one is kept until something is done.
        for n in 0..3 {
            click(&mut tools, &mut session, &axial(9.0), corner(n, 9.0), KEYS);
        }
        tools.event(&session, &axial(0.0), ToolEvent::Escape);
        assert_eq!(tools.ended_outline(&session), Some(Ended::Dropped), "{name}");
        session.apply(draw(&session, "Heart", 5, vec![square(0.0, 0.0, 10.0)])).unwrap();
        assert_eq!(tools.ended_outline(&session), None, "{name}");
        // One click alone is not kept.
        click(&mut tools, &mut session, &axial(9.0), corner(0, 9.0), KEYS);
        tools.event(&session, &axial(0.0), ToolEvent::Escape);
        assert_eq!(tools.ended_outline(&session), None, "{name}");
    }
}

#[test]
fn a_closed_outline_is_opened_again_with_its_points() {
    for (name, mut tools, mut session) in begun() {
        let clicks = tools.anchors().to_vec();
        let before = session.structures().clone();
        let command = tools.finish(&session).command.unwrap();
        assert_eq!(tools.ended_outline(&session), None, "{name}: it is not carried out yet");
        session.apply(command).unwrap();
        tools.update(&session);
        assert_eq!(tools.ended_outline(&session), Some(Ended::Closed), "{name}");
        let told = tools.hint().told(|_| "Shift Enter".to_owned());
        assert!(told.ends_with("Shift Enter opens the last one again, with its points"), "{name}: {told}");
        // Not while something else is the last step, or another structure is selected.
        session.apply(draw(&session, "Heart", 5, vec![square(0.0, 0.0, 10.0)])).unwrap();
        assert_eq!(tools.ended_outline(&session), None, "{name}");
        session.undo().unwrap();
        let heart = session.selected().map(|roi| roi.id);
        session.select(None);
        assert_eq!(tools.ended_outline(&session), None, "{name}");
        session.select(heart);
        assert_eq!(tools.ended_outline(&session), Some(Ended::Closed), "{name}");
        session.undo().unwrap();
        assert_eq!(plain(session.structures()), plain(&before), "{name}");
        assert!(tools.reopen(&session), "{name}");
        assert_eq!(tools.anchors(), clicks, "{name}");
        // And goes on: the last click taken back and made again, then closed by its first point.
        tools.take_back(&session);
        assert_eq!(tools.anchors().len(), 3, "{name}");
        click(&mut tools, &mut session, &axial(9.0), clicks[3], KEYS);
        assert_eq!(tools.anchors().len(), 4, "{name}");
        let first = tools.anchors()[0];
        assert!(click(&mut tools, &mut session, &axial(9.0), first, KEYS).command.is_some(), "{name}");
        assert!(area_at(&session, 9.0) > 0.0, "{name}");
    }
}
