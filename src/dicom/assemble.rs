//! Assembles loose images into series by Series Instance UID, orientation and position. Never by
//! file name, instance number, slice location or patient position.

use super::image::Image;
use super::layout::{Layout, gap_planes, layout};
use super::library::{SeriesEntry, SliceSpacing};
use super::stacks::{Stack, are_strays, group_by_orientation, split_stacks};
use super::{codec, suv};
use crate::geometry::{Grid, Plane, Vector3};
use crate::patient::{DataWarning, Modality, SeriesInfo, Slice, Unit};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An image with its series.
#[derive(Debug, Clone)]
pub(super) struct Loose {
    pub info: Arc<SeriesInfo>,
    pub image: Image,
}

impl Loose {
    pub fn path(&self) -> &Path {
        &self.image.file.path
    }

    pub fn file_name(&self) -> String {
        self.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Whose images, and of which study: a Series Instance UID alone does not tell, because phantoms,
/// anonymisers and copies repeat it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Owner {
    /// Patient ID; where that is empty, name and birth date.
    patient: [String; 3],
    study_uid: String,
}

impl Owner {
    fn of(info: &SeriesInfo) -> Self {
        let patient = &info.patient;
        let patient = if patient.id.is_empty() {
            [String::new(), patient.name.clone(), patient.birth_date.clone()]
        } else {
            [patient.id.clone(), String::new(), String::new()]
        };
        Self { patient, study_uid: info.study.uid.clone() }
    }
}

/// Series from images in any order, and what was odd.
pub(super) fn assemble(mut loose: Vec<Loose>) -> (Vec<SeriesEntry>, Vec<DataWarning>) {
    let mut warnings = Vec::new();
    loose.sort_by(|a, b| (a.path(), a.image.frame).cmp(&(b.path(), b.image.frame)));
    let mut by_series: BTreeMap<(String, Owner), Vec<Loose>> = BTreeMap::new();
    for image in drop_repeated_instances(loose, &mut warnings) {
        let owner = Owner::of(&image.info);
        by_series.entry((image.info.uid.to_string(), owner)).or_default().push(image);
    }
    warnings.extend(shared_uids(&by_series));
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

/// Warnings of images that share their Series Instance UID with another patient or study. The map's
/// order has equal UIDs side by side.
fn shared_uids(by_series: &BTreeMap<(String, Owner), Vec<Loose>>) -> Vec<DataWarning> {
    let mut warnings = Vec::new();
    let neighbours = by_series.iter().zip(by_series.iter().skip(1));
    for (((uid, owner), images), ((next_uid, next_owner), next)) in neighbours {
        if uid != next_uid {
            continue;
        }
        let other = if owner.patient == next_owner.patient { "study" } else { "patient" };
        if let (Some(first), Some(image)) = (images.first(), next.first()) {
            let message = format!(
                "its SeriesInstanceUID is also that of images of another {other}, such as {}; they are kept apart as \
                 series of their own",
                first.file_name()
            );
            warnings.push(DataWarning::new(image.path(), message));
        }
    }
    warnings
}

/// Keeps the first of images of one owner with the same SOP Instance UID and frame.
fn drop_repeated_instances(loose: Vec<Loose>, warnings: &mut Vec<DataWarning>) -> Vec<Loose> {
    let mut seen: HashMap<(crate::patient::Uid, Option<u32>, Owner), PathBuf> = HashMap::new();
    let mut kept = Vec::with_capacity(loose.len());
    for image in loose {
        let instance = &image.image.instance;
        if instance.sop_instance_uid.is_empty() {
            kept.push(image);
            continue;
        }
        let key = (Arc::clone(&instance.sop_instance_uid), instance.frame, Owner::of(&image.info));
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
        let gap = stack.gap.as_ref().map(|gap| {
            format!("a gap of {:.2} mm lies between {} and {}", gap.mm, gap.between[0], gap.between[1])
        });
        if stray && are_strays(count, most) {
            for slice in &stack.slices {
                let what = if slice.info.modality != modality {
                    format!(
                        "it is of modality {} in a series of {}; left out",
                        slice.info.modality.code(),
                        modality.code()
                    )
                } else if let Some(gap) = &gap {
                    format!("it does not fit the other images of its series: {gap}; left out")
                } else {
                    "it does not fit the other images of its series in orientation, size or position; left out".into()
                };
                warnings.push(DataWarning::new(slice.path(), what));
            }
            continue;
        }
        if stray {
            let why = gap.unwrap_or_else(|| {
                "they do not fit the others of their series in orientation, size or position".into()
            });
            let message =
                format!("this and {} more images are offered as a series of their own: {why}", count - 1);
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
    let Stack { slices, name, drift, .. } = stack;
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
    let (slices, spacing) = match plan {
        Layout::Even { planes, .. } => {
            let slices = planes_with_missing(&images, &offsets, &planes, &grid, plane, real);
            let spacing =
                if slices.len() > images.len() { SliceSpacing::WithMissing } else { SliceSpacing::Even };
            (slices, spacing)
        }
        Layout::Uneven { gaps, .. } => {
            let mut slices: Vec<Slice> =
                images.iter().zip(&offsets).map(|(image, offset)| real(image, *offset)).collect();
            for n in gaps.iter().rev().copied() {
                let ends = gap_planes(&offsets, &gaps, n).into_iter().map(|at| {
                    let origin_mm = images[n].origin_mm + (normal + drift) * (at - offsets[n]);
                    Slice { plane: plane.at_offset(at), origin_mm, instance: None, missing: true }
                });
                let above = slices.split_off(n + 1);
                slices.extend(ends.chain(above));
            }
            (slices, SliceSpacing::Uneven)
        }
    };
    let (unit, factor) = unit_of(&info, &images, &path, &mut warnings);
    Ok(SeriesEntry { info, grid, slices, spacing, unit, path, warnings, images, factor })
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
