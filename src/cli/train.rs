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
    /// The patients: one subfolder each, image series with an RT Structure Set or ct.nii.gz (image_0000.nii.gz,
    /// image_0001.nii.gz ... for several channels) with labels.nii.gz; or a data set of nnU-Net's own, with
    /// imagesTr, labelsTr and dataset.json (default: the recipe's data.root).
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Where checkpoint, log and package go (made if need be).
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// The package whose weights to begin with: its id or folder.
    #[arg(long, value_name = "ID|DIR")]
    init: Option<String>,
    /// Of a model of nnU-Net with several folds, the one to train further (default: the first); on a data set
    /// of nnU-Net's own with the patients of that fold.
    #[arg(long, value_name = "N", requires = "init")]
    fold: Option<String>,
    /// Voxels of a patch, slowest axis first, such as 64,128,128, in place of the recipe's: smaller ones take
    /// less memory.
    #[arg(long, value_name = "Z,Y,X", value_delimiter = ',', num_args = 1)]
    patch: Vec<usize>,
    /// Which series an input channel of a model of nnU-Net is in patients of DICOM, where its name and modality do
    /// not tell: its number and what the Series Description has, such as 0=T1; several times for several
    /// channels, or for other texts that stand for the same one.
    #[arg(long, value_name = "N=TEXT", value_parser = channel)]
    channel: Vec<(usize, String)>,
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

fn channel(text: &str) -> Result<(usize, String), String> {
    let parsed =
        text.split_once('=').and_then(|(number, text)| Some((number.trim().parse().ok()?, text.trim())));
    match parsed {
        Some((number, text)) if !text.is_empty() => Ok((number, text.to_owned())),
        _ => Err("use a channel's number and a text of its series' descriptions, such as 0=T1".to_owned()),
    }
}

/// Runs the command.
///
/// # Errors
/// When the recipe, the patients or the package cannot be used, or a file cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    // A mistyped path is told before anything else is asked for.
    if let Some(data) = args.data.as_deref().filter(|data| !data.is_dir()) {
        bail!("there is no such folder of patients: {}", data.display());
    }
    let init = args.init.as_deref().map(ModelPackage::find).transpose()?;
    let folds: Vec<String> = args.fold.iter().cloned().collect();
    let init = init.map(|package| package.with_folds(&folds)).transpose()?;
    let mut recipe = match (&args.recipe, &init) {
        (Some(path), _) => Recipe::read(path)?,
        // With a patch of one's own nothing is made smaller, the batch neither.
        (None, Some(package)) if !args.patch.is_empty() => Recipe::of_package(package)?,
        (None, Some(package)) => {
            let (recipe, smaller) = Recipe::of_package_here(package, args.device, &args.out)?;
            if let Some(smaller) = smaller {
                eprintln!("{smaller}");
            }
            recipe
        }
        (None, None) => {
            bail!(WrongUsage("give a RECIPE.toml, or a model to train further with --init".to_owned()))
        }
    };
    if !args.patch.is_empty() {
        let patch = <[usize; 3]>::try_from(args.patch.as_slice());
        let patch =
            patch.map_err(|_| WrongUsage("--patch takes three numbers, such as 64,128,128".to_owned()))?;
        recipe.set_patch(patch).map_err(WrongUsage)?;
    }
    recipe.tell_series(&args.channel).map_err(WrongUsage)?;
    if let Some(steps) = args.steps {
        recipe.training.steps = steps;
    }
    let named = args.data.clone().or_else(|| recipe.data.root.as_ref().map(PathBuf::from));
    let Some(data) = named else {
        bail!(WrongUsage("give the folder of patients with --data".to_owned()));
    };
    let patients = TrainingFolder::open(&data, &recipe, init.as_ref())?;
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
        Event::Memory { step_bytes, patients_bytes, disk_bytes, free_bytes } => {
            let free =
                free_bytes.map_or(String::new(), |bytes| format!("; {} MB were free", bytes / 1_000_000));
            let disk = match disk_bytes / 1_000_000 {
                0 => String::new(),
                mb => format!("; patients of {mb} MB do not fit into it and lie on the disk until the end"),
            };
            eprintln!(
                "a step takes about {} MB of the device's memory, the patients {} MB of the machine's{free}{disk}",
                step_bytes / 1_000_000,
                patients_bytes / 1_000_000
            );
        }
        Event::Steps { step, loss, seconds_per_step, .. } if step.is_multiple_of(100) => {
            eprintln!("step {step} loss {loss:.4} {seconds_per_step:.2} s/step");
        }
        Event::Validated { step, mean_dice: Some(dice), organs, patients } => {
            let worst = organs.iter().min_by(|a, b| a.mean.total_cmp(&b.mean));
            let worst = worst.map_or_else(String::new, |o| format!(" (least: {} {:.3})", o.name, o.mean));
            eprintln!("step {step} validation Dice {dice:.3} on {patients} patients{worst}");
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
