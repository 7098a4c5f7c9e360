//! Scenes about links: shells past Boundary, and ids that lie.
//!
//! Owns attackers and their innocent look-alikes.

use super::{daily, repeat};
use crate::builder::Builder;
use crate::plan::{Read, Visit};
use crate::site::Site;
use crate::time::{HOUR, MINUTE, SECOND};
use correlation::Code;

pub(crate) fn play(builder: &mut Builder) {
    repeat(builder, 1, |b, _| bypass_alone(b));
    repeat(builder, 1, bypass_beside_idle);
    repeat(builder, 1, |b, _| bypass_beside_fresh(b));
    repeat(builder, 2, |b, _| explained_without_keys(b));
    repeat(builder, 1, |b, _| not_yet_read(b));
    repeat(builder, 1, |b, _| forged_over(b));
    repeat(builder, 1, |b, _| forged_never(b));
    repeat(builder, 2, |b, _| other_tasks_session(b));
    repeat(builder, 1, |b, _| target_not_recorded(b));
    repeat(builder, 1, |b, _| target_made_again(b));
    repeat(builder, 2, contested);
    repeat(builder, 2, claimed_by_little);
    repeat(builder, 1, |b, _| divided(b));
    repeat(builder, 1, |b, _| many_over_one(b));
    repeat(builder, 1, |b, _| worker_died(b));
    repeat(builder, 1, |b, _| not_read_after_the_end(b));
}

pub(super) fn stage(b: &mut Builder) -> (Site, i64) {
    let at = b.calm_time();
    (b.site(at), at)
}

pub(super) fn ssm(visit: &Visit) -> String {
    format!("ssm:{}", visit.ssm())
}

/// The person who may enter the task, but not through Boundary.
fn bypass_alone(b: &mut Builder) {
    let (site, at) = stage(b);
    let visit = b.bypass(site.owner, at);
    b.expect(Code::BypassExec, ssm(&visit));
    b.finish(&site, &[visit]);
}

/// The same while an own Boundary session idles: never connected, or connected long before.
fn bypass_beside_idle(b: &mut Builder, number: usize) {
    let (site, at) = stage(b);
    let mut tunnel = b.tunnel(&site, site.owner, at);
    if number.is_multiple_of(2) {
        tunnel.active_from = Some(at + 2 * SECOND);
    }
    let after = at + b.rng.between(40 * MINUTE, 3 * HOUR);
    let visit = b.bypass(site.owner, after);
    b.expect(Code::BypassExec, ssm(&visit));
    b.finish(&site, &[Visit { tunnel: Some(tunnel), shells: Vec::new() }, visit]);
}

/// A Boundary session is connected for show, and a second later the shell is opened past it: only the bytes tell.
fn bypass_beside_fresh(b: &mut Builder) {
    let (site, at) = stage(b);
    let mut tunnel = b.tunnel(&site, site.owner, at);
    tunnel.active_from = Some(at + 2 * SECOND);
    let mut visit = b.bypass(site.owner, at + 3 * SECOND);
    let text = b.text_of(600_000);
    let upload = visit.shells[0].logs[0].first_uploaded;
    visit.shell().show(text, upload);
    tunnel.ended = visit.ended().map(|ended| ended + SECOND);
    b.expect(Code::BypassExec, ssm(&visit));
    b.finish(&site, &[Visit { tunnel: Some(tunnel), shells: Vec::new() }, visit]);
}

/// Another launcher: no planted id and no record, but everything else fits one Boundary session.
fn explained_without_keys(b: &mut Builder) {
    let (site, at) = stage(b);
    let mut visit = b.visit(&site, site.owner, at);
    let name = b.people[site.owner].name.clone();
    let shell = visit.shell();
    shell.planted.command = None;
    shell.by.session_name = name;
    shell.client = None;
    b.innocent(Code::BypassExec, ssm(&visit), "no id is planted, but task, person, times and bytes fit one session");
    b.finish(&site, &[visit]);
}

/// A shell of the last minutes, whose Boundary session the collector has not read.
fn not_yet_read(b: &mut Builder) {
    let minutes = b.rng.between(2, 12);
    let at = b.ago(minutes);
    let site = b.site(at);
    let mut visit = b.visit_for(&site, site.owner, at, HOUR);
    if let Some(tunnel) = &mut visit.tunnel {
        (tunnel.read, tunnel.ended) = (Read::Never, None);
    }
    let subject = ssm(&visit);
    for (code, why) in [
        (Code::BypassExec, "the collector's next reading may still show the session"),
        (Code::LinkForged, "the collector's next reading may still show the session"),
        (Code::SessionNoLog, "the shell is open"),
    ] {
        b.innocent(code, subject.clone(), why);
        b.may_be_open(code, subject.clone());
    }
    b.innocent(Code::SessionUnused, format!("bs:{}", visit.bs()), "it has not ended");
    b.truth.unknowable.insert(visit.shells[0].id.clone());
    b.finish(&site, &[visit]);
}

fn plant(visit: &mut Visit, id: &str) {
    let shell = visit.shell();
    shell.planted.command = Some(id.to_owned());
    shell.by.session_name = format!("{}={id}", shell.by.session_name);
}

/// The id of an own session that is long over.
fn forged_over(b: &mut Builder) {
    let (site, at) = stage(b);
    let before = b.visit_for(&site, site.owner, at, 10 * MINUTE);
    let mut visit = b.bypass(site.owner, at + 5 * HOUR);
    plant(&mut visit, &before.bs());
    forged(b, &visit);
    b.tolerate(Code::LinkContested, format!("bs:{}", before.bs()));
    b.finish(&site, &[before, visit]);
}

/// The id of a session that never was.
fn forged_never(b: &mut Builder) {
    let (site, at) = stage(b);
    let mut visit = b.bypass(site.owner, at);
    let id = b.boundary_id();
    plant(&mut visit, &id);
    forged(b, &visit);
    b.tolerate(Code::LinkContested, format!("bs:{id}"));
    b.finish(&site, &[visit]);
}

fn forged(b: &mut Builder, visit: &Visit) {
    b.expect(Code::LinkForged, ssm(visit));
    b.tolerate(Code::BypassExec, ssm(visit));
}

/// The id of an own living session, of another task's target.
fn other_tasks_session(b: &mut Builder) {
    let (site, at) = stage(b);
    let mut other = b.site(at);
    other.owner = site.owner;
    let there = b.visit_for(&other, other.owner, at, 2 * HOUR);
    let mut visit = b.bypass(site.owner, at + 20 * MINUTE);
    plant(&mut visit, &there.bs());
    b.expect(Code::TargetTaskMismatch, ssm(&visit));
    for (code, subject) in
        [(Code::BypassExec, ssm(&visit)), (Code::LinkForged, ssm(&visit)), (Code::LinkContested, format!("bs:{}", there.bs()))]
    {
        b.tolerate(code, subject);
    }
    b.finish(&other, &[there]);
    b.finish(&site, &[visit]);
}

/// Target-sync's records of the target are lost.
fn target_not_recorded(b: &mut Builder) {
    let (mut site, at) = stage(b);
    let visit = b.visit(&site, site.owner, at);
    site.target_id = None;
    b.innocent(Code::TargetTaskMismatch, ssm(&visit), "nobody recorded which task the target belongs to");
    b.innocent(Code::BypassExec, ssm(&visit), "its Boundary session is planted");
    b.finish(&site, &[visit]);
}

/// The task's target was deleted and made again.
fn target_made_again(b: &mut Builder) {
    let (mut site, at) = stage(b);
    let visit = b.visit(&site, site.owner, at);
    let again = format!("ttcp_{}", &b.boundary_id()[2..]);
    site.other_targets.push(again);
    b.innocent(Code::TargetTaskMismatch, ssm(&visit), "both targets are the task's");
    b.finish(&site, &[visit]);
}

/// An attacker plants the id of somebody else's living session, and shows more than went through it.
fn contested(b: &mut Builder, number: usize) {
    let (site, at) = stage(b);
    let mut victim = b.visit_for(&site, site.owner, at, 2 * HOUR);
    let small = b.text_of(4000);
    let upload = victim.shells[0].logs[0].first_uploaded;
    victim.shell().show(small, upload);
    connect_twice(&mut victim, number);
    let attack = attacker(b, &site, &victim, at + 15 * MINUTE, 900_000);
    b.expect(Code::LinkContested, format!("bs:{}", victim.bs()));
    b.finish(&site, &[victim, attack]);
}

/// The same with so little output that the bytes cannot tell: the claim must not carry more than `asserted`.
fn claimed_by_little(b: &mut Builder, number: usize) {
    let (site, at) = stage(b);
    let mut victim = b.visit_for(&site, site.owner, at, 2 * HOUR);
    let much = b.text_of(400_000);
    let upload = victim.shells[0].logs[0].first_uploaded;
    victim.shell().show(much, upload);
    connect_twice(&mut victim, number);
    let attack = attacker(b, &site, &victim, at + 15 * MINUTE, 300);
    b.tolerate(Code::LinkContested, format!("bs:{}", victim.bs()));
    b.finish(&site, &[victim, attack]);
}

/// In every second case the victim had two connections, so that their number tells nothing.
fn connect_twice(victim: &mut Visit, number: usize) {
    if let Some(tunnel) = victim.tunnel.as_mut().filter(|_| number.is_multiple_of(2)) {
        tunnel.connect_again();
    }
}

fn attacker(b: &mut Builder, site: &Site, victim: &Visit, at: i64, bytes: u64) -> Visit {
    let person = b.other_than(site.owner);
    let mut visit = b.bypass(person, at);
    let text = b.text_of(bytes);
    let upload = visit.shells[0].logs[0].first_uploaded;
    let shell = visit.shell();
    shell.show(text, upload);
    // In every third case the attacker sits in the victim's office, behind one address.
    let address = if b.rng.chance(0.33) { &victim.shells[0].by.address } else { "192.0.2.66" };
    address.clone_into(&mut shell.by.address);
    plant(&mut visit, &victim.bs());
    if b.rng.chance(0.3) {
        visit.shell().planted.command = None;
    }
    let ours = visit.shells[0].id.clone();
    b.truth.claims.insert(ours, victim.bs());
    // By its claim it belongs to one Boundary session; in truth the two overlap.
    for code in [Code::BypassExec, Code::LinkForged, Code::SessionOverlap, Code::SessionOutlivesBoundary] {
        b.tolerate(code, ssm(&visit));
        b.tolerate(code, ssm(victim));
    }
    visit
}

/// One person, two living sessions, and a shell that names one in its command and the other in its name.
fn divided(b: &mut Builder) {
    let (site, at) = stage(b);
    let first = b.visit_for(&site, site.owner, at, 2 * HOUR);
    let mut second = b.visit_for(&site, site.owner, at + 10 * MINUTE, HOUR);
    let by = b.caller(site.owner, Some(&first.bs()));
    second.shell().by = by;
    b.expect(Code::LinkContested, ssm(&second));
    b.truth.unknowable.insert(second.shells[0].id.clone());
    for visit in [&first, &second] {
        b.tolerate(Code::LinkContested, format!("bs:{}", visit.bs()));
        b.tolerate(Code::SessionUnused, format!("bs:{}", visit.bs()));
        b.tolerate(Code::SessionOverlap, ssm(visit));
    }
    b.finish(&site, &[first, second]);
}

/// Two or three shells over one Boundary session, the last two at the same time.
fn many_over_one(b: &mut Builder) {
    let (site, at) = stage(b);
    let mut visit = b.visit_for(&site, site.owner, at, 30 * MINUTE);
    daily::retry(b, site.owner, &mut visit);
    let bs = visit.bs();
    let beside = b.shell(site.owner, at + 10 * MINUTE, 3 * MINUTE, Some(&bs));
    b.innocent(Code::SessionOverlap, format!("ssm:{}", beside.id), "both belong to one Boundary session");
    b.innocent(Code::MultiSessionTask, site.subject(), "one person, several shells");
    b.innocent(Code::LinkContested, format!("bs:{bs}"), "retries: the bytes cover all of them");
    visit.shells.push(beside);
    if let Some(tunnel) = &mut visit.tunnel {
        tunnel.connect_again();
    }
    b.finish(&site, &[visit]);
}

/// A worker died and reported half of the bytes.
fn worker_died(b: &mut Builder) {
    let (site, at) = stage(b);
    let mut visit = b.visit_for(&site, site.owner, at, HOUR);
    let text = b.text_of(700_000);
    let upload = visit.shells[0].logs[0].first_uploaded;
    visit.shell().show(text, upload);
    if let Some(tunnel) = &mut visit.tunnel {
        tunnel.reported = 0.3;
        tunnel.reason = "unknown";
        tunnel.wires[0].closed_reason = "system error";
    }
    b.innocent(Code::LogOversize, ssm(&visit), "the worker died before it reported its bytes");
    b.innocent(Code::LinkContested, format!("bs:{}", visit.bs()), "the worker died before it reported its bytes");
    b.finish(&site, &[visit]);
}

/// The session was read while it lived, and never again.
fn not_read_after_the_end(b: &mut Builder) {
    let (site, at) = stage(b);
    let mut visit = b.visit_for(&site, site.owner, at, HOUR);
    if let Some(tunnel) = &mut visit.tunnel {
        (tunnel.read, tunnel.is_removed) = (Read::Living, false);
    }
    b.innocent(Code::LogOversize, ssm(&visit), "the bytes were not read after the end");
    b.innocent(Code::LinkContested, format!("bs:{}", visit.bs()), "the bytes were not read after the end");
    b.tolerate(Code::BoundaryHarvestGap, format!("bs:{}", visit.bs()));
    b.finish(&site, &[visit]);
}
