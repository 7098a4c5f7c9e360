//! What an operator applies is held against the program: keys, words, metrics, events and permissions are known once.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail by panicking")]

use audit_bridge::args::Cli;
use clap::CommandFactory as _;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SAMPLE: &str = include_str!("../../../boundary/audit-bridge/config.toml");
const ALERTS: &str = include_str!("../../../boundary/audit-bridge/alerts.yml");
const IAM: &str = include_str!("../../../boundary/iam/audit-bridge.json");
const EVIDENCE_IAM: &str = include_str!("../../../boundary/iam/audit-bridge-evidence.json");
const TERRAFORM: &str = include_str!("../../../boundary/terraform/audit-bridge.tf");
const DOCUMENT: &str = include_str!("../../../docs/audit-bridge.md");
const METRICS: &str = include_str!("../src/metrics.rs");
/// Files in which commands of ours stand, and the mark before each.
const COMMANDS: [(&str, &str); 4] = [
    (include_str!("../../../boundary/audit-bridge/audit-bridge.service"), "ExecStart=/usr/local/bin/audit-bridge "),
    (include_str!("../../../boundary/audit-bridge/audit-bridge-canary.service"), "ExecStart=/usr/local/bin/audit-bridge "),
    (include_str!("../../../boundary/audit-bridge/audit-bridge.cron"), "/usr/local/bin/audit-bridge "),
    (DOCUMENT, "$ audit-bridge "),
];
/// Reads of AWS that the library offers and this program does not make, each with the function that would.
const NOT_MADE: [(&str, &str); 2] = [("ecs:ListTagsForResource", "list_tags("), ("logs:FilterLogEvents", "filter_log_events(")]; // Writing evidence into a bucket has a policy of its own.
/// Names of calls that are not the names of permissions.
const NO_PERMISSIONS: [&str; 5] =
    ["s3:HeadObject", "s3:ListObjectsV2", "s3:ListObjectVersions", "s3:GetObjectLockConfiguration", "s3:GetBucketEncryption"];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The code of all files below a folder, without tests.
fn code_below(folder: &Path) -> String {
    let mut code = String::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") && path.file_stem().is_none_or(|it| it != "tests") {
                let text = std::fs::read_to_string(&path).unwrap();
                let tested = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
                code.push_str(&text[..tested]);
            }
        }
    }
    code
}

/// The names in a text that stand between two marks.
fn between<'a>(text: &'a str, before: &str, after: char) -> BTreeSet<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap()).collect()
}

/// Texts in quotes of the form `service:Action`.
fn actions(text: &str) -> BTreeSet<&str> {
    let is_action = |word: &&str| {
        word.split_once(':').is_some_and(|(service, action)| {
            ["cloudtrail", "ecs", "iam", "kms", "logs", "s3", "ssm", "sts"].contains(&service)
                && action.starts_with(|c: char| c.is_ascii_uppercase())
                && action.bytes().all(|b| b.is_ascii_alphanumeric())
        })
    };
    text.lines().flat_map(|line| line.split('"').skip(1).step_by(2)).filter(is_action).collect()
}

fn program(config: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_audit-bridge"));
    command.env_clear().env("HOME", "/nonexistent").arg("--config").arg(config).args(words).output().unwrap()
}

fn config(text: &str, word: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let (file, password) = (folder.path().join("config.toml"), folder.path().join("password"));
    std::fs::write(&password, "x").unwrap();
    std::fs::write(&file, text.replace("/etc/audit-bridge/password", password.to_str().unwrap())).unwrap();
    program(&file, &["config", word])
}

fn told(text: &str, word: &str) -> (Option<i32>, String) {
    let output = config(text, word);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn what_would_fail_at_night_is_told_by_the_check() {
    for (text, wanted) in [
        ("", "no source is configured"),
        (
            "[[boundary]]\nname = 'b'\npassword_file = '/nonexistent/password'\n",
            "`boundary.b.password_file` is `/nonexistent/password`",
        ),
        ("[[boundary]]\nname = 'b'\n[policy]\nskew_seconds = -1\n", "`policy.skew_seconds` is `-1`"),
        ("[[boundary]]\nname = 'b'\n[policy]\nupload_bytes_per_second = 0\n", "`policy.upload_bytes_per_second`"),
    ] {
        let (code, told) = told(text, "check");
        assert!(code == Some(78) && told.contains(wanted), "{text}: {code:?} {told}");
    }
}

#[test]
fn each_value_is_shown_with_the_place_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "[[boundary]]\nname = 'a.b'\nscope_id = 'o_1'\n[daemon]\njitter_percent = 10\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_audit-bridge"));
    command.env_clear().env("HOME", "/nonexistent").env("AUDIT_BRIDGE_INTERVAL", "2m").env("AUDIT_BRIDGE_CANARY", "arn:x");
    command.env("BOUNDARY_ADDR", "http://127.0.0.1:9200").args(["config", "show", "--config"]).arg(&file);
    let shown = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let row =
        |key: &str| shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|row| row[0] == key).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(row("boundary.a.b.scope_id")[1..], ["o_1", file]);
    assert_eq!(row("boundary.a.b.roles")[1..], ["false", "default"]);
    assert_eq!(row("boundary.a.b.addr")[1..], ["http://127.0.0.1:9200", "BOUNDARY_ADDR"]);
    assert_eq!(row("daemon.jitter_percent")[1..], ["10", file]);
    assert_eq!(row("daemon.listen")[1..], ["-", "default"]);
    assert_eq!(row("daemon.interval")[1..], ["2m", "flag", "or", "environment"]);
    assert_eq!(row("canary.principal")[1..], ["arn:x", "flag", "or", "environment"]);
}

/// The sample with every key that stands behind a `#`.
fn with_every_key() -> String {
    let is_key = |line: &str| {
        let key = line.strip_prefix('#').and_then(|rest| rest.split_once(" = ")).is_some_and(|(key, _)| !key.contains(' '));
        key || line.starts_with("#[")
    };
    let lines: Vec<&str> = SAMPLE.lines().map(|line| if is_key(line) { &line[1..] } else { line }).collect();
    lines.join("\n")
}

#[test]
fn the_sample_can_be_used_as_it_is_and_with_every_key() {
    let output = config(SAMPLE, "check");
    assert!(output.status.success(), "{output:?}");
    let all = with_every_key();
    let output = config(&all, "check");
    assert!(output.status.success(), "{output:?}\n{all}");
}

#[test]
fn the_samples_defaults_are_the_programs() {
    let shown = |text: &str| String::from_utf8(config(text, "show").stdout).unwrap();
    let value = |text: &str, key: &str| {
        let row = text.lines().find(|line| line.split_whitespace().next() == Some(key)).map(str::to_owned);
        row.and_then(|row| row.split_whitespace().nth(1).map(str::to_owned)).unwrap_or_else(|| panic!("{key} in\n{text}"))
    };
    let (bare, full) = (shown(""), shown(&with_every_key()));
    let is_example = |key: &str| {
        [
            "break_glass",
            "shared_principals",
            "allowed_roles",
            "listen",
            "metrics_file",
            "principal",
            "state_dir",
            "evidence",
            "evidence_aws",
        ]
        .contains(&key.rsplit('.').next().unwrap())
    };
    let keys: Vec<&str> = bare.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let of_sections = ["boundary", "boundary_events", "aws", "records"];
    for key in keys.iter().filter(|key| !of_sections.contains(key) && !is_example(key)) {
        assert_eq!(value(&bare, key), value(&full, key), "{key}");
    }
    assert!(keys.len() > 20, "{bare}");
}

#[test]
fn sample_and_document_name_every_key() {
    let shown = String::from_utf8(config(&with_every_key(), "show").stdout).unwrap();
    let keys: Vec<&str> = shown.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(keys.len() > 40 && keys.contains(&"aws.main.sync_records"), "{shown}");
    for key in keys {
        let parts: Vec<&str> = key.split('.').collect();
        let last = parts[parts.len() - 1];
        // Sources have a name of their own between their section and the key.
        let documented = if parts.len() == 3 { last.to_owned() } else { key.to_owned() };
        assert!(DOCUMENT.contains(&format!("`{documented}`")), "docs/audit-bridge.md does not tell of `{documented}`");
        let is_there = |line: &str| line.trim_start_matches('#').strip_prefix(last).is_some_and(|rest| rest.starts_with(" ="));
        assert!(SAMPLE.lines().any(is_there), "the sample does not tell of `{last}`");
    }
}

#[test]
fn alerts_and_document_speak_of_metrics_that_there_are() {
    let put = between(METRICS, "put(\"", '"').into_iter().map(|name| format!("audit_bridge_{name}"));
    let metrics: BTreeSet<String> = put.chain(["findings", "accounts"].map(|name| format!("audit_bridge_{name}"))).collect();
    assert!(metrics.len() > 9, "{metrics:?}");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named = |text: &'static str| -> BTreeSet<String> {
        text.split(|c| !is_name(c)).filter(|word| word.starts_with("audit_bridge_")).map(str::to_owned).collect()
    };
    assert!(named(ALERTS).is_subset(&metrics), "{:?}", named(ALERTS).difference(&metrics));
    assert_eq!(named(DOCUMENT), metrics);
}

#[test]
fn alerts_ask_for_severities_and_states_that_there_are() {
    let severities = correlation::Severity::ALL.map(correlation::Severity::word);
    let asked = between(ALERTS, "severity=\"", '"');
    assert!(asked.contains("critical") && asked.iter().all(|word| severities.contains(word)), "{asked:?}");
    let states = [correlation::State::Provisional, correlation::State::Confirmed].map(correlation::State::word);
    for asked in between(ALERTS, "state=~\"", '"') {
        assert_eq!(asked.split('|').collect::<Vec<_>>(), states);
    }
}

#[test]
fn document_and_alerts_name_events_that_there_are() {
    let code = code_below(&crates().join("audit-bridge/src")) + &code_below(&crates().join("daemon-kit/src"));
    let mut events = between(&code, "event = \"", '"');
    // Chosen by what went wrong.
    for by_hand in ["cannot_read", "source_failed"] {
        assert!(code.contains(&format!("\"{by_hand}\"")));
        events.insert(by_hand);
    }
    assert!(events.len() > 10, "{events:?}");
    for event in &events {
        assert!(DOCUMENT.contains(&format!("`{event}`")), "docs/audit-bridge.md does not tell of `{event}`");
    }
    for named in between(ALERTS, "in event ", ';').into_iter().chain(between(ALERTS, "in events ", ';')) {
        for word in named.split(" and ") {
            assert!(events.contains(word.trim_end_matches(['.', '"'])), "{word}");
        }
    }
}

#[test]
fn every_code_in_the_document_is_one() {
    let codes: BTreeSet<&str> = correlation::Code::ALL.iter().map(|code| code.word()).collect();
    let looks = |word: &&str| word.contains('_') && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let told: BTreeSet<&str> = DOCUMENT.split('`').skip(1).step_by(2).filter(looks).filter(|word| !is_variable(word)).collect();
    assert!(told.contains("BYPASS_EXEC") && told.is_subset(&codes), "{:?}", told.difference(&codes));
}

/// Whether a word is an environment variable of the document's.
fn is_variable(word: &str) -> bool {
    ["AUDIT_BRIDGE_", "BOUNDARY_ADDR", "BOUNDARY_TOKEN"].iter().any(|known| word.starts_with(known)) || word == "SSM_ID"
}

#[test]
fn units_cron_line_and_document_say_words_that_there_are() {
    let mut count = 0;
    for (text, mark) in COMMANDS {
        for line in text.lines().filter_map(|line| line.split_once(mark)).map(|(_, words)| words) {
            let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches('\'')).collect();
            let parsed = Cli::command().try_get_matches_from(["audit-bridge"].iter().chain(&words));
            assert!(parsed.is_ok(), "`{line}`: {}", parsed.unwrap_err());
            count += 1;
        }
    }
    assert!(count > 12, "{count}");
}

#[test]
fn the_document_tells_of_every_word() {
    for word in Cli::command().get_subcommands() {
        let name = word.get_name();
        assert!(DOCUMENT.contains(&format!("`{name}")), "docs/audit-bridge.md does not tell of `{name}`");
    }
}

#[test]
fn the_policy_permits_the_calls_that_are_made_and_no_other() {
    let (library, code) = (code_below(&crates().join("aws-reading/src")), code_below(&crates().join("audit-bridge/src")));
    let mut made = actions(&library);
    // Nobody calls it: IAM is asked who may.
    let ours: BTreeSet<&str> = actions(&code).into_iter().filter(|action| *action != "ssm:StartSession").collect();
    assert!(made.len() > 20 && ours.is_subset(&made), "{ours:?} {made:?}");
    for (action, by) in NOT_MADE {
        assert!(library.contains(by) && !code.contains(by), "{by} decides whether {action} is needed");
        assert!(made.remove(action), "{action}");
    }
    for name in NO_PERMISSIONS {
        assert!(made.remove(name), "{name}");
    }
    let evidence: serde_json::Value = serde_json::from_str(EVIDENCE_IAM).unwrap();
    assert!(evidence["Statement"][0]["Action"].to_string().contains("s3:PutObject") && made.remove("s3:PutObject"));
    made.insert("kms:Decrypt"); // Services ask for it on the caller's behalf.
    let policy: serde_json::Value = serde_json::from_str(IAM).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    assert!(statements.iter().all(|it| it["Effect"] == "Allow"));
    let permitted: String = statements.iter().map(|it| it["Action"].to_string()).collect::<Vec<_>>().join("\n");
    assert_eq!(actions(&permitted), made);
}

#[test]
fn terraform_and_document_give_one_grant() {
    let (_, from) = TERRAFORM.split_once("auditor_grants = [\n").unwrap();
    let (list, _) = from.split_once("\n  ]").unwrap();
    let grants: Vec<&str> = list.lines().map(|line| line.split('"').nth(1).unwrap()).collect();
    assert_eq!(grants, ["ids=*;type=session;actions=list,read"]);
    assert!(grants.iter().all(|grant| DOCUMENT.contains(grant)));
}

#[test]
fn tools_take_the_samples_where_they_are_there() {
    let folder = crates().join("../boundary/audit-bridge");
    match Command::new("promtool").arg("check").arg("rules").arg(folder.join("alerts.yml")).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => eprintln!("skipped: promtool is not on PATH"),
    }
    for unit in ["audit-bridge.service", "audit-bridge-canary.service", "canary-session.service"] {
        match Command::new("systemd-analyze").arg("verify").arg(folder.join(unit)).output() {
            // The programs are not installed where tests run; all else that it says is wrong with the unit.
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                let wrong: Vec<&str> =
                    text.lines().filter(|line| line.contains(unit) && !line.contains("is not executable")).collect();
                assert!(wrong.is_empty(), "{wrong:?}");
            }
            Err(_) => eprintln!("skipped: systemd-analyze is not on PATH"),
        }
    }
}
