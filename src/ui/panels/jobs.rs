//! The jobs corner: what runs, its step, the time left, and a way to stop it.

use super::super::state::JobLine;
use super::super::theme::Theme;
use super::super::{Request, Scope, icons, widgets};
use egui::{RichText, Ui, vec2};

/// The height of a job whose name takes one line, points.
const ONE_LINE: f32 = 76.0;
/// The width of what stops a job, with the space beside it, points.
const STOP: f32 = 40.0;

/// The height the corner needs for these jobs in the width there is.
pub fn height(ui: &Ui, jobs: &[JobLine]) -> f32 {
    if jobs.is_empty() {
        return 0.0;
    }
    let font = egui::TextStyle::Body.resolve(ui.style());
    let width = (ui.available_width() - STOP).max(40.0);
    let name = |job: &JobLine| {
        let text = ui.painter().layout(job.title.clone(), font.clone(), egui::Color32::WHITE, width);
        (text.size().y - 20.0).max(0.0)
    };
    jobs.iter().map(|job| ONE_LINE + name(job)).sum::<f32>() + 12.0
}

/// The corner; nothing without jobs.
pub fn jobs_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    if scope.context.desk.jobs.is_empty() {
        return;
    }
    let theme = Theme::of(ui.ctx());
    ui.separator();
    for job in &scope.context.desk.jobs {
        ui.horizontal(|ui| {
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if job.can_cancel
                    && widgets::icon_button(ui, icons::CLOSE, &format!("Stop {}", job.title), None, false)
                        .on_hover_text("Stop")
                        .clicked()
                {
                    scope.outbox.send(Request::Cancel(job.id));
                }
                ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                    // A name is never shortened.
                    ui.add(egui::Label::new(RichText::new(&job.title)).wrap());
                });
            });
        });
        let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 3.0), egui::Sense::hover());
        ui.painter().rect_filled(rect, 1.5, theme.raised);
        #[expect(clippy::cast_possible_truncation, reason = "0 to 1")]
        let done = (job.fraction as f32).clamp(0.0, 1.0);
        let bar = egui::Rect::from_min_size(rect.min, vec2(rect.width() * done, rect.height()));
        ui.painter().rect_filled(bar, 1.5, theme.accent);
        let left = job.time_left.map_or(String::new(), |left| format!(" · {}", widgets::left_text(left)));
        let text = format!("{:.0} %{left}", job.fraction * 100.0);
        ui.add(egui::Label::new(RichText::new(text).small().color(theme.weak)).truncate());
        let step = match job.step.as_str() {
            "" => "Starting",
            // Of some jobs the one step is the job; its line stays, so that nothing jumps.
            step if step == job.title => " ",
            step => step,
        };
        ui.add(egui::Label::new(RichText::new(step).small().color(theme.weak)).truncate());
    }
}
