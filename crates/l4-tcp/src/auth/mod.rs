//! Segments that prove who sent them.
//!
//! Job: know which flows are under a signature, check what arrives for them, and sign what leaves.
//! Owns: the keys of listeners and the guards of flows. Does not know: connections, timers, what a segment means.
//! Sources: RFC 2385 (MD5 signatures), RFC 5925 (TCP-AO), RFC 5926 (its algorithms).
//!
//! `keys` is what programs give, `covered` what a MAC covers, `md5` and `ao` how it is computed, `sne` the numbers
//! beyond 32 bits, `guard` one flow.
//!
//! Nothing of this lies in a connection: a flow without keys pays nothing, and one with keys keeps its guard through
//! embryo, connection and TIME-WAIT.

mod ao;
mod covered;
mod guard;
mod keys;
mod md5;
mod sne;
#[cfg(test)]
mod vectors;

use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::IoSlice;

use bytes::Bytes;
use outcrop_base::{Flow, Seed};

use crate::config::Settings;
use crate::rule::Rule;
use crate::segment::{Segment, SegmentHeader, Signature};
use crate::table::{FlowTable, ListenerId};
use crate::transmit::{ConnId, MacPlan, Transmit};
use crate::wire;
use covered::Covered;
pub(crate) use guard::Guard;
pub use guard::{AoInfo, AoSelect};
pub use keys::{AoAlgorithm, KeyError, Keyring, MasterKey, Prefix, Secret};

/// Guards without a flow that may lie about before somebody looks for them. They cost memory and nothing else.
const IDLE_GUARDS: usize = 64;

/// Every key and every guarded flow of one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Auth {
    rings: BTreeMap<ListenerId, Keyring>,
    guards: FlowTable<Guard>,
}

impl Auth {
    /// No keys.
    pub(crate) fn new(seed: &Seed) -> Self {
        Self {
            rings: BTreeMap::new(),
            guards: FlowTable::new(seed),
        }
    }

    /// Whether nobody ever asked for signatures.
    pub(crate) fn is_idle(&self) -> bool {
        self.rings.is_empty() && self.guards.len() == 0
    }

    /// The keys of a listener.
    pub(crate) fn ring_mut(&mut self, id: ListenerId) -> &mut Keyring {
        self.rings.entry(id).or_default()
    }

    /// A listener is gone, or has no keys any more.
    pub(crate) fn drop_ring(&mut self, id: ListenerId) {
        self.rings.remove(&id);
    }

    /// The guard of a flow.
    pub(crate) fn guard(&self, flow: &Flow) -> Option<&Guard> {
        self.guards.get(self.guards.find(flow)?)
    }

    /// The guard of a flow.
    pub(crate) fn guard_mut(&mut self, flow: &Flow) -> Option<&mut Guard> {
        let id = self.guards.find(flow)?;
        self.guards.get_mut(id).map(|(_, guard)| guard)
    }

    /// Puts a flow under a guard, instead of the one it had.
    pub(crate) fn protect(&mut self, flow: Flow, guard: Guard) {
        self.forget(&flow);
        self.guards.insert(flow, guard);
    }

    /// The flow is free. Answers already planned can still be signed until [`sweep`](Self::sweep).
    pub(crate) fn forget(&mut self, flow: &Flow) {
        if let Some(id) = self.guards.find(flow) {
            self.guards.unlink(id);
        }
    }

    /// The guard [`admit`](Self::admit) made was for nothing.
    pub(crate) fn discard(&mut self, flow: &Flow) {
        if let Some(id) = self.guards.find(flow) {
            self.guards.remove(id);
        }
    }

    /// A segment came to a listener: whether its flow is under a key there.
    pub(crate) fn admit(&mut self, id: ListenerId, flow: &Flow, segment: &Segment) {
        let ring = self.rings.get(&id);
        if let Some(guard) = ring.and_then(|ring| Guard::passive(ring, flow, segment)) {
            self.protect(*flow, guard);
        }
    }

    /// Whether a segment proves what its flow asks for; else the rule that refuses it.
    pub(crate) fn check(
        &mut self,
        flow: &Flow,
        segment: &Segment,
        payload: &Bytes,
    ) -> Result<(), Rule> {
        let shown = segment.header.options.signature;
        match (self.guard_mut(flow), shown) {
            (None, None) => Ok(()),
            (_, Some(Signature::Conflict)) => Err(Rule::SignatureConflict),
            (None, Some(Signature::Md5 | Signature::Ao { .. })) => Err(Rule::SignatureUnexpected),
            (Some(_), None) => Err(Rule::SignatureMissing),
            (Some(guard), Some(shown)) => guard.check(shown, flow, segment, payload),
        }
    }

    /// Decides how a plan will be signed, if it has to be. `None`: it has to be and cannot.
    pub(crate) fn plan(&mut self, mut transmit: Transmit) -> Option<Transmit> {
        let Some(id) = self.guards.find(&transmit.flow) else {
            return Some(transmit);
        };
        let (flow, guard) = self.guards.get_mut(id)?;
        let (signature, sne) = guard.plan(flow, &transmit.header)?;
        make_room(&mut transmit.header, signature);
        transmit.mac = Some(MacPlan { guard: id, sne });
        Some(transmit)
    }

    /// The MAC of a plan whose header, checksum and MAC zero, is `header`.
    pub(crate) fn sign(
        &self,
        transmit: &Transmit,
        header: &[u8],
        payload: &[IoSlice<'_>],
    ) -> [u8; 16] {
        let planned = transmit.mac;
        let guard = planned.and_then(|mac| Some((self.guards.get(mac.guard)?, mac.sne)));
        let covered = Covered {
            src: transmit.flow.local.ip(),
            dst: transmit.flow.remote.ip(),
            header,
            payload,
        };
        guard.map_or([0; 16], |(guard, sne)| guard.sign(transmit, sne, &covered))
    }

    /// Octets of every header that a signature takes from payload and other options.
    pub(crate) fn len_of(&self, flow: &Flow) -> u8 {
        self.guard(flow).map_or(0, Guard::option_len)
    }

    /// The settings as far as a signature leaves room for them: an MD5 signature and timestamps would leave none
    /// for even one SACK block, so SACK is kept and timestamps are not offered (Linux decides the same).
    pub(crate) fn shape<'a>(&self, flow: &Flow, settings: &'a Settings) -> Cow<'a, Settings> {
        match self.guard(flow) {
            Some(Guard::Md5(_)) => Cow::Owned(Settings {
                timestamps: false,
                fast_open: false,
                ..*settings
            }),
            Some(Guard::Ao(_)) => Cow::Owned(Settings {
                fast_open: false,
                ..*settings
            }),
            None => Cow::Borrowed(settings),
        }
    }

    /// Lets go of guards whose flow is over, once there are more of them than `live` flows could need.
    pub(crate) fn sweep(&mut self, live: usize, is_live: impl Fn(&Flow) -> bool) {
        if self.guards.len() <= IDLE_GUARDS + 2 * live {
            return;
        }
        let stale: Vec<ConnId> = self
            .guards
            .iter()
            .filter(|(id, flow, _)| self.guards.find(flow) != Some(*id) || !is_live(flow))
            .map(|(id, ..)| id)
            .collect();
        for id in stale {
            self.guards.remove(id);
        }
    }

    /// Hashes what decides the future of live flows.
    pub(crate) fn fingerprint(&self, is_live: impl Fn(&Flow) -> bool, mut into: &mut dyn Hasher) {
        for (id, ring) in &self.rings {
            (id, ring).hash(&mut into);
        }
        for (id, flow, guard) in self.guards.iter() {
            if self.guards.find(flow) == Some(id) && is_live(flow) {
                (flow, guard).hash(&mut into);
            }
        }
    }
}

/// Puts the option into a header. A SYN may then be too long by what it says about congestion, or about the user
/// timeout: both can do without their place in the SYN, and are told again behind it.
fn make_room(header: &mut SegmentHeader, signature: Signature) {
    header.options.signature = Some(signature);
    if wire::header_len(header) > wire::MAX_HEADER_LEN {
        header.options.accurate = None;
    }
    if wire::header_len(header) > wire::MAX_HEADER_LEN {
        header.options.user_timeout = None;
    }
}

/// Whether two digests are equal, in a time that does not tell where they differ.
fn same(left: &[u8], right: &[u8]) -> bool {
    let differing = left.iter().zip(right).fold(0, |sum, (l, r)| sum | (l ^ r));
    left.len() == right.len() && core::hint::black_box(differing) == 0
}

/// The address as octets.
fn octets(addr: IpAddr, mut visit: impl FnMut(&[u8])) {
    match addr {
        IpAddr::V4(addr) => visit(&addr.octets()),
        IpAddr::V6(addr) => visit(&addr.octets()),
    }
}
