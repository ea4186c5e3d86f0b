//! No piece thinner than a pixel: threads, crumbs and pinholes that a gesture leaves are removed.
//!
//! Only what the gesture made is looked at; thin anatomy elsewhere on the slice stays. What is
//! thin is found by closeness of edges first (cheap, on every gesture); only a ring with a hit is
//! opened morphologically, with a disc of one pixel's diameter.

use crate::geometry::{Point2, Polygon, Ring, clip, ring_area, stroke};
use std::collections::{HashMap, HashSet};
use std::f64::consts::FRAC_PI_4;

/// `after` without what is thinner than `pixel_mm` where it differs from `before`: pieces in which
/// no disc of that diameter fits, threads and spikes narrower than it, and holes of less area than
/// such a disc. What `before` has with the same bits is handed through.
#[must_use]
pub fn without_slivers(before: &[Polygon], after: Vec<Polygon>, pixel_mm: f64) -> Vec<Polygon> {
    let old: HashSet<(u64, u64)> =
        before.iter().flat_map(Polygon::rings).flatten().map(|point| bits(*point)).collect();
    let is_old = |ring: &Ring| ring.iter().all(|point| old.contains(&bits(*point)));
    let least_area = FRAC_PI_4 * pixel_mm * pixel_mm;
    let mut kept = Vec::with_capacity(after.len());
    for mut piece in after {
        if before.contains(&piece) {
            kept.push(piece);
            continue;
        }
        if piece.area_mm2() < least_area {
            continue;
        }
        piece.holes.retain(|hole| is_old(hole) || ring_area(hole).abs() >= least_area);
        let small = perimeter(&piece.outer) < 12.0 * pixel_mm;
        if small || has_thin_part(&piece, &old, pixel_mm) {
            kept.extend(opened(&piece, &old, pixel_mm));
        } else {
            kept.push(piece);
        }
    }
    kept
}

fn bits(point: Point2) -> (u64, u64) {
    (point.x.to_bits(), point.y.to_bits())
}

fn perimeter(ring: &Ring) -> f64 {
    ring.iter().zip(ring.iter().cycle().skip(1)).map(|(a, b)| (b - a).norm()).sum()
}

/// A point on a boundary: where, on which ring, and how far along it, mm.
struct Mark {
    point: Point2,
    ring: usize,
    along: f64,
    fresh: bool,
}

/// Whether two parts of the boundary, one of them fresh, face each other through the inside at less
/// than a pixel, other than at a corner.
fn has_thin_part(piece: &Polygon, old: &HashSet<(u64, u64)>, pixel_mm: f64) -> bool {
    let mut marks = Vec::new();
    let mut lengths = Vec::new();
    for (index, ring) in piece.rings().enumerate() {
        let mut along = 0.0;
        for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
            let fresh = !old.contains(&bits(*a)) || !old.contains(&bits(*b));
            let length = (b - a).norm();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand")]
            let steps = (length / (pixel_mm * 0.4)).ceil().clamp(1.0, 4096.0) as u32;
            for step in 0..steps {
                let t = f64::from(step) / f64::from(steps);
                marks.push(Mark { point: a + (b - a) * t, ring: index, along: along + length * t, fresh });
            }
            along += length;
        }
        lengths.push(along);
    }
    #[expect(clippy::cast_possible_truncation, reason = "millimetres over a pixel")]
    let cell = |point: Point2| ((point.x / pixel_mm).floor() as i64, (point.y / pixel_mm).floor() as i64);
    let mut cells: HashMap<(i64, i64), Vec<usize>> = HashMap::with_capacity(marks.len());
    for (index, mark) in marks.iter().enumerate() {
        cells.entry(cell(mark.point)).or_default().push(index);
    }
    let near = pixel_mm * 0.9;
    let far = pixel_mm * 3.0;
    marks.iter().filter(|mark| mark.fresh).any(|mark| {
        let (x, y) = cell(mark.point);
        (x - 1..=x + 1)
            .flat_map(|x| (y - 1..=y + 1).map(move |y| (x, y)))
            .filter_map(|at| cells.get(&at))
            .flatten()
            .map(|index| &marks[*index])
            .any(|other| {
                let gap = (other.along - mark.along).abs();
                let apart = other.ring != mark.ring || gap.min(lengths[mark.ring] - gap) > far;
                apart
                    && (other.point - mark.point).norm() < near
                    && piece.contains(mark.point + (other.point - mark.point) * 0.5)
            })
    })
}

/// The piece without its fresh parts in which a disc of a pixel's diameter does not fit. Corners
/// lose nothing: what is taken off must be longer than a pixel or be a whole piece.
fn opened(piece: &Polygon, old: &HashSet<(u64, u64)>, pixel_mm: f64) -> Vec<Polygon> {
    let whole = std::slice::from_ref(piece);
    let radius = pixel_mm / 2.0 * 0.98;
    let core = clip::difference(whole, &border(whole, radius));
    if core.is_empty() {
        return Vec::new();
    }
    // A little more than it was eroded, so that rounding leaves no film along the boundary.
    let fat = clip::union(&core, &border(&core, radius * 1.05));
    let thin = clip::difference(whole, &fat);
    let is_fresh = |part: &Polygon| {
        part.rings()
            .flatten()
            .any(|point| !old.contains(&bits(*point)) && piece.rings().any(|ring| ring.contains(point)))
    };
    let long = |part: &Polygon| perimeter(&part.outer) > 2.5 * pixel_mm;
    let taken: Vec<Polygon> = thin.into_iter().filter(|part| long(part) && is_fresh(part)).collect();
    if taken.is_empty() {
        return vec![piece.clone()];
    }
    let mut rest = clip::difference(whole, &taken);
    rest.retain(|part| part.area_mm2() >= FRAC_PI_4 * pixel_mm * pixel_mm);
    rest
}

/// Everything within `radius_mm` of the boundary.
fn border(polygons: &[Polygon], radius_mm: f64) -> Vec<Polygon> {
    let bands = polygons.iter().flat_map(Polygon::rings).flat_map(|ring| {
        let mut closed = ring.clone();
        closed.extend(ring.first().copied());
        stroke::swept_disc(&closed, radius_mm, radius_mm * 0.05)
    });
    clip::union_all(bands)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rectangle(x: f64, y: f64, width: f64, height: f64) -> Polygon {
        Polygon::from_outer(
            [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
                .map(|(x, y)| Point2::new(x, y))
                .to_vec(),
        )
    }

    fn area(polygons: &[Polygon]) -> f64 {
        polygons.iter().map(Polygon::area_mm2).sum()
    }

    #[test]
    fn a_thread_left_by_the_eraser_goes() {
        let before = [rectangle(0.0, 0.0, 30.0, 20.0)];
        // Cuts all but a strip of 0.4 mm along the right edge.
        let after = clip::difference(&before, &[rectangle(20.0, -1.0, 9.6, 30.0)]);
        assert_eq!(after.len(), 2);
        let tidy = without_slivers(&before, after, 1.0);
        assert_eq!(tidy.len(), 1);
        assert!((area(&tidy) - 400.0).abs() < 1e-6);
    }

    #[test]
    fn a_thread_that_hangs_on_a_piece_goes_and_the_piece_stays() {
        let before = [rectangle(0.0, 0.0, 30.0, 20.0)];
        let after = clip::difference(&before, &[rectangle(20.0, 0.5, 20.0, 30.0)]);
        assert_eq!(after.len(), 1, "a foot of 0.5 mm");
        let tidy = without_slivers(&before, after, 1.0);
        assert_eq!(tidy.len(), 1);
        assert!((area(&tidy) - 400.0).abs() < 1.0, "{}", area(&tidy));
        assert!(tidy[0].bounds().unwrap().1.x < 21.0);
    }

    #[test]
    fn corners_and_old_threads_stay() {
        let thread = rectangle(100.0, 0.0, 20.0, 0.3);
        let before = [rectangle(0.0, 0.0, 10.0, 10.0), thread.clone()];
        let after = clip::difference(&before, &[rectangle(5.0, 5.0, 10.0, 10.0)]);
        let tidy = without_slivers(&before, after.clone(), 1.0);
        assert_eq!(tidy, after);
        assert!(tidy.contains(&thread));
    }

    #[test]
    fn crumbs_and_pinholes_go() {
        let crumb = rectangle(50.0, 0.0, 0.5, 0.5);
        let mut pin = rectangle(3.0, 3.0, 0.4, 0.4).outer;
        pin.reverse();
        let plate = Polygon { outer: rectangle(0.0, 0.0, 10.0, 10.0).outer, holes: vec![pin] };
        let tidy = without_slivers(&[], vec![crumb, plate], 1.0);
        assert_eq!(tidy, [rectangle(0.0, 0.0, 10.0, 10.0)]);
    }
}
