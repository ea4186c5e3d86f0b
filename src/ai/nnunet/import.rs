//! Training folders made into model packages in the program's own folder.
//!
//! A package appears whole or not at all: it is written beside its place and renamed. The weights
//! are written as float32 safetensors, one file a fold, only the tensors that the network uses.

use super::archive::Archive;
use super::composition::{Composition, Run};
use super::model::Model;
use super::package::{About, FoldTable, Manifest, Origin, PartTable, Table, plain_name};
use super::training;
use crate::ai::network::Network;
use crate::ai::package::{ModelPackage, PackageError, sha256_text};
use crate::new_file::NewFolder;
use crate::progress::{Cancelled, Progress};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Component, Path, PathBuf};

/// The greatest checkpoint that is taken out of a ZIP archive, bytes.
const CHECKPOINT_LIMIT: u64 = 16 << 30;

/// Why a model was not imported, or not removed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The training folder cannot be used.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A package of this name is there already.
    #[error("there is a model {id} already; replace it with --force or choose another name with --id: {}", path.display())]
    Exists {
        /// Its id.
        id: String,
        /// Its folder.
        path: PathBuf,
    },
    /// The package could not be written or removed.
    #[error("the model's package cannot be written ({reason}); free some space or set DELINEO_DATA_DIR: {}", path.display())]
    Unwritable {
        /// What the system says.
        reason: String,
        /// The file or folder.
        path: PathBuf,
    },
    /// The archive cannot be used.
    #[error("the ZIP archive is not usable: {reason}: {}", path.display())]
    Archive {
        /// What is wrong.
        reason: String,
        /// The archive.
        path: PathBuf,
    },
    /// The model is no imported one.
    #[error("the model {id} is part of the program or of another folder and cannot be removed{}", where_is(.path.as_deref()))]
    NotImported {
        /// Its id.
        id: String,
        /// Its folder, where it has one.
        path: Option<PathBuf>,
    },
}

fn where_is(path: Option<&Path>) -> String {
    path.map(|path| format!(": {}", path.display())).unwrap_or_default()
}

/// How to import.
#[derive(Debug, Clone, Default)]
pub struct ImportOptions {
    /// The package's id, in place of one made of the data set and configuration; only for one model.
    pub id: Option<String>,
    /// Replaces a package of the same id.
    pub force: bool,
}

/// Imports every training folder found in `source` (a training folder, the folder above it, or a ZIP
/// archive of either) into packages in `target`. Gives the packages in order.
///
/// # Errors
/// [`ImportError`] when nothing is found, something is refused, or a package cannot be written; the
/// packages written before stay.
pub fn import(
    source: &Path,
    target: &Path,
    options: &ImportOptions,
    progress: &Progress,
) -> Result<Vec<ModelPackage>, ImportError> {
    let unpacked;
    let mut folder = source;
    if source.is_file() {
        progress.set_step("Unpacking");
        unpacked = unpack(source, &std::env::temp_dir(), &progress.part(0.0, 0.3))?;
        folder = unpacked.path();
    }
    let found = training::find(folder);
    if found.is_empty() {
        return Err(PackageError::NoManifest { path: source.to_owned() }.into());
    }
    // A cascade's first stage is part of the second's package, and a model of its own.
    let models = found.iter().map(|folder| training::open(folder)).collect::<Result<Vec<_>, _>>()?;
    let count = models.len();
    let mut packages = Vec::new();
    for (index, model) in models.into_iter().enumerate() {
        progress.set_step(format!("Importing {}", model.plan.configuration));
        #[expect(clippy::cast_precision_loss, reason = "few models")]
        let [from, to] = [index, index + 1].map(|n| 0.3 + 0.7 * n as f64 / count as f64);
        let mut about = About::of(&model);
        if let Some(id) = options.id.as_ref().filter(|_| count == 1) {
            about.id = plain_name(id);
        }
        packages.push(write(&model, about, target, options.force, &progress.part(from, to))?);
    }
    Ok(packages)
}

/// Removes an imported package.
///
/// # Errors
/// [`ImportError`] when there is none of this id, it is part of the program, or cannot be removed.
pub fn remove(id: &str, target: &Path) -> Result<PathBuf, ImportError> {
    let (packages, _) = ModelPackage::list();
    let package = match packages.into_iter().find(|package| package.id == id) {
        Some(package) => package,
        // Names those there are.
        None => ModelPackage::find(id)?,
    };
    let refused = || ImportError::NotImported { id: id.to_owned(), path: package.folder.clone() };
    let folder = package.folder.clone().ok_or_else(refused)?;
    // Only what import has put there: a folder of its own, not a link to elsewhere.
    let own = folder.parent() == Some(target) && folder.symlink_metadata().is_ok_and(|data| data.is_dir());
    if !own {
        return Err(refused());
    }
    std::fs::remove_dir_all(&folder).map_err(|error| unwritable(&error, &folder))?;
    Ok(folder)
}

fn unwritable(error: &io::Error, path: &Path) -> ImportError {
    ImportError::Unwritable { reason: error.to_string(), path: path.to_owned() }
}

fn write(
    model: &Model,
    about: About,
    target: &Path,
    force: bool,
    progress: &Progress,
) -> Result<ModelPackage, ImportError> {
    place(about, target, force, |folder| {
        let nnunet = write_model(model, folder, "", progress)?;
        Ok(Contents { nnunet: Some(nnunet), ..Contents::default() })
    })
}

/// What a package holds beside what is told of it.
#[derive(Default)]
struct Contents {
    fetched: Vec<Origin>,
    run: Option<Run>,
    nnunet: Option<Table>,
    parts: Vec<PartTable>,
}

/// Makes one package of several models, each with the values of its labels in the common result.
///
/// # Errors
/// [`ImportError`] when they do not go together, the package is there already or cannot be written.
pub(in crate::ai) fn write_composed(
    composition: &Composition,
    orientation: Option<&str>,
    fetched: Vec<Origin>,
    about: About,
    (target, force): (&Path, bool),
    progress: &Progress,
) -> Result<ModelPackage, ImportError> {
    place(about, target, force, |folder| {
        let count = composition.parts.len();
        let mut parts = Vec::new();
        for (index, part) in composition.parts.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "few parts")]
            let [from, to] = [index, index + 1].map(|n| n as f64 / count as f64);
            let prefix = if count == 1 { String::new() } else { format!("part{}_", index + 1) };
            let mut nnunet = write_model(&part.model, folder, &prefix, &progress.part(from, to))?;
            nnunet.orientation = orientation.map(str::to_owned);
            parts.push(PartTable { values: part.values.clone(), nnunet });
        }
        Ok(Contents { fetched, run: Some(composition.run.clone()), nnunet: None, parts })
    })
}

/// Writes a package beside its place and moves it there.
fn place(
    about: About,
    target: &Path,
    force: bool,
    contents: impl FnOnce(&Path) -> Result<Contents, ImportError>,
) -> Result<ModelPackage, ImportError> {
    let place = target.join(&about.id);
    if place.symlink_metadata().is_ok() && !force {
        return Err(ImportError::Exists { id: about.id, path: place });
    }
    std::fs::create_dir_all(target).map_err(|error| unwritable(&error, target))?;
    let fresh = NewFolder::within(target).map_err(|error| unwritable(&error, target))?;
    let Contents { fetched, run, nnunet, parts } = contents(fresh.path())?;
    let manifest = Manifest {
        id: about.id,
        title: about.title,
        version: about.version,
        modality: about.modality,
        license: about.license,
        provenance: about.provenance,
        fetched,
        run,
        nnunet,
        parts,
        labels: about.labels,
    };
    let path = fresh.path().join("model.toml");
    let text = toml::to_string(&manifest)
        .map_err(|error| ImportError::Unwritable { reason: error.to_string(), path: path.clone() })?;
    std::fs::write(&path, text).map_err(|error| unwritable(&error, &path))?;
    // Read back before it gets its name.
    ModelPackage::load(fresh.path())?;
    fresh.commit(&place).map_err(|error| unwritable(&error, &place))?;
    Ok(ModelPackage::load(&place)?)
}

fn write_model(
    model: &Model,
    folder: &Path,
    prefix: &str,
    progress: &Progress,
) -> Result<Table, ImportError> {
    let copy = |from: &Path, name: &str| -> Result<String, ImportError> {
        let (name, to) = (format!("{prefix}{name}"), folder.join(format!("{prefix}{name}")));
        let bytes = std::fs::read(from).map_err(|error| unwritable(&error, from))?;
        std::fs::write(&to, bytes).map_err(|error| unwritable(&error, &to))?;
        Ok(name)
    };
    let (plans, dataset) =
        (copy(&model.plans_path, "plans.json")?, copy(&model.dataset_path, "dataset.json")?);
    let previous = match &model.previous {
        None => None,
        Some(previous) => {
            Some(Box::new(write_model(previous, folder, "previous_", &progress.part(0.0, 0.5))?))
        }
    };
    let progress = if previous.is_some() { progress.part(0.5, 1.0) } else { progress.part(0.0, 1.0) };
    let mut folds = Vec::new();
    for fold in 0..model.folds() {
        #[expect(clippy::cast_precision_loss, reason = "few folds")]
        progress.set_fraction(fold as f64 / model.folds() as f64)?;
        let file = format!("{prefix}fold_{fold}.safetensors");
        let path = folder.join(&file);
        let bytes = safetensors(model, fold, &path)?;
        let sha256 = sha256_text(&bytes);
        std::fs::write(&path, bytes).map_err(|error| unwritable(&error, &path))?;
        folds.push(FoldTable { file, sha256 });
    }
    Ok(Table {
        configuration: model.plan.configuration.clone(),
        trainer: model.trainer.clone(),
        plans,
        dataset,
        mirror_axes: model.mirror_axes.clone(),
        orientation: None,
        folds,
        previous,
    })
}

/// A fold's parameters, those that its network uses, as the bytes of a safetensors file.
fn safetensors(model: &Model, fold: usize, path: &Path) -> Result<Vec<u8>, ImportError> {
    let unusable = |reason: String| PackageError::Weights { reason, path: path.to_owned() };
    // Built once, so that weights of another network are refused now and not at the first use.
    model.network(fold)?;
    let mut parameters = model.parameters(fold)?;
    let wanted = Network::parameter_shapes(model.plan.architecture.clone())
        .map_err(|error| unusable(error.to_string()))?;
    parameters.retain(|name, _| wanted.contains_key(name));
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = parameters
        .into_iter()
        .map(|(name, parameter)| {
            (name, parameter.shape, parameter.values.iter().flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| unusable(error.to_string()))?;
    Ok(::safetensors::serialize(views, None).map_err(|error| unusable(error.to_string()))?)
}

/// Takes the files of training folders out of a ZIP archive, into a folder in `place` that goes when
/// dropped.
pub(in crate::ai) fn unpack(
    path: &Path,
    place: &Path,
    progress: &Progress,
) -> Result<tempfile::TempDir, ImportError> {
    let odd = |reason: String| ImportError::Archive { reason, path: path.to_owned() };
    let file = File::open(path).map_err(|error| odd(error.to_string()))?;
    let mut archive = Archive::open(BufReader::new(file)).map_err(odd)?;
    let folder = tempfile::Builder::new()
        .prefix(".unpacked-")
        .tempdir_in(place)
        .map_err(|error| unwritable(&error, place))?;
    let names: Vec<String> = archive.names().filter(|name| is_wanted(name)).map(str::to_owned).collect();
    for (index, name) in names.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "few files")]
        progress.set_fraction(index as f64 / names.len() as f64)?;
        // Windows programs write backslashes.
        let relative = PathBuf::from(name.replace('\\', "/"));
        if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(odd(format!("its part {name} would be written outside its folder")));
        }
        if archive.size(name).is_none_or(|size| size > CHECKPOINT_LIMIT) {
            return Err(odd(format!("its part {name} is too large")));
        }
        let to = folder.path().join(&relative);
        let parent = to.parent().unwrap_or(folder.path());
        std::fs::create_dir_all(parent).map_err(|error| unwritable(&error, parent))?;
        let mut out = File::create(&to).map_err(|error| unwritable(&error, &to))?;
        archive.copy_checked(name, &mut out).map_err(odd)?;
    }
    Ok(folder)
}

/// Whether a file belongs to a training folder: the plans, the data set, the checkpoints of folds.
fn is_wanted(name: &str) -> bool {
    let mut parts = name.rsplit(['/', '\\']);
    let (file, parent) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let is_checkpoint = matches!(file, "checkpoint_final.pth" | "checkpoint_best.pth");
    matches!(file, "plans.json" | "dataset.json") || (is_checkpoint && parent.starts_with("fold_"))
}
