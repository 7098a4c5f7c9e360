//! Keeps one Boundary target, with grants and alias, per running investigation task.
//!
//! ```text
//! ECS + Boundary ─ observe ─► Snapshot ─ desire ─► Desired ─ plan ─► Plan ─ apply ─► Report
//! ```
//!
//! `desire` and `plan` are pure: they take what was seen, and `plan` the time.

pub mod apply;
pub mod desire;
pub mod facts;
pub mod grants;
pub mod observe;
pub mod plan;
pub mod principal;
pub mod rules;
pub mod template;
