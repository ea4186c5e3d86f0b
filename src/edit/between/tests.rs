use super::*;
use std::f64::consts::{PI, TAU};

fn disc(x: f64, y: f64, radius: f64) -> Polygon {
    let corner = |step: u32| {
        let angle = TAU * f64::from(step) / 180.0;
        Point2::new(x + radius * angle.cos(), y + radius * angle.sin())
    };
    Polygon::from_outer((0..180).map(corner).collect())
}

fn area(polygons: &[Polygon]) -> f64 {
    polygons.iter().map(Polygon::area_mm2).sum()
}

/// The area in which two regions differ, as a part of the second.
fn differs(a: &[Polygon], b: &[Polygon]) -> f64 {
    area(&clip::xor(a, b)) / area(b)
}

const AT: [f64; 4] = [0.1, 0.3, 0.5, 0.85];

#[test]
fn between_two_discs_lies_a_cone() {
    let cone = between(&[disc(3.0, -7.0, 20.0)], &[disc(3.0, -7.0, 8.0)], 12.0, 1.0, &AT);
    for (t, got) in AT.iter().zip(&cone) {
        let wanted = disc(3.0, -7.0, 20.0 - 12.0 * t);
        assert!(differs(got, &[wanted]) < 0.005, "{t}: {}", area(got));
    }
}

#[test]
fn an_oblique_tube_keeps_its_width_even_where_its_slices_do_not_overlap() {
    let tube = between(&[disc(0.0, 0.0, 3.0)], &[disc(12.0, 5.0, 3.0)], 9.0, 1.0, &AT);
    for (t, got) in AT.iter().zip(&tube) {
        assert!(differs(got, &[disc(12.0 * t, 5.0 * t, 3.0)]) < 0.02, "{t}: {}", area(got));
    }
    // Too far for one organ: two pieces that end.
    let apart = between(&[disc(0.0, 0.0, 3.0)], &[disc(60.0, 0.0, 3.0)], 9.0, 1.0, &[0.25]);
    assert_eq!(apart[0].len(), 2);
    assert!((area(&apart[0]) - PI * (2.25_f64.powi(2) + 0.75_f64.powi(2))).abs() < 0.5);
}

#[test]
fn one_piece_becomes_two_where_the_blend_says() {
    let (whole, half, off) = (10.0, 5.0, 8.0);
    let split = whole / (whole + off - half);
    let at = [split - 0.02, split + 0.02];
    let two = [disc(-off, 0.0, half), disc(off, 0.0, half)];
    let got = between(&[disc(0.0, 0.0, whole)], &two, 6.0, 0.5, &at);
    assert_eq!((got[0].len(), got[1].len()), (1, 2));
    let back = between(&two, &[disc(0.0, 0.0, whole)], 6.0, 0.5, &[1.0 - at[0]]);
    assert!(differs(&back[0], &got[0]) < 0.001, "the way back is the same");
}

#[test]
fn a_hole_closes_and_a_lonely_piece_tapers() {
    let mut hole = disc(0.0, 0.0, 6.0).outer;
    hole.reverse();
    let ring = Polygon { outer: disc(0.0, 0.0, 20.0).outer, holes: vec![hole] };
    let got = between(
        std::slice::from_ref(&ring),
        &[disc(0.0, 0.0, 20.0), disc(60.0, 0.0, 8.0)],
        10.0,
        1.0,
        &[0.1, 0.9],
    );
    assert_eq!((got[0].len(), got[0][0].holes.len()), (1 + 1, 1));
    assert!(got[0][0].area_mm2() > ring.area_mm2(), "the hole shrinks");
    assert_eq!(got[1].iter().map(|piece| piece.holes.len()).sum::<usize>(), 0);
    let lonely = got[1].iter().find(|piece| centroid(piece).x > 40.0).unwrap();
    assert!((lonely.area_mm2() - PI * 7.2 * 7.2).abs() < 1.5, "{}", lonely.area_mm2());
}

#[test]
fn the_centre_of_a_ring_with_an_off_centre_hole() {
    let square = |x: f64, y: f64, side: f64| {
        [(x, y), (x + side, y), (x + side, y + side), (x, y + side)].map(|(x, y)| Point2::new(x, y)).to_vec()
    };
    let piece = Polygon { outer: square(100.0, 50.0, 4.0), holes: vec![square(102.0, 50.0, 2.0)] };
    let c = centroid(&piece);
    assert!((c - Vector2::new(102.0 - 4.0 / 12.0, 52.0 + 4.0 / 12.0)).norm() < 1e-9, "{c:?}");
}
