//! Small controls in the window's own style. Each carries a name for screen readers and tests.

use super::actions::Action;
use super::icons;
use super::theme::{self, Theme};
use egui::{Color32, Margin, Response, RichText, Role, Sense, TextEdit, Ui, Vec2, WidgetInfo};

/// The side of a square icon button, points.
pub const ICON_SIDE: f32 = 24.0;

/// A frameless square button with one icon; `name` is read to those who cannot see it.
pub fn icon_button(ui: &mut Ui, icon: &str, name: &str, tint: Option<Color32>, on: bool) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(ICON_SIDE), Sense::click());
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::selected(Role::Button, enabled, on, name));
    if ui.is_rect_visible(rect) {
        let theme = Theme::of(ui.ctx());
        let fill = if on || response.is_pointer_button_down_on() {
            theme.pressed
        } else if response.hovered() {
            theme.raised
        } else {
            Color32::TRANSPARENT
        };
        ui.painter().rect_filled(rect, theme::RADIUS, fill);
        if response.has_focus() {
            focus_ring(ui, rect);
        }
        let ink = tint.unwrap_or(if on || response.hovered() { theme.text } else { theme.weak });
        let ink = if enabled { ink } else { ink.gamma_multiply(0.4) };
        let font = egui::FontId::proportional(16.0);
        ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, icon, font, ink);
    }
    response
}

/// A field for a line of text, of the height of a button; `hint` stands in it while it is empty.
pub fn text_edit<'a>(text: &'a mut String, hint: &str) -> TextEdit<'a> {
    TextEdit::singleline(text).hint_text(hint).margin(Margin::symmetric(8, 6)).desired_width(f32::INFINITY)
}

/// Adds a field under the name that a screen reader tells.
pub fn named_field(ui: &mut Ui, field: TextEdit<'_>, name: &str) -> Response {
    let response = ui.add(field);
    response.widget_info(|| WidgetInfo::labeled(Role::TextInput, true, name));
    response
}

/// Whether Enter was pressed in a field of text.
#[must_use]
pub fn is_entered(ui: &Ui, field: &Response) -> bool {
    field.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter))
}

/// The ring around what has the keyboard.
pub fn focus_ring(ui: &Ui, rect: egui::Rect) {
    let theme = Theme::of(ui.ctx());
    let stroke = egui::Stroke::new(1.5, theme.accent);
    ui.painter().rect_stroke(rect, theme::RADIUS, stroke, egui::StrokeKind::Inside);
}

/// An icon button for an action, with its tooltip from the table.
pub fn action_icon(ui: &mut Ui, action: Action, enabled: bool, on: bool) -> bool {
    let info = action.info();
    ui.add_enabled_ui(enabled, |ui| icon_button(ui, info.icon, info.name, None, on))
        .inner
        .on_hover_text(action.tooltip())
        .on_disabled_hover_text(action.tooltip())
        .clicked()
}

/// The one filled button of a panel.
pub fn primary_button(ui: &mut Ui, label: &str, enabled: bool) -> Response {
    let theme = Theme::of(ui.ctx());
    let button =
        egui::Button::new(RichText::new(label).color(theme.on_accent).family(theme::strong_family()))
            .fill(theme.accent)
            .stroke(egui::Stroke::NONE)
            .min_size(Vec2::new(0.0, 28.0));
    let response = ui.add_enabled(enabled, button);
    if response.has_focus() {
        let ring = response.rect.expand(2.0);
        ui.painter().rect_stroke(
            ring,
            theme::RADIUS,
            egui::Stroke::new(1.5, theme.accent),
            egui::StrokeKind::Outside,
        );
    }
    response
}

/// A plain button.
pub fn button(ui: &mut Ui, label: &str) -> Response {
    ui.add(egui::Button::new(label).min_size(Vec2::new(0.0, 28.0)))
}

/// A button for an irreversible or destructive act.
pub fn danger_button(ui: &mut Ui, label: &str) -> Response {
    let theme = Theme::of(ui.ctx());
    ui.add(egui::Button::new(RichText::new(label).color(theme.red)).min_size(Vec2::new(0.0, 28.0)))
}

/// The heading of a panel.
pub fn heading(ui: &mut Ui, text: &str) {
    ui.add_space(4.0);
    ui.label(RichText::new(text).font(theme::strong(15.0)));
    ui.add_space(4.0);
}

/// The small heading of a group within a panel.
pub fn caption(ui: &mut Ui, text: &str) {
    ui.add_space(8.0);
    ui.label(RichText::new(text).font(theme::strong(theme::SMALL)).color(Theme::of(ui.ctx()).weak));
}

/// The heading of a part that folds; a click changes whether it is unfolded. `name` is read to those who
/// cannot see it.
pub fn fold(ui: &mut Ui, name: &str, text: &str, unfolded: &mut bool) {
    let icon = if *unfolded { icons::UNFOLDED } else { icons::FOLDED };
    let title = RichText::new(format!("{icon} {text}")).font(theme::strong(theme::BODY));
    let response = ui.add(egui::Label::new(title).selectable(false).sense(Sense::click()));
    let shown = *unfolded;
    response.widget_info(|| WidgetInfo::selected(Role::DisclosureTriangle, true, shown, name));
    if response.has_focus() {
        focus_ring(ui, response.rect.expand(2.0));
    }
    if response.clicked() {
        *unfolded = !shown;
    }
}

/// A list that drops down, with the arrow of the other things that unfold.
pub fn combo<'a>(id_salt: impl egui::AsIdSalt) -> egui::ComboBox<'a> {
    egui::ComboBox::from_id_salt(id_salt).icon(|ui, rect, visuals, _| {
        let font = egui::FontId::proportional(theme::BODY);
        let ink = visuals.text_color();
        ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, icons::UNFOLDED, font, ink);
    })
}

/// The width that buttons with these words take beside something, with the space before each.
#[must_use]
pub fn buttons_width(ui: &Ui, labels: &[&str]) -> f32 {
    let font = egui::TextStyle::Button.resolve(ui.style());
    let width = |label: &&str| {
        ui.painter().layout_no_wrap((*label).to_owned(), font.clone(), Color32::PLACEHOLDER).size().x
    };
    let spacing = ui.spacing();
    let around = 2.0 * spacing.button_padding.x + spacing.item_spacing.x;
    labels.iter().map(|label| (width(label) + around).ceil()).sum()
}

/// Text that explains.
pub fn note(ui: &mut Ui, text: impl Into<String>) {
    let color = Theme::of(ui.ctx()).weak;
    ui.label(RichText::new(text.into()).color(color));
}

/// A label and its value on one line, the value at the right edge.
pub fn fact(ui: &mut Ui, label: &str, value: impl Into<String>) {
    ui.horizontal(|ui| {
        note(ui, label);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| ui.label(value.into()));
    });
}

/// Text drawn over a picture with a dark halo, legible on black and on white.
#[expect(clippy::needless_pass_by_value, reason = "callers hand over texts and numbers alike")]
pub fn overlay_text(
    painter: &egui::Painter,
    at: egui::Pos2,
    anchor: egui::Align2,
    text: impl ToString,
    font: egui::FontId,
    ink: Color32,
) -> egui::Rect {
    let galley = painter.layout_no_wrap(text.to_string(), font, ink);
    let rect = anchor.anchor_size(at, galley.size());
    let halo = Color32::from_black_alpha(150);
    for offset in [(-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (1.0, 1.0), (-1.0, -1.0)] {
        painter.galley_with_override_text_color(rect.min + Vec2::from(offset), galley.clone(), halo);
    }
    painter.galley(rect.min, galley, ink);
    rect
}

/// A small filled label ("SYNTHETIC", "Prone").
pub fn badge(
    painter: &egui::Painter,
    at: egui::Pos2,
    anchor: egui::Align2,
    text: &str,
    ink: Color32,
) -> egui::Rect {
    let galley = painter.layout_no_wrap(text.to_owned(), theme::strong(theme::SMALL), ink);
    let rect = anchor.anchor_size(at, galley.size() + Vec2::new(12.0, 4.0));
    painter.rect_filled(rect, theme::RADIUS, Color32::from_black_alpha(190));
    painter.rect_stroke(rect, theme::RADIUS, egui::Stroke::new(1.0, ink), egui::StrokeKind::Inside);
    painter.galley(rect.min + Vec2::new(6.0, 2.0), galley, ink);
    rect
}

/// An sRGB structure colour as egui's.
#[must_use]
pub fn ink([red, green, blue]: crate::patient::Color) -> Color32 {
    Color32::from_rgb(red, green, blue)
}

/// A date of the form `YYYYMMDD` as `YYYY-MM-DD`; other text as it is.
#[must_use]
pub fn date_text(date: &str) -> String {
    if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..])
    } else {
        date.to_owned()
    }
}

/// A person's name as stored (PN: `Family^Given^Middle^Prefix^Suffix`) for reading.
#[must_use]
pub fn person_name(stored: &str) -> String {
    let alphabetic = stored.split('=').next().unwrap_or_default();
    let parts: Vec<&str> = alphabetic.split('^').map(str::trim).collect();
    let given: Vec<&str> = parts.iter().skip(1).take(2).copied().filter(|part| !part.is_empty()).collect();
    match (parts.first().copied().unwrap_or_default(), given.is_empty()) {
        ("", true) => String::new(),
        (family, true) => family.to_owned(),
        (family, false) => format!("{family}, {}", given.join(" ")),
    }
}

/// Seconds as "40 s" or "3 min".
#[must_use]
pub fn duration_text(seconds: f64) -> String {
    if seconds < 90.0 { format!("{:.0} s", seconds.max(1.0)) } else { format!("{:.0} min", seconds / 60.0) }
}

/// The time left in words, as roundly as it is known: "about 40 s left".
#[must_use]
pub fn left_text(left: std::time::Duration) -> String {
    let seconds = left.as_secs_f64();
    let step = if seconds < 60.0 { 5.0 } else { 10.0 };
    format!("about {} left", duration_text(((seconds / step).round() * step).max(5.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_dates_are_for_reading() {
        assert_eq!(person_name("Doe^Jane^M^Dr"), "Doe, Jane M");
        assert_eq!(person_name("LIDC-IDRI-0001"), "LIDC-IDRI-0001");
        assert_eq!(person_name(""), "");
        assert_eq!(date_text("19700131"), "1970-01-31");
        assert_eq!(date_text("about 1970"), "about 1970");
        assert_eq!(duration_text(0.2), "1 s");
        assert_eq!(duration_text(150.0), "2 min");
        let left = |seconds| left_text(std::time::Duration::from_secs(seconds));
        assert_eq!(
            [0, 38, 64, 180].map(left),
            ["5 s", "40 s", "60 s", "3 min"].map(|t| format!("about {t} left"))
        );
    }
}
