//! Closed forms: a ball and a box that are wider than what is looked at around the click, with edges of
//! partial volume, on anisotropic and oblique grids, with and without noise.

use crate::edit::segment::Source;
use crate::edit::{GrowRange, Growth, grow};
use crate::geometry::{Grid, Plane, Point2, Point3, Polygon, Rotation3, Vector3, clip};
use crate::patient::{Slice, Unit, Volume, Voxels};
use crate::progress::Progress;
use std::f64::consts::PI;

/// Where something is, mm from the middle of the image along its axes.
type Place = [f64; 3];

const DIMS: [usize; 3] = [84, 90, 31];
const SIMILAR: Growth = Growth { range: GrowRange::Similar { tolerance: 3.0 }, reach_mm: 60.0, neck_mm: 4.0 };

/// Values as a scanner gives them: the mean over each voxel, with noise of up to `noise` either way.
fn image(turn: &Rotation3, spacing_mm: [f64; 3], noise: f64, value: impl Fn(Place) -> f64) -> Volume {
    let steps = [Vector3::x(), Vector3::y(), Vector3::z()].map(|axis| turn * axis);
    let steps = [0, 1, 2].map(|n| steps[n] * spacing_mm[n]);
    let grid = Grid::new(DIMS, Point3::new(31.7, -12.4, 250.9), steps).unwrap();
    let mut seed = 5_u64;
    let mut voxels = Vec::with_capacity(grid.len());
    let place = |at: [f64; 3]| [0, 1, 2].map(|n| (at[n] - (DIMS[n] - 1) as f64 / 2.0) * spacing_mm[n]);
    for n in 0..grid.len() {
        let at = [n % DIMS[0], n / DIMS[0] % DIMS[1], n / (DIMS[0] * DIMS[1])].map(|n| n as f64);
        let there = |off: [f64; 3]| value(place([0, 1, 2].map(|n| at[n] + off[n])));
        let corner = |part: u32| there([part % 2, part / 2 % 2, part / 4].map(|n| f64::from(n) - 0.5));
        let first = corner(0);
        let mean = if (1..8).all(|part| corner(part) == first) {
            first
        } else {
            let part = |part: u32| {
                there([part % 6, part / 6 % 6, part / 36].map(|n| (f64::from(n) + 0.5) / 6.0 - 0.5))
            };
            (0..216).map(part).sum::<f64>() / 216.0
        };
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = (seed >> 40) as f64 / f64::from(1_u32 << 23) - 1.0;
        #[expect(clippy::cast_possible_truncation, reason = "HU")]
        voxels.push((mean + noise * random).round() as i16);
    }
    let slices = Slice::all_of(&grid);
    Volume { grid, voxels: Voxels::I16(voxels), unit: Unit::Hu, slices, native: None }
}

fn at(volume: &Volume, place: Place) -> Point3 {
    let spacing = volume.grid.spacing_mm();
    volume.grid.patient_of([0, 1, 2].map(|n| place[n] / spacing[n] + (DIMS[n] - 1) as f64 / 2.0))
}

/// What grew from near the middle, with how far along the normal each slice is from it.
fn grown(volume: &Volume, growth: &Growth) -> Vec<(f64, Plane, Vec<Polygon>)> {
    let found =
        grow(&Source::own(volume), at(volume, [3.0, -2.0, 1.0]), growth, None, &Progress::new()).unwrap();
    let along = |slice: usize| (slice as f64 - 15.0) * volume.grid.spacing_mm()[2];
    let own = |(slice, contours)| (along(slice), volume.slices[slice].plane, contours);
    found.slices.into_iter().map(own).collect()
}

fn area(contours: &[Polygon]) -> f64 {
    contours.iter().map(Polygon::area_mm2).sum()
}

/// Plain, anisotropic; and oblique with other pixels.
fn grids() -> [(Rotation3, [f64; 3]); 2] {
    [
        (Rotation3::identity(), [0.9, 0.9, 2.5]),
        (Rotation3::from_euler_angles(0.4, -0.3, 0.6), [1.1, 0.8, 2.0]),
    ]
}

#[test]
fn a_ball_is_found_to_its_edge_with_and_without_noise() {
    let radius = 23.3;
    for (turn, spacing) in grids() {
        for (noise, around) in [(0.0, -90.0), (0.0, 50.0), (12.0, -90.0), (8.0, 240.0), (12.0, 100.0)] {
            let inside = |[x, y, z]: Place| x.hypot(y).hypot(z) < radius;
            let ct = image(&turn, spacing, noise, |place| if inside(place) { 60.0 } else { around });
            let slices = grown(&ct, &SIMILAR);
            let mut worst = 0.0_f64;
            for (along, _, contours) in &slices {
                let wanted = (radius * radius - along * along).max(0.0).sqrt();
                let found = (area(contours) / PI).sqrt();
                // Towards the poles a slice's own thickness is the blur.
                if wanted > 0.6 * radius {
                    worst = worst.max((found - wanted).abs());
                }
            }
            let volume = slices.iter().map(|(.., own)| area(own)).sum::<f64>() * spacing[2];
            let part = volume / (4.0 / 3.0 * PI * radius.powi(3));
            eprintln!("{spacing:?}, noise {noise}, 60 in {around}: {worst:.3} mm, {part:.4} of the volume");
            assert!(worst < 0.15 * spacing[0].min(spacing[1]), "{worst} mm off, noise {noise}, {around}");
            assert!((part - 1.0).abs() < 0.012, "{part} of the volume, noise {noise}, {around}");
        }
    }
}

#[test]
fn a_box_is_found_to_its_sides() {
    let half = [21.2, 19.7, 14.3];
    for (turn, spacing) in grids() {
        for noise in [0.0, 12.0] {
            let inside = |own: Place| (0..3).all(|n| own[n].abs() < half[n]);
            let ct = image(&turn, spacing, noise, |own| if inside(own) { 60.0 } else { -90.0 });
            let slices = grown(&ct, &SIMILAR);
            let whole = slices.iter().filter(|(along, ..)| along.abs() < half[2] - spacing[2]);
            for (along, plane, contours) in whole {
                // How wide it is through the middle, in both directions, corners aside.
                let center = plane.project(at(&ct, [0.0, 0.0, *along]));
                for axis in 0..2 {
                    let to = plane.project(at(&ct, [0, 1, 2].map(|n| if n == axis { 1.0 } else { 0.0 })));
                    let way = (to - plane.project(at(&ct, [0.0; 3]))).normalize() * 40.0;
                    let side = nalgebra::Vector2::new(-way.y, way.x) * 0.25;
                    let strip: Vec<Point2> =
                        [-way - side, way - side, way + side, -way + side].map(|by| center + by).into();
                    let cut = clip::intersection(contours, &[Polygon::from_outer(strip)]);
                    let found = area(&cut) / 20.0 / 2.0;
                    assert!(
                        (found - half[axis]).abs() < 0.15 * spacing[axis],
                        "{found} for {}, noise {noise}",
                        half[axis]
                    );
                }
            }
            let volume = slices.iter().map(|(.., own)| area(own)).sum::<f64>() * spacing[2];
            let part = volume / (8.0 * half.iter().product::<f64>());
            eprintln!("{spacing:?}, noise {noise}: {part:.4} of the box");
            // It ends with a whole slice.
            assert!(
                (part - 1.0).abs() < 0.5 * spacing[2] / half[2] + 0.01,
                "{part} of the box, noise {noise}"
            );
        }
    }
}

#[test]
fn each_neighbour_has_an_edge_of_its_own() {
    // Lung before, fat behind, bone on the left: half way to each, not to their mean.
    let radius = 22.4;
    for (turn, spacing) in grids() {
        for noise in [0.0, 10.0] {
            let ct =
                image(&turn, spacing, noise, |[x, y, _]| match (x.hypot(y) < radius, x > 8.0, y > 0.0) {
                    (true, ..) => 60.0,
                    (false, true, _) => 400.0,
                    (false, false, true) => -90.0,
                    (false, false, false) => -800.0,
                });
            for (along, plane, contours) in grown(&ct, &SIMILAR) {
                let center = plane.project(at(&ct, [0.0, 0.0, along]));
                let ways = [[1.0, 0.0], [-0.7, 0.7], [-0.7, -0.7]];
                let origin = plane.project(at(&ct, [0.0; 3]));
                for [x, y] in ways {
                    let way = (plane.project(at(&ct, [x, y, 0.0])) - origin).normalize();
                    let off = contours.iter().flat_map(|own| &own.outer).map(|point| point - center);
                    let off: Vec<f64> = off
                        .filter(|off| off.dot(&way) > 0.93 * off.norm())
                        .map(|off| off.norm() - radius)
                        .collect();
                    let mean = off.iter().sum::<f64>() / off.len() as f64;
                    assert!(off.len() > 5 && mean.abs() < 0.15, "{mean} mm along {x} {y}, noise {noise}");
                }
            }
        }
    }
}

#[test]
fn a_shut_neck_and_a_thin_wall_hold_as_they_did() {
    // Two balls that touch through a neck, and a third one behind a wall of a pixel and a half.
    let ct = image(&Rotation3::identity(), [0.9, 0.9, 2.5], 0.0, |[x, y, z]| {
        let ball = |at: f64, radius: f64| (x - at).hypot(y).hypot(z) < radius;
        let neck = y.hypot(z) < 2.0 && (0.0..25.0).contains(&x);
        if ball(0.0, 17.0) || ball(25.0, 7.0) || neck || (x < -18.4 && x > -30.0) { 60.0 } else { -90.0 }
    });
    let found = grown(&ct, &Growth { neck_mm: 6.0, ..SIMILAR });
    let volume = found.iter().map(|(.., own)| area(own)).sum::<f64>() * 2.5;
    let part = volume / (4.0 / 3.0 * PI * 17.0_f64.powi(3));
    assert!((part - 1.0).abs() < 0.05, "{part} of the ball");
}
