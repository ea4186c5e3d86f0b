//! The names of a label map's labels, in a JSON file beside it: `heart.nii.gz` has `heart.json`,
//! `{"1": "Heart"}`.

use crate::formats::nifti;
use crate::new_file::NewFile;
use crate::patient::LabelMap;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the names are kept.
pub(super) fn path_of(labels: &Path) -> PathBuf {
    let name = labels.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let lower = name.to_lowercase();
    let stem = [".nii.gz", ".nii"].iter().find_map(|ending| lower.strip_suffix(ending)).map_or(0, str::len);
    labels.with_file_name(format!("{}.json", name.get(..stem).unwrap_or(&name)))
}

/// The names beside a label map. None when there is no such file; nor, with a warning on standard
/// error, when it holds something else, as the sidecar files of other programs do.
pub(super) fn read(labels: &Path) -> Vec<(u16, String)> {
    let path = path_of(labels);
    if !path.is_file() {
        return Vec::new();
    }
    let text = std::fs::read_to_string(&path).ok();
    let names = text.and_then(|text| serde_json::from_str::<BTreeMap<u16, String>>(&text).ok());
    if names.is_none() {
        eprintln!(
            "warning: the labels go without names, for these are not {{\"1\": \"name\", ...}}: {}",
            path.display()
        );
    }
    names.unwrap_or_default().into_iter().collect()
}

/// Writes a label map and the names beside it; see [`nifti::write_labels`].
///
/// # Errors
/// When one of the two exists and `force` is not given, or cannot be written; nothing is left behind
/// then.
pub(super) fn write_labels_with_names(
    labels: &LabelMap,
    path: &Path,
    like: Option<&Path>,
    description: &str,
    force: bool,
) -> anyhow::Result<()> {
    let table: BTreeMap<u16, &String> = labels.names.iter().map(|(label, name)| (*label, name)).collect();
    // Both are begun before the one takes its name.
    let reserved = NewFile::create(path, force)?;
    let mut names = NewFile::create(&path_of(path), force)?;
    names.put((serde_json::to_string_pretty(&table)? + "\n").as_bytes())?;
    names.sync()?;
    drop(reserved);
    nifti::write_labels(labels, path, like, description)?;
    names.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lie_beside_the_labels() {
        assert_eq!(path_of(Path::new("x/heart.nii.gz")), Path::new("x/heart.json"));
        let folder = tempfile::tempdir().unwrap();
        let labels = folder.path().join("seg.nii.gz");
        assert!(read(&labels).is_empty());
        std::fs::write(folder.path().join("seg.json"), r#"{"1": "Heart", "3": "Liver"}"#).unwrap();
        assert_eq!(read(&labels), [(1, "Heart".to_owned()), (3, "Liver".to_owned())]);
        // Another program's sidecar.
        std::fs::write(folder.path().join("seg.json"), r#"{"Manufacturer": "x"}"#).unwrap();
        assert!(read(&labels).is_empty());
    }
}
