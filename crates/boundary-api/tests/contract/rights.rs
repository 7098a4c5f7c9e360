//! Roles, logins and refusals.

use crate::world::{PASSWORD, World};
use boundary_api::{
    Client, Error, ErrorKind, ListOptions, Login, LoginFuture, Meaning, NewRole, NewUser, PasswordLogin, Settings,
};
use secrecy::SecretString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn role_in(world: &World) -> NewRole {
    NewRole { scope_id: world.project_id.clone(), name: Some("one".to_owned()), description: None }
}

pub(crate) async fn a_role_is_set_in_steps(world: &World) {
    let roles = world.client.roles();
    let new = NewUser { scope_id: world.org_id.clone(), name: Some("someone".to_owned()), description: None };
    let user = world.client.users().create(&new).await.unwrap();
    let made = roles.create(&role_in(world)).await.unwrap();
    assert_eq!((made.version, made.grant_scope_ids.as_slice()), (1, ["this".to_owned()].as_slice()));
    let grant = "ids=*;type=target;actions=read,authorize-session";
    let granted = roles.set_grants(&made.id, 1, &[grant]).await.unwrap();
    assert_eq!((granted.version, granted.grant_strings.as_slice()), (2, [grant.to_owned()].as_slice()));
    let given = roles.set_principals(&made.id, 2, &[&user.id]).await.unwrap();
    assert_eq!((given.version, given.principal_ids.as_slice()), (3, [user.id.clone()].as_slice()));
    let stale = roles.set_grants(&made.id, 1, &["ids=*;type=session;actions=list"]).await.unwrap_err();
    assert_eq!(stale.kind(), Some(ErrorKind::VersionConflict), "{stale}");
    assert_eq!(roles.set_principals(&made.id, 3, &[] as &[&str]).await.unwrap().principal_ids, Vec::<String>::new());
}

/// Hands out one token and counts how often it was asked for.
struct Counted {
    token: SecretString,
    logins: Arc<AtomicU32>,
}

impl Login for Counted {
    fn log_in<'a>(&'a self, _client: &'a Client) -> LoginFuture<'a> {
        self.logins.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move { Ok(self.token.clone()) })
    }
}

pub(crate) async fn a_refused_token_is_renewed_once(world: &World) {
    let logins = Arc::new(AtomicU32::new(0));
    let login = Counted { token: world.settings.token.clone().unwrap(), logins: Arc::clone(&logins) };
    let settings = Settings { token: Some("at_0000000000_s1stale".into()), ..world.settings.clone() };
    let client = Client::with_login(&settings, login).unwrap();
    let read = || async { client.scopes().read(&world.project_id).await };
    let answers = tokio::join!(read(), read(), read());
    for answer in [answers.0, answers.1, answers.2] {
        assert_eq!(answer.unwrap().id, world.project_id);
    }
    assert_eq!(logins.load(Ordering::Relaxed), 1);

    let logins = Arc::new(AtomicU32::new(0));
    let useless = Counted { token: "at_0000000000_s1stale".into(), logins: Arc::clone(&logins) };
    let error = Client::with_login(&settings, useless).unwrap().scopes().read(&world.project_id).await.unwrap_err();
    assert_eq!((error.meaning(), logins.load(Ordering::Relaxed)), (Meaning::Unauthenticated, 1));
}

pub(crate) async fn a_lesser_user_sees_less(world: &World) {
    let person = world.person().await;
    assert!(person.token.id.starts_with("at_") && person.token.user_id == person.user.id);
    lesser(world, &person.user.id, &person.auth_method_id).await.unwrap();
}

async fn lesser(world: &World, user_id: &str, auth_method_id: &str) -> Result<(), Error> {
    let target = world.target("one").await;
    let roles = world.client.roles();
    let role = roles.create(&role_in(world)).await?;
    let grants = ["ids=*;type=target;actions=read,list,authorize-session", "ids=*;type=session;actions=list,read:self"];
    roles.set_grants(&role.id, 1, &grants).await?;
    let role = roles.set_principals(&role.id, 2, &[user_id]).await?;
    let mine = Client::with_login(
        &Settings { token: None, ..world.settings.clone() },
        PasswordLogin::new(auth_method_id, "someone", PASSWORD.into()),
    )
    .unwrap();

    world.client.targets().authorize_session(&target.id).await?;
    let session = mine.targets().authorize_session(&target.id).await?;
    assert_eq!(session.user_id, user_id);
    let listing = mine.sessions().list_all(ListOptions::in_scope(&world.project_id)).await?;
    let all = world.client.sessions().list_all(ListOptions::in_scope(&world.project_id)).await?;
    assert_eq!((listing.items.len(), all.items.len()), (1, 2), "a list is cut to the caller's rights and still answers 200");

    let denied = mine.targets().delete(&target.id).await.unwrap_err();
    assert_eq!((denied.meaning(), denied.api().unwrap().status), (Meaning::Denied, 403));

    roles.add_grants(&role.id, role.version, &["ids=*;type=session;actions=cancel:self"]).await?;
    let since = ListOptions::in_scope(&world.project_id).since(listing.list_token.unwrap());
    let error = mine.sessions().list_all(since).await.unwrap_err();
    assert_eq!((error.kind(), error.api().unwrap().status), (Some(ErrorKind::InvalidListToken), 400));
    assert_eq!(mine.sessions().list_all(ListOptions::in_scope(&world.project_id)).await?.items.len(), 1);
    Ok(())
}

pub(crate) async fn refusals_say_what_they_mean(world: &World) {
    let target = world.target("one").await;
    for token in [None, Some("at_0000000000_s1stale")] {
        let client = world.client_with(token);
        let error = client.targets().read(&target.id).await.unwrap_err();
        assert_eq!((error.meaning(), error.kind()), (Meaning::Unauthenticated, Some(ErrorKind::Unauthenticated)));
        let error = client.targets().authorize_session(&target.id).await.unwrap_err();
        assert_eq!((error.meaning(), error.api().unwrap().status), (Meaning::Unauthenticated, 401));
        let error = client.targets().read("ttcp_0000000000").await.unwrap_err();
        assert_eq!(error.meaning(), Meaning::NotFound, "an unknown id comes before the token");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = Settings { addr: format!("http://{closed}"), max_retries: 0, ..world.settings.clone() };
    let error = Client::connect(&settings).unwrap().targets().read("ttcp_0000000000").await.unwrap_err();
    assert_eq!((error.meaning(), error.kind(), error.outcome_is_unknown()), (Meaning::Unreachable, None, false));
    assert!(!cli_kit::chain_text(&error).contains("s1"), "no token in an error");

    let unknown = world.client.authenticate_password("ampw_0000000000", "someone", &PASSWORD.into()).await.unwrap_err();
    assert_eq!(unknown.meaning(), Meaning::NotFound);
}
