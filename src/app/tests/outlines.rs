//! Outlines drawn by clicks under the window's keys: dropped and had back, closed out of sight, opened
//! again.

use super::{at_work, session};
use crate::app::Workstation;
use crate::geometry::{Plane, Point3};
use crate::session::fixture::axial_series;
use crate::tools::{Choice, Modifiers, ShapeKind, ToolEvent, ToolKind, Tools, ViewPlane};
use crate::ui::actions::Action;
use crate::ui::state::{Leave, Overlay};

fn tools(station: &Workstation) -> &Tools {
    &station.state.views.as_ref().unwrap().tools
}

fn last_said(station: &Workstation) -> &str {
    station.state().toasts.list().last().map_or("", |toast| toast.text.as_str())
}

/// Three clicks on slice 4, which lies at 9 mm.
fn click_three(station: &mut Workstation) {
    station.act(Action::SelectShape);
    let view = ViewPlane { plane: Plane::axial(9.0), pixel_mm: 0.5 };
    let tools = &mut station.state.views.as_mut().unwrap().tools;
    let session = station.session.as_ref().unwrap();
    for (x, y) in [(-30.0, -30.0), (30.0, -30.0), (0.0, 30.0)] {
        let at = Point3::new(x, y, 9.0);
        tools.event(session, &view, ToolEvent::Press(at, Modifiers::default()));
        tools.event(session, &view, ToolEvent::Release(at));
    }
    assert_eq!(tools.anchors().len(), 3);
}

#[test]
fn undo_has_a_dropped_outline_back_before_it_undoes_what_was_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    let before = session(&station).structures().clone();
    click_three(&mut station);
    station.act(Action::CancelGesture);
    assert!(!tools(&station).is_busy());
    station.act(Action::Undo);
    assert_eq!((tools(&station).kind(), tools(&station).anchors().len()), (ToolKind::Shape, 3));
    assert_eq!(session(&station).structures(), &before, "what was drawn stays");
    // Dropped for good it is in nobody's way.
    station.act(Action::CancelGesture);
    station.act(Action::Undo);
    assert!(!tools(&station).is_busy());
    assert!(session(&station).structures().rois[0].planes.is_empty());
    station.close_all();
}

#[test]
fn an_outline_closed_or_opened_again_out_of_sight_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    let go = |station: &mut Workstation, slice: usize| {
        station.state.views.as_mut().unwrap().go_to_slice(slice);
    };
    let area = |station: &Workstation| -> f64 {
        session(station).structures().rois[0].planes.iter().map(|plane| plane.area_mm2()).sum()
    };
    let drawn = area(&station);
    go(&mut station, 3);
    click_three(&mut station);
    let count = station.state().toasts.list().len();
    station.act(Action::CloseOutline);
    assert!(area(&station) > drawn + 1000.0);
    assert_eq!(station.state().toasts.list().len(), count, "it is in sight: nothing to say");
    station.act(Action::ReopenOutline);
    assert!((area(&station) - drawn).abs() < 1e-9 && tools(&station).anchors().len() == 3);
    station.act(Action::Redo);
    assert!((area(&station) - drawn).abs() < 1e-9, "it is open, not closed besides");
    assert_eq!(station.state().toasts.list().len(), count);
    go(&mut station, 5);
    station.act(Action::CloseOutline);
    assert!(area(&station) > drawn + 1000.0);
    assert!(last_said(&station).starts_with("Closed on slice 4"), "{}", last_said(&station));
    station.act(Action::ReopenOutline);
    assert!(last_said(&station).contains("open again on slice 4"), "{}", last_said(&station));
    station.act(Action::TakeBackPoint);
    assert!(last_said(&station).contains("taken back on slice 4"), "{}", last_said(&station));
    assert_eq!(tools(&station).anchors().len(), 2);
    // With nothing to open again nothing is undone.
    station.act(Action::CancelGesture);
    station.act(Action::CancelGesture);
    station.act(Action::Undo);
    station.act(Action::ReopenOutline);
    assert!(last_said(&station).starts_with("There is no outline"), "{}", last_said(&station));
    station.close_all();
}

#[test]
fn an_outline_waits_while_another_tool_or_structure_is_in_hand() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    let first = session(&station).selected().unwrap().id;
    station.state.views.as_mut().unwrap().go_to_slice(3);
    click_three(&mut station);
    let anchors = tools(&station).anchors().to_vec();
    for action in [Action::SelectBrush, Action::SelectGrow, Action::SelectCrosshair, Action::SelectLiveWire] {
        station.act(action);
        assert!(!tools(&station).is_busy(), "{action:?}");
        assert_eq!(tools(&station).waiting(session(&station)).count(), 1, "{action:?}");
        station.act(Action::SelectShape);
        assert_eq!(tools(&station).anchors(), anchors, "{action:?}");
    }
    // Esc with another tool in hand is not for it.
    station.act(Action::SelectBrush);
    station.act(Action::CancelGesture);
    assert_eq!(tools(&station).kind(), ToolKind::Navigate);
    assert_eq!(tools(&station).waiting(session(&station)).count(), 1);
    // A new structure, and back.
    station.act(Action::SelectShape);
    super::add(&mut station, "Heart");
    assert!(!tools(&station).is_busy());
    station.act(Action::PreviousStructure);
    assert_eq!(session(&station).selected().unwrap().id, first);
    assert_eq!((tools(&station).kind(), tools(&station).anchors()), (ToolKind::Shape, &anchors[..]));
    // Undo and redo of edits made meanwhile leave it alone.
    station.act(Action::SelectBrush);
    station.act(Action::Undo);
    station.act(Action::Redo);
    station.select(Some(first));
    station.act(Action::SelectShape);
    assert_eq!(tools(&station).anchors(), anchors);
    station.act(Action::CloseOutline);
    assert!(!tools(&station).is_busy() && tools(&station).waiting(session(&station)).count() == 0);
    station.close_all();
}

#[test]
fn undo_takes_back_what_was_done_last_of_a_resumed_outline_and_edits_made_while_it_waited() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    let view = ViewPlane { plane: Plane::axial(9.0), pixel_mm: 0.5 };
    station.state.views.as_mut().unwrap().go_to_slice(3);
    click_three(&mut station);
    station.act(Action::SelectBrush);
    let before = session(&station).structures().rois[0].planes.clone();
    super::paint(&mut station, 30.0);
    let after = session(&station).structures().rois[0].planes.clone();
    assert_ne!(before, after);
    let planes = |station: &Workstation| session(station).structures().rois[0].planes.clone();
    station.act(Action::SelectShape);
    let anchors = tools(&station).anchors().to_vec();
    assert_eq!(anchors.len(), 3);
    // The stroke came after the last click.
    for (action, wanted) in [(Action::Undo, &before), (Action::Redo, &after)] {
        station.act(action);
        assert_eq!(&planes(&station), wanted, "{action:?}");
        assert_eq!(tools(&station).anchors(), anchors, "{action:?}");
    }
    // A click after the stroke, elsewhere than on the outline's slice none.
    let tools_of = |station: &mut Workstation, view: &ViewPlane, at: Point3| {
        let tools = &mut station.state.views.as_mut().unwrap().tools;
        let session = station.session.as_ref().unwrap();
        tools.event(session, view, ToolEvent::Press(at, Modifiers::default()));
        tools.event(session, view, ToolEvent::Release(at));
    };
    let beside = ViewPlane { plane: Plane::axial(12.0), pixel_mm: 0.5 };
    tools_of(&mut station, &beside, Point3::new(-50.0, 10.0, 12.0));
    station.act(Action::Undo);
    assert_eq!((&planes(&station), tools(&station).anchors().len()), (&before, 3));
    station.act(Action::Redo);
    tools_of(&mut station, &view, Point3::new(-50.0, 10.0, 9.0));
    assert_eq!(tools(&station).anchors().len(), 4);
    station.act(Action::Redo);
    assert_eq!((&planes(&station), tools(&station).anchors().len()), (&after, 4));
    // The click, the stroke, the click before the stroke.
    for (wanted, count) in [(&after, 3), (&before, 3), (&before, 2)] {
        station.act(Action::Undo);
        assert_eq!((&planes(&station), tools(&station).anchors().len()), (wanted, count));
    }
    station.close_all();
}

#[test]
fn outlines_that_are_not_closed_are_asked_about_before_the_study_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = egui::Context::default();
    crate::ui::theme::install(&ctx);
    let mut station = at_work(axial_series(), folder.path());
    station.start(&ctx, None);
    station.state.views.as_mut().unwrap().go_to_slice(3);
    click_three(&mut station);
    let asked = |station: &Workstation| station.state().overlay.clone();
    station.act(Action::CloseStudy);
    assert_eq!(asked(&station), Some(Overlay::OpenOutlines(1)));
    station.act(Action::CancelGesture);
    assert!(asked(&station).is_none() && station.session().is_some(), "Esc stays");
    assert_eq!(tools(&station).anchors().len(), 3);
    // One that waits counts as one in hand does.
    station.act(Action::SelectBrush);
    assert!(super::asked_to_close(&mut station, &ctx));
    assert_eq!(asked(&station), Some(Overlay::OpenOutlines(1)));
    station.answer_leave(Leave::Stay);
    station.act(Action::SelectShape);
    station.act(Action::CloseOutline);
    station.act(Action::CloseStudy);
    assert!(asked(&station).is_none() && station.session().is_none());
    station.close_all();
}

#[test]
fn another_kind_of_shape_puts_an_outline_aside_as_another_tool_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    station.state.views.as_mut().unwrap().go_to_slice(3);
    click_three(&mut station);
    let anchors = tools(&station).anchors().to_vec();
    station.act(Action::Choose(Choice::Shape(ShapeKind::Ellipse)));
    assert_eq!((tools(&station).is_busy(), tools(&station).waiting(session(&station)).count()), (false, 1));
    let said = station.outline_followed(true).unwrap();
    assert!(said.contains("slice 4 waits: polygon or curve goes on"), "{said}");
    station.act(Action::Choose(Choice::Shape(ShapeKind::Polygon)));
    assert_eq!(tools(&station).anchors(), anchors);
    station.close_all();
}
