//! One reader alone: how tests drive a reader of AWS without the round around it.

use super::haul::Ledger;
use super::place::{AwsPlace, CollectError};
use super::{artifacts, exec_logs, exec_objects, links, posture, sync_records};
use crate::settings::AwsSource;
use audit_state::State;
use aws_reading::Reader;
use correlation::Policy;
use evidence_bundle::store::EvidenceStore;
use jiff::Timestamp;

/// Which reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Transcripts in CloudWatch Logs.
    ExecLogs,
    /// Transcripts in S3.
    ExecObjects,
    /// Artifacts.
    Artifacts,
    /// The wrapper's records.
    Links,
    /// target-sync's records.
    SyncRecords,
    /// Settings.
    Posture,
}

/// Where and when.
#[derive(Debug, Clone, Copy)]
pub struct Where<'a> {
    /// The configuration of the account and region.
    pub source: &'a AwsSource,
    /// Who asks.
    pub reader: &'a Reader,
    /// The caller's account.
    pub account: &'a str,
    /// The operator's expectations.
    pub policy: &'a Policy,
    /// The moment of the round.
    pub now: Timestamp,
}

/// Reads one kind of source once.
///
/// # Errors
/// What was not read.
pub async fn read_one(what: What, at: Where<'_>, state: &mut State, evidence: &dyn EvidenceStore) -> Result<(), CollectError> {
    let Where { source, reader, account, policy, now } = at;
    let (place, mut ledger) = (AwsPlace { source, reader, account, policy, now }, Ledger { state, evidence });
    match what {
        What::ExecLogs => exec_logs::read(&place, &mut ledger).await,
        What::ExecObjects => exec_objects::read(&place, &mut ledger).await,
        What::Artifacts => artifacts::read(&place, &mut ledger).await,
        What::Links => links::read(&place, &mut ledger).await,
        What::SyncRecords => sync_records::read(&place, &mut ledger).await,
        What::Posture => posture::read(&place, &mut ledger).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_may_move_between_threads() {
        fn is_send<F: Send>(_: impl Fn(What, Where<'static>, &'static mut State, &'static dyn EvidenceStore) -> F) {}
        is_send(read_one);
    }
}
