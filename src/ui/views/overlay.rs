//! What belongs to the anatomy in a view: letters, scale, slice and window values, badges,
//! crosshair. Small, and legible on black and on white.

use super::super::{theme, widgets};
use super::corner::Corner;
use super::navigation::Navigation;
use super::pane::PaneFrame;
use super::state::{Display, FusionMode};
use crate::geometry::Point3;
use crate::patient::Series;
use crate::patient::signed;
use crate::render::{ViewKind, Window};
use crate::session::Session;
use egui::{Align2, FontId, Painter, Rect, Stroke, Vec2, pos2, vec2};

/// The distance of text from the view's edge, points.
const EDGE: f32 = 8.0;

fn small() -> FontId {
    FontId::proportional(theme::SMALL)
}

/// Everything but the crosshair.
pub fn overlays(
    painter: &Painter,
    frame: &PaneFrame,
    kind: ViewKind,
    navigation: &Navigation,
    session: &Session,
    (corner, windows, stride): (&Corner, &str, usize),
) {
    let rect = frame.rect;
    letters(painter, frame);
    place(painter, rect, corner.draw(painter), (kind, navigation), session);
    badges(painter, rect, session, stride);
    let at = rect.left_bottom() + vec2(EDGE, -EDGE);
    widgets::overlay_text(painter, at, Align2::LEFT_BOTTOM, windows, small(), theme::OVERLAY_WEAK);
    scale_bar(painter, frame);
}

/// What a picture's windows are, a line for each series in it: its own, and below it that of a
/// series blended over it. With a second series about, each line says whose it is.
#[must_use]
pub fn windows(display: &Display, first: &Series, second: Option<&Series>, is_second: bool) -> String {
    let fusion = display.fusion;
    let line = |series: &Series, window: Window| {
        let unit = series.volume.unit.label();
        let (level, width) = (number(window.level, window.width), number(window.width, window.width));
        format!("L {} W {width} {unit}", signed(&level)).trim_end().to_owned()
    };
    let named =
        |series: &Series, window: Window| format!("{} {}", series.info.modality.code(), line(series, window));
    match (fusion.mode, second) {
        (FusionMode::Beside, Some(second)) if is_second => named(second, fusion.window),
        (FusionMode::Beside, Some(_)) => named(first, display.window),
        (FusionMode::Blend, Some(second)) => {
            format!("{}\n{}", named(first, display.window), named(second, fusion.window))
        }
        _ => line(first, display.window),
    }
}

/// A window value for reading: whole unless the window is narrow.
fn number(value: f32, width: f32) -> String {
    if width < 20.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn letters(painter: &Painter, frame: &PaneFrame) {
    let rect = frame.rect.shrink(EDGE);
    let [left, right, up, down] = frame.camera.edge_letters();
    let font = theme::strong(theme::BODY);
    for (at, anchor, text) in [
        (rect.left_center(), Align2::LEFT_CENTER, left),
        (rect.right_center(), Align2::RIGHT_CENTER, right),
        (rect.center_top(), Align2::CENTER_TOP, up),
        (rect.center_bottom(), Align2::CENTER_BOTTOM, down),
    ] {
        widgets::overlay_text(painter, at, anchor, text, font.clone(), theme::OVERLAY_TEXT);
    }
}

/// Where the slice lies, below the view's name, and whether the series lacks it.
fn place(
    painter: &Painter,
    rect: Rect,
    name: Rect,
    (kind, navigation): (ViewKind, &Navigation),
    session: &Session,
) {
    let stack = navigation.stack(kind);
    let index = stack.index_of(navigation.crosshair_mm());
    let slice = format!("slice {}/{}", index + 1, stack.offsets_mm.len());
    let text = if navigation.turn_of(kind).is_none() {
        let at = signed(&format!("{:.1}", position_mm(kind, navigation.crosshair_mm())));
        format!("{} {at} mm · {slice}", axis_letter(kind))
    } else if stack.are_slices {
        slice
    } else {
        // Between the slices there is no number, nor an axis of the patient to count along.
        let off = signed(&format!("{:.1}", navigation.off_middle_mm(kind)));
        format!("{off} mm off the scan's middle")
    };
    widgets::overlay_text(
        painter,
        name.left_bottom() + vec2(0.0, 1.0),
        Align2::LEFT_TOP,
        text,
        small(),
        theme::OVERLAY_WEAK,
    );
    let volume = &session.series().volume;
    if stack.are_slices && volume.slices.get(index).is_some_and(|slice| slice.missing) {
        let text = "This slice is missing from the series. It cannot be drawn on.";
        widgets::badge(painter, rect.center(), Align2::CENTER_CENTER, text, theme::DARK.amber);
    }
}

fn axis_letter(kind: ViewKind) -> &'static str {
    match kind {
        ViewKind::Axial => "z",
        ViewKind::Sagittal => "x",
        ViewKind::Coronal => "y",
    }
}

fn position_mm(kind: ViewKind, point: Point3) -> f64 {
    match kind {
        ViewKind::Axial => point.z,
        ViewKind::Sagittal => point.x,
        ViewKind::Coronal => point.y,
    }
}

/// "SYNTHETIC", how the patient lay where it was not on the back, head first, and whether the
/// picture has only every `stride`th voxel.
pub fn badges(painter: &Painter, rect: Rect, session: &Session, stride: usize) {
    let info = &session.series().info;
    let mut at = rect.right_top() + vec2(-EDGE, EDGE);
    let mut show = |text: &str, ink| {
        let drawn = widgets::badge(painter, at, Align2::RIGHT_TOP, text, ink);
        at = drawn.right_bottom() + vec2(0.0, 4.0);
    };
    if info.patient.synthetic {
        show("SYNTHETIC", theme::DARK.amber);
    }
    if let Some(text) = info.patient_position.as_deref().and_then(position_badge) {
        show(text, theme::OVERLAY_TEXT);
    }
    if let Some(text) = resolution_badge(stride) {
        show(&text, theme::DARK.amber);
    }
}

/// What is said of pictures that have only every `stride`th voxel; nothing where they have all.
#[must_use]
pub fn resolution_badge(stride: usize) -> Option<String> {
    let part = match stride {
        0 | 1 => return None,
        2 => "half".to_owned(),
        4 => "a quarter of the".to_owned(),
        other => format!("1/{other} of the"),
    };
    Some(format!("Shown at {part} resolution: the graphics memory is small"))
}

/// The badge for a patient position; none for supine.
#[must_use]
pub fn position_badge(position: &str) -> Option<&'static str> {
    match position.trim() {
        "HFP" | "FFP" => Some("Prone"),
        "HFDL" | "FFDL" | "LFDL" | "RFDL" => Some("Left side down"),
        "HFDR" | "FFDR" | "LFDR" | "RFDR" => Some("Right side down"),
        _ => None,
    }
}

/// A bar of a round length, at most a quarter of the view wide.
fn scale_bar(painter: &Painter, frame: &PaneFrame) {
    let rect = frame.rect;
    let room_mm = f64::from(rect.width()) * 0.25 * frame.mm_per_point();
    let Some(length_mm) = [500.0, 200.0, 100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5]
        .into_iter()
        .find(|length| *length <= room_mm)
    else {
        return;
    };
    let right = rect.right_bottom() + vec2(-EDGE, -EDGE);
    let left = right - vec2(frame.points_of(length_mm), 0.0);
    for (width, ink) in [(3.0, egui::Color32::from_black_alpha(180)), (1.0, theme::OVERLAY_TEXT)] {
        let stroke = Stroke::new(width, ink);
        painter.line_segment([left, right], stroke);
        for end in [left, right] {
            painter.line_segment([end, end - vec2(0.0, 5.0)], stroke);
        }
    }
    let text =
        if length_mm >= 10.0 { format!("{:.0} cm", length_mm / 10.0) } else { format!("{length_mm} mm") };
    let middle = pos2(f32::midpoint(left.x, right.x), right.y - 4.0);
    widgets::overlay_text(painter, middle, Align2::CENTER_BOTTOM, text, small(), theme::OVERLAY_WEAK);
}

/// Two lines with a gap around the point itself: upright and level, or along `turned`, the screen
/// directions in which turned planes cut the view's.
pub fn crosshair(painter: &Painter, frame: &PaneFrame, at_mm: Point3, turned: Option<[Vec2; 2]>) {
    let at = frame.screen_of(at_mm);
    let rect = frame.rect;
    let gap = 12.0;
    let stroke = Stroke::new(1.0, theme::CROSSHAIR.gamma_multiply(0.55));
    if let Some(lines) = turned {
        let far = rect.distance_to_pos(at) + rect.width() + rect.height();
        for line in lines.into_iter().flat_map(|line| [line, -line]) {
            painter.line_segment([at + line * gap, at + line * far], stroke);
        }
        return;
    }
    let horizontal = |from: f32, to: f32| [pos2(from, at.y), pos2(to, at.y)];
    let vertical = |from: f32, to: f32| [pos2(at.x, from), pos2(at.x, to)];
    for line in [
        horizontal(rect.left(), at.x - gap),
        horizontal(at.x + gap, rect.right()),
        vertical(rect.top(), at.y - gap),
        vertical(at.y + gap, rect.bottom()),
    ] {
        painter.line_segment(line, stroke);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_without_all_voxels_say_so() {
        assert_eq!(resolution_badge(1), None);
        let half = resolution_badge(2).unwrap();
        assert_eq!(half, "Shown at half resolution: the graphics memory is small");
        assert!(resolution_badge(4).unwrap().starts_with("Shown at a quarter of the resolution"));
    }

    #[test]
    fn only_unusual_positions_have_a_badge() {
        assert_eq!(position_badge("HFS"), None);
        assert_eq!(position_badge("FFS"), None);
        assert_eq!(position_badge("HFP"), Some("Prone"));
        assert_eq!(position_badge("FFDR"), Some("Right side down"));
    }
}
