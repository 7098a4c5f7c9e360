//! The hand of a test on the evidence that a world leaves: its stores, its losses and its forgeries. What it does shows nowhere
//! but in the stores themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::aws::logs::{Group, LogEvent};
use crate::aws::s3::{Content, ObjectVersion};
use crate::exec_logging::{ExecLogging, container_log_group};
use crate::sigv4::SigningKeys;
use crate::tasks::{CLUSTER, REGION};
use crate::trail;
use crate::world::World;

/// What a task copies to a bucket when it is stopped.
#[derive(Clone, Debug)]
pub struct Artifacts {
    /// The bucket.
    pub bucket: String,
    /// The files of its home by their paths.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Whether the copy is cut off: only the first half of the files arrives, and never `.bash_history`.
    pub is_partial: bool,
}

impl Artifacts {
    /// Returns what an investigation usually leaves.
    pub fn usual(bucket: &str) -> Self {
        let file = |path: &str, text: &str| (path.to_owned(), text.as_bytes().to_vec());
        let files = BTreeMap::from([
            file(".bash_history", "#1766000000\noc get nodes\n#1766000030\nexit\n"),
            file(".bashrc", "export HISTTIMEFORMAT='%F %T '\n"),
            file("must-gather/pods.txt", "NAME READY\netcd-0 1/1\n"),
            file("notes.md", "# Findings\n"),
        ]);
        Self { bucket: bucket.to_owned(), files, is_partial: false }
    }
}

/// Time.
impl World {
    /// Turns the clocks of CloudTrail, CloudWatch Logs, SSM, ECS, S3 and Boundary forward. Signatures and credentials keep the
    /// machine's own time.
    pub fn advance_clock(&self, by: Duration) {
        self.shared.clock.advance(by);
        self.boundary().advance_clock(by);
    }

    /// Returns the time of the AWS services, which [`World::advance_clock`] turns.
    pub fn now(&self) -> jiff::Timestamp {
        self.shared.clock.now()
    }
}

/// The auditor.
impl World {
    /// Returns the environment of an auditor with new credentials: he may read what an audit reads, and nothing else.
    pub fn auditor_environment(&self) -> Vec<(String, String)> {
        self.environment_of(&self.shared.principals.assume_auditor())
    }

    /// Returns new signing keys of the auditor, for tests that sign by hand.
    pub fn auditor_keys(&self) -> SigningKeys {
        let auditor = self.shared.principals.assume_auditor();
        SigningKeys { access_key: auditor.access_key, secret: auditor.secret, session_token: auditor.session_token }
    }

    /// Denies actions to the auditor, also with credentials that he gets later.
    pub fn deny_auditor(&self, actions: &[&str]) {
        self.shared.principals.deny_auditor(actions);
    }
}

/// Log groups.
impl World {
    /// Makes the groups that a world begins with.
    pub(crate) fn make_log_groups(&self) {
        let transcripts = self.shared.exec_logging().group_of(CLUSTER);
        for group in transcripts.into_iter().chain([container_log_group()]) {
            self.add_log_group(&group);
            self.set_log_key(&group, self.has_kms().then(|| self.kms_key_arn()).as_deref());
        }
    }

    /// Adds an empty log group in the world's region.
    pub fn add_log_group(&self, name: &str) {
        self.shared.log_groups.add(name, self.shared.clock.millis());
    }

    /// Sets how many days a log group keeps its events, for ever if none; false without such a group.
    pub fn set_log_retention(&self, group: &str, days: Option<u32>) -> bool {
        self.shared.log_groups.change(group, |group| group.retention_days = days).is_some()
    }

    /// Sets the ARN of the KMS key that a log group is encrypted with; who reads its events then needs `kms:Decrypt` on it. False
    /// without such a group.
    pub fn set_log_key(&self, group: &str, kms_key_arn: Option<&str>) -> bool {
        self.shared.log_groups.change(group, |group| group.kms_key = kms_key_arn.map(str::to_owned)).is_some()
    }

    /// Returns the streams of a log group with their events in the order of their times.
    pub fn log_streams(&self, group: &str) -> BTreeMap<String, Vec<LogEvent>> {
        self.shared.log_groups.streams(group)
    }
}

/// Transcripts.
impl World {
    /// Changes where transcripts of ECS Exec go from now on; it makes no log group and no bucket.
    pub fn set_exec_logging(&self, logging: ExecLogging) {
        *self.shared.exec_logging() = logging;
    }

    /// Returns the raw terminal bytes of a session, which the agent would upload as its log.
    pub fn transcript(&self, session_id: &str) -> Option<Vec<u8>> {
        self.shared.sessions.find(session_id).map(|session| session.transcript())
    }

    /// Loses the transcript of a session wherever it is; false if there is none.
    pub fn lose_transcript(&self, session_id: &str) -> bool {
        let streams = self.shared.log_groups.change_all(|group| group.streams.remove(session_id).is_some());
        let object = self.shared.exec_logging().object_of(session_id);
        let objects = object.and_then(|(bucket, key)| self.shared.buckets.with(&bucket, |bucket| bucket.erase(&key)));
        streams || objects == Some(true)
    }

    /// Cuts a transcript off in its middle, so that it has no trailer; false if there is none.
    pub fn truncate_transcript(&self, session_id: &str) -> bool {
        self.edit_transcript(session_id, true, |text| {
            let end = text.rfind("\nScript done on").unwrap_or(text.len());
            let middle = (end / 2..=end).find(|at| text.is_char_boundary(*at)).unwrap_or(end);
            text.truncate(middle);
        })
    }

    /// Changes one character behind a transcript's first line; false if there is none.
    pub fn alter_transcript(&self, session_id: &str) -> bool {
        self.edit_transcript(session_id, false, |text| {
            let body = text.find('\n').map_or(0, |at| at + 1);
            let letter = text[body..].char_indices().find(|(_, letter)| letter.is_ascii_alphanumeric());
            if let Some((at, letter)) = letter {
                let other = if letter == 'x' { "y" } else { "x" };
                text.replace_range(body + at..=body + at, other);
            }
        })
    }

    /// Edits the last or first event of a transcript's stream, and its object as a whole.
    fn edit_transcript(&self, session_id: &str, last: bool, edit: impl Fn(&mut String)) -> bool {
        let streams = self.shared.log_groups.change_all(|group| {
            let events = group.streams.get_mut(session_id);
            let event = events.and_then(|events| if last { events.last_mut() } else { events.first_mut() });
            event.map(|event| edit(&mut event.message)).is_some()
        });
        let object = self.shared.exec_logging().object_of(session_id);
        let objects = object.is_some_and(|(bucket, key)| {
            let Some(body) = self.objects(&bucket).remove(&key) else { return false };
            let mut text = String::from_utf8_lossy(&body).into_owned();
            edit(&mut text);
            self.put_object(&bucket, &key, text.as_bytes())
        });
        streams || objects
    }

    /// Puts an event into a stream now, and makes the stream if need be: a transcript that no session made, or an addition to a
    /// finished one. False without such a group.
    pub fn plant_log_event(&self, group: &str, stream: &str, text: &str) -> bool {
        let now = self.shared.clock.millis();
        self.shared.log_groups.change(group, |group| group.put(stream, [(now, text.to_owned())], now)).is_some()
    }
}

/// Boundary's audit events.
impl World {
    /// Returns Boundary's audit events so far, one line of cloudevents-json each.
    pub fn boundary_audit_events(&self) -> Vec<String> {
        self.boundary().audit_events()
    }

    /// Puts Boundary's audit events that were not put before into a log group, as HCP Boundary streams them; false without such a
    /// group.
    pub fn ship_boundary_audit(&self, group: &str) -> bool {
        let now = self.shared.clock.millis();
        let put = |group: &mut Group| {
            let events = self.boundary().new_audit_events().into_iter().map(|line| (now, line));
            group.put("boundary-audit", events, now);
        };
        self.shared.log_groups.change(group, put).is_some()
    }
}

/// CloudTrail.
impl World {
    /// Returns all records of CloudTrail, the oldest first.
    pub fn trail_events(&self) -> Vec<Value> {
        self.shared.trail.state().events.clone()
    }

    /// Returns the bucket of the trail.
    pub fn trail_bucket(&self) -> String {
        trail::bucket()
    }

    /// Delivers what CloudTrail recorded since the last time, and digests up to now: one for each full hour, and one for the rest.
    pub fn deliver_trail(&self) {
        trail::deliver(&self.shared);
    }

    /// Removes the trail, or makes it again; the event history goes on without it.
    pub fn set_trail(&self, is_on: bool) {
        self.shared.trail.state().is_off = !is_on;
    }

    /// Takes records out of the event history, and out of what is delivered from now on; returns how many.
    pub fn drop_trail_events(&self, what: impl Fn(&Value) -> bool) -> usize {
        self.shared.trail.drop_events(what)
    }

    /// Removes a log file of the trail, counted from 0, the oldest first, and every trace of it; returns its key.
    pub fn drop_trail_file(&self, at: usize) -> Option<String> {
        let key = self.shared.trail.state().files.get(at).cloned()?;
        self.erase(key)
    }

    /// Removes a digest file of the trail, counted from 0, the oldest first, and every trace of it; returns its key.
    pub fn drop_trail_digest(&self, at: usize) -> Option<String> {
        let key = self.shared.trail.state().digests.get(at).cloned()?;
        self.erase(key)
    }

    /// Changes the caller's address in the first record of a log file, counted from 0, the oldest first; returns its key.
    pub fn alter_trail_file(&self, at: usize) -> Option<String> {
        let key = self.shared.trail.state().files.get(at).cloned()?;
        let altered = self.shared.buckets.with(&trail::bucket(), |bucket| bucket.falsify(&key, trail::alter));
        altered.filter(|altered| *altered).map(|_| key)
    }

    fn erase(&self, key: String) -> Option<String> {
        self.shared.buckets.with(&trail::bucket(), |bucket| bucket.erase(&key)).filter(|erased| *erased).map(|_| key)
    }
}

/// Buckets.
impl World {
    /// Adds an empty bucket in a region; path-style requests reach it.
    pub fn add_bucket(&self, name: &str, region: &str) {
        self.shared.buckets.add(name, region, false, None);
    }

    /// Adds an empty bucket with versions in the world's region; Object Lock, if any, keeps each version for so many days in
    /// COMPLIANCE mode, and 0 days are a lock without a default retention.
    pub fn add_versioned_bucket(&self, name: &str, lock_days: Option<u32>) {
        self.shared.buckets.add(name, REGION, true, lock_days);
    }

    /// Returns the objects of a bucket by their keys.
    pub fn objects(&self, bucket: &str) -> BTreeMap<String, Vec<u8>> {
        self.shared.buckets.objects(bucket)
    }

    /// Returns the versions of an object, the newest first.
    pub fn object_versions(&self, bucket: &str, key: &str) -> Vec<ObjectVersion> {
        self.shared.buckets.versions(bucket, key)
    }

    /// Puts an object by hand; false without such a bucket.
    pub fn put_object(&self, bucket: &str, key: &str, body: &[u8]) -> bool {
        let now = self.shared.clock.now();
        let content = Content { body: body.to_vec(), ..Content::default() };
        self.shared.buckets.with(bucket, |bucket| bucket.put(key, content, now).modified).is_some()
    }

    /// Deletes an object by hand, as DELETE without a version does; false without such a bucket.
    pub fn delete_object(&self, bucket: &str, key: &str) -> bool {
        let now = self.shared.clock.now();
        self.shared.buckets.with(bucket, |bucket| bucket.delete(key, now).is_some()).is_some()
    }

    /// Stops a task as StopTask does, after its entrypoint has copied its home to
    /// `<cluster_id>/<investigation_id>/<YYYYMMDD>/<task_id>/`; returns the keys that arrived.
    pub fn stop_task_with(&self, task_id: &str, reason: &str, artifacts: &Artifacts) -> Vec<String> {
        let Some(task) = self.shared.task(task_id) else { return Vec::new() };
        let tag = |name: &str| task.tags.get(name).cloned().unwrap_or_default();
        let date = self.now().strftime("%Y%m%d");
        let prefix = format!("{}/{}/{date}/{task_id}/", tag("cluster_id"), tag("investigation_id"));
        let url = format!("s3://{}/{prefix}", artifacts.bucket);
        self.tell_container_log(task_id, &format!("Auto-generated S3 audit path: {url}"));
        self.tell_container_log(task_id, &format!("Syncing /home/sre to {url}"));
        let kept = if artifacts.is_partial { artifacts.files.len().div_ceil(2) } else { artifacts.files.len() };
        let arrives = |(path, _): &(&String, &Vec<u8>)| !artifacts.is_partial || *path != ".bash_history";
        let files = artifacts.files.iter().filter(arrives).take(kept);
        let put = files.map(|(path, body)| (format!("{prefix}{path}"), body));
        let keys = put.filter(|(key, body)| self.put_object(&artifacts.bucket, key, body)).map(|(key, _)| key).collect();
        if artifacts.is_partial {
            self.tell_container_log(task_id, "Warning: S3 sync failed or timed out");
        }
        self.stop_task(task_id, reason);
        keys
    }

    fn tell_container_log(&self, task_id: &str, text: &str) {
        self.plant_log_event(&container_log_group(), &format!("rosa-boundary/rosa-boundary/{task_id}"), text);
    }
}
