//! What people read: plans, reports, notes.
//!
//! Owns columns and colours. Every remote text is made printable; nothing is cut that a person needs to act.

use crate::apply::{Report, StepResult};
use crate::plan::{Action, Held, HeldBy, Level, Note, Plan, Step};
use cli_kit::printable;
use jiff::Timestamp;
use std::fmt::Write as _;

/// How wide a table may be, and whether colours mean something there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paper {
    /// Columns.
    pub(crate) width: usize,
    /// Whether to use colours.
    pub(crate) colours: bool,
}

/// A colour's meaning.
#[derive(Debug, Clone, Copy)]
enum Tone {
    Good,
    Careful,
    Bad,
    Quiet,
}

impl Paper {
    /// For what is no terminal.
    pub(crate) const PLAIN: Self = Self { width: 200, colours: false };

    fn tone(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Careful => "33",
            Tone::Bad => "31",
            Tone::Quiet => "2",
        };
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A plan for people.
pub(crate) fn plan(plan: &Plan, now: Timestamp, paper: Paper) -> String {
    let mut text = String::new();
    let due: Vec<&Step> = plan.due(now).collect();
    for step in &due {
        text.push_str(&step_lines(step, paper));
    }
    let later: Vec<&Step> = plan.steps.iter().filter(|step| step.not_before.is_some_and(|time| time > now)).collect();
    if !later.is_empty() {
        text.push_str("\nlater:\n");
        for step in later {
            let when = step.not_before.map(|time| format!("{time:.0}")).unwrap_or_default();
            let line = format!("  {when}  {} {} {}", step.action.word(), step.kind.word(), printable(&step.name, 100));
            let _ = writeln!(text, "{}", paper.tone(Tone::Quiet, &line));
        }
    }
    text.push_str(&held(&plan.held, paper));
    text.push_str(&notes(&plan.notes, paper));
    let _ = writeln!(text, "{}", summary(plan, &due));
    text
}

fn step_lines(step: &Step, paper: Paper) -> String {
    let tone = match step.action {
        Action::Create | Action::Restore => Tone::Good,
        Action::Update | Action::MarkMissing => Tone::Careful,
        Action::Quarantine | Action::Withdraw | Action::Cancel | Action::Delete => Tone::Bad,
    };
    let id = step.id.as_deref().map(|id| format!(" ({id})")).unwrap_or_default();
    let action = paper.tone(tone, &format!("{:>12}", step.action.word()));
    let mut text = format!("{:>4} {action} {:<6} {}{id}", step.number, step.kind.word(), printable(&step.name, 130));
    let _ = writeln!(text, "  {}", paper.tone(Tone::Quiet, step.reason.words()));
    let room = paper.width.saturating_sub(26).max(40);
    for change in &step.changes {
        let to = printable(&change.to, room);
        let line = match &change.from {
            Some(from) => format!("{}: {} → {to}", change.field, printable(from, room / 2)),
            None => format!("{}: {to}", change.field),
        };
        let _ = writeln!(text, "                         {}", paper.tone(Tone::Quiet, &printable(&line, room)));
    }
    text
}

fn held(held: &[Held], paper: Paper) -> String {
    let mut text = String::new();
    for held in held {
        let why = match held.by {
            HeldBy::Limit => "held back: more than the limits permit to retire at once; look, then --force",
            HeldBy::Policy => "left out by the policy",
            HeldBy::LiveSession => "waits for a live session",
        };
        let what = format!("{} {} {}", held.action.word(), held.kind.word(), printable(&held.name, 130));
        let tone = if held.by == HeldBy::Limit { Tone::Bad } else { Tone::Quiet };
        let _ = writeln!(text, "{}", paper.tone(tone, &format!("{why}: {what}")));
    }
    text
}

/// Notes for people, the loudest first.
pub(crate) fn notes(notes: &[Note], paper: Paper) -> String {
    let mut text = String::new();
    for note in notes {
        let (word, tone) = match note.level {
            Level::Alarm => ("alarm", Tone::Bad),
            Level::Warning => ("warning", Tone::Careful),
            Level::Info => ("note", Tone::Quiet),
        };
        let task = note.task_arn.as_deref().map(|arn| format!("task {}", arn.rsplit('/').next().unwrap_or(arn)));
        let of = note.id.clone().or(task).map(|of| format!(" {}", printable(&of, 200))).unwrap_or_default();
        let _ = writeln!(text, "{}{of}: {}", paper.tone(tone, word), printable(&note.text, 1000));
    }
    text
}

fn summary(plan: &Plan, due: &[&Step]) -> String {
    if due.is_empty() && plan.held.is_empty() {
        return "nothing to do".to_owned();
    }
    let count = |which: fn(Action) -> bool| due.iter().filter(|step| which(step.action)).count();
    let (create, delete) = (count(|a| a == Action::Create), count(|a| matches!(a, Action::Delete | Action::Cancel)));
    let retire = count(|a| matches!(a, Action::Quarantine | Action::Withdraw | Action::MarkMissing));
    let change = due.len() - create - delete - retire;
    let held = plan.held.iter().filter(|held| held.by != HeldBy::Policy).count();
    format!("{create} to create, {change} to change, {retire} to close, {delete} to delete, {held} held back")
}

/// What came of a plan, for people: what was not done, and why, then one line.
pub(crate) fn report(plan: &Plan, report: &Report, paper: Paper) -> String {
    let mut text = String::new();
    for (step, result) in crate::apply::undone(plan, report) {
        let why = match result {
            StepResult::Refused { error, .. } => error.clone(),
            StepResult::Unknown { error } => format!("no answer, so it may have been done; the next run looks: {error}"),
            StepResult::Skipped => "left out, since a step before it was not done".to_owned(),
            StepResult::Done { .. } | StepResult::NotDue => continue,
        };
        let what = format!("{} {} {}", step.action.word(), step.kind.word(), printable(&step.name, 130));
        let _ = writeln!(text, "{} {what}: {}", paper.tone(Tone::Bad, "not done"), printable(&why, 1000));
    }
    text
}

/// A name and its value, in two columns.
pub(crate) fn rows(rows: &[[String; 3]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let (names, values) = (width(0), width(1).min(80));
    rows.iter().map(|[name, value, origin]| format!("{name:names$}  {value:values$}  {origin}\n")).collect()
}
