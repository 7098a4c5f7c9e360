//! The exit codes that are this program's own; the shared ones are in `cli_kit::exit`.

/// It failed.
pub const FAILED: u8 = 1;
/// Changes are pending: `plan --detailed-exitcode`.
pub const PENDING: u8 = 2;
/// Some steps were done, some were not.
pub const IN_PART: u8 = 3;
/// A limit holds something back.
pub const LIMITED: u8 = 4;
/// Another run holds the lock.
pub const LOCKED: u8 = 5;
