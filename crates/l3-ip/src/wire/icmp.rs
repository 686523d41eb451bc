//! ICMP of both families.
//!
//! Job: read a message into what it means for a host, write echo and error messages, show the header.
//! Owns: types, codes and their meaning. Does not know: whether a message may be believed or sent.
//! Sources: RFC 792, RFC 1122 3.2.2 and 4.2.3.9 (hard and soft), RFC 1191 3 and 7 (plateaus), RFC 4443.

use core::net::{IpAddr, Ipv4Addr};

use etherparse::icmpv4::{self, DestUnreachableHeader as Unreachable4};
use etherparse::icmpv6::{self, DestUnreachableCode as Unreachable6};
use etherparse::{
    IcmpEchoHeader, Icmpv4Header, Icmpv4Slice, Icmpv4Type, Icmpv6Header, Icmpv6Slice, Icmpv6Type,
};
use outcrop_base::{Checksum, DropReason, Field, FieldValue, PathSignalKind};

use super::{Fields, be16, be32, bits, ipv4, ipv6};

/// Protocol number of ICMP.
pub const PROTOCOL_V4: u8 = 1;
/// Protocol number of ICMPv6.
pub const PROTOCOL_V6: u8 = 58;
/// Bytes before an echo's data or an error's quote.
pub const HEADER_LEN: usize = 8;

/// A message as far as it concerns a host; its data or quote follows the first eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Asks for its data to be sent back.
    EchoRequest {
        /// Whose request.
        ident: u16,
        /// Which of theirs.
        seq: u16,
    },
    /// Sends the data back.
    EchoReply {
        /// Whose request.
        ident: u16,
        /// Which of theirs.
        seq: u16,
    },
    /// Says something about a packet of ours, which it quotes.
    Error(PathSignalKind),
    /// Says that another gateway is nearer to what it quotes (IPv4).
    Redirect(Ipv4Addr),
    /// Nothing for a host like us.
    Other,
}

/// Reads a message whose checksum is right.
///
/// # Errors
/// `IcmpTruncated` below eight bytes; `IcmpInvalid` for a packet-too-big no link can mean.
pub fn parse(family: &IpAddr, bytes: &[u8]) -> Result<Message, DropReason> {
    match family {
        IpAddr::V4(_) => parse_v4(bytes),
        IpAddr::V6(_) => parse_v6(bytes),
    }
}

fn parse_v4(bytes: &[u8]) -> Result<Message, DropReason> {
    let slice = Icmpv4Slice::from_slice(bytes).map_err(|_| DropReason::IcmpTruncated)?;
    Ok(match slice.icmp_type() {
        Icmpv4Type::EchoRequest(IcmpEchoHeader { id: ident, seq }) => {
            Message::EchoRequest { ident, seq }
        }
        Icmpv4Type::EchoReply(IcmpEchoHeader { id: ident, seq }) => {
            Message::EchoReply { ident, seq }
        }
        Icmpv4Type::DestinationUnreachable(why) => {
            Message::Error(meaning_v4(&why, slice.payload()))
        }
        Icmpv4Type::TimeExceeded(_) | Icmpv4Type::ParameterProblem(_) => {
            Message::Error(PathSignalKind::Soft)
        }
        // RFC 1122 3.2.2.2: one for a network is taken as one for the host.
        Icmpv4Type::Redirect(redirect) => {
            Message::Redirect(Ipv4Addr::from(redirect.gateway_internet_address))
        }
        Icmpv4Type::TimestampRequest(_)
        | Icmpv4Type::TimestampReply(_)
        | Icmpv4Type::Unknown { .. } => Message::Other,
    })
}

/// What a destination-unreachable means to the sender (RFC 1122 3.2.2.1, 4.2.3.9).
fn meaning_v4(why: &Unreachable4, quote: &[u8]) -> PathSignalKind {
    match why {
        Unreachable4::FragmentationNeeded { next_hop_mtu: 0 } => {
            let sent = ipv4::parse_quoted(quote).map_or(0, |header| header.total_len);
            PathSignalKind::TooBig(plateau_below(sent))
        }
        Unreachable4::FragmentationNeeded { next_hop_mtu } => {
            PathSignalKind::TooBig(u32::from(*next_hop_mtu))
        }
        Unreachable4::Protocol
        | Unreachable4::Port
        | Unreachable4::NetworkProhibited
        | Unreachable4::HostProhibited
        | Unreachable4::FilterProhibited => PathSignalKind::Hard,
        Unreachable4::Network | Unreachable4::Host => PathSignalKind::Disrupted,
        Unreachable4::SourceRouteFailed
        | Unreachable4::NetworkUnknown
        | Unreachable4::HostUnknown
        | Unreachable4::Isolated
        | Unreachable4::TosNetwork
        | Unreachable4::TosHost
        | Unreachable4::HostPrecedenceViolation
        | Unreachable4::PrecedenceCutoff => PathSignalKind::Soft,
    }
}

/// The next common MTU below a packet that was too big, for routers that do not state one (RFC 1191 7.1).
fn plateau_below(sent: usize) -> u32 {
    const PLATEAUS: [u32; 10] = [
        65_535, 32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296,
    ];
    let below = PLATEAUS.iter().find(|mtu| (**mtu as usize) < sent);
    below.copied().unwrap_or(ipv4::MIN_MTU)
}

/// Types below are errors (RFC 4443 2.1).
const FIRST_INFORMATIONAL: u8 = 128;

fn parse_v6(bytes: &[u8]) -> Result<Message, DropReason> {
    let slice = Icmpv6Slice::from_slice(bytes).map_err(|_| DropReason::IcmpTruncated)?;
    Ok(match slice.icmp_type() {
        Icmpv6Type::EchoRequest(IcmpEchoHeader { id: ident, seq }) => {
            Message::EchoRequest { ident, seq }
        }
        Icmpv6Type::EchoReply(IcmpEchoHeader { id: ident, seq }) => {
            Message::EchoReply { ident, seq }
        }
        Icmpv6Type::DestinationUnreachable(why) => Message::Error(match why {
            Unreachable6::Port
            | Unreachable6::Prohibited
            | Unreachable6::SourceAddressFailedPolicy
            | Unreachable6::RejectRoute => PathSignalKind::Hard,
            Unreachable6::NoRoute | Unreachable6::Address => PathSignalKind::Disrupted,
            Unreachable6::BeyondScope => PathSignalKind::Soft,
        }),
        // RFC 8201 4: a node must discard one that states less than the smallest link MTU.
        Icmpv6Type::PacketTooBig { mtu } if mtu < ipv6::MIN_MTU => {
            return Err(DropReason::IcmpInvalid);
        }
        Icmpv6Type::PacketTooBig { mtu } => Message::Error(PathSignalKind::TooBig(mtu)),
        Icmpv6Type::TimeExceeded(_) => Message::Error(PathSignalKind::Soft),
        // An unrecognised next header is IPv6's way to say protocol unreachable.
        Icmpv6Type::ParameterProblem(problem)
            if problem.code == icmpv6::ParameterProblemCode::UnrecognizedNextHeader =>
        {
            Message::Error(PathSignalKind::Hard)
        }
        Icmpv6Type::ParameterProblem(_) => Message::Error(PathSignalKind::Soft),
        // RFC 4443 2.4 a: an error, by its type's high bit; whose, the packet quoted says.
        Icmpv6Type::Unknown { type_u8, .. } if type_u8 < FIRST_INFORMATIONAL => {
            Message::Error(PathSignalKind::Soft)
        }
        Icmpv6Type::RouterSolicitation
        | Icmpv6Type::RouterAdvertisement(_)
        | Icmpv6Type::NeighborSolicitation
        | Icmpv6Type::NeighborAdvertisement(_)
        | Icmpv6Type::Redirect
        | Icmpv6Type::Unknown { .. } => Message::Other,
    })
}

/// Whether the checksum over `bytes` is right. ICMPv6 includes the pseudo-header, ICMP does not.
#[must_use]
pub fn checksum_is_right(src: IpAddr, dst: IpAddr, bytes: &[u8]) -> bool {
    let mut sum = match dst {
        IpAddr::V4(_) => Checksum::new(),
        IpAddr::V6(_) => {
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            Checksum::pseudo_header(src, dst, PROTOCOL_V6, len)
        }
    };
    sum.add(bytes);
    sum.finish() == 0
}

/// Whether `bytes` begin with an error message, or with something so short or strange that an error
/// about it could only do harm (RFC 1122 3.2.2, RFC 4443 2.4(e)).
#[must_use]
pub fn is_error(family: &IpAddr, bytes: &[u8]) -> bool {
    match (family, bytes.first()) {
        (_, None) => true,
        // RFC 4443 2.1: errors have types below 128. A redirect counts as one, RFC 4443 2.4(e.2).
        (IpAddr::V6(_), Some(kind)) => *kind < 128 || *kind == 137,
        // Everything that is not a query or its answer.
        (IpAddr::V4(_), Some(kind)) => !matches!(kind, 0 | 8 | 9 | 10 | 13..=18),
    }
}

/// An error to be sent, before it is known in which family's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Nobody listens on that port.
    Port,
    /// Nobody speaks that protocol; the pointer is the byte that names it (IPv6).
    Protocol {
        /// From the start of the IP header.
        pointer: usize,
    },
    /// A filter said no.
    Prohibited,
    /// No route leads there.
    NoRoute,
    /// A route leads there, but not to that host.
    HostUnreachable,
    /// The source means nothing beyond its link (IPv6).
    BeyondScope,
    /// A better first hop is on the sender's own link (IPv4).
    Redirect {
        /// That hop.
        gateway: Ipv4Addr,
    },
    /// Longer than the next link takes.
    TooBig {
        /// That link's MTU, bytes.
        mtu: u32,
    },
    /// Time to live or hop limit used up.
    HopLimit,
    /// Not all fragments arrived in time.
    Reassembly,
    /// A header field makes no sense.
    Parameter {
        /// IPv6's code; IPv4 has only zero.
        code: u8,
        /// From the start of the IP header.
        pointer: usize,
    },
}

fn error_v4(error: Error) -> Icmpv4Type {
    let field = |pointer| {
        icmpv4::ParameterProblemHeader::PointerIndicatesError(
            u8::try_from(pointer).unwrap_or(u8::MAX),
        )
    };
    match error {
        Error::Port => Icmpv4Type::DestinationUnreachable(Unreachable4::Port),
        Error::Protocol { .. } => Icmpv4Type::DestinationUnreachable(Unreachable4::Protocol),
        Error::Prohibited => Icmpv4Type::DestinationUnreachable(Unreachable4::FilterProhibited),
        // RFC 1812 5.2.7.1: the network, if no route leads there at all.
        Error::NoRoute => Icmpv4Type::DestinationUnreachable(Unreachable4::Network),
        Error::HostUnreachable | Error::BeyondScope => {
            Icmpv4Type::DestinationUnreachable(Unreachable4::Host)
        }
        // RFC 1812 5.2.7.2: always for the host, never for its network.
        Error::Redirect { gateway } => Icmpv4Type::Redirect(icmpv4::RedirectHeader {
            code: icmpv4::RedirectCode::RedirectForHost,
            gateway_internet_address: gateway.octets(),
        }),
        Error::TooBig { mtu } => {
            Icmpv4Type::DestinationUnreachable(Unreachable4::FragmentationNeeded {
                next_hop_mtu: u16::try_from(mtu).unwrap_or(u16::MAX),
            })
        }
        Error::HopLimit => Icmpv4Type::TimeExceeded(icmpv4::TimeExceededCode::TtlExceededInTransit),
        Error::Reassembly => {
            Icmpv4Type::TimeExceeded(icmpv4::TimeExceededCode::FragmentReassemblyTimeExceeded)
        }
        Error::Parameter { pointer, .. } => Icmpv4Type::ParameterProblem(field(pointer)),
    }
}

fn error_v6(error: Error) -> Icmpv6Type {
    let parameter = |code, pointer| {
        let code = icmpv6::ParameterProblemCode::from_u8(code);
        Icmpv6Type::ParameterProblem(icmpv6::ParameterProblemHeader {
            code: code.unwrap_or(icmpv6::ParameterProblemCode::ErroneousHeaderField),
            pointer: u32::try_from(pointer).unwrap_or(u32::MAX),
        })
    };
    match error {
        Error::Port => Icmpv6Type::DestinationUnreachable(Unreachable6::Port),
        Error::Protocol { pointer } => parameter(ipv6::CODE_NEXT_HEADER, pointer),
        Error::Prohibited => Icmpv6Type::DestinationUnreachable(Unreachable6::Prohibited),
        Error::NoRoute => Icmpv6Type::DestinationUnreachable(Unreachable6::NoRoute),
        Error::HostUnreachable | Error::Redirect { .. } => {
            Icmpv6Type::DestinationUnreachable(Unreachable6::Address)
        }
        Error::BeyondScope => Icmpv6Type::DestinationUnreachable(Unreachable6::BeyondScope),
        Error::TooBig { mtu } => Icmpv6Type::PacketTooBig { mtu },
        Error::HopLimit => Icmpv6Type::TimeExceeded(icmpv6::TimeExceededCode::HopLimitExceeded),
        Error::Reassembly => {
            Icmpv6Type::TimeExceeded(icmpv6::TimeExceededCode::FragmentReassemblyTimeExceeded)
        }
        Error::Parameter { code, pointer } => parameter(code, pointer),
    }
}

/// What is written in front of data or a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// An echo request.
    EchoRequest {
        /// Whose request.
        ident: u16,
        /// Which of theirs.
        seq: u16,
    },
    /// Its answer.
    EchoReply {
        /// Whose request.
        ident: u16,
        /// Which of theirs.
        seq: u16,
    },
    /// An error.
    Error(Error),
}

/// The eight bytes in front of `body`, checksum included. Both addresses are of one family.
#[must_use]
pub fn emit(message: Outgoing, src: IpAddr, dst: IpAddr, body: &[u8]) -> [u8; HEADER_LEN] {
    let echo = |id, seq| IcmpEchoHeader { id, seq };
    let mut out = [0; HEADER_LEN];
    if let (IpAddr::V6(src), IpAddr::V6(dst)) = (src, dst) {
        let kind = match message {
            Outgoing::EchoRequest { ident, seq } => Icmpv6Type::EchoRequest(echo(ident, seq)),
            Outgoing::EchoReply { ident, seq } => Icmpv6Type::EchoReply(echo(ident, seq)),
            Outgoing::Error(error) => error_v6(error),
        };
        // The library refuses only bodies beyond four gigabytes.
        if let Ok(header) = Icmpv6Header::with_checksum(kind, src.octets(), dst.octets(), body) {
            fill(&mut out, &header.to_bytes());
        }
    } else {
        let kind = match message {
            Outgoing::EchoRequest { ident, seq } => Icmpv4Type::EchoRequest(echo(ident, seq)),
            Outgoing::EchoReply { ident, seq } => Icmpv4Type::EchoReply(echo(ident, seq)),
            Outgoing::Error(error) => error_v4(error),
        };
        fill(
            &mut out,
            &Icmpv4Header::with_checksum(kind, body).to_bytes(),
        );
    }
    out
}

fn fill(out: &mut [u8; HEADER_LEN], from: &[u8]) {
    for (to, from) in out.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Shows an ICMP (IPv4) message's header.
pub fn fields<'a>(bytes: &'a [u8], visit: &mut dyn FnMut(Field<'a>)) {
    let Some(head) = bytes.first_chunk::<HEADER_LEN>() else {
        return;
    };
    let mut out = Fields {
        visit,
        source: "RFC 792",
    };
    out.number("icmp.type", "Type", (0, 8), u64::from(head[0]));
    out.number("icmp.code", "Code", (8, 8), u64::from(head[1]));
    out.number(
        "icmp.checksum",
        "Checksum",
        (16, 16),
        u64::from(be16(head, 2)),
    );
    match (head[0], head[1]) {
        (0 | 8, _) => {
            out.number(
                "icmp.ident",
                "Identifier",
                (32, 16),
                u64::from(be16(head, 4)),
            );
            out.number(
                "icmp.seq",
                "Sequence Number",
                (48, 16),
                u64::from(be16(head, 6)),
            );
        }
        (3, 4) => {
            out.source = "RFC 1191 4";
            out.number(
                "icmp.mtu",
                "Next-Hop MTU",
                (48, 16),
                u64::from(be16(head, 6)),
            );
        }
        (5, _) => {
            let gateway = Ipv4Addr::from_bits(be32(head, 4));
            let place = (32, 32);
            out.value(
                "icmp.redir_gw",
                "Gateway Address",
                place,
                FieldValue::Address(gateway.into()),
            );
        }
        (12, _) => out.number("icmp.pointer", "Pointer", (32, 8), u64::from(head[4])),
        _ => {}
    }
    body_field("data.data", bytes, &mut out);
}

/// Shows an ICMPv6 message's header.
pub fn fields_v6<'a>(bytes: &'a [u8], visit: &mut dyn FnMut(Field<'a>)) {
    let Some(head) = bytes.first_chunk::<HEADER_LEN>() else {
        return;
    };
    let mut out = Fields {
        visit,
        source: "RFC 4443 2.1",
    };
    out.number("icmpv6.type", "Type", (0, 8), u64::from(head[0]));
    out.number("icmpv6.code", "Code", (8, 8), u64::from(head[1]));
    out.number(
        "icmpv6.checksum",
        "Checksum",
        (16, 16),
        u64::from(be16(head, 2)),
    );
    match head[0] {
        super::nd::ROUTER_SOLICITATION..=super::nd::REDIRECT => {
            return super::nd::fields(bytes, out.visit);
        }
        128 | 129 => {
            out.source = "RFC 4443 4.1, 4.2";
            let (ident, seq) = (u64::from(be16(head, 4)), u64::from(be16(head, 6)));
            out.number("icmpv6.echo.identifier", "Identifier", (32, 16), ident);
            out.number(
                "icmpv6.echo.sequence_number",
                "Sequence Number",
                (48, 16),
                seq,
            );
        }
        2 => {
            out.source = "RFC 4443 3.2";
            out.number("icmpv6.mtu", "MTU", (32, 32), u64::from(be32(head, 4)));
        }
        4 => {
            out.source = "RFC 4443 3.4";
            out.number(
                "icmpv6.pointer",
                "Pointer",
                (32, 32),
                u64::from(be32(head, 4)),
            );
        }
        _ => {}
    }
    body_field("data.data", bytes, &mut out);
}

fn body_field<'a>(key: &'static str, bytes: &'a [u8], out: &mut Fields<'_, 'a>) {
    if let Some(body) = bytes.get(HEADER_LEN..)
        && !body.is_empty()
    {
        let place = (bits(HEADER_LEN), bits(body.len()));
        out.value(key, "Data", place, FieldValue::Bytes(body));
    }
}

#[cfg(test)]
#[path = "icmp_tests.rs"]
mod tests;
