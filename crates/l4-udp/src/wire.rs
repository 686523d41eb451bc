//! The UDP header.
//!
//! Job: check and read it, write it, show it. Owns: eight bytes. Does not know: sockets.
//! Sources: RFC 768, RFC 1122 4.1.3.4, RFC 8200 8.1.

use std::io::IoSlice;

use bytes::Bytes;
use outcrop_base::{
    Arrival, Checksum, ChecksumState, DropReason, Field, FieldValue, Flow, HeaderRoom, Transport,
};

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;
/// The most data a datagram over IPv4 holds: a full packet without the two headers.
pub const MAX_DATA_V4: usize = 65_535 - 20 - HEADER_LEN;
/// The most data a datagram over IPv6 holds: the length field counts the header.
pub const MAX_DATA_V6: usize = 65_535 - HEADER_LEN;

const PROTOCOL: u8 = Transport::Udp.number();

/// The ports of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Sender's port; zero if no answer is wanted.
    pub src_port: u16,
    /// Receiver's port.
    pub dst_port: u16,
}

/// Reads a datagram and verifies its checksum; gives the data without the header and without padding.
///
/// # Errors
/// `UdpTruncated`, `UdpBadLength`, `UdpNoChecksum` (IPv6) or `UdpBadChecksum`.
pub fn parse(a: &Arrival, mut bytes: Bytes) -> Result<(Header, Bytes), DropReason> {
    let Some(&[s0, s1, d0, d1, l0, l1, c0, c1]) = bytes.first_chunk::<HEADER_LEN>() else {
        return Err(DropReason::UdpTruncated);
    };
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if len < HEADER_LEN || len > bytes.len() {
        return Err(DropReason::UdpBadLength);
    }
    // Padding behind the datagram is not part of it.
    bytes.truncate(len);
    let is_missing = [c0, c1] == [0, 0];
    if is_missing && a.dst.is_ipv6() {
        return Err(DropReason::UdpNoChecksum);
    }
    if !is_missing && a.checksum == ChecksumState::Unverified {
        let mut sum =
            Checksum::pseudo_header(a.src, a.dst, PROTOCOL, u32::try_from(len).unwrap_or(0));
        sum.add(&bytes);
        if sum.finish() != 0 {
            return Err(DropReason::UdpBadChecksum);
        }
    }
    let header = Header {
        src_port: u16::from_be_bytes([s0, s1]),
        dst_port: u16::from_be_bytes([d0, d1]),
    };
    Ok((header, bytes.slice(HEADER_LEN..)))
}

/// Writes the header of `payload` in front of what is in `room`. `flow.local` must be a real address by now.
/// With `partial_checksum` the field holds the pseudo-header's sum, for a device that completes it.
pub fn emit(flow: &Flow, payload: &[IoSlice<'_>], partial_checksum: bool, room: &mut HeaderRoom) {
    let data: usize = payload.iter().map(|piece| piece.len()).sum();
    let len = u16::try_from(HEADER_LEN + data).unwrap_or(u16::MAX);
    let mut sum =
        Checksum::pseudo_header(flow.local.ip(), flow.remote.ip(), PROTOCOL, u32::from(len));
    let [s0, s1] = flow.local.port().to_be_bytes();
    let [d0, d1] = flow.remote.port().to_be_bytes();
    let [l0, l1] = len.to_be_bytes();
    let field = if partial_checksum {
        sum.partial()
    } else {
        sum.add(&[s0, s1, d0, d1, l0, l1]);
        for piece in payload {
            sum.add(piece);
        }
        // Zero would say "no checksum" (RFC 768); its other representation says the same sum.
        match sum.finish() {
            0 => 0xffff,
            sum => sum,
        }
    };
    let [c0, c1] = field.to_be_bytes();
    room.prepend(HEADER_LEN)
        .copy_from_slice(&[s0, s1, d0, d1, l0, l1, c0, c1]);
}

/// Where the checksum field stands in the header: what a device that completes it is told.
pub const CHECKSUM_OFFSET: u16 = 6;

/// Shows the header that `bytes` begin with, and the data behind it.
pub fn fields<'a>(bytes: &'a [u8], visit: &mut dyn FnMut(Field<'a>)) {
    let Some(&[s0, s1, d0, d1, l0, l1, c0, c1]) = bytes.first_chunk::<HEADER_LEN>() else {
        return;
    };
    let mut number = |key, name, start: u32, pair| {
        visit(Field {
            key,
            name,
            bits: start..start + 16,
            value: FieldValue::Number(u64::from(u16::from_be_bytes(pair))),
            source: "RFC 768",
        });
    };
    number("udp.srcport", "Source Port", 0, [s0, s1]);
    number("udp.dstport", "Destination Port", 16, [d0, d1]);
    number("udp.length", "Length", 32, [l0, l1]);
    number("udp.checksum", "Checksum", 48, [c0, c1]);
    let len = usize::from(u16::from_be_bytes([l0, l1])).min(bytes.len());
    if let Some(data) = bytes.get(HEADER_LEN..len)
        && !data.is_empty()
    {
        visit(Field {
            key: "udp.payload",
            name: "Data",
            bits: 64..64 + u32::try_from(data.len()).unwrap_or(0) * 8,
            value: FieldValue::Bytes(data),
            source: "RFC 768",
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{IpAddr, SocketAddr};
    use etherparse::UdpHeader;
    use outcrop_base::{Cast, Ecn, Instant, InterfaceId, PacketId, Path};
    use proptest::prelude::*;

    fn arrival(src: IpAddr, dst: IpAddr) -> Arrival {
        Arrival {
            at: Instant::ZERO,
            id: PacketId(1),
            iface: InterfaceId(0),
            src,
            dst,
            cast: Cast::Unicast,
            ecn: Ecn::NotEct,
            hop_limit: 64,
            checksum: ChecksumState::Unverified,
            gso_size: None,
            path: Path::plain(1500),
        }
    }

    fn written(flow: &Flow, data: &[u8]) -> Vec<u8> {
        let mut room = HeaderRoom::new();
        // In two pieces of odd length, as a gathered write may have it.
        let (a, b) = data.split_at(data.len().min(3));
        emit(flow, &[IoSlice::new(a), IoSlice::new(b)], false, &mut room);
        [room.as_slice(), data].concat()
    }

    fn flow(local: SocketAddr, remote: SocketAddr) -> Flow {
        Flow {
            transport: Transport::Udp,
            local,
            remote,
        }
    }

    proptest! {
        #[test]
        fn writing_equals_the_library_and_reading_gives_it_back(
            v4 in any::<([u8; 4], [u8; 4])>(),
            v6 in any::<([u8; 16], [u8; 16])>(),
            ports in any::<(u16, u16)>(),
            data in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let theirs = UdpHeader::with_ipv4_checksum(ports.0, ports.1, &etherparse::Ipv4Header::new(0, 0, etherparse::IpNumber::UDP, v4.0, v4.1).unwrap(), &data).unwrap();
            let (src, dst) = (IpAddr::from(v4.0), IpAddr::from(v4.1));
            let ours = written(&flow((src, ports.0).into(), (dst, ports.1).into()), &data);
            prop_assert_eq!(&ours[..8], &theirs.to_bytes()[..]);
            let header = Header { src_port: ports.0, dst_port: ports.1 };
            prop_assert_eq!(parse(&arrival(src, dst), ours.into()), Ok((header, Bytes::from(data.clone()))));

            let fixed = etherparse::Ipv6Header { source: v6.0, destination: v6.1, ..Default::default() };
            let theirs = UdpHeader::with_ipv6_checksum(ports.0, ports.1, &fixed, &data).unwrap();
            let (src, dst) = (IpAddr::from(v6.0), IpAddr::from(v6.1));
            let ours = written(&flow((src, ports.0).into(), (dst, ports.1).into()), &data);
            prop_assert_eq!(&ours[..8], &theirs.to_bytes()[..]);
            prop_assert!(parse(&arrival(src, dst), ours.into()).is_ok());
        }

        #[test]
        fn any_single_damaged_byte_is_noticed(at in 0usize..20, flip in 1u8..) {
            let (a, b): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
            let mut bytes = written(&flow((a, 7).into(), (b, 9).into()), b"twelve bytes");
            bytes[at] ^= flip;
            // A checksum damaged to zero would say "none"; nothing else passes.
            prop_assume!(bytes[6..8] != [0, 0]);
            prop_assert!(parse(&arrival(a, b), bytes.into()).is_err());
        }
    }

    #[test]
    fn missing_checksum_passes_over_ipv4_only() {
        let bytes = Bytes::from_static(&[0, 7, 0, 9, 0, 9, 0, 0, b'x']);
        let v4 = arrival([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        assert!(parse(&v4, bytes.clone()).is_ok());
        let v6 = arrival("fd77::1".parse().unwrap(), "fd77::2".parse().unwrap());
        assert_eq!(parse(&v6, bytes), Err(DropReason::UdpNoChecksum));
    }

    #[test]
    fn impossible_lengths_are_refused_and_padding_is_cut() {
        let v4 = arrival([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let with_len = |len: u8| Bytes::from(vec![0, 7, 0, 9, 0, len, 0, 0, b'a', b'b']);
        assert_eq!(parse(&v4, with_len(7)), Err(DropReason::UdpBadLength));
        assert_eq!(parse(&v4, with_len(11)), Err(DropReason::UdpBadLength));
        assert_eq!(parse(&v4, with_len(9)).unwrap().1, "a");
        assert_eq!(
            parse(&v4, with_len(9).slice(..7)),
            Err(DropReason::UdpTruncated)
        );
    }

    #[test]
    fn sum_of_zero_is_written_as_ones() {
        // Data chosen so that the sum of everything else is 0xffff.
        let local: SocketAddr = "10.0.0.1:0".parse().unwrap();
        let remote: SocketAddr = "10.0.0.2:0".parse().unwrap();
        let (src, dst) = (local.ip(), remote.ip());
        let mut rest = Checksum::pseudo_header(src, dst, PROTOCOL, 10);
        rest.add(&[0, 0, 0, 0, 0, 10]);
        let data = rest.finish().to_be_bytes();
        let bytes = written(&flow(local, remote), &data);
        assert_eq!(bytes[6..8], [0xff, 0xff]);
        assert!(parse(&arrival(src, dst), bytes.into()).is_ok());
    }

    #[test]
    fn fields_cover_every_bit_in_order() {
        let bytes = [0, 7, 0, 9, 0, 10, 0, 0, b'a', b'b'];
        let mut next = 0;
        fields(&bytes, &mut |field| {
            assert_eq!(field.bits.start, next, "{}", field.key);
            next = field.bits.end;
        });
        assert_eq!(next, 80);
    }
}
