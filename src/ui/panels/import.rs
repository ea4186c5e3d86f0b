//! Importing a model in the model manager: where it is, and which way the images of one of nnU-Net lie.

use super::super::theme::Theme;
use super::super::{Request, Scope, widgets};
use super::manager::job_ui;
use crate::ui::state::HandOver;
use egui::{RichText, Ui, vec2};
use std::path::PathBuf;

/// What stands in the list for a code of one's own.
const OTHER: &str = "Another way…";

/// What is chosen and the field for the model, or how far an import is.
pub(super) fn import_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    widgets::heading(ui, "Import a model");
    if let Some(hint) = scope.state.import_path.hint.clone() {
        widgets::note(ui, hint);
    }
    let busy = scope.context.desk.jobs.iter().find(|job| job.key == "import model").cloned();
    if let Some(job) = busy {
        job_ui(ui, scope, &job);
        return;
    }
    let is_clear = scope.state.import_as.orientation().is_ok();
    ui.horizontal(|ui| {
        let width = ui.available_width() - widgets::buttons_width(ui, &["Import", "Folder…", "ZIP…"]);
        let hint = "A folder or ZIP of nnU-Net v2, or a model trained here";
        let field = widgets::text_edit(&mut scope.state.import_path.text, hint);
        let response = widgets::named_field(ui, field.desired_width(width.max(80.0)), "Path of the model");
        if std::mem::take(&mut scope.state.import_path.wants_focus) {
            response.request_focus();
        }
        let entered = widgets::is_entered(ui, &response);
        let typed = scope.state.import_path.text.trim().to_owned();
        let ready = !typed.is_empty() && is_clear;
        let import = ui.add_enabled(ready, egui::Button::new("Import").min_size(vec2(0.0, 28.0)));
        if (import.clicked() || entered) && ready {
            scope.outbox.send(Request::ImportModel(PathBuf::from(typed)));
        }
        ui.add_enabled_ui(is_clear, |ui| {
            if widgets::button(ui, "Folder…")
                .on_hover_text(
                    "A training folder of nnU-Net, the data set's folder above it, or a model's own folder",
                )
                .clicked()
            {
                scope.outbox.send(Request::PickModelFolder);
            }
            if widgets::button(ui, "ZIP…").on_hover_text("An archive of such a folder").clicked() {
                scope.outbox.send(Request::PickModelArchive);
            }
        });
    });
    advanced_ui(ui, &mut scope.state.import_as);
}

/// What hardly anybody has to choose, folded away while nothing is chosen.
fn advanced_ui(ui: &mut Ui, chosen: &mut HandOver) {
    let id = ui.scope_id().with("advanced import");
    let is_usual = *chosen == HandOver::default();
    let kept = ui.data(|data| data.get_temp(id)).unwrap_or(false);
    // What keeps the button from being pressed is in sight.
    let mut unfolded = kept || !is_usual;
    ui.add_space(4.0);
    widgets::fold(ui, "Advanced", "Advanced", &mut unfolded);
    ui.data_mut(|data| data.insert_temp(id, unfolded));
    if unfolded {
        hand_over_ui(ui, chosen);
    }
}

/// How images are handed over to the model, with what it means below.
fn hand_over_ui(ui: &mut Ui, chosen: &mut HandOver) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Training images lay").color(Theme::of(ui.ctx()).weak));
        let list = widgets::combo("hand over").width(300.0).selected_text(chosen.title(OTHER));
        let response = list.show_ui(ui, |ui| {
            for way in HandOver::known() {
                if ui.selectable_label(*chosen == way, way.title(OTHER)).clicked() {
                    *chosen = way;
                }
            }
            let is_other = matches!(chosen, HandOver::Typed(_));
            if ui.selectable_label(is_other, OTHER).clicked() && !is_other {
                *chosen = HandOver::Typed(String::new());
            }
        });
        let label = "How images are handed over";
        response.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, label));
        if let HandOver::Typed(code) = chosen {
            let field = widgets::text_edit(code, "LAS").char_limit(3).desired_width(56.0);
            let response = widgets::named_field(ui, field, "Sides of the axes");
            if response.changed() {
                *code = code.to_uppercase();
            }
        }
    });
    widgets::note(ui, chosen.meaning());
}
