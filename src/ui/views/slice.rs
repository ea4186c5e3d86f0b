//! One slice view: the picture, its overlays, and what the hands do in it.

use super::super::paint::{self, PaintKey};
use super::super::{Scope, theme};
use super::corner::Corner;
use super::hover::{self, Hover};
use super::pane::{Half, Pane, PaneFrame};
use super::state::{FusionMode, ViewsState};
use super::{cursor, guides, menu, outlines, overlay, ruler, strip, turning};
use crate::geometry::Rotation3;
use crate::patient::Series;
use crate::render::{FusionLayer, SliceScene, ViewKind};
use crate::session::Session;
use crate::tools::{Modifiers, Reaction, ToolEvent, ToolKind, ViewPlane};
use egui::{Event, MouseWheelUnit, PointerButton, Pos2, Rect, Response, Sense, Ui};
use std::sync::Arc;

/// How long a sentence stays at the cursor, seconds.
const MESSAGE_SECONDS: f64 = 3.0;

/// The view of `kind` in `rect`.
pub fn slice_view_ui(ui: &mut Ui, scope: &mut Scope<'_>, kind: ViewKind, rect: Rect) {
    let Some(session) = scope.context.session else { return };
    let second = scope.context.desk.second.clone();
    let Some(views) = scope.state.views.as_mut() else { return };
    views.tools.set_second(session, second.as_ref().map(|second| &second.volume));
    views.tools.set_dose(session, scope.context.desk.dose.as_ref());
    views.tools.update(session);
    if views.tools.is_waiting() {
        ui.ctx().request_repaint_after(std::time::Duration::from_millis(30));
    }
    let mode = if second.is_some() { views.display.fusion.mode } else { FusionMode::Off };
    let mut area = rect;
    let strip_rect = area.with_min_x(area.right() - strip::WIDTH);
    area.set_right(strip_rect.left());
    let shown = views.tools.previewed_roi(session);
    let selected = session.selected().map(|roi| shown.as_ref().filter(|own| own.id == roi.id).unwrap_or(roi));
    let selected = selected.map(Arc::clone);
    let ViewsState { navigation, extents, .. } = views;
    strip::strip_ui(ui, strip_rect, kind, navigation, extents, session, selected.as_deref());
    let halves = if mode == FusionMode::Beside {
        let (left, right) = area.split_left_right_at_fraction(0.5);
        vec![(left.with_max_x(left.right() - 1.0), false), (right.with_min_x(right.left() + 1.0), true)]
    } else {
        vec![(area, false)]
    };
    for (half, is_second) in halves {
        half_ui(ui, scope, session, second.as_ref(), Half { kind, is_second }, half);
    }
}

fn half_ui(
    ui: &mut Ui,
    scope: &mut Scope<'_>,
    session: &Session,
    second: Option<&Arc<Series>>,
    half: Half,
    rect: Rect,
) {
    let Some(views) = scope.state.views.as_mut() else { return };
    let Half { kind, is_second } = half;
    let pane = half.pane();
    let id = ui.scope_id().with(("view", kind, is_second));
    let response = ui.interact(rect, id, Sense::click_and_drag());
    let name = half.name();
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
    let is_maximised = views.navigation.maximised == Some(pane);
    let angle = views.navigation.turn_of(kind).map(Rotation3::angle);
    let corner = Corner::new(ui, rect, pane, angle, is_maximised, (id, &name));
    let pixels_per_point = ui.ctx().pixels_per_point();
    let volume = &session.series().volume;
    let frame_of = |views: &ViewsState| {
        let navigation = &views.navigation;
        let (turned, look) = (navigation.turn_of(kind), navigation.look(kind));
        PaneFrame::new(volume, (kind, turned), navigation.crosshair_mm(), look, rect, pixels_per_point)
    };
    let frame = frame_of(views);
    wheel(ui, views, &response, &frame, kind);
    drags(ui, views, &response, &frame, half, second.is_some());
    // The press that closes a menu is not the tool's.
    let is_menu_open = egui::Popup::is_any_open(ui.ctx());
    let over = response.contains_pointer() && !corner.contains_pointer() && !is_menu_open;
    let frame = frame_of(views);
    let turns = turning::hands(ui, views, over, &frame, half);
    let reactions = tool_events(ui, views, over && !turns, session, &frame_of(views), half);
    hover_at(
        ui,
        views,
        &response,
        session,
        second,
        scope.context.desk.reference.as_deref(),
        &frame_of(views),
        half,
    );
    let by_picture = response.double_clicked() && views.tools.kind() == ToolKind::Navigate && !turns;
    if corner.is_toggled() || by_picture {
        views.navigation.toggle_maximised(pane);
    }
    if corner.is_straightened() {
        views.straighten();
    }
    let now = ui.input(|input| input.time);
    for (at, reaction) in reactions {
        if let Some(point) = reaction.crosshair {
            views.navigation.go_to(point);
        }
        if let Some(text) = reaction.message {
            views.message = Some((at, text, now + MESSAGE_SECONDS));
        }
        if let Some(command) = reaction.command {
            scope.outbox.apply(command);
        }
    }
    let Some(views) = scope.state.views.as_mut() else { return };
    let frame = frame_of(views);
    let scene = scene(views, session, second, &frame, is_second);
    let key = PaintKey::slice(pane, is_second);
    ui.painter().add(paint::slice_picture(rect, key, scene));
    let painter = ui.painter_at(rect);
    let display = &views.display;
    let stride = match (is_second, display.fusion.mode, second) {
        (true, _, _) => display.fusion.stride,
        (false, FusionMode::Blend, Some(_)) => display.stride.max(display.fusion.stride),
        _ => display.stride,
    };
    if views.display.is_bare() {
        overlay::badges(&painter, rect, session, stride);
    } else {
        let lines = turning::directions(&frame, &views.navigation, kind);
        let lines = views.navigation.is_turned().then_some(lines);
        overlay::crosshair(&painter, &frame, views.navigation.crosshair_mm(), lines);
        let windows = overlay::windows(&views.display, session.series(), second.map(|own| &**own), is_second);
        overlay::overlays(&painter, &frame, kind, &views.navigation, session, (&corner, &windows, stride));
        ruler::rulers(&painter, &frame, &views.tools);
        let ink = session.selected().map_or(theme::OVERLAY_TEXT, |roi| super::super::widgets::ink(roi.color));
        guides::guides(&painter, &frame, &views.tools, session, ink);
    }
    let shows_tool = !turns && views.gesture.map_or(over, |owner| owner == half);
    gesture_ui(ui, views, shows_tool, session, &frame);
    turning::draw(ui, &painter, views, over, (&frame, half));
    if views.navigation.focus == pane && views.navigation.maximised.is_none() {
        let stroke = egui::Stroke::new(1.0, theme::CROSSHAIR.gamma_multiply(0.6));
        painter.rect_stroke(rect, 0.0, stroke, egui::StrokeKind::Inside);
    }
    menu::view_menu(scope, &response, session, &frame);
}

/// What the tool shows at the pointer.
fn gesture_ui(ui: &Ui, views: &mut ViewsState, shows_tool: bool, session: &Session, frame: &PaneFrame) {
    let painter = ui.painter_at(frame.rect);
    let pointer = ui.input(|input| input.pointer.latest_pos());
    // An outline that waits for clicks stands in each picture of its plane, wherever the pointer is.
    let shows_line = match views.tools.outline() {
        Some((plane, _)) => plane.coincides(&frame.plane, 0.01) && (shows_tool || !views.display.is_bare()),
        None => shows_tool,
    };
    if !views.display.is_bare() {
        cursor::waiting(&painter, frame, &views.tools, session);
    }
    if shows_line {
        let ink = session.selected().map_or(theme::OVERLAY_TEXT, |roi| super::super::widgets::ink(roi.color));
        let is_open = views.tools.line_is_open();
        cursor::hand_line(&painter, frame, views.tools.line(), is_open, ink);
        cursor::anchors(&painter, frame, views.tools.anchors(), is_open, ink);
    }
    if let (Some(pointer), true) = (pointer, shows_tool) {
        let tool = views.tools.cursor(session);
        if tool.shape != crate::tools::CursorShape::Arrow {
            ui.ctx().set_cursor_icon(cursor::icon_of(tool.shape));
        }
        cursor::doomed(&painter, frame, &views.tools.doomed(session));
        cursor::draw(&painter, frame, &tool, pointer);
        if tool.shape == crate::tools::CursorShape::Cross
            && views.tools.kind() == ToolKind::Navigate
            && let Some(name) = views.hover.as_ref().and_then(|hover| hover.name.clone())
        {
            let font = egui::FontId::proportional(theme::SMALL);
            let at = pointer + egui::vec2(14.0, -10.0);
            super::super::widgets::overlay_text(
                &painter,
                at,
                egui::Align2::LEFT_BOTTOM,
                name,
                font,
                theme::OVERLAY_TEXT,
            );
        }
    }
    let now = ui.input(|input| input.time);
    if let Some((at, text, until)) = &views.message {
        if *until <= now {
            views.message = None;
        } else if frame.rect.contains(*at) {
            cursor::message(&painter, *at, text);
            #[expect(clippy::cast_possible_truncation, reason = "a few seconds")]
            ui.ctx().request_repaint_after_secs((until - now) as f32 + 0.01);
        }
    }
}

/// Wheel: slices (Shift: ten), Ctrl: zoom, Alt: the size of the tip in hand.
fn wheel(ui: &Ui, views: &mut ViewsState, response: &Response, frame: &PaneFrame, kind: ViewKind) {
    if !response.contains_pointer() {
        return;
    }
    let (events, pointer) = ui.input(|input| {
        let wheel: Vec<_> = input
            .events
            .iter()
            .filter_map(|event| match event {
                Event::MouseWheel { unit, delta, modifiers, .. } => Some((*unit, *delta, *modifiers)),
                _ => None,
            })
            .collect();
        (wheel, input.pointer.latest_pos())
    });
    for (unit, delta, modifiers) in events {
        let amount = if delta.y == 0.0 { delta.x } else { delta.y };
        let lines = match unit {
            MouseWheelUnit::Line => amount,
            MouseWheelUnit::Point => amount / 40.0,
            MouseWheelUnit::Page => amount * 10.0,
        };
        if modifiers.alt {
            // Also while Ctrl is held to cut.
            let steps = views.size_steps(lines);
            views.tools.resize(steps);
        } else if modifiers.command || modifiers.ctrl {
            let at = pointer.unwrap_or_else(|| frame.rect.center());
            let look = frame.zoomed(at, 1.15_f64.powf(f64::from(lines)));
            views.navigation.set_look(kind, look);
        } else if !views.is_in_stroke() {
            let steps = views.wheel_steps(lines);
            views.navigation.scroll(kind, if modifiers.shift { steps * 10 } else { steps });
        }
    }
    let pinch = ui.input(egui::InputState::zoom_delta);
    let by_touch = ui.input(|input| input.multi_touch().is_some());
    if by_touch && (pinch - 1.0).abs() > 1e-3 {
        let at = pointer.unwrap_or_else(|| frame.rect.center());
        let look = frame.zoomed(at, f64::from(pinch));
        views.navigation.set_look(kind, look);
    }
}

/// Middle drag pans, right drag windows: with Shift the second series where it is blended over.
fn drags(
    ui: &Ui,
    views: &mut ViewsState,
    response: &Response,
    frame: &PaneFrame,
    Half { kind, is_second }: Half,
    has_second: bool,
) {
    if response.contains_pointer() {
        views.navigation.point_over(Pane::Slice(kind), hover::has_moved(ui));
    }
    let delta = response.drag_delta();
    if delta == egui::Vec2::ZERO {
        return;
    }
    if response.dragged_by(PointerButton::Middle) {
        let look = frame.panned(delta);
        views.navigation.set_look(kind, look);
        ui.ctx().set_cursor_icon(egui::CursorIcon::Grabbing);
    } else if response.dragged_by(PointerButton::Secondary) {
        let blended = has_second && views.display.fusion.mode == FusionMode::Blend;
        let of_second = is_second || (blended && ui.input(|input| input.modifiers.shift));
        let window = if of_second { &mut views.display.fusion.window } else { &mut views.display.window };
        let gain = (window.width / 300.0).clamp(0.002, 20.0);
        let width = (window.width + delta.x * gain).max(gain);
        *window = crate::render::Window::new(window.level + delta.y * gain, width);
    }
}

/// What the left button and the pointer do, given to the tool in hand.
fn tool_events(
    ui: &Ui,
    views: &mut ViewsState,
    over: bool,
    session: &Session,
    frame: &PaneFrame,
    half: Half,
) -> Vec<(Pos2, Reaction)> {
    let view =
        ViewPlane { plane: frame.plane, pixel_mm: frame.mm_per_point() / f64::from(frame.pixels_per_point) };
    let mut reactions = Vec::new();
    drop_orphan(ui, views, session, &view);
    let owns = views.gesture == Some(half);
    if !over && !owns {
        if views.hovered_by_tool == Some(half) {
            views.hovered_by_tool = None;
            views.tools.event(session, &view, ToolEvent::Leave);
        }
        return reactions;
    }
    if over && views.gesture.is_none() {
        hover_again(ui, views, session, frame, &view, half);
    }
    let events = ui.input(|input| input.events.clone());
    let mut is_pen = false;
    // Push works along the whole of its way at every event: of moves in a row the last one tells it all.
    let is_push = views.tools.kind() == ToolKind::Push;
    let followed = |at: usize| matches!(events.get(at + 1), Some(Event::PointerMoved(_)));
    for (index, event) in events.iter().cloned().enumerate() {
        if is_push && matches!(event, Event::PointerMoved(_)) && followed(index) {
            continue;
        }
        let (at, event) = match event {
            // A pen or finger tells its pressure before it moves or presses the pointer.
            Event::Touch { force, .. } => {
                is_pen = true;
                views.tools.brush.set_pressure(force);
                continue;
            }
            Event::PointerMoved(at) if views.gesture == Some(half) => {
                (at, ToolEvent::Drag(frame.patient_of(at)))
            }
            Event::PointerMoved(at) if over && views.gesture.is_none() => {
                let keys = ui.input(|input| modifiers_of(input.modifiers));
                views.hovered_by_tool = Some(half);
                (at, ToolEvent::Hover(frame.patient_of(at), keys))
            }
            Event::PointerButton { pos, button: PointerButton::Primary, pressed: true, modifiers }
                if over && frame.rect.contains(pos) && views.gesture.is_none() =>
            {
                views.gesture = Some(half);
                (pos, ToolEvent::Press(frame.patient_of(pos), modifiers_of(modifiers)))
            }
            Event::PointerButton { pos, button: PointerButton::Primary, pressed: false, .. }
                if views.gesture == Some(half) =>
            {
                views.gesture = None;
                // Which keys are held now, the tool is told by the next hover.
                views.hovered_keys = None;
                (pos, ToolEvent::Release(frame.patient_of(pos)))
            }
            _ => continue,
        };
        if matches!(event, ToolEvent::Press(..)) {
            views.message = None;
            if !is_pen {
                views.tools.brush.set_pressure(None);
            }
        }
        let reaction = views.tools.event(session, &view, event);
        if reaction != Reaction::default() {
            reactions.push((at, reaction));
        }
    }
    reactions
}

/// Tells the tool in hand where a resting pointer is once another slice, or another picture, has come
/// to lie under it, or other keys are held: what the keyboard then acts on, and the cursor, are as seen.
fn hover_again(
    ui: &Ui,
    views: &mut ViewsState,
    session: &Session,
    frame: &PaneFrame,
    view: &ViewPlane,
    half: Half,
) {
    let keys = ui.input(|input| modifiers_of(input.modifiers));
    let is_known = views.hovered_plane == Some(frame.plane) && views.hovered_keys == Some(keys);
    if views.hovered_by_tool == Some(half) && is_known {
        return;
    }
    let Some(at) = ui.input(|input| input.pointer.latest_pos()).filter(|at| frame.rect.contains(*at)) else {
        return;
    };
    views.hovered_by_tool = Some(half);
    views.hovered_plane = Some(frame.plane);
    views.hovered_keys = Some(keys);
    views.tools.event(session, view, ToolEvent::Hover(frame.patient_of(at), keys));
}

/// Drops a gesture whose picture was taken away (another view maximised, the second series no
/// longer beside) before the button went up: no picture is left to see it end.
fn drop_orphan(ui: &Ui, views: &mut ViewsState, session: &Session, view: &ViewPlane) {
    let is_down = ui.input(|input| {
        let is_left =
            |event: &Event| matches!(event, Event::PointerButton { button: PointerButton::Primary, .. });
        input.pointer.primary_down() || input.events.iter().any(is_left)
    });
    if views.gesture.is_some() && !is_down {
        views.gesture = None;
        if views.tools.is_busy() {
            views.tools.event(session, view, ToolEvent::Escape);
        }
    }
}

fn modifiers_of(modifiers: egui::Modifiers) -> Modifiers {
    Modifiers { invert: modifiers.command || modifiers.ctrl, shift: modifiers.shift }
}

/// Notes what is under the pointer for the status line and the cursor.
#[expect(clippy::too_many_arguments, reason = "what is under the pointer depends on all of it")]
fn hover_at(
    ui: &Ui,
    views: &mut ViewsState,
    response: &Response,
    session: &Session,
    second: Option<&Arc<Series>>,
    reference: Option<&crate::patient::LabelMap>,
    frame: &PaneFrame,
    half: Half,
) {
    let pointer = ui.input(|input| input.pointer.latest_pos());
    let Some(pointer) = pointer.filter(|at| response.contains_pointer() && frame.rect.contains(*at)) else {
        if views.hover.as_ref().is_some_and(|hover| hover.half == half) && !response.contains_pointer() {
            views.hover = None;
        }
        return;
    };
    let point_mm = frame.patient_of(pointer);
    let volume = &session.series().volume;
    let name = hover::structure_at(session, point_mm).map(|roi| roi.name.clone());
    let name =
        name.or_else(|| reference.and_then(|labels| hover::label_at(labels, point_mm)).map(str::to_owned));
    views.hover = Some(Hover {
        half,
        point_mm,
        value: volume.value_at(point_mm),
        second: second.map(|series| hover::value_text(&series.volume, series.volume.value_at(point_mm))),
        dose: views.tools.segment.dose().and_then(|dose| dose.at(point_mm)).map(hover::dose_text),
        name,
    });
}

/// The picture as data.
fn scene(
    views: &mut ViewsState,
    session: &Session,
    second: Option<&Arc<Series>>,
    frame: &PaneFrame,
    is_second: bool,
) -> SliceScene {
    let display = views.display;
    let fusion = display.fusion;
    let base = match (is_second, second) {
        (true, Some(second)) => (Arc::clone(&second.volume), fusion.window, fusion.beside_map()),
        _ => (Arc::clone(&session.series().volume), display.window, views.base_map()),
    };
    let mut scene = SliceScene::new(frame.camera, Some(base.0), base.1);
    scene.color_map = base.2;
    scene.interpolation = display.interpolation;
    scene.pixels_per_point = frame.pixels_per_point;
    if let (FusionMode::Blend, Some(second)) = (fusion.mode, second) {
        scene.fusion = Some(FusionLayer {
            volume: Arc::clone(&second.volume),
            window: fusion.window,
            color_map: fusion.color_map,
            opacity: fusion.opacity,
        });
    }
    if !display.is_bare() {
        let shown = views.tools.previewed_rois(session);
        scene.outlines = outlines::outlines(&mut views.outlines, session, &shown, &frame.plane);
        if let Some(suggestion) = views.tools.dashed() {
            let volume = &session.series().volume;
            let suggested = suggestion.shown();
            scene.outlines.extend(outlines::suggested(&mut views.outlines, suggested, volume, &frame.plane));
        }
        for preview in &views.previews {
            let volume = &session.series().volume;
            scene.outlines.extend(outlines::suggested(&mut views.outlines, preview, volume, &frame.plane));
        }
    }
    scene
}
