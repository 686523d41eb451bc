//! Who may have which port: ephemeral ports (RFC 6056), and what listening on a used port means.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::net::SocketAddr;
use std::collections::BTreeSet;

use common::{Story, plain, seg};
use outcrop_base::{Path, Seed};
use outcrop_tcp::{Config, Endpoint, Listen, ListenError, Settings, State};

const LOCAL: &str = "10.0.0.1:0";

fn endpoint(seed: u64) -> Endpoint {
    Endpoint::new(Config::default(), &Seed::from_number(seed))
}

/// The local ports of `count` connects to `remote`.
fn ports(tcp: &mut Endpoint, remote: &str, count: usize) -> Vec<u16> {
    let (local, remote) = (LOCAL.parse().unwrap(), remote.parse().unwrap());
    let connect = |_| {
        let id = tcp.connect(local, remote, Path::plain(1500), None).unwrap();
        tcp.info(id).unwrap().flow.local.port()
    };
    (0..count).map(connect).collect()
}

// RFC 6056 3.3.3: to one destination the ports follow one another, so that none is used twice soon.
#[test]
fn connects_to_one_server_take_ports_in_a_row_and_none_twice() {
    let ports = ports(&mut endpoint(1), "10.0.0.2:80", 100);
    let distinct: BTreeSet<_> = ports.iter().collect();
    assert_eq!(distinct.len(), 100);
    assert!(ports.iter().all(|port| *port >= 49_152), "RFC 6335 6");
    let steps = ports
        .windows(2)
        .filter(|pair| pair[1] == pair[0].wrapping_add(1));
    assert!(
        steps.count() >= 98,
        "but for the end of the range: {ports:?}"
    );
}

// The offset hides what other destinations see, and another host's draws.
#[test]
fn where_the_row_begins_differs_by_destination_and_by_secret() {
    let mut first = BTreeSet::new();
    for seed in 0..8 {
        for remote in ["10.0.0.2:80", "10.0.0.2:81", "10.0.0.3:80", "192.0.2.1:80"] {
            first.insert(ports(&mut endpoint(seed), remote, 1)[0]);
        }
    }
    // Thirty-two draws of 16,384: two that agree are a matter of one in thirty, three of chance no more.
    assert!(first.len() >= 30, "{first:?}");
}

// RFC 6056 3.2: a port in use by a listener is not drawn.
#[test]
fn somebody_listens_on_the_port_it_is_not_drawn_but_may_be_named() {
    let config = Config {
        ephemeral_ports: 50_000..=50_001,
        ..Config::default()
    };
    let mut tcp = Endpoint::new(config, &Seed::from_number(1));
    tcp.listen("0.0.0.0:50000".parse().unwrap(), Listen::default())
        .unwrap();
    assert_eq!(ports(&mut tcp, "10.0.0.2:80", 1), [50_001]);
    let named: SocketAddr = "10.0.0.1:50000".parse().unwrap();
    let remote = "10.0.0.2:80".parse().unwrap();
    assert!(tcp.connect(named, remote, Path::plain(1500), None).is_ok());
}

// What SO_REUSEADDR has to be asked for elsewhere: connections and resting tuples of a port keep nobody from listening.
#[test]
fn port_has_a_connection_and_a_resting_tuple_listening_anew_is_allowed() {
    let (mut story, id) = Story::established(plain());
    let first = story.listener.unwrap();
    story.tcp.unlisten(first).unwrap();
    let again = story.tcp.listen(story.local, Listen::default()).unwrap();
    assert_eq!(story.state(), State::Established, "the connection goes on");
    story.tcp.shutdown(id).unwrap();
    story.out();
    story.recv(seg("F.").seq(1).ack(2));
    story.out();
    story.expect_state(State::TimeWait);
    story.tcp.unlisten(again).unwrap();
    assert!(story.tcp.listen(story.local, Listen::default()).is_ok());
}

#[test]
fn two_listeners_of_one_address_are_refused_wildcards_of_both_families_and_an_address_are_not() {
    let mut tcp = endpoint(1);
    let mut listen = |at: &str| tcp.listen(at.parse().unwrap(), Listen::default());
    assert!(listen("0.0.0.0:80").is_ok());
    assert_eq!(listen("0.0.0.0:80"), Err(ListenError::AddressInUse));
    assert!(
        listen("10.0.0.1:80").is_ok(),
        "an address goes before the wildcard"
    );
    // As with IPV6_V6ONLY: the wildcard of IPv6 does not take IPv4 with it.
    assert!(listen("[::]:80").is_ok());
    assert_eq!(listen("[::]:80"), Err(ListenError::AddressInUse));
}

// listen(2) on Linux takes one more than it is told; here the number is the number.
#[test]
fn accept_queue_of_one_the_second_connection_is_not_taken() {
    let mut story = Story::new(Settings {
        syn_ack_retries: 1,
        ..plain()
    });
    let listen = Listen {
        accept_backlog: 1,
        ..Listen::default()
    };
    let listener = story.tcp.listen(story.local, listen).unwrap();
    story.recv(seg("S").mss(1000));
    story.out();
    story.recv(seg(".").seq(1).ack(1));
    story.remote.set_port(7_777);
    story.recv(seg("S").mss(1000));
    assert!(story.out().is_empty(), "the peer will repeat its SYN");
    assert!(story.tcp.accept(listener).is_some());
    story.recv(seg("S").mss(1000));
    assert_eq!(story.out().len(), 1, "there is room");
}
