//! What the headers of an object say.
//!
//! Pure.

use crate::page::texts;
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use std::collections::BTreeMap;

const METADATA: &str = "x-amz-meta-";
const CHECKSUM: &str = "x-amz-checksum-";

/// What is known of an object without its bytes. All texts are of remote origin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectFacts {
    /// The object's length, bytes; of an answer with a range, the length of the whole object.
    pub size: Option<u64>,
    /// The entity tag without quotes; no hash of the bytes where there were several parts.
    pub etag: Option<String>,
    /// When this version was made.
    pub last_modified: Option<Timestamp>,
    /// The version, in buckets that have any.
    pub version_id: Option<String>,
    /// The media type.
    pub content_type: Option<String>,
    /// How the bytes are packed; they are never unpacked here.
    pub content_encoding: Option<String>,
    /// The user's metadata, names without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// The checksums by their names without `x-amz-checksum-`, such as `sha256`; and their `type`.
    pub checksums: BTreeMap<String, String>,
    /// `COMPLIANCE` or `GOVERNANCE`, where a retention is set and may be seen.
    pub lock_mode: Option<String>,
    /// Until when the version cannot be deleted.
    pub retain_until: Option<Timestamp>,
    /// Whether a legal hold is on, where it may be seen.
    pub legal_hold: Option<bool>,
    /// All headers in the order in which they came.
    pub headers: Vec<(String, String)>,
}

impl ObjectFacts {
    /// Reads an answer's headers.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        Self::of(texts(headers))
    }

    /// Reads headers that are texts.
    pub(crate) fn of(headers: Vec<(String, String)>) -> Self {
        let text = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let all = |prefix: &str| {
            let of_prefix = |(key, value): &(String, String)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone()));
            headers.iter().filter_map(of_prefix).collect::<BTreeMap<_, _>>()
        };
        let length = || text("content-length").and_then(|length| length.parse().ok());
        Self {
            size: text("content-range").map_or_else(length, |range| Span::read(&range).map(|span| span.total)),
            etag: text("etag").map(|etag| etag.trim_matches('"').to_owned()),
            last_modified: text("last-modified").and_then(|date| http_date(&date)),
            version_id: text("x-amz-version-id"),
            content_type: text("content-type"),
            content_encoding: text("content-encoding"),
            metadata: all(METADATA),
            checksums: all(CHECKSUM),
            lock_mode: text("x-amz-object-lock-mode"),
            retain_until: text("x-amz-object-lock-retain-until-date").and_then(|at| at.parse().ok()),
            legal_hold: text("x-amz-object-lock-legal-hold").map(|status| status == "ON"),
            headers,
        }
    }

    /// Which part of the object the answer has, where it is one.
    pub(crate) fn span(&self) -> Option<Span> {
        Span::read(self.headers.iter().find(|(key, _)| key == "content-range").map(|(_, range)| range)?)
    }

    /// The SHA-256 of all the bytes, Base64, where the object has one; that of parts is another thing.
    pub fn sha256(&self) -> Option<&str> {
        let of_parts = self.checksums.get("type").is_some_and(|kind| kind != "FULL_OBJECT");
        self.checksums.get("sha256").map(String::as_str).filter(|sum| !of_parts && !sum.contains('-'))
    }
}

/// Which bytes an answer has: `bytes FIRST-LAST/TOTAL` (RFC 9110, 14.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) total: u64,
}

impl Span {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (span, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = span.split_once('-')?;
        let span = Self { first: first.parse().ok()?, last: last.parse().ok()?, total: total.parse().ok()? };
        (span.first <= span.last && span.last < span.total).then_some(span)
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn facts(headers: &[(&'static str, &'static str)]) -> ObjectFacts {
        let pair =
            |(name, value): &(&'static str, &'static str)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        ObjectFacts::read(&headers.iter().map(pair).collect())
    }

    #[test]
    fn headers_say_what_the_object_is() {
        let facts = facts(&[
            ("content-length", "17"),
            ("etag", "\"abc-2\""),
            ("last-modified", "Sat, 21 Nov 2026 10:00:00 GMT"),
            ("x-amz-version-id", "null"),
            ("x-amz-meta-signature", "00ff"),
            ("x-amz-meta-signature-algorithm", "SHA256withRSA"),
            ("x-amz-checksum-sha256", "c3Vt"),
            ("x-amz-checksum-type", "FULL_OBJECT"),
            ("x-amz-object-lock-mode", "COMPLIANCE"),
            ("x-amz-object-lock-retain-until-date", "2027-11-21T10:00:00.000Z"),
            ("x-amz-object-lock-legal-hold", "OFF"),
        ]);
        assert_eq!((facts.size, facts.etag.as_deref()), (Some(17), Some("abc-2")));
        assert_eq!(facts.last_modified, Some("2026-11-21T10:00:00Z".parse().unwrap()));
        assert_eq!(facts.metadata["signature-algorithm"], "SHA256withRSA");
        assert_eq!(facts.sha256(), Some("c3Vt"));
        assert_eq!(facts.retain_until, Some("2027-11-21T10:00:00Z".parse().unwrap()));
        assert_eq!((facts.lock_mode.as_deref(), facts.legal_hold), (Some("COMPLIANCE"), Some(false)));
        assert_eq!(facts.headers.len(), 11);
    }

    #[test]
    fn a_checksum_of_parts_is_none_of_the_bytes() {
        assert_eq!(facts(&[("x-amz-checksum-sha256", "c3Vt-3")]).sha256(), None);
        assert_eq!(facts(&[("x-amz-checksum-sha256", "c3Vt"), ("x-amz-checksum-type", "COMPOSITE")]).sha256(), None);
        assert_eq!(facts(&[("x-amz-checksum-sha256", "c3Vt")]).sha256(), Some("c3Vt"));
    }

    #[test]
    fn a_range_tells_the_whole_length() {
        assert_eq!(facts(&[("content-length", "5"), ("content-range", "bytes 5-9/100")]).size, Some(100));
        for odd in ["bytes 9-5/100", "bytes 5-100/100", "bytes */100", "5-9/100", "bytes 5-9/*", "bytes -1-2/3"] {
            assert_eq!(Span::read(odd), None, "{odd}");
        }
    }
}
