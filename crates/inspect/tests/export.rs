//! Formats of others, read back by what their own papers say, and checked against tshark's reading of the same file.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;

use outcrop_capture::{Config, Reader, Writer};
use outcrop_inspect::{Chosen, ExportError, choose, conversation_index, har, qlog, xplot};
use serde_json::Value;

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    fs::read(path.join(name)).unwrap()
}

fn reader(capture: &[u8]) -> Reader<&[u8]> {
    Reader::new(capture).unwrap()
}

#[test]
fn pipelined_exchanges_are_entries_of_an_archive() {
    let capture = fixture("pipeline.pcapng");
    let mut out = Vec::new();
    let count = har(&mut reader(&capture), &mut out).unwrap();
    let log: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(log["log"]["version"], "1.2");
    let entries = log["log"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), count);
    assert!(count >= 2, "the fixture pipelines two requests");
    for entry in entries {
        assert_eq!(entry["response"]["status"], 200);
        assert!(
            entry["request"]["url"]
                .as_str()
                .unwrap()
                .starts_with("http://")
        );
        // HAR 1.2: the total is the sum of the phases that apply.
        let timings = entry["timings"].as_object().unwrap();
        let sum: f64 = timings
            .values()
            .map(|value| value.as_f64().unwrap())
            .filter(|ms| *ms >= 0.0)
            .sum();
        assert!((entry["time"].as_f64().unwrap() - sum).abs() < 1e-6);
        let began = entry["startedDateTime"].as_str().unwrap();
        assert!(began.ends_with('Z') && began.contains('T'), "{began}");
    }
    // Only the first of a connection pays for the handshake.
    assert!(entries[0]["timings"]["connect"].as_f64().unwrap() > 0.0);
    assert_eq!(entries[1]["timings"]["connect"], -1.0);
}

#[test]
fn a_sequence_graph_has_a_mark_for_what_was_sent_again() {
    let capture = fixture("retransmission.pcapng");
    let chosen = choose(&mut reader(&capture), None).unwrap();
    assert!(!chosen.inbound, "the server sent more");
    let mut out = Vec::new();
    xplot(&mut reader(&capture), chosen, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("timeval unsigned\ntitle\n10.77.0.2:80 to "));
    assert!(text.ends_with("\ngo\n"));
    // The fixture's README: two losses, two repairs; tshark sees 1449 and 10137 twice.
    assert_eq!(text.matches("\nR\n").count(), 2);
    for seq in [1449, 10137] {
        let arrows = text
            .lines()
            .filter(|line| line.starts_with("darrow") && line.ends_with(&format!(" {seq}")));
        assert_eq!(arrows.count(), 2, "{seq}");
    }
    assert!(text.contains("\natext ") && text.contains("\nSYN\n") && text.contains("\nFIN\n"));
    assert!(text.contains("green\nline ") && text.contains("yellow\nline "));
}

#[test]
fn every_record_of_a_text_sequence_is_json_behind_a_separator() {
    let capture = fixture("retransmission.pcapng");
    let chosen = choose(&mut reader(&capture), None).unwrap();
    let mut out = Vec::new();
    let count = qlog(&mut reader(&capture), chosen, &mut out).unwrap();
    let texts: Vec<Value> = out
        .split(|byte| *byte == 0x1e)
        .skip(1)
        .map(|text| {
            assert_eq!(text.last(), Some(&b'\n'), "RFC 7464 2.2");
            serde_json::from_slice(text).unwrap()
        })
        .collect();
    assert_eq!(texts.len(), count + 1, "a header and the events");
    assert_eq!(texts[0]["qlog_format"], "JSON-SEQ");
    let named = |name: &str| texts.iter().filter(|text| text["name"] == name).count();
    // Seventeen packets: see the page's test.
    let (sent, received) = (
        named("transport:packet_sent"),
        named("transport:packet_received"),
    );
    assert_eq!(sent + received + named("transport:packet_dropped"), 17);
    assert_eq!(named("recovery:packet_lost"), 2);
    assert!(named("connectivity:connection_state_updated") >= 6);
    let mut times = texts
        .iter()
        .skip(1)
        .map(|text| text["time"].as_f64().unwrap());
    assert!(
        times
            .clone()
            .zip(times.by_ref().skip(1))
            .all(|(a, b)| a <= b)
    );
}

#[test]
fn a_connection_is_chosen_by_its_letter_or_refused() {
    for (letter, index) in [
        ("A", Some(0)),
        ("b", Some(1)),
        ("A1", Some(26)),
        ("?", None),
        ("A0", None),
        ("", None),
        ("é", None),
    ] {
        assert_eq!(conversation_index(letter), index, "{letter}");
    }
    let capture = fixture("retransmission.pcapng");
    let error = choose(&mut reader(&capture), Some(7)).unwrap_err();
    assert!(matches!(error, ExportError::Nothing("such TCP connection")));
    let nobody = Chosen {
        conversation: 7,
        inbound: true,
    };
    assert!(qlog(&mut reader(&capture), nobody, &mut Vec::new()).is_err());
    assert!(xplot(&mut reader(&capture), nobody, &mut Vec::new()).is_err());
}

#[test]
fn a_capture_without_http_is_no_archive() {
    let writer = Writer::new(Vec::new(), Config::default()).unwrap();
    let capture = writer.into_inner().unwrap();
    let error = har(&mut reader(&capture), &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "the capture holds no HTTP");
}
