//! The fuzz targets by proptest (`PROPTEST_CASES` inputs each), and over every input kept in `fixtures/fuzz`.

use std::path::Path;

use outcrop_tests::fuzz;
use proptest::prelude::*;

/// Runs a target over the inputs that once found something.
fn corpus(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/fuzz")
        .join(name);
    let inputs: Vec<_> = std::fs::read_dir(&folder)
        .expect("fixtures/fuzz has a folder for every target")
        .map(|entry| {
            std::fs::read(entry.expect("a readable folder").path()).expect("a readable file")
        })
        .collect();
    assert!(
        !inputs.is_empty(),
        "{}: a corpus has at least one input",
        folder.display()
    );
    for input in inputs {
        target(&input);
    }
}

#[test]
fn corpus_of_ip_packets_finds_nothing() {
    corpus("ip_packets", fuzz::ip_packets);
}

#[test]
fn corpus_of_forwarded_packets_finds_nothing() {
    corpus("forwarded_packets", fuzz::forwarded_packets);
}

#[test]
fn corpus_of_ethernet_frames_finds_nothing() {
    corpus("ethernet_frames", fuzz::ethernet_frames);
}

#[test]
fn corpus_of_tcp_segments_finds_nothing() {
    corpus("tcp_segments", fuzz::tcp_segments);
}

#[test]
fn corpus_of_http_bytes_finds_nothing() {
    corpus("http_bytes", fuzz::http_bytes);
}

#[test]
fn corpus_of_dhcp_messages_finds_nothing() {
    corpus("dhcp_messages", fuzz::dhcp_messages);
}

#[test]
fn corpus_of_shown_bytes_finds_nothing() {
    corpus("shown_bytes", fuzz::shown_bytes);
}

#[test]
fn corpus_of_switched_frames_finds_nothing() {
    corpus("switched_frames", fuzz::switched_frames);
}

/// Words that HTTP is made of, so that random streams get somewhere.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&[u8]> = vec![
        b"GET ",
        b"POST ",
        b"HEAD ",
        b"/ ",
        b"* ",
        b"/a?b ",
        b"http://x/ ",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"HTTP/1.9",
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"Host: x\r\n",
        b"Host: y\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 05\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Connection: close\r\n",
        b"Connection: keep-alive\r\n",
        b"Expect: 100-continue\r\n",
        b"hello",
        b"5\r\n",
        b"0\r\n",
        b"0\r\n\r\n",
        b"5;a=b\r\nhello\r\n",
        b"ffffffffffffffff\r\n",
        b"Trailer: x\r\n",
        b" folded\r\n",
        b"\0",
        b"\xff",
        b":",
        b" ",
        b"\t",
        b"X: ",
    ];
    let pieces = prop::collection::vec(prop::sample::select(words), 0..40);
    (any::<u8>(), pieces).prop_map(|(first, pieces)| {
        let mut data = vec![first];
        data.extend(pieces.concat());
        data
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_ip_packets(data in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz::ip_packets(&data);
    }

    #[test]
    fn any_http_bytes(data in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::http_bytes(&data);
    }

    #[test]
    fn any_dhcp_messages(data in prop::collection::vec(any::<u8>(), 0..1300)) {
        fuzz::dhcp_messages(&data);
    }

    #[test]
    fn any_bytes_are_shown_in_bounds(data in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz::shown_bytes(&data);
    }

    /// Options of DHCP of any length behind a fixed part: most random bytes have no cookie.
    #[test]
    fn any_options_of_dhcp_are_shown_in_bounds(
        options in prop::collection::vec((any::<u8>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..20)), 0..20),
    ) {
        let mut data = vec![0; 236];
        data[..3].copy_from_slice(&[1, 1, 6]);
        data.extend([99, 130, 83, 99]);
        for (code, len, value) in options {
            // Mostly as long as it says.
            let len = if len < 32 { len } else { u8::try_from(value.len()).expect("short") };
            data.extend([code, len]);
            data.extend(value);
        }
        fuzz::shown_bytes(&data);
    }

    #[test]
    fn any_frames_are_switched(pieces in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..30)), 0..60)) {
        let mut data = Vec::new();
        for (how, piece) in pieces {
            data.push(how);
            data.push(u8::try_from(piece.len()).expect("short"));
            data.extend(piece);
        }
        fuzz::switched_frames(&data);
    }

    #[test]
    fn streams_of_http_words(data in words()) {
        fuzz::http_bytes(&data);
    }

    /// Bytes that at least begin like IP: most random ones do not.
    #[test]
    fn ip_packets_with_a_header(
        rest in prop::collection::vec(any::<u8>(), 0..120),
        first in prop::sample::select(vec![0x45u8, 0x46, 0x4f, 0x60]),
        protocol in prop::sample::select(vec![1u8, 6, 17, 58, 0, 43, 44, 60]),
    ) {
        let mut packet = vec![first];
        packet.extend(&rest);
        for at in [6, 9] {
            if let Some(octet) = packet.get_mut(at) {
                *octet = protocol;
            }
        }
        let len = u16::try_from(packet.len()).expect("short");
        if first != 0x60 && packet.len() >= 4 {
            packet[2..4].copy_from_slice(&len.to_be_bytes());
        }
        let mut data = len.to_be_bytes().to_vec();
        data.extend(packet);
        fuzz::ip_packets(&data);
        fuzz::forwarded_packets(&data);
    }

    #[test]
    fn any_packets_to_forward(data in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz::forwarded_packets(&data);
    }

    #[test]
    fn any_tcp_segments_into_any_state(data in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::tcp_segments(&data);
    }
}

proptest! {
    #[test]
    fn any_frames_leave_a_station_bounded(pieces in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..120)), 0..40)) {
        let mut data = Vec::new();
        for (how, piece) in pieces {
            data.push(how);
            data.push(u8::try_from(piece.len()).unwrap_or(u8::MAX));
            data.extend(piece);
        }
        fuzz::ethernet_frames(&data);
    }
}
