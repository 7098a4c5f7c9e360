//! Boundary's audit events: in the form of the real controller.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lab::{World, WorldOptions};
use serde_json::{Value, json};

const CORRELATION: &str = "29970fef-98c4-4e71-8c97-a6a4859ddb7d";

async fn post(world: &World, user: &str, path: &str, body: Value) -> u16 {
    let environment = world.boundary().environment_of(user);
    let value = |name: &str| environment.iter().find(|pair| pair.0 == name).unwrap().1.clone();
    let request = reqwest::Client::builder().no_proxy().build().unwrap().post(format!("{}/v1/{path}", value("BOUNDARY_ADDR")));
    let request = request.bearer_auth(value("BOUNDARY_TOKEN")).header("x-correlation-id", CORRELATION).json(&body);
    request.send().await.unwrap().status().as_u16()
}

fn events(world: &World) -> Vec<Value> {
    world.boundary_audit_events().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn an_authorised_and_a_cancelled_session_are_told_without_secrets() {
    let world = World::start(WorldOptions::default()).await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    world.boundary().write_audit_to(file.path());
    assert_eq!(post(&world, "alice", "targets/inv-lab.rosa:authorize-session", json!({})).await, 200);
    let session_id = world.boundary().session_ids()[0].clone();
    assert_eq!(post(&world, "alice", &format!("sessions/{session_id}:cancel"), json!({"version": 1})).await, 200);
    let events = events(&world);
    assert_eq!(events.len(), 2);
    let (event, data) = (&events[0], &events[0]["data"]);
    assert_eq!(
        (&event["specversion"], &event["type"], &event["datacontentype"]),
        (&json!("1.0"), &json!("audit"), &json!("application/cloudevents"))
    );
    assert_eq!(
        (&data["type"], &data["version"], &data["correlation_id"]),
        (&json!("APIRequest"), &json!("v0.1"), &json!(CORRELATION))
    );
    let info = &data["request_info"];
    assert_eq!((&info["method"], &info["client_ip"]), (&json!("POST"), &json!("127.0.0.1")));
    assert_eq!(info["path"], "/v1/targets/inv-lab.rosa:authorize-session");
    assert!(info["public_id"].as_str().unwrap().starts_with("at_"));
    assert!(data["auth"]["user_info"]["id"].as_str().unwrap().starts_with("u_"));
    assert_eq!((&data["auth"]["email"], &data["request"]["details"]["id"]), (&json!("[REDACTED]"), &json!("ttcp_lab0000001")));
    let item = &data["response"]["details"]["item"];
    assert_eq!((&item["session_id"], &item["authorization_token"]), (&json!(session_id), &json!("[REDACTED]")));
    assert!(item["expiration"]["seconds"].is_i64(), "{item}");
    let cancel = &events[1]["data"];
    assert_eq!(cancel["request"]["details"], json!({"id": session_id, "version": 1}));
    assert_eq!(cancel["response"]["details"]["item"]["status"], "canceling");
    let signed = URL_SAFE_NO_PAD.decode(event["serialized"].as_str().unwrap()).unwrap();
    let tag = URL_SAFE_NO_PAD.decode(event["serialized_hmac"].as_str().unwrap().strip_prefix("hmac-sha256:").unwrap()).unwrap();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, world.boundary().audit_key()), &signed, &tag).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&signed).unwrap()["data"], *data);
    let written = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(written.lines().collect::<Vec<_>>(), world.boundary_audit_events());
    world.add_log_group("/hashicorp/boundary");
    assert!(world.ship_boundary_audit("/hashicorp/boundary") && world.ship_boundary_audit("/hashicorp/boundary"));
    assert_eq!(world.log_streams("/hashicorp/boundary").into_values().map(|events| events.len()).sum::<usize>(), 2);
}

#[tokio::test]
async fn a_refused_write_is_told_with_its_status_alone() {
    let world = World::start(WorldOptions::default()).await.unwrap();
    let body = json!({"scope_id": lab::PROJECT_ID, "type": "tcp", "name": "n", "attributes": {"default_port": 1}, "address": "127.0.0.1"});
    assert_eq!(post(&world, "alice", "targets", body.clone()).await, 403);
    assert_eq!(post(&world, "admin", "targets", body).await, 200);
    let events = events(&world);
    assert_eq!(events[0]["data"]["response"], json!({"status_code": 403}));
    assert_eq!(events[0]["data"]["request"]["details"]["item"]["name"], json!({"value": "n"}));
    let made = &events[1]["data"]["response"]["details"];
    assert_eq!(made["uri"], json!(format!("targets/{}", made["item"]["id"].as_str().unwrap())));
}
