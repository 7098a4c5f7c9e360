//! Boundary's optimistic lock: tells a version conflict from a resource that is gone, and repeats what lost a race.
//!
//! The controller answers 404 for both (and 500 when a session is cancelled or a role is changed, measured), so one read decides.
//! A caller without the right to read is told what the controller said.
//!
//! Plain functions, no async closures: futures with those in them cannot be proven `Send` where a program spawns them.

use crate::error::{Error, ErrorKind};

/// How often a read and its write are tried in all, before the conflict is told.
const ROUNDS: u32 = 3;

/// Whether a read and its write begin anew, since another writer came between. `round` counts from 1.
pub(crate) fn begins_anew<R>(outcome: &Result<R, Error>, round: u32) -> bool {
    let lost = outcome.as_ref().is_err_and(|error| error.kind() == Some(ErrorKind::VersionConflict));
    if lost {
        tracing::debug!(round, "another writer was first");
    }
    lost && round < ROUNDS
}

/// Makes a version conflict of an error, when a read shows that the resource has another version than was written with.
pub(crate) fn explain(error: Error, version: u32, current: u32) -> Error {
    let Error::Api(mut api) = error else { return error };
    if current != version {
        api.kind = ErrorKind::VersionConflict;
        api.current_version = Some(current);
    }
    Error::Api(api)
}
