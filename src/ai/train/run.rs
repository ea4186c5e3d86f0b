//! The loop: patches on one thread, steps on another, checkpoints and packages on the way.

use super::TrainError;
use super::checkpoint::{self, State, download};
use super::events::{Event, Log};
use super::export::{About, write_package};
use super::graph::{Graph, Parameters};
use super::loss::total_loss;
use super::measure::{Measured, OrganDice, mean, measure};
use super::memory::Needed;
use super::optimiser::{Optimiser, learning_rate, squared_norm};
use super::patient::Patients;
use super::recipe::Recipe;
use super::recipe_parts::Training;
use super::sampler::{Batch, Sampler, places};
use super::start::{parameters, unusable};
use super::stock::Stock;
use super::task::Task;
use crate::ai::ModelPackage;
use crate::ai::engine::training_device;
use crate::ai::graphics::{IN_DOUBT, Noted, forget_apart, quietly};
use crate::ai::kept;
use crate::device::DeviceChoice;
use crate::new_file::{WriteFileError, write_file};
use crate::progress::Progress;
use burn::tensor::{Device, Tensor, TensorData};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// The package's folder in the run's folder.
pub const PACKAGE: &str = "model";
/// Steps between two lines of the log.
const TELL_EVERY: u64 = 10;
/// Where so many steps take longer than this, fewer are told at once: the loss is looked at as it falls.
const TELL_AFTER: Duration = Duration::from_mins(1);

/// How to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The run's folder: checkpoint, log, recipe, package.
    pub out: PathBuf,
    /// Where to compute.
    pub device: DeviceChoice,
    /// The time between checkpoints.
    pub save_every: Duration,
    /// Steps between two validations; 0: only at the end.
    pub validate_every: u64,
    /// The most patients scored before the end; at the end all are.
    pub validate_patients: usize,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Steps done in all.
    pub step: u64,
    /// Whether these were all; otherwise someone asked to stop, and the same call goes on.
    pub finished: bool,
    /// The mean loss of the last steps told; `None` when there were none.
    pub loss: Option<f64>,
    /// Agreement on the validation patients.
    pub organs: Vec<OrganDice>,
    /// The package.
    pub package: PathBuf,
    /// The device.
    pub device: String,
    /// Seconds trained, earlier parts of the run included.
    pub seconds: f64,
}

/// Trains, or goes on training, a recipe on patients. `init`: the package to begin with. `observe` is
/// told of every [`Event`]. It blocks; work of the device is done on a thread of its own.
///
/// Asked to stop it saves a checkpoint and gives the outcome so far. Killed it goes on from the last
/// checkpoint the next time.
///
/// # Errors
/// [`TrainError`] when recipe, patients, package or device cannot be used, or a file cannot be
/// written.
pub fn train(
    recipe: &Recipe,
    init: Option<&ModelPackage>,
    patients: &dyn Patients,
    options: &Options,
    observe: &(dyn Fn(&Event) + Sync),
    progress: &Progress,
) -> Result<Outcome, TrainError> {
    let ended =
        |reason: &str| TrainError::Device { device: "its thread".to_owned(), reason: reason.to_owned() };
    // Their room is counted as free, and the training does not begin with them.
    kept::forget_all();
    std::thread::scope(|scope| {
        let work = || run(recipe, init, patients, options, observe, progress);
        let thread = std::thread::Builder::new().name("delineo-training".to_owned());
        let thread = thread.spawn_scoped(scope, work).map_err(|error| ended(&error.to_string()))?;
        thread.join().unwrap_or_else(|_| Err(ended("see the log")))
    })
}

/// The network on the device, and one step of it.
pub(super) struct Step {
    graph: Graph,
    pub parameters: Parameters,
    pub optimiser: Optimiser,
    device: Device,
}

/// What a step gave.
pub(super) struct Done {
    pub loss: f64,
    /// Whether the weights were changed; not, where the gradient was not finite.
    pub updated: bool,
}

impl Step {
    pub(super) fn new(graph: Graph, parameters: Parameters, device: &Device) -> Self {
        let weights = Parameters::upload(&parameters.values, device);
        let optimiser = Optimiser::new(weights, device);
        Self { graph, parameters, optimiser, device: device.clone() }
    }

    /// The loss of a batch, its gradients in the order of the parameters, and their norm.
    pub(super) fn gradients(
        &self,
        batch: &Batch,
        training: &Training,
    ) -> Result<(f64, Vec<Option<Tensor<1>>>, f64), String> {
        let [z, y, x] = batch.truth.size;
        let patches = batch.truth.known.len();
        let shape = [patches, batch.image.len() / (patches * z * y * x).max(1), z, y, x];
        let image: Tensor<5> =
            Tensor::from_data(TensorData::new(batch.image.clone(), shape), &self.device).autodiff();
        let live: Vec<Tensor<1>> =
            self.optimiser.weights.iter().map(|weight| weight.clone().autodiff().require_grad()).collect();
        // Each layer is handed over when it is enqueued: what waits is no submission of many layers.
        let hand_over = || self.device.flush().map_err(|error| format!("{error:?}"));
        let logits = self.graph.forward_in_turn(&live, &self.parameters.shapes, image, &hand_over)?;
        let loss = total_loss(logits, &batch.truth, training.log_dice);
        let mut found = loss.backward();
        let gradients: Vec<_> = live.iter().map(|weight| weight.grad_remove(&mut found)).collect();
        let square = squared_norm(&gradients, &self.parameters.shapes, &self.device);
        let both = download(&[loss.without_autodiff().reshape([1]), square])?;
        Ok((f64::from(both[0][0]), gradients, f64::from(both[1][0]).sqrt()))
    }

    /// One step with this batch, the `step`-th of `steps`.
    pub(super) fn run(
        &mut self,
        batch: &Batch,
        step: u64,
        steps: u64,
        training: &Training,
    ) -> Result<Done, String> {
        let (loss, gradients, norm) = self.gradients(batch, training)?;
        let rate = learning_rate(step, steps, training);
        let updated = self.optimiser.update(gradients, norm, rate, training);
        self.optimiser.average(step, training);
        Ok(Done { loss, updated })
    }
}

/// What happens between steps.
struct Run<'a> {
    task: Task<'a>,
    recipe: &'a Recipe,
    patients: &'a dyn Patients,
    options: &'a Options,
    observe: &'a (dyn Fn(&Event) + Sync),
    progress: &'a Progress,
    device: String,
    state: State,
    log: Log,
    /// What a person was warned of already.
    warned: RefCell<BTreeSet<String>>,
}

fn run(
    recipe: &Recipe,
    init: Option<&ModelPackage>,
    patients: &dyn Patients,
    options: &Options,
    observe: &(dyn Fn(&Event) + Sync),
    progress: &Progress,
) -> Result<Outcome, TrainError> {
    let out = &options.out;
    std::fs::create_dir_all(out).map_err(|error| WriteFileError::from_io(&error, out))?;
    Stock::clear(out);
    let (device, device_name) = training_device(options.device)?;
    let task = Task::new(recipe, init)?;
    let mut parameters = parameters(&task, init)?;
    let init_name = init.map(|package| format!("{} {}", package.id, package.version));
    let expected = State::new(recipe, patients.train(), init_name);
    let resumed = checkpoint::load(out, &expected, &mut parameters, &device)?;
    let graph = Graph::new(&task.architecture, recipe.training.heads, &parameters)
        .map_err(|error| unusable(&error))?;
    let mut step = Step::new(graph, parameters, &device);
    let state = match resumed {
        Some((state, optimiser)) => {
            step.optimiser = optimiser;
            state
        }
        None => expected,
    };
    write_file(&out.join("recipe.toml"), true, recipe.text().as_bytes())?;
    let log = Log::open(out, state.step)?;
    let warned = RefCell::default();
    let mut run =
        Run { task, recipe, patients, options, observe, progress, device: device_name, state, log, warned };
    // What was done before is done, while patients are read too.
    progress.go_on_from(run.state.step as f64 / recipe.training.steps.max(1) as f64);
    if run.state.step >= recipe.training.steps {
        return run.end(&step, None);
    }
    let needed = Needed::new(&run.task, options.device);
    needed.check()?;
    let mut remarks = patients.remarks();
    let read = run.sampler(&needed, &mut remarks);
    let sampler = match read {
        Ok(sampler) => sampler,
        Err(error) => {
            remarks.into_iter().try_for_each(|remark| run.warn(remark))?;
            return Err(error);
        }
    };
    run.state.used = Some(sampler.patients());
    run.tell(&Event::Started {
        step: run.state.step,
        steps: recipe.training.steps,
        train: sampler.patients(),
        valid: patients.valid().len(),
        device: run.device.clone(),
        parameters: step.parameters.values.iter().map(Vec::len).sum(),
    })?;
    run.tell(&Event::Memory {
        step_bytes: needed.step,
        patients_bytes: sampler.bytes(),
        disk_bytes: sampler.on_disk(),
        free_bytes: needed.free,
    })?;
    // A start takes away what was told of an earlier one: these come after it.
    remarks.extend(run.task.notes(&step.parameters));
    remarks.into_iter().try_for_each(|remark| run.warn(remark))?;
    let loss = std::thread::scope(|scope| {
        let (first, last) = (run.state.step, recipe.training.steps);
        let (sender, receiver) = sync_channel::<Result<Batch, TrainError>>(2);
        let draw = move || {
            // Nobody listens any more: the loop has ended.
            (first..last).try_for_each(|step| sender.send(sampler.batch(step))).ok();
        };
        let thread = std::thread::Builder::new().name("delineo-patches".to_owned());
        thread.spawn_scoped(scope, draw).map_err(|error| TrainError::Patients(error.to_string()))?;
        run.steps(&mut step, &receiver)
    })?;
    run.end(&step, loss)
}

impl Run<'_> {
    fn tell(&self, event: &Event) -> Result<(), TrainError> {
        (self.observe)(event);
        self.log.add(event)
    }

    /// Tells what a person should know, once.
    fn warn(&self, message: String) -> Result<(), TrainError> {
        if self.warned.borrow_mut().insert(message.clone()) {
            self.tell(&Event::Warning { message })?;
        }
        Ok(())
    }

    /// Reads the patients to train on; one that cannot be used is left out, and that is one of the remarks.
    fn sampler(&self, needed: &Needed, remarks: &mut Vec<String>) -> Result<Sampler, TrainError> {
        let ids = self.patients.train();
        let mut stock = Stock::new(&self.options.out, needed.room());
        let mut left_out = Vec::new();
        for (number, id) in ids.iter().enumerate() {
            self.progress.set_step(format!("Reading patient {} of {}", number + 1, ids.len()));
            self.progress.check()?;
            let quiet = Progress::new();
            let read = self.patients.read(id, &quiet).map_err(TrainError::Patients);
            let prepared = read.and_then(|mut case| {
                remarks.append(&mut case.remarks);
                self.task.prepare(&case, &quiet)
            });
            match prepared {
                Ok(patient) => {
                    let places = places(&patient, self.recipe);
                    stock.add(patient, places)?;
                }
                Err(TrainError::Patients(why)) => left_out.push(why),
                Err(other) => return Err(other),
            }
        }
        remarks.extend(left_out.iter().cloned());
        if let (true, Some(why)) = (stock.patients().is_empty(), left_out.first()) {
            let held = match self.patients.valid().len() {
                0 => String::new(),
                count => format!(" ({count} held back for validation)"),
            };
            return Err(TrainError::Patients(match ids.len() {
                1 => format!("the only patient to train on{held} cannot be used: {why}"),
                count => format!("none of {count} patients to train on{held} can be used; the first: {why}"),
            }));
        }
        let sampler = Sampler::new(stock, self.recipe)?;
        let label = |number: &u16| self.recipe.labels.get(usize::from(*number).checked_sub(1)?);
        let missing: Vec<String> =
            sampler.missing().iter().filter_map(label).map(|label| label.name.clone()).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            remarks.push(format!("outlined in no patient to train on, so not learnt: {missing}"));
        }
        Ok(sampler)
    }

    /// Steps until all are done or someone asks to stop; gives the mean loss of the last ones told.
    fn steps(
        &mut self,
        step: &mut Step,
        batches: &std::sync::mpsc::Receiver<Result<Batch, TrainError>>,
    ) -> Result<Option<f64>, TrainError> {
        let training = &self.recipe.training;
        let (begun, all) = (self.state.step, training.steps);
        let (mut saved, mut told) = (Instant::now(), Instant::now());
        let (mut losses, mut last) = (Vec::new(), None);
        let noted = Noted::now();
        if begun < all {
            // Reading the patients tells nothing of how long a step takes.
            self.progress.go_on_from(begun as f64 / all as f64);
            self.progress.set_step(format!("Step {} of {all}", begun + 1));
        }
        while self.state.step < all && !self.progress.is_cancelled() {
            let number = self.state.step;
            let Ok(batch) = batches.recv() else { break };
            let batch = batch?;
            let before = Instant::now();
            let done = quietly(|| step.run(&batch, number, all, training))
                .and_then(|done| done)
                .and_then(|done| if Noted::now() == noted { Ok(done) } else { Err(IN_DOUBT.to_owned()) })
                .map_err(|reason| {
                    forget_apart();
                    TrainError::Device { device: self.device.clone(), reason }
                })?;
            if !done.updated {
                self.tell(&Event::LeftOut { step: number })?;
            }
            self.state.step += 1;
            self.state.updates = step.optimiser.updates;
            self.state.seconds += before.elapsed().as_secs_f64();
            losses.push(done.loss);
            let at = self.state.step;
            // Being asked to stop is seen at the top.
            let _ = self.progress.set_fraction(at as f64 / all as f64);
            if at.is_multiple_of(TELL_EVERY) || at == all || told.elapsed() >= TELL_AFTER {
                let loss = losses.iter().sum::<f64>() / losses.len() as f64;
                last = Some(loss);
                self.tell(&Event::Steps {
                    step: at,
                    loss,
                    learning_rate: learning_rate(number, all, training),
                    seconds_per_step: told.elapsed().as_secs_f64() / losses.len() as f64,
                })?;
                losses.clear();
                told = Instant::now();
            }
            let so_far = last.map_or_else(String::new, |loss| format!(", loss {loss:.3}"));
            self.progress.set_step(format!("Step {at} of {all}{so_far}"));
            if saved.elapsed() >= self.options.save_every {
                self.save(step)?;
                saved = Instant::now();
            }
            let every = self.options.validate_every;
            if every > 0 && at.is_multiple_of(every) && at < all && !self.patients.valid().is_empty() {
                self.validate(step, self.options.validate_patients)?;
                told = Instant::now();
            }
        }
        self.save(step)?;
        Ok(last)
    }

    fn save(&self, step: &Step) -> Result<(), TrainError> {
        checkpoint::save(&self.options.out, &self.state, &step.parameters, &step.optimiser, &self.device)?;
        self.tell(&Event::Saved { step: self.state.step })
    }

    /// Writes the package, which tells of these scores on so many patients.
    fn package(
        &self,
        step: &Step,
        organs: &[OrganDice],
        scored: Option<usize>,
    ) -> Result<ModelPackage, TrainError> {
        let average = download(&step.optimiser.average)
            .map_err(|reason| TrainError::Device { device: self.device.clone(), reason })?;
        let about = About {
            task: &self.task,
            step: self.state.step,
            seconds: self.state.seconds,
            device: &self.device,
            train: self.state.used.unwrap_or_else(|| self.patients.train().len()),
            kept: self.patients.valid().len(),
            divided_by: self.patients.divided_by(),
            scored,
            init: self.state.init.as_deref(),
            organs,
            has_statistics: step.parameters.has_statistics(),
        };
        write_package(&self.options.out.join(PACKAGE), &step.parameters, &average, &about)
    }

    /// Writes the package and scores it; being asked to stop meanwhile leaves the scores out.
    fn validate(&self, step: &Step, limit: usize) -> Result<Vec<OrganDice>, TrainError> {
        let package = self.package(step, &[], None)?;
        self.progress.set_step(format!("Validation at step {}", self.state.step));
        let measured =
            measure(&package, self.recipe, self.patients, limit, self.options.device, self.progress);
        let Measured { organs, patients, warnings } = match measured {
            Ok(measured) => measured,
            Err(TrainError::Cancelled(_)) => return Ok(Vec::new()),
            Err(other) => return Err(other),
        };
        for warning in warnings {
            self.warn(warning)?;
        }
        self.tell(&Event::Validated {
            step: self.state.step,
            mean_dice: mean(&organs),
            organs: organs.clone(),
            patients,
        })?;
        self.package(step, &organs, Some(patients))?;
        Ok(organs)
    }

    fn end(self, step: &Step, loss: Option<f64>) -> Result<Outcome, TrainError> {
        let finished = self.state.step >= self.recipe.training.steps;
        let organs = if finished && !self.patients.valid().is_empty() {
            self.validate(step, usize::MAX)?
        } else {
            self.package(step, &[], None)?;
            Vec::new()
        };
        Ok(Outcome {
            step: self.state.step,
            finished,
            loss,
            organs,
            package: self.options.out.join(PACKAGE),
            device: self.device,
            seconds: self.state.seconds,
        })
    }
}
