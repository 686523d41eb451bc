use super::*;
use etherparse::{IpFragOffset, IpNumber, Ipv4Header};
use proptest::prelude::*;

prop_compose! {
    fn any_header()(
        lens in (HEADER_LEN..=MAX_LEN, 0u8..64, 0u8..4),
        id in any::<(u16, bool, bool, u16)>(),
        rest in any::<(u8, u8, [u8; 4], [u8; 4])>(),
    ) -> Header {
        Header {
            header_len: HEADER_LEN,
            total_len: lens.0,
            dscp: lens.1,
            ecn: Ecn::from_traffic_class(lens.2),
            ident: id.0,
            df: id.1,
            mf: id.2,
            offset: usize::from(id.3 & OFFSET_MASK) * 8,
            ttl: rest.0,
            protocol: rest.1,
            src: rest.2.into(),
            dst: rest.3.into(),
        }
    }
}

fn by_library(h: &Header) -> Ipv4Header {
    let mut other = Ipv4Header::new(
        0,
        h.ttl,
        IpNumber(h.protocol),
        h.src.octets(),
        h.dst.octets(),
    )
    .unwrap();
    other.set_payload_len(h.total_len - HEADER_LEN).unwrap();
    other.dscp = h.dscp.try_into().unwrap();
    other.ecn = h.ecn.bits().try_into().unwrap();
    other.identification = h.ident;
    other.dont_fragment = h.df;
    other.more_fragments = h.mf;
    other.fragment_offset = IpFragOffset::try_new(u16::try_from(h.offset / 8).unwrap()).unwrap();
    other.header_checksum = other.calc_header_checksum();
    other
}

proptest! {
    #[test]
    fn writing_equals_the_library_and_reading_gives_it_back(header in any_header()) {
        let mut ours = [0; HEADER_LEN];
        emit(&header, &mut ours);
        prop_assert_eq!(&ours[..], &by_library(&header).to_bytes()[..]);
        let mut packet = vec![0; header.total_len];
        packet[..HEADER_LEN].copy_from_slice(&ours);
        prop_assert_eq!(parse(&packet), Ok(header));
    }

    /// On arbitrary bytes: whatever we accept the library reads to the same values, and what we
    /// refuse before the checksum it refuses too, or the checksum is wrong.
    #[test]
    fn reading_agrees_with_the_library(mut bytes in prop::collection::vec(any::<u8>(), 0..80), ihl in 0u8..16, fix in any::<bool>()) {
        if let Some(first) = bytes.first_mut() { *first = 0x40 | ihl; }
        if fix && bytes.len() >= 4 {
            let len = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            bytes[2..4].copy_from_slice(&len);
            let end = (usize::from(ihl) * 4).min(bytes.len());
            if end >= 12 {
                bytes[10..12].fill(0);
                let mut sum = Checksum::new();
                sum.add(&bytes[..end]);
                bytes[10..12].copy_from_slice(&sum.finish().to_be_bytes());
            }
        }
        match (parse(&bytes), Ipv4Header::from_slice(&bytes)) {
            (Ok(ours), Ok((theirs, _))) => {
                prop_assert_eq!(ours.header_len, theirs.header_len());
                prop_assert_eq!(ours.total_len, usize::from(theirs.total_len));
                prop_assert_eq!(ours.src.octets(), theirs.source);
                prop_assert_eq!(ours.offset, usize::from(theirs.fragment_offset.value()) * 8);
                prop_assert_eq!(ours.is_fragment(), theirs.is_fragmenting_payload());
            }
            (Ok(_), Err(error)) => prop_assert!(false, "only the library refuses: {error}"),
            (Err(_), _) => {}
        }
    }
}

#[test]
fn each_wrong_header_has_its_reason() {
    let mut good = vec![0; 28];
    let header = Header {
        header_len: HEADER_LEN,
        total_len: 28,
        dscp: 0,
        ecn: Ecn::NotEct,
        ident: 1,
        df: true,
        mf: false,
        offset: 0,
        ttl: 64,
        protocol: 17,
        src: Ipv4Addr::new(10, 0, 0, 1),
        dst: Ipv4Addr::new(10, 0, 0, 2),
    };
    let fixed = good.first_chunk_mut().unwrap();
    emit(&header, fixed);
    assert_eq!(parse(&good), Ok(header));

    let cases: [(usize, u8, DropReason); 5] = [
        (0, 0x44, DropReason::Ipv4BadHeaderLength),
        (0, 0x4f, DropReason::Ipv4BadHeaderLength),
        (3, 19, DropReason::Ipv4BadTotalLength),
        (3, 29, DropReason::Ipv4Truncated),
        (8, 63, DropReason::Ipv4BadChecksum),
    ];
    for (at, value, reason) in cases {
        let mut bad = good.clone();
        bad[at] = value;
        assert_eq!(parse(&bad), Err(reason), "byte {at} = {value}");
    }
    assert_eq!(parse(&good[..19]), Err(DropReason::Ipv4Truncated));
}

#[test]
fn options_of_impossible_length_and_source_routes_are_refused() {
    let header = |options: &[u8]| [&[0; HEADER_LEN], options].concat();
    assert_eq!(check_options(&header(&[1, 1, 148, 4, 0, 0, 0, 9])), Ok(()));
    for bad in [
        &[148, 1, 0, 0][..],
        &[148, 5, 0, 0],
        &[1, 1, 1, 148],
        &[131, 3, 4, 0],
        &[137, 3, 4, 0],
    ] {
        let (reason, _) = check_options(&header(bad)).unwrap_err();
        assert_eq!(reason, DropReason::Ipv4BadOption, "{bad:?}");
    }
    assert_eq!(check_options(&header(&[1, 1, 1, 148])).unwrap_err().1, 23);
}

#[test]
fn fields_cover_every_bit_of_the_header_in_order() {
    // Twelve bytes of options: no operation, router alert, a record route of one address too few, the end.
    let mut packet = vec![0; HEADER_LEN];
    packet[0] = 0x48;
    packet.extend([1, 148, 4, 0, 0, 7, 3, 4, 0, 0, 0, 0]);
    let mut next = 0;
    fields(&packet, &mut |field| {
        assert_eq!(field.bits.start, next, "{}", field.key);
        next = field.bits.end;
    });
    assert_eq!(next, 32 * 8);
}
