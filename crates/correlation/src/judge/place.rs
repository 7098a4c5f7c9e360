//! Places, not cases: what could not be read, chains that do not hold, settings that evidence rests on.

use super::raise::{Raised, Raiser};
use super::{Context, bypass::shown};
use crate::finding::{Code, Finding, State, Subject};
use audit_facts::{Body, Coverage, Fact, Grade, Lack, Posture, PostureItem, Source};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Judges windows, chains and settings.
pub fn judge_places(facts: &[Fact], coverage: &[Coverage], context: &Context<'_>) -> Vec<Finding> {
    let mut raiser = Raiser::default();
    for window in coverage {
        not_read(window, context, &mut raiser);
    }
    let mut latest: BTreeMap<(&str, &str), (&Posture, &Fact)> = BTreeMap::new();
    for fact in facts {
        match &fact.body {
            Body::ChainBreak(it) => {
                let subject = Subject::Object(format!("{}:{}", it.journal, it.line));
                let text = format!("{} line {}: {}", shown(&it.journal), it.line, shown(&it.what));
                raiser.raise(Raised::new(Code::RecordChainBroken, subject, State::Confirmed, text).evidence([fact.id()]));
            }
            Body::Posture(it) => {
                let kept = latest.entry((&it.subject, it.item.kind())).or_insert((it, fact));
                // Whoever else looks at it has the word over who does no longer.
                let rank = |it: &Posture, fact: &Fact| (it.at, !matches!(it.item, PostureItem::Unwatched { .. }), fact.id());
                if rank(it, fact) > rank(kept.0, kept.1) {
                    *kept = (it, fact);
                }
            }
            _ => {}
        }
    }
    for (posture, fact) in latest.into_values() {
        setting(posture, fact, context, &mut raiser);
    }
    raiser.finish(&[])
}

/// A window that was not read, with the code that says why.
fn not_read(window: &Coverage, context: &Context<'_>, raiser: &mut Raiser) {
    let Some(lack) = window.lack.as_ref().filter(|_| window.grade == Grade::None) else { return };
    let (code, text) = match (window.source, lack) {
        (_, Lack::CannotRead { text }) => (Code::CannotRead, shown(text)),
        (Source::CloudTrail, Lack::Missed) => (Code::CloudTrailGap, "CloudTrail was not read".to_owned()),
        (Source::CloudTrail, Lack::Broken { text }) => (Code::CloudTrailGap, shown(text)),
        (Source::BoundaryApi, Lack::Missed) => {
            if context.coverage.grade(Source::BoundaryEvents, None, window.from, last_of(window)) > Grade::None {
                return;
            }
            (Code::BoundaryHarvestGap, "Boundary's sessions were not read in time".to_owned())
        }
        (source, Lack::Missed) => (Code::CannotRead, format!("{source} was not read in time")),
        (source, Lack::Broken { text }) => (Code::CannotRead, format!("{source}: {}", shown(text))),
    };
    let subject = Subject::Window(format!("{}|{}|{}", window.source, window.place, window.from));
    let text = format!("{} from {} to {}: {text}", shown(&window.place), window.from, window.to);
    raiser.raise(Raised::new(code, subject, State::Confirmed, text).at(Some(window.from)));
}

/// The last instant of a window, whose end is not in it.
fn last_of(window: &Coverage) -> Timestamp {
    (window.to - SignedDuration::from_micros(1)).max(window.from)
}

fn setting(posture: &Posture, fact: &Fact, context: &Context<'_>, raiser: &mut Raiser) {
    let policy = context.policy;
    let mut raise = |code: Code, text: String| {
        let subject = Subject::Setting(posture.subject.clone());
        let text = format!("{}: {text}", shown(&posture.subject));
        raiser.raise(Raised::new(code, subject, State::Confirmed, text).at(Some(posture.at)).evidence([fact.id()]));
    };
    match &posture.item {
        PostureItem::ExecLogging { logging, .. } if logging.as_deref() == Some("NONE") => {
            raise(Code::LoggingDisabled, "ECS Exec is not logged".to_owned());
        }
        PostureItem::ExecLogging { .. } => {}
        PostureItem::LogGroup { retention_days, kms } => {
            if let Some(days) = retention_days.filter(|days| *days < policy.log_retention_days) {
                raise(Code::LogRetentionShort, format!("keeps {days} days, the policy says {}", policy.log_retention_days));
            }
            if !kms {
                raise(Code::EncryptionOff, "is not encrypted with a KMS key".to_owned());
            }
        }
        PostureItem::Bucket { versioned, lock_mode, lock_days, encrypted } => {
            let locked =
                lock_mode.as_deref() == Some("COMPLIANCE") && lock_days.unwrap_or_default() >= policy.artifact_retention_days;
            if !locked || !versioned {
                let days = lock_days.map_or_else(|| "no".to_owned(), |days| days.to_string());
                let mode = lock_mode.as_deref().unwrap_or("no mode");
                raise(Code::ObjectLockMissing, format!("Object Lock with {}, {days} days", shown(mode)));
            }
            if !encrypted {
                raise(Code::EncryptionOff, "does not encrypt by default".to_owned());
            }
        }
        PostureItem::Trail { name, logging, validated } => match name {
            None => raise(Code::NoTrail, "no trail".to_owned()),
            Some(_) if !logging => raise(Code::NoTrail, "the trail is not logging".to_owned()),
            Some(_) if !validated => raise(Code::NoTrail, "the trail writes no digests".to_owned()),
            Some(_) => {}
        },
        PostureItem::UnloggedStart { allowed: false, .. } | PostureItem::Unwatched { .. } => {}
        PostureItem::UnloggedStart { shown_by, allowed: true } => {
            raise(Code::PostureUnloggedStart, format!("may start sessions past ECS Exec ({})", shown(shown_by)));
        }
        PostureItem::ForeignGrant { grant, principals } => {
            if !grant.is_empty() && !policy.allowed_roles.contains(&posture.subject) {
                raise(Code::ForeignBroadGrant, format!("`{}` for {} principals", shown(grant), principals.len()));
            }
        }
    }
}
