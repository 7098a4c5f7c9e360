//! Reads the sources, one after the other, and keeps what they say.
//!
//! Owns the order of a round: what names sessions first, then what is looked for by their names. A source that fails does not
//! keep the others from being read; a denial becomes a window that was not read, never an empty list.
//!
//! ```text
//! Boundary, audit events, CloudTrail, SSM, ECS, records ─ judge ─► accounts ─ transcripts, artifacts by name ─ judge ─►
//! ```

mod artifacts;
mod boundary;
pub(crate) mod cadence;
mod cloudtrail;
mod destinations;
mod ecs;
mod events;
mod exec_logs;
mod exec_objects;
mod fresh;
pub(crate) mod haul;
mod journals;
mod links;
mod log_pages;
mod lookup;
mod lost;
mod objects;
pub(crate) mod one;
pub(crate) mod pages;
pub(crate) mod place;
mod policies;
mod posture;
mod roles;
mod shells;
mod ssm;
mod sync_records;
#[cfg(test)]
mod testing;
mod transcripts;
mod troubles;

use crate::judging::{Judged, judge};
use crate::settings::{AwsSource, Settings, TrailBy};
use aws_identity::Settings as AwsSettings;
use aws_reading::s3::{Bucket, ListObjects};
use aws_reading::{Reader, ReaderOptions};
use boundary_api::{Client, ListOptions, ProgramLogin};
use cli_kit::{chain_text, printable};
use haul::Ledger;
use jiff::Timestamp;
use place::{AwsPlace, CollectError};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// The time that one source has in a round: Boundary and ECS forget within the hour, and must be read again before.
const SHARE: Duration = Duration::from_mins(5);
/// After so much of a round the sources that are left have less time.
const ROUND: Duration = Duration::from_mins(15);
/// How much less: enough to go on a little.
const REST: Duration = Duration::from_mins(2);
/// After so much of a round the sources that are left wait for the next one.
const LONGEST: Duration = Duration::from_mins(30);

/// How long an account is the first to be read.
const TURN: Duration = Duration::from_mins(5);

/// What a round came to.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// Sources that were read to their end.
    pub(crate) read: usize,
    /// Sources that were not.
    pub(crate) failed: Vec<Failure>,
    /// What was judged.
    pub(crate) judged: Judged,
    /// Whether every controller was read to its end.
    pub(crate) boundary_read: bool,
}

/// A source that was not read to its end.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Its name.
    pub(crate) name: String,
    /// Why, in harmless words.
    pub(crate) why: String,
    /// Whether it refused, so that what it holds is unknown.
    pub(crate) is_refusal: bool,
}

/// What a round reads with.
pub(crate) struct Eyes {
    boundary: Vec<Client>,
    aws: Vec<AwsEye>,
}

/// One account and region: the reader, once it has said who it is.
struct AwsEye {
    reader: Option<(Reader, String)>,
    source: AwsSource,
}

impl Eyes {
    /// Gets ready; no connection yet.
    ///
    /// # Errors
    /// What is wrong with a login, in words.
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        let client = |source: &crate::settings::BoundarySource| {
            let account = source.account();
            let login = ProgramLogin {
                addr: source.addr.as_deref(),
                account: account.as_ref(),
                requests_per_second: source.requests_per_second,
                password_variable: "AUDIT_BRIDGE_PASSWORD",
            };
            login.client().map_err(|error| format!("boundary.{}: {}", source.name, chain_text(&error)))
        };
        let boundary = settings.boundary.iter().map(client).collect::<Result<_, _>>()?;
        let aws = settings.aws.iter().map(|source| AwsEye { reader: None, source: source.clone() }).collect();
        Ok(Self { boundary, aws })
    }

    /// Asks each source one cheap question; gives what it said, or why it did not.
    pub(crate) async fn try_all(&mut self, settings: &Settings) -> Vec<(String, Result<String, String>)> {
        let mut said = Vec::new();
        for (source, client) in settings.boundary.iter().zip(&self.boundary) {
            let options = ListOptions::in_scope(&source.scope_id).recursive().page_size(1);
            let listed = client.sessions().list(options).next_verbatim().await;
            let text = |_| "sessions can be listed; whether others' are seen shows after the first round".to_owned();
            let address = std::env::var("BOUNDARY_ADDR").ok().or_else(|| source.addr.clone()).unwrap_or_default();
            let what = format!("boundary {} {address}", source.name).trim_end().to_owned();
            said.push((what, listed.map(text).map_err(|error| chain_text(&error))));
        }
        for source in &settings.records {
            let read = std::fs::metadata(&source.file).map(|file| format!("{} bytes", file.len()));
            let failed = |error: std::io::Error| format!("`{}`: {error}", source.file.display());
            said.push((format!("records {}", source.name), read.map_err(failed)));
        }
        for file in settings.boundary_events.iter().flat_map(|source| &source.files) {
            let opened = std::fs::File::open(file).map(|_| "can be read".to_owned());
            said.push((format!("audit events {}", file.display()), opened.map_err(|error| error.to_string())));
        }
        for eye in &mut self.aws {
            let name = format!("aws {}", eye.source.name);
            match eye.open().await {
                Ok(()) => said.extend(eye.try_all(&name).await),
                Err(error) => said.push((name, Err(chain_text(&error)))),
            }
        }
        said
    }
}

impl AwsEye {
    /// Asks each service of one account and region one question.
    async fn try_all(&self, name: &str) -> Vec<(String, Result<String, String>)> {
        let Some((reader, account)) = &self.reader else { return Vec::new() };
        let now = Timestamp::now();
        let mut said = vec![(name.to_owned(), Ok(format!("account {account}, region {}", self.source.region)))];
        let mut questions = vec![("logs:DescribeLogGroups", json!({"limit": 1}))];
        for group in self.source.log_groups() {
            questions.push(("logs:DescribeLogStreams", json!({"logGroupName": group, "limit": 1})));
        }
        if self.source.cloud_trail != TrailBy::Off {
            questions.push(("cloudtrail:DescribeTrails", json!({})));
        }
        if self.source.cloud_trail == TrailBy::Lookup {
            let window = json!({"StartTime": now.as_second() - 60, "EndTime": now.as_second(), "MaxResults": 1});
            questions.push(("cloudtrail:LookupEvents", window));
        }
        if self.source.ssm_sessions {
            questions.push(("ssm:DescribeSessions", json!({"State": "Active", "MaxResults": 1})));
        }
        for cluster in &self.source.ecs_clusters {
            questions.push(("ecs:DescribeClusters", json!({"clusters": [cluster], "include": ["CONFIGURATIONS"]})));
            questions.push(("ecs:ListTasks", json!({"cluster": cluster, "maxResults": 1})));
        }
        for (call, parameters) in questions {
            let about = parameters["logGroupName"].as_str().or(parameters["cluster"].as_str()).unwrap_or_default();
            let what = format!("{name} {call} {about}").trim_end().to_owned();
            let answer = reader.json(call, parameters).await.map(|_| "answered".to_owned());
            said.push((what, answer.map_err(|error| chain_text(&error))));
        }
        let places = [&self.source.trail, &self.source.exec_objects, &self.source.artifacts, &self.source.sync_records];
        let records = self.source.links.iter().filter(|place| place.starts_with("s3:"));
        for url in places.into_iter().flatten().chain(records) {
            let Ok(home) = crate::settings::bucket("", url) else { continue };
            let list = ListObjects { bucket: Bucket::new(home.name), prefix: home.prefix, start_after: None, delimiter: None };
            let listed = reader.list_objects(list).next_page().await.map(|_| "can be listed".to_owned());
            said.push((format!("{name} {url}"), listed.map_err(|error| chain_text(&error))));
        }
        said
    }
}

impl AwsEye {
    /// Finds out who we are, once.
    async fn open(&mut self) -> Result<(), CollectError> {
        if self.reader.is_none() {
            self.reader = Some(identity(&self.source).await?);
        }
        Ok(())
    }
}

/// A reader of one account and region, and the account that the caller is of.
pub(crate) async fn identity(source: &AwsSource) -> Result<(Reader, String), CollectError> {
    let settings = AwsSettings { profile: source.profile.clone(), region: Some(source.region.clone()), ..AwsSettings::default() };
    let odd = |why| CollectError::Odd(format!("the identity of aws.{}", source.name), why);
    let aws = aws_identity::load(&settings).await.map_err(aws_reading::ReadError::from)?;
    let options = ReaderOptions { ca_file: aws_reading::ca_file(None), ..ReaderOptions::default() };
    let reader = Reader::new(&aws, options).map_err(|_| odd("the file of authorities cannot be used"))?;
    let caller = reader.caller().await?;
    match &source.account {
        Some(wanted) if *wanted != caller.account => {
            let key = format!("aws.{}.account", source.name);
            Err(CollectError::OtherAccount { key, wanted: wanted.clone(), found: caller.account })
        }
        _ => Ok((reader, caller.account)),
    }
}

/// One round on its way.
pub(crate) struct Rounding<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) ledger: Ledger<'a>,
    pub(crate) now: Timestamp,
    /// Told before each source, by its name.
    pub(crate) progress: &'a (dyn Fn(&str) + Sync),
    round: Round,
    began: Instant,
    /// Accounts and regions, by name, where nobody says who we are.
    lost: BTreeSet<String>,
}

impl<'a> Rounding<'a> {
    /// Begins a round.
    pub(crate) fn new(settings: &'a Settings, ledger: Ledger<'a>, now: Timestamp, progress: &'a (dyn Fn(&str) + Sync)) -> Self {
        // The state counts in microseconds: a window that ended between two would leave a hole before the next round's.
        let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        Self { settings, ledger, now, progress, round: Round::default(), began: Instant::now(), lost: BTreeSet::new() }
    }

    /// Reads everything once, and judges.
    ///
    /// # Errors
    /// When nothing more can be kept.
    pub(crate) async fn run(mut self, eyes: &mut Eyes) -> Result<Round, CollectError> {
        let settings = self.settings;
        for (source, client) in settings.boundary.iter().zip(&eyes.boundary) {
            let now = self.now;
            // What forgets has all the time it needs.
            self.within(None, &source.name, async |ledger| boundary::read(source, client, ledger, now).await).await?;
        }
        self.round.boundary_read = !settings.boundary.is_empty() && self.round.failed.is_empty();
        for (source, client) in settings.boundary.iter().zip(&eyes.boundary).filter(|(source, _)| source.roles) {
            let (now, name) = (self.now, format!("{}/roles", source.name));
            self.source(&name, async |ledger| roles::read(source, client, ledger, now).await).await?;
        }
        for source in &settings.records {
            let now = self.now;
            self.source(&source.name, async |ledger| journals::read(source, ledger, now)).await?;
        }
        // Where not all is read in one round, each account is the first in its turn.
        let turn = usize::try_from(self.now.as_second().unsigned_abs() / TURN.as_secs()).unwrap_or_default();
        let count = eyes.aws.len().max(1);
        eyes.aws.rotate_left(turn % count);
        for eye in &mut eyes.aws {
            self.names(eye).await?;
        }
        self.events(eyes).await?;
        self.judge()?;
        for eye in &mut eyes.aws {
            self.by_name(eye).await?;
        }
        self.judge()?;
        Ok(self.round)
    }

    /// What names sessions in one account and region.
    async fn names(&mut self, eye: &mut AwsEye) -> Result<(), CollectError> {
        let Some(home) = self.home(eye).await? else { return Ok(()) };
        let place = self.place(&home);
        self.source(&place.place("cloudtrail"), async |ledger| cloudtrail::read(&place, ledger).await).await?;
        if place.source.ssm_sessions {
            self.source(&place.place("ssm"), async |ledger| ssm::read(&place, ledger).await).await?;
        }
        if !place.source.ecs_clusters.is_empty() {
            self.source(&place.place("ecs"), async |ledger| ecs::read(&place, ledger).await).await?;
        }
        self.source(&place.place("posture"), async |ledger| posture::read(&place, ledger).await).await?;
        if !place.source.links.is_empty() {
            self.source(&place.place("links"), async |ledger| links::read(&place, ledger).await).await?;
        }
        if place.source.sync_records.is_some() {
            self.source(&place.place("sync-records"), async |ledger| sync_records::read(&place, ledger).await).await?;
        }
        Ok(())
    }

    /// What is looked for by the sessions' names.
    async fn by_name(&mut self, eye: &mut AwsEye) -> Result<(), CollectError> {
        let Some(home) = self.home(eye).await? else { return Ok(()) };
        let place = self.place(&home);
        if place.source.policies {
            self.source(&place.place("policies"), async |ledger| policies::read(&place, ledger).await).await?;
        }
        self.source(&place.place("exec-logs"), async |ledger| exec_logs::read(&place, ledger).await).await?;
        if place.source.exec_objects.is_some() {
            self.source(&place.place("exec-objects"), async |ledger| exec_objects::read(&place, ledger).await).await?;
        }
        if place.source.artifacts.is_some() {
            self.source(&place.place("artifacts"), async |ledger| artifacts::read(&place, ledger).await).await?;
        }
        Ok(())
    }

    async fn events(&mut self, eyes: &mut Eyes) -> Result<(), CollectError> {
        let (settings, now) = (self.settings, self.now);
        for source in &settings.boundary_events {
            if !source.files.is_empty() {
                self.source(&source.name, async |ledger| events::read_files(source, ledger, now)).await?;
            }
            let eye = eyes.aws.iter_mut().find(|eye| Some(&eye.source.name) == source.aws.as_ref());
            if let (Some(group), Some(eye)) = (&source.log_group, eye)
                && let Some(home) = self.home(eye).await?
            {
                let place = self.place(&home);
                self.source(&source.name, async |ledger| events::read_group(source, group, &place, ledger).await).await?;
            }
        }
        Ok(())
    }

    /// Who we are there; none when that cannot be found out, which is told of each source there, once a round.
    async fn home(&mut self, eye: &mut AwsEye) -> Result<Option<Home>, CollectError> {
        if self.lost.contains(&eye.source.name) {
            return Ok(None);
        }
        if let Err(error) = eye.open().await {
            lost::note(&mut self.ledger, &eye.source, &error, self.now)?;
            for part in eye.source.parts() {
                self.failed(&format!("{}/{}", eye.source.name, part.what), &error);
            }
            let through = self.settings.boundary_events.iter().filter(|it| it.aws.as_ref() == Some(&eye.source.name));
            for source in through {
                self.failed(&source.name, &error);
            }
            self.lost.insert(eye.source.name.clone());
        }
        let home = |(reader, account): &(Reader, String)| Home {
            reader: reader.clone(),
            account: account.clone(),
            source: eye.source.clone(),
        };
        Ok(eye.reader.as_ref().map(home))
    }

    fn place<'h>(&self, home: &'h Home) -> AwsPlace<'h>
    where
        'a: 'h,
    {
        AwsPlace {
            source: &home.source,
            reader: &home.reader,
            account: &home.account,
            policy: &self.settings.policy,
            now: self.now,
        }
    }

    /// Reads one source; its failure is told and does not keep the others, nor does its length: each commit is whole, and what
    /// was not read is read on in the next round.
    async fn source<F>(&mut self, name: &str, read: F) -> Result<(), CollectError>
    where
        F: AsyncFnOnce(&mut Ledger<'a>) -> Result<(), CollectError>,
    {
        let share = match self.began.elapsed() {
            elapsed if elapsed < ROUND => SHARE,
            elapsed if elapsed < LONGEST => REST,
            _ => {
                self.failed(name, &CollectError::Unfinished(Duration::ZERO));
                return Ok(());
            }
        };
        self.within(Some(share), name, read).await
    }

    async fn within<F>(&mut self, share: Option<Duration>, name: &str, read: F) -> Result<(), CollectError>
    where
        F: AsyncFnOnce(&mut Ledger<'a>) -> Result<(), CollectError>,
    {
        (self.progress)(name);
        let read = read(&mut self.ledger);
        let read = match share {
            Some(share) => tokio::time::timeout(share, read).await.unwrap_or(Err(CollectError::Unfinished(share))),
            None => read.await,
        };
        match read {
            Ok(()) => self.round.read += 1,
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => self.failed(name, &error),
        }
        Ok(())
    }

    fn failed(&mut self, name: &str, error: &CollectError) {
        let (why, is_refusal) = (printable(&chain_text(error), 500), error.is_refusal());
        if !self.round.failed.iter().any(|known| known.name == name) {
            self.round.failed.push(Failure { name: name.to_owned(), why, is_refusal });
        }
    }

    fn judge(&mut self) -> Result<(), CollectError> {
        (self.progress)("judging");
        let judged = judge(&mut self.ledger, self.settings, self.now)?;
        self.round.judged.cases += judged.cases;
        self.round.judged.changed += judged.changed;
        Ok(())
    }
}

/// An account and region that has said who we are there.
struct Home {
    reader: Reader,
    account: String,
    source: AwsSource,
}

#[cfg(test)]
mod tests {
    use super::testing::Desk;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_source_without_end_keeps_no_other_from_being_read() {
        let (common, collect) = (crate::args::Common::default(), crate::args::CollectArgs::default());
        let files = cli_kit::FileLayers::load_from(&[]).unwrap();
        let settings = crate::settings::settle(&common, &collect, &files).unwrap();
        let mut desk = Desk::new();
        let quiet = |_: &str| {};
        let mut rounding = Rounding::new(&settings, desk.ledger(), Timestamp::now(), &quiet);
        let began = Instant::now();
        for number in 0..6 {
            rounding.source(&format!("endless {number}"), async |_| std::future::pending().await).await.unwrap();
        }
        assert_eq!(began.elapsed(), 3 * SHARE + 3 * REST);
        rounding.source("short", async |_| Ok(())).await.unwrap();
        assert_eq!((rounding.round.read, rounding.round.failed.len()), (1, 6));
        assert_eq!(rounding.round.failed[0].why, "failed to read it all within 5m; the next round goes on");
        for number in 6..20 {
            rounding.source(&format!("endless {number}"), async |_| std::future::pending().await).await.unwrap();
        }
        assert!(began.elapsed() < LONGEST + SHARE, "{:?}", began.elapsed());
    }
}
