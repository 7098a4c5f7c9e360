//! Who could enter what, at a terminal.
//!
//! Owns its lines.

use super::paper::{Paper, Tone, aligned};
use crate::access::{AccessChange, AccessRow, AccessSpan, Accesses, Refusal};
use crate::legible::{count, legible, moment};

/// Lists who can enter what, two lines each.
pub fn access(rows: &[AccessRow], paper: Paper) -> String {
    let cells: Vec<[String; 4]> = rows.iter().map(|row| cells(row, format!("since {}", moment(row.since)))).collect();
    let mut text = String::new();
    for (row, line) in rows.iter().zip(aligned(&cells)) {
        text.push_str(&lines(row, &line, paper));
    }
    text.push_str(&format!("{}\n", count(rows.len(), "way in", "ways in")));
    text
}

/// Shows who could enter what in a period, what changed, and who was refused.
pub fn access_between(accesses: &Accesses, paper: Paper) -> String {
    let mut text = spans(&accesses.spans, paper);
    text.push_str(&paper.heading(&count(accesses.changes.len(), "change", "changes")));
    for change in &accesses.changes {
        text.push_str(&paper.paragraph(2, None, &format!("{} {}", moment(change.at), change_words(change))));
    }
    text.push_str(&paper.heading(&count(accesses.refused.len(), "refused attempt", "refused attempts")));
    for refusal in &accesses.refused {
        text.push_str(&paper.paragraph(2, None, &refusal_words(refusal)));
    }
    text
}

fn spans(spans: &[AccessSpan], paper: Paper) -> String {
    let until = |span: &AccessSpan| span.until.map_or_else(|| "and still".to_owned(), |at| format!("to {}", moment(at)));
    let when = |span: &AccessSpan| format!("{} {}", moment(span.row.since), until(span));
    let cells: Vec<[String; 4]> = spans.iter().map(|span| cells(&span.row, when(span))).collect();
    let mut text = String::new();
    for (span, line) in spans.iter().zip(aligned(&cells)) {
        text.push_str(&lines(&span.row, &line, paper));
        if let Some(change) = &span.closed_by {
            text.push_str(&paper.paragraph(4, Some(Tone::Quiet), &format!("closed by {}", change_words(change))));
        }
    }
    text.push_str(&format!("{}\n", count(spans.len(), "way in", "ways in")));
    text
}

fn cells(row: &AccessRow, when: String) -> [String; 4] {
    let who = match &row.user_name {
        Some(name) => format!("{} ({})", legible(name, 60), legible(&row.user_id, 40)),
        None => legible(&row.user_id, 40),
    };
    [who, legible(row.alias.as_deref().unwrap_or(&row.target_id), 100), legible(&row.state, 60), when]
}

fn lines(row: &AccessRow, line: &str, paper: Paper) -> String {
    let tone = (row.state != "live").then_some(Tone::Careful);
    let line = tone.map_or_else(|| line.to_owned(), |tone| paper.tone(tone, line));
    let by = row.by.as_ref().map_or_else(|| "no change was recorded for it".to_owned(), |it| format!("by {}", change_words(it)));
    let mut under = vec![format!("target {}", legible(&row.target_id, 40)), format!("task {}", legible(&row.task_arn, 300))];
    under.extend(row.investigation_id.as_deref().map(|id| format!("investigation {}", legible(id, 100))));
    under.push(by);
    format!("{line}\n{}", paper.parts(4, Some(Tone::Quiet), &under))
}

fn change_words(it: &AccessChange) -> String {
    let result = it.result.as_deref().map_or_else(|| "no outcome".to_owned(), |result| legible(result, 20));
    let (action, object, reason) = (legible(&it.action, 40), legible(&it.object, 40), legible(&it.reason, 80));
    format!("{action} {object}, {reason}: {result} (run {})", legible(&it.run_id, 60))
}

fn refusal_words(it: &Refusal) -> String {
    let name = it.user_name.as_deref().or(it.user_id.as_deref()).unwrap_or("unknown");
    let from = it.client_address.as_deref().map(|address| format!(" from {}", legible(address, 60))).unwrap_or_default();
    let target = legible(it.target_id.as_deref().unwrap_or("unknown"), 60);
    format!("{} {} asked{from} for target {target}: {}", moment(it.at), legible(name, 60), it.status_code)
}
