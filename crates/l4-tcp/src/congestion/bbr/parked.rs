//! BBR of a connection that is quiet.
//!
//! Job: keep of the model what the first acknowledgment after a pause needs, in half of the memory. Owns: that.
//! Nothing is under way, so the signals of a round, the clumping under way and how far a probe has raised the bound say nothing
//! any more; a probe for more that a pause interrupted is begun again when its time comes.
//! Sources: draft-ietf-ccwg-bbr 5.4.1 (restarting from idle).

use outcrop_base::Instant;

use super::model::Remembered;
use super::probe_bw::{Cycle, Schedule};
use super::startup::FullPipe;
use super::{Bbr, State, Window};
use crate::congestion::Controller;

/// What stays of it.
#[derive(Clone, Debug)]
pub struct Parked {
    model: Remembered,
    schedule: Schedule,
    full: FullPipe,
    window: Window,
    mss: u32,
    state: State,
    /// The round trip was being probed, and that may end then.
    probed: Option<Instant>,
}

impl Bbr {
    /// What to keep.
    pub(super) fn doze(&self) -> Parked {
        Parked {
            model: self.model.doze(),
            schedule: self.probing.doze(),
            full: self.full,
            window: self.window,
            mss: u32::try_from(self.mss).unwrap_or(u32::MAX),
            state: match self.state {
                State::ProbeBw(Cycle::Refill | Cycle::Up) => State::ProbeBw(Cycle::Cruise),
                State::Startup | State::Drain | State::ProbeRtt | State::ProbeBw(_) => self.state,
            },
            probed: self.rtt_probe.doze(),
        }
    }
}

impl Parked {
    /// The controller again.
    #[must_use]
    pub fn wake(self) -> Box<dyn Controller> {
        Box::new(Bbr {
            mss: u64::from(self.mss),
            state: self.state,
            model: self.model.wake(),
            full: self.full,
            probing: self.schedule.wake(),
            rtt_probe: super::probe_rtt::RttProbe::ending(self.probed),
            window: self.window,
        })
    }
}
