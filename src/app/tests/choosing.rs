//! Choosing options of tools and walking through structures, as keys and the search ask for it.

use super::*;
use crate::session::Overwrite;
use crate::tools::{
    Aspect, BrushMode, BrushReach, Choice, FreehandMode, Modifiers, ShapeKind, ToolEvent, ToolKind, Tools,
    ViewPlane,
};
use crate::ui::actions::{Group, TABLE};

fn tools(station: &Workstation) -> &Tools {
    &station.state.views.as_ref().unwrap().tools
}

/// A pointer event on slice 3, which lies at 9 mm.
fn event(station: &mut Workstation, event: ToolEvent) {
    let view = ViewPlane { plane: crate::geometry::Plane::axial(9.0), pixel_mm: 0.5 };
    let tools = &mut station.state.views.as_mut().unwrap().tools;
    let reaction = tools.event(station.session.as_ref().unwrap(), &view, event);
    if let Some(command) = reaction.command {
        assert!(station.apply(command));
    }
}

fn at(x: f64) -> crate::geometry::Point3 {
    crate::geometry::Point3::new(x, 0.0, 9.0)
}

#[test]
fn a_choice_takes_its_tool_in_hand_and_every_option_is_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    station.act(Action::Choose(Choice::Freehand(FreehandMode::Replace)));
    assert_eq!(tools(&station).kind(), ToolKind::Freehand);
    assert_eq!(tools(&station).freehand.mode(), FreehandMode::Replace);
    station.act(Action::NextChoice(Aspect::Does));
    assert_eq!(tools(&station).freehand.mode(), FreehandMode::Auto, "round to the first");
    station.act(Action::SelectShape);
    station.act(Action::NextChoice(Aspect::Kind));
    assert_eq!(tools(&station).shape.kind(), ShapeKind::Spline);
    // What two tools share changes neither for the other.
    station.act(Action::SelectEraser);
    station.act(Action::Choose(Choice::Reach(BrushReach::Ball)));
    assert_eq!((tools(&station).kind(), tools(&station).brush.reach()), (ToolKind::Eraser, BrushReach::Ball));
    station.act(Action::NextChoice(Aspect::Does));
    assert_eq!(tools(&station).kind(), ToolKind::Eraser, "it has nothing to switch");

    for wanted in [Overwrite::Stop, Overwrite::Visible, Overwrite::Unlocked, Overwrite::Overlap] {
        station.act(Action::NextOverwrite);
        assert_eq!(session(&station).overwrite(), wanted);
    }
    station.act(Action::ToggleSnap);
    assert!(tools(&station).between.is_on() && tools(&station).between.snaps());
    station.act(Action::ToggleSnap);
    assert!(tools(&station).between.is_on() && !tools(&station).between.snaps());

    for info in TABLE.iter().filter(|info| info.group == Group::Option) {
        assert!(station.act_on_options(info.action), "{}", info.name);
        if let Action::Choose(choice) = info.action {
            assert!(tools(&station).has_chosen(choice) && choice.is_for(tools(&station).kind()));
        }
    }
    station.close_all();
}

#[test]
fn a_stroke_stays_what_it_began_as() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    station.act(Action::Choose(Choice::Brush(BrushMode::Add)));
    let area = |station: &Workstation| {
        session(station).structures().roi_named("Liver").unwrap().planes[0].area_mm2()
    };
    let before = area(&station);
    event(&mut station, ToolEvent::Press(at(0.0), Modifiers::default()));
    station.act(Action::NextChoice(Aspect::Does));
    station.act(Action::Choose(Choice::Shape(ShapeKind::Ellipse)));
    assert_eq!((tools(&station).kind(), tools(&station).brush.mode()), (ToolKind::Brush, BrushMode::Add));
    event(&mut station, ToolEvent::Drag(at(20.0)));
    event(&mut station, ToolEvent::Release(at(20.0)));
    assert!(area(&station) > before, "painted to the end");
    let painted = area(&station);
    station.act(Action::NextChoice(Aspect::Does));
    event(&mut station, ToolEvent::Press(at(20.0), Modifiers::default()));
    event(&mut station, ToolEvent::Release(at(20.0)));
    assert!(area(&station) < painted, "the next one cuts");
    station.close_all();
}

#[test]
fn walking_through_structures_stays_on_the_slice_where_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    for (name, slices) in [("Heart", &[3, 7][..]), ("SpinalCord", &[9]), ("Eye_L", &[])] {
        add(&mut station, name);
        for slice in slices {
            let stroke = draw(session(&station), name, *slice, vec![square(0.0, 0.0, 10.0)]);
            assert!(station.apply(stroke));
        }
    }
    let liver = session(&station).structures().roi_named("Liver").unwrap().id;
    station.select(Some(liver));
    station.state.views.as_mut().unwrap().go_to_slice(3);
    let mut step = |action: Action| {
        station.act(action);
        (session(&station).selected().unwrap().name.clone(), station.slice().unwrap())
    };
    for (action, name, slice) in [
        (Action::NextStructure, "Heart", 3),
        (Action::NextStructure, "SpinalCord", 9),
        (Action::NextStructure, "Eye_L", 9),
        (Action::NextStructure, "Liver", 3),
        (Action::PreviousStructure, "Eye_L", 3),
        (Action::PreviousStructure, "SpinalCord", 9),
        (Action::PreviousStructure, "Heart", 7),
        (Action::PreviousStructure, "Liver", 3),
    ] {
        assert_eq!(step(action), (name.to_owned(), slice), "{action:?}");
    }
    station.close_all();
}

#[test]
fn a_message_names_the_key_as_it_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    let mut own = crate::ui::keymap::KeyMap::default();
    own.set(Action::CopyContour, egui::KeyboardShortcut::new(egui::Modifiers::NONE, egui::Key::F8)).unwrap();
    crate::ui::keymap::use_map(&own);
    station.act(Action::PasteContour);
    let said = station.state().toasts.list().last().unwrap().text.clone();
    crate::ui::keymap::use_map(&crate::ui::keymap::KeyMap::default());
    assert!(said.contains("Copy contour (F8)"), "{said}");
    station.close_all();
}
