//! Training folders as nnU-Net v2 writes them.
//!
//! `nnUNet_results/Dataset901_Name/<trainer>__<plans>__<configuration>/` holds `plans.json`,
//! `dataset.json` and `fold_k/checkpoint_final.pth`. The configuration and the mirroring axes come
//! from the first fold's checkpoint, as in nnU-Net; a cascade's first stage lies beside it.

use super::checkpoint::Checkpoint;
use super::dataset::Dataset;
use super::model::{Fold, Model};
use super::package::About;
use super::plans::Plan;
use super::trainers::adapt;
use crate::ai::package::{ModelPackage, PackageError, read_limited};
use std::path::{Path, PathBuf};

/// The greatest JSON file that is read, bytes.
const JSON_LIMIT: u64 = 64 << 20;
/// The configurations in the order in which one is chosen where there are several.
const CONFIGURATIONS: [&str; 4] = ["3d_fullres", "3d_cascade_fullres", "3d_lowres", "2d"];

/// The package of a training folder, or of the best configuration in a dataset's folder.
///
/// # Errors
/// [`PackageError`] when there is none or it cannot be used.
pub fn package(folder: &Path) -> Result<ModelPackage, PackageError> {
    let found = find(folder);
    let best = found
        .iter()
        .min_by_key(|path| rank(path))
        .ok_or_else(|| PackageError::NoManifest { path: folder.to_owned() })?;
    let model = open(best)?;
    let about = About::of(&model);
    Ok(ModelPackage::of_nnunet(model, about, best))
}

fn rank(path: &Path) -> usize {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let configuration = name.rsplit("__").next().unwrap_or_default();
    CONFIGURATIONS.iter().position(|known| *known == configuration).unwrap_or(CONFIGURATIONS.len())
}

/// The training folders at `folder` and up to three levels below, in order of their names.
#[must_use]
pub fn find(folder: &Path) -> Vec<PathBuf> {
    find_within(folder, 3)
}

fn find_within(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .max_depth(depth)
        .sort_by_file_name()
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_dir())
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.join("plans.json").is_file() && path.join("dataset.json").is_file())
        .filter(|path| !checkpoints(path).is_empty())
        .collect();
    found.sort();
    found
}

/// The checkpoints of all folds: the final ones, or the best where no fold was trained to the end;
/// `fold_all` only where there is no other.
fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let mut folds: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    folds.retain(|path| path.is_dir() && name(path).starts_with("fold_"));
    // Fold 10 comes after fold 9.
    folds.sort_by_key(|path| (name(path).len(), name(path)));
    let (all, numbered): (Vec<_>, Vec<_>) = folds.into_iter().partition(|path| name(path) == "fold_all");
    for folds in [numbered, all] {
        for file in ["checkpoint_final.pth", "checkpoint_best.pth"] {
            let found: Vec<PathBuf> =
                folds.iter().map(|fold| fold.join(file)).filter(|path| path.is_file()).collect();
            if !found.is_empty() {
                return found;
            }
        }
    }
    Vec::new()
}

/// Opens one training folder; the weights are not read yet.
///
/// # Errors
/// [`PackageError`] when something is missing, not supported, or refused.
pub fn open(folder: &Path) -> Result<Model, PackageError> {
    let unusable = |reason: String| PackageError::Training { reason, path: folder.to_owned() };
    let checkpoints = checkpoints(folder);
    let first = checkpoints.first().ok_or_else(|| unusable("it has no fold with a checkpoint".to_owned()))?;
    let checkpoint = Checkpoint::read_header(first)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut parts = name.split("__");
    let (named_trainer, plans_name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let named_configuration = parts.next().map(str::to_owned);
    let configuration = checkpoint.configuration.or(named_configuration).ok_or_else(|| {
        unusable("neither its checkpoint nor its folder's name tells the configuration".to_owned())
    })?;
    let trainer = checkpoint.trainer.unwrap_or_else(|| named_trainer.to_owned());
    let (plans_path, dataset_path) = (folder.join("plans.json"), folder.join("dataset.json"));
    let (mut plan, dataset) = read(&plans_path, &dataset_path, &configuration)?;
    adapt(&mut plan, &trainer);
    // As in nnU-Net, none where the checkpoint does not tell, whatever the trainer is called.
    let allowed = checkpoint.mirror_axes.unwrap_or_default();
    let previous = match &plan.previous_stage {
        None => None,
        Some(stage) => Some(Box::new(previous_stage(folder, named_trainer, plans_name, stage)?)),
    };
    Ok(Model {
        mirror_axes: plan.mirror_axes(&allowed),
        plan,
        dataset,
        trainer,
        previous,
        folds: checkpoints.into_iter().map(Fold::Checkpoint).collect(),
        plans_path,
        dataset_path,
    })
}

/// Reads the two files that say what a model is.
pub(super) fn read(
    plans_path: &Path,
    dataset_path: &Path,
    configuration: &str,
) -> Result<(Plan, Dataset), PackageError> {
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |reason: String| PackageError::Training { reason, path }
    };
    let text = |path: &Path| {
        let bytes = read_limited(path, JSON_LIMIT)?;
        String::from_utf8(bytes).map_err(|_| unusable(path)("it is not text".to_owned()))
    };
    let dataset = Dataset::parse(&text(dataset_path)?).map_err(unusable(dataset_path))?;
    let plan = Plan::parse(
        &text(plans_path)?,
        configuration,
        dataset.channels.len(),
        dataset.foreground.len(),
        dataset.outputs(),
    )
    .map_err(unusable(plans_path))?;
    Ok((plan, dataset))
}

/// A cascade's first stage, in a folder beside the second's: of the same trainer, or any other.
fn previous_stage(
    folder: &Path,
    trainer: &str,
    plans_name: &str,
    stage: &str,
) -> Result<Model, PackageError> {
    let wanted = format!("{trainer}__{plans_name}__{stage}");
    let parent = folder.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
    let mut beside: Vec<PathBuf> = parent.map(|parent| find_within(&parent, 1)).unwrap_or_default();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    beside.retain(|path| name(path).ends_with(&format!("__{plans_name}__{stage}")));
    let found = beside.iter().find(|path| name(path) == wanted).or(beside.first());
    let found = found.ok_or_else(|| PackageError::Training {
        reason: format!(
            "it is the second stage of a cascade; the first one's folder {wanted} is not beside it"
        ),
        path: folder.to_owned(),
    })?;
    let model = open(found)?;
    if model.plan.previous_stage.is_some() {
        let reason = format!("the first stage {wanted} has a stage before it");
        return Err(PackageError::Training { reason, path: folder.to_owned() });
    }
    Ok(model)
}
