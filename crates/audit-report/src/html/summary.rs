//! What a reader sees first: how far was read, how much was found, how well sessions are linked.
//!
//! Owns the first line and the numbers.

use super::markup::Markup;
use super::{ReportInput, Shown};
use crate::grade::grade_words;
use audit_facts::Grade;
use correlation::{Assurance, Severity, State};

/// The first line: the coverage.
pub(super) fn coverage_sentence(input: &ReportInput<'_>, page: &mut Markup) {
    page.raw(match input.coverage.grade {
        Grade::Proved => "<p id=grade class=\"grade proved\">",
        Grade::BestEffort => "<p id=grade class=\"grade effort\">",
        Grade::None => "<p id=grade class=\"grade unread\">",
    });
    page.raw("<strong>").text(grade_words(input.coverage.grade)).raw("</strong> <span>");
    page.text(&input.coverage.sentence).raw("</span></p>");
}

/// The numbers.
pub(super) fn summary(shown: &Shown<'_>, page: &mut Markup) {
    page.raw("<section aria-labelledby=summary-h><h2 id=summary-h>Summary</h2><ul class=tiles>");
    for severity in Severity::ALL {
        let standing = shown.standing(severity);
        page.raw(if standing == 0 { "<li class=\"tile zero\">" } else { "<li class=tile>" });
        page.raw("<span class=figure>").number(standing).raw("</span> ").raw(chip(severity)).raw("</li>");
    }
    page.raw("<li class=tile><span class=figure>").number(shown.sessions.len()).raw("</span> <span class=label>");
    page.raw(if shown.sessions.len() == 1 { "session" } else { "sessions" }).raw("</span></li></ul>");
    states(shown, page);
    links(shown, page);
    page.raw("</section>");
}

/// What each word of a link rests on, the strongest first.
pub(super) const LINKS: [(Assurance, &str); 6] = [
    (Assurance::Attested, "AWS or the operator wrote or enforced the id."),
    (Assurance::Corroborated, "The client planted the id; Boundary's bytes, connections and addresses agree."),
    (Assurance::Asserted, "The client planted the id, and nothing more."),
    (Assurance::Inferred, "Nothing holds the id: task, person, times and bytes fit best."),
    (Assurance::None, "There is no link, and what was read suffices to say so."),
    (Assurance::Unknown, "Not enough was read to say whether there is a link."),
];

fn states(shown: &Shown<'_>, page: &mut Markup) {
    const STATES: [State; 4] = [State::Confirmed, State::Provisional, State::Open, State::Resolved];
    page.raw("<div class=scroll><table><caption>Findings by severity and state</caption><thead><tr><th scope=col>Severity");
    for state in STATES {
        page.raw("<th scope=col class=n>").text(state.word());
    }
    page.raw("</tr></thead><tbody>");
    for severity in Severity::ALL {
        page.raw("<tr><th scope=row>").raw(chip(severity));
        for state in STATES {
            let count = shown.findings.iter().filter(|it| it.severity == severity && it.state == state).count();
            page.raw(if count == 0 { "<td class=\"n quiet\">" } else { "<td class=n>" }).number(count);
        }
    }
    page.raw("</tbody></table></div>");
}

fn links(shown: &Shown<'_>, page: &mut Markup) {
    page.raw("<div class=scroll><table><caption>Sessions by the strength of their link between Boundary and AWS</caption>");
    page.raw("<thead><tr><th scope=col>Link<th scope=col class=n>Sessions<th scope=col>What it rests on</tr></thead><tbody>");
    for (assurance, rests_on) in LINKS {
        let count = shown.sessions.iter().filter(|it| it.account.assurance == assurance).count();
        page.raw("<tr><th scope=row>").text(assurance.word());
        page.raw(if count == 0 { "<td class=\"n quiet\">" } else { "<td class=n>" }).number(count);
        page.raw("<td>").raw(rests_on);
    }
    page.raw("</tbody></table></div>");
}

/// A severity's chip: its word, its shape and its colour.
pub(super) fn chip(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "<span class=\"chip critical\">critical</span>",
        Severity::High => "<span class=\"chip high\">high</span>",
        Severity::Medium => "<span class=\"chip medium\">medium</span>",
        Severity::Low => "<span class=\"chip low\">low</span>",
        Severity::Info => "<span class=\"chip info\">info</span>",
    }
}
