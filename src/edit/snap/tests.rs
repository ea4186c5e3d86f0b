//! Closed forms: round shapes that bulge between drawn slices, in images with noise.

use super::*;
use crate::edit::gaps;
use crate::geometry::clip::{ResolveNote, RingRule, resolve_rings};
use crate::geometry::{Grid, Point2, Point3, Ring, Rotation3, Vector2, Vector3};
use crate::patient::{Roi, RoiId, Slice, Unit, Voxels};
use std::f64::consts::{PI, TAU};

/// Where a voxel is, in the axes of the grid around the middle of its slices: along rows and
/// columns, and along the normal; mm.
type Place = [f64; 3];

/// An image with values by place, and noise of up to `noise` either way.
fn image(
    turn: &Rotation3,
    dims: [usize; 3],
    spacing_mm: [f64; 3],
    noise: f64,
    value: impl Fn(Place) -> f64,
) -> Volume {
    let steps = [Vector3::x(), Vector3::y(), Vector3::z()].map(|axis| turn * axis);
    let steps = [0, 1, 2].map(|n| steps[n] * spacing_mm[n]);
    let grid = Grid::new(dims, Point3::new(-12.3, 45.6, 7.8), steps).unwrap();
    let mut seed = 11_u64;
    let mut voxels = Vec::with_capacity(grid.len());
    for k in 0..dims[2] {
        for j in 0..dims[1] {
            for i in 0..dims[0] {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let random = (seed >> 40) as f64 / f64::from(1_u32 << 23) - 1.0;
                let at = [i, j, k].map(|n| n as f64);
                let middle = [(dims[0] - 1) as f64 / 2.0, (dims[1] - 1) as f64 / 2.0, 0.0];
                let place = [0, 1, 2].map(|n| (at[n] - middle[n]) * spacing_mm[n]);
                #[expect(clippy::cast_possible_truncation, reason = "HU")]
                voxels.push((value(place) + noise * random).round() as i16);
            }
        }
    }
    let slices = Slice::all_of(&grid);
    Volume { grid, voxels: Voxels::I16(voxels), unit: Unit::Hu, slices, native: None }
}

/// The middle of a slice in its plane's coordinates.
fn middle(volume: &Volume, slice: usize) -> Point2 {
    let [ni, nj, _] = volume.grid.dims();
    let at = [(ni - 1) as f64 / 2.0, (nj - 1) as f64 / 2.0, slice as f64];
    volume.slices[slice].plane.project(volume.grid.patient_of(at))
}

fn circle(center: Point2, radius: f64) -> Ring {
    let corner = |n: u32| {
        let (sine, cosine) = (TAU * f64::from(n) / 120.0).sin_cos();
        center + Vector2::new(cosine, sine) * radius
    };
    (0..120).map(corner).collect()
}

fn drawn_on(volume: &Volume, slice: usize, polygons: Vec<Polygon>) -> Arc<RoiPlane> {
    Arc::new(RoiPlane::new(volume.slices[slice].plane, None, polygons))
}

type Slices = Vec<(usize, Arc<RoiPlane>)>;

/// The blend between drawn slices, and the same snapped.
fn both(volume: &Volume, drawn: &[(usize, Vec<Polygon>)], reach_mm: f64) -> (Slices, Slices) {
    let mut roi = Roi::new(RoiId(1), 1, "Liver", [1, 2, 3]);
    roi.planes = drawn.iter().map(|(slice, own)| drawn_on(volume, *slice, own.clone())).collect();
    let (mut plain, mut moved) = (Vec::new(), Vec::new());
    for gap in gaps(&roi, volume) {
        let filled = gap.fill(volume);
        let ends = [gap.below.clone(), gap.above.clone()];
        moved.extend(snapped(&filled, &ends, volume, reach_mm, &Progress::new()).unwrap());
        plain.extend(filled);
    }
    moved.iter().for_each(|(_, own)| check(own));
    (plain, moved)
}

/// Rings on the lattice that cross neither themselves nor one another, holes inside.
fn check(own: &RoiPlane) {
    let rings: Vec<Ring> = own.polygons.iter().flat_map(Polygon::rings).cloned().collect();
    assert!(rings.iter().all(|ring| ring.len() >= 3 && ring.iter().all(|p| own.plane.snap(*p) == *p)));
    let (read, notes) = resolve_rings(&rings, RingRule::Nested);
    assert!(notes.iter().all(|note| matches!(note, ResolveNote::Hole { .. })), "{notes:?}");
    assert_eq!(read.len(), own.polygons.len());
    for piece in &own.polygons {
        assert!(read.iter().any(|other| other.same_rings(piece)), "holes lie in their own pieces");
    }
}

/// Mean and greatest distance of a ring from a circle, all along it.
fn off(ring: &Ring, center: Point2, radius: f64) -> (f64, f64) {
    let (mut sum, mut length, mut most) = (0.0, 0.0, 0.0_f64);
    for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        let edge = (b - a).norm();
        for n in 0..8 {
            let at = (a + (b - a) * ((f64::from(n) + 0.5) / 8.0)).coords - center.coords;
            let by = (at.norm() - radius).abs();
            sum += by * edge / 8.0;
            most = most.max(by);
        }
        length += edge;
    }
    (sum / length, most)
}

/// 20 mm on drawn slices (`every` mm apart), `bulge` mm more half way between.
fn bulging(along: f64, every: f64, bulge: f64) -> f64 {
    20.0 + bulge * (PI * along / every).sin().powi(2)
}

fn soft(beyond: f64) -> f64 {
    1.0 / (1.0 + (-2.0 * beyond).exp())
}

/// A round organ in noise, drawn on every sixth slice; the worst mean distance, plain and snapped.
fn worst(
    turn: &Rotation3,
    dims: [usize; 3],
    spacing: [f64; 3],
    noise: f64,
    organ: f64,
    around: f64,
) -> [f64; 2] {
    let every = 6.0 * spacing[2];
    let radius = |along: f64| bulging(along, every, 3.0);
    let volume = image(turn, dims, spacing, noise, |[x, y, along]| {
        organ + (around - organ) * soft(x.hypot(y) - radius(along))
    });
    let drawn: Vec<_> =
        (0..3).map(|n| (6 * n, vec![Polygon::from_outer(circle(middle(&volume, 6 * n), 20.0))])).collect();
    let (plain, moved) = both(&volume, &drawn, 4.0);
    assert_eq!((plain.len(), moved.len()), (10, 10));
    let worst = |slices: &Slices| {
        let each = slices.iter().map(|(slice, own)| {
            let along = *slice as f64 * spacing[2];
            off(&own.polygons[0].outer, middle(&volume, *slice), radius(along)).0
        });
        each.fold(0.0, f64::max)
    };
    let found = [worst(&plain), worst(&moved)];
    eprintln!(
        "{spacing:?}, noise {noise}, {organ} in {around}: plain {:.2}, snapped {:.3}",
        found[0], found[1]
    );
    found
}

#[test]
fn a_bulge_between_drawn_slices_is_found_in_noise() {
    let straight = Rotation3::identity();
    let oblique = Rotation3::from_euler_angles(0.4, -0.3, 0.6);
    for (turn, dims, spacing) in
        [(straight, [70, 70, 13], [1.0, 1.0, 3.0]), (oblique, [90, 60, 13], [0.8, 1.2, 2.5])]
    {
        for (organ, around) in [(60.0, -90.0), (40.0, 75.0)] {
            let [plain, found] = worst(&turn, dims, spacing, 15.0, organ, around);
            assert!(plain > 2.5, "{plain}");
            assert!(found < 0.5, "{found}");
        }
    }
}

#[test]
fn a_weak_edge_is_kept_to_beside_a_stronger_one() {
    // Bone all around, 6 mm from what is drawn and 3 mm from the organ between.
    for (organ, around, bone) in [(60.0, 20.0, 400.0), (20.0, 60.0, 500.0)] {
        let every = 18.0;
        let radius = |along: f64| bulging(along, every, 3.0);
        let volume = image(&Rotation3::identity(), [80, 80, 7], [0.9, 0.9, 3.0], 8.0, |[x, y, along]| {
            let r = x.hypot(y);
            organ + (around - organ) * soft(r - radius(along)) + (bone - around) * soft(r - 26.0)
        });
        let ends = [0, 6].map(|n| (n, vec![Polygon::from_outer(circle(middle(&volume, n), 20.0))]));
        let (plain, moved) = both(&volume, &ends, 4.0);
        for ((slice, plain), (_, own)) in plain.iter().zip(&moved) {
            let at = |ring: &Ring| off(ring, middle(&volume, *slice), radius(*slice as f64 * 3.0));
            let (mean, most) = at(&own.polygons[0].outer);
            eprintln!("{organ} beside {bone}, slice {slice}: {mean:.3}, {most:.3}");
            assert!(mean < 0.5 && most < 1.5, "slice {slice}: {mean}, {most}");
            assert!(*slice != 3 || at(&plain.polygons[0].outer).0 > 2.5);
        }
    }
}

#[test]
fn each_part_of_an_outline_has_an_edge_of_its_own() {
    // Bright against fat on one side, dark against bone on the other.
    let radius = |along: f64| bulging(along, 18.0, 2.5);
    let volume = image(&Rotation3::identity(), [80, 80, 7], [1.0, 1.0, 3.0], 10.0, |[x, y, along]| {
        let around = if x > 0.0 { -90.0 } else { 250.0 };
        40.0 + (around - 40.0) * soft(x.hypot(y) - radius(along))
    });
    let ends = [0, 6].map(|n| (n, vec![Polygon::from_outer(circle(middle(&volume, n), 20.0))]));
    let (plain, moved) = both(&volume, &ends, 4.0);
    let at = |own: &RoiPlane| off(&own.polygons[0].outer, middle(&volume, 3), radius(9.0)).0;
    assert!(at(&plain[2].1) > 2.0 && at(&moved[2].1) < 0.5, "{}", at(&moved[2].1));
}

#[test]
fn where_a_drawn_outline_lies_on_no_edge_nothing_pulls() {
    let straight = Rotation3::identity();
    let ends = |volume: &Volume| {
        [0, 6].map(|n| (n, vec![Polygon::from_outer(circle(middle(volume, n), 20.0))])).to_vec()
    };
    for noise in [0.0, 20.0] {
        let even = image(&straight, [70, 70, 7], [1.0, 1.0, 3.0], noise, |_| 40.0);
        let (plain, moved) = both(&even, &ends(&even), 4.0);
        for ((_, plain), (_, own)) in plain.iter().zip(&moved) {
            assert!(noise > 0.0 || Arc::ptr_eq(plain, own), "the very same");
            let (mean, _) = off(&own.polygons[0].outer, middle(&even, 0), 20.0);
            assert!(mean < 0.15, "{mean} in noise");
        }
    }
    // A half that ends at an edge, a half that is a convention: the organ goes on there.
    let half = image(&straight, [80, 80, 7], [1.0, 1.0, 3.0], 0.0, |[x, y, along]| {
        let r = x.hypot(y);
        let edge = if x > 0.0 { bulging(along, 18.0, 3.0) } else { 33.0 };
        60.0 - 150.0 * soft(r - edge)
    });
    let (plain, moved) = both(&half, &ends(&half), 4.0);
    let (before, after) = (&plain[2].1.polygons[0].outer, &moved[2].1.polygons[0].outer);
    let center = middle(&half, 3);
    let kept: Vec<Point2> = before.iter().copied().filter(|p| p.x < center.x - 18.5).collect();
    assert!(kept.len() > 2 && kept.iter().all(|p| after.contains(p)), "to the bit");
    let right = after.iter().filter(|p| p.x > center.x + 8.0).map(|p| (p - center).norm() - 23.0);
    assert!(right.map(f64::abs).fold(0.0, f64::max) < 0.6);
}

#[test]
fn what_may_be_the_searchs_own_error_is_not_gone() {
    let ring = |way: f64| worth(vec![way; 200], 1.0, 0.25);
    assert!(ring(0.25).iter().chain(&ring(-0.2)).all(|by| *by == 0.0));
    assert!(ring(-2.0).iter().all(|by| (by + 2.0 * (1.0 - 0.0625 / 4.0)).abs() < 1e-12));
    // A stretch that moves far goes on, however still the rest of the ring is, and that stays still.
    let bump = |n: usize| if (80..120).contains(&n) { 3.0 } else { 0.0 };
    let gone = worth((0..200).map(bump).collect(), 1.0, 0.25);
    assert!(gone.iter().enumerate().all(|(n, by)| if bump(n) > 0.0 { *by > 2.9 } else { *by == 0.0 }));
    // An organ with a clear edge that keeps its shape stays where the drawn slices put it.
    let even = image(&Rotation3::identity(), [70, 70, 7], [1.0, 1.0, 3.0], 10.0, |[x, y, _]| {
        60.0 - 40.0 * soft(x.hypot(y) - 20.0)
    });
    let ends = [0, 6].map(|n| (n, vec![Polygon::from_outer(circle(middle(&even, n), 20.0))]));
    let (plain, moved) = both(&even, &ends, 4.0);
    let center = middle(&even, 0);
    for ((_, plain), (_, own)) in plain.iter().zip(&moved) {
        let [before, after] = [plain, own].map(|own| off(&own.polygons[0].outer, center, 20.0).0);
        assert!(after < before + 0.05, "{after} after {before}");
    }
}

#[test]
fn a_hole_follows_its_own_edge_and_outside_the_scan_nothing_pulls() {
    let (outer, hole) = (|along| bulging(along, 18.0, 2.5), |along| bulging(along, 18.0, 2.0) - 9.0);
    let mut volume = image(&Rotation3::identity(), [80, 80, 7], [1.0, 1.0, 3.0], 8.0, |[x, y, along]| {
        let r = x.hypot(y);
        -60.0 + 100.0 * (soft(outer(along) - r) - soft(hole(along) - r))
    });
    let ring = |volume: &Volume, n: usize| {
        let mut inner = circle(middle(volume, n), 11.0);
        inner.reverse();
        vec![Polygon { outer: circle(middle(volume, n), 20.0), holes: vec![inner] }]
    };
    let ends = [0, 6].map(|n| (n, ring(&volume, n)));
    let (_, moved) = both(&volume, &ends, 4.0);
    let piece = &moved[2].1.polygons[0];
    assert_eq!((moved[2].1.polygons.len(), piece.holes.len()), (1, 1));
    let center = middle(&volume, 3);
    assert!(off(&piece.outer, center, 22.5).0 < 0.5 && off(&piece.holes[0], center, 13.0).0 < 0.5);
    // The same with slice 3 cut off 15 mm right of the middle: there the outline stays.
    let [ni, nj, _] = volume.grid.dims();
    let Voxels::I16(values) = &mut volume.voxels else { unreachable!() };
    for j in 0..nj {
        values[(3 * nj + j) * ni + 55..(3 * nj + j + 1) * ni].fill(crate::patient::OUTSIDE_I16);
    }
    let (_, cut) = both(&volume, &ends, 4.0);
    let piece = &cut[2].1.polygons[0];
    let beyond = |p: &&Point2| p.x > center.x + 18.5;
    assert!(piece.outer.iter().filter(beyond).all(|p| (p - center).norm() < 20.6));
    let left = piece.outer.iter().filter(|p| p.x < center.x - 10.0);
    assert!(left.map(|p| ((p - center).norm() - 22.5).abs()).fold(0.0, f64::max) < 1.0);
}

#[test]
fn two_pieces_stay_two_and_a_missing_slice_stays_as_it_is() {
    // Two round organs that come within a millimetre of each other between drawn slices.
    let radius = |along: f64| bulging(along, 18.0, 3.5) - 8.0;
    let mut volume = image(&Rotation3::identity(), [90, 60, 7], [1.0, 1.0, 3.0], 6.0, |[x, y, along]| {
        let near = (x.abs() - 16.0).hypot(y);
        -60.0 + 110.0 * soft(radius(along) - near)
    });
    let two = |n: usize| {
        let at = |x: f64| Polygon::from_outer(circle(middle(&volume, n) + Vector2::new(x, 0.0), 12.0));
        vec![at(-16.0), at(16.0)]
    };
    let ends = [0, 6].map(|n| (n, two(n)));
    let (plain, moved) = both(&volume, &ends, 6.0);
    assert!(
        plain.iter().zip(&moved).all(|(a, b)| b.1.polygons.len() == 2 && b.1.area_mm2() > a.1.area_mm2())
    );
    let drawn = ends.clone().map(|(n, own)| (n, drawn_on(&volume, n, own)));
    volume.slices[2].missing = true;
    let after = snapped(&plain, &drawn, &volume, 6.0, &Progress::new()).unwrap();
    assert!(Arc::ptr_eq(&after[1].1, &plain[1].1) && !Arc::ptr_eq(&after[2].1, &plain[2].1));
    let none = snapped(&plain, &[], &volume, 6.0, &Progress::new()).unwrap();
    assert!(none.iter().zip(&plain).all(|(a, b)| Arc::ptr_eq(&a.1, &b.1)));
    let stop = Progress::new();
    stop.cancel();
    assert!(snapped(&plain, &drawn, &volume, 6.0, &stop).is_err());
}

#[test]
#[ignore = "tells times"]
fn how_long_forty_slices_take() {
    let radius = |along: f64| bulging(along, 15.0, 3.0) * 3.5;
    let volume = image(&Rotation3::identity(), [256, 256, 41], [0.97, 0.97, 2.5], 12.0, |[x, y, along]| {
        60.0 - 150.0 * soft(x.hypot(y) - radius(along))
    });
    let mut roi = Roi::new(RoiId(1), 1, "Liver", [1, 2, 3]);
    let shape = |n: usize| vec![Polygon::from_outer(circle(middle(&volume, n), 70.0))];
    roi.planes = [0, 6, 12, 18, 24, 30, 35, 40].map(|n| drawn_on(&volume, n, shape(n))).to_vec();
    let gaps = gaps(&roi, &volume);
    let mut times: Vec<[f64; 2]> = (0..7)
        .map(|_| {
            let start = std::time::Instant::now();
            let filled: Vec<Slices> = gaps.par_iter().map(|gap| gap.fill(&volume)).collect();
            let blended = start.elapsed().as_secs_f64() * 1e3;
            let count: usize = gaps
                .par_iter()
                .zip(&filled)
                .map(|(gap, filled)| {
                    let ends = [gap.below.clone(), gap.above.clone()];
                    snapped(filled, &ends, &volume, 4.0, &Progress::new()).unwrap().len()
                })
                .sum();
            assert_eq!(count, 33);
            [blended, start.elapsed().as_secs_f64() * 1e3]
        })
        .collect();
    times.sort_by(|a, b| a[1].total_cmp(&b[1]));
    eprintln!(
        "33 slices of 440 mm: median {:.0} ms ({:.0} of it the blend), best {:.0}",
        times[3][1], times[3][0], times[0][1]
    );
}
