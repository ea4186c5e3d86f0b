//! Against closed forms: balls, necks and limits.

use super::*;
use crate::edit::Window;
use crate::geometry::{Grid, Plane, Point2, Vector3};
use crate::patient::{Slice, Unit, Volume, Voxels};
use std::f64::consts::PI;

/// 90 x 60 x 30 voxels of 1 x 1 x 2 mm from (0, 0, 0), SUV by position.
fn volume(value: impl Fn(Point3) -> f64 + Sync) -> Volume {
    volume_at(&std::array::from_fn(|k| k as f64 * 2.0), value)
}

/// The same with its slices at other places, mm.
fn volume_at(offsets_mm: &[f64; 30], value: impl Fn(Point3) -> f64 + Sync) -> Volume {
    let steps = [Vector3::x(), Vector3::y(), Vector3::z() * 2.0];
    let grid = Grid::new([90, 60, 30], Point3::origin(), steps).unwrap();
    let voxels = (0..30)
        .flat_map(|k| (0..60).flat_map(move |j| (0..90).map(move |i| [i, j, k])))
        .map(|at: [u32; 3]| {
            let [i, j, k] = at;
            let point = Point3::new(f64::from(i), f64::from(j), offsets_mm[k as usize]);
            #[expect(clippy::cast_possible_truncation, reason = "SUV")]
            let value = value(point) as f32;
            value
        })
        .collect();
    let slices = offsets_mm
        .iter()
        .map(|offset| {
            let origin_mm = Point3::new(0.0, 0.0, *offset);
            Slice { plane: Plane::axial(origin_mm.z), origin_mm, instance: None, missing: false }
        })
        .collect();
    Volume { grid, voxels: Voxels::F32(voxels), unit: Unit::SuvBw, slices, native: None }
}

fn ball(at: Point3, x: f64, radius: f64) -> f64 {
    (at - Point3::new(x, 30.0, 30.0)).norm() - radius
}

fn grown(volume: &Volume, seed: Point3, growth: &Growth, limit: Option<&Region>) -> Grown {
    grow(&Source::own(volume), seed, growth, limit, &Progress::new()).unwrap()
}

fn volume_mm3(grown: &Grown) -> f64 {
    grown.slices.iter().flat_map(|(_, contours)| contours).map(Polygon::area_mm2).sum::<f64>() * 2.0
}

const SEED: Point3 = Point3::new(22.0, 30.0, 30.0);

#[test]
fn an_isocontour_of_a_hot_ball_has_the_radius_where_the_value_is_reached() {
    // SUV falls by 0.5 a mm from 10 in the middle.
    let pet = volume(|at| (10.0 - 0.5 * ball(at, 25.0, 0.0)).max(0.0));
    let growth = Growth { range: GrowRange::PartOfMaximum(0.41), reach_mm: 40.0, neck_mm: 0.0 };
    let hot = grown(&pet, SEED, &growth, None);
    let radius = (volume_mm3(&hot) * 3.0 / (4.0 * PI)).cbrt();
    assert!((radius - 0.59 * 10.0 / 0.5).abs() < 0.15, "{radius}");
    assert!((hot.range.unwrap().low - 4.1).abs() < 0.05);
    let fixed = ValueRange { low: 5.0, high: f32::MAX };
    let above = grown(&pet, SEED, &Growth { range: GrowRange::Fixed(fixed), ..growth }, None);
    assert!(((volume_mm3(&above) * 3.0 / (4.0 * PI)).cbrt() - 10.0).abs() < 0.15);
    let cold = Point3::new(70.0, 5.0, 5.0);
    assert!(grown(&pet, cold, &Growth { range: GrowRange::Fixed(fixed), ..growth }, None).slices.is_empty());
}

#[test]
fn what_is_cut_off_from_the_start_is_left_out() {
    let block = Block {
        first: 0,
        window: Window { low: [0, 0], size: [6, 2] },
        dims: [6, 2, 2],
        pixel_mm: [1.0, 1.0],
        gaps_mm: vec![2.0],
        values: Vec::new(),
    };
    // Two columns joined across a corner and a slice, and one apart.
    let reached: Vec<bool> = (0..24).map(|at| [0, 13 + 6, 4, 5].contains(&at)).collect();
    let held = |start: usize| -> Vec<usize> {
        let kept = block.together(&reached, start);
        (0..24).filter(|at| kept[*at]).collect()
    };
    assert_eq!((held(0), held(19)), (vec![0, 19], vec![0, 19]));
    assert_eq!(held(5), vec![4, 5]);
    // From a start that is not reached itself: with the nearest.
    assert_eq!((held(3), held(6)), (vec![4, 5], vec![0, 19]));
    assert!(block.together(&[false; 24], 3).iter().all(|kept| !kept));
}

#[test]
fn a_neck_and_a_reach_hold_growing_back() {
    // Two balls of 10 mm joined by a bridge 4 mm wide.
    let bridged = volume(|at| {
        let bridge = (at.y - 30.0).hypot(at.z - 30.0) - 2.0;
        let bridge = if (25.0..60.0).contains(&at.x) { bridge } else { 9.0 };
        let depth = ball(at, 25.0, 10.0).min(ball(at, 60.0, 10.0)).min(bridge);
        5.0 - 4.0 * depth.clamp(-1.0, 1.0)
    });
    let one = 4.0 / 3.0 * PI * 1000.0;
    let range = GrowRange::Fixed(ValueRange { low: 5.0, high: 99.0 });
    let all = volume_mm3(&grown(&bridged, SEED, &Growth { range, reach_mm: 80.0, neck_mm: 0.0 }, None));
    assert!(all > 2.0 * one, "{all}");
    let held = grown(&bridged, SEED, &Growth { range, reach_mm: 80.0, neck_mm: 7.0 }, None);
    let held = volume_mm3(&held);
    assert!((held / one - 1.0).abs() < 0.06, "{held} of {one}");
    let short = volume_mm3(&grown(&bridged, SEED, &Growth { range, reach_mm: 18.0, neck_mm: 0.0 }, None));
    assert!(short < 1.3 * one, "{short}");
    // Within one ball, neither leads over, however wide the neck may be; it ends at the limit.
    let ring: Vec<Point2> = (0..90)
        .map(|n| {
            let (sine, cosine) = (f64::from(n) * PI / 45.0).sin_cos();
            Point2::new(25.0 + 8.0 * cosine, 30.0 + 8.0 * sine)
        })
        .collect();
    let tube = Region::from_slices((0..30).map(|k| (k, vec![Polygon::from_outer(ring.clone())])));
    let growth = Growth { range, reach_mm: 80.0, neck_mm: 0.0 };
    let within = grown(&bridged, SEED, &growth, Some(&tube));
    // The ball of 10 mm in the tube of 8 mm: a sphere less the caps and the ring beside the tube.
    let wanted = 4.0 / 3.0 * PI * (1000.0 - 36.0_f64.powf(1.5));
    assert!((volume_mm3(&within) / wanted - 1.0).abs() < 0.04, "{} of {wanted}", volume_mm3(&within));
    let widest = within.slices.iter().flat_map(|(_, own)| own).flat_map(|own| &own.outer);
    assert!(widest.map(|at| (at.x - 25.0).hypot(at.y - 30.0)).fold(0.0, f64::max) < 8.0 + 1e-3);
    let beside = grown(&bridged, Point3::new(60.0, 30.0, 30.0), &growth, Some(&tube));
    assert!(beside.slices.is_empty());
    let similar = Growth { range: GrowRange::Similar { tolerance: 3.0 }, reach_mm: 80.0, neck_mm: 7.0 };
    let similar = volume_mm3(&grown(&bridged, SEED, &similar, None));
    assert!((similar / one - 1.0).abs() < 0.12, "{similar} of {one}");
}

/// 2 mm apart up to slice 14, then 6 mm.
fn uneven() -> [f64; 30] {
    std::array::from_fn(|k| if k <= 14 { k as f64 * 2.0 } else { 28.0 + (k - 14) as f64 * 6.0 })
}

#[test]
fn on_uneven_slices_the_reach_is_as_long_to_both_sides() {
    let tube = volume_at(&uneven(), |at| if (at.x - 25.0).hypot(at.y - 30.0) < 10.0 { 9.0 } else { 0.0 });
    let range = GrowRange::Fixed(ValueRange { low: 5.0, high: 99.0 });
    let growth = Growth { range, reach_mm: 24.5, neck_mm: 0.0 };
    let own = grown(&tube, Point3::new(25.0, 30.0, 28.0), &growth, None);
    let ends = own.slices.first().zip(own.slices.last()).map(|(first, last)| (first.0, last.0));
    // 12 slices of 2 mm down, 4 of 6 mm up.
    assert_eq!(ends, Some((2, 18)));
}

#[test]
fn on_uneven_slices_a_neck_is_as_wide_as_it_is() {
    // Two blocks, joined by a layer that is either three slices of 2 mm (8 mm from beyond to beyond) or one
    // of 6 mm (12 mm).
    let range = GrowRange::Fixed(ValueRange { low: 5.0, high: 99.0 });
    let growth = Growth { range, reach_mm: 200.0, neck_mm: 9.0 };
    for (layer, passes) in [([12.0, 16.0], false), ([64.0, 64.0], true)] {
        let joined = volume_at(&uneven(), |at| {
            let is_block = (5.0..=35.0).contains(&at.x) || (55.0..=85.0).contains(&at.x);
            let is_layer = (35.0..=55.0).contains(&at.x) && (layer[0]..=layer[1]).contains(&at.z);
            if (10.0..=50.0).contains(&at.y) && (is_block || is_layer) { 9.0 } else { 0.0 }
        });
        let own = grown(&joined, Point3::new(20.0, 30.0, 28.0), &growth, None);
        let points = own.slices.iter().flat_map(|(_, own)| own).flat_map(|own| &own.outer);
        let farthest = points.map(|at| at.x).fold(0.0, f64::max);
        assert_eq!(farthest > 60.0, passes, "{layer:?}: {farthest}");
    }
}

#[test]
fn growing_stops_when_asked_to() {
    let flat = volume(|_| 5.0);
    let range = GrowRange::Fixed(ValueRange { low: 4.0, high: 6.0 });
    let growth = Growth { range, reach_mm: 80.0, neck_mm: 4.0 };
    let stop = Progress::new();
    stop.cancel();
    assert_eq!(grow(&Source::own(&flat), SEED, &growth, None, &stop), Err(Cancelled));
    let open = Progress::new();
    assert!(!grow(&Source::own(&flat), SEED, &growth, None, &open).unwrap().slices.is_empty());
    assert!((0.85..=1.0).contains(&open.fraction()), "{}", open.fraction());
}
