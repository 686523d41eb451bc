//! Segments that arrived together, made one.
//!
//! Job: for a device without offload what one with it does before we see it: neighbouring segments of a connection
//! become one super-segment, so that IP and TCP are asked once for all of them. Owns: one run, and where it grows.
//! Does not know: connections; it compares the headers of two packets that lie side by side.
//! Whatever is out of the ordinary goes on as it came, in its order: flags beyond ACK and PSH, options that differ,
//! fragments, wrong checksums. Sources: RFC 791 3.1, RFC 8200 3, RFC 9293 3.1; the conditions are those of Linux's
//! generic receive offload.

use std::io;

use bytes::BytesMut;
use outcrop_base::{Checksum, ChecksumState, Instant, Transport};
use outcrop_device::{Device, Dry, Pool, Received, RxOffload};

use super::BATCH;
use super::headers::{self, FLAGS, IPV4_HEADER, IPV6_HEADER, u16_at};

/// Segments a turn reads, at most, and bytes: six super-segments, which one acknowledgment answers.
const SEGMENTS: usize = 256;
const BYTES: usize = 6 << 16;
/// Packets read before they are merged: so few that the next are read into the same memory, which is still in the
/// processor's nearest caches.
const STEP: usize = 16;
/// Room a run begins with: short runs of many connections share a buffer, and one of full segments still gets nearly a
/// whole one.
const ROOM: usize = 16 << 10;
const TCP_HEADER: usize = 20;
/// The longest packet.
const MOST: usize = 65_535;
const TCP: u8 = Transport::Tcp.number();
/// Where a TCP header says how long it is.
const OFFSET: usize = 12;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// A segment that may have neighbours.
#[derive(Clone, Copy, Debug)]
struct Shape {
    ip_len: usize,
    /// Both headers.
    header_len: usize,
    payload: usize,
    seq: u32,
    push: bool,
}

/// Merges what is read in one turn, as it is read.
#[derive(Debug, Default)]
pub(super) struct Merger {
    /// What was read last and has not been looked at.
    arrived: Vec<Received>,
    /// The first segment of the run, if there is a run.
    first: Option<Received>,
    /// Of the first one, if it may have neighbours.
    shape: Option<Shape>,
    /// The run's headers and payloads so far, once it has two segments.
    merged: BytesMut,
    /// When its last one was read, and whether that one had PSH.
    last: Option<(Instant, bool)>,
    /// The sequence number the next one must have.
    next: u32,
    /// Where merged segments lie: not among the buffers that are read into, which so stay few and in the cache.
    pool: Pool,
}

impl Merger {
    /// Reads what has arrived, merges what it can, and appends it to `out`, where there are [`BATCH`] at most then.
    pub(super) fn receive(
        &mut self,
        device: &mut impl Device,
        pool: &mut Pool,
        out: &mut Vec<Received>,
    ) -> io::Result<Dry> {
        let (mut segments, mut bytes) = (0, 0);
        let dry = loop {
            let dry = match device.receive(pool, &mut self.arrived, STEP) {
                Ok(dry) => dry,
                Err(error) if segments == 0 => return Err(error),
                // What was read is delivered first; the error comes again.
                Err(_) => break Dry::No,
            };
            segments += self.arrived.len();
            bytes += self.merge(out);
            let enough = segments >= SEGMENTS || bytes >= BYTES;
            // The run and one step more have room.
            if dry == Dry::Yes || enough || out.len() + STEP >= BATCH {
                break dry;
            }
        };
        self.end(out);
        Ok(dry)
    }

    /// Merges what it can of what has arrived, so many bytes; everything stays in its order. The last run stays open
    /// for what is read next.
    fn merge(&mut self, out: &mut Vec<Received>) -> usize {
        let mut bytes = 0;
        let mut arrived = core::mem::take(&mut self.arrived);
        for received in arrived.drain(..) {
            bytes += received.bytes.len();
            let shape = shape(&received);
            if !shape.is_some_and(|shape| self.takes(&received, shape)) {
                self.end(out);
                self.next = shape.map_or(0, |s| s.seq.wrapping_add(in_u32(s.payload)));
                self.shape = shape.filter(|shape| !shape.push);
                self.first = Some(received);
            }
        }
        self.arrived = arrived;
        bytes
    }

    /// Adds a segment to the run, if it is the next of it; returns whether it is.
    fn takes(&mut self, received: &Received, shape: Shape) -> bool {
        let (Some(begun), Some(first)) = (self.shape, self.first.as_ref()) else {
            return false;
        };
        let len = self.merged.len().max(first.bytes.len()) + shape.payload;
        let room = self.last.map_or(MOST, |_| self.merged.capacity());
        let fits = shape.payload <= begun.payload && len <= MOST.min(room);
        if shape.seq != self.next || !fits || !alike(&first.bytes, &received.bytes, begun, shape) {
            return false;
        }
        let unproven = self.last.is_none() && !is_intact(&first.bytes, begun);
        if unproven || !is_intact(&received.bytes, shape) {
            return false;
        }
        if self.last.is_none() {
            self.merged = self.pool.take(len.max(ROOM));
            self.merged.extend_from_slice(&first.bytes);
        }
        let payload = received.bytes.get(shape.header_len..).unwrap_or_default();
        self.merged.extend_from_slice(payload);
        self.last = Some((received.at, shape.push));
        self.next = self.next.wrapping_add(in_u32(shape.payload));
        if shape.push || shape.payload < begun.payload {
            // The last one of a burst, or a short one: only the last piece may be short.
            self.shape = None;
        }
        true
    }

    /// Hands the run on: as it came if it is one packet, else as one.
    fn end(&mut self, out: &mut Vec<Received>) {
        let Some(first) = self.first.take() else {
            return;
        };
        self.shape = None;
        // What was merged had a shape.
        let (Some((at, push)), Some(begun)) = (self.last.take(), shape(&first)) else {
            out.push(first);
            return;
        };
        let mut buffer = core::mem::take(&mut self.merged);
        let len = buffer.len();
        if let Some(header) = buffer.get_mut(..begun.header_len) {
            rewrite(header, begun.ip_len, len, push);
        }
        let bytes = buffer.split().freeze();
        self.pool.give_back(buffer);
        out.push(Received {
            at,
            bytes,
            offload: RxOffload {
                checksum: ChecksumState::Verified,
                partial: None,
                gso_size: u16::try_from(begun.payload).ok(),
            },
        });
    }
}

/// What a plain segment with text looks like; `None` for everything else.
fn shape(received: &Received) -> Option<Shape> {
    if received.offload != RxOffload::default() {
        return None;
    }
    let packet = &received.bytes[..];
    let ip_len = match packet.first()? {
        // Five words: no options.
        0x45 => {
            let whole = usize::from(u16_at(packet, 2)?) == packet.len();
            // No fragment; "don't fragment" may be set.
            let plain = u16_at(packet, 6)? & 0x3fff == 0 && *packet.get(9)? == TCP;
            (whole && plain).then_some(IPV4_HEADER)?
        }
        first if first >> 4 == 6 => {
            let whole = usize::from(u16_at(packet, 4)?) + IPV6_HEADER == packet.len();
            (whole && *packet.get(6)? == TCP).then_some(IPV6_HEADER)?
        }
        _ => return None,
    };
    let tcp = packet.get(ip_len..)?;
    let (offset, flags) = (*tcp.get(OFFSET)?, *tcp.get(FLAGS)?);
    let tcp_len = usize::from(offset >> 4) * 4;
    let payload = tcp.len().checked_sub(tcp_len).filter(|len| *len > 0)?;
    let plain = offset & 0x0f == 0 && flags & !PSH == ACK && tcp_len >= TCP_HEADER;
    plain.then_some(Shape {
        ip_len,
        header_len: ip_len + tcp_len,
        payload,
        seq: u32::from(u16_at(tcp, 4)?) << 16 | u32::from(u16_at(tcp, 6)?),
        push: flags & PSH != 0,
    })
}

/// Whether two headers differ only where those of neighbours do: lengths, identification, checksums, the sequence
/// number, PSH.
fn alike(a: &[u8], b: &[u8], of_a: Shape, of_b: Shape) -> bool {
    let same = |from: usize, to: usize| a.get(from..to) == b.get(from..to);
    if (of_a.ip_len, of_a.header_len) != (of_b.ip_len, of_b.header_len) {
        return false;
    }
    let ip = if of_a.ip_len == IPV4_HEADER {
        same(0, 2) && same(6, 10) && same(12, 20)
    } else {
        same(0, 4) && same(6, 40)
    };
    let tcp = of_a.ip_len;
    // Ports; acknowledgment and offset; window; urgent pointer and options.
    ip && same(tcp, tcp + 4)
        && same(tcp + 8, tcp + FLAGS)
        && same(tcp + 14, tcp + 16)
        && same(tcp + 18, of_a.header_len)
}

/// Whether the checksums hold. One that does not is for the engines to judge.
fn is_intact(packet: &[u8], shape: Shape) -> bool {
    let Some((ip, tcp)) = packet.split_at_checked(shape.ip_len) else {
        return false;
    };
    let Some((src, dst)) = headers::addresses(ip) else {
        return false;
    };
    let mut header = Checksum::new();
    header.add(ip);
    let mut segment = Checksum::pseudo_header(src, dst, TCP, in_u32(tcp.len()));
    segment.add(tcp);
    segment.finish() == 0 && (shape.ip_len == IPV6_HEADER || header.finish() == 0)
}

/// Makes the first one's header that of all: the length, its checksum, and PSH if the last one had it. TCP's checksum
/// is that of the first still: who reads on is told that it was verified.
fn rewrite(header: &mut [u8], ip_len: usize, len: usize, push: bool) {
    headers::set_len(header, ip_len, len);
    if let Some(flags) = header.get_mut(ip_len + FLAGS).filter(|_| push) {
        *flags |= PSH;
    }
}

/// Lengths of packets.
fn in_u32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small test data")]
mod tests;
