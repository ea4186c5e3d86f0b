//! Gestures among neighbours that are in the way: what is drawn ends at them, or they give way. And a whole
//! structure that is moved across the slices, in a list that no promise is made of.

use super::{EventTimes, Timed, begun, gesture, hand, structures, study, timed};
use crate::geometry::{Point2, Point3};
use crate::patient::{Roi, Series, StructureSet};
use crate::session::{Command, Overwrite, Session};
use crate::tools::ToolKind;
use std::f64::consts::TAU;
use std::sync::Arc;

/// How many gestures of each kind.
const GESTURES: u32 = 20;

/// How often the whole structure is moved: there and back.
const MOVES: u32 = 2;

/// So many structures stand around the first and touch it.
const BESIDE: u32 = 12;

/// What is in the way, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Others {
    /// What is drawn ends at them.
    Stop,
    /// They give way.
    Push,
    /// They and the first exclude one another.
    Exclusive,
    /// They may be overlapped.
    Overlap,
}

/// Names of the lists, the tool, whether it works in a view across the slices, and what the others do.
const KINDS: [([&str; 2], ToolKind, bool, Others); 6] = [
    (
        ["brush, stopped by others: move", "brush, stopped by others: release"],
        ToolKind::Brush,
        false,
        Others::Stop,
    ),
    (
        ["brush, others give way: move", "brush, others give way: release"],
        ToolKind::Brush,
        false,
        Others::Push,
    ),
    (["brush, exclusive: move", "brush, exclusive: release"], ToolKind::Brush, false, Others::Exclusive),
    (["push, others give way: move", "push, others give way: release"], ToolKind::Push, false, Others::Push),
    (
        ["ball across slices, others give way: move", "ball across slices, others give way: release"],
        ToolKind::Brush,
        true,
        Others::Push,
    ),
    (
        ["a whole structure across slices: move", "a whole structure across slices: release"],
        ToolKind::Transform,
        true,
        Others::Overlap,
    ),
];

/// Times of the moves and the release of each kind, on a study of `count` structures, a dozen of which
/// stand around the first. Those of the journal's thread are added to `journal`.
///
/// # Errors
/// When the session refuses a step, or the gestures of a kind change nothing, or nobody gives way.
pub(super) fn measure(count: u32, journal: &mut Vec<f64>) -> anyhow::Result<Vec<EventTimes>> {
    let series = Arc::new(study()?);
    let set = beside(&series, count);
    let mut lists = Vec::new();
    for (names, kind, across, others) in KINDS {
        let (_folder, mut session) = begun(&series, set.clone())?;
        match others {
            Others::Stop => session.set_overwrite(Overwrite::Stop),
            Others::Push => session.set_overwrite(Overwrite::Unlocked),
            Others::Exclusive => {
                let ids: Vec<_> = session.structures().rois.iter().map(|roi| roi.id).collect();
                for roi in ids.into_iter().take(BESIDE as usize + 1) {
                    session.apply(Command::SetExclusive { roi, exclusive: true })?;
                }
            }
            Others::Overlap => {}
        }
        let theirs = |session: &Session| -> f64 {
            let rois = session.structures().rois.iter().skip(1);
            rois.map(|roi| roi.volume_cc(&session.series().volume)).sum()
        };
        let before = theirs(&session);
        let gestures = if kind == ToolKind::Transform { MOVES } else { GESTURES };
        let make = |number| {
            let mut gesture = gesture(kind, across, number)?;
            if kind == ToolKind::Transform {
                // There by 12 mm up and to the side, and back by the next.
                let (middle, by) = (gesture.view.plane.lift(Point2::origin()), gesture.view.plane);
                let along = |step: u32| (by.u() * 0.1 + by.v() * 0.3) * f64::from(step);
                gesture.path = (0..40).map(|step| middle + by.v() * 150.0 + along(step)).collect();
                if number % 2 == 1 {
                    gesture.path.reverse();
                }
            }
            if kind == ToolKind::Push {
                // Outwards, to where a neighbour stands.
                let (sin, cos) = (f64::from(number) * TAU / f64::from(BESIDE)).sin_cos();
                for (step, at) in (0_u32..).zip(&mut gesture.path) {
                    let radius = 34.0 + f64::from(step) * 0.3;
                    *at = Point3::new(radius * cos, radius * sin, at.z);
                }
            }
            let mut tools = hand(&gesture);
            tools.transform.set_whole(true);
            Ok((tools, gesture))
        };
        let times = timed(&mut session, names, gestures, journal, make)?;
        let gives_way = matches!(others, Others::Push | Others::Exclusive);
        anyhow::ensure!(
            (theirs(&session) < before - 0.01) == gives_way,
            "who gives way with {kind:?} is not as set: {others:?}"
        );
        session.close()?;
        lists.extend(times.map(Timed::listed));
    }
    Ok(lists)
}

/// The structures of the study, a dozen of them moved to where they touch the first.
fn beside(series: &Series, count: u32) -> StructureSet {
    let mut set = structures(series, count);
    for (number, roi) in (0_u32..).zip(&mut set.rois).skip(1).take(BESIDE as usize) {
        let angle = f64::from(number) * TAU / f64::from(BESIDE);
        let from = f64::from(number) * TAU / 19.0;
        let by = Point2::new(62.0 * angle.cos(), 62.0 * angle.sin())
            - Point2::new(150.0 * from.cos(), 150.0 * from.sin());
        let roi: &mut Roi = Arc::make_mut(roi);
        for plane in &mut roi.planes {
            let own = Arc::make_mut(plane);
            own.polygons.iter_mut().flat_map(|piece| &mut piece.outer).for_each(|point| *point += by);
        }
    }
    set
}
