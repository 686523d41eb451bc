//! One flow under a signature.
//!
//! Job: say whether a segment of this flow proves its sender, and with what ours is signed.
//! Owns: the keys of the flow, the two numbers it began with, the extensions, the current and the next key.
//! Does not know: states, windows; whether a proven segment is any good is the connection's to say.
//! Sources: RFC 2385 2.0; RFC 5925 4.4 (what is kept), 7.4 (sending), 7.5 (receiving), 6.1 (changing keys).

use core::hash::{Hash, Hasher};
use core::net::{IpAddr, SocketAddr};
use std::io::IoSlice;

use bytes::Bytes;
use outcrop_base::Flow;

use super::ao::{self, Context, TrafficKey};
use super::covered::Covered;
use super::keys::{KeyError, Keyring, MasterKey, Secret};
use super::sne::{Extension, sne};
use super::{md5, same};
use crate::rule::Rule;
use crate::segment::{Segment, SegmentHeader, Signature};
use crate::seq::SeqNum;
use crate::transmit::Transmit;
use crate::wire;

/// What guards a flow.
#[derive(Clone, Debug, Hash)]
pub(crate) enum Guard {
    /// RFC 2385: one key, nothing else.
    Md5(Secret),
    /// RFC 5925.
    Ao(Box<Ao>),
}

/// TCP-AO's part of a connection (RFC 5925 4.4).
#[derive(Clone, Debug, Hash)]
pub(crate) struct Ao {
    keys: Vec<MasterKey>,
    /// `SendID` of the key we send under: `Current_key`.
    current: u8,
    /// `RecvID` of the key we wish to receive under: `Rnext_key`.
    next: u8,
    /// Our initial number, once our SYN has left.
    iss: Option<SeqNum>,
    /// The peer's.
    irs: Option<SeqNum>,
    sent: Extension,
    received: Extension,
    /// Whether ICMP's hard errors are believed.
    accept_icmp: bool,
    /// The traffic keys in use, ours and the peer's.
    warm: [Warm; 2],
}

/// A traffic key, computed once for all segments that share it. Says nothing that its key and numbers do not.
#[derive(Clone, Debug, Default)]
struct Warm(Option<(Id, TrafficKey)>);

/// Which traffic key: the `SendID` of its master key, and the two initial numbers.
type Id = (u8, SeqNum, SeqNum);

impl Warm {
    fn get(&self, id: Id) -> Option<TrafficKey> {
        self.0.filter(|(known, _)| *known == id).map(|(_, key)| key)
    }
}

impl Hash for Warm {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

/// Which keys a connection is using.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AoInfo {
    /// `SendID` of the key we send under.
    pub current: u8,
    /// `RecvID` of the key we ask the peer to send under.
    pub next: u8,
    /// How many the connection has.
    pub keys: usize,
}

/// Which keys a connection shall use; `None` leaves it as it is (Linux: `TCP_AO_INFO`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AoSelect {
    /// `SendID` of the key to send under from now on. Normally the peer asks for a change, by its own `next`.
    pub current: Option<u8>,
    /// `RecvID` of the key the peer is asked to send under.
    pub next: Option<u8>,
}

impl Guard {
    /// For a connection of ours, whose SYN has not left; `None` if the ring has no key for that peer.
    pub(crate) fn active(ring: &Keyring, peer: IpAddr) -> Option<Self> {
        if let Some(secret) = ring.md5_for(peer) {
            return Some(Self::Md5(secret.clone()));
        }
        let keys: Vec<MasterKey> = ring.ao_for(peer).cloned().collect();
        let first = keys.first()?;
        Some(Self::Ao(Box::new(Ao {
            current: first.send_id,
            next: first.recv_id,
            keys,
            iss: None,
            irs: None,
            sent: Extension::default(),
            received: Extension::default(),
            accept_icmp: ring.accept_icmp,
            warm: [Warm::default(), Warm::default()],
        })))
    }

    /// For a flow whose first segment, as far as we remember, is this one. It need not be a SYN: behind a SYN
    /// cookie it is an acknowledgment, which names both initial numbers.
    pub(crate) fn passive(ring: &Keyring, flow: &Flow, segment: &Segment) -> Option<Self> {
        let mut guard = Self::active(ring, flow.remote.ip())?;
        if let Self::Ao(ao) = &mut guard {
            ao.begin(segment);
        }
        Some(guard)
    }

    /// Octets every header of this flow spends.
    pub(crate) const fn option_len(&self) -> u8 {
        match self {
            Self::Md5(_) => wire::MD5_PADDED,
            Self::Ao(_) => wire::AO_LEN,
        }
    }

    /// TCP-AO's part, if it is that.
    pub(crate) fn ao(&self) -> Option<&Ao> {
        match self {
            Self::Md5(_) => None,
            Self::Ao(ao) => Some(ao),
        }
    }

    /// The same, to change it.
    pub(crate) fn ao_mut(&mut self) -> Option<&mut Ao> {
        match self {
            Self::Md5(_) => None,
            Self::Ao(ao) => Some(ao),
        }
    }

    /// Whether ICMP may change what it guards (RFC 5925 7.8).
    pub(crate) const fn believes_icmp(&self) -> bool {
        match self {
            Self::Md5(_) => true,
            Self::Ao(ao) => ao.accept_icmp,
        }
    }

    /// A signed segment arrived.
    pub(super) fn check(
        &mut self,
        shown: Signature,
        flow: &Flow,
        segment: &Segment,
        payload: &Bytes,
    ) -> Result<(), Rule> {
        let payload = [IoSlice::new(payload)];
        let covered = Covered {
            src: flow.remote.ip(),
            dst: flow.local.ip(),
            header: &segment.bytes,
            payload: &payload,
        };
        match (self, shown) {
            (Self::Md5(secret), Signature::Md5) => {
                let at = wire::find_option(&segment.bytes, wire::MD5);
                let theirs = at.and_then(|at| segment.bytes.get(at.start + 2..at.end));
                let ours = md5::digest(secret, &covered);
                let holds = theirs.is_some_and(|theirs| same(theirs, &ours));
                holds.then_some(()).ok_or(Rule::SignatureWrong)
            }
            (Self::Ao(ao), Signature::Ao { key_id, next_id }) => {
                ao.check(key_id, flow, &segment.header, &covered)?;
                ao.follow(next_id);
                Ok(())
            }
            (Self::Md5(_), Signature::Ao { .. } | Signature::Conflict)
            | (Self::Ao(_), Signature::Md5 | Signature::Conflict) => Err(Rule::SignatureMissing),
        }
    }

    /// What a segment with `header` will be signed with, and the extension of its number. `None`: it cannot be
    /// signed, for its flow has not begun.
    pub(super) fn plan(&mut self, flow: &Flow, header: &SegmentHeader) -> Option<(Signature, u32)> {
        match self {
            Self::Md5(_) => Some((Signature::Md5, 0)),
            Self::Ao(ao) => ao.plan(flow, header),
        }
    }

    /// The MAC; TCP-AO's is the first twelve octets.
    pub(super) fn sign(&self, transmit: &Transmit, sne: u32, covered: &Covered<'_>) -> [u8; 16] {
        match self {
            Self::Md5(secret) => md5::digest(secret, covered),
            Self::Ao(ao) => ao.sign(transmit, sne, covered),
        }
    }
}

impl Ao {
    /// The first segment of a flow that a listener guards.
    fn begin(&mut self, segment: &Segment) {
        let header = &segment.header;
        match (header.flags.syn(), header.ack) {
            (true, _) => self.set_irs(header.seq),
            (false, Some(ack)) => {
                self.set_irs(header.seq - 1);
                self.set_iss(ack - 1);
            }
            (false, None) => {}
        }
        // RFC 5925 7.5 1: a SYN chooses the pair of keys the connection begins with.
        if let Some(Signature::Ao { key_id, next_id }) = header.options.signature
            && let Some(key) = self.receiving(key_id)
        {
            (self.next, self.current) = (key.recv_id, key.send_id);
            self.follow(next_id);
        }
    }

    fn set_iss(&mut self, iss: SeqNum) {
        if self.iss != Some(iss) {
            self.iss = Some(iss);
            self.sent = Extension::new(iss);
        }
    }

    fn set_irs(&mut self, irs: SeqNum) {
        if self.irs != Some(irs) {
            self.irs = Some(irs);
            self.received = Extension::new(irs);
        }
    }

    fn receiving(&self, key_id: u8) -> Option<&MasterKey> {
        self.keys.iter().find(|key| key.recv_id == key_id)
    }

    fn sending(&self, key_id: u8) -> Option<&MasterKey> {
        self.keys.iter().find(|key| key.send_id == key_id)
    }

    /// RFC 5925 7.5 2: a key by its id, the traffic key, the extension, the MAC.
    fn check(
        &mut self,
        key_id: u8,
        flow: &Flow,
        header: &SegmentHeader,
        covered: &Covered<'_>,
    ) -> Result<(), Rule> {
        let key = self.receiving(key_id).ok_or(Rule::SignatureUnknownKey)?;
        let (src_isn, dst_isn) = self.theirs(header).ok_or(Rule::SignatureWrong)?;
        let id = (key.send_id, src_isn, dst_isn);
        let [_, warm] = &self.warm;
        let derive = || ao::derive(key, &context(flow.remote, flow.local, id));
        let traffic = warm.get(id).unwrap_or_else(derive);
        let begins = header.flags.syn();
        let full = if begins {
            i64::from(header.seq.value())
        } else {
            self.received.extend(header.seq)
        };
        let ours = ao::mac(&traffic, sne(full), key.covers_options, covered);
        if !mac_of(covered.header).is_some_and(|theirs| same(theirs, &ours)) {
            return Err(Rule::SignatureWrong);
        }
        if !begins {
            self.received.advance(full);
            let [_, warm] = &mut self.warm;
            *warm = Warm(Some((id, traffic)));
        } else if self.irs.is_none() {
            self.set_irs(header.seq);
        }
        Ok(())
    }

    /// The initial numbers a segment of the peer is signed under, its own first. A SYN names its own; only one
    /// without ACK does not know ours (RFC 5925 5.2).
    fn theirs(&self, header: &SegmentHeader) -> Option<(SeqNum, SeqNum)> {
        match (header.flags.syn(), header.ack.is_some()) {
            (true, false) => Some((header.seq, SeqNum::new(0))),
            (true, true) => Some((self.irs.unwrap_or(header.seq), self.iss?)),
            (false, _) => Some((self.irs?, self.iss?)),
        }
    }

    /// RFC 5925 7.5 2e: the peer asks us to send under another key.
    fn follow(&mut self, next_id: u8) {
        if self.sending(next_id).is_some() {
            self.current = next_id;
        }
    }

    /// RFC 5925 7.4.
    fn plan(&mut self, flow: &Flow, header: &SegmentHeader) -> Option<(Signature, u32)> {
        if header.flags.syn() {
            self.set_iss(header.seq);
            if let Some(ack) = header.ack {
                self.set_irs(ack - 1);
            }
        }
        let (src_isn, dst_isn) = self.ours(header)?;
        let id = (self.current, src_isn, dst_isn);
        let [warm, _] = &self.warm;
        if warm.get(id).is_none() {
            let key = self.sending(self.current)?;
            let traffic = ao::derive(key, &context(flow.local, flow.remote, id));
            let [warm, _] = &mut self.warm;
            *warm = Warm(Some((id, traffic)));
        }
        let full = self.sent.extend(header.seq);
        self.sent.advance(full);
        let signature = Signature::Ao {
            key_id: self.current,
            next_id: self.next,
        };
        Some((signature, sne(full)))
    }

    /// The initial numbers our segment is signed under, our own first.
    fn ours(&self, header: &SegmentHeader) -> Option<(SeqNum, SeqNum)> {
        let begins = header.flags.syn() && header.ack.is_none();
        let irs = if begins { SeqNum::new(0) } else { self.irs? };
        Some((self.iss?, irs))
    }

    fn sign(&self, transmit: &Transmit, sne: u32, covered: &Covered<'_>) -> [u8; 16] {
        let mut digest = [0; 16];
        let key_id = match transmit.header.options.signature {
            Some(Signature::Ao { key_id, .. }) => key_id,
            Some(Signature::Md5 | Signature::Conflict) | None => return digest,
        };
        if let Some(key) = self.sending(key_id)
            && let Some((src_isn, dst_isn)) = self.ours(&transmit.header)
        {
            let flow = &transmit.flow;
            let id = (key_id, src_isn, dst_isn);
            let [warm, _] = &self.warm;
            // Cold only if another plan was made since this one.
            let derive = || ao::derive(key, &context(flow.local, flow.remote, id));
            let traffic = warm.get(id).unwrap_or_else(derive);
            let mac = ao::mac(&traffic, sne, key.covers_options, covered);
            digest.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        }
        digest
    }

    /// As if four gibibytes had come since.
    #[cfg(test)]
    pub(super) fn turn(&mut self) {
        self.received.turn();
    }

    /// Which keys it uses.
    pub(crate) fn info(&self) -> AoInfo {
        AoInfo {
            current: self.current,
            next: self.next,
            keys: self.keys.len(),
        }
    }

    /// Uses other keys.
    pub(crate) fn select(&mut self, select: AoSelect) -> Result<(), KeyError> {
        let (current, next) = (
            select.current.unwrap_or(self.current),
            select.next.unwrap_or(self.next),
        );
        self.sending(current).ok_or(KeyError::Unknown)?;
        self.receiving(next).ok_or(KeyError::Unknown)?;
        (self.current, self.next) = (current, next);
        Ok(())
    }

    /// Adds a key.
    pub(crate) fn add(&mut self, peer: IpAddr, key: MasterKey) -> Result<(), KeyError> {
        if !key.peer.contains(peer) {
            return Err(KeyError::OtherPeer);
        }
        let mut ring = Keyring::new();
        for known in self.keys.iter().chain([&key]) {
            ring.add_ao_key(known.clone())?;
        }
        self.keys.push(key);
        Ok(())
    }

    /// Takes a key away.
    pub(crate) fn remove(&mut self, send_id: u8, recv_id: u8) -> Result<(), KeyError> {
        let is_it = |key: &MasterKey| key.send_id == send_id && key.recv_id == recv_id;
        let at = self.keys.iter().position(is_it).ok_or(KeyError::Unknown)?;
        if self.current == send_id || self.next == recv_id {
            return Err(KeyError::InUse);
        }
        self.keys.remove(at);
        Ok(())
    }
}

const fn context(src: SocketAddr, dst: SocketAddr, id: Id) -> Context {
    let (_, src_isn, dst_isn) = id;
    Context {
        src,
        dst,
        src_isn,
        dst_isn,
    }
}

/// The MAC in a header.
fn mac_of(header: &[u8]) -> Option<&[u8]> {
    let at = wire::find_option(header, wire::AO)?;
    header.get(at.start + 4..at.end)
}
