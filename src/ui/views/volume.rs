//! The 3D view: the scan ray-cast together with the structures' surfaces.

use super::super::paint::{self, PaintKey};
use super::super::{Scope, theme};
use super::corner::Corner;
use super::pane::Pane;
use super::state::{REST_SECONDS, ViewsState};
use super::{overlay, surfaces};
use crate::patient::RoiType;
use crate::render::{OrbitCamera, Quality, VolumeScene, VolumeStyle};
use crate::session::Session;
use egui::{Align2, Color32, Event, PointerButton, Rect, Response, Sense, Stroke, Ui, vec2};
use std::sync::Arc;

/// How long after a scan is opened its 3D picture is begun, seconds.
const WAIT_SECONDS: f64 = 0.3;
/// Half the edge of the orientation cube, points.
const CUBE: f32 = 20.0;

/// The 3D view in `rect`.
pub fn volume_view_ui(ui: &mut Ui, scope: &mut Scope<'_>, rect: Rect) {
    let Some(session) = scope.context.session else { return };
    let Some(views) = scope.state.views.as_mut() else { return };
    let response = ui.interact(rect, ui.scope_id().with("view 3d"), Sense::click_and_drag());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "3D view"));
    let is_maximised = views.navigation.maximised == Some(Pane::Volume);
    let corner = Corner::new(ui, rect, Pane::Volume, None, is_maximised, (response.id, "3D view"));
    let scale = f64::from(ui.ctx().pixels_per_point());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "pixels of a window")]
    let size_px = [rect.width(), rect.height()].map(|side| (f64::from(side) * scale).round().max(1.0) as u32);
    let mut camera = camera(views, session, size_px, scale);
    if hands(ui, views, &response, &mut camera, scale) {
        views.moved_at = ui.input(|input| input.time);
        let kept = OrbitCamera { mm_per_pixel: camera.mm_per_pixel * scale, ..camera };
        views.navigation.orbit = Some(kept);
    }
    if response.double_clicked() || corner.is_toggled() {
        views.navigation.toggle_maximised(Pane::Volume);
    }
    let now = ui.input(|input| input.time);
    let quality = views.volume_quality(now);
    if quality == Quality::Moving {
        #[expect(clippy::cast_possible_truncation, reason = "a fraction of a second")]
        ui.ctx().request_repaint_after_secs((REST_SECONDS - (now - views.moved_at)) as f32 + 0.005);
    }
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 0.0, theme::VIEW_BLACK);
    // The slices come first: the 3D picture of a scan just opened may take its time.
    let shown_for = now - *views.shown_at.get_or_insert(now);
    if shown_for < WAIT_SECONDS {
        #[expect(clippy::cast_possible_truncation, reason = "a fraction of a second")]
        ui.ctx().request_repaint_after_secs((WAIT_SECONDS - shown_for) as f32);
    } else {
        let software = scope.context.desk.software_pictures;
        let scene = scene(ui, views, session, reduced(camera, size_px, software), quality, software);
        ui.painter().add(paint::volume_picture(rect, PaintKey::volume(), scene));
    }
    if views.display.is_bare() {
        overlay::badges(&painter, rect, session, views.display.stride);
        return;
    }
    corner.draw(&painter);
    overlay::badges(&painter, rect, session, views.display.stride);
    style_ui(ui, views, rect);
    cube_ui(ui, views, rect, &camera, scale);
    if views.navigation.focus == Pane::Volume && views.navigation.maximised.is_none() {
        let stroke = Stroke::new(1.0, theme::CROSSHAIR.gamma_multiply(0.6));
        painter.rect_stroke(rect, 0.0, stroke, egui::StrokeKind::Inside);
    }
}

/// The camera in physical pixels.
fn camera(views: &ViewsState, session: &Session, size_px: [u32; 2], scale: f64) -> OrbitCamera {
    match views.navigation.orbit {
        Some(kept) => OrbitCamera { mm_per_pixel: kept.mm_per_pixel / scale, ..kept },
        None => OrbitCamera::fit(&session.series().volume.grid, size_px),
    }
}

/// Drag turns, middle or Shift drag pans, the wheel zooms. Whether the camera moved.
fn hands(ui: &Ui, views: &mut ViewsState, response: &Response, camera: &mut OrbitCamera, scale: f64) -> bool {
    if response.contains_pointer() {
        views.navigation.point_over(Pane::Volume, super::hover::has_moved(ui));
    }
    let mut moved = false;
    let delta = response.drag_delta();
    let (right, down) = (f64::from(delta.x), f64::from(delta.y));
    if delta != egui::Vec2::ZERO {
        let shift = ui.input(|input| input.modifiers.shift);
        if response.dragged_by(PointerButton::Middle)
            || (shift && response.dragged_by(PointerButton::Primary))
        {
            camera.pan(right * scale, down * scale);
            moved = true;
        } else if response.dragged_by(PointerButton::Primary) {
            // Half a turn for 400 points, whatever the display's scale.
            camera.orbit(right, down);
            moved = true;
        }
    }
    if response.contains_pointer() {
        let lines: f32 = ui.input(|input| {
            input
                .events
                .iter()
                .map(|event| match event {
                    Event::MouseWheel { unit: egui::MouseWheelUnit::Point, delta, .. } => delta.y / 40.0,
                    Event::MouseWheel { delta, .. } => delta.y,
                    _ => 0.0,
                })
                .sum()
        });
        if lines != 0.0 {
            camera.zoom(1.12_f64.powf(f64::from(lines)));
            moved = true;
        }
    }
    moved
}

/// The camera and the picture's size; half of each side where a processor draws.
fn reduced(camera: OrbitCamera, size_px: [u32; 2], software: bool) -> (OrbitCamera, [u32; 2]) {
    if software {
        let camera = OrbitCamera { mm_per_pixel: camera.mm_per_pixel * 2.0, ..camera };
        (camera, size_px.map(|side| side.div_ceil(2)))
    } else {
        (camera, size_px)
    }
}

fn scene(
    ui: &Ui,
    views: &mut ViewsState,
    session: &Session,
    (camera, size_px): (OrbitCamera, [u32; 2]),
    quality: Quality,
    software: bool,
) -> VolumeScene {
    let volume = Arc::clone(&session.series().volume);
    let mut scene = VolumeScene::new(camera, size_px, Some(volume), views.display.style);
    scene.window = views.display.opened_window;
    scene.quality = quality;
    if !views.display.is_bare() {
        // Where a processor draws, the surface follows when the stroke is done.
        let edited = if software {
            views.tools.giving_way(session).to_vec()
        } else {
            views.tools.previewed_rois(session)
        };
        let ctx = ui.ctx().clone();
        let surfaces: &mut surfaces::Surfaces = &mut views.surfaces;
        scene.meshes = surfaces.meshes(session, &edited, move || ctx.request_repaint());
        // The patient's outline would hide everything inside it.
        if views.display.style != VolumeStyle::None {
            let is_outline = |id| session.roi(id).is_some_and(|roi| roi.roi_type == RoiType::External);
            scene.meshes.retain(|mesh| !is_outline(mesh.key.0));
        }
        let ctx = ui.ctx().clone();
        let volume = &session.series().volume;
        // What is dashed in the slices: suggested contours, and what recipes would make.
        let suggested = views.tools.dashed().map(|suggestion| Arc::clone(suggestion.shown()));
        let dashed: Vec<_> = views.previews.iter().cloned().chain(suggested).collect();
        let previews = views.preview_surfaces.meshes(&dashed, volume, move || ctx.request_repaint());
        scene.meshes.extend(previews);
    }
    scene
}

/// The presets, at the lower left.
fn style_ui(ui: &mut Ui, views: &mut ViewsState, rect: Rect) {
    let place = Rect::from_min_size(rect.left_bottom() + vec2(4.0, -30.0), vec2(140.0, 26.0));
    let mut child = ui.new_child(egui::UiBuilder::new().max_rect(place).id_salt("3d style"));
    // The view is black in both themes.
    child.style_mut().visuals = egui::Visuals::dark();
    child.style_mut().visuals.button_frame = false;
    let text = egui::RichText::new(views.display.style.label()).size(theme::SMALL).color(theme::OVERLAY_WEAK);
    let mut chosen = None;
    child
        .menu_button(text, |ui| {
            for style in VolumeStyle::ALL {
                if ui.selectable_label(views.display.style == style, style.label()).clicked() {
                    chosen = Some(style);
                    ui.close();
                }
            }
        })
        .response
        .on_hover_text("What the 3D view shows of the scan");
    if let Some(style) = chosen {
        views.display.style = style;
    }
}

/// The orientation cube, at the lower right; a click on a face looks from there.
fn cube_ui(ui: &mut Ui, views: &mut ViewsState, rect: Rect, camera: &OrbitCamera, scale: f64) {
    let center = rect.right_bottom() - vec2(44.0, 44.0);
    let faces = camera.cube_faces([center.x, center.y], CUBE);
    let area = Rect::from_center_size(center, egui::Vec2::splat(CUBE * 3.4));
    let response = ui.interact(area, ui.scope_id().with("cube"), Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Orientation cube"));
    let painter = ui.painter_at(rect);
    let pointer = response.hover_pos();
    let mut pressed = None;
    for face in &faces {
        let corners: Vec<egui::Pos2> = face.corners_px.iter().map(|[x, y]| egui::pos2(*x, *y)).collect();
        let hovered = pointer.is_some_and(|at| is_inside(&corners, at));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a grey level")]
        let grey = (40.0 + 50.0 * face.facing + if hovered { 40.0 } else { 0.0 }) as u8;
        let fill = Color32::from_rgba_unmultiplied(grey, grey, grey + 4, 235);
        painter.add(egui::Shape::convex_polygon(corners, fill, Stroke::new(1.0, Color32::from_gray(150))));
        if face.facing > 0.25 {
            let [x, y] = face.center_px;
            let font = theme::strong(6.0 + 8.0 * face.facing);
            painter.text(egui::pos2(x, y), Align2::CENTER_CENTER, &face.letter, font, theme::OVERLAY_TEXT);
        }
        if hovered && response.clicked() {
            pressed = Some(face.letter.clone());
        }
    }
    if let Some((azimuth, elevation)) = pressed.as_deref().and_then(looking_from) {
        let turned = OrbitCamera { azimuth, elevation, mm_per_pixel: camera.mm_per_pixel * scale, ..*camera };
        views.navigation.orbit = Some(turned);
        views.moved_at = ui.input(|input| input.time);
    }
    response.on_hover_text("Drag in the view to turn; click a face to look from there");
}

/// Azimuth and elevation that look from the side of a letter.
fn looking_from(letter: &str) -> Option<(f64, f64)> {
    use std::f64::consts::{FRAC_PI_2, PI};
    match letter {
        "A" => Some((0.0, 0.0)),
        "L" => Some((FRAC_PI_2, 0.0)),
        "P" => Some((PI, 0.0)),
        "R" => Some((PI + FRAC_PI_2, 0.0)),
        "H" => Some((0.0, FRAC_PI_2)),
        "F" => Some((0.0, -FRAC_PI_2)),
        _ => None,
    }
}

/// Whether a point lies in a convex polygon of either orientation.
fn is_inside(corners: &[egui::Pos2], at: egui::Pos2) -> bool {
    let sides = corners.iter().zip(corners.iter().cycle().skip(1)).map(|(a, b)| {
        let (edge, to) = (*b - *a, at - *a);
        edge.x * to.y - edge.y * to.x
    });
    let signs: Vec<bool> = sides.map(|side| side >= 0.0).collect();
    signs.iter().all(|sign| *sign) || signs.iter().all(|sign| !sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_is_hit_inside_and_not_beside() {
        let square = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)].map(|(x, y)| egui::pos2(x, y));
        assert!(is_inside(&square, egui::pos2(4.0, 5.0)));
        assert!(!is_inside(&square, egui::pos2(11.0, 5.0)));
    }
}
