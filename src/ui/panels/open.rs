//! Choosing what to work on: the path field, the series that were found, the second series.

use super::super::actions::Action;
use super::super::state::SeriesLine;
use super::super::theme::{self, Theme};
use super::super::{Request, Scope, icons, widgets};
use egui::{RichText, Sense, Ui, vec2};
use std::path::PathBuf;

/// A field for a path, for where no file chooser answers and for those who know where it is.
pub fn path_row_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    if let Some(hint) = scope.state.open_path.hint.clone() {
        widgets::note(ui, hint);
    }
    ui.horizontal(|ui| {
        let width = ui.available_width() - widgets::buttons_width(ui, &["Open"]);
        let field = widgets::text_edit(&mut scope.state.open_path.text, "Path of a folder or file");
        let response = widgets::named_field(ui, field.desired_width(width.max(80.0)), "Path to open");
        if std::mem::take(&mut scope.state.open_path.wants_focus) {
            response.request_focus();
        }
        let entered = widgets::is_entered(ui, &response);
        if (widgets::button(ui, "Open").clicked() || entered) && !scope.state.open_path.text.trim().is_empty()
        {
            let path = PathBuf::from(scope.state.open_path.text.trim());
            scope.outbox.send(Request::Open(vec![path]));
        }
    });
}

/// The most room that the warnings take before they scroll, points.
const WARNINGS_HEIGHT: f32 = 280.0;

/// The Open place of the inspector.
pub fn open_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    widgets::heading(ui, "Open");
    ui.horizontal_wrapped(|ui| {
        for (action, label) in [
            (Action::OpenFolder, "Folder…"),
            (Action::OpenFiles, "Files…"),
            (Action::OpenSample, "Sample patient"),
        ] {
            if widgets::button(ui, label).on_hover_text(action.tooltip()).clicked() {
                scope.outbox.act(action);
            }
        }
    });
    ui.add_space(4.0);
    path_row_ui(ui, scope);
    widgets::caption(ui, "Series");
    series_list_ui(ui, scope);
    if !scope.context.desk.structure_sets.is_empty() {
        widgets::caption(ui, "Structure sets");
        for path in &scope.context.desk.structure_sets {
            let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            ui.horizontal(|ui| {
                if ui.button("Read").on_hover_text("Adds its structures to the list").clicked() {
                    scope.outbox.send(Request::ReadStructures(path.clone()));
                }
                ui.add(egui::Label::new(name).truncate()).on_hover_text(path.display().to_string());
            });
        }
    }
    doses_ui(ui, scope);
    let warnings = &scope.context.desk.warnings;
    if !warnings.is_empty() {
        widgets::caption(ui, "About the data");
        let amber = Theme::of(ui.ctx()).amber;
        egui::ScrollArea::vertical().id_salt("warnings").max_height(WARNINGS_HEIGHT).show(ui, |ui| {
            for warning in warnings {
                ui.horizontal_top(|ui| {
                    ui.label(RichText::new(icons::WARNING).color(amber));
                    ui.add(egui::Label::new(RichText::new(warning).small()).wrap().selectable(true));
                });
            }
        });
    }
}

/// The doses found with the scan.
fn doses_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    if scope.context.desk.doses.is_empty() {
        return;
    }
    widgets::caption(ui, "Doses");
    let weak = Theme::of(ui.ctx()).weak;
    for (index, line) in scope.context.desk.doses.iter().enumerate() {
        let is_open = scope.context.desk.open_dose == Some(index);
        ui.horizontal_top(|ui| {
            let button = ui.add_enabled(line.is_usable && !is_open, egui::Button::new("Read"));
            if button
                .on_hover_text("Reads it: its levels can be outlined, and the pointer tells the dose")
                .clicked()
            {
                scope.outbox.send(Request::ReadDose(line.path.clone()));
            }
            ui.vertical(|ui| {
                let standing = if is_open { " · in use" } else { "" };
                let title = format!("{}{standing}", line.title);
                ui.add(egui::Label::new(title).wrap()).on_hover_text(line.path.display().to_string());
                ui.add(egui::Label::new(RichText::new(&line.detail).small().color(weak)).wrap());
            });
        });
    }
}

/// The series to choose from.
pub fn series_list_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    if scope.context.desk.series.is_empty() {
        widgets::note(ui, "Only this one was read.");
    }
    let mut patient = String::new();
    for (index, line) in scope.context.desk.series.iter().enumerate() {
        let whose = format!("{} · {}", widgets::person_name(&line.patient), line.patient_id);
        if whose != patient {
            widgets::caption(ui, &whose);
            patient = whose;
        }
        series_row_ui(ui, scope, index, line);
    }
}

fn series_row_ui(ui: &mut Ui, scope: &mut Scope<'_>, index: usize, line: &SeriesLine) {
    let desk = scope.context.desk;
    let (is_open, is_second) = (desk.open_series == Some(index), desk.second_series == Some(index));
    let can_blend = line.can_be_second && !is_open && !is_second;
    let theme = Theme::of(ui.ctx());
    let title = match line.description.as_str() {
        "" => line.modality.clone(),
        description => format!("{} {description}", line.modality),
    };
    let standing = match (is_open, is_second) {
        (true, _) => " · open",
        (_, true) => " · second series",
        _ => "",
    };
    let below = format!("{} · {} slices{standing}", line.study, line.slices);
    // Both texts take as many lines as they need: none is cut.
    let width = ui.available_width();
    let text_width = width - 16.0 - if can_blend { 64.0 } else { 0.0 };
    let lay = |text: &str, size: f32, ink| {
        ui.painter().layout(text.to_owned(), egui::FontId::proportional(size), ink, text_width)
    };
    let upper = lay(&title, theme::BODY, theme.text);
    let lower = lay(&below, theme::SMALL, theme.weak);
    let height = (upper.size().y + lower.size().y + 12.0).max(40.0);
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::click());
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_open, &title));
    let ground = if is_open || is_second {
        theme.pressed
    } else if response.hovered() {
        theme.raised
    } else {
        theme.surface
    };
    let painter = ui.painter().with_clip_rect(rect);
    painter.rect_filled(rect, theme::RADIUS, ground);
    let text = upper.size().y + 2.0 + lower.size().y;
    let at = rect.left_center() + vec2(8.0, -text / 2.0);
    let below_at = at + vec2(0.0, upper.size().y + 2.0);
    painter.galley(at, upper, theme.text);
    painter.galley(below_at, lower, theme.weak);
    if response.has_focus() {
        widgets::focus_ring(ui, rect);
    }
    if can_blend {
        let button = egui::Rect::from_center_size(rect.right_center() - vec2(36.0, 0.0), vec2(56.0, 24.0));
        let mut child = ui.new_child(egui::UiBuilder::new().max_rect(button).id_salt(index));
        let over = child.add(egui::Button::new("Blend")).on_hover_text("Shows this series over the open one");
        if over.clicked() {
            scope.outbox.send(Request::ShowSecond(index));
            return;
        }
    }
    if response.clicked() && !is_open {
        scope.outbox.send(Request::ShowSeries(index));
    }
}
