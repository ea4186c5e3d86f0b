//! Measured distances, drawn where their plane is shown.

use super::super::{theme, widgets};
use super::pane::PaneFrame;
use crate::tools::Tools;
use egui::{Align2, Color32, Painter, Stroke};

/// Draws the rulers of the plane shown.
pub fn rulers(painter: &Painter, frame: &PaneFrame, tools: &Tools) {
    for ruler in tools.ruler.rulers().filter(|ruler| ruler.plane.coincides(&frame.plane, 0.5)) {
        let ends = [frame.screen_of(ruler.from), frame.screen_of(ruler.to)];
        painter.line_segment(ends, Stroke::new(3.0, Color32::from_black_alpha(180)));
        painter.line_segment(ends, Stroke::new(1.5, theme::RULER));
        for end in ends {
            painter.circle_filled(end, 3.0, theme::RULER);
        }
        let text = format!("{:.1} mm", ruler.length_mm());
        let at = ends[1] + egui::vec2(8.0, 8.0);
        widgets::overlay_text(painter, at, Align2::LEFT_TOP, text, theme::strong(theme::BODY), theme::RULER);
    }
}
