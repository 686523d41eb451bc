//! The ceiling: as little TCP as a TUN can be filled with.
//!
//! Job: be the bar. It acknowledges, answers and sends; it checks nothing, repeats nothing, forgets nothing, and knows
//! a connection by the client's port alone. No stack that does its work can be faster on the same device by more than
//! noise. Owns: 65,536 connections in a table. Does not know: loss, checksums, options beyond MSS and window scale.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use super::{CLOSE, DISCARD, HEADER, HUGE, LARGE, MOST, SEND, answer, requests, wait};
use crate::{Outcome, scenario};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;
/// The window it offers never changes: 4 MiB, scaled by 7.
const WINDOW: u16 = 32_768;
const SCALE: u8 = 7;
/// The largest segment that is a whole number of 1,460 bytes and fits one packet.
const SEGMENT: u32 = 44 * 1_460;
/// What it has under way at most.
const FLIGHT: u32 = 4 << 20;
/// An acknowledgment at the latest after so many bytes of a batch.
const ACK_EVERY: u32 = 512 << 10;
/// Bytes of the IP and the TCP header.
const HEADERS: usize = 40;

/// Serves for ever.
pub(super) fn run(mut ceiling: Ceiling<'_>, spin: bool) -> Outcome<()> {
    let tun = ceiling.tun;
    let mut buffer = vec![0; MOST];
    loop {
        match rustix::io::read(tun, &mut buffer[..]) {
            Ok(length) => {
                let packet = buffer.get(HEADER..length).unwrap_or_default();
                if let Some(segment) = Segment::parse(packet) {
                    ceiling.arrives(&segment)?;
                }
            }
            Err(Errno::AGAIN) => {
                ceiling.acknowledge()?;
                if !spin {
                    wait(tun, None)?;
                }
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What of a packet is looked at.
struct Segment<'a> {
    addresses: [u8; 8],
    from: u16,
    to: u16,
    seq: u32,
    ack: u32,
    flags: u8,
    window: u16,
    options: &'a [u8],
    text: &'a [u8],
}

impl<'a> Segment<'a> {
    fn parse(packet: &'a [u8]) -> Option<Self> {
        let (ip, tcp) = packet.split_first_chunk::<20>()?;
        let (head, rest) = tcp.split_first_chunk::<20>()?;
        if ip.first() != Some(&0x45) || ip.get(9) != Some(&6) {
            return None;
        }
        let [
            f0,
            f1,
            t0,
            t1,
            s0,
            s1,
            s2,
            s3,
            a0,
            a1,
            a2,
            a3,
            offset,
            flags,
            w0,
            w1,
            ..,
        ] = *head;
        let options = usize::from(offset >> 4) * 4 - 20;
        let (options, text) = rest.split_at_checked(options)?;
        Some(Self {
            addresses: *ip.last_chunk()?,
            from: u16::from_be_bytes([f0, f1]),
            to: u16::from_be_bytes([t0, t1]),
            seq: u32::from_be_bytes([s0, s1, s2, s3]),
            ack: u32::from_be_bytes([a0, a1, a2, a3]),
            flags,
            window: u16::from_be_bytes([w0, w1]),
            options,
            text,
        })
    }

    /// The client's window scale: kind 3, length 3, if it is where Linux puts it or anywhere else.
    fn scale(&self) -> u8 {
        let found = self
            .options
            .windows(3)
            .find(|three| three.starts_with(&[3, 3]));
        found.and_then(|three| three.last()).copied().unwrap_or(0)
    }
}

/// A connection.
#[derive(Clone, Copy, Default)]
struct Conn {
    rcv_nxt: u32,
    snd_nxt: u32,
    snd_una: u32,
    /// Where what it has to send ends; nothing ends where `endless`.
    until: u32,
    /// Where in its stream of answers it is.
    at: usize,
    window: u32,
    scale: u8,
    endless: bool,
    /// The answer is the last: a FIN goes with it.
    closes: bool,
    closed: bool,
    /// Bytes received and not acknowledged.
    owes: u32,
    addresses: [u8; 8],
    ports: (u16, u16),
}

/// Answers over and over, so that any stretch of many answers is one slice.
struct Stream {
    bytes: Vec<u8>,
    period: usize,
}

impl Stream {
    fn new(answer: &[u8], times: usize) -> Self {
        Self {
            bytes: answer.repeat(times),
            period: answer.len(),
        }
    }

    const fn once(answer: Vec<u8>) -> Self {
        let period = answer.len();
        Self {
            bytes: answer,
            period,
        }
    }
}

/// What it knows.
pub(super) struct Ceiling<'a> {
    tun: BorrowedFd<'a>,
    table: Vec<Conn>,
    /// Ports of connections that owe an acknowledgment.
    owing: Vec<u16>,
    small: Stream,
    close: Stream,
    large: Stream,
    huge: Option<Stream>,
    endless: Stream,
}

impl<'a> Ceiling<'a> {
    /// A file of 1 GiB is there if `huge`. It lies in memory, so that nothing is done with it but the one copy into the
    /// device that nobody can do without.
    pub(super) fn new(tun: BorrowedFd<'a>, huge: bool) -> Self {
        let small = answer(100, false);
        let block = vec![b'x'; SEGMENT as usize];
        Self {
            tun,
            table: vec![Conn::default(); 1 << 16],
            owing: Vec::new(),
            small: Stream::new(&small, 1 + SEGMENT as usize / small.len() * 2),
            close: Stream::once(answer(100, true)),
            large: Stream::once(answer(1 << 20, false)),
            huge: huge.then(|| Stream::once(answer(scenario::HUGE, true))),
            endless: Stream::once(block),
        }
    }

    fn stream(&self, port: u16) -> &Stream {
        match port {
            CLOSE => &self.close,
            LARGE => &self.large,
            HUGE => self.huge.as_ref().unwrap_or(&self.large),
            SEND => &self.endless,
            _ => &self.small,
        }
    }

    fn arrives(&mut self, segment: &Segment<'_>) -> Outcome<()> {
        let slot = usize::from(segment.from);
        let Some(mut conn) = self.table.get(slot).copied() else {
            return Ok(());
        };
        if segment.flags & RST != 0 {
            return Ok(());
        }
        if segment.flags & SYN != 0 {
            conn = Conn {
                rcv_nxt: segment.seq.wrapping_add(1),
                scale: segment.scale(),
                addresses: segment.addresses,
                ports: (segment.from, segment.to),
                snd_nxt: 1,
                snd_una: 1,
                until: 1,
                ..Conn::default()
            };
            let options = [2, 4, 0x05, 0xb4, 1, 3, 3, SCALE];
            let header = Header::new(&conn, 0, SYN | ACK, &options, 0);
            self.write(&header, &[])?;
        } else {
            conn.takes(segment, self.stream(segment.to).period);
            conn = self.sends(conn)?;
            if segment.flags & FIN != 0 {
                let last = if conn.closed { ACK } else { FIN | ACK };
                self.write(&Header::new(&conn, conn.snd_nxt, last, &[], 0), &[])?;
                (conn.closed, conn.owes) = (true, 0);
            } else if conn.owes >= ACK_EVERY {
                self.write(&conn.acknowledgment(), &[])?;
                conn.owes = 0;
            } else if conn.owes > 0 {
                self.owing.push(segment.from);
            }
        }
        if let Some(place) = self.table.get_mut(slot) {
            *place = conn;
        }
        Ok(())
    }

    /// Sends what may be sent; an acknowledgment rides on it.
    fn sends(&self, mut conn: Conn) -> Outcome<Conn> {
        let stream = self.stream(conn.ports.1);
        loop {
            let flight = conn.snd_nxt.wrapping_sub(conn.snd_una);
            let room = conn.window.min(FLIGHT).saturating_sub(flight);
            let left = if conn.endless {
                SEGMENT
            } else {
                conn.until.wrapping_sub(conn.snd_nxt)
            };
            let start = conn.at % stream.period;
            let piece = stream.bytes.get(start..).unwrap_or_default();
            let whole = left.min(SEGMENT).min(u32::try_from(piece.len())?);
            // Into a window that does not take it whole goes what fits, if nothing is under way.
            let most = if flight == 0 { whole.min(room) } else { whole };
            if most == 0 || conn.closed || room < most {
                return Ok(conn);
            }
            let text = piece.get(..most as usize).unwrap_or_default();
            let fin = if conn.closes && most == left { FIN } else { 0 };
            let header = Header::new(&conn, conn.snd_nxt, PSH | ACK | fin, &[], text.len());
            self.write(&header, text)?;
            conn.snd_nxt = conn.snd_nxt.wrapping_add(most + u32::from(fin));
            conn.closed = fin != 0;
            conn.at += text.len();
            conn.owes = 0;
        }
    }

    /// What is owed when nothing more is there to be read.
    fn acknowledge(&mut self) -> Outcome<()> {
        while let Some(port) = self.owing.pop() {
            let slot = usize::from(port);
            let Some(conn) = self.table.get(slot).copied() else {
                continue;
            };
            if conn.owes > 0 {
                self.write(&conn.acknowledgment(), &[])?;
            }
            if let Some(conn) = self.table.get_mut(slot) {
                conn.owes = 0;
            }
        }
        Ok(())
    }

    fn write(&self, header: &Header, text: &[u8]) -> Outcome<()> {
        let head = header.bytes.get(..header.length).unwrap_or_default();
        match rustix::io::writev(self.tun, &[IoSlice::new(head), IoSlice::new(text)]) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Conn {
    /// What a segment says.
    fn takes(&mut self, segment: &Segment<'_>, period: usize) {
        self.window = u32::from(segment.window) << self.scale;
        self.snd_una = segment.ack;
        if segment.seq != self.rcv_nxt {
            self.owes += 1;
            return;
        }
        let length = u32::try_from(segment.text.len()).unwrap_or(0);
        self.rcv_nxt = self.rcv_nxt.wrapping_add(length);
        self.owes += length;
        if segment.flags & FIN != 0 {
            self.rcv_nxt = self.rcv_nxt.wrapping_add(1);
            self.endless = false;
        }
        if length == 0 {
            return;
        }
        match segment.to {
            DISCARD => {}
            SEND => self.endless = true,
            port => {
                let bytes = requests(segment.text) * u32::try_from(period).unwrap_or(0);
                self.until = self.until.wrapping_add(bytes);
                self.closes = port == CLOSE || port == HUGE;
            }
        }
    }

    /// A bare acknowledgment.
    fn acknowledgment(&self) -> Header {
        Header::new(self, self.snd_nxt, ACK, &[], 0)
    }
}

/// The virtio, the IP and the TCP header of a packet.
struct Header {
    bytes: [u8; HEADER + HEADERS + 8],
    length: usize,
}

impl Header {
    fn new(conn: &Conn, seq: u32, flags: u8, options: &[u8], text: usize) -> Self {
        let total = HEADERS + options.len() + text;
        let long = total > 1_500;
        let [total0, total1] = u16::try_from(total).unwrap_or(u16::MAX).to_be_bytes();
        let [client, ours] = [conn.ports.0, conn.ports.1].map(u16::to_be_bytes);
        let [c0, c1, c2, c3, o0, o1, o2, o3] = conn.addresses;
        let [s0, s1, s2, s3] = seq.to_be_bytes();
        let [a0, a1, a2, a3] = conn.rcv_nxt.to_be_bytes();
        let [w0, w1] = WINDOW.to_be_bytes();
        let offset = u8::try_from((20 + options.len()) / 4).unwrap_or(5) << 4;
        let [g0, g1] = if long { 1_460u16 } else { 0 }.to_ne_bytes();
        let [start0, start1, field0, field1] = {
            let ([a, b], [c, d]) = (20u16.to_ne_bytes(), 16u16.to_ne_bytes());
            [a, b, c, d]
        };
        #[rustfmt::skip]
        let mut bytes = [
            // virtio: the kernel completes the checksum, and cuts what is long.
            1, u8::from(long), if long { 40 } else { 0 }, 0, g0, g1, start0, start1, field0, field1,
            // IP
            0x45, 0, total0, total1, 0, 0, 0x40, 0, 64, 6, 0, 0, o0, o1, o2, o3, c0, c1, c2, c3,
            // TCP
            ours[0], ours[1], client[0], client[1], s0, s1, s2, s3, a0, a1, a2, a3, offset, flags, w0, w1,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        let sum = bytes
            .get(HEADER..HEADER + 20)
            .unwrap_or_default()
            .as_chunks::<2>()
            .0
            .iter()
            .fold(0u32, |sum, pair| sum + u32::from(u16::from_be_bytes(*pair)));
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = !((folded & 0xffff) + (folded >> 16));
        let [.., hi, lo] = folded.to_be_bytes();
        for (place, value) in bytes.iter_mut().skip(HEADER + 10).zip([hi, lo]) {
            *place = value;
        }
        for (place, value) in bytes.iter_mut().skip(HEADER + HEADERS).zip(options) {
            *place = *value;
        }
        Self {
            bytes,
            length: HEADER + HEADERS + options.len(),
        }
    }
}
