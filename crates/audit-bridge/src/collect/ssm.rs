//! SSM's list of sessions: the third witness that a session was.
//!
//! Owns the window: sessions are listed by their beginning, and their ends come later, so each round looks back.

use super::haul::Ledger;
use super::place::{AwsPlace, CollectError, not_read};
use audit_facts::normalise::ssm::sessions;
use audit_facts::{Grade, Source};
use aws_reading::ssm::{SessionFilter, SessionState, describe_sessions};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// SSM keeps ended sessions for 30 days (API reference, DescribeSessions).
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How far back sessions are listed again for their ends.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);
/// The cursor's name.
const CURSOR: &str = "listed";

/// Reads one account and region.
pub(crate) async fn read(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>) -> Result<(), CollectError> {
    let name = place.place("ssm");
    let listed: Option<Timestamp> =
        ledger.cursor(Source::SsmSessions, &name, CURSOR)?.and_then(|value| serde_json::from_value(value).ok());
    let from = listed.map_or(place.now - KEPT, |listed| listed - OVERLAP);
    match list(place, ledger, from).await {
        Ok(()) => {}
        Err(error) => return not_read(ledger, place.haul(Source::SsmSessions, "ssm"), &place.scope(), listed, error),
    }
    let mut haul = place.haul(Source::SsmSessions, "ssm");
    haul.covered(&place.scope(), from, place.now, Grade::BestEffort);
    haul.cursor(CURSOR, json!(place.now));
    ledger.commit(haul)?;
    Ok(())
}

async fn list(place: &AwsPlace<'_>, ledger: &mut Ledger<'_>, from: Timestamp) -> Result<(), CollectError> {
    for state in [SessionState::Active, SessionState::History] {
        let mut pages = place.reader.list(describe_sessions(state, &[SessionFilter::InvokedAfter(from)]));
        while let Some(page) = pages.next_page().await? {
            let mut haul = place.haul(Source::SsmSessions, "ssm");
            if page.rows > 0 {
                let reading = haul.keep(ledger, &page.page.body, json!(page.page.request))?;
                haul.take(sessions(&reading, &page.page.body));
            }
            ledger.commit(haul)?;
        }
    }
    Ok(())
}
