//! What lies in a range of values: all of it, its largest piece, or its pieces above a volume.

use super::Source;
use super::source::{inside, reach};
use crate::edit::algebra::Region;
use crate::edit::gated::bounded;
use crate::edit::{SliceValues, ValueRange, VertexSet, Window, without_slivers};
use crate::geometry::bits::{Bits, Pieces};
use crate::geometry::{Point3, Polygon, clip, stroke, trace};
use crate::patient::Volume;
use crate::progress::{Cancelled, Progress};
use rayon::prelude::*;

/// Which pieces of what lies in the range are kept. Pieces hang together by the faces of voxels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Keep {
    /// All.
    All,
    /// The one with the most voxels.
    Largest,
    /// Those of at least this volume, cm3.
    AtLeast(f64),
    /// The one that holds this point (patient mm); none when the point's value is out of range.
    Holding(Point3),
}

/// A range of values and what to make of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// The values, in the source's unit.
    pub range: ValueRange,
    /// Which pieces.
    pub keep: Keep,
    /// Whether holes are filled, slice by slice.
    pub fill_holes: bool,
}

/// What of `limit` (of everything without one) lies in the range. The outline runs where the values,
/// linear between pixel centres, leave the range, and along the limit; the pixel centres inside are
/// exactly those in the range, the limit and a kept piece. Missing slices and pixels without a value
/// are left out.
///
/// # Errors
/// [`Cancelled`] when someone asked to stop.
pub fn threshold(
    source: &Source<'_>,
    what: &Threshold,
    limit: Option<&Region>,
    progress: &Progress,
) -> Result<Region, Cancelled> {
    progress.set_step("Thresholding");
    let boxed = match limit {
        Some(limit) => reach(source, limit),
        None => Some((0, source.volume.slices.len(), source.whole())),
    };
    let Some((first, count, window)) = boxed else { return Ok(Region::default()) };
    let size = [window.size[0], window.size[1], count];
    let mut belongs = Bits::new(size);
    belongs.values.par_chunks_mut(window.len().max(1)).enumerate().try_for_each(|(k, plane)| {
        progress.check()?;
        let Some(values) = values_on(source, limit, first + k, &window) else { return Ok(()) };
        for (own, value) in plane.iter_mut().zip(&values) {
            *own = what.range.depth(*value) >= 0.0;
        }
        if let Some(limit) = limit {
            let within = inside(source, first + k, limit.on(first + k), &window);
            plane.iter_mut().zip(within).for_each(|(own, within)| *own &= within);
        }
        Ok(())
    })?;
    progress.set_fraction(0.3)?;
    let belongs = match what.keep {
        Keep::All => belongs,
        keep => {
            let thickness: Vec<f64> =
                (first..first + count).map(|slice| source.volume.slice_thickness_mm(slice)).collect();
            kept(source, &belongs.pieces(), keep, (first, &window), &thickness)
        }
    };
    progress.set_fraction(0.5)?;
    let pixel_mm = source.pixel_mm()[0].max(source.pixel_mm()[1]);
    let slices: Vec<(usize, Vec<Polygon>)> = belongs
        .values
        .par_chunks(window.len().max(1))
        .enumerate()
        .filter(|(_, plane)| plane.contains(&true))
        .map(|(k, plane)| {
            progress.check()?;
            let slice = first + k;
            let outlines = outlined(source, what, limit, slice, plane, &window, pixel_mm);
            Ok((slice, outlines))
        })
        .collect::<Result<_, Cancelled>>()?;
    progress.set_fraction(1.0)?;
    Ok(Region::from_slices(slices))
}

/// The values of a slice; `None` where it is missing or the limit has nothing.
fn values_on(source: &Source<'_>, limit: Option<&Region>, slice: usize, window: &Window) -> Option<Vec<f32>> {
    if limit.is_some_and(|limit| limit.on(slice).is_empty()) {
        return None;
    }
    source.values(slice, window)
}

fn kept(
    source: &Source<'_>,
    pieces: &Pieces,
    keep: Keep,
    (first, window): (usize, &Window),
    thickness_mm: &[f64],
) -> Bits {
    match keep {
        Keep::All => pieces.chosen(|_| true),
        Keep::Largest => {
            let largest = pieces.largest();
            pieces.chosen(|piece| Some(piece) == largest)
        }
        Keep::AtLeast(least_cc) => {
            let volumes = pieces.volumes_cc(thickness_mm, source.pixel_mm2());
            pieces.chosen(|piece| volumes[piece] >= least_cc)
        }
        Keep::Holding(point) => {
            let held = index_of(source.volume, point, first, thickness_mm.len(), window)
                .and_then(|index| pieces.at(index));
            pieces.chosen(|piece| Some(piece) == held)
        }
    }
}

/// The pixel of the box (`count` slices from `first`, `window`) nearest to a patient point.
pub(super) fn index_of(
    volume: &Volume,
    point: Point3,
    first: usize,
    count: usize,
    window: &Window,
) -> Option<usize> {
    let base = volume.base_plane()?;
    let slice = volume.nearest_slice(base.normal().dot(&point.coords))?;
    let k = slice.checked_sub(first).filter(|k| *k < count)?;
    let own = SliceValues::of(volume, slice)?;
    let at = own.frame().index_of(volume.slices[slice].plane.project(point));
    let mut index = [0; 2];
    for axis in 0..2 {
        let n = at[axis].round() - window.low[axis] as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        let n = (n >= 0.0 && n < window.size[axis] as f64).then_some(n as usize)?;
        index[axis] = n;
    }
    Some(index[0] + window.size[0] * (index[1] + window.size[1] * k))
}

fn outlined(
    source: &Source<'_>,
    what: &Threshold,
    limit: Option<&Region>,
    slice: usize,
    plane: &[bool],
    window: &Window,
    pixel_mm: f64,
) -> Vec<Polygon> {
    let (Some(own), Some(values)) =
        (SliceValues::of(source.volume, slice), values_on(source, limit, slice, window))
    else {
        return Vec::new();
    };
    let within = limit.map(|limit| inside(source, slice, limit.on(slice), window));
    let depths: Vec<f32> = values
        .iter()
        .zip(plane)
        .enumerate()
        .map(|(at, (value, kept))| {
            let depth = bounded(what.range.depth(*value));
            // Beyond the limit what is in the range goes on, and is cut off at the limit itself.
            let beyond = within.as_ref().is_some_and(|within| !within[at]);
            if *kept || (beyond && depth >= 0.0) { depth.max(0.0) } else { -depth.abs().max(1e-6) }
        })
        .collect();
    let outlines = trace::field_slice(&depths, window.size[0], window.size[1], 0.0);
    let mut region = own.frame().map(&outlines, window.low);
    if what.fill_holes {
        region.iter_mut().for_each(|piece| piece.holes.clear());
        if region.len() > 1 {
            region = clip::union_all(region);
        }
    }
    match limit {
        Some(limit) => {
            // Crumbs of what goes on beyond the limit beside pieces that are not kept.
            let cut = clip::intersection(&region, limit.on(slice));
            without_slivers(&[], &VertexSet::default(), cut, pixel_mm * 0.5)
        }
        None => region,
    }
}

/// A ball around `center` (patient mm) on the slices that it reaches; always on the nearest one.
/// Empty beyond the slices.
#[must_use]
pub fn ball(volume: &Volume, center: Point3, radius_mm: f64) -> Region {
    let mut region = Region::default();
    let Some(base) = volume.base_plane() else { return region };
    let nearest = volume.nearest_slice(base.normal().dot(&center.coords));
    for (index, slice) in volume.slices.iter().enumerate().filter(|(_, slice)| !slice.missing) {
        let height = slice.plane.distance_mm(center);
        let reaches = height.abs() < radius_mm;
        let close = Some(index) == nearest && height.abs() <= volume.slice_thickness_mm(index);
        if reaches || close {
            let radius = (radius_mm * radius_mm - height * height).max(radius_mm * radius_mm * 0.01).sqrt();
            region.put(
                index,
                stroke::swept_disc(&[slice.plane.project(center)], radius, crate::edit::CHORD_MM),
            );
        }
    }
    region
}
