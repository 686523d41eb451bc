//! The way in: from the device to whom it concerns.
//!
//! Job: hand each packet from layer to layer, and act on what the upper one says while the lower one
//! still holds the packet. Owns: nothing. Does not know: what any layer does with it.
//! Sources: RFC 1122 3.2.2.1 and 4.1.3.1 (unreachable for closed ports and protocols), RFC 5927 4
//! (ICMP errors take effect only when the transport confirms them).

use bytes::Bytes;
use outcrop_base::{
    Arrival, DropReason, Fate, Flow, Instant, Level, PathSignal, PathSignalKind, RuleRef,
    Transport, Verdict,
};
use outcrop_ip::{Delivery, Quote, Quoted, Unreachable, Up};

use super::strays::is_icmp;
use super::{Core, PacketIn};
use crate::Echo;

/// What a TCP header must look like, before anybody is asked.
const TCP_HEADER: RuleRef = RuleRef {
    name: "tcp:header",
    source: "RFC 9293 3.1",
};
/// Only protocols somebody speaks are handed up.
const PROTOCOL: RuleRef = RuleRef {
    name: "ip:protocol",
    source: "RFC 1122 3.2.2.1, RFC 8200 4",
};

impl Core {
    /// A packet from the device. Whatever answers it leaves by `poll_transmit`.
    pub fn handle_packet(&mut self, mut packet: PacketIn) -> Verdict {
        self.met.clear();
        if self.links.has(packet.iface) {
            match self.unframe(packet.at, packet.id, (packet.iface, packet.bytes)) {
                Ok(inside) => packet.bytes = inside,
                Err(verdict) => return verdict,
            }
        }
        self.take_whole(packet, self.round())
    }

    /// A packet, that may be handed on so often.
    #[inline]
    pub(super) fn take_whole(&mut self, packet: PacketIn, left: u16) -> Verdict {
        let at = packet.at;
        let spare = (left > 0 && is_icmp(&packet.bytes)).then(|| packet.clone());
        let delivery = self.ip.handle_packet(outcrop_ip::PacketIn {
            at,
            id: packet.id,
            iface: packet.iface,
            bytes: packet.bytes,
            checksum: packet.offload.checksum,
            gso_size: packet.offload.gso_size,
        });
        if !self.raws.is_empty() {
            self.hear_raw();
        }
        match delivery {
            Delivery::Up(up) if left == 0 || self.expects(&up) => self.hand_up(up),
            Delivery::Up(up) => self.pass(up, left),
            Delivery::Done(verdict) => {
                let verdict = self.hear_ip(at).unwrap_or(verdict);
                match spare {
                    Some(spare) => self.on_from(spare, left, verdict),
                    None => verdict,
                }
            }
        }
    }

    #[inline]
    pub(super) fn hand_up(&mut self, up: Up) -> Verdict {
        const TCP: u8 = Transport::Tcp.number();
        const UDP: u8 = Transport::Udp.number();
        match up.protocol {
            TCP => {
                let arrival = up.arrival;
                self.hand_to_tcp(&arrival, up.into_payload())
            }
            UDP => self.hand_to_udp(&up),
            protocol if self.ip.raw_listens(protocol) => Verdict::taken(PROTOCOL),
            _ => {
                let _sent = self
                    .ip
                    .unreachable(up.arrival.at, &up, Unreachable::Protocol);
                Verdict::dropped(DropReason::IpUnknownProtocol, PROTOCOL)
            }
        }
    }

    fn hand_to_tcp(&mut self, arrival: &Arrival, payload: Bytes) -> Verdict {
        let (segment, payload) = match outcrop_tcp::wire::parse(arrival, payload) {
            Ok(parsed) => parsed,
            Err(reason) => return Verdict::dropped(reason, TCP_HEADER),
        };
        if self.level == Level::Full {
            let flow = Flow {
                transport: Transport::Tcp,
                local: (arrival.dst, segment.dst_port).into(),
                remote: (arrival.src, segment.src_port).into(),
            };
            let met = &mut self.met;
            self.tcp
                .describe_flow(&flow, &mut |key, value| met.push(key, value));
        }
        if !self.links.has(arrival.iface) {
            return self.tcp.handle_segment(arrival, segment, payload);
        }
        let (at, src) = (arrival.at, arrival.src);
        let flow = Flow {
            transport: Transport::Tcp,
            local: (arrival.dst, segment.dst_port).into(),
            remote: (src, segment.src_port).into(),
        };
        let before = self.acknowledged(&flow);
        let verdict = self.tcp.handle_segment(arrival, segment, payload);
        if self.acknowledged(&flow) > before {
            self.confirm(at, src);
        }
        verdict
    }

    /// How much of a flow the peer has: its growth is forward progress.
    fn acknowledged(&self, flow: &Flow) -> Option<u64> {
        let info = self.tcp.info(self.tcp.find(flow)?)?;
        info.negotiated.map(|_| info.snd_una)
    }

    fn hand_to_udp(&mut self, up: &Up) -> Verdict {
        if let Err(verdict) = self.hears_source(up) {
            return verdict;
        }
        let verdict = self
            .udp
            .handle_segment(&up.arrival, up.clone().into_payload());
        if verdict.drop_reason() == Some(DropReason::UdpNoSocket) {
            let _sent = self.ip.unreachable(up.arrival.at, up, Unreachable::Port);
        }
        verdict
    }

    /// Takes IP's news to whom it concerns. If a transport was asked, its verdict is the packet's.
    pub(super) fn hear_ip(&mut self, now: Instant) -> Option<Verdict> {
        let mut verdict = None;
        while let Some(event) = self.ip.poll_event() {
            match event {
                outcrop_ip::Event::EchoReply(reply) => {
                    self.pings.hear(reply.ident, Echo::Reply(reply))
                }
                outcrop_ip::Event::IcmpError { quote, id } => {
                    if let Some(signal) = quote.signal(id) {
                        verdict = Some(self.hear_path(now, &signal));
                    } else {
                        self.hear_ping_error(&quote);
                    }
                }
                outcrop_ip::Event::PathChanged { dst, mtu } => self.tcp.path_changed(now, dst, mtu),
                outcrop_ip::Event::Group {
                    iface,
                    group,
                    joined,
                } => self.tell_link(iface, |link| {
                    if joined {
                        link.join(group);
                    } else {
                        link.leave(group);
                    }
                }),
                outcrop_ip::Event::Neighbor {
                    iface,
                    ip,
                    link,
                    heard,
                } => {
                    verdict = self
                        .hear_neighbor(now, (iface, ip), link, heard)
                        .or(verdict)
                }
                outcrop_ip::Event::Resolvers { iface } => self.hear_resolvers(iface),
                outcrop_ip::Event::Claim { iface, addr } => {
                    self.tell_link(iface, |link| {
                        link.claim(now, addr);
                    });
                }
                outcrop_ip::Event::Redirect(redirect) => {
                    let there = self.links.mac_of(redirect.iface, redirect.target.into());
                    self.ip.redirect(&redirect, there);
                }
                outcrop_ip::Event::Address { iface, news } => self.hear_address(iface, news),
            }
        }
        verdict
    }

    /// An ICMP error about a flow: only what the transport confirms is remembered for others.
    fn hear_path(&mut self, now: Instant, signal: &PathSignal) -> Verdict {
        let verdict = match signal.flow.transport {
            Transport::Tcp => self.tcp.handle_path(now, signal),
            Transport::Udp => self.udp.handle_path(now, signal),
        };
        if let (Fate::Taken, PathSignalKind::TooBig(mtu)) = (verdict.fate, signal.kind) {
            self.ip.learn_mtu(now, signal.flow.remote.ip(), mtu);
        }
        verdict
    }

    fn hear_ping_error(&mut self, quote: &Quote) {
        if let Quoted::Echo { ident, .. } = quote.inner {
            self.pings.hear(ident, Echo::Error(*quote));
        }
    }
}
