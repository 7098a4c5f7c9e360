//! Feeds the parser `handshake_response`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| assert!(ssm_proto::probe::feed("handshake_response", bytes)));
