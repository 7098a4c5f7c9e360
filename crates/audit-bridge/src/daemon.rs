//! `collect`: one round, or round after round until a signal.
//!
//! Owns time, signals, metrics and the progress that a person sees. A round is cut only between two commits.

use crate::collect::haul::Ledger;
use crate::collect::place::CollectError;
use crate::collect::{Eyes, Failure, Round, Rounding};
use crate::evidence;
use crate::program::{open_reader, open_state, print, tell};
use crate::settings::{Settings, SettingsError};
use crate::{exit, metrics::Metrics};
use audit_state::{FindingFilter, KnownFinding, State, StateError};
use cli_kit::{chain_text, exit as shared, printable};
use correlation::{Severity, State as Settled};
use daemon_kit::{NotifyState, Scraped as _, Stop, notify, pause, serve, write_textfile};
use evidence_bundle::store::EvidenceStore;
use jiff::{SignedDuration, Timestamp};
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Findings that a round's last lines name.
const SHOWN: usize = 5;

/// What a collector works with.
struct Collector {
    state: State,
    evidence: Box<dyn EvidenceStore>,
    eyes: Eyes,
}

impl Collector {
    fn open(settings: &Settings) -> Result<Self, u8> {
        let eyes = Eyes::new(settings).map_err(|text| {
            tell(&text);
            shared::CONFIGURATION
        })?;
        if !settings.has_sources() {
            tell(&SettingsError::NoSource.to_string());
            return Err(shared::CONFIGURATION);
        }
        let evidence = evidence::open(settings).map_err(|error| crate::program::failed(&error))?;
        let state = open_state(settings).map_err(|error| crate::program::failed(&error))?;
        Ok(Self { state, evidence, eyes })
    }

    async fn round(&mut self, settings: &Settings, progress: &(dyn Fn(&str) + Sync)) -> Result<Round, CollectError> {
        let now = Timestamp::now();
        let run = self.state.begin_run("collect", now).map_err(crate::collect::haul::KeepError::from)?;
        let ledger = Ledger { state: &mut self.state, evidence: self.evidence.as_ref() };
        let round = Rounding::new(settings, ledger, now, progress).run(&mut self.eyes).await?;
        self.retire(settings, now).map_err(crate::collect::haul::KeepError::from)?;
        self.state.end_run(run, Timestamp::now()).map_err(crate::collect::haul::KeepError::from)?;
        Ok(round)
    }

    /// Removes what is older than the retention; its evidence stays until an operator removes it, since it may be locked.
    fn retire(&mut self, settings: &Settings, now: Timestamp) -> Result<(), StateError> {
        let before = now - SignedDuration::from_hours(24 * i64::from(settings.retention_days));
        let purged = self.state.purge(before, now)?;
        if purged.cases > 0 {
            tracing::info!(event = "purged", cases = purged.cases, "settled cases beyond the retention were removed");
        }
        Ok(())
    }
}

/// One round: the line for cron.
pub(crate) async fn once(settings: &Settings, quiet: bool) -> u8 {
    let mut collector = match Collector::open(settings) {
        Ok(collector) => collector,
        Err(code) => return code,
    };
    let began = Instant::now();
    let progress = Progress::new(quiet);
    let round = collector.round(settings, &|name| progress.say(name)).await;
    progress.end();
    let mut metrics = Metrics::new(settings.daemon.interval);
    metrics.add(round.as_ref().ok(), began.elapsed(), Timestamp::now(), figures(settings));
    write_metrics(settings, &metrics);
    match round {
        Ok(round) => conclude(settings, &round, quiet),
        Err(error) => crate::program::failed(&error),
    }
}

/// Tells what came of a round, and gives its exit code.
fn conclude(settings: &Settings, round: &Round, quiet: bool) -> u8 {
    for (why, names) in by_reason(&round.failed) {
        tell(&format!("{}: {why}", names.join(", ")));
    }
    let standing = match standing(settings) {
        Ok(standing) => standing,
        Err(error) => return crate::program::failed(&error),
    };
    if !quiet {
        let (read, failed) = (counted(round.read, "source"), round.failed.len());
        let (cases, changed) = (counted(round.judged.cases, "case"), counted(round.judged.changed, "finding"));
        print(&format!("{read} read, {failed} not; {cases} judged, {changed} changed\n"));
        print(&standing_text(&standing, settings.fail_on));
    }
    match (round.failed.is_empty(), standing.is_empty()) {
        (false, _) => exit::INCOMPLETE,
        (true, false) => exit::FINDINGS,
        (true, true) => shared::OK,
    }
}

/// What went wrong, each reason once with the sources that it kept from being read.
fn by_reason(failed: &[Failure]) -> Vec<(&str, Vec<&str>)> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for failure in failed {
        match reasons.iter_mut().find(|(why, _)| *why == failure.why) {
            Some((_, names)) => names.push(&failure.name),
            None => reasons.push((&failure.why, vec![&failure.name])),
        }
    }
    reasons
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Why the exit code is what it is: the worst findings that stand.
fn standing_text(standing: &[KnownFinding], fail_on: Severity) -> String {
    if standing.is_empty() {
        return String::new();
    }
    let (count, level) = (counted(standing.len(), "finding"), fail_on.word());
    let verb = if standing.len() == 1 { "stands" } else { "stand" };
    let mut text = format!("{count} at or above {level} {verb}; see audit-bridge findings\n");
    for KnownFinding { finding, .. } in standing.iter().take(SHOWN) {
        let (severity, code) = (finding.severity.word(), finding.code.word());
        let subject = finding.subject.text();
        let id = subject.split_once(':').map_or(subject.as_str(), |(_, id)| id);
        text.push_str(&format!("  {severity:8}  {code}  {}\n", printable(id, 120)));
    }
    if standing.len() > SHOWN {
        text.push_str(&format!("  and {} more\n", standing.len() - SHOWN));
    }
    text
}

/// 2 when something at or above the operator's severity stands, else 0.
pub(crate) fn findings_code(settings: &Settings) -> u8 {
    match standing(settings) {
        Ok(standing) if standing.is_empty() => shared::OK,
        Ok(_) => exit::FINDINGS,
        Err(error) => crate::program::failed(&error),
    }
}

/// What stands at or above the operator's severity, the worst first.
fn standing(settings: &Settings) -> Result<Vec<KnownFinding>, StateError> {
    let states = vec![Settled::Provisional, Settled::Confirmed];
    let filter = FindingFilter { severity: Some(settings.fail_on), states, ..FindingFilter::default() };
    open_reader(settings)?.findings(&filter)
}

/// Round after round: the daemon.
pub(crate) async fn watch(settings: &Settings, quiet: bool) -> u8 {
    let mut stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => return crate::program::failed(&error),
    };
    let mut collector = match Collector::open(settings) {
        Ok(collector) => collector,
        Err(code) => return code,
    };
    let metrics = Arc::new(Mutex::new(Metrics::new(settings.daemon.interval)));
    if let Some(address) = settings.daemon.listen
        && let Err(error) = serve(address, metrics.clone()).await
    {
        tell(&format!("failed to listen on {address}: {error}"));
        return shared::CONFIGURATION;
    }
    notify(&[NotifyState::Ready]);
    tracing::info!(event = "started", interval = ?settings.daemon.interval, "the collector has started");
    let code = live(settings, &mut collector, &metrics, &mut stop, quiet).await;
    notify(&[NotifyState::Stopping]);
    tracing::info!(event = "stopped", code, "the collector has stopped");
    code
}

async fn live(settings: &Settings, collector: &mut Collector, metrics: &Mutex<Metrics>, stop: &mut Stop, quiet: bool) -> u8 {
    loop {
        let began = Instant::now();
        let progress = Progress::new(quiet);
        let told = |name: &str| {
            // Each source has its time: a round that goes on is alive.
            notify(&[NotifyState::Watchdog]);
            progress.say(name);
        };
        let ended = tokio::select! {
            ended = collector.round(settings, &told) => ended,
            // Each commit is whole: what this round has not read, the next one reads.
            () = stop.asked() => return shared::OK,
        };
        progress.end();
        {
            let mut metrics = metrics.lock().unwrap_or_else(PoisonError::into_inner);
            metrics.add(ended.as_ref().ok(), began.elapsed(), Timestamp::now(), figures(settings));
            write_metrics(settings, &metrics);
        }
        match ended {
            Ok(round) => log(&round, began.elapsed()),
            Err(error) => {
                tracing::error!(event = "round_failed", error = %chain_text(&error), "nothing more can be kept");
                return exit::FAILED;
            }
        }
        notify(&[NotifyState::Watchdog]);
        let daemon = &settings.daemon;
        let wait = pause(daemon.interval, daemon.jitter_percent, began.elapsed());
        progress.wait(Timestamp::now() + wait);
        let is_asked = tokio::select! {
            () = tokio::time::sleep(wait) => false,
            () = stop.asked() => true,
        };
        progress.end();
        if is_asked {
            return shared::OK;
        }
    }
}

/// Logs what came of a round: each reason once, with the sources that it kept from being read.
fn log(round: &Round, took: Duration) {
    for (why, names) in by_reason(&round.failed) {
        let is_refusal = round.failed.iter().any(|it| it.is_refusal && it.why == why);
        let event = if is_refusal { "cannot_read" } else { "source_failed" };
        tracing::warn!(event, place = %names.join(", "), error = %why, "a source was not read to its end");
    }
    tracing::info!(
        event = "round_done",
        read = round.read,
        failed = round.failed.len(),
        cases = round.judged.cases,
        changed = round.judged.changed,
        took = ?took,
        "a round is done"
    );
}

fn figures(settings: &Settings) -> Option<audit_state::Figures> {
    open_reader(settings).and_then(|reader| reader.figures(Timestamp::now())).ok()
}

fn write_metrics(settings: &Settings, metrics: &Metrics) {
    if let Some(file) = &settings.daemon.metrics_file
        && let Err(error) = write_textfile(file, &metrics.text())
    {
        tracing::warn!(event = "metrics_unwritten", %error, file = %file.display(), "the metrics' file cannot be written");
    }
}

/// One line on a terminal that says which source is being read.
struct Progress {
    shown: bool,
}

impl Progress {
    fn new(quiet: bool) -> Self {
        Self { shown: !quiet && std::io::stderr().is_terminal() }
    }

    fn say(&self, name: &str) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[2Kreading {name} …");
        }
    }

    fn wait(&self, until: Timestamp) {
        if self.shown {
            let until = until.strftime("%H:%M:%S");
            let _ = write!(std::io::stderr().lock(), "\r\x1b[2Kwaiting: the next round begins at {until} UTC; Ctrl-C ends");
        }
    }

    fn end(&self) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[2K");
        }
    }
}
