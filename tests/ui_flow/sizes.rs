//! Every size of window, light and dark: nothing overlaps in the bars, nothing leaves the window,
//! whose scan this is stays in sight, and so does what the tool in hand can do now.

use super::hands::views;
use super::shared::{Window, clicks, drawn_texts, is_drawn_in, key, sized_window, stroke, wait};
use super::{beside, name_structure, write_variant};
use delineo::tools::ToolKind;
use delineo::ui::actions::hint_text;
use delineo::ui::panels::TOOL_STRIP_HEIGHT;
use egui::{Event, Key, Modifiers, Rect, Shape, Vec2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use std::path::Path;

/// The texts of the bar at the top, icons included.
fn bar_texts(harness: &Harness<'_, Window>) -> Vec<(String, Rect)> {
    drawn_texts(harness)
        .into_iter()
        .filter(|(text, rect)| !text.is_empty() && rect.bottom() <= 40.0)
        .collect()
}

fn check_bar(harness: &Harness<'_, Window>, size: Vec2, what: &str) {
    let texts = bar_texts(harness);
    for word in ["Open", "Propose", "Correct", "Check", "Export"] {
        assert!(texts.iter().any(|(text, _)| text == word), "{what}: {word} in {texts:?}");
    }
    for (n, (text, rect)) in texts.iter().enumerate() {
        assert!(rect.left() >= 0.0 && rect.right() <= size.x, "{what}: {text} at {rect:?} leaves the window");
        for (other, place) in &texts[n + 1..] {
            let common = rect.intersect(*place);
            assert!(
                common.width() <= 1.0 || common.height() <= 1.0,
                "{what}: {text} at {rect:?} and {other} at {place:?}"
            );
        }
    }
}

fn opened<'a>(folder: &Path, size: Vec2, scale: f32, name: &str, id: &str) -> Harness<'a, Window> {
    let path = write_variant(folder, "Ball", |series| {
        series.info.patient.name = name.into();
        series.info.patient.id = id.into();
    });
    let mut harness = sized_window(&[path], &folder.join("data"), size, scale);
    wait(&mut harness, "the scan", |station| station.session().is_some());
    harness
}

#[test]
fn the_list_is_as_wide_as_its_names_need_and_moves_no_view_for_those_of_the_standard() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path(), vec2(1280.0, 800.0), 1.0, "Test^Window", "W-1");
    let view = harness.get_by_label("Axial view").rect();
    name_structure(&mut harness, "Bone_Mandible");
    harness.step();
    assert_eq!(harness.get_by_label("Axial view").rect(), view);
    let list = |harness: &Harness<'_, Window>| {
        let end = harness.get_by_label("Axial view").rect().left();
        Rect::from_min_max(egui::pos2(0.0, 40.0), egui::pos2(end, 700.0))
    };
    assert!(is_drawn_in(&harness, list(&harness), "Bone_Mandible"));
    let long = "Lymph nodes of the neck, level IIa";
    name_structure(&mut harness, long);
    harness.step();
    assert!(harness.get_by_label("Axial view").rect().left() > view.left());
    assert!(is_drawn_in(&harness, list(&harness), long), "in full");
    // There is an end to it: what is longer stands in full beside the pointer.
    let endless = "Lymph nodes of the left side of the neck, level IIa and beside";
    name_structure(&mut harness, endless);
    harness.step();
    let list = list(&harness);
    assert!(list.right() < 440.0, "{list:?}");
    let is_shortened = |(text, rect): &(String, Rect)| text.starts_with("Lymph") && list.contains_rect(*rect);
    assert!(drawn_texts(&harness).iter().filter(|text| is_shortened(text)).count() == 2, "within the list");
    let count = |harness: &Harness<'_, Window>| {
        drawn_texts(harness).iter().filter(|(text, _)| text.starts_with("Lymph nodes of the left")).count()
    };
    let before = count(&harness);
    let row = harness.get_by_label(&format!("{endless}, accepted")).rect();
    harness.event(Event::PointerMoved(row.left_center() + vec2(60.0, 0.0)));
    for _ in 0..60 {
        harness.step();
    }
    assert_eq!(count(&harness), before + 1, "in full");
}

#[test]
fn every_size_holds_everything_in_light_and_dark() {
    for size in [vec2(1280.0, 800.0), vec2(1920.0, 1080.0), vec2(2560.0, 1440.0), vec2(3840.0, 2160.0)] {
        let folder = tempfile::tempdir().unwrap();
        let mut harness = opened(folder.path(), size, 1.0, "Test^Window", "W-1");
        for round in 0..2 {
            let dark = harness.ctx.theme() == egui::Theme::Dark;
            let what = format!("{size}, dark: {dark}, round {round}");
            check_bar(&harness, size, &what);
            let views = ["Axial view", "Coronal view", "Sagittal view", "3D view"]
                .map(|label| harness.get_by_label(label).rect());
            let window = Rect::from_min_size(egui::Pos2::ZERO, size);
            let shown: f32 = views.iter().map(Rect::area).sum();
            for (n, rect) in views.iter().enumerate() {
                assert!(window.contains_rect(*rect), "{what}: {rect:?}");
                for other in &views[n + 1..] {
                    let common = rect.intersect(*other);
                    assert!(common.width() <= 0.0 || common.height() <= 0.0, "{what}: {rect:?} {other:?}");
                }
            }
            assert!(shown > 0.45 * window.area(), "{what}: the views have {shown} square points");
            for label in ["Maximise Axial view", "Orientation cube", "Axial slices"] {
                assert!(window.contains_rect(harness.get_by_label(label).rect()), "{what}: {label}");
            }
            assert!(is_drawn_in(&harness, views[0], "L 40 W 400 HU"), "{what}");
            let strip_top = size.y - TOOL_STRIP_HEIGHT;
            for (text, rect) in drawn_texts(&harness) {
                let in_strip = rect.top() >= strip_top && !text.is_empty();
                assert!(!in_strip || rect.right() <= size.x, "{what}: {text} at {rect:?}");
            }
            key(&mut harness, Modifiers::COMMAND, Key::T);
            assert_ne!(dark, harness.ctx.theme() == egui::Theme::Dark);
        }
    }
}

#[test]
fn a_long_name_and_id_are_cut_and_the_birth_date_stays() {
    let id = "0123456789".repeat(7).split_at(64).0.to_owned();
    let name = format!("{}^{}", "Featherstonehaugh-Cholmondeley".repeat(2), "Maximiliana");
    for (size, scale) in [(vec2(1280.0, 800.0), 1.0), (vec2(1280.0, 800.0), 2.0), (vec2(640.0, 400.0), 2.0)] {
        let folder = tempfile::tempdir().unwrap();
        let harness = opened(folder.path(), size, scale, &name[..64], &id);
        let what = format!("{size} at scale {scale}");
        check_bar(&harness, size, &what);
        let texts = bar_texts(&harness);
        assert!(texts.iter().any(|(text, _)| text.contains("born 1970-01-31")), "{what}: {texts:?}");
        // All of it is there for a screen reader, and on hover.
        harness.get_by_label(&format!("ID {id}"));
        for begin in ["Featherstonehaugh", "ID 0"] {
            let (_, rect) = texts
                .iter()
                .find(|(text, _)| text.starts_with(begin))
                .unwrap_or_else(|| panic!("{what}: {begin} in {texts:?}"));
            assert!(rect.width() > 24.0, "{what}: {begin} has {rect:?}");
        }
    }
}

/// The texts of the strip under the views, icons included, each with the part of it that is seen.
fn strip_texts(harness: &Harness<'_, Window>, size: Vec2) -> Vec<(String, Rect)> {
    fn collect(shape: &Shape, clip: Rect, texts: &mut Vec<(String, Rect)>) {
        match shape {
            Shape::Text(text) => {
                let seen = shape.visual_bounding_rect().intersect(clip);
                texts.push((text.galley.text().to_owned(), seen));
            }
            Shape::Vec(shapes) => shapes.iter().for_each(|shape| collect(shape, clip, texts)),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    for clipped in &harness.output().shapes {
        collect(&clipped.shape, clipped.clip_rect, &mut texts);
    }
    let top = size.y - TOOL_STRIP_HEIGHT;
    texts.retain(|(text, seen)| {
        !text.is_empty() && seen.top() >= top && seen.width() > 0.5 && seen.height() > 0.5
    });
    texts
}

/// Nothing in the strip leaves the window or lies over anything else, and the hint is there.
fn check_strip(harness: &Harness<'_, Window>, size: Vec2, what: &str) {
    let texts = strip_texts(harness, size);
    for (n, (text, rect)) in texts.iter().enumerate() {
        let is_inside = rect.left() >= 0.0 && rect.right() <= size.x && rect.bottom() <= size.y + 0.5;
        assert!(is_inside, "{what}: {text} at {rect:?} leaves the window");
        for (other, place) in &texts[n + 1..] {
            let common = rect.intersect(*place);
            assert!(
                common.width() <= 1.0 || common.height() <= 1.0,
                "{what}: {text} at {rect:?} and {other} at {place:?}"
            );
        }
    }
    let hint = hint_text(&views(harness).tools.hint());
    let shown = texts.iter().find(|(text, _)| text.ends_with(&hint));
    let (_, rect) = shown.unwrap_or_else(|| panic!("{what}: no \"{hint}\" in {texts:?}"));
    assert!(hint.is_empty() || rect.width() > 100.0, "{what}: {hint} has {rect:?}");
}

/// Whether a text of the strip can be read, all of it.
fn is_read(harness: &Harness<'_, Window>, size: Vec2, word: &str) -> bool {
    let whole = drawn_texts(harness).into_iter().filter(|(text, _)| text == word);
    let seen = strip_texts(harness, size);
    whole.into_iter().any(|(_, whole)| {
        seen.iter().any(|(text, seen)| text == word && (seen.width() - whole.width()).abs() < 1.0)
    })
}

fn frames(harness: &mut Harness<'_, Window>, count: usize) {
    for _ in 0..count {
        harness.step();
    }
}

#[test]
fn the_strip_holds_every_tool_at_the_smallest_size_and_always_its_hint() {
    let size = vec2(1280.0, 800.0);
    let folder = tempfile::tempdir().unwrap();
    // With a second series blended over, contours suggested between slices and snapped to edges.
    let mut harness = beside::blended(folder.path());
    name_structure(&mut harness, "Heart");
    let center = harness.get_by_label("Axial view").rect().center();
    stroke(&mut harness, &[center]);
    key(&mut harness, Modifiers::NONE, Key::ArrowUp);
    key(&mut harness, Modifiers::NONE, Key::ArrowUp);
    stroke(&mut harness, &[center]);
    key(&mut harness, Modifiers::NONE, Key::J);
    key(&mut harness, Modifiers::SHIFT, Key::N);
    wait(&mut harness, "what lies between", |station| {
        let tools = &station.state().views.as_ref().unwrap().tools;
        tools.between.snaps() && tools.between.suggestion().is_some()
    });
    let tools = [
        (Modifiers::NONE, Key::C, ToolKind::Navigate),
        (Modifiers::NONE, Key::B, ToolKind::Brush),
        (Modifiers::NONE, Key::E, ToolKind::Eraser),
        (Modifiers::NONE, Key::F, ToolKind::Freehand),
        (Modifiers::NONE, Key::S, ToolKind::Shape),
        (Modifiers::SHIFT, Key::L, ToolKind::LiveWire),
        (Modifiers::NONE, Key::Q, ToolKind::Push),
        (Modifiers::NONE, Key::T, ToolKind::Smooth),
        (Modifiers::NONE, Key::R, ToolKind::Grow),
        (Modifiers::SHIFT, Key::B, ToolKind::Points),
        (Modifiers::SHIFT, Key::X, ToolKind::Knife),
        (Modifiers::SHIFT, Key::M, ToolKind::Transform),
        (Modifiers::NONE, Key::H, ToolKind::Segment),
        (Modifiers::NONE, Key::D, ToolKind::DeleteContour),
        (Modifiers::NONE, Key::M, ToolKind::Ruler),
    ];
    for (modifiers, letter, kind) in tools {
        key(&mut harness, modifiers, letter);
        harness.event(Event::PointerMoved(center));
        frames(&mut harness, 4);
        assert_eq!(views(&harness).tools.kind(), kind);
        check_strip(&harness, size, &format!("{kind:?}"));
        assert!(is_read(&harness, size, "Take all"), "{kind:?}: {:?}", strip_texts(&harness, size));
        let overwrites = !matches!(kind, ToolKind::Navigate | ToolKind::Ruler | ToolKind::DeleteContour);
        assert_eq!(is_read(&harness, size, "Others: overlap"), overwrites, "{kind:?}");
        assert!(is_read(&harness, size, "Second: blend"), "{kind:?}");
    }
}

#[test]
fn options_wider_than_the_strip_are_moved_into_sight() {
    let size = vec2(1280.0, 800.0);
    let folder = tempfile::tempdir().unwrap();
    let mut harness = beside::blended(folder.path());
    name_structure(&mut harness, "Heart");
    key(&mut harness, Modifiers::NONE, Key::R);
    let center = harness.get_by_label("Axial view").rect().center();
    clicks(&mut harness, center, 1);
    wait(&mut harness, "what grew", |station| {
        station.state().views.as_ref().is_some_and(|views| views.tools.grow.suggestion().is_some())
    });
    frames(&mut harness, 4);
    check_strip(&harness, size, "Grow with a suggestion");
    assert!(is_read(&harness, size, "Take this") && !is_read(&harness, size, "In the whole image"));
    for _ in 0..8 {
        harness.get_by_label("Options to the right").click();
        frames(&mut harness, 4);
        check_strip(&harness, size, "Grow, moved");
    }
    assert!(is_read(&harness, size, "In the whole image"), "{:?}", strip_texts(&harness, size));
    assert!(!is_read(&harness, size, "Take this"));
    for _ in 0..8 {
        harness.get_by_label("Options to the left").click();
        frames(&mut harness, 4);
    }
    assert!(is_read(&harness, size, "Take this"));
    // With room for them there is nothing to move.
    key(&mut harness, Modifiers::NONE, Key::Escape);
    key(&mut harness, Modifiers::NONE, Key::Q);
    frames(&mut harness, 4);
    assert!(harness.query_by_label("Options to the right").is_none());
}
