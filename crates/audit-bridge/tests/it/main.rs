//! The readers of AWS against the lab: twice each, refused, and with what an attacker or an accident would leave.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail by panicking")]

mod artifacts;
mod exec_logs;
mod exec_objects;
mod links;
mod moto;
mod posture;
mod site;
mod sync_records;
