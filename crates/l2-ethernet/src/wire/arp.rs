//! The ARP packet, for IPv4 over Ethernet.
//!
//! Job: read it, write it, show it. Owns: 28 bytes. Does not know: what to answer. Source: RFC 826.

use core::net::{IpAddr, Ipv4Addr};

use outcrop_base::{DropReason, Field, FieldValue};

use crate::MacAddr;

/// Bytes of a packet; what a frame has behind them is padding.
pub const LEN: usize = 28;

/// What every packet of Ethernet and IPv4 begins with: hardware 1, protocol 0x0800, lengths 6 and 4.
const PREFIX: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// Asks, or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Who has the target's address?
    Request,
    /// The sender has its address.
    Reply,
}

/// An ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Asks or answers.
    pub operation: Operation,
    /// Who speaks.
    pub sender_mac: MacAddr,
    /// What the speaker's address is; unspecified in a probe (RFC 5227 1.1).
    pub sender_ip: Ipv4Addr,
    /// To whom; of no meaning in a request.
    pub target_mac: MacAddr,
    /// About which address.
    pub target_ip: Ipv4Addr,
}

/// Reads a packet.
///
/// # Errors
/// `ArpMalformed`: too short, another hardware or protocol, another operation.
pub fn parse(bytes: &[u8]) -> Result<Packet, DropReason> {
    let bad = DropReason::ArpMalformed;
    let (prefix, rest) = bytes.split_first_chunk::<6>().ok_or(bad)?;
    let (operation, rest) = rest.split_first_chunk::<2>().ok_or(bad)?;
    let operation = match u16::from_be_bytes(*operation) {
        1 => Operation::Request,
        2 => Operation::Reply,
        3.. | 0 => return Err(bad),
    };
    let (sender_mac, rest) = rest.split_first_chunk::<6>().ok_or(bad)?;
    let (sender_ip, rest) = rest.split_first_chunk::<4>().ok_or(bad)?;
    let (target_mac, rest) = rest.split_first_chunk::<6>().ok_or(bad)?;
    let target_ip = *rest.first_chunk::<4>().ok_or(bad)?;
    if *prefix != PREFIX {
        return Err(bad);
    }
    Ok(Packet {
        operation,
        sender_mac: MacAddr(*sender_mac),
        sender_ip: Ipv4Addr::from(*sender_ip),
        target_mac: MacAddr(*target_mac),
        target_ip: Ipv4Addr::from(target_ip),
    })
}

/// Writes a packet.
#[must_use]
pub fn emit(packet: &Packet) -> [u8; LEN] {
    let operation = match packet.operation {
        Operation::Request => [0, 1],
        Operation::Reply => [0, 2],
    };
    let mut bytes = [0; LEN];
    let pieces: [&[u8]; 6] = [
        &PREFIX,
        &operation,
        &packet.sender_mac.0,
        &packet.sender_ip.octets(),
        &packet.target_mac.0,
        &packet.target_ip.octets(),
    ];
    for (to, from) in bytes.iter_mut().zip(pieces.into_iter().flatten()) {
        *to = *from;
    }
    bytes
}

/// Shows the packet that `bytes` begin with; nothing if it is not one.
pub fn fields(bytes: &[u8], visit: &mut dyn FnMut(Field<'_>)) {
    let Ok(packet) = parse(bytes) else {
        return;
    };
    let mut show = |key, name, bits, value| {
        visit(Field {
            key,
            name,
            bits,
            value,
            source: "RFC 826",
        });
    };
    let operation = match packet.operation {
        Operation::Request => 1,
        Operation::Reply => 2,
    };
    let number = FieldValue::Number;
    let ip = |ip: Ipv4Addr| FieldValue::Address(IpAddr::V4(ip));
    show("arp.hw.type", "Hardware", 0..16, number(1));
    show("arp.proto.type", "Protocol", 16..32, number(0x0800));
    show("arp.hw.size", "Hardware length", 32..40, number(6));
    show("arp.proto.size", "Protocol length", 40..48, number(4));
    show("arp.opcode", "Operation", 48..64, number(operation));
    show(
        "arp.src.hw_mac",
        "Sender hardware",
        64..112,
        FieldValue::Mac(packet.sender_mac.0),
    );
    show(
        "arp.src.proto_ipv4",
        "Sender protocol",
        112..144,
        ip(packet.sender_ip),
    );
    show(
        "arp.dst.hw_mac",
        "Target hardware",
        144..192,
        FieldValue::Mac(packet.target_mac.0),
    );
    show(
        "arp.dst.proto_ipv4",
        "Target protocol",
        192..224,
        ip(packet.target_ip),
    );
}
