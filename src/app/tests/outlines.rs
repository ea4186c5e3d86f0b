//! Outlines drawn by clicks under the window's keys: dropped and had back, closed out of sight, opened
//! again.

use super::{at_work, session};
use crate::app::Workstation;
use crate::geometry::{Plane, Point3};
use crate::session::fixture::axial_series;
use crate::tools::{Modifiers, ToolEvent, ToolKind, Tools, ViewPlane};
use crate::ui::actions::Action;

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
