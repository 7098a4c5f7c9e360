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
    let room = paper.width.saturating_sub(46).clamp(10, 80);
    text.push_str(&format!("\n{:17}{:<room$}  {}\n", "", minute(overall.from), minute(overall.to)));
    for source in &overall.sources {
        text.push_str(&line(source, overall, room, paper));
    }
    let is_late = overall.sources.iter().any(|it| it.due < overall.to);
    let late = if is_late { "   blank: not due yet" } else { "" };
    text.push_str(&format!("{}\n", paper.tone(Tone::Quiet, &format!("█ proved   ▒ best effort   · none{late}"))));
    text
}

fn line(source: &SourceGrade, overall: &Overall, room: usize, paper: Paper) -> String {
    let shown = |grade: Option<Grade>| grade.map_or_else(|| " ".to_owned(), |grade| paper.tone(tone(grade), mark(grade)));
    let bar: String = source.bar(overall.from, overall.to, room).into_iter().map(shown).collect();
    let share = source.share(Grade::None);
    let read = source.segments.iter().map(|it| it.grade).filter(|grade| *grade > Grade::None).min();
    let words = match (source.segments.is_empty(), source.grade, read) {
        (true, ..) => "not due yet".to_owned(),
        (false, Grade::None, Some(read)) => format!("{}, {share} missing", grade_words(read)),
        (false, grade, _) => grade_words(grade).to_owned(),
    };
    let mut text = format!("{:<15}  {bar}  {words}\n", source.source.word());
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
