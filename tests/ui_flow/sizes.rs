//! Every size of window, light and dark: nothing overlaps in the bars, nothing leaves the window,
//! and whose scan this is stays in sight.

use super::shared::{Window, drawn_texts, is_drawn_in, key, sized_window, wait};
use super::write_variant;
use egui::{Key, Modifiers, Rect, Vec2, vec2};
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
            let strip_top = size.y - 40.0;
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
