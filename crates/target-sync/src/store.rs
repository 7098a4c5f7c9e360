//! What this program remembers between runs: its journal, what the journal comes to, and the lock that keeps runs apart.
//!
//! Owns the state folder. Nothing in it is needed for retirement, which is told by markers: without it a run only knows less
//! of what it made before.

use crate::facts::{BoundaryScan, Kind, Recorded};
use crate::observe::boundary::Memory;
use audit_record::{Journal, JournalError, SyncIntent, SyncLine, SyncOutcome};
use investigation::{Marker, TaskArn};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Version of the state file; another one is read anew from the journal.
const STATE_FORMAT: u32 = 1;
/// How often a lock that another run holds is tried.
const PAUSE: Duration = Duration::from_millis(100);

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another run holds the lock.
    #[error("another target-sync works with `{}`", .0.display())]
    Locked(PathBuf),
    /// A file cannot be read or written.
    #[error("failed to use `{}`", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What the journal comes to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct State {
    format_version: u32,
    /// Bytes of the journal that are in here.
    offset: u64,
    /// Objects that were made and not deleted, by id.
    made: BTreeMap<String, Made>,
    /// Intents whose outcome is not known, by run and number.
    open: Vec<SyncIntent>,
    /// Digests of the snapshots that the journal holds, by what they are of.
    told: BTreeMap<String, String>,
    /// What was read one by one.
    memory: Memory,
    /// When `memory` was last read whole.
    memory_since: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    kind: Kind,
    task_arn: String,
}

/// The store of a run that may write.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    state: State,
    /// The sync journal.
    pub journal: Journal,
    lock: File,
    /// Whether lists are kept between runs, to be refreshed: for a daemon.
    pub keeps_lists: bool,
}

impl Store {
    /// Opens the store, alone.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another run has it.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| StoreError::File(path, error)
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed(folder))?;
        let lock = lock_file(folder, "lock")?;
        try_lock(&lock, folder)?;
        let journal = Journal::open(&folder.join("sync.jsonl"))?;
        Ok(Self { state: recall(folder)?, folder: folder.to_owned(), journal, lock, keeps_lists: false })
    }

    /// Opens the store, alone, as soon as another run lets go of it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when that takes longer than `within`.
    pub async fn open_within(folder: &Path, within: Duration) -> Result<Self, StoreError> {
        let until = tokio::time::Instant::now() + within;
        loop {
            match Self::open(folder) {
                Err(StoreError::Locked(_)) if tokio::time::Instant::now() < until => tokio::time::sleep(PAUSE).await,
                opened => return opened,
            }
        }
    }

    /// Lets other runs have it, between two of ours.
    pub fn let_go(&self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the lock is kept between two runs");
        }
    }

    /// Has it back, with what others wrote meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another run keeps it longer than `within`.
    pub async fn take_back(&mut self, within: Duration) -> Result<(), StoreError> {
        let until = tokio::time::Instant::now() + within;
        loop {
            match try_lock(&self.lock, &self.folder) {
                Err(StoreError::Locked(_)) if tokio::time::Instant::now() < until => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(error),
                Ok(()) => return replay(&self.folder, &mut self.state),
            }
        }
    }

    /// Objects that we made, as far as we know.
    pub fn recorded(&self) -> BTreeMap<String, Recorded> {
        recorded(&self.state)
    }

    /// What was read one by one; emptied when it is older than `good_for`.
    pub fn memory(&mut self, now: Timestamp, good_for: Duration) -> &mut Memory {
        let age = self.state.memory_since.map(|since| now.duration_since(since));
        if age.is_none_or(|age| age.is_negative() || age.unsigned_abs() > good_for) {
            self.state.memory = Memory::default();
            self.state.memory_since = Some(now);
        }
        self.state.memory.keeps_lists = self.keeps_lists;
        &mut self.state.memory
    }

    /// Settles the intents that have no outcome by what was seen, and says how many there were.
    ///
    /// # Errors
    /// [`StoreError`] when the journal cannot be written.
    pub fn settle(&mut self, scan: &BoundaryScan, owner: &str, now: Timestamp) -> Result<usize, StoreError> {
        let open = std::mem::take(&mut self.state.open);
        let lines: Vec<SyncLine> = open.iter().map(|intent| SyncLine::SyncOutcome(found(intent, scan, owner, now))).collect();
        for (intent, line) in open.iter().zip(&lines) {
            if let SyncLine::SyncOutcome(outcome) = line {
                close(&mut self.state, intent, outcome);
            }
        }
        if !lines.is_empty() {
            self.journal.append_all(lines)?;
        }
        Ok(open.len())
    }

    /// Writes a snapshot if it is not the one that the journal already holds of this thing.
    pub fn is_news(&mut self, of: String, content: &impl Serialize) -> bool {
        let digest = audit_record::sha256_hex(&serde_json::to_vec(content).unwrap_or_default())[..16].to_owned();
        self.state.told.insert(of, digest.clone()) != Some(digest)
    }

    /// Forgets the snapshots of things that are no more.
    pub fn forget_told(&mut self, still: impl Fn(&str) -> bool) {
        self.state.told.retain(|of, _| still(of));
    }

    /// Takes what the journal has gained, and writes the state.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub fn save(&mut self) -> Result<(), StoreError> {
        replay(&self.folder, &mut self.state)?;
        let path = self.folder.join("state.json");
        let new = self.folder.join("state.json.new");
        let failed = |error| StoreError::File(new.clone(), error);
        let bytes = serde_json::to_vec(&self.state).map_err(|error| failed(error.into()))?;
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new).map_err(failed)?;
        file.write_all(&bytes).and_then(|()| file.sync_data()).map_err(failed)?;
        std::fs::rename(&new, &path).map_err(|error| StoreError::File(path, error))
    }
}

/// Keeps a second daemon out; held as long as the value lives.
///
/// # Errors
/// [`StoreError::Locked`] when there is one.
pub fn only_daemon(folder: &Path) -> Result<File, StoreError> {
    let lock = lock_file(folder, "daemon.lock")?;
    try_lock(&lock, folder)?;
    Ok(lock)
}

fn lock_file(folder: &Path, name: &str) -> Result<File, StoreError> {
    let path = folder.join(name);
    let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    opened.map_err(|error| StoreError::File(path, error))
}

fn try_lock(lock: &File, folder: &Path) -> Result<(), StoreError> {
    match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::Locked(folder.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(StoreError::File(folder.to_owned(), error)),
    }
}

/// What is remembered, for a run that only looks: objects that we made, and what was read one by one.
///
/// # Errors
/// [`StoreError`] when the folder is there but cannot be read.
pub fn peek(folder: &Path) -> Result<(BTreeMap<String, Recorded>, Memory), StoreError> {
    let state = recall(folder)?;
    Ok((recorded(&state), state.memory))
}

fn recorded(state: &State) -> BTreeMap<String, Recorded> {
    let of = |made: &Made| Some(Recorded { kind: made.kind, task_arn: TaskArn::parse(&made.task_arn).ok()? });
    state.made.iter().filter_map(|(id, made)| Some((id.clone(), of(made)?))).collect()
}

/// Reads the state, and what the journal has that the state has not.
fn recall(folder: &Path) -> Result<State, StoreError> {
    let path = folder.join("state.json");
    let stored = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice::<State>(&bytes).ok().filter(|state| state.format_version == STATE_FORMAT),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(StoreError::File(path, error)),
    };
    let mut state = stored.unwrap_or_default();
    state.format_version = STATE_FORMAT;
    replay(folder, &mut state)?;
    Ok(state)
}

fn replay(folder: &Path, state: &mut State) -> Result<(), StoreError> {
    #[derive(Deserialize)]
    struct Line {
        record: SyncLine,
    }
    let path = folder.join("sync.jsonl");
    let failed = |error| StoreError::File(path.clone(), error);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if file.metadata().map_err(failed)?.len() < state.offset {
        // The journal was moved away: what it came to stays.
        state.offset = 0;
    }
    file.seek(SeekFrom::Start(state.offset)).map_err(failed)?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(failed)?;
        if read == 0 || line.last() != Some(&b'\n') {
            return Ok(());
        }
        state.offset += read as u64;
        if let Ok(Line { record }) = serde_json::from_slice(&line) {
            take(state, record);
        }
    }
}

fn take(state: &mut State, record: SyncLine) {
    match record {
        SyncLine::SyncIntent(intent) => state.open.push(*intent),
        SyncLine::SyncOutcome(outcome) if outcome.result != "unknown" => {
            let is_its = |intent: &SyncIntent| intent.run_id == outcome.run_id && intent.number == outcome.number;
            if let Some(at) = state.open.iter().position(is_its) {
                let intent = state.open.remove(at);
                close(state, &intent, &outcome);
            }
        }
        _ => {}
    }
}

fn close(state: &mut State, intent: &SyncIntent, outcome: &SyncOutcome) {
    let Some(id) = &outcome.id else { return };
    let kind = [Kind::Target, Kind::Role, Kind::Alias].into_iter().find(|kind| kind.word() == intent.object);
    match (outcome.result.as_str(), intent.action.as_str(), kind) {
        ("done" | "found", "create", Some(kind)) => {
            state.made.insert(id.clone(), Made { kind, task_arn: intent.task_arn.clone() });
        }
        ("done" | "absent", "delete", Some(_)) => drop(state.made.remove(id)),
        _ => {}
    }
}

/// What has come of an intent whose answer was lost, as far as looking tells.
fn found(intent: &SyncIntent, scan: &BoundaryScan, owner: &str, now: Timestamp) -> SyncOutcome {
    let ours = |description: &str| {
        Marker::parse(description).is_ok_and(|marker| marker.owner == owner && marker.task_arn.to_string() == intent.task_arn)
    };
    let is_it = |id: &str, name: &str, description: &str| match &intent.id {
        Some(known) => known == id,
        None => name == intent.name && ours(description),
    };
    let seen = match intent.object.as_str() {
        "target" => scan.targets.values().find(|t| is_it(&t.id, &t.name, &t.description)).map(|t| (t.id.clone(), t.version)),
        "role" => scan.roles.values().find(|r| is_it(&r.id, &r.name, &r.description)).map(|r| (r.id.clone(), r.version)),
        "alias" => scan.aliases.values().find(|a| is_it(&a.id, &a.value, &a.description)).map(|a| (a.id.clone(), a.version)),
        _ => None,
    };
    let result = if seen.is_some() { "found" } else { "absent" };
    let (id, version) = seen.map_or((intent.id.clone(), None), |(id, version)| (Some(id), Some(version)));
    SyncOutcome {
        run_id: intent.run_id.clone(),
        number: intent.number,
        at: now,
        result: result.to_owned(),
        id,
        version,
        error: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::TargetFacts;

    const TASK: &str = "arn:aws:ecs:us-east-2:123456789012:task/c/0123456789abcdef0123456789abcdef";

    fn intent(number: u32, action: &str, id: Option<&str>) -> SyncIntent {
        SyncIntent {
            run_id: "r1".to_owned(),
            number,
            at: Timestamp::UNIX_EPOCH,
            action: action.to_owned(),
            object: "target".to_owned(),
            name: "prod/inv".to_owned(),
            id: id.map(str::to_owned),
            task_arn: TASK.to_owned(),
            reason: "new_task".to_owned(),
            changes: BTreeMap::new(),
        }
    }

    fn outcome(number: u32, result: &str, id: &str) -> SyncLine {
        SyncLine::SyncOutcome(SyncOutcome {
            run_id: "r1".to_owned(),
            number,
            at: Timestamp::UNIX_EPOCH,
            result: result.to_owned(),
            id: Some(id.to_owned()),
            version: Some(1),
            error: None,
        })
    }

    #[test]
    fn what_was_made_is_remembered_until_it_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let lines = [SyncLine::SyncIntent(Box::new(intent(1, "create", None))), outcome(1, "done", "ttcp_1")];
        store.journal.append_all(lines).unwrap();
        drop(store);
        let mut store = Store::open(folder.path()).unwrap();
        assert_eq!(store.recorded()["ttcp_1"].kind, Kind::Target);
        store.save().unwrap();
        let lines = [SyncLine::SyncIntent(Box::new(intent(2, "delete", Some("ttcp_1")))), outcome(2, "done", "ttcp_1")];
        store.journal.append_all(lines).unwrap();
        store.save().unwrap();
        assert!(store.recorded().is_empty());
        drop(store);
        assert!(peek(folder.path()).unwrap().0.is_empty());
    }

    #[test]
    fn an_intent_without_an_outcome_is_settled_by_looking() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        store.journal.append_all([SyncLine::SyncIntent(Box::new(intent(1, "create", None))), outcome(1, "unknown", "")]).unwrap();
        drop(store);
        let mut store = Store::open(folder.path()).unwrap();
        let target = TargetFacts {
            id: "ttcp_9".to_owned(),
            version: 1,
            name: "prod/inv".to_owned(),
            description: format!("ecs-exec-target/1 owner=sync-a task={TASK} state=live"),
            ..TargetFacts::default()
        };
        let scan = BoundaryScan { targets: [(target.id.clone(), target)].into(), ..BoundaryScan::default() };
        assert_eq!(store.settle(&scan, "sync-a", Timestamp::UNIX_EPOCH).unwrap(), 1);
        assert!(store.recorded().contains_key("ttcp_9"));
        store.save().unwrap();
        drop(store);
        let mut store = Store::open(folder.path()).unwrap();
        assert_eq!(store.settle(&scan, "sync-a", Timestamp::UNIX_EPOCH).unwrap(), 0, "settled once");
        assert!(store.recorded().contains_key("ttcp_9"));
    }

    #[test]
    fn two_runs_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let first = Store::open(folder.path()).unwrap();
        assert!(matches!(Store::open(folder.path()), Err(StoreError::Locked(_))));
        drop(first);
        assert!(Store::open(folder.path()).is_ok());
    }

    #[tokio::test]
    async fn a_run_between_two_of_a_daemons_is_seen_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let mut daemon = Store::open(folder.path()).unwrap();
        daemon.let_go();
        let mut other = Store::open_within(folder.path(), Duration::ZERO).await.unwrap();
        let lines = [SyncLine::SyncIntent(Box::new(intent(1, "create", None))), outcome(1, "done", "ttcp_1")];
        other.journal.append_all(lines).unwrap();
        assert!(matches!(daemon.take_back(Duration::ZERO).await, Err(StoreError::Locked(_))));
        drop(other);
        daemon.take_back(Duration::ZERO).await.unwrap();
        assert!(daemon.recorded().contains_key("ttcp_1"));
    }

    #[test]
    fn a_state_that_cannot_be_read_is_made_anew_from_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let lines = [SyncLine::SyncIntent(Box::new(intent(1, "create", None))), outcome(1, "done", "ttcp_1")];
        store.journal.append_all(lines).unwrap();
        store.save().unwrap();
        drop(store);
        std::fs::write(folder.path().join("state.json"), b"{ torn").unwrap();
        assert!(Store::open(folder.path()).unwrap().recorded().contains_key("ttcp_1"));
    }
}
