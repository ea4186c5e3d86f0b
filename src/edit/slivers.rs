//! No piece thinner than a pixel: threads, crumbs and pinholes that a gesture leaves are removed.
//!
//! Only what the gesture made is looked at; thin anatomy elsewhere on the slice stays. What is
//! thin is found by closeness of edges first (cheap, on every gesture); only a ring with a hit is
//! opened morphologically, with a disc of one pixel's diameter.

use super::VertexSet;
use crate::geometry::offset::{self, Reach};
use crate::geometry::within::Within;
use crate::geometry::{Point2, Polygon, Ring, Vector2, perimeter, ring_area, ring_of, splice};
use std::cell::OnceCell;
use std::f64::consts::FRAC_PI_4;

/// How exactly what a disc fits into is told, in parts of its radius.
const ROUND: f64 = 0.02;

/// `after` without what is thinner than `pixel_mm` where it differs from `before`: pieces in which
/// no disc of that diameter fits, threads and spikes narrower than it, and holes of less area than
/// such a disc. What `before`, with its vertices `old`, has with the same bits is handed through.
#[must_use]
pub fn without_slivers(
    before: &[Polygon],
    old: &VertexSet,
    after: Vec<Polygon>,
    pixel_mm: f64,
) -> Vec<Polygon> {
    let is_old = |ring: &Ring| ring.iter().all(|point| old.holds(*point));
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
        if perimeter(&piece.outer) < 12.0 * pixel_mm {
            kept.extend(opened(&piece, None, old, pixel_mm));
            continue;
        }
        let spots = thin_spots(&piece, old, pixel_mm);
        if spots.is_empty() {
            kept.push(piece);
            continue;
        }
        let mut pieces = vec![piece];
        for spot in spots {
            pieces = pieces.iter().flat_map(|piece| opened(piece, Some(spot), old, pixel_mm)).collect();
        }
        kept.extend(pieces);
    }
    kept
}

/// A point on a boundary: where, on which ring, and how far along it, mm.
struct Mark {
    point: Point2,
    ring: usize,
    along: f64,
    fresh: bool,
}

/// A box in plane coordinates.
#[derive(Debug, Clone, Copy)]
struct Spot {
    low: Point2,
    high: Point2,
}

impl Spot {
    fn at(point: Point2) -> Self {
        Self { low: point, high: point }
    }

    fn with(self, point: Point2) -> Self {
        Self {
            low: Point2::new(self.low.x.min(point.x), self.low.y.min(point.y)),
            high: Point2::new(self.high.x.max(point.x), self.high.y.max(point.y)),
        }
    }

    fn grown(self, by_mm: f64) -> Self {
        let by = Vector2::new(by_mm, by_mm);
        Self { low: self.low - by, high: self.high + by }
    }

    fn holds(&self, point: Point2) -> bool {
        (self.low.x..=self.high.x).contains(&point.x) && (self.low.y..=self.high.y).contains(&point.y)
    }

    fn meets(&self, other: &Self) -> bool {
        self.low.x <= other.high.x
            && other.low.x <= self.high.x
            && self.low.y <= other.high.y
            && other.low.y <= self.high.y
    }

    fn polygon(&self) -> Polygon {
        Polygon::from_outer(ring_of((self.low, self.high)))
    }
}

/// Where two parts of the boundary, one of them fresh, face each other through the inside at less
/// than a pixel, other than at a blunt corner: boxes around such places, apart from one another.
fn thin_spots(piece: &Polygon, old: &VertexSet, pixel_mm: f64) -> Vec<Spot> {
    let is_fresh = |a: &Point2, b: &Point2| !old.holds(*a) || !old.holds(*b);
    let edges = || {
        piece.rings().enumerate().flat_map(|(index, ring)| {
            ring.iter().zip(ring.iter().cycle().skip(1)).map(move |(a, b)| (index, a, b))
        })
    };
    let reach = edges()
        .filter(|(_, a, b)| is_fresh(a, b))
        .flat_map(|(_, a, b)| [*a, *b])
        .fold(None, |reach: Option<Spot>, point| Some(reach.map_or(Spot::at(point), |r| r.with(point))));
    let Some(reach) = reach.map(|reach| reach.grown(pixel_mm * 2.0)) else { return Vec::new() };

    let mut marks = Vec::new();
    let mut lengths = vec![0.0; piece.holes.len() + 1];
    for (ring, a, b) in edges() {
        let along: f64 = lengths[ring];
        let length = (b - a).norm();
        lengths[ring] += length;
        let edge = Spot::at(*a).with(*b);
        if !edge.meets(&reach) {
            continue;
        }
        let fresh = is_fresh(a, b);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand")]
        let steps = (length / (pixel_mm * 0.4)).ceil().clamp(1.0, 4096.0) as u32;
        for step in 0..steps {
            let t = f64::from(step) / f64::from(steps);
            marks.push(Mark { point: a + (b - a) * t, ring, along: along + length * t, fresh });
        }
    }
    let facing = facing(piece, &marks, &lengths, pixel_mm);
    let mut spots: Vec<Spot> = Vec::new();
    for (mark, _) in marks.iter().zip(facing).filter(|(_, faces)| *faces) {
        let mut own = Spot::at(mark.point);
        // One that grows may come close to others.
        while let Some(index) = spots.iter().position(|spot| spot.grown(pixel_mm * 6.0).meets(&own)) {
            let other = spots.swap_remove(index);
            own = own.with(other.low).with(other.high);
        }
        spots.push(own);
    }
    spots
}

/// Which of the fresh marks on the boundary of `piece` face another through the inside at less than a
/// pixel, other than at a blunt corner; `lengths` are those of its rings, mm.
fn facing(piece: &Polygon, marks: &[Mark], lengths: &[f64], pixel_mm: f64) -> Vec<bool> {
    let near = pixel_mm * 0.9;
    let far = pixel_mm * 3.0;
    // Row by row of cells of a pixel.
    #[expect(clippy::cast_possible_truncation, reason = "millimetres over a pixel")]
    let cell = |point: Point2| ((point.y / pixel_mm).floor() as i64, (point.x / pixel_mm).floor() as i64);
    let mut cells: Vec<((i64, i64), usize)> =
        marks.iter().enumerate().map(|(index, mark)| (cell(mark.point), index)).collect();
    cells.sort_unstable();
    let inside = OnceCell::new();
    let is_inside =
        |point: Point2| inside.get_or_init(|| Within::new(std::slice::from_ref(piece))).contains(point);
    let faces = |mark: &Mark, other: &Mark| {
        let gap = (other.along - mark.along).abs();
        let apart = other.ring != mark.ring || gap.min(lengths[mark.ring] - gap) > far;
        apart
            && (other.point - mark.point).norm() < near
            && is_inside(mark.point + (other.point - mark.point) * 0.5)
    };
    let mut found = vec![false; marks.len()];
    // Where the neighbours of a cell begin, in the row below, its own, and the one above: from cell to cell
    // these places only move on.
    let mut first = [0; 3];
    for ((row, column), index) in &cells {
        for (first, row) in first.iter_mut().zip(row - 1..) {
            while cells.get(*first).is_some_and(|(at, _)| *at < (row, column - 1)) {
                *first += 1;
            }
        }
        let mark = &marks[*index];
        found[*index] = mark.fresh
            && first.iter().zip(row - 1..).any(|(first, row)| {
                let around = cells[*first..].iter().take_while(|(at, _)| *at <= (row, column + 1));
                around.map(|(_, other)| &marks[*other]).any(|other| faces(mark, other))
            });
    }
    found
}

/// The piece without its fresh parts in which a disc of a pixel's diameter does not fit, looking
/// at the surroundings of `spot` only, or everywhere. Corners lose nothing: what is taken off must
/// be longer than a pixel or be a whole piece.
fn opened(piece: &Polygon, spot: Option<Spot>, old: &VertexSet, pixel_mm: f64) -> Vec<Polygon> {
    let all = std::slice::from_ref(piece);
    // What is cut off at the window's edge looks thin there: nothing near the edge is taken.
    let window = spot.map(|spot| spot.grown(pixel_mm * 6.0));
    let trusted = spot.map(|spot| spot.grown(pixel_mm * 4.0));
    let part = window.map_or_else(|| all.to_vec(), |window| splice::intersection(all, &[window.polygon()]));
    let radius = pixel_mm / 2.0 * 0.98;
    let core = offset::shrunk_alone(&part, Reach::disc(radius), radius * ROUND);
    // A little more than it was eroded, so that rounding leaves no film along the boundary.
    let fat = offset::grown_alone(&core, Reach::disc(radius * (1.0 + 3.0 * ROUND)), radius * ROUND);
    // Few places where the outlines cross: only where it is thin, and at corners.
    let thin = splice::difference(&part, &fat);
    let own = VertexSet::of(all);
    let is_fresh = |point: &Point2| own.holds(*point) && !old.holds(*point);
    let is_taken = |part: &Polygon| {
        perimeter(&part.outer) > 2.5 * pixel_mm
            && part.rings().flatten().any(is_fresh)
            && trusted.is_none_or(|trusted| part.outer.iter().all(|point| trusted.holds(*point)))
    };
    let taken: Vec<Polygon> = thin.into_iter().filter(is_taken).collect();
    let mut rest = if taken.is_empty() { vec![piece.clone()] } else { splice::difference(all, &taken) };
    rest.retain(|part| part.area_mm2() >= FRAC_PI_4 * pixel_mm * pixel_mm);
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::clip;

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
        let tidy = without_slivers(&before, &VertexSet::of(&before), after, 1.0);
        assert_eq!(tidy.len(), 1);
        assert!((area(&tidy) - 400.0).abs() < 1e-6);
    }

    #[test]
    fn a_thread_that_hangs_on_a_piece_goes_and_the_piece_stays() {
        let before = [rectangle(0.0, 0.0, 30.0, 20.0)];
        let after = clip::difference(&before, &[rectangle(20.0, 0.5, 20.0, 30.0)]);
        assert_eq!(after.len(), 1, "a foot of 0.5 mm");
        let tidy = without_slivers(&before, &VertexSet::of(&before), after, 1.0);
        assert_eq!(tidy.len(), 1);
        assert!((area(&tidy) - 400.0).abs() < 1.0, "{}", area(&tidy));
        assert!(tidy[0].bounds().unwrap().1.x < 21.0);
    }

    #[test]
    fn corners_and_old_threads_stay() {
        let thread = rectangle(100.0, 0.0, 20.0, 0.3);
        let before = [rectangle(0.0, 0.0, 10.0, 10.0), thread.clone()];
        let after = clip::difference(&before, &[rectangle(5.0, 5.0, 10.0, 10.0)]);
        let tidy = without_slivers(&before, &VertexSet::of(&before), after.clone(), 1.0);
        assert_eq!(tidy, after);
        assert!(tidy.contains(&thread));
    }

    #[test]
    fn crumbs_and_pinholes_go() {
        let crumb = rectangle(50.0, 0.0, 0.5, 0.5);
        let mut pin = rectangle(3.0, 3.0, 0.4, 0.4).outer;
        pin.reverse();
        let plate = Polygon { outer: rectangle(0.0, 0.0, 10.0, 10.0).outer, holes: vec![pin] };
        let tidy = without_slivers(&[], &VertexSet::default(), vec![crumb, plate], 1.0);
        assert_eq!(tidy, [rectangle(0.0, 0.0, 10.0, 10.0)]);
    }
}
