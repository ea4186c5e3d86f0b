//! The thread that brings commits to the disk.

use super::JournalError;
use super::schema::{explain, explain_io};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

/// Commits within this time share one sync.
const PAUSE: Duration = Duration::from_millis(250);

type Reply = SyncSender<Result<(), String>>;

/// The sync thread's handle; dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Sync {
    requests: Option<Sender<Option<Reply>>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread for the database at `path`, which exists and is in WAL mode.
pub(super) fn start(path: &Path) -> Result<Sync, JournalError> {
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
        .spawn(move || serve(&connection, &log, &inbox))
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

fn serve(connection: &Connection, log: &Path, inbox: &Receiver<Option<Reply>>) {
    while let Ok(request) = inbox.recv() {
        let mut replies: Vec<Reply> = request.into_iter().collect();
        if replies.is_empty() {
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
        if let Err(why) = &synced {
            tracing::error!("journal sync: {why}");
        }
        for reply in replies {
            let _ = reply.send(synced.clone());
        }
    }
}

/// Syncs the log, then moves what it can into the database (which syncs that), so that the log
/// stays short. The log alone being synced is enough to keep every commit.
fn bring_to_disk(connection: &Connection, log: &Path) -> Result<(), String> {
    match std::fs::OpenOptions::new().write(true).open(log) {
        Ok(file) => file.sync_data().map_err(|error| explain_io(&error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(explain_io(&error)),
    }
    let moved = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    moved.map_err(|error| explain(&error))
}
