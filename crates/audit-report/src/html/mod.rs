//! The report as one page: no script, nothing from elsewhere, readable on screen, on paper and in the dark.
//!
//! Owns the page's order: first how far was read, then what was found, then each session, then what all of it rests on,
//! last how to read it.
//! Everything that others wrote goes through one type, which lets no text become markup.

mod coverage;
mod findings;
mod markup;
mod reading;
mod reference;
mod sessions;
mod summary;

use crate::grade::Overall;
use crate::legible::{minute, moment};
use crate::timeline::Moment;
use audit_facts::{Coverage, SsmSessionId};
use correlation::{Account, Finding, Policy, Severity, State};
use jiff::Timestamp;
use markup::Markup;
pub use sessions::transcript_share;
use std::collections::{BTreeMap, HashMap};

/// What a report shows.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    /// How far the period was read; the period is its own.
    pub coverage: &'a Overall,
    /// The windows it was made from.
    pub windows: &'a [Coverage],
    /// The sessions of the period.
    pub sessions: &'a [SessionPart<'a>],
    /// The findings of the period.
    pub findings: &'a [Finding],
    /// What the operator expects, with the allow-lists.
    pub policy: &'a Policy,
    /// When the report is made, UTC.
    pub made_at: Timestamp,
    /// The version of the program that makes it.
    pub tool_version: &'a str,
}

/// One session of a report.
#[derive(Debug, Clone, Copy)]
pub struct SessionPart<'a> {
    /// The account.
    pub account: &'a Account,
    /// Its moments, in order.
    pub moments: &'a [Moment],
    /// What its log shows, when that is to be in the report.
    pub transcript: Option<&'a TranscriptText>,
}

/// The text of a log without its secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TranscriptText {
    /// The lines, rendered and redacted, or their beginning: the page needs no more than [`transcript_share`].
    pub text: String,
    /// Whether that is their beginning only.
    pub is_beginning: bool,
    /// The file of the bundle that has all of them.
    pub file: Option<String>,
    /// Why the log could not be read; there is no text then.
    pub unread: Option<String>,
    /// How many secrets of each kind were taken out.
    pub redacted: BTreeMap<String, u64>,
    /// Whether there was more than fitted.
    pub is_cut: bool,
}

/// Makes the page. The same input makes the same page.
pub fn report(input: &ReportInput<'_>) -> String {
    let shown = Shown::of(input);
    let mut page = Markup::default();
    head(input, &mut page);
    summary::coverage_sentence(input, &mut page);
    title(input, &mut page);
    summary::summary(&shown, &mut page);
    findings::section(&shown, &mut page);
    sessions::section(&shown, &mut page);
    coverage::section(input, &mut page);
    reference::allow_lists(input.policy, &mut page);
    reference::glossary(&shown, &mut page);
    reading::section(&mut page);
    page.raw("</main></body></html>\n");
    page.finish()
}

/// The input in the order of the page, with what leads from one part to another.
struct Shown<'a> {
    /// The worst first, the resolved after those that stand.
    findings: Vec<&'a Finding>,
    /// The oldest first.
    sessions: Vec<&'a SessionPart<'a>>,
    /// Places in `sessions`, by id of SSM session and Boundary session.
    places: HashMap<&'a str, usize>,
    /// Places in `findings`, by place in `sessions`.
    of_session: Vec<Vec<usize>>,
}

impl<'a> Shown<'a> {
    fn of(input: &'a ReportInput<'a>) -> Self {
        let mut findings: Vec<&Finding> = input.findings.iter().collect();
        findings.sort_by_key(|it| (std::cmp::Reverse(it.severity), it.state == State::Resolved, it.at, &it.id));
        let mut sessions: Vec<&SessionPart<'_>> = input.sessions.iter().collect();
        sessions.sort_by_key(|it| (it.account.started, &it.account.id));
        let mut places = HashMap::new();
        for (place, part) in sessions.iter().enumerate() {
            let ids =
                [part.account.boundary_session_id.as_deref(), part.account.ssm_session_id.as_ref().map(SsmSessionId::as_str)];
            for id in ids.into_iter().flatten() {
                places.entry(id).or_insert(place);
            }
        }
        let mut shown = Self { findings, of_session: vec![Vec::new(); sessions.len()], sessions, places };
        for at in 0..shown.findings.len() {
            if let Some(place) = shown.place(shown.findings[at]) {
                shown.of_session[place].push(at);
            }
        }
        shown
    }

    /// The session that a finding is about: by its SSM session, else by its Boundary session.
    fn place(&self, finding: &Finding) -> Option<usize> {
        let ids = [finding.ssm_session_id.as_deref(), finding.boundary_session_id.as_deref()];
        ids.into_iter().flatten().find_map(|id| self.places.get(id).copied())
    }

    fn standing(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|it| it.severity == severity && it.state != State::Resolved).count()
    }
}

fn head(input: &ReportInput<'_>, page: &mut Markup) {
    page.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    page.raw("<meta name=\"referrer\" content=\"no-referrer\"><meta name=\"color-scheme\" content=\"light dark\"><title>");
    page.text(&format!("Audit report {} to {}", minute(input.coverage.from), minute(input.coverage.to)));
    page.raw("</title><style>").raw(include_str!("report.css")).raw("</style></head><body><main>");
}

fn title(input: &ReportInput<'_>, page: &mut Markup) {
    page.raw("<header><h1>Audit report</h1><p class=period>");
    page.text(&format!("{} to {} UTC", minute(input.coverage.from), minute(input.coverage.to)));
    page.raw("</p><p class=quiet>Made ").text(&moment(input.made_at)).raw(" UTC by audit-bridge ").text(input.tool_version);
    page.raw(". All times are UTC.</p><nav aria-label=\"Parts\"><a href=\"#findings\">Findings</a> <a href=\"#sessions\">Sessions</a> ");
    page.raw("<a href=\"#coverage\">Coverage</a> <a href=\"#allow-lists\">Allow-lists</a> <a href=\"#glossary\">Glossary</a> ");
    page.raw("<a href=\"#reading\">How to read this</a></nav></header>");
}

#[cfg(test)]
mod tests;
