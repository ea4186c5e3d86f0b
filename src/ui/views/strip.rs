//! The strip beside a view: which slices hold contours of the selected structure, which are
//! missing, and where one is. Click or drag to go there.

use super::super::theme;
use super::super::widgets;
use super::navigation::Navigation;
use super::outlines::ExtentCache;
use super::pane::Pane;
use crate::patient::Roi;
use crate::render::ViewKind;
use crate::session::Session;
use egui::{Rect, Sense, Ui, pos2};

/// The strip's width, points.
pub const WIDTH: f32 = 14.0;

/// The strip; `roi` is the selected structure as shown.
pub fn strip_ui(
    ui: &mut Ui,
    rect: Rect,
    kind: ViewKind,
    navigation: &mut Navigation,
    extents: &mut ExtentCache,
    session: &Session,
    roi: Option<&Roi>,
) {
    let name = format!("{} slices", Pane::Slice(kind).title());
    let response = ui.interact(rect, ui.scope_id().with(("strip", kind)), Sense::click_and_drag());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Slider, true, &name));
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 0.0, theme::DARK.base);
    let stack = navigation.stack(kind).clone();
    let Some(last) = stack.offsets_mm.len().checked_sub(1) else { return };
    let track = rect.shrink2(egui::vec2(3.0, 6.0));
    #[expect(clippy::cast_precision_loss, reason = "slice counts")]
    let height = track.height() / (last + 1) as f32;
    #[expect(clippy::cast_precision_loss, reason = "slice counts")]
    let top_of = |index: usize| {
        let from_top = if stack.up_is_forward { last - index } else { index };
        track.top() + from_top as f32 * height
    };
    let cell = |index: usize| {
        let top = top_of(index);
        Rect::from_min_max(pos2(track.left(), top), pos2(track.right(), top + height.max(1.0)))
    };
    painter.rect_filled(track, 1.0, theme::DARK.raised);
    if stack.are_slices {
        for (index, _) in session.series().volume.slices.iter().enumerate().filter(|(_, slice)| slice.missing)
        {
            painter.rect_filled(cell(index), 0.0, theme::DARK.amber);
        }
    }
    if let Some(roi) = roi {
        let ink = widgets::ink(roi.color);
        if stack.are_slices {
            for plane in &roi.planes {
                let index =
                    stack.index_of(plane.plane.lift(plane.plane.project(crate::geometry::Point3::origin())));
                painter.rect_filled(cell(index), 0.0, ink);
            }
        } else {
            for (low, high) in extents.extents(roi, &stack.normal).iter() {
                let index = |offset: f64| stack.offsets_mm.partition_point(|own| *own < offset).min(last);
                painter.rect_filled(cell(index(*low)).union(cell(index(*high))), 0.0, ink);
            }
        }
    }
    let here = cell(stack.index_of(navigation.crosshair_mm()));
    let mark = Rect::from_center_size(here.center(), egui::vec2(rect.width() - 2.0, height.clamp(3.0, 8.0)));
    painter.rect_stroke(mark, 1.0, egui::Stroke::new(1.5, theme::OVERLAY_TEXT), egui::StrokeKind::Inside);
    if response.has_focus() {
        widgets::focus_ring(ui, rect);
    }
    if (response.dragged() || response.clicked())
        && let Some(pointer) = response.interact_pointer_pos()
    {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a clamped slice number")]
        let from_top = (((pointer.y - track.top()) / height).floor().max(0.0) as usize).min(last);
        let index = if stack.up_is_forward { last - from_top } else { from_top };
        navigation.go_to_index(kind, index);
    }
}
