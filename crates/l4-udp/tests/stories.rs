//! Stories of sockets, and the demultiplexer against a plain list.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use core::net::{IpAddr, SocketAddr};
use std::io::IoSlice;

use bytes::Bytes;
use outcrop_base::{
    Arrival, Cast, ChecksumState, DropReason, Ecn, Flow, HeaderRoom, Instant, InterfaceId,
    PacketId, Path, PathSignal, PathSignalKind, Seed, Transport, Verdict,
};
use outcrop_udp::{
    BindError, Config, ConnectError, Endpoint, Event, PathError, Rule, SendError, SendOptions,
    SocketId, UnknownSocket, wire,
};
use proptest::prelude::*;

const NOW: Instant = Instant::from_millis(5);

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn host() -> Endpoint {
    host_with(Config::default())
}

fn host_with(config: Config) -> Endpoint {
    Endpoint::new(config, &Seed::from_number(1))
}

fn arrival(src: IpAddr, dst: IpAddr) -> Arrival {
    Arrival {
        at: NOW,
        id: PacketId(1),
        iface: InterfaceId(0),
        src,
        dst,
        cast: Cast::Unicast,
        ecn: Ecn::Ect0,
        hop_limit: 61,
        checksum: ChecksumState::Unverified,
        gso_size: None,
        path: Path::plain(1500),
    }
}

fn hear(host: &mut Endpoint, from: SocketAddr, to: SocketAddr, data: &[u8]) -> Verdict {
    let mut room = HeaderRoom::new();
    let flow = Flow {
        transport: Transport::Udp,
        local: from,
        remote: to,
    };
    wire::emit(&flow, &[IoSlice::new(data)], false, &mut room);
    let bytes = Bytes::from([room.as_slice(), data].concat());
    host.handle_segment(&arrival(from.ip(), to.ip()), bytes)
}

fn say(
    host: &mut Endpoint,
    socket: SocketId,
    to: &str,
    data: &'static [u8],
) -> Result<(), SendError> {
    host.send_to(
        socket,
        addr(to),
        Bytes::from_static(data),
        &SendOptions::default(),
    )
}

fn received(host: &mut Endpoint, socket: SocketId) -> Option<Bytes> {
    host.recv(socket).unwrap().map(|datagram| datagram.data)
}

#[test]
fn bound_socket_receives_with_all_that_ip_knew() {
    let mut host = host();
    let socket = host.bind(addr("[::]:7")).unwrap();
    let verdict = hear(
        &mut host,
        addr("[fd77::1]:4000"),
        addr("[fd77::2]:7"),
        b"hello",
    );
    assert_eq!(verdict.rule, Rule::Demultiplex.as_ref());
    assert_eq!(host.poll_event(), Some(Event::Readable(socket)));
    assert_eq!(host.poll_event(), None);
    let got = host.recv(socket).unwrap().unwrap();
    assert_eq!(
        (got.from, got.to),
        (addr("[fd77::1]:4000"), addr("[fd77::2]:7"))
    );
    assert_eq!((got.ecn, got.hop_limit, got.at), (Ecn::Ect0, 61, NOW));
    assert_eq!(host.recv(socket), Ok(None));
}

#[test]
fn closed_port_is_no_socket() {
    let mut host = host();
    let verdict = hear(&mut host, addr("10.0.0.1:9"), addr("10.0.0.2:9"), b"");
    assert_eq!(verdict.drop_reason(), Some(DropReason::UdpNoSocket));
}

#[test]
fn families_are_apart() {
    let mut host = host();
    let v6 = host.bind(addr("[::]:7")).unwrap();
    assert!(
        hear(&mut host, addr("10.0.0.1:9"), addr("10.0.0.2:7"), b"")
            .drop_reason()
            .is_some()
    );
    assert!(host.bind(addr("0.0.0.0:7")).is_ok());
    assert_eq!(
        say(&mut host, v6, "10.0.0.1:9", b""),
        Err(SendError::Address)
    );
    assert_eq!(
        host.connect(v6, addr("10.0.0.1:9")),
        Err(ConnectError::Address)
    );
}

#[test]
fn port_taken_at_all_addresses_is_taken_at_each() {
    let mut host = host();
    let first = host.bind(addr("0.0.0.0:7")).unwrap();
    assert_eq!(host.bind(addr("10.0.0.2:7")), Err(BindError::InUse));
    host.close(first);
    host.bind(addr("10.0.0.2:7")).unwrap();
    assert_eq!(host.bind(addr("0.0.0.0:7")), Err(BindError::InUse));
    host.bind(addr("10.0.0.3:7")).unwrap();
    host.bind(addr("0.0.0.0:8")).unwrap();
}

#[test]
fn ephemeral_ports_follow_the_seed_until_none_is_left() {
    let config = Config {
        ephemeral_ports: 50_000..=50_003,
        ..Config::default()
    };
    let ports = || {
        let mut host = host_with(config.clone());
        let mut port = || {
            let socket = host.bind(addr("0.0.0.0:0")).unwrap();
            host.local(socket).unwrap().port()
        };
        let ports = [port(), port(), port(), port()];
        assert_eq!(host.bind(addr("0.0.0.0:0")), Err(BindError::NoPort));
        ports
    };
    let mut sorted = ports();
    assert_eq!(sorted, ports());
    sorted.sort_unstable();
    assert_eq!(sorted, [50_000, 50_001, 50_002, 50_003]);
}

#[test]
fn connected_socket_hears_its_peer_only() {
    let mut host = host();
    let socket = host.bind(addr("10.0.0.2:5000")).unwrap();
    assert_eq!(
        host.send(socket, Bytes::new(), &SendOptions::default()),
        Err(SendError::NotConnected)
    );
    host.connect(socket, addr("10.0.0.1:53")).unwrap();
    let stranger = hear(
        &mut host,
        addr("10.0.0.9:53"),
        addr("10.0.0.2:5000"),
        b"lie",
    );
    assert_eq!(stranger.drop_reason(), Some(DropReason::UdpNoSocket));
    let _ = hear(
        &mut host,
        addr("10.0.0.1:53"),
        addr("10.0.0.2:5000"),
        b"truth",
    );
    assert_eq!(received(&mut host, socket).unwrap(), "truth");
    host.send(
        socket,
        Bytes::from_static(b"query"),
        &SendOptions::default(),
    )
    .unwrap();
    assert_eq!(
        host.poll_transmit(NOW).unwrap().flow.remote,
        addr("10.0.0.1:53")
    );
}

#[test]
fn receive_queue_is_bounded_in_count_and_in_bytes() {
    let config = Config {
        receive_datagrams: 3,
        receive_bytes: 1000,
        ..Config::default()
    };
    let mut host = host_with(config);
    let socket = host.bind(addr("0.0.0.0:7")).unwrap();
    let hear = |host: &mut Endpoint, len| {
        hear(host, addr("10.0.0.1:9"), addr("10.0.0.2:7"), &vec![1; len]).drop_reason()
    };
    assert_eq!(hear(&mut host, 800), None);
    assert_eq!(hear(&mut host, 200), Some(DropReason::UdpQueueFull));
    assert_eq!(received(&mut host, socket).unwrap().len(), 800);
    for _ in 0..3 {
        assert_eq!(hear(&mut host, 0), None);
    }
    assert_eq!(hear(&mut host, 0), Some(DropReason::UdpQueueFull));
    assert!(received(&mut host, socket).is_some());
    assert_eq!(hear(&mut host, 0), None);
}

#[test]
fn merged_datagrams_are_received_one_by_one() {
    let mut host = host();
    let socket = host.bind(addr("0.0.0.0:7")).unwrap();
    let (from, to) = (addr("10.0.0.1:9"), addr("10.0.0.2:7"));
    let bytes = Bytes::from_static(&[0, 9, 0, 7, 0, 15, 0, 0, 1, 1, 1, 2, 2, 2, 3]);
    let merged = Arrival {
        gso_size: Some(3),
        ..arrival(from.ip(), to.ip())
    };
    assert_eq!(host.handle_segment(&merged, bytes).drop_reason(), None);
    let datagrams: Vec<_> = core::iter::from_fn(|| received(&mut host, socket)).collect();
    assert_eq!(datagrams, [&[1, 1, 1][..], &[2, 2, 2], &[3]]);
}

#[test]
fn full_send_queue_refuses_and_says_when_there_is_room() {
    let mut host = host_with(Config {
        send_datagrams: 1,
        ..Config::default()
    });
    let socket = host.bind(addr("0.0.0.0:7")).unwrap();
    say(&mut host, socket, "10.0.0.1:9", b"one").unwrap();
    assert_eq!(
        say(&mut host, socket, "10.0.0.1:9", b"two"),
        Err(SendError::QueueFull)
    );
    assert_eq!(host.poll_event(), None);
    assert_eq!(host.poll_transmit(NOW).unwrap().payload, "one");
    assert_eq!(host.poll_event(), Some(Event::Writable(socket)));
    say(&mut host, socket, "10.0.0.1:9", b"two").unwrap();
    assert_eq!(host.poll_transmit(NOW).unwrap().payload, "two");
    assert_eq!(host.poll_event(), None);
}

#[test]
fn wildcard_socket_answers_from_the_address_it_was_asked_at() {
    let mut host = host();
    let socket = host.bind(addr("0.0.0.0:7")).unwrap();
    say(&mut host, socket, "10.0.0.1:9", b"").unwrap();
    assert_eq!(
        host.poll_transmit(NOW).unwrap().flow.local,
        addr("0.0.0.0:7")
    );
    let options = SendOptions {
        source: Some(addr("10.0.0.2:0").ip()),
        dscp: 46,
        hop_limit: Some(3),
        dont_fragment: true,
        ..SendOptions::default()
    };
    host.send_to(socket, addr("10.0.0.1:9"), Bytes::new(), &options)
        .unwrap();
    let sent = host.poll_transmit(NOW).unwrap();
    assert_eq!(sent.flow.local, addr("10.0.0.2:7"));
    assert_eq!(
        (sent.fields.dscp, sent.fields.ttl, sent.fields.df),
        (46, 3, true)
    );
}

#[test]
fn data_longer_than_a_datagram_is_refused() {
    let mut host = host();
    let v4 = host.bind(addr("0.0.0.0:7")).unwrap();
    let v6 = host.bind(addr("[::]:7")).unwrap();
    // 65535 less 20 and 8 (RFC 768 over RFC 791), 65535 less 8 (RFC 8200: the header is not counted).
    for (socket, to, max) in [(v4, "10.0.0.1:9", 65_507), (v6, "[fd77::1]:9", 65_527)] {
        let send = |host: &mut Endpoint, len| {
            host.send_to(
                socket,
                addr(to),
                Bytes::from(vec![0; len]),
                &SendOptions::default(),
            )
        };
        assert_eq!(send(&mut host, max), Ok(()));
        assert_eq!(send(&mut host, max + 1), Err(SendError::TooLong { max }));
    }
    for nowhere in ["10.0.0.1:0", "0.0.0.0:9"] {
        assert_eq!(say(&mut host, v4, nowhere, b""), Err(SendError::Address));
    }
}

#[test]
fn refused_port_is_told_to_the_socket_that_sent_there() {
    let mut host = host();
    let socket = host.bind(addr("0.0.0.0:5000")).unwrap();
    let remote = addr("10.0.0.1:9");
    let signal = |local| PathSignal {
        flow: Flow {
            transport: Transport::Udp,
            local: addr(local),
            remote,
        },
        seq: None,
        kind: PathSignalKind::Hard,
        id: PacketId(3),
    };
    let unrelated = host.handle_path(NOW, &signal("10.0.0.2:5001"));
    assert_eq!(unrelated.drop_reason(), Some(DropReason::IcmpUnrelated));
    assert_eq!(
        host.handle_path(NOW, &signal("10.0.0.2:5000"))
            .drop_reason(),
        None
    );
    assert_eq!(host.poll_event(), Some(Event::Error(socket)));
    assert_eq!(
        host.take_error(socket),
        Some(PathError {
            remote,
            kind: PathSignalKind::Hard
        })
    );
    assert_eq!(host.take_error(socket), None);
}

#[test]
fn stale_id_is_an_error_and_never_the_next_socket() {
    let mut host = host();
    let old = host.bind(addr("0.0.0.0:7")).unwrap();
    say(&mut host, old, "10.0.0.1:9", b"last words").unwrap();
    host.close(old);
    let new = host.bind(addr("0.0.0.0:7")).unwrap();
    assert_ne!(old, new);
    assert_eq!(host.recv(old), Err(UnknownSocket));
    assert_eq!(
        say(&mut host, old, "10.0.0.1:9", b""),
        Err(SendError::UnknownSocket)
    );
    host.close(old);
    assert_eq!(host.local(new), Some(addr("0.0.0.0:7")));
    // What was sent before the close still leaves, and nothing is booked to the new socket.
    assert_eq!(host.poll_transmit(NOW).unwrap().payload, "last words");
    assert!(host.poll_event().is_none());
}

#[derive(Clone, Debug)]
enum Step {
    Bind(SocketAddr),
    Connect(usize, SocketAddr),
    Close(usize),
    Hear(SocketAddr, SocketAddr),
}

/// Few addresses and ports, so that everything meets everything.
fn local() -> impl Strategy<Value = SocketAddr> {
    (
        prop::sample::select(vec![
            "0.0.0.0", "10.0.0.1", "10.0.0.2", "::", "fd77::1", "fd77::2",
        ]),
        1u16..4,
    )
        .prop_map(|(ip, port)| SocketAddr::new(ip.parse().unwrap(), port))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        local().prop_map(Step::Bind),
        (0usize..8, local()).prop_map(|(n, to)| Step::Connect(n, to)),
        (0usize..8).prop_map(Step::Close),
        (local(), local()).prop_map(|(from, to)| Step::Hear(from, to)),
    ]
}

/// A socket as a plain list knows it.
struct Model {
    id: SocketId,
    local: SocketAddr,
    remote: Option<SocketAddr>,
}

/// How exactly a socket names the addresses of a datagram; `None` if it does not want it.
fn exactness(socket: &Model, from: SocketAddr, to: SocketAddr) -> Option<(bool, bool)> {
    let wild = socket.local.ip().is_unspecified()
        && socket.local.port() == to.port()
        && socket.local.is_ipv4() == to.is_ipv4();
    let wants = (socket.local == to || wild) && socket.remote.is_none_or(|remote| remote == from);
    wants.then_some((socket.remote.is_some(), socket.local == to))
}

fn overlaps(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port()
        && a.is_ipv4() == b.is_ipv4()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

proptest! {
    #[test]
    fn datagrams_go_where_a_plain_list_says(steps in prop::collection::vec(step(), 1..60)) {
        let mut host = host();
        let mut model: Vec<Model> = Vec::new();
        for step in steps {
            match step {
                Step::Bind(local) => {
                    let taken = model.iter().any(|socket| overlaps(socket.local, local));
                    match host.bind(local) {
                        Ok(id) => {
                            prop_assert!(!taken);
                            model.push(Model { id, local, remote: None });
                        }
                        Err(error) => {
                            prop_assert_eq!(error, BindError::InUse);
                            prop_assert!(taken);
                        }
                    }
                }
                Step::Connect(n, remote) => {
                    let count = model.len();
                    if let Some(socket) = model.get_mut(n % count.max(1)) {
                        let possible = socket.local.is_ipv4() == remote.is_ipv4() && !remote.ip().is_unspecified();
                        prop_assert_eq!(host.connect(socket.id, remote).is_ok(), possible);
                        if possible {
                            socket.remote = Some(remote);
                        }
                    }
                }
                Step::Close(n) => {
                    if n < model.len() {
                        host.close(model.remove(n).id);
                    }
                }
                Step::Hear(from, to) => {
                    let families = from.is_ipv4() == to.is_ipv4();
                    let real = !from.ip().is_unspecified() && !to.ip().is_unspecified();
                    if !families || !real {
                        continue;
                    }
                    let expected = model.iter().max_by_key(|socket| exactness(socket, from, to)).filter(|socket| exactness(socket, from, to).is_some());
                    let verdict = hear(&mut host, from, to, b"x");
                    match expected {
                        Some(socket) => {
                            prop_assert_eq!(verdict.drop_reason(), None);
                            prop_assert_eq!(host.recv(socket.id).unwrap().map(|datagram| datagram.from), Some(from));
                        }
                        None => prop_assert_eq!(verdict.drop_reason(), Some(DropReason::UdpNoSocket)),
                    }
                }
            }
        }
        while host.poll_event().is_some() {}
        for socket in &model {
            prop_assert_eq!(host.recv(socket.id), Ok(None));
        }
    }

    /// Whatever the bytes: a verdict, and bounded memory.
    #[test]
    fn arbitrary_bytes_are_judged(all in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..40)) {
        let mut host = host_with(Config { receive_datagrams: 4, ..Config::default() });
        let socket = host.bind(addr("0.0.0.0:7")).unwrap();
        for mut bytes in all {
            if bytes.len() >= 8 {
                let len = bytes.len() as u8;
                bytes.splice(2..8, [0, 7, 0, len, 0, 0]);
            }
            let _ = host.handle_segment(&arrival([10, 0, 0, 1].into(), [10, 0, 0, 2].into()), bytes.into());
        }
        let kept = core::iter::from_fn(|| host.recv(socket).unwrap()).count();
        prop_assert!(kept <= 4);
    }
}
