use super::*;

fn square(x: f64, y: f64, side: f64) -> Polygon {
    let corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)];
    Polygon::from_outer(corners.map(|(x, y)| Point2::new(x, y)).to_vec())
}

fn with_hole() -> Polygon {
    let mut hole = square(8.0, 8.0, 4.0).outer;
    hole.reverse();
    Polygon { outer: square(0.0, 0.0, 20.0).outer, holes: vec![hole] }
}

fn area(polygons: &[Polygon]) -> f64 {
    polygons.iter().map(Polygon::area_mm2).sum()
}

fn line(points: &[(f64, f64)]) -> Vec<Point2> {
    points
        .windows(2)
        .flat_map(|ends| {
            (0..20).map(move |n| {
                let t = f64::from(n) / 20.0;
                let ((ax, ay), (bx, by)) = (ends[0], ends[1]);
                Point2::new(ax + (bx - ax) * t, ay + (by - ay) * t)
            })
        })
        .chain(points.last().map(|(x, y)| Point2::new(*x, *y)))
        .collect()
}

#[test]
fn a_bump_replaces_the_part_it_runs_along() {
    let pieces = [with_hole(), square(40.0, 0.0, 5.0)];
    // Out over the right side between y 5 and 15, by 6 mm.
    let out =
        part_replaced(&pieces, &line(&[(19.6, 5.0), (26.0, 5.0), (26.0, 15.0), (19.5, 15.0)]), 1.0).unwrap();
    assert!((area(&out) - (area(&pieces) + 60.0)).abs() < 0.01, "{}", area(&out));
    assert!(out.contains(&pieces[1]), "the other piece to the bit");
    for corner in &pieces[0].outer {
        assert!(out.iter().any(|piece| piece.outer.contains(corner)), "kept corners keep their bits");
    }
    // In, and drawn the other way round.
    let dent =
        part_replaced(&pieces, &line(&[(20.2, 17.0), (15.0, 17.0), (15.0, 3.0), (20.3, 3.0)]), 1.0).unwrap();
    assert!((area(&dent) - (area(&pieces) - 70.0)).abs() < 0.01, "{}", area(&dent));
}

#[test]
fn a_stroke_right_across_takes_the_smaller_side_and_a_round_one_everything() {
    let piece = [square(0.0, 0.0, 20.0)];
    let across = part_replaced(&piece, &line(&[(-0.5, 14.0), (20.5, 14.0)]), 1.0).unwrap();
    assert!((area(&across) - 280.0).abs() < 0.01, "{}", area(&across));
    let round = [(20.0, 10.0), (24.0, 24.0), (-4.0, 24.0), (-4.0, -4.0), (24.0, -4.0), (20.1, 9.9)];
    let all = part_replaced(&piece, &line(&round), 1.0).unwrap();
    assert!(area(&all) > 600.0, "{}", area(&all));
    assert!(part_replaced(&piece, &line(&[(5.0, 5.0), (10.0, 10.0)]), 1.0).is_none(), "ends inside");
    assert!(part_replaced(&piece, &line(&[(0.0, 5.0), (10.0, 10.0)]), 1.0).is_none(), "one end only");
}

#[test]
fn the_outline_of_a_hole_is_replaced_too() {
    let pieces = [with_hole()];
    let wider =
        part_replaced(&pieces, &line(&[(8.1, 8.0), (8.1, 6.0), (11.9, 6.0), (11.9, 8.0)]), 0.5).unwrap();
    assert!((area(&wider) - (400.0 - 16.0 - 7.6)).abs() < 0.1, "{}", area(&wider));
    assert_eq!((wider.len(), wider[0].holes.len()), (1, 1));
}

#[test]
fn a_point_is_moved_inserted_and_removed() {
    let pieces = [square(0.0, 0.0, 20.0), square(30.0, 0.0, 5.0)];
    let corner = nearest_vertex(&pieces, Point2::new(19.0, 19.5), 2.0).unwrap();
    assert_eq!((corner.piece, corner.point), (0, Point2::new(20.0, 20.0)));
    let moved = point_moved(&pieces, &corner, Vector2::new(4.0, 0.0));
    assert!((area(&moved) - (425.0 + 40.0)).abs() < 1e-9);
    let edge = nearest_on_outline(&pieces, Point2::new(9.0, 0.4), 2.0).unwrap();
    let inserted = point_moved(&pieces, &edge, Vector2::zeros());
    assert_eq!((inserted[0].outer.len(), area(&inserted)), (5, 425.0));
    let pulled = point_moved(&pieces, &edge, Vector2::new(0.0, -3.0));
    assert!((area(&pulled) - (425.0 + 30.0)).abs() < 1e-6);
    let removed = point_removed(&pieces, &corner).unwrap();
    assert!((area(&removed) - (200.0 + 25.0)).abs() < 1e-9);
    let triangle = [Polygon::from_outer(square(0.0, 0.0, 4.0).outer[..3].to_vec())];
    assert!(point_removed(&triangle, &nearest_vertex(&triangle, Point2::origin(), 1.0).unwrap()).is_none());
}

#[test]
fn a_point_pulled_across_leaves_no_crossing_and_joins_what_it_covers() {
    let pieces = [square(0.0, 0.0, 20.0), square(30.0, 5.0, 5.0)];
    let corner = nearest_vertex(&pieces, Point2::new(20.0, 20.0), 0.5).unwrap();
    // Through the opposite side: two triangles of a bow tie, told apart.
    let crossed = point_moved(&pieces, &corner, Vector2::new(-30.0, -10.0));
    let union = clip::union_all(crossed.clone());
    assert!((area(&union) - area(&crossed)).abs() < 1e-6);
    let over = point_moved(&pieces, &corner, Vector2::new(40.0, -12.0));
    assert_eq!(over.len(), 1, "the other piece lies under it now");
}

#[test]
fn a_bend_moves_the_place_fully_and_the_far_side_not_at_all() {
    let pieces = [square(0.0, 0.0, 40.0)];
    let place = nearest_on_outline(&pieces, Point2::new(40.0, 20.0), 1.0).unwrap();
    let reach = 12.0;
    let weight = |away: f64| (1.0 - (away / reach).powi(2)).max(0.0).powi(2);
    let out = bent(&pieces, &place, Vector2::new(3.0, 0.0), reach, weight);
    // The integral of (1 - s^2)^2 from -1 to 1 is 16/15.
    let wanted = 1600.0 + 3.0 * reach * 16.0 / 15.0;
    assert!((area(&out) - wanted).abs() < 0.1, "{} {wanted}", area(&out));
    assert!(out[0].outer.iter().any(|p| (p - Point2::new(43.0, 20.0)).norm() < 1e-9));
    assert!(pieces[0].outer.iter().all(|corner| out[0].outer.contains(corner)));
}

#[test]
fn pieces_that_touch_stay_apart() {
    let pieces = [square(0.0, 0.0, 10.0), square(10.0, 0.0, 10.0)];
    let corner = nearest_vertex(&pieces, Point2::new(0.0, 0.0), 0.5).unwrap();
    let moved = point_moved(&pieces, &corner, Vector2::new(-2.0, 0.0));
    assert_eq!(moved.len(), 2);
    assert!(moved.contains(&pieces[1]));
}

#[test]
fn a_place_that_the_pieces_do_not_have_changes_nothing() {
    let pieces = [square(0.0, 0.0, 10.0)];
    let by = Vector2::new(1.0, 1.0);
    for (piece, ring, edge) in [(0, 0, 4), (0, 0, 40), (0, 1, 0), (1, 0, 0)] {
        for along in [0.0, 0.5] {
            let place = OutlinePlace { piece, ring, edge, along, point: Point2::new(5.0, 0.0) };
            assert_eq!(point_moved(&pieces, &place, by), pieces);
            assert_eq!(point_moved(&pieces, &place, Vector2::zeros()), pieces);
            assert_eq!(point_removed(&pieces, &place), None);
            assert_eq!(bent(&pieces, &place, by, 5.0, |_| 1.0), pieces);
        }
    }
}
