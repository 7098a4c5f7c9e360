//! What a world is made like: profile, KMS, routes and the agent's timing. Only data, no behaviour.

use std::path::PathBuf;
use std::time::Duration;

use crate::exec_logging::ExecLogging;

/// Names which rights the caller has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// The users' own world: the shared role's policy, without DescribeClusters, ResumeSession and TerminateSession.
    #[default]
    Rosa,
    /// A caller who may do everything.
    Granted,
}

/// Names the form of the StreamUrl that the APIs hand out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamForm {
    /// `wss://ssmmessages.us-east-2.amazonaws.com/v1/data-channel/…`, as AWS gives it.
    #[default]
    Aws,
    /// `ws://127.0.0.1:<port>/v1/data-channel/…`, without TLS.
    Loopback,
}

/// Says what [`crate::World::start`] builds.
#[derive(Clone, Debug)]
pub struct WorldOptions {
    /// The caller's rights.
    pub profile: Profile,
    /// Whether the ECS cluster's exec configuration names a KMS key.
    pub kms: bool,
    /// Whether the gateway accepts only sockets of the worker proxy.
    pub only_via_worker: bool,
    /// The agent's sleep between starting the child and its first read; the real one takes 1 s (amazon-ssm-agent
    /// session/shell/shell.go).
    pub agent_start_delay: Duration,
    /// Whether the agent begins only when a client is there; the real one begins at once, and its first second makes up for it.
    pub agent_waits_for_client: bool,
    /// The agent's sleep after each output message; the real one takes 1 ms.
    pub agent_pacing: Duration,
    /// How long the agent waits for acknowledgements when the child has ended; the real one waits 2 s.
    pub agent_drain: Duration,
    /// Whether an acknowledgement that arrives before the agent noted its frame as sent is ignored, as the real agent
    /// does.
    pub agent_ack_race: bool,
    /// The form of the StreamUrl.
    pub stream_form: StreamForm,
    /// What `sh` means in the container.
    pub shell_path: PathBuf,
    /// Whether an unsigned WebSocket upgrade is accepted (and journaled).
    pub accept_unsigned: bool,
    /// Seed of the random faults.
    pub seed: u64,
    /// Port of the API server, 0 for any.
    pub api_port: u16,
    /// Port of the worker proxy, 0 for any.
    pub worker_port: u16,
    /// How long a canceled Boundary session goes on; the real worker asks every 2 s, and cuts after 0.5 to 2 s (measured).
    pub boundary_cancel_delay: Duration,
    /// Port of the CONNECT proxy, 0 for any.
    pub connect_proxy_port: u16,
    /// Where transcripts of ECS Exec go; the log group is made with the world, a bucket is not.
    pub exec_logging: ExecLogging,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            profile: Profile::Rosa,
            kms: true,
            only_via_worker: true,
            agent_start_delay: Duration::from_millis(20),
            agent_waits_for_client: false,
            agent_pacing: Duration::ZERO,
            agent_drain: Duration::from_secs(2),
            agent_ack_race: false,
            stream_form: StreamForm::Aws,
            shell_path: PathBuf::from("/bin/sh"),
            accept_unsigned: true,
            seed: 1,
            api_port: 0,
            worker_port: 0,
            boundary_cancel_delay: Duration::from_millis(100),
            connect_proxy_port: 0,
            exec_logging: ExecLogging::default(),
        }
    }
}

impl WorldOptions {
    /// Returns the defaults of a profile: Rosa has a KMS key, Granted has none.
    pub fn of(profile: Profile) -> Self {
        Self { profile, kms: profile == Profile::Rosa, ..Self::default() }
    }
}
