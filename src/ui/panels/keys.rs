//! The key sheet (F1): everything that can be done, with its key.

use super::super::actions::{Group, TABLE, key_text};
use super::super::theme::{self, Theme};
use super::super::widgets;
use egui::{RichText, Ui};

/// What the mouse does, which has no row in the table.
const MOUSE: &[(&str, &str)] = &[
    ("Left button", "Act with the tool, or move the crosshair"),
    ("Wheel", "Scroll slices (Shift: ten)"),
    ("Ctrl wheel", "Zoom to the pointer"),
    ("Alt wheel", "Brush radius"),
    ("Middle drag", "Pan"),
    ("Right drag", "Window level and width"),
    ("Shift right drag", "Window of the blended series"),
    ("Double click", "Maximise the view, with the crosshair"),
    ("… on its name", "Maximise the view, with any tool"),
    ("Space, held", "Look without overlays"),
    ("3D: drag", "Turn"),
];

/// The sheet.
pub fn keys_ui(ui: &mut Ui) {
    let room = ui.ctx().content_rect().size();
    ui.set_width((room.x - 160.0).min(1040.0));
    widgets::heading(ui, "Keys");
    egui::ScrollArea::vertical()
        .max_height(room.y - 200.0)
        .min_scrolled_height(room.y - 200.0)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            ui.columns(3, |columns| {
                let parts: [&[Group]; 3] = [
                    &[Group::File, Group::Edit, Group::Structure],
                    &[Group::Contour, Group::Tool, Group::Go],
                    &[Group::View],
                ];
                for (column, groups) in columns.iter_mut().zip(parts) {
                    for group in groups {
                        group_ui(column, *group);
                    }
                }
                widgets::caption(&mut columns[0], "Mouse");
                for (keys, name) in MOUSE {
                    key_row_ui(&mut columns[0], name, keys);
                }
            });
        });
}

fn group_ui(ui: &mut Ui, group: Group) {
    widgets::caption(ui, group.title());
    for info in TABLE.iter().filter(|info| info.group == group && !info.keys.is_empty()) {
        let keys: Vec<String> = info.keys.iter().map(key_text).collect();
        key_row_ui(ui, info.name, &keys.join(" or "));
    }
}

fn key_row_ui(ui: &mut Ui, name: &str, keys: &str) {
    let theme = Theme::of(ui.ctx());
    ui.horizontal(|ui| {
        let width = 104.0;
        let (rect, _) = ui.allocate_exact_size(egui::vec2(width, 18.0), egui::Sense::hover());
        ui.painter().text(
            rect.left_center(),
            egui::Align2::LEFT_CENTER,
            keys,
            egui::FontId::proportional(theme::BODY),
            theme.weak,
        );
        ui.add(egui::Label::new(RichText::new(name)).truncate());
    });
}
