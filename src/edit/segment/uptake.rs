//! The outline of uptake in a PET: above a value, above a part of the maximum, or at its edge.
//!
//! All three look only into a ball or a box that a person places, or into a structure, so that the bladder
//! or the heart beside a lesion has no say.

use super::queue::Queue;
use super::source::{inside, reach, traced};
use super::threshold::{Keep, Threshold, index_of, threshold};
use super::{SearchArea, Source};
use crate::edit::algebra::{Region, SetRule, combined};
use crate::edit::{SliceValues, ValueRange, contains};
use crate::geometry::Point3;
use crate::geometry::bits::Bits;
use crate::patient::Volume;
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;

/// From this part of the way between background and maximum on, all that hangs together with the
/// maximum is uptake for sure.
const SURE: f32 = 0.7;

/// Where the outline of uptake runs.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Uptake {
    /// At a value, in the image's unit.
    Above(f32),
    /// At a part (0 to 1) of the maximum in the area.
    PartOfMaximum(f32),
    /// Where the value changes fastest.
    Edge,
}

/// What was found in the area.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FoundUptake {
    /// The region; empty when nothing in the area is above the value.
    pub region: Region,
    /// The greatest value of a voxel in the area; NaN where there is none.
    pub maximum: f32,
    /// Where it is, patient mm.
    pub hottest: Option<Point3>,
    /// The value along the outline; for [`Uptake::Edge`] the mean there, NaN without an outline.
    pub level: f32,
}

/// The uptake around the hottest voxel in an area.
///
/// Isocontours keep the piece that holds the hottest voxel; the outline runs where the values, linear
/// between pixel centres, pass the level, and along the area. The edge is the watershed of the
/// gradient's length (Meyer, "Topographic distance and watershed lines", Signal Processing 38, 1994;
/// for PET: Geets, Lee, Bol, Lonneux and Grégoire, European Journal of Nuclear Medicine and Molecular
/// Imaging 34, 2007) between what is surely uptake (from 70 % of the way from the background to the
/// maximum) and the area's rim; the background is the median on the rim.
///
/// # Errors
/// [`Cancelled`] when someone asked to stop.
pub fn uptake(
    source: &Source<'_>,
    area: &SearchArea,
    what: Uptake,
    progress: &Progress,
) -> Result<FoundUptake, Cancelled> {
    progress.set_step("Outlining uptake");
    outlined(source, &area.region(source.volume), hottest(source.image(), area), what, progress)
}

/// [`uptake`] around the hottest voxel in a region of the slices.
///
/// # Errors
/// [`Cancelled`] when someone asked to stop.
pub fn uptake_within(
    source: &Source<'_>,
    limit: &Region,
    what: Uptake,
    progress: &Progress,
) -> Result<FoundUptake, Cancelled> {
    progress.set_step("Outlining uptake");
    outlined(source, limit, hottest_within(source, limit), what, progress)
}

/// The uptake around a voxel, cut off at the limit.
fn outlined(
    source: &Source<'_>,
    limit: &Region,
    hottest: Option<(f32, Point3)>,
    what: Uptake,
    progress: &Progress,
) -> Result<FoundUptake, Cancelled> {
    let Some((maximum, hottest)) = hottest else {
        return Ok(FoundUptake { maximum: f32::NAN, level: f32::NAN, ..FoundUptake::default() });
    };
    let found = FoundUptake { maximum, hottest: Some(hottest), level: f32::NAN, region: Region::default() };
    let level = match what {
        Uptake::Above(level) => level,
        Uptake::PartOfMaximum(part) => maximum * part,
        Uptake::Edge => {
            let (region, level) = edge(source, limit, (maximum, hottest), progress)?;
            return Ok(FoundUptake { region, level, ..found });
        }
    };
    if level > maximum {
        return Ok(FoundUptake { level, ..found });
    }
    let range = ValueRange { low: level, high: f32::MAX };
    let mut held = Threshold { range, keep: Keep::Holding(hottest), fill_holes: false };
    let mut region = threshold(source, &held, Some(limit), progress)?;
    if region.is_empty() {
        // The hottest voxel may lie between the slices' pixels: then the largest piece is meant.
        held.keep = Keep::Largest;
        region = threshold(source, &held, Some(limit), progress)?;
    }
    Ok(FoundUptake { region, level, ..found })
}

/// The greatest value among the image's own voxels whose centres lie in a region, and where: those on
/// the slices, or of another image those nearest to a slice that they lie in the region on.
fn hottest_within(source: &Source<'_>, limit: &Region) -> Option<(f32, Point3)> {
    let volume = source.volume;
    let hotter = |one: &(f32, Point3), other: &(f32, Point3)| one.0.total_cmp(&other.0);
    if std::ptr::eq(source.image(), volume) {
        let (first, count, window) = reach(source, limit)?;
        let on_slice = |slice: usize| {
            let image = SliceValues::of(volume, slice)?;
            let inside = inside(source, slice, limit.on(slice), &window);
            let values = source.values(slice, &window)?;
            let held = window.pixels().zip(inside).zip(values);
            let held = held.filter(|((_, inside), value)| *inside && value.is_finite());
            held.map(|(([i, j], _), value)| {
                let at = image.frame().point(i as f64, j as f64);
                (value, volume.slices[slice].plane.lift(at))
            })
            .max_by(hotter)
        };
        return (first..first + count).into_par_iter().filter_map(on_slice).max_by(hotter);
    }
    let base = volume.base_plane()?;
    let image = source.image();
    let corners = limit.slices().flat_map(|(slice, polygons)| {
        let plane = volume.slices[slice].plane;
        polygons.iter().flat_map(|piece| &piece.outer).map(move |at| plane.lift(*at))
    });
    let mut range = [[f64::MAX, f64::MIN]; 3];
    for corner in corners {
        for (own, at) in range.iter_mut().zip(image.grid.voxel_of(corner)) {
            *own = [own[0].min(at), own[1].max(at)];
        }
    }
    // A slice stands for the way half to its neighbours: a voxel may lie that far beyond the contours.
    let thickest = limit.slices().map(|(slice, _)| volume.slice_thickness_mm(slice)).fold(0.0, f64::max);
    let through = thickest / image.grid.spacing_mm().into_iter().fold(f64::MAX, f64::min);
    let [columns, rows, planes] = [0, 1, 2].map(|axis| {
        let most = image.grid.dims()[axis] as f64;
        let [low, high] = range[axis];
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let clamped = ((low - through).floor().clamp(0.0, most) as usize)
            ..((high + through).ceil() + 1.0).clamp(0.0, most) as usize;
        clamped
    });
    let in_plane = |k: usize| {
        let voxels = rows.clone().flat_map(|j| columns.clone().map(move |i| [i, j, k]));
        voxels
            .filter_map(|voxel| {
                let value = image.voxels.value(image.grid.index_of(voxel)?).filter(|own| own.is_finite())?;
                let point = image.grid.patient_of(voxel.map(|n| n as f64));
                let offset = base.normal().dot(&point.coords);
                let slice = volume.nearest_slice(offset)?;
                let plane = volume.slices[slice].plane;
                let (below, above) = volume.slab_of(slice);
                let off = offset - plane.offset_mm();
                let is_held =
                    (-below..=above).contains(&off) && contains(limit.on(slice), plane.project(point));
                is_held.then_some((value, point))
            })
            .max_by(hotter)
    };
    planes.into_par_iter().filter_map(in_plane).max_by(hotter)
}

/// The greatest value among the image's own voxels in an area, and where; the one nearest to the
/// middle among equals.
fn hottest(image: &Volume, area: &SearchArea) -> Option<(f32, Point3)> {
    let grid = &image.grid;
    let dims = grid.dims();
    let center = area.center();
    let mut range = [(0, 0); 3];
    for (axis, [low, high]) in area.reach(grid).into_iter().enumerate() {
        if !(high >= 0.0 && low <= dims[axis] as f64) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let clamped = (low.ceil().max(0.0) as usize, (high.floor() as usize + 1).min(dims[axis]));
        range[axis] = clamped;
    }
    let mut best: Option<(f32, f64, Point3)> = None;
    for k in range[2].0..range[2].1 {
        for j in range[1].0..range[1].1 {
            for i in range[0].0..range[0].1 {
                let point = grid.patient_of([i, j, k].map(|n| n as f64));
                let off = (point - center).norm();
                let value = grid.index_of([i, j, k]).and_then(|index| image.voxels.value(index));
                let Some(value) = value.filter(|_| area.contains(point)) else { continue };
                if best.is_none_or(|(most, near, _)| value > most || (value == most && off < near)) {
                    best = Some((value, off, point));
                }
            }
        }
    }
    best.map(|(value, _, point)| (value, point))
}

/// The region up to the steepest change and the mean value along its outline.
fn edge(
    source: &Source<'_>,
    limit: &Region,
    (maximum, hottest): (f32, Point3),
    progress: &Progress,
) -> Result<(Region, f32), Cancelled> {
    let nothing = (Region::default(), f32::NAN);
    // The rim takes part: it is where the background floods from.
    let Some((first, count, window)) = reach(source, limit) else { return Ok(nothing) };
    let dims = [window.size[0], window.size[1], count];
    let values: Vec<f32> = (first..first + count)
        .into_par_iter()
        .flat_map_iter(|slice| source.values(slice, &window).unwrap_or_else(|| vec![f32::NAN; window.len()]))
        .collect();
    progress.set_fraction(0.3)?;
    let mut within = Bits::new(dims);
    within.values.par_chunks_mut(window.len()).enumerate().for_each(|(k, plane)| {
        plane.copy_from_slice(&inside(source, first + k, limit.on(first + k), &window));
    });
    let rim = rim_of(&within);
    let mut around: Vec<f32> =
        (0..values.len()).filter(|at| rim[*at] && values[*at].is_finite()).map(|at| values[at]).collect();
    around.sort_unstable_by(f32::total_cmp);
    let background = around.get(around.len() / 2).copied().unwrap_or(0.0);
    let sure = background + (maximum - background) * SURE;
    let mut hot = Bits::new(dims);
    for (at, own) in hot.values.iter_mut().enumerate() {
        *own = within.values[at] && !rim[at] && values[at] >= sure;
    }
    let pieces = hot.pieces();
    let held = index_of(source.volume, hottest, first, count, &window).and_then(|at| pieces.at(at));
    let Some(held) = held.or_else(|| pieces.largest()) else { return Ok(nothing) };
    let core = pieces.chosen(|piece| piece == held);
    let slope = slopes(&values, dims, source.pixel_mm(), &source.gaps_mm(first, count));
    let own = flooded(&within, &core, &rim, &slope, dims);
    progress.set_fraction(0.8)?;
    let level = mean_at_outline(&own, &values, &within);
    let region = traced(source.volume, first, window.low, &own);
    Ok((combined(SetRule::Intersection, &[&region, limit]), level))
}

/// The voxels of a set with a neighbour outside it or beyond the box.
fn rim_of(within: &Bits) -> Vec<bool> {
    let [nx, ny, nz] = within.size;
    (0..within.values.len())
        .into_par_iter()
        .map(|at| {
            within.values[at] && neighbours(at, [nx, ny, nz]).any(|to| to.is_none_or(|to| !within.values[to]))
        })
        .collect()
}

/// The six neighbours of a voxel; `None` beyond the box.
fn neighbours(at: usize, [nx, ny, nz]: [usize; 3]) -> impl Iterator<Item = Option<usize>> {
    let here = [at % nx, at / nx % ny, at / (nx * ny)];
    [(0, 1, nx), (1, nx, ny), (2, nx * ny, nz)].into_iter().flat_map(move |(axis, by, count)| {
        [(here[axis] > 0).then(|| at - by), (here[axis] + 1 < count).then(|| at + by)]
    })
}

/// The length of the gradient by central differences, per mm; one-sided at the ends and beside NaN.
fn slopes(values: &[f32], dims: [usize; 3], pixel_mm: [f64; 2], gaps_mm: &[f64]) -> Vec<f32> {
    let plane = dims[0] * dims[1];
    (0..values.len())
        .into_par_iter()
        .map(|at| {
            let beside: Vec<Option<usize>> = neighbours(at, dims).collect();
            let mut sum = 0.0;
            for (axis, pair) in beside.chunks_exact(2).enumerate() {
                let value = |to: Option<usize>| to.map(|to| values[to]).filter(|value| value.is_finite());
                let (low, high) = (value(pair[0]), value(pair[1]));
                let [before, after] = match axis {
                    2 => [low.map(|_| gaps_mm[at / plane - 1]), high.map(|_| gaps_mm[at / plane])],
                    _ => [low.map(|_| pixel_mm[axis]), high.map(|_| pixel_mm[axis])],
                };
                let apart = before.unwrap_or(0.0) + after.unwrap_or(0.0);
                let rise = high.unwrap_or(values[at]) - low.unwrap_or(values[at]);
                if apart > 0.0 && rise.is_finite() {
                    sum += (f64::from(rise) / apart).powi(2);
                }
            }
            #[expect(clippy::cast_possible_truncation, reason = "a slope")]
            let slope = sum.sqrt() as f32;
            slope
        })
        .collect()
}

/// What the core floods before the rim does, the lowest slope first.
#[expect(clippy::cast_possible_truncation, reason = "fewer voxels than 2^32")]
fn flooded(within: &Bits, core: &Bits, rim: &[bool], slope: &[f32], dims: [usize; 3]) -> Bits {
    let mut own = core.clone();
    let mut reached = vec![false; slope.len()];
    let mut queue = Queue::new();
    for at in 0..slope.len() {
        if core.values[at] || rim[at] {
            reached[at] = true;
            queue.push(0.0, at as u32);
        }
    }
    while let Some((level, at)) = queue.pop() {
        let at = at as usize;
        for to in neighbours(at, dims).flatten() {
            if within.values[to] && !std::mem::replace(&mut reached[to], true) {
                own.values[to] = own.values[at];
                queue.push(slope[to].max(level), to as u32);
            }
        }
    }
    own
}

/// The mean of the values half way between voxels inside and their neighbours outside.
fn mean_at_outline(own: &Bits, values: &[f32], within: &Bits) -> f32 {
    let (mut sum, mut count) = (0.0_f64, 0.0);
    for at in (0..values.len()).filter(|at| own.values[*at]) {
        for to in neighbours(at, own.size).flatten().filter(|to| within.values[*to] && !own.values[*to]) {
            let middle = f64::midpoint(f64::from(values[at]), f64::from(values[to]));
            if middle.is_finite() {
                sum += middle;
                count += 1.0;
            }
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "a mean of f32")]
    let mean = (sum / count) as f32;
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_of_an_even_rise_is_the_same_on_uneven_slices() {
        // 3 a millimetre along the slices, 1 along the rows.
        let at = [0.0_f32, 2.0, 4.0, 10.0, 11.0];
        let values: Vec<f32> = at.iter().flat_map(|z| [0.0, 1.0, 2.0].map(|x| 3.0 * z + x)).collect();
        for slope in slopes(&values, [3, 1, 5], [1.0, 1.0], &[2.0, 2.0, 6.0, 1.0]) {
            assert!((slope - 10.0_f32.sqrt()).abs() < 1e-5, "{slope}");
        }
    }
}
