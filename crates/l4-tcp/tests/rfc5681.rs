//! RFC 5681, congestion control, on a whole connection: a segment is 1000 bytes, the controller NewReno.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::time::Duration;

use common::{Seg, Story, plain, seg};
use outcrop_tcp::{Algorithm, ConnId, SackBlock, Settings};

fn newreno(sack: bool) -> Settings {
    Settings {
        congestion: Algorithm::NewReno,
        sack,
        ..plain()
    }
}

/// Established after a round trip of 50 ms, with this much written and what may leave sent; returns how many segments
/// that were.
fn sending(settings: Settings, bytes: usize) -> (Story, ConnId, usize) {
    let mut story = Story::new(settings);
    let listener = story.listen();
    story.recv(seg("S").mss(1000).sackok());
    story.out();
    story.at(50);
    story.recv(seg(".").seq(1).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    story.write(id, bytes);
    let sent = story.out().len();
    (story, id, sent)
}

/// A duplicate that reports these bytes of ours.
fn reporting(story: &Story, ack: u32, left: u32, right: u32) -> Seg {
    let mut segment = seg(".").seq(1).ack(ack);
    segment.header.options.sack.push(SackBlock {
        left: story.iss + left,
        right: story.iss + right,
    });
    segment
}

// 3.1 with RFC 6928 2: ten segments; a SYN lost once is forgiven, twice leaves one segment.
#[test]
fn syn_lost_twice_only_one_segment_leaves_at_first() {
    for (lost, segments) in [(0, 10), (1, 10), (2, 1), (3, 1)] {
        let mut story = Story::new(newreno(false));
        let id = story.connect();
        story.out();
        for _ in 0..lost {
            story.wait_output(100_000).unwrap();
        }
        story.recv(seg("S.").ack(1).mss(1000));
        story.out();
        story.write(id, 30_000);
        assert_eq!(story.out().len(), segments, "{lost} lost");
        assert_eq!(story.tcp.info(id).unwrap().ssthresh, u64::MAX);
    }
}

// 3.1: never beyond the smaller of cwnd and the peer's window.
#[test]
fn nothing_leaves_beyond_the_smaller_of_both_windows() {
    for (wnd, segments) in [(3_000, 3), (9_999, 9), (10_000, 10), (60_000, 10)] {
        let (mut story, id) = Story::established_by(newreno(false), seg("S").mss(1000).wnd(wnd));
        story.recv(seg(".").seq(1).ack(1).wnd(wnd));
        story.write(id, 50_000);
        let out = story.out();
        let full = out.iter().filter(|s| s.data.len() == 1000).count();
        assert_eq!(full, segments, "window {wnd}");
        let end = out.iter().map(|s| s.seq - 1 + s.data.len() as u32).max();
        assert!(end.unwrap() <= u32::from(wnd).min(10_000));
    }
}

// 3.1: from one segment doubling up to ssthresh = 5, then one segment more each round trip. With nothing new to send
// at first, RFC 5682 has no doubt about the timeout.
#[test]
fn after_a_timeout_slow_start_up_to_the_threshold_then_one_segment_a_round_trip() {
    let (mut story, id, sent) = sending(newreno(false), 10_000);
    assert_eq!(sent, 10);
    let (at, again) = story.wait_output(60_000).unwrap();
    assert_eq!((again.seq, again.data.len()), (1, 1000));
    let info = story.tcp.info(id).unwrap();
    assert_eq!((info.cwnd, info.ssthresh), (1_000, 5_000));
    let mut acked = 1;
    let mut windows = Vec::new();
    for round in 1..9 {
        story.at(at + 100 * round);
        // All ten were lost: what is repaired or new is acknowledged one by one.
        let under_way = story.tcp.info(id).unwrap().in_flight / 1000;
        for _ in 0..under_way {
            acked += 1000;
            story.recv(seg(".").seq(1).ack(acked));
            story.out();
        }
        windows.push(story.tcp.info(id).unwrap().cwnd / 1000);
        if round == 1 {
            story.write(id, 90_000);
        }
    }
    assert_eq!(windows, [2, 4, 5, 6, 7, 8, 9, 10]);
}

// 3.2 step 2, RFC 6675 5 (4.2): ten were outstanding; the two that limited transmit let out do not count.
#[test]
fn limited_transmit_does_not_count_where_the_loss_is_weighed() {
    for sack in [false, true] {
        let (mut story, id, sent) = sending(newreno(sack), 100_000);
        assert_eq!(sent, 10);
        story.at(100);
        let mut extra = 0;
        for n in 1..=2 {
            let report = reporting(&story, 1, 1001, 1001 + 1000 * n);
            story.recv(report);
            let out = story.out();
            assert!(out.iter().all(|s| s.why.name() == "data"), "sack {sack}");
            extra += out.len();
        }
        assert_eq!(extra, 2, "one for each duplicate, sack {sack}");
        let report = reporting(&story, 1, 1001, 4001);
        story.recv(report);
        let out = story.out();
        assert_eq!((out[0].why.name(), out[0].seq), ("fast-retransmit", 1));
        assert_eq!(story.tcp.info(id).unwrap().ssthresh, 5_000, "sack {sack}");
    }
}

// RFC 3042 2, 5681 3.2 step 1: only if the peer's window takes it, and only if there is new data.
#[test]
fn limited_transmit_keeps_to_the_peers_window() {
    let (mut story, id) = Story::established_by(newreno(false), seg("S").mss(1000).wnd(10_000));
    story.recv(seg(".").seq(1).ack(1).wnd(10_000));
    story.write(id, 50_000);
    assert_eq!(story.out().len(), 10);
    story.recv(seg(".").seq(1).ack(1).wnd(10_000)).expect(&[]);
    story.recv(seg(".").seq(1).ack(1).wnd(10_000)).expect(&[]);
}

// 3.2 step 1: with SACK, a duplicate that reports nothing new lets nothing out.
#[test]
fn duplicate_without_a_new_report_lets_nothing_out() {
    let (mut story, _, _) = sending(newreno(true), 100_000);
    story.at(100);
    let report = reporting(&story, 1, 1001, 2001);
    story.recv(report.clone());
    story.expect(&[". 10001:11001(1000) ack 1 data"]);
    for _ in 0..5 {
        story.recv(report.clone()).expect(&[]);
        story.recv(seg(".").seq(1).ack(1)).expect(&[]);
    }
}

// 2883 5: in recovery too, a report of duplicates says nothing about what left: nothing follows it.
#[test]
fn report_of_duplicates_in_recovery_lets_nothing_out() {
    let (mut story, _, _) = sending(newreno(true), 100_000);
    story.at(100);
    for n in 1..=3 {
        let report = reporting(&story, 1, 1001, 1001 + 1000 * n);
        story.recv(report);
        story.out();
    }
    let mut report = reporting(&story, 1, 2001, 3001);
    report.header.options.sack.push(SackBlock {
        left: story.iss + 1001,
        right: story.iss + 4001,
    });
    for _ in 0..5 {
        story.recv(report.clone()).expect(&[]);
    }
}

// 2: (a) data outstanding, (b) no data, (c) neither SYN nor FIN, (d) the largest number yet, (e) the same window.
#[test]
fn duplicate_that_lacks_a_condition_does_not_count() {
    type Make = fn(u32) -> Seg;
    let not_duplicates: [(&str, Make); 4] = [
        ("data", |n| seg(".").seq(1 + n).ack(1001).data(b"x")),
        ("old number", |_| seg(".").seq(1).ack(1)),
        ("window", |n| {
            seg(".").seq(1).ack(1001).wnd(60_000 + n as u16)
        }),
        ("syn", |_| seg("S.").seq(0).ack(1001)),
    ];
    for (name, make) in not_duplicates {
        let (mut story, _, _) = sending(newreno(false), 9_000);
        story.recv(seg(".").seq(1).ack(1001));
        story.out();
        for n in 0..4 {
            story.recv(make(n));
            let out = story.out();
            assert!(
                out.iter().all(|s| s.why.name() != "fast-retransmit"),
                "{name}"
            );
        }
    }
    let (mut story, _, _) = sending(newreno(false), 3_000);
    for _ in 0..6 {
        story.recv(seg(".").seq(1).ack(3001));
    }
    story.expect(&[]);
}

// 3.2 steps 3 to 6: one reduction, and at its end the window is ssthresh (by proportional rate reduction, D-24).
#[test]
fn recovery_ends_with_the_window_at_the_threshold() {
    let (mut story, id, _) = sending(newreno(false), 10_000);
    for _ in 0..9 {
        story.recv(seg(".").seq(1).ack(1));
        story.out();
    }
    let info = story.tcp.info(id).unwrap();
    assert_eq!(info.ssthresh, 5_000);
    story.recv(seg(".").seq(1).ack(10_001));
    story.out();
    let info = story.tcp.info(id).unwrap();
    assert_eq!((info.cwnd, info.ssthresh), (5_000, 5_000));
}

// 3.2 step 4 in spirit: each duplicate stands for a segment that left the path; in recovery new data goes on leaving.
#[test]
fn further_duplicates_in_recovery_let_new_data_out() {
    let (mut story, _, _) = sending(newreno(false), 100_000);
    let mut fresh = 0;
    for n in 0..9 {
        story.recv(seg(".").seq(1).ack(1));
        let out = story.out();
        if n > 2 {
            fresh += out.iter().filter(|s| s.why.name() == "data").count();
        }
    }
    // Nine of ten arrived; half of ten may be under way, of which the retransmission and two are.
    assert!((2..=5).contains(&fresh), "{fresh}");
}

// 3.1: the threshold is never set below two segments.
#[test]
fn small_flight_lost_the_threshold_is_two_segments() {
    let (mut story, id, sent) = sending(newreno(false), 1_000);
    assert_eq!(sent, 1);
    story.wait_output(60_000).unwrap();
    let info = story.tcp.info(id).unwrap();
    assert_eq!((info.cwnd, info.ssthresh), (1_000, 2_000));
}

// 4.2: out of order, each segment has its acknowledgment at once; one that fills the gap too; never two for one.
#[test]
fn each_segment_out_of_order_is_acknowledged_once_and_at_once() {
    let (mut story, _) = Story::established(plain());
    for n in 1..=5 {
        story.recv(seg(".").seq(1 + 1000 * n).ack(1).zeros(1000));
        let out = story.out();
        assert_eq!((out.len(), out[0].ack), (1, Some(1)));
    }
    story.recv(seg(".").seq(1).ack(1).zeros(1000));
    let out = story.out();
    assert_eq!((out.len(), out[0].ack), (1, Some(6001)));
}

// 4.2: less than 500 ms, whatever the program asks for.
#[test]
fn long_delay_asked_for_acknowledgment_leaves_within_half_a_second() {
    let settings = Settings {
        delayed_ack: Duration::from_secs(10),
        ..plain()
    };
    let (mut story, _) = Story::established(settings);
    let mut delayed = 0;
    for n in 0..40 {
        story.recv(seg(".").seq(1 + 100 * n).ack(1).zeros(100));
        if story.out().is_empty() {
            let begin = story.now;
            story.wait_output(20_000).unwrap();
            assert!(story.now - begin < Duration::from_millis(500));
            delayed += 1;
        }
    }
    assert!(delayed > 0, "none waited");
}
