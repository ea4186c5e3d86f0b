//! The strip under the views: tools, their options, and what is under the pointer.

use super::super::actions::Action;
use super::super::theme::{self, Theme};
use super::super::views::{FusionMode, ViewsState};
use super::super::{Scope, widgets};
use crate::render::{Interpolation, WindowPreset};
use crate::tools::{BrushMode, FreehandMode, ToolKind};
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
        let (point, value, second, name) = match &views.hover {
            Some(hover) => (hover.point_mm, hover.value, hover.second.clone(), hover.name.clone()),
            None => (crosshair, volume.value_at(crosshair), None, None),
        };
        let mut parts: Vec<String> = name.into_iter().collect();
        parts.push(super::super::views::value_text(volume, value));
        parts.extend(second);
        let [x, y, z] =
            [point.x, point.y, point.z].map(|mm| super::super::views::signed(&format!("{mm:.1}")));
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
            (ToolKind::DeleteContour, Action::SelectDeleteContour),
            (ToolKind::Ruler, Action::SelectRuler),
        ] {
            if widgets::action_icon(ui, action, true, views.tools.kind() == kind) {
                pressed.push(action);
            }
        }
        ui.separator();
        if !matches!(views.tools.kind(), ToolKind::Navigate | ToolKind::DeleteContour) {
            options_ui(ui, views);
            ui.separator();
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
        let hint = views.tools.hint();
        for action in pressed {
            scope.outbox.act(action);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(RichText::new(&status.text).color(theme.text));
            let room = ui.available_rect_before_wrap();
            let galley =
                ui.painter().layout_no_wrap(hint.to_owned(), FontId::proportional(theme::SMALL), theme.weak);
            if galley.size().x + 24.0 < room.width() {
                let at = room.left_center() + egui::vec2(12.0, 0.0);
                let rect = Align2::LEFT_CENTER.anchor_size(at, galley.size());
                ui.painter().galley(rect.min, galley, theme.weak);
            }
        });
    });
}

fn options_ui(ui: &mut Ui, views: &mut ViewsState) {
    match views.tools.kind() {
        ToolKind::Brush | ToolKind::Eraser => {
            let mut radius = views.tools.brush.radius_mm();
            let field = egui::DragValue::new(&mut radius)
                .speed(0.1)
                .range(0.5..=80.0)
                .suffix(" mm")
                .fixed_decimals(1);
            let response = named_value(ui, "Radius", field);
            if response.on_hover_text("Brush radius   [ and ], or Alt and the wheel").changed() {
                views.tools.brush.set_radius_mm(radius);
            }
            if views.tools.kind() == ToolKind::Brush {
                let mut mode = views.tools.brush.mode();
                segments(
                    ui,
                    &mut mode,
                    &[
                        (BrushMode::Add, "Add", "Paints. Hold Ctrl to erase."),
                        (BrushMode::Cut, "Cut", "Erases. Hold Ctrl to paint."),
                        (
                            BrushMode::Auto,
                            "Auto",
                            "Paints when started inside, erases when started at the edge outside.",
                        ),
                    ],
                );
                if mode != views.tools.brush.mode() {
                    views.tools.brush.set_mode(mode);
                }
            }
        }
        ToolKind::Freehand => {
            let mut thickness = views.tools.freehand.thickness_mm();
            let field = egui::DragValue::new(&mut thickness)
                .speed(0.2)
                .range(1.0..=500.0)
                .suffix(" mm")
                .fixed_decimals(1);
            let why = "How thick a slab a line drawn across the slices acts on";
            if named_value(ui, "Slab", field).on_hover_text(why).changed() {
                views.tools.freehand.set_thickness_mm(thickness);
            }
            let mut mode = views.tools.freehand.mode();
            segments(
                ui,
                &mut mode,
                &[
                    (
                        FreehandMode::Auto,
                        "Auto",
                        "Starting inside adds, starting outside cuts or makes a new piece.",
                    ),
                    (FreehandMode::Add, "Add", "Adds what the line encloses."),
                    (FreehandMode::Cut, "Cut", "Removes what the line encloses."),
                ],
            );
            if mode != views.tools.freehand.mode() {
                views.tools.freehand.set_mode(mode);
            }
        }
        ToolKind::Ruler => {
            if ui.button("Clear rulers").clicked() {
                views.tools.ruler.clear();
            }
        }
        ToolKind::Navigate | ToolKind::DeleteContour => {}
    }
}

fn named_value(ui: &mut Ui, name: &str, field: egui::DragValue<'_>) -> egui::Response {
    let label = ui.label(RichText::new(name).color(Theme::of(ui.ctx()).weak));
    ui.add(field).labelled_by(label.id)
}

fn segments<T: PartialEq + Copy>(ui: &mut Ui, chosen: &mut T, choices: &[(T, &str, &str)]) {
    for (value, name, why) in choices {
        if ui.selectable_label(*chosen == *value, *name).on_hover_text(*why).clicked() {
            *chosen = *value;
        }
    }
}

fn window_ui(ui: &mut Ui, views: &ViewsState, pressed: &mut Vec<Action>) {
    let window = views.display.window;
    let name = WindowPreset::ALL
        .into_iter()
        .find(|preset| preset.window() == window)
        .map_or("Window", WindowPreset::label);
    ui.menu_button(name, |ui| {
        for number in 1..=9 {
            let action = Action::Preset(number);
            let label = action.info().name.trim_start_matches("Window: ");
            let mut chars = label.chars();
            let label: String = chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect();
            if ui.add(egui::Button::new(label).shortcut_text(action.key_text())).clicked() {
                pressed.push(action);
                ui.close();
            }
        }
    })
    .response
    .on_hover_text("Window presets   1 to 9\nRight drag in a view changes level and width.");
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
    }
}
