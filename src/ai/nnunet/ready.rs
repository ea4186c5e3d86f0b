//! Packages that are made already, imported as they are: what a training has left, or a folder copied
//! from another machine.
//!
//! Only the files that its manifest names are copied, and its card; whatever else lies beside them (a recipe, a log,
//! lists of patients) stays there. Its weights are checked before it gets its name.

use super::dataset::without_cases;
use super::import::{Again, ImportError, ImportOptions, numbered, unwritable};
use super::model::Model;
use super::package::plain_name;
use super::splits::record::RECORD;
use crate::ai::package::{ModelPackage, PackageError, is_reserved};
use crate::ai::train::PACKAGE;
use crate::new_file::NewFolder;
use crate::progress::Progress;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The manifest's name.
pub(super) const MANIFEST: &str = "model.toml";
/// The card's name, which no manifest tells.
const CARD: &str = "card.md";
/// The manifest's key of a `dataset.json`.
const DATASET: &str = "dataset";
/// What the files that a package reads end with.
const ENDINGS: [&str; 4] = ["toml", "md", "json", "safetensors"];

/// The package in a folder: the folder itself, or what a training has left in it.
pub(super) fn find(folder: &Path) -> Option<PathBuf> {
    [folder.to_owned(), folder.join(PACKAGE)].into_iter().find(|own| own.join(MANIFEST).is_file())
}

/// The same of an archive's folder, where the package may lie some folders down, each alone in its own.
pub(super) fn find_unpacked(folder: &Path) -> Option<PathBuf> {
    // Folders within folders that hold nothing else are few.
    const DEPTH: usize = 4;
    let alone = |folder: &PathBuf| {
        let mut entries = std::fs::read_dir(folder).ok()?;
        let only = entries.next()?.ok()?.path();
        (entries.next().is_none() && only.is_dir()).then_some(only)
    };
    std::iter::successors(Some(folder.to_owned()), alone).take(DEPTH).find_map(|own| find(&own))
}

/// Whether a package reads a file of this name.
pub(super) fn is_read(name: &Path) -> bool {
    name.extension().is_some_and(|own| ENDINGS.iter().any(|ending| own == *ending))
}

/// Copies the package in `source` into `target`; `None` where it is none of those that are imported again.
///
/// # Errors
/// [`ImportError`] when it cannot be used, is there already or cannot be written.
pub(super) fn take(
    source: &Path,
    target: &Path,
    (options, again): (&ImportOptions, Option<&Again>),
    progress: &Progress,
) -> Result<Option<ModelPackage>, ImportError> {
    if options.orientation.is_some() {
        let reason = "an orientation can be given to training folders alone".to_owned();
        return Err(PackageError::Manifest { reason, path: source.join(MANIFEST) }.into());
    }
    let package = ModelPackage::load(source)?;
    progress.set_step(format!("Importing {}", package.title));
    // Read once, so that damaged weights are refused now and not at the first use.
    drop(package.network()?);
    let mut id = plain_name(options.id.as_deref().unwrap_or(&package.id));
    let mut title = package.title.clone();
    if is_reserved(&id) {
        return Err(ImportError::Reserved { id });
    }
    if let Some(again) = again {
        if !again.ids.contains(&id) {
            return Ok(None);
        }
        if again.beside {
            (id, title) = numbered(&id, &title, target, &BTreeSet::new());
        }
    }
    let place = target.join(&id);
    let force = options.force || again.is_some_and(|again| !again.beside);
    if place.symlink_metadata().is_ok() && !force {
        return Err(ImportError::Exists { id, path: place });
    }
    std::fs::create_dir_all(target).map_err(|error| unwritable(&error, target))?;
    let fresh = NewFolder::within(target).map_err(|error| unwritable(&error, target))?;
    copy(source, fresh.path(), &package, progress)?;
    if id != package.id || title != package.title {
        rename(&fresh.path().join(MANIFEST), id, title)?;
    }
    // Read back before it gets its name.
    ModelPackage::load(fresh.path())?;
    fresh.commit(&place).map_err(|error| unwritable(&error, &place))?;
    Ok(Some(ModelPackage::load(&place)?))
}

/// Copies the files of a package.
fn copy(from: &Path, to: &Path, package: &ModelPackage, progress: &Progress) -> Result<(), ImportError> {
    let mut files = BTreeMap::from([(MANIFEST.to_owned(), false), (CARD.to_owned(), false)]);
    named(&toml::Value::Table(manifest(&from.join(MANIFEST))?), "", &mut files);
    for (name, is_dataset) in files {
        let path = from.join(&name);
        if Path::new(&name).file_name() != Some(name.as_ref()) || !path.is_file() {
            continue;
        }
        progress.check()?;
        let to = to.join(&name);
        if is_dataset {
            let bytes = std::fs::read(&path).map_err(|error| unwritable(&error, &path))?;
            std::fs::write(&to, without_cases(bytes)).map_err(|error| unwritable(&error, &to))?;
        } else {
            std::fs::copy(&path, &to).map_err(|error| unwritable(&error, &to))?;
        }
    }
    if let Some(record) = package.nnunet.as_ref().and_then(Model::fold_record) {
        let to = to.join(RECORD);
        std::fs::write(&to, record.text()).map_err(|error| unwritable(&error, &to))?;
    }
    Ok(())
}

/// Adds every text of a manifest, which may be a file's name, and whether it is that of a `dataset.json`.
fn named(value: &toml::Value, key: &str, files: &mut BTreeMap<String, bool>) {
    match value {
        toml::Value::String(text) => *files.entry(text.clone()).or_default() |= key == DATASET,
        toml::Value::Array(values) => values.iter().for_each(|value| named(value, key, files)),
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| named(value, key, files)),
        _ => {}
    }
}

/// A manifest as it is written.
fn manifest(path: &Path) -> Result<toml::Table, ImportError> {
    let text = std::fs::read_to_string(path).map_err(|error| unwritable(&error, path))?;
    text.parse().map_err(|error: toml::de::Error| {
        PackageError::Manifest { reason: error.to_string(), path: path.to_owned() }.into()
    })
}

/// Gives a manifest another id and title.
fn rename(path: &Path, id: String, title: String) -> Result<(), ImportError> {
    let odd = |reason: String| PackageError::Manifest { reason, path: path.to_owned() };
    let mut manifest = manifest(path)?;
    manifest.insert("id".to_owned(), id.into());
    manifest.insert("title".to_owned(), title.into());
    let text = toml::to_string(&manifest).map_err(|error| odd(error.to_string()))?;
    std::fs::write(path, text).map_err(|error| unwritable(&error, path))
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::zip;
    use super::super::import::{Imported, import, import_each};
    use super::*;
    use crate::new_file::names_in;

    #[test]
    fn what_a_training_has_left_is_imported_asked_about_and_kept_beside_itself() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/sample-body");
        let (folder, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let import_from = |source: &Path, id: Option<&str>| {
            let options = ImportOptions { id: id.map(str::to_owned), ..ImportOptions::default() };
            import(source, target.path(), &options, &Progress::new())
        };
        let refused = import_from(&shipped, None).unwrap_err();
        assert!(matches!(refused, ImportError::Reserved { .. }), "an id of the program's own: {refused}");
        // As a training leaves it: in a folder of its own within the run's.
        let left = folder.path().join(PACKAGE);
        std::fs::create_dir(&left).unwrap();
        for name in ["model.toml", "card.md", "weights.safetensors"] {
            std::fs::copy(shipped.join(name), left.join(name)).unwrap();
        }
        rename(&left.join(MANIFEST), "clinic".to_owned(), "Clinic's own".to_owned()).unwrap();
        for name in ["notes.txt", "recipe.toml", "patients.json", "notes.md"] {
            std::fs::write(left.join(name), "of no use to the program").unwrap();
        }
        let first = import_from(folder.path(), None).unwrap();
        assert_eq!(first.packages[0].id, "clinic");
        assert_eq!(names_in(&target.path().join("clinic")), ["card.md", "model.toml", "weights.safetensors"]);
        let original = ModelPackage::load(&shipped).unwrap();
        let same = |package: &ModelPackage| {
            (package.labels.clone(), package.normalization.clone(), package.inference.clone())
                == (original.labels.clone(), original.normalization.clone(), original.inference.clone())
        };
        assert!(same(&first.packages[0]), "nothing but its name has changed");
        first.packages[0].network().unwrap();

        // The same in an archive, some folders down.
        let files: Vec<(String, Vec<u8>)> = ["model.toml", "card.md", "weights.safetensors", "notes.txt"]
            .map(|name| (format!("clinic/{PACKAGE}/{name}"), std::fs::read(left.join(name)).unwrap()))
            .to_vec();
        let files: Vec<(&str, &[u8])> =
            files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let archive = folder.path().join("clinic.zip");
        std::fs::write(&archive, zip(&files, true)).unwrap();
        let unpacked = import_from(&archive, Some("zipped")).unwrap();
        assert!(same(&unpacked.packages[0]) && unpacked.packages[0].id == "zipped");
        unpacked.packages[0].network().unwrap();
        std::fs::remove_dir_all(target.path().join("zipped")).unwrap();

        let twice = import_from(folder.path(), None).unwrap_err();
        assert!(matches!(twice, ImportError::Exists { ref id, .. } if id == "clinic"), "{twice}");
        let again = |beside| {
            let again = Again { ids: vec!["clinic".to_owned()], beside };
            let options = ImportOptions::default();
            let imported =
                import_each(folder.path(), target.path(), &options, Some(&again), &Progress::new());
            let Imported { mut packages, refused } = imported.unwrap();
            assert!(refused.is_empty());
            packages.remove(0)
        };
        let beside = again(true);
        assert_eq!((beside.id.as_str(), beside.title.as_str()), ("clinic-2", "Clinic's own (2)"));
        assert!(same(&beside));
        std::fs::write(target.path().join("clinic/old.json"), "{}").unwrap();
        assert_eq!(again(false).id, "clinic");
        assert_eq!(names_in(&target.path().join("clinic")), ["card.md", "model.toml", "weights.safetensors"]);
        assert_eq!(names_in(target.path()), ["clinic", "clinic-2"], "nothing is left beside them");
    }

    #[test]
    fn damaged_weights_are_refused_and_leave_nothing() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/sample-body");
        let (folder, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::copy(shipped.join(MANIFEST), folder.path().join(MANIFEST)).unwrap();
        let mut bytes = std::fs::read(shipped.join("weights.safetensors")).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(folder.path().join("weights.safetensors"), bytes).unwrap();
        let options = ImportOptions { id: Some("clinic".to_owned()), ..ImportOptions::default() };
        let refused = import(folder.path(), target.path(), &options, &Progress::new()).unwrap_err();
        assert!(matches!(refused, ImportError::Package(PackageError::Checksum { .. })), "{refused}");
        assert!(names_in(target.path()).is_empty());
    }

    #[test]
    fn a_place_where_nothing_is_is_said_to_be_one() {
        let target = tempfile::tempdir().unwrap();
        let nothing = target.path().join("nothing");
        let refused = import(&nothing, target.path(), &ImportOptions::default(), &Progress::new());
        assert!(matches!(refused, Err(ImportError::Missing { .. })), "{refused:?}");
    }
}
