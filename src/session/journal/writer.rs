//! The thread that owns the connection and commits in order.

use super::schema::{explain, now, person};
use super::sync::Sync;
use super::{Edit, Shared};
use crate::session::codec;
use rusqlite::{Connection, params};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

/// How long until a refused write is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// What the journal is asked to do. Writes answer on `done` once committed.
#[derive(Debug)]
pub(super) enum Op {
    Append {
        seq: u64,
        edit: Arc<Edit>,
        next_roi: u64,
        large: bool,
        done: SyncSender<()>,
    },
    MoveCursor {
        cursor: u64,
        what: String,
        done: SyncSender<()>,
    },
    SetHidden {
        hidden: Vec<u8>,
        done: SyncSender<()>,
    },
    Audit {
        action: String,
        detail: String,
        done: SyncSender<()>,
    },
    Compact {
        base: Vec<u8>,
        first: u64,
        done: SyncSender<()>,
    },
    Load {
        seq: u64,
        reply: SyncSender<Result<Vec<u8>, String>>,
    },
    Flush {
        reply: SyncSender<Result<(), String>>,
    },
    #[cfg(test)]
    LimitPages(u32),
}

impl Op {
    /// Whether nobody waits for it.
    fn is_large(&self) -> bool {
        matches!(self, Self::Append { large: true, .. } | Self::Compact { .. })
    }

    /// Where to say that it is committed; `None` for what is no write.
    fn done(&self) -> Option<&SyncSender<()>> {
        match self {
            Self::Append { done, .. }
            | Self::MoveCursor { done, .. }
            | Self::SetHidden { done, .. }
            | Self::Audit { done, .. }
            | Self::Compact { done, .. } => Some(done),
            _ => None,
        }
    }
}

/// Serves until the journal is dropped, then commits what is left and syncs.
pub(super) fn serve(connection: &Connection, inbox: &Receiver<Op>, shared: &Shared, sync: &Sync) {
    let mut writer = Writer { connection, shared, sync, waiting: VecDeque::new() };
    loop {
        let op = if writer.waiting.is_empty() {
            inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            inbox.recv_timeout(RETRY)
        };
        match op {
            Ok(op) => writer.handle(op),
            Err(RecvTimeoutError::Timeout) => {
                let _ = writer.write_waiting();
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let _ = writer.write_waiting();
    let _ = sync.now();
}

struct Writer<'a> {
    connection: &'a Connection,
    shared: &'a Shared,
    sync: &'a Sync,
    /// Writes that the disk refused, and those after them, in order.
    waiting: VecDeque<Op>,
}

impl Writer<'_> {
    fn handle(&mut self, op: Op) {
        match op {
            Op::Load { seq, reply } => {
                let _ = reply.send(self.load(seq));
            }
            Op::Flush { reply } => {
                let flushed = self.write_waiting().and_then(|()| self.sync.now());
                let _ = reply.send(flushed);
            }
            #[cfg(test)]
            Op::LimitPages(pages) => {
                let _ = self.connection.pragma_update(None, "max_page_count", pages);
            }
            write => {
                self.waiting.push_back(write);
                let _ = self.write_waiting();
            }
        }
    }

    /// Commits the waiting writes in order, up to the first that is refused.
    fn write_waiting(&mut self) -> Result<(), String> {
        while let Some(op) = self.waiting.front() {
            match self.write(op) {
                Ok(()) => {
                    if op.is_large() {
                        self.shared.pending_large.fetch_sub(1, Ordering::AcqRel);
                    }
                    self.shared.pending.fetch_sub(1, Ordering::AcqRel);
                    if let Some(done) = self.waiting.pop_front().as_ref().and_then(Op::done) {
                        let _ = done.try_send(());
                    }
                }
                Err(error) => {
                    let why = explain(&error);
                    tracing::error!("journal: {error}");
                    if let Ok(mut failing) = self.shared.failing.lock() {
                        *failing = Some(why.clone());
                    }
                    // The one who waits goes on; the status says what is the matter.
                    if let Some(done) = op.done() {
                        let _ = done.try_send(());
                    }
                    return Err(why);
                }
            }
        }
        if let Ok(mut failing) = self.shared.failing.lock() {
            *failing = None;
        }
        self.sync.soon();
        Ok(())
    }

    fn write(&self, op: &Op) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
            self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values))
        };
        let time = now();
        let audit = |action: &str, detail: &str| {
            run(
                "INSERT INTO audit (time, person, action, detail) VALUES (?1, ?2, ?3, ?4)",
                params![time, person(), action, detail],
            )
        };
        match op {
            Op::Append { seq, edit, next_roi, .. } => {
                let seq = seq.cast_signed();
                run("DELETE FROM edit WHERE seq >= ?1", params![seq])?;
                let data = codec::encode_edit(edit);
                run("INSERT INTO edit (seq, name, data) VALUES (?1, ?2, ?3)", params![seq, edit.name, data])?;
                run(
                    "UPDATE session SET cursor = ?1, next_roi = ?2, updated = ?3",
                    params![seq, next_roi.cast_signed(), time],
                )?;
                audit("edit", &edit.name)?;
            }
            Op::MoveCursor { cursor, what, .. } => {
                run("UPDATE session SET cursor = ?1, updated = ?2", params![cursor.cast_signed(), time])?;
                audit("history", what)?;
            }
            Op::SetHidden { hidden, .. } => {
                run("UPDATE session SET hidden = ?1", params![hidden])?;
            }
            Op::Audit { action, detail, .. } => {
                audit(action, detail)?;
            }
            Op::Compact { base, first, .. } => {
                run("UPDATE session SET base = ?1, first = ?2", params![base, first.cast_signed()])?;
                run("DELETE FROM edit WHERE seq < ?1", params![first.cast_signed()])?;
            }
            _ => {}
        }
        transaction.commit()?;
        if matches!(op, Op::Compact { .. }) {
            // Only gives space back; the steps are gone in any case.
            if let Err(error) = self.connection.execute_batch("VACUUM") {
                tracing::warn!("journal: {error}");
            }
        }
        Ok(())
    }

    fn load(&self, seq: u64) -> Result<Vec<u8>, String> {
        self.connection
            .query_row("SELECT data FROM edit WHERE seq = ?1", params![seq.cast_signed()], |row| row.get(0))
            .map_err(|error| explain(&error))
    }
}
