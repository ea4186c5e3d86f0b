//! The bar at the top: whose scan this is, the five words, search, light or dark.

use super::super::actions::Action;
use super::super::state::Place;
use super::super::theme::{self, Theme};
use super::super::{Scope, icons, widgets};
use super::palette;
use crate::session::Session;
use egui::{Align, FontId, Layout, RichText, Sense, Ui, UiBuilder, vec2};

/// The bar's height, points.
pub const HEIGHT: f32 = 40.0;

/// Below this width the bar leaves to the menu what the menu has as well, and the badge of a
/// synthetic patient to the views.
const NARROW: f32 = 900.0;
/// The least room for the words that say which series is open; with less, an icon stands for them.
const SERIES_ROOM: f32 = 60.0;
/// The gap before the words of the right side, points.
const GAP: f32 = 8.0;

/// The bar. The right side is laid out first: whose scan this is has the room that is left, and
/// never runs under the five words.
pub fn top_bar_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let bar = ui.available_rect_before_wrap();
    let part = |ui: &mut Ui, rect, layout, salt: &str| {
        let mut part = ui.new_child(UiBuilder::new().max_rect(rect).layout(layout).id_salt(salt));
        part.spacing_mut().item_spacing.x = 4.0;
        part
    };
    let mut right = part(ui, bar, Layout::right_to_left(Align::Center), "right");
    right_ui(&mut right, scope, bar.width());
    let rest = bar.with_max_x((right.min_rect().left() - GAP).max(bar.left()));
    let mut left = part(ui, rest, Layout::left_to_right(Align::Center), "left");
    let is_narrow = bar.width() < NARROW;
    menu_ui(&mut left, scope, is_narrow);
    if let Some(session) = scope.context.session {
        identity_ui(&mut left, scope, session, is_narrow);
    }
    ui.advance_cursor_after_rect(bar);
}

/// The five words, undo and redo, search, light or dark; from right to left.
fn right_ui(ui: &mut Ui, scope: &mut Scope<'_>, width: f32) {
    let is_narrow = width < NARROW;
    if !is_narrow {
        let dark = Theme::of(ui.ctx()).dark;
        let icon = if dark { icons::SUN } else { icons::MOON };
        let name = if dark { "Light theme" } else { "Dark theme" };
        if widgets::icon_button(ui, icon, name, None, false)
            .on_hover_text(Action::ToggleTheme.tooltip())
            .clicked()
        {
            scope.outbox.act(Action::ToggleTheme);
        }
    }
    if !is_narrow {
        palette::search_button_ui(ui, scope, width > 1500.0);
    }
    if scope.context.session.is_some() && !is_narrow {
        steps_ui(ui, scope);
        ui.separator();
    }
    places_ui(ui, scope);
}

fn menu_ui(ui: &mut Ui, scope: &mut Scope<'_>, is_narrow: bool) {
    let title = if is_narrow { RichText::new(icons::MENU) } else { RichText::new("Delineo") };
    let title = title.font(theme::strong(15.0));
    ui.menu_button(title, |ui| {
        ui.set_min_width(240.0);
        let has_session = scope.context.session.is_some();
        for (index, group) in [
            &[Action::OpenFolder, Action::OpenFiles, Action::OpenSample, Action::ChooseSeries][..],
            &[Action::Export, Action::CloseStudy],
            &[Action::Undo, Action::Redo, Action::ShowHistory],
            &[Action::ManageModels, Action::TrainModel],
            &[Action::ToggleStructurePanel, Action::ToggleInspector, Action::ToggleTheme],
            &[Action::Search, Action::Keys, Action::ToolPictures, Action::About, Action::Quit],
        ]
        .into_iter()
        .enumerate()
        {
            if index > 0 {
                ui.separator();
            }
            for action in group {
                menu_item_ui(ui, scope, *action, has_session);
            }
        }
    })
    .response
    .on_hover_text("Menu");
}

fn menu_item_ui(ui: &mut Ui, scope: &mut Scope<'_>, action: Action, has_session: bool) {
    let info = action.info();
    let session = scope.context.session;
    let label = match action {
        Action::Undo => {
            session.and_then(Session::undo_name).map(|name| format!("Undo {}", lower_first(name)))
        }
        Action::Redo => {
            session.and_then(Session::redo_name).map(|name| format!("Redo {}", lower_first(name)))
        }
        _ => Some(info.name.to_owned()),
    };
    let needs_session = !matches!(
        action,
        Action::OpenFolder
            | Action::OpenFiles
            | Action::OpenSample
            | Action::ManageModels
            | Action::TrainModel
            | Action::ToggleTheme
            | Action::Search
            | Action::Keys
            | Action::ToolPictures
            | Action::About
            | Action::Quit
    );
    let enabled = label.is_some() && (has_session || !needs_session);
    let label = label.unwrap_or_else(|| info.name.to_owned());
    let text = format!("{}   {label}", info.icon);
    let button = egui::Button::new(text).shortcut_text(action.key_text());
    if ui.add_enabled(enabled, button).on_hover_text(info.why).clicked() {
        scope.outbox.act(action);
    }
}

fn lower_first(name: &str) -> String {
    // Names of steps begin with a verb or a tool's name; structure names in them keep their case.
    let mut chars = name.chars();
    chars.next().map_or(String::new(), |first| first.to_lowercase().chain(chars).collect())
}

/// How much of the room a name and an ID get, points: all they need, or, where both together need
/// more, at least half of it each as far as they need it.
fn shared_room(room: f32, name: f32, id: f32) -> (f32, f32) {
    let room = room.max(0.0);
    let name = name.min((room - id.min(room / 2.0)).max(0.0));
    (name, id.min(room - name))
}

/// A label that ends in an ellipsis where `width` is too little for it; all of it on hover.
fn cut_label(ui: &mut Ui, text: RichText, width: f32) {
    ui.scope(|ui| {
        ui.set_max_width(width);
        ui.add(egui::Label::new(text).truncate());
    });
}

/// Whose scan this is: name, ID and birth date, always; then which series is open.
fn identity_ui(ui: &mut Ui, scope: &mut Scope<'_>, session: &Session, is_narrow: bool) {
    let theme = Theme::of(ui.ctx());
    let info = &session.series().info;
    let patient = &info.patient;
    let name = match widgets::person_name(&patient.name) {
        name if name.is_empty() => "Unnamed patient".to_owned(),
        name => name,
    };
    let id = if patient.id.is_empty() { "no ID".to_owned() } else { format!("ID {}", patient.id) };
    let born = match widgets::date_text(&patient.birth_date) {
        date if date.is_empty() => "birth date unknown".to_owned(),
        date => format!("born {date}"),
    };
    ui.add_space(8.0);
    // What stands between and after the texts: gaps, the badge, the series' icon.
    let measure = |text: &str, font: FontId| {
        ui.painter().layout_no_wrap(text.to_owned(), font, theme.text).size().x.ceil() + 1.0
    };
    let plain = || FontId::proportional(theme::BODY);
    let has_badge = patient.synthetic && !is_narrow;
    let badge = if has_badge { measure("SYNTHETIC", theme::strong(theme::SMALL)) + 4.0 } else { 0.0 };
    let tail = format!("· {born}");
    let wanted = (measure(&name, theme::strong(theme::BODY)), measure(&id, plain()), measure(&tail, plain()));
    let icon = if is_narrow { 0.0 } else { widgets::ICON_SIDE };
    let room = ui.available_width() - badge - wanted.2 - icon - 20.0;
    let (name_room, id_room) = shared_room(room, wanted.0, wanted.1);
    cut_label(ui, RichText::new(name).font(theme::strong(theme::BODY)), name_room);
    if has_badge {
        let text = RichText::new("SYNTHETIC").font(theme::strong(theme::SMALL)).color(theme.amber);
        ui.label(text).on_hover_text("A made-up patient. Nothing here comes from a person.");
    }
    ui.add_space(4.0);
    if id_room < wanted.1 {
        cut_label(ui, RichText::new(id).color(theme.weak), id_room);
        ui.label(RichText::new(tail).color(theme.weak));
    } else {
        ui.label(RichText::new(format!("{id} {tail}")).color(theme.weak));
    }
    if is_narrow {
        return;
    }
    let date = widgets::date_text(&info.study.date);
    let study = [date.as_str(), info.study.description.as_str()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let series = match (info.modality.code(), info.description.as_str()) {
        (code, "") => code.to_owned(),
        (code, description) => format!("{code} {description}"),
    };
    let parts = [study.as_str(), &series].into_iter().filter(|part| !part.is_empty());
    let path = parts.map(|part| format!("{} {part}", icons::FOLDED)).collect::<Vec<_>>().join(" ");
    let room = ui.available_width();
    if room < SERIES_ROOM {
        let response = widgets::icon_button(ui, icons::SERIES, "Series", None, false);
        if response.on_hover_text(format!("{study}\n{series}\nClick to choose another series.")).clicked() {
            scope.outbox.act(Action::ChooseSeries);
        }
        return;
    }
    ui.scope(|ui| {
        ui.set_max_width(room);
        let label = egui::Label::new(RichText::new(path).color(theme.weak)).truncate().sense(Sense::click());
        let response = ui.add(label);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Link, true, "Choose series"));
        if response.on_hover_text("Choose another series").clicked() {
            scope.outbox.act(Action::ChooseSeries);
        }
    });
}

fn steps_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let session = scope.context.session;
    let redo = session.and_then(Session::redo_name).is_some();
    let undo = session.and_then(Session::undo_name).is_some();
    if widgets::action_icon(ui, Action::Redo, redo, false) {
        scope.outbox.act(Action::Redo);
    }
    if widgets::action_icon(ui, Action::Undo, undo, false) {
        scope.outbox.act(Action::Undo);
    }
}

/// The five words with what is open at each. Laid out from right to left.
fn places_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    for place in Place::ALL.into_iter().rev() {
        let on = scope.context.session.is_some() && scope.state.place == place;
        let enabled = place == Place::Open || scope.context.session.is_some();
        let (count, done) = standing(scope, place);
        if place_ui(ui, place, count, done, on, enabled) {
            scope.outbox.act(place.action());
        }
    }
}

/// The open count of a place and whether it is done.
fn standing(scope: &Scope<'_>, place: Place) -> (usize, bool) {
    let Some(session) = scope.context.session else { return (0, false) };
    let rois = &session.structures().rois;
    let proposals = session.proposals().count();
    match place {
        Place::Open => (0, true),
        Place::Propose => (proposals, proposals == 0 && !rois.is_empty()),
        Place::Correct => (0, proposals == 0 && rois.iter().any(|roi| !roi.planes.is_empty())),
        Place::Check => {
            let open = super::check::findings(session).len();
            (open, open == 0 && !rois.is_empty())
        }
        Place::Export => (0, !rois.is_empty() && !session.has_unexported_changes()),
    }
}

fn place_ui(ui: &mut Ui, place: Place, count: usize, done: bool, on: bool, enabled: bool) -> bool {
    let theme = Theme::of(ui.ctx());
    let info = place.action().info();
    let font = if on { theme::strong(theme::BODY) } else { egui::FontId::proportional(theme::BODY) };
    let name = ui.painter().layout_no_wrap(info.name.to_owned(), font, theme.text);
    let tail = if count > 0 { count.to_string() } else { String::new() };
    let tail = ui.painter().layout_no_wrap(tail, theme::strong(theme::SMALL), theme.amber);
    let tail_room = if count > 0 { tail.size().x + 10.0 } else { 0.0 };
    let mark_room = if done && count == 0 { 16.0 } else { 0.0 };
    let size = vec2(name.size().x + tail_room + mark_room + 16.0, 28.0);
    let sense = if enabled { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(size, sense);
    let label = if count > 0 { format!("{}, {count} open", info.name) } else { info.name.to_owned() };
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, enabled, on, &label));
    let painter = ui.painter();
    if response.hovered() && enabled {
        painter.rect_filled(rect, theme::RADIUS, theme.raised);
    }
    let ink = match (enabled, on || response.hovered()) {
        (false, _) => theme.weak.gamma_multiply(0.5),
        (true, true) => theme.text,
        (true, false) => theme.weak,
    };
    let at = rect.left_center() + vec2(8.0, -name.size().y / 2.0);
    let name_width = name.size().x;
    painter.galley_with_override_text_color(at, name, ink);
    let after = rect.left_center() + vec2(8.0 + name_width + 5.0, 0.0);
    if count > 0 {
        painter.galley(after - vec2(0.0, tail.size().y / 2.0), tail, theme.amber);
    } else if done && enabled {
        let small = egui::FontId::proportional(12.0);
        painter.text(after, egui::Align2::LEFT_CENTER, icons::ACCEPT, small, theme.weak);
    }
    if on {
        let line = egui::Rect::from_min_max(
            rect.left_bottom() - vec2(-8.0, 1.0),
            rect.right_bottom() + vec2(-8.0, 1.0),
        );
        painter.rect_filled(line, 1.0, theme.accent);
    }
    if response.has_focus() {
        widgets::focus_ring(ui, rect);
    }
    response.on_hover_text(place.action().tooltip()).clicked() && enabled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_id_share_the_room_there_is() {
        assert_eq!(shared_room(300.0, 80.0, 90.0), (80.0, 90.0));
        assert_eq!(shared_room(200.0, 500.0, 500.0), (100.0, 100.0));
        assert_eq!(shared_room(200.0, 40.0, 500.0), (40.0, 160.0));
        assert_eq!(shared_room(200.0, 500.0, 40.0), (160.0, 40.0));
        assert_eq!(shared_room(-5.0, 80.0, 90.0), (0.0, 0.0));
    }
}
