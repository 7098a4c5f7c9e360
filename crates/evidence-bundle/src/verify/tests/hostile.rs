//! Folders and archives that somebody made to mislead: nothing outside is read, nothing is waited for, all is named.

use super::*;
use crate::archive::{BLOCK, field, header, padding};
use crate::names::NameError;
use std::os::unix::fs::symlink;

#[test]
fn what_nobody_signed_is_named() {
    let bench = Bench::new();
    let bundle = bench.bundle("b");
    std::fs::write(bundle.join("tables/more.csv"), b"").unwrap();
    std::fs::create_dir(bundle.join("empty")).unwrap();
    let report = check(&bench, &bundle);
    assert_eq!(faults(&report), [("tables/more.csv", &Fault::Extra), ("empty", &Fault::Extra)]);
    assert!(!report.holds());
}

#[test]
fn a_link_is_never_followed() {
    let bench = Bench::new();
    let bundle = bench.bundle("b");
    let aside = bench.path("report.html");
    std::fs::rename(bundle.join("report.html"), &aside).unwrap();
    symlink(&aside, bundle.join("report.html")).unwrap();
    let report = check(&bench, &bundle);
    assert_eq!(faults(&report), [("report.html", &Fault::Link), ("report.html", &Fault::Missing)]);
    std::fs::rename(bundle.join("tables"), bench.path("tables")).unwrap();
    symlink(bench.path("tables"), bundle.join("tables")).unwrap();
    let report = check(&bench, &bundle);
    assert!(faults(&report).contains(&("tables", &Fault::Link)), "{report}");
    assert!(faults(&report).contains(&("tables/sessions.csv", &Fault::Missing)), "{report}");
}

#[test]
fn a_pipe_is_not_waited_for() {
    let bench = Bench::new();
    let bundle = bench.bundle("b");
    std::fs::remove_file(bundle.join("report.html")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, bundle.join("report.html"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let report = check(&bench, &bundle);
    assert_eq!(faults(&report), [("report.html", &Fault::Special), ("report.html", &Fault::Missing)]);
}

#[test]
fn a_name_that_steers_a_terminal_is_escaped() {
    let bench = Bench::new();
    let bundle = bench.bundle("b");
    std::fs::write(bundle.join("a\u{1b}[2J\u{202e}"), b"").unwrap();
    let report = check(&bench, &bundle);
    assert_eq!(faults(&report), [("a\\u{1b}[2J\\u{202e}", &Fault::Name(NameError::Character))]);
    assert!(!report.to_string().contains(['\u{1b}', '\u{202e}']));
}

#[test]
fn limits_are_kept_and_named() {
    let bench = Bench::new();
    let bundle = bench.bundle("b");
    let tar = archive_of(&bench, &bundle, "b.tar");
    let limited = |limits: Limits| Options { limits, ..Options::default() };
    let few = limited(Limits { entries: 3, ..Limits::default() });
    for path in [&bundle, &tar] {
        let report = verify(path, bench.key.public(), &few);
        assert!(report.problems.iter().any(|problem| problem.fault == Fault::TooMany(3)), "{report}");
    }
    let small = limited(Limits { manifest_bytes: 100, ..Limits::default() });
    let report = verify(&bundle, bench.key.public(), &small);
    assert!(matches!(faults(&report)[..], [("manifest.json", Fault::TooLarge { limit: 100, .. })]), "{report}");
    let short = limited(Limits { chain_bytes: 10, ..Limits::default() });
    let report = verify(&bundle, bench.key.public(), &short);
    assert!(matches!(faults(&report)[..], [("findings.jsonl", Fault::TooLarge { limit: 10, .. })]), "{report}");
    let flat = limited(Limits { depth: 0, ..Limits::default() });
    let report = verify(&bundle, bench.key.public(), &flat);
    assert!(faults(&report).contains(&("tables/", &Fault::TooDeep(0))), "{report}");
}

/// An archive of one entry, as somebody else would write it.
fn archive_with(bench: &Bench, change: impl Fn(&mut [u8; BLOCK])) -> Report {
    let bundle = bench.bundle("b");
    let tar = archive_of(bench, &bundle, "b.tar");
    let whole = std::fs::read(&tar).unwrap();
    let mut block = header("a", 0, 0).unwrap();
    change(&mut block);
    block[field::SUM].fill(b' ');
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[field::SUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    std::fs::write(&tar, [&block[..], &whole].concat()).unwrap();
    check(bench, &tar)
}

fn named(block: &mut [u8; BLOCK], name: &str) {
    block[field::NAME].fill(0);
    block[..name.len()].copy_from_slice(name.as_bytes());
}

#[test]
fn an_entry_that_leads_elsewhere_ends_the_reading() {
    for (name, error) in [
        ("../a", NameError::Dot),
        ("/etc/a", NameError::EmptyPart),
        ("a/./b", NameError::Dot),
        ("a\\b", NameError::Character),
        ("", NameError::Length),
    ] {
        let report = archive_with(&Bench::new(), |block| named(block, name));
        assert!(matches!(faults(&report)[0], (_, Fault::Name(found)) if *found == error), "{name}: {report}");
        assert!(!report.holds());
    }
}

#[test]
fn links_devices_and_foreign_headers_end_the_reading() {
    for (kind, fault) in [
        (b'1', Fault::Link),
        (b'2', Fault::Link),
        (b'3', Fault::Special),
        (b'4', Fault::Special),
        (b'6', Fault::Special),
        (b'5', Fault::Header),
        (b'x', Fault::Header),
        (b'L', Fault::Header),
        (0, Fault::Header),
    ] {
        let report = archive_with(&Bench::new(), |block| block[field::KIND] = kind);
        assert_eq!(faults(&report)[0], ("a", &fault), "{report}");
        assert_eq!(faults(&report)[1], ("manifest.json", &Fault::Missing), "nothing after it counts");
    }
    for length in [&b"-0000000001\0"[..], b"99999999999\0", b"\x80\0\0\0\0\0\0\0\0\0\0\x01", b"77777777777\0"] {
        let report = archive_with(&Bench::new(), |block| block[field::BYTES].copy_from_slice(length));
        assert!(matches!(faults(&report)[0], ("a", Fault::Header | Fault::Truncated)), "{report}");
    }
}

#[test]
fn a_second_file_of_the_same_name_is_named() {
    let bench = Bench::new();
    let bundle = bench.bundle("b");
    let tar = archive_of(&bench, &bundle, "b.tar");
    let whole = std::fs::read(&tar).unwrap();
    let forged = b"forged";
    let mut bytes = whole[..whole.len() - 2 * BLOCK].to_vec();
    bytes.extend(header("report.html", forged.len() as u64, bench.about().created.as_second()).unwrap());
    bytes.extend(forged);
    bytes.extend(vec![0; padding(forged.len() as u64) + 2 * BLOCK]);
    std::fs::write(&tar, bytes).unwrap();
    assert_eq!(faults(&check(&bench, &tar)), [("report.html", &Fault::Twice)]);
}

#[test]
fn an_archive_of_another_time_is_named() {
    let bench = Bench::new();
    let report = archive_with(&bench, |_| {});
    assert!(faults(&report).iter().any(|(_, fault)| **fault == Fault::Time), "{report}");
    assert!(faults(&report).contains(&("a", &Fault::Extra)), "{report}");
}
