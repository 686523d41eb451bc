//! What connections cost when nothing happens on them, all in: slot, index, timers, buffers, controller.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{
    Arrival, Cast, ChecksumState, ChunkQueue, Ecn, Instant, InterfaceId, PacketId, Path, Seed,
};
use outcrop_tcp::{
    Algorithm, Config, ConnId, Endpoint, Event, Flags, Listen, ListenerId, Options, Segment,
    SegmentHeader, SeqNum, Settings, Timestamps, Transmit,
};

/// Just above seven eighths of a power of two: the index is as empty as it ever is.
const MANY: u32 = 7400;

/// A server, and peers made of segments: one for each number.
struct Server {
    tcp: Endpoint,
    now: Instant,
    listener: ListenerId,
    ipv6: bool,
}

struct Peer {
    id: ConnId,
    addr: SocketAddr,
    /// The server's numbers: of its next byte, and of its timestamp.
    seq: SeqNum,
    recent: u32,
    /// Ours.
    nxt: u32,
}

impl Server {
    fn new(ipv6: bool) -> Self {
        Self::with(ipv6, Algorithm::default())
    }

    fn with(ipv6: bool, congestion: Algorithm) -> Self {
        let config = Config {
            time_wait_max: usize::MAX,
            settings: Settings {
                congestion,
                ..Settings::default()
            },
            ..Config::default()
        };
        let mut tcp = Endpoint::new(config, &Seed::from_number(1));
        let local = Self::local(ipv6);
        let backlog = Listen {
            accept_backlog: MANY as usize,
            ..Listen::default()
        };
        let listener = tcp.listen(local, backlog).unwrap();
        Self {
            tcp,
            now: Instant::from_secs(1),
            listener,
            ipv6,
        }
    }

    fn local(ipv6: bool) -> SocketAddr {
        let addr = if ipv6 {
            "[2001:db8::1]:80"
        } else {
            "10.0.0.1:80"
        };
        addr.parse().unwrap()
    }

    fn remote(&self, number: u32) -> SocketAddr {
        let port = 1024 + (number % 50_000) as u16;
        if self.ipv6 {
            let addr = 0x2001_0db8 << 96 | u128::from(2 + number / 50_000);
            (Ipv6Addr::from(addr), port).into()
        } else {
            (Ipv4Addr::from(0x0a01_0000 + number / 50_000), port).into()
        }
    }

    /// A segment of `peer` arrives; returns what leaves.
    fn send(&mut self, peer: &mut Peer, flags: Flags, text: &'static [u8]) -> Vec<Transmit> {
        let syn = flags.syn();
        let header = SegmentHeader {
            seq: SeqNum::new(peer.nxt),
            ack: flags.ack().then_some(peer.seq),
            flags,
            wnd: 65_000,
            options: Options {
                mss: syn.then_some(1460),
                wscale: syn.then_some(7),
                sack_permitted: syn,
                timestamps: Some(Timestamps {
                    val: self.now.as_millis() as u32,
                    ecr: peer.recent,
                }),
                ..Options::default()
            },
            ..SegmentHeader::default()
        };
        peer.nxt = peer
            .nxt
            .wrapping_add(text.len() as u32 + u32::from(syn || flags.fin()));
        let segment = Segment {
            src_port: peer.addr.port(),
            dst_port: 80,
            header,
            payload_len: text.len() as u32,
            bytes: Bytes::new(),
        };
        let arrival = Arrival {
            at: self.now,
            id: PacketId(1),
            iface: InterfaceId(0),
            src: peer.addr.ip(),
            dst: Self::local(self.ipv6).ip(),
            cast: Cast::Unicast,
            ecn: Ecn::NotEct,
            hop_limit: 64,
            checksum: ChecksumState::Verified,
            gso_size: None,
            path: Path::plain(1500),
        };
        let verdict = self
            .tcp
            .handle_segment(&arrival, segment, Bytes::from_static(text));
        assert_eq!(verdict.drop_reason(), None);
        self.flush(peer)
    }

    fn flush(&mut self, peer: &mut Peer) -> Vec<Transmit> {
        let out: Vec<_> = core::iter::from_fn(|| self.tcp.poll_transmit(self.now)).collect();
        for t in &out {
            let flags = t.header.flags;
            let len = t.range.len() as u32 + u32::from(flags.syn()) + u32::from(flags.fin());
            peer.seq = t.header.seq + len;
            peer.recent = t.header.options.timestamps.map_or(0, |ts| ts.val);
        }
        out
    }

    /// A connection that has served one request and been told that the answer arrived.
    fn serve(&mut self, number: u32) -> Peer {
        let mut peer = Peer {
            id: ConnId {
                slot: 0,
                generation: 0,
            },
            addr: self.remote(number),
            seq: SeqNum::new(0),
            recent: 0,
            nxt: 1,
        };
        assert_eq!(self.send(&mut peer, Flags::SYN, b"").len(), 1);
        self.send(&mut peer, Flags::ACK, b"");
        peer.id = self.tcp.accept(self.listener).unwrap();
        self.exchange(&mut peer);
        peer
    }

    fn exchange(&mut self, peer: &mut Peer) {
        self.send(peer, Flags::ACK | Flags::PSH, &[b'?'; 300]);
        assert_eq!(self.tcp.read(peer.id).unwrap().unwrap().len(), 300);
        let mut answer = ChunkQueue::new();
        answer.push_slice(&[b'!'; 1000]);
        self.tcp.write(peer.id, &mut answer).unwrap();
        assert_eq!(self.flush(peer).len(), 1);
        self.send(peer, Flags::ACK, b"");
        while let Some(event) = self.tcp.poll_event() {
            assert!(matches!(event, Event::Readable(_) | Event::Acceptable(_)));
        }
    }

    /// Nothing arrives for `span`.
    fn rest(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(at) = self.tcp.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.tcp.handle_timeout(self.now);
            assert!(self.tcp.poll_transmit(self.now).is_none());
        }
        self.now = end;
    }
}

/// Bytes held more after `act` than before, for each of [`MANY`].
fn cost(act: impl FnOnce()) -> i64 {
    allocation_counter::measure(act).bytes_current / i64::from(MANY)
}

fn idle_cost(ipv6: bool, congestion: Algorithm) -> i64 {
    let mut server = Server::with(ipv6, congestion);
    let cost = cost(|| {
        for number in 0..MANY {
            server.serve(number);
            server.rest(Duration::from_millis(1));
        }
        server.rest(Duration::from_secs(10));
    });
    server.tcp.check();
    assert_eq!(server.tcp.len(), MANY as usize);
    cost
}

#[test]
fn idle_connection_that_has_served_costs_at_most_a_kibibyte_all_in() {
    for (ipv6, congestion) in [false, true]
        .into_iter()
        .flat_map(|ipv6| Algorithm::ALL.map(|congestion| (ipv6, congestion)))
    {
        let bytes = idle_cost(ipv6, congestion);
        let what = congestion.name();
        println!("{bytes} bytes an idle connection ({what}, IPv6: {ipv6})");
        assert!((500..=1024).contains(&bytes), "{what}: {bytes} bytes");
    }
}

#[test]
fn resting_tuple_costs_at_most_64_bytes_all_in() {
    for ipv6 in [false, true] {
        let mut server = Server::new(ipv6);
        // The flow table keeps the one slot that all use in turn.
        let bytes = cost(|| {
            for number in 0..MANY {
                let mut peer = server.serve(number);
                server.tcp.close(peer.id).unwrap();
                server.flush(&mut peer);
                server.send(&mut peer, Flags::FIN | Flags::ACK, b"");
                server.rest(Duration::from_millis(5));
            }
            server.rest(Duration::from_secs(10));
        });
        assert_eq!(
            (server.tcp.time_wait_len(), server.tcp.len()),
            (MANY as usize, 0)
        );
        println!("{bytes} bytes a resting tuple (IPv6: {ipv6})");
        assert!((48..=64).contains(&bytes), "{bytes} bytes");
        server.rest(Duration::from_secs(60));
        assert_eq!(server.tcp.time_wait_len(), 0);
    }
}

/// Half-closed and asleep: a write that is refused wakes it, and leads to nothing but sleep.
#[test]
fn sleeper_woken_by_a_refused_write_sleeps_again() {
    let mut server = Server::new(false);
    let mut peer = server.serve(1);
    server.tcp.shutdown(peer.id).unwrap();
    server.flush(&mut peer);
    server.send(&mut peer, Flags::ACK, b"");
    server.rest(Duration::from_secs(5));
    assert_eq!(server.tcp.poll_timeout(), None, "asleep");
    let mut late = ChunkQueue::from(Bytes::from_static(b"late"));
    assert!(server.tcp.write(peer.id, &mut late).is_err());
    server.tcp.check();
    assert!(server.tcp.poll_timeout().is_some(), "awake for a while");
    server.rest(Duration::from_secs(5));
    assert_eq!(server.tcp.poll_timeout(), None, "asleep again");
}

/// The same conversations with and without sleep in between: what leaves is the same.
#[test]
fn connection_that_slept_says_what_one_that_stayed_awake_says() {
    for congestion in Algorithm::ALL {
        let awake = conversation(Duration::MAX, congestion);
        assert_eq!(conversation(Duration::from_secs(1), congestion), awake);
    }
}

/// What a server says that goes to sleep after `quiet`, with pauses of many lengths.
fn conversation(quiet: Duration, congestion: Algorithm) -> Vec<(SeqNum, u32, String)> {
    let mut server = Server::new(false);
    let config = Config {
        quiet,
        settings: Settings {
            congestion,
            ..Settings::default()
        },
        ..Config::default()
    };
    server.tcp = Endpoint::new(config, &Seed::from_number(1));
    let local = Server::local(false);
    server.listener = server.tcp.listen(local, Listen::default()).unwrap();
    let mut said = Vec::new();
    let mut peer = server.serve(1);
    for pause in [1, 2, 3, 700, 10_000, 1200, 30 * 60_000, 5] {
        server.rest(Duration::from_millis(pause));
        server.exchange(&mut peer);
        let info = server.tcp.info(peer.id).unwrap();
        said.push((peer.seq, peer.recent, format!("{info:?}")));
    }
    server.tcp.shutdown(peer.id).unwrap();
    said.push((
        peer.seq,
        peer.recent,
        format!("{:?}", server.flush(&mut peer)),
    ));
    server.rest(Duration::from_millis(5));
    server.send(&mut peer, Flags::ACK, b"");
    server.rest(Duration::from_secs(30));
    said.push((
        peer.seq,
        0,
        format!("{:?}", server.send(&mut peer, Flags::FIN | Flags::ACK, b"")),
    ));
    server.tcp.check();
    said
}
