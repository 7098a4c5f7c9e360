//! What a shell's completion asks: words, flags, and the sessions that the state knows.
//!
//! Owns the candidates. It reads the state and nothing else; no answer is an empty list: completion must never get in the way.

use crate::args::{Cli, FromEnvironment};
use crate::program::open_reader;
use crate::settings;
use audit_facts::SsmSessionId;
use audit_state::AccountFilter;
use clap::{CommandFactory as _, Parser as _};
use clap_complete::CompletionCandidate;
use clap_complete::env::CompleteEnv;
use cli_kit::printable;
use std::ffi::OsStr;

/// How many sessions are offered, the latest first.
const OFFERED: u32 = 50;

/// Answers the shell and ends the process, if a shell asks.
pub(crate) fn answer() {
    CompleteEnv::with_factory(Cli::command).bin("audit-bridge").complete();
}

/// Ids of sessions, each with who and when.
pub(crate) fn sessions(current: &OsStr) -> Vec<CompletionCandidate> {
    let begins = current.to_string_lossy();
    let found = known(&begins).unwrap_or_default();
    let fitting = found.into_iter().filter(|(id, _)| id.starts_with(begins.as_ref()));
    fitting.map(|(id, about)| CompletionCandidate::new(id).help(Some(printable(&about, 100).into()))).collect()
}

fn known(begins: &str) -> Option<Vec<(String, String)>> {
    let environment = FromEnvironment::try_parse_from(["audit-bridge"]).ok()?;
    let files = settings::load(&environment.common).ok()?;
    let settings = settings::settle(&environment.common, &environment.collect, &files).ok()?;
    let filter = AccountFilter {
        session_begins: (!begins.is_empty()).then(|| begins.to_owned()),
        limit: Some(OFFERED),
        ..AccountFilter::default()
    };
    let accounts = open_reader(&settings).ok()?.sessions(&filter).ok()?;
    let named = accounts.into_iter().flat_map(|account| {
        let who = account.user_name.clone().or_else(|| account.principal_arn.clone()).unwrap_or_default();
        let about = account.started.map_or_else(|| who.clone(), |at| format!("{who}, {}", at.strftime("%Y-%m-%d %H:%M UTC")));
        let ids = [account.ssm_session_id.as_ref().map(SsmSessionId::as_str), account.boundary_session_id.as_deref()];
        ids.into_iter().flatten().map(|id| (id.to_owned(), about.clone())).collect::<Vec<_>>()
    });
    Some(named.collect())
}
