//! Writing the RTSTRUCT: what goes, what stays behind, where to.

use super::super::actions::Action;
use super::super::theme::Theme;
use super::super::{Request, Scope, icons, widgets};
use crate::session::Session;
use crate::session::derive::Standing;
use egui::{RichText, Ui};
use std::path::PathBuf;

/// The Export place.
pub fn export_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let Some(session) = scope.context.session else { return };
    let theme = Theme::of(ui.ctx());
    widgets::heading(ui, "Export RTSTRUCT");
    let exportable = session.exportable();
    let going: Vec<&str> = exportable
        .set
        .rois
        .iter()
        .filter(|roi| !roi.planes.is_empty() || roi.source.is_some())
        .map(|roi| roi.name.as_str())
        .collect();
    if going.is_empty() {
        widgets::note(ui, "There is no accepted structure with contours yet.");
    } else {
        let text = match going.len() {
            1 => "1 structure goes out:".to_owned(),
            count => format!("{count} structures go out:"),
        };
        ui.label(text);
        ui.add(egui::Label::new(RichText::new(going.join(", ")).color(theme.weak)).wrap());
    }
    if !exportable.left_out.is_empty() {
        ui.add_space(8.0);
        ui.horizontal_top(|ui| {
            ui.label(RichText::new(icons::WARNING).color(theme.amber));
            let text = format!(
                "Left out, because not accepted: {}. Accept or reject them first (A, X).",
                exportable.left_out.join(", ")
            );
            ui.add(egui::Label::new(text).wrap());
        });
    }
    derived_ui(ui, scope, session, theme);
    slices_ui(ui, scope);
    widgets::caption(ui, "File");
    if let Some(hint) = scope.state.export_path.hint.clone() {
        widgets::note(ui, hint);
    }
    let mut entered = false;
    let field = widgets::text_edit(&mut scope.state.export_path.text, "/path/to/structures.dcm");
    let response = widgets::named_field(ui, field, "Export path");
    if std::mem::take(&mut scope.state.export_path.wants_focus) {
        response.request_focus();
        select_all(ui, &response, scope.state.export_path.text.chars().count());
    }
    if widgets::is_entered(ui, &response) {
        entered = true;
    }
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        let ready = !going.is_empty() && !scope.state.export_path.text.trim().is_empty();
        if (widgets::primary_button(ui, "Export", ready).clicked() || entered) && ready {
            let path = PathBuf::from(scope.state.export_path.text.trim());
            scope.outbox.send(Request::Export { path, replace: false });
        }
        if widgets::button(ui, "Choose file…").clicked() {
            scope.outbox.send(Request::PickExport);
        }
    });
    if scope.context.desk.unsynced {
        widgets::note(ui, "The last changes are being written to disk; the export waits for them.");
    }
    if let Some(path) = &scope.context.desk.exported_to {
        widgets::caption(ui, "Last export");
        let text = RichText::new(path.display().to_string()).small();
        ui.add(egui::Label::new(text).wrap().selectable(true));
        if session.has_unexported_changes() {
            widgets::note(ui, "There are changes since.");
        }
    }
}

/// Whose slices the contours go out on, where there are two series.
fn slices_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let Some(second) = &scope.context.desk.second else { return };
    let title = match second.info.description.trim() {
        "" => second.info.modality.code().to_owned(),
        text => format!("{} {text}", second.info.modality.code()),
    };
    widgets::caption(ui, "On the slices of");
    ui.radio_value(&mut scope.state.export_onto_second, false, "These images");
    ui.radio_value(&mut scope.state.export_onto_second, true, title).on_hover_text(
        "The second series: contours are cut anew by its slices, so they are not approved there",
    );
}

/// Says which of the structures that go out are not what their recipes make.
fn derived_ui(ui: &mut Ui, scope: &mut Scope<'_>, session: &Session, theme: &Theme) {
    let standings = session.standings();
    let warned: Vec<(Standing, String)> = session
        .structures()
        .rois
        .iter()
        .filter(|roi| !roi.is_proposal())
        .filter_map(|roi| standings.get(&roi.id).and_then(|own| Some((*own, own.warning(&roi.name)?))))
        .collect();
    for (_, text) in &warned {
        ui.add_space(8.0);
        ui.horizontal_top(|ui| {
            ui.label(RichText::new(icons::WARNING).color(theme.amber));
            ui.add(egui::Label::new(text).wrap());
        });
    }
    if warned.iter().any(|(own, _)| *own == Standing::Stale)
        && widgets::button(ui, "Update").on_hover_text(Action::UpdateDerived.tooltip()).clicked()
    {
        scope.outbox.act(Action::UpdateDerived);
    }
}

/// Selects the whole text, so that typing replaces it.
fn select_all(ui: &Ui, response: &egui::Response, characters: usize) {
    let mut state = egui::TextEdit::load_state(ui.ctx(), response.id).unwrap_or_default();
    let range =
        egui::text::CCursorRange::two(egui::text::CCursor::new(0), egui::text::CCursor::new(characters));
    state.cursor.set_char_range(Some(range));
    egui::TextEdit::store_state(ui.ctx(), response.id, state);
}
