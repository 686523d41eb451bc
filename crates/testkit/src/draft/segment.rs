//! Recorded segments in a script's numbers.
//!
//! Job: count from each side's SYN. Owns: both initial numbers. Does not know: calls.
//! Sources: RFC 9293 3.1 and 3.2, RFC 7323, RFC 2018 (which option means what).

use crate::drill::ast::{Body, Flags, IpPrefix, Packet as Written, Tcp, TcpOption};
use crate::foreign::{ACK, FIN, Packet, RST, SYN};

const PSH: u8 = 8;
const URG: u8 = 32;
const ECE: u8 = 64;
const CWR: u8 = 128;

/// The first numbers of both ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    /// Of the end that is the script's stack.
    pub(super) ours: Option<u32>,
    pub(super) theirs: Option<u32>,
}

impl Numbers {
    /// Learns from a SYN.
    pub(super) fn hear(&mut self, packet: &Packet, from_us: bool) {
        if packet.has(SYN) {
            let own = if from_us {
                &mut self.ours
            } else {
                &mut self.theirs
            };
            own.get_or_insert(packet.seq);
        }
    }

    /// A packet as a script writes it; its window too if it is the peer's.
    pub(super) fn written(&self, packet: &Packet, from_us: bool) -> Written {
        let (own, other) = if from_us {
            (self.ours, self.theirs)
        } else {
            (self.theirs, self.ours)
        };
        let other = other.unwrap_or(0);
        let seq = packet.seq.wrapping_sub(own.unwrap_or(0));
        let len = u32::try_from(packet.payload().len()).unwrap_or(u32::MAX);
        let tcp = Tcp {
            flags: flags(packet),
            seq,
            end: seq.wrapping_add(len),
            len,
            ack: packet.has(ACK).then(|| packet.ack.wrapping_sub(other)),
            win: (!from_us).then_some(packet.window),
            urg: packet.has(URG).then(|| packet.urgent()),
            options: Some(options(packet.option_bytes(), other)),
        };
        Written {
            ip: IpPrefix::default(),
            body: Body::Tcp(tcp),
        }
    }
}

fn flags(packet: &Packet) -> Flags {
    Flags {
        fin: packet.has(FIN),
        syn: packet.has(SYN),
        rst: packet.has(RST),
        psh: packet.has(PSH),
        ack: packet.has(ACK),
        urg: packet.has(URG),
        ece: packet.has(ECE),
        cwr: packet.has(CWR),
        ae: false,
    }
}

/// An option list; blocks count from the SYN of the other side.
fn options(mut bytes: &[u8], other: u32) -> Vec<TcpOption> {
    let mut list = Vec::new();
    while let Some((&kind, rest)) = bytes.split_first() {
        if kind < 2 {
            list.push(if kind == 0 {
                TcpOption::Eol
            } else {
                TcpOption::Nop
            });
            bytes = rest;
            continue;
        }
        let len = rest.first().map_or(0, |len| usize::from(*len));
        let Some(data) = len.checked_sub(2).and_then(|len| rest.get(1..=len)) else {
            break;
        };
        bytes = rest.get(len - 1..).unwrap_or_default();
        list.push(option(kind, data, other));
    }
    list
}

fn option(kind: u8, data: &[u8], other: u32) -> TcpOption {
    let long = |at: usize| Some(u32::from_be_bytes(*data.get(at..)?.first_chunk()?));
    let unknown = || TcpOption::Other {
        kind,
        data: data.to_vec(),
    };
    let known = match (kind, data) {
        (2, [high, low]) => Some(TcpOption::Mss(u16::from_be_bytes([*high, *low]))),
        (3, [scale]) => Some(TcpOption::WindowScale(*scale)),
        (4, []) => Some(TcpOption::SackPermitted),
        (5, edges) => {
            let pairs = edges.as_chunks::<8>().0.iter().map(|pair| {
                let [a, b, c, d, e, f, g, h] = *pair;
                let edge = |bytes| u32::from_be_bytes(bytes).wrapping_sub(other);
                (edge([a, b, c, d]), edge([e, f, g, h]))
            });
            Some(TcpOption::Sack(pairs.collect()))
        }
        (8, _) => long(0)
            .zip(long(4))
            .map(|(val, ecr)| TcpOption::Timestamps { val, ecr }),
        _ => None,
    };
    known.unwrap_or_else(unknown)
}
