//! The ECS clusters of a world with their tasks, found by id and listed by age. It owns the state; who may see it, and in which
//! form, is the API's.

use std::collections::{BTreeMap, HashMap};

use crate::tasks::{CLUSTER, TaskView};

/// Clusters and tasks.
#[derive(Debug)]
pub(crate) struct Clusters {
    /// The clusters' states by name.
    states: BTreeMap<String, String>,
    /// The tasks by their number, which grows with time.
    tasks: BTreeMap<u64, TaskView>,
    numbers: HashMap<String, u64>,
    next: u64,
    /// The page of ListTasks, counted from 0, that is refused, and with which code and status.
    pub(crate) failing_page: Option<(usize, String, u16)>,
}

impl Clusters {
    pub(crate) fn new() -> Self {
        let states = BTreeMap::from([(CLUSTER.to_owned(), "ACTIVE".to_owned())]);
        Self { states, tasks: BTreeMap::new(), numbers: HashMap::new(), next: 0, failing_page: None }
    }

    /// Makes a cluster, or gives it another state: `ACTIVE` or `INACTIVE`.
    pub(crate) fn set_state(&mut self, name: &str, state: &str) {
        self.states.insert(name.to_owned(), state.to_owned());
    }

    /// The state of a cluster, if there is or was one of this name.
    pub(crate) fn state(&self, name: &str) -> Option<&str> {
        self.states.get(name).map(String::as_str)
    }

    /// The names of the active clusters.
    pub(crate) fn active(&self) -> impl Iterator<Item = &str> {
        self.states.iter().filter(|(_, state)| *state == "ACTIVE").map(|(name, _)| name.as_str())
    }

    /// Adds a task; one of the same id is replaced.
    pub(crate) fn add(&mut self, task: TaskView) {
        let number = *self.numbers.entry(task.task_id.clone()).or_insert(self.next);
        self.next = self.next.max(number + 1);
        self.tasks.insert(number, task);
    }

    /// All tasks, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &TaskView> {
        self.tasks.values()
    }

    /// The tasks from a number on, with their numbers, the oldest first.
    pub(crate) fn from(&self, number: u64) -> impl Iterator<Item = (u64, &TaskView)> {
        self.tasks.range(number..).map(|(number, task)| (*number, task))
    }

    /// Whether a number was ever given.
    pub(crate) fn knows_number(&self, number: u64) -> bool {
        number < self.next
    }

    pub(crate) fn task(&self, task_id: &str) -> Option<&TaskView> {
        self.tasks.get(self.numbers.get(task_id)?)
    }

    pub(crate) fn task_mut(&mut self, task_id: &str) -> Option<&mut TaskView> {
        self.tasks.get_mut(self.numbers.get(task_id)?)
    }

    pub(crate) fn forget(&mut self, task_id: &str) {
        if let Some(number) = self.numbers.remove(task_id) {
            self.tasks.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::TaskSpec;

    fn task(task_id: &str) -> TaskView {
        TaskView::create(TaskSpec { task_id: Some(task_id.to_owned()), ..TaskSpec::default() }, jiff::Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn tasks_stay_in_order_and_a_forgotten_one_leaves_the_others_numbers() {
        let mut clusters = Clusters::new();
        for task_id in ["c", "a", "b"] {
            clusters.add(task(task_id));
        }
        clusters.forget("a");
        let ids: Vec<_> = clusters.from(1).map(|(number, task)| (number, task.task_id.as_str())).collect();
        assert_eq!(ids, [(2, "b")]);
        assert!(clusters.task("a").is_none() && clusters.knows_number(1) && !clusters.knows_number(3));
        clusters.add(task("c"));
        assert_eq!(clusters.iter().map(|task| task.task_id.as_str()).collect::<Vec<_>>(), ["c", "b"]);
    }
}
