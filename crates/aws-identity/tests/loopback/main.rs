//! The crate in a process of its own, with an environment and a network that the test makes.
//!
//! The environment belongs to a whole process, so each case runs [`probe`] in a child.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail by panicking")]

mod assume;
mod calls;
mod chain;
mod environment;
mod rotation;
mod server;
mod sts;

use std::path::Path;
use std::time::Duration;

use aws_identity::{AssumeRole, Aws, Leg, Outcome, Settings, explain_chain, load};
use investigation::{BoundarySessionId, RoleSessionName};
use tokio::process::Command;

/// Before each line that a probe says.
const MARK: &str = "PROBE ";

/// A child that loads an identity.
struct Probe {
    command: Command,
    home: tempfile::TempDir,
}

impl Probe {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["probe", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env_clear().env("HOME", home.path()).env("AWS_EC2_METADATA_DISABLED", "true");
        Self { command, home }
    }

    /// Starts with static keys and a region.
    fn with_keys() -> Self {
        Self::new().set("AWS_ACCESS_KEY_ID", "AKIDENV").set("AWS_SECRET_ACCESS_KEY", "SECRETKEY").set("AWS_REGION", "us-east-2")
    }

    fn set(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes `~/.aws/config`.
    fn config(self, text: &str) -> Self {
        let folder = self.home.path().join(".aws");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config"), text).unwrap();
        self
    }

    /// Runs the child and returns what it said.
    async fn run(mut self) -> Vec<String> {
        let output = tokio::time::timeout(Duration::from_mins(1), self.command.kill_on_drop(true).output()).await;
        let output = output.expect("the probe hangs").unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // The harness's own text stands before the first mark in the same line.
        let said = |line: &str| line.split_once(MARK).map(|(_, said)| said.to_owned());
        let lines: Vec<String> = text.lines().filter_map(said).collect();
        assert!(!lines.is_empty(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
        lines
    }
}

#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn say(text: impl std::fmt::Display) {
    println!("{MARK}{text}");
}

fn say_leg(leg: &Leg) {
    say(format_args!("leg {:?} | {} | {}", leg.kind, leg.title, leg.detail));
    match &leg.outcome {
        Outcome::Passed { arn } => say(format_args!("passed {arn}")),
        Outcome::NotTried => say("not tried"),
        Outcome::Failed { failure, causes } => {
            say(format_args!("failed {failure}"));
            for cause in causes {
                say(format_args!("cause {cause}"));
            }
        }
    }
}

/// Takes on a role in the name of bob.
async fn assume(aws: &Aws, role_arn: String) -> Option<Aws> {
    let boundary_session_id = BoundarySessionId::parse("s_1234567890").unwrap();
    let wanted = AssumeRole {
        role_arn,
        session_name: RoleSessionName::new("bob", Some(&boundary_session_id)),
        boundary_user_id: Some("u_1234567890".to_owned()),
        boundary_target_id: Some("ttcp_1234567890".to_owned()),
        abac_tag: Some(("username".to_owned(), "bob".to_owned())),
        source_identity: Some("bob".to_owned()),
        plain: std::env::var("PROBE_PLAIN").is_ok(),
    };
    match aws.assume_role(&wanted).await {
        Ok(aws) => {
            let assumed = aws.assumed().unwrap();
            say(format_args!("assumed {} as {:?} with {:?}", assumed.arn, assumed.source_identity, assumed.tags));
            Some(aws)
        }
        Err(error) => {
            say(format_args!("not assumed: {error}"));
            None
        }
    }
}

/// Loads what its environment says and tells how it went.
#[tokio::test]
#[ignore = "run as a child by the other tests"]
async fn probe() {
    let given = |name: &str| std::env::var(name).ok();
    let settings = Settings {
        profile: given("PROBE_PROFILE"),
        region: given("PROBE_REGION"),
        ca_file: given("PROBE_CA").map(Into::into),
        credentials: None,
    };
    if given("PROBE_LEGS").is_some() {
        return explain_chain(&settings).await.iter().for_each(say_leg);
    }
    let mut aws = match load(&settings).await {
        Ok(aws) => aws,
        Err(error) => return say(format_args!("load failed: {error}")),
    };
    if let Some(role_arn) = given("PROBE_ASSUME") {
        match assume(&aws, role_arn).await {
            Some(assumed) => aws = assumed,
            None => return,
        }
    }
    say(format_args!("region={} profile={} may_prompt={}", aws.region(), aws.profile(), aws.may_prompt()));
    for _ in 0..2 {
        match aws.credentials().await {
            Ok(credentials) => say(format_args!("key={}", credentials.access_key_id())),
            Err(error) => say(format_args!("no credentials: {error}")),
        }
    }
    if given("PROBE_TAGS").is_some() {
        say(format_args!("tags={:?}", aws.session_tags().await));
    }
    if given("PROBE_CALL").is_some() {
        match aws.caller().await {
            Ok(caller) => say(format_args!("caller={} {} {}", caller.account, caller.arn, caller.user_id)),
            Err(refusal) => say(format_args!("refused {:?} {:?}: {refusal}", refusal.kind, refusal.http_status)),
        }
    }
}
