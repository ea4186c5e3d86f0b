//! Polygons to voxels: "voxel centre inside", by the half-open rule of [`Polygon::contains`].
//!
//! A scanline fill whose every comparison is the one that [`Polygon::contains`] makes, so that both
//! give the same answer to the bit, centres on edges and vertices included. Where the rows of
//! voxels do not run along the plane's first axis, centres within 1e-6 voxels of an edge are put
//! to [`Polygon::contains`] itself.

use super::polygon::edge_u_at;
use super::{Grid, Plane, Point2, Polygon, Vector2};
use std::ops::Range;

/// A regular 2D grid of voxel centres in the coordinates of a plane: oblique, anisotropic or
/// sheared, never degenerate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    origin: Point2,
    step_i: Vector2,
    step_j: Vector2,
    size: [usize; 2],
}

impl Frame {
    /// `size` voxel centres (i, j) at `origin + i * step_i + j * step_j`. `None` when the steps do
    /// not span the plane.
    #[must_use]
    pub fn new(origin: Point2, mut step_i: Vector2, step_j: Vector2, size: [usize; 2]) -> Option<Self> {
        // Rows that leave the first axis by less than 1e-9 of their step do so by rounding.
        if step_i.y.abs() < 1e-9 * step_i.norm() {
            step_i.y = 0.0;
        }
        let area = step_i.perp(&step_j);
        (area.is_finite() && area.abs() > 1e-12 && origin.coords.iter().all(|x| x.is_finite()))
            .then_some(Self { origin, step_i, step_j, size })
    }

    /// Slice `k` of a grid, in the coordinates of `plane`, onto which its centres are projected.
    /// `None` when the slices stand on the plane's edge.
    #[must_use]
    pub fn of_slice(grid: &Grid, k: usize, plane: &Plane) -> Option<Self> {
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        let origin = plane.project(grid.patient_of([0.0, 0.0, k as f64]));
        let step = |axis: usize| {
            let step = grid.step_mm(axis);
            Vector2::new(plane.u().dot(&step), plane.v().dot(&step))
        };
        Self::new(origin, step(0), step(1), [grid.dims()[0], grid.dims()[1]])
    }

    /// The number of voxels along i and j.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The centre of voxel (i, j); fractional indices lie between.
    #[must_use]
    pub fn point(&self, i: f64, j: f64) -> Point2 {
        Point2::new(
            self.origin.x + i * self.step_i.x + j * self.step_j.x,
            self.origin.y + i * self.step_i.y + j * self.step_j.y,
        )
    }

    /// The (fractional) voxel index of a point.
    #[must_use]
    pub fn index_of(&self, point: Point2) -> [f64; 2] {
        let d = point - self.origin;
        let area = self.step_i.perp(&self.step_j);
        [d.perp(&self.step_j) / area, self.step_i.perp(&d) / area]
    }

    /// Takes polygons from voxel-index coordinates, counted from voxel `low`, to the plane's.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
    pub fn map(&self, polygons: &[Polygon], low: [usize; 2]) -> Vec<Polygon> {
        let ring = |ring: &Vec<Point2>| {
            ring.iter().map(|at| self.point(at.x + low[0] as f64, at.y + low[1] as f64)).collect()
        };
        polygons
            .iter()
            .map(|polygon| {
                Polygon { outer: ring(&polygon.outer), holes: polygon.holes.iter().map(ring).collect() }
                    .oriented()
            })
            .collect()
    }

    /// The area of a voxel, square millimetres.
    #[must_use]
    pub fn voxel_area_mm2(&self) -> f64 {
        self.step_i.perp(&self.step_j).abs()
    }

    /// The index box (first, size) that holds every voxel whose centre can lie in `polygons`;
    /// `None` when there is none.
    #[must_use]
    pub fn bounds(&self, polygons: &[Polygon]) -> Option<([usize; 2], [usize; 2])> {
        let mut low = [f64::INFINITY; 2];
        let mut high = [f64::NEG_INFINITY; 2];
        for vertex in polygons.iter().flat_map(|polygon| &polygon.outer) {
            let at = self.index_of(*vertex);
            for axis in 0..2 {
                low[axis] = low[axis].min(at[axis]);
                high[axis] = high[axis].max(at[axis]);
            }
        }
        let mut first = [0; 2];
        let mut size = [0; 2];
        for axis in 0..2 {
            let range = clamp_range(low[axis] - 1e-6, high[axis] + 1e-6, self.size[axis]);
            if range.is_empty() {
                return None;
            }
            first[axis] = range.start;
            size[axis] = range.len();
        }
        Some((first, size))
    }
}

/// The whole numbers in `low..=high` that are below `count`.
fn clamp_range(low: f64, high: f64, count: usize) -> Range<usize> {
    if low.is_nan() || high.is_nan() || high < 0.0 || low > high {
        return 0..0;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates at both ends")]
    let (first, last) = (low.ceil().max(0.0) as usize, high.floor() as usize);
    first.min(count)..last.saturating_add(1).min(count).max(first.min(count))
}

/// The voxels whose centres lie in any of `polygons`, i fastest, `frame.size()` of them.
#[must_use]
pub fn polygons(polygons: &[Polygon], frame: &Frame) -> Vec<bool> {
    let [ni, nj] = frame.size();
    let mut inside = vec![false; ni * nj];
    spans(polygons, frame, |j, range| inside[j * ni + range.start..j * ni + range.end].fill(true));
    inside
}

/// Calls `emit(j, i_range)` for every run of voxels whose centres lie in a polygon. Runs of
/// polygons that overlap overlap.
pub fn spans(polygons: &[Polygon], frame: &Frame, mut emit: impl FnMut(usize, Range<usize>)) {
    let mut crossings = Vec::new();
    for polygon in polygons {
        if frame.step_i.y == 0.0 && frame.step_i.x > 0.0 {
            level_spans(polygon, frame, &mut crossings, &mut emit);
        } else {
            slanted_spans(polygon, frame, &mut emit);
        }
    }
}

/// Rows along the plane's first axis: each row is one height.
fn level_spans(
    polygon: &Polygon,
    frame: &Frame,
    crossings: &mut Vec<(u32, f64)>,
    emit: &mut impl FnMut(usize, Range<usize>),
) {
    let [ni, nj] = frame.size;
    crossings.clear();
    let height = |j: usize| {
        #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
        let height = frame.origin.y + j as f64 * frame.step_j.y;
        height
    };
    for ring in polygon.rings() {
        let Some(mut previous) = ring.last().copied() else { continue };
        for &vertex in ring {
            let (a, b) = (previous, vertex);
            previous = vertex;
            let (low, high) = if a.y < b.y { (a.y, b.y) } else { (b.y, a.y) };
            if low >= high {
                continue;
            }
            let (from, to) = (
                (low - frame.origin.y) / frame.step_j.y - 1e-6,
                (high - frame.origin.y) / frame.step_j.y + 1e-6,
            );
            for j in
                if from < to { clamp_range(from, to, nj) } else { clamp_range(to - 2e-6, from + 2e-6, nj) }
            {
                let v = height(j);
                // The very test of `Polygon::contains`.
                if (a.y > v) != (b.y > v) {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "image dimensions are far below 2^32"
                    )]
                    crossings.push((j as u32, edge_u_at(a, b, v)));
                }
            }
        }
    }
    crossings.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    for pair in crossings.chunks_exact(2) {
        debug_assert_eq!(pair[0].0, pair[1].0, "closed rings cross a row an even number of times");
        let j = pair[0].0 as usize;
        // Inside where from <= u < to: a crossing at the point itself does not count.
        let range = first_at_or_after(frame, j, pair[0].1, ni)..first_at_or_after(frame, j, pair[1].1, ni);
        if !range.is_empty() {
            emit(j, range);
        }
    }
}

/// The first i of row `j` whose centre is not left of `u`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "clamped to the row"
)]
fn first_at_or_after(frame: &Frame, j: usize, u: f64, ni: usize) -> usize {
    let centre = |i: usize| frame.point(i as f64, j as f64).x;
    let guess = (u - frame.origin.x - j as f64 * frame.step_j.x) / frame.step_i.x;
    let mut i = guess.ceil().clamp(0.0, ni as f64) as usize;
    while i > 0 && centre(i - 1) >= u {
        i -= 1;
    }
    while i < ni && centre(i) < u {
        i += 1;
    }
    i
}

/// Rows at any angle: filled in index space, with centres near an edge asked one by one.
#[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
fn slanted_spans(polygon: &Polygon, frame: &Frame, emit: &mut impl FnMut(usize, Range<usize>)) {
    const NEAR: f64 = 1e-6;
    let Some((first, size)) = frame.bounds(std::slice::from_ref(polygon)) else { return };
    let rings: Vec<Vec<[f64; 2]>> =
        polygon.rings().map(|ring| ring.iter().map(|p| frame.index_of(*p)).collect()).collect();
    let exact = |i: usize, j: usize| polygon.contains(frame.point(i as f64, j as f64));
    let columns = first[0]..first[0] + size[0];
    let mut cuts: Vec<f64> = Vec::new();
    for j in first[1]..first[1] + size[1] {
        let row = j as f64;
        cuts.clear();
        let mut doubtful = false;
        for ring in &rings {
            let Some(mut previous) = ring.last() else { continue };
            for vertex in ring {
                doubtful |= (vertex[1] - row).abs() < NEAR;
                if (vertex[1] > row) != (previous[1] > row) {
                    let t = (row - vertex[1]) / (previous[1] - vertex[1]);
                    cuts.push(vertex[0] + t * (previous[0] - vertex[0]));
                }
                previous = vertex;
            }
        }
        cuts.sort_unstable_by(f64::total_cmp);
        let mut start = None;
        let mut passed = 0;
        for i in columns.clone() {
            while passed < cuts.len() && cuts[passed] <= i as f64 {
                passed += 1;
            }
            let close = |cut: Option<&f64>| cut.is_some_and(|cut| (cut - i as f64).abs() < NEAR);
            let near = close(cuts.get(passed)) || (passed > 0 && close(cuts.get(passed - 1)));
            let inside = if doubtful || near { exact(i, j) } else { passed % 2 == 1 };
            match (inside, start) {
                (true, None) => start = Some(i),
                (false, Some(from)) => {
                    emit(j, from..i);
                    start = None;
                }
                _ => {}
            }
        }
        if let Some(from) = start {
            emit(j, from..columns.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::polygon::tests::square;
    use proptest::prelude::*;

    fn by_contains(list: &[Polygon], frame: &Frame) -> Vec<bool> {
        let [ni, nj] = frame.size();
        (0..ni * nj)
            .map(|at| {
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let point = frame.point((at % ni) as f64, (at / ni) as f64);
                list.iter().any(|polygon| polygon.contains(point))
            })
            .collect()
    }

    #[test]
    fn centres_on_an_edge_belong_to_one_of_two_neighbours() {
        let frame = Frame::new(Point2::origin(), Vector2::x(), Vector2::y(), [7, 7]).unwrap();
        let left = vec![Polygon::from_outer(square(0.0, 0.0, 3.0))];
        let right = vec![Polygon::from_outer(square(3.0, 0.0, 3.0))];
        let (a, b) = (polygons(&left, &frame), polygons(&right, &frame));
        assert_eq!(a.iter().filter(|x| **x).count(), 9);
        assert_eq!(b.iter().filter(|x| **x).count(), 9);
        assert!(a.iter().zip(&b).all(|(a, b)| !(a & b)));
    }

    proptest! {
        #[test]
        fn every_frame_agrees_with_contains(
            ring in prop::collection::vec((-3_i32..22, -3_i32..22), 3..12),
            (sx, sy, shear, turn) in (0.5..2.0_f64, 0.5..2.0_f64, -0.5..0.5_f64, prop::bool::ANY),
            angle in 0.0..6.3_f64, flip in prop::bool::ANY,
        ) {
            // Vertices on whole voxel indices make ties on purpose.
            let rotate = |v: Vector2| {
                if turn { nalgebra::Rotation2::new(angle) * v } else { v }
            };
            let step_i = rotate(Vector2::new(sx, 0.0));
            let step_j = rotate(Vector2::new(shear, if flip { -sy } else { sy }));
            let frame = Frame::new(Point2::new(-7.3, 11.9), step_i, step_j, [20, 19]).unwrap();
            let polygon = Polygon::from_outer(
                ring.iter().map(|(i, j)| frame.point(f64::from(*i), f64::from(*j) * 0.5)).collect(),
            );
            let list = [polygon];
            prop_assert_eq!(polygons(&list, &frame), by_contains(&list, &frame));
        }
    }
}
