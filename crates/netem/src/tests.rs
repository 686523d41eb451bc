//! Stories of packets on a link.

use core::time::Duration;

use outcrop_base::{DropReason, Instant, Seed};
use proptest::prelude::*;

use crate::{Config, Event, Fault, Link, Packet};

const MS: fn(u64) -> Instant = Instant::from_millis;

fn link(config: Config) -> Link {
    Link::new(config, &Seed::from_number(1))
}

fn packet(tag: u64) -> Packet {
    Packet {
        bytes: vec![0; 1000].into(),
        tag,
    }
}

/// Sends packets 1..=n, all at zero; returns the numbers carried.
fn send(link: &mut Link, n: u64) -> Vec<u64> {
    (1..=n)
        .filter(|tag| {
            link.handle_packet(Instant::ZERO, packet(*tag))
                .drop_reason()
                .is_none()
        })
        .collect()
}

/// Every arrival as (milliseconds, tag).
fn arrivals(link: &mut Link) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    while let Some(due) = link.poll_timeout() {
        while let Some(packet) = link.poll_transmit(due) {
            all.push((due.as_millis(), packet.tag));
        }
    }
    all
}

#[test]
fn perfect_wire_delivers_at_once_in_order() {
    let mut link = link(Config::default());
    send(&mut link, 3);
    assert_eq!(arrivals(&mut link), [(0, 1), (0, 2), (0, 3)]);
}

#[test]
fn delay_is_the_same_for_every_packet() {
    let mut link = link(Config::delay(Duration::from_millis(20)));
    let _ = link.handle_packet(MS(0), packet(1));
    let _ = link.handle_packet(MS(5), packet(2));
    assert_eq!(link.poll_transmit(MS(19)), None);
    assert_eq!(arrivals(&mut link), [(20, 1), (25, 2)]);
}

#[test]
fn scripted_packet_is_dropped_and_no_other() {
    let mut link = link(Config::default().dropping([2, 4]));
    assert_eq!(send(&mut link, 5), [1, 3, 5]);
}

#[test]
fn rate_spaces_packets_by_their_length() {
    // 1000 bytes at 100,000 bytes a second are 10 ms each.
    let mut link = link(Config {
        rate: Some(100_000),
        ..Config::default()
    });
    send(&mut link, 3);
    assert_eq!(arrivals(&mut link), [(10, 1), (20, 2), (30, 3)]);
}

#[test]
fn full_queue_drops_at_the_tail_and_drains_with_time() {
    let config = Config {
        rate: Some(100_000),
        queue: Some(2500),
        ..Config::default()
    };
    let mut link = link(config);
    assert_eq!(send(&mut link, 4), [1, 2]);
    let verdict = link.handle_packet(MS(9), packet(5));
    assert_eq!(verdict.drop_reason(), Some(DropReason::LinkQueueFull));
    let verdict = link.handle_packet(MS(10), packet(6));
    assert_eq!(
        verdict.drop_reason(),
        None,
        "the first packet has left the queue"
    );
}

#[test]
fn scripted_delay_lets_later_packets_overtake() {
    let mut config = Config::delay(Duration::from_millis(10));
    config
        .script
        .insert(1, Fault::Delay(Duration::from_millis(5)));
    let mut link = link(config);
    send(&mut link, 2);
    assert_eq!(arrivals(&mut link), [(10, 2), (15, 1)]);
    let fault = Fault::Delay(Duration::from_millis(5));
    assert_eq!(link.poll_event(), Some(Event { number: 1, fault }));
}

#[test]
fn scripted_duplicate_arrives_twice() {
    let mut config = Config::default();
    config.script.insert(2, Fault::Duplicate);
    let mut link = link(config);
    send(&mut link, 3);
    assert_eq!(arrivals(&mut link), [(0, 1), (0, 2), (0, 2), (0, 3)]);
}

#[test]
fn corruption_flips_exactly_one_bit() {
    let mut config = Config::default();
    config.script.insert(1, Fault::Corrupt);
    let mut link = link(config);
    send(&mut link, 1);
    let arrived = link.poll_transmit(MS(0)).unwrap();
    let ones: u32 = arrived.bytes.iter().map(|byte| byte.count_ones()).sum();
    assert_eq!((arrived.bytes.len(), ones), (1000, 1));
}

#[test]
fn jitter_varies_the_delay_and_keeps_the_order() {
    let config = Config {
        jitter: Duration::from_millis(50),
        ..Config::delay(Duration::from_millis(10))
    };
    let mut link = link(config);
    send(&mut link, 50);
    let all = arrivals(&mut link);
    assert!(all.iter().map(|(_, tag)| *tag).eq(1..=50));
    assert!(all.iter().all(|(at, _)| (10..60).contains(at)));
    assert!(all.first().unwrap().0 < all.last().unwrap().0);
}

#[test]
fn loss_rate_is_met_and_the_same_seed_loses_the_same() {
    let lossy = Config {
        loss: 0.1,
        ..Config::default()
    };
    let (mut one, mut two) = (link(lossy.clone()), link(lossy));
    let carried = send(&mut one, 10_000);
    // Binomial: mean 9000, standard deviation 30. Five of them.
    assert!((8850..9150).contains(&carried.len()), "{}", carried.len());
    assert_eq!(send(&mut two, 10_000), carried);
}

#[test]
fn scripted_fault_does_not_change_the_fate_of_others() {
    let lossy = Config {
        loss: 0.2,
        ..Config::default()
    };
    let mut plain = link(lossy.clone());
    let carried = send(&mut plain, 200);
    let chosen = carried[3];
    let mut scripted = link(lossy.dropping([chosen]));
    let mut want = carried;
    want.retain(|tag| *tag != chosen);
    assert_eq!(send(&mut scripted, 200), want);
}

proptest! {
    /// Whatever the settings: what was carried arrives, in number, and never before its delay.
    #[test]
    fn carried_packets_arrive(
        loss in 0.0..1.0f64, duplicate in 0.0..1.0f64, reorder in 0.0..1.0f64,
        rate in prop::option::of(1_000u64..1_000_000), queue in prop::option::of(1_000usize..10_000),
    ) {
        let config = Config {
            loss, duplicate, reorder, rate, queue,
            reorder_by: Duration::from_millis(7),
            jitter: Duration::from_millis(3),
            ..Config::delay(Duration::from_millis(10))
        };
        let mut link = link(config);
        let carried = send(&mut link, 100);
        let mut duplicates = 0;
        while let Some(event) = link.poll_event() {
            duplicates += usize::from(event.fault == Fault::Duplicate);
        }
        let all = arrivals(&mut link);
        prop_assert_eq!(all.len(), carried.len() + duplicates);
        prop_assert!(all.iter().all(|(at, _)| *at >= 10));
        prop_assert!(link.is_empty());
    }
}

/// The header's words add up to ones, its checksum among them (RFC 1071).
fn header_holds(bytes: &[u8]) -> bool {
    let words = bytes[..20].chunks(2);
    let sum: u32 = words.map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    (sum & 0xffff) + (sum >> 16) == 0xffff
}

// RFC 3168 5: only packets that say so may be marked; IPv4's header stays valid.
#[test]
fn congested_wire_marks_capable_packets_alone() {
    let config = Config {
        mark: 1.0,
        ..Config::default()
    };
    let mut link = link(config);
    for (ecn, marked) in [(0, 0), (1, 3), (2, 3), (3, 3)] {
        let mut packet = vec![0u8; 20];
        (packet[0], packet[1], packet[8]) = (0x45, 0xb8 | ecn, 64);
        let sum: u32 = packet
            .chunks(2)
            .map(|w| u32::from(w[0]) << 8 | u32::from(w[1]))
            .sum();
        let sum = !u16::try_from(sum).unwrap();
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        let _taken = link.handle_packet(
            MS(0),
            Packet {
                bytes: packet.into(),
                tag: 0,
            },
        );
        let arrived = link.poll_transmit(MS(0)).unwrap().bytes;
        assert_eq!(arrived[1], 0xb8 | marked);
        assert!(header_holds(&arrived));
    }
}
