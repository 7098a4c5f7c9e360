//! GetObject and HeadObject: an object's bytes go to where they are kept, at most so many, and nowhere else.
//!
//! ```text
//! GetObject ─► bytes ─► sink            the end: length and checksum must fit
//!                └ broken off ─► GetObject of the rest, if the object is the same ─► …
//! ```

use super::{Answered, Draft, ObjectFacts, ObjectRef};
use crate::asking::Asking;
use crate::error::ReadError;
use crate::exchange::Next;
use crate::page::Question;
use crate::reader::Reader;
use crate::signed::{Incoming, SignedError};
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

const GET: &str = "s3:GetObject";

/// A part of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte, counted from 0.
    pub first: u64,
    /// The last byte; else the object's last.
    pub last: Option<u64>,
}

/// An object's bytes, now in the sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched {
    /// What the headers said.
    pub facts: ObjectFacts,
    /// The bytes that were written.
    pub bytes: u64,
    /// The SHA-256 of the bytes that were written.
    pub sha256: [u8; 32],
    /// What was asked.
    pub request: Question,
    /// When the last byte was there, by this machine's clock.
    pub at: Timestamp,
}

impl Reader {
    /// Asks what is known of an object without its bytes; the answer's page has headers only.
    ///
    /// The checksum of an object that KMS encrypts needs `kms:Decrypt`.
    ///
    /// # Errors
    /// Why there is no answer. S3 gives no reasons here: who may not list a bucket is denied also what is not there.
    pub async fn head_object(&self, object: &ObjectRef) -> Result<Answered<ObjectFacts>, ReadError> {
        let mut draft = Draft::of_object("s3:HeadObject", permission(object), "HEAD", object);
        draft.header("x-amz-checksum-mode", "ChecksumMode", "ENABLED");
        let asking = draft.asking();
        let page = self.page(&asking).await?;
        Ok(Answered { facts: ObjectFacts::of(page.headers.clone()), page })
    }

    /// Writes an object's bytes, or a part of them, to a sink, byte for byte as they are kept.
    ///
    /// What breaks off is gone on with where it broke off, if the object is still the same. After an error, and after dropping the
    /// future, the sink may hold any part of the bytes.
    ///
    /// # Errors
    /// Why not all of it is there; [`ReadError::TooLarge`] beyond `max` bytes; [`ReadError::Unexpected`] where length or SHA-256
    /// are not what the headers said.
    pub async fn get_object(
        &self,
        object: &ObjectRef,
        range: Option<ByteRange>,
        sink: &mut (impl AsyncWrite + Unpin),
        max: u64,
    ) -> Result<Fetched, ReadError> {
        let asked = asking(object, range, None);
        let mut exchange = self.exchange(&asked);
        let mut incoming = self.begin(&asked, &mut exchange).await?;
        let mut load = Load::new(ObjectFacts::read(incoming.headers()), range, incoming.status(), max)?;
        let request = asked.question(exchange.region());
        while let Poured::Broken(error) = load.pour(&mut incoming, sink).await? {
            match (exchange.handle_silence(GET, error, self.roll()), load.facts.etag.as_deref()) {
                (Next::Send(pause), Some(etag)) => {
                    tokio::time::sleep(pause).await;
                    incoming = self.begin(&asking(object, Some(load.rest()), Some(etag)), &mut exchange).await?;
                }
                (Next::Fail(error), _) => return Err(error),
                _ => return Err(ReadError::unexpected(GET, "the answer broke off, and what is the rest cannot be known")),
            }
            load.check_rest(&incoming)?;
        }
        sink.flush().await.map_err(ReadError::Sink)?;
        load.end(request)
    }
}

fn permission(object: &ObjectRef) -> &'static str {
    if object.version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" }
}

fn asking(object: &ObjectRef, range: Option<ByteRange>, etag: Option<&str>) -> Asking {
    let mut draft = Draft::of_object(GET, permission(object), "GET", object);
    draft.header("x-amz-checksum-mode", "ChecksumMode", "ENABLED");
    if let Some(ByteRange { first, last }) = range {
        let last = last.map(|last| last.to_string()).unwrap_or_default();
        draft.header("range", "Range", &format!("bytes={first}-{last}"));
    }
    if let Some(etag) = etag {
        draft.header("if-match", "IfMatch", &format!("\"{etag}\""));
    }
    draft.asking()
}

/// How a body went.
enum Poured {
    All,
    Broken(SignedError),
}

/// Bytes on their way to a sink.
struct Load {
    facts: ObjectFacts,
    /// The first byte that was asked for, and the last that there is of it; unknown of answers that do not say their length.
    first: u64,
    last: Option<u64>,
    is_whole: bool,
    got: u64,
    max: u64,
    hash: Context,
}

impl Load {
    /// Begins with an answer's head.
    fn new(facts: ObjectFacts, range: Option<ByteRange>, status: u16, max: u64) -> Result<Self, ReadError> {
        let odd = || ReadError::unexpected(GET, "the answer is another part of the object");
        let span = facts.span();
        let first = match (range, status, span) {
            (None, 200, _) => 0,
            (Some(range), 206, Some(span)) if span.first == range.first => span.first,
            _ => return Err(odd()),
        };
        let last = span.map(|span| span.last).or(facts.size.and_then(|size| size.checked_sub(1)));
        let length = span.map_or(facts.size, |span| Some(span.last - span.first + 1));
        if length.is_some_and(|length| length > max) {
            return Err(ReadError::TooLarge { call: GET, max });
        }
        if range.and_then(|range| range.last).is_some_and(|wanted| span.is_some_and(|span| span.last > wanted)) {
            return Err(odd());
        }
        let hash = Context::new(&SHA256);
        Ok(Self { facts, first, last, is_whole: range.is_none(), got: 0, max, hash })
    }

    /// Writes a body as far as it comes.
    async fn pour(&mut self, incoming: &mut Incoming, sink: &mut (impl AsyncWrite + Unpin)) -> Result<Poured, ReadError> {
        loop {
            let chunk = match incoming.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(Poured::All),
                Err(error) => return Ok(Poured::Broken(error)),
            };
            self.take(&chunk)?;
            sink.write_all(&chunk).await.map_err(ReadError::Sink)?;
        }
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), ReadError> {
        self.got += chunk.len() as u64;
        if self.got > self.max {
            return Err(ReadError::TooLarge { call: GET, max: self.max });
        }
        self.hash.update(chunk);
        Ok(())
    }

    /// What is not there yet.
    fn rest(&self) -> ByteRange {
        ByteRange { first: self.first + self.got, last: self.last }
    }

    fn check_rest(&self, incoming: &Incoming) -> Result<(), ReadError> {
        let facts = ObjectFacts::read(incoming.headers());
        let begins = facts.span().is_some_and(|span| span.first == self.rest().first);
        if incoming.status() == 206 && begins && facts.etag == self.facts.etag && facts.size == self.facts.size {
            return Ok(());
        }
        Err(ReadError::unexpected(GET, "the object changed while it was read"))
    }

    fn end(self, request: Question) -> Result<Fetched, ReadError> {
        let length = match (self.last, self.facts.size) {
            (Some(last), _) => Some(last - self.first + 1),
            (None, size) => size,
        };
        if length.is_some_and(|length| length != self.got) {
            return Err(ReadError::unexpected(GET, "the object's length is not what its head said"));
        }
        let digest = self.hash.finish();
        let differs = |sum: &str| sum != STANDARD.encode(digest.as_ref());
        if self.is_whole && self.facts.sha256().is_some_and(differs) {
            return Err(ReadError::unexpected(GET, "the object's bytes do not have its SHA-256"));
        }
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest.as_ref());
        Ok(Fetched { facts: self.facts, bytes: self.got, sha256, request, at: Timestamp::now() })
    }
}

#[cfg(test)]
mod tests;
