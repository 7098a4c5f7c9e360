//! What AWS, the container and the client tell of a shell.
//!
//! Owns the facts of CloudTrail, DescribeSessions, logs and link records.

use crate::builder::Builder;
use crate::plan::{Caller, Door, Log, Shell};
use crate::site::Site;
use crate::time::{MINUTE, stamp, whole_second};
use audit_facts::{
    Body, Execution, LinkEnd, LinkStart, Principal, SessionStartCall, Source, SsmSession, Transcript, TranscriptAbsence,
    TranscriptForm,
};
use investigation::BoundarySessionId;

impl Builder {
    /// What AWS, the container and the client tell of a shell.
    pub(crate) fn emit_shell(&mut self, site: &Site, shell: &Shell) {
        if shell.is_in_trail {
            self.emit_call(site, shell);
        }
        if shell.is_described && shell.denied.is_none() {
            self.emit_description(site, shell);
        }
        for log in &shell.logs {
            self.emit_log(site, log, Some(shell));
        }
        if let Some(at) = shell.log_absent_at {
            let absence = TranscriptAbsence { ssm_session_id: shell.id.clone(), name: site.log_group.clone(), at: stamp(at) };
            self.tell(Source::ExecLogs, at, Body::TranscriptAbsence(absence));
        }
        self.emit_records(site, shell);
    }

    fn emit_call(&mut self, site: &Site, shell: &Shell) {
        let delivered = shell.at + self.rng.between(3, 14) * MINUTE;
        let principal = principal(site, &shell.by, shell);
        match shell.door {
            Door::Exec => {
                let is_done = shell.denied.is_none();
                let execution = Execution {
                    event_id: shell.event_id.clone(),
                    at: whole_second(shell.at),
                    region: site.region.clone(),
                    account: site.account.clone(),
                    principal,
                    task_id: Some(site.task_id.clone()),
                    task_arn: is_done.then(|| site.arn()),
                    container: Some("rosa-boundary".to_owned()),
                    planted: planted(shell.planted.command.as_deref()),
                    ssm_session_id: is_done.then(|| shell.id.clone()),
                    error_code: shell.denied.map(str::to_owned),
                };
                self.tell(Source::CloudTrail, delivered, Body::Execution(Box::new(execution)));
                if is_done {
                    let by_ecs = start_call(site, shell, ecs_itself(site), format!("ecs-{}", shell.event_id));
                    self.tell(Source::CloudTrail, delivered, Body::SessionStartCall(Box::new(by_ecs)));
                }
            }
            Door::Direct => {
                let call = start_call(site, shell, principal, shell.event_id.clone());
                self.tell(Source::CloudTrail, delivered, Body::SessionStartCall(Box::new(call)));
            }
        }
    }

    fn emit_description(&mut self, site: &Site, shell: &Shell) {
        let owner = match shell.door {
            Door::Exec => format!("{}AmazonECS", service_role(site)),
            Door::Direct => arn_of(site, &shell.by),
        };
        let session = SsmSession {
            ssm_session_id: shell.id.clone(),
            target: site.ssm_target(),
            task_id: Some(site.task_id.clone()),
            owner,
            document: (shell.door == Door::Exec).then(|| "AmazonECS-ExecuteInteractiveCommand".to_owned()),
            status: if shell.ended.is_some() { "Terminated" } else { "Connected" }.to_owned(),
            started: Some(stamp(shell.started)),
            ended: shell.ended.map(stamp),
        };
        let seen = shell.ended.unwrap_or(shell.started) + 5 * MINUTE;
        self.tell(Source::SsmSessions, seen, Body::SsmSession(Box::new(session)));
    }

    /// A log of a shell, or one under a name that is no session's.
    pub(crate) fn emit_log(&mut self, site: &Site, log: &Log, shell: Option<&Shell>) {
        let in_bucket = log.source == Source::ExecObjects;
        let own = shell.filter(|_| log.name.is_none());
        let stem = own.map_or_else(|| log.name.clone().unwrap_or_default(), |shell| shell.id.as_str().to_owned());
        let name =
            if in_bucket { format!("{}/ssm-sessions/{stem}.log", site.bucket) } else { format!("{}:{stem}", site.log_group) };
        let transcript = Transcript {
            ssm_session_id: own.map(|shell| shell.id.clone()),
            name,
            form: if log.is_script { TranscriptForm::Script } else { TranscriptForm::Unknown },
            has_trailer: log.has_trailer,
            body_bytes: log.text.raw(),
            sha256: log.text.sha256(),
            canonical_bytes: log.text.bytes,
            checkpoints: log.text.checkpoints(),
            exact_until: log.exact_until,
            events: if in_bucket { 1 } else { log.text.raw().div_ceil(200_000).max(1) },
            first_uploaded: Some(stamp(log.first_uploaded)),
            last_uploaded: Some(stamp(log.last_uploaded)),
            last_ingested: Some(stamp(log.last_ingested)),
        };
        self.tell(log.source, log.last_ingested + 3 * MINUTE, Body::Transcript(Box::new(transcript)));
    }

    fn emit_records(&mut self, site: &Site, shell: &Shell) {
        let Some(client) = &shell.client else { return };
        let record_id = format!("r-{}", shell.event_id);
        let person = &self.people[shell.by.person];
        let boundary_session_id = planted(client.boundary.as_deref());
        let start = LinkStart {
            record_id: record_id.clone(),
            at: stamp(client.started),
            principal_arn: Some(arn_of(site, &shell.by)),
            boundary_session_id: boundary_session_id.clone(),
            boundary_session_id_source: if client.boundary.is_some() { "token" } else { "unknown" }.to_owned(),
            boundary_target_id: site.target_id.clone().filter(|_| client.boundary.is_some()),
            boundary_user_id: Some(person.user_id.clone()).filter(|_| client.boundary.is_some()),
            boundary_correlation_id: client.boundary.as_ref().map(|id| format!("corr-{id}")),
            task_id: Some(site.task_id.clone()),
            task_arn: site.arn(),
            container: "rosa-boundary".to_owned(),
            route: if client.boundary.is_some() { "boundary" } else { "direct" }.to_owned(),
            local_user: person.name.clone(),
            host: person.host.clone(),
            reason: Some("look at the operators".to_owned()),
        };
        self.tell(Source::Links, client.started + MINUTE, Body::LinkStart(Box::new(start)));
        if let Some(end) = &client.end {
            let is_done = shell.denied.is_none();
            let body = LinkEnd {
                record_id,
                at: stamp(end.at),
                ssm_session_id: is_done.then(|| shell.id.clone()),
                task_id: Some(site.task_id.clone()),
                boundary_session_id,
                exit_code: end.exit_code,
                exit_source: end.exit_source.to_owned(),
                ending: end.ending.to_owned(),
                remote_end: end.remote_end.to_owned(),
                bytes_out: end.seen.raw(),
                bytes_in: end.seen.bytes / 30 + 5,
                resumes: 0,
                output_sha256: end.seen.sha256(),
                output_canonical_bytes: end.seen.bytes,
                output_checkpoints: end.seen.checkpoints(),
                transcript_sha256: None,
                transcript_file: None,
            };
            self.tell(Source::Links, end.at + MINUTE, Body::LinkEnd(Box::new(body)));
        }
    }
}

fn planted(text: Option<&str>) -> Option<BoundarySessionId> {
    BoundarySessionId::parse(text?).ok()
}

/// A caller's ARN.
pub(crate) fn arn_of(site: &Site, by: &Caller) -> String {
    format!("arn:aws:sts::{}:assumed-role/{}/{}", site.account, by.role, by.session_name)
}

fn principal(site: &Site, by: &Caller, shell: &Shell) -> Principal {
    Principal {
        arn: arn_of(site, by),
        role_session_name: Some(by.session_name.clone()),
        source_identity: None,
        access_key_id: Some(format!("ASIA{}", shell.event_id[..13].replace('-', "X").to_uppercase())),
        invoked_by: None,
        client_address: Some(by.address.clone()),
        user_agent: Some("ecs-exec-wrapper/0.1".to_owned()),
    }
}

fn service_role(site: &Site) -> String {
    format!("arn:aws:sts::{}:assumed-role/AWSServiceRoleForECS/", site.account)
}

fn ecs_itself(site: &Site) -> Principal {
    Principal {
        arn: format!("{}ecs-execute-command", service_role(site)),
        role_session_name: Some("ecs-execute-command".to_owned()),
        invoked_by: Some("ecs.amazonaws.com".to_owned()),
        client_address: Some("ecs.amazonaws.com".to_owned()),
        user_agent: Some("ecs.amazonaws.com".to_owned()),
        ..Principal::default()
    }
}

fn start_call(site: &Site, shell: &Shell, principal: Principal, event_id: String) -> SessionStartCall {
    SessionStartCall {
        event_id,
        at: whole_second(shell.at + 100),
        region: site.region.clone(),
        account: site.account.clone(),
        principal,
        target: site.ssm_target(),
        task_id: Some(site.task_id.clone()),
        document: (shell.door == Door::Exec).then(|| "AmazonECS-ExecuteInteractiveCommand".to_owned()),
        ssm_session_id: shell.denied.is_none().then(|| shell.id.clone()),
        error_code: shell.denied.map(str::to_owned),
    }
}
