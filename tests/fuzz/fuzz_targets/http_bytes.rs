//! `cargo +nightly fuzz run http_bytes`, from `tests`; the corpus is in `fixtures/fuzz/http_bytes`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop_tests::fuzz::http_bytes(data));
