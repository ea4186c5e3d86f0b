//! How much work a model is on a scan, and how fast this machine does such work: for saying how long
//! it will take before it starts.
//!
//! The work is a number of passes of the network over its patch (windows, mirror images, folds, the
//! stages of a cascade); skipped empty patches are not foreseen, so the number is an upper bound.

use super::engine::Engine;
use super::network::{Architecture, Network};
use super::nnunet::Model;
use super::nnunet::resample::new_size;
use super::nnunet::window::starts;
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

impl Workload {
    /// The work of `package` on a scan of this grid; `body_mm` is the size of the body across
    /// ([`super::regions::SeenRegions::body_mm`]), 0 where it is not known.
    #[must_use]
    pub fn of(package: &ModelPackage, grid: &Grid, body_mm: [f64; 2]) -> Self {
        if grid.is_empty() {
            return Self::default();
        }
        if let Some(model) = &package.nnunet {
            return Self::of_nnunet(model, grid);
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

    fn of_nnunet(model: &Model, grid: &Grid) -> Self {
        let plan = &model.plan;
        let oriented = Oriented::new(grid);
        let ([nx, ny, nz], [x, y, z]) = (oriented.size, oriented.spacing_mm);
        let (size, spacing_mm) = ([nz, ny, nx], [z, y, x]);
        let axes = plan.preprocessing.transpose_forward;
        let (size, from_mm) = (axes.map(|axis| size[axis]), axes.map(|axis| spacing_mm[axis]));
        let mut to_mm = from_mm;
        for (to, own) in to_mm.iter_mut().rev().zip(plan.preprocessing.spacing_mm.iter().rev()) {
            *to = *own;
        }
        let size = match plan.preprocessing.resampling {
            Some(_) => new_size(size, from_mm, to_mm),
            None => size,
        };
        let tiles = match plan.dimensions {
            2 => size[0] * tiles([1, size[1], size[2]], plan.patch, 0.5),
            _ => tiles(size, plan.patch, 0.5),
        };
        let own =
            Self::passes((tiles << model.mirror_axes.len()) * model.folds(), &plan.architecture, plan.patch);
        let before = model.previous.as_ref().map(|first| Self::of_nnunet(first, grid)).unwrap_or_default();
        Self { passes: own.passes + before.passes, macs: own.macs + before.macs }
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
    on_model_thread(|| {
        progress.check()?;
        progress.set_step("Measuring the speed of this machine");
        let network = Network::random(architecture.clone(), 7)
            .map_err(|error| PredictError::Crashed(error.to_string()))?;
        let mut engine = Engine::new(network, choice)?;
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
        // of 2.5 mm slices are 121 voxels, 5 windows.
        let scan = grid([513, 513, 101], [500.0 / 512.0, 500.0 / 512.0, 3.0]);
        let whole = Workload::of(package, &scan, [0.0; 2]);
        assert_eq!(whole.passes, 5 * 5 * 5);
        // A body 300 mm wide and 180 mm deep: 78 and 47 voxels, 3 windows and 1.
        let body = Workload::of(package, &scan, [300.0, 180.0]);
        assert_eq!(body.passes, 5 * 3);
        assert!((whole.macs / body.macs - 125.0 / 15.0).abs() < 1e-9);
        assert_eq!(Workload::of(package, &grid([0, 5, 5], [1.0; 3]), [0.0; 2]), Workload::default());
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
