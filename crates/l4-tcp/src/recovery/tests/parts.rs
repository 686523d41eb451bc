//! The parts of recovery one by one, where a whole story would not tell them apart.

use core::time::Duration;

use outcrop_base::Instant;

use crate::congestion::{
    AckEvent, Algorithm, CongestionEvent, Controller, ControllerInfo, IdleEvent, Phase,
};
use crate::recovery::dup_acks::DupAcks;
use crate::recovery::rack::{Rack, Situation};
use crate::recovery::undo::{Evidence, Shown, Undo};
use crate::recovery::{AckInput, AckOutcome, Recovery};
use crate::rtt::RttEstimator;
use crate::segment::StreamRange;
use crate::tx_record::{DeliveryStamp, TxRecords};

const STAMP: DeliveryStamp = DeliveryStamp {
    delivered: 0,
    delivered_at: Instant::ZERO,
    first_sent_at: Instant::ZERO,
    in_flight: 0,
    lost: 0,
    app_limited: false,
};

fn ms(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

fn rtt_of_20() -> RttEstimator {
    let mut rtt = RttEstimator::default();
    rtt.on_sample(ms(0), Duration::from_millis(20), 1);
    rtt
}

// RFC 8985 6.2 step 2: the acknowledgment of a retransmission that comes faster than any round trip is
// the original's, and says nothing about what was sent before the retransmission.
#[test]
fn answer_faster_than_the_path_is_not_the_retransmissions() {
    for (answered, lost) in [(45, false), (60, true)] {
        let (mut rack, mut records) = (Rack::default(), TxRecords::new());
        for n in 0..2 {
            let range = StreamRange::new(n * 1000, (n + 1) * 1000);
            records.on_sent(range, ms(0), n, STAMP);
            rack.on_sent(range, n);
        }
        let second = StreamRange::new(1000, 2000);
        records.on_sent(second, ms(40), 2, STAMP);
        rack.on_sent(second, 2);
        let min = Some(Duration::from_millis(20));
        records.on_sacked(second, |part| {
            rack.on_delivered(ms(answered), part, None, min)
        });
        let s = Situation {
            in_recovery: true,
            mss: 1000,
        };
        let found = rack.detect(ms(answered), &rtt_of_20(), &s, &mut records);
        assert_eq!(found.is_some(), lost, "answered at {answered}");
    }
}

// RFC 8985 6.2 step 2: the same, told by the echo: the retransmission left at 40, what is echoed at 0.
#[test]
fn echo_older_than_the_repair_is_the_originals() {
    for (echo, lost) in [(0, false), (39, false), (40, true)] {
        let (mut rack, mut records) = (Rack::default(), TxRecords::new());
        for n in 0..2 {
            let range = StreamRange::new(n * 1000, (n + 1) * 1000);
            records.on_sent(range, ms(0), n, STAMP);
            rack.on_sent(range, n);
        }
        let second = StreamRange::new(1000, 2000);
        records.on_sent(second, ms(40), 2, STAMP);
        rack.on_sent(second, 2);
        let min = Some(Duration::from_millis(20));
        records.on_sacked(second, |part| {
            rack.on_delivered(ms(70), part, Some(ms(echo)), min);
        });
        let s = Situation {
            in_recovery: true,
            mss: 1000,
        };
        let found = rack.detect(ms(70), &rtt_of_20(), &s, &mut records);
        assert_eq!(found.is_some(), lost, "echo of {echo}");
    }
}

// RFC 8985 6.2 step 5: what was sent again is late a round trip and a quarter after it left again, not before.
#[test]
fn segment_sent_again_is_timed_from_when_it_left_again() {
    let (mut rack, mut records) = (Rack::default(), TxRecords::new());
    rack.on_reordering();
    let (first, second) = (StreamRange::new(0, 1000), StreamRange::new(1000, 2000));
    for (order, (range, at)) in (0..).zip([(first, 0), (first, 100), (second, 100)]) {
        records.on_sent(range, ms(at), order, STAMP);
        rack.on_sent(range, order);
    }
    let min = Some(Duration::from_millis(20));
    records.on_sacked(second, |part| rack.on_delivered(ms(120), part, None, min));
    let s = Situation {
        in_recovery: true,
        mss: 1000,
    };
    let found = rack.detect(ms(120), &rtt_of_20(), &s, &mut records);
    assert_eq!((found, rack.deadline()), (None, Some(ms(125))));
    let found = rack.detect(ms(125), &rtt_of_20(), &s, &mut records);
    assert_eq!(found, Some((first, 1000)));
}

// RFC 8985 6.2 step 2: what was sent last counts, not what arrived last; of what left at once the higher number.
#[test]
fn of_what_arrived_the_last_sent_is_what_others_are_held_against() {
    for (times, lost) in [([0, 10, 20, 30], 2), ([0, 0, 0, 0], 2)] {
        let (mut rack, mut records) = (Rack::default(), TxRecords::new());
        let segment = |n: u64| StreamRange::new(n * 1000, (n + 1) * 1000);
        for (n, at) in (0..).zip(times) {
            records.on_sent(segment(n), ms(at), n, STAMP);
            rack.on_sent(segment(n), n);
        }
        for (n, at) in [(3, 50), (1, 52)] {
            records.on_sacked(segment(n), |part| {
                rack.on_delivered(ms(at), part, None, None);
            });
        }
        let s = Situation {
            in_recovery: true,
            mss: 1000,
        };
        let found = rack.detect(ms(60), &rtt_of_20(), &s, &mut records);
        assert_eq!(
            found.map(|(_, bytes)| bytes),
            Some(lost * 1000),
            "{times:?}"
        );
    }
}

// RFC 3522 3.2 step 5: an echo of the very millisecond of the retransmission proves nothing.
#[test]
fn only_an_older_echo_is_evidence() {
    for (echo, evidence) in [(99, Some(Evidence::Eifel)), (100, None), (101, None)] {
        let mut undo = Undo::default();
        undo.begin(false);
        undo.on_resent(ms(100), StreamRange::new(0, 1000));
        let shown = Shown {
            echo: Some(ms(echo)),
            una: 1000,
            progress: true,
            duplicate: None,
            original: false,
            sack: true,
        };
        assert_eq!(undo.on_ack(&shown), evidence, "echo of {echo}");
    }
}

// RFC 3522 3.2: the answer is the one that covers what was sent again, not one for a segment before it.
#[test]
fn answer_for_an_earlier_repair_is_no_evidence_and_the_own_one_still_is() {
    let mut undo = Undo::default();
    undo.begin(false);
    undo.on_resent(ms(100), StreamRange::new(5000, 6000));
    let shown = |una| Shown {
        echo: Some(ms(70)),
        una,
        progress: true,
        duplicate: None,
        original: false,
        sack: true,
    };
    assert_eq!(undo.on_ack(&shown(5000)), None);
    assert_eq!(undo.on_ack(&shown(6000)), Some(Evidence::Eifel));
}

// RFC 3522: only the first answer after the retransmission can tell.
#[test]
fn later_answers_are_no_evidence_and_nothing_is_undone_twice() {
    let shown = |echo, duplicate: Option<(u64, u64)>| Shown {
        echo: Some(ms(echo)),
        una: 1000,
        progress: true,
        duplicate: duplicate.map(|(start, end)| StreamRange::new(start, end)),
        original: false,
        sack: true,
    };
    let mut undo = Undo::default();
    undo.begin(false);
    undo.on_resent(ms(100), StreamRange::new(0, 1000));
    assert_eq!(undo.on_ack(&shown(100, None)), None);
    assert_eq!(undo.on_ack(&shown(50, None)), None);
    assert_eq!(undo.on_ack(&shown(120, Some((0, 600)))), None);
    let rest = shown(120, Some((600, 1000)));
    assert_eq!(undo.on_ack(&rest), Some(Evidence::DSack));
    assert_eq!(undo.on_ack(&rest), None);
}

// RFC 3708 2: what arrived twice without having been sent twice was doubled by the path, and proves nothing.
#[test]
fn duplicate_of_something_sent_once_is_no_evidence() {
    let shown = |start, end| Shown {
        echo: None,
        una: 0,
        progress: false,
        duplicate: Some(StreamRange::new(start, end)),
        original: false,
        sack: true,
    };
    let mut undo = Undo::default();
    undo.begin(false);
    undo.on_resent(ms(100), StreamRange::new(5000, 6000));
    assert_eq!(undo.on_ack(&shown(2000, 3000)), None);
    assert_eq!(undo.on_ack(&shown(6000, 7000)), None);
    assert_eq!(undo.on_ack(&shown(5000, 6000)), Some(Evidence::DSack));
}

// RFC 6582 3.2 step 3: a partial acknowledgment takes off what it covers, less the repaired segment.
#[test]
fn partial_acknowledgment_takes_its_duplicates_off() {
    let mut dup = DupAcks::default();
    let meant: Vec<_> = (0..5).map(|_| dup.on_duplicate(10)).collect();
    assert_eq!(meant, [false, false, true, true, true]);
    dup.on_progress(3, true);
    assert_eq!((dup.count(), dup.bytes(1000)), (3, 3000));
    dup.set_guard(50);
    assert!(!dup.on_duplicate(50), "echoes of the repair");
    assert!(dup.on_duplicate(51));
    dup.on_progress(1, false);
    assert_eq!(dup.count(), 0);
}

/// A sender of ten segments at 1 s.
fn ten(sack: bool) -> (Recovery, Box<dyn Controller>) {
    let mut controller = Algorithm::NewReno.controller(1000);
    let mut recovery = Recovery::new(ms(1000), 1000, sack, rtt_of_20());
    for n in 0..10 {
        recovery.on_sent(
            ms(1000),
            StreamRange::new(n * 1000, (n + 1) * 1000),
            &mut *controller,
        );
    }
    (recovery, controller)
}

fn ack(
    r: &mut Recovery,
    c: &mut dyn Controller,
    now: Instant,
    una: u64,
    sack: &[StreamRange],
) -> AckOutcome {
    let input = AckInput {
        now,
        una,
        sack,
        echo: None,
        pure: true,
        marked: 0,
    };
    r.on_ack(&input, c)
}

// RFC 6298 3: the segments behind a repaired one waited for it at the peer; they time nothing.
#[test]
fn what_waited_for_a_repair_is_not_timed() {
    let (mut r, mut c) = ten(false);
    for n in 0..9 {
        let dup = ack(&mut r, &mut *c, ms(1020 + n), 0, &[]);
        assert_eq!(dup.rtt, None);
    }
    let repair = r.next_retransmission(&*c, 1000).unwrap();
    assert_eq!(repair, StreamRange::new(0, 1000));
    r.on_sent(ms(1030), repair, &mut *c);
    let all = ack(&mut r, &mut *c, ms(1130), 10_000, &[]);
    assert_eq!((all.acked, all.rtt), (10_000, None));
    assert!(all.recovered);
}

// With SACK what is timed left the last, and only once: 20 ms, not the 130 of the repaired one.
#[test]
fn latest_segment_sent_once_is_timed() {
    let (mut r, mut c) = ten(true);
    let blocks = [StreamRange::new(1000, 10_000)];
    let first = ack(&mut r, &mut *c, ms(1020), 0, &blocks);
    assert_eq!(first.rtt, Some(Duration::from_millis(20)));
    assert_eq!(first.lost.unwrap().hull, StreamRange::new(0, 1000));
    r.on_sent(ms(1020), StreamRange::new(0, 1000), &mut *c);
    let last = ack(&mut r, &mut *c, ms(1150), 10_000, &[]);
    assert_eq!(last.rtt, None);
}

/// A window of ten segments that only counts what it is told was delivered.
#[derive(Clone, Debug, Default)]
struct Counting {
    delivered: u64,
}

impl Controller for Counting {
    fn on_ack(&mut self, e: &AckEvent) {
        self.delivered += e.delivered;
    }
    fn on_congestion(&mut self, _e: &CongestionEvent) {}
    fn on_spurious(&mut self, _now: Instant) {}
    fn on_idle(&mut self, _e: &IdleEvent) {}
    fn on_takeover(&mut self, _before: &ControllerInfo) {}
    fn on_mss_change(&mut self, _mss: u32) {}
    fn cwnd(&self) -> u64 {
        10_000
    }
    fn ssthresh(&self) -> u64 {
        5_000
    }
    fn snapshot(&self) -> ControllerInfo {
        ControllerInfo {
            name: "counting",
            cwnd: self.cwnd(),
            ssthresh: self.ssthresh(),
            phase: Phase::Avoidance,
        }
    }
    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }
    fn fingerprint(&self, _now: Instant, _into: &mut dyn core::hash::Hasher) {}
}

// RFC 6937 3: a duplicate stands for a segment; the acknowledgment of all of them counts only the rest.
#[test]
fn bytes_counted_by_duplicates_are_not_counted_again() {
    let (mut r, _) = ten(false);
    let mut c = Counting::default();
    for n in 1..=7 {
        ack(&mut r, &mut c, ms(1020), 0, &[]);
        assert_eq!(c.delivered, n * 1000);
    }
    r.on_sent(ms(1020), StreamRange::new(0, 1000), &mut c);
    // The first and the ninth were lost: this covers the repair and the seven.
    let partial = ack(&mut r, &mut c, ms(1040), 8000, &[]);
    assert_eq!(partial.lost.unwrap().hull, StreamRange::new(8000, 9000));
    assert_eq!(c.delivered, 8000);
}

// RFC 2018 8: after reneging the same report counts as news again.
#[test]
fn report_after_reneging_is_news() {
    let (mut r, mut c) = ten(true);
    let blocks = [StreamRange::new(0, 10_000)];
    assert_eq!(ack(&mut r, &mut *c, ms(1020), 0, &blocks).sacked, 10_000);
    let (at, _) = r.deadline().unwrap();
    r.handle_timeout(at, &mut *c);
    assert_eq!(ack(&mut r, &mut *c, at, 0, &blocks).sacked, 10_000);
}

/// How long after it left a segment is given up, with another one delivered after 20 ms.
fn patience(rack: &Rack, rtt: &RttEstimator, in_recovery: bool) -> u64 {
    let (mut rack, mut records) = (rack.clone(), TxRecords::new());
    for n in 0..2 {
        let range = StreamRange::new(n * 1000, (n + 1) * 1000);
        records.on_sent(range, ms(0), n, STAMP);
        rack.on_sent(range, n);
    }
    records.on_sacked(StreamRange::new(1000, 2000), |part| {
        rack.on_delivered(ms(20), part, None, rtt.min());
    });
    let s = Situation {
        in_recovery,
        mss: 1000,
    };
    let found = rack.detect(ms(20), rtt, &s, &mut records);
    rack.deadline().map_or_else(
        || {
            assert!(found.is_some());
            20
        },
        |at| at.as_millis(),
    )
}

// RFC 8985 6.2 step 4: a quarter of 20 ms, another quarter for each round trip with a D-SACK, one round trip at most.
#[test]
fn each_duplicate_report_adds_a_quarter_up_to_the_round_trip() {
    let rtt = rtt_of_20();
    let mut rack = Rack::default();
    assert_eq!(patience(&rack, &rtt, false), 20 + 5);
    assert_eq!(
        patience(&rack, &rtt, true),
        20,
        "nothing was ever out of order"
    );
    rack.on_reordering();
    assert_eq!(patience(&rack, &rtt, true), 20 + 5);
    let mut seen = Vec::new();
    for n in 0..6 {
        // A second report in the same round trip counts as the first.
        rack.on_duplicate(n * 1000, (n + 1) * 1000);
        rack.on_duplicate(n * 1000, (n + 1) * 1000);
        seen.push(patience(&rack, &rtt, true) - 20);
    }
    assert_eq!(seen, [10, 15, 20, 20, 20, 20]);
}

// RFC 8985 6.2 step 4: the enlarged window lasts for sixteen recoveries.
#[test]
fn enlarged_window_shrinks_after_sixteen_recoveries() {
    let rtt = rtt_of_20();
    let mut rack = Rack::default();
    rack.on_reordering();
    rack.on_duplicate(0, 1000);
    for _ in 0..15 {
        rack.on_recovered();
        assert_eq!(patience(&rack, &rtt, true), 20 + 10);
    }
    rack.on_recovered();
    assert_eq!(patience(&rack, &rtt, true), 20 + 5);
}
