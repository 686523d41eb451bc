use super::*;
use proptest::prelude::*;

fn addr(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// Written from the figures of RFC 4861 4.3 and 4.6.1.
#[test]
fn a_solicitation_is_laid_out_as_in_the_figure() {
    let message = Message {
        body: Body::NeighborSolicitation {
            target: addr("fe80::1"),
        },
        options: Options {
            source: Some([2, 0, 0, 0, 0, 1]),
            ..Options::default()
        },
    };
    let mut expected = vec![135, 0, 0, 0, 0, 0, 0, 0];
    expected.extend(addr("fe80::1").octets());
    expected.extend([1, 1, 2, 0, 0, 0, 0, 1]);
    assert_eq!(emit(&message), expected);
    assert_eq!(parse(&expected), Some(message));
}

/// RFC 4861 4.2, 4.6.2, 4.6.4 and RFC 8106 5, by hand.
#[test]
fn an_advertisement_of_everything_is_read() {
    let mut bytes = vec![134, 0, 0, 0, 64, 0b1000_1000, 7, 8];
    bytes.extend([0, 0, 0x75, 0x30, 0, 0, 3, 0xe8]);
    bytes.extend([5, 1, 0, 0, 0, 0, 5, 0]);
    bytes.extend([3, 4, 64, 0b1100_0000, 0, 0, 0, 60, 0, 0, 0, 30, 0, 0, 0, 0]);
    bytes.extend(addr("2001:db8::").octets());
    bytes.extend([25, 3, 0, 0, 0, 0, 0, 90]);
    bytes.extend(addr("2001:db8::53").octets());
    bytes.extend([
        31, 3, 0, 0, 0, 0, 0, 90, 3, b'l', b'a', b'n', 2, b'e', b'x', 0,
    ]);
    bytes.extend([0; 8]);
    let message = parse(&bytes).unwrap();
    let Body::RouterAdvertisement(router) = message.body else {
        panic!("{message:?}");
    };
    let expected = Router {
        hop_limit: 64,
        managed: true,
        other: false,
        preference: 1,
        lifetime: 1800,
        reachable: 30_000,
        retransmit: 1000,
    };
    assert_eq!(router, expected);
    assert_eq!(message.options.mtu, Some(1280));
    let prefix = message.options.prefixes[0];
    assert_eq!(
        (prefix.len, prefix.on_link, prefix.autonomous),
        (64, true, true)
    );
    assert_eq!((prefix.valid, prefix.preferred), (60, 30));
    assert_eq!(message.options.resolvers, [(addr("2001:db8::53"), 90)]);
    assert_eq!(message.options.domains, [("lan.ex".to_owned(), 90)]);
}

#[test]
fn broken_options_condemn_the_message_and_unknown_ones_do_not() {
    let with = |option: &[u8]| {
        let mut bytes = vec![133, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend(option);
        parse(&bytes).is_some()
    };
    assert!(
        !with(&[1, 0, 0, 0, 0, 0, 0, 0]),
        "RFC 4861 4.6: length zero"
    );
    assert!(!with(&[1, 2, 0, 0, 0, 0, 0, 0]), "beyond the end");
    assert!(!with(&[1]), "half an option");
    assert!(
        with(&[200, 1, 0, 0, 0, 0, 0, 0]),
        "RFC 4861 4.6: unknown ones are skipped"
    );
    assert!(!with(&[200, 1, 0, 0, 0, 0, 0, 0].repeat(MAX_OPTIONS + 1)));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_and_shown_in_bounds(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 133u8..138) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = kind;
        }
        if let Some(code) = bytes.get_mut(1) {
            *code = 0;
        }
        let read = parse(&bytes);
        fields(&bytes, &mut |field| assert!(field.bits.end as usize <= bytes.len() * 8));
        if let Some(message) = read {
            // What is kept survives a second reading.
            prop_assert_eq!(parse(&emit(&message)), Some(message));
        }
    }
}
