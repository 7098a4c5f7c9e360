//! The client's side of a connection through a Boundary worker, without the `boundary` program.
//!
//! Owns the authorization token, the session's TLS, the worker's handshake and its refusals. Never talks to the controller,
//! never knows what the bytes mean.
//!
//! ```text
//! token ─ Authorization::decode ─► Authorization ─ WorkerProxy::new ─► WorkerProxy ─ connect ─► Connection (bytes)
//!                                                                      │        └─ tcp ─► TcpStream that leads through it
//!                                                                      └─ cancel: the session ends
//! ```
//!
//! Source: Boundary v0.21.2 `api/proxy`, `internal/daemon/worker/handler.go`,
//! `internal/proto/worker/proxy/v1/proxy.proto`, and the real programs, measured.

mod authorization;
mod base58;
mod connect;
mod connection;
pub mod handshake;
mod pair;
mod protobuf;
pub mod tls;

pub use authorization::{Authorization, AuthorizationFields, TokenError};
pub use connect::{ConnectError, WorkerProxy};
pub use connection::{Connection, Traffic};
