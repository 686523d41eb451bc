//! Taking an IPv4 address, and keeping it.
//!
//! Job: the probes, announcements and defences of RFC 5227, one small machine an address. Owns: its timers.
//! Does not know: how a packet is written.

use core::hash::{Hash, Hasher};
use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::BTreeMap;

use outcrop_base::{Cause, Instant, Random, Seed, TimerKind, Why};

use crate::{Defence, MacAddr};

/// RFC 5227 1.1: the constants of address conflict detection.
const PROBE_WAIT: Duration = Duration::from_secs(1);
const PROBE_NUM: u8 = 3;
const PROBE_MIN: Duration = Duration::from_secs(1);
const PROBE_SPREAD: Duration = Duration::from_secs(1);
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);
const ANNOUNCE_NUM: u8 = 2;
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);
const MAX_CONFLICTS: u32 = 10;
const RATE_LIMIT_INTERVAL: Duration = Duration::from_secs(60);
/// Addresses one link may have.
pub(crate) const MAX_ADDRESSES: usize = 256;

/// Where a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// So many probes have left.
    Probing(u8),
    /// It is ours; so many announcements have left.
    Ours(u8),
}

#[derive(Clone, Debug)]
struct Claim {
    step: Step,
    next: Option<Instant>,
    /// When it was last in dispute.
    disputed: Option<Instant>,
}

/// What a claim wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Send(Ipv4Addr, Why, Cause),
    Claimed(Ipv4Addr),
    Lost(Ipv4Addr, MacAddr),
}

#[derive(Clone, Debug)]
pub(crate) struct Claims {
    claims: BTreeMap<Ipv4Addr, Claim>,
    conflicts: u32,
    random: Random,
    acts: Vec<Act>,
}

impl Claims {
    pub(crate) fn new(seed: &Seed) -> Self {
        Self {
            claims: BTreeMap::new(),
            conflicts: 0,
            random: seed.random("claim"),
            acts: Vec::new(),
        }
    }

    pub(crate) fn drain(&mut self) -> Vec<Act> {
        core::mem::take(&mut self.acts)
    }

    /// Ours without asking: somebody knows.
    pub(crate) fn own(&mut self, ip: Ipv4Addr) -> bool {
        let claim = Claim {
            step: Step::Ours(ANNOUNCE_NUM),
            next: None,
            disputed: None,
        };
        self.put(ip, claim)
    }

    /// Ours if nobody objects.
    pub(crate) fn claim(&mut self, now: Instant, ip: Ipv4Addr) -> bool {
        let mut wait = PROBE_WAIT.mul_f64(self.random.unit());
        if self.conflicts >= MAX_CONFLICTS {
            wait += RATE_LIMIT_INTERVAL;
        }
        let claim = Claim {
            step: Step::Probing(0),
            next: Some(now + wait),
            disputed: None,
        };
        self.put(ip, claim)
    }

    fn put(&mut self, ip: Ipv4Addr, claim: Claim) -> bool {
        let fits = self.claims.contains_key(&ip) || self.claims.len() < MAX_ADDRESSES;
        if fits {
            self.claims.insert(ip, claim);
        }
        fits
    }

    pub(crate) fn release(&mut self, ip: Ipv4Addr) {
        self.claims.remove(&ip);
    }

    pub(crate) fn is_ours(&self, ip: Ipv4Addr) -> bool {
        self.claims
            .get(&ip)
            .is_some_and(|claim| matches!(claim.step, Step::Ours(_)))
    }

    /// Whether it is ours or may become so.
    pub(crate) fn is_claimed(&self, ip: Ipv4Addr) -> bool {
        self.claims.contains_key(&ip)
    }

    /// One of our addresses, to ask from.
    pub(crate) fn source(&self) -> Option<Ipv4Addr> {
        let ours = |(_, claim): &(&Ipv4Addr, &Claim)| matches!(claim.step, Step::Ours(_));
        self.claims.iter().find(ours).map(|(ip, _)| *ip)
    }

    /// Another station uses the address.
    pub(crate) fn conflict(
        &mut self,
        now: Instant,
        (ip, with): (Ipv4Addr, MacAddr),
        defence: Defence,
        cause: Cause,
    ) {
        let Some(claim) = self.claims.get_mut(&ip) else {
            return;
        };
        let of_late = claim
            .disputed
            .is_some_and(|at| now.saturating_since(at) < DEFEND_INTERVAL);
        let defended = match (claim.step, defence) {
            (Step::Probing(_), _) | (_, Defence::Never) => false,
            (Step::Ours(_), Defence::Once) => !of_late,
            (Step::Ours(_), Defence::Always) => true,
        };
        if !defended {
            self.conflicts = self.conflicts.saturating_add(1);
            self.claims.remove(&ip);
            self.acts.push(Act::Lost(ip, with));
        } else if !of_late {
            claim.disputed = Some(now);
            self.acts.push(Act::Send(ip, Why::ArpAnnouncement, cause));
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let cause = Cause::Timer(TimerKind::Address);
        for (ip, claim) in &mut self.claims {
            if claim.next.is_none_or(|at| at > now) {
                continue;
            }
            claim.next = match claim.step {
                Step::Probing(PROBE_NUM) => {
                    self.conflicts = 0;
                    claim.step = Step::Ours(1);
                    self.acts.push(Act::Send(*ip, Why::ArpAnnouncement, cause));
                    self.acts.push(Act::Claimed(*ip));
                    Some(now + ANNOUNCE_INTERVAL)
                }
                Step::Probing(sent) => {
                    claim.step = Step::Probing(sent + 1);
                    self.acts.push(Act::Send(*ip, Why::ArpProbe, cause));
                    let spread = PROBE_SPREAD.mul_f64(self.random.unit());
                    let last = sent + 1 == PROBE_NUM;
                    Some(
                        now + if last {
                            ANNOUNCE_WAIT
                        } else {
                            PROBE_MIN + spread
                        },
                    )
                }
                Step::Ours(sent) if sent < ANNOUNCE_NUM => {
                    claim.step = Step::Ours(sent + 1);
                    self.acts.push(Act::Send(*ip, Why::ArpAnnouncement, cause));
                    None
                }
                Step::Ours(_) => None,
            };
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.claims.values().filter_map(|claim| claim.next).min()
    }

    pub(crate) fn fingerprint(&self, now: Instant, mut into: &mut dyn Hasher) {
        for (
            ip,
            Claim {
                step,
                next,
                disputed,
            },
        ) in &self.claims
        {
            let next = next.map(|at| at.saturating_since(now));
            let disputed = disputed.map(|at| now.saturating_since(at));
            (ip, step, next, disputed).hash(&mut into);
        }
        self.conflicts.hash(&mut into);
        self.random.clone().next_u64().hash(&mut into);
    }
}
