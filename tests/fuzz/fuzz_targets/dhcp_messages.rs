//! `cargo +nightly fuzz run dhcp_messages`, from `tests`; the corpus is in `fixtures/fuzz/dhcp_messages`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| outcrop_tests::fuzz::dhcp_messages(data));
