//! CUBIC: the window as a cubic function of time since the last loss.
//!
//! Job: grow fast far from the last window that was too large, slowly around it, and never slower than Reno.
//! Owns: cwnd, ssthresh, W_max, the epoch. Does not know: how recovery is run.
//! All in integers, bytes and milliseconds: C = 0.4 = 2/5 segments a second cubed, beta = 0.7 = 7/10,
//! so that a run is the same on every machine.
//! Sources: RFC 9438 4; slow start by RFC 9406.

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

use super::hystart::{Advice, HyStart};
use super::{
    AckEvent, CongestionEvent, CongestionKind, Controller, ControllerInfo, Habits, IdleEvent,
    Phase, decay, initial_window,
};
use crate::params::MIN_WINDOW_SEGMENTS;

/// W_est is kept in 2^-16 bytes.
const FRACTION: u32 = 16;

/// The state of CUBIC.
#[derive(Clone, Debug)]
pub struct Cubic {
    mss: u64,
    habits: Habits,
    state: State,
    /// The state before the last congestion event, should it prove a mistake (RFC 9438 4.9).
    before: Option<Box<State>>,
}

#[derive(Clone, Debug)]
struct State {
    cwnd: u64,
    ssthresh: u64,
    /// The window before the last reduction but one for fast convergence, bytes; zero before any.
    w_max: u64,
    /// cwnd_prior: the window before the last reduction.
    prior: u64,
    /// W_max is where a slow start without a threshold ended: up to twice of what the path takes (D-53).
    overshot: bool,
    /// Growth not yet worth a byte: a fraction of which the window is the whole.
    credit: u32,
    epoch: Option<Epoch>,
    hystart: HyStart,
    last_ack: Option<Instant>,
}

/// One stage of congestion avoidance.
#[derive(Clone, Copy, Debug)]
struct Epoch {
    start: Instant,
    /// K in milliseconds.
    k: u64,
    /// The plateau: W_max, or the window at the start if that is larger.
    origin: u64,
    /// W_est, what Reno would have, in 2^-16 bytes.
    reno: u64,
}

impl Cubic {
    /// An initial window of segments of `mss` bytes.
    #[must_use]
    pub fn new(mss: u32) -> Self {
        let mss = mss.max(1);
        Self {
            mss: u64::from(mss),
            habits: Habits::default(),
            state: State {
                cwnd: initial_window(mss),
                ssthresh: u64::MAX,
                w_max: 0,
                prior: 0,
                overshot: false,
                epoch: None,
                hystart: HyStart::new(),
                credit: 0,
                last_ack: None,
            },
            before: None,
        }
    }

    fn slow_start(&mut self, e: &AckEvent) {
        let s = &mut self.state;
        // RFC 9406 4.3: where a threshold was learned, slow start ends there.
        let advice = if s.ssthresh == u64::MAX {
            s.hystart.on_ack(e.rtt, e.round_start)
        } else {
            Advice::GrowBy(1)
        };
        match advice {
            Advice::GrowBy(divisor) => {
                let step = self
                    .habits
                    .counted(e)
                    .min(self.habits.slow_start_step(self.mss))
                    / divisor;
                s.cwnd = (s.cwnd + step).min(s.ssthresh);
            }
            Advice::Leave => s.ssthresh = s.cwnd,
        }
    }

    /// RFC 9438 4.2 to 4.5.
    fn avoid(&mut self, e: &AckEvent) {
        let (mss, acked) = (self.mss, self.habits.counted(e));
        let cwnd = self.state.cwnd.max(1);
        let mut epoch = *self
            .state
            .epoch
            .get_or_insert_with(|| Epoch::new(e.now, cwnd, self.state.w_max, mss));
        // 4.3: alpha is 3 (1 - beta) / (1 + beta) = 9/17 until the old window is reached, then one.
        let (num, den) = if epoch.reno >> FRACTION < self.state.prior {
            (9, 17)
        } else {
            (1, 1)
        };
        let step = (u128::from(acked * mss * num) << FRACTION) / u128::from(cwnd * den);
        epoch.reno = epoch.reno.saturating_add(narrow(step));
        self.state.epoch = Some(epoch);
        let age = e.now - epoch.start;
        let reno = epoch.reno >> FRACTION;
        if epoch.window(age, mss) < reno {
            // 4.3: the Reno-friendly region.
            self.state.cwnd = cwnd.max(reno);
            return;
        }
        let ahead = age + e.srtt.unwrap_or_default();
        let target = epoch.window(ahead, mss).clamp(cwnd, cwnd + cwnd / 2);
        let credit = u64::from(self.state.credit) + (target - cwnd).saturating_mul(acked);
        self.state.cwnd += credit / cwnd;
        self.state.credit = u32::try_from(credit % cwnd).unwrap_or(u32::MAX);
    }

    /// 4.6: the window becomes seven tenths of what was in use.
    fn reduce(&mut self, flight: u64) {
        let s = &mut self.state;
        s.prior = s.cwnd;
        // 4.7: fast convergence gives way to a newcomer. Less than an overshoot is no sign of one.
        s.w_max = if s.cwnd < s.w_max && !s.overshot {
            s.cwnd * 17 / 20
        } else {
            s.cwnd
        };
        s.overshot = s.ssthresh == u64::MAX;
        let used = if self.habits.reduce_window {
            s.cwnd
        } else {
            flight
        };
        s.ssthresh = (used * 7 / 10).max(MIN_WINDOW_SEGMENTS * self.mss);
        s.epoch = None;
        s.credit = 0;
        s.hystart = HyStart::new();
    }
}

impl Epoch {
    fn new(start: Instant, cwnd: u64, w_max: u64, mss: u64) -> Self {
        // Figure 2: K = cbrt((W_max - cwnd_epoch) / C), here in milliseconds.
        let below = u128::from(w_max.saturating_sub(cwnd));
        let cube = below * 5 * 1_000_000_000 / (2 * u128::from(mss));
        Self {
            start,
            k: cube_root(cube),
            origin: w_max.max(cwnd),
            reno: cwnd << FRACTION,
        }
    }

    /// Figure 1: W_cubic(t) = C (t - K)^3 + W_max, bytes.
    fn window(&self, age: Duration, mss: u64) -> u64 {
        let t = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let away = u128::from(t.abs_diff(self.k).min(1 << 30));
        let change = narrow(away * away * away * 2 * u128::from(mss) / 5_000_000_000);
        if t >= self.k {
            self.origin.saturating_add(change)
        } else {
            self.origin.saturating_sub(change)
        }
    }
}

fn narrow(wide: u128) -> u64 {
    u64::try_from(wide).unwrap_or(u64::MAX)
}

/// The largest whole number whose cube is at most `n`, bit by bit.
fn cube_root(n: u128) -> u64 {
    let mut root = 0u64;
    for bit in (0..=41).rev() {
        let candidate = u128::from(root | 1 << bit);
        if candidate * candidate * candidate <= n {
            root |= 1 << bit;
        }
    }
    root
}

impl Controller for Cubic {
    fn on_ack(&mut self, e: &AckEvent) {
        let last = self.state.last_ack.replace(e.now);
        if e.in_recovery {
            return;
        }
        if !e.cwnd_limited {
            // 4.2: time in which the window was not used does not count.
            if let (Some(epoch), Some(last)) = (&mut self.state.epoch, last) {
                epoch.start += e.now - last;
            }
            return;
        }
        if self.state.cwnd < self.state.ssthresh {
            self.slow_start(e);
        } else {
            self.avoid(e);
        }
    }

    fn on_congestion(&mut self, e: &CongestionEvent) {
        match e.kind {
            CongestionKind::Loss | CongestionKind::Ecn => {
                self.before = Some(Box::new(self.state.clone()));
                self.reduce(e.flight);
                self.state.cwnd = self.state.ssthresh;
            }
            CongestionKind::Timeout => {
                self.before = Some(Box::new(self.state.clone()));
                self.reduce(e.flight);
                // 4.8: the next stage begins at K = 0 from wherever slow start ends.
                self.state.w_max = 0;
                self.state.cwnd = self.mss;
            }
            CongestionKind::TimeoutAgain => self.state.cwnd = self.mss,
        }
    }

    fn on_spurious(&mut self, _now: Instant) {
        if let Some(before) = self.before.take() {
            let cwnd = self.state.cwnd.max(before.cwnd);
            self.state = State { cwnd, ..*before };
        }
    }

    fn on_idle(&mut self, e: &IdleEvent) {
        let s = &mut self.state;
        (s.cwnd, s.ssthresh) = decay(s.cwnd, s.ssthresh, self.mss, e.periods);
        self.state.epoch = None;
    }

    fn adopt(&mut self, habits: Habits) {
        self.habits = habits;
    }

    fn on_takeover(&mut self, before: &ControllerInfo) {
        self.state.cwnd = before.cwnd.max(self.mss);
        self.state.ssthresh = before.ssthresh;
    }

    fn on_mss_change(&mut self, mss: u32) {
        let mss = u64::from(mss.max(1));
        if mss < self.mss {
            self.state.cwnd = (self.state.cwnd / self.mss).max(1) * mss;
        }
        self.mss = mss;
        self.state.cwnd = self.state.cwnd.max(mss);
        self.state.epoch = None;
    }

    fn cwnd(&self) -> u64 {
        self.state.cwnd
    }

    fn ssthresh(&self) -> u64 {
        self.state.ssthresh
    }

    fn snapshot(&self) -> ControllerInfo {
        let s = &self.state;
        ControllerInfo {
            name: "cubic",
            cwnd: s.cwnd,
            ssthresh: s.ssthresh,
            phase: if s.cwnd >= s.ssthresh {
                Phase::Avoidance
            } else if s.hystart.conservative() {
                Phase::ConservativeSlowStart
            } else {
                Phase::SlowStart
            },
        }
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        self.mss.hash(&mut into);
        for state in core::iter::once(&self.state).chain(self.before.as_deref()) {
            (state.cwnd, state.ssthresh, state.w_max, state.prior).hash(&mut into);
            (state.overshot, state.credit, &state.hystart).hash(&mut into);
            let epoch = state.epoch.map(|e| (now - e.start, e.k, e.origin, e.reno));
            (epoch, state.last_ack.map(|at| now - at)).hash(&mut into);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::events::{ack, congestion};

    const MSS: u64 = 1000;

    /// A CUBIC that has just lost a packet of a window of `segments`.
    fn after_loss(segments: u64) -> Cubic {
        let mut c = Cubic::new(1000);
        c.state.cwnd = segments * MSS;
        c.on_congestion(&congestion(CongestionKind::Loss, segments * MSS));
        c
    }

    /// Acknowledges a full window each `rtt` until `until`.
    fn run(c: &mut Cubic, rtt: u64, until: u64) {
        let mut ms = 0;
        while ms < until {
            ms += rtt;
            for _ in 0..c.cwnd() / MSS {
                c.on_ack(&AckEvent {
                    now: Instant::from_millis(ms),
                    srtt: Some(Duration::from_millis(rtt)),
                    ..ack(MSS)
                });
            }
        }
    }

    #[test]
    fn cube_roots_are_exact() {
        for n in [0u64, 1, 2, 3, 1000, 1_000_000, (1 << 41) + 7] {
            let cube = u128::from(n).pow(3);
            assert_eq!(cube_root(cube), n);
            if n > 0 {
                assert_eq!(cube_root(cube + 1), n);
                assert_eq!(cube_root(cube - 1), n - 1);
            }
        }
    }

    // RFC 9438 4.6: beta = 0.7.
    #[test]
    fn loss_leaves_seven_tenths() {
        assert_eq!(after_loss(100).cwnd(), 70 * MSS);
    }

    // Figure 2: W_max 1000, cwnd 700: K = cbrt(300 / 0.4) = 9.0856 s.
    #[test]
    fn plateau_is_reached_after_k_seconds() {
        let epoch = Epoch::new(Instant::ZERO, 700 * MSS, 1000 * MSS, MSS);
        assert_eq!(epoch.k, 9085);
        let at = |ms| epoch.window(Duration::from_millis(ms), MSS) / MSS;
        assert_eq!(at(9085), 1000);
        // Figure 1 at t = 0: the window after the reduction; at t = 2 K: as far above.
        assert!((699..=701).contains(&at(0)), "{}", at(0));
        assert!((1299..=1300).contains(&at(18_170)), "{}", at(18_170));
    }

    // A long fat path: concave up to W_max around K, then convex beyond.
    #[test]
    fn long_path_follows_the_cubic_not_reno() {
        let mut c = after_loss(1000);
        run(&mut c, 100, 9_000);
        assert!(
            (985..=1001).contains(&(c.cwnd() / MSS)),
            "{}",
            c.cwnd() / MSS
        );
        run(&mut c, 100, 100);
        let mut c = after_loss(1000);
        run(&mut c, 100, 14_000);
        // 0.4 (14 - 9.0856)^3 = 47.5 above, and one round trip more.
        assert!(
            (1040..=1056).contains(&(c.cwnd() / MSS)),
            "{}",
            c.cwnd() / MSS
        );
    }

    // 4.3: on a short path Reno is faster and W_est leads: 9/17 segments a round trip up to the
    // window before the loss, one beyond.
    #[test]
    fn short_path_grows_like_reno() {
        let mut c = after_loss(10);
        run(&mut c, 1, 5);
        assert_eq!(c.cwnd() / MSS, 9, "7 + 5 * 9/17 = 9.6");
        run(&mut c, 1, 12);
        let segments = c.cwnd() / MSS;
        assert!(
            (19..=21).contains(&segments),
            "10 + 11 rounds, not {segments}"
        );
    }

    // 4.7: a second loss below the old maximum lowers it further: 0.85 of the window.
    #[test]
    fn second_loss_below_the_maximum_converges_fast() {
        let mut c = after_loss(100);
        c.state.cwnd = 100 * MSS;
        c.on_congestion(&congestion(CongestionKind::Loss, 100 * MSS));
        assert_eq!(c.state.w_max, 100 * MSS);
        c.on_congestion(&congestion(CongestionKind::Loss, 70 * MSS));
        assert_eq!(c.state.w_max, 70 * MSS * 17 / 20);
    }

    #[test]
    fn unused_window_neither_grows_nor_ages() {
        let mut c = after_loss(1000);
        run(&mut c, 100, 1_000);
        let before = c.cwnd();
        for ms in [2_000, 60_000] {
            c.on_ack(&AckEvent {
                now: Instant::from_millis(ms),
                cwnd_limited: false,
                ..ack(MSS)
            });
        }
        c.on_ack(&AckEvent {
            now: Instant::from_millis(60_001),
            ..ack(MSS)
        });
        assert!(c.cwnd() < before + MSS, "{} {}", c.cwnd(), before);
    }

    #[test]
    fn mistake_gives_everything_back() {
        let mut c = after_loss(100);
        c.on_spurious(Instant::ZERO);
        assert_eq!((c.cwnd(), c.ssthresh()), (100 * MSS, u64::MAX));
        assert_eq!(c.state.w_max, 0);
    }

    #[test]
    fn timeout_leaves_one_segment_and_forgets_the_plateau() {
        let mut c = Cubic::new(1000);
        c.on_congestion(&congestion(CongestionKind::Timeout, 10 * MSS));
        assert_eq!((c.cwnd(), c.ssthresh()), (MSS, 7 * MSS));
        assert_eq!(c.state.w_max, 0);
    }
}
