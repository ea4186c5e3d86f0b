//! Closed forms: balls, tubes and shells with noise, on anisotropic and oblique grids.

use super::*;
use crate::edit::ValueRange;
use crate::edit::algebra::Region;
use crate::geometry::rasterise::{self, Frame};
use crate::geometry::{Grid, OrientedBox, Plane, Point3, Polygon, Vector3};
use crate::patient::{Slice, Unit, Volume, Voxels};
use crate::progress::Progress;
use std::f64::consts::PI;

/// A volume of these steps from the origin, with the value of each voxel by its patient position.
fn volume_along(steps: [Vector3; 3], dims: [usize; 3], unit: Unit, value: impl Fn(Point3) -> f64) -> Volume {
    let grid = Grid::new(dims, Point3::origin(), steps).unwrap();
    let voxels = (0..grid.len())
        .map(|at| {
            let voxel = [at % dims[0], at / dims[0] % dims[1], at / (dims[0] * dims[1])];
            #[expect(clippy::cast_possible_truncation, reason = "an image value")]
            let value = value(grid.patient_of(voxel.map(|n| n as f64))) as f32;
            value
        })
        .collect();
    let slices = Slice::all_of(&grid);
    Volume { grid, voxels: Voxels::F32(voxels), unit, slices, native: None }
}

fn axial(dims: [usize; 3], unit: Unit, value: impl Fn(Point3) -> f64) -> Volume {
    volume_along([Vector3::x(), Vector3::y(), Vector3::z() * 2.0], dims, unit, value)
}

/// Noise that is the same every time, about -1 to 1.
fn noise(point: Point3) -> f64 {
    let mixed = point.x * 12.9898 + point.y * 78.233 + point.z * 37.719;
    (mixed.sin() * 43_758.545).fract() * 2.0 - mixed.sin().signum()
}

fn off(point: Point3, center: Point3, radius: f64) -> f64 {
    (point - center).norm() - radius
}

fn radius_of(region: &Region, volume: &Volume) -> f64 {
    (region.volume_mm3(volume) * 3.0 / (4.0 * PI)).cbrt()
}

/// The pixels whose centres lie in a region.
fn pixels(region: &Region, volume: &Volume) -> Vec<bool> {
    (0..volume.slices.len())
        .flat_map(|slice| {
            let frame = Frame::of_slice(&volume.grid, slice, &volume.slices[slice].plane).unwrap();
            rasterise::polygons(region.on(slice), &frame)
        })
        .collect()
}

fn range(low: f32, high: f32) -> ValueRange {
    ValueRange { low, high }
}

fn all(range: ValueRange) -> Threshold {
    Threshold { range, keep: Keep::All, fill_holes: false }
}

fn found(volume: &Volume, what: &Threshold, limit: Option<&Region>) -> Region {
    threshold(&Source::own(volume), what, limit, &Progress::new()).unwrap()
}

const MIDDLE: Point3 = Point3::new(30.0, 30.0, 30.0);
const AROUND: SearchArea = SearchArea::Ball { center: MIDDLE, radius_mm: 22.0 };

#[test]
fn a_threshold_holds_exactly_the_pixels_in_range_on_an_oblique_grid() {
    let turn = nalgebra::Rotation3::from_euler_angles(0.4, -0.3, 0.6);
    let steps = [turn * Vector3::x() * 0.9, turn * Vector3::y() * 1.3, turn * Vector3::z() * 2.5];
    let center = Point3::from((steps[0] + steps[1] + steps[2]) * 12.0);
    let value = |at: Point3| 100.0 - 10.0 * off(at, center, 9.0) + 20.0 * noise(at);
    let volume = volume_along(steps, [26, 25, 24], Unit::Arbitrary, value);
    for what in [all(range(60.0, 1e6)), all(range(80.0, 120.0))] {
        let inside = pixels(&found(&volume, &what, None), &volume);
        let wanted: Vec<bool> =
            (0..inside.len()).map(|at| what.range.depth(volume.voxels.value(at).unwrap()) >= 0.0).collect();
        assert_eq!(inside, wanted);
    }
    // Without noise the outline is the sphere where the value is passed.
    let clean = volume_along(steps, [26, 25, 24], Unit::Arbitrary, |at| 100.0 - 10.0 * off(at, center, 9.0));
    let radius = radius_of(&found(&clean, &all(range(100.0, 1e6)), None), &clean);
    assert!((radius - 9.0).abs() < 0.1, "{radius}");
}

#[test]
fn a_limit_cuts_a_threshold_along_itself_and_pieces_are_chosen_within_it() {
    // Two balls and a crumb of 100 in 0.
    let at = |x: f64| Point3::new(x, 30.0, 30.0);
    let value = |point: Point3| {
        let near = off(point, at(18.0), 10.0).min(off(point, at(45.0), 8.0)).min(off(point, at(58.0), 1.5));
        50.0 - 50.0 * near.clamp(-1.0, 1.0)
    };
    let volume = axial([64, 60, 30], Unit::Hu, value);
    let ball_cc = |radius: f64| 4.0 / 3.0 * PI * radius * radius * radius / 1000.0;
    let near = |region: &Region, cc: f64| {
        let got = region.volume_mm3(&volume) / 1000.0;
        assert!((got - cc).abs() < 0.03 * cc, "{got} instead of {cc}");
    };
    let what = all(range(50.0, 1e6));
    near(&found(&volume, &Threshold { keep: Keep::Largest, ..what }, None), ball_cc(10.0));
    near(
        &found(&volume, &Threshold { keep: Keep::AtLeast(1.0), ..what }, None),
        ball_cc(10.0) + ball_cc(8.0),
    );
    near(&found(&volume, &Threshold { keep: Keep::Holding(at(45.0)), ..what }, None), ball_cc(8.0));
    assert!(found(&volume, &Threshold { keep: Keep::Holding(at(32.0)), ..what }, None).is_empty());
    // A ball as the limit: half of each, and nothing crosses it.
    let limit = ball(&volume, at(18.0), 6.0);
    let within = found(&volume, &what, Some(&limit));
    near(&within, limit.volume_mm3(&volume) / 1000.0);
    assert!((radius_of(&limit, &volume) - 6.0).abs() < 0.1);
    let both = pixels(&found(&volume, &what, None), &volume);
    let half = ball(&volume, at(28.0), 8.0);
    let (cut, half_in) = (pixels(&found(&volume, &what, Some(&half)), &volume), pixels(&half, &volume));
    let wrong = (0..both.len()).filter(|at| cut[*at] != (both[*at] && half_in[*at])).count();
    assert_eq!(wrong, 0);
}

#[test]
fn a_missing_slice_and_pixels_without_value_are_left_out_and_holes_are_filled_on_request() {
    let shell = |point: Point3| if (8.0..12.0).contains(&(point - MIDDLE).norm()) { 100.0 } else { 0.0 };
    let mut volume = axial([60, 60, 30], Unit::Hu, shell);
    volume.slices[16].missing = true;
    let Voxels::F32(values) = &mut volume.voxels else { panic!() };
    values[30 + 60 * (20 + 60 * 14)] = f32::NAN;
    let what = all(range(50.0, 1e6));
    let region = found(&volume, &what, None);
    assert!(region.on(16).is_empty() && !region.on(15).is_empty() && !region.on(17).is_empty());
    assert_eq!(region.on(15)[0].holes.len(), 1);
    let filled = found(&volume, &Threshold { fill_holes: true, ..what }, None);
    let area: f64 = filled.on(15).iter().map(Polygon::area_mm2).sum();
    assert!((area - PI * 144.0).abs() < 20.0, "{area}");
    assert!(
        found(&volume, &all(range(-1.0, 1.0)), None)
            .on(14)
            .iter()
            .all(|piece| { !piece.contains(volume.slices[14].plane.project(Point3::new(30.0, 20.0, 28.0))) })
    );
}

#[test]
fn the_line_of_equal_value_passes_through_the_pointer_in_every_view() {
    let volume = axial([64, 60, 30], Unit::Hu, |at| -10.0 * off(at, MIDDLE, 0.0));
    let tilted = Plane::new(MIDDLE, Vector3::x(), Vector3::new(0.0, 1.0, 0.7)).unwrap();
    let sagittal = Plane::new(MIDDLE, Vector3::y(), Vector3::z()).unwrap();
    for (view, way) in [(Plane::axial(30.0), Vector3::x()), (sagittal, Vector3::y()), (tilted, Vector3::x())]
    {
        let found = level_line(&Source::own(&volume), &view, MIDDLE + way * 12.3).unwrap();
        assert!((found.level + 123.0).abs() < 1.0, "{}", found.level);
        for point in &found.line {
            assert!((off(*point, MIDDLE, 12.3)).abs() < 0.15, "{point}");
            assert!(view.distance_mm(*point).abs() < 1e-9);
        }
        let length: f64 = (0..found.line.len())
            .map(|n| (found.line[(n + 1) % found.line.len()] - found.line[n]).norm())
            .sum();
        assert!((length - 2.0 * PI * 12.3).abs() < 0.02 * length, "{length}");
    }
    // A line that leaves the image is closed along its border; flat tissue has none.
    let open = level_line(&Source::own(&volume), &Plane::axial(30.0), Point3::new(30.0, 1.5, 30.0)).unwrap();
    assert!(open.line.iter().all(|point| point.x > -1.0 && point.y > -1.0 && point.y < 60.0));
    let flat = axial([10, 10, 3], Unit::Hu, |_| 7.0);
    assert!(level_line(&Source::own(&flat), &Plane::axial(2.0), Point3::new(4.2, 4.1, 2.0)).is_none());
    assert!(level_line(&Source::own(&flat), &Plane::axial(2.0), Point3::new(40.0, 4.1, 2.0)).is_none());
}

#[test]
fn scribbles_part_two_organs_in_noise_and_even_tissue_half_way() {
    // A ball of 60 beside tissue of 20, noise of 10 either way.
    let value = |at: Point3| {
        let depth = off(at, MIDDLE, 14.0).clamp(-0.5, 0.5);
        40.0 - 40.0 * depth + 10.0 * noise(at)
    };
    let volume = axial([60, 60, 30], Unit::Hu, value);
    let line = |x: f64, y: f64, z: f64, belongs: bool| Scribble {
        path: vec![Point3::new(x - 4.0, y, z), Point3::new(x + 4.0, y, z)],
        radius_mm: 1.0,
        belongs,
    };
    let scribbles = [
        line(30.0, 30.0, 30.0, true),
        line(30.0, 30.0, 24.0, true),
        line(30.0, 52.0, 30.0, false),
        line(30.0, 8.0, 30.0, false),
    ];
    let source = Source::own(&volume);
    let region = from_scribbles(&source, &scribbles, 25.0, &Progress::new()).unwrap();
    let radius = radius_of(&region, &volume);
    assert!((radius - 14.0).abs() < 0.7, "{radius}");
    let alone = from_scribbles(&source, &scribbles[..1], 25.0, &Progress::new());
    assert_eq!(alone.unwrap_err(), ScribbleError::OneKind);
    let stopped = Progress::new();
    stopped.cancel();
    assert!(from_scribbles(&source, &scribbles, 25.0, &stopped).is_err());
    let flat = axial([60, 20, 3], Unit::Hu, |_| 20.0);
    let ends = [(10.0, true), (50.0, false)].map(|(x, belongs)| Scribble {
        path: vec![Point3::new(x, 0.0, 2.0), Point3::new(x, 19.0, 2.0)],
        radius_mm: 0.5,
        belongs,
    });
    let half = from_scribbles(&Source::own(&flat), &ends, 100.0, &Progress::new()).unwrap();
    let area: f64 = half.on(1).iter().map(Polygon::area_mm2).sum();
    assert!((area - 30.5 * 20.0).abs() < 25.0, "{area}");
}

/// A flat image of 20 x 20 pixels of 1 mm with slices at these places, mm.
fn flat_at(offsets_mm: &[f64]) -> Volume {
    let mut flat = axial([20, 20, offsets_mm.len()], Unit::Hu, |_| 20.0);
    for (slice, offset) in flat.slices.iter_mut().zip(offsets_mm) {
        slice.plane = slice.plane.at_offset(*offset);
        slice.origin_mm.z = *offset;
    }
    flat
}

#[test]
fn scribbles_meet_half_way_in_millimetres_on_uneven_slices() {
    let flat = flat_at(&[0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 24.0]);
    let ends = [(0.0, true), (24.0, false)].map(|(z, belongs)| Scribble {
        path: vec![Point3::new(2.0, 10.0, z), Point3::new(17.0, 10.0, z)],
        radius_mm: 0.5,
        belongs,
    });
    let half = from_scribbles(&Source::own(&flat), &ends, 100.0, &Progress::new()).unwrap();
    assert_eq!(half.span(), Some((0, 5)));
    let area: f64 = half.on(5).iter().map(Polygon::area_mm2).sum();
    assert!((area - 400.0).abs() < 5.0, "{area}");
}

#[test]
fn slices_beside_others_are_counted_by_the_way_to_them() {
    let flat = flat_at(&[0.0, 2.0, 4.0, 6.0, 12.0, 18.0, 24.0]);
    let source = Source::own(&flat);
    assert_eq!(source.gaps_mm(1, 4), [2.0, 2.0, 6.0]);
    assert!(source.gaps_mm(6, 1).is_empty());
    // 4.9 mm hold two slices of 2 mm, and of one of 6 mm more than half.
    assert_eq!(source.slices_around(3, 3, 4.9), 1..5);
    assert_eq!((source.slices_around(3, 4, 0.5), source.slices_around(3, 4, 500.0)), (3..5, 0..7));
}

#[test]
fn uptake_has_the_radius_of_its_edge_whatever_the_background() {
    for background in [0.5, 3.0] {
        // 10 inside, an edge that rises over about 6 mm, a hotter thing outside the ball.
        let value = |at: Point3| {
            let edge = 1.0 / (1.0 + (off(at, MIDDLE, 12.0) / 1.5).exp());
            background + (10.0 - background) * edge + if at.x > 58.0 { 90.0 } else { 0.0 }
        };
        let pet = axial([64, 60, 30], Unit::SuvBw, value);
        let look = |what| uptake(&Source::own(&pet), &AROUND, what, &Progress::new()).unwrap();
        let edge = look(Uptake::Edge);
        assert!((edge.maximum - 10.0).abs() < 0.05, "{}", edge.maximum);
        let radius = radius_of(&edge.region, &pet);
        assert!((radius - 12.0).abs() < 0.6, "edge at {radius} over {background}");
        let level = 5.0;
        let fixed = radius_of(&look(Uptake::Above(level)).region, &pet);
        let wanted = 12.0 + 1.5 * ((10.0 - background) / (f64::from(level) - background) - 1.0).ln();
        assert!((fixed - wanted).abs() < 0.2, "{fixed} instead of {wanted}");
        let part = look(Uptake::PartOfMaximum(0.5));
        assert!((part.level - 5.0).abs() < 0.03 && (radius_of(&part.region, &pet) - wanted).abs() < 0.2);
        assert!(look(Uptake::Above(11.0)).region.is_empty());
        // In a box that holds the ball without its lower half: what is hot beside it has no say.
        let axes = [Vector3::x(), Vector3::y(), Vector3::z()];
        let half = OrientedBox::new(axes, [12.0, 12.0, 29.0], [48.0, 48.0, 50.0]).unwrap();
        let area = SearchArea::Box(half);
        let upper = uptake(&Source::own(&pet), &area, Uptake::PartOfMaximum(0.5), &Progress::new()).unwrap();
        assert!((upper.level - 5.0).abs() < 0.03, "{}", upper.level);
        let slices: Vec<usize> = upper.region.slices().map(|(slice, _)| slice).collect();
        assert!(slices.iter().all(|slice| (15..=25).contains(slice)), "{slices:?}");
        for slice in slices {
            let [own, whole] = [&upper.region, &part.region]
                .map(|region| region.on(slice).iter().map(Polygon::area_mm2).sum::<f64>());
            assert!((own - whole).abs() < 0.01 * whole + 0.1, "{own} instead of {whole} on slice {slice}");
        }
        // On the slices of other images, 1.7 times finer and shifted.
        let steps = [Vector3::x() * 0.6, Vector3::y() * 0.6, Vector3::z() * 3.0];
        let ct = volume_along(steps, [100, 100, 20], Unit::Hu, |_| 0.0);
        let source = Source::of_other(&ct, &pet);
        let other = uptake(&source, &AROUND, Uptake::PartOfMaximum(0.5), &Progress::new()).unwrap();
        let radius = radius_of(&other.region, &ct);
        assert!((radius - wanted).abs() < 0.25, "{radius} instead of {wanted} on other slices");
        // In a region as in the ball that it comes from, with the other image's own greatest voxel.
        for (source, own) in [(Source::own(&pet), &part), (source, &other)] {
            let limit = AROUND.region(source.volume);
            let within =
                uptake_within(&source, &limit, Uptake::PartOfMaximum(0.5), &Progress::new()).unwrap();
            assert_eq!((within.maximum, within.region == own.region), (own.maximum, true));
            let none = Region::default();
            let nothing = uptake_within(&source, &none, Uptake::Edge, &Progress::new()).unwrap();
            assert!(nothing.region.is_empty() && nothing.maximum.is_nan());
        }
    }
}

/// A trunk of muscle with two lungs, a trachea that forks into them, vessels and ribs.
fn chest(bridge: bool) -> (Volume, Vec<bool>) {
    let value = |at: Point3| {
        let lung = |x: f64| ((at.x - x) / 26.0).hypot((at.y - 60.0) / 34.0).hypot((at.z - 45.0) / 60.0) - 1.0;
        let tube = |from: Point3, to: Point3, radius: f64| {
            let along = to - from;
            let t = ((at - from).dot(&along) / along.norm_squared()).clamp(0.0, 1.0);
            (at - (from + along * t)).norm() - radius
        };
        let carina = Point3::new(80.0, 64.0, 62.0);
        let trachea = tube(Point3::new(80.0, 64.0, 140.0), carina, 8.0);
        let left = tube(carina, Point3::new(104.0, 62.0, 46.0), 5.0);
        let right = tube(carina, Point3::new(56.0, 62.0, 46.0), 5.0);
        let air = trachea.min(left).min(right);
        let vessel = tube(Point3::new(100.0, 58.0, 30.0), Point3::new(130.0, 58.0, 30.0), 2.0);
        let rib = ((at.x - 80.0) / 74.0).hypot((at.y - 60.0) / 48.0);
        let lungs = lung(46.0).min(lung(114.0));
        let joined =
            bridge && (at.y - 36.0).abs() < 1.5 && (at.x - 80.0).abs() < 30.0 && (at.z - 40.0).abs() < 8.0;
        let clean = if air < 0.0 {
            -1000.0
        } else if air < 1.6 {
            20.0
        } else if vessel < 0.0 {
            40.0
        } else if lungs < 0.0 || joined {
            -850.0
        } else if (0.92..0.98).contains(&rib) && (at.z / 12.0).fract() < 0.45 {
            700.0
        } else {
            30.0
        };
        clean + 25.0 * noise(at)
    };
    let volume = volume_along(
        [Vector3::x() * 2.0, Vector3::y() * 2.0, Vector3::z() * 3.0],
        [80, 60, 46],
        Unit::Hu,
        value,
    );
    let body = (0..volume.grid.len())
        .map(|at| {
            let (x, y) = ((at % 80) as f64 * 2.0, (at / 80 % 60) as f64 * 2.0);
            ((x - 80.0) / 78.0).hypot((y - 60.0) / 56.0) < 1.0
        })
        .collect();
    (volume, body)
}

#[test]
fn lungs_come_apart_and_leave_the_airways_out() {
    let one_cc = 4.0 / 3.0 * PI * 26.0 * 34.0 * 60.0 / 1000.0;
    for bridge in [false, true] {
        let (volume, body) = chest(bridge);
        let look = |side| lungs(&volume, &body, side, 4.0, &Progress::new()).unwrap();
        let (left, right) = (look(LungSide::Left), look(LungSide::Right));
        for (region, x) in [(&left, 114.0), (&right, 46.0)] {
            let cc = region.volume_mm3(&volume) / 1000.0;
            // The ball reaches below the image by a little and the bronchus leaves it.
            assert!((cc / one_cc - 0.93).abs() < 0.09, "{cc} of {one_cc}, bridge {bridge}");
            let slice = &volume.slices[15];
            let middle = slice.plane.project(Point3::new(x, 60.0, 45.0));
            assert!(region.on(15).iter().any(|piece| piece.contains(middle)));
        }
        let vessel = volume.slices[10].plane.project(Point3::new(112.0, 58.0, 30.0));
        assert!(left.on(10).iter().any(|piece| piece.contains(vessel)), "the vessel is filled");
        let trachea = volume.slices[30].plane.project(Point3::new(80.0, 64.0, 90.0));
        assert!(look(LungSide::Both).on(30).iter().all(|piece| !piece.contains(trachea)));
    }
}

#[test]
fn lungs_and_airways_go_on_across_a_missing_slice_and_a_wide_gap_is_refused() {
    let (mut volume, body) = chest(false);
    let Voxels::F32(values) = &mut volume.voxels else { panic!() };
    for slice in [15, 28] {
        values[slice * 4800..(slice + 1) * 4800].fill(f32::NAN);
        volume.slices[slice].missing = true;
    }
    let look = |volume: &Volume, side| lungs(volume, &body, side, 4.0, &Progress::new());
    for (side, x) in [(LungSide::Left, 114.0), (LungSide::Right, 46.0)] {
        let region = look(&volume, side).unwrap();
        for slice in [8, 14, 16, 27, 29] {
            let of = &volume.slices[slice];
            // Away from the bronchi, at whose ends the walls of this chest are thinner than a pixel.
            let at = |x: f64| of.plane.project(Point3::new(x, 75.0, of.origin_mm.z));
            let holds = |x: f64| region.on(slice).iter().any(|piece| piece.contains(at(x)));
            assert!(holds(x) && !holds(160.0 - x), "{side:?} on {slice}");
        }
        assert!(region.on(15).is_empty() && region.on(28).is_empty());
    }
    let tree = airways(&volume, &body, None, &Progress::new()).unwrap();
    assert!(!tree.on(35).is_empty() && tree.on(28).is_empty() && !tree.on(24).is_empty());
    assert!(!ends_at_gap(&volume, &tree));
    // 21 mm between those that are there.
    for slice in 24..30 {
        volume.slices[slice].missing = true;
    }
    assert_eq!(look(&volume, LungSide::Left).unwrap_err(), OrganError::Gap);
    let tree = airways(&volume, &body, None, &Progress::new()).unwrap();
    assert!(!tree.on(30).is_empty() && tree.on(23).is_empty() && ends_at_gap(&volume, &tree));
}

#[test]
fn a_lone_slice_has_values_whatever_the_rounding() {
    let volume = axial([4, 4, 1], Unit::Hu, |at| at.x);
    for z in [-1e-6, 0.0, 1e-6] {
        let value = source::sampled(&volume, Point3::new(3.0, 3.0, z));
        assert!((value - 3.0).abs() < 1e-4, "{value}");
    }
}

#[test]
fn airways_are_found_and_do_not_leak() {
    let (volume, body) = chest(false);
    let tube = PI * (64.0 * 73.0 + 2.0 * 25.0 * 26.0) / 1000.0;
    for seed in [None, Some(Point3::new(80.0, 64.0, 90.0))] {
        let region = airways(&volume, &body, seed, &Progress::new()).unwrap();
        let cc = region.volume_mm3(&volume) / 1000.0;
        assert!((cc / tube - 1.0).abs() < 0.35, "{cc} of {tube}");
        let lung = volume.slices[15].plane.project(Point3::new(120.0, 70.0, 45.0));
        assert!(region.on(15).iter().all(|piece| !piece.contains(lung)));
    }
    let muscle = airways(&volume, &body, Some(Point3::new(80.0, 20.0, 90.0)), &Progress::new());
    assert_eq!(muscle.unwrap_err(), OrganError::NoAirway);
    let pet = axial([4, 4, 2], Unit::SuvBw, |_| 1.0);
    assert_eq!(airways(&pet, &[true; 32], None, &Progress::new()).unwrap_err(), OrganError::Unit);
}

#[test]
fn bones_are_dense_with_a_core_and_filled_marrow() {
    // A hollow bone, a vessel of 250 HU away from it, and a crumb.
    let value = |at: Point3| {
        let axis = (at.x - 20.0).hypot(at.y - 30.0);
        let vessel = (at.x - 48.0).hypot(at.y - 30.0);
        let clean = if (5.0..9.0).contains(&axis) {
            800.0
        } else if axis < 5.0 || vessel >= 5.0 {
            30.0
        } else {
            250.0
        };
        clean + 15.0 * noise(at)
    };
    let volume = axial([60, 60, 12], Unit::Hu, value);
    let body = vec![true; volume.grid.len()];
    let region = bones(&volume, &body, &BoneOptions::default(), &Progress::new()).unwrap();
    for (slice, own) in region.slices() {
        let area: f64 = own.iter().map(Polygon::area_mm2).sum();
        assert!((area - PI * 81.0).abs() < 14.0 && own.len() == 1, "{area} on {slice}");
    }
    assert_eq!(region.slices().count(), 12);
    let flat = axial([10, 10, 3], Unit::Hu, |_| 30.0);
    let nothing = bones(&flat, &[true; 300], &BoneOptions::default(), &Progress::new());
    assert_eq!(nothing.unwrap_err(), OrganError::NoBone);
}
