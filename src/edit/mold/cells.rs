//! Edges by where they lie, in square cells, so that one far away is not looked at.

use crate::geometry::Point2;
use std::collections::HashMap;

/// Cells are no smaller, mm.
const LEAST_SIDE_MM: f64 = 0.25;
/// So many cells to a reach.
const PER_REACH: f64 = 3.0;
/// An edge is also in the cells that it misses by less, mm: no place is lost to rounding.
const BESIDE_MM: f64 = 1e-6;

/// The numbers of edges by the cells that they touch.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) reach_mm: f64,
    side_mm: f64,
    numbers: HashMap<(i64, i64), Vec<usize>>,
}

impl Cells {
    /// Of edges from end to end, to be looked for no farther than `reach_mm`, which is above 0, from any point.
    pub(super) fn new(edges: impl Iterator<Item = [Point2; 2]>, reach_mm: f64) -> Self {
        let side_mm = (reach_mm / PER_REACH).max(LEAST_SIDE_MM);
        let mut own = Self { reach_mm, side_mm, numbers: HashMap::new() };
        for (number, [from, to]) in edges.enumerate() {
            own.insert(number, from, to);
        }
        own
    }

    fn insert(&mut self, number: usize, from: Point2, to: Point2) {
        let (left, right) = if from.x <= to.x { (from, to) } else { (to, from) };
        let slope = (right.y - left.y) / (right.x - left.x);
        for column in self.place(left.x - BESIDE_MM)..=self.place(right.x + BESIDE_MM) {
            // The part of the edge in this column.
            let height = |x: f64| left.y + slope * (x.clamp(left.x, right.x) - left.x);
            let (start, end) = (column as f64 * self.side_mm, (column + 1) as f64 * self.side_mm);
            let ends = [height(start - BESIDE_MM), height(end + BESIDE_MM)];
            let [one, other] = if slope.is_finite() { ends } else { [left.y, right.y] };
            let rows = self.place(one.min(other) - BESIDE_MM)..=self.place(one.max(other) + BESIDE_MM);
            for row in rows {
                self.numbers.entry((column, row)).or_default().push(number);
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
    fn place(&self, mm: f64) -> i64 {
        (mm / self.side_mm).floor() as i64
    }

    /// Visits edges from near to far: some more than once, some beyond the reach. `visit` is given their
    /// numbers and says how near the nearest is so far, mm; all that are nearer within the reach have been
    /// visited in the end.
    pub(super) fn nearest_first(&self, point: Point2, mut visit: impl FnMut(usize) -> f64) {
        let (column, row) = (self.place(point.x), self.place(point.y));
        let mut nearest_mm = f64::INFINITY;
        for ring in 0_i64.. {
            for across in -ring..=ring {
                let step = if across.abs() == ring { 1 } else { 2 * ring };
                let mut along = -ring;
                while along <= ring {
                    for number in self.numbers.get(&(column + across, row + along)).into_iter().flatten() {
                        nearest_mm = visit(*number);
                    }
                    along += step.max(1);
                }
            }
            let seen_mm = ring as f64 * self.side_mm;
            if seen_mm >= nearest_mm.min(self.reach_mm) {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Vector2;

    #[test]
    fn the_nearest_edge_is_that_of_all_within_the_reach() {
        // Spokes and chords in no order, long and short ones, upright and level ones among them.
        let at = |turn: f64, radius: f64| Point2::origin() + Vector2::new(turn.cos(), turn.sin()) * radius;
        let mut edges: Vec<[Point2; 2]> = (0..60)
            .map(|n| f64::from(n) * 2.399)
            .map(|turn| [at(turn, 20.0 + turn % 7.0), at(turn + 0.4, 26.0 - turn % 11.0)])
            .collect();
        edges.push([Point2::new(-30.0, 4.0), Point2::new(30.0, 4.0)]);
        edges.push([Point2::new(4.0, 30.0), Point2::new(4.0, -30.0)]);
        let off = |point: Point2, [from, to]: [Point2; 2]| super::super::distance_to_edge(point, from, to);
        for reach_mm in [0.1, 1.0, 6.0, 90.0] {
            let cells = Cells::new(edges.iter().copied(), reach_mm);
            for n in 0..400 {
                let point = at(f64::from(n) * 0.37, f64::from(n) * 0.09);
                let all = edges.iter().map(|edge| off(point, *edge)).fold(f64::INFINITY, f64::min);
                let mut found = f64::INFINITY;
                cells.nearest_first(point, |number| {
                    found = found.min(off(point, edges[number]));
                    found
                });
                if all <= reach_mm {
                    assert!((found - all).abs() < 1e-12, "{found} for {all} within {reach_mm}");
                } else {
                    assert!(found >= all, "{found} for {all}");
                }
            }
        }
    }
}
