//! How much work a model is on a scan, and how fast this machine does such work: for saying how long
//! it will take before it starts.
//!
//! The work is a number of passes of the network over its patch (windows, mirror images, folds, the
//! stages of a cascade, the parts of a composed model and what it crops on); skipped empty patches are
//! not foreseen, so the number is an upper bound but where a region that is found first is thought to
//! be of an adult's usual size.

use super::engine::Engine;
use super::network::{Architecture, Network};
use super::nnunet::resample::new_size;
use super::nnunet::window::starts;
use super::nnunet::{Composition, Model};
use super::orient::Oriented;
use super::package::ModelPackage;
use super::predict::{PredictError, on_model_thread};
use crate::device::DeviceChoice;
use crate::geometry::Grid;
use crate::progress::Progress;
use std::time::Instant;

/// The work of a model on a scan.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Workload {
    /// Passes of a network over a patch.
    pub passes: u64,
    /// Multiply-accumulate operations of all of them.
    pub macs: f64,
}

/// In which manner a package's networks run, in words: patch, step and mirrored axes, and how many folds;
/// of several models each that differs from the one before. How long one took tells nothing of another.
#[must_use]
pub fn manner(package: &ModelPackage) -> String {
    let words = |patch: [usize; 3], step: f64, axes: &[usize], folds: usize| {
        let [z, y, x] = patch;
        let folds = if folds > 1 { format!(", {folds} folds") } else { String::new() };
        format!("{z} x {y} x {x} by {step} mirrored {axes:?}{folds}")
    };
    let of = |model: &Model, step: f64| {
        let stages = model.previous.as_deref().into_iter().chain([model]);
        let stages = stages.map(|own| words(own.plan.patch, step, &own.mirror_axes, own.folds()));
        stages.collect::<Vec<_>>().join(", then ")
    };
    match (&package.nnunet, &package.composition) {
        (_, Some(composition)) => {
            let step = composition.run.step.unwrap_or(NNUNET_STEP);
            let mut parts: Vec<String> = composition.parts.iter().map(|part| of(&part.model, step)).collect();
            parts.dedup();
            parts.join("; ")
        }
        (Some(model), None) => of(model, NNUNET_STEP),
        (None, None) => words(package.patch, package.inference.step, &package.inference.mirror_axes, 1),
    }
}

impl Workload {
    /// The work of one of `packages` on a scan of this grid, for these organs (all where none is named);
    /// `body_mm` is the size of the body across ([`super::regions::SeenRegions::body_mm`]), 0 where it
    /// is not known. A model that it crops on is looked for among `packages`, too.
    #[must_use]
    pub fn of(
        package: &ModelPackage,
        organs: &[String],
        packages: &[ModelPackage],
        grid: &Grid,
        body_mm: [f64; 2],
    ) -> Self {
        if grid.is_empty() {
            return Self::default();
        }
        match (&package.nnunet, &package.composition) {
            (_, Some(composition)) => {
                return Self::of_composed(package, composition, organs, packages, &Lattice::of(grid));
            }
            (Some(model), None) => return Self::of_nnunet(model, &Lattice::of(grid), NNUNET_STEP),
            (None, None) => {}
        }
        let oriented = Oriented::new(grid);
        let mut size = [0; 3];
        for (axis, size) in size.iter_mut().enumerate() {
            let patient = 2 - axis;
            let scan_mm = as_f64(oriented.size[patient] - 1) * oriented.spacing_mm[patient];
            // Outside the body is cut off where the model is given air there.
            let body_mm = body_mm.get(patient).copied().filter(|mm| *mm > 0.0);
            let kept_mm = match (package.input.outside_body_hu, body_mm) {
                (Some(_), Some(body_mm)) => body_mm.min(scan_mm),
                _ => scan_mm,
            };
            *size = voxels(kept_mm / package.input.spacing_mm[axis]) + 1;
        }
        let tiles = tiles(size, package.patch, package.inference.step);
        let passes = tiles << package.inference.mirror_axes.len();
        Self::passes(passes, &package.architecture, package.patch)
    }

    fn passes(passes: usize, architecture: &Architecture, patch: [usize; 3]) -> Self {
        let passes = u64::try_from(passes).unwrap_or(u64::MAX);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        Self { passes, macs: passes as f64 * architecture.macs(patch) as f64 }
    }

    /// The parts that a wanted organ needs, over what is cropped to at the common spacing, and before
    /// them the model that tells where to crop.
    fn of_composed(
        package: &ModelPackage,
        composition: &Composition,
        organs: &[String],
        packages: &[ModelPackage],
        image: &Lattice,
    ) -> Self {
        let run = &composition.run;
        let mut total = Self::default();
        let mut kept = *image;
        if let Some(crop) = &run.crop {
            let coarse = packages.iter().find(|package| package.id == crop.model);
            if let Some(coarse) = coarse {
                total = match (&coarse.nnunet, &coarse.composition) {
                    (_, Some(own)) if ends(own, packages) => {
                        Self::of_composed(coarse, own, &crop.organs, packages, image)
                    }
                    (Some(model), None) => Self::of_nnunet(model, image, NNUNET_STEP),
                    _ => total,
                };
            }
            kept = image.cropped(crop.kept_mm(image.extent_mm()));
        }
        if let Some(spacing_mm) = run.spacing_mm {
            kept = kept.at(spacing_mm);
        }
        let is_wanted = |value: u16| {
            let label = package.label(value);
            organs.is_empty() || label.is_some_and(|label| organs.contains(&label.name))
        };
        let wanted = |values: &[u16]| values.iter().any(|value| *value != 0 && is_wanted(*value));
        let parts = composition.parts.iter().filter(|part| wanted(&part.values));
        parts.fold(total, |sum, part| {
            sum.with(Self::of_nnunet(&part.model, &kept, run.step.unwrap_or(NNUNET_STEP)))
        })
    }

    fn with(self, other: Self) -> Self {
        Self { passes: self.passes + other.passes, macs: self.macs + other.macs }
    }

    fn of_nnunet(model: &Model, image: &Lattice, step: f64) -> Self {
        let plan = &model.plan;
        let axes = plan.preprocessing.transpose_forward;
        let (size, from_mm) = (axes.map(|axis| image.size[axis]), axes.map(|axis| image.spacing_mm[axis]));
        let mut to_mm = from_mm;
        for (to, own) in to_mm.iter_mut().rev().zip(plan.preprocessing.spacing_mm.iter().rev()) {
            *to = *own;
        }
        let size = match plan.preprocessing.resampling {
            Some(_) => new_size(size, from_mm, to_mm),
            None => size,
        };
        let tiles = match plan.dimensions {
            2 => size[0] * tiles([1, size[1], size[2]], plan.patch, step),
            _ => tiles(size, plan.patch, step),
        };
        let own =
            Self::passes((tiles << model.mirror_axes.len()) * model.folds(), &plan.architecture, plan.patch);
        let before = model.previous.as_ref().map(|first| Self::of_nnunet(first, image, step));
        own.with(before.unwrap_or_default())
    }
}

/// Whether what a model crops on, if anything, looks at the whole image: it can be cropped on then.
fn ends(composition: &Composition, packages: &[ModelPackage]) -> bool {
    let before = composition.run.crop.as_ref();
    let before = before.and_then(|crop| packages.iter().find(|package| package.id == crop.model));
    before.is_none_or(|package| package.crops_on().is_none())
}

/// nnU-Net's own step of the window, as a share of the patch.
const NNUNET_STEP: f64 = 0.5;

/// An image's voxels in the patient's directions, (z, y, x).
#[derive(Debug, Clone, Copy)]
struct Lattice {
    size: [usize; 3],
    spacing_mm: [f64; 3],
}

impl Lattice {
    fn of(grid: &Grid) -> Self {
        let oriented = Oriented::new(grid);
        let ([nx, ny, nz], [x, y, z]) = (oriented.size, oriented.spacing_mm);
        Self { size: [nz, ny, nx], spacing_mm: [z, y, x] }
    }

    fn extent_mm(&self) -> [f64; 3] {
        std::array::from_fn(|axis| as_f64(self.size[axis]) * self.spacing_mm[axis])
    }

    /// A part of this extent.
    fn cropped(&self, extent_mm: [f64; 3]) -> Self {
        let size = std::array::from_fn(|axis| voxels(extent_mm[axis] / self.spacing_mm[axis]).max(1));
        Self { size, ..*self }
    }

    /// The same at another spacing.
    fn at(&self, spacing_mm: [f64; 3]) -> Self {
        Self { spacing_mm, ..*self }.cropped(self.extent_mm())
    }
}

/// Windows that cover an array.
fn tiles(size: [usize; 3], patch: [usize; 3], step: f64) -> usize {
    [0, 1, 2].map(|axis| starts(size[axis].max(1), patch[axis], step).len()).iter().product()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive size")]
fn voxels(count: f64) -> usize {
    count.round().clamp(0.0, 1e6) as usize
}

#[expect(clippy::cast_precision_loss, reason = "image dimensions are far below 2^52")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

/// How fast a device runs a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Speed {
    /// Multiply-accumulate operations a second.
    pub macs_per_second: f64,
    /// The device, in words.
    pub device: String,
}

/// The work of one pass that is measured on a CPU at most: half a second on a slow one.
const MEASURED_MACS: u64 = 4_000_000_000;

/// Runs a network of this shape, of random weights, over a patch of zeros twice and times the second
/// time (the first compiles and tunes kernels on a graphics device). On a CPU a smaller patch will
/// do. Waits while a model runs; blocks, so call it from a job.
///
/// # Errors
/// [`PredictError`] when the shape cannot be built or someone asked to stop.
pub fn measure_speed(
    architecture: &Architecture,
    patch: [usize; 3],
    choice: DeviceChoice,
    progress: &Progress,
) -> Result<Speed, PredictError> {
    on_model_thread(progress, || {
        progress.check()?;
        progress.set_step("Measuring the speed of this machine");
        let network = Network::random(architecture.clone(), 7)
            .map_err(|error| PredictError::Crashed(error.to_string()))?;
        let mut engine = Engine::new(network, choice)?;
        progress.check()?;
        // As a run does: a graphics device finds its best way first, or turns out to be too small.
        engine.prepare(patch, &progress.part(0.0, 0.4))?;
        let is_cpu = engine.device().starts_with("CPU");
        let patch = if is_cpu { smaller(architecture, patch) } else { patch };
        let values = vec![0.0; architecture.input_channels * patch.iter().product::<usize>()];
        engine.forward(&values, patch)?;
        progress.set_fraction(0.5)?;
        let started = Instant::now();
        engine.forward(&values, patch)?;
        let seconds = started.elapsed().as_secs_f64().max(1e-6);
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let macs_per_second = architecture.macs(patch) as f64 / seconds;
        Ok(Speed { macs_per_second, device: engine.device().to_owned() })
    })
}

/// The patch halved along its longest side until it is little work; no side below twice what the
/// network's strides ask for.
fn smaller(architecture: &Architecture, mut patch: [usize; 3]) -> [usize; 3] {
    let divisor = architecture.divisor();
    while architecture.macs(patch) > MEASURED_MACS {
        let longest = (0..3)
            .filter(|axis| patch[*axis] >= 4 * divisor[*axis])
            .max_by_key(|axis| patch[*axis] / divisor[*axis]);
        let Some(axis) = longest else { break };
        patch[axis] = (patch[axis] / 2).div_ceil(divisor[axis]) * divisor[axis];
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Point3, Vector3};

    fn grid(dims: [usize; 3], spacing_mm: [f64; 3]) -> Grid {
        let steps =
            [Vector3::x() * spacing_mm[0], Vector3::y() * spacing_mm[1], Vector3::z() * spacing_mm[2]];
        Grid::new(dims, Point3::origin(), steps).unwrap()
    }

    #[test]
    fn windows_over_the_body_are_counted() {
        let (packages, _) = ModelPackage::list();
        let package = packages.iter().find(|package| package.id == "head-neck").unwrap();
        // 3.906 mm, patches of 48 voxels half a patch apart: 500 mm are 129 voxels, 5 windows; 300 mm
        // of 2.5 mm slices are 121 voxels, 5 windows; each as it is and mirrored.
        let scan = grid([513, 513, 101], [500.0 / 512.0, 500.0 / 512.0, 3.0]);
        let whole = Workload::of(package, &[], &packages, &scan, [0.0; 2]);
        assert_eq!(whole.passes, 2 * 5 * 5 * 5);
        // A body 300 mm wide and 180 mm deep: 78 and 47 voxels, 3 windows and 1.
        let body = Workload::of(package, &[], &packages, &scan, [300.0, 180.0]);
        assert_eq!(body.passes, 2 * 5 * 3);
        assert!((whole.macs / body.macs - 125.0 / 15.0).abs() < 1e-9);
        let none = Workload::of(package, &[], &packages, &grid([0, 5, 5], [1.0; 3]), [0.0; 2]);
        assert_eq!(none, Workload::default());
    }

    #[test]
    fn the_manner_of_a_model_is_its_patch_step_mirrors_and_folds() {
        let (packages, _) = ModelPackage::list();
        let mut own = packages.into_iter().find(|package| package.id == "head-neck").unwrap();
        assert_eq!(manner(&own), "48 x 48 x 48 by 0.5 mirrored [2]");
        own.patch = [32, 48, 48];
        own.inference.mirror_axes.clear();
        assert_eq!(manner(&own), "32 x 48 x 48 by 0.5 mirrored []");
        let target = tempfile::tempdir().unwrap();
        let composed = installed("headneck_muscles", target.path());
        let told = manner(&composed);
        assert_eq!(told.split("; ").count(), 1, "its parts run alike: {told}");
    }

    /// A model of the catalogue, made of the fixtures' files.
    fn installed(id: &str, target: &std::path::Path) -> ModelPackage {
        use crate::ai::catalogue::{FetchOptions, entry, fetch};
        let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/catalogue");
        let from = Some(files.to_string_lossy().into_owned());
        let options = FetchOptions { from, target: Some(target.to_owned()), force: false };
        fetch(entry(id).unwrap(), &options, &Progress::new()).unwrap().packages.last().unwrap().clone()
    }

    #[test]
    fn parts_steps_and_the_region_of_composed_models_are_counted() {
        let target = tempfile::tempdir().unwrap();
        let mut packages: Vec<_> =
            ["total_fastest", "headneck_muscles"].map(|id| installed(id, target.path())).into();
        let scan = grid([500, 400, 450], [1.0, 1.0, 2.0]);
        let work = |packages: &[ModelPackage], id: &str, organs: &[&str]| {
            let package = packages.iter().find(|package| package.id == id).unwrap();
            let organs: Vec<String> = organs.iter().map(|organ| (*organ).to_owned()).collect();
            Workload::of(package, &organs, packages, &scan, [0.0; 2]).passes
        };
        // The coarse model: its only part over the whole image at 6 mm.
        let tiles_of = |package: &ModelPackage, extent_mm: [f64; 3]| -> Vec<u64> {
            let run = &package.composition.as_ref().unwrap().run;
            let parts = &package.composition.as_ref().unwrap().parts;
            let windows = |part: &crate::ai::nnunet::composition::Part| {
                let plan = &part.model.plan;
                let mut count = 1;
                for (axis, extent_mm) in extent_mm.into_iter().enumerate() {
                    let spacing_mm = run.spacing_mm.unwrap()[axis];
                    let size = (extent_mm / spacing_mm).round();
                    let size = (size * spacing_mm / plan.preprocessing.spacing_mm[axis]).round();
                    let (patch, step) = (as_f64(plan.patch[axis]), run.step.unwrap_or(0.5));
                    let steps = ((size - patch).max(0.0) / (patch * step)).ceil();
                    count *= voxels(steps + 1.0) as u64;
                }
                count << part.model.mirror_axes.len()
            };
            parts.iter().map(windows).collect()
        };
        let coarse = tiles_of(&packages[0], [900.0, 400.0, 500.0]);
        assert_eq!(work(&packages, "total_fastest", &[]), coarse[0]);
        // Two parts over the neck of an adult with its margin, 270 x 200 x 380 mm.
        let neck = tiles_of(&packages[1], [270.0, 200.0, 380.0]);
        assert_eq!(neck.len(), 2);
        assert_eq!(work(&packages, "headneck_muscles", &[]), coarse[0] + neck[0] + neck[1]);
        // An organ of the second part needs that alone.
        let name = |part: usize| {
            let value = packages[1].composition.as_ref().unwrap().parts[part].values[1];
            packages[1].label(value).unwrap().name.clone()
        };
        let (first, second) = (name(0), name(1));
        assert_eq!(work(&packages, "headneck_muscles", &[&second]), coarse[0] + neck[1]);
        assert_eq!(work(&packages, "headneck_muscles", &[&first, &second]), coarse[0] + neck[0] + neck[1]);
        // Where nothing is said of the region's size, the image is reckoned with.
        let whole = tiles_of(&packages[1], [900.0, 400.0, 500.0]);
        packages[1].composition.as_mut().unwrap().run.crop.as_mut().unwrap().typical_mm = None;
        assert_eq!(work(&packages, "headneck_muscles", &[]), coarse[0] + whole[0] + whole[1]);
        assert!(whole[0] > neck[0]);
    }

    #[test]
    fn what_is_measured_is_little_work_of_the_same_kind() {
        let strides = std::iter::once([1; 3]).chain([[2; 3]; 5]).collect();
        let features = vec![32, 64, 128, 256, 320, 320];
        let large = Architecture::plain(1, features, strides, vec![[3; 3]; 6], 2, 118);
        let patch = smaller(&large, [128; 3]);
        assert!(patch.iter().all(|side| *side >= 64 && side % 32 == 0), "{patch:?}");
        assert!(large.macs(patch) < large.macs([128; 3]) / 4);
        let small = Architecture::plain(1, vec![4, 8], vec![[1; 3], [2; 3]], vec![[3; 3]; 2], 1, 2);
        assert_eq!(smaller(&small, [16; 3]), [16; 3]);
        let speed = measure_speed(&small, [16; 3], DeviceChoice::Cpu, &Progress::new()).unwrap();
        assert!(speed.macs_per_second > 0.0 && speed.device.starts_with("CPU"), "{speed:?}");
    }
}
