//! Between pieces: what lies between the pieces of a structure, or belongs to them rather than to
//! others, by the way through the image.
//!
//! Distances from every piece grow with the way and with the change of values along it (Toivanen, "New
//! geodesic distance transforms for gray-scale images", Pattern Recognition Letters 17, 1996; squared
//! here, so that noise costs little), found as shortest paths over 26 neighbours. A voxel lies between two pieces when the way from one to the
//! other through it is hardly longer than the shortest there is; pieces are linked by the shortest
//! ways that link all of them. Or each voxel of a region goes to the piece that it is reached from
//! first: the watershed of these distances.

use super::Source;
use super::queue::Queue;
use super::source::{inside, reach, traced};
use crate::edit::Window;
use crate::edit::algebra::{Region, pieces};
use crate::edit::gated::smoothed;
use crate::geometry::bits::Bits;
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// More voxels than this are not worked on: about half a gigabyte.
const MOST_VOXELS: usize = 12_000_000;
/// What a step across the greatest difference costs, mm of way.
const EDGE_MM: f32 = 60.0;
/// No piece.
const NONE: u16 = u16::MAX;

/// What is filled.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Fill {
    /// What lies between the pieces: ways longer than the shortest by this part of it count.
    Between(f64),
    /// All of the region that is reached from a piece before any other structure.
    All,
}

/// Why nothing is between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PiecesError {
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// There are no two pieces.
    #[error("The structure has no two pieces for anything to be between. Draw another piece.")]
    OnePiece,
    /// Nothing to start from in the region.
    #[error("No piece of the structure lies in the region looked in.")]
    NoSeed,
    /// All of everything.
    #[error("Choose a region, or a structure, that is to be shared out.")]
    NoRegion,
    /// No way.
    #[error("No way leads from piece to piece in the region looked in. Choose a larger one.")]
    NoWay,
    /// The box is too large.
    #[error(
        "This spans {0} million voxels, more than the 12 million that are worked on. Choose a smaller region."
    )]
    TooLarge(usize),
}

/// What is to be added to `own` on the slices of the image, with the rim of its pieces where it meets
/// them. `others` are not entered; with [`Fill::All`] they take what they reach first. Looks in
/// `limit`, or in the box of the pieces and `margin_mm` more. Missing slices are not crossed. Outlines
/// are smooth and hold exactly the pixel centres found. Takes 22 bytes a voxel of the box, and 8 for
/// each that waits in the queue.
///
/// # Errors
/// [`PiecesError`].
pub fn between_pieces(
    source: &Source<'_>,
    own: &Region,
    others: &[Region],
    limit: Option<&Region>,
    (fill, margin_mm): (Fill, f64),
    progress: &Progress,
) -> Result<Region, PiecesError> {
    progress.set_step("Looking between pieces");
    let own = pieces(own, source.volume);
    match fill {
        Fill::Between(_) if own.len() < 2 => return Err(PiecesError::OnePiece),
        Fill::All if limit.is_none() => return Err(PiecesError::NoRegion),
        _ => {}
    }
    let mut field = Field::new(source, &own, limit, margin_mm)?;
    if let Some(limit) = limit {
        field.keep_to(source, limit);
    }
    if fill == Fill::All {
        field.mark(source, others, own.len(), true);
    }
    field.mark(source, &own, 0, true);
    if fill != Fill::All {
        field.mark(source, others, own.len(), false);
    }
    if field.seeds.iter().all(|seed| usize::from(*seed) >= own.len()) {
        return Err(PiecesError::NoSeed);
    }
    progress.set_fraction(0.1)?;
    field.spread(&progress.part(0.1, 0.9))?;
    let count = u16::try_from(own.len()).unwrap_or(NONE);
    let found = match fill {
        Fill::All => field.reached_first(count),
        Fill::Between(detour) => field.between(count, detour).ok_or(PiecesError::NoWay)?,
    };
    Ok(traced(source.volume, field.first, field.window.low, &field.with_rim(&found, count)))
}

/// The box looked in, and the two pieces that each voxel of it is reached from first.
struct Field {
    first: usize,
    window: Window,
    dims: [usize; 3],
    pixel_mm: [f64; 2],
    /// From each slice to the next, mm.
    gaps_mm: Vec<f64>,
    /// NaN where nothing goes.
    values: Vec<f32>,
    /// The piece that a voxel belongs to.
    seeds: Vec<u16>,
    /// The two pieces of each voxel, one after the other, and the ways from them, mm.
    labels: Vec<u16>,
    ways: Vec<f32>,
    /// The shortest way from one piece to another, by their numbers, the lesser first.
    links: BTreeMap<(u16, u16), f32>,
}

impl Field {
    fn new(
        source: &Source<'_>,
        own: &[Region],
        limit: Option<&Region>,
        margin_mm: f64,
    ) -> Result<Self, PiecesError> {
        let pixel_mm = source.pixel_mm();
        let (first, count, window) = match limit {
            Some(limit) => reach(source, limit).ok_or(PiecesError::NoSeed)?,
            None => around(source, own, margin_mm).ok_or(PiecesError::NoSeed)?,
        };
        let dims = [window.size[0], window.size[1], count];
        let voxels = dims.iter().product::<usize>();
        if voxels > MOST_VOXELS {
            return Err(PiecesError::TooLarge(voxels / 1_000_000));
        }
        let values: Vec<f32> = (first..first + count)
            .into_par_iter()
            .flat_map_iter(|slice| match source.values(slice, &window) {
                Some(values) => smoothed(&values, window.size),
                None => vec![f32::NAN; window.len()],
            })
            .collect();
        let (seeds, labels) = (vec![NONE; voxels], vec![NONE; voxels * 2]);
        let ways = vec![f32::INFINITY; voxels * 2];
        let (gaps_mm, links) = (source.gaps_mm(first, count), BTreeMap::new());
        Ok(Self { first, window, dims, pixel_mm, gaps_mm, values, seeds, labels, ways, links })
    }

    fn plane(&self) -> usize {
        (self.dims[0] * self.dims[1]).max(1)
    }

    /// Nothing goes outside the limit.
    fn keep_to(&mut self, source: &Source<'_>, limit: &Region) {
        let (first, window, plane) = (self.first, self.window, self.plane());
        self.values.par_chunks_mut(plane).enumerate().for_each(|(k, values)| {
            let holds = inside(source, first + k, limit.on(first + k), &window);
            for (value, _) in values.iter_mut().zip(holds).filter(|(_, holds)| !holds) {
                *value = f32::NAN;
            }
        });
    }

    /// Numbers the voxels of regions from `from` on, or closes those that are no seeds to all.
    fn mark(&mut self, source: &Source<'_>, regions: &[Region], from: usize, as_seeds: bool) {
        let (first, window, plane) = (self.first, self.window, self.plane());
        for (number, region) in regions.iter().enumerate() {
            let number = u16::try_from(from + number).unwrap_or(NONE);
            for (slice, polygons) in region.slices() {
                let Some(k) = slice.checked_sub(first).filter(|k| *k < self.dims[2]) else { continue };
                let held = inside(source, slice, polygons, &window);
                for (n, _) in held.iter().enumerate().filter(|(_, held)| **held) {
                    let at = k * plane + n;
                    if !as_seeds && self.seeds[at] == NONE {
                        self.values[at] = f32::NAN;
                    } else if as_seeds && !self.values[at].is_nan() {
                        self.seeds[at] = number;
                    }
                }
            }
        }
    }

    /// The difference that counts as an edge: the spread of what the pieces hold, without its tails.
    fn greatest(&self) -> f32 {
        let mut held: Vec<f32> = self
            .values
            .iter()
            .zip(&self.seeds)
            .filter(|(_, seed)| **seed != NONE)
            .map(|(own, _)| *own)
            .collect();
        held.sort_unstable_by(f32::total_cmp);
        let at =
            |percent: usize| held.get(held.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0.0);
        (at(98) - at(2)).max(1e-6)
    }

    /// The neighbours of a voxel of each slice: how far along each axis, in memory, and mm.
    fn steps(&self) -> Vec<Vec<([isize; 3], isize, f32)>> {
        let [nx, ny, _] = self.dims.map(usize::cast_signed);
        let gap = |index: Option<usize>| index.and_then(|n| self.gaps_mm.get(n)).copied().unwrap_or(0.0);
        let on = |slice: usize| {
            (0..27_isize)
                .map(|n| [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1])
                .filter(|by| *by != [0; 3])
                .map(|by| {
                    let through = gap(if by[2] < 0 { slice.checked_sub(1) } else { Some(slice) });
                    let spacing = [self.pixel_mm[0], self.pixel_mm[1], through];
                    let square: f64 = (0..3).map(|axis| (by[axis] as f64 * spacing[axis]).powi(2)).sum();
                    #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
                    let mm = square.sqrt() as f32;
                    (by, by[0] + nx * (by[1] + ny * by[2]), mm)
                })
                .collect()
        };
        (0..self.dims[2]).map(on).collect()
    }

    /// Finds the two nearest pieces of every voxel.
    #[expect(clippy::cast_possible_truncation, reason = "fewer places than 2^32")]
    fn spread(&mut self, progress: &Progress) -> Result<(), Cancelled> {
        let dims = self.dims;
        let (steps, greatest) = (self.steps(), self.greatest());
        let mut settled = vec![false; self.labels.len()];
        let mut queue = Queue::new();
        for (at, seed) in self.seeds.iter().enumerate().filter(|(_, seed)| **seed != NONE) {
            self.labels[at * 2] = *seed;
            self.ways[at * 2] = 0.0;
            // No way leads on through another piece.
            settled[at * 2 + 1] = true;
            queue.push(0.0, (at * 2) as u32);
        }
        let mut taken = 0_usize;
        while let Some((_, place)) = queue.pop() {
            let place = place as usize;
            if std::mem::replace(&mut settled[place], true) {
                continue;
            }
            taken += 1;
            if taken.is_multiple_of(65_536) {
                progress.set_fraction(taken as f64 / settled.len() as f64)?;
            }
            let (at, label, way) = (place / 2, self.labels[place], self.ways[place]);
            let here = [at % dims[0], at / dims[0] % dims[1], at / (dims[0] * dims[1])];
            for (by, offset, mm) in &steps[here[2]] {
                let is_there =
                    (0..3).all(|n| here[n].checked_add_signed(by[n]).is_some_and(|own| own < dims[n]));
                let Some(to) = at.checked_add_signed(*offset).filter(|_| is_there) else { continue };
                let part = (self.values[to] - self.values[at]).abs() / greatest;
                if part.is_nan() {
                    continue;
                }
                let total = way + mm.hypot(EDGE_MM * part.min(1.0).powi(2));
                let seed = self.seeds[to];
                if seed != NONE {
                    if seed != label {
                        self.link(seed, label, total);
                    }
                    continue;
                }
                if let Some(slot) = self.offered(to, label, total, &settled) {
                    queue.push(total, slot as u32);
                }
            }
        }
        for at in 0..self.seeds.len() {
            let (a, b) = (at * 2, at * 2 + 1);
            if self.seeds[at] == NONE && self.labels[b] != NONE {
                self.link(self.labels[a], self.labels[b], self.ways[a] + self.ways[b]);
            }
        }
        Ok(())
    }

    fn link(&mut self, a: u16, b: u16, way: f32) {
        let least = self.links.entry((a.min(b), a.max(b))).or_insert(f32::INFINITY);
        *least = least.min(way);
    }

    /// The place of a voxel that a way from a piece takes, if it is one of the two shortest.
    fn offered(&mut self, at: usize, label: u16, way: f32, settled: &[bool]) -> Option<usize> {
        let slots = [at * 2, at * 2 + 1];
        let same = slots.into_iter().find(|slot| self.labels[*slot] == label);
        let free = || slots.into_iter().find(|slot| self.labels[*slot] == NONE);
        let worst = || {
            let open = slots.into_iter().filter(|slot| !settled[*slot]);
            open.max_by(|a, b| self.ways[*a].total_cmp(&self.ways[*b]))
        };
        let slot = same.or_else(free).or_else(worst)?;
        if settled[slot] || way >= self.ways[slot] {
            return None;
        }
        self.labels[slot] = label;
        self.ways[slot] = way;
        Some(slot)
    }

    /// The voxels that one of the first `count` pieces reaches first.
    fn reached_first(&self, count: u16) -> Vec<bool> {
        (0..self.seeds.len())
            .map(|at| {
                let slots = [at * 2, at * 2 + 1].into_iter().filter(|slot| self.labels[*slot] != NONE);
                let first = slots.min_by(|a, b| self.ways[*a].total_cmp(&self.ways[*b]));
                self.seeds[at] == NONE && first.is_some_and(|slot| self.labels[slot] < count)
            })
            .collect()
    }

    /// The voxels on ways between linked pieces that are longer than the shortest by `detour` at most;
    /// `None` when no two pieces are linked.
    fn between(&self, count: u16, detour: f64) -> Option<Vec<bool>> {
        let mut links: Vec<(f32, u16, u16)> = self.links.iter().map(|((a, b), way)| (*way, *a, *b)).collect();
        links.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Kruskal: the shortest links that join all.
        let mut group: Vec<u16> = (0..count).collect();
        let mut most: BTreeMap<(u16, u16), f32> = BTreeMap::new();
        for (way, a, b) in links {
            let (from, to) = (group[usize::from(a)], group[usize::from(b)]);
            if from != to {
                group.iter_mut().filter(|own| **own == from).for_each(|own| *own = to);
                #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
                let longest = (f64::from(way) * (1.0 + detour) + 1e-3) as f32;
                most.insert((a, b), longest);
            }
        }
        let lies_between = |at: usize| {
            let (a, b) = (self.labels[at * 2], self.labels[at * 2 + 1]);
            let longest = most.get(&(a.min(b), a.max(b)));
            self.seeds[at] == NONE
                && longest.is_some_and(|most| self.ways[at * 2] + self.ways[at * 2 + 1] <= *most)
        };
        (!most.is_empty()).then(|| (0..self.seeds.len()).map(lies_between).collect())
    }

    /// What was found together with the rim of the pieces, two pixels wide, where they meet it, so that
    /// no seam stays between.
    fn with_rim(&self, found: &[bool], count: u16) -> Bits {
        let [nx, ny, _] = self.dims;
        let mut bits = Bits { size: self.dims, values: found.to_vec() };
        for at in (0..found.len()).filter(|at| found[*at]) {
            let (x, y) = (at % nx, at / nx % ny);
            for to_y in y.saturating_sub(2)..(y + 3).min(ny) {
                for to_x in x.saturating_sub(2)..(x + 3).min(nx) {
                    let to = at - x - y * nx + to_x + to_y * nx;
                    bits.values[to] |= self.seeds[to] < count;
                }
            }
        }
        bits
    }
}

/// The slices (first, number) and pixels that hold the pieces, and `margin_mm` more.
fn around(source: &Source<'_>, own: &[Region], margin_mm: f64) -> Option<(usize, usize, Window)> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few voxels")]
    let margin = source.pixel_mm().map(|mm| (margin_mm.max(0.0) / mm.max(1e-3)).round() as usize);
    let [ni, nj, _] = source.volume.grid.dims();
    let boxes = own.iter().filter_map(|piece| reach(source, piece));
    let (low, high) = boxes
        .map(|(first, count, window)| {
            let low = [window.low[0], window.low[1], first];
            (low, [low[0] + window.size[0], low[1] + window.size[1], first + count])
        })
        .reduce(|(al, ah), (bl, bh)| {
            ([0, 1, 2].map(|n| al[n].min(bl[n])), [0, 1, 2].map(|n| ah[n].max(bh[n])))
        })?;
    let slices = source.slices_around(low[2], high[2].saturating_sub(1), margin_mm.max(0.0));
    let low = [0, 1].map(|n| low[n].saturating_sub(margin[n]));
    let high = [0, 1].map(|n| (high[n] + margin[n]).min([ni, nj][n]));
    let window = Window { low: [low[0], low[1]], size: [high[0] - low[0], high[1] - low[1]] };
    Some((slices.start, slices.len(), window))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Grid, Point2, Point3, Polygon, Rotation3, Vector3};
    use crate::patient::{Slice, Unit, Volume, Voxels};
    use std::f64::consts::{PI, TAU};

    /// Voxels by their place from the middle of the grid, along its axes, mm.
    fn volume(
        turn: &Rotation3,
        dims: [usize; 3],
        spacing: [f64; 3],
        value: impl Fn([f64; 3]) -> f64,
    ) -> Volume {
        let axes = [Vector3::x(), Vector3::y(), Vector3::z()].map(|axis| turn * axis);
        let steps = [0, 1, 2].map(|n| axes[n] * spacing[n]);
        let grid = Grid::new(dims, Point3::new(5.0, -7.0, 11.0), steps).unwrap();
        let voxels = (0..grid.len())
            .map(|at| {
                let voxel = [at % dims[0], at / dims[0] % dims[1], at / (dims[0] * dims[1])];
                #[expect(clippy::cast_possible_truncation, reason = "an image value")]
                let own =
                    value([0, 1, 2].map(|n| (voxel[n] as f64 - dims[n] as f64 / 2.0) * spacing[n])) as f32;
                own
            })
            .collect();
        let slices = Slice::all_of(&grid);
        Volume { grid, voxels: Voxels::F32(voxels), unit: Unit::Hu, slices, native: None }
    }

    /// A disc on a slice, by its centre in pixels and its radius in mm.
    fn disc(volume: &Volume, slice: usize, i: f64, j: f64, radius: f64) -> Vec<Polygon> {
        let plane = volume.slices[slice].plane;
        let center = plane.project(volume.grid.patient_of([i, j, slice as f64]));
        let corner = |n: u32| {
            let angle = TAU * f64::from(n) / 72.0;
            center + crate::geometry::Vector2::new(angle.cos(), angle.sin()) * radius
        };
        let outer: Vec<Point2> = (0..72).map(corner).collect();
        vec![Polygon::from_outer(outer)]
    }

    fn area(region: &Region, slice: usize) -> f64 {
        region.on(slice).iter().map(Polygon::area_mm2).sum()
    }

    fn run(
        volume: &Volume,
        own: &Region,
        others: &[Region],
        limit: Option<&Region>,
        fill: Fill,
    ) -> Result<Region, PiecesError> {
        between_pieces(&Source::own(volume), own, others, limit, (fill, 10.0), &Progress::new())
    }

    #[test]
    fn between_two_stacked_discs_lies_a_cylinder_on_an_oblique_grid() {
        let turn = Rotation3::from_euler_angles(0.5, 0.2, -0.4);
        let image = volume(&turn, [50, 40, 20], [0.9, 1.2, 2.5], |_| 40.0);
        let end = |slices: std::ops::Range<usize>| {
            slices.map(|k| (k, disc(&image, k, 25.0, 20.0, 12.0))).collect::<Vec<_>>()
        };
        let own = Region::from_slices(end(3..6).into_iter().chain(end(13..16)));
        let found = run(&image, &own, &[], None, Fill::Between(0.0)).unwrap();
        assert_eq!(found.slices().map(|(slice, _)| slice).collect::<Vec<_>>(), (6..13).collect::<Vec<_>>());
        for k in 6..13 {
            assert!((area(&found, k) / (PI * 144.0) - 1.0).abs() < 0.03, "{k}: {}", area(&found, k));
        }
        let wider = run(&image, &own, &[], None, Fill::Between(0.3)).unwrap();
        assert!(area(&wider, 9) > area(&found, 9) * 1.1, "a detour bulges");
        // A slice that is missing is not crossed.
        let mut gap = image.clone();
        gap.slices[9].missing = true;
        assert_eq!(run(&gap, &own, &[], None, Fill::Between(0.2)), Err(PiecesError::NoWay));
        let one = Region::from_slices(end(3..6));
        assert_eq!(run(&image, &one, &[], None, Fill::Between(0.2)), Err(PiecesError::OnePiece));
    }

    #[test]
    fn the_way_goes_by_what_is_alike() {
        // A bent bar of 100 in 0: down the left side, across the bottom, up the right.
        let bar = |x: f64, y: f64| {
            let side = (x.abs() - 16.0).abs() < 4.0 && y < 18.0;
            let bottom = x.abs() < 20.0 && (y - 14.0).abs() < 4.0;
            side || bottom
        };
        let image = volume(&Rotation3::identity(), [60, 60, 5], [1.0, 1.0, 3.0], |[x, y, _]| {
            let noise = ((x * 12.9898 + y * 78.233).sin() * 43_758.545).fract() * 10.0;
            noise + if bar(x, y) { 100.0 } else { 0.0 }
        });
        let ends = |k: usize| {
            let mut both = disc(&image, k, 14.0, 30.0, 3.5);
            both.extend(disc(&image, k, 46.0, 30.0, 3.5));
            (k, both)
        };
        let own = Region::from_slices((0..5).map(ends));
        let found = run(&image, &own, &[], None, Fill::Between(0.3)).unwrap();
        let frame_value = |x: usize, y: usize| {
            let plane = image.slices[2].plane;
            let at = plane.project(image.grid.patient_of([x as f64, y as f64, 2.0]));
            found.on(2).iter().any(|piece| piece.contains(at))
        };
        let (mut in_bar, mut beside) = (0, 0);
        for y in 0..60 {
            for x in 0..60 {
                if frame_value(x, y) {
                    let is_bar = bar(x as f64 - 30.0, y as f64 - 30.0);
                    if is_bar { in_bar += 1 } else { beside += 1 }
                }
            }
        }
        assert!(frame_value(30, 44), "the way runs along the bottom");
        assert!(!frame_value(30, 30), "and not straight across the dark");
        assert!(in_bar > 150 && beside * 10 < in_bar, "{in_bar} in the bar, {beside} beside it");
    }

    #[test]
    fn a_region_is_shared_out_at_the_edge_between_structures() {
        // Two halves, the edge 6 mm left of the middle between the pieces.
        let image =
            volume(
                &Rotation3::identity(),
                [60, 30, 7],
                [1.0, 1.0, 2.0],
                |[x, ..]| {
                    if x < -6.0 { 20.0 } else { 80.0 }
                },
            );
        let all = |i: f64, j: f64, radius: f64| {
            Region::from_slices((2..5).map(|k| (k, disc(&image, k, i, j, radius))))
        };
        let (left, right) = (all(10.0, 15.0, 3.0), all(50.0, 15.0, 3.0));
        let limit = {
            let mut own = all(30.0, 15.0, 1.0);
            for k in 2..5 {
                let corners = [(4.6, 8.6), (55.4, 8.6), (55.4, 21.4), (4.6, 21.4)]
                    .map(|(i, j)| image.slices[k].plane.project(image.grid.patient_of([i, j, k as f64])));
                own.put(k, vec![Polygon::from_outer(corners.to_vec())]);
            }
            own
        };
        let own = run(&image, &left, std::slice::from_ref(&right), Some(&limit), Fill::All).unwrap();
        let other = run(&image, &right, std::slice::from_ref(&left), Some(&limit), Fill::All).unwrap();
        // The grid's middle is pixel 30; values change between pixels 23 and 24.
        let seed = PI * 9.0;
        for k in 2..5 {
            let (a, b) = (area(&own, k), area(&other, k));
            let (left_mm2, right_mm2) = ((24.0 - 5.0) * 13.0, (55.0 - 23.0) * 13.0);
            assert!(a < left_mm2 + 20.0 && a > left_mm2 - seed - 20.0, "{a} of {left_mm2}");
            assert!(b < right_mm2 + 20.0 && b > right_mm2 - seed - 20.0, "{b} of {right_mm2}");
        }
        assert!(own.slices().all(|(slice, _)| (2..5).contains(&slice)), "no further than the region");
        assert_eq!(run(&image, &left, &[], None, Fill::All), Err(PiecesError::NoRegion));
        assert_eq!(run(&image, &all(2.0, 2.0, 1.0), &[], Some(&limit), Fill::All), Err(PiecesError::NoSeed));
    }

    #[test]
    fn three_pieces_are_linked_by_the_two_shortest_ways_and_others_are_not_entered() {
        let image = volume(&Rotation3::identity(), [80, 40, 3], [1.0, 1.0, 2.0], |_| 0.0);
        let pieces = [(10.0, 12.0), (35.0, 12.0), (65.0, 12.0)];
        let own =
            Region::from_slices((0..3).map(|k| {
                (k, pieces.iter().flat_map(|(i, j)| disc(&image, k, *i, *j, 5.0)).collect::<Vec<_>>())
            }));
        let found = run(&image, &own, &[], None, Fill::Between(0.1)).unwrap();
        let holds = |i: f64, j: f64| {
            let at = image.slices[1].plane.project(image.grid.patient_of([i, j, 1.0]));
            found.on(1).iter().any(|piece| piece.contains(at))
        };
        assert!(holds(22.0, 12.0) && holds(50.0, 12.0));
        assert!(!holds(22.0, 24.0) && !holds(3.0, 12.0) && !holds(75.0, 12.0));
        let wall = Region::from_slices((0..3).map(|k| (k, disc(&image, k, 22.0, 12.0, 4.0))));
        let around = run(&image, &own, std::slice::from_ref(&wall), None, Fill::Between(0.1)).unwrap();
        let middle = image.slices[1].plane.project(image.grid.patient_of([22.0, 12.0, 1.0]));
        assert!(!around.on(1).iter().any(|piece| piece.contains(middle)), "others are not entered");
    }
}
