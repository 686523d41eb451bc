//! `cargo +nightly fuzz run switched_frames`, from `tests`; the corpus is in `fixtures/fuzz/switched_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop_tests::fuzz::switched_frames(data));
