//! BBR on a path of known rate, delay and queue, in virtual time.

use super::*;
use crate::rate::RateEstimator;
use crate::segment::StreamRange;
use crate::tx_record::TxRecords;
use std::collections::VecDeque;

const MSS: u64 = 1000;

/// A sender without a program's limits over a bottleneck: 1 MB/s, 40 ms, so that 40,000 bytes fill it.
struct PathModel {
    bbr: Bbr,
    rate: RateEstimator,
    records: TxRecords,
    now: Instant,
    next_send: Instant,
    /// When the bottleneck has sent all it holds.
    busy: Instant,
    /// Offset after each segment under way, when it is acknowledged, and when it left.
    wire: VecDeque<(u64, Instant, Instant)>,
    sent: u64,
    /// Bytes the queue holds before it drops; drops are told as losses at once.
    queue: Duration,
    bandwidth: u64,
    phases: Vec<&'static str>,
    lost: u64,
    min_rtt: Duration,
    /// Packets that wait for longer are marked, and counted.
    marking: Option<Duration>,
    delay: Duration,
    /// The most that was under way.
    most: u64,
}

const DELAY: Duration = Duration::from_millis(40);

impl PathModel {
    fn new(queue: Duration) -> Self {
        Self {
            bbr: Bbr::new(1000),
            rate: RateEstimator::new(Instant::ZERO),
            records: TxRecords::new(),
            now: Instant::from_secs(1),
            next_send: Instant::ZERO,
            busy: Instant::ZERO,
            wire: VecDeque::new(),
            sent: 0,
            queue,
            bandwidth: 1_000_000,
            phases: Vec::new(),
            lost: 0,
            min_rtt: Duration::MAX,
            marking: None,
            delay: DELAY,
            most: 0,
        }
    }

    fn send(&mut self) {
        while self.records.in_flight() + MSS <= self.bbr.cwnd() && self.next_send <= self.now {
            let nxt = self.records.nxt();
            let stamp = self.rate.on_sent(self.now, self.records.in_flight(), MSS);
            self.sent += 1;
            self.records
                .on_sent(StreamRange::new(nxt, nxt + MSS), self.now, self.sent, stamp);
            self.bbr.on_sent(&SentEvent {
                now: self.now,
                bytes: MSS,
                in_flight: self.records.in_flight(),
                retransmission: false,
            });
            let start = self.busy.max(self.now);
            // What the queue cannot take counts as lost and takes its turn again.
            if start - self.now > self.queue {
                self.lost += MSS;
            }
            self.busy = start + Rate(self.bandwidth).time_for(MSS);
            self.wire
                .push_back((nxt + MSS, self.busy + self.delay, self.now));
            let rate = self.bbr.pacing_rate().unwrap();
            self.next_send = self.next_send.max(self.now) + rate.time_for(MSS);
        }
    }

    fn run(&mut self, time: Duration) -> u64 {
        let end = self.now + time;
        let before = self.rate.delivered();
        while self.now < end {
            self.send();
            let ack = self.wire.front().map(|(_, at, _)| *at);
            let room = self.records.in_flight() + MSS <= self.bbr.cwnd();
            let send = room.then_some(self.next_send);
            let next = [ack, send].into_iter().flatten().min().unwrap();
            self.now = self.now.max(next);
            if ack.is_some_and(|at| at <= self.now) {
                self.acknowledge();
            }
        }
        self.rate.delivered() - before
    }

    fn acknowledge(&mut self) {
        let (una, _, sent) = self.wire.pop_front().unwrap();
        let (now, rate) = (self.now, &mut self.rate);
        let prior_in_flight = self.records.in_flight();
        self.most = self.most.max(prior_in_flight);
        let lost = core::mem::take(&mut self.lost);
        rate.on_lost(lost);
        self.records
            .on_ack(una, |part| rate.on_delivered(now, part));
        let rtt = self.now - sent;
        self.min_rtt = self.min_rtt.min(rtt);
        let sample = rate.sample(Some(self.min_rtt));
        let waited = rtt.saturating_sub(self.delay);
        let marked = u64::from(self.marking.is_some_and(|most| waited > most));
        let cwnd = self.bbr.cwnd();
        self.bbr.on_ack(&AckEvent {
            now,
            acked: MSS,
            delivered: MSS,
            prior_in_flight,
            in_flight: self.records.in_flight(),
            lost,
            cwnd_limited: prior_in_flight + MSS >= cwnd,
            in_recovery: false,
            round_start: rate.round_started(),
            rtt: Some(rtt),
            srtt: Some(rtt),
            min_rtt: Some(self.min_rtt),
            rate: sample,
            marked,
            counted: self.marking.is_some(),
        });
        let phase = self.bbr.snapshot().phase.name();
        if self.phases.last() != Some(&phase) {
            self.phases.push(phase);
        }
    }
}

// 5.3: the phases in the figure's order.
#[test]
fn fresh_flow_goes_from_startup_through_drain_into_the_cycle() {
    let mut path = PathModel::new(Duration::from_secs(10));
    path.run(Duration::from_secs(4));
    // DRAIN has already left the room that DOWN is for: CRUISE follows with the same acknowledgment.
    let expected = [
        "slow-start",
        "drain",
        "cruise",
        "refill",
        "probe-up",
        "probe-down",
    ];
    assert_eq!(&path.phases[..6], expected, "{:?}", path.phases);
}

// 3.3 and 4: the rate of the bottleneck, and about one product of rate and delay under way. A loss-based sender
// would fill the ten-second queue.
#[test]
fn deep_queue_stays_short_and_the_pipe_full() {
    let mut path = PathModel::new(Duration::from_secs(10));
    path.run(Duration::from_secs(3));
    let delivered = path.run(Duration::from_secs(10));
    assert!(delivered > 9_000_000, "{delivered} of 10 MB");
    let queue = path.busy - path.now;
    assert!(queue < 2 * DELAY, "{queue:?} queued");
    assert!(path.bbr.cwnd() < 200_000, "{}", path.bbr.cwnd());
}

// 5.6.2: the rate is estimated within the gains of the cycle and the margin of one percent.
#[test]
fn estimate_agrees_with_the_bottleneck() {
    let mut path = PathModel::new(Duration::from_secs(10));
    path.run(Duration::from_secs(5));
    let bw = path.bbr.model.bw().0;
    assert!((950_000..=1_050_000).contains(&bw), "{bw}");
    let rtt = path.bbr.model.min_rtt().unwrap();
    assert!(rtt < DELAY + Duration::from_millis(5), "{rtt:?}");
}

// 5.3.4: every five seconds at most, for 200 ms, with half a pipe or four segments under way.
#[test]
fn round_trip_is_probed_and_the_window_comes_back() {
    let mut path = PathModel::new(Duration::from_secs(10));
    path.run(Duration::from_secs(30));
    let probes = path.phases.iter().filter(|p| **p == "probe-rtt").count();
    assert!((1..=6).contains(&probes), "{probes} in 30 s");
    assert!(path.bbr.cwnd() >= 40_000 / 2, "{}", path.bbr.cwnd());
}

// 5.5.7: a faster path is found by the next probes.
#[test]
fn bandwidth_that_doubles_is_found_in_seconds() {
    let mut path = PathModel::new(Duration::from_secs(10));
    path.run(Duration::from_secs(5));
    path.bandwidth *= 2;
    path.run(Duration::from_secs(15));
    let bw = path.bbr.model.bw().0;
    assert!(bw > 1_700_000, "{bw}");
}

// 2.8 BBRLossThresh: a shallow queue teaches a bound, and the rate is kept near the bottleneck's.
#[test]
fn shallow_queue_bounds_what_is_under_way() {
    let mut path = PathModel::new(Duration::from_millis(10));
    let delivered = path.run(Duration::from_secs(10));
    assert!(delivered > 8_000_000, "{delivered}");
    assert!(path.bbr.model.inflight_long() < 200_000);
}

// RFC 5681 says one segment after a timeout; BBR's window grows back by what is delivered.
#[test]
fn timeout_leaves_one_segment_and_a_mistake_gives_it_back() {
    let mut bbr = Bbr::new(1000);
    let before = bbr.cwnd();
    bbr.on_congestion(&CongestionEvent {
        now: Instant::ZERO,
        kind: CongestionKind::Timeout,
        flight: before,
    });
    assert_eq!(bbr.cwnd(), 1000);
    bbr.on_spurious(Instant::ZERO);
    assert_eq!(bbr.cwnd(), before);
}

/// 10 MB/s over 2 ms, 20,000 bytes, with or without marks for what waits longer than a quarter of that: what is under way
/// at most once it has settled, and the bytes of two seconds.
fn short_path(marking: Option<Duration>) -> (u64, u64) {
    let mut path = PathModel::new(Duration::from_secs(10));
    path.delay = Duration::from_millis(2);
    path.bandwidth = 10_000_000;
    path.marking = marking;
    path.run(Duration::from_secs(2));
    path.most = 0;
    let delivered = path.run(Duration::from_secs(2));
    (path.most, delivered)
}

// The share of marked packets tells how much is too much before anything is lost.
#[test]
fn short_path_counts_marks_less_is_under_way_and_the_rate_is_kept() {
    let (unmarked, all) = short_path(None);
    let (marked, delivered) = short_path(Some(Duration::from_micros(500)));
    assert!(marked * 10 < unmarked * 9, "{marked} of {unmarked} bytes");
    assert!(delivered * 10 > all * 9, "{delivered} of {all} bytes");
}

// A threshold that nothing reaches changes nothing.
#[test]
fn short_path_marks_nothing_nothing_changes() {
    assert_eq!(short_path(Some(Duration::from_secs(1))), short_path(None));
}

// RFC 3168 5: on a long path a mark is as good as a loss, counted or not; on a short one its share decides.
#[test]
fn news_of_a_mark_bounds_a_long_path_and_alone_no_short_one() {
    for (delay, bounded) in [(DELAY, true), (Duration::from_millis(2), false)] {
        let mut path = PathModel::new(Duration::from_secs(10));
        path.delay = delay;
        path.marking = Some(Duration::from_secs(1));
        while path.phases.last() != Some(&"cruise") {
            path.run(delay);
        }
        assert_eq!(path.bbr.model.inflight_short(), u64::MAX);
        path.bbr.on_congestion(&CongestionEvent {
            now: path.now,
            kind: CongestionKind::Ecn,
            flight: path.records.in_flight(),
        });
        path.run(2 * delay);
        let has = path.bbr.model.inflight_short() < u64::MAX;
        assert_eq!(has, bounded, "{delay:?}");
    }
}

// 5.3.4.3: what was measured while the sender held itself back says nothing about the path, and lost packets do not change that.
#[test]
fn round_trip_probed_with_losses_in_it_the_rate_stays_what_the_path_gives() {
    let mut path = PathModel::new(Duration::MAX);
    while path.bbr.state != State::ProbeRtt {
        path.run(Duration::from_millis(10));
    }
    while path.bbr.state == State::ProbeRtt {
        path.lost += MSS;
        path.run(Duration::from_millis(10));
    }
    assert_eq!(path.bbr.state, State::ProbeBw(Cycle::Cruise));
    path.lost += MSS;
    path.run(4 * DELAY);
    let rate = path.bbr.pacing_rate().unwrap().0;
    assert!(rate >= per_mille(path.bandwidth, 970), "{rate}");
}

// 5.6.4.6: the window follows the model; losses that do not change it leave the window alone.
#[test]
fn losses_found_in_recovery_the_window_stays_with_the_model() {
    let mut path = PathModel::new(Duration::MAX);
    while path.bbr.state != State::ProbeBw(Cycle::Cruise) {
        path.run(Duration::from_millis(10));
    }
    let before = path.bbr.cwnd();
    path.bbr.on_congestion(&CongestionEvent {
        now: path.now,
        kind: CongestionKind::Loss,
        flight: path.records.in_flight(),
    });
    path.lost = 5 * MSS;
    path.acknowledge();
    assert!(path.bbr.cwnd() >= before, "{}, {before}", path.bbr.cwnd());
}
