//! Who may enter what, judged from the controller's own state.

use crate::harness::{Setting, text};
use lab::TaskView;
use serde_json::Value;

/// Each running task's owner enters its target, nobody else does, and an alias leads there; nobody enters an ended one.
pub(crate) fn at_rest(setting: &Setting, running: &[&TaskView], ended: &[&TaskView]) {
    let people = ["alice", "bob"];
    for task in running {
        let target = setting.target_of(task).unwrap_or_else(|| panic!("no target of {}", task.task_arn()));
        let id = text(&target, "id");
        for name in people {
            let may = setting.world.boundary().may_authorize(&setting.user_id(name), &id);
            assert_eq!(may, task.tags["username"] == name, "{name} at {target:#}");
        }
        assert!(setting.all("aliases").iter().any(|alias| alias["destination_id"] == id.as_str()), "no alias leads to {id}");
    }
    for task in ended {
        let Some(target) = setting.target_of(task) else { continue };
        for name in people {
            assert!(
                !setting.world.boundary().may_authorize(&setting.user_id(name), &text(&target, "id")),
                "{name} at {target:#}"
            );
        }
    }
}

/// Everything that carries no marker of ours.
pub(crate) fn strangers(setting: &Setting) -> Vec<Value> {
    let of = |collection: &str| setting.all(collection);
    let all = of("targets").into_iter().chain(of("roles")).chain(of("aliases"));
    all.filter(|object| !text(object, "description").starts_with("ecs-exec-target/1 owner=sync-a ")).collect()
}
