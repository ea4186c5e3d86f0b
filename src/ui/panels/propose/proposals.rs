//! The proposals: volume, confidence, going there, accepting and rejecting.

use super::super::super::actions::Action;
use super::super::super::theme::{self, Theme};
use super::super::super::{Request, Scope, icons, widgets};
use super::super::{confidence, structure_row};
use super::accept_all_ui;
use crate::patient::Roi;
use crate::session::{Command, Session};
use egui::{Align2, FontId, Rect, RichText, Sense, Ui, pos2, vec2};
use std::sync::Arc;

/// What is said where none waits.
pub fn none_ui(ui: &mut Ui, scope: &Scope<'_>) {
    ui.add_space(8.0);
    ui.separator();
    let busy = scope.context.desk.jobs.iter().any(|job| job.key == "model");
    let text = if busy {
        "Proposals appear here when the model is done. You can go on working meanwhile."
    } else {
        "No proposals wait. What a model draws appears here, dashed, until you accept it."
    };
    super::small_note(ui, text);
}

/// The list, which is gone to when proposals come, and keeps the selected one in view.
pub fn proposals_ui(ui: &mut Ui, scope: &mut Scope<'_>, session: &Session, proposals: &[Arc<Roi>]) {
    ui.add_space(8.0);
    ui.separator();
    let title = ui.horizontal(|ui| {
        // As high as the button, so that the words stand on its line.
        ui.set_min_height(28.0);
        let title = format!("Proposals: {}", proposals.len());
        ui.label(RichText::new(title).font(theme::strong(theme::BODY)));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| accept_all_ui(ui, scope));
    });
    let selected = session.selected().map(|roi| roi.id);
    let is_new = std::mem::replace(&mut scope.state.propose.gone_to, selected) != selected;
    let have_come = std::mem::take(&mut scope.state.propose.arrived);
    if have_come {
        title.response.scroll_to_me(Some(egui::Align::TOP));
    }
    if proposals.iter().any(|roi| roi.confidence.is_some_and(|own| !own.calibrated)) {
        super::small_note(ui, "Confidence is uncalibrated: it orders contours, and promises no agreement.");
    }
    ui.spacing_mut().item_spacing.y = 1.0;
    heads_ui(ui, proposals);
    for roi in proposals {
        let row = row_ui(ui, scope, roi, selected == Some(roi.id), session);
        if selected == Some(roi.id) {
            slices_ui(ui, scope, roi);
            if is_new && !have_come {
                ui.scroll_to_rect(row.with_max_y(ui.cursor().top()), None);
            }
        }
    }
}

/// Where a row's volume stands, from its left edge.
const VOLUME_AT: f32 = 24.0;
/// Where its confidence stands.
const CONFIDENCE_AT: f32 = 100.0;

/// What the numbers of the rows are.
fn heads_ui(ui: &mut Ui, proposals: &[Arc<Roi>]) {
    let weak = Theme::of(ui.ctx()).weak;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 18.0), Sense::hover());
    let head = |at: f32, text: &str| {
        let place = pos2(rect.left() + at, rect.center().y);
        ui.painter().text(place, Align2::LEFT_CENTER, text, theme::strong(theme::SMALL), weak);
    };
    head(VOLUME_AT, "Volume");
    if let Some(own) = proposals.iter().find_map(|roi| roi.confidence) {
        head(CONFIDENCE_AT, "Confidence");
        response.on_hover_text(confidence::meaning(own));
    }
}

fn row_ui(
    ui: &mut Ui,
    scope: &mut Scope<'_>,
    roi: &Arc<Roi>,
    selected: bool,
    session: &Session,
) -> egui::Rect {
    let theme = Theme::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 42.0), Sense::click());
    let name = format!("Go to {}", roi.name);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::ListBoxOption, true, selected, &name));
    let ground = if selected {
        theme.pressed
    } else if response.hovered() {
        theme.raised
    } else {
        theme.surface
    };
    ui.painter().rect_filled(rect, theme::RADIUS, ground);
    let upper = rect.top() + 13.0;
    let lower = rect.top() + 30.0;
    structure_row::state_mark(ui.painter(), pos2(rect.left() + 12.0, upper), roi, ground);
    let font = if selected { theme::strong(theme::BODY) } else { FontId::proportional(theme::BODY) };
    ui.painter().text(pos2(rect.left() + 24.0, upper), Align2::LEFT_CENTER, &roi.name, font, theme.text);
    let volume_cc = scope.state.views.as_mut().map_or(0.0, |views| views.volume_cc(roi, session));
    let small = FontId::proportional(theme::SMALL);
    let volume = structure_row::volume_text(roi, volume_cc);
    let at = pos2(rect.left() + VOLUME_AT, lower);
    ui.painter().text(at, Align2::LEFT_CENTER, volume, small, theme.weak);
    if let Some(own) = roi.confidence {
        let place = Rect::from_min_size(pos2(rect.left() + CONFIDENCE_AT, lower - 8.0), vec2(64.0, 16.0));
        let mut child =
            ui.new_child(egui::UiBuilder::new().max_rect(place).id_salt(("confidence", roi.id.0)));
        confidence::bar_ui(&mut child, own);
    }
    if response.has_focus() {
        widgets::focus_ring(ui, rect);
    }
    let mut right = rect.right() - 4.0;
    for (action, command) in [
        (Action::RejectProposal, Command::RejectProposals { rois: vec![roi.id] }),
        (Action::AcceptProposal, Command::AcceptProposals { rois: vec![roi.id] }),
    ] {
        let word = if action == Action::AcceptProposal { "Accept" } else { "Reject" };
        let place = Rect::from_center_size(pos2(right - 12.0, rect.center().y), vec2(24.0, 24.0));
        let mut child = ui.new_child(egui::UiBuilder::new().max_rect(place).id_salt((word, roi.id.0)));
        let name = format!("{word} {}", roi.name);
        let pressed = widgets::icon_button(&mut child, action.info().icon, &name, None, false);
        if pressed.on_hover_text(action.tooltip()).clicked() {
            scope.outbox.apply(command);
            return rect;
        }
        right -= 28.0;
    }
    let hover = match roi.description.as_str() {
        "" => "Click to go there".to_owned(),
        model => format!("By {model}. Click to go there"),
    };
    if response.on_hover_text(hover).clicked() {
        scope.outbox.send(Request::Select(Some(roi.id)));
        scope.outbox.act(Action::GoToStructure);
    }
    rect
}

/// The slices of the selected proposal, and the way to the least certain one.
fn slices_ui(ui: &mut Ui, scope: &mut Scope<'_>, roi: &Arc<Roi>) {
    let Some((_, least)) = roi.least_confident() else { return };
    ui.add_space(2.0);
    if let Some(plane) = confidence::slices_ui(ui, roi)
        && let Some(views) = scope.state.views.as_mut()
    {
        views.navigation.go_to_plane(&roi.planes[plane]);
    }
    ui.horizontal(|ui| {
        ui.label(RichText::new("feet").small().color(Theme::of(ui.ctx()).weak));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.label(RichText::new("head").small().color(Theme::of(ui.ctx()).weak));
            let text =
                RichText::new(format!("{}  Least certain slice: {least:.2}", icons::CROSSHAIR)).small();
            let button = ui.add(egui::Button::new(text).frame(false));
            button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Least certain slice"));
            if button.on_hover_text(Action::GoToLeastCertain.tooltip()).clicked() {
                scope.outbox.act(Action::GoToLeastCertain);
            }
        });
    });
    ui.add_space(4.0);
}
