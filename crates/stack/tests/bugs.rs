//! Bugs other stacks have had below TCP or between the layers, as stories named after them. TCP's own are in `l4-tcp`'s
//! `bugs` and `bugs_runners_up`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod common;

use core::time::Duration;
use std::io::IoSlice;

use bytes::Bytes;
use common::{DELAY, IFACE, World, host, sock};
use outcrop_base::{Instant, WallClock, Why};
use outcrop_device::{Caps, Clock, Device, Offload, pair};
use outcrop_stack::tcp::{Listen, State};
use outcrop_stack::udp::SendOptions;
use outcrop_stack::{BATCH, Driver, Shard, StreamId};

/// A connection from host 0 to host 1: both its ends.
fn connected(world: &mut World) -> (StreamId, StreamId) {
    let listener = world.hosts[1]
        .tcp_listen(sock(2, 80), Listen::default())
        .unwrap();
    let client = world.hosts[0].tcp_connect(None, sock(2, 80), None).unwrap();
    world.run(Duration::from_millis(100));
    let served = world.hosts[1].tcp_accept(listener).unwrap();
    (client, served)
}

// A device that never runs dry kept the loop reading: timers, programs and answers starved.
#[test]
fn unbounded_ingress_drain_a_turn_reads_one_batch_and_then_acts() {
    let clock = Clock::manual();
    let (ours, mut theirs) = pair(Caps::plain(1500), &clock);
    let wall = WallClock::new(Duration::ZERO);
    let shard = Shard::new(host(2, 2), clock.clone(), wall).unwrap();
    let mut driver = Driver::new(shard, IFACE, ours, ());
    let mut put = 0;
    while theirs.room() && put < 10 * BATCH {
        let garbage = [0_u8; 64];
        theirs
            .transmit(&[IoSlice::new(&garbage)], Offload::default())
            .unwrap();
        put += 1;
    }
    assert!(put > 2 * BATCH, "{put}");
    let (mut turns, mut acted) = (0, 0);
    while driver.counters().packets_in < put as u64 {
        let before = driver.counters().packets_in;
        driver.turn(|| acted += 1).unwrap();
        turns += 1;
        assert!(driver.counters().packets_in - before <= BATCH as u64);
        // There is more to read: the loop must not sleep on it.
        let due = driver.deadline().is_some_and(|at| at <= clock.now());
        assert!(due || driver.counters().packets_in == put as u64);
    }
    assert_eq!(
        acted, turns,
        "programs had their turn between any two batches"
    );
}

// Packets gathered into batches waited for the batch to fill: half a second for a lone request.
#[test]
fn batching_adds_delay_a_lone_request_is_answered_in_one_round_trip() {
    let mut world = World::plain();
    let (client, served) = connected(&mut world);
    let asked = world.now;
    world.write(0, client, b"?");
    while world.read(1, served).0.is_empty() {
        assert!(world.step(asked + Duration::from_secs(1)));
    }
    world.write(1, served, b"!");
    while world.read(0, client).0.is_empty() {
        assert!(world.step(asked + Duration::from_secs(1)));
    }
    assert_eq!(world.now - asked, 2 * DELAY);
}

// One packet that could not leave (elsewhere: its neighbour did not answer) stood at the head of the only queue.
#[test]
fn output_queue_clogged_by_one_unsendable_packet_the_others_of_the_flush_leave() {
    let mut world = World::plain();
    let (client, served) = connected(&mut world);
    let udp = world.hosts[0].udp_bind(sock(1, 7)).unwrap();
    // Too long for the link, and not to be cut: it is lost before it leaves.
    let stuck = SendOptions {
        dont_fragment: true,
        ..SendOptions::default()
    };
    for _ in 0..8 {
        let long = Bytes::from(vec![0; 3_000]);
        let _refused = world.hosts[0].udp_send(udp, Some(sock(2, 9)), long, &stuck);
    }
    let before = world.now;
    world.write(0, client, b"past them");
    world.run(DELAY);
    assert_eq!(world.read(1, served).0, b"past them");
    assert_eq!(world.now, before + DELAY);
}

// An acknowledgment counted as sent that never was: the peer repeated itself for ever. Here the wire eats it.
#[test]
fn ack_marked_sent_though_lost_the_repeated_segment_is_acknowledged_again() {
    let mut world = World::plain();
    let (client, _served) = connected(&mut world);
    world.write(0, client, b"heard?");
    // The segment itself leaves next; the answer after it is lost.
    world.lose = vec![world.sent.len() + 2];
    world.run(Duration::from_secs(5));
    let info = world.hosts[0].tcp_info(client).unwrap();
    assert_eq!((info.state, info.snd_una), (State::Established, 6));
    let story = world.story();
    let repeated = story.iter().filter(|(from, why)| {
        *from == 0 && matches!(why, Why::TailLossProbe | Why::Rto | Why::FastRetransmit)
    });
    assert_eq!(repeated.count(), 1, "{:?}", world.story());
}

// Several threads that read one TUN hand packets up in another order than they came. Here one driver reads a queue, and
// what it reads is fed in that order: a sender whose packets are not reordered is never told of a gap.
#[test]
fn tun_reads_reorder_never_the_megabyte_arrives_without_a_gap() {
    let mut world = World::plain();
    let (client, served) = connected(&mut world);
    let mut got = 0;
    let data = vec![7; 1_000_000];
    let mut queue = outcrop_base::ChunkQueue::from(Bytes::from(data));
    while got < 1_000_000 {
        world.hosts[0].tcp_write(client, &mut queue).unwrap();
        world.run(Duration::from_millis(5));
        got += world.read(1, served).0.len();
        assert!(world.now < Instant::from_secs(60));
    }
    let totals = world.hosts[1].tcp_info(served).unwrap().totals;
    assert_eq!(totals.out_of_order_in, 0);
    assert!(world.story().iter().all(|(_, why)| *why != Why::DupAck));
}
