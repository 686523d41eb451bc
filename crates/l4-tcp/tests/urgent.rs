//! The urgent mechanism (RFC 9293 3.8.5): supported because it must be, in line because it should be.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use bytes::Bytes;
use common::{Seg, Story, plain, seg};
use outcrop_base::ChunkQueue;
use outcrop_tcp::{ConnId, Event, Flags};

fn urgent(mut seg: Seg, pointer: u16) -> Seg {
    seg.header.urg = pointer;
    seg
}

fn write_urgent(story: &mut Story, id: ConnId, len: usize) {
    let mut data = ChunkQueue::from(Bytes::from(vec![b'u'; len]));
    assert_eq!(story.tcp.write_urgent(id, &mut data), Ok(len));
    story.check();
}

/// Pointer of what leaves now, one line per segment: (first, bytes, pointer).
fn pointers(story: &mut Story) -> Vec<(u32, usize, Option<u16>)> {
    let out = story.out();
    let pointer = |sent: &common::Sent| {
        let is_urgent = sent.flags.contains(Flags::URG);
        is_urgent.then_some(sent.raw.urg)
    };
    out.iter()
        .map(|sent| (sent.seq, sent.data.len(), pointer(sent)))
        .collect()
}

// MUST-32, MUST-33.
#[test]
fn urgent_pointer_arrives_program_is_told_and_learns_how_much_is_left() {
    let (mut story, id) = Story::established(plain());
    assert_eq!(story.tcp.urgent_left(id), 0);
    story.recv(urgent(seg("PU.").seq(1).ack(1).data(b"abcdef"), 4));
    assert_eq!(story.events(), [Event::Urgent(id), Event::Readable(id)]);
    assert_eq!(story.tcp.urgent_left(id), 4);
    assert_eq!(
        story.read_all(id),
        b"abcdef",
        "in line, nothing is taken out"
    );
    assert_eq!(story.tcp.urgent_left(id), 0);
}

// MUST-32: whenever it advances; MUST-31: of any length, announced before it arrives.
#[test]
fn urgent_pointer_advances_program_is_told_again_and_repeated_it_is_not() {
    let (mut story, id) = Story::established(plain());
    story.recv(urgent(seg("U.").seq(1).ack(1), 40_000));
    assert_eq!(story.events(), [Event::Urgent(id)]);
    assert_eq!(story.tcp.urgent_left(id), 40_000);
    story.recv(urgent(seg("PU.").seq(1).ack(1).zeros(1000), 40_000));
    assert_eq!(story.events(), [Event::Readable(id)]);
    story.recv(urgent(seg("PU.").seq(1001).ack(1).zeros(1000), 65_535));
    assert_eq!(story.events(), [Event::Urgent(id), Event::Readable(id)]);
    assert_eq!(story.tcp.urgent_left(id), 66_535);
    story.read_all(id);
    assert_eq!(story.tcp.urgent_left(id), 64_535);
}

// RFC 9293 3.8.5: a receiver should be robust to invalid pointers; 3.10.7.4 sixth: RCV.UP is a maximum.
#[test]
fn pointer_recedes_or_names_what_was_read_nothing_changes() {
    let (mut story, id) = Story::established(plain());
    story.recv(urgent(seg("PU.").seq(1).ack(1).zeros(100), 100));
    story.recv(urgent(seg("U.").seq(101).ack(1), 0));
    assert_eq!(story.events(), [Event::Urgent(id), Event::Readable(id)]);
    assert_eq!(story.tcp.urgent_left(id), 100);
    story.read_all(id);
    story.recv(urgent(seg("U.").seq(101).ack(1), 0));
    assert_eq!(story.events(), []);
    assert_eq!(story.tcp.urgent_left(id), 0);
}

#[test]
fn peer_promises_more_than_it_sends_nothing_is_left_after_its_fin() {
    let (mut story, id) = Story::established(plain());
    story.recv(urgent(seg("FPU.").seq(1).ack(1).zeros(10), 500));
    assert_eq!(story.tcp.urgent_left(id), 10);
    story.read_all(id);
    assert_eq!(story.tcp.urgent_left(id), 0);
}

// RFC 9293 3.10.7.4 first: a closed window still lets valid ACKs, URGs and RSTs through.
#[test]
fn window_closed_urgent_pointer_still_gets_through() {
    let settings = outcrop_tcp::Settings {
        receive_buffer: 1_000,
        receive_buffer_max: None,
        ..plain()
    };
    let (mut story, id) = Story::established(settings);
    story.recv(seg("P.").seq(1).ack(1).zeros(1_000));
    assert_eq!(story.out()[0].wnd, 0);
    story.events();
    story.recv(urgent(seg("U.").seq(1001).ack(1), 1));
    assert_eq!(story.events(), [Event::Urgent(id)]);
    assert_eq!(story.tcp.urgent_left(id), 1_001);
}

// MUST-62: the pointer names the octet after the urgent data, in every segment that begins before it.
#[test]
fn urgent_bytes_written_every_segment_before_their_end_points_behind_them() {
    let (mut story, id) = Story::established(plain());
    story.write(id, 500);
    write_urgent(&mut story, id, 1_500);
    story.write(id, 1_000);
    let first = [
        (1, 1_000, Some(2_000)),
        (1_001, 1_000, Some(1_000)),
        (2_001, 1_000, None),
    ];
    assert_eq!(pointers(&mut story), first);
}

#[test]
fn urgent_segment_is_lost_its_repetition_is_urgent_as_well() {
    let (mut story, id) = Story::established(plain());
    write_urgent(&mut story, id, 10);
    assert_eq!(pointers(&mut story), [(1, 10, Some(10))]);
    let (_, again) = story.wait_output(10_000).unwrap();
    assert_eq!((again.seq, again.raw.urg), (1, 10));
    assert!(again.flags.contains(Flags::URG));
}

// MUST-31: more than the field can say is said by the segments that follow.
#[test]
fn urgent_data_longer_than_the_field_pointer_stands_at_its_limit() {
    let (mut story, id) = Story::established(plain());
    write_urgent(&mut story, id, 70_000);
    let out = pointers(&mut story);
    assert_eq!(out[0], (1, 1_000, Some(65_535)));
    assert_eq!(out[4], (4_001, 1_000, Some(65_535)));
    assert_eq!(out[5], (5_001, 1_000, Some(65_000)));
}

// The user is to be stimulated: the announcement does not wait for the window.
#[test]
fn peer_window_is_closed_urgency_is_announced_without_data() {
    let (mut story, id) = Story::established(plain());
    story.recv(seg(".").seq(1).ack(1).wnd(0));
    story.out();
    write_urgent(&mut story, id, 10);
    assert_eq!(pointers(&mut story), [(1, 0, Some(10))]);
}

#[test]
fn written_before_the_handshake_urgent_bytes_stay_urgent() {
    let mut story = Story::new(plain());
    let id = story.connect();
    write_urgent(&mut story, id, 10);
    story.out();
    story.recv(seg("S.").ack(1).mss(1000));
    let out = pointers(&mut story);
    assert_eq!(out.last(), Some(&(1, 10, Some(10))));
}

#[test]
fn urgent_data_outstanding_nagle_holds_nothing_back() {
    let (mut story, id) = Story::established(plain());
    let mut data = ChunkQueue::new();
    data.push(Bytes::from_static(b"!"));
    story.tcp.write_urgent(id, &mut data).unwrap();
    assert_eq!(story.out().len(), 1);
    story.write(id, 10);
    assert_eq!(
        story.out().len(),
        1,
        "it does not wait for the acknowledgment"
    );
}
