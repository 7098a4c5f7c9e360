//! Who could enter what, at a terminal.
//!
//! Owns its lines.

use super::paper::{Paper, Tone};
use crate::access::{AccessChange, AccessRow, AccessSpan, Accesses, Refusal};
use crate::legible::{count, legible, moment, tail};

/// Lists who can enter what: who, where, since when; then the task and the change that let him in.
pub fn access(rows: &[AccessRow], paper: Paper) -> String {
    let cells: Vec<[String; 4]> = rows.iter().map(|row| cells(row, moment(row.since))).collect();
    let (mut text, lines) = paper.table(["who", "target", "state", "since, UTC"], &cells);
    for (row, (line, rest)) in rows.iter().zip(lines) {
        text.push_str(&way(row, &line, rest, paper));
    }
    text.push_str(&format!("{}\n", count(rows.len(), "way in", "ways in")));
    text
}

/// Shows who could enter what in a period, what changed, and who was refused.
pub fn access_between(accesses: &Accesses, paper: Paper) -> String {
    let mut text = spans(&accesses.spans, paper);
    text.push_str(&paper.heading(&format!("{}, UTC", count(accesses.changes.len(), "change", "changes"))));
    for change in &accesses.changes {
        let whom = whom(change, &accesses.spans).unwrap_or_else(|| what(change));
        text.push_str(&paper.paragraph(2, None, &format!("{} {}: {whom}", moment(change.at), change_words(change))));
    }
    text.push_str(&paper.heading(&format!("{}, UTC", count(accesses.refused.len(), "refused attempt", "refused attempts"))));
    for refusal in &accesses.refused {
        text.push_str(&paper.paragraph(2, None, &refusal_words(refusal)));
    }
    text
}

fn spans(spans: &[AccessSpan], paper: Paper) -> String {
    let until = |span: &AccessSpan| span.until.map_or_else(|| ", not ended".to_owned(), |at| format!(" to {}", moment(at)));
    let when = |span: &AccessSpan| format!("{}{}", moment(span.row.since), until(span));
    let cells: Vec<[String; 4]> = spans.iter().map(|span| cells(&span.row, when(span))).collect();
    let (mut text, lines) = paper.table(["who", "target", "state", "from and to, UTC"], &cells);
    for (span, (line, rest)) in spans.iter().zip(lines) {
        text.push_str(&way(&span.row, &line, rest, paper));
        let closed = match (&span.closed_by, span.until) {
            (Some(change), _) => format!("closed by {}", change_words(change)),
            (None, Some(_)) => "closed, as target-sync saw; no change was recorded for it".to_owned(),
            (None, None) => continue,
        };
        text.push_str(&paper.paragraph(4, Some(Tone::Quiet), &closed));
    }
    text.push_str(&format!("{}\n", count(spans.len(), "way in", "ways in")));
    text
}

fn cells(row: &AccessRow, when: String) -> [String; 4] {
    [who(row), legible(row.alias.as_deref().unwrap_or(&row.target_id), 100), legible(&row.state, 60), when]
}

fn who(row: &AccessRow) -> String {
    match &row.user_name {
        Some(name) => format!("{} ({})", legible(name, 60), legible(&row.user_id, 40)),
        None => legible(&row.user_id, 40),
    }
}

fn way(row: &AccessRow, line: &str, rest: Vec<String>, paper: Paper) -> String {
    let tone = (row.state != "live").then_some(Tone::Careful);
    let line = tone.map_or_else(|| line.to_owned(), |tone| paper.tone(tone, line));
    let by = row
        .by
        .as_ref()
        .map_or_else(|| "no change was recorded for it".to_owned(), |it| format!("opened by {}", change_words(it)));
    let mut under = rest;
    under.extend([format!("target {}", legible(&row.target_id, 40)), format!("task {}", legible(&row.task_arn, 300))]);
    under.extend(row.investigation_id.as_deref().map(|id| format!("investigation {}", legible(id, 100))));
    under.push(by);
    format!("{line}\n{}", paper.parts(4, Some(Tone::Quiet), &under))
}

/// Whom a change let in or kept out, and of which task, as far as the spans tell.
fn whom(change: &AccessChange, spans: &[AccessSpan]) -> Option<String> {
    let of = |fits: fn(&AccessSpan) -> Option<&AccessChange>| {
        let named: Vec<&AccessRow> = spans.iter().filter(|it| fits(it) == Some(change)).map(|it| &it.row).collect();
        named
    };
    let (opened, closed) = (of(|it| it.row.by.as_ref()), of(|it| it.closed_by.as_ref()));
    let names = |rows: &[&AccessRow]| rows.iter().map(|row| who(row)).collect::<Vec<_>>().join(", ");
    let task = legible(tail(&opened.first().or(closed.first())?.task_arn), 64);
    let said = [(&opened, "opened to"), (&closed, "closed to")].into_iter().filter(|(rows, _)| !rows.is_empty());
    let said: Vec<String> = said.map(|(rows, word)| format!("{word} {}", names(rows))).collect();
    Some(format!("task {task} {}", said.join(", ")))
}

/// What a change was about that neither let in nor kept out: one that was refused, or a label.
fn what(change: &AccessChange) -> String {
    let task = change.task_id.as_deref().map(|id| format!(", task {}", legible(id, 64))).unwrap_or_default();
    format!("{}{task}", legible(&change.name, 100))
}

fn change_words(it: &AccessChange) -> String {
    let result = it.result.as_deref().map_or_else(|| "no outcome".to_owned(), |result| legible(result, 20));
    let (action, object, reason) = (legible(&it.action, 40), legible(&it.object, 40), legible(&it.reason, 80));
    format!("target-sync's {action} {object} ({reason}, {result}, run {})", legible(&it.run_id, 60))
}

fn refusal_words(it: &Refusal) -> String {
    let who = match (&it.user_name, &it.user_id) {
        (Some(name), Some(id)) => format!("{} ({})", legible(name, 60), legible(id, 40)),
        (name, id) => legible(name.as_deref().or(id.as_deref()).unwrap_or("an unknown user"), 60),
    };
    let from = it.client_address.as_deref().map(|address| format!(" from {}", legible(address, 60))).unwrap_or_default();
    let target = legible(it.target_id.as_deref().unwrap_or("unknown"), 60);
    format!("{} {who} asked{from} for target {target}: refused, status {}", moment(it.at), it.status_code)
}
