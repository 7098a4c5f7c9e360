//! What each source shows of what happened.
//!
//! Owns the way from plans to facts: tasks and Boundary sessions here, shells in [`shell`]. CloudTrail has whole seconds, link
//! records have the laptop's clock, bytes have their framing.

mod shell;

use crate::builder::Builder;
use crate::plan::{Read, Shell, Tunnel, Visit};
use crate::site::{Owner, Site};
use crate::time::{HOUR, MINUTE, Ms, SECOND, stamp};
use audit_facts::{
    Artifact, Body, BoundaryConnection, BoundaryEvent, BoundaryEventKind, BoundaryRemoval, BoundarySession, BoundaryStatus,
    BoundaryTarget, BoundaryUser, Fact, Source, SyncChange, Task,
};
use audit_record::sha256_hex;

impl Builder {
    /// Adds a fact.
    pub(crate) fn tell(&mut self, source: Source, observed: Ms, body: Body) {
        let observed = observed.min(self.now);
        let evidence = sha256_hex(format!("{source}|{observed}|{}", self.facts.len()).as_bytes());
        self.facts.push(Fact { source, place: place_of(source).to_owned(), observed_at: stamp(observed), evidence, body });
    }

    /// What target-sync tells of people.
    pub(crate) fn emit_people(&mut self) {
        for person in self.people.clone() {
            let at = Self::calm_from() - 5 * 24 * HOUR;
            let user = BoundaryUser {
                at: stamp(at),
                user_id: person.user_id,
                account_id: format!("acctoidc_{}", person.name),
                issuer: Some("https://id.example.com".to_owned()),
                subject: person.subject,
                name: person.name,
            };
            self.tell(Source::SyncRecords, at, Body::BoundaryUser(Box::new(user)));
        }
    }

    /// What ECS, target-sync and S3 tell of a task.
    pub(crate) fn emit_site(&mut self, site: &Site) {
        self.emit_task(site, site.created + MINUTE, site.tagged.0, false);
        self.emit_task(site, site.stopped.unwrap_or(self.now - MINUTE) + 30 * SECOND, site.tagged.1, site.stopped.is_some());
        for target in site.target_id.iter().chain(&site.other_targets).cloned().collect::<Vec<_>>() {
            self.emit_target(site, &target);
        }
        for file in &site.saved {
            let body = Artifact {
                bucket: site.bucket.clone(),
                key: site.key(&file.path),
                version_id: format!("v{}-{}", file.version, site.task_id),
                task_id: Some(site.task_id.clone()),
                cluster_id: Some(site.cluster_id.clone()),
                investigation_id: Some(site.investigation_id.clone()),
                modified: stamp(file.modified),
                bytes: file.bytes,
                etag: (!file.is_deletion)
                    .then(|| sha256_hex(format!("{}{}", file.path, file.version).as_bytes())[..32].to_owned()),
                is_deletion: file.is_deletion,
                retained_until: file.retained_until.map(stamp),
                retention_read: file.retention_read,
            };
            self.tell(Source::Artifacts, file.modified + 20 * MINUTE, Body::Artifact(Box::new(body)));
        }
    }

    fn emit_task(&mut self, site: &Site, seen: Ms, is_tagged: bool, has_stopped: bool) {
        let owner = &self.people[site.owner];
        let task = Task {
            task_id: site.task_id.clone(),
            task_arn: site.arn(),
            last_status: if has_stopped { "STOPPED" } else { "RUNNING" }.to_owned(),
            created: Some(stamp(site.created)),
            stopped: site.stopped.filter(|_| has_stopped).map(stamp),
            cluster_id: is_tagged.then(|| site.cluster_id.clone()),
            investigation_id: is_tagged.then(|| site.investigation_id.clone()),
            owner_name: Some(owner.name.clone()).filter(|_| is_tagged && site.told == Owner::Name),
            owner_subject: Some(owner.subject.clone()).filter(|_| is_tagged && site.told != Owner::Untold),
            deadline: None,
            seen: Some(stamp(seen)),
        };
        self.tell(Source::Ecs, seen, Body::Task(Box::new(task)));
    }

    fn emit_target(&mut self, site: &Site, target_id: &str) {
        let at = site.created + 2 * MINUTE;
        let name = format!("{}-{}", site.cluster_id, &site.task_id.as_str()[..8]);
        let change = SyncChange {
            at: stamp(at),
            run_id: format!("run-{}", &site.task_id.as_str()[..12]),
            number: 1,
            action: "create".to_owned(),
            object: "target".to_owned(),
            name: name.clone(),
            id: Some(target_id.to_owned()),
            task_arn: Some(site.arn()),
            principal_ids: None,
            task_id: Some(site.task_id.clone()),
            reason: "task-seen".to_owned(),
            result: Some("done".to_owned()),
            owner: Some("target-sync".to_owned()),
        };
        self.tell(Source::SyncRecords, at, Body::SyncChange(Box::new(change)));
        let target = BoundaryTarget {
            at: stamp(at + 30 * SECOND),
            target_id: target_id.to_owned(),
            task_id: site.task_id.clone(),
            task_arn: site.arn(),
            alias: Some(format!("{name}.investigation")),
            name,
            state: "live".to_owned(),
            user_ids: vec![self.people[site.owner].user_id.clone()],
        };
        self.tell(Source::SyncRecords, at, Body::BoundaryTarget(Box::new(target)));
    }

    /// What every source tells of a visit.
    pub(crate) fn emit_visit(&mut self, site: &Site, visit: &Visit) {
        if let Some(tunnel) = &visit.tunnel {
            self.emit_tunnel(site, tunnel, &visit.shells);
        }
        for shell in &visit.shells {
            self.emit_shell(site, shell);
        }
    }

    fn emit_tunnel(&mut self, site: &Site, tunnel: &Tunnel, shells: &[Shell]) {
        if tunnel.read == Read::Never {
            return;
        }
        self.emit_authorisation(tunnel);
        let bytes = self.carried(shells);
        let living = tunnel.active_from.unwrap_or(tunnel.created) + 40 * SECOND;
        if tunnel.ended.is_none_or(|ended| ended > living) {
            let body = self.reading(site, tunnel, false, 0);
            self.tell(Source::BoundaryApi, living, Body::BoundarySession(Box::new(body)));
        }
        if let Some(ended) = tunnel.ended.filter(|ended| tunnel.read == Read::Final && *ended < self.now) {
            let body = self.reading(site, tunnel, true, bytes);
            self.tell(Source::BoundaryApi, ended + 4 * MINUTE, Body::BoundarySession(Box::new(body)));
        }
        if let Some(gone) = tunnel.ended.map(|ended| ended + 75 * MINUTE).filter(|at| tunnel.is_removed && *at < self.now) {
            let body = BoundaryRemoval { session_id: tunnel.id.clone(), at: stamp(gone) };
            self.tell(Source::BoundaryApi, gone, Body::BoundaryRemoval(body));
        }
    }

    fn emit_authorisation(&mut self, tunnel: &Tunnel) {
        let event = BoundaryEvent {
            event_id: format!("ev-{}", tunnel.id),
            at: stamp(tunnel.created),
            kind: BoundaryEventKind::AuthorizeSession,
            operation: "POST /v1/targets/…:authorize-session".to_owned(),
            status_code: Some(200),
            session_id: Some(tunnel.id.clone()),
            target_id: tunnel.target_id.clone(),
            user_id: Some(self.people[tunnel.user].user_id.clone()),
            client_address: tunnel.wires.first().map(|wire| wire.address.clone()),
            correlation_id: Some(format!("corr-{}", tunnel.id)),
            connection: None,
        };
        self.tell(Source::BoundaryEvents, tunnel.created + SECOND, Body::BoundaryEvent(Box::new(event)));
    }

    fn reading(&mut self, site: &Site, tunnel: &Tunnel, is_final: bool, bytes: u64) -> BoundarySession {
        let status = match (is_final, tunnel.active_from) {
            (true, _) => BoundaryStatus::Terminated,
            (false, Some(_)) => BoundaryStatus::Active,
            (false, None) => BoundaryStatus::Pending,
        };
        BoundarySession {
            id: tunnel.id.clone(),
            version: if is_final { 4 } else { 2 },
            target_id: tunnel.target_id.clone(),
            user_id: Some(self.people[tunnel.user].user_id.clone()),
            scope_id: site.scope_id.clone(),
            created: Some(stamp(tunnel.created)),
            expiration: Some(stamp(tunnel.created + 8 * HOUR)),
            status,
            active_from: tunnel.active_from.map(stamp),
            ended: tunnel.ended.filter(|_| is_final).map(stamp),
            termination_reason: is_final.then(|| tunnel.reason.to_owned()),
            connections: is_final.then(|| connections(tunnel, bytes)),
        }
    }

    /// Bytes that the shells and their handshakes made the endpoint send.
    fn carried(&mut self, shells: &[Shell]) -> u64 {
        let mut bytes = 0;
        for shell in shells.iter().filter(|shell| shell.denied.is_none()) {
            let raw = shell.carried.map_or(shell.text, |carried| shell.text.cut(carried)).raw();
            let payload = self.rng.between(180, 1024).unsigned_abs();
            let handshake = self.rng.between(5000, 9000).unsigned_abs();
            bytes += raw + raw.div_ceil(payload) * (120 + 22 + 8) + handshake + 3500;
        }
        bytes
    }
}

fn connections(tunnel: &Tunnel, bytes: u64) -> Vec<BoundaryConnection> {
    if tunnel.active_from.is_none() {
        return Vec::new();
    }
    // The handshake with the gateway's TLS alone is a few kilobytes, also when nothing came of it.
    let floor = 2600 * tunnel.wires.len() as u64;
    let total = scaled(bytes, tunnel.reported) + floor;
    let wire = |wire: &crate::plan::Wire| BoundaryConnection {
        client_address: wire.address.clone(),
        bytes_up: 1900 + scaled(total, wire.share) / 20,
        bytes_down: scaled(total, wire.share) + 1,
        closed_reason: wire.closed_reason.to_owned(),
    };
    tunnel.wires.iter().map(wire).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "bytes of a session are far below 2^53"
)]
fn scaled(bytes: u64, part: f64) -> u64 {
    (bytes as f64 * part) as u64
}

/// The one place of an ordinary source.
pub(crate) fn place_of(source: Source) -> &'static str {
    match source {
        Source::BoundaryApi => "boundary",
        Source::BoundaryEvents => "boundary-events",
        Source::CloudTrail => "trail",
        Source::ExecLogs => "exec-logs",
        Source::ExecObjects => "exec-objects",
        Source::Artifacts => "artifacts",
        Source::SsmSessions => "ssm",
        Source::Ecs => "ecs",
        Source::Links => "links",
        Source::SyncRecords => "sync",
    }
}
