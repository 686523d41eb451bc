//! The way out: a fold, not a queue.
//!
//! Job: turn one plan into one packet: the transport writes its header, IP wraps it, and headers and
//! payload leave as slices that are still borrowed from their owners. Nothing is copied or queued.
//! Owns: the order in which engines are asked. Does not know: where the packet goes.

use core::net::IpAddr;
use std::io::IoSlice;

use bytes::{Bytes, BytesMut};
use outcrop_base::{
    Describe, Flow, HeaderRoom, Instant, InterfaceId, IpFields, MAX_SLICES, Note, PacketId,
    PathSignal, PathSignalKind, Value,
};
use outcrop_device::{Gso, GsoKind, Offload, PartialChecksum, RxOffload};
use outcrop_ip::{LOOPBACK, Plan, Unresolved, Wrap};

use super::links::{self, Framed, Leaving};
use super::{Core, PacketIn};

/// A packet on its way out, valid while the callback runs.
#[derive(Clone, Copy)]
pub struct PacketOut<'a> {
    /// Its number in the run.
    pub id: PacketId,
    /// The interface it leaves by.
    pub iface: InterfaceId,
    /// The packet in pieces: headers first, then payload.
    pub bytes: &'a [IoSlice<'a>],
    /// What the device is asked to complete or to cut.
    pub offload: Offload,
    /// Why it leaves.
    pub note: Note,
    /// The state it leaves.
    pub state: &'a dyn Describe,
}

/// What takes packets on their way out.
pub(crate) type Send<'a> = dyn FnMut(&PacketOut<'_>) + 'a;

/// What became of one question for a packet.
enum Step {
    /// A packet left.
    Sent,
    /// None left, but one may now: ask again.
    Again,
    /// No engine has anything.
    Idle,
}

/// A TCP flow's state, told when asked.
struct FlowState<'a> {
    tcp: &'a outcrop_tcp::Endpoint,
    flow: Flow,
}

impl Describe for FlowState<'_> {
    fn describe(&self, visit: &mut dyn FnMut(&'static str, Value<'_>)) {
        self.tcp.describe_flow(&self.flow, visit);
    }
}

impl Core {
    /// Gives the next packet that leaves at `now` to `send`; returns whether there was one. What was
    /// given counts as sent. Call it until it returns false, but only while the device has room.
    pub fn poll_transmit(&mut self, now: Instant, send: &mut Send<'_>) -> bool {
        loop {
            match self.step(now, send) {
                Step::Sent => return true,
                Step::Again => {}
                Step::Idle => return false,
            }
        }
    }

    /// IP's own answers first: they are few, bounded, and others wait for them.
    fn step(&mut self, now: Instant, send: &mut Send<'_>) -> Step {
        if let Some((iface, transmit)) = self.links.poll_transmit(now) {
            self.send_frame(iface, &transmit, send)
        } else if let Some(transmit) = self.ip.poll_transmit(now) {
            self.send_own(now, &transmit, send)
        } else if let Some(transmit) = self.udp.poll_transmit(now) {
            self.send_udp(now, &transmit, send)
        } else if let Some(transmit) = &self.tcp.poll_transmit(now) {
            self.send_tcp(now, transmit, send)
        } else {
            Step::Idle
        }
    }

    /// What IP originates itself: ICMP and fragments.
    fn send_own(
        &mut self,
        now: Instant,
        transmit: &outcrop_ip::Transmit,
        send: &mut Send<'_>,
    ) -> Step {
        if transmit.hop.iface == LOOPBACK {
            return self.come_back(now, transmit.bytes.clone());
        }
        let payload = IoSlice::new(&transmit.bytes);
        let mut room = HeaderRoom::new();
        if self.links.has(transmit.hop.iface) {
            let (dst, broadcast) = self.own_target(&transmit.bytes, transmit.hop);
            let leaving = Leaving {
                dst,
                broadcast,
                payload: &[payload],
                partial: None,
                gso: false,
                note: transmit.note,
            };
            match self.links.frame(now, transmit.hop, &mut room, &leaving) {
                Framed::Ready => {}
                Framed::Waits => return self.wait_for_link(now),
                Framed::Lost => return self.lose(),
            }
        }
        send(&PacketOut {
            id: self.next_packet_id(),
            iface: transmit.hop.iface,
            bytes: &[IoSlice::new(room.as_slice()), payload],
            offload: Offload::default(),
            note: transmit.note,
            state: &(),
        });
        Step::Sent
    }

    /// What a link originates itself: ARP, and packets that waited for their neighbour.
    fn send_frame(
        &mut self,
        iface: InterfaceId,
        transmit: &outcrop_ethernet::Transmit,
        send: &mut Send<'_>,
    ) -> Step {
        let room = links::emit(&transmit.header);
        send(&PacketOut {
            id: self.next_packet_id(),
            iface,
            bytes: &[
                IoSlice::new(room.as_slice()),
                IoSlice::new(&transmit.payload),
            ],
            offload: Offload::default(),
            note: transmit.note,
            state: &(),
        });
        Step::Sent
    }

    /// A packet waits at its link, which may have asked for its neighbour.
    fn wait_for_link(&mut self, now: Instant) -> Step {
        self.hear_links(now);
        Step::Again
    }

    /// A packet to one of our own addresses: it comes in again at once, without crossing a device. Programs act only
    /// between flushes, so what it sets off ends with what is queued.
    fn come_back(&mut self, now: Instant, bytes: Bytes) -> Step {
        let packet = PacketIn {
            at: now,
            id: self.next_packet_id(),
            iface: LOOPBACK,
            bytes,
            offload: RxOffload::default(),
        };
        self.looped += 1;
        // Nobody records it: the capture is of the device. What became of it shows in what follows.
        let _verdict = self.handle_packet(packet);
        Step::Again
    }

    fn send_udp(
        &mut self,
        now: Instant,
        transmit: &outcrop_udp::Transmit,
        send: &mut Send<'_>,
    ) -> Step {
        let (flow, payload) = (&transmit.flow, IoSlice::new(&transmit.payload));
        let partial = self.completes_checksums(flow.remote.ip());
        let mut room = HeaderRoom::new();
        outcrop_udp::wire::emit(flow, &[payload], partial, &mut room);
        let header_len = room.len();
        let plan = Plan {
            iface: transmit.iface,
            ..plan(flow, transmit.fields, header_len + payload.len())
        };
        match self.ip.wrap(&plan, &mut room) {
            Wrap::Wrapped(hop) if hop.iface == LOOPBACK => {
                let bytes = gathered(&room, &[payload]);
                self.come_back(now, bytes)
            }
            Wrap::Wrapped(hop) => {
                let checksum = UDP_CHECKSUM_OFFSET;
                if self.links.has(hop.iface) {
                    let partial = partial.then(|| to_complete(&room, header_len, checksum));
                    let leaving = Leaving {
                        dst: plan.dst,
                        broadcast: self.ip.is_broadcast_on(hop.iface, plan.dst),
                        payload: &[payload],
                        partial,
                        gso: false,
                        note: transmit.note,
                    };
                    match self.links.frame(now, hop, &mut room, &leaving) {
                        Framed::Ready => {}
                        Framed::Waits => return self.wait_for_link(now),
                        Framed::Lost => return self.lose(),
                    }
                }
                let checksum = partial.then(|| to_complete(&room, header_len, checksum));
                send(&PacketOut {
                    id: self.next_packet_id(),
                    iface: hop.iface,
                    bytes: &[IoSlice::new(room.as_slice()), payload],
                    offload: Offload {
                        checksum,
                        gso: None,
                    },
                    note: transmit.note,
                    state: &(),
                });
                Step::Sent
            }
            Wrap::Fragment => self.send_udp_in_fragments(&plan, transmit),
            Wrap::Unresolved(_) => self.lose(),
        }
    }

    /// A datagram longer than the path: IP cuts it, so its checksum cannot be left to the device.
    /// The pieces leave by IP's own queue.
    fn send_udp_in_fragments(&mut self, plan: &Plan, transmit: &outcrop_udp::Transmit) -> Step {
        let payload = IoSlice::new(&transmit.payload);
        let mut room = HeaderRoom::new();
        outcrop_udp::wire::emit(&transmit.flow, &[payload], false, &mut room);
        let pieces = [IoSlice::new(room.as_slice()), payload];
        match self.ip.fragment(plan, &pieces, &transmit.note) {
            Ok(()) => Step::Again,
            Err(_) => self.lose(),
        }
    }

    fn send_tcp(
        &mut self,
        now: Instant,
        transmit: &outcrop_tcp::Transmit,
        send: &mut Send<'_>,
    ) -> Step {
        let flow = &transmit.flow;
        let partial = transmit.gso.is_some() || self.completes_checksums(flow.remote.ip());
        let id = self.next_packet_id();
        // One slice for all headers, the rest for the payload, which stays the sender's.
        let mut slices = [IoSlice::new(&[]); MAX_SLICES + 1];
        let mut room = HeaderRoom::new();
        let [head, tail @ ..] = &mut slices;
        let used = self.tcp.payload(transmit, tail);
        let payload = tail.get(..used).unwrap_or_default();
        self.tcp.emit(transmit, payload, partial, &mut room);
        let header_len = room.len();
        let payload_len: usize = payload.iter().map(|piece| piece.len()).sum();
        let plan = Plan {
            gso: transmit.gso,
            ..plan(flow, transmit.fields, header_len + payload_len)
        };
        match self.ip.wrap(&plan, &mut room) {
            Wrap::Wrapped(hop) if hop.iface == LOOPBACK => {
                let bytes = gathered(&room, payload);
                self.come_back(now, bytes)
            }
            Wrap::Wrapped(hop) => {
                let checksum = outcrop_tcp::wire::CHECKSUM_OFFSET;
                if self.links.has(hop.iface) {
                    let partial = partial.then(|| to_complete(&room, header_len, checksum));
                    let leaving = Leaving {
                        dst: plan.dst,
                        // TCP speaks to one.
                        broadcast: false,
                        payload,
                        partial,
                        gso: plan.gso.is_some(),
                        note: transmit.note,
                    };
                    match self.links.frame(now, hop, &mut room, &leaving) {
                        Framed::Ready => {}
                        Framed::Waits => return self.wait_for_link(now),
                        Framed::Lost => return self.lose(),
                    }
                }
                *head = IoSlice::new(room.as_slice());
                send(&PacketOut {
                    id,
                    iface: hop.iface,
                    bytes: slices.get(..=used).unwrap_or_default(),
                    offload: Offload {
                        checksum: partial.then(|| to_complete(&room, header_len, checksum)),
                        gso: transmit.gso.map(|size| to_cut(flow, size, &room)),
                    },
                    note: transmit.note,
                    state: &FlowState {
                        tcp: &self.tcp,
                        flow: *flow,
                    },
                });
                Step::Sent
            }
            Wrap::Unresolved(Unresolved::TooBig { mtu }) => self.tell_too_big(now, transmit, mtu),
            Wrap::Fragment | Wrap::Unresolved(_) => self.lose(),
        }
    }

    /// The path shrank since TCP planned, by news about another flow. What was planned is lost, and
    /// the flow hears of it as if a router had said so.
    fn tell_too_big(&mut self, now: Instant, transmit: &outcrop_tcp::Transmit, mtu: u32) -> Step {
        let signal = PathSignal {
            flow: transmit.flow,
            seq: Some(transmit.header.seq.value()),
            kind: PathSignalKind::TooBig(mtu),
            id: PacketId(self.last_id),
        };
        let _heard = self.tcp.handle_path(now, &signal);
        self.lose()
    }

    const fn lose(&mut self) -> Step {
        self.unsent += 1;
        Step::Again
    }

    fn completes_checksums(&self, dst: IpAddr) -> bool {
        if self.offload && !self.plain {
            // Whichever it leaves by; only what comes back to ourselves meets no device.
            return !self.ip.is_local(dst) && !dst.is_loopback();
        }
        self.offload && self.ip.path(dst).is_some_and(|path| path.checksum_offload)
    }
}

/// A packet in one piece.
fn gathered(room: &HeaderRoom, payload: &[IoSlice<'_>]) -> Bytes {
    let len = payload.iter().map(|piece| piece.len()).sum::<usize>();
    let mut bytes = BytesMut::with_capacity(room.len() + len);
    bytes.extend_from_slice(room.as_slice());
    for piece in payload {
        bytes.extend_from_slice(piece);
    }
    bytes.freeze()
}

/// Where UDP's checksum stands in its header.
const UDP_CHECKSUM_OFFSET: usize = 6;

fn plan(flow: &Flow, fields: IpFields, payload_len: usize) -> Plan {
    Plan {
        src: flow.local.ip(),
        dst: flow.remote.ip(),
        protocol: flow.transport.number(),
        fields,
        payload_len,
        gso: None,
        iface: None,
    }
}

/// The transport header is the innermost in the room: the sum starts there.
fn to_complete(room: &HeaderRoom, header_len: usize, offset: usize) -> PartialChecksum {
    PartialChecksum {
        start: in_u16(room.len() - header_len),
        offset: in_u16(offset),
    }
}

fn to_cut(flow: &Flow, size: u16, room: &HeaderRoom) -> Gso {
    Gso {
        kind: if flow.remote.is_ipv4() {
            GsoKind::Tcp4
        } else {
            GsoKind::Tcp6
        },
        size,
        header_len: in_u16(room.len()),
    }
}

/// Positions inside one header room, which is far smaller than that.
fn in_u16(position: usize) -> u16 {
    u16::try_from(position).unwrap_or(u16::MAX)
}
