//! What policies say: may the caller open a shell, can anybody go around it, and can the task's agent do its part.

use super::check::{Check, Group, Reading, Unread, Verdict};
use super::cluster::ClusterFacts;
use super::query::QueryClient;
use super::questions::{Place, caller_questions, names_alias, record_questions, role_questions};
use super::simulate::{Decision, Outcome, ask, principal_of};
use super::task::TaskFacts;
use record_delivery::Place as RecordPlace;
use std::collections::BTreeMap;

const GROUP: Group = Group::Permissions;

/// Checks by their id, with the reason why they were not asked for; without one they are not needed.
type Unasked = BTreeMap<&'static str, Option<Unread>>;

/// What is known of permissions.
#[derive(Debug)]
pub(super) struct PermissionFacts {
    /// The caller's.
    pub(super) caller: Reading<Vec<Outcome>>,
    /// The task role's; `None` when the task has none.
    pub(super) task_role: Option<Reading<Vec<Outcome>>>,
    /// The checks that were not asked for: `None` when the cluster's configuration does not need them, else why.
    pub(super) unasked: Unasked,
}

/// Asks the simulator about the caller and the task role.
pub(super) async fn gather(
    query: &QueryClient,
    caller_arn: &str,
    task: &TaskFacts,
    container: Option<&str>,
    cluster: &Reading<ClusterFacts>,
    record_places: &[RecordPlace],
) -> PermissionFacts {
    let place = Place::of(&task.view.arn, cluster);
    let mut of_caller = caller_questions(&place, task, container);
    of_caller.extend(record_questions(&place, record_places));
    let of_role = role_questions(&place, cluster.as_ref().ok());
    let caller = async { ask(query, &principal_of(query, caller_arn).await?, &of_caller).await };
    let role = async {
        match task.role() {
            Ok(Some(role)) => Some(ask(query, role, &of_role).await),
            Ok(None) => None,
            Err(unread) => Some(Err(unread)),
        }
    };
    let (caller, task_role) = tokio::join!(caller, role);
    let mut unasked = unasked(cluster);
    let wanted = |id: &str| of_caller.iter().any(|question| question.id == id);
    unasked.extend(RECORD.iter().filter(|rule| !wanted(rule.id)).map(|rule| (rule.id, None)));
    PermissionFacts { caller, task_role, unasked }
}

/// What the cluster's configuration does not need, or does not let us ask.
fn unasked(cluster: &Reading<ClusterFacts>) -> Unasked {
    let (keys, logs, bucket) = (["data-key", "task-role-key"], "task-role-logs", "task-role-bucket");
    let facts = match cluster {
        Ok(facts) => facts,
        Err(unread) => return keys.into_iter().chain([logs, bucket]).map(|id| (id, Some(unread.clone()))).collect(),
    };
    let mut unasked = Unasked::new();
    match facts.kms_key.as_deref() {
        None => unasked.extend(keys.map(|id| (id, None))),
        Some(key) if names_alias(key) => unasked.extend(keys.map(|id| (id, Some(hidden_by_alias(key))))),
        Some(_) => {}
    }
    unasked.extend(facts.log_group.is_none().then_some((logs, None)));
    unasked.extend(facts.bucket.is_none().then_some((bucket, None)));
    unasked
}

fn hidden_by_alias(key: &str) -> Unread {
    Unread::new(
        format!("the cluster names its key by the alias {key}, and policies name keys"),
        "look at the policies in the console, or name the key by its ARN in executeCommandConfiguration",
    )
}

/// How a check reads its outcomes.
struct Rule {
    id: &'static str,
    /// What is allowed, as the end of "… may".
    may: &'static str,
    /// What follows when it is not.
    otherwise: Verdict,
    /// A policy of the key or bucket may allow it as well: then only a deny is certain.
    shared: bool,
    remedy: &'static str,
}

const CALLER: [Rule; 5] = [
    Rule {
        id: "execute-command",
        may: "you may call ecs:ExecuteCommand on the cluster and the task",
        otherwise: Verdict::Failed,
        shared: false,
        remedy: "ask for ecs:ExecuteCommand on both; compare the task's tags with the policy's conditions",
    },
    Rule {
        id: "open-data-channel",
        may: "you may call ssmmessages:OpenDataChannel",
        otherwise: Verdict::Failed,
        shared: false,
        remedy: "ask for ssmmessages:OpenDataChannel on arn:aws:ssm:*:*:session/ecs-execute-command-*",
    },
    Rule {
        id: "data-key",
        may: "you may call kms:GenerateDataKey on the cluster's key",
        otherwise: Verdict::Failed,
        shared: true,
        remedy: "ask for kms:GenerateDataKey on the key, in your policy or the key's",
    },
    Rule {
        id: "resume-session",
        may: "you may call ssm:ResumeSession",
        otherwise: Verdict::Warning,
        shared: false,
        remedy: "ask for ssm:ResumeSession on session/ecs-execute-command-*; without it a session ends with any lost connection",
    },
    Rule {
        id: "terminate-session",
        may: "you may call ssm:TerminateSession",
        otherwise: Verdict::Warning,
        shared: false,
        remedy: "ask for ssm:TerminateSession on session/ecs-execute-command-*; without it a program may be left running",
    },
];

/// The caller's too, asked for only where the record goes to such a place.
const RECORD: [Rule; 2] = [
    Rule {
        id: "record-log-group",
        may: "you may write the session record to its log group",
        otherwise: Verdict::Failed,
        shared: false,
        remedy: "ask for logs:CreateLogStream and logs:PutLogEvents on the log group",
    },
    Rule {
        id: "record-bucket",
        may: "you may put the session record into its bucket",
        otherwise: Verdict::Failed,
        shared: true,
        remedy: "ask for s3:PutObject on the bucket's prefix, in your policy or the bucket's",
    },
];

const TASK_ROLE: [Rule; 4] = [
    Rule {
        id: "task-role-channel",
        may: "the task role may open its side of the data channel (four ssmmessages permissions)",
        otherwise: Verdict::Failed,
        shared: false,
        remedy: "give the task role ssmmessages:CreateControlChannel, CreateDataChannel, OpenControlChannel and OpenDataChannel",
    },
    Rule {
        id: "task-role-key",
        may: "the task role may call kms:Decrypt on the cluster's key",
        otherwise: Verdict::Failed,
        shared: true,
        remedy: "give the task role kms:Decrypt on the key, in its policy or the key's",
    },
    Rule {
        id: "task-role-logs",
        may: "the task role may write session logs to the log group",
        otherwise: Verdict::Warning,
        shared: false,
        remedy: "give the task role logs:DescribeLogGroups, CreateLogStream, DescribeLogStreams and PutLogEvents",
    },
    Rule {
        id: "task-role-bucket",
        may: "the task role may write session logs to the bucket",
        otherwise: Verdict::Warning,
        shared: true,
        remedy: "give the task role s3:PutObject and s3:GetEncryptionConfiguration",
    },
];

/// Judges. Where nothing could be asked, the caller's permissions are unknown.
pub(super) fn checks(facts: &Reading<PermissionFacts>) -> Vec<Check> {
    let facts = match facts {
        Ok(facts) => facts,
        Err(unread) => {
            let ids = CALLER.iter().map(|rule| rule.id).chain(["start-session"]);
            return ids.map(|id| GROUP.unknown(id, unread)).collect();
        }
    };
    let mut checks: Vec<Check> =
        CALLER.iter().chain(&RECORD).filter_map(|rule| judge(rule, &facts.caller, &facts.unasked)).collect();
    checks.push(start_session(&facts.caller));
    if let Some(task_role) = &facts.task_role {
        checks.extend(TASK_ROLE.iter().filter_map(|rule| judge(rule, task_role, &facts.unasked)));
    }
    checks
}

fn judge(rule: &Rule, reading: &Reading<Vec<Outcome>>, unasked: &Unasked) -> Option<Check> {
    if let Some(why) = unasked.get(rule.id) {
        return why.as_ref().map(|unread| GROUP.unknown(rule.id, unread));
    }
    let outcomes = match reading {
        Ok(outcomes) => outcomes.iter().filter(|outcome| outcome.id == rule.id).collect::<Vec<_>>(),
        Err(unread) => return Some(GROUP.unknown(rule.id, unread)),
    };
    if outcomes.is_empty() {
        return Some(GROUP.unknown(rule.id, &Unread::new("IAM was not asked", "look at the policies in the console")));
    }
    let refused: Vec<&&Outcome> = outcomes.iter().filter(|outcome| outcome.decision != Decision::Allowed).collect();
    let listed = |outcomes: &[&&Outcome]| {
        outcomes.iter().map(|outcome| format!("{} on {}", outcome.action, outcome.resource)).collect::<Vec<_>>().join(", ")
    };
    let certain: Vec<&&Outcome> =
        refused.iter().copied().filter(|outcome| outcome.decision == Decision::Denied || outcome.missing.is_empty()).collect();
    if let Some(first) = certain.first() {
        let is_denied = certain.iter().any(|outcome| outcome.decision == Decision::Denied);
        let verdict = if rule.shared && !is_denied { Verdict::Warning } else { rule.otherwise };
        let how = if first.decision == Decision::Denied { "a policy denies" } else { "no policy allows" };
        return Some(Check::new(GROUP, rule.id, verdict, format!("{how} {}", listed(&certain)), rule.remedy));
    }
    let mut missing: Vec<&str> = outcomes.iter().flat_map(|outcome| &outcome.missing).map(String::as_str).collect();
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        return Some(GROUP.ok(rule.id, format!("{}, says IAM's simulator", rule.may)));
    }
    let why = format!("whether {} hangs on {}, which the simulator does not have", rule.may, missing.join(", "));
    Some(GROUP.unknown(rule.id, &Unread::new(why, "compare your session's tags and address with the policy's conditions")))
}

/// StartSession on the task is a shell that neither Boundary nor ECS's log sees.
fn start_session(reading: &Reading<Vec<Outcome>>) -> Check {
    let id = "start-session";
    let outcomes = match reading {
        Ok(outcomes) => outcomes,
        Err(unread) => return GROUP.unknown(id, unread),
    };
    let of = |part: &'static str| outcomes.iter().filter(move |outcome| outcome.id == part);
    let allowed = |part| of(part).any(|outcome| outcome.decision == Decision::Allowed);
    let shell = allowed("start-unchecked") || allowed("start-checked") && allowed("start-shell");
    if shell {
        return GROUP.warning(
            id,
            "open: you may call ssm:StartSession on the task, a way around Boundary and around the log of ECS Exec",
            "deny ssm:StartSession on arn:aws:ecs:*:*:task/*, or permit only the port-forwarding documents",
        );
    }
    let open_conditions: Vec<&Outcome> =
        ["start-checked", "start-unchecked"].into_iter().flat_map(of).filter(|outcome| !outcome.missing.is_empty()).collect();
    if let Some(outcome) = open_conditions.iter().find(|outcome| outcome.decision == Decision::NotAllowed) {
        let why = format!("ssm:StartSession depends on conditions on {}", outcome.missing.join(", "));
        return GROUP.unknown(id, &Unread::new(why, "deny ssm:StartSession on arn:aws:ecs:*:*:task/*"));
    }
    if allowed("start-checked") && allowed("start-ports") {
        return GROUP.ok(id, "ports only: you may call ssm:StartSession on the task only with the port-forwarding documents");
    }
    GROUP.ok(id, "denied: you may not call ssm:StartSession on the task, which would go around Boundary and the log")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(id: &'static str, decision: Decision, missing: &[&str]) -> Outcome {
        Outcome {
            id,
            action: "a:B".to_owned(),
            resource: "*".to_owned(),
            decision,
            missing: missing.iter().map(|key| (*key).to_owned()).collect(),
        }
    }

    fn verdict(rule: &Rule, outcomes: Vec<Outcome>) -> Option<Verdict> {
        judge(rule, &Ok(outcomes), &Unasked::new()).map(|check| check.verdict)
    }

    #[test]
    fn one_refusal_among_many_counts() {
        let [execute, ..] = &CALLER;
        let id = execute.id;
        let (yes, no) = (outcome(id, Decision::Allowed, &[]), outcome(id, Decision::NotAllowed, &[]));
        assert_eq!(verdict(execute, vec![yes.clone(), yes.clone()]), Some(Verdict::Ok));
        assert_eq!(verdict(execute, vec![yes.clone(), no]), Some(Verdict::Failed));
        assert_eq!(verdict(execute, vec![yes, outcome(id, Decision::Denied, &["k"])]), Some(Verdict::Failed));
    }

    #[test]
    fn a_condition_that_nobody_knows_is_unknown_either_way() {
        let [execute, ..] = &CALLER;
        for decision in [Decision::Allowed, Decision::NotAllowed] {
            let outcomes = vec![outcome(execute.id, decision, &["aws:PrincipalTag/username"])];
            assert_eq!(verdict(execute, outcomes), Some(Verdict::Unknown), "{decision:?}");
        }
    }

    #[test]
    fn a_key_may_be_opened_by_its_own_policy() {
        let key = CALLER.iter().find(|rule| rule.id == "data-key").unwrap();
        assert_eq!(verdict(key, vec![outcome(key.id, Decision::NotAllowed, &[])]), Some(Verdict::Warning));
        assert_eq!(verdict(key, vec![outcome(key.id, Decision::Denied, &[])]), Some(Verdict::Failed));
    }

    #[test]
    fn what_the_cluster_does_not_need_is_left_out_and_what_it_hides_is_unknown() {
        let verdicts = |cluster: &Reading<ClusterFacts>| {
            let (none, unasked) = (Err(Unread::new("denied", "ask")), unasked(cluster));
            let judged = CALLER.iter().chain(&TASK_ROLE).filter_map(|rule| judge(rule, &none, &unasked));
            judged.map(|check| format!("{} {}", check.id, check.remedy.split(' ').next().unwrap_or_default())).collect::<Vec<_>>()
        };
        let plain = verdicts(&Ok(ClusterFacts::default()));
        assert!(!plain.iter().any(|line| line.contains("key") || line.contains("logs") || line.contains("bucket")), "{plain:?}");
        let alias = verdicts(&Ok(ClusterFacts { kms_key: Some("alias/a".to_owned()), ..ClusterFacts::default() }));
        assert!(alias.contains(&"data-key look".to_owned()) && alias.contains(&"task-role-key look".to_owned()), "{alias:?}");
        assert_eq!(verdicts(&Err(Unread::new("denied", "wait"))).iter().filter(|line| line.ends_with("wait")).count(), 4);
    }

    #[test]
    fn start_session_is_denied_for_ports_only_or_open() {
        let with = |checked, unchecked, shell, ports| {
            let word = |yes| if yes { Decision::Allowed } else { Decision::NotAllowed };
            let outcomes = vec![
                outcome("start-checked", word(checked), &[]),
                outcome("start-unchecked", word(unchecked), &[]),
                outcome("start-shell", word(shell), &[]),
                outcome("start-ports", word(ports), &[]),
            ];
            let check = start_session(&Ok(outcomes));
            (check.verdict, check.what.split(':').next().unwrap_or_default().to_owned())
        };
        assert_eq!(with(false, false, true, true), (Verdict::Ok, "denied".to_owned()));
        assert_eq!(with(true, false, false, true), (Verdict::Ok, "ports only".to_owned()));
        assert_eq!(with(true, false, true, true), (Verdict::Warning, "open".to_owned()));
        // Without the check of documents the default one, a shell, is nobody's business.
        assert_eq!(with(true, true, false, true), (Verdict::Warning, "open".to_owned()));
        let conditional = vec![outcome("start-checked", Decision::NotAllowed, &["aws:PrincipalTag/username"])];
        assert_eq!(start_session(&Ok(conditional)).verdict, Verdict::Unknown);
    }
}
