//! An account's person and times in words, the same on every form of paper.
//!
//! Owns which of several names is shown. The words hold remote text as it is: whoever shows them makes it harmless.

use crate::legible::{length, moment, tail};
use correlation::Account;

/// Returns the shortest name of whoever it was: the user's, else his id, else the end of the principal's ARN.
pub(crate) fn who(it: &Account) -> &str {
    let principal = it.principal_arn.as_deref().map(tail);
    it.user_name.as_deref().or(it.user_id.as_deref()).or(principal).unwrap_or("unknown")
}

/// Returns the user's name with his id.
pub(crate) fn user(it: &Account) -> Option<String> {
    match (it.user_name.as_deref(), it.user_id.as_deref()) {
        (Some(name), Some(id)) => Some(format!("{name} ({id})")),
        (name, id) => name.or(id).map(str::to_owned),
    }
}

/// Returns how long it lasted.
pub(crate) fn lasted(it: &Account) -> String {
    let times = it.started.zip(it.ended);
    times.map_or_else(|| "not ended".to_owned(), |(from, to)| length(to.duration_since(from)))
}

/// Returns when it began and ended.
pub(crate) fn when(it: &Account) -> String {
    let began = it.started.map_or_else(|| "unknown".to_owned(), |at| format!("{} UTC", moment(at)));
    match it.ended {
        Some(at) => format!("{began} to {} UTC ({})", moment(at), lasted(it)),
        None => format!("{began}, not ended"),
    }
}

/// Returns how it ended, by the wrapper's record.
pub(crate) fn ending(it: &Account) -> Option<String> {
    match (it.ending.as_deref(), it.exit_code) {
        (Some(ending), Some(code)) => Some(format!("{ending}, exit code {code}")),
        (ending, code) => ending.map(str::to_owned).or_else(|| code.map(|code| format!("exit code {code}"))),
    }
}
