//! What the command line asks: accounts and findings by their columns, coverage of a period, figures.
//!
//! Owns the filters. A period takes what overlaps it; its end is exclusive.

use crate::chain::{self, Heads};
use crate::cover;
use crate::error::StateError;
use crate::judgement::rank;
use crate::micros;
use crate::open::Reader;
use audit_facts::{Coverage, Fact, Source};
use correlation::{Account, Assurance, Code, Finding, Severity, State};
use jiff::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{OptionalExtension, params_from_iter};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;

/// Which accounts; what is not set takes all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountFilter {
    /// Not ended before this, UTC.
    pub from: Option<Timestamp>,
    /// Begun before this, UTC.
    pub to: Option<Timestamp>,
    /// The Boundary user's id or name, or a part of the AWS principal's ARN, such as the role session's name.
    pub user: Option<String>,
    /// The task's id or ARN.
    pub task: Option<String>,
    /// The investigation.
    pub investigation: Option<String>,
    /// The Boundary or SSM session, or the account's id.
    pub session: Option<String>,
    /// What the id of the Boundary or SSM session begins with.
    pub session_begins: Option<String>,
    /// How much the link carries.
    pub assurance: Option<Assurance>,
    /// How many at most.
    pub limit: Option<u32>,
}

/// Which findings; what is not set takes all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FindingFilter {
    /// As bad as this, or worse.
    pub severity: Option<Severity>,
    /// How far settled; several are alternatives, none takes all.
    pub states: Vec<State>,
    /// What.
    pub code: Option<Code>,
    /// The Boundary or SSM session; several are alternatives, none takes all.
    pub sessions: Vec<String>,
    /// Happened at or after this, or, when no time is known, first seen then, UTC.
    pub from: Option<Timestamp>,
    /// Happened before this, UTC.
    pub to: Option<Timestamp>,
    /// How many at most.
    pub limit: Option<u32>,
}

/// A finding with what the state knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFinding {
    /// The finding, in its last state.
    pub finding: Finding,
    /// The first judgement that had it, UTC.
    pub first_seen: Timestamp,
    /// The last judgement that changed it, UTC.
    pub last_changed: Timestamp,
    /// Its case; none when the case was purged.
    pub case_id: Option<String>,
}

/// A change in a finding's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Its number among all changes.
    pub n: i64,
    /// When, UTC.
    pub at: Timestamp,
    /// The state before; none when it was new.
    pub from: Option<String>,
    /// The state after.
    pub to: String,
    /// Why.
    pub why: String,
}

/// A shell whose transcript may have to be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell {
    /// The SSM session's id.
    pub ssm_session_id: String,
    /// The task.
    pub task_arn: Option<String>,
    /// When it ended, as far as it is known, UTC.
    pub ended: Option<Timestamp>,
    /// Bytes that Boundary carried down.
    pub bytes_down: Option<u64>,
}

/// Four spans of two indices: ended or not, with a transcript or without.
const SHELLS: &str = "
    SELECT ssm_session_id, task_arn, ended, bytes_down FROM accounts
    WHERE ssm_session_id IS NOT NULL AND transcript IS NULL AND ended >= ?1
    UNION ALL SELECT ssm_session_id, task_arn, ended, bytes_down FROM accounts
    WHERE ssm_session_id IS NOT NULL AND transcript IS NULL AND ended IS NULL AND started >= ?1
    UNION ALL SELECT ssm_session_id, task_arn, ended, bytes_down FROM accounts
    WHERE ssm_session_id IS NOT NULL AND transcript IS NOT NULL AND ended >= ?2
    UNION ALL SELECT ssm_session_id, task_arn, ended, bytes_down FROM accounts
    WHERE ssm_session_id IS NOT NULL AND transcript IS NOT NULL AND ended IS NULL AND started >= ?1";

impl Reader {
    /// Shells that ended since a time, or began since then and have not ended; of those with a transcript only such as
    /// ended since another time.
    ///
    /// # Errors
    /// Those of the database.
    pub fn shells(&self, since: Timestamp, with_transcript_since: Timestamp) -> Result<Vec<Shell>, StateError> {
        let mut statement = self.db.prepare_cached(SHELLS)?;
        let rows = statement.query_map([micros::down(since), micros::down(with_transcript_since)], |row| {
            Ok(Shell {
                ssm_session_id: row.get(0)?,
                task_arn: row.get(1)?,
                ended: row.get::<_, Option<i64>>(2)?.map(micros::time),
                bytes_down: row.get::<_, Option<i64>>(3)?.and_then(|bytes| u64::try_from(bytes).ok()),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Accounts, the latest first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sessions(&self, filter: &AccountFilter) -> Result<Vec<Account>, StateError> {
        let mut ask = Ask::default();
        ask.add("(ended IS NULL OR ended >= ?)", filter.from.map(micros::down));
        ask.add("coalesce(started, ended) < ?", filter.to.map(micros::up));
        if let Some(who) = &filter.user {
            ask.who(who, self.principals_with(who)?);
        }
        ask.any_of(&["task_id", "task_arn"], filter.task.as_deref());
        ask.any_of(&["investigation_id"], filter.investigation.as_deref());
        ask.any_of(&["boundary_session_id", "ssm_session_id", "id"], filter.session.as_deref());
        ask.any_begins(&["boundary_session_id", "ssm_session_id"], filter.session_begins.as_deref());
        ask.any_of(&["assurance"], filter.assurance.map(Assurance::word));
        // Of a period the rows are found by their ends: the order must not lead through all of them.
        let order = if filter.from.is_some() { "+started DESC, id" } else { "started DESC, id" };
        let sql = ask.sql("SELECT body FROM accounts", order, filter.limit);
        let mut statement = self.db.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(ask.values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(parsed(&row.get::<_, String>(0)?)?);
        }
        Ok(found)
    }

    /// The principals whose ARN has this in it, a thousand at most.
    fn principals_with(&self, part: &str) -> Result<Vec<String>, StateError> {
        // From one principal to the next by the index: their sessions are many, they are few.
        let mut statement = self.db.prepare_cached(
            "WITH RECURSIVE principals (arn) AS (
               SELECT min(principal_arn) FROM accounts
               UNION ALL SELECT (SELECT min(principal_arn) FROM accounts WHERE principal_arn > arn) FROM principals WHERE arn IS NOT NULL
             ) SELECT arn FROM principals WHERE instr(arn, ?) > 0 LIMIT 1000",
        )?;
        let rows = statement.query_map([part], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Who has opened shells since: AWS principals, each with the last shell's task and time, UTC.
    ///
    /// # Errors
    /// Those of the database.
    pub fn principals(&self, since: Timestamp) -> Result<Vec<(String, String, Timestamp)>, StateError> {
        // Of an aggregate's row the other columns are those of its maximum (SQLite, "bare columns").
        let mut statement = self.db.prepare_cached(
            "SELECT principal_arn, task_arn, max(started) FROM accounts
             WHERE started >= ? AND principal_arn IS NOT NULL AND task_arn IS NOT NULL GROUP BY principal_arn",
        )?;
        let rows = statement.query_map([micros::down(since)], |row| Ok((row.get(0)?, row.get(1)?, micros::time(row.get(2)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Findings, the worst first, then the latest.
    ///
    /// # Errors
    /// Those of the database.
    pub fn findings(&self, filter: &FindingFilter) -> Result<Vec<KnownFinding>, StateError> {
        let mut ask = Ask::default();
        ask.add("severity_rank >= ?", filter.severity.map(|it| i64::from(rank(it))));
        ask.one_of("state", filter.states.iter().map(|state| state.word()));
        ask.any_of(&["code"], filter.code.map(Code::word));
        ask.any_one_of(&["boundary_session_id", "ssm_session_id"], &filter.sessions);
        ask.add("coalesce(at, first_seen) >= ?", filter.from.map(micros::down));
        ask.add("coalesce(at, first_seen) < ?", filter.to.map(micros::up));
        let order = "severity_rank DESC, coalesce(at, first_seen) DESC, id";
        let sql = ask.sql("SELECT body, first_seen, last_changed, case_id FROM findings", order, filter.limit);
        let mut statement = self.db.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(ask.values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(KnownFinding {
                finding: parsed(&row.get::<_, String>(0)?)?,
                first_seen: micros::time(row.get(1)?),
                last_changed: micros::time(row.get(2)?),
                case_id: row.get(3)?,
            });
        }
        Ok(found)
    }

    /// The changes of a finding, the first first.
    ///
    /// # Errors
    /// Those of the database.
    pub fn history(&self, finding_id: &str) -> Result<Vec<HistoryEntry>, StateError> {
        let mut statement = self
            .db
            .prepare_cached("SELECT n, at, from_state, to_state, why FROM finding_history WHERE finding_id = ? ORDER BY n")?;
        let rows = statement.query_map([finding_id], |row| {
            let at = micros::time(row.get(1)?);
            Ok(HistoryEntry { n: row.get(0)?, at, from: row.get(2)?, to: row.get(3)?, why: row.get(4)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Evidence that something rests on: so many of the oldest pieces and so many of the latest, SHA-256.
    ///
    /// # Errors
    /// Those of the database.
    pub fn evidence_at_the_ends(&self, count: u32) -> Result<BTreeSet<String>, StateError> {
        let mut found = BTreeSet::new();
        for order in ["ASC", "DESC"] {
            let sql = format!("SELECT sha256 FROM evidence WHERE released_at IS NULL ORDER BY at {order} LIMIT ?");
            let mut statement = self.db.prepare_cached(&sql)?;
            for sha256 in statement.query_map([count], |row| row.get(0))? {
                found.insert(sha256?);
            }
        }
        Ok(found)
    }

    /// What was read in a period, cut to it, in order of source, place, scope and time. What is not listed was not read.
    ///
    /// # Errors
    /// Those of the database.
    pub fn coverage(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Coverage>, StateError> {
        cover::read(&self.db, from, to)
    }

    /// All facts of some kinds, in order of time; see [`crate::kind`] for their words.
    ///
    /// # Errors
    /// Those of the database.
    pub fn facts_of_kinds(&self, kinds: &[&str]) -> Result<Vec<Fact>, StateError> {
        let mut ask = Ask::default();
        ask.one_of("kind", kinds.iter().copied());
        let mut statement = self.db.prepare(&ask.sql("SELECT id FROM facts", "id", None))?;
        let ids = statement.query_map(params_from_iter(ask.values), |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        self.facts(&ids)
    }

    /// Where a source is to be read on.
    ///
    /// # Errors
    /// Those of the database.
    pub fn cursor(&self, source: Source, place: &str, name: &str) -> Result<Option<Value>, StateError> {
        let text: Option<String> = self
            .db
            .prepare_cached("SELECT value FROM cursors WHERE source = ? AND place = ? AND name = ?")?
            .query_row([source.word(), place, name], |row| row.get(0))
            .optional()?;
        text.map(|text| parsed(&text)).transpose()
    }

    /// Checks the chains of commits and of the findings' history; the heads are what to anchor elsewhere.
    ///
    /// # Errors
    /// [`StateError::Chain`] at the first row that was changed, added or removed.
    pub fn verify(&self) -> Result<Heads, StateError> {
        let tx = self.db.unchecked_transaction()?;
        chain::verify(&tx)
    }
}

/// Conditions with their values.
#[derive(Default)]
struct Ask {
    conditions: Vec<String>,
    values: Vec<Sql>,
}

impl Ask {
    fn add(&mut self, condition: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.conditions.push(condition.to_owned());
            self.values.push(Sql::Integer(value));
        }
    }

    fn any_of(&mut self, columns: &[&str], value: Option<&str>) {
        let Some(value) = value else { return };
        let parts: Vec<String> = columns.iter().map(|column| format!("{column} = ?")).collect();
        self.conditions.push(format!("({})", parts.join(" OR ")));
        self.values.extend(columns.iter().map(|_| Sql::Text(value.to_owned())));
    }

    fn who(&mut self, word: &str, principals: Vec<String>) {
        let places = vec!["?"; principals.len()].join(", ");
        self.conditions.push(format!("(user_id = ? OR user_name = ? OR principal_arn IN ({places}))"));
        self.values.extend([word.to_owned(), word.to_owned()].into_iter().chain(principals).map(Sql::Text));
    }

    fn any_one_of(&mut self, columns: &[&str], words: &[String]) {
        if words.is_empty() {
            return;
        }
        let places = vec!["?"; words.len()].join(", ");
        let parts: Vec<String> = columns.iter().map(|column| format!("{column} IN ({places})")).collect();
        self.conditions.push(format!("({})", parts.join(" OR ")));
        self.values.extend(columns.iter().flat_map(|_| words.iter().cloned().map(Sql::Text)));
    }

    /// A range rather than a pattern: an index answers it, and no character has a meaning of its own.
    fn any_begins(&mut self, columns: &[&str], prefix: Option<&str>) {
        let Some(prefix) = prefix else { return };
        let parts: Vec<String> = columns.iter().map(|column| format!("({column} >= ? AND {column} < ?)")).collect();
        self.conditions.push(format!("({})", parts.join(" OR ")));
        let ends = [prefix.to_owned(), format!("{prefix}{}", char::MAX)];
        self.values.extend(columns.iter().flat_map(|_| ends.iter().cloned().map(Sql::Text)));
    }

    fn one_of<'a>(&mut self, column: &str, words: impl Iterator<Item = &'a str>) {
        let words: Vec<Sql> = words.map(|word| Sql::Text(word.to_owned())).collect();
        if !words.is_empty() {
            self.conditions.push(format!("{column} IN ({})", vec!["?"; words.len()].join(", ")));
            self.values.extend(words);
        }
    }

    fn sql(&self, select: &str, order: &str, limit: Option<u32>) -> String {
        let conditions =
            if self.conditions.is_empty() { String::new() } else { format!(" WHERE {}", self.conditions.join(" AND ")) };
        let limit = limit.map(|limit| format!(" LIMIT {limit}")).unwrap_or_default();
        format!("{select}{conditions} ORDER BY {order}{limit}")
    }
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, StateError> {
    Ok(serde_json::from_str(text)?)
}
