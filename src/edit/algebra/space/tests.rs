//! Spheres, cylinders, slanting tubes and ends on even, uneven and oblique slices, in closed form.

use super::*;
use crate::edit::fixture::volume;
use crate::geometry::Vector3;
use nalgebra::{Rotation3, Unit};
use std::f64::consts::TAU;

fn volumes() -> [(Volume, &'static str); 3] {
    let even =
        |spacing: f64, count: u32| -> Vec<f64> { (0..count).map(|n| f64::from(n) * spacing).collect() };
    let turn = Rotation3::from_axis_angle(&Unit::new_normalize(Vector3::new(1.0, 2.0, 3.0)), 0.3);
    let mut at = 0.0;
    let uneven: Vec<f64> = (0..28_usize)
        .map(|n| {
            at += [1.5, 3.0, 2.0, 4.0][n % 4];
            at
        })
        .collect();
    [
        (volume(Rotation3::identity(), &even(2.5, 25)), "even"),
        (volume(Rotation3::identity(), &even(1.0, 62)), "thin"),
        (volume(turn, &uneven), "uneven and oblique"),
    ]
}

fn circle_at(x: f64, y: f64, radius: f64) -> Polygon {
    let corner = |n: u32| {
        let (s, c) = (TAU * f64::from(n) / 240.0).sin_cos();
        Point2::new(x + radius * c, y + radius * s)
    };
    Polygon::from_outer((0..240).map(corner).collect())
}

/// The height of a slice over the first one.
fn height(volume: &Volume, slice: usize) -> f64 {
    volume.slices[slice].plane.offset_mm() - volume.slices[0].plane.offset_mm()
}

/// Circles around (5, -3) with the radius of each slice; none where it is 0 or less.
fn round(volume: &Volume, radius: impl Fn(usize, f64) -> f64) -> Region {
    let on = |slice: usize| {
        let radius = radius(slice, height(volume, slice));
        (slice, if radius > 0.0 { vec![circle_at(5.0, -3.0, radius)] } else { Vec::new() })
    };
    Region::from_slices((0..volume.slices.len()).map(on))
}

/// The distances of a slice's vertices from (5, -3).
fn radii(own: &[Polygon]) -> Vec<f64> {
    own.iter().flat_map(Polygon::rings).flatten().map(|at| (at - Point2::new(5.0, -3.0)).norm()).collect()
}

fn smooth(region: &Region, volume: &Volume, length_mm: f64) -> Region {
    let made = smoothed_across(region, volume, length_mm, &Progress::new()).unwrap();
    let on = |region: &Region| region.slices().map(|(slice, own)| (slice, own.len())).collect::<Vec<_>>();
    assert_eq!(on(&made), on(region), "the same slices and pieces");
    let change = made.volume_mm3(volume) / region.volume_mm3(volume) - 1.0;
    assert!(change.abs() < 2e-4, "{change} of the volume");
    for (_, own) in made.slices() {
        assert!(are_apart(own));
    }
    made
}

#[test]
fn a_sphere_stays_a_sphere() {
    for (volume, name) in volumes() {
        for (radius, length_mm) in [(12.0, 3.0), (24.0, 3.0), (24.0, 6.0)] {
            let own = round(&volume, |_, up| (radius * radius - (up - 30.0).powi(2)).max(0.0).sqrt());
            let made = smooth(&own, &volume, length_mm);
            let off = made.slices().flat_map(|(slice, pieces)| {
                let up = height(&volume, slice) - 30.0;
                radii(pieces).into_iter().map(move |r| (r.hypot(up) - radius).abs())
            });
            let off = off.fold(0.0, f64::max);
            assert!(off < 0.15, "{name}: {off} mm from a sphere of {radius} mm over {length_mm} mm");
        }
    }
}

#[test]
fn a_cylinder_of_alternating_radii_becomes_even() {
    for (volume, name) in volumes() {
        let own = round(&volume, |slice, _| if slice % 2 == 0 { 20.0 } else { 22.0 });
        let made = smooth(&own, &volume, 4.0);
        let last = volume.slices.len() - 1;
        for (slice, pieces) in made.slices() {
            let at = height(&volume, slice).min(height(&volume, last) - height(&volume, slice));
            // Near the ends there is less to go by, and the ends themselves stay.
            let within = if at > 8.0 { 0.15 } else { 1.2 };
            let off = radii(pieces).into_iter().map(|r| (r - 21.0).abs()).fold(0.0, f64::max);
            assert!(off < within, "{name}, slice {slice}: {off}");
        }
        // What keeps the volume moves the ends by a hair.
        for end in [0, last] {
            let before = radii(own.on(end))[0];
            assert!(radii(made.on(end)).iter().all(|r| (r - before).abs() < 0.2), "{name}: end {end}");
        }
    }
}

#[test]
fn a_shift_from_slice_to_slice_goes_and_a_slant_stays() {
    for (volume, name) in volumes() {
        let tube = |shift: f64, slant: f64| {
            let on = |slice: usize| {
                let side = if slice.is_multiple_of(2) { shift } else { -shift };
                let x = 5.0 + side + (height(&volume, slice) - 30.0) * slant;
                (slice, vec![circle_at(x, -3.0, 9.0)])
            };
            Region::from_slices((0..volume.slices.len()).map(on))
        };
        let off = |made: &Region, slant: f64| {
            let middle = (0..volume.slices.len()).filter(|n| (height(&volume, *n) - 30.0).abs() < 18.0);
            let off = middle.flat_map(|slice| {
                let x = 5.0 + (height(&volume, slice) - 30.0) * slant;
                let far = move |at: &Point2| ((at - Point2::new(x, -3.0)).norm() - 9.0).abs();
                made.on(slice).iter().flat_map(|piece| piece.outer.iter().map(far)).collect::<Vec<_>>()
            });
            off.fold(0.0, f64::max)
        };
        let even = off(&smooth(&tube(1.0, 0.0), &volume, 4.0), 0.0);
        assert!(even < 0.2, "{name}: {even}");
        for slant in [0.3, 0.8] {
            let slanting = off(&smooth(&tube(0.0, slant), &volume, 4.0), slant);
            assert!(slanting < 0.15, "{name}: {slanting} at {slant}");
        }
    }
}

#[test]
fn ends_neither_grow_nor_yield_and_missing_slices_are_not_crossed() {
    for (mut volume, name) in volumes() {
        for radius in [2.5, 12.0] {
            let own = round(&volume, |slice, _| if (2..=10).contains(&slice) { radius } else { 0.0 });
            let made = smooth(&own, &volume, 5.0);
            for (slice, pieces) in made.slices() {
                assert!((area(pieces) - area(own.on(slice))).abs() < 2e-3 * area(pieces), "{name}: {slice}");
            }
        }
        // A step across a missing slice stays as sharp as it is.
        volume.slices[12].missing = true;
        let step = |slice: usize| if slice < 12 { 20.0 } else { 16.0 };
        let own = round(&volume, |slice, _| if slice == 12 { 0.0 } else { step(slice) });
        let made = smooth(&own, &volume, 5.0);
        for (slice, pieces) in made.slices() {
            assert!(radii(pieces).iter().all(|r| (r - step(slice)).abs() < 0.02), "{name}: {slice}");
        }
    }
}

#[test]
fn holes_forks_and_odd_shapes_keep_their_pieces() {
    let (volume, _) = volumes().into_iter().next().unwrap();
    // A tube with a lumen that jumps, forking at slice 12.
    let on = |slice: usize| {
        let side = if slice.is_multiple_of(2) { 0.5 } else { -0.5 };
        let ring = |x: f64, outer: f64, inner: f64| {
            let mut hole = circle_at(x + side, -3.0, inner).outer;
            hole.reverse();
            Polygon { outer: circle_at(x, -3.0 + side, outer).outer, holes: vec![hole] }
        };
        let pieces = if slice < 12 {
            vec![ring(5.0, 14.0, 8.0)]
        } else {
            let by = (slice as f64 - 11.0) * 1.5 + 6.0;
            vec![ring(5.0 - by, 5.0, 2.0), ring(5.0 + by, 5.0, 2.0)]
        };
        (slice, pieces)
    };
    let own = Region::from_slices((2..22).map(on));
    for length_mm in [2.0, 5.0] {
        let made = smooth(&own, &volume, length_mm);
        for (slice, pieces) in made.slices() {
            assert!(pieces.iter().all(|piece| piece.holes.len() == 1), "slice {slice}");
        }
    }
    // Nothing of nothing, and nothing by nothing.
    assert_eq!(smoothed_across(&own, &volume, 0.0, &Progress::new()).unwrap(), own);
    let none = Region::default();
    assert!(smoothed_across(&none, &volume, 3.0, &Progress::new()).unwrap().is_empty());
    let stopped = Progress::new();
    stopped.cancel();
    assert!(smoothed_across(&own, &volume, 3.0, &stopped).is_err());
}
