//! Checks who else saw the bundle.
//!
//! Owns the reading of the anchor: it must be signed by the bundle's maker and be for this bundle; a second key's signature is
//! proved here, a place in S3 can only be named.

use super::Check;
use super::place::Place;
use super::problem::Fault;
use super::report::Anchorage;
use crate::anchor::{Anchor, AnchorError, AnchorFile, Countersigned, Statement};
use crate::keys::{KeyId, Purpose};
use crate::names::{ANCHOR, ANCHOR_SIGNATURE};

impl Check<'_> {
    pub(super) fn anchorage(&mut self, place: &Place, statement: &Statement) -> Anchorage {
        let anchorage = self.found(place, statement);
        if self.options.require_anchor && !self.suffices(&anchorage) {
            let bundle = self.bundle.clone();
            let keys: Vec<_> = self.options.anchor_keys.iter().map(|key| key.id().clone()).collect();
            self.problems.add(&bundle, if keys.is_empty() { Fault::NoAnchor } else { Fault::NotCountersigned(keys) });
        }
        anchorage
    }

    /// Whether that is the anchor which was asked for: who gives keys wants the word of one of them.
    fn suffices(&self, anchorage: &Anchorage) -> bool {
        match anchorage {
            Anchorage::Unanchored => false,
            Anchorage::Claimed(_) => self.options.anchor_keys.is_empty(),
            Anchorage::Anchored { .. } => true,
        }
    }

    fn found(&mut self, place: &Place, statement: &Statement) -> Anchorage {
        if !Self::has_anchor(place) {
            return Anchorage::Unanchored;
        }
        let Some(file) = self.anchor_file(place) else { return Anchorage::Unanchored };
        if file.statement != *statement {
            self.problems.add(ANCHOR, Fault::OtherAnchor);
            return Anchorage::Unanchored;
        }
        let (mut by, mut claimed) = (Vec::new(), Vec::new());
        for anchor in file.anchors {
            match &anchor {
                Anchor::ObjectLock { .. } => claimed.push(anchor),
                Anchor::Countersignature { key_id, signature } => match self.countersigned(statement, key_id, signature) {
                    Countersigned::Holds => by.push(key_id.clone()),
                    Countersigned::KeyNotGiven => claimed.push(anchor),
                    Countersigned::Broken => {}
                },
            }
        }
        match (by.is_empty(), claimed.is_empty()) {
            (true, true) => Anchorage::Unanchored,
            (true, false) => Anchorage::Claimed(claimed),
            (false, _) => Anchorage::Anchored { by, claimed },
        }
    }

    fn anchor_file(&mut self, place: &Place) -> Option<AnchorFile> {
        let bytes = self.small(place, ANCHOR, self.options.limits.manifest_bytes)?;
        if !self.is_signed(place, (ANCHOR, ANCHOR_SIGNATURE), Purpose::Anchor, &bytes) {
            return None;
        }
        match AnchorFile::parse(&bytes) {
            Ok(file) => Some(file),
            Err(AnchorError::Newer(version)) => {
                self.problems.add(ANCHOR, Fault::NewerFormat(version));
                None
            }
            Err(e @ AnchorError::Json(_)) => {
                self.malformed(ANCHOR, &e);
                None
            }
        }
    }

    fn countersigned(&mut self, statement: &Statement, key_id: &KeyId, signature: &str) -> Countersigned {
        if key_id == self.key.id() {
            self.problems.add(ANCHOR, Fault::OwnCountersignature);
            return Countersigned::Broken;
        }
        let countersigned = statement.check(key_id, signature, &self.options.anchor_keys);
        if countersigned == Countersigned::Broken {
            self.problems.add(ANCHOR, Fault::BadCountersignature(key_id.clone()));
        }
        countersigned
    }
}
