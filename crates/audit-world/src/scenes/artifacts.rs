//! Scenes about saved files: missing, partial, changed, badly locked, or nobody's.
//!
//! Owns what the bucket shows after a task's stop.

use super::repeat;
use crate::builder::Builder;
use crate::plan::Visit;
use crate::site::{Saved, Site};
use crate::time::{DAY, HOUR, MINUTE, SECOND};
use correlation::Code;

pub(crate) fn play(builder: &mut Builder) {
    repeat(builder, 2, |b, _| nothing_saved(b));
    repeat(builder, 2, not_saved_yet);
    repeat(builder, 2, |b, _| changed(b));
    repeat(builder, 2, |b, _| two_versions_of_one_sync(b));
    repeat(builder, 2, |b, _| without_history(b));
    repeat(builder, 2, |b, _| killed_with_the_task(b));
    repeat(builder, 2, weakly_kept);
    repeat(builder, 2, |b, _| nobody_entered(b));
}

fn entered(b: &mut Builder) -> (Site, Visit) {
    let at = b.calm_time();
    let site = b.site(at);
    let visit = b.visit_for(&site, site.owner, at, 30 * MINUTE);
    (site, visit)
}

/// A site that has certainly stopped.
fn stopped(b: &mut Builder) -> (Site, Visit) {
    loop {
        let (site, visit) = entered(b);
        if site.stopped.is_some_and(|stopped| stopped < b.now - DAY) {
            return (site, visit);
        }
    }
}

fn nothing_saved(b: &mut Builder) {
    let (mut site, visit) = stopped(b);
    site.saved.clear();
    b.expect(Code::SessionNoArtifact, site.subject());
    b.finish(&site, &[visit]);
}

/// The task runs, or stopped a moment ago.
fn not_saved_yet(b: &mut Builder, number: usize) {
    let at = b.ago(400);
    let mut site = b.site(at);
    let minutes = b.rng.between(3, 15);
    site.stopped = Some(b.ago(minutes)).filter(|_| number.is_multiple_of(2));
    site.saved.clear();
    let visit = b.visit_for(&site, site.owner, at, 30 * MINUTE);
    let why = if number.is_multiple_of(2) { "the sync may still be under way" } else { "the task runs" };
    b.innocent(Code::SessionNoArtifact, site.subject(), why);
    b.may_be_open(Code::SessionNoArtifact, site.subject());
    b.finish(&site, &[visit]);
}

/// A later version or a delete marker, days after the sync.
fn changed(b: &mut Builder) {
    let (mut site, visit) = stopped(b);
    let first = site.saved[1].clone();
    let is_deletion = b.rng.chance(0.5);
    let modified = b.rng.between(first.modified + 5 * HOUR, b.now - HOUR);
    let bytes = if is_deletion { 0 } else { first.bytes / 2 };
    let retained_until = (!is_deletion).then_some(modified + 90 * DAY);
    site.saved.push(Saved { version: 2, modified, bytes, is_deletion, retained_until, ..first.clone() });
    b.expect(Code::ArtifactTampered, format!("object:{}", site.object(&first.path)));
    let untouched = site.object(&site.saved[0].path);
    b.innocent(Code::ArtifactTampered, format!("object:{untouched}"), "only the other file was changed");
    b.finish(&site, &[visit]);
}

/// The sync was tried again within its time.
fn two_versions_of_one_sync(b: &mut Builder) {
    let (mut site, visit) = stopped(b);
    let first = site.saved[0].clone();
    let modified = first.modified + b.rng.between(20 * SECOND, 5 * MINUTE);
    site.saved.push(Saved { version: 2, modified, retained_until: Some(modified + 90 * DAY), ..first.clone() });
    let object = site.object(&first.path);
    b.innocent(Code::ArtifactTampered, format!("object:{object}"), "the sync could still run");
    b.finish(&site, &[visit]);
}

fn without_history(b: &mut Builder) {
    let (mut site, visit) = stopped(b);
    site.saved.remove(0);
    b.expect(Code::ArtifactPartial, site.subject());
    b.innocent(Code::SessionNoArtifact, site.subject(), "some files were saved");
    b.finish(&site, &[visit]);
}

/// The task's stop ended the shell, so that it wrote no history.
fn killed_with_the_task(b: &mut Builder) {
    let (mut site, mut visit) = stopped(b);
    let stopped = visit.ended().unwrap_or_default() - 2 * SECOND;
    site.stopped = Some(stopped);
    b.save(&mut site);
    site.saved.remove(0);
    let shell = visit.shell();
    if let Some(end) = shell.goodbye() {
        (end.ending, end.exit_code, end.exit_source, end.remote_end) = ("task-stopped", 69, "wrapper", "unknown");
    }
    b.innocent(Code::ArtifactPartial, site.subject(), "no shell ended normally");
    b.finish(&site, &[visit]);
}

/// Not kept at all, or shorter than the policy says; the look-alikes are kept long enough, or nobody read for how long.
fn weakly_kept(b: &mut Builder, number: usize) {
    let (mut site, visit) = stopped(b);
    let modified = site.saved[0].modified;
    site.saved[0].retained_until = (!number.is_multiple_of(2)).then_some(modified + 30 * DAY);
    let weak = site.object(&site.saved[0].path);
    b.expect(Code::ArtifactRetentionWeak, format!("object:{weak}"));
    let file = &mut site.saved[1];
    let why = if number.is_multiple_of(2) {
        (file.retained_until, file.retention_read) = (None, false);
        "its retention was not read"
    } else {
        file.retained_until = Some(file.modified + 365 * DAY);
        "it is kept for a year"
    };
    let object = site.object(&site.saved[1].path);
    b.innocent(Code::ArtifactRetentionWeak, format!("object:{object}"), why);
    b.finish(&site, &[visit]);
}

fn nobody_entered(b: &mut Builder) {
    let (site, _) = stopped(b);
    b.expect(Code::ArtifactNoSession, site.subject());
    b.finish(&site, &[]);
    let (site, visit) = stopped(b);
    b.innocent(Code::ArtifactNoSession, site.subject(), "somebody entered it");
    b.innocent(Code::ArtifactPartial, site.subject(), "the history was saved");
    b.innocent(Code::SessionNoArtifact, site.subject(), "files were saved");
    b.finish(&site, &[visit]);
}
