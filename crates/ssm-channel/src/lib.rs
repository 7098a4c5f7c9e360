//! Carries the SSM data channel: route, TLS, signed WebSocket upgrade, frames, liveness.
//!
//! Owns sockets, certificates and WebSocket frames. Knows nothing of what a frame means (that is
//! `ssm-proto`), never resumes a session, and never decides how a session ends.
//!
//! ```text
//! HostPolicy ─► StreamUrl ┐
//! Dialer ─ prepare ─► Prepared ─ upgrade ─► Channel ─ split ─► Reader, Writer
//! ```
//!
//! The stream URL's query, tokens, proxy passwords and credentials appear in no `Debug`, error or
//! log record of this crate.

mod channel;
mod connect;
mod dial;
mod head;
mod host;
mod liveness;
mod prepare;
mod proxy;
mod stream_url;
mod tls;
mod upgrade;
mod wire;

pub use channel::{Channel, ChannelError, Incoming, MAX_MESSAGE_BYTES, Reader, Writer};
pub use dial::{CONNECT_TIMEOUT, Dial, DialError, Dialer};
pub use host::{EndpointVariant, HostPolicy, default_host, endpoint_host};
pub use liveness::{Action, DEAD_AFTER, Liveness, PING_EVERY};
pub use prepare::{PrepareError, Prepared, TLS_TIMEOUT, prepare};
pub use proxy::{ProxyUrl, ProxyUrlError, proxy_from_env};
pub use stream_url::{StreamUrl, StreamUrlError};
pub use tls::{TlsError, TlsSettings, tls_client_config, warm_up};
pub use upgrade::{Signing, UPGRADE_TIMEOUT, UpgradeError};
pub use wire::Traffic;
