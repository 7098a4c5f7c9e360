//! Scans: dialects, pages, partial answers, and what counts as a positive one.

use crate::support::{AT, ECS_CLUSTER, add, arns, bare, calls, eye, granted, scan, scan_also, seen, source, texts, world};
use investigation::TaskArn;
use lab::{Profile, TaskSpec};
use std::collections::BTreeSet;
use std::time::Duration;
use target_sync::observe::ecs::{SOURCES_AT_ONCE, Source, scan_all};

const CLUSTER_ARN: &str = "arn:aws:ecs:us-east-2:123456789012:cluster/rosa-boundary-dev";

/// A task of this cluster that ECS does not know.
const FORGOTTEN: &str = "arn:aws:ecs:us-east-2:123456789012:task/rosa-boundary-dev/00000000000000000000000000000001";

fn reading_definitions() -> Source {
    Source { task_definitions: true, ..source() }
}

#[tokio::test]
async fn each_dialect_is_seen_as_it_is_written() {
    let world = granted().await;
    let e0 = world.add_task(TaskSpec {
        definition_environment: texts(&[("CLUSTER_ID", "c0"), ("INCIDENT_NUMBER", "7"), ("DB_PASSWORD", "secret")]),
        ..bare("e0")
    });
    let e1 = world.add_task(TaskSpec {
        definition_environment: texts(&[("CLUSTER_ID", "c1"), ("INVESTIGATION_ID", "INV-8")]),
        ..bare("e1")
    });
    let e2 = world.add_task(TaskSpec {
        tags: texts(&[("owner_sub", "s2"), ("owner_username", "bob"), ("investigation_id", "i2"), ("cluster_id", "c2")]),
        override_environment: texts(&[("CLUSTER_ID", "c2"), ("INVESTIGATION_ID", "i2")]),
        ..bare("e2")
    });
    let e3 = world.add_task(TaskSpec { investigation_id: "i3".to_owned(), ..TaskSpec::default() });
    let e4c = world.add_task(TaskSpec {
        tags: texts(&[("oidc_sub", "s4"), ("uuid", "u-4"), ("investigation_id", "i4"), ("cluster_id", "c4")]),
        ..bare("e4c")
    });
    let scan = eye(&world, reading_definitions()).await.scan(&BTreeSet::new(), AT).await;
    assert_eq!(scan.failure, None);
    let told = |task| {
        let facts = seen(&scan, task);
        let key = facts.labels.key().map(|key| format!("{}/{}", key.cluster_id, key.investigation_id));
        let text = |value: Option<&str>| value.unwrap_or("-").to_owned();
        let (subject, name) = (text(facts.labels.owner_subject()), text(facts.labels.owner_name_by("uuid")));
        format!("{} {} {subject} {name}", text(key.as_deref()), text(facts.labels.dialect()))
    };
    assert_eq!(told(&e0), "c0/7 older environment (INCIDENT_NUMBER) - -");
    assert_eq!(told(&e1), "c1/INV-8 environment - -");
    assert_eq!(told(&e2), "c2/i2 older tags (owner_sub) s2 bob");
    assert_eq!(told(&e3), "rosa-prod-01/i3 tags f:4c9b1c1e:alice alice");
    assert_eq!(told(&e4c), "c4/i4 tags s4 u-4");
    assert!(!format!("{scan:?}").contains("secret"), "a variable that tells of no investigation stays with ECS");
    assert_eq!(calls(&world, "ecs:DescribeTaskDefinition"), 2, "tags and overrides explain the others");
}

#[tokio::test]
async fn a_task_is_told_with_all_that_desire_needs() {
    let world = granted().await;
    let task = world.add_task(TaskSpec::default());
    let scan = scan(&world).await;
    let facts = seen(&scan, &task);
    assert_eq!(facts.started_by.as_deref(), Some(task.started_by.as_str()));
    assert_eq!(facts.created_at.unwrap().as_second(), task.created_at);
    assert_eq!(facts.family.as_deref(), task.task_definition.rsplit_once(':').map(|(family, _)| family));
    assert_eq!((facts.last_status.as_str(), facts.exec_enabled), ("RUNNING", true));
    assert_eq!(facts.containers, ["rosa-boundary", "kube-proxy"]);
    assert_eq!(facts.labels.tags, task.tags);
    assert_eq!((scan.at, scan.place.account.as_str(), scan.place.partition.as_str()), (AT, "123456789012", "aws"));
    assert!(scan.place.holds(&facts.arn) && scan.cluster_is_active);
}

#[tokio::test]
async fn definitions_are_read_once_and_only_where_they_may_tell() {
    let world = granted().await;
    let environment = texts(&[("CLUSTER_ID", "of-definition"), ("INVESTIGATION_ID", "of-definition")]);
    let ours = world.add_task(TaskSpec {
        definition_environment: environment.clone(),
        override_environment: texts(&[("CLUSTER_ID", "of-override")]),
        ..bare("x")
    });
    let of_others = TaskSpec { definition_environment: environment, task_definition: Some("web:3".to_owned()), ..bare("y") };
    let foreign = world.add_task(of_others);
    world.add_task(TaskSpec::default());
    let unread = scan(&world).await;
    assert_eq!(seen(&unread, &ours).labels.key(), None);
    assert_eq!(calls(&world, "ecs:DescribeTaskDefinition"), 0, "the source did not ask for them");
    let eye = eye(&world, reading_definitions()).await;
    for _ in 0..2 {
        let scan = eye.scan(&BTreeSet::new(), AT).await;
        let key = seen(&scan, &ours).labels.key().unwrap();
        assert_eq!((key.cluster_id.as_str(), key.investigation_id.as_str()), ("of-override", "of-definition"));
        assert_eq!(seen(&scan, &foreign).labels.key(), None);
    }
    assert_eq!(calls(&world, "ecs:DescribeTaskDefinition"), 1);
}

#[tokio::test]
async fn a_definition_that_may_not_be_read_leaves_its_task_seen() {
    let world = granted().await;
    world.deny(&["ecs:DescribeTaskDefinition"]);
    let task = world.add_task(bare("x"));
    let scan = eye(&world, reading_definitions()).await.scan(&BTreeSet::new(), AT).await;
    assert_eq!(seen(&scan, &task).labels.key(), None);
    let failure = scan.failure.unwrap();
    assert!(failure.contains("the permission ecs:DescribeTaskDefinition is missing"), "{failure}");
}

#[tokio::test]
async fn all_pages_are_read() {
    let world = granted().await;
    let tasks = add(&world, 250);
    let scan = scan(&world).await;
    assert_eq!((scan.tasks.len(), scan.failure.as_deref()), (250, None));
    assert!(tasks.iter().all(|task| seen(&scan, task).labels.tags == task.tags));
    assert_eq!((calls(&world, "ecs:ListTasks"), calls(&world, "ecs:DescribeTasks")), (3, 3));
}

#[tokio::test]
async fn a_thousand_tasks_cost_ten_lists_ten_descriptions_and_one_cluster() {
    let world = granted().await;
    add(&world, 1000);
    let scan = scan(&world).await;
    assert_eq!((scan.tasks.len(), scan.failure.as_deref()), (1000, None));
    let made = ["ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeClusters", "ecs:DescribeTaskDefinition"];
    assert_eq!(made.map(|action| calls(&world, action)), [10, 10, 1, 0]);
}

#[tokio::test]
async fn a_failed_page_keeps_what_was_seen_before_it() {
    let world = granted().await;
    add(&world, 250);
    world.fail_list_page(Some((1, "ClientException", 400)));
    let eye = eye(&world, source()).await;
    let scan = eye.scan(&arns(&[FORGOTTEN]), AT).await;
    assert_eq!((scan.tasks.len(), scan.missing.len(), scan.cluster_is_active), (100, 1, true));
    let failure = scan.failure.unwrap();
    assert!(failure.starts_with("failed to call ecs:ListTasks as arn:aws:sts::123456789012:assumed-role/"), "{failure}");
    assert!(failure.contains(CLUSTER_ARN) && failure.contains("ClientException"), "{failure}");
    world.fail_list_page(None);
    let whole = eye.scan(&BTreeSet::new(), AT).await;
    assert_eq!((whole.tasks.len(), whole.failure), (250, None));
}

#[tokio::test]
async fn a_task_that_is_not_listed_is_asked_for() {
    let world = granted().await;
    let tasks = add(&world, 3);
    world.set_task(&tasks[0].task_id, |task| task.is_listed = false);
    world.stop_task(&tasks[1].task_id, "over");
    world.forget_task(&tasks[2].task_id);
    let unasked = scan(&world).await;
    assert!(unasked.tasks.is_empty() && unasked.missing.is_empty() && unasked.failure.is_none(), "{unasked:?}");
    let names: Vec<String> = tasks.iter().map(lab::TaskView::task_arn).collect();
    let scan = scan_also(&world, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(scan.failure, None, "MISSING is an answer");
    assert!(!seen(&scan, &tasks[0]).is_dead() && seen(&scan, &tasks[1]).is_dead());
    assert_eq!(scan.missing, arns(&[&names[2]]));
}

#[tokio::test]
async fn tasks_of_other_places_and_impossible_names_are_not_asked_for() {
    let world = granted().await;
    let others = [
        "arn:aws:ecs:us-east-2:123456789012:task/other/00000000000000000000000000000001",
        "arn:aws:ecs:us-east-2:210987654321:task/rosa-boundary-dev/00000000000000000000000000000001",
        "arn:aws:ecs:eu-west-1:123456789012:task/rosa-boundary-dev/00000000000000000000000000000001",
        "arn:aws:ecs:us-east-2:123456789012:task/00000000000000000000000000000001",
        "arn:aws:ecs:us-east-2:123456789012:task/rosa-boundary-dev/no-task-id",
    ];
    let scan = scan_also(&world, &others).await;
    assert!(scan.missing.is_empty() && scan.failure.is_none(), "{scan:?}");
    assert_eq!(calls(&world, "ecs:DescribeTasks"), 0);
}

#[tokio::test]
async fn a_batch_that_ecs_takes_for_malformed_is_halved() {
    let world = granted().await;
    add(&world, 100);
    world.faults().api_error("ecs:DescribeTasks", "InvalidParameterException", 400, 2);
    let scan = scan(&world).await;
    assert_eq!((scan.tasks.len(), scan.failure.as_deref()), (100, None));
    assert_eq!(calls(&world, "ecs:DescribeTasks"), 5, "100, 50, then 25 and 25, and the other 50");
}

#[tokio::test]
async fn a_refused_batch_costs_only_its_own_tasks() {
    let world = granted().await;
    add(&world, 200);
    world.faults().api_error("ecs:DescribeTasks", "ClientException", 400, 1);
    let scan = scan(&world).await;
    assert_eq!(scan.tasks.len(), 100);
    assert!(scan.failure.is_some_and(|failure| failure.contains("ecs:DescribeTasks")) && scan.missing.is_empty());
}

#[tokio::test]
async fn a_denial_names_call_caller_task_and_permission_and_nothing_is_missing() {
    let world = granted().await;
    add(&world, 1);
    world.deny(&["ecs:DescribeTasks"]);
    let scan = scan_also(&world, &[FORGOTTEN]).await;
    assert!(scan.tasks.is_empty() && scan.missing.is_empty());
    let failure = scan.failure.unwrap();
    let expected = format!("failed to call ecs:DescribeTasks as {} on arn:aws:ecs:", world.caller_arn());
    assert!(failure.starts_with(&expected) && failure.contains(": the permission ecs:DescribeTasks is missing: "), "{failure}");
}

#[tokio::test]
async fn a_list_that_is_denied_does_not_hide_tasks_that_are_asked_for() {
    let world = granted().await;
    let task = world.add_task(TaskSpec::default());
    world.deny(&["ecs:ListTasks"]);
    let scan = scan_also(&world, &[&task.task_arn()]).await;
    assert_eq!(seen(&scan, &task).last_status, "RUNNING");
    assert!(scan.failure.is_some_and(|failure| failure.contains("the permission ecs:ListTasks is missing")));
}

#[tokio::test]
async fn where_describe_clusters_is_denied_the_other_answers_show_that_the_cluster_is_active() {
    let world = world(Profile::Rosa).await;
    let scan = scan(&world).await;
    assert_eq!((scan.cluster_is_active, scan.failure.as_deref()), (true, None));
    world.deny(&["ecs:ListTasks"]);
    let eye = eye(&world, source()).await;
    assert!(!eye.scan(&BTreeSet::new(), AT).await.cluster_is_active, "nothing was answered");
    let asked = eye.scan(&arns(&[FORGOTTEN]), AT).await;
    assert!(asked.cluster_is_active && asked.missing.len() == 1, "DescribeTasks answered");
}

#[tokio::test]
async fn a_cluster_that_is_gone_is_not_active() {
    for profile in [Profile::Granted, Profile::Rosa] {
        let world = world(profile).await;
        world.set_cluster("old", "INACTIVE");
        for ecs_cluster in ["old", "never"] {
            let eye = eye(&world, Source::new("prod", "us-east-2", ecs_cluster)).await;
            let scan = eye.scan(&BTreeSet::new(), AT).await;
            assert!(!scan.cluster_is_active, "{ecs_cluster} for {profile:?}");
            assert!(scan.failure.is_some_and(|failure| failure.contains("ClusterNotFoundException")));
        }
    }
}

#[tokio::test]
async fn a_cluster_that_goes_during_the_scan_is_not_active() {
    let world = granted().await;
    world.faults().api_error("ecs:ListTasks", "ClusterNotFoundException", 400, 1);
    let scan = scan_also(&world, &[FORGOTTEN]).await;
    assert_eq!((scan.cluster_is_active, scan.missing.len()), (false, 1), "one call says that it is not there");
}

#[tokio::test]
async fn a_scan_that_is_given_up_does_not_harm_the_next() {
    let world = granted().await;
    add(&world, 150);
    let eye = eye(&world, source()).await;
    world.faults().api_delay("ecs:DescribeTasks", Duration::from_secs(30));
    let given_up = tokio::time::timeout(Duration::from_millis(300), eye.scan(&BTreeSet::new(), AT)).await;
    assert!(given_up.is_err());
    world.faults().api_delay("ecs:DescribeTasks", Duration::ZERO);
    let scan = eye.scan(&BTreeSet::new(), AT).await;
    assert_eq!((scan.tasks.len(), scan.failure), (150, None));
}

#[tokio::test]
async fn what_was_seen_before_the_credentials_ended_is_kept() {
    let world = granted().await;
    add(&world, 250);
    world.fail_list_page(Some((1, "ExpiredTokenException", 403)));
    let nowhere = Source { profile: Some("no-such-profile".to_owned()), ..source() };
    let scan = eye(&world, nowhere).await.scan(&BTreeSet::new(), AT).await;
    assert_eq!(scan.tasks.len(), 100);
    let failure = scan.failure.unwrap();
    assert!(failure.contains("ExpiredTokenException") && failure.contains("no-such-profile"), "{failure}");
}

#[tokio::test]
async fn late_tags_come_with_a_later_scan() {
    let world = granted().await;
    let task = world.add_task(TaskSpec::default());
    world.set_task(&task.task_id, |task| task.describes_without_tags = 1);
    let eye = eye(&world, source()).await;
    let first = eye.scan(&BTreeSet::new(), AT).await;
    assert!(seen(&first, &task).labels.tags.is_empty() && first.failure.is_none());
    let second = eye.scan(&BTreeSet::new(), AT).await;
    assert_eq!(seen(&second, &task).labels.tags, task.tags);
}

#[tokio::test]
async fn hostile_tags_survive_unchanged() {
    let world = granted().await;
    let hostile = texts(&[
        ("cluster_id", "=cmd|' /C calc'!A0"),
        ("investigation_id", "\u{1b}]0;owned\u{7}\u{202e}\n\r\t"),
        ("username", "{{.User.Id}}\";ids=*;type=*;actions=*"),
        ("\u{1b}[2J", "../../etc/passwd"),
    ]);
    let task = world.add_task(TaskSpec { tags: hostile.clone(), ..bare("x") });
    let scan = scan(&world).await;
    assert_eq!((&seen(&scan, &task).labels.tags, scan.failure.as_deref()), (&hostile, None));
}

#[tokio::test]
async fn an_arn_of_the_short_form_is_kept_as_it_is() {
    let world = granted().await;
    let task = world.add_task(TaskSpec::default());
    world.set_task(&task.task_id, |task| task.has_short_arn = true);
    let scan = scan(&world).await;
    let arn = scan.tasks.keys().next().unwrap();
    assert_eq!((arn.ecs_cluster(), arn.task_id(), scan.failure.as_deref()), (None, task.task_id.as_str(), None));
}

#[tokio::test]
async fn two_throttles_are_waited_out() {
    let world = granted().await;
    add(&world, 1);
    world.faults().api_error("ecs:ListTasks", "ThrottlingException", 400, 2);
    let scan = scan(&world).await;
    assert_eq!((scan.tasks.len(), scan.failure), (1, None));
    assert_eq!(calls(&world, "ecs:ListTasks"), 3);
}

#[tokio::test]
async fn many_sources_are_scanned_and_one_failure_stays_with_its_own() {
    let world = granted().await;
    world.set_cluster("second", "ACTIVE");
    let here = world.add_task(TaskSpec::default());
    let there = world.add_task(TaskSpec { ecs_cluster: "second".to_owned(), ..TaskSpec::default() });
    let of = |name: &str, ecs_cluster: &str| Source::new(name, "us-east-2", ecs_cluster);
    let sources = [of("a", ECS_CLUSTER), of("b", "second"), of("c", "never")];
    let mut eyes = Vec::new();
    for source in sources {
        eyes.push(eye(&world, source).await);
    }
    let also = arns(&[FORGOTTEN, "arn:aws:ecs:us-east-2:123456789012:task/second/00000000000000000000000000000002"]);
    let scans = scan_all(&eyes, &also, AT, SOURCES_AT_ONCE).await;
    assert_eq!(scans.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(seen(&scans["a"], &here).arn.ecs_cluster(), Some(ECS_CLUSTER));
    assert_eq!(seen(&scans["b"], &there).arn.ecs_cluster(), Some("second"));
    let missing = |name: &str| scans[name].missing.iter().filter_map(TaskArn::ecs_cluster).collect::<Vec<_>>();
    assert_eq!((missing("a"), missing("b"), missing("c")), (vec![ECS_CLUSTER], vec!["second"], vec![]));
    assert!(scans["a"].failure.is_none() && scans["b"].failure.is_none() && scans["c"].failure.is_some());
}
