//! Stories of MD5 signatures (RFC 2385), and of what both options share.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::net::IpAddr;
use core::time::Duration;

use common::pair::{Packet, Pair};
use outcrop_base::{DropReason, Path, Verdict, Why};
use outcrop_tcp::auth::{KeyError, Keyring, Prefix, Secret};
use outcrop_tcp::{Config, ConnId, Listen, Rule, Settings, Signature, State, SynCookies};

fn secret(text: &str) -> Option<Secret> {
    Some(Secret::new(text.as_bytes()).unwrap())
}

fn unsigned(listen: Listen, v6: bool) -> Pair {
    Pair::new(Config::default(), listen, v6)
}

/// Both ends have a key for the other: the same, or not.
fn keyed_by(server: &str, client: &str, listen: Listen, v6: bool) -> (Pair, ConnId) {
    let mut pair = unsigned(listen, v6);
    let (listener, peer) = (pair.listener, Prefix::from(pair.addrs[1].ip()));
    pair.ends[0]
        .set_md5sig(listener, peer, secret(server))
        .unwrap();
    let id = pair.connect();
    let peer = Prefix::from(pair.addrs[0].ip());
    pair.ends[1].set_md5sig(id, peer, secret(client)).unwrap();
    (pair, id)
}

fn keyed() -> (Pair, ConnId) {
    keyed_by("secret", "secret", Listen::default(), false)
}

fn refused_by(rule: Rule) -> Verdict {
    Verdict::dropped(DropReason::TcpUnauthenticated, rule.into())
}

fn all_signed(packets: &[Packet]) -> bool {
    packets.iter().all(|packet| {
        let at = packet.bytes.windows(2).position(|head| head == [19, 18]);
        packet.options().signature == Some(Signature::Md5) && at.is_some_and(|at| at >= 20)
    })
}

/// The packet without its signature: the option becomes an unknown one.
fn stripped(packet: &Packet) -> Vec<u8> {
    let mut bytes = packet.bytes.clone();
    let at = bytes.windows(2).position(|head| head == [19, 18]).unwrap();
    bytes[at] = 200;
    bytes
}

#[test]
fn same_key_both_ends_everything_signed_both_families() {
    for v6 in [false, true] {
        let (mut pair, id) = keyed_by("secret", "secret", Listen::default(), v6);
        let (accepted, mut said) = pair.establish(id);
        pair.write(1, id, b"ping");
        said.extend(pair.talk());
        assert_eq!(pair.read(0, accepted), b"ping");
        pair.write(0, accepted, &[7; 100_000]);
        for _ in 0..20 {
            said.extend(pair.talk());
            pair.pass(Duration::from_millis(50));
        }
        assert_eq!(pair.read(1, id), [7; 100_000]);
        pair.ends[1].close(id).unwrap();
        said.extend(pair.talk());
        pair.ends[0].close(accepted).unwrap();
        said.extend(pair.talk());
        assert!(said.len() > 75, "handshake, 69 segments at least, end");
        assert!(all_signed(&said));
        assert_eq!(pair.state(1), State::TimeWait);
        assert_eq!(pair.state(0), State::Listen);
        assert_eq!(pair.ends[0].counters().signatures_wrong, 0);
    }
}

#[test]
fn unsigned_syn_to_a_keyed_listener_is_dropped_counted_and_not_answered() {
    let mut pair = unsigned(Listen::default(), false);
    let (listener, peer) = (pair.listener, Prefix::from(pair.addrs[1].ip()));
    pair.ends[0]
        .set_md5sig(listener, peer, secret("secret"))
        .unwrap();
    pair.connect();
    let syn = pair.one(1);
    assert_eq!(pair.give(0, &syn), refused_by(Rule::SignatureMissing));
    assert!(pair.take(0).is_empty());
    assert_eq!(pair.ends[0].counters().signatures_missing, 1);
    assert_eq!(pair.ends[0].len(), 0);
}

#[test]
fn wrong_key_syn_is_dropped_counted_and_not_answered() {
    let (mut pair, _) = keyed_by("secret", "Secret", Listen::default(), false);
    let syn = pair.one(1);
    assert_eq!(pair.give(0, &syn), refused_by(Rule::SignatureWrong));
    assert!(pair.take(0).is_empty());
    assert_eq!(pair.ends[0].counters().signatures_wrong, 1);
}

#[test]
fn signed_syn_to_a_listener_without_keys_is_dropped_and_not_answered() {
    let mut pair = unsigned(Listen::default(), false);
    let id = pair.connect();
    let peer = Prefix::from(pair.addrs[0].ip());
    pair.ends[1].set_md5sig(id, peer, secret("secret")).unwrap();
    let syn = pair.one(1);
    assert_eq!(pair.give(0, &syn), refused_by(Rule::SignatureUnexpected));
    assert!(pair.take(0).is_empty());
    assert_eq!(pair.ends[0].counters().signatures_unexpected, 1);
    // Nor does a port where nobody listens.
    pair.ends[0].unlisten(pair.listener).unwrap();
    assert_eq!(pair.give(0, &syn), refused_by(Rule::SignatureUnexpected));
    assert!(pair.take(0).is_empty());
}

#[test]
fn keys_for_one_prefix_peers_beyond_it_connect_unsigned() {
    let mut pair = unsigned(Listen::default(), false);
    let peer = Prefix {
        addr: "10.0.1.0".parse::<IpAddr>().unwrap(),
        len: 24,
    };
    pair.ends[0]
        .set_md5sig(pair.listener, peer, secret("secret"))
        .unwrap();
    let id = pair.connect();
    let (_, said) = pair.establish(id);
    assert!(
        said.iter()
            .all(|packet| packet.options().signature.is_none())
    );
}

// RFC 2385 2.0 and 4.1: a reset counts only if it is signed.
#[test]
fn unsigned_reset_in_the_window_is_ignored_signed_one_ends() {
    let (mut pair, id) = keyed();
    let (accepted, _) = pair.establish(id);
    pair.ends[1].abort(id).unwrap();
    let reset = pair.one(1);
    assert!(reset.header().flags.rst());
    let forged = pair.give_forged(0, stripped(&reset));
    assert_eq!(forged, refused_by(Rule::SignatureMissing));
    assert!(pair.take(0).is_empty());
    assert_eq!(
        pair.ends[0].info(accepted).unwrap().state,
        State::Established
    );
    let genuine = pair.give(0, &reset);
    assert_eq!(genuine.rule, Rule::ResetExact.into());
    assert_eq!(pair.ends[0].info(accepted).unwrap().state, State::Closed);
}

#[test]
fn text_changed_on_the_way_is_dropped_and_comes_again() {
    let (mut pair, id) = keyed();
    let (accepted, _) = pair.establish(id);
    pair.write(1, id, b"to: alice");
    let mut bytes = pair.one(1).bytes;
    let last = bytes.len() - 1;
    bytes[last] = b'x';
    assert_eq!(pair.give_forged(0, bytes), refused_by(Rule::SignatureWrong));
    assert!(pair.take(0).is_empty(), "no acknowledgment of it");
    pair.pass(Duration::from_millis(1500));
    pair.talk();
    assert_eq!(pair.read(0, accepted), b"to: alice");
}

// RFC 2385 4.3: 18 octets of 40, which the segment size must leave. Two SACK blocks fit: 20 + 4 + 16.
#[test]
fn signature_takes_its_room_from_payload_and_sack_and_from_timestamps() {
    let (mut pair, id) = keyed();
    let (accepted, said) = pair.establish(id);
    let syn = said[0].options();
    assert_eq!((syn.mss, syn.timestamps), (Some(1460), None));
    assert!(syn.sack_permitted && syn.wscale.is_some());
    let info = pair.ends[1].info(id).unwrap();
    assert_eq!((info.mss, info.negotiated.unwrap().signature), (1440, 20));
    pair.write(1, id, &[1; 14_400]);
    let flight = pair.take(1);
    assert_eq!(flight.len(), 10);
    assert!(
        flight
            .iter()
            .all(|packet| packet.bytes.len() == 20 + 20 + 1440)
    );
    for gap in [2, 4, 6] {
        pair.pass_on(0, &flight[gap]);
    }
    let acks = pair.take(0);
    let blocks = acks.last().unwrap().options().sack;
    assert_eq!(blocks.len(), 2);
    assert!(acks.iter().all(|packet| packet.bytes.len() <= 60));
    assert!(all_signed(&acks));
    for (at, packet) in flight.iter().enumerate() {
        if ![2, 4, 6].contains(&at) {
            pair.pass_on(0, packet);
        }
    }
    assert_eq!(pair.read(0, accepted).len(), 14_400);
}

#[test]
fn device_that_cuts_gets_no_super_segment_of_a_signed_connection() {
    let mut pair = unsigned(Listen::default(), false);
    pair.path = Path {
        gso_max: 65_535,
        ..Path::plain(1500)
    };
    let (listener, peers) = (
        pair.listener,
        pair.addrs.map(|addr| Prefix::from(addr.ip())),
    );
    pair.ends[0]
        .set_md5sig(listener, peers[1], secret("secret"))
        .unwrap();
    let id = pair.connect();
    pair.ends[1]
        .set_md5sig(id, peers[0], secret("secret"))
        .unwrap();
    pair.establish(id);
    pair.write(1, id, &[1; 14_400]);
    let flight = pair.take(1);
    assert!(flight.len() == 10 && flight.iter().all(|packet| packet.plan.gso.is_none()));
}

#[test]
fn time_wait_answers_a_signed_fin_signed_and_an_unsigned_one_not() {
    let (mut pair, id) = keyed();
    let (accepted, _) = pair.establish(id);
    pair.ends[1].close(id).unwrap();
    pair.talk();
    pair.ends[0].close(accepted).unwrap();
    let fin = pair.one(0);
    pair.pass_on(1, &fin);
    let _lost = pair.one(1);
    assert_eq!(pair.state(1), State::TimeWait);
    assert_eq!(
        pair.give_forged(1, stripped(&fin)),
        refused_by(Rule::SignatureMissing)
    );
    assert!(pair.take(1).is_empty());
    assert_eq!(pair.give(1, &fin).rule, Rule::TimeWaitFin.into());
    let again = pair.one(1);
    assert_eq!(again.plan.note.why(), Why::TimeWaitAck);
    assert!(all_signed(core::slice::from_ref(&again)));
    assert_eq!(pair.give(0, &again).rule, Rule::LastAckDone.into());
}

#[test]
fn challenge_is_signed() {
    let (mut pair, id) = keyed();
    let syn = pair.one(1);
    pair.pass_on(0, &syn);
    pair.talk();
    let _accepted = pair.ends[0].accept(pair.listener).unwrap();
    assert_eq!(pair.give(0, &syn).rule, Rule::OutOfWindow.into());
    let challenge = pair.one(0);
    assert_eq!(challenge.plan.note.why(), Why::ChallengeAck);
    assert!(all_signed(core::slice::from_ref(&challenge)));
    assert_eq!(pair.give(1, &challenge).drop_reason(), None);
    assert_eq!(pair.ends[1].info(id).unwrap().state, State::Established);
}

#[test]
fn signed_segment_for_no_connection_is_refused_by_a_signed_reset() {
    let (mut pair, id) = keyed();
    let (accepted, _) = pair.establish(id);
    pair.write(1, id, b"hello");
    let data = pair.one(1);
    // The server forgets everything but its listener and its key.
    pair.ends[0].abort(accepted).unwrap();
    pair.take(0);
    assert_eq!(pair.give(0, &data).rule, Rule::ListenResetsAck.into());
    let reset = pair.one(0);
    assert!(reset.header().flags.rst() && all_signed(core::slice::from_ref(&reset)));
    assert_eq!(pair.give(1, &reset).rule, Rule::ResetExact.into());
}

#[test]
fn queue_full_cookie_is_signed_and_comes_back_signed() {
    let listen = Listen {
        syn_cookies: SynCookies::Always,
        ..Listen::default()
    };
    let (mut pair, id) = keyed_by("secret", "secret", listen, false);
    let (_, said) = pair.establish(id);
    assert_eq!(said[1].plan.note.why(), Why::SynCookie);
    assert!(all_signed(&said));
    let (mut other, _) = keyed_by("secret", "other", Listen::default(), false);
    let syn = other.one(1);
    assert_eq!(other.give(0, &syn), refused_by(Rule::SignatureWrong));
}

#[test]
fn both_ends_change_the_key_connection_goes_on_under_it() {
    let (mut pair, id) = keyed();
    let (accepted, _) = pair.establish(id);
    let peers = pair.addrs.map(|addr| Prefix::from(addr.ip()));
    pair.ends[1]
        .set_md5sig(id, peers[0], secret("second"))
        .unwrap();
    pair.write(1, id, b"early");
    let early = pair.one(1);
    assert_eq!(pair.give(0, &early), refused_by(Rule::SignatureWrong));
    pair.ends[0]
        .set_md5sig(accepted, peers[1], secret("second"))
        .unwrap();
    pair.pass(Duration::from_millis(1500));
    pair.talk();
    assert_eq!(pair.read(0, accepted), b"early");
}

#[test]
fn connection_that_has_begun_neither_gains_nor_loses_a_key() {
    let mut pair = unsigned(Listen::default(), false);
    let id = pair.connect();
    let peer = Prefix::from(pair.addrs[0].ip());
    let elsewhere = Prefix::from("10.9.9.9".parse::<IpAddr>().unwrap());
    let wrong = pair.ends[1].set_md5sig(id, elsewhere, secret("secret"));
    assert_eq!(wrong, Err(KeyError::OtherPeer));
    pair.take(1);
    let late = pair.ends[1].set_md5sig(id, peer, secret("secret"));
    assert_eq!(late, Err(KeyError::TooLate));
    let (mut pair, id) = keyed();
    pair.establish(id);
    assert_eq!(
        pair.ends[1].set_md5sig(id, peer, None),
        Err(KeyError::TooLate)
    );
    pair.ends[1].close(id).unwrap();
    assert_eq!(
        pair.ends[1].set_md5sig(id, peer, None),
        Err(KeyError::Stale)
    );
}

#[test]
fn keys_taken_from_a_listener_the_next_connection_is_unsigned() {
    let (mut pair, id) = keyed();
    pair.establish(id);
    pair.ends[0]
        .set_keys(pair.listener, Keyring::new())
        .unwrap();
    pair.addrs[1].set_port(40_001);
    let second = pair.connect();
    let (_, said) = pair.establish(second);
    assert!(
        said.iter()
            .all(|packet| packet.options().signature.is_none())
    );
}

// RFC 5925 2.2: never both, and none twice.
#[test]
fn two_signatures_in_one_segment_are_none() {
    let (mut pair, id) = keyed();
    let syn = pair.one(1);
    let mut bytes = syn.bytes[..20].to_vec();
    bytes[12] = 15 << 4;
    let digest = &syn.bytes[22..40];
    bytes.extend_from_slice(digest);
    bytes.extend_from_slice(digest);
    bytes.extend_from_slice(&[1; 4]);
    assert_eq!(
        pair.give_forged(0, bytes),
        refused_by(Rule::SignatureConflict)
    );
    assert!(pair.take(0).is_empty());
    assert_eq!(pair.give(0, &syn).rule, Rule::ListenTakesSyn.into());
    let _ = id;
}

// RFC 2385 2.0: unlike other options, the peer's silence about it does not switch it off.
#[test]
fn unsigned_answer_to_a_signed_syn_is_dropped_and_the_syn_comes_again_signed() {
    let (mut pair, id) = keyed();
    let syn = pair.one(1);
    pair.pass_on(0, &syn);
    let answer = pair.one(0);
    let forged = pair.give_forged(1, stripped(&answer));
    assert_eq!(forged, refused_by(Rule::SignatureMissing));
    assert_eq!(pair.ends[1].info(id).unwrap().state, State::SynSent);
    pair.pass(Duration::from_millis(1500));
    let again = pair.one(1);
    assert!(again.header().flags.syn() && all_signed(&[again]));
}

#[test]
fn quiet_connection_sleeps_and_wakes_only_for_its_own_peer() {
    let (mut pair, id) = keyed();
    let (accepted, _) = pair.establish(id);
    for _ in 0..4 {
        pair.pass(Duration::from_secs(3600));
        pair.talk();
    }
    pair.write(1, id, b"still here");
    let data = pair.one(1);
    assert_eq!(
        pair.give_forged(0, stripped(&data)),
        refused_by(Rule::SignatureMissing)
    );
    pair.pass_on(0, &data);
    let said = pair.talk();
    assert!(all_signed(&said));
    assert_eq!(pair.read(0, accepted), b"still here");
}

#[test]
fn signed_client_speaks_no_fast_open() {
    let config = Config {
        settings: Settings {
            fast_open: true,
            ..Settings::default()
        },
        ..Config::default()
    };
    let listen = Listen {
        fast_open: 8,
        ..Listen::default()
    };
    let mut pair = Pair::new(config, listen, false);
    let (listener, peers) = (
        pair.listener,
        pair.addrs.map(|addr| Prefix::from(addr.ip())),
    );
    pair.ends[0]
        .set_md5sig(listener, peers[1], secret("secret"))
        .unwrap();
    let id = pair.connect();
    pair.ends[1]
        .set_md5sig(id, peers[0], secret("secret"))
        .unwrap();
    let (_, said) = pair.establish(id);
    assert!(
        said.iter()
            .all(|packet| packet.options().fast_open.is_none())
    );
}

#[test]
fn flood_of_unsigned_syns_leaves_nothing_behind() {
    let (mut pair, _) = keyed_by("secret", "guess", Listen::default(), false);
    let syn = pair.one(1);
    let stripped = stripped(&syn);
    for _ in 0..10_000 {
        let missing = pair.give_forged(0, stripped.clone());
        assert_eq!(missing, refused_by(Rule::SignatureMissing));
        assert_eq!(pair.give(0, &syn), refused_by(Rule::SignatureWrong));
    }
    assert!(pair.take(0).is_empty());
    assert_eq!(pair.ends[0].len(), 0);
    let counters = pair.ends[0].counters();
    assert_eq!(
        (counters.signatures_missing, counters.signatures_wrong),
        (10_000, 10_000)
    );
}
