//! What came to the wrong one of several cores of a host.
//!
//! Job: tell a packet that nobody here expects, and let it go round: each core hands it to the next, and the one it came to
//! first has the last word. Owns: the packets on their way to the next. Does not know: who the next is.
//! The kernel keeps a flow that it opened in one queue. It forgets an idle one that we opened, and puts it where chance
//! wants; errors and fragments have no ports to be steered by. Only those go round.

use std::collections::VecDeque;

use bytes::Bytes;
use outcrop_base::{DropReason, Flow, Instant, InterfaceId, RuleRef, Transport, Verdict};
use outcrop_ip::Up;

use super::{Core, PacketIn};

/// Packets that wait for the next core at once, in one batch; more are handled where they are.
pub const STRAYS: usize = 256;

/// It is for another core, and on its way there.
const ELSEWHERE: RuleRef = RuleRef {
    name: "stack:elsewhere",
    source: "RFC 1122 1.1.3",
};

/// A packet on its way round the cores of a host.
#[derive(Clone, Debug)]
pub struct Stray {
    inside: Inside,
    /// How many cores may still hand it on.
    left: u16,
}

#[derive(Clone, Debug)]
enum Inside {
    /// For TCP or UDP: IP has done its part.
    Up(Up),
    /// An answer of ICMP that nobody here had asked for.
    Icmp(PacketIn),
}

impl Stray {
    /// The packet in pieces, its IP header first, and where it came in.
    #[must_use]
    pub fn packet(&self) -> ([Bytes; 2], InterfaceId) {
        match &self.inside {
            Inside::Up(up) => {
                let mut header = up.packet.clone();
                let payload = header.split_off(up.payload_at.min(header.len()));
                ([header, payload], up.arrival.iface)
            }
            Inside::Icmp(packet) => ([packet.bytes.clone(), Bytes::new()], packet.iface),
        }
    }
}

impl Core {
    /// Takes the packets that are for the next core, the oldest first.
    pub fn strays(&mut self) -> impl Iterator<Item = Stray> {
        self.strays.drain(..)
    }

    /// A packet from the core before this one, taken at `at`; it gets a number of this core's.
    pub fn handle_stray(&mut self, at: Instant, stray: Stray) -> Verdict {
        let Stray { inside, left } = stray;
        let id = self.next_packet_id();
        self.met.clear();
        match inside {
            Inside::Up(mut up) => {
                up.arrival.at = at;
                up.arrival.id = id;
                // This core's own news of the path count.
                up.arrival.path = self.ip.path(up.arrival.src).unwrap_or(up.arrival.path);
                if left == 0 || self.expects(&up) {
                    self.hand_up(up)
                } else {
                    self.pass(up, left)
                }
            }
            Inside::Icmp(packet) => self.take_whole(PacketIn { at, id, ..packet }, left),
        }
    }

    /// The same if the next core has no room: whatever it is, it ends here.
    pub fn settle_stray(&mut self, at: Instant, stray: Stray) -> Verdict {
        self.handle_stray(at, Stray { left: 0, ..stray })
    }

    /// How often a packet that came to us may be handed on: once round.
    pub(super) const fn round(&self) -> u16 {
        match self.share.of() {
            1 => 0,
            cores => cores,
        }
    }

    /// Hands a packet that nobody here expects to the next core, or up if it finds no room there.
    #[cold]
    pub(super) fn pass(&mut self, up: Up, left: u16) -> Verdict {
        if self.strays.len() >= STRAYS {
            return self.hand_up(up);
        }
        self.hand_on(Inside::Up(up), left)
    }

    /// An answer of ICMP: on, if it answers nothing of ours.
    pub(super) fn on_from(&mut self, spare: PacketIn, left: u16, verdict: Verdict) -> Verdict {
        let unasked = matches!(
            verdict.drop_reason(),
            Some(DropReason::IcmpUnrelated | DropReason::IcmpNoRequest)
        );
        // The core it came to first has seen it already: once round is enough.
        if !unasked || left < 2 || self.strays.len() >= STRAYS {
            return verdict;
        }
        self.hand_on(Inside::Icmp(spare), left)
    }

    fn hand_on(&mut self, inside: Inside, left: u16) -> Verdict {
        let left = left.saturating_sub(1);
        self.strays.push_back(Stray { inside, left });
        Verdict::taken(ELSEWHERE)
    }

    /// Whether TCP or UDP knows what to do with it. What is to several, or malformed, is for whoever has it.
    pub(super) fn expects(&self, up: &Up) -> bool {
        const TCP: u8 = Transport::Tcp.number();
        const UDP: u8 = Transport::Udp.number();
        /// Where TCP's flags stand, and what opens a connection among them.
        const FLAGS: usize = 13;
        const SYN_ACK: u8 = 0x12;
        const SYN: u8 = 0x02;
        let transport = match up.protocol {
            TCP => Transport::Tcp,
            UDP => Transport::Udp,
            _ => return true,
        };
        let Some(&[s0, s1, d0, d1]) = up.payload().first_chunk() else {
            return true;
        };
        let flow = Flow {
            transport,
            local: (up.arrival.dst, u16::from_be_bytes([d0, d1])).into(),
            remote: (up.arrival.src, u16::from_be_bytes([s0, s1])).into(),
        };
        if up.arrival.cast != outcrop_base::Cast::Unicast {
            return true;
        }
        match transport {
            Transport::Udp => self.udp.expects(&flow),
            Transport::Tcp => {
                let flags = up.payload().get(FLAGS).copied().unwrap_or_default();
                self.tcp.expects(&flow, flags & SYN_ACK == SYN)
            }
        }
    }
}

/// Whether a packet is ICMP's, of either family, without anything between it and IP.
pub(super) fn is_icmp(packet: &[u8]) -> bool {
    const ICMP: u8 = 1;
    const ICMP6: u8 = 58;
    match packet.first().map(|first| first >> 4) {
        Some(4) => packet.get(9) == Some(&ICMP),
        Some(6) => packet.get(6) == Some(&ICMP6),
        _ => false,
    }
}

/// Packets for the next core.
pub(super) type Strays = VecDeque<Stray>;
