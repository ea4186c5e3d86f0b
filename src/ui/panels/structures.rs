//! The structure list: targets, organs at risk, other; and the field for a new name.

use super::super::actions::Action;
use super::super::state::Place;
use super::super::theme::Theme;
use super::super::views::ViewsState;
use super::super::{Request, Scope, icons, widgets};
use super::{jobs, naming, structure_row};
use crate::patient::{Roi, RoiType};
use crate::session::derive::Standing;
use crate::session::{Command, Session};
use egui::{Pos2, Stroke, Ui};
use std::sync::Arc;

/// The groups of the list, in order.
const GROUPS: [&str; 3] = ["Targets", "Organs at risk", "Other"];

fn group_of(roi: &Roi) -> &'static str {
    match roi.roi_type {
        RoiType::Gtv | RoiType::Ctv | RoiType::Ptv => GROUPS[0],
        RoiType::Organ | RoiType::Avoidance => GROUPS[1],
        _ => GROUPS[2],
    }
}

/// The width at which no name is shortened, 420 points at most.
pub fn panel_width(ui: &Ui, session: &Session) -> f32 {
    let standings = session.standings();
    let is_marked = |roi: &Roi| standings.get(&roi.id).is_some_and(|own| *own != Standing::UpToDate);
    let rois = session.structures().rois.iter();
    let widest = rois.map(|roi| structure_row::row_width(ui, &roi.name, is_marked(roi))).fold(0.0, f32::max);
    (widest + 20.0).min(420.0)
}

/// The panel.
pub fn structures_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let Some(session) = scope.context.session else { return };
    ui.horizontal(|ui| {
        ui.label(egui::RichText::new("Structures").font(super::super::theme::strong(15.0)));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if widgets::action_icon(ui, Action::AddStructure, true, false) {
                scope.outbox.act(Action::AddStructure);
            }
        });
    });
    naming::naming_ui(ui, scope, session);
    let jobs_height = jobs::height(ui, &scope.context.desk.jobs);
    let list_height = (ui.available_height() - jobs_height).max(80.0);
    egui::ScrollArea::vertical().max_height(list_height).auto_shrink([false, false]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 1.0;
        if session.structures().rois.is_empty() {
            empty_ui(ui, scope);
        } else {
            list_ui(ui, scope, session);
        }
    });
    jobs::jobs_ui(ui, scope);
}

fn empty_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    ui.add_space(8.0);
    widgets::note(ui, "No structures yet. Let a model propose them, or add one and draw.");
    if scope.state.place == Place::Propose {
        return;
    }
    ui.add_space(8.0);
    if widgets::primary_button(ui, "Propose structures", true).clicked() {
        scope.outbox.act(Action::GoPropose);
    }
}

fn list_ui(ui: &mut Ui, scope: &mut Scope<'_>, session: &Session) {
    let rois = &session.structures().rois;
    let standings = session.standings();
    let proposals = session.proposals().count();
    if proposals > 0 {
        proposals_ui(ui, scope, proposals);
    }
    let several = GROUPS.iter().filter(|group| rois.iter().any(|roi| group_of(roi) == **group)).count() > 1;
    let mut rows: Vec<(usize, f32)> = Vec::new();
    let mut dropped = None;
    for group in GROUPS {
        let members: Vec<(usize, &Arc<Roi>)> =
            rois.iter().enumerate().filter(|(_, roi)| group_of(roi) == group).collect();
        if members.is_empty() {
            continue;
        }
        let folded = scope.state.folded_groups.contains(&group);
        if several {
            group_header_ui(ui, scope, group, members.len(), folded);
            if folded {
                continue;
            }
        }
        for (index, roi) in members {
            let volume_cc = scope.state.views.as_mut().map_or(0.0, |views| views.volume_cc(roi, session));
            let standing = standings.get(&roi.id).copied();
            let selected = session.selected().is_some_and(|own| own.id == roi.id);
            let response = structure_row::structure_row_ui(ui, scope, roi, volume_cc, standing, selected);
            rows.push((index, response.rect.center().y));
            if response.clicked() {
                scope.outbox.send(Request::Select(Some(roi.id)));
            }
            if response.double_clicked() {
                scope.outbox.send(Request::Select(Some(roi.id)));
                scope.outbox.act(Action::GoToStructure);
            }
            if selected && scope.state.views.as_mut().is_some_and(ViewsState::take_scroll_to_selected) {
                response.scroll_to_me(None);
            }
            if (response.dragged() || response.drag_stopped())
                && let Some(pointer) = ui.ctx().pointer_interact_pos()
            {
                dropped = Some((roi.id, index, pointer.y, response.drag_stopped()));
            }
        }
    }
    if let Some((roi, from, y, released)) = dropped {
        drop_ui(ui, &rows, from, y, |to| {
            if released && to != from {
                scope.outbox.apply(Command::ReorderRoi { roi, to });
            }
        });
    }
}

fn drop_ui(ui: &Ui, rows: &[(usize, f32)], from: usize, y: f32, done: impl FnOnce(usize)) {
    let Some((to, row_y)) = rows.iter().min_by(|a, b| (a.1 - y).abs().total_cmp(&(b.1 - y).abs())) else {
        return;
    };
    let half = structure_row::ROW_HEIGHT / 2.0;
    let line = if *to > from { row_y + half } else { row_y - half };
    let rect = ui.clip_rect();
    let stroke = Stroke::new(2.0, Theme::of(ui.ctx()).accent);
    if *to != from {
        ui.painter()
            .line_segment([Pos2::new(rect.left() + 8.0, line), Pos2::new(rect.right() - 8.0, line)], stroke);
    }
    done(*to);
}

fn proposals_ui(ui: &mut Ui, scope: &mut Scope<'_>, count: usize) {
    let text = if count == 1 { "1 proposal".to_owned() } else { format!("{count} proposals") };
    ui.horizontal(|ui| {
        widgets::note(ui, text);
        // At the place of the proposals their own list has the button.
        if scope.state.place == Place::Propose {
            return;
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if ui.link("Accept all…").on_hover_text(Action::AcceptAll.tooltip()).clicked() {
                scope.outbox.act(Action::AcceptAll);
            }
        });
    });
    ui.add_space(4.0);
}

fn group_header_ui(ui: &mut Ui, scope: &mut Scope<'_>, group: &'static str, count: usize, folded: bool) {
    let theme = Theme::of(ui.ctx());
    let icon = if folded { icons::FOLDED } else { icons::UNFOLDED };
    let text = egui::RichText::new(format!("{icon} {group}  {count}"))
        .font(super::super::theme::strong(super::super::theme::SMALL))
        .color(theme.weak);
    let response = ui.add(egui::Label::new(text).sense(egui::Sense::click()));
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::DisclosureTriangle, true, !folded, group));
    if response.clicked() {
        if folded {
            scope.state.folded_groups.retain(|own| *own != group);
        } else {
            scope.state.folded_groups.push(group);
        }
    }
}
