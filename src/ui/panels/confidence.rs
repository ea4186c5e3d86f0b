//! How far a model trusts its contours, on screen: a number, a bar, and a small chart of the slices.
//!
//! The scale runs from amber (low) to the accent's blue (high), which those who do not tell red from
//! green tell apart; the length of a bar says the same.

use super::super::theme::{self, Theme};
use crate::patient::{Confidence, Roi};
use egui::{Color32, Rect, Sense, Stroke, Ui, pos2, vec2};

/// Below this a contour wants a second look; the middle of the scale.
const MIDDLE: f32 = 0.7;
/// So far below and above the middle the scale ends: most contours of a model lie between, and are to
/// differ.
const REACH: f32 = 0.15;

/// The low end of the scale. The light theme's amber is dark enough to be read as text, and beside the
/// blue too much like it for a bar.
fn low(theme: &Theme) -> Color32 {
    if theme.dark { theme.amber } else { Color32::from_rgb(0xb8, 0x6e, 0x00) }
}

/// The colour of a confidence, 0 to 1.
pub fn ink(theme: &Theme, value: f32) -> Color32 {
    let share = ((value - (MIDDLE - REACH)) / (2.0 * REACH)).clamp(0.0, 1.0);
    low(theme).lerp_to_gamma(theme.accent, share)
}

/// A confidence as a number ("0.83"), a change by hand noted.
#[must_use]
pub fn text(confidence: Confidence) -> String {
    let edited = if confidence.edited { ", before it was edited" } else { "" };
    format!("{:.2}{edited}", confidence.value)
}

/// What the number means, for a tooltip.
#[must_use]
pub fn meaning(confidence: Confidence) -> &'static str {
    if confidence.calibrated {
        "Confidence: the Dice agreement with a clinician that contours of this score reached on the model's validation patients."
    } else {
        "Confidence, uncalibrated: the network's own view of itself, mostly too high. It orders contours and promises nothing."
    }
}

/// A bar of a confidence, the number beside it.
pub fn bar_ui(ui: &mut Ui, confidence: Confidence) {
    let theme = Theme::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(64.0, 16.0), Sense::hover());
    let name = format!("Confidence {}", text(confidence));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, &name));
    let middle = rect.center().y;
    let track = Rect::from_min_max(pos2(rect.left(), middle - 2.0), pos2(rect.left() + 32.0, middle + 2.0));
    ui.painter().rect_filled(track, 2.0, theme.pressed);
    let done = Rect::from_min_size(track.min, vec2(track.width() * confidence.value, track.height()));
    ui.painter().rect_filled(done, 2.0, ink(theme, confidence.value));
    ui.painter().text(
        pos2(rect.right(), middle),
        egui::Align2::RIGHT_CENTER,
        format!("{:.2}", confidence.value),
        egui::FontId::proportional(theme::SMALL),
        theme.weak,
    );
    response.on_hover_text(meaning(confidence));
}

/// The slices of a structure, from the feet up, as bars; the least certain one marked. Gives the
/// plane that was clicked, by its place in [`Roi::planes`].
pub fn slices_ui(ui: &mut Ui, roi: &Roi) -> Option<usize> {
    let values: Vec<(usize, f32)> =
        roi.planes.iter().enumerate().filter_map(|(index, plane)| Some((index, plane.confidence?))).collect();
    if values.is_empty() {
        return None;
    }
    let theme = Theme::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 28.0), Sense::click());
    let name = format!("Confidence of {} by slice", roi.name);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
    ui.painter().rect_filled(rect, theme::RADIUS, theme.raised);
    let inner = rect.shrink(3.0);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred slices")]
    let step = inner.width() / values.len() as f32;
    let least = values.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(index, _)| *index);
    for (place, (index, value)) in values.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred slices")]
        let left = inner.left() + place as f32 * step;
        let top = inner.bottom() - inner.height() * value.clamp(0.04, 1.0);
        let gap = if step > 3.0 { 1.0 } else { 0.0 };
        let bar = Rect::from_min_max(pos2(left, top), pos2(left + (step - gap).max(0.75), inner.bottom()));
        ui.painter().rect_filled(bar, 0.0, ink(theme, *value));
        if Some(*index) == least {
            let x = left + step / 2.0;
            let stroke = Stroke::new(1.0, theme.text);
            ui.painter().line_segment([pos2(x, inner.top()), pos2(x, top)], stroke);
        }
    }
    if response.has_focus() {
        super::super::widgets::focus_ring(ui, rect);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a clamped place")]
    let place_at = |x: f32| (((x - inner.left()) / step).max(0.0) as usize).min(values.len() - 1);
    if let Some(pointer) = response.hover_pos() {
        let (index, value) = values[place_at(pointer.x)];
        let hint = format!("Slice {} of {}: {value:.2}. Click to go there.", index + 1, roi.planes.len());
        response.clone().on_hover_text(hint);
    }
    match response.interact_pointer_pos() {
        Some(pointer) if response.clicked() => Some(values[place_at(pointer.x)].0),
        _ if response.clicked() => least,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::theme::{DARK, LIGHT};

    #[test]
    fn the_scale_runs_from_amber_to_blue() {
        for theme in [&DARK, &LIGHT] {
            assert_eq!(ink(theme, 0.1), low(theme));
            assert_eq!(ink(theme, 1.0), theme.accent);
            // Those of a real model's organs are told apart.
            let distance = |a: Color32, b: Color32| {
                let parts = a.to_array().into_iter().zip(b.to_array());
                parts.map(|(a, b)| u32::from(a.abs_diff(b))).sum::<u32>()
            };
            assert!(distance(ink(theme, 0.65), ink(theme, 0.84)) > 150);
            for value in [0.0, 0.5, 0.6, 0.7, 0.8, 0.85, 1.0] {
                let contrast = theme::contrast(ink(theme, value), theme.surface);
                assert!(contrast >= 3.0, "{value}: {contrast:.1}");
            }
        }
    }

    #[test]
    fn what_was_changed_by_hand_is_said() {
        let confidence = Confidence::new(0.834, true);
        assert_eq!(text(confidence), "0.83");
        assert_eq!(text(confidence.after_hand_edit()), "0.83, before it was edited");
        assert!(meaning(Confidence::new(0.5, false)).contains("uncalibrated"));
    }
}
