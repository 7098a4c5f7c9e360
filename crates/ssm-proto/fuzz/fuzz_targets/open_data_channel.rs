//! Feeds the parser `open_data_channel`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| assert!(ssm_proto::probe::feed("open_data_channel", bytes)));
