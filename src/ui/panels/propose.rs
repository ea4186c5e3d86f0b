//! Letting a model contour, and deciding on what it proposes.

use super::super::actions::Action;
use super::super::theme::{self, Theme};
use super::super::{Request, Scope, widgets};
use crate::session::{Command, Session};
use egui::{RichText, Sense, Ui, vec2};

/// The Propose place.
pub fn propose_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let Some(session) = scope.context.session else { return };
    widgets::heading(ui, "Propose");
    let models = &scope.context.desk.models;
    if models.is_empty() {
        widgets::note(ui, "No model is installed. A model package belongs into the folder “models”.");
        return;
    }
    if scope.state.model.as_ref().is_none_or(|chosen| !models.iter().any(|model| model.id == *chosen)) {
        scope.state.model = models.first().map(|model| model.id.clone());
    }
    for model in models {
        model_row_ui(ui, scope, &model.id, &model.title, &model.organs);
    }
    let chosen = models.iter().find(|model| scope.state.model.as_ref() == Some(&model.id));
    if let Some(model) = chosen {
        if !model.note.is_empty() {
            ui.add_space(4.0);
            ui.add(
                egui::Label::new(RichText::new(&model.note).small().color(Theme::of(ui.ctx()).weak)).wrap(),
            );
        }
        ui.add_space(8.0);
        let busy = scope.context.desk.jobs.iter().any(|job| job.title.starts_with("Contour"));
        let label = if busy { "Contouring…".to_owned() } else { format!("Contour with {}", model.id) };
        if widgets::primary_button(ui, &label, !busy).clicked() {
            scope.outbox.send(Request::Propose(model.id.clone()));
        }
        if !scope.context.desk.model_device.is_empty() {
            let text = format!("Runs on {}.", scope.context.desk.model_device);
            ui.add(egui::Label::new(RichText::new(text).small().color(Theme::of(ui.ctx()).weak)).wrap());
        }
    }
    proposals_ui(ui, scope, session);
}

fn model_row_ui(ui: &mut Ui, scope: &mut Scope<'_>, id: &str, title: &str, organs: &[String]) {
    let theme = Theme::of(ui.ctx());
    let on = scope.state.model.as_deref() == Some(id);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 44.0), Sense::click());
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::RadioButton, true, on, title));
    let ground = if on {
        theme.pressed
    } else if response.hovered() {
        theme.raised
    } else {
        theme.surface
    };
    let painter = ui.painter().with_clip_rect(rect);
    painter.rect_filled(rect, theme::RADIUS, ground);
    let ring = rect.left_center() + vec2(14.0, 0.0);
    painter.circle_stroke(ring, 5.5, egui::Stroke::new(1.5, if on { theme.accent } else { theme.weak }));
    if on {
        painter.circle_filled(ring, 3.0, theme.accent);
    }
    let left = rect.left_center() + vec2(28.0, 0.0);
    painter.text(
        left - vec2(0.0, 9.0),
        egui::Align2::LEFT_CENTER,
        title,
        egui::FontId::proportional(theme::BODY),
        theme.text,
    );
    let count = match organs.len() {
        1 => organs[0].clone(),
        count => format!("{count} structures"),
    };
    painter.text(
        left + vec2(0.0, 9.0),
        egui::Align2::LEFT_CENTER,
        count,
        egui::FontId::proportional(theme::SMALL),
        theme.weak,
    );
    if response.has_focus() {
        widgets::focus_ring(ui, rect);
    }
    if response.on_hover_text(organs.join(", ")).clicked() {
        scope.state.model = Some(id.to_owned());
    }
}

fn proposals_ui(ui: &mut Ui, scope: &mut Scope<'_>, session: &Session) {
    let proposals: Vec<_> = session.proposals().cloned().collect();
    if proposals.is_empty() {
        return;
    }
    widgets::caption(ui, "Proposals");
    for roi in &proposals {
        ui.horizontal(|ui| {
            let selected = session.selected().is_some_and(|own| own.id == roi.id);
            if ui.selectable_label(selected, &roi.name).on_hover_text(&roi.description).clicked() {
                scope.outbox.send(Request::Select(Some(roi.id)));
                scope.outbox.act(Action::GoToStructure);
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let icons = [
                    (Action::RejectProposal, Command::RejectProposals { rois: vec![roi.id] }),
                    (Action::AcceptProposal, Command::AcceptProposals { rois: vec![roi.id] }),
                ];
                for (action, command) in icons {
                    let word = if action == Action::AcceptProposal { "Accept" } else { "Reject" };
                    let name = format!("{word} {}", roi.name);
                    let pressed = widgets::icon_button(ui, action.info().icon, &name, None, false);
                    if pressed.on_hover_text(action.tooltip()).clicked() {
                        scope.outbox.apply(command);
                    }
                }
            });
        });
    }
    ui.add_space(4.0);
    if widgets::button(ui, "Accept all").on_hover_text(Action::AcceptAll.tooltip()).clicked() {
        scope.outbox.act(Action::AcceptAll);
    }
}
