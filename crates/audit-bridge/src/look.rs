//! `sessions`, `show`, `findings`, `coverage`, `access`: what is known, as it stands.
//!
//! Owns which rows are asked for. Looking never changes the state, and works while a collector runs.

use crate::args::{AccessArgs, FindingsArgs, OutputWord, PeriodArgs, SessionsArgs};
use crate::expected::{Expected, counting, expected, lag, led_to, never_read, reached, shown};
use crate::program::{failed, open_reader, paper, print, print_lines, tell};
use crate::settings::Settings;
use crate::{daemon, exit};
use audit_facts::{Coverage, Source, SsmSessionId};
use audit_report::{
    Overall, access_at, access_between, coverage_grade_due, coverage_json, finding_json, look, session_json, timeline,
};
use audit_state::{AccountFilter, FindingFilter, KnownFinding, Reader, StateError};
use cli_kit::{exit as shared, printable};
use correlation::{Account, Code, Finding, State};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::BTreeMap;

/// The period that is looked at when none is said.
const USUAL: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How much of an id's beginning stands for it, characters.
const BEGINNING: usize = 4;
/// Sessions that are shown whole when their ids begin alike.
const SHOWN: usize = 5;

/// A period with both ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Period {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

impl Period {
    /// What was said; the last seven days where nothing was.
    pub(crate) fn of(args: &PeriodArgs, now: Timestamp) -> Self {
        let to = args.to.unwrap_or(now);
        Self { from: args.from.unwrap_or(to - USUAL), to }
    }
}

/// Runs a question on the state, and turns its failure into an exit code.
fn ask(settings: &Settings, question: impl FnOnce(&Reader) -> Result<u8, StateError>) -> u8 {
    match open_reader(settings).and_then(|reader| question(&reader)) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

pub(crate) fn sessions(settings: &Settings, args: &SessionsArgs) -> u8 {
    let filter = AccountFilter {
        from: args.period.from,
        to: args.period.to,
        user: args.user.clone(),
        task: args.task.clone(),
        investigation: args.investigation.clone(),
        assurance: args.assurance.map(Into::into),
        ..AccountFilter::default()
    };
    ask(settings, |reader| {
        let accounts = reader.sessions(&filter)?;
        match args.output {
            OutputWord::Jsonl => print_lines(accounts.iter().map(session_json)),
            OutputWord::Table if accounts.is_empty() => {
                print("no sessions\n");
                print(&read_so_far(settings, reader, &args.period)?);
            }
            OutputWord::Table => print(&look::sessions(&accounts, paper())),
        }
        Ok(shared::OK)
    })
}

pub(crate) fn show(settings: &Settings, session: &str, output: OutputWord) -> u8 {
    ask(settings, |reader| {
        let accounts = found(reader, session)?;
        if accounts.is_empty() {
            tell(&no_session("session", session));
            return Ok(exit::FAILED);
        }
        let is_whole = |it: &Account| {
            let ssm = it.ssm_session_id.as_ref().map(SsmSessionId::as_str);
            it.boundary_session_id.as_deref() == Some(session) || ssm == Some(session)
        };
        if accounts.len() > SHOWN && output == OutputWord::Table && !accounts.iter().any(is_whole) {
            print(&look::sessions(&accounts, paper()));
            tell(&format!("{} sessions begin with `{}`: give more of one's id", accounts.len(), printable(session, 100)));
            return Ok(exit::FAILED);
        }
        for account in &accounts {
            let moments = timeline(&reader.facts(&account.facts)?);
            let findings = findings_of(reader, account)?;
            match output {
                OutputWord::Table => print(&look::session(account, &moments, &findings, paper())),
                OutputWord::Jsonl => print_lines([json!({
                    "session": session_json(account),
                    "timeline": moments.iter().map(audit_report::rows::moment_json).collect::<Vec<_>>(),
                    "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
                })]),
            }
        }
        Ok(shared::OK)
    })
}

/// What is said when nothing fits an id.
pub(crate) fn no_session(what: &str, session: &str) -> String {
    let id = printable(session, 100);
    if session.chars().count() < BEGINNING {
        return format!(
            "no {what} is `{id}`; of the beginning of an id {BEGINNING} characters are needed; see audit-bridge sessions"
        );
    }
    format!("no {what} is or begins with `{id}`; see audit-bridge sessions")
}

/// The accounts of a session: by its id, else by the beginning of one.
pub(crate) fn found(reader: &Reader, session: &str) -> Result<Vec<Account>, StateError> {
    let exact = reader.sessions(&AccountFilter { session: Some(session.to_owned()), ..AccountFilter::default() })?;
    if !exact.is_empty() || session.chars().count() < BEGINNING {
        return Ok(exact);
    }
    reader.sessions(&AccountFilter { session_begins: Some(session.to_owned()), ..AccountFilter::default() })
}

/// The findings on an account, resolved ones too.
pub(crate) fn findings_of(reader: &Reader, account: &Account) -> Result<Vec<Finding>, StateError> {
    let ssm = account.ssm_session_id.as_ref().map(SsmSessionId::as_str);
    let sessions = ssm.into_iter().chain(account.boundary_session_id.as_deref()).map(str::to_owned).collect::<Vec<_>>();
    if sessions.is_empty() {
        return Ok(Vec::new());
    }
    let all = reader.findings(&FindingFilter { sessions, ..FindingFilter::default() })?;
    let belongs = |finding: &Finding| {
        let same = |one: Option<&str>, other: Option<&str>| one.is_some() && one == other;
        same(finding.ssm_session_id.as_deref(), ssm)
            || (finding.ssm_session_id.is_none()
                && same(finding.boundary_session_id.as_deref(), account.boundary_session_id.as_deref()))
    };
    Ok(all.into_iter().map(|known| known.finding).filter(belongs).collect())
}

pub(crate) fn findings(settings: &Settings, args: &FindingsArgs) -> u8 {
    let code = match args.code.as_deref().map(code_of) {
        Some(None) => {
            tell(&format!(
                "there is no code `{}`; docs/findings.md lists them",
                printable(args.code.as_deref().unwrap_or_default(), 60)
            ));
            return shared::USAGE;
        }
        Some(code) => code,
        None => None,
    };
    let standing = vec![State::Open, State::Provisional, State::Confirmed];
    let filter = FindingFilter {
        severity: Some(args.severity.into()),
        states: args.state.map_or(standing, |state| vec![state.into()]),
        code,
        from: args.period.from,
        to: args.period.to,
        ..FindingFilter::default()
    };
    ask(settings, |reader| {
        let known = reader.findings(&filter)?;
        match args.output {
            OutputWord::Jsonl => print_lines(known.iter().map(known_json)),
            OutputWord::Table if known.is_empty() => {
                print("no findings\n");
                print(&read_so_far(settings, reader, &args.period)?);
            }
            OutputWord::Table => {
                let findings: Vec<Finding> = known.into_iter().map(|known| known.finding).collect();
                print(&look::findings(&findings, paper()));
            }
        }
        let late = late(settings, reader, Timestamp::now())?;
        if late.is_empty() {
            return Ok(daemon::findings_code(settings));
        }
        tell(&format!("there may be more, since these sources were not read lately: {}", late.join(", ")));
        Ok(exit::INCOMPLETE)
    })
}

/// What an empty list is worth: the period's coverage as a sentence.
fn read_so_far(settings: &Settings, reader: &Reader, period: &PeriodArgs) -> Result<String, StateError> {
    let now = Timestamp::now();
    let period = Period::of(period, now);
    let overall = graded(settings, reader, &reader.coverage(period.from, period.to)?, period, now)?;
    Ok(format!("{}\n", overall.sentence))
}

/// The configured sources that were not read as far as they should have been by now.
fn late(settings: &Settings, reader: &Reader, now: Timestamp) -> Result<Vec<String>, StateError> {
    let windows = led_to(settings, reader.coverage(now - USUAL, now)?);
    let late = |it: &Expected| match reached(&windows, it) {
        Some(at) if at >= now - lag(settings, it.source) => None,
        Some(at) => Some(format!("{} (until {} UTC)", it.place, at.strftime("%Y-%m-%d %H:%M"))),
        None => Some(format!("{} (not in a week)", it.place)),
    };
    Ok(expected(settings, &windows).iter().filter_map(late).collect())
}

fn known_json(known: &KnownFinding) -> serde_json::Value {
    let mut row = finding_json(&known.finding);
    row["first_seen"] = json!(known.first_seen);
    row["last_changed"] = json!(known.last_changed);
    row
}

fn code_of(word: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|code| code.word().eq_ignore_ascii_case(word))
}

/// The grade of a period, each source up to where it was read, or should have been by now.
///
/// # Errors
/// Those of the state.
pub(crate) fn graded(
    settings: &Settings,
    reader: &Reader,
    windows: &[Coverage],
    period: Period,
    now: Timestamp,
) -> Result<Overall, StateError> {
    // How far a source was read shows before the period too: CloudTrail is always late.
    let recent = led_to(settings, reader.coverage(period.from.min(now) - USUAL, now)?);
    let expected = expected(settings, &recent);
    let mut due: BTreeMap<Source, Timestamp> = BTreeMap::new();
    for it in &expected {
        // Of what was never read all is missing, also the last minutes.
        let should = now - lag(settings, it.source);
        let until = reached(&recent, it).map_or(period.to, |reached| reached.max(should));
        due.entry(it.source).and_modify(|due| *due = until.min(*due)).or_insert(until);
    }
    let mut all = counting(settings, windows);
    all.extend(never_read(&expected, &recent, period.from, period.to));
    let sources: Vec<(Source, Timestamp)> = due.into_iter().collect();
    Ok(coverage_grade_due(&all, &sources, period.from, period.to))
}

pub(crate) fn coverage(settings: &Settings, args: &PeriodArgs, output: OutputWord) -> u8 {
    let period = Period::of(args, Timestamp::now());
    ask(settings, |reader| {
        let windows = shown(reader.coverage(period.from, period.to)?);
        match output {
            OutputWord::Jsonl => print_lines(windows.iter().map(coverage_json)),
            OutputWord::Table => {
                print(&look::coverage(&graded(settings, reader, &windows, period, Timestamp::now())?, paper()));
            }
        }
        Ok(shared::OK)
    })
}

pub(crate) fn access(settings: &Settings, args: &AccessArgs) -> u8 {
    let kinds = ["boundary_target", "boundary_user", "sync_change", "boundary_event", "task"];
    ask(settings, |reader| {
        let facts = reader.facts_of_kinds(&kinds)?;
        if args.period.from.is_some() || args.period.to.is_some() {
            let period = Period::of(&args.period, Timestamp::now());
            let accesses = access_between(&facts, period.from, period.to);
            match args.output {
                OutputWord::Jsonl => print_lines([json!(accesses)]),
                OutputWord::Table => print(&look::access_between(&accesses, paper())),
            }
            return Ok(shared::OK);
        }
        let rows = access_at(&facts, args.at.unwrap_or_else(Timestamp::now));
        match args.output {
            OutputWord::Jsonl => print_lines(rows.iter().map(|row| json!(row))),
            OutputWord::Table if rows.is_empty() => print("nobody, as far as target-sync's records say\n"),
            OutputWord::Table => print(&look::access(&rows, paper())),
        }
        Ok(shared::OK)
    })
}
