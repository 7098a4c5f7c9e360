//! Which step is next: the order among steps that rest on one another.
//!
//! Owns who waits for whom. Each step is looked at once for every step that it rests on, however many others wait. Sends nothing.

use super::{Report, StepResult};
use crate::plan::Step;
use std::collections::{BTreeMap, BTreeSet};

/// Steps that wait, and those that can be done now.
#[derive(Debug, Default)]
pub(super) struct Queue<'p> {
    /// By number, with how many of those it rests on are not done.
    waiting: BTreeMap<usize, (&'p Step, usize)>,
    /// Who rests on a step.
    followers: BTreeMap<usize, Vec<usize>>,
    ready: BTreeSet<usize>,
}

impl<'p> Queue<'p> {
    /// Queues steps. One that rests on a step which is not among them waits for ever.
    pub(super) fn of(steps: impl Iterator<Item = &'p Step>) -> Self {
        let mut queue = Self::default();
        for step in steps {
            let after: BTreeSet<usize> = step.after.iter().copied().collect();
            if after.is_empty() {
                queue.ready.insert(step.number);
            }
            queue.waiting.insert(step.number, (step, after.len()));
            for number in after {
                queue.followers.entry(number).or_default().push(step.number);
            }
        }
        queue
    }

    /// Takes the first steps that rest on nothing which is not done, `room` of them at most.
    pub(super) fn take(&mut self, room: usize) -> Vec<&'p Step> {
        let numbers = (0..room).map_while(|_| self.ready.pop_first()).collect::<Vec<_>>();
        numbers.iter().filter_map(|number| self.waiting.remove(number)).map(|(step, _)| step).collect()
    }

    /// Takes note that a step was done.
    pub(super) fn done(&mut self, number: usize) {
        for follower in self.followers.remove(&number).unwrap_or_default() {
            let Some((_, left)) = self.waiting.get_mut(&follower) else { continue };
            *left -= 1;
            if *left == 0 {
                self.ready.insert(follower);
            }
        }
    }

    /// Takes note that a step was not done: whatever rests on it is skipped.
    pub(super) fn not_done(&mut self, number: usize, report: &mut Report) {
        let mut broken = vec![number];
        while let Some(number) = broken.pop() {
            for follower in self.followers.remove(&number).unwrap_or_default() {
                if self.waiting.remove(&follower).is_some() {
                    report.results.insert(follower, StepResult::Skipped);
                    broken.push(follower);
                }
            }
        }
    }

    /// Skips whatever is left.
    pub(super) fn skip_the_rest(self, report: &mut Report) {
        report.results.extend(self.waiting.into_keys().map(|number| (number, StepResult::Skipped)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Kind;
    use crate::plan::{Action, Operation, Reason};

    fn step(number: usize, after: &[usize]) -> Step {
        Step {
            number,
            action: Action::Create,
            kind: Kind::Role,
            name: String::new(),
            id: None,
            task_arn: String::new(),
            reason: Reason::NewTask,
            changes: Vec::new(),
            not_before: None,
            after: after.to_vec(),
            operation: Operation::CreateRole { name: String::new(), description: String::new() },
        }
    }

    fn numbers(steps: Vec<&Step>) -> Vec<usize> {
        steps.into_iter().map(|step| step.number).collect()
    }

    #[test]
    fn a_step_waits_for_all_that_it_rests_on_and_the_first_comes_first() {
        let steps = [step(1, &[]), step(2, &[1, 3, 1]), step(3, &[]), step(4, &[])];
        let mut queue = Queue::of(steps.iter());
        assert_eq!(numbers(queue.take(2)), [1, 3]);
        queue.done(1);
        assert_eq!(numbers(queue.take(0)), [0; 0]);
        queue.done(3);
        assert_eq!(numbers(queue.take(9)), [2, 4]);
    }

    #[test]
    fn what_rests_on_a_failure_is_skipped_to_the_last() {
        let steps = [step(1, &[]), step(2, &[1]), step(3, &[2, 4]), step(4, &[]), step(5, &[99])];
        let (mut queue, mut report) = (Queue::of(steps.iter()), Report::default());
        assert_eq!(numbers(queue.take(9)), [1, 4]);
        queue.not_done(1, &mut report);
        queue.done(4);
        assert_eq!((numbers(queue.take(9)), report.results.keys().copied().collect::<Vec<_>>()), (vec![], vec![2, 3]));
        queue.skip_the_rest(&mut report);
        assert!(report.results.values().all(|result| *result == StepResult::Skipped) && report.results.len() == 3);
    }
}
