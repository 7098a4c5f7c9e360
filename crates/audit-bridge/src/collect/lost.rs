//! An account and region where nobody says who we are: credentials that are missing, refused, or of another account.
//!
//! Owns the windows of all sources there. They are written only where it is known which account they speak for: by the
//! configuration, or by former rounds.

use super::haul::{Haul, KeepError, Ledger};
use super::place::CollectError;
use crate::settings::AwsSource;
use audit_facts::{Coverage, Grade, Lack, Source};
use cli_kit::{chain_text, printable};
use jiff::{SignedDuration, Timestamp};

/// How far back a window that was not read goes at most.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Writes down that no source there was read, when that is a refusal; anything else passes, and the next round tries again.
pub(crate) fn note(
    ledger: &mut Ledger<'_>,
    source: &AwsSource,
    error: &CollectError,
    now: Timestamp,
) -> Result<(), CollectError> {
    if !error.is_refusal() {
        return Ok(());
    }
    let known = ledger.state.reader().and_then(|reader| reader.coverage(now - DAY, now)).map_err(KeepError::from)?;
    let Some(scope) = scope(source, &known) else { return Ok(()) };
    let text = printable(&chain_text(error), 500);
    for part in source.parts() {
        let place = format!("{}/{}", source.name, part.what);
        let mut haul = Haul::new(part.source, &place, now);
        for scope in if part.scopes.is_empty() { std::slice::from_ref(&scope) } else { &part.scopes } {
            let is_read =
                |it: &&Coverage| it.source == part.source && it.place == place && it.scope == *scope && it.grade > Grade::None;
            let from = known.iter().filter(is_read).map(|it| it.to).max().unwrap_or(now - DAY);
            haul.not_covered(scope, from, now, Lack::CannotRead { text: text.clone() });
        }
        ledger.commit(haul)?;
    }
    Ok(())
}

/// Which account and region it is.
fn scope(source: &AwsSource, known: &[Coverage]) -> Option<String> {
    if let Some(account) = &source.account {
        return Some(format!("{account}/{}", source.region));
    }
    let is_here = |it: &&Coverage| {
        let (name, region) = (it.place.split_once('/'), it.scope.split_once('/'));
        it.source != Source::BoundaryApi
            && name.is_some_and(|(name, _)| name == source.name)
            && region.is_some_and(|(_, region)| region == source.region)
    };
    known.iter().filter(is_here).max_by_key(|it| it.to).map(|it| it.scope.clone())
}
