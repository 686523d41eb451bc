//! `cargo +nightly fuzz run ethernet_frames`, from `tests`; the corpus is in `fixtures/fuzz/ethernet_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop_tests::fuzz::ethernet_frames(data));
