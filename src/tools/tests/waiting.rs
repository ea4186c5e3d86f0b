//! Outlines drawn by clicks that wait while another tool, kind of shape or structure is in hand.

use super::outline::{begun, click, corner};
use super::*;
use crate::tools::{Choice, ShapeKind};

const SHOWN: crate::edit::ValueRange = crate::edit::ValueRange { low: 0.0, high: 1.0 };

/// The tool that an outline of [`begun`] is drawn with.
fn tool_of(name: &str) -> ToolKind {
    if name == "wire" { ToolKind::LiveWire } else { ToolKind::Shape }
}

#[test]
fn an_outline_waits_for_its_tool_and_is_closed_as_if_nothing_had_been_between() {
    for (name, mut tools, mut session) in begun() {
        tools.event(&session, &axial(9.0), ToolEvent::Hover(p(0.0, 5.0, 9.0), KEYS));
        let anchors = tools.anchors().to_vec();
        tools.choose(ToolKind::Brush);
        tools.update(&session);
        assert!(!tools.is_busy() && tools.outline().is_none(), "{name}: the brush is free");
        let waiting: Vec<_> = tools.waiting(&session).collect();
        assert_eq!(waiting.len(), 1, "{name}");
        assert!(waiting[0].plane.coincides(&Plane::axial(9.0), 1e-9), "{name}");
        assert_eq!((waiting[0].anchors, waiting[0].roi), (&anchors[..], roi(&session).id), "{name}");
        assert!(waiting[0].line.iter().all(|at| (at - p(0.0, 5.0, 9.0)).norm() > 1.0), "{name}: no pointer");
        assert_eq!(tools.put_aside_last().map(|(place, tool, _)| (place, tool)).unwrap().0, "slice 4");
        // Strokes, steps back and Esc are nothing to it.
        drag(&mut tools, &mut session, &axial(12.0), KEYS, &[p(0.0, 0.0, 12.0)]);
        tools.event(&session, &axial(12.0), ToolEvent::Escape);
        session.undo().unwrap();
        tools.let_go();
        for kind in [ToolKind::Navigate, ToolKind::Freehand, ToolKind::Grow, ToolKind::Segment] {
            tools.choose(kind);
            tools.update(&session);
            assert_eq!(tools.waiting(&session).count(), 1, "{name} with {kind:?}");
        }
        tools.choose(tool_of(name));
        tools.update(&session);
        assert_eq!((tools.anchors(), tools.waiting(&session).count()), (&anchors[..], 0), "{name}");
        assert_eq!(tools.outline().unwrap().1, "slice 4", "{name}");
        // Its own key once more does nothing to it.
        tools.choose(tool_of(name));
        tools.update(&session);
        assert_eq!(tools.anchors(), anchors, "{name}");
        let first = anchors[0];
        assert!(click(&mut tools, &mut session, &axial(9.0), first, KEYS).command.is_some(), "{name}");
        assert!(area_at(&session, 9.0) > 700.0 && tools.waiting(&session).count() == 0, "{name}");
    }
}

#[test]
fn an_outline_waits_for_its_structure_which_may_have_been_away() {
    for (name, mut tools, mut session) in begun() {
        let (heart, anchors) = (roi(&session).id, tools.anchors().to_vec());
        let lung =
            Command::AddRoi { name: "Lung".into(), color: None, roi_type: crate::patient::RoiType::Organ };
        session.apply(lung).unwrap();
        // As selecting and adding do.
        tools.cancel();
        tools.update(&session);
        assert!(tools.anchors().is_empty() && tools.waiting(&session).count() == 1, "{name}");
        // The other structure has one of its own meanwhile.
        for n in 0..3 {
            click(&mut tools, &mut session, &axial(12.0), corner(n, 12.0), KEYS);
        }
        session.select(Some(heart));
        tools.cancel();
        tools.update(&session);
        assert_eq!((tools.anchors(), tools.waiting(&session).count()), (&anchors[..], 1), "{name}");
        tools.cancel();
        // Hidden or deleted it shows none; undone it is there.
        session.apply(Command::SetVisibility { rois: vec![heart], visible: false }).unwrap();
        assert_eq!(tools.waiting(&session).count(), 1, "{name}");
        session.apply(Command::SetVisibility { rois: vec![heart], visible: true }).unwrap();
        session.apply(Command::DeleteRoi { roi: heart }).unwrap();
        tools.update(&session);
        session.undo().unwrap();
        session.select(Some(heart));
        tools.cancel();
        tools.update(&session);
        assert_eq!(tools.anchors(), anchors, "{name}");
        // Dropped it is dropped, and had back as ever.
        tools.event(&session, &axial(9.0), ToolEvent::Escape);
        tools.update(&session);
        assert!(!tools.is_busy() && tools.waiting(&session).all(|own| own.roi != heart), "{name}");
        assert!(tools.reopen(&session) && tools.anchors() == anchors, "{name}");
        tools.event(&session, &axial(9.0), ToolEvent::Escape);
        let lung = id(&session, "Lung");
        session.select(Some(lung));
        tools.update(&session);
        assert_eq!(tools.anchors().len(), 3, "{name}");
    }
}

#[test]
fn polygon_and_curve_go_on_with_each_other_and_wait_for_rectangle_and_ellipse() {
    let (_, mut tools, mut session) = begun().swap_remove(0);
    let anchors = tools.anchors().to_vec();
    for kind in [ShapeKind::Rectangle, ShapeKind::Ellipse] {
        tools.make(&session, Choice::Shape(kind), SHOWN);
        tools.update(&session);
        assert!(!tools.is_busy() && tools.waiting(&session).count() == 1, "{kind:?}");
    }
    let path = [p(-30.0, -30.0, 9.0), p(-20.0, -20.0, 9.0)];
    assert!(drag(&mut tools, &mut session, &axial(9.0), KEYS, &path).command.is_some());
    tools.make(&session, Choice::Shape(ShapeKind::Spline), SHOWN);
    assert_eq!((tools.anchors(), tools.waiting(&session).count()), (&anchors[..], 0));
    assert!(tools.line().len() > 20, "a curve");
    // A rectangle in the midst of its drag is a gesture: it goes.
    tools.make(&session, Choice::Shape(ShapeKind::Rectangle), SHOWN);
    tools.event(&session, &axial(9.0), ToolEvent::Press(path[0], KEYS));
    tools.cancel();
    assert_eq!(tools.waiting(&session).count(), 1);
}
