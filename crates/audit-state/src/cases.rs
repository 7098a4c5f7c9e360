//! Cases out of the database: from a key to all facts that belong together with it, and which cases wait for a judgement.
//!
//! Owns the walk over keys. A case is what `correlation::partition` puts together; its name is the smallest of its keys, so
//! that it does not depend on the order in which facts came. A case that grows keeps all its former names among its keys.

use crate::batch::PLACES;
use crate::chain;
use crate::cover::source_of;
use crate::error::StateError;
use crate::micros;
use crate::open::{Reader, State};
use audit_facts::{Fact, Key};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::BTreeSet;

/// Facts that belong together, as they stood at one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its name: the smallest of its keys, `places` for what belongs to no case.
    pub id: String,
    /// All keys of its facts.
    pub keys: BTreeSet<String>,
    /// Its facts in order of time, then of id.
    pub facts: Vec<Fact>,
    /// The last commit that is in it.
    pub as_of: i64,
}

impl State {
    /// The whole cases of keys, each once, in order of name.
    ///
    /// # Errors
    /// Those of the database.
    pub fn closure<'a>(&self, keys: impl IntoIterator<Item = &'a Key>) -> Result<Vec<Vec<Fact>>, StateError> {
        let mut seen = BTreeSet::new();
        let mut cases = Vec::new();
        for key in keys {
            if !seen.contains(key.as_str())
                && let Some(case) = load(&self.db, key.as_str())?
            {
                seen.extend(case.keys.iter().cloned());
                cases.push(case);
            }
        }
        cases.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(cases.into_iter().map(|case| case.facts).collect())
    }

    /// The next case that waits for a judgement: touched ones first, then those whose time has come. One at a time, so that
    /// memory holds one case.
    ///
    /// # Errors
    /// Those of the database.
    pub fn next_case(&self, now: Timestamp) -> Result<Option<Case>, StateError> {
        loop {
            let Some(key) = next_key(&self.db, micros::down(now))? else { return Ok(None) };
            if let Some(case) = load(&self.db, &key)? {
                return Ok(Some(case));
            }
            // Its facts were purged: nothing waits there.
            self.db.execute("DELETE FROM dirty WHERE key = ?", [&key])?;
            self.db.execute("DELETE FROM cases WHERE id = ?", [&key])?;
        }
    }

    /// What belongs to no case, settings and broken chains, when it waits for a judgement.
    ///
    /// # Errors
    /// Those of the database.
    pub fn next_places(&self) -> Result<Option<Case>, StateError> {
        let waits: Option<i64> =
            self.db.query_row("SELECT commit_n FROM dirty WHERE key = ?", [PLACES], |row| row.get(0)).optional()?;
        if waits.is_some() { Ok(Some(places(&self.db)?)) } else { Ok(None) }
    }

    /// What belongs to no case, whether or not it waits.
    ///
    /// # Errors
    /// Those of the database.
    pub fn places(&self) -> Result<Case, StateError> {
        places(&self.db)
    }

    /// What is known of the people and credentials that a case mentions: users, and roles that were assumed.
    ///
    /// # Errors
    /// Those of the database.
    pub fn mentioned(&self, case: &Case) -> Result<Vec<Fact>, StateError> {
        let keys: BTreeSet<Key> = case.facts.iter().flat_map(Fact::mentions).collect();
        let mut ids = BTreeSet::new();
        let mut statement = self.db.prepare_cached("SELECT fact_id FROM fact_mentions WHERE key = ? AND tells = 1")?;
        for key in &keys {
            for id in statement.query_map([key.as_str()], |row| row.get(0))? {
                ids.insert(id?);
            }
        }
        facts_of(&self.db, &ids)
    }
}

impl Reader {
    /// The whole case of a key, as it stands now.
    ///
    /// # Errors
    /// Those of the database.
    pub fn case_of(&self, key: &Key) -> Result<Option<Case>, StateError> {
        let tx = self.db.unchecked_transaction()?;
        load(&tx, key.as_str())
    }

    /// The facts with a key, and not all that belong together with them.
    ///
    /// # Errors
    /// Those of the database.
    pub fn facts_with(&self, key: &Key) -> Result<Vec<Fact>, StateError> {
        let mut statement = self.db.prepare_cached(
            "SELECT id, source, place, observed_at, evidence, body FROM fact_keys JOIN facts ON facts.id = fact_id WHERE key = ?",
        )?;
        let mut rows = statement.query([key.as_str()])?;
        let mut facts = Vec::new();
        while let Some(row) = rows.next()? {
            facts.push(fact_of(row)?);
        }
        Ok(facts)
    }

    /// Whether a fact is known, by its id.
    ///
    /// # Errors
    /// Those of the database.
    pub fn knows(&self, fact_id: &str) -> Result<bool, StateError> {
        let mut statement = self.db.prepare_cached("SELECT 1 FROM facts WHERE id = ?")?;
        Ok(statement.query_row([fact_id], |_| Ok(())).optional()?.is_some())
    }

    /// Facts by their ids, in order of time; ids that are not known are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub fn facts(&self, ids: &[String]) -> Result<Vec<Fact>, StateError> {
        let tx = self.db.unchecked_transaction()?;
        facts_of(&tx, &ids.iter().cloned().collect())
    }
}

/// Walks from a key over facts and their keys until nothing is added.
pub(crate) fn walk(db: &Connection, key: &str) -> Result<(BTreeSet<String>, BTreeSet<String>), StateError> {
    let mut facts_with = db.prepare_cached("SELECT fact_id FROM fact_keys WHERE key = ?")?;
    let mut keys_of = db.prepare_cached("SELECT key FROM fact_keys WHERE fact_id = ?")?;
    let (mut keys, mut facts) = (BTreeSet::new(), BTreeSet::new());
    let mut queue = vec![key.to_owned()];
    while let Some(key) = queue.pop() {
        if !keys.insert(key.clone()) {
            continue;
        }
        for id in facts_with.query_map([&key], |row| row.get::<_, String>(0))? {
            let id = id?;
            if !facts.contains(&id) {
                let found = keys_of.query_map([&id], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
                queue.extend(found);
                facts.insert(id);
            }
        }
    }
    Ok((keys, facts))
}

fn load(db: &Connection, key: &str) -> Result<Option<Case>, StateError> {
    let as_of = chain::last_commit(db)?;
    let (keys, ids) = walk(db, key)?;
    let Some(id) = keys.first().filter(|_| !ids.is_empty()).cloned() else { return Ok(None) };
    Ok(Some(Case { id, keys, facts: facts_of(db, &ids)?, as_of }))
}

fn places(db: &Connection) -> Result<Case, StateError> {
    let as_of = chain::last_commit(db)?;
    let mut statement = db.prepare_cached("SELECT id FROM facts WHERE kind IN ('posture', 'chain_break')")?;
    let ids = statement.query_map([], |row| row.get(0))?.collect::<Result<BTreeSet<String>, _>>()?;
    Ok(Case { id: PLACES.to_owned(), keys: [PLACES.to_owned()].into(), facts: facts_of(db, &ids)?, as_of })
}

fn next_key(db: &Connection, now: i64) -> Result<Option<String>, StateError> {
    let touched = db
        .prepare_cached("SELECT key FROM dirty WHERE key <> ? ORDER BY commit_n, key LIMIT 1")?
        .query_row([PLACES], |row| row.get(0))
        .optional()?;
    if touched.is_some() {
        return Ok(touched);
    }
    let due = db
        .prepare_cached("SELECT id FROM cases WHERE due <= ? ORDER BY due, id LIMIT 1")?
        .query_row([now], |row| row.get(0))
        .optional()?;
    Ok(due)
}

fn facts_of(db: &Connection, ids: &BTreeSet<String>) -> Result<Vec<Fact>, StateError> {
    let mut statement = db.prepare_cached("SELECT id, source, place, observed_at, evidence, body, at FROM facts WHERE id = ?")?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let mut rows = statement.query([id])?;
        if let Some(row) = rows.next()? {
            let at: Option<i64> = row.get(6)?;
            found.push(((at.unwrap_or(i64::MAX), id), fact_of(row)?));
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(found.into_iter().map(|(_, fact)| fact).collect())
}

fn fact_of(row: &Row<'_>) -> Result<Fact, StateError> {
    Ok(Fact {
        source: source_of("facts", &row.get::<_, String>(1)?)?,
        place: row.get(2)?,
        observed_at: micros::time(row.get(3)?),
        evidence: row.get(4)?,
        body: serde_json::from_str(&row.get::<_, String>(5)?)?,
    })
}
