//! The database's format and its way from older ones: forward only, each step in one transaction.
//!
//! Owns the list of migrations. A migration that was released is never changed.

use crate::error::StateError;
use rusqlite::Connection;
use std::path::Path;

/// Marks the file as ours, in SQLite's header: `ABst`.
const APPLICATION_ID: i64 = 0x4142_7374;
/// The steps, each with the format that it makes.
const MIGRATIONS: [(i64, &str); 3] =
    [(1, include_str!("../schema/1.sql")), (2, include_str!("../schema/2.sql")), (3, include_str!("../schema/3.sql"))];
/// The format that this program writes.
pub const FORMAT: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// Brings a database to the present format.
///
/// # Errors
/// [`StateError::Newer`] and [`StateError::Foreign`] when it is not ours to change.
pub(crate) fn migrate(db: &mut Connection, path: &Path) -> Result<(), StateError> {
    let found = check(db, path)?;
    for (number, step) in MIGRATIONS {
        if number <= found {
            continue;
        }
        let tx = db.transaction()?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", number)?;
        tx.commit()?;
    }
    Ok(())
}

/// The format of a database that can be used here, 0 for an empty one.
pub(crate) fn check(db: &Connection, path: &Path) -> Result<i64, StateError> {
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(StateError::Foreign(path.to_owned()));
    }
    if found > FORMAT {
        return Err(StateError::Newer { path: path.to_owned(), found, known: FORMAT });
    }
    Ok(found)
}
