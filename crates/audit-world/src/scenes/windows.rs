//! What was read and what was not: the ordinary windows, and the zone of gaps in the first six days.
//!
//! Owns all coverage. In the zone every gap has an hour of its own.

use super::logs::MUTE_REGION;
use super::repeat;
use crate::builder::{ACCOUNT, Builder, PROJECT, REGION};
use crate::emit::place_of;
use crate::plan::{Read, Visit};
use crate::shape::Keys;
use crate::time::{EPOCH, HOUR, MINUTE, Ms, stamp};
use audit_facts::{Coverage, Grade, Lack, Source};
use correlation::Code;

/// Hours in the zone of gaps that gaps may take; the rest keeps them apart from the calm days.
const SLOTS: usize = 140;

pub(crate) fn play(builder: &mut Builder) {
    let mut holes: Vec<(Source, Ms)> = Vec::new();
    if builder.shape.scenes > 0 {
        repeat(builder, 2, |b, number| missed(b, &mut holes, number));
        repeat(builder, 2, |b, number| missed_with_events(b, &mut holes, number));
        repeat(builder, 2, |b, number| broken(b, &mut holes, number));
        repeat(builder, 2, |b, number| refused(b, &mut holes, number));
        repeat(builder, 1, |b, _| lost(b));
        mute_region(builder);
    }
    ordinary(builder, &holes);
}

fn slot(kind: usize, number: usize) -> Ms {
    EPOCH + HOUR * Ms::try_from((number * 5 + kind) % SLOTS).unwrap_or_default()
}

fn scope_of(source: Source) -> String {
    match source {
        Source::BoundaryApi | Source::BoundaryEvents | Source::SyncRecords | Source::Links => PROJECT.to_owned(),
        _ => format!("{ACCOUNT}/{REGION}"),
    }
}

fn window(source: Source, from: Ms, to: Ms, grade: Grade, lack: Option<Lack>) -> Coverage {
    let (from, to) = (stamp(from), stamp(to));
    Coverage { source, place: place_of(source).to_owned(), scope: scope_of(source), from, to, grade, lack }
}

fn subject(window: &Coverage) -> String {
    format!("window:{}|{}|{}", window.source, window.place, window.from)
}

fn hole(b: &mut Builder, holes: &mut Vec<(Source, Ms)>, source: Source, from: Ms, lack: Lack) -> String {
    holes.push((source, from));
    let window = window(source, from, from + HOUR, Grade::None, Some(lack));
    let subject = subject(&window);
    b.coverage.push(window);
    subject
}

/// Nobody read Boundary's sessions; a shell of that time may have had one.
fn missed(b: &mut Builder, holes: &mut Vec<(Source, Ms)>, number: usize) {
    let from = slot(0, number);
    let subject = hole(b, holes, Source::BoundaryApi, from, Lack::Missed);
    b.expect(Code::BoundaryHarvestGap, subject.clone());
    b.innocent(Code::CannotRead, subject, "it was not refused, nobody asked");
    let site = b.site(from + 10 * MINUTE);
    let mut visit = b.visit_for(&site, site.owner, from + 10 * MINUTE, 15 * MINUTE);
    if let Some(tunnel) = &mut visit.tunnel {
        tunnel.read = Read::Never;
    }
    if number.is_multiple_of(2) {
        let name = b.people[site.owner].name.clone();
        let shell = visit.shell();
        (shell.planted.command, shell.client, shell.by.session_name) = (None, None, name);
    }
    let ssm = format!("ssm:{}", visit.ssm());
    b.innocent(Code::BypassExec, ssm.clone(), "Boundary's sessions of that time were not read");
    b.innocent(Code::LinkForged, ssm, "Boundary's sessions of that time were not read");
    b.truth.unknowable.insert(visit.shells[0].id.clone());
    b.finish(&site, &[visit]);
}

/// The same with complete audit events.
fn missed_with_events(b: &mut Builder, holes: &mut Vec<(Source, Ms)>, number: usize) {
    let from = slot(1, number);
    let subject = hole(b, holes, Source::BoundaryApi, from, Lack::Missed);
    b.coverage.push(window(Source::BoundaryEvents, from, from + HOUR, Grade::Proved, None));
    b.innocent(Code::BoundaryHarvestGap, subject, "the audit events of that time are complete");
}

/// CloudTrail's files are not what their digests say.
fn broken(b: &mut Builder, holes: &mut Vec<(Source, Ms)>, number: usize) {
    let from = slot(2, number);
    let lack = Lack::Broken { text: "a file's digest differs".to_owned() };
    let subject = hole(b, holes, Source::CloudTrail, from, lack);
    b.expect(Code::CloudTrailGap, subject.clone());
    b.innocent(Code::CannotRead, subject, "it was read, and does not hold");
    if number.is_multiple_of(2) {
        let mut site = b.site(from - HOUR);
        (site.created, site.stopped) = (from - HOUR, Some(from + 2 * HOUR));
        b.save(&mut site);
        b.innocent(Code::ArtifactNoSession, site.subject(), "CloudTrail was not read for all of the task's life");
        b.finish(&site, &[]);
    } else {
        let site = b.site(from);
        let mut visit = b.bypass(site.owner, from + 5 * MINUTE);
        let shell = visit.shell();
        (shell.is_in_trail, shell.is_described) = (false, false);
        shell.ended = Some(shell.started + 20 * MINUTE);
        let (text, upload) = (shell.text, shell.started + 21 * MINUTE);
        let log = crate::builder::ordinary_log(text, upload);
        b.emit_log(&site, &log, Some(&visit.shells[0]));
        b.innocent(Code::LogNoCloudTrail, format!("ssm:{}", visit.ssm()), "CloudTrail was not read for that time");
    }
}

/// A source refused.
fn refused(b: &mut Builder, holes: &mut Vec<(Source, Ms)>, number: usize) {
    let from = slot(3, number);
    let source = [Source::ExecLogs, Source::Artifacts, Source::SsmSessions][number % 3];
    let lack = Lack::CannotRead { text: "AccessDeniedException".to_owned() };
    let subject = hole(b, holes, source, from, lack);
    b.expect(Code::CannotRead, subject.clone());
    b.innocent(Code::CloudTrailGap, subject.clone(), "another source");
    b.innocent(Code::BoundaryHarvestGap, subject, "another source");
}

/// A session that was seen alive and deleted before anybody read its end.
fn lost(b: &mut Builder) {
    let at = b.calm_time();
    let site = b.site(at);
    let mut visit = b.visit(&site, site.owner, at);
    if let Some(tunnel) = &mut visit.tunnel {
        (tunnel.read, tunnel.is_removed) = (Read::Living, true);
        tunnel.created -= HOUR;
    }
    b.expect(Code::BoundaryHarvestGap, format!("bs:{}", visit.bs()));
    b.finish(&site, &[visit]);
    // Deleted after its end was read: as it should be.
    let at = b.calm_time();
    let site = b.site(at);
    let mut visit: Visit = b.visit(&site, site.owner, at);
    if let Some(tunnel) = &mut visit.tunnel {
        tunnel.is_removed = true;
    }
    b.innocent(Code::BoundaryHarvestGap, format!("bs:{}", visit.bs()), "its end was read before");
    b.finish(&site, &[visit]);
}

/// A region in which everything is read but the logs.
fn mute_region(b: &mut Builder) {
    let scope = format!("{ACCOUNT}/{MUTE_REGION}");
    let (from, to) = (EPOCH, b.now);
    for source in [Source::CloudTrail, Source::SsmSessions, Source::Ecs, Source::Artifacts] {
        b.coverage.push(Coverage {
            scope: scope.clone(),
            place: "abroad".to_owned(),
            ..window(source, from, to, grade_of(source), None)
        });
    }
    let lack = Some(Lack::CannotRead { text: "kms:Decrypt is missing".to_owned() });
    let mute = Coverage { scope, place: "abroad".to_owned(), ..window(Source::ExecLogs, from, to, Grade::None, lack) };
    b.expect(Code::CannotRead, subject(&mute));
    b.coverage.push(mute);
}

fn grade_of(source: Source) -> Grade {
    match source {
        Source::BoundaryApi | Source::CloudTrail => Grade::Proved,
        _ => Grade::BestEffort,
    }
}

/// Everything that exists was read for all the time, except in the holes.
fn ordinary(b: &mut Builder, holes: &[(Source, Ms)]) {
    for source in Source::ALL {
        let is_there = match source {
            Source::BoundaryEvents => false,
            Source::CloudTrail => b.shape.keys != Keys::Unplanted,
            Source::Links => b.shape.keys == Keys::Planted,
            _ => true,
        };
        if is_there {
            let mut starts: Vec<Ms> = holes.iter().filter(|(it, _)| *it == source).map(|(_, from)| *from).collect();
            starts.sort_unstable();
            let mut from = EPOCH;
            for hole in starts {
                if from < hole {
                    b.coverage.push(window(source, from, hole, grade_of(source), None));
                }
                from = hole + HOUR;
            }
            b.coverage.push(window(source, from, b.now, grade_of(source), None));
        }
    }
}
