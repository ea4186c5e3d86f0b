//! `bench contours`: what happens to contours between file, brush and screen.
//!
//! On the chest CT with its 89 structures (masks to contours) and on 20 synthetic structures of 200
//! slices (brush, sections, surfaces).

use super::rows::{alone, shared_data};
use super::{BenchRow, median_seconds};
use crate::formats::nifti;
use crate::geometry::rasterise::{self, Frame};
use crate::geometry::section::{self, Slab};
use crate::geometry::{Plane, Point2, Point3, Polygon, Vector2, Vector3, clip, stroke, surface};
use crate::patient::Mask;
use crate::progress::Progress;
use crate::session::study::Study;
use rayon::prelude::*;
use std::path::Path;

/// Runs the benchmark. The chest part is left out, with a word, where the shared data is not.
///
/// # Errors
/// When the shared data is there but cannot be read.
pub fn run() -> anyhow::Result<Vec<BenchRow>> {
    let mut rows = Vec::new();
    if let Some(chest) = shared_data("chest") {
        rows.extend(chest_rows(&chest)?);
    }
    rows.extend(synthetic_rows());
    Ok(rows)
}

/// The chest's label map into contours.
fn chest_rows(chest: &Path) -> anyhow::Result<Vec<BenchRow>> {
    let series = Study::open(&[chest.join("CT")], None, &Progress::new())?.series;
    let labels =
        nifti::read_labels(&chest.join("labels.nii.gz"), &Progress::new())?.on_grid(&series.volume.grid)?;
    let masks: Vec<Mask> = labels.masks().into_values().collect();
    let seconds = median_seconds(3, || {
        let planes: Vec<_> = masks.iter().map(|mask| mask.planes(&series.volume)).collect();
        std::hint::black_box(planes);
    });
    Ok(vec![alone("chest: label map to contours", "s", seconds, format!("{} ROIs", masks.len()))])
}

/// A wavy closed outline, as a hand draws one.
fn outline(x: f64, y: f64, radius: f64, vertices: u32) -> Polygon {
    let ring = (0..vertices).map(|vertex| {
        let angle = std::f64::consts::TAU * f64::from(vertex) / f64::from(vertices);
        let radius = radius * (1.0 + 0.08 * (5.0 * angle).sin() + 0.02 * (17.0 * angle).cos());
        Plane::axial(0.0).snap(Point2::new(x + radius * angle.cos(), y + radius * angle.sin()))
    });
    Polygon::from_outer(ring.collect())
}

fn synthetic_rows() -> Vec<BenchRow> {
    let stacks: Vec<Vec<Vec<Polygon>>> = (0..20_u32)
        .map(|structure| {
            (0..200_u32)
                .map(|k| {
                    let radius = 30.0 + 10.0 * (f64::from(k) * 0.03).sin();
                    vec![outline(f64::from(structure) * 10.0 - 100.0, 0.0, radius, 150)]
                })
                .collect()
        })
        .collect();
    let slabs: Vec<Vec<Slab>> = stacks
        .iter()
        .map(|stack| {
            stack
                .iter()
                .zip(0_u32..)
                .map(|(polygons, k)| Slab {
                    plane: Plane::axial(3.0 * f64::from(k)),
                    below_mm: 1.5,
                    above_mm: 1.5,
                    polygons,
                })
                .collect()
        })
        .collect();
    let mut rows = vec![alone(
        "brush gesture on one slice, 99th percentile",
        "ms",
        brush_ms(),
        "20 points of radius 10 mm, 400 vertices".into(),
    )];
    if let Some(sagittal) = Plane::new(Point3::new(-3.0, 0.0, 0.0), Vector3::y(), Vector3::z()) {
        let seconds = median_seconds(21, || {
            let sections: Vec<Vec<Polygon>> =
                slabs.par_iter().map(|stack| section::cut(stack, &sagittal)).collect();
            std::hint::black_box(sections);
        });
        rows.push(alone(
            "sagittal outlines of 20 structures x 200 slices",
            "ms",
            seconds * 1e3,
            String::new(),
        ));
    }
    let seconds = median_seconds(7, || drop(std::hint::black_box(surface::mesh(&slabs[0][..40], 2.0))));
    rows.push(alone("surface of an organ of 40 slices at 2 mm", "ms", seconds * 1e3, String::new()));
    if let Some(frame) =
        Frame::new(Point2::new(-250.0, -250.0), Vector2::new(0.98, 0.0), Vector2::new(0.0, 0.98), [512, 512])
    {
        let organ = [outline(0.0, 0.0, 60.0, 400)];
        let seconds = median_seconds(101, || drop(std::hint::black_box(rasterise::polygons(&organ, &frame))));
        rows.push(alone("one outline of 400 vertices into 512 x 512", "ms", seconds * 1e3, String::new()));
    }
    rows
}

/// The 99th percentile of sweeping a gesture and uniting it with a slice's outline, ms.
fn brush_ms() -> f64 {
    let organ = vec![outline(0.0, 0.0, 60.0, 400)];
    let mut times: Vec<f64> = (0..500_u32)
        .map(|gesture| {
            let turn = crate::geometry::Rotation2::new(f64::from(gesture) * 0.37);
            let path: Vec<Point2> = (0..20_u32)
                .map(|step| turn * Point2::new(52.0 + 0.8 * f64::from(step), 1.9 * f64::from(step) - 19.0))
                .collect();
            median_seconds(1, || {
                let swept = stroke::swept_disc(&path, 10.0, 0.05);
                std::hint::black_box(clip::union(&organ, &swept));
            }) * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() * 99 / 100]
}
