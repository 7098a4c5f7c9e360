//! Which facts belong together: those that share a key, directly or through others.
//!
//! Owns the partition into cases. A case can be judged without any other.

use audit_facts::Fact;
use std::collections::HashMap;

/// Puts facts into cases: lists of positions. The order of cases and within them is that of the facts.
///
/// Facts without a key belong to no case: they are about places and people.
pub fn partition(facts: &[Fact]) -> Vec<Vec<usize>> {
    let mut first_of_key = HashMap::new();
    let mut groups = Groups::new(facts.len());
    let mut keyed = vec![false; facts.len()];
    for (at, fact) in facts.iter().enumerate() {
        for key in fact.keys() {
            keyed[at] = true;
            let first = *first_of_key.entry(key).or_insert(at);
            groups.join(first, at);
        }
    }
    let mut cases: Vec<Vec<usize>> = Vec::new();
    let mut case_of_root = HashMap::new();
    for at in (0..facts.len()).filter(|at| keyed[*at]) {
        let root = groups.root(at);
        let case = *case_of_root.entry(root).or_insert_with(|| {
            cases.push(Vec::new());
            cases.len() - 1
        });
        cases[case].push(at);
    }
    cases
}

/// Disjoint sets of positions.
struct Groups {
    parents: Vec<usize>,
}

impl Groups {
    fn new(count: usize) -> Self {
        Self { parents: (0..count).collect() }
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parents[at] != at {
            self.parents[at] = self.parents[self.parents[at]];
            at = self.parents[at];
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        // The smaller position leads, so that the result does not depend on the order of joins.
        let (low, high) = (one.min(other), one.max(other));
        self.parents[high] = low;
    }
}
