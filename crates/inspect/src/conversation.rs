//! Who talks to whom.
//!
//! Job: group packets and events into conversations, say which end is ours, and make TCP numbers relative.
//! Owns: one small entry a conversation. Does not know: how anything is shown.
//! A capture of ours says which way a packet went; in a foreign one, the end that speaks first is the peer.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use std::collections::HashMap;

use outcrop_base::Direction;
use outcrop_capture::{Event, Packet};

use crate::dissect::{Flags, Network, Tcp, Upper, protocol, word};

/// Conversations told apart. In a capture with more, what belongs to no known one is shown by itself: a flood of
/// addresses costs no more memory than this.
pub const CONVERSATIONS_MAX: usize = 1 << 16;

/// One end: an address, and a port if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    /// Its address.
    pub addr: IpAddr,
    /// Its port; `None` for ICMP and the like.
    pub port: Option<u16>,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.addr, port).fmt(f),
            None => self.addr.fmt(f),
        }
    }
}

/// What two ends talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Talk {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Echo requests and replies of one identifier.
    Ping {
        /// The identifier.
        ident: u16,
    },
    /// ICMP that belongs to nothing else seen here.
    Icmp,
    /// Another protocol of IP.
    Protocol(u8),
}

impl fmt::Display for Talk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("tcp"),
            Self::Udp => f.write_str("udp"),
            Self::Ping { .. } => f.write_str("ping"),
            Self::Icmp => f.write_str("icmp"),
            Self::Protocol(number) => write!(f, "protocol {number}"),
        }
    }
}

/// A conversation: two ends and what they talk.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// What they talk.
    pub talk: Talk,
    /// The other end.
    pub peer: End,
    /// Ours.
    pub ours: End,
    /// Packets seen.
    pub packets: u64,
    /// Whether the file itself says which end is ours.
    pub ours_is_known: bool,
    from_peer: Half,
    from_us: Half,
}

/// What one direction of a TCP connection has shown.
#[derive(Clone, Copy, Debug, Default)]
struct Half {
    /// The number that is shown as zero.
    zero: Option<u32>,
    /// Window scale of its SYN.
    scale: Option<u8>,
    /// The highest relative number sent, plus one. Beyond 32 bits it goes on counting.
    end: i64,
}

impl Half {
    /// A number of the header as a relative one: the one nearest to what was last sent.
    fn relative(&self, number: u32, zero: u32) -> i64 {
        let raw = number.wrapping_sub(zero);
        let low = u32::try_from(self.end & 0xffff_ffff).unwrap_or(0);
        self.end + i64::from(raw.wrapping_sub(low).cast_signed())
    }
}

/// A TCP segment with numbers relative to its connection. They count on beyond 32 bits, and are
/// negative for what is older than the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relative {
    /// Sequence number.
    pub seq: i64,
    /// Sequence number after it.
    pub end: i64,
    /// Acknowledgment, if ACK is set.
    pub ack: Option<i64>,
    /// Ranges selectively acknowledged.
    pub sack: Vec<(i64, i64)>,
    /// Window in bytes, scaled where both ends agreed to that.
    pub window: u32,
    /// Whether all it carries was seen before.
    pub again: bool,
}

/// A packet and what it belongs to.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which conversation, by index; `None` if there are no addresses.
    pub conversation: Option<usize>,
    /// Whether it came to us.
    pub inbound: bool,
    /// The network layer.
    pub network: Network,
    /// The transport.
    pub upper: Upper,
    /// Relative numbers, if it is TCP.
    pub tcp: Option<Relative>,
}

type Key = (Talk, End, End);

/// All conversations of a capture, in order of appearance.
#[derive(Debug, Default)]
pub struct Conversations {
    list: Vec<Conversation>,
    index: HashMap<Key, usize>,
}

impl Conversations {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A conversation by index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Conversation> {
        self.list.get(index)
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes a packet in.
    pub fn packet(&mut self, packet: &Packet) -> Seen {
        let network = Network::of(packet);
        let upper = network.upper();
        let mut seen = Seen {
            conversation: None,
            inbound: packet.direction != Some(Direction::Out),
            network,
            upper,
            tcp: None,
        };
        let Some((talk, src, dst)) = identify(&seen.network, &seen.upper) else {
            return seen;
        };
        let index = self.find_quoted(&seen.upper).or_else(|| {
            let ends = match packet.direction {
                Some(Direction::Out) => [dst, src],
                Some(Direction::In) | None => [src, dst],
            };
            self.find_or_add(talk, ends, packet.direction.is_some())
        });
        seen.conversation = index;
        if let Some(conversation) = index.and_then(|index| self.list.get_mut(index)) {
            conversation.packets += 1;
            if packet.direction.is_none() {
                seen.inbound = conversation.comes_from_peer(src);
            }
            if let Upper::Tcp(tcp) = &seen.upper {
                seen.tcp = Some(conversation.segment(tcp, seen.inbound));
            }
        }
        seen
    }

    /// The conversation an event of ours concerns.
    pub fn event(&mut self, event: &Event) -> Option<usize> {
        let talk = match event.get("NET_PROTO")? {
            "tcp" => Talk::Tcp,
            "udp" => Talk::Udp,
            _ => return None,
        };
        let (local, remote) = event.get("NET_CONN")?.split_once(' ')?;
        let end = |text: &str| {
            let addr: SocketAddr = text.parse().ok()?;
            Some(End {
                addr: addr.ip(),
                port: Some(addr.port()),
            })
        };
        let remote = end(remote)?;
        // A listener's peer is everybody and nobody yet.
        if remote.port == Some(0) {
            return None;
        }
        self.find_or_add(talk, [remote, end(local)?], true)
    }

    /// `None` of a new one where there are too many.
    fn find_or_add(&mut self, talk: Talk, [peer, ours]: [End; 2], known: bool) -> Option<usize> {
        let next = self.list.len();
        let key = key(talk, peer, ours);
        if next >= CONVERSATIONS_MAX {
            return self.index.get(&key).copied();
        }
        let index = *self.index.entry(key).or_insert(next);
        if index == next {
            self.list.push(Conversation {
                talk,
                peer,
                ours,
                packets: 0,
                ours_is_known: known,
                from_peer: Half::default(),
                from_us: Half::default(),
            });
        }
        Some(index)
    }

    /// An ICMP error belongs to the conversation whose packet it quotes.
    fn find_quoted(&self, upper: &Upper) -> Option<usize> {
        let Upper::Icmp { v6, body } = upper else {
            return None;
        };
        let kind = *body.bytes.first()?;
        let error = if *v6 {
            kind < 128
        } else {
            matches!(kind, 3..=5 | 11 | 12)
        };
        if !error {
            return None;
        }
        let quoted = Network::by_version(&body.after(8).bytes);
        let (talk, src, dst) = identify(&quoted, &quoted.upper())?;
        self.index.get(&key(talk, src, dst)).copied()
    }
}

/// Both orders of the ends are one conversation.
fn key(talk: Talk, a: End, b: End) -> Key {
    (talk, a.min(b), a.max(b))
}

/// What a packet is part of, by its own fields: talk, source, destination.
fn identify(network: &Network, upper: &Upper) -> Option<(Talk, End, End)> {
    let (src, dst) = network.addresses()?;
    let ports = upper.ports();
    let end = |addr, port| End { addr, port };
    let src = end(src, ports.map(|(src, _)| src));
    let dst = end(dst, ports.map(|(_, dst)| dst));
    let talk = match upper {
        Upper::Tcp(_) | Upper::BadTcp(_) => Talk::Tcp,
        Upper::Udp(_) | Upper::BadUdp(_) => Talk::Udp,
        Upper::Icmp { v6, body } => {
            let echo = if *v6 { [128, 129] } else { [0, 8] };
            let is_echo = body.bytes.first().is_some_and(|kind| echo.contains(kind));
            match word(&body.bytes, 4).filter(|_| is_echo) {
                Some(ident) => Talk::Ping { ident },
                None => Talk::Icmp,
            }
        }
        Upper::Fragment { protocol } | Upper::Other { protocol, .. } => Talk::Protocol(*protocol),
        Upper::None => Talk::Protocol(protocol::NONE),
    };
    Some((talk, src, dst))
}

impl Conversation {
    /// Whether a packet from this end came from the peer; an ICMP error has no port, or is a third party's.
    fn comes_from_peer(&self, src: End) -> bool {
        let is = |end: End| src.addr == end.addr && (src.port.is_none() || src.port == end.port);
        is(self.peer) || !is(self.ours)
    }

    /// Takes a segment in and makes its numbers relative.
    fn segment(&mut self, tcp: &Tcp, inbound: bool) -> Relative {
        let (own, other) = match inbound {
            true => (&mut self.from_peer, &mut self.from_us),
            false => (&mut self.from_us, &mut self.from_peer),
        };
        let acks = tcp.flags.has(Flags::ACK);
        if tcp.flags.has(Flags::SYN) {
            if own.zero != Some(tcp.seq) {
                *own = Half {
                    zero: Some(tcp.seq),
                    ..Half::default()
                };
            }
            own.scale = tcp.window_scale();
        }
        // Without a SYN, the first byte seen is byte one. A reset answering nobody begins nothing.
        let begins = acks || !tcp.flags.has(Flags::RST);
        let zero = match own.zero {
            Some(zero) => zero,
            None if begins => *own.zero.insert(tcp.seq.wrapping_sub(1)),
            None => 0,
        };
        let ack_zero = match other.zero {
            Some(zero) => zero,
            None if acks => *other.zero.insert(tcp.ack.wrapping_sub(1)),
            None => 0,
        };
        let seq = own.relative(tcp.seq, zero);
        let end = seq + i64::from(tcp.seq_len());
        let again = tcp.seq_len() > 0 && own.end > 0 && end <= own.end;
        own.end = own.end.max(end);
        let scale = match (own.scale, other.scale) {
            (Some(own), Some(_)) if !tcp.flags.has(Flags::SYN) => own.min(14),
            _ => 0,
        };
        let edge = |edge| other.relative(edge, ack_zero);
        let blocks = tcp.sack_blocks();
        Relative {
            seq,
            end,
            ack: acks.then(|| other.relative(tcp.ack, ack_zero)),
            sack: blocks
                .iter()
                .map(|b| (edge(b.left), edge(b.right)))
                .collect(),
            window: u32::from(tcp.window) << scale,
            again,
        }
    }
}

#[cfg(test)]
mod tests;
