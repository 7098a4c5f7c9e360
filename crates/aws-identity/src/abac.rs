//! Explains a refused `ecs:ExecuteCommand` where the policy compares a tag of the task with one of the caller. Owns that
//! comparison; AWS itself never tells the caller's tags.

use std::collections::BTreeMap;

use cli_kit::printable;

use crate::identity::Aws;
use crate::refusal::{Refusal, RefusalKind};
use crate::walk::sole_web_identity;

/// The call whose refusals are explained.
const EXECUTE_COMMAND: &str = "ecs:ExecuteCommand";

/// Says in one sentence how the task's tag `key` stands to the caller's, when a refused `ecs:ExecuteCommand` may hang on it.
///
/// `caller_tags` are the session's, as [`Aws::session_tags`] knows them; tags of the role itself are never known. Returns
/// nothing for another call or another class of refusal.
pub fn explain_abac(
    refusal: &Refusal,
    key: &str,
    caller_tags: Option<&BTreeMap<String, String>>,
    task_tags: &BTreeMap<String, String>,
) -> Option<String> {
    if refusal.call != EXECUTE_COMMAND || refusal.kind != RefusalKind::Denied {
        return None;
    }
    let is_cluster = refusal.resource.as_deref().is_some_and(|arn| arn.contains(":cluster/"));
    let shown = Shown { key: quoted(key), task: task_tags.get(key).map(|tag| quoted(tag)) };
    Some(match caller_tags {
        _ if is_cluster => "the refusal is for the cluster, not the task: no tag decides there, the caller's policy must allow \
             ecs:ExecuteCommand on the cluster too"
            .to_owned(),
        Some(tags) => match tags.get(key) {
            Some(tag) => shown.both(&quoted(tag), task_tags.get(key) == Some(tag)),
            None => shown.without_caller(),
        },
        None => shown.unknown_caller(refusal.principal.as_deref()),
    })
}

/// The tag as it is shown.
struct Shown {
    key: String,
    task: Option<String>,
}

impl Shown {
    fn task_says(&self) -> String {
        match &self.task {
            Some(tag) => format!("the task's tag {} is {tag}", self.key),
            None => format!("the task has no tag {}", self.key),
        }
    }

    fn both(&self, caller: &str, same: bool) -> String {
        let task_says = self.task_says();
        if same {
            return format!("{task_says} and the caller's session has the same: the refusal has another cause than this tag");
        }
        format!("{task_says}, the caller's session tag is {caller}: a policy that compares them refuses")
    }

    fn without_caller(&self) -> String {
        format!(
            "{}, the caller's session was given no such tag: unless the role itself carries it, a policy that compares them refuses",
            self.task_says()
        )
    }

    fn unknown_caller(&self, principal: Option<&str>) -> String {
        let session = principal.map_or_else(|| "the session".to_owned(), |arn| printable(arn, 300));
        format!(
            "{}, the caller's is not known, for AWS does not tell it: see principalTags in CloudTrail's event of the AssumeRole \
             call that opened {session}, or the tags of the role or user",
            self.task_says()
        )
    }
}

fn quoted(text: &str) -> String {
    format!("`{}`", printable(text, 256))
}

impl Aws {
    /// The session tags of the caller, as far as they can be known: those that [`Aws::assume_role`] passed, or those in the
    /// web identity token that alone makes us who we are. Reads profile and token files.
    pub async fn session_tags(&self) -> Option<BTreeMap<String, String>> {
        match self.assumed() {
            // Tags of the session before may have come along unseen.
            Some(assumed) => Some(assumed.tags.clone()).filter(|tags| !tags.is_empty()),
            None => Some(sole_web_identity(self.settings()).await?.principal_tags),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(call: &'static str, kind: RefusalKind, resource: &str) -> Refusal {
        Refusal {
            call,
            code: "AccessDeniedException".to_owned(),
            message: "no".to_owned(),
            request_id: None,
            http_status: Some(400),
            principal: Some("arn:aws:sts::1:assumed-role/sre-shared/bob".to_owned()),
            resource: Some(resource.to_owned()),
            missing: Some(EXECUTE_COMMAND.to_owned()),
            kind,
        }
    }

    fn on_task() -> Refusal {
        refusal(EXECUTE_COMMAND, RefusalKind::Denied, "arn:aws:ecs:us-east-2:1:task/dev/0123")
    }

    fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn said(key: &str, caller: Option<&[(&str, &str)]>, task: &[(&str, &str)]) -> String {
        explain_abac(&on_task(), key, caller.map(tags).as_ref(), &tags(task)).unwrap()
    }

    #[test]
    fn the_two_values_stand_side_by_side() {
        assert_eq!(
            said("username", Some(&[("username", "bob")]), &[("username", "alice")]),
            "the task's tag `username` is `alice`, the caller's session tag is `bob`: a policy that compares them refuses"
        );
        let same = said("username", Some(&[("username", "bob")]), &[("username", "bob")]);
        assert!(same.ends_with("has another cause than this tag"), "{same}");
    }

    #[test]
    fn the_key_is_the_sites_own() {
        let said = said("uuid", Some(&[("username", "bob")]), &[("uuid", "u-1"), ("username", "bob")]);
        assert!(said.starts_with("the task's tag `uuid` is `u-1`, the caller's session was given no such tag"), "{said}");
    }

    #[test]
    fn a_task_without_the_tag_is_told() {
        let said = said("username", Some(&[("username", "bob")]), &[("owner_username", "bob")]);
        assert!(said.starts_with("the task has no tag `username`, the caller's session tag is `bob`"), "{said}");
    }

    #[test]
    fn an_unknown_caller_is_told_where_to_look() {
        let said = said("username", None, &[("username", "alice")]);
        assert!(said.contains("is `alice`, the caller's is not known") && said.contains("principalTags"), "{said}");
        assert!(said.contains("assumed-role/sre-shared/bob"), "{said}");
    }

    #[test]
    fn on_the_cluster_no_tag_decides() {
        let cluster = refusal(EXECUTE_COMMAND, RefusalKind::Denied, "arn:aws:ecs:us-east-2:1:cluster/dev");
        let said = explain_abac(&cluster, "username", None, &tags(&[("username", "alice")])).unwrap();
        assert!(said.starts_with("the refusal is for the cluster"), "{said}");
    }

    #[test]
    fn other_refusals_are_not_explained() {
        let others = [("ecs:DescribeTasks", RefusalKind::Denied), (EXECUTE_COMMAND, RefusalKind::Throttled)];
        for (call, kind) in others {
            assert_eq!(explain_abac(&refusal(call, kind, "arn"), "username", None, &tags(&[])), None);
        }
    }

    #[test]
    fn a_tag_cannot_move_the_cursor() {
        let said = said("k\u{1b}[2J", Some(&[("k\u{1b}[2J", "\u{9b}2J")]), &[("k\u{1b}[2J", "\u{202e}")]);
        assert!(!said.chars().any(char::is_control) && !said.contains('\u{202e}'), "{said}");
    }
}
