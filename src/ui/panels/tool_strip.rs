//! The strip under the views: tools with their options, and below them a line of words: what the tool in
//! hand can do now, and what is under the pointer. Both lines have their room whatever the other holds;
//! options that are wider than theirs can be moved, a hint that is too long is told whole on hover.

use super::super::actions::{Action, hint_text};
use super::super::theme::{self, Theme};
use super::super::views::{FusionMode, ViewsState};
use super::super::{Scope, icons, widgets};
use super::{common_options, overflow, tool_options};
use crate::render::{Interpolation, WindowPreset};
use crate::session::Session;
use crate::tools::{Method, ToolKind};
use egui::text::{LayoutJob, TextFormat};
use egui::{Align, FontId, Id, Label, Layout, Rect, RichText, Ui, UiBuilder};

/// The strip's height, points.
pub const HEIGHT: f32 = 52.0;
/// The part of it that holds the controls.
const CONTROLS: f32 = 31.0;
/// The room below the words, points.
const BELOW: f32 = 3.0;
/// What tools and options need at least, points: in a narrower strip all controls move, not only the
/// options.
const NARROW: f32 = 600.0;
/// The part of the line of words that what is under the pointer may take.
const STATUS: f32 = 0.6;

/// What is under the pointer, as text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatusLine {
    /// The values, from left to right.
    pub text: String,
}

impl StatusLine {
    /// From what the views last saw under the pointer; the crosshair's place without one.
    #[must_use]
    pub fn of(scope: &Scope<'_>) -> Self {
        let (Some(session), Some(views)) = (scope.context.session, scope.state.views.as_ref()) else {
            return Self::default();
        };
        let volume = &session.series().volume;
        let crosshair = views.navigation.crosshair_mm();
        let (point, value, rest, name) = match &views.hover {
            Some(hover) => {
                let rest: Vec<String> = hover.second.iter().chain(&hover.dose).cloned().collect();
                (hover.point_mm, hover.value, rest, hover.name.clone())
            }
            None => (crosshair, volume.value_at(crosshair), Vec::new(), None),
        };
        let mut parts: Vec<String> = name.into_iter().collect();
        parts.push(super::super::views::value_text(volume, value));
        parts.extend(rest);
        let [x, y, z] = [point.x, point.y, point.z].map(|mm| crate::patient::signed(&format!("{mm:.1}")));
        parts.push(format!("x {x}  y {y}  z {z} mm"));
        Self { text: parts.join("  ·  ") }
    }
}

/// The strip.
pub fn tool_strip_ui(ui: &mut Ui, scope: &mut Scope<'_>, status: &StatusLine) {
    let Some(views) = scope.state.views.as_mut() else { return };
    let room = ui.max_rect();
    let (controls, words) = room.split_top_bottom_at_y(room.top() + CONTROLS);
    let words = words.with_max_y(words.bottom() - BELOW);
    let row = |rect: Rect| UiBuilder::new().max_rect(rect).layout(Layout::left_to_right(Align::Center));
    let mut pressed = Vec::new();
    let has_second = scope.context.desk.second.is_some();
    ui.scope_builder(row(controls), |ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        controls_ui(ui, views, scope.context.session, has_second, &mut pressed);
    });
    ui.scope_builder(row(words), |ui| words_ui(ui, views, status, words));
    for action in pressed {
        scope.outbox.act(action);
    }
}

/// Tools, their options, and what holds for all of them.
fn controls_ui(
    ui: &mut Ui,
    views: &mut ViewsState,
    session: Option<&Session>,
    has_second: bool,
    pressed: &mut Vec<Action>,
) {
    // What stands behind the options has its room first, as wide as it was in the frame before.
    let id = Id::unique("the strip behind the options");
    let behind: f32 = ui.data(|data| data.get_temp(id)).unwrap_or(0.0);
    let rest = |ui: &mut Ui, views: &mut ViewsState, pressed: &mut Vec<Action>| {
        let start = ui.cursor().left();
        rest_ui(ui, views, session, has_second, pressed);
        let width = ui.min_rect().right() - start;
        if (width - behind).abs() > 0.5 {
            ui.data_mut(|data| data.insert_temp(id, width));
            ui.ctx().request_repaint();
        }
    };
    let room = ui.available_width();
    if room < NARROW + behind {
        overflow::row_ui(ui, "narrow strip", room, |ui| {
            tools_ui(ui, views, pressed);
            options_ui(ui, views, session, pressed);
            rest(ui, views, pressed);
        });
        return;
    }
    tools_ui(ui, views, pressed);
    let room = ui.available_width() - behind - 8.0;
    overflow::row_ui(ui, "options", room, |ui| options_ui(ui, views, session, pressed));
    rest(ui, views, pressed);
}

fn tools_ui(ui: &mut Ui, views: &ViewsState, pressed: &mut Vec<Action>) {
    for (kind, action) in [
        (ToolKind::Navigate, Action::SelectCrosshair),
        (ToolKind::Brush, Action::SelectBrush),
        (ToolKind::Eraser, Action::SelectEraser),
        (ToolKind::Freehand, Action::SelectFreehand),
        (ToolKind::Shape, Action::SelectShape),
        (ToolKind::LiveWire, Action::SelectLiveWire),
        (ToolKind::Push, Action::SelectPush),
        (ToolKind::Smooth, Action::SelectSmooth),
        (ToolKind::Grow, Action::SelectGrow),
        (ToolKind::Points, Action::SelectPoints),
        (ToolKind::Knife, Action::SelectKnife),
        (ToolKind::Transform, Action::SelectTransform),
        (ToolKind::Segment, Action::Segment(Method::Threshold)),
        (ToolKind::DeleteContour, Action::SelectDeleteContour),
        (ToolKind::Ruler, Action::SelectRuler),
    ] {
        if widgets::action_icon(ui, action, true, views.tools.kind() == kind) {
            pressed.push(action);
        }
    }
    if widgets::action_icon(ui, Action::FillBetween, true, views.tools.between.is_on()) {
        pressed.push(Action::FillBetween);
    }
    ui.separator();
}

fn options_ui(ui: &mut Ui, views: &mut ViewsState, session: Option<&Session>, pressed: &mut Vec<Action>) {
    let Some(session) = session else { return };
    common_options::suggestion_ui(ui, views, session, pressed);
    if !matches!(views.tools.kind(), ToolKind::Navigate | ToolKind::DeleteContour) {
        tool_options::options_ui(ui, views, session, pressed);
        ui.separator();
    }
}

/// What holds for all tools: others, window, voxels, the second series.
fn rest_ui(
    ui: &mut Ui,
    views: &mut ViewsState,
    session: Option<&Session>,
    has_second: bool,
    pressed: &mut Vec<Action>,
) {
    if let Some(session) = session {
        common_options::overwrite_ui(ui, views, session, pressed);
    }
    window_ui(ui, views, pressed);
    let is_plain = views.display.interpolation == Interpolation::Nearest;
    if widgets::action_icon(ui, Action::ToggleInterpolation, true, is_plain) {
        pressed.push(Action::ToggleInterpolation);
    }
    if has_second {
        ui.separator();
        fusion_ui(ui, views, pressed);
    }
}

/// On the left what the tool in hand found and can do now, on the right what is under the pointer.
fn words_ui(ui: &mut Ui, views: &ViewsState, status: &StatusLine, room: Rect) {
    let theme = Theme::of(ui.ctx());
    let font = FontId::proportional(theme::BODY);
    let whole = ui.painter().layout_no_wrap(status.text.clone(), font, theme.text).size().x.ceil() + 2.0;
    let at = room.right() - whole.min(STATUS * room.width());
    let (left, right) = room.split_left_right_at_x(at);
    let side = |rect: Rect, layout: Layout| UiBuilder::new().max_rect(rect).layout(layout);
    let from_right = side(right, Layout::right_to_left(Align::Center));
    ui.scope_builder(from_right, |ui| {
        ui.add(Label::new(RichText::new(&status.text).color(theme.text)).truncate());
    });
    let mut words = LayoutJob::default();
    let note = note_of(views).unwrap_or_default();
    let hint = hint_text(&views.tools.hint());
    let small = FontId::proportional(theme::SMALL);
    if !note.is_empty() {
        words.append(note, 0.0, TextFormat::simple(small.clone(), theme.text));
    }
    if !note.is_empty() && !hint.is_empty() {
        words.append("  ·  ", 0.0, TextFormat::simple(small.clone(), theme.weak));
    }
    if !hint.is_empty() {
        words.append(&hint, 0.0, TextFormat::simple(small, theme.weak));
    }
    let from_left = side(left.with_max_x(left.right() - 16.0), Layout::left_to_right(Align::Center));
    ui.scope_builder(from_left, |ui| {
        if !words.is_empty() {
            ui.add(Label::new(words).truncate());
        }
    });
}

/// What the tool in hand says of what it found or why it found nothing.
fn note_of(views: &ViewsState) -> Option<&str> {
    let own = match views.tools.kind() {
        ToolKind::Grow => views.tools.grow.note(),
        ToolKind::Segment => views.tools.segment.note(),
        _ => None,
    };
    own.or_else(|| views.tools.between.note())
}

fn window_ui(ui: &mut Ui, views: &ViewsState, pressed: &mut Vec<Action>) {
    let window = views.display.window;
    let name = WindowPreset::ALL
        .into_iter()
        .find(|preset| preset.window() == window)
        .map_or("Window", WindowPreset::label);
    ui.menu_button(name, |ui| pressed.extend(presets_ui(ui).map(Action::Preset)))
    .response
    .on_hover_text(format!("Window presets{}\nRight drag in a view changes level and width.\nWith a second series beside the first they go to the one under the pointer.", preset_keys()));
}

/// The keys of the window presets while they stand in a row.
fn preset_keys() -> &'static str {
    if (1..=9).all(|number| Action::Preset(number).has_standard_keys()) { "   1 to 9" } else { "" }
}

/// The window presets as rows of a menu; the number of the one chosen.
fn presets_ui(ui: &mut Ui) -> Option<u8> {
    let mut chosen = None;
    for number in 1..=9 {
        let action = Action::Preset(number);
        let label = action.info().name.trim_start_matches("Window: ");
        let mut chars = label.chars();
        let label: String = chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect();
        if ui.add(egui::Button::new(label).shortcut_text(action.key_text())).clicked() {
            chosen = Some(number);
            ui.close();
        }
    }
    chosen
}

fn fusion_ui(ui: &mut Ui, views: &mut ViewsState, pressed: &mut Vec<Action>) {
    let name = match views.display.fusion.mode {
        FusionMode::Off => "Second: off",
        FusionMode::Blend => "Second: blend",
        FusionMode::Beside => "Second: beside",
    };
    if ui.button(name).on_hover_text(Action::ToggleFusion.tooltip()).clicked() {
        pressed.push(Action::ToggleFusion);
    }
    if views.display.fusion.mode == FusionMode::Blend {
        let slider = egui::Slider::new(&mut views.display.fusion.opacity, 0.0..=1.0).show_value(false);
        ui.spacing_mut().slider_width = 90.0;
        ui.add(slider).on_hover_text("How much of the second series is seen");
        ui.menu_button(icons::SUN, |ui| {
            if let Some(number) = presets_ui(ui) {
                views.show_preset_of(true, number);
            }
        })
        .response
        .on_hover_text(
            "Window of the second series\nShift and a right drag in a view change its level and width.",
        );
    }
}
