//! What has been told by hand and is no contour: guide outlines for the shape between slices, and of
//! the semi-automatic tool scribbles, the ball, the box, the line of equal value.

use super::super::theme;
use super::pane::PaneFrame;
use crate::geometry::{OrientedBox, Point3, Polygon};
use crate::patient::Guide;
use crate::session::Session;
use crate::tools::{ToolKind, Tools};
use egui::{Color32, Painter, Pos2, Shape, Stroke};

/// Draws them in a view; scribbles only near their own plane.
pub fn guides(painter: &Painter, frame: &PaneFrame, tools: &Tools, session: &Session, ink: Color32) {
    for guide in tools.between.guides(session).unwrap_or_default() {
        outline(painter, frame, guide, ink);
    }
    if tools.kind() != ToolKind::Segment {
        return;
    }
    let tool = &tools.segment;
    for scribble in tool.scribbles() {
        let color = if scribble.belongs { ink } else { theme::OVERLAY_WEAK };
        let width = (frame.points_of(scribble.radius_mm) * 2.0).max(2.0);
        let near = |point: &Point3| frame.plane.distance_mm(*point).abs() <= scribble.radius_mm.max(1.0);
        for part in scribble.path.split(|point| !near(point)).filter(|part| !part.is_empty()) {
            let points: Vec<Pos2> = part.iter().map(|point| frame.screen_of(*point)).collect();
            if let [only] = points[..] {
                painter.circle_filled(only, width / 2.0, color.gamma_multiply(0.55));
            }
            painter.add(Shape::line(points, Stroke::new(width, color.gamma_multiply(0.55))));
        }
    }
    if let Some((center, radius_mm)) = tool.ball() {
        let height = frame.plane.distance_mm(center);
        let section = radius_mm * radius_mm - height * height;
        if section > 0.0 {
            let (at, radius) = (frame.screen_of(center), frame.points_of(section.sqrt()));
            painter.circle_stroke(at, radius, Stroke::new(3.0, Color32::from_black_alpha(150)));
            painter.circle_stroke(at, radius, Stroke::new(1.0, theme::OVERLAY_TEXT));
        }
    }
    if let Some(boxed) = tool.search_box() {
        box_guide(painter, frame, boxed);
    }
    let on_view = tool.level().first().is_some_and(|point| frame.plane.distance_mm(*point).abs() < 0.05);
    if on_view {
        let points: Vec<Pos2> = tool.level().iter().map(|point| frame.screen_of(*point)).collect();
        painter.add(Shape::closed_line(points.clone(), Stroke::new(3.0, Color32::from_black_alpha(150))));
        painter.add(Shape::closed_line(points, Stroke::new(1.5, ink)));
    }
}

/// A guide: its outline, dashed, where the view shows its plane; else the stretch where it crosses the
/// view, with its ends.
fn outline(painter: &Painter, frame: &PaneFrame, guide: &Guide, ink: Color32) {
    let dark = Stroke::new(3.0, Color32::from_black_alpha(150));
    let line = Stroke::new(1.5, ink);
    if guide.is_on(&frame.plane) {
        for ring in guide.polygons.iter().flat_map(Polygon::rings) {
            let closed = ring.iter().chain(ring.first());
            let points: Vec<Pos2> = closed.map(|point| frame.screen_of(guide.plane.lift(*point))).collect();
            painter.add(Shape::line(points.clone(), dark));
            painter.extend(Shape::dashed_line(&points, line, 3.0, 4.0));
        }
        return;
    }
    for ends in guide.stretches_on(&frame.plane) {
        let ends = ends.map(|point| frame.screen_of(point));
        painter.extend(Shape::dashed_line(&ends, Stroke::new(1.0, ink.gamma_multiply(0.45)), 2.0, 5.0));
        for end in ends {
            painter.circle_filled(end, 3.5, Color32::from_black_alpha(150));
            painter.circle_filled(end, 2.5, ink);
        }
    }
}

/// A box: what the view cuts out of it, with its corners and the middles of its edges to be dragged;
/// dashed where the view passes it by.
fn box_guide(painter: &Painter, frame: &PaneFrame, boxed: &OrientedBox) {
    let shade = Color32::from_black_alpha(150);
    let Some(section) = boxed.section(&frame.plane, 1e-6) else {
        let mut rect = egui::Rect::NOTHING;
        boxed.corners().iter().for_each(|corner| rect.extend_with(frame.screen_of(*corner)));
        let outline =
            [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom(), rect.left_top()];
        let stroke = Stroke::new(1.0, theme::OVERLAY_WEAK);
        painter.extend(Shape::dashed_line(&outline, stroke, 4.0, 6.0));
        return;
    };
    let corners: Vec<Pos2> = section.outer.iter().map(|at| frame.screen_of(frame.plane.lift(*at))).collect();
    painter.add(Shape::closed_line(corners.clone(), Stroke::new(3.0, shade)));
    painter.add(Shape::closed_line(corners.clone(), Stroke::new(1.0, theme::OVERLAY_TEXT)));
    let next = corners.iter().cycle().skip(1);
    for (corner, next) in corners.iter().zip(next) {
        for at in [*corner, corner.lerp(*next, 0.5)] {
            painter.circle_filled(at, 4.5, shade);
            painter.circle_filled(at, 3.0, theme::OVERLAY_TEXT);
        }
    }
}
