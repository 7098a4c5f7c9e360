//! The exit codes that are this program's own; the shared ones are in `cli_kit::exit`.

/// It failed.
pub const FAILED: u8 = 1;
/// Changes are pending: `plan --detailed-exitcode`.
pub const PENDING: u8 = 2;
/// Some steps were done, some were not; or a source was not read to its end.
pub const IN_PART: u8 = 3;
/// A limit holds something back.
pub const LIMITED: u8 = 4;
/// Another run holds the lock, or another sync keeps what this one wants.
pub const LOCKED: u8 = 5;
