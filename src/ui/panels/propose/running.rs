//! How far a running model is: its steps, the time left, and a way to stop it.

use super::super::super::state::ModelLine;
use super::super::super::theme::{self, Theme};
use super::super::super::{Request, Scope, widgets};
use egui::{RichText, Ui, vec2};

/// The steps of a run, each with what the steps it is made of begin with.
const STEPS: [(&str, &[&str]); 4] = [
    ("Body", &["Finding the body"]),
    ("Prepare", &["Reading", "Waiting", "Finding the region: ", "Resampling", "Preparing", "Loading"]),
    ("Network", &["Contouring"]),
    ("Contours", &["Tracing"]),
];

/// The network's place among the steps.
const NETWORK: usize = 2;

/// The step that is under way; `None` before the first. Where a model is made of several, their own
/// preparing is part of the network's step from the second on, so that no step comes again.
fn step_of(text: &str) -> Option<usize> {
    match text.split_once(": ") {
        Some((part, inner)) if part == "First stage" || part.starts_with("Part 1 of ") => {
            return step_of(inner);
        }
        Some((part, _)) if part == "Second stage" || part.starts_with("Part ") => return Some(NETWORK),
        _ => {}
    }
    STEPS.iter().position(|(_, starts)| starts.iter().any(|start| text.starts_with(start)))
}

/// The steps, those done and the one under way filled.
fn steps_ui(ui: &mut Ui, now: Option<usize>) {
    let theme = Theme::of(ui.ctx());
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let width = (ui.available_width() - 12.0) / 4.0;
        for (index, (name, _)) in STEPS.iter().enumerate() {
            let (rect, _) = ui.allocate_exact_size(vec2(width, 20.0), egui::Sense::hover());
            let line = egui::Rect::from_min_size(rect.min, vec2(width, 3.0));
            let (fill, ink) = match now {
                Some(now) if index < now => (theme.accent, theme.weak),
                Some(now) if index == now => (theme.accent.gamma_multiply(0.6), theme.text),
                _ => (theme.raised, theme.weak),
            };
            ui.painter().rect_filled(line, 1.5, fill);
            let at = rect.left_bottom();
            let font = egui::FontId::proportional(theme::SMALL);
            ui.painter().text(at, egui::Align2::LEFT_BOTTOM, name, font, ink);
        }
    });
}

/// The running model, if one runs; whether one does.
pub fn running_ui(ui: &mut Ui, scope: &mut Scope<'_>) -> bool {
    let Some(job) = scope.context.desk.jobs.iter().find(|job| job.key == "model") else { return false };
    let theme = Theme::of(ui.ctx());
    ui.label(RichText::new(&job.title).font(theme::strong(theme::BODY)));
    // What is built in has no network, and no such steps.
    let is_built_in = |model: &ModelLine| model.source == "built in" && job.title.ends_with(&model.title);
    if !scope.context.desk.models.iter().any(is_built_in) {
        steps_ui(ui, step_of(&job.step));
    }
    ui.add_space(4.0);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 4.0), egui::Sense::hover());
    ui.painter().rect_filled(rect, 2.0, theme.raised);
    #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
    let done = (job.fraction as f32).clamp(0.0, 1.0);
    let bar = egui::Rect::from_min_size(rect.min, vec2(rect.width() * done, rect.height()));
    ui.painter().rect_filled(bar, 2.0, theme.accent);
    let left = job.time_left.map(widgets::left_text);
    let step = if job.step.is_empty() { "Starting" } else { &job.step };
    ui.add(egui::Label::new(RichText::new(step).small()).truncate());
    ui.horizontal(|ui| {
        let text = match left {
            Some(left) => format!("{:.0} % · {left}", job.fraction * 100.0),
            None => format!("{:.0} %", job.fraction * 100.0),
        };
        ui.label(RichText::new(text).small().color(theme.weak));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if job.can_cancel {
                if widgets::button(ui, "Stop").on_hover_text("Nothing that is there is changed").clicked() {
                    scope.outbox.send(Request::Cancel(job.id));
                }
            } else {
                ui.label(RichText::new("Stopping…").small().color(theme.weak));
            }
        });
    });
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_of_a_run_has_its_place() {
        let steps = [
            "",
            "Finding the body",
            "Resampling",
            "Loading the model",
            "Contouring, part 12 of 96",
            "Tracing contours",
        ];
        assert_eq!(steps.map(step_of), [None, Some(0), Some(1), Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn no_step_of_a_model_of_several_comes_again() {
        let steps = [
            "Reading the images",
            "Waiting for another model",
            "Finding the region: Preparing the images",
            "Finding the region: Contouring, part 1 of 4",
            "Resampling",
            "Part 1 of 2: First stage: Preparing the images",
            "Part 1 of 2: First stage: Contouring, part 2 of 2",
            "Part 1 of 2: Second stage: Preparing the images",
            "Part 1 of 2: Second stage: Contouring, part 2 of 2",
            "Part 2 of 2: Preparing the images",
            "Part 2 of 2: Contouring, part 1 of 3",
            "Tracing contours",
        ];
        let places = steps.map(step_of);
        assert!(places.is_sorted(), "{places:?}");
        assert_eq!((places[3], places[6], places[9], places[11]), (Some(1), Some(2), Some(2), Some(3)));
    }
}
