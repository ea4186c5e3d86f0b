//! The window without a display: the real workstation, driven by pointer and keyboard events, and
//! what it draws as data.
#![allow(dead_code, reason = "each test binary uses its own part")]

use delineo::app::Workstation;
use delineo::ui::theme;
use egui::{Event, Key, Modifiers, PointerButton, Pos2, Rect, Shape, Vec2};
use egui_kittest::Harness;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub struct Window(pub Workstation);

impl eframe::App for Window {
    fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
        self.0.frame(ui);
    }
}

/// A window of `size` points at `scale` pixels per point on a workstation whose data lies in
/// `folder`. A frame takes a quarter of a second of its time.
pub fn sized_window<'a>(paths: &[PathBuf], folder: &Path, size: Vec2, scale: f32) -> Harness<'a, Window> {
    let mut workstation = Workstation::in_folder(paths, folder);
    let builder = Harness::builder().with_size(size).with_pixels_per_point(scale).with_max_steps(8);
    builder.build_eframe(|cc| {
        theme::install(&cc.egui_ctx);
        workstation.start(&cc.egui_ctx, None);
        Window(workstation)
    })
}

/// Frames until `done` says so; jobs run on real threads.
pub fn wait(harness: &mut Harness<'_, Window>, what: &str, done: impl Fn(&Workstation) -> bool) {
    for _ in 0..4000 {
        harness.step();
        if done(&harness.state().0) {
            harness.step();
            return;
        }
        std::thread::sleep(Duration::from_millis(15));
    }
    panic!("waited in vain for: {what}");
}

/// A key pressed and let go, and the frame after.
pub fn key(harness: &mut Harness<'_, Window>, modifiers: Modifiers, key: Key) {
    harness.key_press_modifiers(modifiers, key);
    harness.step();
    harness.step();
}

/// A button going down or up.
pub fn button_event(button: PointerButton, at: Pos2, pressed: bool) -> Event {
    Event::PointerButton { pos: at, button, pressed, modifiers: Modifiers::NONE }
}

/// A drag with `button` through the points, a frame for each.
pub fn drag(harness: &mut Harness<'_, Window>, button: PointerButton, points: &[Pos2]) {
    harness.event(Event::PointerMoved(points[0]));
    harness.step();
    harness.event(button_event(button, points[0], true));
    harness.step();
    for point in points {
        harness.event(Event::PointerMoved(*point));
        harness.step();
    }
    harness.event(button_event(button, points[points.len() - 1], false));
    harness.step();
    harness.step();
}

/// A stroke with the left button through the points.
pub fn stroke(harness: &mut Harness<'_, Window>, points: &[Pos2]) {
    drag(harness, PointerButton::Primary, points);
}

/// Clicks with the left button, all within one frame: two are a double click.
pub fn clicks(harness: &mut Harness<'_, Window>, at: Pos2, count: usize) {
    harness.event(Event::PointerMoved(at));
    harness.step();
    harness.step();
    for _ in 0..count {
        for pressed in [true, false] {
            harness.input_mut().events.push(button_event(PointerButton::Primary, at, pressed));
        }
    }
    harness.step();
    harness.step();
}

/// The texts drawn in the last frame, and where.
pub fn drawn_texts(harness: &Harness<'_, Window>) -> Vec<(String, Rect)> {
    fn collect(shape: &Shape, texts: &mut Vec<(String, Rect)>) {
        match shape {
            Shape::Text(text) => texts.push((text.galley.text().to_owned(), shape.visual_bounding_rect())),
            Shape::Vec(shapes) => shapes.iter().for_each(|shape| collect(shape, texts)),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    for clipped in &harness.output().shapes {
        collect(&clipped.shape, &mut texts);
    }
    texts
}

/// Whether a text was drawn in the last frame within `rect`.
pub fn is_drawn_in(harness: &Harness<'_, Window>, rect: Rect, text: &str) -> bool {
    drawn_texts(harness).iter().any(|(own, place)| own == text && rect.contains_rect(*place))
}
