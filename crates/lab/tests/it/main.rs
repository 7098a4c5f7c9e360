//! The lab as its users meet it: APIs over HTTP, sessions over the gateway, the stand-in as a process.

#![expect(clippy::unwrap_used, reason = "a test may fail anywhere, helpers included")]

mod api;
mod audit_support;
mod boundary;
mod client;
mod clusters;
mod connect;
mod controller;
mod controller_objects;
mod evidence_boundary;
mod evidence_logs;
mod evidence_objects;
mod evidence_trail;
mod routes;
mod session;
mod support;
