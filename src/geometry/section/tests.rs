//! Sections against closed forms.

use super::*;
use crate::geometry::polygon::tests::square;
use crate::geometry::ring_area;

/// A ball of 10 mm around (0, 0, 30), of slices 3 mm apart, on planes at any angle to them.
#[test]
fn a_ball_is_a_disc_at_every_angle() {
    let disc = |z: f64| {
        let radius = (100.0 - (z - 30.0) * (z - 30.0)).max(0.0).sqrt();
        let at = |n: u32| (f64::from(n) * std::f64::consts::PI / 90.0).sin_cos();
        let ring = (0..180).map(at).map(|(sin, cos)| Point2::new(radius * cos, radius * sin)).collect();
        if radius > 0.0 { vec![Polygon::from_outer(ring)] } else { Vec::new() }
    };
    let stack: Vec<_> = (0..20).map(|k| f64::from(k) * 3.0).map(|z| (z, disc(z))).collect();
    let stack: Vec<_> = stack.into_iter().filter(|(_, polygons)| !polygons.is_empty()).collect();
    for degrees in [0.2_f64, 1.0, 3.0, 5.0, 10.0, 20.0, 29.0, 31.0, 45.0, 70.0, 90.0] {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let view = Plane::new(Point3::new(0.0, 0.0, 30.0), Vector3::x(), Vector3::new(0.0, cos, sin));
        let view = view.unwrap();
        let section = cut(&slabs(&stack), &view);
        let area: f64 = section.iter().map(Polygon::area_mm2).sum();
        let wanted = std::f64::consts::PI * 100.0;
        // A steep plane joins its lines straight.
        let within = if degrees < 50.0 { 0.03 } else { 0.07 };
        assert!((area - wanted).abs() < within * wanted, "{area} mm2 at {degrees} degrees");
        assert_eq!(section.len(), 1, "in one at {degrees} degrees");
    }
}

/// A tube of 8 mm that leans by 40 degrees, of slices 3 mm apart: its section is an ellipse, without
/// a step at the borders of the slabs.
#[test]
fn a_leaning_tube_is_an_ellipse_at_small_angles() {
    let lean = 40_f64.to_radians().tan();
    let ring = |z: f64| {
        let at = |n: u32| (f64::from(n) * std::f64::consts::PI / 90.0).sin_cos();
        (0..180).map(at).map(|(sin, cos)| Point2::new(8.0 * cos + lean * z, 8.0 * sin)).collect()
    };
    let stack: Vec<_> =
        (-10..=10).map(|k| f64::from(k) * 3.0).map(|z| (z, vec![Polygon::from_outer(ring(z))])).collect();
    for degrees in [1.0_f64, 5.0, 12.0, 20.0, 29.0] {
        for turn in [0.0_f64, 0.7, 1.6, 2.5] {
            let (sin, cos) = degrees.to_radians().sin_cos();
            let flat = Vector3::new(turn.cos(), turn.sin(), 0.0);
            let up = Vector3::new(-turn.sin() * cos, turn.cos() * cos, sin);
            let view = Plane::new(Point3::origin(), flat, up).unwrap();
            let section = cut(&slabs(&stack), &view);
            assert_eq!(section.len(), 1, "{degrees} {turn}");
            let off = |p: &Point2| {
                let at = view.lift(*p);
                (at.x - lean * at.z).hypot(at.y) - 8.0
            };
            let worst = section[0].outer.iter().map(|p| off(p).abs()).fold(0.0, f64::max);
            assert!(worst < 0.3, "{worst} mm off at {degrees} degrees, turned {turn}");
        }
    }
}

fn slabs(stack: &[(f64, Vec<Polygon>)]) -> Vec<Slab<'_>> {
    stack
        .iter()
        .map(|(z, polygons)| Slab { plane: Plane::axial(*z), below_mm: 1.5, above_mm: 1.5, polygons })
        .collect()
}

fn boxes(list: &[(f64, f64, f64)]) -> Vec<Polygon> {
    list.iter().map(|(x, y, side)| Polygon::from_outer(square(*x, *y, *side))).collect()
}

fn area(polygons: &[Polygon]) -> f64 {
    polygons.iter().map(Polygon::area_mm2).sum()
}

/// u = y, v = z at x.
fn sagittal(x: f64) -> Plane {
    Plane::new(Point3::new(x, 0.0, 0.0), Vector3::y(), Vector3::z()).unwrap()
}

#[test]
fn a_prism_is_a_rectangle_with_half_thickness_caps() {
    let stack: Vec<_> = (0..4).map(|k| (3.0 * f64::from(k), boxes(&[(0.0, 0.0, 10.0)]))).collect();
    let section = cut(&slabs(&stack), &sagittal(5.0));
    assert_eq!(section.len(), 1);
    assert!((area(&section) - 10.0 * 12.0).abs() < 1e-9);
    let (low, high) = section[0].bounds().unwrap();
    assert!((low - Point2::new(0.0, -1.5)).norm() < 1e-9 && (high - Point2::new(10.0, 10.5)).norm() < 1e-9);
    assert!(ring_area(&section[0].outer) > 0.0);
    assert!(cut(&slabs(&stack), &sagittal(50.0)).is_empty() && cut(&[], &sagittal(5.0)).is_empty());
}

#[test]
fn a_slice_without_contours_is_not_bridged() {
    let stack = [0.0, 3.0, 9.0].map(|z| (z, boxes(&[(0.0, 0.0, 10.0)])));
    let section = cut(&slabs(&stack), &sagittal(5.0));
    assert_eq!(section.len(), 2);
    assert!((area(&section) - (60.0 + 30.0)).abs() < 1e-9);
}

#[test]
fn a_split_closes_half_way_and_a_stray_piece_is_capped() {
    let stack = [
        (0.0, boxes(&[(0.0, 0.0, 10.0)])),
        (3.0, boxes(&[(0.0, 0.0, 4.0), (0.0, 6.0, 4.0), (0.0, 20.0, 2.0)])),
    ];
    let section = cut(&slabs(&stack), &sagittal(2.0));
    assert_eq!(section.len(), 2);
    // The forked piece: 10 x 1.5 below, joined to two of 4 x 1.5 above, with a notch of width 2
    // and depth 1.5 in the 10 x 3 between.
    let forked = section.iter().map(Polygon::area_mm2).fold(0.0, f64::max);
    assert!((forked - (15.0 + 30.0 - 1.5 + 12.0)).abs() < 1e-9, "{forked}");
    assert!((area(&section) - forked - 2.0 * 3.0).abs() < 1e-9);
}

#[test]
fn a_cavity_is_a_hole() {
    let mut solid = Polygon::from_outer(square(0.0, 0.0, 10.0));
    let full = vec![solid.clone()];
    solid.holes.push(square(3.0, 3.0, 4.0));
    let stack = [(0.0, full.clone()), (3.0, vec![solid.oriented()]), (6.0, full)];
    let section = cut(&slabs(&stack), &sagittal(5.0));
    assert_eq!((section.len(), section[0].holes.len()), (1, 1));
    // The cavity is 4 wide at its plane and tapers to a tip half way to both neighbours.
    assert!((area(&section) - (90.0 - 4.0 * 3.0 / 2.0)).abs() < 1e-9);
}

#[test]
fn uneven_planes_and_an_oblique_cut_pass_through_the_true_stretches() {
    let offsets: [f64; 4] = [0.0, 2.0, 5.0, 5.8];
    let stack: Vec<_> = offsets.iter().map(|z| (*z, boxes(&[(-10.0 - z, -8.0, 20.0 + 2.0 * z)]))).collect();
    let slabs: Vec<Slab> = stack
        .iter()
        .enumerate()
        .map(|(k, (z, polygons))| {
            let below = if k == 0 { 1.0 } else { (z - offsets[k - 1]) / 2.0 };
            let above = if k == 3 { 0.4 } else { (offsets[k + 1] - z) / 2.0 };
            Slab { plane: Plane::axial(*z), below_mm: below, above_mm: above, polygons }
        })
        .collect();
    let view =
        Plane::new(Point3::new(1.0, 2.0, 3.0), Vector3::new(1.0, 0.4, 0.3), Vector3::new(-0.2, 0.3, 1.0))
            .unwrap();
    let section = cut(&slabs, &view);
    assert_eq!(section.len(), 1);
    for slab in &slabs {
        for n in 0..200 {
            // Points of the view that lie on this contour plane.
            let line = slab.plane.normal().cross(&view.normal()).normalize();
            let across = view.normal().cross(&line);
            let start = Point3::from(view.normal() * view.offset_mm());
            let height = (slab.plane.offset_mm() - start.z) / across.z;
            let point = start + across * height + line * (f64::from(n) * 0.37 - 37.0);
            assert!(slab.plane.distance_mm(point).abs() < 1e-9);
            let in_plane = slab.plane.project(point);
            let near_edge = slab.polygons[0]
                .outer
                .iter()
                .any(|v| (v.x - in_plane.x).abs() < 1e-6 || (v.y - in_plane.y).abs() < 1e-6);
            if !near_edge {
                let inside = section.iter().any(|own| own.contains(view.project(point)));
                assert_eq!(inside, slab.polygons.iter().any(|own| own.contains(in_plane)));
            }
        }
    }
}

#[test]
fn a_parallel_view_shows_the_slab_it_lies_in() {
    let stack = [0.0, 3.0].map(|z| (z, boxes(&[(z, 0.0, 4.0)])));
    let section = cut(&slabs(&stack), &Plane::axial(2.0));
    assert_eq!(section, boxes(&[(3.0, 0.0, 4.0)]));
    assert!(cut(&slabs(&stack), &Plane::axial(5.0)).is_empty());
}

mod turned;
