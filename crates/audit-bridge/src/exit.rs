//! The exit codes of this program beside the shared ones.

/// Something failed.
pub(crate) const FAILED: u8 = 1;
/// There are findings at or above `--fail-on`.
pub(crate) const FINDINGS: u8 = 2;
/// Evidence is incomplete; beats [`FINDINGS`].
pub(crate) const INCOMPLETE: u8 = 3;
