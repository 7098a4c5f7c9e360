//! Accounts at a terminal: a list, and the page of one.
//!
//! Owns their order of words: who, where, through what, and who agrees.

use super::findings::finding_lines;
use super::paper::{Paper, Tone};
use crate::legible::{count, legible, moment};
use crate::person::{self, agreement, carried, ending, lasted, when};
use crate::tables::{link_grade_word, witness_word};
use crate::timeline::Moment;
use correlation::account::Word;
use correlation::{Account, Assurance, Finding};

/// Lists accounts, oldest first, two lines each.
pub fn sessions(accounts: &[Account], paper: Paper) -> String {
    let mut ordered: Vec<&Account> = accounts.iter().collect();
    ordered.sort_by_key(|it| (it.started, &it.id));
    let rows: Vec<[String; 7]> = ordered.iter().map(|it| row(it)).collect();
    let heads = ["began, UTC", "lasted", "who", "Boundary session", "link", "witnesses", "ending"];
    let (mut text, lines) = paper.table(heads, &rows);
    for (it, (line, rest)) in ordered.iter().zip(lines) {
        text.push_str(&link_tone(it).map_or_else(|| line.clone(), |tone| paper.tone(tone, &line)));
        text.push('\n');
        text.push_str(&paper.parts(4, Some(Tone::Quiet), &[rest, where_it_was(it)].concat()));
    }
    text.push_str(&format!("{}\n", count(accounts.len(), "session", "sessions")));
    text
}

fn row(it: &Account) -> [String; 7] {
    let (agree, applicable) = it.agreement();
    [
        it.started.map_or_else(|| "at an unknown time".to_owned(), moment),
        lasted(it),
        user(it),
        it.boundary_session_id.as_deref().map_or_else(|| "-".to_owned(), |id| legible(id, 60)),
        link(it),
        // Without a link nothing is agreed on but that there was a shell.
        if it.assurance == Assurance::None { String::new() } else { format!("{agree}/{applicable} agree") },
        it.exit_code.map(|code| format!("exit {code}")).unwrap_or_default(),
    ]
}

fn where_it_was(it: &Account) -> Vec<String> {
    let container = it.container.as_deref().map(|container| format!("container {}", legible(container, 100)));
    let task = it.task_id.as_deref().map(|id| format!("task {}", legible(id, 64)));
    [Some(legible(&it.id, 200)), container, task].into_iter().flatten().collect()
}

/// Shows one account: who, where, through what, its witnesses, its findings and its timeline.
pub fn session(it: &Account, moments: &[Moment], findings: &[Finding], paper: Paper) -> String {
    let mut text = format!("{}\n", paper.tone(Tone::Strong, &format!("Session {}", legible(&it.id, 200))));
    text.push_str(&who(it, paper));
    text.push_str(&through(it, paper));
    text.push_str(&witnesses(it, paper));
    text.push_str(&paper.heading(&count(findings.len(), "finding", "findings")));
    for finding in findings {
        text.push_str(&finding_lines(finding, paper));
    }
    text.push_str(&timeline(moments, paper));
    text
}

fn who(it: &Account, paper: Paper) -> String {
    let investigation = it.investigation_id.as_deref().map(|id| match it.cluster_id.as_deref() {
        Some(cluster) => format!("{id} on cluster {cluster}"),
        None => id.to_owned(),
    });
    let entries = [
        ("when", Some(when(it))),
        ("user", person::user(it)),
        ("principal", it.principal_arn.clone()),
        ("from", it.client_address.clone()),
        ("reason", it.reason.clone()),
        ("task", it.task_arn.clone().or_else(|| it.task_id.clone())),
        ("container", it.container.clone()),
        ("investigation", investigation),
        ("ending", ending(it)),
        ("boundary bytes", carried(it)),
        ("transcript", Some(it.transcript.clone().unwrap_or_else(|| "none".to_owned()))),
    ];
    entries.iter().filter_map(|(name, value)| Some(paper.entry(name, value.as_deref()?))).collect()
}

fn through(it: &Account, paper: Paper) -> String {
    let mut text = paper.entry("ssm session", it.ssm_session_id.as_ref().map_or("none", |id| id.as_str()));
    text.push_str(&paper.entry("boundary", it.boundary_session_id.as_deref().unwrap_or("none")));
    let mut link = format!("method {}, assurance {}", it.method.word(), it.assurance.word());
    if let Some(grade) = it.grade {
        link.push_str(&format!(", grade {}", link_grade_word(grade)));
    }
    if it.assurance == Assurance::Inferred {
        link.push_str(&format!(", {}", count(it.alternatives as usize, "alternative", "alternatives")));
    }
    text.push_str(&paper.entry("link", &link));
    text
}

fn witnesses(it: &Account, paper: Paper) -> String {
    let mut text = paper.heading(&agreement(it));
    for said in &it.witnesses {
        let (word, tone) = word(said.word);
        let head = format!("  {:<9}  {}  ", witness_word(said.witness), paper.tone(tone, &format!("{word:<14}")));
        text.push_str(&paper.hanging(&head, 29, &legible(&said.why, 600)));
    }
    text
}

fn word(word: Word) -> (&'static str, Tone) {
    match word {
        Word::Agrees => ("agrees", Tone::Good),
        Word::Disagrees => ("disagrees", Tone::Bad),
        Word::Silent => ("silent", Tone::Careful),
        Word::NotApplicable => ("not applicable", Tone::Quiet),
    }
}

fn timeline(moments: &[Moment], paper: Paper) -> String {
    let mut text = paper.heading("Timeline, UTC");
    for it in moments {
        let stamp = format!("{}{}", it.precision.sign(), moment(it.at));
        let head = format!("  {stamp:>20}  {:<15}  ", it.source.word());
        text.push_str(&paper.hanging(&paper.tone(Tone::Quiet, &head), head.chars().count(), &it.what));
    }
    let signs = ["~ by the user's machine", "≤ then or before"].map(str::to_owned);
    text.push_str(&paper.parts(2, Some(Tone::Quiet), &signs));
    text
}

fn user(it: &Account) -> String {
    legible(person::who(it), 60)
}

fn link(it: &Account) -> String {
    match it.grade {
        Some(grade) => format!("{} ({})", it.assurance.word(), link_grade_word(grade)),
        None if it.assurance == Assurance::None => "no link".to_owned(),
        None => it.assurance.word().to_owned(),
    }
}

fn link_tone(it: &Account) -> Option<Tone> {
    let shell_alone = it.ssm_session_id.is_some() && it.boundary_session_id.is_none();
    match it.assurance {
        Assurance::None if shell_alone => Some(Tone::Bad),
        Assurance::Unknown | Assurance::Inferred => Some(Tone::Careful),
        _ => None,
    }
}
