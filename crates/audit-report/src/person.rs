//! An account's person and times in words, the same on every form of paper.
//!
//! Owns which of several names is shown. The words hold remote text as it is: whoever shows them makes it harmless.

use crate::legible::{count, length, moment, size, tail};
use correlation::{Account, Assurance, Finding};

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

/// Returns what Boundary carried for it.
pub(crate) fn carried(it: &Account) -> Option<String> {
    let ways = [(it.bytes_up, "up"), (it.bytes_down, "down")];
    let said: Vec<String> = ways.into_iter().filter_map(|(bytes, way)| Some(format!("{} {way}", size(bytes?)))).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

/// Returns how many witnesses agree. Without a link they agree on nothing but that it was, which is no good news.
pub(crate) fn agreement(it: &Account) -> String {
    let (agree, applicable) = it.agreement();
    let (one, several) = if it.assurance == Assurance::None { ("knows of it", "know of it") } else { ("agrees", "agree") };
    let word = if applicable == 1 { one } else { several };
    format!("{agree} of {} {word}", count(applicable as usize, "witness", "witnesses"))
}

/// Returns what a finding's link is worth; none where the finding is about no session, and so about no link.
pub(crate) fn link_of(it: &Finding) -> Option<String> {
    if it.ssm_session_id.is_none() && it.boundary_session_id.is_none() {
        return None;
    }
    match it.assurance.as_str() {
        "none" => Some("no link between Boundary and AWS".to_owned()),
        "unknown" => Some("link unknown: not enough was read".to_owned()),
        word if it.applicable == 0 => Some(format!("link {word}")),
        word => {
            let agree = if it.applicable == 1 { "agrees" } else { "agree" };
            Some(format!("link {word}, {} of {} {agree}", it.agree, count(it.applicable as usize, "witness", "witnesses")))
        }
    }
}

/// Returns how it ended, by the wrapper's record.
pub(crate) fn ending(it: &Account) -> Option<String> {
    match (it.ending.as_deref(), it.exit_code) {
        (Some(ending), Some(code)) => Some(format!("{ending}, exit code {code}")),
        (ending, code) => ending.map(str::to_owned).or_else(|| code.map(|code| format!("exit code {code}"))),
    }
}
