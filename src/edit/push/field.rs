//! The signed distance to outlines on the lattice, worked out where it is asked for and once: the distance of a
//! block's middle where that is enough, those of its points where it is not.

use super::lattice::{Rows, SIDE, Walk, block_of, first_of};
use super::short;
use super::wide::vectorised;
use crate::geometry::{Point2, Polygon, Vector2};
use std::sync::OnceLock;

/// Points along the side of a block and the first ones of the next.
const AROUND: usize = SIDE + 1;

/// Those of a block and the first ones of the next, made up to whole vectors.
const PLACES: usize = 88;

/// What distances of blocks may be wrong by, mm: far more than rounding.
const SPARE_MM: f32 = 1e-2;

/// Edges that are measured side by side.
const LANES: usize = 16;

/// Further off than anything, mm.
const FURTHEST: f32 = 1e9;

/// Blocks along the side of a group of them.
const GROUP: usize = 8;

type Fine = Box<[f32; PLACES]>;

/// A block of points.
#[derive(Debug)]
struct Block {
    /// The signed distance of the point in its middle, mm.
    middle: f32,
    /// Which of its points lie inside.
    inside: u64,
    fine: OnceLock<Fine>,
}

type Group = Box<[OnceLock<Block>; GROUP * GROUP]>;

/// The edges of outlines, coordinate by coordinate, from a point amid them.
#[derive(Debug, Default)]
struct Edges {
    from_x: Vec<f32>,
    from_y: Vec<f32>,
    along_x: Vec<f32>,
    along_y: Vec<f32>,
    per_length2: Vec<f32>,
}

/// Distances to outlines; negative inside, up to a reach: what is further off is that far.
#[derive(Debug)]
pub(super) struct Field {
    pitch_mm: f64,
    reach_mm: f32,
    /// The ways of the outlines over the lattice.
    pub walks: Vec<Walk>,
    rows: Rows,
    center: Point2,
    edges: Edges,
    /// Where every edge starts.
    exact: Vec<Point2>,
    /// The first block and how many groups there are across; further off all is beyond reach.
    low: [i32; 2],
    size: [usize; 2],
    groups: Vec<OnceLock<Group>>,
}

/// The square of the distance from the origin to an edge.
#[inline(always)]
fn square(from_x: f32, from_y: f32, along_x: f32, along_y: f32, per_length2: f32) -> f32 {
    let t = -(from_x * along_x + from_y * along_y) * per_length2;
    let t = if t > 0.0 { t } else { 0.0 };
    let t = if t < 1.0 { t } else { 1.0 };
    let (x, y) = (from_x + along_x * t, from_y + along_y * t);
    x * x + y * y
}

impl Field {
    /// Of the outlines of pieces, in the coordinates of the stack.
    pub(super) fn new(polygons: &[Polygon], pitch_mm: f64, reach_mm: f64) -> Self {
        let walks = Walk::of_all(polygons, pitch_mm);
        let rows = Rows::of(&walks);
        let rings = polygons.iter().flat_map(Polygon::rings);
        let ends: Vec<(Point2, Point2)> =
            rings.flat_map(|ring| ring.iter().copied().zip(ring.iter().copied().cycle().skip(1))).collect();
        let bounds = polygons.iter().filter_map(Polygon::bounds);
        let bounds = bounds.reduce(|(al, ah), (bl, bh)| (al.inf(&bl), ah.sup(&bh)));
        let mut own = Self {
            pitch_mm,
            reach_mm: short(reach_mm),
            walks,
            rows,
            center: Point2::origin(),
            edges: Edges::default(),
            exact: ends.iter().map(|(from, _)| *from).collect(),
            low: [0; 2],
            size: [0; 2],
            groups: Vec::new(),
        };
        let Some((low, high)) = bounds else { return own };
        own.center = low + (high - low) * 0.5;
        for (from, to) in &ends {
            let (from, along) = (from - own.center, to - from);
            own.edges.from_x.push(short(from.x));
            own.edges.from_y.push(short(from.y));
            own.edges.along_x.push(short(along.x));
            own.edges.along_y.push(short(along.y));
            own.edges.per_length2.push(per_length2(&along));
        }
        // Made up to whole vectors with what is further off than anything.
        let count = own.exact.len().next_multiple_of(LANES);
        own.edges.from_x.resize(count, FURTHEST);
        own.edges.from_y.resize(count, FURTHEST);
        own.edges.along_x.resize(count, 0.0);
        own.edges.along_y.resize(count, 0.0);
        own.edges.per_length2.resize(count, 0.0);
        let margin = reach_mm + 4.0 * pitch_mm;
        #[expect(clippy::cast_possible_truncation, reason = "millimetres over a block")]
        let block = |mm: f64| (mm / (pitch_mm * SIDE as f64)).floor() as i32;
        let from = [low.x, low.y].map(|mm| block(mm - margin));
        let to = [high.x, high.y].map(|mm| block(mm + margin));
        own.low = from;
        own.size = [0, 1].map(|axis| usize::try_from(to[axis] - from[axis] + 1).unwrap_or(0).div_ceil(GROUP));
        own.groups.resize_with(own.size[0] * own.size[1], OnceLock::new);
        own
    }

    fn block(&self, at: [i32; 2]) -> Option<&Block> {
        let x = usize::try_from(at[0] - self.low[0]).ok()?;
        let y = usize::try_from(at[1] - self.low[1]).ok()?;
        let (column, row) = (x / GROUP, y / GROUP);
        if column >= self.size[0] {
            return None;
        }
        let group = self.groups.get(column + row * self.size[0])?;
        let group = group.get_or_init(|| Box::new(std::array::from_fn(|_| OnceLock::new())));
        Some(group[x % GROUP + y % GROUP * GROUP].get_or_init(|| self.measured(at)))
    }

    /// The middle of a block from the centre, mm.
    fn middle(&self, block: [i32; 2]) -> Point2 {
        let [x, y] = block.map(|number| (f64::from(number) + 0.5) * SIDE as f64 * self.pitch_mm);
        Point2::new(x, y)
    }

    /// From the middle of a block to its corners, mm.
    fn radius(&self) -> f32 {
        short((SIDE / 2) as f64 * self.pitch_mm * std::f64::consts::SQRT_2)
    }

    /// The square of the distance from a place, by its way from the centre, to the nearest edge.
    fn least_square(&self, from: Vector2) -> f32 {
        vectorised(
            #[inline(always)]
            || {
                // Side by side, so that none waits for the one before.
                let mut least = [f32::MAX; LANES];
                let (x, y) = (short(from.x), short(from.y));
                let edges = &self.edges;
                for first in (0..edges.from_x.len()).step_by(LANES) {
                    let of = |list: &[f32]| <[f32; LANES]>::try_from(&list[first..first + LANES]);
                    let (Ok(from_x), Ok(from_y)) = (of(&edges.from_x), of(&edges.from_y)) else { continue };
                    let (Ok(along_x), Ok(along_y)) = (of(&edges.along_x), of(&edges.along_y)) else {
                        continue;
                    };
                    let Ok(scale) = of(&edges.per_length2) else { continue };
                    for lane in 0..LANES {
                        let own = square(
                            from_x[lane] - x,
                            from_y[lane] - y,
                            along_x[lane],
                            along_y[lane],
                            scale[lane],
                        );
                        least[lane] = if own < least[lane] { own } else { least[lane] };
                    }
                }
                least.iter().copied().fold(f32::MAX, f32::min)
            },
        )
    }

    fn measured(&self, block: [i32; 2]) -> Block {
        let from = self.middle(block) - self.center;
        let least = self.least_square(from);
        let [x, y] = first_of(block);
        let inside = (y..)
            .take(SIDE)
            .enumerate()
            .fold(0_u64, |bits, (row, y)| bits | u64::from(self.rows.inside([x, y], SIDE)) << (row * SIDE));
        let is_inside = inside >> (SIDE / 2 + SIDE / 2 * SIDE) & 1 == 1;
        let middle = least.sqrt();
        Block { middle: if is_inside { -middle } else { middle }, inside, fine: OnceLock::new() }
    }

    fn fine(&self, at: [i32; 2], block: &Block) -> Fine {
        vectorised(
            #[inline(always)]
            || self.worked_out(at, block),
        )
    }

    #[inline(always)]
    fn worked_out(&self, at: [i32; 2], block: &Block) -> Fine {
        let mut squares = Box::new([f32::MAX; PLACES]);
        let middle = self.middle(at);
        // No point's nearest edge is further from the middle.
        let furthest = block.middle.abs() + 2.0 * self.radius() + SPARE_MM;
        let place = |number: usize| short((number as f64 - (SIDE / 2) as f64) * self.pitch_mm);
        let x: [f32; PLACES] = std::array::from_fn(|at| place(at % AROUND));
        let y: [f32; PLACES] = std::array::from_fn(|at| place(at / AROUND));
        let origin = (middle - self.center).map(short);
        for (number, from) in self.exact.iter().enumerate() {
            let edges = &self.edges;
            let (along_x, along_y, scale) =
                (edges.along_x[number], edges.along_y[number], edges.per_length2[number]);
            let (from_x, from_y) = (edges.from_x[number] - origin.x, edges.from_y[number] - origin.y);
            if square(from_x, from_y, along_x, along_y, scale) > furthest * furthest {
                continue;
            }
            let from = from - middle;
            let (from_x, from_y) = (short(from.x), short(from.y));
            for place in 0..PLACES {
                let own = square(from_x - x[place], from_y - y[place], along_x, along_y, scale);
                squares[place] = if own < squares[place] { own } else { squares[place] };
            }
        }
        let [x, y] = first_of(at);
        for (row, y) in (y..).take(AROUND).enumerate() {
            let inside = self.rows.inside([x, y], AROUND);
            for column in 0..AROUND {
                let place = &mut squares[column + row * AROUND];
                let distance = place.sqrt().min(self.reach_mm);
                // What lies on an outline lies on the side that the outline's way says.
                *place = if inside >> column & 1 == 1 { -distance } else { distance.max(f32::MIN_POSITIVE) };
            }
        }
        squares
    }

    /// Whether the distances of a block are all beyond reach.
    fn is_far(&self, block: &Block) -> bool {
        block.middle.abs() > self.reach_mm + self.radius() + SPARE_MM
    }

    /// The signed distance at a place: so far, in parts of the pitch, behind a point of the lattice. Linear
    /// between the four points around it.
    pub(super) fn distance(&self, point: [i32; 2], [right, up]: [f32; 2]) -> f32 {
        let (at, place) = block_of(point);
        let Some(block) = self.block(at) else { return self.reach_mm };
        if self.is_far(block) {
            return self.reach_mm.copysign(block.middle);
        }
        let fine = block.fine.get_or_init(|| self.fine(at, block));
        let first = place % SIDE + place / SIDE * AROUND;
        let along = |at: usize| fine[at] + (fine[at + 1] - fine[at]) * right;
        let (low, high) = (along(first), along(first + AROUND));
        low + (high - low) * up
    }

    /// Which points of a block lie inside.
    pub(super) fn inside(&self, block: [i32; 2]) -> u64 {
        self.block(block).map_or(0, |block| block.inside)
    }

    /// Whether all that lies within `radius_mm` of a place lies inside, or all outside, with the points of the
    /// lattice around it; `None` where it may not.
    pub(super) fn side(&self, point: [i32; 2], parts: [f32; 2], radius_mm: f32) -> Option<bool> {
        let pitch = short(self.pitch_mm);
        let wanted = radius_mm + pitch * std::f32::consts::SQRT_2 + SPARE_MM;
        let (at, place) = block_of(point);
        let Some(block) = self.block(at) else { return (wanted < self.reach_mm).then_some(false) };
        let (column, row) = (place % SIDE, place / SIDE);
        if let Some(fine) = block.fine.get() {
            let near = fine[column + row * AROUND];
            let off = (parts[0] * parts[0] + parts[1] * parts[1]).sqrt() * pitch;
            return (near.abs() > wanted + off).then_some(near < 0.0);
        }
        let off = |place: usize, part: f32| place as f32 + part - (SIDE / 2) as f32;
        let (x, y) = (off(column, parts[0]), off(row, parts[1]));
        (block.middle.abs() > wanted + (x * x + y * y).sqrt() * pitch).then_some(block.middle < 0.0)
    }
}

fn per_length2(along: &Vector2) -> f32 {
    let square = along.norm_squared();
    if square > 0.0 { short(1.0 / square) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::signed_field::{Lattice, signed};
    use proptest::prelude::*;
    use std::f64::consts::TAU;

    /// A star whose corners may fall on points of the lattice and on its lines.
    fn star(radii: &[u8], by: (i32, i32), hole: bool) -> Polygon {
        let ring = |scale: f64| {
            radii.iter().enumerate().map(move |(n, radius)| {
                let (s, c) = (TAU * n as f64 / radii.len() as f64).sin_cos();
                let radius = f64::from(*radius) * scale;
                let round = |mm: f64| (mm * 4.0).round() / 4.0;
                Point2::new(round(f64::from(by.0) + radius * c), round(f64::from(by.1) + radius * s))
            })
        };
        let hole = hole.then(|| ring(0.5).collect::<Vec<_>>().into_iter().rev().collect());
        Polygon { outer: ring(1.0).collect(), holes: hole.into_iter().collect() }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn distances_are_those_of_the_edges(
            radii in prop::collection::vec(2_u8..9, 5..15),
            by in (-9_i32..10, -9_i32..10),
            hole in any::<bool>(),
        ) {
            let pieces = [star(&radii, by, hole)];
            let field = Field::new(&pieces, 0.5, 6.0);
            let lattice = Lattice { low: Point2::new(-25.0, -25.0), pitch_mm: 0.5, size: [100; 2] };
            let all = signed(&pieces, &lattice);
            let points = (-50..50).flat_map(|y| (-50..50).map(move |x| [x, y]));
            for (point, wanted) in points.zip(&all) {
                let got = field.distance(point, [0.0; 2]);
                // On an outline it is either.
                let close = (got.abs() - wanted.abs().min(6.0)).abs() < 0.02;
                prop_assert!(close && (wanted.abs() < 1e-4 || (got < 0.0) == (*wanted < 0.0)), "{point:?}: {got}, {wanted}");
                for radius in [0.1, 1.0, 3.0] {
                    if let Some(inside) = field.side(point, [0.0; 2], radius) {
                        prop_assert!(inside == (*wanted < 0.0) && wanted.abs() > radius);
                    }
                }
            }
            // Beyond all room.
            prop_assert_eq!(field.distance([900, 5], [0.3, 0.4]), 6.0);
            prop_assert_eq!(field.side([900, 5], [0.3, 0.4], 2.0), Some(false));
        }
    }
}
