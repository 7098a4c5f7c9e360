//! The `age` program opens what is sealed here, where it is on PATH.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail by panicking")]

use evidence_bundle::seal::{Recipient, Sealer, recipients_in};
use std::ffi::OsStr;
use std::fs;
use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Around the edges of chunks, and a file of many.
const LENGTHS: [usize; 8] = [0, 1, 65_535, 65_536, 65_537, 131_072, 131_073, 5_000_003];

/// Says that a test is skipped, past the test runner's capture, unless the programs are there.
fn on_path() -> bool {
    let folders: Vec<_> = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let missing =
        ["age", "age-keygen"].into_iter().find(|program| !folders.iter().any(|folder: &PathBuf| folder.join(program).is_file()));
    if let Some(program) = missing {
        drop(writeln!(stderr(), "skipped: {program} is not on PATH"));
    }
    missing.is_none()
}

fn run(program: &str, arguments: &[&OsStr]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}

/// Makes a key in the folder, and returns its file and its recipient.
fn key(folder: &Path, name: &str) -> (PathBuf, Recipient) {
    let path = folder.join(name);
    assert!(run("age-keygen", &["-o".as_ref(), path.as_ref()]).status.success());
    let public = run("age-keygen", &["-y".as_ref(), path.as_ref()]);
    let text = String::from_utf8(public.stdout).unwrap();
    let [recipient] = recipients_in(&text).unwrap()[..] else { panic!("one recipient") };
    assert_eq!(recipient.to_string(), text.trim_end());
    (path, recipient)
}

fn opened(key: &Path, file: &Path) -> Output {
    run("age", &["-d".as_ref(), "-i".as_ref(), key.as_ref(), file.as_ref()])
}

fn plaintext(length: usize) -> Vec<u8> {
    (0_u64..).flat_map(u64::to_le_bytes).take(length).collect()
}

#[test]
fn age_opens_what_was_sealed_for_two_and_refuses_a_third() {
    if !on_path() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [one, two, third] = ["one", "two", "third"].map(|name| key(folder.path(), name));
    let file = folder.path().join("sealed.age");
    for length in LENGTHS {
        let plaintext = plaintext(length);
        let mut sealer = Sealer::begin(fs::File::create(&file).unwrap(), &[one.1, two.1]).unwrap();
        plaintext.chunks(10_007).for_each(|piece| sealer.write_all(piece).unwrap());
        let _written = sealer.finish().unwrap();
        for (key, _) in [&one, &two] {
            let output = opened(key, &file);
            assert!(output.status.success(), "{length}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(output.stdout == plaintext, "{length}");
        }
        assert!(!opened(&third.0, &file).status.success(), "{length}");
    }
}

#[test]
fn age_refuses_what_was_not_finished() {
    if !on_path() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (key, recipient) = key(folder.path(), "key");
    let file = folder.path().join("sealed.age");
    for length in LENGTHS {
        let mut sealer = Sealer::begin(fs::File::create(&file).unwrap(), &[recipient]).unwrap();
        sealer.write_all(&plaintext(length)).unwrap();
        drop(sealer);
        assert!(!opened(&key, &file).status.success(), "{length}");
    }
}

#[test]
fn age_refuses_what_was_changed() {
    if !on_path() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (key, recipient) = key(folder.path(), "key");
    let mut sealer = Sealer::begin(Vec::new(), &[recipient]).unwrap();
    sealer.write_all(b"A transcript.\n").unwrap();
    let sealed = sealer.finish().unwrap();
    let file = folder.path().join("sealed.age");
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        fs::write(&file, changed).unwrap();
        assert!(!opened(&key, &file).status.success(), "byte {at}");
    }
}
