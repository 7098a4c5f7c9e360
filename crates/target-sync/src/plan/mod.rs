//! From what is and what should be to what is done: an immutable, ordered list of requests.
//!
//! Owns identity, order and every safety rule. Pure: the same snapshot, rules and time give the same plan, byte for byte.
//!
//! ```text
//! Snapshot, Desired, Rules, now ─► names make room ─► running tasks ─► retirement ─► policy and limits ─► Plan
//! ```

mod draft;
mod fate;
mod holdings;
mod live;
mod names;
mod retire;
mod step;

use crate::desire::Desired;
use crate::facts::Snapshot;
use crate::grants::{self, Reach};
use crate::rules::Rules;
use draft::Draft;
use jiff::Timestamp;
use names::Names;
pub use retire::QUARANTINE_FILTER;
pub use step::{
    Action, FieldChange, Held, HeldBy, Level, Note, Object, Operation, PLAN_FORMAT, Plan, Reason, Step, TargetChanges,
    TargetFields,
};

/// Says what is to be done.
pub fn plan(snapshot: &Snapshot, desired: &Desired, rules: &Rules, now: Timestamp) -> Plan {
    let mut draft = Draft::new(snapshot, rules, now);
    tell_what_cannot_be_read(&mut draft);
    tell_strangers(&mut draft);
    let names = Names::make_room(&mut draft, &desired.targets);
    for wanted in desired.targets.values() {
        live::bring(&mut draft, &names, wanted);
    }
    retire::retire(&mut draft, desired);
    draft.finish()
}

fn tell_what_cannot_be_read(draft: &mut Draft<'_>) {
    for (name, scan) in &draft.snapshot.sources {
        if let Some(why) = &scan.failure {
            let text = format!("the source `{name}` was not read to its end, and what it lacks stays as it is: {why}");
            draft.note(Level::Warning, "source_unread", None, None, text);
        }
    }
    for what in &draft.snapshot.boundary.unreadable {
        draft.note(Level::Warning, "boundary_unread", None, None, what.clone());
    }
    for (kind, id, task_arn) in draft.holdings.marker_lost.clone() {
        let text = format!("this {} is recorded as ours, but its marker is gone; look at it, then `adopt {id}`", kind.word());
        draft.note(Level::Alarm, "marker_lost", Some(&task_arn), Some(&id), text);
    }
    for (kind, id, task_arn) in draft.holdings.unseen.clone() {
        let text = format!("this {} is recorded as ours, but cannot be seen; nothing is made in its place", kind.word());
        draft.note(Level::Warning, "unseen", Some(&task_arn), Some(&id), text);
    }
}

/// Lists the roles of others that authorise sessions on our targets: quarantine holds against them, our grants do not.
fn tell_strangers(draft: &mut Draft<'_>) {
    let is_ours = |id: &str| draft.holdings.holds(id);
    let mut notes = Vec::new();
    for role in draft.snapshot.boundary.roles.values().filter(|role| !is_ours(&role.id)) {
        let which = match grants::reach(role, &draft.rules.project_id, is_ours) {
            Some(Reach::All) => "every target here".to_owned(),
            Some(Reach::Some(ids)) => ids.join(", "),
            None => continue,
        };
        let who = match role.principals.len() {
            1 => "1 principal".to_owned(),
            many => format!("{many} principals"),
        };
        notes.push((&role.id, format!("the role `{}` is not ours and lets {who} open sessions on {which}", role.name)));
    }
    for (role_id, text) in notes {
        draft.note(Level::Warning, "foreign_grant", None, Some(role_id), text);
    }
}

/// Why a target is not retired on request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRetired {
    /// No target of ours has this id or task.
    #[error("no target of ours has this id, nor this task")]
    Unknown,
    /// Its task runs: the next run would restore it.
    #[error("its task runs, and the next run would open it again; stop the task, or let the rules refuse it")]
    Alive,
    /// It is out of use.
    #[error("it is out of use already")]
    Quarantined,
}

/// The plan that takes one target out of use because a person asked.
///
/// # Errors
/// [`NotRetired`].
pub fn retire_asked(snapshot: &Snapshot, rules: &Rules, now: Timestamp, wanted: &str) -> Result<Plan, NotRetired> {
    let mut draft = Draft::new(snapshot, rules, now);
    let is_it = |owned: &&holdings::Owned<'_, crate::facts::TargetFacts>| {
        owned.facts.id == wanted || owned.marker.task_arn.to_string() == wanted
    };
    let target = draft.holdings.targets.values().flatten().find(is_it).cloned().ok_or(NotRetired::Unknown)?;
    if matches!(target.marker.state, investigation::MarkerState::Quarantined(_)) {
        return Err(NotRetired::Quarantined);
    }
    if fate::of(snapshot, &target.marker.task_arn) == fate::Fate::Alive {
        return Err(NotRetired::Alive);
    }
    retire::quarantine(&mut draft, &target, Reason::Asked, false);
    let asked = Rules { policy: crate::rules::Policy::Sync, ..rules.clone() };
    draft.rules = &asked;
    Ok(draft.finish())
}
