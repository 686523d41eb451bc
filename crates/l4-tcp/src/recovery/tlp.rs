//! Probing a tail that may be lost.
//!
//! Job: when acknowledgments stop, send one more segment before the retransmission timer would, so that the answer
//! shows what is missing. Owns: the probe timeout and the probe under way. Does not know: RACK, which reads the answer.
//! Sources: RFC 8985 7.

use core::hash::{Hash, Hasher};
use core::time::Duration;

use outcrop_base::Instant;

use crate::params::{TLP_MIN, TLP_WITHOUT_RTT, WORST_DELAYED_ACK};
use crate::segment::StreamRange;

/// Tail loss probing of one connection.
#[derive(Clone, Debug, Default)]
pub struct Tlp {
    deadline: Option<Instant>,
    /// The timer ran out: a probe shall leave.
    due: bool,
    probe: Option<Probe>,
}

/// A probe under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Probe {
    /// TLP.end_seq: SND.NXT once it had left.
    end: u64,
    /// What was sent again; `None` if the probe was new data.
    again: Option<StreamRange>,
}

/// What an acknowledgment means for a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeFate {
    /// No probe was under way, or it still is.
    Nothing,
    /// It only repeated what had arrived.
    Needless,
    /// It repaired a loss nobody would have noticed (RFC 8985 7.4.2): the path was congested.
    Repaired,
}

/// RFC 8985 7.2: how long to wait for acknowledgments before probing. Without a round trip to go by, a second.
#[must_use]
pub fn timeout(srtt: Option<Duration>, one_segment: bool) -> Duration {
    let Some(srtt) = srtt else {
        return TLP_WITHOUT_RTT;
    };
    let delayed = if one_segment {
        WORST_DELAYED_ACK
    } else {
        Duration::ZERO
    };
    (2 * srtt + delayed).max(TLP_MIN)
}

impl Tlp {
    /// When a probe falls due.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Schedules the next probe, or none.
    pub const fn schedule(&mut self, at: Option<Instant>) {
        self.deadline = at;
    }

    /// Nothing is outstanding: there is nothing to probe.
    pub const fn stop(&mut self) {
        self.deadline = None;
        self.due = false;
    }

    /// The timer ran out.
    pub const fn on_fired(&mut self) {
        self.deadline = None;
        self.due = true;
    }

    /// Whether a probe shall leave now.
    #[must_use]
    pub const fn due(&self) -> bool {
        self.due
    }

    /// Whether a probe is under way: no second one before it is answered (7.3).
    #[must_use]
    pub const fn under_way(&self) -> bool {
        self.probe.is_some()
    }

    /// Something left while a probe was due: that is the probe. `again` if it was a retransmission.
    pub fn on_sent(&mut self, again: Option<StreamRange>, nxt: u64) {
        if self.due {
            self.due = false;
            self.probe = Some(Probe { end: nxt, again });
        }
    }

    /// Forgets a probe: another mechanism has taken over.
    pub const fn cancel(&mut self) {
        self.deadline = None;
        self.due = false;
        self.probe = None;
    }

    /// An acknowledgment arrived. `duplicate` is what a D-SACK reports; `repeated` says that it
    /// acknowledges nothing new and holds no SACK block.
    pub fn on_ack(
        &mut self,
        una: u64,
        duplicate: Option<StreamRange>,
        repeated: bool,
    ) -> ProbeFate {
        let Some(probe) = self.probe.filter(|probe| una >= probe.end) else {
            return ProbeFate::Nothing;
        };
        let Some(again) = probe.again else {
            self.probe = None;
            return ProbeFate::Needless;
        };
        let told = duplicate.is_some_and(|d| !d.intersection(again).is_empty());
        if told || (una == probe.end && repeated) {
            self.probe = None;
            return ProbeFate::Needless;
        }
        if una > probe.end {
            self.probe = None;
            return ProbeFate::Repaired;
        }
        ProbeFate::Nothing
    }

    /// Hashes what decides the future, times relative to `now`.
    pub fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        let deadline = self.deadline.map(|at| (at - now, now - at));
        (deadline, self.due, self.probe).hash(&mut into);
    }
}
