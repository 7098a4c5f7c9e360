//! Opens an ECS Exec session through Boundary's proxy and returns the remote exit code.
//!
//! ```text
//! argv, env ─ settle_settings ─► Settings ─ resolve ─► Resolved ─ authorise ─► Prepared ─ open ─► Opened ─ pump ─► PumpEnd ─ settle ─► Ending
//! ```
//!
//! Each stage takes the former's value and returns its own. [`main`] is the whole way.

mod args;
mod conversation;
mod deadlines;
mod ending;
mod escape;
mod marks;
mod settings;
mod task;

mod attention;
mod authorise;
mod boundary;
mod complete;
mod config;
mod controller;
mod doctor;
mod ecs;
mod environment;
mod extras;
mod input;
mod links;
mod native;
mod open;
mod output;
mod parent;
mod policy;
mod pump;
mod record;
mod resolve;
mod resume;
mod rights;
mod run;
mod say;
mod settle;
mod signals;
mod terminal;
mod transcript;

pub use run::main;
