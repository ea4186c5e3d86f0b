//! A model's card over the window: read before its first use, and whenever someone wants to know.

use super::super::state::{Card, Overlay};
use super::super::{Request, Scope, markdown, widgets};
use egui::{Key, RichText, Ui};

/// The card.
pub fn card_ui(ui: &mut Ui, scope: &mut Scope<'_>, card: &Card) {
    let room = ui.ctx().content_rect().size();
    ui.set_width((room.x - 160.0).clamp(320.0, 760.0));
    if card.before_use {
        widgets::note(ui, "Before its first use: what this model does, how well, and where it fails.");
        ui.add_space(8.0);
    }
    let wanted = chapters_ui(ui, card);
    let height = (room.y - 280.0).max(160.0);
    let scroll = egui::ScrollArea::vertical().id_salt("card").max_height(height).min_scrolled_height(height);
    scroll.auto_shrink([false, true]).show(ui, |ui| {
        // The bar lies over the content's edge.
        ui.set_max_width(ui.available_width() - 12.0);
        markdown::document_ui(ui, &card.document, wanted);
    });
    ui.add_space(16.0);
    ui.horizontal(|ui| {
        if card.before_use {
            let accept = widgets::primary_button(ui, "Use this model", true);
            if ui.memory(|memory| memory.focused().is_none()) {
                accept.request_focus();
            }
            let entered = accept.has_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            if accept.clicked() || entered {
                scope.state.overlay = None;
                scope.outbox.send(Request::UseModel(card.model.clone()));
            }
            if widgets::button(ui, "Not now").clicked() {
                scope.state.overlay = None;
            }
        } else if widgets::button(ui, "Close").clicked() {
            scope.state.overlay = scope.state.overlay.as_ref().and_then(Overlay::below);
        }
    });
}

/// The chapters of a long card, to go to: where it fails may stand far below.
/// Gives the block to go to.
fn chapters_ui(ui: &mut Ui, card: &Card) -> Option<usize> {
    let chapters = card.document.chapters();
    if chapters.len() < 2 {
        return None;
    }
    let mut wanted = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 12.0;
        for (block, title) in chapters {
            let link = ui.link(RichText::new(&title).small());
            let name = format!("Go to {title}");
            link.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Link, true, &name));
            if link.clicked() {
                wanted = Some(block);
            }
        }
    });
    ui.add_space(8.0);
    wanted
}
