//! BBR: send at the rate the path delivers, with little more under way than it holds.
//!
//! Job: from delivery rates, round trips and losses, a model of the path; from the model a pacing rate and a window.
//! Owns: the model, the phase, the window. Does not know: how recovery is run; it sees only what was lost.
//! ```text
//!  STARTUP ──► DRAIN ──► PROBE_BW: DOWN ──► CRUISE ──► REFILL ──► UP ──► DOWN ..      PROBE_RTT every 5 s
//!  find the rate, empty the queue, leave room, probe for more                         find the round trip
//! ```
//! Version 3. Bytes, nanoseconds and thousandths: a run is the same on every machine. What the draft draws at random
//! follows from the count of delivered bytes. Against the draft: a round in which the sender held itself back lowers no
//! bound, losses are weighed by the sample of the acknowledgment that reveals them and not packet by packet, a classic ECN
//! echo counts as a loss, and counted marks (`marks.rs`) are weighed.
//! Sources: draft-ietf-ccwg-bbr 5 (the section numbers in this folder are its).

mod drain;
mod marks;
mod model;
mod parked;
mod probe_bw;
mod probe_rtt;
mod startup;

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

use super::{
    AckEvent, CongestionEvent, CongestionKind, Controller, ControllerInfo, IdleEvent,
    Parked as Kept, Phase as Shown, Rate, SentEvent, initial_window,
};
use model::Model;
pub use parked::Parked;
use probe_bw::{Cycle, Probing};
use probe_rtt::RttProbe;
use startup::FullPipe;

/// Which phase it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Startup,
    Drain,
    ProbeBw(Cycle),
    ProbeRtt,
}

/// The state of BBR.
#[derive(Clone, Debug)]
pub struct Bbr {
    mss: u64,
    state: State,
    model: Model,
    full: FullPipe,
    probing: Probing,
    rtt_probe: RttProbe,
    window: Window,
}

/// What is derived from the model.
#[derive(Clone, Copy, Debug, Hash)]
struct Window {
    cwnd: u64,
    pacing: Rate,
    /// The window before recovery or before the round trip was probed.
    prior: u64,
    recovering: bool,
    /// That has lasted for a round.
    recovering_long: bool,
    /// Nothing was under way when data last left.
    idle_restart: bool,
}

/// 2.8 pacing margin: one percent below the estimate, so that a queue drains.
const MARGIN: u64 = 990;
/// The least window, segments (2.8 MinPipeCwnd): enough for a peer that delays acknowledgments.
const MIN_PIPE: u64 = 4;
/// 2.8: after a loss seven tenths remain.
const BETA: u64 = 700;

fn per_mille(value: u64, gain: u64) -> u64 {
    let wide = u128::from(value) * u128::from(gain) / 1000;
    u64::try_from(wide).unwrap_or(u64::MAX)
}

impl Bbr {
    /// An initial window of segments of `mss` bytes.
    #[must_use]
    pub fn new(mss: u32) -> Self {
        let cwnd = initial_window(mss.max(1));
        Self {
            mss: u64::from(mss.max(1)),
            state: State::Startup,
            model: Model::default(),
            full: FullPipe::default(),
            probing: Probing::default(),
            rtt_probe: RttProbe::default(),
            window: Window {
                cwnd,
                // 5.6.2: before a round trip is known, one millisecond is assumed.
                pacing: Rate(per_mille(cwnd * 1000, startup::PACING_GAIN)),
                prior: 0,
                recovering: false,
                recovering_long: false,
                idle_restart: false,
            },
        }
    }

    const fn pacing_gain(&self) -> u64 {
        match self.state {
            State::Startup => startup::PACING_GAIN,
            State::Drain => drain::PACING_GAIN,
            State::ProbeBw(cycle) => cycle.pacing_gain(),
            State::ProbeRtt => 1000,
        }
    }

    const fn cwnd_gain(&self) -> u64 {
        match self.state {
            State::Startup | State::Drain => 2000,
            State::ProbeBw(cycle) => cycle.cwnd_gain(),
            State::ProbeRtt => probe_rtt::CWND_GAIN,
        }
    }

    const fn min_pipe(&self) -> u64 {
        MIN_PIPE * self.mss
    }

    /// 5.6.4.2: `gain` times what the path holds; the initial window while no round trip is known.
    fn bdp(&self, bw: Rate, gain: u64) -> u64 {
        let rtt = self.model.min_rtt();
        let Some(rtt) = rtt else {
            let mss = u32::try_from(self.mss).unwrap_or(u32::MAX);
            return initial_window(mss);
        };
        let bytes = u128::from(bw.0) * rtt.as_nanos() / 1_000_000_000;
        per_mille(u64::try_from(bytes).unwrap_or(u64::MAX), gain)
    }

    /// 5.6.4.2: with room for what the sender and its device handle at once.
    fn inflight(&self, bw: Rate, gain: u64) -> u64 {
        let budget = self
            .bdp(bw, gain)
            .max(3 * self.quantum())
            .max(self.min_pipe());
        let up = self.state == State::ProbeBw(Cycle::Up);
        budget + if up { 2 * self.mss } else { 0 }
    }

    /// 5.6.3: a millisecond's worth, at least two segments, at most 64 KiB.
    fn quantum(&self) -> u64 {
        (self.window.pacing.0 / 1000).clamp(2 * self.mss, (64 << 10).max(2 * self.mss))
    }

    fn save_cwnd(&mut self) {
        let w = &mut self.window;
        let undisturbed = !w.recovering && self.state != State::ProbeRtt;
        w.prior = if undisturbed {
            w.cwnd
        } else {
            w.prior.max(w.cwnd)
        };
    }

    fn enter_recovery(&mut self) {
        self.save_cwnd();
        self.window.recovering = true;
        self.window.recovering_long = false;
    }

    fn restore_cwnd(&mut self) {
        self.window.cwnd = self.window.cwnd.max(self.window.prior);
    }

    /// 5.6.2.
    fn set_pacing_rate(&mut self, gain: u64) {
        let bw = self.model.bw();
        if bw.0 == 0 {
            return;
        }
        let rate = Rate(per_mille(per_mille(bw.0, gain), MARGIN).max(1));
        if self.full.reached() || rate > self.window.pacing {
            self.window.pacing = rate;
        }
    }

    /// 5.6.2, initialisation: the first round trip says how fast the initial window may leave.
    fn first_round_trip(&mut self, rtt: Duration) {
        if self.model.bw().0 == 0 {
            let rate = Rate::new(self.window.cwnd, rtt);
            self.window.pacing = Rate(per_mille(rate.0, startup::PACING_GAIN).max(1));
        }
    }

    /// 5.6.4.6.
    fn set_cwnd(&mut self, e: &AckEvent) {
        let most = self.inflight(self.model.bw(), self.cwnd_gain()) + self.model.extra_acked();
        if self.full.reached() {
            self.window.cwnd = (self.window.cwnd + e.delivered).min(most);
        } else if self.window.cwnd < most || self.model.delivered() < 10 * self.mss {
            self.window.cwnd += e.delivered;
        }
        self.window.cwnd = self.window.cwnd.max(self.min_pipe());
        if self.state == State::ProbeRtt {
            self.window.cwnd = self.window.cwnd.min(self.probe_rtt_cwnd());
        }
        let cap = match self.state {
            State::Startup | State::Drain => u64::MAX,
            State::ProbeBw(Cycle::Cruise) | State::ProbeRtt => self.inflight_with_headroom(),
            State::ProbeBw(Cycle::Down | Cycle::Refill | Cycle::Up) => self.model.inflight_long(),
        };
        let cap = cap.min(self.model.inflight_short()).max(self.min_pipe());
        self.window.cwnd = self.window.cwnd.min(cap);
    }

    /// Recovery is over.
    fn follow_recovery(&mut self, e: &AckEvent) {
        if !self.window.recovering {
            return;
        }
        if !e.in_recovery {
            self.window.recovering = false;
            self.restore_cwnd();
        }
    }

    /// 5.2.3, the model and the state first, in the draft's order.
    fn update(&mut self, e: &AckEvent) {
        let e = &self.model.marked(e);
        let probing = self.is_probing();
        let cwnd = self.window.cwnd;
        self.model.on_ack(e, probing, cwnd, self.mss);
        self.window.recovering_long |= self.window.recovering && self.model.round_start();
        self.model.update_aggregation(e, cwnd, self.full.reached());
        self.full.on_ack(e, self.model.round_start());
        self.check_startup_high_loss(e);
        self.check_startup_done();
        self.check_drain_done(e);
        self.update_cycle(e);
        let expired = self.model.update_min_rtt(e);
        self.check_probe_rtt(e, expired);
        self.model.advance(e);
    }

    /// Whether more than the known rate is being tried: losses are expected then (5.5.10.3).
    const fn is_probing(&self) -> bool {
        matches!(
            self.state,
            State::Startup | State::ProbeBw(Cycle::Refill | Cycle::Up)
        )
    }
}

impl Controller for Bbr {
    fn on_sent(&mut self, e: &SentEvent) {
        // 5.4.1: restarting from idle, at the known rate.
        if e.in_flight > e.bytes || e.retransmission {
            return;
        }
        self.window.idle_restart = self.model.delivered() > 0;
        self.model.restart_aggregation(e.now);
        match self.state {
            State::ProbeBw(_) => self.set_pacing_rate(1000),
            State::ProbeRtt => self.check_probe_rtt_done(e.now),
            State::Startup | State::Drain => {}
        }
    }

    fn on_ack(&mut self, e: &AckEvent) {
        if let Some(rtt) = e.rtt {
            self.first_round_trip(rtt);
        }
        self.update(e);
        self.follow_recovery(e);
        self.set_pacing_rate(self.pacing_gain());
        self.set_cwnd(e);
        if e.delivered > 0 {
            self.window.idle_restart = false;
        }
    }

    fn on_congestion(&mut self, e: &CongestionEvent) {
        match e.kind {
            CongestionKind::Loss => {
                self.enter_recovery();
            }
            CongestionKind::Ecn => self.model.on_mark(),
            CongestionKind::Timeout | CongestionKind::TimeoutAgain => {
                self.enter_recovery();
                self.model.on_loss();
                self.window.cwnd = self.mss;
            }
        }
    }

    fn on_spurious(&mut self, _now: Instant) {
        // 5.6.4.4: what was thought lost was not: the bounds drawn from it go.
        self.window.recovering = false;
        self.model.forget_short_bounds();
        self.restore_cwnd();
    }

    /// The pacing rate, not the window, keeps a rested connection from bursting.
    fn on_idle(&mut self, _e: &IdleEvent) {}

    /// The threshold means nothing to it; the window is where the search for the rate begins.
    fn on_takeover(&mut self, before: &ControllerInfo) {
        self.window.cwnd = before.cwnd.max(self.min_pipe());
        self.window.pacing = Rate(per_mille(self.window.cwnd * 1000, startup::PACING_GAIN));
    }

    /// 5.6.2, initialisation: a round trip that is known counts, not the millisecond assumed.
    fn on_handshake(&mut self, rtt: Duration) {
        self.first_round_trip(rtt);
    }

    fn on_mss_change(&mut self, mss: u32) {
        self.mss = u64::from(mss.max(1));
        self.window.cwnd = self.window.cwnd.max(self.min_pipe());
    }

    fn cwnd(&self) -> u64 {
        self.window.cwnd
    }

    fn ssthresh(&self) -> u64 {
        u64::MAX
    }

    fn pacing_rate(&self) -> Option<Rate> {
        Some(self.window.pacing)
    }

    fn meters_recovery(&self) -> bool {
        true
    }

    fn snapshot(&self) -> ControllerInfo {
        ControllerInfo {
            name: "bbr",
            cwnd: self.window.cwnd,
            ssthresh: u64::MAX,
            phase: match self.state {
                State::Startup => Shown::SlowStart,
                State::Drain => Shown::Drain,
                State::ProbeBw(cycle) => cycle.shown(),
                State::ProbeRtt => Shown::ProbeRtt,
            },
        }
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn park(&self) -> Kept {
        Kept::Bbr(Box::new(self.doze()))
    }

    fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        self.model.fingerprint(now, into);
        self.probing.fingerprint(now, into);
        self.rtt_probe.fingerprint(now, into);
        (self.mss, self.state, self.full, self.window).hash(&mut into);
    }
}

#[cfg(test)]
mod tests;
