//! What waits to be read keeps no read buffer that is much larger: memory is bounded by what the windows let in.
#![expect(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected shall fail"
)]

mod common;

use core::time::Duration;

use bytes::Bytes;
use common::{IFACE, sock, v4};
use outcrop_base::{ChunkQueue, Seed, WallClock};
use outcrop_device::{BUFFER, Caps, Clock, PairEnd, pair};
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::tcp::{Listen, params::KEEP_FROM};
use outcrop_stack::{Config, Core, Driver, Shard, StreamId};

const OFFLOAD: Caps = Caps {
    gso_max: 65_535,
    checksum_tx: true,
    checksum_rx: true,
    ..Caps::plain(1500)
};

/// Connections whose program does not read.
const WAITING: usize = 64;

fn driver(last: u8, device: PairEnd, clock: &Clock) -> Driver<PairEnd> {
    let mut core = Core::new(Config::default(), &Seed::from_number(u64::from(last)));
    core.add_interface(InterfaceConfig {
        gso_max: OFFLOAD.gso_max,
        checksum_offload: true,
        ..InterfaceConfig::tun(IFACE, 1500, vec![Cidr::new(v4(last), 24).unwrap()])
    })
    .unwrap();
    let wall = WallClock::new(Duration::ZERO);
    let shard = Shard::new(core, clock.clone(), wall).unwrap();
    Driver::new(shard, IFACE, device, ())
}

/// A client and a server, with many connections nobody reads and one that is read.
struct World {
    clock: Clock,
    client: Driver<PairEnd>,
    server: Driver<PairEnd>,
    /// The client's ends.
    waiting: Vec<StreamId>,
    reader: (StreamId, StreamId),
}

impl World {
    fn new() -> Self {
        let clock = Clock::manual();
        let (a, b) = pair(OFFLOAD, &clock);
        let (mut client, mut server) = (driver(1, a, &clock), driver(2, b, &clock));
        let listener = (server.shard()).call(|c| c.tcp_listen(sock(2, 80), Listen::default()));
        let mut opened = Vec::new();
        let mut accepted = Vec::new();
        for _ in 0..=WAITING {
            let asking = (client.shard()).call(|c| c.tcp_connect(None, sock(2, 80), None));
            opened.push(asking.unwrap());
            for _ in 0..3 {
                client.turn(|| {}).unwrap();
                server.turn(|| {}).unwrap();
            }
            let there = server.shard().call(|c| c.tcp_accept(listener.unwrap()));
            accepted.push(there.unwrap());
        }
        let reader = (opened.pop().unwrap(), accepted.pop().unwrap());
        Self {
            clock,
            client,
            server,
            waiting: opened,
            reader,
        }
    }

    /// A turn of each side a millisecond later; the reader reads.
    fn turns(&mut self) {
        for _ in 0..2 {
            self.clock.set(self.clock.now() + Duration::from_millis(1));
            self.client.turn(|| {}).unwrap();
            let (shard, reader) = (self.server.shard().clone(), self.reader.1);
            let read = || while let Ok(Some(_)) = shard.call(|core| core.tcp_read(reader)) {};
            self.server.turn(read).unwrap();
        }
    }

    fn write(&mut self, stream: StreamId, bytes: &Bytes) {
        let mut queue = ChunkQueue::from(bytes.clone());
        let written = self
            .client
            .shard()
            .call(|core| core.tcp_write(stream, &mut queue));
        written.unwrap();
    }

    /// One piece of `len` bytes for every connection nobody reads, and between them what fills the rest of each buffer.
    fn crumbs(&mut self, len: usize) {
        let (crumb, filler) = (Bytes::from(vec![1; len]), Bytes::from(vec![2; 60_000]));
        for stream in self.waiting.clone() {
            self.write(stream, &crumb);
            self.turns();
            self.write(self.reader.0, &filler);
            self.turns();
        }
    }
}

#[test]
fn small_pieces_that_nobody_reads_pin_no_more_than_twice_their_length() {
    for len in [100, 5_000, 20_000, KEEP_FROM - 1] {
        let mut world = World::new();
        // Buffers of the pool, queues, timers: warm before counting.
        world.crumbs(1);
        let grown = allocation_counter::measure(|| world.crumbs(len)).bytes_current;
        let unread = i64::try_from(len * WAITING).unwrap();
        // Beyond twice the bytes: a few buffers of either side's pool, and half a kilobyte of places a connection.
        let few = i64::try_from(8 * BUFFER + 512 * WAITING).unwrap();
        assert!(
            grown <= 2 * unread + few,
            "{grown} bytes for {unread} of {len} each"
        );
    }
}

#[test]
fn a_piece_is_kept_in_its_buffer_from_half_of_that_on() {
    assert_eq!(KEEP_FROM, BUFFER / 2);
}
