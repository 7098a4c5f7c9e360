//! Keys are made whole, read by their owner alone, and told apart.

use super::*;
use std::os::unix::fs::PermissionsExt;

fn made() -> (tempfile::TempDir, PathBuf, SigningKey) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let key = SigningKey::create(&path).unwrap();
    (folder, path, key)
}

#[test]
fn a_made_key_is_read_back_and_its_owners_alone() {
    let (_folder, path, key) = made();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(SigningKey::load(&path).unwrap().public(), key.public());
    assert_eq!(&PublicKey::load(&public_path(&path)).unwrap(), key.public());
    assert_eq!(key.public().id().to_string(), &audit_record::sha256_hex(&key.public().bytes)[..16]);
}

#[test]
fn neither_half_is_overwritten() {
    let (_folder, path, _key) = made();
    let before = fs::read(&path).unwrap();
    assert!(matches!(SigningKey::create(&path), Err(KeyError::Exists(taken)) if taken == public_path(&path)));
    fs::remove_file(public_path(&path)).unwrap();
    assert!(matches!(SigningKey::create(&path), Err(KeyError::Exists(taken)) if taken == path));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(!public_path(&path).exists());
}

#[test]
fn a_key_that_others_can_use_is_refused() {
    let (_folder, path, _key) = made();
    for mode in [0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = SigningKey::load(&path).err().expect("refused");
        assert!(matches!(error, KeyError::Exposed { mode: seen, .. } if seen == mode), "{error}");
    }
}

#[test]
fn a_cut_key_file_is_no_key() {
    let (folder, path, _key) = made();
    let whole = fs::read(&path).unwrap();
    let cut = folder.path().join("cut");
    write_new(&cut, &whole[..whole.len() - 1], 0o600).unwrap();
    assert!(matches!(SigningKey::load(&cut), Err(KeyError::NotAKey(_))));
}

#[test]
fn a_key_for_the_other_end_is_told_from_a_broken_one() {
    let (folder, path, _key) = made();
    let other = folder.path().join("other");
    assert!(matches!(PublicKey::load(&path), Err(KeyError::IsPrivate(named)) if named == path));
    let public = public_path(&path);
    assert!(matches!(SigningKey::load(&public), Err(KeyError::IsPublic(named)) if named == public), "though others can read it");
    fs::write(&other, "-----BEGIN OPENSSH PRIVATE KEY-----\nAA\n").unwrap();
    assert!(matches!(PublicKey::load(&other), Err(KeyError::IsPrivate(_))));
    for content in [&b"ssh-ed25519 AAAA"[..], b"", b"\xff\xfe"] {
        fs::write(&other, content).unwrap();
        assert!(matches!(PublicKey::load(&other), Err(KeyError::NoPublicKeyIn(named)) if named == other));
    }
}

#[test]
fn a_key_that_cannot_be_made_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere/key");
    assert!(matches!(SigningKey::create(&nowhere), Err(KeyError::NoFolder(named)) if named == nowhere));
    // The longest name that a file may have: the public half's is too long.
    let longest = folder.path().join("k".repeat(255 - ".part".len() - 18));
    let error = SigningKey::create(&longest).err().expect("no room for .pub");
    assert!(matches!(&error, KeyError::Write(named, _) if *named == public_path(&longest)), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_public_key_with_another_keys_id_is_none() {
    let (_folder, _path, key) = made();
    let line = key.public().to_string();
    assert_eq!(&line.parse::<PublicKey>().unwrap(), key.public());
    let (rest, id) = line.rsplit_once(' ').unwrap();
    let other = if id == "0000000000000000" { "1111111111111111" } else { "0000000000000000" };
    for wrong in [format!("{rest} {other}"), rest.to_owned(), format!("{line} x"), line.replace("ed25519", "rsa")] {
        assert!(wrong.parse::<PublicKey>().is_err(), "{wrong}");
    }
}

#[test]
fn a_signature_is_for_one_purpose() {
    let (_folder, _path, key) = made();
    let signature = key.sign(Purpose::Manifest, b"content");
    assert!(key.public().verifies(Purpose::Manifest, b"content", &signature.bytes));
    assert!(!key.public().verifies(Purpose::Anchor, b"content", &signature.bytes));
    assert!(!key.public().verifies(Purpose::Manifest, b"contents", &signature.bytes));
    assert_eq!(Signature::parse(signature.line().as_bytes()), Some(signature));
}
