//! ICMP: what we answer, what we say, what we hear.
//!
//! Job: echo both ways, errors out under strict rules, errors in as events.
//! Owns: when an error may be sent. Does not know: whether a quoted packet is alive; transports do.
//! Sources: RFC 1122 3.2.2, RFC 1812 4.3.2 (rate, quotes), RFC 4443 2.4 and 4, RFC 5927 (validation).

use core::net::IpAddr;

use bytes::{Bytes, BytesMut};
use outcrop_base::{
    CallKind, Cast, Cause, DropReason, Instant, IpFields, Limit, Note, PacketId, PathSignalKind,
    TimerKind, Verdict, Why,
};

use super::receive::Datagram;
use super::{Endpoint, MAX_PINGS};
use crate::reassembly::Expired;
use crate::wire::icmp::{self, Error, Message, Outgoing};
use crate::wire::{group, ipv4, ipv6, irdp, nd};
use crate::{EchoReply, Event, PingError, Plan, Quote, Quoted, Rule, Unreachable, Unresolved, Up};

/// The longest IPv4 error packet: as much as every host must take (RFC 1812 4.3.2.3).
const MAX_ERROR_V4: usize = 576;

/// Precedence 6 as a code point (RFC 2474 4.2.2).
const INTERNETWORK_CONTROL: u8 = 48;

/// A message of our own, without its data or quote.
struct Letter {
    src: IpAddr,
    dst: IpAddr,
    message: Outgoing,
    fields: IpFields,
    note: Note,
}

/// The packet an error is about.
pub(super) struct About<'a> {
    pub(super) now: Instant,
    pub(super) cause: Cause,
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    /// To whom it speaks; a packet in transit to one host is `Unicast` like one for us.
    pub(super) cast: Cast,
    pub(super) header: &'a [u8],
    pub(super) payload: &'a [u8],
    pub(super) protocol: u8,
}

impl Endpoint {
    /// Sends an echo request; its answer comes as [`Event::EchoReply`].
    ///
    /// # Errors
    /// No route, too much data, or a full queue.
    pub fn ping(
        &mut self,
        dst: IpAddr,
        ident: u16,
        seq: u16,
        data: &[u8],
    ) -> Result<(), PingError> {
        let src = self.source_for(dst).ok_or(PingError::NoRoute)?;
        let note = Note::new(Why::EchoRequest, Limit::None, Cause::Call(CallKind::Ping));
        let message = Outgoing::EchoRequest { ident, seq };
        let fields = self.own_fields();
        let letter = Letter {
            src,
            dst,
            message,
            fields,
            note,
        };
        self.send_icmp(&letter, data).map_err(|why| match why {
            Unresolved::NoRoute | Unresolved::MixedFamilies => PingError::NoRoute,
            Unresolved::TooBig { .. } | Unresolved::TooLong => PingError::TooLong,
            Unresolved::QueueFull => PingError::QueueFull,
        })?;
        if self.pings.len() >= MAX_PINGS {
            self.pings.pop_front();
        }
        self.pings.push_back((dst, ident, seq));
        Ok(())
    }

    /// Tells the sender of `up` that it could not be delivered, unless the rules forbid it.
    /// The verdict is about the error, not about the packet.
    pub fn unreachable(&mut self, now: Instant, up: &Up, why: Unreachable) -> Verdict {
        let error = match why {
            Unreachable::Port => Error::Port,
            Unreachable::Protocol => Error::Protocol {
                pointer: protocol_field(up.header()),
            },
            Unreachable::Prohibited => Error::Prohibited,
        };
        let about = About {
            now,
            cause: Cause::Packet(up.arrival.id),
            src: up.arrival.src,
            dst: up.arrival.dst,
            cast: up.arrival.cast,
            header: up.header(),
            payload: up.payload(),
            protocol: up.protocol,
        };
        self.error(&about, error, false)
    }

    /// Sends an error about a packet still in our hands.
    pub(super) fn send_error(&mut self, datagram: &Datagram, error: Error) {
        self.send_error_even(datagram, error, false);
    }

    /// The same; `even_multicast` where an error is due to a group's packet too.
    pub(super) fn send_error_even(
        &mut self,
        datagram: &Datagram,
        error: Error,
        even_multicast: bool,
    ) {
        let (header, payload) = datagram
            .packet
            .bytes
            .split_at(datagram.payload_at.min(datagram.packet.bytes.len()));
        let about = About {
            now: datagram.packet.at,
            cause: Cause::Packet(datagram.packet.id),
            src: datagram.src,
            dst: datagram.dst,
            cast: datagram.cast,
            header,
            payload,
            protocol: datagram.protocol,
        };
        // The packet's own verdict says why it was refused; whether the error left shows in what is sent.
        let _verdict = self.error(&about, error, even_multicast);
    }

    /// Says that a packet did not become whole in time, if its first fragment was there to be quoted.
    pub(super) fn reassembly_expired(&mut self, now: Instant, expired: &Expired) {
        let Some((header, payload)) = &expired.first else {
            return;
        };
        let key = &expired.key;
        let about = About {
            now,
            cause: Cause::Timer(TimerKind::Reassembly),
            src: key.src,
            dst: key.dst,
            cast: if self.is_local(key.dst) {
                Cast::Unicast
            } else {
                Cast::Multicast
            },
            header,
            payload,
            protocol: transport_of(header),
        };
        let _verdict = self.error(&about, Error::Reassembly, false);
    }

    pub(super) fn error(
        &mut self,
        about: &About<'_>,
        error: Error,
        even_multicast: bool,
    ) -> Verdict {
        let forbidden = Rule::ErrorForbidden.drop(DropReason::IcmpInvalid);
        let is_icmp = matches!(
            (about.dst, about.protocol),
            (IpAddr::V4(_), icmp::PROTOCOL_V4) | (IpAddr::V6(_), icmp::PROTOCOL_V6)
        );
        if about.cast != Cast::Unicast && !even_multicast
            || about.src.is_unspecified()
            || is_icmp && icmp::is_error(&about.dst, about.payload)
        {
            return forbidden;
        }
        // Of a packet in transit the router speaks as itself, by the link towards the sender (RFC 1812 4.3.2.4).
        let is_ours = about.cast == Cast::Unicast && self.is_own(about.dst);
        let src = if is_ours {
            Some(about.dst)
        } else {
            self.source_for(about.src)
        };
        let Some(src) = src else {
            return forbidden;
        };
        if !self.errors.take(about.now) {
            return Rule::ErrorRate.drop(DropReason::IpRateLimited);
        }
        let quote = quote(about);
        let note = Note::new(why(error), Limit::None, about.cause);
        let mut fields = self.own_fields();
        if !is_ours && about.dst.is_ipv4() && about.cast == Cast::Unicast {
            // RFC 1812 4.3.2.5: what a router says goes before what it carries.
            fields.dscp = INTERNETWORK_CONTROL;
        }
        let letter = Letter {
            src,
            dst: about.src,
            message: Outgoing::Error(error),
            fields,
            note,
        };
        match self.send_icmp(&letter, &quote) {
            Ok(()) => Rule::ErrorSent.taken(),
            Err(Unresolved::QueueFull) => Rule::TransmitQueue.drop(DropReason::IpRateLimited),
            Err(_) => Rule::ErrorSent.drop(DropReason::IpNoRoute),
        }
    }

    /// Takes an ICMP message for us.
    pub(super) fn handle_icmp(&mut self, datagram: &Datagram) -> Verdict {
        let payload = datagram.payload();
        let verified = datagram.packet.checksum == outcrop_base::ChecksumState::Verified;
        if payload.len() < icmp::HEADER_LEN {
            return Rule::IcmpFormat.drop(DropReason::IcmpTruncated);
        }
        if !verified && !icmp::checksum_is_right(datagram.src, datagram.dst, &payload) {
            return Rule::IcmpFormat.drop(DropReason::IcmpBadChecksum);
        }
        if datagram.dst.is_ipv6() && group::is_mld(&payload) {
            return self.handle_mld(datagram);
        }
        let body = payload.slice(icmp::HEADER_LEN..);
        match icmp::parse(&datagram.dst, &payload) {
            Err(DropReason::IcmpInvalid) => Rule::PacketTooBig.drop(DropReason::IcmpInvalid),
            Err(reason) => Rule::IcmpFormat.drop(reason),
            Ok(Message::EchoRequest { ident, seq }) => self.answer(datagram, (ident, seq), &body),
            Ok(Message::EchoReply { ident, seq }) => self.answered(datagram, (ident, seq), &body),
            Ok(Message::Error(kind)) => self.hear(datagram, kind, &payload),
            Ok(Message::Redirect(gateway)) => self.follow(datagram, gateway.into(), &body),
            Ok(Message::Other) if is_discovery(datagram, &payload) => {
                self.handle_discovery(datagram, &payload)
            }
            Ok(Message::Other)
                if datagram.dst.is_ipv4() && payload.first() == Some(&irdp::SOLICITATION) =>
            {
                self.asked_for_router_v4(datagram)
            }
            Ok(Message::Other) => Rule::IcmpUnknown.drop(DropReason::IcmpUnknownType),
        }
    }

    fn answer(&mut self, datagram: &Datagram, (ident, seq): (u16, u16), data: &Bytes) -> Verdict {
        let group_v4 = datagram.cast != Cast::Unicast && datagram.dst.is_ipv4();
        if !self.config.answer_echo || group_v4 || datagram.src.is_unspecified() {
            // RFC 1122 3.2.2.6: one to a broadcast or group may be discarded; answering amplifies.
            return Rule::EchoRequest.drop(DropReason::IpFiltered);
        }
        let src = match datagram.cast {
            Cast::Unicast => Some(datagram.dst),
            Cast::Multicast | Cast::Broadcast => self.source_for(datagram.src),
        };
        let Some(src) = src else {
            return Rule::EchoRequest.drop(DropReason::IpNoRoute);
        };
        let note = Note::new(
            Why::EchoReply,
            Limit::None,
            Cause::Packet(datagram.packet.id),
        );
        let message = Outgoing::EchoReply { ident, seq };
        // RFC 1122 3.2.1.6: an answer has its question's type of service.
        let fields = IpFields {
            dscp: datagram.dscp,
            ..self.own_fields()
        };
        let letter = Letter {
            src,
            dst: datagram.src,
            message,
            fields,
            note,
        };
        match self.send_icmp(&letter, data) {
            Ok(()) => Rule::EchoRequest.taken(),
            Err(Unresolved::QueueFull) => Rule::TransmitQueue.drop(DropReason::IpRateLimited),
            Err(_) => Rule::EchoRequest.drop(DropReason::IpNoRoute),
        }
    }

    fn answered(&mut self, datagram: &Datagram, (ident, seq): (u16, u16), data: &Bytes) -> Verdict {
        let asked = self.pings.iter().position(|(dst, i, s)| {
            (*dst == datagram.src || dst.is_multicast()) && (*i, *s) == (ident, seq)
        });
        let Some(asked) = asked else {
            return Rule::EchoReply.drop(DropReason::IcmpNoRequest);
        };
        self.pings.remove(asked);
        self.push_event(Event::EchoReply(EchoReply {
            from: datagram.src,
            ident,
            seq,
            len: data.len(),
            hop_limit: datagram.hop_limit,
            at: datagram.packet.at,
        }));
        Rule::EchoReply.taken()
    }

    /// Takes an error about a packet of ours.
    fn hear(&mut self, datagram: &Datagram, kind: PathSignalKind, message: &[u8]) -> Verdict {
        let unrelated = Rule::IcmpError.drop(DropReason::IcmpUnrelated);
        let quoted = message.get(icmp::HEADER_LEN..).unwrap_or_default();
        let Some((local, remote, protocol, inner)) = read_quote(&datagram.dst, quoted) else {
            return Rule::IcmpError.drop(DropReason::IcmpTruncated);
        };
        // It must have been sent from the address to which the error came.
        if local != datagram.dst || datagram.cast != Cast::Unicast {
            return unrelated;
        }
        let quote = Quote {
            from: datagram.src,
            local,
            remote,
            protocol,
            inner,
            kind,
            icmp_type: message.first().copied().unwrap_or_default(),
            icmp_code: message.get(1).copied().unwrap_or_default(),
        };
        if let Quoted::Echo { ident, seq } = inner {
            if !self.pings.contains(&(remote, ident, seq)) {
                return unrelated;
            }
            // Echo requests are ours, so this is for us to believe.
            if let PathSignalKind::TooBig(mtu) = kind {
                self.learn_mtu(datagram.packet.at, remote, mtu);
            }
        }
        let id: PacketId = datagram.packet.id;
        self.push_event(Event::IcmpError { quote, id });
        Rule::IcmpError.taken()
    }

    /// Takes a redirect: only from the first hop in use, to a neighbour on the same link, about a packet of ours. A
    /// router has better sources (RFC 1812 5.2.7.2).
    fn follow(&mut self, datagram: &Datagram, gateway: IpAddr, quoted: &[u8]) -> Verdict {
        let now = datagram.packet.at;
        let unrelated = Rule::Redirect.drop(DropReason::IcmpUnrelated);
        let Some((local, remote, ..)) = read_quote(&datagram.dst, quoted) else {
            return Rule::Redirect.drop(DropReason::IcmpTruncated);
        };
        let link = self.interface(datagram.packet.iface);
        let is_near = link.is_some_and(|link| {
            let mut networks = link.addresses.iter();
            networks.any(|net| net.contains(gateway)) && !link.is_broadcast(gateway)
        });
        let in_use = self.hop(remote).is_some_and(|hop| {
            hop.next == datagram.src && hop.next != remote && hop.iface == datagram.packet.iface
        });
        let ours = local == datagram.dst && datagram.cast == Cast::Unicast;
        if !is_near || !in_use || !ours || self.is_own(gateway) || self.config.forward {
            return unrelated;
        }
        self.routes.redirect(now, remote, gateway);
        Rule::Redirect.taken()
    }

    fn send_icmp(&mut self, letter: &Letter, body: &[u8]) -> Result<(), Unresolved> {
        let Letter {
            src,
            dst,
            message,
            fields,
            ref note,
        } = *letter;
        let header = icmp::emit(message, src, dst, body);
        let mut payload = BytesMut::with_capacity(header.len() + body.len());
        payload.extend_from_slice(&header);
        payload.extend_from_slice(body);
        let plan = Plan {
            src,
            dst,
            protocol: if src.is_ipv4() {
                icmp::PROTOCOL_V4
            } else {
                icmp::PROTOCOL_V6
            },
            fields,
            payload_len: payload.len(),
            gso: None,
            iface: None,
        };
        self.originate(&plan, &payload, note)
    }

    /// Header fields of what we originate.
    fn own_fields(&self) -> IpFields {
        IpFields {
            ttl: self.config.hop_limit,
            df: false,
            ..IpFields::default()
        }
    }
}

/// Whether a message is one of neighbour discovery's.
fn is_discovery(datagram: &Datagram, message: &[u8]) -> bool {
    let kinds = nd::ROUTER_SOLICITATION..=nd::REDIRECT;
    datagram.dst.is_ipv6() && message.first().is_some_and(|kind| kinds.contains(kind))
}

/// As much of the packet as an error of its family may quote.
fn quote(about: &About<'_>) -> Vec<u8> {
    let most = match about.dst {
        IpAddr::V4(_) => MAX_ERROR_V4 - ipv4::HEADER_LEN - icmp::HEADER_LEN,
        IpAddr::V6(_) => ipv6::MIN_MTU as usize - ipv6::HEADER_LEN - icmp::HEADER_LEN,
    };
    about
        .header
        .iter()
        .chain(about.payload)
        .take(most)
        .copied()
        .collect()
}

const fn why(error: Error) -> Why {
    match error {
        Error::Port => Why::PortUnreachable,
        Error::Protocol { .. } => Why::ProtocolUnreachable,
        Error::Prohibited | Error::NoRoute | Error::HostUnreachable | Error::BeyondScope => {
            Why::HostUnreachable
        }
        Error::Redirect { .. } => Why::Redirect,
        Error::TooBig { .. } => Why::PacketTooBig,
        Error::HopLimit | Error::Reassembly => Why::TimeExceeded,
        Error::Parameter { .. } => Why::ParameterProblem,
    }
}

/// Where the byte stands that names the protocol of what follows `header`.
fn protocol_field(header: &[u8]) -> usize {
    match header.first().map(|first| first >> 4) {
        Some(6) => {
            let next = header.get(6).copied().unwrap_or(ipv6::NO_NEXT);
            ipv6::walk(header, next).map_or(6, |chain| chain.named_at)
        }
        Some(_) | None => 9,
    }
}

/// The protocol of what follows `header`.
pub(super) fn transport_of(header: &[u8]) -> u8 {
    header
        .get(protocol_field(header))
        .copied()
        .unwrap_or(ipv6::NO_NEXT)
}

/// Source, destination, protocol and first bytes of a quoted packet; `None` if not even its header is there.
pub(super) fn read_quote(family: &IpAddr, quoted: &[u8]) -> Option<(IpAddr, IpAddr, u8, Quoted)> {
    match family {
        IpAddr::V4(_) => {
            let header = ipv4::parse_quoted(quoted)?;
            let inner = match quoted.get(header.header_len..) {
                Some(payload) if header.offset == 0 => read_inner(header.protocol, payload),
                Some(_) | None => Quoted::Other,
            };
            Some((header.src.into(), header.dst.into(), header.protocol, inner))
        }
        IpAddr::V6(_) => {
            let header = ipv6::parse_quoted(quoted)?;
            let (src, dst) = (header.src.into(), header.dst.into());
            let Ok(chain) = ipv6::walk(quoted, header.next_header) else {
                return Some((src, dst, header.next_header, Quoted::Other));
            };
            let inner = match quoted.get(chain.payload_at..) {
                Some(payload) if chain.fragment.is_none_or(|f| f.offset == 0) => {
                    read_inner(chain.protocol, payload)
                }
                Some(_) | None => Quoted::Other,
            };
            Some((src, dst, chain.protocol, inner))
        }
    }
}

fn read_inner(protocol: u8, payload: &[u8]) -> Quoted {
    let Some([a, b, c, d, e, f, g, h]) = payload.first_chunk().copied() else {
        return Quoted::Other;
    };
    let (first, second) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    match (protocol, a) {
        (6, _) => Quoted::Tcp {
            local: first,
            remote: second,
            seq: u32::from_be_bytes([e, f, g, h]),
        },
        (17, _) => Quoted::Udp {
            local: first,
            remote: second,
        },
        (icmp::PROTOCOL_V4, 8) | (icmp::PROTOCOL_V6, 128) => Quoted::Echo {
            ident: u16::from_be_bytes([e, f]),
            seq: u16::from_be_bytes([g, h]),
        },
        _ => Quoted::Other,
    }
}
