//! What was read, on the page: a bar for each source, and why something was not.
//!
//! Owns the bars: full proved, hatched best effort, empty none, with the shares as numbers beside.

use super::ReportInput;
use super::markup::Markup;
use crate::grade::{SourceGrade, grade_words};
use crate::legible::{length, minute};
use audit_facts::{Coverage, Grade};
use jiff::SignedDuration;
use std::collections::BTreeMap;

/// Parts of a bar: as fine as a screen needs.
const PARTS: usize = 240;

/// The coverage of all sources.
pub(super) fn section(input: &ReportInput<'_>, page: &mut Markup) {
    page.raw("<section aria-labelledby=coverage><h2 id=coverage>Coverage</h2><p class=quiet>");
    page.text(&format!("From {} (left) to {} (right).", minute(input.coverage.from), minute(input.coverage.to)));
    page.raw(" <span class=key><i class=p></i> proved <i class=b></i> best effort <i class=u></i> none</span></p>");
    page.raw("<div class=scroll><table class=coverage><caption>How far each source was read</caption><thead><tr>");
    page.raw("<th scope=col>Source<th scope=col class=wide>Period<th scope=col>Grade<th scope=col class=n>Proved");
    page.raw("<th scope=col class=n>Best effort<th scope=col class=n>None</tr></thead><tbody>");
    for source in &input.coverage.sources {
        row(source, input, page);
    }
    page.raw("</tbody></table></div>");
    places(input.windows, page);
    page.raw("</section>");
}

fn row(it: &SourceGrade, input: &ReportInput<'_>, page: &mut Markup) {
    page.raw("<tr><th scope=row><code>").raw(it.source.word()).raw("</code><td class=wide>");
    bar(&it.bar(input.coverage.from, input.coverage.to, PARTS), page);
    for lack in &it.lacks {
        page.raw("<div class=lack>").text(lack).raw("</div>");
    }
    page.raw("<td class=nowrap>").text(grade_words(it.grade));
    for grade in [Grade::Proved, Grade::BestEffort, Grade::None] {
        page.raw("<td class=n>").text(&it.share(grade));
    }
}

fn bar(parts: &[Option<Grade>], page: &mut Markup) {
    page.raw("<div class=bar aria-hidden=true>");
    for run in parts.chunk_by(|one, other| one == other) {
        page.raw(match run[0] {
            Some(Grade::Proved) => "<i class=p style=\"flex:",
            Some(Grade::BestEffort) => "<i class=b style=\"flex:",
            Some(Grade::None) => "<i class=u style=\"flex:",
            None => "<i style=\"flex:",
        });
        page.number(run.len()).raw("\"></i>");
    }
    page.raw("</div>");
}

/// The windows by place and scope: how many, from when to when, and how long of it with which grade.
fn places(windows: &[Coverage], page: &mut Markup) {
    let mut by_place: BTreeMap<(&str, &str, &str, &str), Vec<&Coverage>> = BTreeMap::new();
    for it in windows {
        by_place.entry((it.source.word(), &it.place, &it.scope, grade_words(it.grade))).or_default().push(it);
    }
    if by_place.is_empty() {
        return;
    }
    page.raw("<details><summary>By place and scope</summary><div class=scroll><table><caption>Windows that were read, or should have been</caption>");
    page.raw(
        "<thead><tr><th scope=col>Source<th scope=col>Place<th scope=col>Scope<th scope=col>Grade<th scope=col class=n>Windows",
    );
    page.raw("<th scope=col>First<th scope=col>Last<th scope=col>Together</tr></thead><tbody>");
    for ((source, place, scope, grade), windows) in by_place {
        let (from, to) = (windows.iter().map(|it| it.from).min(), windows.iter().map(|it| it.to).max());
        let together: SignedDuration = windows.iter().map(|it| it.to.duration_since(it.from)).sum();
        page.raw("<tr><td>").code(source).raw("<td>").text(place).raw("<td>").text(scope).raw("<td class=nowrap>").text(grade);
        page.raw("<td class=n>").number(windows.len()).raw("<td class=nowrap>").text(&from.map(minute).unwrap_or_default());
        page.raw("<td class=nowrap>").text(&to.map(minute).unwrap_or_default()).raw("<td class=nowrap>").text(&length(together));
    }
    page.raw("</tbody></table></div></details>");
}
