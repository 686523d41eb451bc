//! Grouping and relative numbers, on packets built by hand.

use bytes::Bytes;
use core::time::Duration;
use etherparse::PacketBuilder;
use outcrop_base::Direction;
use outcrop_capture::{Annotations, Link, Packet};

use super::*;

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 2];

fn packet(bytes: Vec<u8>, direction: Option<Direction>) -> Packet {
    Packet {
        at: Duration::ZERO,
        number: 1,
        id: None,
        direction,
        link: Link::Raw,
        original_len: 0,
        bytes: Bytes::from(bytes),
        notes: Annotations::default(),
        sentence: None,
    }
}

fn segment(to_server: bool, flags: &str, seq: u32, ack: u32, len: usize) -> Packet {
    let (src, dst, sport, dport) = match to_server {
        true => (CLIENT, SERVER, 41_000, 80),
        false => (SERVER, CLIENT, 80, 41_000),
    };
    let mut builder = PacketBuilder::ipv4(src, dst, 64).tcp(sport, dport, seq, 500);
    for flag in flags.bytes() {
        builder = match flag {
            b'S' => builder.syn().options_raw(&[3, 3, 7, 0]).unwrap(),
            b'R' => builder.rst(),
            _ => builder.ack(ack),
        };
    }
    let mut bytes = Vec::new();
    builder.write(&mut bytes, &vec![0; len]).unwrap();
    packet(bytes, None)
}

#[test]
fn foreign_capture_first_speaker_is_the_peer_and_replies_come_from_us() {
    let mut all = Conversations::new();
    let syn = all.packet(&segment(true, "S", 100, 0, 0));
    let answer = all.packet(&segment(false, "SA", 900, 101, 0));
    assert_eq!((syn.conversation, answer.conversation), (Some(0), Some(0)));
    assert!(syn.inbound && !answer.inbound);
    let conversation = all.get(0).unwrap();
    assert_eq!(conversation.peer.to_string(), "10.0.0.1:41000");
    assert_eq!(conversation.packets, 2);
    assert!(!conversation.ours_is_known);
}

#[test]
fn numbers_count_from_the_syn_and_windows_are_scaled() {
    let mut all = Conversations::new();
    all.packet(&segment(true, "S", u32::MAX, 0, 0));
    all.packet(&segment(false, "SA", 900, 0, 0));
    let data = all.packet(&segment(true, "A", 0, 901, 10)).tcp.unwrap();
    assert_eq!((data.seq, data.end, data.ack), (1, 11, Some(1)));
    assert_eq!(data.window, 500 << 7);
    assert!(!data.again);
    let again = all.packet(&segment(true, "A", 0, 901, 10)).tcp.unwrap();
    assert!(again.again);
    let old = all
        .packet(&segment(true, "A", u32::MAX - 5, 901, 3))
        .tcp
        .unwrap();
    assert_eq!((old.seq, old.end), (-5, -2));
}

#[test]
fn connection_caught_in_the_middle_begins_at_one() {
    let mut all = Conversations::new();
    let data = all
        .packet(&segment(true, "A", 5_000, 7_000, 10))
        .tcp
        .unwrap();
    assert_eq!((data.seq, data.ack), (1, Some(1)));
    let answer = all
        .packet(&segment(false, "A", 7_000, 5_010, 0))
        .tcp
        .unwrap();
    assert_eq!((answer.seq, answer.ack), (1, Some(11)));
}

#[test]
fn numbers_count_on_beyond_four_gigabytes() {
    let mut all = Conversations::new();
    all.packet(&segment(true, "S", 0, 0, 0));
    let mut last = 0;
    for step in 1..=5u32 {
        let seq = step.wrapping_mul(1 << 30);
        last = all.packet(&segment(true, "A", seq, 1, 10)).tcp.unwrap().seq;
    }
    assert_eq!(last, 5 << 30);
}

#[test]
fn icmp_error_joins_the_conversation_it_quotes() {
    let mut all = Conversations::new();
    let syn = segment(true, "S", 100, 0, 0);
    all.packet(&syn);
    let mut error = Vec::new();
    let mut quote = syn.bytes.to_vec();
    quote.truncate(28);
    PacketBuilder::ipv4([10, 9, 9, 9], CLIENT, 64)
        .icmpv4(etherparse::Icmpv4Type::TimeExceeded(
            etherparse::icmpv4::TimeExceededCode::TtlExceededInTransit,
        ))
        .write(&mut error, &quote)
        .unwrap();
    // Eight bytes of TCP are no header, but they are ports.
    assert_eq!(all.packet(&packet(error, None)).conversation, Some(0));
}

#[test]
fn events_and_packets_of_a_connection_meet() {
    let mut all = Conversations::new();
    let mut event = Event::default();
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    event.fields.push(field("NET_PROTO", "tcp"));
    event
        .fields
        .push(field("NET_CONN", "10.0.0.1:41000 10.0.0.2:80"));
    assert_eq!(all.event(&event), Some(0));
    assert_eq!(
        all.packet(&segment(true, "S", 1, 0, 0)).conversation,
        Some(0)
    );
    // The event said which end is ours.
    assert_eq!(all.get(0).unwrap().ours.to_string(), "10.0.0.1:41000");
}
