//! An organ of 40 slices from 8 drawn ones: what is suggested between them, and the same moved to
//! image edges.

use super::super::rows::alone;
use super::super::{BenchRow, median};
use super::study_of;
use crate::geometry::{Point2, Polygon};
use crate::patient::{RoiPlane, RoiType};
use crate::session::{Command, Session};
use crate::tools::Tools;
use anyhow::Context;
use std::f64::consts::{PI, TAU};
use std::sync::Arc;
use std::time::Instant;

/// The slices of the organ in the study.
const SLICES: std::ops::Range<usize> = 80..120;
/// Those that are drawn, counted from its first.
const DRAWN: [usize; 8] = [0, 6, 11, 17, 22, 28, 33, 39];
/// How long it may take, ms.
const GOAL_MS: f64 = 200.0;
const ROUNDS: usize = 11;

/// The organ's radius on a slice, mm.
fn radius_mm(slice: usize) -> f64 {
    let along = (slice - SLICES.start) as f64;
    50.0 + 12.0 * (along / 39.0 * PI).sin() + 1.5 * (along * 0.8).sin()
}

/// Both rows: time of the clock from turning it on to what is suggested, medians.
///
/// # Errors
/// When the session refuses a step, or not every slice between is suggested.
pub(super) fn run() -> anyhow::Result<Vec<BenchRow>> {
    let series =
        study_of(SLICES, |slice, at| -90.0 + 150.0 / (1.0 + (at.coords.norm() - radius_mm(slice)).exp()))?;
    let mut session = Session::new(Arc::new(series));
    let (color, roi_type) = (None, RoiType::Organ);
    session.apply(Command::AddRoi { name: "Liver".to_owned(), color, roi_type })?;
    let roi = Arc::clone(session.selected().context("a structure")?);
    let planes = DRAWN
        .iter()
        .map(|along| {
            let index = SLICES.start + along;
            let slice = &session.series().volume.slices[index];
            let vertex = |number: u32| {
                let angle = f64::from(number) * TAU / 300.0;
                Point2::new(angle.cos() * radius_mm(index), angle.sin() * radius_mm(index))
            };
            let outline = Polygon::from_outer((0..300).map(vertex).collect());
            RoiPlane::new(slice.plane, slice.instance.clone(), vec![outline])
        })
        .collect();
    session.apply(Command::SetPlanes { roi: roi.id, gesture: "Brush", based_on: roi.revision, planes })?;

    let wanted = SLICES.len() - DRAWN.len();
    [("40 slices from 8 drawn ones", false), ("40 slices from 8 drawn ones, snapped to edges", true)]
        .into_iter()
        .map(|(name, snaps)| {
            let mut times = Vec::new();
            for _ in 0..ROUNDS {
                let mut tools = Tools::default();
                tools.between.set_snaps(snaps);
                let start = Instant::now();
                tools.between.set_on(true);
                tools.between.settle(&session);
                times.push(start.elapsed().as_secs_f64() * 1e3);
                let found = tools.between.suggestion().map_or(0, |own| own.slices().count());
                anyhow::ensure!(found == wanted, "{found} slices of {wanted} were suggested");
            }
            let note = format!("{wanted} slices of some 350 mm outline, {GOAL_MS} ms at most");
            Ok(alone(name, "ms", median(times), note))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_slice_between_is_suggested_and_timed() {
        let rows = super::run().unwrap();
        for row in &rows {
            outln!("{row:?}");
        }
        assert!(rows.len() == 2 && rows.iter().all(|row| row.ours > 0.0));
    }
}
