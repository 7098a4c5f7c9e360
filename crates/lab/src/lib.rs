//! The whole world of the toolkit on loopback, in one process: ECS, SSM, STS, KMS, some of IAM, CloudWatch Logs, CloudTrail and
//! S3, the SSM message gateway with a real PTY behind a faithful agent, a Boundary controller with its worker, and a stand-in for
//! `boundary connect`.
//!
//! It owns test servers, their faults and a journal of what really happened. It never reaches beyond 127.0.0.1 and is
//! never shipped.
//!
//! ```text
//! client ─► stand-in listener ─► worker ─► gateway (TLS, WebSocket) ─► relay with faults ─► agent ─► PTY child
//! client ─► controller ─► session ─► session's worker (TLS, WebSocket, handshake) ─► gateway
//! client ─► API server (SigV4, IAM) ─► tasks, sessions, keys, evidence
//! session, call, write ─► transcript, CloudTrail record, Boundary audit event ◄─ hand of a test
//! ```

pub mod connect;

mod agent;
mod aws;
mod boundary;
mod clock;
mod clusters;
mod exec_logging;
mod faults;
mod gateway;
mod hand;
mod iam;
mod journal;
mod leftovers;
mod options;
mod proxy;
mod random;
mod shared;
mod sigv4;
mod tasks;
mod tls;
mod trail;
mod worker;
mod world;

pub use aws::logs::LogEvent;
pub use aws::s3::ObjectVersion;
pub use boundary::{ADMIN_PASSWORD, AUTH_METHOD_ID, Boundary, BoundaryStatus, BoundaryTarget, BoundaryUser, ORG_ID, PROJECT_ID};
pub use exec_logging::{ExecLogging, ExecLoggingMode};
pub use faults::{Cut, Elsewhere, Faults, Impairment};
pub use hand::Artifacts;
pub use journal::{ChildStatus, JournalEntry};
pub use options::{Profile, StreamForm, WorldOptions};
pub use sigv4::{SigningKeys, sign_request};
pub use tasks::{ContainerView, TaskSpec, TaskView};
pub use world::World;
