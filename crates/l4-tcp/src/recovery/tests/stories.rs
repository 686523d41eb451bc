//! One loss a story; times and windows by hand from the RFCs. The round trip is 20 ms, a segment 1000 bytes, the
//! initial window ten segments, and every segment is acknowledged.

use crate::congestion::Phase as Growth;
use crate::recovery::undo::Evidence;
use crate::recovery::{AckInput, Fired, Phase};
use crate::segment::StreamRange;

use super::world::{MSS, Script, World};

fn world(sack: bool, script: Script, segments: u64) -> World {
    let mut w = World::new(sack, false, script);
    w.write(segments * MSS);
    w
}

// RFC 5681 3.1 with RFC 6928: ten, twenty, forty.
#[test]
fn no_loss_the_window_doubles_each_round_trip() {
    let mut w = world(true, Script::default(), 70);
    w.run();
    let left_at = |ms| w.sent.iter().filter(|s| s.ms == ms).count();
    assert_eq!([left_at(0), left_at(20), left_at(40)], [10, 20, 40]);
    assert_eq!(w.repairs(), []);
    assert_eq!(w.controller.snapshot().phase, Growth::SlowStart);
}

// RFC 5681 3.1, RFC 7661: the program sends two segments a round trip; the window must not grow without end.
#[test]
fn window_not_used_does_not_grow() {
    let mut w = world(true, Script::default(), 2);
    w.run();
    for _ in 0..20 {
        w.write(2 * MSS);
        w.run();
    }
    assert_eq!(w.controller.cwnd(), 10 * MSS);
}

// RFC 5681 4.1: after a rest longer than the timeout, no more than the initial window at once.
#[test]
fn window_that_rested_starts_again_from_the_initial_one() {
    let mut w = world(true, Script::default(), 70);
    w.run();
    let (grown, rested) = (
        w.controller.cwnd(),
        w.now + core::time::Duration::from_secs(5),
    );
    assert!(grown >= 40 * MSS);
    w.now = rested;
    w.write(60 * MSS);
    let before = w.sent.len();
    w.flush();
    assert_eq!(w.sent.len() - before, 10);
}

// RFC 8985: three segments sacked, the one before them is lost; sent again at once, one round trip after
// it first left. RFC 5681 equation 4: half of ten outstanding.
#[test]
fn one_loss_with_sack_is_repaired_after_a_round_trip() {
    let mut w = world(true, Script::losing([2]), 10);
    w.run();
    assert_eq!(w.repairs(), [(20, 2)]);
    assert_eq!(w.timeouts(), 0);
    assert_eq!(w.controller.ssthresh(), 4 * MSS);
    assert_eq!(w.recovery.phase(), Phase::Open);
    assert!(w.outcomes.iter().any(|o| o.entered) && w.outcomes.iter().any(|o| o.recovered));
}

// RFC 5681 3.2: the third duplicate.
#[test]
fn one_loss_without_sack_is_repaired_at_the_third_duplicate() {
    let mut w = world(false, Script::losing([2]), 10);
    w.run();
    assert_eq!(w.repairs(), [(20, 2)]);
    assert_eq!(w.timeouts(), 0);
    let duplicates = w.outcomes.iter().take_while(|o| !o.entered);
    assert_eq!(duplicates.filter(|o| o.duplicate).count(), 2);
}

// RFC 6582 3.2 step 3: each partial acknowledgment shows the next gap; one repair a round trip.
#[test]
fn three_losses_without_sack_are_repaired_one_a_round_trip() {
    let mut w = world(false, Script::losing([1, 3, 5]), 10);
    w.run();
    assert_eq!(w.repairs(), [(20, 1), (40, 3), (60, 5)]);
    assert_eq!(w.timeouts(), 0);
}

// RFC 6675, RFC 8985: with SACK all gaps are known in the first round trip, and reduced for once.
#[test]
fn three_losses_with_sack_cost_one_reduction() {
    let mut w = world(true, Script::losing([1, 3, 5]), 10);
    w.run();
    assert!(
        w.repairs().iter().all(|(ms, _)| *ms <= 40),
        "{:?}",
        w.repairs()
    );
    assert_eq!(w.outcomes.iter().filter(|o| o.entered).count(), 1);
    assert_eq!(w.timeouts(), 0);
}

// RFC 5681 3.2 and RFC 2018 5.1: two losses of one window, found by different acknowledgments, halve it once. The first
// acknowledgment made it eleven segments, all of them outstanding.
#[test]
fn losses_of_one_window_found_one_after_the_other_cost_one_reduction() {
    let mut w = world(true, Script::losing([1, 8]), 14);
    w.one_by_one = true;
    w.run();
    assert_eq!(w.outcomes.iter().filter(|o| o.lost.is_some()).count(), 2);
    assert_eq!(w.outcomes.iter().filter(|o| o.reduced).count(), 1);
    assert_eq!(w.controller.ssthresh(), 11 * MSS / 2);
}

// RFC 3042: the first two duplicates let one new segment out each, with SACK and without.
#[test]
fn first_two_duplicates_let_new_segments_out() {
    for sack in [false, true] {
        let mut w = world(sack, Script::losing([0]), 14);
        w.one_by_one = true;
        w.flush();
        assert_eq!(w.sent.len(), 10);
        w.step();
        while w.outcomes.len() < 2 {
            w.step();
        }
        w.flush();
        assert_eq!(w.sent.len(), 12, "sack {sack}");
        assert!(w.sent.iter().all(|s| !s.again));
    }
}

// RFC 8985 7: probe after two smoothed round trips; its SACK shows the loss; no timeout.
#[test]
fn lost_tail_is_probed_before_the_timer_runs_out() {
    let mut w = world(true, Script::losing([8, 9]), 10);
    w.run();
    let probe = w.fired.iter().find(|(_, f)| *f == Fired::TailLossProbe);
    assert_eq!(probe.map(|(ms, _)| *ms), Some(60));
    assert_eq!(w.repairs(), [(60, 9), (80, 8)]);
    assert_eq!(w.timeouts(), 0);
}

// RFC 8985 7.2: a lone segment waits for the peer's delayed acknowledgment as well, 20 + 20 + 200 ms, but no
// longer than for the timeout of 220 ms; the probe takes its place and no window collapses.
#[test]
fn lone_lost_segment_is_probed_when_the_timer_would_run_out() {
    let mut w = world(true, Script::losing([0]), 1);
    w.run();
    assert_eq!(w.repairs(), [(220, 0)]);
    assert_eq!(w.timeouts(), 0);
    assert_eq!(w.controller.cwnd(), 10 * MSS);
}

// RFC 8985 7.4.2: a probe that repaired the only loss still counts as congestion.
#[test]
fn probe_that_repairs_the_loss_reduces_the_window() {
    let mut w = world(true, Script::losing([9]), 10);
    w.run();
    assert_eq!(w.repairs().len(), 1);
    w.write(MSS);
    w.run();
    assert!(w.controller.ssthresh() < u64::MAX);
}

// RFC 8985 6: a retransmission that is lost as well is found by time, without a timeout.
#[test]
fn lost_retransmission_is_sent_a_third_time() {
    // Ten, then two by limited transmit: the repair is the thirteenth packet.
    let mut w = world(true, Script::losing([0, 12]), 40);
    w.one_by_one = true;
    w.run();
    let first: Vec<_> = w.repairs().into_iter().filter(|(_, at)| *at == 0).collect();
    assert_eq!(first.len(), 2, "{first:?}");
    assert_eq!(w.timeouts(), 0);
}

// RFC 6298 5.5 and RFC 5681 3.1: one segment, then twice as long, ssthresh set once.
#[test]
fn silence_backs_off_and_leaves_one_segment() {
    let mut w = world(false, Script::losing(0..13), 10);
    w.run();
    let rto: Vec<_> = w
        .fired
        .iter()
        .filter(|(_, f)| matches!(f, Fired::Rto { .. }))
        .collect();
    // SRTT 20 ms, RTTVAR 10 ms: RTO = 20 + max(200, 40) = 220.
    assert_eq!(
        rto.iter().map(|(ms, _)| *ms).collect::<Vec<_>>(),
        [220, 660, 1540, 3300]
    );
    assert_eq!(w.repairs()[..4], [(220, 0), (660, 0), (1540, 0), (3300, 0)]);
    assert_eq!(w.controller.ssthresh(), 5 * MSS);
    assert_eq!(w.arrived(), 10 * MSS);
}

// SND.NXT is not taken back: new data after a timeout continues where it was.
#[test]
fn timeout_resends_only_what_is_missing() {
    let mut w = world(
        true,
        Script::losing([0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]),
        10,
    );
    w.run();
    let again: Vec<_> = w.repairs().iter().map(|(_, at)| *at).collect();
    assert!(again.iter().all(|at| *at < 5), "{again:?}");
    assert_eq!(w.recovery.records().nxt(), 10 * MSS);
}

// RFC 2018 8: bytes reported and then let go of are sent again after a timeout.
#[test]
fn reneging_peer_gets_the_bytes_again() {
    let mut w = world(true, Script::losing(0..100), 3);
    w.flush();
    let report = [StreamRange::new(0, 3 * MSS)];
    let input = AckInput {
        now: w.now,
        una: 0,
        sack: &report,
        echo: None,
        pure: true,
        marked: 0,
    };
    w.recovery.on_ack(&input, &mut *w.controller);
    assert_eq!(w.recovery.in_flight(), 0);
    while w.timeouts() == 0 {
        assert!(w.step());
    }
    assert_eq!(w.recovery.next_lost(), Some(StreamRange::new(0, MSS)));
}

// RFC 3522: a delay that looked like a loss is recognised by the echoed timestamp, and undone.
#[test]
fn late_segment_with_timestamps_takes_the_reduction_back() {
    let script = Script {
        late: [(2, 11)].into(),
        ..Script::default()
    };
    let mut w = World::new(true, true, script);
    w.write(10 * MSS);
    w.run();
    assert_eq!(w.repairs(), [(20, 2)]);
    assert!(
        w.outcomes
            .iter()
            .any(|o| o.spurious == Some(Evidence::Eifel))
    );
    assert!(w.controller.cwnd() >= 10 * MSS);
}

// RFC 3708: without timestamps the duplicate report tells.
#[test]
fn late_segment_without_timestamps_is_undone_by_its_duplicate() {
    let script = Script {
        late: [(2, 11)].into(),
        ..Script::default()
    };
    let mut w = world(true, script, 10);
    w.run();
    assert_eq!(w.repairs(), [(20, 2)]);
    assert!(
        w.outcomes
            .iter()
            .any(|o| o.spurious == Some(Evidence::DSack))
    );
    assert!(w.controller.cwnd() >= 10 * MSS);
}

/// A path that stands still for `ms`.
fn stalled(ms: u64, lost: &[usize]) -> Script {
    Script {
        late: (0..10).map(|n| (n, ms)).collect(),
        lost: lost.iter().copied().collect(),
        ..Script::default()
    }
}

// RFC 4015: the first answer echoes a time before the retransmission; only one segment went twice.
#[test]
fn stalled_path_with_timestamps_undoes_the_timeout() {
    let mut w = World::new(false, true, stalled(220, &[]));
    w.write(10 * MSS);
    w.run();
    assert_eq!(w.timeouts(), 1);
    assert_eq!(w.repairs(), [(220, 0)]);
    let spurious = w.outcomes.iter().find_map(|o| o.spurious);
    assert_eq!(spurious, Some(Evidence::Eifel));
    assert!(w.controller.cwnd() >= 10 * MSS);
}

// RFC 5682 3.1: without timestamps, what was never sent again is acknowledged after all.
#[test]
fn stalled_path_without_timestamps_undoes_the_timeout_too() {
    // The probe at 40 ms is lost, so the timer runs out at 260.
    let mut w = World::new(true, false, stalled(270, &[10]));
    w.write(10 * MSS);
    w.run();
    assert_eq!(w.timeouts(), 1);
    assert!(w.repairs().len() <= 4, "{:?}", w.repairs());
    let spurious = w.outcomes.iter().find_map(|o| o.spurious);
    assert_eq!(spurious, Some(Evidence::FRto));
    assert!(w.controller.cwnd() >= 10 * MSS);
}

// RFC 8985 6.2 step 4: once reordering was seen, the window waits a quarter of the round trip.
#[test]
fn reordering_seen_once_the_second_time_nothing_is_sent_again() {
    let script = Script {
        late: [(2, 11), (22, 4)].into(),
        ..Script::default()
    };
    let mut w = world(true, script, 60);
    w.run();
    assert_eq!(w.repairs().len(), 1, "{:?}", w.repairs());
}

// RFC 3168 6.1.2: once a window.
#[test]
fn echo_of_congestion_reduces_once_a_window() {
    let mut w = world(true, Script::default(), 10);
    w.flush();
    for una in 1..=5 {
        let input = AckInput {
            now: w.now,
            una: una * MSS,
            sack: &[],
            echo: None,
            pure: true,
            marked: 1,
        };
        w.recovery.on_ack(&input, &mut *w.controller);
    }
    assert_eq!(w.controller.cwnd(), 5 * MSS);
}

#[test]
fn super_segment_lost_in_the_middle_only_the_middle_is_sent_again() {
    let mut w = World::new(true, false, Script::losing([3]));
    w.super_segment = 10;
    w.write(10 * MSS);
    w.run();
    assert_eq!(w.sent.len(), 2);
    assert_eq!(w.sent[1].range, StreamRange::new(3 * MSS, 4 * MSS));
}

// RFC 3168 6.1.2: what left before a reduction calls for no second one, to its last byte, and no window opens for a mark.
#[test]
fn marks_up_to_the_last_byte_sent_before_a_reduction_reduce_once_and_open_nothing() {
    let mut w = world(true, Script::default(), 10);
    w.flush();
    let mut windows = Vec::new();
    for una in [5 * MSS, 10 * MSS] {
        let input = AckInput {
            now: w.now,
            una,
            sack: &[],
            echo: None,
            pure: true,
            marked: 1,
        };
        let out = w.recovery.on_ack(&input, &mut *w.controller);
        windows.push((out.reduced, w.controller.cwnd()));
    }
    let reduced = windows.first().map_or(0, |(_, cwnd)| *cwnd);
    assert!(reduced < 10 * MSS);
    assert_eq!(windows, [(true, reduced), (false, reduced)]);
}
