//! Carries bytes through a HashiCorp Boundary worker, as `boundary connect` does.
//!
//! Owns the authorization token, TLS with the session's certificate, the handshake, and the frames. Asks no controller for
//! anything and never looks into the bytes.
//!
//! ```text
//! token ─► Authorization ─► WorkerProxy ─ connect ─► Connection (bytes)
//!                                └─ connect_tcp ─► TcpStream ─► Connection
//! ```
//!
//! The session's key, its certificate and the process's token appear in no `Debug`, error or log record of this crate.

mod authorization;
mod base58;
mod connect;
mod connection;
mod error;
mod socket;
mod tls;
mod wire;

pub use authorization::{Authorization, AuthorizationFields, TokenError};
pub use connect::{PROXY_PATH, SUBPROTOCOL, SetupError, WorkerProxy};
pub use connection::{Connection, EndedByWorker, Monitor};
pub use error::{ConnectError, ProtocolError, Reason, Step};
pub use socket::CarryError;
pub use tls::{CredentialError, ed25519_pkcs8, requested_session, worker_tls};
pub use wire::{ClientHandshake, Command, HandshakeResult, TOFU_TOKEN_BYTES, WireError};
