use super::*;
use crate::geometry::{Grid, Plane, Point2, Point3, Vector3};
use crate::patient::{Slice, Unit, Volume, Voxels};
use std::f64::consts::TAU;

/// A volume of `spacing` mm with values by position.
fn volume(dims: [usize; 3], spacing: [f64; 3], value: impl Fn(Point3) -> f64) -> Volume {
    let steps = [Vector3::x() * spacing[0], Vector3::y() * spacing[1], Vector3::z() * spacing[2]];
    let origin = Point3::new(-50.3, -49.6, 0.0);
    let grid = Grid::new(dims, origin, steps).unwrap();
    let mut voxels = Vec::with_capacity(grid.len());
    for k in 0..dims[2] {
        for j in 0..dims[1] {
            for i in 0..dims[0] {
                #[expect(clippy::cast_possible_truncation, reason = "HU")]
                voxels.push(value(grid.patient_of([i as f64, j as f64, k as f64])).round() as i16);
            }
        }
    }
    let slices = (0..dims[2])
        .map(|k| {
            let origin_mm = grid.patient_of([0.0, 0.0, k as f64]);
            Slice { plane: Plane::axial(origin_mm.z), origin_mm, instance: None, missing: false }
        })
        .collect();
    Volume { grid, voxels: Voxels::I16(voxels), unit: Unit::Hu, slices, native: None }
}

/// 60 HU in a cylinder of `radius` mm, -40 around, as a scanner blurs it.
fn disc(radius: f64) -> impl Fn(Point3) -> f64 {
    move |p| -40.0 + 100.0 / (1.0 + ((p.x.hypot(p.y) - radius) * 2.5).exp())
}

/// A value between -1 and 1 that looks like noise.
fn noise(p: Point3) -> f64 {
    let x = (p.x * 12.9898 + p.y * 78.233 + p.z * 37.719).sin() * 43758.5453;
    (x - x.floor()) * 2.0 - 1.0
}

fn around(volume: &Volume, radius: f64, anchors: u32, taught: bool) -> Vec<Point2> {
    let on = |step: u32| {
        let angle = TAU * f64::from(step) / f64::from(anchors);
        Point2::new(radius * angle.cos(), radius * angle.sin())
    };
    let mut path = Vec::new();
    let mut lesson = None;
    for step in 0..anchors {
        let image = EdgeImage::of_slice(volume, 1, on(step)).unwrap();
        let mut wire = Wire::new(image, on(step), lesson.as_ref());
        path.extend(wire.path_to(on(step + 1)));
        if taught {
            lesson = wire.lesson(on(step + 1));
        }
    }
    path
}

fn mean_off(path: &[Point2], radius: f64) -> f64 {
    path.iter().map(|p| (p.coords.norm() - radius).abs()).sum::<f64>() / path.len() as f64
}

#[test]
fn a_disc_is_followed_within_half_a_pixel() {
    let plain = volume([101, 100, 3], [1.0, 1.0, 3.0], disc(24.0));
    let path = around(&plain, 24.0, 4, false);
    assert!(path.len() > 100, "{}", path.len());
    let off = mean_off(&path, 24.0);
    assert!(off < 0.1, "{off} mm");
    let noisy = volume([101, 100, 3], [1.0, 1.0, 3.0], |p| disc(24.0)(p) + 12.0 * noise(p));
    for taught in [false, true] {
        let off = mean_off(&around(&noisy, 24.0, 4, taught), 24.0);
        assert!(off < 0.4, "{off} mm with noise");
    }
}

#[test]
fn across_the_slices_the_edge_is_found_at_the_finest_spacing() {
    let ball = volume([101, 100, 33], [1.0, 1.0, 3.0], |p| {
        let r = (p.x * p.x + p.y * p.y + (p.z - 48.0).powi(2)).sqrt();
        -40.0 + 100.0 / (1.0 + ((r - 24.0) * 1.2).exp())
    });
    let plane = Plane::new(Point3::new(0.0, 0.0, 0.0), Vector3::y(), Vector3::z()).unwrap();
    let (from, to) = (Point2::new(24.0, 48.0), Point2::new(0.0, 72.0));
    let image = EdgeImage::across(&ball, &plane, from).unwrap();
    let path = Wire::new(image, from, None).path_to(to);
    let off = path.iter().map(|p| ((p - Point2::new(0.0, 48.0)).norm() - 24.0).abs()).sum::<f64>()
        / path.len() as f64;
    assert!(path.len() > 25 && off < 0.5, "{off} mm");
}

#[test]
fn taught_it_keeps_to_the_weak_edge_beside_a_strong_one() {
    // A weak edge at 20 mm and a strong one at 26.
    let two = volume([101, 100, 3], [1.0, 1.0, 3.0], |p| {
        let step = |at: f64, by: f64| by / (1.0 + ((p.x.hypot(p.y) - at) * 3.0).exp());
        step(20.0, 60.0) + step(26.0, 400.0)
    });
    let on = |angle: f64| Point2::new(20.0 * angle.cos(), 20.0 * angle.sin());
    let wire = |from: f64, taught: Option<&Taught>| {
        Wire::new(EdgeImage::of_slice(&two, 1, on(from)).unwrap(), on(from), taught)
    };
    // A short piece that stays on the weak edge teaches; a long one shows it.
    let lesson = wire(0.0, None).lesson(on(0.45)).unwrap();
    let plain = mean_off(&wire(0.45, None).path_to(on(2.9)), 20.0);
    let taught = mean_off(&wire(0.45, Some(&lesson)).path_to(on(2.9)), 20.0);
    assert!(taught < 0.5, "{taught} mm taught, {plain} mm not");
    assert!(taught < plain, "{taught} mm taught, {plain} mm not");
}

#[test]
fn anchors_snap_to_an_edge_nearby_and_nowhere_else() {
    let plain = volume([101, 100, 3], [1.0, 1.0, 3.0], disc(24.0));
    let image = EdgeImage::of_slice(&plain, 1, Point2::new(24.0, 0.0)).unwrap();
    let near = image.snapped(Point2::new(22.0, 1.0), 3.0);
    assert!((near.coords.norm() - 24.0).abs() < 0.2, "{near}");
    let far = Point2::new(8.0, 1.0);
    assert_eq!(image.snapped(far, 3.0), far);
}

#[test]
fn a_flat_image_and_one_far_away_do_no_harm() {
    let flat = volume([40, 40, 3], [1.0, 1.0, 3.0], |_| 7.0);
    let from = Point2::new(-40.0, -40.0);
    let mut wire = Wire::new(EdgeImage::of_slice(&flat, 0, from).unwrap(), from, None);
    let path = wire.path_to(Point2::new(500.0, -30.0));
    assert_eq!((path[0], path[path.len() - 1]), (from, Point2::new(500.0, -30.0)));
    assert!(path.iter().all(|p| p.x.is_finite() && p.y.is_finite()));
    assert_eq!(wire.path_to(from), [from]);
    assert!(EdgeImage::of_slice(&flat, 0, Point2::new(900.0, 0.0)).is_none());
}

#[test]
fn the_border_of_the_scan_is_no_edge() {
    // A wall from end to end of the scan, and no value in its last rows.
    let wall = volume([101, 100, 20], [1.0, 1.0, 3.0], |p| if p.y > 40.0 { -32768.0 } else { disc(24.0)(p) });
    let plane = Plane::new(Point3::origin(), Vector3::y(), Vector3::z()).unwrap();
    let end = Point2::new(0.0, 56.0);
    let image = EdgeImage::across(&wall, &plane, end).unwrap();
    assert_eq!(image.snapped(end, 3.0), end, "the end of the scan");
    assert!((image.snapped(Point2::new(23.0, 56.0), 3.0).x - 24.0).abs() < 0.3, "the wall is one, there too");
    let image = EdgeImage::of_slice(&wall, 1, Point2::new(0.0, 38.0)).unwrap();
    let inside = Point2::new(0.0, 38.5);
    assert_eq!(image.snapped(inside, 3.0), inside, "the end of the values");
}

/// What a click costs and what a move of the pointer costs, on a slice of usual size; printed, for
/// time is no matter of right and wrong.
#[test]
fn a_click_and_a_move_are_timed() {
    let large = volume([512, 512, 3], [1.0, 1.0, 3.0], |p| disc(24.0)(p - Vector3::new(200.0, 200.0, 0.0)));
    let center = Point2::new(200.0, 200.0);
    let start = std::time::Instant::now();
    let mut wire = Wire::new(EdgeImage::of_slice(&large, 1, center).unwrap(), center, None);
    let clicked = start.elapsed();
    let mut slowest = std::time::Duration::ZERO;
    for step in 0..104 {
        let start = std::time::Instant::now();
        let path = wire.path_to(center + nalgebra::Vector2::new(f64::from(step), f64::from(step)));
        slowest = slowest.max(start.elapsed());
        assert!(!path.is_empty());
    }
    println!("click {clicked:?}, slowest move {slowest:?}");
}
