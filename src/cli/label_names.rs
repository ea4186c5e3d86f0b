//! The names of a label map's labels, in a JSON file beside it: `heart.nii.gz` has `heart.json`,
//! `{"1": "Heart"}`.

use crate::formats::nifti;
use crate::new_file::NewFile;
use crate::patient::LabelMap;
use anyhow::bail;
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
    let names = names_in(&path);
    if names.is_none() {
        eprintln!(
            "warning: the labels go without names, for these are not {{\"1\": \"name\", ...}}: {}",
            path.display()
        );
    }
    names.unwrap_or_default().into_iter().collect()
}

/// The names in the file at `path`, where it is one of these.
fn names_in(path: &Path) -> Option<BTreeMap<u16, String>> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

/// Refuses to write names over a file of another kind, such as the sidecar of an image, also when
/// asked to overwrite.
///
/// # Errors
/// When there is such a file beside `labels`.
pub(super) fn refuse_other_sidecar(labels: &Path) -> anyhow::Result<()> {
    let path = path_of(labels);
    if path.is_file() && names_in(&path).is_none() {
        bail!(
            "beside the label map lies a file that does not hold names of labels and is not overwritten; \
             choose another name for the label map: {}",
            path.display()
        );
    }
    Ok(())
}

/// Writes a label map and the names beside it; see [`nifti::write_labels`]. The two get their names
/// from [`crate::new_file::commit_all`].
///
/// # Errors
/// When one of the two exists and `force` is not given (or the names' is another program's), or
/// cannot be written; nothing is left behind then.
pub(super) fn prepare_labels_with_names(
    labels: &LabelMap,
    path: &Path,
    like: Option<&Path>,
    description: &str,
    force: bool,
) -> anyhow::Result<Vec<NewFile>> {
    refuse_other_sidecar(path)?;
    let table: BTreeMap<u16, &String> = labels.names.iter().map(|(label, name)| (*label, name)).collect();
    let map = nifti::prepare_labels(labels, path, like, description, force)?;
    let mut names = NewFile::create(&path_of(path), force)?;
    names.put((serde_json::to_string_pretty(&table)? + "\n").as_bytes())?;
    names.sync()?;
    Ok(vec![map, names])
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

    #[test]
    fn another_program_s_sidecar_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let labels = folder.path().join("seg.nii.gz");
        let sidecar = folder.path().join("seg.json");
        refuse_other_sidecar(&labels).unwrap();
        for ours in ["{}", r#"{"1": "Heart"}"#] {
            std::fs::write(&sidecar, ours).unwrap();
            refuse_other_sidecar(&labels).unwrap();
        }
        for other in [r#"{"Manufacturer": "x", "1": "Heart"}"#, r#"["Heart"]"#, "", r#"{"1": 5}"#] {
            std::fs::write(&sidecar, other).unwrap();
            let said = refuse_other_sidecar(&labels).unwrap_err().to_string();
            assert!(said.contains("seg.json"), "{said}");
        }
    }
}
