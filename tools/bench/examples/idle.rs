//! What many idle connections cost, in memory and for those that are busy.
//!
//! Job: open 1, 16, a thousand and a million connections on one endpoint, each of which has served a request, let
//! them fall quiet, and print the bytes of each, all in, and the time one more packet takes: for sixteen busy ones
//! among them, and for one anywhere, which sleeps and whose memory is cold.
//! Owns: peers made of segments. Does not know: devices; the engine alone is measured, timers included.
//! Run: `cargo run --release -p outcrop-bench --example idle [connections ..]`
#![forbid(unsafe_code)]

use core::error::Error;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::time::Instant as Clock;
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

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Connections that are busy beside the idle ones.
const BUSY: usize = 16;
/// Exchanges timed for one figure, and how often it is taken; the median counts.
const EXCHANGES: usize = 40_000;
const ROUNDS: usize = 7;
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

    /// Nanoseconds a packet takes where `next` says whose turn it is; the median of [`ROUNDS`].
    fn cost(&mut self, peers: &mut [Peer], mut next: impl FnMut() -> usize) -> Outcome<f64> {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let began = Clock::now();
            for _ in 0..EXCHANGES {
                let peer = peers.get_mut(next()).ok_or("no such peer")?;
                self.exchange(peer)?;
                self.pass(STEP * PACKETS);
            }
            let packets = f64::from(PACKETS) * f64::from(u32::try_from(EXCHANGES)?);
            rounds.push(began.elapsed().as_secs_f64() * 1e9 / packets);
        }
        rounds.sort_by(f64::total_cmp);
        Ok(rounds.get(ROUNDS / 2).copied().unwrap_or_default())
    }
}

/// What `count` connections cost: bytes each asked for and resident, nanoseconds a packet for sixteen busy ones
/// and for any.
fn measure(count: u32) -> Outcome<[f64; 4]> {
    let mut peers = Vec::with_capacity(usize::try_from(count)?);
    let (mut server, resident) = (Server::new()?, resident()?);
    let mut opened: Outcome<()> = Ok(());
    let memory = allocation_counter::measure(|| {
        opened = (0..count).try_for_each(|number| {
            peers.push(server.open(number)?);
            server.pass(STEP * 10);
            Ok(())
        });
        for _ in 0..1000 {
            server.pass(Duration::from_millis(10));
        }
    });
    opened?;
    let each = |bytes: i64| -> Outcome<f64> {
        Ok(f64::from(u32::try_from(bytes.max(0) / i64::from(count))?))
    };
    let held = each(memory.bytes_current)?;
    // The list of peers is ours, and grows into memory while they are opened.
    let ours = i64::try_from(size_of::<Peer>())?;
    let resident = each(self::resident()? - resident)? - each(ours * i64::from(count))?;

    let all = peers.len();
    let (stride, mut turn) = ((all / BUSY).max(1), 0);
    let busy = server.cost(&mut peers, || {
        turn = (turn + stride) % (stride * BUSY.min(all));
        turn
    })?;
    let mut random = Seed::from_number(2).random("peers");
    let any = server.cost(&mut peers, || pick(&mut random, all))?;
    Ok([held, resident, busy, any])
}

fn pick(random: &mut Random, among: usize) -> usize {
    let among = u64::try_from(among).unwrap_or(u64::MAX).max(1);
    usize::try_from(random.next_u64() % among).unwrap_or(0)
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
    let asked: Vec<u32> = env::args()
        .skip(1)
        .map(|n| n.parse())
        .collect::<Result<_, _>>()?;
    let counts = if asked.is_empty() {
        vec![1, 16, 1000, 1_000_000]
    } else {
        asked
    };
    println!(
        "| connections | bytes each, asked for | resident | ns a packet, 16 busy | ns a packet, any |"
    );
    println!("|---|---|---|---|---|");
    for count in counts {
        let [held, resident, busy, any] = measure(count)?;
        println!("| {count} | {held:.0} | {resident:.0} | {busy:.0} | {any:.0} |");
    }
    Ok(())
}
