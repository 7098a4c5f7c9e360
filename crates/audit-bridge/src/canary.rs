//! `canary`: whether a session that the wrapper made on purpose was seen by every source.
//!
//! Owns the question alone: the session itself is made by a timer that runs the wrapper (docs/audit-bridge.md).

use crate::args::CanaryArgs;
use crate::exit;
use crate::program::{open_reader, print, tell};
use crate::settings::Settings;
use audit_state::AccountFilter;
use cli_kit::{chain_text, exit as shared, printable};
use correlation::policy::matches;
use correlation::{Account, Word};
use jiff::{SignedDuration, Timestamp};

/// Looks for the canary's last session, and says which witness was silent on it.
pub(crate) fn check(settings: &Settings, args: &CanaryArgs) -> u8 {
    let Some(principal) = args.principal.as_ref().or(settings.canary.as_ref()) else {
        tell("nothing says who the canary is: --principal, or `principal` in [canary]");
        return shared::CONFIGURATION;
    };
    let now = Timestamp::now();
    let since = now - SignedDuration::try_from(args.within).unwrap_or(SignedDuration::from_hours(26));
    let filter = AccountFilter { from: Some(since), ..AccountFilter::default() };
    let accounts = match open_reader(settings).and_then(|reader| reader.sessions(&filter)) {
        Ok(accounts) => accounts,
        Err(error) => {
            tell(&chain_text(&error));
            return exit::FAILED;
        }
    };
    let is_canary = |account: &&Account| {
        account.ssm_session_id.is_some()
            && account.started.is_some_and(|at| at >= since)
            && account.principal_arn.as_deref().is_some_and(|arn| matches(principal, arn))
    };
    let Some(account) = accounts.iter().filter(is_canary).max_by_key(|account| account.started) else {
        let since = since.strftime("%Y-%m-%d %H:%M:%S");
        let principal = printable(principal, 300);
        tell(&format!("no session of {principal} since {since} UTC: either the canary did not run, or it was not seen"));
        return exit::FINDINGS;
    };
    let (agree, applicable) = account.agreement();
    print(&format!("{}: {agree} of {applicable} witnesses agree\n", account.id));
    let mute: Vec<_> = account.witnesses.iter().filter(|it| it.word != Word::Agrees).collect();
    for testimony in &mute {
        print(&format!("  {}: {}\n", testimony.witness.word(), printable(&testimony.why, 300)));
    }
    if mute.is_empty() { shared::OK } else { exit::FINDINGS }
}
