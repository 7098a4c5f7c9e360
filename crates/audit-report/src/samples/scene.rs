//! What a whole page shows: sessions of all kinds, or one text in every field.

use super::{account, at, finding, story, window};
use crate::html::TranscriptText;
use crate::timeline::{Moment, timeline};
use audit_facts::{Coverage, Grade, Lack, Source, SsmSessionId};
use correlation::account::LinkGrade;
use correlation::finding::{Code, State, Subject};
use correlation::{Account, Assurance, Finding, Method, Policy};

/// All that a page shows.
pub(crate) struct Scene {
    pub(crate) windows: Vec<Coverage>,
    pub(crate) sessions: Vec<(Account, Vec<Moment>, Option<TranscriptText>)>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) policy: Policy,
    pub(crate) tool_version: String,
}

impl Scene {
    /// So many sessions of all kinds, with the findings that they have.
    pub(crate) fn of(count: usize) -> Self {
        let mut scene = Self {
            windows: windows(),
            sessions: Vec::new(),
            findings: Vec::new(),
            policy: Policy {
                break_glass: vec!["arn:aws:sts::*:assumed-role/break-glass/*".to_owned()],
                shared_principals: Vec::new(),
                allowed_roles: vec!["r_admins1234".to_owned()],
                ..Policy::default()
            },
            tool_version: "0.1.0".to_owned(),
        };
        for number in 0..count {
            scene.add(number);
        }
        scene
    }

    fn add(&mut self, number: usize) {
        const PEOPLE: [&str; 5] = ["alice", "bob", "carol.van-der-berg", "Dilşad", "erin"];
        const LINKS: [(Method, Assurance); 6] = [
            (Method::SourceIdentity, Assurance::Attested),
            (Method::Command, Assurance::Corroborated),
            (Method::Command, Assurance::Corroborated),
            (Method::LinkRecord, Assurance::Asserted),
            (Method::Assignment, Assurance::Inferred),
            (Method::None, Assurance::None),
        ];
        let begins = i64::try_from(number).unwrap() * 3400 % 86_000;
        let mut it = account();
        it.ssm_session_id = Some(SsmSessionId::parse(&format!("ecs-execute-command-{number:026}")).unwrap());
        it.id = it.ssm_session_id.as_ref().unwrap().to_string();
        it.boundary_session_id = Some(format!("s_{number:010}"));
        it.user_name = Some(PEOPLE[number % PEOPLE.len()].to_owned());
        (it.method, it.assurance) = LINKS[number % LINKS.len()];
        (it.started, it.ended) = (Some(at(begins)), Some(at(begins + 754)));
        it.exit_code = [Some(0), Some(0), Some(137), None][number % 4];
        match it.assurance {
            Assurance::Inferred => (it.grade, it.alternatives) = (Some(LinkGrade::Weak), 2),
            Assurance::None => (it.boundary_session_id, it.user_id, it.user_name) = (None, None, None),
            _ => {}
        }
        self.find(number, &it);
        let transcript = (number % 8 == 1).then(|| TranscriptText {
            text: "sh-5.2# oc get pods -A | grep -v Running\nopenshift-ingress   router-7d9   0/1   CrashLoopBackOff\nsh-5.2# export TOKEN=[redacted: openshift-token]\nsh-5.2# exit\n".to_owned(),
            redacted: [("openshift-token".to_owned(), 1)].into(),
            ..TranscriptText::default()
        });
        let facts = story(&it);
        self.sessions.push((it, timeline(&facts), transcript));
    }

    fn find(&mut self, number: usize, it: &Account) {
        const CODES: [(Code, State, &str); 6] = [
            (
                Code::BypassExec,
                State::Confirmed,
                "ExecuteCommand by assumed-role/admin/mallory opened a shell, and none of the Boundary sessions that were read (coverage then: proved) belongs to it.",
            ),
            (Code::SessionNoLog, State::Provisional, "The shell ended, and there is no log of it in /ecs/exec."),
            (Code::IdentityMismatch, State::Confirmed, "Boundary's user is bob, the principal alice, the task's owner bob."),
            (Code::LogTruncated, State::Open, "The log ends at 41.0 kB of 48.2 kB."),
            (Code::LogLate, State::Resolved, "The log came 2 h 10 min after the end."),
            (Code::SessionOverlap, State::Confirmed, "Two shells were open in one task at the same time."),
        ];
        let wanted = if it.assurance == Assurance::None { Some(0) } else { (number % 3 == 1).then_some(1 + number / 3 % 5) };
        let Some((code, state, text)) = wanted.map(|at| CODES[at]) else { return };
        let subject = Subject::SsmSession(it.id.clone());
        self.findings.push(Finding {
            id: Finding::id_of(code, &subject),
            code,
            severity: code.severity(),
            state,
            subject,
            text: text.to_owned(),
            at: it.ended,
            boundary_session_id: it.boundary_session_id.clone(),
            ssm_session_id: Some(it.id.clone()),
            task_arn: it.task_arn.clone(),
            user_id: it.user_id.clone(),
            principal_arn: it.principal_arn.clone(),
            assurance: it.assurance.word().to_owned(),
            ..finding()
        });
    }

    /// One session with one text in every field that can hold a text of others.
    pub(crate) fn filled(text: &str) -> Self {
        let some = || Some(text.to_owned());
        let mut scene = Self::of(2);
        for (it, moments, transcript) in &mut scene.sessions {
            it.id = format!("{text}{}", it.id);
            it.boundary_session_id = Some(format!("{text}{}", it.started.unwrap()));
            (it.task_arn, it.task_id, it.cluster_id, it.investigation_id) = (some(), some(), some(), some());
            (it.container, it.user_id, it.user_name, it.principal_arn) = (some(), some(), some(), some());
            (it.client_address, it.reason, it.ending) = (some(), some(), some());
            (it.transcript, it.transcript_evidence) = (some(), some());
            for said in &mut it.witnesses {
                text.clone_into(&mut said.why);
            }
            for moment in moments.iter_mut() {
                text.clone_into(&mut moment.what);
            }
            let redacted = [(text.to_owned(), 1)].into();
            *transcript = Some(TranscriptText {
                text: format!("{text}\n{text}"),
                redacted,
                is_cut: true,
                is_beginning: true,
                file: Some(text.to_owned()),
                unread: None,
            });
        }
        for it in &mut scene.findings {
            (it.boundary_session_id, it.ssm_session_id, it.task_arn) = (some(), some(), some());
            (it.user_id, it.principal_arn) = (some(), some());
            (it.id, it.text, it.assurance) = (text.to_owned(), text.to_owned(), text.to_owned());
            it.subject = Subject::Object(text.to_owned());
            it.evidence = vec![text.to_owned()];
        }
        for it in &mut scene.windows {
            (it.place, it.scope) = (text.to_owned(), text.to_owned());
            it.lack = Some(Lack::CannotRead { text: text.to_owned() });
        }
        let lists = [&mut scene.policy.break_glass, &mut scene.policy.shared_principals, &mut scene.policy.allowed_roles];
        for list in lists {
            *list = vec![text.to_owned()];
        }
        text.clone_into(&mut scene.tool_version);
        scene
    }
}

fn windows() -> Vec<Coverage> {
    let mut windows = vec![
        window(Source::BoundaryApi, "p_1234567890", 0, 86_400, Grade::Proved),
        window(Source::CloudTrail, "123456789012/us-east-2", 0, 50_000, Grade::Proved),
        window(Source::CloudTrail, "123456789012/us-east-2", 50_000, 86_400, Grade::BestEffort),
        window(Source::ExecLogs, "123456789012/us-east-2", 0, 61_000, Grade::BestEffort),
        window(Source::ExecLogs, "123456789012/us-east-2", 61_000, 72_000, Grade::None),
        window(Source::ExecLogs, "123456789012/us-east-2", 72_000, 86_400, Grade::BestEffort),
        window(Source::Links, "links", 0, 86_400, Grade::Proved),
        window(Source::SyncRecords, "sync", 0, 86_400, Grade::Proved),
    ];
    windows[4].lack = Some(Lack::CannotRead { text: "logs:FilterLogEvents on /ecs/exec was denied to audit".to_owned() });
    windows
}
