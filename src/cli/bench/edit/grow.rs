//! A large organ grown from a click in alike tissue, to the edges beside it.

use super::super::rows::alone;
use super::super::{BenchRow, median};
use super::{SPACING_MM, study_of};
use crate::edit::segment::Source;
use crate::edit::{GrowRange, Growth, grow};
use crate::geometry::{Point3, Polygon};
use crate::progress::Progress;
use anyhow::Context;
use std::time::Instant;

/// The slices of the study that are drawn.
const SLICES: std::ops::Range<usize> = 50..150;
/// The organ's radius, mm.
const RADIUS_MM: f64 = 60.0;
const ROUNDS: usize = 3;

/// The row: time of the clock from the click to contours, median.
///
/// # Errors
/// When what grew is not the organ.
pub(super) fn run() -> anyhow::Result<Vec<BenchRow>> {
    let middle = 100.0 * SPACING_MM[2];
    let series = study_of(SLICES, |slice, at| {
        let off = (slice as f64 * SPACING_MM[2] - middle).hypot(at.coords.norm()) - RADIUS_MM;
        // Tissue with some noise in fat.
        let noise = 8.0 * ((at.x * 12.9898 + at.y * 78.233 + slice as f64).sin() * 43_758.545).fract();
        -90.0 + 150.0 / (1.0 + off.clamp(-50.0, 50.0).exp()) + noise
    })?;
    let seed = Point3::new(3.0, -4.0, middle);
    let growth = Growth { range: GrowRange::Similar { tolerance: 3.0 }, reach_mm: 100.0, neck_mm: 4.0 };
    let mut times = Vec::new();
    let mut area_mm2 = 0.0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let grown = grow(&Source::own(&series.volume), seed, &growth, None, &Progress::new())?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        let middle = grown.slices.iter().find(|(slice, _)| *slice == 100).context("nothing grew")?;
        area_mm2 = middle.1.iter().map(Polygon::area_mm2).sum();
    }
    let radius_mm = (area_mm2 / std::f64::consts::PI).sqrt();
    anyhow::ensure!((radius_mm - RADIUS_MM).abs() < 0.5, "{radius_mm} mm of {RADIUS_MM} mm grew");
    let note = format!("a ball of {RADIUS_MM} mm within a reach of {} mm", growth.reach_mm);
    Ok(vec![alone("grow: a large organ from a click", "ms", median(times), note)])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_organ_grows_and_is_timed() {
        let rows = super::run().unwrap();
        assert!(rows.len() == 1 && rows[0].ours > 0.0);
    }
}
