//! One suite for every evidence store: the folder in both forms, and the fake; and the twin that fails.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail by panicking")]

use evidence_bundle::Sha256;
use evidence_bundle::store::{Compression, EvidenceStore, FailingStore, FolderStore, MemoryStore, Put, StoreError};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const NO_LIMIT: u64 = u64::MAX;

fn put(store: &dyn EvidenceStore, content: &[u8]) -> Put {
    store.put(&mut &content[..]).unwrap()
}

fn hashes(store: &dyn EvidenceStore) -> Vec<Sha256> {
    store.hashes().unwrap().collect::<Result<_, _>>().unwrap()
}

/// What every store does; `corrupt` and `lose` do what should never happen to it.
fn suite(store: &dyn EvidenceStore, corrupt: &dyn Fn(&Sha256), lose: &dyn Fn(&Sha256)) {
    assert_eq!(hashes(store), []);
    let large = vec![3; 300_000];
    let contents: Vec<&[u8]> = vec![b"", b"one", b"two", &large];
    for content in &contents {
        let expected = Put { sha256: Sha256::of(content), bytes: content.len() as u64, new: true };
        assert_eq!(put(store, content), expected);
        assert_eq!(put(store, content), Put { new: false, ..expected }, "the second time it is there");
        assert_eq!(store.get(&expected.sha256, NO_LIMIT).unwrap(), *content);
    }
    let mut expected: Vec<_> = contents.iter().map(|content| Sha256::of(content)).collect();
    expected.sort();
    assert_eq!(hashes(store), expected);

    let of_large = Sha256::of(&large);
    assert_eq!(store.get(&of_large, 300_000).unwrap().len(), 300_000);
    assert!(matches!(store.get(&of_large, 299_999), Err(StoreError::TooLarge { limit: 299_999, .. })));

    let never = Sha256::of(b"never put");
    assert!(matches!(store.get(&never, NO_LIMIT), Err(StoreError::Gone(named)) if named == never));
    let one = Sha256::of(b"one");
    lose(&one);
    let error = store.get(&one, NO_LIMIT).unwrap_err();
    assert!(matches!(error, StoreError::Gone(named) if named == one));
    assert!(error.to_string().contains(&one.to_string()), "{error}");

    let two = Sha256::of(b"two");
    corrupt(&two);
    assert!(matches!(store.get(&two, NO_LIMIT), Err(StoreError::Corrupt(named)) if named == two));
    assert!(matches!(store.put(&mut &b"two"[..]), Err(StoreError::Corrupt(named)) if named == two), "a put never hides it");
    assert!(put(store, b"one").new, "what was lost can be put again");

    let failed = store.put(&mut Broken).unwrap_err();
    assert!(matches!(failed, StoreError::Content(_)), "{failed}");
    assert_eq!(hashes(store), expected, "a content that failed left nothing");
}

/// A content that cannot be read to its end.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("broken"))
    }
}

fn file_of(root: &Path, sha256: &Sha256, ending: &str) -> PathBuf {
    let digits = sha256.to_string();
    root.join("sha256").join(&digits[..2]).join(format!("{}{ending}", &digits[2..]))
}

fn folder_suite(compression: Compression, ending: &str) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let store = FolderStore::open(&root, compression).unwrap();
    let corrupt = |sha256: &Sha256| {
        let path = file_of(&root, sha256, ending);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    };
    suite(&store, &corrupt, &|sha256| fs::remove_file(file_of(&root, sha256, ending)).unwrap());
    assert_eq!(fs::read_dir(root.join("tmp")).unwrap().count(), 0, "no part is left");
}

#[test]
fn the_folder_keeps_the_contract() {
    folder_suite(Compression::Plain, "");
}

#[test]
fn the_compressed_folder_keeps_the_contract() {
    folder_suite(Compression::Gzip, ".gz");
}

#[test]
fn the_fake_keeps_the_contract() {
    let store = MemoryStore::default();
    suite(&store, &|sha256| store.corrupt(sha256, b"twO"), &|sha256| store.lose(sha256));
}

#[test]
fn the_failing_twin_passes_what_it_should_and_then_fails() {
    let store = FailingStore::after(2, MemoryStore::default());
    put(&store, b"one");
    assert_eq!(store.get(&Sha256::of(b"one"), NO_LIMIT).unwrap(), b"one");
    assert!(matches!(store.put(&mut &b"two"[..]), Err(StoreError::Store { act: "write", .. })));
    assert!(store.hashes().is_err());
    assert_eq!(hashes(store.inner()), [Sha256::of(b"one")]);
}

#[test]
fn both_forms_are_the_same_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let plain = FolderStore::open(folder.path(), Compression::Plain).unwrap();
    let packed = FolderStore::open(folder.path(), Compression::Gzip).unwrap();
    let content = vec![b'a'; 100_000];
    let first = put(&packed, &content);
    assert!(first.new && !put(&plain, &content).new);
    assert_eq!(plain.get(&first.sha256, NO_LIMIT).unwrap(), content);
    assert!(fs::metadata(file_of(folder.path(), &first.sha256, ".gz")).unwrap().len() < 1_000);
    assert_eq!(hashes(&plain), [first.sha256]);
}

#[test]
fn a_cut_compressed_content_is_corrupt() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path(), Compression::Gzip).unwrap();
    let sha256 = put(&store, b"some content").sha256;
    let path = file_of(folder.path(), &sha256, ".gz");
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let got = store.get(&sha256, NO_LIMIT);
        assert!(matches!(got, Err(StoreError::Corrupt(_))), "cut to {length}: {got:?}");
    }
}

#[test]
fn many_puts_of_one_content_at_once_keep_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path(), Compression::Plain).unwrap();
    let content = vec![9; 100_000];
    let new = std::thread::scope(|scope| {
        let puts: Vec<_> = (0..8).map(|_| scope.spawn(|| put(&store, &content).new)).collect();
        puts.into_iter().map(|put| put.join().unwrap()).filter(|new| *new).count()
    });
    assert_eq!(new, 1);
    assert_eq!(store.get(&Sha256::of(&content), NO_LIMIT).unwrap(), content);
}

#[test]
fn strangers_in_the_folder_are_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path(), Compression::Plain).unwrap();
    let sha256 = put(&store, b"a").sha256;
    let beside = file_of(folder.path(), &sha256, "");
    fs::write(beside.with_file_name("README"), b"").unwrap();
    assert_eq!(hashes(&store), [sha256]);
}
