//! One recorded TCP conversation.
//!
//! Job: find the conversations of a capture and say of each of its segments what replaying needs.
//! Owns: positions inside recorded packets. Does not know: any stack.
//! Sources: RFC 9293 3.1, RFC 7323 3.2, RFC 2018 3 (where the numbers stand that a replay must rebase).

use core::net::{IpAddr, SocketAddr};
use core::ops::Range;
use core::time::Duration;
use std::collections::HashMap;

use outcrop_base::Checksum;

/// FIN, SYN, RST and ACK in the flags octet.
pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

/// A TCP packet and where things are in it.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// Since the first packet of the conversation.
    pub(crate) at: Duration,
    pub(crate) bytes: Vec<u8>,
    pub(crate) src: SocketAddr,
    pub(crate) dst: SocketAddr,
    pub(crate) ttl: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    pub(crate) options: Options,
    tcp: usize,
    payload: Range<usize>,
}

/// What the options say, and where the numbers stand that belong to the other side.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) mss: bool,
    pub(crate) window_scale: Option<u8>,
    pub(crate) sack_permitted: bool,
    pub(crate) timestamps: Option<(u32, u32)>,
    /// Offset of TSecr in the packet.
    ecr_at: Option<usize>,
    /// Offsets of all SACK edges in the packet.
    sack_at: Vec<usize>,
}

impl Packet {
    /// Reads a TCP packet from its IP header on; `None` if it is something else or cut short.
    pub(crate) fn parse(at: Duration, bytes: &[u8]) -> Option<Self> {
        let (src, dst, ttl, tcp, end) = match bytes.first()? >> 4 {
            4 if *bytes.get(9)? == 6 => (
                IpAddr::from(*bytes.get(12..16)?.as_array::<4>()?),
                IpAddr::from(*bytes.get(16..20)?.as_array::<4>()?),
                *bytes.get(8)?,
                usize::from(bytes.first()? & 15) * 4,
                usize::from(be16(bytes, 2)?),
            ),
            6 if *bytes.get(6)? == 6 => (
                IpAddr::from(*bytes.get(8..24)?.as_array::<16>()?),
                IpAddr::from(*bytes.get(24..40)?.as_array::<16>()?),
                *bytes.get(7)?,
                40,
                40 + usize::from(be16(bytes, 4)?),
            ),
            _ => return None,
        };
        let bytes = bytes.get(..end)?;
        let head = usize::from(bytes.get(tcp + 12)? >> 4) * 4;
        Some(Self {
            at,
            src: SocketAddr::new(src, be16(bytes, tcp)?),
            dst: SocketAddr::new(dst, be16(bytes, tcp + 2)?),
            ttl,
            seq: be32(bytes, tcp + 4)?,
            ack: be32(bytes, tcp + 8)?,
            flags: *bytes.get(tcp + 13)?,
            window: be16(bytes, tcp + 14)?,
            options: Options::parse(bytes, tcp + 20, tcp + head)?,
            tcp,
            payload: bytes.get(tcp + head..).map(|_| tcp + head..end)?,
            bytes: bytes.to_vec(),
        })
    }

    pub(crate) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The option list.
    pub(crate) fn option_bytes(&self) -> &[u8] {
        let from = self.tcp + 20;
        self.bytes.get(from..self.payload.start).unwrap_or_default()
    }

    /// The urgent pointer, whether or not it counts.
    pub(crate) fn urgent(&self) -> u16 {
        be16(&self.bytes, self.tcp + 18).unwrap_or(0)
    }

    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.get(self.payload.clone()).unwrap_or_default()
    }

    /// Sequence numbers it takes: payload, SYN and FIN.
    pub(crate) fn seq_len(&self) -> u32 {
        let flags = u32::from(self.has(SYN)) + u32::from(self.has(FIN));
        u32::try_from(self.payload.len()).unwrap_or(u32::MAX) + flags
    }

    /// Whether the TCP checksum is right.
    pub(crate) fn checksum_is_right(&self) -> bool {
        self.sum().finish() == 0
    }

    fn sum(&self) -> Checksum {
        let segment = self.bytes.get(self.tcp..).unwrap_or_default();
        let len = u32::try_from(segment.len()).unwrap_or(u32::MAX);
        let mut sum = Checksum::pseudo_header(self.src.ip(), self.dst.ip(), 6, len);
        sum.add(segment);
        sum
    }

    /// The packet with everything that refers to the other side's numbers shifted by `shift`, and
    /// echoing `ecr` if it echoes a timestamp.
    pub(crate) fn rebased(&self, shift: u32, ecr: Option<u32>) -> Vec<u8> {
        let mut copy = self.clone();
        let mut shifted = self.options.sack_at.clone();
        if self.has(ACK) {
            shifted.push(self.tcp + 8);
        }
        for at in shifted {
            if let Some(old) = be32(&self.bytes, at) {
                copy.put(at, &old.wrapping_add(shift).to_be_bytes());
            }
        }
        if let (Some(at), Some(ecr)) = (self.options.ecr_at, ecr) {
            copy.put(at, &ecr.to_be_bytes());
        }
        copy.put(self.tcp + 16, &[0, 0]);
        let sum = copy.sum().finish();
        copy.put(self.tcp + 16, &sum.to_be_bytes());
        copy.bytes
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(to) = self.bytes.get_mut(at..at + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    }
}

impl Options {
    fn parse(bytes: &[u8], mut at: usize, end: usize) -> Option<Self> {
        let mut options = Self::default();
        while at < end {
            let kind = *bytes.get(at)?;
            if kind == 0 {
                break;
            }
            if kind == 1 {
                at += 1;
                continue;
            }
            let len = usize::from(*bytes.get(at + 1)?);
            if len < 2 || at + len > end {
                return None;
            }
            match kind {
                2 => options.mss = true,
                3 => options.window_scale = bytes.get(at + 2).copied(),
                4 => options.sack_permitted = true,
                5 => options.sack_at = (at + 2..at + len).step_by(4).collect(),
                8 => {
                    options.timestamps = Some((be32(bytes, at + 2)?, be32(bytes, at + 6)?));
                    options.ecr_at = Some(at + 6);
                }
                _ => {}
            }
            at += len;
        }
        Some(options)
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..at + 2)?.as_array()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..at + 4)?.as_array()?))
}

/// A conversation of a capture, from its SYN on.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    pub(crate) client: SocketAddr,
    pub(crate) server: SocketAddr,
    /// When its first packet came.
    start: Duration,
    pub(crate) packets: Vec<Packet>,
}

impl Conversation {
    /// The conversation that the first SYN opens.
    pub(crate) fn of(packets: impl IntoIterator<Item = Packet>) -> Option<Self> {
        Self::all(packets).into_iter().next()
    }

    /// Every conversation that begins with its SYN, in that order.
    pub(crate) fn all(packets: impl IntoIterator<Item = Packet>) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        // Of the same two ends, the latest.
        let mut index = HashMap::new();
        for packet in packets {
            let ends = [packet.src.min(packet.dst), packet.src.max(packet.dst)];
            let opens = packet.flags & (SYN | ACK) == SYN;
            let known: Option<&mut Self> = index.get(&ends).and_then(|at: &usize| all.get_mut(*at));
            match known {
                // A SYN sent again has the number of the first.
                Some(known) if !opens || known.begins_with(packet.seq) => known.push(packet),
                Some(_) | None if opens => {
                    index.insert(ends, all.len());
                    all.push(Self {
                        client: packet.src,
                        server: packet.dst,
                        start: packet.at,
                        packets: Vec::new(),
                    });
                    if let Some(new) = all.last_mut() {
                        new.push(packet);
                    }
                }
                Some(_) | None => {}
            }
        }
        all
    }

    fn begins_with(&self, seq: u32) -> bool {
        self.packets.first().is_some_and(|syn| syn.seq == seq)
            || self
                .packets
                .iter()
                .any(|packet| packet.has(SYN) && packet.seq == seq)
    }

    fn push(&mut self, mut packet: Packet) {
        packet.at = packet.at.saturating_sub(self.start);
        self.packets.push(packet);
    }

    pub(crate) fn server_half(&self) -> impl Iterator<Item = &Packet> {
        self.packets
            .iter()
            .filter(|packet| packet.src == self.server)
    }

    pub(crate) fn client_half(&self) -> impl Iterator<Item = &Packet> {
        self.packets
            .iter()
            .filter(|packet| packet.src == self.client)
    }
}
