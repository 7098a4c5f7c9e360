//! Scenes about shells themselves: other doors, refusals, emergencies, shells that outlive their Boundary session.
//!
//! Owns what AWS's own records tell.

use super::repeat;
use crate::builder::Builder;
use crate::plan::{Door, Visit};
use crate::site::Site;
use crate::time::{HOUR, MINUTE, SECOND};
use correlation::Code;

pub(crate) fn play(builder: &mut Builder) {
    repeat(builder, 2, |b, _| direct(b));
    repeat(builder, 1, |b, _| direct_denied(b));
    repeat(builder, 2, emergency);
    repeat(builder, 1, |b, _| emergency_through_boundary(b));
    repeat(builder, 2, denied);
    repeat(builder, 2, |b, _| unused(b));
    repeat(builder, 1, |b, _| still_usable(b));
    repeat(builder, 2, outlives);
    repeat(builder, 2, ends_soon_after);
    repeat(builder, 2, |b, _| two_people(b));
    repeat(builder, 2, |b, _| one_after_another(b));
    repeat(builder, 2, |b, _| not_in_trail(b));
    repeat(builder, 1, |b, _| not_delivered(b));
    repeat(builder, 2, untagged);
}

fn stage(b: &mut Builder) -> (Site, i64) {
    let at = b.calm_time();
    (b.site(at), at)
}

fn ssm(visit: &Visit) -> String {
    format!("ssm:{}", visit.ssm())
}

/// StartSession on the container: no log, another id.
fn direct_visit(b: &mut Builder, site: &Site, at: i64) -> Visit {
    let mut visit = b.bypass(site.owner, at);
    let id = b.ssm_id(&b.people[site.owner].name.clone());
    let shell = visit.shell();
    (shell.door, shell.id) = (Door::Direct, id);
    shell.logs.clear();
    b.tolerate(Code::SessionNoLog, ssm(&visit));
    visit
}

fn direct(b: &mut Builder) {
    let (site, at) = stage(b);
    let visit = direct_visit(b, &site, at);
    b.expect(Code::BypassStartSession, ssm(&visit));
    b.tolerate(Code::SessionNoArtifact, site.subject());
    b.innocent(Code::CloudTrailGap, ssm(&visit), "StartSession explains the session");
    b.finish(&site, &[visit]);
}

fn direct_denied(b: &mut Builder) {
    let (site, at) = stage(b);
    let mut visit = direct_visit(b, &site, at);
    visit.shell().denied = Some("AccessDeniedException");
    let event = format!("event:{}", visit.shells[0].event_id);
    b.innocent(Code::BypassStartSession, event, "it was refused");
    b.innocent(Code::BypassStartSession, ssm(&visit), "it was refused");
    b.innocent(Code::PostureUnloggedStart, "setting:arn:aws:iam::123456789012:role/sre", "the start was refused");
    if !site.saved.is_empty() {
        b.expect(Code::ArtifactNoSession, site.subject());
    }
    b.finish(&site, &[visit]);
}

/// A principal on the break-glass list past Boundary, by either door.
fn emergency(b: &mut Builder, number: usize) {
    let (site, at) = stage(b);
    let mut visit = if number.is_multiple_of(4) { direct_visit(b, &site, at) } else { b.bypass(site.owner, at) };
    visit.shell().by.role = "break-glass";
    b.expect(Code::BreakGlassUsed, ssm(&visit));
    b.innocent(Code::BypassExec, ssm(&visit), "the principal is on the break-glass list");
    b.innocent(Code::BypassStartSession, ssm(&visit), "the principal is on the break-glass list");
    b.finish(&site, &[visit]);
}

fn emergency_through_boundary(b: &mut Builder) {
    let (site, at) = stage(b);
    let mut visit = b.visit(&site, site.owner, at);
    visit.shell().by.role = "break-glass";
    b.innocent(Code::BreakGlassUsed, ssm(&visit), "it came through Boundary");
    b.finish(&site, &[visit]);
}

/// AWS refused; in every second case a retry over the same session works.
fn denied(b: &mut Builder, number: usize) {
    let (site, at) = stage(b);
    let mut visit = b.visit(&site, site.owner, at);
    if number.is_multiple_of(2) {
        let bs = visit.bs();
        let mut refused = b.shell(site.owner, at + SECOND, MINUTE, Some(&bs));
        refused.denied = Some("TargetNotConnectedException");
        refused.logs.clear();
        refused.client = None;
        b.innocent(Code::BypassExec, format!("ssm:{}", refused.id), "it was refused");
        b.innocent(Code::SessionUnused, format!("bs:{bs}"), "the retry worked");
        let second = format!("event:{}", visit.shells[0].event_id);
        b.innocent(Code::SessionExecDenied, second, "the retry worked");
        visit.shells.insert(0, refused);
    } else {
        let shell = visit.shell();
        shell.denied = Some("AccessDeniedException");
        shell.logs.clear();
        shell.client = None;
        b.innocent(Code::SessionNoLog, ssm(&visit), "it was refused");
        b.innocent(Code::SessionNoArtifact, site.subject(), "nobody entered");
        if !site.saved.is_empty() {
            b.expect(Code::ArtifactNoSession, site.subject());
        }
    }
    b.finish(&site, &[visit]);
}

/// Authorised and never connected.
fn unused(b: &mut Builder) {
    let (mut site, at) = stage(b);
    site.saved.clear();
    let tunnel = b.tunnel(&site, site.owner, at);
    b.innocent(Code::SessionNoLog, format!("bs:{}", tunnel.id), "no shell was opened");
    b.innocent(Code::SessionNoArtifact, site.subject(), "nobody entered");
    b.finish(&site, &[Visit { tunnel: Some(tunnel), shells: Vec::new() }]);
}

/// Authorised, not connected, not over.
fn still_usable(b: &mut Builder) {
    let minutes = b.rng.between(30, 200);
    let at = b.ago(minutes);
    let mut site = b.site(at);
    site.saved.clear();
    let mut tunnel = b.tunnel(&site, site.owner, at);
    tunnel.ended = None;
    b.innocent(Code::SessionUnused, format!("bs:{}", tunnel.id), "it has not ended");
    b.finish(&site, &[Visit { tunnel: Some(tunnel), shells: Vec::new() }]);
}

/// The Boundary session was cut in the middle, the shell was not.
fn outlives(b: &mut Builder, number: usize) {
    let (site, at) = stage(b);
    let mut visit = b.visit_for(&site, site.owner, at, 2 * HOUR);
    let cut = visit.shells[0].started + b.rng.between(20 * MINUTE, 90 * MINUTE);
    cut_at(b, &mut visit, cut, number);
    let subject = ssm(&visit);
    b.expect(Code::SessionOutlivesBoundary, subject.clone());
    for code in [Code::LogTampered, Code::LogOversize] {
        b.innocent(code, subject.clone(), "the client was cut; the log goes on beyond what it saw");
    }
    b.innocent(Code::LinkContested, format!("bs:{}", visit.bs()), "the client was cut");
    b.finish(&site, &[visit]);
}

/// Ends the Boundary session and the client's sight at an instant.
fn cut_at(b: &mut Builder, visit: &mut Visit, cut: i64, number: usize) {
    let text = b.text_of(500_000);
    let upload = visit.shells[0].logs[0].first_uploaded;
    let (reason, closed, ending) = match number % 2 {
        0 => ("canceled", "canceled", "boundary-canceled"),
        _ => ("timed out", "timed out", "boundary-expired"),
    };
    let shell = visit.shell();
    let skew = shell.goodbye().map_or(0, |end| end.at) - shell.ended.unwrap_or_default();
    shell.show(text, upload);
    shell.carried = Some(200_000);
    if let Some(end) = shell.goodbye() {
        end.seen = text.cut(200_000);
        end.at = cut + skew;
        (end.ending, end.exit_code, end.exit_source, end.remote_end) = (ending, 255, "wrapper", "requested");
    }
    if let Some(tunnel) = &mut visit.tunnel {
        (tunnel.ended, tunnel.reason) = (Some(cut), reason);
        tunnel.wires[0].closed_reason = closed;
    }
}

/// Cut as well, and the shell was gone within the tolerance.
fn ends_soon_after(b: &mut Builder, number: usize) {
    let (site, at) = stage(b);
    let mut visit = b.visit_for(&site, site.owner, at, HOUR);
    let ended = visit.ended().unwrap_or(at + HOUR);
    let cut = ended - b.rng.between(5 * SECOND, 100 * SECOND);
    cut_at(b, &mut visit, cut, number);
    b.innocent(Code::SessionOutlivesBoundary, ssm(&visit), "the shell was gone within the tolerance");
    b.innocent(Code::LogTampered, ssm(&visit), "the client was cut; the log goes on beyond what it saw");
    b.finish(&site, &[visit]);
}

/// Two people in one task at the same time.
fn two_people(b: &mut Builder) {
    let (site, at) = stage(b);
    let other = b.other_than(site.owner);
    let first = b.visit_for(&site, site.owner, at, HOUR);
    let second = b.visit_for(&site, other, at + 10 * MINUTE, HOUR);
    b.finish(&site, &[first, second]);
}

/// One person, one session a minute after the other.
fn one_after_another(b: &mut Builder) {
    let (site, at) = stage(b);
    let first = b.visit_for(&site, site.owner, at, 20 * MINUTE);
    let then = first.ended().unwrap_or(at) + MINUTE;
    let second = b.visit_for(&site, site.owner, then, 20 * MINUTE);
    b.innocent(Code::SessionOverlap, ssm(&second), "the first was over");
    b.innocent(Code::MultiSessionTask, site.subject(), "one person, two sessions");
    b.finish(&site, &[first, second]);
}

/// SSM and the container know the shell; CloudTrail, though read, does not.
fn not_in_trail(b: &mut Builder) {
    let (site, at) = stage(b);
    let mut visit = b.visit(&site, site.owner, at);
    visit.shell().is_in_trail = false;
    b.expect(Code::CloudTrailGap, ssm(&visit));
    b.innocent(Code::LogNoCloudTrail, ssm(&visit), "SSM knows the session");
    b.finish(&site, &[visit]);
}

/// The same within CloudTrail's delivery time.
fn not_delivered(b: &mut Builder) {
    let minutes = b.rng.between(3, 12);
    let at = b.ago(minutes);
    let site = b.site(at);
    let mut visit = b.visit_for(&site, site.owner, at, HOUR);
    visit.shell().is_in_trail = false;
    if let Some(tunnel) = &mut visit.tunnel {
        tunnel.ended = None;
    }
    b.innocent(Code::CloudTrailGap, ssm(&visit), "delivery is still under way");
    b.may_be_open(Code::CloudTrailGap, ssm(&visit));
    b.finish(&site, &[visit]);
}

/// A task without tags, for which target-sync makes no target; in the look-alike another reading has the tags.
fn untagged(b: &mut Builder, number: usize) {
    let (mut site, at) = stage(b);
    let visit = b.bypass(site.owner, at);
    (site.tagged, site.target_id) = ((false, false), None);
    b.expect(Code::TaskUntagged, site.subject());
    b.innocent(Code::BypassExec, ssm(&visit), "nobody gave the task into Boundary's care");
    b.finish(&site, &[visit]);

    let (mut site, at) = stage(b);
    let visit = b.visit(&site, site.owner, at);
    site.tagged = if number.is_multiple_of(2) { (true, false) } else { (false, true) };
    b.innocent(Code::TaskUntagged, site.subject(), "tagged in another reading");
    b.finish(&site, &[visit]);
}
