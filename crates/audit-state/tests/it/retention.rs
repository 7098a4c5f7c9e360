//! What a purge removes and what it never touches.

use crate::world::{Place, at, batch, boundary_session, credentials, posture, settle, shell, task, user, window};
use audit_facts::{Grade, Source};
use audit_state::{AccountFilter, Extent, FindingFilter, State};
use correlation::State as Settled;

const DAY: i64 = 86_400;

fn accounts(state: &State) -> usize {
    state.reader().unwrap().sessions(&AccountFilter::default()).unwrap().len()
}

#[test]
fn settled_old_cases_go_and_their_findings_stay_sealed() {
    let place = Place::new();
    let mut state = place.open();
    let old = [task(1, 0), shell(1, 1, None, 0), credentials(1, 0), user(1, "alice", 0), posture("group", 0)];
    state.commit(&batch(&old, 5)).unwrap();
    state.commit(&batch(&[shell(4, 2, Some(2), 9 * DAY), boundary_session(2, 1, 9 * DAY)], 9 * DAY)).unwrap();
    settle(&mut state, at(10 * DAY)).unwrap();
    assert_eq!(accounts(&state), 2);
    let heads = state.reader().unwrap().verify().unwrap();

    let purged = state.purge(at(5 * DAY), at(10 * DAY)).unwrap();
    assert_eq!((purged.cases, purged.facts), (1, 2), "the shell and its task; shell 4 uses the same credentials");
    assert_eq!(accounts(&state), 1);
    let findings = state.reader().unwrap().findings(&FindingFilter::default()).unwrap();
    assert_eq!((findings.len(), findings[0].finding.state, findings[0].case_id.clone()), (1, Settled::Confirmed, None));
    assert_eq!(state.reader().unwrap().verify().unwrap(), heads, "history and commits stay");
    // The page with the shell alone is free; the one with people and settings is still needed.
    assert_eq!(state.released().unwrap(), [crate::world::sha("page at 60")]);

    // A late fact about the same task does not resolve what nobody can look up any more.
    state.commit(&batch(&[task(1, 11 * DAY)], 11 * DAY)).unwrap();
    settle(&mut state, at(11 * DAY)).unwrap();
    assert_eq!(state.reader().unwrap().findings(&FindingFilter::default()).unwrap(), findings);
}

#[test]
fn evidence_is_released_until_it_is_forgotten_and_comes_back_when_read_again() {
    let place = Place::new();
    let mut state = place.open();
    state.commit(&batch(&[shell(1, 1, None, 0)], 5)).unwrap();
    settle(&mut state, at(DAY)).unwrap();
    state.purge(at(5 * DAY), at(5 * DAY)).unwrap();
    let released = state.released().unwrap();
    assert_eq!(released, [crate::world::sha("page at 60")]);
    state.purge(at(5 * DAY), at(5 * DAY)).unwrap();
    assert_eq!(state.released().unwrap(), released, "until its store has let it go");
    state.forget_evidence(&released, at(5 * DAY)).unwrap();
    state.purge(at(5 * DAY), at(5 * DAY)).unwrap();
    assert!(state.released().unwrap().is_empty());
    assert_eq!(state.reader().unwrap().figures(at(0)).unwrap().evidence.0, 0);
    state.commit(&batch(&[shell(1, 1, None, 0)], 6)).unwrap();
    assert_eq!(state.reader().unwrap().figures(at(0)).unwrap().evidence.0, 1);
}

#[test]
fn what_is_unsettled_touched_or_young_stays() {
    let place = Place::new();
    let mut state = place.open();
    state.commit(&batch(&[shell(1, 1, None, 0)], 5)).unwrap();
    settle(&mut state, at(60)).unwrap();
    assert_eq!(state.purge(at(5 * DAY), at(5 * DAY)).unwrap().cases, 0, "its finding is open");
    settle(&mut state, at(DAY)).unwrap();
    assert_eq!(state.purge(at(0), at(DAY)).unwrap().cases, 0, "it is not before that time");
    let mut read = batch(&[task(1, 0)], 6);
    read.coverage.push(window(Source::CloudTrail, 0, 9, Grade::Proved));
    state.commit(&read).unwrap();
    let before = state.reader().unwrap().dump(Extent::Everything).unwrap();
    assert_eq!(state.purge(at(5 * DAY), at(5 * DAY)).unwrap().cases, 0, "something touched it");
    assert_eq!(state.reader().unwrap().dump(Extent::Everything).unwrap(), before);
}
