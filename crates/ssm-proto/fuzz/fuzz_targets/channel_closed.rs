//! Feeds the parser `channel_closed`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| assert!(ssm_proto::probe::feed("channel_closed", bytes)));
