use super::*;
use crate::geometry::polygon::tests::square;
use crate::geometry::stroke::{swept_ball_section, swept_disc};
use crate::geometry::{Plane, Point3};
use proptest::prelude::*;
use std::f64::consts::TAU;

fn area(polygons: &[Polygon]) -> f64 {
    polygons.iter().map(Polygon::area_mm2).sum()
}

fn piece(x: f64, y: f64, side: f64) -> Vec<Polygon> {
    vec![Polygon::from_outer(square(x, y, side))]
}

fn plate(from: (f64, f64), to: (f64, f64)) -> Vec<Polygon> {
    let corners = [from, (to.0, from.1), to, (from.0, to.1)];
    vec![Polygon::from_outer(corners.map(|(x, y)| Point2::new(x, y)).to_vec())]
}

/// Whether no edges cross, outlines run counter-clockwise and holes clockwise, and lie inside.
fn is_sound(polygons: &[Polygon]) -> bool {
    let edges: Vec<(Point2, Point2)> = polygons
        .iter()
        .flat_map(Polygon::rings)
        .flat_map(|ring| ring.iter().copied().zip(ring.iter().copied().cycle().skip(1)))
        .collect();
    let side = |a: Point2, b: Point2, c: Point2| (b - a).perp(&(c - a)) / (b - a).norm();
    let cross = |(a, b): (Point2, Point2), (c, d): (Point2, Point2)| {
        let across =
            |own: f64, other: f64| own.abs() > 1e-7 && other.abs() > 1e-7 && (own > 0.0) != (other > 0.0);
        across(side(a, b, c), side(a, b, d)) && across(side(c, d, a), side(c, d, b))
    };
    polygons.iter().all(|piece| {
        let hole_is_inside = |hole: &Ring| {
            Polygon::from_outer(piece.outer.clone()).contains(hole[0] + (hole[1] - hole[0]) * 0.5)
        };
        ring_area(&piece.outer) > 0.0
            && piece.holes.iter().all(|hole| ring_area(hole) < 0.0 && hole_is_inside(hole))
    }) && edges.iter().enumerate().all(|(n, own)| edges[n + 1..].iter().all(|other| !cross(*own, *other)))
}

/// What splicing gives, compared with general clipping; `None` where it leaves the work to that.
fn compared(region: &[Polygon], shape: &[Polygon], rule: Rule) -> Option<Vec<Polygon>> {
    let own = spliced(region, shape, rule)?;
    let wanted = match rule {
        Rule::Union => clip::union(region, shape),
        Rule::Difference => clip::difference(region, shape),
        Rule::Intersection => clip::intersection(region, shape),
    };
    let (got, other) = (area(&own), area(&wanted));
    assert!((got - other).abs() < 1e-4, "{rule:?}: {got} is not {other}: {region:?} {shape:?}");
    let apart = area(&clip::xor(&own, &wanted));
    assert!(apart < 1e-3, "{rule:?}: {apart} apart: {region:?} {shape:?}");
    assert!(is_sound(&own), "{rule:?}: {own:?} of {region:?} {shape:?}");
    Some(own)
}

fn union_of(region: &[Polygon], shape: &[Polygon]) -> Vec<Polygon> {
    compared(region, shape, Rule::Union).unwrap()
}

fn difference_of(region: &[Polygon], shape: &[Polygon]) -> Vec<Polygon> {
    compared(region, shape, Rule::Difference).unwrap()
}

#[test]
fn squares_that_cross() {
    let (a, b) = (piece(0.0, 0.0, 2.0), piece(1.0, 1.0, 2.0));
    let both = union_of(&a, &b);
    assert_eq!((both.len(), both[0].outer.len()), (1, 8));
    assert!((area(&both) - 7.0).abs() < 1e-12);
    let rest = difference_of(&a, &b);
    assert_eq!((rest.len(), rest[0].outer.len()), (1, 6));
    assert!((area(&rest) - 3.0).abs() < 1e-12);
}

#[test]
fn a_stroke_right_across_makes_two_pieces_and_one_inside_a_hole() {
    let plain = piece(0.0, 0.0, 10.0);
    assert_eq!(difference_of(&plain, &plate((4.0, -1.0), (6.0, 11.0))).len(), 2);
    let ring = difference_of(&plain, &plate((4.0, 4.0), (6.0, 6.5)));
    assert_eq!((ring.len(), ring[0].holes.len()), (1, 1));
    assert_eq!(ring[0].outer, plain[0].outer);
    // Across the hole's edge, over all of it, and inside it.
    let wider = difference_of(&ring, &plate((5.0, 5.0), (8.0, 8.0)));
    assert_eq!((wider.len(), wider[0].holes.len(), wider[0].holes[0].len()), (1, 1, 8));
    assert_eq!(union_of(&ring, &piece(3.0, 3.0, 5.0)), plain);
    let island = union_of(&ring, &plate((4.5, 4.5), (5.5, 5.5)));
    assert_eq!(island.len(), 2);
    assert_eq!(island[0], ring[0]);
    assert_eq!(difference_of(&island, &plate((4.2, 4.2), (5.8, 5.8))), ring);
    assert!(difference_of(&island, &piece(-1.0, -1.0, 12.0)).is_empty());
    // Out of the hole through the wall.
    let open = difference_of(&ring, &plate((4.7, 5.0), (5.2, 12.0)));
    assert_eq!((open.len(), open[0].holes.len()), (1, 0));
    assert_eq!(union_of(&plain, &plate((2.0, 2.0), (3.0, 3.0))), plain);
}

#[test]
fn an_open_ring_that_is_closed_has_a_hole() {
    let bow = difference_of(&piece(0.0, 0.0, 10.0), &plate((3.0, 3.0), (12.0, 7.0)));
    let closed = union_of(&bow, &plate((8.0, 2.0), (11.0, 8.0)));
    assert_eq!((closed.len(), closed[0].holes.len()), (1, 1));
    assert!((area(&closed) - (100.0 - 28.0 + 3.0 * 6.0 - 2.0 * 2.0)).abs() < 1e-9, "{}", area(&closed));
}

#[test]
fn an_edge_in_common_vanishes_between_and_stays_where_both_lie_on_one_side() {
    let (a, b) = (plate((0.0, 0.0), (2.0, 2.0)), plate((2.0, 0.0), (5.0, 2.0)));
    let both = union_of(&a, &b);
    assert_eq!((both.len(), area(&both)), (1, 10.0));
    let cut = difference_of(&a, &b);
    assert!((area(&cut) - 4.0).abs() < 1e-12 && cut[0].same_rings(&a[0]));
    // A triangle on an edge of the square, inside it.
    let triangle =
        [Polygon::from_outer(vec![Point2::new(0.0, 0.0), Point2::new(2.0, 0.0), Point2::new(1.0, 1.0)])];
    assert!(union_of(&a, &triangle)[0].same_rings(&a[0]));
    assert!((area(&difference_of(&a, &triangle)) - 3.0).abs() < 1e-12);
    assert!(difference_of(&a, &a).is_empty());
    assert!(compared(&a, &a, Rule::Intersection).unwrap()[0].same_rings(&a[0]));
    assert!((area(&compared(&a, &triangle, Rule::Intersection).unwrap()) - 1.0).abs() < 1e-12);
    assert!(compared(&a, &b, Rule::Intersection).unwrap().is_empty());
    assert!(union_of(&a, &a)[0].same_rings(&a[0]));
}

#[test]
fn thousands_of_edges_in_common_vanish() {
    // Two plates with a jagged line between: all of it is common, the opposite way round.
    let teeth = 20_000;
    let tooth = |n: u32| Point2::new(f64::from(n) * 0.01, if n.is_multiple_of(2) { 0.0 } else { 0.5 });
    let corner = |y: f64| [Point2::new(f64::from(teeth) * 0.01, y), Point2::new(0.0, y)];
    let upper = [Polygon::from_outer((0..=teeth).map(tooth).chain(corner(9.0)).collect())];
    let mut turned: Ring = corner(-9.0).to_vec();
    turned.reverse();
    let lower = [Polygon::from_outer(turned.into_iter().chain((0..=teeth).rev().map(tooth)).collect())];
    let both = spliced(&upper, &lower, Rule::Union).unwrap();
    assert_eq!(both.len(), 1);
    assert!((area(&both) - 18.0 * f64::from(teeth) * 0.01).abs() < 1e-6);
    assert!(area(&spliced(&upper, &upper, Rule::Difference).unwrap_or_default()) < 1e-6);
}

#[test]
fn what_is_not_plain_is_left_to_general_clipping() {
    let a = piece(0.0, 0.0, 2.0);
    for shape in [piece(2.0, 2.0, 1.0), plate((1.0, 2.0), (3.0, 3.0)), plate((0.5, 0.0), (1.5, 1.0))] {
        assert!(spliced(&a, &shape, Rule::Union).is_none(), "{shape:?}");
    }
    assert_eq!(union(&a, &piece(2.0, 2.0, 1.0)).len(), 2);
    assert!((area(&union(&a, &plate((1.0, 2.0), (3.0, 3.0)))) - 6.0).abs() < 1e-6);
    let mut turned = piece(1.0, 1.0, 2.0);
    turned[0].outer.reverse();
    assert!(spliced(&a, &turned, Rule::Union).is_none());
    assert!((area(&union(&a, &turned)) - 7.0).abs() < 1e-6);
}

#[test]
fn pieces_out_of_reach_are_handed_through() {
    let mut all = piece(0.0, 0.0, 2.0);
    all.extend(piece(50.0, 0.0, 2.0));
    let cut = difference_of(&all, &piece(1.0, 1.0, 3.0));
    assert_eq!((cut.len(), &cut[0]), (2, &all[1]));
    assert_eq!(union_of(&all, &piece(20.0, 20.0, 1.0)).len(), 3);
    assert_eq!(union_of(&all, &[]), all);
    assert_eq!(difference_of(&all, &[]), all);
    assert_eq!(union_of(&[], &all), all);
    assert!(difference_of(&[], &all).is_empty());
    assert_eq!(compared(&all, &piece(-1.0, -1.0, 9.0), Rule::Intersection).unwrap(), all[..1]);
    assert!(compared(&all, &[], Rule::Intersection).unwrap().is_empty());
}

/// Numbers that look random, 0 to 1.
fn numbers(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(state >> 33).unwrap()) / f64::from(1_u32 << 31)
    }
}

#[test]
fn strokes_are_those_of_general_clipping_and_hardly_ever_need_it() {
    let wavy = |seed: u64| {
        let vertex = |i: u32| {
            let angle = f64::from(i) * TAU / 200.0;
            let radius = 40.0 + 3.0 * (angle * 3.0).sin() + (angle * 17.0 + seed as f64).sin();
            Point2::new(radius * angle.cos(), radius * angle.sin())
        };
        vec![Polygon::from_outer((0..200).map(vertex).collect())]
    };
    let (mut events, mut left) = (0, 0);
    for seed in 0..24_u64 {
        let mut next = numbers(seed + 7);
        let mut region = wavy(seed);
        let mut at = Point3::new(42.0, 0.0, 0.3);
        let mut heading = 1.0_f64;
        let rule = if seed % 2 == 0 { Rule::Union } else { Rule::Difference };
        for _ in 0..60 {
            heading += (next() - 0.4) * 0.9;
            let step = 0.5 + next() * 5.0;
            let mut to = at + super::super::Vector3::new(heading.cos(), heading.sin(), 0.0) * step;
            let shape = if seed % 3 == 0 {
                to.z = (next() - 0.5) * 6.0;
                swept_ball_section(&[at, to], 7.0, &Plane::axial(0.0), 0.02)
            } else {
                swept_disc(&[at.xy(), to.xy()], 6.0, 0.02)
            };
            events += 1;
            compared(&region, &shape, Rule::Intersection);
            region = compared(&region, &shape, rule).unwrap_or_else(|| {
                left += 1;
                if rule == Rule::Union { union(&region, &shape) } else { difference(&region, &shape) }
            });
            // Back towards the outline when it has gone far.
            if to.coords.norm() > 60.0 || to.coords.norm() < 15.0 {
                heading += TAU / 2.0;
            }
            at = to;
        }
    }
    assert!(left * 10 < events, "{left} of {events}");
}

/// A star around a place, with or without a hole; its corners may fall on those of others.
fn star((x, y): (i32, i32), radii: &[u8], hole: bool) -> Polygon {
    let count = radii.len() as f64;
    let ring = |scale: f64| -> Ring {
        let corner = |(n, radius): (usize, &u8)| {
            let (sine, cosine) = (TAU * n as f64 / count).sin_cos();
            let radius = (1.0 + f64::from(*radius)) * scale;
            Point2::new(f64::from(x) * 0.5 + radius * cosine, f64::from(y) * 0.5 + radius * sine)
        };
        radii.iter().enumerate().map(corner).collect()
    };
    let mut inner = ring(0.4);
    inner.reverse();
    Polygon { outer: ring(1.0), holes: if hole { vec![inner] } else { Vec::new() } }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn stars_are_those_of_general_clipping(
        a in prop::collection::vec(1_u8..6, 12),
        b in prop::collection::vec(1_u8..6, 12),
        by in (-6_i32..7, -6_i32..7),
        holes in (any::<bool>(), any::<bool>()),
    ) {
        let (own, shape) = ([star((0, 0), &a, holes.0)], [star(by, &b, holes.1)]);
        for rule in [Rule::Union, Rule::Difference, Rule::Intersection] {
            compared(&own, &shape, rule);
        }
    }
}

#[test]
fn what_lies_in_a_window_is_replaced_and_the_border_leaves_nothing() {
    let plain = piece(0.0, 0.0, 10.0);
    let window = plate((6.0, 3.0), (14.0, 7.0))[0].outer.clone();
    // A bump on the right side, and one more outside the window, which does not count.
    let bumped = union(&union(&plain, &plate((9.0, 4.0), (12.0, 6.0))), &plate((-2.0, 4.0), (1.0, 6.0)));
    let own = replaced(&plain, &window, &bumped, 1e-6).unwrap();
    assert_eq!((own.len(), own[0].outer.len()), (1, 8));
    assert!((area(&own) - 104.0).abs() < 1e-9 && is_sound(&own));
    // And back: the very square again.
    let back = replaced(&own, &window, &plain, 1e-6).unwrap();
    assert!(back[0].same_rings(&plain[0]));
    // A hole and a piece inside the window come and go; those outside stay.
    let far = plate((20.0, 0.0), (22.0, 2.0));
    let mut more = difference(&plain, &plate((7.0, 4.0), (8.0, 5.0)));
    more.extend(plate((11.0, 4.0), (12.0, 5.0)));
    let before = [plain.clone(), far.clone()].concat();
    let got = replaced(&before, &window, &more, 1e-6).unwrap();
    assert!((area(&got) - 104.0).abs() < 1e-9 && got.len() == 3 && got.contains(&far[0]));
    assert!((area(&replaced(&got, &window, &plain, 1e-6).unwrap()) - 104.0).abs() < 1e-9);
    // Cut off at the window's border the parts do not fit.
    assert!(replaced(&plain, &window, &[], 1e-6).is_none());
    assert!(replaced(&plain, &window, &piece(0.0, 0.0, 9.0), 1e-6).is_none());
    // A vertex on the border.
    assert!(replaced(&plain, &plate((10.0, 3.0), (14.0, 7.0))[0].outer, &plain, 1e-6).is_none());
    // All of it in the window, and nothing.
    let around = plate((-5.0, -5.0), (15.0, 15.0))[0].outer.clone();
    assert_eq!(replaced(&plain, &around, &bumped, 1e-6).unwrap(), bumped);
    assert!(replaced(&plain, &around, &[], 1e-6).unwrap().is_empty());
}

#[test]
fn what_lies_around_a_shape_alone_is_clipped_as_all_of_it_would_be() {
    let wavy = |count: u32| {
        let vertex = |n: u32| {
            let angle = f64::from(n) * TAU / f64::from(count);
            let radius = 40.0 + 2.0 * (angle * 7.0).sin();
            Point2::new(radius * angle.cos(), radius * angle.sin())
        };
        vec![Polygon::from_outer((0..count).map(vertex).collect())]
    };
    let region = wavy(240);
    let mut worked = 0;
    for number in 0..36_u32 {
        // Shapes with a corner on an edge of the region, as neighbours have that once were cut at it.
        let outer = &region[0].outer;
        let at = (number as usize * 7) % outer.len();
        let on = outer[at] + (outer[(at + 1) % outer.len()] - outer[at]) * 0.37;
        let side = 1.0 + f64::from(number % 5);
        let shape = plate((on.x, on.y), (on.x + side, on.y + side * 0.8));
        for rule in [Rule::Union, Rule::Difference, Rule::Intersection] {
            let wanted = match rule {
                Rule::Union => clip::union(&region, &shape),
                Rule::Difference => clip::difference(&region, &shape),
                Rule::Intersection => clip::intersection(&region, &shape),
            };
            let Some(got) = nearby::clipped(&region, &shape, rule) else { continue };
            worked += 1;
            assert!((area(&got) - area(&wanted)).abs() < 1e-6, "{rule:?} {number}");
            assert!(area(&clip::xor(&got, &wanted)) < 1e-5, "{rule:?} {number}");
            assert!(is_sound(&got), "{rule:?} {number}: {got:?}");
            let far = |point: &&Point2| (**point - on).norm() > side * 2.0 + 3.0;
            let kept = |own: &[Polygon]| own.iter().flat_map(Polygon::rings).flatten().filter(far).count();
            assert_eq!(kept(&got), kept(&wanted), "no vertex is made or lost further off");
        }
    }
    assert!(worked > 90, "{worked}");
    // A shape that most of the region lies around is left to clipping it all.
    assert!(nearby::clipped(&region, &plate((-50.0, -50.0), (50.0, 50.0)), Rule::Union).is_none());
}
