//! The raw files, as the services leave them, and what there is to be found in them.
//!
//! Owns their shapes: CloudTrail log files (gzip, 1000 records each), pages of `GET /v1/sessions` (1000 each), which target is
//! which task's, and one line of digest for each transcript. The same files in every run: nothing is drawn.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::Counts;
use crate::join::mix;

/// Records of a CloudTrail file and sessions of a page of Boundary's list.
const PAGE: usize = 1000;
/// Boundary sessions of one task.
const SESSIONS_OF_TASK: u32 = 5;
/// The first moment, s since 1970.
const BEGIN: u32 = 1_760_000_000;

/// What is odd about a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Oddity {
    None,
    /// The command names no Boundary session.
    Unplanted,
    /// The command names a Boundary session that there is not.
    Forged,
    /// No transcript came.
    Unlogged,
    /// A transcript came, and no exec.
    Planted,
    /// The Boundary session is to another task's target.
    Elsewhere,
    /// The exec was delivered twice.
    Repeated,
}

impl Oddity {
    fn of(case: u32) -> Self {
        match mix(u64::from(case)) % 100 {
            0 => Self::Unplanted,
            1 => Self::Forged,
            2 => Self::Unlogged,
            3 => Self::Planted,
            4 => Self::Elsewhere,
            5 => Self::Repeated,
            _ => Self::None,
        }
    }
}

/// Writes all files and tells what is to be found in them.
pub(super) fn write(folder: &Path, sessions: u32, records: u32) -> anyhow::Result<Counts> {
    for name in ["cloudtrail", "boundary"] {
        std::fs::create_dir_all(folder.join(name))?;
    }
    let tasks = sessions.div_ceil(SESSIONS_OF_TASK);
    let targets: Vec<Value> = (0..tasks).map(|task| json!({"target_id": target_id(task), "task_id": task_id(task)})).collect();
    std::fs::write(folder.join("targets.json"), serde_json::to_vec(&targets)?)?;
    write_boundary(&folder.join("boundary"), sessions, tasks)?;
    write_transcripts(&folder.join("transcripts.jsonl"), sessions)?;
    write_cloudtrail(&folder.join("cloudtrail"), sessions, records)?;
    Ok((0..sessions).map(Oddity::of).fold(Counts::default(), count))
}

/// Adds what one case is known to hold.
fn count(mut counts: Counts, oddity: Oddity) -> Counts {
    let exec = u64::from(oddity != Oddity::Planted);
    let log = u64::from(oddity != Oddity::Unlogged);
    let linked = exec * u64::from(!matches!(oddity, Oddity::Unplanted | Oddity::Forged));
    counts.boundary_sessions += 1;
    counts.execs += exec;
    counts.logs += log;
    counts.exec_to_log += exec * log;
    counts.exec_to_boundary_session += linked;
    counts.session_to_task += linked * u64::from(oddity != Oddity::Elsewhere);
    counts.exec_without_boundary_session += exec - linked;
    counts.exec_without_log += exec * (1 - log);
    counts.log_without_exec += log * (1 - exec);
    counts
}

fn write_boundary(folder: &Path, sessions: u32, tasks: u32) -> anyhow::Result<()> {
    let all: Vec<u32> = (0..sessions).collect();
    for (page, cases) in all.chunks(PAGE).enumerate() {
        let items: Vec<Value> = cases.iter().map(|case| boundary_session(*case, tasks)).collect();
        let page_text = json!({"items": items, "response_type": "delta", "sort_by": "created_time", "sort_dir": "desc"});
        std::fs::write(folder.join(format!("{page:06}.json")), serde_json::to_vec(&page_text)?)?;
    }
    Ok(())
}

/// Shaped as Boundary's `session.proto` prints it; 64-bit numbers are strings.
fn boundary_session(case: u32, tasks: u32) -> Value {
    let own = case / SESSIONS_OF_TASK;
    let task = if Oddity::of(case) == Oddity::Elsewhere { own + tasks } else { own };
    json!({
        "id": boundary_session_id(case), "target_id": target_id(task), "scope_id": "p_1234567890", "version": 4, "type": "tcp",
        "created_time": time(case, 0), "updated_time": time(case, 60), "user_id": format!("u_{:010}", case % 200),
        "endpoint": "tcp://127.0.0.1:8443", "status": "terminated", "termination_reason": "connection limit",
        "states": [{"status": "terminated", "start_time": time(case, 60)}, {"status": "active", "start_time": time(case, 1), "end_time": time(case, 60)}],
        "connections": [{"client_tcp_address": "203.0.113.7", "client_tcp_port": 50_000, "bytes_up": "1200", "bytes_down": "90000", "closed_reason": "closed by end-user"}],
    })
}

fn write_transcripts(path: &Path, sessions: u32) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for case in (0..sessions).filter(|case| Oddity::of(*case) != Oddity::Unlogged) {
        let digest = format!("{:016x}{:016x}", mix(u64::from(case)), mix(!u64::from(case))).repeat(2);
        let line = json!({"log_group": "/ecs/ssm-sessions", "log_stream": ssm_session_id(case), "bytes": 4096, "sha256": digest, "ended": time(case, 62)});
        writeln!(file, "{line}")?;
    }
    Ok(file.flush()?)
}

fn write_cloudtrail(folder: &Path, sessions: u32, records: u32) -> anyhow::Result<()> {
    let mut page = Vec::with_capacity(PAGE);
    let mut written = 0;
    for case in 0..sessions {
        let oddity = Oddity::of(case);
        for number in 0..records.max(2) {
            let executed = oddity != Oddity::Planted && (number == 0 || number == 1 && oddity == Oddity::Repeated);
            page.push(if executed { exec(case, oddity) } else { other(case, number) });
            if page.len() == PAGE {
                write_page(folder, &mut written, &mut page)?;
            }
        }
    }
    if page.is_empty() { Ok(()) } else { write_page(folder, &mut written, &mut page) }
}

fn write_page(folder: &Path, written: &mut u32, page: &mut Vec<Value>) -> anyhow::Result<()> {
    let file = File::create(folder.join(format!("{written:06}.json.gz")))?;
    let mut zipped = GzEncoder::new(file, Compression::default());
    serde_json::to_writer(&mut zipped, &json!({"Records": std::mem::take(page)}))?;
    zipped.finish()?;
    *written += 1;
    Ok(())
}

fn exec(case: u32, oddity: Oddity) -> Value {
    let command = match oddity {
        Oddity::Unplanted => "/bin/bash -l".to_owned(),
        Oddity::Forged => format!("env BOUNDARY_SESSION_ID=s_f{case:09} /bin/bash -l"),
        _ => format!("env BOUNDARY_SESSION_ID={} /bin/bash -l", boundary_session_id(case)),
    };
    let task_id = task_id(case / SESSIONS_OF_TASK);
    let mut record = record(case, 0, "ecs.amazonaws.com", "ExecuteCommand");
    record["requestParameters"] = json!({"cluster": "rosa-boundary", "container": "rosa-boundary", "task": task_id, "command": command, "interactive": true});
    record["responseElements"] = json!({
        "taskArn": format!("arn:aws:ecs:us-east-2:123456789012:task/rosa-boundary/{task_id}"), "containerName": "rosa-boundary",
        "interactive": true, "session": {"sessionId": ssm_session_id(case), "streamUrl": "HIDDEN_DUE_TO_SECURITY_REASONS"},
    });
    record
}

/// What else a trail is full of.
fn other(case: u32, number: u32) -> Value {
    let names = ["DescribeTasks", "ListTasks", "AssumeRole", "PutObject", "Decrypt"];
    let name = names[number as usize % names.len()];
    let mut record = record(case, number, if name == "AssumeRole" { "sts.amazonaws.com" } else { "ecs.amazonaws.com" }, name);
    record["requestParameters"] = json!({"cluster": "rosa-boundary", "tasks": [task_id(case / SESSIONS_OF_TASK)]});
    record["responseElements"] = Value::Null;
    record
}

fn record(case: u32, number: u32, source: &str, name: &str) -> Value {
    let user = format!("owner-{}", case % 200);
    json!({
        "eventVersion": "1.09", "eventTime": time(case, number), "eventSource": source, "eventName": name, "awsRegion": "us-east-2",
        "userIdentity": {"type": "AssumedRole", "principalId": format!("AROAEXAMPLE:{user}"), "accountId": "123456789012",
            "arn": format!("arn:aws:sts::123456789012:assumed-role/sre/{user}")},
        "sourceIPAddress": "203.0.113.7", "userAgent": "aws-sdk-rust/1.3.9", "eventType": "AwsApiCall", "readOnly": false,
        "requestID": uuid(case, number + 1000), "eventID": uuid(case, number), "recipientAccountId": "123456789012",
    })
}

fn uuid(case: u32, number: u32) -> String {
    let drawn = mix((u64::from(number) << 32) + u64::from(case));
    format!("{case:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", number & 0xFFFF, drawn & 0xFFF, (drawn >> 12) & 0xFFF, drawn >> 24)
}

fn boundary_session_id(case: u32) -> String {
    format!("s_{case:010}")
}

fn target_id(task: u32) -> String {
    format!("ttcp_{task:010}")
}

fn task_id(task: u32) -> String {
    format!("{:016x}{:016x}", mix(u64::from(task)), task)
}

fn ssm_session_id(case: u32) -> String {
    format!("ecs-execute-command-{:016x}{case:010}", mix(u64::from(case) + 7))
}

/// So many seconds into a case, as RFC 3339. Cases begin one a second.
fn time(case: u32, seconds: u32) -> String {
    jiff::Timestamp::from_second(i64::from(BEGIN) + i64::from(case) + i64::from(seconds))
        .map(|time| time.to_string())
        .unwrap_or_default()
}

/// When everything was read: so long after the last case that all that was to come has come.
pub(super) fn read_at() -> anyhow::Result<jiff::Timestamp> {
    Ok(jiff::Timestamp::from_second(i64::from(BEGIN) + 10 * 365 * 86_400)?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn the_files_hold_what_is_said_to_be_found() {
        let folder = tempfile::tempdir().unwrap();
        let counts = write(folder.path(), 2000, 3).unwrap();
        assert!(
            counts.exec_without_log > 0
                && counts.log_without_exec > 0
                && counts.session_to_task < counts.exec_to_boundary_session
        );
        let lines = std::fs::read_to_string(folder.path().join("transcripts.jsonl")).unwrap().lines().count();
        assert_eq!(lines as u64, counts.logs);
        let mut ids = std::collections::BTreeSet::new();
        for entry in std::fs::read_dir(folder.path().join("cloudtrail")).unwrap() {
            let mut text = String::new();
            flate2::read::GzDecoder::new(File::open(entry.unwrap().path()).unwrap()).read_to_string(&mut text).unwrap();
            let file: Value = serde_json::from_str(&text).unwrap();
            let execs =
                file["Records"].as_array().unwrap().iter().filter(|record| record["eventName"] == "ExecuteCommand").cloned();
            ids.extend(execs.map(|record| record["eventID"].as_str().unwrap().to_owned()));
        }
        assert_eq!(ids.len() as u64, counts.execs, "one that was delivered twice has one id");
    }
}
