//! A training folder that others have published, as one part of a model of the catalogue.

use super::composition::Part;
use super::import::ImportError;
use super::training;
use crate::ai::package::PackageError;
use std::path::Path;

/// The part that the training folder of this configuration makes, at `folder` or below it: its first
/// fold, without mirroring, as TotalSegmentator runs its models. `classes` are its labels' published
/// names, 1 first, and `values` what they are in the common result. Also gives what to tell of names
/// that differ.
///
/// # Errors
/// [`ImportError`] when there is no such folder, it cannot be used, or its labels are others.
pub(in crate::ai) fn part(
    folder: &Path,
    configuration: &str,
    classes: &[String],
    values: &[u16],
) -> Result<(Part, Option<String>), ImportError> {
    let found = training::find(folder);
    let ending = format!("__{configuration}");
    let named = |path: &&std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&ending))
    };
    let Some(path) = found.iter().find(named) else {
        return Err(PackageError::NoManifest { path: folder.to_owned() }.into());
    };
    let mut model = training::open(path)?;
    let unusable = |reason: String| PackageError::Training { reason, path: path.clone() };
    let own: Vec<&str> = model.dataset.structures.iter().map(|one| one.name.as_str()).collect();
    if model.dataset.regions || own.len() != classes.len() {
        let reason =
            format!("it has {} labels, not the {} that are expected of it", own.len(), classes.len());
        return Err(unusable(reason).into());
    }
    let differing: Vec<String> = own
        .iter()
        .zip(classes)
        .filter(|(own, class)| **own != class.as_str())
        .map(|(own, class)| format!("{own} for {class}"))
        .collect();
    // The same names in another order are other organs, not other names.
    if let Some(moved) = own
        .iter()
        .zip(classes)
        .find(|(own, class)| **own != class.as_str() && classes.iter().any(|other| other.as_str() == **own))
    {
        let reason = format!("its label {} stands where {} is expected", moved.0, moved.1);
        return Err(unusable(reason).into());
    }
    let said = (!differing.is_empty())
        .then(|| format!("the file has other names for its labels: {}", differing.join(", ")));
    model.keep_first_fold();
    model.mirror_axes.clear();
    Ok((Part { model, values: std::iter::once(0).chain(values.iter().copied()).collect() }, said))
}
