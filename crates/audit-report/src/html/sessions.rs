//! Sessions on the page: a line each, which opens to who, witnesses, timeline and transcript.
//!
//! Owns their parts.

use super::findings::state;
use super::markup::Markup;
use super::summary::chip;
use super::{SessionPart, Shown, TranscriptText};
use crate::legible::{count, minute, moment};
use crate::person::{agreement, carried, ending, lasted, user, when, who};
use crate::tables::{link_grade_word, witness_word};
use crate::timeline::{Moment, Precision};
use audit_facts::SsmSessionId;
use correlation::account::{Testimony, Word};
use correlation::{Account, Assurance, Method};

/// What all transcripts together take of the page, bytes: a browser opens it, however much was shown.
const TRANSCRIPTS_MAX: usize = 16 << 20;

/// The most that one of them takes, bytes; and the least, however many there are.
const TRANSCRIPT_MAX: usize = 64 << 10;
const TRANSCRIPT_MIN: usize = 1 << 10;

/// How much of each text the page shows when there are so many, bytes.
pub fn transcript_share(transcripts: usize) -> usize {
    (TRANSCRIPTS_MAX / transcripts.max(1)).clamp(TRANSCRIPT_MIN, TRANSCRIPT_MAX)
}

/// All sessions.
pub(super) fn section(shown: &Shown<'_>, page: &mut Markup) {
    page.raw(
        "<section aria-labelledby=sessions><h2 id=sessions>Sessions</h2><p class=quiet>In a timeline, ~ marks a time by the ",
    );
    page.raw("user's machine, ≤ one that is not later than the mark; both have a hollow dot.</p>");
    if shown.sessions.is_empty() {
        page.raw("<p>There was none, as far as was read.</p>");
    }
    let transcripts = shown.sessions.iter().filter(|it| it.transcript.is_some()).count();
    let share = transcript_share(transcripts);
    for place in 0..shown.sessions.len() {
        session(shown, place, share, page);
    }
    page.raw("</section>");
}

fn session(shown: &Shown<'_>, place: usize, share: usize, page: &mut Markup) {
    let part = shown.sessions[place];
    page.raw("<details class=session><summary>");
    line(shown, place, page);
    page.raw("</summary><div class=inside id=s").number(place).raw(">");
    described(part.account, page);
    findings(shown, place, page);
    witnesses(part.account, page);
    timeline(part.moments, page);
    transcript(part, share, page);
    page.raw("</div></details>");
}

fn line(shown: &Shown<'_>, place: usize, page: &mut Markup) {
    let it = shown.sessions[place].account;
    page.raw("<h3><time>").text(&it.started.map_or_else(|| "unknown time".to_owned(), minute)).raw("</time> <span class=who>");
    page.text(who(it)).raw("</span></h3> <span class=what>");
    if let Some(id) = &it.investigation_id {
        page.text(id).raw(" · ");
    }
    page.text(&lasted(it)).raw(" · ").text(&link(it));
    if it.assurance != Assurance::None {
        page.raw(" · ").text(&agreement(it));
    }
    if let Some(code) = it.exit_code {
        page.raw(" · exit ").number(code.into());
    }
    page.raw("</span>");
    for at in shown.of_session[place].iter().take(4) {
        page.raw(" ").raw(chip(shown.findings[*at].severity));
    }
    let more = shown.of_session[place].len().saturating_sub(4);
    if more > 0 {
        page.raw(" <span class=quiet>+").number(more).raw("</span>");
    }
}

fn described(it: &Account, page: &mut Markup) {
    page.raw("<dl>").entry("When", Some(&when(it))).entry("User", user(it).as_deref());
    page.code_entry("Principal", it.principal_arn.as_deref()).code_entry("From", it.client_address.as_deref());
    page.entry("Reason", it.reason.as_deref());
    page.code_entry("SSM session", it.ssm_session_id.as_ref().map(SsmSessionId::as_str));
    page.code_entry("Boundary session", it.boundary_session_id.as_deref()).entry("Link", Some(&full_link(it)));
    page.code_entry("Task", it.task_arn.as_deref().or(it.task_id.as_deref())).code_entry("Container", it.container.as_deref());
    page.entry("Investigation", it.investigation_id.as_deref()).entry("Cluster", it.cluster_id.as_deref());
    page.entry("Ending", ending(it).as_deref());
    page.entry("Through Boundary", carried(it).as_deref());
    page.code_entry("Transcript", it.transcript.as_deref());
    page.code_entry("Its evidence", it.transcript_evidence.as_deref()).raw("</dl>");
}

fn findings(shown: &Shown<'_>, place: usize, page: &mut Markup) {
    let of = &shown.of_session[place];
    if of.is_empty() {
        return;
    }
    page.raw("<h4>Findings</h4><ul class=plain>");
    for at in of {
        let it = shown.findings[*at];
        page.raw("<li>").raw(chip(it.severity)).raw(" <a href=\"#f").number(*at).raw("\"><code>").raw(it.code.word());
        page.raw("</code></a> ").raw(state(it.state)).raw(" ").text(&it.text);
    }
    page.raw("</ul>");
}

fn witnesses(it: &Account, page: &mut Markup) {
    page.raw("<h4>").text(&agreement(it)).raw("</h4><ul class=\"plain witnesses\">");
    for said in &it.witnesses {
        witness(said, page);
    }
    page.raw("</ul>");
}

fn witness(said: &Testimony, page: &mut Markup) {
    page.raw("<li>").raw(match said.word {
        Word::Agrees => "<span class=\"word agrees\">✓ agrees</span>",
        Word::Disagrees => "<span class=\"word disagrees\">✗ disagrees</span>",
        Word::Silent => "<span class=\"word silent\">? silent</span>",
        Word::NotApplicable => "<span class=\"word quiet\">– not applicable</span>",
    });
    page.raw(" <b>").raw(witness_word(said.witness)).raw("</b> <span>").text(&said.why).raw("</span>");
}

fn timeline(moments: &[Moment], page: &mut Markup) {
    if moments.is_empty() {
        return;
    }
    page.raw("<details open><summary>Timeline</summary><ol class=timeline>");
    for it in moments {
        page.raw(match it.precision {
            Precision::Instant | Precision::Second => "<li><time>",
            Precision::ClientClock | Precision::NotLater => "<li class=soft><time>",
        });
        page.raw(it.precision.sign()).text(&moment(it.at)).raw("</time> <i>").raw(it.source.word()).raw("</i> <span>");
        page.text(&it.what).raw("</span>");
    }
    page.raw("</ol></details>");
}

fn transcript(part: &SessionPart<'_>, share: usize, page: &mut Markup) {
    let Some(it) = part.transcript else { return };
    if let Some(why) = &it.unread {
        page.raw("<p>Its transcript could not be read and is not in this report: ").text(why).raw("</p>");
        return;
    }
    page.raw("<details class=transcript><summary>Transcript, without secrets</summary><p class=quiet>").text(&redactions(it));
    let is_whole = page.raw("</p><pre tabindex=0>").lines(&it.text, share);
    page.raw("</pre>");
    if !is_whole || it.is_beginning {
        let file = it.file.as_deref().unwrap_or("transcripts/");
        page.raw("<p class=quiet>This is its beginning; the bundle has all of it under ").code(file).raw(".</p>");
    }
    page.raw("</details>");
}

fn redactions(it: &TranscriptText) -> String {
    let kinds: Vec<String> = it.redacted.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let taken = if kinds.is_empty() { "Nothing was taken out.".to_owned() } else { format!("Taken out: {}.", kinds.join(", ")) };
    let cut = if it.is_cut { " There was more than fits here; the evidence has all of it." } else { "" };
    format!("{taken}{cut} What was shown is the container's word.")
}

fn link(it: &Account) -> String {
    let grade = it.grade.map(|grade| format!(" ({})", link_grade_word(grade))).unwrap_or_default();
    format!("link {}{grade}", it.assurance.word())
}

fn full_link(it: &Account) -> String {
    let grade = it.grade.map(|grade| format!(", grade {}", link_grade_word(grade))).unwrap_or_default();
    let others = match it.assurance {
        Assurance::Inferred => format!(", {}", count(it.alternatives as usize, "alternative", "alternatives")),
        _ => String::new(),
    };
    let by = if it.method == Method::None { String::new() } else { format!(" by {}", it.method.word()) };
    format!("{}{by}{grade}{others}", it.assurance.word())
}
