//! Offsets against closed forms and against distances measured point by point.

use super::*;
use crate::geometry::polygon::tests::square;
use proptest::prelude::*;
use std::f64::consts::PI;

fn area(polygons: &[Polygon]) -> f64 {
    polygons.iter().map(Polygon::area_mm2).sum()
}

fn near(got: f64, wanted: f64, by: f64) {
    assert!((got - wanted).abs() <= by, "{got} is not {wanted}");
}

fn circle(x: f64, y: f64, radius: f64, count: u32) -> Ring {
    (0..count)
        .map(|n| (f64::from(n) / f64::from(count) * 2.0 * PI).sin_cos())
        .map(|(s, c)| Point2::new(x + radius * c, y + radius * s))
        .collect()
}

#[test]
fn a_square_grows_by_its_edges_and_round_corners() {
    let own = [Polygon::from_outer(square(-5.0, -5.0, 10.0))];
    for radius in [0.3, 2.0, 17.0] {
        let large = grown(&[(&own, Reach::disc(radius))], 0.01);
        assert_eq!((large.len(), large[0].holes.len()), (1, 0));
        let arc = 2.0 * PI * radius * 0.01;
        near(area(&large), 100.0 + 40.0 * radius + PI * radius * radius, arc);
        let (low, high) = large[0].bounds().unwrap();
        assert!((high - low - Vector2::new(10.0 + 2.0 * radius, 10.0 + 2.0 * radius)).norm() < 1e-5);
    }
    for radius in [0.3, 2.0, 4.9] {
        let small = shrunk(&own, &[(&own, Reach::disc(radius))], 0.01);
        near(area(&small), (10.0 - 2.0 * radius).powi(2), 1e-4);
    }
    assert!(shrunk(&own, &[(&own, Reach::disc(5.1))], 0.01).is_empty());
}

#[test]
fn each_way_has_its_own_distance() {
    let own = [Polygon::from_outer(square(0.0, 0.0, 10.0))];
    let reach = Reach { right_mm: 1.0, left_mm: 2.0, up_mm: 3.0, down_mm: 4.0 };
    let large = grown(&[(&own, reach)], 0.01);
    let (low, high) = large[0].bounds().unwrap();
    assert!((low - Point2::new(-2.0, -4.0)).norm() < 1e-5 && (high - Point2::new(11.0, 13.0)).norm() < 1e-5);
    let ellipses = PI / 4.0 * (1.0 * 3.0 + 2.0 * 3.0 + 2.0 * 4.0 + 1.0 * 4.0);
    near(area(&large), 100.0 + 10.0 * (1.0 + 2.0 + 3.0 + 4.0) + ellipses, 0.15);
    let small = shrunk(&own, &[(&own, reach)], 0.01);
    let (low, high) = small[0].bounds().unwrap();
    assert!((low - Point2::new(2.0, 4.0)).norm() < 1e-5 && (high - Point2::new(9.0, 7.0)).norm() < 1e-5);
}

#[test]
fn a_reach_along_one_axis_is_a_segment_and_none_leaves_all() {
    let own = [Polygon::from_outer(circle(3.0, 4.0, 10.0, 400))];
    let along = Reach { right_mm: 0.0, left_mm: 0.0, up_mm: 6.0, down_mm: 0.0 };
    let disc = area(&own);
    near(area(&grown(&[(&own, along)], 0.01)), disc + 6.0 * 20.0, 0.5);
    let one_way = Reach { right_mm: 5.0, ..Reach::disc(0.0) };
    near(area(&grown(&[(&own, one_way)], 0.01)), disc + 5.0 * 20.0, 0.5);
    near(area(&grown(&[(&own, Reach::disc(0.0))], 0.01)), disc, 0.4);
    near(area(&shrunk(&own, &[(&own, Reach::disc(0.0))], 0.01)), disc, 0.4);
    assert!(grown(&[(&[], Reach::disc(5.0))], 0.01).is_empty());
    assert!(shrunk(&own, &[(&own, Reach::disc(1.0)), (&[], Reach::disc(1.0))], 0.01).is_empty());
}

#[test]
fn holes_close_at_their_radius_and_grow_when_shrunk() {
    let mut hole = circle(0.0, 0.0, 4.0, 300);
    hole.reverse();
    let own = [Polygon { outer: circle(0.0, 0.0, 12.0, 300), holes: vec![hole] }];
    let large = grown(&[(&own, Reach::disc(3.0))], 0.01);
    assert_eq!(large[0].holes.len(), 1);
    near(area(&large), PI * (225.0 - 1.0), 1.5);
    let closed = grown(&[(&own, Reach::disc(4.1))], 0.01);
    assert!(closed[0].holes.is_empty());
    near(area(&closed), PI * 16.1 * 16.1, 1.5);
    let small = shrunk(&own, &[(&own, Reach::disc(2.0))], 0.01);
    near(area(&small), PI * (100.0 - 36.0), 1.5);
    assert!(shrunk(&own, &[(&own, Reach::disc(4.1))], 0.01).is_empty());
}

#[test]
fn pieces_that_meet_are_one_and_a_star_of_reflex_corners_has_no_pinholes() {
    let own = [Polygon::from_outer(square(0.0, 0.0, 10.0)), Polygon::from_outer(square(14.0, 0.0, 10.0))];
    assert_eq!(grown(&[(&own, Reach::disc(1.9))], 0.01).len(), 2);
    assert_eq!(grown(&[(&own, Reach::disc(2.1))], 0.01).len(), 1);
    let star: Ring = (0..60)
        .map(|n| {
            let (s, c) = (f64::from(n) / 60.0 * 2.0 * PI).sin_cos();
            let radius = if n % 2 == 0 { 30.0 } else { 14.0 };
            Point2::new(radius * c, radius * s)
        })
        .collect();
    for radius in [0.2, 1.0, 3.0, 9.0] {
        let large = grown(&[(&[Polygon::from_outer(star.clone())], Reach::disc(radius))], 0.01);
        assert_eq!((large.len(), large[0].holes.len()), (1, 0), "{radius}");
    }
}

/// The distance of a point from a region, 0 inside.
fn distance(polygons: &[Polygon], point: Point2) -> f64 {
    if polygons.iter().any(|piece| piece.contains(point)) {
        return 0.0;
    }
    from_boundary(polygons, point)
}

fn from_boundary(polygons: &[Polygon], point: Point2) -> f64 {
    polygons
        .iter()
        .flat_map(Polygon::rings)
        .flat_map(|ring| ring.iter().zip(ring.iter().cycle().skip(1)))
        .map(|(a, b)| {
            let along = b - a;
            let t = ((point - a).dot(&along) / along.norm_squared()).clamp(0.0, 1.0);
            (point - (a + along * t)).norm()
        })
        .fold(f64::INFINITY, f64::min)
}

/// A ragged region with holes and pieces.
fn ragged(seed: &[f64]) -> Vec<Polygon> {
    let blob = |x: f64, y: f64, radius: f64, phase: f64| -> Polygon {
        Polygon::from_outer(
            (0..90)
                .map(|n| {
                    let angle = f64::from(n) / 90.0 * 2.0 * PI;
                    let wave = 1.0 + 0.35 * (angle * 3.0 + phase).sin() + 0.2 * (angle * 11.0 - phase).sin();
                    Point2::new(x + radius * wave * angle.cos(), y + radius * wave * angle.sin())
                })
                .collect(),
        )
    };
    let body = clip::union(&[blob(0.0, 0.0, 20.0, seed[0])], &[blob(seed[1], 12.0, 12.0, seed[2])]);
    let body = clip::difference(&body, &[blob(seed[3] * 0.2, -2.0, 8.0, seed[4])]);
    clip::union(&body, &[blob(seed[3] * 0.1, -1.0, 3.0, seed[0])])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn every_point_is_in_or_out_by_its_distance(
        seed in prop::collection::vec(-20.0..20.0_f64, 5), radius in 0.05..9.0_f64,
        points in prop::collection::vec((-60.0..60.0_f64, -60.0..60.0_f64), 400),
    ) {
        let own = ragged(&seed);
        let large = grown(&[(&own, Reach::disc(radius))], 0.01);
        let small = shrunk(&own, &[(&own, Reach::disc(radius))], 0.01);
        for point in points.into_iter().map(|(x, y)| Point2::new(x, y)) {
            let off = distance(&own, point);
            if (off - radius).abs() > 0.02 {
                let inside = large.iter().any(|piece| piece.contains(point));
                prop_assert_eq!(inside, off < radius, "{} at {} from it, radius {}", point, off, radius);
            }
            let depth = if off > 0.0 { -off } else { from_boundary(&own, point) };
            if (depth - radius).abs() > 0.02 {
                let inside = small.iter().any(|piece| piece.contains(point));
                prop_assert_eq!(inside, depth > radius, "{} at depth {}, radius {}", point, depth, radius);
            }
        }
    }
}

#[test]
fn a_region_alone_shrinks_as_it_does_as_a_part() {
    let hole = |x: f64, y: f64, side: f64| square(x, y, side).into_iter().rev().collect::<Ring>();
    let plate =
        Polygon { outer: square(0.0, 0.0, 20.0), holes: vec![hole(3.0, 3.0, 4.0), hole(9.0, 8.0, 6.0)] };
    let island = Polygon::from_outer(square(10.0, 9.0, 4.0));
    let wave = |n: u32| {
        let angle = f64::from(n) * PI / 90.0;
        let radius = 12.0 + 1.5 * (angle * 11.0).sin();
        Point2::new(40.0 + radius * angle.cos(), radius * angle.sin())
    };
    let star = Polygon::from_outer((0..180).map(wave).collect());
    let touching = Polygon::from_outer(square(20.0, 20.0, 5.0));
    let reaches = [Reach::disc(0.49), Reach { right_mm: 0.5, left_mm: 1.0, up_mm: 0.2, down_mm: 0.8 }];
    for region in [
        vec![plate.clone()],
        vec![star.clone(), Polygon::from_outer(square(0.0, 0.0, 20.0)), touching],
        vec![plate, island],
        vec![star],
        Vec::new(),
    ] {
        for reach in reaches {
            let (alone, part) =
                (shrunk_alone(&region, reach, 0.01), shrunk(&region, &[(&region, reach)], 0.01));
            near(area(&alone), area(&part), 0.01);
            near(area(&clip::xor(&alone, &part)), 0.0, 0.05);
        }
    }
}
