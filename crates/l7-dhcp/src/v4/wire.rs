//! DHCPv4 messages as bytes.
//!
//! Job: read hostile bytes into a message, and write one. Owns: the sieve before `dhcproto`. Does not know: any state.
//! `dhcproto` stops silently at an option it cannot read, so options are cut, joined and measured here, and it is
//! given one at a time, only those that this crate understands.
//! Sources: RFC 2131 2 and 4.1 (overload), RFC 2132 (lengths), RFC 3396 (an option in several pieces).

mod fields;

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use bytes::Bytes;
use dhcproto::v4::{DhcpOption, Message, Opcode, OptionCode};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};

pub use fields::{fields, option_name};

/// The fixed part: 236 octets and the cookie.
const FIXED: usize = 240;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
const SNAME: core::ops::Range<usize> = 44..108;
const FILE: core::ops::Range<usize> = 108..236;
/// RFC 1542 2.1: no message is shorter, for the relays that insist.
const SHORTEST: usize = 300;
/// A message as long as a host must take (RFC 2131 2) would be 576; nobody sends more than a few times that.
const LONGEST: usize = 4096;

const PAD: u8 = 0;
const END: u8 = 255;
const OVERLOAD: u8 = 52;

/// The options that are read, and which lengths they may have: (code, least, unit); a unit of zero is exactly `least`.
const KNOWN: &[(u8, usize, usize)] = &[
    (1, 4, 0),
    (3, 4, 4),
    (6, 4, 4),
    (12, 1, 1),
    (15, 1, 1),
    (26, 2, 0),
    (50, 4, 0),
    (51, 4, 0),
    (53, 1, 0),
    (54, 4, 0),
    (55, 1, 1),
    (56, 1, 1),
    (57, 2, 0),
    (58, 4, 0),
    (59, 4, 0),
    (61, 2, 1),
    (80, 0, 0),
    (121, 5, 1),
];

/// What kind a message is, by the number in option 53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A client looks for servers.
    Discover,
    /// A server offers an address.
    Offer,
    /// A client asks for one.
    Request,
    /// A client found the address in use.
    Decline,
    /// A server grants.
    Ack,
    /// A server refuses.
    Nak,
    /// A client gives back.
    Release,
    /// A client asks for parameters alone.
    Inform,
    /// Anything else.
    Other(u8),
}

impl From<u8> for Kind {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Discover,
            2 => Self::Offer,
            3 => Self::Request,
            4 => Self::Decline,
            5 => Self::Ack,
            6 => Self::Nak,
            7 => Self::Release,
            8 => Self::Inform,
            other => Self::Other(other),
        }
    }
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Shorter than the fixed part, or longer than anybody sends.
    #[error("a message has 240 to 4096 octets")]
    Size,
    /// Not DHCP: RFC 951 without options, or something else.
    #[error("the options do not begin with 99.130.83.99")]
    Cookie,
    /// A hardware address of more than 16 octets.
    #[error("a hardware address has at most 16 octets")]
    Hardware,
    /// An option runs over the end of its field.
    #[error("an option runs over its end")]
    Option,
}

/// Reads a message.
///
/// # Errors
/// When it is none: see [`ParseError`]. Options that are not understood, or have a length that theirs cannot
/// have, are passed over.
pub fn parse(bytes: &[u8]) -> Result<Message, ParseError> {
    let (Some((fixed, area)), false) = (bytes.split_at_checked(FIXED), bytes.len() > LONGEST)
    else {
        return Err(ParseError::Size);
    };
    if !fixed.ends_with(&COOKIE) {
        return Err(ParseError::Cookie);
    }
    if fixed.get(2).is_some_and(|hlen| *hlen > 16) {
        return Err(ParseError::Hardware);
    }
    let mut message = Message::decode(&mut Decoder::new(fixed)).map_err(|_| ParseError::Size)?;
    for option in options(fixed, area)? {
        message.opts_mut().insert(option);
    }
    Ok(message)
}

/// Every option understood, in order of code.
fn options(fixed: &[u8], area: &[u8]) -> Result<Vec<DhcpOption>, ParseError> {
    let mut values = BTreeMap::new();
    gather(area, &mut values)?;
    let overload = match values.get(&OVERLOAD).map(Vec::as_slice) {
        Some([which]) => *which,
        _ => 0,
    };
    // RFC 2131 4.1: the file field first, then sname.
    if overload & 1 != 0 {
        gather(fixed.get(FILE).unwrap_or_default(), &mut values)?;
    }
    if overload & 2 != 0 {
        gather(fixed.get(SNAME).unwrap_or_default(), &mut values)?;
    }
    Ok(values
        .into_iter()
        .filter(|(code, value)| fits(*code, value.len()))
        .filter_map(|(code, value)| decode(code, &value))
        .collect())
}

/// Cuts one field into options; pieces of one option are joined.
fn gather(mut area: &[u8], into: &mut BTreeMap<u8, Vec<u8>>) -> Result<(), ParseError> {
    loop {
        match area {
            [] | [END, ..] => return Ok(()),
            [PAD, rest @ ..] => area = rest,
            [_] => return Err(ParseError::Option),
            [code, len, rest @ ..] => {
                let (value, after) = rest
                    .split_at_checked(usize::from(*len))
                    .ok_or(ParseError::Option)?;
                into.entry(*code).or_default().extend_from_slice(value);
                area = after;
            }
        }
    }
}

fn fits(code: u8, len: usize) -> bool {
    KNOWN
        .iter()
        .find(|(known, _, _)| *known == code)
        .is_some_and(|(_, least, unit)| match unit {
            0 => len == *least,
            unit => len >= *least && (len - least).is_multiple_of(*unit),
        })
}

/// One option by `dhcproto`, in the pieces that its length needs.
fn decode(code: u8, value: &[u8]) -> Option<DhcpOption> {
    let mut pieces = Vec::new();
    if value.is_empty() {
        pieces.extend([code, 0]);
    }
    for piece in value.chunks(255) {
        pieces.extend([code, u8::try_from(piece.len()).unwrap_or(u8::MAX)]);
        pieces.extend_from_slice(piece);
    }
    DhcpOption::decode(&mut Decoder::new(&pieces)).ok()
}

/// Writes a message, filled up to 300 octets.
#[must_use]
pub fn emit(message: &Message) -> Bytes {
    let mut bytes = Vec::with_capacity(SHORTEST);
    // What this crate puts into a message, it can also write: texts are bounded where they are configured.
    let written = message.encode(&mut Encoder::new(&mut bytes));
    debug_assert!(written.is_ok(), "a message of ours cannot be written");
    if bytes.len() < SHORTEST {
        bytes.resize(SHORTEST, PAD);
    }
    Bytes::from(bytes)
}

/// An empty message. `Message::default()` would draw its transaction from the operating system.
#[must_use]
pub(crate) fn blank(opcode: Opcode, xid: u32, chaddr: &[u8]) -> Message {
    let fixed = [[0; FIXED - 4].as_slice(), &COOKIE].concat();
    let mut message = Message::decode(&mut Decoder::new(&fixed)).unwrap_or_default();
    message
        .set_opcode(opcode)
        .set_htype(dhcproto::v4::HType::Eth)
        .set_xid(xid)
        .set_chaddr(chaddr);
    message
}

/// What kind it is, if it says so.
#[must_use]
pub fn kind(message: &Message) -> Option<Kind> {
    message
        .opts()
        .msg_type()
        .map(|kind| Kind::from(u8::from(kind)))
}

macro_rules! reader {
    ($(#[doc = $doc:literal])+ $name:ident, $code:ident, $type:ty) => {
        $(#[doc = $doc])+
        #[must_use]
        pub fn $name(message: &Message) -> Option<$type> {
            match message.opts().get(OptionCode::$code) {
                Some(DhcpOption::$code(value)) => Some(value.clone()),
                _ => None,
            }
        }
    };
}

reader!(
    /// Option 54: which server it is from, or for.
    server_id, ServerIdentifier, Ipv4Addr
);
reader!(
    /// Option 50: which address is asked for.
    requested, RequestedIpAddress, Ipv4Addr
);
reader!(
    /// Option 51, in seconds.
    lease_time, AddressLeaseTime, u32
);
reader!(
    /// Option 58, in seconds.
    renewal, Renewal, u32
);
reader!(
    /// Option 59, in seconds.
    rebinding, Rebinding, u32
);
reader!(
    /// Option 1.
    subnet_mask, SubnetMask, Ipv4Addr
);
reader!(
    /// Option 26, in octets.
    mtu, InterfaceMtu, u16
);
reader!(
    /// Option 3, the best first.
    routers, Router, Vec<Ipv4Addr>
);
reader!(
    /// Option 6, the best first.
    dns, DomainNameServer, Vec<Ipv4Addr>
);
reader!(
    /// Option 15.
    domain, DomainName, String
);
reader!(
    /// Option 61: how the client calls itself.
    client_id, ClientIdentifier, Vec<u8>
);

/// Option 80: whether it is there.
#[must_use]
pub fn rapid_commit(message: &Message) -> bool {
    message.opts().contains(OptionCode::RapidCommit)
}

/// Option 121: networks, how many bits of each count, and who leads there.
#[must_use]
pub fn routes(message: &Message) -> Option<Vec<(Ipv4Addr, u8, Ipv4Addr)>> {
    match message.opts().get(OptionCode::ClasslessStaticRoute) {
        Some(DhcpOption::ClasslessStaticRoute(routes)) => Some(
            routes
                .iter()
                .map(|(network, router)| (network.network(), network.prefix_len(), *router))
                .collect(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A BOOTREPLY with these options.
    fn with(options: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; FIXED - 4];
        bytes[..4].copy_from_slice(&[2, 1, 6, 0]);
        bytes.extend(COOKIE);
        bytes.extend(options);
        bytes
    }

    #[test]
    fn an_option_behind_one_that_cannot_be_is_read() {
        let message = parse(&with(&[3, 3, 1, 2, 3, 53, 1, 5, 255])).unwrap();
        assert_eq!((kind(&message), routers(&message)), (Some(Kind::Ack), None));
    }

    #[test]
    fn pieces_of_an_option_are_joined() {
        let message = parse(&with(&[3, 2, 10, 0, 53, 1, 5, 3, 2, 0, 1, 255])).unwrap();
        assert_eq!(routers(&message), Some(vec![Ipv4Addr::new(10, 0, 0, 1)]));
    }

    #[test]
    fn overloaded_fields_hold_options_too() {
        let mut bytes = with(&[52, 1, 3, 255]);
        bytes[FILE][..7].copy_from_slice(&[51, 4, 0, 0, 1, 0, 255]);
        bytes[SNAME][..4].copy_from_slice(&[53, 1, 2, 255]);
        let message = parse(&bytes).unwrap();
        assert_eq!(
            (kind(&message), lease_time(&message)),
            (Some(Kind::Offer), Some(256))
        );
    }

    #[test]
    fn what_is_no_message_is_refused_by_name() {
        assert_eq!(parse(&[2; 239]), Err(ParseError::Size));
        assert_eq!(parse(&[0; 240]), Err(ParseError::Cookie));
        assert_eq!(parse(&with(&[53, 9, 1])), Err(ParseError::Option));
        assert_eq!(parse(&with(&[53])), Err(ParseError::Option));
        let mut long = with(&[255]);
        long[2] = 17;
        assert_eq!(parse(&long), Err(ParseError::Hardware));
    }
}
