//! Where the program keeps a person's things on this machine.

use std::path::PathBuf;

/// The folder for everything the program keeps for this person on this machine: journals,
/// preferences, imported models, caches. `DELINEO_DATA_DIR` overrides it. Never inside a DICOM folder.
#[must_use]
pub fn data_folder() -> PathBuf {
    if let Some(folder) = std::env::var_os("DELINEO_DATA_DIR").filter(|folder| !folder.is_empty()) {
        return PathBuf::from(folder);
    }
    directories::ProjectDirs::from("", "", "delineo").map_or_else(
        || std::env::temp_dir().join("delineo"),
        |project| project.data_local_dir().to_path_buf(),
    )
}
