//! Answers who we are in AWS, and why AWS said no.
//!
//! Owns the one SDK configuration that all clients share (credential chain, region, HTTP connector,
//! timeouts), the caller's identity, the role that is taken on in the user's name, and the explanation
//! of refusals. Calls no service but STS, and never prints.
//!
//! ```text
//! Settings ─ load ─► Aws ─► config() for the service clients, credentials(), caller()
//!                     └ assume_role ─► Aws with the role's credentials
//! Settings ─ explain_chain ─► Leg, Leg, … : which hop of the credentials failed, and why
//!                     SdkError ─ explain ─► Refusal ─ explain_abac ─► a sentence on the tags
//! ```

mod abac;
mod assume;
mod cache;
mod causes;
mod chain;
mod connector;
mod identity;
mod profile;
mod refusal;
mod sources;
mod statement;
mod steps;
mod token;
mod walk;

pub use abac::explain_abac;
pub use assume::{AssumeRole, AssumeRoleError, Assumed, TAG_BOUNDARY_TARGET, TAG_BOUNDARY_USER};
pub use chain::LegKind;
pub use identity::{Aws, Caller, IdentityError, Settings, load};
pub use refusal::{Refusal, RefusalKind, explain, explain_answer};
pub use token::{TokenClaims, TokenError};
pub use walk::{Leg, LegFailure, Outcome, explain_chain};
