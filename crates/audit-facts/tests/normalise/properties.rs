//! What holds for any input: no panic, and no meaning in the order or the number of copies.

use crate::sources::{SAMPLES, Sample};
use audit_facts::Body;
use proptest::prelude::*;
use serde_json::{Map, Number, Value};
use std::collections::BTreeSet;

/// Names that the sources use, so that arbitrary values get past the first look.
const NAMES: [&str; 36] = [
    "items",
    "Records",
    "Events",
    "Sessions",
    "tasks",
    "clusters",
    "logGroups",
    "trailList",
    "failures",
    "id",
    "states",
    "status",
    "connections",
    "specversion",
    "type",
    "data",
    "request_info",
    "method",
    "path",
    "details",
    "event",
    "message",
    "eventSource",
    "eventName",
    "requestParameters",
    "responseElements",
    "userIdentity",
    "CloudTrailEvent",
    "Target",
    "taskArn",
    "tags",
    "prev_sha256",
    "record",
    "kind",
    "start_time",
    "close_request_data",
];

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(NAMES.to_vec()).prop_map(str::to_owned),
        proptest::sample::select(vec![
            "audit",
            "POST",
            "ecs.amazonaws.com",
            "ExecuteCommand",
            "ecs:a_b_c",
            "s_1234567890",
            "1e400"
        ])
        .prop_map(str::to_owned),
        ".{0,12}",
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Number(number.into())),
        any::<f64>().prop_map(|number| Number::from_f64(number).map_or(Value::Null, Value::Number)),
        words().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        let pairs = proptest::collection::vec((words(), inner.clone()), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..6).prop_map(Value::Array),
            pairs.prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn ids(sample: &Sample, raw: &[u8]) -> BTreeSet<String> {
    sample.read(raw).0.iter().map(audit_facts::Fact::id).collect()
}

/// The file with its records in another order, and some of them twice.
fn shuffled(sample: &Sample, order: &[prop::sample::Index]) -> Vec<u8> {
    let raw = sample.raw();
    let again = |len: usize| {
        let mut places: Vec<usize> = (0..len).collect();
        for (at, to) in order.iter().enumerate().take(len) {
            places.swap(at, to.index(len));
        }
        places.extend(order.iter().take(3).map(|to| to.index(len)));
        places
    };
    if sample.is_lines {
        let lines: Vec<&[u8]> = raw.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
        return again(lines.len()).into_iter().flat_map(|at| [lines[at], b"\n"].concat()).collect();
    }
    let mut page: Value = serde_json::from_slice(&raw).unwrap();
    let items = page[sample.list].as_array().unwrap().clone();
    page[sample.list] = again(items.len()).into_iter().map(|at| items[at].clone()).collect();
    serde_json::to_vec(&page).unwrap()
}

proptest! {
    // Each case reads the whole corpus.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_json_is_a_panic(value in json()) {
        for sample in SAMPLES {
            sample.read(&serde_json::to_vec(&value).unwrap());
        }
    }

    #[test]
    fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for sample in SAMPLES {
            let (facts, unreadable) = sample.read(&bytes);
            // Of a journal that it is none is a fact.
            prop_assert!(facts.iter().all(|fact| matches!(fact.body, Body::ChainBreak(_))));
            prop_assert!(sample.is_lines || !unreadable.is_empty());
        }
    }

    #[test]
    fn a_grafted_value_is_no_panic(value in json(), at in any::<prop::sample::Index>()) {
        for sample in SAMPLES.iter().filter(|sample| !sample.list.is_empty()) {
            let mut page: Value = serde_json::from_slice(&sample.raw()).unwrap();
            let items = page[sample.list].as_array_mut().unwrap();
            let record = at.index(items.len());
            if let Some(fields) = items[record].as_object_mut() {
                let name = at.get(&fields.keys().cloned().collect::<Vec<_>>()).clone();
                fields.insert(name, value.clone());
            }
            sample.read(&serde_json::to_vec(&page).unwrap());
        }
    }

    #[test]
    fn order_and_copies_do_not_matter(order in proptest::collection::vec(any::<prop::sample::Index>(), 4..40)) {
        let in_chains = ["links.jsonl", "sync.jsonl"];
        for sample in SAMPLES.iter().filter(|sample| sample.is_lines || !sample.list.is_empty()) {
            if !in_chains.contains(&sample.file) {
                prop_assert_eq!(ids(sample, &sample.raw()), ids(sample, &shuffled(sample, &order)), "{}", sample.file);
            }
        }
    }

    #[test]
    fn a_shuffled_journal_keeps_its_facts_and_shows_its_breaks(order in proptest::collection::vec(any::<prop::sample::Index>(), 4..40)) {
        for sample in [Sample::of("links.jsonl"), Sample::of("sync.jsonl")] {
            let is_break = |fact: &audit_facts::Fact| matches!(fact.body, audit_facts::Body::ChainBreak(_));
            let (facts, unreadable) = sample.read(&shuffled(&sample, &order));
            prop_assert!(unreadable.is_empty());
            prop_assert!(facts.iter().any(is_break), "three lines stand twice");
            let rest: BTreeSet<String> = facts.iter().filter(|fact| !is_break(fact)).map(audit_facts::Fact::id).collect();
            prop_assert_eq!(rest, ids(&sample, &sample.raw()));
        }
    }
}
