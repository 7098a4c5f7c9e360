//! Findings at a terminal: the worst first, each with what it rests on and what to do.
//!
//! Owns their lines.

use super::paper::{Paper, Tone};
use crate::grade::grade_words;
use crate::legible::{digest, legible, minute, moment};
use crate::person::link_of;
use correlation::{Basis, Finding, Severity, State};

/// Lists findings, the worst first, and counts them.
pub fn findings(findings: &[Finding], paper: Paper) -> String {
    let mut ordered: Vec<&Finding> = findings.iter().collect();
    ordered.sort_by_key(|it| (std::cmp::Reverse(it.severity), it.state == State::Resolved, it.at, &it.id));
    let mut text: String = ordered.iter().map(|it| finding_lines(it, paper)).collect();
    text.push_str(&format!("{}\n", counts(findings)));
    text
}

/// Returns how many findings of each severity there are that still stand, and how many are resolved.
pub(crate) fn counts(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "no findings".to_owned();
    }
    let standing = |severity| findings.iter().filter(|it| it.severity == severity && it.state != State::Resolved).count();
    let mut parts: Vec<String> =
        Severity::ALL.iter().map(|severity| format!("{} {}", standing(*severity), severity.word())).collect();
    parts.push(format!("{} resolved", findings.iter().filter(|it| it.state == State::Resolved).count()));
    parts.join(", ")
}

/// Returns the lines of one finding.
pub(super) fn finding_lines(it: &Finding, paper: Paper) -> String {
    let severity = paper.tone(tone(it), &format!("{:<8}", it.severity.word()));
    let code = paper.tone(Tone::Strong, it.code.word());
    let at = it.at.map(|at| format!("  {} UTC", moment(at))).unwrap_or_default();
    let mut text = format!("{severity}  {code}  {}{at}\n", it.state.word());
    text.push_str(&paper.paragraph(10, None, &legible(&it.text, 2000)));
    text.push_str(&paper.parts(10, Some(Tone::Quiet), &about(it)));
    text.push_str(&paper.parts(10, Some(Tone::Quiet), &rests_on(it)));
    text.push_str(&paper.paragraph(10, Some(Tone::Strong), &format!("What to do: {}", it.code.meaning().advice)));
    text
}

fn tone(it: &Finding) -> Tone {
    match it.severity {
        _ if it.state == State::Resolved => Tone::Quiet,
        Severity::Critical => Tone::Worst,
        Severity::High => Tone::Bad,
        Severity::Medium => Tone::Careful,
        Severity::Low | Severity::Info => Tone::Quiet,
    }
}

fn about(it: &Finding) -> Vec<String> {
    let parts = [
        ("finding", Some(it.id.as_str())),
        ("boundary session", it.boundary_session_id.as_deref()),
        ("ssm session", it.ssm_session_id.as_deref()),
        ("task", it.task_arn.as_deref()),
        ("user", it.user_id.as_deref()),
        ("principal", it.principal_arn.as_deref()),
    ];
    let said = parts.iter().filter_map(|(name, value)| Some(format!("{name} {}", legible((*value)?, 300))));
    said.collect()
}

fn rests_on(it: &Finding) -> Vec<String> {
    let evidence: Vec<String> = it.evidence.iter().map(|id| digest(id)).collect();
    let mut parts: Vec<String> = link_of(it).map(|link| legible(&link, 120)).into_iter().collect();
    if !evidence.is_empty() {
        parts.push(format!("evidence {}", evidence.join(" ")));
    }
    parts.extend(it.coverage.iter().map(basis));
    parts
}

/// Returns what an absence rests on, in words.
pub(crate) fn basis(basis: &Basis) -> String {
    let (from, to) = (minute(basis.from), minute(basis.to));
    format!("{} {}, {from} to {to} UTC", basis.source, grade_words(basis.grade))
}
