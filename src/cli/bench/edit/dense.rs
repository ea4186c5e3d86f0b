//! Gestures on a structure of hundreds of thousands of points, beside the 119 others.

use super::{EventTimes, Timed, begun, gesture, hand, structures, study, timed};
use crate::geometry::{Point2, Polygon};
use crate::patient::{Roi, RoiPlane, Series, StructureSet};
use crate::tools::ToolKind;
use std::f64::consts::TAU;
use std::sync::Arc;

/// How many gestures of each kind.
const GESTURES: u32 = 20;

/// The vertices of the first structure on each of the 200 slices: 300,000 in all.
const VERTICES: u32 = 1_500;

/// Names of the lists, the tool, and whether it works in a view across the slices.
const KINDS: [([&str; 2], ToolKind, bool); 6] = [
    (["300,000 points, brush: move", "300,000 points, brush: release"], ToolKind::Brush, false),
    (
        ["300,000 points, ball across slices: move", "300,000 points, ball across slices: release"],
        ToolKind::Brush,
        true,
    ),
    (["300,000 points, freehand: move", "300,000 points, freehand: release"], ToolKind::Freehand, false),
    (["300,000 points, push: move", "300,000 points, push: release"], ToolKind::Push, false),
    (["300,000 points, smooth: move", "300,000 points, smooth: release"], ToolKind::Smooth, false),
    (["300,000 points, points: move", "300,000 points, points: release"], ToolKind::Points, false),
];

/// Times of the moves and the release of each kind, on a study of `count` structures, the first of which
/// has 300,000 points. Those of the journal's thread are added to `journal`.
///
/// # Errors
/// When the session refuses a step, or the gestures of a kind change nothing.
pub(super) fn measure(count: u32, journal: &mut Vec<f64>) -> anyhow::Result<Vec<EventTimes>> {
    let series = Arc::new(study()?);
    let set = dense(&series, count);
    let mut lists = Vec::new();
    for (names, kind, across) in KINDS {
        let (_folder, mut session) = begun(&series, set.clone())?;
        let make = |number| {
            let gesture = gesture(kind, across, number)?;
            Ok((hand(&gesture), gesture))
        };
        let times = timed(&mut session, names, GESTURES, journal, make)?;
        session.close()?;
        lists.extend(times.map(Timed::listed));
    }
    Ok(lists)
}

/// The structures of the study, the first on all slices and with many more points.
fn dense(series: &Series, count: u32) -> StructureSet {
    let mut set = structures(series, count);
    if let Some(first) = set.rois.first_mut() {
        let roi: &mut Roi = Arc::make_mut(first);
        let planes = series.volume.slices.iter().zip(0_u32..).map(|(slice, k)| {
            let vertex = |i: u32| {
                let angle = f64::from(i) * TAU / f64::from(VERTICES);
                let wave = (angle * 3.0).sin() * 3.0 + (angle * 17.0 + f64::from(k)).sin();
                let radius = 40.0 + wave + 0.05 * (angle * 400.0).sin();
                Point2::new(radius * angle.cos(), radius * angle.sin())
            };
            let outline = Polygon::from_outer((0..VERTICES).map(vertex).collect());
            Arc::new(RoiPlane::new(slice.plane, slice.instance.clone(), vec![outline]))
        });
        roi.planes = planes.collect();
    }
    set
}
