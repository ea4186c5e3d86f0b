//! Gestures that reshape an outline, timed like those of the brush, in lists of their own.

use super::{EventTimes, Gesture, SPACING_MM, Timed, begun, gesture, hand, structures, study_of, timed};
use crate::geometry::Point3;
use crate::tools::{BrushTip, ToolKind};
use std::sync::Arc;

/// How many gestures of each kind.
const GESTURES: u32 = 40;

/// Names of the lists, the tool, and whether it works in a view across the slices.
const KINDS: [([&str; 2], ToolKind, bool); 7] = [
    (["push: move", "push: release"], ToolKind::Push, false),
    (["push across slices: move", "push across slices: release"], ToolKind::Push, true),
    (["smooth: move", "smooth: release"], ToolKind::Smooth, false),
    (["adaptive brush: move", "adaptive brush: release"], ToolKind::Brush, false),
    (["points: move", "points: release"], ToolKind::Points, false),
    (["transform of a contour: move", "transform of a contour: release"], ToolKind::Transform, false),
    (["knife: move", "knife: release"], ToolKind::Knife, false),
];

/// Times of the moves and the release of each kind, on a study of `count` structures; the first stands
/// in the image too. Push and smooth take the neighbouring slices along, push across them works in
/// space, the brush stops at image edges, points bend the outline. All times are added to `all` too, those
/// of the journal's thread to `journal`.
///
/// # Errors
/// When the session refuses a step, or a gesture that is timed changes nothing.
pub(super) fn measure(
    count: u32,
    all: &mut Vec<f64>,
    journal: &mut Vec<f64>,
) -> anyhow::Result<Vec<EventTimes>> {
    let series = study_of(95..125, |_, at| {
        let radius = 40.0 + 3.0 * (at.y.atan2(at.x) * 3.0).sin();
        // Tissue with some noise in fat.
        let noise = 8.0 * ((at.x * 12.9898 + at.y * 78.233).sin() * 43_758.545).fract();
        -90.0 + 140.0 / (1.0 + ((at.coords.norm() - radius) * 2.0).exp()) + noise
    })?;
    let series = Arc::new(series);
    let set = structures(&series, count);
    let mut lists = Vec::new();
    for (names, kind, across) in KINDS {
        let (_folder, mut session) = begun(&series, set.clone())?;
        let make = |number| {
            let gesture = reshaping(kind, across, number)?;
            let mut tools = hand(&gesture);
            if kind == ToolKind::Brush {
                tools.brush.set_tip(BrushTip::Adaptive { tolerance: 3.0 });
            }
            tools.points.set_soft(true);
            Ok((tools, gesture))
        };
        let times = timed(&mut session, names, GESTURES, journal, make)?;
        session.close()?;
        all.extend(times.iter().flat_map(|own| &own.times_ms));
        lists.extend(times.map(Timed::listed));
    }
    Ok(lists)
}

/// Gesture `number` of 40 events: along the outline, or from where the tool takes hold of it.
fn reshaping(kind: ToolKind, across: bool, number: u32) -> anyhow::Result<Gesture> {
    let mut own = gesture(kind, across, number)?;
    let z = 150.0 + f64::from(number % 20) * SPACING_MM[2];
    let angle = f64::from(number) * 0.9;
    let (sin, cos) = angle.sin_cos();
    let straight = |from: f64, step_mm: f64| -> Vec<Point3> {
        let radius = |step: u32| from + f64::from(step) * step_mm;
        (0..40).map(|step| Point3::new(radius(step) * cos, radius(step) * sin, z)).collect()
    };
    match kind {
        // Outwards from the outline by 8 mm.
        ToolKind::Points => own.path = straight(40.0 + 3.0 * (angle * 3.0).sin(), 0.2),
        // From the middle, there and back by the next one on the slice.
        ToolKind::Transform => {
            own.path = straight(0.0, 0.3);
            if number >= 20 {
                own.path.reverse();
            }
        }
        // Right across.
        ToolKind::Knife => own.path = straight(-60.0, 3.1),
        _ => {}
    }
    Ok(own)
}
