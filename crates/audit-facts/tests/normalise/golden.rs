//! The facts of each file of the corpus, reviewed as a diff.
//!
//! `UPDATE_CORPUS=1 cargo test -p audit-facts --test normalise` writes them anew; a change of them is a change of what the
//! sources are taken to say.

use crate::sources::{SAMPLES, Sample, corpus};
use serde_json::{Value, json};

fn shown(sample: &Sample) -> String {
    let (facts, unreadable) = sample.read(&sample.raw());
    let fact = |fact: &audit_facts::Fact| {
        let keys: Vec<Value> = fact.keys().iter().map(|key| json!(key.as_str())).collect();
        json!({"id": fact.id(), "keys": keys, "body": fact.body})
    };
    let unreadable: Vec<String> = unreadable.iter().map(ToString::to_string).collect();
    let all = json!({"facts": facts.iter().map(fact).collect::<Vec<_>>(), "unreadable": unreadable});
    serde_json::to_string_pretty(&all).unwrap() + "\n"
}

#[test]
fn the_corpus_gives_these_facts() {
    let mut wrong = Vec::new();
    for sample in SAMPLES {
        let golden = corpus(&format!("{}.facts", sample.file));
        let shown = shown(&sample);
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            std::fs::write(&golden, &shown).unwrap();
        }
        if std::fs::read_to_string(&golden).unwrap_or_default() != shown {
            wrong.push(sample.file);
        }
    }
    assert!(wrong.is_empty(), "other facts than the golden files have: {wrong:?}");
}

#[test]
fn every_fact_of_the_corpus_comes_back_from_its_json() {
    for sample in SAMPLES {
        for fact in sample.read(&sample.raw()).0 {
            let text = serde_json::to_string(&fact).unwrap();
            let back: audit_facts::Fact = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(back, fact);
        }
    }
}
