//! A model's card over the window: read before its first use, and whenever someone wants to know.

use super::super::state::{Card, Overlay};
use super::super::{Request, Scope, markdown, theme, widgets};
use egui::{Key, RichText, Ui, vec2};

/// Further than any card is long, points.
const END: f32 = 1e6;

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
    let is_new = opens_now(ui);
    let (reading, scrolled) = reading_ui(ui, height, is_new);
    let mut scroll =
        egui::ScrollArea::vertical().id_salt("card").max_height(height).min_scrolled_height(height);
    if is_new {
        // Where the last card was left is no place to begin.
        scroll = scroll.vertical_scroll_offset(0.0);
    }
    let shown = scroll.auto_shrink([false, true]).show(ui, |ui| {
        // The bar lies over the content's edge.
        ui.set_max_width(ui.available_width() - 12.0);
        if scrolled != 0.0 {
            ui.scroll_with_delta_animation(vec2(0.0, scrolled), egui::style::ScrollAnimation::none());
        }
        markdown::document_ui(ui, &card.document, wanted);
    });
    if reading.has_focus() {
        let ring = ui.visuals().selection.stroke;
        ui.painter().rect_stroke(shown.inner_rect.expand(4.0), theme::RADIUS, ring, egui::StrokeKind::Inside);
    }
    ui.add_space(16.0);
    ui.horizontal(|ui| {
        if card.before_use {
            // The keyboard comes here by Tab: Enter does not skip what is to be read.
            if widgets::primary_button(ui, "Use this model", true).clicked() {
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

/// Whether the card was not shown just before.
fn opens_now(ui: &Ui) -> bool {
    let (id, now) = (egui::Id::unique("card shown"), ui.ctx().cumulative_pass_nr());
    let before = ui.data_mut(|data| {
        let before = data.get_temp::<u64>(id);
        data.insert_temp(id, now);
        before
    });
    before.is_none_or(|before| before + 1 < now)
}

/// The text as a place for the keyboard, which begins there: arrows, Page Up, Page Down, Home and End scroll.
/// Gives how far, points; upward is above 0.
fn reading_ui(ui: &Ui, height: f32, is_new: bool) -> (egui::Response, f32) {
    let rect = egui::Rect::from_min_size(ui.cursor().min, vec2(ui.available_width(), height));
    let id = ui.scope_id().with("card text");
    let reading = ui.interact(rect, id, egui::Sense::focusable_noninteractive());
    reading.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Document, true, "Text of the card"));
    if is_new {
        reading.request_focus();
    }
    if !reading.has_focus() {
        return (reading, 0.0);
    }
    let filter = egui::EventFilter { vertical_arrows: true, ..egui::EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(id, filter));
    let keys = [
        (Key::ArrowDown, -40.0),
        (Key::ArrowUp, 40.0),
        (Key::PageDown, 40.0 - height),
        (Key::PageUp, height - 40.0),
        (Key::End, -END),
        (Key::Home, END),
    ];
    let scrolled = ui.input(|input| {
        keys.iter().filter(|(key, _)| input.key_pressed(*key)).map(|(_, points)| points).sum()
    });
    (reading, scrolled)
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
