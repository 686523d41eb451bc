//! RFC 6528, initial sequence numbers: a clock, and a keyed function of the connection.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use std::collections::BTreeSet;

use core::time::Duration;

use common::{Story, plain, seg};
use outcrop_base::{Instant, Seed};
use outcrop_tcp::{Config, Endpoint};

/// The number of the SYN to this remote port at this time, by a fresh endpoint.
fn syn(seed: u64, local: &str, remote: &str, at: Instant) -> u32 {
    let mut story = Story::new(plain());
    story.tcp = Endpoint::new(Config::default(), &Seed::from_number(seed));
    story.local = local.parse().unwrap();
    story.remote = remote.parse().unwrap();
    story.now = at;
    story.connect();
    story.out()[0].raw.seq.value()
}

const HERE: &str = "10.0.0.1:50000";
const THERE: &str = "10.0.0.2:80";

// 3: M is a timer of 4 microseconds, for one connection the numbers follow it exactly.
#[test]
fn same_sockets_later_the_number_has_moved_by_the_clock() {
    let start = Instant::from_secs(10);
    let first = syn(1, HERE, THERE, start);
    for micros in [4, 400, 1_000_000, 3_600_000_000] {
        let later = syn(1, HERE, THERE, start + Duration::from_micros(micros));
        assert_eq!(later.wrapping_sub(first), (micros / 4) as u32);
    }
    // The circle takes 4.77 hours.
    let round = Duration::from_micros(4 << 32);
    assert_eq!(syn(1, HERE, THERE, start + round), first);
}

// 3: F is over all four parts of the connection and the secret; each changes the number beyond guessing.
#[test]
fn any_part_or_the_secret_differs_the_number_is_elsewhere() {
    let at = Instant::from_secs(10);
    let mut numbers: Vec<u32> = vec![
        syn(1, HERE, THERE, at),
        syn(2, HERE, THERE, at),
        syn(1, "10.0.0.3:50000", THERE, at),
        syn(1, HERE, "10.0.0.4:80", at),
        syn(1, HERE, "10.0.0.2:81", at),
    ];
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 5);
    numbers.extend((50_001..50_200).map(|port| syn(1, &format!("10.0.0.1:{port}"), THERE, at)));
    let distinct: BTreeSet<_> = numbers.iter().map(|n| n >> 12).collect();
    assert!(
        distinct.len() + 2 >= numbers.len(),
        "spread over the circle"
    );
    // Neighbouring ports: no difference between numbers appears twice.
    let steps: BTreeSet<_> = numbers
        .windows(2)
        .map(|w| w[1].wrapping_sub(w[0]))
        .collect();
    assert!(steps.len() + 1 >= numbers.len() - 1);
}

// 3: a server's numbers come from the same function.
#[test]
fn answer_to_a_syn_takes_its_number_from_the_same_clock() {
    let answer = |ms: u64| {
        let mut story = Story::new(plain());
        story.listen();
        story.at(ms);
        story.recv(seg("S").mss(1000));
        story.out()[0].raw.seq.value()
    };
    assert_eq!(answer(1_000).wrapping_sub(answer(0)), 250_000);
}

// 3, with RFC 9293 3.6.1: the next connection between the same sockets begins above the last number of the old one.
#[test]
fn next_incarnation_begins_above_the_last_number() {
    let (mut story, id) = Story::established(plain());
    let first = story.iss;
    story.write(id, 30_000);
    while story.tcp.info(id).unwrap().snd_nxt < 30_000 {
        story.out();
        let sent = story.tcp.info(id).unwrap().snd_nxt as u32;
        story.recv(seg(".").seq(1).ack(1 + sent));
    }
    story.tcp.close(id).unwrap();
    story.out();
    story.recv(seg("F.").seq(1).ack(30_002));
    story.out();
    let last = first + 30_002;
    story.at(10);
    story.recv(seg("S").seq(200_000).mss(1000));
    let answer = &story.out()[0];
    assert!(answer.flags.syn());
    assert!(answer.raw.seq.after(last));
}
