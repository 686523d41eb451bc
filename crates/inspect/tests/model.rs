//! The model against captures whose contents tshark has told (`tests/tests/pdml.rs`), cut and mixed in other ways.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod build;

use std::path::PathBuf;

use build::{ip4, tcp};
use outcrop_capture::{Reader, Record};
use outcrop_inspect::{Field, Model, har};
use proptest::prelude::*;

fn fixture(name: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/foreign");
    std::fs::read(root.join(name)).unwrap()
}

/// Lines told, and the fields of each packet when the capture has ended.
fn taken_apart(file: &[u8], keys: Option<&str>) -> (Vec<String>, Vec<Vec<Field>>) {
    let mut model = Model::new();
    model.secrets(keys.unwrap_or_default());
    let (mut lines, mut packets): (Vec<String>, Vec<Vec<Field>>) = (Vec::new(), Vec::new());
    for record in Reader::new(file).unwrap() {
        if let Some(taken) = model.record(&record.unwrap()) {
            lines.extend(taken.lines);
            packets.push(taken.fields);
            for late in taken.belated {
                packets[late.number as usize - 1].push(late.field);
            }
        }
    }
    for fields in &mut packets {
        fields.sort_by_key(|field| field.range.start);
    }
    (lines, packets)
}

/// Payloads of a capture: whether from the first speaker, and the bytes.
fn payloads(file: &[u8]) -> Vec<(bool, Vec<u8>)> {
    let mut model = Model::new();
    let mut found = Vec::new();
    for record in Reader::new(file).unwrap() {
        let record = record.unwrap();
        let taken = model.record(&record);
        if let (Some(taken), Record::Packet(packet)) = (taken, &record)
            && taken.payload < packet.bytes.len()
        {
            found.push((taken.seen.inbound, packet.bytes[taken.payload..].to_vec()));
        }
    }
    found
}

/// A packet the other way: the sum over swapped addresses is the same.
fn back(mut packet: Vec<u8>) -> Vec<u8> {
    let (src, dst) = packet[12..20].split_at_mut(4);
    src.swap_with_slice(dst);
    packet
}

/// The same conversation in segments of `size` bytes.
fn resegmented(payloads: &[(bool, Vec<u8>)], size: usize) -> Vec<u8> {
    let mut packets = vec![
        ip4(6, &tcp((4_000, 443), (0, 0), 2, &[], b"")),
        back(ip4(6, &tcp((443, 4_000), (0, 1), 0x12, &[], b""))),
    ];
    let mut next = [1, 1];
    for (first, bytes) in payloads {
        for bytes in bytes.chunks(size) {
            let (own, other) = (usize::from(*first), usize::from(!*first));
            let ends = if *first { (4_000, 443) } else { (443, 4_000) };
            let packet = ip4(6, &tcp(ends, (next[own], next[other]), 0x10, &[], bytes));
            packets.push(if *first { packet } else { back(packet) });
            next[own] += bytes.len() as u32;
        }
    }
    build::pcap(&packets)
}

fn keys(file: &[u8]) -> String {
    let records = Reader::new(file).unwrap().map(Result::unwrap);
    let secrets = records.filter_map(|record| match record {
        Record::Secrets(lines) => Some(lines),
        Record::Packet(_) | Record::Event(_) => None,
    });
    secrets.collect()
}

/// Name and value of every field above TCP, each once: one over a segment's end is in both packets.
fn above(packets: &[Vec<Field>]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for field in packets.iter().flatten() {
        let pair = (field.name.to_string(), field.value.clone());
        let body = ["body", "chunk data"].contains(&pair.0.as_str());
        let known = matches!(field.layer, "tls" | "http") && !body;
        if known && found.last() != Some(&pair) {
            found.push(pair);
        }
    }
    found
}

#[test]
fn segments_of_any_size_say_the_same() {
    for name in [
        "tls13-aes128.pcapng",
        "tls12-chacha20.pcapng",
        "chunked.pcap",
    ] {
        let file = fixture(name);
        let (payloads, keys) = (payloads(&file), keys(&file));
        let (lines, fields) = taken_apart(&resegmented(&payloads, 1_400), Some(&keys));
        let whole = above(&fields);
        assert!(whole.len() > 12, "{name}: {whole:?}");
        let inside = |lines: &[String]| lines.contains(&"GET /hello.txt HTTP/1.1".to_owned());
        assert_eq!(inside(&lines), name.starts_with("tls"), "{name}: {lines:?}");
        for size in [1, 3, 100] {
            let (again, fields) = taken_apart(&resegmented(&payloads, size), Some(&keys));
            // Where every byte is a packet, neighbours of one name and value look like one field.
            let mut cut = above(&fields);
            let mut rest = whole.clone();
            cut.dedup();
            rest.dedup();
            assert_eq!(cut, rest, "{name} in pieces of {size}");
            let messages = |lines: &[String]| lines.iter().filter(|l| l.starts_with("TLS")).count();
            assert_eq!(
                messages(&again),
                messages(&lines),
                "{name} in pieces of {size}"
            );
        }
    }
}

#[test]
fn without_its_keys_tls_stays_sealed_and_says_so() {
    let file = fixture("tls13-aes128.pcapng");
    let (opened, _) = taken_apart(&file, None);
    assert!(
        opened.contains(&"GET /hello.txt HTTP/1.1".to_owned()),
        "{opened:?}"
    );
    let bare = resegmented(&payloads(&file), 1_400);
    let wrong = keys(&file).replace("_TRAFFIC_SECRET_0 ", "_TRAFFIC_SECRET_7 ");
    for keys in [None, Some(wrong.as_str())] {
        let (lines, fields) = taken_apart(&bare, keys);
        assert!(
            !lines.iter().any(|line| line.contains("HTTP/1.1 200")),
            "{lines:?}"
        );
        assert!(
            lines.iter().any(|line| line.ends_with("sealed")),
            "{lines:?}"
        );
        let sealed = fields
            .iter()
            .flatten()
            .find(|field| field.name == "protected content");
        let why = &sealed.unwrap().value;
        assert!(why.contains("no key"), "{why} {lines:?}");
    }
    let mut out = Vec::new();
    let nothing = har(&mut Reader::new(&bare[..]).unwrap(), &mut out);
    assert!(nothing.is_err());
    har(&mut Reader::new(&file[..]).unwrap(), &mut out).unwrap();
    let archive = String::from_utf8(out).unwrap();
    assert!(
        archive.contains("/hello.txt") && archive.contains("\"status\": 200"),
        "{archive}"
    );
}

#[test]
fn segment_that_waited_behind_a_hole_gets_its_fields_when_the_hole_is_filled() {
    let request = b"GET /late HTTP/1.1\r\nHost: fixture\r\n\r\n";
    let ends = (4_000, 80);
    let at = |seq: u32, bytes: &[u8]| ip4(6, &tcp(ends, (seq, 0), 0x10, &[], bytes));
    let file = build::pcap(&[
        ip4(6, &tcp(ends, (0, 0), 2, &[], b"")),
        at(21, &request[20..]),
        at(1, &request[..20]),
    ]);
    let (_, packets) = taken_apart(&file, None);
    let names = |packet: &[Field]| -> Vec<String> {
        let http = packet.iter().filter(|field| field.layer == "http");
        http.map(|field| field.name.to_string()).collect()
    };
    assert_eq!(names(&packets[1]), ["Host", "empty line"]);
    assert_eq!(names(&packets[2]), ["method", "target", "version"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is changed in a capture, every field lies in its packet and no byte has two owners.
    #[test]
    fn damage_of_any_kind_is_shown_as_far_as_it_goes(
        which in 0..3_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let name = ["tls13-aes256.pcapng", "tls12-aes128.pcapng", "chunked.pcap"][which];
        let file = fixture(name);
        let keys = keys(&file);
        let mut payloads = payloads(&file);
        for (index, byte) in changes {
            let place = index.index(payloads.len());
            let bytes = &mut payloads[place].1;
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let changed = resegmented(&payloads, 500);
        let (_, packets) = taken_apart(&changed, Some(&keys));
        for (fields, packet) in packets.iter().zip(Reader::new(&changed[..]).unwrap()) {
            let Record::Packet(packet) = packet.unwrap() else { continue };
            let mut sorted: Vec<_> = fields.iter().map(|field| field.range.clone()).collect();
            sorted.sort_by_key(|range| range.start);
            for pair in sorted.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start, "{:?}", fields);
            }
            prop_assert!(sorted.last().is_none_or(|last| last.end <= packet.bytes.len()));
        }
    }
}
