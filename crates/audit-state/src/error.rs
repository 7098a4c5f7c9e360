//! Why the state could not be used.
//!
//! Owns one list of reasons and the translation of SQLite's codes into them. The path is the caller's to add.

use crate::kill::KillPoint;
use rusqlite::ErrorCode;
use std::io;
use std::path::PathBuf;

/// Why the state could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another collector writes to it.
    #[error("another collector works with `{}`; stop it first, or give this one its own state", .0.display())]
    Locked(PathBuf),
    /// A newer program made it.
    #[error(
        "the state `{}` has format {found}, and this program knows formats up to {known}; use the newer program",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest that is known here.
        known: i64,
    },
    /// An older program made it, and a reader may not change it.
    #[error("the state `{}` has format {found}; the next collection brings it to format {known}", path.display())]
    Older {
        /// The database.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The one that is read here.
        known: i64,
    },
    /// There is none yet.
    #[error("there is no state at `{}`; collect first", .0.display())]
    Missing(PathBuf),
    /// It belongs to another program.
    #[error("`{}` is a database of something else", .0.display())]
    Foreign(PathBuf),
    /// A file beside the database, or the database as a file, cannot be used.
    #[error("failed to use `{}`", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The disk, or the limit that was set, is full.
    #[error("there is no room for the state: the disk or its size limit is full; nothing of this step was kept")]
    Full(#[source] rusqlite::Error),
    /// It may not be written.
    #[error("the state may not be written: its file or folder is read-only; nothing of this step was kept")]
    ReadOnly(#[source] rusqlite::Error),
    /// SQLite finds damage.
    #[error(
        "the state is damaged; restore its folder from a backup, or move it away and collect anew, which reads what the sources still have"
    )]
    Damaged(#[source] rusqlite::Error),
    /// SQLite's own check finds damage.
    #[error(
        "the state is damaged (`{0}`); restore its folder from a backup, or move it away and collect anew, which reads what the sources still have"
    )]
    Check(String),
    /// A row holds what no version wrote.
    #[error("the state's table `{table}` holds a value that cannot be read: `{value}`")]
    Value {
        /// The table.
        table: &'static str,
        /// The value, shortened and made harmless.
        value: String,
    },
    /// A list that is chained by hashes was changed.
    #[error("the chain of `{table}` does not hold at row {n}")]
    Chain {
        /// The table.
        table: &'static str,
        /// The row.
        n: i64,
    },
    /// Something has no JSON form, or a row's JSON is of another form.
    #[error("failed to read or write JSON of the state")]
    Json(#[from] serde_json::Error),
    /// SQLite refuses for another reason.
    #[error("failed to use the state's database")]
    Database(#[source] rusqlite::Error),
    /// A test's hook ended the step.
    #[error("ended at {0:?} by a hook")]
    Killed(KillPoint),
}

impl StateError {
    /// A value that cannot be read, shortened and made harmless.
    pub(crate) fn value(table: &'static str, text: &str) -> Self {
        Self::Value { table, value: text.chars().take(64).flat_map(char::escape_default).collect() }
    }
}

impl From<rusqlite::Error> for StateError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error),
            Some(ErrorCode::ReadOnly) => Self::ReadOnly(error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error),
            _ => Self::Database(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn a_state_that_may_not_be_written_says_so_and_keeps_its_cause() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (x); PRAGMA query_only = ON").unwrap();
        let error = StateError::from(db.execute("INSERT INTO t VALUES (1)", []).unwrap_err());
        assert!(matches!(error, StateError::ReadOnly(_)), "{error}");
        assert!(error.to_string().starts_with("the state may not be written"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
        assert!(matches!(StateError::from(rusqlite::Error::InvalidQuery), StateError::Database(_)));
    }

    #[test]
    fn a_value_is_shortened_and_harmless() {
        let text = StateError::value("facts", &format!("\u{1b}[2J{}", "x".repeat(100))).to_string();
        assert!(text.contains("\\u{1b}[2J") && text.len() < 160, "{text}");
    }
}
