//! The peer's window and ours, where they are large, small, or change their mind: RFC 9293 3.1, 3.8.6.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Story, plain, seg};
use outcrop_tcp::{Event, Settings, State};

const HOUR: u64 = 3600 * 1000;

// MUST-1: the sign bit of the field is a bit like any other.
#[test]
fn window_above_half_of_the_field_is_large_not_negative() {
    let (mut story, id) = Story::established(plain());
    story.recv(seg(".").seq(1).ack(1).wnd(40_000));
    assert_eq!(story.tcp.info(id).unwrap().snd_wnd, 40_000);
    story.write(id, 10_000);
    assert_eq!(story.out().len(), 10, "the initial window, not the peer's");
}

// REC-1: RFC 7323 2.3 lets a window have 30 bits.
#[test]
fn window_of_thirty_bits_both_ways_nothing_of_it_is_lost() {
    let settings = Settings {
        window_scale: true,
        receive_buffer: 1 << 28,
        ..plain()
    };
    let (mut story, id) = Story::established_by(settings, seg("S").mss(1000).wscale(14));
    story.recv(seg("P.").seq(1).ack(1).wnd(65_535).data(b"x"));
    let info = story.tcp.info(id).unwrap();
    assert_eq!(info.snd_wnd, 65_535 << 14);
    let (_, ack) = story.wait_output(1_000).unwrap();
    let offered = u64::from(ack.wnd) << info.negotiated.unwrap().rcv_shift;
    assert!(offered >= (1 << 28) - (1 << 13), "{offered}");
    assert!(story.tcp.info(id).unwrap().rcv_wnd >= (1 << 28) - (1 << 13));
}

/// Three segments under way, then the peer takes its window back to one and a half.
fn shrunk() -> (Story, outcrop_tcp::ConnId) {
    let (mut story, id) = Story::established(plain());
    story.recv(seg(".").seq(1).ack(1).wnd(3_000));
    story.write(id, 6_000);
    assert_eq!(story.out().len(), 3);
    story.recv(seg(".").seq(1).ack(1).wnd(1_500));
    (story, id)
}

// MUST-34, SHLD-15, SHLD-16, MAY-7.
#[test]
fn window_shrinks_below_what_is_under_way_it_is_repeated_and_nothing_new_is_sent() {
    let (mut story, _) = shrunk();
    story.expect(&[]);
    let mut repeated = Vec::new();
    for _ in 0..3 {
        let (_, sent) = story.wait_output(60_000).unwrap();
        repeated.push((sent.seq, sent.data.len()));
    }
    assert!(
        repeated.iter().all(|(seq, len)| seq + *len as u32 <= 3_001),
        "{repeated:?}"
    );
    assert_eq!(repeated[0], (1, 1_000), "SND.UNA first");
    // The peer takes the first, and what it holds ends where its window did.
    story.recv(seg(".").seq(1).ack(1001).wnd(500));
    for sent in story.out() {
        assert!(
            sent.seq + sent.data.len() as u32 <= 3_001,
            "{}",
            sent.line()
        );
    }
    story.recv(seg(".").seq(1).ack(3001).wnd(3_000));
    let fresh: Vec<_> = story.out().iter().map(|sent| sent.seq).collect();
    assert_eq!(
        fresh.first(),
        Some(&3_001),
        "when it opens, the rest leaves"
    );
}

// MUST-35, SHLD-17, MUST-37: taken back to nothing with data beyond, for longer than R2 while the peer answers.
#[test]
fn window_shrinks_to_nothing_while_the_peer_answers_there_is_no_end() {
    let (mut story, id) = Story::established(plain());
    story.recv(seg(".").seq(1).ack(1).wnd(3_000));
    story.write(id, 6_000);
    story.out();
    story.recv(seg(".").seq(1).ack(1001).wnd(0));
    let mut asked = 0;
    while let Some((at, sent)) = story.wait_output(3 * HOUR) {
        assert!(sent.why.name() != "reset-timed-out", "at {at} ms");
        asked += 1;
        story.recv(seg(".").seq(1).ack(1001).wnd(0));
    }
    assert!(asked > 60, "{asked} questions in three hours");
    story.expect_state(State::Established);
    story.recv(seg(".").seq(1).ack(1001).wnd(65_535));
    let (_, sent) = story.wait_output(4 * HOUR).unwrap();
    assert_eq!(sent.seq, 1_001, "and goes on where it was");
}

// MAY-8: a program that does not read keeps the peer waiting, however often it asks.
#[test]
fn program_does_not_read_for_hours_every_probe_is_answered_and_nothing_ends() {
    let settings = Settings {
        receive_buffer: 2_000,
        ..plain()
    };
    let (mut story, id) = Story::established(settings);
    story.recv(seg("P.").seq(1).ack(1).zeros(2_000));
    assert_eq!(story.out()[0].wnd, 0);
    assert_eq!(story.events(), [Event::Readable(id)]);
    for minute in 1..=300u64 {
        story.at(minute * 60_000);
        story.recv(seg(".").seq(2_001).ack(1).data(b"?"));
        let answer = story.out();
        assert_eq!(
            (answer.len(), answer[0].ack, answer[0].wnd),
            (1, Some(2_001), 0)
        );
    }
    story.expect_state(State::Established);
    assert_eq!(story.read_all(id).len(), 2_000);
    assert_eq!(story.out()[0].wnd, 2_000);
}
