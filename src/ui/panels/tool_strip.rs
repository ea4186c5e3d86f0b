//! The strip under the views: tools, their options, and what is under the pointer.

use super::super::actions::{Action, hint_text};
use super::super::theme::{self, Theme};
use super::super::views::{FusionMode, ViewsState};
use super::super::{Scope, icons, widgets};
use super::tool_options;
use crate::render::{Interpolation, WindowPreset};
use crate::tools::{Method, ToolKind};
use egui::{Align, Align2, FontId, Layout, RichText, Ui};

/// The strip's height, points.
pub const HEIGHT: f32 = 40.0;

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
    let theme = Theme::of(ui.ctx());
    let has_second = scope.context.desk.second.is_some();
    ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let Some(views) = scope.state.views.as_mut() else { return };
        let mut pressed = Vec::new();
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
        if let Some(session) = scope.context.session {
            tool_options::suggestion_ui(ui, views, session, &mut pressed);
            if !matches!(views.tools.kind(), ToolKind::Navigate | ToolKind::DeleteContour) {
                tool_options::options_ui(ui, views, session, &mut pressed);
                ui.separator();
            }
            tool_options::overwrite_ui(ui, views, session, &mut pressed);
        }
        window_ui(ui, views, &mut pressed);
        if widgets::action_icon(
            ui,
            Action::ToggleInterpolation,
            true,
            views.display.interpolation == Interpolation::Nearest,
        ) {
            pressed.push(Action::ToggleInterpolation);
        }
        if has_second {
            ui.separator();
            fusion_ui(ui, views, &mut pressed);
        }
        let hint = hint_text(&views.tools.hint());
        for action in pressed {
            scope.outbox.act(action);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add(egui::Label::new(RichText::new(&status.text).color(theme.text)).truncate());
            let room = ui.available_rect_before_wrap();
            let galley = ui.painter().layout_no_wrap(hint, FontId::proportional(theme::SMALL), theme.weak);
            if galley.size().x + 24.0 < room.width() {
                let at = room.left_center() + egui::vec2(12.0, 0.0);
                let rect = Align2::LEFT_CENTER.anchor_size(at, galley.size());
                ui.painter().galley(rect.min, galley, theme.weak);
            }
        });
    });
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
