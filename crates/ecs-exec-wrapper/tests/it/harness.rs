//! A world for one test, and the binary in it: with pipes, or on a terminal of its own.

use lab::{JournalEntry, World, WorldOptions};
use nix::sys::termios::Termios;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// Generous: a watchdog, not an expectation.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The binary under test.
pub(crate) const WRAPPER: &str = env!("CARGO_BIN_EXE_ecs-exec-wrapper");

/// A world, a home folder and a runtime to ask the world with.
pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) home: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Setting {
    pub(crate) fn new(options: WorldOptions) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let world = runtime.block_on(World::start(options)).unwrap();
        Self { world, home: tempfile::tempdir().unwrap(), runtime }
    }

    /// The users' own world: encrypted, without DescribeClusters, ResumeSession and TerminateSession.
    pub(crate) fn rosa() -> Self {
        Self::new(WorldOptions::default())
    }

    /// A world where the caller may do everything.
    pub(crate) fn granted() -> Self {
        Self::new(WorldOptions::of(lab::Profile::Granted))
    }

    pub(crate) fn task_id(&self) -> String {
        self.world.tasks()[0].task_id.clone()
    }

    pub(crate) fn task_arn(&self) -> String {
        self.world.tasks()[0].task_arn()
    }

    pub(crate) fn wait_for(&self, what: impl Fn(&[JournalEntry]) -> bool) -> bool {
        self.runtime.block_on(self.world.wait_for(what, PATIENCE))
    }

    /// How many entries of the journal are such.
    pub(crate) fn count(&self, what: impl Fn(&JournalEntry) -> bool) -> usize {
        self.world.journal().iter().filter(|entry| what(entry)).count()
    }

    /// The whole environment of the wrapper under Boundary's CLI.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut variables = self.world.environment();
        let mut add = |name: &str, value: String| variables.push((name.to_owned(), value));
        add("BOUNDARY_PROXIED_ADDR", self.world.worker_addr().to_string());
        add("HOME", self.home.path().display().to_string());
        add("XDG_STATE_HOME", self.home.path().join("state").display().to_string());
        add("XDG_CACHE_HOME", self.home.path().join("cache").display().to_string());
        add("XDG_CONFIG_HOME", self.home.path().join("config").display().to_string());
        add("PATH", std::env::var("PATH").unwrap());
        add("TERM", "xterm-256color".to_owned());
        variables
    }

    /// The wrapper with these arguments behind CLUSTER TASK CONTAINER and the local user as USER.
    pub(crate) fn wrapper(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(WRAPPER);
        command.env_clear().envs(self.environment());
        let (before, after) = match arguments.iter().position(|argument| *argument == "--") {
            Some(at) => arguments.split_at(at),
            None => (arguments, &[][..]),
        };
        command.args(before).args([self.world.cluster(), &self.task_id(), "rosa-boundary", &local_user()]).args(after);
        command
    }

    /// Runs it with pipes to its end.
    pub(crate) fn piped(&self, arguments: &[&str], stdin: &[u8]) -> Output {
        let mut command = self.wrapper(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let stdin = stdin.to_vec();
        // A command that reads nothing closes the pipe early.
        let feeder = std::thread::spawn(move || drop(pipe.write_all(&stdin)));
        let output = wait_with_output(child);
        feeder.join().unwrap();
        output
    }

    pub(crate) fn journal_file(&self) -> PathBuf {
        self.home.path().join("state/ecs-exec-wrapper/sessions.jsonl")
    }

    pub(crate) fn result_file(&self) -> PathBuf {
        self.home.path().join("result.json")
    }

    pub(crate) fn result(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.result_file()).unwrap()).unwrap()
    }
}

/// The user that runs the tests: the container's user in the lab, which becomes nobody else.
pub(crate) fn local_user() -> String {
    nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name
}

/// As `Child::wait_with_output`, with a watchdog.
pub(crate) fn wait_with_output(mut child: Child) -> Output {
    fn read(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).unwrap();
            bytes
        })
    }
    let (stdout, stderr) = (read(child.stdout.take().unwrap()), read(child.stderr.take().unwrap()));
    let status = wait(&mut child);
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// Waits with a watchdog that kills and fails the test.
pub(crate) fn wait(child: &mut Child) -> std::process::ExitStatus {
    let until = Instant::now() + 4 * PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("the wrapper did not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A program on a terminal of its own, as a person would use it.
pub(crate) struct OnTerminal {
    pty: Arc<pty_process::blocking::Pty>,
    pub(crate) child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
    reader: std::thread::JoinHandle<()>,
}

impl OnTerminal {
    /// Starts the wrapper on a terminal of 80 columns and 24 rows.
    pub(crate) fn wrapper(setting: &Setting, arguments: &[&str]) -> Self {
        let command = setting.wrapper(arguments);
        Self::start(command.get_program(), command.get_args(), &setting.environment())
    }

    pub(crate) fn start<'a>(
        program: &OsStr,
        arguments: impl Iterator<Item = &'a OsStr>,
        environment: &[(String, String)],
    ) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(24, 80)).unwrap();
        let command = pty_process::blocking::Command::new(program).args(arguments).env_clear().envs(environment.iter().cloned());
        let child = command.spawn(pts).unwrap();
        let (pty, seen) = (Arc::new(pty), Arc::new(Mutex::new(Vec::new())));
        let (source, sink) = (Arc::clone(&pty), Arc::clone(&seen));
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            while let Ok(count) = (&*source).read(&mut buffer) {
                if count == 0 {
                    break;
                }
                sink.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { pty, child, seen, reader }
    }

    /// Everything that the screen got so far.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// How many bytes the screen got so far.
    pub(crate) fn seen_bytes(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Waits until the screen got this text.
    #[track_caller]
    pub(crate) fn expect(&self, text: &str) {
        self.expect_count(text, 1);
    }

    /// Waits until the screen got this text so many times.
    #[track_caller]
    pub(crate) fn expect_count(&self, text: &str, count: usize) {
        let until = Instant::now() + PATIENCE;
        while self.seen().matches(text).count() < count {
            assert!(Instant::now() < until, "waited for {text:?}; the screen got: {}", self.seen());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn type_in(&self, text: &str) {
        (&*self.pty).write_all(text.as_bytes()).unwrap();
    }

    /// Types what is sent, on a thread of its own: a terminal that nobody reads takes no more, for ever.
    pub(crate) fn typist(&self) -> mpsc::Sender<Vec<u8>> {
        let (sender, texts) = mpsc::channel::<Vec<u8>>();
        let pty = Arc::clone(&self.pty);
        std::thread::spawn(move || texts.iter().all(|text| (&*pty).write_all(&text).is_ok()));
        sender
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.pty.resize(pty_process::Size::new(rows, columns)).unwrap();
    }

    /// The terminal's mode: the master's is the slave's.
    pub(crate) fn mode(&self) -> Termios {
        nix::sys::termios::tcgetattr(&*self.pty).unwrap()
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Waits for the end; returns the exit code (none when it died by a signal).
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let code = wait(&mut self.child).code();
        // The terminal's last bytes may still be on their way to us.
        let until = Instant::now() + Duration::from_secs(2);
        while !self.reader.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        code
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        // A failed test leaves nothing behind; a finished child refuses, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a journal and proves its chain.
pub(crate) fn records(path: &Path) -> Vec<audit_record::SessionLine> {
    audit_record::verify(&std::fs::read(path).unwrap()).unwrap().records
}

/// The stand-in for `boundary connect`, built with the tests.
pub(crate) fn stand_in() -> PathBuf {
    let path = Path::new(WRAPPER).parent().unwrap().join("examples/boundary-stand-in");
    assert!(path.exists(), "build it with: cargo build -p ecs-exec-wrapper --examples");
    path
}

impl Setting {
    /// The arguments and the environment that start the wrapper under the stand-in.
    pub(crate) fn under_boundary(&self, arguments: &[&str]) -> (Vec<String>, Vec<(String, String)>) {
        let wrapper = self.wrapper(arguments);
        let mut all: Vec<String> = ["-exec", WRAPPER, "-target-id", "ttcp_lab0000001", "--"].map(str::to_owned).to_vec();
        all.extend(wrapper.get_args().map(|argument| argument.to_str().unwrap().to_owned()));
        let mut environment = self.environment();
        environment.retain(|(name, _)| name != "BOUNDARY_PROXIED_ADDR");
        environment.push(("LAB_WORKER_ADDR".to_owned(), self.world.worker_addr().to_string()));
        environment.push(("LAB_CONNECT_CONTROL".to_owned(), self.control_socket().display().to_string()));
        (all, environment)
    }

    fn control_socket(&self) -> PathBuf {
        self.home.path().join("control.sock")
    }

    /// Tells the stand-in to cut, close or expire.
    pub(crate) fn control(&self, command: &str) {
        let mut socket = std::os::unix::net::UnixStream::connect(self.control_socket()).unwrap();
        writeln!(socket, "{command}").unwrap();
    }
}

impl OnTerminal {
    /// Starts the wrapper under the stand-in, on a terminal.
    pub(crate) fn under_boundary(setting: &Setting, arguments: &[&str]) -> Self {
        let (arguments, environment) = setting.under_boundary(arguments);
        let arguments: Vec<std::ffi::OsString> = arguments.into_iter().map(Into::into).collect();
        Self::start(stand_in().as_os_str(), arguments.iter().map(std::ffi::OsString::as_os_str), &environment)
    }
}
