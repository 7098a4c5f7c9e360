//! Sessions: authorised, used, listed, cancelled.

use crate::world::{self, World};
use boundary_api::{ErrorKind, ListOptions, NewTarget, SessionStatus};
use secrecy::ExposeSecret;
use serde_json::json;
use std::time::Duration;
use tokio::net::TcpListener;
use uuid::Uuid;

pub(crate) async fn a_session_is_authorized_listed_and_cancelled(world: &World) {
    let target = world.target("one").await;
    let other = world.target("two").await;
    let client = world.client.with_correlation_id(Uuid::new_v4());
    let made = client.targets().authorize_session(&target.id).await.unwrap();
    world.client.targets().authorize_session(&other.id).await.unwrap();
    assert!(made.session_id.starts_with("s_") && made.user_id.starts_with("u_") && made.credentials.is_empty());
    assert_eq!((made.target_id.as_str(), made.endpoint_port), (target.id.as_str(), 8443));
    assert!(made.authorization_token.expose_secret().bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert!(made.expiration.unwrap() > made.created_time.unwrap());

    let sessions = world.client.sessions();
    let read = sessions.read(&made.session_id).await.unwrap();
    assert_eq!((read.status, read.version, read.user_id.as_str()), (SessionStatus::Pending, 1, made.user_id.as_str()));
    assert_eq!((read.states.len(), read.connections.len(), read.termination_reason.as_str()), (1, 0, ""));
    assert_eq!(read.expiration_time, made.expiration);
    assert!(read.raw["certificate"].is_string() && read.auth_token_id.starts_with("at_"));

    let filter = format!(r#""/item/target_id" == "{}" and "/item/status" == "pending""#, target.id);
    for options in [ListOptions::in_scope(&world.project_id), ListOptions::in_scope(&world.org_id).recursive()] {
        let found = sessions.list_all(options.filter(&filter)).await.unwrap();
        assert_eq!(found.items.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), [made.session_id.as_str()]);
    }

    let cancelled = sessions.cancel_current(&made.session_id).await.unwrap();
    assert!(cancelled.status.is_ending() && cancelled.states.len() > 1, "{cancelled:?}");
    let again = sessions.cancel_current(&made.session_id).await.unwrap();
    assert!(again.status.is_ending());
    let all = sessions.list_all(ListOptions::in_scope(&world.project_id).include_terminated()).await.unwrap();
    assert_eq!(all.items.len(), 2);
}

pub(crate) async fn a_stale_cancel_is_a_version_conflict(world: &World) {
    let target = world.target("one").await;
    let session = world.client.targets().authorize_session(&target.id).await.unwrap();
    let sessions = world.client.sessions();
    let error = sessions.cancel(&session.session_id, 7).await.unwrap_err();
    let api = error.api().unwrap();
    assert_eq!((api.kind, api.status, api.current_version), (ErrorKind::VersionConflict, 500, Some(1)));
    assert!(sessions.cancel(&session.session_id, 1).await.unwrap().status.is_ending());
}

pub(crate) async fn a_used_session_shows_its_connection(world: &World) {
    let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = echo.local_addr().unwrap().port();
    let new = NewTarget::tcp(&world.project_id, "echo", "127.0.0.1", port);
    let target = world.client.targets().create(&new).await.unwrap();
    let mut tries = 0;
    let session = loop {
        tries += 1;
        let session = world.client.targets().authorize_session(&target.id).await.unwrap();
        match world.use_session(&session, &echo, b"one two three").await {
            Ok(true) => break session,
            Ok(false) => return world::skip("no program boundary to connect with"),
            Err(error) => assert!(tries < 4, "{error}"),
        }
    };
    let sessions = world.client.sessions();
    let closed = async {
        loop {
            let read = sessions.read(&session.session_id).await.unwrap();
            if read.connections.iter().any(|connection| !connection.closed_reason.is_empty()) {
                return read;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let read = tokio::time::timeout(Duration::from_mins(1), closed).await.expect("a closed connection");
    let connection = &read.connections[0];
    assert_eq!((connection.bytes_up, connection.bytes_down), (13, 13));
    assert!(connection.client_tcp_port != 0 && connection.client_tcp_address == "127.0.0.1");
    let listed = sessions.list_all(ListOptions::in_scope(&world.project_id).include_terminated()).await.unwrap();
    assert!(listed.items.iter().all(|item| item.connections.is_empty()), "lists leave the connections out");
    assert!(sessions.cancel_current(&session.session_id).await.unwrap().status.is_ending());
}

/// A JSON credential has the same form as the answer of a generic Vault library.
pub(crate) async fn brokered_credentials_arrive_as_secret_fields(world: &World) {
    let store = json!({ "scope_id": world.project_id, "type": "static", "name": "one" });
    let store_id = world.post("credential-stores", &store).await;
    let object = json!({ "access_key": "AKIASECRET", "lease": 900, "nested": { "a": "b" } });
    let credential =
        json!({ "credential_store_id": store_id, "type": "json", "name": "one", "attributes": { "object": object } });
    let source_id = world.post("credentials", &credential).await;
    let target = world.target("one").await;
    world.client.targets().set_brokered_credential_sources(&target.id, 1, &[&source_id]).await.unwrap();

    let session = world.client.targets().authorize_session(&target.id).await.unwrap();
    let [brokered] = &session.credentials[..] else { panic!("one credential") };
    let source = &brokered.credential_source;
    assert_eq!((&source.id, source.source_type.as_str(), source.credential_type.as_str()), (&source_id, "static", "json"));
    for fields in [&brokered.secret.decoded, &brokered.credential] {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
        assert_eq!(fields, [("access_key", "AKIASECRET"), ("lease", "900"), ("nested", r#"{"a":"b"}"#)]);
    }
    assert!(!brokered.secret.raw.expose_secret().is_empty() && !format!("{session:?}").contains("SECRET"));
}
