//! A server that answers as a test says, and what a reader of one source needs beside it.

use super::haul::Ledger;
use audit_facts::{Coverage, Fact, Source};
use audit_state::State;
use aws_credential_types::Credentials;
use aws_identity::Settings;
use aws_reading::{Endpoints, Reader, ReaderOptions, Service};
use evidence_bundle::store::MemoryStore;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request: its first line, and its body as JSON.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) body: Value,
}

/// Serves answers, each a status and a body; gives the address.
pub(crate) async fn serve(answer: impl Fn(&Asked) -> (u16, Vec<u8>) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (status, body) = answer(&read(&mut stream).await);
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&body).await;
        }
    });
    url
}

async fn read(stream: &mut TcpStream) -> Asked {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let fits = |line: &&str| line.to_ascii_lowercase().starts_with(name);
                head.lines().find(fits).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
            };
            if body.len() >= header("content-length").map_or(0, |length| length.parse().unwrap()) {
                let line = head.lines().next().unwrap_or_default().to_owned();
                return Asked { line, body: serde_json::from_str(body).unwrap_or_default() };
            }
        }
        let length = stream.read(&mut chunk).await.unwrap();
        bytes.extend_from_slice(&chunk[..length]);
    }
}

/// A reader of AWS at a server.
pub(crate) async fn aws(url: &str) -> Reader {
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    let settings = Settings { region: Some("us-east-2".to_owned()), credentials: Some(credentials), ..Settings::default() };
    let configured = Service::ALL.into_iter().map(|service| (service, url.to_owned())).collect();
    let endpoints = Some(Endpoints { configured, ..Endpoints::default() });
    let options = ReaderOptions { endpoints, rates: BTreeMap::new(), ..ReaderOptions::default() };
    Reader::new(&aws_identity::load(&settings).await.unwrap(), options).unwrap()
}

/// A state and an evidence store of its own.
pub(crate) struct Desk {
    pub(crate) state: State,
    pub(crate) evidence: MemoryStore,
    _folder: tempfile::TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state.sqlite")).unwrap();
        Self { state, evidence: MemoryStore::default(), _folder: folder }
    }

    pub(crate) fn ledger(&mut self) -> Ledger<'_> {
        Ledger { state: &mut self.state, evidence: &self.evidence }
    }

    pub(crate) fn facts(&self, kind: &str) -> Vec<Fact> {
        self.state.reader().unwrap().facts_of_kinds(&[kind]).unwrap()
    }

    pub(crate) fn coverage(&self, source: Source) -> Vec<Coverage> {
        let all = self.state.reader().unwrap().coverage(Timestamp::MIN, Timestamp::MAX).unwrap();
        all.into_iter().filter(|window| window.source == source).collect()
    }
}
