//! A bundle for the tests: small, with each kind of file, the same every time but for its key.

use crate::bundle::{FileSpec, Sealed, Writer};
use crate::chain::{Commit, Entry, Log};
use crate::hash::Sha256;
use crate::keys::SigningKey;
use crate::manifest::{About, Period, Previous, Redaction, Tool, WHAT_CHAIN};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A folder with a key and room for bundles.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    pub(crate) key: SigningKey,
    log: Vec<u8>,
    head: Sha256,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::create(&folder.path().join("key")).unwrap();
        let log_path = folder.path().join("log.jsonl");
        let contents = [Sha256::of(b"one"), Sha256::of(b"two")].into();
        let commit = Entry::Commit(Commit::new("2026-03-31T23:00:00Z".parse().unwrap(), &contents));
        let head = Log::open(&log_path).unwrap().append(&[commit.clone(), commit]).unwrap().unwrap();
        Self { key, log: std::fs::read(log_path).unwrap(), head, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A second key, in its own file.
    pub(crate) fn other_key(&self, name: &str) -> SigningKey {
        SigningKey::create(&self.path(name)).unwrap()
    }

    pub(crate) fn sealed(&self, path: &Path) -> Sealed {
        self.filled(path).seal(self.about(), &self.key).unwrap()
    }

    /// A published bundle without an anchor.
    pub(crate) fn bundle(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        self.sealed(&path).publish().unwrap();
        path
    }

    /// The files are added in no order.
    pub(crate) fn filled(&self, path: &Path) -> Writer {
        let mut writer = Writer::begin(path).unwrap();
        let csv = FileSpec { path: "tables/sessions.csv", what: "table", media_type: "text/csv" };
        writer.add(csv, &b"\"id\"\r\n\"s_1\"\r\n"[..]).unwrap();
        let chain = FileSpec { path: "findings.jsonl", what: WHAT_CHAIN, media_type: "application/jsonl" };
        writer.add(chain, &self.log[..]).unwrap();
        let report = FileSpec { path: "report.html", what: "report", media_type: "text/html" };
        writer.add(report, &vec![b'x'; 512][..]).unwrap();
        let empty = FileSpec { path: "tables/empty.jsonl", what: "table", media_type: "application/jsonl" };
        writer.add(empty, &b""[..]).unwrap();
        writer
    }

    pub(crate) fn about(&self) -> About {
        About {
            created: "2026-04-01T06:00:00Z".parse().unwrap(),
            period: Period { from: "2026-01-01T00:00:00Z".parse().unwrap(), to: "2026-04-01T00:00:00Z".parse().unwrap() },
            tool: Tool { name: "audit-bridge".to_owned(), version: "0.1.0".to_owned() },
            config_sha256: Sha256::of(b"config"),
            coverage: serde_json::json!({"cloudtrail": "proved", "boundary": "best_effort"}),
            previous: Previous { chain_head: Some(self.head), anchored_root: None },
            redaction: Redaction { rules_version: "1".to_owned(), counts: BTreeMap::from([("aws-key".to_owned(), 2)]) },
        }
    }
}
