//! A world with a sync's account in it, and the binary with a configuration for it.

use lab::{AUTH_METHOD_ID, BoundaryUser, PROJECT_ID, Profile, TaskSpec, TaskView, World, WorldOptions};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use target_sync::observe::boundary::{ACCOUNT_GRANT, ALIAS_GRANT, ROLE_GRANT, SESSION_GRANT, TARGET_GRANT, USER_GRANT};
use tempfile::TempDir;

/// The grants of the sync's account, as `boundary/` gives them, with where they hold.
pub(crate) const GRANTS: [(&str, &str); 6] = [
    (TARGET_GRANT, PROJECT_ID),
    (ROLE_GRANT, PROJECT_ID),
    (SESSION_GRANT, PROJECT_ID),
    (ALIAS_GRANT, "this"),
    (USER_GRANT, "descendants"),
    (ACCOUNT_GRANT, "descendants"),
];

pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) sync: BoundaryUser,
    pub(crate) folder: TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Setting {
    /// The lab with an account for the sync and without the lab's own target; its first task belongs to alice.
    pub(crate) fn new() -> Self {
        Self::with_grants(&GRANTS.map(|(grant, _)| grant))
    }

    pub(crate) fn with_grants(grants: &[&str]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let world = runtime.block_on(World::start(WorldOptions::of(Profile::Granted))).unwrap();
        world.boundary().delete("ttcp_lab0000001");
        let ids: Vec<String> = documents(&world.boundary().snapshot(), "aliases").map(|alias| text(&alias, "id")).collect();
        for id in ids {
            world.boundary().delete(&id);
        }
        let sync = world.boundary().add_user("target-sync", grants, &["this", "descendants"]);
        Self { world, sync, folder: tempfile::tempdir().unwrap(), _runtime: runtime }
    }

    pub(crate) fn config(&self, more: &str) -> PathBuf {
        let password = self.folder.path().join("password");
        std::fs::write(&password, format!("{}\n", self.sync.password)).unwrap();
        let text = format!(
            "owner = 'sync-a'\npolicy = 'sync'\n{more}\n[boundary]\nproject_id = '{PROJECT_ID}'\nauth_method_id = '{AUTH_METHOD_ID}'\n\
             login_name = 'target-sync'\npassword_file = '{}'\nrequests_per_second = 2000.0\n\
             [[source]]\nname = 'main'\nregion = 'us-east-2'\necs_cluster = '{}'\n\
             [task]\nfamily_prefix = 'rosa-boundary-dev'\n\
             [[principal]]\nmatch = 'login-name'\nallow_weak = true\nauth_methods = ['{AUTH_METHOD_ID}']\n",
            password.display(),
            self.world.cluster(),
        );
        let file = self.folder.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        file
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_with("", arguments)
    }

    pub(crate) fn command_with(&self, more: &str, arguments: &[&str]) -> Command {
        let address = self.sync.environment.iter().find(|(name, _)| name == "BOUNDARY_ADDR").unwrap().1.clone();
        let mut command = Command::new(env!("CARGO_BIN_EXE_target-sync"));
        command
            .env_clear()
            .envs(self.world.environment())
            .env("BOUNDARY_ADDR", address)
            .env("BOUNDARY_MAX_RETRIES", "3")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TARGET_SYNC_STATE_DIR", self.folder.path().join("state"))
            .arg("--config")
            .arg(self.config(more))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Applies until a run does nothing; at most `most` runs.
    pub(crate) fn settle(&self, most: usize) {
        for _ in 0..most {
            let ran = self.run(&["apply", "-o", "json"]);
            assert_eq!(ran.code, 0, "{ran:?}");
            if ran.json()["done"] == 0 {
                return;
            }
        }
        panic!("no fixpoint: {}", self.run(&["plan"]).out);
    }

    pub(crate) fn start(&self, investigation_id: &str, username: &str) -> TaskView {
        let spec =
            TaskSpec { investigation_id: investigation_id.to_owned(), username: username.to_owned(), ..TaskSpec::default() };
        self.world.add_task(spec)
    }

    pub(crate) fn all(&self, collection: &str) -> Vec<Value> {
        documents(&self.world.boundary().snapshot(), collection).collect()
    }

    pub(crate) fn target_of(&self, task: &TaskView) -> Option<Value> {
        let marker = format!("task={} ", task.task_arn());
        self.all("targets").into_iter().find(|target| text(target, "description").contains(&marker))
    }

    pub(crate) fn alias(&self, value: &str) -> Option<Value> {
        self.all("aliases").into_iter().find(|alias| alias["value"] == value)
    }

    pub(crate) fn user_id(&self, login_name: &str) -> String {
        let user = self.all("users").into_iter().find(|user| user["name"] == login_name || user["login_name"] == login_name);
        text(&user.unwrap_or_else(|| panic!("no user {login_name}: {:?}", self.all("users"))), "id")
    }

    pub(crate) fn journal(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("state/sync.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["record"].clone()).collect()
    }
}

pub(crate) fn documents(snapshot: &Value, collection: &str) -> impl Iterator<Item = Value> {
    let list = &snapshot[collection];
    let items: Vec<Value> = match list {
        Value::Array(items) => items.clone(),
        Value::Object(map) => map.values().cloned().collect(),
        other => panic!("{collection} is {other}"),
    };
    items.into_iter()
}

pub(crate) fn text(document: &Value, field: &str) -> String {
    document[field].as_str().unwrap_or_default().to_owned()
}

/// What a run has left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
