//! What went wrong while the rest was read.
//!
//! Owns what is told of several failures: a refusal before anything else, since what it hides is unknown; then the first.

use super::haul::{Haul, Ledger};
use super::place::{CollectError, not_read};
use audit_facts::Lack;
use aws_reading::ReadError;
use cli_kit::{chain_text, printable};
use jiff::{SignedDuration, Timestamp};

/// Failures of one reading.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    first: Option<CollectError>,
    /// Whether the first one leaves a window unread though it is no refusal.
    hides: bool,
    /// The first failure that concerns one thing alone.
    of_one: Option<CollectError>,
}

impl Troubles {
    /// Whether all was read but for single things.
    pub(crate) fn is_none(&self) -> bool {
        self.first.is_none()
    }

    /// Notes a failure; one after which nothing can be kept ends the reading.
    pub(crate) fn note(&mut self, error: CollectError) -> Result<(), CollectError> {
        if error.is_fatal() {
            return Err(error);
        }
        tracing::debug!(why = %printable(&chain_text(&error), 500), "something was not read");
        let is_worse = self.first.as_ref().is_none_or(|first| error.is_refusal() && !first.is_refusal());
        if is_worse {
            self.first = Some(error);
        }
        Ok(())
    }

    /// Notes a failure at one thing among many. What is wrong with that thing alone is told, and the rest counts as read: who plants
    /// an odd thing must not take away the proof that others are absent.
    pub(crate) fn note_of_one(&mut self, error: CollectError) -> Result<(), CollectError> {
        if !is_of_one(&error) {
            return self.note(error);
        }
        tracing::warn!(event = "unreadable", why = %printable(&chain_text(&error), 500), "one thing cannot be read");
        self.of_one.get_or_insert(error);
        Ok(())
    }

    /// Notes that what should be read does not exist: nobody knows what it would hold.
    pub(crate) fn note_missing(&mut self, error: CollectError) -> Result<(), CollectError> {
        self.note(error)?;
        self.hides = true;
        Ok(())
    }

    /// Tells what went wrong where it leaves no window unread.
    pub(crate) fn tell(self) -> Result<(), CollectError> {
        self.first.or(self.of_one).map_or(Ok(()), Err)
    }

    /// Writes down what was not read, and tells why.
    pub(crate) fn settle(
        self,
        ledger: &mut Ledger<'_>,
        mut haul: Haul,
        scope: &str,
        from: Option<Timestamp>,
    ) -> Result<(), CollectError> {
        let Some(error) = self.first else { return self.tell() };
        if self.hides && !error.is_refusal() {
            let to = haul.at();
            let from = from.unwrap_or(to - DAY).max(to - DAY);
            haul.not_covered(scope, from, to, Lack::CannotRead { text: printable(&chain_text(&error), 500) });
            ledger.commit(haul)?;
            return Err(error);
        }
        not_read(ledger, haul, scope, from, error)
    }
}

/// Whether an error concerns one stream or object alone.
pub(crate) fn is_of_one(error: &CollectError) -> bool {
    use ReadError::{NotFound, TooLarge, Unexpected, Unreadable};
    matches!(
        error,
        CollectError::Odd(..) | CollectError::Aws(NotFound(_) | TooLarge { .. } | Unexpected { .. } | Unreadable { .. })
    )
}

/// As far back as [`not_read`] goes.
const DAY: SignedDuration = SignedDuration::from_hours(24);
