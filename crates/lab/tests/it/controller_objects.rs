//! The controller's objects: what the client's own contract does not check.

use std::time::{Duration, Instant};

use boundary_api::{Change, Client, ErrorKind, ListOptions, Meaning, NewAlias, NewRole, NewTarget, Settings, TargetPatch};
use lab::{AUTH_METHOD_ID, BoundaryStatus, BoundaryUser, PROJECT_ID, World};

use crate::controller::{client_of, world};

const SYNC: [&str; 5] = [
    "ids=*;type=target;actions=create,read,update,delete,list",
    "ids=*;type=alias;actions=create,read,update,delete,list",
    "ids=*;type=role;actions=create,read,update,delete,list,set-grants,set-principals",
    "ids=*;type=session;actions=list,read",
    "ids=*;type=user;actions=list,read",
];

fn client(user: &BoundaryUser) -> Client {
    let find = |name: &str| user.environment.iter().find(|pair| pair.0 == name).map(|pair| pair.1.clone());
    let settings = Settings { max_retries: 0, ..Settings::from_variables(find).unwrap() };
    Client::connect(&settings).unwrap()
}

fn sync(world: &World) -> Client {
    client(&world.boundary().add_user("target-sync", &SYNC, &["this", "descendants"]))
}

fn target(name: &str) -> NewTarget {
    NewTarget::tcp(PROJECT_ID, name, "127.0.0.1", 8443)
}

/// Measured: the controller writes an address before it looks at the version.
#[tokio::test]
async fn an_address_is_written_although_the_update_is_refused() {
    let world = world().await;
    let targets = sync(&world);
    let targets = targets.targets();
    let made = targets.create(&target("one")).await.unwrap();
    let patch = |address: Change<String>| TargetPatch { address, ..TargetPatch::default() };
    let refused = targets.update(&made.id, 9, &patch(Change::Set("10.0.0.9".to_owned()))).await.unwrap_err();
    assert_eq!(refused.api().unwrap().status, 404);
    let read = targets.read(&made.id).await.unwrap();
    assert_eq!((read.address.as_str(), read.version), ("10.0.0.9", 1));
    let unset = targets.update(&made.id, 9, &patch(Change::Clear)).await.unwrap();
    assert_eq!((unset.address.as_str(), unset.version), ("", 1));
    let session = client_of(&world, "admin").targets().authorize_session(&made.id).await.unwrap_err();
    assert_eq!((session.kind(), session.api().unwrap().status), (Some(ErrorKind::NotFound), 404));
}

#[tokio::test]
async fn a_deleted_target_cancels_its_sessions_and_blanks_its_id() {
    let world = world().await;
    let admin = client_of(&world, "admin");
    let made = admin.targets().create(&target("one")).await.unwrap();
    let session = admin.targets().authorize_session(&made.id).await.unwrap().session_id;
    let alias = admin.aliases().create(&NewAlias::of_target("One.Rosa", &made.id)).await.unwrap();
    admin.targets().delete(&made.id).await.unwrap();
    let read = admin.sessions().read(&session).await.unwrap();
    assert!(read.status.is_ending() && read.version == 1, "a trigger ends it: {read:?}");
    assert_eq!((read.target_id.as_str(), read.raw.get("type")), ("", None));
    let orphan = admin.aliases().read(&alias.id).await.unwrap();
    assert_eq!((orphan.value.as_str(), orphan.destination_id.as_str(), orphan.version), ("One.Rosa", "", 1));
}

#[tokio::test]
async fn rights_come_from_roles_and_a_worker_must_fit() {
    let world = world().await;
    let admin = client_of(&world, "admin");
    let new = NewTarget { egress_worker_filter: Some(r#""sre" in "/tags/team""#.to_owned()), ..target("one") };
    let made = admin.targets().create(&new).await.unwrap();
    let may = |world: &World| world.boundary().may_authorize("u_lab0000001", &made.id);
    assert!(!may(&world));
    let alice = client_of(&world, "alice");
    assert_eq!(alice.targets().read(&made.id).await.unwrap_err().meaning(), Meaning::Denied);
    let role = admin.roles().create(&NewRole { scope_id: PROJECT_ID.to_owned(), ..NewRole::default() }).await.unwrap();
    let grant = format!("ids={};actions=read,authorize-session", made.id);
    admin.roles().set_grants(&role.id, 1, &[grant]).await.unwrap();
    admin.roles().set_principals(&role.id, 2, &["u_lab0000001"]).await.unwrap();
    assert_eq!(alice.targets().read(&made.id).await.unwrap().authorized_actions.len(), 2);
    let filtered = alice.targets().authorize_session(&made.id).await.unwrap_err();
    assert_eq!(filtered.api().unwrap().status, 500);
    assert!(filtered.to_string().contains("No workers are available"), "{filtered}");
    assert!(!may(&world), "no worker takes it");
    world.boundary().set_worker("w-sre", &serde_json::json!({ "team": ["sre"] }), true);
    assert!(may(&world));
    alice.targets().authorize_session(&made.id).await.unwrap();
    world.boundary().set_worker("w-sre", &serde_json::json!({ "team": ["sre"] }), false);
    assert!(!may(&world), "no worker is alive");
}

#[tokio::test]
async fn who_may_list_nowhere_is_refused_and_who_may_somewhere_sees_that() {
    let world = world().await;
    let nobody = client(&world.boundary().add_user("nobody", &[], &["this"]));
    let in_project = || ListOptions::in_scope(PROJECT_ID);
    assert_eq!(nobody.targets().list_all(in_project()).await.unwrap_err().meaning(), Meaning::Denied);
    let one = client(&world.boundary().add_user(
        "one",
        &["type=target;actions=list", "ids=ttcp_lab0000001;actions=read"],
        &[PROJECT_ID],
    ));
    sync(&world).targets().create(&target("hidden")).await.unwrap();
    for options in [in_project(), ListOptions::in_scope("global").recursive()] {
        let seen = one.targets().list_all(options).await.unwrap().items;
        assert_eq!(seen.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["inv-lab"]);
    }
}

#[tokio::test]
async fn an_expired_token_is_refused_and_a_new_login_helps() {
    let world = world().await;
    let user = world.boundary().add_user("target-sync", &SYNC, &["descendants"]);
    let known = client(&user);
    world.boundary().advance_clock(Duration::from_hours(8 * 24));
    assert_eq!(known.targets().read("ttcp_lab0000001").await.unwrap_err().meaning(), Meaning::Unauthenticated);
    let password = user.password.as_str().into();
    let fresh = known.authenticate_password(AUTH_METHOD_ID, &user.login_name, &password).await.unwrap();
    assert_eq!((fresh.user_id, fresh.account_id), (user.user_id, user.account_id));
    let wrong = known.authenticate_password(AUTH_METHOD_ID, &user.login_name, &"wrong".into()).await.unwrap_err();
    assert_eq!(wrong.meaning(), Meaning::Unauthenticated);
}

#[tokio::test]
async fn a_terminated_session_is_gone_after_an_hour() {
    let world = world().await;
    let admin = client_of(&world, "admin");
    let session = admin.targets().authorize_session("inv-lab.rosa").await.unwrap().session_id;
    world.boundary().advance_clock(Duration::from_secs(28_801));
    assert_eq!(world.boundary().status(&session), Some(BoundaryStatus::Terminated));
    assert_eq!(world.boundary().snapshot()["sessions"][0]["termination_reason"], "timed out");
    world.boundary().advance_clock(Duration::from_secs(3_601));
    assert_eq!(admin.sessions().read(&session).await.unwrap_err().kind(), Some(ErrorKind::NotFound));
}

#[tokio::test]
async fn faults_come_as_they_were_asked_for() {
    let world = world().await;
    let (sync, boundary) = (sync(&world), world.boundary());
    boundary.lose_answer_of_write(1);
    boundary.cut_write(2);
    for (name, there) in [("lost", true), ("cut", false)] {
        let error = sync.targets().create(&target(name)).await.unwrap_err();
        assert!(error.outcome_is_unknown(), "{error}");
        let filter = format!(r#""/item/name" == "{name}""#);
        let found = sync.targets().list_all(ListOptions::in_scope(PROJECT_ID).filter(&filter)).await.unwrap();
        assert_eq!(found.items.len(), usize::from(there), "{name}");
    }
    boundary.limit_rate(1, 31);
    let limited = sync.targets().create(&target("three")).await.unwrap_err();
    assert_eq!(
        (limited.kind(), limited.api().unwrap().retry_after),
        (Some(ErrorKind::RateLimited), Some(Duration::from_secs(31)))
    );
    boundary.be_unavailable(1, None);
    assert_eq!(sync.targets().read("ttcp_lab0000001").await.unwrap_err().kind(), Some(ErrorKind::Unavailable));
    boundary.go_away();
    assert_eq!(sync.targets().read("ttcp_lab0000001").await.unwrap_err().meaning(), Meaning::Unreachable);
    boundary.come_back();
    sync.targets().read("ttcp_lab0000001").await.unwrap();
    assert_eq!((boundary.request_counts()["POST /v1/targets"], boundary.write_count()), (3, 3));
}

/// Measured, name by name: `r1` is on no page.
#[tokio::test]
async fn pages_of_changed_roles_repeat_some_and_lose_others() {
    let world = world().await;
    let admin = client_of(&world, "admin");
    let project_id = world.boundary().add_project("roles");
    let mut ids = Vec::new();
    for n in 0..6 {
        let new = NewRole { scope_id: project_id.clone(), name: Some(format!("r{n}")), description: None };
        ids.push(admin.roles().create(&new).await.unwrap().id.clone());
    }
    let pages = async |size: u32| {
        let mut pages = admin.roles().list(ListOptions::in_scope(&project_id).page_size(size));
        let mut names = Vec::new();
        while let Some(page) = pages.next().await.unwrap() {
            names.push(page.items.iter().map(|role| role.name.clone()).collect::<Vec<_>>().join(" "));
        }
        names
    };
    assert_eq!(pages(2).await, ["r5 r4", "r3 r2", "r1 r0"]);
    for n in [0, 2] {
        admin.roles().set_grants(&ids[n], 1, &["ids=*;type=target;actions=read"]).await.unwrap();
    }
    assert_eq!(pages(2).await, ["r5 r4", "r2 r3", "r2 r0", ""]);
    assert_eq!(pages(4).await, ["r2 r5 r4 r3", "r2 r0 r1"]);
    assert_eq!(pages(100).await, ["r2 r0 r5 r4 r3 r1"]);
}

#[tokio::test]
async fn ten_thousand_targets_are_cheap() {
    let world = world().await;
    let sync = sync(&world);
    for n in 0..10_000 {
        world.boundary().add_target(lab::BoundaryTarget {
            id: format!("ttcp_many{n:05}"),
            name: format!("inv-{n}"),
            aliases: vec![format!("inv-{n}.rosa")],
            ..Default::default()
        });
    }
    let began = Instant::now();
    for n in 0..20 {
        let made = sync.targets().create(&target(&format!("more-{n}"))).await.unwrap();
        sync.aliases().create(&NewAlias::of_target(&format!("more-{n}.rosa"), &made.id)).await.unwrap();
        sync.targets().read(&format!("inv-{n}.rosa")).await.unwrap();
    }
    assert!(began.elapsed() < Duration::from_secs(5), "60 requests took {:?}", began.elapsed());
    let all = sync.targets().list_all(ListOptions::in_scope("global").recursive()).await.unwrap();
    assert_eq!(all.items.len(), 10_021);
}
