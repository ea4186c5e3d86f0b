//! One fetch into a models folder at a time, of all threads and programs on this machine: two that
//! share a file would write into one another, and a second finds what the first has installed.

use crate::progress::{Cancelled, Progress};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

/// Between two looks whether the other has ended.
const LOOK: Duration = Duration::from_millis(100);

/// A turn, until it is dropped or its program ends.
pub(super) struct Turn {
    /// `None` where the system has no such locks: then nobody waits.
    _lock: Option<File>,
}

impl Turn {
    /// Waits for other fetches into `target`. The lock lies in the system's folder for temporary files,
    /// so that a models folder holds nothing but models.
    pub(super) fn wait(target: &Path, progress: &Progress) -> Result<Self, Cancelled> {
        let place = std::path::absolute(target).unwrap_or_else(|_| target.to_owned());
        let hash = Sha256::digest(place.as_os_str().as_encoded_bytes());
        let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let path = std::env::temp_dir().join(format!("delineo-models-{name}.lock"));
        let Ok(lock) = OpenOptions::new().create(true).truncate(false).write(true).open(path) else {
            return Ok(Self { _lock: None });
        };
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { _lock: Some(lock) }),
                Err(TryLockError::WouldBlock) => {
                    progress.set_step("Waiting for another download");
                    progress.check()?;
                    std::thread::sleep(LOOK);
                }
                Err(TryLockError::Error(_)) => return Ok(Self { _lock: None }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_waits_for_the_first_and_can_be_stopped() {
        let target = tempfile::tempdir().unwrap();
        let first = Turn::wait(target.path(), &Progress::new()).unwrap();
        let stopped = Progress::new();
        stopped.cancel();
        assert!(Turn::wait(target.path(), &stopped).is_err());
        // Another folder is nobody's business.
        Turn::wait(&target.path().join("other"), &stopped).unwrap();
        let (path, progress) = (target.path().to_owned(), Progress::new());
        let second = std::thread::spawn(move || Turn::wait(&path, &progress).is_ok());
        std::thread::sleep(3 * LOOK);
        assert!(!second.is_finished());
        drop(first);
        assert!(second.join().unwrap());
    }
}
