use super::*;
use etherparse::{IpNumber, Ipv4Header, Ipv4Options};
use proptest::prelude::*;

/// What a simple receiver makes of fragments: every byte where its offset says, the end where the last one says.
fn join(pieces: &[Bytes]) -> (Vec<u8>, bool) {
    let (mut whole, mut ended) = (Vec::new(), false);
    for piece in pieces {
        let (header, payload) = Ipv4Header::from_slice(piece).unwrap();
        assert_eq!(usize::from(header.total_len), piece.len());
        assert_eq!(header.header_checksum, header.calc_header_checksum());
        let at = usize::from(header.fragment_offset.value()) * 8;
        whole.resize(whole.len().max(at + payload.len()), 0);
        whole[at..at + payload.len()].copy_from_slice(payload);
        ended |= !header.more_fragments;
    }
    (whole, ended)
}

fn packet(options: &[u8], offset: u16, more: bool, payload: &[u8]) -> Bytes {
    let mut header = Ipv4Header::new(0, 9, IpNumber::UDP, [10, 0, 0, 1], [10, 9, 0, 1]).unwrap();
    header.options = Ipv4Options::try_from(options).unwrap();
    header.identification = 77;
    header.fragment_offset = offset.try_into().unwrap();
    header.more_fragments = more;
    header.set_payload_len(payload.len()).unwrap();
    header.header_checksum = header.calc_header_checksum();
    let mut out = Vec::new();
    header.write(&mut out).unwrap();
    out.extend_from_slice(payload);
    out.into()
}

proptest! {
    /// Cut once, and the pieces cut again for a narrower link: the receiver sees what was sent.
    #[test]
    fn packet_cut_twice_is_joined_to_the_same_bytes(
        words in 0usize..=10, offset in 0u16..100, more in any::<bool>(),
        len in 1usize..4000, wide in 88usize..1500, narrow in 68usize..600,
    ) {
        let payload: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let payload = if more { &payload[..len / 8 * 8] } else { &payload[..] };
        prop_assume!(!payload.is_empty());
        let whole = packet(&vec![1; words * 4], offset, more, payload);
        let mut pieces = Vec::new();
        for piece in cut_v4(&whole, &ipv4::parse(&whole).unwrap(), wide).unwrap() {
            prop_assert!(piece.len() <= wide);
            let header = ipv4::parse(&piece).unwrap();
            let again = cut_v4(&piece, &header, narrow.max(header.header_len + 8)).unwrap();
            prop_assert!(again.iter().all(|p| p.len() <= narrow.max(header.header_len + 8)));
            pieces.extend(again);
        }
        let (joined, ended) = join(&pieces);
        let at = usize::from(offset) * 8;
        prop_assert_eq!(&joined[at..], payload);
        prop_assert_eq!(ended, !more);
    }

    /// RFC 1624's way gives what summing afresh gives.
    #[test]
    fn mended_checksum_equals_a_fresh_one(ttl in 1u8..=255, protocol in any::<u8>(), ident in any::<u16>(), src in any::<[u8; 4]>()) {
        let mut header = Ipv4Header::new(8, ttl, IpNumber(protocol), src, [10, 9, 0, 1]).unwrap();
        header.identification = ident;
        header.header_checksum = header.calc_header_checksum();
        let mut bytes = header.to_bytes().to_vec();
        take_hop_v4(&mut bytes);
        let (after, _) = Ipv4Header::from_slice(&bytes).unwrap();
        prop_assert_eq!(after.time_to_live, ttl - 1);
        prop_assert_eq!(after.header_checksum, after.calc_header_checksum());
    }
}

#[test]
fn options_that_say_so_go_into_every_fragment_and_others_into_the_first() {
    // Security (130, copied, 11 bytes), record route (7, not copied, 7 bytes), end: RFC 791 3.1.
    let mut options = vec![130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    options.extend([7, 7, 4, 0, 0, 0, 0, 0, 0]);
    let whole = packet(&options, 0, false, &[5; 200]);
    let pieces = cut_v4(&whole, &ipv4::parse(&whole).unwrap(), 100).unwrap();
    let options_of = |n: usize| {
        let (header, _) = Ipv4Header::from_slice(&pieces[n]).unwrap();
        header.options.to_vec()
    };
    assert_eq!(options_of(0), options);
    assert_eq!(options_of(1), [130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(join(&pieces).0, [5; 200]);
}

#[test]
fn a_damaged_checksum_stays_wrong() {
    let mut bytes = packet(&[], 0, false, b"x").to_vec();
    bytes[10] ^= 0x40;
    take_hop_v4(&mut bytes);
    assert!(ipv4::parse(&bytes).is_err());
}

#[test]
fn link_too_narrow_for_eight_bytes_gets_nothing() {
    let whole = packet(&[1; 40], 0, false, &[5; 200]);
    assert!(cut_v4(&whole, &ipv4::parse(&whole).unwrap(), 67).is_none());
}
