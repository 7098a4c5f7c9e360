//! The trail's files in its bucket: log files of gzip JSON, and a chain of signed digest files that name them.
//!
//! What a digest's signature covers is, in this order and one a line: the end of its time, bucket and key of its file, the
//! hexadecimal SHA-256 of its uncompressed contents, and the hexadecimal signature of the digest before, `null` for the first.
//! Hashes of log files and of the digest before are those of uncompressed contents too. Sources: CloudTrail user guide, custom
//! implementations of log file integrity validation; aws-cli awscli/customizations/cloudtrail/validation.py.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::aws::s3::Content;
use crate::random;
use crate::shared::Shared;
use crate::sigv4::sha256;
use crate::tasks::{ACCOUNT, REGION};
use crate::trail::record::seconds;
use crate::trail::{Link, State, TRAIL, bucket};

/// The time of one digest file.
const DIGEST_TIME: SignedDuration = SignedDuration::from_hours(1);

/// Delivers what was recorded since the last time: a log file if there is any record, and digest files up to now; hours in which
/// nothing was delivered have digests that name no file.
pub(crate) fn deliver(shared: &Shared) {
    let mut state = shared.trail.state();
    if state.is_off {
        return;
    }
    let now = shared.clock.now();
    let file = log_file(shared, &mut state, now);
    let mut start = state.last.as_ref().map_or(shared.trail.started, |last| last.end);
    while let Some(end) = start.checked_add(DIGEST_TIME).ok().filter(|end| *end < now) {
        digest_file(shared, &mut state, (start, end), None);
        start = end;
    }
    // A digest covers at least a second, since its name tells no less.
    let least = start.checked_add(SignedDuration::from_secs(1)).unwrap_or(now);
    digest_file(shared, &mut state, (start, now.max(least)), file);
    state.latest_delivery = Some(now);
}

/// Writes the records that were not delivered; returns the digest's entry.
fn log_file(shared: &Shared, state: &mut State, now: Timestamp) -> Option<Value> {
    let fresh: Vec<Value> = state.events[state.delivered..].to_vec();
    let (oldest, newest) = (fresh.first()?["eventTime"].clone(), fresh.last()?["eventTime"].clone());
    state.delivered = state.events.len();
    let text = json!({"Records": fresh}).to_string();
    let name = random::base32_id().replace(|letter: char| !letter.is_ascii_alphanumeric(), "");
    let key = format!(
        "AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/{}/{ACCOUNT}_CloudTrail_{REGION}_{}_{}.json.gz",
        now.strftime("%Y/%m/%d"),
        now.strftime("%Y%m%dT%H%MZ"),
        &name[..16]
    );
    put(shared, &key, &text, BTreeMap::new());
    state.files.push(key.clone());
    Some(json!({
        "s3Bucket": bucket(), "s3Object": key, "hashValue": sha256(text.as_bytes()), "hashAlgorithm": "SHA-256",
        "newestEventTime": newest, "oldestEventTime": oldest,
    }))
}

fn digest_file(shared: &Shared, state: &mut State, (start, end): (Timestamp, Timestamp), file: Option<Value>) {
    let key = format!(
        "AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/{}/{ACCOUNT}_CloudTrail-Digest_{REGION}_{TRAIL}_{REGION}_{}.json.gz",
        end.strftime("%Y/%m/%d"),
        end.strftime("%Y%m%dT%H%M%SZ")
    );
    let last = state.last.as_ref();
    let of_file = |name: &str| file.as_ref().map(|file| file[name].clone());
    let digest = json!({
        "awsAccountId": ACCOUNT, "digestStartTime": seconds(start), "digestEndTime": seconds(end),
        "digestS3Bucket": bucket(), "digestS3Object": key,
        "digestPublicKeyFingerprint": shared.trail.key().fingerprint(), "digestSignatureAlgorithm": "SHA256withRSA",
        "newestEventTime": of_file("newestEventTime"), "oldestEventTime": of_file("oldestEventTime"),
        "previousDigestS3Bucket": last.map(|_| bucket()), "previousDigestS3Object": last.map(|last| &last.object),
        "previousDigestHashValue": last.map(|last| &last.hash), "previousDigestHashAlgorithm": last.map(|_| "SHA-256"),
        "previousDigestSignature": last.map(|last| &last.signature),
        "logFiles": file.into_iter().collect::<Vec<_>>(),
    });
    let text = digest.to_string();
    let hash = sha256(text.as_bytes());
    let previous = last.map_or("null", |last| &last.signature);
    let signature = shared.trail.key().sign(&format!("{}\n{}/{key}\n{hash}\n{previous}", seconds(end), bucket()));
    let metadata = [("signature", signature.as_str()), ("signature-algorithm", "SHA256withRSA")];
    put(shared, &key, &text, metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    state.digests.push(key.clone());
    // Its end is told in whole seconds, and the next one begins there.
    let end = Timestamp::from_second(end.as_second()).unwrap_or(end);
    state.last = Some(Link { object: key, hash, signature, end });
}

fn put(shared: &Shared, key: &str, text: &str, metadata: BTreeMap<String, String>) {
    let content = Content { body: packed(text.as_bytes()), metadata, retain_until: None, is_gzip: true };
    let now = shared.clock.now();
    shared.buckets.with(&bucket(), |bucket| bucket.put(key, content, now).modified);
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Changes the caller's address in a log file's first record.
pub(crate) fn alter(file: &mut Vec<u8>) {
    let mut text = String::new();
    let read = GzDecoder::new(file.as_slice()).read_to_string(&mut text);
    let Some(mut records) = read.ok().and_then(|_| serde_json::from_str::<Value>(&text).ok()) else { return };
    records["Records"][0]["sourceIPAddress"] = json!("198.51.100.66");
    *file = packed(records.to_string().as_bytes());
}
