//! No bytes make a parser panic: the fuzzers' corpora, and anything.

use proptest::prelude::*;
use ssm_proto::probe::{PROBES, feed};
use std::path::Path;

#[test]
fn every_corpus_file_is_survived_and_every_parser_has_a_corpus_and_a_target() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (name, _) in PROBES {
        assert!(fuzz.join("fuzz_targets").join(format!("{name}.rs")).is_file(), "{name} has no fuzz target");
        let files: Vec<_> =
            std::fs::read_dir(fuzz.join("corpus").join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            assert!(feed(name, &std::fs::read(file).unwrap()));
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        for (_, probe) in PROBES {
            probe(&bytes);
        }
    }

    /// Whole frames with a few bytes changed get deeper than noise does.
    #[test]
    fn no_damaged_frame_panics(at in 0usize..300, byte in any::<u8>(), cut in 0usize..300) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, probe) in PROBES {
            for file in std::fs::read_dir(corpus.join(name)).unwrap() {
                let mut bytes = std::fs::read(file.unwrap().path()).unwrap();
                let length = bytes.len();
                bytes[at % length] = byte;
                probe(&bytes);
                bytes.truncate(cut.min(length));
                probe(&bytes);
            }
        }
    }

    #[test]
    fn no_json_of_the_right_shape_panics(text in "\\{(\"[A-Za-z]{1,20}\":(\"[^\"]{0,20}\"|-?[0-9]{1,25}|null|\\[\\]|\\{\\})){0,1}\\}") {
        for (_, probe) in PROBES {
            probe(text.as_bytes());
        }
    }
}
