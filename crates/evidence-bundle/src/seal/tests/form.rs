//! Files to the byte, with chance taken out. The expected bytes were calculated by a program in Python with its `cryptography`
//! package, which shares nothing with this crate, and were opened by `age` 1.1.1 (2026-11-21).

use super::*;

/// The whole file but its payload: identities of 32 times 1 and 2, met by the keys of 32 times 3 and 4.
const HEADER: &str = "\
age-encryption.org/v1
-> X25519 Xf7dO2vUf2+ijuFdlp1bsOpTd01Ii9r53xxuASSz7yI
6+kQ5oaJ/dLbY7kz29PLn9bkdWAsYCi1+WorRc/G5zU
-> X25519 rAGyIJ6GNU+4UyN7XeD0+rE8f8v0M6YcAZNpYX/s8Qs
5oQiMs7vPNKXNGe/Ly4vvHYlzD3FSeGjTAvtCj7uBKc
--- l2xgxIb8WBQAeziapMlKXSp2PN5x/vMb1hloQQR+w+g
";

/// The payload of [`SHORT`]: its nonce, the one chunk and its tag.
const PAYLOAD: &str = "000102030405060708090a0b0c0d0e0f0ccbeb62008ea0f0f3637e9bd4c6d063475ffe7aa2ee841911e998ef14e8";
const SHORT: &[u8] = b"A transcript.\n";

/// The SHA-256 of the file with 65537 times `x`, in a full chunk and one of a byte.
const TWO_CHUNKS: &str = "5db6c142e00aa216e40bda3c933be5ba5834e3dc1f629f977c7cdd05a17e4a84";

fn without_chance(plaintext: &[u8]) -> Vec<u8> {
    let meet = |byte| PrivateKey::from_private_key(&X25519, &[byte; 32]).unwrap();
    let wraps = vec![(Identity::of(1).recipient(), meet(3)), (Identity::of(2).recipient(), meet(4))];
    let nonce = std::array::from_fn(|i| u8::try_from(i).unwrap());
    let drawn = Drawn { file_key: Zeroizing::new(*b"YELLOW SUBMARINE"), wraps, nonce };
    let mut sealer = Sealer::begin_with(Vec::new(), drawn).unwrap();
    sealer.write_all(plaintext).unwrap();
    sealer.finish().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_file_of_one_chunk_is_exact() {
    let file = without_chance(SHORT);
    let (header, payload) = file.split_at(HEADER.len());
    assert_eq!(str::from_utf8(header).unwrap(), HEADER);
    assert_eq!(hex(payload), PAYLOAD);
    assert_eq!(open(&file, &Identity::of(2)).unwrap(), SHORT);
}

#[test]
fn a_file_of_two_chunks_is_exact() {
    assert_eq!(audit_record::sha256_hex(&without_chance(&vec![b'x'; CHUNK + 1])), TWO_CHUNKS);
}

#[test]
fn the_header_grows_by_one_stanza_a_recipient() {
    let one = Identity::of(1).recipient();
    for count in [1, 2, 10] {
        let file = sealed(b"", &vec![one; count]);
        let lines: Vec<_> =
            file.split(|byte| *byte == b'\n').take(2 * count + 2).map(|line| str::from_utf8(line).unwrap()).collect();
        assert_eq!(lines[0], "age-encryption.org/v1");
        for stanza in lines[1..=2 * count].chunks(2) {
            assert!(stanza[0].starts_with("-> X25519 ") && stanza[0].len() == 53 && stanza[1].len() == 43, "{stanza:?}");
        }
        assert!(lines[2 * count + 1].starts_with("--- ") && lines[2 * count + 1].len() == 47);
        assert_eq!(file.len(), 22 + 98 * count + 48 + 16 + TAG);
    }
}

#[test]
fn a_last_chunk_may_be_full_and_is_empty_for_no_plaintext_alone() {
    let overhead = HEADER.len() + 16;
    for (length, chunks) in [(0, 1), (1, 1), (CHUNK - 1, 1), (CHUNK, 1), (CHUNK + 1, 2), (2 * CHUNK, 2), (2 * CHUNK + 1, 3)] {
        assert_eq!(without_chance(&plaintext(length)).len(), overhead + length + chunks * TAG, "{length}");
    }
}

#[test]
fn the_nonce_counts_and_marks_the_last() {
    let hex = |count, last| hex(payload::nonce(count, last).as_ref());
    assert_eq!(hex(0, false), "000000000000000000000000");
    assert_eq!(hex(0, true), "000000000000000000000001");
    assert_eq!(hex(1, false), "000000000000000000000100");
    assert_eq!(hex(0x0102_0304_0506_0708, true), "000000010203040506070801");
}

#[test]
fn the_mac_is_over_the_header_with_its_three_dashes() {
    let file = without_chance(SHORT);
    let reader = Identity::of(1);
    assert!(open(&file, &reader).is_some());
    // The other reader's stanza taken out: what is left is well formed, and only the MAC knows.
    let text = String::from_utf8_lossy(&file[..HEADER.len()]).into_owned();
    let without: String =
        text.lines().enumerate().filter(|(i, _)| ![3, 4].contains(i)).map(|(_, line)| format!("{line}\n")).collect();
    assert!(open(&[without.as_bytes(), &file[HEADER.len()..]].concat(), &reader).is_none());
}
