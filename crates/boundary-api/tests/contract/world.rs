//! An organisation with a project for one check, on the fake or on a real controller; and what the client itself cannot do.

use crate::fake::Fake;
use boundary_api::{
    AuthToken, Client, Item, ListOptions, NewScope, NewTarget, NewUser, SessionAuthorization, Settings, Target, User,
};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

/// What stands behind the client.
#[derive(Clone)]
pub(crate) enum Endpoint {
    Fake(Fake),
    Real,
}

/// An organisation and a project that nobody else knows.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) endpoint: Endpoint,
    pub(crate) org_id: String,
    pub(crate) project_id: String,
    /// A word that no other check has, good for names and aliases.
    pub(crate) unique: String,
}

/// A user who may do nothing but what everybody may.
pub(crate) struct Person {
    pub(crate) user: Item<User>,
    pub(crate) token: AuthToken,
    pub(crate) auth_method_id: String,
}

pub(crate) const PASSWORD: &str = "of-no-value-1";

impl World {
    pub(crate) async fn make(settings: &Settings, endpoint: Endpoint) -> Self {
        let client = Client::connect(settings).unwrap();
        let unique = format!("contract-{}", Uuid::new_v4().simple());
        let scope = |scope_id: &str| NewScope { scope_id: scope_id.to_owned(), name: unique.clone(), description: None };
        let org = client.scopes().create_without_roles(&scope("global")).await.unwrap();
        let project = client.scopes().create_without_roles(&scope(&org.id)).await.unwrap();
        let (org_id, project_id) = (org.id.clone(), project.id.clone());
        Self { client, settings: settings.clone(), endpoint, org_id, project_id, unique }
    }

    /// Deletes the aliases, and the organisation with all that is in it. Passwords go first: the controller deletes no organisation
    /// that holds some (measured).
    pub(crate) async fn take_away(self) {
        let filter = format!(r#""/item/value" contains "{}""#, self.unique);
        for alias in self.client.aliases().list_all(ListOptions::in_scope("global").filter(&filter)).await.unwrap().items {
            self.client.aliases().delete(&alias.id).await.unwrap();
        }
        let methods = self.send(Method::GET, &format!("auth-methods?scope_id={}", self.org_id), &json!({})).await;
        for method in methods["items"].as_array().into_iter().flatten() {
            let path = format!("auth-methods/{}", method["id"].as_str().unwrap());
            self.send(Method::DELETE, &path, &json!({})).await;
        }
        self.client.scopes().delete(&self.org_id).await.unwrap();
    }

    pub(crate) fn new_target(&self, name: &str) -> NewTarget {
        NewTarget::tcp(&self.project_id, name, "127.0.0.1", 8443)
    }

    pub(crate) async fn target(&self, name: &str) -> Item<Target> {
        self.client.targets().create(&self.new_target(name)).await.unwrap()
    }

    /// Returns a client with another token.
    pub(crate) fn client_with(&self, token: Option<&str>) -> Client {
        let settings = Settings { token: token.map(Into::into), ..self.settings.clone() };
        Client::connect(&settings).unwrap()
    }

    /// Makes a user with a password and logs in.
    pub(crate) async fn person(&self) -> Person {
        let method = json!({ "scope_id": self.org_id, "type": "password", "name": "people" });
        let auth_method_id = self.post("auth-methods", &method).await;
        let attributes = json!({ "login_name": "someone", "password": PASSWORD });
        let account = json!({ "auth_method_id": auth_method_id, "type": "password", "attributes": attributes });
        let account_id = self.post("accounts", &account).await;
        let new = NewUser { scope_id: self.org_id.clone(), name: Some("someone".to_owned()), description: None };
        let user = self.client.users().create(&new).await.unwrap();
        let user = self.client.users().add_accounts(&user.id, user.version, &[&account_id]).await.unwrap();
        let token = self.client.authenticate_password(&auth_method_id, "someone", &PASSWORD.into()).await.unwrap();
        Person { user, token, auth_method_id }
    }

    /// Creates what the client has no form for; returns its id.
    pub(crate) async fn post(&self, plural: &str, body: &Value) -> String {
        self.send(Method::POST, plural, body).await["id"].as_str().unwrap().to_owned()
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Value {
        let url = format!("{}/v1/{path}", self.settings.addr);
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(1)).build().unwrap();
        let token = self.settings.token.as_ref().unwrap().expose_secret();
        let sent = http.request(method, url).bearer_auth(token).body(body.to_string()).send().await.unwrap();
        let answer = sent.error_for_status().unwrap().bytes().await.unwrap();
        serde_json::from_slice(&answer).unwrap_or_default()
    }

    /// Uses a session for one connection with `sent` both ways; false when this machine cannot. An error is a lost connection:
    /// the stock worker loses some first ones over loopback (measured).
    pub(crate) async fn use_session(&self, session: &SessionAuthorization, echo: &TcpListener, sent: &[u8]) -> io::Result<bool> {
        match &self.endpoint {
            Endpoint::Real => connect(session, echo, sent).await,
            Endpoint::Fake(fake) => {
                let bytes = sent.len().to_string();
                let connection = json!({ "client_tcp_address": "127.0.0.1", "client_tcp_port": 4711, "invented": true,
                    "endpoint_tcp_address": "127.0.0.1", "bytes_up": bytes, "bytes_down": bytes, "closed_reason": "unknown" });
                let fields = json!({ "status": "active", "connections": [connection] });
                fake.with(|store| store.change(&session.session_id, &fields));
                Ok(true)
            }
        }
    }
}

/// Says why something is not checked.
#[expect(clippy::print_stderr, reason = "the person who runs the tests must know")]
pub(crate) fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// Runs `boundary connect` with the session's token, and one connection through it.
async fn connect(session: &SessionAuthorization, echo: &TcpListener, sent: &[u8]) -> io::Result<bool> {
    let mut command = tokio::process::Command::new("boundary");
    command.args(["connect", "-format", "json"]).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    command.env("BOUNDARY_CONNECT_AUTHZ_TOKEN", session.authorization_token.expose_secret()).env_remove("BOUNDARY_TOKEN");
    command.env("BOUNDARY_SKIP_CACHE_DAEMON", "1").env("BOUNDARY_KEYRING_TYPE", "none");
    let Ok(mut cli) = command.spawn() else { return Ok(false) };
    let mut lines = BufReader::new(cli.stdout.take().unwrap()).lines();
    let listener: Value = serde_json::from_str(&lines.next_line().await?.unwrap()).unwrap();
    assert_eq!(listener["session_id"], *session.session_id);
    let port = u16::try_from(listener["port"].as_u64().unwrap()).unwrap();
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(sent).await?;
        let (mut peer, _) = echo.accept().await?;
        let mut bytes = vec![0; sent.len()];
        peer.read_exact(&mut bytes).await?;
        peer.write_all(&bytes).await?;
        stream.read_exact(&mut bytes).await?;
        assert_eq!(bytes, sent);
        Ok(())
    };
    let outcome = tokio::time::timeout(Duration::from_secs(20), exchange).await;
    cli.kill().await?;
    outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(|()| true)
}
