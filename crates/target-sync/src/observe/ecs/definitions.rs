//! The environment in task definitions, for tasks that neither tags nor overrides explain.
//!
//! Owns which definitions are asked for, and remembers them: an ARN never changes its content. Keeps only the variables that
//! tell of an investigation.

use super::Interest;
use super::calls::{Calls, Described, Seen};
use super::task;
use super::trouble::Trouble;
use aws_sdk_ecs::types::TaskDefinition;
use futures_util::{StreamExt, stream};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many definitions are remembered; each costs less than 1 KiB.
const KEPT_MAX: usize = 20_000;

/// How many definitions one scan reads; the rest waits for the next. At the 20 calls a second that ECS sustains, 100 s.
const READS_MAX: usize = 2000;

type Environment = BTreeMap<String, String>;

/// The definitions that were read, by ARN.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    environments: HashMap<String, Environment>,
    /// The ARNs, the oldest first.
    order: VecDeque<String>,
}

impl Definitions {
    /// Completes the environment of those tasks that may be investigations but do not say which.
    pub(super) async fn fill(&self, calls: &Calls<'_>, interest: &Interest, described: &mut Described) {
        let wanted: BTreeSet<String> = described.tasks.values().filter_map(|seen| asked_for(seen, interest)).collect();
        let mut unknown: Vec<String> = wanted.into_iter().filter(|arn| !self.kept().environments.contains_key(arn)).collect();
        described.trouble.extend(ration(&mut unknown));
        let reads = unknown.into_iter().map(|arn| self.read(calls, arn, &interest.container));
        let troubles = stream::iter(reads).buffer_unordered(calls.at_once()).collect::<Vec<_>>().await;
        described.trouble.extend(troubles.into_iter().flatten());
        let kept = self.kept();
        for seen in described.tasks.values_mut() {
            let Some(environment) = asked_for(seen, interest).and_then(|arn| kept.environments.get(&arn)) else { continue };
            let overrides = std::mem::replace(&mut seen.facts.labels.environment, environment.clone());
            seen.facts.labels.environment.extend(overrides);
        }
    }

    async fn read(&self, calls: &Calls<'_>, arn: String, container: &str) -> Option<Trouble> {
        match calls.definition(&arn).await {
            Ok(definition) => {
                self.kept().keep(arn, environment(&definition, container));
                None
            }
            Err(trouble) => Some(trouble),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, arn: String, environment: Environment) {
        if self.environments.insert(arn.clone(), environment).is_none() {
            self.order.push_back(arn);
        }
        if self.order.len() > KEPT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.environments.remove(&oldest);
        }
    }
}

/// Leaves as many as one scan may read, and tells of the others.
fn ration(unknown: &mut Vec<String>) -> Option<Trouble> {
    let left = unknown.len().checked_sub(READS_MAX).filter(|left| *left > 0)?;
    unknown.truncate(READS_MAX);
    Some(Trouble::DefinitionsLeft(left))
}

/// The definition that a task's environment must come from, if any.
fn asked_for(seen: &Seen, interest: &Interest) -> Option<String> {
    let facts = &seen.facts;
    let has_tags = ["cluster_id", "investigation_id"].iter().all(|key| facts.labels.tags.contains_key(*key));
    let prefix = interest.family_prefix.as_deref().unwrap_or_default();
    let may_be_ours = facts.family.as_ref().is_some_and(|family| family.starts_with(prefix));
    let is_open = !has_tags && facts.labels.key().is_none() && may_be_ours && !facts.is_dead();
    seen.definition_arn.clone().filter(|_| is_open)
}

fn environment(definition: &TaskDefinition, container: &str) -> Environment {
    let of_container = definition.container_definitions().iter().filter(|it| it.name() == Some(container));
    of_container.flat_map(|it| task::variables(it.environment())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_definition_makes_room() {
        let mut kept = Kept::default();
        for at in 0..=KEPT_MAX {
            kept.keep(at.to_string(), Environment::new());
        }
        kept.keep("1".to_owned(), Environment::new());
        assert_eq!((kept.environments.len(), kept.order.len()), (KEPT_MAX, KEPT_MAX));
        assert!(!kept.environments.contains_key("0") && kept.environments.contains_key("1"));
    }

    #[test]
    fn one_scan_reads_so_many_and_tells_of_the_rest() {
        let arns = |count: usize| (0..count).map(|at| at.to_string()).collect::<Vec<_>>();
        let (mut few, mut many) = (arns(READS_MAX), arns(READS_MAX + 3));
        assert_eq!((ration(&mut few), few.len()), (None, READS_MAX));
        assert_eq!((ration(&mut many), many.len()), (Some(Trouble::DefinitionsLeft(3)), READS_MAX));
    }
}
