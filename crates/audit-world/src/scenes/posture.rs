//! Scenes about settings and journals: bad ones, and good ones that differ.
//!
//! Owns the settings of clusters, groups, buckets, trails and roles.

use super::logs::SILENT_CLUSTER;
use super::repeat;
use crate::builder::{ACCOUNT, BUCKET, Builder, LOG_GROUP, REGION};
use crate::time::{HOUR, stamp};
use audit_facts::{Body, ChainBreak, Posture, PostureItem, Source};
use correlation::Code;

pub(crate) fn play(builder: &mut Builder) {
    ordinary(builder);
    repeat(builder, 2, clusters);
    repeat(builder, 2, groups);
    repeat(builder, 2, buckets);
    repeat(builder, 2, trails);
    repeat(builder, 2, roles);
    repeat(builder, 2, journals);
}

fn set(b: &mut Builder, source: Source, subject: &str, item: PostureItem) {
    let at = b.now - 2 * HOUR;
    b.tell(source, at, Body::Posture(Posture { at: stamp(at), subject: subject.to_owned(), item }));
}

fn cluster_arn(name: &str) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{name}")
}

fn logging(word: &str) -> PostureItem {
    let group = (word == "OVERRIDE").then(|| LOG_GROUP.to_owned());
    PostureItem::ExecLogging { logging: Some(word.to_owned()), log_group: group, bucket: None, kms: true }
}

fn bucket(lock_mode: Option<&str>, lock_days: Option<u32>, encrypted: bool) -> PostureItem {
    PostureItem::Bucket { versioned: true, lock_mode: lock_mode.map(str::to_owned), lock_days, encrypted }
}

fn subject(name: &str) -> String {
    format!("setting:{name}")
}

/// The settings that ordinary evidence rests on, and the cluster that logs nothing.
fn ordinary(b: &mut Builder) {
    set(b, Source::Ecs, &cluster_arn("rosa-boundary-dev"), logging("OVERRIDE"));
    set(b, Source::ExecLogs, LOG_GROUP, PostureItem::LogGroup { retention_days: Some(90), kms: true });
    set(b, Source::Artifacts, BUCKET, bucket(Some("COMPLIANCE"), Some(90), true));
    let trail = PostureItem::Trail { name: Some("organisation".to_owned()), logging: true, validated: true };
    set(b, Source::CloudTrail, "organisation", trail);
    set(b, Source::Ecs, &cluster_arn(SILENT_CLUSTER), logging("NONE"));
    b.expect(Code::LoggingDisabled, subject(&cluster_arn(SILENT_CLUSTER)));
}

fn clusters(b: &mut Builder, number: usize) {
    let (bad, good) = (cluster_arn(&format!("bad-{number}")), cluster_arn(&format!("good-{number}")));
    set(b, Source::Ecs, &bad, logging("NONE"));
    b.expect(Code::LoggingDisabled, subject(&bad));
    set(b, Source::Ecs, &good, logging(if number.is_multiple_of(2) { "DEFAULT" } else { "OVERRIDE" }));
    b.innocent(Code::LoggingDisabled, subject(&good), "it logs");
}

fn groups(b: &mut Builder, number: usize) {
    let [short, open, good] = ["short", "open", "good"].map(|word| format!("/ecs/{word}-{number}"));
    let days = if number.is_multiple_of(2) { 7 } else { 89 };
    set(b, Source::ExecLogs, &short, PostureItem::LogGroup { retention_days: Some(days), kms: true });
    b.expect(Code::LogRetentionShort, subject(&short));
    set(b, Source::ExecLogs, &open, PostureItem::LogGroup { retention_days: Some(90), kms: false });
    b.expect(Code::EncryptionOff, subject(&open));
    let retention_days = [None, Some(90), Some(400)][number % 3];
    set(b, Source::ExecLogs, &good, PostureItem::LogGroup { retention_days, kms: true });
    b.innocent(Code::LogRetentionShort, subject(&good), "it keeps long enough, or for ever");
    b.innocent(Code::EncryptionOff, subject(&good), "it has a key");
}

fn buckets(b: &mut Builder, number: usize) {
    let [weak, open, good] = ["weak", "open", "good"].map(|word| format!("audit-{word}-{number}"));
    let item = match number % 3 {
        0 => bucket(None, None, true),
        1 => bucket(Some("GOVERNANCE"), Some(90), true),
        _ => bucket(Some("COMPLIANCE"), Some(30), true),
    };
    set(b, Source::Artifacts, &weak, item);
    b.expect(Code::ObjectLockMissing, subject(&weak));
    set(b, Source::Artifacts, &open, bucket(Some("COMPLIANCE"), Some(90), false));
    b.expect(Code::EncryptionOff, subject(&open));
    let days = if number.is_multiple_of(2) { 90 } else { 365 };
    set(b, Source::Artifacts, &good, bucket(Some("COMPLIANCE"), Some(days), true));
    b.innocent(Code::ObjectLockMissing, subject(&good), "it is locked for long enough");
    b.innocent(Code::EncryptionOff, subject(&good), "it is encrypted");
}

fn trails(b: &mut Builder, number: usize) {
    let (bad, good) = (format!("{ACCOUNT}/region-{number}"), format!("trail-{number}"));
    let named = Some(bad.clone());
    let item = match number % 3 {
        0 => PostureItem::Trail { name: None, logging: false, validated: false },
        1 => PostureItem::Trail { name: named, logging: false, validated: true },
        _ => PostureItem::Trail { name: named, logging: true, validated: false },
    };
    set(b, Source::CloudTrail, &bad, item);
    b.expect(Code::NoTrail, subject(&bad));
    set(b, Source::CloudTrail, &good, PostureItem::Trail { name: Some(good.clone()), logging: true, validated: true });
    b.innocent(Code::NoTrail, subject(&good), "it keeps events, with digests");
}

fn roles(b: &mut Builder, number: usize) {
    let role = format!("arn:aws:iam::{ACCOUNT}:role/team-{number}");
    let shown_by = if number.is_multiple_of(2) { "simulation" } else { "success" }.to_owned();
    set(b, Source::CloudTrail, &role, PostureItem::UnloggedStart { shown_by, allowed: true });
    b.expect(Code::PostureUnloggedStart, subject(&role));
    b.innocent(Code::ForeignBroadGrant, subject(&role), "an AWS role, not one of Boundary");
    let (foreign, allowed) = (format!("r_foreign{number:03}"), format!("r_allowed{number:03}"));
    for id in [&foreign, &allowed] {
        let grant = "ids=*;type=target;actions=authorize-session".to_owned();
        set(b, Source::BoundaryApi, id, PostureItem::ForeignGrant { grant, principals: vec!["u_auth".to_owned()] });
        b.innocent(Code::PostureUnloggedStart, subject(id), "a role of Boundary cannot start sessions at AWS");
    }
    b.expect(Code::ForeignBroadGrant, subject(&foreign));
    b.innocent(Code::ForeignBroadGrant, subject(&allowed), "the role is on the allow-list");
    b.policy.allowed_roles.push(allowed);
}

fn journals(b: &mut Builder, number: usize) {
    let journal = format!("links/host-{number}.jsonl");
    let line = b.rng.between(2, 900).unsigned_abs();
    let source = if number.is_multiple_of(2) { Source::Links } else { Source::SyncRecords };
    let at = b.now - 3 * HOUR;
    let what = "the previous line's hash differs".to_owned();
    b.tell(source, at, Body::ChainBreak(ChainBreak { journal: journal.clone(), line, what }));
    b.expect(Code::RecordChainBroken, format!("object:{journal}:{line}"));
    b.innocent(Code::RecordChainBroken, format!("object:{journal}:{}", line + 1), "the line after the break holds");
}
