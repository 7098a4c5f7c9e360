//! What the report rests on: the allow-lists that quieten findings, and what the codes mean.
//!
//! Owns both lists.

use super::Shown;
use super::markup::Markup;
use super::summary::chip;
use crate::legible::count;
use correlation::{Code, Policy};
use std::collections::BTreeSet;

/// Who and what is excused by the operator: an empty list is shown as one.
pub(super) fn allow_lists(policy: &Policy, page: &mut Markup) {
    page.raw("<section aria-labelledby=allow-lists><h2 id=allow-lists>Allow-lists</h2><p class=quiet>");
    page.raw("What these name raises no finding, or a milder one.</p>");
    list("Break-glass principals, who may enter past Boundary", &policy.break_glass, page);
    list("Principals that several people share", &policy.shared_principals, page);
    list("Boundary roles that may authorise sessions beside target-sync's", &policy.allowed_roles, page);
    page.raw("<h3>Expectations</h3><dl>");
    page.entry("All tasks managed", Some(yes(policy.all_tasks_managed)));
    page.entry("Source identity enforced", Some(yes(policy.source_identity_enforced)));
    page.entry("Session name enforced", Some(yes(policy.session_name_enforced)));
    page.entry("Logs kept", Some(&days(policy.log_retention_days)));
    page.entry("Artifacts locked", Some(&days(policy.artifact_retention_days)));
    page.entry("A shell may outlive by", Some(&format!("{} s", policy.outlive_tolerance_seconds))).raw("</dl></section>");
}

fn list(name: &'static str, patterns: &[String], page: &mut Markup) {
    page.raw("<h3>").raw(name).raw("</h3>");
    if patterns.is_empty() {
        page.raw("<p class=quiet>None.</p>");
        return;
    }
    page.raw("<ul>");
    for pattern in patterns {
        page.raw("<li>").code(pattern).raw("</li>");
    }
    page.raw("</ul>");
}

fn days(number: u32) -> String {
    count(number as usize, "day", "days")
}

fn yes(it: bool) -> &'static str {
    if it { "yes" } else { "no" }
}

/// The codes that occur.
pub(super) fn glossary(shown: &Shown<'_>, page: &mut Markup) {
    let occurring: BTreeSet<Code> = shown.findings.iter().map(|it| it.code).collect();
    page.raw("<section aria-labelledby=glossary><h2 id=glossary>Glossary</h2>");
    if occurring.is_empty() {
        page.raw("<p class=quiet>No code occurs.</p>");
    }
    for code in Code::ALL.iter().filter(|code| occurring.contains(code)) {
        let meaning = code.meaning();
        page.raw("<article class=code><h3><code>").raw(code.word()).raw("</code> ").raw(chip(code.severity())).raw("</h3><p>");
        page.sentence(meaning.says).raw("</p><dl>");
        if !meaning.guard.is_empty() {
            page.sentence_entry("Not raised", meaning.guard);
        }
        page.sentence_entry("What to do", meaning.advice).raw("</dl></article>");
    }
    page.raw("</section>");
}
