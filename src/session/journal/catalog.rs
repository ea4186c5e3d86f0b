//! Which journals there are: for the start screen and for opening the same images again.

use super::{JournalError, JournalSubject, schema};
use rusqlite::Connection;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// The ending of a journal's name.
const ENDING: &str = "journal";

/// A session that can be gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumable {
    /// The journal.
    pub path: PathBuf,
    /// Who and what.
    pub subject: JournalSubject,
    /// When it was last worked on: UTC, RFC 3339.
    pub updated: String,
    /// The number of edits done.
    pub edits: u64,
    /// The number of edits taken back, which can be done again.
    pub undone: u64,
}

/// The journals of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalog {
    /// Sessions with edits, done or taken back, the latest first.
    pub resumable: Vec<Resumable>,
    /// Journals that cannot be read, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
}

impl Catalog {
    /// Looks through `folder`; a folder that is not there has no journals. Journals open in another
    /// window are left out.
    #[must_use]
    pub fn read(folder: &Path) -> Self {
        let mut catalog = Self::default();
        let Ok(entries) = std::fs::read_dir(folder) else { return catalog };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            match look(&path) {
                Ok(found) if found.edits > 0 || found.undone > 0 => catalog.resumable.push(found),
                Ok(_) | Err(JournalError::InUse(_)) => {}
                Err(error) => catalog.unreadable.push((path, error.to_string())),
            }
        }
        catalog.resumable.sort_by(|a, b| b.updated.cmp(&a.updated).then_with(|| a.path.cmp(&b.path)));
        catalog
    }

    /// The session on images with this fingerprint that was last worked on.
    #[must_use]
    pub fn of_images(&self, fingerprint: &str) -> Option<&Resumable> {
        self.resumable.iter().find(|found| found.subject.fingerprint == fingerprint)
    }
}

impl Resumable {
    /// Deletes the journal, audit trail included: when its study is deleted, or the person discards
    /// the work.
    ///
    /// # Errors
    /// [`JournalError::InUse`] or [`JournalError::Storage`].
    pub fn delete(&self) -> Result<(), JournalError> {
        delete(&self.path, lock(&self.path)?)
    }
}

pub(super) fn delete(path: &Path, lock: File) -> Result<(), JournalError> {
    std::fs::remove_file(path).map_err(|error| JournalError::io(path, &error))?;
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(path, ending));
    }
    drop(lock);
    let _ = std::fs::remove_file(beside(path, ".lock"));
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn look(path: &Path) -> Result<Resumable, JournalError> {
    // Held for a moment only: whoever opens the journal meanwhile must not be told it is in use.
    drop(lock_once(path)?);
    let connection = schema::open(path)?;
    let read = |connection: &Connection| {
        let subject = schema::subject(connection)?;
        let query = "SELECT updated, cursor, (SELECT count(*) FROM edit WHERE seq > cursor) FROM session";
        connection.query_row(query, [], |row| {
            let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            let (edits, undone) = (number(1)?, number(2)?);
            Ok(Resumable { path: path.to_owned(), subject, updated: row.get(0)?, edits, undone })
        })
    };
    read(&connection).map_err(|error| JournalError::storage(path, &error))
}

/// Locks a journal for this process; the lock ends with the file handle, however the process ends.
pub(super) fn lock(path: &Path) -> Result<File, JournalError> {
    // A start screen that looks through the journals holds each lock for a moment.
    for _ in 0..3 {
        match lock_once(path) {
            Err(JournalError::InUse(_)) => std::thread::sleep(std::time::Duration::from_millis(5)),
            other => return other,
        }
    }
    lock_once(path)
}

fn lock_once(path: &Path) -> Result<File, JournalError> {
    let place = beside(path, ".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&place);
    let file = file.map_err(|error| JournalError::io(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(JournalError::io(path, &error)),
    }
}

/// A name in `folder` that no journal has, locked.
pub(super) fn free_place(folder: &Path, fingerprint: &str) -> Result<(PathBuf, File), JournalError> {
    let stem: String = fingerprint.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    let mut number = 1_u32;
    loop {
        let path = folder.join(format!("{stem}-{number}.{ENDING}"));
        if !path.exists() {
            match lock(&path) {
                // Between looking and locking another window may have taken it.
                Ok(lock) if !path.exists() => return Ok((path, lock)),
                Ok(_) | Err(JournalError::InUse(_)) => {}
                Err(error) => return Err(error),
            }
        }
        number += 1;
    }
}
