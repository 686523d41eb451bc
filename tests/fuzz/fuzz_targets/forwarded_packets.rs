//! `cargo +nightly fuzz run forwarded_packets`, from `tests`; the corpus is in `fixtures/fuzz/forwarded_packets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop_tests::fuzz::forwarded_packets(data));
