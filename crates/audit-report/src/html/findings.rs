//! Findings on the page: by severity, each with its evidence and what its absence rests on.
//!
//! Owns their cards.

use super::Shown;
use super::markup::Markup;
use super::summary::chip;
use crate::legible::moment;
use crate::look::basis;
use crate::person::link_of;
use correlation::{Finding, Severity, State};

/// All findings.
pub(super) fn section(shown: &Shown<'_>, page: &mut Markup) {
    page.raw("<section aria-labelledby=findings><h2 id=findings>Findings</h2>");
    if shown.findings.is_empty() {
        page.raw("<p>Nothing was found. What that is worth, the coverage above says.</p>");
    }
    for severity in Severity::ALL {
        let here: Vec<usize> = (0..shown.findings.len()).filter(|at| shown.findings[*at].severity == severity).collect();
        if here.is_empty() {
            continue;
        }
        page.raw("<h3>").raw(chip(severity)).raw(" ").number(here.len()).raw("</h3>");
        for at in here {
            card(shown, at, page);
        }
    }
    page.raw("</section>");
}

fn card(shown: &Shown<'_>, at: usize, page: &mut Markup) {
    let it = shown.findings[at];
    page.raw(match (it.state, it.severity) {
        (State::Resolved, _) => "<article class=\"finding resolved\" id=f",
        (_, Severity::Critical) => "<article class=\"finding critical\" id=f",
        (_, Severity::High) => "<article class=\"finding high\" id=f",
        (_, Severity::Medium) => "<article class=\"finding medium\" id=f",
        (_, Severity::Low) => "<article class=\"finding low\" id=f",
        (_, Severity::Info) => "<article class=\"finding info\" id=f",
    });
    page.number(at).raw("><h4>").raw(chip(it.severity)).raw(" <code>").raw(it.code.word()).raw("</code> ").raw(state(it.state));
    if let Some(time) = it.at {
        page.raw(" <time>").text(&moment(time)).raw("</time>");
    }
    page.raw("</h4><p>").text(&it.text).raw("</p><dl>");
    if let Some(place) = shown.place(it) {
        page.raw("<dt>Session<dd><a href=\"#s").number(place).raw("\">").text(&shown.sessions[place].account.id);
        page.raw("</a>");
    } else {
        page.code_entry("SSM session", it.ssm_session_id.as_deref());
        page.code_entry("Boundary session", it.boundary_session_id.as_deref());
    }
    about(it, page);
    page.raw("</dl>");
    rests_on(it, page);
    page.raw("</article>");
}

fn about(it: &Finding, page: &mut Markup) {
    page.code_entry("Task", it.task_arn.as_deref()).code_entry("User", it.user_id.as_deref());
    page.code_entry("Principal", it.principal_arn.as_deref());
    page.entry("Link", link_of(it).as_deref()).sentence_entry("What to do", it.code.meaning().advice);
}

fn rests_on(it: &Finding, page: &mut Markup) {
    page.raw("<details><summary>What it rests on</summary><dl>").code_entry("Finding", Some(&it.id));
    page.code_entry("About", Some(&it.subject.text()));
    for fact in &it.evidence {
        page.code_entry("Evidence", Some(fact));
    }
    for absence in &it.coverage {
        page.entry("Absence, by coverage", Some(&basis(absence)));
    }
    page.raw("</dl></details>");
}

/// A state's chip.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Open => "<span class=\"state open\">open</span>",
        State::Provisional => "<span class=\"state provisional\">provisional</span>",
        State::Confirmed => "<span class=\"state confirmed\">confirmed</span>",
        State::Resolved => "<span class=\"state resolved\">resolved</span>",
    }
}
