//! The interval join: which sessions of an event's key contain the event's time.
//!
//! Owns the index of the sessions and the ways to ask it. Knows nothing of what a key or an event is, and never sorts the
//! events: the sessions are few, the events many.
//!
//! ```text
//! sessions ─ rows in parts, by key ─ sort a part ─ windows of each key ─► Index ─ fold(events) ─► pairs (event, session)
//! ```
//!
//! With m sessions, n events and k pairs: O(m log m) to build, O(n log m + k) to ask, whatever the shape of the keys and times.

mod index;
mod probe;
mod rows;
mod tally;
#[cfg(test)]
mod tests;
mod windows;

pub use index::Index;
pub use tally::Tally;

/// Why columns are not the input of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The columns of one table differ in length.
    #[error("columns of {0} and {1} rows make no table")]
    Lengths(usize, usize),
    /// A position does not fit 32 bits.
    #[error("{0} rows are more than a join can number")]
    TooMany(usize),
}

/// Sessions as columns; the position is the id. Both ends belong to a session; one that ends before its start contains nothing.
#[derive(Clone, Copy, Debug)]
pub struct Sessions<'a> {
    keys: &'a [u64],
    starts: &'a [i64],
    ends: &'a [i64],
}

impl<'a> Sessions<'a> {
    /// Takes the columns: keys (hashes or dense numbers), first and last moments (any unit, the events' own).
    ///
    /// # Errors
    /// Columns of different lengths, or more than `u32::MAX` rows.
    pub fn new(keys: &'a [u64], starts: &'a [i64], ends: &'a [i64]) -> Result<Self, JoinError> {
        check(keys.len(), starts.len())?;
        check(keys.len(), ends.len())?;
        Ok(Self { keys, starts, ends })
    }
}

/// Events as columns; the position is the id.
#[derive(Clone, Copy, Debug)]
pub struct Events<'a> {
    keys: &'a [u64],
    times: &'a [i64],
}

impl<'a> Events<'a> {
    /// Takes the columns: keys and moments, in the sessions' unit.
    ///
    /// # Errors
    /// Columns of different lengths, or more than `u32::MAX` rows.
    pub fn new(keys: &'a [u64], times: &'a [i64]) -> Result<Self, JoinError> {
        check(keys.len(), times.len())?;
        Ok(Self { keys, times })
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

fn check(rows: usize, others: usize) -> Result<(), JoinError> {
    if rows != others {
        return Err(JoinError::Lengths(rows, others));
    }
    u32::try_from(rows).map(drop).map_err(|_| JoinError::TooMany(rows))
}

/// Counts the steps of a search, or does not: `()` costs nothing.
trait Steps {
    /// So many rows, windows or keys were looked at.
    fn add(&mut self, steps: usize);
}

impl Steps for () {
    fn add(&mut self, _steps: usize) {}
}

/// A position as it is stored; [`check`] has seen that it fits.
fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// A stored position as an index.
fn wide(position: u32) -> usize {
    position as usize
}
