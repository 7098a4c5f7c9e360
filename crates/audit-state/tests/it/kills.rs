//! A process that is killed anywhere leaves what was before a step or what is after it.

use crate::world::{Place, at, batch, boundary_session, posture, settle, shell, task, user, window};
use audit_facts::{Grade, Source};
use audit_state::{Batch, Extent, KillPoint, State, StateError};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

/// A day's end: what is old and settled by then goes.
const DAY: i64 = 86_400;

fn batches() -> Vec<Batch> {
    let mut read = [
        batch(&[task(1, 0), shell(1, 1, Some(1), 0), shell(2, 2, None, 30)], 100),
        batch(&[boundary_session(1, 1, 0), user(1, "alice", 0), posture("group", 1)], 200),
        batch(&[task(2, 0), shell(3, 2, Some(1), 90)], 300),
    ];
    read[0].coverage.push(window(Source::CloudTrail, 0, 100, Grade::BestEffort));
    read[1].coverage.push(window(Source::CloudTrail, 50, 60, Grade::Proved));
    read.to_vec()
}

/// All steps from the beginning; each may have been done already.
fn steps(state: &mut State) -> Result<(), StateError> {
    let done: i64 = state.reader()?.cursor(Source::CloudTrail, "home", "next")?.and_then(|it| it.as_i64()).unwrap_or(0);
    for read in batches() {
        let when = read.at;
        if when > at(done) {
            state.commit(&read)?;
        }
        // What is behind was judged at its time, or waits still.
        if when >= at(done) {
            settle(state, when)?;
        }
    }
    settle(state, at(DAY))?;
    state.purge(at(2 * DAY), at(3 * DAY))?;
    Ok(())
}

fn dump(path: &Path) -> String {
    audit_state::Reader::open(path).unwrap().dump(Extent::Everything).unwrap()
}

#[test]
fn a_kill_at_any_point_changes_nothing_in_the_end() {
    let whole = Place::new();
    let passed = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&passed);
    let mut state = whole.open();
    state.set_hook(Some(Box::new(move |point| {
        list.lock().unwrap().push(point);
        true
    })));
    steps(&mut state).unwrap();
    drop(state);
    let wanted = dump(&whole.path());
    let passed = passed.lock().unwrap().clone();
    assert_eq!(passed.iter().copied().collect::<BTreeSet<_>>(), KillPoint::ALL.into(), "some point is never passed");

    for (number, point) in passed.iter().enumerate() {
        let place = Place::new();
        let mut state = place.open();
        let mut left = number;
        state.set_hook(Some(Box::new(move |_| {
            left = left.wrapping_sub(1);
            left != usize::MAX
        })));
        let killed = steps(&mut state).unwrap_err();
        assert!(matches!(killed, StateError::Killed(at) if at == *point), "{killed}");
        drop(state);
        steps(&mut place.open()).unwrap();
        assert_eq!(dump(&place.path()), wanted, "killed at pass {number}, {point:?}");
    }
}

/// The child of the next test: dies without any ending at the pass that the environment names.
#[test]
fn child_that_dies() {
    let (Some(path), Some(pass)) = (std::env::var_os("STATE_PATH"), std::env::var_os("STATE_PASS")) else { return };
    let mut left: usize = pass.to_str().unwrap().parse().unwrap();
    let mut state = State::open(Path::new(&path)).unwrap();
    state.set_hook(Some(Box::new(move |_| {
        if left == 0 {
            std::process::abort();
        }
        left -= 1;
        true
    })));
    steps(&mut state).unwrap();
}

#[test]
fn a_process_that_dies_leaves_a_state_that_goes_on() {
    let whole = Place::new();
    steps(&mut whole.open()).unwrap();
    let wanted = dump(&whole.path());
    for pass in [1, 3, 6, 9, 12, 17, 23, 29] {
        let place = Place::new();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["kills::child_that_dies", "--exact"])
            .env("STATE_PATH", place.path())
            .env("STATE_PASS", pass.to_string())
            .output()
            .unwrap();
        assert!(!child.status.success(), "the child did not die at pass {pass}");
        steps(&mut place.open()).unwrap();
        assert_eq!(dump(&place.path()), wanted, "died at pass {pass}");
    }
}
