//! Two endpoints, a bad link, both ways at once: every byte arrives, in order, and both come to rest.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::world::{Badness, Protect, World};

use core::time::Duration;

use bytes::Bytes;
use outcrop_base::{ChunkQueue, Instant, Path};
use outcrop_tcp::auth::{AoAlgorithm, AoSelect, MasterKey, Prefix, Secret};
use outcrop_tcp::{Config, ConnId, Endpoint, Event, Listen, ListenerId, Settings};

const GOOD: Badness = Badness {
    loss: 0.0,
    duplicate: 0.0,
    reorder: 0.0,
    delay: Duration::from_millis(10),
};

/// The bytes one end sends: position decides the value, so that a shift shows.
fn pattern(end: usize, len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| ((i * 31 + i / 251 + end * 7) % 256) as u8)
        .collect()
}

/// What one end has done so far.
struct Program {
    id: Option<ConnId>,
    to_send: ChunkQueue,
    received: Vec<u8>,
    peer_finished: bool,
    shut: bool,
    chunk: usize,
}

impl Program {
    fn new(end: usize, len: usize, chunk: usize) -> Self {
        Self {
            id: None,
            to_send: ChunkQueue::from(Bytes::from(pattern(end, len))),
            received: Vec::new(),
            peer_finished: false,
            shut: false,
            chunk,
        }
    }

    /// Does what it can: writes, reads, shuts down after the last byte, lets go at the end.
    fn act(&mut self, world: &mut World, end: usize) {
        let tcp = &mut world.ends[end];
        while let Some(event) = tcp.poll_event() {
            match event {
                Event::Acceptable(listener) => self.id = tcp.accept(listener),
                Event::Connected(id) => self.id = Some(id),
                Event::Closed(_, reason) => assert_eq!(reason.name(), "finished"),
                Event::Readable(_) | Event::Writable(_) | Event::Urgent(_) | Event::Doubtful(_) => {
                }
            }
        }
        let Some(id) = self.id else { return };
        while !self.to_send.is_empty() {
            let mut piece = ChunkQueue::new();
            piece.append_up_to(&mut self.to_send, self.chunk);
            let taken = tcp.write(id, &mut piece).unwrap();
            piece.append(&mut self.to_send);
            self.to_send = piece;
            if taken == 0 {
                break;
            }
        }
        if self.to_send.is_empty() && !self.shut {
            tcp.shutdown(id).unwrap();
            self.shut = true;
        }
        tcp.check();
    }
}

fn read_all(program: &mut Program, world: &mut World, end: usize) {
    let Some(id) = program.id else { return };
    while let Ok(Some(bytes)) = world.ends[end].read(id) {
        program.received.extend_from_slice(&bytes);
    }
    program.peer_finished |= matches!(world.ends[end].read(id), Ok(None));
}

/// Runs a transfer of these sizes to its end; returns the world for a look at the log.
fn transfer(mut world: World, sizes: [usize; 2], chunk: usize, limit: u64) -> World {
    let listener = World::addr(0);
    let listener = world.ends[0].listen(listener, Listen::default()).unwrap();
    let (from, to, path) = (World::addr(1), World::addr(0), world.path);
    let id = world.ends[1].connect(from, to, path, None).unwrap();
    if let Some(protect) = world.protect {
        protect(&mut world.ends, listener, id);
    }
    let mut programs = [0, 1].map(|end| Program::new(end, sizes[end], chunk));
    let mut closed = false;
    let end_of_time = Instant::from_secs(limit);
    while world.step() {
        for (end, program) in programs.iter_mut().enumerate() {
            read_all(program, &mut world, end);
            program.act(&mut world, end);
            read_all(program, &mut world, end);
        }
        if !closed && programs.iter().all(|p| p.peer_finished && p.shut) {
            closed = true;
            for (end, program) in programs.iter().enumerate() {
                world.ends[end].close(program.id.unwrap()).unwrap();
            }
        }
        let received = [programs[0].received.len(), programs[1].received.len()];
        assert!(world.now < end_of_time, "stuck at {received:?}");
    }
    for end in 0..2 {
        assert_eq!(programs[end].received.len(), sizes[1 - end]);
        assert!(programs[end].received == pattern(1 - end, sizes[1 - end]));
        assert!(world.ends[end].is_empty(), "end {end} keeps nothing");
        assert_eq!(world.ends[end].time_wait_len(), 0);
    }
    world
}

fn configs(settings: Settings) -> [Config; 2] {
    [0, 1].map(|_| Config {
        settings,
        ..Config::default()
    })
}

#[test]
fn good_link_both_ways_every_byte_arrives_without_a_retransmission() {
    let world = World::new(1, configs(Settings::default()), GOOD);
    let world = transfer(world, [300_000, 200_000], 10_000, 300);
    let data: usize = world.log.iter().map(|(_, _, bytes)| bytes.len() - 32).sum();
    assert!(data < 502_000, "{data} bytes of payload and longer headers");
}

#[test]
fn lossy_link_both_ways_every_byte_arrives() {
    for seed in 0..20 {
        let bad = Badness { loss: 0.05, ..GOOD };
        let world = World::new(seed, configs(Settings::default()), bad);
        transfer(world, [200_000, 100_000], 7_000, 1_000);
    }
}

#[test]
fn terrible_link_both_ways_every_byte_arrives() {
    for seed in 0..20 {
        let bad = Badness {
            loss: 0.2,
            duplicate: 0.1,
            reorder: 0.2,
            delay: Duration::from_millis(30),
        };
        let world = World::new(seed, configs(Settings::default()), bad);
        transfer(world, [40_000, 30_000], 3_000, 20_000);
    }
}

#[test]
fn lossy_link_without_any_option_every_byte_arrives() {
    for seed in 0..20 {
        let bad = Badness {
            loss: 0.08,
            duplicate: 0.02,
            reorder: 0.05,
            ..GOOD
        };
        let world = World::new(seed, configs(common::plain()), bad);
        transfer(world, [100_000, 100_000], 5_000, 2_000);
    }
}

/// Both ends under the same MD5 key.
fn with_md5(ends: &mut [Endpoint; 2], listener: ListenerId, id: ConnId) {
    let secret = || Some(Secret::new(b"secret").unwrap());
    let [server, client] = ends;
    let peer = |end: usize| Prefix::from(World::addr(end).ip());
    server.set_md5sig(listener, peer(1), secret()).unwrap();
    client.set_md5sig(id, peer(0), secret()).unwrap();
}

/// Both ends under the same two TCP-AO keys; the client wants to be answered under the second.
fn with_ao(ends: &mut [Endpoint; 2], listener: ListenerId, id: ConnId) {
    let [server, client] = ends;
    for key_id in [1, 2] {
        let key = |end: usize| MasterKey {
            peer: Prefix::from(World::addr(end).ip()),
            send_id: key_id,
            recv_id: key_id,
            algorithm: AoAlgorithm::HmacSha1,
            secret: Secret::new(&[key_id; 16]).unwrap(),
            covers_options: true,
        };
        server.add_ao_key(listener, key(1)).unwrap();
        client.add_ao_key(id, key(0)).unwrap();
    }
    let select = AoSelect {
        next: Some(2),
        ..AoSelect::default()
    };
    client.select_ao_keys(id, select).unwrap();
}

#[test]
fn signed_ends_over_a_terrible_link_every_byte_arrives() {
    for protect in [with_md5 as Protect, with_ao] {
        for seed in 0..10 {
            let bad = Badness {
                loss: 0.15,
                duplicate: 0.1,
                reorder: 0.2,
                ..GOOD
            };
            let mut world = World::new(seed, configs(Settings::default()), bad);
            world.protect = Some(protect);
            let world = transfer(world, [60_000, 40_000], 3_000, 20_000);
            for end in world.ends {
                assert_eq!(end.counters().signatures_missing, 0);
            }
        }
    }
}

#[test]
fn tiny_buffers_lossy_link_windows_close_and_open_without_a_deadlock() {
    for seed in 0..20 {
        let bad = Badness {
            loss: 0.1,
            reorder: 0.1,
            ..GOOD
        };
        let settings = Settings {
            receive_buffer: 3_000,
            receive_buffer_max: None,
            send_buffer: 2_000,
            send_buffer_max: None,
            ..Settings::default()
        };
        let world = World::new(seed, configs(settings), bad);
        transfer(world, [30_000, 30_000], 1_000, 5_000);
    }
}

// Bug 1 of the checklist: an outage both ways while both send must not leave two ends that find
// each other's numbers unacceptable.
#[test]
fn outage_both_ways_while_both_send_both_recover() {
    for seed in 0..20 {
        let mut world = World::new(seed, configs(Settings::default()), GOOD);
        // The handshake passes; then nothing does for some seconds.
        world.badness.loss = 0.02;
        world.outage = Some((
            Instant::from_secs(1) + Duration::from_millis(35 + 3 * (seed % 40)),
            Instant::from_secs(5 + seed % 20),
        ));
        transfer(world, [100_000, 100_000], 10_000, 2_000);
    }
}

#[test]
fn super_segments_planned_when_the_device_cuts_them() {
    let mut world = World::new(1, configs(Settings::default()), GOOD);
    world.path = Path {
        gso_max: 65_000,
        ..Path::plain(1500)
    };
    let world = transfer(world, [1_000_000, 10], 100_000, 300);
    let largest = world.log.iter().map(|(_, _, b)| b.len()).max().unwrap();
    assert!(largest > 10_000, "largest plan {largest}");
    assert!(largest + 20 <= 65_000);
}

#[test]
fn same_seed_same_bytes() {
    let run = || {
        let bad = Badness {
            loss: 0.1,
            duplicate: 0.05,
            reorder: 0.1,
            ..GOOD
        };
        transfer(
            World::new(9, configs(Settings::default()), bad),
            [50_000, 50_000],
            5_000,
            2_000,
        )
        .log
    };
    assert!(run() == run());
}

#[test]
fn forked_endpoint_has_the_same_fingerprint_and_the_same_future() {
    use core::hash::Hasher;
    use std::hash::DefaultHasher;
    let mut world = World::new(3, configs(Settings::default()), GOOD);
    world.ends[0]
        .listen(World::addr(0), Listen::default())
        .unwrap();
    let (from, to, path) = (World::addr(1), World::addr(0), world.path);
    world.ends[1].connect(from, to, path, None).unwrap();
    for _ in 0..4 {
        world.step();
    }
    let fork = world.ends[1].clone();
    let print = |end: &Endpoint| {
        let mut hasher = DefaultHasher::new();
        end.fingerprint(world.now, &mut hasher);
        hasher.finish()
    };
    assert_eq!(print(&fork), print(&world.ends[1]));
    assert_ne!(print(&fork), print(&world.ends[0]));
}
