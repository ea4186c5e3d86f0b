//! Numbers of tools that are asked for by their names and typed, without the mouse.

use super::hands::{opened, views};
use super::name_structure;
use super::shared::{Window, drawn_texts, key};
use delineo::tools::Method;
use delineo::ui::state::{Fold, Place};
use egui::{Event, Key, Modifiers};
use egui_kittest::Harness;

/// Asks the search for something and takes what it finds first.
fn ask(harness: &mut Harness<'_, Window>, words: &str) {
    key(harness, Modifiers::COMMAND, Key::K);
    harness.event(Event::Text(words.into()));
    harness.step();
    key(harness, Modifiers::NONE, Key::Enter);
    harness.step();
    harness.step();
}

#[test]
fn a_number_is_typed_without_the_mouse_and_esc_leaves_the_field_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    name_structure(&mut harness, "Heart");
    let radius = |harness: &Harness<'_, Window>| views(harness).tools.brush.radius_mm();
    ask(&mut harness, "set brush radius");
    harness.event(Event::Text("12.5".into()));
    harness.step();
    key(&mut harness, Modifiers::NONE, Key::Enter);
    assert!((radius(&harness) - 12.5).abs() < 1e-9, "{}", radius(&harness));
    assert_eq!(views(&harness).navigation.maximised, None, "Enter was the field's");
    // Esc leaves the field, not the tool.
    ask(&mut harness, "set brush radius");
    key(&mut harness, Modifiers::NONE, Key::Escape);
    assert_eq!(views(&harness).tools.kind(), delineo::tools::ToolKind::Brush);
    assert!((radius(&harness) - 12.5).abs() < 1e-9);
    key(&mut harness, Modifiers::NONE, Key::Escape);
    assert_eq!(views(&harness).tools.kind(), delineo::tools::ToolKind::Navigate, "and then the tool");
    // A negative number is written with the sign that texts have, and read with either.
    ask(&mut harness, "set brush range from");
    let low = |harness: &Harness<'_, Window>| match views(harness).tools.brush.tip() {
        delineo::tools::BrushTip::Range(range) => range.low,
        _ => f32::NAN,
    };
    assert!((low(&harness) + 160.0).abs() < 0.5, "{}", low(&harness));
    for (typed, wanted) in [("-250", -250.0), ("\u{2212}300", -300.0)] {
        ask(&mut harness, "set brush range from");
        harness.event(Event::Text(typed.into()));
        harness.step();
        key(&mut harness, Modifiers::NONE, Key::Enter);
        harness.step();
        assert!((low(&harness) - wanted).abs() < 1e-3, "{typed} gives {}", low(&harness));
        let shown = format!("\u{2212}{:.0}", -wanted);
        let texts: Vec<String> = drawn_texts(&harness).into_iter().map(|(text, _)| text).collect();
        assert!(texts.iter().any(|text| text.contains(&shown)), "{shown}: {texts:?}");
    }
}

#[test]
fn a_number_of_a_card_that_is_folded_away_is_typed_and_one_without_a_field_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let mut harness = opened(folder.path());
    name_structure(&mut harness, "Heart");
    let window = views(&harness).display.window;
    for (typed, closes) in [("-321", false), ("-123", true)] {
        if closes {
            // With the same method in hand: folded away, and at another place.
            key(&mut harness, Modifiers::COMMAND, Key::Num4);
            key(&mut harness, Modifiers::COMMAND, Key::R);
            let state = harness.state().0.state();
            assert_eq!((state.place, state.inspector), (Place::Check, Fold::Closed));
        }
        ask(&mut harness, "set threshold from");
        harness.event(Event::Text(typed.into()));
        harness.step();
        key(&mut harness, Modifiers::NONE, Key::Enter);
        harness.step();
        let settings = views(&harness).tools.segment.settings();
        assert_eq!(settings.method, Method::Threshold);
        let low = settings.range.expect("a range").low;
        assert!((low - typed.parse::<f32>().unwrap()).abs() < 1e-3, "{typed} gives {low}");
    }
    assert_eq!(views(&harness).display.window, window, "no digit was a key");
    // Without a dose an isodose has no level.
    ask(&mut harness, "set isodose level");
    assert_eq!(views(&harness).tools.segment.settings().method, Method::Dose);
    let toasts = harness.state().0.state().toasts.list();
    let told: Vec<&str> = toasts.iter().map(|toast| toast.text.as_str()).collect();
    assert!(told.iter().any(|text| text.contains("once a dose is open")), "{told:?}");
}
