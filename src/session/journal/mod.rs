//! The journal: every completed edit on disk, with its undo history.
//!
//! One `SQLite` file a session, with a write-ahead log, in the person's data folder, never beside
//! the images. Two named threads serve it:
//! - `journal` owns the connection. An edit is committed when [`Journal::append`] returns; the log
//!   then survives the death of the process. (An edit above a megabyte is committed soon after.)
//! - `journal-sync` flushes the log to disk and moves it into the database, at most a quarter of a
//!   second after a commit, so that an edit survives the death of the machine as well; the commit
//!   itself never waits for the disk. Export, approval and close do ([`Journal::flush_to_disk`]).
//!
//! When the disk refuses, writes wait in order and are tried again; the session goes on, and
//! [`Journal::status`] says so. A journal is locked by the process that has it open.

mod catalog;
mod schema;
mod sync;
mod writer;

pub use catalog::{Catalog, Resumable};

use super::{Edit, StructureSet, codec};
use crate::patient::RoiId;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;
use writer::Op;

/// Edits above this size (in memory, bytes) are committed without waiting for it.
pub const LARGE_EDIT: usize = 1 << 20;

/// The longest that a commit may hold up its caller; on a disk that takes longer the edit is
/// committed as soon as it can.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether edits are safe.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum JournalStatus {
    /// There is no journal; why, in a sentence.
    Off(String),
    /// Every edit is committed.
    #[default]
    Saved,
    /// Some edits are still being committed.
    Saving,
    /// Edits cannot be committed, or not be brought to the disk, at present: why and what to do. They
    /// are kept and tried again.
    Failing(String),
}

/// A journal could not be opened, written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Another window has it open.
    #[error("these images are open in another Delineo window; close it first: {0}")]
    InUse(PathBuf),
    /// The file or folder cannot be used.
    #[error("{why} ({path})")]
    Storage {
        /// What happened and what to do.
        why: String,
        /// The file.
        path: PathBuf,
    },
    /// The journal is of a newer program.
    #[error("the journal was written by a newer version of Delineo; open it with that version: {0}")]
    Newer(PathBuf),
    /// The journal is of other images.
    #[error("the journal belongs to other images than those open: {0}")]
    OtherImages(PathBuf),
    /// The content does not make sense.
    #[error("step {step} of the journal cannot be read; the file was left as it is: {path}")]
    Damaged {
        /// The sequence number of the step; 0 for the base.
        step: u64,
        /// The file.
        path: PathBuf,
    },
}

impl JournalError {
    fn storage(path: &Path, error: &rusqlite::Error) -> Self {
        Self::Storage { why: schema::explain(error), path: path.to_owned() }
    }

    fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Storage { why: schema::explain_io(error), path: path.to_owned() }
    }
}

/// What a session tells its journal when it starts: who and what is being contoured, for the start
/// screen.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct JournalSubject {
    /// The images' fingerprint: same instances and same geometry, not only the same UID.
    pub fingerprint: String,
    /// Patient's name as shown.
    pub patient_name: String,
    /// Patient ID.
    pub patient_id: String,
    /// Birth date as stored.
    pub birth_date: String,
    /// Study date as stored.
    pub study_date: String,
    /// Series description and modality.
    pub series: String,
    /// Whether this is the synthetic sample patient.
    pub synthetic: bool,
    /// The files or folders that were opened, to open them again.
    pub opened_from: Vec<PathBuf>,
    /// Series Instance UID: which of the series found there. Empty in older journals.
    #[serde(default)]
    pub series_uid: String,
}

/// What a journal holds when it is opened again.
#[derive(Debug)]
pub(super) struct Restored {
    pub base: StructureSet,
    /// Sequence number of the first step.
    pub first: u64,
    /// Sequence number of the last step done.
    pub cursor: u64,
    pub next_roi: u64,
    pub hidden: Vec<RoiId>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Why writes are refused.
    failing: Mutex<Option<String>>,
    /// Why commits cannot be brought to the disk.
    sync_failing: Mutex<Option<String>>,
    /// Operations handed over and not yet committed.
    pending: AtomicUsize,
    /// Those of them that nobody waits for.
    pending_large: AtomicUsize,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    ops: Option<Sender<Op>>,
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    /// Held for as long as the journal is open.
    _lock: File,
}

impl Journal {
    /// Starts a new journal in `folder`, with `base` as the state before the first step.
    ///
    /// # Errors
    /// [`JournalError`] when the folder cannot be written.
    pub(super) fn create(
        folder: &Path,
        subject: &JournalSubject,
        base: &StructureSet,
    ) -> Result<Self, JournalError> {
        schema::make_private_folder(folder)?;
        let (path, lock) = catalog::free_place(folder, &subject.fingerprint)?;
        let connection = schema::create(&path, subject, &codec::encode_set(base))
            .map_err(|error| JournalError::storage(&path, &error))?;
        Self::serve(path, lock, connection)
    }

    /// Opens a journal again. `step` gets every step in order (sequence number, name, edit).
    ///
    /// # Errors
    /// [`JournalError`]; the file is then left as it is.
    pub(super) fn open(
        path: &Path,
        fingerprint: &str,
        mut step: impl FnMut(&Restored, u64, String, Edit) -> Result<(), ()>,
    ) -> Result<(Self, Restored), JournalError> {
        let lock = catalog::lock(path)?;
        let storage = |error: rusqlite::Error| JournalError::storage(path, &error);
        let connection = schema::open(path)?;
        let subject = schema::subject(&connection).map_err(storage)?;
        if subject.fingerprint != fingerprint {
            return Err(JournalError::OtherImages(path.to_owned()));
        }
        let damaged = |step| JournalError::Damaged { step, path: path.to_owned() };
        let restored = schema::restore(&connection).map_err(storage)?.map_err(|_| damaged(0))?;
        {
            let mut rows =
                connection.prepare("SELECT seq, name, data FROM edit ORDER BY seq").map_err(storage)?;
            let mut rows = rows.query([]).map_err(storage)?;
            let mut expected = restored.first;
            while let Some(row) = rows.next().map_err(storage)? {
                let seq = row.get::<_, i64>(0).map_err(storage)?.cast_unsigned();
                let name: String = row.get(1).map_err(storage)?;
                let data = row.get_ref(2).map_err(storage)?;
                let data = data.as_blob().map_err(|_| damaged(seq))?;
                let edit = codec::decode_edit(data).map_err(|_| damaged(seq))?;
                if seq != expected {
                    return Err(damaged(expected));
                }
                step(&restored, seq, name, edit).map_err(|()| damaged(seq))?;
                expected += 1;
            }
            if restored.cursor >= expected {
                return Err(damaged(expected));
            }
        }
        Ok((Self::serve(path.to_owned(), lock, connection)?, restored))
    }

    fn serve(path: PathBuf, lock: File, connection: rusqlite::Connection) -> Result<Self, JournalError> {
        let shared = Arc::new(Shared::default());
        let (ops, inbox) = mpsc::channel();
        let sync = sync::start(&path, &shared)?;
        let writer = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || writer::serve(&connection, &inbox, &shared, &sync)
            })
            .map_err(|error| JournalError::io(&path, &error))?;
        Ok(Self { path, ops: Some(ops), shared, writer: Some(writer), _lock: lock })
    }

    /// The journal's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether edits are safe.
    #[must_use]
    pub fn status(&self) -> JournalStatus {
        let said = |failing: &Mutex<Option<String>>| failing.lock().ok().and_then(|failing| failing.clone());
        match said(&self.shared.failing).or_else(|| said(&self.shared.sync_failing)) {
            Some(why) => JournalStatus::Failing(why),
            None if self.shared.pending.load(Ordering::Acquire) > 0 => JournalStatus::Saving,
            None => JournalStatus::Saved,
        }
    }

    fn send(&self, op: Op) {
        if let Some(ops) = &self.ops {
            // The thread ends only with the journal.
            let _ = ops.send(op);
        }
    }

    /// Hands over a write and waits until it is committed, unless it is large or a large one is
    /// before it in the queue, the disk has refused an earlier one, or does not answer in time.
    fn write(&self, large: bool, op: impl FnOnce(SyncSender<()>) -> Op) {
        let (done, committed) = mpsc::sync_channel(1);
        let behind_large = self.shared.pending_large.load(Ordering::Acquire) > 0;
        self.shared.pending.fetch_add(1, Ordering::AcqRel);
        if large {
            self.shared.pending_large.fetch_add(1, Ordering::AcqRel);
        }
        let failing = self.shared.failing.lock().is_ok_and(|failing| failing.is_some());
        self.send(op(done));
        if !large && !behind_large && !failing {
            let _ = committed.recv_timeout(PATIENCE);
        }
    }

    /// Commits step `seq`; steps from `seq` on that were undone are gone.
    pub(super) fn append(&self, seq: u64, edit: Arc<Edit>, next_roi: u64) {
        let large = edit.bytes() > LARGE_EDIT;
        self.write(large, |done| Op::Append { seq, edit, next_roi, large, done });
    }

    /// Commits that step `cursor` is the last one done; `what` is for the audit trail.
    pub(super) fn move_cursor(&self, cursor: u64, what: String) {
        self.write(false, |done| Op::MoveCursor { cursor, what, done });
    }

    /// Commits which ROIs are hidden.
    pub(super) fn set_hidden(&self, hidden: &[RoiId]) {
        let hidden = codec::encode_ids(hidden);
        self.write(false, |done| Op::SetHidden { hidden, done });
    }

    /// Adds a line to the audit trail, never pixel data.
    pub(super) fn audit(&self, action: &str, detail: &str) {
        let (action, detail) = (action.to_owned(), detail.to_owned());
        self.write(false, |done| Op::Audit { action, detail, done });
    }

    /// Makes `base` the state before step `first` and drops the steps before it.
    pub(super) fn compact(&self, base: &StructureSet, first: u64) {
        let base = codec::encode_set(base);
        self.write(true, |done| Op::Compact { base, first, done });
    }

    /// Reads a step back.
    pub(super) fn load(&self, seq: u64) -> Result<Edit, JournalError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Op::Load { seq, reply });
        let data = answered(&answer, &self.path)?;
        codec::decode_edit(&data).map_err(|_| JournalError::Damaged { step: seq, path: self.path.clone() })
    }

    /// Waits until every edit is on disk.
    ///
    /// # Errors
    /// [`JournalError::Storage`] when the disk refuses; the edits are kept and tried again.
    pub fn flush_to_disk(&self) -> Result<(), JournalError> {
        self.start_flush().wait()
    }

    /// Asks for every edit handed over so far to be brought to disk; another thread may wait for it.
    #[must_use]
    pub fn start_flush(&self) -> Flushing {
        let (reply, answer) = mpsc::sync_channel(1);
        self.send(Op::Flush { reply });
        Flushing { answer, path: self.path.clone() }
    }

    /// The number of writes handed over and not committed yet.
    pub(super) fn pending(&self) -> usize {
        self.shared.pending.load(Ordering::Acquire)
    }

    /// Lets the database grow no further, as a full disk would.
    #[cfg(test)]
    pub(super) fn limit_pages(&self, pages: u32) {
        self.send(Op::LimitPages(pages));
    }
}

/// Edits on their way to disk: what [`Journal::start_flush`] asked for.
#[derive(Debug)]
pub struct Flushing {
    answer: Receiver<Result<(), String>>,
    path: PathBuf,
}

impl Flushing {
    /// Waits until the edits are there.
    ///
    /// # Errors
    /// [`JournalError::Storage`] when the disk refuses; the edits are kept and tried again.
    pub fn wait(self) -> Result<(), JournalError> {
        answered(&self.answer, &self.path)
    }
}

/// Waits for what the journal's thread answers.
fn answered<T>(answer: &Receiver<Result<T, String>>, path: &Path) -> Result<T, JournalError> {
    let gone = || Err("the journal's thread has ended; save a structure set and restart".to_owned());
    let answer = answer.recv().unwrap_or_else(|_| gone());
    answer.map_err(|why| JournalError::Storage { why, path: path.to_owned() })
}

/// Removes a journal that never had a step.
pub(super) fn delete_empty(path: &Path) -> Result<(), JournalError> {
    catalog::delete(path, catalog::lock(path)?)
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.ops = None;
        if let Some(writer) = self.writer.take() {
            // The thread commits what is left, syncs and ends.
            let _ = writer.join();
        }
    }
}

/// How many lines of the audit trail of the journal at `path` say `action`.
#[cfg(test)]
pub(crate) fn audit_count(path: &Path, action: &str) -> u32 {
    let connection = rusqlite::Connection::open(path).unwrap();
    let query = "SELECT count(*) FROM audit WHERE action = ?1";
    connection.query_row(query, [action], |row| row.get(0)).unwrap()
}
