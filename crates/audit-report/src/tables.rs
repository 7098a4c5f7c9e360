//! Accounts, findings and windows as CSV, for spreadsheets.
//!
//! Owns the columns. Quoting, and that no cell becomes a formula, belong to `evidence-bundle`.

use crate::grade::{grade_word, lack_words};
use audit_facts::Coverage;
use correlation::account::{LinkGrade, Word};
use correlation::{Account, Finding};
use evidence_bundle::table::{Cell, Column, Csv};
use jiff::Timestamp;

/// Returns the accounts as CSV with a line of names, a row each.
pub fn sessions_csv(accounts: &[Account]) -> String {
    let columns = [
        "id",
        "started",
        "ended",
        "user_id",
        "user_name",
        "principal_arn",
        "client_address",
        "boundary_session_id",
        "ssm_session_id",
        "task_arn",
        "container",
        "cluster_id",
        "investigation_id",
        "reason",
        "method",
        "assurance",
        "grade",
        "ending",
        "transcript",
        "disagreeing",
    ];
    let numbers = ["alternatives", "agree", "applicable", "exit_code", "bytes_down", "bytes_up"];
    table(&columns, &numbers, accounts.iter().map(session_row))
}

fn session_row(it: &Account) -> (Vec<Option<String>>, Vec<Option<u64>>) {
    let (agree, applicable) = it.agreement();
    let disagreeing = it.witnesses.iter().filter(|said| said.word == Word::Disagrees).map(|said| witness_word(said.witness));
    let texts = vec![
        Some(it.id.clone()),
        it.started.map(stamp),
        it.ended.map(stamp),
        it.user_id.clone(),
        it.user_name.clone(),
        it.principal_arn.clone(),
        it.client_address.clone(),
        it.boundary_session_id.clone(),
        it.ssm_session_id.as_ref().map(ToString::to_string),
        it.task_arn.clone(),
        it.container.clone(),
        it.cluster_id.clone(),
        it.investigation_id.clone(),
        it.reason.clone(),
        Some(it.method.word().to_owned()),
        Some(it.assurance.word().to_owned()),
        it.grade.map(|grade| link_grade_word(grade).to_owned()),
        it.ending.clone(),
        it.transcript.clone(),
        Some(disagreeing.collect::<Vec<_>>().join(" ")).filter(|list| !list.is_empty()),
    ];
    let numbers = [Some(it.alternatives), Some(agree), Some(applicable), it.exit_code.map(u32::from)];
    (texts, numbers.into_iter().map(|number| number.map(u64::from)).chain([it.bytes_down, it.bytes_up]).collect())
}

/// Returns the findings as CSV with a line of names, a row each.
pub fn findings_csv(findings: &[Finding]) -> String {
    let columns = [
        "id",
        "severity",
        "code",
        "state",
        "at",
        "text",
        "subject",
        "boundary_session_id",
        "ssm_session_id",
        "task_arn",
        "user_id",
        "principal_arn",
        "assurance",
        "coverage",
        "evidence",
    ];
    table(&columns, &["agree", "applicable"], findings.iter().map(finding_row))
}

fn finding_row(it: &Finding) -> (Vec<Option<String>>, Vec<Option<u64>>) {
    let coverage = it.coverage.iter().map(|basis| format!("{} {}", basis.source, grade_word(basis.grade)));
    let texts = vec![
        Some(it.id.clone()),
        Some(it.severity.word().to_owned()),
        Some(it.code.word().to_owned()),
        Some(it.state.word().to_owned()),
        it.at.map(stamp),
        Some(it.text.clone()),
        Some(it.subject.text()),
        it.boundary_session_id.clone(),
        it.ssm_session_id.clone(),
        it.task_arn.clone(),
        it.user_id.clone(),
        it.principal_arn.clone(),
        Some(it.assurance.clone()),
        Some(coverage.collect::<Vec<_>>().join("; ")),
        Some(it.evidence.join(" ")),
    ];
    (texts, vec![Some(it.agree.into()), Some(it.applicable.into())])
}

/// Returns the windows as CSV with a line of names, a row each.
pub fn coverage_csv(windows: &[Coverage]) -> String {
    let row = |it: &Coverage| {
        let texts = vec![
            Some(it.source.word().to_owned()),
            Some(it.place.clone()),
            Some(it.scope.clone()),
            Some(stamp(it.from)),
            Some(stamp(it.to)),
            Some(grade_word(it.grade).to_owned()),
            it.lack.as_ref().map(lack_words),
        ];
        (texts, Vec::new())
    };
    table(&["source", "place", "scope", "from", "to", "grade", "lack"], &[], windows.iter().map(row))
}

/// Texts first, then numbers.
fn table(texts: &[&str], numbers: &[&str], rows: impl Iterator<Item = (Vec<Option<String>>, Vec<Option<u64>>)>) -> String {
    let columns = texts.iter().map(|name| Column::text(name)).chain(numbers.iter().map(|name| Column::number(name)));
    let mut csv = Csv::begin(Vec::new(), columns.collect()).expect("memory takes everything");
    for (texts, numbers) in rows {
        let texts = texts.iter().map(|text| text.as_deref().map_or(Cell::Empty, Cell::Text));
        let numbers = numbers.into_iter().map(|number| number.map_or(Cell::Empty, Cell::Unsigned));
        let cells: Vec<Cell<'_>> = texts.chain(numbers).collect();
        csv.row(&cells).expect("memory takes everything, and each row above has one cell for each name");
    }
    String::from_utf8(csv.finish().expect("memory takes everything")).expect("made of texts")
}

/// Returns the stable word of a link's grade.
pub(crate) fn link_grade_word(grade: LinkGrade) -> &'static str {
    match grade {
        LinkGrade::Ambiguous => "ambiguous",
        LinkGrade::Weak => "weak",
        LinkGrade::Strong => "strong",
    }
}

/// Returns the stable word of a witness.
pub(crate) fn witness_word(witness: audit_facts::Witness) -> &'static str {
    match witness {
        audit_facts::Witness::Aws => "aws",
        audit_facts::Witness::Operator => "operator",
        audit_facts::Witness::Container => "container",
        audit_facts::Witness::Client => "client",
    }
}

fn stamp(at: Timestamp) -> String {
    at.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{account, finding, is_golden, window};
    use audit_facts::{Grade, Source};

    #[test]
    fn every_table_has_a_cell_for_each_column() {
        let window = window(Source::CloudTrail, "a", 0, 10, Grade::None);
        for table in [sessions_csv(&[account()]), findings_csv(&[finding()]), coverage_csv(&[window])] {
            let rows: Vec<usize> = table.lines().map(|line| line.split(',').count()).collect();
            assert_eq!((rows.len(), rows[0]), (2, rows[1]), "{table}");
        }
    }

    #[test]
    fn the_tables_keep_their_form() {
        is_golden("sessions.csv", &sessions_csv(&[account()]));
        is_golden("findings.csv", &findings_csv(&[finding()]));
        is_golden("coverage.csv", &coverage_csv(&[window(Source::CloudTrail, "a", 0, 10, Grade::Proved)]));
    }

    #[test]
    fn no_cell_is_a_formula() {
        let mut hostile = account();
        hostile.reason = Some("=cmd|' /C calc'!A0".to_owned());
        assert!(sessions_csv(&[hostile]).contains("\"'=cmd|"));
    }
}
