//! Recovery with nothing to recover.
//!
//! Job: keep what the connection has learned about its path, and give back the records. Owns: nothing else. Does
//! not know: when a connection has been quiet for long enough.
//! With everything acknowledged, what RACK, the probes and the reduction remember of single transmissions can
//! no longer decide anything: every comparison is with something sent later.
//! Sources: none; what is left out is exactly what recovery begins with.

use outcrop_base::Instant;

use super::Means;
use super::dup_acks::DupAcks;
use super::frto::FRto;
use super::prr::Prr;
use super::rack::{Habits, Rack};
use super::rto::RtoTimer;
use super::tlp::Tlp;
use super::undo::Undo;
use super::validation::Validation;
use super::{Phase, Recovery, Usage};
use crate::rate::RateEstimator;
use crate::rtt::RttEstimator;
use crate::send::scoreboard::Scoreboard;
use crate::tx_record::TxRecords;

/// Recovery of a connection that is quiet.
#[derive(Clone, Debug)]
pub(crate) struct Dormant {
    rtt: RttEstimator,
    /// Counts of bytes delivered, lost, and where the limit by the program and the round end.
    rate: [u64; 4],
    /// The most under way in the latest two rounds, when anything last left, the losses told.
    used: [u64; 2],
    last_sent: Option<Instant>,
    lost_told: u64,
    /// Whether the path's marks up to here have been answered.
    marks_answered: bool,
    rack: Habits,
    /// Whether the last recovery ended here: duplicate acknowledgments are its echoes.
    guarded: bool,
    sack: bool,
    mss: u32,
    /// Judgments that a late acknowledgment may still change, if there are any.
    open: Option<Box<(Undo, Tlp)>>,
    validation: Option<Box<Validation>>,
}

impl Recovery {
    /// Whether nothing is outstanding and no timer runs.
    pub(crate) fn is_quiet(&self) -> bool {
        self.outstanding() == 0
            && self.phase == Phase::Open
            && self.deadline().is_none()
            && !self.tlp.due()
            && self.rto.count() == 0
            && self.dup_acks.count() == 0
            && self.frto == FRto::Off
            && self.size_probe.is_none()
    }

    /// What to keep of a quiet one.
    pub(crate) fn doze(&self) -> Dormant {
        let una = self.records.una();
        let open = self.undo.is_open() || self.tlp.under_way();
        Dormant {
            rtt: self.rtt.clone(),
            rate: self.rate.counts(),
            used: [self.usage.peak, self.usage.earlier],
            last_sent: self.usage.last_sent,
            lost_told: self.usage.lost_told,
            marks_answered: self.usage.ecn_until == Some(una),
            rack: self.rack.habits(),
            guarded: self.dup_acks.guards(una),
            sack: self.sack,
            mss: u32::try_from(self.mss).unwrap_or(u32::MAX),
            open: open.then(|| Box::new((self.undo.clone(), self.tlp.clone()))),
            validation: self.validation.map(Box::new),
        }
    }
}

impl Dormant {
    /// Recovery as it was, everything before `una` acknowledged.
    pub(crate) fn wake(self, una: u64) -> Recovery {
        let [peak, earlier] = self.used;
        let (undo, tlp) = self.open.map(|open| *open).unwrap_or_default();
        let mut dup_acks = DupAcks::default();
        if self.guarded {
            dup_acks.set_guard(una);
        }
        Recovery {
            records: TxRecords::acknowledged(una),
            board: Scoreboard::new(),
            // The next transmission sets both times anew, for nothing is under way.
            rate: RateEstimator::counting(Instant::ZERO, self.rate),
            rtt: self.rtt,
            phase: Phase::Open,
            dup_acks,
            rack: Rack::with_habits(una, self.rack),
            tlp,
            rto: RtoTimer::default(),
            prr: Prr::new(0),
            undo,
            frto: FRto::Off,
            size_probe: None,
            sack: self.sack,
            mss: u64::from(self.mss),
            order: 0,
            usage: Usage {
                peak,
                earlier,
                ecn_until: self.marks_answered.then_some(una),
                last_sent: self.last_sent,
                lost_told: self.lost_told,
            },
            validation: self.validation.map(|validation| *validation),
            means: Means::default(),
        }
    }
}
