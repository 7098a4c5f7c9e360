//! Ordinary days: people enter their tasks, alone or together, and leave again.
//!
//! Owns the base behaviour. Nothing here is an attack, except the bypasses of worlds without scenes.

use crate::builder::{Builder, DIAL, HANG_UP};
use crate::plan::Visit;
use crate::site::Site;
use crate::time::{HOUR, MINUTE, SECOND};
use correlation::Code;

/// Plays the ordinary sessions, task by task.
pub(crate) fn play(builder: &mut Builder) {
    let mut left = builder.shape.sessions;
    while left > 0 {
        left -= play_task_of(builder, left);
    }
}

/// Plays one task with at most so many sessions; returns how many.
pub(crate) fn play_task_of(builder: &mut Builder, left: usize) -> usize {
    let count = (1 + builder.rng.below(4)).min(left);
    play_task(builder, count);
    count
}

fn play_task(builder: &mut Builder, count: usize) {
    let begin = builder.calm_time();
    let mut site = builder.site(begin);
    let visits = visits(builder, &site, count, begin);
    let last = visits.iter().filter_map(Visit::ended).max().unwrap_or(begin);
    // A task lives until its last shell is gone.
    if site.stopped.is_some_and(|stopped| stopped < last + HOUR) {
        site.stopped = Some(last + HOUR).filter(|at| *at < builder.now - 6 * HOUR);
        builder.save(&mut site);
    }
    look_alikes(builder, &site, &visits);
    builder.finish(&site, &visits);
}

fn visits(builder: &mut Builder, site: &Site, count: usize, begin: i64) -> Vec<Visit> {
    let is_shared = builder.rng.chance(builder.shape.shared_tasks);
    let is_doubled = builder.rng.chance(builder.shape.doubled_tasks);
    let mut visits: Vec<Visit> = Vec::new();
    let mut at = begin;
    let mut together = None;
    for _ in 0..count {
        let person = if is_shared && builder.rng.chance(0.5) { builder.other_than(site.owner) } else { site.owner };
        let visit = match together {
            _ if builder.rng.chance(builder.shape.bypasses) => builder.bypass(person, at),
            Some(end) if end > at + MINUTE => builder.visit_for(site, person, at, end - at - 2 * SECOND),
            _ => one(builder, site, person, at),
        };
        let end = visit.ended().unwrap_or(at + HOUR);
        // Sessions of shared and doubled tasks overlap; the others follow each other.
        let is_rushed = (is_shared || is_doubled) && builder.rng.chance(builder.shape.rushes);
        // Half of those who come together also leave together.
        together = Some(end).filter(|_| is_rushed && builder.rng.chance(0.5));
        at = if is_rushed {
            builder.rng.between(at, at + 3 * SECOND)
        } else if is_shared || is_doubled {
            builder.rng.between(at + 10 * SECOND, end.max(at + MINUTE))
        } else {
            end + builder.rng.lognormal_in(30.0 * 60_000.0, 1.0, 2 * MINUTE, 8 * HOUR)
        };
        visits.push(visit);
    }
    visits
}

/// One visit: mostly plain, sometimes with a retry or a reconnect.
fn one(builder: &mut Builder, site: &Site, person: usize, at: i64) -> Visit {
    let mut visit = builder.visit(site, person, at);
    let bs = visit.bs();
    if builder.rng.chance(builder.shape.retries) {
        retry(builder, person, &mut visit);
        builder.innocent(Code::LinkContested, format!("bs:{bs}"), "retries under one Boundary session");
    } else if builder.rng.chance(builder.shape.reconnects) {
        reconnect(&mut visit);
        builder.innocent(Code::LinkContested, format!("bs:{bs}"), "a reconnect: two connections, one shell");
    }
    visit
}

/// One or two more shells over the same Boundary session.
pub(super) fn retry(builder: &mut Builder, person: usize, visit: &mut Visit) {
    let bs = visit.bs();
    for _ in 0..=builder.rng.below(2) {
        let Some(end) = visit.ended() else { return };
        let at = end + builder.rng.between(2 * SECOND, 3 * MINUTE) + builder.draw(DIAL);
        let duration = builder.rng.lognormal_in(300_000.0, 1.0, 5 * SECOND, HOUR);
        let shell = builder.shell(person, at, duration, Some(&bs));
        let ended = shell.ended.map(|ended| ended + builder.draw(HANG_UP));
        visit.shells.push(shell);
        if let Some(tunnel) = &mut visit.tunnel {
            tunnel.ended = ended;
            tunnel.connect_again();
        }
    }
}

pub(super) fn reconnect(visit: &mut Visit) {
    if let Some(tunnel) = &mut visit.tunnel {
        tunnel.connect_again();
        tunnel.wires[0].share = 0.4;
        tunnel.wires[0].closed_reason = "network error";
        tunnel.wires[1].share = 0.6;
    }
}

/// What a hasty judge would say of ordinary sessions; a sample is enough.
fn look_alikes(builder: &mut Builder, site: &Site, visits: &[Visit]) {
    if !builder.rng.chance(0.08) || builder.shape.scenes == 0 {
        return;
    }
    for visit in visits.iter().filter(|visit| visit.tunnel.is_some()) {
        let ssm = format!("ssm:{}", visit.ssm());
        builder.innocent(Code::BypassStartSession, ssm.clone(), "ECS's own StartSession");
        builder.innocent(Code::BreakGlassUsed, ssm.clone(), "an ordinary principal through Boundary");
        builder.innocent(Code::SessionUnused, format!("bs:{}", visit.bs()), "a shell was opened through it");
        builder.innocent(Code::LinkForged, ssm.clone(), "CloudTrail's whole second lies before the connection");
        builder.innocent(Code::CloudTrailGap, ssm, "CloudTrail has its beginning");
        builder.innocent(Code::SessionExecDenied, format!("event:{}", visit.shells[0].event_id), "it was allowed");
    }
    builder.innocent(Code::TaskUntagged, site.subject(), "the task is tagged");
}
