//! A second series beside the first or blended over it: each picture is its own for the hands.

use super::shared::{Window, drag, is_drawn_in, key, stroke, wait};
use super::{name_structure, window, write_variant};
use delineo::geometry::Point3;
use delineo::render::Window as Windowing;
use delineo::tools::CursorShape;
use delineo::ui::views::{FusionMode, Half, ViewsState};
use egui::{Event, Key, Modifiers, PointerButton, Pos2, Rect, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use std::path::Path;

const HALVES: [&str; 2] = ["Axial view", "Axial view, second series"];

fn views<'h>(harness: &'h Harness<'_, Window>) -> &'h ViewsState {
    harness.state().0.state().views.as_ref().unwrap()
}

/// Two CT series of one frame of reference, the second blended over the first.
pub(super) fn blended<'a>(folder: &Path) -> Harness<'a, Window> {
    let study = folder.join("study");
    write_variant(&study, "First", |_| {});
    write_variant(&study, "Second", |series| series.info.uid = "2.25.79".into());
    let mut harness = window(&[study], &folder.join("data"));
    wait(&mut harness, "the scan", |station| station.session().is_some());
    key(&mut harness, Modifiers::COMMAND.plus(Modifiers::SHIFT), Key::S);
    harness.get_by_label("Blend").click();
    wait(&mut harness, "the second series", |station| {
        station.state().views.as_ref().is_some_and(|views| views.display.fusion.mode == FusionMode::Blend)
    });
    if harness.state().0.state().overlay.is_some() {
        key(&mut harness, Modifiers::NONE, Key::Escape);
    }
    harness
}

fn beside<'a>(folder: &Path) -> Harness<'a, Window> {
    let mut harness = blended(folder);
    key(&mut harness, Modifiers::NONE, Key::U);
    assert_eq!(views(&harness).display.fusion.mode, FusionMode::Beside);
    harness
}

fn rect(harness: &Harness<'_, Window>, label: &str) -> Rect {
    harness.get_by_label(label).rect()
}

/// Where the picture under the pointer says that `at` is.
fn hovered(harness: &mut Harness<'_, Window>, at: Pos2) -> (Half, Point3) {
    harness.event(Event::PointerMoved(at));
    harness.step();
    harness.step();
    harness.step();
    let hover = views(harness).hover.clone().expect("something is under the pointer");
    (hover.half, hover.point_mm)
}

#[test]
fn a_stroke_in_either_half_is_where_the_pointer_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = beside(folder.path());
    name_structure(&mut harness, "Heart");
    let radius = 8.0;
    for label in HALVES {
        let center = rect(&harness, label).center();
        let (from, to) = (center - vec2(20.0, 10.0), center + vec2(25.0, 15.0));
        let (_, from_mm) = hovered(&mut harness, from);
        let (_, to_mm) = hovered(&mut harness, to);
        stroke(&mut harness, &[from, center, to]);
        let roi = harness.state().0.session().unwrap().selected().unwrap().clone();
        assert_eq!(roi.planes.len(), 1, "{label}");
        assert_eq!(roi.planes[0].polygons.len(), 1, "{label}: one piece");
        let (low, high) = roi.planes[0].polygons[0].bounds().unwrap();
        let ends = [
            (low.x, from_mm.x.min(to_mm.x) - radius),
            (low.y, from_mm.y.min(to_mm.y) - radius),
            (high.x, from_mm.x.max(to_mm.x) + radius),
            (high.y, from_mm.y.max(to_mm.y) + radius),
        ];
        for (is, wanted) in ends {
            assert!((is - wanted).abs() < 0.3, "{label}: {is} is not {wanted}");
        }
        key(&mut harness, Modifiers::COMMAND, Key::Z);
        assert!(harness.state().0.session().unwrap().selected().unwrap().planes.is_empty());
    }
}

#[test]
fn hovering_in_either_half_stays_and_shows_the_brush() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = beside(folder.path());
    name_structure(&mut harness, "Heart");
    for (label, is_second) in HALVES.into_iter().zip([false, true]) {
        let at = rect(&harness, label).center() + vec2(7.0, 3.0);
        let (half, point) = hovered(&mut harness, at);
        assert_eq!(half.is_second, is_second, "{label}");
        let cursor = views(&harness).tools.cursor(harness.state().0.session().unwrap());
        match cursor.shape {
            CursorShape::Circle { center, .. } => assert!((center - point).norm() < 1e-6, "{label}"),
            other => panic!("{label}: {other:?}"),
        }
    }
}

#[test]
fn the_crosshair_follows_a_drag_in_either_half() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = beside(folder.path());
    key(&mut harness, Modifiers::NONE, Key::C);
    for label in HALVES {
        let center = rect(&harness, label).center();
        let to = center + vec2(30.0, 18.0);
        let (_, wanted) = hovered(&mut harness, to);
        stroke(&mut harness, &[center, to]);
        let at = views(&harness).navigation.crosshair_mm();
        assert!((at - wanted).norm() < 1e-6, "{label}: {at} is not {wanted}");
    }
}

#[test]
fn a_stroke_keeps_its_half_and_the_next_one_works_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = beside(folder.path());
    name_structure(&mut harness, "Heart");
    let at = rect(&harness, HALVES[1]).center();
    harness.event(Event::PointerMoved(at));
    harness.step();
    harness.event(super::shared::button_event(PointerButton::Primary, at, true));
    harness.event(Event::PointerMoved(at + vec2(10.0, 0.0)));
    harness.step();
    key(&mut harness, Modifiers::NONE, Key::U);
    assert_eq!(views(&harness).display.fusion.mode, FusionMode::Beside, "not in a stroke");
    harness.event(super::shared::button_event(PointerButton::Primary, at, false));
    harness.step();
    harness.step();
    let edits = |harness: &Harness<'_, Window>| harness.state().0.session().unwrap().history().done();
    let before = edits(&harness);
    let planes =
        |harness: &Harness<'_, Window>| harness.state().0.session().unwrap().selected().unwrap().planes.len();
    assert_eq!(planes(&harness), 1, "the stroke went on");
    key(&mut harness, Modifiers::NONE, Key::U);
    assert_eq!(views(&harness).display.fusion.mode, FusionMode::Off);
    let center = rect(&harness, "Axial view").center();
    stroke(&mut harness, &[center + vec2(0.0, 30.0), center + vec2(20.0, 30.0)]);
    assert_eq!(edits(&harness), before + 1);
}

#[test]
fn each_series_has_its_own_window_and_says_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = blended(folder.path());
    let (soft, bone) = (Windowing { level: 40.0, width: 400.0 }, Windowing { level: 400.0, width: 1800.0 });
    let windows = |harness: &Harness<'_, Window>| {
        let display = views(harness).display;
        (display.window, display.fusion.window)
    };
    assert_eq!(windows(&harness), (soft, soft));
    // Blended: a right drag is for the first, with Shift for the second.
    let center = rect(&harness, "Axial view").center();
    drag(&mut harness, PointerButton::Secondary, &[center, center + vec2(30.0, 0.0)]);
    let (first, second) = windows(&harness);
    assert!(first.width > soft.width + 10.0, "{first:?}");
    assert_eq!(second, soft);
    harness.event(Event::ModifiersChanged(Modifiers::SHIFT));
    harness.step();
    drag(&mut harness, PointerButton::Secondary, &[center, center + vec2(0.0, 30.0)]);
    harness.event(Event::ModifiersChanged(Modifiers::NONE));
    harness.step();
    assert_eq!(windows(&harness).0, first, "the first stays");
    assert!(windows(&harness).1.level > soft.level + 10.0, "{:?}", windows(&harness).1);
    // Presets: the first's while blended, beside it those of the series under the pointer.
    key(&mut harness, Modifiers::NONE, Key::Num1);
    assert_eq!(windows(&harness).0, soft);
    key(&mut harness, Modifiers::NONE, Key::U);
    let right = rect(&harness, HALVES[1]);
    hovered(&mut harness, right.center());
    key(&mut harness, Modifiers::NONE, Key::Num3);
    assert_eq!(windows(&harness), (soft, bone));
    assert!(is_drawn_in(&harness, rect(&harness, HALVES[0]), "CT L 40 W 400 HU"));
    assert!(is_drawn_in(&harness, right, "CT L 400 W 1800 HU"));
    key(&mut harness, Modifiers::NONE, Key::Num9);
    assert_eq!(windows(&harness), (soft, soft), "as opened");
}
