//! Growing from a click: what hangs together with a point and has like values, as far as a path
//! through it of a given length leads and without squeezing through narrow necks.

mod block;
mod edge;

use self::block::Block;
use super::algebra::Region;
use super::gated::{bounded, tissue_at};
use super::segment::{Source, inside};
use super::{SliceValues, ValueRange};
use crate::geometry::{Point3, Polygon, clip, trace};
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;

/// Which values belong.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum GrowRange {
    /// Those of the tissue around the seed: `tolerance` spreads and up to half way to the tissue
    /// beyond; what grew ends in the middle of the edges beside it. Decided on values smoothed over
    /// 3 x 3 pixels.
    Similar {
        /// The number of spreads.
        tolerance: f32,
    },
    /// Fixed bounds in the image's unit (HU, SUV, Gy).
    Fixed(ValueRange),
    /// From this part (0 to 1) of the greatest value within reach of the seed: an isocontour.
    PartOfMaximum(f32),
}

/// How growing is held back.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Growth {
    /// Which values belong.
    pub range: GrowRange,
    /// The longest path from the seed, through what belongs, mm.
    pub reach_mm: f64,
    /// Necks narrower than this are not passed, mm; 0 passes all.
    pub neck_mm: f64,
}

/// What grew: the contours of each slice, in the coordinates of its plane, and the values used.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Grown {
    /// By slice, in order; slices without contours are left out.
    pub slices: Vec<(usize, Vec<Polygon>)>,
    /// The range that was used; `None` when the seed lies outside the image.
    pub range: Option<ValueRange>,
}

/// Grows from `seed` (patient mm) by the values of `source`, on the slices of its volume. The contours run where the values, linear between pixel
/// centres, leave the range; of alike tissue, half way between the values a few pixels inside and those
/// outside of them wherever there is an edge, also where it lies a few pixels beyond the range: so up to
/// six voxels beyond the reach are taken in, or given up again. What is cut off from the seed by that (from
/// the nearest voxel left, where the seed's own is given up) is left out. Missing slices are not crossed.
/// Nothing grows from a seed outside the image or whose own value does not belong.
///
/// Necks are kept shut as by an opening: only voxels at least half of `neck_mm` away from
/// everything that does not belong lead on, and what lies within that distance of them is added.
///
/// With a `limit` all of it stays in that region of the slices: paths do not leave it, what grows is cut
/// off at its outline, the greatest value is looked for in it, and nothing grows from beside it. Its
/// outline is no neck.
///
/// # Errors
/// When someone asks to stop.
pub fn grow(
    source: &Source<'_>,
    seed: Point3,
    growth: &Growth,
    limit: Option<&Region>,
    progress: &Progress,
) -> Result<Grown, Cancelled> {
    let volume = source.volume();
    let smooth = matches!(growth.range, GrowRange::Similar { .. });
    let reach = growth.reach_mm.clamp(1.0, 300.0);
    let Some(block) = Block::around(source, seed, reach, smooth) else { return Ok(Grown::default()) };
    let Some(start) = block.index_of(volume, seed) else { return Ok(Grown::default()) };
    progress.set_fraction(0.05)?;
    let plane = block.window.len();
    let held: Vec<bool> = match limit {
        None => vec![true; block.values.len()],
        Some(limit) => (block.first..block.first + block.dims[2])
            .into_par_iter()
            .flat_map_iter(|slice| inside(source, slice, limit.on(slice), &block.window))
            .collect(),
    };
    let range = match growth.range {
        GrowRange::Fixed(range) => range,
        GrowRange::PartOfMaximum(part) => {
            let counts = block.values.iter().zip(&held).filter(|(value, held)| **held && value.is_finite());
            let greatest = counts.map(|(value, _)| *value).fold(0.0, f32::max);
            ValueRange { low: greatest * part, high: f32::MAX }
        }
        GrowRange::Similar { tolerance } => match tissue_at(source, seed, 16.0, tolerance) {
            Some(range) => range,
            None => return Ok(Grown::default()),
        },
    };
    let grown = Grown { slices: Vec::new(), range: Some(range) };
    let belongs: Vec<bool> = block.values.par_iter().map(|value| range.depth(*value) >= 0.0).collect();
    if !belongs[start] || !held[start] {
        return Ok(grown);
    }
    let half = growth.neck_mm / 2.0;
    let reached: Vec<bool> = if half > 0.0 {
        let outside: Vec<bool> = belongs.iter().map(|own| !own).collect();
        progress.check()?;
        let clearance = block.to_nearest(&outside);
        #[expect(clippy::cast_possible_truncation, reason = "millimetres")]
        let half = (half as f32).min(clearance[start]);
        let core: Vec<bool> = clearance.iter().zip(&held).map(|(mm, held)| *held && *mm >= half).collect();
        let lengths = block.paths(&core, start, reach, &progress.part(0.1, 0.5))?;
        let led: Vec<bool> = lengths.iter().map(|mm| mm.is_finite()).collect();
        let from_core = block.to_nearest(&led);
        let beside = from_core.iter().zip(&belongs).zip(&held);
        beside.map(|((mm, own), held)| *own && *held && *mm <= half).collect()
    } else {
        let open: Vec<bool> = belongs.iter().zip(&held).map(|(own, held)| *own && *held).collect();
        let lengths = block.paths(&open, start, reach, &progress.part(0.1, 0.5))?;
        lengths.iter().map(|mm| mm.is_finite()).collect()
    };
    let (reached, edges) = if smooth {
        let voxels = edge::Voxels {
            dims: block.dims,
            spacing_mm: block.spacing_mm(),
            values: &block.values,
            belongs: &belongs,
            held: &held,
        };
        let (reached, edges) = voxels.ended_at_edges(reached, &progress.part(0.5, 0.9))?;
        (block.together(&reached, start), Some(edges))
    } else {
        (reached, None)
    };
    progress.set_fraction(0.9)?;
    // The outline is cut off at the limit exactly, not half way from the last pixel in it.
    let reached = if limit.is_some() { beyond(&reached, &belongs, &held, block.dims) } else { reached };
    let slices = (0..block.dims[2])
        .into_par_iter()
        .filter_map(|k| {
            let (values, reached) =
                (&block.values[k * plane..(k + 1) * plane], &reached[k * plane..(k + 1) * plane]);
            if !reached.contains(&true) {
                return None;
            }
            let depths: Vec<f32> = (k * plane..)
                .zip(values)
                .zip(reached)
                .map(|((at, value), reached)| {
                    let edge = edges.as_ref().map(|edges| edges[at]).filter(|depth| !depth.is_nan());
                    let depth = bounded(edge.unwrap_or_else(|| range.depth(*value)));
                    if *reached { depth.max(0.0) } else { -depth.abs().max(1e-6) }
                })
                .collect();
            let outlines = trace::field_slice(&depths, block.window.size[0], block.window.size[1], 0.0);
            let image = SliceValues::of(volume, block.first + k)?;
            let contours = image.frame().map(&outlines, block.window.low);
            let contours = match limit {
                Some(limit) => clip::intersection(&contours, limit.on(block.first + k)),
                None => contours,
            };
            (!contours.is_empty()).then_some((block.first + k, contours))
        })
        .collect();
    Ok(Grown { slices, ..grown })
}

/// What was reached, with the pixels just beyond the limit that belong as well.
fn beyond(reached: &[bool], belongs: &[bool], held: &[bool], [nx, ny, _]: [usize; 3]) -> Vec<bool> {
    let is_beside = |at: usize| {
        let (x, y, plane) = (at % nx, at / nx % ny, at / (nx * ny) * nx * ny);
        let columns = x.saturating_sub(1)..(x + 2).min(nx);
        (y.saturating_sub(1)..(y + 2).min(ny))
            .any(|row| reached[plane + row * nx..][columns.clone()].contains(&true))
    };
    (0..reached.len())
        .into_par_iter()
        .map(|at| reached[at] || (!held[at] && belongs[at] && is_beside(at)))
        .collect()
}

#[cfg(test)]
mod tests;
