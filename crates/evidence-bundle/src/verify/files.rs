//! Compares the files with the signed manifest.
//!
//! Owns names, lengths, hashes, the root, what is too much, and chained logs. Contents are streamed; a chained log alone is held.

use super::Check;
use super::place::Place;
use super::problem::Fault;
use crate::chain;
use crate::hash::{Sha256, copy_hashed};
use crate::manifest::{FileEntry, Manifest, WHAT_CHAIN};
use crate::names::{ANCHOR, MANIFEST, Names, OWN, folders};
use std::collections::BTreeSet;
use std::io::{self, Read as _};

impl Check<'_> {
    /// Checks all files; gives how many are as signed, and their bytes together.
    pub(super) fn files(&mut self, place: &Place, manifest: &Manifest) -> (u64, u64) {
        let (mut names, mut count, mut bytes) = (Names::default(), 0, 0);
        for entry in &manifest.files {
            if let Err(error) = names.take(&entry.path) {
                self.problems.add(&entry.path, Fault::Name(error));
            } else if let Err(fault) = self.file(place, entry, manifest.about.previous.chain_head.as_ref()) {
                self.problems.add(&entry.path, fault);
            } else {
                count += 1;
                bytes += entry.bytes;
            }
        }
        self.form(place, manifest);
        self.extra(place, manifest);
        (count, bytes)
    }

    fn file(&self, place: &Place, entry: &FileEntry, head: Option<&Sha256>) -> Result<(), Fault> {
        let found = *place.contents().files.get(&entry.path).ok_or(Fault::Missing)?;
        if found != entry.bytes {
            return Err(Fault::Length { signed: entry.bytes, found });
        }
        if entry.what != WHAT_CHAIN {
            return compare(place, entry, &mut io::sink());
        }
        let limit = self.options.limits.chain_bytes;
        if found > limit {
            return Err(Fault::TooLarge { found, limit });
        }
        let mut log = Vec::new();
        compare(place, entry, &mut log)?;
        let checked = chain::check_links(&log).map_err(Fault::Chain)?;
        if Some(&checked.head) == head { Ok(()) } else { Err(Fault::ChainHead) }
    }

    /// What the manifest says about its files as a whole.
    fn form(&mut self, place: &Place, manifest: &Manifest) {
        if manifest.computed_root() != manifest.merkle_root {
            self.problems.add(MANIFEST, Fault::WrongRoot);
        }
        if !manifest.files.is_sorted_by(|a, b| a.path < b.path) {
            self.problems.add(MANIFEST, Fault::Unordered);
        }
        if place.time().is_some_and(|time| time != manifest.about.created.as_second()) {
            let bundle = self.bundle.clone();
            self.problems.add(&bundle, Fault::Time);
        }
    }

    fn extra(&mut self, place: &Place, manifest: &Manifest) {
        let listed: BTreeSet<_> = manifest.files.iter().map(|file| file.path.as_str()).chain(OWN).collect();
        let above: BTreeSet<_> = manifest.files.iter().flat_map(|file| folders(&file.path)).collect();
        let contents = place.contents();
        let files = contents.files.keys().filter(|path| !listed.contains(path.as_str()));
        let empty = contents.folders.iter().filter(|path| !above.contains(path.as_str()));
        for path in files.chain(empty) {
            self.problems.add(path, Fault::Extra);
        }
    }

    /// Whether the bundle has either of the anchor's files.
    pub(super) fn has_anchor(place: &Place) -> bool {
        OWN.iter().skip_while(|own| **own != ANCHOR).any(|own| place.contents().files.contains_key(*own))
    }
}

fn compare(place: &Place, entry: &FileEntry, to: &mut dyn io::Write) -> Result<(), Fault> {
    let unreadable = |e: io::Error| Fault::Unreadable(e.to_string());
    // One byte more than signed shows a file that grew meanwhile, and ends the reading of one that never ends.
    let content = place.read(&entry.path).map_err(unreadable)?.take(entry.bytes.saturating_add(1));
    let (found, bytes) = copy_hashed(content, to).map_err(unreadable)?;
    match (found == entry.sha256, bytes == entry.bytes) {
        (true, true) => Ok(()),
        (_, false) => Err(Fault::Length { signed: entry.bytes, found: bytes }),
        (false, true) => Err(Fault::Changed { signed: entry.sha256, found }),
    }
}
