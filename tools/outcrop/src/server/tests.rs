//! What a served connection costs while it works, and while it waits.

use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{ChunkQueue, Instant, InterfaceId, Seed, WallClock};
use outcrop_device::{Caps, PairEnd, pair};
use outcrop_http::files::Options;
use outcrop_ip::{Cidr, InterfaceConfig};
use outcrop_stack::tcp::Listen;
use outcrop_stack::{Core, Driver, ListenerId, Runner, StreamId};

use super::guest::Conversation;
use super::*;

/// Bytes of heap that a connection keeps while it waits for its next request, beyond what the engine keeps for it.
const IDLE_MAX: i64 = 2_048;
/// Bytes of the future of one connection, which is most of them.
const FUTURE_MAX: usize = 1_408;

const IFACE: InterfaceId = InterfaceId(1);
const OFFLOAD: Caps = Caps {
    gso_max: 65_535,
    checksum_tx: true,
    checksum_rx: true,
    ..Caps::plain(1500)
};
const REQUEST: &[u8] =
    b"GET /small HTTP/1.1\r\nHost: outcrop.test\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";
/// Bytes of an answer, head and body.
const ANSWER: usize = 321;

/// Who answers.
enum Answering {
    /// The server, as `outcrop serve` starts it, with a folder.
    Served(
        Runner,
        #[expect(dead_code, reason = "lives as long as its server")] tempfile::TempDir,
    ),
    /// Nobody but the engine: the test writes as many bytes as the server would.
    Engine(ListenerId, Vec<(StreamId, ChunkQueue)>),
}

/// Clients made of calls, and somebody who answers them.
struct World {
    clock: outcrop_device::Clock,
    client: Driver<PairEnd>,
    server: Driver<PairEnd>,
    answering: Answering,
    asking: Vec<StreamId>,
    /// How often the answering side asked for memory, and what it has not given back.
    allocations: u64,
    kept: i64,
}

fn driver(last: u8, device: PairEnd, clock: &outcrop_device::Clock) -> Driver<PairEnd> {
    let seed = Seed::from_number(u64::from(last));
    let mut core = Core::new(outcrop_stack::Config::default(), &seed);
    let address = [10, 0, 0, last].into();
    core.add_interface(InterfaceConfig {
        gso_max: OFFLOAD.gso_max,
        checksum_offload: true,
        ..InterfaceConfig::tun(IFACE, 1500, vec![Cidr::new(address, 16).unwrap()])
    })
    .unwrap();
    let wall = WallClock::new(Duration::from_secs(1_000_000));
    let shard = Shard::new(core, clock.clone(), wall).unwrap();
    Driver::new(shard, IFACE, device, ())
}

impl World {
    fn new(answering: impl FnOnce(&Shard) -> Answering) -> Self {
        let clock = outcrop_device::Clock::manual();
        clock.set(Instant::from_secs(1));
        let (a, b) = pair(OFFLOAD, &clock);
        let (client, server) = (driver(1, a, &clock), driver(2, b, &clock));
        let answering = answering(server.shard());
        Self {
            clock,
            client,
            server,
            answering,
            asking: Vec::new(),
            allocations: 0,
            kept: 0,
        }
    }

    fn connect(&mut self, count: usize) {
        let to: SocketAddr = ([10, 0, 0, 2], 80).into();
        for _ in 0..count {
            let connect = |core: &mut Core| core.tcp_connect(None, to, None);
            self.asking.push(self.client.shard().call(connect).unwrap());
            self.rounds(2, 1, 0);
        }
    }

    /// So many times: some milliseconds pass, all clients read, and so many of the latest ask; then the other side has its
    /// turn. Returns what the clients read.
    fn rounds(&mut self, count: usize, millis: u64, asking: usize) -> usize {
        let mut read = 0;
        for _ in 0..count {
            self.clock
                .set(self.clock.now() + Duration::from_millis(millis));
            let shard = self.client.shard().clone();
            let turn = self.client.turn(|| {
                let quiet = self.asking.len() - asking;
                for (n, id) in self.asking.iter().enumerate() {
                    while let Ok(Some(bytes)) = shard.call(|core| core.tcp_read(*id)) {
                        read += bytes.len();
                    }
                    if n >= quiet {
                        let mut queue = ChunkQueue::from(Bytes::from_static(REQUEST));
                        shard.call(|core| core.tcp_write(*id, &mut queue)).unwrap();
                    }
                }
            });
            turn.unwrap();
            let shard = self.server.shard().clone();
            let (server, answering) = (&mut self.server, &mut self.answering);
            let asked = allocation_counter::measure(|| {
                server.turn(|| answering.act(&shard)).unwrap();
            });
            self.allocations += asked.count_total;
            self.kept += asked.bytes_current;
        }
        read
    }

    /// Connections that were used once each and then left alone: what the answering side keeps for one of a thousand.
    fn idle_bytes(mut self) -> i64 {
        self.open_and_leave(24);
        let before = self.kept;
        self.open_and_leave(1_000);
        (self.kept - before) / 1_000
    }

    fn open_and_leave(&mut self, count: usize) {
        for _ in 0..count {
            self.connect(1);
            self.rounds(1, 1, 1);
        }
        // Connections fall asleep after a second of silence.
        self.rounds(40, 100, 0);
    }
}

impl Answering {
    fn served(shard: &Shard) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("small"), [b'!'; 100]).unwrap();
        let runner = Runner::new(shard);
        let site = Site::new(Some(folder.path()), Options::default()).unwrap();
        let mut socket = TcpSocket::new(shard);
        socket.set(TcpOption::NoDelay(true)).unwrap();
        let address: SocketAddr = ([0, 0, 0, 0], 80).into();
        let listener = socket.bind(address).listen().unwrap();
        let accepting = accept(runner.tasks(), listener, (site, None), Rc::default());
        runner.tasks().spawn(accepting).detach();
        Self::Served(runner, folder)
    }

    fn engine(shard: &Shard) -> Self {
        let address: SocketAddr = ([0, 0, 0, 0], 80).into();
        let listen = |core: &mut Core| core.tcp_listen(address, Listen::default());
        Self::Engine(shard.call(listen).unwrap(), Vec::new())
    }

    fn act(&mut self, shard: &Shard) {
        match self {
            Self::Served(runner, _) => runner.run_until_stalled(),
            Self::Engine(listener, streams) => {
                while let Some(id) = shard.call(|core| core.tcp_accept(*listener)) {
                    streams.push((id, ChunkQueue::new()));
                }
                for (id, queue) in streams {
                    while let Ok(Some(_)) = shard.call(|core| core.tcp_read(*id)) {
                        queue.push_slice(&[b'!'; ANSWER]);
                        shard.call(|core| core.tcp_write(*id, queue)).unwrap();
                        queue.release();
                    }
                }
            }
        }
    }
}

#[test]
fn small_file_once_warm_is_answered_without_asking_for_memory() {
    let mut world = World::new(Answering::served);
    world.connect(4);
    // Until time has passed over every slot of the timers' finer wheels, and every buffer has its size.
    assert_eq!(world.rounds(5_000, 1, 4), 4_999 * 4 * ANSWER);
    let before = world.allocations;
    // The file is looked at again four times meanwhile.
    assert_eq!(world.rounds(2_000, 1, 4), 2_000 * 4 * ANSWER);
    assert_eq!(
        world.allocations - before,
        0,
        "allocations for 8000 requests"
    );
}

#[test]
fn idle_connection_keeps_little_more_than_the_engine_does() {
    let engine = World::new(Answering::engine).idle_bytes();
    let served = World::new(Answering::served).idle_bytes();
    assert!(
        served - engine <= IDLE_MAX,
        "{served} bytes, {engine} of them the engine's"
    );
}

#[test]
fn future_of_a_connection_is_as_small_as_it_was() {
    let size = size_of::<Conversation<TcpStream>>();
    assert!(size <= FUTURE_MAX, "{size} bytes");
}
