//! What IP carries: TCP, UDP, and the rest by name.

use core::fmt;

use bytes::Bytes;
use etherparse::{TcpHeaderSlice, UdpHeaderSlice};

use super::{Body, long, protocol, word};

/// The transport of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upper {
    /// TCP.
    Tcp(Tcp),
    /// A TCP header that makes no sense.
    BadTcp(TcpFault),
    /// UDP.
    Udp(Udp),
    /// A UDP header that makes no sense.
    BadUdp(UdpFault),
    /// ICMP of either family, from its type on.
    Icmp {
        /// Whether it is ICMPv6.
        v6: bool,
        /// The message.
        body: Body,
    },
    /// Not the first fragment: no header to see.
    Fragment {
        /// What it is a fragment of.
        protocol: u8,
    },
    /// Another protocol.
    Other {
        /// Its number.
        protocol: u8,
        /// Its length.
        len: usize,
    },
    /// Nothing.
    None,
}

impl Upper {
    pub(crate) fn of(number: u8, body: &Body) -> Self {
        match number {
            protocol::TCP => Tcp::of(body).map_or_else(Self::BadTcp, Self::Tcp),
            protocol::UDP => Udp::of(body).map_or_else(Self::BadUdp, Self::Udp),
            protocol::ICMP | protocol::ICMPV6 => Self::Icmp {
                v6: number == protocol::ICMPV6,
                body: body.clone(),
            },
            protocol::NONE => Self::None,
            protocol => Self::Other {
                protocol,
                len: body.wire_len,
            },
        }
    }

    /// Source and destination port, if they can be seen.
    #[must_use]
    pub const fn ports(&self) -> Option<(u16, u16)> {
        match self {
            Self::Tcp(tcp) => Some((tcp.src_port, tcp.dst_port)),
            Self::Udp(udp) => Some((udp.src_port, udp.dst_port)),
            Self::BadTcp(TcpFault { ports, .. }) | Self::BadUdp(UdpFault { ports, .. }) => *ports,
            Self::Icmp { .. } | Self::Fragment { .. } | Self::Other { .. } | Self::None => None,
        }
    }
}

/// The control bits of a TCP header, in the order of the header: FIN is 1, CWR is 128.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// FIN.
    pub const FIN: u8 = 1;
    /// SYN.
    pub const SYN: u8 = 2;
    /// RST.
    pub const RST: u8 = 4;
    /// PSH.
    pub const PSH: u8 = 8;
    /// ACK.
    pub const ACK: u8 = 16;
    /// URG.
    pub const URG: u8 = 32;
    /// ECE.
    pub const ECE: u8 = 64;
    /// CWR.
    pub const CWR: u8 = 128;

    /// Whether any of these bits is set.
    #[must_use]
    pub const fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
}

impl fmt::Display for Flags {
    /// As words: `SYN ACK`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::SYN, "SYN"),
            (Self::FIN, "FIN"),
            (Self::RST, "RST"),
            (Self::PSH, "PSH"),
            (Self::ACK, "ACK"),
            (Self::URG, "URG"),
            (Self::ECE, "ECE"),
            (Self::CWR, "CWR"),
        ];
        let mut separator = "";
        for (bit, name) in names {
            if self.has(bit) {
                write!(f, "{separator}{name}")?;
                separator = " ";
            }
        }
        if self.0 == 0 {
            f.write_str("no flags")?;
        }
        Ok(())
    }
}

/// A TCP segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number, whether or not ACK is set.
    pub ack: u32,
    /// Control bits.
    pub flags: Flags,
    /// Window as it stands in the header.
    pub window: u16,
    /// Checksum as found.
    pub checksum: u16,
    /// Urgent pointer, whether or not URG is set.
    pub urgent: u16,
    /// Option bytes.
    pub options: Bytes,
    /// Header and payload, for the checksum.
    pub whole: Body,
    /// The payload.
    pub payload: Body,
}

/// A TCP header that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFault {
    /// The ports, if they are there.
    pub ports: Option<(u16, u16)>,
    /// The control bits, if they are there.
    pub flags: Flags,
    /// The header length as stated; `None` if even that is missing.
    pub header_len: Option<usize>,
    /// Length of the segment on the wire.
    pub len: usize,
}

impl Tcp {
    fn of(body: &Body) -> Result<Self, TcpFault> {
        let bytes = &body.bytes;
        let Ok(header) = TcpHeaderSlice::from_slice(bytes) else {
            return Err(TcpFault {
                ports: word(bytes, 0).zip(word(bytes, 2)),
                flags: Flags(bytes.get(13).copied().unwrap_or(0)),
                header_len: bytes
                    .get(..20)
                    .and_then(|header| header.get(12))
                    .map(|b| usize::from(b >> 4) * 4),
                len: body.wire_len,
            });
        };
        Ok(Self {
            src_port: header.source_port(),
            dst_port: header.destination_port(),
            seq: header.sequence_number(),
            ack: header.acknowledgment_number(),
            flags: Flags(bytes.get(13).copied().unwrap_or(0)),
            window: header.window_size(),
            checksum: header.checksum(),
            urgent: header.urgent_pointer(),
            options: bytes.slice_ref(header.options()),
            payload: body.after(header.slice().len()),
            whole: body.clone(),
        })
    }

    /// Sequence numbers the segment takes: payload, SYN and FIN.
    #[must_use]
    pub fn seq_len(&self) -> u32 {
        let control = u32::from(self.flags.has(Flags::SYN)) + u32::from(self.flags.has(Flags::FIN));
        u32::try_from(self.payload.wire_len)
            .unwrap_or(u32::MAX)
            .saturating_add(control)
    }

    /// Its options, one by one.
    #[must_use]
    pub fn options(&self) -> TcpOptions<'_> {
        TcpOptions(&self.options)
    }

    /// The value of an option of this kind, if there is one of this length.
    fn option(&self, kind: u8, len: usize) -> Option<&[u8]> {
        let found = self.options().flatten().find(|o| o.kind == kind);
        Some(found?.data).filter(|data| data.len() == len)
    }

    /// The maximum segment size offered.
    #[must_use]
    pub fn mss(&self) -> Option<u16> {
        word(self.option(TcpOption::MSS, 2)?, 0)
    }

    /// The window scale offered.
    #[must_use]
    pub fn window_scale(&self) -> Option<u8> {
        self.option(TcpOption::WINDOW_SCALE, 1)?.first().copied()
    }

    /// Whether selective acknowledgments are offered.
    #[must_use]
    pub fn sack_permitted(&self) -> bool {
        self.option(TcpOption::SACK_PERMITTED, 0).is_some()
    }

    /// Timestamp value and echo.
    #[must_use]
    pub fn timestamps(&self) -> Option<(u32, u32)> {
        let data = self.option(TcpOption::TIMESTAMPS, 8)?;
        long(data, 0).zip(long(data, 4))
    }

    /// The ranges selectively acknowledged.
    #[must_use]
    pub fn sack_blocks(&self) -> Vec<SackBlock> {
        let found = self.options().flatten().find(|o| o.kind == TcpOption::SACK);
        found.map_or_else(Vec::new, |option| option.sack_blocks().collect())
    }
}

/// An edge pair of a selective acknowledgment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SackBlock {
    /// First sequence number held.
    pub left: u32,
    /// First sequence number not held.
    pub right: u32,
}

/// One TCP option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOption<'a> {
    /// Its kind.
    pub kind: u8,
    /// What follows kind and length.
    pub data: &'a [u8],
}

impl TcpOption<'_> {
    /// End of the list.
    pub const END: u8 = 0;
    /// Padding.
    pub const NOP: u8 = 1;
    /// Maximum segment size.
    pub const MSS: u8 = 2;
    /// Window scale.
    pub const WINDOW_SCALE: u8 = 3;
    /// Selective acknowledgments permitted.
    pub const SACK_PERMITTED: u8 = 4;
    /// Selective acknowledgment.
    pub const SACK: u8 = 5;
    /// Timestamps.
    pub const TIMESTAMPS: u8 = 8;

    /// The edge pairs of a SACK option.
    pub fn sack_blocks(&self) -> impl Iterator<Item = SackBlock> {
        self.data.as_chunks::<8>().0.iter().filter_map(|pair| {
            Some(SackBlock {
                left: long(pair, 0)?,
                right: long(pair, 4)?,
            })
        })
    }
}

/// The option list ends in the middle of an option, or one states an impossible length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadOption {
    /// The kind of the bad one.
    pub kind: u8,
    /// Whether the length itself is possible, but goes beyond the header.
    pub too_long: bool,
}

/// Walks an option list up to its end or its first bad option.
#[derive(Clone, Debug)]
pub struct TcpOptions<'a>(&'a [u8]);

impl<'a> Iterator for TcpOptions<'a> {
    type Item = Result<TcpOption<'a>, BadOption>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&kind, rest) = self.0.split_first()?;
        if matches!(kind, TcpOption::END | TcpOption::NOP) {
            self.0 = if kind == TcpOption::END { &[] } else { rest };
            return Some(Ok(TcpOption { kind, data: &[] }));
        }
        let len = rest.first().map_or(0, |len| usize::from(*len));
        let parts = len
            .checked_sub(2)
            .and_then(|len| rest.get(1..)?.split_at_checked(len));
        let Some((data, rest)) = parts else {
            self.0 = &[];
            return Some(Err(BadOption {
                kind,
                too_long: len >= 2,
            }));
        };
        self.0 = rest;
        Some(Ok(TcpOption { kind, data }))
    }
}

/// A UDP datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Length as stated, header included.
    pub len: u16,
    /// Checksum as found; zero means none.
    pub checksum: u16,
    /// Header and payload.
    pub whole: Body,
    /// The payload.
    pub payload: Body,
}

/// A UDP header that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpFault {
    /// The ports, if they are there.
    pub ports: Option<(u16, u16)>,
    /// The stated length, if it is what is wrong.
    pub bad_len: Option<u16>,
    /// Length of the datagram on the wire.
    pub len: usize,
}

impl Udp {
    fn of(body: &Body) -> Result<Self, UdpFault> {
        let bytes = &body.bytes;
        let fault = |bad_len| UdpFault {
            ports: word(bytes, 0).zip(word(bytes, 2)),
            bad_len,
            len: body.wire_len,
        };
        let header = UdpHeaderSlice::from_slice(bytes).map_err(|_short| fault(None))?;
        // Zero is a jumbogram's length (RFC 2675), which no record here holds: shown as it is.
        if header.length() < 8 {
            return Err(fault(Some(header.length())));
        }
        Ok(Self {
            src_port: header.source_port(),
            dst_port: header.destination_port(),
            len: header.length(),
            checksum: header.checksum(),
            payload: body.after(8),
            whole: body.clone(),
        })
    }
}
