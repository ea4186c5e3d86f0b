//! Which organs are in the image at all, and which of them the scan cuts.
//!
//! A network has to name every voxel and was never shown a picture without a neck: on an abdomen it
//! finds a little of everything. What anatomy rules out is left out and said so, by what the manifest
//! states of each organ: volumes, the least raw score ([`super::agreement`]), which organs it must lie
//! above, and which must be there with it.

use super::agreement::Agreement;
use super::package::{Label, ModelPackage};
use crate::patient::{Roi, RoiPlane, Volume};
use std::sync::Arc;

/// Of an organ that the scan cuts, at least this share of its least volume must be there.
const LEAST_SHARE: f64 = 0.2;
/// What runs on beyond every scan, and yet ends so far before the scan does, was lost on its way, mm.
const LOST_MM: f64 = 10.0;

/// Contours of a label as traced, with raw scores.
pub(super) struct Traced<'a> {
    pub label: &'a Label,
    pub planes: Vec<Arc<RoiPlane>>,
    /// Over all its slices, by their thickness; empty where there are no probabilities.
    pub agreement: Agreement,
}

/// What is left of them.
#[derive(Debug, Default)]
pub(super) struct Present {
    pub rois: Vec<Roi>,
    /// The values of labels whose contours were left out.
    pub left_out: Vec<u16>,
    /// What the person should know.
    pub warnings: Vec<String>,
}

/// An organ that may be in the image.
struct Candidate<'a> {
    label: &'a Label,
    roi: Roi,
    is_cut: bool,
    /// How far towards the head its middle lies, mm.
    height_mm: f64,
    /// Why it cannot be what it is called.
    reason: Option<String>,
}

/// The labels to trace, by value, to judge those of `wanted`: they and the labels that tell whether
/// they can be there.
pub(super) fn with_witnesses(labels: &[Label], wanted: &[bool]) -> Vec<bool> {
    let mut all = wanted.to_vec();
    let is_in = |all: &[bool], label: &Label| all.get(usize::from(label.value)).copied().unwrap_or(false);
    loop {
        let missing = labels.iter().find(|label| {
            let names_it = |other: &Label| other.witnesses().any(|name| *name == label.name);
            usize::from(label.value) < all.len()
                && !is_in(&all, label)
                && labels.iter().any(|other| is_in(&all, other) && names_it(other))
        });
        let Some(label) = missing else { return all };
        all[usize::from(label.value)] = true;
    }
}

/// Makes proposals of what can be in the image. `wanted`: the labels asked for; `traced`: what was
/// found of the labels that were `looked_for`.
pub(super) fn present(
    package: &ModelPackage,
    volume: &Volume,
    [wanted, looked_for]: [&[&Label]; 2],
    traced: Vec<Traced<'_>>,
) -> Present {
    let mut candidates: Vec<Candidate<'_>> = traced
        .into_iter()
        .map(|Traced { label, planes, agreement }| {
            let roi = package.proposal(label, planes, agreement.score());
            let is_cut = roi.is_cut_by(volume);
            let reason = implausible(label, roi.volume_cc(volume), is_cut, agreement.score());
            Candidate { label, height_mm: height_mm(&roi), roi, is_cut, reason }
        })
        .collect();
    hold_together(&mut candidates, looked_for);
    let is_wanted = |value: u16| wanted.iter().any(|label| label.value == value);
    let name = |label: &&Label| match candidates.iter().find(|own| own.label.value == label.value) {
        None => Some(label.name.clone()),
        Some(own) => own.reason.as_ref().map(|why| format!("{} ({why})", label.name)),
    };
    let missing: Vec<String> = wanted.iter().filter_map(name).collect();
    let (found, out): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|own| own.reason.is_none() && is_wanted(own.label.value));
    let cut = found.iter().filter(|own| own.is_cut && own.label.min_cc.is_some());
    let cut: Vec<&str> = cut.map(|own| own.label.name.as_str()).collect();
    let mut warnings = Vec::new();
    if !missing.is_empty() {
        warnings.push(format!("not found in the image: {}", missing.join(", ")));
    }
    if !cut.is_empty() {
        warnings.push(format!("cut by the end of the scan: {}", cut.join(", ")));
    }
    let lost = found.iter().filter(|own| own.label.runs_on);
    let lost = lost.map(|own| (own.label.name.as_str(), short_of_feet_mm(&own.roi, volume)));
    let lost: Vec<String> = lost
        .filter(|(_, short_mm)| *short_mm > LOST_MM)
        .map(|(name, short_mm)| format!("{name} ({short_mm:.0} mm)"))
        .collect();
    if !lost.is_empty() {
        warnings
            .push(format!("ends above the scan's lower end, look whether it runs on: {}", lost.join(", ")));
    }
    Present {
        left_out: out.iter().map(|own| own.label.value).collect(),
        rois: found.into_iter().map(|own| own.roi).collect(),
        warnings,
    }
}

/// Holds organs against each other: first who lies above whom, then, until nothing changes, who has
/// to have company. Only labels that were looked for can be missed.
fn hold_together(candidates: &mut [Candidate<'_>], looked_for: &[&Label]) {
    let heights: Vec<(String, f64)> = candidates
        .iter()
        .filter(|own| own.reason.is_none())
        .map(|own| (own.label.name.clone(), own.height_mm))
        .collect();
    for own in candidates.iter_mut().filter(|own| own.reason.is_none()) {
        let is_above =
            |(name, height_mm): &&(String, f64)| own.label.above.contains(name) && own.height_mm < *height_mm;
        own.reason = heights.iter().find(is_above).map(|(name, _)| format!("it lies below {name}"));
    }
    loop {
        let standing: Vec<String> =
            candidates.iter().filter(|own| own.reason.is_none()).map(|own| own.label.name.clone()).collect();
        let is_alone = |own: &Candidate<'_>| {
            let was_looked_for = |name: &String| looked_for.iter().any(|label| label.name == *name);
            let company = &own.label.beside;
            own.reason.is_none()
                && company.iter().any(was_looked_for)
                && !company.iter().any(|name| standing.contains(name))
        };
        let alone: Vec<usize> =
            candidates.iter().enumerate().filter(|(_, own)| is_alone(own)).map(|(at, _)| at).collect();
        if alone.is_empty() {
            return;
        }
        for at in alone {
            candidates[at].reason = Some("nothing that lies beside it was found".to_owned());
        }
    }
}

/// Why it cannot be this organ, by itself; `None` when it can.
fn implausible(label: &Label, volume_cc: f64, is_cut: bool, score: Option<f32>) -> Option<String> {
    if let (Some(least), Some(score)) = (label.min_score, score)
        && score < least
    {
        return Some("too uncertain".to_owned());
    }
    let least = label.min_cc.unwrap_or(0.0) * if is_cut || label.runs_on { LEAST_SHARE } else { 1.0 };
    if volume_cc < least {
        Some(format!("{volume_cc:.1} cc is too small"))
    } else if label.max_cc.is_some_and(|greatest| volume_cc > greatest) {
        Some(format!("{volume_cc:.0} cc is too large"))
    } else {
        None
    }
}

/// Where the middle of the contours lies towards the head, mm: the mean of their vertices' z, each
/// plane by its area.
fn height_mm(roi: &Roi) -> f64 {
    let (mut sum, mut weight) = (0.0, 0.0);
    for own in &roi.planes {
        let vertices = own.polygons.iter().flat_map(|polygon| &polygon.outer);
        let (total, count) = vertices
            .fold((0.0, 0.0), |(total, count), vertex| (total + own.plane.lift(*vertex).z, count + 1.0));
        let area = own.area_mm2();
        sum += area * total / f64::max(count, 1.0);
        weight += area;
    }
    sum / f64::max(weight, f64::MIN_POSITIVE)
}

/// How far before the scan's end towards the feet contours end, mm along the grid's axis that runs
/// most from head to feet.
fn short_of_feet_mm(roi: &Roi, volume: &Volume) -> f64 {
    let grid = &volume.grid;
    let rise = |axis: usize| grid.direction(axis).z;
    let axis = (0..3).max_by(|a, b| rise(*a).abs().total_cmp(&rise(*b).abs())).unwrap_or(2);
    #[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
    let last = grid.dims()[axis] as f64 - 1.0;
    let short = |at: f64| if rise(axis) > 0.0 { at } else { last - at };
    let vertices = roi.planes.iter().flat_map(|own| {
        let outlines = own.polygons.iter().flat_map(|polygon| &polygon.outer);
        outlines.map(|vertex| short(grid.voxel_of(own.plane.lift(*vertex))[axis]))
    });
    vertices.fold(last, f64::min) * grid.spacing_mm()[axis]
}

#[cfg(test)]
mod tests;
