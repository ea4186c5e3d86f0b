//! Training folders, and packages that are made already, out of ZIP archives.
//!
//! Only what an import needs is taken out, beside where the package will lie: a system's temporary
//! folder is often memory, and a model may be gigabytes. What all of it takes is known before the first
//! byte is written.

use super::archive::Archive;
use super::import::{ImportError, unwritable};
use super::{ready, splits};
use crate::ai::disk;
use crate::new_file::NewFolder;
use crate::progress::Progress;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Component, Path, PathBuf};

/// The greatest checkpoint that is taken out of a ZIP archive, bytes.
const CHECKPOINT_LIMIT: u64 = 16 << 30;
/// The most that is taken out of one archive, bytes.
const TOTAL_LIMIT: u64 = 64 << 30;

/// Takes the files of training folders and of packages out of a ZIP archive, into a folder in `place` that goes when
/// dropped.
///
/// # Errors
/// [`ImportError`] when the archive is damaged, holds more than the disk has room for, would write
/// outside the folder, or someone asked to stop.
pub(in crate::ai) fn unpack(
    path: &Path,
    place: &Path,
    progress: &Progress,
) -> Result<NewFolder, ImportError> {
    let odd = |reason: String| ImportError::Archive { reason, path: path.to_owned() };
    let file = File::open(path).map_err(|error| odd(error.to_string()))?;
    let mut archive = Archive::open(BufReader::new(file)).map_err(odd)?;
    let names = wanted(&archive, TOTAL_LIMIT).map_err(odd)?;
    check_room(total(&archive, &names), disk::free_bytes(place), place)?;
    std::fs::create_dir_all(place).map_err(|error| unwritable(&error, place))?;
    let folder = NewFolder::within(place).map_err(|error| unwritable(&error, place))?;
    for (index, name) in names.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "few files")]
        progress.set_fraction(index as f64 / names.len() as f64)?;
        let relative = relative(name).map_err(odd)?;
        let to = folder.path().join(&relative);
        let parent = to.parent().unwrap_or(folder.path());
        std::fs::create_dir_all(parent).map_err(|error| unwritable(&error, parent))?;
        let mut out = File::create(&to).map_err(|error| unwritable(&error, &to))?;
        archive.copy_checked(name, &mut out).map_err(odd)?;
    }
    Ok(folder)
}

/// The names of the files to take out, none of them and not all together too large.
fn wanted<R: Read + Seek>(archive: &Archive<R>, limit: u64) -> Result<Vec<String>, String> {
    // Folders of packages, with their separator; empty for the archive itself.
    let folder = |name: &str| name.strip_suffix(ready::MANIFEST).map(str::to_owned);
    let mut packages: Vec<String> = archive.names().filter_map(folder).collect();
    packages.retain(|folder| folder.is_empty() || folder.ends_with(['/', '\\']));
    let is_of_package = |name: &str| {
        let mut files = packages.iter().filter_map(|folder| name.strip_prefix(folder.as_str()));
        files.any(|file| !file.contains(['/', '\\']) && ready::is_read(Path::new(file)))
    };
    let is_taken = |name: &&str| is_wanted(name) || is_of_package(name);
    let names: Vec<String> = archive.names().filter(is_taken).map(str::to_owned).collect();
    for name in &names {
        if archive.size(name).is_none_or(|size| size > CHECKPOINT_LIMIT) {
            return Err(format!("its part {name} is too large"));
        }
    }
    let bytes = total(archive, &names);
    if bytes > limit {
        return Err(format!("it unpacks to {bytes} bytes, more than {limit}; import its models one by one"));
    }
    Ok(names)
}

fn total<R: Read + Seek>(archive: &Archive<R>, names: &[String]) -> u64 {
    names.iter().fold(0, |sum: u64, name| sum.saturating_add(archive.size(name).unwrap_or(0)))
}

/// Whether the disk holds so many bytes, as far as that is known.
fn check_room(needed: u64, free: Option<u64>, place: &Path) -> Result<(), ImportError> {
    match free {
        Some(free) if free < needed => Err(ImportError::NoRoom { free, needed, path: place.to_owned() }),
        _ => Ok(()),
    }
}

/// A part's place below the folder it is unpacked into.
fn relative(name: &str) -> Result<PathBuf, String> {
    // Windows programs write backslashes.
    let relative = PathBuf::from(name.replace('\\', "/"));
    if relative.components().all(|part| matches!(part, Component::Normal(_))) {
        Ok(relative)
    } else {
        Err(format!("its part {name} would be written outside its folder"))
    }
}

/// Whether a file belongs to a training folder: the plans, the data set, the checkpoints of folds and their
/// patients.
fn is_wanted(name: &str) -> bool {
    let mut parts = name.rsplit(['/', '\\']);
    let (file, parent) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let is_checkpoint = matches!(file, "checkpoint_final.pth" | "checkpoint_best.pth");
    matches!(file, "plans.json" | "dataset.json" | splits::FILE)
        || (is_checkpoint && parent.starts_with("fold_"))
}

#[cfg(test)]
mod tests {
    use super::super::archive::tests::zip;
    use super::*;

    const PLANS: &str = "model/plans.json";
    const WEIGHTS: &str = "model/fold_0/checkpoint_final.pth";

    #[test]
    fn what_is_needed_is_unpacked_beside_the_package_and_goes_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.zip");
        std::fs::write(&path, zip(&[(PLANS, b"{}"), (WEIGHTS, b"weights"), ("notes.txt", b"no")], true))
            .unwrap();
        let place = folder.path().join("models");
        let unpacked = unpack(&path, &place, &Progress::new()).unwrap();
        assert_eq!(unpacked.path().parent(), Some(place.as_path()));
        assert_eq!(std::fs::read(unpacked.path().join(WEIGHTS)).unwrap(), b"weights");
        assert!(!unpacked.path().join("notes.txt").exists());
        drop(unpacked);
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
    }

    #[test]
    fn a_fold_s_patients_and_the_files_of_a_package_are_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.zip");
        let files: [(&str, &[u8]); 9] = [
            (PLANS, b"{}"),
            ("model/splits_final.json", b"[]"),
            ("made\\model.toml", b"id"),
            ("made\\weights.safetensors", b"weights"),
            ("made\\notes.txt", b"no"),
            ("made\\below\\card.md", b"no"),
            ("other/card.md", b"no"),
            ("other/my-model.toml", b"no"),
            ("other/weights.safetensors", b"no"),
        ];
        std::fs::write(&path, zip(&files, true)).unwrap();
        let unpacked = unpack(&path, folder.path(), &Progress::new()).unwrap();
        for (name, text) in files {
            let found = std::fs::read(unpacked.path().join(name.replace('\\', "/"))).ok();
            assert_eq!(found.as_deref(), (text != b"no").then_some(text), "{name}");
        }
    }

    #[test]
    fn more_than_the_limit_or_the_disk_is_refused_before_anything_is_written() {
        let bytes = zip(&[(PLANS, &[b' '; 600]), (WEIGHTS, &[0; 600])], true);
        let archive = Archive::open(std::io::Cursor::new(bytes)).unwrap();
        // Each of them is small enough, both are not.
        assert_eq!(wanted(&archive, 1200).unwrap().len(), 2);
        assert!(wanted(&archive, 1199).unwrap_err().contains("1200 bytes, more than 1199"));
        let place = Path::new("models");
        assert!(check_room(1200, Some(1200), place).is_ok() && check_room(1200, None, place).is_ok());
        let refused = check_room(1200, Some(1199), place).unwrap_err();
        assert!(matches!(refused, ImportError::NoRoom { free: 1199, needed: 1200, .. }), "{refused}");
    }

    #[test]
    fn nothing_is_written_outside() {
        for name in ["../plans.json", "/plans.json", "a\\..\\..\\plans.json"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("model.zip");
            std::fs::write(&path, zip(&[(name, b"{}")], false)).unwrap();
            let refused = unpack(&path, &folder.path().join("models"), &Progress::new()).unwrap_err();
            assert!(refused.to_string().contains("outside"), "{refused}");
        }
    }
}
