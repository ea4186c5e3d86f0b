//! A model's whole way over one case, as nnU-Net goes it.
//!
//! The image's array goes in as nnU-Net's reader hands it over ([`ChannelImage`]); no clean-up, no
//! skipped patches. Folds' logits are averaged; of a cascade the first stage's label map, on the
//! image's own voxels, is the second's further input.

use super::composed;
use super::dataset::Structure;
use super::export::{Decision, Export, ExportError, Slice};
use super::image::ChannelImage;
use super::model::Model;
use super::outlines::{Outliner, Planes};
use super::preprocess::{PreprocessError, PreviousStage, preprocess};
use super::stream::{self, MakeError};
use super::window::{self, Needed, Window, WindowError};
use crate::ai::engine::{Engine, EngineError};
use crate::ai::kept;
use crate::ai::package::{Label, ModelPackage, PackageError};
use crate::ai::presence::{Present, Traced, present};
use crate::ai::{PredictOptions, Prediction, Timings};
use crate::new_file::WriteFileError;
use crate::patient::{LabelMap, Volume};
use crate::progress::{Cancelled, Progress};
use std::time::Instant;

/// Why a model of nnU-Net has no result for a case.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The weights cannot be used, or a model that this one crops on.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The device cannot be used.
    #[error(transparent)]
    Engine(EngineError),
    /// Too few or too many images.
    #[error(
        "the model {model} takes {wanted} images ({names}) and {given} given; name each with --channel N=PATH"
    )]
    Channels {
        /// The model.
        model: String,
        /// How many.
        wanted: usize,
        /// The channels' names.
        names: String,
        /// How many there are, in words.
        given: String,
    },
    /// The images are not of one size.
    #[error("the model's images differ in size: {0:?} and {1:?} voxels; they must lie on one grid")]
    Sizes([usize; 3], [usize; 3]),
    /// The images cannot be made a network's input.
    #[error(transparent)]
    Preprocess(PreprocessError),
    /// The window cannot run over them.
    #[error("the model's window cannot run: {0}")]
    Window(&'static str),
    /// The logits cannot be brought back.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Its steps cannot be looked at.
    #[error(
        "the steps of the model {model} cannot be shown one by one: it is none of nnU-Net's own, or made of \
         several; choose a training folder of nnU-Net or a model imported from one"
    )]
    NoSteps {
        /// The model.
        model: String,
    },
    /// A tile lies outside.
    #[error(
        "the tile of {patch:?} voxels at {tile:?} does not lie in the padded input of {padded:?}; choose \
         another first voxel (z, y, x)"
    )]
    Tile {
        /// Its first voxel.
        tile: [usize; 3],
        /// Its size.
        patch: [usize; 3],
        /// The padded input's size.
        padded: [usize; 3],
    },
    /// A step cannot be written.
    #[error(transparent)]
    Write(#[from] WriteFileError),
}

impl From<PreprocessError> for CaseError {
    fn from(error: PreprocessError) -> Self {
        match error {
            PreprocessError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other => Self::Preprocess(other),
        }
    }
}

impl From<EngineError> for CaseError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other @ (EngineError::NoGpu(_) | EngineError::Memory { .. }) => Self::Engine(other),
        }
    }
}

impl From<WindowError<CaseError>> for CaseError {
    fn from(error: WindowError<CaseError>) -> Self {
        match error {
            WindowError::Cancelled => Self::Cancelled(Cancelled),
            WindowError::Plan(what) => Self::Window(what),
            WindowError::Forward(error) => error,
        }
    }
}

/// One run of a model: what it runs on and what it tells on the way.
pub(super) struct Case<'a> {
    pub channels: Vec<ChannelImage>,
    pub options: &'a PredictOptions,
    /// Patches of the image all below this are left out, in the image's units.
    pub empty_below: Option<f64>,
    pub device: String,
    pub warnings: Vec<String>,
    pub timings: Timings,
}

/// Runs a model over the images of `options`, or over the volume where there are none.
///
/// # Errors
/// [`CaseError`] when the images are not what the model takes, its weights cannot be used, or someone
/// asked to stop.
pub(in crate::ai) fn predict(
    volume: &Volume,
    package: &ModelPackage,
    model: &Model,
    options: &PredictOptions,
    progress: &Progress,
) -> Result<Prediction, CaseError> {
    if let Some(composition) = &package.composition {
        return composed::predict(volume, package, model, composition, options, progress);
    }
    let mut case = Case::new(channels(volume, package, model, options)?, options);
    let turned = case.turned(volume, model);
    let (previous_labels, progress) = case.previous(volume, model, &turned, progress)?;
    let wanted = wanted(package, &model.dataset.structures, options);
    let outliner = Outliner { volume, image: &turned[0], dataset: &model.dataset, wanted: &wanted };
    let stage_progress = progress.part(0.0, 0.98);
    if options.label_map_alone {
        let labels = case.labels(model, &turned, previous_labels.as_deref(), &stage_progress)?;
        let [_, ny, nx] = turned[0].size;
        let map = outliner.map(labels.chunks_exact((ny * nx).max(1)));
        let gathered = (map, Planes::new());
        return Ok(case.prediction(volume, package, &model.dataset.structures, &wanted, gathered));
    }
    let slices = case.stage(
        model,
        &turned,
        previous_labels.as_deref(),
        |slice| outliner.slice(slice),
        &stage_progress,
    )?;
    let started = Instant::now();
    let gathered = outliner.gather(slices, None);
    case.timings.postprocess += started.elapsed().as_secs_f64();
    Ok(case.prediction(volume, package, &model.dataset.structures, &wanted, gathered))
}

/// The images given, or the volume itself for a model of one channel.
pub(super) fn channels(
    volume: &Volume,
    package: &ModelPackage,
    model: &Model,
    options: &PredictOptions,
) -> Result<Vec<ChannelImage>, CaseError> {
    let names = &model.dataset.channels;
    let mut channels = options.channels.clone();
    if channels.is_empty() && names.len() == 1 {
        channels.push(ChannelImage::of_volume(volume));
    }
    if channels.len() != names.len() {
        let given = match channels.len() {
            0 | 1 => "one is".to_owned(),
            count => format!("{count} are"),
        };
        let names = names.join(", ");
        let (model, wanted) = (package.id.clone(), model.dataset.channels.len());
        return Err(CaseError::Channels { model, wanted, names, given });
    }
    if let Some(other) = channels.iter().find(|other| other.size != channels[0].size) {
        return Err(CaseError::Sizes(channels[0].size, other.size));
    }
    Ok(channels)
}

impl<'a> Case<'a> {
    pub(super) fn new(channels: Vec<ChannelImage>, options: &'a PredictOptions) -> Self {
        Self {
            channels,
            options,
            empty_below: None,
            device: String::new(),
            warnings: Vec::new(),
            timings: Timings::default(),
        }
    }

    /// The ROIs and, where asked for, the label map of what was wanted; tells what is missing.
    pub(super) fn prediction(
        mut self,
        volume: &Volume,
        package: &ModelPackage,
        structures: &[Structure],
        wanted: &[bool],
        (mut map, planes): (Vec<u16>, Planes),
    ) -> Prediction {
        let wanted: Vec<&Structure> =
            structures.iter().zip(wanted).filter(|(_, wanted)| **wanted).map(|(one, _)| one).collect();
        let organs: Vec<&Label> =
            wanted.iter().filter_map(|structure| package.label(structure.value)).collect();
        // What is in the image is told by contours: of labels alone all of it is.
        let Present { rois, left_out, warnings } = if self.options.label_map_alone {
            Present::default()
        } else {
            present(package, volume, [&organs, &organs], traced(package, structures, planes))
        };
        self.warnings.extend(warnings);
        let labels = self.options.label_map.then(|| {
            let in_part = wanted.len() < structures.len() || !left_out.is_empty();
            if in_part {
                let found = wanted.iter().filter(|structure| !left_out.contains(&structure.value));
                let kept: Vec<u16> = found.flat_map(|structure| structure.values.clone()).collect();
                map.iter_mut().filter(|label| !kept.contains(&**label)).for_each(|label| *label = 0);
            }
            let name = |value: u16| package.label(value).map(|label| (value, label.name.clone()));
            let names = wanted.iter().filter_map(|structure| name(structure.value)).collect();
            LabelMap { grid: volume.grid.clone(), labels: map, names, unreviewed: true }
        });
        Prediction { rois, labels, timings: self.timings, device: self.device, warnings: self.warnings }
    }

    /// The channels as a model's reader hands them over.
    pub(super) fn turned(&self, volume: &Volume, model: &Model) -> Vec<ChannelImage> {
        self.channels.iter().map(|image| image.turned(&volume.grid, model.plan.orientation)).collect()
    }

    /// Of a cascade the labels of its first stage on the voxels of `images` (which the model's reader
    /// has handed over): those that were given, or those that it makes. Also the progress that is left for
    /// the model itself.
    pub(super) fn previous(
        &mut self,
        volume: &Volume,
        model: &Model,
        images: &[ChannelImage],
        progress: &Progress,
    ) -> Result<(Option<Vec<i16>>, Progress), CaseError> {
        let Some(previous) = &model.previous else { return Ok((None, progress.clone())) };
        if let Some(given) = &self.options.previous {
            let given = given.turned(&volume.grid, model.plan.orientation);
            if given.size != images[0].size {
                return Err(CaseError::Sizes(given.size, images[0].size));
            }
            #[expect(clippy::cast_possible_truncation, reason = "labels")]
            let labels = given.values.iter().map(|label| label.round() as i16);
            return Ok((Some(labels.collect()), progress.clone()));
        }
        // Both stages have one reader, so one order of axes.
        let labels = self.labels(previous, images, None, &progress.named("First stage").part(0.0, 0.4))?;
        let labels = labels.into_iter().map(|label| i16::try_from(label).unwrap_or(0));
        Ok((Some(labels.collect()), progress.named("Second stage").part(0.4, 1.0)))
    }

    /// Runs one model; gives what `map` makes of each slice of the image.
    pub(super) fn stage<T: Send>(
        &mut self,
        model: &Model,
        images: &[ChannelImage],
        previous: Option<&[i16]>,
        map: impl Fn(Slice<'_>) -> T + Sync + Send,
        progress: &Progress,
    ) -> Result<Vec<T>, CaseError> {
        let run = |engine: &mut Engine, run: Run<'_>| run.slices(engine, map);
        self.run(model, images, previous, run, progress)
    }

    /// Runs one model of which nothing but the label map is wanted, on the image's own voxels: on a
    /// graphics device the logits stay there.
    pub(super) fn labels(
        &mut self,
        model: &Model,
        images: &[ChannelImage],
        previous: Option<&[i16]>,
        progress: &Progress,
    ) -> Result<Vec<u16>, CaseError> {
        let run = |engine: &mut Engine, run: Run<'_>| {
            let (values, size) = (run.values, run.export.geometry.size);
            let made =
                window::labels_on::<CaseError>(engine, values, size, run.window, run.export, &run.progress)?;
            match made {
                Some(labels) => Ok(labels),
                None => Ok(run.slices(engine, |slice| slice.labels().to_vec())?.concat()),
            }
        };
        self.run(model, images, previous, run, progress)
    }

    /// Prepares the images and the model, and hands both to `run`.
    pub(super) fn run<T>(
        &mut self,
        model: &Model,
        images: &[ChannelImage],
        previous: Option<&[i16]>,
        run: impl FnOnce(&mut Engine, Run<'_>) -> Result<T, CaseError>,
        progress: &Progress,
    ) -> Result<T, CaseError> {
        let plan = &model.plan;
        let started = Instant::now();
        progress.set_step("Preparing the images");
        let foreground: Vec<i16> =
            model.dataset.foreground.iter().map(|label| i16::try_from(*label).unwrap_or(i16::MAX)).collect();
        let previous = previous.map(|labels| PreviousStage {
            labels,
            foreground: &foreground,
            resampling: plan.resample_labels,
        });
        let values: Vec<&[f32]> = images.iter().map(|image| image.values.as_slice()).collect();
        let (size, spacing_mm) = (images[0].size, images[0].spacing_mm);
        let mut prepared =
            preprocess(&values, size, spacing_mm, &plan.preprocessing, previous, &progress.part(0.0, 0.1))?;
        // Its channels hold them.
        prepared.labels = None;
        let decision = if model.dataset.regions {
            Decision::Regions(model.dataset.structures.iter().map(|structure| structure.value).collect())
        } else {
            Decision::Classes(model.dataset.outputs())
        };
        let export = Export::new(prepared.geometry, plan.transpose_backward, plan.resample_logits, decision)?;
        self.timings.preprocess += started.elapsed().as_secs_f64();

        let started = Instant::now();
        progress.set_step("Loading the model");
        let folds = (0..model.folds()).map(|fold| model.network(fold).map_err(CaseError::from));
        let made = if self.options.keep { model.made() } else { None };
        let lent = kept::engine(made, self.options.device, folds)?;
        let offset = 3 - plan.dimensions;
        let mirror_axes: Vec<usize> = if self.options.no_mirror {
            Vec::new()
        } else {
            model.mirror_axes.iter().filter_map(|axis| axis.checked_sub(offset)).collect()
        };
        let window = Window {
            patch: &plan.patch[offset..],
            step: self.options.step.unwrap_or(0.5),
            mirror_axes: &mirror_axes,
            mirror_swaps: &[],
            classes: model.dataset.outputs(),
            needed: None,
            background: !model.dataset.regions,
        };
        // The network's voxels are normalised; a patch counts as empty where all of it is below.
        let least = self.empty_below.and_then(|value| plan.preprocessing.normalization.first()?.of_ct(value));
        let of_air = |[z, y, x]: [usize; 3], [nz, ny, nx]: [usize; 3]| {
            let [_, rows, columns] = prepared.geometry.size;
            (z..z + nz).flat_map(|z| (y..y + ny).map(move |y| (z, y))).any(|(z, y)| {
                let from = (z * rows + y) * columns + x;
                prepared.values[from..from + nx].iter().any(|value| Some(*value) >= least)
            })
        };
        let window = Window { needed: least.map(|_| &of_air as Needed<'_>), ..window };
        let made = lent.used(|engine| {
            engine.prepare(plan.patch, &progress.part(0.1, 0.12))?;
            progress.set_step("Contouring");
            let progress = progress.part(0.12, 1.0);
            let made = run(engine, Run { values: &prepared.values, export: &export, window, progress })?;
            engine.device().clone_into(&mut self.device);
            self.warnings.extend(engine.take_warnings());
            Ok::<_, CaseError>(made)
        })?;
        self.timings.infer += started.elapsed().as_secs_f64();
        Ok(made)
    }
}

/// A model's window over an image, and the way back.
pub(super) struct Run<'a> {
    pub values: &'a [f32],
    pub export: &'a Export,
    pub window: Window<'a>,
    pub progress: Progress,
}

impl Run<'_> {
    /// What `map` makes of each slice of the image.
    fn slices<T: Send>(
        self,
        engine: &mut Engine,
        map: impl Fn(Slice<'_>) -> T + Sync + Send,
    ) -> Result<Vec<T>, CaseError> {
        let Self { values, export, window, progress } = self;
        let run = |planes: &stream::Planes| {
            let take = |index: usize, logits: &[f32]| planes.push(index, logits).map_err(CaseError::from);
            window::run_on(engine, values, export.geometry.size, window, take, &progress)
        };
        export.made_beside(map, run, &progress).map_err(|error| match error {
            MakeError::Cancelled => CaseError::Cancelled(Cancelled),
            MakeError::NoThread => CaseError::Window("the system gives no thread to make slices on"),
            MakeError::Planes(error) => error.into(),
        })
    }
}

/// Which structures are asked for.
pub(super) fn wanted(
    package: &ModelPackage,
    structures: &[Structure],
    options: &PredictOptions,
) -> Vec<bool> {
    let is_wanted = |structure: &Structure| {
        let label = package.label(structure.value);
        options.rois.is_empty() || label.is_some_and(|label| options.rois.contains(&label.name))
    };
    structures.iter().map(is_wanted).collect()
}

fn traced<'a>(package: &'a ModelPackage, structures: &[Structure], mut planes: Planes) -> Vec<Traced<'a>> {
    let structures = structures.iter().enumerate();
    let traced = structures.filter_map(|(index, structure)| {
        let (planes, agreement) = planes.remove(&index)?;
        Some(Traced { label: package.label(structure.value)?, planes, agreement })
    });
    traced.collect()
}

#[cfg(test)]
mod tests;
