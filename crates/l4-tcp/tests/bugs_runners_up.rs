//! The bugs that nearly made the list: one story each, named after its bug. The list proper is in `bugs`.
//!
//! Elsewhere: an acknowledgment marked sent though the device refused it, the inbox drained without bound, one unsendable
//! packet that clogs the rest, batching that adds delay (`stack`'s `bugs`); errors about errors (`l3-ip`'s `errors`).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::time::Duration;

use bytes::Bytes;
use common::{Story, plain, seg};
use outcrop_base::{Instant, PacketId, PathSignal, PathSignalKind};
use outcrop_tcp::congestion::{AckEvent, CongestionEvent, CongestionKind};
use outcrop_tcp::{Algorithm, Rate, Settings, wire};

fn story() -> (Story, outcrop_tcp::ConnId) {
    Story::established(plain())
}

// ICMP "fragmentation needed" with an MTU of zero (routers before RFC 1191 send it).
#[test]
fn frag_needed_with_mtu_zero_segments_keep_a_floor() {
    let (mut story, id) = story();
    story.write(id, 4_000);
    story.out();
    let signal = PathSignal {
        flow: story.flow(),
        seq: Some((story.iss + 1).value()),
        kind: PathSignalKind::TooBig(0),
        id: PacketId(1),
    };
    let _verdict = story.tcp.handle_path(story.now, &signal);
    story.check();
    story.out();
    assert!(
        story.tcp.info(id).unwrap().mss >= 500,
        "RFC 791's 68 would eat the stream"
    );
}

// ssthresh was cut again at every timeout of one event (RFC 5681 3.1: once).
#[test]
fn second_timeout_of_the_same_loss_leaves_ssthresh_alone() {
    let (mut story, id) = story();
    story.write(id, 10_000);
    story.out();
    let (first, _) = story.wait_output(60_000).unwrap();
    story.out();
    let after_first = story.tcp.info(id).unwrap().ssthresh;
    let (second, _) = story.wait_output(120_000).unwrap();
    assert!(second > first);
    let after_second = story.tcp.info(id).unwrap().ssthresh;
    assert_eq!(after_first, after_second);
}

// An acknowledgment made CUBIC's window smaller: its curve starts below the window it was left at (RFC 9438 4.4: the
// target is never below cwnd).
#[test]
fn cubic_ack_reduces_cwnd_never() {
    let mut cubic = Algorithm::Cubic.controller(1_000);
    let mut now = Instant::from_secs(1);
    for round in 0..400_u64 {
        now += Duration::from_millis(if round % 50 == 0 { 5_000 } else { 20 });
        if round % 90 == 7 {
            cubic.on_congestion(&CongestionEvent {
                now,
                kind: CongestionKind::Loss,
                flight: cubic.cwnd(),
            });
        }
        let before = cubic.cwnd();
        cubic.on_ack(&AckEvent {
            now,
            acked: 1_000,
            delivered: 1_000,
            prior_in_flight: before,
            in_flight: before - 1_000,
            lost: 0,
            marked: 0,
            counted: false,
            cwnd_limited: true,
            in_recovery: false,
            round_start: round % 10 == 0,
            rtt: Some(Duration::from_millis(20)),
            srtt: Some(Duration::from_millis(20)),
            min_rtt: Some(Duration::from_millis(20)),
            rate: None,
        });
        assert!(cubic.cwnd() >= before, "round {round}");
    }
}

// The window grew with every acknowledgment of a program that sends a little at a time, until a burst of a size nobody
// had ever tried left at once (RFC 7661 4.3).
#[test]
fn window_growth_while_not_limited_by_it_there_is_none() {
    for congestion in Algorithm::ALL {
        let (mut story, id) = Story::established(Settings {
            nodelay: true,
            congestion,
            ..plain()
        });
        let before = story.tcp.info(id).unwrap().cwnd;
        for n in 0..500_u32 {
            story.write(id, 100);
            story.out();
            story.now += Duration::from_millis(20);
            story.recv(seg(".").seq(1).ack(101 + 100 * n));
        }
        let after = story.tcp.info(id).unwrap().cwnd;
        assert!(after <= before, "{congestion:?}: from {before} to {after}");
    }
}

/// Paced at 100 kB/s.
fn paced() -> (Story, outcrop_tcp::ConnId) {
    Story::established(Settings {
        nodelay: true,
        max_pacing_rate: Some(Rate(100_000)),
        ..plain()
    })
}

// The pacer's clock stood still in a pause: afterwards a pause's worth of data left at once.
#[test]
fn pacer_stale_after_idle_a_pause_is_not_saved_up() {
    let (mut story, id) = paced();
    story.write(id, 1_000);
    assert_eq!(story.out().len(), 1);
    story.recv(seg(".").seq(1).ack(1_001));
    story.at(60_000);
    story.write(id, 30_000);
    let at_once: usize = story.out().iter().map(|sent| sent.data.len()).sum();
    assert!(at_once <= 2_000, "{at_once} bytes after a minute's pause");
    let (_, next) = story.wait_output(61_000).unwrap();
    assert!(!next.data.is_empty(), "the rest is paced");
}

// Its other face, found here by floods on a loaded machine: each timer that fires late costs as much of the rate.
#[test]
fn pacer_timers_fire_late_what_was_missed_follows() {
    let (mut story, id) = paced();
    story.recv(seg(".").seq(1).ack(1).wnd(60_000));
    story.write(id, 60_000);
    let begun = story.now;
    let mut sent: usize = story.out().iter().map(|sent| sent.data.len()).sum();
    let mut acked = 0;
    while story.now - begun < Duration::from_millis(400) {
        let Some(due) = story.tcp.poll_timeout() else {
            break;
        };
        // Four milliseconds late, each time.
        story.now = story.now.max(due) + Duration::from_millis(4);
        story.tcp.handle_timeout(story.now);
        sent += story
            .out()
            .iter()
            .map(|sent| sent.data.len())
            .sum::<usize>();
        if sent > acked + 5_000 {
            acked = sent;
            story.recv(seg(".").seq(1).ack(1 + sent as u32).wnd(60_000));
        }
    }
    assert!(
        (38_000..=44_000).contains(&sent),
        "{sent} bytes in 0.4 s at 100 kB/s"
    );
}

// Option lists whose lengths lie ran the parser over the end of the header, or for ever.
#[test]
fn option_parser_overrun_lengths_that_lie_are_refused_or_skipped_and_end() {
    let arrival = Story::new(plain()).arrival();
    for kind in 0..=255_u8 {
        for len in [0, 1, 2, 3, 4, 39, 40, 41, 255] {
            for at in [0, 37, 38, 39] {
                let mut header = vec![
                    0, 9, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0xf0, 2, 0xff, 0xff, 0, 0, 0, 0,
                ];
                let mut options = [1_u8; 40];
                options[at] = kind;
                if let Some(place) = options.get_mut(at + 1) {
                    *place = len;
                }
                header.extend(options);
                // Read or refused: either way it comes back, with what was in the list and no more.
                if let Ok((segment, payload)) = wire::parse(&arrival, Bytes::from(header)) {
                    assert!(payload.is_empty());
                    assert!(segment.header.flags.syn());
                }
            }
        }
    }
}
