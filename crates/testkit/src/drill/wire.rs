//! Packets as bytes.
//!
//! Job: build what a script injects, and take apart what the stack sends. Owns: header layouts, checksums.
//! Does not know: scripts' numbers; everything here is as on the wire.
//! Sources: RFC 791 3.1, RFC 8200 3, RFC 9293 3.1, RFC 7323, RFC 2018, RFC 792, RFC 4443.

use core::net::{IpAddr, SocketAddr};

use outcrop_base::{Checksum, Instant};

use super::ast::{Counters, Flags, IpPrefix, Signature, TcpOption};
use super::signature;

pub(super) const TCP: u8 = 6;
const UDP: u8 = 17;
pub(super) const ICMP: u8 = 1;
pub(super) const ICMP_V6: u8 = 58;

/// A TCP segment with its live numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Segment {
    pub(super) flags: Flags,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) win: u16,
    pub(super) urg: u16,
    pub(super) options: Vec<TcpOption>,
    pub(super) len: usize,
}

/// What a packet of the stack carries.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Inside {
    Tcp(Segment),
    Udp(usize),
    Icmp {
        kind: u8,
        code: u8,
    },
    /// Nothing a script has words for.
    Other(String),
}

/// A packet of the stack.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) at: Instant,
    pub(super) tos: u8,
    pub(super) ttl: u8,
    pub(super) flow_label: u32,
    pub(super) src: SocketAddr,
    pub(super) dst: SocketAddr,
    pub(super) inside: Inside,
    /// Its TCP segment, if it is signed.
    pub(super) signed: Option<Vec<u8>>,
    /// What is wrong with it whatever the script says.
    pub(super) fault: Option<&'static str>,
}

/// The header of an IP packet to build.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ip {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) prefix: IpPrefix,
}

impl Ip {
    /// A packet of this protocol around `payload`.
    pub(super) fn wrap(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let tos = self.prefix.tos.unwrap_or(0) | self.prefix.ecn.unwrap_or(0);
        let ttl = self.prefix.ttl.unwrap_or(255);
        let mut bytes = Vec::with_capacity(40 + payload.len());
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                bytes.extend([0x45, tos]);
                bytes.extend(be16(20 + payload.len()));
                bytes.extend([0, 0, 0x40, 0, ttl, protocol, 0, 0]);
                bytes.extend(src.octets());
                bytes.extend(dst.octets());
                let mut sum = Checksum::new();
                sum.add(&bytes);
                put(&mut bytes, 10, &sum.finish().to_be_bytes());
            }
            (src, dst) => {
                let label = self.prefix.flow_label.unwrap_or(0) & 0xf_ffff;
                let first = 6 << 28 | u32::from(tos) << 20 | label;
                bytes.extend(first.to_be_bytes());
                bytes.extend(be16(payload.len()));
                bytes.extend([protocol, ttl]);
                for addr in [src, dst] {
                    if let IpAddr::V6(addr) = addr {
                        bytes.extend(addr.octets());
                    }
                }
            }
        }
        bytes.extend(payload);
        bytes
    }

    fn sum(&self, protocol: u8, payload: &[u8]) -> [u8; 2] {
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let mut sum = Checksum::pseudo_header(self.src, self.dst, protocol, len);
        sum.add(payload);
        sum.finish().to_be_bytes()
    }

    /// A TCP packet; its payload is zeros. `key` signs it, if it asks for that.
    pub(super) fn tcp(&self, ports: (u16, u16), segment: &Segment, key: Option<&[u8]>) -> Vec<u8> {
        let mut bytes = tcp_header(ports, segment);
        bytes.resize(bytes.len() + segment.len, 0);
        self.sign(&mut bytes, segment, key);
        let sum = self.sum(TCP, &bytes);
        put(&mut bytes, 16, &sum);
        self.wrap(TCP, &bytes)
    }

    fn sign(&self, bytes: &mut [u8], segment: &Segment, key: Option<&[u8]>) {
        let asked = segment.options.iter().find_map(|option| match option {
            TcpOption::Md5(signature) => Some(signature),
            TcpOption::Eol
            | TcpOption::Nop
            | TcpOption::Mss(_)
            | TcpOption::WindowScale(_)
            | TcpOption::SackPermitted
            | TcpOption::Sack(_)
            | TcpOption::Timestamps { .. }
            | TcpOption::FastOpen { .. }
            | TcpOption::AccurateEcn(_)
            | TcpOption::UserTimeout { .. }
            | TcpOption::Other { .. } => None,
        });
        let Some((asked, place)) = asked.zip(signature::place(bytes)) else {
            return;
        };
        let mut digest = signature::digest((self.src, self.dst), bytes, key.unwrap_or_default());
        match asked {
            Signature::Digest(_) => return,
            Signature::Valid => {}
            Signature::Invalid => digest.reverse(),
        }
        put(bytes, place.start, &digest);
    }

    /// A UDP packet; its payload is zeros.
    pub(super) fn udp(&self, ports: (u16, u16), len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(ports.0.to_be_bytes());
        bytes.extend(ports.1.to_be_bytes());
        bytes.extend(be16(8 + len));
        bytes.extend([0, 0]);
        bytes.resize(8 + len, 0);
        let sum = self.sum(UDP, &bytes);
        put(&mut bytes, 6, &sum);
        self.wrap(UDP, &bytes)
    }

    /// An ICMP message of either family: `rest` is the second word, `quoted` what follows.
    pub(super) fn icmp(&self, kind: (u8, u8), rest: u32, quoted: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind.0, kind.1, 0, 0];
        bytes.extend(rest.to_be_bytes());
        bytes.extend(quoted);
        let (protocol, sum) = if self.src.is_ipv4() {
            let mut sum = Checksum::new();
            sum.add(&bytes);
            (ICMP, sum.finish().to_be_bytes())
        } else {
            (ICMP_V6, self.sum(ICMP_V6, &bytes))
        };
        put(&mut bytes, 2, &sum);
        self.wrap(protocol, &bytes)
    }
}

fn tcp_header(ports: (u16, u16), segment: &Segment) -> Vec<u8> {
    let mut options = Vec::new();
    for option in &segment.options {
        write_option(option, &mut options);
    }
    options.resize(options.len().next_multiple_of(4), 0);
    let words = u8::try_from(5 + options.len() / 4).unwrap_or(15).min(15);
    let flags = &segment.flags;
    let bit = |set: bool, shift: u8| u8::from(set) << shift;
    let mut bytes = Vec::new();
    bytes.extend(ports.0.to_be_bytes());
    bytes.extend(ports.1.to_be_bytes());
    bytes.extend(segment.seq.to_be_bytes());
    bytes.extend(segment.ack.to_be_bytes());
    bytes.push(words << 4 | u8::from(flags.ae));
    bytes.push(
        bit(flags.fin, 0)
            | bit(flags.syn, 1)
            | bit(flags.rst, 2)
            | bit(flags.psh, 3)
            | bit(flags.ack, 4)
            | bit(flags.urg, 5)
            | bit(flags.ece, 6)
            | bit(flags.cwr, 7),
    );
    bytes.extend(segment.win.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(segment.urg.to_be_bytes());
    bytes.extend(options);
    bytes
}

fn write_option(option: &TcpOption, out: &mut Vec<u8>) {
    let mut sized = |kind: u8, body: &[u8]| {
        out.extend([kind, u8::try_from(body.len() + 2).unwrap_or(u8::MAX)]);
        out.extend(body);
    };
    match option {
        TcpOption::Eol => out.push(0),
        TcpOption::Nop => out.push(1),
        TcpOption::Mss(mss) => sized(2, &mss.to_be_bytes()),
        TcpOption::WindowScale(shift) => sized(3, &[*shift]),
        TcpOption::SackPermitted => sized(4, &[]),
        TcpOption::Sack(blocks) => {
            let edges = blocks.iter().flat_map(|(left, right)| [*left, *right]);
            sized(5, &edges.flat_map(u32::to_be_bytes).collect::<Vec<u8>>());
        }
        TcpOption::Timestamps { val, ecr } => {
            let words = [*val, *ecr];
            sized(8, &words.map(u32::to_be_bytes).concat());
        }
        TcpOption::FastOpen {
            cookie,
            experimental: false,
        } => sized(34, cookie),
        TcpOption::FastOpen {
            cookie,
            experimental: true,
        } => {
            sized(254, &[&[0xf9, 0x89], cookie.as_slice()].concat());
        }
        TcpOption::AccurateEcn(counters) => {
            let kind = if counters.ect1_first { 174 } else { 172 };
            let octets = |(_, count): (&str, u32)| count.to_be_bytes().into_iter().skip(1);
            sized(
                kind,
                &counters.named().flat_map(octets).collect::<Vec<u8>>(),
            );
        }
        TcpOption::UserTimeout { minutes, count } => {
            sized(28, &(u16::from(*minutes) << 15 | count).to_be_bytes());
        }
        TcpOption::Md5(Signature::Digest(digest)) => sized(19, digest),
        // Made up by `signature` once the rest of the segment is known.
        TcpOption::Md5(Signature::Valid | Signature::Invalid) => sized(19, &[0; 16]),
        TcpOption::Other { kind, data } => sized(*kind, data),
    }
}

/// Takes a packet of the stack apart.
pub(super) fn dissect(at: Instant, bytes: &[u8]) -> Seen {
    head(at, bytes).unwrap_or_else(|| Seen {
        at,
        tos: 0,
        ttl: 0,
        flow_label: 0,
        src: SocketAddr::new(IpAddr::from([0; 4]), 0),
        dst: SocketAddr::new(IpAddr::from([0; 4]), 0),
        signed: None,
        inside: Inside::Other(format!("{} bytes that are no packet", bytes.len())),
        fault: None,
    })
}

fn head(at: Instant, bytes: &[u8]) -> Option<Seen> {
    let v4 = bytes.first()? >> 4 == 4;
    let (start, len, protocol) = if v4 {
        (20, usize::from(read16(bytes, 2)?), *bytes.get(9)?)
    } else {
        (40, 40 + usize::from(read16(bytes, 4)?), *bytes.get(6)?)
    };
    let (src, dst) = if v4 {
        let addr = |at: usize| Some(IpAddr::from(*bytes.get(at..at + 4)?.as_array::<4>()?));
        (addr(12)?, addr(16)?)
    } else {
        let addr = |at: usize| Some(IpAddr::from(*bytes.get(at..at + 16)?.as_array::<16>()?));
        (addr(8)?, addr(24)?)
    };
    let inner = bytes.get(start..len)?;
    let port = |at| {
        if matches!(protocol, TCP | UDP) {
            read16(inner, at)
        } else {
            Some(0)
        }
    };
    let first = read32(bytes, 0)?;
    let fault = if len != bytes.len() {
        Some("the IP header's length is not the packet's")
    } else if v4 && !sums_to_zero(Checksum::new(), bytes.get(..20)?) {
        Some("the IP header's checksum is wrong")
    } else if !transport_sum_holds((src, dst), protocol, inner) {
        Some("the transport checksum is wrong")
    } else {
        None
    };
    Some(Seen {
        at,
        tos: if v4 {
            *bytes.get(1)?
        } else {
            u8::try_from(first >> 20 & 0xff).ok()?
        },
        ttl: *bytes.get(if v4 { 8 } else { 7 })?,
        flow_label: if v4 { 0 } else { first & 0xf_ffff },
        src: SocketAddr::new(src, port(0)?),
        dst: SocketAddr::new(dst, port(2)?),
        fault: fault.or_else(|| payload_fault(protocol, inner)),
        signed: (protocol == TCP && signature::place(inner).is_some()).then(|| inner.to_vec()),
        inside: inside(protocol, inner)?,
    })
}

fn sums_to_zero(mut sum: Checksum, bytes: &[u8]) -> bool {
    sum.add(bytes);
    sum.finish() == 0
}

fn transport_sum_holds(ends: (IpAddr, IpAddr), protocol: u8, inner: &[u8]) -> bool {
    if protocol == ICMP {
        return sums_to_zero(Checksum::new(), inner);
    }
    let len = u32::try_from(inner.len()).unwrap_or(u32::MAX);
    sums_to_zero(
        Checksum::pseudo_header(ends.0, ends.1, protocol, len),
        inner,
    )
}

/// Everything a program of a script writes is zeros.
fn payload_fault(protocol: u8, inner: &[u8]) -> Option<&'static str> {
    let head = match protocol {
        TCP => usize::from(inner.get(12)? >> 4) * 4,
        UDP => 8,
        _ => return None,
    };
    let zeros = inner.get(head..)?.iter().all(|byte| *byte == 0);
    (!zeros).then_some("the payload is not what was written")
}

fn inside(protocol: u8, inner: &[u8]) -> Option<Inside> {
    Some(match protocol {
        TCP => Inside::Tcp(segment(inner)?),
        UDP => Inside::Udp(inner.len().checked_sub(8)?),
        ICMP | ICMP_V6 => Inside::Icmp {
            kind: *inner.first()?,
            code: *inner.get(1)?,
        },
        other => Inside::Other(format!("a packet of protocol {other}")),
    })
}

fn segment(bytes: &[u8]) -> Option<Segment> {
    let offset = *bytes.get(12)?;
    let flags = *bytes.get(13)?;
    let head = usize::from(offset >> 4) * 4;
    let bit = |shift: u8| flags >> shift & 1 == 1;
    Some(Segment {
        flags: Flags {
            fin: bit(0),
            syn: bit(1),
            rst: bit(2),
            psh: bit(3),
            ack: bit(4),
            urg: bit(5),
            ece: bit(6),
            cwr: bit(7),
            ae: offset & 1 == 1,
        },
        seq: read32(bytes, 4)?,
        ack: read32(bytes, 8)?,
        win: read16(bytes, 14)?,
        urg: read16(bytes, 18)?,
        options: read_options(bytes.get(20..head)?)?,
        len: bytes.len().checked_sub(head)?,
    })
}

fn read_options(bytes: &[u8]) -> Option<Vec<TcpOption>> {
    let mut options = Vec::new();
    let mut at = 0;
    while let Some(kind) = bytes.get(at) {
        let len = match kind {
            0 | 1 => 1,
            _ => usize::from(*bytes.get(at + 1)?),
        };
        let body = bytes.get((at + 2).min(at + len)..at + len)?;
        options.push(match (kind, body.len()) {
            (0, _) => TcpOption::Eol,
            (1, _) => TcpOption::Nop,
            (2, 2) => TcpOption::Mss(read16(body, 0)?),
            (3, 1) => TcpOption::WindowScale(*body.first()?),
            (4, 0) => TcpOption::SackPermitted,
            (5, _) => {
                let (words, _) = body.as_chunks::<4>();
                let (pairs, _) = words.as_chunks::<2>();
                let edge = |word: &[u8; 4]| u32::from_be_bytes(*word);
                TcpOption::Sack(pairs.iter().map(|[l, r]| (edge(l), edge(r))).collect())
            }
            (8, 8) => TcpOption::Timestamps {
                val: read32(body, 0)?,
                ecr: read32(body, 4)?,
            },
            (172 | 174, 0 | 3 | 6 | 9) => {
                let (fields, _) = body.as_chunks::<3>();
                let mut fields = fields
                    .iter()
                    .map(|[a, b, c]| u32::from_be_bytes([0, *a, *b, *c]));
                TcpOption::AccurateEcn(Counters {
                    ect1_first: *kind == 174,
                    fields: [fields.next(), fields.next(), fields.next()],
                })
            }
            (28, 2) => TcpOption::UserTimeout {
                minutes: *body.first()? & 0x80 != 0,
                count: read16(body, 0)? & 0x7fff,
            },
            (19, _) => TcpOption::Md5(Signature::Digest(body.to_vec())),
            (34, _) => TcpOption::FastOpen {
                cookie: body.to_vec(),
                experimental: false,
            },
            (254, 2..) if body.starts_with(&[0xf9, 0x89]) => TcpOption::FastOpen {
                cookie: body.get(2..)?.to_vec(),
                experimental: true,
            },
            _ => TcpOption::Other {
                kind: *kind,
                data: body.to_vec(),
            },
        });
        if len == 0 {
            return None;
        }
        at += len;
    }
    Some(options)
}

fn be16(value: usize) -> [u8; 2] {
    u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes()
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(to) = bytes.get_mut(at..at + value.len()) {
        to.copy_from_slice(value);
    }
}

fn read16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..at + 2)?.as_array()?))
}

fn read32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..at + 4)?.as_array()?))
}
