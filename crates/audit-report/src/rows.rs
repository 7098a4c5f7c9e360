//! Accounts, findings and windows as rows for programs.
//!
//! Owns the names of the fields. Texts stand here as they are: JSON Lines and its escaping belong to `evidence-bundle`.

use crate::timeline::Moment;
use audit_facts::Coverage;
use correlation::{Account, Finding};
use evidence_bundle::table::JsonLines;
use serde::Serialize;
use serde_json::{Value, json};

/// Returns a finding with everything that the judge said, the code's severity and meaning among it.
pub fn finding_json(finding: &Finding) -> Value {
    let mut row = object(finding);
    let meaning = finding.code.meaning();
    row["means"] = json!(meaning.says);
    row["advice"] = json!(meaning.advice);
    row
}

/// Returns an account with everything that the correlator said; `agree` and `applicable` count its witnesses.
pub fn session_json(account: &Account) -> Value {
    let mut row = object(account);
    let (agree, applicable) = account.agreement();
    row["bytes_up"] = json!(account.bytes_up);
    row["agree"] = json!(agree);
    row["applicable"] = json!(applicable);
    row
}

/// Returns a window.
pub fn coverage_json(window: &Coverage) -> Value {
    object(window)
}

/// Returns a moment.
pub fn moment_json(moment: &Moment) -> Value {
    object(moment)
}

/// Returns rows as JSON Lines.
///
/// # Panics
/// Never: memory takes every byte, and a value is JSON already.
pub fn json_lines(rows: impl IntoIterator<Item = Value>) -> String {
    let mut lines = JsonLines::begin(Vec::new());
    for row in rows {
        lines.row(&row).expect("memory takes everything, and a value is JSON already");
    }
    String::from_utf8(lines.finish().expect("memory takes everything")).expect("JSON is UTF-8")
}

fn object(value: &impl Serialize) -> Value {
    serde_json::to_value(value).expect("these are structs of texts, numbers and lists")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{account, finding, is_golden, story, window};
    use crate::timeline::timeline;
    use audit_facts::{Grade, Source};

    #[test]
    fn a_finding_has_the_fields_that_others_rely_on() {
        let row = finding_json(&finding());
        for field in [
            "id",
            "code",
            "severity",
            "state",
            "assurance",
            "coverage",
            "boundary_session_id",
            "ssm_session_id",
            "task_arn",
            "user_id",
            "evidence",
        ] {
            assert!(row.get(field).is_some(), "{field}");
        }
        assert_eq!((&row["code"], &row["severity"]), (&json!("SESSION_NO_LOG"), &json!("high")));
    }

    #[test]
    fn a_session_has_the_fields_that_others_rely_on() {
        let row = session_json(&account());
        for field in
            ["boundary_session_id", "ssm_session_id", "task_arn", "method", "assurance", "grade", "alternatives", "witnesses"]
        {
            assert!(row.get(field).is_some(), "{field}");
        }
        assert_eq!((&row["method"], &row["assurance"]), (&json!("command"), &json!("corroborated")));
    }

    #[test]
    fn the_forms_of_rows_are_kept() {
        let window = window(Source::CloudTrail, "123456789012/us-east-2", 0, 10, Grade::Proved);
        is_golden("sessions.jsonl", &json_lines([session_json(&account())]));
        is_golden("findings.jsonl", &json_lines([finding_json(&finding())]));
        is_golden("coverage.jsonl", &json_lines([coverage_json(&window)]));
        is_golden("timeline.jsonl", &json_lines(timeline(&story(&account())).iter().map(moment_json)));
    }

    #[test]
    fn a_line_never_steers_a_terminal() {
        let mut hostile = finding();
        hostile.text = "a\u{1b}[2J\n\u{202e}b".to_owned();
        let lines = json_lines([finding_json(&hostile), finding_json(&finding())]);
        assert_eq!(lines.lines().count(), 2);
        assert!(!lines.contains('\u{1b}') && !lines.contains('\u{202e}'));
        let back: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!(back["text"], hostile.text, "nothing is lost");
    }
}
