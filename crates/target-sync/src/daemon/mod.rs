//! `run`: the same cycle again and again, told to systemd, Prometheus and the log.
//!
//! Owns time and signals. A run is never cut in the middle of a request: on SIGTERM nothing more is begun.

mod metrics;

use crate::cycle::{CycleError, Outcome};
use crate::exit;
use crate::program::{Tools, code_of, failed_cycle, failed_store, tell};
use crate::store::{Store, StoreError, only_daemon};
use cli_kit::{chain_text, exit as shared, printable};
use daemon_kit::{NotifyState, Scraped, Stop, notify, pause, serve, write_textfile};
use jiff::Timestamp;
use metrics::Metrics;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a run may go on after the signal to stop.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// How long another run may have the store between two of ours.
const OTHERS_WITHIN: Duration = Duration::from_mins(10);

/// Runs until a signal ends it.
pub(crate) async fn run(tools: &Tools) -> u8 {
    let mut store = match Store::open(&tools.settings.state_dir) {
        Ok(store) => store,
        Err(error) => return failed_store(&error),
    };
    store.keeps_lists = true;
    let _only = match only_daemon(&tools.settings.state_dir) {
        Ok(lock) => lock,
        Err(error) => return failed_store(&error),
    };
    let mut stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => {
            tell(&format!("failed to wait for signals: {error}"));
            return exit::FAILED;
        }
    };
    let metrics = Arc::new(Mutex::new(Metrics::new(tools.settings.daemon.interval)));
    if let Some(address) = tools.settings.daemon.listen
        && let Err(error) = serve(address, metrics.clone()).await
    {
        tell(&format!("failed to listen on {address}: {error}"));
        return shared::CONFIGURATION;
    }
    notify(&[NotifyState::Ready]);
    tracing::info!(event = "started", interval = ?tools.settings.daemon.interval, "the daemon has started");
    let code = live(tools, &mut store, &metrics, &mut stop).await;
    notify(&[NotifyState::Stopping]);
    tracing::info!(event = "stopped", code, "the daemon has stopped");
    code
}

async fn live(tools: &Tools, store: &mut Store, metrics: &Mutex<Metrics>, stop: &mut Stop) -> u8 {
    loop {
        let began = tokio::time::Instant::now();
        let ended = {
            let told = crate::progress::log;
            let sync = tools.sync(&told);
            let mut cycle = std::pin::pin!(sync.run(store, &|plan| plan));
            tokio::select! {
                ended = &mut cycle => ended,
                () = stop.asked() => {
                    tools.stopping.store(true, Ordering::Relaxed);
                    return cut_short(tokio::time::timeout(STOP_WITHIN, cycle).await.ok());
                }
            }
        };
        let took = began.elapsed();
        let waiting = tokio::select! {
            waiting = tools.deliver(store) => Some(waiting),
            () = stop.asked() => None,
        };
        account(tools, metrics, &ended, waiting, took);
        if let Err(CycleError::Store(StoreError::File(..)) | CycleError::Journal(_)) = &ended {
            tell("the journal cannot be written, so nothing may be changed");
            return ended.map_or_else(|error| failed_cycle(&error), |_| exit::FAILED);
        }
        if waiting.is_none() {
            return shared::OK;
        }
        store.let_go();
        notify(&[NotifyState::Watchdog]);
        tokio::select! {
            () = tokio::time::sleep(pause(tools.settings.daemon.interval, tools.settings.daemon.jitter_percent, began.elapsed())) => {}
            () = stop.asked() => return shared::OK,
        }
        tokio::select! {
            back = store.take_back(OTHERS_WITHIN) => if let Err(error) = back {
                return failed_store(&error);
            },
            () = stop.asked() => return shared::OK,
        }
    }
}

/// The daemon was asked to stop in the middle of a run; what is not answered by then stands in the journal as an open intent.
fn cut_short(ended: Option<Result<Outcome, CycleError>>) -> u8 {
    match ended {
        Some(Err(error)) => {
            tracing::warn!(event = "run_failed", error = %chain_text(&error), "the last run failed");
        }
        None => tracing::warn!(event = "cut_short", "the last run was cut short; the next one settles what it began"),
        Some(Ok(_)) => {}
    }
    shared::OK
}

/// Writes down what a run has come to: metrics, textfile, log.
fn account(tools: &Tools, metrics: &Mutex<Metrics>, ended: &Result<Outcome, CycleError>, waiting: Option<usize>, took: Duration) {
    count(tools, metrics, ended.as_ref().ok(), waiting, took);
    match ended {
        Ok(outcome) => {
            let (done, failed, code) = (outcome.done(), outcome.failed(), code_of(outcome));
            if done + failed > 0 {
                tracing::info!(event = "run_done", done, failed, code, took = ?took, "a run has changed something");
            }
            if outcome.look.plan.is_limited() {
                tracing::error!(
                    event = "safety_limit_hit",
                    held = outcome.look.plan.held.len(),
                    "more than the limits permit would be retired; nothing of it is"
                );
            }
            for note in outcome.look.plan.notes.iter().filter(|note| note.level == crate::plan::Level::Alarm) {
                tracing::error!(event = %note.code, task_arn = note.task_arn.as_deref(), id = note.id.as_deref(), "{}", printable(&note.text, 1000));
            }
        }
        Err(error) => {
            tracing::error!(event = "run_failed", error = %chain_text(error), "a run has failed; nothing is taken away for it");
        }
    }
}

/// Counts a run, before the log tells of it: who waits for the log finds the numbers.
fn count(tools: &Tools, metrics: &Mutex<Metrics>, outcome: Option<&Outcome>, waiting: Option<usize>, took: Duration) {
    let mut metrics = metrics.lock().unwrap_or_else(PoisonError::into_inner);
    metrics.add(outcome, took, Timestamp::now());
    if let Some(waiting) = waiting {
        metrics.add_waiting(waiting);
    }
    if let Some(file) = &tools.settings.daemon.metrics_file
        && let Err(error) = write_textfile(file, &metrics.text())
    {
        tracing::warn!(event = "metrics_unwritten", %error, file = %file.display(), "the metrics' file cannot be written");
    }
}

/// Writes the metrics of a single run, for a collector of files; a daemon keeps its own.
pub(crate) fn write_metrics(tools: &Tools, outcome: Option<&Outcome>, waiting: usize, took: Duration) {
    let Some(file) = &tools.settings.daemon.metrics_file else { return };
    let mut metrics = Metrics::new(tools.settings.daemon.interval);
    metrics.add(outcome, took, Timestamp::now());
    metrics.add_waiting(waiting);
    if let Err(error) = write_textfile(file, &metrics.text()) {
        tracing::warn!(event = "metrics_unwritten", %error, file = %file.display(), "the metrics' file cannot be written");
    }
}
