//! Stories of TCP-AO (RFC 5925).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::time::Duration;

use common::keys::{ao_at, ids, key, keyed, one_key, protect, refused_by, simple, stripped};
use common::pair::Pair;
use outcrop_base::{DropReason, PacketId, PathSignal, PathSignalKind, Seed, Why};
use outcrop_tcp::auth::{AoAlgorithm, Keyring, MasterKey, Prefix};
use outcrop_tcp::{Config, Endpoint, Listen, Rule, SeqNum, State, SynCookies};

#[test]
fn same_key_both_ends_everything_signed_whatever_algorithm_family_and_cover() {
    for algorithm in [AoAlgorithm::HmacSha1, AoAlgorithm::AesCmac] {
        for (v6, covers_options) in [(false, true), (true, true), (false, false), (true, false)] {
            let (mut pair, id) = keyed(Listen::default(), v6, |peer, client| {
                let [key] = one_key(peer, client).try_into().unwrap();
                vec![MasterKey {
                    algorithm,
                    covers_options,
                    ..key
                }]
            });
            let (accepted, mut said) = pair.establish(id);
            pair.write(1, id, b"ping");
            pair.write(0, accepted, &[7; 10_000]);
            said.extend(pair.talk());
            assert_eq!(pair.read(0, accepted), b"ping");
            assert_eq!(pair.read(1, id), [7; 10_000]);
            pair.ends[1].close(id).unwrap();
            said.extend(pair.talk());
            pair.ends[0].close(accepted).unwrap();
            said.extend(pair.talk());
            for packet in &said {
                let client = packet.plan.flow.local == pair.addrs[1];
                assert_eq!(ids(packet), if client { (61, 84) } else { (84, 61) });
            }
            assert_eq!(
                (pair.state(1), pair.state(0)),
                (State::TimeWait, State::Listen)
            );
        }
    }
}

// RFC 5925 7.6: 16 octets beside those of today's SYN, and one SACK block beside timestamps.
#[test]
fn option_takes_its_room_from_payload_and_sack() {
    let (mut pair, id) = simple();
    let (_, said) = pair.establish(id);
    let syn = said[0].options();
    assert!(syn.timestamps.is_some() && syn.sack_permitted && syn.wscale.is_some());
    let info = pair.ends[1].info(id).unwrap();
    assert_eq!(
        (info.mss, info.negotiated.unwrap().signature),
        (1460 - 12 - 16, 16)
    );
    pair.write(1, id, &[1; 10_000]);
    let flight = pair.take(1);
    assert_eq!(flight[0].bytes.len(), 20 + 12 + 16 + 1432);
    pair.pass_on(0, &flight[2]);
    pair.pass_on(0, &flight[4]);
    let acks = pair.take(0);
    assert_eq!(acks.last().unwrap().options().sack.len(), 1);
    assert!(acks.iter().all(|packet| packet.bytes.len() <= 60));
}

#[test]
fn wrong_secret_wrong_id_and_none_are_dropped_counted_and_not_answered() {
    let with = |secret: &'static str, ids: (u8, u8)| {
        move |peer: Prefix, client: bool| match client {
            true => vec![key(peer, ids, secret)],
            false => one_key(peer, false),
        }
    };
    for (secret, ids, rule) in [
        ("testvector", (61, 84), Rule::ListenTakesSyn),
        ("testvectoR", (61, 84), Rule::SignatureWrong),
        ("testvector", (62, 84), Rule::SignatureUnknownKey),
    ] {
        let (mut pair, _) = keyed(Listen::default(), false, with(secret, ids));
        let syn = pair.one(1);
        assert_eq!(pair.give(0, &syn).rule, rule.into());
        let taken = rule == Rule::ListenTakesSyn;
        assert_eq!(pair.take(0).is_empty(), !taken);
        assert_eq!(pair.ends[0].counters().signatures_wrong, u64::from(!taken));
    }
    let (mut pair, _) = simple();
    let syn = pair.one(1);
    assert_eq!(
        pair.give_forged(0, stripped(&syn)),
        refused_by(Rule::SignatureMissing)
    );
    assert!(pair.take(0).is_empty());
}

#[test]
fn every_bit_of_a_segment_is_covered() {
    let (mut pair, id) = simple();
    pair.establish(id);
    pair.write(1, id, b"text");
    let data = pair.one(1);
    let mac = ao_at(&data) + 4;
    // Ports, which say whose it is, and the checksum, which is not covered, are left alone.
    for octet in (4..data.bytes.len()).filter(|at| !(16..18).contains(at)) {
        let mut bytes = data.bytes.clone();
        bytes[octet] ^= 1;
        let is_head = octet == 12 || (mac - 4..mac - 1).contains(&octet);
        let a = pair.arrival(0);
        let a = outcrop_base::Arrival {
            checksum: outcrop_base::ChecksumState::Verified,
            ..a
        };
        let Ok((segment, payload)) = outcrop_tcp::wire::parse(&a, bytes.into()) else {
            assert!(
                octet == 12 || octet >= 20,
                "only lengths make it no segment"
            );
            continue;
        };
        let verdict = pair.ends[0].handle_segment(&a, segment, payload);
        let refused = verdict.drop_reason() == Some(DropReason::TcpUnauthenticated);
        assert!(refused, "octet {octet} {is_head}: {verdict:?}");
    }
    assert!(pair.take(0).is_empty());
    pair.pass_on(0, &data);
}

// RFC 5925 3.1: the flag is for middleboxes that change options.
#[test]
fn middlebox_changes_the_mss_connection_only_where_options_are_not_covered() {
    for covers_options in [true, false] {
        let (mut pair, _) = keyed(Listen::default(), false, |peer, client| {
            let [key] = one_key(peer, client).try_into().unwrap();
            vec![MasterKey {
                covers_options,
                ..key
            }]
        });
        let syn = pair.one(1);
        let mut bytes = syn.bytes.clone();
        let mss = bytes
            .windows(4)
            .position(|option| option == [2, 4, 5, 180])
            .unwrap();
        bytes[mss + 3] = 100;
        let rule = if covers_options {
            Rule::SignatureWrong
        } else {
            Rule::ListenTakesSyn
        };
        assert_eq!(pair.give_forged(0, bytes).rule, rule.into());
    }
}

/// When a client's ISN is just below the end of the circle: it follows a clock of 4 microseconds.
fn instant_of_isn(wanted: u32) -> outcrop_base::Instant {
    let (mut pair, _) = simple();
    let syn = pair.one(1);
    let ahead = SeqNum::new(wanted)
        .value()
        .wrapping_sub(syn.header().seq.value());
    pair.now + Duration::from_micros(4) * ahead
}

// RFC 5925 6.2: the extension steps with the number, on both sides alike.
#[test]
fn numbers_wrap_in_mid_stream_and_text_from_before_comes_late() {
    let mut pair = Pair::new(Config::default(), Listen::default(), false);
    pair.now = instant_of_isn(u32::MAX - 5_000);
    let id = protect(&mut pair, one_key);
    let (accepted, said) = pair.establish(id);
    let isn = said[0].header().seq.value();
    assert!(
        (u32::MAX - 5_001..=u32::MAX - 4_999).contains(&isn),
        "{isn}"
    );
    let text: Vec<u8> = (0..14_000u32).map(|n| (n % 251) as u8).collect();
    pair.write(1, id, &text);
    let flight = pair.take(1);
    let wraps = flight
        .iter()
        .position(|packet| packet.header().seq.value() < 10_000)
        .unwrap();
    assert!(wraps > 2 && wraps < flight.len() - 2);
    // Those behind the wrap come first, then those from before it.
    for packet in flight[wraps..].iter().chain(&flight[..wraps]) {
        pair.pass_on(0, packet);
    }
    pair.talk();
    assert_eq!(pair.read(0, accepted), text);
    pair.write(0, accepted, b"and back");
    pair.talk();
    assert_eq!(pair.read(1, id), b"and back");
    assert_eq!(pair.ends[0].counters().signatures_wrong, 0);
}

#[test]
fn segment_replayed_changes_nothing() {
    let (mut pair, id) = simple();
    let (accepted, said) = pair.establish(id);
    pair.write(1, id, b"pay 100");
    let order = pair.one(1);
    pair.pass_on(0, &order);
    pair.talk();
    assert_eq!(
        pair.give(0, &order).drop_reason(),
        Some(DropReason::TcpOutOfWindow)
    );
    assert_eq!(pair.read(0, accepted), b"pay 100");
    pair.talk();
    // The next connection between the same ports begins with other numbers: nothing of the old one is good.
    pair.ends[1].abort(id).unwrap();
    pair.ends[1].close(id).unwrap();
    pair.talk();
    pair.ends[0].close(accepted).unwrap();
    pair.now += Duration::from_secs(1);
    let again = protect(&mut pair, one_key);
    let (accepted, _) = pair.establish(again);
    let client = pair.addrs[1];
    let from_client = said
        .iter()
        .filter(|packet| packet.plan.flow.local == client);
    for packet in from_client.chain([&order]) {
        let syn = packet.header().flags.syn();
        let verdict = pair.give(0, packet);
        // An old SYN proves its sender; PAWS and RFC 5961's challenge protect from it.
        let expected = if syn {
            DropReason::TcpOldTimestamp
        } else {
            DropReason::TcpUnauthenticated
        };
        assert_eq!(verdict.drop_reason(), Some(expected), "{packet:?}");
    }
    pair.talk();
    assert_eq!(pair.read(0, accepted), b"");
    assert_eq!(
        pair.ends[0].info(accepted).unwrap().state,
        State::Established
    );
}

#[test]
fn unsigned_reset_in_the_window_is_ignored_signed_one_ends() {
    let (mut pair, id) = simple();
    let (accepted, _) = pair.establish(id);
    pair.ends[1].abort(id).unwrap();
    let reset = pair.one(1);
    assert_eq!(
        pair.give_forged(0, stripped(&reset)),
        refused_by(Rule::SignatureMissing)
    );
    assert!(pair.take(0).is_empty());
    assert_eq!(
        pair.ends[0].info(accepted).unwrap().state,
        State::Established
    );
    assert_eq!(pair.give(0, &reset).rule, Rule::ResetExact.into());
}

// RFC 5925 7.7: whoever has forgotten the connection has forgotten its numbers, and cannot sign a reset.
#[test]
fn peer_that_restarted_hears_of_the_old_connection_and_keeps_silent() {
    let (mut pair, id) = simple();
    pair.establish(id);
    pair.write(1, id, b"hello");
    pair.talk();
    let mut reborn = Endpoint::new(Config::default(), &Seed::from_number(99));
    let listener = reborn.listen(pair.addrs[0], Listen::default()).unwrap();
    let peer = Prefix::from(pair.addrs[1].ip());
    reborn
        .add_ao_key(listener, one_key(peer, false).remove(0))
        .unwrap();
    pair.ends[0] = reborn;
    pair.write(1, id, b"still there?");
    let data = pair.one(1);
    assert_eq!(pair.give(0, &data), refused_by(Rule::SignatureWrong));
    assert!(pair.take(0).is_empty());
}

// RFC 5925 7.8.
#[test]
fn icmp_about_a_signed_connection_is_not_believed_unless_configured() {
    for (v6, kind, accept_icmp, rule) in [
        (false, PathSignalKind::Hard, false, Rule::PathUnprotected),
        (
            false,
            PathSignalKind::TooBig(600),
            false,
            Rule::PathUnprotected,
        ),
        (true, PathSignalKind::Hard, false, Rule::PathUnprotected),
        (true, PathSignalKind::TooBig(1300), false, Rule::PathTooBig),
        (false, PathSignalKind::Soft, false, Rule::PathSoft),
        (false, PathSignalKind::TooBig(600), true, Rule::PathTooBig),
        (false, PathSignalKind::Hard, true, Rule::PathSoft),
    ] {
        let mut pair = Pair::new(Config::default(), Listen::default(), v6);
        let id = protect(&mut pair, one_key);
        let mut ring = Keyring::new();
        let peer = Prefix::from(pair.addrs[0].ip());
        ring.add_ao_key(one_key(peer, true).remove(0)).unwrap();
        ring.accept_icmp = accept_icmp;
        pair.ends[1].set_keys(id, ring).unwrap();
        pair.establish(id);
        pair.write(1, id, b"text");
        let data = pair.one(1);
        let signal = PathSignal {
            flow: pair.flow(1),
            seq: Some(data.header().seq.value()),
            kind,
            id: PacketId(77),
        };
        let now = pair.now;
        let verdict = pair.ends[1].handle_path(now, &signal);
        assert_eq!(
            verdict.rule,
            rule.into(),
            "{kind:?} v6 {v6} accept {accept_icmp}"
        );
    }
}

#[test]
fn opening_connection_believes_icmp() {
    let (mut pair, _) = simple();
    let syn = pair.one(1);
    let signal = PathSignal {
        flow: pair.flow(1),
        seq: Some(syn.header().seq.value()),
        kind: PathSignalKind::Hard,
        id: PacketId(77),
    };
    let now = pair.now;
    assert_eq!(
        pair.ends[1].handle_path(now, &signal).rule,
        Rule::PathHard.into()
    );
}

// RFC 5925 7.3: what becomes of TCP-AO without a key can be chosen.
#[test]
fn unmatched_option_is_dropped_or_ignored_as_configured() {
    for accept_unmatched_ao in [false, true] {
        let config = Config {
            accept_unmatched_ao,
            ..Config::default()
        };
        let mut pair = Pair::new(config, Listen::default(), false);
        let id = pair.connect();
        let peer = Prefix::from(pair.addrs[0].ip());
        pair.ends[1]
            .add_ao_key(id, one_key(peer, true).remove(0))
            .unwrap();
        let syn = pair.one(1);
        let verdict = pair.give(0, &syn);
        if accept_unmatched_ao {
            assert_eq!(verdict.rule, Rule::ListenTakesSyn.into());
            assert_eq!(pair.one(0).options().signature, None);
        } else {
            assert_eq!(verdict, refused_by(Rule::SignatureUnexpected));
            assert!(pair.take(0).is_empty());
        }
    }
}

#[test]
fn queue_full_cookie_is_signed_and_what_brings_it_back_proves_both_numbers() {
    let listen = Listen {
        syn_cookies: SynCookies::Always,
        ..Listen::default()
    };
    let (mut pair, id) = keyed(listen, false, one_key);
    let (accepted, said) = pair.establish(id);
    assert_eq!(said[1].plan.note.why(), Why::SynCookie);
    pair.write(1, id, b"hello");
    pair.write(0, accepted, b"world");
    pair.talk();
    assert_eq!(pair.read(0, accepted), b"hello");
    assert_eq!(pair.read(1, id), b"world");
}

#[test]
fn both_open_at_once_each_signs_for_the_other() {
    let mut pair = Pair::new(Config::default(), Listen::default(), false);
    pair.ends[0].unlisten(pair.listener).unwrap();
    let [server, client] = pair.addrs;
    let path = pair.path;
    let ids = [
        pair.ends[0].connect(server, client, path, None).unwrap(),
        pair.ends[1].connect(client, server, path, None).unwrap(),
    ];
    for (end, id) in ids.into_iter().enumerate() {
        let peer = Prefix::from(pair.addrs[1 - end].ip());
        pair.ends[end]
            .add_ao_key(id, one_key(peer, end == 1).remove(0))
            .unwrap();
    }
    let (a, b) = (pair.one(0), pair.one(1));
    pair.pass_on(0, &b);
    pair.pass_on(1, &a);
    pair.talk();
    for (end, id) in ids.into_iter().enumerate() {
        assert_eq!(pair.ends[end].info(id).unwrap().state, State::Established);
        assert_eq!(pair.ends[end].counters().signatures_wrong, 0);
    }
}

#[test]
fn fresh_syn_ends_time_wait_and_begins_under_new_numbers() {
    let (mut pair, id) = simple();
    let (accepted, _) = pair.establish(id);
    // The listener's end closes first: its tuple rests.
    pair.ends[0].close(accepted).unwrap();
    pair.talk();
    pair.ends[1].close(id).unwrap();
    pair.talk();
    assert_eq!(pair.state(0), State::TimeWait);
    pair.now += Duration::from_secs(2);
    let again = protect(&mut pair, one_key);
    let syn = pair.one(1);
    assert_eq!(
        pair.give_forged(0, stripped(&syn)),
        refused_by(Rule::SignatureMissing)
    );
    assert_eq!(pair.give(0, &syn).rule, Rule::TimeWaitReuse.into());
    let (accepted, _) = pair.establish(again);
    pair.write(1, again, b"anew");
    pair.talk();
    assert_eq!(pair.read(0, accepted), b"anew");
}
