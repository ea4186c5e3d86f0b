//! A box of voxels that is grown in, and ways through it.

use super::super::gated::smoothed;
use super::super::segment::Source;
use super::super::{SliceValues, Window};
use crate::geometry::{Point3, distance};
use crate::patient::Volume;
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// So many voxels are passed between two looks at whether to stop.
const STEPS_BETWEEN_LOOKS: usize = 1 << 16;

/// A box of pixels through several slices.
pub(super) struct Block {
    /// The first slice.
    pub first: usize,
    pub window: Window,
    /// Pixels along rows, columns and slices, i fastest.
    pub dims: [usize; 3],
    pub pixel_mm: [f64; 2],
    /// From each slice to the next, mm.
    pub gaps_mm: Vec<f64>,
    /// NaN outside the scan.
    pub values: Vec<f32>,
}

impl Block {
    /// The one that holds what lies within a reach of `seed`; `None` where that is nothing.
    pub fn around(source: &Source<'_>, seed: Point3, reach_mm: f64, smooth: bool) -> Option<Self> {
        let volume = source.volume();
        let base = volume.base_plane()?;
        let offset = base.normal().dot(&seed.coords);
        let at = |slice: &crate::patient::Slice| slice.plane.offset_mm();
        let first = volume.slices.partition_point(|slice| at(slice) < offset - reach_mm);
        let end = volume.slices.partition_point(|slice| at(slice) <= offset + reach_mm);
        let nearest = volume.nearest_slice(offset)?;
        let (first, end) = (first.min(nearest), end.max(nearest + 1));
        let home = SliceValues::of(volume, nearest)?;
        let window = home.window(volume.slices[nearest].plane.project(seed), reach_mm);
        if window.is_empty() {
            return None;
        }
        let values: Vec<f32> = (first..end)
            .into_par_iter()
            .flat_map_iter(|slice| {
                let values = source.values(slice, &window).unwrap_or_else(|| vec![f32::NAN; window.len()]);
                if smooth { smoothed(&values, window.size) } else { values }
            })
            .collect();
        let grid = volume.grid.spacing_mm();
        let gaps_mm = source.gaps_mm(first, end - first);
        let dims = [window.size[0], window.size[1], end - first];
        Some(Self { first, window, dims, pixel_mm: [grid[0], grid[1]], gaps_mm, values })
    }

    /// The distances between voxels along rows, columns and (mean) slices, mm.
    pub fn spacing_mm(&self) -> [f64; 3] {
        let gaps = &self.gaps_mm;
        let through = if gaps.is_empty() { 1.0 } else { gaps.iter().sum::<f64>() / gaps.len() as f64 };
        [self.pixel_mm[0], self.pixel_mm[1], through]
    }

    /// The distance of every voxel to the nearest that is `wanted`, mm; infinite where none is.
    pub fn to_nearest(&self, wanted: &[bool]) -> Vec<f32> {
        distance::to_nearest_on_slices(wanted, self.dims, self.pixel_mm, &self.gaps_mm)
    }

    /// The voxel that a point (patient mm) lies in.
    pub fn index_of(&self, volume: &Volume, point: Point3) -> Option<usize> {
        let base = volume.base_plane()?;
        let slice = volume.nearest_slice(base.normal().dot(&point.coords))?;
        let values = SliceValues::of(volume, slice)?;
        let [i, j] = values.frame().index_of(volume.slices[slice].plane.project(point));
        let inside = |at: f64, low: usize, size: usize| {
            let at = at.round() - low as f64;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
            let index = (at >= 0.0 && at < size as f64).then_some(at as usize);
            index
        };
        let i = inside(i, self.window.low[0], self.dims[0])?;
        let j = inside(j, self.window.low[1], self.dims[1])?;
        let k = slice.checked_sub(self.first).filter(|k| *k < self.dims[2])?;
        Some(i + self.dims[0] * (j + self.dims[1] * k))
    }

    /// What of `reached` hangs together (26 neighbours) with the voxel `start`, or where that is not reached
    /// with the nearest one that is.
    pub fn together(&self, reached: &[bool], start: usize) -> Vec<bool> {
        let [nx, ny, nz] = self.dims;
        let place = |at: usize| [at % nx, at / nx % ny, at / (nx * ny)];
        let mut kept = vec![false; reached.len()];
        let own = place(start);
        let square = |at: usize| -> f64 {
            let to = place(at);
            let off = |axis: usize| own[axis].abs_diff(to[axis]) as f64 * self.pixel_mm[axis];
            let through: f64 = self.gaps_mm[own[2].min(to[2])..own[2].max(to[2])].iter().sum();
            off(0).powi(2) + off(1).powi(2) + through.powi(2)
        };
        let first = if reached[start] {
            Some(start)
        } else {
            let all = (0..reached.len()).filter(|at| reached[*at]);
            all.map(|at| (square(at), at)).min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, at)| at)
        };
        let mut open: Vec<usize> = first.into_iter().collect();
        open.iter().for_each(|at| kept[*at] = true);
        while let Some(at) = open.pop() {
            let [x, y, z] = place(at);
            for z in z.saturating_sub(1)..(z + 2).min(nz) {
                for y in y.saturating_sub(1)..(y + 2).min(ny) {
                    let row = nx * (y + ny * z);
                    for next in row + x.saturating_sub(1)..row + (x + 2).min(nx) {
                        if reached[next] && !kept[next] {
                            kept[next] = true;
                            open.push(next);
                        }
                    }
                }
            }
        }
        kept
    }

    /// The shortest path's length from `seed` to every voxel through those that are `open`, up to
    /// `reach_mm`; infinite beyond. Steps go to the 26 neighbours.
    ///
    /// # Errors
    /// When someone asks to stop.
    pub fn paths(
        &self,
        open: &[bool],
        seed: usize,
        reach_mm: f64,
        progress: &Progress,
    ) -> Result<Vec<f32>, Cancelled> {
        let [nx, ny, nz] = self.dims;
        let mut length = vec![f32::INFINITY; open.len()];
        let mut heap = BinaryHeap::new();
        length[seed] = 0.0;
        heap.push(Step { length: 0.0, at: seed });
        let shifts: Vec<[i64; 3]> =
            (0..27_i64).filter(|n| *n != 13).map(|n| [n % 3 - 1, n / 3 % 3 - 1, n / 9 - 1]).collect();
        // How far they are from a slice with these gaps below and above it.
        let lengths = |below: f64, above: f64| -> Vec<f32> {
            let mm = |by: &[i64; 3]| {
                let through = if by[2] < 0 { below } else { above };
                let [x, y, z] = [self.pixel_mm[0], self.pixel_mm[1], through];
                let square: f64 = by.iter().zip([x, y, z]).map(|(by, mm)| (*by as f64 * mm).powi(2)).sum();
                #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
                let mm = square.sqrt() as f32;
                mm
            };
            shifts.iter().map(mm).collect()
        };
        let gap = |index: Option<usize>| index.and_then(|n| self.gaps_mm.get(n)).copied().unwrap_or(1.0);
        let lengths: Vec<Vec<f32>> = (0..nz).map(|z| lengths(gap(z.checked_sub(1)), gap(Some(z)))).collect();
        #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
        let reach = reach_mm as f32;
        let mut steps = 0_usize;
        while let Some(Step { length: so_far, at }) = heap.pop() {
            if so_far > length[at] {
                continue;
            }
            if steps.is_multiple_of(STEPS_BETWEEN_LOOKS) {
                // The shortest come first: how far they have come tells how far it is.
                progress.set_fraction((f64::from(so_far) / reach_mm).powi(3))?;
            }
            steps += 1;
            let here = [at % nx, at / nx % ny, at / (nx * ny)];
            for (by, mm) in shifts.iter().zip(&lengths[here[2]]) {
                let next = [0, 1, 2]
                    .map(|axis| here[axis].checked_add_signed(isize::try_from(by[axis]).unwrap_or(0)));
                let [Some(x), Some(y), Some(z)] = next else { continue };
                if x >= nx || y >= ny || z >= nz {
                    continue;
                }
                let to = x + nx * (y + ny * z);
                let total = so_far + mm;
                if open[to] && total <= reach && total < length[to] {
                    length[to] = total;
                    heap.push(Step { length: total, at: to });
                }
            }
        }
        Ok(length)
    }
}

/// A voxel on the heap, the nearest first.
#[derive(Debug, PartialEq)]
struct Step {
    length: f32,
    at: usize,
}

impl Eq for Step {}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Step {
    fn cmp(&self, other: &Self) -> Ordering {
        other.length.total_cmp(&self.length).then_with(|| other.at.cmp(&self.at))
    }
}
