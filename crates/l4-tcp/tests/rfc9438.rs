//! RFC 9438, CUBIC: the controller beside the document's equations, computed here in floating point and segments.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "tests"
)]

use core::time::Duration;

use outcrop_base::Instant;
use outcrop_tcp::congestion::{
    AckEvent, CongestionEvent, CongestionKind, Controller, Cubic, IdleEvent, Phase,
};

const MSS: u64 = 1000;
/// 4.1 and 4.6.
const C: f64 = 0.4;
const BETA: f64 = 0.7;

fn ack(ms: u64, rtt: u64) -> AckEvent {
    AckEvent {
        now: Instant::from_millis(ms),
        acked: MSS,
        delivered: MSS,
        prior_in_flight: 0,
        in_flight: 0,
        lost: 0,
        cwnd_limited: true,
        in_recovery: false,
        round_start: false,
        rtt: None,
        srtt: Some(Duration::from_millis(rtt)),
        min_rtt: None,
        rate: None,
        marked: 0,
    }
}

fn congestion(ms: u64, kind: CongestionKind, flight: u64) -> CongestionEvent {
    CongestionEvent {
        now: Instant::from_millis(ms),
        kind,
        flight,
    }
}

/// The equations of section 4, in segments and seconds.
#[derive(Clone, Debug)]
struct Model {
    cwnd: f64,
    w_max: f64,
    cwnd_prior: f64,
    w_est: f64,
    k: f64,
    epoch: Option<f64>,
}

impl Model {
    fn at(cwnd: f64) -> Self {
        Self {
            cwnd,
            w_max: 0.0,
            cwnd_prior: 0.0,
            w_est: 0.0,
            k: 0.0,
            epoch: None,
        }
    }

    /// 4.6 and 4.7.
    fn lose(&mut self) {
        self.cwnd_prior = self.cwnd;
        self.w_max = if self.cwnd < self.w_max {
            self.cwnd * (1.0 + BETA) / 2.0
        } else {
            self.cwnd
        };
        self.cwnd = (self.cwnd * BETA).max(2.0);
        self.epoch = None;
    }

    /// 4.8: K is zero and W_max the window where congestion avoidance begins.
    fn begin_without_plateau(&mut self, now: f64) {
        self.w_max = self.cwnd;
        self.epoch = Some(now);
        self.k = 0.0;
        self.w_est = self.cwnd;
    }

    /// 4.2, figure 1.
    fn w_cubic(&self, t: f64) -> f64 {
        C * (t - self.k).powi(3) + self.w_max
    }

    /// 4.2 to 4.5, one segment acknowledged.
    fn ack(&mut self, now: f64, rtt: f64) {
        if self.epoch.is_none() {
            self.epoch = Some(now);
            // Figure 2.
            self.k = ((self.w_max - self.cwnd) / C).cbrt();
            self.w_est = self.cwnd;
        }
        let t = now - self.epoch.unwrap_or(now);
        // 4.3, figure 4.
        let alpha = if self.w_est < self.cwnd_prior {
            3.0 * (1.0 - BETA) / (1.0 + BETA)
        } else {
            1.0
        };
        self.w_est += alpha / self.cwnd;
        if self.w_cubic(t) < self.w_est {
            self.cwnd = self.cwnd.max(self.w_est);
            return;
        }
        let target = self.w_cubic(t + rtt).clamp(self.cwnd, 1.5 * self.cwnd);
        self.cwnd += (target - self.cwnd) / self.cwnd;
    }
}

fn segments(c: &Cubic) -> f64 {
    c.cwnd() as f64 / MSS as f64
}

/// A CUBIC grown to `window` segments by slow start without any round trip to judge by.
fn grown_to(window: u64) -> Cubic {
    let mut c = Cubic::new(MSS as u32);
    while c.cwnd() < window * MSS {
        let missing = window * MSS - c.cwnd();
        c.on_ack(&AckEvent {
            acked: missing.min(MSS),
            ..ack(0, 100)
        });
    }
    assert_eq!(c.cwnd(), window * MSS);
    c
}

/// Both have lost a packet of a window of `window` segments.
fn after_loss(window: u64) -> (Cubic, Model) {
    let (mut c, mut model) = (grown_to(window), Model::at(window as f64));
    c.on_congestion(&congestion(0, CongestionKind::Loss, window * MSS));
    model.lose();
    (c, model)
}

/// A window acknowledged each round trip, from `from` for `rounds`; compares after each.
#[track_caller]
fn run_beside(c: &mut Cubic, model: &mut Model, rtt: u64, from: u64, rounds: u64) -> u64 {
    let mut ms = from;
    for round in 0..rounds {
        ms += rtt;
        for _ in 0..c.cwnd() / MSS {
            c.on_ack(&ack(ms, rtt));
            model.ack(ms as f64 / 1e3, rtt as f64 / 1e3);
        }
        let (have, want) = (segments(c), model.cwnd);
        assert!(
            (have - want).abs() <= 0.01 * want + 0.1,
            "round {round} at {ms} ms: {have} segments, not {want:.2}"
        );
    }
    ms
}

// 4.2 to 4.5: concave, plateau and convex on long paths, Reno-friendly on short ones.
#[test]
fn window_follows_the_equations_on_every_kind_of_path() {
    for (window, rtt, rounds) in [
        (1_000, 100, 200),
        (1_000, 20, 800),
        (5_000, 50, 300),
        (200, 100, 200),
        (100, 10, 1_000),
        (20, 5, 400),
        (10, 1, 200),
        (40, 300, 100),
    ] {
        let (mut c, mut model) = after_loss(window);
        run_beside(&mut c, &mut model, rtt, 0, rounds);
    }
}

// 4.6: seven tenths of what was in flight; never below two segments.
#[test]
fn loss_leaves_seven_tenths_and_two_segments_at_least() {
    for (flight, want) in [(1_000, 700), (100, 70), (10, 7), (3, 2), (1, 2)] {
        let mut c = grown_to(1_000);
        c.on_congestion(&congestion(0, CongestionKind::Loss, flight * MSS));
        let threshold = c.ssthresh() as f64 / MSS as f64;
        assert!(
            (threshold - f64::from(want)).abs() < 0.2,
            "{flight}: {threshold}"
        );
        assert_eq!(c.cwnd(), c.ssthresh());
    }
}

// 4.6: a mark counts as a loss does.
#[test]
fn mark_leaves_seven_tenths() {
    let mut c = grown_to(100);
    c.on_congestion(&congestion(0, CongestionKind::Ecn, 100 * MSS));
    assert_eq!((c.cwnd(), c.ssthresh()), (70 * MSS, 70 * MSS));
}

// 4.7: a loss below the last plateau lowers the next one by more: 0.85 of the window.
#[test]
fn second_loss_below_the_plateau_aims_lower() {
    let (mut c, mut model) = after_loss(1_000);
    let mut now = 0;
    for (rounds, below) in [(110, false), (30, true)] {
        now = run_beside(&mut c, &mut model, 100, now, rounds);
        assert_eq!(model.cwnd < model.w_max, below);
        let flight = c.cwnd();
        c.on_congestion(&congestion(now, CongestionKind::Loss, flight));
        model.lose();
    }
    run_beside(&mut c, &mut model, 100, now, 200);
}

// D-53: a slow start that knew no threshold ends far beyond what the path takes. That the next loss comes below is no
// sign of a newcomer, and the plateau is where it came.
#[test]
fn slow_start_overshot_the_path_next_loss_below_is_the_plateau() {
    let (mut c, mut model) = after_loss(1_000);
    let now = run_beside(&mut c, &mut model, 100, 0, 30);
    assert!(model.cwnd < model.w_max, "still below");
    let flight = c.cwnd();
    c.on_congestion(&congestion(now, CongestionKind::Loss, flight));
    model.w_max = 0.0;
    model.lose();
    run_beside(&mut c, &mut model, 100, now, 200);
}

// 4.7: a loss above it does not.
#[test]
fn second_loss_above_the_plateau_aims_at_the_window_it_came_from() {
    let (mut c, mut model) = after_loss(500);
    let now = run_beside(&mut c, &mut model, 100, 0, 150);
    assert!(model.cwnd > model.w_max);
    let flight = c.cwnd();
    c.on_congestion(&congestion(now, CongestionKind::Loss, flight));
    model.lose();
    run_beside(&mut c, &mut model, 100, now, 200);
}

// 4.8: one segment, slow start to seven tenths, then from there with K = 0.
#[test]
fn timeout_starts_from_one_segment_and_a_new_plateau() {
    let mut c = grown_to(100);
    c.on_congestion(&congestion(0, CongestionKind::Timeout, 100 * MSS));
    assert_eq!((c.cwnd(), c.ssthresh()), (MSS, 70 * MSS));
    c.on_congestion(&congestion(0, CongestionKind::TimeoutAgain, MSS));
    assert_eq!(
        (c.cwnd(), c.ssthresh()),
        (MSS, 70 * MSS),
        "it is the same loss"
    );
    assert_eq!(c.snapshot().phase, Phase::SlowStart);
    for sent in 1..70 {
        assert_eq!(c.cwnd(), sent * MSS);
        c.on_ack(&ack(100, 100));
    }
    assert_eq!(c.snapshot().phase, Phase::Avoidance);
    let mut model = Model::at(70.0);
    model.cwnd_prior = 100.0;
    model.begin_without_plateau(0.2);
    run_beside(&mut c, &mut model, 100, 100, 150);
}

// 4.2, 5.8: time in which the program did not fill the window does not count, nor does the window grow in it.
#[test]
fn pause_of_the_program_takes_no_part_in_the_curve() {
    let (mut c, mut model) = after_loss(1_000);
    let now = run_beside(&mut c, &mut model, 100, 0, 30);
    let before = c.cwnd();
    for ms in (now..now + 20_000).step_by(100) {
        c.on_ack(&AckEvent {
            cwnd_limited: false,
            ..ack(ms, 100)
        });
        assert_eq!(c.cwnd(), before);
    }
    // The model's clock stood still.
    model.epoch = model.epoch.map(|epoch| epoch + 19.9);
    run_beside(&mut c, &mut model, 100, now + 19_900, 100);
}

// 4.2: the target is at most half as much again as the window.
#[test]
fn target_is_bounded_by_one_and_a_half_windows() {
    let (mut c, mut model) = after_loss(10);
    c.on_ack(&ack(0, 100));
    model.ack(0.0, 0.1);
    // A minute later the curve is far above.
    for _ in 0..c.cwnd() / MSS {
        c.on_ack(&ack(60_000, 100));
        model.ack(60.0, 0.1);
    }
    assert!((segments(&c) - model.cwnd).abs() < 0.1);
    assert!(segments(&c) < 7.0 * 1.7, "{}", segments(&c));
}

// 4.9: a reduction that was a mistake leaves no trace in the curve.
#[test]
fn mistaken_reduction_gives_the_whole_curve_back() {
    for kind in [CongestionKind::Loss, CongestionKind::Timeout] {
        let (mut c, mut model) = after_loss(1_000);
        let now = run_beside(&mut c, &mut model, 100, 0, 50);
        let before = (c.cwnd(), c.ssthresh());
        c.on_congestion(&congestion(now, kind, before.0));
        assert!(c.cwnd() < before.0);
        c.on_spurious(Instant::from_millis(now));
        assert_eq!((c.cwnd(), c.ssthresh()), before);
        run_beside(&mut c, &mut model, 100, now, 100);
    }
}

// 4.2: nothing grows while a loss is repaired.
#[test]
fn window_stands_still_in_recovery() {
    let (mut c, _) = after_loss(100);
    for ms in 0..500 {
        c.on_ack(&AckEvent {
            in_recovery: true,
            ..ack(ms, 100)
        });
    }
    assert_eq!(c.cwnd(), 70 * MSS);
}

// 4.2: segments acknowledged together count as many.
#[test]
fn acknowledgments_of_two_segments_grow_the_window_as_two_of_one() {
    let (mut one, _) = after_loss(400);
    let (mut two, _) = after_loss(400);
    for ms in (100..8_000).step_by(100) {
        for _ in 0..one.cwnd() / MSS {
            one.on_ack(&ack(ms, 100));
        }
        for _ in 0..two.cwnd() / (2 * MSS) {
            two.on_ack(&AckEvent {
                acked: 2 * MSS,
                ..ack(ms, 100)
            });
        }
    }
    let (one, two) = (segments(&one), segments(&two));
    assert!((one - two).abs() < 0.01 * one, "{one} {two}");
}

// RFC 5681 4.1 for a window that rested (D-25).
#[test]
fn window_that_rested_is_halved_for_each_timeout() {
    let mut c = grown_to(160);
    c.on_idle(&IdleEvent {
        now: Instant::from_millis(0),
        periods: 2,
    });
    assert_eq!((c.cwnd(), c.ssthresh()), (40 * MSS, u64::MAX));
}
