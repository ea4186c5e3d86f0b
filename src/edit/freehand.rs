//! Freehand regions: on the contours' own plane, and as slabs across other planes.

use super::{Sign, paint};
use crate::geometry::{Plane, Point2, Polygon, are_near, clip, stroke};

/// The region inside a drawn line, closed by a straight line. Where the line crosses itself every
/// enclosed part counts, loops drawn twice included. Empty for a line without area.
#[must_use]
pub fn region_of(path: &[Point2]) -> Vec<Polygon> {
    if path.len() < 3 {
        return Vec::new();
    }
    let drawn = [Polygon::from_outer(path.to_vec())];
    // The union with itself: clipping fills by winding number and untangles the crossings.
    clip::union(&drawn, &drawn)
}

/// Adds a drawn region to the polygons of its own plane, or cuts it out of them.
#[must_use]
pub fn freehand(polygons: &[Polygon], region: &[Polygon], sign: Sign) -> Vec<Polygon> {
    paint(polygons, region, sign)
}

/// Adds to or cuts from the `polygons` of `plane` the slab that `region`, drawn on `drawn_on`, makes
/// when extruded by half of `thickness_mm` to either side.
#[must_use]
pub fn freehand_slab(
    polygons: &[Polygon],
    plane: &Plane,
    region: &[Polygon],
    drawn_on: &Plane,
    thickness_mm: f64,
    sign: Sign,
) -> Vec<Polygon> {
    paint(polygons, &stroke::extruded_section(region, drawn_on, thickness_mm / 2.0, plane), sign)
}

/// Whether the segment touches the polygons: an end inside, or an edge crossed.
#[must_use]
pub fn path_touches(polygons: &[Polygon], from: Point2, to: Point2) -> bool {
    let side = |a: Point2, b: Point2, c: Point2| (b - a).perp(&(c - a));
    let crosses = |a: Point2, b: Point2| {
        side(from, to, a) * side(from, to, b) <= 0.0 && side(a, b, from) * side(a, b, to) <= 0.0
    };
    let around = (from.inf(&to), from.sup(&to));
    polygons.iter().filter(|piece| piece.bounds().is_some_and(|own| are_near(own, around, 0.0))).any(
        |piece| {
            piece.contains(to)
                || piece.contains(from)
                || (from != to
                    && piece.rings().any(|ring| {
                        ring.iter().zip(ring.iter().cycle().skip(1)).any(|(a, b)| crosses(*a, *b))
                    }))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Point3, Vector3};

    fn square(x: f64, y: f64, side: f64) -> Vec<Point2> {
        [(x, y), (x + side, y), (x + side, y + side), (x, y + side)].map(|(x, y)| Point2::new(x, y)).to_vec()
    }

    fn area(polygons: &[Polygon]) -> f64 {
        polygons.iter().map(Polygon::area_mm2).sum()
    }

    #[test]
    fn a_figure_of_eight_has_both_its_lobes() {
        let eight = [(0.0, 0.0), (2.0, 2.0), (2.0, 0.0), (0.0, 2.0)].map(|(x, y)| Point2::new(x, y));
        assert!((area(&region_of(&eight)) - 2.0).abs() < 1e-6);
        assert!(region_of(&eight[..2]).is_empty());
    }

    #[test]
    fn a_slab_across_a_plane_cuts_a_strip() {
        let sagittal = Plane::new(Point3::new(5.0, 0.0, 0.0), Vector3::y(), Vector3::z()).unwrap();
        let region =
            region_of(&square(2.0, -1.0, 4.0).into_iter().map(|p| Point2::new(p.x, p.y)).collect::<Vec<_>>());
        let block = [Polygon::from_outer(square(0.0, 0.0, 10.0))];
        let cut = freehand_slab(&block, &Plane::axial(0.0), &region, &sagittal, 3.0, Sign::Cut);
        assert!((area(&cut) - (100.0 - 3.0 * 4.0)).abs() < 1e-6, "{}", area(&cut));
        let missed = freehand_slab(&block, &Plane::axial(9.0), &region, &sagittal, 3.0, Sign::Cut);
        assert_eq!(missed, block);
    }

    #[test]
    fn a_fast_line_right_through_a_thin_piece_touches_it() {
        let thin = [Polygon::from_outer(square(0.0, 0.0, 0.5))];
        let touches =
            |a: (f64, f64), b: (f64, f64)| path_touches(&thin, Point2::new(a.0, a.1), Point2::new(b.0, b.1));
        assert!(touches((-10.0, 0.2), (10.0, 0.3)));
        assert!(!touches((-10.0, 0.8), (10.0, 0.7)));
        assert!(!touches((-10.0, 0.2), (-9.0, 0.2)));
    }
}
