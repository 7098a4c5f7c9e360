//! `lab demo --script`: the demo types by itself, and every claim of the session's story is checked against the lab's
//! journal, not against the wrapper's word.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use lab::{ChildStatus, JournalEntry, World};
use tempfile::TempDir;

use crate::demo::terminal::Terminal;
use crate::demo::{Stage, WRAPPER, audit, build, sync};
use crate::report;

/// Generous: only a hang reaches it.
const WATCHDOG: Duration = Duration::from_secs(30);
/// How every mark of the remote script begins; none may reach the user.
const MARK: &[u8] = b"7337;ecs-exec";

/// One claim and whether it holds.
struct Story {
    failed: usize,
}

impl Story {
    /// Tells a line; a false one with what was expected and found.
    fn tell<T: PartialEq + std::fmt::Debug>(&mut self, claim: &str, expected: &T, found: &T) {
        if expected == found {
            report(&format!("ok    {claim}"));
        } else {
            self.failed += 1;
            report(&format!("FAIL  {claim}\n      - expected {expected:?}\n      + found    {found:?}"));
        }
    }

    fn holds(&mut self, claim: &str, holds: bool) {
        self.tell(claim, &true, &holds);
    }
}

/// Runs the script; success only if every line of the story holds.
pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let stage = Stage::new(build(&[WRAPPER, sync::PROGRAM, audit::PROGRAM])?).await?;
    let state = TempDir::with_prefix("lab-state-").context("failed to make a folder for records")?;
    let mut story = Story { failed: 0 };
    tell_target(&stage, &mut story);
    through_boundary(&stage, state.path(), &mut story).await?;
    past_boundary(&stage, state.path(), &mut story).await?;
    before_the_auditor(&stage, state.path(), &mut story).await?;
    if story.failed == 0 {
        report("the story holds");
        return Ok(ExitCode::SUCCESS);
    }
    report(&format!("{} lines of the story do not hold; the lab's journal:", story.failed));
    stage.world.journal().iter().for_each(|entry| report(&format!("  {entry:?}")));
    Ok(ExitCode::FAILURE)
}

/// target-sync's own words, held against what the controller would answer.
fn tell_target(stage: &Stage, story: &mut Story) {
    let target = &stage.account["targets"][0];
    let of = |name: &str| stage.world.boundary().may_authorize(name, target["id"].as_str().unwrap_or_default());
    let owner = stage.account["owner"]["user_id"].as_str().unwrap_or_default();
    story.tell("target-sync made the task a target", &Some("live"), &target["state"].as_str());
    story.holds(&format!("which its owner may enter by the alias {}", stage.alias), of(owner));
    let others = stage.world.boundary().snapshot();
    let others = others["users"].as_array().into_iter().flatten().filter_map(|user| user["id"].as_str());
    let strangers: Vec<&str> = others.filter(|id| *id != owner && of(id)).collect();
    story.tell("and nobody else but the administrator", &1, &strangers.len());
}

async fn through_boundary(stage: &Stage, state: &Path, story: &mut Story) -> anyhow::Result<()> {
    let mut terminal = Terminal::run(stage.lab.as_os_str(), &stage.connect_args(), &variables(stage, state))?;
    terminal.expect("Session ID:", WATCHDOG).await?;
    // The shell is there when it answers; typing waits in the wrapper until then.
    // The quotes tell the answer from the terminal's echo of the question.
    terminal.type_line("echo hello-from-'the'-task").await?;
    terminal.expect("hello-from-the-task", WATCHDOG).await?;
    terminal.type_line("exit 7").await?;
    let code = terminal.finish(WATCHDOG).await?;
    let ended = |entries: &[JournalEntry]| entries.iter().any(|entry| matches!(entry, JournalEntry::ChildExited { .. }));
    stage.world.wait_for(ended, WATCHDOG).await;
    tell_route(&stage.world, story);
    story.tell("`exit 7` in the task is exit code 7 here", &7, &code);
    story.tell("the agent saw its child end with 7", &Some(ChildStatus::Code(7)), &child_status(&stage.world));
    story.holds("no byte of a mark reached the terminal", !holds_bytes(terminal.shown(), MARK));
    let records = find_records(state)?;
    story.tell(
        "the session record is whole and chained",
        &Ok(()),
        &verify_records(&records).map_err(|error| format!("{error:#}")),
    );
    if story.failed > 0 {
        report(&format!("the terminal showed:\n{}", terminal.shown_text()));
    }
    Ok(())
}

fn tell_route(world: &World, story: &mut Story) {
    let journal = world.journal();
    let called = |wanted: &str| {
        journal.iter().any(|entry| matches!(entry, JournalEntry::ApiCall { action, ok: true, .. } if action == wanted))
    };
    story.holds("the task was found", called("ecs:DescribeTasks"));
    story.holds("a session was opened in it", called("ecs:ExecuteCommand"));
    let opened: Vec<(bool, bool)> = journal
        .iter()
        .filter_map(|entry| match entry {
            JournalEntry::GatewayOpened { via_worker, signed, .. } => Some((*via_worker, *signed)),
            _ => None,
        })
        .collect();
    story.tell("one data channel, through the worker, signed", &vec![(true, true)], &opened);
    let (up, down) = world.bytes_through_worker();
    story.holds(&format!("the shell's bytes went through Boundary ({up} up, {down} down)"), up > 0 && down > 0);
    let sized = journal.iter().any(|entry| matches!(entry, JournalEntry::SizeSet { cols: 80, rows: 24, .. }));
    story.holds("the remote terminal has our size", sized);
}

/// The control: the same world, past the worker, must refuse.
async fn past_boundary(stage: &Stage, state: &Path, story: &mut Story) -> anyhow::Result<()> {
    let before = stage.world.journal().len();
    let proxy = format!("http://{}", stage.world.connect_proxy_addr());
    let run = tokio::process::Command::new(&stage.wrapper)
        .args(["--via", "direct"])
        .args(stage.task_args())
        .args(["--", "true"])
        .envs(variables(stage, state))
        .env("HTTPS_PROXY", proxy)
        .stdin(Stdio::null())
        .output();
    let output = tokio::time::timeout(WATCHDOG, run).await.context("the wrapper did not end past Boundary")??;
    story.tell("past Boundary the wrapper fails", &Some(255), &output.status.code());
    let journal = stage.world.journal();
    let refused = journal[before..].iter().any(|entry| matches!(entry, JournalEntry::GatewayRefused { .. }));
    story.holds("because the gateway accepts only the worker's sockets", refused);
    let started = journal[before..].iter().any(|entry| matches!(entry, JournalEntry::GatewayOpened { .. }));
    story.holds("and no data channel was opened", !started);
    if story.failed > 0 {
        report(&format!("the wrapper said:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(())
}

/// audit-bridge's account of both sessions, from what they left behind.
async fn before_the_auditor(stage: &Stage, state: &Path, story: &mut Story) -> anyhow::Result<()> {
    let folder = TempDir::with_prefix("lab-audit-").context("failed to make a folder for the auditor")?;
    let journals = audit::Journals { wrapper: &find_records(state)?, sync: &find_records(stage.sync_folder.path())? };
    let auditor = audit::Auditor::new(&stage.world, stage.programs.join(audit::PROGRAM), folder.path(), &journals)?;
    let collected = auditor.run(&["collect", "--quiet"]).await?;
    let said = String::from_utf8_lossy(&collected.stderr).into_owned();
    story.holds("audit-bridge read every source, and has findings", collected.status.code() == Some(2));
    let sessions = auditor.rows(&["sessions"]).await?;
    let ours = sessions.iter().find(|row| !row["boundary_session_id"].is_null() && !row["ssm_session_id"].is_null());
    let ours = ours.cloned().unwrap_or_default();
    story.tell("it joined the shell to its Boundary session by what was planted", &Some("command"), &ours["method"].as_str());
    story.tell("its exit code is 7", &Some(7), &ours["exit_code"].as_u64());
    story.holds("its log was read", ours["transcript"].is_string());
    let words: Vec<&str> = ours["witnesses"].as_array().into_iter().flatten().filter_map(|it| it["word"].as_str()).collect();
    story.tell("and all four witnesses agree", &vec!["agrees"; 4], &words);
    let findings = auditor.rows(&["findings", "--severity", "critical"]).await?;
    let codes: Vec<&str> = findings.iter().filter_map(|row| row["code"].as_str()).collect();
    story.tell("the session beside Boundary is a bypass", &vec!["BYPASS_EXEC"], &codes);
    let beside = findings.first().map(|row| row["ssm_session_id"].clone()).unwrap_or_default();
    story.holds("and is another session", beside.is_string() && beside != ours["ssm_session_id"]);
    tell_bundle(&auditor, story).await?;
    if story.failed > 0 {
        report(&format!("audit-bridge said:\n{said}\n{sessions:#?}\n{findings:#?}"));
    }
    Ok(())
}

/// The report's bundle holds before somebody who has the public key alone.
async fn tell_bundle(auditor: &audit::Auditor<'_>, story: &mut Story) -> anyhow::Result<()> {
    let bundle = auditor.bundle();
    let (key, public) = (bundle.with_extension("key"), bundle.with_extension("key.pub"));
    let path = |path: &Path| path.display().to_string();
    auditor.run(&["keygen", &path(&key)]).await?;
    let written = auditor.run(&["report", "--from", "1h", "--out", &path(&bundle), "--key", &path(&key)]).await?;
    let verified = auditor.run(&["verify", &path(&bundle), "--key", &path(&public)]).await?;
    story.holds("its report is a bundle that the public key verifies", verified.status.success());
    if !verified.status.success() {
        report(&format!(
            "report: {}\nverify: {}",
            String::from_utf8_lossy(&written.stderr),
            String::from_utf8_lossy(&verified.stdout)
        ));
    }
    Ok(())
}

fn variables(stage: &Stage, state: &Path) -> Vec<(String, String)> {
    let mut variables = stage.variables();
    variables.push(("XDG_STATE_HOME".to_owned(), state.display().to_string()));
    variables.push(("XDG_CONFIG_HOME".to_owned(), state.display().to_string()));
    variables
}

fn child_status(world: &World) -> Option<ChildStatus> {
    world.journal().iter().find_map(|entry| match entry {
        JournalEntry::ChildExited { status, .. } => Some(*status),
        _ => None,
    })
}

fn find_records(state: &Path) -> anyhow::Result<PathBuf> {
    let mut folders = vec![state.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "jsonl") {
                return Ok(path);
            }
        }
    }
    bail!("the wrapper wrote no record below {}", state.display())
}

/// Checks the session records of one run: an unbroken chain, with a start and an end.
fn verify_records(path: &Path) -> anyhow::Result<()> {
    let journal = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let verified = audit_record::verify(&journal)?;
    match verified.records.as_slice() {
        [audit_record::SessionLine::SessionStart(_), audit_record::SessionLine::SessionEnd(end)] if end.exit_code == 7 => Ok(()),
        other => bail!("expected a start and an end with exit code 7, found {other:?}"),
    }
}

fn holds_bytes(text: &[u8], wanted: &[u8]) -> bool {
    text.windows(wanted.len()).any(|window| window == wanted)
}
