//! Our print against the real `tcpdump -nvv`, line for line. tcpdump must be installed.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod build;
mod story;

use std::process::Command;

use build::{checksum4, icmp4, icmp6, ip4, ip4_with, ip6, tcp, udp};
use outcrop_capture::{Reader, export_pcap};
use outcrop_inspect::{PrintOptions, print};
use proptest::prelude::*;

fn ours(file: &[u8]) -> String {
    let options = PrintOptions {
        annotate: false,
        ..PrintOptions::default()
    };
    let mut out = Vec::new();
    print(&mut Reader::new(file).unwrap(), options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn theirs(file: &[u8]) -> String {
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), file).unwrap();
    let output = Command::new("tcpdump")
        .args(["-nvv", "-r"])
        .arg(path.path())
        .env("TZ", "UTC")
        .output()
        .unwrap_or_else(|e| panic!("tcpdump is needed for this test and could not be run: {e}"));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn same(packets: &[Vec<u8>]) {
    let file = build::pcap(packets);
    let (ours, theirs) = (ours(&file), theirs(&file));
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.lines().count(), theirs.lines().count());
    assert!(!ours.is_empty());
}

#[test]
fn segments_of_a_connection_are_printed_alike() {
    let syn = [
        2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
    ];
    let sack = [1, 1, 5, 10, 0, 0, 3, 0xe8, 0, 0, 4, 0xe8];
    let ends = |toward: bool| if toward { (41_000, 81) } else { (81, 41_000) };
    let mut broken = tcp(ends(true), (1_001, 5_001), 0x18, &[], b"broken");
    broken[16] ^= 1;
    same(&[
        ip4(6, &tcp(ends(true), (1_000, 0), 0x02, &syn, b"")),
        ip4(6, &tcp(ends(false), (5_000, 1_001), 0x12, &syn[..4], b"")),
        ip4(6, &tcp(ends(true), (1_001, 5_001), 0x10, &[], b"")),
        ip4(6, &tcp(ends(true), (1_001, 5_001), 0x18, &[], &[b'x'; 50])),
        ip4(6, &broken),
        ip4(6, &tcp(ends(false), (5_001, 1_051), 0x10, &sack, b"")),
        ip4(6, &tcp(ends(true), (1_051, 5_001), 0xf8, &[], b"")),
        ip4(6, &tcp(ends(true), (1_051, 0), 0x00, &[], b"")),
        ip4(6, &tcp(ends(false), (5_001, 1_051), 0x11, &[], b"")),
        ip4(6, &tcp(ends(true), (1_051, 0), 0x04, &[], b"go away")),
        ip4(6, &tcp(ends(true), (1_051, 0), 0x04, &[], &[0xe9; 40])),
        ip4(6, &tcp(ends(true), (1, 0), 0x02, &syn, b"early")),
    ]);
}

#[test]
fn broken_and_rare_tcp_headers_are_printed_alike() {
    let plain = tcp((41_000, 81), (1, 0), 0x02, &[], b"");
    let with_offset = |offset: u8| {
        let mut bytes = plain.clone();
        bytes[12] = offset << 4;
        ip4(6, &bytes)
    };
    let option = |bytes: &[u8]| ip4(6, &tcp((41_000, 81), (1, 0), 0x02, bytes, b""));
    same(&[
        with_offset(4),
        with_offset(15),
        ip4(6, &plain[..15]),
        ip4(6, &plain[..4]),
        ip4(6, &plain[..3]),
        ip4(6, b""),
        option(&[34, 2, 1, 1]),
        option(&[34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0]),
        option(&[253, 4, 0xaa, 0xbb]),
        option(&[2, 8, 0, 0]),
        option(&[5, 7, 1, 2, 3, 4, 5, 0]),
        option(&[28, 4, 0, 5]),
    ]);
}

#[test]
fn datagrams_are_printed_alike() {
    let good = udp((4_000, 4_001), b"hello");
    let with = |at: usize, value: [u8; 2]| {
        let mut bytes = good.clone();
        bytes[at..at + 2].copy_from_slice(&value);
        ip4(17, &bytes)
    };
    same(&[
        ip4(17, &good),
        ip4(17, &udp((4_000, 4_001), b"")),
        with(6, [0, 0]),
        with(6, [0, 1]),
        with(4, [0, 4]),
        with(4, [0, 64]),
        with(4, [0, 10]),
        ip4(17, &good[..6]),
        ip4(17, b""),
        ip4(253, b"unknown"),
        ip4(59, b""),
    ]);
}

#[test]
fn icmp_messages_and_what_they_quote_are_printed_alike() {
    let quote = ip4(17, &udp((4_000, 4_001), b"hello"));
    let syn = ip4(6, &tcp((41_000, 81), (1, 0), 0x02, &[], b""));
    let mut packets = vec![
        ip4(1, &icmp4(8, 0, [0, 1, 0, 2], &[b'a'; 56])),
        ip4(1, &icmp4(0, 0, [0, 1, 0, 2], &[b'a'; 56])),
        ip4(1, &icmp4(8, 0, [0, 1, 0, 2], b"")[..5]),
        ip4(1, &icmp4(3, 3, [0; 4], &quote[..28])),
        ip4(1, &icmp4(3, 3, [0; 4], &quote[..20])),
        ip4(1, &icmp4(3, 3, [0; 4], &syn[..28])),
        ip4(1, &icmp4(3, 3, [0; 4], &syn)),
        ip4(1, &icmp4(3, 4, [0; 4], &syn)),
        ip4(1, &icmp4(4, 0, [0; 4], &quote)),
        ip4(1, &icmp4(10, 0, [0; 4], b"")),
        ip4(1, &icmp4(13, 0, [0, 1, 0, 2], &[0; 12])),
        ip4(
            1,
            &icmp4(14, 0, [0, 1, 0, 2], &[0, 1, 2, 3, 4, 3, 2, 1, 3, 0, 0, 0]),
        ),
        ip4(1, &icmp4(42, 0, [0; 4], b"")),
    ];
    packets.extend((0..17).map(|code| ip4(1, &icmp4(3, code, [0, 0, 5, 20], &quote))));
    packets.extend((0..5).map(|code| ip4(1, &icmp4(5, code, [10, 0, 0, 1], &quote))));
    packets.extend((0..3).map(|code| ip4(1, &icmp4(11, code, [0; 4], &quote))));
    packets.extend((0..2).map(|code| ip4(1, &icmp4(12, code, [5, 0, 0, 0], &quote))));
    let mut wrong = icmp4(8, 0, [0, 1, 0, 2], b"abcd");
    wrong[9] ^= 1;
    packets.push(ip4(1, &wrong));
    same(&packets);
}

#[test]
fn ipv4_headers_are_printed_alike() {
    let good = ip4(17, &udp((4_000, 4_001), b"hello"));
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let mut packets = vec![
        good[..15].to_vec(),
        good[..30].to_vec(),
        [&good[..], b"trailer"].concat(),
        with(0, 0x44),
        with(0, 0x4f),
        with(3, 16),
        with(0, 0x35),
        with(10, 0x77),
        checksum4(with(8, 0)),
        ip4_with(253, &[148, 4, 0, 0], b"x"),
        ip4_with(253, &[1, 1, 1, 0], b"x"),
        ip4_with(253, &[131, 7, 4, 10, 0, 0, 1, 0], b"x"),
        ip4_with(253, &[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0], b"x"),
    ];
    packets.extend((0..4).map(|ecn| checksum4(with(1, 0xb8 | ecn))));
    for (flags, offset) in [
        (0x20, 0),
        (0x20, 3),
        (0x00, 3),
        (0x80, 0),
        (0x60, 0),
        (0xe0, 0),
    ] {
        for protocol in [1, 6, 17] {
            let mut bytes = ip4(protocol, &tcp((4_000, 4_001), (1, 1), 0x10, &[], b"text"));
            (bytes[6], bytes[7]) = (flags, offset);
            packets.push(checksum4(bytes));
        }
    }
    same(&packets);
}

#[test]
fn ipv6_and_its_extensions_are_printed_alike() {
    let udp6 = build::udp6((4_000, 4_001), b"hello");
    let good = ip6(17, &udp6);
    let syn = build::tcp6((41_000, 81), 1, 0, 0x02);
    let ping = icmp6(128, 0, [0, 1, 0, 2], b"payload");
    let mut labelled = ip6(6, &syn);
    labelled[..4].copy_from_slice(&[0x6b, 0x81, 0x23, 0x45]);
    let behind = |kind: u8, header: [u8; 8], rest: &[u8]| ip6(kind, &[&header, rest].concat());
    let mut unsummed = udp6.clone();
    unsummed[6..8].fill(0);
    same(&[
        good.clone(),
        labelled,
        ip6(6, &syn),
        ip6(17, &unsummed),
        ip6(58, &ping),
        ip6(58, &ping[..2]),
        ip6(58, b""),
        ip6(6, b""),
        ip6(17, b""),
        ip6(59, b"rest"),
        ip6(253, b"unknown"),
        good[..39].to_vec(),
        good[..50].to_vec(),
        [&good[..], b"trailer"].concat(),
        behind(0, [58, 0, 5, 2, 0, 0, 1, 0], &ping),
        behind(60, [58, 0, 1, 4, 0, 0, 0, 0], &ping),
        behind(44, [17, 0, 0, 1, 0, 0, 0, 7], &udp6),
        behind(44, [17, 0, 0, 16, 0, 0, 0, 7], &udp6),
        behind(44, [6, 0, 0, 1, 0, 0, 0, 7], &syn),
        ip4(41, &good),
    ]);
}

#[test]
fn icmpv6_messages_are_printed_alike() {
    let quote = ip6(17, &build::udp6((4_000, 4_001), b"hello"));
    let target = [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    let source = [1, 1, 2, 3, 4, 5, 6, 7];
    let prefix = [
        3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xfd, 0x77, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let mtu = [5, 1, 0, 0, 0, 0, 5, 0xdc];
    let advertised = [&[0; 8][..], &source, &prefix, &mtu].concat();
    let record = [&[4, 0, 0, 0][..], &target, &[1, 0, 0, 1], &target, &target].concat();
    let group = [&[0xff, 2][..], &[0; 13], &[1]].concat();
    let mut packets = vec![
        ip6(58, &icmp6(129, 0, [0, 1, 0, 2], b"")),
        ip6(58, &icmp6(2, 0, [0, 0, 5, 0], &quote)),
        ip6(58, &icmp6(133, 0, [0; 4], &source)),
        ip6(58, &icmp6(134, 0, [64, 0xc0, 7, 8], &advertised)),
        ip6(58, &icmp6(135, 0, [0; 4], &[&target[..], &source].concat())),
        ip6(
            58,
            &icmp6(
                136,
                0,
                [0x60, 0, 0, 0],
                &[&target[..], &[2, 1, 2, 3, 4, 5, 6, 7]].concat(),
            ),
        ),
        ip6(58, &icmp6(143, 0, [0, 0, 0, 2], &record)),
        ip6(58, &icmp6(131, 0, [0; 4], &group)),
        ip6(58, &icmp6(130, 0, [0x27, 0x10, 0, 0], &group)),
    ];
    packets.extend((0..8).map(|code| ip6(58, &icmp6(1, code, [0; 4], &quote))));
    packets.extend((0..3).map(|code| ip6(58, &icmp6(3, code, [0; 4], &quote))));
    packets.extend((0..4).map(|code| ip6(58, &icmp6(4, code, [0, 0, 0, 6], &quote))));
    same(&packets);
}

#[test]
fn http_is_printed_alike() {
    let texts: [&[u8]; 16] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nline1\nline2\n\x80\x81",
        b"GET / HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
        b"some text body\nmore\n",
        b"\x00\x01\x02binary",
        b"FOO / HTTP/1.1\r\n\r\n",
        b"get /",
        b"GET /x\tHTTP",
        b"GET / HTTP/1.1\rX\r\n",
        b"HTTP/1.1 2000 OK\r\n",
        b"a 200\r\n",
        b"G",
        b"GET",
        b" GET / HTTP/1.0\r\n",
        b"\r\n",
    ];
    let mut packets = Vec::new();
    for text in texts {
        for ends in [(41_000, 80), (8_080, 41_000), (41_000, 81)] {
            packets.push(ip4(6, &tcp(ends, (1, 1), 0x18, &[], text)));
        }
    }
    same(&packets);
}

#[test]
fn recorded_story_is_printed_alike() {
    let file = story::told();
    assert_eq!(ours(&file), theirs(&file));
    let mut pcap = Vec::new();
    export_pcap(&mut Reader::new(&file[..]).unwrap(), &mut pcap).unwrap();
    assert_eq!(ours(&pcap), theirs(&pcap));
}

/// Ports on which tcpdump knows nothing, so that it prints the transport alone.
fn quiet_port() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![81u16, 4_000, 4_001, 41_000, 41_001])
}

fn tcp_strategy() -> impl Strategy<Value = Vec<u8>> {
    let option = prop::sample::select(vec![
        vec![1u8],
        vec![2, 4, 5, 0xb4],
        vec![3, 3, 9],
        vec![4, 2],
        vec![5, 10, 0, 0, 0, 9, 0, 0, 0, 20],
        vec![5, 18, 0, 0, 0, 9, 0, 0, 0, 20, 0xff, 0, 0, 0, 0xff, 0, 0, 9],
        vec![8, 10, 1, 2, 3, 4, 5, 6, 7, 8],
        vec![253, 5, 1, 2, 3],
    ]);
    let options = prop::collection::vec(option, 0..3).prop_map(|list| {
        let mut bytes = list.concat();
        bytes.truncate(40);
        bytes.resize(bytes.len().next_multiple_of(4), 1);
        bytes
    });
    let ends = (quiet_port(), quiet_port());
    (
        ends,
        0u32..100_000,
        0u32..100_000,
        any::<u8>(),
        options,
        0usize..40,
    )
        .prop_map(|(ends, seq, ack, flags, options, len)| {
            ip4(
                6,
                &tcp(
                    ends,
                    (seq.wrapping_sub(50), ack),
                    flags,
                    &options,
                    &vec![b'.'; len],
                ),
            )
        })
}

fn packet_strategy() -> impl Strategy<Value = Vec<u8>> {
    let data = prop::collection::vec(any::<u8>(), 0..30);
    let ends = (quiet_port(), quiet_port());
    prop_oneof![
        4 => tcp_strategy(),
        1 => (ends, data.clone()).prop_map(|(ends, data)| ip4(17, &udp(ends, &data))),
        1 => data.prop_map(|data| ip6(58, &icmp6(128, 0, [1, 2, 3, 4], &data))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    /// Whole captures at a time: what one packet prints depends on those before it.
    #[test]
    fn random_captures_are_printed_alike(packets in prop::collection::vec(packet_strategy(), 1..200)) {
        let file = build::pcap(&packets);
        let (ours, theirs) = (ours(&file), theirs(&file));
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            prop_assert_eq!(ours, theirs);
        }
        prop_assert_eq!(ours.lines().count(), theirs.lines().count());
    }
}

/// Frames as a classic file of Ethernet.
fn ethernet(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4u32.to_ne_bytes());
    file.extend([2u16, 4].map(u16::to_ne_bytes).concat());
    file.extend([0u32, 0, 65_535, 1].map(u32::to_ne_bytes).concat());
    for frame in frames {
        let len = frame.len() as u32;
        file.extend([1u32, 0, len, len].map(u32::to_ne_bytes).concat());
        file.extend(frame);
    }
    file
}

/// A message of DHCPv4: this much of the fixed part, then options.
fn bootp(change: impl Fn(&mut Vec<u8>), options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[..12].copy_from_slice(&[1, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0]);
    bytes[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
    bytes.extend([99, 130, 83, 99, 53, 1, 1]);
    bytes.extend(options);
    change(&mut bytes);
    ip4(17, &udp((68, 67), &bytes))
}

#[test]
fn dhcp_messages_are_printed_alike() {
    let with = |options: &[u8]| bootp(|_| {}, options);
    let at = |at: usize, value: &[u8]| {
        bootp(
            |bytes| bytes[at..at + value.len()].copy_from_slice(value),
            &[255],
        )
    };
    let mut packets = vec![
        with(&[255]),
        with(&[0, 0, 255, 0, 0]),
        with(&[54, 4, 10, 0, 0, 1, 255]),
        with(&[
            3, 8, 10, 0, 0, 1, 10, 0, 0, 2, 12, 4, b'h', 200, 127, 7, 255,
        ]),
        with(&[54, 3, 1, 2, 3, 255]),
        with(&[54, 9, 1]),
        with(&[54]),
        with(&[
            119, 5, 1, 2, 3, 4, 5, 200, 6, 1, 2, 3, 4, 5, 6, 201, 4, 1, 2, 3, 4, 255,
        ]),
        with(&[
            121, 8, 24, 10, 1, 2, 10, 0, 0, 1, 121, 5, 0, 10, 0, 0, 1, 255,
        ]),
        with(&[121, 4, 0, 1, 1, 1, 255]),
        with(&[121, 6, 40, 1, 1, 1, 1, 1, 255]),
        with(&[121, 7, 24, 10, 1, 2, 10, 0, 0, 255]),
        with(&[
            61, 7, 1, 2, 0, 0, 0, 0, 9, 61, 3, 0, b'm', b'e', 61, 3, 255, 1, 2, 61, 0, 255,
        ]),
        with(&[52, 1, 1, 52, 1, 2, 52, 1, 3, 52, 2, 7, 7, 52, 0, 255]),
        with(&[
            55, 6, 1, 3, 6, 15, 121, 252, 55, 0, 19, 3, 0, 1, 2, 80, 0, 255,
        ]),
        at(0, &[2]),
        at(0, &[3, 7, 3, 2]),
        at(4, &[0; 4]),
        at(8, &[0, 7, 0x80, 0]),
        at(12, &[10, 0, 0, 9, 10, 0, 0, 8, 10, 0, 0, 7, 10, 0, 0, 6]),
        at(44, b"name"),
        at(108, b"file"),
        at(236, &[0; 4]),
        at(236, &[1, 2, 3, 4]),
    ];
    for kind in 0..10 {
        packets.push(with(&[53, 1, kind, 255]));
    }
    for code in 1..=118 {
        // Some are lists of their own kind, which nobody here writes.
        if !matches!(code, 46 | 62..=65 | 68..=79 | 81..=92 | 98 | 112 | 113 | 117) {
            packets.push(with(&[code, 8, 1, 2, 3, 4, 0, 6, 7, 8, 255]));
        }
    }
    let whole = bootp(|bytes| bytes[108] = b'f', &[255]);
    for len in [0, 1, 9, 20, 30, 50, 100, 120, 236, 238, 240, 242] {
        packets.push(ip4(17, &udp((67, 68), &whole[28..28 + len])));
    }
    same(&packets);
}

#[test]
fn dhcpv6_messages_are_printed_alike() {
    let option = |code: u16, value: &[u8]| {
        let len = value.len() as u16;
        [&code.to_be_bytes(), &len.to_be_bytes(), value].concat()
    };
    let message = |kind: u8, options: &[u8]| {
        let bytes = [&[kind, 1, 2, 3], options].concat();
        ip6(17, &udp((546, 547), &bytes))
    };
    let address = |inside: &[u8]| {
        option(
            5,
            &[&[0x20; 16][..], &[0, 0, 0, 9, 0, 0, 0, 8], inside].concat(),
        )
    };
    let association = |inside: &[u8]| {
        option(
            3,
            &[&[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3][..], inside].concat(),
        )
    };
    let mut packets: Vec<_> = (0..16)
        .filter(|kind| !matches!(kind, 12 | 13))
        .map(|kind| message(kind, &[]))
        .collect();
    let codes: Vec<u8> = (0..=33u16).flat_map(u16::to_be_bytes).collect();
    packets.extend([
        message(1, &option(6, &codes)),
        message(1, &option(1, &[0, 1, 0, 1, 0, 0, 0, 7, 2, 0, 0, 0, 0, 1])),
        message(1, &option(1, &[0, 2, 0, 0, 0, 7, 1, 2, 3, 4])),
        message(1, &option(2, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 1])),
        message(1, &option(2, &[&[0, 4], &[7; 16][..]].concat())),
        message(7, &association(&address(&option(13, &[0, 2])))),
        message(7, &association(&[])),
        message(7, &option(3, &[0; 4])),
        message(7, &option(13, b"\0\x01no luck")),
        message(7, &option(13, &[0, 77])),
        message(
            7,
            &[option(14, &[]), option(8, &[1, 2]), option(7, &[5])].concat(),
        ),
        message(7, &option(7, &[1, 2])),
        message(
            7,
            &[option(32, &[0, 0, 1, 0]), option(82, &[0, 0, 1, 0])].concat(),
        ),
        message(7, &option(23, &[&[0; 15][..], &[1], &[0xfd; 16]].concat())),
        message(7, &option(23, &[0; 9])),
        message(7, &option(24, b"\x03lan\0\x07example\x03net\0")),
        message(7, &option(24, b"\x03lan")),
        message(7, &[0, 1, 0]),
        message(7, &[0, 1, 0, 9, 1]),
        ip6(17, &udp((547, 546), b"\x07\x01")),
        ip6(17, &udp((547, 546), b"")),
    ]);
    same(&packets);
}

/// What dnsmasq and our client said to each other.
#[test]
fn a_lease_from_dnsmasq_is_printed_alike() {
    let file = include_bytes!("../../../fixtures/dhcp.pcapng");
    let mut frames = Vec::new();
    for record in Reader::new(&file[..]).unwrap() {
        if let outcrop_capture::Record::Packet(packet) = record.unwrap() {
            let udp = [packet.bytes.get(23), packet.bytes.get(20)];
            let place = usize::from(packet.bytes[12] != 8);
            if udp[place] == Some(&17) {
                frames.push(packet.bytes.to_vec());
            }
        }
    }
    assert!(frames.len() >= 12, "{}", frames.len());
    let file = ethernet(&frames);
    assert_eq!(ours(&file), theirs(&file));
}

#[test]
fn arp_is_printed_alike() {
    let arp =
        |operation: u8, sender: [u8; 4], target_mac: [u8; 6], target: [u8; 4], padding: usize| {
            let mut frame = vec![0xff; 6];
            frame.extend([2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, operation]);
            frame.extend([2, 0, 0, 0, 0, 1]);
            frame.extend(sender);
            frame.extend(target_mac);
            frame.extend(target);
            frame.resize(frame.len() + padding, 0);
            frame
        };
    let (us, them, nobody) = ([10, 0, 0, 1], [10, 0, 0, 2], [0; 4]);
    let file = ethernet(&[
        arp(1, us, [0; 6], them, 0),
        arp(1, us, [0; 6], them, 18),
        arp(1, us, [2, 0, 0, 0, 0, 2], them, 0),
        arp(2, us, [2, 0, 0, 0, 0, 2], them, 0),
        arp(1, nobody, [0; 6], them, 0),
        arp(1, us, [0; 6], us, 0),
    ]);
    assert_eq!(ours(&file), theirs(&file));
}
