//! `cargo +nightly fuzz run ip_packets`, from `tests`; the corpus is in `fixtures/fuzz/ip_packets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop_tests::fuzz::ip_packets(data));
