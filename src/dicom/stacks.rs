//! Which images of a series are slices of one volume: by size, orientation, and a line of positions.
//!
//! A Series Instance UID may hold several stacks (orientations, echoes, phases, scans far apart).
//! Nothing here goes by file name or number, but to choose between two images at one position.

use super::assemble::Loose;
use super::image::{Image, STACK_KEYS};
use super::layout::{Layout, SAME_POSITION_MM, layout};
use crate::geometry::Vector3;
use crate::patient::DataWarning;
use std::collections::BTreeMap;

/// Direction cosines that differ by less are the same orientation (0.06 degrees).
const SAME_DIRECTION: f64 = 1e-3;
/// A step of more than this many usual steps ends a stack, unless the parts make one volume.
const LONGEST_GAP_STEPS: f64 = 15.0;
/// A volume of parts that lie apart has at most this many missing slices for one that is there,
const MOST_MISSING: usize = 3;
/// and at most this many voxels.
const MOST_VOXELS: usize = 1 << 30;
/// Two slices are a tilted stack up to this offset in the plane per mm along the normal (45 degrees).
const STEEPEST_DRIFT: f64 = 1.0;

/// Images of one series that can be slices of one volume: same modality, size, sample spacing,
/// frame of reference and directions.
pub(super) fn group_by_orientation(images: Vec<Loose>) -> Vec<Vec<Loose>> {
    let mut groups: Vec<Vec<Loose>> = Vec::new();
    for image in images {
        let fits = |group: &&mut Vec<Loose>| {
            let (a, b) = (&group[0], &image);
            a.info.modality == b.info.modality
                && a.info.frame_of_reference_uid == b.info.frame_of_reference_uid
                && (a.image.file.rows, a.image.file.columns) == (b.image.file.rows, b.image.file.columns)
                && (a.image.row - b.image.row).norm() < SAME_DIRECTION
                && (a.image.column - b.image.column).norm() < SAME_DIRECTION
                && (0..2).all(|axis| {
                    let (a, b) = (a.image.spacing_mm[axis], b.image.spacing_mm[axis]);
                    (a - b).abs() < 1e-4 * a.max(b)
                })
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.push(image),
            None => groups.push(vec![image]),
        }
    }
    groups
}

/// Slices at distinct positions, sorted, whose origins lie on a line.
pub(super) struct Stack {
    pub slices: Vec<Loose>,
    /// What tells it from the series' other stacks ("echo 2"); empty for the only one.
    pub name: String,
    /// The offset of the origins in the plane per mm along the normal (gantry tilt).
    pub drift: Vector3,
    /// The gap to the rest of its line, where it was parted from that.
    pub gap: Option<Gap>,
}

/// A step too long for one volume.
#[derive(Debug, Clone)]
pub(super) struct Gap {
    pub mm: f64,
    /// The file names on both sides.
    pub between: [String; 2],
}

/// Whether `count` images beside a stack of `most` are strays rather than a series.
pub(super) fn are_strays(count: usize, most: usize) -> bool {
    count <= 3 && most > 4 * count
}

fn offset_mm(image: &Image) -> f64 {
    image.row.cross(&image.column).dot(&image.origin_mm.coords)
}

/// The stacks of images of one orientation.
pub(super) fn split_stacks(group: Vec<Loose>, warnings: &mut Vec<DataWarning>) -> Vec<Stack> {
    let mut stacks = Vec::new();
    for (mut slices, name) in split_by_attribute(group) {
        let Some(first) = slices.first() else { continue };
        let normal = first.image.row.cross(&first.image.column);
        let offset = |loose: &Loose| normal.dot(&loose.image.origin_mm.coords);
        slices.sort_by(|a, b| offset(a).total_cmp(&offset(b)));
        while !slices.is_empty() {
            let (line, drift, rest) = on_one_line(slices);
            let distinct = drop_same_position(line, warnings);
            for (slices, gap) in split_at_long_gaps(distinct) {
                stacks.push(Stack { slices, name: name.clone(), drift, gap });
            }
            slices = rest;
        }
    }
    stacks
}

/// Where every position is held by several images, parts them by the first attribute that leaves
/// no position twice (echo, phase, b-value, ...). Otherwise one part.
fn split_by_attribute(group: Vec<Loose>) -> Vec<(Vec<Loose>, String)> {
    let mut positions: Vec<f64> = group.iter().map(|loose| offset_mm(&loose.image)).collect();
    positions.sort_by(f64::total_cmp);
    let distinct = 1 + positions.windows(2).filter(|pair| pair[1] - pair[0] > SAME_POSITION_MM).count();
    // A few duplicates are a fault of the data, not stacks of their own.
    if group.len() < distinct + distinct.div_ceil(2).max(2) {
        return vec![(group, String::new())];
    }
    for (key, word) in STACK_KEYS.iter().enumerate() {
        let mut parts: BTreeMap<Option<&str>, Vec<f64>> = BTreeMap::new();
        for loose in &group {
            parts.entry(loose.image.stack[key].as_deref()).or_default().push(offset_mm(&loose.image));
        }
        let clean = parts.values_mut().all(|offsets| {
            offsets.sort_by(f64::total_cmp);
            offsets.windows(2).all(|pair| pair[1] - pair[0] > SAME_POSITION_MM)
        });
        // An attribute that differs from slice to slice (a time) tells nothing apart.
        let few = parts.len() <= 2 * group.len().div_ceil(distinct);
        if parts.len() > 1 && few && clean {
            let mut split: BTreeMap<Option<String>, Vec<Loose>> = BTreeMap::new();
            for loose in group {
                split.entry(loose.image.stack[key].clone()).or_default().push(loose);
            }
            return split
                .into_iter()
                .map(|(value, part)| (part, format!("{word} {}", value.as_deref().unwrap_or("not stated"))))
                .collect();
        }
    }
    vec![(group, String::new())]
}

/// The slices whose origins lie on one line (the most of them), its drift per mm in the plane, and
/// the others. `slices` is sorted and not empty.
fn on_one_line(slices: Vec<Loose>) -> (Vec<Loose>, Vector3, Vec<Loose>) {
    let reference = slices[0].image.clone();
    let normal = reference.row.cross(&reference.column);
    let foot = |loose: &Loose| {
        let at = loose.image.origin_mm.coords;
        at - normal * normal.dot(&at)
    };
    let tolerance_mm = 0.25 * reference.spacing_mm[0].min(reference.spacing_mm[1]);
    let near = tolerance_mm.min(0.1);
    let on_axis =
        |origin: &Vector3| slices.iter().filter(|loose| (foot(loose) - origin).norm() <= near).count();
    let middle = foot(&slices[slices.len() / 2]);
    let candidates = [foot(&slices[0]), middle, foot(&slices[slices.len() - 1])];
    let straight = candidates.into_iter().max_by_key(|origin| on_axis(origin)).unwrap_or(middle);
    if 2 * on_axis(&straight) > slices.len() || (slices.len() < 3 && !is_tilted_pair(&slices)) {
        let (line, rest) =
            slices.into_iter().partition::<Vec<_>, _>(|loose| (foot(loose) - straight).norm() <= near);
        if !line.is_empty() {
            return (line, Vector3::zeros(), rest);
        }
        return (rest, Vector3::zeros(), Vec::new());
    }
    // Tilted: the drift is the median over neighbours, so that single strays do not bend it.
    let along = |loose: &Loose| normal.dot(&loose.image.origin_mm.coords);
    let steps: Vec<Vector3> = slices
        .windows(2)
        .filter(|pair| along(&pair[1]) - along(&pair[0]) > SAME_POSITION_MM)
        .map(|pair| (foot(&pair[1]) - foot(&pair[0])) / (along(&pair[1]) - along(&pair[0])))
        .collect();
    let drift = Vector3::from_fn(|axis, _| median(steps.iter().map(|step| step[axis]).collect()));
    let starts: Vec<Vector3> = slices.iter().map(|loose| foot(loose) - drift * along(loose)).collect();
    let start = Vector3::from_fn(|axis, _| median(starts.iter().map(|start| start[axis]).collect()));
    let (line, rest) = slices
        .into_iter()
        .partition::<Vec<_>, _>(|loose| (foot(loose) - drift * along(loose) - start).norm() <= tolerance_mm);
    if line.len() < 2 {
        // No line at all: every image stands alone.
        let mut all: Vec<Loose> = line.into_iter().chain(rest).collect();
        let rest = all.split_off(1);
        return (all, Vector3::zeros(), rest);
    }
    (line, drift, rest)
}

/// Whether these are two slices one of which lies obliquely above the other, as a tilted gantry
/// leaves them.
fn is_tilted_pair(slices: &[Loose]) -> bool {
    let [low, high] = slices else { return false };
    let normal = low.image.row.cross(&low.image.column);
    let apart = high.image.origin_mm - low.image.origin_mm;
    let along = normal.dot(&apart);
    along > SAME_POSITION_MM && (apart - normal * along).norm() < STEEPEST_DRIFT * along
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Of slices at the same position keeps the one with the lowest instance number (then file name).
fn drop_same_position(slices: Vec<Loose>, warnings: &mut Vec<DataWarning>) -> Vec<Loose> {
    let mut kept: Vec<Loose> = Vec::with_capacity(slices.len());
    for slice in slices {
        let Some(last) = kept.last_mut() else {
            kept.push(slice);
            continue;
        };
        if offset_mm(&slice.image) - offset_mm(&last.image) > SAME_POSITION_MM {
            kept.push(slice);
            continue;
        }
        let order = |loose: &Loose| (loose.image.number.unwrap_or(i64::MAX), loose.path().to_owned());
        let (keep, drop) =
            if order(&slice) < order(last) { (slice, last.clone()) } else { (last.clone(), slice) };
        let name = keep.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let message = format!("it lies at the same position as {name} in the same series; left out");
        warnings.push(DataWarning::new(drop.path(), message));
        *last = keep;
    }
    kept
}

/// Parts sorted slices where a step is far longer than the usual, and says how long. Parts whose
/// slices lie on one even grid stay together, with slices missing between them; strays do not.
fn split_at_long_gaps(slices: Vec<Loose>) -> Vec<(Vec<Loose>, Option<Gap>)> {
    if slices.len() < 4 {
        return vec![(slices, None)];
    }
    let step = |low: &Loose, high: &Loose| offset_mm(&high.image) - offset_mm(&low.image);
    let longest =
        LONGEST_GAP_STEPS * median(slices.windows(2).map(|pair| step(&pair[0], &pair[1])).collect());
    let mut parts: Vec<Vec<Loose>> = Vec::new();
    for slice in slices {
        match parts.last_mut() {
            Some(part) if part.last().is_some_and(|last| step(last, &slice) <= longest) => part.push(slice),
            _ => parts.push(vec![slice]),
        }
    }
    let most = parts.iter().map(Vec::len).max().unwrap_or(0);
    let mut joined: Vec<Vec<Loose>> = Vec::new();
    for part in parts {
        match joined.last_mut() {
            Some(before)
                if !are_strays(before.len(), most)
                    && !are_strays(part.len(), most)
                    && are_on_one_grid(before, &part) =>
            {
                before.extend(part);
            }
            _ => joined.push(part),
        }
    }
    let gaps: Vec<Gap> = joined
        .windows(2)
        .filter_map(|pair| {
            let (low, high) = (pair[0].last()?, pair[1].first()?);
            Some(Gap { mm: step(low, high), between: [low, high].map(Loose::file_name) })
        })
        .collect();
    joined.into_iter().enumerate().map(|(n, part)| (part, gaps.get(n.saturating_sub(1)).cloned())).collect()
}

/// Whether slices with a long gap between them are planes of one even grid of a bearable size.
fn are_on_one_grid(low: &[Loose], high: &[Loose]) -> bool {
    let offsets: Vec<f64> = low.iter().chain(high).map(|loose| offset_mm(&loose.image)).collect();
    let Layout::Even { planes, .. } = layout(&offsets) else { return false };
    let count = planes.last().map_or(0, |last| last + 1);
    count - offsets.len() <= MOST_MISSING * offsets.len()
        && low[0].image.file.frame_len().saturating_mul(count) <= MOST_VOXELS
}
