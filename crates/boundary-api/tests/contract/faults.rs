//! What only a fake does on demand: full rate limits, lost answers, redirects, foreign servers.

use crate::fake::{ADMIN_TOKEN, Fake, Fault};
use crate::settings_of;
use crate::world::{Endpoint, World};
use boundary_api::{Client, ErrorKind, ListOptions, Meaning};
use std::time::Duration;
use uuid::Uuid;

async fn world() -> (Fake, World) {
    let fake = Fake::start().await;
    let world = World::make(&settings_of(&fake), Endpoint::Fake(fake.clone())).await;
    fake.seen();
    (fake, world)
}

#[tokio::test]
async fn a_full_rate_limit_is_waited_for_also_by_a_write() {
    let (fake, world) = world().await;
    fake.next_fails(Fault::Busy { status: 429, retry_after: Some("0") });
    fake.next_fails(Fault::Busy { status: 503, retry_after: Some("0") });
    world.target("one").await;
    assert_eq!(fake.seen().iter().filter(|seen| seen.method == "POST").count(), 3);
}

#[tokio::test]
async fn a_long_rate_limit_is_told_with_its_time() {
    let (fake, world) = world().await;
    fake.next_fails(Fault::Busy { status: 429, retry_after: Some("31") });
    let error = world.client.sessions().list_all(ListOptions::in_scope(&world.project_id)).await.unwrap_err();
    let api = error.api().unwrap();
    assert_eq!((api.kind, api.retry_after, api.message.as_str()), (ErrorKind::RateLimited, Some(Duration::from_secs(31)), ""));
    assert_eq!((error.meaning(), fake.seen().len()), (Meaning::Unavailable, 1));
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_sent_again() {
    let (fake, world) = world().await;
    fake.next_fails(Fault::Lost);
    let error = world.client.targets().create(&world.new_target("one")).await.unwrap_err();
    assert!(error.outcome_is_unknown() && error.meaning() == Meaning::Unreachable, "{error}");
    assert_eq!(fake.seen().len(), 1);
    assert_eq!(world.client.targets().list_all(ListOptions::in_scope(&world.project_id)).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_read_whose_answer_is_lost_is_sent_again() {
    let (fake, world) = world().await;
    fake.next_fails(Fault::Lost);
    assert_eq!(world.client.scopes().read(&world.project_id).await.unwrap().id, world.project_id);
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn the_token_follows_no_redirect() {
    let ((fake, world), elsewhere) = (world().await, Fake::start().await);
    fake.next_fails(Fault::Redirect(format!("http://127.0.0.1:{}/v1/targets/ttcp_1", elsewhere.port)));
    let error = world.client.targets().read("ttcp_1").await.unwrap_err();
    assert_eq!((error.api().unwrap().status, elsewhere.seen().len()), (307, 0));
}

#[tokio::test]
async fn an_authorization_carries_its_correlation_id_and_token_once() {
    let (fake, world) = world().await;
    let target = world.target("one").await;
    fake.seen();
    let correlation_id = Uuid::new_v4();
    world.client.with_correlation_id(correlation_id).targets().authorize_session(&target.id).await.unwrap();
    world.client.targets().read(&target.id).await.unwrap();
    let [authorize, read] = &fake.seen()[..] else { panic!("two requests") };
    assert_eq!(authorize.path, format!("/v1/targets/{}:authorize-session", target.id));
    assert_eq!(authorize.correlation_id, Some(correlation_id.to_string()));
    assert_eq!((authorize.token.as_deref(), read.correlation_id.as_deref()), (Some(ADMIN_TOKEN), None));
}

#[tokio::test]
async fn a_foreign_server_is_not_understood_and_shows_no_escape() {
    let (fake, world) = world().await;
    fake.next_fails(Fault::Says { status: 200, body: "<html>\u{1b}[2J</html>" });
    fake.next_fails(Fault::Says { status: 404, body: "<html>\u{1b}[2J</html>" });
    fake.next_fails(Fault::Says { status: 403, body: r#"{"kind":"PermissionDenied","message":"no\u001b[2J"}"# });
    for meaning in [Meaning::Broken, Meaning::Broken, Meaning::Denied] {
        let error = world.client.targets().read("ttcp_1").await.unwrap_err();
        assert_eq!(error.meaning(), meaning);
        assert!(!cli_kit::chain_text(&error).contains('\u{1b}'));
    }
}

#[tokio::test]
async fn a_race_is_run_again_and_lost_after_three_rounds() {
    const STALE: Fault =
        Fault::Says { status: 404, body: r#"{"kind":"NotFound","message":"not found or incorrect version provided."}"# };
    let (fake, world) = world().await;
    let target = world.target("one").await;
    fake.seen();
    let interfering = |_: &boundary_api::Target| {
        fake.with(|store| store.change(&target.id, &serde_json::json!({ "description": "theirs" })));
        Some(boundary_api::TargetPatch::default())
    };
    let error = world.client.targets().update_current(&target.id, interfering).await.unwrap_err();
    assert_eq!((error.kind(), error.api().unwrap().current_version), (Some(ErrorKind::VersionConflict), Some(4)));
    assert_eq!(fake.seen().iter().filter(|seen| seen.method == "PATCH").count(), 3);
    fake.next_fails(STALE);
    let missing = world.client.targets().update(&target.id, 4, &boundary_api::TargetPatch::default()).await.unwrap_err();
    assert_eq!(missing.kind(), Some(ErrorKind::NotFound), "the version is the same: it was not the version");
}

#[tokio::test]
async fn the_settings_reach_the_controller_through_each_form_of_token() {
    let (fake, world) = world().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{ADMIN_TOKEN}\n")).unwrap();
    for text in [ADMIN_TOKEN.to_owned(), "env://NAMED".to_owned(), format!("file://{}", file.display())] {
        let settings = boundary_api::Settings::from_variables(|name| match name {
            "BOUNDARY_ADDR" => Some(format!("{}/v1", world.settings.addr)),
            "BOUNDARY_TOKEN" => Some(text.clone()),
            "NAMED" => Some(ADMIN_TOKEN.to_owned()),
            _ => None,
        });
        let client = Client::connect(&settings.unwrap()).unwrap();
        client.scopes().read(&world.project_id).await.unwrap();
        assert_eq!(fake.seen()[0].token.as_deref(), Some(ADMIN_TOKEN), "{text}");
    }
}

#[tokio::test]
async fn an_item_that_changes_between_pages_is_listed_once_in_its_last_form() {
    const FIRST: &str =
        r#"{"items":[{"id":"ttcp_1","version":1},{"id":"ttcp_2","version":1}],"response_type":"delta","list_token":"a"}"#;
    const LAST: &str = r#"{"items":[{"id":"ttcp_1","version":2}],"response_type":"complete","list_token":"b"}"#;
    let (fake, world) = world().await;
    for body in [FIRST, LAST] {
        fake.next_fails(Fault::Says { status: 200, body });
    }
    let listing = world.client.targets().list_all(ListOptions::in_scope(&world.project_id)).await.unwrap();
    let items: Vec<_> = listing.items.iter().map(|item| (item.id.as_str(), item.version)).collect();
    assert_eq!(items, [("ttcp_1", 2), ("ttcp_2", 1)]);
    let seen = fake.seen();
    assert_eq!((seen[0].query.get("list_token"), seen[1].query["list_token"].as_str()), (None, "a"));

    for body in [FIRST, FIRST] {
        fake.next_fails(Fault::Says { status: 200, body });
    }
    let error = world.client.targets().list_all(ListOptions::in_scope(&world.project_id)).await.unwrap_err();
    assert_eq!((error.meaning(), fake.seen().len()), (Meaning::Broken, 2), "the same token again leads nowhere");
}
