//! What the writer writes, the reader reads.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use std::io::{self, Cursor, IoSlice, Write};

use common::{RULE, config, play, record, tcp4};
use core::time::Duration;
use outcrop_base::{
    CallKind, Cause, Checksum, Direction, DropReason, Instant, InterfaceId, Level, Limit, PacketId,
    PacketRecord, Recorder, TimerKind, Verdict, Why,
};
use outcrop_capture::{
    Config, Event, Packet, ReadError, Reader, Record, WriteError, Writer, export_pcap,
};

fn written(config: Config) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), config).unwrap();
    play(&mut writer);
    writer.into_inner().unwrap()
}

fn read(file: &[u8]) -> (Vec<Packet>, Vec<Event>) {
    let (mut packets, mut events) = (Vec::new(), Vec::new());
    for record in Reader::new(file).unwrap() {
        match record.unwrap() {
            Record::Packet(packet) => packets.push(packet),
            Record::Event(event) => events.push(event),
            Record::Secrets(_) => {}
        }
    }
    (packets, events)
}

#[test]
fn full_level_keeps_state_reason_and_sentence_of_every_packet() {
    let (packets, _) = read(&written(config()));
    let ids: Vec<_> = packets.iter().map(|p| p.id).collect();
    assert_eq!(
        ids,
        (1..=5).map(|id| Some(PacketId(id))).collect::<Vec<_>>()
    );
    assert_eq!(packets[0].direction, Some(Direction::In));
    assert_eq!(packets[0].notes.get("rule"), Some("tcp:window"));
    assert_eq!(packets[0].sentence, None);

    let resent = &packets[2];
    assert_eq!(resent.direction, Some(Direction::Out));
    assert_eq!(resent.notes.get("state"), Some("ESTABLISHED"));
    assert_eq!(resent.notes.number("cwnd"), Some(14_600));
    assert_eq!(resent.notes.get("srtt_ms"), Some("58.100"));
    assert_eq!(resent.notes.number("gso"), Some(1_460));
    assert_eq!(resent.why(), Some(Why::Rto));
    assert_eq!(resent.notes.lim(), Some(Limit::Cwnd));
    assert_eq!(resent.cause(), Cause::Timer(TimerKind::Retransmit));
    assert_eq!(resent.at, Duration::new(1_700_000_000, 30_000_000));
    assert!(resent.sentence.as_ref().unwrap().contains("timer ran out"));

    let stray = &packets[3];
    assert_eq!(stray.notes.drop_reason(), Some(DropReason::TcpOutOfWindow));
    let sentence = stray.sentence.as_ref().unwrap();
    assert!(sentence.starts_with("Dropped: ") && sentence.contains("RFC 9293 3.10.7.4"));
    assert_eq!(packets[4].cause(), Cause::Call(CallKind::Abort));
}

#[test]
fn source_lines_are_relative_to_the_repository() {
    let (packets, events) = read(&written(config()));
    let src = packets[1].notes.get("src").unwrap();
    assert!(
        src.starts_with("crates/capture/tests/common/mod.rs:"),
        "{src}"
    );
    let file = events[0].get("CODE_FILE").unwrap();
    assert_eq!(file, "crates/capture/tests/common/mod.rs");
}

#[test]
fn facts_become_entries_at_their_exact_time() {
    let (_, events) = read(&written(config()));
    let told: Vec<_> = events.iter().map(Event::message).collect();
    assert_eq!(
        told,
        [
            "LISTEN -> SYN-RECEIVED",
            "retransmit timer ran out",
            "program: abort"
        ]
    );
    let first = &events[0];
    assert_eq!(first.at, Duration::new(1_700_000_000, 10_000_000));
    assert_eq!(first.get("NET_EVENT"), Some("state"));
    assert_eq!(first.get("NET_CONN"), Some("10.77.0.2:80 10.77.0.1:41000"));
    assert_eq!(first.get("NET_STATE"), Some("SYN-RECEIVED"));
    assert_eq!(first.get("NET_CAUSE"), Some("pkt:1"));
    assert_eq!(first.get("SYSLOG_IDENTIFIER"), Some("capture"));
}

#[test]
fn partial_checksum_is_completed_in_the_copy() {
    let (packets, _) = read(&written(config()));
    let syn_ack = &packets[1].bytes;
    let mut sum = Checksum::pseudo_header(
        common::SERVER.into(),
        common::CLIENT.into(),
        6,
        u32::try_from(syn_ack.len() - 20).unwrap(),
    );
    sum.add(&syn_ack[20..]);
    assert_eq!(sum.finish(), 0);
}

#[test]
fn section_tells_the_run_and_its_clock() {
    let file = written(config());
    let reader = Reader::new(&file[..]).unwrap();
    assert!(reader.is_ours());
    assert_eq!(reader.section().get("seed"), Some("42"));
    assert_eq!(
        reader.section().get("scenario"),
        Some("handshake, data, reset")
    );
    let at = Duration::new(1_700_000_000, 30_000_000);
    assert_eq!(reader.section().instant(at), Some(Instant::from_millis(30)));
}

#[test]
fn events_level_comments_only_what_is_notable() {
    let level = Level::Events;
    let (packets, events) = read(&written(Config { level, ..config() }));
    assert_eq!(events.len(), 3);
    let commented: Vec<_> = packets.iter().map(|p| !p.notes.is_empty()).collect();
    assert_eq!(commented, [false, false, true, true, true]);
    assert_eq!(packets[2].notes.get("cwnd"), None);
    assert_eq!(packets[2].why(), Some(Why::Rto));
}

#[test]
fn level_off_writes_an_empty_but_valid_file() {
    let level = Level::Off;
    let (packets, events) = read(&written(Config { level, ..config() }));
    assert!(packets.is_empty() && events.is_empty());
}

#[test]
fn tap_on_one_interface_ignores_the_others() {
    let tap = Some(InterfaceId(1));
    let mut writer = Writer::new(Vec::new(), Config { tap, ..config() }).unwrap();
    play(&mut writer);
    assert_eq!(writer.packets(), 0);
}

#[test]
fn same_run_written_twice_gives_the_same_bytes() {
    assert_eq!(written(config()), written(config()));
}

#[test]
fn every_drop_reason_has_a_sentence_of_its_own() {
    let mut writer = Writer::new(Vec::new(), config()).unwrap();
    let bytes = tcp4(false, 1, 0x10, b"", false);
    for reason in DropReason::ALL {
        writer.packet(&PacketRecord {
            verdict: Some(Verdict::dropped(*reason, RULE)),
            ..record(1, Direction::In, &[IoSlice::new(&bytes)])
        });
    }
    let (packets, _) = read(&writer.into_inner().unwrap());
    let mut sentences: Vec<_> = packets.iter().map(|p| p.sentence.clone()).collect();
    let reasons: Vec<_> = packets
        .iter()
        .filter_map(|p| p.notes.drop_reason())
        .collect();
    assert_eq!(reasons, DropReason::ALL);
    sentences.sort();
    sentences.dedup();
    assert!(sentences.len() + 2 >= reasons.len(), "too many alike");
}

/// A disk that fills up.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn full_disk_is_reported_once_at_the_end() {
    let mut writer = Writer::new(Full(700), config()).unwrap();
    play(&mut writer);
    assert!(matches!(writer.error(), Some(WriteError::Io(_))));
    let error = writer.finish().unwrap_err().to_string();
    assert!(error.starts_with("cannot write the capture: "), "{error}");
    writer.finish().unwrap();
}

#[test]
fn secrets_end_up_before_the_first_packet() {
    let sink = Cursor::new(Vec::new());
    let mut writer = Writer::with_room_for_secrets(sink, config()).unwrap();
    play(&mut writer);
    writer.secret("CLIENT_RANDOM 00 11");
    let file = writer.into_inner().unwrap().into_inner();
    let secret = file
        .windows(13)
        .position(|w| w == b"CLIENT_RANDOM")
        .unwrap();
    let packet = file.windows(8).position(|w| w == b"state=ES").unwrap();
    assert!(secret < packet);
    assert_eq!(read(&file).0.len(), 5);
}

#[test]
fn more_secrets_than_room_follow_in_place_and_nothing_is_damaged() {
    // Around the edge of the reserved space, to the byte.
    for width in 900..1_100 {
        let sink = Cursor::new(Vec::new());
        let mut writer = Writer::with_room_for_secrets(sink, config()).unwrap();
        let line = "x".repeat(width);
        for _ in 0..5 {
            writer.secret(&line);
        }
        play(&mut writer);
        let file = writer.into_inner().unwrap().into_inner();
        let count = file
            .windows(line.len())
            .filter(|w| *w == line.as_bytes())
            .count();
        assert_eq!(count, 5);
        assert_eq!(read(&file).0.len(), 5);
    }
}

#[test]
fn writer_that_is_dropped_still_ends_its_file() {
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, config()).unwrap();
    play(&mut writer);
    drop(writer);
    assert_eq!(file, written(config()));
}

#[test]
fn export_to_pcap_keeps_packets_and_times() {
    let file = written(config());
    let mut pcap = Vec::new();
    let count = export_pcap(&mut Reader::new(&file[..]).unwrap(), &mut pcap).unwrap();
    assert_eq!(count, 5);
    let (packets, _) = read(&file);
    let (exported, _) = read(&pcap);
    for (packet, exported) in packets.iter().zip(&exported) {
        assert_eq!((packet.at, &packet.bytes), (exported.at, &exported.bytes));
        assert_eq!(exported.direction, None);
    }
}

#[test]
fn cut_file_gives_its_good_part_and_says_where_it_ends() {
    let file = written(config());
    let cut = &file[..file.len() - 150];
    let records: Vec<_> = Reader::new(cut).unwrap().collect();
    let (last, good) = records.split_last().unwrap();
    assert!(good.iter().all(Result::is_ok) && good.len() >= 6);
    match last.as_ref().unwrap_err() {
        ReadError::Truncated { offset } => assert!(*offset > 500),
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_no_capture_is_said_to_be_none() {
    for (bytes, says) in [
        (&b""[..], "empty"),
        (b"#!/bin/sh\n", "not a capture"),
        (&[0x1f, 0x8b, 8, 0], "unpack"),
        (&[0x0a, 0x0d, 0x0d, 0x0a, 1, 2], "cut short"),
        (
            &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 9, 9, 9, 9],
            "damaged",
        ),
    ] {
        let error = Reader::new(bytes).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn unknown_link_type_is_an_error_with_its_number() {
    let mut pcap = Vec::new();
    pcap.extend(0xa1b2_c3d4u32.to_le_bytes());
    pcap.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0]);
    pcap.extend(127u32.to_le_bytes());
    pcap.extend([1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0x45]);
    let mut reader = Reader::new(&pcap[..]).unwrap();
    let error = reader.next().unwrap().unwrap_err().to_string();
    assert!(error.starts_with("link type 127 at byte 24"), "{error}");
    assert!(reader.next().is_none());
}
