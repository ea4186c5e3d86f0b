//! The journal's tables. One file holds one session.

use super::{JournalError, JournalSubject, Restored};
use crate::session::codec::{self, DamagedRecord};
use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use std::path::Path;

/// `PRAGMA user_version` of the tables below.
const SCHEMA: i32 = 1;

const TABLES: &str = "
CREATE TABLE session (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    subject TEXT NOT NULL,             -- JournalSubject as JSON
    created TEXT NOT NULL,             -- UTC, RFC 3339
    updated TEXT NOT NULL,
    base BLOB NOT NULL,                -- the structure set before step `first`
    first INTEGER NOT NULL,            -- sequence number of the first step kept
    cursor INTEGER NOT NULL,           -- sequence number of the last step done
    next_roi INTEGER NOT NULL,         -- the next free ROI identity
    hidden BLOB NOT NULL               -- identities of the ROIs not shown
);
CREATE TABLE edit (
    seq INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,                -- UTC, RFC 3339
    person TEXT NOT NULL,              -- the account that ran the program
    action TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
";

/// The time as stored.
pub(super) fn now() -> String {
    let now = time::OffsetDateTime::now_utc().replace_nanosecond(0);
    now.ok()
        .and_then(|now| now.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_default()
}

/// The account that runs the program, for the audit trail; empty when the system does not say.
pub(super) fn person() -> String {
    std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_default()
}

/// A folder that other accounts cannot read: journals name patients.
pub(super) fn make_private_folder(folder: &Path) -> Result<(), JournalError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder).map_err(|error| JournalError::io(folder, &error))
}

pub(super) fn create(path: &Path, subject: &JournalSubject, base: &[u8]) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    configure(&connection)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    connection.execute_batch(TABLES)?;
    let time = now();
    let subject = serde_json::to_string(subject).unwrap_or_default();
    connection.execute(
        "INSERT INTO session VALUES (1, ?1, ?2, ?2, ?3, 1, 0, 1, ?4)",
        params![subject, time, base, codec::encode_ids(&[])],
    )?;
    connection.pragma_update(None, "user_version", SCHEMA)?;
    connection.execute_batch("COMMIT")?;
    Ok(connection)
}

pub(super) fn open(path: &Path) -> Result<Connection, JournalError> {
    let storage = |error: rusqlite::Error| JournalError::storage(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(storage)?;
    let version: i32 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(storage)?;
    if version > SCHEMA {
        return Err(JournalError::Newer(path.to_owned()));
    }
    configure(&connection).map_err(storage)?;
    Ok(connection)
}

/// A commit goes to the write-ahead log and does not wait for the disk; syncing and checkpoints are
/// the other thread's.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.set_prepared_statement_cache_capacity(16);
    Ok(())
}

pub(super) fn subject(connection: &Connection) -> rusqlite::Result<JournalSubject> {
    let text: String = connection.query_row("SELECT subject FROM session", [], |row| row.get(0))?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

pub(super) fn restore(connection: &Connection) -> rusqlite::Result<Result<Restored, DamagedRecord>> {
    connection.query_row("SELECT base, first, cursor, next_roi, hidden FROM session", [], |row| {
        let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let (base, hidden): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(4)?);
        let (first, cursor, next_roi) = (number(1)?, number(2)?, number(3)?);
        Ok((|| {
            let (base, hidden) = (codec::decode_set(&base)?, codec::decode_ids(&hidden)?);
            Ok(Restored { base, first, cursor, next_roi, hidden })
        })())
    })
}

/// What happened and what to do, for a person.
pub(super) fn explain(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            "The disk is full: edits are kept in memory only. Free some space, they are saved then".to_owned()
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "The journal cannot be written: edits are kept in memory only. Make the folder writable"
                .to_owned()
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => "The journal is damaged".to_owned(),
        _ => format!("The journal cannot be used: {error}"),
    }
}

/// What happened and what to do, for a person.
pub(super) fn explain_io(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::StorageFull => {
            "The disk is full: edits are kept in memory only. Free some space".to_owned()
        }
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            "The journal cannot be written: edits are kept in memory only. Make the folder writable"
                .to_owned()
        }
        _ => format!("The journal cannot be used: {error}"),
    }
}
