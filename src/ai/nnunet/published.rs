//! A training folder that others have published, as one part of a model of the catalogue.

use super::composition::Part;
use super::import::ImportError;
use super::training;
use crate::ai::package::PackageError;
use std::path::Path;

/// The part that the training folder of these plans, where they are told, and this configuration makes, at
/// `folder` or below it: its first fold, without mirroring, as TotalSegmentator runs its models. `classes` are its labels' published
/// names, 1 first, and `values` what they are in the common result. Also gives what to tell of names
/// that differ.
///
/// # Errors
/// [`ImportError`] when there is no such folder, it cannot be used, or its labels are others.
pub(in crate::ai) fn part(
    folder: &Path,
    (plans, configuration): (Option<&str>, &str),
    classes: &[String],
    values: &[u16],
) -> Result<(Part, Option<String>), ImportError> {
    let found = training::find(folder);
    let plans = plans.map_or_else(String::new, |plans| format!("__{plans}"));
    let ending = format!("{plans}__{configuration}");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_trainings_in_a_file_the_one_of_the_plans_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/nnunet/torchres/nnUNetTrainer__nnUNetPlans__3d_fullres");
        for name in ["nnUNetTrainer__nnUNetPlans__3d_fullres", "nnUNetTrainer__AnotherPlans_8__3d_fullres"] {
            let to = folder.path().join("Dataset955").join(name);
            std::fs::create_dir_all(to.join("fold_0")).unwrap();
            for file in ["plans.json", "dataset.json", "fold_0/checkpoint_final.pth"] {
                std::fs::copy(fixture.join(file), to.join(file)).unwrap();
            }
        }
        let classes = ["a".to_owned(), "b".to_owned()];
        let taken = |plans: Option<&str>| {
            let (part, _) = part(folder.path(), (plans, "3d_fullres"), &classes, &[1, 2]).ok()?;
            part.model.plans_path.parent()?.file_name()?.to_str().map(str::to_owned)
        };
        let own = taken(Some("nnUNetPlans"));
        assert_eq!(own.as_deref(), Some("nnUNetTrainer__nnUNetPlans__3d_fullres"));
        let other = taken(Some("AnotherPlans_8"));
        assert_eq!(other.as_deref(), Some("nnUNetTrainer__AnotherPlans_8__3d_fullres"));
        assert_eq!(taken(Some("Plans")), None, "a part of a name is no name");
        assert!(taken(None).is_some());
    }
}
