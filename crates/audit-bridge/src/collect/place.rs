//! One account and region of AWS, on its way through a round.
//!
//! Owns what the readers of AWS share: names of places, scopes of coverage, and what becomes of a failure.

use super::haul::{Haul, KeepError, Ledger};
use crate::settings::AwsSource;
use audit_facts::{Lack, Source};
use aws_reading::{ReadError, Reader};
use boundary_api::ErrorKind;
use cli_kit::{chain_text, printable};
use correlation::Policy;
use jiff::{SignedDuration, Timestamp};
use std::path::PathBuf;
use std::time::Duration;

/// Why a source was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// What was read cannot be kept: nothing more may be read.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// AWS.
    #[error("failed to {0}")]
    Aws(#[from] ReadError),
    /// Boundary.
    #[error("failed to {0}")]
    Boundary(#[from] boundary_api::Error),
    /// A file.
    #[error("failed to read `{}`", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    /// The credentials are of another account than the configuration says.
    #[error("failed to read account {wanted}, which `{key}` names: the credentials are of account {found}")]
    OtherAccount {
        /// The key in the configuration.
        key: String,
        /// What it says.
        wanted: String,
        /// Whose the credentials are.
        found: String,
    },
    /// There was more than there was time for.
    #[error("{}", unfinished(*.0))]
    Unfinished(Duration),
    /// Something that was read is not what it should be.
    #[error("failed to read {0}: {1}")]
    Odd(String, &'static str),
}

fn unfinished(within: Duration) -> String {
    match within {
        Duration::ZERO => "not begun: the round has taken long enough; the next one goes on".to_owned(),
        within => format!("failed to read it all within {}; the next round goes on", humantime::format_duration(within)),
    }
}

impl CollectError {
    /// Whether the source refused, so that what it holds is unknown.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Aws(error) => matches!(error, ReadError::Denied(_) | ReadError::Expired(_) | ReadError::NoCredentials(_)),
            Self::Boundary(error) => {
                matches!(error.api().map(|api| api.kind), Some(ErrorKind::PermissionDenied | ErrorKind::Unauthenticated))
            }
            Self::File(_, error) => error.kind() == std::io::ErrorKind::PermissionDenied,
            Self::OtherAccount { .. } => true,
            Self::Keep(_) | Self::Odd(..) | Self::Unfinished(_) => false,
        }
    }

    /// Whether nothing more can be kept.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Keep(_))
    }
}

/// One account and region, and the moment of the round.
#[derive(Clone, Copy)]
pub(crate) struct AwsPlace<'a> {
    pub(crate) source: &'a AwsSource,
    pub(crate) reader: &'a Reader,
    /// The caller's account.
    pub(crate) account: &'a str,
    pub(crate) policy: &'a Policy,
    pub(crate) now: Timestamp,
}

impl AwsPlace<'_> {
    /// The name of one kind of source here, for cursors and coverage: `NAME/WHAT`.
    pub(crate) fn place(&self, what: &str) -> String {
        format!("{}/{what}", self.source.name)
    }

    /// What coverage of this account and region speaks for.
    pub(crate) fn scope(&self) -> String {
        format!("{}/{}", self.account, self.source.region)
    }

    /// Begins a haul here.
    pub(crate) fn haul(&self, source: Source, what: &str) -> Haul {
        Haul::new(source, &self.place(what), self.now)
    }
}

/// Writes down that a source was not read because it refused; anything else is only told, and the next round tries again.
///
/// The window goes from where the source was read to so far, at most a day back.
pub(crate) fn not_read(
    ledger: &mut Ledger<'_>,
    mut haul: Haul,
    scope: &str,
    from: Option<Timestamp>,
    error: CollectError,
) -> Result<(), CollectError> {
    if error.is_fatal() {
        return Err(error);
    }
    if error.is_refusal() {
        let to = haul.at();
        let from = from.unwrap_or(to - SignedDuration::from_hours(24)).max(to - SignedDuration::from_hours(24));
        haul.not_covered(scope, from, to, Lack::CannotRead { text: printable(&chain_text(&error), 500) });
        ledger.commit(haul)?;
    }
    Err(error)
}
