//! Views turned about the crosshair: by keys and by its handles, and what is done in them.

use super::hands::{opened, views, wheel};
use super::name_structure;
use super::shared::{Window, button_event, drawn_texts, is_drawn_in, key, stroke};
use delineo::render::ViewKind;
use egui::{Event, Key, Modifiers, PointerButton, Pos2, Rect, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use std::f64::consts::PI;

const CTRL: Modifiers = Modifiers::COMMAND;

fn point_at(harness: &mut Harness<'_, Window>, at: Pos2) {
    harness.event(Event::PointerMoved(at));
    harness.step();
    harness.step();
}

fn rect(harness: &Harness<'_, Window>, label: &str) -> Rect {
    harness.get_by_label(label).rect()
}

/// Turned by so many degrees each of axial, sagittal and coronal.
fn degrees(harness: &Harness<'_, Window>) -> [f64; 3] {
    ViewKind::ALL.map(|kind| {
        let turned = views(harness).navigation.turn_of(kind);
        turned.map_or(0.0, |turned| turned.angle().to_degrees())
    })
}

fn are_near(got: [f64; 3], wanted: [f64; 3], within: f64) -> bool {
    got.iter().zip(wanted).all(|(got, wanted)| (got - wanted).abs() < within)
}

fn turn_by_five(harness: &mut Harness<'_, Window>, over: &str, times: usize) {
    let center = rect(harness, over).center();
    point_at(harness, center);
    for _ in 0..times {
        key(harness, CTRL.plus(Modifiers::SHIFT), Key::ArrowRight);
    }
}

#[test]
fn keys_turn_the_other_two_planes_and_a_button_straightens_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    let crosshair = views(&harness).navigation.crosshair_mm();
    turn_by_five(&mut harness, "Coronal view", 4);
    assert!(are_near(degrees(&harness), [20.0, 20.0, 0.0], 1e-6), "{:?}", degrees(&harness));
    for (label, title) in [
        ("Axial view", "Axial, turned 20°"),
        ("Sagittal view", "Sagittal, turned 20°"),
        ("Coronal view", "Coronal"),
    ] {
        assert!(is_drawn_in(&harness, rect(&harness, label), title), "{title}");
    }
    let axial = rect(&harness, "Axial view");
    let offset = |harness: &Harness<'_, Window>| {
        let texts = drawn_texts(harness);
        texts.into_iter().any(|(text, at)| axial.contains_rect(at) && text.ends_with("off the scan's middle"))
    };
    assert!(offset(&harness), "where it is, for there is no slice number");
    assert_eq!(views(&harness).navigation.crosshair_mm(), crosshair);
    // Back by single degrees.
    let coronal = rect(&harness, "Coronal view").center();
    point_at(&mut harness, coronal);
    for _ in 0..3 {
        key(&mut harness, CTRL, Key::ArrowLeft);
    }
    assert!(are_near(degrees(&harness), [17.0, 17.0, 0.0], 1e-6));
    harness.get_by_label("Straighten Axial view").click();
    harness.step();
    harness.step();
    assert!(!views(&harness).navigation.is_turned() && !offset(&harness));
    assert!(is_drawn_in(&harness, axial, "Axial"));
    // And by a key.
    turn_by_five(&mut harness, "Sagittal view", 1);
    assert!(are_near(degrees(&harness), [5.0, 0.0, 5.0], 1e-6));
    key(&mut harness, CTRL, Key::Home);
    assert!(!views(&harness).navigation.is_turned());
    assert_eq!(views(&harness).navigation.crosshair_mm(), crosshair);
}

#[test]
fn a_handle_of_the_crosshair_turns_and_escape_puts_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    let crosshair = views(&harness).navigation.crosshair_mm();
    let axial = rect(&harness, "Axial view");
    let center = axial.center();
    let reach = axial.right() - 34.0 - center.x;
    let at = |degrees: f32| center + egui::Vec2::angled(degrees.to_radians()) * reach;
    stroke(&mut harness, &[at(0.0), at(10.0), at(20.0), at(30.0)]);
    assert!(are_near(degrees(&harness), [0.0, 30.0, 30.0], 1.0), "{:?}", degrees(&harness));
    assert_eq!(views(&harness).navigation.crosshair_mm(), crosshair, "the handle is not the tool's");
    assert!(views(&harness).navigation.shows_slices(), "the axial view shows its slice as before");
    assert!(is_drawn_in(&harness, axial, "Axial"));
    // Beside the handles a click goes there as ever.
    stroke(&mut harness, &[center + vec2(0.0, 40.0)]);
    assert!((views(&harness).navigation.crosshair_mm() - crosshair).norm() > 1.0);
    stroke(&mut harness, &[center]);
    key(&mut harness, CTRL, Key::Home);
    // Esc while the button is down.
    point_at(&mut harness, at(0.0));
    harness.event(button_event(PointerButton::Primary, at(0.0), true));
    harness.step();
    harness.event(Event::PointerMoved(at(25.0)));
    harness.step();
    harness.step();
    assert!(views(&harness).navigation.is_turned());
    key(&mut harness, Modifiers::NONE, Key::Escape);
    assert!(!views(&harness).navigation.is_turned());
    harness.event(Event::PointerMoved(at(50.0)));
    harness.step();
    harness.event(button_event(PointerButton::Primary, at(50.0), false));
    harness.step();
    harness.step();
    assert!(!views(&harness).navigation.is_turned());
    // With a tool in hand the handles are there while Alt is held only.
    name_structure(&mut harness, "Heart");
    stroke(&mut harness, &[at(0.0), at(20.0)]);
    assert!(!views(&harness).navigation.is_turned());
}

#[test]
fn the_brush_paints_a_ball_in_a_turned_view() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    name_structure(&mut harness, "Heart");
    turn_by_five(&mut harness, "Coronal view", 6);
    let axial = rect(&harness, "Axial view").center();
    stroke(&mut harness, &[axial]);
    let planes = |harness: &Harness<'_, Window>| {
        harness.state().0.session().unwrap().selected().unwrap().planes.clone()
    };
    let painted = planes(&harness);
    let volume = painted.iter().map(|own| own.area_mm2()).sum::<f64>() * 3.0;
    let wanted = 4.0 / 3.0 * PI * 512.0;
    assert!((volume - wanted).abs() < 0.05 * wanted, "{volume} mm3 for a ball of {wanted}");
    // What is done on "this slice" says which one it was done on.
    key(&mut harness, Modifiers::NONE, Key::Delete);
    assert_eq!(planes(&harness).len(), painted.len() - 1);
    let told: Vec<_> =
        harness.state().0.state().toasts.list().iter().map(|toast| toast.text.clone()).collect();
    assert!(told.iter().any(|text| text.contains("the nearest to the crosshair")), "{told:?}");
    key(&mut harness, CTRL, Key::Z);
    assert_eq!(planes(&harness), painted);
    key(&mut harness, CTRL, Key::Z);
    assert!(planes(&harness).is_empty(), "the ball was one step");
    // The wheel steps along the turned normal.
    let (before, normal, step) = {
        let navigation = &views(&harness).navigation;
        let stack = navigation.stack(ViewKind::Axial);
        (navigation.crosshair_mm(), stack.normal, stack.step_mm.unwrap())
    };
    wheel(&mut harness, axial, 1.0, Modifiers::NONE);
    let by = views(&harness).navigation.crosshair_mm() - before;
    assert!((by - normal * step).norm() < 1e-6, "{by}");
    assert!(step > 2.0 && step < 3.0, "between the sizes of a voxel: {step}");
}
