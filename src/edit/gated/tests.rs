use super::*;
use crate::geometry::{Grid, Plane, Vector3, stroke};
use crate::patient::{Slice, Unit, Volume, Voxels};
use std::f64::consts::PI;

/// 80 x 80 x 9 voxels of 0.9 x 0.9 x 3 mm, turned in the plane; values by position in mm from the
/// middle of the slice, with noise of a few HU.
fn volume(value: impl Fn(f64, f64, usize) -> f64) -> Volume {
    let axes = [Vector3::new(0.96, 0.28, 0.0), Vector3::new(-0.28, 0.96, 0.0), Vector3::z()];
    let grid =
        Grid::new([80, 80, 9], Point3::new(-20.0, -50.0, 0.0), [axes[0] * 0.9, axes[1] * 0.9, axes[2] * 3.0])
            .unwrap();
    let mut seed = 1_u32;
    let mut noise = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(seed >> 16) / 65_536.0 * 8.0 - 4.0
    };
    let middle = grid.patient_of([39.5, 39.5, 0.0]);
    let mut voxels = Vec::new();
    for k in 0..9 {
        for j in 0..80 {
            for i in 0..80 {
                let at = grid.patient_of([f64::from(i), f64::from(j), 0.0]) - middle;
                #[expect(clippy::cast_possible_truncation, reason = "HU")]
                voxels.push((value(at.x, at.y, k) + noise()).round() as i16);
            }
        }
    }
    let slices = (0..9)
        .map(|k| {
            let origin_mm = grid.patient_of([0.0, 0.0, f64::from(k)]);
            Slice {
                plane: Plane::new(origin_mm, axes[0], axes[1]).unwrap(),
                origin_mm,
                instance: None,
                missing: false,
            }
        })
        .collect();
    Volume { grid, voxels: Voxels::I16(voxels), unit: Unit::Hu, slices, native: None }
}

/// A ball-edged disc: 60 HU inside, -90 outside, blurred like a scanner does over 1.5 mm.
fn edge(distance: f64) -> f64 {
    -15.0 - 75.0 * (distance / 0.75).tanh()
}

fn middle(volume: &Volume, k: f64) -> Point3 {
    volume.grid.patient_of([39.5, 39.5, k])
}

fn area(polygons: &[Polygon]) -> f64 {
    polygons.iter().map(Polygon::area_mm2).sum()
}

/// What a disc on the slice nearest to `center` paints.
fn on_slice(volume: &Volume, center: Point3, radius_mm: f64) -> Vec<Stamp> {
    let slice = volume.nearest_slice(center.z).unwrap();
    through(volume, center, radius_mm, slice..slice + 1)
}

/// What a disc through some slices paints.
fn through(volume: &Volume, center: Point3, radius_mm: f64, slices: std::ops::Range<usize>) -> Vec<Stamp> {
    adaptive(&Source::own(volume), center, radius_mm, 3.0, slices, |_, plane| {
        stroke::swept_disc(&[plane.project(center)], radius_mm, 0.02)
    })
}

#[test]
fn the_adaptive_brush_stops_at_the_edge_to_a_fraction_of_a_pixel() {
    let ct = volume(|x, y, _| edge(x.hypot(y) - 9.3));
    let stamps = on_slice(&ct, middle(&ct, 4.0), 14.0);
    assert_eq!(stamps.len(), 1);
    assert_eq!((stamps[0].0, stamps[0].1.len()), (4, 1));
    let radius = (area(&stamps[0].1) / PI).sqrt();
    assert!((radius - 9.3).abs() < 0.25, "{radius}");
    let away = middle(&ct, 4.0) + Vector3::new(4.0, 0.0, 0.0);
    let clipped = on_slice(&ct, away, 3.0);
    let painted = area(&clipped[0].1);
    assert!((painted - 9.0 * PI).abs() < 0.5, "in one tissue it is a plain disc: {painted}");
}

#[test]
fn what_does_not_hang_together_with_the_centre_stays_out() {
    let two = volume(|x, y, _| edge((x + 8.0).hypot(y) - 5.0).max(edge((x - 8.0).hypot(y) - 5.0)));
    let left = middle(&two, 4.0) - Vector3::new(8.0, 0.0, 0.0);
    let stamps = on_slice(&two, left, 20.0);
    let radius = (area(&stamps[0].1) / PI).sqrt();
    assert!((radius - 5.0).abs() < 0.3, "{radius}");
}

#[test]
fn across_slices_a_ball_follows_the_tissue() {
    // The disc ends above slice 5.
    let ct = volume(|x, y, k| if k <= 5 { edge(x.hypot(y) - 6.0) } else { -90.0 });
    let center = middle(&ct, 4.0);
    let stamps = adaptive(&Source::own(&ct), center, 9.0, 3.0, 0..9, |_, plane| {
        stroke::swept_ball_section(&[center], 9.0, plane, 0.02)
    });
    let mut slices: Vec<usize> = stamps.iter().map(|(slice, _)| *slice).collect();
    slices.sort_unstable();
    assert_eq!(slices, [2, 3, 4, 5]);
    for (slice, painted) in stamps {
        let height = (slice as f64 - 4.0) * 3.0;
        let wanted = (81.0 - height * height).sqrt().min(6.0);
        assert!(((area(&painted) / PI).sqrt() - wanted).abs() < 0.3, "slice {slice}");
    }
}

#[test]
fn a_slab_paints_its_disc_on_every_slice_that_the_tissue_reaches() {
    // The disc ends above slice 5 and grows narrower below.
    let radius = |k: usize| 4.0 + k as f64;
    let ct = volume(|x, y, k| if k <= 5 { edge(x.hypot(y) - radius(k)) } else { -90.0 });
    let mut stamps = through(&ct, middle(&ct, 4.0), 12.0, 1..8);
    stamps.sort_by_key(|(slice, _)| *slice);
    assert_eq!(stamps.iter().map(|(slice, _)| *slice).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    for (slice, painted) in stamps {
        let got = (area(&painted) / PI).sqrt();
        assert!((got - radius(slice)).abs() < 0.3, "slice {slice}: {got}");
    }
    // Smaller than the organ, it is the disc; smaller than a pixel, between two, still one.
    let small = through(&ct, middle(&ct, 4.0), 3.0, 4..6);
    assert!(small.len() == 2 && small.iter().all(|(_, painted)| (area(painted) - 9.0 * PI).abs() < 0.5));
    assert!(through(&ct, middle(&ct, 4.0), 3.0, 6..8).is_empty(), "the slice of the centre is left out");
    let between = ct.grid.patient_of([39.5, 39.5, 4.0]);
    assert!((area(&on_slice(&ct, between, 0.5)[0].1) - 0.25 * PI).abs() < 0.05);
}

#[test]
fn a_range_of_another_image_cuts_where_its_values_lie() {
    let ct = volume(|_, _, _| 0.0);
    let plane = ct.slices[4].plane;
    let center = middle(&ct, 4.0);
    // 3 mm voxels of their own, falling by 1 a mm from 10 over the middle of the slice.
    let steps = [Vector3::x(), Vector3::y(), Vector3::z()].map(|axis| axis * 3.0);
    let grid = Grid::new([12, 30, 9], center - Vector3::new(12.0, 45.0, 12.0), steps).unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "a few units")]
    let value = |n: usize| (10.0 - (grid.patient_of([(n % 12) as f64, 0.0, 0.0]).x - center.x)) as f32;
    let voxels = Voxels::F32((0..grid.len()).map(value).collect());
    let slices = Slice::all_of(&grid);
    let pet = Volume { grid, voxels, unit: Unit::SuvBw, slices, native: None };
    let source = Source::of_other(&ct, &pet);
    let disc = stroke::swept_disc(&[plane.project(center)], 8.0, 0.02);
    // Between 2 mm on one side and 2 mm on the other of the middle.
    let got = area(&in_range(&source, 4, &plane, &disc, ValueRange { low: 8.0, high: 12.0 }));
    let angle = (2.0_f64 / 8.0).acos();
    let wanted = PI * 64.0 - 2.0 * (64.0 * angle - 2.0 * 8.0 * angle.sin());
    assert!((got - wanted).abs() < 0.02 * wanted, "{got} instead of {wanted}");
    let own = in_range(&Source::own(&ct), 4, &plane, &disc, ValueRange { low: 8.0, high: 12.0 });
    assert!(own.is_empty());
    // Beyond the other image there is nothing: its last centres lie 12 mm to one side.
    let aside = center - Vector3::new(12.0, 0.0, 0.0);
    let disc = stroke::swept_disc(&[plane.project(aside)], 8.0, 0.02);
    let half = area(&in_range(&source, 4, &plane, &disc, ValueRange { low: 0.0, high: 99.0 }));
    assert!((half - PI * 32.0).abs() < 0.15 * PI * 32.0, "{half}");
}

#[test]
fn a_range_cuts_the_shape_between_the_pixels() {
    let ramp = volume(|x, _, _| x * 10.0);
    let plane = ramp.slices[4].plane;
    let center = plane.project(middle(&ramp, 4.0));
    let disc = stroke::swept_disc(&[center], 10.0, 0.02);
    let half = in_range(&Source::own(&ramp), 4, &plane, &disc, ValueRange { low: 0.0, high: 1000.0 });
    assert!((area(&half) - 50.0 * PI).abs() < 3.0, "{}", area(&half));
    assert!(
        in_range(&Source::own(&ramp), 4, &plane, &disc, ValueRange { low: 500.0, high: 600.0 }).is_empty()
    );
}
