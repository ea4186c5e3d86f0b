//! The right panel: what belongs to the place one is at.

use super::super::actions::Action;
use super::super::state::{Naming, Place};
use super::super::theme::Theme;
use super::super::{Scope, widgets};
use super::numbers::number_field;
use super::{check, export, open, propose, recipe, segment, structure_row};
use crate::patient::{Approval, Density, GenerationAlgorithm, Roi};
use crate::session::{Command, Session};
use crate::tools::Number;
use egui::{RichText, Ui};

/// The panel.
pub fn inspector_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    egui::ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| match scope.state.place {
        Place::Open => open::open_ui(ui, scope),
        Place::Propose => propose::propose_ui(ui, scope),
        Place::Correct => structure_ui(ui, scope),
        Place::Check => check::check_ui(ui, scope),
        Place::Export => export::export_ui(ui, scope),
    });
}

fn structure_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let Some(session) = scope.context.session else { return };
    let Some(roi) = session.selected().cloned() else {
        if segment::makes_its_structure(scope) {
            segment::segment_ui(ui, scope, session);
            return;
        }
        widgets::heading(ui, "Nothing selected");
        widgets::note(ui, "Select a structure in the list, or add one, and draw with the brush.");
        ui.add_space(8.0);
        if widgets::primary_button(ui, "Add structure", true).clicked() {
            scope.outbox.act(Action::AddStructure);
        }
        return;
    };
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(egui::vec2(18.0, 24.0), egui::Sense::hover());
        structure_row::state_mark(ui.painter(), rect.center(), &roi, Theme::of(ui.ctx()).surface);
        ui.label(RichText::new(&roi.name).font(super::super::theme::strong(15.0)));
    });
    ui.add_space(4.0);
    segment::segment_ui(ui, scope, session);
    if roi.is_proposal() {
        proposal_ui(ui, scope, &roi);
    }
    if session.series().info.patient.synthetic
        && let Some(sentence) = crate::phantom::organ_sentence(&roi.name)
    {
        ui.add(egui::Label::new(sentence).wrap());
        ui.add_space(4.0);
    }
    facts_ui(ui, scope, session, &roi);
    widgets::caption(ui, "Colour");
    if let Some(color) = structure_row::swatches_ui(ui, roi.color) {
        scope.outbox.apply(Command::RecolorRoi { roi: roi.id, color });
    }
    slice_ui(ui, scope, &roi);
    if !roi.is_proposal() {
        ui.add_space(8.0);
        recipe::recipe_ui(ui, scope, session, &roi);
    }
    ui.add_space(12.0);
    ui.horizontal_wrapped(|ui| {
        if widgets::button(ui, "Rename").on_hover_text(Action::RenameStructure.tooltip()).clicked() {
            scope.state.naming =
                Some(Naming { roi: Some(roi.id), text: roi.name.clone(), choice: None, focused: false });
        }
        let label = if roi.locked { "Unlock" } else { "Lock" };
        if widgets::button(ui, label).on_hover_text(Action::ToggleLock.tooltip()).clicked() {
            scope.outbox.apply(Command::SetLock { roi: roi.id, locked: !roi.locked });
        }
        if widgets::danger_button(ui, "Delete").on_hover_text(Action::DeleteStructure.tooltip()).clicked() {
            structure_row::ask_to_delete(scope, roi.id, roi.planes.is_empty());
        }
    });
}

fn proposal_ui(ui: &mut Ui, scope: &mut Scope<'_>, roi: &Roi) {
    widgets::note(ui, "A proposal of the machine. Look through it; it is exported only once accepted.");
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        if widgets::primary_button(ui, "Accept", true)
            .on_hover_text(Action::AcceptProposal.tooltip())
            .clicked()
        {
            scope.outbox.apply(Command::AcceptProposals { rois: vec![roi.id] });
        }
        if widgets::button(ui, "Reject").on_hover_text(Action::RejectProposal.tooltip()).clicked() {
            scope.outbox.apply(Command::RejectProposals { rois: vec![roi.id] });
        }
    });
    ui.add_space(8.0);
}

fn facts_ui(ui: &mut Ui, scope: &mut Scope<'_>, session: &Session, roi: &Roi) {
    ui.horizontal(|ui| {
        widgets::note(ui, "Type");
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let current = structure_row::TYPES
                .iter()
                .find(|(roi_type, _)| *roi_type == roi.roi_type)
                .map_or_else(|| roi.roi_type.term().to_owned(), |(_, word)| (*word).to_owned());
            widgets::combo("type").selected_text(current).show_ui(ui, |ui| {
                for (roi_type, word) in structure_row::TYPES {
                    if ui.selectable_label(roi.roi_type == *roi_type, *word).clicked() {
                        scope.outbox.apply(Command::SetRoiType { roi: roi.id, roi_type: roi_type.clone() });
                    }
                }
            });
        });
    });
    if !roi.is_proposal() {
        ui.horizontal(|ui| {
            widgets::note(ui, "State");
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let word = |approval: Approval| match approval {
                    Approval::Proposal => "Proposal",
                    Approval::Accepted => "Accepted",
                    Approval::Reviewed => "Reviewed",
                    Approval::Approved => "Approved (locked)",
                };
                widgets::combo("state").selected_text(word(roi.approval)).show_ui(ui, |ui| {
                    for approval in [Approval::Accepted, Approval::Reviewed, Approval::Approved] {
                        if ui.selectable_label(roi.approval == approval, word(approval)).clicked() {
                            scope.outbox.apply(Command::SetApproval { roi: roi.id, approval });
                        }
                    }
                });
            });
        });
    }
    if !roi.is_proposal() {
        let mut exclusive = roi.exclusive;
        let hover = Action::ToggleExclusive.tooltip();
        if ui.checkbox(&mut exclusive, "Exclusive").on_hover_text(hover).changed() {
            scope.outbox.apply(Command::SetExclusive { roi: roi.id, exclusive });
        }
        density_ui(ui, scope, roi);
    }
    let volume_cc = scope.state.views.as_mut().map_or(0.0, |views| views.volume_cc(roi, session));
    widgets::fact(ui, "Volume", structure_row::volume_text(roi, volume_cc));
    widgets::fact(ui, "Slices with contours", roi.planes.len().to_string());
    let made = match roi.generation {
        GenerationAlgorithm::Automatic => "by a model, unchanged",
        GenerationAlgorithm::SemiAutomatic => "by a model, corrected",
        GenerationAlgorithm::Manual => "by hand",
        GenerationAlgorithm::Unknown => "not stated",
    };
    widgets::fact(ui, "Made", made);
    if !roi.description.is_empty() {
        ui.add(
            egui::Label::new(RichText::new(&roi.description).small().color(Theme::of(ui.ctx()).weak)).wrap(),
        );
    }
}

/// The density that stands in place of what the images tell.
fn density_ui(ui: &mut Ui, scope: &mut Scope<'_>, roi: &Roi) {
    let word = |density: Option<Density>| match density {
        None => "From the images",
        Some(Density::Electron(_)) => "Electron density",
        Some(Density::Mass(_)) => "Mass density",
    };
    ui.horizontal(|ui| {
        widgets::note(ui, "Density");
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let mut chosen = roi.density;
            let value = roi.density.map_or(1.0, Density::value);
            widgets::combo("density")
                .selected_text(word(roi.density))
                .show_ui(ui, |ui| {
                    for offered in [None, Some(Density::Electron(value)), Some(Density::Mass(value))] {
                        ui.selectable_value(&mut chosen, offered, word(offered));
                    }
                })
                .response
                .on_hover_text(
                    "What dose calculation is to assume inside, relative to water. Written to the RTSTRUCT.",
                );
            if let Some(density) = roi.density {
                // Typed or dragged, it is one step: the value is taken when the field is left.
                let id = ui.scope_id().with(("density", roi.id.0));
                let mut typed = ui.data(|data| data.get_temp(id)).unwrap_or(value);
                let field = egui::DragValue::new(&mut typed).range(0.0..=25.0).speed(0.01).max_decimals(4);
                let response = ui.add_enabled(!roi.is_locked(), field);
                if response.has_focus() || response.dragged() {
                    ui.data_mut(|data| data.insert_temp(id, typed));
                } else {
                    ui.data_mut(|data| data.remove::<f64>(id));
                    if (typed - value).abs() > 1e-9 {
                        chosen = Some(density.with_value(typed));
                    }
                }
            }
            if chosen != roi.density {
                scope.outbox.apply(Command::SetDensity { roi: roi.id, density: chosen });
            }
        });
    });
}

fn slice_ui(ui: &mut Ui, scope: &mut Scope<'_>, roi: &Roi) {
    let Some((slice, actions)) = structure_row::slice_actions(scope, roi) else { return };
    let shows = scope.state.views.as_ref().is_some_and(|views| views.navigation.shows_slices());
    let at = if shows { "" } else { ", at the crosshair" };
    widgets::caption(ui, &format!("Slice {}{at}", slice + 1));
    for (action, label, enabled) in actions {
        let button = egui::Button::new(label).min_size(egui::vec2(200.0, 28.0));
        if ui.add_enabled(enabled, button).on_hover_text(action.tooltip()).clicked() {
            scope.outbox.act(action);
        }
    }
    thin_ui(ui, scope, roi);
}

/// Fewer slices, to correct them and fill between them again.
fn thin_ui(ui: &mut Ui, scope: &mut Scope<'_>, roi: &Roi) {
    let id = ui.scope_id().with("keep every");
    let mut every = ui.data(|data| data.get_temp::<u8>(id)).unwrap_or(2);
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        widgets::note(ui, "Keep one in");
        let field = egui::DragValue::new(&mut every).range(2..=20).speed(0.1).suffix(" slices");
        number_field(ui, Number::KeepEvery, field)
            .on_hover_text("Of each run of slices with contours; its last one stays too");
        ui.data_mut(|data| data.insert_temp(id, every));
        let button = egui::Button::new("Fewer slices").min_size(egui::vec2(0.0, 28.0));
        let hover = Action::ThinSlices(2).info().why;
        if ui.add_enabled(roi.planes.len() > 2 && !roi.is_locked(), button).on_hover_text(hover).clicked() {
            scope.outbox.act(Action::ThinSlices(every));
        }
    });
}
