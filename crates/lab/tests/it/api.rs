//! The contract of the AWS APIs: form, signature, rights, errors.

use std::collections::BTreeMap;

use crate::support::{call, call_as, element, s3, sts};
use lab::{JournalEntry, Profile, SigningKeys, TaskSpec, World, WorldOptions};
use serde_json::{Value, json};

async fn rosa() -> World {
    World::start(WorldOptions::default()).await.unwrap()
}

fn execute(world: &World) -> Value {
    let task = &world.tasks()[0];
    json!({"cluster": world.cluster(), "task": task.task_id, "container": "rosa-boundary", "command": "sleep 60", "interactive": true})
}

#[tokio::test]
async fn a_task_is_found_by_list_and_describe() {
    let world = rosa().await;
    let (status, listed) = call(&world, "ecs:ListTasks", &json!({"cluster": world.cluster()}));
    assert_eq!(status, 200);
    assert_eq!(listed["taskArns"], json!([world.tasks()[0].task_arn()]));
    let wanted = json!({"cluster": world.cluster(), "tasks": [world.tasks()[0].task_arn(), "0123"], "include": ["TAGS"]});
    let (_, described) = call(&world, "ecs:DescribeTasks", &wanted);
    assert_eq!(described["failures"][0]["reason"], "MISSING");
    let task = &described["tasks"][0];
    assert_eq!(
        task["containers"][0]["managedAgents"][0],
        json!({
            "name": "ExecuteCommandAgent", "lastStatus": "RUNNING", "lastStartedAt": task["createdAt"],
        })
    );
    assert!(task["tags"].as_array().unwrap().contains(&json!({"key": "username", "value": "alice"})));
}

#[tokio::test]
async fn lists_come_in_pages_and_filters_apply() {
    let world = rosa().await;
    for at in 0..4 {
        world.add_task(TaskSpec { investigation_id: format!("inv-{at}"), ..TaskSpec::default() });
    }
    let mut seen = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut body = json!({"cluster": world.cluster(), "maxResults": 2});
        if let Some(text) = token.as_str() {
            body["nextToken"] = json!(text);
        }
        let (_, page) = call(&world, "ecs:ListTasks", &body);
        seen.extend(page["taskArns"].as_array().unwrap().clone());
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(seen, world.tasks().iter().map(|task| json!(task.task_arn())).collect::<Vec<_>>());
    let wanted = world.tasks()[3].clone();
    let (_, one) = call(&world, "ecs:ListTasks", &json!({"cluster": world.cluster(), "startedBy": wanted.started_by}));
    assert_eq!(one["taskArns"], json!([wanted.task_arn()]));
    world.stop_task(&wanted.task_id, "test");
    let (_, none) = call(&world, "ecs:ListTasks", &json!({"cluster": world.cluster(), "startedBy": wanted.started_by}));
    assert_eq!(none["taskArns"], json!([]));
}

#[tokio::test]
async fn a_wrong_secret_or_an_unknown_key_is_refused() {
    let world = rosa().await;
    let keys = world.caller_keys();
    let forged = SigningKeys { secret: "0".repeat(40), ..keys.clone() };
    let (status, body) = call_as(&world, &forged, "ecs:ListTasks", &json!({})).unwrap();
    assert_eq!((status, body["__type"].as_str()), (403, Some("InvalidSignatureException")));
    let unknown = SigningKeys { access_key: "ASIAUNKNOWN".to_owned(), ..keys.clone() };
    let (status, body) = call_as(&world, &unknown, "ecs:ListTasks", &json!({})).unwrap();
    assert_eq!((status, body["__type"].as_str()), (400, Some("UnrecognizedClientException")));
    let (status, xml) = sts(&world, Some(&forged), "Action=GetCallerIdentity&Version=2011-06-15");
    assert_eq!((status, element(&xml, "Code").as_str()), (403, "SignatureDoesNotMatch"));
    world.expire_credentials();
    let (status, body) = call_as(&world, &keys, "ecs:ListTasks", &json!({})).unwrap();
    assert_eq!((status, body["__type"].as_str()), (403, Some("ExpiredTokenException")));
}

#[tokio::test]
async fn the_shared_role_may_not_do_what_its_policy_lacks() {
    let world = rosa().await;
    let refused = [
        ("ecs:DescribeClusters", json!({"clusters": [world.cluster()]})),
        ("ssm:ResumeSession", json!({"SessionId": "s"})),
        ("ssm:TerminateSession", json!({"SessionId": "s"})),
        ("ssm:DescribeSessions", json!({"State": "Active"})),
    ];
    for (action, body) in refused {
        let (status, answer) = call(&world, action, &body);
        assert_eq!((status, answer["__type"].as_str()), (400, Some("AccessDeniedException")), "{action}");
        let expected = format!("because no identity-based policy allows the {action} action");
        assert!(answer["message"].as_str().unwrap().ends_with(&expected), "{answer}");
    }
}

#[tokio::test]
async fn only_the_owner_may_execute_in_a_task() {
    let world = rosa().await;
    let other = world.add_task(TaskSpec { username: "bob".to_owned(), ..TaskSpec::default() });
    let mut body = execute(&world);
    body["task"] = json!(other.task_id);
    let (status, answer) = call(&world, "ecs:ExecuteCommand", &body);
    assert_eq!((status, answer["__type"].as_str()), (400, Some("AccessDeniedException")));
    assert!(answer["message"].as_str().unwrap().contains(&other.task_arn()));
    assert!(!world.journal().iter().any(|entry| matches!(entry, JournalEntry::ExecuteCommand { .. })));
}

#[tokio::test]
async fn execute_command_refuses_as_aws_does() {
    let world = rosa().await;
    let code = |change: &dyn Fn(&mut Value)| {
        let mut body = execute(&world);
        change(&mut body);
        call(&world, "ecs:ExecuteCommand", &body).1["__type"].as_str().unwrap_or("none").to_owned()
    };
    assert_eq!(code(&|body| body["cluster"] = json!("other")), "ClusterNotFoundException");
    assert_eq!(code(&|body| body["container"] = json!("other")), "InvalidParameterException");
    assert_eq!(code(&|body| body["container"] = Value::Null), "InvalidParameterException");
    assert_eq!(code(&|body| body["interactive"] = json!(false)), "InvalidParameterException");
    let task_id = world.tasks()[0].task_id.clone();
    world.set_task(&task_id, |task| task.containers[0].agent_status = Some("PENDING".to_owned()));
    assert_eq!(code(&|_| ()), "TargetNotConnectedException");
    world.set_task(&task_id, |task| task.enable_execute_command = false);
    assert_eq!(code(&|_| ()), "InvalidParameterException");
}

#[tokio::test]
async fn a_container_takes_two_sessions() {
    let world = rosa().await;
    for expected in ["none", "none", "TargetNotConnectedException"] {
        let (_, answer) = call(&world, "ecs:ExecuteCommand", &execute(&world));
        assert_eq!(answer["__type"].as_str().unwrap_or("none"), expected);
    }
}

#[tokio::test]
async fn a_session_names_a_stream_and_a_token() {
    let world = rosa().await;
    let (_, answer) = call(&world, "ecs:ExecuteCommand", &execute(&world));
    let session = &answer["session"];
    let id = session["sessionId"].as_str().unwrap();
    assert!(id.starts_with("ecs-execute-command-") && id.len() == 46, "{id}");
    let url = session["streamUrl"].as_str().unwrap();
    let start = format!("wss://ssmmessages.us-east-2.amazonaws.com/v1/data-channel/{id}?role=publish_subscribe&cell-number=");
    assert!(url.starts_with(&start), "{url}");
    assert!(!session["tokenValue"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_data_key_opens_only_under_its_context() {
    let world = rosa().await;
    let context = json!({"aws:ssm:SessionId": "s", "aws:ssm:TargetId": "t"});
    let wanted = json!({"KeyId": world.kms_key_arn(), "NumberOfBytes": 64, "EncryptionContext": context});
    let (_, key) = call(&world, "kms:GenerateDataKey", &wanted);
    let open = |context: &Value| {
        call(&world, "kms:Decrypt", &json!({"CiphertextBlob": key["CiphertextBlob"], "EncryptionContext": context})).1
    };
    assert_eq!(open(&context)["Plaintext"], key["Plaintext"]);
    assert_eq!(open(&json!({"aws:ssm:SessionId": "s"}))["__type"], "InvalidCiphertextException");
}

#[tokio::test]
async fn roles_are_assumed_with_tags() {
    let world = rosa().await;
    let environment: BTreeMap<String, String> = world.source_environment().into_iter().collect();
    let user = SigningKeys {
        access_key: environment["AWS_ACCESS_KEY_ID"].clone(),
        secret: environment["AWS_SECRET_ACCESS_KEY"].clone(),
        session_token: None,
    };
    let form = format!(
        "Action=AssumeRole&RoleArn={}&RoleSessionName=alice%3Ds_1234567890&Tags.member.1.Key=username&Tags.member.1.Value=alice",
        world.role_arn()
    );
    let (status, xml) = sts(&world, Some(&user), &form);
    assert_eq!(status, 200, "{xml}");
    let assumed = SigningKeys {
        access_key: element(&xml, "AccessKeyId"),
        secret: element(&xml, "SecretAccessKey"),
        session_token: Some(element(&xml, "SessionToken")),
    };
    let (_, identity) = sts(&world, Some(&assumed), "Action=GetCallerIdentity");
    assert!(element(&identity, "Arn").ends_with("/alice=s_1234567890"), "{identity}");
    let (status, _) = call_as(&world, &assumed, "ecs:ExecuteCommand", &execute(&world)).unwrap();
    assert_eq!(status, 200);
    let (status, _) = call_as(&world, &user, "ecs:ExecuteCommand", &execute(&world)).unwrap();
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_web_identity_becomes_its_user() {
    let world = rosa().await;
    let form = |token: &str| {
        format!("Action=AssumeRoleWithWebIdentity&RoleArn={}&RoleSessionName=bob&WebIdentityToken={token}", world.role_arn())
    };
    let (status, xml) = sts(&world, None, &form(&world.web_identity_token("bob")));
    assert_eq!(status, 200, "{xml}");
    let bob = SigningKeys {
        access_key: element(&xml, "AccessKeyId"),
        secret: element(&xml, "SecretAccessKey"),
        session_token: Some(element(&xml, "SessionToken")),
    };
    let (_, answer) = call_as(&world, &bob, "ecs:ExecuteCommand", &execute(&world)).unwrap();
    assert_eq!(answer["__type"], "AccessDeniedException", "the task is alice's");
    assert_eq!(element(&sts(&world, None, &form("x.y.z")).1, "Code"), "InvalidIdentityToken");
    assert_eq!(sts(&world, None, "Action=GetCallerIdentity").0, 400, "only the web identity needs no signature");
}

#[tokio::test]
async fn api_faults_act() {
    let world = rosa().await;
    world.faults().api_error("ecs:ListTasks", "ServerException", 500, 1);
    let list = json!({"cluster": world.cluster()});
    assert_eq!(call(&world, "ecs:ListTasks", &list).0, 500);
    assert_eq!(call(&world, "ecs:ListTasks", &list).0, 200);
    world.faults().lose_answers("ecs:ExecuteCommand", 1);
    let lost = call_as(&world, &world.caller_keys(), "ecs:ExecuteCommand", &execute(&world));
    assert!(lost.is_err(), "{lost:?}");
    assert!(world.journal().iter().any(|entry| matches!(entry, JournalEntry::ExecuteCommand { .. })), "it was executed");
}

#[tokio::test]
async fn the_granted_profile_sees_sessions_end() {
    let world = World::start(WorldOptions::of(Profile::Granted)).await.unwrap();
    let (_, answer) = call(&world, "ecs:ExecuteCommand", &execute(&world));
    let id = answer["session"]["sessionId"].as_str().unwrap().to_owned();
    let active =
        |state: &str| call(&world, "ssm:DescribeSessions", &json!({"State": state})).1["Sessions"].as_array().unwrap().len();
    assert_eq!((active("Active"), active("History")), (1, 0));
    let (_, resumed) = call(&world, "ssm:ResumeSession", &json!({"SessionId": id}));
    assert_ne!(resumed["StreamUrl"], answer["session"]["streamUrl"], "the cell number is new");
    assert_eq!(call(&world, "ssm:TerminateSession", &json!({"SessionId": id})).0, 200);
    let ended = |entries: &[JournalEntry]| entries.iter().any(|entry| matches!(entry, JournalEntry::SessionEnded { .. }));
    assert!(world.wait_for(ended, crate::support::WATCHDOG).await);
    assert_eq!((active("Active"), active("History")), (0, 1));
    assert_eq!(call(&world, "ssm:TerminateSession", &json!({"SessionId": "unknown"})).0, 200);
    assert!(call(&world, "ssm:ResumeSession", &json!({"SessionId": id})).1["TokenValue"].is_null());
}

#[tokio::test]
async fn start_session_goes_around_ecs() {
    let world = rosa().await;
    let task = &world.tasks()[0];
    let target = task.ssm_target(&task.containers[0]);
    let body = |document: &str| json!({"Target": target, "DocumentName": document, "Parameters": {"command": ["sleep 60"]}});
    let (status, _) = call(&world, "ssm:StartSession", &body("AWS-StartInteractiveCommand"));
    assert_eq!(status, 200);
    assert!(world.journal().iter().any(|entry| matches!(entry, JournalEntry::StartSession { .. })));
    let (_, refused) = call(&world, "ssm:StartSession", &body("SSM-SessionManagerRunShell"));
    assert_eq!(refused["__type"], "AccessDeniedException");
}

#[tokio::test]
async fn log_events_are_taken_or_rejected_by_their_time() {
    let world = rosa().await;
    world.add_log_group("/links");
    let named = |group: &str| json!({"logGroupName": group, "logStreamName": "a/b"});
    let denied = call(&world, "logs:CreateLogStream", &named("/links"));
    assert_eq!((denied.0, &denied.1["__type"]), (400, &json!("AccessDeniedException")));
    world.allow(&["logs:*"]);
    let put = |age: i64, message: &str| {
        let mut body = named("/links");
        body["logEvents"] = json!([{"timestamp": jiff::Timestamp::now().as_millisecond() - age, "message": message}]);
        call(&world, "logs:PutLogEvents", &body)
    };
    assert_eq!(put(0, "early").1["__type"], "ResourceNotFoundException");
    assert_eq!(call(&world, "logs:CreateLogStream", &named("/others")).1["__type"], "ResourceNotFoundException");
    assert_eq!(call(&world, "logs:CreateLogStream", &named("/links")).0, 200);
    assert_eq!(call(&world, "logs:CreateLogStream", &named("/links")).1["__type"], "ResourceAlreadyExistsException");
    let hour = 3_600_000;
    assert_eq!(put(0, "now").0, 200);
    assert_eq!(put(15 * 24 * hour, "old").1["rejectedLogEventsInfo"], json!({"tooOldLogEventEndIndex": 1}));
    assert_eq!(put(-3 * hour, "ahead").1["rejectedLogEventsInfo"], json!({"tooNewLogEventStartIndex": 0}));
    let messages: Vec<String> = world.log_streams("/links")["a/b"].iter().map(|event| event.message.clone()).collect();
    assert_eq!(messages, ["now"]);
}

#[tokio::test]
async fn objects_are_put_once_with_a_checksum_and_where_the_bucket_is() {
    const OF_BODY: &str = "Iw2DWNyOiJC0xY3utikS7i8gNXrpKlzIYbmOaP4xrLU=";
    let world = rosa().await;
    world.add_bucket("here", "us-east-2");
    world.add_bucket("there", "eu-west-1");
    let line = ("PUT", "/here/a%20b/c+d.json");
    let headers = [("if-none-match", "*"), ("x-amz-checksum-sha256", OF_BODY)];
    let (status, refused) = s3(&world, line, &headers, b"body");
    assert_eq!((status, element(&refused, "Code").as_str()), (403, "AccessDenied"));
    assert!(refused.contains("s3:PutObject on resource: arn:aws:s3:::here/a b/c+d.json"), "{refused}");
    world.allow(&["s3:*"]);
    let code = |answer: (u16, String)| (answer.0, element(&answer.1, "Code"));
    assert_eq!(code(s3(&world, line, &headers[..1], b"body")), (400, "InvalidRequest".to_owned()));
    assert_eq!(code(s3(&world, line, &headers, b"other")), (400, "InvalidRequest".to_owned()));
    assert_eq!(s3(&world, line, &headers, b"body").0, 200);
    assert_eq!(code(s3(&world, line, &headers, b"body")), (412, "PreconditionFailed".to_owned()));
    assert_eq!(s3(&world, ("GET", line.1), &[], b""), (200, "body".to_owned()));
    assert_eq!(world.objects("here").into_keys().collect::<Vec<_>>(), ["a b/c+d.json"]);
    assert_eq!(code(s3(&world, ("PUT", "/nowhere/x"), &headers, b"body")), (404, "NoSuchBucket".to_owned()));
    assert_eq!(code(s3(&world, ("PUT", "/there/x"), &headers, b"body")), (400, "AuthorizationHeaderMalformed".to_owned()));
}
