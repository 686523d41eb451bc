//! Packets made by etherparse, merged, and read by it again.

use bytes::Bytes;
use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use std::io::IoSlice;

use outcrop_base::Instant;
use outcrop_device::{Caps, Clock, Device as _, Offload, pair};
use proptest::prelude::*;

use super::*;

/// What a segment is in these tests.
#[derive(Clone, Debug)]
struct Sent {
    v6: bool,
    port: u16,
    seq: u32,
    window: u16,
    push: bool,
    fin: bool,
    text: Vec<u8>,
}

fn sent(seq: u32, len: usize) -> Sent {
    let text = (0..len).map(|n| (n + seq as usize) as u8).collect();
    Sent {
        v6: false,
        port: 1000,
        seq,
        window: 500,
        push: false,
        fin: false,
        text,
    }
}

fn packet(sent: &Sent) -> Received {
    let ip = if sent.v6 {
        PacketBuilder::ipv6([1; 16], [2; 16], 64)
    } else {
        PacketBuilder::ipv4([10, 77, 0, 1], [10, 77, 0, 2], 64)
    };
    let mut tcp = ip.tcp(sent.port, 80, sent.seq, sent.window).ack(77);
    if sent.push {
        tcp = tcp.psh();
    }
    if sent.fin {
        tcp = tcp.fin();
    }
    let mut bytes = Vec::new();
    tcp.write(&mut bytes, &sent.text).unwrap();
    Received {
        at: Instant::from_millis(u64::from(sent.seq)),
        bytes: Bytes::from(bytes),
        offload: RxOffload::default(),
    }
}

fn merged(arrived: Vec<Received>) -> Vec<Received> {
    let (mut merger, mut out) = (Merger::default(), Vec::new());
    merger.arrived = arrived;
    merger.merge(&mut out);
    merger.end(&mut out);
    out
}

/// Port, sequence number, PSH and text, as etherparse reads them; the IP header's length and checksum must be right.
fn read(received: &Received) -> (u16, u32, bool, Vec<u8>) {
    let packet = SlicedPacket::from_ip(&received.bytes).unwrap();
    if let Some(NetSlice::Ipv4(ip)) = &packet.net {
        let header = ip.header().to_header();
        assert_eq!(header.calc_header_checksum(), header.header_checksum);
        assert_eq!(usize::from(header.total_len), received.bytes.len());
    }
    let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
        panic!("no TCP")
    };
    let text = tcp.payload().to_vec();
    (tcp.source_port(), tcp.sequence_number(), tcp.psh(), text)
}

#[test]
fn segments_in_order_read_together_are_one_with_the_size_of_the_first() {
    for v6 in [false, true] {
        let mut all: Vec<_> = (0..5).map(|n| sent(1000 * n, 1000)).collect();
        all.push(Sent {
            push: true,
            ..sent(5000, 300)
        });
        all.iter_mut().for_each(|sent| sent.v6 = v6);
        let text: Vec<u8> = all.iter().flat_map(|sent| sent.text.clone()).collect();
        let out = merged(all.iter().map(packet).collect());
        assert_eq!(out.len(), 1);
        assert_eq!(read(&out[0]), (1000, 0, true, text));
        assert_eq!(out[0].offload.gso_size, Some(1000));
        assert_eq!(out[0].offload.checksum, ChecksumState::Verified);
        assert_eq!(out[0].at, Instant::from_millis(5000));
    }
}

#[test]
fn segments_read_in_many_steps_are_as_few_and_a_turn_ends_when_it_has_enough() {
    let (mut far, mut near) = pair(Caps::plain(1500), &Clock::manual());
    let all: Vec<_> = (0..300).map(|n| sent(1448 * n, 1448)).collect();
    let mut arrived = Vec::new();
    let (mut merger, mut pool) = (Merger::default(), Pool::new());
    for some in all.chunks(75) {
        for sent in some {
            let packet = packet(sent).bytes;
            far.transmit(&[IoSlice::new(&packet)], Offload::default())
                .unwrap();
        }
        let mut out = Vec::new();
        let dry = merger.receive(&mut near, &mut pool, &mut out).unwrap();
        assert_eq!((out.len(), dry), (2, Dry::Yes));
        arrived.extend(out.iter().flat_map(|one| read(one).3));
    }
    assert!(arrived == all.iter().flat_map(|s| s.text.clone()).collect::<Vec<_>>());

    while far.room() {
        far.transmit(&[IoSlice::new(&packet(&all[0]).bytes)], Offload::default())
            .unwrap();
    }
    let mut out = Vec::new();
    let dry = merger.receive(&mut near, &mut pool, &mut out).unwrap();
    // The same again and again is no run: each is a packet of its own, and no more than a turn takes.
    assert!(dry == Dry::No && out.len() <= BATCH && out.len() > BATCH - 2 * STEP);
}

#[test]
fn whoever_does_not_continue_the_run_goes_on_as_he_came() {
    let next = sent(1000, 1000);
    let strangers = [
        Sent {
            seq: 1001,
            ..next.clone()
        },
        Sent {
            seq: 0,
            ..next.clone()
        },
        Sent {
            port: 1001,
            ..next.clone()
        },
        Sent {
            window: 501,
            ..next.clone()
        },
        Sent {
            fin: true,
            ..next.clone()
        },
        Sent { v6: true, ..next },
        sent(1000, 1001),
        sent(1000, 0),
    ];
    for stranger in strangers {
        let came = vec![packet(&sent(0, 1000)), packet(&stranger)];
        let out = merged(came.clone());
        assert_eq!(out.len(), 2, "{stranger:?}");
        assert!(
            out.iter()
                .zip(&came)
                .all(|(out, came)| out.bytes == came.bytes)
        );
        assert!(out.iter().all(|out| out.offload == RxOffload::default()));
    }
}

#[test]
fn a_short_segment_or_a_push_ends_the_run() {
    let push = Sent {
        push: true,
        ..sent(0, 1000)
    };
    for first in [push, sent(0, 1000)] {
        let short = sent(1000, 10);
        let out = merged([&first, &short, &sent(1010, 10)].map(packet).to_vec());
        assert_eq!(out.len(), 2);
    }
}

#[test]
fn a_wrong_checksum_is_left_to_be_judged() {
    for broken in [0, 1, 2] {
        for at in [8, 39, 60] {
            let mut came: Vec<_> = (0..3).map(|n| packet(&sent(100 * n, 100))).collect();
            let mut bytes = came[broken].bytes.to_vec();
            bytes[at] ^= 1;
            came[broken].bytes = bytes.into();
            let kept = came[broken].bytes.clone();
            let out = merged(came);
            assert!(out.iter().any(|out| out.bytes == kept), "{broken} {at}");
        }
    }
}

#[test]
fn no_packet_is_longer_than_ip_can_say() {
    let all: Vec<_> = (0..60).map(|n| packet(&sent(1400 * n, 1400))).collect();
    let out = merged(all);
    assert_eq!(out.len(), 2);
    assert_eq!(read(&out[0]).3.len(), 46 * 1400);
}

#[test]
fn more_small_ones_than_a_turn_reads_are_more_than_one() {
    let (mut far, mut near) = pair(Caps::plain(1500), &Clock::manual());
    for n in 0..300 {
        far.transmit(
            &[IoSlice::new(&packet(&sent(10 * n, 10)).bytes)],
            Offload::default(),
        )
        .unwrap();
    }
    let (mut merger, mut pool) = (Merger::default(), Pool::new());
    for (dry, text) in [(Dry::No, 10 * SEGMENTS), (Dry::Yes, 3_000 - 10 * SEGMENTS)] {
        let mut out = Vec::new();
        assert_eq!(merger.receive(&mut near, &mut pool, &mut out).unwrap(), dry);
        assert_eq!((out.len(), read(&out[0]).3.len()), (1, text));
    }
}

#[test]
fn short_runs_of_many_connections_share_memory() {
    let (mut merger, mut out) = (Merger::default(), Vec::new());
    for port in 0..60 {
        let of = |seq| Sent {
            port,
            ..sent(seq, 1400)
        };
        merger.arrived.extend([packet(&of(0)), packet(&of(1400))]);
    }
    merger.merge(&mut out);
    merger.end(&mut out);
    assert_eq!(out.len(), 60);
    assert!(out.iter().all(|one| read(one).3.len() == 2800));
    assert!(merger.pool.fresh() <= 4, "{}", merger.pool.fresh());
}

proptest! {
    /// Whatever arrives in whatever order: every byte goes on, in that order, at its sequence number.
    #[test]
    fn every_byte_goes_on_in_its_order(steps in prop::collection::vec((0u16..2, 0usize..3, any::<bool>(), any::<bool>()), 0..40)) {
        let mut next = [0u32; 2];
        let mut came = Vec::new();
        for (flow, size, push, skips) in steps {
            let at = &mut next[usize::from(flow)];
            *at += u32::from(skips);
            let one = Sent { port: 1000 + flow, push, ..sent(*at, size * 50) };
            *at += one.text.len() as u32;
            came.push(packet(&one));
        }
        let flat = |all: &[Received]| -> Vec<(u16, u32, u8)> {
            all.iter().map(read).flat_map(|(port, seq, _, text)| {
                text.into_iter().zip(seq..).map(move |(byte, at)| (port, at, byte)).collect::<Vec<_>>()
            }).collect()
        };
        let out = merged(came.clone());
        prop_assert_eq!(flat(&out), flat(&came));
        let pushed = |all: &[Received]| all.iter().filter(|one| read(one).2).count();
        prop_assert_eq!(pushed(&out), pushed(&came));
    }
}
