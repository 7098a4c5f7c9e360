//! What a shell's completion asks: flags, tasks, investigations, Boundary targets.
//!
//! Switched on with `source <(COMPLETE=bash ecs-exec-wrapper)` (or zsh, fish). Owns the reads behind the names; each has little
//! time, and no answer is an empty list: completion must never get in the way.

use crate::args;
use crate::config::FileConfig;
use crate::ecs::Services;
use boundary_api::{Client, ListOptions, Settings};
use clap_complete::CompletionCandidate;
use clap_complete::env::CompleteEnv;
use cli_kit::{FileLayers, printable};
use investigation::TaskLabels;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

/// A person waits at a prompt.
const WITHIN: Duration = Duration::from_secs(3);

/// Of how many targets the aliases are read.
const ALIASES_OF: usize = 20;

/// Answers the shell and ends the process, if a shell asks.
pub(crate) fn answer() {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    CompleteEnv::with_factory(|| args::Args::grammar(&arguments)).bin("ecs-exec-wrapper").complete();
}

/// Ids of running tasks, each with its investigation.
pub(crate) fn tasks(current: &OsStr) -> Vec<CompletionCandidate> {
    of_tasks(current, |id, labels| Some((id.to_owned(), about(labels))))
}

/// Ids of investigations that have a running task.
pub(crate) fn investigations(current: &OsStr) -> Vec<CompletionCandidate> {
    of_tasks(current, |id, labels| Some((labels.investigation_id()?.to_owned(), format!("task {id}"))))
}

/// Targets that the user may see, by alias and by id.
pub(crate) fn targets(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = waited(async {
        let settings =
            Settings::from_variables(|name| std::env::var(name).ok()).ok().filter(|settings| settings.token.is_some())?;
        let client = Client::connect(&settings).ok()?;
        let listed = client.targets().list_all(ListOptions::in_scope("global").recursive()).await.ok()?;
        let mut names: Vec<_> = listed.items.iter().map(|target| (target.id.clone(), target.name.clone())).collect();
        // A list leaves aliases out.
        let targets = client.targets();
        let reads = futures_util::future::join_all(listed.items.iter().take(ALIASES_OF).map(|target| targets.read(&target.id)));
        for target in reads.await.into_iter().flatten() {
            names.extend(target.aliases.iter().map(|alias| (alias.value.clone(), target.name.clone())));
        }
        Some(names)
    });
    candidates(current, names.unwrap_or_default())
}

fn about(labels: &TaskLabels) -> String {
    let part = |name: &str, value: Option<&str>| value.map(|value| format!("{name} {value}"));
    let parts =
        [part("investigation", labels.investigation_id()), part("of", labels.cluster_id()), part("owner", labels.owner_name())];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn of_tasks(current: &OsStr, candidate: impl Fn(&str, &TaskLabels) -> Option<(String, String)>) -> Vec<CompletionCandidate> {
    let views = waited(async {
        let cluster = cluster()?;
        let variable = |name: &str| std::env::var(name).ok();
        let settings = aws_identity::Settings {
            profile: variable("ECS_EXEC_PROFILE"),
            region: variable("ECS_EXEC_REGION"),
            ..Default::default()
        };
        let aws = aws_identity::load(&settings).await.ok().filter(|aws| !aws.may_prompt())?;
        let services = Services::new(aws.config());
        let arns = services.running_tasks(&cluster).await.ok()?;
        services.describe(&cluster, &arns).await.ok()
    });
    let views = views.unwrap_or_default();
    candidates(current, views.iter().filter_map(|view| candidate(view.arn.task_id(), &view.labels)).collect())
}

/// The cluster in the words that were typed so far, the environment, or the configuration.
fn cluster() -> Option<String> {
    let words: Vec<String> = std::env::args().collect();
    let typed = words.iter().position(|word| word == "--").map_or(&[][..], |at| &words[at + 1..]);
    let flag = typed.iter().position(|word| word == "--cluster").and_then(|at| typed.get(at + 1)).cloned();
    let first = typed.get(1).filter(|word| !word.starts_with('-') && typed.len() > 2 && *word != args::CONNECT).cloned();
    flag.or_else(|| std::env::var("ECS_EXEC_CLUSTER").ok())
        .or(first)
        .or_else(|| FileLayers::<FileConfig>::load("ecs-exec-wrapper").ok()?.value(|file| file.cluster.clone()))
}

/// What is printed here reaches a shell: only plain words.
fn candidates(current: &OsStr, found: Vec<(String, String)>) -> Vec<CompletionCandidate> {
    let begins = current.to_string_lossy();
    let is_plain = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    let fitting = found.into_iter().filter(|(word, _)| !word.is_empty() && is_plain(word) && word.starts_with(begins.as_ref()));
    fitting.map(|(word, about)| CompletionCandidate::new(word).help(Some(printable(&about, 100).into()))).collect()
}

fn waited<T>(work: impl Future<Output = Option<T>>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async { tokio::time::timeout(WITHIN, work).await.ok().flatten() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words_reach_the_shell() {
        let found = ["0123abc", "0123;rm", "0123$(id)", "4567", ""].map(|word| (word.to_owned(), String::new()));
        let offered: Vec<_> = candidates(OsStr::new("01"), found.to_vec()).iter().map(|it| it.get_value().to_owned()).collect();
        assert_eq!(offered, ["0123abc"]);
    }
}
