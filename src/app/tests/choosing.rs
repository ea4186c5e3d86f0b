//! Choosing options of tools and walking through structures, as keys and the search ask for it.

use super::*;
use crate::ai::BodyExtent;
use crate::edit::segment::LungSide;
use crate::patient::Unit;
use crate::session::Overwrite;
use crate::tools::{
    Aspect, BrushMode, BrushReach, Choice, FreehandMode, KeepPieces, Method, Modifiers, Number, Place,
    ShapeKind, TakeAs, Tip, ToolEvent, ToolKind, Tools, ViewPlane,
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

fn last_said(station: &Workstation) -> &str {
    station.state().toasts.list().last().map_or("", |toast| toast.text.as_str())
}

#[test]
fn options_of_find_by_values_are_carried_out_with_their_method_in_hand() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    let settings = |station: &Workstation| tools(station).segment.settings();
    station.act(Action::Choose(Choice::Keep(KeepPieces::Largest)));
    assert_eq!((tools(&station).kind(), settings(&station).method), (ToolKind::Segment, Method::Threshold));
    assert_eq!(settings(&station).keep, KeepPieces::Largest);
    assert!(settings(&station).range.is_some(), "it starts with the window");
    station.act(Action::Choose(Choice::Lung(Some(LungSide::Left))));
    assert_eq!((settings(&station).method, settings(&station).side), (Method::Lungs, Some(LungSide::Left)));
    // What several methods have leaves the one in hand.
    station.act(Action::Choose(Choice::TakeAs(TakeAs::Cut)));
    station.act(Action::Choose(Choice::FindIn(Place::Box)));
    assert_eq!((settings(&station).method, settings(&station).take_as), (Method::Lungs, TakeAs::Cut));
    assert!(settings(&station).has_chosen(Choice::FindIn(Place::Box)));
    // The left hand goes through them.
    station.act(Action::NextChoice(Aspect::Does));
    station.act(Action::NextChoice(Aspect::Kind));
    station.act(Action::NextChoice(Aspect::Reach));
    assert_eq!((settings(&station).take_as, settings(&station).side), (TakeAs::Add, Some(LungSide::Right)));
    assert!(settings(&station).has_chosen(Choice::FindIn(Place::Everything)));
    station.act(Action::NextRival);
    assert_eq!(settings(&station).method, Method::Pieces);
    station.act(Action::Choose(Choice::TakeAs(TakeAs::Cut)));
    assert_eq!(last_said(&station), "What lies between pieces is always added.");
    assert_eq!(settings(&station).take_as, TakeAs::Add);
    station.close_all();
}

#[test]
fn a_number_that_is_asked_for_has_its_tool_and_its_option_in_hand() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    station.act(Action::SelectEraser);
    station.act(Action::Set(Number::BrushRadius));
    assert_eq!(tools(&station).kind(), ToolKind::Eraser, "it has a radius too");
    station.act(Action::Set(Number::BrushFrom));
    assert_eq!(tools(&station).kind(), ToolKind::Brush);
    assert!(tools(&station).has_chosen(Choice::Tip(Tip::Range)));
    station.act(Action::Set(Number::BoneCore));
    assert_eq!(tools(&station).segment.settings().method, Method::Bones);
    station.act(Action::Set(Number::LeastVolume));
    assert!(tools(&station).has_chosen(Choice::Keep(KeepPieces::Above)));
    station.act(Action::Set(Number::SnapReach));
    assert!(tools(&station).between.is_on() && tools(&station).between.snaps());
    for number in Number::ALL {
        station.act(Action::Set(number));
        let kind = tools(&station).kind();
        assert!(number.tools().is_empty() || number.tools().contains(&kind), "{number:?} with {kind:?}");
        assert!(number.choice().is_none_or(|choice| tools(&station).has_chosen(choice)), "{number:?}");
        let method = tools(&station).segment.settings().method;
        assert!(number.methods().is_empty() || number.methods().contains(&method), "{number:?}");
    }
    // An outline under way waits while a number of another tool is set.
    station.act(Action::Choose(Choice::Shape(ShapeKind::Polygon)));
    event(&mut station, ToolEvent::Press(at(0.0), Modifiers::default()));
    event(&mut station, ToolEvent::Release(at(0.0)));
    assert!(tools(&station).waits_to_close());
    for (number, kind) in [(Number::GrowNecks, ToolKind::Grow), (Number::BrushRadius, ToolKind::Brush)] {
        station.act(Action::Set(number));
        assert!(!tools(&station).waits_to_close() && tools(&station).kind() == kind, "{number:?}");
    }
    station.act(Action::SelectShape);
    assert_eq!((tools(&station).waits_to_close(), tools(&station).anchors().len()), (true, 1));
    station.close_all();
}

#[test]
fn a_number_without_a_field_is_told_of_and_a_card_is_there_for_one_that_has() {
    use crate::geometry::Point3;
    use crate::ui::state::{Fold, Place as WindowPlace};
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    let told = |station: &Workstation| station.state().toasts.list().len();
    let before = told(&station);
    // Also with the method in hand already, and the card folded away.
    for _ in 0..2 {
        station.state.place = WindowPlace::Check;
        station.state.inspector = Fold::Closed;
        station.act(Action::Set(Number::ThresholdFrom));
        assert_eq!((station.state.place, station.state.inspector), (WindowPlace::Correct, Fold::Open));
    }
    station.act(Action::Set(Number::BoxDepth));
    assert_eq!(told(&station), before, "both have a field");
    event(&mut station, ToolEvent::Press(Point3::new(-15.0, -15.0, 9.0), Modifiers::default()));
    event(&mut station, ToolEvent::Drag(Point3::new(15.0, 15.0, 9.0)));
    event(&mut station, ToolEvent::Release(Point3::new(15.0, 15.0, 9.0)));
    assert!(tools(&station).segment.search_box().is_some());
    station.act(Action::Set(Number::BoxDepth));
    assert!(last_said(&station).starts_with("The box is drawn"), "{}", last_said(&station));
    station.act(Action::Choose(Choice::FillAll(true)));
    station.act(Action::Set(Number::SearchReach));
    assert!(last_said(&station).starts_with("All of a region"), "{}", last_said(&station));
    station.act(Action::Choose(Choice::FillAll(false)));
    station.act(Action::Set(Number::SearchReach));
    assert!(last_said(&station).starts_with("All of the place"), "it is a box: {}", last_said(&station));
    for number in [Number::DoseLevel, Number::Prescription] {
        station.act(Action::Set(number));
        assert_eq!(last_said(&station), "This can be set once a dose is open.", "{number:?}");
    }
    station.select(None);
    station.act(Action::Set(Number::KeepEvery));
    assert_eq!(last_said(&station), "This can be set once a structure is selected.");
    station.close_all();
}

#[test]
fn what_the_images_have_nothing_for_is_said_and_not_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let mut series = axial_series();
    Arc::make_mut(&mut series.volume).unit = Unit::SuvBw;
    let mut station = at_work(series, folder.path());
    for action in [
        Action::Segment(Method::Body),
        Action::Choose(Choice::Extent(BodyExtent::Couch)),
        Action::Set(Number::BoneFrom),
    ] {
        station.act(action);
        assert!(last_said(&station).contains("needs a CT"), "{}", last_said(&station));
        assert_ne!(tools(&station).kind(), ToolKind::Segment, "{action:?}");
    }
    assert_eq!(tools(&station).segment.settings().extent, BodyExtent::Patient);
    station.close_all();
}

#[test]
fn accepting_where_nothing_is_dashed_goes_to_what_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut station = at_work(axial_series(), folder.path());
    let stroke = draw(session(&station), "Liver", 7, vec![square(0.0, 0.0, 20.0)]);
    assert!(station.apply(stroke));
    station.state.views.as_mut().unwrap().go_to_slice(0);
    let drawn =
        |station: &Workstation| session(station).structures().roi_named("Liver").unwrap().planes.len();
    // Nothing is dashed, and nothing is proposed.
    station.act(Action::AcceptProposal);
    assert!(last_said(&station).contains("nothing is dashed"), "{}", last_said(&station));
    station.act(Action::TakeSuggested);
    assert_eq!(last_said(&station), "Nothing is dashed.");
    assert!(station.apply(proposals(&axial_series(), &["Heart"])));
    let liver = session(&station).structures().roi_named("Liver").unwrap().id;
    station.select(Some(liver));
    station.act(Action::RejectProposal);
    assert_eq!(last_said(&station), "Liver is not a proposal, Heart is. Select it to reject it.");
    // Dashed on slices 4 to 6: the first press shows the nearest, the second takes it.
    station.act(Action::FillBetween);
    station.act(Action::AcceptProposal);
    assert_eq!((station.slice(), drawn(&station)), (Some(4), 2), "seen before it is taken");
    let said =
        "Slice 1 had nothing dashed; this is slice 5, the nearest of 3. A takes this, Shift A takes all.";
    assert_eq!(last_said(&station), said);
    station.act(Action::AcceptProposal);
    assert_eq!((station.slice(), drawn(&station)), (Some(4), 3));
    station.act(Action::TakeSuggested);
    assert_eq!((station.slice(), drawn(&station)), (Some(5), 3));
    station.act(Action::TakeSuggested);
    station.act(Action::TakeSuggested);
    assert_eq!((station.slice(), drawn(&station)), (Some(6), 4));
    assert!(last_said(&station).contains("this is slice 7, the only one"), "{}", last_said(&station));
    station.close_all();
}
