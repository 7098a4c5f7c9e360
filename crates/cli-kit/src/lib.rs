//! What the three programs share at their edge: exit codes, error chains, hostile text, logging and configuration files.
//!
//! Owns no business of any program. Nothing here writes to stdout.

pub mod chain;
pub mod config;
pub mod exit;
pub mod logging;
pub mod text;

pub use chain::chain_text;
pub use config::{ConfigError, FileLayers};
pub use text::printable;
