//! The Ethernet header, with or without a VLAN tag.
//!
//! Job: read it, write it, show it. Owns: 14 or 18 bytes. Does not know: what is inside; ARP is in [`arp`].
//! Sources: IEEE 802.3 3.2 (type encapsulation), IEEE 802.1Q 9.6, RFC 894, RFC 2464.

pub mod arp;

use bytes::{Buf, Bytes};
use outcrop_base::{DropReason, Field, FieldValue, HeaderRoom};

use crate::MacAddr;

/// Bytes of a header without a tag.
pub const HEADER_LEN: usize = 14;
/// Bytes of a tag.
pub const TAG_LEN: usize = 4;

/// IPv4.
pub const TYPE_IPV4: u16 = 0x0800;
/// ARP.
pub const TYPE_ARP: u16 = 0x0806;
/// A VLAN tag follows.
pub const TYPE_VLAN: u16 = 0x8100;
/// IPv6.
pub const TYPE_IPV6: u16 = 0x86dd;
/// Below, the field is a length: IEEE 802.3 without a type, which no IP host speaks.
pub const TYPE_MIN: u16 = 0x0600;

/// What a VLAN tag says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// Priority, 0 to 7.
    pub priority: u8,
    /// Whether the frame may be dropped first.
    pub drop_eligible: bool,
    /// The VLAN, 0 to 4095. Zero: none, the tag only carries the priority.
    pub vlan: u16,
}

impl Tag {
    /// Reads the two bytes.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        let [high, _] = bits.to_be_bytes();
        Self {
            priority: high >> 5,
            drop_eligible: bits & 0x1000 != 0,
            vlan: bits & 0x0fff,
        }
    }

    /// The two bytes; what does not fit its field is cut.
    #[must_use]
    pub const fn to_bits(self) -> u16 {
        let priority = u16::from_be_bytes([self.priority << 5, 0]);
        let eligible = if self.drop_eligible { 0x1000 } else { 0 };
        priority | eligible | self.vlan & 0x0fff
    }
}

/// From whom, to whom, and what is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Receiver.
    pub dst: MacAddr,
    /// Sender.
    pub src: MacAddr,
    /// The VLAN tag, if there is one.
    pub tag: Option<Tag>,
    /// What is inside.
    pub ether_type: u16,
}

/// Reads the header; gives what is behind it, padding included: only the packet knows its length.
///
/// # Errors
/// `EthernetTruncated`; `EthernetUnknownType` for a length where the type should be.
pub fn parse(mut frame: Bytes) -> Result<(Header, Bytes), DropReason> {
    let (header, len) = read(&frame)?;
    frame.advance(len);
    Ok((header, frame))
}

/// Reads the header of a borrowed frame, and tells its length.
///
/// # Errors
/// As [`parse`].
pub fn read(frame: &[u8]) -> Result<(Header, usize), DropReason> {
    let short = DropReason::EthernetTruncated;
    let (addresses, rest) = frame.split_first_chunk::<12>().ok_or(short)?;
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = *addresses;
    let mut header = Header {
        dst: MacAddr([d0, d1, d2, d3, d4, d5]),
        src: MacAddr([s0, s1, s2, s3, s4, s5]),
        tag: None,
        ether_type: u16::from_be_bytes(*rest.first_chunk().ok_or(short)?),
    };
    let mut len = HEADER_LEN;
    if header.ether_type == TYPE_VLAN {
        let &[_, _, t0, t1, e0, e1] = rest.first_chunk().ok_or(short)?;
        header.tag = Some(Tag::from_bits(u16::from_be_bytes([t0, t1])));
        header.ether_type = u16::from_be_bytes([e0, e1]);
        len += TAG_LEN;
    }
    if header.ether_type < TYPE_MIN {
        return Err(DropReason::EthernetUnknownType);
    }
    Ok((header, len))
}

/// Writes the header in front of what is in `room`.
pub fn emit(header: &Header, room: &mut HeaderRoom) {
    room.prepend(2)
        .copy_from_slice(&header.ether_type.to_be_bytes());
    if let Some(tag) = header.tag {
        room.prepend(2)
            .copy_from_slice(&tag.to_bits().to_be_bytes());
        room.prepend(2).copy_from_slice(&TYPE_VLAN.to_be_bytes());
    }
    room.prepend(6).copy_from_slice(&header.src.0);
    room.prepend(6).copy_from_slice(&header.dst.0);
}

/// Shows the header that `bytes` begin with; nothing if they are too short.
pub fn fields(bytes: &[u8], visit: &mut dyn FnMut(Field<'_>)) {
    let Ok((header, _)) = read(bytes) else {
        return;
    };
    let mut show = |key, name, bits, value, source| {
        visit(Field {
            key,
            name,
            bits,
            value,
            source,
        });
    };
    let ieee = "IEEE 802.3 3.2";
    let mac = |mac: MacAddr| FieldValue::Mac(mac.0);
    show("eth.dst", "Destination", 0..48, mac(header.dst), ieee);
    show("eth.src", "Source", 48..96, mac(header.src), ieee);
    let Some(tag) = header.tag else {
        let kind = FieldValue::Number(header.ether_type.into());
        return show("eth.type", "Type", 96..112, kind, ieee);
    };
    let number = |n: u16| FieldValue::Number(n.into());
    let tagged = "IEEE 802.1Q 9.6";
    show(
        "eth.type",
        "Tag protocol",
        96..112,
        number(TYPE_VLAN),
        tagged,
    );
    show(
        "vlan.priority",
        "Priority",
        112..115,
        number(tag.priority.into()),
        tagged,
    );
    show(
        "vlan.dei",
        "Drop eligible",
        115..116,
        number(tag.drop_eligible.into()),
        tagged,
    );
    show("vlan.id", "VLAN", 116..128, number(tag.vlan), tagged);
    show(
        "vlan.etype",
        "Type",
        128..144,
        number(header.ether_type),
        tagged,
    );
}
