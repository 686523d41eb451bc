//! RFC 9406, HyStart++: the controller's first slow start, round by round, against the document's thresholds.

use core::time::Duration;

use outcrop_base::Instant;
use outcrop_tcp::congestion::{
    AckEvent, CongestionEvent, CongestionKind, Controller, Cubic, Phase,
};

const MSS: u64 = 1000;

fn ack(micros: u64, round_start: bool) -> AckEvent {
    AckEvent {
        now: Instant::from_secs(1),
        acked: MSS,
        delivered: MSS,
        prior_in_flight: 0,
        in_flight: 0,
        lost: 0,
        cwnd_limited: true,
        in_recovery: false,
        round_start,
        rtt: Some(Duration::from_micros(micros)),
        srtt: Some(Duration::from_micros(micros)),
        min_rtt: None,
        rate: None,
        marked: 0,
        counted: false,
    }
}

/// A round of `samples` acknowledgments of one segment, each after this round trip; by how much the window grew.
fn round(c: &mut Cubic, micros: u64, samples: u64) -> u64 {
    let before = c.cwnd();
    for n in 0..samples {
        c.on_ack(&ack(micros, n == 0));
    }
    c.cwnd() - before
}

fn phase(c: &Cubic) -> Phase {
    c.snapshot().phase
}

fn fresh() -> Cubic {
    Cubic::new(1000)
}

// 4.2 and 4.3: an eighth of the last round's smallest, 4 ms at least, 16 at most.
#[test]
fn rise_that_counts_is_an_eighth_between_four_and_sixteen_milliseconds() {
    for (last, rise) in [
        (8_000, 4_000),
        (16_000, 4_000),
        (32_000, 4_000),
        (64_000, 8_000),
        (100_000, 12_500),
        (128_000, 16_000),
        (500_000, 16_000),
    ] {
        for (more, expected) in [
            (rise - 1, Phase::SlowStart),
            (rise, Phase::ConservativeSlowStart),
        ] {
            let mut c = fresh();
            round(&mut c, last, 10);
            round(&mut c, last + more, 10);
            assert_eq!(phase(&c), expected, "{last} us and {more} more");
        }
    }
}

// 4.3: eight samples a round, in the round that rises; the smallest of them is what counts.
#[test]
fn rise_is_judged_by_the_smallest_of_at_least_eight_samples() {
    let mut c = fresh();
    round(&mut c, 100_000, 10);
    round(&mut c, 200_000, 7);
    assert_eq!(phase(&c), Phase::SlowStart);
    let mut c = fresh();
    round(&mut c, 100_000, 10);
    round(&mut c, 200_000, 8);
    assert_eq!(phase(&c), Phase::ConservativeSlowStart);
    let mut c = fresh();
    round(&mut c, 100_000, 10);
    c.on_ack(&ack(100_000, true));
    for _ in 0..20 {
        c.on_ack(&ack(200_000, false));
    }
    assert_eq!(phase(&c), Phase::SlowStart, "one was as fast as before");
}

// 4.2: min(N, L SMSS) in slow start with L = 8, a quarter of it in conservative slow start.
#[test]
fn growth_is_what_was_acknowledged_then_a_quarter_of_it() {
    let mut c = fresh();
    assert_eq!(round(&mut c, 100_000, 10), 10 * MSS);
    c.on_ack(&AckEvent {
        acked: 30 * MSS,
        ..ack(100_000, false)
    });
    assert_eq!(c.cwnd(), 28 * MSS, "L = 8");
    round(&mut c, 150_000, 8);
    assert_eq!(phase(&c), Phase::ConservativeSlowStart);
    assert_eq!(round(&mut c, 150_000, 12), 3 * MSS);
}

// 4.2: at most five rounds, the one in which it began counted; then the threshold is the window.
#[test]
fn five_conservative_rounds_end_slow_start() {
    let mut c = fresh();
    round(&mut c, 100_000, 10);
    round(&mut c, 150_000, 10);
    for _ in 0..4 {
        assert_eq!(phase(&c), Phase::ConservativeSlowStart);
        round(&mut c, 150_000, 10);
    }
    assert_eq!(phase(&c), Phase::ConservativeSlowStart);
    c.on_ack(&ack(150_000, true));
    assert_eq!(phase(&c), Phase::Avoidance);
    assert_eq!(c.ssthresh(), c.cwnd());
}

// 4.2: a round below the one that began it was a false alarm; the next rise is judged anew.
#[test]
fn round_trip_falls_again_slow_start_is_resumed_with_everything_it_had() {
    let mut c = fresh();
    round(&mut c, 100_000, 10);
    round(&mut c, 150_000, 10);
    assert_eq!(phase(&c), Phase::ConservativeSlowStart);
    round(&mut c, 149_000, 7);
    assert_eq!(phase(&c), Phase::ConservativeSlowStart, "too few samples");
    round(&mut c, 149_000, 8);
    assert_eq!(phase(&c), Phase::SlowStart);
    assert_eq!(round(&mut c, 149_000, 10), 10 * MSS);
    round(&mut c, 170_000, 8);
    assert_eq!(phase(&c), Phase::ConservativeSlowStart);
}

// 4.2: loss or a mark ends both at once.
#[test]
fn loss_or_mark_ends_slow_start_and_conservative_slow_start() {
    for kind in [CongestionKind::Loss, CongestionKind::Ecn] {
        for conservative in [false, true] {
            let mut c = fresh();
            round(&mut c, 100_000, 10);
            if conservative {
                round(&mut c, 150_000, 10);
            }
            let flight = c.cwnd();
            c.on_congestion(&CongestionEvent {
                now: Instant::from_secs(1),
                kind,
                flight,
            });
            assert_eq!(phase(&c), Phase::Avoidance);
        }
    }
}

// 4.3: only where the threshold is still unknown; after a timeout slow start ends at the threshold it left.
#[test]
fn later_slow_starts_are_the_plain_one() {
    let mut c = fresh();
    round(&mut c, 100_000, 40);
    let flight = c.cwnd();
    c.on_congestion(&CongestionEvent {
        now: Instant::from_secs(1),
        kind: CongestionKind::Timeout,
        flight,
    });
    assert_eq!(c.ssthresh(), 35 * MSS);
    round(&mut c, 100_000, 10);
    assert_eq!(round(&mut c, 300_000, 10), 10 * MSS);
    assert_eq!(phase(&c), Phase::SlowStart);
}

// RFC 9438 4.10: left without a loss, the curve begins at the window with K = 0: it does not jump.
#[test]
fn left_without_a_loss_the_curve_begins_where_the_window_is() {
    let mut c = fresh();
    round(&mut c, 100_000, 100);
    round(&mut c, 150_000, 10);
    for _ in 0..5 {
        round(&mut c, 150_000, 10);
    }
    assert_eq!(phase(&c), Phase::Avoidance);
    let left = c.cwnd() / MSS;
    let mut start = Instant::from_secs(1);
    // C t^3 with t = 150 ms ahead is a thousandth of a segment: Reno's segment a window is all at first.
    let grown = round(&mut c, 150_000, left);
    assert!((MSS / 2..=MSS + MSS / 10).contains(&grown), "{grown}");
    // After nine seconds it is 0.4 * 9^3 = 292 segments above where it began.
    for _ in 0..60 {
        start += Duration::from_millis(150);
        for _ in 0..c.cwnd() / MSS {
            c.on_ack(&AckEvent {
                now: start,
                ..ack(150_000, false)
            });
        }
    }
    let above = c.cwnd() / MSS - left;
    assert!((280..=315).contains(&above), "{above}");
}
