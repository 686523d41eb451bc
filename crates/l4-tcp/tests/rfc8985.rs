//! RFC 8985, losses found by time: when a repair or a probe leaves, by the document's formulas.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{Seg, Story, plain, seg};
use outcrop_tcp::{ConnId, SackBlock, Settings};

fn selective() -> Settings {
    Settings {
        sack: true,
        nodelay: true,
        ..plain()
    }
}

/// Connected as a client after a round trip of `ms`; a segment is 1000 bytes.
fn connected_after(ms: u64, settings: Settings) -> (Story, ConnId) {
    let mut story = Story::new(settings);
    let id = story.connect();
    story.out();
    story.at(ms);
    story.recv(seg("S.").ack(1).mss(1000).sackok());
    story.out();
    (story, id)
}

/// An acknowledgment that reports these segments of ours (counted from zero).
fn reporting(story: &Story, ack: u32, segments: &[(u32, u32)]) -> Seg {
    let mut segment = seg(".").seq(1).ack(ack);
    for (from, to) in segments {
        segment.header.options.sack.push(SackBlock {
            left: story.iss + 1 + from * 1000,
            right: story.iss + 1 + to * 1000,
        });
    }
    segment
}

/// What leaves next by time alone: when, why, number, bytes.
fn next(story: &mut Story) -> (u64, &'static str, u32, usize) {
    let (at, sent) = story.wait_output(1_000_000).unwrap();
    (at, sent.why.name(), sent.seq, sent.data.len())
}

// 7.2: PTO = 2 SRTT; one segment waits for a delayed acknowledgment too; never later than the timeout would be.
#[test]
fn tail_is_probed_after_two_round_trips_and_a_lone_segment_later() {
    // R = 300: RTO = 300 + 4 * 150 = 900.
    let (mut story, id) = connected_after(300, selective());
    story.write(id, 3_000);
    story.out();
    assert_eq!(next(&mut story), (300 + 600, "tail-loss-probe", 2001, 1000));
    let (mut story, id) = connected_after(300, selective());
    story.write(id, 1_000);
    story.out();
    assert_eq!(next(&mut story), (300 + 800, "tail-loss-probe", 1, 1000));
    // R = 100: 2 * 100 + 200 = 400 is later than RTO = 100 + 200 = 300.
    let (mut story, id) = connected_after(100, selective());
    story.write(id, 1_000);
    story.out();
    assert_eq!(next(&mut story), (100 + 300, "tail-loss-probe", 1, 1000));
}

// 7.2: without a round trip, a second; here the timeout would take three (RFC 6298 5.7).
#[test]
fn no_round_trip_known_the_probe_waits_a_second() {
    let mut story = Story::new(selective());
    let id = story.connect();
    story.out();
    story.wait_output(10_000).unwrap();
    story.at(1_100);
    story.recv(seg("S.").ack(1).mss(1000).sackok());
    story.out();
    story.write(id, 3_000);
    story.out();
    assert_eq!(next(&mut story), (2_100, "tail-loss-probe", 2001, 1000));
}

// 7.3: the timer guards the probe, and there is no second one before an answer; then the timeout takes over.
#[test]
fn probe_unanswered_the_timeout_follows_and_no_second_probe() {
    let (mut story, id) = connected_after(300, selective());
    story.write(id, 3_000);
    story.out();
    assert_eq!(next(&mut story).0, 900);
    assert_eq!(next(&mut story), (900 + 900, "rto", 1, 1000));
}

// 7.3: new data if there is any and the peer takes it, whatever cwnd says; else the last segment.
#[test]
fn probe_is_new_data_beyond_the_window_of_congestion_but_not_of_the_peer() {
    let (mut story, id) = connected_after(300, selective());
    story.write(id, 20_000);
    assert_eq!(story.out().len(), 10);
    assert_eq!(next(&mut story), (900, "tail-loss-probe", 10_001, 1000));
    story.expect(&[]);
    let (mut story, id) = connected_after(300, selective());
    story.recv(seg(".").seq(1).ack(1).wnd(10_000));
    story.write(id, 20_000);
    assert_eq!(story.out().len(), 10);
    assert_eq!(next(&mut story), (900, "tail-loss-probe", 9_001, 1000));
}

// 7.2: no probe without SACK, with something reported, or while a loss is repaired.
#[test]
fn no_probe_where_something_else_is_at_work() {
    let (mut story, id) = connected_after(300, plain());
    story.write(id, 3_000);
    story.out();
    assert_eq!(next(&mut story), (300 + 900, "rto", 1, 1000), "no SACK");
    let (mut story, id) = connected_after(300, selective());
    story.write(id, 5_000);
    story.out();
    story.at(600);
    let report = reporting(&story, 1, &[(1, 4)]);
    story.recv(report);
    assert_eq!(story.out()[0].why.name(), "fast-retransmit");
    let (_, why, ..) = next(&mut story);
    assert_eq!(why, "rto", "recovery");
}

// 7.4.2, the three ends of a probe that was a repetition: reported as duplicate, repeated without a report, repaired.
#[test]
fn probe_answered_the_window_is_reduced_only_if_it_repaired_something() {
    let answered = |answer: fn(&Story) -> Seg| {
        let (mut story, id) = connected_after(300, selective());
        story.write(id, 3_000);
        story.out();
        next(&mut story);
        story.at(1_200);
        let segment = answer(&story);
        story.recv(segment);
        // What follows is beyond the probe.
        story.write(id, 1_000);
        story.out();
        story.at(1_500);
        story.recv(seg(".").seq(1).ack(4001));
        story.tcp.info(id).unwrap().ssthresh
    };
    assert_eq!(answered(|s| reporting(s, 3001, &[(2, 3)])), u64::MAX);
    assert!(answered(|_| seg(".").seq(1).ack(3001)) < u64::MAX);
}

// 6.2 step 4: before any reordering was seen three reports mean a loss at once, one means it after a quarter of the
// smallest round trip: 300 + 300 / 4 after it left.
#[test]
fn hole_is_repaired_at_three_reports_or_a_quarter_of_the_round_trip_later() {
    for (reported, at) in [(1, 675), (2, 675), (3, 600)] {
        let (mut story, id) = connected_after(300, selective());
        story.write(id, 6_000);
        story.out();
        story.at(600);
        let report = reporting(&story, 1, &[(1, 1 + reported)]);
        story.recv(report);
        assert_eq!(next(&mut story), (at, "fast-retransmit", 1, 1000));
    }
}

// 6.2 step 3 and 4: reordering seen, three reports no longer mean a loss at once, outside recovery and in it.
#[test]
fn reordering_seen_the_hole_waits_a_quarter_of_the_round_trip() {
    let (mut story, id) = connected_after(300, selective());
    story.write(id, 10_000);
    story.out();
    story.at(600);
    let report = reporting(&story, 1, &[(1, 2)]);
    story.recv(report);
    // The first arrives after all: nothing was lost, but order changed.
    story.recv(seg(".").seq(1).ack(2001));
    story.out();
    let report = reporting(&story, 2001, &[(3, 8)]);
    story.recv(report);
    let late: Vec<_> = story.out().iter().map(|s| s.why.name()).collect();
    assert!(!late.contains(&"fast-retransmit"), "{late:?}");
    assert_eq!(next(&mut story), (675, "fast-retransmit", 2001, 1000));
}

// 6.2 step 5, 6.1: what was sent again is timed anew, and found lost again by time.
#[test]
fn retransmission_lost_as_well_is_sent_a_third_time_without_a_timeout() {
    let (mut story, id) = connected_after(300, selective());
    story.write(id, 30_000);
    assert_eq!(story.out().len(), 10);
    story.at(600);
    let report = reporting(&story, 1, &[(1, 8)]);
    story.recv(report);
    let out = story.out();
    assert_eq!((out[0].why.name(), out[0].seq), ("fast-retransmit", 1));
    let fresh = out.iter().filter(|s| s.why.name() == "data").count() as u32;
    assert!(fresh > 0);
    // What left after the repair is reported a round trip later; the repair is not.
    story.at(900);
    let report = reporting(&story, 1, &[(1, 10 + fresh)]);
    story.recv(report);
    let (at, why, seq, _) = next(&mut story);
    assert_eq!((at, why, seq), (900, "fast-retransmit", 1));
}

// 6.3: a timeout repairs the first segment; what was reported stays reported.
#[test]
fn timeout_repairs_the_first_and_nothing_that_was_reported() {
    let (mut story, id) = connected_after(300, selective());
    story.write(id, 2_000);
    story.out();
    assert_eq!(next(&mut story).1, "tail-loss-probe");
    story.at(1_200);
    let report = reporting(&story, 1, &[(1, 2)]);
    story.recv(report);
    let (_, why, seq, _) = next(&mut story);
    assert_eq!((why, seq), ("fast-retransmit", 1));
    let mut again = Vec::new();
    for _ in 0..3 {
        let (_, why, seq, _) = next(&mut story);
        again.push((why, seq));
    }
    assert_eq!(again, [("rto", 1); 3]);
}
