//! Transcripts, and the reads of CloudWatch Logs and SSM that find them.

use std::time::Duration;

use lab::{ExecLogging, ExecLoggingMode, TaskSpec, World};
use serde_json::{Value, json};

use crate::audit_support::{audit, quick_world, refused, run_session};
use crate::support::call;

const GROUP: &str = "/ecs/rosa-boundary-dev/ssm-sessions";

fn transcript(world: &World, session_id: &str) -> String {
    let streams = world.log_streams(GROUP);
    let events = streams.get(session_id).expect("the session has a transcript");
    events.iter().map(|event| event.message.as_str()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_session_leaves_the_transcript_that_script_makes_of_what_the_client_got() {
    let world = quick_world(|_| {}).await;
    let (id, output) = run_session(&world, r#"sh -c "echo one; printf two""#).await;
    assert_eq!(output, b"one\r\ntwo");
    let text = transcript(&world, &id);
    let (head, rest) = text.split_once('\n').unwrap();
    assert!(head.starts_with("Script started on 2") && head.ends_with("ipcTempFile.log\" <not executed on terminal>]"), "{head}");
    let (body, trailer) = rest.rsplit_once("\nScript done on ").unwrap();
    assert_eq!(body, "one\r\ntwo");
    assert!(trailer.ends_with(" [COMMAND_EXIT_CODE=\"0\"]"), "{trailer:?}");
    let event = &world.log_streams(GROUP)[&id][0];
    assert_eq!(event.timestamp, event.ingestion_time);
}

#[tokio::test]
async fn a_session_beside_ecs_or_of_a_dead_agent_leaves_no_transcript() {
    let world = quick_world(|_| {}).await;
    let task = world.tasks()[0].clone();
    let target = task.ssm_target(&task.containers[0]);
    call(&world, "ssm:StartSession", &json!({"Target": target, "Parameters": {"command": ["true"]}}));
    let opened = crate::client::execute(&world, "sleep 60");
    let started = |entries: &[lab::JournalEntry]| {
        entries.iter().filter(|entry| matches!(entry, lab::JournalEntry::ChildStarted { .. })).count() == 2
    };
    assert!(world.wait_for(started, crate::support::WATCHDOG).await);
    world.stop_task(&task.task_id, "test");
    let exited = |entries: &[lab::JournalEntry]| {
        entries.iter().filter(|entry| matches!(entry, lab::JournalEntry::ChildExited { .. })).count() == 2
    };
    assert!(world.wait_for(exited, crate::support::WATCHDOG).await);
    assert!(world.log_streams(GROUP).is_empty(), "{:?} {}", world.log_streams(GROUP), opened.id);
}

#[tokio::test]
async fn transcripts_go_where_the_cluster_says() {
    let world = quick_world(|options| {
        options.exec_logging = ExecLogging {
            log_group: None,
            bucket: Some("transcripts".to_owned()),
            key_prefix: "exec".to_owned(),
            ..ExecLogging::default()
        };
    })
    .await;
    world.add_versioned_bucket("transcripts", None);
    let keys = world.auditor_keys();
    let (id, _) = run_session(&world, "echo seen").await;
    let object = &world.objects("transcripts")[&format!("exec/{id}.log")];
    assert!(String::from_utf8_lossy(object).contains("]\nseen\r\r\n\nScript done on "), "{}", String::from_utf8_lossy(object));
    let asked = json!({"clusters": [world.cluster()], "include": ["CONFIGURATIONS"]});
    let described = audit(&world, &keys, "ecs:DescribeClusters", &asked);
    let exec = &described["clusters"][0]["configuration"]["executeCommandConfiguration"];
    let expected = json!({"s3BucketName": "transcripts", "s3EncryptionEnabled": false, "s3KeyPrefix": "exec"});
    assert_eq!((&exec["logging"], &exec["logConfiguration"]), (&json!("OVERRIDE"), &expected));
    world.set_exec_logging(ExecLogging { mode: ExecLoggingMode::None, ..ExecLogging::default() });
    let described = audit(&world, &keys, "ecs:DescribeClusters", &asked);
    assert_eq!(described["clusters"][0]["configuration"]["executeCommandConfiguration"], json!({"logging": "NONE"}));
    run_session(&world, "echo unseen").await;
    assert_eq!((world.objects("transcripts").len(), world.log_streams(GROUP).len()), (1, 0));
}

#[tokio::test]
async fn groups_tell_their_settings_and_streams_their_times_late() {
    let world = quick_world(|_| {}).await;
    let keys = world.auditor_keys();
    world.set_log_retention(GROUP, Some(90));
    world.set_log_key(GROUP, Some(&world.kms_key_arn()));
    let groups = audit(&world, &keys, "logs:DescribeLogGroups", &json!({"logGroupNamePrefix": "/ecs/rosa-boundary-dev/s"}));
    let group = &groups["logGroups"][0];
    assert_eq!((&group["retentionInDays"], &group["kmsKeyId"]), (&json!(90), &json!(world.kms_key_arn())));
    assert_eq!(group["arn"], "arn:aws:logs:us-east-2:123456789012:log-group:/ecs/rosa-boundary-dev/ssm-sessions:*");
    let (first, second) = ("ecs-execute-command-a", "ecs-execute-command-b");
    world.plant_log_event(GROUP, second, "x");
    let all = json!({"logGroupName": GROUP, "logStreamNamePrefix": "ecs-execute-command-"});
    let listed = |body: &Value| audit(&world, &keys, "logs:DescribeLogStreams", body)["logStreams"].clone();
    let fresh = listed(&all);
    assert_eq!((&fresh[0]["logStreamName"], &fresh[0]["storedBytes"]), (&json!(second), &json!(0)));
    assert!(fresh[0]["lastEventTimestamp"].is_null(), "{fresh}");
    world.advance_clock(Duration::from_hours(1));
    world.plant_log_event(GROUP, first, "y");
    assert!(listed(&all)[1]["lastEventTimestamp"].is_i64());
    let by_time = listed(&json!({"logGroupName": GROUP, "orderBy": "LastEventTime", "descending": true, "limit": 1}));
    assert_eq!((by_time.as_array().unwrap().len(), &by_time[0]["logStreamName"]), (1, &json!(second)));
    let both = json!({"logGroupName": GROUP, "orderBy": "LastEventTime", "logStreamNamePrefix": "e"});
    assert_eq!(refused(&world, &keys, "logs:DescribeLogStreams", &both), "InvalidParameterException");
}

#[tokio::test]
async fn events_are_read_to_the_end_whose_token_repeats() {
    let world = quick_world(|_| {}).await;
    let keys = world.auditor_keys();
    let piece = "p".repeat(200_000);
    for at in 0..12 {
        world.plant_log_event(GROUP, "s", &format!("{at:02}{}", &piece[2..]));
    }
    let mut body = json!({"logGroupName": GROUP, "logStreamName": "s", "startFromHead": true});
    let mut sizes = Vec::new();
    loop {
        let page = audit(&world, &keys, "logs:GetLogEvents", &body);
        sizes.push(page["events"].as_array().unwrap().len());
        let token = page["nextForwardToken"].clone();
        if token == body["nextToken"] {
            break;
        }
        body["nextToken"] = token;
    }
    assert_eq!(sizes, [5, 5, 2, 0]);
    let tail = audit(&world, &keys, "logs:GetLogEvents", &json!({"logGroupName": GROUP, "logStreamName": "s", "limit": 1}));
    assert!(tail["events"][0]["message"].as_str().unwrap().starts_with("11"));
    assert!(tail["events"][0]["ingestionTime"].is_i64());
    let missing = json!({"logGroupName": GROUP, "logStreamName": "none"});
    assert_eq!(refused(&world, &keys, "logs:GetLogEvents", &missing), "ResourceNotFoundException");
}

#[tokio::test]
async fn the_auditor_reads_and_does_nothing_else() {
    let world = quick_world(|options| options.kms = true).await;
    let keys = world.auditor_keys();
    world.plant_log_event(GROUP, "s", "x");
    let read = json!({"logGroupName": GROUP, "logStreamName": "s"});
    audit(&world, &keys, "logs:GetLogEvents", &read);
    assert_eq!(refused(&world, &keys, "logs:PutLogEvents", &read), "AccessDeniedException");
    assert_eq!(refused(&world, &keys, "ssm:TerminateSession", &json!({"SessionId": "s"})), "AccessDeniedException");
    world.deny_auditor(&["kms:Decrypt"]);
    assert_eq!(refused(&world, &keys, "logs:GetLogEvents", &read), "AccessDeniedException");
    let environment = world.auditor_environment();
    assert!(environment.iter().any(|(name, _)| name == "AWS_SESSION_TOKEN"));
    audit(&world, &keys, "logs:DescribeLogStreams", &json!({"logGroupName": GROUP}));
}

#[tokio::test]
async fn sessions_are_told_with_the_services_own_role_and_both_times() {
    let world = quick_world(|_| {}).await;
    let keys = world.auditor_keys();
    let (first, _) = run_session(&world, "true").await;
    world.advance_clock(Duration::from_mins(10));
    let between = world.now();
    world.advance_clock(Duration::from_mins(10));
    let (second, _) = run_session(&world, "true").await;
    let history = |more: Value| {
        let mut body = json!({"State": "History"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        audit(&world, &keys, "ssm:DescribeSessions", &body)
    };
    let page = history(json!({"MaxResults": 1}));
    let session = &page["Sessions"][0];
    assert_eq!(session["SessionId"], json!(second));
    assert_eq!(session["Owner"], "arn:aws:sts::123456789012:assumed-role/AWSServiceRoleForECS/ecs-execute-command");
    assert!(session["EndDate"].as_f64().unwrap() >= session["StartDate"].as_f64().unwrap());
    assert_eq!(history(json!({"MaxResults": 1, "NextToken": page["NextToken"]}))["Sessions"][0]["SessionId"], json!(first));
    let before = history(json!({"Filters": [{"key": "InvokedBefore", "value": between.to_string()}]}));
    assert_eq!(before["Sessions"].as_array().unwrap().len(), 1);
    assert_eq!(before["Sessions"][0]["SessionId"], json!(first));
}

#[tokio::test]
async fn transcripts_are_lost_cut_changed_and_planted_by_hand() {
    let world = quick_world(|_| {}).await;
    let (id, _) = run_session(&world, "echo abcdefgh").await;
    let whole = transcript(&world, &id);
    assert!(world.alter_transcript(&id));
    let altered = transcript(&world, &id);
    let differing = whole.bytes().zip(altered.bytes()).filter(|(one, other)| one != other).count();
    assert_eq!((whole.len() == altered.len(), differing), (true, 1));
    assert!(world.truncate_transcript(&id));
    assert!(!transcript(&world, &id).contains("Script done on"));
    assert!(world.plant_log_event(GROUP, &id, "more") && transcript(&world, &id).ends_with("\nmore"));
    assert!(world.plant_log_event(GROUP, "ecs-execute-command-never", "x"));
    assert!(world.lose_transcript(&id) && !world.lose_transcript(&id));
    assert_eq!(world.log_streams(GROUP).into_keys().collect::<Vec<_>>(), ["ecs-execute-command-never"]);
}

#[tokio::test]
async fn the_tags_of_a_task_are_listed() {
    let world = quick_world(|_| {}).await;
    let task = world.add_task(TaskSpec { cluster_id: "c-9".to_owned(), ..TaskSpec::default() });
    let keys = world.auditor_keys();
    let listed = audit(&world, &keys, "ecs:ListTagsForResource", &json!({"resourceArn": task.task_arn()}));
    assert!(listed["tags"].as_array().unwrap().contains(&json!({"key": "cluster_id", "value": "c-9"})));
}
