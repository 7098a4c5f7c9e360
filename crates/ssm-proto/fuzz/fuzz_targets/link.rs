//! Feeds the parser `link`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| assert!(ssm_proto::probe::feed("link", bytes)));
