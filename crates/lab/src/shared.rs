//! What the parts of one world share. It owns the state; each part owns what happens to it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::aws::kms::Keys;
use crate::aws::logs::LogGroups;
use crate::aws::s3::Buckets;
use crate::boundary::Boundary;
use crate::clock::Clock;
use crate::clusters::Clusters;
use crate::exec_logging::ExecLogging;
use crate::faults::Faults;
use crate::gateway::session::Sessions;
use crate::iam::Principals;
use crate::journal::Journal;
use crate::options::{StreamForm, WorldOptions};
use crate::random;
use crate::tasks::TaskView;
use crate::tls::{Authority, GATEWAY_NAME};
use crate::trail::Trail;

/// The state of one world.
pub(crate) struct Shared {
    pub(crate) options: WorldOptions,
    pub(crate) journal: Journal,
    pub(crate) faults: Faults,
    pub(crate) clock: Clock,
    pub(crate) trail: Trail,
    pub(crate) principals: Principals,
    pub(crate) keys: Keys,
    pub(crate) log_groups: LogGroups,
    pub(crate) buckets: Buckets,
    pub(crate) sessions: Sessions,
    pub(crate) boundary: Boundary,
    pub(crate) tls: Authority,
    /// HOME of every child.
    pub(crate) container_home: PathBuf,
    /// PATH of every child.
    pub(crate) container_path: String,
    /// The gateway with TLS.
    pub(crate) gateway: OnceLock<SocketAddr>,
    /// The gateway without TLS.
    pub(crate) plain_gateway: OnceLock<SocketAddr>,
    /// The APIs with TLS.
    pub(crate) tls_api: OnceLock<SocketAddr>,
    /// Local ports of the worker's sockets towards the gateway.
    pub(crate) worker_ports: Mutex<HashSet<u16>>,
    pub(crate) bytes_up: AtomicU64,
    pub(crate) bytes_down: AtomicU64,
    clusters: Mutex<Clusters>,
    exec_logging: Mutex<ExecLogging>,
}

/// What is needed to make the state.
pub(crate) struct Parts {
    pub(crate) options: WorldOptions,
    pub(crate) tls: Authority,
    pub(crate) container_home: PathBuf,
    pub(crate) container_path: String,
}

impl Shared {
    pub(crate) fn new(parts: Parts, runtime: &tokio::runtime::Runtime) -> Self {
        let Parts { options, tls, container_home, container_path } = parts;
        Self {
            journal: Journal::new(),
            clock: Clock::default(),
            trail: Trail::new(jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap_or_default()),
            faults: Faults::new(options.seed, options.accept_unsigned),
            principals: Principals::new(options.profile),
            keys: Keys::new(),
            log_groups: LogGroups::default(),
            buckets: Buckets::default(),
            sessions: Sessions::default(),
            boundary: Boundary::new(options.boundary_cancel_delay, runtime.handle().clone()),
            tls,
            container_home,
            container_path,
            gateway: OnceLock::new(),
            plain_gateway: OnceLock::new(),
            tls_api: OnceLock::new(),
            worker_ports: Mutex::new(HashSet::new()),
            bytes_up: AtomicU64::new(0),
            bytes_down: AtomicU64::new(0),
            clusters: Mutex::new(Clusters::new()),
            exec_logging: Mutex::new(options.exec_logging.clone()),
            options,
        }
    }

    pub(crate) fn tasks(&self) -> MutexGuard<'_, Clusters> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where transcripts of ECS Exec go.
    pub(crate) fn exec_logging(&self) -> MutexGuard<'_, ExecLogging> {
        self.exec_logging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn task(&self, task_id: &str) -> Option<TaskView> {
        self.tasks().task(task_id).cloned()
    }

    pub(crate) fn worker_ports(&self) -> MutexGuard<'_, HashSet<u16>> {
        self.worker_ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a StreamUrl with a fresh cell number.
    pub(crate) fn stream_url(&self, session_id: &str) -> String {
        let origin = match (self.options.stream_form, self.plain_gateway.get()) {
            (StreamForm::Loopback, Some(address)) => format!("ws://{address}"),
            _ => format!("wss://{GATEWAY_NAME}"),
        };
        let cell = random::hex_id::<20>();
        format!("{origin}/v1/data-channel/{session_id}?role=publish_subscribe&cell-number=AAEAA{cell}==")
    }
}
