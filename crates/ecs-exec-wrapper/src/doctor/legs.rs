//! The credential chain, leg by leg: who we are at each hop, which one failed, and why that can be.

use super::check::{Check, Group, Unread};
use aws_identity::{Leg, Outcome, Settings, explain_chain};

const GROUP: Group = Group::Caller;

/// Walks the chain. Asks STS once a leg.
pub(super) async fn gather(settings: &Settings) -> Vec<Leg> {
    explain_chain(settings).await
}

/// Judges. A leg that failed although credentials were had in the end is worth a look only.
pub(super) fn checks(legs: &[Leg], have_credentials: bool) -> Vec<Check> {
    legs.iter().enumerate().map(|(at, leg)| of_leg(at + 1, leg, have_credentials)).collect()
}

fn of_leg(number: usize, leg: &Leg, have_credentials: bool) -> Check {
    let id = "credential-leg";
    let detail = if leg.detail.is_empty() { String::new() } else { format!(" ({})", leg.detail) };
    let named = format!("leg {number}, {}{detail}", leg.title);
    match &leg.outcome {
        Outcome::Passed { arn } => GROUP.ok(id, format!("{named}: {arn}")),
        Outcome::NotTried => GROUP.unknown(id, &Unread::new(format!("{named}: not tried"), "mend the leg before it first")),
        Outcome::Failed { failure, causes } => {
            let remedy = causes.join("; or: ");
            let what = format!("{named}: {failure}");
            if have_credentials { GROUP.warning(id, what, remedy) } else { GROUP.failed(id, what, remedy) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;
    use aws_identity::{LegFailure, LegKind};

    fn leg(outcome: Outcome) -> Leg {
        Leg { kind: LegKind::AssumeRole, title: "role sre".to_owned(), detail: "from profile x".to_owned(), outcome }
    }

    fn failed() -> Outcome {
        let failure = LegFailure::Here { detail: "the token expired".to_owned() };
        Outcome::Failed { failure, causes: vec!["log in again".to_owned(), "mend the clock".to_owned()] }
    }

    #[test]
    fn a_failed_leg_names_both_causes_and_the_next_is_unknown() {
        let checks = checks(
            &[leg(Outcome::Passed { arn: "arn:aws:iam::1:user/a".to_owned() }), leg(failed()), leg(Outcome::NotTried)],
            false,
        );
        let verdicts: Vec<_> = checks.iter().map(|check| check.verdict).collect();
        assert_eq!(verdicts, [Verdict::Ok, Verdict::Failed, Verdict::Unknown]);
        assert!(checks[1].what.contains("leg 2") && checks[1].what.contains("expired"), "{}", checks[1].what);
        assert_eq!(checks[1].remedy, "log in again; or: mend the clock");
    }

    #[test]
    fn a_source_that_was_passed_over_is_a_warning() {
        assert_eq!(checks(&[leg(failed())], true)[0].verdict, Verdict::Warning);
    }
}
