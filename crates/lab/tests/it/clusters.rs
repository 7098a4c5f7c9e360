//! Many tasks and several clusters: pages, limits, lists that lag behind, tags that come late.

use std::collections::BTreeSet;

use lab::{Profile, TaskSpec, TaskView, World, WorldOptions};
use serde_json::{Value, json};

use crate::support::call;

async fn granted() -> World {
    World::start(WorldOptions::of(Profile::Granted)).await.unwrap()
}

/// Lists all pages; the ARNs and how many pages there were.
fn listed(world: &World, ecs_cluster: &str) -> (Vec<String>, usize) {
    let (mut arns, mut pages, mut token) = (Vec::new(), 0, Value::Null);
    loop {
        let mut body = json!({"cluster": ecs_cluster});
        if !token.is_null() {
            body["nextToken"] = token;
        }
        let (status, page) = call(world, "ecs:ListTasks", &body);
        assert_eq!(status, 200, "{page}");
        arns.extend(page["taskArns"].as_array().unwrap().iter().map(|arn| arn.as_str().unwrap().to_owned()));
        pages += 1;
        token = page["nextToken"].clone();
        if token.is_null() {
            return (arns, pages);
        }
    }
}

fn described(world: &World, task: &TaskView) -> Value {
    let body = json!({"cluster": task.ecs_cluster, "tasks": [task.task_arn()], "include": ["TAGS"]});
    call(world, "ecs:DescribeTasks", &body).1["tasks"][0].clone()
}

#[tokio::test]
async fn ten_thousand_tasks_come_in_a_hundred_pages_and_batches() {
    let world = granted().await;
    for _ in 1..10_000 {
        world.add_task(TaskSpec::default());
    }
    let (arns, pages) = listed(&world, world.cluster());
    assert_eq!((arns.iter().collect::<BTreeSet<_>>().len(), arns.len(), pages), (10_000, 10_000, 100));
    for batch in arns.chunks(100) {
        let (_, answer) = call(&world, "ecs:DescribeTasks", &json!({"cluster": world.cluster(), "tasks": batch}));
        let described = answer["tasks"].as_array().unwrap();
        assert!(described.iter().map(|task| task["taskArn"].as_str().unwrap()).eq(batch.iter().map(String::as_str)));
    }
    let (status, refusal) = call(&world, "ecs:DescribeTasks", &json!({"cluster": world.cluster(), "tasks": arns[..101]}));
    assert_eq!((status, &refusal["__type"]), (400, &json!("InvalidParameterException")));
}

#[tokio::test]
async fn clusters_keep_their_tasks_apart_and_an_inactive_one_is_only_described() {
    let world = granted().await;
    world.set_cluster("second", "ACTIVE");
    let task = world.add_task(TaskSpec { ecs_cluster: "second".to_owned(), ..TaskSpec::default() });
    assert_eq!(listed(&world, "second").0, [task.task_arn()]);
    assert!(!listed(&world, world.cluster()).0.contains(&task.task_arn()));
    let elsewhere = json!({"cluster": world.cluster(), "tasks": [task.task_id]});
    assert_eq!(call(&world, "ecs:DescribeTasks", &elsewhere).1["failures"][0]["reason"], "MISSING");
    world.set_cluster("second", "INACTIVE");
    let (_, refusal) = call(&world, "ecs:ListTasks", &json!({"cluster": "second"}));
    assert_eq!(refusal["__type"], "ClusterNotFoundException");
    let (_, answer) = call(&world, "ecs:DescribeClusters", &json!({"clusters": ["second", "never"]}));
    assert_eq!((&answer["clusters"][0]["status"], &answer["failures"][0]["reason"]), (&json!("INACTIVE"), &json!("MISSING")));
    let names = call(&world, "ecs:ListClusters", &json!({})).1["clusterArns"].to_string();
    assert!(names.contains(world.cluster()) && !names.contains("second"), "{names}");
}

#[tokio::test]
async fn a_list_may_lag_behind_and_one_page_may_fail() {
    let world = granted().await;
    let tasks: Vec<_> = (0..150).map(|_| world.add_task(TaskSpec::default())).collect();
    world.set_task(&tasks[7].task_id, |task| task.is_listed = false);
    let (arns, _) = listed(&world, world.cluster());
    assert!(arns.len() == 150 && !arns.contains(&tasks[7].task_arn()));
    assert_eq!(described(&world, &tasks[7])["lastStatus"], "RUNNING");
    world.fail_list_page(Some((1, "ServerException", 500)));
    let (status, first) = call(&world, "ecs:ListTasks", &json!({"cluster": world.cluster()}));
    assert_eq!(status, 200);
    let second = json!({"cluster": world.cluster(), "nextToken": first["nextToken"]});
    assert_eq!(call(&world, "ecs:ListTasks", &second).0, 500);
    world.fail_list_page(None);
    assert_eq!(call(&world, "ecs:ListTasks", &second).0, 200);
    for token in ["", "7", "0.99999", "x.y"] {
        let (status, _) = call(&world, "ecs:ListTasks", &json!({"cluster": world.cluster(), "nextToken": token}));
        assert_eq!(status, 400, "{token}");
    }
}

#[tokio::test]
async fn tags_come_late_and_old_tasks_have_none() {
    let world = granted().await;
    let task = world.add_task(TaskSpec::default());
    world.set_task(&task.task_id, |task| task.describes_without_tags = 2);
    let counts: Vec<_> = (0..3).map(|_| described(&world, &task)["tags"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [0, 0, task.tags.len()]);
    let old = world.add_task(TaskSpec { is_usual: false, ..TaskSpec::default() });
    assert_eq!((&described(&world, &old)["tags"], &described(&world, &old)["startedBy"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn variables_stand_in_overrides_and_definition() {
    let world = granted().await;
    let variable = |value: &str| [("CLUSTER_ID".to_owned(), value.to_owned())].into();
    let task = world.add_task(TaskSpec {
        override_environment: variable("of the override"),
        definition_environment: variable("of the definition"),
        task_definition: Some("family:7".to_owned()),
        ..TaskSpec::default()
    });
    let overrides = described(&world, &task)["overrides"]["containerOverrides"][0].clone();
    let expected = json!([{"name": "CLUSTER_ID", "value": "of the override"}]);
    assert_eq!((&overrides["name"], &overrides["environment"]), (&json!("rosa-boundary"), &expected));
    let (_, answer) = call(&world, "ecs:DescribeTaskDefinition", &json!({"taskDefinition": "family:7"}));
    let containers = answer["taskDefinition"]["containerDefinitions"].clone();
    assert_eq!(containers[0]["environment"], json!([{"name": "CLUSTER_ID", "value": "of the definition"}]));
    assert_eq!(containers[1]["environment"], json!([]));
}

#[tokio::test]
async fn a_short_arn_names_no_cluster() {
    let world = granted().await;
    let task = world.add_task(TaskSpec::default());
    world.set_task(&task.task_id, |task| task.has_short_arn = true);
    let short = format!("arn:aws:ecs:us-east-2:123456789012:task/{}", task.task_id);
    assert!(listed(&world, world.cluster()).0.contains(&short));
    let (_, answer) = call(&world, "ecs:DescribeTasks", &json!({"cluster": world.cluster(), "tasks": [short]}));
    assert_eq!(answer["tasks"][0]["taskArn"], json!(short));
}
