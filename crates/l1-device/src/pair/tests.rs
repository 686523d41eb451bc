use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::Waker;
use std::task::Wake;

use outcrop_base::Instant;

use super::*;
use crate::device::{Gso, GsoKind, PartialChecksum};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn register(end: &PairEnd) -> Arc<Count> {
    let count = Arc::new(Count::default());
    let WakeSource::Memory(bell) = end.wake_source() else {
        panic!("a pair has no descriptor");
    };
    bell.register(&Waker::from(Arc::clone(&count)));
    count
}

fn send(end: &mut PairEnd, packet: &[u8]) -> io::Result<()> {
    end.transmit(&[IoSlice::new(packet)], Offload::default())
}

fn receive(end: &mut PairEnd, max: usize) -> (Vec<Received>, Dry) {
    let mut out = Vec::new();
    let dry = end.receive(&mut Pool::new(), &mut out, max).unwrap();
    (out, dry)
}

#[test]
fn packet_in_pieces_sent_arrives_whole_with_the_receivers_time() {
    let clock = Clock::manual();
    let (mut a, mut b) = pair(Caps::plain(1_500), &clock);
    let pieces = [IoSlice::new(b"head"), IoSlice::new(b"er+payload")];
    a.transmit(&pieces, Offload::default()).unwrap();
    clock.set(Instant::from_millis(7));
    let (out, dry) = receive(&mut b, 64);
    assert_eq!((&out[0].bytes[..], dry), (&b"header+payload"[..], Dry::Yes));
    assert_eq!(out[0].at, Instant::from_millis(7));
    assert_eq!(receive(&mut a, 64).0.len(), 0);
}

#[test]
fn more_than_asked_for_arrived_is_not_dry() {
    let (mut a, mut b) = pair(Caps::plain(1_500), &Clock::manual());
    for byte in 0..5 {
        send(&mut a, &[byte]).unwrap();
    }
    let (out, dry) = receive(&mut b, 3);
    assert_eq!((out.len(), dry), (3, Dry::No));
    let (out, dry) = receive(&mut b, 3);
    assert_eq!((out.len(), dry), (2, Dry::Yes));
    assert_eq!(out[1].bytes[0], 4);
}

#[test]
fn offload_not_offered_is_invalid_and_offered_is_passed_on() {
    let checksum = Offload {
        checksum: Some(PartialChecksum {
            start: 20,
            offset: 16,
        }),
        gso: None,
    };
    let gso = Offload {
        gso: Some(Gso {
            kind: GsoKind::Tcp4,
            size: 1_460,
            header_len: 40,
        }),
        ..checksum
    };
    let (mut a, _b) = pair(Caps::plain(1_500), &Clock::manual());
    let packet = [0; 40];
    let long = [0; 6_000];
    for (bytes, offload) in [
        (&packet[..], checksum),
        (&long[..], gso),
        (&long[..], Offload::default()),
    ] {
        let error = a.transmit(&[IoSlice::new(bytes)], offload).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
    let caps = Caps {
        gso_max: 65_535,
        checksum_tx: true,
        checksum_rx: true,
        ..Caps::plain(1_500)
    };
    let (mut a, mut b) = pair(caps, &Clock::manual());
    a.transmit(&[IoSlice::new(&long)], gso).unwrap();
    let (out, _) = receive(&mut b, 1);
    assert_eq!(out[0].offload.checksum, ChecksumState::Verified);
    assert_eq!(out[0].offload.gso_size, Some(1_460));
}

#[test]
fn full_queue_has_no_room_and_room_made_wakes_the_sender() {
    let (mut a, mut b) = pair(Caps::plain(1_500), &Clock::manual());
    while a.room() {
        send(&mut a, b"packet").unwrap();
    }
    let error = send(&mut a, b"one too many").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    let woken = register(&a);
    assert_eq!(receive(&mut b, usize::MAX).0.len(), QUEUE);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert!(a.room());
}

#[test]
fn arrival_rings_once_a_registration() {
    let (mut a, b) = pair(Caps::plain(1_500), &Clock::manual());
    let woken = register(&b);
    send(&mut a, b"one").unwrap();
    send(&mut a, b"two").unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
}

#[test]
fn arrival_before_registration_wakes_at_once_unless_it_was_read() {
    let (mut a, mut b) = pair(Caps::plain(1_500), &Clock::manual());
    send(&mut a, b"early").unwrap();
    assert_eq!(register(&b).0.load(Ordering::SeqCst), 1);
    send(&mut a, b"and read").unwrap();
    drop(receive(&mut b, 64));
    assert_eq!(register(&b).0.load(Ordering::SeqCst), 0);
}

#[test]
fn sending_to_a_dropped_end_loses_the_packet_and_keeps_room() {
    let (mut a, b) = pair(Caps::plain(1_500), &Clock::manual());
    drop(b);
    for _ in 0..2 * QUEUE {
        send(&mut a, b"into the void").unwrap();
    }
    assert!(a.room());
}

#[test]
fn request_and_response_forever_allocate_nothing_new() {
    let (mut a, mut b) = pair(Caps::plain(1_500), &Clock::manual());
    for _ in 0..5_000 {
        send(&mut a, &[1; 100]).unwrap();
        drop(receive(&mut b, 64));
        send(&mut b, &[2; 1_400]).unwrap();
        drop(receive(&mut a, 64));
    }
    assert_eq!((a.pool.fresh(), b.pool.fresh()), (1, 1));
}
