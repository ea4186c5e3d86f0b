//! Which organs a model is asked for: a list with search, pairs in one row, and templates.

use super::super::super::state::ModelLine;
use super::super::super::theme::{self, Theme};
use super::super::super::{Scope, icons, widgets};
use super::models::check_mark;
use crate::session::templates::{Template, built_in};
use egui::{Align2, FontId, Sense, Ui, vec2};
use std::collections::BTreeSet;

/// One row of the list: an organ, or its left and right one.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: String,
    organs: Vec<String>,
}

/// Organs in the model's order, left and right folded into one row where both are there.
fn rows(organs: &[String]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for organ in organs {
        // A side stands at the end, or before a further part (`Lung_L`, `Femur_Head_L`).
        let stem = organ.strip_suffix("_L").or_else(|| organ.strip_suffix("_R"));
        let twin =
            stem.map(|stem| if organ.ends_with("_L") { format!("{stem}_R") } else { format!("{stem}_L") });
        match (stem, twin) {
            (Some(stem), Some(twin)) if organs.contains(&twin) => {
                match rows.iter_mut().find(|row| row.name == stem && row.organs.contains(&twin)) {
                    Some(row) => row.organs.push(organ.clone()),
                    None => rows.push(Row { name: stem.to_owned(), organs: vec![organ.clone()] }),
                }
            }
            _ => rows.push(Row { name: organ.clone(), organs: vec![organ.clone()] }),
        }
    }
    rows.iter_mut().for_each(|row| row.organs.sort_unstable());
    rows
}

/// The choice of organs; a model of one organ has none.
pub fn organs_ui(ui: &mut Ui, scope: &mut Scope<'_>, model: &ModelLine) {
    if model.organs.len() < 2 {
        return;
    }
    let chosen: BTreeSet<String> = scope.state.propose.chosen(model).into_iter().map(str::to_owned).collect();
    let unfolded = scope.state.propose.shows_organs;
    ui.add_space(4.0);
    let count = if chosen.len() == model.organs.len() {
        format!("all {}", chosen.len())
    } else {
        format!("{} of {}", chosen.len(), model.organs.len())
    };
    ui.horizontal(|ui| {
        widgets::fold(ui, "Organs", &format!("Organs: {count}"), &mut scope.state.propose.shows_organs);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            templates_ui(ui, scope, model, &chosen);
        });
    });
    naming_ui(ui, scope, &chosen);
    if unfolded {
        list_ui(ui, scope, model, chosen);
    }
}

fn list_ui(ui: &mut Ui, scope: &mut Scope<'_>, model: &ModelLine, mut chosen: BTreeSet<String>) {
    let before = chosen.clone();
    ui.horizontal(|ui| {
        let width = ui.available_width() - widgets::buttons_width(ui, &["All", "None"]);
        let field = widgets::text_edit(&mut scope.state.propose.search, "Find an organ");
        let field = field.margin(egui::Margin::symmetric(8, 4)).desired_width(width);
        widgets::named_field(ui, field, "Find an organ");
        let wanted = scope.state.propose.search.to_lowercase();
        let shown = model.organs.iter().filter(|organ| organ.to_lowercase().contains(wanted.trim()));
        if ui.button("All").on_hover_text("Asks for all that are listed").clicked() {
            chosen.extend(shown.cloned());
        } else if ui.button("None").on_hover_text("Asks for none that is listed").clicked() {
            shown.for_each(|organ| {
                chosen.remove(organ);
            });
        }
    });
    let wanted = scope.state.propose.search.trim().to_lowercase();
    let rows: Vec<Row> =
        rows(&model.organs).into_iter().filter(|row| row.name.to_lowercase().contains(&wanted)).collect();
    if rows.is_empty() {
        widgets::note(ui, "No organ of that name.");
    }
    #[expect(clippy::cast_precision_loss, reason = "some hundred rows")]
    let height = (rows.len() as f32 * 24.0).min(240.0);
    let scroll =
        egui::ScrollArea::vertical().id_salt("organs").max_height(height).min_scrolled_height(height);
    let scroll = scroll.auto_shrink([false, false]);
    scroll.show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for row in rows {
            row_ui(ui, &row, &mut chosen);
        }
    });
    if chosen != before {
        scope.state.propose.choose(model, &chosen);
    }
}

/// A row: the check mark stands for both sides, the letters at its end for one each.
fn row_ui(ui: &mut Ui, row: &Row, chosen: &mut BTreeSet<String>) {
    let theme = Theme::of(ui.ctx());
    let on: Vec<bool> = row.organs.iter().map(|organ| chosen.contains(organ)).collect();
    let state = match (on.contains(&true), on.contains(&false)) {
        (true, true) => None,
        (any, _) => Some(any),
    };
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 24.0), Sense::click());
    let label = if row.organs.len() > 1 { format!("{}, both sides", row.name) } else { row.name.clone() };
    response
        .widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, state == Some(true), &label));
    if response.hovered() {
        ui.painter().rect_filled(rect, theme::RADIUS, theme.raised);
    }
    check_mark(ui, rect.left_center() + vec2(12.0, 0.0), state);
    let font = FontId::proportional(theme::BODY);
    ui.painter().text(rect.left_center() + vec2(26.0, 0.0), Align2::LEFT_CENTER, &row.name, font, theme.text);
    if response.has_focus() {
        widgets::focus_ring(ui, rect);
    }
    let mut set = |organ: &String, on: bool| {
        if on {
            chosen.insert(organ.clone());
        } else {
            chosen.remove(organ);
        }
    };
    if row.organs.len() > 1 {
        let mut right = rect.right() - 12.0;
        for (organ, on) in row.organs.iter().zip(&on).rev() {
            let side =
                egui::Rect::from_center_size(egui::pos2(right - 11.0, rect.center().y), vec2(22.0, 20.0));
            let letter = &organ[organ.len() - 1..];
            let pressed = ui.interact(side, ui.scope_id().with(("side", organ)), Sense::click());
            pressed.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, *on, organ));
            let (fill, ink) = if *on { (theme.pressed, theme.text) } else { (theme.surface, theme.weak) };
            ui.painter().rect_filled(side, theme::RADIUS, fill);
            ui.painter().rect_stroke(side, theme::RADIUS, theme.hairline(), egui::StrokeKind::Inside);
            let font = FontId::proportional(theme::SMALL);
            ui.painter().text(side.center(), Align2::CENTER_CENTER, letter, font, ink);
            if pressed.has_focus() {
                widgets::focus_ring(ui, side);
            }
            if pressed.on_hover_text(organ).clicked() {
                set(organ, !on);
                return;
            }
            right -= 26.0;
        }
    }
    if response.clicked() {
        row.organs.iter().for_each(|organ| set(organ, state != Some(true)));
    }
}

fn templates_ui(ui: &mut Ui, scope: &mut Scope<'_>, model: &ModelLine, chosen: &BTreeSet<String>) {
    let button = egui::Button::new(format!("Template {}", icons::UNFOLDED)).min_size(vec2(0.0, 24.0));
    let response =
        ui.add(button).on_hover_text("Named sets of organs: choose one, or keep this choice as one");
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Template"));
    egui::Popup::menu(&response).show(|ui| {
        ui.set_min_width(200.0);
        let mut applied = None;
        let item = |ui: &mut Ui, template: &Template| {
            let among = template.among(&model.organs);
            let organs = if among.len() == 1 { "organ" } else { "organs" };
            let text = format!("{} · {} {organs}", template.name, among.len());
            let enabled = !among.is_empty();
            let button = ui.add_enabled(enabled, egui::Button::new(text));
            let button = button.on_hover_text(among.join(", "));
            let hint = format!("{} has none of these organs", model.title);
            button.on_disabled_hover_text(hint).clicked().then_some(among)
        };
        for template in built_in() {
            applied = item(ui, &template).or(applied);
        }
        let mut deleted = None;
        if !scope.state.propose.templates.is_empty() {
            ui.separator();
        }
        for (index, template) in scope.state.propose.templates.iter().enumerate() {
            ui.horizontal(|ui| {
                applied = item(ui, template).or(applied.take());
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    let name = format!("Delete template {}", template.name);
                    if widgets::icon_button(ui, icons::DELETE, &name, None, false)
                        .on_hover_text(&name)
                        .clicked()
                    {
                        deleted = Some(index);
                    }
                });
            });
        }
        ui.separator();
        let save = ui.add_enabled(!chosen.is_empty(), egui::Button::new("Save this choice…"));
        if save.clicked() {
            scope.state.propose.naming = Some(String::new());
            ui.close();
        }
        if let Some(index) = deleted {
            scope.state.propose.templates.remove(index);
        }
        if let Some(organs) = applied {
            scope.state.propose.choose(model, &organs.into_iter().collect());
            ui.close();
        }
    });
}

/// The field for the name of a template.
fn naming_ui(ui: &mut Ui, scope: &mut Scope<'_>, chosen: &BTreeSet<String>) {
    let Some(mut name) = scope.state.propose.naming.take() else { return };
    let mut keep = true;
    ui.horizontal(|ui| {
        let width = ui.available_width() - widgets::buttons_width(ui, &["Save", "Cancel"]);
        let field = widgets::text_edit(&mut name, "Name of the template");
        let field = field.margin(egui::Margin::symmetric(8, 4)).desired_width(width);
        let response = widgets::named_field(ui, field, "Name of the template");
        if name.is_empty() && !response.has_focus() && !response.lost_focus() {
            response.request_focus();
        }
        let entered = widgets::is_entered(ui, &response);
        let named = !name.trim().is_empty();
        let saved = ui.add_enabled(named, egui::Button::new("Save")).clicked();
        if (saved || entered) && named {
            let template =
                Template { name: name.trim().to_owned(), organs: chosen.iter().cloned().collect() };
            let templates = &mut scope.state.propose.templates;
            templates.retain(|own| own.name != template.name);
            templates.push(template);
            keep = false;
        }
        if ui.button("Cancel").clicked() || ui.input(|input| input.key_pressed(egui::Key::Escape)) {
            keep = false;
        }
    });
    if keep {
        scope.state.propose.naming = Some(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_and_right_are_one_row() {
        let organs = ["Brainstem", "Parotid_R", "Lens_L", "Parotid_L", "Femur_Head_R", "Femur_Head_L"]
            .map(str::to_owned);
        let rows = rows(&organs);
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["Brainstem", "Parotid", "Lens_L", "Femur_Head"], "a side alone keeps its name");
        assert_eq!(rows[1].organs, ["Parotid_L", "Parotid_R"]);
    }
}
