//! The window as a whole: bars, panels, the 2 x 2 views, and what lies over them.

use super::Scope;
use super::panels::{self, StatusLine};
use super::state::{Fold, Place};
use super::theme::Theme;
use super::toasts;
use super::views::{self, Pane};
use egui::{Panel, Rect, Ui, vec2};

/// The gap between views, points.
const GAP: f32 = 2.0;
/// The structure list's least width, points, and in a wide window: names as the standard has them fit, so
/// that the views stay where they are when a structure is named.
const STRUCTURES: [f32; 2] = [248.0, 296.0];
/// The inspector's width, points.
const INSPECTOR: f32 = 292.0;
/// From this width on the inspector stands open by itself.
const WIDE: f32 = 1700.0;

/// The whole window.
pub fn window_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let theme = Theme::of(ui.ctx());
    let whole = ui.max_rect();
    let bar = egui::Frame::new().fill(theme.surface).inner_margin(egui::Margin::symmetric(12, 0));
    Panel::top("top bar")
        .exact_size(panels::TOP_BAR_HEIGHT)
        .frame(bar)
        .show(ui, |ui| panels::top_bar_ui(ui, scope));
    if scope.context.session.is_some() && scope.state.views.is_some() {
        work_ui(ui, scope);
    } else {
        let ground = egui::Frame::new().fill(theme.surface).inner_margin(egui::Margin::same(24));
        egui::CentralPanel::default().frame(ground).show(ui, |ui| {
            egui::ScrollArea::vertical()
                .auto_shrink([false, false])
                .show(ui, |ui| panels::start_ui(ui, scope));
        });
    }
    panels::overlay_ui(ui, scope);
    drop_hint_ui(ui, whole);
    let area = whole.with_max_y(whole.bottom() - panels::TOOL_STRIP_HEIGHT);
    if let Some(action) = toasts::toasts_ui(ui, &mut scope.state.toasts, area) {
        scope.outbox.act(action);
    }
}

fn work_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let theme = Theme::of(ui.ctx());
    let width = ui.available_width();
    let frame = egui::Frame::new().fill(theme.surface).inner_margin(egui::Margin::symmetric(12, 0));
    Panel::bottom("tool strip")
        .exact_size(panels::TOOL_STRIP_HEIGHT)
        .frame(frame)
        .show(ui, |ui| panels::tool_strip_ui(ui, scope, &StatusLine::of(scope)));
    if scope.state.structures != Fold::Closed {
        let least = STRUCTURES[usize::from(width >= WIDE)];
        let wanted = scope.context.session.map_or(least, |own| panels::structures_width(ui, own).max(least));
        let frame = egui::Frame::new().fill(theme.surface).inner_margin(egui::Margin::symmetric(8, 8));
        Panel::left("structures")
            .resizable(false)
            .exact_size(wanted.min(width * 0.35))
            .frame(frame)
            .show(ui, |ui| panels::structures_ui(ui, scope));
    }
    if shows_inspector(scope, width) {
        Panel::right("inspector")
            .resizable(false)
            .exact_size(INSPECTOR)
            .frame(theme.panel_frame())
            .show(ui, |ui| panels::inspector_ui(ui, scope));
    }
    let ground = egui::Frame::new().fill(theme.base);
    egui::CentralPanel::default().frame(ground).show(ui, |ui| views_ui(ui, scope));
}

/// The inspector stands where there is room, and where the place has nowhere else to be.
fn shows_inspector(scope: &Scope<'_>, width: f32) -> bool {
    match scope.state.inspector {
        Fold::Open => true,
        Fold::Closed => false,
        Fold::Auto => width >= WIDE || scope.state.place != Place::Correct,
    }
}

fn views_ui(ui: &mut Ui, scope: &mut Scope<'_>) {
    let rect = ui.available_rect_before_wrap();
    let maximised = scope.state.views.as_ref().and_then(|views| views.navigation.maximised);
    let places: Vec<(Pane, Rect)> = match maximised {
        Some(pane) => vec![(pane, rect)],
        None => Pane::ALL.into_iter().zip(quarters(rect, ui.ctx().pixels_per_point())).collect(),
    };
    if let Some(views) = scope.state.views.as_mut() {
        views.places.clone_from(&places);
    }
    for (pane, place) in places {
        pane_ui(ui, scope, pane, place);
    }
}

fn pane_ui(ui: &mut Ui, scope: &mut Scope<'_>, pane: Pane, rect: Rect) {
    match pane {
        Pane::Slice(kind) => views::slice_view_ui(ui, scope, kind, rect),
        Pane::Volume => views::volume_view_ui(ui, scope, rect),
    }
}

/// Four equal parts in reading order, their edges on whole pixels.
fn quarters(rect: Rect, pixels_per_point: f32) -> [Rect; 4] {
    let whole = |value: f32| (value * pixels_per_point).round() / pixels_per_point;
    let size = vec2(whole((rect.width() - GAP) / 2.0), whole((rect.height() - GAP) / 2.0));
    let upper = Rect::from_min_size(rect.min, size);
    let right =
        Rect::from_min_max(rect.min + vec2(size.x + GAP, 0.0), egui::pos2(rect.right(), rect.top() + size.y));
    let lower = |above: Rect| {
        Rect::from_min_max(
            egui::pos2(above.left(), rect.top() + size.y + GAP),
            egui::pos2(above.right(), rect.bottom()),
        )
    };
    [upper, right, lower(upper), lower(right)]
}

/// Says that files may be dropped while some are held over the window.
fn drop_hint_ui(ui: &Ui, whole: Rect) {
    if ui.input(|input| input.raw.hovered_files.is_empty()) {
        return;
    }
    let theme = Theme::of(ui.ctx());
    let layer = egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop hint"));
    let painter = ui.ctx().layer_painter(layer);
    painter.rect_filled(whole, 0.0, theme.base.gamma_multiply(0.8));
    let text = "Drop a folder or files to open them";
    painter.text(whole.center(), egui::Align2::CENTER_CENTER, text, super::theme::strong(20.0), theme.text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quarters_fill_the_room_on_whole_pixels() {
        let rect = Rect::from_min_size(egui::pos2(201.0, 40.0), vec2(1079.0, 721.0));
        let [axial, volume, coronal, sagittal] = quarters(rect, 1.5);
        assert_eq!(axial.min, rect.min);
        assert_eq!(sagittal.max, rect.max);
        assert!((volume.left() - axial.right() - GAP).abs() < 1e-3);
        assert!((coronal.top() - axial.bottom() - GAP).abs() < 1e-3);
    }
}
