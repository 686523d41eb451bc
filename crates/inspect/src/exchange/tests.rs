//! Exchanges, from packets written by hand.

use core::time::Duration;
use std::io::IoSlice;

use outcrop_base::{Direction, Instant, InterfaceId, PacketId, PacketRecord, Recorder as _};
use outcrop_capture::{Config, Reader, Record, Writer};

use super::{Exchange, Exchanges, Message};
use crate::Conversations;

/// Who sends, when in milliseconds, the sequence number, flags, payload.
type Sent<'a> = (Direction, u64, u32, u8, &'a [u8]);

const SYN: u8 = 2;
const ACK: u8 = 16;
const FIN: u8 = 17;
use Direction::{In, Out};

fn segment(&(direction, _, seq, flags, payload): &Sent<'_>) -> Vec<u8> {
    let len = u16::try_from(40 + payload.len()).unwrap_or(u16::MAX);
    let mut bytes = vec![0x45, 0];
    bytes.extend(len.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 64, 6, 0, 0]);
    let (peer, ours) = ([10, 77, 0, 1], [10, 77, 0, 2]);
    let (ports, ends) = match direction {
        In => ([160, 0, 0, 80], [peer, ours]),
        Out => ([0, 80, 160, 0], [ours, peer]),
    };
    bytes.extend(ends.concat());
    bytes.extend(ports);
    bytes.extend(seq.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0x50, flags, 1, 0, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

fn exchanges(packets: &[Sent<'_>]) -> Vec<Exchange> {
    let packets: Vec<_> = packets
        .iter()
        .map(|packet| (packet.0, packet.1, segment(packet)))
        .collect();
    recorded(&packets)
}

/// Packets: which way, when in milliseconds, bytes.
fn recorded(packets: &[(Direction, u64, Vec<u8>)]) -> Vec<Exchange> {
    let mut writer = Writer::new(Vec::new(), Config::default()).expect("in memory");
    for (number, (direction, at, bytes)) in (1u64..).zip(packets) {
        writer.packet(&PacketRecord {
            at: Instant::from_millis(*at),
            id: PacketId(number),
            iface: InterfaceId(0),
            direction: *direction,
            bytes: &[IoSlice::new(bytes)],
            partial_checksum: None,
            gso_size: None,
            note: None,
            verdict: None,
            state: &(),
        });
    }
    let file = writer.into_inner().expect("in memory");
    let mut conversations = Conversations::new();
    let mut exchanges = Exchanges::new();
    for record in Reader::new(&file[..]).expect("ours") {
        if let Record::Packet(packet) = record.expect("ours") {
            let seen = conversations.packet(&packet);
            exchanges.packet(&packet, &seen);
        }
    }
    exchanges.finish();
    exchanges.list().to_vec()
}

fn answer(exchange: &Exchange) -> &Message {
    exchange.response.as_ref().expect("answered")
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let two = [GET, b"HEAD /b HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let answers = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let list = exchanges(&[(In, 10, 1, ACK, &two), (Out, 30, 1, ACK, answers)]);
    let lines: Vec<_> = list.iter().map(|e| &e.request.start_line[..]).collect();
    assert_eq!(lines, ["GET / HTTP/1.1", "HEAD /b HTTP/1.1"]);
    assert_eq!(answer(&list[0]).body_len, 5);
    // What answers HEAD has a length and no body (RFC 9112 6.3).
    assert_eq!(answer(&list[1]).body_len, 0);
    assert!(answer(&list[1]).complete);
    assert!(!list[0].ours_asked);
}

#[test]
fn bytes_behind_a_hole_are_held_until_it_is_filled() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n";
    let (first, second) = (u32::try_from(head.len()).unwrap() + 1, 10);
    let list = exchanges(&[
        (In, 0, 1, ACK, GET),
        (Out, 10, 1, ACK, head),
        (Out, 12, first + second, ACK, b"0123456789"),
        (Out, 52, first, ACK, b"abcdefghij"),
    ]);
    let answer = answer(&list[0]);
    let at = |ms| list[0].request.first + Duration::from_millis(ms);
    assert_eq!(answer.held, [(at(12), at(52))]);
    assert_eq!((answer.first, answer.last), (at(10), at(52)));
    assert_eq!(answer.last_packet, 3, "the last byte is the third packet's");
    assert!(answer.complete);
}

#[test]
fn chunks_count_without_their_framing_whatever_the_cuts() {
    let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n";
    for cut in 1..text.len() {
        let (a, b) = text.split_at(cut);
        let list = exchanges(&[
            (In, 0, 1, ACK, GET),
            (Out, 1, 1, ACK, a),
            (Out, 2, 1 + u32::try_from(cut).unwrap(), ACK, b),
        ]);
        let answer = answer(&list[0]);
        assert_eq!(
            (answer.body_len, answer.complete),
            (8, true),
            "cut at {cut}"
        );
    }
}

#[test]
fn without_a_length_the_end_of_the_connection_is_the_end_of_the_answer() {
    let list = exchanges(&[
        (In, 0, 0, SYN, b""),
        (Out, 1, 0, SYN | ACK, b""),
        (In, 5, 1, ACK, b""),
        (In, 6, 1, ACK, b"GET / HTTP/1.0\r\n\r\n"),
        (Out, 7, 1, ACK, b"HTTP/1.0 200 OK\r\n\r\nbody"),
        (Out, 9, 24, FIN, b"more"),
    ]);
    assert_eq!(answer(&list[0]).body_len, 8);
    assert!(answer(&list[0]).complete);
    let (syn, done) = list[0].connect.expect("seen from its start");
    assert_eq!(done - syn, Duration::from_millis(5));
}

#[test]
fn an_answer_that_never_ends_is_told_as_far_as_it_came() {
    let list = exchanges(&[
        (In, 0, 1, ACK, GET),
        (
            Out,
            1,
            1,
            ACK,
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc",
        ),
    ]);
    assert_eq!(
        (answer(&list[0]).body_len, answer(&list[0]).complete),
        (3, false)
    );
}

#[test]
fn interim_answers_are_passed_over_and_an_early_one_is_kept() {
    let post = b"POST / HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let rest = u32::try_from(post.len()).unwrap() + 1;
    let list = exchanges(&[
        (In, 0, 1, ACK, post),
        (Out, 1, 1, ACK, b"HTTP/1.1 100 Continue\r\n\r\n"),
        (
            Out,
            2,
            26,
            ACK,
            b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n",
        ),
        (In, 3, rest, ACK, b"data"),
    ]);
    assert_eq!(list.len(), 1);
    assert_eq!(answer(&list[0]).status(), Some(413));
    assert_eq!(list[0].request.body_len, 4);
}

#[test]
fn what_is_no_http_makes_no_exchange() {
    let list = exchanges(&[
        (In, 0, 1, ACK, b"\x16\x03\x01\x02\x00\x01\n\n"),
        (Out, 1, 1, ACK, b"220 mail ready\r\n\r\n"),
    ]);
    assert!(list.is_empty());
}

/// An acknowledgment of the peer with one selective block.
fn with_sack(ack: u32, left: u32, right: u32) -> Vec<u8> {
    let mut bytes = segment(&(In, 0, 28, ACK, b""));
    bytes[3] = 52;
    bytes[32] = 0x80;
    bytes[28..32].copy_from_slice(&ack.to_be_bytes());
    bytes.extend([1, 1, 5, 10]);
    bytes.extend(left.to_be_bytes());
    bytes.extend(right.to_be_bytes());
    bytes
}

#[test]
fn a_hole_at_the_peer_is_known_by_its_selective_acknowledgments() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n";
    let len = u32::try_from(head.len()).unwrap();
    let (body, end) = (len + 1, len + 3001);
    let packets = [
        (In, 0, segment(&(In, 0, 1, ACK, GET))),
        (Out, 10, segment(&(Out, 0, 1, ACK, head))),
        (Out, 11, segment(&(Out, 0, body, ACK, &[b'x'; 1500]))),
        (Out, 12, segment(&(Out, 0, body + 1500, ACK, &[b'x'; 1500]))),
        (In, 30, with_sack(body, body + 1500, end)),
        (Out, 50, segment(&(Out, 0, body, ACK, &[b'x'; 1500]))),
        (In, 70, {
            let mut bytes = segment(&(In, 0, 28, ACK, b""));
            bytes[28..32].copy_from_slice(&end.to_be_bytes());
            bytes
        }),
    ];
    let list = recorded(&packets);
    let at = |ms| list[0].request.first + Duration::from_millis(ms);
    assert_eq!(answer(&list[0]).held, [(at(30), at(70))]);
    assert!(list[0].request.held.is_empty());
}
