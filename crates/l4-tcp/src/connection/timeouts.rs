//! What time does to a connection.
//!
//! Job: arm the timers of the connection as a whole, and act when any timer is due.
//! Owns: nothing. Does not know: what recovery makes of a late acknowledgment.
//! Sources: RFC 9293 3.10.8 (timeouts), 3.8.3 (R1, R2), 3.8.4 (keep-alive), 3.6.1 (orphans).
//!
//! Retransmission, probing and delayed acknowledgments keep their own deadlines, in `recovery`, `send` and
//! `recv`; being due they speak up at the flush.

use outcrop_base::{Cause, FactKind, Instant, TimerKind, Why};

use super::acknowledge::tell_lost;
use super::{Connection, Cx};
use crate::event::CloseReason;
use crate::plpmtud::SizeFate;
use crate::recovery::Fired;
use crate::state::State;
use crate::timers::Timer;

/// What is stated when R1 is reached.
const DOUBT: &str = "R1 is reached: the program is told, and IP is to doubt the path";

impl Connection {
    /// When the connection next wants to be called.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        if self.life.over.is_some() {
            return None;
        }
        Instant::first_of([
            self.timers.next(),
            self.recovery.next_timeout(),
            self.recv.deadline(),
            self.syn.as_ref().and_then(|syn| syn.next_timeout()),
            self.send.persist().deadline(),
        ])
    }

    /// Acts on every timer that is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, cx: &mut Cx<'_>) {
        self.opening_timeout(now, cx);
        while self.life.over.is_none()
            && let Some(timer) = self.timers.pop_due(now)
        {
            self.fired(timer.kind(), cx);
            match timer {
                Timer::UserTimeout if self.settings.quiet_timeout => {
                    self.end(CloseReason::TimedOut, cx);
                }
                Timer::UserTimeout => self.reset(Why::ResetTimedOut, cx),
                Timer::FinWait2 => self.end(CloseReason::TimedOut, cx),
                Timer::Linger => self.linger_fired(cx),
                Timer::KeepAlive => self.keep_alive_fired(now, cx),
                Timer::Pacing => {}
            }
        }
        if self.life.over.is_some() {
            return;
        }
        if self.recv.deadline().is_some_and(|at| at <= now) {
            self.fired(TimerKind::DelayedAck, cx);
        }
        if self.send.persist().deadline().is_some_and(|at| at <= now) {
            self.fired(TimerKind::Persist, cx);
        }
        self.recovery_fired(now, cx);
    }

    pub(super) fn fired(&mut self, timer: TimerKind, cx: &mut Cx<'_>) {
        self.life.cause = Cause::Timer(timer);
        cx.cause = self.life.cause;
        cx.emit(FactKind::TimerFired { timer });
    }

    /// Lets recovery look at what is late, until nothing is.
    fn recovery_fired(&mut self, now: Instant, cx: &mut Cx<'_>) {
        while let Some((at, timer)) = self.recovery.deadline()
            && at <= now
        {
            self.fired(timer, cx);
            match self.recovery.handle_timeout(now, &mut *self.way.congestion) {
                Fired::Nothing => return,
                Fired::Rto { lost, count } => {
                    if count == self.settings.r1 && count > 0 {
                        self.doubt_the_path();
                        cx.emit(FactKind::Remark(DOUBT));
                    }
                    self.ecn.on_reduced();
                    self.account.on_timeout(now);
                    tell_lost(&lost, cx);
                    self.tell_congestion("timeout", cx);
                    let _probe = self.hear_size_fate(now, cx);
                    self.suspect_black_hole(now, cx);
                }
                Fired::Reordering { lost: Some(lost) } => {
                    if self.hear_size_fate(now, cx) != Some(SizeFate::Lost) {
                        self.ecn.on_reduced();
                    }
                    tell_lost(&lost, cx);
                }
                Fired::Reordering { lost: None } | Fired::TailLossProbe => {}
            }
        }
    }

    /// Starts the limit on unacknowledged data, if it does not run.
    pub(super) fn arm_user_timeout(&mut self, now: Instant) {
        let limit = self.user_timeout();
        self.timers.arm_if_idle(Timer::UserTimeout, now + limit);
    }

    /// The peer has made progress: the limit starts anew for what is left, or stops.
    pub(super) fn renew_user_timeout(&mut self, now: Instant) {
        self.timers.stop(Timer::UserTimeout);
        if self.send.una() < self.send.nxt() || self.send.persist().deadline().is_some() {
            self.arm_user_timeout(now);
        }
    }

    /// Starts keep-alive if the program wants it and it does not run; stops it if not.
    pub(super) fn arm_keep_alive(&mut self, now: Instant) {
        match self.keep_alive() {
            None => self.timers.stop(Timer::KeepAlive),
            Some(wanted) => {
                let at = (self.life.heard_at + wanted.idle).max(now);
                self.timers.arm_if_idle(Timer::KeepAlive, at);
            }
        }
    }

    /// The peer may have been heard since the timer was armed: then it waits on.
    fn keep_alive_fired(&mut self, now: Instant, cx: &mut Cx<'_>) {
        let Some(wanted) = self.keep_alive() else {
            return;
        };
        let silence = now - self.life.heard_at;
        let outstanding = self.send.una() < self.send.nxt();
        if silence < wanted.idle {
            self.life.keep_alive_probes = 0;
            let at = self.life.heard_at + wanted.idle;
            self.timers.set(Timer::KeepAlive, Some(at));
        } else if outstanding {
            // MUST-26: only while nothing is outstanding; data asks the same question.
            self.timers.set(Timer::KeepAlive, Some(now + wanted.idle));
        } else if self.life.keep_alive_probes >= wanted.probes {
            self.reset(Why::ResetTimedOut, cx);
        } else {
            self.life.keep_alive_probes += 1;
            self.life.keep_alive_due = true;
            let at = now + wanted.interval;
            self.timers.set(Timer::KeepAlive, Some(at));
        }
    }

    /// Nobody is there to wait for the peer's FIN: wait only so long.
    pub(super) fn arm_fin_wait_2(&mut self, now: Instant) {
        if self.state == State::FinWait2 && !self.life.held {
            let limit = self.settings.fin_wait_2;
            self.timers.arm_if_idle(Timer::FinWait2, now + limit);
        }
    }

    /// The program is gone and said how long its last bytes may take.
    pub(super) fn arm_linger(&mut self, now: Instant) {
        if let Some(limit) = self.settings.linger
            && !self.life.held
            && self.is_delivering()
        {
            self.timers.arm_if_idle(Timer::Linger, now + limit);
        }
    }

    /// Whatever is not acknowledged by now is given up; with everything acknowledged, FIN-WAIT-2's own
    /// limit goes on.
    fn linger_fired(&mut self, cx: &mut Cx<'_>) {
        if self.is_delivering() {
            self.reset(Why::ResetAborted, cx);
        }
    }

    /// Whether bytes or the FIN are not acknowledged yet.
    fn is_delivering(&self) -> bool {
        self.send.una() < self.send.nxt() || self.send.buffer().has_unsent()
    }
}
