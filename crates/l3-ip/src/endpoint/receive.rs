//! Packets from the link.
//!
//! Job: check a packet, decide whether it is for us, join fragments, hand it on.
//! Owns: the order of the checks. Does not know: what ICMP or a transport does with the payload.
//! Sources: RFC 1122 3.2.1 and 3.2.2, RFC 8200 3 and 4.

use core::net::{IpAddr, Ipv4Addr};

use bytes::{Bytes, BytesMut};
use outcrop_base::{Arrival, Cast, ChecksumState, DropReason, Ecn, InterfaceId, Verdict};

use super::Endpoint;
use crate::group::SourceFilter;
use crate::reassembly::{Key, Outcome, Piece, Whole};
use crate::wire::icmp::{self, Error};
use crate::wire::{group, ipv4, ipv6};
use crate::{Delivery, LOOPBACK, PacketIn, Rule, Up, address};

/// A packet with its header read: whole, or one fragment.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    /// Bytes cut to the stated length.
    pub(super) packet: PacketIn,
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) cast: Cast,
    pub(super) protocol: u8,
    pub(super) payload_at: usize,
    pub(super) ecn: Ecn,
    /// The whole traffic class, to be answered in kind.
    pub(super) dscp: u8,
    pub(super) hop_limit: u8,
    /// Whether it came in pieces, or as a fragment that is the whole.
    pub(super) in_fragments: bool,
}

impl Datagram {
    pub(super) fn payload(&self) -> Bytes {
        self.packet.bytes.slice(self.payload_at..)
    }

    fn header(&self) -> Bytes {
        self.packet.bytes.slice(..self.payload_at)
    }
}

/// Whether a packet came from the link or was put together from fragments here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Link,
    Reassembled,
}

impl Endpoint {
    /// Takes a packet from the link.
    pub fn handle_packet(&mut self, packet: PacketIn) -> Delivery {
        self.receive(packet, Origin::Link)
            .unwrap_or_else(Delivery::Done)
    }

    fn receive(&mut self, packet: PacketIn, origin: Origin) -> Result<Delivery, Verdict> {
        match packet.bytes.first().map(|first| first >> 4) {
            Some(4) => self.receive_v4(packet, origin),
            Some(6) => self.receive_v6(packet, origin),
            Some(_) | None => Err(Rule::Version.drop(DropReason::IpUnknownVersion)),
        }
    }

    fn receive_v4(&mut self, mut packet: PacketIn, origin: Origin) -> Result<Delivery, Verdict> {
        let header = ipv4::parse(&packet.bytes).map_err(|reason| {
            let rule = if reason == DropReason::Ipv4BadChecksum {
                Rule::Ipv4Checksum
            } else {
                Rule::Ipv4Header
            };
            rule.drop(reason)
        })?;
        packet.bytes.truncate(header.total_len);
        let (src, dst) = (header.src.into(), header.dst.into());
        let Some(cast) = self.check_addresses(&packet, src, dst)? else {
            return Err(self.forward_v4(&packet, &header));
        };
        if cast == Cast::Multicast {
            if self.passes_group(dst, packet.iface) {
                // Ours too; what becomes of the copies shows in what is sent.
                let _copied = self.forward_v4(&packet, &header);
            }
            self.check_source(packet.iface, (src, dst), || header.protocol)?;
        }
        let datagram = Datagram {
            cast,
            packet,
            src,
            dst,
            protocol: header.protocol,
            payload_at: header.header_len,
            ecn: header.ecn,
            dscp: header.dscp,
            hop_limit: header.ttl,
            in_fragments: origin == Origin::Reassembled,
        };
        if header.header_len > ipv4::HEADER_LEN
            && let Err((reason, at)) = ipv4::check_options(&datagram.header())
        {
            if header.offset == 0 {
                let pointer = usize::from(at);
                self.send_error(&datagram, Error::Parameter { code: 0, pointer });
            }
            return Err(Rule::Ipv4Options.drop(reason));
        }
        if header.is_fragment() {
            let key = Key {
                src,
                dst,
                ident: u32::from(header.ident),
                protocol: header.protocol,
            };
            let piece = Piece {
                key,
                offset: header.offset,
                more: header.mf,
                header: datagram.header(),
                payload: datagram.payload(),
                ecn: header.ecn,
            };
            if header.header_len + header.offset + piece.payload.len() > ipv4::MAX_LEN {
                return Err(Rule::FragmentShape.drop(DropReason::FragmentMalformed));
            }
            return self.join(datagram, piece, origin);
        }
        Ok(self.deliver(datagram))
    }

    fn receive_v6(&mut self, mut packet: PacketIn, origin: Origin) -> Result<Delivery, Verdict> {
        let header = ipv6::parse(&packet.bytes).map_err(|reason| Rule::Ipv6Header.drop(reason))?;
        packet.bytes.truncate(ipv6::HEADER_LEN + header.payload_len);
        let (src, dst) = (header.src.into(), header.dst.into());
        let Some(cast) = self.check_addresses(&packet, src, dst)? else {
            return Err(self.forward_v6(&packet, &header));
        };
        if cast == Cast::Multicast {
            if self.passes_group(dst, packet.iface) {
                let _copied = self.forward_v6(&packet, &header);
            }
            let chain = || ipv6::walk(&packet.bytes, header.next_header);
            let protocol = || chain().map_or(icmp::PROTOCOL_V6, |chain| chain.protocol);
            self.check_source(packet.iface, (src, dst), protocol)?;
        }
        if cast == Cast::Unicast {
            self.heard_near(src, packet.iface);
        }
        let mut datagram = Datagram {
            cast,
            packet,
            src,
            dst,
            protocol: header.next_header,
            payload_at: ipv6::HEADER_LEN,
            ecn: header.ecn,
            dscp: header.dscp,
            hop_limit: header.hop_limit,
            in_fragments: origin == Origin::Reassembled,
        };
        let chain = match ipv6::walk(&datagram.packet.bytes, header.next_header) {
            Ok(chain) => chain,
            Err(bad) => return Err(self.refuse_extension(&datagram, bad)),
        };
        datagram.protocol = chain.protocol;
        datagram.payload_at = chain.payload_at;
        datagram.in_fragments |= chain.fragment.is_some();
        match chain.fragment {
            Some(fragment) if !fragment.is_atomic() => {
                self.check_fragment_v6(&datagram, &chain, fragment, header.next_header)?;
                let bytes = &datagram.packet.bytes;
                let piece = Piece {
                    key: Key {
                        src,
                        dst,
                        ident: fragment.ident,
                        protocol: 0,
                    },
                    offset: fragment.offset,
                    more: fragment.more,
                    header: whole_header_v6(bytes, &chain, fragment.next_header),
                    payload: datagram.payload(),
                    ecn: header.ecn,
                };
                self.join(datagram, piece, origin)
            }
            Some(_) | None if chain.protocol == ipv6::NO_NEXT => {
                Err(Rule::Ipv6NoNextHeader.taken())
            }
            Some(_) | None => Ok(self.deliver(datagram)),
        }
    }

    /// Source and destination: who may speak, and to whom it is said; `None` if to somebody else, and we are a router.
    fn check_addresses(
        &self,
        packet: &PacketIn,
        src: IpAddr,
        dst: IpAddr,
    ) -> Result<Option<Cast>, Verdict> {
        let bad_source = || Rule::Source.drop(DropReason::IpBadSource);
        let not_for_us = || Rule::Destination.drop(DropReason::IpNotForUs);
        if packet.iface == LOOPBACK {
            let ours = self.is_own(src) && self.is_own(dst);
            return ours.then_some(Some(Cast::Unicast)).ok_or_else(bad_source);
        }
        // RFC 1122 3.2.1.3 g, RFC 4291 2.5.3: such an address never comes by a link.
        if dst.is_loopback() {
            return Err(not_for_us());
        }
        let may_ask = || address::is_solicitation(src, dst) || asks_as_nobody(packet, src, dst);
        if !address::may_send(src) && !may_ask() {
            return Err(bad_source());
        }
        let Some(cast) = self.cast(dst, packet.iface) else {
            let is_router = self.config.forward;
            return is_router.then_some(None).ok_or_else(not_for_us);
        };
        // Our own address, or the broadcast address of the link, as a source: forged, or a loop.
        let link = self.interface(packet.iface).ok_or_else(not_for_us)?;
        if link.is_broadcast(src) || self.is_local(src) {
            return Err(bad_source());
        }
        Ok(Some(cast))
    }

    /// Whether anybody here listens to what `src` says to a group. What is said about groups is for the host itself: a
    /// querier speaks to the group that it asks about.
    fn check_source(
        &self,
        iface: InterfaceId,
        (src, dst): (IpAddr, IpAddr),
        protocol: impl FnOnce() -> u8,
    ) -> Result<(), Verdict> {
        let unwanted = |heard: &SourceFilter| !heard.passes(src);
        if self.groups.state(iface, dst).is_some_and(unwanted)
            && ![group::PROTOCOL, icmp::PROTOCOL_V6].contains(&protocol())
        {
            return Err(Rule::GroupSource.drop(DropReason::IpSourceFiltered));
        }
        Ok(())
    }

    fn refuse_extension(&mut self, datagram: &Datagram, bad: ipv6::BadExtension) -> Verdict {
        if let Some(code) = bad.code {
            let error = Error::Parameter {
                code,
                pointer: bad.pointer,
            };
            self.send_error_even(datagram, error, bad.even_multicast);
        }
        let rule = match bad.code {
            Some(ipv6::CODE_OPTION) => Rule::Ipv6Options,
            Some(ipv6::CODE_FIELD) => Rule::Ipv6Routing,
            Some(_) | None => Rule::Ipv6Extensions,
        };
        rule.drop(DropReason::Ipv6BadExtension)
    }

    /// What RFC 8200 4.5 wants answered about a fragment, and RFC 7112: the first one holds all headers.
    fn check_fragment_v6(
        &mut self,
        datagram: &Datagram,
        chain: &ipv6::Chain,
        fragment: ipv6::Fragment,
        first: u8,
    ) -> Result<(), Verdict> {
        let len = datagram.packet.bytes.len() - chain.payload_at;
        let before = chain.fragment_at - ipv6::HEADER_LEN;
        let wrong = if fragment.more && !len.is_multiple_of(8) {
            // The payload length field.
            Some((ipv6::CODE_FIELD, 4))
        } else if before + fragment.offset + len > ipv4::MAX_LEN {
            // The fragment offset field.
            Some((ipv6::CODE_FIELD, chain.fragment_at + 2))
        } else if fragment.offset == 0 && fragment.next_header == ipv6::HOP_BY_HOP {
            // Zero means something directly after the fixed header alone (RFC 8200 4).
            Some((ipv6::CODE_NEXT_HEADER, chain.fragment_at))
        } else if fragment.offset == 0 && !first_has_all_headers(datagram, first) {
            Some((ipv6::CODE_INCOMPLETE, 0))
        } else {
            None
        };
        let Some((code, pointer)) = wrong else {
            return Ok(());
        };
        let mut about = datagram.clone();
        if fragment.offset > 0 {
            // It begins with no header: its first octet must not be taken for the type of an ICMP error.
            about.protocol = ipv6::FRAGMENT;
        }
        self.send_error(&about, Error::Parameter { code, pointer });
        Err(Rule::FragmentShape.drop(DropReason::FragmentMalformed))
    }

    /// Keeps a fragment, and goes on with the packet if it is whole.
    fn join(
        &mut self,
        datagram: Datagram,
        piece: Piece,
        origin: Origin,
    ) -> Result<Delivery, Verdict> {
        if origin == Origin::Reassembled {
            // Fragments of fragments: nobody makes them by accident.
            return Err(Rule::FragmentShape.drop(DropReason::FragmentMalformed));
        }
        match self.reassembly.insert(datagram.packet.at, piece) {
            Outcome::Kept => Err(Rule::Fragment.taken()),
            Outcome::Refused(reason, rule) => Err(rule.drop(reason)),
            Outcome::Whole(whole) => {
                let packet = PacketIn {
                    bytes: rebuild(&whole),
                    checksum: ChecksumState::Unverified,
                    gso_size: None,
                    ..datagram.packet
                };
                self.receive(packet, Origin::Reassembled)
            }
        }
    }

    /// Hands a whole packet for us to ICMP or up.
    fn deliver(&mut self, datagram: Datagram) -> Delivery {
        if !self.raw.is_idle() {
            self.copy_raw(&datagram);
        }
        match (datagram.dst, datagram.protocol) {
            (IpAddr::V4(_), icmp::PROTOCOL_V4) | (IpAddr::V6(_), icmp::PROTOCOL_V6) => {
                Delivery::Done(self.handle_icmp(&datagram))
            }
            (IpAddr::V4(_), group::PROTOCOL) => Delivery::Done(self.handle_igmp(&datagram)),
            _ => self.up(datagram),
        }
    }

    fn up(&self, datagram: Datagram) -> Delivery {
        let way_back = self.path(datagram.src).or_else(|| {
            let interface = self.interface(datagram.packet.iface)?;
            Some(self.path_over(interface, datagram.src))
        });
        let Some(path) = way_back else {
            return Delivery::Done(Rule::Destination.drop(DropReason::IpNotForUs));
        };
        let packet = &datagram.packet;
        let arrival = Arrival {
            at: packet.at,
            id: packet.id,
            iface: packet.iface,
            src: datagram.src,
            dst: datagram.dst,
            cast: datagram.cast,
            ecn: datagram.ecn,
            hop_limit: datagram.hop_limit,
            checksum: packet.checksum,
            gso_size: packet.gso_size,
            path,
        };
        Delivery::Up(Up {
            arrival,
            protocol: datagram.protocol,
            packet: datagram.packet.bytes,
            payload_at: datagram.payload_at,
        })
    }
}

/// Whether a first fragment holds every header up to and including the transport's (RFC 7112 5). What the headers say is
/// judged when the packet is whole.
fn first_has_all_headers(datagram: &Datagram, first: u8) -> bool {
    let bytes = &datagram.packet.bytes;
    let inner = ipv6::skip_extensions(bytes, first);
    let transport = match inner.protocol {
        ipv6::HOP_BY_HOP | ipv6::ROUTING | ipv6::FRAGMENT | ipv6::DESTINATION => return false,
        6 => 20,
        17 | icmp::PROTOCOL_V6 => 8,
        _ => 0,
    };
    inner.payload_at + transport <= bytes.len()
}

/// The headers before the fragment header, naming what follows it.
fn whole_header_v6(packet: &Bytes, chain: &ipv6::Chain, next_header: u8) -> Bytes {
    let mut header = BytesMut::from(packet.get(..chain.fragment_at).unwrap_or_default());
    if let Some(name) = header.get_mut(chain.fragment_named_at) {
        *name = next_header;
    }
    header.freeze()
}

/// One packet out of a first fragment's header and the joined payload.
fn rebuild(whole: &Whole) -> Bytes {
    let mut packet = BytesMut::with_capacity(whole.header.len() + whole.payload.len());
    packet.extend_from_slice(&whole.header);
    packet.extend_from_slice(&whole.payload);
    let total = packet.len();
    if whole.header.first().is_some_and(|first| first >> 4 == 4) {
        ipv4::patch_whole(&mut packet, whole.header.len(), total, whole.ecn);
    } else {
        ipv6::patch_whole(&mut packet, total - ipv6::HEADER_LEN, whole.ecn);
    }
    packet.freeze()
}

/// A switch that asks who listens, and has no address (RFC 4541 2.1.1); so does a host that answers (RFC 3376 4.2.13).
fn asks_as_nobody(packet: &PacketIn, src: IpAddr, dst: IpAddr) -> bool {
    let igmp = packet.bytes.get(9) == Some(&group::PROTOCOL);
    dst.is_multicast() && src == IpAddr::V4(Ipv4Addr::UNSPECIFIED) && igmp
}
