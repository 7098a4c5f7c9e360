//! The generator itself: reproducible, complete in its labels, true to the bounds of the real systems.

use audit_facts::{Body, Fact};
use audit_world::{Shape, World, oracle};
use correlation::Code;
use std::collections::{BTreeMap, BTreeSet};

const SEEDS: std::ops::RangeInclusive<u64> = 1..=3;

#[test]
fn a_seed_gives_one_world() {
    let shape = Shape { sessions: 200, scenes: 3, ..Shape::default() };
    let (one, same, other) = (World::generate(1, &shape), World::generate(1, &shape), World::generate(2, &shape));
    assert_eq!(one.facts, same.facts);
    assert_eq!(one.coverage, same.coverage);
    assert_eq!((one.policy, one.now), (same.policy, same.now));
    assert_eq!(one.truth.findings, same.truth.findings);
    assert_eq!(one.truth.links, same.truth.links);
    assert_ne!(one.facts, other.facts);
}

#[test]
fn every_code_has_its_positives_and_near_misses() {
    for seed in SEEDS {
        let truth = World::generate(seed, &Shape::default()).truth;
        assert!(truth.links.len() >= 1000, "{}", truth.links.len());
        for code in Code::ALL {
            let (positives, negatives) = (truth.positives(*code), truth.negatives(*code));
            assert!(positives >= 20 && negatives >= 20, "seed {seed}: {code} has {positives} positives, {negatives} near misses");
        }
    }
}

#[test]
fn no_label_contradicts_another() {
    for seed in SEEDS {
        let truth = World::generate(seed, &Shape::default()).truth;
        let innocent: BTreeSet<_> = truth.near_misses.iter().map(|it| (it.code, it.subject.clone())).collect();
        assert_eq!(innocent.len(), truth.near_misses.len(), "seed {seed}: the same near miss twice");
        let both: Vec<_> = innocent.intersection(&truth.findings).collect();
        assert!(both.is_empty(), "seed {seed}: both expected and innocent: {both:?}");
        let excused: Vec<_> = truth.tolerated.intersection(&innocent).collect();
        assert!(excused.is_empty(), "seed {seed}: innocent and tolerated: {excused:?}");
    }
}

/// What ordinary worlds, without attackers, hold true.
#[test]
fn an_ordinary_world_keeps_the_bounds() {
    let world = World::generate(4, &Shape { scenes: 0, ..Shape::default() });
    let mut bytes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut shown: BTreeMap<&str, u64> = BTreeMap::new();
    for fact in &world.facts {
        assert!(fact.observed_at <= world.now);
        match &fact.body {
            Body::BoundarySession(it) => {
                assert!(
                    it.created <= it.active_from.or(it.created) && it.active_from.or(it.created) <= it.ended.or(it.expiration)
                );
                bytes.extend(it.bytes_down().filter(|_| it.is_final()).map(|down| (it.id.as_str(), down)));
            }
            Body::LinkEnd(it) => {
                let id = it.boundary_session_id.as_ref().unwrap().as_str();
                *shown.entry(id).or_default() += 6000 + it.bytes_out + 120 * it.bytes_out.div_ceil(1024);
            }
            Body::SsmSession(it) => assert!(it.ended.is_none_or(|ended| Some(ended) > it.started)),
            Body::Execution(it) => assert_eq!(it.at.subsec_nanosecond(), 0, "CloudTrail has whole seconds"),
            Body::Transcript(it) => assert!(it.first_uploaded <= it.last_uploaded && it.last_uploaded <= it.last_ingested),
            _ => {}
        }
    }
    assert!(shown.len() > 800);
    for (id, least) in shown {
        assert!(bytes.get(id).is_none_or(|down| *down >= least), "{id}: {:?} < {least}", bytes.get(id));
    }
}

#[test]
fn facts_of_a_log_come_after_the_end() {
    let world = World::generate(5, &Shape { scenes: 0, ..Shape::default() });
    let ends: BTreeMap<String, _> = world
        .facts
        .iter()
        .filter_map(|fact| match &fact.body {
            Body::SsmSession(it) => Some((it.ssm_session_id.to_string(), it.ended?)),
            _ => None,
        })
        .collect();
    let uploads = world.facts.iter().filter_map(|fact| match &fact.body {
        Body::Transcript(it) => Some((it.ssm_session_id.as_ref()?.to_string(), it.first_uploaded?)),
        _ => None,
    });
    let mut count = 0;
    for (id, uploaded) in uploads {
        count += 1;
        assert!(ends[&id] < uploaded);
    }
    assert!(count > 900);
}

#[test]
fn the_oracle_finds_what_can_be_found() {
    for (shape, least) in [(Shape::unplanted(), 0.9), (Shape::trail_only(), 0.9)] {
        for seed in SEEDS {
            let world = World::generate(seed, &shape);
            assert!(!world.facts.iter().any(|fact| matches!(fact.body, Body::LinkStart(_) | Body::LinkEnd(_))));
            let (precision, recall) = oracle::precision_recall(&world);
            println!("oracle, {:?}, seed {seed}: precision {precision:.4}, recall {recall:.4}", shape.keys);
            assert!(precision >= least && recall >= least, "{precision} {recall}");
        }
    }
}

#[test]
fn a_stream_has_as_much_as_it_was_asked_for() {
    let is_shell = |fact: &&Fact| matches!(fact.body, Body::SsmSession(_));
    let (mut shells, mut facts, mut largest) = (0, 0, 0);
    for part in audit_world::Huge::new(1, &Shape::huge(2000)) {
        shells += part.iter().filter(is_shell).count();
        facts += part.len();
        largest = largest.max(part.len());
    }
    assert!((2000..2400).contains(&shells), "{shells}");
    assert!((9..=18).contains(&(facts / shells)), "{} facts a session", facts / shells);
    assert!(largest < 400, "{largest} facts at a time");
}
