//! Closed forms: ellipsoids from three outlines, on anisotropic and oblique grids.

use super::*;
use crate::geometry::{Grid, Plane, Point3, Rotation3, Vector2, Vector3, clip};
use crate::patient::{Slice, Unit, Voxels};
use nalgebra::{Matrix2, Matrix3};
use std::f64::consts::TAU;

/// An ellipsoid: `|turn^-1 (p - center) / semi| = 1`.
struct Ellipsoid {
    center: Point3,
    form: Matrix3<f64>,
}

impl Ellipsoid {
    fn new(center: Point3, turn: &Rotation3, semi_mm: [f64; 3]) -> Self {
        let squares = Matrix3::from_diagonal(&Vector3::from(semi_mm.map(|own| own.powi(-2))));
        Self { center, form: turn.matrix() * squares * turn.matrix().transpose() }
    }

    fn volume_mm3(&self) -> f64 {
        TAU * 2.0 / 3.0 / self.form.determinant().sqrt()
    }

    /// The ellipse on a plane.
    fn on(&self, plane: &Plane) -> Vec<Polygon> {
        let (u, v) = (plane.u(), plane.v());
        let foot = plane.lift(plane.project(self.center)) - self.center;
        let square = Matrix2::new(
            u.dot(&(self.form * u)),
            u.dot(&(self.form * v)),
            u.dot(&(self.form * v)),
            v.dot(&(self.form * v)),
        );
        let slope = Vector2::new(u.dot(&(self.form * foot)), v.dot(&(self.form * foot)));
        let middle = -(square.try_inverse().unwrap() * slope);
        let rest = 1.0 - foot.dot(&(self.form * foot)) - slope.dot(&middle);
        if rest <= 0.0 {
            return Vec::new();
        }
        let center = plane.project(self.center) + middle;
        let corner = |n: u32| {
            let way = Vector2::new((TAU * f64::from(n) / 120.0).cos(), (TAU * f64::from(n) / 120.0).sin());
            center + way * (rest / way.dot(&(square * way))).sqrt()
        };
        vec![Polygon::from_outer((0..120).map(corner).collect())]
    }
}

fn volume_along(turn: &Rotation3, dims: [usize; 3], spacing_mm: [f64; 3]) -> Volume {
    let axes = [Vector3::x(), Vector3::y(), Vector3::z()].map(|axis| turn * axis);
    let steps = [0, 1, 2].map(|n| axes[n] * spacing_mm[n]);
    let grid = Grid::new(dims, Point3::new(-12.3, 45.6, 7.8), steps).unwrap();
    let slices = Slice::all_of(&grid);
    Volume { grid, voxels: Voxels::I16(Vec::new()), unit: Unit::Hu, slices, native: None }
}

fn drawn_on(volume: &Volume, slice: usize, polygons: Vec<Polygon>) -> (usize, Arc<RoiPlane>) {
    (slice, Arc::new(RoiPlane::new(volume.slices[slice].plane, None, polygons)))
}

fn through(point: Point3, u: Vector3, v: Vector3, on: impl Fn(&Plane) -> Vec<Polygon>) -> Guide {
    let plane = Plane::new(point, u, v).unwrap();
    Guide { plane, polygons: on(&plane) }
}

fn area(polygons: &[Polygon]) -> f64 {
    polygons.iter().map(Polygon::area_mm2).sum()
}

/// Dice, and the volume's ratio, of drawn and found slices together against what is true on each slice.
fn agreement(
    volume: &Volume,
    drawn: &[(usize, Arc<RoiPlane>)],
    found: &Guided,
    truth: impl Fn(&Plane) -> Vec<Polygon>,
) -> (f64, f64) {
    let (mut both, mut own_mm3, mut true_mm3) = (0.0, 0.0, 0.0);
    for (slice, image) in volume.slices.iter().enumerate() {
        let wanted = truth(&image.plane);
        let here = drawn.iter().chain(&found.slices).filter(|(own, _)| *own == slice);
        let own: Vec<Polygon> = here.flat_map(|(_, plane)| plane.polygons.clone()).collect();
        both += area(&clip::intersection(&own, &wanted));
        own_mm3 += area(&own);
        true_mm3 += area(&wanted);
    }
    (2.0 * both / (own_mm3 + true_mm3), own_mm3 / true_mm3)
}

/// What three ellipses give: one on the middle slice, two on planes across.
fn three_ellipses(volume: &Volume, turn: &Rotation3, semi_mm: [f64; 3], across: [Vector3; 3], slice: usize) {
    let [ni, nj, _] = volume.grid.dims();
    let center = volume.grid.patient_of([ni as f64 / 2.0 - 0.3, nj as f64 / 2.0 + 0.2, slice as f64]);
    let shape = Ellipsoid::new(center, turn, semi_mm);
    let drawn = [drawn_on(volume, slice, shape.on(&volume.slices[slice].plane))];
    let guides = [(across[0], across[2]), (across[1], across[2])]
        .map(|(u, v)| through(center, u, v, |plane| shape.on(plane)));
    let found = guided(&drawn, &guides, volume, &Progress::new()).unwrap();
    let (dice, ratio) = agreement(volume, &drawn, &found, |plane| shape.on(plane));
    let spacing = volume.grid.spacing_mm();
    let cc = found.slices.iter().map(|(_, own)| own.area_mm2()).sum::<f64>() + drawn[0].1.area_mm2();
    let against = cc * spacing[2] / shape.volume_mm3();
    let off = disagreement(&found.slices, &guides);
    let half = spacing[0].min(spacing[1]) / 2.0;
    eprintln!("{semi_mm:?}: Dice {dice:.4}, by slices {ratio:.4}, volume {against:.4}, off {off:.3}");
    assert!(dice >= 0.97 && (ratio - 1.0).abs() < 0.03 && (against - 1.0).abs() < 0.03);
    assert!(off <= half, "{off} mm from the guides");
    assert!(found.disagree_mm < 0.05, "{}", found.disagree_mm);
    assert!(found.slices.iter().all(|(own, _)| *own != slice), "the slice drawn on is left as it is");
}

#[test]
fn three_ellipses_are_an_ellipsoid() {
    let straight = Rotation3::identity();
    let volume = volume_along(&straight, [100, 90, 48], [0.9, 1.3, 2.0]);
    let axes = [Vector3::x(), Vector3::y(), Vector3::z()];
    for semi in [[30.0, 20.0, 40.0], [12.0, 35.0, 20.0], [25.0, 25.0, 25.0], [8.0, 6.0, 38.0]] {
        three_ellipses(&volume, &straight, semi, axes, 24);
    }
    // Turned within its box.
    let turn = Rotation3::from_euler_angles(0.3, -0.2, 0.4);
    three_ellipses(&volume, &turn, [30.0, 20.0, 36.0], axes, 22);
}

#[test]
fn on_an_oblique_grid_guides_may_run_along_its_rows_or_the_patients_axes() {
    let turn = Rotation3::from_euler_angles(0.4, -0.3, 0.6);
    let volume = volume_along(&turn, [110, 80, 60], [0.8, 1.2, 1.7]);
    let rows = [Vector3::x(), Vector3::y(), Vector3::z()].map(|axis| turn * axis);
    three_ellipses(&volume, &turn, [28.0, 20.0, 35.0], rows, 30);
    three_ellipses(
        &volume,
        &Rotation3::identity(),
        [28.0, 20.0, 30.0],
        [Vector3::x(), Vector3::y(), Vector3::z()],
        30,
    );
}

/// A bent and tapered tube, as its section by an axial plane.
fn bean(z: f64) -> Vec<Polygon> {
    let t = z / 40.0;
    if t.abs() >= 1.0 {
        return Vec::new();
    }
    let (x, radius) = (18.0 * t * t, 14.0 * (1.0 - t * t).sqrt());
    let corner = |n: u32| {
        let angle = TAU * f64::from(n) / 90.0;
        Point2::new(x + radius * angle.cos(), 0.8 * radius * angle.sin())
    };
    vec![Polygon::from_outer((0..90).map(corner).collect())]
}

#[test]
fn a_guide_tells_what_lies_between_and_beyond_drawn_slices() {
    let grid = Grid::new(
        [120, 80, 41],
        Point3::new(-40.0, -40.0, -40.0),
        [Vector3::x(), Vector3::y(), Vector3::z() * 2.0],
    );
    let mut volume = volume_along(&Rotation3::identity(), [120, 80, 41], [1.0, 1.0, 2.0]);
    volume.grid = grid.unwrap();
    for (k, slice) in volume.slices.iter_mut().enumerate() {
        slice.origin_mm = volume.grid.patient_of([0.0, 0.0, k as f64]);
        slice.plane = Plane::axial(slice.origin_mm.z);
    }
    let drawn: Vec<_> = [8, 20, 32]
        .map(|slice| drawn_on(&volume, slice, bean(volume.slices[slice].plane.offset_mm())))
        .into();
    // The coronal outline: left and right edges.
    let plane = Plane::new(Point3::origin(), Vector3::x(), Vector3::z()).unwrap();
    let edge = |z: f64, side: f64| {
        let t: f64 = z / 40.0;
        Point2::new(18.0 * t * t + side * 14.0 * (1.0 - t * t).max(0.0).sqrt(), z)
    };
    let heights = (0..=160).map(|n| 40.0 * (f64::from(n) / 160.0 * TAU / 2.0).cos());
    let up: Vec<Point2> = heights.clone().map(|z| edge(z, 1.0)).collect();
    let down: Vec<Point2> = heights.map(|z| edge(z, -1.0)).collect();
    let ring: Vec<Point2> = up.into_iter().rev().chain(down.into_iter().skip(1).take(159)).collect();
    let guide = Guide { plane, polygons: vec![Polygon::from_outer(ring).oriented()] };
    let found = guided(&drawn, std::slice::from_ref(&guide), &volume, &Progress::new()).unwrap();
    let (dice, ratio) = agreement(&volume, &drawn, &found, |plane| bean(plane.offset_mm()));
    let off = disagreement(&found.slices, std::slice::from_ref(&guide));
    eprintln!("bean: Dice {dice:.4}, volume {ratio:.4}, off {off:.3}, {} slices", found.slices.len());
    assert!(dice > 0.97 && (ratio - 1.0).abs() < 0.03 && off <= 0.5, "{dice} {ratio} {off}");
    // Half way between drawn slices the blend alone would leave out the bend.
    let middle = found.slices.iter().find(|(slice, _)| *slice == 26).unwrap();
    let wanted = bean(volume.slices[26].plane.offset_mm());
    assert!(area(&clip::xor(&middle.1.polygons, &wanted)) < 0.06 * area(&wanted));
}

#[test]
fn outlines_that_tell_no_shape_are_refused_and_missing_slices_left_out() {
    let straight = Rotation3::identity();
    let mut volume = volume_along(&straight, [80, 80, 31], [1.0, 1.0, 2.0]);
    let center = volume.grid.patient_of([40.0, 40.0, 15.0]);
    let shape = Ellipsoid::new(center, &straight, [20.0, 20.0, 20.0]);
    let [x, y, z] = [Vector3::x(), Vector3::y(), Vector3::z()];
    let sagittal = through(center, y, z, |plane| shape.on(plane));
    let beside = through(center + x * 8.0, y, z, |plane| shape.on(plane));
    let run = |drawn: &[(usize, Arc<RoiPlane>)], guides: &[Guide], volume: &Volume| {
        guided(drawn, guides, volume, &Progress::new())
    };
    assert_eq!(run(&[], &[sagittal.clone(), beside], &volume).unwrap_err(), GuidedError::OneDirection);
    assert_eq!(run(&[], &[], &volume).unwrap_err(), GuidedError::OneDirection);
    let stop = Progress::new();
    stop.cancel();
    let coronal = through(center, x, z, |plane| shape.on(plane));
    let both = [sagittal.clone(), coronal];
    assert!(matches!(guided(&[], &both, &volume, &stop), Err(GuidedError::Cancelled(_))));
    // Two guides alone are enough; a slice that is missing gets nothing.
    volume.slices[12].missing = true;
    let found = run(&[], &both, &volume).unwrap();
    assert_eq!(
        found.slices.iter().map(|(slice, _)| *slice).collect::<Vec<_>>(),
        (6..25).filter(|k| *k != 12).collect::<Vec<_>>()
    );
    let (_, equator) = &found.slices[8];
    assert!((equator.area_mm2() / (TAU / 2.0 * 400.0) - 1.0).abs() < 0.05, "{}", equator.area_mm2());
    // A guide that is 3 mm too wide for the contour drawn says so; the drawn one is not moved.
    let wide = Ellipsoid::new(center, &straight, [20.0, 23.0, 20.0]);
    let drawn = [drawn_on(&volume, 15, shape.on(&volume.slices[15].plane))];
    let guide = through(center, y, z, |plane| wide.on(plane));
    let found = run(&drawn, &[guide], &volume).unwrap();
    assert!((found.disagree_mm - 3.0).abs() < 0.1, "{}", found.disagree_mm);
}

#[test]
fn a_guide_meets_a_view_in_stretches() {
    let ring = |side: f64| {
        [(-side, -side), (side, -side), (side, side), (-side, side)].map(|(x, y)| Point2::new(x, y)).to_vec()
    };
    let mut hole = ring(2.0);
    hole.reverse();
    let plane = Plane::new(Point3::new(7.0, 0.0, 0.0), Vector3::y(), Vector3::z()).unwrap();
    let guide = Guide { plane, polygons: vec![Polygon { outer: ring(5.0), holes: vec![hole] }] };
    let ends = guide.stretches_on(&Plane::axial(1.0));
    let mut along: Vec<[f64; 2]> = ends
        .iter()
        .map(|[a, b]| {
            assert!((a.x - 7.0).abs() < 1e-9 && (b.z - 1.0).abs() < 1e-9);
            [a.y.min(b.y), a.y.max(b.y)]
        })
        .collect();
    along.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let wanted = [[-5.0, -2.0], [2.0, 5.0]];
    assert_eq!(along.len(), 2);
    assert!(along.iter().zip(wanted).all(|(a, b)| (a[0] - b[0]).abs() < 1e-9 && (a[1] - b[1]).abs() < 1e-9));
    assert!(guide.stretches_on(&Plane::axial(9.0)).is_empty());
    assert!(guide.stretches_on(&plane.at_offset(9.0)).is_empty());
}

#[test]
#[ignore = "tells times"]
fn how_long_a_forty_slice_organ_takes() {
    let straight = Rotation3::identity();
    let volume = volume_along(&straight, [256, 256, 60], [0.97, 0.97, 3.0]);
    let center = volume.grid.patient_of([128.0, 128.0, 30.0]);
    let shape = Ellipsoid::new(center, &straight, [90.0, 70.0, 60.0]);
    let lumpy = |plane: &Plane| -> Vec<Polygon> {
        let mut own = shape.on(plane);
        for (n, point) in own.iter_mut().flat_map(|piece| &mut piece.outer).enumerate() {
            let from = plane.project(center);
            *point = from + (*point - from) * (1.0 + 0.06 * (n as f64 * TAU / 120.0 * 5.0).sin());
        }
        own
    };
    let drawn: Vec<_> = (11..=49)
        .step_by(5)
        .map(|k| drawn_on(&volume, k, lumpy(&volume.slices[k].plane)))
        .filter(|(_, own)| !own.polygons.is_empty())
        .collect();
    let guides =
        [Vector3::x(), Vector3::y()].map(|u| through(center, u, Vector3::z(), |plane| shape.on(plane)));
    for (drawn, name) in [(&drawn[4..5], "1 + 2"), (&drawn[..], "all + 2")] {
        let mut times: Vec<f64> = (0..7)
            .map(|_| {
                let start = std::time::Instant::now();
                let found = guided(drawn, &guides, &volume, &Progress::new()).unwrap();
                assert!(found.slices.len() > 20);
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        eprintln!("{name}: median {:.0} ms, best {:.0} ms", times[3], times[0]);
    }
}
