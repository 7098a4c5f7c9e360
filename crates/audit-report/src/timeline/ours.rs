//! What our own programs wrote down: target-sync's writes, the wrapper's records.
//!
//! Owns the sentences on them. The wrapper's times are those of the user's machine.

use super::{Moments, Precision, name, or_unknown};
use crate::legible::{digest, size};
use audit_facts::{BoundaryTarget, Fact, LinkEnd, LinkStart, SyncChange};

/// Tells how target-sync saw a target.
pub(super) fn target(fact: &Fact, it: &BoundaryTarget, moments: &mut Moments) {
    let users: Vec<String> = it.user_ids.iter().map(|id| name(id)).collect();
    let who = if users.is_empty() { "nobody".to_owned() } else { users.join(", ") };
    let alias = it.alias.as_deref().map(|alias| format!(" ({})", name(alias))).unwrap_or_default();
    let (id, state) = (name(&it.target_id), name(&it.state));
    let what = format!("target-sync saw target {id}{alias}, {state}, open to {who}.");
    moments.add(fact, it.at, Precision::NotLater, what);
}

/// Tells a write of target-sync.
pub(super) fn change(fact: &Fact, it: &SyncChange, moments: &mut Moments) {
    let result = it.result.as_deref().map_or_else(|| "no outcome recorded".to_owned(), name);
    let (action, object, of) = (name(&it.action), name(&it.object), name(&it.name));
    let (run, reason) = (name(&it.run_id), name(&it.reason));
    let what = format!("target-sync: {action} {object} {of} ({reason}), {result}, run {run}.");
    moments.add(fact, it.at, Precision::Instant, what);
}

/// Tells that the wrapper began.
pub(super) fn link_start(fact: &Fact, it: &LinkStart, moments: &mut Moments) {
    let (user, host, container) = (name(&it.local_user), name(&it.host), name(&it.container));
    let through = it.boundary_session_id.as_ref().map_or_else(
        || format!("by route {}, without a Boundary session", name(&it.route)),
        |id| format!("through Boundary session {}", name(id.as_str())),
    );
    let why = it.reason.as_deref().map(|why| format!("; reason: {}", name(why))).unwrap_or_default();
    let what = format!("The wrapper of {user} on {host} was about to enter container {container} {through}{why}.");
    moments.add(fact, it.at, Precision::ClientClock, what);
}

/// Tells that the wrapper ended.
pub(super) fn link_end(fact: &Fact, it: &LinkEnd, moments: &mut Moments) {
    let session = it.ssm_session_id.as_ref().map(|id| format!("'s session {}", name(id.as_str()))).unwrap_or_default();
    let code = match it.exit_source.as_str() {
        "marker" => format!("exit code {} by the container", it.exit_code),
        _ => format!("the wrapper's own code {}", it.exit_code),
    };
    let (ending, remote) = (name(&it.ending), or_unknown(Some(&it.remote_end)));
    let (bytes, sha256) = (size(it.bytes_out), digest(&it.output_sha256));
    let resumed = if it.resumes == 0 { String::new() } else { format!(", resumed {} times", it.resumes) };
    moments.add(
        fact,
        it.at,
        Precision::ClientClock,
        format!("The wrapper{session} ended: {ending}, {code}, remote end {remote}; it saw {bytes}{resumed}, digest {sha256}."),
    );
}
