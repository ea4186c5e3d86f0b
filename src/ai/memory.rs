//! The memory that a run takes, on the CPU or beside a graphics device, and what it keeps on that, told
//! before it starts.
//!
//! What grows with the image is bounded by the depth of a patch, never all classes on all voxels; what
//! a network takes is known from its shape ([`CpuNetwork::peak_bytes`]). On a graphics device the sums of a
//! window stay there, unless they are too large: then they lie in memory, whatever computes the tiles.

use super::catalogue;
use super::cpu::CpuNetwork;
use super::gpu::{back_bytes, device_bytes};
use super::network::Architecture;
use super::nnunet::stream::waiting;
use super::nnunet::{Composition, Model, Orientation, SHARE_BYTES};
use super::orient::Oriented;
use super::package::ModelPackage;
use crate::ai::PredictOptions;
use crate::patient::Volume;

/// What computes the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Processor,
    Graphics,
}

/// Bytes that [`super::predict()`] takes at most beside the images read, on the CPU; the image is taken
/// whole, whatever of it is empty.
#[must_use]
pub fn estimate_bytes(volume: &Volume, package: &ModelPackage, options: &PredictOptions) -> u64 {
    estimate(volume, package, options, By::Processor)
}

/// Bytes of the processor's memory that [`super::predict()`] takes at most beside the images read, where a
/// graphics device computes the network and does not fail.
#[must_use]
pub fn beside_graphics_bytes(volume: &Volume, package: &ModelPackage, options: &PredictOptions) -> u64 {
    estimate(volume, package, options, By::Graphics)
}

fn estimate(volume: &Volume, package: &ModelPackage, options: &PredictOptions, by: By) -> u64 {
    let [nx, ny, nz] = volume.grid.dims();
    let [dx, dy, dz] = volume.grid.spacing_mm();
    let (size, spacing_mm) = ([nz, ny, nx], [dz, dy, dx]);
    let bytes = match (&package.nnunet, &package.composition) {
        (_, Some(composition)) => composed(composition, size, spacing_mm, options, by),
        (Some(model), None) => {
            // Of slices that lie across the array's, the labels' shares of each voxel.
            let voxels = if lies_across(volume, model, options) { size.iter().product::<usize>() } else { 0 };
            nnunet(model, size, spacing_mm, options, by) + voxels * SHARE_BYTES
        }
        (None, None) => own(package, size, spacing_mm, by),
    };
    bytes as u64
}

/// Whether the volume's slices lie across those of the array that a model is handed.
fn lies_across(volume: &Volume, model: &Model, options: &PredictOptions) -> bool {
    let patient = Oriented::new(&volume.grid).axes();
    let given = options.channels.first().map(|image| image.axes[0]);
    let [_, _, head] = patient;
    let first = match model.plan.orientation {
        Orientation::Stored => given.unwrap_or(head),
        Orientation::Turned(code) | Orientation::TurnedByItk(code) => code.of_patient(patient)[0],
    };
    first.0 != 2 && !options.label_map_alone
}

/// Bytes that [`super::predict()`] keeps on a graphics device at most beside what the network takes for a
/// patch: the sums of the planes that tiles reach and those that are finished, and what makes labels of
/// them where nothing else is wanted. Whatever of the image is empty counts; a model that this one crops
/// on does not.
#[must_use]
pub fn graphics_bytes(volume: &Volume, package: &ModelPackage) -> u64 {
    let [nx, ny, nz] = volume.grid.dims();
    let [dx, dy, dz] = volume.grid.spacing_mm();
    let (size, spacing_mm) = ([nz, ny, nx], [dz, dy, dx]);
    let of = |model: &Model, size: [usize; 3], spacing_mm: [f64; 3]| {
        let stage = |model: &Model| {
            let plan = &model.plan;
            let [_, rows, columns] = plan.preprocessing.network_size(size, spacing_mm);
            let depth = if plan.dimensions == 3 { plan.patch[0] } else { 1 };
            device_bytes(rows * columns, depth, plan.architecture.classes)
        };
        model.previous.as_ref().map_or(0, |previous| stage(previous)).max(stage(model))
    };
    let bytes = match (&package.nnunet, &package.composition) {
        (_, Some(composition)) => {
            let (grid, target_mm) = common_grid(composition, size, spacing_mm);
            composition.parts.iter().map(|part| of(&part.model, grid, target_mm)).max().unwrap_or(0)
        }
        (Some(model), None) => of(model, size, spacing_mm),
        (None, None) => {
            let voxels = |axis: usize| size[axis] as f64 * spacing_mm[axis] / package.input.spacing_mm[axis];
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an image's size")]
            let plane = (voxels(1).ceil() * voxels(2).ceil()) as usize;
            device_bytes(plane, package.patch[0], package.architecture.classes)
        }
    };
    bytes as u64
}

/// Bytes that the networks of a model take on a graphics device at most, one after the other where there are
/// several: the weights of all folds, and what is there of a patch at once.
#[must_use]
pub fn graphics_network_bytes(package: &ModelPackage) -> u64 {
    use super::gpu::NetworkBytes;
    let of = |model: &Model| {
        let stage = |model: &Model| {
            let bytes = NetworkBytes::of(&model.plan.architecture, model.plan.patch);
            model.folds() as u64 * bytes.weights + bytes.features
        };
        model.previous.as_ref().map_or(0, |previous| stage(previous)).max(stage(model))
    };
    match (&package.nnunet, &package.composition) {
        (_, Some(composition)) => composition.parts.iter().map(|part| of(&part.model)).max().unwrap_or(0),
        (Some(model), None) => of(model),
        (None, None) => {
            let bytes = NetworkBytes::of(&package.architecture, package.patch);
            bytes.weights + bytes.features
        }
    }
}

/// The grid that the parts of a composition have in common, and its spacing; of an image that is cropped
/// as much as is thought to be left of it.
fn common_grid(composition: &Composition, size: [usize; 3], spacing_mm: [f64; 3]) -> ([usize; 3], [f64; 3]) {
    let run = &composition.run;
    let target_mm = run.spacing_mm.unwrap_or(spacing_mm);
    let image_mm = [0, 1, 2].map(|axis| size[axis] as f64 * spacing_mm[axis]);
    let kept_mm = run.crop.as_ref().map_or(image_mm, |crop| crop.kept_mm(image_mm));
    (sized(kept_mm, target_mm), target_mm)
}

/// Voxels of this spacing over an extent.
fn sized(extent_mm: [f64; 3], spacing_mm: [f64; 3]) -> [usize; 3] {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an image's size")]
    [0, 1, 2].map(|axis| (extent_mm[axis] / spacing_mm[axis]).ceil() as usize)
}

/// The spacing of the coarse models that regions are found with, mm.
const COARSE_MM: [f64; 3] = [6.0; 3];

/// A run of several models, one after the other: the greatest of them, beside the image and its labels, and
/// the common labels and shares on the models' own grid.
fn composed(
    composition: &Composition,
    size: [usize; 3],
    spacing_mm: [f64; 3],
    options: &PredictOptions,
    by: By,
) -> usize {
    let (grid, target_mm) = common_grid(composition, size, spacing_mm);
    let options = PredictOptions { step: options.step.or(composition.run.step), ..options.clone() };
    // Where one model's labels are cleaned up, the probabilities along their borders: of a few voxels.
    let borders = if composition.is_plain() { 4 } else { 0 };
    // The labels' shares, beside them those of the part that is laid over.
    let shares = match (options.label_map_alone, composition.parts.len()) {
        (true, _) => 0,
        (false, 1) => SHARE_BYTES,
        (false, _) => 2 * SHARE_BYTES,
    };
    let each = 2 * size_of::<f32>() + 2 * size_of::<u16>() + borders + shares;
    let kept = grid.iter().product::<usize>() * each;
    let own = |model: &Model| nnunet(model, grid, target_mm, &options, by);
    let parts = kept + composition.parts.iter().map(|part| own(&part.model)).max().unwrap_or(0);
    let run = &composition.run;
    if run.crop.is_none() && run.spacing_mm.is_none() {
        // The models' grid is the image's own.
        return parts;
    }
    // The whole image's channels, as given and as turned, and its labels, by slices and as a map.
    let images = composition.parts.first().map_or(1, |part| part.model.dataset.channels.len());
    let image = size.iter().product::<usize>() * (2 * images * size_of::<f32>() + 2 * size_of::<u16>());
    // The region on its way to the models' grid: cut out, and resampled within its slices.
    let whole_mm = [0, 1, 2].map(|axis| size[axis] as f64 * spacing_mm[axis]);
    let kept_mm = run.crop.as_ref().map_or(whole_mm, |crop| crop.kept_mm(whole_mm));
    let region = sized(kept_mm, spacing_mm);
    let cut = if run.crop.is_some() { region.iter().product::<usize>() * size_of::<f32>() } else { 0 };
    let resampled = cut
        + region[0] * grid[1] * grid[2] * size_of::<f64>()
        + grid.iter().product::<usize>() * images * size_of::<f32>();
    let parts = parts.max(resampled);
    let Some(crop) = &run.crop else { return image + parts };
    // Before the crop a coarse model, taken for one like the first part: which model it is, is only read
    // when it runs. Of one of the catalogue it is known how finely it looks, and at what.
    let known = catalogue::entry(&crop.model);
    let seen_mm = known.and_then(|own| own.crop()).map_or(whole_mm, |own| own.kept_mm(whole_mm));
    let coarse_mm = known.and_then(|own| own.run.spacing_mm).unwrap_or(COARSE_MM);
    let seen = sized(seen_mm, coarse_mm);
    let coarse =
        composition.parts.first().map_or(0, |part| nnunet(&part.model, seen, coarse_mm, &options, by));
    image + parts.max(coarse)
}

/// A run of a model of nnU-Net: the greater of a cascade's stages.
fn nnunet(model: &Model, size: [usize; 3], spacing_mm: [f64; 3], options: &PredictOptions, by: By) -> usize {
    let plan = &model.plan;
    let voxels: usize = size.iter().product();
    let channels = plan.architecture.input_channels;
    let classes = plan.architecture.classes;
    let images = model.dataset.channels.len();
    let offset = 3 - plan.dimensions;
    let previous = plan.previous_stage.as_ref().map(|_| plan.resample_labels);
    // The channels as given and as turned, and the labels by slices and as a map; those of a stage before.
    let maps = if previous.is_some() { 3 } else { 2 };
    let given = voxels * (2 * images * size_of::<f32>() + maps * size_of::<u16>());
    let prepared = plan.preprocessing.peak_bytes(size, spacing_mm, channels, previous);
    let window = super::nnunet::window::Window {
        patch: &plan.patch[offset..],
        step: options.step.unwrap_or(0.5),
        mirror_axes: if options.no_mirror { &[] } else { &model.mirror_axes },
        mirror_swaps: &[],
        classes,
        needed: None,
        background: true,
    };
    let network_size = plan.preprocessing.network_size(size, spacing_mm);
    let kept = channels * network_size.iter().product::<usize>() * size_of::<f32>();
    let plane = network_size[1] * network_size[2] * classes * size_of::<f32>();
    // Planes on their way back: those gathered, and those that wait for it; all in half precision where the
    // axes are turned.
    let turned = plan.transpose_backward[0] != 0;
    let on_the_way = 12 + waiting(plane / size_of::<f32>());
    let back = if turned { plane / 2 * network_size[0] } else { 0 } + on_the_way * plane;
    let [_, rows, columns] = network_size;
    let depth = if plan.dimensions == 3 { plan.patch[0] } else { 1 };
    let summed = window.peak_bytes(network_size, channels);
    let window = match by {
        By::Graphics => summed_beside_graphics(rows * columns, depth, classes, summed),
        By::Processor => summed,
    };
    let running = kept + window + back + network(&plan.architecture, plan.patch, model.folds(), by);
    let own = given + prepared.max(running);
    model.previous.as_ref().map_or(own, |previous| own.max(nnunet(previous, size, spacing_mm, options, by)))
}

/// Bytes of the networks of so many folds, and of what one of them takes for a patch.
fn network(architecture: &Architecture, patch: [usize; 3], folds: usize, by: By) -> usize {
    match by {
        By::Processor => CpuNetwork::peak_bytes(architecture, patch, rayon::current_num_threads(), folds),
        // As they were read, should the device fail.
        By::Graphics => {
            let weights = usize::try_from(architecture.weights()).unwrap_or(usize::MAX);
            folds.saturating_mul(weights).saturating_mul(size_of::<f32>())
        }
    }
}

/// Bytes of a window's sums beside a graphics device: planes on their way back from it, and their weights;
/// where it has no room for them, all that is `summed` in memory.
fn summed_beside_graphics(plane: usize, depth: usize, classes: usize, summed: usize) -> usize {
    if device_bytes(plane, depth, classes) == 0 {
        return summed;
    }
    back_bytes(plane, classes) + 2 * (depth + 1) * plane * size_of::<f32>()
}

/// A run of a model of our own kind.
fn own(package: &ModelPackage, size: [usize; 3], spacing_mm: [f64; 3], by: By) -> usize {
    let voxels: usize = size.iter().product();
    let extent: f64 = (0..3).map(|axis| size[axis] as f64 * spacing_mm[axis]).product();
    let model_voxel: f64 = package.input.spacing_mm.iter().product();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number of voxels"
    )]
    let model_voxels = (extent / model_voxel).ceil() as usize;
    let classes = package.architecture.classes;
    let patch: usize = package.patch.iter().product();
    // The sum over the window is as deep as a patch, and never more than the image; beside the classes
    // it holds two sums of weights.
    let deep = (package.patch[0] as f64 * package.input.spacing_mm[0]) / (size[0] as f64 * spacing_mm[0]);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number of voxels"
    )]
    let sum = ((model_voxels as f64 * deep) as usize).max(patch) * (classes + 2) * size_of::<f32>();
    let probabilities = model_voxels * (classes * size_of::<half::f16>() + 2 * size_of::<f32>());
    let mirrored = if package.inference.mirror_axes.is_empty() { 0 } else { 2 };
    let tiles = mirrored * patch * classes * size_of::<f32>();
    let network = network(&package.architecture, package.patch, 1, by);
    let voxels_along = |axis: usize| size[axis] as f64 * spacing_mm[axis] / package.input.spacing_mm[axis];
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an image's size")]
    let plane = (voxels_along(1).ceil() * voxels_along(2).ceil()) as usize;
    let summed = match by {
        By::Graphics => summed_beside_graphics(plane, package.patch[0], classes, sum + tiles),
        By::Processor => sum + tiles,
    };
    // The body's search and mask, and the label map.
    voxels * 8 + summed + probabilities + network
}

/// Memory that the machine has for a run, where the system tells (Linux): what is free, and what networks
/// kept from earlier runs give up for it.
#[must_use]
pub fn available_bytes() -> Option<u64> {
    free_bytes().map(|free| free + super::kept::bytes())
}

/// Memory that is free, where the system tells (Linux).
pub(super) fn free_bytes() -> Option<u64> {
    available(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

/// A sentence with the remedy when a run needs more than there is.
///
/// # Errors
/// That sentence.
pub fn check(needed: u64, available: Option<u64>) -> Result<(), String> {
    match available {
        Some(available) if needed > available => Err(format!(
            "the model needs about {} MB of memory and {} MB are free; close other programs, or crop the images",
            needed / 1_000_000,
            available / 1_000_000
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_refused_only_where_memory_is_known_to_lack() {
        assert!(check(2_000_000, Some(1_000_000)).unwrap_err().contains("2 MB"));
        assert!(check(2_000_000, Some(3_000_000)).is_ok());
        assert!(check(2_000_000, None).is_ok());
    }

    /// Sums that a graphics device has no room for lie in memory: 128 planes of 512 x 512 x 118 numbers are
    /// more than many machines have. Those of 3 mm stay on the device.
    #[test]
    fn sums_that_stay_in_memory_are_reckoned_with_on_a_graphics_device() {
        let (large, small) = (512 * 512, 167 * 167);
        let summed = |plane: usize| 129 * plane * 118 * 4;
        assert_eq!(summed_beside_graphics(large, 128, 118, summed(large)), summed(large));
        assert!(summed_beside_graphics(small, 128, 118, summed(small)) < summed(small) / 3);
    }

    /// An image that is much finer than its models' grid: it and its labels take what they take.
    #[test]
    fn an_image_is_reckoned_with_however_coarse_its_models_are() {
        use crate::ai::catalogue::{FetchOptions, entry, fetch};
        use crate::geometry::{Grid, Point3, Vector3};
        use crate::patient::{Unit, Voxels};
        let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/catalogue");
        let target = tempfile::tempdir().unwrap();
        let from = Some(files.to_string_lossy().into_owned());
        let options = FetchOptions { from, target: Some(target.path().to_owned()), force: false };
        let fetched = fetch(entry("total_fastest").unwrap(), &options, &crate::progress::Progress::new());
        let package = fetched.unwrap().packages.pop().unwrap();
        let run = &package.composition.as_ref().unwrap().run;
        assert!(run.crop.is_none() && run.spacing_mm.is_some());
        let bytes = |dims: [usize; 3]| {
            let mm = [480.0, 480.0, 600.0];
            let steps = [0, 1, 2].map(|axis| {
                Vector3::from_fn(|n, _| if n == axis { mm[axis] / dims[axis] as f64 } else { 0.0 })
            });
            let grid = Grid::new(dims, Point3::origin(), steps).unwrap();
            // Nothing but the grid is looked at.
            let voxels = Voxels::I16(Vec::new());
            let volume = Volume { grid, voxels, unit: Unit::Hu, slices: Vec::new(), native: None };
            estimate_bytes(&volume, &package, &PredictOptions::default())
        };
        let (fine, coarse) = ([512, 512, 1500], [80, 80, 100]);
        let voxels = |dims: [usize; 3]| dims.iter().product::<usize>() as u64;
        let more = 12 * (voxels(fine) - voxels(coarse));
        assert!(bytes(fine) >= bytes(coarse) + more, "{} {} {more}", bytes(fine), bytes(coarse));
        assert!(bytes(fine) < bytes(coarse) + 2 * more, "{} {} {more}", bytes(fine), bytes(coarse));
    }

    /// A second stage runs beside the labels of the first.
    #[test]
    fn a_cascade_s_labels_are_reckoned_with() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/nnunet/cascade/nnUNetTrainer__nnUNetPlans__3d_cascade_fullres");
        let cascade = ModelPackage::load(&folder).unwrap().nnunet.unwrap();
        let mut alone = cascade.clone();
        (alone.previous, alone.plan.previous_stage) = (None, None);
        let size = [133, 512, 512];
        let bytes = |model: &Model| nnunet(model, size, [1.5; 3], &PredictOptions::default(), By::Processor);
        let labels = size.iter().product::<usize>() * size_of::<i16>();
        assert!(bytes(&cascade) >= bytes(&alone) + labels, "{} {}", bytes(&cascade), bytes(&alone));
    }

    /// The sums of a TotalSegmentator-sized model of 3 mm on a chest, and what makes labels of them.
    #[test]
    fn what_stays_on_a_graphics_device_is_bounded_by_the_patch() {
        let plane = 120 * 120 * 118 * 4;
        let bytes = device_bytes(120 * 120, 128, 118);
        assert!(bytes > 2 * 128 * plane && bytes < 2 * 128 * plane + (700 << 20), "{bytes}");
    }

    #[test]
    fn free_memory_is_read_as_the_system_writes_it() {
        let text = "MemTotal:       24607188 kB\nMemFree:  1 kB\nMemAvailable:   21240656 kB\n";
        assert_eq!(available(text), Some(21_240_656 * 1024));
        assert_eq!(available("MemTotal: 1 kB"), None);
    }
}
