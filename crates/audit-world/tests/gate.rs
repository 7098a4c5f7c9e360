//! The correlator against worlds in which the truth is known.
//!
//! Fixed seeds must hold their floors; fresh seeds, asked for by `AUDIT_WORLD_SEEDS=FROM..TO`, only report.

use audit_facts::Grade;
use audit_world::{Expected, Score, Shape, World, oracle, score};
use correlation::{Assurance, Code, Outcome, Severity, State, judge_all};
use jiff::SignedDuration;
use std::collections::BTreeSet;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=3;
const LINK_PRECISION: f64 = 0.999;
const LINK_RECALL: f64 = 0.998;
const CODE_PRECISION: f64 = 0.98;
const CODE_RECALL: f64 = 0.95;
/// How far below the oracle links without keys may be.
const BELOW_ORACLE: f64 = 0.01;

fn judge(world: &World) -> Outcome {
    judge_all(&world.facts, &world.coverage, &world.policy, world.now)
}

fn scored(world: &World) -> Score {
    let outcome = judge(world);
    score(world, &outcome.accounts, &outcome.findings)
}

/// Shortfalls, in words; and what lies behind them.
fn shortfalls(seed: u64, score: &Score) -> Vec<String> {
    let mut found = Vec::new();
    let (precision, recall) = score.links.rates();
    if precision < LINK_PRECISION || recall < LINK_RECALL {
        found.push(format!(
            "seed {seed}: links {precision:.4} {recall:.4}: {:?}",
            &score.wrong_links[..score.wrong_links.len().min(5)]
        ));
    }
    if !score.believed_claims.is_empty() {
        found.push(format!("seed {seed}: claims taken for more: {:?}", score.believed_claims));
    }
    for (code, it) in &score.codes {
        let is_critical = code.severity() == Severity::Critical;
        let (least_precision, least_recall) = if is_critical { (1.0, 1.0) } else { (CODE_PRECISION, CODE_RECALL) };
        if it.precision() < least_precision || it.recall() < least_recall {
            let (wrong, missed) = (&it.wrong[..it.wrong.len().min(4)], &it.missed[..it.missed.len().min(4)]);
            found.push(format!(
                "seed {seed}: {code} precision {:.3}, recall {:.3}; wrong {} {wrong:?}; missed {} {missed:?}",
                it.precision(),
                it.recall(),
                it.wrong.len(),
                it.missed.len()
            ));
        }
    }
    found
}

#[test]
fn fixed_seeds_hold_their_floors() {
    let mut found = Vec::new();
    for seed in SEEDS {
        let score = scored(&World::generate(seed, &Shape::default()));
        println!("seed {seed}\n{score}");
        found.extend(shortfalls(seed, &score));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn without_keys_links_are_about_as_good_as_can_be() {
    let mut found = Vec::new();
    for shape in [Shape::unplanted(), Shape::trail_only()] {
        for seed in SEEDS {
            let world = World::generate(seed, &shape);
            let score = scored(&world);
            let (best, ours) = (oracle::precision_recall(&world), score.links.rates());
            println!("{:?}, seed {seed}: ours {ours:.4?}, oracle {best:.4?}", shape.keys);
            if ours.0 < best.0 - BELOW_ORACLE || ours.1 < best.1 - BELOW_ORACLE {
                let sample = &score.wrong_links[..score.wrong_links.len().min(5)];
                found.push(format!("{:?}, seed {seed}: {ours:.4?} against {best:.4?}: {sample:?}", shape.keys));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn order_and_repeats_of_facts_do_not_matter() {
    let world = World::generate(1, &Shape { sessions: 150, scenes: 1, ..Shape::default() });
    let expected = judge(&world);
    let mut rng = audit_world::rng::Rng::new(9);
    let mut other = world.clone();
    for at in (1..other.facts.len()).rev() {
        let with = rng.below(at + 1);
        other.facts.swap(at, with);
    }
    let repeated: Vec<_> = other.facts.iter().step_by(7).cloned().collect();
    other.facts.extend(repeated);
    other.coverage.reverse();
    let judged = judge(&other);
    assert_eq!(judged.findings, expected.findings);
    assert_eq!(judged.accounts, expected.accounts);
}

#[test]
fn fresh_seeds_only_report() {
    let Some(range) = std::env::var("AUDIT_WORLD_SEEDS").ok() else {
        eprintln!("skipped: AUDIT_WORLD_SEEDS=FROM..TO asks for fresh seeds");
        return;
    };
    let (from, to) = range.split_once("..").expect("FROM..TO");
    for seed in from.parse().expect("a number")..to.parse().expect("a number") {
        let score = scored(&World::generate(seed, &Shape::default()));
        println!("seed {seed}\n{score}{}", shortfalls(seed, &score).join("\n"));
    }
}

/// Prints what is known of a subject: `AUDIT_WORLD_EXPLAIN=SEED:ID` with an id as it stands in the facts.
#[test]
fn a_subject_is_explained() {
    let Some(asked) = std::env::var("AUDIT_WORLD_EXPLAIN").ok() else {
        eprintln!("skipped: AUDIT_WORLD_EXPLAIN=SEED:ID asks for a subject");
        return;
    };
    let (seed, id) = asked.split_once(':').expect("SEED:ID");
    let world = World::generate(seed.parse().expect("a number"), &Shape::default());
    let judged = judge(&world);
    let bodies = world.facts.iter().map(|fact| format!("{} {:?}", fact.source, fact.body));
    let findings = judged.findings.iter().map(|it| format!("{} {:?} {:?} {}", it.code, it.state, it.subject, it.text));
    let accounts = judged.accounts.iter().map(|it| format!("{it:?}"));
    for line in bodies.chain(findings).chain(accounts).filter(|line| line.contains(id)) {
        println!("{line}");
    }
}

#[test]
fn every_code_is_scored() {
    let score = scored(&World::generate(1, &Shape { sessions: 50, scenes: 1, ..Shape::default() }));
    assert_eq!(score.codes.len(), Code::ALL.len());
}

#[test]
fn whoever_changes_one_fact_is_seen() {
    let world = World::generate(1, &Shape::default());
    let mut found = Vec::new();
    let mut count = 0;
    for mutation in audit_world::mutations(&world) {
        count += 1;
        let before = judge_all(&mutation.before, &world.coverage, &world.policy, world.now);
        let after = judge_all(&mutation.facts, &mutation.coverage, &world.policy, world.now);
        if let Some(why) = unmet(&mutation.expected, &before, &after) {
            found.push(format!("{} ({}): {why}", mutation.name, mutation.source));
        }
    }
    assert!(count >= 100, "{count} mutations");
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Why an expectation is not met; none when it is.
fn unmet(expected: &Expected, before: &Outcome, after: &Outcome) -> Option<String> {
    let raised = |outcome: &Outcome| -> BTreeSet<(Code, String)> {
        let standing = outcome.findings.iter().filter(|it| it.state != State::Resolved);
        standing.map(|it| (it.code, it.subject.text())).collect()
    };
    let (old, new) = (raised(before), raised(after));
    let added: Vec<_> = new.difference(&old).collect();
    let is_met = match expected {
        Expected::Raised(code, subject) => {
            let key = (*code, subject.clone());
            new.contains(&key) && !old.contains(&key)
        }
        Expected::NotRaised(code, subject) => !new.contains(&(*code, subject.clone())),
        Expected::Unchanged => before == after,
        Expected::NothingNew => added.is_empty(),
    };
    (!is_met).then(|| format!("expected {expected:?}, new are {added:?}"))
}

#[test]
fn where_everything_was_read_nothing_is_unknown() {
    let world = World::generate(4, &Shape::default());
    let first = world.coverage.iter().map(|window| window.from).min().expect("windows");
    // Every scope that a source has, from before the first to after the last moment.
    let mut coverage = world.coverage.clone();
    for window in &mut coverage {
        window.from = first - SignedDuration::from_hours(24 * 60);
        window.to = world.now + SignedDuration::from_hours(1);
        (window.grade, window.lack) = (Grade::Proved, None);
    }
    let outcome = judge_all(&world.facts, &coverage, &world.policy, world.now);
    let unknown: Vec<&str> =
        outcome.accounts.iter().filter(|it| it.assurance == Assurance::Unknown).map(|it| it.id.as_str()).collect();
    assert!(unknown.is_empty(), "{} of {}: {:?}", unknown.len(), outcome.accounts.len(), &unknown[..unknown.len().min(5)]);
}
