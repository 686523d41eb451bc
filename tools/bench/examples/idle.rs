//! What many idle connections cost, in memory and for those that are busy.
//!
//! Job: open 1, 16, a thousand and a million connections on one endpoint, each of which has served a request, let
//! them fall quiet, and print the bytes of each, all in, and the processor time one more packet takes: for sixteen busy ones
//! among them, and for one anywhere, which sleeps and whose memory is cold.
//! Owns: peers made of segments. Does not know: devices; the engine alone is measured, timers included.
//! Run: `cargo run --release -p outcrop-bench --example idle [--json] [connections ..]`; `outcrop-bench` does, too.
#![forbid(unsafe_code)]

use core::error::Error;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::{env, fs};

use bytes::Bytes;
use outcrop_base::{
    Arrival, Cast, ChecksumState, ChunkQueue, Ecn, Instant, InterfaceId, PacketId, Path, Random,
    Seed,
};
use outcrop_tcp::{
    Config, ConnId, Endpoint, Flags, Listen, ListenerId, Options, Segment, SegmentHeader, SeqNum,
    Settings, Timestamps,
};
use rustix::time::{ClockId, clock_gettime};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Connections that are busy beside the idle ones.
const BUSY: usize = 16;
/// Exchanges timed for one figure, and how often each is taken, in turns; the median counts.
const EXCHANGES: usize = 20_000;
const ROUNDS: usize = 15;
/// Exchanges before the clock starts.
const WARM_UP: usize = 1_000;
/// Packets of one exchange: the request, the answer, its acknowledgment.
const PACKETS: u32 = 3;
/// Between two packets of a busy endpoint.
const STEP: Duration = Duration::from_micros(10);
const REQUEST: &[u8] = &[b'?'; 120];
const ANSWER: &[u8] = &[b'!'; 300];
const PAGE: i64 = 4096;

/// The other end of a connection: a few numbers.
#[derive(Clone, Copy)]
struct Peer {
    id: ConnId,
    addr: SocketAddr,
    seq: SeqNum,
    recent: u32,
    nxt: u32,
}

struct Server {
    tcp: Endpoint,
    now: Instant,
    listener: ListenerId,
    local: SocketAddr,
    request: Bytes,
    answer: ChunkQueue,
}

impl Server {
    fn new() -> Outcome<Self> {
        let config = Config {
            settings: Settings {
                nodelay: true,
                ..Settings::default()
            },
            ..Config::default()
        };
        let mut tcp = Endpoint::new(config, &Seed::from_number(1));
        let local = "10.0.0.1:80".parse()?;
        let listener = tcp.listen(local, Listen::default())?;
        Ok(Self {
            tcp,
            now: Instant::from_secs(1),
            listener,
            local,
            request: Bytes::from_static(REQUEST),
            answer: ChunkQueue::new(),
        })
    }

    /// A segment of `peer` arrives, and what it causes leaves.
    fn send(&mut self, peer: &mut Peer, flags: Flags, text: Bytes) -> Outcome<()> {
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
                    val: u32::try_from(self.now.as_millis())?,
                    ecr: peer.recent,
                }),
                ..Options::default()
            },
            ..SegmentHeader::default()
        };
        let len = u32::try_from(text.len())?;
        peer.nxt = peer.nxt.wrapping_add(len + u32::from(syn));
        let segment = Segment {
            src_port: peer.addr.port(),
            dst_port: self.local.port(),
            header,
            payload_len: len,
            bytes: Bytes::new(),
        };
        let arrival = Arrival {
            at: self.now,
            id: PacketId(1),
            iface: InterfaceId(0),
            src: peer.addr.ip(),
            dst: self.local.ip(),
            cast: Cast::Unicast,
            ecn: Ecn::NotEct,
            hop_limit: 64,
            checksum: ChecksumState::Verified,
            gso_size: None,
            path: Path::plain(1500),
        };
        let verdict = self.tcp.handle_segment(&arrival, segment, text);
        if let Some(reason) = verdict.drop_reason() {
            return Err(format!("a segment was dropped: {reason:?}").into());
        }
        self.flush(peer)
    }

    fn flush(&mut self, peer: &mut Peer) -> Outcome<()> {
        while let Some(t) = self.tcp.poll_transmit(self.now) {
            let len = u32::try_from(t.range.len())? + u32::from(t.header.flags.syn());
            peer.seq = t.header.seq + len;
            peer.recent = t.header.options.timestamps.map_or(0, |ts| ts.val);
        }
        Ok(())
    }

    /// Time passes, and the timers with it.
    fn pass(&mut self, span: Duration) {
        self.now += span;
        if self.tcp.poll_timeout().is_some_and(|at| at <= self.now) {
            self.tcp.handle_timeout(self.now);
            // As a driver does; nobody has anything to send.
            while self.tcp.poll_transmit(self.now).is_some() {}
        }
    }

    /// Nothing happens for a while: everybody falls asleep.
    fn rest(&mut self) {
        for _ in 0..1000 {
            self.pass(Duration::from_millis(10));
        }
    }

    /// The connection with this number, which has served one request.
    fn open(&mut self, number: u32) -> Outcome<Peer> {
        let port = 1024 + u16::try_from(number % 50_000)?;
        let mut peer = Peer {
            id: ConnId {
                slot: 0,
                generation: 0,
            },
            addr: (Ipv4Addr::from(0x0a01_0000 + number / 50_000), port).into(),
            seq: SeqNum::new(0),
            recent: 0,
            nxt: 1,
        };
        self.send(&mut peer, Flags::SYN, Bytes::new())?;
        self.send(&mut peer, Flags::ACK, Bytes::new())?;
        peer.id = self.tcp.accept(self.listener).ok_or("nothing to accept")?;
        self.exchange(&mut peer)?;
        Ok(peer)
    }

    /// A request, the answer, its acknowledgment.
    fn exchange(&mut self, peer: &mut Peer) -> Outcome<()> {
        self.send(peer, Flags::ACK | Flags::PSH, self.request.clone())?;
        self.tcp.read(peer.id)?.ok_or("an early end")?;
        self.answer.push_slice(ANSWER);
        self.tcp.write(peer.id, &mut self.answer)?;
        self.flush(peer)?;
        self.send(peer, Flags::ACK, Bytes::new())?;
        while self.tcp.poll_event().is_some() {}
        Ok(())
    }

    /// Nanoseconds a packet takes where `next` says whose turn it is.
    fn cost(&mut self, peers: &mut [Peer], mut next: impl FnMut() -> usize) -> Outcome<f64> {
        let mut began = thread_time();
        for exchange in 0..WARM_UP + EXCHANGES {
            if exchange == WARM_UP {
                began = thread_time();
            }
            let peer = peers.get_mut(next()).ok_or("no such peer")?;
            self.exchange(peer)?;
            self.pass(STEP * PACKETS);
        }
        let packets = f64::from(PACKETS) * f64::from(u32::try_from(EXCHANGES)?);
        Ok((thread_time() - began).as_secs_f64() * 1e9 / packets)
    }
}

/// A server with its connections, and what they cost.
struct World {
    server: Server,
    peers: Vec<Peer>,
    /// Bytes each asked for, and resident.
    held: f64,
    resident: f64,
    busy: Vec<f64>,
    any: Vec<f64>,
}

impl World {
    /// Opens `count` connections and lets them fall quiet.
    fn open(count: u32) -> Outcome<Self> {
        let mut peers = Vec::with_capacity(usize::try_from(count)?);
        let (mut server, before) = (Server::new()?, resident()?);
        let mut opened: Outcome<()> = Ok(());
        let memory = allocation_counter::measure(|| {
            opened = (0..count).try_for_each(|number| {
                peers.push(server.open(number)?);
                server.pass(STEP * 10);
                Ok(())
            });
            server.rest();
        });
        opened?;
        let each = |bytes: i64| -> Outcome<f64> {
            Ok(f64::from(u32::try_from(bytes.max(0) / i64::from(count))?))
        };
        // The list of peers is ours, and comes into memory while they are opened.
        let ours = i64::try_from(size_of::<Peer>())? * i64::from(count);
        Ok(Self {
            held: each(memory.bytes_current)?,
            resident: each(resident()? - before - ours)?,
            server,
            peers,
            busy: Vec::new(),
            any: Vec::new(),
        })
    }

    /// One more figure for sixteen busy ones, spread over all, and for one anywhere.
    fn take_turn(&mut self, random: &mut Random) -> Outcome<()> {
        let all = self.peers.len();
        self.server.rest();
        let (stride, mut turn) = ((all / BUSY).max(1), 0);
        let busy = self.server.cost(&mut self.peers, || {
            turn = (turn + stride) % (stride * BUSY.min(all));
            turn
        })?;
        let any = self.server.cost(&mut self.peers, || pick(random, all))?;
        self.busy.push(busy);
        self.any.push(any);
        Ok(())
    }
}

/// The least of what was measured, the middle and the most.
fn spread(figures: &mut [f64]) -> [f64; 3] {
    figures.sort_by(f64::total_cmp);
    let at = |index: usize| figures.get(index).copied().unwrap_or_default();
    let last = figures.len().saturating_sub(1);
    [at(0), at(last / 2), at(last)]
}

/// A line for people, or one for `outcrop-bench`.
fn said(world: &mut World, json: bool) -> String {
    let [busy, any] = [spread(&mut world.busy), spread(&mut world.any)];
    let (count, held, resident) = (world.peers.len(), world.held, world.resident);
    if json {
        let [busy, any] = [busy, any].map(|[least, median, most]| {
            format!(r#"{{"least":{least:.0},"median":{median:.0},"most":{most:.0}}}"#)
        });
        return format!(
            r#"{{"connections":{count},"bytes":{held:.0},"resident":{resident:.0},"busy":{busy},"any":{any}}}"#
        );
    }
    let [busy, any] =
        [busy, any].map(|[least, median, most]| format!("{median:.0} ({least:.0}-{most:.0})"));
    format!("| {count} | {held:.0} | {resident:.0} | {busy} | {any} |")
}

fn pick(random: &mut Random, among: usize) -> usize {
    let among = u64::try_from(among).unwrap_or(u64::MAX).max(1);
    usize::try_from(random.next_u64() % among).unwrap_or(0)
}

/// Processor time of this thread: what others do on the machine counts only by the caches they take.
fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// Bytes of this process in memory.
fn resident() -> Outcome<i64> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages: i64 = statm
        .split(' ')
        .nth(1)
        .ok_or("no resident pages")?
        .parse()?;
    Ok(pages * PAGE)
}

fn main() -> Outcome<()> {
    let (flags, asked): (Vec<_>, Vec<_>) = env::args().skip(1).partition(|word| word == "--json");
    let json = !flags.is_empty();
    let asked: Vec<u32> = asked.iter().map(|n| n.parse()).collect::<Result<_, _>>()?;
    let counts = if asked.is_empty() {
        vec![1, 16, 1000, 1_000_000]
    } else {
        asked
    };
    let mut worlds: Vec<World> = counts
        .into_iter()
        .map(World::open)
        .collect::<Outcome<_>>()?;
    let mut random = Seed::from_number(2).random("peers");
    // In turns: what else the machine does meanwhile touches all alike.
    for _ in 0..ROUNDS {
        for world in &mut worlds {
            world.take_turn(&mut random)?;
        }
    }
    if !json {
        println!(
            "| connections | bytes each, asked for | resident | ns a packet, 16 busy | ns a packet, any |"
        );
        println!("|---|---|---|---|---|");
    }
    for world in &mut worlds {
        println!("{}", said(world, json));
    }
    Ok(())
}
