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

/// The list, which is gone to when proposals come, and keeps the selected one in view. Its rows stay where
/// they are while the pointer is over them, whichever is selected or decided on.
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
    remarks_ui(ui, scope, proposals);
    if proposals.iter().any(|roi| roi.confidence.is_some_and(|own| !own.calibrated)) {
        super::small_note(ui, "Confidence is uncalibrated: it orders contours, and promises no agreement.");
    }
    ui.spacing_mut().item_spacing.y = 1.0;
    let has_slices = proposals.iter().any(|roi| roi.least_confident().is_some());
    let slices = if has_slices { SLICES_HEIGHT } else { 0.0 };
    let (place, _) = ui.allocate_exact_size(vec2(ui.available_width(), slices), Sense::hover());
    heads_ui(ui, proposals);
    let first = ui.cursor().min;
    for roi in proposals {
        let row = row_ui(ui, scope, roi, selected == Some(roi.id), session);
        if selected == Some(roi.id) && is_new && !have_come {
            ui.scroll_to_rect(row.with_min_y(row.top() - slices), None);
        }
    }
    hold_rows(ui, first);
    if has_slices {
        // Above the list, or at the upper end of what is seen of it.
        let place = place.translate(vec2(0.0, (ui.clip_rect().top() - place.top()).max(0.0)));
        let own = proposals.iter().find(|roi| selected == Some(roi.id));
        slices_ui(ui, scope, own, place);
    }
}

/// What the models remarked of these proposals.
fn remarks_ui(ui: &mut Ui, scope: &Scope<'_>, proposals: &[Arc<Roi>]) {
    let remarks = scope.state.propose.remarks.iter();
    for remark in remarks.filter(|own| proposals.iter().any(|roi| roi.description == own.model)) {
        ui.horizontal_top(|ui| {
            let theme = Theme::of(ui.ctx());
            ui.label(RichText::new(icons::WARNING).small().color(theme.amber));
            let response = super::small_note(ui, &remark.short);
            if remark.short != remark.whole {
                response.on_hover_text(&remark.whole);
            }
        });
    }
}

/// Leaves room below the rows for those that went while the pointer was over the list, so that no other
/// row slides under it when a list that is scrolled to its end becomes shorter. `first`: the first row's
/// upper left corner.
fn hold_rows(ui: &mut Ui, first: egui::Pos2) {
    let id = egui::Id::unique("rows of proposals");
    let height = ui.cursor().top() - first.y;
    let before = ui.data(|data| data.get_temp::<f32>(id)).unwrap_or(0.0);
    let list = Rect::from_min_size(first, vec2(ui.available_width(), before.max(height)));
    let held = if ui.rect_contains_pointer(list) { before.max(height) } else { height };
    ui.add_space(held - height);
    ui.data_mut(|data| data.insert_temp(id, held));
}

/// How high the slices of the selected proposal stand, with their words.
const SLICES_HEIGHT: f32 = 78.0;
/// How high a row is.
const ROW_HEIGHT: f32 = 42.0;
/// How much higher where it says more.
const LINE_HEIGHT: f32 = 15.0;
/// Where a row's volume stands, from its left edge.
const VOLUME_AT: f32 = 24.0;
/// What is said of what the end of the images cuts.
const CUT: &str = "Cut by the end of the scan";
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
    let views = scope.state.views.as_mut();
    let (volume_cc, is_cut) =
        views.map_or((0.0, false), |views| (views.volume_cc(roi, session), views.is_cut(roi, session)));
    let height = if is_cut { ROW_HEIGHT + LINE_HEIGHT } else { ROW_HEIGHT };
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
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
    let small = FontId::proportional(theme::SMALL);
    let volume = structure_row::volume_text(roi, volume_cc);
    let at = pos2(rect.left() + VOLUME_AT, lower);
    ui.painter().text(at, Align2::LEFT_CENTER, volume, small.clone(), theme.weak);
    if is_cut {
        let at = pos2(rect.left() + VOLUME_AT, lower + LINE_HEIGHT);
        ui.painter().text(at, Align2::LEFT_CENTER, CUT, small, theme.amber);
    }
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
        let keys = if selected { format!("  {}", action.key_text()) } else { String::new() };
        let hint = format!("{name}{keys}\nUndo takes it back.");
        // The row below has come under the pointer meanwhile, which nobody has looked at.
        let is_again = ui.input(|input| {
            let pointer = &input.pointer;
            let primary = egui::PointerButton::Primary;
            pointer.button_double_clicked(primary) || pointer.button_triple_clicked(primary)
        });
        if pressed.on_hover_text(hint.trim()).clicked() && !is_again {
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

/// The slices of the selected proposal, and the way to the least certain one, in a place that stays.
fn slices_ui(ui: &mut Ui, scope: &mut Scope<'_>, roi: Option<&Arc<Roi>>, place: Rect) {
    let theme = Theme::of(ui.ctx());
    ui.painter().rect_filled(place, 0.0, theme.surface);
    // What lies below it is not to be clicked through it.
    ui.interact(place, egui::Id::unique("slices of a proposal"), Sense::click());
    let mut child = ui.new_child(egui::UiBuilder::new().max_rect(place).id_salt("slices"));
    let ui = &mut child;
    ui.spacing_mut().item_spacing.y = 2.0;
    let Some((roi, least)) = roi.and_then(|roi| Some((roi, roi.least_confident()?.1))) else {
        let text = if roi.is_some() {
            "It has no confidence by slice."
        } else {
            "Select one to see its confidence slice by slice."
        };
        super::small_note(ui, text);
        return;
    };
    ui.horizontal(|ui| {
        ui.label(RichText::new(format!("{} by slice", roi.name)).font(theme::strong(theme::SMALL)));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let text = RichText::new(format!("{}  Least certain: {least:.2}", icons::CROSSHAIR)).small();
            let button = ui.add(egui::Button::new(text).frame(false));
            button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Least certain slice"));
            if button.on_hover_text(Action::GoToLeastCertain.tooltip()).clicked() {
                scope.outbox.act(Action::GoToLeastCertain);
            }
        });
    });
    if let Some(plane) = confidence::slices_ui(ui, roi)
        && let Some(views) = scope.state.views.as_mut()
    {
        views.navigation.go_to_plane(&roi.planes[plane]);
    }
    ui.horizontal(|ui| {
        ui.label(RichText::new("feet").small().color(theme.weak));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.label(RichText::new("head").small().color(theme.weak));
        });
    });
}
