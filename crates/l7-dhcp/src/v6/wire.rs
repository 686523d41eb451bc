//! DHCPv6 messages as bytes.
//!
//! Job: read hostile bytes into a message, and write one. Owns: the sieve before `dhcproto`. Does not know: any state.
//! `dhcproto` stops silently at an option it cannot read, computes lengths that may be negative, and descends as deep
//! as the bytes say; it is given only options that a client understands, of lengths that theirs can have, at the
//! places where they belong. Sources: RFC 8415 8, 21; RFC 3646; RFC 8415 21.23 to 21.25.

mod fields;

use core::net::Ipv6Addr;

use bytes::Bytes;
use dhcproto::v6::{DhcpOption, IANA, Message, MessageType, OptionCode, Status};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};

pub use fields::{fields, option_name};

/// Type and transaction.
const FIXED: usize = 4;
/// Longer than any server's answer.
const LONGEST: usize = 4096;

const CLIENT_ID: u16 = 1;
const SERVER_ID: u16 = 2;
const IA_NA: u16 = 3;
const IA_ADDRESS: u16 = 5;
const PREFERENCE: u16 = 7;
const STATUS: u16 = 13;
const RAPID_COMMIT: u16 = 14;
const DNS: u16 = 23;
const DOMAINS: u16 = 24;
const REFRESH_TIME: u16 = 32;
const SOL_MAX_RT: u16 = 82;
const INF_MAX_RT: u16 = 83;

/// Where in a message an option stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Association,
    Address,
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Shorter than a header, or longer than anybody sends.
    #[error("a message has 4 to 4096 octets")]
    Size,
    /// An option runs over the end of what holds it.
    #[error("an option runs over its end")]
    Option,
}

/// Reads a message.
///
/// # Errors
/// When it is none: see [`ParseError`]. Options that a client does not understand, or of impossible length, are
/// passed over (RFC 8415 16).
pub fn parse(bytes: &[u8]) -> Result<Message, ParseError> {
    let (Some((header, area)), false) = (bytes.split_at_checked(FIXED), bytes.len() > LONGEST)
    else {
        return Err(ParseError::Size);
    };
    let clean = [header, &sieve(area, Place::Top)?].concat();
    Message::decode(&mut Decoder::new(&clean)).map_err(|_| ParseError::Option)
}

/// The options of one place that are understood there.
fn sieve(mut area: &[u8], place: Place) -> Result<Vec<u8>, ParseError> {
    let mut clean = Vec::new();
    while !area.is_empty() {
        let Some(([c1, c2, l1, l2], rest)) = area.split_first_chunk::<4>() else {
            return Err(ParseError::Option);
        };
        let (code, len) = (
            u16::from_be_bytes([*c1, *c2]),
            u16::from_be_bytes([*l1, *l2]),
        );
        let (value, after) = rest
            .split_at_checked(len.into())
            .ok_or(ParseError::Option)?;
        if let Some(value) = understood(place, code, value)? {
            let len = u16::try_from(value.len()).map_err(|_| ParseError::Option)?;
            clean.extend(code.to_be_bytes());
            clean.extend(len.to_be_bytes());
            clean.extend(value);
        }
        area = after;
    }
    Ok(clean)
}

/// An option's value, with what it holds sifted in turn; nothing if it is not understood here.
fn understood(place: Place, code: u16, value: &[u8]) -> Result<Option<Vec<u8>>, ParseError> {
    let nested = |head: usize, inside: Place| -> Result<Option<Vec<u8>>, ParseError> {
        let Some((head, rest)) = value.split_at_checked(head) else {
            return Ok(None);
        };
        Ok(Some([head, &sieve(rest, inside)?].concat()))
    };
    let fits = match (place, code) {
        (Place::Top, IA_NA) => return nested(12, Place::Association),
        (Place::Association, IA_ADDRESS) => return nested(24, Place::Address),
        // The text of a status is for people, and may be no text: the number is enough.
        (_, STATUS) => return Ok(value.get(..2).map(<[u8]>::to_vec)),
        // RFC 8415 11.1.
        (Place::Top, CLIENT_ID | SERVER_ID) => (3..=130).contains(&value.len()),
        (Place::Top, PREFERENCE) => value.len() == 1,
        (Place::Top, RAPID_COMMIT) => value.is_empty(),
        (Place::Top, DNS) => !value.is_empty() && value.len().is_multiple_of(16),
        (Place::Top, DOMAINS) => true,
        (Place::Top, REFRESH_TIME | SOL_MAX_RT | INF_MAX_RT) => value.len() == 4,
        _ => false,
    };
    Ok(fits.then(|| value.to_vec()))
}

/// Writes a message.
#[must_use]
pub fn emit(message: &Message) -> Bytes {
    let mut bytes = Vec::new();
    let written = message.encode(&mut Encoder::new(&mut bytes));
    debug_assert!(written.is_ok(), "a message of ours cannot be written");
    Bytes::from(bytes)
}

/// An empty message. `Message::new` would draw its transaction from the operating system.
pub(super) fn blank(kind: MessageType, xid: [u8; 3]) -> Message {
    let [a, b, c] = xid;
    let header = [u8::from(kind), a, b, c];
    Message::decode(&mut Decoder::new(&header)).unwrap_or_default()
}

/// Option 2: which server it is from.
#[must_use]
pub fn server_id(message: &Message) -> Option<&[u8]> {
    match message.opts().get(OptionCode::ServerId) {
        Some(DhcpOption::ServerId(duid)) => Some(duid),
        _ => None,
    }
}

/// Option 1: which client it is for.
#[must_use]
pub fn client_id(message: &Message) -> Option<&[u8]> {
    match message.opts().get(OptionCode::ClientId) {
        Some(DhcpOption::ClientId(duid)) => Some(duid),
        _ => None,
    }
}

/// Option 7: how much the server wants to be asked; zero if it does not say.
#[must_use]
pub fn preference(message: &Message) -> u8 {
    match message.opts().get(OptionCode::Preference) {
        Some(DhcpOption::Preference(value)) => *value,
        _ => 0,
    }
}

/// Option 13 of the message itself.
#[must_use]
pub fn status(message: &Message) -> Status {
    status_in(message.opts())
}

/// Option 13 among these; success if there is none.
#[must_use]
pub fn status_in(options: &dhcproto::v6::DhcpOptions) -> Status {
    match options.get(OptionCode::StatusCode) {
        Some(DhcpOption::StatusCode(status)) => status.status,
        _ => Status::Success,
    }
}

/// Option 3 with this number.
#[must_use]
pub fn association(message: &Message, iaid: u32) -> Option<&IANA> {
    let all = message.opts().get_all(OptionCode::IANA).unwrap_or_default();
    all.iter().find_map(|option| {
        let DhcpOption::IANA(association) = option else {
            return None;
        };
        (association.id == iaid).then_some(association)
    })
}

/// Option 14: whether it is there.
#[must_use]
pub fn rapid_commit(message: &Message) -> bool {
    message.opts().get(OptionCode::RapidCommit).is_some()
}

/// Option 23.
#[must_use]
pub fn dns(message: &Message) -> Vec<Ipv6Addr> {
    match message.opts().get(OptionCode::DomainNameServers) {
        Some(DhcpOption::DomainNameServers(servers)) => servers.clone(),
        _ => Vec::new(),
    }
}

/// Option 24, as text.
#[must_use]
pub fn domains(message: &Message) -> Vec<String> {
    match message.opts().get(OptionCode::DomainSearchList) {
        Some(DhcpOption::DomainSearchList(names)) => {
            names.iter().map(ToString::to_string).collect()
        }
        _ => Vec::new(),
    }
}

/// One of the options that are a number of seconds.
fn seconds(message: &Message, code: OptionCode) -> Option<u32> {
    // The library leaves them as they are.
    let Some(DhcpOption::Unknown(option)) = message.opts().get(code) else {
        return None;
    };
    Some(u32::from_be_bytes(option.data().try_into().ok()?))
}

/// Option 32: when to ask again for parameters.
#[must_use]
pub fn refresh_time(message: &Message) -> Option<u32> {
    seconds(message, OptionCode::InformationRefreshTime)
}

/// Option 82: how slowly to solicit at last.
#[must_use]
pub fn sol_max_rt(message: &Message) -> Option<u32> {
    seconds(message, OptionCode::SolMaxRt)
}

/// Option 83: how slowly to ask for parameters at last.
#[must_use]
pub fn inf_max_rt(message: &Message) -> Option<u32> {
    seconds(message, OptionCode::InfMaxRt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_would_upset_the_library_are_passed_over() {
        // A status of one octet, vendor options of three, a message within a message; then a preference.
        let bytes = [
            &[7, 1, 2, 3][..],
            &[0, 13, 0, 1, 0],
            &[0, 17, 0, 3, 1, 2, 3],
            &[0, 9, 0, 2, 7, 7],
            &[0, 7, 0, 1, 200],
        ]
        .concat();
        let message = parse(&bytes).unwrap();
        assert_eq!(
            (preference(&message), status(&message)),
            (200, Status::Success)
        );
    }

    #[test]
    fn associations_within_associations_go_no_deeper() {
        let mut nest = Vec::new();
        for _ in 0..200 {
            let len = u16::try_from(nest.len() + 12).unwrap().to_be_bytes();
            nest = [&[0, 3][..], &len, &[0; 12], &nest].concat();
        }
        let message = parse(&[&[7, 0, 0, 0][..], &nest].concat()).unwrap();
        assert_eq!(association(&message, 0).unwrap().opts.iter().count(), 0);
    }

    #[test]
    fn what_is_no_message_is_refused_by_name() {
        assert_eq!(parse(&[7, 0, 0]), Err(ParseError::Size));
        assert_eq!(parse(&[7, 0, 0, 0, 0]), Err(ParseError::Option));
        assert_eq!(parse(&[7, 0, 0, 0, 0, 7, 0, 2, 1]), Err(ParseError::Option));
    }
}
