//! Packets of protocols that programs speak themselves.
//!
//! Job: copies of what arrives for a protocol somebody listens to, and packets with a payload a program has built.
//! Owns: the protocols listened to, copies not yet taken. Does not know: programs.
//! Source: RFC 1122 3.4 (what IP lets the layer above see and set).

use std::collections::VecDeque;

use core::hash::{Hash, Hasher};
use core::net::IpAddr;

use bytes::Bytes;
use outcrop_base::{CallKind, Cause, Instant, InterfaceId, IpFields, Limit, Note, Why};

use super::Endpoint;
use super::receive::Datagram;
use crate::{Plan, Unresolved};

/// Copies that may wait between two calls; more are lost.
const MAX_COPIES: usize = 256;

/// A whole packet for us, of a protocol somebody listens to.
#[derive(Clone, Debug)]
pub struct RawPacket {
    /// When it arrived, or became whole.
    pub at: Instant,
    /// Where it came in.
    pub iface: InterfaceId,
    /// Who sent it.
    pub src: IpAddr,
    /// To which address.
    pub dst: IpAddr,
    /// The protocol.
    pub protocol: u8,
    /// Time to live or hop limit left.
    pub hop_limit: u8,
    /// What follows the IP header and its options.
    pub payload: Bytes,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Raw {
    /// One entry a listener, so that two may listen to one protocol.
    protocols: Vec<u8>,
    copies: VecDeque<RawPacket>,
}

impl Raw {
    pub(super) const fn is_idle(&self) -> bool {
        self.protocols.is_empty()
    }

    pub(super) fn fingerprint(&self, into: &mut dyn Hasher) {
        let mut into = into;
        self.protocols.hash(&mut into);
        for copy in &self.copies {
            (copy.src, copy.dst, copy.protocol, &copy.payload).hash(&mut into);
        }
    }
}

impl Endpoint {
    /// Copies every whole packet of `protocol` for us to [`Endpoint::poll_raw`] from now on, ICMP's too.
    pub fn raw_listen(&mut self, protocol: u8) {
        self.raw.protocols.push(protocol);
    }

    /// Takes one `raw_listen` back.
    pub fn raw_unlisten(&mut self, protocol: u8) {
        let found = self.raw.protocols.iter().position(|p| *p == protocol);
        if let Some(at) = found {
            self.raw.protocols.swap_remove(at);
        }
    }

    /// Whether somebody listens to `protocol`.
    #[must_use]
    pub fn raw_listens(&self, protocol: u8) -> bool {
        self.raw.protocols.contains(&protocol)
    }

    /// The next copy.
    pub fn poll_raw(&mut self) -> Option<RawPacket> {
        self.raw.copies.pop_front()
    }

    /// Sends a packet with this payload, checksums of which are the caller's; cut if its path needs it and
    /// `fields.df` does not forbid it.
    ///
    /// # Errors
    /// No route, too long, or a full queue.
    pub fn raw_send(
        &mut self,
        (src, dst): (IpAddr, IpAddr),
        protocol: u8,
        fields: IpFields,
        payload: &[u8],
    ) -> Result<(), Unresolved> {
        let plan = Plan {
            src,
            dst,
            protocol,
            fields,
            payload_len: payload.len(),
            gso: None,
        };
        let note = Note::new(Why::Raw, Limit::None, Cause::Call(CallKind::Send));
        self.originate(&plan, payload, &note)
    }

    #[cold]
    pub(super) fn copy_raw(&mut self, datagram: &Datagram) {
        if !self.raw_listens(datagram.protocol) || self.raw.copies.len() >= MAX_COPIES {
            return;
        }
        self.raw.copies.push_back(RawPacket {
            at: datagram.packet.at,
            iface: datagram.packet.iface,
            src: datagram.src,
            dst: datagram.dst,
            protocol: datagram.protocol,
            hop_limit: datagram.hop_limit,
            payload: datagram.payload(),
        });
    }
}
