//! The controller, asked by the toolkit's own client, and by hand where its documents are looked at.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use boundary_api::{Client, ErrorKind, ListOptions, Meaning, SessionStatus, Settings};
use lab::{BoundaryTarget, JournalEntry, World, WorldOptions};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::WATCHDOG;

const TARGET: &str = "ttcp_lab0000001";
const PROJECT: &str = "p_lab0000001";

pub(crate) async fn world() -> World {
    World::start(WorldOptions { kms: false, ..WorldOptions::default() }).await.unwrap()
}

pub(crate) fn client_of(world: &World, login_name: &str) -> Client {
    let environment = world.boundary().environment_of(login_name);
    let find = |name: &str| environment.iter().find(|pair| pair.0 == name).map(|pair| pair.1.clone());
    Client::connect(&Settings::from_variables(find).unwrap()).unwrap()
}

fn variable(world: &World, name: &str) -> String {
    world.boundary_environment().into_iter().find(|pair| pair.0 == name).unwrap().1
}

/// Asks by hand: status and document.
fn ask(world: &World, request: &str, headers: &str, body: &str) -> (u16, Value) {
    let address = variable(world, "BOUNDARY_ADDR").replace("http://", "");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nhost: lab\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap())
}

fn bearer(world: &World) -> String {
    format!("authorization: Bearer {}\r\n", variable(world, "BOUNDARY_TOKEN"))
}

#[tokio::test]
async fn the_environment_holds_address_and_token_and_nothing_else() {
    let world = world().await;
    let environment = world.boundary_environment();
    assert_eq!(environment.iter().map(|pair| pair.0.as_str()).collect::<Vec<_>>(), ["BOUNDARY_ADDR", "BOUNDARY_TOKEN"]);
    assert!(environment[0].1.starts_with("http://127.0.0.1:") && environment[1].1.starts_with("at_lab0000001_s1"));
}

#[tokio::test]
async fn a_target_is_read_by_id_and_by_alias() {
    let world = world().await;
    let targets = [TARGET, "inv-lab.rosa"].map(|name| {
        let client = client_of(&world, "alice");
        async move { client.targets().read(name).await.unwrap() }
    });
    for target in targets {
        let target = target.await;
        assert_eq!((target.id.as_str(), target.address.as_str()), (TARGET, "ssmmessages.us-east-2.amazonaws.com"));
        assert_eq!(
            (target.attributes.default_port, target.session_connection_limit, target.session_max_seconds),
            (443, -1, 28_800)
        );
        assert_eq!((target.scope_id.as_str(), target.description.as_str()), (PROJECT, ""));
        assert!(target.raw.get("description").is_none(), "what is empty is absent");
    }
    assert!(world.boundary().set_target(TARGET, |target| target.description = "managed-by: x\nwords".to_owned()));
    assert_eq!(client_of(&world, "alice").targets().read(TARGET).await.unwrap().description, "managed-by: x\nwords");
    world.boundary().add_target(BoundaryTarget { id: "ttcp_lab0000009".to_owned(), aliases: vec![], ..Default::default() });
    assert!(client_of(&world, "alice").targets().read("ttcp_lab0000009").await.unwrap().aliases.is_empty());
}

#[tokio::test]
async fn a_session_is_authorised_with_its_secrets() {
    let world = world().await;
    let secret = json!({ "access_key": "AKIALAB", "secret_key": "s3cr3t", "security_token": "t0k3n" });
    world.boundary().set_target(TARGET, |target| target.brokered = Some(secret));
    let correlation_id = Uuid::new_v4();
    let client = client_of(&world, "alice").with_correlation_id(correlation_id);
    let made = client.targets().authorize_session("inv-lab.rosa").await.unwrap();
    assert_eq!((made.user_id.as_str(), made.target_id.as_str(), made.endpoint_port), ("u_lab0000001", TARGET, 443));
    assert_eq!(made.endpoint, "tcp://ssmmessages.us-east-2.amazonaws.com:443");
    let [brokered] = &made.credentials[..] else { panic!("one credential") };
    assert_eq!(brokered.credential_source.source_type, "vault-generic");
    assert_eq!(brokered.secret.decoded["secret_key"].expose_secret(), "s3cr3t");

    let said = boundary_proxy::Authorization::decode(&made.authorization_token).unwrap();
    assert_eq!((said.session_id(), said.expiration()), (made.session_id.as_str(), made.expiration));
    assert_eq!(said.workers(), [world.worker_address().to_string()]);
    assert!(world.journal().contains(&JournalEntry::BoundarySessionAuthorized {
        session_id: made.session_id.clone(),
        target_id: TARGET.to_owned(),
        user_id: "u_lab0000001".to_owned(),
        correlation_id: Some(correlation_id.to_string()),
    }));
}

#[tokio::test]
async fn a_fresh_session_is_pending_and_its_zeros_are_absent() {
    let world = world().await;
    let made = client_of(&world, "alice").targets().authorize_session(TARGET).await.unwrap();
    let read = client_of(&world, "alice").sessions().read(&made.session_id).await.unwrap();
    assert_eq!((read.status, read.version, read.user_id.as_str()), (SessionStatus::Pending, 1, "u_lab0000001"));
    assert_eq!(read.expiration_time, made.expiration);
    for absent in ["termination_reason", "connections", "host_id"] {
        assert!(read.raw.get(absent).is_none(), "{absent}");
    }
    assert!(read.raw["certificate"].is_string() && read.raw["states"][0].get("end_time").is_none());
}

#[tokio::test]
async fn a_cancel_needs_the_version_and_is_idempotent() {
    let world = world().await;
    let client = client_of(&world, "alice");
    let id = client.targets().authorize_session(TARGET).await.unwrap().session_id;
    let stale = client.sessions().cancel(&id, 7).await.unwrap_err();
    assert_eq!((stale.kind(), stale.api().unwrap().status), (Some(ErrorKind::VersionConflict), 500));
    let canceled = client.sessions().cancel(&id, 1).await.unwrap();
    assert_eq!((canceled.status, canceled.version), (SessionStatus::Canceling, 2));
    let states: Vec<_> = canceled.states.iter().map(|state| state.status).collect();
    assert_eq!(states, [SessionStatus::Canceling, SessionStatus::Pending], "the newest first");
    assert_eq!(canceled.states[1].end_time, canceled.states[0].start_time);
    assert!(client.sessions().cancel(&id, 1).await.unwrap().status.is_ending(), "whatever the version");
    let is_cancel =
        |entry: &JournalEntry| matches!(entry, JournalEntry::BoundarySessionCanceled { session_id, .. } if *session_id == id);
    assert!(world.journal().iter().any(is_cancel));
}

#[tokio::test]
async fn a_list_shows_what_the_caller_may_see_and_says_200() {
    let world = world().await;
    let (alice, bob) = (client_of(&world, "alice"), client_of(&world, "bob"));
    let made = alice.targets().authorize_session(TARGET).await.unwrap();
    let ids = |client: Client, options: ListOptions| async move {
        let items = client.sessions().list_all(options).await.unwrap().items;
        items.into_iter().map(|item| item.id.clone()).collect::<Vec<_>>()
    };
    let in_project = || ListOptions::in_scope(PROJECT);
    assert_eq!(ids(alice.clone(), in_project()).await, [made.session_id.as_str()]);
    assert_eq!(ids(alice.clone(), ListOptions::in_scope("o_lab0000001").recursive()).await.len(), 1);
    assert!(ids(bob.clone(), in_project()).await.is_empty());
    let denied = bob.sessions().read(&made.session_id).await.unwrap_err();
    assert_eq!(denied.meaning(), Meaning::Denied);
    world.boundary().make_auditor("u_lab0000002");
    assert_eq!(ids(bob, in_project()).await, [made.session_id.as_str()]);

    let filtered = |id: &str| in_project().filter(format!(r#""/item/target_id"=="{id}""#).as_str());
    assert_eq!(ids(alice.clone(), filtered(TARGET)).await.len(), 1);
    assert!(ids(alice.clone(), filtered("ttcp_lab0000009")).await.is_empty());
    for options in [in_project().filter(r#""/item/target_id" matched "x""#), ListOptions::in_scope("o_lab0000001")] {
        let refused = alice.sessions().list_all(options).await.unwrap_err();
        assert_eq!(refused.kind(), Some(ErrorKind::InvalidArgument));
    }
    world.boundary().cancel(&made.session_id);
    let is_over = |world: &World| world.boundary().status(&made.session_id) == Some(lab::BoundaryStatus::Terminated);
    tokio::time::timeout(WATCHDOG, async {
        while !is_over(&world) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the cancel comes through");
    assert!(ids(alice.clone(), in_project()).await.is_empty());
    assert_eq!(ids(alice, in_project().include_terminated()).await.len(), 1);
}

#[tokio::test]
async fn refusals_are_told_as_the_controller_tells_them() {
    let world = world().await;
    let (status, body) = ask(&world, "GET /v1/targets/ttcp_none", "", "");
    assert_eq!((status, body), (404, json!({ "kind": "NotFound", "message": "Resource not found." })), "before the token");
    let (status, body) = ask(&world, &format!("GET /v1/targets/{TARGET}"), "", "");
    assert_eq!((status, body["kind"].as_str()), (401, Some("Unauthenticated")));
    let odd = format!("{}x-correlation-id: 42\r\n", bearer(&world));
    let (status, body) = ask(&world, &format!("GET /v1/targets/{TARGET}"), &odd, "");
    assert_eq!((status, body["kind"].as_str()), (500, Some("Internal")));
    let (status, body) = ask(&world, &format!("GET /v1/sessions?scope_id={PROJECT}"), &bearer(&world), "");
    assert_eq!((status, body), (200, json!({ "response_type": "complete", "sort_by": "created_time", "sort_dir": "desc" })));
    world.boundary().set_target(TARGET, |target| target.user_ids = vec!["u_lab0000002".to_owned()]);
    let (status, body) = ask(&world, &format!("POST /v1/targets/{TARGET}:authorize-session"), &bearer(&world), "{}");
    assert_eq!((status, body["kind"].as_str()), (403, Some("PermissionDenied")));
    assert!(world.boundary().session_ids().is_empty());
    let (status, user) = ask(&world, "GET /v1/users/u_lab0000001", &bearer(&world), "");
    assert_eq!((status, user["login_name"].as_str()), (200, Some("alice")));
}
