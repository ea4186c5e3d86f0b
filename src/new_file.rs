//! Output files that appear whole or not at all.
//!
//! A [`NewFile`] is written under a temporary name in the target's own folder, synced to disk and
//! renamed; dropped before [`NewFile::commit`] it leaves nothing behind. A process that ends without
//! dropping them calls [`abandon_all`].

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tempfile::NamedTempFile;

/// Why an output file could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WriteFileError {
    /// The target is there already.
    #[error("the file already exists; choose another name or ask to overwrite it (--force): {}", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// The target has no folder, is a folder, or its folder cannot be written to.
    #[error("cannot write here ({reason}); choose another place: {}", path.display())]
    Unwritable {
        /// What the system says.
        reason: String,
        /// The target.
        path: PathBuf,
    },
    /// The disk is full.
    #[error("the disk is full, nothing was written; free some space or choose another place: {}", path.display())]
    DiskFull {
        /// The target.
        path: PathBuf,
    },
}

impl WriteFileError {
    /// What an error of the file system means for `path`.
    #[must_use]
    pub fn from_io(error: &io::Error, path: &Path) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            io::ErrorKind::AlreadyExists => Self::Exists { path },
            io::ErrorKind::NotFound => Self::Unwritable { reason: "there is no such folder".into(), path },
            io::ErrorKind::PermissionDenied => Self::Unwritable { reason: "no permission".into(), path },
            io::ErrorKind::ReadOnlyFilesystem => {
                Self::Unwritable { reason: "the disk is read-only".into(), path }
            }
            _ => Self::Unwritable { reason: error.to_string(), path },
        }
    }
}

/// The temporary files of this process.
static IN_THE_MAKING: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Deletes the temporary files and folders of everything not yet committed: for a process about to
/// end.
pub fn abandon_all() {
    for path in IN_THE_MAKING.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        // Gone already, or nothing can be done about it any more.
        let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    }
}

/// Keeps a temporary file's path in [`IN_THE_MAKING`] until dropped.
#[derive(Debug)]
struct Listed(PathBuf);

impl Listed {
    fn new(path: &Path) -> Self {
        // A relative path would lead elsewhere after a change of the working folder.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        IN_THE_MAKING.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
        Self(path)
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        IN_THE_MAKING.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| *path != self.0);
    }
}

/// A file in the making. Use it as a writer, then [`Self::commit`].
#[derive(Debug)]
pub struct NewFile {
    temporary: NamedTempFile,
    target: PathBuf,
    overwrite: bool,
    listed: Listed,
}

impl NewFile {
    /// Begins the file that will be `target`.
    ///
    /// # Errors
    /// When `target` exists and `overwrite` is false, or its folder cannot be written to.
    pub fn create(target: &Path, overwrite: bool) -> Result<Self, WriteFileError> {
        let refused = |error: io::Error| WriteFileError::from_io(&error, target);
        if target.is_dir() {
            return Err(WriteFileError::Unwritable {
                reason: "it is a folder".into(),
                path: target.to_owned(),
            });
        }
        if !overwrite && target.symlink_metadata().is_ok() {
            return Err(WriteFileError::Exists { path: target.to_owned() });
        }
        let folder = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".delineo-").suffix(".part");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The usual rights of a new file (the process's mask applies), not a temporary file's.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = builder.tempfile_in(folder).map_err(refused)?;
        let listed = Listed::new(temporary.path());
        Ok(Self { temporary, target: target.to_owned(), overwrite, listed })
    }

    /// Where the bytes are until [`Self::commit`].
    #[must_use]
    pub fn temporary_path(&self) -> &Path {
        self.temporary.path()
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), WriteFileError> {
        self.temporary.as_file_mut().write_all(bytes).map_err(|e| WriteFileError::from_io(&e, &self.target))
    }

    /// Writes all of `bytes` from the byte `offset` on; what is left out before is zero.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn put_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), WriteFileError> {
        let file = self.temporary.as_file_mut();
        let written = file.seek(SeekFrom::Start(offset)).and_then(|_| file.write_all(bytes));
        written.map_err(|error| WriteFileError::from_io(&error, &self.target))
    }

    /// Waits until everything written is on the disk.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn sync(&self) -> Result<(), WriteFileError> {
        self.temporary.as_file().sync_all().map_err(|e| WriteFileError::from_io(&e, &self.target))
    }

    /// Syncs the file to disk and gives it its name.
    ///
    /// # Errors
    /// When the disk is full or fails, or someone else has made the target meanwhile and it may not
    /// be overwritten. Nothing is left behind then.
    pub fn commit(self) -> Result<(), WriteFileError> {
        self.sync()?;
        let Self { temporary, target, overwrite, listed } = self;
        let renamed =
            if overwrite { temporary.persist(&target) } else { temporary.persist_noclobber(&target) };
        drop(listed);
        renamed.map_err(|error| WriteFileError::from_io(&error.error, &target))?;
        // The name itself must survive a power cut; folders cannot be synced everywhere.
        if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

/// A folder for files in the making, which goes with all that is still in it when dropped.
#[derive(Debug)]
pub struct NewFolder {
    folder: tempfile::TempDir,
    listed: Option<Listed>,
}

impl NewFolder {
    /// Makes the folder within `folder`.
    ///
    /// # Errors
    /// When `folder` cannot be written to.
    pub fn within(folder: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(".delineo-").suffix(".part").tempdir_in(folder)?;
        Ok(Self { listed: Some(Listed::new(folder.path())), folder })
    }

    /// From now on [`abandon_all`] leaves it: it holds what must not be lost.
    pub fn keep_when_abandoned(&mut self) {
        self.listed = None;
    }

    /// Gives it the name `target`, in the same folder; a folder of that name goes once the new one is
    /// in its place.
    ///
    /// # Errors
    /// When a name cannot be changed; what stood there before stands there again, and nothing is
    /// left behind. Where even that fails the error says where it lies.
    pub fn commit(self, target: &Path) -> io::Result<()> {
        let before = if target.symlink_metadata().is_ok() {
            let mut aside = Self::within(target.parent().unwrap_or(Path::new(".")))?;
            aside.keep_when_abandoned();
            let kept = aside.path().join("before");
            std::fs::rename(target, &kept)?;
            Some((aside, kept))
        } else {
            None
        };
        if let Err(error) = std::fs::rename(self.path(), target) {
            if let Some((aside, kept)) = before
                && std::fs::rename(&kept, target).is_err()
            {
                // It must not go with the folder it lies in.
                let _ = aside.folder.keep();
                return Err(io::Error::other(format!(
                    "{error}; what stood there lies in {}",
                    kept.display()
                )));
            }
            return Err(error);
        }
        let _ = self.folder.keep();
        Ok(())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Left-overs younger than this may belong to a process that is still at work.
const STALE: Duration = Duration::from_hours(24);

/// Removes the folders directly in `folder` that [`NewFolder`] had made for a process that was killed:
/// those in which nothing was changed for a day before `now`. One that holds what stood at a target
/// before stays. Gives how many went.
pub fn sweep(folder: &Path, now: SystemTime) -> usize {
    let is_left = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let own = name.starts_with(".delineo-") && name.ends_with(".part");
        own && path.symlink_metadata().is_ok_and(|data| data.is_dir())
            && !path.join("before").exists()
            && changed(path).is_some_and(|last| now.duration_since(last).is_ok_and(|age| age > STALE))
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(is_left)
        .filter(|path| std::fs::remove_dir_all(path).is_ok())
        .count()
}

/// When something in a folder was changed last; `None` where that cannot be told of all of it.
fn changed(folder: &Path) -> Option<SystemTime> {
    let mut last = SystemTime::UNIX_EPOCH;
    for entry in walkdir::WalkDir::new(folder) {
        last = last.max(entry.ok()?.metadata().ok()?.modified().ok()?);
    }
    Some(last)
}

/// Gives several files their names, all or none: where one cannot have it, those before it are as
/// they were.
///
/// # Errors
/// As [`NewFile::commit`].
pub fn commit_all(files: Vec<NewFile>) -> Result<(), WriteFileError> {
    for file in &files {
        file.sync()?;
    }
    // All that stood there is kept before the first is touched.
    let mut before = Vec::with_capacity(files.len());
    for file in &files {
        let kept = if file.overwrite { kept_aside(&file.target) } else { Ok(None) };
        before.push(kept.map_err(|error| WriteFileError::from_io(&error, &file.target))?);
    }
    let mut done: Vec<(PathBuf, Option<tempfile::TempPath>)> = Vec::new();
    for (file, before) in files.into_iter().zip(before) {
        let target = file.target.clone();
        if let Err(error) = file.commit() {
            for (target, before) in done.into_iter().rev() {
                // Nothing more can be done where this fails as well.
                let _ = match before {
                    Some(before) => before.persist(&target).map_err(|error| error.error),
                    None => std::fs::remove_file(&target),
                };
            }
            return Err(error);
        }
        done.push((target, before));
    }
    Ok(())
}

/// A second name or a copy of the file at `path`, which goes when dropped; `None` where there is no
/// file.
fn kept_aside(path: &Path) -> io::Result<Option<tempfile::TempPath>> {
    if !path.is_file() {
        return Ok(None);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let place = tempfile::Builder::new().prefix(".delineo-").suffix(".old").tempfile_in(folder)?;
    let place = place.into_temp_path();
    std::fs::remove_file(&place)?;
    std::fs::hard_link(path, &place).or_else(|_| std::fs::copy(path, &place).map(drop))?;
    Ok(Some(place))
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temporary.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temporary.as_file_mut().flush()
    }
}

/// Writes a whole file at once: see [`NewFile`].
///
/// # Errors
/// When the target exists and `overwrite` is false, cannot be written to, or the disk is full;
/// nothing is left behind then.
pub fn write_file(target: &Path, overwrite: bool, bytes: &[u8]) -> Result<(), WriteFileError> {
    let mut file = NewFile::create(target, overwrite)?;
    file.put(bytes)?;
    file.commit()
}

/// The names of what lies in a folder, sorted.
#[cfg(test)]
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.txt");
        let mut file = NewFile::create(&target, false).unwrap();
        file.put(b"half").unwrap();
        assert!(!target.exists());
        drop(file);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

        write_file(&target, false, b"whole").unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
        assert!(matches!(write_file(&target, false, b"x"), Err(WriteFileError::Exists { .. })));
        assert_eq!(std::fs::read(&target).unwrap(), b"whole");
        write_file(&target, true, b"new").unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn several_files_appear_together_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let made = |name: &str, text: &[u8]| {
            let mut file = NewFile::create(&at(name), true).unwrap();
            file.put(text).unwrap();
            file
        };
        std::fs::write(at("a"), "old").unwrap();
        let files = vec![made("a", b"new"), made("b", b"new"), made("c", b"new")];
        // The third cannot have its name.
        std::fs::create_dir_all(at("c").join("full")).unwrap();
        assert!(commit_all(files).is_err());
        assert_eq!(std::fs::read(at("a")).unwrap(), b"old");
        assert!(!at("b").exists());
        std::fs::remove_dir_all(at("c")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");

        commit_all(vec![made("a", b"new"), made("b", b"new")]).unwrap();
        assert_eq!(std::fs::read(at("a")).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_folder_takes_the_place_of_another_or_leaves_it() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("model");
        let fresh = |text: &str| {
            let fresh = NewFolder::within(folder.path()).unwrap();
            std::fs::write(fresh.path().join("a"), text).unwrap();
            fresh
        };
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        drop(fresh("never"));
        assert_eq!(names(), 0);
        fresh("one").commit(&target).unwrap();
        fresh("two").commit(&target).unwrap();
        assert_eq!(std::fs::read_to_string(target.join("a")).unwrap(), "two");
        assert_eq!(names(), 1, "nothing else is left");
        // It was taken away meanwhile.
        let gone = fresh("three");
        std::fs::remove_dir_all(gone.path()).unwrap();
        assert!(gone.commit(&target).is_err());
        assert_eq!(std::fs::read_to_string(target.join("a")).unwrap(), "two");
        assert_eq!(names(), 1);
    }

    #[test]
    fn what_a_killed_process_has_left_goes_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let left = |name: &str| {
            std::fs::create_dir_all(folder.path().join(name).join("deep")).unwrap();
            std::fs::write(folder.path().join(name).join("deep/a"), "x").unwrap();
        };
        // Left over; another program's; one that keeps what must not be lost.
        left(".delineo-x1y2z3.part");
        left("model");
        left(".delineo-kept.part/before");
        let now = SystemTime::now();
        assert_eq!(sweep(folder.path(), now), 0, "it may still be at work");
        assert_eq!(sweep(folder.path(), now + STALE * 2), 1);
        let mut names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".delineo-kept.part", "model"]);
        assert_eq!(sweep(&folder.path().join("nowhere"), now + STALE * 2), 0);
    }

    #[test]
    fn an_impossible_target_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/such/folder/a.txt");
        assert!(matches!(NewFile::create(&missing, false), Err(WriteFileError::Unwritable { .. })));
        let itself = NewFile::create(folder.path(), true);
        assert!(matches!(itself, Err(WriteFileError::Unwritable { .. })));
    }
}
