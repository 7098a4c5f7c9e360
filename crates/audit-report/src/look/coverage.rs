//! What was read, at a terminal: the sentence, then a bar for each source.
//!
//! Owns the marks of the bars: `█` proved, `▒` best effort, `·` none.

use super::paper::{Paper, Tone};
use crate::grade::{Overall, SourceGrade, grade_words};
use crate::legible::minute;
use audit_facts::Grade;

/// Shows how far the sources were read.
pub fn coverage(overall: &Overall, paper: Paper) -> String {
    let mut text = paper.paragraph(0, Some(tone(overall.grade)), &overall.sentence);
    let room = paper.width.saturating_sub(42).clamp(10, 80);
    text.push_str(&format!("\n{:17}{:<room$}  {}\n", "", minute(overall.from), minute(overall.to)));
    for source in &overall.sources {
        text.push_str(&line(source, room, paper));
    }
    text.push_str(&format!("{}\n", paper.tone(Tone::Quiet, "█ proved   ▒ best effort   · none")));
    text
}

fn line(source: &SourceGrade, room: usize, paper: Paper) -> String {
    let bar: String = source.bar(room).into_iter().map(|grade| paper.tone(tone(grade), mark(grade))).collect();
    let share = source.share(Grade::None);
    let missing = if source.grade == Grade::None { format!(", {share} missing") } else { String::new() };
    let mut text = format!("{:<15}  {bar}  {}{missing}\n", source.source.word(), grade_words(source.grade));
    for lack in &source.lacks {
        text.push_str(&paper.paragraph(17, Some(Tone::Quiet), lack));
    }
    text
}

fn mark(grade: Grade) -> &'static str {
    match grade {
        Grade::Proved => "█",
        Grade::BestEffort => "▒",
        Grade::None => "·",
    }
}

fn tone(grade: Grade) -> Tone {
    match grade {
        Grade::Proved => Tone::Good,
        Grade::BestEffort => Tone::Careful,
        Grade::None => Tone::Bad,
    }
}
