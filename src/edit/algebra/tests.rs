//! Closed forms on anisotropic, oblique and uneven slices; point by point against distances.

use super::*;
use crate::edit::fixture::volume;
use crate::geometry::{Point2, Polygon, Vector3};
use crate::patient::{Roi, RoiId, RoiPlane, Volume};
use crate::progress::Progress;
use nalgebra::{Rotation3, Unit as UnitVector};
use proptest::prelude::*;
use std::f64::consts::PI;
use std::sync::Arc;

const ALL: (usize, usize) = (0, usize::MAX);

fn even(count: u32, distance_mm: f64) -> Volume {
    let offsets: Vec<f64> = (0..count).map(|n| f64::from(n) * distance_mm).collect();
    volume(Rotation3::identity(), &offsets)
}

/// Slices 1.5 to 4 mm apart, on axes turned a little from the patient's.
fn uneven_oblique() -> Volume {
    let turn = Rotation3::from_axis_angle(&UnitVector::new_normalize(Vector3::new(1.0, 2.0, 3.0)), 0.3);
    volume(turn, &[0.0, 3.0, 4.5, 6.0, 8.0, 12.0, 14.5, 17.5, 20.5, 22.0, 25.0, 29.0])
}

fn disc(radius: f64) -> Vec<Polygon> {
    shifted_disc(3.0, -2.0, radius)
}

fn shifted_disc(x: f64, y: f64, radius: f64) -> Vec<Polygon> {
    let ring = (0..720).map(|n| {
        let (s, c) = (f64::from(n) / 720.0 * 2.0 * PI).sin_cos();
        Point2::new(x + radius * c, y + radius * s)
    });
    vec![Polygon::from_outer(ring.collect())]
}

fn rectangle(x: f64, y: f64, width: f64, height: f64) -> Polygon {
    let corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)];
    Polygon::from_outer(corners.map(|(x, y)| Point2::new(x, y)).to_vec())
}

fn area(polygons: &[Polygon]) -> f64 {
    polygons.iter().map(Polygon::area_mm2).sum()
}

/// The radius of the disc of the same area.
fn radius(polygons: &[Polygon]) -> f64 {
    (area(polygons) / PI).sqrt()
}

fn grow(region: &Region, volume: &Volume, margin: Margin) -> Region {
    expanded(region, volume, margin, ALL, &Progress::new()).unwrap()
}

fn shrink(region: &Region, volume: &Volume, margin: Margin) -> Region {
    contracted(region, volume, margin, ALL, &Progress::new()).unwrap()
}

/// How far the plane of slice `to` is from the slab of slice `from`, mm.
fn height(volume: &Volume, from: usize, to: usize) -> f64 {
    let (below, above) = volume.slab_of(from);
    let apart = volume.slices[to].plane.offset_mm() - volume.slices[from].plane.offset_mm();
    (apart - above).max(-apart - below).max(0.0)
}

#[test]
fn a_sphere_grows_to_the_sections_of_its_slabs_grown() {
    for volume in [even(20, 2.5), uneven_oblique()] {
        let center = volume.slices[5].plane.offset_mm() + 0.3;
        let own = |index: usize| {
            let z: f64 = volume.slices[index].plane.offset_mm() - center;
            (64.0 - z * z).max(0.0).sqrt()
        };
        let sphere = Region::from_slices(
            (0..volume.slices.len()).filter(|n| own(*n) > 0.0).map(|n| (n, disc(own(n)))),
        );
        for margin in [1.0, 3.0, 5.0] {
            let large = grow(&sphere, &volume, Margin::uniform(margin));
            for to in 0..volume.slices.len() {
                let wanted = sphere
                    .slices()
                    .filter(|(from, _)| height(&volume, *from, to) < margin)
                    .map(|(from, _)| own(from) + (margin * margin - height(&volume, from, to).powi(2)).sqrt())
                    .fold(0.0, f64::max);
                assert!((radius(large.on(to)) - wanted).abs() < 0.01, "slice {to}: {wanted}");
            }
        }
    }
}

#[test]
fn a_cube_has_flat_sides_and_round_edges() {
    let volume = even(20, 2.5);
    // Slabs of 4 slices: 10 mm.
    let cube = Region::from_slices((6..10).map(|n| (n, vec![rectangle(-5.0, -5.0, 10.0, 10.0)])));
    assert!((cube.volume_mm3(&volume) - 1000.0).abs() < 1e-9);
    let large = grow(&cube, &volume, Margin::uniform(5.0));
    assert_eq!(large.span(), Some((4, 11)), "6.25 mm from the slab is too far, 3.75 mm is not");
    for (slice, h) in [(4, 3.75_f64), (5, 1.25), (6, 0.0), (9, 0.0), (10, 1.25), (11, 3.75)] {
        let r = (25.0 - h * h).sqrt();
        let wanted = 100.0 + 40.0 * r + PI * r * r;
        assert!((area(large.on(slice)) - wanted).abs() < 0.15, "{slice}: {wanted}");
        let (low, high) = large.on(slice)[0].bounds().unwrap();
        assert!((high - low - crate::geometry::Vector2::new(10.0 + 2.0 * r, 10.0 + 2.0 * r)).norm() < 1e-5);
    }
    let small = shrink(&cube, &volume, Margin::uniform(2.0));
    // 2 mm above and below reach from the slabs beyond to the planes of the end slices (1.25 mm).
    assert_eq!(small.span(), Some((7, 8)), "the whole plane beyond takes the end slices away");
    assert!((area(small.on(7)) - 36.0).abs() < 1e-3);
    let flat = Margin { superior_mm: 0.0, inferior_mm: 0.0, ..Margin::uniform(2.0) };
    assert!((shrink(&cube, &volume, flat).volume_mm3(&volume) - 360.0).abs() < 1e-2);
    assert!(shrink(&cube, &volume, Margin::uniform(5.2)).is_empty());
}

#[test]
fn a_disc_on_one_slice_becomes_a_lens_of_slabs() {
    let volume = even(15, 3.0);
    let one = Region::from_slices([(7, disc(10.0))]);
    let large = grow(&one, &volume, Margin::uniform(6.0));
    assert_eq!(large.span(), Some((5, 9)));
    let wanted: f64 =
        [0.0_f64, 1.5, 1.5, 4.5, 4.5].iter().map(|h| PI * (10.0 + (36.0 - h * h).sqrt()).powi(2) * 3.0).sum();
    assert!((large.volume_mm3(&volume) / wanted - 1.0).abs() < 1e-3);
    // Only upwards: copies, no growth in the plane.
    let up = Margin { superior_mm: 4.0, ..Margin::uniform(0.0) };
    let tower = grow(&one, &volume, up);
    assert_eq!(tower.span(), Some((7, 8)));
    assert!((area(tower.on(8)) - area(one.on(7))).abs() < 0.5);
    let none = grow(&one, &volume, Margin::uniform(0.0));
    assert_eq!(none.span(), Some((7, 7)));
    assert!((area(none.on(7)) - area(one.on(7))).abs() < 0.5);
}

#[test]
fn six_directions_are_the_patients_on_turned_grids() {
    let margin = Margin {
        left_mm: 1.0,
        right_mm: 2.0,
        anterior_mm: 3.0,
        posterior_mm: 4.0,
        superior_mm: 7.0,
        inferior_mm: 2.0,
    };
    // Sagittal slices: rows run to the back, columns to the feet, slices from left to right.
    let sagittal = Rotation3::from_matrix_unchecked(nalgebra::Matrix3::from_columns(&[
        Vector3::y(),
        -Vector3::z(),
        -Vector3::x(),
    ]));
    let volume = volume(sagittal, &(0..12).map(|n| f64::from(n) * 1.0).collect::<Vec<_>>());
    let own = Region::from_slices((5..7).map(|n| (n, vec![rectangle(0.0, 0.0, 10.0, 20.0)])));
    let large = grow(&own, &volume, margin);
    let (low, high) = large.on(5)[0].bounds().unwrap();
    // +u is posterior, +v inferior.
    assert!((low - Point2::new(-3.0, -7.0)).norm() < 1e-5 && (high - Point2::new(14.0, 22.0)).norm() < 1e-5);
    // Slices go to the right: 2 mm that way from the slab's border at half a millimetre, 1 mm back.
    assert_eq!(large.span(), Some((4, 8)));
    let small = shrink(&own, &volume, Margin { left_mm: 0.0, right_mm: 0.0, ..margin });
    let (low, high) = small.on(5)[0].bounds().unwrap();
    assert!((low - Point2::new(3.0, 7.0)).norm() < 1e-5 && (high - Point2::new(6.0, 18.0)).norm() < 1e-5);
    let off_the_right = shrink(&own, &volume, Margin { right_mm: 0.6, ..Margin::uniform(0.0) });
    assert_eq!(off_the_right.span(), Some((5, 5)), "the slice on the right gives way");
    // A grid turned a little keeps its axes.
    let oblique = uneven_oblique();
    let large = grow(&Region::from_slices([(4, vec![rectangle(0.0, 0.0, 10.0, 10.0)])]), &oblique, margin);
    let (low, high) = large.on(4)[0].bounds().unwrap();
    assert!((low - Point2::new(-2.0, -3.0)).norm() < 1e-5 && (high - Point2::new(11.0, 14.0)).norm() < 1e-5);
}

#[test]
fn margins_compose() {
    let volume = even(60, 0.25);
    let own = Region::from_slices((28..32).map(|n| (n, vec![rectangle(-6.0, -3.0, 12.0, 6.0)])));
    let twice = grow(&grow(&own, &volume, Margin::uniform(1.5)), &volume, Margin::uniform(2.0));
    let once = grow(&own, &volume, Margin::uniform(3.5));
    let differ = combined(SetRule::SymmetricDifference, &[&twice, &once]).volume_mm3(&volume);
    // The first step ends within a slab of 0.25 mm.
    let surface = 2.0 * (19.0 * 13.0 + 19.0 * 8.0 + 13.0 * 8.0);
    assert!(differ < surface * 0.125, "{differ} of a surface of {surface}");
    let flat = |mm| Margin { superior_mm: 0.0, inferior_mm: 0.0, ..Margin::uniform(mm) };
    let twice = grow(&grow(&own, &volume, flat(1.5)), &volume, flat(2.0));
    let once = grow(&own, &volume, flat(3.5));
    let differ = combined(SetRule::SymmetricDifference, &[&twice, &once]).volume_mm3(&volume);
    assert!(differ < 1.0 * 50.0 * 0.02, "{differ}");
}

#[test]
fn walls_and_rings() {
    let volume = even(30, 1.0);
    let own = Region::from_slices((10..20).map(|n| (n, disc(12.0))));
    let progress = Progress::new();
    let wall = wall(&own, &volume, (2.0, 1.0), ALL, &progress).unwrap();
    assert!((area(wall.on(15)) - PI * (169.0 - 100.0)).abs() < 0.7);
    let ring = ring_around(&own, &volume, (1.0, 3.0), ALL, &progress).unwrap();
    assert!((area(ring.on(15)) - PI * (256.0 - 169.0)).abs() < 0.7);
    assert!(combined(SetRule::Intersection, &[&ring, &own]).is_empty());
}

#[test]
fn nothing_is_drawn_on_missing_slices_or_bridged() {
    let mut volume = even(15, 3.0);
    volume.slices[8].missing = true;
    let one = Region::from_slices([(7, disc(10.0))]);
    let large = grow(&one, &volume, Margin::uniform(6.0));
    let slices: Vec<usize> = large.slices().map(|(n, _)| n).collect();
    assert_eq!(slices, [5, 6, 7, 9], "9 is within reach, 8 is not there");
    let two = Region::from_slices([(7, disc(10.0)), (9, disc(10.0))]);
    assert_eq!(pieces(&two, &volume).len(), 2);
    // The end of the series is no border of the ROI.
    let to_the_end = Region::from_slices((0..6).map(|n| (n, disc(10.0))));
    let small = shrink(&to_the_end, &volume, Margin::uniform(2.0));
    assert_eq!(small.span(), Some((0, 4)));
}

#[test]
fn planes_on_no_slice_are_refused_by_name() {
    let volume = even(5, 3.0);
    let mut roi = Roi::new(RoiId(1), 1, "Liver", [1, 2, 3]);
    let between = volume.slices[2].plane.at_offset(volume.slices[2].plane.offset_mm() + 1.0);
    for plane in [volume.slices[1].plane, between] {
        roi.planes.push(Arc::new(RoiPlane::new(plane, None, disc(5.0))));
    }
    let said = Region::of_roi(&roi, &volume).unwrap_err().to_string();
    assert!(said.contains("1 contour planes of Liver"), "{said}");
    let there = resampled(&roi, None, &volume, &Progress::new()).unwrap();
    assert_eq!(there.span(), Some((1, 2)));
    assert!((area(there.on(2)) - area(&disc(5.0))).abs() < 1e-3);
}

#[test]
fn pieces_hang_together_across_slices() {
    let volume = even(10, 2.0);
    let shape = Region::from_slices((2..6_u32).map(|n| {
        let step = f64::from(n) * 6.0;
        let mut own = vec![rectangle(step, 0.0, 8.0, 8.0)];
        if n == 3 {
            own.push(rectangle(-50.0, 0.0, 2.0, 2.0));
        }
        (n as usize, own)
    }));
    let parts = pieces(&shape, &volume);
    assert_eq!(parts.len(), 2, "overlapping steps are one staircase");
    assert_eq!(parts[0].span(), Some((2, 5)));
    assert!((parts[1].volume_mm3(&volume) - 8.0).abs() < 1e-9);
    assert_eq!(largest_piece(&shape, &volume), parts[0]);
    assert_eq!(without_small_pieces(&shape, &volume, 8.1), parts[0]);
    assert_eq!(without_small_pieces(&shape, &volume, 7.9).vertex_count(), shape.vertex_count());
}

#[test]
fn cavities_close_and_tunnels_stay() {
    let volume = even(12, 2.0);
    let hole = |x: f64| {
        let mut ring = rectangle(x, 5.0, 5.0, 5.0).outer;
        ring.reverse();
        ring
    };
    let block = Region::from_slices((2..9_usize).map(|n| {
        // One hollow is closed at both ends, the other is open at the top.
        let holes = if n == 2 {
            vec![]
        } else if n > 6 {
            vec![hole(20.0)]
        } else {
            vec![hole(5.0), hole(20.0)]
        };
        (n, vec![Polygon { outer: rectangle(0.0, 0.0, 30.0, 15.0).outer, holes }])
    }));
    let filled = cavities_filled(&block, &volume);
    for n in 3..9 {
        assert_eq!(filled.on(n)[0].holes.len(), 1, "slice {n}");
        assert!((area(filled.on(n)) - 425.0).abs() < 1e-6);
    }
    assert!((holes_removed(&block).volume_mm3(&volume) - 450.0 * 2.0 * 7.0).abs() < 1e-6);
}

#[test]
fn smoothing_keeps_the_volume_and_takes_the_ripples() {
    let volume = even(6, 2.0);
    let rippled = |n: u32| {
        let ring = (0..600).map(|i| {
            let angle = f64::from(i) / 600.0 * 2.0 * PI;
            let r = 20.0 + 0.5 * (angle * 60.0 + f64::from(n)).sin();
            Point2::new(r * angle.cos(), 1.4 * r * angle.sin())
        });
        vec![Polygon::from_outer(ring.collect())]
    };
    let own = Region::from_slices((1..5_u32).map(|n| (n as usize, rippled(n))));
    let smooth = smoothed(&own, 2.5);
    let change = smooth.volume_mm3(&volume) / own.volume_mm3(&volume) - 1.0;
    assert!(change.abs() < 0.001, "{change}");
    let length = |region: &Region| -> f64 {
        let ring = &region.on(2)[0].outer;
        ring.iter().zip(ring.iter().cycle().skip(1)).map(|(a, b)| (b - a).norm()).sum()
    };
    assert!(length(&smooth) < length(&own) * 0.8, "{} of {}", length(&smooth), length(&own));
    let small = Region::from_slices([(1, disc(1.0))]);
    assert!((radius(smoothed(&small, 5.0).on(1)) - 1.0).abs() < 0.01, "what is small stays");
    assert_eq!(smoothed(&own, 0.0), own);
}

#[test]
fn fewer_points_by_tolerance_and_by_count() {
    let own = Region::from_slices((1..5).map(|n| (n, disc(20.0))));
    let fine = simplified_within(&own, 0.02);
    assert!(fine.vertex_count() < own.vertex_count() / 4);
    assert!((radius(fine.on(1)) - 20.0).abs() < 0.02);
    let few = simplified_to(&own, 4 * 40);
    assert!(few.vertex_count() <= 160 && few.vertex_count() >= 100, "{}", few.vertex_count());
    assert_eq!(simplified_to(&own, 1_000_000), own);
}

#[test]
fn ends_taper_as_the_last_slices_do() {
    let volume = even(12, 2.0);
    let cone = Region::from_slices([(5, disc(12.0)), (6, disc(9.0)), (7, disc(7.0))]);
    let long = extrapolated(&cone, &volume, 3);
    assert_eq!(long.span(), Some((2, 10)));
    for (slice, wanted) in [(8, 5.0), (9, 3.0), (10, 1.0), (4, 12.0), (2, 12.0)] {
        assert!((radius(long.on(slice)) - wanted).abs() < 0.03, "{slice}: {}", radius(long.on(slice)));
    }
    assert_eq!(extrapolated(&cone, &volume, 9).span(), Some((0, 10)));
}

#[test]
fn ends_taper_by_the_millimetre_where_slices_are_uneven() {
    // Offsets 3.0, 4.5, 6.0, 8.0, 12.0, 14.5, 17.5: the cone loses 0.5 mm of radius a millimetre.
    let volume = uneven_oblique();
    let at = |slice: usize| volume.slices[slice].plane.offset_mm();
    let wanted = |slice: usize| 12.0 - (at(slice) - at(4)) / 2.0;
    let cone = Region::from_slices([(4, disc(wanted(4))), (5, disc(wanted(5)))]);
    let long = extrapolated(&cone, &volume, 3);
    assert_eq!(long.span(), Some((1, 8)));
    for slice in 6..=8 {
        let got = radius(long.on(slice));
        assert!((got - wanted(slice)).abs() < 0.03, "{slice}: {got} instead of {}", wanted(slice));
    }
    assert!((radius(long.on(1)) - 12.0).abs() < 0.03, "never larger");
    let down = Region::from_slices([(6, disc(9.0)), (7, disc(11.0))]);
    let long = extrapolated(&down, &volume, 2);
    let taper = 2.0 / (at(7) - at(6));
    for slice in [4, 5] {
        let wanted = 9.0 - taper * (at(6) - at(slice));
        assert!((radius(long.on(slice)) - wanted).abs() < 0.03, "{slice}");
    }
}

fn blobs(seed: &[(f64, f64, f64)]) -> Region {
    Region::from_slices(seed.iter().enumerate().map(|(n, (x, y, r))| {
        let rings = [shifted_disc(*x, *y, *r), shifted_disc(x + r * 1.2, *y, r * 0.6)].concat();
        (n % 6 + 2, crate::geometry::clip::union_all(rings))
    }))
}

/// The distance in the plane of a point from the pieces, 0 inside.
fn distance(polygons: &[Polygon], point: Point2, inside_out: bool) -> f64 {
    if polygons.iter().any(|piece| piece.contains(point)) != inside_out {
        return 0.0;
    }
    let edges = polygons.iter().flat_map(Polygon::rings).flat_map(|r| r.iter().zip(r.iter().cycle().skip(1)));
    edges
        .map(|(a, b)| {
            let along = b - a;
            let t = ((point - a).dot(&along) / along.norm_squared()).clamp(0.0, 1.0);
            (point - (a + along * t)).norm()
        })
        .fold(f64::INFINITY, f64::min)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sets_obey_their_laws(
        a in prop::collection::vec((-20.0..20.0_f64, -20.0..20.0_f64, 2.0..15.0_f64), 1..7),
        b in prop::collection::vec((-20.0..20.0_f64, -20.0..20.0_f64, 2.0..15.0_f64), 1..7),
        c in prop::collection::vec((-20.0..20.0_f64, -20.0..20.0_f64, 2.0..15.0_f64), 1..7),
    ) {
        let volume = uneven_oblique();
        let (a, b, c) = (blobs(&a), blobs(&b), blobs(&c));
        let of = |rule, operands: &[&Region]| combined(rule, operands).volume_mm3(&volume);
        let same = |x: &Region, y: &Region| of(SetRule::SymmetricDifference, &[x, y]) < 1e-3;
        prop_assert!(combined(SetRule::Subtraction, &[&a, &a]).is_empty());
        prop_assert!(combined(SetRule::SymmetricDifference, &[&b, &b]).is_empty());
        let union = combined(SetRule::Union, &[&a, &b, &c]);
        prop_assert!(same(&union, &combined(SetRule::Union, &[&c, &a, &b])));
        let both = combined(SetRule::Intersection, &[&a, &b]);
        prop_assert!(same(&both, &combined(SetRule::Intersection, &[&b, &a])));
        let sum = a.volume_mm3(&volume) + b.volume_mm3(&volume);
        prop_assert!((of(SetRule::Union, &[&a, &b]) + both.volume_mm3(&volume) - sum).abs() < 1e-3);
        let one = of(SetRule::Union, &[&a, &b]) - both.volume_mm3(&volume);
        prop_assert!((of(SetRule::SymmetricDifference, &[&a, &b]) - one).abs() < 1e-3);
        let rest = combined(SetRule::Subtraction, &[&a, &b, &c]);
        prop_assert!((rest.volume_mm3(&volume) + of(SetRule::Union, &[&b, &c]) - union.volume_mm3(&volume)).abs() < 1e-3);
    }

    #[test]
    fn every_point_is_in_or_out_by_its_distance_from_the_slabs(
        seed in prop::collection::vec((-20.0..20.0_f64, -20.0..20.0_f64, 2.0..15.0_f64), 6),
        margin in 0.3..7.0_f64,
        points in prop::collection::vec((0..12_usize, -45.0..60.0_f64, -45.0..45.0_f64), 150),
    ) {
        let volume = uneven_oblique();
        let own = blobs(&seed);
        let large = grow(&own, &volume, Margin::uniform(margin));
        let small = shrink(&own, &volume, Margin::uniform(margin));
        for (to, x, y) in points {
            let point = Point2::new(x, y);
            let nearest = |inside_out: bool| {
                (0..12)
                    .filter(|from| inside_out || !own.on(*from).is_empty())
                    .map(|from| distance(own.on(from), point, inside_out).min(1e3).hypot(height(&volume, from, to)))
                    .fold(f64::INFINITY, f64::min)
            };
            let off = nearest(false);
            if (off - margin).abs() > 0.05 {
                let inside = large.on(to).iter().any(|piece| piece.contains(point));
                prop_assert_eq!(inside, off < margin, "slice {}, {}: {} of {}", to, point, off, margin);
            }
            let depth = {
                (0..12)
                    .map(|from| {
                        let flat = if own.on(from).is_empty() { 0.0 } else { distance(own.on(from), point, true) };
                        flat.hypot(height(&volume, from, to))
                    })
                    .fold(f64::INFINITY, f64::min)
            };
            if (depth - margin).abs() > 0.05 {
                let inside = small.on(to).iter().any(|piece| piece.contains(point));
                prop_assert_eq!(inside, depth > margin, "slice {}, {}: {} of {}", to, point, depth, margin);
            }
        }
    }
}
