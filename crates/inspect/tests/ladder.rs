//! What the ladder shows, on a made-up connection and on rubbish.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod build;
mod story;

use outcrop_base::{Cause, Fact, FactKind, Flow, Instant, Recorder, Transport};
use outcrop_capture::{Config, Reader, Writer};
use outcrop_inspect::{Ladder, LadderOptions, Paint, PrintOptions, ladder, print, start_lines};
use proptest::prelude::*;

fn drawn(file: &[u8], options: LadderOptions) -> String {
    let mut out = Vec::new();
    ladder(&mut Reader::new(file).unwrap(), options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn story_lines() -> Vec<String> {
    let text = drawn(&story::told(), LadderOptions::default());
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn line_with<'a>(lines: &'a [String], text: &str) -> &'a str {
    let found = lines.iter().find(|line| line.contains(text));
    found.unwrap_or_else(|| panic!("no line with {text:?} in:\n{}", lines.join("\n")))
}

/// The handshake as it must look, to the column.
const HANDSHAKE: &str =
    " A tcp             10.77.0.1:41000                   10.77.0.2:80 this stack
                   ┬                                            ┬
 0.000000    #1 A  │ SYN win 64240 mss 1460 ws 7 ──────────────▶│ LISTEN
                A  │                                            ◆ LISTEN → SYN-RECEIVED ← #1
 0.000042    #2 A  │◀──── SYN ACK ack 1 win 64240 mss 1460 ws 7 │ syn-ack  ← #1  cwnd 14600
 0.000252    #3 A  │ ACK ack 1 win 64256 ──────────────────────▶│
                A  │                                            ◆ SYN-RECEIVED → ESTABLISHED ← #3
";

#[test]
fn handshake_is_drawn_to_the_column() {
    let text = drawn(&story::told(), LadderOptions::default());
    assert!(text.starts_with(HANDSHAKE), "{text}");
}

#[test]
fn pipelined_requests_stand_under_their_packet() {
    let lines = story_lines();
    let at = lines.iter().position(|l| l.contains("#4 A")).unwrap();
    assert!(lines[at + 1].contains("GET / HTTP/1.1"));
    assert!(lines[at + 2].contains("GET /style.css HTTP/1.1"));
}

#[test]
fn silence_and_retransmission_are_told_with_their_cause() {
    let lines = story_lines();
    line_with(&lines, "203 ms later");
    line_with(&lines, "◷ retransmit timer ran out");
    let resent = line_with(&lines, "#7 A");
    assert!(
        resent.contains("◀") && resent.contains("1:1461"),
        "{resent}"
    );
    assert!(
        resent.ends_with("rto  ← timer:retransmit  cwnd 1460"),
        "{resent}"
    );
    line_with(&lines, "The retransmission timer ran out: the");
}

#[test]
fn dropped_packet_ends_in_an_x_with_its_reason() {
    let lines = story_lines();
    let dropped = line_with(&lines, "#9 A");
    assert!(dropped.contains("─✕│ ✕ tcp:out-of-window"), "{dropped}");
    assert!(
        dropped.contains("-100:-97"),
        "older than the connection: {dropped}"
    );
    let answer = line_with(&lines, "#10 A");
    assert!(answer.ends_with("dup-ack  ← #9"), "{answer}");
}

#[test]
fn closing_line_counts() {
    let lines = story_lines();
    let last = lines.last().unwrap();
    assert_eq!(
        last,
        "13 packets and 10 events in 1 conversation, 1.454515 s, 1 sent again, 1 dropped"
    );
}

#[test]
fn terse_ladder_has_no_sentences_and_color_changes_no_text() {
    let file = story::told();
    let terse = LadderOptions {
        terse: true,
        ..LadderOptions::default()
    };
    assert!(!drawn(&file, terse).contains("Dropped:"));
    let paint = Paint::Color;
    let colored = drawn(
        &file,
        LadderOptions {
            paint,
            ..LadderOptions::default()
        },
    );
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    let trimmed: Vec<_> = plain.lines().map(str::trim_end).collect();
    assert_eq!(
        trimmed,
        story_lines().iter().map(String::as_str).collect::<Vec<_>>()
    );
}

#[test]
fn listener_has_no_lifelines() {
    let flow = Flow {
        transport: Transport::Tcp,
        local: "[::]:80".parse().unwrap(),
        remote: "[::]:0".parse().unwrap(),
    };
    let kind = FactKind::State {
        from: "CLOSED",
        to: "LISTEN",
    };
    let mut writer = Writer::new(Vec::new(), Config::default()).unwrap();
    writer.fact(Instant::ZERO, &Fact::new(Some(flow), kind, Cause::None));
    let text = drawn(&writer.into_inner().unwrap(), LadderOptions::default());
    assert!(
        text.starts_with(" 0.000000          ◆ CLOSED → LISTEN on [::]:80\n"),
        "{text}"
    );
}

#[test]
fn empty_capture_is_said_to_be_empty() {
    let file = build::pcap(&[]);
    assert_eq!(
        drawn(&file, LadderOptions::default()),
        "nothing was captured\n"
    );
}

#[test]
fn print_appends_what_the_stack_knew() {
    let mut out = Vec::new();
    let file = story::told();
    print(
        &mut Reader::new(&file[..]).unwrap(),
        PrintOptions::default(),
        &mut out,
    )
    .unwrap();
    let text = String::from_utf8(out).unwrap();
    let resent = text.lines().find(|l| l.contains("#7 out")).unwrap();
    assert!(
        resent.contains(" | #7 out ESTABLISHED cwnd 1460 (cwnd-limited) rto <- timer:retransmit at crates/inspect/"),
        "{resent}"
    );
    assert!(
        text.contains("-- inspect: LISTEN -> SYN-RECEIVED <- #1"),
        "{text}"
    );
    assert!(text.contains("dropped tcp:out-of-window by tcp:segment-text"));
}

#[test]
fn start_lines_are_offered_to_others_too() {
    assert_eq!(start_lines(b"HTTP/1.0 204 No Content\r\n\r\n").count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Rubbish is drawn and printed: no panic, no line over a hundred columns, no control character.
    #[test]
    fn any_bytes_are_drawn_within_a_hundred_columns(
        packets in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..90),
            (any::<u8>(), prop::collection::vec(any::<u8>(), 0..90)).prop_map(|(p, b)| build::ip4(p % 60, &b)),
            (any::<u8>(), prop::collection::vec(any::<u8>(), 0..90)).prop_map(|(p, b)| build::ip6(p % 62, &b)),
            prop::collection::vec(any::<u8>(), 0..60).prop_map(|b| build::ip4(6, &build::tcp((1, 80), (7, 9), 0x18, &[], &b))),
        ], 1..8),
    ) {
        let file = build::pcap(&packets);
        let text = drawn(&file, LadderOptions::default());
        for line in text.lines() {
            prop_assert!(line.chars().count() <= 100, "{}", line);
            prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
        }
        let mut out = Vec::new();
        print(&mut Reader::new(&file[..]).unwrap(), PrintOptions::default(), &mut out).unwrap();
        prop_assert!(out.iter().all(|b| *b >= 0x20 || matches!(b, b'\n' | b'\t')));
    }
}

#[test]
fn ladder_can_be_fed_record_by_record() {
    let file = story::told();
    let mut ladder = Ladder::new(LadderOptions::default());
    let mut text = String::new();
    for record in Reader::new(&file[..]).unwrap() {
        ladder.record(&record.unwrap(), &mut text);
    }
    ladder.finish(&mut text);
    assert_eq!(text, drawn(&file, LadderOptions::default()));
}
