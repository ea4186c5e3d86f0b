//! Training a model in the window: a job that tells what happens, and the line that shows it.

use super::Workstation;
use super::opening::capitalised;
use super::remedy::InWindow as _;
use super::workstation::Message;
use crate::ai::ModelPackage;
use crate::ai::train::{CHECKPOINT, Event, Options, Recipe, read_log, saved_step, train};
use crate::device::DeviceChoice;
use crate::progress::Progress;
use crate::session::training::TrainingFolder;
use crate::ui::actions::Action;
use crate::ui::state::{Overlay, TrainingAhead, TrainingForm, TrainingLine};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The key of the job: one training at a time.
const JOB: &str = "training";
/// Between two checkpoints.
const SAVE_EVERY: Duration = Duration::from_mins(3);

/// How a training ended.
pub(super) struct Trained {
    package: PathBuf,
    finished: bool,
    step: u64,
    steps: u64,
}

/// What a running training tells, and what of it is shown already.
#[derive(Debug, Default)]
pub(super) struct Watched {
    told: Arc<Mutex<Vec<Event>>>,
    line: TrainingLine,
}

/// What the form's training would do, and for what of the form that was found.
#[derive(Debug, Default)]
pub(super) struct Foreseen {
    ahead: TrainingAhead,
    of: Option<(Option<String>, String, String)>,
}

impl Workstation {
    /// Opens the card of training, with the chosen model and a place for the result filled in.
    pub(super) fn open_training(&mut self) {
        let form = &mut self.state.training;
        if form.init.is_none() && form.recipe.text.is_empty() {
            let trainable = self.desk.models.iter().filter(|model| model.trainable);
            let chosen = self.state.propose.model.as_ref();
            form.init = trainable
                .clone()
                .find(|model| chosen == Some(&model.id))
                .or_else(|| trainable.clone().next())
                .map(|model| model.id.clone());
        }
        if form.out.text.is_empty() {
            let name = form.init.clone().unwrap_or_else(|| "model".to_owned());
            form.out.text = self.data_folder.join("training").join(name).display().to_string();
        }
        self.state.overlay = Some(Overlay::Training);
    }

    /// Starts or goes on with the training that the form describes.
    pub(super) fn train(&mut self) {
        if self.jobs.running_for(JOB).is_some() {
            self.state.toasts.attention("A training is running; stop it first.");
            return;
        }
        let form = self.state.training.clone();
        let out = PathBuf::from(form.out.text.trim());
        // What was learnt before is shown at once; a run that begins anew writes a log of its own.
        let before = if out.join(CHECKPOINT).is_file() { read_log(&out) } else { Vec::new() };
        let watched = Watched { told: Arc::new(Mutex::new(before)), line: TrainingLine::default() };
        let told = Arc::clone(&watched.told);
        let begun_with = self.desk.models.iter().find(|model| Some(&model.id) == form.init.as_ref());
        let name = match (begun_with, &form.init) {
            (Some(model), _) => model.title.clone(),
            (None, Some(id)) => id.clone(),
            (None, None) => "by a recipe".to_owned(),
        };
        let title = format!("Training: {name}");
        self.training = Some(Watched {
            line: TrainingLine { title: title.clone(), ..TrainingLine::default() },
            ..watched
        });
        self.jobs.start(JOB, title, move |progress| {
            let observe = |event: &Event| {
                told.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
            };
            Message::Trained(run(&form, out, &observe, progress))
        });
    }

    /// Finds what the form's training would do, where the form has changed or a training has ended: files are
    /// not read in each frame.
    fn foresee_training(&mut self) {
        if self.state.overlay != Some(Overlay::Training) || self.jobs.running_for(JOB).is_some() {
            // What lies in the folder may have changed by the next time.
            self.foreseen.of = None;
            return;
        }
        let form = &self.state.training;
        let of = (form.init.clone(), form.out.text.clone(), form.recipe.text.clone());
        if self.foreseen.of.as_ref() != Some(&of) {
            let out = form.out.text.trim();
            let from = (!out.is_empty()).then(|| saved_step(Path::new(out))).flatten();
            let packages = &self.models.packages;
            let init = packages.iter().find(|package| Some(&package.id) == form.init.as_ref());
            let recipe = match (form.recipe.text.trim(), init) {
                ("", Some(package)) => Recipe::of_package(package).ok(),
                ("", None) => None,
                (path, _) => Recipe::read(Path::new(path)).ok(),
            };
            let steps = recipe.map(|recipe| recipe.training.steps);
            self.foreseen = Foreseen {
                ahead: TrainingAhead { from: from.filter(|step| *step > 0), steps },
                of: Some(of),
            };
        }
        self.desk.training_ahead = self.foreseen.ahead;
    }

    /// Takes in what the training has told, for the card.
    pub(super) fn watch_training(&mut self) {
        self.foresee_training();
        let Some(watched) = self.training.as_mut() else { return };
        let events = std::mem::take(&mut *watched.told.lock().unwrap_or_else(PoisonError::into_inner));
        events.into_iter().for_each(|event| take_in(&mut watched.line, event));
        let id = self.jobs.running_for(JOB).map(|job| job.id);
        watched.line.job = self.desk.jobs.iter().find(|job| Some(job.id) == id).cloned();
        self.desk.training = Some(watched.line.clone());
    }

    /// The training was asked to stop before its first step, and has stopped.
    pub(super) fn training_gave_up(&mut self) {
        if let Some(watched) = self.training.as_mut() {
            let kept = "Stopped before a step was done; what was learnt before is kept.";
            watched.line.ended = Some(kept.to_owned());
        }
    }

    pub(super) fn trained(&mut self, result: Result<Trained, String>) {
        match result {
            Ok(Trained { package, finished, step, steps }) => {
                let (said, ended) = if finished {
                    ("The training is done.".to_owned(), format!("Done after {step} steps."))
                } else {
                    (
                        format!("Training stopped at step {step} of {steps}, saved; it can be resumed."),
                        format!("Stopped at step {step} of {steps}, saved. Resume goes on from there."),
                    )
                };
                // Said where the person is; the card keeps it.
                if self.state.overlay != Some(Overlay::Training) {
                    let (toasts, action) = (&mut self.state.toasts, Action::TrainModel);
                    if finished {
                        toasts.done_with(said, "Show", action);
                    } else {
                        toasts.plain_with(said, "Show", action);
                    }
                }
                if let Some(watched) = self.training.as_mut() {
                    watched.line.ended = Some(ended);
                    watched.line.package = Some(package);
                }
                // The result may lie where models are looked for.
                self.look_for_models();
            }
            Err(why) => {
                let why = capitalised(&why);
                // Said where the person is; the card keeps it.
                if self.state.overlay != Some(Overlay::Training) {
                    self.state.toasts.error(why.clone(), None);
                }
                if let Some(watched) = self.training.as_mut() {
                    watched.line.problem = Some(why);
                }
            }
        }
    }
}

/// What an event changes on the card.
fn take_in(line: &mut TrainingLine, event: Event) {
    match event {
        Event::Started { step, steps, train, valid, device, .. } => {
            line.steps = steps;
            line.about = about(train, valid, &device);
            let till = step as f64;
            for values in [&mut line.loss, &mut line.dice] {
                values.retain(|[at, _]| *at <= till);
            }
            line.warnings.clear();
            line.problem = None;
            line.ended = None;
        }
        Event::Steps { step, loss, .. } => line.loss.push([step as f64, loss]),
        Event::Validated { step, mean_dice, mut organs, .. } => {
            line.dice.extend(mean_dice.map(|dice| [step as f64, dice]));
            organs.sort_by(|a, b| a.mean.total_cmp(&b.mean));
            line.organs = organs.into_iter().map(|organ| (organ.name, organ.mean)).collect();
        }
        Event::Warning { message } => line.warnings.push(capitalised(&message)),
        Event::LeftOut { .. } | Event::Memory { .. } | Event::Saved { .. } => {}
    }
}

/// How many patients a training learns from, and on what it runs.
fn about(train: usize, valid: usize, device: &str) -> String {
    let patients =
        |count: usize| if count == 1 { "1 patient".to_owned() } else { format!("{count} patients") };
    format!("Learns from {}, is measured on {}, runs on {device}.", patients(train), patients(valid))
}

fn run(
    form: &TrainingForm,
    out: PathBuf,
    observe: &(dyn Fn(&Event) + Sync),
    progress: &Progress,
) -> Result<Trained, String> {
    let init = form.init.as_deref().map(ModelPackage::find).transpose();
    let init = init.map_err(|error| error.in_window())?;
    let recipe = match (form.recipe.text.trim(), &init) {
        ("", Some(package)) => Recipe::of_package_here(package, DeviceChoice::Auto, &out),
        ("", None) => return Err("a training that begins with nothing needs a recipe".to_owned()),
        (path, _) => Recipe::read(&PathBuf::from(path)).map(|recipe| (recipe, None)),
    };
    let (mut recipe, smaller) = recipe.map_err(|error| error.in_window())?;
    recipe.tell_series(&form.told_series())?;
    if let Ok(steps) = form.steps.trim().parse() {
        recipe.training.steps = steps;
    }
    let data = PathBuf::from(form.data.text.trim());
    let patients = TrainingFolder::open(&data, &recipe, init.as_ref()).map_err(|error| error.in_window())?;
    let options = Options {
        out,
        device: DeviceChoice::Auto,
        save_every: SAVE_EVERY,
        validate_every: (recipe.training.steps / 8).max(50),
        validate_patients: 5,
    };
    // Told after the run has begun, which takes away what was told before.
    let smaller = Mutex::new(smaller);
    let observe = |event: &Event| {
        observe(event);
        if matches!(event, Event::Started { .. })
            && let Some(message) = smaller.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            observe(&Event::Warning { message });
        }
    };
    let outcome = train(&recipe, init.as_ref(), &patients, &options, &observe, progress);
    let outcome = outcome.map_err(|error| error.in_window())?;
    let steps = recipe.training.steps;
    Ok(Trained { package: outcome.package, finished: outcome.finished, step: outcome.step, steps })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::train::OrganDice;

    #[test]
    fn a_run_taken_up_again_draws_each_step_once() {
        let mut line = TrainingLine::default();
        let steps = |step, loss| Event::Steps { step, loss, learning_rate: 1e-3, seconds_per_step: 1.0 };
        let started = |step| Event::Started {
            step,
            steps: 100,
            train: 2,
            valid: 1,
            device: "CPU".into(),
            parameters: 10,
        };
        let organ = |name: &str, mean| OrganDice { name: name.into(), patients: 1, mean, least: mean };
        let organs = vec![organ("Brainstem", 0.8), organ("Larynx", 0.4)];
        let validated = Event::Validated { step: 20, mean_dice: Some(0.6), organs, patients: 1 };
        for event in [started(0), steps(10, 1.5), steps(20, 1.2), validated, started(10), steps(20, 1.1)] {
            take_in(&mut line, event);
        }
        assert_eq!(line.loss, [[10.0, 1.5], [20.0, 1.1]]);
        assert!(line.dice.is_empty(), "the validation at step 20 will be done again");
        assert_eq!(line.organs[0].0, "Larynx", "the worst first");
        assert_eq!(line.steps, 100);
        assert_eq!(line.about, "Learns from 2 patients, is measured on 1 patient, runs on CPU.");
    }
}
