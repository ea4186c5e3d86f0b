//! The start screen: resume, open, sample patient.

use super::super::actions::Action;
use super::super::theme::{self, Theme};
use super::super::{Request, Scope, icons, widgets};
use super::jobs;
use egui::{Align, Layout, RichText, Sense, Ui, vec2};

/// The width of the column.
const WIDTH: f32 = 520.0;

/// The screen.
pub fn start_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let theme = Theme::of(ui.ctx());
    let top = (ui.available_height() * 0.14).clamp(24.0, 140.0);
    ui.add_space(top);
    ui.vertical_centered(|ui| {
        ui.set_max_width(WIDTH);
        ui.with_layout(Layout::top_down(Align::Min), |ui| {
            ui.label(RichText::new("Delineo").font(theme::strong(30.0)));
            widgets::note(ui, "Contour a planning scan, let a model propose, correct by hand, export an RTSTRUCT.");
            ui.add_space(20.0);
            if !scope.context.desk.jobs.is_empty() {
                working_ui(ui, scope);
                return;
            }
            resume_ui(ui, scope);
            let primary = scope.context.desk.resume.is_empty();
            if choice_ui(ui, icons::FOLDER, "Open", "A folder or files: DICOM or NIfTI. Or drop them here.", Action::OpenFolder, primary) {
                scope.outbox.act(Action::OpenFolder);
            }
            if choice_ui(ui, icons::SAMPLE, "Sample patient", "A made-up person to learn and to try everything on.", Action::OpenSample, false) {
                scope.outbox.act(Action::OpenSample);
            }
            ui.add_space(8.0);
            super::open::path_row_ui(ui, scope);
            ui.add_space(24.0);
            ui.label(
                RichText::new("Not a cleared medical device. Do not use its contours for treatment without your own checks.")
                    .small()
                    .color(theme.weak),
            );
            if !scope.context.desk.device.is_empty() {
                let text = format!("Pictures: {}", scope.context.desk.device);
                ui.label(RichText::new(text).small().color(theme.weak));
            }
        });
    });
}

fn working_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    ui.set_width(WIDTH);
    jobs::jobs_ui(ui, scope);
}

fn resume_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    for (index, line) in scope.context.desk.resume.iter().take(3).enumerate() {
        let title = format!("Resume {}", widgets::person_name(&line.patient));
        let response = card_ui(ui, icons::RESUME, &title, &line.summary, "", index == 0);
        if response.clicked() {
            scope.outbox.send(Request::Resume(index));
        }
    }
}

fn choice_ui(ui: &mut Ui, icon: &str, title: &str, why: &str, action: Action, primary: bool) -> bool {
    card_ui(ui, icon, title, why, &action.key_text(), primary).clicked()
}

fn card_ui(ui: &mut Ui, icon: &str, title: &str, why: &str, key: &str, primary: bool) -> egui::Response {
    let theme = Theme::of(ui.ctx());
    let (rect, response) =
        ui.allocate_exact_size(vec2(WIDTH.min(ui.available_width()), 60.0), Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, title));
    let (fill, ink, weak) = if primary {
        (theme.accent, theme.on_accent, theme.on_accent)
    } else if response.hovered() {
        (theme.pressed, theme.text, theme.weak)
    } else {
        (theme.raised, theme.text, theme.weak)
    };
    let painter = ui.painter();
    painter.rect_filled(rect, theme::RADIUS, fill);
    if !theme.dark && !primary {
        painter.rect_stroke(rect, theme::RADIUS, theme.hairline(), egui::StrokeKind::Inside);
    }
    if response.has_focus() {
        widgets::focus_ring(ui, rect.expand(2.0));
    }
    let painter = ui.painter();
    let left = rect.left_center();
    painter.text(
        left + vec2(28.0, 0.0),
        egui::Align2::CENTER_CENTER,
        icon,
        egui::FontId::proportional(22.0),
        ink,
    );
    painter.text(left + vec2(56.0, -10.0), egui::Align2::LEFT_CENTER, title, theme::strong(14.5), ink);
    let clip = painter.with_clip_rect(rect.shrink2(vec2(12.0, 0.0)));
    clip.text(
        left + vec2(56.0, 11.0),
        egui::Align2::LEFT_CENTER,
        why,
        egui::FontId::proportional(theme::SMALL + 0.5),
        weak,
    );
    painter.text(
        rect.right_center() - vec2(16.0, 10.0),
        egui::Align2::RIGHT_CENTER,
        key,
        egui::FontId::proportional(theme::SMALL),
        weak,
    );
    ui.add_space(4.0);
    response
}
