//! Scenes about logs: missing, cut, edited, appended, doubled; and logs that only look so.
//!
//! Owns the container's and the log group's side.

use super::repeat;
use crate::builder::Builder;
use crate::plan::{Log, Text, Visit};
use crate::site::Site;
use crate::time::{HOUR, MINUTE, SECOND};
use audit_facts::Source;
use correlation::Code;

/// The cluster that logs nothing.
pub(crate) const SILENT_CLUSTER: &str = "silent";
/// The region whose log group refuses to be read.
pub(crate) const MUTE_REGION: &str = "eu-west-1";

pub(crate) fn play(builder: &mut Builder) {
    repeat(builder, 2, |b, _| missing(b));
    repeat(builder, 2, missing_for_a_reason);
    repeat(builder, 2, edited);
    repeat(builder, 2, differs_for_a_reason);
    repeat(builder, 2, cut);
    repeat(builder, 2, short_for_a_reason);
    repeat(builder, 2, oversize);
    repeat(builder, 2, |b, _| empty(b));
    repeat(builder, 2, |b, _| nothing_shown(b));
    repeat(builder, 2, doubled);
    repeat(builder, 2, twice_the_same);
}

pub(super) fn stage(b: &mut Builder) -> (Site, i64) {
    let at = b.calm_time();
    (b.site(at), at)
}

pub(super) fn ssm(visit: &Visit) -> String {
    format!("ssm:{}", visit.ssm())
}

/// A visit of an hour that showed so much.
pub(super) fn shown(b: &mut Builder, bytes: u64) -> (Site, Visit) {
    let (site, at) = stage(b);
    let mut visit = b.visit_for(&site, site.owner, at, HOUR);
    let text = b.text_of(bytes);
    let upload = visit.shells[0].logs[0].first_uploaded;
    visit.shell().show(text, upload);
    (site, visit)
}

fn missing(b: &mut Builder) {
    let (site, mut visit) = shown(b, 50_000);
    let ended = visit.ended().unwrap_or_default();
    let shell = visit.shell();
    shell.logs.clear();
    shell.log_absent_at = Some(ended + 3 * HOUR);
    b.expect(Code::SessionNoLog, ssm(&visit));
    b.finish(&site, &[visit]);
}

/// No log because nothing logs, because nobody may read it, or because it is still coming.
fn missing_for_a_reason(b: &mut Builder, number: usize) {
    let (mut site, mut visit) = shown(b, 50_000);
    let why = match number % 4 {
        0 => {
            SILENT_CLUSTER.clone_into(&mut site.ecs_cluster);
            "the cluster does not log"
        }
        1 => {
            MUTE_REGION.clone_into(&mut site.region);
            "the log group refuses to be read"
        }
        2 => return still_coming(b),
        _ => return just_ended(b),
    };
    visit.shell().logs.clear();
    b.innocent(Code::SessionNoLog, ssm(&visit), why);
    b.finish(&site, &[visit]);
}

/// Five gigabytes take an hour and three quarters.
fn still_coming(b: &mut Builder) {
    let at = b.ago(250);
    let site = b.site(at);
    let mut visit = b.visit_for(&site, site.owner, at, 2 * HOUR);
    let text = b.text_of(5_000_000_000);
    visit.shell().show(text, at);
    visit.shell().logs.clear();
    b.innocent(Code::SessionNoLog, ssm(&visit), "five gigabytes are still being uploaded");
    b.may_be_open(Code::SessionNoLog, ssm(&visit));
    b.finish(&site, &[visit]);
}

fn just_ended(b: &mut Builder) {
    let minutes = b.rng.between(30, 50);
    let at = b.ago(minutes);
    let site = b.site(at);
    let mut visit = b.visit_for(&site, site.owner, at, 5 * MINUTE);
    visit.shell().logs.clear();
    b.innocent(Code::SessionNoLog, ssm(&visit), "it ended less than an hour ago");
    b.may_be_open(Code::SessionNoLog, ssm(&visit));
    b.finish(&site, &[visit]);
}

/// Closed and exact, and not what the client saw: edited, appended to, or cut with a forged trailer.
fn edited(b: &mut Builder, number: usize) {
    let bytes = b.rng.between(20_000, 400_000).unsigned_abs();
    let (site, mut visit) = shown(b, bytes);
    let other = b.rng.bits();
    let log = visit.shell().log();
    let place = bytes / 3;
    match number % 4 {
        0 => log.text = log.text.edited(place, other),
        3 => return edited_and_cut(b, &site, visit),
        1 => log.text = Text { bytes: bytes + 700, ..log.text.edited(bytes, other) },
        _ => log.text = log.text.cut(place),
    }
    let subject = ssm(&visit);
    b.expect(Code::LogTampered, subject.clone());
    if number % 4 == 2 {
        b.tolerate(Code::LogTruncated, subject);
    }
    b.finish(&site, &[visit]);
}

/// The client lost the network, and the log was edited in the part that it had seen.
fn edited_and_cut(b: &mut Builder, site: &Site, mut visit: Visit) {
    let text = b.text_of(600_000);
    let other = b.rng.bits();
    let shell = visit.shell();
    let upload = shell.logs[0].first_uploaded;
    shell.show(text, upload);
    shell.log().text = text.edited(20_000, other);
    shell.carried = Some(300_000);
    if let Some(end) = shell.goodbye() {
        end.seen = text.cut(300_000);
        (end.ending, end.exit_code, end.exit_source, end.remote_end) = ("network-lost", 255, "wrapper", "unknown");
    }
    if let Some(tunnel) = &mut visit.tunnel {
        tunnel.wires[0].closed_reason = "network error";
    }
    b.expect(Code::LogTampered, ssm(&visit));
    b.finish(site, &[visit]);
}

/// Differs from the client's digest and is honest.
fn differs_for_a_reason(b: &mut Builder, number: usize) {
    let (site, mut visit) = shown(b, 120_000);
    let other = b.rng.bits();
    let shell = visit.shell();
    let why = match number % 3 {
        0 => {
            let log = shell.log();
            log.text = log.text.edited(70_000, other);
            log.exact_until = Some(70_000);
            "replacement characters: from there on the text is not exact"
        }
        1 => {
            let log = shell.log();
            log.text = log.text.cut(120_000 - 1 - other % 3);
            "the agent lost an unfinished rune at the end"
        }
        _ => {
            if let Some(client) = &mut shell.client {
                client.end = None;
            }
            "there is no digest to differ from"
        }
    };
    let subject = ssm(&visit);
    b.innocent(Code::LogTampered, subject.clone(), why);
    b.innocent(Code::LogTruncated, subject.clone(), why);
    b.innocent(Code::LogRewritten, subject, why);
    b.finish(&site, &[visit]);
}

/// No trailer and less than the client saw; or no record, and far less than passed.
fn cut(b: &mut Builder, number: usize) {
    let (site, mut visit) = shown(b, 300_000);
    let shell = visit.shell();
    let log = shell.log();
    log.text = log.text.cut(90_000);
    log.has_trailer = false;
    if number.is_multiple_of(2)
        && let Some(client) = &mut shell.client
    {
        client.end = None;
    }
    let subject = ssm(&visit);
    b.expect(Code::LogTruncated, subject.clone());
    b.innocent(Code::LogEmpty, subject.clone(), "a part is there");
    b.innocent(Code::LogTampered, subject, "it is not closed");
    b.finish(&site, &[visit]);
}

/// Short because it still grows, or because this `script` writes no trailer.
fn short_for_a_reason(b: &mut Builder, number: usize) {
    if number.is_multiple_of(2) {
        let (site, mut visit) = shown(b, 60_000);
        let log = visit.shell().log();
        (log.has_trailer, log.is_script) = (false, false);
        b.innocent(Code::LogTruncated, ssm(&visit), "another `script` without a trailer; the digest agrees");
        return b.finish(&site, &[visit]);
    }
    let at = b.ago(90);
    let site = b.site(at);
    let mut visit = b.visit_for(&site, site.owner, at, HOUR);
    let upload = visit.ended().unwrap_or(at) + 5 * SECOND;
    let text = b.text_of(3_000_000_000);
    let shell = visit.shell();
    shell.show(text, upload);
    let log = shell.log();
    log.text = text.cut(1_000_000_000);
    log.has_trailer = false;
    (log.last_uploaded, log.last_ingested) = (upload + 20 * MINUTE, upload + 20 * MINUTE + SECOND);
    b.innocent(Code::LogTruncated, ssm(&visit), "the upload is under way");
    b.innocent(Code::LogTampered, ssm(&visit), "the upload is under way");
    b.may_be_open(Code::LogTruncated, ssm(&visit));
    b.finish(&site, &[visit]);
}

/// Longer than what passed through Boundary; without an end record only the bytes tell.
fn oversize(b: &mut Builder, number: usize) {
    let (site, mut visit) = shown(b, 20_000);
    let other = b.rng.bits();
    let shell = visit.shell();
    let log = shell.log();
    log.text = Text { bytes: 400_000, ..log.text.edited(20_000, other) };
    let subject = ssm(&visit);
    b.expect(Code::LogOversize, subject.clone());
    if number.is_multiple_of(2) {
        if let Some(client) = &mut visit.shell().client {
            client.end = None;
        }
    } else {
        b.expect(Code::LogTampered, subject);
    }
    b.tolerate(Code::LinkContested, format!("bs:{}", visit.bs()));
    b.finish(&site, &[visit]);
}

fn empty(b: &mut Builder) {
    let (site, mut visit) = shown(b, 30_000);
    let log = visit.shell().log();
    log.text = log.text.cut(0);
    b.expect(Code::LogEmpty, ssm(&visit));
    b.tolerate(Code::LogTruncated, ssm(&visit));
    b.finish(&site, &[visit]);
}

fn nothing_shown(b: &mut Builder) {
    let (site, visit) = shown(b, 0);
    b.innocent(Code::LogEmpty, ssm(&visit), "nothing was shown");
    b.innocent(Code::LogTruncated, ssm(&visit), "nothing was shown");
    b.finish(&site, &[visit]);
}

/// Two logs that disagree, or the same output under a second name.
fn doubled(b: &mut Builder, number: usize) {
    let (site, mut visit) = shown(b, 60_000);
    let other = b.rng.bits();
    let ours = visit.shells[0].logs[0].clone();
    let subject = ssm(&visit);
    let second = if number.is_multiple_of(2) {
        b.tolerate(Code::LogTampered, subject.clone());
        Log { source: Source::ExecObjects, text: ours.text.edited(9_000, other), ..ours }
    } else {
        let name = format!("copy-of-{number}.txt");
        b.tolerate(Code::LogDuplicate, format!("object:{}:{name}", site.log_group));
        b.tolerate(Code::LogNoCloudTrail, format!("object:{}:{name}", site.log_group));
        Log { name: Some(name), ..ours }
    };
    visit.shell().logs.push(second);
    b.expect(Code::LogDuplicate, subject);
    b.finish(&site, &[visit]);
}

/// The same text in CloudWatch and in S3, or the same short text in two sessions.
fn twice_the_same(b: &mut Builder, number: usize) {
    if number.is_multiple_of(2) {
        let (site, mut visit) = shown(b, 60_000);
        let second = Log { source: Source::ExecObjects, ..visit.shells[0].logs[0].clone() };
        visit.shell().logs.push(second);
        b.innocent(Code::LogDuplicate, ssm(&visit), "the same text in two configured places");
        return b.finish(&site, &[visit]);
    }
    let (site, first) = shown(b, 20);
    let text = first.shells[0].text;
    let then = first.ended().unwrap_or_default() + 10 * MINUTE;
    let mut second = b.visit_for(&site, site.owner, then, MINUTE);
    let upload = second.shells[0].logs[0].first_uploaded;
    second.shell().show(text, upload);
    b.innocent(Code::LogDuplicate, ssm(&second), "twenty bytes are nobody's mark");
    b.innocent(Code::LogDuplicate, ssm(&first), "twenty bytes are nobody's mark");
    b.finish(&site, &[first, second]);
}
