//! Linux's own conversations, played against our server.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::File;
use std::path::Path;

use outcrop_testkit::foreign::{PlayError, Report, play};

fn fixture(name: &str) -> Report {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/foreign")
        .join(name);
    play(File::open(path).unwrap()).unwrap()
}

fn agrees(name: &str, fed: usize, stream: usize) {
    let report = fixture(name);
    assert!(report.differences.is_empty(), "{name}: {report:#?}");
    assert_eq!((report.fed, report.stream), (fed, stream), "{name}");
}

// Packets and bytes as tcpdump counts them in the files.

#[test]
fn python_closes_together_with_curl() {
    agrees("curl-python-get.pcap", 7, 204);
}

#[test]
fn nginx_answers_twice_on_one_connection() {
    agrees("curl-nginx-keepalive.pcap", 7, 563);
}

#[test]
fn nginx_sends_two_hundred_thousand_bytes() {
    let report = fixture("curl-nginx-large.pcap");
    assert!(report.differences.is_empty(), "{report:#?}");
    assert!(report.stream > 200_000);
}

#[test]
fn nginx_answers_a_head_over_ipv6() {
    agrees("curl-nginx-ipv6.pcap", 6, 237);
}

/// Everything recorded of others, whatever its client offers and loses.
#[test]
fn every_foreign_server_is_matched() {
    let mut wrong = Vec::new();
    for (name, stream) in [
        ("lossy-download.pcap", 60_000),
        ("lossy-tail.pcap", 60_000),
        ("lossy-upload.pcap", 90),
        ("chunked.pcap", 139),
        ("options-windows.pcap", 44),
        ("options-macos.pcap", 44),
        ("options-freebsd.pcap", 44),
        ("options-bare.pcap", 44),
        ("tls12-aes128.pcapng", 1_000),
        ("tls12-aes256.pcapng", 1_000),
        ("tls12-chacha20.pcapng", 1_000),
        ("tls13-aes128.pcapng", 1_000),
        ("tls13-aes256.pcapng", 1_000),
        ("tls13-chacha20.pcapng", 1_000),
    ] {
        let report = fixture(name);
        if !report.differences.is_empty() || report.stream < stream {
            wrong.push(format!("{name}: {report:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn capture_without_a_handshake_is_refused() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/foreign/curl-python-get.pcap");
    let whole = std::fs::read(path).unwrap();
    // The file's header and the last packet only.
    let last = whole.len() - (16 + 66);
    let mut tail = whole[..24].to_vec();
    tail.extend_from_slice(&whole[last..]);
    assert!(matches!(play(&tail[..]), Err(PlayError::NoConversation)));
}
