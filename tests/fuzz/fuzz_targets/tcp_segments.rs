//! `cargo +nightly fuzz run tcp_segments`, from `tests`; the corpus is in `fixtures/fuzz/tcp_segments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop_tests::fuzz::tcp_segments(data));
