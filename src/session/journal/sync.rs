//! The thread that brings commits to the disk.

use super::schema::{explain, explain_io};
use super::{JournalError, Shared};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

/// Commits within this time share one sync.
const PAUSE: Duration = Duration::from_millis(250);

/// How long until a sync that the disk refused is tried again.
const RETRY: Duration = Duration::from_secs(2);

type Reply = SyncSender<Result<(), String>>;

/// The sync thread's handle; dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Sync {
    requests: Option<Sender<Option<Reply>>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread for the database at `path`, which exists and is in WAL mode.
/// Whether it can do its work stands in `shared`.
pub(super) fn start(path: &Path, shared: &Arc<Shared>) -> Result<Sync, JournalError> {
    let connection = Connection::open(path).map_err(|error| JournalError::storage(path, &error))?;
    let configured = connection
        .pragma_update(None, "synchronous", "NORMAL")
        .and_then(|()| connection.pragma_update(None, "wal_autocheckpoint", 0));
    configured.map_err(|error| JournalError::storage(path, &error))?;
    let (requests, inbox) = mpsc::channel();
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = PathBuf::from(log);
    let thread = std::thread::Builder::new()
        .name("journal-sync".to_owned())
        .spawn({
            let shared = Arc::clone(shared);
            move || serve(&connection, &log, &inbox, &shared)
        })
        .map_err(|error| JournalError::io(path, &error))?;
    Ok(Sync { requests: Some(requests), thread: Some(thread) })
}

impl Sync {
    /// Asks for a sync within the pause.
    pub(super) fn soon(&self) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(None);
        }
    }

    /// Waits for a sync of everything committed.
    pub(super) fn now(&self) -> Result<(), String> {
        let (reply, answer) = mpsc::sync_channel(1);
        let sent = self.requests.as_ref().is_some_and(|requests| requests.send(Some(reply)).is_ok());
        let gone = || "The journal's sync thread has ended".to_owned();
        if sent { answer.recv().map_err(|_| gone())? } else { Err(gone()) }
    }
}

impl Drop for Sync {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(connection: &Connection, log: &Path, inbox: &Receiver<Option<Reply>>, shared: &Shared) {
    let mut failing = false;
    loop {
        let request = if failing {
            inbox.recv_timeout(RETRY)
        } else {
            inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        let (mut replies, again): (Vec<Reply>, bool) = match request {
            Ok(request) => (request.into_iter().collect(), false),
            Err(RecvTimeoutError::Timeout) => (Vec::new(), true),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if replies.is_empty() && !again {
            // Gather what is committed in the meantime; a waiting request cuts it short.
            let until = std::time::Instant::now() + PAUSE;
            while let Some(left) = until.checked_duration_since(std::time::Instant::now()) {
                match inbox.recv_timeout(left) {
                    Ok(Some(reply)) => {
                        replies.push(reply);
                        break;
                    }
                    Ok(None) => {}
                    Err(_) => break,
                }
            }
        }
        while let Ok(more) = inbox.try_recv() {
            replies.extend(more);
        }
        let synced = bring_to_disk(connection, log);
        failing = synced.is_err();
        if let Err(why) = &synced {
            tracing::error!("journal sync: {why}");
        }
        if let Ok(mut said) = shared.sync_failing.lock() {
            *said = synced.as_ref().err().cloned();
        }
        for reply in replies {
            let _ = reply.send(synced.clone());
        }
    }
}

/// Syncs the log, then moves what it can into the database (which syncs that), so that the log
/// stays short. The log alone being synced is enough to keep every commit, so that moving may wait.
fn bring_to_disk(connection: &Connection, log: &Path) -> Result<(), String> {
    match std::fs::OpenOptions::new().write(true).open(log) {
        Ok(file) => file.sync_data().map_err(|error| explain_io(&error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(explain_io(&error)),
    }
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::warn!("journal checkpoint: {}", explain(&error));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database in WAL mode with one commit in its log, and the log's path.
    fn database(folder: &Path) -> (Connection, PathBuf) {
        let connection = Connection::open(folder.join("j.db")).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        connection.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1);").unwrap();
        (connection, folder.join("j.db-wal"))
    }

    #[test]
    fn a_refused_checkpoint_leaves_a_synced_log_durable() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, log) = database(folder.path());
        assert!(log.is_file());
        // A connection cannot move the log while it is writing itself.
        connection.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (2);").unwrap();
        let refused = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        assert!(refused.is_err());
        bring_to_disk(&connection, &log).unwrap();
    }

    #[test]
    fn a_sync_that_fails_in_the_background_is_said_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (n);").unwrap();
        let shared = Arc::new(Shared::default());
        let sync = start(&path, &shared).unwrap();
        // In the place of the log is what cannot be synced.
        let log = folder.path().join("j.db-wal");
        std::fs::create_dir(&log).unwrap();
        let said = || shared.sync_failing.lock().unwrap().clone();
        assert_eq!(said(), None);
        sync.soon();
        let wait = |wanted: bool| {
            for _ in 0..400 {
                if said().is_some() == wanted {
                    return;
                }
                std::thread::sleep(Duration::from_millis(25));
            }
            panic!("failing should be {wanted}: {:?}", said());
        };
        wait(true);
        assert!(sync.now().is_err());
        std::fs::remove_dir(&log).unwrap();
        // Without being asked.
        wait(false);
        sync.now().unwrap();
    }
}
