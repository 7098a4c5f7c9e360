//! Feeds the parser `enc_challenge`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| assert!(ssm_proto::probe::feed("enc_challenge", bytes)));
