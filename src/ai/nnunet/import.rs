//! Training folders made into model packages in the program's own folder; packages that are made already
//! are taken as they are (`ready`).
//!
//! A package appears whole or not at all: it is written beside its place and renamed. The weights
//! are written as float32 safetensors, one file a fold, only the tensors that the network uses and those of
//! deep supervision.

use super::card::card;
use super::composition::{Composition, Run};
use super::dataset::without_cases;
use super::model::Model;
use super::orientation::Orientation;
use super::package::{About, FoldTable, Manifest, Origin, PartTable, Table, as_stored, named, plain_name};
use super::splits::record::RECORD;
use super::unpack::unpack;
use super::{ready, training};
use crate::ai::network::{Network, NormKind, is_head};
use crate::ai::package::{ModelPackage, PackageError, is_reserved, sha256_text};
use crate::new_file::{NewFolder, sweep};
use crate::progress::{Cancelled, Progress};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Why a model was not imported, or not removed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Someone asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The training folder cannot be used.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// There is nothing to import.
    #[error("there is no such folder or archive: {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A package of this name is there already.
    #[error("there is a model {id} already; replace it with --force or choose another name with --id: {}", path.display())]
    Exists {
        /// Its id.
        id: String,
        /// Its folder.
        path: PathBuf,
    },
    /// The id is that of a model that would be taken in its place.
    #[error("the id {id} belongs to a model of the program or of its catalogue; choose another with --id")]
    Reserved {
        /// It.
        id: String,
    },
    /// One id was given for several models.
    #[error(
        "there are {count} models and --id {id} names but one; import the training folder of one of them: {}",
        path.display()
    )]
    Several {
        /// The id.
        id: String,
        /// How many there are.
        count: usize,
        /// Where they are.
        path: PathBuf,
    },
    /// The disk has no room for what an archive unpacks to.
    #[error(
        "the disk has {} MB free and the archive unpacks to {} MB; free some space or set DELINEO_DATA_DIR: {}",
        free / 1_000_000, needed / 1_000_000, path.display()
    )]
    NoRoom {
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
        /// Where.
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
    #[error(
        "the model {id} is part of the program or of another folder and cannot be removed; those that were \
         imported or fetched can (`delineo model list` tells which){}", where_is(.path.as_deref())
    )]
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
    /// How images are handed over, in place of what the plans say.
    pub orientation: Option<Orientation>,
}

/// What to do with the models of an import that are there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// Their ids, as [`ImportError::Exists`] has told them; no others are imported.
    pub ids: Vec<String>,
    /// Whether each is kept beside the one that is there, with a number behind its id and title; else it
    /// takes that one's place.
    pub beside: bool,
}

/// What an import has brought.
#[derive(Debug)]
pub struct Imported {
    /// The packages, in the order of their folders; at least one, where [`import`] has made them.
    pub packages: Vec<ModelPackage>,
    /// Why other training folders were not imported.
    pub refused: Vec<ImportError>,
}

/// Imports every training folder found in `source` (a training folder, the folder above it, or a ZIP
/// archive of either) into packages in `target`; or the package that `source` is, or that a training has
/// left in it, or that is all that an archive holds. One that cannot be used does not keep the others out.
///
/// # Errors
/// [`ImportError`] when nothing is found, none can be imported (the first one's reason), a package
/// cannot be written, or someone asked to stop; the packages written before stay.
pub fn import(
    source: &Path,
    target: &Path,
    options: &ImportOptions,
    progress: &Progress,
) -> Result<Imported, ImportError> {
    let mut imported = import_each(source, target, options, None, progress)?;
    if imported.packages.is_empty() && !imported.refused.is_empty() {
        return Err(imported.refused.remove(0));
    }
    Ok(imported)
}

/// The same, with all reasons told where none is imported; after an import that found models there
/// already, only these `again`.
///
/// # Errors
/// [`ImportError`] when nothing is found, a package cannot be written, or someone asked to stop.
pub fn import_each(
    source: &Path,
    target: &Path,
    options: &ImportOptions,
    again: Option<&Again>,
    progress: &Progress,
) -> Result<Imported, ImportError> {
    if !source.try_exists().map_err(|error| unwritable(&error, source))? {
        return Err(ImportError::Missing { path: source.to_owned() });
    }
    sweep(target, SystemTime::now());
    if let Some(package) = ready::find(source) {
        let taken = ready::take(&package, target, (options, again), progress)?;
        return Ok(Imported { packages: taken.into_iter().collect(), refused: Vec::new() });
    }
    let unpacked;
    let mut folder = source;
    if source.is_file() {
        progress.set_step("Unpacking");
        unpacked = unpack(source, target, &progress.part(0.0, 0.3))?;
        folder = unpacked.path();
        if let Some(package) = ready::find_unpacked(folder) {
            let taken = ready::take(&package, target, (options, again), &progress.part(0.3, 1.0))?;
            return Ok(Imported { packages: taken.into_iter().collect(), refused: Vec::new() });
        }
    }
    let found = training::find(folder);
    if found.is_empty() {
        return Err(PackageError::NoManifest { path: source.to_owned() }.into());
    }
    let count = found.len();
    if let Some(id) = options.id.as_ref().filter(|_| count > 1) {
        return Err(ImportError::Several { id: id.clone(), count, path: source.to_owned() });
    }
    let mut imported = Imported { packages: Vec::new(), refused: Vec::new() };
    let mut ids = BTreeSet::new();
    // A cascade's first stage is part of the second's package, and a model of its own.
    for (index, folder) in found.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "few models")]
        let [from, to] = [index, index + 1].map(|n| 0.3 + 0.7 * n as f64 / count as f64);
        match one(folder, target, (options, again), &mut ids, &progress.part(from, to)) {
            Ok(package) => imported.packages.extend(package),
            // What would stop the next one as well.
            Err(stop @ (ImportError::Cancelled(_) | ImportError::Unwritable { .. })) => return Err(stop),
            Err(refused) => imported.refused.push(refused),
        }
    }
    Ok(imported)
}

/// Imports one training folder under an id that none of `ids`, those imported with it, is; `None` where
/// it is none of those that are imported again.
fn one(
    folder: &Path,
    target: &Path,
    (options, again): (&ImportOptions, Option<&Again>),
    ids: &mut BTreeSet<String>,
    progress: &Progress,
) -> Result<Option<ModelPackage>, ImportError> {
    let mut model = training::open(folder)?;
    if let Some(orientation) = options.orientation {
        model.hand_over(orientation);
    }
    progress.set_step(format!("Importing {}", named(&model)));
    let mut about = About::of(&model);
    about.id = options.id.as_deref().map_or_else(|| fresh(&about.id, ids), plain_name);
    if is_reserved(&about.id) {
        return Err(ImportError::Reserved { id: about.id });
    }
    ids.insert(about.id.clone());
    if let Some(again) = again {
        if !again.ids.contains(&about.id) {
            return Ok(None);
        }
        if again.beside {
            (about.id, about.title) = numbered(&about.id, &about.title, target, ids);
        }
    }
    let force = options.force || again.is_some_and(|again| !again.beside);
    write(&model, about, (target, force), options.orientation, progress).map(Some)
}

/// Id and title of a model that is kept beside the one of this id, with the first number that is free.
pub(super) fn numbered(id: &str, title: &str, target: &Path, taken: &BTreeSet<String>) -> (String, String) {
    let is_free = |id: &str| !taken.contains(id) && target.join(id).symlink_metadata().is_err();
    let mut number = 2;
    while !is_free(&format!("{id}-{number}")) {
        number += 1;
    }
    (format!("{id}-{number}"), format!("{title} ({number})"))
}

/// The id, or with the first number behind it that makes it none of these.
fn fresh(id: &str, taken: &BTreeSet<String>) -> String {
    let numbered = (2..).map(|number: usize| format!("{id}-{number}"));
    let mut all = std::iter::once(id.to_owned()).chain(numbered);
    all.find(|id| !taken.contains(id)).unwrap_or_default()
}

/// Removes an imported package.
///
/// # Errors
/// [`ImportError`] when there is none of this id, it is part of the program, or cannot be removed.
pub fn remove(id: &str, target: &Path) -> Result<PathBuf, ImportError> {
    let (packages, _) = ModelPackage::look_with(target);
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

pub(super) fn unwritable(error: &io::Error, path: &Path) -> ImportError {
    ImportError::Unwritable { reason: error.to_string(), path: path.to_owned() }
}

fn write(
    model: &Model,
    about: About,
    (target, force): (&Path, bool),
    orientation: Option<Orientation>,
    progress: &Progress,
) -> Result<ModelPackage, ImportError> {
    let told = about.clone();
    place(about, target, force, |folder| {
        let mut nnunet = write_model(model, folder, "", progress)?;
        let mut version = as_stored(model, &nnunet, folder).state();
        if let Some(orientation) = orientation {
            nnunet.hand_over(orientation);
            version = format!("{version}-{orientation}");
        }
        let card = Some(card(model, &told, &version));
        Ok(Contents { version: Some(version), nnunet: Some(nnunet), card, ..Contents::default() })
    })
}

/// What a package holds beside what is told of it.
#[derive(Default)]
struct Contents {
    /// In place of what was told before its weights were known.
    version: Option<String>,
    fetched: Vec<Origin>,
    run: Option<Run>,
    nnunet: Option<Table>,
    parts: Vec<PartTable>,
    /// The model card, where there is one.
    card: Option<String>,
}

/// Makes one package of several models, each with the values of its labels in the common result, of the
/// files it was fetched from, and with a card.
///
/// # Errors
/// [`ImportError`] when they do not go together, the package is there already or cannot be written.
pub(in crate::ai) fn write_composed(
    composition: &Composition,
    orientation: Option<&str>,
    (fetched, card): (Vec<Origin>, String),
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
        let (run, card) = (Some(composition.run.clone()), Some(card));
        Ok(Contents { fetched, run, parts, card, ..Contents::default() })
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
    let Contents { version, fetched, run, nnunet, parts, card } = contents(fresh.path())?;
    let manifest = Manifest {
        id: about.id,
        title: about.title,
        version: version.unwrap_or(about.version),
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
    if let Some(card) = card {
        let path = fresh.path().join("card.md");
        std::fs::write(&path, card).map_err(|error| unwritable(&error, &path))?;
    }
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
        let bytes = if from == &*model.dataset_path { without_cases(bytes) } else { bytes };
        std::fs::write(&to, bytes).map_err(|error| unwritable(&error, &to))?;
        Ok(name)
    };
    let (plans, dataset) =
        (copy(&model.plans_path, "plans.json")?, copy(&model.dataset_path, "dataset.json")?);
    // By this training further knows which patients a fold has never seen.
    if let Some(record) = model.fold_record().filter(|_| prefix.is_empty()) {
        let to = folder.join(RECORD);
        std::fs::write(&to, record.text()).map_err(|error| unwritable(&error, &to))?;
    }
    let previous = match &model.previous {
        None => None,
        Some(previous) => {
            Some(Box::new(write_model(previous, folder, "previous_", &progress.part(0.0, 0.5))?))
        }
    };
    let progress = if previous.is_some() { progress.part(0.5, 1.0) } else { progress.part(0.0, 1.0) };
    let mut folds = Vec::new();
    for (fold, name) in model.fold_names().into_iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "few folds")]
        progress.set_fraction(fold as f64 / model.folds() as f64)?;
        let file = format!("{prefix}fold_{name}.safetensors");
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

/// A fold's parameters, those that its network uses and the heads that training it further needs, as the
/// bytes of a safetensors file.
fn safetensors(model: &Model, fold: usize, path: &Path) -> Result<Vec<u8>, ImportError> {
    let unusable = |reason: String| PackageError::Weights { reason, path: path.to_owned() };
    let mut parameters = model.parameters(fold)?;
    // Built once, so that weights of another network are refused now and not at the first use.
    model.network_of(fold, &parameters)?;
    let wanted = Network::parameter_shapes(model.plan.architecture.clone(), NormKind::of(&parameters))
        .map_err(|error| unusable(error.to_string()))?;
    parameters.retain(|name, _| wanted.contains_key(name) || is_head(name));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_says_in_words_which_model_it_is_at() {
        let told = |folder: &str| {
            let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nnunet");
            let target = tempfile::tempdir().unwrap();
            let progress = Progress::new();
            import(&fixtures.join(folder), target.path(), &ImportOptions::default(), &progress).unwrap();
            let mut steps: Vec<String> = progress.told().into_iter().map(|(_, step)| step).collect();
            steps.dedup();
            steps.retain(|step| step.starts_with("Importing"));
            steps
        };
        let only = told("torchres");
        assert_eq!(only, ["Importing Dataset955_TorchRes, full resolution"]);
        let both = told("cascade");
        assert!(both[0].ends_with(", low, then full resolution"), "{both:?}");
        assert!(both[1].ends_with(", low resolution"), "{both:?}");
        assert!(told("res2d")[0].ends_with(", slice by slice"));
    }

    /// Bytes that this thread has read of files; `None` where the system does not tell.
    fn bytes_read() -> Option<u64> {
        let told = std::fs::read_to_string("/proc/thread-self/io").ok()?;
        told.lines().find_map(|line| line.strip_prefix("rchar:"))?.trim().parse().ok()
    }

    #[test]
    fn an_import_reads_the_weights_of_a_checkpoint_once() {
        use super::super::checkpoint::Checkpoint;
        if bytes_read().is_none() {
            println!("skipped: the system does not tell what is read");
            return;
        }
        let reads = |work: &dyn Fn()| {
            let before = bytes_read().unwrap();
            work();
            bytes_read().unwrap() - before
        };
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nnunet");
        let folder = fixtures.join("res2d/nnUNetTrainer__nnUNetPlans__2d");
        let checkpoint = folder.join("fold_0/checkpoint_final.pth");
        let header = reads(&|| drop(Checkpoint::read_header(&checkpoint).unwrap()));
        let whole = reads(&|| drop(Checkpoint::read(&checkpoint).unwrap()));
        let target = tempfile::tempdir().unwrap();
        let imported = reads(&|| {
            let options = ImportOptions::default();
            drop(import(&folder, target.path(), &options, &Progress::new()).unwrap());
        });
        // What it is, then its weights; beside them some small files.
        assert!(imported >= header + whole, "{imported} {header} {whole}");
        assert!(imported < header + whole + whole / 4, "{imported} {header} {whole}");
    }

    #[test]
    fn an_id_is_used_once_in_an_import() {
        let mut taken = BTreeSet::new();
        for expected in ["a-2d", "a-2d-2", "a-2d-3"] {
            let id = fresh("a-2d", &taken);
            assert_eq!(id, expected);
            taken.insert(id);
        }
    }
}
