//! How much of a path one connection uses.
//!
//! ```text
//!   source ── engine ══ bottleneck: rate, queue, loss, delay ══ engine ── sink
//!                   ◄══════════════ the same delay ═════════════
//! ```
//! Job: one bulk transfer between two engines in virtual time, and the goodput of it; the matrix of [`Cell`]s
//! that is kept as a snapshot. Owns: the paths of the matrix. Does not know: what a figure should be; the tests
//! compare with theory.
//! The source always has something to send, the sink reads at once. A figure is a function of its cell: the
//! snapshot in `fixtures/throughput/matrix.txt` is compared to the byte.

use core::fmt;
use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{ChunkQueue, Flow, Instant, Path, Seed, Transport};
use outcrop_netem::{Config as LinkConfig, Duplex, Packet};
use outcrop_tcp::{Algorithm, Config, ConnId, Endpoint, Event, Info, Listen, Settings};

use crate::wire;

/// The bottleneck of every cell of the matrix: 100 Mbit/s, counted over TCP's header and payload.
pub const RATE: u64 = 12_500_000;
/// Its shallow queue.
pub const SHALLOW: usize = 64 * 1024;
/// Its deep queue.
pub const DEEP: usize = 1024 * 1024;
/// The smaller buffers of the matrix, fixed.
pub const SMALL_BUFFER: u32 = 64 * 1024;
/// The larger ones: they begin as small as by default and grow to this.
pub const LARGE_BUFFER: u32 = 4 * 1024 * 1024;
/// Buffers up to here are of their size from the start.
const FIXED: u32 = 1024 * 1024;
/// The longest a cell is watched.
const LONGEST: Duration = Duration::from_secs(20);
/// And the shortest.
const SHORTEST: Duration = Duration::from_secs(4);
/// Round trips a cell is watched for, within these.
const ROUNDS: u32 = 100;

/// A path, and who uses it how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// The sender's controller.
    pub controller: Algorithm,
    /// Chance of losing a packet with data.
    pub loss: f64,
    /// The round trip without queueing.
    pub rtt: Duration,
    /// Bytes either end may hold; more than a mebibyte is grown into.
    pub buffer: u32,
    /// Bytes that may wait at the bottleneck.
    pub queue: usize,
    /// Bytes a second.
    pub rate: u64,
    /// Whether a sender whose controller does not ask for it spreads its window over the round trip.
    pub pacing: bool,
}

impl Cell {
    /// Everything in the snapshot, in its order.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::matrix().chain(Self::bottleneck())
    }

    /// A pipe of 200 Mbit/s and a tenth of a second behind a queue of 64 KiB, a fortieth of what it holds: what
    /// bursts cost, with and without pacing, in a small window and in one larger than the pipe.
    pub fn bottleneck() -> impl Iterator<Item = Self> {
        let controllers = [Algorithm::NewReno, Algorithm::Cubic, Algorithm::Bbr];
        let cells = controllers.into_iter().flat_map(|controller| {
            [256 * 1024, 8 * 1024 * 1024]
                .into_iter()
                .map(move |buffer| (controller, buffer))
        });
        cells.flat_map(|(controller, buffer)| {
            [false, true].into_iter().map(move |pacing| Self {
                controller,
                loss: 0.0,
                rtt: Duration::from_millis(100),
                buffer,
                queue: SHALLOW,
                rate: 25_000_000,
                pacing,
            })
        })
    }

    /// The matrix: 240 cells.
    pub fn matrix() -> impl Iterator<Item = Self> {
        let controllers = [Algorithm::NewReno, Algorithm::Cubic, Algorithm::Bbr];
        let cells = controllers.into_iter().flat_map(|controller| {
            [0.0, 0.001, 0.01, 0.02, 0.05]
                .into_iter()
                .map(move |loss| (controller, loss))
        });
        let cells = cells.flat_map(|(controller, loss)| {
            [1, 10, 50, 200]
                .into_iter()
                .map(move |millis| (controller, loss, Duration::from_millis(millis)))
        });
        let cells = cells.flat_map(|cell| {
            [SMALL_BUFFER, LARGE_BUFFER]
                .into_iter()
                .map(move |buffer| (cell, buffer))
        });
        cells.flat_map(|((controller, loss, rtt), buffer)| {
            [SHALLOW, DEEP].into_iter().map(move |queue| Self {
                controller,
                loss,
                rtt,
                buffer,
                queue,
                rate: RATE,
                pacing: true,
            })
        })
    }

    /// How long it is watched, from the SYN on: a hundred round trips within bounds.
    #[must_use]
    pub fn span(&self) -> Duration {
        (self.rtt * ROUNDS).clamp(SHORTEST, LONGEST)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let controller = match self.controller {
            Algorithm::NewReno => "newreno",
            Algorithm::Cubic => "cubic",
            Algorithm::Bbr => "bbr",
        };
        write!(
            f,
            "{controller:<8} loss={:<5} rtt={:<6} buffer={:<6} queue={:<6}",
            format!("{}%", self.loss * 100.0),
            format!("{:?}", self.rtt),
            format!("{}k", self.buffer / 1024),
            format!("{}k", self.queue / 1024),
        )?;
        if self.rate != RATE || !self.pacing {
            let paced = if self.pacing { "" } else { " unpaced" };
            write!(f, " rate={}M{paced}", self.rate * 8 / 1_000_000)?;
        }
        Ok(())
    }
}

/// What came of a cell.
#[derive(Clone, Debug)]
pub struct Goodput {
    /// Bytes a second that reached the sink's program.
    pub rate: u64,
    /// The sender at the end.
    pub sender: Option<Info>,
    /// Packets the bottleneck's queue had no room for, or chance lost.
    pub dropped: u64,
    /// Packets with data that were offered to it.
    pub offered: u64,
}

impl Goodput {
    /// The cell's line of the snapshot.
    #[must_use]
    pub fn line(&self, cell: &Cell) -> String {
        let share = self.rate * 100 / cell.rate.max(1);
        let (rate, offered, dropped) = (self.rate, self.offered, self.dropped);
        format!("{cell} | {rate} B/s, {share} %; {dropped} of {offered} packets lost")
    }
}

/// Runs a cell to the end of its span.
#[must_use]
pub fn measure(cell: &Cell) -> Goodput {
    let mut world = World::new(cell);
    let span = cell.span();
    let end = Instant::ZERO + span;
    loop {
        world.turn();
        match world.next() {
            Some(next) if next <= end => world.now = world.now.max(next),
            Some(_) | None => break,
        }
    }
    let sender = world.source.id.and_then(|id| world.source.tcp.info(id));
    let nanos = span.as_nanos().max(1);
    let rate = u128::from(world.received) * 1_000_000_000 / nanos;
    Goodput {
        rate: u64::try_from(rate).unwrap_or(u64::MAX),
        sender,
        dropped: world.dropped,
        offered: world.link.forward.count(),
    }
}

struct Host {
    tcp: Endpoint,
    id: Option<ConnId>,
    path: Path,
}

struct World {
    now: Instant,
    source: Host,
    sink: Host,
    link: Duplex,
    /// What the source repeats for ever.
    piece: Bytes,
    pending: ChunkQueue,
    received: u64,
    dropped: u64,
    packets: u64,
}

/// What the source writes at a time.
const PIECE: usize = 256 * 1024;

impl World {
    fn new(cell: &Cell) -> Self {
        let seed = Seed::from_number(1);
        let grown = Settings {
            congestion: cell.controller,
            pacing: cell.pacing,
            receive_buffer_max: Some(cell.buffer),
            send_buffer_max: Some(cell.buffer),
            ..Settings::default()
        };
        let settings = if cell.buffer > FIXED {
            grown
        } else {
            Settings {
                receive_buffer: cell.buffer,
                receive_buffer_max: None,
                send_buffer: cell.buffer,
                send_buffer_max: None,
                ..grown
            }
        };
        let config = Config {
            settings,
            ..Config::default()
        };
        let host = |label| Host {
            tcp: Endpoint::new(config.clone(), &seed.split(label)),
            id: None,
            path: Path::plain(1500),
        };
        let there = LinkConfig {
            delay: cell.rtt / 2,
            loss: cell.loss,
            rate: Some(cell.rate),
            queue: Some(cell.queue),
            ..LinkConfig::default()
        };
        let back = LinkConfig::delay(cell.rtt - cell.rtt / 2);
        let mut world = Self {
            now: Instant::ZERO,
            source: host("source"),
            sink: host("sink"),
            link: Duplex::new(there, back, &seed),
            piece: Bytes::from(vec![b'.'; PIECE]),
            pending: ChunkQueue::new(),
            received: 0,
            dropped: 0,
            packets: 0,
        };
        world.open();
        world
    }

    fn open(&mut self) {
        let flow = flow();
        let _listener = self.sink.tcp.listen(flow.remote, Listen::default());
        let connected = self
            .source
            .tcp
            .connect(flow.local, flow.remote, self.source.path, None);
        self.source.id = connected.ok();
    }

    /// Both ends do what they can now, packets due included.
    fn turn(&mut self) {
        let now = self.now;
        let flow = flow();
        while let Some(packet) = self.link.forward.poll_transmit(now) {
            self.packets += 1;
            let a = wire::arrival(now, self.packets, &flow, self.sink.path);
            let _verdict = wire::deliver(&mut self.sink.tcp, &a, packet.bytes);
        }
        let flow = Flow {
            local: flow.remote,
            remote: flow.local,
            ..flow
        };
        while let Some(packet) = self.link.backward.poll_transmit(now) {
            self.packets += 1;
            let a = wire::arrival(now, self.packets, &flow, self.source.path);
            let _verdict = wire::deliver(&mut self.source.tcp, &a, packet.bytes);
        }
        for host in [&mut self.source, &mut self.sink] {
            host.tcp.handle_timeout(now);
            while let Some(event) = host.tcp.poll_event() {
                if let Event::Acceptable(listener) = event {
                    host.id = host.tcp.accept(listener).or(host.id);
                }
            }
        }
        self.write();
        self.read();
        self.flush();
    }

    fn write(&mut self) {
        let Some(id) = self.source.id else { return };
        loop {
            if self.pending.is_empty() {
                self.pending.push(self.piece.clone());
            }
            let written = self.source.tcp.write(id, &mut self.pending);
            if !self.pending.is_empty() || written.is_err() {
                return;
            }
        }
    }

    fn read(&mut self) {
        let Some(id) = self.sink.id else { return };
        while let Ok(Some(bytes)) = self.sink.tcp.read(id) {
            self.received += bytes.len() as u64;
        }
    }

    fn flush(&mut self) {
        let now = self.now;
        while let Some(plan) = self.source.tcp.poll_transmit(now) {
            let bytes = wire::emit(&self.source.tcp, &plan);
            let fate = self
                .link
                .forward
                .handle_packet(now, Packet { bytes, tag: 0 });
            self.dropped += u64::from(fate.drop_reason().is_some());
        }
        while let Some(plan) = self.sink.tcp.poll_transmit(now) {
            let bytes = wire::emit(&self.sink.tcp, &plan);
            let _fate = self
                .link
                .backward
                .handle_packet(now, Packet { bytes, tag: 0 });
        }
        self.source.tcp.check();
        self.sink.tcp.check();
    }

    fn next(&self) -> Option<Instant> {
        let times = [
            self.source.tcp.poll_timeout(),
            self.sink.tcp.poll_timeout(),
            self.link.poll_timeout(),
        ];
        times.into_iter().flatten().min()
    }
}

/// The connection, seen from the source.
fn flow() -> Flow {
    Flow {
        transport: Transport::Tcp,
        local: ([10, 0, 0, 1], 40_000).into(),
        remote: ([10, 0, 0, 2], 80).into(),
    }
}
