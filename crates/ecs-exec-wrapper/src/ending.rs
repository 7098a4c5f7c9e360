//! How a run ends: one stable reason, one exit code, one sentence that says what to do next.
//!
//! The table of reasons is the single source for stderr, the result file, the session record and the documents.

use cli_kit::exit;
use serde::Serialize;

/// Why a run ended; the words are stable and documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    /// The command ended by itself and its code is known.
    Exited,
    /// The session ended, the command's code is not known.
    ExitUnknown,
    /// Ended with the escape `~.`.
    UserDisconnect,
    /// Ctrl-C before the session was ready.
    UserCanceled,
    /// A signal ended us.
    Signal,
    /// Nobody reads our stdout any more.
    StdoutClosed,
    /// AWS does not accept or permit us.
    Auth,
    /// AWS could not be asked, or answered with a fault.
    Aws,
    /// No such task, or no single one.
    TaskNotFound,
    /// The task is not running any more.
    TaskStopped,
    /// The task has no such container, or several and none was named.
    ContainerNotFound,
    /// The task or its agent did not get ready in time.
    TargetNotConnected,
    /// ECS Exec is off for this task.
    ExecDisabled,
    /// ExecuteCommand was sent and no answer came: a session may or may not exist.
    ExecuteCommandUnknown,
    /// Not started by `boundary connect`.
    BoundaryMissing,
    /// The target leads to another host than the data channel's.
    BoundaryTargetMismatch,
    /// Boundary does not accept our token, or there is none.
    BoundaryAuth,
    /// Boundary gives us no session of this target.
    BoundaryDenied,
    /// Boundary's controller or workers cannot be reached.
    BoundaryUnreachable,
    /// The Boundary session reached its expiry.
    BoundaryExpired,
    /// Somebody canceled the Boundary session.
    BoundaryCanceled,
    /// Boundary's end closed the way.
    BoundaryClosed,
    /// The connection was lost on the way.
    NetworkLost,
    /// AWS does not let us resume a lost session.
    ResumeDenied,
    /// AWS has ended the session while its connection was lost.
    SessionTimedOut,
    /// The gateway refused the data channel.
    Handshake,
    /// The session's encryption could not be agreed on.
    Kms,
    /// The session ended on the remote side with an error text.
    RemoteError,
    /// The other end does not speak the protocol.
    Protocol,
    /// The user typed nothing for too long.
    IdleTimeout,
    /// Only what would be done was told.
    DryRun,
    /// This machine's policy forbids it.
    Policy,
    /// The session cannot be recorded.
    Record,
    /// Wrong usage.
    Usage,
    /// A configuration file cannot be used.
    Configuration,
}

impl Reason {
    /// All reasons, in the order of the documents.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 35] = [
        Self::Exited,
        Self::ExitUnknown,
        Self::UserDisconnect,
        Self::UserCanceled,
        Self::Signal,
        Self::StdoutClosed,
        Self::Auth,
        Self::Aws,
        Self::TaskNotFound,
        Self::TaskStopped,
        Self::ContainerNotFound,
        Self::TargetNotConnected,
        Self::ExecDisabled,
        Self::ExecuteCommandUnknown,
        Self::BoundaryMissing,
        Self::BoundaryTargetMismatch,
        Self::BoundaryAuth,
        Self::BoundaryDenied,
        Self::BoundaryUnreachable,
        Self::BoundaryExpired,
        Self::BoundaryCanceled,
        Self::BoundaryClosed,
        Self::NetworkLost,
        Self::ResumeDenied,
        Self::SessionTimedOut,
        Self::Handshake,
        Self::Kms,
        Self::RemoteError,
        Self::Protocol,
        Self::IdleTimeout,
        Self::DryRun,
        Self::Policy,
        Self::Record,
        Self::Usage,
        Self::Configuration,
    ];

    /// The stable word.
    pub(crate) fn as_str(self) -> &'static str {
        self.row().0
    }

    /// What the user can do about it; empty when there is nothing to do.
    pub(crate) fn advice(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::Exited => ("exited", ""),
            Self::ExitUnknown => {
                ("exit-unknown", "the command may have succeeded or failed; look at its effect before you run it again")
            }
            Self::UserDisconnect => ("user-disconnect", ""),
            Self::UserCanceled => ("user-canceled", ""),
            Self::Signal => ("signal", ""),
            Self::StdoutClosed => ("stdout-closed", ""),
            Self::Auth => ("auth", "check which AWS identity you use (aws sts get-caller-identity) and what it may do"),
            Self::Aws => ("aws", "try again; if it stays, check the region, HTTPS_PROXY and AWS_ENDPOINT_URL"),
            Self::TaskNotFound => {
                ("task-not-found", "name the task by its full id or ARN, and check cluster, region and account")
            }
            Self::TaskStopped => ("task-stopped", "the investigation's task is gone; start a new one"),
            Self::ContainerNotFound => ("container-not-found", "name the container with --container"),
            Self::TargetNotConnected => (
                "target-not-connected",
                "the ECS Exec agent in the task is not ready; wait longer with --wait=3m, or look at the task's managed agents",
            ),
            Self::ExecDisabled => (
                "exec-disabled",
                "ECS Exec can only be enabled when a task is started; start a new task with enableExecuteCommand",
            ),
            Self::ExecuteCommandUnknown => (
                "execute-command-unknown",
                "a session may be open in the task; it ends by itself after 20 idle minutes. Run the command again if you can",
            ),
            Self::BoundaryMissing => (
                "boundary-missing",
                "start it with: boundary connect -exec ecs-exec-wrapper -target-id ttcp_… -- CLUSTER TASK; or say --via direct to go around Boundary",
            ),
            Self::BoundaryTargetMismatch => (
                "boundary-target-mismatch",
                "ask whoever runs Boundary to set the target as named above; its address is the data channel's, port 443",
            ),
            Self::BoundaryAuth => {
                ("boundary-auth", "log in with `boundary authenticate`, or set BOUNDARY_TOKEN; check BOUNDARY_ADDR")
            }
            Self::BoundaryDenied => (
                "boundary-denied",
                "check the target's name, and whether your grants permit authorize-session on it; the investigation may be over",
            ),
            Self::BoundaryUnreachable => {
                ("boundary-unreachable", "check BOUNDARY_ADDR, BOUNDARY_CACERT and the way to the controller and its workers")
            }
            Self::BoundaryCanceled => {
                ("boundary-canceled", "an administrator or you ended the session; connect again if you may")
            }
            Self::BoundaryExpired => ("boundary-expired", "authorize a new Boundary session"),
            Self::BoundaryClosed => {
                ("boundary-closed", "the Boundary session was canceled, or its worker or network went away; connect again")
            }
            Self::NetworkLost => ("network-lost", "connect again; what ran in the shell may still be running"),
            Self::ResumeDenied => (
                "resume-denied",
                "connect again; add ssm:ResumeSession on arn:aws:ssm:*:*:session/ecs-execute-command-* to live through lost connections",
            ),
            Self::SessionTimedOut => ("session-timed-out", "connect again; AWS ends a session after 20 idle minutes"),
            Self::Handshake => ("handshake", "if AWS named a permission above, add it; else try again"),
            Self::Kms => {
                ("kms", "check kms:GenerateDataKey for you and kms:Decrypt for the task role, on the cluster's exec key")
            }
            Self::RemoteError => ("remote-error", "the text above is the agent's own"),
            Self::Protocol => ("protocol", "try again; if it stays, run with -vv --log-file and report it"),
            Self::IdleTimeout => ("idle-timeout", "connect again; what ran in the shell may still be running"),
            Self::DryRun => ("dry-run", ""),
            Self::Policy => ("policy", "ask whoever runs this machine; the policy is /etc/ecs-exec-wrapper/policy.toml"),
            Self::Record => {
                ("record", "make the folder, log group or bucket writable, or go on without a record with --record best-effort")
            }
            Self::Usage => ("usage", "see ecs-exec-wrapper --help"),
            Self::Configuration => ("configuration", ""),
        }
    }
}

/// Whose word the exit code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExitSource {
    /// The remote script's exit marker: the container's claim.
    Marker,
    /// Ours.
    Wrapper,
}

impl ExitSource {
    /// The word used in records and results.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Marker => "marker",
            Self::Wrapper => "wrapper",
        }
    }
}

/// How the run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The stable reason.
    pub(crate) reason: Reason,
    /// Our exit code.
    pub(crate) exit_code: u8,
    /// Whose word it is.
    pub(crate) exit_source: ExitSource,
    /// What happened, as one sentence for the user, already safe to print; empty when there is nothing to say.
    pub(crate) sentence: String,
}

impl Ending {
    /// The command ended by itself.
    pub(crate) fn exited(code: u8) -> Self {
        Self { reason: Reason::Exited, exit_code: code, exit_source: ExitSource::Marker, sentence: String::new() }
    }

    /// We failed, or the outcome is not known.
    pub(crate) fn failed(reason: Reason, sentence: impl Into<String>) -> Self {
        let exit_code = match reason {
            Reason::Usage => exit::USAGE,
            Reason::Configuration => exit::CONFIGURATION,
            Reason::DryRun => exit::OK,
            _ => exit::OWN_FAILURE,
        };
        Self { reason, exit_code, exit_source: ExitSource::Wrapper, sentence: sentence.into() }
    }

    /// A signal ended us.
    pub(crate) fn signal(number: u8, sentence: impl Into<String>) -> Self {
        Self {
            reason: Reason::Signal,
            exit_code: exit::by_signal(number),
            exit_source: ExitSource::Wrapper,
            sentence: sentence.into(),
        }
    }

    /// Ctrl-C before the session was ready.
    pub(crate) fn canceled() -> Self {
        Self {
            reason: Reason::UserCanceled,
            exit_code: exit::by_signal(2),
            exit_source: ExitSource::Wrapper,
            sentence: "canceled before the session was ready".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_word() {
        let words: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
    }

    #[test]
    fn the_serialized_word_is_the_same() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{}\"", reason.as_str()));
        }
    }

    #[test]
    fn the_documents_table_is_this_one() {
        let code = |reason| match reason {
            Reason::Exited => "the command's".to_owned(),
            Reason::Signal => "128+n".to_owned(),
            Reason::UserCanceled => Ending::canceled().exit_code.to_string(),
            Reason::StdoutClosed => exit::by_signal(13).to_string(),
            reason => Ending::failed(reason, "").exit_code.to_string(),
        };
        let advice = |reason: Reason| if reason.advice().is_empty() { "-" } else { reason.advice() };
        let row = |reason: Reason| format!("| `{}` | {} | {} |\n", reason.as_str(), code(reason), advice(reason));
        let table: String = Reason::ALL.into_iter().map(row).collect();
        assert!(include_str!("../../../docs/wrapper.md").contains(&table), "docs/wrapper.md must hold:\n{table}");
    }

    #[test]
    fn our_own_failures_stay_clear_of_boundarys_codes() {
        for reason in Reason::ALL.into_iter().filter(|reason| !matches!(reason, Reason::Exited | Reason::DryRun)) {
            assert!(![0, 1, 2, 3].contains(&Ending::failed(reason, "").exit_code), "{reason:?}");
        }
    }
}
