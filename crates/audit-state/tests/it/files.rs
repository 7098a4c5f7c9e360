//! The database as a file: one writer, many readers, older and newer formats, damage, no room.

use crate::world::{Place, at, batch, settle, shell, task};
use audit_facts::Source;
use audit_state::{Extent, FORMAT, Options, Reader, State, StateError};
use rusqlite::Connection;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_second_collector_is_told_and_readers_are_not_hindered() {
    let place = Place::new();
    let mut state = place.open();
    let refused = State::open(&place.path()).unwrap_err();
    assert!(matches!(refused, StateError::Locked(_)), "{refused}");
    assert!(refused.to_string().starts_with("another collector works with `"), "{refused}");
    state.commit(&batch(&[task(1, 0)], 5)).unwrap();
    let cursor = Reader::open(&place.path()).unwrap().cursor(Source::CloudTrail, "home", "next").unwrap();
    assert_eq!(cursor, Some(5.into()));
    drop(state);
    place.open();
}

#[test]
fn a_reader_sees_whole_commits_only_while_they_are_written() {
    let place = Place::new();
    let mut state = place.open();
    state.commit(&batch(&[task(0, 0)], 1)).unwrap();
    let (ready, done, path) = (Barrier::new(2), AtomicBool::new(false), place.path());
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let reader = Reader::open(&path).unwrap();
            ready.wait();
            let mut last = 0;
            while !done.load(Ordering::Acquire) || last < 40 {
                let figures = reader.figures(at(0)).unwrap();
                let tasks = figures.facts.get("task").copied().unwrap_or(0);
                let shells = figures.facts.get("execution").copied().unwrap_or(0);
                assert_eq!(tasks, shells + 1, "half of a batch was seen");
                assert!(shells >= last, "a commit was taken back");
                last = shells;
            }
            last
        });
        ready.wait();
        for n in 1..=40 {
            state.commit(&batch(&[task(n, 0), shell(n, n, None, 0)], i64::from(n))).unwrap();
        }
        done.store(true, Ordering::Release);
        assert_eq!(reading.join().unwrap(), 40);
    });
}

#[test]
fn all_its_files_are_its_owners_alone() {
    let place = Place::new();
    let mut state = place.open();
    state.commit(&batch(&[task(1, 0)], 5)).unwrap();
    let folder = place.path().parent().unwrap().to_owned();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["state.sqlite", "state.sqlite-shm", "state.sqlite-wal", "state.sqlite.lock"]);
}

#[test]
fn a_newer_format_and_a_foreign_database_are_refused_and_left_alone() {
    let place = Place::new();
    drop(place.open());
    let db = Connection::open(place.path()).unwrap();
    db.pragma_update(None, "user_version", FORMAT + 1).unwrap();
    drop(db);
    for refused in [State::open(&place.path()).unwrap_err(), Reader::open(&place.path()).unwrap_err()] {
        let text = refused.to_string();
        let wanted = format!("has format {}, and this program knows formats up to {FORMAT}; use the newer program", FORMAT + 1);
        assert!(matches!(refused, StateError::Newer { .. }) && text.contains(&wanted), "{text}");
    }
    let other = Place::new();
    Connection::open(other.path()).unwrap().execute_batch("CREATE TABLE songs (name TEXT)").unwrap();
    assert!(matches!(State::open(&other.path()), Err(StateError::Foreign(_))));
    assert!(matches!(Reader::open(&Place::new().path()), Err(StateError::Missing(_))));
    // What cannot be looked at may be there.
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(Reader::open(&file.path().join("state.sqlite")), Err(StateError::File(..))));
}

/// `tests/older/N.sql` is `sqlite3 STATE .dump` of a state of format N, made by the program that wrote that format, with the
/// header's two numbers, which a dump leaves out.
#[test]
fn a_state_of_every_older_format_is_read_and_goes_on() {
    for format in 1..FORMAT {
        let place = Place::new();
        let dump = format!("{}/tests/older/{format}.sql", env!("CARGO_MANIFEST_DIR"));
        Connection::open(place.path()).unwrap().execute_batch(&std::fs::read_to_string(dump).unwrap()).unwrap();
        assert!(matches!(Reader::open(&place.path()), Err(StateError::Older { .. })), "a reader changes nothing");

        let mut state = place.open();
        let old = state.reader().unwrap();
        assert_eq!(old.cursor(Source::CloudTrail, "home", "next").unwrap(), Some(100.into()));
        let figures = old.figures(at(0)).unwrap();
        assert_eq!((figures.facts["task"], figures.facts["execution"], figures.evidence.0), (1, 2, 3));
        assert_eq!(old.findings(&audit_state::FindingFilter::default()).unwrap().len(), 2);
        old.verify().unwrap();
        // What the old program knew is what this one makes of the same facts.
        let same = batch(&[task(1, 0), shell(1, 1, None, 0), shell(2, 2, None, 30)], 100);
        assert_eq!(state.commit(&same).unwrap().new_facts, 0);
        let new = Place::new();
        let mut fresh = new.open();
        fresh.commit(&same).unwrap();
        settle(&mut fresh, at(100)).unwrap();
        let dump = |state: &State| state.reader().unwrap().dump(Extent::Everything).unwrap();
        assert_eq!(dump(&state), dump(&fresh), "format {format}");
    }
}

#[test]
fn a_crashed_writers_damage_is_found_at_the_next_opening() {
    let place = Place::new();
    let mut state = place.open();
    for n in 0..60 {
        state.commit(&batch(&[task(n, 0), shell(n, n, None, 0)], i64::from(n))).unwrap();
    }
    drop(state);
    let mut file = std::fs::OpenOptions::new().write(true).open(place.path()).unwrap();
    let length = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(length / 2)).unwrap();
    file.write_all(&[0xA5; 8192]).unwrap();
    drop(file);
    let mut lock = place.path().into_os_string();
    lock.push(".lock");
    assert_eq!(std::fs::read(&lock).unwrap(), b"", "it was closed in order");
    std::fs::write(&lock, "open\n").unwrap();
    let damaged = State::open(&place.path()).unwrap_err();
    assert!(matches!(damaged, StateError::Check(_) | StateError::Damaged(_)), "{damaged}");
    assert!(damaged.to_string().contains("restore its folder from a backup, or move it away and collect anew"), "{damaged}");
}

#[test]
fn without_room_nothing_of_the_step_is_kept_and_the_error_says_so() {
    let place = Place::new();
    drop(place.open());
    let size = std::fs::metadata(place.path()).unwrap().len();
    let mut state = State::open_with(&place.path(), Options { max_bytes: Some(size + 40_000) }).unwrap();
    let mut n = 0;
    let full = loop {
        n += 1;
        let before = state.reader().unwrap().dump(Extent::Everything).unwrap();
        match state.commit(&batch(&[task(n, 0), shell(n, n, None, 0)], i64::from(n))) {
            Ok(_) => assert!(n < 200, "the limit does not hold"),
            Err(error) => {
                assert_eq!(state.reader().unwrap().dump(Extent::Everything).unwrap(), before);
                break error;
            }
        }
    };
    assert!(matches!(full, StateError::Full(_)), "{full}");
    assert!(full.to_string().starts_with("there is no room for the state"), "{full}");
    drop(state);
    place.open().commit(&batch(&[task(n, 0)], 300)).unwrap();
}
