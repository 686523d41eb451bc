use super::*;
use proptest::prelude::*;

const V4: (IpAddr, IpAddr) = (
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
);
const V6: (IpAddr, IpAddr) = (
    IpAddr::V6(core::net::Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(core::net::Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2)),
);

fn message((src, dst): (IpAddr, IpAddr), what: Outgoing, body: &[u8]) -> Vec<u8> {
    [&emit(what, src, dst, body)[..], body].concat()
}

proptest! {
    #[test]
    fn echo_written_is_read_back_with_a_right_checksum(ident in any::<u16>(), seq in any::<u16>(), body in prop::collection::vec(any::<u8>(), 0..100)) {
        for ends in [V4, V6] {
            let bytes = message(ends, Outgoing::EchoRequest { ident, seq }, &body);
            prop_assert!(checksum_is_right(ends.0, ends.1, &bytes));
            prop_assert_eq!(parse(&ends.0, &bytes), Ok(Message::EchoRequest { ident, seq }));
            prop_assert!(!is_error(&ends.0, &bytes));
            let bytes = message(ends, Outgoing::EchoReply { ident, seq }, &body);
            prop_assert_eq!(parse(&ends.0, &bytes), Ok(Message::EchoReply { ident, seq }));
        }
    }

    #[test]
    fn arbitrary_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        for family in [V4.0, V6.0] {
            let read = parse(&family, &bytes);
            prop_assert!(bytes.len() >= HEADER_LEN || read.is_err());
        }
        fields(&bytes, &mut |_| {});
        fields_v6(&bytes, &mut |_| {});
    }
}

#[test]
fn errors_have_the_types_and_codes_of_their_rfcs() {
    // (error, IPv4 type and code: RFC 792, RFC 1812 5.2.7.1; IPv6 type and code: RFC 4443 3).
    let table = [
        (Error::Port, (3, 3), (1, 4)),
        (Error::Protocol { pointer: 6 }, (3, 2), (4, 1)),
        (Error::Prohibited, (3, 13), (1, 1)),
        (Error::NoRoute, (3, 0), (1, 0)),
        (Error::HostUnreachable, (3, 1), (1, 3)),
        (Error::BeyondScope, (3, 1), (1, 2)),
        (Error::TooBig { mtu: 1400 }, (3, 4), (2, 0)),
        (Error::HopLimit, (11, 0), (3, 0)),
        (Error::Reassembly, (11, 1), (3, 1)),
        (
            Error::Parameter {
                code: 2,
                pointer: 20,
            },
            (12, 0),
            (4, 2),
        ),
    ];
    for (error, v4, v6) in table {
        for (ends, expected) in [(V4, v4), (V6, v6)] {
            let bytes = message(ends, Outgoing::Error(error), b"quote");
            assert_eq!((bytes[0], bytes[1]), expected, "{error:?}");
            assert!(checksum_is_right(ends.0, ends.1, &bytes));
            assert!(is_error(&ends.0, &bytes));
        }
    }
}

// RFC 1191 4: the low 16 bits of the second word; RFC 4443 3.2: all 32 of it.
#[test]
fn too_big_states_the_mtu_of_the_next_link() {
    let too_big = |ends| message(ends, Outgoing::Error(Error::TooBig { mtu: 1400 }), b"quote");
    assert_eq!(too_big(V4)[4..8], [0, 0, 0x05, 0x78]);
    assert_eq!(too_big(V6)[4..8], [0, 0, 0x05, 0x78]);
}

// RFC 1122 4.2.3.9; RFC 6069 3 names those that tell of an interruption: net and host, no route and address.
#[test]
fn unreachable_codes_are_hard_or_soft_as_the_host_requirements_say() {
    use PathSignalKind::{Disrupted, Hard, Soft};
    let v4 = [
        Disrupted, Disrupted, Hard, Hard, Soft, Soft, Soft, Soft, Soft, Hard, Hard, Soft, Soft,
        Hard, Soft, Soft,
    ];
    for (code, expected) in v4.into_iter().enumerate().filter(|(code, _)| *code != 4) {
        let bytes = [3, u8::try_from(code).unwrap(), 0, 0, 0, 0, 0, 0];
        assert_eq!(
            parse(&V4.0, &bytes),
            Ok(Message::Error(expected)),
            "code {code}"
        );
    }
    let v6 = [Disrupted, Hard, Soft, Disrupted, Hard, Hard, Hard];
    for (code, expected) in v6.into_iter().enumerate() {
        let bytes = [1, u8::try_from(code).unwrap(), 0, 0, 0, 0, 0, 0];
        assert_eq!(
            parse(&V6.0, &bytes),
            Ok(Message::Error(expected)),
            "code {code}"
        );
    }
}

#[test]
fn fragmentation_needed_without_an_mtu_falls_to_the_next_plateau() {
    let mut bytes = vec![3, 4, 0, 0, 0, 0, 0, 0];
    bytes.extend([0x45, 0, 0x05, 0xdc]); // quoted total length 1500
    bytes.resize(8 + 28, 0);
    assert_eq!(
        parse(&V4.0, &bytes),
        Ok(Message::Error(PathSignalKind::TooBig(1492)))
    );
    // Where the very plateau was too much, the one below.
    bytes[10..12].copy_from_slice(&1492u16.to_be_bytes());
    assert_eq!(
        parse(&V4.0, &bytes),
        Ok(Message::Error(PathSignalKind::TooBig(1006)))
    );
    bytes[6..8].copy_from_slice(&1400u16.to_be_bytes());
    assert_eq!(
        parse(&V4.0, &bytes),
        Ok(Message::Error(PathSignalKind::TooBig(1400)))
    );
}

#[test]
fn packet_too_big_below_the_ipv6_minimum_is_invalid() {
    let too_big = |mtu: u32| [&[2, 0, 0, 0][..], &mtu.to_be_bytes()].concat();
    assert_eq!(parse(&V6.0, &too_big(1279)), Err(DropReason::IcmpInvalid));
    assert_eq!(
        parse(&V6.0, &too_big(1280)),
        Ok(Message::Error(PathSignalKind::TooBig(1280)))
    );
}
