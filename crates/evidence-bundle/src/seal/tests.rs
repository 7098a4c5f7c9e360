//! What is sealed has age's form to the byte, and opens for its recipients alone.

mod form;
mod opener;
mod recipients;

use super::*;
use opener::{Identity, open};
use proptest::prelude::*;
use std::error::Error as _;

/// Lengths around the edges of one and two chunks.
const EDGES: [usize; 7] = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1];

/// Never the same in two chunks, so that chunks that were swapped show.
fn plaintext(length: usize) -> Vec<u8> {
    (0_u64..).flat_map(u64::to_be_bytes).take(length).collect()
}

fn sealed(plaintext: &[u8], recipients: &[Recipient]) -> Vec<u8> {
    let mut sealer = Sealer::begin(Vec::new(), recipients).unwrap();
    sealer.write_all(plaintext).unwrap();
    sealer.finish().unwrap()
}

#[test]
fn every_recipient_opens_and_nobody_else() {
    let (one, two, other) = (Identity::of(1), Identity::of(2), Identity::of(9));
    for length in EDGES {
        let plaintext = plaintext(length);
        let file = sealed(&plaintext, &[one.recipient(), two.recipient()]);
        assert!(open(&file, &one).as_ref() == Some(&plaintext), "{length}");
        assert!(open(&file, &two).as_ref() == Some(&plaintext), "{length}");
        assert!(open(&file, &other).is_none(), "{length}");
    }
}

#[test]
fn everything_that_chance_gives_is_new_in_each_file() {
    let drawn = || {
        let drawn = Drawn::by_chance(&[Identity::of(1).recipient(), Identity::of(1).recipient()]).unwrap();
        let shares = drawn.wraps.iter().map(|(_, key)| key.compute_public_key().unwrap().as_ref().to_vec());
        shares.chain([drawn.file_key.to_vec(), drawn.nonce.to_vec()]).collect::<Vec<_>>()
    };
    let different: std::collections::BTreeSet<_> = [[vec![0; 16]].to_vec(), drawn(), drawn()].into_iter().flatten().collect();
    assert_eq!(different.len(), 1 + 4 + 4);
}

#[test]
fn nothing_that_is_written_after_a_full_chunk_makes_no_second_one() {
    let one = Identity::of(1);
    let mut sealer = Sealer::begin(Vec::new(), &[one.recipient()]).unwrap();
    sealer.write_all(&plaintext(CHUNK)).unwrap();
    assert_eq!(sealer.write(b"").unwrap(), 0);
    assert!(open(&sealer.finish().unwrap(), &one).unwrap() == plaintext(CHUNK));
}

#[test]
fn a_finished_file_is_through_its_buffer() {
    let one = Identity::of(1);
    let mut sealer = Sealer::begin(io::BufWriter::new(Vec::new()), &[one.recipient()]).unwrap();
    sealer.write_all(b"text").unwrap();
    let buffer = sealer.finish().unwrap();
    assert_eq!(open(buffer.get_ref(), &one).unwrap(), b"text");
}

#[test]
fn a_file_that_was_not_finished_does_not_open() {
    let one = Identity::of(1);
    for length in EDGES {
        let mut file = Vec::new();
        let mut sealer = Sealer::begin(&mut file, &[one.recipient()]).unwrap();
        sealer.write_all(&plaintext(length)).unwrap();
        sealer.flush().unwrap();
        drop(sealer);
        assert!(open(&file, &one).is_none(), "{length}");
    }
}

#[test]
fn chunks_that_were_taken_out_swapped_or_added_do_not_open() {
    let one = Identity::of(1);
    let file = sealed(&plaintext(3 * CHUNK), &[one.recipient()]);
    let (before, chunks) = file.split_at(file.len() - 3 * (CHUNK + TAG));
    let chunks: Vec<_> = chunks.chunks(CHUNK + TAG).collect();
    let of = |order: &[usize]| [before].into_iter().chain(order.iter().map(|i| chunks[*i])).collect::<Vec<_>>().concat();
    assert!(open(&of(&[0, 1, 2]), &one).is_some());
    for order in [&[0, 1][..], &[0, 2], &[1, 2], &[2], &[], &[1, 0, 2], &[0, 2, 1], &[0, 1, 2, 2], &[0, 1, 1, 2]] {
        assert!(open(&of(order), &one).is_none(), "{order:?}");
    }
}

#[test]
fn nobody_and_too_many_are_refused_before_anything_is_written() {
    let mut file = Vec::new();
    assert!(matches!(Sealer::begin(&mut file, &[]).err(), Some(SealError::NoRecipient)));
    let many = vec![Identity::of(1).recipient(); RECIPIENTS_MAX + 1];
    assert!(matches!(Sealer::begin(&mut file, &many).err(), Some(SealError::TooManyRecipients(257))));
    assert!(file.is_empty());
    let file = sealed(b"text", &many[..RECIPIENTS_MAX]);
    assert_eq!(open(&file, &Identity::of(1)).unwrap(), b"text");
}

/// Takes so many bytes and fails after.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn after_a_failed_chunk_nothing_is_taken_any_more() {
    let one = Identity::of(1).recipient();
    assert!(matches!(Sealer::begin(Full(10), &[one]).err(), Some(SealError::Header(_))));
    let mut sealer = Sealer::begin(Full(1000), &[one]).unwrap();
    let error = sealer.write_all(&plaintext(CHUNK + 1)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    for error in [sealer.write_all(b"more").unwrap_err(), sealer.finish().err().unwrap()] {
        assert_eq!(error.to_string(), SealError::Broken.to_string());
    }
}

#[test]
fn no_more_than_a_chunk_waits() {
    let mut sealer = Sealer::begin(io::sink(), &[Identity::of(1).recipient()]).unwrap();
    let room = sealer.waiting.capacity();
    for _ in 0..40 {
        sealer.write_all(&plaintext(10_007)).unwrap();
        assert!(sealer.waiting.len() <= CHUNK && sealer.waiting.capacity() == room);
    }
    let _sink = sealer.finish().unwrap();
}

#[test]
fn errors_keep_their_cause() {
    let one = Identity::of(1).recipient();
    let error = Sealer::begin(Full(0), &[one]).err().unwrap();
    assert_eq!(error.to_string(), "failed to write the header of a sealed file");
    assert!(error.source().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_pieces_the_whole_comes_back(pieces in prop::collection::vec(0..50_000_usize, 0..8), readers in 1..4_u8, pick in any::<prop::sample::Index>()) {
        let plaintext = plaintext(pieces.iter().sum());
        let identities: Vec<_> = (1..=readers).map(Identity::of).collect();
        let recipients: Vec<_> = identities.iter().map(Identity::recipient).collect();
        let mut sealer = Sealer::begin(Vec::new(), &recipients).unwrap();
        let mut rest = plaintext.as_slice();
        for piece in pieces {
            sealer.write_all(&rest[..piece]).unwrap();
            sealer.flush().unwrap();
            rest = &rest[piece..];
        }
        let file = sealer.finish().unwrap();
        prop_assert!(open(&file, &identities[pick.index(identities.len())]).as_ref() == Some(&plaintext));
    }

    #[test]
    fn what_is_cut_or_longer_does_not_open(length in 0..200_usize, cut in any::<prop::sample::Index>(), more in prop::collection::vec(any::<u8>(), 1..20)) {
        let one = Identity::of(1);
        let file = sealed(&plaintext(length), &[one.recipient()]);
        prop_assert!(open(&file[..cut.index(file.len())], &one).is_none());
        prop_assert!(open(&[file, more].concat(), &one).is_none());
    }

    #[test]
    fn a_changed_byte_in_many_chunks_does_not_open(place in any::<prop::sample::Index>(), change in 1..=u8::MAX) {
        let (one, two) = (Identity::of(1), Identity::of(2));
        let mut file = sealed(&plaintext(2 * CHUNK + 10), &[one.recipient(), two.recipient()]);
        let at = place.index(file.len());
        file[at] ^= change;
        prop_assert!(open(&file, &one).is_none() && open(&file, &two).is_none(), "byte {at}");
    }
}

#[test]
fn no_byte_of_a_file_can_change_by_one_bit() {
    let (one, two) = (Identity::of(1), Identity::of(2));
    let file = sealed(b"a short one", &[one.recipient(), two.recipient()]);
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut changed = file.clone();
            changed[at] ^= 1 << bit;
            assert!(open(&changed, &one).is_none() && open(&changed, &two).is_none(), "byte {at}, bit {bit}");
        }
    }
}
