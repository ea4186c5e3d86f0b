//! The bar at the top: whose scan this is, the five words, search, light or dark.

use super::super::actions::Action;
use super::super::state::Place;
use super::super::theme::{self, Theme};
use super::super::{Scope, icons, widgets};
use super::palette;
use crate::session::Session;
use egui::{Align, Layout, RichText, Sense, Ui, vec2};

/// The bar's height, points.
pub const HEIGHT: f32 = 40.0;

/// The bar.
pub fn top_bar_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let width = ui.available_width();
    ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        menu_ui(ui, scope);
        if let Some(session) = scope.context.session {
            identity_ui(ui, scope, session, width);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let dark = Theme::of(ui.ctx()).dark;
            let icon = if dark { icons::SUN } else { icons::MOON };
            let name = if dark { "Light theme" } else { "Dark theme" };
            if widgets::icon_button(ui, icon, name, None, false)
                .on_hover_text(Action::ToggleTheme.tooltip())
                .clicked()
            {
                scope.outbox.act(Action::ToggleTheme);
            }
            palette::search_button_ui(ui, scope, width > 1500.0);
            if scope.context.session.is_some() {
                steps_ui(ui, scope);
                ui.separator();
            }
            places_ui(ui, scope);
        });
    });
}

fn menu_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let title = RichText::new("Delineo").font(theme::strong(15.0));
    ui.menu_button(title, |ui| {
        ui.set_min_width(240.0);
        let has_session = scope.context.session.is_some();
        for group in [
            &[Action::OpenFolder, Action::OpenFiles, Action::OpenSample, Action::ChooseSeries][..],
            &[Action::Export, Action::CloseStudy],
            &[Action::Undo, Action::Redo, Action::ShowHistory],
            &[Action::ToggleStructurePanel, Action::ToggleInspector, Action::ToggleTheme],
            &[Action::Keys, Action::About, Action::Quit],
        ] {
            for action in group {
                menu_item_ui(ui, scope, *action, has_session);
            }
            ui.separator();
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
            | Action::ToggleTheme
            | Action::Keys
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

fn identity_ui(ui: &mut Ui, scope: &mut Scope<'_>, session: &Session, width: f32) {
    let theme = Theme::of(ui.ctx());
    let info = &session.series().info;
    let patient = &info.patient;
    let name = match widgets::person_name(&patient.name) {
        name if name.is_empty() => "Unnamed patient".to_owned(),
        name => name,
    };
    ui.add_space(8.0);
    ui.label(RichText::new(name).font(theme::strong(theme::BODY)));
    if patient.synthetic {
        let text = RichText::new("SYNTHETIC").font(theme::strong(theme::SMALL)).color(theme.amber);
        ui.label(text).on_hover_text("A made-up patient. Nothing here comes from a person.");
    }
    let id = if patient.id.is_empty() { "no ID".to_owned() } else { format!("ID {}", patient.id) };
    let born = match widgets::date_text(&patient.birth_date) {
        date if date.is_empty() => "birth date unknown".to_owned(),
        date => format!("born {date}"),
    };
    ui.add_space(4.0);
    ui.label(RichText::new(format!("{id} · {born}")).color(theme.weak));
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
    let path = format!("{} {study} {} {series}", icons::FOLDED, icons::FOLDED);
    let room = (width - ui.cursor().left() - 560.0).max(0.0);
    if room < 60.0 {
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
