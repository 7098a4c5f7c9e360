//! Loopback servers for this crate's tests.
