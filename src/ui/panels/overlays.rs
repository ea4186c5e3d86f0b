//! What lies over the window: search, keys, about, questions. Esc closes each.

use super::super::state::{Leave, Overlay};
use super::super::theme::{self, Theme};
use super::super::{Request, Scope, widgets};
use super::{card, keys, manager, open, palette, tool_pictures, train};
use crate::patient::Roi;
use crate::session::Command;
use egui::{Key, RichText, Ui};
use std::path::Path;
use std::sync::Arc;

/// The card that lies over the window, if any.
pub fn overlay_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let Some(overlay) = scope.state.overlay.clone() else { return };
    let theme = Theme::of(ui.ctx());
    // Each kind stands where its own size puts it, not where the one before it stood.
    let id = egui::Id::unique("overlay").with(std::mem::discriminant(&overlay));
    let area = match overlay {
        Overlay::Palette { .. } => {
            egui::Modal::default_area(id).anchor(egui::Align2::CENTER_TOP, [0.0, 96.0])
        }
        _ => egui::Modal::default_area(id),
    };
    let frame = match overlay {
        Overlay::Palette { .. } => theme.card_frame().inner_margin(egui::Margin::same(12)),
        _ => theme.card_frame(),
    };
    let backdrop = egui::Color32::from_black_alpha(if theme.dark { 120 } else { 70 });
    let shown = egui::Modal::new(id).area(area).frame(frame).backdrop_color(backdrop).show(ui.ctx(), |ui| {
        match &overlay {
            Overlay::Palette { .. } => palette::palette_ui(ui, scope),
            Overlay::Keys => keys::keys_ui(ui, scope),
            Overlay::ToolPictures => tool_pictures::tool_pictures_ui(ui, scope),
            Overlay::About => about_ui(ui, scope),
            Overlay::Training => train::train_ui(ui, scope),
            Overlay::Series => series_ui(ui, scope),
            Overlay::History => history_ui(ui, scope),
            Overlay::AcceptAll => accept_all_ui(ui, scope),
            Overlay::Replace(path) => replace_ui(ui, scope, path),
            Overlay::Delete(roi) => delete_ui(ui, scope, *roi),
            Overlay::Models => manager::manager_ui(ui, scope),
            Overlay::Card(card) => card::card_ui(ui, scope, card),
            Overlay::GetModel { id, .. } => get_model_ui(ui, scope, id),
            Overlay::RemoveModel(id) => remove_model_ui(ui, scope, id),
            Overlay::RemoveUnusable(folder) => remove_unusable_ui(ui, scope, folder),
            Overlay::Resume(summary) => resume_ui(ui, scope, summary),
            Overlay::Unsaved { changes, why } => unsaved_ui(ui, scope, *changes, why),
            Overlay::OpenOutlines(count) => open_outlines_ui(ui, scope, *count),
        }
    });
    let size = shown.response.rect.size();
    let before = ui.data_mut(|data| {
        let before = data.get_temp::<egui::Vec2>(id);
        data.insert_temp(id, size);
        before
    });
    if before != Some(size) {
        // The next frame puts the new size in the middle.
        ui.ctx().request_repaint();
    }
    if shown.should_close() && scope.state.overlay.as_ref() == Some(&overlay) {
        scope.state.overlay = overlay.below();
        match overlay {
            Overlay::Resume(_) => scope.outbox.send(Request::ResumeFound(true)),
            Overlay::Unsaved { .. } | Overlay::OpenOutlines(_) => {
                scope.outbox.send(Request::Leave(Leave::Stay));
            }
            _ => {}
        }
    }
}

/// The buttons of a question; the primary one has the keyboard.
fn answer_ui(ui: &mut Ui, yes: &str, danger: bool) -> Option<bool> {
    buttons_ui(ui, yes, danger, false)
}

/// The buttons of a question whose answer cannot be taken back: Cancel has the keyboard.
fn final_answer_ui(ui: &mut Ui, yes: &str) -> Option<bool> {
    buttons_ui(ui, yes, true, true)
}

fn buttons_ui(ui: &mut Ui, yes: &str, danger: bool, is_final: bool) -> Option<bool> {
    ui.add_space(16.0);
    let mut answer = None;
    ui.horizontal(|ui| {
        let response =
            if danger { widgets::danger_button(ui, yes) } else { widgets::primary_button(ui, yes, true) };
        let cancel = widgets::button(ui, "Cancel");
        if ui.memory(|memory| memory.focused().is_none()) {
            if is_final { &cancel } else { &response }.request_focus();
        }
        let is_entered =
            |button: &egui::Response| button.has_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        if response.clicked() || is_entered(&response) {
            answer = Some(true);
        }
        if cancel.clicked() || is_entered(&cancel) {
            answer = Some(false);
        }
    });
    answer
}

fn about_ui(ui: &mut Ui, scope: &Scope<'_>) {
    ui.set_width(440.0);
    ui.label(RichText::new("Delineo").font(theme::strong(22.0)));
    ui.label(format!("Version {}", env!("CARGO_PKG_VERSION")));
    ui.add_space(8.0);
    ui.label(RichText::new("Not a cleared medical device.").font(theme::strong(theme::BODY)));
    ui.add(
        egui::Label::new(
            "Delineo has not been cleared or approved by any authority. Its contours, and those of its models, \
             must not be used for treatment without checks by a qualified person.",
        )
        .wrap(),
    );
    ui.add_space(8.0);
    widgets::note(
        ui,
        "Licence: MIT or Apache-2.0. Font: IBM Plex Sans as Delineo Sans (SIL OFL 1.1); icons: Phosphor (MIT). Names: AAPM TG-263.",
    );
    if !scope.context.desk.device.is_empty() {
        widgets::note(ui, format!("Pictures: {}", scope.context.desk.device));
    }
    widgets::note(ui, "Esc closes this.");
}

fn series_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    ui.set_width(480.0);
    widgets::heading(ui, "Choose a series");
    egui::ScrollArea::vertical()
        .max_height(420.0)
        .min_scrolled_height(420.0)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            open::series_list_ui(ui, scope);
        });
}

fn history_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    ui.set_width(380.0);
    widgets::heading(ui, "History");
    let Some(session) = scope.context.session else { return };
    let undo: Vec<String> = session.history().undo_names().map(str::to_owned).collect();
    let redo: Vec<String> = session.history().redo_names().map(str::to_owned).collect();
    if undo.is_empty() && redo.is_empty() {
        widgets::note(ui, "Nothing has been changed yet.");
        return;
    }
    widgets::note(ui, "Click a step to go back or forward to it.");
    egui::ScrollArea::vertical()
        .max_height(420.0)
        .min_scrolled_height(420.0)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            for (index, name) in redo.iter().enumerate().rev() {
                let text = RichText::new(name).color(Theme::of(ui.ctx()).weak);
                if ui.selectable_label(false, text).clicked() {
                    scope.outbox.send(Request::Step(steps(index + 1)));
                }
            }
            for (index, name) in undo.iter().enumerate() {
                if ui.selectable_label(index == 0, name).clicked() && index > 0 {
                    scope.outbox.send(Request::Step(-steps(index)));
                }
            }
            if ui.selectable_label(undo.is_empty(), "As opened").clicked() && !undo.is_empty() {
                scope.outbox.send(Request::Step(-steps(undo.len())));
            }
        });
}

fn steps(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn accept_all_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let Some(session) = scope.context.session else { return };
    let names: Vec<&str> = session.proposals().map(|roi| roi.name.as_str()).collect();
    ui.set_width(420.0);
    widgets::heading(ui, &format!("Accept all {} proposals?", names.len()));
    ui.add(egui::Label::new(names.join(", ")).wrap());
    let proposals: Vec<&Arc<Roi>> = session.proposals().collect();
    let least = proposals.iter().filter_map(|roi| Some((roi, roi.confidence?.value)));
    if let Some((roi, value)) = least.min_by(|a, b| a.1.total_cmp(&b.1)) {
        widgets::note(ui, format!("Least certain: {} ({value:.2}).", roi.name));
    }
    let cut = proposals
        .iter()
        .filter(|roi| scope.state.views.as_mut().is_some_and(|views| views.is_cut(roi, session)));
    let cut: Vec<&str> = cut.map(|roi| roi.name.as_str()).collect();
    if !cut.is_empty() {
        widgets::note(ui, format!("Cut by the end of the scan: {}.", cut.join(", ")));
    }
    widgets::note(ui, "They become yours, and are exported. Undo takes it back.");
    if let Some(yes) = answer_ui(ui, "Accept all", false) {
        scope.state.overlay = None;
        if yes {
            scope.outbox.apply(Command::AcceptAllProposals);
        }
    }
}

fn replace_ui(ui: &mut Ui, scope: &mut Scope<'_>, path: &Path) {
    ui.set_width(420.0);
    widgets::heading(ui, "Replace the file?");
    ui.add(egui::Label::new(format!("There is already a file of this name: {}", path.display())).wrap());
    if let Some(yes) = answer_ui(ui, "Replace", true) {
        scope.state.overlay = None;
        if yes {
            scope.outbox.send(Request::Export { path: path.to_owned(), replace: true });
        }
    }
}

fn resume_ui(ui: &mut Ui, scope: &mut Scope<'_>, summary: &str) {
    ui.set_width(420.0);
    widgets::heading(ui, "Go on with earlier work?");
    ui.add(egui::Label::new(format!("These images were contoured before: {summary}.")).wrap());
    widgets::note(ui, "Starting anew keeps the earlier work; it stays on the start screen.");
    ui.add_space(16.0);
    ui.horizontal(|ui| {
        let resume = widgets::primary_button(ui, "Resume", true);
        if ui.memory(|memory| memory.focused().is_none()) {
            resume.request_focus();
        }
        let entered = resume.has_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let anew = widgets::button(ui, "Start anew").clicked();
        if resume.clicked() || entered || anew {
            scope.state.overlay = None;
            scope.outbox.send(Request::ResumeFound(!anew));
        }
    });
}

fn unsaved_ui(ui: &mut Ui, scope: &mut Scope<'_>, changes: usize, why: &str) {
    ui.set_width(440.0);
    let title = match changes {
        0 => "The last edits could not be saved".to_owned(),
        1 => "1 edit could not be saved".to_owned(),
        count => format!("{count} edits could not be saved"),
    };
    widgets::heading(ui, &title);
    ui.add(egui::Label::new(why).wrap());
    widgets::note(ui, "Closing now loses what is not saved. An export writes the contours all the same.");
    ui.add_space(16.0);
    ui.horizontal(|ui| {
        let again = widgets::primary_button(ui, "Try again", true);
        if ui.memory(|memory| memory.focused().is_none()) {
            again.request_focus();
        }
        let entered = again.has_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let anyway = widgets::danger_button(ui, "Close anyway").clicked();
        let stay = widgets::button(ui, "Cancel").clicked();
        let answer = match (again.clicked() || entered, anyway, stay) {
            (true, _, _) => Leave::TryAgain,
            (_, true, _) => Leave::Anyway,
            (_, _, true) => Leave::Stay,
            _ => return,
        };
        scope.state.overlay = None;
        scope.outbox.send(Request::Leave(answer));
    });
}

fn open_outlines_ui(ui: &mut Ui, scope: &mut Scope<'_>, count: usize) {
    ui.set_width(420.0);
    let title = match count {
        1 => "1 outline is not closed".to_owned(),
        count => format!("{count} outlines are not closed"),
    };
    widgets::heading(ui, &title);
    widgets::note(
        ui,
        "Closing now loses the points clicked so far; everything else is saved. Outlines that wait go on when their tool and structure are in hand again.",
    );
    if let Some(yes) = answer_ui(ui, "Close anyway", true) {
        scope.state.overlay = None;
        scope.outbox.send(Request::Leave(if yes { Leave::Anyway } else { Leave::Stay }));
    }
}

fn get_model_ui(ui: &mut Ui, scope: &mut Scope<'_>, id: &str) {
    let Some(line) = scope.context.desk.catalogue.iter().find(|line| line.id == id) else {
        scope.state.overlay = scope.state.overlay.as_ref().and_then(Overlay::below);
        return;
    };
    ui.set_width(460.0);
    widgets::heading(ui, &format!("Get {}?", line.title));
    let warning = line.license_warning.as_deref().unwrap_or_default();
    let amber = Theme::of(ui.ctx()).amber;
    ui.add(egui::Label::new(RichText::new(warning).color(amber)).wrap());
    ui.add_space(4.0);
    widgets::note(ui, format!("Licence: {}.", line.license));
    widgets::note(ui, format!("To be downloaded: {}.", manager::size_text(line)));
    if let Some(yes) = answer_ui(ui, "Get it under this licence", false) {
        scope.state.overlay = scope.state.overlay.as_ref().and_then(Overlay::below);
        if yes {
            scope.outbox.send(Request::Fetch(id.to_owned()));
        }
    }
}

fn remove_model_ui(ui: &mut Ui, scope: &mut Scope<'_>, id: &str) {
    let model = scope.context.desk.models.iter().find(|model| model.id == id);
    let title = model.map_or_else(|| id.to_owned(), |model| model.title.clone());
    ui.set_width(420.0);
    widgets::heading(ui, &format!("Remove {title}?"));
    widgets::note(
        ui,
        "Its files go from this machine. Contours that it made stay. Undo does not bring it back.",
    );
    let dependants = scope.context.desk.dependants(id);
    if !dependants.is_empty() {
        let names: Vec<&str> = dependants.iter().map(|model| model.title.as_str()).collect();
        ui.add_space(4.0);
        let text = format!(
            "Without it {} cannot run until it is got again; it finds the region for: {}.",
            if names.len() == 1 {
                "1 other model".to_owned()
            } else {
                format!("{} other models", names.len())
            },
            names.join(", ")
        );
        let amber = Theme::of(ui.ctx()).amber;
        ui.add(egui::Label::new(RichText::new(text).color(amber)).wrap());
    }
    if let Some(yes) = final_answer_ui(ui, "Remove") {
        scope.state.overlay = Some(Overlay::Models);
        if yes {
            scope.outbox.send(Request::RemoveModel(id.to_owned()));
        }
    }
}

fn remove_unusable_ui(ui: &mut Ui, scope: &mut Scope<'_>, folder: &Path) {
    ui.set_width(420.0);
    widgets::heading(ui, &format!("Remove {}?", folder.file_name().unwrap_or_default().to_string_lossy()));
    widgets::note(
        ui,
        format!("This folder goes from this machine with all that is in it: {}", folder.display()),
    );
    if let Some(yes) = final_answer_ui(ui, "Remove") {
        scope.state.overlay = Some(Overlay::Models);
        if yes {
            scope.outbox.send(Request::RemoveUnusable(folder.to_owned()));
        }
    }
}

fn delete_ui(ui: &mut Ui, scope: &mut Scope<'_>, roi: crate::patient::RoiId) {
    let name = scope.context.session.and_then(|session| session.roi(roi)).map(|roi| roi.name.clone());
    let Some(name) = name else {
        scope.state.overlay = None;
        return;
    };
    ui.set_width(380.0);
    widgets::heading(ui, &format!("Delete {name}?"));
    widgets::note(ui, "It goes with all its contours. Undo brings it back.");
    if let Some(yes) = answer_ui(ui, "Delete", true) {
        scope.state.overlay = None;
        if yes {
            scope.outbox.apply(Command::DeleteRoi { roi });
        }
    }
}
