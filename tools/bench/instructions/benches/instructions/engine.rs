//! The TCP engine between a segment and a plan.
//!
//! Job: an established connection, its segments made beforehand. Owns: both ends. Does not know: IP, devices.

use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::io::IoSlice;

use bytes::Bytes;
use iai_callgrind::library_benchmark;
use outcrop_base::{
    Arrival, Cast, ChecksumState, ChunkQueue, Ecn, HeaderRoom, Instant, InterfaceId, PacketId,
    Path, Seed,
};
use outcrop_tcp::{Config, ConnId, Endpoint, Listen, Segment, Settings, Transmit, wire};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
/// Segments of one measurement.
const SEGMENTS: usize = 16;
const SEGMENT: usize = 1448;

/// Two ends, connected.
pub(crate) struct Pair {
    now: Instant,
    client: Endpoint,
    server: Endpoint,
    asking: ConnId,
    answering: ConnId,
}

fn path() -> Path {
    Path::plain(1500)
}

fn endpoint(seed: u64) -> Endpoint {
    let settings = Settings {
        nodelay: true,
        ..Settings::default()
    };
    let config = Config {
        settings,
        ..Config::default()
    };
    Endpoint::new(config, &Seed::from_number(seed))
}

fn arrival(now: Instant, t: &Transmit) -> Arrival {
    Arrival {
        at: now,
        id: PacketId(1),
        iface: InterfaceId(1),
        src: t.flow.local.ip(),
        dst: t.flow.remote.ip(),
        cast: Cast::Unicast,
        ecn: Ecn::NotEct,
        hop_limit: 64,
        checksum: ChecksumState::Verified,
        gso_size: None,
        path: path(),
    }
}

/// What `t` is on the wire, from its TCP header on.
fn bytes_of(from: &Endpoint, t: &Transmit) -> Bytes {
    let mut slices = [IoSlice::new(&[]); 18];
    let used = from.payload(t, &mut slices);
    let payload = slices.get(..used).unwrap_or_default();
    let mut room = HeaderRoom::new();
    wire::emit(t, payload, true, &mut room);
    let mut bytes = room.as_slice().to_vec();
    payload
        .iter()
        .for_each(|piece| bytes.extend_from_slice(piece));
    Bytes::from(bytes)
}

/// Everything `from` has to say, to `to`.
fn carry(now: Instant, from: &mut Endpoint, to: &mut Endpoint) -> Vec<(Arrival, Bytes)> {
    let mut carried = Vec::new();
    while let Some(t) = from.poll_transmit(now) {
        let (a, bytes) = (arrival(now, &t), bytes_of(from, &t));
        if let Ok((segment, payload)) = wire::parse(&a, bytes.clone()) {
            let _verdict = to.handle_segment(&a, segment, payload);
        }
        carried.push((a, bytes));
    }
    carried
}

impl Pair {
    #[expect(clippy::unwrap_used, reason = "fixed inputs")]
    fn connected() -> Self {
        let now = Instant::from_secs(1);
        let (mut client, mut server) = (endpoint(1), endpoint(2));
        let remote = SocketAddr::new(SERVER, 80);
        let listener = server.listen(remote, Listen::default()).unwrap();
        let local = SocketAddr::new(CLIENT, 0);
        let asking = client.connect(local, remote, path(), None).unwrap();
        for _ in 0..3 {
            carry(now, &mut client, &mut server);
            carry(now, &mut server, &mut client);
        }
        let answering = server.accept(listener).unwrap();
        let mut pair = Self {
            now,
            client,
            server,
            asking,
            answering,
        };
        for _ in 0..40 {
            pair.exchange(8 * SEGMENT);
        }
        pair
    }

    /// The client writes, the server reads, everything is acknowledged.
    fn exchange(&mut self, bytes: usize) {
        self.now += Duration::from_millis(1);
        self.write(bytes);
        for _ in 0..4 {
            carry(self.now, &mut self.client, &mut self.server);
            while let Ok(Some(_)) = self.server.read(self.answering) {}
            self.now += Duration::from_millis(1);
            carry(self.now, &mut self.server, &mut self.client);
        }
        while self.client.poll_event().is_some() || self.server.poll_event().is_some() {}
    }

    fn write(&mut self, bytes: usize) {
        let mut queue = ChunkQueue::new();
        queue.push(Bytes::from(vec![b'x'; bytes]));
        let _taken = self.client.write(self.asking, &mut queue);
    }
}

/// A server, and segments of text in order for it.
fn text_for_a_server() -> (Endpoint, Vec<(Arrival, Segment, Bytes)>) {
    let mut pair = Pair::connected();
    pair.write(SEGMENTS * SEGMENT);
    let mut other = pair.server.clone();
    let carried = carry(pair.now, &mut pair.client, &mut other);
    let parsed = carried.into_iter().filter_map(|(a, bytes)| {
        let (segment, payload) = wire::parse(&a, bytes).ok()?;
        Some((a, segment, payload))
    });
    (pair.server, parsed.collect())
}

// Sixteen segments of text in order, then the flush with its acknowledgment.
#[library_benchmark]
#[bench::of(setup = text_for_a_server)]
fn tcp_takes_text(
    (mut server, segments): (Endpoint, Vec<(Arrival, Segment, Bytes)>),
) -> (Endpoint, usize) {
    let mut now = Instant::ZERO;
    for (a, segment, payload) in segments {
        now = a.at;
        let _verdict = black_box(server.handle_segment(&a, segment, payload));
    }
    let mut acknowledged = 0;
    while let Some(t) = server.poll_transmit(now) {
        black_box(t);
        acknowledged += 1;
    }
    (server, acknowledged)
}

/// A client with sixteen segments to send.
fn text_of_a_client() -> (Endpoint, Instant) {
    let mut pair = Pair::connected();
    pair.write(SEGMENTS * SEGMENT);
    (pair.client, pair.now)
}

// Sixteen plans.
#[library_benchmark]
#[bench::of(setup = text_of_a_client)]
fn tcp_sends_a_segment((mut client, now): (Endpoint, Instant)) -> (Endpoint, usize) {
    let mut sent = 0;
    while let Some(t) = client.poll_transmit(now) {
        black_box(t);
        sent += 1;
    }
    (client, sent)
}

fn one_segment() -> (Arrival, Bytes) {
    let mut pair = Pair::connected();
    pair.write(SEGMENT);
    let carried = carry(pair.now, &mut pair.client, &mut pair.server);
    let mut carried = carried.into_iter();
    carried
        .next()
        .unwrap_or_else(|| unreachable!("a segment was written"))
}

#[library_benchmark]
#[bench::of(setup = one_segment)]
fn tcp_takes_a_segment((a, bytes): (Arrival, Bytes)) -> Option<(Segment, Bytes)> {
    wire::parse(&a, black_box(bytes)).ok()
}

fn one_plan() -> Transmit {
    let mut pair = Pair::connected();
    pair.write(SEGMENT);
    let plan = pair.client.poll_transmit(pair.now);
    plan.unwrap_or_else(|| unreachable!("a segment was written"))
}

#[library_benchmark]
#[bench::of(setup = one_plan)]
fn tcp_emits_a_header(t: Transmit) -> HeaderRoom {
    let mut room = HeaderRoom::new();
    wire::emit(black_box(&t), &[], true, &mut room);
    room
}
