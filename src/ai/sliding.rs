//! The sliding window of the program's own packages: where the body is, and probabilities.
//!
//! As in nnU-Net ([`tiling`](super::tiling)), with probabilities averaged in place of logits (as in
//! models/training), and tiles outside the body left out. Memory is bounded by the window: a plane is
//! kept in half precision as soon as no later tile covers it.

use super::engine::{Engine, EngineError};
use super::nnunet::tiles::Layout;
use super::nnunet::window::{Window as Plan, WindowError};
use super::package::ModelPackage;
use super::preprocess::ModelImage;
use super::tiling::{self, Seen, Tiles};
use crate::progress::{Cancelled, Progress};
use half::f16;

/// Class probabilities on the part of the model grid around the body, with a layer of background
/// around it wherever the grid goes on.
pub(super) struct Probabilities {
    /// First voxel in the model grid, (z, y, x).
    pub low: [usize; 3],
    /// Size, (z, y, x).
    pub size: [usize; 3],
    /// Classes, background included.
    pub classes: usize,
    /// `[z][y][x][class]`.
    pub values: Vec<f16>,
}

/// How the window runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    pub patch: [usize; 3],
    pub step: f64,
    pub sigma: f64,
    pub mirror_axes: &'a [usize],
    /// Classes that change places when x is mirrored.
    pub mirror_swaps: &'a [[usize; 2]],
}

/// Why the window stopped.
#[derive(Debug)]
pub(super) enum SlideError {
    Cancelled(Cancelled),
    Engine(EngineError),
    /// The package's patch or mirror axes are none.
    Plan(&'static str),
}

impl From<WindowError<EngineError>> for SlideError {
    fn from(error: WindowError<EngineError>) -> Self {
        match error {
            WindowError::Cancelled | WindowError::Forward(EngineError::Cancelled(_)) => {
                Self::Cancelled(Cancelled)
            }
            WindowError::Plan(what) => Self::Plan(what),
            WindowError::Forward(error) => Self::Engine(error),
        }
    }
}

/// Weights of one patch: a Gaussian around its middle, 1 at the top and never below a thousandth.
pub(super) fn gaussian(patch: [usize; 3], sigma: f64) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, reason = "patches are at most 512 voxels wide")]
    let axis = |n: usize| -> Vec<f64> {
        (0..n)
            .map(|i| {
                let offset = (i as f64 - (n as f64 - 1.0) / 2.0) / (n as f64 * sigma);
                (-0.5 * offset * offset).exp()
            })
            .collect()
    };
    let [z, y, x] = patch.map(axis);
    let top = [&z, &y, &x].map(|axis| axis.iter().copied().fold(0.0, f64::max)).iter().product::<f64>();
    let mut weights = Vec::with_capacity(patch.iter().product());
    for z in &z {
        for y in &y {
            #[expect(clippy::cast_possible_truncation, reason = "a weight of 0.001 to 1")]
            weights.extend(x.iter().map(|x| ((z * y * x / top) as f32).max(1e-3)));
        }
    }
    weights
}

/// Runs the network over the image.
pub(super) fn run(
    engine: &mut Engine,
    image: &ModelImage,
    package: &ModelPackage,
    window: Window<'_>,
    progress: &Progress,
) -> Result<Probabilities, SlideError> {
    let classes = package.architecture.classes;
    let air = image.values.iter().copied().fold(f32::INFINITY, f32::min);
    let plan = Plan {
        patch: &window.patch,
        step: window.step,
        mirror_axes: window.mirror_axes,
        mirror_swaps: window.mirror_swaps,
        classes,
        needed: None,
        background: true,
    };
    // Where the image is smaller than the patch, air is added on both sides alike.
    let layout = Layout::new(&image.values, image.size, &plan)?;
    let weights = gaussian(window.patch, window.sigma);
    let tiles = Tiles {
        layout: &layout,
        weights: &weights,
        is_softmax: true,
        is_background: true,
        cut: Box::new(|corner, tile| {
            let (low, size) = layout.part(corner);
            if !has_body(image, low, size) {
                return Seen::Background;
            }
            layout.cut(&image.values, corner, air, tile);
            Seen::Needed
        }),
    };
    let mut out = Output::new(image, classes);
    tiling::run(
        engine,
        &tiles,
        &mut |z, plane| {
            out.take(z, plane);
            Ok::<_, EngineError>(())
        },
        progress,
    )?;
    Ok(out.probabilities)
}

/// Whether a part of the image has a voxel of the body.
fn has_body(image: &ModelImage, low: [usize; 3], size: [usize; 3]) -> bool {
    (low[0]..low[0] + size[0]).any(|z| {
        (low[1]..low[1] + size[1]).any(|y| {
            let from = (z * image.size[1] + y) * image.size[2] + low[2];
            image.body[from..from + size[2]].contains(&true)
        })
    })
}

/// The finished probabilities, with their layer of background.
struct Output {
    probabilities: Probabilities,
    /// Voxels of background before the image's first, (z, y, x).
    layer: [usize; 3],
    image_size: [usize; 3],
}

impl Output {
    fn new(image: &ModelImage, classes: usize) -> Self {
        let [nx, ny, nz] = image.grid.dims();
        let grid = [nz, ny, nx];
        let layer = image.low.map(|low| usize::from(low > 0));
        let after = [0, 1, 2].map(|axis| usize::from(image.low[axis] + image.size[axis] < grid[axis]));
        let size = [0, 1, 2].map(|axis| image.size[axis] + layer[axis] + after[axis]);
        let mut values = vec![f16::ZERO; size.iter().product::<usize>() * classes];
        values.iter_mut().step_by(classes).for_each(|background| *background = f16::ONE);
        let low = [0, 1, 2].map(|axis| image.low[axis] - layer[axis]);
        Self { probabilities: Probabilities { low, size, classes, values }, layer, image_size: image.size }
    }

    /// Takes over plane `z` of the image, `[y][x][class]`.
    fn take(&mut self, z: usize, plane: &[f32]) {
        let (classes, size) = (self.probabilities.classes, self.probabilities.size);
        let width = self.image_size[2] * classes;
        for (y, row) in plane.chunks_exact(width).enumerate() {
            let to = ((z + self.layer[0]) * size[1] + y + self.layer[1]) * size[2] + self.layer[2];
            for (value, share) in self.probabilities.values[to * classes..][..width].iter_mut().zip(row) {
                *value = f16::from_f32(*share);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_is_one_in_the_middle_and_never_zero() {
        let weights = gaussian([3, 5, 7], 0.125);
        assert_eq!(weights.len(), 105);
        assert!((weights[52] - 1.0).abs() < 1e-6);
        assert!((weights[0] - 1e-3).abs() < 1e-9);
    }
}
