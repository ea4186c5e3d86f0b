//! Undo while something is scribbled or suggested, and keys in the midst of a stroke: neither costs work
//! unseen.

use super::*;
use crate::patient::StructureSet;
use crate::tools::{Method, Tools};
use crate::ui::actions::TABLE;

const KEYS: Modifiers = Modifiers { invert: false, shift: false };
const CTRL: Modifiers = Modifiers { invert: true, shift: false };

fn tools(station: &Workstation) -> &Tools {
    &station.state.views.as_ref().unwrap().tools
}

/// A pointer event at (x, y) on slice 3, which lies at 9 mm.
fn event(station: &mut Workstation, x: f64, y: f64, to_event: impl Fn(crate::geometry::Point3) -> ToolEvent) {
    let view = ViewPlane { plane: crate::geometry::Plane::axial(9.0), pixel_mm: 0.5 };
    let tools = &mut station.state.views.as_mut().unwrap().tools;
    let event = to_event(crate::geometry::Point3::new(x, y, 9.0));
    let reaction = tools.event(station.session.as_ref().unwrap(), &view, event);
    if let Some(command) = reaction.command {
        assert!(station.apply(command));
    }
}

fn scribble(station: &mut Workstation, y: f64, keys: Modifiers) {
    event(station, -5.0, y, |at| ToolEvent::Press(at, keys));
    event(station, 5.0, y, ToolEvent::Drag);
    event(station, 5.0, y, ToolEvent::Release);
}

/// Waits for what is found, and follows the structure.
fn settle(station: &mut Workstation) {
    let session = station.session.as_ref().unwrap();
    let tools = &mut station.state.views.as_mut().unwrap().tools;
    tools.update(session);
    tools.segment.settle(session);
}

fn structures(station: &Workstation) -> StructureSet {
    session(station).structures().clone()
}

#[test]
fn undo_takes_back_scribble_after_scribble_and_only_then_an_edit() {
    let folder = tempfile::tempdir().unwrap();
    let [series, _] = patients();
    let mut station = at_work(series, folder.path());
    let painted = structures(&station);
    station.act(Action::Segment(Method::Scribbles));
    for (y, keys) in [(0.0, KEYS), (30.0, CTRL), (-30.0, CTRL)] {
        scribble(&mut station, y, keys);
    }
    // In the midst of a fourth it goes, and no other.
    event(&mut station, 0.0, 20.0, |at| ToolEvent::Press(at, KEYS));
    event(&mut station, 5.0, 20.0, ToolEvent::Drag);
    assert_eq!(tools(&station).segment.scribbles().len(), 4);
    for left in [3, 2, 1, 0] {
        station.act(Action::Undo);
        assert_eq!(tools(&station).segment.scribbles().len(), left);
        assert!(!tools(&station).is_busy() && structures(&station) == painted, "{left} are left");
    }
    assert_eq!(tools(&station).kind(), ToolKind::Segment);
    station.act(Action::Undo);
    assert!(session(&station).structures().rois[0].planes.is_empty(), "then the stroke of before");
    station.act(Action::Redo);
    assert_eq!(session(&station).structures().rois[0].planes, painted.rois[0].planes);
}

#[test]
fn undo_drops_what_is_suggested_alone_but_first_takes_back_a_slice_taken_over_since() {
    let folder = tempfile::tempdir().unwrap();
    let [series, _] = patients();
    let mut station = at_work(series, folder.path());
    let painted = structures(&station);
    station.act(Action::Segment(Method::Threshold));
    settle(&mut station);
    let all = tools(&station).suggestion().expect("a threshold").slices().count();
    assert!(all > 2);
    station.state.views.as_mut().unwrap().go_to_slice(7);
    station.act(Action::AcceptProposal);
    settle(&mut station);
    assert_eq!(session(&station).undo_name(), Some("Threshold on Liver"));
    assert_eq!(tools(&station).suggestion().expect("the rest").slices().count(), all - 1);
    // The latest first: the slice, which is suggested again; then what is suggested.
    station.act(Action::Undo);
    settle(&mut station);
    assert_eq!(session(&station).structures().rois[0].planes, painted.rois[0].planes);
    assert_eq!(tools(&station).suggestion().expect("all of it").slices().count(), all);
    station.act(Action::Undo);
    assert!(tools(&station).suggestion().is_none() && tools(&station).kind() == ToolKind::Segment);
    assert_eq!(session(&station).structures().rois[0].planes, painted.rois[0].planes, "nothing else");
    station.act(Action::Undo);
    assert!(session(&station).structures().rois[0].planes.is_empty());
}

#[test]
fn no_key_drops_a_stroke_but_those_that_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let [series, _] = patients();
    let mut station = at_work(series, folder.path());
    add(&mut station, "Heart");
    let liver = session(&station).structures().rois[0].id;
    station.select(Some(liver));
    station.state.views.as_mut().unwrap().go_to_slice(3);
    let before = structures(&station);
    let place = station.state.place;
    station.act(Action::SelectBrush);
    event(&mut station, 20.0, 0.0, |at| ToolEvent::Press(at, KEYS));
    for info in TABLE.iter().filter(|info| !info.action.works_in_stroke()) {
        station.act(info.action);
        let selected = session(&station).selected().map(|roi| roi.id);
        assert!(tools(&station).is_busy() && tools(&station).kind() == ToolKind::Brush, "{}", info.name);
        assert!(selected == Some(liver) && structures(&station) == before, "{}", info.name);
        assert!(station.slice() == Some(3) && station.state.place == place, "{}", info.name);
        assert!(station.state.overlay.is_none() && station.state.naming.is_none(), "{}", info.name);
    }
    let radius = tools(&station).brush.radius_mm();
    for action in [Action::LargerBrush, Action::ToggleInterpolation, Action::Preset(3), Action::Redo] {
        station.act(action);
        assert!(tools(&station).is_busy(), "{action:?}");
    }
    assert!(tools(&station).brush.radius_mm() > radius);
    event(&mut station, 30.0, 0.0, ToolEvent::Drag);
    event(&mut station, 30.0, 0.0, ToolEvent::Release);
    let area = |set: &StructureSet| set.rois[0].planes[0].area_mm2();
    let after = structures(&station);
    assert!(area(&after) > area(&before) + 150.0, "painted to its end");
    // Between the clicks of an outline the button is up, and keys are keys.
    station.act(Action::SelectShape);
    event(&mut station, 0.0, 0.0, |at| ToolEvent::Press(at, KEYS));
    event(&mut station, 0.0, 0.0, ToolEvent::Release);
    assert!(tools(&station).is_busy());
    station.act(Action::SliceUp);
    assert_eq!(station.slice(), Some(4));
    station.act(Action::SelectBrush);
    assert_eq!(tools(&station).kind(), ToolKind::Brush);
}
