//! Whatever arrives: no panic, no lie, no growth.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use common::*;
use outcrop_base::Seed;
use outcrop_dhcp::v4::{Server, ServerConfig, wire};
use proptest::prelude::*;

/// Bytes that begin like a message, with options that mostly are some.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let option = (
        any::<u8>(),
        prop::collection::vec(any::<u8>(), 0..20),
        0_u8..3,
    )
        .prop_map(|(code, value, lie)| {
            let len = u8::try_from(value.len()).unwrap().wrapping_add(lie / 2);
            [vec![code, len], value].concat()
        });
    let fixed = prop::collection::vec(any::<u8>(), 0..236);
    (fixed, any::<u8>(), prop::collection::vec(option, 0..20)).prop_map(|(fixed, kind, options)| {
        let mut bytes = Msg::request(kind % 20, US).bytes();
        bytes.truncate(243);
        for (to, from) in bytes.iter_mut().zip(fixed) {
            *to = from;
        }
        bytes.extend(options.concat());
        bytes
    })
}

fn hear(bytes: &[u8]) {
    let mut client = client();
    let _ = next(&mut client);
    let _verdict = client.handle_datagram(START, bytes);
    let config = ServerConfig::new(SERVER, 24, ADDRESS, ADDRESS);
    let mut server = Server::new(config).unwrap();
    for _ in 0..3 {
        let _verdict = server.handle_datagram(START, bytes);
        while let Some(transmit) = server.poll_transmit(START) {
            let read = wire::parse(&transmit.payload);
            assert!(read.is_ok(), "{read:?}");
        }
    }
    assert!(server.bindings().count() <= 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        hear(&bytes);
    }

    #[test]
    fn nearly_messages(bytes in nearly()) {
        hear(&bytes);
    }

    /// An answer to the client's own question, with any options: what it takes is a lease that can be.
    #[test]
    fn any_options_in_an_answer(
        options in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..12)), 0..12),
        seed in any::<u64>(),
    ) {
        let mut client = outcrop_dhcp::v4::Client::new(START, config(), &Seed::from_number(seed));
        let (at, _, discover) = next(&mut client);
        let offer = Msg::lease(&discover, OFFER, SERVER, 600);
        let _verdict = client.handle_datagram(at, &offer.bytes());
        let mut ack = Msg::lease(&discover, ACK, SERVER, 600);
        ack.options.extend(options.into_iter().filter(|(code, _)| !matches!(code, 0 | 255)));
        let _verdict = client.handle_datagram(at, &ack.bytes());
        if let Some(lease) = client.lease() {
            let time = lease.time.unwrap_or(core::time::Duration::MAX);
            prop_assert!(lease.renew <= lease.rebind && lease.rebind <= time);
            prop_assert!(lease.prefix <= 32 && lease.mtu.is_none_or(|mtu| mtu >= 68));
        }
    }
}
