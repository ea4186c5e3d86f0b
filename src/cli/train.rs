//! `delineo train`: trains a model package on a folder of patients, or trains one further.

use super::bar::with_bar;
use super::{WrongUsage, peak_memory_bytes};
use crate::ai::ModelPackage;
use crate::ai::train::{Event, LOG, Options, Outcome, Recipe, train};
use crate::device::DeviceChoice;
use crate::session::training::TrainingFolder;
use anyhow::bail;
use serde_json::json;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

/// Trains a model package on a folder of patients; the same command goes on where it was stopped.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The recipe, as in models/training; without one, `--init` is trained further by a short schedule.
    #[arg(value_name = "RECIPE.toml")]
    recipe: Option<PathBuf>,
    /// The patients: one subfolder each, a CT series with an RT Structure Set or ct.nii.gz with
    /// labels.nii.gz (default: the recipe's data.root).
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Where checkpoint, log and package go (made if need be).
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The package whose weights to begin with: its id or folder.
    #[arg(long, value_name = "ID|DIR")]
    init: Option<String>,
    /// Steps in all (default: the recipe's).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Steps between two validations; 0: only at the end (default: an eighth of all).
    #[arg(long, value_name = "N")]
    validate_every: Option<u64>,
    /// Seconds between two checkpoints.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    save_every: u64,
    /// Where to run: auto (a real GPU if there is one, else the CPU), gpu, or cpu.
    #[arg(long, value_name = "DEVICE", default_value = "auto", value_parser = DeviceChoice::from_str)]
    device: DeviceChoice,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the recipe, the patients or the package cannot be used, or a file cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let init = args.init.as_deref().map(ModelPackage::find).transpose()?;
    let mut recipe = match (&args.recipe, &init) {
        (Some(path), _) => Recipe::read(path)?,
        (None, Some(package)) => Recipe::of_package(package)?,
        (None, None) => {
            bail!(WrongUsage("give a RECIPE.toml, or a model to train further with --init".to_owned()))
        }
    };
    if let Some(steps) = args.steps {
        recipe.training.steps = steps;
    }
    let named = args.data.clone().or_else(|| recipe.data.root.as_ref().map(PathBuf::from));
    let Some(data) = named else {
        bail!(WrongUsage("give the folder of patients with --data".to_owned()));
    };
    let patients = TrainingFolder::open(&data, &recipe)?;
    let options = Options {
        out: args.out.clone(),
        device: args.device,
        save_every: Duration::from_secs(args.save_every),
        validate_every: args.validate_every.unwrap_or_else(|| (recipe.training.steps / 8).max(50)),
        validate_patients: 5,
    };
    let outcome = with_bar(|progress| train(&recipe, init.as_ref(), &patients, &options, &tell, progress))?;
    print(args, &recipe, &outcome);
    Ok(())
}

/// A line on standard error for what a person wants to see pass by.
fn tell(event: &Event) {
    match event {
        Event::Started { step, steps, train, valid, device, parameters } => {
            let millions = *parameters as f64 / 1e6;
            eprintln!(
                "{train} patients to train on, {valid} to validate with; {millions:.2} M parameters, steps \
                 {step} to {steps}, {device}"
            );
        }
        Event::Steps { step, loss, seconds_per_step, .. } if step.is_multiple_of(100) => {
            eprintln!("step {step} loss {loss:.4} {seconds_per_step:.2} s/step");
        }
        Event::Validated { step, mean_dice: Some(dice), organs } => {
            let worst = organs.iter().min_by(|a, b| a.mean.total_cmp(&b.mean));
            let worst = worst.map_or_else(String::new, |o| format!(" (least: {} {:.3})", o.name, o.mean));
            eprintln!("step {step} validation Dice {dice:.3}{worst}");
        }
        Event::LeftOut { step } => eprintln!("step {step} left out: the gradient is not finite"),
        Event::Warning { message } => eprintln!("warning: {message}"),
        Event::Steps { .. } | Event::Validated { .. } | Event::Saved { .. } => {}
    }
}

fn print(args: &Args, recipe: &Recipe, outcome: &Outcome) {
    if args.json {
        let organs: Vec<_> = outcome
            .organs
            .iter()
            .map(|o| json!({ "name": o.name, "patients": o.patients, "dice": o.mean, "least": o.least }))
            .collect();
        let document = json!({
            "model": recipe.id,
            "package": outcome.package,
            "log": args.out.join(LOG),
            "step": outcome.step,
            "steps": recipe.training.steps,
            "finished": outcome.finished,
            "loss": outcome.loss,
            "device": outcome.device,
            "seconds": outcome.seconds,
            "peak_memory_mb": peak_memory_bytes().map(|bytes| (bytes as f64 / 1e6).round()),
            "validation": organs,
        });
        outln!("{document:#}");
        return;
    }
    if !outcome.organs.is_empty() {
        outln!("{:<24} {:>8} {:>10} {:>7}", "organ", "patients", "mean Dice", "least");
        for organ in &outcome.organs {
            outln!("{:<24} {:>8} {:>10.3} {:>7.3}", organ.name, organ.patients, organ.mean, organ.least);
        }
    }
    outln!("{} steps; the package: {}", outcome.step, outcome.package.display());
}
