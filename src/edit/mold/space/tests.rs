//! Cylinders, balls and ends on even, uneven and oblique slices, in closed form.

use super::*;
use crate::edit::fixture::volume;
use crate::geometry::Vector3;
use crate::patient::Volume;
use nalgebra::{Rotation3, Unit};
use std::f64::consts::{PI, TAU};

fn even() -> Volume {
    let offsets: Vec<f64> = (0..25).map(|n| f64::from(n) * 2.5).collect();
    volume(Rotation3::identity(), &offsets)
}

fn uneven_oblique() -> Volume {
    let turn = Rotation3::from_axis_angle(&Unit::new_normalize(Vector3::new(1.0, 2.0, 3.0)), 0.3);
    let mut at = 0.0;
    let offsets = (0..28_usize).map(|n| {
        at += [1.5, 3.0, 2.0, 4.0][n % 4];
        at
    });
    volume(turn, &offsets.collect::<Vec<_>>())
}

fn circle(radius: f64) -> Polygon {
    let corner = |n: u32| {
        let (s, c) = (TAU * f64::from(n) / 240.0).sin_cos();
        Point2::new(5.0 + radius * c, -3.0 + radius * s)
    };
    Polygon::from_outer((0..240).map(corner).collect())
}

/// Circles around (5, -3) with these radii; none where it is 0.
fn circles(radii: &[f64]) -> Vec<Vec<Polygon>> {
    radii.iter().map(|radius| if *radius > 0.0 { vec![circle(*radius)] } else { vec![] }).collect()
}

/// The height of a slice over the first one.
fn height(volume: &Volume, slice: usize) -> f64 {
    volume.slices[slice].plane.offset_mm() - volume.slices[0].plane.offset_mm()
}

fn mm3(volume: &Volume, own: &[Vec<Polygon>]) -> f64 {
    let on = |slice: usize| {
        own[slice].iter().map(Polygon::area_mm2).sum::<f64>() * volume.slice_thickness_mm(slice)
    };
    (0..own.len()).map(on).sum()
}

/// Rubs with a tool along a way of (x, y, height), in the coordinates of the slices.
fn rub(volume: &Volume, own: &mut Vec<Vec<Polygon>>, radius: f64, way: impl Iterator<Item = [f64; 3]>) {
    let first = volume.slices[0].plane;
    for [x, y, up] in way {
        let center = first.at_offset(first.offset_mm() + up).lift(Point2::new(x, y));
        let levels: Vec<Level<'_>> = volume
            .slices
            .iter()
            .zip(own.iter())
            .map(|(slice, polygons)| Level { plane: slice.plane, polygons })
            .collect();
        *own = smoothed_in_space(&levels, center, radius);
    }
}

/// The distances of a slice's vertices within an angle of the x axis from (5, -3).
fn radii(polygons: &[Polygon], angle: f64) -> Vec<f64> {
    let arms = polygons.iter().flat_map(|piece| &piece.outer).map(|point| point - Point2::new(5.0, -3.0));
    arms.filter(|arm| arm.y.atan2(arm.x).abs() <= angle).map(|arm| arm.norm()).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn a_cylinder_that_jumps_from_slice_to_slice_becomes_smooth_under_the_ball_alone() {
    for (volume, name) in [(even(), "even"), (uneven_oblique(), "uneven and oblique")] {
        let count = volume.slices.len();
        let wobbly: Vec<f64> = (0..count).map(|n| if n % 2 == 0 { 20.0 } else { 22.0 }).collect();
        let before = circles(&wobbly);
        let mut own = before.clone();
        // Along its side, once up and down.
        let way = (0..=40_u32).map(|step| [26.0, -3.0, 30.0 + 12.0 * (f64::from(step) * TAU / 40.0).sin()]);
        rub(&volume, &mut own, 9.0, way);
        let middle: Vec<usize> = (0..count).filter(|n| (height(&volume, *n) - 30.0).abs() < 8.0).collect();
        let at: Vec<f64> = middle.iter().map(|n| mean(&radii(&own[*n], 0.1))).collect();
        let spread = at.iter().fold(0.0, |a: f64, b| a.max(*b)) - at.iter().fold(f64::MAX, |a, b| a.min(*b));
        assert!(spread < 0.4, "{name}: {spread} of {at:?}");
        assert!((mean(&at) - 21.0).abs() < 0.3, "{name}: {at:?}");
        assert!((mm3(&volume, &own) / mm3(&volume, &before) - 1.0).abs() < 1e-4, "{name}");
        for (now, old) in own.iter().zip(&before) {
            // The far side.
            let far = |point: &&Point2| point.x < 5.0;
            assert!(old[0].outer.iter().filter(far).all(|point| now[0].outer.contains(point)));
        }
        for n in (0..count).filter(|n| (height(&volume, *n) - 30.0).abs() > 21.0) {
            assert_eq!(own[n], before[n]);
        }
        // Rubbed on and on, all around.
        for turn in 0..12_u32 {
            let (s, c) = (f64::from(turn) * TAU / 12.0).sin_cos();
            let way =
                (0..=20_u32).map(|step| [5.0 + 21.0 * c, -3.0 + 21.0 * s, 18.0 + 1.2 * f64::from(step)]);
            rub(&volume, &mut own, 9.0, way);
        }
        let all: Vec<f64> = middle.iter().flat_map(|n| radii(&own[*n], PI)).collect();
        assert!(all.iter().all(|radius| (radius - 21.0).abs() < 0.25), "{name}: {all:?}");
        assert!((mm3(&volume, &own) / mm3(&volume, &before) - 1.0).abs() < 1e-4, "{name}");
    }
}

#[test]
fn a_ball_stays_a_ball_wherever_it_is_rubbed() {
    for (volume, name) in [(even(), "even"), (uneven_oblique(), "uneven and oblique")] {
        for radius in [14.0_f64, 20.0] {
            let wanted: Vec<f64> = (0..volume.slices.len())
                .map(|n| (radius * radius - (height(&volume, n) - 30.0).powi(2)).max(0.0).sqrt())
                .collect();
            let before = circles(&wanted);
            let mut own = before.clone();
            let way = (0..=60_u32).map(|step| {
                let (s, c) = (f64::from(step) * TAU / 60.0).sin_cos();
                [5.0 + radius * c, -3.0, 30.0 + radius * s]
            });
            rub(&volume, &mut own, 8.0, way);
            for (n, polygons) in own.iter().enumerate() {
                assert_eq!(polygons.is_empty(), wanted[n] == 0.0, "{name}, slice {n}");
                // The distance from the sphere.
                let up = height(&volume, n) - 30.0;
                let off =
                    radii(polygons, PI).iter().map(|r| (r.hypot(up) - radius).abs()).fold(0.0, f64::max);
                assert!(off < 0.1, "{name}, slice {n}: {off}");
            }
            let change = mm3(&volume, &own) / mm3(&volume, &before) - 1.0;
            assert!(change.abs() < 1e-4, "{name}: {change}");
        }
    }
}

#[test]
fn an_end_neither_grows_nor_goes_however_long_it_is_rubbed() {
    for (volume, name) in [(even(), "even"), (uneven_oblique(), "uneven and oblique")] {
        // A thin column that ends on slice 10, and a thick one.
        for radius in [2.5, 12.0] {
            let column: Vec<f64> =
                (0..volume.slices.len()).map(|n| if (2..=10).contains(&n) { radius } else { 0.0 }).collect();
            let before = circles(&column);
            let mut own = before.clone();
            let end = height(&volume, 10);
            let way = (0..200_u32).map(|step| {
                let swing = (f64::from(step) * 0.3).sin();
                [5.0 + radius + swing, -3.0 + swing, end + 2.0 * swing]
            });
            rub(&volume, &mut own, 8.0, way);
            for (n, polygons) in own.iter().enumerate() {
                assert_eq!(polygons.is_empty(), column[n] == 0.0, "{name}: slice {n}");
                let area: f64 = polygons.iter().map(Polygon::area_mm2).sum();
                assert!((area - PI * column[n] * column[n]).abs() <= 0.03 * area, "{name}: {area} on {n}");
            }
        }
    }
}

#[test]
fn holes_and_neighbours_that_end_are_no_neighbours_of_the_outline() {
    let volume = even();
    // A tube with a lumen on slices up to 12, and a second piece close by on slices from 13 on.
    let mut hole = circle(8.0).outer;
    hole.reverse();
    let beside = circle(4.0).outer.iter().map(|point| point + Vector2::new(16.0, 0.0)).collect::<Ring>();
    let on = |n: usize| {
        let tube =
            Polygon { outer: circle(11.0).outer, holes: if n <= 12 { vec![hole.clone()] } else { vec![] } };
        if n > 12 { vec![tube, Polygon::from_outer(beside.clone())] } else { vec![tube] }
    };
    let before: Vec<Vec<Polygon>> = (0..25).map(on).collect();
    let mut own = before.clone();
    let way = (0..60_u32).map(|step| [5.0 + 10.0, -3.0, 30.0 + 4.0 * (f64::from(step) * 0.4).sin()]);
    rub(&volume, &mut own, 9.0, way);
    for (n, (now, old)) in own.iter().zip(&before).enumerate() {
        assert_eq!((now.len(), now[0].holes.len()), (old.len(), old[0].holes.len()), "slice {n}");
        for (now, old) in now.iter().zip(old) {
            for (now, old) in now.rings().zip(old.rings()) {
                let (now, old) = (crate::geometry::ring_area(now), crate::geometry::ring_area(old));
                assert!((now / old - 1.0).abs() < 0.01, "slice {n}: {now} of {old}");
            }
        }
    }
}

#[test]
fn outlines_that_jump_far_never_cross() {
    let volume = even();
    // Thin crescents and squares that jump about, rubbed everywhere.
    let mut seed = 7_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut own: Vec<Vec<Polygon>> = (0..25)
        .map(|_| {
            let (x, y) = (random() * 6.0, random() * 6.0);
            let moved = |piece: Polygon| {
                Polygon::from_outer(piece.outer.iter().map(|point| point + Vector2::new(x, y)).collect())
            };
            let bite =
                circle(9.0).outer.iter().map(|point| point + Vector2::new(x + 3.0, y)).collect::<Ring>();
            crate::geometry::clip::difference(&[moved(circle(10.0))], &[Polygon::from_outer(bite)])
        })
        .collect();
    for _ in 0..80 {
        let at = [5.0 + random() * 20.0 - 10.0, random() * 20.0 - 10.0, 30.0 + random() * 20.0 - 10.0];
        rub(&volume, &mut own, 8.0, [at].into_iter());
        for polygons in &own {
            let sum: f64 = polygons.iter().map(Polygon::area_mm2).sum();
            let union: f64 =
                crate::geometry::clip::union_all(polygons.clone()).iter().map(Polygon::area_mm2).sum();
            assert!((sum - union).abs() < 1e-4 * sum, "{sum} {union}");
        }
    }
}
