//! Opening the state: one writer, any number of readers.
//!
//! Owns the database's settings, the lock beside it and the check after a crash. The writer's lock is a file lock, which the
//! system gives back when the process ends however it ends.

use crate::error::StateError;
use crate::kill::KillPoint;
use crate::schema;
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one waits for SQLite's own short locks, as when a reader recovers the log.
const BUSY: Duration = Duration::from_secs(10);
/// Stands in the lock file while a writer is at work.
const AT_WORK: &[u8] = b"open\n";

/// How the state is to be kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Bytes that the database may take at most; none leaves it to the disk.
    pub max_bytes: Option<u64>,
}

/// Decides at each [`KillPoint`] whether the step goes on.
pub type Hook = Box<dyn FnMut(KillPoint) -> bool + Send>;

/// The state with the right to write: one at a time.
pub struct State {
    pub(crate) db: Connection,
    pub(crate) hook: Option<Hook>,
    path: PathBuf,
    // The last field: the database is closed before the lock is given back.
    _lock: Lock,
}

/// The writer's lock.
struct Lock(File);

/// The state as anybody may read it, also while it is written.
#[derive(Debug)]
pub struct Reader {
    pub(crate) db: Connection,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("path", &self.path).finish_non_exhaustive()
    }
}

impl State {
    /// Opens the state for writing, and makes it when there is none.
    ///
    /// # Errors
    /// [`StateError::Locked`] when another collector has it, [`StateError::Newer`] when a newer program made it,
    /// [`StateError::Check`] when the former writer crashed and the database is damaged.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        Self::open_with(path, Options::default())
    }

    /// Opens the state with settings of its own.
    ///
    /// # Errors
    /// As [`State::open`].
    pub fn open_with(path: &Path, options: Options) -> Result<Self, StateError> {
        let (lock, crashed) = take_lock(path)?;
        let at = |error| StateError::File(path.to_owned(), error);
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(at)?;
        file.set_permissions(PermissionsExt::from_mode(0o600)).map_err(at)?;
        let mut db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        configure(&db, options)?;
        if crashed {
            check_integrity(&db)?;
        }
        schema::migrate(&mut db, path)?;
        Ok(Self { db, hook: None, path: path.to_owned(), _lock: lock })
    }

    /// Sets what decides at each [`KillPoint`] whether the step goes on. For tests.
    pub fn set_hook(&mut self, hook: Option<Hook>) {
        self.hook = hook;
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Another view of the same state, to read it.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn reader(&self) -> Result<Reader, StateError> {
        Reader::open(&self.path)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Whoever comes next sees that the work ended in order; should this fail, he only checks once more.
        let _ = self.0.set_len(0);
        // Given back here, not at the close: a child that is just being started may still hold a copy of the file.
        let _ = self.0.unlock();
    }
}

impl Reader {
    /// Opens the state for reading; a writer may be at work.
    ///
    /// # Errors
    /// [`StateError::Missing`] when there is none, [`StateError::Newer`] and
    /// [`StateError::Older`] when another version of the program made it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(StateError::Missing(path.to_owned())),
            Err(error) => return Err(StateError::File(path.to_owned(), error)),
        }
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        db.busy_timeout(BUSY)?;
        match schema::check(&db, path)? {
            found if found < schema::FORMAT => Err(StateError::Older { path: path.to_owned(), found, known: schema::FORMAT }),
            _ => Ok(Self { db }),
        }
    }
}

/// Ends the step when the hook says so.
pub(crate) fn pass(hook: &mut Option<Hook>, point: KillPoint) -> Result<(), StateError> {
    let goes_on = hook.as_mut().is_none_or(|hook| hook(point));
    if goes_on { Ok(()) } else { Err(StateError::Killed(point)) }
}

/// The lock beside the database, and whether its last holder ended without giving it back.
fn take_lock(path: &Path) -> Result<(Lock, bool), StateError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let at = |error| StateError::File(PathBuf::from(&name), error);
    let mut lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&name).map_err(at)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(StateError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => return Err(at(error)),
    }
    let mut left = Vec::new();
    lock.read_to_end(&mut left).map_err(at)?;
    lock.rewind().map_err(at)?;
    lock.write_all(AT_WORK).map_err(at)?;
    lock.sync_all().map_err(at)?;
    Ok((Lock(lock), !left.is_empty()))
}

fn configure(db: &Connection, options: Options) -> Result<(), StateError> {
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // What a commit reported stays over a loss of power: the cursor of a source that forgets is in it.
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "trusted_schema", "OFF")?;
    // A row that is replaced goes and comes: the tallies count both.
    db.pragma_update(None, "recursive_triggers", "ON")?;
    if let Some(bytes) = options.max_bytes {
        let page: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
        db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(())
}

fn check_integrity(db: &Connection) -> Result<(), StateError> {
    let word: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if word == "ok" { Ok(()) } else { Err(StateError::Check(word)) }
}
