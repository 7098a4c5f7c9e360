//! Scenes about when logs come, and from where: rewritten, growing, late, planted.
//!
//! Owns the times of uploads.

use super::logs::{shown, ssm, stage};
use super::repeat;
use crate::builder::{Builder, ordinary_log};
use crate::plan::{Log, Text};
use crate::time::{DAY, EPOCH, HOUR, MINUTE, SECOND};
use correlation::Code;

pub(crate) fn play(builder: &mut Builder) {
    repeat(builder, 2, rewritten);
    repeat(builder, 2, |b, _| grows(b));
    repeat(builder, 2, |b, _| late(b));
    repeat(builder, 2, |b, _| late_by_size(b));
    repeat(builder, 2, |b, _| planted(b));
    repeat(builder, 1, |b, _| begun_before_the_trail(b));
}

/// Events were added days later: seen by two readings, or by the service's own clock alone.
fn rewritten(b: &mut Builder, number: usize) {
    let (site, mut visit) = shown(b, 40_000);
    let other = b.rng.bits();
    let shell = visit.shell();
    let first = shell.logs[0].clone();
    let after = first.last_ingested + 2 * DAY;
    let text = Text { bytes: 40_400, ..first.text.edited(40_000, other) };
    let changed = Log { text, last_uploaded: after, last_ingested: after + SECOND, ..first.clone() };
    shell.logs = if number.is_multiple_of(2) { vec![first, changed] } else { vec![changed] };
    if number % 4 < 2
        && let Some(client) = &mut shell.client
    {
        client.end = None;
    }
    let subject = ssm(&visit);
    b.expect(Code::LogRewritten, subject.clone());
    b.tolerate(Code::LogTampered, subject.clone());
    b.innocent(Code::LogLate, subject, "its first part came in time");
    b.finish(&site, &[visit]);
}

/// Read once in the middle of its upload and once after.
fn grows(b: &mut Builder) {
    let (site, mut visit) = shown(b, 200_000_000);
    let shell = visit.shell();
    let whole = shell.logs[0].clone();
    let half = i64::midpoint(whole.first_uploaded, whole.last_uploaded);
    let part = Log {
        text: whole.text.cut(90_000_000),
        has_trailer: false,
        last_uploaded: half,
        last_ingested: half + SECOND,
        ..whole.clone()
    };
    shell.logs = vec![part, whole];
    for code in [Code::LogRewritten, Code::LogDuplicate, Code::LogTruncated] {
        b.innocent(code, ssm(&visit), "the first reading was taken during the upload");
    }
    b.finish(&site, &[visit]);
}

fn late(b: &mut Builder) {
    let (site, mut visit) = shown(b, 30_000);
    let upload = visit.ended().unwrap_or_default() + b.rng.between(3 * HOUR, 9 * HOUR);
    let text = visit.shells[0].text;
    visit.shell().show(text, upload);
    b.expect(Code::LogLate, ssm(&visit));
    b.innocent(Code::LogRewritten, ssm(&visit), "it came late, at once");
    b.innocent(Code::SessionNoLog, ssm(&visit), "it came late");
    b.finish(&site, &[visit]);
}

/// Hours of upload for gigabytes.
fn late_by_size(b: &mut Builder) {
    let (site, mut visit) = shown(b, 4_000_000_000);
    let text = visit.shells[0].text;
    let upload = visit.ended().unwrap_or_default() + 5 * SECOND;
    visit.shell().show(text, upload);
    b.innocent(Code::LogLate, ssm(&visit), "its size explains the time");
    b.innocent(Code::LogRewritten, ssm(&visit), "its size explains the time");
    b.finish(&site, &[visit]);
}

/// A log of a session that nobody opened.
fn planted(b: &mut Builder) {
    let (site, at) = stage(b);
    let mut visit = b.bypass(site.owner, at);
    let shell = visit.shell();
    (shell.is_in_trail, shell.is_described) = (false, false);
    let log = ordinary_log(shell.text, at + HOUR);
    b.emit_log(&site, &log, Some(&visit.shells[0]));
    b.expect(Code::LogNoCloudTrail, ssm(&visit));
}

/// A shell from before the first day that CloudTrail was read for, with its log after it.
fn begun_before_the_trail(b: &mut Builder) {
    let (site, _) = stage(b);
    let at = EPOCH - HOUR;
    let mut visit = b.bypass(site.owner, at);
    let shell = visit.shell();
    (shell.is_in_trail, shell.is_described) = (false, false);
    let log = ordinary_log(shell.text, EPOCH + 2 * MINUTE);
    b.emit_log(&site, &log, Some(&visit.shells[0]));
    b.innocent(Code::LogNoCloudTrail, ssm(&visit), "CloudTrail was not read for the session's beginning");
    b.may_be_open(Code::LogNoCloudTrail, ssm(&visit));
}
