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
use outcrop_base::{ChunkQueue, Seed, WallClock};
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

fn driver(last: u8, device: PairEnd, clock: &Clock) -> Driver<PairEnd> {
    let mut core = Core::new(Config::default(), &Seed::from_number(u64::from(last)));
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

/// A client, a server, one connection.
struct Pair {
    clock: Clock,
    client: Driver<PairEnd>,
    server: Driver<PairEnd>,
    asking: StreamId,
    answering: StreamId,
    /// The handler keeps its queue, as a server does for the life of a connection.
    queue: ChunkQueue,
}

impl Pair {
    fn connected() -> Self {
        let clock = Clock::manual();
        let (a, b) = pair(OFFLOAD, &clock);
        let (mut client, mut server) = (driver(1, a, &clock), driver(2, b, &clock));
        let listener = (server.shard()).call(|c| c.tcp_listen(sock(2, 80), Listen::default()));
        let asking = (client.shard()).call(|c| c.tcp_connect(None, sock(2, 80), None));
        for _ in 0..4 {
            client.turn(|| {}).unwrap();
            server.turn(|| {}).unwrap();
        }
        let answering = server.shard().call(|c| c.tcp_accept(listener.unwrap()));
        Self {
            asking: asking.unwrap(),
            answering: answering.unwrap(),
            clock,
            client,
            server,
            queue: ChunkQueue::new(),
        }
    }

    /// One turn of each side, a millisecond later: the client writes `request` and reads, the server reads
    /// and writes `response` if anything came. Returns what the client read, and the server's allocations.
    fn round(&mut self, request: &Bytes, response: &Bytes) -> (usize, u64) {
        self.clock.set(self.clock.now() + Duration::from_millis(1));
        let (asking, answering) = (self.asking, self.answering);
        let shard = self.client.shard().clone();
        let mut read = 0;
        self.client
            .turn(|| {
                read = drain(&shard, asking);
                write(&shard, asking, request, &mut ChunkQueue::new());
            })
            .unwrap();
        let shard = self.server.shard().clone();
        let (server, queue) = (&mut self.server, &mut self.queue);
        let asked = allocations(|| {
            let turn = server.turn(|| {
                if drain(&shard, answering) > 0 {
                    write(&shard, answering, response, queue);
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
