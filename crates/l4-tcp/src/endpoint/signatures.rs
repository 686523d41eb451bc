//! Keys, and the two places every segment passes.
//!
//! Job: refuse what does not prove its sender, sign what leaves, and take keys from programs.
//! Owns: nothing. Does not know: how a MAC is computed; `auth` does.
//! Sources: RFC 2385 2.0 and 4.1 (resets), RFC 5925 7.3 (which flows), 7.5, 7.7, 7.8 (ICMP).

use std::io::IoSlice;

use bytes::Bytes;
use outcrop_base::{DropReason, Flow, HeaderRoom, PathSignal, PathSignalKind, Verdict};

use super::Endpoint;
use super::place::{Holder, Phase};
use crate::auth::{AoInfo, AoSelect, Guard, KeyError, Keyring, MasterKey, Prefix, Secret};
use crate::handshake::Origin;
use crate::rule::Rule;
use crate::segment::{Segment, Signature};
use crate::table::ListenerId;
use crate::transmit::{ConnId, Transmit};
use crate::wire;

/// Whose keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyOwner {
    /// A listener: they are for the connections it will take.
    Listener(ListenerId),
    /// A connection.
    Connection(ConnId),
}

impl From<ListenerId> for KeyOwner {
    fn from(id: ListenerId) -> Self {
        Self::Listener(id)
    }
}

impl From<ConnId> for KeyOwner {
    fn from(id: ConnId) -> Self {
        Self::Connection(id)
    }
}

impl Endpoint {
    /// Builds the header of `t` before what is in `room`, as [`wire::emit`] does, and signs it if its plan says so.
    pub fn emit(
        &self,
        t: &Transmit,
        payload: &[IoSlice<'_>],
        partial_checksum: bool,
        room: &mut HeaderRoom,
    ) {
        wire::emit_signed(t, payload, partial_checksum, room, |header| {
            self.auth.sign(t, header, payload)
        });
    }

    // ---- what arrives, what leaves ----

    /// The verdict on a segment that is not signed as its flow requires; `None` if it may go on.
    pub(super) fn refuse_unproven(
        &mut self,
        flow: &Flow,
        segment: &mut Segment,
        payload: &Bytes,
    ) -> Option<Verdict> {
        let shown = segment.header.options.signature;
        if shown.is_none() && self.auth.is_idle() {
            return None;
        }
        let lives = self.lives(flow);
        if !lives {
            // What is left of an earlier connection does not bind the next one.
            self.auth.forget(flow);
            if let Some(listener) = self.listeners.find(flow.local) {
                self.auth.admit(listener, flow, segment);
            }
        }
        let rule = self.auth.check(flow, segment, payload).err()?;
        if !lives {
            self.auth.discard(flow);
        }
        let ao = matches!(shown, Some(Signature::Ao { .. }));
        if rule == Rule::SignatureUnexpected && ao && self.config.accept_unmatched_ao {
            segment.header.options.signature = None;
            return None;
        }
        let counters = &mut self.counters;
        match shown {
            None => counters.signatures_missing += 1,
            Some(_) if rule == Rule::SignatureUnexpected => counters.signatures_unexpected += 1,
            Some(_) => counters.signatures_wrong += 1,
        }
        Some(rule.dropped(DropReason::TcpUnauthenticated))
    }

    fn lives(&self, flow: &Flow) -> bool {
        self.places.find(flow).is_some() || self.time_wait.rests(flow)
    }

    /// The next incarnation of a tuple in TIME-WAIT is guarded by what its listener says.
    pub(super) fn renew_guard(&mut self, flow: &Flow, segment: &Segment) {
        self.auth.forget(flow);
        if let Some(listener) = self.listeners.find(flow.local) {
            self.auth.admit(listener, flow, segment);
        }
    }

    /// The plan with its signature decided. `None`: it would need one that cannot be made, so it must not leave.
    pub(super) fn signed(&mut self, transmit: Transmit) -> Option<Transmit> {
        if self.auth.is_idle() {
            return Some(transmit);
        }
        self.auth.plan(transmit)
    }

    /// Nothing more leaves now: guards nobody needs may go.
    pub(super) fn sweep_guards(&mut self) {
        let (places, time_wait) = (&self.places, &self.time_wait);
        let live = places.len() + time_wait.len();
        self.auth.sweep(live, |flow| {
            places.find(flow).is_some() || time_wait.rests(flow)
        });
    }

    /// RFC 5925 7.8: of a connection in a synchronised state that TCP-AO guards, ICMP's hard errors and IPv4's
    /// "fragmentation needed" are not believed, for anybody can send them.
    pub(super) fn refuse_unproven_path(&self, signal: &PathSignal) -> Option<Verdict> {
        let guard = self.auth.guard(&signal.flow)?;
        let id = self.places.find(&signal.flow)?;
        let synchronised = matches!(
            self.places.get(id)?.phase,
            Phase::Open(_) | Phase::Dormant(_)
        );
        let covered = match signal.kind {
            PathSignalKind::Hard => true,
            PathSignalKind::TooBig(_) => signal.flow.remote.is_ipv4(),
            PathSignalKind::Disrupted | PathSignalKind::Soft | PathSignalKind::Redirected => false,
        };
        let refused = synchronised && covered && !guard.believes_icmp();
        refused.then(|| Rule::PathUnprotected.dropped(DropReason::IcmpUnrelated))
    }

    // ---- what programs ask for ----

    /// Puts a listener, or a connection whose SYN has not left, under these keys instead of those it had. A
    /// connection takes those for its peer; without one it is not protected.
    ///
    /// # Errors
    /// A stale id; a connection that has begun.
    pub fn set_keys(&mut self, owner: impl Into<KeyOwner>, keys: Keyring) -> Result<(), KeyError> {
        match owner.into() {
            KeyOwner::Listener(id) => {
                self.listeners.get(id).ok_or(KeyError::Stale)?;
                if keys.is_empty() {
                    self.auth.drop_ring(id);
                } else {
                    *self.auth.ring_mut(id) = keys;
                }
                Ok(())
            }
            KeyOwner::Connection(id) => {
                let flow = self.unbegun(id)?;
                match Guard::active(&keys, flow.remote.ip()) {
                    Some(guard) => {
                        self.auth.protect(flow, guard);
                        self.give_up_fast_open(id);
                    }
                    None => self.auth.forget(&flow),
                }
                Ok(())
            }
        }
    }

    /// Sets the MD5 key for some peers, or takes it away (`TCP_MD5SIG_EXT`). A listener's is for connections it
    /// will take; a connection that has begun may change its key, but neither gain nor lose one.
    ///
    /// # Errors
    /// A stale id; what [`Keyring::set_md5sig`] refuses; a key for others; a connection that has begun otherwise.
    pub fn set_md5sig(
        &mut self,
        owner: impl Into<KeyOwner>,
        peer: Prefix,
        secret: Option<Secret>,
    ) -> Result<(), KeyError> {
        match owner.into() {
            KeyOwner::Listener(id) => {
                self.listeners.get(id).ok_or(KeyError::Stale)?;
                self.auth.ring_mut(id).set_md5sig(peer, secret)
            }
            KeyOwner::Connection(id) => {
                let flow = self.flow_of(id)?;
                if !peer.contains(flow.remote.ip()) {
                    return Err(KeyError::OtherPeer);
                }
                if let (Some(Guard::Md5(known)), Some(secret)) =
                    (self.auth.guard_mut(&flow), &secret)
                {
                    *known = secret.clone();
                    return Ok(());
                }
                let mut ring = Keyring::new();
                if secret.is_some() {
                    ring.set_md5sig(peer, secret)?;
                }
                self.set_keys(id, ring)
            }
        }
    }

    /// Adds a master key tuple (`TCP_AO_ADD_KEY`).
    ///
    /// # Errors
    /// A stale id; what [`Keyring::add_ao_key`] refuses; a key for others; a connection that has begun otherwise.
    pub fn add_ao_key(
        &mut self,
        owner: impl Into<KeyOwner>,
        key: MasterKey,
    ) -> Result<(), KeyError> {
        match owner.into() {
            KeyOwner::Listener(id) => {
                self.listeners.get(id).ok_or(KeyError::Stale)?;
                self.auth.ring_mut(id).add_ao_key(key)
            }
            KeyOwner::Connection(id) => {
                let flow = self.flow_of(id)?;
                match self.auth.guard_mut(&flow) {
                    Some(Guard::Ao(ao)) => ao.add(flow.remote.ip(), key),
                    Some(Guard::Md5(_)) => Err(KeyError::OtherKind),
                    None if key.peer.contains(flow.remote.ip()) => {
                        let mut ring = Keyring::new();
                        ring.add_ao_key(key)?;
                        self.set_keys(id, ring)
                    }
                    None => Err(KeyError::OtherPeer),
                }
            }
        }
    }

    /// Takes a master key tuple from a connection (`TCP_AO_DEL_KEY`). A listener's are replaced by
    /// [`set_keys`](Self::set_keys); its connections keep what they have (RFC 5925 3.1).
    ///
    /// # Errors
    /// A stale id, no such key, or one that is the current or the next.
    pub fn remove_ao_key(&mut self, id: ConnId, send_id: u8, recv_id: u8) -> Result<(), KeyError> {
        let flow = self.flow_of(id)?;
        let ao = self.auth.guard_mut(&flow).and_then(Guard::ao_mut);
        ao.ok_or(KeyError::Unknown)?.remove(send_id, recv_id)
    }

    /// Changes the keys a connection sends under and asks for (`TCP_AO_INFO`).
    ///
    /// # Errors
    /// A stale id, no such key.
    pub fn select_ao_keys(&mut self, id: ConnId, select: AoSelect) -> Result<(), KeyError> {
        let flow = self.flow_of(id)?;
        let ao = self.auth.guard_mut(&flow).and_then(Guard::ao_mut);
        ao.ok_or(KeyError::Unknown)?.select(select)
    }

    /// Which keys a connection uses; `None` unless it is under TCP-AO.
    #[must_use]
    pub fn ao_info(&self, id: ConnId) -> Option<AoInfo> {
        let flow = self.flow_of(id).ok()?;
        Some(self.auth.guard(&flow)?.ao()?.info())
    }

    /// The flow of a connection a program holds and that has not ended.
    fn flow_of(&self, id: ConnId) -> Result<Flow, KeyError> {
        let place = self.places.get(id).ok_or(KeyError::Stale)?;
        let ended = matches!(place.phase, Phase::Ended(_));
        if place.holder != Holder::Program || ended {
            return Err(KeyError::Stale);
        }
        self.places.flow(id).copied().ok_or(KeyError::Stale)
    }

    /// The flow of a connection whose SYN has not left.
    fn unbegun(&self, id: ConnId) -> Result<Flow, KeyError> {
        let flow = self.flow_of(id)?;
        match self.places.get(id).map(|place| &place.phase) {
            Some(Phase::Embryo(embryo)) if embryo.iss.is_none() => Ok(flow),
            Some(Phase::Embryo(_) | Phase::Open(_) | Phase::Dormant(_) | Phase::Ended(_))
            | None => Err(KeyError::TooLate),
        }
    }

    /// A cookie and a signature do not fit into one SYN.
    fn give_up_fast_open(&mut self, id: ConnId) {
        if let Some((_, place)) = self.places.get_mut(id)
            && let Phase::Embryo(embryo) = &mut place.phase
            && let Origin::Active(early) = &mut embryo.origin
        {
            early.fast_open = None;
        }
    }
}
