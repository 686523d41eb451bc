//! `cargo +nightly fuzz run shown_bytes`, from `tests`; the corpus is in `fixtures/fuzz/shown_bytes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop_tests::fuzz::shown_bytes(data));
