//! Carrying recipes out, on all slices or on those of a window.

use super::{Operation, Recipe};
use crate::edit::algebra::{
    AlgebraError, FIT_REACH, Region, SPACE_PASSES, SPACE_REACH, cavities_filled, combined, contracted,
    expanded, extrapolated, holes_removed, largest_piece, resampled, ring_around, simplified_to,
    simplified_within, smoothed, smoothed_across, vertices_apart_mm, wall, without_small_pieces,
};
use crate::geometry::{Polygon, perimeter};
use crate::patient::{Roi, RoiId, Volume};
use crate::progress::Progress;
use std::sync::Arc;

/// The slices from the first to the last index.
pub type Window = (usize, usize);

/// All slices.
const ALL: Window = (0, usize::MAX);

/// Why a recipe could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// A structure it is made from has been deleted.
    #[error(
        "A structure of the recipe has been deleted. Give it another recipe, or bring the structure back."
    )]
    NoSource(RoiId),
    /// The operation was not done.
    #[error(transparent)]
    Algebra(#[from] AlgebraError),
}

/// What the recipe makes on the slices of `window`.
///
/// # Errors
/// [`EvaluateError`] when a source is not there or lies on no slice, or when cancelled.
pub fn evaluate(
    recipe: &Recipe,
    rois: &[Arc<Roi>],
    volume: &Volume,
    window: Window,
    progress: &Progress,
) -> Result<Region, EvaluateError> {
    progress.check().map_err(AlgebraError::from)?;
    let part = |part: &Recipe, window: Window| evaluate(part, rois, volume, window, progress);
    match recipe {
        Recipe::Roi(id) => {
            let roi = rois.iter().find(|roi| roi.id == *id).ok_or(EvaluateError::NoSource(*id))?;
            Ok(Region::of_roi(roi, volume)?.within(window.0, window.1))
        }
        Recipe::Set(rule, parts) => {
            let parts: Vec<Region> = parts.iter().map(|own| part(own, window)).collect::<Result<_, _>>()?;
            Ok(combined(*rule, &parts.iter().collect::<Vec<_>>()))
        }
        Recipe::Apply(Operation::Resampled, own) => {
            let Recipe::Roi(id) = **own else { return part(own, window) };
            let roi = rois.iter().find(|roi| roi.id == id).ok_or(EvaluateError::NoSource(id))?;
            let whole = match Region::of_roi(roi, volume) {
                Err(AlgebraError::OffSlices { .. }) => resampled(roi, None, volume, progress)?,
                on_slices => on_slices?,
            };
            Ok(whole.within(window.0, window.1))
        }
        Recipe::Apply(operation, own) => {
            let own = part(own, operation.reads(volume, window))?;
            let whole = match *operation {
                Operation::Expand(margin) => expanded(&own, volume, margin, window, progress)?,
                Operation::Contract(margin) => contracted(&own, volume, margin, window, progress)?,
                Operation::Wall { inner_mm, outer_mm } => {
                    wall(&own, volume, (inner_mm, outer_mm), window, progress)?
                }
                Operation::Ring { gap_mm, width_mm } => {
                    ring_around(&own, volume, (gap_mm, width_mm), window, progress)?
                }
                Operation::Largest => largest_piece(&own, volume),
                Operation::Above(cc) => without_small_pieces(&own, volume, cc * 1000.0),
                Operation::Filled => cavities_filled(&own, volume),
                Operation::Unholed => holes_removed(&own),
                Operation::Smooth(mm) => smoothed(&own, mm),
                Operation::SmoothInSpace(mm) => smoothed_across(&own, volume, mm, progress)?,
                Operation::Simple(mm) => simplified_within(&own, mm),
                Operation::Points(count) => simplified_to(&own, count),
                Operation::Extended(slices) => extrapolated(&own, volume, slices),
                Operation::Resampled => own,
            };
            Ok(whole.within(window.0, window.1))
        }
    }
}

impl Operation {
    /// How far from a slice the operation looks, mm; `None` when it looks at all of the structure.
    fn looks_mm(&self) -> Option<f64> {
        match self {
            // On sagittal and coronal slices other directions than superior and inferior count.
            Self::Expand(margin) | Self::Contract(margin) => Some(margin.largest_mm()),
            Self::Wall { inner_mm, outer_mm } => Some(inner_mm.max(*outer_mm)),
            Self::Ring { gap_mm, width_mm } => Some(gap_mm + width_mm),
            Self::SmoothInSpace(mm) => Some(mm * SPACE_REACH),
            Self::Unholed | Self::Smooth(_) | Self::Simple(_) => Some(0.0),
            Self::Largest
            | Self::Above(_)
            | Self::Filled
            | Self::Points(_)
            | Self::Extended(_)
            | Self::Resampled => None,
        }
    }

    /// The slices it reads to know those of `window`.
    fn reads(&self, volume: &Volume, window: Window) -> Window {
        self.looks_mm().map_or(ALL, |mm| widened(volume, window, mm))
    }
}

/// The window and all slices whose slabs come within `mm` of its slices.
fn widened(volume: &Volume, (from, to): Window, mm: f64) -> Window {
    let last = volume.slices.len().saturating_sub(1);
    let (mut from, mut to) = (from.min(last), to.min(last));
    if mm <= 0.0 || volume.slices.is_empty() {
        return (from, to);
    }
    let offset = |index: usize| volume.slices[index].plane.offset_mm();
    let (low, high) = (offset(from) - mm, offset(to) + mm);
    while from > 0 && offset(from - 1) + volume.slab_of(from - 1).1 > low {
        from -= 1;
    }
    while to < last && offset(to + 1) - volume.slab_of(to + 1).0 < high {
        to += 1;
    }
    (from, to)
}

/// Whether a change of a slice changes only slices near it.
#[must_use]
pub fn is_local(recipe: &Recipe) -> bool {
    match recipe {
        Recipe::Roi(_) => true,
        Recipe::Set(_, parts) => parts.iter().all(is_local),
        Recipe::Apply(operation, part) => operation.looks_mm().is_some() && is_local(part),
    }
}

/// The slices of the result that may change when the slices `changed` of any source do.
#[must_use]
pub fn affected(recipe: &Recipe, volume: &Volume, changed: Window) -> Window {
    match recipe {
        Recipe::Roi(_) => changed,
        Recipe::Set(_, parts) => parts
            .iter()
            .map(|part| affected(part, volume, changed))
            .fold(changed, |a, b| (a.0.min(b.0), a.1.max(b.1))),
        Recipe::Apply(operation, part) => {
            let inner = affected(part, volume, changed);
            operation.looks_mm().map_or(ALL, |mm| {
                // A slab's near border is half a slice closer than its plane.
                let (from, to) = widened(volume, inner, mm);
                if mm > 0.0 { (from.saturating_sub(1), to.saturating_add(1)) } else { (from, to) }
            })
        }
    }
}

/// A vertex that is smoothed in space looks at other slices; so many looks are as much work as a vertex of
/// another operation.
const LOOKS_TO_A_VERTEX: f64 = 16.0;

/// How much there is to work through for the slices of `window`, about, in vertices: those of the
/// structures there, each as often as the recipe reads it. Smoothing in space reads slices farther off too,
/// with closer vertices, and looks at the slices around each.
#[must_use]
pub fn effort(recipe: &Recipe, rois: &[Arc<Roi>], volume: &Volume, window: Window) -> f64 {
    effort_with(recipe, rois, volume, window, f64::INFINITY)
}

/// [`effort`] with vertices no farther apart than `apart_mm`.
fn effort_with(recipe: &Recipe, rois: &[Arc<Roi>], volume: &Volume, window: Window, apart_mm: f64) -> f64 {
    match recipe {
        Recipe::Roi(id) => {
            let planes = rois.iter().filter(|roi| roi.id == *id).flat_map(|roi| &roi.planes);
            let is_read =
                |slice: Option<usize>| slice.is_some_and(|slice| (window.0..=window.1).contains(&slice));
            let read = planes.filter(|own| is_read(volume.slice_of(&own.plane)));
            let rings = read.flat_map(|own| own.polygons.iter().flat_map(Polygon::rings));
            rings.map(|ring| ring.len() as f64 + perimeter(ring) / apart_mm).sum()
        }
        Recipe::Set(_, parts) => {
            parts.iter().map(|part| effort_with(part, rois, volume, window, apart_mm)).sum()
        }
        Recipe::Apply(operation @ Operation::SmoothInSpace(mm), part) => {
            let read = operation.reads(volume, window);
            let apart_mm = apart_mm.min(vertices_apart_mm(*mm));
            let looks = (SPACE_PASSES * most_around(volume, read, mm * FIT_REACH)) as f64;
            let once = effort_with(part, rois, volume, read, apart_mm);
            once * (1.0 + looks / LOOKS_TO_A_VERTEX)
        }
        Recipe::Apply(_, part) => effort_with(part, rois, volume, window, apart_mm),
    }
}

/// The most slices that any of `window` has within `mm`.
fn most_around(volume: &Volume, (from, to): Window, mm: f64) -> usize {
    let offsets: Vec<f64> =
        volume.slices.iter().take(to.saturating_add(1)).skip(from).map(|own| own.plane.offset_mm()).collect();
    let around = |own: &f64| offsets.iter().filter(|other| (*other - own).abs() <= mm).count();
    offsets.iter().map(around).max().map_or(0, |most| most - 1)
}
