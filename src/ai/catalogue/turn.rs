//! One fetch into a models folder at a time, of all threads and programs: two that share a file would
//! write into one another, and a second finds what the first has installed.

use crate::progress::{Cancelled, Progress};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks whether the other has ended.
const LOOK: Duration = Duration::from_millis(100);

/// What is told while another fetch goes on.
const WAITING: &str = "Waiting for another download";

/// A turn, until it is dropped or its program ends.
pub(super) struct Turn {
    /// The lock, and its path. `None` where the file system has no locks or the folder cannot be written
    /// to: then nobody waits, and the fetch itself tells what is wrong.
    lock: Option<(File, PathBuf)>,
}

impl Turn {
    /// Waits for other fetches that keep what they download in `folder`, where the lock lies, too.
    pub(super) fn wait(folder: &Path, progress: &Progress) -> Result<Self, Cancelled> {
        let path = folder.join(".lock");
        loop {
            // The folder goes with the lock of the one before.
            let opened = std::fs::create_dir_all(folder)
                .and_then(|()| OpenOptions::new().create(true).truncate(false).write(true).open(&path));
            let Ok(lock) = opened else { return Ok(Self { lock: None }) };
            match lock.try_lock() {
                Ok(()) if is_there(&lock, &path) => return Ok(Self { lock: Some((lock, path)) }),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    progress.set_step(WAITING);
                    progress.check()?;
                    std::thread::sleep(LOOK);
                }
                Err(TryLockError::Error(_)) => return Ok(Self { lock: None }),
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Only where a file can go while others have it open.
        if cfg!(unix)
            && let Some((_lock, path)) = self.lock.take()
        {
            let _ = std::fs::remove_file(&path);
            // Only when nothing was downloaded in part.
            let _ = path.parent().map(std::fs::remove_dir);
        }
    }
}

/// Whether the lock is still the file of that name: the one before takes its own away.
#[cfg(unix)]
fn is_there(lock: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |data: &std::fs::Metadata| (data.dev(), data.ino());
    matches!((&lock.metadata(), &path.metadata()), (Ok(own), Ok(named)) if id(own) == id(named))
}

#[cfg(not(unix))]
fn is_there(_: &File, _: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn the_second_waits_for_the_first_and_can_be_stopped() {
        let target = tempfile::tempdir().unwrap();
        let folder = target.path().join(".downloads");
        let first = Turn::wait(&folder, &Progress::new()).unwrap();
        let stopped = Progress::new();
        stopped.cancel();
        assert!(Turn::wait(&folder, &stopped).is_err());
        // Another folder is nobody's business.
        Turn::wait(&target.path().join("other"), &stopped).unwrap();
        let progress = Arc::new(Progress::new());
        let (place, told) = (folder.clone(), Arc::clone(&progress));
        let second = std::thread::spawn(move || drop(Turn::wait(&place, &told).unwrap()));
        while progress.step() != WAITING {
            std::thread::sleep(LOOK / 10);
        }
        assert!(!second.is_finished());
        drop(first);
        second.join().unwrap();
        assert!(!folder.exists(), "nothing stays");
    }
}
