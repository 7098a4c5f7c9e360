//! What really happened in a world, in order. It owns the list and the waiting for it; it never judges.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Says how a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildStatus {
    /// It exited with this code.
    Code(i32),
    /// It was killed by this signal.
    Signal(i32),
    /// Its status could not be read.
    Unknown,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalEntry {
    /// An AWS API was called; `ok` is false when it was refused, `error` then holds the code.
    ApiCall {
        /// The action with its service, such as `ecs:ExecuteCommand`.
        action: String,
        /// ARN of the caller, or `anonymous`.
        principal: String,
        /// Whether it succeeded.
        ok: bool,
        /// The error code.
        error: Option<String>,
    },
    /// A session was made by `ecs:ExecuteCommand`.
    ExecuteCommand {
        /// The command as given.
        command: String,
        /// Id of the new SSM session.
        session_id: String,
        /// Id of the task.
        task_id: String,
        /// Name of the container.
        container: String,
        /// ARN of the caller.
        principal: String,
    },
    /// A session was made by `ssm:StartSession`: the way around ECS Exec's logging.
    StartSession {
        /// Id of the new SSM session.
        session_id: String,
        /// The target as given.
        target: String,
        /// ARN of the caller.
        principal: String,
    },
    /// A client's data channel was opened with a valid token.
    GatewayOpened {
        /// Id of the SSM session.
        session_id: String,
        /// The TCP peer.
        peer: SocketAddr,
        /// Whether the socket is one of the worker's.
        via_worker: bool,
        /// Whether the upgrade carried a valid signature.
        signed: bool,
        /// The headers of the upgrade, names in lower case; `authorization` and the security token are redacted.
        headers: Vec<(String, String)>,
        /// ClientVersion of the OpenDataChannel message.
        client_version: String,
    },
    /// A client's data channel was refused.
    GatewayRefused {
        /// Id of the SSM session, as far as known.
        session_id: String,
        /// The TCP peer.
        peer: SocketAddr,
        /// Why.
        reason: String,
    },
    /// A client's data channel ended.
    GatewayClosed {
        /// Id of the SSM session.
        session_id: String,
        /// Who or what closed it.
        how: String,
    },
    /// The agent started its child.
    ChildStarted {
        /// Id of the SSM session.
        session_id: String,
        /// Process id on this host.
        pid: u32,
        /// The argument vector.
        argv: Vec<String>,
    },
    /// The agent could not start its child.
    ChildFailed {
        /// Id of the SSM session.
        session_id: String,
        /// Why.
        reason: String,
    },
    /// The agent's child ended.
    ChildExited {
        /// Id of the SSM session.
        session_id: String,
        /// How.
        status: ChildStatus,
    },
    /// The terminal of a session got a size.
    SizeSet {
        /// Id of the SSM session.
        session_id: String,
        /// Columns.
        cols: u16,
        /// Rows.
        rows: u16,
    },
    /// `ssm:TerminateSession` was granted.
    TerminateSession {
        /// Id of the SSM session.
        session_id: String,
    },
    /// `ssm:ResumeSession` was granted.
    ResumeSession {
        /// Id of the SSM session.
        session_id: String,
    },
    /// A session is over; its channel_closed was sent.
    SessionEnded {
        /// Id of the SSM session.
        session_id: String,
        /// The Output text, empty for a normal end.
        output: String,
    },
    /// Boundary's controller authorised a session.
    BoundarySessionAuthorized {
        /// Id of the Boundary session.
        session_id: String,
        /// Id of the target.
        target_id: String,
        /// Id of the user.
        user_id: String,
        /// The request's correlation id, where it had one.
        correlation_id: Option<String>,
    },
    /// A cancel of a Boundary session was accepted, from the API or through the worker.
    BoundarySessionCanceled {
        /// Id of the Boundary session.
        session_id: String,
        /// Id of the user who asked; of the session's own user when it came through the worker.
        user_id: String,
        /// The request's correlation id, where it had one.
        correlation_id: Option<String>,
    },
    /// A new connection reached the worker.
    WorkerConnection {
        /// Whether the worker carried it.
        accepted: bool,
    },
    /// A connection through the worker ended, having carried these bytes.
    BytesThroughWorker {
        /// From the client.
        up: u64,
        /// To the client.
        down: u64,
    },
}

/// Holds the entries and wakes those who wait.
#[derive(Debug)]
pub(crate) struct Journal {
    entries: Mutex<Vec<JournalEntry>>,
    length: watch::Sender<usize>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { entries: Mutex::new(Vec::new()), length: watch::Sender::new(0) }
    }

    pub(crate) fn push(&self, entry: JournalEntry) {
        tracing::debug!(?entry, "journal");
        let length = {
            let mut entries = self.entries();
            entries.push(entry);
            entries.len()
        };
        self.length.send_replace(length);
    }

    pub(crate) fn all(&self) -> Vec<JournalEntry> {
        self.entries().clone()
    }

    pub(crate) fn holds(&self, what: &impl Fn(&[JournalEntry]) -> bool) -> bool {
        what(&self.entries())
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<usize> {
        self.length.subscribe()
    }

    fn entries(&self) -> MutexGuard<'_, Vec<JournalEntry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
