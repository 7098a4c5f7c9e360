//! CloudTrail: its records, its history, its files and the chain of their digests.

use std::io::Read as _;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use lab::{Profile, SigningKeys, TaskSpec, World, WorldOptions};
use serde_json::{Value, json};

use crate::audit_support::{audit, elements, quick_world, refused, run_session, s3_as};
use crate::client::execute;
use crate::support::{call, call_as, sts};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn named(world: &World, name: &str) -> Vec<Value> {
    world.trail_events().into_iter().filter(|record| record["eventName"] == name).collect()
}

#[tokio::test]
async fn an_exec_is_recorded_with_its_session_and_the_services_own_start() {
    let world = quick_world(|_| {}).await;
    let opened = execute(&world, "env BOUNDARY_SESSION_ID=s_1234567890 true");
    let exec = &named(&world, "ExecuteCommand")[0];
    let expected = json!({
        "cluster": world.cluster(), "task": world.tasks()[0].task_id, "container": "rosa-boundary", "interactive": true,
        "command": "env BOUNDARY_SESSION_ID=s_1234567890 true",
    });
    assert_eq!(exec["requestParameters"], expected);
    let session = &exec["responseElements"]["session"];
    assert_eq!(session["sessionId"], json!(opened.id));
    assert_eq!(session["tokenValue"], "Value hidden due to security reasons.");
    let identity = &exec["userIdentity"];
    assert_eq!((&identity["type"], identity["arn"].as_str()), (&json!("AssumedRole"), Some(world.caller_arn())));
    let issuer = &identity["sessionContext"]["sessionIssuer"];
    assert_eq!(issuer["arn"], json!(world.role_arn()));
    assert_eq!(identity["principalId"], json!(format!("{}:alice", issuer["principalId"].as_str().unwrap())));
    assert!(exec.get("errorCode").is_none());
    for (name, value) in [
        ("eventVersion", json!("1.09")),
        ("eventSource", json!("ecs.amazonaws.com")),
        ("sourceIPAddress", json!("127.0.0.1")),
        ("readOnly", json!(false)),
        ("eventType", json!("AwsApiCall")),
        ("eventCategory", json!("Management")),
        ("recipientAccountId", json!("123456789012")),
    ] {
        assert_eq!(exec[name], value, "{name}");
    }
    let at: jiff::Timestamp = exec["eventTime"].as_str().unwrap().parse().unwrap();
    assert_eq!(at.subsec_nanosecond(), 0);
    let start = &named(&world, "StartSession")[0];
    assert_eq!(
        (&start["userIdentity"]["invokedBy"], &start["sourceIPAddress"]),
        (&json!("ecs.amazonaws.com"), &json!("ecs.amazonaws.com"))
    );
    assert_eq!(start["responseElements"]["sessionId"], json!(opened.id));
    assert!(start["requestParameters"]["target"].as_str().unwrap().starts_with("ecs:rosa-boundary-dev_"));
}

#[tokio::test]
async fn refusals_and_bypasses_and_logins_are_recorded() {
    let world = World::start(WorldOptions::default()).await.unwrap();
    let bobs = world.add_task(TaskSpec { username: "bob".to_owned(), ..TaskSpec::default() });
    let body = json!({"cluster": world.cluster(), "task": bobs.task_arn(), "container": "rosa-boundary", "command": "sh", "interactive": true});
    assert_eq!(call(&world, "ecs:ExecuteCommand", &body).0, 400);
    let exec = &named(&world, "ExecuteCommand")[0];
    assert_eq!((&exec["errorCode"], &exec["responseElements"]), (&json!("AccessDenied"), &Value::Null));
    assert!(exec["errorMessage"].as_str().unwrap().contains("not authorized to perform: ecs:ExecuteCommand"));
    assert!(named(&world, "StartSession").is_empty());
    let target = bobs.ssm_target(&bobs.containers[0]);
    let start = json!({"Target": target, "DocumentName": "AWS-StartInteractiveCommand", "Parameters": {"command": ["sleep 60"]}});
    assert_eq!(call(&world, "ssm:StartSession", &start).0, 200);
    let record = &named(&world, "StartSession")[0];
    assert_eq!((&record["requestParameters"]["target"], &record["userIdentity"]["invokedBy"]), (&json!(target), &Value::Null));
    assert!(record["responseElements"]["sessionId"].as_str().unwrap().starts_with("alice-"));
    let token = world.web_identity_token("carol");
    let form = format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName=carol&WebIdentityToken={token}",
        world.role_arn()
    );
    assert_eq!(sts(&world, None, &form).0, 200);
    let login = &named(&world, "AssumeRoleWithWebIdentity")[0];
    assert_eq!((&login["userIdentity"]["type"], &login["readOnly"]), (&json!("WebIdentityUser"), &json!(true)));
    assert_eq!(login["requestParameters"]["roleSessionName"], "carol");
    assert!(login.to_string().find(&token).is_none(), "the token is a secret");
    let run = &named(&world, "RunTask")[1];
    assert_eq!(run["responseElements"]["tasks"][0]["taskArn"], json!(bobs.task_arn()));
    world.stop_task(&bobs.task_id, "deadline");
    assert_eq!(named(&world, "StopTask")[0]["requestParameters"]["reason"], "deadline");
}

#[tokio::test]
async fn the_source_identity_goes_with_the_session() {
    let world = World::start(WorldOptions::of(Profile::Granted)).await.unwrap();
    let form = format!(
        "Action=AssumeRole&Version=2011-06-15&RoleArn={}&RoleSessionName=alice%3Ds_1234567890&SourceIdentity=alice",
        world.role_arn()
    );
    let (_, xml) = sts(&world, Some(&world.caller_keys()), &form);
    let text = |name: &str| elements(&xml, name)[0].clone();
    let keys = SigningKeys {
        access_key: text("AccessKeyId"),
        secret: text("SecretAccessKey"),
        session_token: Some(text("SessionToken")),
    };
    call_as(&world, &keys, "ssm:TerminateSession", &json!({"SessionId": "x"})).unwrap();
    let identity = &named(&world, "TerminateSession")[0]["userIdentity"];
    assert_eq!(identity["sessionContext"]["sourceIdentity"], "alice");
    assert!(identity["principalId"].as_str().unwrap().ends_with(":alice=s_1234567890"));
}

#[tokio::test]
async fn the_history_is_searched_by_one_attribute_in_pages() {
    let world = quick_world(|_| {}).await;
    let keys = world.auditor_keys();
    let first = run_session(&world, "true").await.0;
    world.advance_clock(Duration::from_hours(1));
    let second = run_session(&world, "true").await.0;
    let by_name = json!([{"AttributeKey": "EventName", "AttributeValue": "ExecuteCommand"}]);
    let lookup = |body: Value| audit(&world, &keys, "cloudtrail:LookupEvents", &body);
    let page = lookup(json!({"LookupAttributes": by_name, "MaxResults": 1}));
    let session_of = |page: &Value| {
        let record: Value = serde_json::from_str(page["Events"][0]["CloudTrailEvent"].as_str().unwrap()).unwrap();
        assert_eq!(record["eventID"], page["Events"][0]["EventId"]);
        record["responseElements"]["session"]["sessionId"].as_str().unwrap().to_owned()
    };
    assert_eq!(session_of(&page), second);
    assert_eq!((&page["Events"][0]["Username"], &page["Events"][0]["ReadOnly"]), (&json!("alice"), &json!("false")));
    let rest = lookup(json!({"LookupAttributes": by_name, "MaxResults": 1, "NextToken": page["NextToken"]}));
    assert_eq!((session_of(&rest), &rest["NextToken"]), (first.clone(), &Value::Null));
    let early = world.now().as_second() - 1800;
    assert_eq!(session_of(&lookup(json!({"LookupAttributes": by_name, "EndTime": early}))), first);
    let two = json!([{"AttributeKey": "EventName", "AttributeValue": "a"}, {"AttributeKey": "Username", "AttributeValue": "b"}]);
    let refusal = refused(&world, &keys, "cloudtrail:LookupEvents", &json!({"LookupAttributes": two}));
    assert_eq!(refusal, "InvalidLookupAttributesException");
    assert_eq!(world.drop_trail_events(|record| record["responseElements"]["session"]["sessionId"] == json!(second)), 1);
    assert_eq!(session_of(&lookup(json!({"LookupAttributes": by_name}))), first);
    world.deny_auditor(&["cloudtrail:LookupEvents"]);
    assert_eq!(refused(&world, &keys, "cloudtrail:LookupEvents", &json!({})), "AccessDeniedException");
}

/// The trail as an auditor reads it: each digest, checked, with its log files.
struct Chain {
    digests: Vec<Value>,
    records: Vec<Value>,
    broken: Vec<String>,
}

fn unpacked(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzDecoder::new(body).read_to_end(&mut out).unwrap();
    out
}

/// Lists the digests and checks signatures, links and hashes.
fn read_chain(world: &World, keys: &SigningKeys) -> Chain {
    let bucket = world.trail_bucket();
    let listed =
        s3_as(world, keys, "GET", &format!("/{bucket}?list-type=2&prefix=AWSLogs%2F123456789012%2FCloudTrail-Digest%2F")).text();
    let public = audit(world, keys, "cloudtrail:ListPublicKeys", &json!({}))["PublicKeyList"][0].clone();
    let key = STANDARD.decode(public["Value"].as_str().unwrap()).unwrap();
    let mut chain = Chain { digests: Vec::new(), records: Vec::new(), broken: Vec::new() };
    let mut last_signature = "null".to_owned();
    for name in elements(&listed, "Key") {
        let object = s3_as(world, keys, "GET", &format!("/{bucket}/{name}"));
        assert_eq!(
            (object.header("x-amz-meta-signature-algorithm"), object.header("content-encoding")),
            ("SHA256withRSA", "gzip")
        );
        let text = unpacked(&object.body);
        let found: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!((&found["digestS3Object"], &found["digestPublicKeyFingerprint"]), (&json!(name), &public["Fingerprint"]));
        let previous = found["previousDigestSignature"].as_str().unwrap_or("null");
        let (end, hash) = (found["digestEndTime"].as_str().unwrap(), hex(digest(&SHA256, &text).as_ref()));
        let signed = format!("{end}\n{bucket}/{name}\n{hash}\n{previous}");
        let signature = object.header("x-amz-meta-signature").to_owned();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key);
        key.verify(signed.as_bytes(), &unhex(&signature)).unwrap();
        if previous != last_signature {
            chain.broken.push(name.clone());
        }
        last_signature = signature;
        for file in found["logFiles"].as_array().unwrap() {
            let path = file["s3Object"].as_str().unwrap();
            let object = s3_as(world, keys, "GET", &format!("/{bucket}/{path}"));
            let text = if object.status == 200 { unpacked(&object.body) } else { Vec::new() };
            if file["hashValue"] != json!(hex(digest(&SHA256, &text).as_ref())) {
                chain.broken.push(path.to_owned());
                continue;
            }
            let records: Value = serde_json::from_slice(&text).unwrap();
            chain.records.extend(records["Records"].as_array().unwrap().iter().cloned());
        }
        chain.digests.push(found);
    }
    chain
}

#[tokio::test]
async fn the_trail_delivers_files_and_a_chain_of_signed_digests() {
    let world = quick_world(|_| {}).await;
    let keys = world.auditor_keys();
    run_session(&world, "true").await;
    world.deliver_trail();
    world.advance_clock(Duration::from_mins(181));
    run_session(&world, "true").await;
    world.deliver_trail();
    let chain = read_chain(&world, &keys);
    assert_eq!((chain.broken, chain.records), (Vec::<String>::new(), world.trail_events()));
    assert_eq!(chain.digests.len(), 5);
    let files: Vec<usize> = chain.digests.iter().map(|digest| digest["logFiles"].as_array().unwrap().len()).collect();
    assert_eq!(files, [1, 0, 0, 0, 1]);
    for pair in chain.digests.windows(2) {
        assert_eq!(pair[0]["digestEndTime"], pair[1]["digestStartTime"]);
        assert_eq!(pair[0]["digestS3Object"], pair[1]["previousDigestS3Object"]);
    }
    let file = chain.digests[0]["logFiles"][0]["s3Object"].as_str().unwrap().to_owned();
    let parts: Vec<&str> = file.rsplit('/').next().unwrap().split('_').collect();
    assert_eq!((parts[..3].join("_").as_str(), parts[3].len(), parts[4].len()), ("123456789012_CloudTrail_us-east-2", 14, 24));
    let trails = audit(&world, &keys, "cloudtrail:DescribeTrails", &json!({}));
    assert_eq!(
        (&trails["trailList"][0]["S3BucketName"], &trails["trailList"][0]["LogFileValidationEnabled"]),
        (&json!(world.trail_bucket()), &json!(true))
    );
    let status = audit(&world, &keys, "cloudtrail:GetTrailStatus", &json!({"Name": trails["trailList"][0]["Name"]}));
    assert_eq!((&status["IsLogging"], status["LatestDigestDeliveryTime"].is_i64()), (&json!(true), true));
}

#[tokio::test]
async fn what_happens_to_the_trail_shows_in_its_digests() {
    let world = quick_world(|_| {}).await;
    let keys = world.auditor_keys();
    for _ in 0..3 {
        world.add_task(TaskSpec::default());
        world.deliver_trail();
        world.advance_clock(Duration::from_mins(1));
    }
    assert!(read_chain(&world, &keys).broken.is_empty());
    let altered = world.alter_trail_file(0).unwrap();
    assert_eq!(read_chain(&world, &keys).broken.join(" "), altered);
    let dropped = world.drop_trail_file(1).unwrap();
    assert_eq!(read_chain(&world, &keys).broken.join(" "), format!("{altered} {dropped}"));
    world.drop_trail_digest(1).unwrap();
    let broken = read_chain(&world, &keys).broken;
    assert_eq!((broken.len(), &broken[0], broken[1].contains("CloudTrail-Digest")), (2, &altered, true));
    world.set_trail(false);
    assert_eq!(audit(&world, &keys, "cloudtrail:DescribeTrails", &json!({})), json!({"trailList": []}));
}

#[tokio::test]
async fn the_stock_cli_finds_the_digests_valid() {
    if !std::process::Command::new("aws").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no aws on PATH");
        return;
    }
    let world = quick_world(|_| {}).await;
    world.deliver_trail();
    world.add_task(TaskSpec::default());
    world.advance_clock(Duration::from_mins(61));
    world.deliver_trail();
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), "[default]\ns3 =\n  addressing_style = path\n").unwrap();
    let validate = || {
        let mut command = std::process::Command::new("aws");
        command.args(["cloudtrail", "validate-logs", "--trail-arn", "arn:aws:cloudtrail:us-east-2:123456789012:trail/lab-trail"]);
        let (start, end) = (world.now() - jiff::SignedDuration::from_hours(5), world.now() + jiff::SignedDuration::from_hours(1));
        command.args(["--start-time", &start.to_string(), "--end-time", &end.to_string()]);
        command.envs(world.auditor_environment()).env("AWS_CONFIG_FILE", config.path());
        String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
    };
    let said = validate();
    assert!(said.contains("3/3 digest files valid") && said.contains("2/2 log files valid"), "{said}");
    world.alter_trail_file(1).unwrap();
    let said = validate();
    assert!(said.contains("1/2 log files valid, 1/2 log files INVALID"), "{said}");
}
