//! Boundary's optimistic lock: tells a version conflict from a resource that is gone, and repeats what lost a race.
//!
//! The controller answers 404 for both (and 500 when a session is cancelled, measured), so one read decides. A caller without
//! the right to read is told what the controller said.

use crate::error::{Error, ErrorKind};

/// How often a read and its write are tried in all, before the conflict is told.
const ROUNDS: u32 = 3;

/// Repeats a read and its write as long as another writer comes between.
pub(crate) async fn retry_conflicts<R>(mut round: impl AsyncFnMut() -> Result<R, Error>) -> Result<R, Error> {
    for _ in 1..ROUNDS {
        match round().await {
            Err(error) if error.kind() == Some(ErrorKind::VersionConflict) => {
                tracing::debug!(%error, "another writer was first");
            }
            done => return done,
        }
    }
    round().await
}

/// Makes a version conflict of an error when a read shows that the resource has another version than was written with.
pub(crate) async fn explain(error: Error, version: u32, read: impl AsyncFnOnce() -> Result<u32, Error>) -> Error {
    let Error::Api(mut api) = error else { return error };
    if !api.may_be_a_version_conflict() {
        return Error::Api(api);
    }
    if let Ok(current) = read().await
        && current != version
    {
        api.kind = ErrorKind::VersionConflict;
        api.current_version = Some(current);
    }
    Error::Api(api)
}
