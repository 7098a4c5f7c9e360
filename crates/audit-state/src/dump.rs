//! The state as ordered text, to compare two of them byte for byte.
//!
//! Owns the order and which tables tell what is known; runs, which only tell when somebody asked, are left out.

use crate::error::StateError;
use crate::open::Reader;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// Which tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All but the runs: equal for equal steps, however often they were killed and repeated.
    Everything,
    /// What is known, without the order in which it became known: equal for equal facts.
    Knowledge,
}

const EVERYTHING: [&str; 15] = [
    "SELECT * FROM cursors ORDER BY 1, 2, 3",
    "SELECT * FROM facts ORDER BY 1",
    "SELECT * FROM fact_keys ORDER BY 1, 2",
    "SELECT * FROM fact_mentions ORDER BY 1, 2",
    "SELECT * FROM evidence ORDER BY 1",
    "SELECT * FROM fact_evidence ORDER BY 1, 2",
    "SELECT * FROM coverage ORDER BY 1, 2, 3, 4",
    "SELECT * FROM cases ORDER BY 1",
    "SELECT * FROM dirty ORDER BY 1",
    "SELECT * FROM accounts ORDER BY 1",
    "SELECT * FROM findings ORDER BY 1",
    "SELECT * FROM finding_history ORDER BY 1",
    "SELECT * FROM commits ORDER BY 1",
    "SELECT * FROM tallies WHERE n <> 0 ORDER BY 1, 2",
    "PRAGMA user_version",
];

const KNOWLEDGE: [&str; 9] = [
    "SELECT * FROM facts ORDER BY 1",
    "SELECT * FROM fact_keys ORDER BY 1, 2",
    "SELECT * FROM fact_mentions ORDER BY 1, 2",
    "SELECT sha256, source, place, request, at, bytes FROM evidence ORDER BY 1",
    "SELECT * FROM fact_evidence ORDER BY 1, 2",
    "SELECT * FROM coverage ORDER BY 1, 2, 3, 4",
    "SELECT id, first_at, last_at, facts, final FROM cases ORDER BY 1",
    "SELECT * FROM accounts ORDER BY 1",
    "SELECT id, state, case_id, body FROM findings WHERE state <> 'resolved' ORDER BY 1",
];

impl Reader {
    /// The state as ordered text.
    ///
    /// # Errors
    /// Those of the database.
    pub fn dump(&self, extent: Extent) -> Result<String, StateError> {
        let tx = self.db.unchecked_transaction()?;
        let queries = match extent {
            Extent::Everything => &EVERYTHING[..],
            Extent::Knowledge => &KNOWLEDGE[..],
        };
        let mut text = String::new();
        for sql in queries {
            text.push_str(&format!("-- {sql}\n"));
            rows(&tx, sql, &mut text)?;
        }
        Ok(text)
    }
}

fn rows(db: &Connection, sql: &str, text: &mut String) -> Result<(), StateError> {
    let mut statement = db.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for at in 0..columns {
            text.push_str(&value(row.get_ref(at)?));
            text.push(if at + 1 == columns { '\n' } else { '\t' });
        }
    }
    Ok(())
}

fn value(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "-".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
    }
}
