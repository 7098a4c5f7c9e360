//! How to read the page, for somebody who never saw the program.
//!
//! Owns the explanations of the words that the page uses throughout; no text of others stands here.

use super::findings::state;
use super::markup::Markup;
use super::summary::LINKS;
use crate::grade::grade_words;
use crate::tables::witness_word;
use audit_facts::{Grade, Witness};
use correlation::State;

const STATES: [(State, &str); 4] = [
    (State::Open, "It was seen, and what would explain it may still come: logs and trails arrive late."),
    (
        State::Provisional,
        "The time for an explanation is over, but not so much was read that none can exist. Treat it as a question.",
    ),
    (State::Confirmed, "It stands: what was read contradicts itself, or is proved to be all there is."),
    (State::Resolved, "A later record explained it. It is kept so that nothing disappears."),
];

const WITNESSES: [(Witness, &str); 4] = [
    (Witness::Aws, "CloudTrail and Systems Manager: who called AWS, from where, when."),
    (Witness::Operator, "Boundary and target-sync: who was let through, for how long, how many bytes passed."),
    (Witness::Container, "The session's log, written inside the container: whoever is root there could change it."),
    (Witness::Client, "The record of the wrapper on the user's own machine: he could change it."),
];

const WORDS: [(&str, &str); 4] = [
    ("agrees", "It says the same as the others."),
    ("disagrees", "It says something else."),
    ("silent", "It should say something and does not."),
    ("not applicable", "It cannot know, or was not read; it is not counted."),
];

const GRADES: [(Grade, &str); 3] = [
    (
        Grade::Proved,
        "All of it was read, and something independent of the reading shows that it was all. What is absent there was not recorded there.",
    ),
    (
        Grade::BestEffort,
        "All was read that the source showed; nothing proves that it showed all. What is absent there stays a question.",
    ),
    (Grade::None, "Not all of it was read. What is absent there proves nothing."),
];

/// The section.
pub(super) fn section(page: &mut Markup) {
    page.raw("<section aria-labelledby=reading><h2 id=reading>How to read this</h2>");
    page.raw(
        "<p>A program made this page out of records that several parties keep of the same sessions. It compares them and says ",
    );
    page.raw(
        "where they do not fit. It also says how much of each was read: the first line of the page is the worst of that, and no ",
    );
    page.raw("finding, and no lack of findings, is worth more. Start there, then read the findings from the top.</p>");
    page.raw(
        "<p>A <em>session</em> is one shell in a container (AWS: ECS Exec), the Boundary session through which somebody reached ",
    );
    page.raw("it, or both together. Boundary is the gate that people are to go through.</p>");
    page.raw("<h3>How settled a finding is</h3><dl>");
    for (word, says) in STATES {
        page.raw("<dt>").raw(state(word)).raw("<dd>").raw(says);
    }
    page.raw("</dl><h3>Who says so: the witnesses</h3><dl>");
    for (witness, says) in WITNESSES {
        page.raw("<dt>").raw(witness_word(witness)).raw("<dd>").raw(says);
    }
    page.raw(
        "</dl><p>Of each session, each witness does one of these; “2 of 3 witnesses agree” counts those that could know.</p><dl>",
    );
    pairs(WORDS, page);
    page.raw(
        "</dl><h3>How sure it is that a shell belongs to a Boundary session: the link, or “assurance” in the tables</h3><dl>",
    );
    pairs(LINKS.map(|(assurance, rests_on)| (assurance.word(), rests_on)), page);
    page.raw("</dl><h3>How much was read: the coverage</h3><dl>");
    pairs(GRADES.map(|(grade, says)| (grade_words(grade), says)), page);
    page.raw("</dl>");
    verifying(page);
    page.raw("</section>");
}

fn pairs<const N: usize>(pairs: [(&'static str, &'static str); N], page: &mut Markup) {
    for (word, says) in pairs {
        page.raw("<dt>").raw(word).raw("<dd>").raw(says);
    }
}

fn verifying(page: &mut Markup) {
    page.raw("<h3>How to check that nobody changed this</h3><p>This page is a file of a signed bundle, with the same findings, ");
    page.raw(
        "sessions and coverage as tables. Have the bundle (the folder or the archive) and the maker's public key, the key from ",
    );
    page.raw("the maker himself and not out of the bundle, and run, without network:</p>");
    page.raw("<pre>audit-bridge verify BUNDLE --key KEY.pub</pre>");
    page.raw(
        "<p>It names the key that signed and ends with exit code 0 when every file is as it was signed; else it names each file ",
    );
    page.raw(
        "that was changed, removed or added. UNANCHORED means that nobody but the maker vouches for the day: he could have made ",
    );
    page.raw("another bundle later.</p>");
}
