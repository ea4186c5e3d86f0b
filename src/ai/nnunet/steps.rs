//! What a model makes of a case on the way to its labels, for whoever holds each step beside nnU-Net's own.
//!
//! The same code as [`super::predict`] walks; nothing is rounded, cleaned or left out here. Arrays are in the
//! network's axes, slowest first.

use super::predict::{Case, CaseError, Run, channels};
use super::preprocess::Geometry;
use super::tiles::Layout;
use super::window::{Window, run_on};
use crate::ai::engine::Engine;
use crate::ai::package::ModelPackage;
use crate::ai::predict::on_model_thread;
use crate::ai::{PredictError, PredictOptions};
use crate::new_file::WriteFileError;
use crate::patient::Volume;
use crate::progress::Progress;

/// One step, handed over as soon as it is there: the input, then the tile, then the planes.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// The network's input before padding, `[channel][z][y][x]`; of a cascade's second stage the first
    /// one's labels follow the images.
    Input {
        /// The values.
        values: &'a [f32],
        /// Sizes.
        frame: &'a Frame,
    },
    /// The folds' mean logits of one tile, mirrored as the options say, `[z][y][x][class]`.
    Tile {
        /// The logits.
        logits: &'a [f32],
        /// Sizes.
        frame: &'a Frame,
    },
    /// A plane of the weighted mean of all tiles' logits, without padding, `[y][x][class]`, in order.
    Plane {
        /// Its place along the first axis.
        index: usize,
        /// The logits.
        logits: &'a [f32],
        /// Sizes.
        frame: &'a Frame,
    },
}

/// Sizes of all that is handed over.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Where the input lies in the image.
    pub geometry: Geometry,
    /// Channels of the input.
    pub channels: usize,
    /// Outputs of the network.
    pub classes: usize,
    /// The patch; 2D: 1 along the first axis.
    pub patch: [usize; 3],
    /// The input with the zeros around it, where it is smaller than the patch.
    pub padded: [usize; 3],
    /// Zeros before it.
    pub padding: [usize; 3],
    /// First voxels of the tiles along each axis, in the padded input.
    pub starts: [Vec<usize>; 3],
    /// First voxel of the tile that is handed over.
    pub tile: [usize; 3],
    /// Axes that are mirrored and averaged, 0 = z.
    pub mirror_axes: Vec<usize>,
}

/// Runs a model of nnU-Net (one network, or its folds; of a cascade the last stage) over the images of
/// `options`, or the volume, and hands each step over. The tile is the one whose first voxel in the padded
/// input is `tile`, or the middle one of the window's. Gives what the person should know, such as that it
/// did not run where it was asked to.
///
/// # Errors
/// As [`super::predict::predict`]; also when the model is none of nnU-Net's own or is made of several, the
/// tile does not lie in the padded input, or `take` fails.
pub fn steps(
    volume: &Volume,
    package: &ModelPackage,
    options: &PredictOptions,
    tile: Option<[usize; 3]>,
    take: &mut (dyn FnMut(Step<'_>) -> Result<(), WriteFileError> + Send),
    progress: &Progress,
) -> Result<Vec<String>, PredictError> {
    let model = package.nnunet.as_ref().filter(|_| package.composition.is_none());
    let model = model.ok_or_else(|| CaseError::NoSteps { model: package.id.clone() })?;
    let mut take = move |step: Step<'_>| take(step).map_err(CaseError::from);
    on_model_thread(progress, move || {
        let mut case = Case::new(channels(volume, package, model, options)?, options);
        let turned = case.turned(volume, model);
        let (previous, progress) = case.previous(volume, model, &turned, progress)?;
        let run = |engine: &mut Engine, run: Run<'_>| {
            let Run { values, export, window, progress } = run;
            let geometry = export.geometry;
            let layout = Layout::new::<CaseError>(values, geometry.size, &window)?;
            let frame = frame(&layout, geometry, window, tile)?;
            take(Step::Input { values, frame: &frame })?;
            let mut part = Vec::new();
            layout.cut(values, frame.tile, 0.0, &mut part);
            let mut logits = Vec::with_capacity(part.len() / layout.channels * layout.classes);
            let gather = |_: usize, plane: &[f32]| {
                logits.extend_from_slice(plane);
                Ok::<_, CaseError>(())
            };
            run_on(engine, &part, layout.patch, window, gather, &progress.part(0.0, 0.1))?;
            take(Step::Tile { logits: &logits, frame: &frame })?;
            let planes = |index: usize, logits: &[f32]| take(Step::Plane { index, logits, frame: &frame });
            Ok(run_on(engine, values, geometry.size, window, planes, &progress.part(0.1, 1.0))?)
        };
        case.run(model, &turned, previous.as_deref(), run, &progress)?;
        Ok(case.warnings)
    })
}

fn frame(
    layout: &Layout,
    geometry: Geometry,
    window: Window<'_>,
    tile: Option<[usize; 3]>,
) -> Result<Frame, CaseError> {
    let middle = || std::array::from_fn(|axis| layout.starts[axis][layout.starts[axis].len() / 2]);
    let tile = tile.unwrap_or_else(middle);
    let (patch, padded) = (layout.patch, layout.padded);
    if (0..3).any(|axis| tile[axis].saturating_add(patch[axis]) > padded[axis]) {
        return Err(CaseError::Tile { tile, patch, padded });
    }
    let offset = 3 - window.patch.len();
    Ok(Frame {
        geometry,
        channels: layout.channels,
        classes: layout.classes,
        patch,
        padded,
        padding: layout.shift,
        starts: layout.starts.clone(),
        tile,
        mirror_axes: window.mirror_axes.iter().map(|axis| axis + offset).collect(),
    })
}
