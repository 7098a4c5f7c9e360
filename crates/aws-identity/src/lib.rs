//! Answers who we are in AWS, and why AWS said no.
//!
//! Owns the one SDK configuration that all clients share (credential chain, region, HTTP connector,
//! timeouts), the caller's identity, and the explanation of refusals. Never makes a service call
//! but `sts:GetCallerIdentity`, and never prints.
//!
//! ```text
//! Settings ─ load ─► Aws ─► config() for the service clients, credentials(), caller()
//!                     SdkError ─ explain ─► Refusal
//! ```

mod cache;
mod connector;
mod identity;
mod profile;
mod refusal;

pub use identity::{Aws, Caller, IdentityError, Settings, load};
pub use refusal::{Refusal, RefusalKind, explain};
