//! A world with an auditor's seat in it: the program with a configuration, a state folder and rights to read.

use audit_record::{Journal, OutputDigest, SessionLine};
use audit_state::Extent;
use aws_credential_types::Credentials;
use aws_identity::{Settings, load};
use aws_reading::{Endpoints, Reader, ReaderOptions, Service};
use jiff::Timestamp;
use lab::{AUTH_METHOD_ID, JournalEntry, Profile, StreamForm, World, WorldOptions};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

/// Generous: only a hang reaches it.
const WATCHDOG: Duration = Duration::from_mins(1);
pub(crate) const GROUP: &str = "/ecs/rosa-boundary-dev/ssm-sessions";
pub(crate) const BUCKET: &str = "artifacts";

pub(crate) struct Seat {
    pub(crate) world: World,
    folder: tempfile::TempDir,
}

impl Seat {
    /// A world and a configuration with these lines for the account and region.
    pub(crate) async fn of(lines: &str) -> Self {
        let seat = Self::without_sessions(lines).await;
        // Somebody's session shows that the list is no empty one by rights.
        assert!(seat.world.boundary().authorize("ttcp_lab0000001").is_some());
        seat
    }

    /// The same, where Boundary has had no session so far.
    pub(crate) async fn without_sessions(lines: &str) -> Self {
        let options = WorldOptions {
            only_via_worker: false,
            stream_form: StreamForm::Loopback,
            agent_drain: Duration::from_millis(100),
            ..WorldOptions::of(Profile::Granted)
        };
        let world = World::start(options).await.unwrap();
        let user = world.boundary().add_user("auditor", &["ids=*;type=session;actions=list,read"], &["this", "descendants"]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), &user.password).unwrap();
        let text = format!(
            "[[boundary]]\nname = 'lab'\nauth_method_id = '{AUTH_METHOD_ID}'\nlogin_name = 'auditor'\npassword_file = '{folder}/password'\n\
             [[aws]]\nname = 'aws'\nregion = 'us-east-2'\necs_clusters = ['{cluster}']\n{lines}\n\
             [[records]]\nname = 'wrapper'\nof = 'wrapper'\nfile = '{folder}/wrapper.jsonl'\n\
             [policy]\nboundary_lag_seconds = 0\ntrail_lag_seconds = 0\nall_tasks_managed = true\n",
            folder = folder.path().display(),
            cluster = world.cluster(),
        );
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        std::fs::write(folder.path().join("wrapper.jsonl"), "").unwrap();
        Self { world, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the program on the state of this name.
    pub(crate) fn run_on(&self, state: &str, arguments: &[&str]) -> Output {
        self.command(state, arguments).output().unwrap()
    }

    /// The program on the state of this name, with the auditor's rights.
    pub(crate) fn command(&self, state: &str, arguments: &[&str]) -> Command {
        let address = self.world.boundary_environment().into_iter().filter(|(name, _)| name == "BOUNDARY_ADDR");
        let mut command = Command::new(env!("CARGO_BIN_EXE_audit-bridge"));
        command.args(arguments).arg("--config").arg(self.path("config.toml")).arg("--state-dir").arg(self.path(state));
        command.env_remove("BOUNDARY_TOKEN").envs(self.world.auditor_environment()).envs(address);
        command
    }

    /// Adds lines at the beginning of the configuration.
    pub(crate) fn configure(&self, lines: &str) {
        let file = self.path("config.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{lines}\n{text}")).unwrap();
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.run_on("state", arguments)
    }

    /// Collects once; gives the exit code.
    pub(crate) fn collect(&self) -> i32 {
        let output = self.run(&["collect", "--quiet"]);
        let code = output.status.code().unwrap();
        assert!(matches!(code, 0 | 2 | 3), "{code}: {}", String::from_utf8_lossy(&output.stderr));
        code
    }

    pub(crate) fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.run(&[arguments, &["-o", "jsonl"]].concat());
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The codes that stand, with the shells that they are about.
    pub(crate) fn codes(&self) -> Vec<(String, Value)> {
        let row = |row: Value| (row["code"].as_str().unwrap().to_owned(), row["ssm_session_id"].clone());
        self.rows(&["findings"]).into_iter().map(row).collect()
    }

    pub(crate) fn has(&self, code: &str, session: &str) -> bool {
        self.codes().iter().any(|(found, of)| found == code && of == session)
    }

    /// What the state knows, without what tells how far was read.
    pub(crate) fn known(&self, state: &str) -> String {
        let reader = audit_state::Reader::open(&self.path(state).join("state.sqlite")).unwrap();
        let dump = reader.dump(Extent::Knowledge).unwrap();
        dump.split("-- SELECT ").filter(|section| !section.contains("FROM coverage ")).collect()
    }

    async fn caller(&self) -> Reader {
        let keys = self.world.caller_keys();
        let credentials = Credentials::new(keys.access_key, keys.secret, keys.session_token, None, "lab");
        let settings = Settings { region: Some("us-east-2".to_owned()), credentials: Some(credentials), ..Settings::default() };
        let aws = load(&settings).await.unwrap();
        let url = format!("http://{}", self.world.api_addr());
        let configured = Service::ALL.into_iter().map(|service| (service, url.clone())).collect();
        let endpoints = Endpoints { configured, ..Endpoints::default() };
        let rates = std::collections::BTreeMap::new();
        Reader::new(&aws, ReaderOptions { endpoints: Some(endpoints), rates, ..ReaderOptions::default() }).unwrap()
    }

    /// A command in the first task, run to its end; returns the session.
    pub(crate) async fn shell(&self, command: &str) -> String {
        let task = &self.world.tasks()[0];
        let asked = json!({
            "cluster": self.world.cluster(), "task": task.task_id, "container": "rosa-boundary", "command": command,
            "interactive": true,
        });
        let page = self.caller().await.json("ecs:ExecuteCommand", asked).await.unwrap();
        let answer: Value = serde_json::from_slice(&page.body).unwrap();
        self.ended(answer["session"]["sessionId"].as_str().unwrap()).await
    }

    /// A session past ECS Exec; returns it.
    pub(crate) async fn direct(&self) -> String {
        let task = &self.world.tasks()[0];
        let container = task.containers.iter().find(|container| container.name == "rosa-boundary").unwrap();
        let target = json!({"Target": task.ssm_target(container)});
        let page = self.caller().await.json("ssm:StartSession", target).await.unwrap();
        let answer: Value = serde_json::from_slice(&page.body).unwrap();
        self.ended(answer["SessionId"].as_str().unwrap()).await
    }

    async fn ended(&self, id: &str) -> String {
        let started = |entry: &JournalEntry| matches!(entry, JournalEntry::ChildStarted { session_id, .. } if session_id == id);
        assert!(self.world.wait_for(|entries| entries.iter().any(started), WATCHDOG).await);
        let exited = |entry: &JournalEntry| matches!(entry, JournalEntry::ChildExited { session_id, .. } if session_id == id);
        let is_command = id.starts_with("ecs-execute-command");
        assert!(!is_command || self.world.wait_for(|entries| entries.iter().any(exited), WATCHDOG).await);
        self.world.terminate(id);
        let ended = |entry: &JournalEntry| matches!(entry, JournalEntry::SessionEnded { session_id, .. } if session_id == id);
        assert!(self.world.wait_for(|entries| entries.iter().any(ended), WATCHDOG).await);
        id.to_owned()
    }

    /// Writes what a wrapper would have of a session that showed this.
    pub(crate) fn record(&self, session: &str, shown: &[u8]) {
        self.record_at(session, shown, self.world.now());
    }

    /// The same of a session at another time.
    pub(crate) fn record_at(&self, session: &str, shown: &[u8], now: Timestamp) {
        let mut digest = OutputDigest::default();
        digest.update(shown);
        let task = self.world.tasks()[0].task_arn();
        let start = json!({
            "kind": "session_start", "format_version": 1, "record_id": session, "at": now, "wrapper_version": "0.1.0",
            "script": "1", "local_user": "alice", "host": "laptop", "principal_arn": null, "boundary_session_id": null,
            "boundary_session_id_source": "unknown", "boundary_target_id": null, "task_arn": task, "container": "rosa-boundary",
            "runtime_id": "1", "container_user": "sre", "route": "direct", "reason": null, "command_sha256": "",
        });
        let end = json!({
            "kind": "session_end", "format_version": 1, "record_id": session, "at": now, "ssm_session_id": session,
            "task_arn": task, "boundary_session_id": null, "exit_code": 0, "exit_source": "marker", "ending": "exited",
            "remote_end": "confirmed", "bytes_in": 0, "bytes_out": shown.len(), "input_dropped": 0, "resumes": 0,
            "output_sha256": digest.sha256(), "output_canonical_bytes": digest.canonical_bytes(), "output_checkpoints": [],
        });
        let lines = [start, end].map(|line| serde_json::from_value::<SessionLine>(line).unwrap());
        Journal::open(&self.path("wrapper.jsonl")).unwrap().append_all(lines).unwrap();
    }
}
