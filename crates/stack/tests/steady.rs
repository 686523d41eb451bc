//! No allocation per packet in steady state: from the device to a handler on the driver's thread, and back.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected shall fail"
)]

mod common;

use bytes::Bytes;
use common::{IFACE, sock, v4, v6};
use core::time::Duration;
use outcrop_base::{ChunkQueue, Seed, Share, WallClock};
use outcrop_device::{Caps, Clock, PairEnd, pair};
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::tcp::Listen;
use outcrop_stack::{Config, Core, Driver, Shard, StreamId};

/// How often memory was asked for while `act` ran.
fn allocations(act: impl FnOnce()) -> u64 {
    allocation_counter::measure(act).count_total
}

const OFFLOAD: Caps = Caps {
    gso_max: 65_535,
    checksum_tx: true,
    checksum_rx: true,
    ..Caps::plain(1500)
};

fn driver(last: u8, device: PairEnd, clock: &Clock, share: Share) -> Driver<PairEnd> {
    let config = Config {
        share,
        ..Config::default()
    };
    let mut core = Core::new(config, &Seed::from_number(u64::from(last)));
    core.add_interface(InterfaceConfig {
        gso_max: OFFLOAD.gso_max,
        checksum_offload: true,
        ..InterfaceConfig::tun(
            IFACE,
            1500,
            vec![
                Cidr::new(v4(last), 24).unwrap(),
                Cidr::new(v6(last), 64).unwrap(),
            ],
        )
    })
    .unwrap();
    let wall = WallClock::new(Duration::ZERO);
    let shard = Shard::new(core, clock.clone(), wall).unwrap();
    Driver::new(shard, IFACE, device, ())
}

/// A client, a server, connections between them.
struct Pair {
    clock: Clock,
    client: Driver<PairEnd>,
    server: Driver<PairEnd>,
    streams: Vec<Stream>,
}

/// Both ends of a connection.
struct Stream {
    asking: StreamId,
    answering: StreamId,
    /// The handler keeps its queue, as a server does for the life of a connection.
    queue: ChunkQueue,
}

impl Pair {
    fn connected() -> Self {
        let mut pair = Self::apart(Share::ALL);
        pair.connect(1);
        pair
    }

    /// Not connected; the server is one shard of its host.
    fn apart(share: Share) -> Self {
        let clock = Clock::manual();
        let (a, b) = pair(OFFLOAD, &clock);
        Self {
            client: driver(1, a, &clock, Share::ALL),
            server: driver(2, b, &clock, share),
            clock,
            streams: Vec::new(),
        }
    }

    fn connect(&mut self, count: usize) {
        let (client, server) = (&mut self.client, &mut self.server);
        let listener = (server.shard()).call(|c| c.tcp_listen(sock(2, 80), Listen::default()));
        for _ in 0..count {
            let asking = (client.shard()).call(|c| c.tcp_connect(None, sock(2, 80), None));
            for _ in 0..4 {
                client.turn(|| {}).unwrap();
                server.turn(|| {}).unwrap();
            }
            let answering = (server.shard()).call(|c| c.tcp_accept(listener.unwrap()));
            self.streams.push(Stream {
                asking: asking.unwrap(),
                answering: answering.unwrap(),
                queue: ChunkQueue::new(),
            });
        }
    }

    /// One turn of each side, a millisecond later: the client writes `request` and reads, the server reads
    /// and writes `response` if anything came, on every connection. Returns what the client read, and the server's
    /// allocations.
    fn round(&mut self, request: &Bytes, response: &Bytes) -> (usize, u64) {
        self.clock.set(self.clock.now() + Duration::from_millis(1));
        let streams = &mut self.streams;
        let shard = self.client.shard().clone();
        let mut read = 0;
        self.client
            .turn(|| {
                for stream in &*streams {
                    read += drain(&shard, stream.asking);
                    write(&shard, stream.asking, request, &mut ChunkQueue::new());
                }
            })
            .unwrap();
        let shard = self.server.shard().clone();
        let server = &mut self.server;
        let asked = allocations(|| {
            let turn = server.turn(|| {
                for stream in streams {
                    if drain(&shard, stream.answering) > 0 {
                        write(&shard, stream.answering, response, &mut stream.queue);
                    }
                }
            });
            turn.unwrap();
        });
        (read, asked)
    }
}

fn drain(shard: &Shard, id: StreamId) -> usize {
    let mut read = 0;
    while let Ok(Some(bytes)) = shard.call(|core| core.tcp_read(id)) {
        read += bytes.len();
    }
    read
}

fn write(shard: &Shard, id: StreamId, bytes: &Bytes, queue: &mut ChunkQueue) {
    if bytes.is_empty() {
        return;
    }
    queue.push_slice(bytes);
    shard.call(|core| core.tcp_write(id, queue)).unwrap();
}

#[test]
fn requests_and_answers_once_warm_ask_for_no_memory() {
    let mut pair = Pair::connected();
    let (request, response) = (Bytes::from(vec![b'?'; 120]), Bytes::from(vec![b'!'; 300]));
    // Until time has passed over every slot of the timers' finer wheels once.
    for _ in 0..5_000 {
        pair.round(&request, &response);
    }
    let (mut read, mut asked) = (0, 0);
    for _ in 0..2_000 {
        let (bytes, count) = pair.round(&request, &response);
        read += bytes;
        asked += count;
    }
    assert_eq!(read, 2_000 * 300);
    assert_eq!(asked, 0, "allocations for 2000 requests");
}

/// Every connection asks at once, then all are quiet for a while.
fn many_ask(mut pair: Pair, count: usize) {
    const PAUSE: u64 = 32;
    pair.connect(count);
    let (request, response) = (Bytes::from(vec![b'?'; 120]), Bytes::from(vec![b'!'; 300]));
    let quiet = Bytes::new();
    let (mut read, mut asked) = (0, 0);
    for round in 0..8_000 {
        let bursts = round % PAUSE == 0;
        let (bytes, count) = pair.round(if bursts { &request } else { &quiet }, &response);
        // Until time has passed over every slot, as above.
        if round >= 6_400 {
            read += bytes;
            asked += count;
        }
    }
    assert_eq!(read, count * 300 * 1_600 / 32);
    assert_eq!(
        asked, 0,
        "allocations for 50 requests on each of {count} connections"
    );
}

#[test]
fn many_connections_once_warm_ask_for_no_memory() {
    many_ask(Pair::apart(Share::ALL), 64);
}

#[test]
fn many_connections_of_one_shard_of_two_once_warm_ask_for_no_memory() {
    let mut pair = Pair::apart(Share::new(0, 2).unwrap());
    let (device, _) = outcrop_device::pair(OFFLOAD, &pair.clock);
    let other = driver(2, device, &pair.clock, Share::new(1, 2).unwrap());
    pair.server = pair.server.with_next(other.shard().clone());
    many_ask(pair, 64);
    assert_eq!(other.counters().strays_in, 0);
}

#[test]
fn bulk_once_warm_asks_for_no_memory() {
    let mut pair = Pair::connected();
    let block = Bytes::from(vec![b'x'; 100_000]);
    for _ in 0..5_000 {
        pair.round(&block, &Bytes::new());
    }
    let before = pair.server.counters().bytes_in;
    let asked: u64 = (0..1_000)
        .map(|_| pair.round(&block, &Bytes::new()).1)
        .sum();
    let came = pair.server.counters().bytes_in - before;
    assert!(came > 50_000_000, "{came} bytes came");
    assert_eq!(asked, 0, "allocations while {came} bytes came");
}
