//! Raw packets as something a program holds.
//!
//! Job: keep what arrived for each raw socket until it is read. Owns: one bounded queue a socket.
//! Does not know: what the packets say.

use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use outcrop_base::{DEFAULT_HOP_LIMIT, IpFields};
use outcrop_ip::{RawPacket, Unresolved};

use super::{Core, Event, RawId};

/// Packets kept for one socket; more are dropped, as a full socket drops datagrams.
pub const RAW_QUEUE: usize = 256;

/// What a program may set of a raw packet's IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawOptions {
    /// The source; `None` is the one the route prefers.
    pub source: Option<IpAddr>,
    /// Time to live or hop limit.
    pub hop_limit: u8,
    /// Never cut it, here or on the way.
    pub df: bool,
}

impl Default for RawOptions {
    fn default() -> Self {
        Self {
            source: None,
            hop_limit: DEFAULT_HOP_LIMIT,
            df: false,
        }
    }
}

/// Every raw socket.
#[derive(Clone, Debug, Default)]
pub(super) struct Raws {
    open: BTreeMap<u16, Open>,
    next: u16,
}

#[derive(Clone, Debug)]
struct Open {
    protocol: u8,
    queue: VecDeque<RawPacket>,
    /// A packet has arrived that nobody was told about.
    untold: bool,
}

impl Raws {
    fn open(&mut self, protocol: u8) -> Option<RawId> {
        let id = (0..=u16::MAX)
            .map(|step| self.next.wrapping_add(step))
            .find(|id| !self.open.contains_key(id))?;
        self.next = id.wrapping_add(1);
        let queue = VecDeque::new();
        let open = Open {
            protocol,
            queue,
            untold: false,
        };
        self.open.insert(id, open);
        Some(RawId(id))
    }

    fn hear(&mut self, packet: &RawPacket) {
        let all = self.open.values_mut();
        for open in all.filter(|open| open.protocol == packet.protocol) {
            if open.queue.len() < RAW_QUEUE {
                open.untold |= open.queue.is_empty();
                open.queue.push_back(packet.clone());
            }
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<RawId> {
        let (id, open) = self.open.iter_mut().find(|(_, open)| open.untold)?;
        open.untold = false;
        Some(RawId(*id))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn fingerprint(&self, into: &mut dyn Hasher) {
        let mut into = into;
        for (id, open) in &self.open {
            (id, open.protocol, open.untold, open.queue.len()).hash(&mut into);
        }
    }
}

impl Core {
    /// Opens a socket that gets a copy of every whole packet of `protocol` for us; `None` if all numbers are taken.
    pub fn raw_open(&mut self, protocol: u8) -> Option<RawId> {
        let id = self.raws.open(protocol)?;
        self.ip.raw_listen(protocol);
        Some(id)
    }

    /// Closes it.
    pub fn raw_close(&mut self, id: RawId) {
        self.bid_farewell(Event::Raw(id));
        if let Some(open) = self.raws.open.remove(&id.0) {
            self.ip.raw_unlisten(open.protocol);
        }
    }

    /// Sends a packet of the socket's protocol with a payload the program has built, checksums included.
    ///
    /// # Errors
    /// No route, too long, a full queue; `NoRoute` too for a stale handle.
    pub fn raw_send(
        &mut self,
        id: RawId,
        dst: IpAddr,
        payload: &Bytes,
        options: &RawOptions,
    ) -> Result<(), Unresolved> {
        let open = self.raws.open.get(&id.0).ok_or(Unresolved::NoRoute)?;
        let protocol = open.protocol;
        let source = options.source.or_else(|| self.ip.source_for(dst));
        let source = source.ok_or(Unresolved::NoRoute)?;
        let fields = IpFields {
            ttl: options.hop_limit,
            df: options.df,
            ..IpFields::default()
        };
        self.touched = true;
        self.ip.raw_send((source, dst), protocol, fields, payload)
    }

    /// The next packet that arrived.
    pub fn raw_recv(&mut self, id: RawId) -> Option<RawPacket> {
        self.raws.open.get_mut(&id.0)?.queue.pop_front()
    }

    /// Takes copies IP has made to the sockets.
    pub(super) fn hear_raw(&mut self) {
        while let Some(packet) = self.ip.poll_raw() {
            self.raws.hear(&packet);
        }
    }
}
