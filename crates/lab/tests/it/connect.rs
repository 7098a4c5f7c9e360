//! The conduct of the stand-in for `boundary connect -exec`, as a real process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::WATCHDOG;
use lab::connect::{AuthzToken, authz_token};
use lab::{BoundaryStatus, Elsewhere, World, WorldOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Ends with 9 at its 20th SIGTERM, after it said where the proxy is.
const COUNT_TERMS: &str =
    "n=0; trap 'n=$((n+1)); [ $n -ge 20 ] && exit 9' TERM; echo at $BOUNDARY_PROXIED_ADDR; while :; do sleep 0.01; done";

async fn world() -> World {
    World::start(WorldOptions::default()).await.unwrap()
}

struct StandIn {
    process: Child,
    out: BufReader<ChildStdout>,
}

impl StandIn {
    fn run(world: &World, flags: &[&str], script: &str, variables: &[(&str, &str)]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_lab"))
            .args(["connect", "-exec", "sh"])
            .args(flags)
            .args(["--", "-c", script])
            .env_remove("BOUNDARY_ADDR")
            .env_remove("BOUNDARY_TOKEN")
            .env("LAB_WORKER_ADDR", world.worker_addr().to_string())
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        Self { process, out }
    }

    fn target(world: &World, script: &str) -> Self {
        Self::run(world, &["-target-id", "ttcp_1"], script, &[])
    }

    /// Reads until a line begins so and returns the rest of it.
    fn line(&mut self, start: &str) -> String {
        let mut line = String::new();
        while self.out.read_line(&mut line).unwrap() > 0 {
            if let Some(rest) = line.trim_end().strip_prefix(start) {
                return rest.to_owned();
            }
            line.clear();
        }
        panic!("no line begins with {start:?}");
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
    }

    /// Waits for the end: exit code and what was still printed.
    fn end(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + WATCHDOG;
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                self.process.kill().unwrap();
                panic!("the stand-in did not end");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (status.code(), rest)
    }
}

fn dial(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WATCHDOG)).unwrap();
    stream
}

#[tokio::test]
async fn the_programs_code_is_the_stand_ins() {
    let world = world().await;
    assert_eq!(StandIn::target(&world, "exit 5").end().0, Some(5));
    assert_eq!(StandIn::target(&world, "kill -9 $$").end().0, Some(255));
    let mut none = Command::new(env!("CARGO_BIN_EXE_lab"));
    none.args(["connect", "-exec", "/no/such", "-target-id", "ttcp_1"]).env("LAB_WORKER_ADDR", "127.0.0.1:1");
    assert_eq!(none.output().unwrap().status.code(), Some(2));
    none.arg("-no-such-flag");
    assert_eq!(none.output().unwrap().status.code(), Some(3));
}

#[tokio::test]
async fn the_program_learns_the_address_by_environment_and_template() {
    let world = world().await;
    let mut stand_in =
        StandIn::target(&world, "echo env $BOUNDARY_PROXIED_ADDR; echo arg {{boundary.addr}} {{ boundary.port }}; exec sleep 60");
    let address = stand_in.line("env ");
    let port = address.rsplit(':').next().unwrap().to_owned();
    assert_eq!(stand_in.line("arg "), format!("{address} {port}"));
    drop(dial(&address));
    stand_in.signal(Signal::SIGTERM);
    assert_eq!(stand_in.end().0, Some(255));
}

#[tokio::test]
async fn its_own_lines_come_first() {
    let world = world().await;
    let (_, text) = StandIn::target(&world, "echo mine").end();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["", "Proxy listening information:"]);
    assert!(lines.iter().any(|line| line.starts_with("  Session ID:          s_")), "{text}");
    assert_eq!(lines.last(), Some(&"mine"));
    let (_, text) = StandIn::run(&world, &["-target-id", "ttcp_1", "-format", "json"], "echo mine", &[]).end();
    let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert!(line["session_id"].as_str().unwrap().starts_with("s_") && line["port"].is_u64(), "{text}");
}

#[tokio::test]
async fn a_token_gives_session_and_expiry() {
    let world = world().await;
    let soon = jiff::Timestamp::now().as_second() + 2;
    let text = authz_token(&AuthzToken::new("s_fromtoken1", "ttcp_1", soon, world.worker_addr()));
    let mut stand_in = StandIn::run(&world, &[], COUNT_TERMS, &[("BOUNDARY_CONNECT_AUTHZ_TOKEN", &text)]);
    assert_eq!(stand_in.line("  Session ID:          "), "s_fromtoken1");
    assert_eq!(stand_in.end().0, Some(9), "the session's time is over: a storm");
}

#[tokio::test]
async fn bytes_go_through_the_worker() {
    let world = world().await;
    world.faults().worker_leads_elsewhere(Elsewhere::NotTls);
    let mut stand_in = StandIn::target(&world, "echo at $BOUNDARY_PROXIED_ADDR; exec sleep 60");
    let mut text = String::new();
    dial(&stand_in.line("at ")).read_to_string(&mut text).unwrap();
    assert!(text.starts_with("SSH-2.0"), "{text:?}");
    stand_in.signal(Signal::SIGINT);
    stand_in.end();
}

#[tokio::test]
async fn a_refused_new_connection_ends_all_in_a_storm() {
    let world = world().await;
    let mut stand_in = StandIn::target(&world, COUNT_TERMS);
    let address = stand_in.line("at ");
    world.faults().worker_refuses();
    let _ = dial(&address).read(&mut [0]);
    assert_eq!(stand_in.end().0, Some(9));
    world.faults().worker_opens();
    let mut stand_in = StandIn::target(&world, COUNT_TERMS);
    let address = stand_in.line("at ");
    world.faults().close_worker_listener();
    while TcpStream::connect(world.worker_addr()).is_ok() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = dial(&address).read(&mut [0]);
    assert_eq!(stand_in.end().0, Some(9));
}

#[tokio::test]
async fn a_cut_leaves_the_listener() {
    let world = world().await;
    let mut stand_in = StandIn::target(&world, COUNT_TERMS);
    let address = stand_in.line("at ");
    let mut first = dial(&address);
    first.write_all(b"\x16").unwrap();
    while world.bytes_through_worker().0 == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    stand_in.signal(Signal::SIGUSR1);
    assert_eq!(first.read(&mut [0]).unwrap(), 0, "a cut is an end without a word");
    let mut second = dial(&address);
    second.write_all(b"\x16").unwrap();
    while world.bytes_through_worker().0 < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    stand_in.signal(Signal::SIGUSR2);
    assert_eq!(second.read(&mut [0]).unwrap(), 0);
    assert_eq!(stand_in.end().0, Some(9));
    assert!(TcpStream::connect(&address).is_err(), "the listener is closed");
}

#[tokio::test]
async fn the_control_socket_expires_a_session() {
    let world = world().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control");
    let variables = [("LAB_CONNECT_CONTROL", path.to_str().unwrap())];
    let mut stand_in = StandIn::run(&world, &["-target-id", "ttcp_1"], COUNT_TERMS, &variables);
    stand_in.line("at ");
    let mut control = UnixStream::connect(&path).unwrap();
    control.write_all(b"expire\n").unwrap();
    assert_eq!(stand_in.end().0, Some(9));
}

#[tokio::test]
async fn a_signalled_stand_in_waits_for_its_program() {
    let world = world().await;
    let mut stand_in = StandIn::target(&world, COUNT_TERMS);
    stand_in.line("at ");
    stand_in.signal(Signal::SIGINT);
    let (code, text) = stand_in.end();
    assert_eq!(code, Some(9));
    assert!(text.contains("Received shutdown signal"), "{text}");
}

/// What a process in this world finds of the controller.
fn of_controller(world: &World) -> Vec<(String, String)> {
    let mut variables = world.boundary_environment();
    variables.push(("LAB_WORKER_ADDR".to_owned(), String::new()));
    variables
}

fn run_real(world: &World, flags: &[&str], script: &str, variables: &[(String, String)]) -> StandIn {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    StandIn::run(world, flags, script, &variables)
}

fn status(world: &World, session_id: &str) -> Option<BoundaryStatus> {
    world.boundary().status(session_id)
}

#[tokio::test]
async fn a_controllers_session_is_real() {
    let world = world().await;
    world.faults().worker_leads_elsewhere(Elsewhere::NotTls);
    for flags in [["-target-id", "ttcp_lab0000001"].as_slice(), &["inv-lab.rosa"]] {
        let mut stand_in = run_real(&world, flags, "echo at $BOUNDARY_PROXIED_ADDR; exec sleep 60", &of_controller(&world));
        let session_id = stand_in.line("  Session ID:          ");
        let address = stand_in.line("at ");
        assert_eq!(world.boundary().session_ids().last(), Some(&session_id));
        let mut text = [0; 7];
        let mut client = dial(&address);
        client.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"SSH-2.0");
        assert_eq!(status(&world, &session_id), Some(BoundaryStatus::Active));
        stand_in.signal(Signal::SIGTERM);
        assert_eq!(stand_in.end().0, Some(255));
        assert!(
            status(&world, &session_id)
                .is_some_and(|status| matches!(status, BoundaryStatus::Canceling | BoundaryStatus::Terminated))
        );
    }
}

#[tokio::test]
async fn a_good_token_opens_its_session_and_a_refused_connection_ends_all() {
    let world = world().await;
    let token = world.boundary().authorize("ttcp_lab0000001").unwrap();
    let variables = [("BOUNDARY_CONNECT_AUTHZ_TOKEN".to_owned(), secrecy::ExposeSecret::expose_secret(&token).to_owned())];
    let mut stand_in = run_real(&world, &[], COUNT_TERMS, &variables);
    let session_id = stand_in.line("  Session ID:          ");
    assert_eq!(world.boundary().session_ids(), std::slice::from_ref(&session_id));
    let address = stand_in.line("at ");
    let mut live = dial(&address);
    live.write_all(b"\x16").unwrap();
    while world.bytes_through_worker().0 == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    world.boundary().cancel(&session_id);
    assert_eq!(live.read(&mut [0]).unwrap(), 0, "the cancel is an end without a word");
    let refused = dial(&address).read(&mut [0]).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(stand_in.end().0, Some(9));
}

#[tokio::test]
async fn a_controller_that_refuses_leaves_no_program() {
    let world = world().await;
    let mut variables = of_controller(&world);
    let stand_in = run_real(&world, &["-target-id", "ttcp_none"], "exit 0", &variables);
    assert_eq!(stand_in.end().0, Some(2));
    variables[1].1 = "at_none_s1x".to_owned();
    let stand_in = run_real(&world, &["-target-id", "ttcp_lab0000001"], "exit 0", &variables);
    assert_eq!(stand_in.end().0, Some(2));
}

#[tokio::test]
async fn a_controllers_session_ends_at_its_time_in_a_storm() {
    let world = world().await;
    world.boundary().set_target("ttcp_lab0000001", |target| target.session_seconds = 2);
    let mut stand_in = run_real(&world, &["inv-lab.rosa"], COUNT_TERMS, &of_controller(&world));
    let mut live = dial(&stand_in.line("at "));
    live.write_all(b"\x16").unwrap();
    assert_eq!(live.read(&mut [0]).unwrap(), 0);
    assert_eq!(stand_in.end().0, Some(9));
    let session_id = world.boundary().session_ids().remove(0);
    assert_eq!(status(&world, &session_id), Some(BoundaryStatus::Terminated));
}
