//! A packet made by etherparse, cut, and the pieces read by it again.

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TcpSlice, TransportSlice};
use proptest::prelude::*;

use super::*;

const SEQ: u32 = u32::MAX - 700;

/// Headers with every flag that matters, and their lengths as the whole's.
fn headers_of(v6: bool, text: &[u8]) -> Vec<u8> {
    let ip = if v6 {
        PacketBuilder::ipv6([1; 16], [2; 16], 64)
    } else {
        PacketBuilder::ipv4([10, 77, 0, 1], [10, 77, 0, 2], 64)
    };
    let tcp = ip.tcp(80, 1000, SEQ, 500).ack(77).psh().fin().cwr();
    let mut bytes = Vec::new();
    tcp.write(&mut bytes, text).unwrap();
    bytes.truncate(bytes.len() - text.len());
    bytes
}

fn pieces(v6: bool, text: &[u8], cuts: &[usize], size: u16) -> Vec<Vec<u8>> {
    let header = headers_of(v6, text);
    let mut whole = vec![IoSlice::new(&header)];
    let mut from = 0;
    for to in cuts.iter().copied().chain([text.len()]) {
        whole.push(IoSlice::new(&text[from..to]));
        from = to;
    }
    let gso = Gso {
        kind: if v6 { GsoKind::Tcp6 } else { GsoKind::Tcp4 },
        size,
        header_len: header.len() as u16,
    };
    let mut out = Vec::new();
    cut(&whole, gso, &mut |bytes| {
        out.push(bytes.iter().flat_map(|b| b.to_vec()).collect());
    });
    out
}

/// The TCP segment of a packet whose lengths and checksums are right.
fn judged(packet: &[u8]) -> TcpSlice<'_> {
    let read = SlicedPacket::from_ip(packet).unwrap();
    let Some(TransportSlice::Tcp(tcp)) = read.transport else {
        panic!("no TCP")
    };
    let sum = match read.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header().to_header();
            assert_eq!(header.calc_header_checksum(), header.header_checksum);
            assert_eq!(usize::from(header.total_len), packet.len());
            tcp.calc_checksum_ipv4(header.source, header.destination)
        }
        Some(NetSlice::Ipv6(ip)) => {
            let header = ip.header().to_header();
            assert_eq!(usize::from(header.payload_length) + 40, packet.len());
            tcp.calc_checksum_ipv6(header.source, header.destination)
        }
        _ => panic!("no IP"),
    };
    assert_eq!(sum.unwrap(), tcp.checksum());
    tcp
}

proptest! {
    /// Every piece is a packet of its own, and together they say what the whole said.
    #[test]
    fn pieces_are_packets_that_say_the_same(
        text in prop::collection::vec(any::<u8>(), 1..3000),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        size in 100u16..1500,
        v6 in any::<bool>(),
    ) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.sort_unstable();
        let out = pieces(v6, &text, &cuts, size);
        prop_assert_eq!(out.len(), text.len().div_ceil(usize::from(size)));
        let mut said = Vec::new();
        for (n, packet) in out.iter().enumerate() {
            let tcp = judged(packet);
            let last = n + 1 == out.len();
            prop_assert_eq!(tcp.sequence_number(), SEQ.wrapping_add(said.len() as u32));
            prop_assert_eq!((tcp.fin(), tcp.psh(), tcp.cwr(), tcp.ack()), (last, last, n == 0, true));
            prop_assert!(last || tcp.payload().len() == usize::from(size));
            said.extend_from_slice(tcp.payload());
        }
        prop_assert_eq!(said, text);
    }
}
