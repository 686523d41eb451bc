//! A request from the device to a handler and back.
//!
//! Job: the whole stack of a server, fed with packets that a client's stack sent before: a run is a function of its
//! inputs, so the second server answers as the first did, and only it is counted. Owns: both runs.
//! Does not know: system calls; the device is a list in memory.

use core::hint::black_box;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use iai_callgrind::library_benchmark;
use outcrop_base::{ChunkQueue, Instant, InterfaceId, Seed, WallClock};
use outcrop_device::{
    Caps, Clock, Device, Doorbell, Dry, Offload, PairEnd, Pool, Received, RxOffload, WakeSource,
    pair,
};
use outcrop_http::h1::RequestHead;
use outcrop_http::serve::{self, About, ConnectionInfo};
use outcrop_http::sleeper;
use outcrop_socket::{TcpListener, TcpStream};
use outcrop_stack::ip::{Cidr, InterfaceConfig};
use outcrop_stack::{Config, Core, Driver, Runner, Shard, StreamId, Tasks};

use crate::parts::{answer, http, request};

/// Connections, and turns before counting begins and while it lasts.
const CONNECTIONS: usize = 8;
const WARM: usize = 200;
const COUNTED: usize = 25;
/// Requests of one connection in one turn, where they are pipelined.
const DEPTH: usize = 16;
const STEP: Duration = Duration::from_millis(1);
const LINK: InterfaceId = InterfaceId(1);
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
const OFFLOAD: Caps = Caps {
    gso_max: 65_535,
    checksum_tx: true,
    checksum_rx: true,
    ..Caps::plain(1500)
};

/// What one turn of the server received, and when.
type Turn = (Instant, Vec<(Bytes, RxOffload)>);
type Tape = Arc<Mutex<Vec<Turn>>>;

/// Writes down what the server receives.
struct Recording {
    end: PairEnd,
    tape: Tape,
    clock: Clock,
}

impl Device for Recording {
    fn caps(&self) -> Caps {
        self.end.caps()
    }

    fn receive(&mut self, pool: &mut Pool, out: &mut Vec<Received>, max: usize) -> io::Result<Dry> {
        let dry = self.end.receive(pool, out, max)?;
        let copies = out.iter().map(|received| {
            let bytes = Bytes::copy_from_slice(&received.bytes);
            (bytes, received.offload)
        });
        let turn = (self.clock.now(), copies.collect());
        let mut tape = self.tape.lock().unwrap_or_else(PoisonError::into_inner);
        tape.push(turn);
        Ok(dry)
    }

    fn room(&self) -> bool {
        self.end.room()
    }

    fn transmit(&mut self, packet: &[IoSlice<'_>], offload: Offload) -> io::Result<()> {
        self.end.transmit(packet, offload)
    }

    fn wake_source(&self) -> WakeSource<'_> {
        self.end.wake_source()
    }
}

/// Gives what was written down, and forgets what is sent.
#[derive(Default)]
struct Playback {
    turns: VecDeque<Turn>,
    clock: Option<Clock>,
    bell: Doorbell,
}

impl Device for Playback {
    fn caps(&self) -> Caps {
        OFFLOAD
    }

    fn receive(&mut self, _: &mut Pool, out: &mut Vec<Received>, _: usize) -> io::Result<Dry> {
        if let (Some((at, batch)), Some(clock)) = (self.turns.pop_front(), &self.clock) {
            clock.set(at);
            let units = batch.into_iter();
            out.extend(units.map(|(bytes, offload)| Received { at, bytes, offload }));
        }
        Ok(Dry::Yes)
    }

    fn room(&self) -> bool {
        true
    }

    fn transmit(&mut self, packet: &[IoSlice<'_>], offload: Offload) -> io::Result<()> {
        black_box((packet, offload));
        Ok(())
    }

    fn wake_source(&self) -> WakeSource<'_> {
        WakeSource::Memory(&self.bell)
    }
}

#[expect(clippy::unwrap_used, reason = "fixed inputs")]
fn driver<D: Device>(address: IpAddr, device: D, clock: &Clock) -> Driver<D> {
    let mut core = Core::new(Config::default(), &Seed::from_number(1));
    let addresses = vec![Cidr::new(address, 24).unwrap()];
    core.add_interface(InterfaceConfig {
        gso_max: OFFLOAD.gso_max,
        checksum_offload: true,
        ..InterfaceConfig::tun(LINK, 1500, addresses)
    })
    .unwrap();
    let wall = WallClock::new(Duration::ZERO);
    let shard = Shard::new(core, clock.clone(), wall).unwrap();
    Driver::new(shard, LINK, device, ())
}

/// A server with its tasks.
pub(crate) struct Host<D> {
    driver: Driver<D>,
    runner: Runner,
}

impl<D: Device> Host<D> {
    #[expect(clippy::unwrap_used, reason = "fixed inputs")]
    fn new(device: D, clock: &Clock) -> Self {
        let driver = driver(SERVER, device, clock);
        let runner = Runner::new(driver.shard());
        let listener = TcpListener::bind(driver.shard(), SocketAddr::new(SERVER, 80)).unwrap();
        let tasks = runner.tasks();
        tasks.spawn(accept(runner.tasks(), listener)).detach();
        Self { driver, runner }
    }

    #[expect(clippy::unwrap_used, reason = "a device in memory does not fail")]
    fn turn(&mut self) {
        let runner = &mut self.runner;
        self.driver.turn(|| runner.run_until_stalled()).unwrap();
    }
}

async fn accept(tasks: Tasks, listener: TcpListener) {
    while let Ok(stream) = listener.accept().await {
        tasks.spawn(converse(stream)).detach();
    }
}

async fn converse(stream: TcpStream) {
    let (clock, timer) = (stream.shard().clone(), stream.shard().clone());
    let sleep = sleeper(move || clock.turn(), move |at| timer.sleep_until(at));
    let page = Arc::new(answer());
    let handler = move |_: &RequestHead, _: &About| Arc::clone(&page);
    let config = serve::Config {
        http: http(),
        ..serve::Config::default()
    };
    let served = serve::inline(stream, sleep, handler, config, ConnectionInfo::default());
    let _summary = served.await;
}

/// How a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Again on each connection, when its answer came.
    KeptAlive,
    /// The same, [`DEPTH`] at once.
    Pipelined,
    /// Once on each.
    Closing,
}

/// A client that asks again on every connection whose answer came, or on a new one each turn.
struct Client {
    driver: Driver<PairEnd>,
    open: Vec<StreamId>,
    manner: Manner,
    answers: usize,
}

impl Client {
    #[expect(clippy::unwrap_used, reason = "fixed inputs")]
    fn turn(&mut self) {
        let shard = self.driver.shard().clone();
        let (open, manner) = (&mut self.open, self.manner);
        let closing = manner == Manner::Closing;
        let mut answers = 0;
        let act = || {
            open.retain(|id| {
                let (came, ended) = drain(&shard, *id);
                answers += usize::from(came);
                if ended {
                    shard.call(|core| core.tcp_close(*id)).unwrap();
                } else if came && !closing {
                    ask(&shard, *id, manner);
                }
                !ended
            });
            if closing || open.len() < CONNECTIONS {
                let remote = SocketAddr::new(SERVER, 80);
                let id = shard.call(|core| core.tcp_connect(None, remote, None));
                open.push(id.unwrap());
                ask(&shard, id.unwrap(), manner);
            }
        };
        self.driver.turn(act).unwrap();
        self.answers += answers;
    }
}

/// Whether anything came, and whether the server has finished.
fn drain(shard: &Shard, id: StreamId) -> (bool, bool) {
    let mut came = false;
    loop {
        match shard.call(|core| core.tcp_read(id)) {
            Ok(Some(_)) => came = true,
            Ok(None) => return (came, true),
            Err(_) => return (came, false),
        }
    }
}

#[expect(clippy::unwrap_used, reason = "there is always room for a request")]
fn ask(shard: &Shard, id: StreamId, manner: Manner) {
    let mut queue = ChunkQueue::new();
    match manner {
        Manner::KeptAlive => queue.push(request()),
        Manner::Pipelined => (0..DEPTH).for_each(|_| queue.push(request())),
        Manner::Closing => {
            queue.push_slice(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        }
    }
    shard.call(|core| core.tcp_write(id, &mut queue)).unwrap();
}

/// Lets a client talk to a server, and returns what the server received in each turn.
fn recorded(manner: Manner) -> Vec<Turn> {
    let clock = Clock::manual();
    let (a, b) = pair(OFFLOAD, &clock);
    let tape = Tape::default();
    let recording = Recording {
        end: b,
        tape: Arc::clone(&tape),
        clock: clock.clone(),
    };
    let mut server = Host::new(recording, &clock);
    let mut client = Client {
        driver: driver(CLIENT, a, &clock),
        open: Vec::new(),
        manner,
        answers: 0,
    };
    for turn in 0..WARM + COUNTED {
        let before = client.answers;
        clock.set(clock.now() + STEP);
        client.turn();
        server.turn();
        let each = match manner {
            Manner::KeptAlive | Manner::Pipelined => CONNECTIONS,
            Manner::Closing => 1,
        };
        assert!(turn < WARM || client.answers - before == each);
    }
    let mut tape = tape.lock().unwrap_or_else(PoisonError::into_inner);
    core::mem::take(&mut *tape)
}

/// A server that has served for a while, and has more to receive.
fn warm(manner: Manner) -> Host<Playback> {
    let clock = Clock::manual();
    let device = Playback {
        turns: recorded(manner).into(),
        clock: Some(clock.clone()),
        bell: Doorbell::default(),
    };
    let mut host = Host::new(device, &clock);
    for _ in 0..WARM {
        host.turn();
    }
    host
}

// Twenty-five turns with eight requests each.
#[library_benchmark]
#[bench::of(args = (Manner::KeptAlive), setup = warm)]
fn kept_alive_requests(mut host: Host<Playback>) -> Host<Playback> {
    for _ in 0..COUNTED {
        host.turn();
    }
    host
}

// Twenty-five turns with sixteen requests on each of eight connections.
#[library_benchmark]
#[bench::of(args = (Manner::Pipelined), setup = warm)]
fn pipelined_requests(mut host: Host<Playback>) -> Host<Playback> {
    for _ in 0..COUNTED {
        host.turn();
    }
    host
}

// Twenty-five connections, each opened, served and closed.
#[library_benchmark]
#[bench::of(args = (Manner::Closing), setup = warm)]
fn closing_requests(mut host: Host<Playback>) -> Host<Playback> {
    for _ in 0..COUNTED {
        host.turn();
    }
    host
}
