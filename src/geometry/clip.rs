//! Boolean operations on polygons: union, difference, intersection, exclusive or.
//!
//! The clipping is `i_overlay`'s, on 64-bit integers of 2^-24 mm. Vertices that an operation does
//! not make come back with the bits they went in with, and pieces whose bounding box meets
//! nothing of the other operand are handed through untouched, in their order, so that an edit
//! changes only what it reaches.

use super::{Point2, Polygon, Ring, Vector2, are_near, ring_area};
use i_overlay::core::fill_rule::FillRule;
use i_overlay::core::overlay::{ContourDirection, IntOverlayOptions, Overlay, ShapeType};
use i_overlay::core::overlay_rule::OverlayRule;
use i_overlay::core::solver::Solver;
use i_overlay::i_float::int::point::IntPoint;

pub use super::rings::{ResolveNote, RingRule, resolve_rings};

/// Integer units a millimetre: 2^24, so that 2^19 mm either way leave room for every product.
const SCALE: f64 = 16_777_216.0;

/// A made vertex this close to one that went in (integer units, 1e-6 mm) is that one.
const SAME_VERTEX: i64 = 16;

/// Pieces and holes below this area are rounding, not anatomy, square millimetres.
pub(super) const LEAST_AREA_MM2: f64 = 1e-6;

/// Everything in `a` or `b`.
///
/// The polygons of one operand must not overlap ([`union_all`] sees to that). Empty operands are
/// empty sets; the result is disjoint pieces, outer rings counter-clockwise, holes clockwise.
/// Coordinates beyond 2^19 mm (half a kilometre) are clamped.
#[must_use]
pub fn union(a: &[Polygon], b: &[Polygon]) -> Vec<Polygon> {
    let (mut out, a) = apart(a, b);
    let (b_apart, b) = apart(b, &a);
    out.extend(b_apart);
    out.extend(overlay(&a, &b, OverlayRule::Union, FillRule::NonZero));
    out
}

/// What is in `a` and not in `b`. See [`union`] for the common rules.
#[must_use]
pub fn difference(a: &[Polygon], b: &[Polygon]) -> Vec<Polygon> {
    let (mut out, a) = apart(a, b);
    let (_, b) = apart(b, &a);
    if b.is_empty() {
        out.extend(a);
    } else {
        out.extend(overlay(&a, &b, OverlayRule::Difference, FillRule::NonZero));
    }
    out
}

/// What is in `a` and in `b`. See [`union`] for the common rules.
#[must_use]
pub fn intersection(a: &[Polygon], b: &[Polygon]) -> Vec<Polygon> {
    let (_, a) = apart(a, b);
    let (_, b) = apart(b, &a);
    if a.is_empty() || b.is_empty() {
        return Vec::new();
    }
    overlay(&a, &b, OverlayRule::Intersect, FillRule::NonZero)
}

/// What is in exactly one of `a` and `b`. See [`union`] for the common rules.
#[must_use]
pub fn xor(a: &[Polygon], b: &[Polygon]) -> Vec<Polygon> {
    let (mut out, a) = apart(a, b);
    let (b_apart, b) = apart(b, &a);
    out.extend(b_apart);
    if a.is_empty() || b.is_empty() {
        out.extend(a);
        out.extend(b);
    } else {
        out.extend(overlay(&a, &b, OverlayRule::Xor, FillRule::NonZero));
    }
    out
}

/// Everything in any of `polygons`, which may overlap.
#[must_use]
pub fn union_all(polygons: impl IntoIterator<Item = Polygon>) -> Vec<Polygon> {
    let polygons: Vec<Polygon> = polygons.into_iter().collect();
    if polygons.len() < 2 {
        return polygons;
    }
    overlay(&polygons, &[], OverlayRule::Subject, FillRule::NonZero)
}

/// The region of rings that may cross themselves and one another, by the even-odd rule.
#[must_use]
pub fn even_odd(rings: &[Ring]) -> Vec<Polygon> {
    let pieces: Vec<Polygon> = rings.iter().map(|ring| Polygon::from_outer(ring.clone())).collect();
    overlay(&pieces, &[], OverlayRule::Subject, FillRule::EvenOdd)
}

/// Where outlines run around more often counter-clockwise than clockwise: what is left of polygons
/// whose rings (outlines counter-clockwise, holes clockwise) cross themselves or one another after
/// their vertices were moved. Loops that were turned over go.
#[must_use]
pub fn positive(polygons: &[Polygon]) -> Vec<Polygon> {
    overlay(polygons, &[], OverlayRule::Subject, FillRule::Positive)
}

/// The part of `polygons` on the side of the line through `point` that `towards` points to.
#[must_use]
pub fn half_plane(polygons: &[Polygon], point: Point2, towards: Vector2) -> Vec<Polygon> {
    let Some(towards) = towards.try_normalize(1e-12) else { return Vec::new() };
    slab(polygons, point, towards, 0.0, reach(polygons, point))
}

/// The part of `polygons` whose distance from the line through `point` with unit normal `across`
/// lies in `from_mm..=to_mm`.
#[must_use]
pub fn slab(polygons: &[Polygon], point: Point2, across: Vector2, from_mm: f64, to_mm: f64) -> Vec<Polygon> {
    let reach = reach(polygons, point);
    if to_mm <= from_mm || !reach.is_finite() {
        return Vec::new();
    }
    intersection(polygons, &[strip(point, across, from_mm, to_mm, reach)])
}

/// A length beyond every vertex from `point` on.
fn reach(polygons: &[Polygon], point: Point2) -> f64 {
    let vertices = polygons.iter().flat_map(Polygon::rings).flatten();
    vertices.map(|vertex| (vertex - point).norm()).fold(0.0, f64::max) + 1.0
}

/// The rectangle `from..to` along the unit vector `across`, `reach` either way along the line.
pub(super) fn strip(point: Point2, across: Vector2, from: f64, to: f64, reach: f64) -> Polygon {
    let along = Vector2::new(across.y, -across.x) * reach;
    Polygon::from_outer(vec![
        point + across * from - along,
        point + across * to - along,
        point + across * to + along,
        point + across * from + along,
    ])
    .oriented()
}

/// Splits `own` into the pieces whose bounding boxes meet none of `other`'s, and the rest.
fn apart(own: &[Polygon], other: &[Polygon]) -> (Vec<Polygon>, Vec<Polygon>) {
    let boxes: Vec<_> = other.iter().filter_map(Polygon::bounds).collect();
    own.iter().filter(|piece| piece.outer.len() >= 3).cloned().partition(|piece| {
        let Some(around) = piece.bounds() else { return true };
        !boxes.iter().any(|other| are_near(around, *other, 0.0))
    })
}

fn to_int(point: Point2) -> IntPoint<i64> {
    const LIMIT: f64 = 524_288.0;
    let convert = |value: f64| {
        let units = value.clamp(-LIMIT, LIMIT) * SCALE;
        // Rounded without a call of the mathematical library: below 2^44 a half is exact.
        #[expect(clippy::cast_possible_truncation, reason = "clamped to 2^43; NaN becomes 0")]
        let int = (units + 0.5_f64.copysign(units)) as i64;
        int
    };
    IntPoint::new(convert(point.x), convert(point.y))
}

/// Remembers the vertices that went in, to hand the same bits out again.
struct Vertices {
    /// By their integers, each once: of several with the same integers the first that went in.
    sorted: Vec<(i64, i64, Point2)>,
}

impl Vertices {
    fn of<'a>(rings: impl Iterator<Item = &'a Ring>) -> Self {
        let mut sorted: Vec<(i64, i64, Point2)> = rings
            .flatten()
            .map(|point| {
                let int = to_int(*point);
                (int.x, int.y, *point)
            })
            .collect();
        // Stable: the first that went in stays in front.
        sorted.sort_by_key(|(x, y, _)| (*x, *y));
        sorted.dedup_by_key(|(x, y, _)| (*x, *y));
        Self { sorted }
    }

    fn restore(&self, int: IntPoint<i64>) -> Point2 {
        let from = self.sorted.partition_point(|(x, ..)| *x < int.x - SAME_VERTEX);
        self.sorted[from..]
            .iter()
            .take_while(|(x, ..)| *x <= int.x + SAME_VERTEX)
            .filter(|(_, y, _)| (y - int.y).abs() <= SAME_VERTEX)
            .min_by_key(|(x, y, _)| ((x - int.x).abs() + (y - int.y).abs(), *x, *y))
            .map_or_else(
                #[expect(clippy::cast_precision_loss, reason = "below 2^44")]
                || Point2::new(int.x as f64 / SCALE, int.y as f64 / SCALE),
                |(_, _, point)| *point,
            )
    }
}

fn overlay(subject: &[Polygon], clip: &[Polygon], rule: OverlayRule, fill: FillRule) -> Vec<Polygon> {
    let rings = || subject.iter().chain(clip).flat_map(Polygon::rings);
    let count = rings().map(Vec::len).sum();
    if count == 0 {
        return Vec::new();
    }
    let options = IntOverlayOptions {
        preserve_input_collinear: true,
        output_direction: ContourDirection::CounterClockwise,
        preserve_output_collinear: true,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "2.8e8")]
        min_output_area: (LEAST_AREA_MM2 * SCALE * SCALE) as u128,
        // In OGC mode a hole that touches the outline in vertices can land in another piece.
        ogc: false,
    };
    let mut overlay = Overlay::<i64>::new_custom(count, options, Solver::AUTO);
    for (polygons, kind) in [(subject, ShapeType::Subject), (clip, ShapeType::Clip)] {
        for polygon in polygons {
            for (index, ring) in polygon.rings().enumerate().filter(|(_, ring)| ring.len() >= 3) {
                // Non-zero filling needs outer rings one way round and holes the other.
                let forward = (ring_area(ring) > 0.0) == (index == 0);
                let mut ints: Vec<IntPoint<i64>> = ring.iter().map(|point| to_int(*point)).collect();
                if !forward {
                    ints.reverse();
                }
                overlay.add_contour(&ints, kind);
            }
        }
    }
    let vertices = Vertices::of(rings());
    let back = |contour: &Vec<IntPoint<i64>>| -> Option<Ring> {
        let mut ring: Ring = contour.iter().map(|int| vertices.restore(*int)).collect();
        ring.dedup();
        while ring.len() > 1 && ring.first() == ring.last() {
            ring.pop();
        }
        (ring.len() >= 3 && ring_area(&ring).abs() >= LEAST_AREA_MM2).then_some(ring)
    };
    overlay
        .overlay(rule, fill)
        .iter()
        .filter_map(|shape| {
            let mut contours = shape.iter();
            let outer = back(contours.next()?)?;
            Some(Polygon { outer, holes: contours.filter_map(back).collect() }.oriented())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::polygon::tests::square;
    use crate::geometry::rasterise::{self, Frame};
    use crate::geometry::{Plane, trace};
    use proptest::prelude::*;

    fn area(polygons: &[Polygon]) -> f64 {
        polygons.iter().map(Polygon::area_mm2).sum()
    }

    fn squares(list: &[(f64, f64, f64)]) -> Vec<Polygon> {
        list.iter().map(|(x, y, side)| Polygon::from_outer(square(*x, *y, *side))).collect()
    }

    #[test]
    fn two_overlapping_squares() {
        let (a, b) = (squares(&[(0.0, 0.0, 2.0)]), squares(&[(1.0, 1.0, 2.0)]));
        assert!((area(&union(&a, &b)) - 7.0).abs() < 1e-6);
        assert!((area(&intersection(&a, &b)) - 1.0).abs() < 1e-6);
        assert!((area(&difference(&a, &b)) - 3.0).abs() < 1e-6);
        assert!((area(&xor(&a, &b)) - 6.0).abs() < 1e-6);
        assert_eq!(union(&a, &b).len(), 1);
        assert_eq!(union(&a, &b)[0].outer.len(), 8);
    }

    #[test]
    fn cutting_the_middle_out_makes_a_hole() {
        let (a, b) = (squares(&[(0.0, 0.0, 3.0)]), squares(&[(1.0, 1.0, 1.0)]));
        let ring = difference(&a, &b);
        assert_eq!((ring.len(), ring[0].holes.len()), (1, 1));
        assert!(ring_area(&ring[0].outer) > 0.0 && ring_area(&ring[0].holes[0]) < 0.0);
        assert!((area(&ring) - 8.0).abs() < 1e-6);
    }

    #[test]
    fn untouched_vertices_keep_their_bits() {
        let odd = |x: f64, y: f64| Point2::new(x + 0.1 + 0.2, y + 1.0 / 3.0);
        let a = vec![Polygon::from_outer(vec![
            odd(0.0, 0.0),
            odd(5.0, 0.0),
            odd(10.0, 0.0),
            odd(10.0, 10.0),
            odd(0.0, 10.0),
        ])];
        let cut = difference(&a, &squares(&[(8.0, 8.0, 9.0)]));
        for vertex in [odd(0.0, 0.0), odd(5.0, 0.0), odd(10.0, 0.0), odd(0.0, 10.0)] {
            assert!(cut[0].outer.contains(&vertex), "{vertex} lost");
        }
        let far = union(&a, &squares(&[(100.0, 100.0, 1.0)]));
        assert_eq!(far[0], a[0]);
    }

    #[test]
    fn pieces_that_touch_at_a_corner_stay_pieces() {
        let both = union(&squares(&[(0.0, 0.0, 1.0)]), &squares(&[(1.0, 1.0, 1.0)]));
        assert_eq!(both.len(), 2);
        assert!((area(&both) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn empty_operands_are_empty_sets() {
        let a = squares(&[(0.0, 0.0, 1.0)]);
        assert_eq!(union(&a, &[]), a);
        assert_eq!(difference(&a, &[]), a);
        assert_eq!(xor(&[], &a), a);
        assert!(intersection(&a, &[]).is_empty() && difference(&[], &a).is_empty());
        assert!(difference(&a, &a).is_empty());
    }

    #[test]
    fn loops_turned_over_go_and_what_overlaps_is_one() {
        // The last edge cuts a corner off, which runs the other way round.
        let bow: Ring =
            [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0), (0.0, 3.0), (-1.0, 3.0), (-1.0, 3.5)]
                .map(|(x, y)| Point2::new(x, y))
                .to_vec();
        let kept = positive(&[Polygon::from_outer(bow)]);
        assert_eq!(kept.len(), 1);
        assert!((area(&kept) - 16.0 - 9.0 / 7.0).abs() < 1e-6, "{:?}", kept[0].outer);
        let mut two = squares(&[(0.0, 0.0, 3.0), (2.0, 0.0, 3.0)]);
        let mut hole = square(0.5, 0.5, 1.0);
        hole.reverse();
        two[0].holes.push(hole);
        let one = positive(&two);
        assert_eq!((one.len(), one[0].holes.len()), (1, 1));
        assert!((area(&one) - 14.0).abs() < 1e-6);
        assert!(positive(&[]).is_empty());
    }

    #[test]
    fn half_planes_and_slabs_cut_straight() {
        let a = squares(&[(0.0, 0.0, 4.0)]);
        assert!((area(&half_plane(&a, Point2::new(1.0, 0.0), Vector2::x())) - 12.0).abs() < 1e-6);
        assert!((area(&slab(&a, Point2::new(2.0, 2.0), Vector2::y(), -0.5, 1.0)) - 6.0).abs() < 1e-6);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn operations_on_polygons_are_operations_on_their_voxels(
            a in prop::collection::vec(prop::bool::weighted(0.6), 144),
            b in prop::collection::vec(prop::bool::weighted(0.4), 144),
        ) {
            let frame = Frame::new(Point2::new(-3.3, 8.1), Vector2::new(0.9, 0.0), Vector2::new(0.1, 1.3), [12, 12])
                .unwrap();
            let snap = |p: &Point2| Plane::axial(7.0).snap(*p);
            let polygons = |mask: &[bool]| -> Vec<Polygon> {
                let ring = |ring: &Ring| ring.iter().map(snap).collect();
                frame
                    .map(&trace::mask_slice(mask, 12, 12), [0, 0])
                    .iter()
                    .map(|p| Polygon { outer: ring(&p.outer), holes: p.holes.iter().map(ring).collect() })
                    .collect()
            };
            let (pa, pb) = (polygons(&a), polygons(&b));
            let each = |rule: fn(bool, bool) -> bool| -> Vec<bool> {
                a.iter().zip(&b).map(|(a, b)| rule(*a, *b)).collect()
            };
            let voxels = |list: Vec<Polygon>| rasterise::polygons(&list, &frame);
            prop_assert_eq!(voxels(union(&pa, &pb)), each(|a, b| a | b));
            prop_assert_eq!(voxels(intersection(&pa, &pb)), each(|a, b| a & b));
            prop_assert_eq!(voxels(difference(&pa, &pb)), each(|a, b| a && !b));
            prop_assert_eq!(voxels(xor(&pa, &pb)), each(|a, b| a ^ b));
            let (whole, parts) = (area(&pa), area(&difference(&pa, &pb)) + area(&intersection(&pa, &pb)));
            prop_assert!((whole - parts).abs() < 1e-5);
            // Vertices that nothing touched are still there, to the bit.
            let known: Vec<Point2> = pa.iter().chain(&pb).flat_map(Polygon::rings).flatten().copied().collect();
            for vertex in union(&pa, &pb).iter().flat_map(Polygon::rings).flatten() {
                let near = known.iter().find(|own| (*own - vertex).norm() < 1e-6);
                prop_assert!(near.is_none_or(|own| own == vertex));
            }
        }
    }
}
