//! Assembles loose images into series by Series Instance UID, orientation and position. Never by
//! file name, instance number, slice location or patient position.

use super::image::{Image, STACK_KEYS};
use super::layout::{Layout, SAME_POSITION_MM, layout};
use super::library::{SeriesEntry, SliceSpacing};
use super::{codec, suv};
use crate::geometry::{Grid, Plane, Vector3};
use crate::patient::{DataWarning, Modality, SeriesInfo, Slice, Unit};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Direction cosines that differ by less are the same orientation (0.06 degrees).
const SAME_DIRECTION: f64 = 1e-3;
/// A step of more than this many usual steps ends a stack: what follows is another scan.
const LONGEST_GAP_STEPS: f64 = 15.0;

/// An image with its series.
#[derive(Debug, Clone)]
pub(super) struct Loose {
    pub info: Arc<SeriesInfo>,
    pub image: Image,
}

impl Loose {
    fn path(&self) -> &Path {
        &self.image.file.path
    }
}

/// Series from images in any order, and what was odd.
pub(super) fn assemble(mut loose: Vec<Loose>) -> (Vec<SeriesEntry>, Vec<DataWarning>) {
    let mut warnings = Vec::new();
    loose.sort_by(|a, b| (a.path(), a.image.frame).cmp(&(b.path(), b.image.frame)));
    let mut by_series: BTreeMap<String, Vec<Loose>> = BTreeMap::new();
    for image in drop_repeated_instances(loose, &mut warnings) {
        by_series.entry(image.info.uid.to_string()).or_default().push(image);
    }
    let mut entries = Vec::new();
    for images in by_series.into_values() {
        let mut groups = group_by_orientation(images);
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        let stacks: Vec<Stack> =
            groups.into_iter().flat_map(|group| split_stacks(group, &mut warnings)).collect();
        entries.extend(series_of(stacks, &mut warnings));
    }
    (entries, warnings)
}

/// Keeps the first of images with the same SOP Instance UID and frame.
fn drop_repeated_instances(loose: Vec<Loose>, warnings: &mut Vec<DataWarning>) -> Vec<Loose> {
    let mut seen: HashMap<(crate::patient::Uid, Option<u32>), PathBuf> = HashMap::new();
    let mut kept = Vec::with_capacity(loose.len());
    for image in loose {
        let instance = &image.image.instance;
        if instance.sop_instance_uid.is_empty() {
            kept.push(image);
            continue;
        }
        let key = (Arc::clone(&instance.sop_instance_uid), instance.frame);
        if let Some(first) = seen.get(&key) {
            let first = first.file_name().unwrap_or_default().to_string_lossy();
            let message = format!("it is the same image as {first} (same SOPInstanceUID); left out");
            warnings.push(DataWarning::new(image.path(), message));
        } else {
            seen.insert(key, image.path().to_owned());
            kept.push(image);
        }
    }
    warnings.dedup();
    kept
}

/// Images of one series that can be slices of one volume: same modality, size, sample spacing,
/// frame of reference and directions.
fn group_by_orientation(images: Vec<Loose>) -> Vec<Vec<Loose>> {
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
struct Stack {
    slices: Vec<Loose>,
    /// What tells it from the series' other stacks ("echo 2"); empty for the only one.
    name: String,
    /// The offset of the origins in the plane per mm along the normal (gantry tilt).
    drift: Vector3,
}

fn offset_mm(image: &Image) -> f64 {
    image.row.cross(&image.column).dot(&image.origin_mm.coords)
}

fn split_stacks(group: Vec<Loose>, warnings: &mut Vec<DataWarning>) -> Vec<Stack> {
    let mut stacks = Vec::new();
    for (mut slices, name) in split_by_attribute(group) {
        let Some(first) = slices.first() else { continue };
        let normal = first.image.row.cross(&first.image.column);
        let offset = |loose: &Loose| normal.dot(&loose.image.origin_mm.coords);
        slices.sort_by(|a, b| offset(a).total_cmp(&offset(b)));
        while !slices.is_empty() {
            let (line, drift, rest) = on_one_line(slices);
            let distinct = drop_same_position(line, warnings);
            for slices in split_at_long_gaps(distinct) {
                stacks.push(Stack { slices, name: name.clone(), drift });
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
    if 2 * on_axis(&straight) > slices.len() || slices.len() < 3 {
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

fn split_at_long_gaps(slices: Vec<Loose>) -> Vec<Vec<Loose>> {
    if slices.len() < 4 {
        return vec![slices];
    }
    let gaps = slices.windows(2).map(|pair| offset_mm(&pair[1].image) - offset_mm(&pair[0].image)).collect();
    let longest = LONGEST_GAP_STEPS * median(gaps);
    let mut parts: Vec<Vec<Loose>> = Vec::new();
    for slice in slices {
        match parts.last_mut() {
            Some(part)
                if part
                    .last()
                    .is_some_and(|last| offset_mm(&slice.image) - offset_mm(&last.image) <= longest) =>
            {
                part.push(slice);
            }
            _ => parts.push(vec![slice]),
        }
    }
    parts
}

/// The stacks of one Series Instance UID as series. A few strays beside a large stack are left out;
/// larger others are series of their own.
fn series_of(mut stacks: Vec<Stack>, warnings: &mut Vec<DataWarning>) -> Vec<SeriesEntry> {
    stacks.sort_by_key(|stack| std::cmp::Reverse(stack.slices.len()));
    let Some(main) = stacks.first() else { return Vec::new() };
    let (most, modality) = (main.slices.len(), main.slices[0].info.modality.clone());
    let mut entries = Vec::new();
    for (n, stack) in stacks.into_iter().enumerate() {
        let count = stack.slices.len();
        let stray = n > 0 && stack.name.is_empty();
        if stray && count <= 3 && most > 4 * count {
            for slice in &stack.slices {
                let what = if slice.info.modality == modality {
                    "it does not fit the other images of its series in orientation, size or position; left out".into()
                } else {
                    format!(
                        "it is of modality {} in a series of {}; left out",
                        slice.info.modality.code(),
                        modality.code()
                    )
                };
                warnings.push(DataWarning::new(slice.path(), what));
            }
            continue;
        }
        if stray {
            let message = format!(
                "this and {} more images do not fit the others of their series in orientation, size or position; \
                 offered as a series of their own",
                count - 1
            );
            warnings.push(DataWarning::new(stack.slices[0].path(), message));
        }
        match entry_of(stack) {
            Ok(entry) => {
                warnings.extend(entry.warnings.iter().cloned());
                entries.push(entry);
            }
            Err(warning) => warnings.push(warning),
        }
    }
    entries
}

/// The series of a stack (not empty).
fn entry_of(stack: Stack) -> Result<SeriesEntry, DataWarning> {
    let Stack { slices, name, drift } = stack;
    let path = common_path(&slices);
    let mut info = (*slices[0].info).clone();
    if !name.is_empty() {
        let described = format!("{} ({name})", info.description);
        described.trim().clone_into(&mut info.description);
    }
    let images: Vec<Image> = slices.into_iter().map(|loose| loose.image).collect();
    let reference = &images[images.len() / 2];
    let normal = reference.row.cross(&reference.column);
    let offsets: Vec<f64> = images.iter().map(|image| normal.dot(&image.origin_mm.coords)).collect();
    let plan = layout(&offsets);
    let (step_mm, count) = match &plan {
        Layout::Even { step_mm, planes } => (*step_mm, planes[planes.len() - 1] + 1),
        Layout::Uneven { step_mm, count, .. } => (*step_mm, *count),
    };
    let steps = [
        reference.row * reference.spacing_mm[0],
        reference.column * reference.spacing_mm[1],
        (normal + drift) * step_mm,
    ];
    let dims = [usize::from(reference.file.columns), usize::from(reference.file.rows), count];
    let origin_mm = images[0].origin_mm;
    let degenerate =
        || DataWarning::new(&path, "the series' orientation and spacing span no volume; left out");
    let grid = Grid::new(dims, origin_mm, steps).ok_or_else(degenerate)?;
    let plane = Plane::new(origin_mm, reference.row, reference.column).ok_or_else(degenerate)?;
    let real = |image: &Image, offset: f64| Slice {
        plane: plane.at_offset(offset),
        origin_mm: image.origin_mm,
        instance: Some(image.instance.clone()),
        missing: false,
    };
    let mut warnings = remarks_on(&images, &offsets, &plan, drift, &path);
    let (slices, spacing, gaps) = match plan {
        Layout::Even { planes, .. } => {
            let slices = planes_with_missing(&images, &offsets, &planes, &grid, plane, real);
            let spacing =
                if slices.len() > images.len() { SliceSpacing::WithMissing } else { SliceSpacing::Even };
            (slices, spacing, Vec::new())
        }
        Layout::Uneven { gaps, .. } => {
            let slices = images.iter().zip(&offsets).map(|(image, offset)| real(image, *offset)).collect();
            (slices, SliceSpacing::Uneven, gaps)
        }
    };
    let (unit, factor) = unit_of(&info, &images, &path, &mut warnings);
    Ok(SeriesEntry { info, grid, slices, spacing, unit, path, warnings, images, gaps, factor })
}

fn planes_with_missing(
    images: &[Image],
    offsets: &[f64],
    planes: &[usize],
    grid: &Grid,
    plane: Plane,
    real: impl Fn(&Image, f64) -> Slice,
) -> Vec<Slice> {
    let mut slices = Vec::with_capacity(grid.dims()[2]);
    for ((image, offset), number) in images.iter().zip(offsets).zip(planes) {
        while slices.len() < *number {
            #[expect(clippy::cast_precision_loss, reason = "slice counts are small")]
            let origin_mm = grid.patient_of([0.0, 0.0, slices.len() as f64]);
            let missing = Slice {
                plane: plane.at_offset(plane.normal().dot(&origin_mm.coords)),
                origin_mm,
                instance: None,
                missing: true,
            };
            slices.push(missing);
        }
        slices.push(real(image, *offset));
    }
    slices
}

/// What a person must know of a stack's geometry.
fn remarks_on(
    images: &[Image],
    offsets: &[f64],
    plan: &Layout,
    drift: Vector3,
    path: &Path,
) -> Vec<DataWarning> {
    let mut warnings = Vec::new();
    if images.len() == 1 {
        let message = "the series is a single slice; volumes count it as 1 mm thick";
        warnings.push(DataWarning::new(&images[0].file.path, message));
    }
    let after = |n: usize, what: String| DataWarning::new(&images[n].file.path, what);
    match plan {
        Layout::Even { planes, .. } => {
            for (n, pair) in planes.windows(2).enumerate().filter(|(_, pair)| pair[1] - pair[0] > 1) {
                let count = pair[1] - pair[0] - 1;
                let (slices, are) = if count == 1 { ("slice", "is") } else { ("slices", "are") };
                warnings.push(after(
                    n,
                    format!(
                        "after this image {count} {slices} {are} missing from the series, between {:.2} and {:.2} mm; \
                         shown as missing and not bridged",
                        offsets[n],
                        offsets[n + 1]
                    ),
                ));
            }
        }
        Layout::Uneven { step_mm, gaps, .. } => {
            let (least, most) = offsets
                .windows(2)
                .map(|pair| pair[1] - pair[0])
                .fold((f64::INFINITY, 0.0_f64), |(least, most), gap| (least.min(gap), most.max(gap)));
            let message = format!(
                "the slices are unevenly spaced ({least:.2} to {most:.2} mm); contours lie on the real slices, the \
                 picture is resampled to {step_mm:.2} mm"
            );
            warnings.push(DataWarning::new(path, message));
            for n in gaps {
                let message = format!(
                    "after this image the series has a gap of {:.2} mm, which is shown as missing and not bridged",
                    offsets[n + 1] - offsets[*n]
                );
                warnings.push(after(*n, message));
            }
        }
    }
    let tilt = drift.norm().atan().to_degrees();
    if tilt > 0.05 {
        let message = format!("the slices are tilted by {tilt:.1} degrees against their row (gantry tilt)");
        warnings.push(DataWarning::new(path, message));
    }
    if let Some(image) = images.iter().find(|image| !codec::is_supported(&image.file.transfer_syntax)) {
        let message = codec::unsupported(&image.file.transfer_syntax);
        warnings.push(DataWarning::new(&image.file.path, message));
    }
    warnings
}

/// What the values will be, and the factor after rescaling (1 but for PET).
fn unit_of(info: &SeriesInfo, images: &[Image], path: &Path, warnings: &mut Vec<DataWarning>) -> (Unit, f64) {
    match info.modality {
        Modality::Ct => {
            if let Some(hu) = images.iter().find_map(padding_in_tissue) {
                let message = format!(
                    "PixelPaddingValue stands for {hu} HU, a value that tissue can have; such voxels are shown as \
                     outside the scan"
                );
                warnings.push(DataWarning::new(path, message));
            }
            (Unit::Hu, 1.0)
        }
        Modality::Pet => {
            let mut files: Vec<_> = images.iter().map(|image| &image.file).collect();
            files.dedup_by(|a, b| Arc::ptr_eq(a, b));
            let facts: Vec<_> = files.iter().filter_map(|file| file.pet.as_ref()).collect();
            let scale = suv::pet_scale(&facts);
            warnings.extend(scale.remarks.into_iter().map(|remark| DataWarning::new(path, remark)));
            (scale.unit, scale.factor)
        }
        _ => (Unit::Arbitrary, 1.0),
    }
}

/// The HU that padding stands for, if fat, water or muscle may have it.
fn padding_in_tissue(image: &Image) -> Option<f64> {
    let (low, high) = image.file.padding?;
    let hu = |stored: i32| f64::from(stored) * image.rescale.slope + image.rescale.intercept;
    let (a, b) = (hu(low), hu(high));
    (a.max(b) > -200.0 && a.min(b) < 200.0).then_some(a)
}

/// The file, or the deepest folder that holds all files.
fn common_path(slices: &[Loose]) -> PathBuf {
    let first = slices[0].path();
    if slices.iter().all(|slice| slice.path() == first) {
        return first.to_owned();
    }
    let folder = first.parent().unwrap_or(first);
    folder
        .ancestors()
        .find(|ancestor| slices.iter().all(|slice| slice.path().starts_with(ancestor)))
        .unwrap_or(folder)
        .to_owned()
}
