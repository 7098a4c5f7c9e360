//! Lists that are chained by hashes: the commits and the history of findings.
//!
//! Owns the hash of a row, and the check of whole lists. The root over a commit's evidence is that of `evidence_bundle::merkle`.

use crate::error::StateError;
use audit_record::sha256_hex_of_json;
use evidence_bundle::{Sha256, merkle};
use rusqlite::{Connection, OptionalExtension, params};

/// Stands before the first row.
const NOTHING: &str = "";

/// The last rows' hashes: whoever keeps them elsewhere can prove later what the state held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heads {
    /// Commits, and the last one's hash.
    pub commits: (i64, String),
    /// Rows of the findings' history, and the last one's hash.
    pub history: (i64, String),
}

/// Adds a commit over its evidence, in order; returns its number.
pub(crate) fn add_commit(db: &Connection, at: i64, evidence: &[Sha256]) -> Result<i64, StateError> {
    let (last, prev) = head(db, "commits")?;
    let n = last + 1;
    let root = merkle::root(evidence).to_string();
    let sha256 = sha256_hex_of_json(&(n, at, &root, &prev))?;
    db.prepare_cached("INSERT INTO commits (n, at, root, prev_sha256, sha256) VALUES (?, ?, ?, ?, ?)")?
        .execute(params![n, at, root, prev, sha256])?;
    Ok(n)
}

/// A change of a finding, as the history holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) finding_id: &'a str,
    pub(crate) at: i64,
    pub(crate) from: Option<&'a str>,
    pub(crate) to: &'a str,
    pub(crate) why: &'a str,
}

/// Adds a change to the history.
pub(crate) fn add_history(db: &Connection, it: &Entry<'_>) -> Result<(), StateError> {
    let (last, prev) = head(db, "finding_history")?;
    let n = last + 1;
    let sha256 = sha256_hex_of_json(&(n, it.finding_id, it.at, it.from, it.to, it.why, &prev))?;
    db.prepare_cached(
        "INSERT INTO finding_history (n, finding_id, at, from_state, to_state, why, prev_sha256, sha256)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute(params![n, it.finding_id, it.at, it.from, it.to, it.why, prev, sha256])?;
    Ok(())
}

/// Checks both lists from their first rows.
pub(crate) fn verify(db: &Connection) -> Result<Heads, StateError> {
    Ok(Heads {
        commits: walk(db, "commits", "SELECT n, prev_sha256, sha256, at, root FROM commits ORDER BY n", |row, n, prev| {
            sha256_json(&(n, row.get::<_, i64>(3)?, row.get::<_, String>(4)?, prev))
        })?,
        history: walk(
            db,
            "finding_history",
            "SELECT n, prev_sha256, sha256, finding_id, at, from_state, to_state, why FROM finding_history ORDER BY n",
            |row, n, prev| {
                let text = |at| row.get::<_, String>(at);
                sha256_json(&(n, text(3)?, row.get::<_, i64>(4)?, row.get::<_, Option<String>>(5)?, text(6)?, text(7)?, prev))
            },
        )?,
    })
}

fn sha256_json(value: &impl serde::Serialize) -> Result<String, StateError> {
    Ok(sha256_hex_of_json(value)?)
}

fn walk(
    db: &Connection,
    table: &'static str,
    sql: &str,
    hash: impl Fn(&rusqlite::Row<'_>, i64, &str) -> Result<String, StateError>,
) -> Result<(i64, String), StateError> {
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    let (mut last, mut prev) = (0, NOTHING.to_owned());
    while let Some(row) = rows.next()? {
        let n: i64 = row.get(0)?;
        let sha256: String = row.get(2)?;
        let holds = n == last + 1 && row.get::<_, String>(1)? == prev && hash(row, n, &prev)? == sha256;
        if !holds {
            return Err(StateError::Chain { table, n });
        }
        (last, prev) = (n, sha256);
    }
    Ok((last, prev))
}

fn head(db: &Connection, table: &'static str) -> Result<(i64, String), StateError> {
    let sql = format!("SELECT n, sha256 FROM {table} ORDER BY n DESC LIMIT 1");
    let found = db.prepare_cached(&sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.unwrap_or((0, NOTHING.to_owned())))
}

/// The last commit's number, 0 before the first.
pub(crate) fn last_commit(db: &Connection) -> Result<i64, StateError> {
    Ok(head(db, "commits")?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_holds_the_root_of_its_evidence_in_order() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../schema/1.sql")).unwrap();
        let evidence = [b"a", b"b", b"c"].map(|text| Sha256::of(text));
        assert_eq!(add_commit(&db, 7, &evidence).unwrap(), 1);
        assert_eq!(add_commit(&db, 8, &[]).unwrap(), 2);
        let roots: Vec<String> = db
            .prepare("SELECT root FROM commits ORDER BY n")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .flatten()
            .collect();
        assert_eq!(roots, [merkle::root(&evidence).to_string(), Sha256::of(b"").to_string()]);
        assert_eq!(verify(&db).unwrap().commits.0, 2);
    }
}
