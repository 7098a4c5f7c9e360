//! One hash over many content hashes, and the proof that one of them is under it.
//!
//! The tree of RFC 6962 §2.1: a leaf is hashed after a byte 0, a node after a byte 1, so no node can pass for a leaf; the left
//! half holds the largest power of two of leaves. Pure: never reads a file.

use crate::hash::Sha256;
use serde::{Deserialize, Serialize};

const LEAF: u8 = 0;
const NODE: u8 = 1;

/// The way from one content hash up to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InclusionProof {
    /// Which leaf, from 0.
    pub index: u64,
    /// How many leaves the tree has.
    pub leaves: u64,
    /// The hashes beside the way, from the leaf upwards.
    pub path: Vec<Sha256>,
}

/// The root over content hashes in their order; that of an empty list is the SHA-256 of nothing (RFC 6962 §2.1).
pub fn root(contents: &[Sha256]) -> Sha256 {
    match contents {
        [] => Sha256::of(b""),
        [only] => leaf(only),
        several => {
            let (left, right) = several.split_at(left_half(several.len()));
            node(&root(left), &root(right))
        }
    }
}

/// Proves that the content at `index` is under the root; none when there is no such index.
pub fn prove(contents: &[Sha256], index: usize) -> Option<InclusionProof> {
    if index >= contents.len() {
        return None;
    }
    let (mut part, mut at, mut path) = (contents, index, Vec::new());
    while part.len() > 1 {
        let (left, right) = part.split_at(left_half(part.len()));
        if at < left.len() {
            path.push(root(right));
            part = left;
        } else {
            path.push(root(left));
            at -= left.len();
            part = right;
        }
    }
    path.reverse();
    Some(InclusionProof { index: index as u64, leaves: contents.len() as u64, path })
}

impl InclusionProof {
    /// Whether `content` is under `root` at this proof's index (the algorithm of RFC 9162 §2.1.3.2).
    pub fn holds(&self, root: &Sha256, content: &Sha256) -> bool {
        let Some(mut last) = self.leaves.checked_sub(1) else { return false };
        if self.index > last {
            return false;
        }
        let (mut at, mut hash) = (self.index, leaf(content));
        for beside in &self.path {
            if last == 0 {
                return false;
            }
            if at & 1 == 1 || at == last {
                hash = node(beside, &hash);
                while at & 1 == 0 && at != 0 {
                    at >>= 1;
                    last >>= 1;
                }
            } else {
                hash = node(&hash, beside);
            }
            at >>= 1;
            last >>= 1;
        }
        last == 0 && hash == *root
    }
}

/// The largest power of two below `count`, which is at least 2.
fn left_half(count: usize) -> usize {
    1 << (count - 1).ilog2()
}

fn leaf(content: &Sha256) -> Sha256 {
    let mut bytes = [LEAF; 33];
    bytes[1..].copy_from_slice(content.as_bytes());
    Sha256::of(&bytes)
}

fn node(left: &Sha256, right: &Sha256) -> Sha256 {
    let mut bytes = [NODE; 65];
    bytes[1..33].copy_from_slice(left.as_bytes());
    bytes[33..].copy_from_slice(right.as_bytes());
    Sha256::of(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contents(count: usize) -> Vec<Sha256> {
        (0..count).map(|n| Sha256::of(&n.to_be_bytes())).collect()
    }

    /// The tree built the other way round: level by level from the leaves, an odd last hash going up as it is.
    fn root_by_levels(contents: &[Sha256]) -> Sha256 {
        let mut level: Vec<_> = contents.iter().map(leaf).collect();
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| if let [a, b] = pair { node(a, b) } else { pair[0] }).collect();
        }
        level[0]
    }

    #[test]
    fn the_empty_tree_is_the_hash_of_nothing() {
        assert_eq!(root(&[]).to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn a_node_never_passes_for_a_leaf() {
        let two = contents(2);
        assert_ne!(root(&two), root(&[root(&two)]));
        assert_ne!(root(&two), root(&[two[1], two[0]]), "order counts");
    }

    #[test]
    fn there_is_no_proof_beyond_the_end() {
        assert_eq!(prove(&contents(3), 3), None);
        assert_eq!(prove(&[], 0), None);
        let none = InclusionProof { index: 0, leaves: 0, path: vec![] };
        assert!(!none.holds(&root(&[]), &Sha256::of(b"")));
    }

    proptest! {
        #[test]
        fn both_ways_to_build_the_tree_agree(count in 1..200_usize) {
            prop_assert_eq!(root(&contents(count)), root_by_levels(&contents(count)));
        }

        #[test]
        fn a_proof_holds_for_its_content_alone(count in 1..130_usize, pick in any::<prop::sample::Index>(), other in any::<prop::sample::Index>()) {
            let contents = contents(count);
            let (index, other) = (pick.index(count), other.index(count));
            let proof = prove(&contents, index).unwrap();
            prop_assert!(proof.holds(&root(&contents), &contents[index]));
            prop_assert_eq!(proof.holds(&root(&contents), &contents[other]), index == other);
        }

        #[test]
        fn a_changed_proof_does_not_hold(count in 2..130_usize, pick in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let contents = contents(count);
            let index = pick.index(count);
            let (root, proof) = (root(&contents), prove(&contents, index).unwrap());
            let mut changed = proof.clone();
            let at = place.index(proof.path.len());
            let mut bytes = *changed.path[at].as_bytes();
            bytes[usize::from(bit)] ^= 1 << bit;
            changed.path[at] = Sha256::from_bytes(bytes);
            prop_assert!(!changed.holds(&root, &contents[index]));
            let mut shorter = proof.clone();
            shorter.path.pop();
            prop_assert!(!shorter.holds(&root, &contents[index]));
            let mut longer = proof;
            longer.path.push(root);
            prop_assert!(!longer.holds(&root, &contents[index]));
        }
    }
}
