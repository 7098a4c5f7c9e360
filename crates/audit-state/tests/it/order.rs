//! What is known does not depend on the order, the repetition or the batches in which it came.

use crate::world::{Place, at, batch, boundary_session, credentials, posture, settle, shell, task, user, window};
use audit_facts::{Coverage, Fact, Grade, Key, Source};
use audit_state::{Case, Extent};
use correlation::partition;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn any_fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        (0_u8..5, 0_i64..3).prop_map(|(n, seen)| task(n, seen)),
        (0_u8..8, 0_u8..5, proptest::option::of(0_u8..5), 0_i64..4).prop_map(|(n, task, id, at)| shell(n, task, id, at * 60)),
        (0_u8..5, 0_u8..3, 0_i64..4).prop_map(|(n, user, at)| boundary_session(n, user, at * 60)),
        (0_u8..3, 0_i64..3).prop_map(|(n, at)| user(n, &format!("name {at}"), at)),
        (0_u8..3, 0_i64..2).prop_map(|(n, at)| credentials(n, at)),
        (0_i64..2).prop_map(|at| posture("group", at)),
    ]
}

/// A fact as another reading had it.
fn again(mut fact: Fact, later: i64) -> Fact {
    fact.evidence = crate::world::sha(&format!("another page {later}"));
    fact.observed_at = at(later);
    fact
}

fn any_coverage() -> impl Strategy<Value = Coverage> {
    let grade = prop_oneof![Just(Grade::None), Just(Grade::BestEffort), Just(Grade::Proved)];
    (0_i64..9, 1_i64..5, grade).prop_map(|(from, length, grade)| window(Source::BoundaryApi, from, from + length, grade))
}

fn knowledge(steps: &[(Vec<Fact>, Vec<Coverage>)]) -> String {
    let place = Place::new();
    let mut state = place.open();
    for (facts, coverage) in steps {
        let mut batch = batch(facts, 5);
        batch.coverage.clone_from(coverage);
        state.commit(&batch).unwrap();
        settle(&mut state, at(9000)).unwrap();
    }
    state.reader().unwrap().verify().unwrap();
    state.reader().unwrap().dump(Extent::Knowledge).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_repetition_and_batches_do_not_matter(
        facts in proptest::collection::vec(any_fact(), 1..14),
        coverage in proptest::collection::vec(any_coverage(), 0..6),
        repeated in proptest::collection::vec((any::<prop::sample::Index>(), 0_i64..400), 0..5),
        seed in any::<u64>(),
    ) {
        let mut all = facts.clone();
        all.extend(repeated.iter().map(|(index, later)| again(index.get(&facts).clone(), *later)));
        let at_once = knowledge(&[(all.clone(), coverage.clone())]);
        // Another order, one by one in groups of up to three, the first ones twice.
        let mut turned = all;
        turned.sort_by_key(|fact| audit_record::sha256_hex(format!("{seed}{}{}", fact.id(), fact.evidence).as_bytes()));
        let mut steps: Vec<(Vec<Fact>, Vec<Coverage>)> = turned.chunks(3).map(|facts| (facts.to_vec(), Vec::new())).collect();
        for (at, it) in coverage.iter().rev().enumerate() {
            let last = steps.len();
            steps[at % last].1.push(it.clone());
        }
        steps.push(steps[0].clone());
        prop_assert_eq!(knowledge(&steps), at_once);
    }

    #[test]
    fn the_cases_of_touched_keys_are_those_of_the_partition(
        facts in proptest::collection::vec(any_fact(), 1..30),
        late in proptest::collection::vec(any_fact(), 1..4),
    ) {
        let place = Place::new();
        let mut state = place.open();
        state.commit(&batch(&facts, 5)).unwrap();
        let known: BTreeSet<String> = facts.iter().map(Fact::id).collect();
        let new: Vec<&Fact> = late.iter().filter(|fact| !known.contains(&fact.id())).collect();
        // Only facts with keys: others may touch cases that mention people, which has its own test.
        let keys: BTreeSet<Key> = new.iter().flat_map(|fact| fact.keys()).collect();
        let done = state.commit(&batch(&late, 6)).unwrap();
        prop_assert!(keys.is_subset(&done.touched_keys));

        let all: Vec<Fact> = facts.iter().chain(&late).cloned().collect();
        let cases = partition(&all).into_iter().map(|case| case.into_iter().map(|at| &all[at]).collect::<Vec<_>>());
        let touched = cases.filter(|case| case.iter().any(|fact| fact.keys().iter().any(|key| keys.contains(key))));
        let ids = |facts: &mut dyn Iterator<Item = &Fact>| facts.map(Fact::id).collect::<BTreeSet<_>>();
        let wanted: BTreeSet<BTreeSet<String>> = touched.map(|case| ids(&mut case.into_iter())).collect();
        let found = state.closure(&keys).unwrap();
        let count = found.len();
        let found: BTreeSet<BTreeSet<String>> = found.iter().map(|case| ids(&mut case.iter())).collect();
        prop_assert_eq!(found.len(), count, "a case came twice");
        prop_assert_eq!(found, wanted);
    }
}

#[test]
fn the_same_batch_again_changes_nothing() {
    let place = Place::new();
    let mut state = place.open();
    let mut read = batch(&[task(1, 0), shell(1, 1, None, 0), posture("group", 1)], 5);
    read.coverage.push(window(Source::CloudTrail, 0, 60, Grade::BestEffort));
    assert_eq!(state.commit(&read).unwrap().new_facts, 3);
    settle(&mut state, at(60)).unwrap();
    let before = state.reader().unwrap().dump(Extent::Everything).unwrap();
    let again = state.commit(&read).unwrap();
    assert_eq!(again, audit_state::Committed::default());
    assert!(settle(&mut state, at(60)).unwrap().is_empty());
    assert_eq!(state.reader().unwrap().dump(Extent::Everything).unwrap(), before);
}

#[test]
fn the_same_judgement_again_changes_only_when_the_case_is_due() {
    let place = Place::new();
    let mut state = place.open();
    state.commit(&batch(&[shell(1, 1, None, 0)], 5)).unwrap();
    settle(&mut state, at(60)).unwrap();
    let dump = || state.reader().unwrap().dump(Extent::Everything).unwrap();
    let without_due = |text: &str| text.lines().filter(|line| !line.starts_with("\"ssm:")).count();
    let before = dump();
    let key = Key::task(crate::world::task_id(1).as_str());
    let case: Case = state.reader().unwrap().case_of(&key).unwrap().unwrap();
    let judgement = crate::world::judge(&case, &[], at(61));
    let mut state = state;
    let recorded = state.record_judgement(&case, &judgement, at(61)).unwrap();
    assert_eq!((recorded.accounts, recorded.findings, recorded.transitions), (0, 0, 0));
    let after = state.reader().unwrap().dump(Extent::Everything).unwrap();
    let differing: Vec<_> = before.lines().zip(after.lines()).filter(|(one, other)| one != other).collect();
    assert_eq!(differing.len(), 1, "{differing:?}");
    assert_eq!(without_due(&before), without_due(&after));
}

#[test]
fn of_several_readings_the_earliest_stands_and_all_evidence_is_kept() {
    let place = Place::new();
    let mut state = place.open();
    let fact = task(1, 100);
    for reading in [fact.clone(), again(fact.clone(), 50), again(fact.clone(), 300)] {
        state.commit(&batch(&[reading], 5)).unwrap();
    }
    let kept = state.reader().unwrap().facts(&[fact.id()]).unwrap().remove(0);
    assert_eq!(kept, again(fact, 50));
    state.purge(at(90_000), at(90_000)).unwrap();
    assert!(state.released().unwrap().is_empty(), "each reading's evidence is still rested on");
}
