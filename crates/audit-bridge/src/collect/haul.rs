//! What one reading of one source brings, until it is committed.
//!
//! Owns the order: raw bytes first into the evidence store, then facts, coverage and cursors together into the state. A reading
//! that is killed in between leaves evidence that nothing names, and is read again.

use audit_facts::normalise::{Normalised, Reading};
use audit_facts::{Body, Coverage, Fact, Grade, Lack, Source};
use audit_record::sha256_hex;
use audit_state::{Batch, Committed, CursorChange, EvidenceRow, State, StateError, natural_time};
use cli_kit::printable;
use evidence_bundle::store::{EvidenceStore, StoreError};
use jiff::Timestamp;
use serde_json::Value;
use std::io::Read;

/// Why what was read cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The evidence store.
    #[error(transparent)]
    Evidence(#[from] StoreError),
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
}

/// State and evidence.
pub(crate) struct Ledger<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) evidence: &'a dyn EvidenceStore,
}

/// What one reading of one source brings.
#[derive(Debug)]
pub(crate) struct Haul {
    batch: Batch,
    unreadable: usize,
}

impl Ledger<'_> {
    /// Where a source is to be read on.
    pub(crate) fn cursor(&self, source: Source, place: &str, name: &str) -> Result<Option<Value>, KeepError> {
        Ok(self.state.reader()?.cursor(source, place, name)?)
    }

    /// Keeps what was brought, all of it or nothing.
    pub(crate) fn commit(&mut self, haul: Haul) -> Result<Committed, KeepError> {
        let Haul { batch, unreadable } = haul;
        if unreadable > 0 {
            tracing::warn!(event = "unreadable", place = %batch.place, records = unreadable, "records could not be read; they are kept as evidence");
        }
        Ok(self.state.commit(&batch)?)
    }
}

impl Haul {
    /// Begins; `at` is the time of the reading.
    pub(crate) fn new(source: Source, place: &str, at: Timestamp) -> Self {
        let batch = Batch {
            source,
            place: place.to_owned(),
            at,
            evidence: Vec::new(),
            facts: Vec::new(),
            coverage: Vec::new(),
            cursors: Vec::new(),
        };
        Self { batch, unreadable: 0 }
    }

    /// When the reading was.
    pub(crate) fn at(&self) -> Timestamp {
        self.batch.at
    }

    /// Stores raw bytes as evidence; what is read of them goes under the reading.
    pub(crate) fn keep(&mut self, ledger: &Ledger<'_>, body: &[u8], request: Value) -> Result<Reading, KeepError> {
        self.keep_all(ledger, &mut &*body, request)
    }

    /// As [`Haul::keep`], of bytes that do not fit in memory.
    pub(crate) fn keep_all(&mut self, ledger: &Ledger<'_>, body: &mut dyn Read, request: Value) -> Result<Reading, KeepError> {
        let put = ledger.evidence.put(body)?;
        let sha256 = put.sha256.to_string();
        let row = EvidenceRow { sha256: sha256.clone(), request, at: self.batch.at, bytes: put.bytes };
        if !self.batch.evidence.contains(&row) {
            self.batch.evidence.push(row);
        }
        Ok(Reading { source: self.batch.source, place: self.batch.place.clone(), at: self.batch.at, evidence: sha256 })
    }

    /// The reading that these bytes would be, kept or not.
    pub(crate) fn reading(&self, body: &[u8]) -> Reading {
        let (source, place) = (self.batch.source, self.batch.place.clone());
        Reading { source, place, at: self.batch.at, evidence: sha256_hex(body) }
    }

    /// Takes the facts of a reading, and gives what it leads to.
    pub(crate) fn take<N>(&mut self, normalised: Normalised<N>) -> N {
        for unreadable in normalised.unreadable.iter().take(10) {
            tracing::debug!(place = %self.batch.place, why = %printable(&unreadable.to_string(), 200), "a record cannot be read");
        }
        self.unreadable += normalised.unreadable.len();
        self.batch.facts.extend(normalised.facts);
        normalised.next
    }

    /// The earliest moment that a fact of this haul tells of.
    pub(crate) fn earliest(&self) -> Option<Timestamp> {
        let told = |fact: &Fact| match &fact.body {
            // A task was made before anybody wrote of it.
            Body::Task(it) => it.seen,
            body => natural_time(body),
        };
        self.batch.facts.iter().filter_map(told).min()
    }

    /// Takes one fact.
    pub(crate) fn add(&mut self, fact: Fact) {
        self.batch.facts.push(fact);
    }

    /// The windows of this haul.
    #[cfg(test)]
    pub(crate) fn coverage(&self) -> &[Coverage] {
        &self.batch.coverage
    }

    /// Says that a window was read.
    pub(crate) fn covered(&mut self, scope: &str, from: Timestamp, to: Timestamp, grade: Grade) {
        self.window(scope, from, to, grade, None);
    }

    /// Says that a window was not read.
    pub(crate) fn not_covered(&mut self, scope: &str, from: Timestamp, to: Timestamp, lack: Lack) {
        self.window(scope, from, to, Grade::None, Some(lack));
    }

    /// Takes windows that were made elsewhere.
    pub(crate) fn windows(&mut self, windows: impl IntoIterator<Item = Coverage>) {
        self.batch.coverage.extend(windows);
    }

    fn window(&mut self, scope: &str, from: Timestamp, to: Timestamp, grade: Grade, lack: Option<Lack>) {
        if from < to {
            let (source, place) = (self.batch.source, self.batch.place.clone());
            self.batch.coverage.push(Coverage { source, place, scope: scope.to_owned(), from, to, grade, lack });
        }
    }

    /// Moves a cursor.
    pub(crate) fn cursor(&mut self, name: &str, value: Value) {
        self.batch.cursors.push(CursorChange { name: name.to_owned(), value });
    }
}
