//! What wheel, drags, double clicks and keys do in the views.

use super::shared::{Window, button_event, clicks, drag, is_drawn_in, key, stroke, wait};
use super::{name_structure, window, write_variant};
use delineo::render::{Quality, ViewKind, Window as Windowing};
use delineo::ui::views::{Pane, ViewsState};
use egui::{Event, Key, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, Pos2, TouchPhase, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use std::f64::consts::{FRAC_PI_2, TAU};
use std::path::Path;
use std::time::Duration;

pub(super) fn views<'h>(harness: &'h Harness<'_, Window>) -> &'h ViewsState {
    harness.state().0.state().views.as_ref().unwrap()
}

pub(super) fn opened<'a>(folder: &Path) -> Harness<'a, Window> {
    let ball = super::ball::write_ball(folder);
    let mut harness = window(&[ball], &folder.join("data"));
    wait(&mut harness, "the scan", |station| station.session().is_some());
    harness
}

/// So many lines of the wheel with the pointer at a place.
pub(super) fn wheel(harness: &mut Harness<'_, Window>, at: Pos2, lines: f32, modifiers: Modifiers) {
    harness.event(Event::PointerMoved(at));
    harness.step();
    harness.event(Event::MouseWheel {
        unit: MouseWheelUnit::Line,
        delta: vec2(0.0, lines),
        phase: TouchPhase::Move,
        source: MouseWheelSource::Unknown,
        modifiers,
    });
    harness.step();
    harness.step();
}

#[test]
fn the_wheel_scrolls_by_one_and_ten_and_zooms_to_the_pointer() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    let center = harness.get_by_label("Axial view").rect().center();
    let slice = |harness: &Harness<'_, Window>| {
        let navigation = &views(harness).navigation;
        navigation.stack(ViewKind::Axial).index_of(navigation.crosshair_mm())
    };
    let start = slice(&harness);
    wheel(&mut harness, center, 1.0, Modifiers::NONE);
    assert_eq!(slice(&harness), start + 1, "towards the head");
    wheel(&mut harness, center, -1.0, Modifiers::NONE);
    assert_eq!(slice(&harness), start);
    wheel(&mut harness, center, -1.0, Modifiers::SHIFT);
    assert_eq!(slice(&harness), start.saturating_sub(10), "ten, or to the end");
    key(&mut harness, Modifiers::NONE, Key::ArrowUp);
    assert_eq!(slice(&harness), start.saturating_sub(10) + 1);
    // Zooming holds the point under the pointer.
    let at = center + vec2(60.0, -40.0);
    let under = |harness: &mut Harness<'_, Window>| {
        harness.event(Event::PointerMoved(at));
        harness.step();
        harness.step();
        views(harness).hover.clone().unwrap().point_mm
    };
    let before = under(&mut harness);
    wheel(&mut harness, at, 3.0, Modifiers::COMMAND);
    let look = *views(&harness).navigation.look(ViewKind::Axial).expect("zoomed");
    let held = under(&mut harness);
    assert!((held - before).norm() < 0.01, "{held} is not {before}");
    wheel(&mut harness, at, 1.0, Modifiers::COMMAND);
    let closer = *views(&harness).navigation.look(ViewKind::Axial).unwrap();
    assert!((look.mm_per_point / closer.mm_per_point - 1.15).abs() < 1e-6, "{look:?} {closer:?}");
    assert_eq!(slice(&harness), start.saturating_sub(10) + 1, "zooming does not scroll");
}

#[test]
fn alt_and_the_wheel_size_the_tip_in_hand_however_finely_they_turn() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    name_structure(&mut harness, "Heart");
    let sizes = |harness: &Harness<'_, Window>| {
        let tools = &views(harness).tools;
        (tools.brush.radius_mm(), tools.segment.settings().scribble_mm)
    };
    let (radius, thin) = sizes(&harness);
    let center = harness.get_by_label("Axial view").rect().center();
    for _ in 0..3 {
        wheel(&mut harness, center, 0.25, Modifiers::ALT);
    }
    assert_eq!(sizes(&harness), (radius, thin), "not yet a step");
    wheel(&mut harness, center, 0.25, Modifiers::ALT);
    let (larger, _) = sizes(&harness);
    assert!(larger > radius);
    // Also with Ctrl held to cut; the picture is not zoomed.
    wheel(&mut harness, center, -1.0, Modifiers::ALT | Modifiers::COMMAND);
    assert!(sizes(&harness).0 < larger && views(&harness).navigation.look(ViewKind::Axial).is_none());
    let (radius, _) = sizes(&harness);
    key(&mut harness, Modifiers::SHIFT, Key::J);
    let center = harness.get_by_label("Axial view").rect().center();
    wheel(&mut harness, center, 2.0, Modifiers::ALT);
    assert_eq!(sizes(&harness), (radius, thin + 1.0), "scribbles have their own");
    key(&mut harness, Modifiers::NONE, Key::OpenBracket);
    assert_eq!(sizes(&harness), (radius, thin + 0.5));
}

#[test]
fn keys_that_the_left_hand_rests_on_do_not_drop_a_stroke() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    name_structure(&mut harness, "Heart");
    let center = harness.get_by_label("Axial view").rect().center();
    let radius = views(&harness).tools.brush.radius_mm();
    harness.event(Event::PointerMoved(center));
    harness.step();
    harness.event(button_event(PointerButton::Primary, center, true));
    harness.step();
    for (modifiers, pressed) in [
        (Modifiers::NONE, Key::E),
        (Modifiers::NONE, Key::N),
        (Modifiers::COMMAND, Key::W),
        (Modifiers::COMMAND, Key::E),
        (Modifiers::COMMAND, Key::CloseBracket),
    ] {
        key(&mut harness, modifiers, pressed);
        assert!(views(&harness).tools.is_busy(), "{pressed:?}");
    }
    assert!(views(&harness).tools.brush.radius_mm() > radius, "sized all the same");
    let to = center + vec2(40.0, 0.0);
    harness.event(Event::PointerMoved(to));
    harness.step();
    harness.event(button_event(PointerButton::Primary, to, false));
    harness.step();
    harness.step();
    assert_eq!(views(&harness).tools.kind(), delineo::tools::ToolKind::Brush);
    assert_eq!(harness.state().0.session().unwrap().selected().unwrap().planes.len(), 1);
    // With the button up they are what they were.
    key(&mut harness, Modifiers::NONE, Key::E);
    assert_eq!(views(&harness).tools.kind(), delineo::tools::ToolKind::Eraser);
}

#[test]
fn middle_drag_pans_right_drag_windows_and_home_fits() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    let center = harness.get_by_label("Coronal view").rect().center();
    let crosshair = views(&harness).navigation.crosshair_mm();
    assert!(views(&harness).navigation.look(ViewKind::Coronal).is_none());
    drag(&mut harness, PointerButton::Middle, &[center, center + vec2(40.0, 0.0)]);
    let look = *views(&harness).navigation.look(ViewKind::Coronal).expect("panned");
    let moved = look.center_mm.x - crosshair.x;
    assert!((moved + 40.0 * look.mm_per_point).abs() < look.mm_per_point, "{moved} mm for 40 points");
    key(&mut harness, Modifiers::NONE, Key::Home);
    assert!(views(&harness).navigation.look(ViewKind::Coronal).is_none());
    assert_eq!(views(&harness).display.window, Windowing { level: 40.0, width: 400.0 });
    drag(&mut harness, PointerButton::Secondary, &[center, center + vec2(30.0, 0.0)]);
    let wide = views(&harness).display.window;
    assert!((wide.level - 40.0).abs() < 1e-3 && (wide.width - 440.0).abs() < 0.5, "{wide:?}");
    drag(&mut harness, PointerButton::Secondary, &[center, center + vec2(0.0, -30.0)]);
    assert!(views(&harness).display.window.level < 0.0, "{:?}", views(&harness).display.window);
    assert_eq!(views(&harness).navigation.crosshair_mm(), crosshair, "no drag moved the crosshair");
}

#[test]
fn the_keys_1_to_9_set_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    let opened_with = views(&harness).display.opened_window;
    let wanted = [
        (Key::Num2, -600.0, 1500.0),
        (Key::Num3, 400.0, 1800.0),
        (Key::Num4, 40.0, 80.0),
        (Key::Num5, 50.0, 250.0),
        (Key::Num6, 60.0, 160.0),
        (Key::Num7, 50.0, 350.0),
        (Key::Num8, -485.0, 1030.0),
        (Key::Num1, 40.0, 400.0),
    ];
    for (number, level, width) in wanted {
        key(&mut harness, Modifiers::NONE, number);
        let window = views(&harness).display.window;
        assert!((window.level - level).abs() < 0.6 && (window.width - width).abs() < 0.6, "{window:?}");
    }
    key(&mut harness, Modifiers::NONE, Key::Num3);
    key(&mut harness, Modifiers::NONE, Key::Num9);
    assert_eq!(views(&harness).display.window, opened_with);
}

#[test]
fn a_view_fills_the_window_by_double_click_corner_button_and_enter() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    name_structure(&mut harness, "Heart");
    let axial = Pane::Slice(ViewKind::Axial);
    let maximised = |harness: &Harness<'_, Window>| views(harness).navigation.maximised;
    // With the brush in hand, on the view's name; nothing is painted there.
    let name = harness.get_by_label("Axial view").rect().left_top() + vec2(16.0, 14.0);
    clicks(&mut harness, name, 2);
    assert_eq!(maximised(&harness), Some(axial));
    assert!(harness.query_by_label("Coronal view").is_none());
    let name = harness.get_by_label("Axial view").rect().left_top() + vec2(16.0, 14.0);
    clicks(&mut harness, name, 2);
    assert_eq!(maximised(&harness), None);
    assert!(harness.state().0.session().unwrap().selected().unwrap().planes.is_empty());
    // The corner's button, in a slice view and in 3D.
    for (label, pane) in [("Sagittal view", Pane::Slice(ViewKind::Sagittal)), ("3D view", Pane::Volume)] {
        harness.get_by_label(&format!("Maximise {label}")).click();
        harness.step();
        harness.step();
        assert_eq!(maximised(&harness), Some(pane));
        harness.get_by_label(&format!("Restore {label}")).click();
        harness.step();
        harness.step();
        assert_eq!(maximised(&harness), None);
    }
    // In the picture: with the brush it paints, with the crosshair it maximises.
    let center = harness.get_by_label("Axial view").rect().center();
    clicks(&mut harness, center, 2);
    assert_eq!(maximised(&harness), None);
    assert_eq!(harness.state().0.session().unwrap().selected().unwrap().planes.len(), 1);
    key(&mut harness, Modifiers::NONE, Key::C);
    clicks(&mut harness, center, 2);
    assert_eq!(maximised(&harness), Some(axial));
    key(&mut harness, Modifiers::NONE, Key::Enter);
    assert_eq!(maximised(&harness), None);
    key(&mut harness, Modifiers::NONE, Key::Enter);
    assert_eq!(maximised(&harness), Some(axial));
}

#[test]
fn space_held_shows_the_picture_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_variant(folder.path(), "Sample", |series| series.info.patient.id = "SAMPLE-1".into());
    let mut harness = window(&[path], &folder.path().join("data"));
    wait(&mut harness, "the scan", |station| station.session().is_some());
    let rect = harness.get_by_label("Axial view").rect();
    assert!(is_drawn_in(&harness, rect, "L 40 W 400 HU"));
    harness.key_down(Key::Space);
    harness.step();
    harness.step();
    assert!(views(&harness).display.peek);
    assert!(!is_drawn_in(&harness, rect, "L 40 W 400 HU"));
    assert!(is_drawn_in(&harness, rect, "SYNTHETIC"), "what must always be said stays");
    harness.key_up(Key::Space);
    harness.step();
    harness.step();
    assert!(!views(&harness).display.peek);
    assert!(is_drawn_in(&harness, rect, "L 40 W 400 HU"));
}

#[test]
fn the_3d_view_is_refined_when_it_stands_still_and_turned_by_its_cube() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    let quality =
        |harness: &Harness<'_, Window>| views(harness).volume_quality(harness.ctx.input(|input| input.time));
    let soon = |harness: &Harness<'_, Window>| {
        harness.output().viewport_output[&egui::ViewportId::ROOT].repaint_delay < Duration::from_millis(200)
    };
    let view = harness.get_by_label("3D view").rect().center();
    let cube = harness.get_by_label("Orientation cube").rect().center();
    // A click on the face that looks at the viewer: from the front.
    clicks(&mut harness, cube, 1);
    let angles = |harness: &Harness<'_, Window>| {
        let camera = views(harness).navigation.orbit.expect("turned");
        (camera.azimuth, camera.elevation)
    };
    assert_eq!(angles(&harness), (0.0, 0.0));
    // A quarter turn by hand is 200 points.
    harness.event(Event::PointerMoved(view - vec2(100.0, 0.0)));
    harness.step();
    harness.event(button_event(PointerButton::Primary, view - vec2(100.0, 0.0), true));
    harness.step();
    harness.event(Event::PointerMoved(view + vec2(100.0, 20.0)));
    harness.step();
    assert_eq!(quality(&harness), Quality::Moving);
    assert!(soon(&harness), "the next frame is asked for");
    harness.event(button_event(PointerButton::Primary, view + vec2(100.0, 20.0), false));
    harness.step();
    harness.step();
    assert_eq!(quality(&harness), Quality::Still);
    let (turned, tilted) = angles(&harness);
    let quarter = |azimuth: f64| ((azimuth / FRAC_PI_2).round() - azimuth / FRAC_PI_2).abs() < 1e-3;
    assert!(quarter(turned) && turned.rem_euclid(TAU) > 1.0, "{turned}");
    assert!(tilted.abs() > 0.05);
    // And the cube sets it upright again, seen from that side.
    clicks(&mut harness, cube, 1);
    let (upright, level) = angles(&harness);
    assert!((upright - turned).abs() < 1e-3 && level == 0.0, "{upright} {level}");
    // The wheel comes closer.
    let before = views(&harness).navigation.orbit.unwrap().mm_per_pixel;
    wheel(&mut harness, view, 2.0, Modifiers::NONE);
    let after = views(&harness).navigation.orbit.unwrap().mm_per_pixel;
    assert!(after < before * 0.9, "{after} mm a pixel after {before}");
}

#[test]
fn what_a_person_must_know_of_a_scan_stands_in_its_views() {
    let folder = tempfile::tempdir().unwrap();
    let path = write_variant(folder.path(), "Prone", |series| {
        series.info.patient.id = "SAMPLE-1".into();
        series.info.patient_position = Some("HFP".into());
    });
    std::fs::remove_file(path.join("CT_0005.dcm")).unwrap();
    let mut harness = window(&[path], &folder.path().join("data"));
    wait(&mut harness, "the scan", |station| station.session().is_some());
    // The one warning names the file it is about.
    let told: Vec<_> = harness.state().0.state().toasts.list().iter().map(|toast| &toast.text).collect();
    assert!(told.iter().any(|text| text.contains("missing") && text.contains("CT_0004")), "{told:?}");
    for label in ["Axial view", "Coronal view", "Sagittal view", "3D view"] {
        let rect = harness.get_by_label(label).rect();
        assert!(is_drawn_in(&harness, rect, "SYNTHETIC"), "{label}");
        assert!(is_drawn_in(&harness, rect, "Prone"), "{label}");
    }
    let session = harness.state().0.session().unwrap();
    let missing = session.series().volume.slices.iter().position(|slice| slice.missing).expect("one");
    let notice = "This slice is missing from the series. It cannot be drawn on.";
    let rect = harness.get_by_label("Axial view").rect();
    let index = |harness: &Harness<'_, Window>| {
        let navigation = &views(harness).navigation;
        navigation.stack(ViewKind::Axial).index_of(navigation.crosshair_mm())
    };
    for _ in 0..12 {
        let at = index(&harness);
        assert_eq!(is_drawn_in(&harness, rect, notice), at == missing, "at slice {at}");
        if at == missing {
            break;
        }
        wheel(&mut harness, rect.center(), if at < missing { 1.0 } else { -1.0 }, Modifiers::NONE);
    }
    assert_eq!(index(&harness), missing);
    // And it takes no stroke.
    name_structure(&mut harness, "Heart");
    stroke(&mut harness, &[rect.center(), rect.center() + vec2(30.0, 0.0)]);
    assert!(harness.state().0.session().unwrap().selected().unwrap().planes.is_empty());
    let said = views(&harness).message.clone().expect("why nothing was drawn").1;
    assert!(said.contains("missing from the series"), "{said}");
}

/// A key pressed in the same frame as what came before it.
fn press_at_once(harness: &mut Harness<'_, Window>, key: Key) {
    for pressed in [true, false] {
        let modifiers = Modifiers::NONE;
        let event = Event::Key { key, physical_key: None, pressed, repeat: false, modifiers };
        harness.input_mut().events.push(event);
    }
    harness.step();
    harness.step();
}

#[test]
fn enter_and_arrows_act_on_the_view_under_the_pointer_however_slow_the_frame() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    let center = |harness: &Harness<'_, Window>, label: &str| harness.get_by_label(label).rect().center();
    let maximised = |harness: &Harness<'_, Window>| views(harness).navigation.maximised;
    let place = |harness: &Harness<'_, Window>| views(harness).navigation.crosshair_mm();
    let axial = center(&harness, "Axial view");
    harness.event(Event::PointerMoved(axial));
    harness.step();
    // The pointer moves and the key is pressed before the next frame is drawn.
    let coronal = center(&harness, "Coronal view");
    let before = place(&harness);
    harness.input_mut().events.push(Event::PointerMoved(coronal));
    press_at_once(&mut harness, Key::ArrowUp);
    let moved = place(&harness) - before;
    assert!(moved.y.abs() > 1.0 && moved.z.abs() < 1e-9, "{moved}: along the coronal view's normal");
    let sagittal = center(&harness, "Sagittal view");
    harness.input_mut().events.push(Event::PointerMoved(sagittal));
    press_at_once(&mut harness, Key::Enter);
    assert_eq!(maximised(&harness), Some(Pane::Slice(ViewKind::Sagittal)));
    key(&mut harness, Modifiers::NONE, Key::Enter);
    assert_eq!(maximised(&harness), None);
    // A key moves the focus on, though the pointer rests over a view, until the pointer moves.
    key(&mut harness, Modifiers::NONE, Key::W);
    assert_eq!(views(&harness).navigation.focus, Pane::Slice(ViewKind::Axial));
    key(&mut harness, Modifiers::NONE, Key::Enter);
    assert_eq!(maximised(&harness), Some(Pane::Slice(ViewKind::Axial)));
    key(&mut harness, Modifiers::NONE, Key::Enter);
    harness.event(Event::PointerMoved(coronal));
    harness.step();
    assert_eq!(views(&harness).navigation.focus, Pane::Slice(ViewKind::Coronal));
}

pub(super) fn right_click(harness: &mut Harness<'_, Window>, at: Pos2) {
    harness.event(Event::PointerMoved(at));
    harness.step();
    for pressed in [true, false] {
        harness.event(button_event(PointerButton::Secondary, at, pressed));
        harness.step();
    }
    harness.step();
}

#[test]
fn a_right_click_opens_a_menu_that_neither_its_closing_click_nor_esc_draws_or_drops_anything_by() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    name_structure(&mut harness, "Heart");
    let center = harness.get_by_label("Axial view").rect().center();
    stroke(&mut harness, &[center]);
    let area = |harness: &Harness<'_, Window>| -> f64 {
        let roi = harness.state().0.session().unwrap().selected().unwrap();
        roi.planes.iter().map(|own| own.area_mm2()).sum()
    };
    let painted = area(&harness);
    assert!(painted > 0.0);
    let is_open =
        |harness: &Harness<'_, Window>| harness.query_by_label_contains("Move the crosshair here").is_some();
    // In the view: what is done on its slice is there.
    right_click(&mut harness, center);
    assert!(is_open(&harness));
    harness.get_by_label_contains("Copy contour").click();
    harness.step();
    harness.step();
    assert!(views(&harness).clipboard.is_some() && !is_open(&harness));
    // The click beside it closes it, and paints nothing; the next one paints.
    right_click(&mut harness, center);
    assert!(is_open(&harness));
    let beside = center + vec2(0.0, -90.0);
    stroke(&mut harness, &[beside]);
    assert!(!is_open(&harness) && (area(&harness) - painted).abs() < 1e-9);
    stroke(&mut harness, &[beside]);
    assert!(area(&harness) > painted);
    key(&mut harness, Modifiers::COMMAND, Key::Z);
    // Esc closes it, and leaves the brush in hand.
    right_click(&mut harness, center);
    key(&mut harness, Modifiers::NONE, Key::Escape);
    harness.step();
    assert!(!is_open(&harness));
    assert_eq!(views(&harness).tools.kind(), delineo::tools::ToolKind::Brush);
    // The structure's row has the same: onto the next slice and pasted there.
    key(&mut harness, Modifiers::NONE, Key::ArrowUp);
    let row = harness.get_by_label("Heart, accepted").rect().center();
    right_click(&mut harness, row);
    harness.get_by_label_contains("Paste contour").click();
    harness.step();
    harness.step();
    let roi = harness.state().0.session().unwrap().selected().unwrap().clone();
    assert_eq!(roi.planes.len(), 2);
    assert!((area(&harness) - 2.0 * painted).abs() < 1e-6 * painted);
    // A right drag sets the window and opens nothing.
    drag(&mut harness, PointerButton::Secondary, &[center, center + vec2(30.0, 0.0)]);
    assert!(!is_open(&harness));
}
