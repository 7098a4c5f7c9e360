//! What the Boundary controller says of the target, and what the session's own token says.
//!
//! Reads the target and nothing else; authorises no session.

use super::caller::rough;
use super::check::{Check, Group, Unread};
use crate::boundary::{BoundarySession, read_token};
use crate::controller::Controller;
use crate::environment::BoundaryEnvironment;
use crate::settings::{ChooseBy, Settings};
use boundary_api::{Meaning, Target};
use cli_kit::{chain_text, printable};
use investigation::{Marker, MarkerError, MarkerState, TaskArn, TaskRef};
use jiff::{SignedDuration, Timestamp};
use ssm_channel::{EndpointVariant, default_host};
use std::time::Duration;

const GROUP: Group = Group::Boundary;

/// The time for the controller's answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The data channel, a new one after a cut while the old one is not yet known to be gone, and one to spare.
const CONNECTIONS_MIN: i32 = 3;

/// The port of every ssmmessages endpoint.
const HTTPS: u16 = 443;

/// A Boundary session that ends this soon is worth a word.
const EXPIRY_NOTED: SignedDuration = SignedDuration::from_mins(5);

/// What is known from Boundary.
#[derive(Debug)]
pub(super) struct BoundaryFacts {
    /// The session around us, when its token is there, or why the token cannot be read.
    pub(super) session: Option<Result<BoundarySession, String>>,
    /// The target, when there is a token to ask with.
    pub(super) target: Option<TargetReading>,
}

/// What came of the question for the target.
#[derive(Debug)]
pub(super) enum TargetReading {
    /// It is there.
    Found(Box<Target>),
    /// Nobody named one.
    NotNamed,
    /// The token, or the settings around it, cannot be used: sentence and advice.
    NoToken(String, &'static str),
    /// The controller's refusal, and what it means.
    Refused(Meaning, String),
}

/// What else the checks need to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// The task, when it is known.
    pub(super) task: Option<&'a TaskArn>,
    /// The container, when it is chosen.
    pub(super) container: Option<&'a str>,
    /// The region, when the AWS configuration loads.
    pub(super) region: Option<&'a str>,
    /// When the AWS credentials expire, if they say so.
    pub(super) credentials_expire_at: Option<Timestamp>,
}

/// Reads the session's token, and the target when it is named or the token names it.
pub(super) async fn gather(boundary: &BoundaryEnvironment, named: Option<&str>) -> BoundaryFacts {
    let session = boundary.authz_token.as_ref().map(|token| read_token(token).map_err(|error| chain_text(&error)));
    let of_session = session.as_ref().and_then(|session| session.as_ref().ok()).and_then(|session| session.target_id.clone());
    let name = named.map(str::to_owned).or(of_session);
    let controller = match (Controller::from_environment(boundary), named) {
        (Ok(Some(controller)), _) => Ok(Some(controller)),
        (Ok(None), Some(_)) => Controller::for_connect(None).await.map(Some),
        (other, _) => other,
    };
    let target = match (controller, name) {
        (Err(ending), _) => Some(TargetReading::NoToken(ending.sentence, ending.reason.advice())),
        (Ok(None), _) => None,
        (Ok(Some(_)), None) => Some(TargetReading::NotNamed),
        (Ok(Some(controller)), Some(name)) => Some(read(&controller, &name).await),
    };
    BoundaryFacts { session, target }
}

async fn read(controller: &Controller, name: &str) -> TargetReading {
    match tokio::time::timeout(ANSWER_WITHIN, controller.target(name)).await {
        Ok(Ok(target)) => TargetReading::Found(Box::new(target)),
        Ok(Err(error)) => TargetReading::Refused(error.meaning(), chain_text(&error)),
        Err(_) => TargetReading::Refused(Meaning::Unreachable, format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
    }
}

impl BoundaryFacts {
    /// Takes the task from the target's marker, as `connect` does, when the command line names none.
    pub(super) fn complete(&self, settings: &mut Settings) {
        let Some(TargetReading::Found(target)) = &self.target else { return };
        let Ok(marker) = Marker::parse(&target.description) else { return };
        if settings.task.by == ChooseBy::Marker {
            settings.region.get_or_insert_with(|| marker.task_arn.region().to_owned());
            settings.task.by = ChooseBy::Name(TaskRef::Arn(marker.task_arn));
        }
        settings.container = settings.container.take().or(marker.container);
    }
}

/// Judges.
pub(super) fn checks(facts: &BoundaryFacts, known: Known<'_>, now: Timestamp) -> Vec<Check> {
    let mut checks: Vec<Check> = facts.session.iter().map(|session| boundary_session(session, now)).collect();
    match &facts.target {
        None => {}
        Some(TargetReading::NotNamed) => checks.push(GROUP.unknown(
            "boundary-target",
            &Unread::new("there is a Boundary token, but no target is named", "name the target with --target"),
        )),
        Some(TargetReading::NoToken(sentence, advice)) => checks.push(GROUP.failed("boundary-token", sentence, advice)),
        Some(TargetReading::Refused(meaning, text)) => checks.extend(refused(*meaning, text)),
        Some(TargetReading::Found(target)) => {
            checks.push(GROUP.ok("boundary-token", "Boundary accepts the token"));
            let is_inside = matches!(facts.session, Some(Ok(_)));
            checks.extend(target_checks(target, known, is_inside, now));
        }
    }
    checks
}

fn boundary_session(session: &Result<BoundarySession, String>, now: Timestamp) -> Check {
    let id = "boundary-session";
    let session = match session {
        Ok(session) => session,
        Err(why) => {
            let what = format!("failed to read BOUNDARY_CONNECT_AUTHZ_TOKEN: {why}");
            return GROUP.failed(id, what, "start it anew with boundary connect");
        }
    };
    let name = session.id.as_ref().map(ToString::to_string).unwrap_or_default();
    let Some(at) = session.expires_at else { return GROUP.ok(id, format!("inside the Boundary session {name}")) };
    let left = at.duration_since(now);
    let remedy = "start it anew with boundary connect";
    if left <= SignedDuration::ZERO {
        GROUP.failed(id, format!("the Boundary session {name} has expired"), remedy)
    } else if left < EXPIRY_NOTED {
        GROUP.warning(id, format!("the Boundary session {name} expires in {}", rough(left)), remedy)
    } else {
        GROUP.ok(id, format!("inside the Boundary session {name}, which lasts for another {}", rough(left)))
    }
}

fn refused(meaning: Meaning, text: &str) -> Vec<Check> {
    let accepted = || GROUP.ok("boundary-token", "Boundary accepts the token");
    let target = "boundary-target";
    match meaning {
        Meaning::Unauthenticated => vec![GROUP.failed(
            "boundary-token",
            format!("Boundary does not accept the token: {text}"),
            "log in with: boundary authenticate",
        )],
        Meaning::NotFound => vec![
            accepted(),
            GROUP.failed(
                target,
                format!("Boundary knows no such target or alias that you may see: {text}"),
                "ask for a grant on it",
            ),
        ],
        Meaning::Denied => vec![
            accepted(),
            GROUP.unknown(target, &Unread::new(format!("you may not read the target: {text}"), "ask for the grant `read` on it")),
        ],
        Meaning::Unreachable | Meaning::Unavailable | Meaning::Refused | Meaning::Broken => {
            let unread = Unread::new(format!("the controller gives no answer: {text}"), "see BOUNDARY_ADDR and BOUNDARY_CACERT");
            vec![GROUP.unknown("boundary-token", &unread), GROUP.unknown(target, &unread)]
        }
    }
}

fn target_checks(target: &Target, known: Known<'_>, is_inside: bool, now: Timestamp) -> Vec<Check> {
    let mut checks = vec![GROUP.ok("boundary-target", format!("the target is {} ({})", target.id, printable(&target.name, 128)))];
    checks.push(may_authorize(target, is_inside));
    checks.push(address(target, known.region));
    checks.push(connections(target.session_connection_limit));
    checks.push(duration(target.session_max_seconds, known.credentials_expire_at, now));
    checks.push(marker(target, known));
    checks
}

fn may_authorize(target: &Target, is_inside: bool) -> Check {
    let id = "authorize-session";
    let remedy = "ask for the grant authorize-session on the target";
    match (target.authorized_actions.iter().any(|action| action == "authorize-session"), is_inside) {
        (true, _) => GROUP.ok(id, "you may authorise sessions of the target"),
        (false, true) => GROUP.warning(id, "you may authorise no further session of the target", remedy),
        (false, false) => GROUP.failed(id, "you may not authorise sessions of the target", remedy),
    }
}

fn address(target: &Target, region: Option<&str>) -> Check {
    let id = "target-address";
    let Some(region) = region else { return GROUP.unknown(id, &super::depends_on("the AWS configuration")) };
    let is_true = |name: &str| std::env::var(name).is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    let variant = EndpointVariant { fips: is_true("AWS_USE_FIPS_ENDPOINT"), dual_stack: is_true("AWS_USE_DUALSTACK_ENDPOINT") };
    let wanted = default_host(region, variant);
    let port = target.attributes.default_port;
    if target.address.is_empty() {
        let why = "the target's address comes from host sources";
        return GROUP.unknown(id, &Unread::new(why, "see data-channel, from inside a session of the target"));
    }
    if target.address.eq_ignore_ascii_case(&wanted) && port == HTTPS {
        return GROUP.ok(id, format!("the target leads to {wanted}, port {HTTPS}"));
    }
    let what = format!("the target leads to {}, port {port}", printable(&target.address, 255));
    GROUP.failed(id, what, format!("set its address to {wanted} and its port to {HTTPS}"))
}

fn connections(limit: i32) -> Check {
    let id = "connection-limit";
    match limit {
        -1 => GROUP.ok(id, "a session of the target may have any number of connections"),
        limit if limit >= CONNECTIONS_MIN => GROUP.ok(id, format!("a session of the target may have {limit} connections")),
        limit => GROUP.warning(
            id,
            format!("a session of the target may have {limit} connections: a lost one may not be replaced"),
            format!("set session_connection_limit to -1, or {CONNECTIONS_MIN} at least"),
        ),
    }
}

fn duration(seconds: u32, credentials_expire_at: Option<Timestamp>, now: Timestamp) -> Check {
    let id = "session-duration";
    let longest = SignedDuration::from_secs(i64::from(seconds));
    let Some(at) = credentials_expire_at else {
        let why = format!("a session lasts {} at most; when the AWS credentials expire is not told", rough(longest));
        return GROUP.unknown(id, &Unread::new(why, "see credential-expiry"));
    };
    let left = at.duration_since(now);
    if left >= longest {
        return GROUP.ok(id, format!("a session lasts {} at most, and the AWS credentials outlive it", rough(longest)));
    }
    let what =
        format!("a session lasts {} at most, the AWS credentials only {}", rough(longest), rough(left.max(SignedDuration::ZERO)));
    GROUP.warning(
        id,
        what,
        "after that a lost connection is not resumed, unless the profile can renew them; log in afresh before long work",
    )
}

fn marker(target: &Target, known: Known<'_>) -> Check {
    let id = "target-marker";
    let marker = match Marker::parse(&target.description) {
        Ok(marker) => marker,
        Err(MarkerError::Absent) => {
            let what = "the target has no marker that says which task it is for";
            return GROUP.warning(id, what, "name cluster and task yourself, also with connect");
        }
        Err(error) => {
            return GROUP.warning(id, format!("the target's marker is not used: {error}"), "ask whoever keeps the target");
        }
    };
    if let Some(task) = known.task.filter(|task| **task != marker.task_arn) {
        let what = format!("the target is for the task {}, not for {task}", marker.task_arn);
        return GROUP.failed(id, what, "use the target of this task, or the task of this target");
    }
    if let Some((theirs, ours)) = marker.container.as_deref().zip(known.container).filter(|(theirs, ours)| theirs != ours) {
        let what = format!("the target is for the container {theirs}, not for {ours}");
        return GROUP.failed(id, what, format!("say --container {theirs}"));
    }
    match marker.state {
        MarkerState::Live => GROUP.ok(id, format!("the target is for the task {}", marker.task_arn.task_id())),
        MarkerState::Missing(since) => {
            GROUP.warning(id, format!("the target's task was not found since {since}"), "wait for target-sync, or see the task")
        }
        MarkerState::Quarantined(since) => GROUP.warning(
            id,
            format!("the target is out of use since {since} and will be deleted"),
            "use the target of a live task",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::Verdict;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const TASK: &str = "arn:aws:ecs:us-east-2:123456789012:task/dev/0123456789abcdef0123456789abcdef";

    fn target() -> Target {
        let mut target = Target {
            id: "ttcp_1234567890".to_owned(),
            description: format!("ecs-exec-target/1 owner=a task={TASK} container=rosa state=live"),
            address: "ssmmessages.us-east-2.amazonaws.com".to_owned(),
            session_max_seconds: 3600,
            session_connection_limit: -1,
            authorized_actions: vec!["authorize-session".to_owned()],
            ..Target::default()
        };
        target.attributes.default_port = 443;
        target
    }

    fn verdicts(target: &Target, container: &str, expiry: Option<i64>) -> Vec<(&'static str, Verdict)> {
        let task = TaskArn::parse(TASK).unwrap();
        let known = Known {
            task: Some(&task),
            container: Some(container),
            region: Some("us-east-2"),
            credentials_expire_at: expiry.map(|second| Timestamp::from_second(second).unwrap()),
        };
        target_checks(target, known, false, NOW).iter().map(|check| (check.id, check.verdict)).collect()
    }

    #[track_caller]
    fn only(target: &Target, id: &str, verdict: Verdict) {
        let wrong: Vec<_> =
            verdicts(target, "rosa", Some(7200)).into_iter().filter(|(_, verdict)| *verdict != Verdict::Ok).collect();
        assert_eq!(wrong.iter().map(|(id, verdict)| (*id, *verdict)).collect::<Vec<_>>(), [(id, verdict)]);
    }

    #[test]
    fn each_fault_of_a_target_is_one_finding() {
        assert!(verdicts(&target(), "rosa", Some(7200)).iter().all(|(_, verdict)| *verdict == Verdict::Ok));
        let mut port = target();
        port.attributes.default_port = 22;
        only(&port, "target-address", Verdict::Failed);
        let other_region = "ssmmessages.eu-west-1.amazonaws.com".to_owned();
        only(&Target { address: other_region, ..target() }, "target-address", Verdict::Failed);
        only(&Target { address: String::new(), ..target() }, "target-address", Verdict::Unknown);
        only(&Target { session_connection_limit: 1, ..target() }, "connection-limit", Verdict::Warning);
        only(&Target { session_max_seconds: 28_800, ..target() }, "session-duration", Verdict::Warning);
        only(&Target { authorized_actions: Vec::new(), ..target() }, "authorize-session", Verdict::Failed);
        only(&Target { description: String::new(), ..target() }, "target-marker", Verdict::Warning);
        let other_task = target().description.replace("/0123", "/4567");
        only(&Target { description: other_task, ..target() }, "target-marker", Verdict::Failed);
        assert_eq!(verdicts(&target(), "kube-proxy", Some(7200)).last(), Some(&("target-marker", Verdict::Failed)));
        assert!(verdicts(&target(), "rosa", None).contains(&("session-duration", Verdict::Unknown)));
    }

    #[test]
    fn refusals_say_whose_fault_it_is() {
        let said = |meaning| refused(meaning, "x").iter().map(|check| (check.id, check.verdict)).collect::<Vec<_>>();
        assert_eq!(said(Meaning::Unauthenticated), [("boundary-token", Verdict::Failed)]);
        assert_eq!(said(Meaning::NotFound), [("boundary-token", Verdict::Ok), ("boundary-target", Verdict::Failed)]);
        assert_eq!(said(Meaning::Denied), [("boundary-token", Verdict::Ok), ("boundary-target", Verdict::Unknown)]);
        assert_eq!(said(Meaning::Unreachable), [("boundary-token", Verdict::Unknown), ("boundary-target", Verdict::Unknown)]);
    }

    #[test]
    fn a_session_that_is_over_fails() {
        let with = |seconds| {
            let expires_at = Some(Timestamp::from_second(seconds).unwrap());
            boundary_session(&Ok(BoundarySession { expires_at, ..BoundarySession::unknown() }), NOW).verdict
        };
        assert_eq!((with(0), with(60), with(3600)), (Verdict::Failed, Verdict::Warning, Verdict::Ok));
        assert_eq!(boundary_session(&Err("decode it".to_owned()), NOW).verdict, Verdict::Failed);
    }
}
