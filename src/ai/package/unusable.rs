//! Packages that were found and cannot be used: a manifest that someone has edited, weights of a copy
//! that broke off, a package of another version. They are shown with the reason, and can be removed.

use super::PackageError;
use crate::ai::nnunet::import::ImportError;
use std::path::{Path, PathBuf};

/// A package that was found and cannot be used.
#[derive(Debug)]
pub struct Unusable {
    /// The folder it lies in; `None` for one of the program's own.
    pub folder: Option<PathBuf>,
    /// Why.
    pub error: PackageError,
}

impl Unusable {
    /// Its folder's name, which is mostly its id; empty for one of the program's own.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.folder.as_deref().and_then(Path::file_name).unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Whether it lies where imports are put, `target`, so that it can be removed.
    #[must_use]
    pub fn is_own(&self, target: &Path) -> bool {
        self.folder.as_deref().is_some_and(|folder| is_own(folder, target))
    }
}

/// Only what import has put there: a folder of its own with a manifest, not a link to elsewhere.
fn is_own(folder: &Path, target: &Path) -> bool {
    let is_folder = folder.symlink_metadata().is_ok_and(|data| data.is_dir());
    folder.parent() == Some(target) && is_folder && folder.join("model.toml").is_file()
}

/// Removes a package's folder, which lies in `target`, where imports are put.
///
/// # Errors
/// [`ImportError`] when it lies elsewhere, is no package, or cannot be removed.
pub fn remove_unusable(folder: &Path, target: &Path) -> Result<(), ImportError> {
    if !is_own(folder, target) {
        let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Err(ImportError::NotImported { id, path: Some(folder.to_owned()) });
    }
    std::fs::remove_dir_all(folder)
        .map_err(|error| ImportError::Unwritable { reason: error.to_string(), path: folder.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_package_in_its_place_is_removed() {
        let target = tempfile::tempdir().unwrap();
        let (package, other) = (target.path().join("old"), target.path().join("notes"));
        for folder in [&package, &other, &other.join("deep")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        for folder in [&package, &other.join("deep")] {
            std::fs::write(folder.join("model.toml"), "not a manifest").unwrap();
        }
        let error = super::super::ModelPackage::load(&package).unwrap_err();
        let unusable = Unusable { folder: Some(package.clone()), error };
        assert!(unusable.is_own(target.path()) && !unusable.is_own(&other));
        assert_eq!(unusable.name(), "old");
        for folder in [&other, &other.join("deep"), &target.path().join("none")] {
            let refused = remove_unusable(folder, target.path());
            assert!(matches!(refused, Err(ImportError::NotImported { .. })), "{refused:?}");
        }
        remove_unusable(&package, target.path()).unwrap();
        assert!(!package.exists() && other.join("deep/model.toml").exists());
    }
}
