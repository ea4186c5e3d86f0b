//! The cursor of a tool: its size, its sign, the structure's name, or why nothing happens.

use super::super::actions::Action;
use super::super::{theme, widgets};
use super::pane::PaneFrame;
use crate::edit::Sign;
use crate::session::{Refusal, Session};
use crate::tools::{Cursor, CursorShape, Tools};
use egui::{Align2, Color32, CursorIcon, FontId, Painter, Pos2, Stroke, vec2};

/// How pale an outline is that waits.
const PALE: f32 = 0.55;

/// The system cursor to show under a tool's own.
#[must_use]
pub fn icon_of(shape: CursorShape) -> CursorIcon {
    match shape {
        CursorShape::Arrow => CursorIcon::Default,
        CursorShape::Cross | CursorShape::Pen => CursorIcon::Crosshair,
        CursorShape::Circle { .. } => CursorIcon::None,
        CursorShape::Resize { sideways: true, upright: false } => CursorIcon::ResizeHorizontal,
        CursorShape::Resize { sideways: false, .. } => CursorIcon::ResizeVertical,
        CursorShape::Resize { .. } => CursorIcon::AllScroll,
        CursorShape::Hand => CursorIcon::Grab,
        CursorShape::Forbidden => CursorIcon::NotAllowed,
    }
}

/// Draws a tool's cursor at the pointer.
pub fn draw(painter: &Painter, frame: &PaneFrame, cursor: &Cursor, pointer: Pos2) {
    let ink = cursor.color.map_or(theme::OVERLAY_TEXT, widgets::ink);
    let mut beside = 14.0;
    if let CursorShape::Circle { center, radius_mm } = cursor.shape {
        let radius = frame.points_of(radius_mm);
        let center = frame.screen_of(center);
        painter.circle_stroke(center, radius, Stroke::new(3.0, Color32::from_black_alpha(150)));
        painter.circle_stroke(center, radius, Stroke::new(1.5, ink));
        beside = (radius * 0.72).clamp(10.0, 160.0) + 4.0;
    }
    let sign = match cursor.sign {
        Some(Sign::Add) => "+",
        Some(Sign::Cut) => "−",
        None => "",
    };
    let at = pointer + vec2(beside, -beside);
    let mut right = at;
    if !sign.is_empty() {
        let drawn = widgets::overlay_text(painter, at, Align2::LEFT_BOTTOM, sign, theme::strong(16.0), ink);
        right = drawn.right_bottom() + vec2(4.0, -2.0);
    }
    if let Some(label) = &cursor.label
        && cursor.shape != CursorShape::Forbidden
    {
        let font = FontId::proportional(theme::SMALL);
        widgets::overlay_text(painter, right, Align2::LEFT_BOTTOM, label, font, ink);
    }
}

/// The line being drawn by hand, closed by a straight dashed line unless it is open.
pub fn hand_line(
    painter: &Painter,
    frame: &PaneFrame,
    line: &[crate::geometry::Point3],
    is_open: bool,
    ink: Color32,
) {
    if line.len() < 2 {
        return;
    }
    let points: Vec<Pos2> = line.iter().map(|point| frame.screen_of(*point)).collect();
    let (first, last) = (points[0], points[points.len() - 1]);
    painter.add(egui::Shape::line(points.clone(), Stroke::new(3.5, Color32::from_black_alpha(150))));
    painter.add(egui::Shape::line(points, Stroke::new(2.0, ink)));
    if !is_open {
        painter.extend(egui::Shape::dashed_line(&[last, first], Stroke::new(1.5, ink), 6.0, 5.0));
    }
}

/// The outlines drawn by clicks that wait for their tool and structure, pale, on their planes.
pub fn waiting(painter: &Painter, frame: &PaneFrame, tools: &Tools, session: &Session) {
    for own in tools.waiting(session).filter(|own| own.plane.coincides(&frame.plane, 0.01)) {
        let Some(roi) = session.roi(own.roi) else { continue };
        let ink = widgets::ink(roi.color).gamma_multiply(PALE);
        let points: Vec<Pos2> = own.line.iter().map(|point| frame.screen_of(*point)).collect();
        if let [first, .., last] = points.as_slice() {
            let closing = [*last, *first];
            painter.extend(egui::Shape::dashed_line(&closing, Stroke::new(1.0, ink), 6.0, 5.0));
            painter.add(egui::Shape::line(points, Stroke::new(1.5, ink)));
        }
        for at in own.anchors.iter().map(|point| frame.screen_of(*point)) {
            painter.circle_filled(at, 2.5, ink);
        }
    }
}

/// The ring that a click would delete.
pub fn doomed(painter: &Painter, frame: &PaneFrame, ring: &[crate::geometry::Point3]) {
    if ring.is_empty() {
        return;
    }
    let points: Vec<Pos2> = ring.iter().map(|point| frame.screen_of(*point)).collect();
    painter.add(egui::Shape::closed_line(points.clone(), Stroke::new(4.0, Color32::from_black_alpha(150))));
    painter.add(egui::Shape::closed_line(points, Stroke::new(2.5, theme::DARK.red)));
}

/// Points of a line that can be dragged; the first of a line that it closes is larger.
pub fn anchors(
    painter: &Painter,
    frame: &PaneFrame,
    anchors: &[crate::geometry::Point3],
    is_open: bool,
    ink: Color32,
) {
    for (index, point) in anchors.iter().enumerate() {
        let at = frame.screen_of(*point);
        let radius = if index == 0 && !is_open { 4.5 } else { 3.0 };
        painter.circle_filled(at, radius + 1.5, Color32::from_black_alpha(170));
        painter.circle_filled(at, radius, ink);
    }
}

/// A sentence at the cursor, for why nothing happened.
pub fn message(painter: &Painter, at: Pos2, text: &str) {
    let ink = theme::OVERLAY_TEXT;
    let wrap = 320.0;
    let galley = painter.layout(with_key(text), FontId::proportional(theme::BODY), ink, wrap);
    let mut rect = egui::Rect::from_min_size(at + vec2(16.0, 16.0), galley.size() + vec2(16.0, 8.0));
    let room = painter.clip_rect().shrink(4.0);
    rect = rect
        .translate(vec2((room.right() - rect.right()).min(0.0), (room.bottom() - rect.bottom()).min(0.0)));
    painter.rect_filled(rect, theme::RADIUS, Color32::from_black_alpha(225));
    painter.rect_stroke(rect, theme::RADIUS, Stroke::new(1.0, theme::DARK.amber), egui::StrokeKind::Inside);
    painter.galley(rect.min + vec2(8.0, 4.0), galley, ink);
}

/// A sentence with the key for what it advises, whichever that is now.
fn with_key(text: &str) -> String {
    let key = Action::ToggleVisible.key_text();
    match text.strip_suffix(Refusal::SHOW_IT) {
        Some(start) if !key.is_empty() => {
            format!("{start}{}", Refusal::SHOW_IT.replacen("Show it", &format!("Show it ({key})"), 1))
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_structure_is_told_with_the_key_that_shows_it() {
        let hidden = Refusal::Hidden("Liver".to_owned()).to_string();
        assert_eq!(with_key(&hidden), "Liver is hidden. Show it (V) to change it.");
        let locked = Refusal::Locked("Liver".to_owned()).to_string();
        assert_eq!(with_key(&locked), locked);
    }
}
