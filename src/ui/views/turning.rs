//! Turning the planes by hand: handles near the ends of the crosshair's lines.
//!
//! A line of the crosshair is where the plane of another view cuts this one. Dragged around the
//! crosshair its handle turns both other planes about this view's normal: the three stay square to each
//! other, and this picture stays as it is. The handles are there with the crosshair in hand, with other
//! tools while Alt is held, so that they take no stroke from a tool.

use super::super::{theme, widgets};
use super::navigation::Navigation;
use super::pane::{Half, PaneFrame};
use super::state::ViewsState;
use crate::geometry::{Point3, Rotation3};
use crate::render::ViewKind;
use crate::tools::ToolKind;
use egui::{Align2, Color32, Event, Painter, PointerButton, Pos2, Rect, Ui, Vec2, vec2};

/// How far within the picture's edge a handle stands, points: inside the letters there.
const INSET: f32 = 34.0;
/// No handle stands closer to the crosshair, points.
const LEAST: f32 = 44.0;
/// How close to a handle counts as on it, points.
const NEAR: f32 = 10.0;
/// Ctrl turns in steps of this, radians.
const STEP: f64 = std::f64::consts::PI / 36.0;

/// A turn under way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turning {
    half: Half,
    /// How the planes stood when it began.
    start: Rotation3,
    /// Where the crosshair was then.
    at: Point3,
    /// The direction of the pointer from the crosshair when it began, radians clockwise from right.
    from: f64,
    /// By how much it has turned, radians clockwise.
    by: f64,
}

impl Turning {
    /// Puts planes and crosshair back to where they were when it began.
    pub fn take_back(self, navigation: &mut Navigation) {
        navigation.turn_from((self.start, self.at), self.half.kind, 0.0);
    }
}

/// The directions of the crosshair's lines on the screen, of unit length.
#[must_use]
pub fn directions(frame: &PaneFrame, navigation: &Navigation, kind: ViewKind) -> [Vec2; 2] {
    navigation.lines(kind).map(|line| {
        #[expect(clippy::cast_possible_truncation, reason = "a direction on the screen")]
        let on_screen = vec2(frame.camera.right.dot(&line) as f32, frame.camera.down.dot(&line) as f32);
        on_screen.normalized()
    })
}

/// Where the handles stand; none while the crosshair is out of sight.
#[must_use]
pub fn handles(frame: &PaneFrame, navigation: &Navigation, kind: ViewKind) -> Vec<Pos2> {
    let at = frame.screen_of(navigation.crosshair_mm());
    let room = frame.rect.shrink(INSET);
    if !room.contains(at) {
        return Vec::new();
    }
    let directions = directions(frame, navigation, kind).into_iter().flat_map(|line| [line, -line]);
    let ends = directions.map(|line| (line, way_out(room, at, line)));
    ends.filter(|(_, way)| *way >= LEAST).map(|(line, way)| at + line * way).collect()
}

/// How far it is from a point within `room` to its edge along `line`.
fn way_out(room: Rect, at: Pos2, line: Vec2) -> f32 {
    let along = |from: f32, by: f32, low: f32, high: f32| {
        if by.abs() < 1e-6 { f32::INFINITY } else { (if by > 0.0 { high - from } else { low - from }) / by }
    };
    along(at.x, line.x, room.left(), room.right()).min(along(at.y, line.y, room.top(), room.bottom()))
}

/// Whether the handles are there: over this picture, with no gesture of a tool under way.
fn are_offered(ui: &Ui, views: &ViewsState, over: bool) -> bool {
    over && views.gesture.is_none()
        && views.turning.is_none()
        && !views.display.is_bare()
        && (views.tools.kind() == ToolKind::Navigate || ui.input(|input| input.modifiers.alt))
}

/// What the hand does with the handles of a picture; whether the pointer is theirs and not the tool's.
pub fn hands(ui: &Ui, views: &mut ViewsState, over: bool, frame: &PaneFrame, half: Half) -> bool {
    let (events, keys, pointer, is_down) = ui.input(|input| {
        let pointer = &input.pointer;
        (input.events.clone(), input.modifiers, pointer.latest_pos(), pointer.primary_down())
    });
    let is_left =
        |event: &Event| matches!(event, Event::PointerButton { button: PointerButton::Primary, .. });
    if !is_down && !events.iter().any(is_left) {
        // The button went up where no picture saw it.
        views.turning = None;
    }
    let places =
        if are_offered(ui, views, over) { handles(frame, &views.navigation, half.kind) } else { Vec::new() };
    let is_on = |at: Pos2| places.iter().any(|place| place.distance(at) <= NEAR);
    let mut is_theirs = views.turning.is_some() || pointer.is_some_and(is_on);
    for event in events {
        match event {
            Event::PointerButton { pos, button: PointerButton::Primary, pressed: true, .. }
                if views.turning.is_none() && is_on(pos) =>
            {
                is_theirs = true;
                let from = angle_of(views, frame, pos);
                views.turning = Some(Turning {
                    half,
                    start: views.navigation.turn(),
                    at: views.navigation.crosshair_mm(),
                    from,
                    by: 0.0,
                });
            }
            Event::PointerMoved(pos) => turn_to(views, frame, half, pos, keys.command || keys.ctrl),
            Event::PointerButton { pos, button: PointerButton::Primary, pressed: false, .. } => {
                turn_to(views, frame, half, pos, keys.command || keys.ctrl);
                if views.turning.is_some_and(|turning| turning.half == half) {
                    views.turning = None;
                }
            }
            _ => {}
        }
    }
    is_theirs
}

fn turn_to(views: &mut ViewsState, frame: &PaneFrame, half: Half, pointer: Pos2, in_steps: bool) {
    let Some(turning) = views.turning.filter(|turning| turning.half == half) else { return };
    let mut by = angle_of(views, frame, pointer) - turning.from;
    if in_steps {
        by = (by / STEP).round() * STEP;
    }
    // The short way round.
    by -= (by / std::f64::consts::TAU).round() * std::f64::consts::TAU;
    views.turning = Some(Turning { by, ..turning });
    views.navigation.turn_from((turning.start, turning.at), half.kind, by);
}

/// The direction of a place from the crosshair, radians clockwise from right.
fn angle_of(views: &ViewsState, frame: &PaneFrame, at: Pos2) -> f64 {
    let off = frame.patient_of(at) - views.navigation.crosshair_mm();
    frame.camera.down.dot(&off).atan2(frame.camera.right.dot(&off))
}

/// Draws the handles, and how far they have turned.
pub fn draw(ui: &Ui, painter: &Painter, views: &ViewsState, over: bool, (frame, half): (&PaneFrame, Half)) {
    let own = views.turning.filter(|turning| turning.half == half);
    if own.is_none() && !are_offered(ui, views, over) {
        return;
    }
    let pointer = ui.input(|input| input.pointer.latest_pos());
    for place in handles(frame, &views.navigation, half.kind) {
        let is_held = pointer.is_some_and(|at| at.distance(place) <= NEAR);
        let radius = if is_held { 5.5 } else { 4.0 };
        painter.circle_filled(place, radius + 1.5, Color32::from_black_alpha(170));
        painter.circle_filled(place, radius, theme::CROSSHAIR);
        if is_held && own.is_none() {
            ui.ctx().set_cursor_icon(egui::CursorIcon::Grab);
        }
    }
    if let (Some(turning), Some(pointer)) = (own, pointer) {
        ui.ctx().set_cursor_icon(egui::CursorIcon::Grabbing);
        let text = degrees_text(turning.by);
        // Beside the pointer, to the side where there is room.
        let (align, right) = if pointer.x > frame.rect.right() - 60.0 {
            (Align2::RIGHT_BOTTOM, -14.0)
        } else {
            (Align2::LEFT_BOTTOM, 14.0)
        };
        let (at, font) = (pointer + vec2(right, -10.0), theme::strong(theme::BODY));
        widgets::overlay_text(painter, at, align, text, font, theme::OVERLAY_TEXT);
    }
}

/// An angle for reading, without a needless decimal: "12°", "−0.5°".
#[must_use]
pub fn degrees_text(radians: f64) -> String {
    let text = format!("{:.1}", radians.to_degrees());
    format!("{}°", crate::patient::signed(text.strip_suffix(".0").unwrap_or(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Point3, Vector3};

    #[test]
    fn the_handles_stand_on_the_lines_within_the_edge_and_turn_with_them() {
        let volume = super::super::test_volumes::volume(
            Point3::new(-100.0, -100.0, 0.0),
            [Vector3::x(), Vector3::y(), Vector3::z() * 2.0],
            [201, 201, 101],
        );
        let mut navigation = Navigation::new(&volume);
        let rect = Rect::from_min_size(Pos2::new(50.0, 20.0), vec2(400.0, 400.0));
        let kind = ViewKind::Axial;
        let frame_of = |navigation: &Navigation| {
            let turned = (kind, navigation.turn_of(kind));
            PaneFrame::new(&volume, turned, navigation.crosshair_mm(), None, rect, 1.0)
        };
        let frame = frame_of(&navigation);
        let at = frame.screen_of(navigation.crosshair_mm());
        let plain = handles(&frame, &navigation, kind);
        assert_eq!(plain.len(), 4);
        assert!(plain.iter().any(|own| own.distance(Pos2::new(rect.right() - INSET, at.y)) < 0.1));
        navigation.turn_about(kind, 0.5);
        let turned = handles(&frame_of(&navigation), &navigation, kind);
        for place in &turned {
            assert!(rect.shrink(INSET - 0.1).contains(*place));
            let off = *place - at;
            let near = (off.angle() - 0.5).rem_euclid(std::f32::consts::FRAC_PI_2);
            assert!(near.min(std::f32::consts::FRAC_PI_2 - near) < 1e-3, "{off:?}");
        }
        // Near the edge there is no room for the handle on that side, at it for none.
        navigation.go_to(Point3::new(75.0, 0.0, 100.0));
        assert_eq!(handles(&frame_of(&navigation), &navigation, kind).len(), 3);
        navigation.go_to(Point3::new(95.0, 0.0, 100.0));
        assert!(handles(&frame_of(&navigation), &navigation, kind).is_empty());
    }

    #[test]
    fn angles_read_without_needless_decimals() {
        assert_eq!(degrees_text(12_f64.to_radians()), "12°");
        assert_eq!(degrees_text(-0.5_f64.to_radians()), "−0.5°");
    }
}
