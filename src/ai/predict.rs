//! A model's whole way: body, preprocessing, network, contours.

use super::anatomy::put_right;
use super::body::{BodyError, SeenBody};
use super::components::argmax;
use super::engine::{EngineError, runs_on_cpu};
use super::graphics::in_order;
use super::kept;
use super::memory::{beside_graphics_bytes, estimate_bytes};
use super::nnunet::predict::{self as case, CaseError};
use super::nnunet::{ChannelImage, Model};
use super::package::{Label, ModelPackage, PackageError};
use super::postprocess::{Field, Wanted, contours};
use super::preprocess::prepare;
use super::presence::{Present, present, with_witnesses};
use super::sliding::{SlideError, Window, run};
use crate::device::DeviceChoice;
use crate::patient::{LabelMap, Roi, Unit, Volume};
use crate::progress::{Cancelled, Progress};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

/// The thread that all work of models is done on.
const MODEL_THREAD: &str = "delineo-model";
/// Between two looks whether the model before has ended.
const LOOK: Duration = Duration::from_millis(50);
/// What is told while another model runs.
const WAITING: &str = "Waiting for another model";

/// How to run a model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PredictOptions {
    /// Where.
    pub device: DeviceChoice,
    /// Only these organs, by name; all when empty.
    pub rois: Vec<String>,
    /// Whether the label map is wanted beside the contours.
    pub label_map: bool,
    /// Of a model of nnU-Net makes the label map alone, neither contours nor confidence: what a model
    /// that crops on it needs. A graphics device keeps the logits then.
    pub label_map_alone: bool,
    /// The window's step as a share of the patch, in place of the manifest's.
    pub step: Option<f64>,
    /// Leaves out mirroring where the manifest asks for it.
    pub no_mirror: bool,
    /// The input channels of a model of nnU-Net, each on the volume's grid; where there are none, the
    /// volume itself is the only one. Other models take the volume.
    pub channels: Vec<ChannelImage>,
    /// The label map of a cascade's first stage on the volume's grid, in place of running that stage: as
    /// nnU-Net's `-prev_stage_predictions`. Its values are labels; other models leave it alone.
    pub previous: Option<ChannelImage>,
    /// Whether the networks are kept for a later run of this process, as far as there is room.
    pub keep: bool,
}

/// Seconds of each step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timings {
    /// Finding the body, resampling, normalising.
    pub preprocess: f64,
    /// Reading the weights and running the network.
    pub infer: f64,
    /// Labels and contours.
    pub postprocess: f64,
}

/// What a model proposes.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Proposals in the manifest's order; organs that were not found are left out. Identity and
    /// number are the label's value: a session gives its own.
    pub rois: Vec<Roi>,
    /// The label map on the volume's grid, where asked for.
    pub labels: Option<LabelMap>,
    /// How long it took.
    pub timings: Timings,
    /// Where it ran, in words.
    pub device: String,
    /// What the person should know.
    pub warnings: Vec<String>,
}

/// Why there is no prediction.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The package cannot be used.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The device cannot be used.
    #[error(transparent)]
    Engine(EngineError),
    /// The image has no Hounsfield units, the model needs them.
    #[error("the model {model} is for CT in Hounsfield units; the image's values are something else")]
    Unit {
        /// The model.
        model: String,
    },
    /// An organ was asked for that the model does not know.
    #[error("the model {model} has no organ {name}; it has {available}")]
    UnknownRoi {
        /// The model.
        model: String,
        /// What was asked for.
        name: String,
        /// The organs there are.
        available: String,
    },
    /// A model of nnU-Net has no result.
    #[error(transparent)]
    NnUnet(CaseError),
    /// There is no body in the image.
    #[error("there is no body in the image, nothing to contour")]
    NoBody,
    /// The model's thread ended before its time.
    #[error("the model stopped unexpectedly ({0}); nothing was changed")]
    Crashed(String),
}

impl From<CaseError> for PredictError {
    fn from(error: CaseError) -> Self {
        match error {
            CaseError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            CaseError::Package(error) => Self::Package(error),
            CaseError::Engine(error) => Self::Engine(error),
            other => Self::NnUnet(other),
        }
    }
}

impl From<EngineError> for PredictError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            other @ (EngineError::NoGpu(_) | EngineError::Memory { .. }) => Self::Engine(other),
        }
    }
}

impl From<SlideError> for PredictError {
    fn from(error: SlideError) -> Self {
        match error {
            SlideError::Cancelled(cancelled) => Self::Cancelled(cancelled),
            SlideError::Engine(error) => error.into(),
            SlideError::Plan(what) => Self::Crashed(what.to_owned()),
        }
    }
}

/// Runs a model over a volume. One prediction runs at a time, a second waits; it blocks, so call
/// it from a job.
///
/// # Errors
/// [`PredictError`] when the image is not what the model is for, the package or device cannot be
/// used, or someone asked to stop.
pub fn predict(
    volume: &Volume,
    package: &ModelPackage,
    options: &PredictOptions,
    progress: &Progress,
) -> Result<Prediction, PredictError> {
    let wanted = wanted_labels(package, &options.rois)?;
    if package.nnunet.is_none() && volume.unit != Unit::Hu {
        return Err(PredictError::Unit { model: package.id.clone() });
    }
    on_model_thread(progress, || {
        let needed = if runs_on_cpu(options.device) { estimate_bytes } else { beside_graphics_bytes };
        kept::begin(needed(volume, package, options));
        match &package.nnunet {
            None => predict_here(volume, package, options, &wanted, progress),
            Some(model) => predict_as_nnunet(volume, package, model, options, progress),
        }
    })
}

/// Does a model's work on the thread that all such work is done on, one at a time; waits for both, and
/// hears a cancel while it waits for its turn.
pub(super) fn on_model_thread<T: Send>(
    progress: &Progress,
    work: impl FnOnce() -> Result<T, PredictError> + Send,
) -> Result<T, PredictError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = turn(&ONE_AT_A_TIME, progress)?;
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().name(MODEL_THREAD.to_owned()).spawn_scoped(scope, || in_order(work));
        let thread = thread.map_err(|error| PredictError::Crashed(error.to_string()))?;
        thread.join().unwrap_or_else(|_| Err(PredictError::Crashed("see the log".to_owned())))
    })
}

/// Waits for one's turn, or until someone asks to stop.
fn turn<'a>(turns: &'a Mutex<()>, progress: &Progress) -> Result<MutexGuard<'a, ()>, Cancelled> {
    loop {
        match turns.try_lock() {
            Ok(turn) => return Ok(turn),
            Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                progress.set_step(WAITING);
                progress.check()?;
                std::thread::sleep(LOOK);
            }
        }
    }
}

fn predict_as_nnunet(
    volume: &Volume,
    package: &ModelPackage,
    model: &Model,
    options: &PredictOptions,
    progress: &Progress,
) -> Result<Prediction, PredictError> {
    Ok(case::predict(volume, package, model, options, progress)?)
}

fn wanted_labels(package: &ModelPackage, names: &[String]) -> Result<Vec<bool>, PredictError> {
    let mut wanted = vec![false; package.architecture.classes];
    for name in names {
        if !package.labels.iter().any(|label| label.name == *name) {
            let available: Vec<&str> = package.labels.iter().map(|label| label.name.as_str()).collect();
            return Err(PredictError::UnknownRoi {
                model: package.id.clone(),
                name: name.clone(),
                available: available.join(", "),
            });
        }
    }
    if package.nnunet.is_some() {
        return Ok(wanted);
    }
    for label in &package.labels {
        wanted[usize::from(label.value)] = names.is_empty() || names.contains(&label.name);
    }
    Ok(wanted)
}

fn predict_here(
    volume: &Volume,
    package: &ModelPackage,
    options: &PredictOptions,
    labels: &[bool],
    progress: &Progress,
) -> Result<Prediction, PredictError> {
    let started = Instant::now();
    let mut warnings = Vec::new();
    progress.set_step("Finding the body");
    let body = match package.input.outside_body_hu {
        None => None,
        Some(_) => Some(SeenBody::find(volume, &progress.part(0.0, 0.08)).map_err(|error| match error {
            BodyError::Cancelled(cancelled) => PredictError::Cancelled(cancelled),
            BodyError::NoBody | BodyError::Unit => PredictError::NoBody,
        })?),
    };
    progress.set_step("Resampling");
    let inside = body.as_ref().map(|body| body.inside.as_slice());
    let image = prepare(volume, package, inside, &progress.part(0.08, 0.1))?;
    if image.values.is_empty() {
        return Err(PredictError::NoBody);
    }
    let preprocess = started.elapsed().as_secs_f64();

    progress.set_step("Loading the model");
    let made = if options.keep { package.made() } else { None };
    let network = std::iter::once_with(|| package.network().map_err(PredictError::from));
    let window = Window {
        patch: package.patch,
        step: options.step.unwrap_or(package.inference.step),
        sigma: package.inference.gaussian_sigma,
        mirror_axes: if options.no_mirror { &[] } else { &package.inference.mirror_axes },
        mirror_swaps: &package.inference.mirror_swaps,
    };
    let lent = kept::engine(made, options.device, network)?;
    let (mut probabilities, device) = lent.used(|engine| {
        engine.prepare(package.patch, &progress.part(0.1, 0.15))?;
        progress.set_step("Contouring");
        let probabilities = run(engine, &image, package, window, &progress.part(0.15, 0.9))?;
        warnings.extend(engine.take_warnings());
        Ok::<_, PredictError>((probabilities, engine.device().to_owned()))
    })?;
    let infer = started.elapsed().as_secs_f64() - preprocess;

    progress.set_step("Tracing contours");
    let mut greatest = argmax(&probabilities);
    let is_whole = body.as_ref().map_or_else(Vec::new, |body| {
        let [low, size] = [image.low, image.size].map(|[z, y, x]| [x, y, z]);
        body.whole_in_box(&volume.grid, &image.grid, [low, size])
    });
    let exchanged = put_right(&mut probabilities, &mut greatest, &package.labels, &image, &is_whole);
    let field = Field::new(&probabilities, &greatest, &image.grid);
    let wanted = Wanted {
        package,
        labels: with_witnesses(&package.labels, labels),
        label_map: options.label_map,
        body: inside,
    };
    let (traced, mut map) = contours(volume, &field, &wanted, &progress.part(0.9, 1.0))?;
    let looked_for: Vec<&Label> = wanted.organs().collect();
    let is_asked = |label: &&Label| labels[usize::from(label.value)];
    let asked: Vec<&Label> = looked_for.iter().copied().filter(is_asked).collect();
    let Present { rois, left_out, warnings: found } = present(package, volume, [&asked, &looked_for], traced);
    let is_proposed = |name: &str| rois.iter().any(|roi| roi.name == name);
    warnings.extend(exchanged.iter().filter_map(|pair| pair.warning(is_proposed)));
    warnings.extend(found);
    if let Some(map) = &mut map {
        map.labels.iter_mut().filter(|label| left_out.contains(label)).for_each(|label| *label = 0);
        map.names.retain(|(value, _)| asked.iter().any(|label| label.value == *value));
    }
    let postprocess = started.elapsed().as_secs_f64() - preprocess - infer;
    Ok(Prediction {
        rois,
        labels: map,
        timings: Timings { preprocess, infer, postprocess },
        device,
        warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_another_model_can_be_stopped() {
        let turns = Mutex::new(());
        let first = turn(&turns, &Progress::new()).unwrap();
        let progress = Progress::new();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| turn(&turns, &progress).map(drop));
            while progress.step() != WAITING {
                std::thread::sleep(LOOK / 10);
            }
            progress.cancel();
            assert_eq!(second.join().unwrap(), Err(Cancelled), "while the first still has its turn");
            let third = scope.spawn(|| turn(&turns, &Progress::new()).map(drop));
            drop(first);
            assert_eq!(third.join().unwrap(), Ok(()));
        });
    }
}
