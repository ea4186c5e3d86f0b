//! Image values on the slices that contours lie on: the image's own, or those of another image.

use crate::edit::algebra::Region;
use crate::edit::{SliceValues, Window};
use crate::geometry::Polygon;
use crate::geometry::bits::Bits;
use crate::geometry::distance::gaps_mm;
use crate::geometry::{Plane, Point3, rasterise, trace};
use crate::patient::{Volume, Voxels};
use rayon::prelude::*;

/// Across at most this much without an image organs are taken to go on, mm.
const NARROW_GAP_MM: f64 = 15.0;

/// Values at the pixel centres of a volume's slices.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    pub(super) volume: &'a Volume,
    other: Option<&'a Volume>,
}

impl<'a> Source<'a> {
    /// The volume's own values, exactly.
    #[must_use]
    pub fn own(volume: &'a Volume) -> Self {
        Self { volume, other: None }
    }

    /// The values of `other`, an image in the same frame of reference (a PET beside its CT), linear
    /// between its voxel centres; none beyond them.
    #[must_use]
    pub fn of_other(volume: &'a Volume, other: &'a Volume) -> Self {
        Self { volume, other: Some(other) }
    }

    /// The image whose values these are.
    #[must_use]
    pub fn image(&self) -> &'a Volume {
        self.other.unwrap_or(self.volume)
    }

    /// The volume on whose slices these values are wanted.
    pub(in crate::edit) fn volume(&self) -> &'a Volume {
        self.volume
    }

    /// The values in a window of a slice, i fastest, NaN where there is none; `None` when the slice
    /// is missing.
    pub(in crate::edit) fn values(&self, slice: usize, window: &Window) -> Option<Vec<f32>> {
        let own = SliceValues::of(self.volume, slice)?;
        let plane = self.volume.slices[slice].plane;
        Some(window.pixels().map(|pixel| self.value(&own, &plane, pixel)).collect())
    }

    /// The value at pixel (i, j) of a slice, given its pixels and its plane.
    pub(super) fn value(&self, own: &SliceValues<'_>, plane: &Plane, [i, j]: [usize; 2]) -> f32 {
        match self.other {
            None => own.value(i, j),
            Some(other) => sampled(other, plane.lift(own.frame().point(i as f64, j as f64))),
        }
    }

    /// Every pixel of a slice.
    pub(super) fn whole(&self) -> Window {
        let [ni, nj, _] = self.volume.grid.dims();
        Window { low: [0; 2], size: [ni, nj] }
    }

    /// The distance between pixels along i and j, mm.
    pub(super) fn pixel_mm(&self) -> [f64; 2] {
        let [i, j, _] = self.volume.grid.spacing_mm();
        [i, j]
    }

    /// The distance from each of `count` slices from `first` on to the next, mm; one less than slices, and
    /// all the same where they differ by no more than rounding.
    pub(in crate::edit) fn gaps_mm(&self, first: usize, count: usize) -> Vec<f64> {
        let slices = self.volume.slices.iter().skip(first).take(count);
        gaps_mm(&slices.map(|slice| slice.plane.offset_mm()).collect::<Vec<_>>())
    }

    /// The slices from `low` to `high` and those beside them that stand for something within `margin_mm`: a
    /// slice stands for half the way to its neighbours.
    pub(super) fn slices_around(&self, low: usize, high: usize, margin_mm: f64) -> std::ops::Range<usize> {
        let gaps = self.gaps_mm(0, self.volume.slices.len());
        let reached = |gaps: &mut dyn Iterator<Item = f64>| {
            let mut way = 0.0;
            gaps.take_while(|gap| {
                way += gap;
                way - gap / 2.0 <= margin_mm + 1e-9
            })
            .count()
        };
        let below = reached(&mut gaps[..low.min(gaps.len())].iter().rev().copied());
        let above = reached(&mut gaps.iter().skip(high).copied());
        low - below..high + above + 1
    }

    pub(super) fn pixel_mm2(&self) -> f64 {
        self.volume.grid.step_mm(0).cross(&self.volume.grid.step_mm(1)).norm()
    }
}

/// The value at a patient point, linear between voxel centres; NaN beyond them and beside voxels
/// without one.
pub(super) fn sampled(volume: &Volume, point: Point3) -> f32 {
    let at = volume.grid.voxel_of(point);
    let dims = volume.grid.dims();
    let (mut low, mut part) = ([0; 3], [0.0; 3]);
    for axis in 0..3 {
        // Rounding must not lose the outermost centres.
        if at[axis] < -1e-6 || at[axis] > dims[axis] as f64 - 1.0 + 1e-6 || dims[axis] == 0 {
            return f32::NAN;
        }
        let floor = at[axis].floor().clamp(0.0, dims[axis] as f64 - 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let first = floor as usize;
        low[axis] = first.min(dims[axis].saturating_sub(2));
        // A lone plane has no neighbour that rounding could lean on.
        part[axis] = if dims[axis] == 1 { 0.0 } else { (at[axis] - low[axis] as f64).clamp(0.0, 1.0) };
    }
    let mut sum = 0.0;
    for corner in 0..8_usize {
        let step = [corner & 1, corner >> 1 & 1, corner >> 2 & 1];
        let weight: f64 =
            (0..3).map(|axis| if step[axis] == 1 { part[axis] } else { 1.0 - part[axis] }).product();
        if weight > 0.0 {
            let index = low[0] + step[0] + dims[0] * (low[1] + step[1] + dims[1] * (low[2] + step[2]));
            let Some(value) = volume.voxels.value(index) else { return f32::NAN };
            sum += f64::from(value) * weight;
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "a mean of f32")]
    let sum = sum as f32;
    sum
}

/// The values of the volume's own slices in memory order, and the number of voxels of all slices.
pub(super) fn on_slices(volume: &Volume) -> (&Voxels, [usize; 3]) {
    let [ni, nj, _] = volume.grid.dims();
    (volume.native.as_deref().unwrap_or(&volume.voxels), [ni, nj, volume.slices.len()])
}

/// Missing slices side by side, between two that are there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gap {
    /// The slice before and the slice after.
    pub ends: [usize; 2],
    /// Whether the two are near enough for what lies on both to hang together.
    pub is_narrow: bool,
}

/// Every gap of a volume, in order; none where slices are missing at an end.
pub(super) fn gaps(volume: &Volume) -> Vec<Gap> {
    let there: Vec<usize> = (0..volume.slices.len()).filter(|slice| !volume.slices[*slice].missing).collect();
    let offset = |slice: usize| volume.slices[slice].plane.offset_mm();
    there
        .windows(2)
        .filter(|pair| pair[1] > pair[0] + 1)
        .map(|pair| Gap {
            ends: [pair[0], pair[1]],
            is_narrow: (offset(pair[1]) - offset(pair[0])).abs() <= NARROW_GAP_MM,
        })
        .collect()
}

/// Whether a region ends at more missing slices than organs are followed across.
#[must_use]
pub fn ends_at_gap(volume: &Volume, region: &Region) -> bool {
    let holds = |slice: usize| !region.on(slice).is_empty();
    gaps(volume).iter().any(|gap| !gap.is_narrow && gap.ends.into_iter().any(holds))
}

/// A mask of the volume's grid on its slices: with uneven slices each takes the nearest plane's.
///
/// # Panics
/// When there is not one value a voxel of the grid.
pub(super) fn mask_on_slices(volume: &Volume, mask: &[bool]) -> Bits {
    assert_eq!(mask.len(), volume.grid.len(), "one value a voxel");
    let [ni, nj, nk] = volume.grid.dims();
    let size = [ni, nj, volume.slices.len()];
    if !volume.is_resampled() && nk == size[2] {
        return Bits { size, values: mask.to_vec() };
    }
    let mut out = Bits::new(size);
    for (to, slice) in out.values.chunks_mut((ni * nj).max(1)).zip(&volume.slices) {
        let k = volume.grid.voxel_of(slice.origin_mm)[2].round().clamp(0.0, nk as f64 - 1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let from = k as usize * ni * nj;
        to.copy_from_slice(&mask[from..from + ni * nj]);
    }
    out
}

/// Smooth outlines of a set of voxels of the box that begins at `window.low` of slice `first`; missing
/// slices are left out.
pub(super) fn traced(volume: &Volume, first: usize, low: [usize; 2], bits: &Bits) -> Region {
    let [nx, ny, _] = bits.size;
    let slices: Vec<(usize, Vec<Polygon>)> = bits
        .values
        .par_chunks((nx * ny).max(1))
        .enumerate()
        .filter(|(_, plane)| plane.contains(&true))
        .filter_map(|(k, plane)| {
            let values = SliceValues::of(volume, first + k)?;
            let (corner, size, part) = trimmed(plane, nx);
            let outlines = trace::mask_slice(&part, size[0], size[1]);
            Some((first + k, values.frame().map(&outlines, [low[0] + corner[0], low[1] + corner[1]])))
        })
        .collect();
    Region::from_slices(slices)
}

/// The part of a slice of rows of `nx` that holds what is true: its corner, size and values.
fn trimmed(plane: &[bool], nx: usize) -> ([usize; 2], [usize; 2], Vec<bool>) {
    let rows: Vec<&[bool]> = plane.chunks(nx.max(1)).collect();
    let top = rows.iter().position(|row| row.contains(&true)).unwrap_or(0);
    let bottom = rows.iter().rposition(|row| row.contains(&true)).map_or(top, |row| row + 1);
    let left = rows[top..bottom].iter().filter_map(|row| row.iter().position(|own| *own)).min().unwrap_or(0);
    let right = rows[top..bottom]
        .iter()
        .filter_map(|row| row.iter().rposition(|own| *own))
        .max()
        .map_or(left, |x| x + 1);
    let part = rows[top..bottom].iter().flat_map(|row| row[left..right].iter().copied()).collect();
    ([left, top], [right - left, bottom - top], part)
}

/// Where a limit holds: the pixels of each slice's window whose centres lie in it.
pub(in crate::edit) fn inside(
    source: &Source<'_>,
    slice: usize,
    limit: &[Polygon],
    window: &Window,
) -> Vec<bool> {
    let mut inside = vec![false; window.len()];
    let Some(values) = SliceValues::of(source.volume, slice) else { return inside };
    rasterise::spans(limit, values.frame(), |j, range| {
        let Some(row) = j.checked_sub(window.low[1]).filter(|row| *row < window.size[1]) else { return };
        let from = range.start.clamp(window.low[0], window.low[0] + window.size[0]) - window.low[0];
        let to = range.end.clamp(window.low[0], window.low[0] + window.size[0]) - window.low[0];
        inside[row * window.size[0] + from..row * window.size[0] + to.max(from)].fill(true);
    });
    inside
}

/// The slices (first, number) and the window of pixels that a limit needs, two pixels more on every
/// side; `None` when it holds no pixel.
pub(super) fn reach(source: &Source<'_>, limit: &Region) -> Option<(usize, usize, Window)> {
    let (first, last) = limit.span()?;
    let (mut low, mut high) = ([usize::MAX; 2], [0; 2]);
    for (slice, polygons) in limit.slices() {
        let bounds = SliceValues::of(source.volume, slice).and_then(|own| own.frame().bounds(polygons));
        let Some((from, size)) = bounds else { continue };
        for axis in 0..2 {
            low[axis] = low[axis].min(from[axis].saturating_sub(2));
            high[axis] = high[axis].max((from[axis] + size[axis] + 2).min(source.volume.grid.dims()[axis]));
        }
    }
    (low[0] < high[0] && low[1] < high[1])
        .then(|| (first, last + 1 - first, Window { low, size: [high[0] - low[0], high[1] - low[1]] }))
}
