//! The two forms of the report: a table for people, JSON for programs. Pure.

use super::check::{Check, Summary, Verdict};
use serde::Serialize;

/// The version of the JSON form.
const FORMAT_VERSION: u32 = 1;

/// Narrower than this nothing can be laid out, columns.
const NARROWEST: usize = 40;

/// The columns in front of a sentence: two blanks, the verdict's word, a blank.
const INDENT: usize = 10;

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    checks: &'a [Check],
    summary: Summary,
}

/// The report as JSON, with a line end.
///
/// # Errors
/// Never for these types.
pub(super) fn json(checks: &[Check]) -> serde_json::Result<String> {
    let document = Document { format_version: FORMAT_VERSION, checks, summary: Summary::of(checks) };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// The report as a table of `width` columns: a heading a group, a line a check, the remedy below it.
pub(super) fn table(checks: &[Check], width: usize, coloured: bool) -> String {
    let width = width.max(NARROWEST);
    let mut out = String::new();
    let mut heading = None;
    for (at, check) in checks.iter().enumerate() {
        if heading != Some(check.group) {
            let gap = if heading.is_some() { "\n" } else { "" };
            out.push_str(&format!("{gap}{}\n", check.group.heading()));
            heading = Some(check.group);
        }
        // One denied read makes several facts unknown: what would help stands below the last.
        let again = checks
            .get(at + 1)
            .is_some_and(|next| (next.group, next.verdict, &next.remedy) == (check.group, check.verdict, &check.remedy));
        out.push_str(&row(check, width, coloured, !again));
    }
    out.push_str(&format!("\n{}\n", wrapped(&sum(Summary::of(checks)), width).join("\n")));
    out
}

fn row(check: &Check, width: usize, coloured: bool, with_remedy: bool) -> String {
    let (word, colour) = match check.verdict {
        Verdict::Ok => ("ok", "32"),
        Verdict::Warning => ("warning", "33"),
        Verdict::Failed => ("FAILED", "1;31"),
        Verdict::Unknown => ("unknown", "36"),
    };
    let padded = format!("{word:<7}");
    let word = if coloured { format!("\u{1b}[{colour}m{padded}\u{1b}[0m") } else { padded };
    let mut lines = wrapped(&check.what, width - INDENT).into_iter();
    let mut out = format!("  {word} {}\n", lines.next().unwrap_or_default());
    out.extend(lines.map(|line| format!("{:INDENT$}{line}\n", "")));
    if with_remedy && !check.remedy.is_empty() {
        let indent = INDENT + 2;
        let lines = wrapped(&check.remedy, width - indent);
        out.extend(lines.iter().enumerate().map(|(n, line)| {
            let arrow = if n == 0 { "> " } else { "  " };
            format!("{:INDENT$}{arrow}{line}\n", "")
        }));
    }
    out
}

fn sum(summary: Summary) -> String {
    let Summary { ok, warning, failed, unknown } = summary;
    let outlook = match (failed, unknown) {
        (0, 0) => "nothing stands in the way of a shell",
        (0, _) => "nothing known stands in the way of a shell",
        _ => "a shell does not open",
    };
    format!("{outlook}: {ok} ok, {warning} warnings, {failed} failed, {unknown} unknown")
}

/// Breaks a text at blanks; a word longer than the width is cut. Counts characters as columns.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut column = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            lines.push(String::new());
            column = 0;
        }
        let Some(line) = lines.last_mut() else { break };
        if column > 0 {
            line.push(' ');
            column += 1;
        }
        if length <= width {
            line.push_str(word);
            column += length;
            continue;
        }
        for c in word.chars() {
            if column == width {
                lines.push(String::new());
                column = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push(c);
            }
            column += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::{Group, Unread};

    fn checks() -> Vec<Check> {
        vec![
            Group::Caller.ok("identity", "you are arn:aws:sts::123456789012:assumed-role/rosa-boundary-dev-sre-shared/alice"),
            Group::Task.failed("task-running", "the task is STOPPED", "start another"),
            Group::Task.unknown("task-role", &Unread::new("denied", "ask for it")),
            Group::Task.unknown("pid-mode", &Unread::new("denied", "ask for it")),
        ]
    }

    #[test]
    fn the_table_fits_the_terminal_and_loses_nothing() {
        for width in [40, 80, 200] {
            let table = table(&checks(), width, false);
            assert!(table.lines().all(|line| line.chars().count() <= width), "{width}:\n{table}");
            let together: String = table.split_whitespace().collect();
            assert!(together.contains("arn:aws:sts::123456789012:assumed-role/rosa-boundary-dev-sre-shared/alice"), "{table}");
        }
    }

    #[test]
    fn the_table_reads_so() {
        let expected = "\
task
  FAILED  the task is STOPPED
          > start another
  unknown task-role is not known: denied
  unknown pid-mode is not known: denied
          > ask for it

a shell does not open: 0 ok, 0 warnings, 1 failed, 2 unknown
";
        assert_eq!(table(&checks()[1..], 80, false), expected);
    }

    #[test]
    fn colour_is_only_on_request() {
        assert!(!table(&checks(), 80, false).contains('\u{1b}'));
        assert!(table(&checks(), 80, true).contains("\u{1b}[1;31mFAILED"));
    }

    #[test]
    fn the_json_form_is_stable() {
        let document: serde_json::Value = serde_json::from_str(&json(&checks()[1..3]).unwrap()).unwrap();
        let expected = serde_json::json!({
            "format_version": 1,
            "checks": [
                {"id": "task-running", "group": "task", "verdict": "failed", "what": "the task is STOPPED",
                 "remedy": "start another"},
                {"id": "task-role", "group": "task", "verdict": "unknown", "what": "task-role is not known: denied",
                 "remedy": "ask for it"},
            ],
            "summary": {"ok": 0, "warning": 0, "failed": 1, "unknown": 1},
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn long_words_are_cut_where_they_must() {
        assert_eq!(wrapped("ab cdefghij k", 4), ["ab", "cdef", "ghij", "k"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
