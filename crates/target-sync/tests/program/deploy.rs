//! What an operator applies is held against the program: grants, keys, metrics, events and permissions are known once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use target_sync::observe::boundary;

const TERRAFORM: &str = include_str!("../../../../boundary/terraform/main.tf");
const IAM: &str = include_str!("../../../../boundary/iam/target-sync.json");
const ALERTS: &str = include_str!("../../../../boundary/target-sync/alerts.yml");
const CRONJOB: &str = include_str!("../../../../boundary/target-sync/cronjob.yaml");
const DOCUMENT: &str = include_str!("../../../../docs/target-sync.md");
const METRICS: &str = include_str!("../../src/daemon/metrics.rs");
const CALLS: &str = include_str!("../../src/observe/ecs/calls.rs");
const SPEAKERS: [&str; 4] = [
    include_str!("../../src/daemon/mod.rs"),
    include_str!("../../../daemon-kit/src/http.rs"),
    include_str!("../../src/program.rs"),
    include_str!("../../src/upsert.rs"),
];

const PLANNERS: [&str; 3] =
    [include_str!("../../src/plan/mod.rs"), include_str!("../../src/plan/live.rs"), include_str!("../../src/plan/retire.rs")];
const EXPLAIN: &str = include_str!("../../src/explain.rs");

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../boundary/target-sync/config.toml")
}

fn config(file: &Path, word: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_target-sync"));
    command.env_clear().env("HOME", "/nonexistent").arg("--config").arg(file).args(["config", word]);
    command.output().unwrap()
}

fn is_usable(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    let output = config(&file, "check");
    assert!(output.status.success(), "{output:?}\n{text}");
}

/// The quoted texts of a list among Terraform's locals.
fn listed(name: &str) -> BTreeSet<&str> {
    let (_, from) = TERRAFORM.split_once(&format!("  {name} = [\n")).unwrap();
    let (list, _) = from.split_once("\n  ]").unwrap();
    list.lines().map(|line| line.split('"').nth(1).unwrap()).collect()
}

/// The names in a text that stand between two marks.
fn between<'a>(text: &'a str, before: &str, after: char) -> BTreeSet<&'a str> {
    text.split(before).skip(1).map(|rest| rest.split(after).next().unwrap()).collect()
}

fn metrics() -> BTreeSet<String> {
    let put = between(METRICS, "put(\"", '"').into_iter().map(|name| format!("target_sync_{name}"));
    put.chain(["target_sync_targets".to_owned()]).collect()
}

#[test]
fn terraform_gives_the_grants_that_the_program_asks_for() {
    let of_project = [boundary::TARGET_GRANT, boundary::ROLE_GRANT, boundary::SESSION_GRANT];
    assert_eq!(listed("project_grants"), of_project.into());
    assert_eq!(listed("alias_grants"), [boundary::ALIAS_GRANT].into());
    assert_eq!(listed("owner_grants"), [boundary::USER_GRANT, boundary::ACCOUNT_GRANT].into());
    assert!(listed("overview_grants").contains(boundary::FOREIGN_ROLE_GRANT));
}

#[test]
fn the_samples_can_be_used_as_they_are_and_with_every_key() {
    let output = config(&sample(), "check");
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read_to_string(sample()).unwrap();
    let is_key = |line: &str| line.starts_with('#') && line[1..].split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let all: Vec<&str> = text.lines().map(|line| if is_key(line) { &line[1..] } else { line }).collect();
    assert!(all.iter().filter(|line| !line.starts_with('#')).count() > 45, "the keys are found: {all:#?}");
    is_usable(&all.join("\n"));
    let (_, from) = CRONJOB.split_once("  config.toml: |\n").unwrap();
    let lines = from.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    is_usable(&lines.map(str::trim_start).collect::<Vec<_>>().join("\n"));
}

#[test]
fn sample_and_document_name_every_key() {
    let shown = String::from_utf8(config(&sample(), "show").stdout).unwrap();
    let keys: Vec<&str> = shown.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(keys.len() > 20 && keys.contains(&"boundary.project_id"), "{shown}");
    let text = std::fs::read_to_string(sample()).unwrap();
    for key in keys {
        assert!(DOCUMENT.contains(&format!("`{key}`")), "docs/target-sync.md does not tell of `{key}`");
        let last = key.rsplit('.').next().unwrap();
        let is_there =
            |line: &str| line.trim_start_matches(['#', '[']).strip_prefix(last).is_some_and(|rest| rest.starts_with([' ', ']']));
        assert!(text.lines().any(is_there), "the sample does not tell of `{key}`");
    }
}

#[test]
fn alerts_and_document_speak_of_metrics_that_there_are() {
    let metrics = metrics();
    assert!(metrics.len() > 10, "{metrics:?}");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named = |text: &'static str| -> BTreeSet<String> {
        text.split(|c| !is_name(c)).filter(|word| word.starts_with("target_sync_")).map(str::to_owned).collect()
    };
    assert!(named(ALERTS).is_subset(&metrics), "{:?}", named(ALERTS).difference(&metrics));
    assert_eq!(named(DOCUMENT), metrics);
}

#[test]
fn the_document_names_every_event_and_note() {
    let mut codes: BTreeSet<&str> = SPEAKERS.iter().flat_map(|text| between(text, "event = \"", '"')).collect();
    assert!(codes.len() > 8, "{codes:?}");
    for level in ["Alarm", "Warning", "Info"] {
        codes.extend(PLANNERS.iter().flat_map(|text| between(text, &format!("Level::{level}, \""), '"')));
    }
    let (_, left_over) = EXPLAIN.split_once("const LEFT_OVER").unwrap();
    codes.extend(left_over.split("];").next().unwrap().split('"').skip(1).step_by(2));
    assert!(codes.contains("marker_lost") && codes.contains("owner_changed") && codes.contains("fate_unknown"), "{codes:?}");
    for code in codes {
        assert!(DOCUMENT.contains(&format!("`{code}`")), "docs/target-sync.md does not tell of `{code}`");
    }
}

#[test]
fn the_policy_permits_the_calls_that_are_made_and_no_other() {
    let made: BTreeSet<&str> = between(CALLS, ": &str = \"ecs:", '"');
    assert!(made.len() == 4, "{made:?}");
    assert_eq!(between(IAM, "\"ecs:", '"').into_iter().filter(|name| *name != "cluster").collect::<BTreeSet<_>>(), made);
}
