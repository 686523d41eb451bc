//! Buffers that grow with the path, and memory that does not.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use core::time::Duration;

use bytes::Bytes;
use common::world::{Badness, World};
use common::{Story, plain, seg};
use outcrop_base::{ChunkQueue, Instant};
use outcrop_tcp::{Config, ConnId, Listen, Settings, params};

const MIB: usize = 1 << 20;
/// Bytes a second on every path: over 100 ms it takes 800 kilobytes to fill.
const RATE: u32 = 8_000_000;

/// A path of so many milliseconds both ways.
fn path(round_trip: u64, settings: Settings) -> World {
    let config = || Config {
        settings,
        ..Config::default()
    };
    let badness = Badness {
        loss: 0.0,
        duplicate: 0.0,
        reorder: 0.0,
        delay: Duration::from_millis(round_trip / 2),
    };
    let mut world = World::new(3, [config(), config()], badness);
    world.rate = Some(RATE);
    world
}

/// A transfer as the receiver saw it.
struct Transfer {
    took: Duration,
    /// The receive window and the send buffer's fill at every step.
    windows: Vec<u64>,
    queued: u64,
}

/// Sends `size` bytes to a program that reads at once, but for `pause` in the middle.
fn transfer(mut world: World, size: usize, pause: Duration) -> Transfer {
    let start = world.now;
    let listener = world.ends[0]
        .listen(World::addr(0), Listen::default())
        .unwrap();
    let id = world.ends[1]
        .connect(World::addr(1), World::addr(0), world.path, None)
        .unwrap();
    let mut left = ChunkQueue::from(Bytes::from(vec![7; size]));
    let mut accepted: Option<ConnId> = None;
    let (mut received, mut resume) = (0, Instant::ZERO);
    let (mut windows, mut queued, mut edge) = (Vec::new(), 0, 0);
    while received < size {
        assert!(
            world.step(),
            "nothing left to happen after {received} bytes"
        );
        let _taken = world.ends[1].write(id, &mut left).unwrap();
        accepted = accepted.or_else(|| world.ends[0].accept(listener));
        let Some(id) = accepted else { continue };
        if received >= size / 2 && resume == Instant::ZERO {
            resume = world.now + pause;
        }
        while resume <= world.now
            && let Ok(Some(bytes)) = world.ends[0].read(id)
        {
            received += bytes.len();
        }
        let info = world.ends[0].info(id).unwrap();
        let now_edge = info.rcv_nxt + info.rcv_wnd;
        assert!(
            now_edge >= edge,
            "the right edge went back to {now_edge} from {edge}"
        );
        edge = now_edge;
        windows.push(info.rcv_wnd);
        queued = queued.max(world.ends[0].queued());
    }
    Transfer {
        took: world.now - start,
        windows,
        queued,
    }
}

// From ten segments, slow start fills 800 kilobytes in six round trips of 100 ms: six mebibytes take those, the
// handshake and 0.8 s. A window of 128 KiB brings one mebibyte in eight round trips and what came before.
#[test]
fn long_fat_path_default_buffers_fill_it() {
    let grown = transfer(path(100, Settings::default()), 6 * MIB, Duration::ZERO);
    assert!(
        grown.took < Duration::from_millis(1_700),
        "{:?}",
        grown.took
    );
    let largest = grown.windows.iter().max().copied().unwrap();
    let max = u64::from(params::RECEIVE_BUFFER_MAX);
    assert!((800_000..=max * 9 / 8).contains(&largest), "{largest}");

    let fixed = Settings {
        receive_buffer_max: None,
        ..Settings::default()
    };
    let fixed = transfer(path(100, fixed), MIB, Duration::ZERO);
    assert!(fixed.took > Duration::from_secs(1), "{:?}", fixed.took);
}

// Bug 8 of those `bugs.rs` is about: a tuner that follows each round trip's count up and down makes the window swing, and the sender
// with it; or it advertises zero while it makes up its mind, or takes an edge back by rounding. Ours only grows: read at once, the window never falls by more than what is under way to the program.
#[test]
fn tuned_window_of_a_program_that_reads_never_swings() {
    let seen = transfer(path(100, Settings::default()), 3 * MIB, Duration::ZERO).windows;
    let mut peak = 0;
    for window in seen {
        // One delayed acknowledgment's worth and a segment stand between the peak and the window.
        assert!(window + 64 * 1460 >= peak * 7 / 8, "{window} after {peak}");
        peak = peak.max(window);
    }
}

#[test]
fn program_that_stops_reading_its_buffer_stops_growing() {
    let seen = transfer(
        path(100, Settings::default()),
        3 * MIB,
        Duration::from_secs(20),
    );
    // What it was given before it stopped, and not a byte more.
    let max = u64::from(params::RECEIVE_BUFFER_MAX);
    assert!(seen.queued <= max * 9 / 8, "{} queued", seen.queued);
    assert!(seen.took < Duration::from_secs(25));
}

#[test]
fn short_path_needs_no_more_than_it_begins_with() {
    // 2 ms: a round trip brings little, so that little is given.
    let seen = transfer(path(2, Settings::default()), 100 * 1460, Duration::ZERO);
    let start = u64::from(params::RECEIVE_BUFFER);
    assert!(seen.windows.iter().all(|window| *window <= start * 4));
}

/// An endpoint whose connections together may queue this much, and one of them.
fn scarce(memory_max: u64) -> (Story, ConnId) {
    let settings = Settings {
        receive_buffer: 60_000,
        ..plain()
    };
    let mut story = Story::with_config(Config {
        memory_max,
        settings,
        ..Config::default()
    });
    let listener = story.listen();
    story.recv(seg("S").mss(1000));
    story.out();
    story.recv(seg(".").seq(1).ack(1));
    let id = story.tcp.accept(listener).unwrap();
    (story, id)
}

/// The right edge our last acknowledgment promises.
fn edge(story: &mut Story) -> u32 {
    let last = story.out().pop().unwrap();
    last.ack.unwrap() + u32::from(last.wnd)
}

// RFC 9293 3.8.6 (SHLD-14): no window is taken back; it is used up.
#[test]
fn memory_scarce_the_window_closes_without_its_edge_moving_left() {
    let (mut story, id) = scarce(40_000);
    let mut at = 1;
    let mut edges = vec![60_001];
    for _ in 0..20 {
        story.recv(seg("P.").seq(at).ack(1).zeros(1000));
        story.recv(seg("P.").seq(at + 1000).ack(1).zeros(1000));
        at += 2000;
        edges.push(edge(&mut story));
    }
    assert!(edges.is_sorted(), "{edges:?}");
    // From 30,000 bytes on the edge rests: sixty thousand were promised, and are taken.
    assert_eq!(edges.last(), Some(&60_001));
    // Read, the bytes make room: the window opens as it was.
    assert_eq!(story.read_all(id).len(), 40_000);
    assert_eq!(story.tcp.queued(), 0);
    assert_eq!(edge(&mut story), 40_001 + 60_000);
}

// RFC 2018 8: what is out of order may be dropped though it was reported; it goes before anything else does.
#[test]
fn memory_full_out_of_order_text_is_refused_and_dropped_in_order_text_is_not() {
    let (mut story, id) = scarce(10_000);
    story.recv(seg("P.").seq(1).ack(1).zeros(1000));
    for n in 3..12 {
        story.recv(seg("P.").seq(1 + n * 1000).ack(1).zeros(1000));
    }
    assert_eq!(story.tcp.queued(), 10_000);
    let verdict = story.judge(seg("P.").seq(20_001).ack(1).zeros(1000));
    assert_eq!(verdict.rule.name, "tcp:text-no-memory");
    // What was held out of order is gone, and what comes in order is taken.
    assert_eq!(story.tcp.queued(), 1000);
    story.recv(seg("P.").seq(1001).ack(1).zeros(1000));
    assert_eq!(story.read_all(id).len(), 2000);
    // The peer sends the rest again.
    for n in 2..12 {
        story.recv(seg("P.").seq(1 + n * 1000).ack(1).zeros(1000));
    }
    assert_eq!(story.read_all(id).len(), 10_000);
}

#[test]
fn memory_full_each_connection_still_queues_a_few_segments_and_writes_go_on() {
    let (mut story, id) = scarce(1);
    let mut at = 1;
    for _ in 0..10 {
        story.recv(seg("P.").seq(at).ack(1).zeros(1000));
        at = 1 + story.tcp.info(id).unwrap().rcv_nxt as u32;
    }
    assert_eq!(story.tcp.queued(), 4_000);
    // A write takes four segments, whose acknowledgment makes room for four more.
    assert_eq!(story.write(id, 10_000), 4_000);
    assert_eq!(story.write(id, 10_000), 0);
    story.out();
    story.events();
    story.recv(seg(".").seq(4001).ack(4001));
    assert_eq!(story.events(), [outcrop_tcp::Event::Writable(id)]);
    assert_eq!(story.write(id, 10_000), 4_000);
    assert_eq!(story.read_all(id).len(), 4_000);
}

// Twenty-four connections whose programs do not read, against a budget of 400 kB: it holds, but for what each
// may always queue, and all of it arrives once they read.
#[test]
fn two_dozen_that_do_not_read_stay_within_the_budget_and_lose_nothing() {
    const MAX: u64 = 400_000;
    let config = Config {
        memory_max: MAX,
        ..Config::default()
    };
    let badness = Badness {
        loss: 0.01,
        duplicate: 0.0,
        reorder: 0.05,
        delay: Duration::from_millis(10),
    };
    let mut world = World::new(5, [config, Config::default()], badness);
    let listener = world.ends[0]
        .listen(World::addr(0), Listen::default())
        .unwrap();
    let (many, size) = (24, 50_000);
    let mut left = Vec::new();
    for port in 0..many {
        let mut from = World::addr(1);
        from.set_port(20_000 + port);
        let id = world.ends[1]
            .connect(from, World::addr(0), world.path, None)
            .unwrap();
        left.push((id, ChunkQueue::from(Bytes::from(vec![port as u8; size]))));
    }
    let (mut accepted, mut read) = (Vec::new(), vec![0; usize::from(many)]);
    let start = world.now;
    let floor = u64::from(many) * u64::from(params::LAST_SEGMENTS) * 1460;
    while read.iter().sum::<usize>() < usize::from(many) * size {
        assert!(world.step(), "somebody waits for ever: {read:?}");
        assert!(world.now - start < Duration::from_secs(600), "{read:?}");
        for (id, bytes) in left.iter_mut().filter(|(_, bytes)| !bytes.is_empty()) {
            let _taken = world.ends[1].write(*id, bytes).unwrap();
        }
        accepted.extend(world.ends[0].accept(listener));
        assert!(world.ends[0].queued() <= MAX + floor);
        if world.now - start < Duration::from_secs(10) {
            continue;
        }
        for (n, id) in accepted.iter().enumerate() {
            while let Ok(Some(bytes)) = world.ends[0].read(*id) {
                read[n] += bytes.len();
            }
        }
    }
}
