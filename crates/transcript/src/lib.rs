//! What was shown in an ECS Exec session, from whoever kept it.
//!
//! Pure: bytes and times in, values out; no file, no clock, no terminal. Everything that it reads is hostile. It judges nothing: the
//! auditor's program does.
//!
//! ```text
//! agent's log ─ exec_log ─► body, digest, claims ─ marks ─► output, commands, exit ─ screen ─► text ─ redact ─► text without secrets
//! wrapper's recording ─ cast ─► events with times ─ player ─► safe repaints for an auditor's terminal
//! ```

pub mod cast;
pub mod exec_log;
pub mod marks;
pub mod player;
pub mod redact;
pub mod screen;
mod utf8;
