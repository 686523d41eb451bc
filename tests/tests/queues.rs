//! A TUN with several queues and a shard for each: the kernel's clients are answered, and no flow is reordered or moved.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use core::net::SocketAddr;
use core::num::NonZeroU16;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use outcrop_base::{
    ChunkQueue, Direction, Fact, Instant, InterfaceId, Level, PacketRecord, Recorder, Seed, Share,
    WallClock,
};
use outcrop_device::kernel::Interface;
use outcrop_device::namespace::{Namespace, holder_main};
use outcrop_device::{Clock, Device as _, Format, Tun};
use outcrop_socket::{TcpListener, TcpStream};
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::{Config, Core, Counters, Driver, Shard, Tasks, ring, run_all, settle_all};

const QUEUES: u16 = 4;
const CLIENTS: usize = 120;
/// Connections each shard opens.
const CALLS: usize = 6;
const IFACE: InterfaceId = InterfaceId(0);
const PATIENCE: Duration = Duration::from_millis(20);

#[test]
fn namespace_holder() {
    holder_main();
}

/// A flow by the ports of both ends: ours first.
type Ports = (u16, u16);

/// What came in at one queue: for each flow how far its bytes are known, and segments that left a gap.
#[derive(Debug, Default)]
struct Arrivals {
    next: BTreeMap<Ports, u32>,
    gaps: Vec<Ports>,
}

impl Recorder for Arrivals {
    fn level(&self) -> Level {
        Level::Full
    }

    fn packet(&mut self, record: &PacketRecord<'_>) {
        let elsewhere = record.verdict.map(|verdict| verdict.rule.name);
        if record.direction == Direction::Out || elsewhere == Some("stack:elsewhere") {
            return;
        }
        let packet: Vec<u8> = record
            .bytes
            .iter()
            .flat_map(|piece| piece.to_vec())
            .collect();
        if packet.get(9) == Some(&6) {
            self.segment(&packet);
        }
    }

    fn fact(&mut self, _: Instant, _: &Fact) {}

    fn secret(&mut self, _: &str) {}
}

impl Arrivals {
    /// RFC 791 3.1 and RFC 9293 3.1.
    fn segment(&mut self, packet: &[u8]) {
        let u16_at = |at: usize| u16::from_be_bytes(*packet[at..].first_chunk().unwrap());
        let tcp = usize::from(packet[0] & 15) * 4;
        let flow = (u16_at(tcp + 2), u16_at(tcp));
        let seq = u32::from_be_bytes(*packet[tcp + 4..].first_chunk().unwrap());
        let text = packet.len() - tcp - usize::from(packet[tcp + 12] >> 4) * 4;
        let counts = u32::try_from(text).unwrap() + u32::from(packet[tcp + 13] & 3 != 0);
        let next = *self.next.entry(flow).or_insert(seq);
        // Said again is no disorder; said before what comes first is.
        if seq.wrapping_sub(next).cast_signed() > 0 {
            self.gaps.push(flow);
        }
        let end = seq.wrapping_add(counts);
        if end.wrapping_sub(next).cast_signed() > 0 {
            self.next.insert(flow, end);
        }
    }
}

/// A private network with a TUN of several queues.
fn network(clock: &Clock) -> (Namespace, Vec<Tun>) {
    let mut interface = Interface::new("tun0").address("10.77.0.1".parse().unwrap(), 24);
    interface.format = Format::Offload;
    interface.queues = NonZeroU16::new(QUEUES).unwrap();
    match Namespace::create(&[interface], clock) {
        Ok(made) => made,
        Err(error) => panic!("this test needs a private network: {error}"),
    }
}

fn driver(tun: Tun, index: u16, clock: &Clock) -> Driver<Tun, Arrivals> {
    let config = Config {
        share: Share::new(index, QUEUES).unwrap(),
        ..Config::default()
    };
    let mut core = Core::new(config, &Seed::from_number(u64::from(index)));
    let ours = Cidr::new("10.77.0.2".parse().unwrap(), 24).unwrap();
    core.add_interface(InterfaceConfig {
        gso_max: tun.caps().gso_max,
        checksum_offload: true,
        ..InterfaceConfig::tun(IFACE, 1500, vec![ours])
    })
    .unwrap();
    let wall = WallClock::new(Duration::ZERO);
    let shard = Shard::new(core, clock.clone(), wall).unwrap();
    Driver::new(shard, IFACE, tun, Arrivals::default())
}

/// Echoes for whoever comes, and calls whoever is silent, until the peer has ended; how many calls were answered.
async fn program(shard: Shard, tasks: Tasks, over: Arc<AtomicBool>) -> usize {
    let listener = TcpListener::bind(&shard, "10.77.0.2:7".parse().unwrap()).unwrap();
    let accepting = tasks.clone();
    tasks
        .spawn(async move {
            while let Ok(stream) = listener.accept().await {
                accepting.spawn(echo(stream)).detach();
            }
        })
        .detach();
    let calls = (0..CALLS).map(|_| tasks.spawn(call(shard.clone())));
    let calls: Vec<_> = calls.collect();
    let mut answered = 0;
    for call in calls {
        answered += usize::from(call.await == 12_000);
    }
    while !over.load(Ordering::Relaxed) {
        shard.sleep_until(shard.now() + PATIENCE).await;
    }
    answered
}

async fn echo(mut stream: TcpStream) {
    while let Ok(Some(bytes)) = stream.read_chunk().await {
        if stream
            .write_queue(&mut ChunkQueue::from(bytes))
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Says hello, and gives back what is said after a silence; how much that was.
async fn call(shard: Shard) -> usize {
    let server: SocketAddr = "10.77.0.1:9000".parse().unwrap();
    let mut stream = loop {
        // The peer may not listen yet.
        match TcpStream::connect(&shard, server).await {
            Ok(stream) => break stream,
            Err(_) => shard.sleep_until(shard.now() + PATIENCE).await,
        }
    };
    stream.write_all(b"hello").await.unwrap();
    let mut heard = 0;
    while let Ok(Some(bytes)) = stream.read_chunk().await {
        heard += bytes.len();
        stream
            .write_queue(&mut ChunkQueue::from(bytes))
            .await
            .unwrap();
    }
    heard
}

fn peer(namespace: &Namespace) -> std::process::Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/queues_peer.py");
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "120", "python3"]).arg(script);
    command.args([CLIENTS, 20, usize::from(QUEUES) * CALLS].map(|number| number.to_string()));
    command.stdout(Stdio::piped());
    namespace.spawn(command).unwrap()
}

#[test]
fn many_kernel_clients_over_four_queues_all_are_answered_in_order_and_no_flow_moves() {
    let clock = Clock::start();
    let (namespace, tuns) = network(&clock);
    let drivers = tuns.into_iter().zip(0..);
    let drivers: Vec<_> = drivers
        .map(|(tun, index)| driver(tun, index, &clock))
        .collect();
    let mut drivers = ring(drivers);
    let over = Arc::new(AtomicBool::new(false));
    let child = peer(&namespace);
    let tell = Arc::clone(&over);
    let waiting = thread::spawn(move || {
        let output = child.wait_with_output().unwrap();
        tell.store(true, Ordering::Relaxed);
        output
    });
    let shards: Vec<_> = drivers
        .iter()
        .map(|driver| driver.shard().clone())
        .collect();
    let mains = shards.into_iter().map(|shard| {
        let over = Arc::clone(&over);
        move |tasks| program(shard, tasks, over)
    });
    let answered = run_all(&mut drivers, mains).unwrap();
    settle_all(&mut drivers, Duration::from_secs(2)).unwrap();
    let output = waiting.join().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n");
    assert_eq!(
        answered, [CALLS; QUEUES as usize],
        "calls answered in each shard"
    );
    judge(drivers);
}

/// Each flow that the kernel opened came in at one queue, without a gap; all queues had some.
fn judge(drivers: Vec<Driver<Tun, Arrivals>>) {
    let mut all = Counters::default();
    let mut seen = BTreeSet::new();
    for driver in drivers {
        let (_, arrivals, counters) = driver.into_parts();
        all.add(&counters);
        assert_eq!(arrivals.gaps, [], "segments before those that come first");
        let opened_by_kernel = |(ours, _): &&Ports| *ours == 7;
        let here: Vec<_> = arrivals.next.keys().filter(opened_by_kernel).collect();
        assert!(!here.is_empty(), "a queue without flows of {CLIENTS}");
        for flow in here {
            assert!(seen.insert(*flow), "{flow:?} came in at two queues");
        }
    }
    assert_eq!(seen.len(), CLIENTS);
    // Of flows we opened the kernel forgets where they belong: some came in elsewhere, and went round.
    println!("{} packets were handed on", all.strays_out);
}
