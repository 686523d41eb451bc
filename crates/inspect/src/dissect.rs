//! A packet taken apart, however broken it is.
//!
//! Job: name the fields of IP and transport headers, and say where a header stops making sense.
//! Owns: plain values. Does not know: connections, time, how anything is shown.
//! An inspector must not use the parsers it is to inspect: headers are read with etherparse, and a
//! packet the engines refuse is shown all the same.
//! Sources: RFC 791, RFC 8200 (IP), RFC 9293 3.1 (TCP), RFC 768 (UDP).

mod link;
mod transport;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};
use outcrop_base::Checksum;

pub(crate) use link::ARP_LEN;
pub use link::{Arp, Mac};
pub use transport::{
    BadOption, Flags, SackBlock, Tcp, TcpFault, TcpOption, TcpOptions, Udp, UdpFault, Upper,
};

/// Protocol numbers that matter here.
pub mod protocol {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 inside.
    pub const IPV6: u8 = 41;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// Nothing follows.
    pub const NONE: u8 = 59;
    /// IPv6 destination options.
    pub const DESTINATION: u8 = 60;
}

/// The ether type of ARP.
pub const ETHER_ARP: u16 = 0x0806;
const ETHER_IPV4: u16 = 0x0800;
const ETHER_IPV6: u16 = 0x86dd;

/// The network layer of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// IPv4.
    V4(V4),
    /// IPv6.
    V6(V6),
    /// ARP for Ethernet and IPv4.
    Arp(Arp),
    /// Something else on Ethernet.
    Other {
        /// Its ether type.
        ether_type: u16,
        /// Its length in bytes.
        len: usize,
    },
    /// Not even a header.
    Broken(NetworkFault),
}

/// Why there is no IP header to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFault {
    /// Nothing at all, or less than a link header.
    Empty,
    /// Less than an IPv4 header.
    Short4,
    /// Less than an IPv6 header.
    Short6,
    /// A header length below 20 (bytes as stated).
    HeaderLength(usize),
    /// A total length below the header's.
    TotalLength(u16),
    /// A version that does not exist.
    Version(u8),
}

/// An IPv4 packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V4 {
    /// The type-of-service octet: DSCP and ECN.
    pub tos: u8,
    /// Time to live.
    pub ttl: u8,
    /// Identification.
    pub id: u16,
    /// Fragment offset, bytes.
    pub offset: u16,
    /// Reserved bit, "don't fragment", "more fragments", as the top three bits.
    pub flags: u8,
    /// Protocol number.
    pub protocol: u8,
    /// Total length as stated.
    pub total_len: u16,
    /// The header checksum as found.
    pub checksum: u16,
    /// Sum over the header: zero if the checksum is right.
    pub residue: u16,
    /// Option bytes.
    pub options: Bytes,
    /// Source.
    pub src: Ipv4Addr,
    /// Destination.
    pub dst: Ipv4Addr,
    /// What follows the header.
    pub body: Body,
}

/// An IPv6 packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V6 {
    /// Traffic class: DSCP and ECN.
    pub class: u8,
    /// Flow label.
    pub flow_label: u32,
    /// Hop limit.
    pub hop_limit: u8,
    /// What follows.
    pub next_header: u8,
    /// Payload length as stated.
    pub payload_len: u16,
    /// Source.
    pub src: Ipv6Addr,
    /// Destination.
    pub dst: Ipv6Addr,
    /// What follows the header, extension headers included.
    pub body: Body,
}

/// Bytes above a header, of which the record may hold fewer than there were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// What the record holds.
    pub bytes: Bytes,
    /// How many there were on the wire.
    pub wire_len: usize,
}

impl Body {
    /// Whether the record holds all.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.bytes.len() >= self.wire_len
    }

    /// The rest after `count` bytes.
    #[must_use]
    pub fn after(&self, count: usize) -> Self {
        Self {
            bytes: self.bytes.slice(count.min(self.bytes.len())..),
            wire_len: self.wire_len.saturating_sub(count),
        }
    }

    /// Two bytes at `at`, as a number.
    #[must_use]
    pub fn word(&self, at: usize) -> Option<u16> {
        word(&self.bytes, at)
    }
}

/// Two bytes at `at`, as a number.
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Four bytes at `at`, as a number.
pub(crate) fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl Network {
    /// Takes a record apart.
    #[must_use]
    pub fn of(packet: &outcrop_capture::Packet) -> Self {
        match packet.network() {
            None => Self::Broken(NetworkFault::Empty),
            Some((ETHER_IPV4, bytes)) if packet.link == outcrop_capture::Link::Raw => {
                Self::by_version(&bytes)
            }
            Some((ETHER_IPV4, bytes)) => v4(&bytes),
            Some((ETHER_IPV6, bytes)) => v6(&bytes),
            Some((ether_type, bytes)) => {
                let arp = (ether_type == ETHER_ARP).then(|| Arp::of(&bytes));
                let len = bytes.len();
                arp.flatten()
                    .map_or(Self::Other { ether_type, len }, Self::Arp)
            }
        }
    }

    /// Takes an IP packet of either family apart.
    #[must_use]
    pub fn by_version(bytes: &Bytes) -> Self {
        match bytes.first().map(|b| b >> 4) {
            None => Self::Broken(NetworkFault::Empty),
            Some(4) => v4(bytes),
            Some(6) => v6(bytes),
            Some(version) => Self::Broken(NetworkFault::Version(version)),
        }
    }

    /// Source and destination, if there are any.
    #[must_use]
    pub const fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        match self {
            Self::V4(ip) => Some((IpAddr::V4(ip.src), IpAddr::V4(ip.dst))),
            Self::V6(ip) => Some((IpAddr::V6(ip.src), IpAddr::V6(ip.dst))),
            Self::Arp(_) | Self::Other { .. } | Self::Broken(_) => None,
        }
    }

    /// The transport, past IPv6 extension headers.
    #[must_use]
    pub fn upper(&self) -> Upper {
        match self {
            Self::V4(ip) if ip.offset > 0 => Upper::Fragment {
                protocol: ip.protocol,
            },
            Self::V4(ip) => Upper::of(ip.protocol, &ip.body),
            Self::V6(ip) => {
                let chain = ip.extensions();
                match chain.fragment {
                    Some(fragment) if fragment.offset > 0 => Upper::Fragment {
                        protocol: chain.protocol,
                    },
                    Some(_) | None => Upper::of(chain.protocol, &chain.body),
                }
            }
            Self::Arp(_) | Self::Other { .. } | Self::Broken(_) => Upper::None,
        }
    }
}

fn v4(bytes: &Bytes) -> Network {
    if bytes.len() < 20 {
        return Network::Broken(NetworkFault::Short4);
    }
    let total_len = word(bytes, 2).unwrap_or(0);
    let header_len = bytes.first().map_or(0, |b| usize::from(b & 15) * 4);
    let Ok(header) = Ipv4HeaderSlice::from_slice(bytes) else {
        return Network::Broken(match header_len {
            0..20 => NetworkFault::HeaderLength(header_len),
            20.. if usize::from(total_len) < header_len => NetworkFault::TotalLength(total_len),
            20.. => NetworkFault::Short4,
        });
    };
    if usize::from(total_len) < header_len {
        return Network::Broken(NetworkFault::TotalLength(total_len));
    }
    let mut sum = Checksum::new();
    sum.add(header.slice());
    let end = bytes.len().min(total_len.into());
    Network::V4(V4 {
        tos: header.slice().get(1).copied().unwrap_or(0),
        ttl: header.ttl(),
        id: header.identification(),
        offset: header.fragments_offset().value() * 8,
        flags: header.slice().get(6).map_or(0, |b| b >> 5),
        protocol: header.protocol().0,
        total_len,
        checksum: header.header_checksum(),
        residue: sum.finish(),
        options: bytes.slice_ref(header.options()),
        src: header.source_addr(),
        dst: header.destination_addr(),
        body: Body {
            bytes: bytes.slice(header_len..end),
            wire_len: usize::from(total_len) - header_len,
        },
    })
}

fn v6(bytes: &Bytes) -> Network {
    let Ok(header) = Ipv6HeaderSlice::from_slice(bytes) else {
        return Network::Broken(NetworkFault::Short6);
    };
    let payload_len = header.payload_length();
    let end = bytes.len().min(40 + usize::from(payload_len));
    Network::V6(V6 {
        class: header.traffic_class(),
        flow_label: header.flow_label().value(),
        hop_limit: header.hop_limit(),
        next_header: header.next_header().0,
        payload_len,
        src: header.source_addr(),
        dst: header.destination_addr(),
        body: Body {
            bytes: bytes.slice(40..end),
            wire_len: payload_len.into(),
        },
    })
}

/// What stands between an IPv6 header and its transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// Option headers, in order: protocol number and bytes.
    pub options: Vec<(u8, Bytes)>,
    /// The fragment header, if there is one: nothing is looked at behind it unless its offset is zero.
    pub fragment: Option<Fragment>,
    /// The protocol that follows.
    pub protocol: u8,
    /// Its bytes.
    pub body: Body,
}

/// An IPv6 fragment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Identification.
    pub id: u32,
    /// Offset, bytes.
    pub offset: u16,
    /// Whether more follow.
    pub more: bool,
}

impl V6 {
    /// Walks the extension headers.
    #[must_use]
    pub fn extensions(&self) -> Extensions {
        let mut chain = Extensions {
            options: Vec::new(),
            fragment: None,
            protocol: self.next_header,
            body: self.body.clone(),
        };
        while chain.step() {}
        chain
    }
}

impl Extensions {
    /// Takes one header off; false when the transport is reached.
    fn step(&mut self) -> bool {
        let bytes = &self.body.bytes;
        let (Some(&next), Some(&len)) = (bytes.first(), bytes.get(1)) else {
            return false;
        };
        match self.protocol {
            protocol::HOP_BY_HOP | protocol::DESTINATION => {
                let len = (usize::from(len) + 1) * 8;
                if bytes.len() < len {
                    return false;
                }
                self.options.push((self.protocol, bytes.slice(..len)));
                self.body = self.body.after(len);
            }
            protocol::FRAGMENT if self.fragment.is_none() => {
                let (Some(place), Some(id)) = (word(bytes, 2), long(bytes, 4)) else {
                    return false;
                };
                self.fragment = Some(Fragment {
                    id,
                    offset: place & !7,
                    more: place & 1 == 1,
                });
                self.body = self.body.after(8);
            }
            _ => return false,
        }
        self.protocol = next;
        self.fragment.is_none_or(|fragment| fragment.offset == 0)
    }
}

#[cfg(test)]
mod tests;
