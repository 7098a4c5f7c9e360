//! How a finding goes from one state to the next.
//!
//! Pure. Owns the direction: forward, but for a finding that comes again and one whose coverage was lost.

use correlation::State;

/// Why a finding changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It is new.
    Raised,
    /// The time for an explanation is over, or what was read now proves it.
    Advanced,
    /// Later facts explain it.
    Explained,
    /// It was explained, and is there again.
    Returned,
    /// What it rests on is covered worse than before.
    CoverageLost,
}

impl Cause {
    /// The words in the history.
    pub fn words(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Advanced => "advanced with time or better coverage",
            Self::Explained => "explained by later facts",
            Self::Returned => "raised again by later facts",
            Self::CoverageLost => "coverage was lost",
        }
    }
}

/// A change of a finding's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The state it had; none when it was never seen.
    pub from: Option<State>,
    /// The state it gets.
    pub to: State,
    /// Why.
    pub cause: Cause,
}

/// What becomes of a finding that had one state and is now judged to have another; none of a judgement is no finding.
///
/// A state never goes back, except from resolved, and from confirmed to provisional when coverage was lost.
pub fn transition(old: Option<State>, new: Option<State>, coverage_lost: bool) -> Option<Change> {
    use State::{Confirmed, Open, Provisional, Resolved};
    let change = |to, cause| Some(Change { from: old, to, cause });
    match (old, new) {
        (None | Some(Resolved), None | Some(Resolved)) => None,
        (None, Some(to)) => change(to, Cause::Raised),
        (Some(Resolved), Some(to)) => change(to, Cause::Returned),
        (Some(_), None | Some(Resolved)) => change(Resolved, Cause::Explained),
        (Some(Open), Some(to @ (Provisional | Confirmed))) | (Some(Provisional), Some(to @ Confirmed)) => {
            change(to, Cause::Advanced)
        }
        (Some(Confirmed), Some(Provisional)) if coverage_lost => change(Provisional, Cause::CoverageLost),
        (Some(Open | Provisional | Confirmed), Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_go_forward_return_from_resolved_and_weaken_only_with_their_coverage() {
        // Rows: the state it had. Columns: none, open, provisional, confirmed, resolved. A dot is no change.
        let table = [
            ("none", ". O P C ."),
            ("open", "R . P C R"),
            ("provisional", "R . . C R"),
            ("confirmed", "R . w . R"),
            ("resolved", ". O P C ."),
        ];
        let states = [None, Some(State::Open), Some(State::Provisional), Some(State::Confirmed), Some(State::Resolved)];
        for (old, (name, row)) in states.into_iter().zip(table) {
            for (new, cell) in states.into_iter().zip(row.split(' ')) {
                for lost in [false, true] {
                    let to = transition(old, new, lost).map(|change| {
                        assert_eq!(change.from, old);
                        change.to
                    });
                    let wanted = match cell {
                        "O" => Some(State::Open),
                        "P" => Some(State::Provisional),
                        "C" => Some(State::Confirmed),
                        "R" => Some(State::Resolved),
                        "w" if lost => Some(State::Provisional),
                        _ => None,
                    };
                    assert_eq!(to, wanted, "{name} → {new:?}, coverage lost: {lost}");
                }
            }
        }
    }

    #[test]
    fn each_change_has_its_cause() {
        let cause = |old, new| transition(old, new, true).map(|change| change.cause);
        assert_eq!(cause(None, Some(State::Open)), Some(Cause::Raised));
        assert_eq!(cause(Some(State::Open), Some(State::Confirmed)), Some(Cause::Advanced));
        assert_eq!(cause(Some(State::Open), None), Some(Cause::Explained));
        assert_eq!(cause(Some(State::Resolved), Some(State::Open)), Some(Cause::Returned));
        assert_eq!(cause(Some(State::Confirmed), Some(State::Provisional)), Some(Cause::CoverageLost));
    }
}
