//! Keeps one Boundary target, with grants and alias, per running investigation task.
//!
//! ```text
//! ECS + Boundary ─ observe ─► Snapshot ─ desire ─► Desired ─ plan ─► Plan ─ apply ─► Report
//! ```
//!
//! `desire` and `plan` are pure: they take what was seen, and `plan` the time.

pub mod apply;
pub mod args;
pub mod cycle;
mod daemon;
pub mod desire;
mod doctor;
pub mod exit;
mod explain;
pub mod facts;
pub mod grants;
pub mod login;
mod news;
pub mod observe;
pub mod plan;
pub mod principal;
mod program;
mod progress;
mod records;
mod repair;
pub mod rules;
pub mod settings;
mod show;
pub mod store;
pub mod template;
mod upsert;

pub use program::main;
