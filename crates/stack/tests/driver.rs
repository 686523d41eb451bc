//! Drivers over devices in memory: turns, order of records, counts, programs, threads.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected shall fail"
)]

mod common;

use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::task::Poll;
use core::time::Duration;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use common::{IFACE, host, sock, v4};
use outcrop_base::{
    Cause, ChunkQueue, Direction, DropReason, Fact, FactKind, Instant, Level, Note, PacketId,
    PacketRecord, Recorder, Value, WallClock,
};
use outcrop_device::{Caps, Clock, Device, Offload, PairEnd, pair};
use outcrop_stack::tcp::{Listen, ReadError};
use outcrop_stack::{Driver, Interest, ListenerId, Runner, Shard, StreamId};

/// One line of what was recorded.
#[derive(Clone, Debug, PartialEq)]
enum Line {
    In(PacketId, Option<DropReason>, String),
    Out(PacketId, Note, String),
    Fact(FactKind, Cause),
    Secret(String),
}

/// Keeps what it is told, for whoever holds the other end.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Vec<Line>>>);

impl Tape {
    fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap().clone()
    }
}

impl Recorder for Tape {
    fn level(&self) -> Level {
        Level::Full
    }

    fn packet(&mut self, record: &PacketRecord<'_>) {
        let mut state = String::from("-");
        record.state.describe(&mut |key, value| {
            if let ("state", Value::Word(word)) = (key, value) {
                word.clone_into(&mut state);
            }
        });
        let line = match record.direction {
            Direction::In => {
                let verdict = record.verdict.unwrap();
                Line::In(record.id, verdict.drop_reason(), state)
            }
            Direction::Out => Line::Out(record.id, record.note.unwrap(), state),
        };
        self.0.lock().unwrap().push(line);
    }

    fn fact(&mut self, _: Instant, fact: &Fact) {
        let line = Line::Fact(fact.kind, fact.cause);
        self.0.lock().unwrap().push(line);
    }

    fn secret(&mut self, line: &str) {
        self.0.lock().unwrap().push(Line::Secret(line.to_owned()));
    }
}

fn shard(last: u8, clock: &Clock) -> Shard {
    let wall = WallClock::new(Duration::from_secs(1_800_000_000));
    Shard::new(host(last, u64::from(last)), clock.clone(), wall).unwrap()
}

/// A host at 10.77.0.2 with a tape, and a bare device at the other end of its wire.
fn one_host() -> (Clock, Driver<PairEnd, Tape>, PairEnd, Tape) {
    let clock = Clock::manual();
    let (ours, theirs) = pair(Caps::plain(1500), &clock);
    let tape = Tape::default();
    let driver = Driver::new(shard(2, &clock), IFACE, ours, tape.clone());
    (clock, driver, theirs, tape)
}

/// Two hosts in virtual time, programs of both on one executor.
struct World {
    clock: Clock,
    drivers: [Driver<PairEnd, Tape>; 2],
    tapes: [Tape; 2],
    runner: Runner,
}

impl World {
    fn new() -> Self {
        let clock = Clock::manual();
        let (a, b) = pair(Caps::plain(1500), &clock);
        let tapes = [Tape::default(), Tape::default()];
        let shards = [shard(1, &clock), shard(2, &clock)];
        let runner = Runner::new(&shards[0]);
        let [s, t] = shards;
        Self {
            drivers: [
                Driver::new(s, IFACE, a, tapes[0].clone()),
                Driver::new(t, IFACE, b, tapes[1].clone()),
            ],
            clock,
            tapes,
            runner,
        }
    }

    fn shard(&self, host: usize) -> Shard {
        self.drivers[host].shard().clone()
    }

    /// Runs for `span` of virtual time, a millisecond a round.
    fn run(&mut self, span: Duration) {
        let end = self.clock.now() + span;
        while self.clock.now() < end {
            for driver in &mut self.drivers {
                driver.turn(|| self.runner.run_until_stalled()).unwrap();
            }
            self.clock.set(self.clock.now() + Duration::from_millis(1));
        }
    }
}

fn accept(shard: &Shard, listener: ListenerId) -> impl Future<Output = StreamId> {
    let shard = shard.clone();
    poll_fn(move |cx| {
        shard.poll(Interest::Accept(listener), cx, |core| {
            core.tcp_accept(listener).map_or(Poll::Pending, Poll::Ready)
        })
    })
}

/// The next bytes; `None` at the end, however it came.
fn read(shard: &Shard, stream: StreamId) -> impl Future<Output = Option<Bytes>> {
    let shard = shard.clone();
    poll_fn(move |cx| {
        shard.poll(Interest::Read(stream), cx, |core| {
            match core.tcp_read(stream) {
                Err(ReadError::WouldBlock) => Poll::Pending,
                Ok(read) => Poll::Ready(read),
                Err(_) => Poll::Ready(None),
            }
        })
    })
}

fn write(shard: &Shard, stream: StreamId, data: impl Into<ChunkQueue>) -> impl Future<Output = ()> {
    let shard = shard.clone();
    let mut data = data.into();
    poll_fn(move |cx| {
        shard.poll(Interest::Write(stream), cx, |core| {
            core.tcp_write(stream, &mut data).unwrap();
            if data.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    })
}

async fn echo_once(shard: Shard, listener: ListenerId) {
    let stream = accept(&shard, listener).await;
    while let Some(bytes) = read(&shard, stream).await {
        write(&shard, stream, bytes).await;
    }
    shard.call(|core| core.tcp_shutdown(stream)).unwrap();
    shard.call(|core| core.tcp_close(stream)).unwrap();
}

/// Sends `data` to `port` of 10.77.0.2 and returns what came back.
async fn ask(shard: Shard, port: u16, data: Bytes) -> Vec<u8> {
    let stream = shard.call(|core| core.tcp_connect(None, sock(2, port), None));
    let stream = stream.unwrap();
    write(&shard, stream, data).await;
    shard.call(|core| core.tcp_shutdown(stream)).unwrap();
    let mut answer = Vec::new();
    while let Some(bytes) = read(&shard, stream).await {
        answer.extend_from_slice(&bytes);
    }
    shard.call(|core| core.tcp_close(stream)).unwrap();
    answer
}

fn listen(shard: &Shard, port: u16) -> ListenerId {
    let listening = shard.call(|core| core.tcp_listen(sock(2, port), Listen::default()));
    listening.unwrap()
}

/// Starts an echo server on host 1 and asks it from host 0 for `data`.
fn echo_world(data: &'static [u8]) -> (World, Vec<u8>) {
    let mut world = World::new();
    let (client, server) = (world.shard(0), world.shard(1));
    let listener = listen(&server, 7);
    let answer = Rc::new(RefCell::new(Vec::new()));
    let tasks = world.runner.tasks();
    tasks.spawn(echo_once(server, listener)).detach();
    let heard = Rc::clone(&answer);
    tasks
        .spawn(async move {
            *heard.borrow_mut() = ask(client, 7, Bytes::from_static(data)).await;
        })
        .detach();
    world.run(Duration::from_secs(2));
    let answer = answer.borrow().clone();
    (world, answer)
}

#[test]
fn programs_on_both_hosts_echo_through_tasks_in_virtual_time() {
    let data: &'static [u8] = &[0x42; 200_000];
    let (world, answer) = echo_world(data);
    assert!(answer == data);
    for driver in &world.drivers {
        assert!(driver.shard().call(|core| core.tcp().is_empty()));
        assert_eq!(driver.counters().drops().count(), 0);
        assert_eq!(driver.counters().lost_out, 0);
    }
    let [a, b] = world.drivers.each_ref().map(Driver::counters);
    assert_eq!((a.packets_out, a.bytes_out), (b.packets_in, b.bytes_in));
    assert_eq!((b.packets_out, b.bytes_out), (a.packets_in, a.bytes_in));
}

#[test]
fn same_run_twice_is_recorded_alike() {
    let tapes = |(world, _): (World, Vec<u8>)| world.tapes.map(|tape| tape.lines());
    let first = tapes(echo_world(&[1; 30_000]));
    assert!(first[0].len() > 40);
    assert_eq!(first, tapes(echo_world(&[1; 30_000])));
}

#[test]
fn received_packet_is_recorded_after_its_verdict_and_before_what_it_caused() {
    let (world, _) = echo_world(b"hello");
    for tape in &world.tapes {
        let mut known = Vec::new();
        let mut caused = 0;
        for line in tape.lines() {
            let cause = match line {
                Line::In(id, ..) => {
                    known.push(id);
                    continue;
                }
                Line::Out(_, note, _) => note.cause(),
                Line::Fact(_, cause) => cause,
                Line::Secret(_) => continue,
            };
            if let Cause::Packet(id) = cause {
                assert!(known.contains(&id), "{id} caused something before it came");
                caused += 1;
            }
        }
        assert!(caused > 2);
    }
}

#[test]
fn packets_are_numbered_from_one_in_the_order_recorded() {
    let (world, _) = echo_world(b"hello");
    for tape in &world.tapes {
        let ids = tape.lines().into_iter().filter_map(|line| match line {
            Line::In(id, ..) | Line::Out(id, ..) => Some(id.0),
            Line::Fact(..) | Line::Secret(_) => None,
        });
        let ids: Vec<_> = ids.collect();
        assert!(ids.iter().copied().eq(1..=ids.len() as u64), "{ids:?}");
    }
}

#[test]
fn states_recorded_are_met_on_the_way_in_and_left_on_the_way_out() {
    let (world, _) = echo_world(b"hello");
    let story: Vec<_> = world.tapes[0]
        .lines()
        .into_iter()
        .filter_map(|line| match line {
            Line::In(_, _, state) => Some(("in", state)),
            Line::Out(_, _, state) => Some(("out", state)),
            Line::Fact(..) | Line::Secret(_) => None,
        })
        .take(3)
        .collect();
    // The program wrote and finished before the handshake ended: its FIN rides on the first ACK.
    let expected = [
        ("out", "SYN-SENT"),
        ("in", "SYN-SENT"),
        ("out", "FIN-WAIT-1"),
    ];
    let expected = expected.map(|(way, state)| (way, state.to_owned()));
    assert_eq!(story, expected);
}

#[test]
fn garbage_from_the_device_is_counted_and_recorded_with_its_reason() {
    let (_clock, mut driver, mut theirs, tape) = one_host();
    let send = |theirs: &mut PairEnd, bytes: &[u8]| {
        let piece = std::io::IoSlice::new(bytes);
        theirs.transmit(&[piece], Offload::default()).unwrap();
    };
    send(&mut theirs, &[0x15; 40]);
    send(&mut theirs, &[0x45, 0, 0]);
    driver.turn(|| {}).unwrap();
    let counters = driver.counters();
    assert_eq!((counters.packets_in, counters.bytes_in), (2, 43));
    assert_eq!(counters.dropped(DropReason::IpUnknownVersion), 1);
    assert_eq!(counters.dropped(DropReason::Ipv4Truncated), 1);
    assert_eq!(counters.drops().count(), 2);
    let reasons: Vec<_> = tape
        .lines()
        .into_iter()
        .filter_map(|line| match line {
            Line::In(_, reason, _) => reason,
            Line::Out(..) | Line::Fact(..) | Line::Secret(_) => None,
        })
        .collect();
    assert_eq!(
        reasons,
        [DropReason::IpUnknownVersion, DropReason::Ipv4Truncated]
    );
}

/// A device that takes nothing.
struct Refuses(PairEnd);

impl Device for Refuses {
    fn caps(&self) -> Caps {
        self.0.caps()
    }

    fn receive(
        &mut self,
        pool: &mut outcrop_device::Pool,
        out: &mut Vec<outcrop_device::Received>,
        max: usize,
    ) -> std::io::Result<outcrop_device::Dry> {
        self.0.receive(pool, out, max)
    }

    fn room(&self) -> bool {
        true
    }

    fn transmit(&mut self, _: &[std::io::IoSlice<'_>], _: Offload) -> std::io::Result<()> {
        Err(std::io::ErrorKind::InvalidInput.into())
    }

    fn wake_source(&self) -> outcrop_device::WakeSource<'_> {
        self.0.wake_source()
    }
}

#[test]
fn packet_the_device_refuses_is_lost_counted_recorded_and_repeated_by_its_timer() {
    let clock = Clock::manual();
    let (ours, _theirs) = pair(Caps::plain(1500), &clock);
    let tape = Tape::default();
    let mut driver = Driver::new(shard(1, &clock), IFACE, Refuses(ours), tape.clone());
    let connected = driver
        .shard()
        .call(|core| core.tcp_connect(None, sock(2, 80), None));
    connected.unwrap();
    driver.turn(|| {}).unwrap();
    assert_eq!(
        (driver.counters().lost_out, driver.counters().packets_out),
        (1, 0)
    );
    let remark = |line: &Line| matches!(line, Line::Fact(FactKind::Remark(_), _));
    assert!(tape.lines().iter().any(remark));
    // RFC 6298 2.1: the first timeout is one second.
    assert_eq!(driver.deadline(), Some(Instant::from_secs(1)));
    clock.set(Instant::from_secs(1));
    driver.turn(|| {}).unwrap();
    assert_eq!(driver.counters().lost_out, 2);
}

#[test]
fn key_log_lines_reach_the_recorder() {
    let (_clock, mut driver, _theirs, tape) = one_host();
    driver.shard().record_secret("CLIENT_RANDOM a b".to_owned());
    driver.turn(|| {}).unwrap();
    assert_eq!(tape.lines(), [Line::Secret("CLIENT_RANDOM a b".to_owned())]);
}

#[test]
fn sleeper_wakes_in_virtual_time_not_before_and_not_after() {
    let (clock, mut driver, _theirs, _tape) = one_host();
    let mut runner = Runner::new(driver.shard());
    let shard = driver.shard().clone();
    let woken = Rc::new(RefCell::new(None));
    let tell = Rc::clone(&woken);
    let task = async move {
        shard.sleep_until(Instant::from_secs(3600)).await;
        *tell.borrow_mut() = Some(shard.now());
    };
    runner.tasks().spawn(task).detach();
    driver.turn(|| runner.run_until_stalled()).unwrap();
    assert_eq!(driver.deadline(), Some(Instant::from_secs(3600)));
    clock.set(Instant::from_millis(3_599_999));
    driver.turn(|| runner.run_until_stalled()).unwrap();
    assert_eq!(*woken.borrow(), None);
    clock.set(Instant::from_secs(3600));
    driver.turn(|| runner.run_until_stalled()).unwrap();
    assert_eq!(*woken.borrow(), Some(Instant::from_secs(3600)));
    assert_eq!(driver.deadline(), None);
}

#[test]
fn two_threads_with_running_clocks_serve_and_ask_without_being_polled_in_vain() {
    let clock = Clock::start();
    let (a, b) = pair(Caps::plain(1500), &clock);
    let (client, server) = (shard(1, &clock), shard(2, &clock));
    let listener = listen(&server, 7);
    let serving = std::thread::spawn(move || {
        let mut driver = Driver::new(server, IFACE, b, ());
        let shard = driver.shard().clone();
        driver.run(move |_| echo_once(shard, listener)).unwrap();
        driver.settle(Duration::from_secs(5)).unwrap()
    });
    let mut driver = Driver::new(client, IFACE, a, ());
    let shard = driver.shard().clone();
    let data = Bytes::from(vec![3; 100_000]);
    let asked = data.clone();
    let answer = driver.run(move |_| ask(shard, 7, asked)).unwrap();
    assert!(answer == data);
    assert!(driver.settle(Duration::from_secs(5)).unwrap());
    assert!(serving.join().unwrap(), "the server's side ended too");
    // A loop that never slept would have turned millions of times.
    assert!(driver.counters().turns < 10_000, "{:?}", driver.counters());
}

#[test]
fn programs_that_have_ended_with_a_connection_open_let_the_loop_sleep() {
    let clock = Clock::start();
    let (a, _silent) = pair(Caps::plain(1500), &clock);
    let mut driver = Driver::new(shard(1, &clock), IFACE, a, ());
    let shard = driver.shard().clone();
    driver
        .run(move |tasks| async move {
            // One that is still there when the program ends.
            tasks.spawn(core::future::pending::<()>()).detach();
            shard
                .call(|core| core.tcp_connect(None, sock(2, 7), None))
                .unwrap();
        })
        .unwrap();
    assert!(!driver.settle(Duration::from_millis(50)).unwrap());
    // The SYN, and what wakes the loop at the limit; one that never slept would have turned ten thousand times.
    assert!(driver.counters().turns < 100, "{:?}", driver.counters());
}

#[test]
fn a_program_that_ends_takes_the_tasks_that_could_start_others_with_it() {
    let clock = Clock::start();
    let (a, _silent) = pair(Caps::plain(1500), &clock);
    let mut driver = Driver::new(shard(1, &clock), IFACE, a, ());
    let held = Rc::new(());
    let holding = Rc::downgrade(&held);
    driver
        .run(move |tasks| async move {
            let server = tasks.clone();
            let waits = async move {
                core::future::pending::<()>().await;
                drop((server, held));
            };
            tasks.spawn(waits).detach();
            // It has begun to wait when the program ends.
            tasks.spawn(async {}).await;
        })
        .unwrap();
    assert!(holding.upgrade().is_none(), "the task is still there");
}

#[test]
fn blocking_thread_calls_while_the_driver_sleeps_and_wakes_it() {
    let clock = Clock::start();
    let (a, b) = pair(Caps::plain(1500), &clock);
    let (asking, answering) = (shard(1, &clock), shard(2, &clock));
    let done = Arc::new(core::sync::atomic::AtomicBool::new(false));
    let drivers = [(asking.clone(), a), (answering, b)].map(|(shard, device)| {
        let done = Arc::clone(&done);
        std::thread::spawn(move || {
            let mut driver = Driver::new(shard.clone(), IFACE, device, ());
            driver
                .run(move |_| async move {
                    while !done.load(core::sync::atomic::Ordering::Acquire) {
                        let next = shard.now() + Duration::from_millis(5);
                        shard.sleep_until(next).await;
                    }
                })
                .unwrap();
        })
    });
    // Six pings, one after another, each waited for by a thread that parks.
    let ping = asking.call(|core| core.ping_open()).unwrap();
    for seq in 0..6 {
        let data = Bytes::from_static(b"x");
        let sent = asking.call(|core| core.ping_send(ping, v4(2), seq, &data));
        sent.unwrap();
        let echo = block_on(poll_fn(|cx| {
            asking.poll(Interest::Echo(ping), cx, |core| {
                core.ping_recv(ping).map_or(Poll::Pending, Poll::Ready)
            })
        }));
        let outcrop_stack::Echo::Reply(reply) = echo else {
            panic!("{echo:?}");
        };
        assert_eq!(reply.seq, seq);
    }
    done.store(true, core::sync::atomic::Ordering::Release);
    for driver in drivers {
        driver.join().unwrap();
    }
}

/// The smallest executor: parks this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut cx = core::task::Context::from_waker(&waker);
    let mut future = core::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn handles_cross_threads() {
    fn assert_send_sync<T: Send + Sync>() {}
    fn assert_send<T: Send>() {}
    assert_send_sync::<Shard>();
    assert_send::<outcrop_stack::Sleep>();
    assert_send::<Driver<PairEnd>>();
    assert_send::<outcrop_stack::Core>();
}
