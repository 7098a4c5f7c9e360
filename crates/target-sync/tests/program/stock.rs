//! A real Boundary, where one is reached by `BOUNDARY_ADDR` and an administrator's `BOUNDARY_TOKEN`: so that lab and program do
//! not share one misunderstanding. Everything made here stands in a project of its own.

use crate::harness::{GRANTS, Ran, Setting, text};
use boundary_api::{AuthToken, Change, Client, ListOptions, NewAccount, NewRole, NewScope, NewUser, Settings, TargetPatch};
use boundary_proxy::{Authorization, WorkerProxy};
use jiff::Timestamp;
use lab::{TaskSpec, TaskView};
use serde_json::{Value, json};
use std::io::Write as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The dev server's auth method of passwords. Source: `boundary dev`.
const METHOD: &str = "ampw_1234567890";
const PASSWORD: &str = "of-no-value-1";

/// A project of the real controller, people, and the sync's account with no more than its grants.
struct Real {
    admin: Client,
    settings: Settings,
    org_id: String,
    project_id: String,
    unique: String,
    sync: String,
    people: [(String, String); 2],
}

fn reached() -> Option<Settings> {
    if std::env::var_os("BOUNDARY_ADDR").is_none() || std::env::var_os("BOUNDARY_TOKEN").is_none() {
        drop(writeln!(std::io::stderr(), "skipped: BOUNDARY_ADDR and BOUNDARY_TOKEN of a running `boundary dev` are not set"));
        return None;
    }
    Some(Settings::from_variables(|name| std::env::var(name).ok()).unwrap())
}

impl Real {
    async fn make(settings: Settings) -> Self {
        let admin = Client::connect(&settings).unwrap();
        let unique = format!("t{}", Timestamp::now().as_microsecond());
        // An organisation of our own: in that of the dev server everybody may open sessions.
        let scope = |scope_id: &str| NewScope { scope_id: scope_id.to_owned(), name: unique.clone(), description: None };
        let org_id = admin.scopes().create_without_roles(&scope("global")).await.unwrap().id.clone();
        let project_id = admin.scopes().create_without_roles(&scope(&org_id)).await.unwrap().id.clone();
        close_to_everybody(&admin).await;
        let mut people = Vec::new();
        for name in ["alice", "bob", "sync"] {
            people.push(person(&admin, &format!("{name}-{unique}")).await);
        }
        let (sync_id, sync) = people.pop().unwrap();
        for (grant, place) in GRANTS {
            let (scope_id, scopes) = if place == "this" { ("global", "this") } else { ("global", place) };
            let scopes = if place.starts_with("p_") { project_id.as_str() } else { scopes };
            let name = format!("{unique} {}", &grant[6..20]);
            let role = NewRole { scope_id: scope_id.to_owned(), name: Some(name), description: None };
            let role = admin.roles().create(&role).await.unwrap();
            let scopes = if scopes == "descendants" { vec!["this", "descendants"] } else { vec![scopes] };
            let role = admin.roles().set_grant_scopes(&role.id, role.version, &scopes).await.unwrap();
            let role = admin.roles().set_grants(&role.id, role.version, &[grant]).await.unwrap();
            admin.roles().set_principals(&role.id, role.version, &[&sync_id]).await.unwrap();
        }
        Self { admin, settings, org_id, project_id, unique, sync, people: people.try_into().unwrap() }
    }

    async fn take_away(self) {
        let filter = format!(r#""/item/value" contains "{}""#, self.unique);
        for alias in self.admin.aliases().list_all(ListOptions::in_scope("global").filter(&filter)).await.unwrap().items {
            self.admin.aliases().delete(&alias.id).await.unwrap();
        }
        self.admin.scopes().delete(&self.org_id).await.unwrap();
        for (user_id, _) in &self.people {
            self.admin.users().delete(user_id).await.unwrap();
        }
    }

    async fn login(&self, who: usize) -> Client {
        let token: AuthToken = self.admin.authenticate_password(METHOD, &self.people[who].1, &PASSWORD.into()).await.unwrap();
        Client::connect(&Settings { token: Some(token.token), ..self.settings.clone() }).unwrap()
    }

    fn run(&self, setting: &Setting, port: u16, arguments: &[&str]) -> Ran {
        let file = setting.folder.path().join("real.toml");
        let password = setting.folder.path().join("real-password");
        std::fs::write(&password, PASSWORD).unwrap();
        let text = format!(
            "owner = 'sync-{}'\npolicy = 'sync'\n[boundary]\nproject_id = '{}'\nauth_method_id = '{METHOD}'\nlogin_name = '{}'\n\
             password_file = '{}'\n[[source]]\nname = 'main'\nregion = 'us-east-2'\necs_cluster = '{}'\n\
             [target]\naddress = '127.0.0.1'\nport = {port}\n\
             [[principal]]\nmatch = 'login-name'\nallow_weak = true\nauth_methods = ['{METHOD}']\n",
            self.unique,
            self.project_id,
            self.sync,
            password.display(),
            setting.world.cluster(),
        );
        std::fs::write(&file, text).unwrap();
        let mut command = setting.command(arguments);
        command.env("BOUNDARY_ADDR", &self.settings.addr).env("TARGET_SYNC_CONFIG", &file);
        // The harness names its own file first; the last one wins.
        let mut real = std::process::Command::new(command.get_program());
        real.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Ran::of(real.arg("--config").arg(&file).args(arguments).output().unwrap())
    }

    fn settle(&self, setting: &Setting, port: u16, most: usize) {
        for _ in 0..most {
            let ran = self.run(setting, port, &["apply", "-o", "json"]);
            assert_eq!(ran.code, 0, "{ran:?}");
            if ran.json()["done"] == 0 {
                return;
            }
        }
        panic!("no fixpoint: {}", self.run(setting, port, &["plan"]).out);
    }

    async fn target_of(&self, task: &TaskView) -> Option<Value> {
        let marker = format!("task={} ", task.task_arn());
        let all = self.admin.targets().list_all(ListOptions::in_scope(&self.project_id)).await.unwrap().items;
        all.into_iter().find(|target| target.description.contains(&marker)).map(|target| target.raw)
    }
}

/// The dev server lets every user open sessions on every target; an operator would not.
async fn close_to_everybody(admin: &Client) {
    for role in admin.roles().list_all(ListOptions::in_scope("global")).await.unwrap().items {
        let role = admin.roles().read(&role.id).await.unwrap();
        let broad = |grant: &&String| grant.contains("type=target") && grant.contains("authorize-session");
        if role.principal_ids == ["u_auth"] && role.grant_strings.iter().any(|grant| broad(&grant)) {
            let rest: Vec<&String> = role.grant_strings.iter().filter(|grant| !broad(grant)).collect();
            admin.roles().set_grants(&role.id, role.version, &rest).await.unwrap();
        }
    }
}

/// An account, and a user who has it: the user's id and the login name.
async fn person(admin: &Client, login_name: &str) -> (String, String) {
    let mut account = NewAccount::password(METHOD, login_name);
    account.attributes.insert("password".to_owned(), json!(PASSWORD));
    let account = admin.accounts().create(&account).await.unwrap();
    let new = NewUser { scope_id: "global".to_owned(), name: Some(login_name.to_owned()), description: None };
    let user = admin.users().create(&new).await.unwrap();
    admin.users().add_accounts(&user.id, user.version, &[&account.id]).await.unwrap();
    (user.id.clone(), login_name.to_owned())
}

/// A server that sends back what it is sent; its port.
async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                drop(tokio::io::copy(&mut from, &mut to).await);
            });
        }
    });
    port
}

async fn answers(stream: &mut TcpStream, word: &[u8]) -> bool {
    let mut answer = vec![0; word.len()];
    stream.write_all(word).await.is_ok() && stream.read_exact(&mut answer).await.is_ok() && answer == word
}

#[test]
fn a_real_boundary_is_kept_and_quarantine_spares_the_living() {
    let Some(settings) = reached() else { return };
    let setting = Setting::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let real = Real::make(settings).await;
        let port = echo().await;
        let first = setting.world.tasks().remove(0);
        setting.world.stop_task(&first.task_id, "not ours");
        let start = |owner: usize| {
            setting.world.add_task(TaskSpec {
                cluster_id: real.unique.clone(),
                investigation_id: "inv-1".to_owned(),
                username: real.people[owner].1.clone(),
                ..TaskSpec::default()
            })
        };
        let task = start(0);
        real.settle(&setting, port, 3);
        let before = real.target_of(&task).await.unwrap();
        let again = real.run(&setting, port, &["apply", "-o", "json"]);
        assert_eq!((again.code, &again.json()["done"]), (0, &json!(0)), "{again:?}");
        assert_eq!(real.target_of(&task).await.unwrap()["version"], before["version"]);

        // Its owner opens a session by the alias, nobody else does, and both may list without a refusal.
        let alias = format!("inv-1.{}", real.unique);
        let (alice, bob) = (real.login(0).await, real.login(1).await);
        let opened = alice.targets().authorize_session(&alias).await.unwrap();
        assert!(bob.targets().authorize_session(&alias).await.is_err());
        let listed = alice.targets().list_all(ListOptions::in_scope(&real.project_id)).await.unwrap().items;
        assert_eq!(listed.iter().map(|target| target.id.clone()).collect::<Vec<_>>(), [text(&before, "id")]);
        let proxy = WorkerProxy::new(Authorization::decode(&opened.authorization_token).unwrap()).unwrap();
        let mut stream = proxy.connect_tcp().await.unwrap();
        assert!(answers(&mut stream, b"before").await);

        // The task ends: the live session goes on, and a new one is refused even to an administrator.
        setting.world.stop_task(&task.task_id, "done");
        real.settle(&setting, port, 3);
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
        assert!(answers(&mut stream, b"after").await, "the quarantine cut a live session");
        assert!(alice.targets().authorize_session(&text(&before, "id")).await.is_err());
        let admin = real.admin.targets().authorize_session(&text(&before, "id")).await.unwrap_err().to_string();
        assert!(admin.contains("worker"), "{admin}");

        // The investigation is opened again by somebody else, under the same alias.
        let second = start(1);
        real.settle(&setting, port, 3);
        assert!(bob.targets().authorize_session(&alias).await.is_ok());
        assert!(alice.targets().authorize_session(&alias).await.is_err());
        assert!(answers(&mut stream, b"still").await);

        // Long after, a session that lives defers the deletion; canceled on request, all of it goes.
        let old = real.admin.targets().read(&text(&before, "id")).await.unwrap();
        let (head, tail) = old.description.split_once("state=quarantined@").unwrap();
        let rest = tail.split_once(' ').unwrap().1;
        let long_ago = Change::Set(format!("{head}state=quarantined@2020-01-01T00:00:00Z {rest}"));
        let patch = TargetPatch { description: long_ago, ..TargetPatch::default() };
        real.admin.targets().update(&old.id, old.version, &patch).await.unwrap();
        let waits = real.run(&setting, port, &["apply", "-o", "json"]);
        assert_eq!(waits.json()["held"][0]["by"], "live_session", "{waits:?}");
        assert!(answers(&mut stream, b"waits").await);
        let gone = real.run(&setting, port, &["apply", "--on-active", "cancel", "-o", "json"]);
        assert_eq!((gone.code, &gone.json()["done"]), (0, &json!(3)), "{gone:?}");
        assert!(real.target_of(&task).await.is_none(), "session, role and target are gone");

        // What is deleted or changed by hand comes back; a lost read grant deletes nothing.
        let id = text(&real.target_of(&second).await.unwrap(), "id");
        real.admin.targets().delete(&id).await.unwrap();
        real.settle(&setting, port, 3);
        assert!(bob.targets().authorize_session(&alias).await.is_ok());
        real.take_away().await;
    });
}
