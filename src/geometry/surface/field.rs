//! The signed distances of one contour plane at the nodes of the lattice.
//!
//! Exact within two cells of an outline, within three quarters of a cell beyond. What lies further than
//! [`REACH`] cells off decides only where two neighbouring planes differ by so much; there it is
//! found node by node, so that a plane costs little more than the way along its outlines.

use super::Lattice;
use super::nodes::Nodes;
use crate::geometry::rasterise;
use crate::geometry::section::Slab;
use crate::geometry::{Polygon, Vector2};
use std::borrow::Cow;
use std::ops::Range;

/// Values that are worked on together; a row of the lattice has a multiple of them.
pub(super) const LANES: usize = 4;

/// How far (cells) from an outline distances are exact.
const BAND: f64 = 2.0;

/// Squared distance (cells) of the nodes beside an outline that the far field starts from: where
/// adding squares is nearly exact, and small enough that the nearest of a column is the nearest.
const SEED: f32 = 0.5;

/// Rows since the last seed where there was none.
const NO_SEED: f32 = 1e4;

/// How far (cells) distances are always known.
const REACH: usize = 8;

/// The field of one contour plane.
#[derive(Debug)]
pub(super) struct Field {
    pub polygons: Vec<Polygon>,
    pub offset_mm: f64,
    /// Where the values are negative.
    pub inside: Nodes,
    values: Vec<f32>,
}

impl Field {
    pub fn of(slab: &Slab, lattice: &Lattice, scratch: &mut Scratch) -> Self {
        scratch.measure(slab.polygons, lattice);
        let mut values = scratch.near(slab.polygons, lattice);
        let mut inside = Nodes::new(lattice.size);
        rasterise::spans(slab.polygons, &lattice.frame, |j, range| {
            for value in &mut values[j * lattice.size[0]..][range.clone()] {
                *value = -value.abs();
            }
            inside.insert(j, range);
        });
        Self { polygons: slab.polygons.to_vec(), offset_mm: slab.plane.offset_mm(), inside, values }
    }

    /// The signed distance (mm, negative inside, never 0) of each node, i fastest; not beyond
    /// [`REACH`] cells.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The values, however far at the nodes that are inside here or in a neighbouring plane but not
    /// in both, and around them: those that decide what lies between.
    #[expect(clippy::cast_possible_truncation, reason = "millimetres for display")]
    pub fn beside<'a>(&'a self, other: &Self, lattice: &Lattice, scratch: &mut Scratch) -> Cow<'a, [f32]> {
        let columns = lattice.size[0];
        let cell_mm = lattice.cell_mm as f32;
        // The neighbours of a node that is no further are known too, three quarters too far at most.
        let known_mm = (REACH as f32 - 2.5) * cell_mm;
        let mut far =
            self.inside.differing(&other.inside, columns).filter(|node| self.values[*node].abs() > known_mm);
        let Some(first) = far.next() else { return Cow::Borrowed(&self.values) };
        let mut window = Window::around(&self.polygons, lattice);
        scratch.exact.clear();
        scratch.exact.resize(self.values.len(), f32::INFINITY);
        for j in window.rows.clone() {
            let row = window.row(j, columns);
            for (exact, value) in scratch.exact[row.clone()].iter_mut().zip(&self.values[row]) {
                *exact = (value / cell_mm).powi(2);
            }
        }
        window.rows = 0..lattice.size[1];
        scratch.spread_columns(columns, &window);
        let mut values = self.values.clone();
        for node in std::iter::once(first).chain(far) {
            // No node of the rim is inside.
            for near in [node - columns, node - 1, node, node + 1, node + columns] {
                let distance = scratch.across_row(near, columns).sqrt() * cell_mm;
                if distance > known_mm {
                    values[near] = distance.copysign(values[near]);
                }
            }
        }
        Cow::Owned(values)
    }
}

/// The part of a lattice that holds every node within [`REACH`] cells of a plane's outlines.
struct Window {
    columns: Range<usize>,
    rows: Range<usize>,
}

impl Window {
    /// Empty without outlines.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the lattice")]
    fn around(polygons: &[Polygon], lattice: &Lattice) -> Self {
        let bounds = polygons.iter().filter_map(Polygon::bounds);
        let bounds = bounds.reduce(|(low, high), (l, h)| (low.inf(&l), high.sup(&h)));
        let Some((low, high)) = bounds else { return Self { columns: 0..0, rows: 0..0 } };
        let (low, high) = (lattice.node_of(low), lattice.node_of(high));
        let [columns, rows] = [0, 1].map(|axis| {
            let after = (high[axis].max(0.0) as usize + REACH + 2).min(lattice.size[axis]);
            (low[axis].max(0.0) as usize).saturating_sub(REACH).min(after)..after
        });
        Self { columns: columns.start / LANES * LANES..columns.end.next_multiple_of(LANES), rows }
    }

    /// Where row `j` stands in a field.
    fn row(&self, j: usize, columns: usize) -> Range<usize> {
        columns * j + self.columns.start..columns * j + self.columns.end
    }
}

/// Room for the squared distances (cells) of a plane's nodes, used again from plane to plane.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// To the outlines, where not further than [`BAND`]; at least the distance elsewhere.
    exact: Vec<f32>,
    /// To the nearest seed of the column.
    column: Vec<f32>,
    /// The last seed of each column.
    seeds: Vec<f32>,
    /// How many rows ago that was.
    steps: Vec<f32>,
    /// A row of `column` with [`REACH`] more on either side.
    row: Vec<f32>,
}

impl Scratch {
    /// Fills `exact`.
    fn measure(&mut self, polygons: &[Polygon], lattice: &Lattice) {
        const LONGEST: f64 = 4.0;
        let size = lattice.size;
        self.exact.clear();
        self.exact.resize(size[0] * size[1], f32::INFINITY);
        for ring in polygons.iter().flat_map(Polygon::rings) {
            let Some(last) = ring.last() else { continue };
            let mut a = Vector2::from(lattice.node_of(*last));
            for vertex in ring {
                let b = Vector2::from(lattice.node_of(*vertex));
                let step = b - a;
                // Short pieces have small boxes.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 200")]
                let pieces = (step.amax() / LONGEST) as u32 + 1;
                let step = step / f64::from(pieces);
                for piece in 0..pieces {
                    let from = a + step * f64::from(piece);
                    near_segment(&mut self.exact, size, from, from + step);
                }
                a = b;
            }
        }
    }

    /// The distance (mm) of each node, at most that of [`REACH`] cells.
    #[expect(clippy::cast_possible_truncation, reason = "millimetres for display")]
    fn near(&mut self, polygons: &[Polygon], lattice: &Lattice) -> Vec<f32> {
        const FURTHEST: f32 = (REACH * REACH) as f32;
        let columns = lattice.size[0];
        let window = Window::around(polygons, lattice);
        self.spread_columns(columns, &window);
        let width = window.columns.len();
        self.row.clear();
        self.row.resize(width + 2 * REACH, f32::INFINITY);
        let cell_mm = lattice.cell_mm as f32;
        let mut values = vec![REACH as f32 * cell_mm; self.exact.len()];
        for j in window.rows.clone() {
            let row = window.row(j, columns);
            let (exact, column) = (&self.exact[row.clone()], &self.column[row.clone()]);
            let out = &mut values[row];
            self.row[REACH..REACH + width].copy_from_slice(column);
            for (value, column) in out.iter_mut().zip(column) {
                *value = least(*column, FURTHEST);
            }
            for step in 1..=REACH {
                let square = (step * step) as f32;
                let sides = self.row[REACH - step..].iter().zip(&self.row[REACH + step..]);
                for (value, (left, right)) in out.iter_mut().zip(sides) {
                    *value = least(*value, least(*left, *right) + square);
                }
            }
            for (value, exact) in out.iter_mut().zip(exact) {
                let squared = if *exact <= (BAND * BAND) as f32 { *exact } else { *value };
                let known = squared.sqrt() * cell_mm;
                // Never 0, so that it has a sign.
                *value = if known > 1e-6 { known } else { 1e-6 };
            }
        }
        values
    }

    /// Fills `column` from the seeds of `exact`, within the window.
    fn spread_columns(&mut self, columns: usize, window: &Window) {
        // On either side the nearest seed of a column is the next one: of two, each at most SEED off
        // its outline, the nearer one is nearer still.
        self.column.clear();
        self.column.resize(self.exact.len(), NO_SEED * NO_SEED);
        let width = window.columns.len();
        self.seeds.clear();
        self.seeds.resize(width, 0.0);
        self.steps.clear();
        self.steps.resize(width, NO_SEED);
        for j in window.rows.clone() {
            let row = window.row(j, columns);
            pass(&self.exact[row.clone()], &mut self.seeds, &mut self.steps, &mut self.column[row]);
        }
        self.steps.fill(NO_SEED);
        for j in window.rows.clone().rev() {
            let row = window.row(j, columns);
            pass(&self.exact[row.clone()], &mut self.seeds, &mut self.steps, &mut self.column[row]);
        }
    }

    /// The squared distance (cells) of a node to the seeds, from those of its row's columns.
    fn across_row(&self, node: usize, columns: usize) -> f32 {
        let row = &self.column[node - node % columns..][..columns];
        let at = node % columns;
        let mut nearest = row[at];
        let mut square = 1.0;
        for step in 1..columns {
            if square >= nearest {
                break;
            }
            for side in [at.checked_sub(step), Some(at + step)].into_iter().flatten() {
                nearest = least(row.get(side).map_or(f32::INFINITY, |column| column + square), nearest);
            }
            square = ((step + 1) * (step + 1)) as f32;
        }
        nearest
    }
}

fn least(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// A step along all columns: takes the squared distances to their last seeds into `to`; a seed is
/// its own. By factors of 0 and 1, which are quicker than to decide node by node.
fn pass(exact: &[f32], seeds: &mut [f32], steps: &mut [f32], to: &mut [f32]) {
    for (((exact, seed), steps), to) in exact.iter().zip(seeds).zip(steps).zip(to) {
        let is_seed = f32::from(exact <= &SEED);
        let is_none = 1.0 - is_seed;
        *seed = least(*exact, SEED) * is_seed + *seed * is_none;
        *steps = (*steps + 1.0) * is_none;
        *to = least(*seed + *steps * *steps, *to);
    }
}

/// Takes the squared distances (cells) of the nodes around a short segment into `squared`: of all
/// that are within [`BAND`], and of some beyond.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "nodes of a lattice")]
fn near_segment(squared: &mut [f32], [columns, rows]: [usize; 2], a: Vector2, b: Vector2) {
    let (low, high) = (a.inf(&b), a.sup(&b));
    let first = |at: f64| if at > BAND { (at - BAND) as usize } else { 0 };
    let after = |at: f64, count: usize| ((at + BAND).max(0.0) as usize + 1).min(count);
    let (left, right) = (first(low.x), after(high.x, columns));
    let width = right.saturating_sub(left).next_multiple_of(LANES);
    let left = left.min(columns - width);
    // From the first node on, so that small numbers are left.
    let bottom = first(low.y);
    let start = [(a.x - left as f64) as f32, (a.y - bottom as f64) as f32];
    let d = [(b.x - a.x) as f32, (b.y - a.y) as f32];
    let length = d[0] * d[0] + d[1] * d[1];
    let per_length = if length > 1e-20 { length.recip() } else { 0.0 };
    let mut y = -start[1];
    for j in bottom..after(high.y, rows) {
        let nodes = &mut squared[j * columns + left..j * columns + left + width];
        let (lanes, _) = nodes.as_chunks_mut::<LANES>();
        let mut x = -start[0];
        for lanes in lanes {
            for (lane, value) in lanes.iter_mut().enumerate() {
                let x = x + lane as f32;
                let t = (x * d[0] + y * d[1]) * per_length;
                let t = if t > 0.0 { t } else { 0.0 };
                let t = if t < 1.0 { t } else { 1.0 };
                let (x, y) = (x - t * d[0], y - t * d[1]);
                *value = least(x * x + y * y, *value);
            }
            x += LANES as f32;
        }
        y += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Plane, Point2};
    use std::f64::consts::TAU;

    const CELL_MM: f64 = 1.5;

    fn disc(x: f64, y: f64, radius: f64) -> Polygon {
        let at = |n: i32| f64::from(n) / 120.0 * TAU;
        let ring = (0..120).map(|n| Point2::new(x + radius * at(n).cos(), y + radius * at(n).sin()));
        Polygon::from_outer(ring.collect())
    }

    /// Two planes on one lattice.
    fn fields(below: &[Polygon], above: &[Polygon]) -> ([Field; 2], Lattice) {
        let slabs = [(0.0, below), (3.0, above)].map(|(z, polygons)| Slab {
            plane: Plane::axial(z),
            below_mm: 1.5,
            above_mm: 1.5,
            polygons,
        });
        let lattice = Lattice::of(&slabs.iter().collect::<Vec<_>>(), CELL_MM, None).unwrap();
        let mut scratch = Scratch::default();
        (slabs.map(|slab| Field::of(&slab, &lattice, &mut scratch)), lattice)
    }

    fn point(lattice: &Lattice, node: usize) -> Point2 {
        let columns = lattice.size[0];
        lattice.frame.point((node % columns) as f64, (node / columns) as f64)
    }

    /// The signed distance to polygons, segment by segment.
    fn distance_mm(polygons: &[Polygon], at: Point2) -> f64 {
        let mut least = f64::INFINITY;
        for ring in polygons.iter().flat_map(Polygon::rings) {
            for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
                let d = b - a;
                let t = ((at - a).dot(&d) / d.norm_squared()).clamp(0.0, 1.0);
                least = least.min((at - (a + d * t)).norm());
            }
        }
        if polygons.iter().any(|polygon| polygon.contains(at)) { -least } else { least }
    }

    #[test]
    fn near_an_outline_distances_are_exact_and_beyond_nearly_so() {
        let mut ring = disc(10.0, -4.0, 40.0);
        ring.holes.push(disc(10.0, -4.0, 12.0).outer.into_iter().rev().collect());
        // Long edges, at an angle.
        let corners = [(70.0, -30.0), (95.0, -12.0), (66.0, 31.0)];
        let triangle = Polygon::from_outer(corners.map(|(x, y)| Point2::new(x, y)).to_vec());
        let polygons = [ring.oriented(), triangle.oriented()];
        let ([field, _], lattice) = fields(&polygons, &polygons);
        for (node, value) in field.values().iter().enumerate() {
            let wanted = distance_mm(&polygons, point(&lattice, node));
            let (got, cells) = (f64::from(*value), wanted.abs() / CELL_MM);
            assert_eq!(*value < 0.0, wanted < 0.0, "the sign {wanted} mm away");
            if cells < BAND {
                assert!((got - wanted).abs() < 1e-4, "{got} for {wanted}");
            } else if cells < REACH as f64 - 0.75 {
                assert!((got - wanted).abs() < 0.75 * CELL_MM, "{got} for {wanted}");
            } else {
                assert!(got.abs() > (REACH as f64 - 1.5) * CELL_MM);
                assert!(got.abs() <= REACH as f64 * CELL_MM + 1e-5);
            }
        }
    }

    #[test]
    fn where_planes_differ_distances_are_known_however_far() {
        let below = [disc(0.0, 0.0, 30.0)];
        let above = [disc(90.0, 10.0, 25.0)];
        let ([low, high], lattice) = fields(&below, &above);
        let mut scratch = Scratch::default();
        let of_low = low.beside(&high, &lattice, &mut scratch);
        let of_high = high.beside(&low, &lattice, &mut scratch);
        let mut furthest: f64 = 0.0;
        for node in low.inside.differing(&high.inside, lattice.size[0]) {
            for (got, polygons) in [(&of_low, &below), (&of_high, &above)] {
                let wanted = distance_mm(polygons, point(&lattice, node));
                assert!((f64::from(got[node]) - wanted).abs() < 0.75 * CELL_MM, "{} for {wanted}", got[node]);
                furthest = furthest.max(wanted);
            }
        }
        assert!(furthest > 80.0);
        // Planes that differ by little ask for nothing more.
        let ([low, high], lattice) = fields(&below, &[disc(3.0, 0.0, 30.0)]);
        assert!(matches!(low.beside(&high, &lattice, &mut scratch), Cow::Borrowed(_)));
    }

    #[test]
    fn outlines_without_points_are_far_from_everything() {
        let nothing = [Polygon::from_outer(Vec::new())];
        let ([low, high], lattice) = fields(&nothing, &[disc(0.0, 0.0, 30.0)]);
        assert!(low.beside(&high, &lattice, &mut Scratch::default()).iter().all(|value| *value > 11.9));
    }
}
