//! The crate against servers on loopback, with certificates made on the spot.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail by panicking")]

mod channel;
mod route;
mod support;
mod upgrade;
