//! A world: it builds the parts, binds them to 127.0.0.1, runs them on a runtime of its own and stops them on drop.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;

use crate::boundary::{self, Boundary};
use crate::faults::Faults;
use crate::iam::{Principal, SHARED_ROLE};
use crate::journal::JournalEntry;
use crate::options::WorldOptions;
use crate::shared::{Parts, Shared};
use crate::sigv4::SigningKeys;
use crate::tasks::{ACCOUNT, CLUSTER, REGION, TaskSpec, TaskView};
use crate::tls::Authority;
use crate::{aws, gateway, proxy, trail, worker};

/// The user whom the caller's credentials stand for.
const USER: &str = "alice";
/// Connections that wait for a busy world: tests start hundreds of clients at once.
const BACKLOG: u32 = 1024;

/// The AWS and Boundary world of one test, demo or developer.
pub struct World {
    pub(crate) shared: Arc<Shared>,
    api: SocketAddr,
    worker: SocketAddr,
    connect_proxy: SocketAddr,
    caller: Principal,
    _root: TempDir,
    runtime: Option<Runtime>,
}

struct Listeners {
    api: TcpListener,
    tls_api: TcpListener,
    gateway: TcpListener,
    plain_gateway: TcpListener,
    worker: TcpListener,
    controller: TcpListener,
    session_worker: TcpListener,
    connect_proxy: TcpListener,
    not_tls: TcpListener,
    other_name: TcpListener,
}

impl World {
    /// Builds a world with one running task. It runs on threads of its own, so a test may block.
    ///
    /// # Errors
    /// When a port is taken, or a temporary folder or certificate cannot be made.
    #[expect(clippy::unused_async, reason = "starting is part of the asynchronous interface that tests use")]
    pub async fn start(options: WorldOptions) -> anyhow::Result<Self> {
        Self::build(options)
    }

    fn build(options: WorldOptions) -> anyhow::Result<Self> {
        let root = TempDir::with_prefix("lab-").context("failed to make the lab's folder")?;
        let parts = prepare(root.path(), options)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("lab")
            .enable_all()
            .build()
            .context("failed to start the lab's runtime")?;
        let shared = Arc::new(Shared::new(parts, &runtime));
        let listeners = Listeners::bind(&runtime, &shared.options)?;
        let address = |listener: &TcpListener| listener.local_addr().context("failed to read a listener's address");
        let (api, worker) = (address(&listeners.api)?, address(&listeners.worker)?);
        let connect_proxy = address(&listeners.connect_proxy)?;
        let _ = shared.tls_api.set(address(&listeners.tls_api)?);
        let _ = shared.gateway.set(address(&listeners.gateway)?);
        let _ = shared.plain_gateway.set(address(&listeners.plain_gateway)?);
        let _ = shared.boundary.api.set(address(&listeners.controller)?);
        let _ = shared.boundary.worker.set(address(&listeners.session_worker)?);
        listeners.serve(&runtime, &shared)?;
        let tags = BTreeMap::from([("username".to_owned(), USER.to_owned())]);
        let caller = shared.principals.assume_shared_role(USER, tags, 12 * 3600);
        let world = Self { shared, api, worker, connect_proxy, caller, _root: root, runtime: Some(runtime) };
        world.make_log_groups();
        world.add_versioned_bucket(&trail::bucket(), None);
        world.add_task(TaskSpec::default());
        Ok(world)
    }

    /// Returns the environment of a client in this world: for ecs-exec-wrapper and for the stock AWS CLI.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.environment_of(&self.caller)
    }

    /// Returns the environment of a client with new credentials of the same caller, as after a login.
    pub fn fresh_environment(&self) -> Vec<(String, String)> {
        let tags = self.caller.tags.clone();
        self.environment_of(&self.shared.principals.assume_shared_role(USER, tags, 12 * 3600))
    }

    /// Returns the environment of an IAM user who may only assume the shared role.
    pub fn source_environment(&self) -> Vec<(String, String)> {
        self.environment_of(&self.shared.principals.add_user(USER))
    }

    pub(crate) fn environment_of(&self, principal: &Principal) -> Vec<(String, String)> {
        let ca_file = self.ca_file().display().to_string();
        let mut variables = vec![
            ("AWS_ENDPOINT_URL", format!("http://{}", self.api)),
            ("AWS_ACCESS_KEY_ID", principal.access_key.clone()),
            ("AWS_SECRET_ACCESS_KEY", principal.secret.clone()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_CA_BUNDLE", ca_file.clone()),
            ("SSL_CERT_FILE", ca_file),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
            ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
        ];
        variables.extend(principal.session_token.iter().map(|token| ("AWS_SESSION_TOKEN", token.clone())));
        variables.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Returns the caller's signing keys, for tests that sign by hand.
    pub fn caller_keys(&self) -> SigningKeys {
        SigningKeys {
            access_key: self.caller.access_key.clone(),
            secret: self.caller.secret.clone(),
            session_token: self.caller.session_token.clone(),
        }
    }

    /// Returns the caller's ARN.
    pub fn caller_arn(&self) -> &str {
        &self.caller.arn
    }

    /// Returns the ARN of the shared role, for AssumeRole and AssumeRoleWithWebIdentity.
    pub fn role_arn(&self) -> String {
        format!("arn:aws:iam::{ACCOUNT}:role/{SHARED_ROLE}")
    }

    /// Returns a web identity token whose session tags name a user.
    pub fn web_identity_token(&self, username: &str) -> String {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "JWT"}).to_string());
        let claims = json!({
            "sub": format!("f:4c9b1c1e:{username}"), "aud": "rosa-boundary", "iss": "https://sso.example.com/realms/sre",
            "https://aws.amazon.com/tags": {"principal_tags": {"username": [username]}, "transitive_tag_keys": ["username"]},
        });
        format!("{header}.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    /// Returns the file of the private CA's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.shared.tls.ca_file.clone()
    }

    /// Returns the address of the AWS APIs.
    pub fn api_addr(&self) -> SocketAddr {
        self.api
    }

    /// Returns the address of the Boundary worker: a TCP proxy to the gateway.
    pub fn worker_addr(&self) -> SocketAddr {
        self.worker
    }

    /// Returns the address of the worker of Boundary's sessions, which their authorization tokens name.
    ///
    /// # Panics
    /// Never: a world that was started has it.
    pub fn worker_address(&self) -> SocketAddr {
        *self.shared.boundary.worker.get().expect("the address is set before the world is there")
    }

    /// Returns Boundary's controller: its targets, sessions and users.
    pub fn boundary(&self) -> &Boundary {
        &self.shared.boundary
    }

    /// Returns `BOUNDARY_ADDR` and `BOUNDARY_TOKEN` of the user alice.
    pub fn boundary_environment(&self) -> Vec<(String, String)> {
        self.boundary().environment_of("alice")
    }

    /// Returns the address of the CONNECT proxy, which leads to the gateway past the worker.
    pub fn connect_proxy_addr(&self) -> SocketAddr {
        self.connect_proxy
    }

    /// Returns the name of the ECS cluster.
    pub fn cluster(&self) -> &str {
        CLUSTER
    }

    /// Says whether sessions of ECS Exec have a KMS key.
    pub fn has_kms(&self) -> bool {
        self.shared.options.kms
    }

    /// Returns the ARN of the KMS key.
    pub fn kms_key_arn(&self) -> String {
        self.shared.keys.arn()
    }

    /// Returns all tasks, the oldest first.
    pub fn tasks(&self) -> Vec<TaskView> {
        self.shared.tasks().iter().cloned().collect()
    }

    /// Adds a running task.
    pub fn add_task(&self, spec: TaskSpec) -> TaskView {
        let task = TaskView::create(spec, self.shared.clock.now());
        self.shared.tasks().add(task.clone());
        trail::note_task(&self.shared, "ecs:RunTask", &task);
        task
    }

    /// Changes a task; false if there is none of this id. Sessions of a task that stops running die without a word.
    pub fn set_task(&self, task_id: &str, change: impl FnOnce(&mut TaskView)) -> bool {
        let running = {
            let mut tasks = self.shared.tasks();
            let Some(task) = tasks.task_mut(task_id) else { return false };
            change(task);
            task.last_status == "RUNNING"
        };
        if !running {
            let sessions = self.shared.sessions.all();
            sessions.iter().filter(|session| session.plan.task_id == task_id).for_each(|session| session.kill_agent());
        }
        true
    }

    /// Stops a task as StopTask does.
    pub fn stop_task(&self, task_id: &str, reason: &str) -> bool {
        let now = self.now().as_second();
        let stopped = self.set_task(task_id, |task| {
            task.stopped_at = Some(now);
            "STOPPED".clone_into(&mut task.last_status);
            "STOPPED".clone_into(&mut task.desired_status);
            task.stopped_reason = Some(reason.to_owned());
            for container in &mut task.containers {
                "STOPPED".clone_into(&mut container.last_status);
                container.agent_status = container.agent_status.take().map(|_| "STOPPED".to_owned());
            }
        });
        if let Some(task) = self.shared.task(task_id) {
            trail::note_task(&self.shared, "ecs:StopTask", &task);
        }
        stopped
    }

    /// Forgets a task: DescribeTasks then says MISSING.
    pub fn forget_task(&self, task_id: &str) {
        self.set_task(task_id, |task| "STOPPED".clone_into(&mut task.last_status));
        self.shared.tasks().forget(task_id);
    }

    /// Makes another ECS cluster, or gives one another state: `ACTIVE` or `INACTIVE`.
    pub fn set_cluster(&self, name: &str, state: &str) {
        self.shared.tasks().set_state(name, state);
    }

    /// Refuses one page of every ListTasks, counted from 0, with this code and status; none ends it.
    pub fn fail_list_page(&self, page: Option<(usize, &str, u16)>) {
        self.shared.tasks().failing_page = page.map(|(page, code, status)| (page, code.to_owned(), status));
    }

    /// Denies actions to everybody, as an administrator would.
    pub fn deny(&self, actions: &[&str]) {
        self.shared.principals.change_policies(|policy| policy.deny(actions));
    }

    /// Allows actions on all resources to everybody.
    pub fn allow(&self, actions: &[&str]) {
        self.shared.principals.change_policies(|policy| policy.allow(actions));
    }

    /// Makes all credentials that were issued expire now.
    pub fn expire_credentials(&self) {
        self.shared.principals.expire_all();
    }

    /// Ends a session as an operator with every right would.
    pub fn terminate(&self, session_id: &str) {
        if let Some(session) = self.shared.sessions.find(session_id) {
            session.terminate();
        }
    }

    /// Returns the switches of what can go wrong.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Returns what really happened so far.
    pub fn journal(&self) -> Vec<JournalEntry> {
        self.shared.journal.all()
    }

    /// Returns the bytes that the worker has carried so far: from clients, to clients.
    pub fn bytes_through_worker(&self) -> (u64, u64) {
        (self.shared.bytes_up.load(Ordering::Relaxed), self.shared.bytes_down.load(Ordering::Relaxed))
    }

    /// Waits until the journal fulfils a condition; false if it does not within the limit.
    pub async fn wait_for(&self, what: impl Fn(&[JournalEntry]) -> bool, limit: Duration) -> bool {
        let mut length = self.shared.journal.subscribe();
        let fulfilled = async {
            while !self.shared.journal.holds(&what) {
                if length.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(limit, fulfilled).await;
        self.shared.journal.holds(&what)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Waiting for the tasks would panic where a runtime's own thread drops the world.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let child = |entry| match entry {
            JournalEntry::ChildStarted { pid, .. } => i32::try_from(pid).ok().filter(|pid| *pid > 1),
            _ => None,
        };
        crate::leftovers::end(&self.shared.journal.all().into_iter().filter_map(child).collect());
    }
}

/// Makes what lies in the world's folder: the CA certificate, and HOME and PATH of the containers.
fn prepare(root: &Path, options: WorldOptions) -> anyhow::Result<Parts> {
    let (home, bin) = (root.join("home"), root.join("bin"));
    for folder in [&home, &bin] {
        std::fs::create_dir(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    }
    let shell = &options.shell_path;
    std::os::unix::fs::symlink(shell, bin.join("sh")).with_context(|| format!("failed to link {}", shell.display()))?;
    let host_path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
    let tls = Authority::create(root)?;
    Ok(Parts { options, tls, container_home: home, container_path: format!("{}:{host_path}", bin.display()) })
}

impl Listeners {
    fn bind(runtime: &Runtime, options: &WorldOptions) -> anyhow::Result<Self> {
        let bind = |port: u16| bind(runtime, port);
        Ok(Self {
            api: bind(options.api_port)?,
            tls_api: bind(0)?,
            gateway: bind(0)?,
            plain_gateway: bind(0)?,
            worker: bind(options.worker_port)?,
            controller: bind(0)?,
            session_worker: bind(0)?,
            connect_proxy: bind(options.connect_proxy_port)?,
            not_tls: bind(0)?,
            other_name: bind(0)?,
        })
    }

    fn serve(self, runtime: &Runtime, shared: &Arc<Shared>) -> anyhow::Result<()> {
        let strangers = worker::Strangers { not_tls: self.not_tls.local_addr()?, other_name: self.other_name.local_addr()? };
        runtime.spawn(aws::serve(self.api, false, shared.clone()));
        runtime.spawn(aws::serve(self.tls_api, true, shared.clone()));
        runtime.spawn(gateway::serve(self.gateway, true, shared.clone()));
        runtime.spawn(gateway::serve(self.plain_gateway, false, shared.clone()));
        runtime.spawn(gateway::obey(shared.clone()));
        runtime.spawn(worker::serve(self.worker, strangers, shared.clone()));
        runtime.spawn(boundary::serve_api(self.controller, shared.clone()));
        runtime.spawn(boundary::serve_worker(self.session_worker, strangers, shared.clone()));
        runtime.spawn(worker::serve_not_tls(self.not_tls));
        runtime.spawn(worker::serve_other_name(self.other_name, shared.clone()));
        runtime.spawn(proxy::serve(self.connect_proxy, shared.clone()));
        Ok(())
    }
}

fn bind(runtime: &Runtime, port: u16) -> anyhow::Result<TcpListener> {
    let _entered = runtime.enter();
    let listen = || {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
        socket.listen(BACKLOG)
    };
    listen().with_context(|| format!("failed to listen on 127.0.0.1:{port}"))
}
